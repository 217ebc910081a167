/* uring_requests.c -- what the kernel is asked, and how it is taken back.
 *
 * - Requests wait on `queued` until the next enter, so that one system call submits and waits, and a full queue needs
 *   no thought: what has no place goes next.
 * - A request whose cancel has been sent is freed only when both completions have come: no cancel can hit a later
 *   request in the same memory. */
#include "uring.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* Workers for what the kernel cannot do by itself, at most: nothing that is asked here should need one. */
#define MOST_WORKERS 4

/* ------------------------------------------------------------------------------------------------------- The ring */

/* Sets of flags from the best on, for Linux 6.1, 5.19, 5.18 and older. */
static const unsigned setups[] = {
    IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_SUBMIT_ALL,
    0,
};

static const uint8_t needed_opcodes[] = {IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL, IORING_OP_RECV};

static int check_opcodes(const struct asyncio__ring *ring)
{
    enum { N_OPCODES = 64 };
    struct {
        struct io_uring_probe head;
        struct io_uring_probe_op ops[N_OPCODES];
    } probe = {0};
    int r = asyncio__ring_register(ring, IORING_REGISTER_PROBE, &probe, N_OPCODES);

    for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(needed_opcodes); i++)
        if (needed_opcodes[i] > probe.head.last_op || !(probe.ops[needed_opcodes[i]].flags & IO_URING_OP_SUPPORTED))
            r = -EOPNOTSUPP;
    return r < 0 ? r : 0;
}

static int make_ring(struct asyncio_backend *backend, struct asyncio__ring *ring)
{
    const struct asyncio__uring_options *options = &backend->options;
    unsigned workers[2] = {MOST_WORKERS, MOST_WORKERS};
    int r = asyncio__ring_open(ring, options->entries, options->completions, backend->setup);

    if (r < 0)
        return r;
    /* Linux before 5.15 cannot bound them. */
    asyncio__ring_register(ring, IORING_REGISTER_IOWQ_MAX_WORKERS, workers, 2);
    if (backend->embedded_fd >= 0)
        r = asyncio__ring_register(ring, IORING_REGISTER_EVENTFD, &backend->embedded_fd, 1);
    if (r < 0)
        asyncio__ring_close(ring, false);
    return r < 0 ? r : 0;
}

int asyncio__uring_open_ring(struct asyncio_backend *backend)
{
    int r = -EINVAL;

    for (size_t i = backend->options.plain ? 1 : 0; r == -EINVAL && i < ARRAY_SIZE(setups); i++) {
        backend->setup = setups[i];
        r = make_ring(backend, &backend->ring);
    }
    if (r < 0)
        return r;
    r = check_opcodes(&backend->ring);
    if (r < 0)
        asyncio__ring_close(&backend->ring, false);
    return r;
}

/* A number of the calling thread that no other one has or will have. */
static uint64_t this_thread(void)
{
    static _Atomic uint64_t last;
    static _Thread_local uint64_t number;

    if (!number)
        number = atomic_fetch_add(&last, 1) + 1;
    return number;
}

/* Another thread's ring cannot be used here: what it has is begun again on a new one. */
static int replace_ring(struct asyncio_backend *backend)
{
    struct asyncio__ring ring;
    struct asyncio_link *link, *next;
    int r;

    if (backend->n_transfers > 0)
        return -EXDEV;
    r = make_ring(backend, &ring);
    if (r < 0)
        return r;
    asyncio__ring_close(&backend->ring, false);
    backend->ring = ring;
    backend->waker_watched = false;
    LIST_FOR_EACH(link, next, &backend->lingering)
        asyncio__uring_cancel_answered(backend, CONTAINER_OF(link, struct asyncio__uring_request, link));
    LIST_FOR_EACH(link, next, &backend->sent) {
        struct asyncio__uring_request *request = CONTAINER_OF(link, struct asyncio__uring_request, link);

        asyncio__uring_returned(backend, request);
        request->cancelled = request->cancel_sent = false;
        if (request->op)
            asyncio__uring_requeue(backend, request);
        else
            asyncio__uring_free_request(backend, request);
    }
    return 0;
}

int asyncio__uring_bind(struct asyncio_backend *backend)
{
    uint64_t thread = this_thread();
    int r = 0;

    if (LIKELY(backend->thread == thread))
        return 0;
    if (backend->thread != 0 && (backend->setup & IORING_SETUP_SINGLE_ISSUER))
        r = replace_ring(backend);
    if (r == 0 && (backend->setup & IORING_SETUP_R_DISABLED))
        r = asyncio__ring_register(&backend->ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    if (r >= 0)
        backend->thread = thread;
    return r < 0 ? r : 0;
}

/* -------------------------------------------------------------------------------------------------------- Requests */

void asyncio__uring_alert(struct asyncio_backend *backend)
{
    if (UNLIKELY(backend->embedded_fd >= 0))
        eventfd_write(backend->embedded_fd, 1);
}

static void queue(struct asyncio_backend *backend, struct asyncio__uring_request *request)
{
    request->place = ASYNCIO__URING_QUEUED;
    list_push_back(&backend->queued, &request->link);
    asyncio__uring_alert(backend);
}

static uint32_t poll_events(const struct asyncio_op *op)
{
    unsigned directions = asyncio__op_directions(op);
    uint32_t events = 0;

    if (directions & ASYNCIO_READABLE)
        events |= POLLIN;
    if (directions & ASYNCIO_WRITABLE)
        events |= POLLOUT;
    if ((op->opcode == ASYNCIO_OP_RECV || op->opcode == ASYNCIO_OP_RECVFROM) && !(op->flags & ASYNCIO_OP_STANDING))
        events |= POLLPRI;
    return events;
}

int asyncio__uring_request(struct asyncio_backend *backend, struct asyncio_op *op, bool transfers)
{
    struct asyncio__uring_request *request = asyncio__pool_get(&backend->requests);

    if (!request)
        return -ENOMEM;
    *request = (struct asyncio__uring_request){
        .op = op, .key = (uintptr_t)request, .fd = op->fd, .transfers = transfers, .events = poll_events(op)};
    list_init(&request->cancel_link);
    op->backend[0] = (uintptr_t)request;
    queue(backend, request);
    return 0;
}

void asyncio__uring_requeue(struct asyncio_backend *backend, struct asyncio__uring_request *request)
{
    assert(request->place == ASYNCIO__URING_IDLE);
    request->transfers = false;
    queue(backend, request);
}

void asyncio__uring_free_request(struct asyncio_backend *backend, struct asyncio__uring_request *request)
{
    assert(request->place == ASYNCIO__URING_IDLE);
    request->op = NULL;
    list_remove(&request->cancel_link);
    if (request->cancel_sent)
        list_push_back(&backend->lingering, &request->link);
    else
        asyncio__pool_put(&backend->requests, request);
}

void asyncio__uring_cancel_answered(struct asyncio_backend *backend, struct asyncio__uring_request *request)
{
    request->cancel_sent = false;
    if (request->place == ASYNCIO__URING_IDLE && !request->op) {
        list_remove(&request->link);
        asyncio__pool_put(&backend->requests, request);
    }
}

void asyncio__uring_drop_all(struct asyncio_backend *backend)
{
    struct asyncio_link *const lists[] = {&backend->queued, &backend->sent, &backend->lingering};
    struct asyncio_link *link;

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        while ((link = list_pop_front(lists[i])))
            asyncio__pool_put(&backend->requests, CONTAINER_OF(link, struct asyncio__uring_request, link));
}

void asyncio__uring_returned(struct asyncio_backend *backend, struct asyncio__uring_request *request)
{
    struct asyncio__uring_record *record = asyncio__uring_find(backend, request->fd);

    assert(request->place == ASYNCIO__URING_SENT);
    list_remove(&request->link);
    list_remove(&request->cancel_link);
    request->place = ASYNCIO__URING_IDLE;
    backend->n_transfers -= request->transfers;
    record->n_sent--;
}

static void ask_to_cancel(struct asyncio_backend *backend, struct asyncio__uring_request *request)
{
    if (request->cancelled)
        return;
    request->cancelled = true;
    list_push_back(&backend->cancels, &request->cancel_link);
    asyncio__uring_alert(backend);
}

void asyncio__uring_abandon(struct asyncio_backend *backend, struct asyncio__uring_request *request)
{
    request->op = NULL;
    if (request->place == ASYNCIO__URING_SENT) {
        assert(!request->transfers);
        ask_to_cancel(backend, request);
        return;
    }
    if (request->place == ASYNCIO__URING_QUEUED)
        list_remove(&request->link);
    request->place = ASYNCIO__URING_IDLE;
    asyncio__uring_free_request(backend, request);
}

/* Looks among the completions that have come for one that says that a request was cancelled, and takes it out. */
static bool take_cancelled(struct asyncio_backend *backend, const struct asyncio__uring_request *request)
{
    unsigned n = asyncio__ring_ready(&backend->ring);

    for (unsigned i = 0; i < n; i++) {
        struct io_uring_cqe *completion = asyncio__ring_completion(&backend->ring, i);

        if (completion->user_data != request->key)
            continue;
        if (completion->res != -ECANCELED)
            return false;
        completion->user_data = ASYNCIO__URING_NOBODY;
        return true;
    }
    return false;
}

bool asyncio__uring_withdraw(struct asyncio_backend *backend, struct asyncio__uring_request *request)
{
    if (request->place == ASYNCIO__URING_SENT) {
        ask_to_cancel(backend, request);
        if (backend->options.no_waiting || asyncio__uring_bind(backend) < 0 || asyncio__uring_enter(backend, 0) < 0 ||
            !take_cancelled(backend, request))
            return false;
        asyncio__uring_returned(backend, request);
        asyncio__uring_free_request(backend, request);
        return true;
    }
    asyncio__uring_abandon(backend, request);
    return true;
}

/* ------------------------------------------------------------------------------------------------ To the kernel */

/* The field is two halves to the kernel. */
static uint32_t asked_events(uint32_t events)
{
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? events << 16 | events >> 16 : events;
}

static bool send_waker(struct asyncio_backend *backend)
{
    struct io_uring_sqe *sqe;

    if (backend->waker_watched)
        return true;
    sqe = asyncio__ring_next(&backend->ring);
    if (!sqe)
        return false;
    sqe->opcode = IORING_OP_POLL_ADD;
    sqe->fd = backend->waker.fd;
    sqe->poll32_events = asked_events(POLLIN);
    sqe->len = backend->one_wake ? 0 : IORING_POLL_ADD_MULTI;
    sqe->user_data = ASYNCIO__URING_WAKER;
    backend->waker_watched = true;
    return true;
}

static bool send_cancels(struct asyncio_backend *backend)
{
    while (!list_empty(&backend->cancels)) {
        struct asyncio__uring_request *request =
            CONTAINER_OF(backend->cancels.next, struct asyncio__uring_request, cancel_link);
        struct io_uring_sqe *sqe = asyncio__ring_next(&backend->ring);

        if (!sqe)
            return false;
        list_remove(&request->cancel_link);
        request->cancel_sent = true;
        sqe->opcode = IORING_OP_ASYNC_CANCEL;
        sqe->fd = -1;
        sqe->addr = request->key;
        sqe->user_data = request->key | ASYNCIO__URING_CANCEL;
    }
    return true;
}

static void fill_in(const struct asyncio__uring_request *request, struct io_uring_sqe *sqe)
{
    const struct asyncio_op_buffer *buffer = &request->op->buffer;

    sqe->fd = request->fd;
    sqe->user_data = request->key;
    if (!request->transfers) {
        sqe->opcode = IORING_OP_POLL_ADD;
        sqe->poll32_events = asked_events(request->events);
        return;
    }
    sqe->opcode = IORING_OP_RECV;
    sqe->addr = (uintptr_t)buffer->data;
    sqe->len = (uint32_t)min_size(buffer->size, INT32_MAX);
}

static bool send_requests(struct asyncio_backend *backend)
{
    while (!list_empty(&backend->queued)) {
        struct asyncio__uring_request *request =
            CONTAINER_OF(backend->queued.next, struct asyncio__uring_request, link);
        struct io_uring_sqe *sqe = asyncio__ring_next(&backend->ring);

        if (!sqe)
            return false;
        fill_in(request, sqe);
        list_unlink(&request->link);
        list_push_back(&backend->sent, &request->link);
        request->place = ASYNCIO__URING_SENT;
        backend->n_transfers += request->transfers;
        asyncio__uring_find(backend, request->fd)->n_sent++;
    }
    return true;
}

bool asyncio__uring_has_queued(const struct asyncio_backend *backend)
{
    return !list_empty(&backend->queued) || !list_empty(&backend->cancels) ||
           asyncio__ring_unsubmitted(&backend->ring) > 0;
}

int asyncio__uring_enter(struct asyncio_backend *backend, int64_t timeout_ns)
{
    struct asyncio__ring *ring = &backend->ring;

    for (;;) {
        bool all = send_waker(backend) && send_cancels(backend) && send_requests(backend);
        unsigned before;
        int r;

        all = all && asyncio__ring_unsubmitted(ring) <= backend->options.most;
        before = asyncio__ring_unsubmitted(ring);
        r = asyncio__ring_enter(ring, backend->options.most, all ? timeout_ns : 0);
        /* A kernel that takes no more now shall not be asked for ever. */
        if (r < 0 || all || asyncio__ring_unsubmitted(ring) == before)
            return r;
    }
}
