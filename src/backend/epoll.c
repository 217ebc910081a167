/* epoll.c -- the back end over epoll(7).
 *
 * - The library's own fds are registered once, edge-triggered, when an operation on them first has to wait, and until
 *   they are closed. A direction's ready bit is clear only if the kernel will announce the next change: an operation
 *   that finds it clear waits without a system call.
 * - Foreign fds are registered by level, for what somebody waits for, and not at all when nobody does.
 * - An event of a registration that is no more is dropped.
 * - An operation waits in the slots of its directions, or is settled: its result stands and poll is to report it. A
 *   standing operation that need not wait for an event is due as well. The waker hears of both, so that a foreign
 *   loop does.
 * - complete() may do anything to this back end but poll and close it. So nothing is held across it but `current`,
 *   which is cleared when that operation is taken back, and records are looked up again. */
#include "backends.h"
#include "epoll_set.h"
#include "epoll_wait.h"
#include "waker.h"

#include "../base/list.h"
#include "../base/mem.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A turn's worth: what is taken off the kernel's list and has to wait here grows cold, and late for its cancel. */
#define EVENTS_PER_POLL 64

/* In op->state. */
enum op_state {
    IN_SLOT = 1,
    DUE = 2,     /* on the list of what is tried without an event: standing, or cancelled late */
    SETTLED = 4, /* on the list of what is only to be reported */
};

struct asyncio_backend {
    struct asyncio__epoll_set set;
    bool coarse;   /* the kernel takes milliseconds only */
    uint64_t turn; /* counts polls */
    size_t n_ops;
    struct asyncio_link due, settled;
    struct asyncio_op *current; /* the standing operation whose complete() runs, unless that has taken it back */
    struct asyncio__pool buffers;
    struct asyncio__waker waker;
    struct epoll_event events[EVENTS_PER_POLL];
};

/* ------------------------------------------------------------------------------------------------ Opening and time */

static int64_t epoll_now(struct asyncio_backend *backend)
{
    struct timespec now;

    (void)backend;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_SEC + now.tv_nsec;
}

/* Option: "coarse", to do without epoll_pwait2 as older kernels have to. */
static int epoll_open(struct asyncio_backend **ret_backend, const char *options, int64_t start_ns)
{
    struct asyncio_backend *backend;
    bool coarse = false;
    int r;

    (void)start_ns;
    if (options && *options) {
        coarse = strcmp(options, "coarse") == 0;
        if (!coarse)
            return -EINVAL;
    }
    backend = asyncio__calloc(sizeof *backend);
    if (!backend)
        return -ENOMEM;
    list_init(&backend->due);
    list_init(&backend->settled);
    asyncio__pool_init(&backend->buffers, ASYNCIO__RECV_BUFFER_SIZE);
    r = asyncio__epoll_set_open(&backend->set);
    if (r < 0)
        goto no_set;
    r = asyncio__waker_open(&backend->waker);
    if (r < 0)
        goto no_waker;
    r = asyncio__epoll_add_waker(&backend->set, backend->waker.fd);
    if (r < 0)
        goto not_added;
    backend->coarse = coarse || !asyncio__epoll_waits_finely(backend->set.epoll_fd);
    *ret_backend = backend;
    return 0;

not_added:
    asyncio__waker_close(&backend->waker);
no_waker:
    asyncio__epoll_set_close(&backend->set);
no_set:
    asyncio__free(backend);
    return r;
}

static void epoll_close(struct asyncio_backend *backend)
{
    bool forked = asyncio__waker_forked(&backend->waker);

    assert(backend->n_ops == 0 || forked);
    asyncio__waker_close(&backend->waker);
    asyncio__epoll_set_close(&backend->set);
    /* Buffers that the parent of this process holds will not be handed back here. */
    if (forked)
        backend->buffers.in_use = 0;
    asyncio__pool_fini(&backend->buffers);
    asyncio__free(backend);
}

/* -------------------------------------------------------------------------------------------- Operations that wait */

/* True when a read has emptied the socket, so that the next byte will be announced. A Unix socket stops short of its
 * end where file descriptors were passed along, hence TCP only. */
static bool is_drained(const struct asyncio__epoll_record *record, const struct asyncio_op *op, int64_t result)
{
    bool plain = op->opcode == ASYNCIO_OP_READ || (op->opcode == ASYNCIO_OP_RECV && op->buffer.flags == 0);

    return plain && !asyncio__hostile(ASYNCIO__SHORT_TRANSFERS) && record->protocol == ASYNCIO__EPOLL_TCP &&
           !record->hung && result > 0 && (size_t)result < op->buffer.size;
}

/* Does an operation and keeps the ready bits true. `record`: of its fd, may be NULL. */
static inline int64_t attempt_with(struct asyncio__epoll_record *record, struct asyncio_op *op)
{
    int64_t result = asyncio__op_perform(op);

    if (record && asyncio__epoll_is_known(record) && !record->foreign) {
        if (result == -EAGAIN && !asyncio__op_looks_elsewhere(op))
            record->ready &= (uint8_t)~asyncio__op_directions(op);
        else if (is_drained(record, op, result))
            record->ready &= (uint8_t)~ASYNCIO_READABLE;
    }
    return result;
}

static int64_t attempt(struct asyncio_backend *backend, struct asyncio_op *op)
{
    struct asyncio__epoll_record *record = asyncio__epoll_find(&backend->set, op->fd);
    int64_t result = attempt_with(record, op);

    if (op->opcode == ASYNCIO_OP_ACCEPT && result >= 0 && record)
        asyncio__epoll_introduce(&backend->set, (int)result, record->protocol);
    return result;
}

/* Puts an operation on a list that the next poll, which then does not block, goes through. */
static void put_on_list(struct asyncio_backend *backend, struct asyncio_op *op, struct asyncio_link *list,
                        uint8_t state)
{
    op->state |= state;
    list_push_back(list, &op->link);
    if (atomic_load_explicit(&backend->waker.embedded, memory_order_relaxed))
        asyncio__waker_wake(&backend->waker);
}

static inline void begin_to_wait(struct asyncio_backend *backend, struct asyncio_op *op)
{
    op->state |= IN_SLOT;
    op->backend[0] = backend->turn;
    backend->n_ops++;
}

/* Lets an operation wait. Returns: 0; a negative error, and it does not. */
static int enqueue(struct asyncio_backend *backend, struct asyncio_op *op)
{
    struct asyncio__epoll_record *record;
    unsigned directions = asyncio__op_directions(op);
    int r = 0;

    /* A number that stands for nothing shall not make the table grow. */
    if (!asyncio__epoll_find(&backend->set, op->fd) && fcntl(op->fd, F_GETFD) < 0)
        return -errno;
    record = asyncio__epoll_make(&backend->set, op->fd);
    if (!record)
        return -ENOMEM;
    if (op->flags & ASYNCIO_OP_FOREIGN) {
        asyncio__fd_occupy(&record->waits, op, op);
        r = asyncio__epoll_watch(&backend->set, record, op->fd);
        if (r < 0)
            asyncio__fd_occupy(&record->waits, op, NULL);
    } else {
        if (!record->generation)
            r = asyncio__epoll_add_own(&backend->set, record, op->fd, directions);
        if (r == 0)
            asyncio__fd_occupy(&record->waits, op, op);
    }
    if (r < 0)
        return r;
    begin_to_wait(backend, op);
    /* A standing operation has not been tried yet, and may know already what a new edge would tell. */
    if ((op->flags & ASYNCIO_OP_STANDING) && (record->ready & directions))
        put_on_list(backend, op, &backend->due, DUE);
    return 0;
}

/* Ends an operation's waiting; its memory is its owner's again. */
static void dequeue(struct asyncio_backend *backend, struct asyncio_op *op)
{
    if (op->state & (DUE | SETTLED))
        list_remove(&op->link);
    if (op->state & IN_SLOT) {
        struct asyncio__epoll_record *record = asyncio__epoll_record(&backend->set, op->fd);

        asyncio__fd_occupy(&record->waits, op, NULL);
        /* In a forked child the kernel's side is the parent's. */
        if (record->foreign && !asyncio__waker_forked(&backend->waker))
            asyncio__epoll_watch(&backend->set, record, op->fd);
    }
    if (backend->current == op)
        backend->current = NULL;
    op->state = 0;
    backend->n_ops--;
}

/* Ends the waiting of an operation whose fd leaves the library; the next poll reports it. */
static void settle(struct asyncio_backend *backend, struct asyncio_op *op)
{
    if (op->state & DUE)
        list_remove(&op->link);
    if (backend->current == op)
        backend->current = NULL;
    op->state = 0;
    put_on_list(backend, op, &backend->settled, SETTLED);
}

static void forget_fd(struct asyncio_backend *backend, int fd)
{
    struct asyncio__epoll_record *record = asyncio__epoll_find(&backend->set, fd);

    if (!record)
        return;
    for (int d = 0; d < ASYNCIO__DIRECTIONS; d++)
        for (int k = 0; k < ASYNCIO__WAIT_KINDS; k++)
            if (record->waits.op[d][k] && !(record->waits.op[d][k]->state & SETTLED))
                settle(backend, record->waits.op[d][k]);
    asyncio__epoll_remove(&backend->set, record, fd, !asyncio__waker_forked(&backend->waker));
}

static bool submit_any(struct asyncio_backend *backend, struct asyncio_op *op)
{
    struct asyncio__epoll_record *record = asyncio__epoll_find(&backend->set, op->fd);
    bool foreign = op->flags & ASYNCIO_OP_FOREIGN, registered = record && record->generation;
    int64_t result;

    op->state = 0;
    op->completion = 0;
    if (asyncio__op_is_file(op))
        return asyncio__op_finish(op, -EOPNOTSUPP);
    if (!asyncio__op_waits(op)) {
        if (op->opcode == ASYNCIO_OP_CLOSE || op->opcode == ASYNCIO_OP_FORGET)
            forget_fd(backend, op->fd);
        result = asyncio__op_perform(op);
        if (op->opcode == ASYNCIO_OP_SOCKET && result >= 0)
            asyncio__epoll_introduce(&backend->set, (int)result, asyncio__epoll_protocol_of(op));
        return asyncio__op_finish(op, result);
    }
    result = asyncio__op_check(op);
    if (result < 0)
        return asyncio__op_finish(op, result);
    if (asyncio__waker_forked(&backend->waker))
        return asyncio__op_finish(op, -ASYNCIO_ECLOSED);
    if (registered && (record->foreign != foreign || asyncio__fd_is_busy(&record->waits, op)))
        return asyncio__op_finish(op, -EBUSY);
    if (!(op->flags & ASYNCIO_OP_STANDING)) {
        /* Until it is registered, no event will tell that it has become ready. */
        bool untold = !registered && (op->flags & ASYNCIO_OP_NOWAIT);
        bool known = record && asyncio__epoll_is_known(record) && !record->foreign && !foreign && !untold;
        bool hopeless = known && !(record->ready & asyncio__op_directions(op));

        result = hopeless ? -EAGAIN : attempt(backend, op);
        if (result != -EAGAIN || (op->flags & ASYNCIO_OP_NOWAIT))
            return asyncio__op_finish(op, result);
    }
    result = enqueue(backend, op);
    return result < 0 ? asyncio__op_finish(op, result) : false;
}

/* Nearly all operations are of this sort: a one-shot receive or send on an fd that is registered already and on which
 * nobody else waits in that direction. submit_any does the same. */
static bool epoll_submit(struct asyncio_backend *backend, struct asyncio_op *op)
{
    struct asyncio__epoll_record *record = asyncio__epoll_find(&backend->set, op->fd);
    int direction;
    int64_t result;

    if ((op->opcode != ASYNCIO_OP_RECV && op->opcode != ASYNCIO_OP_SEND) ||
        (op->flags & (ASYNCIO_OP_STANDING | ASYNCIO_OP_FOREIGN)) || !record || !record->generation || record->foreign)
        return submit_any(backend, op);
    direction = op->opcode == ASYNCIO_OP_RECV ? ASYNCIO__READER : ASYNCIO__WRITER;
    if (UNLIKELY(record->waits.op[direction][ASYNCIO__ONE_SHOT] || record->waits.op[direction][ASYNCIO__STANDING] ||
                 asyncio__waker_forked(&backend->waker)))
        return submit_any(backend, op);
    op->state = 0;
    op->completion = 0;
    if (record->ready & asyncio__direction_mask(direction)) {
        result = attempt_with(record, op);
        if (LIKELY(result != -EAGAIN))
            return asyncio__op_finish(op, result);
    }
    if (op->flags & ASYNCIO_OP_NOWAIT)
        return asyncio__op_finish(op, -EAGAIN);
    record->waits.op[direction][ASYNCIO__ONE_SHOT] = op;
    begin_to_wait(backend, op);
    return false;
}

/* In hostile builds the cancel reaches a one-shot operation on an own fd in the next poll only, as it may with
 * io_uring.
 * Returns: whether it is so. */
static bool is_late(struct asyncio_backend *backend, struct asyncio_op *op)
{
    if (!asyncio__hostile(ASYNCIO__LATE_CANCELS) || (op->flags & (ASYNCIO_OP_STANDING | ASYNCIO_OP_FOREIGN)) ||
        asyncio__waker_forked(&backend->waker))
        return false;
    if (!(op->state & (DUE | SETTLED)))
        put_on_list(backend, op, &backend->due, DUE);
    return true;
}

static bool epoll_cancel(struct asyncio_backend *backend, struct asyncio_op *op)
{
    assert(op->state & (IN_SLOT | SETTLED));
    if (is_late(backend, op))
        return false;
    dequeue(backend, op);
    return true;
}

static void epoll_release(struct asyncio_backend *backend, int fd, void *data)
{
    (void)fd;
    asyncio__pool_put(&backend->buffers, data);
}

/* ------------------------------------------------------------------------------------------------------ Completing */

static void complete(struct asyncio_backend *backend, struct asyncio_op *op, int64_t result)
{
    dequeue(backend, op);
    op->result = result;
    op->completion = 0;
    op->complete(op);
}

/* Does a standing operation once; a receive gets a buffer from the pool. */
static int64_t attempt_standing(struct asyncio_backend *backend, struct asyncio_op *op)
{
    int64_t result;

    if (op->opcode != ASYNCIO_OP_RECV)
        return attempt(backend, op);
    op->buffer.size = ASYNCIO__RECV_BUFFER_SIZE;
    op->buffer.data = asyncio__pool_get(&backend->buffers);
    if (!op->buffer.data)
        return -ENOMEM;
    result = attempt(backend, op);
    if (result <= 0) {
        asyncio__pool_put(&backend->buffers, op->buffer.data);
        op->buffer.data = NULL;
    }
    return result;
}

/* Tries a standing operation until it has to wait; what does not come to an end goes on in the next poll. */
static void run_standing(struct asyncio_backend *backend, struct asyncio_op *op)
{
    unsigned directions = asyncio__op_directions(op);
    int burst = op->opcode == ASYNCIO_OP_POLL ? 1 : asyncio__at_a_time(ASYNCIO__OP_BURST);

    backend->current = op;
    for (; burst > 0; burst--) {
        bool ready = asyncio__epoll_record(&backend->set, op->fd)->ready & directions;
        int64_t result = ready ? attempt_standing(backend, op) : -EAGAIN;

        if (result == -EAGAIN)
            break;
        if (result < 0 || (result == 0 && op->opcode == ASYNCIO_OP_RECV)) {
            complete(backend, op, result);
            return;
        }
        op->result = result;
        op->completion = ASYNCIO_OP_MORE | (op->opcode == ASYNCIO_OP_RECV ? ASYNCIO_OP_BUFFER : 0);
        op->complete(op);
        if (backend->current != op)
            return;
    }
    backend->current = NULL;
    if (burst == 0)
        put_on_list(backend, op, &backend->due, DUE);
}

/* `ready` is what the event tells. A poll that was there before the event need not ask the kernel again, and a lazy
 * receive is told to try. */
static void run_one_shot(struct asyncio_backend *backend, struct asyncio_op *op, unsigned ready)
{
    bool is_older = op->backend[0] != backend->turn;
    int64_t result;

    if ((op->flags & ASYNCIO_OP_LAZY) && is_older) {
        complete(backend, op, -EAGAIN);
        return;
    }
    if (op->opcode == ASYNCIO_OP_POLL && is_older && (ready & op->poll.events))
        result = ready & op->poll.events;
    else
        result = attempt(backend, op);
    if (result != -EAGAIN)
        complete(backend, op, result);
}

/* Ends an operation whose cancel was late: it may have happened. */
static void run_cancelled(struct asyncio_backend *backend, struct asyncio_op *op)
{
    int64_t result = attempt(backend, op);

    complete(backend, op, result == -EAGAIN ? -ECANCELED : result);
}

/* What became ready on one of the library's own fds. */
static void run_own(struct asyncio_backend *backend, int fd, uint32_t generation, unsigned ready)
{
    for (int d = 0; d < ASYNCIO__DIRECTIONS; d++) {
        struct asyncio__epoll_record *record = asyncio__epoll_record(&backend->set, fd);
        struct asyncio_op *op;

        if (record->generation != generation)
            return;
        if (!(ready & asyncio__direction_mask(d)))
            continue;
        if ((op = record->waits.op[d][ASYNCIO__ONE_SHOT]))
            run_one_shot(backend, op, ready);
        else if ((op = record->waits.op[d][ASYNCIO__STANDING]) && !(op->state & DUE))
            run_standing(backend, op);
    }
}

/* Tells one who waits for a foreign fd. What was submitted in this very poll came after the event: the next poll has
 * it again. */
static void report_foreign(struct asyncio_backend *backend, struct asyncio_op *op, unsigned ready)
{
    if (op->backend[0] == backend->turn)
        return;
    if (op->opcode != ASYNCIO_OP_POLL) {
        run_one_shot(backend, op, ready);
    } else if (!(op->flags & ASYNCIO_OP_STANDING)) {
        complete(backend, op, ready & op->poll.events);
    } else {
        op->backend[0] = backend->turn;
        op->result = ready & op->poll.events;
        op->completion = ASYNCIO_OP_MORE;
        op->complete(op);
    }
}

static void run_foreign(struct asyncio_backend *backend, int fd, uint32_t generation, unsigned ready)
{
    for (int k = ASYNCIO__WAIT_KINDS - 1; k >= 0; k--)
        for (int d = 0; d < ASYNCIO__DIRECTIONS; d++) {
            struct asyncio__epoll_record *record = asyncio__epoll_record(&backend->set, fd);

            if (record->generation != generation)
                return;
            if (record->waits.op[d][k] && (ready & asyncio__direction_mask(d)))
                report_foreign(backend, record->waits.op[d][k], ready);
        }
}

static void run_event(struct asyncio_backend *backend, const struct epoll_event *event)
{
    uint32_t generation = (uint32_t)(event->data.u64 >> 32), events = event->events;
    int fd = (int)(uint32_t)event->data.u64;
    struct asyncio__epoll_record *record = asyncio__epoll_find(&backend->set, fd);
    unsigned ready = 0;

    if (event->data.u64 == ASYNCIO__EPOLL_WAKE || !record || record->generation != generation)
        return;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR))
        ready |= ASYNCIO_READABLE;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        ready |= ASYNCIO_WRITABLE;
    if (record->foreign) {
        run_foreign(backend, fd, generation, ready);
        return;
    }
    record->ready |= (uint8_t)ready;
    record->hung = events & (EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR);
    run_own(backend, fd, generation, ready);
}

/* Runs what needs no event: operations that are settled or due now, not those that become so meanwhile. */
static void run_lists(struct asyncio_backend *backend)
{
    struct asyncio_link settled, due, *link;

    list_init(&settled);
    list_init(&due);
    list_splice_back(&settled, &backend->settled);
    list_splice_back(&due, &backend->due);
    while ((link = list_pop_front(&settled)))
        complete(backend, CONTAINER_OF(link, struct asyncio_op, link), -ASYNCIO_ECLOSED);
    while ((link = list_pop_front(&due))) {
        struct asyncio_op *op = CONTAINER_OF(link, struct asyncio_op, link);

        op->state &= (uint8_t)~DUE;
        if (op->flags & ASYNCIO_OP_STANDING)
            run_standing(backend, op);
        else
            run_cancelled(backend, op);
    }
}

static int wait_for_events(struct asyncio_backend *backend, int64_t timeout_ns)
{
    return asyncio__epoll_wait(backend->set.epoll_fd, backend->events, asyncio__at_a_time(EVENTS_PER_POLL), timeout_ns,
                               backend->coarse);
}

/* Looks without blocking. Returns: the number of events; a negative error. */
static int look(struct asyncio_backend *backend)
{
    asyncio__waker_disarm(&backend->waker);
    /* A foreign loop must see its fd go quiet, which takes the system call. */
    if (backend->set.registered == 0 && !atomic_load_explicit(&backend->waker.embedded, memory_order_relaxed))
        return 0;
    return wait_for_events(backend, 0);
}

static int epoll_poll(struct asyncio_backend *backend, int64_t deadline_ns, bool external)
{
    bool busy = !list_empty(&backend->due) || !list_empty(&backend->settled);
    int64_t timeout_ns = 0;
    int n;

    (void)external;
    if (asyncio__waker_forked(&backend->waker))
        return -ASYNCIO_ECLOSED;
    if (!busy && deadline_ns > 0)
        timeout_ns = deadline_ns == NS_NEVER ? NS_NEVER : max_i64(deadline_ns - epoll_now(backend), 0);
    if (timeout_ns == 0) {
        n = look(backend);
    } else {
        n = wait_for_events(backend, asyncio__waker_arm(&backend->waker) ? timeout_ns : 0);
        asyncio__waker_disarm(&backend->waker);
    }
    backend->turn++;
    if (busy)
        run_lists(backend);
    for (int i = 0; i < n; i++) {
        asyncio__epoll_prefetch(&backend->set, backend->events, i, n);
        run_event(backend, &backend->events[i]);
    }
    return n < 0 ? n : 0;
}

static void epoll_wake(struct asyncio_backend *backend)
{
    asyncio__waker_wake(&backend->waker);
}

static int epoll_fd(struct asyncio_backend *backend)
{
    asyncio__waker_embed(&backend->waker);
    if (!list_empty(&backend->due) || !list_empty(&backend->settled))
        asyncio__waker_wake(&backend->waker);
    return backend->set.epoll_fd;
}

static size_t epoll_pending(const struct asyncio_backend *backend)
{
    return backend->n_ops;
}

const struct asyncio_backend_ops asyncio__epoll = {
    .size = sizeof(struct asyncio_backend_ops),
    .name = "epoll",
    .open = epoll_open,
    .close = epoll_close,
    .now = epoll_now,
    .submit = epoll_submit,
    .cancel = epoll_cancel,
    .poll = epoll_poll,
    .wake = epoll_wake,
    .release = epoll_release,
    .fd = epoll_fd,
    .pending = epoll_pending,
};
