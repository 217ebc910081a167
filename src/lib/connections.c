/* connections.c -- open_connection and open_unix_connection: from a host, a path or a socket to a pair of streams.
 *
 * An fd has one owner at every moment: this file, until asyncio__stream_open gets it, which keeps or closes it. */
#include "names.h"
#include "sockets.h"
#include "staggered.h"
#include "streams.h"

#include "../base/mem.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* --------------------------------------------------------------------------------------------------------- Opening */

/* Makes streams of a connected fd, which is out of the caller's hands then. */
static int open_streams(struct asyncio_loop *loop, int fd, bool is_tcp, const struct asyncio_connection_kw *kw,
                        struct asyncio_streamreader **ret_reader, struct asyncio_streamwriter **ret_writer)
{
    struct asyncio__stream_options options = {
        .limit = kw->limit,
        .close_timeout = kw->close_timeout,
        .source = kw->source,
    };

    /* A connection that cannot be told to send without delay is as good, only slower. */
    if (is_tcp)
        asyncio__fd_set_option(loop, fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return asyncio__stream_open(loop, fd, &options, ret_reader, ret_writer);
}

/* Makes streams of a socket that was handed over. `family`: the only one that it may have, or 0. */
static int open_socket(int family, const struct asyncio_connection_kw *kw, struct asyncio_streamreader **ret_reader,
                       struct asyncio_streamwriter **ret_writer)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_address peer;
    int fd = asyncio__socket_take(loop, kw->sock);
    int r = fd < 0 ? fd : asyncio__fd_name(loop, fd, true, &peer);

    if (fd < 0)
        return fd;
    if (r == 0 && family != 0 && asyncio_address_family(&peer) != family)
        r = -EINVAL;
    if (r == 0)
        return open_streams(loop, fd, asyncio_address_family(&peer) != AF_UNIX, kw, ret_reader, ret_writer);
    asyncio__fd_close(loop, fd);
    return r;
}

/* What is wrong with the arguments: there must be an address or a socket, not both, and streams to be returned.
 * A pending cancel is met here. Returns: 0; -EINVAL; -ASYNCIO_ENOTASK; -ECANCELED: then a socket has been given
 * back. */
static int check(bool has_address, const struct asyncio_connection_kw *kw, struct asyncio_streamreader **ret_reader,
                 struct asyncio_streamwriter **ret_writer)
{
    bool has_other = has_address || kw->local_host || kw->local_port || kw->family || kw->interleave ||
                     kw->happy_eyeballs_delay != 0;
    int r = 0;

    if (!ret_reader || !ret_writer || kw->close_timeout != kw->close_timeout || kw->interleave < 0)
        r = -EINVAL;
    else if (kw->sock ? has_other : !has_address)
        r = -EINVAL;
    if (r == 0)
        r = asyncio_io_point();
    if (r < 0)
        asyncio_socket_unref(kw->sock);
    return r;
}

static const struct asyncio_connection_kw no_keywords = {.size = sizeof no_keywords};

static void free_addresses(struct asyncio__dns_addresses *addresses)
{
    asyncio__free(addresses->list);
}

/* Finds whom to connect to, and from where, and in which order. */
static int find_places(const char *host, int port, const struct asyncio_connection_kw *kw,
                       struct asyncio__dns_addresses *targets, struct asyncio__dns_addresses *origins)
{
    /* Of every address of the machine, one is enough to reach it. */
    const char *target = host && *host ? host : "localhost";
    int r = asyncio__find_addresses(&target, 1, port, kw->family, targets);

    /* An address to connect from is one of the machine's, or a port of any of them. */
    if (r == 0 && (kw->local_host || kw->local_port))
        r = asyncio__find_addresses(&kw->local_host, 1, kw->local_port, kw->family, origins);
    if (r == 0 && (kw->interleave > 0 || kw->happy_eyeballs_delay != 0))
        r = asyncio__interleave(targets, kw->interleave);
    return r;
}

int asyncio_open_connection_kw(const char *host, int port, struct asyncio_streamreader **ret_reader,
                               struct asyncio_streamwriter **ret_writer, const struct asyncio_connection_kw *kw)
{
    struct asyncio__dns_addresses targets = {.n = 0}, origins = {.n = 0};
    struct asyncio_loop *loop = asyncio_get_running_loop();
    int64_t delay_ns = NS_NEVER;
    int r;

    kw = kw ? kw : &no_keywords;
    r = check(host || port, kw, ret_reader, ret_writer);
    if (r < 0)
        return r;
    if (kw->sock)
        return open_socket(0, kw, ret_reader, ret_writer);
    if (kw->happy_eyeballs_delay != 0)
        r = asyncio__ns_from_seconds(kw->happy_eyeballs_delay, &delay_ns);
    if (r == 0)
        r = find_places(host, port, kw, &targets, &origins);
    if (r == 0)
        r = asyncio__connect_staggered(loop, &targets, &origins, delay_ns);
    free_addresses(&targets);
    free_addresses(&origins);
    return r < 0 ? r : open_streams(loop, r, true, kw, ret_reader, ret_writer);
}

int asyncio_open_unix_connection_kw(const char *path, struct asyncio_streamreader **ret_reader,
                                    struct asyncio_streamwriter **ret_writer, const struct asyncio_connection_kw *kw)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    const struct asyncio__dns_addresses anywhere = {.n = 0};
    struct asyncio_address target;
    int r;

    kw = kw ? kw : &no_keywords;
    r = check(path, kw, ret_reader, ret_writer);
    if (r < 0)
        return r;
    if (kw->sock)
        return open_socket(AF_UNIX, kw, ret_reader, ret_writer);
    if (kw->local_host || kw->local_port || kw->family || kw->happy_eyeballs_delay != 0 || kw->interleave)
        return -EINVAL;
    r = asyncio_address_unix(&target, path);
    if (r == 0)
        r = asyncio__connect_staggered(loop, &(struct asyncio__dns_addresses){.list = &target, .n = 1}, &anywhere,
                                       NS_NEVER);
    return r < 0 ? r : open_streams(loop, r, false, kw, ret_reader, ret_writer);
}
