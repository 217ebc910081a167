/* conn_rig.h -- a connection under test and its peer, which is nothing but an fd: callbacks only, no task.
 *
 * What is written is tagged by its place in the stream, so that every byte that arrives can be checked. */
#pragma once

#include "loop_rig.h"

#include "loop/conn.h"

#include <sys/socket.h>

#define CLOSE_NS (5 * NS_PER_SEC)

struct subject {
    struct asyncio__conn conn;
    const char *name;
    size_t written; /* bytes that write has taken */
    size_t offered; /* the most that it may have sent, also when it failed */
    int paused, resumed, lost;
    void (*on_paused)(struct subject *subject);
    void (*on_resumed)(struct subject *subject);

    /* Push mode. */
    unsigned char memory[4096]; /* what get_buffer names */
    size_t memory_size;         /* of it; 0: all */
    size_t received;            /* bytes that have come and were what they should be */
    int deliveries;
    bool stays; /* `ended` answers that */
    void (*on_received)(struct subject *subject);
    bool is_open; /* initialised and not lost */

    /* TLS. */
    int secured; /* how often that was said */
    void (*on_secured)(struct subject *subject);
};

/* The peer reads `at_a_time` bytes every `every` seconds. */
struct peer {
    struct asyncio_op op;
    struct asyncio_timer timer;
    int fd;
    double every;
    size_t at_a_time;
    size_t got; /* bytes that have come and were what they should be */
    bool is_reading;
    int64_t end; /* 1: not yet; 0: a clean end; else the error */
    unsigned char memory[1 << 16];
};

static struct subject subject;
static struct peer peer;

static inline unsigned char tag_of(size_t place)
{
    return (unsigned char)((place ^ place >> 8 ^ place >> 16) * 37);
}

static inline void fill_tagged(unsigned char *memory, size_t place, size_t size)
{
    for (size_t i = 0; i < size; i++)
        memory[i] = tag_of(place + i);
}

/* Expects the bytes at a place in the stream. */
static inline void check_tagged(const unsigned char *memory, size_t place, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (memory[i] != tag_of(place + i)) {
            FAIL("byte %zu of the stream is wrong", place + i);
            return;
        }
}

/* ------------------------------------------------------------------------------------------------------ Operations */

static inline int64_t perform(struct asyncio_op op)
{
    EXPECT(asyncio_op_submit(loop, &op));
    return op.result;
}

static inline void close_fd(int *fd)
{
    if (loop && *fd >= 0)
        perform((struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE, .fd = *fd});
    *fd = -1;
}

/* What is readable now, without waiting. */
static inline int64_t recv_now(int fd, void *data, size_t size)
{
    return perform((struct asyncio_op){
        .opcode = ASYNCIO_OP_RECV, .flags = ASYNCIO_OP_NOWAIT, .fd = fd, .buffer = {.data = data, .size = size}});
}

static inline void make_pair(int fds[2])
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SOCKETPAIR, .make = {.domain = AF_UNIX, .type = SOCK_STREAM}};

    EXPECT(asyncio_op_submit(loop, &op));
    EXPECT_INT(op.result, 0);
    fds[0] = op.result == 0 ? op.make.fds[0] : -1;
    fds[1] = op.result == 0 ? op.make.fds[1] : -1;
}

static inline void connected(struct asyncio_op *op)
{
    *(bool *)op->owner = true;
}

/* A TCP connection through a listener on the loopback device. */
static inline void make_tcp_pair(int fds[2])
{
    struct asyncio_op make = {.opcode = ASYNCIO_OP_SOCKET, .make = {.domain = AF_INET, .type = SOCK_STREAM}};
    struct asyncio_address address = {.size = 0};
    int listener = (int)perform(make);
    bool done = false;
    struct asyncio_op connect = {.opcode = ASYNCIO_OP_CONNECT, .complete = connected, .owner = &done};

    fds[0] = fds[1] = -1;
    EXPECT_INT(asyncio_address_parse(&address, "127.0.0.1", 0), 0);
    EXPECT_INT(perform((struct asyncio_op){
                   .opcode = ASYNCIO_OP_BIND, .fd = listener, .address = {&address.data, address.size}}),
               0);
    EXPECT_INT(perform((struct asyncio_op){.opcode = ASYNCIO_OP_LISTEN, .fd = listener, .argument = 1}), 0);
    EXPECT_INT(perform((struct asyncio_op){.opcode = ASYNCIO_OP_SOCKNAME, .fd = listener, .name = {&address}}), 0);
    connect.fd = fds[0] = (int)perform(make);
    connect.address = (struct asyncio_op_address){&address.data, address.size};
    if (!asyncio_op_submit(loop, &connect))
        for (int i = 0; i < 100 && !done; i++)
            one_turn();
    EXPECT_INT(connect.result, 0);
    fds[1] = (int)perform((struct asyncio_op){.opcode = ASYNCIO_OP_ACCEPT, .flags = ASYNCIO_OP_NOWAIT, .fd = listener});
    EXPECT(fds[1] >= 0);
    close_fd(&listener);
}

/* ---------------------------------------------------------------------------------------------------------- Events */

static inline struct subject *subject_of(struct asyncio__conn *conn)
{
    return CONTAINER_OF(conn, struct subject, conn);
}

static inline void say_paused(struct asyncio__conn *conn)
{
    struct subject *self = subject_of(conn);

    EXPECT(conn->is_paused);
    EXPECT(asyncio__conn_kept(conn) > conn->high);
    self->paused++;
    trace("%s: paused", self->name);
    if (self->on_paused)
        self->on_paused(self);
}

static inline void say_resumed(struct asyncio__conn *conn)
{
    struct subject *self = subject_of(conn);

    EXPECT(!conn->is_paused);
    EXPECT(asyncio__conn_kept(conn) <= conn->low || conn->error);
    self->resumed++;
    trace("%s: resumed", self->name);
    if (self->on_resumed)
        self->on_resumed(self);
}

static inline void say_lost(struct asyncio__conn *conn)
{
    struct subject *self = subject_of(conn);

    EXPECT_INT(conn->fd, -1);
    EXPECT_PTR(conn->kept.first, NULL);
    EXPECT_PTR(conn->late.first, NULL);
    EXPECT_INT(self->lost, 0);
    self->lost++;
    self->is_open = false;
    if (conn->error)
        trace("%s: lost: %s", self->name, asyncio_errorname(conn->error));
    else
        trace("%s: lost", self->name);
    /* Whatever still touches it would be seen. */
    memset(conn, 0xee, sizeof *conn);
}

static const struct asyncio__conn_events pull_events = {say_paused, say_resumed, say_lost, NULL, NULL, NULL};

static inline void name_memory(struct asyncio__conn *conn, void **ret_data, size_t *ret_size)
{
    struct subject *self = subject_of(conn);

    *ret_data = self->memory;
    *ret_size = self->memory_size ? self->memory_size : sizeof self->memory;
}

static inline void take(struct asyncio__conn *conn, const void *data, size_t size)
{
    struct subject *self = subject_of(conn);

    EXPECT(size > 0);
    EXPECT(conn->is_reading);
    EXPECT(conn->state == ASYNCIO__CONN_OPEN || (conn->tls && conn->state == ASYNCIO__CONN_CLOSING));
    check_tagged(data, self->received, size);
    self->received += size;
    self->deliveries++;
    if (self->on_received)
        self->on_received(self);
}

static inline bool say_ended(struct asyncio__conn *conn)
{
    struct subject *self = subject_of(conn);

    trace("%s: ended", self->name);
    return self->stays;
}

static inline void say_secured(struct asyncio__conn *conn, int error)
{
    struct subject *self = subject_of(conn);

    self->secured++;
    if (error)
        trace("%s: not secured: %s", self->name, asyncio_errorname(error));
    else
        trace("%s: secured", self->name);
    if (self->on_secured)
        self->on_secured(self);
}

/* Push mode: what comes is lent, or read into the subject's memory. */
static const struct asyncio__conn_events lent = {say_paused, say_resumed, say_lost, NULL, take, say_ended, say_secured};
static const struct asyncio__conn_events into = {say_paused, say_resumed, say_lost,   name_memory,
                                                 take,       say_ended,   say_secured};

/* ----------------------------------------------------------------------------------------------------------- Setup */

/* A loop on the back end under test; in the simulator with these options behind the seed, or with a seed of theirs. */
static inline void open_loop_with(const char *options)
{
    char backend[128];

    if (!options || !test_on_sim()) {
        open_loop();
        return;
    }
    if (strncmp(options, "sim:", 4) == 0)
        snprintf(backend, sizeof backend, "%s", options);
    else
        snprintf(backend, sizeof backend, "%s,%s", test_backend(), options);
    EXPECT_INT(asyncio_new_event_loop(&loop, .backend = backend), 0);
}

/* A loop, the subject and its peer. */
static inline void open_rig_over(void (*make)(int fds[2]), const char *options,
                                 const struct asyncio__conn_events *events)
{
    int fds[2] = {-1, -1};

    open_loop_with(options);
    subject = (struct subject){.name = "conn"};
    peer = (struct peer){.fd = -1, .end = 1};
    if (!loop)
        return;
    make(fds);
    peer.fd = fds[1];
    if (fds[0] < 0)
        return;
    asyncio__conn_init(&subject.conn, loop, fds[0], events, CLOSE_NS);
    subject.is_open = true;
}

static inline void open_rig(const char *options, const struct asyncio__conn_events *events)
{
    open_rig_over(make_pair, options, events);
}

/* What is left goes with the loop. */
static inline void close_rig(void)
{
    if (loop) {
        asyncio_timer_disarm(loop, &peer.timer);
        close_fd(&peer.fd);
    }
    close_loop();
    EXPECT(!subject.is_open);
}

static inline int write_pieces(const struct asyncio_bytes *pieces, size_t n)
{
    return subject.is_open ? asyncio__conn_write(&subject.conn, pieces, n) : -ENOTCONN;
}

/* Writes the next `size` bytes of the stream. */
static inline int write_some(struct subject *self, size_t size)
{
    unsigned char *memory = malloc(size + 1);
    struct asyncio_bytes piece = {memory, size};
    int r;

    /* The call may write more itself, behind this. */
    fill_tagged(memory, self->written, size);
    self->written += size;
    self->offered = max_size(self->offered, self->written);
    r = self->is_open ? asyncio__conn_write(&self->conn, &piece, 1) : -ENOTCONN;
    if (r < 0)
        self->written -= size;
    free(memory);
    return r;
}

/* The calls under test, on a subject that a fault may have ended before. */
static inline int write_eof(void)
{
    return subject.is_open ? asyncio__conn_write_eof(&subject.conn) : -ENOTCONN;
}

static inline void close_subject(void)
{
    if (subject.is_open)
        asyncio__conn_close(&subject.conn);
}

static inline void abort_subject(int error)
{
    if (subject.is_open)
        asyncio__conn_abort(&subject.conn, error);
}

static inline void start_reading(void)
{
    if (subject.is_open)
        asyncio__conn_start_reading(&subject.conn);
}

static inline void stop_reading(void)
{
    if (subject.is_open)
        asyncio__conn_stop_reading(&subject.conn);
}

static inline void set_limits(size_t high, size_t low)
{
    if (subject.is_open)
        asyncio__conn_set_limits(&subject.conn, high, low);
}

/* So many bytes, or fewer where they go one by one. */
static inline size_t amount(size_t bytes)
{
    return test_hostile() ? bytes / 20 : bytes;
}

/* Writes until the kernel takes no more, so that something is kept. */
static inline void fill_up(struct subject *self)
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "what is kept is what the kernel has no room for");
    for (int i = 0; i < 10000 && self->is_open && !self->conn.kept.first; i++)
        if (write_some(self, 4096) < 0)
            return;
    EXPECT(!self->is_open || self->conn.kept.first);
}

/* --------------------------------------------------------------------------------------------------------- Reading */

static inline void peer_read(void);

static inline void peer_got(struct asyncio_op *op)
{
    peer.is_reading = false;
    if (op->result <= 0) {
        peer.end = op->result;
        return;
    }
    check_tagged(peer.memory, peer.got, (size_t)op->result);
    peer.got += (size_t)op->result;
    if (peer.every > 0)
        asyncio_timer_arm(loop, &peer.timer, asyncio_loop_now_ns(loop) + (int64_t)(peer.every * 1e9));
    else
        peer_read();
}

static inline void peer_read(void)
{
    int burst = 64;

    while (!peer.is_reading && peer.end == 1) {
        peer.op = (struct asyncio_op){.complete = peer_got,
                                      .opcode = ASYNCIO_OP_RECV,
                                      .fd = peer.fd,
                                      .buffer = {.data = peer.memory, .size = peer.at_a_time}};
        peer.is_reading = true;
        if (!asyncio_op_submit(loop, &peer.op))
            return;
        peer.is_reading = false;
        if (peer.op.result <= 0) {
            peer.end = peer.op.result;
            return;
        }
        check_tagged(peer.memory, peer.got, (size_t)peer.op.result);
        peer.got += (size_t)peer.op.result;
        if (peer.every > 0 || --burst == 0) {
            asyncio_timer_arm(loop, &peer.timer, asyncio_loop_now_ns(loop) + (int64_t)(peer.every * 1e9));
            return;
        }
    }
}

static inline void peer_read_again(struct asyncio_node *node)
{
    (void)node;
    peer_read();
}

/* Lets the peer read until the end, so many bytes at a time, with so many seconds between. */
static inline void start_peer(size_t at_a_time, double every)
{
    asyncio_node_init(&peer.timer.node, peer_read_again, NULL);
    peer.at_a_time = min_size(at_a_time, sizeof peer.memory);
    peer.every = every;
    peer_read();
}

/* Reads what is there now. */
static inline void peer_take_all(void)
{
    int64_t size;

    while ((size = recv_now(peer.fd, peer.memory, sizeof peer.memory)) > 0) {
        check_tagged(peer.memory, peer.got, (size_t)size);
        peer.got += (size_t)size;
    }
    if (size != -EAGAIN)
        peer.end = size;
}
