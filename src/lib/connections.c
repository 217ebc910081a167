/* connections.c -- open_connection and open_unix_connection: from a host, a path or a socket to a pair of streams.
 *
 * An fd has one owner at every moment: this file, until whoever connects gets it, or asyncio__stream_open, which keeps
 * or closes it. */
#include "connections.h"
#include "names.h"
#include "sockets.h"
#include "staggered.h"
#include "streams.h"
#include "tls_keywords.h"

#include "../base/mem.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* ------------------------------------------------------------------------------------------------------ Connecting */

/* A connection that cannot be told to send without delay is as good, only slower. */
static int without_delay(struct asyncio_loop *loop, int fd)
{
    asyncio__fd_set_option(loop, fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return fd;
}

/* Takes the fd of a socket that was handed over. `family`: the only one that it may have, or 0. */
static int take_socket(struct asyncio_loop *loop, int family, struct asyncio_socket *socket)
{
    struct asyncio_address peer;
    int fd = asyncio__socket_take(loop, socket);
    int r = fd < 0 ? fd : asyncio__fd_name(loop, fd, true, &peer);

    if (fd < 0)
        return fd;
    if (r == 0 && family != 0 && asyncio_address_family(&peer) != family)
        r = -EINVAL;
    if (r == 0)
        return asyncio_address_family(&peer) == AF_UNIX ? fd : without_delay(loop, fd);
    asyncio__fd_close(loop, fd);
    return r;
}

/* What is wrong with the arguments: there must be an address or a socket, not both. A pending cancel is met here.
 * Returns: 0; -EINVAL; -ASYNCIO_ENOTASK; -ECANCELED: then a socket has been given back. */
static int check(bool has_address, const struct asyncio_connection_kw *kw)
{
    bool has_other = has_address || kw->local_host || kw->local_port || kw->family || kw->interleave ||
                     kw->happy_eyeballs_delay != 0;
    int r = 0;

    if (kw->close_timeout != kw->close_timeout || kw->interleave < 0)
        r = -EINVAL;
    else if (kw->sock ? has_other : !has_address)
        r = -EINVAL;
    if (r == 0)
        r = asyncio_io_point();
    if (r < 0)
        asyncio_socket_unref(kw->sock);
    return r;
}

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

int asyncio__connect(const char *host, int port, const struct asyncio_connection_kw *kw)
{
    struct asyncio__dns_addresses targets = {.n = 0}, origins = {.n = 0};
    struct asyncio_loop *loop = asyncio_get_running_loop();
    int64_t delay_ns = NS_NEVER;
    int r = check(host || port, kw);

    if (r < 0)
        return r;
    if (kw->sock)
        return take_socket(loop, 0, kw->sock);
    if (kw->happy_eyeballs_delay != 0)
        r = asyncio__ns_from_seconds(kw->happy_eyeballs_delay, &delay_ns);
    if (r == 0)
        r = find_places(host, port, kw, &targets, &origins);
    if (r == 0)
        r = asyncio__connect_staggered(loop, &targets, &origins, delay_ns);
    free_addresses(&targets);
    free_addresses(&origins);
    return r < 0 ? r : without_delay(loop, r);
}

int asyncio__connect_unix(const char *path, const struct asyncio_connection_kw *kw)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    const struct asyncio__dns_addresses anywhere = {.n = 0};
    struct asyncio_address target;
    int r = check(path, kw);

    if (r < 0)
        return r;
    if (kw->sock)
        return take_socket(loop, AF_UNIX, kw->sock);
    if (kw->local_host || kw->local_port || kw->family || kw->happy_eyeballs_delay != 0 || kw->interleave)
        return -EINVAL;
    r = asyncio_address_unix(&target, path);
    if (r < 0)
        return r;
    return asyncio__connect_staggered(loop, &(struct asyncio__dns_addresses){.list = &target, .n = 1}, &anywhere,
                                      NS_NEVER);
}

/* ---------------------------------------------------------------------------------------------------------- Streams */

static const struct asyncio_connection_kw no_keywords = {.size = sizeof no_keywords};

/* Makes streams of a connected fd, which is out of the caller's hands then. `fd`: or the error of the connect. */
static int open_streams(int fd, const struct asyncio_connection_kw *kw, const struct asyncio__conn_tls *tls,
                        struct asyncio_streamreader **ret_reader, struct asyncio_streamwriter **ret_writer)
{
    struct asyncio__stream_options options = {
        .limit = kw->limit,
        .close_timeout = kw->close_timeout,
        .source = kw->source,
    };
    struct asyncio_streamreader *reader;
    struct asyncio_streamwriter *writer;
    int r = fd < 0 ? fd : asyncio__stream_open(asyncio_get_running_loop(), fd, &options, &reader, &writer);

    if (r < 0)
        return r;
    if (tls->options.context) {
        r = asyncio__stream_start_tls(asyncio__stream_of(writer), tls, NULL, NULL);
        if (r == 0)
            r = asyncio__stream_await_tls(asyncio__stream_of(writer));
    }
    if (r < 0) {
        asyncio__stream_release(reader, writer);
        return r;
    }
    *ret_reader = reader;
    *ret_writer = writer;
    return 0;
}

/* What is wrong with the keywords, of TLS above all. A socket that came with a call that fails has been taken over,
 * too.
 * Returns: 0; a negative error. */
static int check_keywords(const char *host, const struct asyncio_connection_kw *kw, const void *ret_reader,
                          const void *ret_writer, struct asyncio__conn_tls *ret_tls)
{
    int r = ret_reader && ret_writer ? asyncio__tls_of_connection(kw, kw->sock ? NULL : host, ret_tls) : -EINVAL;

    if (r < 0)
        asyncio_socket_unref(kw->sock);
    return r;
}

int asyncio_open_connection_kw(const char *host, int port, struct asyncio_streamreader **ret_reader,
                               struct asyncio_streamwriter **ret_writer, const struct asyncio_connection_kw *kw)
{
    struct asyncio__conn_tls tls;
    int r;

    kw = kw ? kw : &no_keywords;
    r = check_keywords(host, kw, ret_reader, ret_writer, &tls);
    return r < 0 ? r : open_streams(asyncio__connect(host, port, kw), kw, &tls, ret_reader, ret_writer);
}

int asyncio_open_unix_connection_kw(const char *path, struct asyncio_streamreader **ret_reader,
                                    struct asyncio_streamwriter **ret_writer, const struct asyncio_connection_kw *kw)
{
    struct asyncio__conn_tls tls;
    int r;

    kw = kw ? kw : &no_keywords;
    r = check_keywords(NULL, kw, ret_reader, ret_writer, &tls);
    return r < 0 ? r : open_streams(asyncio__connect_unix(path, kw), kw, &tls, ret_reader, ret_writer);
}
