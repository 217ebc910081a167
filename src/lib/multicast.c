/* multicast.c -- what datagram endpoints have to do with groups: joining, leaving, and how to send to them.
 *
 * Both families have the same calls under other names; interfaces have numbers in both. */
#include "datagrams.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

/* The number of an interface, by number or by name; 0 for none. Returns: 0; -ENODEV. */
static int find_interface(const char *name, unsigned *ret_number)
{
    unsigned long number = 0;
    char *end;

    if (name) {
        number = strtoul(name, &end, 10);
        if (end == name || *end)
            number = if_nametoindex(name);
        if (number == 0 || number > INT32_MAX)
            return -ENODEV;
    }
    *ret_number = (unsigned)number;
    return 0;
}

/* AF_INET, AF_INET6. Returns: that; -EBADF; -EOPNOTSUPP. */
static int family_of(const struct asyncio_datagram_endpoint *endpoint)
{
    struct asyncio_address address;
    int family, r = asyncio_socket_getsockname(asyncio_datagram_socket(endpoint), &address);

    if (r < 0)
        return r;
    family = asyncio_address_family(&address);
    return family == AF_INET || family == AF_INET6 ? family : -EOPNOTSUPP;
}

static int level_of(int family)
{
    return family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
}

static int set(struct asyncio_datagram_endpoint *endpoint, int family, int name4, int name6, int value)
{
    return asyncio_socket_setsockopt(asyncio_datagram_socket(endpoint), level_of(family),
                                     family == AF_INET ? name4 : name6, &value, sizeof value);
}

/* ---------------------------------------------------------------------------------------------------------- Groups */

/* Reads an address of that family. */
static int read_address(const char *text, int family, struct sockaddr_storage *ret_address)
{
    struct asyncio_address address;
    int r = asyncio_address_parse(&address, text, 0);

    if (r < 0)
        return r;
    if (asyncio_address_family(&address) != family)
        return -EINVAL;
    memset(ret_address, 0, sizeof *ret_address);
    memcpy(ret_address, address.data.bytes, address.size);
    return 0;
}

static bool is_group(const struct sockaddr_storage *address)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;

    return address->ss_family == AF_INET ? IN_MULTICAST(ntohl(in->sin_addr.s_addr))
                                         : IN6_IS_ADDR_MULTICAST(&in6->sin6_addr);
}

/* Joins or leaves a group. */
static int change(struct asyncio_datagram_endpoint *endpoint, const char *group, const struct asyncio_multicast_kw *kw,
                  int name, int name_with_source)
{
    struct asyncio_socket *socket = asyncio_datagram_socket(endpoint);
    struct group_source_req with_source = {.gsr_interface = 0};
    struct group_req without = {.gr_interface = 0};
    int family = family_of(endpoint), r;
    unsigned interface = 0;

    if (!endpoint || !group)
        return -EINVAL;
    if (family < 0)
        return family == -EOPNOTSUPP ? -EINVAL : family;
    r = read_address(group, family, &without.gr_group);
    if (r == 0 && !is_group(&without.gr_group))
        r = -EINVAL;
    if (r == 0)
        r = find_interface(kw ? kw->interface : NULL, &interface);
    without.gr_interface = interface;
    if (r < 0)
        return r;
    if (!kw || !kw->source)
        return asyncio_socket_setsockopt(socket, level_of(family), name, &without, sizeof without);
    with_source.gsr_interface = interface;
    with_source.gsr_group = without.gr_group;
    r = read_address(kw->source, family, &with_source.gsr_source);
    if (r < 0)
        return r;
    r = asyncio_socket_setsockopt(socket, level_of(family), name_with_source, &with_source, sizeof with_source);
    /* Linux's words for a source that is there already, and for a group that was not joined from it. */
    if (r == -EADDRNOTAVAIL && name == MCAST_JOIN_GROUP)
        return -EADDRINUSE;
    return r == -EINVAL && name == MCAST_LEAVE_GROUP ? -EADDRNOTAVAIL : r;
}

int asyncio_datagram_join_kw(struct asyncio_datagram_endpoint *endpoint, const char *group,
                             const struct asyncio_multicast_kw *kw)
{
    return change(endpoint, group, kw, MCAST_JOIN_GROUP, MCAST_JOIN_SOURCE_GROUP);
}

int asyncio_datagram_leave_kw(struct asyncio_datagram_endpoint *endpoint, const char *group,
                              const struct asyncio_multicast_kw *kw)
{
    return change(endpoint, group, kw, MCAST_LEAVE_GROUP, MCAST_LEAVE_SOURCE_GROUP);
}

/* --------------------------------------------------------------------------------------------------------- Sending */

int asyncio_datagram_set_multicast_ttl(struct asyncio_datagram_endpoint *endpoint, int ttl)
{
    int family = endpoint ? family_of(endpoint) : -EINVAL;

    if (family < 0 || ttl < 0 || ttl > UINT8_MAX)
        return family < 0 ? family : -EINVAL;
    return set(endpoint, family, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, ttl);
}

int asyncio_datagram_set_multicast_loop(struct asyncio_datagram_endpoint *endpoint, bool loop)
{
    int family = endpoint ? family_of(endpoint) : -EINVAL;

    return family < 0 ? family : set(endpoint, family, IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, loop);
}

int asyncio_datagram_set_multicast_interface(struct asyncio_datagram_endpoint *endpoint, const char *interface)
{
    int family = endpoint ? family_of(endpoint) : -EINVAL, r;
    struct ip_mreqn about = {.imr_ifindex = 0};
    unsigned number = 0;

    if (family < 0)
        return family;
    r = find_interface(interface, &number);
    if (r < 0)
        return r;
    if (family == AF_INET6)
        return set(endpoint, family, 0, IPV6_MULTICAST_IF, (int)number);
    about.imr_ifindex = (int)number;
    r = asyncio_socket_setsockopt(asyncio_datagram_socket(endpoint), IPPROTO_IP, IP_MULTICAST_IF, &about, sizeof about);
    /* Linux's word for a number that is no interface's. */
    return r == -EADDRNOTAVAIL ? -ENODEV : r;
}
