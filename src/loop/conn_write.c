/* conn_write.c -- what a connection sends and what it keeps. */
#include "conn_parts.h"

#include "../base/hostile.h"
#include "../base/mem.h"

#include <sys/socket.h>

/* A write up to this size is put off to be sent together with those of other connections, where the back end does that
 * by one system call; to keep more would cost more than the call. */
#define DEFERRED_MOST 512

/* How often is sent before others have their turn. */
#define BURST 16

/* Records of TLS that are put off together: no more than one of the largest. */
#define PUT_OFF_MOST ((size_t)16 * 1024)

static void sent(struct asyncio_op *op);

/* True when nothing waits for the end of the next send: then it may be put off, and told late. */
static bool is_last(const struct asyncio__conn *conn)
{
    return conn->state == ASYNCIO__CONN_OPEN && !conn->kept.first->next && conn->kept_plain == 0;
}

/* Sends what is kept until the back end has to wait, or others are to have their turn. */
static void send_kept(struct asyncio__conn *conn)
{
    for (int burst = asyncio__at_a_time(BURST); conn->kept.first && !conn->is_sending; burst--) {
        struct asyncio__chunk *first = conn->kept.first;

        if (burst == 0) {
            asyncio__conn_go_on_later(conn);
            return;
        }
        conn->is_put_off = conn->is_put_off && is_last(conn);
        conn->send = (struct asyncio_op){
            .complete = sent,
            .opcode = asyncio__conn_send_opcode(conn),
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
            asyncio__conn_fail(conn, (int)conn->send.result);
        else
            asyncio__chunks_take(&conn->kept, (size_t)conn->send.result);
    }
}

bool asyncio__conn_wire_is_free(const struct asyncio__conn *conn)
{
    return !conn->kept.first || (conn->is_put_off && conn->kept.size < PUT_OFF_MOST);
}

/* TLS: goes on with what is kept plain. */
static void send_plain(struct asyncio__conn *conn)
{
    for (int burst = asyncio__at_a_time(BURST); conn->kept_plain > 0 && asyncio__conn_wire_is_free(conn); burst--) {
        if (burst == 0) {
            asyncio__conn_go_on_later(conn);
            return;
        }
        if (!asyncio__conn_tls_encrypt(conn))
            return;
        send_kept(conn);
    }
}

/* With TLS the mark itself is too much already, as in Python, but never nothing. */
static bool is_high(const struct asyncio__conn *conn)
{
    size_t kept = asyncio__conn_kept(conn);

    return kept > conn->high || (conn->tls && kept == conn->high && kept > 0);
}

static void pause_if_high(struct asyncio__conn *conn)
{
    if (conn->is_paused || !is_high(conn) || conn->state == ASYNCIO__CONN_CLOSED)
        return;
    conn->is_paused = true;
    if (conn->events->paused)
        conn->events->paused(conn);
}

static void resume_if_low(struct asyncio__conn *conn)
{
    bool was_resuming = conn->is_resuming;

    if (!conn->is_paused || asyncio__conn_kept(conn) > conn->low || is_high(conn) ||
        conn->state == ASYNCIO__CONN_CLOSED)
        return;
    conn->is_paused = false;
    conn->is_resuming = true;
    if (conn->events->resumed)
        conn->events->resumed(conn);
    conn->is_resuming = was_resuming;
}

/* Not while `resumed` runs, which may write more. */
void asyncio__conn_finish_if_sent(struct asyncio__conn *conn)
{
    while (!conn->kept.first && conn->kept_plain == 0 && conn->state != ASYNCIO__CONN_CLOSED && !conn->is_resuming) {
        if (conn->eof_asked && !conn->eof_sent && !conn->error) {
            int64_t result =
                asyncio__conn_perform(conn, &(struct asyncio_op){.opcode = ASYNCIO_OP_SHUTDOWN, .argument = SHUT_WR});

            conn->eof_sent = true;
            if (result < 0)
                asyncio__conn_fail(conn, (int)result);
        }
        if (conn->state != ASYNCIO__CONN_CLOSING)
            return;
        if (LIKELY(!conn->tls) || asyncio__conn_tls_unwrap(conn)) {
            asyncio__conn_shut(conn, conn->error < 0 && !conn->is_lingering);
            return;
        }
        if (!conn->kept.first)
            return;
        send_kept(conn);
    }
}

/* Takes back a send that was put off and is still to be told to the kernel. Returns: false when it is on its way. */
static bool take_back(struct asyncio__conn *conn)
{
    if (conn->is_put_off && conn->is_sending && asyncio_op_cancel(conn->loop, &conn->send))
        conn->is_sending = false;
    return !conn->is_sending;
}

void asyncio__conn_go_on_sending(struct asyncio__conn *conn)
{
    /* More may be kept by now, and what is behind a send waits for its end. */
    take_back(conn);
    send_kept(conn);
    if (UNLIKELY(conn->kept_plain > 0))
        send_plain(conn);
    resume_if_low(conn);
    asyncio__conn_finish_if_sent(conn);
}

void asyncio__conn_send_at_once(struct asyncio__conn *conn)
{
    if (!conn->is_put_off || !take_back(conn))
        return;
    conn->is_put_off = false;
    asyncio__conn_go_on_sending(conn);
}

static void sent(struct asyncio_op *op)
{
    struct asyncio__conn *conn = CONTAINER_OF(op, struct asyncio__conn, send);

    conn->is_sending = conn->is_put_off = false;
    if (conn->state == ASYNCIO__CONN_CLOSED) {
        asyncio__chunks_clear(&conn->kept);
        asyncio__conn_tell_lost_when_over(conn);
        return;
    }
    if (op->result < 0)
        asyncio__conn_fail(conn, (int)op->result);
    else
        asyncio__chunks_take(&conn->kept, (size_t)op->result);
    asyncio__conn_go_on_sending(conn);
}

/* Sends what the kernel takes at once, of a pipe's pieces the first. Returns: how many bytes; a negative error. */
static inline __attribute__((always_inline)) int64_t send_now(struct asyncio__conn *conn,
                                                              const struct asyncio_bytes *pieces, size_t n)
{
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_SENDV, .flags = ASYNCIO_OP_NOWAIT, .vector = {.pieces = pieces, .n = n}};
    int64_t result;

    if (n == 1 || conn->is_pipe) {
        op.opcode = asyncio__conn_send_opcode(conn);
        op.buffer = (struct asyncio_op_buffer){.data = (void *)(uintptr_t)pieces->data, .size = pieces->size};
    }
    result = asyncio__conn_perform(conn, &op);
    return result == -EAGAIN ? 0 : result;
}

/* True for a write that is kept, to be sent with the next poll. */
static bool is_deferred(const struct asyncio__conn *conn, const struct asyncio_bytes *pieces, size_t n)
{
    size_t size = 0;

    if (!conn->loop->ops->batches || conn->is_pipe || conn->state != ASYNCIO__CONN_OPEN)
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

/* Inlined with what it calls, as most writes come to this and no more. */
static inline __attribute__((always_inline)) int put(struct asyncio__conn *conn, const struct asyncio_bytes *pieces,
                                                     size_t n)
{
    bool puts_off = !conn->kept.first && is_deferred(conn, pieces, n);
    int64_t sent_now = 0;
    int r;

    if (!conn->kept.first && !puts_off) {
        sent_now = send_now(conn, pieces, n);
        if (LIKELY(n == 1 && sent_now == (int64_t)pieces->size))
            return 0;
        if (sent_now == -ENOMEM)
            return -ENOMEM;
        if (sent_now < 0) {
            asyncio__conn_fail(conn, (int)sent_now);
            return conn->error;
        }
    }
    r = asyncio__chunks_append(&conn->kept, pieces, n, (size_t)sent_now);
    if (r < 0) {
        if (sent_now > 0)
            asyncio__conn_abort(conn, r);
        return r;
    }
    conn->is_put_off |= puts_off;
    return 0;
}

int asyncio__conn_put(struct asyncio__conn *conn, const struct asyncio_bytes *pieces, size_t n)
{
    return put(conn, pieces, n);
}

int asyncio__conn_settle(struct asyncio__conn *conn)
{
    if (is_high(conn))
        asyncio__conn_send_at_once(conn);
    asyncio__conn_go_on_sending(conn);
    pause_if_high(conn);
    return conn->error;
}

int asyncio__conn_write(struct asyncio__conn *conn, const struct asyncio_bytes *pieces, size_t n)
{
    int r = check_writing(conn);

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
    if (UNLIKELY(conn->tls))
        return asyncio__conn_tls_write(conn, pieces, n);
    r = put(conn, pieces, n);
    if (r < 0 || !conn->kept.first)
        return r;
    return asyncio__conn_settle(conn);
}

int asyncio__conn_write_eof(struct asyncio__conn *conn)
{
    int r = check_writing(conn);

    if (conn->tls && r == 0)
        return -ENOTSUP;
    if (r < 0 || conn->eof_asked)
        return r;
    conn->eof_asked = true;
    asyncio__conn_send_at_once(conn);
    asyncio__conn_finish_if_sent(conn);
    return conn->error;
}

void asyncio__conn_set_limits(struct asyncio__conn *conn, size_t high, size_t low)
{
    assert(high >= low);
    conn->high = high;
    conn->low = low;
    asyncio__conn_send_at_once(conn);
    pause_if_high(conn);
    resume_if_low(conn);
    asyncio__conn_finish_if_sent(conn);
}
