/* datagrams.c -- transports over datagram sockets.
 *
 * The back end is only asked when the socket is ready, and then told not to wait: no datagram is ever on its way while
 * nobody holds it, an idle transport has no memory to receive into, and all of a loop share one.
 *
 * Invariants:
 *   - what was sent before goes out before: nothing goes out directly while anything is kept;
 *   - kept_size is the sum of what is kept, HEADER more for each; it is added to and taken from in one place each;
 *   - while anything is kept, the transport waits for room or its node is scheduled; while it reads, it waits for
 *     datagrams or its node is scheduled, and nothing is `late`;
 *   - an error of the socket concerns one datagram: it is told, and all goes on. What ends a transport is that the back
 *     end does not even wait;
 *   - it is lost in a turn of its own, when the fd is closed and the back end has nothing of it any more. */
#include "datagrams.h"

#include "../base/hostile.h"
#include "../base/log.h"
#include "../base/mem.h"
#include "loop.h"

#include <sys/mman.h>

/* What a datagram that is kept counts more than it has. */
#define HEADER 8

/* How many datagrams are received or sent at a time, before others have their turn. */
#define BATCH 8

/* The longest that is received whole. */
#define LONGEST ((size_t)256 * 1024)

/* How long a transport that is closed may take to send what it has kept. */
#define CLOSE_NS (30 * NS_PER_SEC)

/* What a loop has of datagrams, while there is a transport of them. */
struct asyncio__datagrams {
    struct asyncio_link transports; /* those that are not lost yet */
    unsigned char *memory;          /* to receive into, BATCH times LONGEST; what is never received is never touched */
};

struct packet {
    struct asyncio_link link;
    struct asyncio_address address; /* whom it is for, or who sent it */
    size_t size;
    unsigned char data[];
};

enum state {
    OPEN,
    CLOSING, /* it sends what it has kept */
    CLOSED,  /* so is the fd, or it will be as soon as the back end lets go of it */
};

struct datagram_transport {
    struct asyncio_transport head;
    struct asyncio_link link; /* in the loop's list */
    int fd;
    uint8_t state;
    bool is_connected;             /* to `remote` */
    bool awaits_data, awaits_room; /* the back end has the operation */
    int error;                     /* for connection_lost */
    struct asyncio_address remote; /* the only one that it talks to; empty: anybody */
    struct asyncio_op readable, writable;
    struct asyncio_node node;   /* goes on, or says that it is lost */
    struct asyncio_timer timer; /* the end of the time for closing */
    struct asyncio_link kept;   /* to be sent */
    struct asyncio_link late;   /* came before reading was stopped, and was not told yet */
    size_t kept_size;
};

static struct datagram_transport *of(struct asyncio_transport *transport)
{
    return CONTAINER_OF(transport, struct datagram_transport, head);
}

static const struct datagram_transport *of_const(const struct asyncio_transport *transport)
{
    return CONST_CONTAINER_OF(transport, struct datagram_transport, head);
}

static bool is_reading(const struct datagram_transport *self)
{
    return self->state == OPEN && self->head.is_made && !self->head.reading_paused;
}

/* Lets the node run in the next turn. */
static void go_on_later(struct datagram_transport *self)
{
    if (!list_linked(&self->node.link))
        asyncio__schedule(self->head.loop, &self->node);
}

/* Does an operation that does not wait. Returns: its result. */
static int64_t perform(struct datagram_transport *self, struct asyncio_op *op)
{
    bool done;

    op->fd = self->fd;
    done = asyncio_op_submit(self->head.loop, op);
    assert(done);
    (void)done;
    return op->result;
}

/* --------------------------------------------------------------------------------------------------------- Packets */

static struct packet *new_packet(const void *data, size_t size, const struct asyncio_address *address)
{
    struct packet *packet = size < SIZE_MAX - sizeof *packet ? asyncio__malloc(sizeof *packet + size) : NULL;

    if (!packet)
        return NULL;
    packet->address.size = 0;
    if (address)
        packet->address = *address;
    packet->size = size;
    if (size > 0)
        memcpy(packet->data, data, size);
    return packet;
}

static void keep(struct datagram_transport *self, struct packet *packet)
{
    self->kept_size += packet->size + HEADER;
    list_push_back(&self->kept, &packet->link);
}

static void drop_first(struct datagram_transport *self)
{
    struct packet *packet = CONTAINER_OF(list_pop_front(&self->kept), struct packet, link);

    self->kept_size -= packet->size + HEADER;
    asyncio__free(packet);
}

static void drop_all(struct datagram_transport *self)
{
    struct asyncio_link *link;

    while (!list_empty(&self->kept))
        drop_first(self);
    while ((link = list_pop_front(&self->late)))
        asyncio__free(CONTAINER_OF(link, struct packet, link));
}

/* --------------------------------------------------------------------------------------------------------- The end */

static void free_if_unused(struct asyncio_loop *loop)
{
    struct asyncio__datagrams *datagrams = loop->datagrams;

    if (!datagrams || !list_empty(&datagrams->transports))
        return;
    munmap(datagrams->memory, BATCH * LONGEST);
    asyncio__free(datagrams);
    loop->datagrams = NULL;
}

static void tell_lost(struct datagram_transport *self)
{
    struct asyncio_loop *loop = self->head.loop;

    list_remove(&self->link);
    asyncio__transport_lost(&self->head, self->error);
    free_if_unused(loop);
}

static bool is_over(const struct datagram_transport *self)
{
    return self->state == CLOSED && !self->awaits_data && !self->awaits_room;
}

static void shut(struct datagram_transport *self, int error)
{
    if (self->state == CLOSED)
        return;
    self->state = CLOSED;
    self->error = error;
    asyncio_timer_disarm(self->head.loop, &self->timer);
    asyncio_node_cancel(&self->node);
    drop_all(self);
    perform(self, &(struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE});
    self->fd = -1;
    if (is_over(self))
        go_on_later(self);
}

static void took_too_long(struct asyncio_node *node)
{
    shut(CONTAINER_OF(node, struct datagram_transport, timer.node), -ETIMEDOUT);
}

static void close_transport(struct asyncio_transport *transport)
{
    struct datagram_transport *self = of(transport);

    if (self->state != OPEN)
        return;
    self->state = CLOSING;
    if (list_empty(&self->kept))
        shut(self, 0);
    else if (asyncio_timer_arm(transport->loop, &self->timer, ns_add(asyncio__now(transport->loop), CLOSE_NS)) < 0)
        shut(self, -ENOMEM);
}

static void abort_transport(struct asyncio_transport *transport, int error)
{
    shut(of(transport), error);
}

static bool is_closing(const struct asyncio_transport *transport)
{
    return of_const(transport)->state != OPEN;
}

/* --------------------------------------------------------------------------------------------------------- Waiting */

/* The back end has an answer to one of the two. */
static void answered(struct datagram_transport *self, bool *awaits, int64_t result)
{
    *awaits = false;
    if (is_over(self))
        go_on_later(self);
    else if (self->state != CLOSED && result < 0)
        shut(self, (int)result);
    else if (self->state != CLOSED)
        self->node.run(&self->node);
}

static void became_readable(struct asyncio_op *op)
{
    struct datagram_transport *self = CONTAINER_OF(op, struct datagram_transport, readable);

    answered(self, &self->awaits_data, op->result);
}

static void became_writable(struct asyncio_op *op)
{
    struct datagram_transport *self = CONTAINER_OF(op, struct datagram_transport, writable);

    answered(self, &self->awaits_room, op->result);
}

/* Waits for one of the two, unless it does already. */
static void await(struct datagram_transport *self, struct asyncio_op *op, bool *awaits, unsigned events,
                  void (*complete)(struct asyncio_op *op))
{
    if (*awaits)
        return;
    *op = (struct asyncio_op){.opcode = ASYNCIO_OP_POLL, .fd = self->fd, .complete = complete, .poll.events = events};
    if (!asyncio_op_submit(self->head.loop, op))
        *awaits = true;
    else if (op->result < 0)
        shut(self, (int)op->result);
    else
        go_on_later(self);
}

static void await_data(struct datagram_transport *self)
{
    await(self, &self->readable, &self->awaits_data, ASYNCIO_READABLE, became_readable);
}

static void await_room(struct datagram_transport *self)
{
    await(self, &self->writable, &self->awaits_room, ASYNCIO_WRITABLE, became_writable);
}

/* ------------------------------------------------------------------------------------------------------- Receiving */

/* Tells of a datagram, or keeps it if the protocol has just stopped reading. Without memory for that it is lost, as
 * with a queue that is full. */
static void deliver(struct datagram_transport *self, const struct asyncio_datagram *datagram)
{
    const struct asyncio_address *address = &datagram->info.address;
    struct packet *packet;

    if (is_reading(self) && list_empty(&self->late)) {
        asyncio__protocol_datagram_received(&self->head, datagram->data, datagram->size, address);
        return;
    }
    packet = self->state == OPEN ? new_packet(datagram->data, datagram->size, address) : NULL;
    if (packet)
        list_push_back(&self->late, &packet->link);
}

static void deliver_late(struct datagram_transport *self)
{
    while (is_reading(self) && !list_empty(&self->late)) {
        struct packet *packet = CONTAINER_OF(list_pop_front(&self->late), struct packet, link);

        asyncio__protocol_datagram_received(&self->head, packet->data, packet->size, &packet->address);
        asyncio__free(packet);
    }
}

/* Receives what is there, a batch at most. */
static void receive(struct datagram_transport *self)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_RECVMSGS, .flags = ASYNCIO_OP_NOWAIT};
    struct asyncio_datagram datagrams[BATCH];
    size_t n = (size_t)asyncio__at_a_time(BATCH);
    int64_t result;

    for (size_t i = 0; i < n; i++) {
        datagrams[i].data = self->head.loop->datagrams->memory + i * LONGEST;
        datagrams[i].room = LONGEST;
    }
    op.batch = (struct asyncio_op_batch){.datagrams = datagrams, .n = n};
    result = perform(self, &op);
    for (int64_t i = 0; i < result; i++)
        deliver(self, &datagrams[i]);
    if (result < 0 && result != -EAGAIN)
        asyncio__protocol_error_received(&self->head, (int)result);
    /* Where a batch was full there may be more. */
    if (is_reading(self) && (result == (int64_t)n || (result < 0 && result != -EAGAIN)))
        go_on_later(self);
    else if (is_reading(self))
        await_data(self);
}

static void pause_reading(struct asyncio_transport *transport)
{
    /* What the back end waits for changes nothing. */
    (void)transport;
}

static void resume_reading(struct asyncio_transport *transport)
{
    if (is_reading(of(transport)))
        go_on_later(of(transport));
}

/* --------------------------------------------------------------------------------------------------------- Sending */

/* Sends what is kept, a batch at most. */
static void send_kept(struct datagram_transport *self)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SENDMSGS, .flags = ASYNCIO_OP_NOWAIT};
    size_t most = (size_t)asyncio__at_a_time(BATCH), n = 0;
    struct asyncio_datagram datagrams[BATCH];
    int64_t result;

    for (struct asyncio_link *link = self->kept.next; link != &self->kept && n < most; link = link->next) {
        struct packet *packet = CONTAINER_OF(link, struct packet, link);

        datagrams[n] = (struct asyncio_datagram){.data = packet->data, .size = packet->size};
        datagrams[n++].info.address = packet->address;
    }
    op.batch = (struct asyncio_op_batch){.datagrams = datagrams, .n = n};
    result = perform(self, &op);
    for (int64_t i = 0; i < result; i++)
        drop_first(self);
    if (result < 0 && result != -EAGAIN) {
        drop_first(self);
        asyncio__protocol_error_received(&self->head, (int)result);
    }
    if (self->state != CLOSED)
        asyncio__transport_resume_if_low(&self->head, self->kept_size);
    if (self->state == CLOSED)
        return;
    if (result == -EAGAIN)
        await_room(self);
    else if (!list_empty(&self->kept))
        go_on_later(self);
    else if (self->state == CLOSING)
        shut(self, 0);
}

/* Sends at once what the kernel takes. Returns: false when it has to wait. */
static bool send_now(struct datagram_transport *self, const void *data, size_t size, const struct asyncio_address *to)
{
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_SENDTO,
        .flags = ASYNCIO_OP_NOWAIT,
        .datagram = {(void *)(uintptr_t)data, size, (struct asyncio_address *)(uintptr_t)to, 0},
    };
    int64_t result = perform(self, &op);

    if (result == -EAGAIN)
        return false;
    if (result < 0)
        asyncio__protocol_error_received(&self->head, (int)result);
    return true;
}

/* Finds whom a datagram is for; NULL: the connected peer. Returns: 0; -EINVAL. */
static int choose_target(const struct datagram_transport *self, const struct asyncio_address *address,
                         const struct asyncio_address **ret_to)
{
    const struct asyncio_address *remote = &self->remote;

    if (remote->size == 0) {
        *ret_to = address;
        return address && address->size > 0 && address->size <= sizeof address->data ? 0 : -EINVAL;
    }
    *ret_to = self->is_connected ? NULL : remote;
    return !address ||
                   (address->size == remote->size && memcmp(address->data.bytes, remote->data.bytes, remote->size) == 0)
               ? 0
               : -EINVAL;
}

static const struct asyncio__transport_kind datagram_kind;

int asyncio_transport_sendto(struct asyncio_transport *transport, const void *data, size_t size,
                             const struct asyncio_address *address)
{
    const struct asyncio_address *to;
    struct datagram_transport *self;
    struct packet *packet;
    int r;

    if (!transport || transport->kind != &datagram_kind || (!data && size > 0))
        return -EINVAL;
    self = of(transport);
    r = choose_target(self, address, &to);
    if (r < 0)
        return r;
    if (self->state != OPEN)
        return asyncio__transport_lost_write(transport);
    if (list_empty(&self->kept) && send_now(self, data, size, to))
        return 0;
    packet = new_packet(data, size, to);
    if (!packet)
        return -ENOMEM;
    keep(self, packet);
    if (!list_linked(&self->node.link))
        await_room(self);
    if (self->state == OPEN)
        asyncio__transport_pause_if_high(transport, self->kept_size);
    return 0;
}

static void limits_changed(struct asyncio_transport *transport)
{
    struct datagram_transport *self = of(transport);

    asyncio__transport_pause_if_high(transport, self->kept_size);
    asyncio__transport_resume_if_low(transport, self->kept_size);
}

static size_t write_buffer_size(const struct asyncio_transport *transport)
{
    return of_const(transport)->kept_size;
}

/* -------------------------------------------------------------------------------------------------------- The kind */

static void go_on(struct asyncio_node *node)
{
    struct datagram_transport *self = CONTAINER_OF(node, struct datagram_transport, node);

    if (is_over(self)) {
        tell_lost(self);
        return;
    }
    if (!list_empty(&self->kept) && !self->awaits_room)
        send_kept(self);
    deliver_late(self);
    if (is_reading(self) && !self->awaits_data)
        receive(self);
}

/* Makes the protocol and begins to read. */
static void begin(struct asyncio_transport *transport)
{
    struct datagram_transport *self = of(transport);
    int r = self->state == OPEN ? asyncio__transport_made(transport) : 0;

    if (r < 0)
        shut(self, r);
    else if (is_reading(self))
        await_data(self);
}

static bool accepts(const struct asyncio_protocol_type *type)
{
    return type->datagram_received;
}

static int find_fd(const struct asyncio_transport *transport)
{
    int fd = of_const(transport)->fd;

    return fd < 0 ? -ENOTCONN : fd;
}

static const struct asyncio__transport_kind datagram_kind = {
    .name = "datagram",
    .begin = begin,
    .close = close_transport,
    .abort = abort_transport,
    .is_closing = is_closing,
    .accepts = accepts,
    .pause_reading = pause_reading,
    .resume_reading = resume_reading,
    .limits_changed = limits_changed,
    .write_buffer_size = write_buffer_size,
    .fileno = find_fd,
};

/* ---------------------------------------------------------------------------------------------- Opening and closing */

/* The memory is the kernel's own kind: of what is never received there is none, and all goes back at the end. */
static int make_memory(struct asyncio_loop *loop)
{
    struct asyncio__datagrams *datagrams = loop->datagrams;
    void *memory;

    if (datagrams)
        return 0;
    datagrams = asyncio__malloc(sizeof *datagrams);
    if (!datagrams)
        return -ENOMEM;
    memory = mmap(NULL, BATCH * LONGEST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        asyncio__free(datagrams);
        return -ENOMEM;
    }
    datagrams->memory = memory;
    list_init(&datagrams->transports);
    loop->datagrams = datagrams;
    return 0;
}

int asyncio__datagrams_open(struct asyncio_loop *loop, int fd, const struct asyncio_address *remote, bool is_connected,
                            const struct asyncio__transport_options *options, struct asyncio_transport **ret_transport)
{
    struct datagram_transport *self = asyncio__calloc(sizeof *self);
    int r = self ? asyncio__transport_init(&self->head, loop, &datagram_kind, options) : -ENOMEM;

    if (r == 0)
        r = make_memory(loop);
    if (r < 0) {
        asyncio_op_submit(loop, &(struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE, .fd = fd});
        if (self)
            asyncio__transport_discard(&self->head);
        return r;
    }
    self->fd = fd;
    self->is_connected = is_connected;
    if (remote)
        self->remote = *remote;
    asyncio_node_init(&self->node, go_on, NULL);
    asyncio_node_init(&self->timer.node, took_too_long, NULL);
    list_init(&self->kept);
    list_init(&self->late);
    list_init(&self->link);
    list_push_back(&loop->datagrams->transports, &self->link);
    asyncio__transport_learn_names(&self->head, fd);
    asyncio__transport_begin(&self->head);
    *ret_transport = &self->head;
    return 0;
}

static void close_with_loop(struct datagram_transport *self)
{
    bool unsent = !list_empty(&self->kept);

    if (unsent)
        asyncio__log(ASYNCIO_LOG_WARNING,
                     "a datagram transport is closed with %zu unsent bytes, because its event "
                     "loop is (fd %d)",
                     self->kept_size, self->fd);
    shut(self, unsent ? -ASYNCIO_ECLOSED : 0);
}

/* True while the back end has something of a transport. */
static bool any_pending(const struct asyncio__datagrams *datagrams)
{
    const struct asyncio_link *link;

    for (link = datagrams->transports.next; link != &datagrams->transports; link = link->next)
        if (!is_over(CONST_CONTAINER_OF(link, struct datagram_transport, link)))
            return true;
    return false;
}

void asyncio__datagrams_close(struct asyncio_loop *loop)
{
    struct asyncio_link *link, *next;
    int r = 0;

    if (!loop->datagrams)
        return;
    LIST_FOR_EACH(link, next, &loop->datagrams->transports)
        close_with_loop(CONTAINER_OF(link, struct datagram_transport, link));
    while (!asyncio__loop_forked(loop) && any_pending(loop->datagrams) && (r >= 0 || r == -EINTR))
        r = loop->ops->poll(loop->backend, NS_NEVER, false);
    /* With the last one the list goes, too. */
    while (loop->datagrams) {
        struct datagram_transport *self =
            CONTAINER_OF(loop->datagrams->transports.next, struct datagram_transport, link);

        asyncio_node_cancel(&self->node);
        tell_lost(self);
    }
}
