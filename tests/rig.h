/* rig.h -- a back end under test, driven by hand: no loop, no task.
 *
 * A probe is an operation that writes what comes of it into the transcript: "name: 5", "name: -ECANCELED", "name: 3
 * more". */
#pragma once

#include "test.h"

#include "backend/backends.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Why tests with a rig are not swept: each step's result is what they are about. */
#define RIG "it drives the back end by hand; its own tests let things fail"

static const struct asyncio_backend_ops *ops;
static struct asyncio_backend *backend;

/* Opens "epoll" or "sim:OPTIONS". */
static inline void open_rig(const char *asked)
{
    const char *options, *reason;

    test_spare(ASYNCIO__SHORT_TRANSFERS | ASYNCIO__LATE_CANCELS, RIG);
    EXPECT_INT(asyncio__backend_choose(asked, &ops, &options, &reason), 0);
    EXPECT_INT(ops->open(&backend, options, 0), 0);
}

static inline void close_rig(void)
{
    ops->close(backend);
    backend = NULL;
}

static inline void look(void)
{
    EXPECT_INT(ops->poll(backend, 0, false), 0);
}

static inline void look_often(void)
{
    for (int i = 0; i < 5; i++)
        look();
}

/* -------------------------------------------------------------------------------------- Operations that never wait */

static inline int64_t call(struct asyncio_op op)
{
    EXPECT(ops->submit(backend, &op));
    return op.result;
}

static inline void make_pair(int fds[2])
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SOCKETPAIR, .make = {AF_UNIX, SOCK_STREAM, 0, {-1, -1}}};

    EXPECT(ops->submit(backend, &op));
    EXPECT_INT(op.result, 0);
    fds[0] = op.make.fds[0];
    fds[1] = op.make.fds[1];
}

static inline void make_pipe(int fds[2])
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_PIPE};

    EXPECT(ops->submit(backend, &op));
    EXPECT_INT(op.result, 0);
    fds[0] = op.make.fds[0];
    fds[1] = op.make.fds[1];
}

static inline int make_socket(int domain)
{
    return (int)call((struct asyncio_op){.opcode = ASYNCIO_OP_SOCKET, .make = {.domain = domain, .type = SOCK_STREAM}});
}

static inline int64_t close_fd(int fd)
{
    return call((struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE, .fd = fd});
}

static inline int64_t shut(int fd, int how)
{
    return call((struct asyncio_op){.opcode = ASYNCIO_OP_SHUTDOWN, .fd = fd, .argument = how});
}

static inline struct sockaddr_un unix_address(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    /* Abstract: nothing to remove afterwards. */
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s", path);
    return address;
}

static inline struct sockaddr_in port_address(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static inline int64_t bind_to(int fd, const void *address, size_t size)
{
    return call((struct asyncio_op){.opcode = ASYNCIO_OP_BIND, .fd = fd, .address = {address, size}});
}

static inline int64_t listen_on(int fd, int backlog)
{
    return call((struct asyncio_op){.opcode = ASYNCIO_OP_LISTEN, .fd = fd, .argument = backlog});
}

/* ---------------------------------------------------------------------------------------------------------- Probes */

struct probe {
    struct asyncio_op op;
    const char *name;
    int completions; /* so far */
    bool ended;      /* the last one is among them */
    char data[64];
    void (*then)(struct probe *probe); /* called in complete(), after the transcript was written; may be NULL */
};

static inline const char *said(int64_t result)
{
    static char text[32];

    if (result < 0)
        snprintf(text, sizeof text, "-%s", asyncio_errorname((int)result));
    else
        snprintf(text, sizeof text, "%lld", (long long)result);
    return text;
}

static inline void probe_completed(struct asyncio_op *op)
{
    struct probe *probe = (struct probe *)op;
    bool more = op->completion & ASYNCIO_OP_MORE;

    EXPECT(!probe->ended);
    probe->completions++;
    probe->ended = !more;
    trace("%s: %s%s", probe->name, said(op->result), more ? " more" : "");
    if (op->completion & ASYNCIO_OP_BUFFER)
        ops->release(backend, op->fd, op->buffer.data);
    if (probe->then)
        probe->then(probe);
}

/* Submits a probe. Returns: true when it is done at once; then its result is in the transcript. */
static inline bool start(struct probe *probe, const char *name, struct asyncio_op op)
{
    probe->name = name;
    probe->completions = 0;
    probe->ended = false;
    probe->op = op;
    probe->op.complete = probe_completed;
    if (!ops->submit(backend, &probe->op))
        return false;
    probe->ended = true;
    trace("%s: %s at once", name, said(probe->op.result));
    return true;
}

static inline bool start_recv(struct probe *probe, const char *name, int fd)
{
    return start(probe, name,
                 (struct asyncio_op){
                     .opcode = ASYNCIO_OP_RECV, .fd = fd, .buffer = {.data = probe->data, .size = sizeof probe->data}});
}

static inline bool start_read(struct probe *probe, const char *name, int fd)
{
    return start(probe, name,
                 (struct asyncio_op){
                     .opcode = ASYNCIO_OP_READ, .fd = fd, .buffer = {.data = probe->data, .size = sizeof probe->data}});
}

static inline bool start_poll(struct probe *probe, const char *name, int fd, unsigned events, int flags)
{
    return start(
        probe, name,
        (struct asyncio_op){.opcode = ASYNCIO_OP_POLL, .flags = (uint8_t)flags, .fd = fd, .poll.events = events});
}

static inline bool start_connect(struct probe *probe, const char *name, int fd, const void *address, size_t size)
{
    return start(probe, name, (struct asyncio_op){.opcode = ASYNCIO_OP_CONNECT, .fd = fd, .address = {address, size}});
}

static inline bool start_accept(struct probe *probe, const char *name, int fd, int flags)
{
    return start(probe, name, (struct asyncio_op){.opcode = ASYNCIO_OP_ACCEPT, .flags = (uint8_t)flags, .fd = fd});
}

static inline bool start_standing_recv(struct probe *probe, const char *name, int fd)
{
    return start(probe, name, (struct asyncio_op){.opcode = ASYNCIO_OP_RECV, .flags = ASYNCIO_OP_STANDING, .fd = fd});
}

/* Polls until a probe has completed so often, in real time at most ten seconds. */
static inline void wait_for(const struct probe *probe, int completions)
{
    for (int i = 0; i < 1000 && probe->completions < completions && !probe->ended; i++) {
        int r = ops->poll(backend, ops->now(backend) + 10000000, false);

        EXPECT(r == 0 || r == -EINTR);
    }
    if (probe->completions < completions && !probe->ended)
        FAIL("%s has completed %d times only", probe->name, probe->completions);
}

static inline int64_t result_of(const struct probe *probe)
{
    return probe->op.result;
}

/* Sends a text, which is expected to fit. */
static inline void send_text(int fd, const char *text)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SEND, .fd = fd, .buffer = {(void *)(uintptr_t)text, strlen(text), 0}};

    EXPECT(ops->submit(backend, &op));
    EXPECT_INT(op.result, strlen(text));
}

/* Reads what is there, at most so much; -EAGAIN for nothing. */
static inline int64_t recv_now(int fd, void *data, size_t size)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_RECV, .fd = fd, .buffer = {data, size, 0}};

    if (ops->submit(backend, &op))
        return op.result;
    EXPECT(ops->cancel(backend, &op));
    return -EAGAIN;
}

/* -------------------------------------------------------------------------------------------------------- Real fds */

/* A watch as add_reader and add_writer set it. */
#define WATCH (ASYNCIO_OP_STANDING | ASYNCIO_OP_FOREIGN)

/* Fds that the back end does not own. */
static inline void foreign_pair(int fds[2])
{
    EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
}

static inline void close_foreign(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

/* Waits in real time until the kernel has those events of poll(2) for an fd. */
static inline void wait_for_kernel(int fd, short events)
{
    struct pollfd query = {.fd = fd, .events = events};

    EXPECT_INT(poll(&query, 1, 5000), 1);
}

/* Gives another thread of the test time to block. */
static inline void let_it_block(void)
{
    poll(NULL, 0, 5);
}
