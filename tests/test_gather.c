/* test_gather.c -- several futures waited for as one. */
#include "crew.h"

#include <string.h>

static int results[8];

/* Sleeps as many seconds as its argument says and returns that. */
static int nap(void *arg)
{
    int r = asyncio_sleep(number_of(arg));

    trace("%s: %s", me(), said(r));
    return r < 0 ? r : number_of(arg);
}

/* Sleeps one second, then fails with its argument. */
static int fail(void *arg)
{
    int r = asyncio_sleep(1);

    trace("%s fails", me());
    return r < 0 ? r : number_of(arg);
}

/* Needs as many seconds as its argument says to clean up after a cancel. */
static int clean_up(void *arg)
{
    int r = asyncio_sleep(100);

    ASYNCIO_IGNORE(asyncio_sleep(number_of(arg)));
    trace("%s has cleaned up after %s", me(), said(r));
    return r;
}

/* Swallows a cancel. */
static int swallow(void *arg)
{
    trace("%s swallows %s", me(), said(asyncio_sleep(100)));
    return number_of(arg);
}

static void forget_results(void)
{
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
        results[i] = 77;
}

/* Gathers the first n of the crew; the second one returns errors as results. */
static int gather_crew(void *arg)
{
    int r = asyncio_gather(crew, (size_t)number_of(arg), results);

    trace("gather: %s", said(r));
    return r;
}

static int gather_exceptions(void *arg)
{
    int r = asyncio_gather(crew, (size_t)number_of(arg), results, .return_exceptions = true);

    trace("gather: %s", said(r));
    return r;
}

/* --------------------------------------------------------------------------------------------------------- Results */

static int in_order(void *arg)
{
    (void)arg;
    spawn(nap, number(3), "a");
    spawn(nap, number(1), "b");
    spawn(nap, number(2), "c");
    EXPECT_INT(gather_crew(number(3)), 0);
    EXPECT(results[0] == 3 && results[1] == 1 && results[2] == 2);
    EXPECT_INT(asyncio_gather(crew, 3, NULL), 0);
    return 0;
}

TEST(gather_in_order,
     "C-02: the results stand in the order of the arguments, whoever ends first; they are not compulsory")
{
    EXPECT_INT(play(in_order), 0);
    EXPECT_TRACE("[1.000] b: 0\n[2.000] c: 0\n[3.000] a: 0\n[3.000] gather: 0\n");
}

static int of_none(void *arg)
{
    struct asyncio_future *all = asyncio_gather_future(NULL, 0, NULL);

    (void)arg;
    EXPECT(asyncio_future_done(all));
    EXPECT_INT(asyncio_future_result(all), 0);
    asyncio_future_unref(all);
    return asyncio_gather(NULL, 0, NULL);
}

TEST(gather_of_none, "C-02 #23: is done at once")
{
    EXPECT_INT(run(of_none, NULL), 0);
}

static int of_twins(void *arg)
{
    struct asyncio_future *twins[4];

    (void)arg;
    twins[0] = twins[2] = twins[3] = spawn(nap, number(2), "a");
    twins[1] = spawn(nap, number(1), "b");
    EXPECT_INT(asyncio_gather(twins, 4, results), 0);
    EXPECT(results[0] == 2 && results[1] == 1 && results[2] == 2 && results[3] == 2);
    return 0;
}

TEST(gather_of_twins, "C-02: a future given several times runs once and has its result in each place")
{
    EXPECT_INT(play(of_twins), 0);
    EXPECT_TRACE("[1.000] b: 0\n[2.000] a: 0\n");
}

static int of_done(void *arg)
{
    (void)arg;
    spawn(nap, number(0), "a");
    spawn(nap, number(0), "b");
    turns(2);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_gather(crew, 2, results), 0);
    EXPECT_INT(asyncio_sleep(0), -ECANCELED);
    return 0;
}

TEST(gather_of_what_is_done, "C-02 T-04: does not yield")
{
    EXPECT_INT(play(of_done), 0);
    trace_clear();
}

static int of_wrong(void *arg)
{
    struct asyncio_future *futures[2] = {spawn(nap, number(0), "a"), NULL};

    (void)arg;
    EXPECT_INT(asyncio_gather(futures, 2, NULL), -EINVAL);
    EXPECT_INT(asyncio_gather(NULL, 1, NULL), -EINVAL);
    futures[1] = asyncio_create_task(NULL, NULL);
    EXPECT_INT(asyncio_gather(futures, 2, NULL), -EINVAL);
    everybody();
    return 0;
}

TEST(gather_of_wrong_things, "C-02: NULL is refused; a task that could not be created brings its error with it")
{
    EXPECT_INT(asyncio_gather(NULL, 0, NULL), -ASYNCIO_ENOTASK);
    EXPECT_INT(play(of_wrong), 0);
    trace_clear();
}

#define MANY 300
static struct asyncio_future *many[MANY];
static int many_results[MANY];

static int of_many(void *arg)
{
    int wrong = 0;

    (void)arg;
    for (int i = 0; i < MANY; i++)
        many[i] = asyncio_create_task(nap, number(i % 7), .name = "x");
    EXPECT_INT(asyncio_gather(many, MANY, many_results), 0);
    for (int i = 0; i < MANY; i++) {
        wrong += many_results[i] != i % 7;
        asyncio_future_unref(many[i]);
    }
    EXPECT_INT(wrong, 0);
    return 0;
}

TEST_NO_SWEEP(gather_of_many, "C-02: hundreds", "too many faults")
{
    EXPECT_INT(run(of_many, NULL), 0);
    trace_clear();
}

/* --------------------------------------------------------------------------------------------------- A child fails */

static int one_fails(void *arg)
{
    (void)arg;
    forget_results();
    spawn(nap, number(2), "a");
    spawn(fail, number(-EIO), "b");
    EXPECT_INT(gather_crew(number(2)), -EIO);
    EXPECT_INT(results[0], 77);
    EXPECT(!asyncio_future_done(crew[0]));
    everybody();
    return 0;
}

TEST(gather_when_one_fails, "C-03 #22: ends at once with that error, the others go on, no result is written")
{
    EXPECT_INT(play(one_fails), 0);
    EXPECT_TRACE("[1.000] b fails\n[1.000] gather: -EIO\n[2.000] a: 0\n");
}

static int several_fail(void *arg)
{
    struct asyncio_future *all;

    (void)arg;
    spawn(fail, number(-EIO), "a");
    spawn(fail, number(-EPERM), "b");
    all = asyncio_gather_future(crew, 2, NULL);
    EXPECT_INT(asyncio_await(all), -EIO);
    EXPECT_INT(asyncio_future_cancel(all), 0);
    EXPECT_INT(asyncio_task_cancelling(crew[1]), 0);
    asyncio_future_unref(all);
    turns(2);
    EXPECT(asyncio_future_done(crew[1]));
    return 0;
}

TEST(gather_when_several_fail,
     "C-03: the first error counts, later ones need not be retrieved; it cannot be cancelled any more")
{
    EXPECT_INT(play(several_fail), 0);
    EXPECT_STR(captured_log(), "");
    trace_clear();
}

static int with_exceptions(void *arg)
{
    (void)arg;
    spawn(fail, number(-EIO), "a");
    spawn(nap, number(2), "b");
    spawn(fail, number(-ECANCELED), "c");
    EXPECT_INT(gather_exceptions(number(3)), 0);
    EXPECT(results[0] == -EIO && results[1] == 2 && results[2] == -ECANCELED);
    return 0;
}

TEST(gather_return_exceptions, "C-03 C-04: errors and cancels are results like any other")
{
    EXPECT_INT(play(with_exceptions), 0);
    EXPECT_TRACE("[1.000] a fails\n[1.000] c fails\n[2.000] b: 0\n[2.000] gather: 0\n");
}

static int one_is_cancelled(void *arg)
{
    struct asyncio_future *all;

    (void)arg;
    spawn(nap, number(5), "a");
    spawn(nap, number(2), "b");
    all = asyncio_gather_future(crew, 2, NULL);
    turns(1);
    cancel(crew[0]);
    EXPECT_INT(asyncio_await(all), -ECANCELED);
    EXPECT(!asyncio_future_cancelled(all));
    EXPECT_INT(asyncio_task_cancelling(crew[1]), 0);
    EXPECT_INT(asyncio_task_cancelling(asyncio_current_task()), 0);
    asyncio_future_unref(all);
    everybody();
    return 0;
}

TEST(gather_when_a_child_is_cancelled,
     "C-04: that is its error; the gathering itself is not cancelled, nor are the others")
{
    EXPECT_INT(play(one_is_cancelled), 0);
    EXPECT_TRACE("[0.000] a: -ECANCELED\n[2.000] b: 0\n");
}

/* ------------------------------------------------------------------------------------------------- It is cancelled */

static int first_ends_it(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    spawn(clean_up, number(1), "a");
    spawn(clean_up, number(2), "b");
    task = asyncio_create_task(gather_crew, number(2));
    turns(2);
    EXPECT_INT(asyncio_future_cancel(task), 1);
    EXPECT(!asyncio_future_done(task));
    EXPECT_INT(asyncio_await(task), -ECANCELED);
    EXPECT(!asyncio_future_done(crew[1]));
    asyncio_future_unref(task);
    everybody();
    return 0;
}

TEST(gather_cancelled, "C-05 #22 #23: cancels every child, and ends when the first has ended; the others clean up")
{
    EXPECT_INT(play(first_ends_it), 0);
    EXPECT_TRACE("[1.000] a has cleaned up after -ECANCELED\n"
                 "[1.000] gather: -ECANCELED\n"
                 "[2.000] b has cleaned up after -ECANCELED\n");
}

static int last_ends_it(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    spawn(clean_up, number(1), "a");
    spawn(clean_up, number(2), "b");
    task = asyncio_create_task(gather_exceptions, number(2));
    turns(2);
    cancel(task);
    EXPECT_INT(asyncio_await(task), -ECANCELED);
    asyncio_future_unref(task);
    return 0;
}

TEST(gather_exceptions_cancelled,
     "C-05 #21: with errors as results it ends when all have, and is cancelled all the same")
{
    EXPECT_INT(play(last_ends_it), 0);
    EXPECT_TRACE("[1.000] a has cleaned up after -ECANCELED\n"
                 "[2.000] b has cleaned up after -ECANCELED\n"
                 "[2.000] gather: -ECANCELED\n");
}

static int all_swallow(void *arg)
{
    asyncio_coro *gatherers[] = {gather_crew, gather_exceptions};

    (void)arg;
    for (int i = 0; i < 2; i++) {
        struct asyncio_future *task;

        spawn(swallow, number(1), "a");
        spawn(swallow, number(2), "b");
        task = asyncio_create_task(gatherers[i], number(2));
        turns(2);
        cancel(task);
        EXPECT_INT(asyncio_await(task), -ECANCELED);
        asyncio_future_unref(task);
        everybody();
        dismiss_crew();
    }
    return 0;
}

TEST(gather_cancelled_and_swallowed, "C-05: is cancelled also when every child swallows it")
{
    EXPECT_INT(play(all_swallow), 0);
    trace_clear();
}

static int twins_cancelled(void *arg)
{
    struct asyncio_future *twins[3], *all;

    (void)arg;
    twins[0] = twins[1] = twins[2] = spawn(nap, number(5), "twin");
    all = asyncio_gather_future(twins, 3, NULL);
    turns(1);
    EXPECT_INT(asyncio_future_cancel(all), 1);
    EXPECT(!asyncio_future_done(all));
    EXPECT_INT(asyncio_task_cancelling(twins[0]), 1);
    EXPECT_INT(asyncio_await(all), -ECANCELED);
    asyncio_future_unref(all);
    return 0;
}

TEST(gather_of_twins_cancelled, "D-13 C-05: a child that stands several times is cancelled once")
{
    EXPECT_INT(play(twins_cancelled), 0);
    trace_clear();
}

static int give(void *arg)
{
    return number_of(arg);
}

static int nobody_accepts(void *arg)
{
    struct asyncio_future *all;

    (void)arg;
    spawn(give, number(6), "a");
    all = asyncio_gather_future(crew, 1, results);
    turns(1);
    /* The child is done, its end not yet counted. */
    EXPECT(asyncio_future_done(crew[0]) && !asyncio_future_done(all));
    EXPECT_INT(asyncio_future_cancel(all), 0);
    EXPECT_INT(asyncio_await(all), 0);
    EXPECT_INT(results[0], 6);
    asyncio_future_unref(all);
    return 0;
}

TEST(gather_cancel_refused, "C-05: a cancel that no child takes is refused, and the result comes")
{
    EXPECT_INT(play(nobody_accepts), 0);
}

static int drops_gathering(void *arg)
{
    struct asyncio_future *all;

    (void)arg;
    spawn(nap, number(1), "a");
    spawn(fail, number(-EIO), "b");
    all = asyncio_gather_future(crew, 2, NULL);
    turns(1);
    asyncio_future_unref(all);
    everybody();
    EXPECT_INT(asyncio_future_result(crew[1]), -EIO);
    return 0;
}

TEST(gather_dropped, "C-02: a gathering that nobody holds is forgotten; its children go on")
{
    EXPECT_INT(play(drops_gathering), 0);
    EXPECT_TRACE("[1.000] a: 0\n[1.000] b fails\n");
}

/* -------------------------------------------------------------------------------------------------------- Composed */

static int nested(void *arg)
{
    struct asyncio_future *inner, *outer[2], *all;

    (void)arg;
    spawn(nap, number(1), "a");
    spawn(nap, number(3), "b");
    outer[1] = spawn(nap, number(2), "c");
    inner = outer[0] = asyncio_gather_future(crew, 2, results);
    all = asyncio_gather_future(outer, 2, results + 4);
    EXPECT_INT(asyncio_await(all), 0);
    EXPECT(results[0] == 1 && results[1] == 3 && results[4] == 0 && results[5] == 2);
    asyncio_future_unref(all);
    asyncio_future_unref(inner);
    return 0;
}

TEST(gather_of_gatherings, "C-02: a gathering is a future like any other")
{
    EXPECT_INT(play(nested), 0);
    trace_clear();
}

static int nested_cancelled(void *arg)
{
    struct asyncio_future *inner, *all;

    (void)arg;
    spawn(nap, number(1), "a");
    spawn(nap, number(3), "b");
    inner = asyncio_gather_future(crew, 2, NULL);
    all = asyncio_gather_future(&inner, 1, NULL);
    turns(1);
    EXPECT_INT(asyncio_future_cancel_with(all, "enough"), 1);
    EXPECT_INT(asyncio_await(all), -ECANCELED);
    asyncio_future_unref(all);
    asyncio_future_unref(inner);
    everybody();
    EXPECT(asyncio_future_cancelled(crew[0]) && asyncio_future_cancelled(crew[1]));
    return 0;
}

TEST(gather_of_gatherings_cancelled, "C-05: a cancel reaches the children's children")
{
    EXPECT_INT(play(nested_cancelled), 0);
    EXPECT_TRACE("[0.000] a: -ECANCELED\n[0.000] b: -ECANCELED\n");
}

static int shielded(void *arg)
{
    struct asyncio_future *futures[2], *all;

    (void)arg;
    futures[0] = asyncio_shield_future(spawn(nap, number(2), "shielded"));
    futures[1] = spawn(nap, number(2), "bare");
    all = asyncio_gather_future(futures, 2, NULL);
    turns(1);
    cancel(all);
    EXPECT_INT(asyncio_await(all), -ECANCELED);
    asyncio_future_unref(all);
    asyncio_future_unref(futures[0]);
    everybody();
    return 0;
}

TEST(gather_of_a_shield, "C-05 C-15: a cancel ends at a shield")
{
    EXPECT_INT(play(shielded), 0);
    EXPECT_TRACE("[0.000] bare: -ECANCELED\n[2.000] shielded: 0\n");
}

static int after_failure(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    spawn(fail, number(-EIO), "a");
    spawn(nap, number(1), "b");
    task = asyncio_create_task(gather_crew, number(2));
    EXPECT_INT(asyncio_sleep(1), 0);
    /* It has its error and has not been resumed. */
    cancel(task);
    EXPECT_INT(asyncio_await(task), -ECANCELED);
    asyncio_future_unref(task);
    everybody();
    return 0;
}

TEST(gather_cancelled_after_its_end, "C-05 T-06: the outcome is there but not delivered: the cancel wins")
{
    EXPECT_INT(play(after_failure), 0);
    trace_clear();
}
