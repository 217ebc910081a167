/* sim_net.c -- the simulated machine's fds: stream sockets and pipes, all in memory.
 *
 * Results are those of Linux. Where protocols differ, a connection behaves as a Unix socket does: what is sent has
 * arrived, shutting down the reading end fails the peer's writes, and a close with unread data resets the peer. There
 * are no datagrams.
 *
 * A channel carries bytes one way, and lives until both its ends are closed. */
#include "sim.h"

#include <limits.h>
#include <sys/socket.h>

struct asyncio__sim_channel {
    unsigned char *data;
    size_t capacity; /* of data, which grows up to the machine's limit */
    size_t head, length;
    struct asyncio__sim_file *reader, *writer; /* NULL once closed */
    bool ended;                                /* nothing more will be written */
    bool refused;                              /* nothing more will be read */
};

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
    return file;
}

/* Gives a file the lowest fd that is free. Returns: the fd; -EMFILE; -ENOMEM. */
int asyncio__sim_install(struct asyncio_backend *sim, struct asyncio__sim_file *file)
{
    size_t place = sim->maybe_free;

    if (sim->n_open >= (size_t)sim->option[ASYNCIO__SIM_FILES])
        return -EMFILE;
    while (place < sim->n_files && sim->files[place])
        place++;
    if (place == sim->n_files) {
        size_t n = max_size(sim->n_files * 2, 16);
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

/* -------------------------------------------------------------------------------------------------------- Channels */

static struct asyncio__sim_channel *new_channel(struct asyncio__sim_file *reader, struct asyncio__sim_file *writer)
{
    struct asyncio__sim_channel *channel = asyncio__calloc(sizeof *channel);

    if (!channel)
        return NULL;
    channel->reader = reader;
    channel->writer = writer;
    reader->in = channel;
    writer->out = channel;
    return channel;
}

/* Makes two files the ends of a connection. Returns: 0; -ENOMEM. */
int asyncio__sim_join(struct asyncio__sim_file *one, struct asyncio__sim_file *two)
{
    struct asyncio__sim_channel *there = new_channel(two, one), *back = new_channel(one, two);

    if (!there || !back) {
        asyncio__free(there);
        asyncio__free(back);
        one->in = one->out = two->in = two->out = NULL;
        return -ENOMEM;
    }
    one->kind = two->kind = ASYNCIO__SIM_STREAM;
    one->peer = two;
    two->peer = one;
    return 0;
}

static void free_channel_if_unused(struct asyncio__sim_channel *channel)
{
    if (channel->reader || channel->writer)
        return;
    asyncio__free(channel->data);
    asyncio__free(channel);
}

static void notify_reader(struct asyncio_backend *sim, struct asyncio__sim_channel *channel)
{
    if (channel->reader)
        asyncio__sim_notify(sim, channel->reader, ASYNCIO_READABLE);
}

static void notify_writer(struct asyncio_backend *sim, struct asyncio__sim_channel *channel)
{
    if (channel->writer)
        asyncio__sim_notify(sim, channel->writer, ASYNCIO_WRITABLE);
}

/* Makes room for `size` bytes behind those that are there. Returns: false when out of memory. */
static bool make_room(struct asyncio__sim_channel *channel, size_t size)
{
    size_t wanted = channel->length + size;
    unsigned char *data;

    if (channel->head + wanted <= channel->capacity)
        return true;
    if (channel->length > 0)
        memmove(channel->data, channel->data + channel->head, channel->length);
    channel->head = 0;
    if (wanted <= channel->capacity)
        return true;
    wanted = max_size(wanted, channel->capacity * 2);
    data = asyncio__realloc(channel->data, wanted);
    if (!data)
        return false;
    channel->data = data;
    channel->capacity = wanted;
    return true;
}

/* The reading end goes away or will read no more. */
static void refuse(struct asyncio_backend *sim, struct asyncio__sim_channel *channel)
{
    channel->refused = true;
    channel->length = 0;
    notify_writer(sim, channel);
}

/* The writing end goes away or will write no more. */
static void end(struct asyncio_backend *sim, struct asyncio__sim_channel *channel)
{
    channel->ended = true;
    notify_reader(sim, channel);
}

/* --------------------------------------------------------------------------------------------- Reading and writing */

/* A fault cuts a transfer short, but never to nothing. */
static size_t cut(struct asyncio_backend *sim, size_t size)
{
    if (size > 1 && asyncio__sim_chance(sim, ASYNCIO__SIM_SHORT, 100))
        return 1 + (size_t)asyncio__sim_random(sim, size - 1);
    return size;
}

/* Breaks a connection from the middle: both ends hear of it, what was under way is lost. */
static void reset(struct asyncio_backend *sim, struct asyncio__sim_file *file)
{
    struct asyncio__sim_file *ends[] = {file, file->peer};

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        if (!ends[i])
            continue;
        ends[i]->error = ECONNRESET;
        refuse(sim, ends[i]->in);
        end(sim, ends[i]->in);
        refuse(sim, ends[i]->out);
        end(sim, ends[i]->out);
    }
}

static int64_t take_error(struct asyncio__sim_file *file)
{
    int error = file->error;

    file->error = 0;
    return -error;
}

static int64_t read_channel(struct asyncio_backend *sim, struct asyncio__sim_file *file, const struct asyncio_op *op,
                            int flags)
{
    struct asyncio__sim_channel *channel = file->in;
    size_t size = min_size(op->buffer.size, channel->length);

    if (op->buffer.size == 0)
        return 0;
    if (size == 0) {
        if (file->error)
            return take_error(file);
        return channel->ended ? 0 : -EAGAIN;
    }
    size = cut(sim, size);
    memcpy(op->buffer.data, channel->data + channel->head, size);
    if (flags & MSG_PEEK)
        return (int64_t)size;
    channel->head += size;
    channel->length -= size;
    if (channel->length == 0)
        channel->head = 0;
    notify_writer(sim, channel);
    return (int64_t)size;
}

/* A pipe takes up to so many bytes in one piece or not at all. */
static size_t atomic_size(const struct asyncio_backend *sim)
{
    return min_size(PIPE_BUF, (size_t)sim->option[ASYNCIO__SIM_BUFFER]);
}

static int64_t write_channel(struct asyncio_backend *sim, struct asyncio__sim_file *file, const struct asyncio_op *op)
{
    struct asyncio__sim_channel *channel = file->out;
    size_t room = (size_t)sim->option[ASYNCIO__SIM_BUFFER] - channel->length;
    size_t size = min_size(op->buffer.size, room);
    bool whole = file->kind == ASYNCIO__SIM_PIPE_WRITE && op->buffer.size <= atomic_size(sim);

    if (file->error)
        return take_error(file);
    if (channel->ended || channel->refused)
        return -EPIPE;
    if (op->buffer.size == 0)
        return 0;
    if (size == 0 || (whole && size < op->buffer.size))
        return -EAGAIN;
    if (!whole)
        size = cut(sim, size);
    if (!make_room(channel, size))
        return -ENOMEM;
    memcpy(channel->data + channel->head + channel->length, op->buffer.data, size);
    channel->length += size;
    notify_reader(sim, channel);
    return (int64_t)size;
}

/* READ, RECV, WRITE and SEND. */
static int64_t transfer(struct asyncio_backend *sim, struct asyncio__sim_file *file, struct asyncio_op *op)
{
    bool reads = op->opcode == ASYNCIO_OP_READ || op->opcode == ASYNCIO_OP_RECV;
    bool with_flags = op->opcode == ASYNCIO_OP_RECV || op->opcode == ASYNCIO_OP_SEND;
    bool is_pipe = file->kind == ASYNCIO__SIM_PIPE_READ || file->kind == ASYNCIO__SIM_PIPE_WRITE;
    int flags = with_flags ? op->buffer.flags : 0;

    if (is_pipe && with_flags)
        return -ENOTSOCK;
    if (is_pipe && !(reads ? file->in : file->out))
        return -EBADF;
    if (!is_pipe && file->kind != ASYNCIO__SIM_STREAM)
        return -ENOTCONN;
    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (!is_pipe && file->peer && asyncio__sim_chance(sim, ASYNCIO__SIM_RESET, 1000))
        reset(sim, file);
    return reads ? read_channel(sim, file, op, flags) : write_channel(sim, file, op);
}

static int64_t poll_file(struct asyncio_backend *sim, const struct asyncio__sim_file *file, unsigned asked)
{
    const struct asyncio__sim_channel *in = file->in, *out = file->out;
    size_t least = file->kind == ASYNCIO__SIM_PIPE_WRITE ? atomic_size(sim) : 1;
    unsigned events = 0;

    switch (file->kind) {
    case ASYNCIO__SIM_SOCKET:
        /* Unconnected counts as hung up, unless it waits for room in a backlog. */
        return list_linked(&file->link) ? -EAGAIN : (int64_t)asked;
    case ASYNCIO__SIM_LISTENER:
        events = file->queued > 0 ? ASYNCIO_READABLE : 0;
        break;
    default:
        if (file->error || (in && in->ended && (!out || out->ended)) || (!in && out->refused))
            return asked;
        if (in && (in->length > 0 || in->ended))
            events |= ASYNCIO_READABLE;
        if (out && (out->refused || (size_t)sim->option[ASYNCIO__SIM_BUFFER] - out->length >= least))
            events |= ASYNCIO_WRITABLE;
    }
    events &= asked;
    return events ? (int64_t)events : -EAGAIN;
}

static int64_t shutdown_file(struct asyncio_backend *sim, struct asyncio__sim_file *file, int how)
{
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    if (file->kind != ASYNCIO__SIM_STREAM)
        return -ENOTCONN;
    if (how != SHUT_WR) {
        end(sim, file->in);
        file->in->refused = true;
        notify_writer(sim, file->in);
    }
    if (how != SHUT_RD)
        end(sim, file->out);
    return 0;
}

/* ---------------------------------------------------------------------------------------------- Making and closing */

static void free_file(struct asyncio_backend *sim, struct asyncio__sim_file *file)
{
    struct asyncio_link *link;

    while ((link = list_pop_front(&file->queue))) {
        struct asyncio__sim_file *never_accepted = CONTAINER_OF(link, struct asyncio__sim_file, link);

        if (never_accepted->peer)
            reset(sim, never_accepted->peer);
        free_file(sim, never_accepted);
    }
    list_remove(&file->bound_link);
    list_remove(&file->link);
    asyncio__sim_notify_connectors(sim, file);
    while (list_pop_front(&file->connectors))
        ;
    if (file->peer) {
        if (file->in->length > 0)
            file->peer->error = ECONNRESET;
        file->peer->peer = NULL;
    }
    if (file->in) {
        file->in->reader = NULL;
        refuse(sim, file->in);
        free_channel_if_unused(file->in);
    }
    if (file->out) {
        file->out->writer = NULL;
        end(sim, file->out);
        free_channel_if_unused(file->out);
    }
    asyncio__free(file);
}

static int64_t close_file(struct asyncio_backend *sim, struct asyncio__sim_file *file)
{
    asyncio__sim_cancel_all(sim, file);
    uninstall(sim, file);
    free_file(sim, file);
    return 0;
}

static int64_t make_socket(struct asyncio_backend *sim, struct asyncio_op *op)
{
    int domain = op->make.domain, type = op->make.type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct asyncio__sim_file *file;
    int fd;

    if (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6)
        return -EAFNOSUPPORT;
    if (type != SOCK_STREAM)
        return -EPROTONOSUPPORT;
    file = asyncio__sim_new_file(ASYNCIO__SIM_SOCKET, domain);
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
    int r;

    if (op->make.domain != AF_UNIX)
        return -EOPNOTSUPP;
    if ((op->make.type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM)
        return -EPROTONOSUPPORT;
    one = asyncio__sim_new_file(ASYNCIO__SIM_SOCKET, AF_UNIX);
    two = asyncio__sim_new_file(ASYNCIO__SIM_SOCKET, AF_UNIX);
    r = one && two ? asyncio__sim_join(one, two) : -ENOMEM;
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
    int r = reader && writer && new_channel(reader, writer) ? 0 : -ENOMEM;

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
    asyncio__free(sim->files);
    sim->files = NULL;
    sim->n_files = sim->n_open = 0;
    return left;
}

/* Operations on sockets alone. */
static int64_t perform_on_socket(struct asyncio_backend *sim, struct asyncio__sim_file *file, struct asyncio_op *op)
{
    if (file->kind == ASYNCIO__SIM_PIPE_READ || file->kind == ASYNCIO__SIM_PIPE_WRITE)
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
        return shutdown_file(sim, file, op->argument);
    default:
        return -EINVAL;
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
    default:
        file = asyncio__sim_file(sim, op->fd);
    }
    if (!file)
        return -EBADF;
    switch (op->opcode) {
    case ASYNCIO_OP_POLL:
        return poll_file(sim, file, op->poll.events);
    case ASYNCIO_OP_READ:
    case ASYNCIO_OP_RECV:
    case ASYNCIO_OP_WRITE:
    case ASYNCIO_OP_SEND:
        return transfer(sim, file, op);
    case ASYNCIO_OP_CLOSE:
        return close_file(sim, file);
    default:
        return perform_on_socket(sim, file, op);
    }
}
