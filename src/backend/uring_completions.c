/* uring_completions.c -- what the kernel has completed, and what becomes of the operations. */
#include "uring.h"

#include <poll.h>
#include <sys/eventfd.h>

/* Ends an operation that has an idle request. */
static void end(struct asyncio_backend *backend, struct asyncio_op *op, int64_t result)
{
    asyncio__uring_free_request(backend, asyncio__uring_request_of(op));
    asyncio__uring_complete(backend, op, result);
}

/* Does a standing operation once; a receive gets a buffer from the pool. */
static int64_t attempt_standing(struct asyncio_backend *backend, struct asyncio_op *op)
{
    int64_t result;

    if (op->opcode != ASYNCIO_OP_RECV)
        return asyncio__uring_attempt(backend, op);
    op->buffer.size = ASYNCIO__RECV_BUFFER_SIZE;
    op->buffer.data = asyncio__pool_get(&backend->buffers);
    if (!op->buffer.data)
        return -ENOMEM;
    result = asyncio__uring_attempt(backend, op);
    if (result <= 0) {
        asyncio__pool_put(&backend->buffers, op->buffer.data);
        op->buffer.data = NULL;
    }
    return result;
}

/* What a short read or an end tells of the next one: nothing but that another try now is hardly worth it. */
static bool is_short(const struct asyncio_op *op)
{
    return op->opcode == ASYNCIO_OP_RECV && (size_t)op->result < op->buffer.size;
}

/* Tries a standing operation until it has to wait, or has had its share: the next poll finds it ready again. */
static void run_standing(struct asyncio_backend *backend, struct asyncio_op *op)
{
    int burst = op->opcode == ASYNCIO_OP_POLL ? 1 : asyncio__at_a_time(ASYNCIO__OP_BURST);

    backend->current = op;
    for (; burst > 0; burst--) {
        int64_t result = attempt_standing(backend, op);
        bool is_last;

        if (result == -EAGAIN)
            break;
        if (result < 0 || (result == 0 && op->opcode == ASYNCIO_OP_RECV)) {
            end(backend, op, result);
            return;
        }
        op->result = result;
        op->completion = ASYNCIO_OP_MORE | (op->opcode == ASYNCIO_OP_RECV ? ASYNCIO_OP_BUFFER : 0);
        is_last = is_short(op);
        op->complete(op);
        if (backend->current != op)
            return;
        if (is_last)
            break;
    }
    backend->current = NULL;
    if (op->opcode != ASYNCIO_OP_POLL &&
        asyncio__uring_wait_for_source(backend, asyncio__uring_find(backend, op->fd), op)) {
        asyncio__uring_free_request(backend, asyncio__uring_request_of(op));
        op->backend[0] = 0;
    } else {
        asyncio__uring_requeue(backend, asyncio__uring_request_of(op));
    }
}

static unsigned fd_events(const struct asyncio_op *op, int32_t events)
{
    unsigned ready = 0;

    if (events & (POLLIN | POLLHUP | POLLERR))
        ready |= ASYNCIO_READABLE;
    if (events & (POLLOUT | POLLHUP | POLLERR))
        ready |= ASYNCIO_WRITABLE;
    return ready & op->poll.events;
}

/* Tells one who watches a foreign fd. */
static void report_foreign(struct asyncio_backend *backend, struct asyncio_op *op, int32_t events)
{
    unsigned ready = fd_events(op, events);

    if (ready && !(op->flags & ASYNCIO_OP_STANDING)) {
        end(backend, op, ready);
        return;
    }
    if (ready) {
        backend->current = op;
        op->result = ready;
        op->completion = ASYNCIO_OP_MORE;
        op->complete(op);
        if (backend->current != op)
            return;
        backend->current = NULL;
    }
    asyncio__uring_requeue(backend, asyncio__uring_request_of(op));
}

/* A poll has ended. */
static void polled(struct asyncio_backend *backend, struct asyncio_op *op, int32_t result)
{
    int64_t outcome;

    if (result < 0 && result != -ECANCELED) {
        end(backend, op, result);
    } else if (op->opcode == ASYNCIO_OP_POLL && (op->flags & ASYNCIO_OP_FOREIGN)) {
        report_foreign(backend, op, result < 0 ? 0 : result);
    } else if (op->flags & ASYNCIO_OP_STANDING) {
        run_standing(backend, op);
    } else if (op->opcode == ASYNCIO_OP_POLL && result > 0) {
        end(backend, op, fd_events(op, result));
    } else {
        outcome = asyncio__uring_attempt(backend, op);
        if (outcome == -EAGAIN)
            asyncio__uring_requeue(backend, asyncio__uring_request_of(op));
        else
            end(backend, op, outcome);
    }
}

/* A transfer has ended, or could not be done as one. */
static void transferred(struct asyncio_backend *backend, struct asyncio_op *op,
                        const struct asyncio__completion *completion)
{
    int32_t result = completion->result;

    if (op->state & ASYNCIO__URING_LEFT) {
        end(backend, op, result < 0 || (op->state & ASYNCIO__URING_CLOSED) ? -ASYNCIO_ECLOSED : result);
        return;
    }
    /* Nobody asked for it: it was the thread's end, which takes away what the thread began. */
    if (result == -EAGAIN || result == -EINTR || (result == -ECANCELED && !asyncio__uring_request_of(op)->cancelled)) {
        asyncio__uring_requeue(backend, asyncio__uring_request_of(op));
        return;
    }
    asyncio__uring_note_result(backend, op, result);
    if (result > 0 && (size_t)result < op->buffer.size && !(completion->flags & IORING_CQE_F_SOCK_NONEMPTY))
        asyncio__uring_note_empty(backend, op);
    end(backend, op, result);
}

/* An operation on files has ended. */
static void file_done(struct asyncio_backend *backend, struct asyncio_op *op, int32_t result)
{
    struct asyncio__uring_request *request = asyncio__uring_request_of(op);
    int64_t outcome = asyncio__uring_file_result(op, request->cancelled, result);

    if (outcome == ASYNCIO__URING_ASK)
        asyncio__uring_requeue(backend, request);
    else
        end(backend, op, outcome);
}

static void woken(struct asyncio_backend *backend, const struct asyncio__completion *completion)
{
    eventfd_t count;

    if (completion->flags & IORING_CQE_F_MORE)
        return;
    backend->waker_watched = false;
    backend->one_wake = backend->one_wake || completion->result == -EINVAL;
    /* A new poll would find it readable still. */
    if (completion->result > 0)
        eventfd_read(backend->waker.fd, &count);
}

static void dispatch(struct asyncio_backend *backend, const struct asyncio__completion *completion)
{
    struct asyncio__uring_request *request;

    if (completion->key == ASYNCIO__URING_NOBODY)
        return;
    if (completion->key == ASYNCIO__URING_WAKER) {
        woken(backend, completion);
        return;
    }
    request = (struct asyncio__uring_request *)(uintptr_t)(completion->key & ~(uint64_t)ASYNCIO__URING_CANCEL);
    if (completion->key & ASYNCIO__URING_CANCEL) {
        asyncio__uring_cancel_answered(backend, request);
        return;
    }
    if (asyncio__uring_is_source(request)) {
        asyncio__uring_came(backend, asyncio__uring_source_of(request), completion);
        return;
    }
    asyncio__uring_returned(backend, request);
    if (!request->op)
        asyncio__uring_free_request(backend, request);
    else if (request->kind == ASYNCIO__URING_FILE)
        file_done(backend, request->op, completion->result);
    else if (asyncio__uring_transfers(request))
        transferred(backend, request->op, completion);
    else
        polled(backend, request->op, completion->result);
}

void asyncio__uring_report_settled(struct asyncio_backend *backend)
{
    struct asyncio_link settled, *link;

    list_init(&settled);
    list_splice_back(&settled, &backend->settled);
    while ((link = list_pop_front(&settled)))
        asyncio__uring_complete(backend, CONTAINER_OF(link, struct asyncio_op, link), -ASYNCIO_ECLOSED);
}

/* Handles what has come of a foreign fd's reader before what has come of its writer, whatever the kernel's order. */
static void let_reader_overtake(struct asyncio_backend *backend, uint64_t key, unsigned n)
{
    const struct asyncio__uring_request *request = (const struct asyncio__uring_request *)(uintptr_t)key;
    const struct asyncio__uring_record *record;
    const struct asyncio_op *reader;

    if (key <= ASYNCIO__URING_WAKER || (key & ASYNCIO__URING_CANCEL) || !request->op ||
        !asyncio__op_is_watch(request->op) || request->op->poll.events != ASYNCIO_WRITABLE)
        return;
    record = asyncio__uring_find(backend, request->fd);
    reader = record->waits.op[ASYNCIO__READER][asyncio__wait_kind(request->op)];
    for (unsigned i = 0; reader && i < n; i++) {
        struct io_uring_cqe *later = asyncio__ring_completion(&backend->ring, i);
        struct asyncio__completion completion = {later->user_data, later->res, later->flags};

        if (completion.key != asyncio__uring_request_of(reader)->key)
            continue;
        later->user_data = ASYNCIO__URING_NOBODY;
        dispatch(backend, &completion);
        return;
    }
}

/* Ends the sends of which the kernel has said nothing: they have succeeded. */
static void end_sends(struct asyncio_backend *backend, struct asyncio_link *sends)
{
    while (!list_empty(sends)) {
        struct asyncio__uring_request *request = CONTAINER_OF(sends->next, struct asyncio__uring_request, link);
        struct asyncio__completion all = {.key = request->key, .result = (int32_t)request->op->buffer.size};

        dispatch(backend, &all);
    }
}

void asyncio__uring_take_completions(struct asyncio_backend *backend)
{
    struct asyncio_link sends;

    /* What the kernel says of a send that failed is there now, unless it had no place for it, or has not got the send:
     * then they are left for later, all of them. */
    list_init(&sends);
    if (asyncio__ring_unsubmitted(&backend->ring) == 0 && !asyncio__ring_has_overflowed(&backend->ring))
        list_splice_back(&sends, &backend->sends);
    asyncio__ring_show(&backend->ring);
    for (unsigned n = asyncio__ring_ready(&backend->ring); n > 0; n--) {
        struct asyncio__completion completion;

        let_reader_overtake(backend, asyncio__ring_completion(&backend->ring, 0)->user_data, n);
        completion = asyncio__ring_take(&backend->ring);
        dispatch(backend, &completion);
    }
    end_sends(backend, &sends);
}
