/* test_taskgroups.c -- a scope that owns tasks: its end, its errors, and cancels from inside and outside. */
#include "crew.h"

#include <string.h>

static struct asyncio_taskgroup group;
static int n_freed;

static void count_free(void *arg)
{
    (void)arg;
    n_freed++;
}

static int cancelling(void)
{
    return asyncio_task_cancelling(asyncio_current_task());
}

/* Sleeps as many seconds as its argument says and returns that. */
static int nap(void *arg)
{
    int r = asyncio_sleep(number_of(arg));

    trace("%s: %s", me(), said(r));
    return r < 0 ? r : number_of(arg);
}

/* Fails with its argument, after a second. */
static int fail(void *arg)
{
    int r = asyncio_sleep(1);

    trace("%s fails", me());
    return r < 0 ? r : number_of(arg);
}

static int fail_at_once(void *arg)
{
    return number_of(arg);
}

/* Needs as many seconds as its argument says to clean up, and then fails when that is odd. */
static int clean_up(void *arg)
{
    int r = asyncio_sleep(100);

    trace("%s: %s", me(), said(r));
    ASYNCIO_IGNORE(asyncio_sleep(number_of(arg)));
    trace("%s is clean", me());
    return number_of(arg) % 2 ? -EPERM : r;
}

static struct asyncio_future *add(asyncio_coro *fn, int arg, const char *name)
{
    return asyncio_taskgroup_create_task(&group, fn, number(arg), .name = name);
}

static void enter(void)
{
    EXPECT_INT(asyncio_taskgroup_enter(&group), 0);
}

/* Leaves the group and says how, and what the task meets next. */
static int leave(int r)
{
    r = asyncio_taskgroup_exit(&group, r);
    trace("exit: %s, cancelling %d", said(r), cancelling());
    trace("then: %s", said(asyncio_sleep(0)));
    return r;
}

/* --------------------------------------------------------------------------------------------------------- The end */

static int waits_for_all(void *arg)
{
    (void)arg;
    enter();
    EXPECT_INT(asyncio_await(add(nap, 1, "a")), 1);
    add(nap, 1, "b");
    add(nap, 3, "c");
    trace("body ends");
    return leave(9);
}

TEST(group_waits_for_its_tasks, "C-16: the exit waits for all and returns what the body returned")
{
    EXPECT_INT(run(waits_for_all, NULL), 9);
    EXPECT_TRACE("[1.000] a: 0\n"
                 "[1.000] body ends\n"
                 "[2.000] b: 0\n"
                 "[4.000] c: 0\n"
                 "[4.000] exit: 9, cancelling 0\n"
                 "[4.000] then: 0\n");
}

static int of_none(void *arg)
{
    (void)arg;
    enter();
    return leave(0);
}

TEST(group_without_tasks, "C-16: ends at once")
{
    EXPECT_INT(run(of_none, NULL), 0);
    trace_clear();
}

static int add_more(void *arg)
{
    if (number_of(arg) > 0)
        add(add_more, number_of(arg) - 1, "more");
    return nap(number(1));
}

static int late_joiners(void *arg)
{
    (void)arg;
    enter();
    add(add_more, 2, "first");
    trace("body ends");
    return leave(0);
}

TEST(group_with_late_joiners, "C-16: children may add tasks while the exit waits")
{
    EXPECT_INT(run(late_joiners, NULL), 0);
    EXPECT_TRACE("[0.000] body ends\n"
                 "[1.000] first: 0\n[1.000] more: 0\n[1.000] more: 0\n"
                 "[1.000] exit: 0, cancelling 0\n[1.000] then: 0\n");
}

static int one_child_cancelled(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    enter();
    task = add(nap, 5, "a");
    add(nap, 2, "b");
    turns(1);
    cancel(task);
    return leave(0);
}

TEST(group_with_a_cancelled_child, "C-16: a child that is cancelled by itself is no error")
{
    EXPECT_INT(run(one_child_cancelled, NULL), 0);
    EXPECT_TRACE("[0.000] a: -ECANCELED\n[2.000] b: 0\n[2.000] exit: 0, cancelling 0\n[2.000] then: 0\n");
}

static int keywords(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    enter();
    task = asyncio_taskgroup_create_task(&group, nap, number(1), .name = "named", .free_arg = count_free);
    EXPECT_STR(asyncio_task_get_name(task), "named");
    asyncio_future_ref(task);
    EXPECT_INT(leave(0), 0);
    EXPECT_INT(asyncio_future_result(task), 1);
    EXPECT_INT(n_freed, 1);
    asyncio_future_unref(task);
    return 0;
}

TEST(group_children_have_keywords, "C-16: those of create_task; the task is borrowed and may be kept")
{
    EXPECT_INT(run(keywords, NULL), 0);
    trace_clear();
}

static int of_many(void *arg)
{
    (void)arg;
    enter();
    for (int i = 0; i < 500; i++)
        add(nap, i % 5, "x");
    return leave(0);
}

TEST_NO_SWEEP(group_of_many, "C-16: five hundred", "too many faults")
{
    EXPECT_INT(run(of_many, NULL), 0);
    EXPECT(strstr(transcript(), "[4.000] exit: 0"));
    trace_clear();
}

/* ---------------------------------------------------------------------------------------------------------- Misuse */

static int enters_second(void *arg)
{
    struct asyncio_taskgroup *other = arg;

    EXPECT_INT(asyncio_taskgroup_enter(other), -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(asyncio_taskgroup_exit(other, 0), -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(asyncio_taskgroup_exit(other, -EIO), -EIO);
    return 0;
}

static int refused(void)
{
    struct asyncio_future *task = asyncio_taskgroup_create_task(&group, nap, number(1), .free_arg = count_free);

    return asyncio_future_done(task) ? asyncio_future_result(task) : 0;
}

static int misuses(void *arg)
{
    (void)arg;
    EXPECT_INT(refused(), -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(asyncio_taskgroup_exit(&group, 0), -ASYNCIO_EINVALIDSTATE);
    enter();
    EXPECT_INT(asyncio_taskgroup_enter(&group), -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(asyncio_await(asyncio_taskgroup_create_task(&group, NULL, NULL)), -EINVAL);
    EXPECT_INT(asyncio_await(asyncio_taskgroup_create_task(NULL, nap, NULL)), -EINVAL);
    EXPECT_INT(asyncio_await(spawn(enters_second, &group, NULL)), 0);
    add(clean_up, 2, "child");
    turns(1);
    asyncio_taskgroup_cancel(&group);
    EXPECT_INT(refused(), -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(leave(0), 0);
    EXPECT_INT(refused(), -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(asyncio_taskgroup_enter(&group), -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(asyncio_taskgroup_exit(&group, 0), -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(asyncio_taskgroup_enter(NULL), -EINVAL);
    EXPECT_INT(asyncio_taskgroup_exit(NULL, 0), -EINVAL);
    asyncio_taskgroup_cancel(NULL);
    asyncio_taskgroup_fini(NULL);
    EXPECT_PTR(asyncio_taskgroup_errors(NULL, NULL), NULL);
    EXPECT_INT(n_freed, 3);
    return 0;
}

TEST(group_misused,
     "C-16: entered twice or by another task, used before, after, or while it shuts down; arguments are freed")
{
    EXPECT_INT(asyncio_taskgroup_enter(&group), -ASYNCIO_ENOTASK);
    EXPECT_INT(play(misuses), 0);
    trace_clear();
}

/* ---------------------------------------------------------------------------------------------------------- Errors */

static int child_fails(void *arg)
{
    int r;

    (void)arg;
    enter();
    add(fail, -EIO, "a");
    add(nap, 5, "b");
    r = asyncio_sleep(10);
    trace("body: %s", said(r));
    return leave(r);
}

TEST(group_whose_child_fails, "C-16 C-18: cancels the others and the body once; ends with the error; no cancel is left")
{
    EXPECT_INT(run(child_fails, NULL), -EIO);
    EXPECT_TRACE("[1.000] a fails\n"
                 "[1.000] b: -ECANCELED\n"
                 "[1.000] body: -ECANCELED\n"
                 "[1.000] exit: -EIO, cancelling 0\n"
                 "[1.000] then: 0\n");
}

static int child_fails_late(void *arg)
{
    (void)arg;
    enter();
    add(fail, -EIO, "a");
    add(clean_up, 2, "b");
    return leave(0);
}

TEST(group_whose_child_fails_at_the_exit,
     "C-16 C-18: the same while the exit waits, which goes on until all have cleaned up")
{
    EXPECT_INT(run(child_fails_late, NULL), -EIO);
    EXPECT_TRACE("[1.000] a fails\n"
                 "[1.000] b: -ECANCELED\n"
                 "[3.000] b is clean\n"
                 "[3.000] exit: -EIO, cancelling 0\n"
                 "[3.000] then: 0\n");
}

static int last_child_fails(void *arg)
{
    (void)arg;
    enter();
    add(fail, -EIO, "a");
    return leave(0);
}

TEST(group_whose_last_child_fails, "C-18: there is nobody left to cancel, and nothing of it leaks out")
{
    EXPECT_INT(run(last_child_fails, NULL), -EIO);
    EXPECT_TRACE("[1.000] a fails\n[1.000] exit: -EIO, cancelling 0\n[1.000] then: 0\n");
}

static int body_fails(void *arg)
{
    (void)arg;
    enter();
    add(clean_up, 2, "a");
    turns(1);
    return leave(-EINVAL);
}

TEST(group_whose_body_fails, "C-17: cancels the children, waits for them, and ends with the body's error")
{
    EXPECT_INT(run(body_fails, NULL), -EINVAL);
    EXPECT_TRACE("[0.000] a: -ECANCELED\n[2.000] a is clean\n[2.000] exit: -EINVAL, cancelling 0\n[2.000] then: 0\n");
}

static int collects(void *arg)
{
    const struct asyncio_taskgroup_error *errors;
    size_t n = 0;

    (void)arg;
    group.keep_errors = true;
    enter();
    add(clean_up, 3, "slow");
    add(clean_up, 1, "quick");
    add(clean_up, 2, "cancelled");
    add(fail, -EIO, "first");
    ASYNCIO_IGNORE(asyncio_sleep(10));
    EXPECT_INT(leave(-EINVAL), -EIO);
    errors = asyncio_taskgroup_errors(&group, &n);
    for (size_t i = 0; i < n; i++)
        trace("%s: %s", errors[i].task ? asyncio_task_get_name(errors[i].task) : "body", said(errors[i].error));
    asyncio_taskgroup_fini(&group);
    EXPECT_PTR(asyncio_taskgroup_errors(&group, &n), NULL);
    EXPECT_INT(n, 0);
    asyncio_taskgroup_fini(&group);
    return 0;
}

TEST(group_with_several_errors,
     "C-17: the first is the result; the list has all in order of completion, the body's last, no cancels")
{
    EXPECT_INT(run(collects, NULL), 0);
    EXPECT(strstr(transcript(),
                  "[4.000] first: -EIO\n[4.000] quick: -EPERM\n[4.000] slow: -EPERM\n[4.000] body: -EINVAL\n"));
    trace_clear();
}

static int forgets(void *arg)
{
    size_t n = 9;

    (void)arg;
    enter();
    add(fail, -EIO, "a");
    EXPECT_INT(leave(0), -EIO);
    EXPECT_PTR(asyncio_taskgroup_errors(&group, &n), NULL);
    EXPECT_INT(n, 0);
    return 0;
}

TEST(group_that_keeps_no_errors, "C-17: without .keep_errors nothing is left to free")
{
    EXPECT_INT(run(forgets, NULL), 0);
    trace_clear();
}

static int body_replaces(void *arg)
{
    int r;

    (void)arg;
    enter();
    add(fail, -EIO, "a");
    r = asyncio_sleep(10);
    EXPECT_INT(r, -ECANCELED);
    return leave(-ENOENT);
}

TEST(group_whose_body_replaces_the_cancel, "C-18 #31: the cancel is taken back all the same")
{
    EXPECT_INT(run(body_replaces, NULL), -EIO);
    EXPECT_TRACE("[1.000] a fails\n[1.000] exit: -EIO, cancelling 0\n[1.000] then: 0\n");
}

static int body_swallows(void *arg)
{
    (void)arg;
    enter();
    add(fail, -EIO, "a");
    EXPECT_INT(asyncio_sleep(10), -ECANCELED);
    EXPECT_INT(asyncio_sleep(1), 0);
    return leave(5);
}

TEST(group_whose_body_swallows_the_cancel, "C-18: the error comes out all the same")
{
    EXPECT_INT(run(body_swallows, NULL), -EIO);
    trace_clear();
}

static int awaits_cancelled(void *arg)
{
    struct asyncio_future *future = asyncio_loop_create_future(asyncio_get_running_loop());

    (void)arg;
    cancel(future);
    enter();
    add(clean_up, 2, "a");
    turns(1);
    EXPECT_INT(leave(asyncio_await(future)), -ECANCELED);
    asyncio_future_unref(future);
    return 0;
}

TEST(group_whose_body_met_a_cancelled_future,
     "C-17 C-18: nobody was cancelled, but the body ended so: children are cancelled, and it comes out")
{
    EXPECT_INT(run(awaits_cancelled, NULL), 0);
    EXPECT_TRACE(
        "[0.000] a: -ECANCELED\n[2.000] a is clean\n[2.000] exit: -ECANCELED, cancelling 0\n[2.000] then: 0\n");
}

/* ------------------------------------------------------------------------------------------ Cancelled from outside */

static int body_with_children(void *arg)
{
    int r = 0;

    enter();
    add(clean_up, number_of(arg) & 3, "child");
    if (number_of(arg) & 4)
        r = asyncio_sleep(50);
    return leave(r);
}

static int cancels_parent(void *arg)
{
    (void)arg;
    spawn(body_with_children, arg, NULL);
    EXPECT_INT(asyncio_sleep(1), 0);
    cancel(crew[0]);
    everybody();
    return 0;
}

TEST(group_whose_parent_is_cancelled,
     "C-18: in the body or at the exit: children are cancelled and waited for, and the cancel goes on")
{
    for (int in_body = 0; in_body < 8; in_body += 4) {
        memset(&group, 0, sizeof group);
        EXPECT_INT(run(cancels_parent, number(2 + in_body)), 0);
        dismiss_crew();
        EXPECT_TRACE("[1.000] child: -ECANCELED\n"
                     "[3.000] child is clean\n"
                     "[3.000] exit: -ECANCELED, cancelling 1\n"
                     "[3.000] then: 0\n");
    }
}

TEST(group_with_an_error_and_a_cancel, "C-18 #32: the error comes out, and the parent's cancel meets its next wait")
{
    for (int in_body = 0; in_body < 8; in_body += 4) {
        memset(&group, 0, sizeof group);
        EXPECT_INT(run(cancels_parent, number(3 + in_body)), 0);
        EXPECT_INT(asyncio_future_result(crew_size > 0 ? crew[0] : NULL), -EPERM);
        dismiss_crew();
        EXPECT_TRACE("[1.000] child: -ECANCELED\n"
                     "[4.000] child is clean\n"
                     "[4.000] exit: -EPERM, cancelling 1\n"
                     "[4.000] then: -ECANCELED\n");
    }
}

static int cancels_often(void *arg)
{
    (void)arg;
    spawn(body_with_children, number(2), NULL);
    turns(2);
    for (int i = 0; i < 3; i++) {
        cancel(crew[0]);
        EXPECT_INT(asyncio_sleep(0.5), 0);
    }
    everybody();
    return 0;
}

TEST(group_whose_parent_is_cancelled_often,
     "C-18: repeated cancels do not shorten the wait, and reach the children once")
{
    EXPECT_INT(play(cancels_often), 0);
    EXPECT_TRACE("[0.000] child: -ECANCELED\n"
                 "[2.000] child is clean\n"
                 "[2.000] exit: -ECANCELED, cancelling 3\n"
                 "[2.000] then: 0\n");
}

static struct asyncio_taskgroup inner_group;

static int has_inner_group(void *arg)
{
    int r;

    (void)arg;
    EXPECT_INT(asyncio_taskgroup_enter(&inner_group), 0);
    asyncio_taskgroup_create_task(&inner_group, clean_up, number(1), .name = "inner child");
    r = asyncio_taskgroup_exit(&inner_group, asyncio_sleep(50));
    trace("inner exit: %s", said(r));
    r = asyncio_sleep(5);
    trace("inner then: %s", said(r));
    return r;
}

static int nested_both_cancelled(void *arg)
{
    (void)arg;
    enter();
    add(has_inner_group, 0, "middle");
    add(fail, -EIO, "failing");
    return leave(0);
}

TEST(nested_groups_both_cancelled,
     "C-18 #32: an inner group whose child fails while the outer one cancels it keeps that cancel")
{
    EXPECT_INT(run(nested_both_cancelled, NULL), -EIO);
    EXPECT_TRACE("[1.000] failing fails\n"
                 "[1.000] inner child: -ECANCELED\n"
                 "[2.000] inner child is clean\n"
                 "[2.000] inner exit: -EPERM\n"
                 "[2.000] inner then: -ECANCELED\n"
                 "[2.000] exit: -EIO, cancelling 0\n"
                 "[2.000] then: 0\n");
}

static int level_preserved(void *arg)
{
    (void)arg;
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_sleep(0), -ECANCELED);
    enter();
    add(fail, -EIO, "a");
    ASYNCIO_IGNORE(asyncio_sleep(10));
    EXPECT_INT(leave(-ECANCELED), -EIO);
    EXPECT_INT(cancelling(), 1);
    return 0;
}

TEST(group_in_a_cancelled_task, "C-18 #31: the count of a task that was cancelled before is what it was")
{
    EXPECT_INT(run(level_preserved, NULL), 0);
    EXPECT_TRACE("[1.000] a fails\n[1.000] exit: -EIO, cancelling 1\n[1.000] then: 0\n");
}

static int joins_in_body(void *arg)
{
    struct asyncio_future *other = spawn(clean_up, number(2), "other");

    turns(1);
    if (arg) {
        cancel(asyncio_current_task());
        EXPECT_INT(asyncio_sleep(0), -ECANCELED);
    }
    enter();
    add(fail, -EIO, "a");
    /* Goes on waiting though the group cancels it meanwhile. */
    EXPECT_INT(asyncio_cancel_and_wait(other), 0);
    EXPECT_INT(leave(0), -EIO);
    return 0;
}

TEST(group_whose_cancel_nobody_met,
     "C-18 #31: a body that ended without meeting the group's own cancel leaves none behind, whatever was before")
{
    for (int before = 0; before < 2; before++) {
        memset(&group, 0, sizeof group);
        EXPECT_INT(run(joins_in_body, number(before)), 0);
        dismiss_crew();
        EXPECT(strstr(transcript(), before ? "exit: -EIO, cancelling 1\n" : "exit: -EIO, cancelling 0\n"));
        EXPECT(strstr(transcript(), "then: 0\n"));
        trace_clear();
    }
}

/* ---------------------------------------------------------------------------------------------------------- Cancel */

static int cancel_group(void *arg)
{
    int r = asyncio_sleep(number_of(arg));

    asyncio_taskgroup_cancel(&group);
    asyncio_taskgroup_cancel(&group);
    trace("%s cancels", me());
    return r;
}

static int cancelled_by_body(void *arg)
{
    int r;

    (void)arg;
    enter();
    add(clean_up, 2, "a");
    turns(1);
    asyncio_taskgroup_cancel(&group);
    trace("goes on");
    r = asyncio_sleep(10);
    trace("body: %s", said(r));
    r = leave(r);
    asyncio_taskgroup_cancel(&group);
    EXPECT_INT(cancelling(), 0);
    return r;
}

TEST(group_cancelled_by_its_body,
     "C-19 #37: children and body are cancelled, and it ends without an error; harmless when repeated or late")
{
    EXPECT_INT(run(cancelled_by_body, NULL), 0);
    EXPECT_TRACE("[0.000] goes on\n"
                 "[0.000] a: -ECANCELED\n"
                 "[0.000] body: -ECANCELED\n"
                 "[2.000] a is clean\n"
                 "[2.000] exit: 0, cancelling 0\n"
                 "[2.000] then: 0\n");
}

static int cancelled_by_child(void *arg)
{
    (void)arg;
    enter();
    add(clean_up, 2, "a");
    add(cancel_group, 1, "b");
    return leave(4);
}

TEST(group_cancelled_by_a_child, "C-19 #37: while the exit waits")
{
    EXPECT_INT(run(cancelled_by_child, NULL), 4);
    EXPECT_TRACE("[1.000] b cancels\n"
                 "[1.000] a: -ECANCELED\n"
                 "[3.000] a is clean\n"
                 "[3.000] exit: 4, cancelling 0\n"
                 "[3.000] then: 0\n");
}

static int cancelled_before_entry(void *arg)
{
    int r;

    (void)arg;
    asyncio_taskgroup_cancel(&group);
    enter();
    EXPECT_INT(refused(), -ASYNCIO_EINVALIDSTATE);
    r = asyncio_sleep(10);
    EXPECT_INT(r, -ECANCELED);
    return leave(r);
}

TEST(group_cancelled_before_its_entry, "C-19: is cancelled on entry")
{
    EXPECT_INT(run(cancelled_before_entry, NULL), 0);
    EXPECT_TRACE("[0.000] exit: 0, cancelling 0\n[0.000] then: 0\n");
}

static int cancelled_with_error(void *arg)
{
    (void)arg;
    enter();
    add(clean_up, 1, "a");
    turns(1);
    asyncio_taskgroup_cancel(&group);
    return leave(0);
}

TEST(group_cancelled_with_an_error, "C-19 C-17: an error of a child's cleanup comes out")
{
    EXPECT_INT(run(cancelled_with_error, NULL), -EPERM);
    trace_clear();
}

static int cancelled_in_time(void *arg)
{
    struct asyncio_timeout scope;
    int r;

    (void)arg;
    EXPECT_INT(asyncio_timeout_enter(&scope, 1), 0);
    enter();
    add(clean_up, 2, "a");
    turns(1);
    asyncio_taskgroup_cancel(&group);
    r = asyncio_taskgroup_exit(&group, asyncio_sleep(10));
    EXPECT_INT(r, -ECANCELED);
    EXPECT_INT(asyncio_timeout_exit(&scope, r), -ETIMEDOUT);
    EXPECT_INT(cancelling(), 0);
    return asyncio_sleep(0);
}

TEST(group_cancelled_in_a_timeout,
     "C-19 #33: a time-out that comes while a cancelled group waits for its children is not dropped")
{
    EXPECT_INT(run(cancelled_in_time, NULL), 0);
    EXPECT_TRACE("[0.000] a: -ECANCELED\n[2.000] a is clean\n");
}

static int slow_group(void *arg)
{
    (void)arg;
    enter();
    add(clean_up, 2, "a");
    turns(1);
    asyncio_taskgroup_cancel(&group);
    return leave(asyncio_sleep(10));
}

static int cancelled_twice(void *arg)
{
    (void)arg;
    spawn(slow_group, NULL, NULL);
    EXPECT_INT(asyncio_sleep(1), 0);
    cancel(crew[0]);
    everybody();
    EXPECT(asyncio_future_cancelled(crew[0]));
    return 0;
}

TEST(group_cancelled_then_its_parent, "C-19 #33: nor is a cancel from outside")
{
    EXPECT_INT(play(cancelled_twice), 0);
    EXPECT_TRACE(
        "[0.000] a: -ECANCELED\n[2.000] a is clean\n[2.000] exit: -ECANCELED, cancelling 1\n[2.000] then: 0\n");
}

/* -------------------------------------------------------------------------------------------------- Eager children */

static int cancel_then_sleep(void *arg)
{
    (void)arg;
    asyncio_taskgroup_cancel(&group);
    return nap(number(10));
}

static int eager_cancels(void *arg)
{
    struct asyncio_future *task;
    int r;

    (void)arg;
    enter();
    task = asyncio_taskgroup_create_task(&group, cancel_then_sleep, NULL, .name = "eager", .eager_start = true);
    EXPECT_INT(asyncio_task_cancelling(task), 1);
    r = asyncio_sleep(20);
    EXPECT_INT(r, -ECANCELED);
    return leave(r);
}

TEST(group_cancelled_by_an_eager_child, "C-19 #34: which is not registered yet, and is cancelled too")
{
    EXPECT_INT(run(eager_cancels, NULL), 0);
    EXPECT_TRACE("[0.000] eager: -ECANCELED\n[0.000] exit: 0, cancelling 0\n[0.000] then: 0\n");
}

static int eager_fails(void *arg)
{
    struct asyncio_future *task;
    int r;

    (void)arg;
    enter();
    task = asyncio_taskgroup_create_task(&group, fail_at_once, number(-EIO), .eager_start = true);
    EXPECT_INT(asyncio_future_result(task), -EIO);
    EXPECT_INT(cancelling(), 0);
    add(nap, 5, "never started");
    r = asyncio_sleep(20);
    EXPECT_INT(r, -ECANCELED);
    return leave(r);
}

TEST(group_with_an_eager_child_that_fails,
     "C-17 T-14 #36: within its creation it fails, the group hears of it afterwards")
{
    EXPECT_INT(run(eager_fails, NULL), -EIO);
    EXPECT_TRACE("[0.000] exit: -EIO, cancelling 0\n[0.000] then: 0\n");
}
