/* test_timeouts.c -- scopes with a deadline, and whose cancel it was. */
#include "crew.h"

static struct asyncio_timeout shared_timeout;

static double now(void)
{
    return asyncio_loop_time(asyncio_get_running_loop());
}

static int cancelling(void)
{
    return asyncio_task_cancelling(asyncio_current_task());
}

/* Sleeps in a scope. Returns: what comes of the scope. */
static int sleep_in(double timeout, double seconds)
{
    struct asyncio_timeout scope;
    int r = asyncio_timeout_enter(&scope, timeout);

    if (r == 0)
        r = asyncio_sleep(seconds);
    return asyncio_timeout_exit(&scope, r);
}

/* --------------------------------------------------------------------------------------------------------- A scope */

static int expires(void *arg)
{
    static const struct {
        double timeout, sleep;
        int result;
        double time;
        bool expired;
    } cases[] = {
        {2, 1, 0, 1, false},         {1, 2, -ETIMEDOUT, 1, true}, {ASYNCIO_FOREVER, 5, 0, 5, false},
        {0, 1, -ETIMEDOUT, 0, true}, {0, 0, -ETIMEDOUT, 0, true}, {-3, 0, -ETIMEDOUT, 0, true},
        {1e300, 1, 0, 1, false},     {0.5, 0, 0, 0, false},
    };

    (void)arg;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct asyncio_timeout scope;
        double before = now();
        int r;

        EXPECT_INT(asyncio_timeout_enter(&scope, cases[i].timeout), 0);
        EXPECT(!asyncio_timeout_expired(&scope));
        r = asyncio_sleep(cases[i].sleep);
        EXPECT_INT(asyncio_timeout_expired(&scope), cases[i].expired);
        EXPECT_INT(asyncio_timeout_exit(&scope, r), cases[i].result);
        EXPECT_INT(asyncio_timeout_expired(&scope), cases[i].expired);
        EXPECT_DOUBLE(now() - before, cases[i].time);
        EXPECT_INT(cancelling(), 0);
    }
    return asyncio_sleep(10);
}

TEST(timeout_of_a_scope, "C-11 C-13 #39: in time or not; never; zero and less fire before the task resumes")
{
    EXPECT_INT(run(expires, NULL), 0);
}

static int expires_at(void *arg)
{
    struct asyncio_timeout scope;

    (void)arg;
    EXPECT_INT(asyncio_sleep(10), 0);
    EXPECT_INT(asyncio_timeout_enter_at(&scope, 12), 0);
    EXPECT_DOUBLE(asyncio_timeout_when(&scope), 12);
    EXPECT_INT(asyncio_timeout_exit(&scope, asyncio_sleep(5)), -ETIMEDOUT);
    EXPECT_DOUBLE(now(), 12);
    EXPECT_INT(asyncio_timeout_enter_at(&scope, 5), 0);
    EXPECT_INT(asyncio_timeout_exit(&scope, asyncio_sleep(0)), -ETIMEDOUT);
    EXPECT_DOUBLE(now(), 12);
    EXPECT_INT(asyncio_timeout_enter_at(&scope, ASYNCIO_FOREVER), 0);
    EXPECT_DOUBLE(asyncio_timeout_when(&scope), ASYNCIO_FOREVER);
    EXPECT_INT(asyncio_timeout_exit(&scope, asyncio_sleep(5)), 0);
    return 0;
}

TEST(timeout_at_a_time, "C-11 C-12: by the loop's clock; one that is past fires at once; when tells it")
{
    EXPECT_INT(run(expires_at, NULL), 0);
}

static int never_waits(void *arg)
{
    struct asyncio_timeout scope;

    (void)arg;
    EXPECT_INT(asyncio_timeout_enter(&scope, 0), 0);
    EXPECT_INT(asyncio_timeout_exit(&scope, 8), 8);
    EXPECT(!asyncio_timeout_expired(&scope));
    EXPECT_INT(asyncio_sleep(1), 0);
    return 0;
}

TEST(timeout_without_a_wait, "C-11: a body that never waits is never late, and nothing leaks past the scope")
{
    EXPECT_INT(run(never_waits, NULL), 0);
}

static int enters_wrongly(void *arg)
{
    struct asyncio_timeout scope;

    (void)arg;
    EXPECT_INT(asyncio_timeout_enter(&scope, __builtin_nan("")), -EINVAL);
    EXPECT_INT(asyncio_timeout_exit(&scope, -EINVAL), -EINVAL);
    EXPECT_INT(asyncio_timeout_enter_at(&scope, __builtin_nan("")), -EINVAL);
    EXPECT_INT(asyncio_timeout_enter(NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_timeout_enter_at(NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_timeout_exit(NULL, 4), 4);
    EXPECT(!asyncio_timeout_expired(NULL));
    EXPECT_DOUBLE(asyncio_timeout_when(NULL), ASYNCIO_FOREVER);
    return 0;
}

TEST(timeout_entered_wrongly, "C-11: outside a task, NaN, NULL; what was not entered may be exited")
{
    struct asyncio_timeout scope;

    EXPECT_INT(asyncio_timeout_enter(&scope, 1), -ASYNCIO_ENOTASK);
    EXPECT_INT(asyncio_timeout_enter_at(&scope, 1), -ASYNCIO_ENOTASK);
    EXPECT_INT(asyncio_timeout_exit(&scope, 3), 3);
    EXPECT_INT(run(enters_wrongly, NULL), 0);
}

/* ------------------------------------------------------------------------------------------------------ Reschedule */

static int reschedules(void *arg)
{
    struct asyncio_timeout scope = {0};

    (void)arg;
    EXPECT_INT(asyncio_timeout_reschedule(&scope, 1), -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(asyncio_timeout_enter(&scope, 1), 0);
    EXPECT_INT(asyncio_timeout_reschedule(&scope, 4), 0);
    EXPECT_DOUBLE(asyncio_timeout_when(&scope), 4);
    EXPECT_INT(asyncio_sleep(3), 0);
    EXPECT_INT(asyncio_timeout_reschedule(&scope, ASYNCIO_FOREVER), 0);
    EXPECT_DOUBLE(asyncio_timeout_when(&scope), ASYNCIO_FOREVER);
    EXPECT_INT(asyncio_sleep(3), 0);
    EXPECT_INT(asyncio_timeout_reschedule(&scope, __builtin_nan("")), -EINVAL);
    EXPECT_INT(asyncio_timeout_reschedule(&scope, 7), 0);
    EXPECT_INT(asyncio_sleep(3), -ECANCELED);
    EXPECT_DOUBLE(now(), 7);
    EXPECT_INT(asyncio_timeout_reschedule(&scope, 9), -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(asyncio_timeout_exit(&scope, -ECANCELED), -ETIMEDOUT);
    EXPECT_INT(asyncio_timeout_reschedule(&scope, 9), -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(asyncio_timeout_enter(&scope, 1), 0);
    EXPECT_INT(asyncio_timeout_reschedule(&scope, 2), 0);
    EXPECT_INT(asyncio_timeout_exit(&scope, asyncio_sleep(1)), -ETIMEDOUT);
    EXPECT_DOUBLE(now(), 7);
    EXPECT_INT(asyncio_timeout_enter(&scope, 1), 0);
    EXPECT_INT(asyncio_timeout_exit(&scope, 0), 0);
    EXPECT_INT(asyncio_timeout_reschedule(&scope, 9), -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(asyncio_timeout_reschedule(NULL, 9), -EINVAL);
    return 0;
}

TEST(timeout_reschedule,
     "C-12: later, never, sooner, into the past; not before the entry, once expired, or after the exit")
{
    EXPECT_INT(run(reschedules, NULL), 0);
}

static int sleeper_in_shared(void *arg)
{
    int r;

    (void)arg;
    EXPECT_INT(asyncio_timeout_enter(&shared_timeout, 1), 0);
    r = asyncio_timeout_exit(&shared_timeout, asyncio_sleep(10));
    trace("scope: %s", said(r));
    return r;
}

static int reschedules_other(void *arg)
{
    (void)arg;
    spawn(sleeper_in_shared, NULL, NULL);
    turns(1);
    EXPECT_INT(asyncio_timeout_reschedule(&shared_timeout, 5), 0);
    everybody();
    EXPECT_INT(asyncio_future_result(crew[0]), -ETIMEDOUT);
    return 0;
}

TEST(timeout_reschedule_by_another, "C-12: another task may move the deadline")
{
    EXPECT_INT(play(reschedules_other), 0);
    EXPECT_TRACE("[5.000] scope: -ETIMEDOUT\n");
}

/* ---------------------------------------------------------------------------------------------------- Whose cancel */

static int other_errors(void *arg)
{
    struct asyncio_timeout scope;

    (void)arg;
    EXPECT_INT(asyncio_timeout_enter(&scope, 5), 0);
    EXPECT_INT(asyncio_timeout_exit(&scope, -EIO), -EIO);
    EXPECT_INT(asyncio_timeout_enter(&scope, 1), 0);
    EXPECT_INT(asyncio_sleep(2), -ECANCELED);
    EXPECT_INT(asyncio_timeout_exit(&scope, -EIO), -EIO);
    EXPECT(asyncio_timeout_expired(&scope));
    EXPECT_INT(cancelling(), 0);
    EXPECT_INT(asyncio_timeout_enter(&scope, 1), 0);
    EXPECT_INT(asyncio_sleep(2), -ECANCELED);
    EXPECT_INT(asyncio_sleep(2), 0);
    EXPECT_INT(asyncio_timeout_exit(&scope, 3), 3);
    EXPECT_INT(cancelling(), 0);
    EXPECT_INT(asyncio_timeout_enter(&scope, 5), 0);
    EXPECT_INT(asyncio_timeout_exit(&scope, -ECANCELED), -ECANCELED);
    return asyncio_sleep(9);
}

TEST(timeout_and_other_outcomes,
     "C-13: only a -ECANCELED of a scope that expired becomes a time-out; what a body made of it stays")
{
    EXPECT_INT(run(other_errors, NULL), 0);
}

static int scope_of_five(void *arg)
{
    int r = sleep_in(5, 10);

    (void)arg;
    trace("scope: %s, cancelling %d", said(r), cancelling());
    trace("then: %s", said(asyncio_sleep(1)));
    return r;
}

static int foreign_cancel(void *arg)
{
    (void)arg;
    spawn(scope_of_five, NULL, NULL);
    EXPECT_INT(asyncio_sleep(1), 0);
    cancel(crew[0]);
    everybody();
    return 0;
}

TEST(timeout_and_a_foreign_cancel, "C-13: a cancel from outside stays one")
{
    EXPECT_INT(play(foreign_cancel), 0);
    EXPECT_TRACE("[1.000] scope: -ECANCELED, cancelling 1\n[2.000] then: 0\n");
}

static void cancel_first(void *arg)
{
    (void)arg;
    cancel(crew[0]);
}

static int foreign_cancel_at_the_deadline(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    bool after = number_of(arg);

    if (!after)
        EXPECT_INT(asyncio_loop_call_later(loop, 5, cancel_first, NULL), 0);
    spawn(scope_of_five, NULL, NULL);
    turns(1);
    if (after)
        EXPECT_INT(asyncio_loop_call_later(loop, 5, cancel_first, NULL), 0);
    everybody();
    return 0;
}

TEST(timeout_and_a_cancel_at_once,
     "C-13 #41: both in one turn, in either order: delivered once, and it counts as a cancel")
{
    for (int after = 0; after < 2; after++) {
        EXPECT_INT(run(foreign_cancel_at_the_deadline, number(after)), 0);
        dismiss_crew();
        EXPECT_TRACE("[5.000] scope: -ECANCELED, cancelling 1\n[6.000] then: 0\n");
    }
}

/* Cancelled by others while it cleans up after its deadline. */
static int clean_up_in_scope(void *arg)
{
    struct asyncio_timeout scope;
    int r;

    (void)arg;
    EXPECT_INT(asyncio_timeout_enter(&scope, 1), 0);
    EXPECT_INT(asyncio_sleep(10), -ECANCELED);
    r = asyncio_timeout_exit(&scope, asyncio_sleep(5));
    trace("scope: %s, cancelling %d", said(r), cancelling());
    return r;
}

static int foreign_cancel_after(void *arg)
{
    (void)arg;
    spawn(clean_up_in_scope, NULL, NULL);
    EXPECT_INT(asyncio_sleep(3), 0);
    cancel(crew[0]);
    everybody();
    EXPECT(asyncio_future_cancelled(crew[0]));
    return 0;
}

TEST(timeout_then_a_foreign_cancel, "C-13: one that comes between the deadline and the exit stays a cancel")
{
    EXPECT_INT(play(foreign_cancel_after), 0);
    EXPECT_TRACE("[3.000] scope: -ECANCELED, cancelling 1\n");
}

static int prior_cancel(void *arg)
{
    static const double timeouts[] = {0, -1, 5};

    (void)arg;
    for (int i = 0; i < 3; i++) {
        cancel(asyncio_current_task());
        EXPECT_INT(sleep_in(timeouts[i], 10), -ECANCELED);
        EXPECT_INT(cancelling(), 1);
        EXPECT_INT(asyncio_sleep(1), 0);
        EXPECT_INT(asyncio_task_uncancel(asyncio_current_task()), 0);
    }
    return 0;
}

TEST(timeout_and_a_prior_cancel, "D-03 C-14 #40: a cancel from before the scope beats a time-out of zero")
{
    EXPECT_INT(run(prior_cancel, NULL), 0);
}

static int prior_cancel_without_wait(void *arg)
{
    struct asyncio_timeout scope;

    (void)arg;
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_timeout_enter(&scope, 0), 0);
    EXPECT_INT(asyncio_timeout_exit(&scope, 2), 2);
    EXPECT_INT(asyncio_sleep(0), -ECANCELED);
    return 0;
}

TEST(timeout_keeps_a_prior_cancel, "D-03 C-14: a scope that did not wait leaves it for the next wait")
{
    EXPECT_INT(run(prior_cancel_without_wait, NULL), 0);
}

static int swallowed_cancel(void *arg)
{
    struct asyncio_timeout scope;

    (void)arg;
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_sleep(1), -ECANCELED);
    EXPECT_INT(sleep_in(1, 10), -ETIMEDOUT);
    EXPECT_INT(sleep_in(0, 0), -ETIMEDOUT);
    EXPECT_INT(cancelling(), 1);
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT_INT(asyncio_timeout_enter(&scope, 5), 0);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_timeout_exit(&scope, asyncio_sleep(10)), -ECANCELED);
    EXPECT_INT(cancelling(), 2);
    return 0;
}

TEST(timeout_in_a_cancelled_task, "C-13 #38: a task that is cleaning up after a cancel has time-outs as ever")
{
    EXPECT_INT(run(swallowed_cancel, NULL), 0);
}

static int prior_then_deadline(void *arg)
{
    struct asyncio_timeout scope;

    (void)arg;
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_timeout_enter(&scope, 2), 0);
    EXPECT_INT(asyncio_sleep(10), -ECANCELED);
    EXPECT_INT(asyncio_timeout_exit(&scope, asyncio_sleep(10)), -ETIMEDOUT);
    EXPECT_INT(cancelling(), 1);
    return 0;
}

TEST(timeout_after_a_prior_cancel, "C-14 D-03: a prior cancel that the body swallowed does not hide the deadline")
{
    EXPECT_INT(run(prior_then_deadline, NULL), 0);
}

static int clean_up_for_two(void *arg)
{
    (void)arg;
    ASYNCIO_IGNORE(asyncio_sleep(10));
    return asyncio_sleep(2);
}

static int expires_unmet(void *arg)
{
    struct asyncio_timeout scope;
    struct asyncio_future *child = spawn(clean_up_for_two, NULL, NULL);

    turns(1);
    /* Once more in a task that has been cancelled before. */
    if (arg) {
        cancel(asyncio_current_task());
        EXPECT_INT(asyncio_sleep(0), -ECANCELED);
    }
    EXPECT_INT(asyncio_timeout_enter(&scope, 1), 0);
    /* Goes on waiting though it is cancelled meanwhile. */
    EXPECT_INT(asyncio_cancel_and_wait(child), 0);
    EXPECT(asyncio_timeout_expired(&scope));
    EXPECT_INT(asyncio_timeout_exit(&scope, 6), 6);
    EXPECT_INT(cancelling(), arg ? 1 : 0);
    EXPECT_INT(asyncio_sleep(1), 0);
    return 0;
}

TEST(timeout_that_nobody_met,
     "C-13 #38: a body that ended without meeting its deadline's cancel leaves none behind, whatever was before")
{
    EXPECT_INT(run(expires_unmet, NULL), 0);
    dismiss_crew();
    EXPECT_INT(run(expires_unmet, number(1)), 0);
    dismiss_crew();
}

/* ---------------------------------------------------------------------------------------------------------- Nested */

static int nests(void *arg)
{
    static const struct {
        double outer, inner;
        int inner_result, outer_result;
        double time;
    } cases[] = {
        {5, 2, -ETIMEDOUT, -ETIMEDOUT, 2}, {2, 5, -ECANCELED, -ETIMEDOUT, 2}, {2, 2, -ECANCELED, -ETIMEDOUT, 2},
        {0, 0, -ECANCELED, -ETIMEDOUT, 0}, {5, 0, -ETIMEDOUT, -ETIMEDOUT, 0},
    };

    (void)arg;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct asyncio_timeout outer, inner;
        double before = now();
        int r;

        EXPECT_INT(asyncio_timeout_enter(&outer, cases[i].outer), 0);
        EXPECT_INT(asyncio_timeout_enter(&inner, cases[i].inner), 0);
        r = asyncio_timeout_exit(&inner, asyncio_sleep(10));
        EXPECT_INT(r, cases[i].inner_result);
        r = asyncio_timeout_exit(&outer, r);
        EXPECT_INT(r, cases[i].outer_result);
        EXPECT_DOUBLE(now() - before, cases[i].time);
        EXPECT_INT(cancelling(), 0);
        EXPECT_INT(asyncio_sleep(1), 0);
    }
    return 0;
}

TEST(timeouts_nested,
     "C-13: the shorter one expires; when both do in one turn, the inner passes the cancel on to the outer")
{
    EXPECT_INT(run(nests, NULL), 0);
}

static int in_cleanup(void *arg)
{
    struct asyncio_timeout outer;
    int r;

    (void)arg;
    EXPECT_INT(asyncio_timeout_enter(&outer, 1), 0);
    r = asyncio_sleep(10);
    EXPECT_INT(r, -ECANCELED);
    EXPECT_INT(sleep_in(1, 10), -ETIMEDOUT);
    EXPECT_INT(sleep_in(2, 1), 0);
    EXPECT_INT(asyncio_timeout_exit(&outer, r), -ETIMEDOUT);
    EXPECT_DOUBLE(now(), 3);
    return 0;
}

TEST(timeout_in_the_cleanup_of_another, "C-13 #38: works, and the outer one is what it was")
{
    EXPECT_INT(run(in_cleanup, NULL), 0);
}

static int nest_deep(void *arg)
{
    struct asyncio_timeout scope;
    int r;

    if (number_of(arg) == 0)
        return asyncio_sleep(1000);
    EXPECT_INT(asyncio_timeout_enter(&scope, number_of(arg)), 0);
    r = nest_deep(number(number_of(arg) - 1));
    return asyncio_timeout_exit(&scope, r);
}

TEST_NO_SWEEP(timeouts_nested_deep, "C-13: fifty levels", "too many faults")
{
    EXPECT_INT(run(nest_deep, number(50)), -ETIMEDOUT);
}

/* ----------------------------------------------------------------------------------------------------- With others */

static int nap_in_group(void *arg)
{
    int r = asyncio_sleep(number_of(arg));

    trace("child: %s", said(r));
    return r;
}

static int around_group(void *arg)
{
    struct asyncio_taskgroup group = {0};
    struct asyncio_timeout scope;
    int r;

    (void)arg;
    EXPECT_INT(asyncio_timeout_enter(&scope, 2), 0);
    EXPECT_INT(asyncio_taskgroup_enter(&group), 0);
    asyncio_taskgroup_create_task(&group, nap_in_group, number(1));
    asyncio_taskgroup_create_task(&group, nap_in_group, number(5));
    r = asyncio_taskgroup_exit(&group, 0);
    EXPECT_INT(r, -ECANCELED);
    EXPECT_INT(asyncio_timeout_exit(&scope, r), -ETIMEDOUT);
    EXPECT_INT(cancelling(), 0);
    return 0;
}

TEST(timeout_around_a_group, "C-13 C-18: cancels the children and comes out as a time-out")
{
    EXPECT_INT(run(around_group, NULL), 0);
    EXPECT_TRACE("[1.000] child: 0\n[2.000] child: -ECANCELED\n");
}

static int in_gather(void *arg)
{
    struct asyncio_future *tasks[2];
    struct asyncio_timeout scope;

    (void)arg;
    tasks[0] = spawn(nap_in_group, number(1), NULL);
    tasks[1] = spawn(nap_in_group, number(5), NULL);
    EXPECT_INT(asyncio_timeout_enter(&scope, 2), 0);
    EXPECT_INT(asyncio_timeout_exit(&scope, asyncio_gather(tasks, 2, NULL)), -ETIMEDOUT);
    EXPECT(asyncio_future_cancelled(tasks[1]));
    return 0;
}

TEST(timeout_around_gather, "C-13 C-05: the same for gather")
{
    EXPECT_INT(play(in_gather), 0);
    EXPECT_TRACE("[1.000] child: 0\n[2.000] child: -ECANCELED\n");
}
