/* sim_net.c -- the simulated machine's fds: what they are, how they are made and closed, and which call does what.
 *
 * All is in memory. A file lives until its fd is closed, or its listener if it was never accepted. */
#include "sim.h"

#include <netinet/in.h>

/* ----------------------------------------------------------------------------------------------------- Descriptors */

struct asyncio__sim_file *asyncio__sim_file(struct asyncio_backend *sim, int fd)
{
    size_t place = (size_t)fd - ASYNCIO__SIM_FIRST_FD;

    return fd >= ASYNCIO__SIM_FIRST_FD && place < sim->n_files ? sim->files[place] : NULL;
}

struct asyncio__sim_file *asyncio__sim_new_file(enum asyncio__sim_kind kind, int domain)
{
    struct asyncio__sim_file *file = asyncio__calloc(sizeof *file);

    if (!file)
        return NULL;
    file->kind = kind;
    file->domain = domain;
    file->fd = -1;
    list_init(&file->bound_link);
    list_init(&file->queue);
    list_init(&file->connectors);
    list_init(&file->link);
    asyncio__sim_sockopts_init(&file->options);
    return file;
}

int asyncio__sim_install(struct asyncio_backend *sim, struct asyncio__sim_file *file)
{
    size_t place = sim->maybe_free;

    if (sim->n_open >= (size_t)sim->option[ASYNCIO__SIM_FILES])
        return -EMFILE;
    while (place < sim->n_files && sim->files[place])
        place++;
    if (place == sim->n_files) {
        size_t n = asyncio__grown(sim->n_files, place + 1, 16);
        struct asyncio__sim_file **files = asyncio__realloc(sim->files, n * sizeof(void *));

        if (!files)
            return -ENOMEM;
        memset(&files[sim->n_files], 0, (n - sim->n_files) * sizeof(void *));
        sim->files = files;
        sim->n_files = n;
    }
    sim->files[place] = file;
    sim->maybe_free = place + 1;
    sim->n_open++;
    file->fd = (int)place + ASYNCIO__SIM_FIRST_FD;
    return file->fd;
}

static void uninstall(struct asyncio_backend *sim, struct asyncio__sim_file *file)
{
    size_t place = (size_t)file->fd - ASYNCIO__SIM_FIRST_FD;

    sim->files[place] = NULL;
    sim->maybe_free = min_size(sim->maybe_free, place);
    sim->n_open--;
    file->fd = -1;
}

/* Gives two files fds, or none. Returns: 0 and both fds; -EMFILE; -ENOMEM. */
static int install_pair(struct asyncio_backend *sim, struct asyncio__sim_file *one, struct asyncio__sim_file *two,
                        int *ret_fds)
{
    int first = asyncio__sim_install(sim, one);
    int second = first < 0 ? first : asyncio__sim_install(sim, two);

    if (second < 0) {
        if (first >= 0)
            uninstall(sim, one);
        return second;
    }
    ret_fds[0] = first;
    ret_fds[1] = second;
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- Sockets */

static int64_t poll_file(struct asyncio_backend *sim, const struct asyncio__sim_file *file, unsigned asked)
{
    unsigned events = 0;

    switch (file->kind) {
    case ASYNCIO__SIM_SOCKET:
        /* Unconnected counts as hung up, unless it waits for room in a backlog. */
        return list_linked(&file->link) ? -EAGAIN : (int64_t)asked;
    case ASYNCIO__SIM_LISTENER:
        events = file->queued > 0 ? ASYNCIO_READABLE : 0;
        break;
    case ASYNCIO__SIM_DATAGRAM:
        events = asyncio__sim_datagram_events(file);
        break;
    default:
        events = asyncio__sim_stream_events(sim, file);
    }
    events &= asked;
    return events ? (int64_t)events : -EAGAIN;
}

/* ---------------------------------------------------------------------------------------------- Making and closing */

static void free_file(struct asyncio_backend *sim, struct asyncio__sim_file *file)
{
    bool aborts = file->domain != AF_UNIX && file->options.linger.l_onoff && file->options.linger.l_linger == 0;
    struct asyncio_link *link;

    if (file->kind == ASYNCIO__SIM_DATAGRAM)
        asyncio__sim_drop_datagrams(sim, file);
    while ((link = list_pop_front(&file->queue)))
        asyncio__sim_give_up(sim, CONTAINER_OF(link, struct asyncio__sim_file, link));
    asyncio__sim_unbind(file);
    list_remove(&file->link);
    asyncio__sim_notify_connectors(sim, file);
    while (list_pop_front(&file->connectors))
        ;
    asyncio__sim_part(sim, file, aborts);
    asyncio__free(file);
}

void asyncio__sim_give_up(struct asyncio_backend *sim, struct asyncio__sim_file *never_accepted)
{
    if (never_accepted->peer)
        asyncio__sim_reset(sim, never_accepted->peer);
    free_file(sim, never_accepted);
}

static int64_t close_file(struct asyncio_backend *sim, struct asyncio__sim_file *file)
{
    asyncio__sim_close_waits(sim, file);
    uninstall(sim, file);
    free_file(sim, file);
    return 0;
}

static int kind_of(const struct asyncio_op_make *make, enum asyncio__sim_kind *ret_kind)
{
    int type = make->type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), protocol = 0;

    if (make->domain != AF_UNIX && make->domain != AF_INET && make->domain != AF_INET6)
        return -EAFNOSUPPORT;
    if (type != SOCK_STREAM && type != SOCK_DGRAM)
        return -EPROTONOSUPPORT;
    if (make->domain != AF_UNIX)
        protocol = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
    if (make->protocol && make->protocol != protocol)
        return -EPROTONOSUPPORT;
    *ret_kind = type == SOCK_STREAM ? ASYNCIO__SIM_SOCKET : ASYNCIO__SIM_DATAGRAM;
    return 0;
}

static int64_t make_socket(struct asyncio_backend *sim, struct asyncio_op *op)
{
    struct asyncio__sim_file *file;
    enum asyncio__sim_kind kind;
    int fd, r = kind_of(&op->make, &kind);

    if (r < 0)
        return r;
    file = asyncio__sim_new_file(kind, op->make.domain);
    fd = file ? asyncio__sim_install(sim, file) : -ENOMEM;
    if (fd < 0)
        asyncio__free(file);
    return fd;
}

/* Frees what there is of two files that were to belong together. */
static void discard_pair(struct asyncio_backend *sim, struct asyncio__sim_file *one, struct asyncio__sim_file *two)
{
    if (one)
        free_file(sim, one);
    if (two)
        free_file(sim, two);
}

static int64_t make_socketpair(struct asyncio_backend *sim, struct asyncio_op *op)
{
    struct asyncio__sim_file *one, *two;
    enum asyncio__sim_kind kind;
    int r = kind_of(&op->make, &kind);

    if (r < 0)
        return r;
    if (op->make.domain != AF_UNIX)
        return -EOPNOTSUPP;
    one = asyncio__sim_new_file(kind, AF_UNIX);
    two = asyncio__sim_new_file(kind, AF_UNIX);
    r = one && two ? 0 : -ENOMEM;
    if (r == 0 && kind == ASYNCIO__SIM_DATAGRAM)
        asyncio__sim_join_datagrams(one, two);
    else if (r == 0)
        r = asyncio__sim_join(one, two);
    if (r == 0)
        r = install_pair(sim, one, two, op->make.fds);
    if (r < 0)
        discard_pair(sim, one, two);
    return r;
}

static int64_t make_pipe(struct asyncio_backend *sim, struct asyncio_op *op)
{
    struct asyncio__sim_file *reader = asyncio__sim_new_file(ASYNCIO__SIM_PIPE_READ, 0);
    struct asyncio__sim_file *writer = asyncio__sim_new_file(ASYNCIO__SIM_PIPE_WRITE, 0);
    int r = reader && writer ? asyncio__sim_join_pipe(reader, writer) : -ENOMEM;

    if (r == 0)
        r = install_pair(sim, reader, writer, op->make.fds);
    if (r < 0)
        discard_pair(sim, reader, writer);
    return r;
}

size_t asyncio__sim_net_fini(struct asyncio_backend *sim)
{
    size_t left = sim->n_open;

    for (size_t place = 0; place < sim->n_files; place++)
        if (sim->files[place])
            free_file(sim, sim->files[place]);
    asyncio__sim_names_fini(sim);
    asyncio__free(sim->files);
    sim->files = NULL;
    sim->n_files = sim->n_open = 0;
    return left;
}

static int64_t peer_name(const struct asyncio__sim_file *file, struct asyncio_address *ret_address)
{
    bool connected = file->kind == ASYNCIO__SIM_DATAGRAM ? file->remote.domain != 0 : file->kind == ASYNCIO__SIM_STREAM;

    if (!connected || file->is_reset)
        return -ENOTCONN;
    asyncio__sim_write_name(file, &file->remote, ret_address);
    return 0;
}

/* Operations on sockets alone. */
static int64_t perform_on_socket(struct asyncio_backend *sim, struct asyncio__sim_file *file, struct asyncio_op *op)
{
    if (asyncio__sim_is_pipe(file))
        return -ENOTSOCK;
    switch (op->opcode) {
    case ASYNCIO_OP_ACCEPT:
        return asyncio__sim_accept(sim, file);
    case ASYNCIO_OP_CONNECT:
        return asyncio__sim_connect(sim, file, &op->address);
    case ASYNCIO_OP_BIND:
        return asyncio__sim_bind(sim, file, &op->address);
    case ASYNCIO_OP_LISTEN:
        return asyncio__sim_listen(sim, file, op->argument);
    case ASYNCIO_OP_SHUTDOWN:
        return asyncio__sim_shutdown(sim, file, op->argument);
    case ASYNCIO_OP_SOCKNAME:
        asyncio__sim_write_name(file, &file->local, op->name.address);
        return 0;
    case ASYNCIO_OP_PEERNAME:
        return peer_name(file, op->name.address);
    case ASYNCIO_OP_SETSOCKOPT:
        return asyncio__sim_setsockopt(file, &op->option);
    case ASYNCIO_OP_GETSOCKOPT:
        return asyncio__sim_getsockopt(file, &op->option);
    default:
        return -EINVAL;
    }
}

static int64_t perform_batch(struct asyncio_backend *sim, struct asyncio__sim_file *file, struct asyncio_op *op)
{
    if (asyncio__sim_is_pipe(file))
        return -ENOTSOCK;
    if (file->kind != ASYNCIO__SIM_DATAGRAM)
        return -EOPNOTSUPP;
    return op->opcode == ASYNCIO_OP_RECVMSGS ? asyncio__sim_receive_batch(sim, file, &op->batch)
                                             : asyncio__sim_send_batch(sim, file, &op->batch);
}

static int64_t perform_on_file(struct asyncio_backend *sim, struct asyncio__sim_file *file, struct asyncio_op *op)
{
    switch (op->opcode) {
    case ASYNCIO_OP_POLL:
        return poll_file(sim, file, op->poll.events);
    case ASYNCIO_OP_READ:
    case ASYNCIO_OP_WRITE:
    case ASYNCIO_OP_RECV:
    case ASYNCIO_OP_SEND:
    case ASYNCIO_OP_SENDV:
    case ASYNCIO_OP_RECVFROM:
    case ASYNCIO_OP_SENDTO:
        return asyncio__sim_transfer(sim, file, op);
    case ASYNCIO_OP_RECVMSGS:
    case ASYNCIO_OP_SENDMSGS:
        return perform_batch(sim, file, op);
    case ASYNCIO_OP_SENDFILE:
        /* The files of the process are not of this machine. */
        return -EOPNOTSUPP;
    case ASYNCIO_OP_CLOSE:
        return close_file(sim, file);
    case ASYNCIO_OP_FORGET:
        asyncio__sim_close_waits(sim, file);
        return 0;
    default:
        return perform_on_socket(sim, file, op);
    }
}

int64_t asyncio__sim_perform(struct asyncio_backend *sim, struct asyncio_op *op)
{
    struct asyncio__sim_file *file;

    switch (op->opcode) {
    case ASYNCIO_OP_SOCKET:
        return make_socket(sim, op);
    case ASYNCIO_OP_SOCKETPAIR:
        return make_socketpair(sim, op);
    case ASYNCIO_OP_PIPE:
        return make_pipe(sim, op);
    case ASYNCIO_OP_STAT:
        return asyncio__sim_stat(sim, &op->file);
    case ASYNCIO_OP_UNLINK:
        return asyncio__sim_unlink(sim, op->file.path);
    default:
        file = asyncio__sim_file(sim, op->fd);
        return file ? perform_on_file(sim, file, op) : -EBADF;
    }
}
