/* address.h -- reading addresses as far as that needs no system call. */
#pragma once

#include "base.h"

/* Makes an internet address from a number and a port. `*ret_zone` is what follows '%' in an IPv6 number, a part of
 * `host`, or NULL; whoever knows interfaces puts it in by asyncio__address_set_scope.
 * Returns: 0; -EINVAL when it is no such number. */
int asyncio__address_read(struct asyncio_address *ret_address, const char *host, int port, const char **ret_zone);

/* Says through which interface an IPv6 address is reached. */
void asyncio__address_set_scope(struct asyncio_address *address, uint32_t scope);
