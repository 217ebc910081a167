/* conn_parts.h -- what the files of a connection share: conn.c is about its life, conn_write.c and conn_read.c move
 * bytes, conn_tls.c encrypts them on the way. Nobody else includes this.
 *
 * A connection without TLS meets the rest of it in one branch a call, on conn->tls. */
#pragma once

#include "conn.h"
#include "loop.h"

static inline bool asyncio__conn_is_push(const struct asyncio__conn *conn)
{
    return conn->events->received;
}

/* Lets the node run in the next turn. */
static inline void asyncio__conn_go_on_later(struct asyncio__conn *conn)
{
    if (!list_linked(&conn->node.link))
        asyncio__schedule(conn->loop, &conn->node);
}

/* Does an operation that never waits. Returns: its result. */
static inline int64_t asyncio__conn_perform(struct asyncio__conn *conn, struct asyncio_op *op)
{
    bool done;

    op->fd = conn->fd;
    done = asyncio_op_submit(conn->loop, op);
    assert(done);
    (void)done;
    return op->result;
}

/* ---------------------------------------------------------------------------------------------------------- conn.c */

/* Closes the fd. What the back end has still is reported by its next poll, and `lost` comes after that. */
void asyncio__conn_shut(struct asyncio__conn *conn, bool reset);

/* Writing has failed. What was kept is dropped, but what the peer said before it hung up can still be read, until the
 * owner closes; who reads in push mode has no such say. */
void asyncio__conn_fail(struct asyncio__conn *conn, int error);

/* Has `lost` called once the back end has nothing more of the connection. */
void asyncio__conn_tell_lost_when_over(struct asyncio__conn *conn);

/* Lets what goes on now take so long, else it is aborted with -ETIMEDOUT. Returns: false when that cannot be timed, and
 * it is aborted with -ENOMEM. */
bool asyncio__conn_limit(struct asyncio__conn *conn, int64_t ns);

/* ---------------------------------------------------------------------------------------------------- conn_write.c */

/* Sends at once what the kernel takes, and keeps the rest, or all that is better put off; what is kept then is sent by
 * asyncio__conn_go_on_sending. Returns: as asyncio__conn_write. */
int asyncio__conn_put(struct asyncio__conn *conn, const struct asyncio_bytes *pieces, size_t n);

/* What follows where a write has left something: it goes out as soon as may be, and the owner is paused. Returns:
 * conn->error. */
int asyncio__conn_settle(struct asyncio__conn *conn);

void asyncio__conn_go_on_sending(struct asyncio__conn *conn);

/* Puts nothing off any longer, because somebody is going to wait until it is sent. */
void asyncio__conn_send_at_once(struct asyncio__conn *conn);

/* Does what waits for everything to be sent. */
void asyncio__conn_finish_if_sent(struct asyncio__conn *conn);

/* True while what is encrypted goes out soon; else it is better kept plain, so that the records become whole ones. */
bool asyncio__conn_wire_is_free(const struct asyncio__conn *conn);

/* ----------------------------------------------------------------------------------------------------- conn_read.c */

/* The node: goes on where something was put off so that others had their turn. */
void asyncio__conn_go_on_reading(struct asyncio__conn *conn);

/* Sees to it that reading goes on. An end that is not told now will be met again. */
void asyncio__conn_receive_on(struct asyncio__conn *conn);

/* Takes the receive back. */
void asyncio__conn_retract(struct asyncio__conn *conn);

/* ------------------------------------------------------------------------------------------------------ conn_tls.c */

/* Takes what the owner writes. Returns: as asyncio__conn_write. */
int asyncio__conn_tls_write(struct asyncio__conn *conn, const struct asyncio_bytes *pieces, size_t n);

/* Encrypts and puts some of what is kept plain. Returns: whether there was any that could be. */
bool asyncio__conn_tls_encrypt(struct asyncio__conn *conn);

/* True when the socket is to be read. */
bool asyncio__conn_tls_wants(const struct asyncio__conn *conn);

/* Takes what the socket has brought. */
void asyncio__conn_tls_received(struct asyncio__conn *conn, const void *data, size_t size);

/* The socket brings no more: 0, or a negative error. */
void asyncio__conn_tls_wire_ended(struct asyncio__conn *conn, int64_t result);

/* Goes on in the node. */
void asyncio__conn_tls_go_on(struct asyncio__conn *conn);

/* All that was written is sent: announces the end, and waits for the peer's, layer by layer. Returns: true when there
 * is nothing more to wait for; false, too, when something is to be sent, or the connection was aborted. */
bool asyncio__conn_tls_unwrap(struct asyncio__conn *conn);

/* True when its last words are said: the announcement of its end, or why it has failed. */
bool asyncio__conn_tls_is_over(const struct asyncio__conn *conn);

/* Announces the end without waiting for anything. */
void asyncio__conn_tls_say_goodbye(struct asyncio__conn *conn);

/* Says how the handshake went, unless that was said. */
void asyncio__conn_tls_tell(struct asyncio__conn *conn, int error);

/* Wipes and frees what is kept plain. */
void asyncio__conn_tls_drop(struct asyncio__conn *conn);

/* Frees layers, with their pumps. */
void asyncio__conn_tls_free(struct asyncio__conn_layer *layer);
