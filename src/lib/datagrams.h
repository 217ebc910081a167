/* datagrams.h -- what the two forms of datagram endpoints share: the way from keywords to a socket. */
#pragma once

#include "sockets.h"

/* A datagram socket that is bound and connected as it was asked for. */
struct asyncio__datagram_socket {
    struct asyncio_socket *socket; /* a reference */
    struct asyncio_address remote; /* the only one that it talks to; empty: it talks to anybody */
    bool is_connected;             /* to that */
};

/* Opens one. `detailed`: of one of the internet the kernel tells where datagrams were sent to. The .sock of the
 * keywords is taken over, also on failure. Returns: as asyncio_open_datagram_endpoint, with its detail. */
int asyncio__open_datagrams(const struct asyncio_datagram_endpoint_kw *kw, bool detailed,
                            struct asyncio__datagram_socket *ret_socket);

/* True for the same address. */
bool asyncio__same_address(const struct asyncio_address *one, const struct asyncio_address *other);
