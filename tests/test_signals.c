/* test_signals.c -- handlers of loops, what signals did before, and Ctrl-C. */
#include "signal_rig.h"

static struct asyncio_contextvar colour = {.name = "colour"};

/* -------------------------------------------------------------------------------------------------------- Handlers */

TEST(handler, "SG-01 SG-03: each signal is one call, in the loop, also several in a turn")
{
    struct asyncio_loop *loop = NULL;

    if (new_loop(&loop) < 0)
        return;
    if (asyncio_loop_add_signal_handler(loop, SIGUSR1, say, text("signal")) < 0) {
        close_loop(loop);
        return;
    }
    raise_later(loop, 1, SIGUSR1);
    EXPECT_INT(asyncio_loop_call_later(loop, 2, raise_twice, number(SIGUSR1)), 0);
    stop_later(loop, 3);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    close_loop(loop);
    EXPECT_TRACE("[1.000] signal\n[2.000] signal\n[2.000] signal\n");
    EXPECT(action_is(SIGUSR1, SIG_DFL));
}

TEST(before_the_run, "SG-01 SG-03: signals that come while the loop does not run wait for the next run")
{
    struct asyncio_loop *loop = NULL;

    if (new_loop(&loop) < 0)
        return;
    if (asyncio_loop_add_signal_handler(loop, SIGUSR1, say, text("signal")) == 0)
        raise_twice(number(SIGUSR1));
    stop_later(loop, 1);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    if (asyncio_loop_add_signal_handler(loop, SIGUSR1, say, text("signal")) == 0)
        raise_twice(number(SIGUSR1));
    close_loop(loop);
    EXPECT_TRACE("[0.000] signal\n[0.000] signal\n");
}

TEST(another_handler, "SG-01: a second one takes the place of the first, also of signals that have come")
{
    struct asyncio_loop *loop = NULL;
    int r;

    if (new_loop(&loop) < 0)
        return;
    r = asyncio_loop_add_signal_handler(loop, SIGUSR1, say, text("first"));
    EXPECT_INT(r, 0);
    if (r == 0) {
        raise(SIGUSR1);
        EXPECT_INT(asyncio_loop_add_signal_handler(loop, SIGUSR1, say, text("second")), 0);
        raise_later(loop, 1, SIGUSR1);
        stop_later(loop, 2);
        EXPECT_INT(asyncio_loop_run_forever(loop), 0);
        EXPECT_INT(asyncio_loop_remove_signal_handler(loop, SIGUSR1), 1);
        EXPECT_TRACE("[0.000] second\n[1.000] second\n");
    }
    EXPECT_INT(asyncio_loop_remove_signal_handler(loop, SIGUSR1), 0);
    close_loop(loop);
}

TEST(removed_handler, "SG-02: is not called any more, not even for a signal that has come")
{
    struct asyncio_loop *loop = NULL;

    if (new_loop(&loop) < 0)
        return;
    if (asyncio_loop_add_signal_handler(loop, SIGUSR1, say, text("never")) == 0) {
        raise(SIGUSR1);
        EXPECT_INT(asyncio_loop_remove_signal_handler(loop, SIGUSR1), 1);
    }
    stop_later(loop, 1);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT_INT(asyncio_loop_remove_signal_handler(loop, SIGUSR1), 0);
    close_loop(loop);
    EXPECT_TRACE("");
}

static void removes_itself(void *arg)
{
    trace("once");
    EXPECT_INT(asyncio_loop_remove_signal_handler(arg, SIGUSR1), 1);
}

static void replaces_itself(void *arg)
{
    trace("once");
    EXPECT_INT(asyncio_loop_add_signal_handler(arg, SIGUSR1, say, text("then")), 0);
}

static void begins_again(void *arg)
{
    trace("once");
    EXPECT_INT(asyncio_loop_remove_signal_handler(arg, SIGUSR1), 1);
    EXPECT_INT(asyncio_loop_add_signal_handler(arg, SIGUSR1, say, text("anew")), 0);
}

TEST(within_the_handler, "SG-02 SG-03: it may remove or replace itself, with another signal behind it")
{
    static asyncio_callback *const handlers[] = {removes_itself, replaces_itself, begins_again};

    for (int i = 0; i < 3; i++) {
        struct asyncio_loop *loop = NULL;

        if (new_loop(&loop) < 0)
            return;
        if (asyncio_loop_add_signal_handler(loop, SIGUSR1, handlers[i], loop) == 0) {
            /* In the sweep there may be no handler when the next one comes. */
            asyncio_loop_hold(loop);
            raise_twice(number(SIGUSR1));
            stop_later(loop, 1);
            EXPECT_INT(asyncio_loop_run_forever(loop), 0);
            asyncio_loop_release(loop);
        }
        close_loop(loop);
    }
    EXPECT_TRACE("[0.000] once\n"
                 "[0.000] once\n[0.000] then\n"
                 "[0.000] once\n");
}

static void says_colour(void *arg)
{
    (void)arg;
    trace("%s", (const char *)asyncio_contextvar_get(&colour, text("none")));
    EXPECT_INT(asyncio_contextvar_set(&colour, text("blue"), NULL), 0);
}

static int adds_in_red(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    int r;

    (void)arg;
    EXPECT_INT(asyncio_contextvar_set(&colour, text("red"), NULL), 0);
    r = asyncio_loop_add_signal_handler(loop, SIGUSR1, says_colour, NULL);
    EXPECT_INT(asyncio_contextvar_set(&colour, text("green"), NULL), 0);
    if (r == 0) {
        raise_twice(number(SIGUSR1));
        ASYNCIO_IGNORE(asyncio_sleep(1));
        EXPECT_INT(asyncio_loop_remove_signal_handler(loop, SIGUSR1), 1);
    }
    EXPECT_STR(asyncio_contextvar_get(&colour, NULL), "green");
    return r;
}

TEST(context_of_a_handler, "X-01 SG-01: a handler runs in the context in which it was added")
{
    EXPECT_INT(run(adds_in_red, NULL), 0);
    EXPECT_TRACE("[0.000] red\n[0.000] blue\n");
}

TEST(what_is_no_signal, "SG-01: numbers that are none, that nobody can catch, that faults raise; no callback; no loop")
{
    static const int wrong[] = {0, -1, 65, 1000, 32, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct asyncio_loop *loop = NULL;

    if (new_loop(&loop) < 0)
        return;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT_INT(asyncio_loop_add_signal_handler(loop, wrong[i], say, NULL), -EINVAL);
        if (wrong[i] != 32)
            EXPECT_INT(asyncio_loop_remove_signal_handler(loop, wrong[i]), -EINVAL);
    }
    EXPECT_INT(asyncio_loop_add_signal_handler(loop, SIGUSR1, NULL, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_add_signal_handler(NULL, SIGUSR1, say, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_remove_signal_handler(NULL, SIGUSR1), -EINVAL);
    EXPECT_INT(asyncio_loop_close(loop), 0);
    EXPECT_INT(asyncio_loop_add_signal_handler(loop, SIGUSR1, say, NULL), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_remove_signal_handler(loop, SIGUSR1), 0);
    asyncio_loop_unref(loop);
    EXPECT(action_is(SIGUSR1, SIG_DFL));
}

TEST_REAL(from_another_thread, "SG-01: the handlers of a loop that runs are its thread's to add and to remove")
{
    struct other_loop other;

    start_other_loop(&other);
    while (!asyncio_loop_is_running(other.loop))
        pause_thread(0.001);
    EXPECT_INT(asyncio_loop_add_signal_handler(other.loop, SIGUSR1, say, NULL), -EXDEV);
    EXPECT_INT(asyncio_loop_remove_signal_handler(other.loop, SIGUSR1), -EXDEV);
    end_other_loop(&other);
}

/* ------------------------------------------------------------------------------------- What the signal did before */

static void with_information(int number_, siginfo_t *info, void *context)
{
    (void)number_;
    (void)info;
    (void)context;
    atomic_fetch_add(&n_handled, 1);
}

TEST(what_was_there_comes_back, "SG-02 R22: a handler of the program's, flags and mask and all, or that it is ignored")
{
    struct sigaction mine = {.sa_sigaction = with_information, .sa_flags = SA_SIGINFO | SA_NODEFER}, present;
    struct asyncio_loop *loop = NULL;

    if (new_loop(&loop) < 0)
        return;
    sigemptyset(&mine.sa_mask);
    sigaddset(&mine.sa_mask, SIGUSR2);
    sigaction(SIGUSR1, &mine, NULL);
    signal(SIGHUP, SIG_IGN);
    if (asyncio_loop_add_signal_handler(loop, SIGUSR1, say, text("never")) == 0 &&
        asyncio_loop_add_signal_handler(loop, SIGHUP, say, text("never")) == 0) {
        EXPECT_INT(sigaction(SIGUSR1, NULL, &present), 0);
        EXPECT(present.sa_flags & SA_RESTART);
        raise(SIGUSR1);
        EXPECT_INT(atomic_load(&n_handled), 0);
    }
    close_loop(loop);
    EXPECT_INT(sigaction(SIGUSR1, NULL, &present), 0);
    EXPECT(present.sa_sigaction == with_information && present.sa_flags & SA_SIGINFO && present.sa_flags & SA_NODEFER);
    EXPECT_INT(sigismember(&present.sa_mask, SIGUSR2), 1);
    raise(SIGUSR1);
    EXPECT_INT(atomic_load(&n_handled), 1);
    EXPECT(action_is(SIGHUP, SIG_IGN));
    EXPECT_TRACE("");
}

TEST(with_the_last_watch, "SG-02 R22: of two loops with handlers the second's end brings back what was there")
{
    struct asyncio_loop *first = NULL, *second = NULL;

    if (new_loop(&first) < 0)
        return;
    if (new_loop(&second) < 0) {
        close_loop(first);
        return;
    }
    signal(SIGUSR1, SIG_IGN);
    if (asyncio_loop_add_signal_handler(first, SIGUSR1, say, text("first")) == 0 &&
        asyncio_loop_add_signal_handler(second, SIGUSR1, say, text("second")) == 0) {
        raise(SIGUSR1);
        stop_later(first, 1);
        EXPECT_INT(asyncio_loop_run_forever(first), 0);
        EXPECT_INT(asyncio_loop_remove_signal_handler(first, SIGUSR1), 1);
        EXPECT(!action_is(SIGUSR1, SIG_IGN));
        raise(SIGUSR1);
        stop_later(second, 1);
        EXPECT_INT(asyncio_loop_run_forever(second), 0);
        EXPECT_TRACE("[0.000] first\n[0.000] second\n[0.000] second\n");
    }
    close_loop(second);
    close_loop(first);
    EXPECT(action_is(SIGUSR1, SIG_IGN));
}

TEST(what_is_put_over_it_stays, "SG-02 R22: a handler that the program installed meanwhile is not taken away")
{
    struct asyncio_loop *loop = NULL;

    if (new_loop(&loop) < 0)
        return;
    if (asyncio_loop_add_signal_handler(loop, SIGUSR1, say, text("never")) == 0) {
        signal(SIGUSR1, count_handled);
        EXPECT_INT(asyncio_loop_remove_signal_handler(loop, SIGUSR1), 1);
        EXPECT(action_is(SIGUSR1, count_handled));
    }
    /* And then it is what comes back. */
    if (asyncio_loop_add_signal_handler(loop, SIGUSR1, say, text("told")) == 0) {
        raise(SIGUSR1);
        stop_later(loop, 1);
        EXPECT_INT(asyncio_loop_run_forever(loop), 0);
        EXPECT_INT(atomic_load(&n_handled), 0);
        EXPECT_TRACE("[0.000] told\n");
        signal(SIGUSR1, count_handled);
        EXPECT_INT(asyncio_loop_add_signal_handler(loop, SIGUSR1, say, text("told again")), 0);
    }
    close_loop(loop);
    signal(SIGUSR1, SIG_DFL);
}

TEST(a_signal_at_the_very_end, "SG-02 #65: one that meets the handler when the last watch is gone has its old effect")
{
    struct asyncio_loop *loop = NULL;
    struct sigaction ours = {.sa_handler = NULL};

    if (new_loop(&loop) < 0)
        return;
    signal(SIGUSR1, count_handled);
    if (asyncio_loop_add_signal_handler(loop, SIGUSR1, say, text("never")) == 0) {
        EXPECT_INT(sigaction(SIGUSR1, NULL, &ours), 0);
        EXPECT_INT(asyncio_loop_remove_signal_handler(loop, SIGUSR1), 1);
        ours.sa_handler(SIGUSR1);
        EXPECT_INT(atomic_load(&n_handled), 1);
        /* But a handler that was put over ours and calls it is not called again for that. */
        signal(SIGUSR1, SIG_DFL);
        ours.sa_handler(SIGUSR1);
        /* And ours with nobody to tell does nothing. */
        sigaction(SIGUSR1, &ours, NULL);
        raise(SIGUSR1);
        EXPECT_INT(atomic_load(&n_handled), 1);
    }
    signal(SIGUSR1, SIG_DFL);
    close_loop(loop);
}

static struct sigaction over_ours;

static void counts_and_calls_ours(int number_)
{
    atomic_fetch_add(&n_handled, 1);
    over_ours.sa_handler(number_);
}

TEST(a_handler_that_calls_ours, "SG-02 R22: one over ours, under ours and alone again is not called for ever")
{
    struct sigaction theirs = {.sa_handler = counts_and_calls_ours};
    struct asyncio_loop *first = NULL, *second = NULL;

    if (new_loop(&first) < 0)
        return;
    if (new_loop(&second) < 0) {
        close_loop(first);
        return;
    }
    if (asyncio_loop_add_signal_handler(first, SIGUSR1, say, text("first")) == 0) {
        sigaction(SIGUSR1, &theirs, &over_ours);
        if (asyncio_loop_add_signal_handler(second, SIGUSR1, say, text("second")) == 0)
            EXPECT_INT(asyncio_loop_remove_signal_handler(second, SIGUSR1), 1);
        EXPECT_INT(asyncio_loop_remove_signal_handler(first, SIGUSR1), 1);
        sigaction(SIGUSR1, &theirs, NULL);
        raise(SIGUSR1);
        EXPECT(atomic_load(&n_handled) >= 1 && atomic_load(&n_handled) < 100);
        atomic_store(&n_handled, 0);
        raise(SIGUSR1);
        EXPECT_INT(atomic_load(&n_handled), 1);
    }
    signal(SIGUSR1, SIG_DFL);
    close_loop(second);
    close_loop(first);
}
/* ------------------------------------------------------------------------------------------------------- Dead locks */

static int waits_for_ever(void *arg)
{
    struct asyncio_future *never = asyncio_loop_create_future(asyncio_get_running_loop());
    int r;

    if (arg)
        EXPECT_INT(asyncio_loop_add_signal_handler(asyncio_get_running_loop(), SIGUSR1, say, NULL), 0);
    EXPECT_INT(asyncio_loop_remove_signal_handler(asyncio_get_running_loop(), SIGUSR1), arg != NULL);
    r = asyncio_await(never);
    asyncio_future_unref(never);
    return r;
}

TEST_NO_SWEEP(no_dead_lock, "SG-02: once its handler is gone a loop may be in a dead lock again", "it is about reports")
{
    EXPECT_INT(run(waits_for_ever, number(1)), -EDEADLK);
    EXPECT(strstr(captured_log(), "dead lock"));
}

/* ----------------------------------------------------------------------------------------------------------- Ctrl-C */

static int has_a_handler(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    EXPECT_INT(asyncio_loop_add_signal_handler(loop, SIGINT, say, text("handler")), 0);
    for (int i = 0; i < 3; i++)
        raise(SIGINT);
    EXPECT_INT(asyncio_sleep(0.001), 0);
    EXPECT_INT(asyncio_loop_remove_signal_handler(loop, SIGINT), 1);
    if (arg)
        raise(SIGINT);
    return asyncio_sleep(0.001);
}

TEST_NO_SWEEP(ctrl_c_handled, "R-04 SG-01: a handler of SIGINT takes the place of the cancel of main, until it is gone",
              "without the handler it is interrupted earlier")
{
    EXPECT_INT(run(has_a_handler, NULL), 0);
    EXPECT_INT(run(has_a_handler, number(1)), -EINTR);
    EXPECT(action_is(SIGINT, SIG_DFL));
    trace_clear();
}

static int awaits_ctrl_c(void *arg)
{
    struct asyncio_signals signals;
    int r = asyncio_signals_init(&signals, (const int[]){SIGINT}, 1);

    (void)arg;
    for (int i = 0; r == 0 && i < 3; i++) {
        raise(SIGINT);
        trace("%s", asyncio_signals_wait(&signals) == SIGINT ? "SIGINT" : "another");
    }
    asyncio_signals_fini(&signals);
    return r;
}

TEST(ctrl_c_awaited, "R-04 SG-01: so does a task that looks out for SIGINT")
{
    int r = run(awaits_ctrl_c, NULL);

    EXPECT_INT(r, 0);
    EXPECT_TRACE("[0.000] SIGINT\n[0.000] SIGINT\n[0.000] SIGINT\n");
    EXPECT(action_is(SIGINT, SIG_DFL));
}

static int returns_argument(void *arg)
{
    ASYNCIO_IGNORE(asyncio_sleep(0.001));
    return number_of(arg);
}

TEST_NO_SWEEP(ctrl_c_handled_before, "R-04: a handler that the runner's loop had before the run stays as it is",
              "it is about handlers, not memory")
{
    struct asyncio_runner runner;
    struct asyncio_loop *loop = NULL;

    EXPECT_INT(asyncio_runner_init(&runner, .loop_factory = new_loop), 0);
    EXPECT_INT(asyncio_runner_get_loop(&runner, &loop), 0);
    EXPECT_INT(asyncio_loop_add_signal_handler(loop, SIGINT, say, text("handler")), 0);
    raise(SIGINT);
    EXPECT_INT(asyncio_runner_run(&runner, returns_argument, number(4)), 4);
    raise(SIGINT);
    EXPECT_INT(asyncio_runner_run(&runner, returns_argument, number(5)), 5);
    EXPECT_INT(asyncio_runner_close(&runner), 0);
    EXPECT(action_is(SIGINT, SIG_DFL));
    EXPECT(strstr(transcript(), "handler"));
    trace_clear();
}

static int had_a_handler(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    (void)arg;
    EXPECT_INT(asyncio_loop_add_signal_handler(loop, SIGINT, say, NULL), 0);
    EXPECT_INT(asyncio_loop_remove_signal_handler(loop, SIGINT), 1);
    for (int i = 0; i < 2; i++) {
        raise(SIGINT);
        fprintf(stderr, "survived %d\n", i + 1);
        ASYNCIO_IGNORE(asyncio_sleep(0.001));
    }
    return 0;
}

TEST_DIES(ctrl_c_twice_after_a_handler, SIGINT, "survived 1")
{
    run(had_a_handler, NULL);
}
