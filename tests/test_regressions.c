/* test_regressions.c -- bugs that other implementations had and that take more than one part to show. The others stand
 * with the part that they belong to. */
#include "crew.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static struct asyncio_future *shared;
static struct asyncio_loop *loop_of_thread;

static double now(void)
{
    return asyncio_loop_time(asyncio_get_running_loop());
}

static int give(void *arg)
{
    return number_of(arg);
}

static int nap(void *arg)
{
    int r = asyncio_sleep(number_of(arg));

    return r < 0 ? r : number_of(arg);
}

/* --------------------------------------------------------------------------------------------- gather and failures */

static int gathers_failures(void *arg)
{
    struct asyncio_future *tasks[3], *all;
    int results[3] = {0};

    (void)arg;
    tasks[0] = spawn(nap, number(1), NULL);
    tasks[1] = asyncio_create_task(give, number(-EIO), .eager_start = true);
    tasks[2] = asyncio_create_task(give, number(-EPERM), .eager_start = true);
    all = asyncio_gather_future(tasks, 3, results);
    EXPECT(asyncio_future_done(all));
    EXPECT_INT(asyncio_await(all), -EIO);
    asyncio_future_unref(all);
    all = asyncio_gather_future(tasks, 3, results, .return_exceptions = true);
    EXPECT(!asyncio_future_done(all));
    EXPECT_INT(asyncio_await(all), 0);
    EXPECT(results[0] == 1 && results[1] == -EIO && results[2] == -EPERM);
    asyncio_future_unref(all);
    asyncio_future_unref(tasks[1]);
    asyncio_future_unref(tasks[2]);
    return 0;
}

TEST(gather_of_what_has_failed, "#22 C-03: children that have failed before the gathering is made")
{
    EXPECT_INT(play(gathers_failures), 0);
}

static int cancels_half_done(void *arg)
{
    struct asyncio_future *all;

    (void)arg;
    for (int i = 0; i < 20; i++)
        spawn(nap, number(i), NULL);
    all = asyncio_gather_future(crew, 20, NULL);
    EXPECT_INT(asyncio_sleep(9.5), 0);
    EXPECT_INT(asyncio_future_cancel(all), 1);
    EXPECT_INT(asyncio_await(all), -ECANCELED);
    asyncio_future_unref(all);
    everybody();
    for (int i = 0; i < 20; i++)
        EXPECT_INT(asyncio_future_cancelled(crew[i]), i > 9);
    return 0;
}

TEST(gather_cancels_all_that_are_left, "#23 C-05: every child that is not done, not just one of them")
{
    EXPECT_INT(play(cancels_half_done), 0);
}

/* ------------------------------------------------------------------------------------------------ wait_for's races */

struct race {
    int value, result, timed_out, cancelled;
};

static struct race race;

static int races(void *arg)
{
    int r = asyncio_wait_for_future(shared, number_of(arg));

    race.result += r == race.value;
    race.timed_out += r == -ETIMEDOUT;
    race.cancelled += r == -ECANCELED;
    if (r == -ECANCELED)
        return r;
    /* A cancel that was asked for and not delivered must be met here. */
    r = asyncio_sleep(0);
    race.cancelled += r == -ECANCELED;
    return r;
}

static void end_race(void *arg)
{
    ASYNCIO_IGNORE(asyncio_future_set_result(shared, number_of(arg), NULL));
}

static void cancel_racer(void *arg)
{
    race.value = -ENODATA;
    cancel(arg);
}

/* Result, time-out and cancel come in any order, some in the same turn. */
static int runs_races(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    int outcomes[3] = {0};

    (void)arg;
    seed_chance(test_seed());
    for (int i = 1; i <= 300; i++) {
        struct asyncio_future *racer;
        int cancel_at = chance(4);
        double start = now();

        race = (struct race){.value = i};
        shared = asyncio_loop_create_future(loop);
        if (chance(2))
            EXPECT_INT(asyncio_loop_call_later(loop, chance(3), end_race, number(i)), 0);
        racer = asyncio_create_task(races, number(2));
        turns(chance(3));
        if (cancel_at < 3)
            EXPECT_INT(asyncio_loop_call_later(loop, cancel_at, cancel_racer, racer), 0);
        EXPECT_INT(asyncio_loop_call_later(loop, chance(4), end_race, number(i)), 0);
        ASYNCIO_IGNORE(asyncio_wait(&racer, 1, 10, ASYNCIO_ALL_COMPLETED));
        EXPECT(asyncio_future_done(racer));
        EXPECT(now() - start <= 3);
        /* Whoever was cancelled and did not end before has heard of it. */
        EXPECT(race.value == i || race.cancelled || asyncio_task_cancelling(racer) == 0 ||
               asyncio_future_cancelled(racer));
        outcomes[0] += race.timed_out;
        outcomes[1] += race.cancelled;
        outcomes[2] += !race.timed_out && !race.cancelled;
        EXPECT_INT(asyncio_sleep(5), 0);
        asyncio_future_unref(racer);
        asyncio_future_unref(shared);
    }
    for (int i = 0; i < 3; i++)
        EXPECT(outcomes[i] > 10);
    return 0;
}

TEST_NO_SWEEP(wait_for_races,
              "#16 #24 D-11: result, time-out and cancel at random: one of them comes of it, and no cancel is lost",
              "its turns would differ")
{
    EXPECT_INT(run(runs_races, NULL), 0);
}

/* --------------------------------------------------------------------------------------------------------- Circles */

static int gather_two(void *arg)
{
    return asyncio_gather(crew + number_of(arg), 2, NULL);
}

static int wait_for_first_two(void *arg)
{
    (void)arg;
    return asyncio_wait(crew, 2, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED);
}

static int prints_knot(void *arg)
{
    (void)arg;
    spawn(gather_two, number(1), "a");
    spawn(gather_two, number(0), "b");
    spawn(wait_for_first_two, NULL, "c");
    turns(1);
    EXPECT(dump_says("a"));
    for (int i = 0; i < 3; i++) {
        char line[300];

        EXPECT(asyncio_future_repr(crew[i], line, sizeof line) > 0);
    }
    for (int i = 0; i < 3; i++)
        EXPECT_INT(asyncio_cancel_and_wait(crew[i]), 0);
    return 0;
}

TEST(a_knot_is_printed, "#60 T-13: tasks that wait for one another in several ways are printed, described and ended")
{
    EXPECT_INT(play(prints_knot), 0);
}

/* ------------------------------------------------------------------------------------------------------- Callbacks */

static struct asyncio_future *chain[50];

/* Ends the next future and drops this one, the last reference but the callback's own. */
static void end_next(struct asyncio_future *future, void *arg)
{
    int i = number_of(arg);

    EXPECT_PTR(future, chain[i]);
    chain[i] = asyncio_future_unref(chain[i]);
    if (i + 1 < 50)
        EXPECT_INT(asyncio_future_set_result(chain[i + 1], i, NULL), 0);
    EXPECT(asyncio_future_done(future));
}

static int ends_chain(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        chain[i] = asyncio_loop_create_future(asyncio_get_running_loop());
        EXPECT_INT(asyncio_future_add_done_callback(chain[i], end_next, number(i)), 0);
        EXPECT_INT(asyncio_future_add_done_callback(chain[i], end_next, number(i)), 0);
        EXPECT_INT(asyncio_future_remove_done_callback(chain[i], end_next, number(i)), 2);
        EXPECT_INT(asyncio_future_add_done_callback(chain[i], end_next, number(i)), 0);
    }
    EXPECT_INT(asyncio_future_set_result(chain[0], 0, NULL), 0);
    turns(60);
    for (int i = 0; i < 50; i++)
        EXPECT_PTR(chain[i], NULL);
    return 0;
}

TEST_NO_SWEEP(callbacks_end_one_another,
              "#68 F-04: callbacks that complete other futures and drop the one they are called for",
              "without memory for a callback the chain ends early")
{
    EXPECT_INT(run(ends_chain, NULL), 0);
}

static void drop_task(struct asyncio_future *future, void *arg)
{
    EXPECT_PTR(future, shared);
    shared = asyncio_future_unref(shared);
    trace("dropped in %s", (const char *)arg);
}

static int drops_in_callback(void *arg)
{
    static char where[] = "its callback";

    (void)arg;
    shared = asyncio_create_task(nap, number(1));
    EXPECT_INT(asyncio_future_add_done_callback(shared, drop_task, where), 0);
    EXPECT_INT(asyncio_sleep(2), 0);
    EXPECT_PTR(shared, NULL);
    asyncio_future_unref(shared);
    return 0;
}

TEST(a_task_dropped_in_its_callback, "#68 T-02: the last reference may go while the callback runs")
{
    EXPECT_INT(run(drops_in_callback, NULL), 0);
    EXPECT_TRACE("[1.000] dropped in its callback\n");
}

/* -------------------------------------------------------------------------------------------- Scopes in each other */

static int save(void *arg)
{
    int r = asyncio_sleep(2);

    trace("saved: %s", said(r));
    return r < 0 ? r : number_of(arg);
}

/* Saves its work whatever happens, and passes the cancel on. */
static int saves_on_cancel(void *arg)
{
    struct asyncio_timeout scope;
    int r = asyncio_sleep(100);

    (void)arg;
    if (r == -ECANCELED) {
        struct asyncio_future *saving = asyncio_create_task(save, number(3));
        int saved;

        EXPECT_INT(asyncio_timeout_enter(&scope, 5), 0);
        saved = asyncio_timeout_exit(&scope, asyncio_shield(saving));
        if (saved == -ECANCELED)
            saved = asyncio_wait(&saving, 1, 5, ASYNCIO_ALL_COMPLETED);
        trace("cleanup: %s", said(saved));
        asyncio_future_unref(saving);
    }
    return r;
}

static int cancels_while_saving(void *arg)
{
    struct asyncio_taskgroup group = {0};
    struct asyncio_timeout scope;
    int r;

    (void)arg;
    EXPECT_INT(asyncio_timeout_enter(&scope, 4), 0);
    EXPECT_INT(asyncio_taskgroup_enter(&group), 0);
    asyncio_taskgroup_create_task(&group, saves_on_cancel, NULL);
    r = asyncio_sleep(1);
    asyncio_taskgroup_cancel(&group);
    r = asyncio_taskgroup_exit(&group, r);
    EXPECT_INT(asyncio_timeout_exit(&scope, r), 0);
    EXPECT_DOUBLE(now(), 3);
    EXPECT_INT(asyncio_task_cancelling(asyncio_current_task()), 0);
    return asyncio_sleep(1);
}

TEST(cleanup_under_a_shield,
     "#19 #33 #38 C-15 C-19: a cancelled group whose child saves its work under a shield and a time-out of its own")
{
    EXPECT_INT(run(cancels_while_saving, NULL), 0);
    EXPECT_TRACE("[3.000] saved: 0\n[3.000] cleanup: 3\n");
}

static int many_waits(void *arg)
{
    struct asyncio_future *futures[20];
    struct asyncio_timeout scope;
    int r;

    (void)arg;
    for (int i = 0; i < 20; i++)
        futures[i] = asyncio_loop_create_future(asyncio_get_running_loop());
    for (int i = 0; i < 20; i++) {
        EXPECT_INT(asyncio_timeout_enter(&scope, 1), 0);
        r = asyncio_wait(futures, 20, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED);
        EXPECT_INT(asyncio_timeout_exit(&scope, r), -ETIMEDOUT);
        EXPECT_INT(asyncio_future_set_result(futures[i], i, NULL), 0);
    }
    EXPECT_INT(asyncio_wait(futures, 20, 1, ASYNCIO_ALL_COMPLETED), 20);
    for (int i = 0; i < 20; i++)
        asyncio_future_unref(futures[i]);
    return 0;
}

TEST(waits_given_up, "#30 C-06: waits for more futures than fit a frame, given up again and again")
{
    EXPECT_INT(run(many_waits, NULL), 0);
}

/* ---------------------------------------------------------------------------------------- Tasks that never begin */

static int never_runs(void *arg)
{
    trace("it runs");
    (void)arg;
    return 0;
}

static int suspends(void *arg)
{
    (void)arg;
    return asyncio_sleep(0);
}

/* Whoever suspends finds that the next one has ended before its first step, and is gone. */
static int followed_by_cancelled(void *arg)
{
    struct asyncio_future *first = asyncio_create_task(suspends, NULL);
    struct asyncio_future *second = asyncio_create_task(never_runs, NULL);

    asyncio_future_cancel(second);
    asyncio_future_unref(second);
    EXPECT_INT(asyncio_await(first), 0);
    asyncio_future_unref(first);
    (void)arg;
    return 0;
}

TEST(cancelled_unstarted_and_unreferenced,
     "T-06: a task that nobody refers to and that is cancelled before its first step goes without a trace")
{
    EXPECT_INT(run(followed_by_cancelled, NULL), 0);
    EXPECT_TRACE("");
}

/* --------------------------------------------------------------------------------------------------------- Signals */

static atomic_int n_signals;

static void count_in_loop(void *arg)
{
    (void)arg;
    if (atomic_fetch_add(&n_signals, 1) + 1 == 20)
        EXPECT_INT(asyncio_future_set_result(shared, 1, NULL), 0);
}

static void on_signal(int number_)
{
    (void)number_;
    ASYNCIO_IGNORE(asyncio_loop_call_soon_threadsafe(loop_of_thread, count_in_loop, NULL));
}

static atomic_bool ready;

static int awaits_signals(void *arg)
{
    int r;

    (void)arg;
    loop_of_thread = asyncio_get_running_loop();
    shared = asyncio_loop_create_future(loop_of_thread);
    asyncio_loop_hold(loop_of_thread);
    atomic_store(&ready, true);
    r = asyncio_await(shared);
    asyncio_loop_release(loop_of_thread);
    asyncio_future_unref(shared);
    return r;
}

static void *run_thread(void *arg)
{
    *(int *)arg = run(awaits_signals, NULL);
    return NULL;
}

TEST_REAL(signals_and_a_loop_in_a_thread,
          "#65 #54 R-05: a handler in the main thread wakes a loop that runs in another, again and again")
{
    pthread_t thread;
    int result = -1;

    signal(SIGUSR1, on_signal);
    EXPECT_INT(pthread_create(&thread, NULL, run_thread, &result), 0);
    while (!atomic_load(&ready))
        sched_yield();
    for (int i = 0; i < 20; i++)
        raise(SIGUSR1);
    pthread_join(thread, NULL);
    EXPECT_INT(result, 1);
    EXPECT_INT(n_signals, 20);
    signal(SIGUSR1, SIG_DFL);
}
