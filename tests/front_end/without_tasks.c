/* without_tasks.c -- a program of the four lower floors alone, and the front end on them: it links only if nothing
 * there refers to tasks, and shows that a loop, timers, watched fds, streams and transports work when floors 4 and 5
 * were never there. */
#include "front_end.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct fe_interpreter interpreter;
static int n_failed, n_passed;
static int pipe_fds[2];
static char seen[200];

static void expect(bool holds, const char *what)
{
    printf("%s %s\n", holds ? "ok" : "not ok", what);
    n_failed += !holds;
    n_passed += holds;
}

static void note(const char *what)
{
    snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s ", what);
}

static void say(void *self)
{
    note(self);
}

static void pipe_is_readable(void *arg)
{
    char byte;

    (void)arg;
    if (read(pipe_fds[0], &byte, 1) == 1 && byte == 'p')
        note("reader");
    asyncio_loop_remove_reader(interpreter.loop, pipe_fds[0]);
}

static void stop(void *self)
{
    (void)self;
    asyncio_loop_stop(interpreter.loop);
}

static void *get_buffer(void *self, size_t *ret_size)
{
    *ret_size = 16;
    return self;
}

static void buffer_updated(void *self, size_t n)
{
    note(n == 1 ? self : "wrong");
}

static void written(void *self, int64_t result)
{
    (void)self;
    note(result == 0 ? "written" : "not written");
}

static int run_all(void)
{
    static char incoming[17];
    static struct fe_stream reader = {.self = incoming, .get_buffer = get_buffer, .buffer_updated = buffer_updated};
    static struct fe_stream writer = {.written = written};
    struct fe_call first, second, third;
    int64_t now_ns = asyncio_loop_now_ns(interpreter.loop);
    char soon[] = "soon", timer[] = "timer", data[] = "x";
    int fds[2];

    fe_call_init(&first, &interpreter, say, soon, NULL);
    fe_call_init(&second, &interpreter, say, timer, NULL);
    fe_call_init(&third, &interpreter, stop, NULL, NULL);
    fe_call_soon(&first);
    if (fe_call_at(&second, now_ns + 20000000) < 0 || fe_call_at(&third, now_ns + 30000000) < 0)
        return -ENOMEM;
    if (pipe(pipe_fds) < 0 || fe_socketpair(&interpreter, fds) < 0)
        return -EMFILE;
    if (asyncio_loop_add_reader(interpreter.loop, pipe_fds[0], pipe_is_readable, NULL) < 0)
        return -EINVAL;
    if (write(pipe_fds[1], "p", 1) != 1 || fe_stream_open(&reader, &interpreter, fds[0]) < 0)
        return -EIO;
    writer.interpreter = &interpreter;
    writer.fd = fds[1];
    asyncio_node_init(&writer.again, NULL, NULL);
    fe_stream_write(&writer, data, 1);
    asyncio_loop_run_forever(interpreter.loop);
    fe_stream_close(&reader);
    fe_stream_close(&writer);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------ Transports */

/* One end of a connection: says a word, and both close when it has arrived. */
struct end {
    struct asyncio_protocol protocol;
    const char *name, *word;
    size_t n_received;
    struct asyncio_transport *transport;
};

static int n_open;

static void made(struct asyncio_protocol *protocol, struct asyncio_transport *transport)
{
    struct end *end = (struct end *)protocol;

    end->transport = transport;
    n_open++;
    if (end->word)
        asyncio_transport_write(transport, end->word, strlen(end->word));
}

static void received(struct asyncio_protocol *protocol, const void *data, size_t size)
{
    struct end *end = (struct end *)protocol;

    if (end->n_received + size > 4 || memcmp(data, &"word"[end->n_received], size) != 0)
        note("wrong");
    end->n_received += size;
    if (end->n_received == 4) {
        note("word");
        asyncio_transport_close(end->transport);
    }
}

static void lost(struct asyncio_protocol *protocol, int error)
{
    note(error ? "failed" : ((struct end *)protocol)->name);
    if (--n_open == 0)
        asyncio_loop_stop(interpreter.loop);
}

static const struct asyncio_protocol_type end_type = {
    .size = sizeof(struct asyncio_protocol_type),
    .connection_made = made,
    .connection_lost = lost,
    .data_received = received,
};

static int run_transports(void)
{
    static struct end client = {{&end_type}, "client", "word", 0, NULL};
    static struct end server = {{&end_type}, "server", NULL, 0, NULL};
    struct asyncio_transport *transport;
    int fds[2], r;

    seen[0] = '\0';
    if (fe_socketpair(&interpreter, fds) < 0)
        return -EMFILE;
    r = asyncio_transport_open(interpreter.loop, fds[0], &client.protocol, &transport);
    if (r == 0)
        r = asyncio_transport_open(interpreter.loop, fds[1], &server.protocol, &transport);
    if (r == 0)
        asyncio_loop_run_forever(interpreter.loop);
    return r;
}

int main(void)
{
    struct asyncio_loop *loop;

    if (asyncio_new_event_loop(&loop, .backend = "epoll") < 0 || fe_open(&interpreter, loop) < 0)
        return 1;
    expect(run_all() == 0, "loop-without-tasks-runs");
    /* What the stream had to say comes in a poll, perhaps the second; the reader and the callback in their turn. */
    expect(strcmp(seen, "written x soon reader timer ") == 0 || strcmp(seen, "written soon reader x timer ") == 0,
           "loop-without-tasks-order");
    if (n_failed)
        printf("# seen: %s\n", seen);
    expect(run_transports() == 0, "transports-without-tasks-run");
    expect(strcmp(seen, "word server client ") == 0, "transports-without-tasks-order");
    if (n_failed)
        printf("# seen: %s\n", seen);
    expect(interpreter.n_let_go >= 1 && interpreter.has_lock, "loop-without-tasks-lets-the-lock-go");
    fe_close(&interpreter);
    expect(asyncio_loop_close(loop) == 0, "loop-without-tasks-closes");
    asyncio_loop_unref(loop);
    expect(asyncio_allocated() == 0, "loop-without-tasks-gives-memory-back");
    printf("# %d passed, %d failed, 0 skipped\n", n_passed, n_failed);
    return n_failed > 0;
}
