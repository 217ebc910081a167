/* uring_ops.c -- operations as they come and go: tried, left to wait, taken back, ended with their fd. */
#include "uring.h"

#include <sys/socket.h>
#include <sys/stat.h>

/* A receive is done by the kernel as the system call would do it; all else is a poll, and then the call. */
enum asyncio__uring_kind asyncio__uring_kind_for(const struct asyncio_op *op)
{
    bool receives = op->opcode == ASYNCIO_OP_RECV && op->buffer.flags == 0 && op->buffer.size > 0 &&
                    !(op->flags & (ASYNCIO_OP_STANDING | ASYNCIO_OP_FOREIGN));

    return receives && !asyncio__hostile(ASYNCIO__SHORT_TRANSFERS) ? ASYNCIO__URING_RECEIVE : ASYNCIO__URING_POLL;
}

/* True for a send that the kernel does when it is told of all else. It does not wait there: where there is no room the
 * operation becomes a poll. Else one to a Unix socket would be given to a worker thread, and be late by any time. */
static bool is_deferred(const struct asyncio_backend *backend, const struct asyncio_op *op)
{
    return (backend->ring.features & IORING_FEAT_CQE_SKIP) && op->opcode == ASYNCIO_OP_SEND &&
           (op->flags & ASYNCIO_OP_DEFER) && !asyncio__hostile(ASYNCIO__SHORT_TRANSFERS);
}

/* True for a receive of what is not in the socket's queue, so that it says nothing of what is there. */
static bool looks_elsewhere(const struct asyncio_op *op)
{
    int flags = 0;

    if (op->opcode == ASYNCIO_OP_RECV)
        flags = op->buffer.flags;
    else if (op->opcode == ASYNCIO_OP_RECVFROM)
        flags = op->datagram.flags;
    return flags & (MSG_OOB | MSG_ERRQUEUE);
}

void asyncio__uring_note_empty(struct asyncio_backend *backend, const struct asyncio_op *op)
{
    struct asyncio__uring_record *record = asyncio__uring_find(backend, op->fd);

    if (!record || looks_elsewhere(op))
        return;
    for (int d = 0; d < ASYNCIO__DIRECTIONS; d++)
        if (asyncio__op_directions(op) & asyncio__direction_mask(d))
            record->empty[d] = backend->turn;
}

/* True when that was noted in this turn. */
static bool is_hopeless(const struct asyncio_backend *backend, const struct asyncio_op *op)
{
    const struct asyncio__uring_record *record = asyncio__uring_find(backend, op->fd);

    if (!record || !record->known || record->foreign || looks_elsewhere(op))
        return false;
    for (int d = 0; d < ASYNCIO__DIRECTIONS; d++)
        if ((asyncio__op_directions(op) & asyncio__direction_mask(d)) && record->empty[d] != backend->turn)
            return false;
    return true;
}

int64_t asyncio__uring_attempt(struct asyncio_backend *backend, struct asyncio_op *op)
{
    int64_t result = asyncio__op_perform(op);

    if (result == -EAGAIN)
        asyncio__uring_note_empty(backend, op);
    else
        asyncio__uring_note_result(backend, op, result);
    return result;
}

/* What is wrong with an fd that has not been tried. Files are always ready; who watches one has mistaken it, and hears
 * what epoll says. Returns: 0; a negative error. */
static int check_fd(int fd)
{
    struct stat about;

    if (fstat(fd, &about) < 0)
        return -errno;
    return S_ISREG(about.st_mode) || S_ISDIR(about.st_mode) ? -EPERM : 0;
}

/* The record of an fd that an operation is going to wait for. Returns: 0; a negative error. */
static int know_fd(struct asyncio_backend *backend, const struct asyncio_op *op)
{
    struct asyncio__uring_record *record = asyncio__uring_find(backend, op->fd);
    int r = 0;

    if (record && record->known)
        return 0;
    if (op->flags & (ASYNCIO_OP_STANDING | ASYNCIO_OP_FOREIGN))
        r = check_fd(op->fd);
    if (r < 0)
        return r;
    if (!record) {
        size_t wanted = (size_t)op->fd + 1, n = asyncio__grown(backend->n_records, wanted, 64);

        record = asyncio__realloc(backend->records, n * sizeof *record);
        if (!record)
            return -ENOMEM;
        memset(&record[backend->n_records], 0, (n - backend->n_records) * sizeof *record);
        backend->records = record;
        backend->n_records = n;
        record = &record[op->fd];
    }
    record->known = true;
    record->foreign = op->flags & ASYNCIO_OP_FOREIGN;
    return 0;
}

/* The record of a foreign fd is forgotten with its last wait: the number may stand for something else later. */
static void forget_if_unused(struct asyncio__uring_record *record)
{
    if (record->foreign && !asyncio__fd_wanted(&record->waits))
        record->known = false;
}

static int enqueue(struct asyncio_backend *backend, struct asyncio_op *op)
{
    struct asyncio__uring_record *record;
    int r = know_fd(backend, op);

    if (r < 0)
        return r;
    record = asyncio__uring_find(backend, op->fd);
    op->backend[0] = 0;
    if (is_deferred(backend, op))
        r = asyncio__uring_request(backend, op, ASYNCIO__URING_SEND);
    else if (!asyncio__uring_wait_for_source(backend, record, op))
        r = asyncio__uring_request(backend, op, asyncio__uring_kind_for(op));
    if (r < 0) {
        forget_if_unused(record);
        return r;
    }
    asyncio__fd_occupy(&record->waits, op, op);
    op->state |= ASYNCIO__URING_IN_SLOT;
    backend->n_ops++;
    return 0;
}

static void leave_slot(struct asyncio_backend *backend, struct asyncio_op *op)
{
    struct asyncio__uring_record *record = asyncio__uring_find(backend, op->fd);

    if (!(op->state & ASYNCIO__URING_IN_SLOT))
        return;
    asyncio__fd_occupy(&record->waits, op, NULL);
    forget_if_unused(record);
    op->state &= (uint8_t)~ASYNCIO__URING_IN_SLOT;
}

void asyncio__uring_dequeue(struct asyncio_backend *backend, struct asyncio_op *op)
{
    if (op->state & ASYNCIO__URING_SETTLED)
        list_remove(&op->link);
    leave_slot(backend, op);
    if (backend->current == op)
        backend->current = NULL;
    op->state = 0;
    backend->n_ops--;
}

void asyncio__uring_complete(struct asyncio_backend *backend, struct asyncio_op *op, int64_t result)
{
    asyncio__uring_dequeue(backend, op);
    op->result = result;
    op->completion = 0;
    op->complete(op);
}

static void settle(struct asyncio_backend *backend, struct asyncio_op *op)
{
    op->state = ASYNCIO__URING_SETTLED;
    list_push_back(&backend->settled, &op->link);
    asyncio__uring_alert(backend);
}

/* Takes an operation's request back. Returns: true when it is gone; false when its completion is to come. */
static bool take_back(struct asyncio_backend *backend, struct asyncio__uring_request *request)
{
    /* A send is over already, and the next poll will say so. */
    if (request->place == ASYNCIO__URING_SENT && request->kind == ASYNCIO__URING_SEND) {
        backend->hurries = true;
        return false;
    }
    if (request->place == ASYNCIO__URING_SENT && asyncio__uring_transfers(request))
        return asyncio__uring_withdraw(backend, request);
    asyncio__uring_abandon(backend, request);
    return true;
}

/* Ends the waiting of an operation whose fd leaves the library. */
static void end_wait(struct asyncio_backend *backend, struct asyncio_op *op, uint8_t how)
{
    struct asyncio__uring_request *request = asyncio__uring_request_of(op);

    leave_slot(backend, op);
    if (backend->current == op)
        backend->current = NULL;
    if (request && !take_back(backend, request)) {
        op->state |= how;
        return;
    }
    settle(backend, op);
}

static void forget_fd(struct asyncio_backend *backend, int fd, uint8_t how)
{
    struct asyncio__uring_record *record = asyncio__uring_find(backend, fd);

    if (!record || !record->known || asyncio__waker_forked(&backend->waker))
        return;
    for (int d = 0; d < ASYNCIO__DIRECTIONS; d++)
        for (int k = 0; k < ASYNCIO__WAIT_KINDS; k++)
            if (record->waits.op[d][k])
                end_wait(backend, record->waits.op[d][k], how);
    asyncio__uring_detach(backend, record);
    /* What the kernel still has holds the file open. */
    if (record->n_sent > 0 && asyncio__uring_bind(backend) == 0)
        asyncio__uring_enter(backend, 0);
    *record = (struct asyncio__uring_record){.n_sent = record->n_sent};
}

bool asyncio__uring_submit(struct asyncio_backend *backend, struct asyncio_op *op)
{
    struct asyncio__uring_record *record = asyncio__uring_find(backend, op->fd);
    bool foreign = op->flags & ASYNCIO_OP_FOREIGN;
    int64_t result;

    op->state = 0;
    op->completion = 0;
    if (!asyncio__op_waits(op)) {
        if (asyncio__op_is_file(op))
            return asyncio__uring_submit_file(backend, op);
        if (op->opcode == ASYNCIO_OP_CLOSE || op->opcode == ASYNCIO_OP_FORGET)
            forget_fd(backend, op->fd,
                      op->opcode == ASYNCIO_OP_CLOSE ? ASYNCIO__URING_LEFT | ASYNCIO__URING_CLOSED
                                                     : ASYNCIO__URING_LEFT);
        return asyncio__op_finish(op, asyncio__op_perform(op));
    }
    result = asyncio__op_check(op);
    if (result < 0)
        return asyncio__op_finish(op, result);
    if (asyncio__waker_forked(&backend->waker))
        return asyncio__op_finish(op, -ASYNCIO_ECLOSED);
    if (record && record->known && (record->foreign != foreign || asyncio__fd_is_busy(&record->waits, op)))
        return asyncio__op_finish(op, -EBUSY);
    if (!(op->flags & ASYNCIO_OP_STANDING) && !is_deferred(backend, op)) {
        bool nowait = op->flags & ASYNCIO_OP_NOWAIT;

        result = ASYNCIO__URING_ASK;
        if (record && record->source)
            result = asyncio__uring_from_source(backend, record->source, op);
        if (result == ASYNCIO__URING_ASK)
            result = !nowait && is_hopeless(backend, op) ? -EAGAIN : asyncio__uring_attempt(backend, op);
        if (result != -EAGAIN || nowait)
            return asyncio__op_finish(op, result);
    }
    result = enqueue(backend, op);
    return result < 0 ? asyncio__op_finish(op, result) : false;
}

bool asyncio__uring_cancel(struct asyncio_backend *backend, struct asyncio_op *op)
{
    struct asyncio__uring_request *request = asyncio__uring_request_of(op);

    assert(op->state &
           (ASYNCIO__URING_IN_SLOT | ASYNCIO__URING_SETTLED | ASYNCIO__URING_LEFT | ASYNCIO__URING_ON_FILE));
    if (op->state & ASYNCIO__URING_LEFT)
        return false;
    if (!(op->state & ASYNCIO__URING_SETTLED) && !asyncio__waker_forked(&backend->waker)) {
        if (!request)
            asyncio__uring_unwanted(backend, asyncio__uring_find(backend, op->fd));
        else if (!take_back(backend, request))
            return false;
    }
    asyncio__uring_dequeue(backend, op);
    return true;
}

void asyncio__uring_release(struct asyncio_backend *backend, int fd, void *data)
{
    int number = asyncio__ring_buffer_number(&backend->ahead, data);

    (void)fd;
    if (number >= 0)
        asyncio__ring_buffer_give(&backend->ahead, (unsigned)number);
    else
        asyncio__pool_put(&backend->buffers, data);
}
