/* test_wait.c -- wait, and as_completed in both its forms. */
#include "crew.h"

/* Sleeps as many seconds as its argument says and returns that. */
static int nap(void *arg)
{
    int r = asyncio_sleep(number_of(arg));

    return r < 0 ? r : number_of(arg);
}

static int fail_after(void *arg)
{
    int r = asyncio_sleep(number_of(arg));

    return r < 0 ? r : -EIO;
}

static int cancelled_after(void *arg)
{
    int r = asyncio_sleep(number_of(arg));

    return r < 0 ? r : -ECANCELED;
}

/* Waits for the whole crew but the last and says who is done. */
static void wait_and_say(double timeout, int when)
{
    int r = asyncio_wait(crew, (size_t)crew_size, timeout, when);
    char done[8] = "";

    for (int i = 0; i < crew_size && i < 7; i++)
        done[i] = asyncio_future_done(crew[i]) ? 'x' : '.';
    trace("wait: %s %s", said(r), done);
}

/* ------------------------------------------------------------------------------------------------------------ wait */

static int waits_for_all(void *arg)
{
    (void)arg;
    spawn(nap, number(1), NULL);
    spawn(fail_after, number(2), NULL);
    spawn(nap, number(3), NULL);
    wait_and_say(ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED);
    wait_and_say(ASYNCIO_FOREVER, ASYNCIO_FIRST_COMPLETED);
    EXPECT_INT(asyncio_future_result(crew[1]), -EIO);
    return 0;
}

TEST(wait_for_all, "C-06: until the last is done, errors or not; what is done stays so")
{
    EXPECT_INT(play(waits_for_all), 0);
    EXPECT_TRACE("[3.000] wait: 3 xxx\n[3.000] wait: 3 xxx\n");
}

static int waits_for_first(void *arg)
{
    (void)arg;
    spawn(nap, number(3), NULL);
    spawn(nap, number(1), NULL);
    spawn(nap, number(1), NULL);
    wait_and_say(ASYNCIO_FOREVER, ASYNCIO_FIRST_COMPLETED);
    wait_and_say(ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED);
    return 0;
}

TEST(wait_for_first, "C-06: returns when one is done, and counts all that are by then")
{
    EXPECT_INT(play(waits_for_first), 0);
    EXPECT_TRACE("[1.000] wait: 2 .xx\n[3.000] wait: 3 xxx\n");
}

static int waits_for_exception(void *arg)
{
    (void)arg;
    spawn(nap, number(1), NULL);
    spawn(cancelled_after, number(2), NULL);
    spawn(fail_after, number(3), NULL);
    spawn(nap, number(4), NULL);
    wait_and_say(ASYNCIO_FOREVER, ASYNCIO_FIRST_EXCEPTION);
    EXPECT_INT(asyncio_future_result(crew[2]), -EIO);
    wait_and_say(ASYNCIO_FOREVER, ASYNCIO_FIRST_EXCEPTION);
    return 0;
}

TEST(wait_for_exception, "C-06: until one fails, and one that is cancelled does not; else until all are done")
{
    EXPECT_INT(play(waits_for_exception), 0);
    EXPECT_TRACE("[3.000] wait: 3 xxx.\n[3.000] wait: 3 xxx.\n");
}

static int waits_without_exception(void *arg)
{
    (void)arg;
    spawn(nap, number(1), NULL);
    spawn(cancelled_after, number(2), NULL);
    wait_and_say(ASYNCIO_FOREVER, ASYNCIO_FIRST_EXCEPTION);
    return 0;
}

TEST(wait_for_exception_in_vain, "C-06: none fails: as waiting for all")
{
    EXPECT_INT(play(waits_without_exception), 0);
    EXPECT_TRACE("[2.000] wait: 2 xx\n");
}

static int waits_with_timeout(void *arg)
{
    (void)arg;
    spawn(nap, number(1), NULL);
    spawn(nap, number(4), NULL);
    wait_and_say(2, ASYNCIO_ALL_COMPLETED);
    EXPECT_INT(asyncio_wait(&crew[1], 1, 1, ASYNCIO_ALL_COMPLETED), 0);
    wait_and_say(0, ASYNCIO_ALL_COMPLETED);
    wait_and_say(-1, ASYNCIO_ALL_COMPLETED);
    wait_and_say(50, ASYNCIO_ALL_COMPLETED);
    EXPECT_INT(asyncio_task_cancelling(crew[1]), 0);
    return 0;
}

TEST(wait_with_timeout, "C-06: is no error and cancels nobody; zero and less only look")
{
    EXPECT_INT(play(waits_with_timeout), 0);
    EXPECT_TRACE("[2.000] wait: 1 x.\n[3.000] wait: 1 x.\n[3.000] wait: 1 x.\n[4.000] wait: 2 xx\n");
}

static int ends_with_timeout(void *arg)
{
    (void)arg;
    spawn(nap, number(2), NULL);
    turns(1);
    /* The time of the wait is over in the turn in which the task ends. */
    wait_and_say(2, ASYNCIO_ALL_COMPLETED);
    return 0;
}

TEST(wait_really_done, "C-06 D-11: what is done when the call returns counts, though the time was over first")
{
    EXPECT_INT(play(ends_with_timeout), 0);
    EXPECT_TRACE("[2.000] wait: 1 x\n");
}

static int waits_for_twins(void *arg)
{
    struct asyncio_future *a = spawn(nap, number(1), NULL), *b = spawn(nap, number(2), NULL);
    struct asyncio_future *futures[] = {a, b, a, b, a, a, a, a, a, b};

    (void)arg;
    EXPECT_INT(asyncio_wait(futures, 10, ASYNCIO_FOREVER, ASYNCIO_FIRST_COMPLETED), 1);
    EXPECT_INT(asyncio_wait(futures, 10, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED), 2);
    return 0;
}

TEST(wait_for_twins, "C-06: a future that is given several times counts once")
{
    EXPECT_INT(play(waits_for_twins), 0);
}

static int waits_wrongly(void *arg)
{
    struct asyncio_future *futures[2] = {spawn(nap, number(0), NULL), NULL};
    struct asyncio_future *refused = asyncio_create_task(NULL, NULL);

    (void)arg;
    EXPECT_INT(asyncio_wait(futures, 0, 1, ASYNCIO_ALL_COMPLETED), -EINVAL);
    EXPECT_INT(asyncio_wait(NULL, 1, 1, ASYNCIO_ALL_COMPLETED), -EINVAL);
    EXPECT_INT(asyncio_wait(futures, 2, 1, ASYNCIO_ALL_COMPLETED), -EINVAL);
    EXPECT_INT(asyncio_wait(futures, 1, 1, 3), -EINVAL);
    EXPECT_INT(asyncio_wait(futures, 1, 1, -1), -EINVAL);
    EXPECT_INT(asyncio_wait(futures, 1, __builtin_nan(""), ASYNCIO_ALL_COMPLETED), -EINVAL);
    EXPECT_INT(asyncio_wait(&refused, 1, 1, ASYNCIO_ALL_COMPLETED), 1);
    everybody();
    return 0;
}

TEST(wait_for_wrong_things, "C-06: none, NULL, an unknown condition, NaN; a failed creation counts as done")
{
    EXPECT_INT(asyncio_wait(NULL, 0, 1, ASYNCIO_ALL_COMPLETED), -EINVAL);
    EXPECT_INT(play(waits_wrongly), 0);
}

static void trace_callback(void *arg)
{
    (void)arg;
    trace("callback");
}

static int waits_for_done(void *arg)
{
    (void)arg;
    spawn(nap, number(0), NULL);
    turns(3);
    EXPECT_INT(asyncio_loop_call_soon(asyncio_get_running_loop(), trace_callback, NULL), 0);
    wait_and_say(ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED);
    return 0;
}

TEST(wait_always_yields, "C-06: lets others run though all are done")
{
    EXPECT_INT(play(waits_for_done), 0);
    EXPECT_TRACE("[0.000] callback\n[0.000] wait: 1 x\n");
}

static int wait_for_first_of_crew(void *arg)
{
    (void)arg;
    return asyncio_wait(crew, 1, 50, ASYNCIO_ALL_COMPLETED);
}

static int wait_is_cancelled(void *arg)
{
    struct asyncio_future *waiter;

    (void)arg;
    spawn(nap, number(3), NULL);
    waiter = asyncio_create_task(wait_for_first_of_crew, NULL);
    turns(2);
    cancel(waiter);
    EXPECT_INT(asyncio_await(waiter), -ECANCELED);
    EXPECT_INT(asyncio_task_cancelling(crew[0]), 0);
    EXPECT_INT(asyncio_await(crew[0]), 3);
    asyncio_future_unref(waiter);
    return 0;
}

TEST(wait_cancelled, "C-06 #30: the futures are untouched")
{
    EXPECT_INT(play(wait_is_cancelled), 0);
}

#define MANY_WAITS 20000

static int waits_often(void *arg)
{
    struct asyncio_future *futures[2];
    int64_t allocated = 0;

    (void)arg;
    futures[0] = asyncio_loop_create_future(asyncio_get_running_loop());
    for (int i = 0; i < MANY_WAITS; i++) {
        futures[1] = asyncio_loop_create_future(asyncio_get_running_loop());
        EXPECT_INT(asyncio_future_set_result(futures[1], 0, NULL), 0);
        EXPECT_INT(asyncio_wait(futures, 2, 10, ASYNCIO_FIRST_COMPLETED), 1);
        asyncio_future_unref(futures[1]);
        if (i == 10)
            allocated = asyncio_allocated();
    }
    EXPECT_INT(asyncio_allocated(), allocated);
    asyncio_future_unref(futures[0]);
    return 0;
}

TEST_NO_SWEEP(wait_leaves_nothing_behind,
              "C-06 #29: a future that lives long does not remember those who once waited for it", "too many faults")
{
    EXPECT_INT(run(waits_often, NULL), 0);
}

/* ---------------------------------------------------------------------------------------------------- as_completed */

static struct asyncio_as_completed iteration;

static const char *name_of(struct asyncio_future *future)
{
    return future ? asyncio_task_get_name(future) : "none";
}

/* Says which futures come, until there are no more. */
static int take_all(void *arg)
{
    struct asyncio_future *future = NULL;
    int r;

    (void)arg;
    while ((r = asyncio_as_completed_next(&iteration, &future)) == 1)
        trace("%s: %s", name_of(future), said(asyncio_future_result(future)));
    trace("end: %s", said(r));
    return r;
}

static int take_results(void *arg)
{
    int result = 0, r, n = 0;

    (void)arg;
    while ((r = asyncio_as_completed_next_result(&iteration, &result)) == 1 && n++ < 10)
        trace("result: %s", said(result));
    trace("end: %s", said(r));
    return r;
}

static void begin(size_t n, double timeout)
{
    EXPECT_INT(asyncio_as_completed(&iteration, crew, n, timeout), 0);
}

static int completes(void *arg)
{
    (void)arg;
    spawn(nap, number(3), "a");
    spawn(nap, number(1), "b");
    spawn(fail_after, number(2), "c");
    begin(3, ASYNCIO_FOREVER);
    EXPECT_INT(take_all(NULL), 0);
    asyncio_as_completed_fini(&iteration);
    begin(3, ASYNCIO_FOREVER);
    EXPECT_INT(take_results(NULL), 0);
    asyncio_as_completed_fini(&iteration);
    return 0;
}

TEST(as_completed_in_order,
     "C-10 C-09 D-12: the futures themselves, or their outcomes, as they complete; those that are done already, in "
     "the order of the arguments")
{
    EXPECT_INT(play(completes), 0);
    EXPECT_TRACE("[1.000] b: 1\n"
                 "[2.000] c: -EIO\n"
                 "[3.000] a: 3\n"
                 "[3.000] end: 0\n"
                 "[3.000] result: 3\n"
                 "[3.000] result: 1\n"
                 "[3.000] result: -EIO\n"
                 "[3.000] end: 0\n");
}

static int completes_in_time(void *arg)
{
    (void)arg;
    spawn(nap, number(1), "a");
    spawn(nap, number(5), "b");
    spawn(nap, number(5), "c");
    begin(3, 2);
    EXPECT_INT(take_results(NULL), 0);
    asyncio_as_completed_fini(&iteration);
    begin(3, 2);
    EXPECT_INT(take_all(NULL), -ETIMEDOUT);
    EXPECT_INT(take_all(NULL), -ETIMEDOUT);
    asyncio_as_completed_fini(&iteration);
    everybody();
    EXPECT_INT(asyncio_future_result(crew[1]), 5);
    return 0;
}

TEST(as_completed_with_timeout,
     "C-09 C-10: every outcome that is left is a time-out, or the loop ends with it; nobody is cancelled")
{
    EXPECT_INT(play(completes_in_time), 0);
    EXPECT_TRACE("[1.000] result: 1\n"
                 "[2.000] result: -ETIMEDOUT\n"
                 "[2.000] result: -ETIMEDOUT\n"
                 "[2.000] end: 0\n"
                 "[2.000] a: 1\n"
                 "[4.000] end: -ETIMEDOUT\n"
                 "[4.000] end: -ETIMEDOUT\n");
}

static int completes_before_timeout(void *arg)
{
    (void)arg;
    spawn(nap, number(1), "a");
    begin(1, 3);
    EXPECT_INT(asyncio_await(crew[0]), 1);
    turns(1);
    EXPECT(asyncio_loop_next_deadline(asyncio_get_running_loop()) == INT64_MAX);
    EXPECT_INT(asyncio_sleep(9), 0);
    EXPECT_INT(take_all(NULL), 0);
    asyncio_as_completed_fini(&iteration);
    return 0;
}

TEST(as_completed_with_unused_timeout, "C-09: the time ends with the last future, not with the last look")
{
    EXPECT_INT(play(completes_before_timeout), 0);
    EXPECT_TRACE("[10.000] a: 1\n[10.000] end: 0\n");
}

static int completes_twins(void *arg)
{
    struct asyncio_future *twins[3];

    (void)arg;
    twins[0] = twins[2] = spawn(nap, number(2), "a");
    twins[1] = spawn(nap, number(1), "b");
    EXPECT_INT(asyncio_as_completed(&iteration, twins, 3, ASYNCIO_FOREVER), 0);
    EXPECT_INT(take_all(NULL), 0);
    asyncio_as_completed_fini(&iteration);
    EXPECT_INT(asyncio_as_completed(&iteration, NULL, 0, 1), 0);
    EXPECT_INT(take_all(NULL), 0);
    EXPECT_INT(take_results(NULL), 0);
    asyncio_as_completed_fini(&iteration);
    return 0;
}

TEST(as_completed_of_twins_and_none,
     "C-09 C-10: a future that is given twice comes once; of none, the end comes at once")
{
    EXPECT_INT(play(completes_twins), 0);
    EXPECT_TRACE("[1.000] b: 1\n[2.000] a: 2\n[2.000] end: 0\n[2.000] end: 0\n[2.000] end: 0\n");
}

static int abandons(void *arg)
{
    struct asyncio_future *future = NULL;

    (void)arg;
    spawn(nap, number(1), "a");
    spawn(nap, number(2), "b");
    begin(2, 50);
    EXPECT_INT(asyncio_as_completed_next(&iteration, &future), 1);
    EXPECT_PTR(future, crew[0]);
    asyncio_as_completed_fini(&iteration);
    asyncio_as_completed_fini(&iteration);
    EXPECT_INT(asyncio_await(crew[1]), 2);
    return 0;
}

TEST(as_completed_abandoned, "C-10 F-11: an iteration may end at any point, and leaves nothing behind")
{
    EXPECT_INT(play(abandons), 0);
}

TEST(as_completed_before_the_run, "C-09: may be made before the loop runs; but not of a loop that is not there")
{
    struct asyncio_loop *loop;

    EXPECT_INT(asyncio_as_completed(&iteration, NULL, 0, 1), -ASYNCIO_ENOLOOP);
    EXPECT_INT(asyncio_as_completed(NULL, NULL, 0, 1), -EINVAL);
    EXPECT_INT(new_loop(&loop), 0);
    if (!loop)
        return;
    crew[crew_size++] = asyncio_loop_create_task(loop, nap, number(1), .name = "a");
    EXPECT_INT(asyncio_as_completed(&iteration, crew, 1, __builtin_nan("")), -EINVAL);
    EXPECT_INT(asyncio_as_completed(&iteration, crew, 1, ASYNCIO_FOREVER), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, take_all, NULL), 0);
    asyncio_as_completed_fini(&iteration);
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, crew[0]), 1);
    EXPECT_TRACE("[1.000] a: 1\n[1.000] end: 0\n");
    dismiss_crew();
    close_loop(loop);
}

static int take_one(void *arg)
{
    struct asyncio_future *future = NULL;
    int r = asyncio_as_completed_next(&iteration, &future);

    (void)arg;
    trace("%s: %s %s", me(), said(r), r == 1 ? name_of(future) : "");
    return r;
}

static int several_take(void *arg)
{
    struct asyncio_future *takers[3];
    const char *names[] = {"first", "second", "third"};

    (void)arg;
    spawn(nap, number(1), "a");
    spawn(nap, number(2), "b");
    begin(2, ASYNCIO_FOREVER);
    for (int i = 0; i < 3; i++)
        takers[i] = asyncio_create_task(take_one, NULL, .name = names[i]);
    turns(1);
    cancel(takers[0]);
    for (int i = 0; i < 3; i++) {
        ASYNCIO_IGNORE(asyncio_wait(&takers[i], 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
        asyncio_future_unref(takers[i]);
    }
    asyncio_as_completed_fini(&iteration);
    return 0;
}

TEST(as_completed_taken_by_several,
     "C-09 C-10: each future goes to one of those who wait, first come first served; a cancel takes none")
{
    EXPECT_INT(play(several_take), 0);
    EXPECT_TRACE("[0.000] first: -ECANCELED \n[1.000] second: 1 a\n[2.000] third: 1 b\n");
}

static int late_cancel(void *arg)
{
    struct asyncio_future *first, *second;

    (void)arg;
    spawn(nap, number(1), "a");
    spawn(nap, number(50), "b");
    begin(2, ASYNCIO_FOREVER);
    first = asyncio_create_task(take_one, NULL, .name = "first");
    second = asyncio_create_task(take_one, NULL, .name = "second");
    EXPECT_INT(asyncio_await(crew[0]), 1);
    /* The first has been woken for the future and has not run. */
    cancel(first);
    ASYNCIO_IGNORE(asyncio_wait(&second, 1, 5, ASYNCIO_ALL_COMPLETED));
    ASYNCIO_IGNORE(asyncio_wait(&first, 1, 5, ASYNCIO_ALL_COMPLETED));
    cancel(crew[1]);
    asyncio_future_unref(first);
    asyncio_future_unref(second);
    asyncio_as_completed_fini(&iteration);
    everybody();
    return 0;
}

TEST(as_completed_cancelled_late, "C-10: a future that was meant for a waiter that is cancelled goes to the next")
{
    EXPECT_INT(play(late_cancel), 0);
    EXPECT_TRACE("[1.000] first: -ECANCELED \n[1.000] second: 1 a\n");
}
