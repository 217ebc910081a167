/* What every back end promises, and which one is chosen. */
#include "rig.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* -------------------------------------------------------------------------------------------------------- Choosing */

static const char *chosen(const char *asked)
{
    const struct asyncio_backend_ops *found = NULL;
    const char *options = NULL, *reason = NULL;
    static char text[200];
    int r = asyncio__backend_choose(asked, &found, &options, &reason);

    snprintf(text, sizeof text, "%d %s [%s] %s", r, found ? found->name : "-", options ? options : "-", reason);
    return text;
}

TEST_NO_SWEEP(choose_by_argument, "the back end that the program asks for, with its options", RIG)
{
    setenv("ASYNCIO_BACKEND", "nonsense", 1);
    EXPECT_STR(chosen("epoll"), "0 epoll [-] asked for by the program");
    EXPECT_STR(chosen("sim:7,short=3"), "0 sim [7,short=3] asked for by the program");
    EXPECT_STR(chosen("sim:"), "0 sim [] asked for by the program");
}

TEST_NO_SWEEP(choose_by_environment, "else the one that $ASYNCIO_BACKEND names, else the best", RIG)
{
    setenv("ASYNCIO_BACKEND", "sim:3", 1);
    EXPECT_STR(chosen(NULL), "0 sim [3] asked for by ASYNCIO_BACKEND");
    setenv("ASYNCIO_BACKEND", "", 1);
    EXPECT_STR(chosen(NULL), "0 epoll [-] the default; ASYNCIO_BACKEND=uring asks for io_uring");
    unsetenv("ASYNCIO_BACKEND");
    EXPECT_STR(chosen(NULL), "0 epoll [-] the default; ASYNCIO_BACKEND=uring asks for io_uring");
}

TEST_NO_SWEEP(choose_unknown, "an unknown name is an error that says what is known", RIG)
{
    static const char *const names[] = {"", ":", "epol", "epolll", "simulator", "SIM:1", "sim,1", "kqueue"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        EXPECT_STR(chosen(names[i]), "-22 - [-] no such back end: auto, epoll, uring and sim:SEED are known");
}

TEST_NO_SWEEP(tables_are_complete, "every back end has a name and every function", RIG)
{
    const struct asyncio_backend_ops *const *all = asyncio_backends();

    for (; *all; all++) {
        EXPECT_INT((*all)->size, sizeof **all);
        EXPECT((*all)->name && (*all)->open && (*all)->close && (*all)->now && (*all)->submit && (*all)->cancel);
        EXPECT((*all)->poll && (*all)->wake && (*all)->release && (*all)->fd && (*all)->pending);
    }
}

TEST_NO_SWEEP(bad_options, "an option that is not known is refused, and nothing leaks", RIG)
{
    const char *options, *reason;

    EXPECT_INT(asyncio__backend_choose(test_backend(), &ops, &options, &reason), 0);
    EXPECT_INT(ops->open(&backend, "fast", 0), -EINVAL);
    EXPECT_INT(ops->open(&backend, "1,,", 0), -EINVAL);
    EXPECT_PTR(backend, NULL);
}

TEST_NO_SWEEP(open_without_memory, "opening fails cleanly when any allocation does", RIG)
{
    const char *options, *reason;
    int failures = 0, r;

    EXPECT_INT(asyncio__backend_choose(test_backend(), &ops, &options, &reason), 0);
    do {
        asyncio_fail_allocation(failures, 1);
        r = ops->open(&backend, options, 0);
        failures += r == -ENOMEM;
    } while (r == -ENOMEM);
    asyncio_fail_allocation(-1, 0);
    EXPECT_INT(r, 0);
    EXPECT(failures > 0);
    close_rig();
}

/* ------------------------------------------------------------------------------------------------- Time and waking */

TEST_NO_SWEEP(never_early, "D-02: a poll does not end before its deadline", RIG)
{
    static const int64_t spans_ns[] = {1, 1000, 50000, 999999, 1000000, 1000001, 3500000};

    open_rig(test_backend());
    for (size_t i = 0; i < sizeof spans_ns / sizeof spans_ns[0]; i++) {
        int64_t deadline_ns = ops->now(backend) + spans_ns[i];

        EXPECT_INT(ops->poll(backend, deadline_ns, false), 0);
        EXPECT(ops->now(backend) >= deadline_ns);
    }
    close_rig();
}

TEST_NO_SWEEP(past_deadline_only_looks, "EV-02: a poll whose deadline is over does not block", RIG)
{
    int fds[2];
    struct probe reader = {0};

    open_rig(test_backend());
    EXPECT_INT(ops->poll(backend, INT64_MIN, false), 0);
    EXPECT_INT(ops->poll(backend, 0, true), 0);
    EXPECT_INT(ops->poll(backend, ops->now(backend), false), 0);
    make_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    EXPECT_INT(ops->poll(backend, ops->now(backend), true), 0);
    EXPECT_INT(ops->poll(backend, 0, false), 0);
    EXPECT(ops->cancel(backend, &reader.op));
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(wake_before_poll, "EV-15: a wake ends the next poll, however often it came", RIG)
{
    open_rig(test_backend());
    for (int i = 0; i < 1000; i++)
        ops->wake(backend);
    EXPECT_INT(ops->poll(backend, INT64_MAX, false), 0);
    ops->wake(backend);
    EXPECT_INT(ops->poll(backend, INT64_MAX, true), 0);
    ops->wake(backend);
    look();
    close_rig();
}

TEST_NO_SWEEP(wake_is_used_up, "a wake that a look has seen does not end the next poll", RIG)
{
    int64_t start_ns;

    open_rig(test_backend());
    ops->wake(backend);
    look();
    start_ns = ops->now(backend);
    EXPECT_INT(ops->poll(backend, start_ns + 2000000, false), 0);
    EXPECT(ops->now(backend) >= start_ns + 2000000);
    close_rig();
}

static void *wake_soon(void *arg)
{
    let_it_block();
    *(_Atomic int *)arg = 1;
    ops->wake(backend);
    return NULL;
}

TEST_NO_SWEEP(wake_from_thread, "EV-15: another thread ends a poll that blocks", RIG)
{
    pthread_t thread;
    _Atomic int said_so;

    open_rig(test_backend());
    for (int i = 0; i < 20; i++) {
        said_so = 0;
        EXPECT_INT(pthread_create(&thread, NULL, wake_soon, &said_so), 0);
        while (!said_so)
            EXPECT_INT(ops->poll(backend, INT64_MAX, i % 2), 0);
        EXPECT_INT(pthread_join(thread, NULL), 0);
        look();
    }
    close_rig();
}

static _Atomic int wakes_wanted;

static void *wake_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20000; i++) {
        wakes_wanted++;
        ops->wake(backend);
    }
    return NULL;
}

TEST_NO_SWEEP(wake_storm, "no wake is lost among many from several threads", RIG)
{
    pthread_t threads[3];
    int seen = 0;

    open_rig(test_backend());
    for (int i = 0; i < 3; i++)
        EXPECT_INT(pthread_create(&threads[i], NULL, wake_often, NULL), 0);
    /* A lost wake would leave the last of them unseen for ever. */
    while (seen < 3 * 20000) {
        EXPECT_INT(ops->poll(backend, INT64_MAX, true), 0);
        seen = wakes_wanted;
    }
    for (int i = 0; i < 3; i++)
        EXPECT_INT(pthread_join(threads[i], NULL), 0);
    close_rig();
}

static void wake_in_handler(int number)
{
    (void)number;
    ops->wake(backend);
}

static void *signal_soon(void *arg)
{
    let_it_block();
    pthread_kill(*(pthread_t *)arg, SIGUSR1);
    return NULL;
}

TEST_NO_SWEEP(signal_ends_poll, "a signal ends a poll that blocks with -EINTR, and its handler may wake", RIG)
{
    struct sigaction action = {.sa_handler = wake_in_handler, .sa_flags = SA_RESTART};
    pthread_t self = pthread_self(), thread;

    sigaction(SIGUSR1, &action, NULL);
    open_rig(test_backend());
    EXPECT_INT(pthread_create(&thread, NULL, signal_soon, &self), 0);
    EXPECT_INT(ops->poll(backend, INT64_MAX, true), -EINTR);
    EXPECT_INT(pthread_join(thread, NULL), 0);
    look();
    close_rig();
}

/* ------------------------------------------------------------------------------------------ Cancelling and closing */

TEST_NO_SWEEP(cancel_undoes, "a cancelled receive takes nothing; its memory is free at once", RIG)
{
    struct probe *reader = calloc(1, sizeof *reader);
    char data[8];
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    EXPECT(!start_recv(reader, "reader", fds[0]));
    look_often();
    send_text(fds[1], "kept");
    EXPECT(ops->cancel(backend, &reader->op));
    free(reader);
    look_often();
    EXPECT_INT(recv_now(fds[0], data, sizeof data), 4);
    EXPECT_TRACE("");
    EXPECT_INT(ops->pending(backend), 0);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(close_ends_waits, "closing an fd completes what waits for it with -ASYNCIO_ECLOSED, from the next poll",
              RIG)
{
    static char block[65536];
    struct probe reader = {0}, writer = {0};
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    while (start(
        &writer, "writer",
        (struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fds[0], .buffer = {.data = block, .size = sizeof block}}))
        ;
    trace_clear();
    EXPECT_INT(close_fd(fds[0]), 0);
    EXPECT_INT(reader.completions + writer.completions, 0);
    EXPECT(ops->pending(backend) > 0);
    /* It does not block, as there is something to report. */
    EXPECT_INT(ops->poll(backend, INT64_MAX, false), 0);
    EXPECT_TRACE("reader: -ASYNCIO_ECLOSED\nwriter: -ASYNCIO_ECLOSED\n");
    EXPECT_INT(ops->pending(backend), 0);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(close_then_cancel, "what a close has ended can still be taken back before it is reported", RIG)
{
    struct probe reader = {0}, standing = {0};
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    EXPECT(!start_standing_recv(&standing, "standing", fds[1]));
    close_fd(fds[0]);
    close_fd(fds[1]);
    EXPECT(ops->cancel(backend, &reader.op));
    look_often();
    EXPECT_TRACE("standing: -ASYNCIO_ECLOSED\n");
    close_rig();
}

/* Two pairs become ready in one poll; the first to be told closes the other's fd and gets its number for a new pair. */
struct reuse {
    struct probe probe;
    struct reuse *other;
    struct probe *fresh;
    int fds[2];
};

static void replace_other(struct probe *probe)
{
    struct reuse *self = (struct reuse *)probe, *other = self->other;
    int fds[2];

    if (probe->op.result < 0)
        return;
    EXPECT_INT(close_fd(other->probe.op.fd), 0);
    make_pair(fds);
    EXPECT_INT(fds[0], other->probe.op.fd);
    other->fds[0] = fds[0];
    self->fresh->then = NULL;
    EXPECT(!start_recv(self->fresh, "fresh", fds[0]));
    close_fd(other->fds[1]);
    other->fds[1] = fds[1];
}

TEST_NO_SWEEP(number_reused_in_batch, "an event of a closed fd does not reach who has its number now", RIG)
{
    struct reuse both[2] = {0};
    struct probe fresh = {0};

    open_rig(test_backend());
    for (int i = 0; i < 2; i++) {
        make_pair(both[i].fds);
        both[i].other = &both[1 - i];
        both[i].fresh = &fresh;
        both[i].probe.then = replace_other;
        EXPECT(!start_recv(&both[i].probe, i ? "second" : "first", both[i].fds[0]));
    }
    look_often();
    send_text(both[0].fds[1], "abc");
    send_text(both[1].fds[1], "def");
    while (both[0].probe.completions + both[1].probe.completions < 2)
        look();
    look_often();
    EXPECT_INT(fresh.completions, 0);
    EXPECT_INT(both[0].probe.op.result + both[1].probe.op.result, 3 - ASYNCIO_ECLOSED);
    EXPECT(ops->cancel(backend, &fresh.op));
    for (int i = 0; i < 4; i++)
        close_fd(both[i / 2].fds[i % 2]);
    close_rig();
}

static void cancel_other(struct probe *probe)
{
    struct reuse *self = (struct reuse *)probe;

    EXPECT(ops->cancel(backend, &self->other->probe.op));
    memset(self->other, 0xff, sizeof *self->other);
    free(self->other);
    self->other = NULL;
}

TEST_NO_SWEEP(cancel_next_in_batch, "complete() may cancel and free the operation that is next", RIG)
{
    struct reuse *both[2];
    int fds[2][2];

    open_rig(test_backend());
    for (int i = 0; i < 2; i++) {
        both[i] = calloc(1, sizeof *both[i]);
        make_pair(fds[i]);
    }
    for (int i = 0; i < 2; i++) {
        both[i]->other = both[1 - i];
        both[i]->probe.then = cancel_other;
        /* A receive may have happened by then, and no cancel undoes that. */
        EXPECT(!start_poll(&both[i]->probe, "one", fds[i][0], ASYNCIO_READABLE, 0));
    }
    look_often();
    send_text(fds[0][1], "abc");
    send_text(fds[1][1], "abc");
    while (!*transcript())
        look();
    look_often();
    EXPECT_TRACE("one: 1\n");
    EXPECT_INT(ops->pending(backend), 0);
    free(both[0]->other ? both[1] : both[0]);
    for (int i = 0; i < 4; i++)
        close_fd(fds[i / 2][i % 2]);
    close_rig();
}

static void close_own_fd(struct probe *probe)
{
    EXPECT_INT(close_fd(probe->op.fd), 0);
}

TEST_NO_SWEEP(close_in_complete, "complete() may close its own fd, one-shot or standing", RIG)
{
    struct probe one_shot = {.then = close_own_fd}, standing = {.then = close_own_fd};
    int fds[2], more[2];

    open_rig(test_backend());
    make_pair(fds);
    make_pair(more);
    EXPECT(!start_recv(&one_shot, "one-shot", fds[0]));
    send_text(fds[1], "a");
    wait_for(&one_shot, 1);
    EXPECT(!start_standing_recv(&standing, "standing", more[0]));
    send_text(more[1], "a");
    wait_for(&standing, 1);
    standing.then = NULL;
    look_often();
    EXPECT_TRACE("one-shot: 1\nstanding: 1 more\nstanding: -ASYNCIO_ECLOSED\n");
    close_fd(fds[1]);
    close_fd(more[1]);
    close_rig();
}
