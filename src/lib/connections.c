/* connections.c -- open_connection and open_unix_connection: from a host, a path or a socket to a pair of streams.
 *
 * An fd has one owner at every moment: this file, until asyncio__stream_open gets it, which keeps or closes it. */
#include "sockets.h"
#include "streams.h"

#include "../task/task.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <sys/socket.h>

/* Where to connect from. */
struct origin {
    struct asyncio_address addresses[2];
    int n; /* 0: from anywhere */
};

/* ------------------------------------------------------------------------------------------------------ Connecting */

/* What was tried in vain. */
struct failures {
    int error;      /* the first one */
    char text[256]; /* all of them, as far as they fit */
};

/* Adds one. Returns: the error. */
static __attribute__((format(printf, 3, 4))) int fail(struct failures *failures, int error, const char *format, ...)
{
    size_t length = strlen(failures->text);
    char text[sizeof failures->text];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(failures->text + length, sizeof failures->text - length, "%s%s", length > 0 ? "; " : "", text);
    if (failures->error == 0)
        failures->error = error;
    return error;
}

struct text {
    char of[120];
};

static struct text text_of(const struct asyncio_address *address)
{
    struct text text = {""};

    asyncio_address_format(address, text.of, sizeof text.of);
    return text;
}

/* Binds to that address of the origin which is of the right family. Returns: 0; a negative error, which is added. */
static int bind_to(struct asyncio_loop *loop, int fd, const struct origin *origin, const struct asyncio_address *target,
                   struct failures *failures)
{
    const struct asyncio_address *local;
    int r;

    for (int i = 0; i < origin->n; i++) {
        local = &origin->addresses[i];
        if (asyncio_address_family(local) != asyncio_address_family(target))
            continue;
        r = asyncio__fd_bind(loop, fd, local);
        return r < 0 ? fail(failures, r, "bind to %s: %s", text_of(local).of, asyncio_strerror(r)) : 0;
    }
    if (origin->n == 0)
        return 0;
    return fail(failures, -EADDRNOTAVAIL, "connect %s: no matching local address", text_of(target).of);
}

/* Returns: a connected fd; -ECANCELED; another error, which is added. */
static int connect_to(struct asyncio_loop *loop, const struct asyncio_address *target, const struct origin *origin,
                      struct failures *failures)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_CONNECT, .address = {&target->data, target->size}};
    int r;

    op.fd = asyncio__fd_make(loop, asyncio_address_family(target), SOCK_STREAM, 0);
    if (op.fd < 0)
        return fail(failures, op.fd, "socket for %s: %s", text_of(target).of, asyncio_strerror(op.fd));
    r = bind_to(loop, op.fd, origin, target, failures);
    if (r == 0) {
        r = (int)asyncio_op_await(&op);
        if (r < 0 && r != -ECANCELED)
            fail(failures, r, "connect %s: %s", text_of(target).of, asyncio_strerror(r));
    }
    if (r == 0)
        return op.fd;
    asyncio__fd_close(loop, op.fd);
    return r;
}

/* Tries one address after the other. Returns: a connected fd; -ECANCELED; the first error, with all of them as its
 * detail. */
static int connect_to_any(struct asyncio_loop *loop, const struct asyncio_address *targets, int n,
                          const struct origin *origin)
{
    struct failures failures = {.text = ""};

    for (int i = 0; i < n; i++) {
        int r = connect_to(loop, &targets[i], origin, &failures);

        if (r >= 0 || r == -ECANCELED)
            return r;
    }
    asyncio__set_detail("%s", failures.text);
    return failures.error;
}

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
    bool has_other = has_address || kw->local_host || kw->local_port || kw->family;
    int r = 0;

    if (!ret_reader || !ret_writer || kw->close_timeout != kw->close_timeout)
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

/* An address to connect from is one of the machine's, or a port of any of them. */
static int find_origin(const struct asyncio_connection_kw *kw, struct origin *ret_origin)
{
    ret_origin->n = 0;
    if (kw->local_host || kw->local_port)
        ret_origin->n = asyncio__addresses_of(kw->local_host, kw->local_port, 0, ret_origin->addresses);
    return ret_origin->n < 0 ? ret_origin->n : 0;
}

int asyncio_open_connection_kw(const char *host, int port, struct asyncio_streamreader **ret_reader,
                               struct asyncio_streamwriter **ret_writer, const struct asyncio_connection_kw *kw)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_address targets[2];
    struct origin origin;
    int r, n;

    kw = kw ? kw : &no_keywords;
    r = check(host || port, kw, ret_reader, ret_writer);
    if (r < 0)
        return r;
    if (kw->sock)
        return open_socket(0, kw, ret_reader, ret_writer);
    /* Of every address of the machine, one is enough to reach it. */
    n = asyncio__addresses_of(host && *host ? host : "localhost", port, kw->family, targets);
    r = n < 0 ? n : find_origin(kw, &origin);
    if (r == 0)
        r = connect_to_any(loop, targets, n, &origin);
    return r < 0 ? r : open_streams(loop, r, true, kw, ret_reader, ret_writer);
}

int asyncio_open_unix_connection_kw(const char *path, struct asyncio_streamreader **ret_reader,
                                    struct asyncio_streamwriter **ret_writer, const struct asyncio_connection_kw *kw)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct origin anywhere = {.n = 0};
    struct asyncio_address target;
    int r;

    kw = kw ? kw : &no_keywords;
    r = check(path, kw, ret_reader, ret_writer);
    if (r < 0)
        return r;
    if (kw->sock)
        return open_socket(AF_UNIX, kw, ret_reader, ret_writer);
    if (kw->local_host || kw->local_port || kw->family)
        return -EINVAL;
    r = asyncio_address_unix(&target, path);
    if (r == 0)
        r = connect_to_any(loop, &target, 1, &anywhere);
    return r < 0 ? r : open_streams(loop, r, false, kw, ret_reader, ret_writer);
}
