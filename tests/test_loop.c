/* test_loop.c -- the event loop's turn and its clock, stop and close, how often it polls, hooks, one turn at a time. */
#include "loop_rig.h"

#include <math.h>
#include <sys/socket.h>

/* -------------------------------------------------------------------------------------------------------- The turn */

static void say_and_add(void *arg)
{
    trace("%s", (const char *)arg);
    soon(say, "added soon");
    later(0, say, "added later(0)");
}

TEST(turn_order, "EV-05: what was ready, then due timers; what a turn adds runs in the next, soon before later(0)")
{
    open_loop();
    soon(say_and_add, "a");
    later(0, say, "later(0)");
    soon(say, "b");
    run_for(1);
    EXPECT_TRACE("[0.000] a\n[0.000] b\n[0.000] later(0)\n[0.000] added soon\n[0.000] added later(0)\n");
    close_loop();
}

TEST(call_soon_is_fifo, "EV-10: first in, first out, each exactly once")
{
    static const char *const names[] = {"1", "2", "3", "4", "5"};

    open_loop();
    for (int i = 0; i < 5; i++)
        soon(say, names[i]);
    one_turn();
    one_turn();
    EXPECT_TRACE("[0.000] 1\n[0.000] 2\n[0.000] 3\n[0.000] 4\n[0.000] 5\n");
    close_loop();
}

struct arriving {
    struct asyncio_op op;
    struct asyncio_node node;
    char data[8];
};

static void arrived(struct asyncio_op *op)
{
    struct arriving *arriving = (struct arriving *)(void *)op;

    asyncio_loop_schedule(loop, &arriving->node);
}

static void arrival_runs(struct asyncio_node *node)
{
    (void)node;
    trace("I/O");
}

static int64_t submit_now(struct asyncio_op op)
{
    if (!loop || !asyncio_op_submit(loop, &op))
        return -EINVAL;
    return op.result;
}

static void make_pair(int fds[2])
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SOCKETPAIR, .make = {.domain = AF_UNIX, .type = SOCK_STREAM}};

    fds[0] = fds[1] = -1;
    if (!loop || !asyncio_op_submit(loop, &op) || op.result < 0)
        FAIL("no pair of sockets");
    else
        memcpy(fds, op.make.fds, sizeof op.make.fds);
}

static void close_pair(const int fds[2])
{
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            submit_now((struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE, .fd = fds[i]});
}

TEST_NO_SWEEP(turn_order_with_io, "EV-03 EV-04: in one turn: what was ready, then I/O, then posts, then timers",
              "it looks at every step")
{
    static struct arriving arriving = {.op = {.opcode = ASYNCIO_OP_RECV, .complete = arrived}};
    char data[] = "x";
    int fds[2];

    open_loop();
    make_pair(fds);
    asyncio_node_init(&arriving.node, arrival_runs, NULL);
    arriving.op.fd = fds[0];
    arriving.op.buffer = (struct asyncio_op_buffer){arriving.data, sizeof arriving.data, 0};
    EXPECT(!asyncio_op_submit(loop, &arriving.op));
    EXPECT_INT(submit_now((struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fds[1], .buffer = {data, 1, 0}}), 1);
    later(-1, say, "timer");
    soon(say, "ready");
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, say, word("post")), 0);
    one_turn();
    EXPECT_TRACE("[0.000] ready\n[0.000] I/O\n[0.000] post\n[0.000] timer\n");
    close_pair(fds);
    close_loop();
}

static struct asyncio_handle *handles[4];

static void cancel_others(void *arg)
{
    trace("%s cancels", (const char *)arg);
    for (int i = 0; i < 4; i++)
        asyncio_handle_cancel(handles[i]);
}

TEST(cancelled_in_the_same_turn,
     "EV-06: a handle that an earlier one of the same turn cancels does not run, be it ready or due")
{
    open_loop();
    soon(cancel_others, "first");
    asyncio_loop_call_soon(loop, say, word("ready"), .ret_handle = &handles[0]);
    asyncio_loop_call_later(loop, -1, say, word("due"), .ret_handle = &handles[1]);
    asyncio_loop_call_soon_threadsafe(loop, say, word("posted"), .ret_handle = &handles[2]);
    asyncio_loop_call_later(loop, 1, say, word("later"), .ret_handle = &handles[3]);
    soon(say, "last");
    run_for(2);
    EXPECT_TRACE("[0.000] first cancels\n[0.000] last\n");
    for (int i = 0; i < 4; i++) {
        EXPECT(asyncio_handle_cancelled(handles[i]));
        handles[i] = asyncio_handle_unref(handles[i]);
    }
    close_loop();
}

TEST(timer_cancels_timer, "EV-06 D-01: of two timers of one deadline the first can cancel the second")
{
    memset(handles, 0, sizeof handles);
    open_loop();
    later(1, cancel_others, "first");
    asyncio_loop_call_later(loop, 1, say, word("second"), .ret_handle = &handles[0]);
    later(1, say, "third");
    run_for(2);
    EXPECT_TRACE("[1.000] first cancels\n[1.000] third\n");
    handles[0] = asyncio_handle_unref(handles[0]);
    close_loop();
}

TEST_NO_SWEEP(cancelled_timers_are_not_kept,
              "EV-01: ten thousand that are armed and cancelled leave nothing to go through or to keep", INSIDE)
{
    struct asyncio_handle *handle;
    int64_t before;

    open_loop();
    later(1, stop, NULL);
    before = asyncio_allocated();
    for (int i = 0; i < 10000; i++) {
        EXPECT_INT(asyncio_loop_call_later(loop, 1 + i % 100, say, word("never"), .ret_handle = &handle), 0);
        asyncio_handle_cancel(handle);
        asyncio_handle_unref(handle);
        EXPECT_INT(loop->timers.armed, 1);
    }
    EXPECT(asyncio_allocated() <= before + 2);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT_TRACE("");
    close_loop();
}

static int n_again;

static void again(void *arg)
{
    n_again++;
    (void)arg;
    if (n_again < 100000)
        soon(again, NULL);
    else
        asyncio_loop_stop(loop);
}

TEST_NO_SWEEP(busy_turns_let_timers_in,
              "EV-04: callbacks that always schedule themselves do not keep a due timer waiting", "too many faults")
{
    open_loop();
    asyncio_loop_set_poll_interval(loop, 64);
    soon(again, NULL);
    later(0, stop, NULL);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT(n_again <= 64);
    close_loop();
}

/* ------------------------------------------------------------------------------------------------------- The clock */

TEST(equal_deadlines, "D-01 EV-12: eight callbacks of one time run in the order of registration")
{
    static const char *const names[] = {"0", "1", "2", "3", "4", "5", "6", "7"};

    open_loop();
    for (int i = 0; i < 8; i++)
        EXPECT_INT(asyncio_loop_call_at(loop, 5, say, word(names[i])), 0);
    later(5, say, "a later of the same time");
    run_for(6);
    EXPECT_TRACE("[5.000] 0\n[5.000] 1\n[5.000] 2\n[5.000] 3\n[5.000] 4\n[5.000] 5\n[5.000] 6\n[5.000] 7\n"
                 "[5.000] a later of the same time\n");
    close_loop();
}

TEST(order_of_times, "EV-04 EV-12: by time, whatever the order of the calls; the past and negative spans are now")
{
    open_loop();
    later(0.3, say, "0.3");
    later(0.1, say, "0.1");
    EXPECT_INT(asyncio_loop_call_at(loop, 0.2, say, word("at 0.2")), 0);
    later(-1, say, "-1");
    EXPECT_INT(asyncio_loop_call_at(loop, -5, say, word("at -5")), 0);
    later(-ASYNCIO_FOREVER, say, "-forever");
    run_for(1);
    EXPECT_TRACE("[0.000] -1\n[0.000] at -5\n[0.000] -forever\n[0.100] 0.1\n[0.200] at 0.2\n[0.300] 0.3\n");
    close_loop();
}

TEST(times_that_make_no_sense, "EV-12 #51: NaN is refused, for spans, times and the start of the clock; zero is now")
{
    struct asyncio_loop *other = NULL;
    struct asyncio_handle *handle = NULL;

    open_loop();
    EXPECT_INT(asyncio_loop_call_later(loop, NAN, say, word("never"), .ret_handle = &handle), -EINVAL);
    EXPECT_INT(asyncio_loop_call_at(loop, NAN, say, word("never"), .ret_handle = &handle), -EINVAL);
    EXPECT_INT(asyncio_loop_set_slow_callback_duration(loop, NAN), -EINVAL);
    EXPECT_INT(asyncio_new_event_loop(&other, .backend = "sim", .start_time = NAN), -EINVAL);
    EXPECT_PTR(handle, NULL);
    EXPECT_PTR(other, NULL);
    later(-0.0, say, "now");
    run_for(0);
    EXPECT_TRACE("[0.000] now\n");
    close_loop();
}

TEST(very_long_delays,
     "EV-14 #51: ten years come after ten years; what does not fit never comes, and nothing overflows")
{
    double year = 365 * 86400.0;

    open_loop();
    later(10 * year, say, "ten years");
    later(1e300, say, "never");
    later(9.3e9, say, "never");
    later(ASYNCIO_FOREVER, say, "never");
    EXPECT_INT(asyncio_loop_call_at(loop, 1e300, say, word("never")), 0);
    EXPECT_INT(asyncio_loop_call_at(loop, ASYNCIO_FOREVER, say, word("never")), 0);
    EXPECT_INT(asyncio_loop_call_at(loop, 291 * year, stop, NULL), 0);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT_TRACE("[315360000.000] ten years\n");
    close_loop();
}

TEST_NO_SWEEP(poll_timeout, "EV-02 EV-14: none when something is ready, else until the first timer, at most a day",
              INSIDE)
{
    int64_t day_ns = 86400 * NS_PER_SEC;

    open_wrapped(0, NULL);
    soon(say, "ready");
    later(10 * 86400.0, stop, NULL);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT_INT(watch.polls, 1 + 10 + (watch.polls > 11));
    for (int i = 0; i < watch.blocking && i < 64; i++)
        EXPECT(watch.deadlines[i] - watch.asked_at[i] <= day_ns);
    EXPECT_INT(watch.deadlines[0], day_ns);
    EXPECT_TRACE("[0.000] ready\n");
    watch.blocking = 0;
    later(2.5, stop, NULL);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT_INT(watch.blocking, 1);
    EXPECT_INT(watch.deadlines[0] - watch.asked_at[0], 2500 * NS_PER_MSEC);
    close_loop();
}

TEST_NO_SWEEP(stop_does_not_block, "R-10 EV-02: a loop that is to stop only looks", INSIDE)
{
    open_wrapped(0, NULL);
    later(5, say, "never");
    asyncio_loop_stop(loop);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT_INT(watch.polls, 1);
    EXPECT_INT(watch.blocking, 0);
    EXPECT_DOUBLE(asyncio_loop_time(loop), 0);
    EXPECT_TRACE("");
    close_loop();
}

static int sleep_often(void *arg)
{
    int n = *(int *)arg;

    for (int i = 1; i <= n; i++) {
        double before = asyncio_loop_time(loop), span = 1e-9 * (1234567 + 98765.0 * i);
        int polls = watch.polls, r = asyncio_sleep(span);

        if (r < 0)
            return r;
        if (asyncio_loop_time(loop) < before + span - 1e-12 * before)
            FAIL("slept from %.9f for %.9f until %.9f", before, span, asyncio_loop_time(loop));
        if (watch.polls - polls > 2)
            FAIL("%d polls for a sleep of %.9f", watch.polls - polls, span);
    }
    return 0;
}

TEST_NO_SWEEP(two_polls_a_sleep, "#48 EV-02: no sleep takes more than two polls", INSIDE)
{
    int n = 200;

    open_wrapped(0, NULL);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, sleep_often, &n), 0);
    close_loop();
}

TEST_REAL(two_polls_a_real_sleep, "#48 #49 D-02: the same by the kernel's clock, and nobody wakes early")
{
    int n = 40;

    open_wrapped(0, NULL);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, sleep_often, &n), 0);
    close_loop();
}

TEST_REAL(two_polls_a_coarse_sleep, "#48 #49 D-02: the same where the kernel counts milliseconds")
{
    int n = 40;

    if (strcmp(test_backend(), "epoll") != 0)
        SKIP("an option of epoll's");
    open_wrapped(0, "coarse");
    EXPECT_INT(asyncio_loop_run_until_complete(loop, sleep_often, &n), 0);
    close_loop();
}

static int64_t real_deadline_ns[50];
static int n_fired;

static void check_real(struct asyncio_node *node)
{
    const struct asyncio_timer *timer = (const struct asyncio_timer *)(const void *)node;

    if (asyncio_loop_now_ns(loop) < timer->deadline_ns)
        FAIL("early by %lld ns", (long long)(timer->deadline_ns - asyncio_loop_now_ns(loop)));
    if (++n_fired == 50)
        asyncio_loop_stop(loop);
}

TEST_REAL(timers_never_early, "D-02 #49: fifty timers of odd nanoseconds by the real clock: none is early")
{
    static struct asyncio_timer timers[50];

    open_loop();
    for (int i = 0; i < 50; i++) {
        real_deadline_ns[i] = asyncio_loop_now_ns(loop) + 333333 * i + i;
        asyncio_node_init(&timers[i].node, check_real, NULL);
        EXPECT_INT(asyncio_timer_arm(loop, &timers[i], real_deadline_ns[i]), 0);
    }
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT_INT(n_fired, 50);
    close_loop();
}

/* Sleeps and timers on a clock that has run for long, where a double has few digits left for the fraction. */
static void large_clock(double start)
{
    int n = 100;

    open_wrapped(start, NULL);
    EXPECT_DOUBLE(asyncio_loop_time(loop), start);
    for (int i = 0; i < 50; i++)
        EXPECT_INT(asyncio_loop_call_at(loop, asyncio_loop_time(loop) + 1e-7 * i, say, word("x")), 0);
    later(1, stop, NULL);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT_INT(strlen(transcript()) / 50 * 50, strlen(transcript()));
    EXPECT(watch.polls <= 120);
    trace_clear();
    EXPECT_INT(asyncio_loop_run_until_complete(loop, sleep_often, &n), 0);
    close_loop();
}

TEST_NO_SWEEP(large_clock_200_days,
              "#50: a clock at 1.7e7 s, as after 200 days: no timer is stuck, early or polled for often", INSIDE)
{
    large_clock(1.7e7);
}

TEST_NO_SWEEP(large_clock_epoch, "#50: a clock at 1.7e9 s, as a virtual one may have it", INSIDE)
{
    large_clock(1.7e9);
}

TEST_SIM(start_time, "#50 R-12: the simulator's clock starts where it is told to; a time goes in and out unchanged")
{
    struct asyncio_handle *handle = NULL;

    EXPECT_INT(asyncio_new_event_loop(&loop, .backend = "sim:3", .start_time = 1.7e9), 0);
    EXPECT_DOUBLE(asyncio_loop_time(loop), 1.7e9);
    EXPECT_INT(asyncio_loop_call_at(loop, asyncio_loop_time(loop), say, word("now"), .ret_handle = &handle), 0);
    EXPECT(asyncio_handle_when(handle) == asyncio_loop_time(loop));
    run_for(1000);
    EXPECT_TRACE("[1700000000.000] now\n");
    EXPECT_DOUBLE(asyncio_loop_time(loop), 1.7e9 + 1000);
    asyncio_handle_unref(handle);
    close_loop();
}

/* ---------------------------------------------------------------------------------------------------- Run and stop */

static void stop_in_turn(void *arg)
{
    say(arg);
    soon(say, "added");
    asyncio_loop_stop(loop);
    asyncio_loop_stop(loop);
}

TEST(stop_ends_the_turn,
     "R-10 R-08: what is ready when stop is called still runs; what that adds waits for the next run")
{
    open_loop();
    soon(say, "before");
    soon(stop_in_turn, "stops");
    soon(say, "after");
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT_TRACE("[0.000] before\n[0.000] stops\n[0.000] after\n");
    one_turn();
    EXPECT_TRACE("[0.000] added\n");
    close_loop();
}

TEST(stop_before_the_run, "R-10: makes the run one turn long, which does not wait; the one after that is a full one")
{
    open_loop();
    soon(say_and_add, "first turn");
    later(3, say, "a timer");
    one_turn();
    EXPECT_TRACE("[0.000] first turn\n");
    run_for(5);
    EXPECT_TRACE("[0.000] added soon\n[0.000] added later(0)\n[3.000] a timer\n");
    close_loop();
}

TEST(stop_with_the_poll_interval, "R-10 EV-05: stop ends the turn also when several turns run between two polls")
{
    open_loop();
    asyncio_loop_set_poll_interval(loop, 64);
    soon(stop_in_turn, "stops");
    soon(say, "after");
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT_TRACE("[0.000] stops\n[0.000] after\n");
    one_turn();
    EXPECT_TRACE("[0.000] added\n");
    close_loop();
}

static int try_to_run(void *arg)
{
    struct asyncio_loop *other = arg;

    trace("itself: %d", asyncio_loop_run_forever(loop) == -ASYNCIO_ERUNNING);
    trace("another: %d", asyncio_loop_run_forever(other) == -ASYNCIO_ERUNNING);
    trace("one turn: %d", asyncio_loop_run_once(other, 0) == -ASYNCIO_ERUNNING);
    trace("asyncio_run: %d", asyncio_run(sleep_often, NULL) == -ASYNCIO_ERUNNING);
    trace("close: %d", asyncio_loop_close(loop) == -ASYNCIO_ERUNNING);
    EXPECT_PTR(asyncio_get_running_loop(), loop);
    EXPECT(asyncio_loop_is_running(loop) && !asyncio_loop_is_running(other));
    return asyncio_sleep(1);
}

static void try_to_run_from_callback(void *arg)
{
    EXPECT_INT(asyncio_loop_run_forever(arg), -ASYNCIO_ERUNNING);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, sleep_often, NULL), -ASYNCIO_ERUNNING);
    EXPECT_PTR(asyncio_get_running_loop(), loop);
}

TEST(run_within_a_run,
     "R-08 R-05: neither the running loop nor another can be run or closed from inside, and the run goes on")
{
    struct asyncio_loop *other;

    open_loop();
    EXPECT_INT(new_loop(&other), 0);
    EXPECT_INT(asyncio_loop_call_soon(loop, try_to_run_from_callback, other), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, try_to_run, other), 0);
    EXPECT_TRACE(
        "[0.000] itself: 1\n[0.000] another: 1\n[0.000] one turn: 1\n[0.000] asyncio_run: 1\n[0.000] close: 1\n");
    EXPECT_PTR(asyncio_get_running_loop(), NULL);
    if (other)
        EXPECT_INT(asyncio_loop_close(other), 0);
    asyncio_loop_unref(other);
    close_loop();
}

static void say_running(void *arg)
{
    trace("%s: %s", (const char *)arg, asyncio_get_running_loop() == loop ? "first" : "second");
}

TEST(loops_in_turns,
     "R-05 R-06: two loops of one thread run one after the other; the running one comes before the one that was set")
{
    struct asyncio_loop *first, *second;

    open_loop();
    first = loop;
    EXPECT_INT(new_loop(&second), 0);
    EXPECT_PTR(asyncio_get_event_loop(), NULL);
    asyncio_set_event_loop(second);
    for (int i = 0; i < 3 && first && second; i++) {
        EXPECT_INT(asyncio_loop_call_soon(first, say_running, word("runs")), 0);
        EXPECT_INT(asyncio_loop_call_soon(second, say_running, word("runs")), 0);
        asyncio_loop_stop(first);
        EXPECT_INT(asyncio_loop_run_forever(first), 0);
        asyncio_loop_stop(second);
        EXPECT_INT(asyncio_loop_run_forever(second), 0);
        EXPECT_TRACE("[0.000] runs: first\n[0.000] runs: second\n");
        EXPECT_PTR(asyncio_get_event_loop(), second);
    }
    asyncio_loop_close(second);
    EXPECT_PTR(asyncio_get_event_loop(), NULL);
    asyncio_loop_unref(second);
    close_loop();
}

TEST_NO_SWEEP(failed_run_leaves_no_stop, "#52 R-09: a stop from a run that failed does not end the next one", INSIDE)
{
    open_wrapped(0, NULL);
    soon(stop, NULL);
    watch.fail = -EIO;
    EXPECT_INT(asyncio_loop_run_forever(loop), -EIO);
    EXPECT(!asyncio_loop_is_running(loop));
    EXPECT_PTR(asyncio_get_running_loop(), NULL);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    asyncio_loop_stop(loop);
    watch.fail = -EIO;
    EXPECT_INT(asyncio_loop_run_forever(loop), -EIO);
    later(2, say, "a full run");
    run_for(3);
    EXPECT_TRACE("[2.000] a full run\n");
    close_loop();
}

TEST_NO_SWEEP(failed_poll_loses_nothing,
              "#52 R-08: what was ready when a poll failed runs when the loop runs again, once", INSIDE)
{
    open_wrapped(0, NULL);
    soon(say, "ready");
    later(-1, say, "due");
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, say, word("posted")), 0);
    watch.fail = -EIO;
    EXPECT_INT(asyncio_loop_run_forever(loop), -EIO);
    EXPECT_TRACE("");
    one_turn();
    EXPECT_TRACE("[0.000] ready\n[0.000] posted\n[0.000] due\n");
    close_loop();
}

/* ----------------------------------------------------------------------------------------------------------- Close */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

TEST(after_close, "R-11 #55: what is called after the close says so, and nothing runs or leaks")
{
    struct asyncio_node node;
    struct asyncio_timer timer = {.index = 0};
    struct asyncio_future *task;
    int n_freed = 0;

    open_loop();
    soon(say, "never");
    later(0, say, "never");
    later(1e6, say, "never");
    asyncio_loop_call_soon_threadsafe(loop, say, word("never"));
    asyncio_node_init(&node, NULL, NULL);
    asyncio_node_init(&timer.node, NULL, NULL);
    if (!loop)
        return;
    EXPECT_INT(asyncio_loop_close(loop), 0);
    EXPECT_INT(asyncio_loop_close(loop), 0);
    EXPECT(asyncio_loop_is_closed(loop) && !asyncio_loop_is_running(loop));
    EXPECT_INT(asyncio_loop_call_soon(loop, say, NULL), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_call_later(loop, 1, say, NULL), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_call_at(loop, 1, say, NULL), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, say, NULL), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_post(loop, &node), -ASYNCIO_ECLOSED);
    EXPECT(!list_linked(&node.link));
    EXPECT_INT(asyncio_loop_run_forever(loop), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, nothing, NULL), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_run_once(loop, 0), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_add_reader(loop, 0, say, NULL), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_add_writer(loop, 0, say, NULL), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_remove_reader(loop, 0), 0);
    EXPECT_INT(asyncio_loop_remove_writer(loop, 0), 0);
    EXPECT_INT(asyncio_loop_fd(loop), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_next_deadline(loop), INT64_MAX);
    EXPECT_DOUBLE(asyncio_loop_time(loop), 0);
    asyncio_loop_stop(loop);
    asyncio_loop_hold(loop);
    asyncio_loop_release(loop);
    task = asyncio_loop_create_task(loop, nothing, &n_freed, .free_arg = count_one);
    EXPECT_INT(asyncio_future_result(task), -ASYNCIO_ECLOSED);
    EXPECT_INT(n_freed, 1);
    asyncio_future_unref(task);
    EXPECT_TRACE("");
    close_loop();
}

TEST(null_loops, "R-11: without a loop every function says -EINVAL or does nothing")
{
    struct asyncio_node node;

    asyncio_node_init(&node, NULL, NULL);
    EXPECT_INT(asyncio_loop_close(NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_run_forever(NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_run_once(NULL, 0), -EINVAL);
    EXPECT_INT(asyncio_loop_call_soon(NULL, say, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_call_later(NULL, 1, say, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_call_at(NULL, 1, say, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(NULL, say, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_post(NULL, &node), -EINVAL);
    EXPECT_INT(asyncio_loop_add_reader(NULL, 0, say, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_remove_reader(NULL, 0), -EINVAL);
    EXPECT_INT(asyncio_loop_fd(NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_set_hooks(NULL, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_set_poll_interval(NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_loop_set_slow_callback_duration(NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_new_event_loop_kw(NULL, NULL), -EINVAL);
    EXPECT(asyncio_loop_is_closed(NULL) && !asyncio_loop_is_running(NULL) && !asyncio_loop_get_debug(NULL));
    EXPECT_INT(asyncio_loop_next_deadline(NULL), INT64_MAX);
    EXPECT_PTR(asyncio_loop_ref(NULL), NULL);
    EXPECT_PTR(asyncio_loop_unref(NULL), NULL);
    asyncio_loop_stop(NULL);
    asyncio_loop_hold(NULL);
    asyncio_loop_release(NULL);
    asyncio_loop_set_debug(NULL, true);
    asyncio_loop_call_exception_handler(NULL, NULL);
}

TEST(unclosed_loop,
     "R-12: dropping the last reference to a loop that is open closes it, with a warning; references keep it")
{
    struct asyncio_loop *second;

    open_loop();
    second = asyncio_loop_ref(loop);
    soon(say, "never");
    asyncio_loop_unref(loop);
    EXPECT(second == NULL || !asyncio_loop_is_closed(second));
    loop = asyncio_loop_unref(second);
    if (second)
        EXPECT_LOG("not closed");
    EXPECT_TRACE("");
}

static int close_within(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_loop_close(loop), -ASYNCIO_ERUNNING);
    return asyncio_sleep(5);
}

TEST(close_with_suspended_tasks,
     "R-11: a loop whose tasks are suspended is not closed, and names them; it can be run on")
{
    struct asyncio_future *task;

    open_loop();
    task = asyncio_loop_create_task(loop, close_within, NULL, .name = "sleeper");
    one_turn();
    if (!asyncio_future_done(task)) {
        EXPECT_INT(asyncio_loop_close(loop), -EBUSY);
        EXPECT_LOG("sleeper");
        captured_log();
        EXPECT(!asyncio_loop_is_closed(loop));
        EXPECT_INT(asyncio_loop_run_until_complete_future(loop, task), 0);
    }
    asyncio_future_unref(task);
    close_loop();
}

/* --------------------------------------------------------------------------------------------------- Poll interval */

static void turn_again(void *arg)
{
    (void)arg;
    if (++n_again == 6400)
        asyncio_loop_stop(loop);
    soon(turn_again, NULL);
}

TEST_NO_SWEEP(
    poll_interval,
    "EV-05: while nodes are ready a poll comes after 64 of them, or as few as was set; each turn polls with 1", INSIDE)
{
    static const int intervals[] = {64, 1, 10, 640};

    open_wrapped(0, NULL);
    EXPECT_INT(asyncio_loop_set_poll_interval(loop, 0), -EINVAL);
    EXPECT_INT(asyncio_loop_set_poll_interval(loop, UINT32_MAX), -EINVAL);
    soon(turn_again, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(intervals); i++) {
        EXPECT_INT(asyncio_loop_set_poll_interval(loop, (unsigned)intervals[i]), 0);
        n_again = watch.polls = 0;
        EXPECT_INT(asyncio_loop_run_forever(loop), 0);
        EXPECT_INT(watch.polls, 6400 / intervals[i]);
    }
    close_loop();
}

static void always_slow(void *arg)
{
    (void)arg;
    watch.shift_ns += 10 * NS_PER_USEC;
    if (++n_again == 1000)
        asyncio_loop_stop(loop);
    soon(always_slow, NULL);
}

TEST_NO_SWEEP(poll_interval_adapts,
              "EV-05 EV-04: nodes of 10 us each: a poll every 50 us, so that no timer waits longer", INSIDE)
{
    open_wrapped(0, NULL);
    EXPECT_INT(asyncio_loop_set_poll_interval(loop, 64), 0);
    soon(always_slow, NULL);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT(watch.polls >= 150 && watch.polls <= 260);
    close_loop();
}

/* --------------------------------------------------------------------------------------------- Hooks and embedding */

static void before_block(void *arg)
{
    trace("%s: blocks", (const char *)arg);
}

static void after_block(void *arg)
{
    trace("%s: goes on", (const char *)arg);
}

static void enter(void *arg, void *context)
{
    (void)arg;
    trace("enters %s", (const char *)context);
}

static void leave(void *arg, void *context)
{
    (void)arg;
    trace("leaves %s", (const char *)context);
}

static void set_hooks(void)
{
    struct asyncio_hooks hooks = {.size = sizeof hooks, .before_block = before_block, .after_block = after_block};

    hooks.arg = word("hook");
    EXPECT_INT(asyncio_loop_set_hooks(loop, &hooks), 0);
}

TEST(hooks_around_blocking, "EV-02: called around a poll that blocks, and not when the loop only looks")
{
    open_loop();
    set_hooks();
    soon(say, "ready");
    one_turn();
    EXPECT_TRACE("[0.000] ready\n");
    run_for(1);
    EXPECT_TRACE("[0.000] hook: blocks\n[1.000] hook: goes on\n");
    EXPECT_INT(asyncio_loop_set_hooks(loop, NULL), 0);
    run_for(1);
    EXPECT_TRACE("");
    close_loop();
}

TEST_NO_SWEEP(hooks_are_balanced,
              "R-09: a dead lock that ends the run before the poll does not leave the hooks half called",
              "it waits for the report")
{
    struct asyncio_future *task;
    int before = 0, after = 0;

    open_loop();
    set_hooks();
    task = asyncio_loop_create_task(loop, wait_for_nothing, NULL);
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, task), -EDEADLK);
    for (const char *at = transcript(); (at = strstr(at, ": blocks")); at++)
        before++;
    for (const char *at = transcript(); (at = strstr(at, ": goes on")); at++)
        after++;
    EXPECT_INT(before, after);
    captured_log();
    trace_clear();
    asyncio_future_cancel(task);
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, task), -ECANCELED);
    asyncio_future_unref(task);
    close_loop();
}

static void say_node(struct asyncio_node *node)
{
    trace("runs %s", node->context ? (const char *)node->context : "without");
}

TEST(hooks_around_nodes, "X-01: nodes with a context are entered and left, those without are not")
{
    struct asyncio_hooks hooks = {.size = sizeof hooks, .enter = enter, .leave = leave};
    struct asyncio_node a, b;
    struct asyncio_timer timer = {.index = 0};

    asyncio_node_init(&a, say_node, word("a"));
    asyncio_node_init(&b, say_node, NULL);
    asyncio_node_init(&timer.node, say_node, word("timer"));
    open_loop();
    if (!loop)
        return;
    EXPECT_INT(asyncio_loop_set_hooks(loop, &hooks), 0);
    asyncio_loop_schedule(loop, &a);
    asyncio_loop_schedule(loop, &b);
    if (asyncio_timer_arm(loop, &timer, 0) < 0)
        FAIL("not armed");
    one_turn();
    EXPECT_TRACE("[0.000] enters a\n[0.000] runs a\n[0.000] leaves a\n[0.000] runs without\n"
                 "[0.000] enters timer\n[0.000] runs timer\n[0.000] leaves timer\n");
    close_loop();
}

static int interrupted(void *arg)
{
    trace("interrupted");
    return *(int *)arg;
}

TEST_NO_SWEEP(
    hook_for_signals,
    "EV-15: a poll that a signal ends is told to the hook, whose negative result ends the run; else it goes on", INSIDE)
{
    int result = 0;
    struct asyncio_hooks hooks = {.size = sizeof hooks, .arg = &result, .interrupted = interrupted};

    open_wrapped(0, NULL);
    EXPECT_INT(asyncio_loop_set_hooks(loop, &hooks), 0);
    watch.fail = -EINTR;
    run_for(1);
    EXPECT_TRACE("[0.000] interrupted\n");
    watch.fail = -EINTR;
    result = -EOWNERDEAD;
    later(1, say, "a timer");
    EXPECT_INT(asyncio_loop_run_forever(loop), -EOWNERDEAD);
    EXPECT_INT(asyncio_loop_set_hooks(loop, NULL), 0);
    watch.fail = -EINTR;
    run_for(2);
    EXPECT_TRACE("[1.000] interrupted\n[2.000] a timer\n");
    close_loop();
}

static int once(int64_t deadline_ns)
{
    return asyncio_loop_run_once(loop, deadline_ns);
}

static void run_once_results(unsigned interval)
{
    open_loop();
    if (!loop)
        return;
    EXPECT_INT(asyncio_loop_set_poll_interval(loop, interval), 0);
    EXPECT_INT(once(0), 0);
    EXPECT_INT(once(NS_PER_SEC), 0);
    EXPECT_DOUBLE(asyncio_loop_time(loop), 1);
    soon(say, "ready");
    EXPECT_INT(once(INT64_MAX), 1);
    soon(stop, NULL);
    EXPECT_INT(once(0), 1);
    asyncio_loop_stop(loop);
    EXPECT_INT(once(0), 0);
    later(1, say, "timer");
    EXPECT_INT(once(0), 0);
    EXPECT_INT(once(INT64_MAX), 1);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, say, word("post")), 0);
    EXPECT_INT(once(INT64_MAX), 1);
    EXPECT_TRACE("[1.000] ready\n[2.000] timer\n[2.000] post\n");
    close_loop();
}

TEST(run_once, "EV-05: one turn; says whether anything ran, also with stop, and waits no longer than it may")
{
    run_once_results(1);
    run_once_results(64);
}

TEST(next_deadline, "EV-02: now when something is ready or posted, the first timer, or never")
{
    struct asyncio_handle *handle = NULL;

    open_loop();
    if (!loop)
        return;
    EXPECT_INT(asyncio_loop_next_deadline(loop), INT64_MAX);
    asyncio_loop_call_later(loop, 2, say, word("timer"), .ret_handle = &handle);
    EXPECT_INT(asyncio_loop_next_deadline(loop), 2 * NS_PER_SEC);
    soon(say, "ready");
    EXPECT_INT(asyncio_loop_next_deadline(loop), 0);
    one_turn();
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, say, word("post")), 0);
    EXPECT_INT(asyncio_loop_next_deadline(loop), 0);
    one_turn();
    asyncio_handle_cancel(handle);
    EXPECT_INT(asyncio_loop_next_deadline(loop), INT64_MAX);
    asyncio_handle_unref(handle);
    EXPECT_TRACE("[0.000] ready\n[0.000] post\n");
    close_loop();
}

TEST(loop_without_memory,
     "R-07: a loop that cannot be made says -ENOMEM, or what the kernel said, and leaves the output alone")
{
    struct asyncio_loop *made = NULL;

    EXPECT_INT(new_loop(&made), 0);
    if (made) {
        EXPECT_DOUBLE(asyncio_loop_time(made), 0);
        EXPECT(!asyncio_loop_is_running(made) && !asyncio_loop_is_closed(made));
        EXPECT_INT(asyncio_loop_close(made), 0);
    }
    asyncio_loop_unref(made);
}
