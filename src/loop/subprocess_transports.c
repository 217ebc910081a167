/* subprocess_transports.c -- transports over a child: one for the whole, whose protocol is told what comes through the
 * pipes and how the child ends, and below it one for each pipe, as src/loop/pipes.c has them.
 *
 * Invariants:
 *   - connection_made comes first: the transport begins in the same turn as its pipes, and before them, and a child
 *     that ends before that is told of afterwards;
 *   - connection_lost comes last, in a later turn than process_exited and the pipe_connection_lost of every pipe;
 *   - what closes the transport kills a child that runs. Nothing else does: a child that is still running when the loop
 *     closes goes on. */
#include "subprocess_transports.h"

#include "../base/mem.h"
#include "loop.h"
#include "pipes.h"

#include <fcntl.h>
#include <signal.h>

struct subprocess;

/* The pipe of one standard stream. */
struct end {
    struct asyncio_protocol protocol;
    struct subprocess *whole;
    struct asyncio_transport *pipe; /* NULL: there is none, or no more */
    int error;                      /* that it was lost with */
    bool is_terminal;
};

struct subprocess {
    struct asyncio_transport head;
    struct asyncio_link link; /* in the loop's list, so that the loop's close finds it */
    struct asyncio_node node; /* tells of the child's end, or of the transport's */
    struct asyncio__child *child;
    struct end ends[3];
    int error; /* what stood against opening it */
    bool is_closing;
    bool has_exited; /* the child, and `exited` was called */
    bool exit_told;
};

static struct subprocess *of(struct asyncio_transport *transport)
{
    return CONTAINER_OF(transport, struct subprocess, head);
}

static struct end *end_of(struct asyncio_protocol *protocol)
{
    return CONTAINER_OF(protocol, struct end, protocol);
}

static int number_of(const struct end *end)
{
    return (int)(end - end->whole->ends);
}

static void go_on_later(struct subprocess *self)
{
    if (!list_linked(&self->node.link))
        asyncio__schedule(self->head.loop, &self->node);
}

static bool has_pipes(const struct subprocess *self)
{
    return self->ends[0].pipe || self->ends[1].pipe || self->ends[2].pipe;
}

/* -------------------------------------------------------------------------------------------------------- The pipes */

static void pipe_data_received(struct asyncio_protocol *protocol, const void *data, size_t size)
{
    struct end *end = end_of(protocol);

    asyncio__protocol_pipe_data_received(&end->whole->head, number_of(end), data, size);
}

/* The end of a terminal is an error to the kernel. */
static void pipe_connection_lost(struct asyncio_protocol *protocol, int error)
{
    struct end *end = end_of(protocol);

    end->error = end->is_terminal && error == -EIO ? 0 : error;
}

/* Whether or not it had begun. */
static void pipe_lost(struct asyncio_transport *pipe, void *owner)
{
    struct end *end = owner;
    struct subprocess *self = end->whole;

    (void)pipe;
    end->pipe = NULL;
    if (self->head.is_made)
        asyncio__protocol_pipe_connection_lost(&self->head, number_of(end), end->error);
    go_on_later(self);
}

static void pause_writing(struct asyncio_protocol *protocol)
{
    asyncio__protocol_pause_writing(&end_of(protocol)->whole->head);
}

static void resume_writing(struct asyncio_protocol *protocol)
{
    asyncio__protocol_resume_writing(&end_of(protocol)->whole->head);
}

static const struct asyncio_protocol_type end_type = {
    .size = sizeof end_type,
    .name = "pipe of a child",
    .connection_lost = pipe_connection_lost,
    .pause_writing = pause_writing,
    .resume_writing = resume_writing,
    .data_received = pipe_data_received,
};

/* ---------------------------------------------------------------------------------------------------------- The end */

/* What the child was can still be asked for in connection_lost. */
static void end_all(struct subprocess *self, int error)
{
    asyncio_node_cancel(&self->node);
    list_remove(&self->link);
    asyncio__transport_hold(&self->head);
    asyncio__transport_lost(&self->head, error);
    asyncio__child_let_go(self->child);
    self->child = NULL;
    asyncio__transport_drop(&self->head);
}

static void exited(struct asyncio__child *child, void *arg)
{
    struct subprocess *self = arg;

    (void)child;
    self->has_exited = true;
    go_on_later(self);
}

/* That nobody has a terminal open any more is told to who reads from it, but not to who writes. So once the child has
 * ended its input goes with what is read of it. */
static void end_input_of_terminal(struct subprocess *self)
{
    bool is_read = false;

    for (int i = 1; i < 3; i++)
        is_read |= self->ends[i].is_terminal && self->ends[i].pipe;
    if (self->ends[0].is_terminal && !is_read)
        asyncio_transport_abort(self->ends[0].pipe);
}

/* The node. It runs in a later turn than `begin`, because it is scheduled by what comes no earlier than that. */
static void go_on(struct asyncio_node *node)
{
    struct subprocess *self = CONTAINER_OF(node, struct subprocess, node);

    if (self->has_exited && !self->exit_told) {
        self->exit_told = true;
        if (self->head.is_made)
            asyncio__protocol_process_exited(&self->head);
        go_on_later(self);
    } else if (self->exit_told && !has_pipes(self)) {
        end_all(self, self->error);
    } else if (self->exit_told) {
        end_input_of_terminal(self);
    }
}

static void close_all(struct subprocess *self, void (*close_one)(struct asyncio_transport *transport))
{
    self->is_closing = true;
    for (int i = 0; i < 3; i++)
        close_one(self->ends[i].pipe);
    asyncio__child_send_signal(self->child, SIGKILL);
    go_on_later(self);
}

static void close_gracefully(struct asyncio_transport *transport)
{
    if (!of(transport)->is_closing)
        close_all(of(transport), asyncio_transport_close);
}

static void abort_all(struct asyncio_transport *transport, int error)
{
    if (error < 0)
        of(transport)->error = error;
    close_all(of(transport), asyncio_transport_abort);
}

/* -------------------------------------------------------------------------------------------------------- The kind */

/* Tells the protocol, after which the pipes begin; what was met before is told now. */
static void begin(struct asyncio_transport *transport)
{
    struct subprocess *self = of(transport);
    int r = 0;

    if (self->error < 0)
        asyncio__transport_tell(transport, self->error);
    if (self->is_closing)
        return;
    r = asyncio__transport_made(transport);
    if (r < 0)
        abort_all(transport, r);
}

static bool is_closing(const struct asyncio_transport *transport)
{
    return CONST_CONTAINER_OF(transport, struct subprocess, head)->is_closing;
}

/* All that it calls may be absent. */
static bool accepts(const struct asyncio_protocol_type *type)
{
    return type;
}

static int find_fd(const struct asyncio_transport *transport)
{
    (void)transport;
    return -ENOTCONN;
}

static const struct asyncio__transport_kind subprocess_kind = {
    .name = "subprocess",
    .begin = begin,
    .close = close_gracefully,
    .abort = abort_all,
    .is_closing = is_closing,
    .accepts = accepts,
    .fileno = find_fd,
};

/* -------------------------------------------------------------------------------------------------------- Beginning */

static int open_end(struct subprocess *self, int i, int fd)
{
    struct end *end = &self->ends[i];
    struct asyncio__transport_options options = {.protocol = &end->protocol, .lost = pipe_lost, .owner = end};

    end->protocol.type = &end_type;
    end->whole = self;
    return asyncio__pipe_open(self->head.loop, fd, i == 0 ? ASYNCIO__PIPE_WRITE : ASYNCIO__PIPE_READ, &options,
                              &end->pipe);
}

/* Opens the pipe of a standard stream, or its part of the terminal: a duplicate, as every pipe closes its own. What is
 * read of the terminal is read once. */
static int open_one(struct subprocess *self, struct asyncio__child_pipes *pipes, int i)
{
    bool is_terminal = pipes->terminal >= 0 && pipes->theirs[i] == pipes->terminal;
    int fd = pipes->ours[i];

    if (is_terminal && !(i == 2 && self->ends[1].is_terminal)) {
        fd = fcntl(pipes->controller, F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return -errno;
        self->ends[i].is_terminal = true;
    }
    pipes->ours[i] = -1;
    return fd < 0 ? 0 : open_end(self, i, fd);
}

/* What fails from here on is met when it begins. */
static void open_ends(struct subprocess *self, struct asyncio__child_pipes *pipes)
{
    int r = 0;

    for (int i = 0; i < 3 && r == 0; i++)
        r = open_one(self, pipes, i);
    if (r < 0)
        abort_all(&self->head, r);
}

int asyncio__subprocess_open(struct asyncio_loop *loop, const struct asyncio__spawn *what,
                             struct asyncio__child_pipes *pipes, const struct asyncio__transport_options *options,
                             struct asyncio_transport **ret_transport, struct asyncio__spawn_failure *ret_failure)
{
    struct subprocess *self = asyncio__calloc(sizeof *self);
    int r = self ? asyncio__transport_init(&self->head, loop, &subprocess_kind, options) : -ENOMEM;

    if (r == 0)
        r = asyncio__child_start(loop, what, exited, self, &self->child, ret_failure);
    if (r < 0) {
        if (self)
            asyncio__transport_discard(&self->head);
        return r;
    }
    asyncio_node_init(&self->node, go_on, NULL);
    list_push_back(&loop->subprocesses, &self->link);
    asyncio__transport_begin(&self->head);
    open_ends(self, pipes);
    *ret_transport = &self->head;
    return 0;
}

/* The loop closes, and the pipes are closed. A child that is still running goes on. */
void asyncio__subprocesses_close(struct asyncio_loop *loop)
{
    while (!list_empty(&loop->subprocesses)) {
        struct subprocess *self = CONTAINER_OF(loop->subprocesses.next, struct subprocess, link);

        end_all(self, self->child->ended ? self->error : -ASYNCIO_ECLOSED);
    }
}

/* -------------------------------------------------------------------------------------------------------- Questions */

static struct subprocess *find(const struct asyncio_transport *transport)
{
    struct subprocess *self;

    if (!transport || transport->kind != &subprocess_kind)
        return NULL;
    self = of((struct asyncio_transport *)(uintptr_t)transport);
    return self->child ? self : NULL;
}

int asyncio_transport_get_pid(const struct asyncio_transport *transport)
{
    const struct subprocess *self = find(transport);

    return self ? self->child->pid : -EINVAL;
}

bool asyncio_transport_get_returncode(const struct asyncio_transport *transport, int *ret_returncode)
{
    const struct subprocess *self = find(transport);

    if (!self || !self->child->ended)
        return false;
    if (ret_returncode)
        *ret_returncode = self->child->returncode;
    return true;
}

struct asyncio_transport *asyncio_transport_get_pipe_transport(const struct asyncio_transport *transport, int fd)
{
    const struct subprocess *self = find(transport);

    return self && fd >= 0 && fd < 3 ? self->ends[fd].pipe : NULL;
}

int asyncio_transport_send_signal(struct asyncio_transport *transport, int signal)
{
    const struct subprocess *self = find(transport);

    return self ? asyncio__child_send_signal(self->child, signal) : -EINVAL;
}

int asyncio_transport_terminate(struct asyncio_transport *transport)
{
    return asyncio_transport_send_signal(transport, SIGTERM);
}

int asyncio_transport_kill(struct asyncio_transport *transport)
{
    return asyncio_transport_send_signal(transport, SIGKILL);
}
