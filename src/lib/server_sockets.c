/* server_sockets.c -- the sockets of a server: made, given their options, bound; and the file of a Unix socket.
 *
 * Accepted sockets inherit TCP_NODELAY and SO_KEEPALIVE from the one that listens, so that these are set once. */
#include "../base/log.h"
#include "../base/mem.h"
#include "../loop/loop.h"
#include "../task/task.h"
#include "names.h"
#include "servers.h"
#include "sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* Says in asyncio_error_detail what could not be done with which address. Returns: the error. */
static int fail(const char *verb, const struct asyncio_address *address, int error)
{
    char text[128] = "";

    asyncio_address_format(address, text, sizeof text);
    asyncio__set_detail("%s %s: %s", verb, text, asyncio_strerror(error));
    return error;
}

void asyncio__server_set_detail(struct asyncio_loop *loop, const char *verb, int fd, int error)
{
    struct asyncio_address address = {.size = 0};

    asyncio__fd_name(loop, fd, false, &address);
    fail(verb, &address, error);
}

/* ---------------------------------------------------------------------------------------------------------- Options */

struct option {
    int level, name;
    bool wanted;
};

static int set_options(struct asyncio_loop *loop, int fd, const struct option *options, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int r = options[i].wanted ? asyncio__fd_set_option(loop, fd, options[i].level, options[i].name, 1) : 0;

        if (r < 0)
            return r;
    }
    return 0;
}

/* What the accepted sockets inherit. */
static int set_inherited(struct asyncio_loop *loop, int fd, int family, const struct asyncio_server_kw *kw)
{
    bool is_tcp = family == AF_INET || family == AF_INET6;
    const struct option options[] = {
        {IPPROTO_TCP, TCP_NODELAY, is_tcp},
        {SOL_SOCKET, SO_KEEPALIVE, kw->keep_alive},
    };

    return set_options(loop, fd, options, ARRAY_SIZE(options));
}

/* What decides how a socket may be bound. */
static int set_binding(struct asyncio_loop *loop, int fd, int family, const struct asyncio_server_kw *kw)
{
    const struct option options[] = {
        {SOL_SOCKET, SO_REUSEADDR, !kw->no_reuse_address},
        {SOL_SOCKET, SO_REUSEPORT, kw->reuse_port},
        {IPPROTO_IPV6, IPV6_V6ONLY, family == AF_INET6},
    };

    return set_options(loop, fd, options, ARRAY_SIZE(options));
}

/* Makes a socket that is bound. Returns: its fd; a negative error, with its detail. */
static int make_bound(struct asyncio_loop *loop, const struct asyncio_address *address,
                      const struct asyncio_server_kw *kw)
{
    int family = asyncio_address_family(address);
    int fd = asyncio__fd_make(loop, family, SOCK_STREAM, 0);
    int r;

    if (fd < 0)
        return fail("socket", address, fd);
    r = family == AF_UNIX ? 0 : set_binding(loop, fd, family, kw);
    if (r == 0)
        r = set_inherited(loop, fd, family, kw);
    if (r < 0) {
        asyncio__fd_close(loop, fd);
        return fail("setsockopt", address, r);
    }
    r = asyncio__fd_bind(loop, fd, address);
    if (r < 0) {
        asyncio__fd_close(loop, fd);
        return fail("bind", address, r);
    }
    return fd;
}

/* --------------------------------------------------------------------------------------------------------- Together */

/* Room for n sockets. */
static int make_room(struct asyncio__server_sockets *sockets, size_t n)
{
    *sockets =
        (struct asyncio__server_sockets){.listening = asyncio__calloc(max_size(n, 1) * sizeof *sockets->listening)};
    return sockets->listening ? 0 : -ENOMEM;
}

static void add_fd(struct asyncio__server_sockets *sockets, int fd)
{
    sockets->listening[sockets->n++].fd = fd;
}

void asyncio__server_sockets_fini(struct asyncio__server_sockets *sockets)
{
    asyncio__free(sockets->listening);
    asyncio__free(sockets->path);
    sockets->listening = NULL;
    sockets->path = NULL;
    sockets->n = 0;
}

void asyncio__server_sockets_close(struct asyncio_loop *loop, struct asyncio__server_sockets *sockets)
{
    asyncio__server_remove_file(loop, sockets);
    for (size_t i = 0; i < sockets->n; i++)
        asyncio__fd_close(loop, sockets->listening[i].fd);
    asyncio__server_sockets_fini(sockets);
}

int asyncio__server_take_socket(struct asyncio_loop *loop, struct asyncio_socket *socket, bool must_be_unix,
                                const struct asyncio_server_kw *kw, struct asyncio__server_sockets *ret_sockets)
{
    int fd = asyncio__socket_take(loop, socket), r;
    struct asyncio__server_sockets sockets;
    struct asyncio_address address;

    if (fd < 0)
        return fd;
    r = asyncio__fd_name(loop, fd, false, &address);
    if (r == 0 && must_be_unix && asyncio_address_family(&address) != AF_UNIX)
        r = -EINVAL;
    if (r == 0)
        r = set_inherited(loop, fd, asyncio_address_family(&address), kw);
    if (r == 0)
        r = make_room(&sockets, 1);
    if (r < 0) {
        asyncio__fd_close(loop, fd);
        return r;
    }
    add_fd(&sockets, fd);
    *ret_sockets = sockets;
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------ Hosts */

/* Appends those that are not there yet. */
static int add_new(struct asyncio__dns_addresses *all, const struct asyncio__dns_addresses *more)
{
    for (size_t i = 0; i < more->n; i++) {
        const struct asyncio_address *address = &more->list[i];
        bool is_new = true;

        for (size_t j = 0; j < all->n && is_new; j++)
            is_new =
                all->list[j].size != address->size || memcmp(&all->list[j].data, &address->data, address->size) != 0;
        if (is_new && asyncio__dns_add(all, address) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Finds the addresses of all hosts, each once. */
static int find_addresses(const char *host, int port, const struct asyncio_server_kw *kw,
                          struct asyncio__dns_addresses *ret_addresses)
{
    const char *const *hosts = kw->hosts ? kw->hosts : &host;
    struct asyncio__dns_addresses found, all = {.n = 0};
    size_t n = kw->hosts ? 0 : 1;
    int r;

    while (kw->hosts && hosts[n])
        n++;
    r = asyncio__find_addresses(hosts, n, port, kw->family, &found);
    if (r < 0)
        return r;
    r = add_new(&all, &found);
    asyncio__free(found.list);
    if (r < 0)
        asyncio__free(all.list);
    else
        *ret_addresses = all;
    return r;
}

/* The machine lacks this address, or the whole family: others may do (#86). */
static bool may_be_passed_over(int error)
{
    return error == -EADDRNOTAVAIL || error == -EAFNOSUPPORT;
}

int asyncio__server_bind_hosts(struct asyncio_loop *loop, const char *host, int port,
                               const struct asyncio_server_kw *kw, struct asyncio__server_sockets *ret_sockets)
{
    struct asyncio__server_sockets sockets;
    struct asyncio__dns_addresses addresses;
    int r = find_addresses(host, port, kw, &addresses);

    if (r < 0)
        return r;
    r = make_room(&sockets, addresses.n);
    for (size_t i = 0; i < addresses.n && r == 0; i++) {
        int fd = make_bound(loop, &addresses.list[i], kw);

        if (fd >= 0)
            add_fd(&sockets, fd);
        else if (!may_be_passed_over(fd))
            r = fd;
    }
    asyncio__free(addresses.list);
    if (r == 0 && sockets.n == 0)
        r = -EADDRNOTAVAIL;
    if (r < 0) {
        asyncio__server_sockets_close(loop, &sockets);
        return r;
    }
    *ret_sockets = sockets;
    return 0;
}

/* ----------------------------------------------------------------------------------------------------- Unix sockets */

static int perform_on_file(struct asyncio_loop *loop, int opcode, const char *path, struct asyncio_op_file *ret_file)
{
    struct asyncio_op op = {.opcode = (uint8_t)opcode, .file = {.path = path}};

    asyncio_op_submit(loop, &op);
    if (ret_file)
        *ret_file = op.file;
    return (int)op.result;
}

void asyncio__remove_stale_socket(struct asyncio_loop *loop, const char *path)
{
    struct asyncio_op_file file;

    if (path[0] != '@' && perform_on_file(loop, ASYNCIO_OP_STAT, path, &file) == 0 && file.is_socket)
        perform_on_file(loop, ASYNCIO_OP_UNLINK, path, NULL);
}

/* Remembers which file bind has made. If that cannot be found out, the file stays at the end. */
static void identify_file(struct asyncio_loop *loop, struct asyncio__server_sockets *sockets)
{
    struct asyncio_op_file file;

    if (perform_on_file(loop, ASYNCIO_OP_STAT, sockets->path, &file) < 0) {
        asyncio__free(sockets->path);
        sockets->path = NULL;
        return;
    }
    sockets->device = file.device;
    sockets->inode = file.inode;
}

void asyncio__server_remove_file(struct asyncio_loop *loop, struct asyncio__server_sockets *sockets)
{
    char *path = sockets->path;
    struct asyncio_op_file file;
    int r = 0;

    sockets->path = NULL;
    /* Another server may have taken the name; and a forked child's parent goes on. */
    if (path && !asyncio__loop_forked(loop) && perform_on_file(loop, ASYNCIO_OP_STAT, path, &file) == 0 &&
        file.device == sockets->device && file.inode == sockets->inode)
        r = perform_on_file(loop, ASYNCIO_OP_UNLINK, path, NULL);
    if (r < 0 && r != -ENOENT)
        asyncio__log(ASYNCIO_LOG_WARNING, "the socket file %s could not be removed: %s", path, asyncio_strerror(r));
    asyncio__free(path);
}

int asyncio__server_bind_path(struct asyncio_loop *loop, const char *path, const struct asyncio_server_kw *kw,
                              struct asyncio__server_sockets *ret_sockets)
{
    struct asyncio__server_sockets sockets = {.n = 0};
    struct asyncio_address address;
    int r = asyncio_address_unix(&address, path), fd = -1;
    bool is_removed = r == 0 && path[0] != '@' && !kw->keep_socket_file;

    if (r == 0)
        r = make_room(&sockets, 1);
    if (r == 0 && is_removed) {
        sockets.path = asyncio__strdup(path);
        r = sockets.path ? 0 : -ENOMEM;
    }
    if (r == 0)
        asyncio__remove_stale_socket(loop, path);
    if (r == 0)
        r = fd = make_bound(loop, &address, kw);
    if (r < 0) {
        asyncio__server_sockets_fini(&sockets);
        return r;
    }
    add_fd(&sockets, fd);
    if (is_removed)
        identify_file(loop, &sockets);
    *ret_sockets = sockets;
    return 0;
}
