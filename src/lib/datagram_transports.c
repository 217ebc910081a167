/* datagram_transports.c -- create_datagram_endpoint: from keywords to a transport of datagrams and its protocol.
 *
 * An fd has one owner at every moment: a socket, until asyncio__datagrams_open gets it, which keeps or closes it. */
#include "datagrams.h"
#include "endpoints.h"

#include "../loop/datagrams.h"

#include <sys/socket.h>

static int check(const struct asyncio_loop *loop, asyncio_protocol_factory *factory)
{
    if (!loop || !factory)
        return -EINVAL;
    if (!asyncio_current_task())
        return -ASYNCIO_ENOTASK;
    return asyncio_get_running_loop() == loop ? 0 : -EXDEV;
}

static const struct asyncio_datagram_endpoint_kw no_keywords = {.size = sizeof no_keywords};

int asyncio_loop_create_datagram_endpoint_kw(struct asyncio_loop *loop, asyncio_protocol_factory *factory, void *arg,
                                             struct asyncio_transport **ret_transport,
                                             struct asyncio_protocol **ret_protocol,
                                             const struct asyncio_datagram_endpoint_kw *kw)
{
    struct asyncio_transport *transport = NULL;
    struct asyncio__transport_options options;
    struct asyncio__datagram_socket socket;
    struct asyncio__opening opening;
    int fd, r = check(loop, factory);

    kw = kw ? kw : &no_keywords;
    if (r < 0) {
        asyncio_socket_unref(kw->sock);
        return r;
    }
    r = asyncio__open_datagrams(kw, false, &socket);
    if (r < 0)
        return r;
    fd = asyncio__socket_take_typed(loop, socket.socket, SOCK_DGRAM);
    if (fd < 0)
        return fd;
    options = asyncio__opening_begin(&opening, factory, arg);
    r = asyncio__datagrams_open(loop, fd, socket.remote.size > 0 ? &socket.remote : NULL, socket.is_connected, &options,
                                &transport);
    return asyncio__opening_wait(&opening, r, transport, ret_transport, ret_protocol);
}
