/* test_front_end.c -- the stand-in for another language's binding in front_end/: what such a binding needs of the loop
 * is there, with tasks beside it and without. */
#include "test.h"

#include "front_end/front_end.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define NS_PER_SEC INT64_C(1000000000)
#define BINDING    "a binding of this size deals with some errors only"

static struct fe_interpreter interpreter;
static struct asyncio_loop *loop;

static bool open_interpreter(void)
{
    EXPECT_INT(new_loop(&loop), 0);
    if (!loop)
        return false;
    EXPECT_INT(fe_open(&interpreter, loop), 0);
    return true;
}

static void close_interpreter(void)
{
    EXPECT(interpreter.has_lock);
    EXPECT(!interpreter.current);
    fe_close(&interpreter);
    EXPECT_INT(asyncio_loop_close(loop), 0);
    loop = asyncio_loop_unref(loop);
}

static void say(void *self)
{
    trace("%s in %s", (const char *)self, interpreter.current ? interpreter.current->name : "no context");
}

static void stop(void *self)
{
    (void)self;
    asyncio_loop_stop(loop);
}

static void *word(const char *text)
{
    return (void *)(uintptr_t)text;
}

static void run_for(double seconds)
{
    EXPECT_INT(asyncio_loop_call_later(loop, seconds, stop, NULL), 0);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
}

/* -------------------------------------------------------------------------------------------------------- Callbacks */

TEST(front_end_calls,
     "X-01 EV-10 EV-12: callables and timers in the binding's own memory run in order and in their contexts; calling "
     "takes no memory")
{
    struct fe_context red = {"red"}, blue = {"blue"};
    struct fe_call soon, second, timer, cancelled;
    int64_t before;

    if (!open_interpreter())
        return;
    fe_call_init(&soon, &interpreter, say, word("soon"), &red);
    fe_call_init(&second, &interpreter, say, word("second"), NULL);
    fe_call_init(&timer, &interpreter, say, word("timer"), &blue);
    fe_call_init(&cancelled, &interpreter, say, word("never"), &red);
    EXPECT_INT(fe_call_at(&timer, NS_PER_SEC), 0);
    before = asyncio_allocated();
    fe_call_soon(&soon);
    fe_call_soon(&second);
    fe_call_soon(&cancelled);
    fe_cancel(&cancelled);
    EXPECT_INT(asyncio_allocated(), before);
    EXPECT_INT(fe_call_at(&cancelled, NS_PER_SEC / 2), 0);
    fe_cancel(&cancelled);
    run_for(2);
    EXPECT_TRACE("[0.000] soon in red\n[0.000] second in no context\n[1.000] timer in blue\n");
    EXPECT_INT(interpreter.n_let_go, 2);
    fe_call_soon(&soon);
    run_for(0);
    EXPECT_TRACE("[2.000] soon in red\n");
    EXPECT_INT(interpreter.n_let_go, 2);
    close_interpreter();
}

static int task(void *arg)
{
    for (int i = 0; i < 3; i++) {
        int r;

        EXPECT(interpreter.has_lock);
        trace("task in %s", interpreter.current ? interpreter.current->name : "no context");
        r = asyncio_sleep(1);
        if (r < 0)
            return r;
    }
    (void)arg;
    return 0;
}

TEST(front_end_beside_tasks, "X-01: tasks run on the same loop; the binding's contexts do not get into them")
{
    struct fe_context red = {"red"};
    struct fe_call first, second;

    if (!open_interpreter())
        return;
    fe_call_init(&first, &interpreter, say, word("first"), &red);
    fe_call_init(&second, &interpreter, say, word("second"), &red);
    EXPECT_INT(fe_call_at(&first, NS_PER_SEC), 0);
    EXPECT_INT(fe_call_at(&second, 2 * NS_PER_SEC), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, task, NULL), 0);
    EXPECT_TRACE("[0.000] task in no context\n[1.000] first in red\n[1.000] task in no context\n"
                 "[2.000] second in red\n[2.000] task in no context\n");
    fe_cancel(&first);
    fe_cancel(&second);
    close_interpreter();
}

/* ---------------------------------------------------------------------------------------------------------- Streams */

static char buffer[8];
static int n_buffers;

static void *get_buffer(void *self, size_t *ret_size)
{
    n_buffers++;
    (void)self;
    *ret_size = sizeof buffer;
    return buffer;
}

static void buffer_updated(void *self, size_t n)
{
    trace("%s: %.*s", (const char *)self, n ? (int)n : 3, n ? buffer : "end");
    memset(buffer, 0, sizeof buffer);
}

static void written(void *self, int64_t result)
{
    trace("%s: %s", (const char *)self, result < 0 ? asyncio_errorname((int)result) : "written");
}

static struct fe_stream reader = {.get_buffer = get_buffer, .buffer_updated = buffer_updated, .written = written};
static struct fe_stream writer = {.get_buffer = get_buffer, .buffer_updated = buffer_updated, .written = written};

static void open_streams(void)
{
    int fds[2];

    reader.self = word("reader");
    writer.self = word("writer");
    EXPECT_INT(fe_socketpair(&interpreter, fds), 0);
    EXPECT_INT(fe_stream_open(&reader, &interpreter, fds[0]), 0);
    EXPECT_INT(fe_stream_open(&writer, &interpreter, fds[1]), 0);
}

TEST_NO_SWEEP(front_end_streams,
              "memory to read into is asked for when something has come, memory that was written is given back",
              BINDING)
{
    static char text[] = "a text of more than eight bytes";

    test_spare(ASYNCIO__SHORT_TRANSFERS, "it counts the buffers");
    if (!open_interpreter())
        return;
    open_streams();
    run_for(1);
    EXPECT_INT(n_buffers, 0);
    fe_stream_write(&writer, text, strlen(text));
    EXPECT_TRACE("writer: written\n");
    run_for(1);
    EXPECT_TRACE(
        "[1.000] reader: a text o\n[1.000] reader: f more t\n[1.000] reader: han eigh\n[1.000] reader: t bytes\n");
    EXPECT_INT(n_buffers, 4);
    fe_stream_write(&reader, text, 6);
    run_for(1);
    EXPECT_TRACE("reader: written\n[2.000] writer: a text\n");
    fe_stream_close(&writer);
    run_for(1);
    EXPECT_TRACE("[3.000] reader: end\n");
    fe_stream_write(&reader, text, 4);
    EXPECT_TRACE("reader: EPIPE\n");
    fe_stream_close(&reader);
    close_interpreter();
}

static size_t n_counted;

static void count_bytes(void *self, size_t n)
{
    (void)self;
    n_counted += n;
}

TEST_NO_SWEEP(front_end_writes_much,
              "a write that the socket cannot take at once goes on by itself, and is given back once", BINDING)
{
    static char much[1000000];
    /* The simulator's buffers hold 64 KiB; the kernel's hold few small pieces, too. */
    size_t size = test_hostile() ? sizeof much / 10 : sizeof much;

    test_needs_seconds(20);
    if (!open_interpreter())
        return;
    open_streams();
    reader.buffer_updated = count_bytes;
    fe_stream_write(&writer, much, size);
    EXPECT_TRACE("");
    run_for(1);
    EXPECT_TRACE("[0.000] writer: written\n");
    EXPECT_INT(n_counted, size);
    fe_stream_close(&reader);
    fe_stream_close(&writer);
    close_interpreter();
}

/* ------------------------------------------------------------------------------------------------- Threads, signals */

static struct fe_call from_thread;

static void from_thread_runs(void *self)
{
    say(self);
    stop(NULL);
}

static void *post(void *arg)
{
    struct timeval moment = {.tv_usec = 20000};

    (void)arg;
    select(0, NULL, NULL, NULL, &moment);
    EXPECT_INT(fe_call_threadsafe(&from_thread), 0);
    return NULL;
}

TEST_REAL(front_end_thread,
          "EV-11: a thread's callable ends the wait and runs in its context, when the lock has been taken again")
{
    struct fe_context red = {"red"};
    pthread_t thread;

    open_interpreter();
    fe_call_init(&from_thread, &interpreter, from_thread_runs, word("from a thread"), &red);
    pthread_create(&thread, NULL, post, NULL);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    pthread_join(thread, NULL);
    EXPECT_TRACE("from a thread in red\n");
    EXPECT_INT(interpreter.n_let_go, 1);
    close_interpreter();
}

static void on_alarm(int signal_number)
{
    interpreter.signal = signal_number;
}

static void alarm_in_ms(int ms)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval timer = {.it_value.tv_usec = 1000 * ms};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

TEST_REAL(front_end_signal,
          "EV-15: a signal while the loop blocks reaches the language's handlers, and what they raise ends the run")
{
    struct fe_call timer;

    open_interpreter();
    fe_call_init(&timer, &interpreter, stop, NULL, NULL);
    EXPECT_INT(fe_call_at(&timer, asyncio_loop_now_ns(loop) + 60 * NS_PER_SEC), 0);
    interpreter.raised = -EINTR;
    alarm_in_ms(20);
    EXPECT_INT(asyncio_loop_run_forever(loop), -EINTR);
    EXPECT_INT(interpreter.signal, 0);
    fe_cancel(&timer);
    EXPECT_INT(fe_call_at(&timer, asyncio_loop_now_ns(loop) + NS_PER_SEC / 20), 0);
    interpreter.raised = 0;
    alarm_in_ms(10);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    close_interpreter();
}

/* --------------------------------------------------------------------------------------------------- A foreign loop */

static int window[2];
static bool done;
static struct fe_call late;

static void window_is_ready(void *self)
{
    char byte = 0;

    EXPECT_INT(read(window[0], &byte, 1), 1);
    trace("%s: %c", (const char *)self, byte);
    fe_stream_write(&writer, "to all", 6);
}

static void last_call(void *self)
{
    say(self);
    done = true;
}

static void window_event(void *self)
{
    say(self);
    EXPECT_INT(write(window[1], "w", 1), 1);
}

static void *post_then_arm(void *arg)
{
    struct timeval moment = {.tv_usec = 60000};

    (void)arg;
    select(0, NULL, NULL, NULL, &moment);
    EXPECT_INT(fe_call_threadsafe(&late), 0);
    return NULL;
}

TEST_REAL(
    front_end_in_foreign_loop,
    "EV-02 EV-15: driven by another loop through its fd and next deadline: callables, timers, streams and threads "
    "all come")
{
    struct fe_call soon, timer;
    pthread_t thread;

    test_spare(ASYNCIO__SHORT_TRANSFERS, "it counts the waits");
    open_interpreter();
    open_streams();
    EXPECT_INT(pipe(window), 0);
    fe_call_init(&soon, &interpreter, say, word("soon"), NULL);
    fe_call_init(&timer, &interpreter, window_event, word("timer"), NULL);
    fe_call_init(&late, &interpreter, last_call, word("from a thread"), NULL);
    fe_call_soon(&soon);
    EXPECT_INT(fe_call_at(&timer, asyncio_loop_now_ns(loop) + NS_PER_SEC / 50), 0);
    pthread_create(&thread, NULL, post_then_arm, NULL);
    EXPECT_INT(fe_run_in_foreign_loop(&interpreter, window[0], window_is_ready, word("window"), &done), 0);
    pthread_join(thread, NULL);
    EXPECT_TRACE("soon in no context\ntimer in no context\nwindow: w\nwriter: written\nreader: to all\n"
                 "from a thread in no context\n");
    /* It waits for things to come, and does not look for them all the time. */
    EXPECT(interpreter.n_let_go < 20);
    fe_stream_close(&reader);
    fe_stream_close(&writer);
    close(window[0]);
    close(window[1]);
    close_interpreter();
}

static int sleep_three_times(void *arg)
{
    for (int i = 0; i < 3; i++) {
        int r = asyncio_sleep(0.005);

        if (r < 0)
            return r;
        trace("slept");
    }
    *(bool *)arg = true;
    return 0;
}

static void nothing_there(void *self)
{
    FAIL("%s is ready", (const char *)self);
}

TEST_REAL(tasks_in_foreign_loop, "EV-02: a foreign loop drives tasks, too")
{
    struct asyncio_future *sleeper;

    open_interpreter();
    EXPECT_INT(pipe(window), 0);
    sleeper = asyncio_loop_create_task(loop, sleep_three_times, &done);
    EXPECT_INT(fe_run_in_foreign_loop(&interpreter, window[0], nothing_there, word("the pipe"), &done), 0);
    EXPECT_INT(asyncio_future_result(sleeper), 0);
    asyncio_future_unref(sleeper);
    EXPECT_TRACE("slept\nslept\nslept\n");
    close(window[0]);
    close(window[1]);
    close_interpreter();
}

TEST_SIM(front_end_in_the_simulator, "the simulator has no fd for a foreign loop, and says so")
{
    if (!open_interpreter())
        return;
    EXPECT_INT(fe_run_in_foreign_loop(&interpreter, -1, nothing_there, NULL, &done), -EOPNOTSUPP);
    close_interpreter();
}
