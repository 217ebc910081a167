/* conn_read.c -- push mode: a connection reads by itself and calls its owner. */
#include "conn_parts.h"

#include "../base/mem.h"

/* True when the socket is to be read. */
static inline bool wants(const struct asyncio__conn *conn)
{
    return UNLIKELY(conn->tls) ? asyncio__conn_tls_wants(conn) : conn->is_reading;
}

/* A read has brought nothing more: the end, or an error. */
static void end_receiving(struct asyncio__conn *conn, int64_t result)
{
    if (UNLIKELY(conn->tls)) {
        asyncio__conn_tls_wire_ended(conn, result);
        return;
    }
    if (result < 0) {
        asyncio__conn_abort(conn, (int)result);
        return;
    }
    conn->has_ended = true;
    conn->is_reading = false;
    if (!conn->events->ended(conn))
        asyncio__conn_close(conn);
}

/* Reads once into the owner's memory. */
static void receive_once(struct asyncio__conn *conn)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_RECV, .flags = ASYNCIO_OP_NOWAIT};
    int64_t result;

    conn->events->get_buffer(conn, &op.buffer.data, &op.buffer.size);
    if (!conn->is_reading)
        return;
    assert(op.buffer.data && op.buffer.size > 0);
    result = asyncio__conn_perform(conn, &op);
    if (result > 0)
        conn->events->received(conn, op.buffer.data, (size_t)result);
    else if (result != -EAGAIN)
        end_receiving(conn, result);
}

/* Gives the owner what is there, piece by piece where it reads into memory of its own. Returns: how much it has taken
 * before it stopped reading or began TLS, which is for what follows. */
static size_t hand_over(struct asyncio__conn *conn, const unsigned char *data, size_t size)
{
    size_t given = 0;

    while (given < size && conn->is_reading && !conn->tls) {
        void *memory;
        size_t room;

        if (!conn->events->get_buffer) {
            conn->events->received(conn, data + given, size - given);
            return size;
        }
        conn->events->get_buffer(conn, &memory, &room);
        if (!conn->is_reading)
            break;
        room = min_size(room, size - given);
        memcpy(memory, data + given, room);
        given += room;
        conn->events->received(conn, memory, room);
    }
    return given;
}

/* Gives the owner a piece of what came while it had stopped reading. */
static void deliver_late(struct asyncio__conn *conn)
{
    struct asyncio__chunk *chunk = asyncio__chunks_pop(&conn->late);

    chunk->start += hand_over(conn, chunk->data + chunk->start, chunk->end - chunk->start);
    if (chunk->start < chunk->end && conn->state == ASYNCIO__CONN_OPEN)
        asyncio__chunks_put_back(&conn->late, chunk);
    else
        asyncio__free(chunk);
}

/* Gives the owner what the back end has lent, or keeps it. */
static void deliver(struct asyncio__conn *conn, void *data, size_t size)
{
    struct asyncio_bytes piece = {data, size};
    size_t given = 0;

    if (UNLIKELY(conn->tls)) {
        asyncio__conn_tls_received(conn, data, size);
        return;
    }
    if (LIKELY(conn->is_reading && !conn->late.first && !conn->events->get_buffer)) {
        conn->events->received(conn, data, size);
        return;
    }
    if (!conn->late.first)
        given = hand_over(conn, data, size);
    if (given < size && conn->state == ASYNCIO__CONN_OPEN && asyncio__chunks_append(&conn->late, &piece, 1, given) < 0)
        asyncio__conn_abort(conn, -ENOMEM);
}

static void received(struct asyncio_op *op)
{
    struct asyncio__conn *conn = CONTAINER_OF(op, struct asyncio__conn, receive);
    bool more = op->completion & ASYNCIO_OP_MORE, lent = op->completion & ASYNCIO_OP_BUFFER;
    int64_t result = op->result;
    void *data = op->buffer.data;
    int fd = op->fd;

    conn->is_receiving = more;
    conn->is_leaving = conn->is_leaving && more;
    if (lent) {
        /* This may submit the operation again. */
        deliver(conn, data, (size_t)result);
        conn->loop->ops->release(conn->loop->backend, fd, data);
    }
    if (more)
        return;
    if (conn->state == ASYNCIO__CONN_CLOSED)
        asyncio__conn_tell_lost_when_over(conn);
    else if (result < 0 && result != -ECANCELED)
        end_receiving(conn, result);
    else if (result >= 0 && !lent && wants(conn) && !conn->late.first) {
        /* The standing receive has met the end, or the socket is readable; of which mode it is may have changed. */
        if (op->opcode != ASYNCIO_OP_POLL)
            end_receiving(conn, 0);
        else if (conn->events->get_buffer && !conn->tls)
            receive_once(conn);
    }
    asyncio__conn_receive_on(conn);
}

void asyncio__conn_receive_on(struct asyncio__conn *conn)
{
    if (!wants(conn))
        return;
    if (conn->late.first) {
        asyncio__conn_go_on_later(conn);
        return;
    }
    if (conn->is_receiving)
        return;
    conn->receive = (struct asyncio_op){.complete = received, .fd = conn->fd};
    if (conn->events->get_buffer && !conn->tls) {
        conn->receive.opcode = ASYNCIO_OP_POLL;
        conn->receive.poll.events = ASYNCIO_READABLE;
    } else {
        conn->receive.opcode = ASYNCIO_OP_RECV;
        conn->receive.flags = ASYNCIO_OP_STANDING;
    }
    if (!asyncio_op_submit(conn->loop, &conn->receive))
        conn->is_receiving = true;
    else if (conn->receive.result < 0)
        end_receiving(conn, conn->receive.result);
    else
        asyncio__conn_go_on_later(conn);
}

void asyncio__conn_go_on_reading(struct asyncio__conn *conn)
{
    if (UNLIKELY(conn->tls))
        asyncio__conn_tls_go_on(conn);
    else if (conn->is_reading && conn->late.first)
        deliver_late(conn);
    else if (conn->is_reading && conn->events->get_buffer && !conn->is_receiving)
        receive_once(conn);
    asyncio__conn_receive_on(conn);
}

void asyncio__conn_retract(struct asyncio__conn *conn)
{
    if (!conn->is_receiving || conn->is_leaving)
        return;
    if (asyncio_op_cancel(conn->loop, &conn->receive))
        conn->is_receiving = false;
    else
        conn->is_leaving = true;
}

void asyncio__conn_start_reading(struct asyncio__conn *conn)
{
    assert(asyncio__conn_is_push(conn));
    if (conn->is_reading || conn->has_ended || conn->state != ASYNCIO__CONN_OPEN)
        return;
    conn->is_reading = true;
    /* TLS may have more than it has given. */
    if (UNLIKELY(conn->tls))
        asyncio__conn_go_on_later(conn);
    asyncio__conn_receive_on(conn);
}

void asyncio__conn_stop_reading(struct asyncio__conn *conn)
{
    conn->is_reading = false;
    if (!wants(conn))
        asyncio__conn_retract(conn);
}

void asyncio__conn_set_events(struct asyncio__conn *conn, const struct asyncio__conn_events *events)
{
    bool read_ahead = !conn->events->get_buffer;

    conn->events = events;
    /* Who has memory of his own is told when there is something to read, others are brought it. */
    if (conn->tls || !conn->is_reading || read_ahead == !events->get_buffer)
        return;
    asyncio__conn_retract(conn);
    asyncio__conn_receive_on(conn);
}
