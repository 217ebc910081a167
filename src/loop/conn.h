/* conn.h -- a connection at the loop's floor: a stream socket, what is still to be written to it, and its end. Streams
 * and transports stand on it; it knows neither, and no task. In pull mode it may be one end of a pipe, or a terminal.
 *
 * Reading has two modes. Pull: the owner submits receives on conn->fd itself, straight into the memory of whoever waits
 * (streams). Push: the connection reads by itself and calls events->received (protocols).
 *
 * Invariants:
 *   - what was written before is sent before: nothing goes out directly while anything is kept;
 *   - where the back end batches, a small write goes out with the next poll, and its end is told with what comes after
 *     that: nothing waits for it, neither more that is kept nor a close;
 *   - while anything is kept, the back end has `send` or the node is scheduled to go on;
 *   - memory that a send names neither moves nor goes until the send is complete;
 *   - `lost` is called exactly once, never inside another call or event, or else from the loop's close; the fd is
 *     closed and nothing of the connection is the back end's then, so that its owner may free it;
 *   - once closed, fd is -1; who waits on it by himself is told -ASYNCIO_ECLOSED by the back end's next poll, which may
 *     come after `lost`. */
#pragma once

#include "../base/list.h"
#include "chunks.h"
#include "tls.h"

#include <asyncio_lowlevel.h>

#define ASYNCIO__CONN_HIGH ((size_t)64 * 1024)

struct asyncio__conn;
struct asyncio__conn_layer;

/* What a connection tells its owner; static. All run on the loop's own stack or inside a call of the owner. They may
 * call anything of this file; only in `lost` may they free the connection. */
struct asyncio__conn_events {
    void (*paused)(struct asyncio__conn *conn);  /* more than `high` is kept; once until `resumed`. May be NULL */
    void (*resumed)(struct asyncio__conn *conn); /* no more than `low` is kept, or conn->error is set. May be NULL */
    void (*lost)(struct asyncio__conn *conn);    /* it is closed; conn->error says why, or is 0 */

    /* Push mode. With get_buffer the data are read into the memory that it names just in time, at least a byte, and
     * `received` gets that; without it `data` is the connection's and valid during the call. */
    void (*get_buffer)(struct asyncio__conn *conn, void **ret_data, size_t *ret_size);
    void (*received)(struct asyncio__conn *conn, const void *data, size_t size);
    bool (*ended)(struct asyncio__conn *conn); /* the peer will send no more; false: close the connection */

    /* TLS. The handshake is over, said once for each: 0, or a negative error, of which `lost` follows by itself: an
     * abort in between would cut off what the peer is told about it. Also when the connection was closed meanwhile:
     * conn->error or -ASYNCIO_ECLOSED, directly before `lost`. May be NULL */
    void (*secured)(struct asyncio__conn *conn, int error);
};

enum asyncio__conn_state {
    ASYNCIO__CONN_OPEN,
    ASYNCIO__CONN_CLOSING, /* close was called: it sends what it has kept */
    ASYNCIO__CONN_CLOSED,  /* the fd is closed, or will be as soon as the back end lets go of the last operation */
};

/* What a request and its answer touch stands together, at the end, where whoever embeds the connection goes on. */
struct asyncio__conn {
    const struct asyncio__conn_events *events;
    struct asyncio_link link;   /* in the loop's list, so that the loop's close finds it */
    size_t high, low;           /* water marks */
    struct asyncio_op send;     /* the back end's while is_sending; it names memory of the first chunk */
    int64_t close_ns;           /* how long close may take to send what is kept; NS_NEVER: as long as it takes */
    struct asyncio_timer timer; /* the end of that time */
    struct asyncio_node node;   /* goes on, or says `lost` */

    /* Push mode. */
    struct asyncio__chunks late; /* what came after reading was stopped */
    bool is_receiving;           /* the back end has `receive` */
    bool is_leaving;             /* it was taken back, and will be reported for the last time */
    bool is_reading;             /* open and not stopped: it is_receiving, or the node is scheduled to go on */
    bool has_ended;              /* the peer sends no more */

    /* TLS. */
    bool wire_has_ended; /* whatever the peer has announced, no more bytes come */
    bool is_lingering;   /* it has failed: the peer is told why, and what still comes is dropped */
    bool owes_secured;   /* `secured` is still to be called */

    struct asyncio_loop *loop;
    struct asyncio__conn_layer *tls; /* the outermost; NULL: none */
    struct asyncio__chunks kept;     /* what is still to be sent, as it will be */
    size_t kept_plain;               /* bytes that TLS keeps, to be encrypted when the wire is free */
    int fd;
    int error;        /* a negative error that broke it; writing has no effect any more */
    uint8_t state;    /* enum asyncio__conn_state */
    bool eof_asked;   /* write_eof was called: the socket is shut down once all is sent */
    bool eof_sent;    /* it is */
    bool is_paused;   /* `paused` was called, `resumed` not yet */
    bool is_resuming; /* `resumed` runs */
    bool is_sending;
    bool is_put_off;           /* nothing was tried yet of what is kept: the back end sends it with its next poll */
    bool is_pipe;              /* no socket: it is read and written, in place of received and sent */
    struct asyncio_op receive; /* push mode: the back end's while is_receiving; pull mode: the owner's, to read with */
};

/* Prepares a connection over a connected, non-blocking fd, which it owns from then on. Never fails. */
void asyncio__conn_init(struct asyncio__conn *conn, struct asyncio_loop *loop, int fd,
                        const struct asyncio__conn_events *events, int64_t close_ns);

/* Sends what the kernel takes at once when nothing is kept, and keeps a copy of the rest; where the back end batches, a
 * little is kept until its next poll, so that one system call sends for many. When sending fails, now or
 * later, conn->error is set and what was kept is dropped. In push mode that is the end; in pull mode what the peer said
 * before it hung up can still be read, and the fd stays open until close.
 * Returns: 0; conn->error, and the data are dropped; -ASYNCIO_ECLOSED after close, but what `resumed` writes is still
 * sent; -ASYNCIO_EINVALIDSTATE after write_eof; -ENOMEM: nothing was taken, or the connection is aborted because a part
 * was sent. */
int asyncio__conn_write(struct asyncio__conn *conn, const struct asyncio_bytes *pieces, size_t n);

/* Shuts the socket down for writing once everything is sent. Returns: 0, also a second time; -ASYNCIO_ECLOSED;
 * conn->error. */
int asyncio__conn_write_eof(struct asyncio__conn *conn);

/* Sends what is kept and what write_eof asked for, then closes; `lost` follows. What takes longer than close_ns is
 * aborted with -ETIMEDOUT; so it is, with -ENOMEM, when that cannot be timed. Harmless when it is closing. */
void asyncio__conn_close(struct asyncio__conn *conn);

/* Closes at once and, where the protocol has that, with a reset, so that the peer does not take what it has for the
 * whole. `error` becomes conn->error unless that is set already; 0: none. `lost` follows. */
void asyncio__conn_abort(struct asyncio__conn *conn, int error);

/* Sets the water marks, high >= low, and calls paused or resumed if need be. */
void asyncio__conn_set_limits(struct asyncio__conn *conn, size_t high, size_t low);

/* Push mode: begins to read, or goes on; stops. What the back end still brings after that is kept for the next start.
 * Both are idempotent, do nothing once the connection is closing or the peer has ended, and call nobody. An error of
 * reading aborts the connection. */
void asyncio__conn_start_reading(struct asyncio__conn *conn);
void asyncio__conn_stop_reading(struct asyncio__conn *conn);

/* What moves its bytes. */
static inline uint8_t asyncio__conn_send_opcode(const struct asyncio__conn *conn)
{
    return conn->is_pipe ? ASYNCIO_OP_WRITE : ASYNCIO_OP_SEND;
}

static inline uint8_t asyncio__conn_receive_opcode(const struct asyncio__conn *conn)
{
    return conn->is_pipe ? ASYNCIO_OP_READ : ASYNCIO_OP_RECV;
}

/* How much is kept to be sent, in whichever form: what the water marks are about. */
static inline size_t asyncio__conn_kept(const struct asyncio__conn *conn)
{
    return conn->kept.size + conn->kept_plain;
}

/* Changes to push mode, or to another owner's events; of pull mode no receive may be under way. Reading goes on or not
 * as before. Calls nobody. */
void asyncio__conn_set_events(struct asyncio__conn *conn, const struct asyncio__conn_events *events);

/* ---------------------------------------------------------------------------------------------------------- conn_tls.c
 *
 * A connection with TLS is used as any other: what is written and received is plain, water marks and times hold. What
 * differs:
 *   - write_eof is -ENOTSUP; as much as `high` is too much already;
 *   - the peer's announcement of its end is `ended`, whose answer does not count: what is kept is sent, and it closes.
 *     An end that is not announced is -ASYNCIO_ESSLEOF unless the context says otherwise;
 *   - close sends what is kept, announces the end and waits for the peer's announcement, shutdown_ns at most, else
 *     -ETIMEDOUT. What the peer sends meanwhile, and its end, are received if reading was not stopped, and dropped if
 *     it was. Once the end is announced it is no error however the peer hangs up. During the handshake a close is an
 *     abort;
 *   - what is wrong with the peer's bytes is told to the peer before the fd is closed, unless it takes long. */

struct asyncio__conn_tls {
    struct asyncio__tls_options options;
    int64_t handshake_ns; /* the handshake may take so long, else -ETIMEDOUT */
    int64_t shutdown_ns;
};

/* Begins TLS on an open connection in push mode, on top of what it has: a second time is TLS in TLS. What was written
 * before goes first, as it is. `data`: bytes of the peer's handshake that the owner has received already. `secured`
 * follows, never inside this call; until then what is written is kept, and nothing is received; the handshake is read
 * whether reading was started or not. Returns: 0; as asyncio__tls_new; -ENOMEM; -ASYNCIO_ECLOSED; conn->error;
 * -ASYNCIO_EINVALIDSTATE after write_eof and during another handshake. */
int asyncio__conn_start_tls(struct asyncio__conn *conn, const struct asyncio__conn_tls *tls, const void *data,
                            size_t size);

/* The pump of its outermost TLS, for what was agreed on; NULL: it has none. */
struct asyncio__tls *asyncio__conn_tls(const struct asyncio__conn *conn);

/* The loop closes: every connection is closed and told so. Where bytes are unsent there is a warning, and conn->error
 * is -ASYNCIO_ECLOSED. In a forked child the parent's connections go on. */
void asyncio__conns_close(struct asyncio_loop *loop);
