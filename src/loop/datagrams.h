/* datagrams.h -- transports over datagram sockets. */
#pragma once

#include "transports.h"

/* Opens a transport over a datagram socket of the loop, an fd that is the transport's from then on, also on failure.
 * `remote`: the only address that it talks to, connected to it or not; NULL: it talks to anybody. connection_made
 * follows in a later turn. Returns: 0; -EINVAL; -ENOMEM; then `opened` and `lost` are not called. */
int asyncio__datagrams_open(struct asyncio_loop *loop, int fd, const struct asyncio_address *remote, bool is_connected,
                            const struct asyncio__transport_options *options, struct asyncio_transport **ret_transport);
