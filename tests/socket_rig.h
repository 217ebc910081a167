/* socket_rig.h -- a pair of sockets, a listener, and tasks that use them, for tests of the calls on sockets. */
#pragma once

#include "crew.h"

#include <netinet/in.h>
#include <sys/socket.h>

static struct asyncio_socket *a, *b, *listener;
static struct asyncio_address address;

/* A wait of the main coroutine has failed, as it does when faults are swept: it must not wait again for what will not
 * come. */
static bool broken;

static inline ssize_t receive(struct asyncio_socket *socket, void *data, size_t size)
{
    ssize_t r = broken ? -EIO : asyncio_sock_recv(socket, data, size);

    broken |= r < 0;
    return r;
}

static inline void all_done(void)
{
    broken |= !everybody();
}

static inline void make_pair(void)
{
    struct asyncio_socket *pair[2] = {NULL, NULL};

    EXPECT_INT(asyncio_socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    a = pair[0];
    b = pair[1];
}

/* Gives back all that there is, at the end of a test's main coroutine. */
static inline int end(void)
{
    a = asyncio_socket_unref(a);
    b = asyncio_socket_unref(b);
    listener = asyncio_socket_unref(listener);
    return 0;
}

/* A listener on this machine's own address, whose port is then in `address`. */
static inline void make_listener(void)
{
    EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, &listener), 0);
    EXPECT_INT(asyncio_address_parse(&address, "127.0.0.1", 0), 0);
    EXPECT_INT(asyncio_socket_bind(listener, &address), 0);
    EXPECT_INT(asyncio_socket_listen(listener, 100), 0);
    EXPECT_INT(asyncio_socket_getsockname(listener, &address), 0);
}

/* Receives once and says what. */
static inline int receiver(void *arg)
{
    char data[32] = "";
    ssize_t r = asyncio_sock_recv(arg, data, sizeof data - 1);

    trace("%s: %s%s%s", me(), said(r), r > 0 ? ", " : "", r > 0 ? data : "");
    return 0;
}

static inline int acceptor(void *arg)
{
    struct asyncio_socket *accepted = NULL;
    int r = asyncio_sock_accept(arg, &accepted, NULL);

    trace("%s: %s", me(), said(r));
    asyncio_socket_unref(accepted);
    return 0;
}

#define MUCH ((size_t)1000 * 1000)

static inline int send_much(void *arg)
{
    char *data = malloc(MUCH);
    int r;

    for (size_t i = 0; i < MUCH; i++)
        data[i] = (char)(i * 7 + i / 253);
    r = asyncio_sock_sendall(arg, data, MUCH);
    trace("%s: %s", me(), said(r));
    free(data);
    return 0;
}

/* Fills what a socket takes without waiting. */
static inline void fill(struct asyncio_socket *socket)
{
    static char block[65536];
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_SEND,
        .flags = ASYNCIO_OP_NOWAIT,
        .fd = asyncio_socket_fileno(socket),
        .buffer = {block, sizeof block, 0},
    };

    do
        asyncio_op_submit(asyncio_get_running_loop(), &op);
    while (op.result > 0);
}

static inline int send_when_full(void *arg)
{
    ssize_t r = asyncio_sock_send(arg, "0123456789", 10);

    trace("%s: %s", me(), r > 0 ? "some" : said(r));
    return 0;
}
