/* socket_transports.c -- transports over stream sockets: a connection in push mode whose owner is a protocol. With TLS
 * that is the connection's doing; here it decides only when connection_made comes.
 *
 * What was ready before a poll runs before what the poll has brought (src/README.md). A connection tells of data while
 * it polls; so where anything is ready, the transport keeps them until its own node comes to its turn. */
#include "../base/log.h"
#include "../base/mem.h"
#include "conn.h"
#include "loop.h"
#include "transports.h"

#define CLOSE_NS (30 * NS_PER_SEC)

/* How much is read at a time that the protocol's memory cannot have yet. */
#define ASIDE ((size_t)16 * 1024)

struct socket_transport {
    struct asyncio_transport head;
    struct asyncio__conn conn;
    struct asyncio__chunks late; /* data that are to be told in a later turn */
    void *aside;                 /* memory to read such data into; or NULL */
    bool is_ended_late;          /* and then the end */
    bool is_deaf;                /* the protocol wants to hear no more: it has closed, or has no memory */
    bool is_shaking_hands;
};

static struct socket_transport *of_conn(struct asyncio__conn *conn)
{
    return CONTAINER_OF(conn, struct socket_transport, conn);
}

static struct socket_transport *of(struct asyncio_transport *transport)
{
    return CONTAINER_OF(transport, struct socket_transport, head);
}

static const struct asyncio__conn *conn_of(const struct asyncio_transport *transport)
{
    return &CONST_CONTAINER_OF(transport, struct socket_transport, head)->conn;
}

/* ----------------------------------------------------------------------------------------------------------- Events */

static void paused(struct asyncio__conn *conn)
{
    struct asyncio_transport *transport = &of_conn(conn)->head;

    if (!transport->filler && transport->is_made)
        asyncio__protocol_pause_writing(transport);
}

static void resumed(struct asyncio__conn *conn)
{
    struct asyncio_transport *transport = &of_conn(conn)->head;

    if (transport->is_writing_paused)
        asyncio__protocol_resume_writing(transport);
    if (transport->filler)
        transport->filler->room(transport->filler);
}

/* ------------------------------------------------------------------------------------------------------- Receiving */

static bool is_buffered(const struct asyncio_transport *transport)
{
    return !transport->protocol->type->data_received;
}

/* Asks the protocol for memory; without any that was the end. */
static bool find_memory(struct socket_transport *self, size_t hint, void **ret_data, size_t *ret_size)
{
    if (asyncio__protocol_get_buffer(&self->head, hint, ret_data, ret_size))
        return true;
    self->is_deaf = true;
    asyncio__conn_abort(&self->conn, -ENOBUFS);
    return false;
}

/* Gives the protocol data that stand elsewhere than in its memory. It may be another one meanwhile. */
static void copy_to_protocol(struct socket_transport *self, const unsigned char *data, size_t size)
{
    while (size > 0 && !self->is_deaf && is_buffered(&self->head)) {
        void *memory;
        size_t room;

        if (!find_memory(self, size, &memory, &room))
            return;
        room = min_size(room, size);
        memcpy(memory, data, room);
        data += room;
        size -= room;
        asyncio__protocol_buffer_updated(&self->head, room);
    }
    if (size > 0 && !self->is_deaf)
        asyncio__protocol_data_received(&self->head, data, size);
}

static bool tell_ended(struct socket_transport *self)
{
    bool stays = asyncio__protocol_eof_received(&self->head);

    if (!stays || !asyncio__conn_tls(&self->conn))
        return stays;
    asyncio__log(ASYNCIO_LOG_WARNING, "returning true from eof_received() has no effect when using ssl");
    return false;
}

static void go_on_later(struct socket_transport *self)
{
    if (!list_linked(&self->head.node.link))
        asyncio__schedule(self->head.loop, &self->head.node);
}

/* Tells what was kept. */
static void tell_late(struct socket_transport *self)
{
    while (self->late.first && !self->head.reading_paused) {
        struct asyncio__chunk *chunk = asyncio__chunks_pop(&self->late);

        copy_to_protocol(self, chunk->data + chunk->start, chunk->end - chunk->start);
        asyncio__free(chunk);
    }
    if (!self->is_ended_late || self->late.first || self->head.reading_paused)
        return;
    self->is_ended_late = false;
    if (!tell_ended(self))
        asyncio__conn_close(&self->conn);
}

static void hear_no_more(struct socket_transport *self)
{
    self->is_deaf = true;
    self->is_ended_late = false;
    asyncio__chunks_clear(&self->late);
}

/* True when something else has its turn first: what came before, connection_made, what was ready. */
static bool is_early(const struct socket_transport *self)
{
    const struct asyncio_loop *loop = self->head.loop;
    bool is_turn_over = loop->ready.next == &loop->turn_end.link;

    return self->late.first || !self->head.is_made || (is_turn_over && !asyncio__none_ready(loop));
}

static void keep_for_later(struct socket_transport *self, const void *data, size_t size)
{
    const struct asyncio_bytes piece = {data, size};

    if (asyncio__chunks_append(&self->late, &piece, 1, 0) < 0)
        asyncio__conn_abort(&self->conn, -ENOMEM);
    else
        go_on_later(self);
}

static void received(struct asyncio__conn *conn, const void *data, size_t size)
{
    struct socket_transport *self = of_conn(conn);

    if (is_early(self))
        keep_for_later(self, data, size);
    else
        asyncio__protocol_data_received(&self->head, data, size);
}

static void get_buffer(struct asyncio__conn *conn, void **ret_data, size_t *ret_size)
{
    struct socket_transport *self = of_conn(conn);

    if (!is_early(self)) {
        find_memory(self, 0, ret_data, ret_size);
        return;
    }
    if (!self->aside)
        self->aside = asyncio__malloc(ASIDE);
    if (!self->aside)
        asyncio__conn_abort(conn, -ENOMEM);
    *ret_data = self->aside;
    *ret_size = ASIDE;
}

static void received_in_buffer(struct asyncio__conn *conn, const void *data, size_t size)
{
    struct socket_transport *self = of_conn(conn);

    if (data == self->aside) {
        keep_for_later(self, data, size);
        asyncio__free(self->aside);
        self->aside = NULL;
    } else {
        asyncio__protocol_buffer_updated(&self->head, size);
    }
}

static bool ended(struct asyncio__conn *conn)
{
    struct socket_transport *self = of_conn(conn);

    if (!is_early(self))
        return tell_ended(self);
    self->is_ended_late = true;
    go_on_later(self);
    return true;
}

/* ------------------------------------------------------------------------------------------------------- The course */

/* The node: makes the protocol and begins to read, and tells what was kept. */
static void begin(struct asyncio_transport *transport)
{
    struct socket_transport *self = of(transport);
    int r = 0;

    if (!transport->is_made && self->conn.state == ASYNCIO__CONN_CLOSED)
        return;
    if (!transport->is_made)
        r = asyncio__transport_made(transport);
    if (r < 0) {
        asyncio__conn_abort(&self->conn, r);
        return;
    }
    tell_late(self);
    if (!transport->reading_paused)
        asyncio__conn_start_reading(&self->conn);
}

static void secured(struct asyncio__conn *conn, int error)
{
    struct socket_transport *self = of_conn(conn);

    self->is_shaking_hands = false;
    if (error == 0 && !self->head.is_made)
        go_on_later(self);
    else
        asyncio__transport_tell(&self->head, error);
}

static void lost(struct asyncio__conn *conn)
{
    struct socket_transport *self = of_conn(conn);

    hear_no_more(self);
    asyncio__free(self->aside);
    if (self->head.filler) {
        self->head.filler->error = conn->error < 0 ? conn->error : -ECONNRESET;
        self->head.filler->room(self->head.filler);
    }
    asyncio__transport_lost(&self->head, conn->error);
}

static const struct asyncio__conn_events data_events = {
    .paused = paused,
    .resumed = resumed,
    .lost = lost,
    .received = received,
    .ended = ended,
    .secured = secured,
};

static const struct asyncio__conn_events buffered_events = {
    .paused = paused,
    .resumed = resumed,
    .lost = lost,
    .get_buffer = get_buffer,
    .received = received_in_buffer,
    .ended = ended,
    .secured = secured,
};

static const struct asyncio__conn_events *events_for(const struct asyncio_transport *transport)
{
    return transport->protocol && is_buffered(transport) ? &buffered_events : &data_events;
}

/* --------------------------------------------------------------------------------------------------------- The kind */

/* With TLS what the peer has sent before it hears of the end is still told. */
static void close_transport(struct asyncio_transport *transport)
{
    struct socket_transport *self = of(transport);

    if (!asyncio__conn_tls(&self->conn))
        hear_no_more(self);
    asyncio__conn_close(&self->conn);
}

static void abort_transport(struct asyncio_transport *transport, int error)
{
    hear_no_more(of(transport));
    asyncio__conn_abort(&of(transport)->conn, error);
}

static bool is_closing(const struct asyncio_transport *transport)
{
    return conn_of(transport)->state != ASYNCIO__CONN_OPEN;
}

static void switched(struct asyncio_transport *transport)
{
    struct asyncio__conn *conn = &of(transport)->conn;

    if (conn->events != events_for(transport))
        asyncio__conn_set_events(conn, events_for(transport));
}

static void pause_reading(struct asyncio_transport *transport)
{
    asyncio__conn_stop_reading(&of(transport)->conn);
}

static void resume_reading(struct asyncio_transport *transport)
{
    struct socket_transport *self = of(transport);

    if (self->late.first || self->is_ended_late)
        go_on_later(self);
    asyncio__conn_start_reading(&self->conn);
}

static int write_pieces(struct asyncio_transport *transport, const struct asyncio_bytes *pieces, size_t n)
{
    struct asyncio__conn *conn = &of(transport)->conn;
    bool was_lost = conn->state == ASYNCIO__CONN_CLOSED || conn->error < 0;
    int r;

    if (conn->eof_asked)
        return -ASYNCIO_EINVALIDSTATE;
    r = asyncio__conn_write(conn, pieces, n);
    if (was_lost || r == -ASYNCIO_ECLOSED)
        return asyncio__transport_lost_write(transport);
    if (r == -ENOMEM)
        asyncio__conn_abort(conn, r);
    /* Of any other error connection_lost tells. */
    return r == -ENOMEM ? r : 0;
}

static bool can_write_eof(const struct asyncio_transport *transport)
{
    return !asyncio__conn_tls(conn_of(transport));
}

static int write_eof(struct asyncio_transport *transport)
{
    if (!can_write_eof(transport))
        return -ENOTSUP;
    ASYNCIO_IGNORE(asyncio__conn_write_eof(&of(transport)->conn));
    return 0;
}

static void limits_changed(struct asyncio_transport *transport)
{
    if (!transport->filler)
        asyncio__conn_set_limits(&of(transport)->conn, transport->high, transport->low);
}

static size_t write_buffer_size(const struct asyncio_transport *transport)
{
    const struct asyncio__conn *conn = conn_of(transport);

    return conn->state == ASYNCIO__CONN_CLOSED ? 0 : asyncio__conn_kept(conn);
}

static int find_fd(const struct asyncio_transport *transport)
{
    const struct asyncio__conn *conn = conn_of(transport);

    return transport->is_lost || conn->fd < 0 ? -ENOTCONN : conn->fd;
}

static const struct asyncio__tls *find_tls(const struct asyncio_transport *transport)
{
    bool is_agreed = !CONST_CONTAINER_OF(transport, struct socket_transport, head)->is_shaking_hands;

    return is_agreed ? asyncio__conn_tls(conn_of(transport)) : NULL;
}

static const struct asyncio__transport_kind socket_kind = {
    .name = "socket",
    .begin = begin,
    .close = close_transport,
    .abort = abort_transport,
    .is_closing = is_closing,
    .accepts = asyncio__protocol_is_of_streams,
    .switched = switched,
    .pause_reading = pause_reading,
    .resume_reading = resume_reading,
    .write = write_pieces,
    .write_eof = write_eof,
    .can_write_eof = can_write_eof,
    .limits_changed = limits_changed,
    .write_buffer_size = write_buffer_size,
    .fileno = find_fd,
    .tls = find_tls,
};

bool asyncio__transport_is_socket(const struct asyncio_transport *transport)
{
    return transport->kind == &socket_kind;
}

/* --------------------------------------------------------------------------------------------------------- Filling */

int asyncio__transport_begin_filling(struct asyncio_transport *transport, struct asyncio__filler *filler)
{
    struct socket_transport *self = of(transport);

    if (transport->is_lost || self->conn.state != ASYNCIO__CONN_OPEN)
        return -ASYNCIO_ECLOSED;
    if (transport->filler || self->is_shaking_hands)
        return -EBUSY;
    if (self->conn.eof_asked)
        return -ASYNCIO_EINVALIDSTATE;
    transport->filler = filler;
    asyncio__conn_set_limits(&self->conn, 0, 0);
    return 0;
}

void asyncio__transport_end_filling(struct asyncio_transport *transport)
{
    struct asyncio__conn *conn = &of(transport)->conn;

    transport->filler = NULL;
    if (transport->is_lost || conn->state == ASYNCIO__CONN_CLOSED)
        return;
    asyncio__conn_set_limits(conn, transport->high, transport->low);
    /* What the filler has left is the protocol's business again. */
    if (conn->is_paused && !transport->is_writing_paused)
        asyncio__protocol_pause_writing(transport);
    else if (!conn->is_paused && transport->is_writing_paused)
        asyncio__protocol_resume_writing(transport);
}

bool asyncio__transport_is_full(const struct asyncio_transport *transport)
{
    return !transport->is_lost && conn_of(transport)->is_paused;
}

int asyncio__transport_fill(struct asyncio_transport *transport, const void *data, size_t size)
{
    return asyncio__conn_write(&of(transport)->conn, &(const struct asyncio_bytes){data, size}, 1);
}

/* --------------------------------------------------------------------------------------------------------- Opening */

static int refuse(struct asyncio_loop *loop, int fd, struct socket_transport *self, int error)
{
    asyncio_op_submit(loop, &(struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE, .fd = fd});
    if (self)
        asyncio__transport_discard(&self->head);
    return error;
}

/* TLS has marks of its own, where nobody has set others. */
static void raise_marks(struct asyncio_transport *transport)
{
    bool had_default = transport->high == transport->default_high && transport->low == transport->default_high / 4;

    transport->default_high = ASYNCIO__TRANSPORT_TLS_HIGH;
    if (had_default)
        asyncio_transport_set_write_buffer_limits(transport, SIZE_MAX, SIZE_MAX);
}

static int shake_hands(struct socket_transport *self, const struct asyncio__conn_tls *tls)
{
    int r = asyncio__conn_start_tls(&self->conn, tls, NULL, 0);

    if (r < 0)
        return r;
    self->is_shaking_hands = true;
    raise_marks(&self->head);
    return 0;
}

int asyncio__transport_open(struct asyncio_loop *loop, int fd, int64_t close_ns, const struct asyncio__conn_tls *tls,
                            const struct asyncio__transport_options *options, struct asyncio_transport **ret_transport)
{
    struct socket_transport *self = asyncio__calloc(sizeof *self);
    int r = self ? asyncio__transport_init(&self->head, loop, &socket_kind, options) : -ENOMEM;

    if (r < 0)
        return refuse(loop, fd, self, r);
    asyncio__transport_learn_names(&self->head, fd);
    asyncio__conn_init(&self->conn, loop, fd, events_for(&self->head), close_ns);
    if (!tls)
        asyncio__transport_begin(&self->head);
    else
        r = shake_hands(self, tls);
    if (r < 0) {
        self->head.opened = NULL;
        self->head.lost = NULL;
        asyncio__conn_abort(&self->conn, 0);
        return r;
    }
    *ret_transport = &self->head;
    return 0;
}

int asyncio__transport_start_tls(struct asyncio_transport *transport, const struct asyncio__conn_tls *tls,
                                 void (*opened)(struct asyncio_transport *transport, void *owner, int error),
                                 void *owner)
{
    struct socket_transport *self = of(transport);
    int r = self->is_shaking_hands ? -EBUSY : shake_hands(self, tls);

    if (r < 0)
        return r;
    transport->opened = opened;
    transport->opened_owner = owner;
    asyncio_transport_resume_reading(transport);
    return 0;
}

int asyncio_transport_open(struct asyncio_loop *loop, int fd, struct asyncio_protocol *protocol,
                           struct asyncio_transport **ret_transport)
{
    const struct asyncio__transport_options options = {.protocol = protocol};
    int r = ret_transport ? asyncio__loop_check(loop) : -EINVAL;

    if (!loop || fd < 0)
        return -EINVAL;
    return r < 0 ? refuse(loop, fd, NULL, r)
                 : asyncio__transport_open(loop, fd, CLOSE_NS, NULL, &options, ret_transport);
}
