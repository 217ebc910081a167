/* sim_datagrams.c -- the simulated machine's datagrams: those of the internet by address, those of AF_UNIX by socket.
 *
 * What is sent has arrived, or has not arrived at all: a datagram of the internet that finds its queue full is lost,
 * while a Unix socket's sender waits. Faults hit those of the internet only, as on Linux: lost, twice, out of order.
 *
 * A Unix socket that is connected has its target in `peer`, and stands in the target's `connectors`. */
#include "sim.h"

/* What Linux takes, less its headers. */
enum { MOST_V4 = 65507, MOST_V6 = 65527 };

/* Linux's own needs for each datagram, as far as its bounds tell. */
enum { UNIX_OVERHEAD = 32, INTERNET_OVERHEAD = 512 };

/* A Unix socket's queue is full with more than so many. */
#define UNIX_QUEUE 10

struct packet {
    struct asyncio_link link;
    struct asyncio__sim_name from, to;
    size_t size;
    unsigned char data[];
};

static bool is_connected(const struct asyncio__sim_file *file)
{
    return file->remote.domain != 0;
}

/* ------------------------------------------------------------------------------------------------------ Connecting */

static void disconnect(struct asyncio__sim_file *file)
{
    list_remove(&file->link);
    file->peer = NULL;
    file->remote = (struct asyncio__sim_name){0};
}

static void connect_unix(struct asyncio__sim_file *file, struct asyncio__sim_file *target)
{
    disconnect(file);
    file->peer = target;
    file->remote = target->local;
    file->remote.domain = AF_UNIX;
    list_push_back(&target->connectors, &file->link);
}

void asyncio__sim_join_datagrams(struct asyncio__sim_file *one, struct asyncio__sim_file *two)
{
    connect_unix(one, two);
    connect_unix(two, one);
}

/* A socket that is connected hears its peer only. */
static bool may_send(const struct asyncio__sim_file *from, const struct asyncio__sim_file *to)
{
    return !to->peer || to->peer == from;
}

/* Returns: 0, and the socket; -ENOENT; -ECONNREFUSED; -EPROTOTYPE; -EPERM. */
static int find_unix(struct asyncio_backend *sim, const struct asyncio__sim_file *file,
                     const struct asyncio__sim_name *name, struct asyncio__sim_file **ret_target)
{
    const struct asyncio__sim_node *node = asyncio__sim_find_node(sim, name, SOCK_DGRAM);

    if (!node)
        return name->bytes[0] ? -ENOENT : -ECONNREFUSED;
    if (!node->file)
        return -ECONNREFUSED;
    if (node->type != SOCK_DGRAM)
        return -EPROTOTYPE;
    if (!may_send(file, node->file))
        return -EPERM;
    *ret_target = node->file;
    return 0;
}

/* Reads whom to reach. */
static int read_target(const struct asyncio__sim_file *file, const void *data, size_t size,
                       struct asyncio__sim_name *name)
{
    int r = asyncio__sim_read_name(file, data, size, name);

    if (r < 0)
        return r == -EADDRNOTAVAIL ? -ENETUNREACH : r;
    if (file->domain == AF_UNIX)
        return name->size > 0 ? 0 : -EINVAL;
    asyncio__sim_resolve_wildcard(name);
    return 0;
}

static bool is_unspecified(const struct asyncio_op_address *address)
{
    sa_family_t family = AF_UNIX;

    if (address->data && address->size >= sizeof family)
        memcpy(&family, address->data, sizeof family);
    return family == AF_UNSPEC;
}

int64_t asyncio__sim_connect_datagrams(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                                       const struct asyncio_op_address *address)
{
    struct asyncio__sim_file *target;
    struct asyncio__sim_name name;
    int r;

    if (is_unspecified(address)) {
        disconnect(file);
        return 0;
    }
    r = read_target(file, address->data, address->size, &name);
    if (r == 0 && file->domain != AF_UNIX && asyncio__sim_is_broadcast(&name) && !file->options.broadcast)
        r = -EACCES;
    if (r < 0)
        return r;
    if (file->domain == AF_UNIX) {
        r = find_unix(sim, file, &name, &target);
        if (r == 0)
            connect_unix(file, target);
        return r;
    }
    r = asyncio__sim_bind_to_reach(sim, file, &name);
    if (r < 0)
        return r;
    file->remote = name;
    return 0;
}

void asyncio__sim_drop_datagrams(struct asyncio_backend *sim, struct asyncio__sim_file *file)
{
    struct asyncio_link *link;

    while ((link = list_pop_front(&file->queue)))
        asyncio__free(CONTAINER_OF(link, struct packet, link));
    /* Who is connected to it is told by the next send. */
    while ((link = list_pop_front(&file->connectors))) {
        struct asyncio__sim_file *sender = CONTAINER_OF(link, struct asyncio__sim_file, link);

        sender->peer = NULL;
        asyncio__sim_notify(sim, sender, ASYNCIO_WRITABLE);
    }
    disconnect(file);
    asyncio__sim_leave_groups(file);
}

int64_t asyncio__sim_shutdown_datagrams(struct asyncio__sim_file *file, int how)
{
    if (!is_connected(file))
        return -ENOTCONN;
    if (how != SHUT_RD)
        file->is_mute = true;
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- Sending */

static bool is_full(const struct asyncio__sim_file *target)
{
    if (target->domain == AF_UNIX)
        return target->queued > UNIX_QUEUE;
    return target->queued_bytes >= (size_t)target->options.receive_buffer;
}

static int put(struct asyncio_backend *sim, struct asyncio__sim_file *target, const struct asyncio__sim_name *from,
               const struct asyncio__sim_name *to, const struct asyncio__sim_message *message)
{
    struct packet *packet = asyncio__malloc(sizeof *packet + message->size);
    struct asyncio_link *before = target->queue.prev;
    unsigned char *data;

    if (!packet)
        return -ENOMEM;
    packet->from = *from;
    packet->to = *to;
    packet->size = message->size;
    data = packet->data;
    for (size_t i = 0; i < message->n_pieces; i++) {
        if (message->pieces[i].size > 0)
            memcpy(data, message->pieces[i].data, message->pieces[i].size);
        data += message->pieces[i].size;
    }
    if (target->domain != AF_UNIX && asyncio__sim_chance(sim, ASYNCIO__SIM_REORDER, 100))
        for (uint64_t places = asyncio__sim_random(sim, target->queued + 1); places > 0; places--)
            before = before->prev;
    list_push_front(before, &packet->link);
    target->queued++;
    target->queued_bytes += message->size + INTERNET_OVERHEAD;
    asyncio__sim_notify(sim, target, ASYNCIO_READABLE);
    return 0;
}

/* How well a socket fits for a datagram; one that is connected hears its peer only, and before all others. */
static int fit_of(const struct asyncio__sim_file *file, const struct asyncio__sim_name *to,
                  const struct asyncio__sim_name *from)
{
    int fit = asyncio__sim_fit(file, SOCK_DGRAM, to);

    if (fit == 0 || !is_connected(file))
        return fit;
    return asyncio__sim_same_place(&file->remote, from) ? fit + 3 : 0;
}

/* The socket that gets a datagram; NULL. Of those that share the port by SO_REUSEPORT a sender always reaches the same
 * one, of those that do by SO_REUSEADDR the one that came last. */
static struct asyncio__sim_file *find_internet(struct asyncio_backend *sim, const struct asyncio__sim_name *to,
                                               const struct asyncio__sim_name *from)
{
    struct asyncio_link *list = &sim->ports[to->port % ASYNCIO__SIM_PORT_LISTS], *link, *next;
    struct asyncio__sim_file *found = NULL;
    size_t n = 0, place = 0;
    int best = 1;

    LIST_FOR_EACH(link, next, list) {
        int fit = fit_of(CONTAINER_OF(link, struct asyncio__sim_file, bound_link), to, from);

        n = fit > best ? 1 : n + (fit == best);
        best = fit > best ? fit : best;
    }
    LIST_FOR_EACH(link, next, list) {
        struct asyncio__sim_file *file = CONTAINER_OF(link, struct asyncio__sim_file, bound_link);

        if (fit_of(file, to, from) != best)
            continue;
        found = file;
        if (file->options.reuse_port && place++ == from->port % n)
            break;
    }
    return found;
}

/* Puts a datagram of the internet into a queue, where there is room. */
static int deliver(struct asyncio_backend *sim, struct asyncio__sim_file *target, const struct asyncio__sim_name *from,
                   const struct asyncio__sim_name *to, const struct asyncio__sim_message *message)
{
    int r = is_full(target) ? 0 : put(sim, target, from, to, message);

    if (r == 0 && asyncio__sim_chance(sim, ASYNCIO__SIM_TWICE, 100) && !is_full(target))
        r = put(sim, target, from, to, message);
    return r;
}

static int send_to_several(struct asyncio_backend *sim, const struct asyncio__sim_file *file,
                           const struct asyncio__sim_name *to, const struct asyncio__sim_name *from,
                           const struct asyncio__sim_message *message)
{
    struct asyncio_link *list = &sim->ports[to->port % ASYNCIO__SIM_PORT_LISTS], *link, *next;
    int r = 0;

    if (asyncio__sim_is_broadcast(to) && !file->options.broadcast)
        return -EACCES;
    LIST_FOR_EACH(link, next, list) {
        struct asyncio__sim_file *target = CONTAINER_OF(link, struct asyncio__sim_file, bound_link);

        if (r == 0 && asyncio__sim_hears(target, to, from))
            r = deliver(sim, target, from, to, message);
    }
    return r;
}

/* Returns: 0; -ENOMEM; -ENETUNREACH; -EADDRNOTAVAIL; -EACCES. */
static int send_internet(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                         const struct asyncio__sim_name *to, const struct asyncio__sim_message *message)
{
    struct asyncio__sim_name from;
    struct asyncio__sim_file *target;
    int r = asyncio__sim_bind_anywhere(sim, file);

    if (r == 0)
        r = asyncio__sim_find_source(file, to, &from);
    if (r < 0)
        return r;
    if (asyncio__sim_chance(sim, ASYNCIO__SIM_LOSE, 100))
        return 0;
    if (asyncio__sim_is_group(to) || asyncio__sim_is_broadcast(to))
        return send_to_several(sim, file, to, &from, message);
    target = find_internet(sim, to, &from);
    /* The machine over there says so; who is connected hears it. */
    if (asyncio__sim_same_place(&file->remote, to) && (!target || asyncio__sim_chance(sim, ASYNCIO__SIM_REFUSE, 100))) {
        file->error = ECONNREFUSED;
        asyncio__sim_notify(sim, file, ASYNCIO_READABLE | ASYNCIO_WRITABLE);
        return 0;
    }
    return target ? deliver(sim, target, &from, to, message) : 0;
}

static size_t most_bytes(const struct asyncio__sim_file *file, const struct asyncio__sim_name *to)
{
    if (file->domain == AF_UNIX)
        return (size_t)file->options.send_buffer - UNIX_OVERHEAD;
    return to->domain == AF_INET ? MOST_V4 : MOST_V6;
}

static int64_t send_unix(struct asyncio_backend *sim, struct asyncio__sim_file *file, struct asyncio__sim_file *target,
                         const struct asyncio__sim_message *message)
{
    struct asyncio__sim_name from = file->local;
    int r;

    /* Nobody would tell of room in the queue of a socket that this one is not connected to. */
    if (is_full(target))
        return file->peer == target ? -EAGAIN : -ENOBUFS;
    r = put(sim, target, &from, &(const struct asyncio__sim_name){.domain = 0}, message);
    return r < 0 ? r : (int64_t)message->size;
}

static int64_t send_connected_unix(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                                   const struct asyncio__sim_message *message)
{
    if (file->peer)
        return may_send(file, file->peer) ? send_unix(sim, file, file->peer, message) : -EPERM;
    disconnect(file);
    return -ECONNREFUSED;
}

static int64_t send_datagram(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                             const struct asyncio__sim_message *message)
{
    const struct asyncio_address *address = message->address;
    struct asyncio__sim_name to = file->remote;
    struct asyncio__sim_file *target;
    int r = 0;

    if (address)
        r = read_target(file, address->data.bytes, address->size, &to);
    else if (!is_connected(file))
        r = file->domain == AF_UNIX ? -ENOTCONN : -EDESTADDRREQ;
    if (r == 0 && file->domain != AF_UNIX && to.port == 0)
        r = -EINVAL;
    if (r == 0 && message->size > most_bytes(file, &to))
        r = -EMSGSIZE;
    if (r == 0 && file->is_mute)
        r = -EPIPE;
    if (r == 0 && file->error)
        r = asyncio__sim_take_error(file);
    if (r < 0)
        return r;
    if (file->domain == AF_UNIX) {
        if (!address)
            return send_connected_unix(sim, file, message);
        r = find_unix(sim, file, &to, &target);
        return r < 0 ? r : send_unix(sim, file, target, message);
    }
    r = send_internet(sim, file, &to, message);
    return r < 0 ? r : (int64_t)message->size;
}

/* How many of a batch are moved: a fault makes them fewer, but not none. */
static size_t count_of(struct asyncio_backend *sim, const struct asyncio_op_batch *batch)
{
    size_t n = min_size(batch->n, (size_t)asyncio__at_a_time(ASYNCIO__OP_BATCH));

    if (n > 1 && asyncio__sim_chance(sim, ASYNCIO__SIM_SHORT, 100))
        return 1 + (size_t)asyncio__sim_random(sim, n - 1);
    return n;
}

int64_t asyncio__sim_send_batch(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                                const struct asyncio_op_batch *batch)
{
    size_t n = count_of(sim, batch);

    for (size_t i = 0; i < n; i++) {
        const struct asyncio_datagram *datagram = &batch->datagrams[i];
        const struct asyncio_address *to = datagram->info.address.size > 0 ? &datagram->info.address : batch->to;
        struct asyncio_bytes piece = {datagram->data, datagram->size};
        const struct asyncio__sim_message message = {
            .size = piece.size, .pieces = &piece, .n_pieces = 1, .address = (struct asyncio_address *)(uintptr_t)to};
        /* What came back for the one before is told by the next operation. */
        int64_t r = i > 0 && file->error ? -EAGAIN : send_datagram(sim, file, &message);

        if (r < 0)
            return i > 0 ? (int64_t)i : r;
    }
    return (int64_t)n;
}

/* ------------------------------------------------------------------------------------------------------- Receiving */

static struct packet *first_packet(const struct asyncio__sim_file *file)
{
    return CONTAINER_OF(file->queue.next, struct packet, link);
}

static void take_packet(struct asyncio_backend *sim, struct asyncio__sim_file *file, struct packet *packet)
{
    list_remove(&packet->link);
    file->queued--;
    file->queued_bytes -= packet->size + INTERNET_OVERHEAD;
    asyncio__free(packet);
    asyncio__sim_notify_connectors(sim, file);
}

static void write_sender(const struct asyncio__sim_file *file, const struct packet *packet,
                         struct asyncio_address *ret_address)
{
    ret_address->size = 0;
    if (packet->from.domain)
        asyncio__sim_write_name(file, &packet->from, ret_address);
}

static void read_packet(const struct asyncio__sim_file *file, const struct packet *packet, bool detailed,
                        struct asyncio_datagram *datagram)
{
    struct asyncio_datagram_info *info = &datagram->info;
    struct asyncio__sim_name to = packet->to;

    datagram->size = min_size(packet->size, datagram->room);
    if (datagram->size > 0)
        memcpy(datagram->data, packet->data, datagram->size);
    write_sender(file, packet, &info->address);
    info->truncated = packet->size > datagram->room;
    info->destination.size = 0;
    info->interface = 0;
    if (!detailed || !to.domain || !file->options.tells_destination)
        return;
    to.port = 0;
    asyncio__sim_write_name(file, &to, &info->destination);
    info->interface = 1;
}

int64_t asyncio__sim_receive_batch(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                                   const struct asyncio_op_batch *batch)
{
    size_t n = count_of(sim, batch), i;

    if (file->error)
        return asyncio__sim_take_error(file);
    for (i = 0; i < n && !list_empty(&file->queue); i++) {
        read_packet(file, first_packet(file), batch->detailed, &batch->datagrams[i]);
        take_packet(sim, file, first_packet(file));
    }
    return i > 0 ? (int64_t)i : -EAGAIN;
}

static int64_t receive_datagram(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                                const struct asyncio__sim_message *message)
{
    struct packet *packet;
    size_t size;

    if (file->error)
        return asyncio__sim_take_error(file);
    if (list_empty(&file->queue))
        return -EAGAIN;
    packet = first_packet(file);
    size = min_size(packet->size, message->size);
    if (size > 0)
        memcpy(message->data, packet->data, size);
    if (message->flags & MSG_TRUNC)
        size = packet->size;
    if (message->address)
        write_sender(file, packet, message->address);
    if (!(message->flags & MSG_PEEK))
        take_packet(sim, file, packet);
    return (int64_t)size;
}

int64_t asyncio__sim_transfer_datagram(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                                       const struct asyncio__sim_message *message)
{
    if (message->flags & MSG_OOB)
        return -EOPNOTSUPP;
    return message->reads ? receive_datagram(sim, file, message) : send_datagram(sim, file, message);
}

unsigned asyncio__sim_datagram_events(const struct asyncio__sim_file *file)
{
    unsigned events = list_empty(&file->queue) ? 0 : ASYNCIO_READABLE;

    if (file->error)
        return ASYNCIO_READABLE | ASYNCIO_WRITABLE;
    return file->peer && is_full(file->peer) ? events : events | ASYNCIO_WRITABLE;
}
