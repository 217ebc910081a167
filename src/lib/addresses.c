/* addresses.c -- from a host to its addresses, as far as nobody has to be asked but this machine. */
#include "sockets.h"

#include "../base/address.h"

#include <net/if.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

/* The interface that stands behind the '%' of an address, by number or by name. Returns: 0; -EINVAL; -ENODEV. */
static int read_zone(const char *zone, uint32_t *ret_scope)
{
    unsigned long scope;
    char *end;

    if (*zone >= '0' && *zone <= '9') {
        scope = strtoul(zone, &end, 10);
        if (*end || scope > UINT32_MAX)
            return -EINVAL;
    } else {
        scope = *zone ? if_nametoindex(zone) : 0;
        if (scope == 0)
            return *zone ? -ENODEV : -EINVAL;
    }
    *ret_scope = (uint32_t)scope;
    return 0;
}

int asyncio_address_parse(struct asyncio_address *ret_address, const char *host, int port)
{
    struct asyncio_address address;
    uint32_t scope = 0;
    const char *zone;
    int r;

    if (!ret_address || !host)
        return -EINVAL;
    r = asyncio__address_read(&address, host, port, &zone);
    if (r == 0 && zone)
        r = read_zone(zone, &scope);
    if (r < 0)
        return r;
    if (zone)
        asyncio__address_set_scope(&address, scope);
    *ret_address = address;
    return 0;
}

int asyncio__addresses_of(const char *host, int port, int family, struct asyncio_address ret_addresses[2])
{
    const char *numbers[] = {host, NULL};
    struct asyncio_address address;
    int n = 0, r;

    if (port < 0 || port > UINT16_MAX)
        return -EINVAL;
    if (!host || !*host) {
        numbers[0] = "::";
        numbers[1] = "0.0.0.0";
    } else if (strcasecmp(host, "localhost") == 0) {
        numbers[0] = "::1";
        numbers[1] = "127.0.0.1";
    }
    for (size_t i = 0; i < ARRAY_SIZE(numbers) && numbers[i]; i++) {
        r = asyncio_address_parse(&address, numbers[i], port);
        /* What is no number is a name. */
        if (r < 0)
            return r == -EINVAL ? -ENOTSUP : r;
        if (family == 0 || family == asyncio_address_family(&address))
            ret_addresses[n++] = address;
    }
    return n > 0 ? n : -EAFNOSUPPORT;
}
