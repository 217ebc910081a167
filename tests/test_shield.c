/* test_shield.c -- waiting so that a cancel does not reach what is waited for. */
#include "crew.h"

static struct asyncio_future *shared;

static struct asyncio_future *new_future(void)
{
    return asyncio_loop_create_future(asyncio_get_running_loop());
}

/* Sleeps as many seconds as its argument says and returns that. */
static int nap(void *arg)
{
    int r = asyncio_sleep(number_of(arg));

    trace("%s: %s", me(), said(r));
    return r < 0 ? r : number_of(arg);
}

static int fail(void *arg)
{
    int r = asyncio_sleep(number_of(arg));

    return r < 0 ? r : -EIO;
}

/* Shields the first of the crew. */
static int shield_first(void *arg)
{
    int r = asyncio_shield(crew[0]);

    (void)arg;
    trace("%s: %s", me(), said(r));
    return r;
}

static int shield_shared(void *arg)
{
    (void)arg;
    return asyncio_shield(shared);
}

static int passes_through(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        struct asyncio_future *good, *bad, *gone;

        good = spawn(nap, number(1), "good");
        bad = spawn(fail, number(1), NULL);
        gone = spawn(nap, number(9), "gone");
        turns(1);
        cancel(gone);
        if (i == 0) {
            EXPECT_INT(asyncio_shield(good), 1);
            EXPECT_INT(asyncio_shield(bad), -EIO);
            EXPECT_INT(asyncio_shield(gone), -ECANCELED);
        } else {
            struct asyncio_future *outer[3] = {asyncio_shield_future(good), asyncio_shield_future(bad),
                                               asyncio_shield_future(gone)};

            EXPECT_INT(asyncio_await(outer[0]), 1);
            EXPECT_INT(asyncio_await(outer[1]), -EIO);
            EXPECT_INT(asyncio_await(outer[2]), -ECANCELED);
            EXPECT(asyncio_future_cancelled(outer[2]) && !asyncio_future_cancelled(outer[1]));
            for (int j = 0; j < 3; j++)
                asyncio_future_unref(outer[j]);
        }
        EXPECT_INT(asyncio_task_cancelling(asyncio_current_task()), 0);
    }
    return 0;
}

TEST(shield_passes_the_outcome, "C-15: value, error and cancel of the inner one come through, in both forms")
{
    EXPECT_INT(play(passes_through), 0);
    trace_clear();
}

static int passes_pointer(void *arg)
{
    struct asyncio_future *inner = new_future(), *outer = asyncio_shield_future(inner);

    EXPECT_INT(asyncio_future_set_result(inner, 1, &shared), 0);
    EXPECT_INT(asyncio_await(outer), 1);
    EXPECT_PTR(asyncio_future_pointer(outer), &shared);
    asyncio_future_unref(outer);
    outer = asyncio_shield_future(inner);
    EXPECT_PTR(outer, inner);
    asyncio_future_unref(outer);
    asyncio_future_unref(inner);
    EXPECT_INT(asyncio_await(asyncio_shield_future(arg)), -EINVAL);
    EXPECT_INT(asyncio_shield(arg), -EINVAL);
    return 0;
}

TEST(shield_of_what_is_done, "C-15: is that future itself; its pointer comes through too")
{
    EXPECT_INT(run(passes_pointer, NULL), 0);
}

static int cancels_waiter(void *arg)
{
    (void)arg;
    spawn(nap, number(2), "inner");
    spawn(shield_first, NULL, "waiter");
    spawn(shield_first, NULL, "other");
    EXPECT_INT(asyncio_sleep(1), 0);
    cancel(crew[1]);
    everybody();
    EXPECT_INT(asyncio_future_result(crew[0]), 2);
    EXPECT_INT(asyncio_task_cancelling(crew[0]), 0);
    return 0;
}

TEST(shield_cancelled, "C-15: the waiter is cancelled at once, the inner one goes on, and so do its other waiters")
{
    EXPECT_INT(play(cancels_waiter), 0);
    EXPECT_TRACE("[1.000] waiter: -ECANCELED\n[2.000] inner: 0\n[2.000] other: 2\n");
}

static int cancels_outer(void *arg)
{
    struct asyncio_future *inner = spawn(nap, number(2), "inner"), *outer = asyncio_shield_future(inner);

    (void)arg;
    turns(1);
    EXPECT_INT(asyncio_future_cancel(outer), 1);
    EXPECT(asyncio_future_cancelled(outer));
    EXPECT_INT(asyncio_await(outer), -ECANCELED);
    EXPECT_INT(asyncio_await(inner), 2);
    asyncio_future_unref(outer);
    outer = asyncio_shield_future(shared = new_future());
    asyncio_future_unref(outer);
    EXPECT_INT(asyncio_future_set_result(shared, 3, NULL), 0);
    asyncio_future_unref(shared);
    return 0;
}

TEST(shield_future_cancelled, "C-15: so is the future; one that nobody holds is forgotten")
{
    EXPECT_INT(play(cancels_outer), 0);
    EXPECT_TRACE("[2.000] inner: 0\n");
}

static int pending_on_entry(void *arg)
{
    struct asyncio_future *inner = spawn(nap, number(1), "inner");

    (void)arg;
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_shield(inner), -ECANCELED);
    EXPECT_INT(asyncio_shield(inner), 1);
    return 0;
}

TEST(shield_with_a_cancel_pending, "C-15 T-07: the wait meets it, the inner one does not")
{
    EXPECT_INT(play(pending_on_entry), 0);
    EXPECT_TRACE("[1.000] inner: 0\n");
}

/* ---------------------------------------------------------------------------------------------------------- Errors */

static int loses_error(void *arg)
{
    struct asyncio_future *waiter;

    crew[crew_size++] = asyncio_create_task(fail, number(2));
    waiter = asyncio_create_task(shield_first, NULL, .name = "waiter");
    EXPECT_INT(asyncio_sleep(1), 0);
    cancel(waiter);
    EXPECT_INT(asyncio_await(waiter), -ECANCELED);
    asyncio_future_unref(waiter);
    EXPECT_INT(asyncio_sleep(2), 0);
    if (arg)
        EXPECT_INT(asyncio_await(crew[0]), -EIO);
    dismiss_crew();
    return 0;
}

TEST(shield_and_a_late_error,
     "C-15 D-14 #26 #27: an error after the cancel is reported once, unless somebody retrieves it")
{
    EXPECT_INT(run(loses_error, number(1)), 0);
    EXPECT_STR(captured_log(), "");
    EXPECT_INT(run(loses_error, NULL), 0);
    EXPECT_LOG("Task exception was never retrieved");
    EXPECT_STR(captured_log(), "");
    trace_clear();
}

static int error_in_outer(void *arg)
{
    struct asyncio_future *inner = asyncio_create_task(fail, number(1)), *outer = asyncio_shield_future(inner);

    EXPECT_INT(asyncio_sleep(2), 0);
    asyncio_future_unref(inner);
    if (arg)
        EXPECT_INT(asyncio_future_result(outer), -EIO);
    asyncio_future_unref(outer);
    return 0;
}

TEST(shield_and_an_error_that_nobody_saw,
     "C-15 D-14 #26: it moves on to the outer future, and is reported from there, once")
{
    EXPECT_INT(run(error_in_outer, number(1)), 0);
    EXPECT_STR(captured_log(), "");
    EXPECT_INT(run(error_in_outer, NULL), 0);
    EXPECT_LOG("Future exception was never retrieved");
    EXPECT_STR(captured_log(), "");
}

/* ------------------------------------------------------------------------------------------------------ In numbers */

#define MANY 20000

static int shields_often(void *arg)
{
    int64_t allocated = 0;

    (void)arg;
    shared = new_future();
    for (int i = 0; i < MANY; i++) {
        struct asyncio_future *waiter = asyncio_create_task(shield_shared, NULL),
                              *outer = asyncio_shield_future(shared);

        turns(1);
        cancel(waiter);
        cancel(outer);
        EXPECT_INT(asyncio_await(waiter), -ECANCELED);
        asyncio_future_unref(waiter);
        asyncio_future_unref(outer);
        if (i == 10)
            allocated = asyncio_allocated();
    }
    EXPECT_INT(asyncio_allocated(), allocated);
    EXPECT_INT(asyncio_future_set_result(shared, 0, NULL), 0);
    asyncio_future_unref(shared);
    return 0;
}

TEST_NO_SWEEP(shield_leaves_nothing_behind, "C-15 #25 #28: cancelled waiters leave nothing on what they shielded",
              "too many faults")
{
    EXPECT_INT(run(shields_often, NULL), 0);
}

static int in_chain(void *arg)
{
    struct asyncio_future *inner = spawn(nap, number(2), "inner");
    struct asyncio_future *middle = asyncio_shield_future(inner), *outer = asyncio_shield_future(middle);

    (void)arg;
    turns(1);
    cancel(outer);
    EXPECT_INT(asyncio_await(outer), -ECANCELED);
    EXPECT_INT(asyncio_await(middle), 2);
    asyncio_future_unref(outer);
    asyncio_future_unref(middle);
    return 0;
}

TEST(shield_of_a_shield, "C-15: a cancel ends at the first one")
{
    EXPECT_INT(play(in_chain), 0);
    trace_clear();
}
