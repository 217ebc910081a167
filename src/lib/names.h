/* names.h -- looking for names, among the files of this floor that do it. */
#pragma once

#include "lib.h"

#include "../loop/dns.h"

/* Waits for the look-up of a name, by the C library with `nss`, or of the name of an address when `host` is NULL; the
 * addresses that are found are the caller's to free. Without the I/O point.
 * Returns: 0; -ECANCELED; as asyncio_getaddrinfo, with its detail. */
int asyncio__find_name(const char *host, const struct asyncio_address *address, int family, bool nss,
                       struct asyncio__dns_result *ret_result);

/* Finds the addresses behind n hosts, each with that port: of NULL and "" the wildcards :: and 0.0.0.0 in this order.
 * `family`: of that family only; 0: any. Waits when there are names among them, for all at the same time. The list is
 * the caller's to free. Returns: 0, and one or more unless n is 0; -EINVAL for a bad port; -EAFNOSUPPORT when a number
 * is not of the family; as asyncio_getaddrinfo, with its detail; the error that came first. */
int asyncio__find_addresses(const char *const *hosts, size_t n, int port, int family,
                            struct asyncio__dns_addresses *ret_addresses);

/* Sets the port of an internet address. */
void asyncio__set_port(struct asyncio_address *address, int port);
