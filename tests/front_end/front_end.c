/* front_end.c -- see front_end.h. Public headers only. */
#include "front_end.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#define OBJECT_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* ------------------------------------------------------------------------------------------------------------ Hooks */

static void let_lock_go(void *arg)
{
    struct fe_interpreter *interpreter = arg;

    assert(interpreter->has_lock);
    interpreter->has_lock = false;
    interpreter->n_let_go++;
}

static void take_lock(void *arg)
{
    struct fe_interpreter *interpreter = arg;

    assert(!interpreter->has_lock);
    interpreter->has_lock = true;
}

static void enter_context(void *arg, void *context)
{
    struct fe_interpreter *interpreter = arg;

    assert(!interpreter->current);
    interpreter->current = context;
}

static void leave_context(void *arg, void *context)
{
    struct fe_interpreter *interpreter = arg;

    assert(interpreter->current == context);
    interpreter->current = NULL;
}

/* Where the language runs its own handlers of signals. */
static int run_signal_handlers(void *arg)
{
    struct fe_interpreter *interpreter = arg;

    assert(interpreter->has_lock);
    if (!interpreter->signal)
        return 0;
    interpreter->signal = 0;
    return interpreter->raised;
}

int fe_open(struct fe_interpreter *interpreter, struct asyncio_loop *loop)
{
    struct asyncio_hooks hooks = {
        .size = sizeof hooks,
        .arg = interpreter,
        .before_block = let_lock_go,
        .after_block = take_lock,
        .enter = enter_context,
        .leave = leave_context,
        .interrupted = run_signal_handlers,
    };

    *interpreter = (struct fe_interpreter){.loop = asyncio_loop_ref(loop), .has_lock = true};
    return asyncio_loop_set_hooks(loop, &hooks);
}

void fe_close(struct fe_interpreter *interpreter)
{
    int r = 0;

    /* What was cancelled too late comes back in a poll. */
    while (interpreter->n_watched > 0 && r >= 0)
        r = asyncio_loop_run_once(interpreter->loop, 0);
    interpreter->loop = asyncio_loop_unref(interpreter->loop);
}

/* -------------------------------------------------------------------------------------------------------- Callbacks */

static void call_runs(struct asyncio_node *node)
{
    struct fe_call *call = OBJECT_OF(node, struct fe_call, timer.node);

    assert(call->interpreter->has_lock);
    assert(call->interpreter->current == node->context);
    call->function(call->self);
}

void fe_call_init(struct fe_call *call, struct fe_interpreter *interpreter, void (*function)(void *self), void *self,
                  struct fe_context *context)
{
    *call = (struct fe_call){.interpreter = interpreter, .function = function, .self = self};
    asyncio_node_init(&call->timer.node, call_runs, context);
}

void fe_call_soon(struct fe_call *call)
{
    asyncio_loop_schedule(call->interpreter->loop, &call->timer.node);
}

int fe_call_at(struct fe_call *call, int64_t when_ns)
{
    return asyncio_timer_arm(call->interpreter->loop, &call->timer, when_ns);
}

int fe_call_threadsafe(struct fe_call *call)
{
    return asyncio_loop_post(call->interpreter->loop, &call->timer.node);
}

void fe_cancel(struct fe_call *call)
{
    asyncio_timer_disarm(call->interpreter->loop, &call->timer);
}

/* ---------------------------------------------------------------------------------------------------------- Streams */

static void watch_stream(struct fe_stream *stream);

/* Something can be read: only now the language is asked where to. The watch is over, so that the direction is free. */
static void read_stream(struct fe_stream *stream)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_RECV, .flags = ASYNCIO_OP_NOWAIT, .fd = stream->fd};

    op.buffer.data = stream->get_buffer(stream->self, &op.buffer.size);
    asyncio_op_submit(stream->interpreter->loop, &op);
    if (op.result > 0 || op.result == -EAGAIN)
        watch_stream(stream);
    /* There is nothing, though something was said to be there. */
    if (op.result == -EAGAIN)
        return;
    stream->buffer_updated(stream->self, op.result < 0 ? 0 : (size_t)op.result);
}

static void can_be_read(struct asyncio_op *ready)
{
    struct fe_stream *stream = ready->owner;
    bool wanted = stream->watching;

    stream->watching = false;
    stream->interpreter->n_watched--;
    if (wanted && ready->result >= 0)
        read_stream(stream);
}

static void still_readable(struct asyncio_node *node)
{
    read_stream(OBJECT_OF(node, struct fe_stream, again));
}

/* What can be read at once is read in the next turn, so that a busy stream does not keep the others waiting. */
static void watch_stream(struct fe_stream *stream)
{
    stream->ready = (struct asyncio_op){
        .complete = can_be_read,
        .owner = stream,
        .opcode = ASYNCIO_OP_POLL,
        .fd = stream->fd,
        .poll.events = ASYNCIO_READABLE,
    };
    stream->watching = !asyncio_op_submit(stream->interpreter->loop, &stream->ready);
    stream->interpreter->n_watched += stream->watching;
    if (!stream->watching && stream->ready.result >= 0)
        asyncio_loop_schedule(stream->interpreter->loop, &stream->again);
}

int fe_stream_open(struct fe_stream *stream, struct fe_interpreter *interpreter, int fd)
{
    stream->interpreter = interpreter;
    stream->fd = fd;
    asyncio_node_init(&stream->again, still_readable, NULL);
    watch_stream(stream);
    return !stream->watching && stream->ready.result < 0 ? (int)stream->ready.result : 0;
}

static void send_rest(struct fe_stream *stream);

/* Returns: true when there is more to send. */
static bool was_sent(struct fe_stream *stream)
{
    int64_t n = stream->sending.result;

    if (n < 0) {
        stream->written(stream->self, n);
        return false;
    }
    stream->rest += n;
    stream->left -= (size_t)n;
    if (stream->left > 0)
        return true;
    stream->written(stream->self, 0);
    return false;
}

static void sent_later(struct asyncio_op *op)
{
    struct fe_stream *stream = op->owner;

    if (was_sent(stream))
        send_rest(stream);
}

static void send_rest(struct fe_stream *stream)
{
    do
        stream->sending = (struct asyncio_op){
            .complete = sent_later,
            .owner = stream,
            .opcode = ASYNCIO_OP_SEND,
            .fd = stream->fd,
            .buffer = {(void *)(uintptr_t)stream->rest, stream->left, 0},
        };
    while (asyncio_op_submit(stream->interpreter->loop, &stream->sending) && was_sent(stream));
}

void fe_stream_write(struct fe_stream *stream, const char *data, size_t size)
{
    stream->rest = data;
    stream->left = size;
    send_rest(stream);
}

void fe_stream_close(struct fe_stream *stream)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_CLOSE, .fd = stream->fd};

    asyncio_node_cancel(&stream->again);
    if (stream->watching && asyncio_op_cancel(stream->interpreter->loop, &stream->ready))
        stream->interpreter->n_watched--;
    stream->watching = false;
    asyncio_op_submit(stream->interpreter->loop, &op);
    stream->fd = -1;
}

int fe_socketpair(struct fe_interpreter *interpreter, int ret_fds[2])
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SOCKETPAIR, .make = {AF_UNIX, SOCK_STREAM, 0, {-1, -1}}};

    asyncio_op_submit(interpreter->loop, &op);
    memcpy(ret_fds, op.make.fds, sizeof op.make.fds);
    return (int)op.result;
}

/* --------------------------------------------------------------------------------------------------- A foreign loop */

/* Milliseconds until a time of the loop's clock, for poll(2); rounded up, so that nothing is early. */
static int ms_until(struct asyncio_loop *loop, int64_t deadline_ns)
{
    int64_t span_ns = deadline_ns - asyncio_loop_now_ns(loop);

    if (deadline_ns == INT64_MAX)
        return -1;
    return span_ns <= 0 ? 0 : span_ns > INT64_C(60000000000) ? 60000 : (int)((span_ns + 999999) / 1000000);
}

int fe_run_in_foreign_loop(struct fe_interpreter *interpreter, int other, void (*other_ready)(void *self), void *self,
                           const bool *done)
{
    struct pollfd queries[2] = {{asyncio_loop_fd(interpreter->loop), POLLIN, 0}, {other, POLLIN, 0}};
    int r = queries[0].fd < 0 ? queries[0].fd : 0;

    while (r >= 0 && !*done) {
        let_lock_go(interpreter);
        r = poll(queries, 2, ms_until(interpreter->loop, asyncio_loop_next_deadline(interpreter->loop)));
        take_lock(interpreter);
        if (r < 0)
            r = errno == EINTR ? run_signal_handlers(interpreter) : -errno;
        else if (queries[1].revents)
            other_ready(self);
        /* A look is cheap, and the deadline may be what ended the wait. */
        if (r >= 0)
            r = asyncio_loop_run_once(interpreter->loop, 0);
    }
    return r < 0 ? r : 0;
}
