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

int asyncio__uring_request(struct asyncio_backend *backend, struct asyncio_op *op, enum asyncio__uring_kind kind)
{
    struct asyncio__uring_request *request = asyncio__pool_get(&backend->requests);

    if (!request)
        return -ENOMEM;
    *request = (struct asyncio__uring_request){
        .op = op,
        .key = (uintptr_t)request,
        .fd = kind == ASYNCIO__URING_FILE ? -1 : op->fd,
        .kind = (uint8_t)kind,
        .events = poll_events(op),
    };
    list_init(&request->cancel_link);
    backend->n_sends += kind == ASYNCIO__URING_SEND;
    op->backend[0] = (uintptr_t)request;
    queue(backend, request);
    return 0;
}

void asyncio__uring_requeue(struct asyncio_backend *backend, struct asyncio__uring_request *request)
{
    assert(request->place == ASYNCIO__URING_IDLE);
    backend->n_sends -= request->kind == ASYNCIO__URING_SEND;
    if (!asyncio__uring_is_source(request) && request->kind != ASYNCIO__URING_FILE)
        request->kind = ASYNCIO__URING_POLL;
    request->cancelled = false;
    queue(backend, request);
}

/* Its memory is free again. */
static void put_back(struct asyncio_backend *backend, struct asyncio__uring_request *request)
{
    if (asyncio__uring_is_source(request))
        asyncio__uring_free_source(backend, asyncio__uring_source_of(request));
    else
        asyncio__pool_put(&backend->requests, request);
}

/* True for one that lingers. */
static bool is_over(struct asyncio__uring_request *request)
{
    bool unused = asyncio__uring_is_source(request) ? asyncio__uring_source_of(request)->is_detached : !request->op;

    return unused && request->place == ASYNCIO__URING_IDLE;
}

void asyncio__uring_free_request(struct asyncio_backend *backend, struct asyncio__uring_request *request)
{
    assert(request->place == ASYNCIO__URING_IDLE);
    backend->n_sends -= request->kind == ASYNCIO__URING_SEND;
    request->op = NULL;
    list_remove(&request->cancel_link);
    if (request->n_cancels > 0)
        list_push_back(&backend->lingering, &request->link);
    else
        put_back(backend, request);
}

void asyncio__uring_cancel_answered(struct asyncio_backend *backend, struct asyncio__uring_request *request)
{
    request->n_cancels--;
    if (request->n_cancels == 0 && is_over(request)) {
        list_remove(&request->link);
        put_back(backend, request);
    }
}

void asyncio__uring_drop_all(struct asyncio_backend *backend)
{
    struct asyncio_link *const lists[] = {&backend->queued, &backend->sent, &backend->sends, &backend->lingering};
    struct asyncio_link *link;

    asyncio__uring_drop_sources(backend);
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        while ((link = list_pop_front(lists[i])))
            put_back(backend, CONTAINER_OF(link, struct asyncio__uring_request, link));
}

void asyncio__uring_returned(struct asyncio_backend *backend, struct asyncio__uring_request *request)
{
    struct asyncio__uring_record *record = asyncio__uring_find(backend, request->fd);

    assert(request->place == ASYNCIO__URING_SENT);
    list_remove(&request->link);
    list_remove(&request->cancel_link);
    request->place = ASYNCIO__URING_IDLE;
    backend->n_transfers -= asyncio__uring_transfers(request);
    if (record)
        record->n_sent--;
}

void asyncio__uring_begin_again(struct asyncio_backend *backend)
{
    struct asyncio_link *link, *next;

    while ((link = list_pop_front(&backend->lingering)))
        put_back(backend, CONTAINER_OF(link, struct asyncio__uring_request, link));
    LIST_FOR_EACH(link, next, &backend->sent) {
        struct asyncio__uring_request *request = CONTAINER_OF(link, struct asyncio__uring_request, link);

        asyncio__uring_returned(backend, request);
        request->n_cancels = 0;
        if (is_over(request))
            asyncio__uring_free_request(backend, request);
        else if (request->op || !request->cancelled)
            asyncio__uring_requeue(backend, request);
        else
            asyncio__uring_put_due(backend, asyncio__uring_source_of(request));
    }
}

static void ask_to_cancel(struct asyncio_backend *backend, struct asyncio__uring_request *request)
{
    if (request->cancelled)
        return;
    request->cancelled = true;
    list_push_back(&backend->cancels, &request->cancel_link);
    asyncio__uring_alert(backend);
}

void asyncio__uring_stop(struct asyncio_backend *backend, struct asyncio__uring_request *request)
{
    if (request->place == ASYNCIO__URING_SENT)
        ask_to_cancel(backend, request);
    else if (request->place == ASYNCIO__URING_QUEUED)
        list_remove(&request->link);
    if (request->place == ASYNCIO__URING_QUEUED)
        request->place = ASYNCIO__URING_IDLE;
}

void asyncio__uring_abandon(struct asyncio_backend *backend, struct asyncio__uring_request *request)
{
    request->op = NULL;
    if (request->place == ASYNCIO__URING_SENT) {
        assert(!asyncio__uring_transfers(request));
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
        request->n_cancels++;
        sqe->opcode = IORING_OP_ASYNC_CANCEL;
        sqe->fd = -1;
        sqe->addr = request->key;
        sqe->user_data = request->key | ASYNCIO__URING_CANCEL;
    }
    return true;
}

static void fill_in(const struct asyncio__uring_request *request, struct io_uring_sqe *sqe)
{
    const struct asyncio_op_buffer *buffer = request->op ? &request->op->buffer : NULL;

    sqe->fd = request->fd;
    sqe->user_data = request->key;
    switch ((enum asyncio__uring_kind)request->kind) {
    case ASYNCIO__URING_POLL:
        sqe->opcode = IORING_OP_POLL_ADD;
        sqe->poll32_events = asked_events(request->events);
        break;
    case ASYNCIO__URING_SEND:
        sqe->opcode = IORING_OP_SEND;
        sqe->addr = (uintptr_t)buffer->data;
        sqe->len = (uint32_t)min_size(buffer->size, INT32_MAX);
        /* With MSG_WAITALL a part counts as a failure, of which the kernel does not keep silent. */
        sqe->msg_flags = (uint32_t)buffer->flags | MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL;
        sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
        break;
    case ASYNCIO__URING_RECEIVE:
        sqe->opcode = IORING_OP_RECV;
        sqe->addr = (uintptr_t)buffer->data;
        sqe->len = (uint32_t)min_size(buffer->size, INT32_MAX);
        break;
    case ASYNCIO__URING_FILE:
        asyncio__uring_fill_in_file(request->op, sqe);
        break;
    case ASYNCIO__URING_INFLOW:
        sqe->opcode = IORING_OP_RECV;
        sqe->ioprio = IORING_RECV_MULTISHOT;
        sqe->flags = IOSQE_BUFFER_SELECT;
        sqe->buf_group = ASYNCIO__RING_GROUP;
        break;
    case ASYNCIO__URING_ACCEPTS:
        sqe->opcode = IORING_OP_ACCEPT;
        sqe->ioprio = IORING_ACCEPT_MULTISHOT;
        sqe->accept_flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
        break;
    }
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
        list_push_back(request->kind == ASYNCIO__URING_SEND ? &backend->sends : &backend->sent, &request->link);
        request->place = ASYNCIO__URING_SENT;
        backend->n_transfers += asyncio__uring_transfers(request);
        if (request->kind != ASYNCIO__URING_FILE)
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
