/* getaddrinfo.c -- getaddrinfo and getnameinfo: what is asked for, checked, and what was found, laid out. */
#include "names.h"

#include "../base/mem.h"
#include "../task/task.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define KNOWN_FLAGS (AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_NUMERICSERV)

/* A kind of socket that an address may be used with, and the port of the service there. */
struct socket_kind {
    int type, protocol, port;
};

#define MAX_KINDS 3

/* ---------------------------------------------------------------------------------------------------- What is asked */

static int find_kinds(int type, int protocol, struct socket_kind ret_kinds[MAX_KINDS])
{
    static const struct socket_kind all[MAX_KINDS] = {
        {SOCK_STREAM, IPPROTO_TCP, 0},
        {SOCK_DGRAM, IPPROTO_UDP, 0},
        {SOCK_RAW, 0, 0},
    };
    int n = 0;

    for (int i = 0; i < MAX_KINDS; i++) {
        if (type != 0 && type != all[i].type)
            continue;
        if (protocol != 0 && all[i].protocol != 0 && protocol != all[i].protocol)
            continue;
        ret_kinds[n] = all[i];
        ret_kinds[n++].protocol = protocol ? protocol : all[i].protocol;
    }
    return n > 0 ? n : -ENOTSUP;
}

/* Reads a port. Returns: 0 to 65535; -EINVAL for another number; -ASYNCIO_EAI_SERVICE for what is none. */
static int read_port(const char *service)
{
    char *end;
    long port;

    if (*service < '0' || *service > '9')
        return -ASYNCIO_EAI_SERVICE;
    port = strtol(service, &end, 10);
    if (*end)
        return -ASYNCIO_EAI_SERVICE;
    return port > UINT16_MAX ? -EINVAL : (int)port;
}

/* Finds the port of each kind, and drops those that the service is not for. Returns: how many are left. */
static int find_ports(struct asyncio_loop *loop, const char *service, const struct asyncio_getaddrinfo_kw *kw,
                      struct socket_kind *kinds, int n)
{
    int port = service ? read_port(service) : kw->port, n_left = 0;
    bool is_name = port == -ASYNCIO_EAI_SERVICE && !(kw->flags & AI_NUMERICSERV);

    if ((port < 0 && !is_name) || port > UINT16_MAX)
        return port < 0 ? port : -EINVAL;
    for (int i = 0; i < n; i++) {
        int its_port = port;

        if (is_name) {
            its_port = kinds[i].type == SOCK_RAW ? -ASYNCIO_EAI_SERVICE
                                                 : asyncio__dns_service_port(loop, service, kinds[i].type);
            if (its_port == -ENOMEM)
                return -ENOMEM;
        }
        if (its_port < 0)
            continue;
        kinds[n_left] = kinds[i];
        kinds[n_left++].port = its_port;
    }
    if (n_left == 0)
        asyncio__set_detail("%s: there is no such service", service);
    return n_left > 0 ? n_left : -ASYNCIO_EAI_SERVICE;
}

static int check(const char *host, const char *service, const struct asyncio_getaddrinfo_kw *kw)
{
    if ((!host && !service && !kw->port) || (service && kw->port) || (kw->flags & ~KNOWN_FLAGS) || kw->port < 0)
        return -EINVAL;
    return kw->family == 0 || kw->family == AF_INET || kw->family == AF_INET6 ? 0 : -EAFNOSUPPORT;
}

/* ---------------------------------------------------------------------------------------------------- What is found */

/* What needs no look-up: a number, or no host. Returns: 0; -ENOTSUP for a name; a negative error. */
static int find_number(const char *host, const struct asyncio_getaddrinfo_kw *kw, struct asyncio__dns_result *result)
{
    static const char *const loopback[] = {"::1", "127.0.0.1"}, *const wildcards[] = {"::", "0.0.0.0"};
    const char *const *numbers = host ? &host : kw->flags & AI_PASSIVE ? wildcards : loopback;
    struct asyncio_address address;

    for (int i = 0; i < (host ? 1 : 2); i++) {
        int r = asyncio_address_parse(&address, numbers[i], 0);

        if (r < 0)
            return r == -EINVAL ? -ENOTSUP : r;
        if (kw->family != 0 && kw->family != asyncio_address_family(&address))
            continue;
        if (asyncio__dns_add(&result->addresses, &address) < 0) {
            asyncio__free(result->addresses.list);
            return -ENOMEM;
        }
    }
    snprintf(result->name, sizeof result->name, "%s", host ? host : "localhost");
    return result->addresses.n > 0 ? 0 : -EAFNOSUPPORT;
}

/* Lays the result out in one piece of memory. Returns: how many; -ENOMEM. */
static int make_list(const struct asyncio__dns_result *result, const struct socket_kind *kinds, int n_kinds, int flags,
                     struct asyncio_addrinfo **ret_list)
{
    size_t n = result->addresses.n * (size_t)n_kinds, place = 0;
    size_t name_size = flags & AI_CANONNAME ? strlen(result->name) + 1 : 0;
    struct asyncio_addrinfo *list = asyncio__calloc(n * sizeof *list + name_size);

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < result->addresses.n; i++) {
        for (int j = 0; j < n_kinds; j++) {
            struct asyncio_addrinfo *info = &list[place++];

            info->address = result->addresses.list[i];
            info->family = asyncio_address_family(&info->address);
            info->type = kinds[j].type;
            info->protocol = kinds[j].protocol;
            asyncio__set_port(&info->address, kinds[j].port);
        }
    }
    if (name_size > 0)
        list->canonical_name = memcpy(&list[n], result->name, name_size);
    *ret_list = list;
    return (int)n;
}

static const struct asyncio_getaddrinfo_kw no_keywords = {.size = sizeof no_keywords};

int asyncio_getaddrinfo_kw(const char *host, const char *service, struct asyncio_addrinfo **ret_list,
                           const struct asyncio_getaddrinfo_kw *kw)
{
    struct asyncio__dns_result result = {.error = 0};
    struct socket_kind kinds[MAX_KINDS];
    int n_kinds, r;

    kw = kw ? kw : &no_keywords;
    r = ret_list ? check(host, service, kw) : -EINVAL;
    if (r == 0)
        r = asyncio_io_point();
    if (r == 0)
        r = find_kinds(kw->type, kw->protocol, kinds);
    if (r > 0)
        r = find_ports(asyncio_get_running_loop(), service, kw, kinds, r);
    if (r < 0)
        return r;
    n_kinds = r;
    r = find_number(host, kw, &result);
    if (r == -ENOTSUP)
        r = kw->flags & AI_NUMERICHOST ? -ASYNCIO_EAI_NONAME
                                       : asyncio__find_name(host, NULL, kw->family, kw->nss, &result);
    if (r < 0)
        return r;
    r = make_list(&result, kinds, n_kinds, kw->flags, ret_list);
    asyncio__free(result.addresses.list);
    return r;
}

/* ---------------------------------------------------------------------------------------------------------- Reverse */

/* The host of an address as a number, with its zone. */
static void write_number(const struct asyncio_address *address, char *text, size_t size)
{
    char whole[80] = "", *begin = whole, *end;

    asyncio_address_format(address, whole, sizeof whole);
    end = strrchr(whole, ':');
    if (*begin == '[') {
        begin++;
        end = strchr(whole, ']');
    }
    if (end)
        *end = 0;
    snprintf(text, size, "%s", begin);
}

/* Leaves the first label. */
static void drop_domain(char *name)
{
    char *dot = strchr(name, '.');

    if (dot)
        *dot = 0;
}

static int write_host(const struct asyncio_address *address, char *ret_host, size_t size, int flags)
{
    struct asyncio__dns_result result = {.error = 0};
    int r = -ASYNCIO_EAI_NONAME;

    if (!(flags & NI_NUMERICHOST))
        r = asyncio__find_name(NULL, address, 0, false, &result);
    else if (flags & NI_NAMEREQD)
        return -EINVAL;
    if (r == 0) {
        if (flags & NI_NOFQDN)
            drop_domain(result.name);
        snprintf(ret_host, size, "%s", result.name);
        return 0;
    }
    if ((r != -ASYNCIO_EAI_NONAME && r != -ASYNCIO_EAI_NODATA) || (flags & NI_NAMEREQD))
        return r == -ASYNCIO_EAI_NODATA ? -ASYNCIO_EAI_NONAME : r;
    write_number(address, ret_host, size);
    return 0;
}

static int write_service(const struct asyncio_address *address, char *ret_service, size_t size, int flags)
{
    int port = asyncio_address_port(address), r = -ENOENT;
    char name[64];

    if (!(flags & NI_NUMERICSERV))
        r = asyncio__dns_service_name(asyncio_get_running_loop(), port, flags & NI_DGRAM ? SOCK_DGRAM : SOCK_STREAM,
                                      name);
    if (r == -ENOMEM)
        return r;
    if (r == 0)
        snprintf(ret_service, size, "%s", name);
    else
        snprintf(ret_service, size, "%d", port);
    return 0;
}

int asyncio_getnameinfo(const struct asyncio_address *address, char *ret_host, size_t host_size, char *ret_service,
                        size_t service_size, int flags)
{
    const int known = NI_NUMERICHOST | NI_NUMERICSERV | NI_NAMEREQD | NI_NOFQDN | NI_DGRAM;
    int port, r;

    if (!address || (flags & ~known))
        return -EINVAL;
    port = asyncio_address_port(address);
    r = port < 0 ? port : asyncio_io_point();
    if (r == 0 && ret_host && host_size > 0)
        r = write_host(address, ret_host, host_size, flags);
    if (r == 0 && ret_service && service_size > 0)
        r = write_service(address, ret_service, service_size, flags);
    return r;
}
