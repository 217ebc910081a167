/* test_cancel.c -- a cancel at every moment of a task's life, and what the counters say of it. */
#include "crew.h"

#include <string.h>

static struct asyncio_future *shared;
static struct asyncio_lock lock;

static void make_shared(void)
{
    shared = asyncio_loop_create_future(asyncio_get_running_loop());
}

/* Awaits the shared future and says what it got. */
static int await_shared(void *arg)
{
    int r = asyncio_await(shared);

    (void)arg;
    trace("%s: %s", me(), said(r));
    return r;
}

/* Awaits the task whose place in the crew is its argument. */
static int await_mate(void *arg)
{
    int r = asyncio_await(crew[number_of(arg)]);

    trace("%s: %s", me(), said(r));
    return r;
}

static int sleep_long(void *arg)
{
    int r = asyncio_sleep(100);

    (void)arg;
    trace("%s: %s", me(), said(r));
    return r;
}

/* Meets a cancel, cleans up for a second and passes it on. */
static int clean_up(void *arg)
{
    int r = asyncio_sleep(100);

    (void)arg;
    trace("%s: %s, cleaning", me(), said(r));
    trace("%s: %s, clean", me(), said(asyncio_sleep(1)));
    return r;
}

/* Swallows a cancel and returns its argument. */
static int swallow(void *arg)
{
    int r = asyncio_sleep(100);

    trace("%s: swallows %s", me(), said(r));
    return number_of(arg);
}

/* What is known of a task in one line. */
static void describe(struct asyncio_future *task)
{
    trace("%s is %s, cancelling %d", asyncio_task_get_name(task),
          asyncio_future_cancelled(task) ? "cancelled"
          : asyncio_future_done(task)    ? "done"
                                         : "pending",
          asyncio_task_cancelling(task));
}

/* --------------------------------------------------------------------------------------------------------- Moments */

static int before_the_first_step(void *arg)
{
    struct asyncio_future *task = spawn(sleep_long, NULL, "task");

    (void)arg;
    EXPECT_INT(asyncio_future_cancel(task), 1);
    describe(task);
    EXPECT_INT(asyncio_await(task), -ECANCELED);
    describe(task);
    EXPECT_INT(asyncio_future_cancel(task), 0);
    return 0;
}

TEST(cancel_before_the_first_step, "T-06 D-15: nothing of the body runs; a cancel of what is done is refused")
{
    EXPECT_INT(play(before_the_first_step), 0);
    EXPECT_TRACE("[0.000] task is pending, cancelling 1\n"
                 "[0.000] task is cancelled, cancelling 1\n");
}

static int start_then_cancel(void *arg)
{
    struct asyncio_future *task = asyncio_create_task(clean_up, NULL, .name = "task", .start_then_cancel = true);

    (void)arg;
    cancel(task);
    EXPECT_INT(asyncio_await(task), -ECANCELED);
    asyncio_future_unref(task);
    return 0;
}

TEST(cancel_with_start_then_cancel, "D-15: a task that asked for it starts and meets the cancel in its first wait")
{
    EXPECT_INT(run(start_then_cancel, NULL), 0);
    EXPECT_TRACE("[0.000] task: -ECANCELED, cleaning\n"
                 "[1.000] task: 0, clean\n");
}

static int while_waiting(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    make_shared();
    task = spawn(await_shared, NULL, "task");
    turns(1);
    EXPECT_INT(asyncio_future_cancel(task), 1);
    describe(task);
    EXPECT(asyncio_future_cancelled(shared));
    turns(1);
    describe(task);
    asyncio_future_unref(shared);
    return 0;
}

TEST(cancel_while_waiting, "T-06: cancels what is awaited too; the task is cancelled when it has run, not before")
{
    EXPECT_INT(play(while_waiting), 0);
    EXPECT_TRACE("[0.000] task is pending, cancelling 1\n"
                 "[0.000] task: -ECANCELED\n"
                 "[0.000] task is cancelled, cancelling 1\n");
}

static int after_the_result(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    make_shared();
    task = spawn(await_shared, NULL, "task");
    turns(1);
    EXPECT_INT(asyncio_future_set_result(shared, 5, NULL), 0);
    EXPECT_INT(asyncio_future_cancel(task), 1);
    EXPECT_INT(asyncio_await(task), -ECANCELED);
    EXPECT_INT(asyncio_future_result(shared), 5);
    asyncio_future_unref(shared);
    return 0;
}

TEST(cancel_after_the_result,
     "T-06: what is awaited is done but not delivered: the cancel wins, the value stays in the future")
{
    EXPECT_INT(play(after_the_result), 0);
    EXPECT_TRACE("[0.000] task: -ECANCELED\n");
}

static int repeatedly(void *arg)
{
    struct asyncio_future *task = spawn(clean_up, NULL, "task");

    (void)arg;
    turns(1);
    for (int i = 0; i < 3; i++)
        EXPECT_INT(asyncio_future_cancel(task), 1);
    describe(task);
    everybody();
    describe(task);
    return 0;
}

TEST(cancel_repeatedly, "T-06: each cancel counts, those that come before the task runs are delivered as one")
{
    EXPECT_INT(play(repeatedly), 0);
    EXPECT_TRACE("[0.000] task is pending, cancelling 3\n"
                 "[0.000] task: -ECANCELED, cleaning\n"
                 "[1.000] task: 0, clean\n"
                 "[1.000] task is cancelled, cancelling 3\n");
}

static int during_cleanup(void *arg)
{
    struct asyncio_future *task = spawn(clean_up, NULL, "task");

    (void)arg;
    turns(1);
    cancel(task);
    EXPECT_INT(asyncio_sleep(0.5), 0);
    cancel(task);
    everybody();
    return 0;
}

TEST(cancel_during_cleanup, "T-06: a second cancel meets the wait of the cleanup")
{
    EXPECT_INT(play(during_cleanup), 0);
    EXPECT_TRACE("[0.000] task: -ECANCELED, cleaning\n"
                 "[0.500] task: -ECANCELED, clean\n");
}

static int yield_twice(void *arg)
{
    (void)arg;
    trace("%s: %s", me(), said(asyncio_sleep(0)));
    trace("%s: %s", me(), said(asyncio_sleep(0)));
    return 0;
}

static int cancels_mate(void *arg)
{
    cancel(crew[number_of(arg)]);
    return 0;
}

static int while_ready(void *arg)
{
    (void)arg;
    spawn(cancels_mate, number(2), "first");
    spawn(yield_twice, NULL, "yielding");
    spawn(sleep_long, NULL, "sibling");
    turns(1);
    cancel(crew[1]);
    everybody();
    describe(crew[1]);
    describe(crew[2]);
    return 0;
}

TEST(cancel_while_ready, "T-06: a task that yields meets it there; one that is about to start never does")
{
    EXPECT_INT(play(while_ready), 0);
    EXPECT_TRACE("[0.000] yielding: -ECANCELED\n"
                 "[0.000] yielding: 0\n"
                 "[0.000] yielding is done, cancelling 1\n"
                 "[0.000] sibling is cancelled, cancelling 1\n");
}

static int sleep_a_second(void *arg)
{
    int r = asyncio_sleep(1);

    (void)arg;
    trace("%s: %s", me(), said(r));
    return r;
}

static void cancel_crew(void *arg)
{
    cancel(crew[number_of(arg)]);
}

static int due_sleepers(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    (void)arg;
    EXPECT_INT(asyncio_loop_call_later(loop, 1, cancel_crew, number(0)), 0);
    spawn(sleep_a_second, NULL, "not woken");
    spawn(sleep_a_second, NULL, "woken");
    turns(1);
    EXPECT_INT(asyncio_loop_call_later(loop, 1, cancel_crew, number(1)), 0);
    everybody();
    return 0;
}

TEST(cancel_a_sleeper_that_is_due, "T-06 C-01: its time has come and it has not run yet: the cancel is delivered")
{
    EXPECT_INT(play(due_sleepers), 0);
    EXPECT_TRACE("[1.000] not woken: -ECANCELED\n"
                 "[1.000] woken: -ECANCELED\n");
}

static void cancel_when_done(struct asyncio_future *future, void *arg)
{
    (void)future;
    cancel(crew[number_of(arg)]);
}

static int from_callbacks(void *arg)
{
    (void)arg;
    make_shared();
    spawn(sleep_long, NULL, "by a timer");
    spawn(sleep_long, NULL, "by a done-callback");
    EXPECT_INT(asyncio_loop_call_later(asyncio_get_running_loop(), 2, cancel_crew, number(0)), 0);
    EXPECT_INT(asyncio_future_add_done_callback(shared, cancel_when_done, number(1)), 0);
    turns(1);
    EXPECT_INT(asyncio_future_set_result(shared, 0, NULL), 0);
    everybody();
    asyncio_future_unref(shared);
    return 0;
}

TEST(cancel_from_callbacks, "T-06: a callback cancels like a task")
{
    EXPECT_INT(play(from_callbacks), 0);
    EXPECT_TRACE("[0.000] by a done-callback: -ECANCELED\n"
                 "[2.000] by a timer: -ECANCELED\n");
}

/* --------------------------------------------------------------------------------------------------------- Reasons */

static int says_why(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        int r = asyncio_sleep(100);

        trace("%s, because '%s'", said(r), asyncio_error_detail());
    }
    return -ECANCELED;
}

static int awaits_why(void *arg)
{
    int r = asyncio_await(crew[number_of(arg)]);

    trace("awaited %s, because '%s'", said(r), asyncio_error_detail());
    return 0;
}

static int gives_reasons(void *arg)
{
    struct asyncio_future *task = spawn(says_why, NULL, "task");

    (void)arg;
    spawn(awaits_why, number(0), "waiter");
    turns(1);
    EXPECT_INT(asyncio_future_cancel_with(task, "not this"), 1);
    EXPECT_INT(asyncio_future_cancel_with(task, "shutting down"), 1);
    turns(1);
    cancel(task);
    turns(1);
    EXPECT_INT(
        asyncio_future_cancel_with(task, "a reason that is longer than the sixty-three bytes that are kept of it"), 1);
    everybody();
    return 0;
}

TEST(cancel_with_a_reason,
     "T-06: the last reason is told, cut; none when none was given; whoever awaits the task hears it too")
{
    EXPECT_INT(play(gives_reasons), 0);
    EXPECT_TRACE(
        "[0.000] -ECANCELED, because 'shutting down'\n"
        "[0.000] -ECANCELED, because ''\n"
        "[0.000] -ECANCELED, because 'a reason that is longer than the sixty-three bytes that are kep'\n"
        "[0.000] awaited -ECANCELED, because 'a reason that is longer than the sixty-three bytes that are kep'\n");
}

/* ----------------------------------------------------------------------------------------------------- Self-cancel */

static int cancels_itself_and_ends(void *arg)
{
    EXPECT_INT(asyncio_future_cancel(asyncio_current_task()), 1);
    trace("goes on");
    return number_of(arg);
}

static int self_cancel_then_end(void *arg)
{
    struct asyncio_future *value = spawn(cancels_itself_and_ends, number(3), "value");
    struct asyncio_future *error = spawn(cancels_itself_and_ends, number(-EIO), "error");

    (void)arg;
    EXPECT_INT(asyncio_await(value), -ECANCELED);
    EXPECT_INT(asyncio_await(error), -EIO);
    describe(value);
    describe(error);
    return 0;
}

TEST(self_cancel_then_end,
     "T-07 #42: a task that cancels itself and returns without a wait ends cancelled, but keeps an error")
{
    EXPECT_INT(play(self_cancel_then_end), 0);
    EXPECT_TRACE("[0.000] goes on\n"
                 "[0.000] goes on\n"
                 "[0.000] value is cancelled, cancelling 1\n"
                 "[0.000] error is done, cancelling 1\n");
}

static int self_cancel_then_wait(void *arg)
{
    (void)arg;
    make_shared();
    EXPECT_INT(asyncio_future_set_result(shared, 1, NULL), 0);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_await(shared), 1);
    EXPECT_INT(asyncio_sleep(0), -ECANCELED);
    EXPECT_INT(asyncio_sleep(0), 0);
    EXPECT_INT(asyncio_sleep(1), 0);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_sleep(1), -ECANCELED);
    EXPECT_INT(asyncio_sleep(1), 0);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_cancel_point(), -ECANCELED);
    EXPECT_INT(asyncio_cancel_point(), 0);
    EXPECT_INT(asyncio_task_cancelling(asyncio_current_task()), 3);
    asyncio_future_unref(shared);
    return 0;
}

TEST(self_cancel_then_wait, "T-07: no effect until the first wait that suspends, which alone meets it")
{
    EXPECT_INT(run(self_cancel_then_wait, NULL), 0);
}

/* ------------------------------------------------------------------------------------------------------- Swallowed */

static int swallowed(void *arg)
{
    struct asyncio_future *task = spawn(swallow, number(4), "task");

    (void)arg;
    turns(1);
    cancel(task);
    EXPECT_INT(asyncio_await(task), 4);
    describe(task);
    return 0;
}

TEST(cancel_swallowed, "T-08: the task ends with its value, and its count stays")
{
    EXPECT_INT(play(swallowed), 0);
    EXPECT_TRACE("[0.000] task: swallows -ECANCELED\n"
                 "[0.000] task is done, cancelling 1\n");
}

static int fails_in_cleanup(void *arg)
{
    int r = asyncio_sleep(100);

    (void)arg;
    return r == -ECANCELED ? -EIO : r;
}

static int replaced(void *arg)
{
    struct asyncio_future *task = spawn(fails_in_cleanup, NULL, "task");

    (void)arg;
    turns(1);
    cancel(task);
    EXPECT_INT(asyncio_await(task), -EIO);
    EXPECT(!asyncio_future_cancelled(task));
    return 0;
}

TEST(cancel_replaced_by_an_error, "T-08 T-05: an error of the cleanup is the outcome, not the cancel")
{
    EXPECT_INT(play(replaced), 0);
}

static int swallowed_through(void *arg)
{
    struct asyncio_future *inner = spawn(swallow, number(4), "inner");
    struct asyncio_future *outer = spawn(await_mate, number(0), "outer");

    (void)arg;
    turns(1);
    cancel(outer);
    EXPECT_INT(asyncio_await(outer), 4);
    describe(inner);
    describe(outer);
    return 0;
}

TEST(cancel_swallowed_by_the_awaited, "T-08 #18: who awaits a task that swallows the cancel gets its value")
{
    EXPECT_INT(play(swallowed_through), 0);
    EXPECT_TRACE("[0.000] inner: swallows -ECANCELED\n"
                 "[0.000] outer: 4\n"
                 "[0.000] inner is done, cancelling 1\n"
                 "[0.000] outer is done, cancelling 1\n");
}

/* -------------------------------------------------------------------------------------------------------- Uncancel */

static int uncancels(void *arg)
{
    struct asyncio_future *self = asyncio_current_task();

    (void)arg;
    EXPECT_INT(asyncio_task_cancelling(self), 0);
    EXPECT_INT(asyncio_task_uncancel(self), 0);
    cancel(self);
    EXPECT_INT(asyncio_task_uncancel(self), 0);
    EXPECT_INT(asyncio_sleep(0), 0);
    cancel(self);
    cancel(self);
    EXPECT_INT(asyncio_task_cancelling(self), 2);
    EXPECT_INT(asyncio_task_uncancel(self), 1);
    EXPECT_INT(asyncio_sleep(0), -ECANCELED);
    EXPECT_INT(asyncio_task_cancelling(self), 1);
    EXPECT_INT(asyncio_task_uncancel(self), 0);
    EXPECT_INT(asyncio_task_uncancel(self), 0);
    EXPECT_INT(asyncio_sleep(0), 0);
    return 0;
}

TEST(cancelling_and_uncancel, "T-09: the count never falls below 0; the last uncancel drops what was not delivered")
{
    EXPECT_INT(run(uncancels, NULL), 0);
    EXPECT_INT(asyncio_task_cancelling(NULL), 0);
    EXPECT_INT(asyncio_task_uncancel(NULL), 0);
}

/* ---------------------------------------------------------------------------------------------------------- Chains */

static int through_a_chain(void *arg)
{
    (void)arg;
    make_shared();
    spawn(await_shared, NULL, "innermost");
    spawn(await_mate, number(0), "middle");
    spawn(await_mate, number(1), "outermost");
    turns(1);
    cancel(crew[2]);
    EXPECT(asyncio_future_cancelled(shared));
    for (int i = 0; i < 3; i++)
        describe(crew[i]);
    everybody();
    asyncio_future_unref(shared);
    return 0;
}

TEST(cancel_through_a_chain, "T-06: a cancel goes down to what is awaited and comes back up")
{
    EXPECT_INT(play(through_a_chain), 0);
    EXPECT_TRACE("[0.000] innermost is pending, cancelling 1\n"
                 "[0.000] middle is pending, cancelling 1\n"
                 "[0.000] outermost is pending, cancelling 1\n"
                 "[0.000] innermost: -ECANCELED\n"
                 "[0.000] middle: -ECANCELED\n"
                 "[0.000] outermost: -ECANCELED\n");
}

#define LONG_CHAIN 5000
static struct asyncio_future *chain[LONG_CHAIN];

static int await_link(void *arg)
{
    return number_of(arg) == 0 ? asyncio_sleep(100) : asyncio_await(chain[number_of(arg) - 1]);
}

static int through_a_long_chain(void *arg)
{
    int cancelled = 0;

    (void)arg;
    for (int i = 0; i < LONG_CHAIN; i++)
        chain[i] = asyncio_create_task(await_link, number(i));
    turns(1);
    cancel(chain[LONG_CHAIN - 1]);
    EXPECT_INT(asyncio_await(chain[LONG_CHAIN - 1]), -ECANCELED);
    for (int i = 0; i < LONG_CHAIN; i++) {
        cancelled += asyncio_future_cancelled(chain[i]);
        asyncio_future_unref(chain[i]);
    }
    EXPECT_INT(cancelled, LONG_CHAIN);
    return 0;
}

TEST_NO_SWEEP(cancel_through_a_long_chain, "T-06: a chain may be longer than a stack is deep", "too many faults")
{
    EXPECT_INT(run(through_a_long_chain, NULL), 0);
}

static int in_a_circle(void *arg)
{
    (void)arg;
    spawn(await_mate, number(1), "a");
    spawn(await_mate, number(2), "b");
    spawn(await_mate, number(0), "c");
    turns(1);
    EXPECT_INT(asyncio_future_cancel_with(crew[1], "round"), 1);
    everybody();
    for (int i = 0; i < 3; i++)
        EXPECT(asyncio_future_cancelled(crew[i]));
    return 0;
}

TEST(cancel_in_a_circle, "T-06 #60: tasks that await each other all end when one of them is cancelled")
{
    EXPECT_INT(play(in_a_circle), 0);
    EXPECT_TRACE("[0.000] b: -ECANCELED\n"
                 "[0.000] a: -ECANCELED\n"
                 "[0.000] c: -ECANCELED\n");
}

/* Gathers two tasks of the crew. */
static int gather_mates(void *arg)
{
    int r = asyncio_gather(crew + number_of(arg), 2, NULL);

    trace("%s: %s", me(), said(r));
    return r;
}

static int in_a_knot(void *arg)
{
    (void)arg;
    spawn(gather_mates, number(1), "a");
    spawn(await_mate, number(0), "b");
    spawn(gather_mates, number(0), "c");
    turns(1);
    cancel(crew[0]);
    everybody();
    for (int i = 0; i < 3; i++)
        EXPECT(asyncio_future_cancelled(crew[i]));
    return 0;
}

TEST(cancel_in_a_knot, "T-06 #60: the same when the circle goes through gather, in several ways")
{
    EXPECT_INT(play(in_a_knot), 0);
    trace_clear();
}

TEST(dead_lock_in_a_circle, "T-06 #60 R-02: a circle is a dead lock that run reports, and its teardown ends it")
{
    struct asyncio_loop *loop;

    EXPECT_INT(new_loop(&loop), 0);
    if (loop) {
        crew[crew_size++] = asyncio_loop_create_task(loop, await_mate, number(1), .name = "a");
        crew[crew_size++] = asyncio_loop_create_task(loop, await_mate, number(0), .name = "b");
        EXPECT_INT(asyncio_loop_run_until_complete_future(loop, crew[0]), -EDEADLK);
        EXPECT(strstr(captured_log(), "dead lock"));
        cancel(crew[0]);
        EXPECT_INT(asyncio_loop_run_until_complete_future(loop, crew[1]), -ECANCELED);
        trace_clear();
    }
    dismiss_crew();
    close_loop(loop);
}

/* ------------------------------------------------------------------------------------------------- Cancel and wait */

static int cancel_and_wait(void *arg)
{
    (void)arg;
    make_shared();
    spawn(clean_up, NULL, "cleaner");
    spawn(swallow, number(2), "swallower");
    spawn(fails_in_cleanup, NULL, "failing");
    turns(1);
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(asyncio_cancel_and_wait(crew[i]), 0);
        EXPECT(asyncio_future_done(crew[i]));
    }
    EXPECT_INT(asyncio_cancel_and_wait(crew[0]), 0);
    EXPECT_INT(asyncio_cancel_and_wait(shared), 0);
    EXPECT(asyncio_future_cancelled(shared));
    EXPECT_INT(asyncio_cancel_and_wait(NULL), -EINVAL);
    asyncio_future_unref(shared);
    return 0;
}

TEST(cancel_and_wait_for_the_end, "T-06 D-09: returns when the task has ended, however it did")
{
    EXPECT_INT(play(cancel_and_wait), 0);
    EXPECT_TRACE("[0.000] cleaner: -ECANCELED, cleaning\n"
                 "[1.000] cleaner: 0, clean\n"
                 "[1.000] swallower: swallows -ECANCELED\n");
}

static int waits_for_cleaner(void *arg)
{
    (void)arg;
    trace("%s: joined, %s", me(), said(asyncio_cancel_and_wait(crew[0])));
    trace("%s: next wait %s", me(), said(asyncio_sleep(5)));
    trace("%s: the one after %s", me(), said(asyncio_sleep(5)));
    return 0;
}

static int cancelled_meanwhile(void *arg)
{
    (void)arg;
    spawn(clean_up, NULL, "cleaner");
    spawn(waits_for_cleaner, NULL, "joiner");
    EXPECT_INT(asyncio_sleep(0.5), 0);
    cancel(crew[1]);
    everybody();
    return 0;
}

TEST(cancel_and_wait_cancelled,
     "T-06: a caller that is cancelled meanwhile goes on waiting; the cancel meets its next wait")
{
    EXPECT_INT(play(cancelled_meanwhile), 0);
    EXPECT_TRACE("[0.000] cleaner: -ECANCELED, cleaning\n"
                 "[1.000] cleaner: 0, clean\n"
                 "[1.000] joiner: joined, 0\n"
                 "[1.000] joiner: next wait -ECANCELED\n"
                 "[6.000] joiner: the one after 0\n");
}

static int pending_on_entry(void *arg)
{
    struct asyncio_future *task = spawn(clean_up, NULL, "cleaner");

    (void)arg;
    turns(1);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_cancel_and_wait(task), 0);
    EXPECT(asyncio_future_cancelled(task));
    EXPECT_INT(asyncio_sleep(0), -ECANCELED);
    EXPECT_INT(asyncio_sleep(0), 0);
    return 0;
}

TEST(cancel_and_wait_pending_on_entry, "T-06 T-07: a cancel that was there before is kept for the next wait, too")
{
    EXPECT_INT(play(pending_on_entry), 0);
    trace_clear();
}

/* ---------------------------------------------------------------------------------------------------------- Storms */

static int n_inside;

/* Takes the lock and gives it back; counts who is inside. */
static int work(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++) {
        int r = asyncio_lock_acquire(&lock);

        if (r < 0)
            return r;
        EXPECT_INT(++n_inside, 1);
        r = asyncio_sleep(0);
        n_inside--;
        EXPECT_INT(asyncio_lock_release(&lock), 0);
        if (r < 0)
            return r;
    }
    return 0;
}

static int storm(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++)
        spawn(work, NULL, NULL);
    seed_chance(test_seed());
    torment(40);
    everybody();
    EXPECT(!asyncio_lock_locked(&lock));
    EXPECT_INT(asyncio_all_tasks(NULL, 0), 1);
    return 0;
}

TEST_NO_SWEEP(cancel_storm, "T-06 L-03: cancels at random leave no waiter behind and no lock held",
              "its turns would differ")
{
    EXPECT_INT(play(storm), 0);
}
