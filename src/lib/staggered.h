/* staggered.h -- connecting to the first of several addresses that answers. */
#pragma once

#include "../loop/dns.h"

/* Connects to addresses in their order: the next one is tried when one has failed, or when none has answered for
 * `delay_ns` (NS_NEVER: only when it has failed). The first connection is kept, all other attempts are ended before it
 * is returned. Each is made from the first of the origins of its family to which it can be bound; without origins from
 * anywhere.
 * Returns: a connected fd; the error of the first address that the machine has a way to, with those of all as its
 * detail; -ENOMEM; -ECANCELED, and nothing
 * is left. Cancelled: a connection that was made already is returned, and the cancel meets the next wait. */
int asyncio__connect_staggered(struct asyncio_loop *loop, const struct asyncio__dns_addresses *targets,
                               const struct asyncio__dns_addresses *origins, int64_t delay_ns);

/* Takes the families in turn, beginning with `first` addresses of the first one. Returns: 0; -ENOMEM. */
int asyncio__interleave(struct asyncio__dns_addresses *addresses, int first);
