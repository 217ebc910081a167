/* pipes.c -- transports over pipes: one that reads, or one that writes.
 *
 * Invariants:
 *   - the fd does not block while a transport has it. One that did before does so again afterwards, since others may
 *     share what it stands for: a shell its terminal. Of several transports that share it the last one sees to that;
 *   - the back end is only asked to wait, for what makes a call worth a try that does not wait: so it names no memory,
 *     and a wait that is over when nothing is to be read any more has taken nothing;
 *   - until the polls of a closed one are reported, it stays;
 *   - `lost` comes in a later turn than what it follows from. */
#include "pipes.h"

#include "../base/hostile.h"
#include "../base/log.h"
#include "../base/mem.h"
#include "chunks.h"
#include "loop.h"

#include <sys/socket.h>

/* Bytes that are read at a time, as many as a pipe holds. */
#define READ_SIZE ((size_t)64 * 1024)

/* How often is written before others have their turn. */
#define BURST 16

enum pipe_state {
    OPEN,
    CLOSING, /* close was called: it writes what it has kept */
    CLOSED,  /* the fd is closed */
};

/* A wait until the fd is readable or writable. */
struct poll {
    struct asyncio_op op;
    bool is_waiting; /* the back end has it */
};

struct pipe {
    struct asyncio_transport head;
    struct asyncio_link link; /* in the loop's list, so that the loop's close finds it */
    struct asyncio_node node; /* goes on, or says that it is lost */
    struct poll readable;     /* reading: there is something; writing: the peer may be gone */
    struct poll writable;     /* writing: there is room for what is kept */
    struct asyncio__chunks kept;
    int fd;
    int error;          /* what connection_lost is to say */
    uint8_t state;      /* enum pipe_state */
    bool writes;        /* else it reads */
    bool is_socket;     /* a poll may mean that the peer has sent something */
    bool watches_peer;  /* writing: for what tells that nobody reads */
    bool made_nonblock; /* the fd is to be blocking again */
};

static struct pipe *of(struct asyncio_transport *transport)
{
    return CONTAINER_OF(transport, struct pipe, head);
}

static const struct pipe *of_const(const struct asyncio_transport *transport)
{
    return CONST_CONTAINER_OF(transport, struct pipe, head);
}

static void go_on_later(struct pipe *self)
{
    if (!list_linked(&self->node.link))
        asyncio__schedule(self->head.loop, &self->node);
}

/* Does an operation that does not wait. Returns: its result. */
static int64_t perform(struct asyncio_loop *loop, struct asyncio_op *op)
{
    bool done = asyncio_op_submit(loop, op);

    assert(done);
    (void)done;
    return op->result;
}

/* ---------------------------------------------------------------------------------------------------------- The fd */

static int begin_nonblock(struct pipe *self)
{
    int r;

    if (self->head.loop->ops->own_fds || asyncio__fd_is_nonblock(self->fd))
        return 0;
    r = asyncio__fd_set_nonblock(self->fd, true);
    self->made_nonblock = r == 0;
    return r;
}

/* Makes the fd blocking again, unless another transport shares what it stands for: whether one does is seen by what
 * this does to it. Then that one inherits the duty. In a forked child it stays its parent's. */
static void end_nonblock(struct pipe *self)
{
    struct asyncio_link *link, *next;

    if (!self->made_nonblock || asyncio__loop_forked(self->head.loop))
        return;
    asyncio__fd_set_nonblock(self->fd, false);
    LIST_FOR_EACH(link, next, &self->head.loop->pipes) {
        struct pipe *other = CONTAINER_OF(link, struct pipe, link);

        if (other != self && other->fd >= 0 && !asyncio__fd_is_nonblock(other->fd))
            other->made_nonblock = asyncio__fd_set_nonblock(other->fd, true) == 0;
    }
}

/* --------------------------------------------------------------------------------------------------------- The end */

static void tell_lost(struct pipe *self)
{
    assert(self->state == CLOSED && !self->readable.is_waiting && !self->writable.is_waiting);
    list_remove(&self->link);
    asyncio__transport_lost(&self->head, self->error);
}

static void tell_lost_when_over(struct pipe *self)
{
    if (!self->readable.is_waiting && !self->writable.is_waiting)
        go_on_later(self);
}

/* Closes the fd. The polls that the back end has are reported by its next one, and `lost` comes after that. */
static void shut(struct pipe *self, int error)
{
    if (self->state == CLOSED)
        return;
    self->state = CLOSED;
    self->error = error;
    asyncio_node_cancel(&self->node);
    asyncio__chunks_clear(&self->kept);
    end_nonblock(self);
    perform(self->head.loop, &(struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE, .fd = self->fd});
    self->fd = -1;
    tell_lost_when_over(self);
}

/* ----------------------------------------------------------------------------------------------------------- Polls */

/* Waits, unless it does already. What is there at once is the node's to meet, in the next turn. */
static void begin_poll(struct pipe *self, struct poll *poll, uint32_t events, void (*complete)(struct asyncio_op *op))
{
    if (poll->is_waiting)
        return;
    poll->op = (struct asyncio_op){
        .complete = complete, .owner = self, .opcode = ASYNCIO_OP_POLL, .fd = self->fd, .poll.events = events};
    poll->is_waiting = !asyncio_op_submit(self->head.loop, &poll->op);
    if (!poll->is_waiting && poll->op.result < 0)
        shut(self, (int)poll->op.result);
    else if (!poll->is_waiting)
        go_on_later(self);
}

/* What every report of a poll begins with. Returns: true when something is there; else nothing more is to be done. */
static bool is_there(struct pipe *self, struct poll *poll)
{
    poll->is_waiting = false;
    if (self->state == CLOSED)
        tell_lost_when_over(self);
    else if (poll->op.result < 0)
        shut(self, (int)poll->op.result);
    return self->state != CLOSED;
}

/* True when a poll that need not wait has told so. */
static bool was_there(const struct poll *poll)
{
    return !poll->is_waiting && poll->op.result > 0;
}

/* --------------------------------------------------------------------------------------------------------- Reading */

static bool is_reading(const struct pipe *self)
{
    return self->state == OPEN && !self->head.reading_paused;
}

/* The peer will send no more. It is closing when the protocol hears of it, whose answer does not count. */
static void end(struct pipe *self)
{
    shut(self, 0);
    asyncio__protocol_eof_received(&self->head);
}

/* Reads once into memory. Returns: bytes; 0: nothing, or the transport is lost now. */
static size_t read_into(struct pipe *self, void *data, size_t size)
{
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_READ, .flags = ASYNCIO_OP_NOWAIT, .fd = self->fd, .buffer = {.data = data, .size = size}};
    int64_t result = perform(self->head.loop, &op);

    if (result > 0)
        return (size_t)result;
    if (result == 0)
        end(self);
    else if (result != -EAGAIN)
        shut(self, (int)result);
    return 0;
}

/* Reads into memory that the protocol names, unless it thinks better of it. */
static void read_in_place(struct pipe *self)
{
    const struct asyncio_protocol *protocol = self->head.protocol;
    size_t size;
    void *data;

    if (!asyncio__protocol_get_buffer(&self->head, 0, &data, &size)) {
        shut(self, -ENOBUFS);
        return;
    }
    if (!is_reading(self) || self->head.protocol != protocol)
        return;
    size = read_into(self, data, size);
    if (size > 0)
        asyncio__protocol_buffer_updated(&self->head, size);
}

static void read_once(struct pipe *self)
{
    size_t size;
    void *data;

    if (!self->head.protocol->type->data_received) {
        read_in_place(self);
        return;
    }
    data = asyncio__malloc(READ_SIZE);
    if (!data) {
        shut(self, -ENOMEM);
        return;
    }
    size = read_into(self, data, READ_SIZE);
    if (size > 0)
        asyncio__protocol_data_received(&self->head, data, size);
    asyncio__free(data);
}

static void told_readable(struct asyncio_op *op);

/* Sees to it that reading goes on. */
static void read_on(struct pipe *self)
{
    if (is_reading(self))
        begin_poll(self, &self->readable, ASYNCIO_READABLE, told_readable);
}

static void told_readable(struct asyncio_op *op)
{
    struct pipe *self = op->owner;

    if (is_there(self, &self->readable) && is_reading(self))
        read_once(self);
    read_on(self);
}

/* --------------------------------------------------------------------------------------------------------- Writing */

/* Returns: bytes that were written, 0 when there is no room; -1: the transport is lost now. */
static ssize_t write_some(struct pipe *self, const void *data, size_t size)
{
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_WRITE,
        .flags = ASYNCIO_OP_NOWAIT,
        .fd = self->fd,
        .buffer = {.data = (void *)(uintptr_t)data, .size = size},
    };
    int64_t result = perform(self->head.loop, &op);

    if (result >= 0)
        return (ssize_t)result;
    if (result == -EAGAIN)
        return 0;
    shut(self, (int)result);
    return -1;
}

static void told_writable(struct asyncio_op *op);

/* Sees to it that what is kept is written. */
static void write_on(struct pipe *self)
{
    if (self->state != CLOSED && self->kept.first)
        begin_poll(self, &self->writable, ASYNCIO_WRITABLE, told_writable);
}

/* Writes what is kept until there is no room, or others are to have their turn. */
static void write_kept(struct pipe *self)
{
    ssize_t written = 1;

    for (int burst = asyncio__at_a_time(BURST); burst > 0 && written > 0 && self->kept.first; burst--) {
        const struct asyncio__chunk *first = self->kept.first;

        written = write_some(self, first->data + first->start, first->end - first->start);
        if (written > 0)
            asyncio__chunks_take(&self->kept, (size_t)written);
    }
    if (self->state == CLOSED)
        return;
    asyncio__transport_resume_if_low(&self->head, self->kept.size);
    if (self->state == CLOSING && !self->kept.first)
        shut(self, 0);
}

static void told_writable(struct asyncio_op *op)
{
    struct pipe *self = op->owner;

    if (is_there(self, &self->writable))
        write_kept(self);
    write_on(self);
}

static int write_pieces(struct asyncio_transport *transport, const struct asyncio_bytes *pieces, size_t n)
{
    struct pipe *self = of(transport);
    size_t skip = 0;
    int r;

    if (self->state != OPEN)
        return asyncio__transport_lost_write(transport);
    while (n > 0 && skip == 0 && !self->kept.first) {
        ssize_t written = pieces->size > 0 ? write_some(self, pieces->data, pieces->size) : 0;

        if (written < 0)
            return 0;
        if ((size_t)written < pieces->size) {
            skip = (size_t)written;
            break;
        }
        pieces++;
        n--;
    }
    r = n > 0 ? asyncio__chunks_append(&self->kept, pieces, n, skip) : 0;
    if (r < 0) {
        shut(self, r);
        return r;
    }
    write_on(self);
    if (self->state == OPEN)
        asyncio__transport_pause_if_high(transport, self->kept.size);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ Who reads is gone */

/* A socket is readable also because of what the peer has sent. That is not for us, and would be there again and again:
 * from then on a write has to find out. Returns: whether it is gone. */
static bool has_peer_gone(struct pipe *self)
{
    char byte;
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_RECV,
        .flags = ASYNCIO_OP_NOWAIT,
        .fd = self->fd,
        .buffer = {.data = &byte, .size = 1, .flags = MSG_PEEK},
    };
    int64_t result;

    if (!self->is_socket)
        return true;
    result = perform(self->head.loop, &op);
    if (result > 0)
        self->watches_peer = false;
    return result <= 0 && result != -EAGAIN;
}

static void told_of_peer(struct asyncio_op *op);

/* Sees to it that the end is noticed. */
static void watch_peer(struct pipe *self)
{
    if (self->watches_peer && self->state != CLOSED)
        begin_poll(self, &self->readable, ASYNCIO_READABLE, told_of_peer);
}

static void look_at_peer(struct pipe *self)
{
    if (has_peer_gone(self))
        shut(self, self->kept.first ? -EPIPE : 0);
}

static void told_of_peer(struct asyncio_op *op)
{
    struct pipe *self = op->owner;

    if (is_there(self, &self->readable))
        look_at_peer(self);
    watch_peer(self);
}

/* -------------------------------------------------------------------------------------------------------- The kinds */

/* Tells the protocol, and begins. */
static void begin(struct asyncio_transport *transport)
{
    struct pipe *self = of(transport);
    int r = self->state == CLOSED ? 0 : asyncio__transport_made(transport);

    if (r < 0)
        shut(self, r);
    else if (self->state != CLOSED)
        go_on_later(self);
}

/* The node. */
static void go_on(struct asyncio_node *node)
{
    struct pipe *self = CONTAINER_OF(node, struct pipe, node);

    if (self->state == CLOSED) {
        tell_lost(self);
    } else if (self->writes) {
        if (!self->writable.is_waiting)
            write_kept(self);
        write_on(self);
        if (self->state != CLOSED && self->watches_peer && was_there(&self->readable))
            look_at_peer(self);
        watch_peer(self);
    } else {
        if (is_reading(self) && was_there(&self->readable))
            read_once(self);
        read_on(self);
    }
}

static void abort_pipe(struct asyncio_transport *transport, int error)
{
    shut(of(transport), error);
}

static void close_reader(struct asyncio_transport *transport)
{
    shut(of(transport), 0);
}

static void close_writer(struct asyncio_transport *transport)
{
    struct pipe *self = of(transport);

    if (self->state != OPEN)
        return;
    self->state = CLOSING;
    if (!self->kept.first)
        shut(self, 0);
}

static bool is_closing(const struct asyncio_transport *transport)
{
    return of_const(transport)->state != OPEN;
}

/* A poll that is under way takes nothing, and is not followed by another. */
static void pause_reading(struct asyncio_transport *transport)
{
    (void)transport;
}

static void resume_reading(struct asyncio_transport *transport)
{
    if (transport->is_made)
        read_on(of(transport));
}

static bool accepts_any(const struct asyncio_protocol_type *type)
{
    return type;
}

/* The end of what is written is the end of the transport. */
static int write_eof(struct asyncio_transport *transport)
{
    close_writer(transport);
    return 0;
}

static bool can_write_eof(const struct asyncio_transport *transport)
{
    return transport;
}

static void limits_changed(struct asyncio_transport *transport)
{
    struct pipe *self = of(transport);

    if (self->state == CLOSED || !transport->is_made)
        return;
    asyncio__transport_pause_if_high(transport, self->kept.size);
    asyncio__transport_resume_if_low(transport, self->kept.size);
}

static size_t write_buffer_size(const struct asyncio_transport *transport)
{
    return of_const(transport)->kept.size;
}

static int find_fd(const struct asyncio_transport *transport)
{
    return of_const(transport)->fd < 0 ? -ENOTCONN : of_const(transport)->fd;
}

static const struct asyncio__transport_kind read_kind = {
    .name = "read pipe",
    .begin = begin,
    .close = close_reader,
    .abort = abort_pipe,
    .is_closing = is_closing,
    .accepts = asyncio__protocol_is_of_streams,
    .pause_reading = pause_reading,
    .resume_reading = resume_reading,
    .fileno = find_fd,
};

static const struct asyncio__transport_kind write_kind = {
    .name = "write pipe",
    .begin = begin,
    .close = close_writer,
    .abort = abort_pipe,
    .is_closing = is_closing,
    .accepts = accepts_any,
    .write = write_pieces,
    .write_eof = write_eof,
    .can_write_eof = can_write_eof,
    .limits_changed = limits_changed,
    .write_buffer_size = write_buffer_size,
    .fileno = find_fd,
};

/* ------------------------------------------------------------------------------------------------------ The whole */

int asyncio__pipe_open(struct asyncio_loop *loop, int fd, enum asyncio__pipe_end end,
                       const struct asyncio__transport_options *options, struct asyncio_transport **ret_transport)
{
    struct pipe *self = asyncio__calloc(sizeof *self);
    bool writes = end == ASYNCIO__PIPE_WRITE;
    int r = self ? asyncio__transport_init(&self->head, loop, writes ? &write_kind : &read_kind, options) : -ENOMEM;

    if (r == 0) {
        self->fd = fd;
        self->writes = writes;
        self->is_socket = asyncio__pipe_is_socket(loop, fd);
        self->watches_peer = writes && asyncio__pipe_has_peer(loop, fd);
        r = begin_nonblock(self);
    }
    if (r < 0) {
        perform(loop, &(struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE, .fd = fd});
        if (self)
            asyncio__transport_discard(&self->head);
        return r;
    }
    if (self->is_socket)
        asyncio__transport_learn_names(&self->head, fd);
    asyncio_node_init(&self->node, go_on, NULL);
    list_push_back(&loop->pipes, &self->link);
    asyncio__transport_begin(&self->head);
    *ret_transport = &self->head;
    return 0;
}

/* In a forked child: nothing will be reported here. */
static void abandon(struct pipe *self, struct poll *poll)
{
    if (poll->is_waiting)
        asyncio_op_cancel(self->head.loop, &poll->op);
    poll->is_waiting = false;
}

/* The loop closes. What is not written by now stays unwritten. */
static void close_with_loop(struct pipe *self)
{
    if (asyncio__loop_forked(self->head.loop)) {
        abandon(self, &self->readable);
        abandon(self, &self->writable);
    } else if (self->kept.first) {
        asyncio__log(ASYNCIO_LOG_WARNING, "pipe closed with %zu unwritten bytes, because its event loop is (fd %d)",
                     self->kept.size, self->fd);
    }
    shut(self, self->kept.first ? -ASYNCIO_ECLOSED : 0);
}

static bool any_waiting(const struct asyncio_loop *loop)
{
    const struct asyncio_link *link;

    for (link = loop->pipes.next; link != &loop->pipes; link = link->next) {
        const struct pipe *self = CONST_CONTAINER_OF(link, struct pipe, link);

        if (self->readable.is_waiting || self->writable.is_waiting)
            return true;
    }
    return false;
}

void asyncio__pipes_close(struct asyncio_loop *loop)
{
    struct asyncio_link *link, *next;
    int r = 0;

    /* What is called here may open another. */
    while (!list_empty(&loop->pipes)) {
        LIST_FOR_EACH(link, next, &loop->pipes)
            close_with_loop(CONTAINER_OF(link, struct pipe, link));
        while (any_waiting(loop) && (r >= 0 || r == -EINTR))
            r = loop->ops->poll(loop->backend, NS_NEVER, false);
        LIST_FOR_EACH(link, next, &loop->pipes) {
            struct pipe *self = CONTAINER_OF(link, struct pipe, link);

            if (self->state != CLOSED)
                continue;
            asyncio_node_cancel(&self->node);
            tell_lost(self);
        }
    }
}
