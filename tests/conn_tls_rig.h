/* conn_tls_rig.h -- two connections with TLS: the subject, which is the client, and the server; between them a socket,
 * or a wire that the test cuts, slows down and listens to. */
#pragma once

#include "conn_rig.h"

#include "certificates.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#define HANDSHAKE_NS (60 * NS_PER_SEC)
#define SHUTDOWN_NS  (30 * NS_PER_SEC)

static struct subject server;
static struct certificates certificates;
static struct asyncio_ssl_context *trusting, *serving; /* client and server have them to begin with */

/* --------------------------------------------------------------------------------------------------------- The wire */

enum cut { UNCUT, STALL, HANG_UP, RESET };

/* One direction of a wire: passes on so many bytes, at most so many at a time, and then is cut. */
struct direction {
    struct asyncio_op op;
    int *from, *to;
    size_t passed, limit, at_a_time, has, sent;
    enum cut cut;
    bool is_busy, is_over;
    unsigned char memory[1 << 16];
};

static int wire_fds[2]; /* on the client's side, on the server's */
static struct direction up, down;

static inline void hang_up(bool reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    for (int i = 0; i < 2; i++) {
        if (reset && wire_fds[i] >= 0)
            perform((struct asyncio_op){.opcode = ASYNCIO_OP_SETSOCKOPT,
                                        .fd = wire_fds[i],
                                        .option = {SOL_SOCKET, SO_LINGER, &linger, sizeof linger}});
        close_fd(&wire_fds[i]);
    }
}

static inline void pass_on(struct direction *way);

static inline void passed(struct asyncio_op *op)
{
    struct direction *way = CONTAINER_OF(op, struct direction, op);

    way->is_busy = false;
    if (op->result < 0 || *way->to < 0) {
        way->is_over = true;
    } else if (op->opcode == ASYNCIO_OP_RECV && op->result == 0) {
        way->is_over = true;
        perform((struct asyncio_op){.opcode = ASYNCIO_OP_SHUTDOWN, .fd = *way->to, .argument = SHUT_WR});
    } else if (op->opcode == ASYNCIO_OP_RECV) {
        way->has = (size_t)op->result;
        way->sent = 0;
    } else {
        way->sent += (size_t)op->result;
        way->passed += (size_t)op->result;
    }
}

static inline void passed_later(struct asyncio_op *op)
{
    passed(op);
    pass_on(CONTAINER_OF(op, struct direction, op));
}

static inline void pass_on(struct direction *way)
{
    while (!way->is_over && !way->is_busy) {
        struct asyncio_op op = {.complete = passed_later};

        if (way->passed == way->limit && way->cut) {
            way->is_over = true;
            if (way->cut != STALL)
                hang_up(way->cut == RESET);
            return;
        }
        if (way->has > way->sent) {
            op.opcode = ASYNCIO_OP_SEND;
            op.fd = *way->to;
            op.buffer = (struct asyncio_op_buffer){.data = way->memory + way->sent, .size = way->has - way->sent};
        } else {
            op.opcode = ASYNCIO_OP_RECV;
            op.fd = *way->from;
            op.buffer = (struct asyncio_op_buffer){.data = way->memory, .size = min_size(way->at_a_time, 1 << 16)};
            if (way->cut)
                op.buffer.size = min_size(op.buffer.size, way->limit - way->passed);
        }
        way->op = op;
        way->is_busy = true;
        if (asyncio_op_submit(loop, &way->op))
            passed(&way->op);
    }
}

/* Joins client and server by a wire. `limit` bytes pass in a direction before it is cut. */
static inline void start_wire(size_t at_a_time, enum cut cut_up, size_t limit_up, enum cut cut_down, size_t limit_down)
{
    up.from = down.to = &wire_fds[0];
    up.to = down.from = &wire_fds[1];
    up.at_a_time = down.at_a_time = at_a_time;
    up.cut = cut_up;
    up.limit = limit_up;
    down.cut = cut_down;
    down.limit = limit_down;
    if (wire_fds[0] < 0 || wire_fds[1] < 0)
        return;
    pass_on(&up);
    pass_on(&down);
}

/* Lets go of it; the back end must have nothing of it when the loop closes. */
static inline void stop_wire(void)
{
    struct direction *const ways[] = {&up, &down};

    for (int i = 0; i < 2; i++) {
        ways[i]->is_over = true;
        if (ways[i]->is_busy && asyncio_op_cancel(loop, &ways[i]->op))
            ways[i]->is_busy = false;
    }
    for (int i = 0; i < 100 && (up.is_busy || down.is_busy); i++)
        one_turn();
    hang_up(false);
}

/* Over TCP, where small pieces are not held back: the clock would not wait for them. */
static inline void make_quick_pair(int fds[2])
{
    int on = 1;

    make_tcp_pair(fds);
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            perform((struct asyncio_op){
                .opcode = ASYNCIO_OP_SETSOCKOPT, .fd = fds[i], .option = {IPPROTO_TCP, TCP_NODELAY, &on, sizeof on}});
}

/* ------------------------------------------------------------------------------------------------------------ Setup */

static inline int start_tls_with(struct subject *self, const struct asyncio__conn_tls *tls, const void *data,
                                 size_t size)
{
    return self->is_open ? asyncio__conn_start_tls(&self->conn, tls, data, size) : -ENOTCONN;
}

static inline struct asyncio__conn_tls tls_of(const struct subject *self)
{
    struct asyncio__conn_tls tls = {.handshake_ns = HANDSHAKE_NS, .shutdown_ns = SHUTDOWN_NS};

    if (self == &server)
        tls.options = (struct asyncio__tls_options){.context = serving, .server_side = true};
    else
        tls.options = (struct asyncio__tls_options){.context = trusting, .server_hostname = "localhost"};
    return tls;
}

static inline int start_tls(struct subject *self)
{
    struct asyncio__conn_tls tls = tls_of(self);

    return start_tls_with(self, &tls, NULL, 0);
}

static inline void start_reading_of(struct subject *self)
{
    if (self->is_open)
        asyncio__conn_start_reading(&self->conn);
}

static inline void stop_reading_of(struct subject *self)
{
    if (self->is_open)
        asyncio__conn_stop_reading(&self->conn);
}

static inline void close_one(struct subject *self)
{
    if (self->is_open)
        asyncio__conn_close(&self->conn);
}

static inline void abort_one(struct subject *self, int error)
{
    if (self->is_open)
        asyncio__conn_abort(&self->conn, error);
}

static inline void init_end(struct subject *self, const char *name, int fd, const struct asyncio__conn_events *events)
{
    *self = (struct subject){.name = name, .is_open = fd >= 0};
    if (fd >= 0)
        asyncio__conn_init(&self->conn, loop, fd, events, CLOSE_NS);
}

static inline void make_contexts(void)
{
    certificates_init(&certificates);
    trusting = client_context(&certificates);
    serving = server_context(&certificates, "server");
}

static const struct asyncio__conn_events *const both[] = {&lent, &into};

/* Runs what follows in both ways to hand over what comes. */
#define FOR_BOTH(events)                                                                          \
    for (const struct asyncio__conn_events *events = both[0], *const *at_ = both; at_ < both + 2; \
         events = ++at_ < both + 2 ? *at_ : NULL)

/* Writes until it is to wait, to be called again when it is resumed. */
static inline void write_on(struct subject *self)
{
    for (int i = 0; i < 200 && self->is_open && !self->conn.is_paused; i++)
        if (write_some(self, 3000) < 0)
            return;
}

/* A loop with both ends, over a wire that is still to be started, or directly; no TLS yet. */
static inline void open_ends(const char *options, void (*make)(int fds[2]), bool wired,
                             const struct asyncio__conn_events *events)
{
    int fds[2] = {-1, -1}, others[2] = {-1, -1};

    make_contexts();
    open_loop_with(options);
    memset(&up, 0, sizeof up);
    memset(&down, 0, sizeof down);
    wire_fds[0] = wire_fds[1] = peer.fd = -1;
    subject = server = (struct subject){.name = ""};
    if (!loop)
        return;
    make(fds);
    if (wired && fds[0] >= 0) {
        make(others);
        wire_fds[0] = fds[1];
        wire_fds[1] = others[0];
        fds[1] = others[1];
    }
    init_end(&subject, "client", fds[0], events);
    init_end(&server, "server", fds[1], events);
}

/* The same with TLS begun and both reading; the wire is the sockets themselves. */
static inline void open_tls(const char *options, const struct asyncio__conn_events *events)
{
    open_ends(options, make_pair, false, events);
    start_reading_of(&subject);
    start_reading_of(&server);
    EXPECT_INT(start_tls(&subject), 0);
    EXPECT_INT(start_tls(&server), 0);
}

/* And secured. */
static inline void open_secured(const char *options, const struct asyncio__conn_events *events)
{
    open_tls(options, events);
    run_for(1);
    EXPECT_INT(subject.secured, 1);
    EXPECT_INT(server.secured, 1);
    trace_clear();
}

static inline void close_tls_rig(void)
{
    if (loop)
        stop_wire();
    close_rig();
    EXPECT(!server.is_open);
    EXPECT_INT(subject.lost + server.lost, 2);
    trusting = asyncio_ssl_context_unref(trusting);
    serving = asyncio_ssl_context_unref(serving);
    certificates_fini(&certificates);
}

/* Whatever was said. */
static inline void forget(void)
{
    captured_log();
    trace_clear();
}

static inline void end_tls_rig(void)
{
    close_tls_rig();
    forget();
}
