/* datagram_rig.h -- two endpoints and what is said between them, for tests of datagrams. */
#pragma once

#include "crew.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static struct asyncio_datagram_endpoint *one, *two;

/* A call of the main coroutine has failed, as it does when faults are swept: it must not wait for what will not
 * come. */
static bool broken;

/* Gives back what there is, at the end of a test's main coroutine. */
static inline int end(void)
{
    one = asyncio_datagram_unref(one);
    two = asyncio_datagram_unref(two);
    return 0;
}

static inline int noted(int r)
{
    broken |= r < 0;
    return r;
}

static inline void all_done(void)
{
    broken |= !everybody();
}

/* An endpoint of this machine at a port that is free. */
static inline struct asyncio_datagram_endpoint *open_free(const char *host)
{
    struct asyncio_datagram_endpoint *endpoint = NULL;

    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&endpoint, .local_host = host)), 0);
    return endpoint;
}

static inline struct asyncio_address local_of(const struct asyncio_datagram_endpoint *endpoint)
{
    struct asyncio_address address = {0};

    EXPECT_INT(noted(asyncio_socket_getsockname(asyncio_datagram_socket(endpoint), &address)), 0);
    return address;
}

static inline int port_of(const struct asyncio_datagram_endpoint *endpoint)
{
    struct asyncio_address address = local_of(endpoint);

    return asyncio_address_port(&address);
}

/* An endpoint that is connected to another one of 127.0.0.1. */
static inline struct asyncio_datagram_endpoint *open_to(int port)
{
    struct asyncio_datagram_endpoint *endpoint = NULL;

    EXPECT_INT(noted(broken
                         ? -EIO
                         : asyncio_open_datagram_endpoint(&endpoint, .remote_host = "127.0.0.1", .remote_port = port)),
               0);
    return endpoint;
}

/* Sends a text; to the remote address without one. */
static inline int say(struct asyncio_datagram_endpoint *endpoint, const char *text, const struct asyncio_address *to)
{
    return broken ? -EIO : noted(asyncio_datagram_send(endpoint, text, strlen(text), to));
}

/* What is received next, or the error; valid until the next call. */
static inline const char *heard_with(struct asyncio_datagram_endpoint *endpoint, size_t size,
                                     struct asyncio_datagram_info *ret_info)
{
    static char text[64];
    ssize_t r =
        broken ? -EIO : asyncio_datagram_recv(endpoint, text, size < sizeof text ? size : sizeof text - 1, ret_info);

    noted((int)r);
    if (r < 0)
        return said(r);
    text[r] = 0;
    return text;
}

static inline const char *heard(struct asyncio_datagram_endpoint *endpoint)
{
    return heard_with(endpoint, 63, NULL);
}

/* An error that is expected; in a sweep it may be another one. */
static inline const char *failed(struct asyncio_datagram_endpoint *endpoint)
{
    ssize_t r = broken ? -EIO : asyncio_datagram_recv(endpoint, NULL, 0, NULL);

    return said(r);
}

/* An address as text; valid until the second next call. */
static inline const char *text_of(const struct asyncio_address *address)
{
    static char texts[2][64];
    static int turn;
    char *text = texts[turn = !turn];

    *text = 0;
    asyncio_address_format(address, text, sizeof texts[0]);
    return text;
}

static inline bool same(const struct asyncio_address *first, const struct asyncio_address *second)
{
    return first->size == second->size && memcmp(first->data.bytes, second->data.bytes, first->size) == 0;
}

/* A name of this test alone; valid until the second next call. */
static inline const char *abstract_name(const char *name)
{
    static char texts[2][64];
    static int turn;
    char *text = texts[turn = !turn];

    snprintf(text, sizeof texts[0], "@asyncio-%d-%s", (int)getpid(), name);
    return text;
}

/* Receives once and says what. */
static inline int receiver(void *arg)
{
    char text[32] = "";
    ssize_t r = asyncio_datagram_recv(arg, text, sizeof text - 1, NULL);

    trace("%s: %s%s%s", me(), said(r), r > 0 ? ", " : "", r > 0 ? text : "");
    return 0;
}

/* How many datagrams a Unix socket takes that nobody reads. */
static inline int fill(struct asyncio_datagram_endpoint *endpoint)
{
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_SENDTO,
        .flags = ASYNCIO_OP_NOWAIT,
        .fd = asyncio_socket_fileno(asyncio_datagram_socket(endpoint)),
        .datagram = {(char[]){"x"}, 1, NULL, 0},
    };
    int n = -1;

    do {
        asyncio_op_submit(asyncio_get_running_loop(), &op);
        n++;
    } while (op.result == 1);
    return n;
}

/* Two Unix sockets that are connected to each other. */
static inline void open_pair(void)
{
    struct asyncio_socket *pair[2] = {NULL, NULL};

    EXPECT_INT(noted(asyncio_socketpair(AF_UNIX, SOCK_DGRAM, 0, pair)), 0);
    if (broken)
        return;
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&one, .sock = pair[0])), 0);
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&two, .sock = pair[1])), 0);
}
