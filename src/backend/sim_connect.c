/* sim_connect.c -- who listens in the simulated machine, and who gets through.
 *
 * A connection is made when its connect succeeds, and waits at the listener as a file without an fd until it is
 * accepted. */
#include "sim.h"

/* What an accept says when there is no room for another connection. */
static const int exhaustions[] = {-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM};

int64_t asyncio__sim_listen(struct asyncio_backend *sim, struct asyncio__sim_file *file, int backlog)
{
    int r = 0;

    if (file->kind == ASYNCIO__SIM_DATAGRAM)
        return -EOPNOTSUPP;
    if (file->kind != ASYNCIO__SIM_SOCKET && file->kind != ASYNCIO__SIM_LISTENER)
        return -EINVAL;
    if (!file->local.domain)
        r = file->domain == AF_UNIX ? -EINVAL : asyncio__sim_bind_anywhere(sim, file);
    if (r == 0 && file->domain != AF_UNIX && asyncio__sim_is_taken(sim, file))
        r = -EADDRINUSE;
    if (r < 0)
        return r;
    file->kind = ASYNCIO__SIM_LISTENER;
    file->backlog = (size_t)max_i64(backlog, 1);
    return 0;
}

/* The listener at a port: of those that fit best the next in turn; NULL. */
static struct asyncio__sim_file *find_port(struct asyncio_backend *sim, const struct asyncio__sim_name *name)
{
    struct asyncio_link *list = &sim->ports[name->port % ASYNCIO__SIM_PORT_LISTS], *link, *next;
    struct asyncio__sim_file *found = NULL;
    size_t n = 0, chosen;
    int best = 1;

    LIST_FOR_EACH(link, next, list) {
        const struct asyncio__sim_file *file = CONTAINER_OF(link, struct asyncio__sim_file, bound_link);
        int fit = file->kind == ASYNCIO__SIM_LISTENER ? asyncio__sim_fit(file, SOCK_STREAM, name) : 0;

        if (fit > best)
            n = 0;
        best = fit > best ? fit : best;
        n += fit == best;
    }
    if (n == 0)
        return NULL;
    chosen = sim->n_connected % n;
    LIST_FOR_EACH(link, next, list) {
        found = CONTAINER_OF(link, struct asyncio__sim_file, bound_link);
        if (found->kind == ASYNCIO__SIM_LISTENER && asyncio__sim_fit(found, SOCK_STREAM, name) == best && chosen-- == 0)
            break;
    }
    return found;
}

/* Returns: 0, and a listener; -ECONNREFUSED; -ENOENT; -EPROTOTYPE. */
static int find_listener(struct asyncio_backend *sim, const struct asyncio__sim_name *name,
                         struct asyncio__sim_file **ret_listener)
{
    struct asyncio__sim_node *node;
    struct asyncio__sim_file *listener;

    if (name->domain == AF_UNIX) {
        node = asyncio__sim_find_node(sim, name, SOCK_STREAM);
        if (!node)
            return name->bytes[0] ? -ENOENT : -ECONNREFUSED;
        if (node->file && node->type != SOCK_STREAM)
            return -EPROTOTYPE;
        listener = node->file;
    } else {
        listener = find_port(sim, name);
    }
    if (!listener || listener->kind != ASYNCIO__SIM_LISTENER)
        return -ECONNREFUSED;
    *ret_listener = listener;
    return 0;
}

/* Makes the connection, and leaves its other end in the listener's queue. Returns: 0; -ENOMEM; -EADDRNOTAVAIL;
 * -ENETUNREACH. */
static int let_in(struct asyncio_backend *sim, struct asyncio__sim_file *listener, struct asyncio__sim_file *file,
                  const struct asyncio__sim_name *name)
{
    struct asyncio__sim_file *accepted = asyncio__sim_new_file(ASYNCIO__SIM_STREAM, listener->domain);
    int r = accepted ? 0 : -ENOMEM;

    if (r == 0 && file->domain != AF_UNIX)
        r = asyncio__sim_bind_to_reach(sim, file, name);
    if (r == 0)
        r = asyncio__sim_join(file, accepted);
    if (r < 0) {
        asyncio__free(accepted);
        return r;
    }
    accepted->local = file->remote = *name;
    accepted->remote = file->local;
    if (file->domain != AF_UNIX)
        accepted->options = listener->options;
    list_push_back(&listener->queue, &accepted->link);
    listener->queued++;
    sim->n_connected++;
    asyncio__sim_notify(sim, listener, ASYNCIO_READABLE);
    return 0;
}

int64_t asyncio__sim_connect(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                             const struct asyncio_op_address *address)
{
    struct asyncio__sim_file *listener = NULL;
    struct asyncio__sim_name name;
    int r;

    if (file->kind == ASYNCIO__SIM_DATAGRAM)
        return asyncio__sim_connect_datagrams(sim, file, address);
    list_remove(&file->link);
    r = asyncio__sim_read_name(file, address->data, address->size, &name);
    if (file->kind == ASYNCIO__SIM_LISTENER)
        return file->domain == AF_UNIX ? -EINVAL : -EISCONN;
    if (file->kind != ASYNCIO__SIM_SOCKET)
        return -EISCONN;
    if (r == 0 && file->domain == AF_UNIX && name.size == 0)
        r = -EINVAL;
    if (r < 0)
        return r == -EADDRNOTAVAIL ? -ENETUNREACH : r;
    if (file->domain != AF_UNIX)
        asyncio__sim_resolve_wildcard(&name);
    r = find_listener(sim, &name, &listener);
    if (r < 0)
        return r;
    if (listener->queued < listener->backlog)
        return let_in(sim, listener, file, &name);
    if (name.domain == AF_UNIX)
        return -ECONNREFUSED;
    list_push_back(&listener->connectors, &file->link);
    return -EAGAIN;
}

void asyncio__sim_notify_connectors(struct asyncio_backend *sim, struct asyncio__sim_file *listener)
{
    struct asyncio_link *link, *next;

    LIST_FOR_EACH(link, next, &listener->connectors)
        asyncio__sim_notify(sim, CONTAINER_OF(link, struct asyncio__sim_file, link), ASYNCIO_WRITABLE);
}

/* Takes the first connection out of a listener's queue. */
static struct asyncio__sim_file *take_next(struct asyncio_backend *sim, struct asyncio__sim_file *listener)
{
    struct asyncio_link *link = list_pop_front(&listener->queue);

    listener->queued--;
    asyncio__sim_notify_connectors(sim, listener);
    return CONTAINER_OF(link, struct asyncio__sim_file, link);
}

int64_t asyncio__sim_accept(struct asyncio_backend *sim, struct asyncio__sim_file *listener)
{
    struct asyncio__sim_file *accepted;
    int fd;

    if (listener->kind == ASYNCIO__SIM_DATAGRAM)
        return -EOPNOTSUPP;
    if (listener->kind != ASYNCIO__SIM_LISTENER)
        return -EINVAL;
    while (listener->queued > 0 && asyncio__sim_chance(sim, ASYNCIO__SIM_ABORT, 100))
        asyncio__sim_give_up(sim, take_next(sim, listener));
    if (listener->queued == 0)
        return -EAGAIN;
    if (asyncio__sim_chance(sim, ASYNCIO__SIM_EXHAUST, 100))
        return exhaustions[asyncio__sim_random(sim, ARRAY_SIZE(exhaustions))];
    accepted = CONTAINER_OF(listener->queue.next, struct asyncio__sim_file, link);
    /* Without an fd for it the connection stays where it is, as in a kernel. */
    fd = asyncio__sim_install(sim, accepted);
    if (fd >= 0)
        take_next(sim, listener);
    return fd;
}
