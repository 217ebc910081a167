/* sim_channels.c -- the simulated machine's bytes under way: what is read and written on streams and pipes.
 *
 * Results are those of Linux. Where protocols differ, a connection behaves as a Unix socket does: what is sent has
 * arrived, shutting down the reading end fails the peer's writes, and a close with unread data resets the peer.
 *
 * A channel carries bytes one way, and lives until both its ends are closed. */
#include "sim.h"

#include <limits.h>

struct asyncio__sim_channel {
    unsigned char *data;
    size_t capacity; /* of data, which grows up to the machine's limit */
    size_t head, length;
    struct asyncio__sim_file *reader, *writer; /* NULL once closed */
    bool ended;                                /* nothing more will be written */
    bool refused;                              /* nothing more will be read */
};

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

int asyncio__sim_join_pipe(struct asyncio__sim_file *reader, struct asyncio__sim_file *writer)
{
    return new_channel(reader, writer) ? 0 : -ENOMEM;
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
    wanted = asyncio__grown(channel->capacity, wanted, 0);
    data = asyncio__realloc(channel->data, wanted);
    if (!data)
        return false;
    channel->data = data;
    channel->capacity = wanted;
    return true;
}

/* The reading end goes away or will read no more. The end of a pipe that is only written to counts as readable then, as
 * with Linux. */
static void refuse(struct asyncio_backend *sim, struct asyncio__sim_channel *channel)
{
    channel->refused = true;
    channel->length = 0;
    notify_writer(sim, channel);
    if (channel->writer && asyncio__sim_is_pipe(channel->writer))
        asyncio__sim_notify(sim, channel->writer, ASYNCIO_READABLE);
}

/* The writing end goes away or will write no more. */
static void end(struct asyncio_backend *sim, struct asyncio__sim_channel *channel)
{
    channel->ended = true;
    notify_reader(sim, channel);
}

/* ------------------------------------------------------------------------------------------------------ Connections */

static void hear_of_reset(struct asyncio__sim_file *file)
{
    file->error = ECONNRESET;
    /* A Unix socket keeps the name of a peer who is gone. */
    file->is_reset = file->domain != AF_UNIX;
}

void asyncio__sim_reset(struct asyncio_backend *sim, struct asyncio__sim_file *file)
{
    struct asyncio__sim_file *ends[] = {file, file->peer};

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        if (!ends[i])
            continue;
        hear_of_reset(ends[i]);
        refuse(sim, ends[i]->in);
        end(sim, ends[i]->in);
        refuse(sim, ends[i]->out);
        end(sim, ends[i]->out);
    }
}

void asyncio__sim_part(struct asyncio_backend *sim, struct asyncio__sim_file *file, bool hard)
{
    if (file->peer) {
        if (hard || file->in->length > 0)
            hear_of_reset(file->peer);
        file->peer->peer = NULL;
        file->peer = NULL;
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
    file->in = file->out = NULL;
}

int asyncio__sim_take_error(struct asyncio__sim_file *file)
{
    int error = file->error;

    file->error = 0;
    return -error;
}

int64_t asyncio__sim_shutdown(struct asyncio_backend *sim, struct asyncio__sim_file *file, int how)
{
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    if (file->kind == ASYNCIO__SIM_DATAGRAM)
        return asyncio__sim_shutdown_datagrams(file, how);
    if (file->kind != ASYNCIO__SIM_STREAM || file->is_reset)
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

/* --------------------------------------------------------------------------------------------- Reading and writing */

/* A fault cuts a transfer short, but never to nothing. */
static size_t cut(struct asyncio_backend *sim, size_t size)
{
    if (size > 1 && asyncio__sim_chance(sim, ASYNCIO__SIM_SHORT, 100))
        return 1 + (size_t)asyncio__sim_random(sim, size - 1);
    return size;
}

static int64_t read_channel(struct asyncio_backend *sim, struct asyncio__sim_file *file, void *data, size_t wanted,
                            int flags)
{
    struct asyncio__sim_channel *channel = file->in;
    size_t size = min_size(wanted, channel->length);

    if (wanted == 0)
        return 0;
    if (size == 0) {
        if (file->error)
            return asyncio__sim_take_error(file);
        return channel->ended ? 0 : -EAGAIN;
    }
    if (!(flags & MSG_PEEK))
        size = asyncio__read_size(size);
    size = cut(sim, size);
    memcpy(data, channel->data + channel->head, size);
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

/* Appends the first `size` bytes of the pieces, for which there is room. */
static void append(struct asyncio__sim_channel *channel, const struct asyncio_bytes *pieces, size_t size)
{
    for (; size > 0; pieces++) {
        size_t part = min_size(pieces->size, size);

        if (part > 0)
            memcpy(channel->data + channel->head + channel->length, pieces->data, part);
        channel->length += part;
        size -= part;
    }
}

static int64_t write_channel(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                             const struct asyncio_bytes *pieces, size_t wanted)
{
    struct asyncio__sim_channel *channel = file->out;
    size_t room = (size_t)sim->option[ASYNCIO__SIM_BUFFER] - channel->length;
    size_t size = min_size(wanted, room);
    bool whole = file->kind == ASYNCIO__SIM_PIPE_WRITE && wanted <= atomic_size(sim);

    if (file->error)
        return asyncio__sim_take_error(file);
    if (channel->ended || channel->refused)
        return -EPIPE;
    if (wanted == 0)
        return 0;
    if (size == 0 || (whole && size < wanted))
        return -EAGAIN;
    if (!whole)
        size = cut(sim, asyncio__write_size(size));
    if (!make_room(channel, size))
        return -ENOMEM;
    append(channel, pieces, size);
    notify_reader(sim, channel);
    return (int64_t)size;
}

static int sum_of_sizes(const struct asyncio_bytes *pieces, size_t n, size_t *ret_size)
{
    size_t size = 0;

    for (size_t i = 0; i < n; i++)
        if (__builtin_add_overflow(size, pieces[i].size, &size))
            return -EINVAL;
    *ret_size = size;
    return 0;
}

int asyncio__sim_read_message(const struct asyncio_op *op, struct asyncio__sim_message *ret_message)
{
    struct asyncio__sim_message *message = ret_message;

    *message = (struct asyncio__sim_message){.reads = op->opcode == ASYNCIO_OP_READ || op->opcode == ASYNCIO_OP_RECV ||
                                                      op->opcode == ASYNCIO_OP_RECVFROM};
    switch (op->opcode) {
    case ASYNCIO_OP_SENDV:
        message->flags = op->vector.flags;
        message->pieces = op->vector.pieces;
        message->n_pieces = min_size(op->vector.n, IOV_MAX);
        return sum_of_sizes(message->pieces, message->n_pieces, &message->size);
    case ASYNCIO_OP_RECVFROM:
    case ASYNCIO_OP_SENDTO:
        message->flags = op->datagram.flags;
        message->data = op->datagram.data;
        message->size = op->datagram.size;
        message->address = op->datagram.address;
        break;
    default:
        message->flags = op->opcode == ASYNCIO_OP_RECV || op->opcode == ASYNCIO_OP_SEND ? op->buffer.flags : 0;
        message->data = op->buffer.data;
        message->size = op->buffer.size;
    }
    message->one = (struct asyncio_bytes){message->data, message->size};
    message->pieces = &message->one;
    message->n_pieces = 1;
    return 0;
}

int64_t asyncio__sim_transfer(struct asyncio_backend *sim, struct asyncio__sim_file *file, struct asyncio_op *op)
{
    struct asyncio__sim_message message;
    int r = asyncio__sim_read_message(op, &message);

    if (r < 0)
        return r;
    if (asyncio__sim_is_pipe(file)) {
        if (op->opcode != ASYNCIO_OP_READ && op->opcode != ASYNCIO_OP_WRITE)
            return -ENOTSOCK;
        if (!(message.reads ? file->in : file->out))
            return -EBADF;
    } else if (file->kind == ASYNCIO__SIM_DATAGRAM) {
        return asyncio__sim_transfer_datagram(sim, file, &message);
    } else if (file->kind != ASYNCIO__SIM_STREAM) {
        return -ENOTCONN;
    } else if (message.address && !message.reads && file->domain == AF_UNIX) {
        return -EISCONN;
    }
    if (message.flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (file->peer && asyncio__sim_chance(sim, ASYNCIO__SIM_RESET, 1000))
        asyncio__sim_reset(sim, file);
    if (!message.reads)
        return write_channel(sim, file, message.pieces, message.size);
    if (message.address)
        message.address->size = 0;
    return read_channel(sim, file, message.data, message.size, message.flags);
}

unsigned asyncio__sim_stream_events(struct asyncio_backend *sim, const struct asyncio__sim_file *file)
{
    const struct asyncio__sim_channel *in = file->in, *out = file->out;
    size_t least = file->kind == ASYNCIO__SIM_PIPE_WRITE ? atomic_size(sim) : 1;
    unsigned events = 0;

    if (file->error || (in && in->ended && (!out || out->ended)) || (!in && out->refused))
        return ASYNCIO_READABLE | ASYNCIO_WRITABLE;
    if (in && (in->length > 0 || in->ended))
        events |= ASYNCIO_READABLE;
    if (out && (out->refused || (size_t)sim->option[ASYNCIO__SIM_BUFFER] - out->length >= least))
        events |= ASYNCIO_WRITABLE;
    return events;
}
