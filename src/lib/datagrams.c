/* datagrams.c -- endpoints that send and receive datagrams in straight-line code: a socket, and what it talks to.
 *
 * Invariants:
 *   - the socket's memory lives as long as the endpoint's; who waits keeps memory, not the endpoint: the last reference
 *     closes it;
 *   - one system call does a whole batch, so that nothing stands between what has happened and what is returned. */
#include "datagrams.h"

#include "../base/mem.h"
#include "names.h"

#include <sys/socket.h>

struct asyncio_datagram_endpoint {
    struct asyncio_socket *socket;
    struct asyncio_address remote; /* the only one that it talks to; empty: it talks to anybody */
    bool is_connected;             /* to that */
    bool is_of_internet;
    int port;      /* where it is bound; 0: not known yet, as it is bound by its first send */
    unsigned refs; /* 0: closed, and only kept for those who wait */
    size_t waits;  /* receives that are under way */
};

/* ------------------------------------------------------------------------------------------------------ Life cycle */

/* True when the kernel was told to say where datagrams were sent to, which it does for the internet's. */
static bool is_of_internet(const struct asyncio_socket *socket)
{
    struct asyncio_address address;

    return asyncio_socket_getsockname(socket, &address) == 0 && asyncio_address_family(&address) != AF_UNIX;
}

static const struct asyncio_datagram_endpoint_kw no_keywords = {.size = sizeof no_keywords};

int asyncio_open_datagram_endpoint_kw(struct asyncio_datagram_endpoint **ret_endpoint,
                                      const struct asyncio_datagram_endpoint_kw *kw)
{
    struct asyncio__datagram_socket opened;
    struct asyncio_datagram_endpoint *new;
    int r;

    kw = kw ? kw : &no_keywords;
    new = ret_endpoint ? asyncio__calloc(sizeof *new) : NULL;
    if (!new) {
        asyncio_socket_unref(kw->sock);
        return ret_endpoint ? -ENOMEM : -EINVAL;
    }
    r = asyncio__open_datagrams(kw, true, &opened);
    if (r < 0) {
        asyncio__free(new);
        return r;
    }
    new->socket = opened.socket;
    new->remote = opened.remote;
    new->is_connected = opened.is_connected;
    new->is_of_internet = is_of_internet(new->socket);
    new->refs = 1;
    *ret_endpoint = new;
    return 0;
}

struct asyncio_datagram_endpoint *asyncio_datagram_ref(struct asyncio_datagram_endpoint *endpoint)
{
    if (endpoint)
        endpoint->refs++;
    return endpoint;
}

static void free_if_unused(struct asyncio_datagram_endpoint *endpoint)
{
    if (endpoint->refs > 0 || endpoint->waits > 0)
        return;
    asyncio_socket_unref(endpoint->socket);
    asyncio__free(endpoint);
}

struct asyncio_datagram_endpoint *asyncio_datagram_unref(struct asyncio_datagram_endpoint *endpoint)
{
    if (!endpoint)
        return NULL;
    assert(endpoint->refs > 0);
    if (--endpoint->refs == 0) {
        asyncio_socket_close(endpoint->socket);
        free_if_unused(endpoint);
    }
    return NULL;
}

int asyncio_datagram_close(struct asyncio_datagram_endpoint *endpoint)
{
    return endpoint ? asyncio_socket_close(endpoint->socket) : -EINVAL;
}

struct asyncio_socket *asyncio_datagram_socket(const struct asyncio_datagram_endpoint *endpoint)
{
    return endpoint ? endpoint->socket : NULL;
}

/* ------------------------------------------------------------------------------------------------------- Receiving */

/* The kernel tells the address that a datagram was sent to; its port is the endpoint's own. */
static void add_ports(struct asyncio_datagram_endpoint *endpoint, struct asyncio_datagram *datagrams, int64_t n)
{
    struct asyncio_address address;

    if (endpoint->port == 0 && asyncio_socket_getsockname(endpoint->socket, &address) == 0)
        endpoint->port = (int)max_i64(asyncio_address_port(&address), 0);
    for (int64_t i = 0; i < n; i++)
        if (datagrams[i].info.destination.size > 0)
            asyncio__set_port(&datagrams[i].info.destination, endpoint->port);
}

static int64_t receive(struct asyncio_datagram_endpoint *endpoint, struct asyncio_datagram *datagrams, size_t n)
{
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_RECVMSGS,
        .batch = {.datagrams = datagrams, .n = n, .detailed = endpoint->is_of_internet},
    };
    int64_t r = asyncio__socket_begin_wait(endpoint->socket);

    if (r < 0)
        return r;
    endpoint->waits++;
    r = asyncio__socket_end_wait(endpoint->socket, asyncio__socket_await(endpoint->socket, &op));
    if (r > 0 && endpoint->is_of_internet)
        add_ports(endpoint, datagrams, r);
    endpoint->waits--;
    free_if_unused(endpoint);
    return r;
}

ssize_t asyncio_datagram_recv_many(struct asyncio_datagram_endpoint *endpoint, struct asyncio_datagram *datagrams,
                                   size_t n)
{
    if (!endpoint || (!datagrams && n > 0))
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        if (!datagrams[i].data && datagrams[i].room > 0)
            return -EINVAL;
    return n > 0 ? (ssize_t)receive(endpoint, datagrams, n) : asyncio_io_point();
}

ssize_t asyncio_datagram_recv(struct asyncio_datagram_endpoint *endpoint, void *buffer, size_t size,
                              struct asyncio_datagram_info *ret_info)
{
    struct asyncio_datagram datagram = {.data = buffer, .room = size};
    ssize_t r = asyncio_datagram_recv_many(endpoint, &datagram, 1);

    if (r < 0)
        return r;
    if (ret_info)
        *ret_info = datagram.info;
    return (ssize_t)datagram.size;
}

/* --------------------------------------------------------------------------------------------------------- Sending */

bool asyncio__same_address(const struct asyncio_address *one, const struct asyncio_address *other)
{
    return one->size == other->size && memcmp(one->data.bytes, other->data.bytes, one->size) == 0;
}

/* True for whom it may talk to. */
static bool may_send_to(const struct asyncio_datagram_endpoint *endpoint, const struct asyncio_address *address)
{
    if (address->size > sizeof address->data)
        return false;
    return address->size == 0 || endpoint->remote.size == 0 || asyncio__same_address(address, &endpoint->remote);
}

/* How many may be sent, up to the first that may not. */
static size_t count_allowed(const struct asyncio_datagram_endpoint *endpoint, const struct asyncio_datagram *datagrams,
                            size_t n)
{
    size_t i = 0;

    while (i < n && may_send_to(endpoint, &datagrams[i].info.address) && (datagrams[i].data || datagrams[i].size == 0))
        i++;
    return i;
}

ssize_t asyncio_datagram_send_many(struct asyncio_datagram_endpoint *endpoint, const struct asyncio_datagram *datagrams,
                                   size_t n)
{
    struct asyncio_socket *socket = endpoint ? endpoint->socket : NULL;
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SENDMSGS};
    struct asyncio_address to;
    int64_t r;

    if (!endpoint || (!datagrams && n > 0))
        return -EINVAL;
    op.batch.datagrams = (struct asyncio_datagram *)(uintptr_t)datagrams;
    op.batch.n = count_allowed(endpoint, datagrams, n);
    if (n > 0 && op.batch.n == 0)
        return -EINVAL;
    if (!endpoint->is_connected && endpoint->remote.size > 0) {
        to = endpoint->remote;
        op.batch.to = &to;
    }
    if (n == 0)
        return asyncio_io_point();
    r = asyncio__socket_begin_wait(socket);
    return r < 0 ? (ssize_t)r : (ssize_t)asyncio__socket_end_wait(socket, asyncio__socket_await(socket, &op));
}

int asyncio_datagram_send(struct asyncio_datagram_endpoint *endpoint, const void *data, size_t size,
                          const struct asyncio_address *address)
{
    struct asyncio_datagram datagram = {.data = (void *)(uintptr_t)data, .size = size};
    ssize_t r;

    if (address && address->size == 0)
        return -EINVAL;
    if (address)
        datagram.info.address = *address;
    r = asyncio_datagram_send_many(endpoint, &datagram, 1);
    return r < 0 ? (int)r : 0;
}
