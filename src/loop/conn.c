#include "conn.h"

#include "../base/hostile.h"
#include "../base/log.h"
#include "../base/mem.h"
#include "loop.h"

#include <sys/socket.h>

/* A write up to this size is put off to be sent together with those of other connections, where the back end does that
 * by one system call; to keep more would cost more than the call. */
#define DEFERRED_MOST 512

/* How often is sent before others have their turn. */
#define BURST 16

static bool is_push(const struct asyncio__conn *conn)
{
    return conn->events->received;
}

static void send_at_once(struct asyncio__conn *conn);

/* Lets the node run in the next turn. */
static void go_on_later(struct asyncio__conn *conn)
{
    if (!list_linked(&conn->node.link))
        asyncio__schedule(conn->loop, &conn->node);
}

/* Does an operation that never waits. Returns: its result. */
static inline int64_t perform(struct asyncio__conn *conn, struct asyncio_op *op)
{
    bool done;

    op->fd = conn->fd;
    done = asyncio_op_submit(conn->loop, op);
    assert(done);
    (void)done;
    return op->result;
}

/* ------------------------------------------------------------------------------------------------------- The end */

static void tell_lost(struct asyncio__conn *conn)
{
    assert(conn->state == ASYNCIO__CONN_CLOSED && !conn->is_sending && !conn->is_receiving && !conn->kept.first);
    list_remove(&conn->link);
    conn->events->lost(conn);
}

static void tell_lost_when_over(struct asyncio__conn *conn)
{
    if (!conn->is_sending && !conn->is_receiving)
        go_on_later(conn);
}

/* A peer that gets a reset does not mistake what it has for the whole. Protocols without one ignore the option. In a
 * forked child the socket is the parent's, too: there it is only let go of. */
static void close_fd(struct asyncio__conn *conn, bool reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (reset && !asyncio__loop_forked(conn->loop))
        perform(conn, &(struct asyncio_op){.opcode = ASYNCIO_OP_SETSOCKOPT,
                                           .option = {SOL_SOCKET, SO_LINGER, &linger, sizeof linger}});
    perform(conn, &(struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE});
    conn->fd = -1;
}

/* Closes the fd. What the back end has still is reported by its next poll, and `lost` comes after that. */
static void shut(struct asyncio__conn *conn, bool reset)
{
    conn->state = ASYNCIO__CONN_CLOSED;
    conn->is_reading = false;
    asyncio_timer_disarm(conn->loop, &conn->timer);
    asyncio_node_cancel(&conn->node);
    asyncio__chunks_clear(&conn->late);
    if (!conn->is_sending)
        asyncio__chunks_clear(&conn->kept);
    close_fd(conn, reset);
    tell_lost_when_over(conn);
}

/* Writing has failed. What was kept is dropped, but what the peer said before it hung up can still be read, until the
 * owner closes; who reads in push mode has no such say. */
static void fail(struct asyncio__conn *conn, int error)
{
    if (!conn->error)
        conn->error = error;
    if (is_push(conn))
        shut(conn, true);
    else
        asyncio__chunks_clear(&conn->kept);
}

/* Does what waits for everything to be sent. Not while `resumed` runs, which may write more. */
static void finish_if_sent(struct asyncio__conn *conn)
{
    if (conn->kept.first || conn->state == ASYNCIO__CONN_CLOSED || conn->is_resuming)
        return;
    if (conn->eof_asked && !conn->eof_sent && !conn->error) {
        int64_t result = perform(conn, &(struct asyncio_op){.opcode = ASYNCIO_OP_SHUTDOWN, .argument = SHUT_WR});

        conn->eof_sent = true;
        if (result < 0)
            fail(conn, (int)result);
    }
    if (conn->state == ASYNCIO__CONN_CLOSING)
        shut(conn, conn->error < 0);
}

void asyncio__conn_abort(struct asyncio__conn *conn, int error)
{
    if (conn->state == ASYNCIO__CONN_CLOSED)
        return;
    if (!conn->error)
        conn->error = error;
    shut(conn, true);
}

static void took_too_long(struct asyncio_node *node)
{
    asyncio__conn_abort(CONTAINER_OF(node, struct asyncio__conn, timer.node), -ETIMEDOUT);
}

void asyncio__conn_close(struct asyncio__conn *conn)
{
    if (conn->state != ASYNCIO__CONN_OPEN)
        return;
    asyncio__conn_stop_reading(conn);
    asyncio__chunks_clear(&conn->late);
    conn->state = ASYNCIO__CONN_CLOSING;
    send_at_once(conn);
    finish_if_sent(conn);
    if (conn->state == ASYNCIO__CONN_CLOSED || conn->close_ns == NS_NEVER)
        return;
    if (asyncio_timer_arm(conn->loop, &conn->timer, ns_add(asyncio__now(conn->loop), conn->close_ns)) < 0)
        asyncio__conn_abort(conn, -ENOMEM);
}

/* --------------------------------------------------------------------------------------------------------- Writing */

static void sent(struct asyncio_op *op);

/* Sends what is kept until the back end has to wait, or others are to have their turn. */
static void send_kept(struct asyncio__conn *conn)
{
    for (int burst = asyncio__at_a_time(BURST); conn->kept.first && !conn->is_sending; burst--) {
        struct asyncio__chunk *first = conn->kept.first;

        if (burst == 0) {
            go_on_later(conn);
            return;
        }
        conn->send = (struct asyncio_op){
            .complete = sent,
            .opcode = ASYNCIO_OP_SEND,
            .flags = conn->is_put_off ? ASYNCIO_OP_DEFER : 0,
            .fd = conn->fd,
            .buffer = {.data = first->data + first->start, .size = first->end - first->start},
        };
        if (!asyncio_op_submit(conn->loop, &conn->send)) {
            conn->is_sending = true;
            return;
        }
        conn->is_put_off = false;
        if (conn->send.result < 0)
            fail(conn, (int)conn->send.result);
        else
            asyncio__chunks_take(&conn->kept, (size_t)conn->send.result);
    }
}

static void pause_if_high(struct asyncio__conn *conn)
{
    if (conn->is_paused || conn->kept.size <= conn->high || conn->state == ASYNCIO__CONN_CLOSED)
        return;
    conn->is_paused = true;
    if (conn->events->paused)
        conn->events->paused(conn);
}

static void resume_if_low(struct asyncio__conn *conn)
{
    bool was_resuming = conn->is_resuming;

    if (!conn->is_paused || conn->kept.size > conn->low || conn->state == ASYNCIO__CONN_CLOSED)
        return;
    conn->is_paused = false;
    conn->is_resuming = true;
    if (conn->events->resumed)
        conn->events->resumed(conn);
    conn->is_resuming = was_resuming;
}

static void go_on_sending(struct asyncio__conn *conn)
{
    send_kept(conn);
    resume_if_low(conn);
    finish_if_sent(conn);
}

/* Takes back a send that was put off and is still to be told to the kernel. Returns: false when it is on its way. */
static bool take_back(struct asyncio__conn *conn)
{
    if (conn->is_put_off && conn->is_sending && asyncio_op_cancel(conn->loop, &conn->send))
        conn->is_sending = false;
    return !conn->is_sending;
}

/* Puts nothing off any longer, because somebody is going to wait until it is sent. */
static void send_at_once(struct asyncio__conn *conn)
{
    if (!conn->is_put_off || !take_back(conn))
        return;
    conn->is_put_off = false;
    go_on_sending(conn);
}

static void sent(struct asyncio_op *op)
{
    struct asyncio__conn *conn = CONTAINER_OF(op, struct asyncio__conn, send);

    conn->is_sending = conn->is_put_off = false;
    if (conn->state == ASYNCIO__CONN_CLOSED) {
        asyncio__chunks_clear(&conn->kept);
        tell_lost_when_over(conn);
        return;
    }
    if (op->result < 0)
        fail(conn, (int)op->result);
    else
        asyncio__chunks_take(&conn->kept, (size_t)op->result);
    go_on_sending(conn);
}

/* Sends what the kernel takes at once. Returns: how many bytes; a negative error. */
static int64_t send_now(struct asyncio__conn *conn, const struct asyncio_bytes *pieces, size_t n)
{
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_SENDV, .flags = ASYNCIO_OP_NOWAIT, .vector = {.pieces = pieces, .n = n}};
    int64_t result;

    if (n == 1) {
        op.opcode = ASYNCIO_OP_SEND;
        op.buffer = (struct asyncio_op_buffer){.data = (void *)(uintptr_t)pieces->data, .size = pieces->size};
    }
    result = perform(conn, &op);
    return result == -EAGAIN ? 0 : result;
}

/* True for a write that is kept, to be sent with the next poll. */
static bool is_deferred(const struct asyncio__conn *conn, const struct asyncio_bytes *pieces, size_t n)
{
    size_t size = 0;

    if (!conn->loop->ops->batches)
        return false;
    for (size_t i = 0; i < n && size <= DEFERRED_MOST; i++)
        size += pieces[i].size;
    return size <= DEFERRED_MOST && size <= conn->high;
}

/* What stands against writing. */
static int check_writing(const struct asyncio__conn *conn)
{
    if (conn->error)
        return conn->error;
    /* What `resumed` writes is still flushed: it could not know. */
    if (conn->state == ASYNCIO__CONN_CLOSED || (conn->state == ASYNCIO__CONN_CLOSING && !conn->is_resuming))
        return -ASYNCIO_ECLOSED;
    return 0;
}

int asyncio__conn_write(struct asyncio__conn *conn, const struct asyncio_bytes *pieces, size_t n)
{
    int64_t sent_now = 0;
    int r = check_writing(conn);
    bool puts_off;

    if (r < 0)
        return r;
    if (conn->eof_asked)
        return -ASYNCIO_EINVALIDSTATE;
    while (n > 0 && pieces->size == 0) {
        pieces++;
        n--;
    }
    if (n == 0)
        return 0;
    puts_off = !conn->kept.first && is_deferred(conn, pieces, n);
    if (!conn->kept.first && !puts_off) {
        sent_now = send_now(conn, pieces, n);
        if (LIKELY(n == 1 && sent_now == (int64_t)pieces->size))
            return 0;
        if (sent_now == -ENOMEM)
            return -ENOMEM;
        if (sent_now < 0) {
            fail(conn, (int)sent_now);
            return conn->error;
        }
    }
    r = asyncio__chunks_append(&conn->kept, pieces, n, (size_t)sent_now);
    if (r < 0) {
        if (sent_now > 0)
            asyncio__conn_abort(conn, r);
        return r;
    }
    if (!conn->kept.first)
        return 0;
    conn->is_put_off |= puts_off;
    take_back(conn);
    if (conn->kept.size > conn->high)
        send_at_once(conn);
    go_on_sending(conn);
    pause_if_high(conn);
    return conn->error;
}

int asyncio__conn_write_eof(struct asyncio__conn *conn)
{
    int r = check_writing(conn);

    if (r < 0 || conn->eof_asked)
        return r;
    conn->eof_asked = true;
    send_at_once(conn);
    finish_if_sent(conn);
    return conn->error;
}

void asyncio__conn_set_limits(struct asyncio__conn *conn, size_t high, size_t low)
{
    assert(high >= low);
    conn->high = high;
    conn->low = low;
    send_at_once(conn);
    pause_if_high(conn);
    resume_if_low(conn);
    finish_if_sent(conn);
}

/* --------------------------------------------------------------------------------------------------------- Reading */

static void receive_on(struct asyncio__conn *conn);

/* A read has brought nothing more: the end, or an error. */
static void end_receiving(struct asyncio__conn *conn, int64_t result)
{
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
    result = perform(conn, &op);
    if (result > 0)
        conn->events->received(conn, op.buffer.data, (size_t)result);
    else if (result != -EAGAIN)
        end_receiving(conn, result);
}

/* Gives the owner a piece of what came while it had stopped reading. */
static void deliver_late(struct asyncio__conn *conn)
{
    struct asyncio__chunk *chunk = asyncio__chunks_pop(&conn->late);

    conn->events->received(conn, chunk->data + chunk->start, chunk->end - chunk->start);
    asyncio__free(chunk);
}

/* Gives the owner what the back end has lent, or keeps it. */
static void deliver(struct asyncio__conn *conn, void *data, size_t size)
{
    struct asyncio_bytes piece = {data, size};

    if (conn->is_reading && !conn->late.first)
        conn->events->received(conn, data, size);
    else if (conn->state == ASYNCIO__CONN_OPEN && asyncio__chunks_append(&conn->late, &piece, 1, 0) < 0)
        asyncio__conn_abort(conn, -ENOMEM);
}

/* The socket is readable, or the standing receive has met the end. */
static void receive_or_end(struct asyncio__conn *conn)
{
    if (conn->events->get_buffer)
        receive_once(conn);
    else
        end_receiving(conn, 0);
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
        tell_lost_when_over(conn);
    else if (result < 0 && result != -ECANCELED)
        end_receiving(conn, result);
    else if (result >= 0 && !lent && conn->is_reading && !conn->late.first)
        receive_or_end(conn);
    receive_on(conn);
}

/* Sees to it that reading goes on. An end that is not told now will be met again. */
static void receive_on(struct asyncio__conn *conn)
{
    if (!conn->is_reading)
        return;
    if (conn->late.first) {
        go_on_later(conn);
        return;
    }
    if (conn->is_receiving)
        return;
    conn->receive = (struct asyncio_op){.complete = received, .fd = conn->fd};
    if (conn->events->get_buffer) {
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
        go_on_later(conn);
}

void asyncio__conn_start_reading(struct asyncio__conn *conn)
{
    assert(is_push(conn));
    if (conn->is_reading || conn->has_ended || conn->state != ASYNCIO__CONN_OPEN)
        return;
    conn->is_reading = true;
    receive_on(conn);
}

void asyncio__conn_stop_reading(struct asyncio__conn *conn)
{
    conn->is_reading = false;
    if (!conn->is_receiving || conn->is_leaving)
        return;
    if (asyncio_op_cancel(conn->loop, &conn->receive))
        conn->is_receiving = false;
    else
        conn->is_leaving = true;
}

/* ------------------------------------------------------------------------------------------------------ The whole */

/* The node: the connection is lost, or something was put off so that others had their turn. */
static void go_on(struct asyncio_node *node)
{
    struct asyncio__conn *conn = CONTAINER_OF(node, struct asyncio__conn, node);

    if (conn->state == ASYNCIO__CONN_CLOSED) {
        tell_lost(conn);
        return;
    }
    go_on_sending(conn);
    if (conn->is_reading && conn->late.first)
        deliver_late(conn);
    else if (conn->is_reading && conn->events->get_buffer && !conn->is_receiving)
        receive_once(conn);
    receive_on(conn);
}

void asyncio__conn_init(struct asyncio__conn *conn, struct asyncio_loop *loop, int fd,
                        const struct asyncio__conn_events *events, int64_t close_ns)
{
    *conn = (struct asyncio__conn){
        .loop = loop,
        .events = events,
        .fd = fd,
        .high = ASYNCIO__CONN_HIGH,
        .low = ASYNCIO__CONN_HIGH / 4,
        .close_ns = close_ns,
    };
    asyncio_node_init(&conn->node, go_on, NULL);
    asyncio_node_init(&conn->timer.node, took_too_long, NULL);
    list_push_back(&loop->conns, &conn->link);
}

/* In a forked child: nothing will be reported here, and what is unsent is the parent's to send. */
static void abandon(struct asyncio__conn *conn)
{
    if (conn->is_sending)
        asyncio_op_cancel(conn->loop, &conn->send);
    if (conn->is_receiving && !conn->is_leaving)
        asyncio_op_cancel(conn->loop, &conn->receive);
    conn->is_sending = conn->is_receiving = false;
    asyncio__chunks_clear(&conn->kept);
}

static void close_with_loop(struct asyncio__conn *conn)
{
    bool unsent;

    if (asyncio__loop_forked(conn->loop))
        abandon(conn);
    else if (conn->state != ASYNCIO__CONN_CLOSED)
        send_at_once(conn);
    unsent = conn->kept.first && conn->state != ASYNCIO__CONN_CLOSED;
    if (unsent)
        asyncio__log(ASYNCIO_LOG_WARNING, "connection closed with %zu unsent bytes, because its event loop is (fd %d)",
                     conn->kept.size, conn->fd);
    if (unsent && !conn->error)
        conn->error = -ASYNCIO_ECLOSED;
    if (conn->state != ASYNCIO__CONN_CLOSED)
        shut(conn, conn->error < 0);
}

/* True while the back end has something of a connection. */
static bool any_pending(const struct asyncio_loop *loop)
{
    const struct asyncio_link *link;

    for (link = loop->conns.next; link != &loop->conns; link = link->next) {
        const struct asyncio__conn *conn = CONST_CONTAINER_OF(link, struct asyncio__conn, link);

        if (conn->is_sending || conn->is_receiving)
            return true;
    }
    return false;
}

/* Polls until the back end has nothing more of a connection. The first poll only looks: it tells those, too, who wait
 * on a connection by themselves. */
static void await_reports(struct asyncio_loop *loop)
{
    int64_t until_ns = 0;
    int r;

    do {
        r = loop->ops->poll(loop->backend, until_ns, false);
        until_ns = NS_NEVER;
    } while (any_pending(loop) && (r >= 0 || r == -EINTR));
}

void asyncio__conns_close(struct asyncio_loop *loop)
{
    struct asyncio_link *link, *next;

    /* What is called here may open another. */
    while (!list_empty(&loop->conns)) {
        LIST_FOR_EACH(link, next, &loop->conns)
            close_with_loop(CONTAINER_OF(link, struct asyncio__conn, link));
        if (!asyncio__loop_forked(loop))
            await_reports(loop);
        LIST_FOR_EACH(link, next, &loop->conns) {
            struct asyncio__conn *conn = CONTAINER_OF(link, struct asyncio__conn, link);

            if (conn->state != ASYNCIO__CONN_CLOSED)
                continue;
            asyncio_node_cancel(&conn->node);
            tell_lost(conn);
        }
    }
}
