/* uring_sources.c -- what fds bring before anybody asks: receives and accepts that stay with the kernel, and what is
 * kept of them.
 *
 * - While a source is not idle, and while anything is kept, only it knows what comes next on its fd: nobody asks the
 *   kernel past it.
 * - Who lags stops it: no more is kept of a connection than MOST_KEPT buffers and what the kernel brings before it
 *   hears of it. A connection that fills whole buffers is received from without it, and without a copy.
 * - Without a free buffer an operation waits as if there were no sources.
 * - Connections that were accepted are kept for the next accept, or closed with the socket they came from. */
#include "uring.h"

#include <sys/socket.h>
#include <unistd.h>

#define MOST_KEPT 4

/* A segment of Ethernet fits in it; what is larger is better received where it is wanted. */
#define BUFFER_SIZE 1536

/* --------------------------------------------------------------------------------------------------- What is kept */

static bool has_something(const struct asyncio__uring_source *source)
{
    return source->n_kept > 0 || source->has_end;
}

static bool is_inflow(const struct asyncio__uring_source *source)
{
    return source->request.kind == ASYNCIO__URING_INFLOW;
}

static void keep_buffer(struct asyncio_backend *backend, struct asyncio__uring_source *source, unsigned number,
                        unsigned size)
{
    struct asyncio__ring_buffer_state *states = backend->ahead.states;

    states[number].size = size;
    if (source->n_kept++ > 0)
        states[source->last].next = (uint16_t)number;
    else
        source->first = number;
    source->last = number;
}

/* Takes the first buffer, whose bytes from `start` on are there, off the list. */
static unsigned pop_buffer(struct asyncio_backend *backend, struct asyncio__uring_source *source)
{
    unsigned number = source->first;

    source->first = backend->ahead.states[number].next;
    source->n_kept--;
    source->start = 0;
    return number;
}

static int64_t take_bytes(struct asyncio_backend *backend, struct asyncio__uring_source *source, void *data,
                          size_t size, int flags)
{
    size_t wanted = asyncio__read_size(size), n = 0;

    while (n < wanted && source->n_kept > 0) {
        size_t left = backend->ahead.states[source->first].size - source->start, part = min_size(left, wanted - n);

        memcpy((char *)data + n, asyncio__ring_buffer(&backend->ahead, source->first) + source->start, part);
        n += part;
        /* Whoever only looks sees a part of what is there, as he may. */
        if (flags & MSG_PEEK)
            break;
        source->start += (uint32_t)part;
        if (part == left)
            asyncio__ring_buffer_give(&backend->ahead, pop_buffer(backend, source));
    }
    return (int64_t)n;
}

/* Who is in the queue of a socket that is closed sees a reset. */
static void turn_away(int connection)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    setsockopt(connection, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(connection);
}

/* Returns: false without memory for it. */
static bool keep_connection(struct asyncio__uring_source *source, int connection)
{
    size_t end, n;
    int *larger;

    if (source->n_kept == 0)
        source->first = 0;
    end = (size_t)source->first + source->n_kept;
    if (end == source->capacity) {
        n = asyncio__grown(source->capacity, end + 1, 8);
        larger = asyncio__realloc(source->connections, n * sizeof *larger);
        if (!larger)
            return false;
        source->connections = larger;
        source->capacity = (uint32_t)n;
    }
    source->connections[end] = connection;
    source->n_kept++;
    return true;
}

static int pop_connection(struct asyncio__uring_source *source)
{
    source->n_kept--;
    return source->connections[source->first++];
}

static void drop_all(struct asyncio_backend *backend, struct asyncio__uring_source *source)
{
    while (source->n_kept > 0)
        if (is_inflow(source))
            asyncio__ring_buffer_give(&backend->ahead, pop_buffer(backend, source));
        else
            turn_away(pop_connection(source));
    source->has_end = false;
    asyncio__free(source->connections);
    source->connections = NULL;
    source->capacity = 0;
}

/* ------------------------------------------------------------------------------------------------- Who waits for it */

/* True for a receive of what comes in order, not from beside the queue. */
static bool is_in_order(size_t size, int flags)
{
    return size > 0 && !(flags & (MSG_OOB | MSG_ERRQUEUE));
}

static bool concerns(const struct asyncio__uring_source *source, const struct asyncio_op *op)
{
    switch (op->opcode) {
    case ASYNCIO_OP_POLL:
        return op->poll.events & ASYNCIO_READABLE;
    case ASYNCIO_OP_ACCEPT:
        return !is_inflow(source);
    case ASYNCIO_OP_READ:
        return is_inflow(source) && op->buffer.size > 0;
    case ASYNCIO_OP_RECV:
        return is_inflow(source) &&
               ((op->flags & ASYNCIO_OP_STANDING) || is_in_order(op->buffer.size, op->buffer.flags));
    case ASYNCIO_OP_RECVFROM:
        return is_inflow(source) && is_in_order(op->datagram.size, op->datagram.flags);
    default:
        return false;
    }
}

/* Does a receive of what is kept. */
static int64_t receive_kept(struct asyncio_backend *backend, struct asyncio__uring_source *source,
                            struct asyncio_op *op)
{
    const struct asyncio_op_datagram *datagram = &op->datagram;
    const struct asyncio_op_buffer *buffer = &op->buffer;

    if (op->opcode == ASYNCIO_OP_READ)
        return take_bytes(backend, source, buffer->data, buffer->size, 0);
    if (op->opcode == ASYNCIO_OP_RECV)
        return take_bytes(backend, source, buffer->data, buffer->size, buffer->flags);
    /* Streams do not say who sent. */
    if (datagram->address)
        datagram->address->size = 0;
    return take_bytes(backend, source, datagram->data, datagram->size, datagram->flags);
}

int64_t asyncio__uring_from_source(struct asyncio_backend *backend, struct asyncio__uring_source *source,
                                   struct asyncio_op *op)
{
    if (!concerns(source, op))
        return ASYNCIO__URING_ASK;
    if (!has_something(source)) {
        bool also_writes = asyncio__op_directions(op) & ASYNCIO_WRITABLE;

        return source->request.place == ASYNCIO__URING_IDLE || also_writes ? ASYNCIO__URING_ASK : -EAGAIN;
    }
    if (op->opcode == ASYNCIO_OP_POLL)
        return ASYNCIO_READABLE;
    if (source->n_kept == 0) {
        source->has_end = false;
        return source->end;
    }
    return is_inflow(source) ? receive_kept(backend, source, op) : pop_connection(source);
}

/* True when there are buffers, and one for who comes now. */
static bool can_receive_ahead(struct asyncio_backend *backend)
{
    unsigned n = backend->options.buffers;
    int r;

    if (backend->no_inflow || backend->options.single_shot || n == 0)
        return false;
    if (LIKELY(backend->ahead.entries != NULL))
        return backend->ahead.n_taken < backend->ahead.n;
    /* The kernel wants a power of two. */
    while (n & (n - 1))
        n &= n - 1;
    r = asyncio__ring_buffers_open(&backend->ahead, &backend->ring, n, BUFFER_SIZE);
    backend->no_inflow = r < 0 && r != -ENOMEM;
    return r == 0;
}

/* True when the kernel can bring what an operation wants again and again, and that is worth it. */
static bool wants_source(struct asyncio_backend *backend, const struct asyncio__uring_record *record,
                         const struct asyncio_op *op)
{
    bool standing = op->flags & ASYNCIO_OP_STANDING, ahead = op->flags & ASYNCIO_OP_AHEAD;

    if (op->flags & ASYNCIO_OP_FOREIGN)
        return false;
    switch (op->opcode) {
    case ASYNCIO_OP_ACCEPT:
        if (record->source && record->source->is_aside)
            return false;
        return standing && !backend->no_accepts && !backend->options.single_shot;
    case ASYNCIO_OP_RECV:
        if (op->buffer.flags != 0 || (!standing && (!ahead || op->buffer.size == 0)))
            return false;
        break;
    case ASYNCIO_OP_POLL:
        if (standing || !ahead || op->poll.events != ASYNCIO_READABLE)
            return false;
        break;
    default:
        return false;
    }
    return !(record->source && record->source->is_aside) && can_receive_ahead(backend);
}

static struct asyncio__uring_source *make_source(struct asyncio_backend *backend, struct asyncio__uring_record *record,
                                                 int fd)
{
    struct asyncio__uring_source *source = asyncio__pool_get(&backend->sources);

    if (!source)
        return NULL;
    *source = (struct asyncio__uring_source){.request = {.key = (uintptr_t)&source->request, .fd = fd}};
    list_init(&source->request.cancel_link);
    list_init(&source->due);
    record->source = source;
    return source;
}

void asyncio__uring_put_due(struct asyncio_backend *backend, struct asyncio__uring_source *source)
{
    if (list_linked(&source->due))
        return;
    list_push_back(&backend->due, &source->due);
    asyncio__uring_alert(backend);
}

bool asyncio__uring_wait_for_source(struct asyncio_backend *backend, struct asyncio__uring_record *record,
                                    const struct asyncio_op *op)
{
    struct asyncio__uring_source *source = record->source;

    if (source && has_something(source) && concerns(source, op)) {
        asyncio__uring_put_due(backend, source);
        return true;
    }
    if (source && source->request.place != ASYNCIO__URING_IDLE)
        return concerns(source, op) && !(asyncio__op_directions(op) & ASYNCIO_WRITABLE);
    if (!wants_source(backend, record, op))
        return false;
    if (!source)
        source = make_source(backend, record, op->fd);
    if (!source)
        return false;
    source->request.kind = op->opcode == ASYNCIO_OP_ACCEPT ? ASYNCIO__URING_ACCEPTS : ASYNCIO__URING_INFLOW;
    asyncio__uring_requeue(backend, &source->request);
    return true;
}

void asyncio__uring_note_result(struct asyncio_backend *backend, const struct asyncio_op *op, int64_t result)
{
    const struct asyncio__uring_record *record = asyncio__uring_find(backend, op->fd);

    if (!record || !record->source || !record->source->is_aside)
        return;
    if (op->opcode == ASYNCIO_OP_RECV)
        record->source->is_aside = result <= 0 || result >= BUFFER_SIZE || (size_t)result == op->buffer.size;
    else if (op->opcode == ASYNCIO_OP_ACCEPT)
        record->source->is_aside = result < 0;
}

/* The operation that waits for what a source brings; NULL. */
static struct asyncio_op *reader_of(const struct asyncio__uring_record *record)
{
    struct asyncio_op *const *readers = record->waits.op[ASYNCIO__READER];

    return readers[ASYNCIO__ONE_SHOT] ? readers[ASYNCIO__ONE_SHOT] : readers[ASYNCIO__STANDING];
}

/* --------------------------------------------------------------------------------------------------- Handing it out */

/* Gives one thing to a standing operation. Returns: false when that was the last one. */
static bool give_standing(struct asyncio_backend *backend, struct asyncio__uring_source *source, struct asyncio_op *op)
{
    uint32_t start = source->start;
    unsigned number;

    op->completion = ASYNCIO_OP_MORE;
    if (op->opcode == ASYNCIO_OP_POLL) {
        op->result = ASYNCIO_READABLE;
    } else if (source->n_kept == 0) {
        source->has_end = false;
        asyncio__uring_complete(backend, op, source->end);
        return false;
    } else if (is_inflow(source)) {
        number = pop_buffer(backend, source);
        op->result = backend->ahead.states[number].size - start;
        op->completion |= ASYNCIO_OP_BUFFER;
        op->buffer.data = asyncio__ring_buffer(&backend->ahead, number) + start;
        op->buffer.size = (size_t)op->result;
    } else {
        op->result = pop_connection(source);
    }
    op->complete(op);
    return backend->current == op;
}

/* Counts what a standing operation is given in one poll, so that a busy handle does not starve the others. */
static bool may_have_more(struct asyncio_backend *backend, struct asyncio__uring_source *source,
                          const struct asyncio_op *op)
{
    unsigned most = op->opcode == ASYNCIO_OP_POLL ? 1 : (unsigned)asyncio__at_a_time(ASYNCIO__OP_BURST);

    if (source->turn != backend->turn) {
        source->turn = backend->turn;
        source->n_given = 0;
    }
    return source->n_given++ < most;
}

static void serve_standing(struct asyncio_backend *backend, struct asyncio__uring_source *source, struct asyncio_op *op)
{
    backend->current = op;
    while (may_have_more(backend, source, op) && has_something(source))
        if (!give_standing(backend, source, op))
            return;
    backend->current = NULL;
}

/* Gives what is kept to who waits for it. */
static void serve(struct asyncio_backend *backend, struct asyncio__uring_record *record)
{
    struct asyncio__uring_source *source = record->source;
    struct asyncio_op *op = reader_of(record);
    struct asyncio__uring_request *request;
    int64_t result;

    if (!op || !has_something(source) || !concerns(source, op))
        return;
    if (op->flags & ASYNCIO_OP_STANDING) {
        serve_standing(backend, source, op);
        return;
    }
    result = asyncio__uring_from_source(backend, source, op);
    request = asyncio__uring_request_of(op);
    if (request)
        asyncio__uring_abandon(backend, request);
    asyncio__uring_complete(backend, op, result);
}

/* A source is idle, and somebody waits for it: it has ended, or could not be. */
static void wait_again(struct asyncio_backend *backend, struct asyncio__uring_record *record, struct asyncio_op *op)
{
    bool standing = op->flags & ASYNCIO_OP_STANDING;
    int64_t result = standing ? -EAGAIN : asyncio__uring_attempt(backend, op);

    if (result == -EAGAIN && !asyncio__uring_wait_for_source(backend, record, op)) {
        result = asyncio__uring_request(backend, op, asyncio__uring_kind_for(op));
        if (result == 0)
            return;
    }
    if (result != -EAGAIN)
        asyncio__uring_complete(backend, op, result);
}

/* Looks after a source, or what has come to stand for the fd since. */
static void look_after(struct asyncio_backend *backend, int fd)
{
    struct asyncio__uring_record *record = asyncio__uring_find(backend, fd);
    struct asyncio__uring_source *source = record->source;
    struct asyncio_op *op;

    if (source)
        serve(backend, record);
    /* The table may have moved, and the fd may be gone. */
    record = asyncio__uring_find(backend, fd);
    source = record->source;
    if (!source)
        return;
    op = reader_of(record);
    if (op && has_something(source) && concerns(source, op))
        asyncio__uring_put_due(backend, source);
    if (source->request.place == ASYNCIO__URING_SENT && is_inflow(source) &&
        (source->is_aside || source->n_kept >= MOST_KEPT))
        asyncio__uring_stop(backend, &source->request);
    else if (source->request.place == ASYNCIO__URING_IDLE && !has_something(source) && op &&
             !asyncio__uring_request_of(op))
        wait_again(backend, record, op);
}

/* ---------------------------------------------------------------------------------------------------- What has come */

/* The kernel has stopped, and not because it was asked to, nor for want of buffers. */
static void ended(struct asyncio_backend *backend, struct asyncio__uring_source *source, int32_t result)
{
    bool *refused = is_inflow(source) ? &backend->no_inflow : &backend->no_accepts;
    bool works = is_inflow(source) ? backend->inflow_works : backend->accepts_work;

    /* That the kernel has found no place for a connection does not mean that there is one. */
    if (!is_inflow(source) && (result == -EMFILE || result == -ENFILE || result == -ENOBUFS || result == -ENOMEM)) {
        source->is_aside = true;
        return;
    }
    if ((result == -EINVAL || result == -EOPNOTSUPP) && !works) {
        *refused = true;
        return;
    }
    source->end = result;
    source->has_end = true;
}

/* Keeps what a completion brings. */
static void absorb(struct asyncio_backend *backend, struct asyncio__uring_source *source,
                   const struct asyncio__completion *completion)
{
    int32_t result = completion->result;

    if (!(completion->flags & IORING_CQE_F_MORE))
        asyncio__uring_returned(backend, &source->request);
    else if (is_inflow(source))
        backend->inflow_works = true;
    else
        backend->accepts_work = true;
    if (completion->flags & IORING_CQE_F_BUFFER) {
        unsigned number = completion->flags >> IORING_CQE_BUFFER_SHIFT;

        asyncio__ring_buffer_take(&backend->ahead, number);
        if (result > 0 && !source->is_detached)
            keep_buffer(backend, source, number, (unsigned)result);
        else
            asyncio__ring_buffer_give(&backend->ahead, number);
        source->is_aside = source->is_aside || result == BUFFER_SIZE;
        if (result > 0)
            return;
    }
    if (result >= 0 && !is_inflow(source)) {
        if (source->is_detached || !keep_connection(source, result))
            turn_away(result);
        return;
    }
    if (result != -ENOBUFS && result != -ECANCELED && result != -EAGAIN && result != -EINTR && result != -ECONNABORTED)
        ended(backend, source, result);
}

/* Gives a connection straight to who waits for one, so that no memory is needed to keep it. Returns: false when others
 * are before it. */
static bool give_connection(struct asyncio_backend *backend, struct asyncio__uring_source *source, int connection)
{
    const struct asyncio__uring_record *record = asyncio__uring_find(backend, source->request.fd);
    struct asyncio_op *op = record->waits.op[ASYNCIO__READER][ASYNCIO__STANDING];

    if (!op || op->opcode != ASYNCIO_OP_ACCEPT || source->n_kept > 0 || !may_have_more(backend, source, op))
        return false;
    backend->current = op;
    op->result = connection;
    op->completion = ASYNCIO_OP_MORE;
    op->complete(op);
    backend->current = NULL;
    return true;
}

void asyncio__uring_came(struct asyncio_backend *backend, struct asyncio__uring_source *source,
                         const struct asyncio__completion *completion)
{
    int fd = source->request.fd;

    if (!is_inflow(source) && completion->result >= 0 && (completion->flags & IORING_CQE_F_MORE) &&
        !source->is_detached && give_connection(backend, source, completion->result)) {
        backend->accepts_work = true;
        return;
    }
    absorb(backend, source, completion);
    if (!source->is_detached)
        look_after(backend, fd);
    else if (source->request.place == ASYNCIO__URING_IDLE)
        asyncio__uring_free_request(backend, &source->request);
}

void asyncio__uring_keep_all(struct asyncio_backend *backend)
{
    for (unsigned n = asyncio__ring_ready(&backend->ring); n > 0; n--) {
        struct asyncio__completion completion = asyncio__ring_take(&backend->ring);
        struct asyncio__uring_request *request;

        if (completion.key <= ASYNCIO__URING_WAKER || (completion.key & ASYNCIO__URING_CANCEL))
            continue;
        request = (struct asyncio__uring_request *)(uintptr_t)completion.key;
        if (!asyncio__uring_is_source(request))
            continue;
        absorb(backend, asyncio__uring_source_of(request), &completion);
        if (!asyncio__uring_source_of(request)->is_detached)
            asyncio__uring_put_due(backend, asyncio__uring_source_of(request));
        else if (request->place == ASYNCIO__URING_IDLE)
            asyncio__uring_free_request(backend, request);
    }
}

void asyncio__uring_run_due(struct asyncio_backend *backend)
{
    struct asyncio_link due, *link;

    list_init(&due);
    list_splice_back(&due, &backend->due);
    while ((link = list_pop_front(&due)))
        look_after(backend, CONTAINER_OF(link, struct asyncio__uring_source, due)->request.fd);
}

/* ---------------------------------------------------------------------------------------------------------- Endings */

void asyncio__uring_unwanted(struct asyncio_backend *backend, struct asyncio__uring_record *record)
{
    struct asyncio__uring_source *source = record->source;

    /* Others may accept from the same socket; bytes have no other way to go. */
    if (source && !is_inflow(source))
        asyncio__uring_stop(backend, &source->request);
}

void asyncio__uring_detach(struct asyncio_backend *backend, struct asyncio__uring_record *record)
{
    struct asyncio__uring_source *source = record->source;

    if (!source)
        return;
    record->source = NULL;
    source->is_detached = true;
    list_remove(&source->due);
    drop_all(backend, source);
    asyncio__uring_stop(backend, &source->request);
    if (source->request.place == ASYNCIO__URING_IDLE)
        asyncio__uring_free_request(backend, &source->request);
}

void asyncio__uring_drop_sources(struct asyncio_backend *backend)
{
    for (size_t i = 0; i < backend->n_records; i++) {
        struct asyncio__uring_source *source = backend->records[i].source;

        if (!source)
            continue;
        drop_all(backend, source);
        if (source->request.place == ASYNCIO__URING_IDLE)
            asyncio__uring_free_source(backend, source);
    }
}

void asyncio__uring_free_source(struct asyncio_backend *backend, struct asyncio__uring_source *source)
{
    asyncio__free(source->connections);
    asyncio__pool_put(&backend->sources, source);
}
