/* test_signal_waits.c -- signals in straight-line code: tasks that wait for them. */
#include "signal_rig.h"

/* -------------------------------------------------------------------------------------------------- Waiting for one */

static int waits(void *arg)
{
    return asyncio_signals_wait(arg);
}

static int looks_out(void *arg)
{
    struct asyncio_signals signals;
    int r = asyncio_signals_init(&signals, (const int[]){SIGUSR2, SIGUSR1, SIGHUP}, 3);

    (void)arg;
    if (r < 0)
        return r;
    raise_later(asyncio_get_running_loop(), 1, SIGHUP);
    trace("%s", said(asyncio_signals_wait(&signals)));
    raise_twice(number(SIGUSR2));
    raise_twice(number(SIGUSR1));
    EXPECT_INT(asyncio_sleep(1), 0);
    for (int i = 0; i < 2; i++)
        trace("%s", asyncio_signals_wait(&signals) == SIGUSR1 ? "USR1" : "USR2");
    EXPECT_INT(asyncio_wait_for(waits, &signals, 1), -ETIMEDOUT);
    asyncio_signals_fini(&signals);
    asyncio_signals_fini(&signals);
    return 0;
}

TEST(awaited, "SG-01 SG-03: several of a number that nobody waited for count once; the lowest number is first")
{
    int r = run(looks_out, NULL);

    EXPECT_INT(r, 0);
    EXPECT_TRACE("[1.000] 1\n[2.000] USR1\n[2.000] USR2\n");
    EXPECT(action_is(SIGUSR1, SIG_DFL) && action_is(SIGUSR2, SIG_DFL) && action_is(SIGHUP, SIG_DFL));
}

static int waits_once(void *arg)
{
    trace("%s: %s", me(), said(asyncio_signals_wait(arg)));
    return 0;
}

static void cancels_a(void *arg)
{
    (void)arg;
    cancel(crew[0]);
}

static int one_each(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_signals signals;
    int r = asyncio_signals_init(&signals, (const int[]){SIGHUP, SIGUSR1}, 2);

    (void)arg;
    if (r < 0)
        return r;
    spawn(waits_once, &signals, "a");
    spawn(waits_once, &signals, "b");
    spawn(waits_once, &signals, "c");
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT(dump_says("waiting for one of the signals 1 10"));
    /* It is told after the watch of `signals`: then a has its signal, but has not run. */
    r = asyncio_loop_add_signal_handler(loop, SIGHUP, cancels_a, NULL);
    raise(SIGHUP);
    ASYNCIO_IGNORE(asyncio_sleep(1));
    cancel(crew[1]);
    raise(SIGHUP);
    raise(SIGUSR1);
    ASYNCIO_IGNORE(asyncio_sleep(1));
    trace("left: %s", said(asyncio_signals_wait(&signals)));
    asyncio_loop_remove_signal_handler(loop, SIGHUP);
    for (int i = 0; i < 3; i++)
        cancel(crew[i]);
    everybody();
    asyncio_signals_fini(&signals);
    return r;
}

TEST_NO_SWEEP(several_wait, "SG-03 R22: each signal goes to one; whoever is cancelled with it passes it on",
              "without the handler the signal goes to another")
{
    EXPECT_INT(play(one_each), 0);
    EXPECT_TRACE("[1.000] a: -ECANCELED\n"
                 "[1.000] b: 1\n"
                 "[2.000] c: 1\n"
                 "[3.000] left: 10\n");
}

static int misuses(void *arg)
{
    static const int none_such = SIGKILL;
    struct asyncio_signals signals = {.loop = NULL};

    (void)arg;
    EXPECT_INT(asyncio_signals_wait(&signals), -EINVAL);
    EXPECT_INT(asyncio_signals_wait(NULL), -EINVAL);
    EXPECT_INT(asyncio_signals_init(NULL, &none_such, 1), -EINVAL);
    EXPECT_INT(asyncio_signals_init(&signals, NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_signals_init(&signals, &none_such, 0), -EINVAL);
    EXPECT_INT(asyncio_signals_init(&signals, (const int[]){SIGUSR1, SIGKILL}, 2), -EINVAL);
    EXPECT(action_is(SIGUSR1, SIG_DFL));
    EXPECT_INT(asyncio_signals_wait(&signals), -EINVAL);
    asyncio_signals_fini(&signals);
    asyncio_signals_fini(NULL);
    return 0;
}

TEST_NO_SWEEP(misused, "SG-01: no loop, no task, nothing to look out for, what cannot be caught",
              "without memory the errors are others")
{
    struct asyncio_signals signals;

    EXPECT_INT(asyncio_signals_init(&signals, (const int[]){SIGUSR1}, 1), -ASYNCIO_ENOLOOP);
    asyncio_signals_fini(&signals);
    EXPECT_INT(run(misuses, NULL), 0);
}

static struct asyncio_signals kept;

static int keeps(void *arg)
{
    (void)arg;
    return asyncio_signals_init(&kept, (const int[]){SIGUSR1, SIGUSR2}, 2);
}

static int uses_kept(void *arg)
{
    (void)arg;
    trace("%s", said(asyncio_signals_wait(&kept)));
    return 0;
}

TEST(another_loops, "SG-02 SG-04: signals belong to a loop; its close ends them, and what is left is harmless")
{
    struct asyncio_loop *loop = NULL;

    if (new_loop(&loop) < 0)
        return;
    if (asyncio_loop_run_until_complete(loop, keeps, NULL) == 0) {
        EXPECT(!action_is(SIGUSR1, SIG_DFL));
        EXPECT_INT(asyncio_signals_wait(&kept), -ASYNCIO_ENOTASK);
        EXPECT_INT(run(uses_kept, NULL), 0);
        EXPECT_TRACE("[0.000] -ASYNCIO_EFOREIGNLOOP\n");
        raise(SIGUSR1);
    }
    close_loop(loop);
    EXPECT(action_is(SIGUSR1, SIG_DFL));
    asyncio_signals_fini(&kept);
}

/* ---------------------------------------------------------------------------------------------------------- Several */

static int told(void *arg)
{
    struct asyncio_signals *signals = arg;
    int r;

    while ((r = asyncio_signals_wait(signals)) > 0)
        trace("%s: %s", me(), r == SIGUSR1 ? "USR1" : "another");
    return 0;
}

static int beside_each_other(void *arg)
{
    struct asyncio_signals first, second;
    int r = asyncio_signals_init(&first, (const int[]){SIGUSR1}, 1);

    (void)arg;
    if (r < 0)
        return r;
    r = asyncio_signals_init(&second, (const int[]){SIGUSR1, SIGUSR1}, 2);
    if (r == 0)
        r = asyncio_loop_add_signal_handler(asyncio_get_running_loop(), SIGUSR1, say, text("handler"));
    if (r == 0) {
        spawn(told, &first, "first");
        spawn(told, &second, "second");
        raise_later(asyncio_get_running_loop(), 1, SIGUSR1);
        raise_later(asyncio_get_running_loop(), 2, SIGUSR1);
        ASYNCIO_IGNORE(asyncio_sleep(3));
        for (int i = 0; i < 2; i++)
            cancel(crew[i]);
        everybody();
    }
    asyncio_signals_fini(&first);
    asyncio_signals_fini(&second);
    return r;
}

TEST_NO_SWEEP(several, "SG-01 R22: tasks and a handler may look out for the same signal, and all are told",
              "who is told then depends on what failed")
{
    EXPECT_INT(play(beside_each_other), 0);
    /* The second one's second watch leaves its bit, and with it a second turn. */
    EXPECT_TRACE("[1.000] handler\n[1.000] first: USR1\n[1.000] second: USR1\n[1.000] second: USR1\n"
                 "[2.000] handler\n[2.000] first: USR1\n[2.000] second: USR1\n[2.000] second: USR1\n");
}
