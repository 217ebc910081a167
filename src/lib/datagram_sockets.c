/* datagram_sockets.c -- from the keywords of a datagram endpoint to its socket.
 *
 * A socket that comes to nothing is closed before the next one is tried, also when the task is cancelled meanwhile. */
#include "../base/mem.h"
#include "../task/task.h"
#include "datagrams.h"
#include "names.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* Where a socket is to be and whom it is to talk to; NULL: anywhere, to anybody. */
struct place {
    int family;
    const struct asyncio_address *local, *remote;
};

/* ---------------------------------------------------------------------------------------------------- What is asked */

/* True for keywords that name an address of the internet, of the one or of the other end. */
static bool has_local_host(const struct asyncio_datagram_endpoint_kw *kw)
{
    return kw->local_host || kw->local_port;
}

static bool has_remote_host(const struct asyncio_datagram_endpoint_kw *kw)
{
    return kw->remote_host || kw->remote_port;
}

static bool is_of_unix(const struct asyncio_datagram_endpoint_kw *kw)
{
    return kw->local_path || kw->remote_path || kw->family == AF_UNIX;
}

static int check(const struct asyncio_datagram_endpoint_kw *kw)
{
    bool has_host = has_local_host(kw) || has_remote_host(kw), has_path = kw->local_path || kw->remote_path;

    if (kw->sock)
        return has_host || has_path || kw->family || kw->reuse_port || kw->allow_broadcast ? -EINVAL : 0;
    if (!has_host && !has_path && !kw->family)
        return -EINVAL;
    if (has_path && (has_host || kw->reuse_port || (kw->family != 0 && kw->family != AF_UNIX)))
        return -EINVAL;
    if (kw->family == AF_UNIX && (has_host || kw->reuse_port))
        return -EINVAL;
    if (kw->family != 0 && kw->family != AF_UNIX && kw->family != AF_INET && kw->family != AF_INET6)
        return -EAFNOSUPPORT;
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------- Options */

static bool is_group(const struct asyncio_address *address)
{
    struct sockaddr_in6 in6;
    struct sockaddr_in in;

    if (asyncio_address_family(address) == AF_INET) {
        memcpy(&in, address->data.bytes, sizeof in);
        return IN_MULTICAST(ntohl(in.sin_addr.s_addr));
    }
    if (asyncio_address_family(address) != AF_INET6)
        return false;
    memcpy(&in6, address->data.bytes, sizeof in6);
    return IN6_IS_ADDR_MULTICAST(&in6.sin6_addr);
}

static int set_options(struct asyncio_socket *socket, const struct place *place,
                       const struct asyncio_datagram_endpoint_kw *kw, bool detailed)
{
    const struct option {
        int level, name;
        bool wanted;
    } options[] = {
        {SOL_SOCKET, SO_REUSEPORT, kw->reuse_port},
        {SOL_SOCKET, SO_BROADCAST, kw->allow_broadcast},
        /* Who is bound to a group can take from nobody what was meant for him alone (#98). */
        {SOL_SOCKET, SO_REUSEADDR, place->local && is_group(place->local)},
        {IPPROTO_IP, IP_PKTINFO, detailed && place->family == AF_INET},
        {IPPROTO_IPV6, IPV6_RECVPKTINFO, detailed && place->family == AF_INET6},
    };
    const int on = 1;

    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        const struct option *option = &options[i];
        int r = option->wanted ? asyncio_socket_setsockopt(socket, option->level, option->name, &on, sizeof on) : 0;

        if (r < 0)
            return r;
    }
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------- Opening */

/* Says in asyncio_error_detail what could not be done with which address. Returns: the error. */
static int fail(const char *verb, const struct asyncio_address *address, int error)
{
    char text[128] = "";

    asyncio_address_format(address, text, sizeof text);
    asyncio__set_detail("%s %s: %s", verb, text, asyncio_strerror(error));
    return error;
}

static int prepare(struct asyncio_socket *socket, const struct place *place,
                   const struct asyncio_datagram_endpoint_kw *kw, bool detailed)
{
    int r = set_options(socket, place, kw, detailed);

    if (r < 0)
        return r;
    if (kw->local_path)
        asyncio__remove_stale_socket(asyncio_get_running_loop(), kw->local_path);
    r = place->local ? asyncio_socket_bind(socket, place->local) : 0;
    if (r < 0)
        return fail("bind", place->local, r);
    /* Who is connected to a broadcast address would hear none of the answers. */
    r = place->remote && !kw->allow_broadcast ? asyncio_sock_connect(socket, place->remote) : 0;
    return r < 0 && r != -ECANCELED ? fail("connect", place->remote, r) : r;
}

static int open_at(const struct place *place, const struct asyncio_datagram_endpoint_kw *kw, bool detailed,
                   struct asyncio__datagram_socket *ret_socket)
{
    struct asyncio_socket *socket;
    int r = asyncio_socket(place->family, SOCK_DGRAM, 0, &socket);

    if (r < 0)
        return r;
    r = prepare(socket, place, kw, detailed);
    if (r < 0) {
        asyncio_socket_unref(socket);
        return r;
    }
    *ret_socket = (struct asyncio__datagram_socket){.socket = socket};
    if (place->remote) {
        ret_socket->remote = *place->remote;
        ret_socket->is_connected = !kw->allow_broadcast;
    }
    return 0;
}

/* Sees what a socket is that was handed over, and sets its options. */
static int look_at_given(struct asyncio__datagram_socket *given, const struct asyncio_datagram_endpoint_kw *kw,
                         bool detailed)
{
    struct asyncio_address address;
    int r = asyncio_socket_getsockname(given->socket, &address);

    if (r == 0)
        r = set_options(given->socket, &(struct place){.family = asyncio_address_family(&address)}, kw, detailed);
    if (r < 0)
        return r;
    r = asyncio_socket_getpeername(given->socket, &given->remote);
    given->is_connected = r == 0;
    return r == -ENOTCONN ? 0 : r;
}

/* Takes a socket that was handed over. */
static int open_given(const struct asyncio_datagram_endpoint_kw *kw, bool detailed,
                      struct asyncio__datagram_socket *ret_socket)
{
    struct asyncio_socket *socket = kw->sock;
    struct asyncio__datagram_socket given = {.socket = socket};
    int r = asyncio__socket_type(socket) == SOCK_DGRAM ? asyncio__socket_begin_wait(socket) : -EINVAL;

    if (r == 0) {
        asyncio__socket_end_wait(socket, 0);
        r = look_at_given(&given, kw, detailed);
    }
    if (r < 0) {
        asyncio_socket_unref(socket);
        return r == -EXDEV ? -EINVAL : r;
    }
    *ret_socket = given;
    return 0;
}

static int open_unix(const struct asyncio_datagram_endpoint_kw *kw, bool detailed,
                     struct asyncio__datagram_socket *ret_socket)
{
    struct place place = {.family = AF_UNIX};
    struct asyncio_address local, remote;
    int r = 0;

    if (kw->local_path) {
        r = asyncio_address_unix(&local, kw->local_path);
        place.local = &local;
    }
    if (r == 0 && kw->remote_path) {
        r = asyncio_address_unix(&remote, kw->remote_path);
        place.remote = &remote;
    }
    return r < 0 ? r : open_at(&place, kw, detailed, ret_socket);
}

/* ----------------------------------------------------------------------------------------------------- The internet */

/* Of no addresses, one that stands for none. */
static const struct asyncio_address *nth(const struct asyncio__dns_addresses *addresses, size_t i)
{
    return addresses->n > 0 ? &addresses->list[i] : NULL;
}

/* Tries each remote address with each local one of its family, and tells of the first error. */
static int open_first(const struct asyncio__dns_addresses *locals, const struct asyncio__dns_addresses *remotes,
                      const struct asyncio_datagram_endpoint_kw *kw, bool detailed,
                      struct asyncio__datagram_socket *ret_socket)
{
    int first_error = 0;

    for (size_t i = 0; i < max_size(remotes->n, 1); i++) {
        for (size_t j = 0; j < max_size(locals->n, 1); j++) {
            struct place place = {.local = nth(locals, j), .remote = nth(remotes, i)};
            int r;

            place.family = place.remote  ? asyncio_address_family(place.remote)
                           : place.local ? asyncio_address_family(place.local)
                                         : kw->family;
            if (place.local && asyncio_address_family(place.local) != place.family)
                continue;
            r = open_at(&place, kw, detailed, ret_socket);
            if (r == 0 || r == -ECANCELED)
                return r;
            first_error = first_error ? first_error : r;
        }
    }
    return first_error ? first_error : -EAFNOSUPPORT;
}

static int open_internet(const struct asyncio_datagram_endpoint_kw *kw, bool detailed,
                         struct asyncio__datagram_socket *ret_socket)
{
    struct asyncio__dns_addresses locals = {.n = 0}, remotes = {.n = 0};
    /* Of every address of the machine, one is enough to reach it. */
    const char *remote = kw->remote_host && *kw->remote_host ? kw->remote_host : "localhost";
    int r = 0;

    if (has_local_host(kw))
        r = asyncio__find_addresses(&kw->local_host, 1, kw->local_port, kw->family, &locals);
    if (r == 0 && has_remote_host(kw))
        r = asyncio__find_addresses(&remote, 1, kw->remote_port, kw->family, &remotes);
    if (r == 0)
        r = open_first(&locals, &remotes, kw, detailed, ret_socket);
    asyncio__free(locals.list);
    asyncio__free(remotes.list);
    return r;
}

int asyncio__open_datagrams(const struct asyncio_datagram_endpoint_kw *kw, bool detailed,
                            struct asyncio__datagram_socket *ret_socket)
{
    int r = check(kw);

    if (r == 0)
        r = asyncio_io_point();
    if (r < 0) {
        asyncio_socket_unref(kw->sock);
        return r;
    }
    if (kw->sock)
        return open_given(kw, detailed, ret_socket);
    return is_of_unix(kw) ? open_unix(kw, detailed, ret_socket) : open_internet(kw, detailed, ret_socket);
}
