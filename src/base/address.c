/* address.c -- addresses of sockets: what stands in them, and how they are written.
 *
 * An address is what the kernel takes and gives: its bytes are read by copying, as they need not be aligned for every
 * kind, and never beyond its size. Paths of Unix sockets need not end with NUL. */
#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PATH_OFFSET offsetof(struct sockaddr_un, sun_path)

/* Longest IPv6 number, without its zone and with NUL. */
#define NUMBER_SIZE INET6_ADDRSTRLEN

_Static_assert(sizeof(struct sockaddr_storage) <= sizeof((struct asyncio_address){0}.data), "any address fits");

static void put(struct asyncio_address *address, const void *data, size_t size)
{
    *address = (struct asyncio_address){.size = size};
    memcpy(address->data.bytes, data, size);
}

/* Takes `size` bytes out of an address. Returns: false when it does not have that many. */
static bool get(const struct asyncio_address *address, void *ret_data, size_t size)
{
    if (address->size < size || address->size > sizeof address->data)
        return false;
    memcpy(ret_data, address->data.bytes, size);
    return true;
}

/* --------------------------------------------------------------------------------------------------------- Reading */

int asyncio__address_read(struct asyncio_address *ret_address, const char *host, int port, const char **ret_zone)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    const char *zone = strchr(host, '%');
    size_t length = zone ? (size_t)(zone - host) : strlen(host);
    char number[NUMBER_SIZE];

    if (port < 0 || port > UINT16_MAX || length >= sizeof number)
        return -EINVAL;
    memcpy(number, host, length);
    number[length] = 0;
    if (inet_pton(AF_INET6, number, &in6.sin6_addr) == 1)
        put(ret_address, &in6, sizeof in6);
    else if (!zone && inet_pton(AF_INET, number, &in.sin_addr) == 1)
        put(ret_address, &in, sizeof in);
    else
        return -EINVAL;
    *ret_zone = zone ? zone + 1 : NULL;
    return 0;
}

void asyncio__address_set_scope(struct asyncio_address *address, uint32_t scope)
{
    memcpy(address->data.bytes + offsetof(struct sockaddr_in6, sin6_scope_id), &scope, sizeof scope);
}

int asyncio_address_unix(struct asyncio_address *ret_address, const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t length = path ? strlen(path) : 0;
    bool is_abstract = length > 0 && path[0] == '@';

    if (!ret_address || length < (is_abstract ? 2 : 1))
        return -EINVAL;
    if (length >= sizeof un.sun_path)
        return -ENAMETOOLONG;
    memcpy(un.sun_path, path, length);
    if (is_abstract)
        un.sun_path[0] = 0;
    /* Of an abstract name every byte counts, and a NUL behind it would be a part of it. */
    put(ret_address, &un, PATH_OFFSET + length + !is_abstract);
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- Writing */

int asyncio_address_family(const struct asyncio_address *address)
{
    sa_family_t family;

    return address && get(address, &family, sizeof family) ? family : -EINVAL;
}

int asyncio_address_port(const struct asyncio_address *address)
{
    int family = asyncio_address_family(address);
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    if (family == AF_INET)
        return get(address, &in, sizeof in) ? ntohs(in.sin_port) : -EINVAL;
    if (family == AF_INET6)
        return get(address, &in6, sizeof in6) ? ntohs(in6.sin6_port) : -EINVAL;
    return family < 0 ? family : -EAFNOSUPPORT;
}

static int format_in(const struct asyncio_address *address, char *buffer, size_t size)
{
    char number[NUMBER_SIZE];
    struct sockaddr_in in;

    if (!get(address, &in, sizeof in))
        return -EINVAL;
    inet_ntop(AF_INET, &in.sin_addr, number, sizeof number);
    return snprintf(buffer, size, "%s:%u", number, (unsigned)ntohs(in.sin_port));
}

static int format_in6(const struct asyncio_address *address, char *buffer, size_t size)
{
    char number[NUMBER_SIZE], zone[16] = "";
    struct sockaddr_in6 in6;

    if (!get(address, &in6, sizeof in6))
        return -EINVAL;
    inet_ntop(AF_INET6, &in6.sin6_addr, number, sizeof number);
    if (in6.sin6_scope_id)
        snprintf(zone, sizeof zone, "%%%u", (unsigned)in6.sin6_scope_id);
    return snprintf(buffer, size, "[%s%s]:%u", number, zone, (unsigned)ntohs(in6.sin6_port));
}

/* An abstract name may have NUL inside; it is shown as '@', as the kernel does in /proc. */
static int format_unix(const struct asyncio_address *address, char *buffer, size_t size)
{
    char path[sizeof address->data + 1];
    size_t length = address->size - PATH_OFFSET;

    if (address->size > sizeof address->data)
        return -EINVAL;
    memcpy(path, address->data.bytes + PATH_OFFSET, length);
    path[length] = 0;
    if (length > 0 && path[0] == 0)
        for (size_t i = 0; i < length; i++)
            path[i] = path[i] ? path[i] : '@';
    return snprintf(buffer, size, "%s", path);
}

int asyncio_address_format(const struct asyncio_address *address, char *buffer, size_t size)
{
    int family = asyncio_address_family(address);

    if (family < 0 || (!buffer && size > 0))
        return -EINVAL;
    switch (family) {
    case AF_INET:
        return format_in(address, buffer, size);
    case AF_INET6:
        return format_in6(address, buffer, size);
    case AF_UNIX:
        return format_unix(address, buffer, size);
    default:
        return -EAFNOSUPPORT;
    }
}
