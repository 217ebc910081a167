/* test_waitfor.c -- wait_for, for a coroutine and for a future. */
#include "crew.h"

static struct asyncio_contextvar colour = {.name = "colour"};
static struct asyncio_future *shared;

/* A literal as an argument. */
static void *text(const char *literal)
{
    return (void *)(uintptr_t)literal;
}

/* Sleeps as many seconds as its argument says and returns that. */
static int nap(void *arg)
{
    int r = asyncio_sleep(number_of(arg));

    trace("nap: %s", said(r));
    return r < 0 ? r : number_of(arg);
}

static int clean_up_slowly(void *arg)
{
    int r = asyncio_sleep(100);

    (void)arg;
    ASYNCIO_IGNORE(asyncio_sleep(3));
    trace("cleaned up after %s", said(r));
    return r;
}

/* Meets a cancel and ends with its argument instead. */
static int end_with(void *arg)
{
    trace("ends with %d after %s", number_of(arg), said(asyncio_sleep(100)));
    return number_of(arg);
}

static int never_runs(void *arg)
{
    (void)arg;
    FAIL("a coroutine without time was started");
    return 0;
}

/* A coroutine, or the same as a task, with so much time: what comes of it, and when. */
struct timed {
    asyncio_coro *fn;
    int arg;
    double timeout;
    int result;
    double time;
};

static const struct timed cases[] = {
    {nap, 1, ASYNCIO_FOREVER, 1, 1},        {nap, 1, 2, 1, 1},      {nap, 5, 2, -ETIMEDOUT, 2},
    {clean_up_slowly, 0, 2, -ETIMEDOUT, 5}, {end_with, 7, 2, 7, 2}, {end_with, -EIO, 2, -EIO, 2},
};

static double now(void)
{
    return asyncio_loop_time(asyncio_get_running_loop());
}

static int waits_for_coroutines(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double before = now();

        EXPECT_INT(asyncio_wait_for(cases[i].fn, number(cases[i].arg), cases[i].timeout), cases[i].result);
        EXPECT_DOUBLE(now() - before, cases[i].time);
        EXPECT_INT(asyncio_task_cancelling(asyncio_current_task()), 0);
        EXPECT_INT(asyncio_sleep(0), 0);
    }
    return 0;
}

TEST(wait_for_a_coroutine,
     "C-07 #18 #19: its result in time; the time-out after its cleanup; what it ends with instead")
{
    EXPECT_INT(run(waits_for_coroutines, NULL), 0);
    trace_clear();
}

static int waits_for_futures(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double before = now();
        struct asyncio_future *task = spawn(cases[i].fn, number(cases[i].arg), NULL);

        EXPECT_INT(asyncio_wait_for_future(task, cases[i].timeout), cases[i].result);
        EXPECT_DOUBLE(now() - before, cases[i].time);
        EXPECT(asyncio_future_done(task));
        EXPECT_INT(asyncio_future_cancelled(task), cases[i].result == -ETIMEDOUT);
        EXPECT_INT(asyncio_task_cancelling(asyncio_current_task()), 0);
    }
    return 0;
}

TEST(wait_for_a_task, "C-07 #18 #19: the same for a task, which is cancelled and waited for")
{
    EXPECT_INT(play(waits_for_futures), 0);
    trace_clear();
}

static int swallow_at_once(void *arg)
{
    ASYNCIO_IGNORE(asyncio_sleep(100));
    return number_of(arg);
}

static int without_time(void *arg)
{
    (void)arg;
    for (double timeout = -1; timeout <= 0; timeout++) {
        struct asyncio_future *done = spawn(nap, number(0), NULL), *swallowing, *idle, *slow;

        EXPECT_INT(asyncio_await(done), 0);
        EXPECT_INT(asyncio_wait_for(never_runs, NULL, timeout), -ETIMEDOUT);
        EXPECT_INT(asyncio_wait_for_future(done, timeout), 0);
        idle = spawn(never_runs, NULL, NULL);
        EXPECT_INT(asyncio_wait_for_future(idle, timeout), -ETIMEDOUT);
        swallowing = spawn(swallow_at_once, number(5), NULL);
        slow = spawn(clean_up_slowly, NULL, NULL);
        turns(1);
        EXPECT_INT(asyncio_wait_for_future(swallowing, timeout), 5);
        EXPECT_INT(asyncio_wait_for_future(slow, timeout), -ETIMEDOUT);
        EXPECT(asyncio_future_cancelled(slow));
    }
    return 0;
}

TEST(wait_for_without_time,
     "C-08 #39: nothing is started; what is done gives its result, what is not is cancelled and waited for")
{
    EXPECT_INT(play(without_time), 0);
    trace_clear();
}

static int waits_for_none(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_wait_for(NULL, NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_wait_for(nap, NULL, __builtin_nan("")), -EINVAL);
    EXPECT_INT(asyncio_wait_for_future(NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_wait_for_future(asyncio_current_task(), 1), -EDEADLK);
    return 0;
}

TEST(wait_for_wrong_things, "C-07: NULL, NaN, oneself; outside a task")
{
    EXPECT_INT(asyncio_wait_for(nap, NULL, 1), -ASYNCIO_ENOTASK);
    EXPECT_INT(run(waits_for_none, NULL), 0);
}

static int paint(void *arg)
{
    EXPECT_PTR(asyncio_current_task(), crew[0]);
    return asyncio_contextvar_set(&colour, arg, NULL);
}

static int paints(void *arg)
{
    (void)arg;
    crew[crew_size++] = asyncio_future_ref(asyncio_current_task());
    EXPECT_INT(asyncio_wait_for(paint, text("red"), 1), 0);
    EXPECT_STR(asyncio_contextvar_get(&colour, NULL), "red");
    return 0;
}

TEST(wait_for_stays_in_its_task,
     "C-07 X-05: the coroutine runs in the caller's task and context, and what it sets is seen")
{
    EXPECT_INT(play(paints), 0);
}

/* ------------------------------------------------------------------------------------------------------- Cancelled */

static int wait_for_mate(void *arg)
{
    int r = asyncio_wait_for_future(crew[0], number_of(arg));

    trace("wait_for: %s, cancelling %d", said(r), asyncio_task_cancelling(asyncio_current_task()));
    return r;
}

static int wait_for_end_with(void *arg)
{
    int r = asyncio_wait_for(end_with, arg, 50);

    trace("wait_for: %s, cancelling %d", said(r), asyncio_task_cancelling(asyncio_current_task()));
    return r;
}

static int is_cancelled(void *arg)
{
    (void)arg;
    spawn(nap, number(10), "inner");
    spawn(wait_for_mate, number(50), "outer");
    EXPECT_INT(asyncio_sleep(1), 0);
    cancel(crew[1]);
    everybody();
    EXPECT(asyncio_future_cancelled(crew[0]));
    EXPECT_INT(asyncio_task_cancelling(crew[0]), 1);
    return 0;
}

TEST(wait_for_cancelled, "C-07 #20: a cancel from outside reaches what is waited for, and stays a cancel")
{
    EXPECT_INT(play(is_cancelled), 0);
    EXPECT_TRACE("[1.000] nap: -ECANCELED\n[1.000] wait_for: -ECANCELED, cancelling 1\n");
}

static int is_cancelled_and_swallows(void *arg)
{
    (void)arg;
    spawn(wait_for_end_with, number(4), "outer");
    EXPECT_INT(asyncio_sleep(1), 0);
    cancel(crew[0]);
    EXPECT_INT(asyncio_await(crew[0]), 4);
    return 0;
}

TEST(wait_for_cancelled_and_swallowed,
     "C-07 T-08: a coroutine that swallows a cancel of its caller decides what comes of it")
{
    EXPECT_INT(play(is_cancelled_and_swallows), 0);
    EXPECT_TRACE("[1.000] ends with 4 after -ECANCELED\n[1.000] wait_for: 4, cancelling 1\n");
}

/* What happens, in this order, within one turn of the loop: the inner ends, the outer is cancelled, the time is
 * over. */
static int wait_for_shared(void *arg)
{
    int r = asyncio_wait_for_future(shared, number_of(arg));

    trace("wait_for: %s", said(r));
    r = asyncio_sleep(0);
    trace("then: %s", said(r));
    return r;
}

static void set_shared(void *arg)
{
    EXPECT_INT(asyncio_future_set_result(shared, number_of(arg), NULL), 0);
}

static void cancel_first(void *arg)
{
    (void)arg;
    cancel(crew[0]);
}

static int ends_and_is_cancelled(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    (void)arg;
    shared = asyncio_loop_create_future(loop);
    spawn(wait_for_shared, number(50), NULL);
    EXPECT_INT(asyncio_loop_call_later(loop, 1, set_shared, number(6)), 0);
    EXPECT_INT(asyncio_loop_call_later(loop, 1, cancel_first, NULL), 0);
    everybody();
    EXPECT_INT(asyncio_future_result(shared), 6);
    asyncio_future_unref(shared);
    return 0;
}

TEST(wait_for_result_and_cancel,
     "C-07 D-11 #16 #24: result and cancel in one turn: the cancel is delivered, the value stays in the future")
{
    EXPECT_INT(play(ends_and_is_cancelled), 0);
    EXPECT_TRACE("[1.000] wait_for: -ECANCELED\n[1.000] then: 0\n");
}

static int result_before_timeout(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    (void)arg;
    shared = asyncio_loop_create_future(loop);
    /* Both timers are due in one turn, this one first. */
    EXPECT_INT(asyncio_loop_call_later(loop, 1, set_shared, number(6)), 0);
    spawn(wait_for_shared, number(1), NULL);
    everybody();
    EXPECT_INT(asyncio_future_result(shared), 6);
    asyncio_future_unref(shared);
    return 0;
}

TEST(wait_for_result_and_timeout,
     "C-07 D-11 #24: both are due in one turn: the time-out comes before the waiter has run, and the value stays in "
     "the future")
{
    EXPECT_INT(play(result_before_timeout), 0);
    EXPECT_TRACE("[1.000] wait_for: -ETIMEDOUT\n[1.000] then: 0\n");
}

static void set_soon(void *arg)
{
    EXPECT_INT(asyncio_loop_call_soon(asyncio_get_running_loop(), set_shared, arg), 0);
}

/* Lets the clock come to the deadline while the waiter stands on the ready queue. */
static int result_a_turn_before(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    (void)arg;
    shared = asyncio_loop_create_future(loop);
    spawn(wait_for_shared, number(2), NULL);
    EXPECT_INT(asyncio_loop_call_later(loop, 1, set_soon, number(6)), 0);
    everybody();
    asyncio_future_unref(shared);
    return 0;
}

TEST(wait_for_result_in_time, "C-07 D-11: the waiter is woken before its deadline: the result wins")
{
    EXPECT_INT(play(result_a_turn_before), 0);
    EXPECT_TRACE("[1.000] wait_for: 6\n[1.000] then: 0\n");
}

static int cancel_pending(void *arg)
{
    int r;

    (void)arg;
    shared = asyncio_loop_create_future(asyncio_get_running_loop());
    EXPECT_INT(asyncio_future_set_result(shared, 5, NULL), 0);
    cancel(asyncio_current_task());
    r = asyncio_wait_for_future(shared, 10);
    asyncio_future_unref(shared);
    EXPECT_INT(r, 5);
    return asyncio_sleep(0);
}

TEST(wait_for_done_with_a_cancel_pending,
     "C-07 #17: what is done is answered at once; the pending cancel is not eaten by it")
{
    EXPECT_INT(run(cancel_pending, NULL), -ECANCELED);
}

static int cancel_pending_without_time(void *arg)
{
    (void)arg;
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_wait_for(never_runs, NULL, 0), -ECANCELED);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_wait_for(nap, number(1), 5), -ECANCELED);
    return asyncio_sleep(0);
}

TEST(wait_for_with_a_cancel_pending, "C-08 C-07: a cancel from before is delivered as such")
{
    EXPECT_INT(run(cancel_pending_without_time, NULL), 0);
    trace_clear();
}

static int waits_for_shielded(void *arg)
{
    struct asyncio_future *inner = spawn(nap, number(5), "inner"), *outer = asyncio_shield_future(inner);

    (void)arg;
    EXPECT_INT(asyncio_wait_for_future(outer, 2), -ETIMEDOUT);
    EXPECT(!asyncio_future_done(inner));
    EXPECT_INT(asyncio_await(inner), 5);
    asyncio_future_unref(outer);
    return 0;
}

TEST(wait_for_a_shield, "C-07 C-15: the time-out leaves what is shielded alone")
{
    EXPECT_INT(play(waits_for_shielded), 0);
    EXPECT_TRACE("[5.000] nap: 0\n");
}

static int wait_for_inner(void *arg)
{
    return asyncio_wait_for(nap, arg, 1);
}

static int nests(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_wait_for(wait_for_inner, number(5), 3), -ETIMEDOUT);
    EXPECT_DOUBLE(now(), 1);
    EXPECT_INT(asyncio_wait_for(wait_for_inner, number(5), 0.5), -ETIMEDOUT);
    EXPECT_DOUBLE(now(), 1.5);
    EXPECT_INT(asyncio_task_cancelling(asyncio_current_task()), 0);
    return 0;
}

TEST(wait_for_in_wait_for, "C-07 C-13: the shorter one ends both")
{
    EXPECT_INT(run(nests, NULL), 0);
    trace_clear();
}
