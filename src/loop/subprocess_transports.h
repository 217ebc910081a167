/* subprocess_transports.h -- transports over a child and the pipes to it; subprocess_transports.c tells how. */
#pragma once

#include "child_pipes.h"
#include "transports.h"

/* Starts a child and opens a transport over it. The pipes are the transport's from then on, also on failure, but for
 * the child's own ends. connection_made follows in a later turn, before all else. Returns: 0; -EINVAL; -ENOMEM; as
 * asyncio__child_start, with *ret_failure filled in; then `opened` and `lost` are not called. */
int asyncio__subprocess_open(struct asyncio_loop *loop, const struct asyncio__spawn *what,
                             struct asyncio__child_pipes *pipes, const struct asyncio__transport_options *options,
                             struct asyncio_transport **ret_transport, struct asyncio__spawn_failure *ret_failure);
