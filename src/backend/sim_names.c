/* sim_names.c -- the simulated machine's addresses: who is bound to them, who listens there, who gets through.
 *
 * Its addresses are paths and ports; its hosts are itself: 127.0.0.0/8, ::1 and the wildcards, which are one as far
 * as ports go. A name is free again once its socket is closed, as no files outlive it.
 *
 * A connection is made when its connect succeeds, and waits at the listener as a file without an fd until it is
 * accepted. */
#include "sim.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#define FIRST_FREE_PORT 49152

/* ----------------------------------------------------------------------------------------------------------- Names */

/* Takes what matters from a struct sockaddr. Returns: 0; -EINVAL; -EAFNOSUPPORT; -EADDRNOTAVAIL when it is not this
 * machine's. */
static int read_name(const struct asyncio_op_address *address, int domain, struct asyncio__sim_name *name)
{
    static const unsigned char any[16], loopback[16] = {[15] = 1};
    const char *bytes = address->data;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    sa_family_t family;

    *name = (struct asyncio__sim_name){.domain = domain};
    if (!bytes || address->size < sizeof family)
        return -EINVAL;
    memcpy(&family, bytes, sizeof family);
    if (family != domain)
        return domain == AF_UNIX ? -EINVAL : -EAFNOSUPPORT;
    switch (domain) {
    case AF_UNIX:
        name->size = address->size - offsetof(struct sockaddr_un, sun_path);
        if (address->size <= offsetof(struct sockaddr_un, sun_path) || name->size > sizeof name->bytes)
            return -EINVAL;
        bytes += offsetof(struct sockaddr_un, sun_path);
        if (*bytes)
            name->size = strnlen(bytes, name->size);
        memcpy(name->bytes, bytes, name->size);
        return 0;
    case AF_INET:
        if (address->size < sizeof in)
            return -EINVAL;
        memcpy(&in, bytes, sizeof in);
        name->size = sizeof in.sin_port;
        memcpy(name->bytes, &in.sin_port, name->size);
        return in.sin_addr.s_addr == INADDR_ANY || ntohl(in.sin_addr.s_addr) >> 24 == 127 ? 0 : -EADDRNOTAVAIL;
    default:
        if (address->size < sizeof in6)
            return -EINVAL;
        memcpy(&in6, bytes, sizeof in6);
        name->size = sizeof in6.sin6_port;
        memcpy(name->bytes, &in6.sin6_port, name->size);
        return !memcmp(&in6.sin6_addr, any, 16) || !memcmp(&in6.sin6_addr, loopback, 16) ? 0 : -EADDRNOTAVAIL;
    }
}

static struct asyncio__sim_file *find_bound(struct asyncio_backend *sim, const struct asyncio__sim_name *name)
{
    struct asyncio_link *link, *next;

    LIST_FOR_EACH(link, next, &sim->bound) {
        struct asyncio__sim_file *file = CONTAINER_OF(link, struct asyncio__sim_file, bound_link);

        if (file->name.domain == name->domain && file->name.size == name->size &&
            memcmp(file->name.bytes, name->bytes, name->size) == 0)
            return file;
    }
    return NULL;
}

/* Chooses the next port that is free. Returns: false when there is none. */
static bool choose_port(struct asyncio_backend *sim, struct asyncio__sim_name *name)
{
    for (int tries = FIRST_FREE_PORT; tries <= UINT16_MAX; tries++) {
        uint16_t port;

        sim->last_port = sim->last_port < FIRST_FREE_PORT || sim->last_port == UINT16_MAX
                             ? FIRST_FREE_PORT
                             : (uint16_t)(sim->last_port + 1);
        port = htons(sim->last_port);
        memcpy(name->bytes, &port, sizeof port);
        name->size = sizeof port;
        if (!find_bound(sim, name))
            return true;
    }
    return false;
}

static int bind_name(struct asyncio_backend *sim, struct asyncio__sim_file *file, struct asyncio__sim_name *name)
{
    static const unsigned char no_port[2];

    if (list_linked(&file->bound_link) || file->kind != ASYNCIO__SIM_SOCKET)
        return -EINVAL;
    if (name->domain != AF_UNIX && memcmp(name->bytes, no_port, sizeof no_port) == 0) {
        if (!choose_port(sim, name))
            return -EADDRINUSE;
    } else if (find_bound(sim, name)) {
        return -EADDRINUSE;
    }
    file->name = *name;
    list_push_back(&sim->bound, &file->bound_link);
    return 0;
}

int64_t asyncio__sim_bind(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                          const struct asyncio_op_address *address)
{
    struct asyncio__sim_name name;
    int r = read_name(address, file->domain, &name);

    return r < 0 ? r : bind_name(sim, file, &name);
}

/* ----------------------------------------------------------------------------------------------------- Connections */

int64_t asyncio__sim_listen(struct asyncio_backend *sim, struct asyncio__sim_file *file, int backlog)
{
    struct asyncio__sim_name name = {.domain = file->domain, .size = sizeof(uint16_t)};
    int r;

    if (file->kind != ASYNCIO__SIM_SOCKET && file->kind != ASYNCIO__SIM_LISTENER)
        return -EINVAL;
    if (!list_linked(&file->bound_link)) {
        r = file->domain == AF_UNIX ? -EINVAL : bind_name(sim, file, &name);
        if (r < 0)
            return r;
    }
    file->kind = ASYNCIO__SIM_LISTENER;
    file->backlog = (size_t)max_i64(backlog, 1);
    return 0;
}

int64_t asyncio__sim_connect(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                             const struct asyncio_op_address *address)
{
    struct asyncio__sim_file *listener, *accepted;
    struct asyncio__sim_name name;
    int r = read_name(address, file->domain, &name);

    list_remove(&file->link);
    if (file->kind == ASYNCIO__SIM_STREAM)
        return -EISCONN;
    if (file->kind != ASYNCIO__SIM_SOCKET)
        return -EINVAL;
    if (r < 0)
        return r == -EADDRNOTAVAIL ? -ENETUNREACH : r;
    listener = find_bound(sim, &name);
    if (!listener && name.domain == AF_UNIX && name.bytes[0])
        return -ENOENT;
    if (!listener || listener->kind != ASYNCIO__SIM_LISTENER)
        return -ECONNREFUSED;
    if (listener->queued >= listener->backlog) {
        if (name.domain == AF_UNIX)
            return -ECONNREFUSED;
        list_push_back(&listener->connectors, &file->link);
        return -EAGAIN;
    }
    accepted = asyncio__sim_new_file(ASYNCIO__SIM_STREAM, file->domain);
    r = accepted ? asyncio__sim_join(file, accepted) : -ENOMEM;
    if (r < 0) {
        asyncio__free(accepted);
        return r;
    }
    list_push_back(&listener->queue, &accepted->link);
    listener->queued++;
    asyncio__sim_notify(sim, listener, ASYNCIO_READABLE);
    return 0;
}

void asyncio__sim_notify_connectors(struct asyncio_backend *sim, struct asyncio__sim_file *listener)
{
    struct asyncio_link *link, *next;

    LIST_FOR_EACH(link, next, &listener->connectors)
        asyncio__sim_notify(sim, CONTAINER_OF(link, struct asyncio__sim_file, link), ASYNCIO_WRITABLE);
}

int64_t asyncio__sim_accept(struct asyncio_backend *sim, struct asyncio__sim_file *listener)
{
    struct asyncio__sim_file *accepted;
    int fd;

    if (listener->kind != ASYNCIO__SIM_LISTENER)
        return -EINVAL;
    if (listener->queued == 0)
        return -EAGAIN;
    accepted = CONTAINER_OF(listener->queue.next, struct asyncio__sim_file, link);
    /* Without an fd for it the connection stays where it is, as in a kernel. */
    fd = asyncio__sim_install(sim, accepted);
    if (fd < 0)
        return fd;
    list_remove(&accepted->link);
    listener->queued--;
    asyncio__sim_notify_connectors(sim, listener);
    return fd;
}
