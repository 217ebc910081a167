/* test_conditions.c -- Condition.
 *
 * What is waited for is static, as each test has a process of its own: no task outlives the frame it lies in. */
#include "crew.h"

static struct asyncio_condition condition;
static struct asyncio_lock lock;
static int owners;

/* Waits for the condition under its lock; keeps the lock for that many turns then. */
static int wait_condition(void *arg)
{
    int r = asyncio_condition_acquire(&condition);

    if (r < 0)
        return r;
    r = asyncio_condition_wait(&condition);
    EXPECT(asyncio_condition_locked(&condition));
    EXPECT_INT(++owners, 1);
    trace("%s: %s", me(), said(r));
    turns(number_of(arg));
    owners--;
    EXPECT_INT(asyncio_condition_release(&condition), 0);
    return r;
}

static int notify(size_t n)
{
    int r = asyncio_condition_acquire(&condition);

    if (r < 0)
        return r;
    r = asyncio_condition_notify(&condition, n);
    EXPECT_INT(asyncio_condition_release(&condition), 0);
    return r;
}

static int notify_all(void)
{
    int r = asyncio_condition_acquire(&condition);

    if (r < 0)
        return r;
    r = asyncio_condition_notify_all(&condition);
    EXPECT_INT(asyncio_condition_release(&condition), 0);
    return r;
}

static int condition_own_lock(void *arg)
{
    struct asyncio_condition made = ASYNCIO_CONDITION_INIT;
    int r;

    (void)arg;
    EXPECT(!asyncio_condition_locked(&condition));
    EXPECT_INT(asyncio_condition_acquire(&condition), 0);
    EXPECT(asyncio_condition_locked(&condition));
    EXPECT_INT(asyncio_condition_release(&condition), 0);
    EXPECT_INT(asyncio_condition_release(&condition), -EPERM);
    asyncio_condition_init(&made, NULL);
    ASYNCIO_WITH(condition, &made, r)
        EXPECT(asyncio_condition_locked(&made));
    EXPECT_INT(r, 0);
    EXPECT(!asyncio_condition_locked(&made));
    asyncio_condition_fini(&made);
    return 0;
}

TEST(condition_own_lock, "CV-01: zeroed memory is a condition with a lock of its own, whose calls it passes on")
{
    EXPECT_INT(run(condition_own_lock, NULL), 0);
    asyncio_condition_fini(&condition);
}

static int condition_shared_lock(void *arg)
{
    static struct asyncio_condition other;

    (void)arg;
    asyncio_condition_init(&condition, &lock);
    asyncio_condition_init(&other, &lock);
    EXPECT_INT(asyncio_condition_acquire(&condition), 0);
    EXPECT(asyncio_lock_locked(&lock));
    EXPECT(asyncio_condition_locked(&other));
    EXPECT_INT(asyncio_condition_notify(&other, 1), 0);
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    spawn(wait_condition, number(0), "A");
    turns(1);
    EXPECT_INT(asyncio_condition_acquire(&other), 0);
    EXPECT_INT(asyncio_condition_notify_all(&other), 0);
    EXPECT_INT(asyncio_condition_release(&other), 0);
    turns(3);
    trace("notify");
    EXPECT_INT(notify(1), 0);
    everybody();
    asyncio_condition_fini(&other);
    return 0;
}

TEST(condition_shared_lock, "CV-01: conditions may share a lock; a notification stays with its condition")
{
    EXPECT_INT(play(condition_shared_lock), 0);
    EXPECT_TRACE("[0.000] notify\n"
                 "[0.000] A: 0\n");
    asyncio_condition_fini(&condition);
    asyncio_lock_fini(&lock);
}

static int always_false(void *arg)
{
    (void)arg;
    return 0;
}

static int condition_unacquired(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_condition_wait(&condition), -EPERM);
    EXPECT_INT(asyncio_condition_wait_for(&condition, always_false, NULL), -EPERM);
    EXPECT_INT(asyncio_condition_notify(&condition, 1), -EPERM);
    EXPECT_INT(asyncio_condition_notify_all(&condition), -EPERM);
    EXPECT_INT(asyncio_condition_release(&condition), -EPERM);
    return 0;
}

TEST(condition_without_lock, "CV-01: wait and notify want the lock")
{
    EXPECT_INT(run(condition_unacquired, NULL), 0);
}

static int condition_notify(void *arg)
{
    static const char *const names[] = {"A", "B", "C", "D", "E"};

    (void)arg;
    for (int i = 0; i < 5; i++)
        spawn(wait_condition, number(1), names[i]);
    turns(2);
    EXPECT_INT(notify(0), 0);
    turns(3);
    EXPECT_TRACE("");
    EXPECT_INT(asyncio_condition_acquire(&condition), 0);
    EXPECT_INT(asyncio_condition_notify(&condition, 1), 0);
    EXPECT_INT(asyncio_condition_notify(&condition, 1), 0);
    turns(3);
    trace("release");
    EXPECT_INT(asyncio_condition_release(&condition), 0);
    turns(8);
    trace("two more, then all");
    EXPECT_INT(notify(2), 0);
    turns(8);
    EXPECT_INT(notify_all(), 0);
    EXPECT_INT(notify(7), 0);
    everybody();
    return 0;
}

TEST(condition_notify, "CV-04: notify wakes the first n that are not woken yet, who run when they get the lock")
{
    EXPECT_INT(play(condition_notify), 0);
    EXPECT_TRACE("[0.000] release\n"
                 "[0.000] A: 0\n"
                 "[0.000] B: 0\n"
                 "[0.000] two more, then all\n"
                 "[0.000] C: 0\n"
                 "[0.000] D: 0\n"
                 "[0.000] E: 0\n");
    asyncio_condition_fini(&condition);
}

static int condition_notify_all_waiters(void *arg)
{
    (void)arg;
    spawn(wait_condition, number(2), "A");
    spawn(wait_condition, number(0), "B");
    spawn(wait_condition, number(1), "C");
    turns(1);
    EXPECT_INT(notify_all(), 0);
    spawn(wait_condition, number(0), "too late");
    turns(20);
    trace("again");
    EXPECT_INT(notify_all(), 0);
    everybody();
    return 0;
}

TEST(condition_notify_all, "CV-04: notify_all wakes who waits now, one after the other through the lock")
{
    EXPECT_INT(play(condition_notify_all_waiters), 0);
    EXPECT_TRACE("[0.000] A: 0\n"
                 "[0.000] B: 0\n"
                 "[0.000] C: 0\n"
                 "[0.000] again\n"
                 "[0.000] too late: 0\n");
}

static int condition_cancel(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    a = spawn(wait_condition, number(0), "A");
    spawn(wait_condition, number(0), "B");
    turns(1);
    cancel(a);
    turns(3);
    trace("notify");
    EXPECT_INT(notify(1), 0);
    everybody();
    return 0;
}

TEST(park_condition_not_complete, "CV-02: a cancelled waiter leaves with the lock held, and wakes nobody")
{
    EXPECT_INT(play(condition_cancel), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] notify\n"
                 "[0.000] B: 0\n");
    asyncio_condition_fini(&condition);
}

static int condition_cancel_contested(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    a = spawn(wait_condition, number(0), "A");
    turns(1);
    EXPECT_INT(asyncio_condition_acquire(&condition), 0);
    cancel(a);
    turns(4);
    trace("release");
    EXPECT_INT(asyncio_condition_release(&condition), 0);
    everybody();
    return 0;
}

TEST(condition_cancel_contested, "CV-02: the cancelled waiter waits for the lock before it returns")
{
    EXPECT_INT(play(condition_cancel_contested), 0);
    EXPECT_TRACE("[0.000] release\n"
                 "[0.000] A: -ECANCELED\n");
}

static int condition_cancel_notified(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    a = spawn(wait_condition, number(0), "A");
    spawn(wait_condition, number(0), "B");
    turns(1);
    EXPECT_INT(notify(1), 0);
    cancel(a);
    everybody();
    return 0;
}

TEST(park_condition_complete, "CV-02 #6: a notification that meets a cancel is passed on, once the lock is held")
{
    EXPECT_INT(play(condition_cancel_notified), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] B: 0\n");
    asyncio_condition_fini(&condition);
}

static int condition_cancel_relocking(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    a = spawn(wait_condition, number(2), "A");
    spawn(wait_condition, number(0), "B");
    turns(1);
    EXPECT_INT(asyncio_condition_acquire(&condition), 0);
    EXPECT_INT(asyncio_condition_notify(&condition, 1), 0);
    turns(2);
    trace("cancel");
    cancel(a); /* it waits for the lock now */
    turns(2);
    cancel(a);
    turns(2);
    trace("release");
    EXPECT_INT(asyncio_condition_release(&condition), 0);
    everybody();
    return 0;
}

TEST(condition_cancel_while_relocking,
     "CV-02 #6 #7: a cancel while the lock is taken again returns with the lock, after it, "
     "and passes the notification on")
{
    EXPECT_INT(play(condition_cancel_relocking), 0);
    EXPECT_TRACE("[0.000] cancel\n"
                 "[0.000] release\n"
                 "[0.000] A: -ECANCELED\n"
                 "[0.000] B: 0\n");
    asyncio_condition_fini(&condition);
}

static int condition_cancel_handed_over(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    a = spawn(wait_condition, number(0), "A");
    turns(1);
    EXPECT_INT(asyncio_condition_acquire(&condition), 0);
    EXPECT_INT(asyncio_condition_notify(&condition, 1), 0);
    turns(2);
    spawn(wait_condition, number(0), "B");
    turns(1);
    EXPECT_INT(asyncio_condition_release(&condition), 0);
    cancel(a); /* it has been handed the lock and has not run: B goes first */
    turns(1);
    EXPECT_TRACE("");
    everybody();
    return 0;
}

TEST(condition_cancel_in_hand_over, "CV-02 #7: cancelled when the lock has just been handed over, it queues again and"
                                    " forwards")
{
    EXPECT_INT(play(condition_cancel_handed_over), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] B: 0\n");
}

static int wait_and_tell_why(void *arg)
{
    int r = asyncio_condition_acquire(&condition);

    (void)arg;
    if (r < 0)
        return r;
    r = asyncio_condition_wait(&condition);
    trace("%s: %s, %s", me(), said(r), asyncio_error_detail());
    EXPECT_INT(asyncio_condition_release(&condition), 0);
    return r;
}

static int cancelled_with_noise(void *arg)
{
    int r = asyncio_sleep(1);

    (void)arg;
    trace("%s: %s, %s", me(), said(r), asyncio_error_detail());
    return r;
}

static int condition_message(void *arg)
{
    struct asyncio_future *a, *b;

    (void)arg;
    a = spawn(wait_and_tell_why, NULL, "A");
    b = spawn(cancelled_with_noise, NULL, "B");
    turns(1);
    EXPECT_INT(asyncio_condition_acquire(&condition), 0);
    EXPECT_INT(asyncio_future_cancel_with(a, "enough"), 1);
    turns(2);
    EXPECT_INT(asyncio_future_cancel_with(b, "noise"), 1);
    turns(2);
    EXPECT_INT(asyncio_condition_release(&condition), 0);
    everybody();

    a = spawn(wait_and_tell_why, NULL, "C");
    turns(1);
    EXPECT_INT(asyncio_condition_acquire(&condition), 0);
    EXPECT_INT(asyncio_future_cancel_with(a, "first"), 1);
    turns(2);
    EXPECT_INT(asyncio_future_cancel_with(a, "second"), 1);
    turns(2);
    EXPECT_INT(asyncio_condition_release(&condition), 0);
    everybody();
    return 0;
}

TEST(condition_cancel_message, "CV-02 #5: the reason of the cancel survives the wait for the lock; of two cancels the"
                               " last one counts")
{
    EXPECT_INT(play(condition_message), 0);
    EXPECT_TRACE("[0.000] B: -ECANCELED, noise\n"
                 "[0.000] A: -ECANCELED, enough\n"
                 "[0.000] C: -ECANCELED, second\n");
}

static int wait_condition_in_wait_for(void *arg)
{
    (void)arg;
    return asyncio_condition_wait(&condition);
}

static int condition_timeout(void *arg)
{
    struct asyncio_timeout timeout;

    (void)arg;
    EXPECT_INT(asyncio_condition_acquire(&condition), 0);
    EXPECT_INT(asyncio_wait_for(wait_condition_in_wait_for, NULL, 1), -ETIMEDOUT);
    EXPECT(asyncio_condition_locked(&condition));
    EXPECT_INT(asyncio_timeout_enter(&timeout, 1), 0);
    EXPECT_INT(asyncio_timeout_exit(&timeout, asyncio_condition_wait(&condition)), -ETIMEDOUT);
    EXPECT_INT(asyncio_condition_release(&condition), 0);
    trace("done");
    return 0;
}

TEST(condition_timeout, "CV-02 #8: after a time-out around the wait the lock is held and can be released")
{
    EXPECT_INT(run(condition_timeout, NULL), 0);
    EXPECT_TRACE("[2.000] done\n");
}

static int condition_notify_cancelled_head(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    a = spawn(wait_condition, number(0), "A");
    spawn(wait_condition, number(0), "B");
    turns(1);
    EXPECT_INT(asyncio_condition_acquire(&condition), 0);
    cancel(a);
    EXPECT_INT(asyncio_condition_notify(&condition, 1), 0);
    EXPECT_INT(asyncio_condition_release(&condition), 0);
    everybody();
    return 0;
}

TEST(condition_notify_meets_cancelled_head, "CV-02 #13: the head is cancelled and has not resumed; notify wakes the "
                                            "one behind it")
{
    EXPECT_INT(play(condition_notify_cancelled_head), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] B: 0\n");
}

static int countdown;

static int counted_down(void *arg)
{
    EXPECT(asyncio_condition_locked(&condition));
    trace("%s looks: %d", me(), countdown);
    return countdown == 0 ? number_of(arg) : 0;
}

static int wait_for_countdown(void *arg)
{
    int r = asyncio_condition_acquire(&condition);

    if (r < 0)
        return r;
    r = asyncio_condition_wait_for(&condition, counted_down, arg);
    trace("%s: %s", me(), said(r));
    EXPECT_INT(asyncio_condition_release(&condition), 0);
    return 0;
}

static int condition_predicate(void *arg)
{
    (void)arg;
    countdown = 2;
    spawn(wait_for_countdown, number(7), "A");
    spawn(wait_for_countdown, number(-EIO), "B");
    turns(1);
    while (countdown > 0) {
        countdown--;
        EXPECT_INT(notify_all(), 0);
        turns(4);
    }
    everybody();
    return 0;
}

TEST(condition_wait_for, "CV-03: the predicate is asked first and after each wake-up, under the lock; what it gave "
                         "last is returned")
{
    EXPECT_INT(play(condition_predicate), 0);
    EXPECT_TRACE("[0.000] A looks: 2\n"
                 "[0.000] B looks: 2\n"
                 "[0.000] A looks: 1\n"
                 "[0.000] B looks: 1\n"
                 "[0.000] A looks: 0\n"
                 "[0.000] A: 7\n"
                 "[0.000] B looks: 0\n"
                 "[0.000] B: -EIO\n");
}

static int give_arg(void *arg)
{
    return number_of(arg);
}

static int condition_predicate_at_once(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_condition_wait_for(&condition, give_arg, number(3)), 3);
    EXPECT_INT(asyncio_condition_wait_for(&condition, give_arg, number(-EIO)), -EIO);
    EXPECT_INT(asyncio_condition_acquire(&condition), 0);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_condition_wait_for(&condition, always_false, NULL), -ECANCELED);
    return asyncio_condition_release(&condition);
}

TEST(condition_wait_for_at_once, "CV-03: what is true at once does not wait; what is not meets a pending cancel, lock"
                                 " held")
{
    EXPECT_INT(run(condition_predicate_at_once, NULL), 0);
}

TEST(condition_misuse, "CV-01: no condition is -EINVAL, no task -ENOTASK")
{
    EXPECT_INT(asyncio_condition_acquire(NULL), -EINVAL);
    EXPECT_INT(asyncio_condition_release(NULL), -EINVAL);
    EXPECT_INT(asyncio_condition_wait(NULL), -EINVAL);
    EXPECT_INT(asyncio_condition_wait_for(NULL, always_false, NULL), -EINVAL);
    EXPECT_INT(asyncio_condition_wait_for(&condition, NULL, NULL), -EINVAL);
    EXPECT_INT(asyncio_condition_notify(NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_condition_notify_all(NULL), -EINVAL);
    EXPECT(!asyncio_condition_locked(NULL));
    asyncio_condition_init(NULL, NULL);
    asyncio_condition_fini(NULL);
    EXPECT_INT(asyncio_condition_wait(&condition), -ASYNCIO_ENOTASK);
    EXPECT_INT(asyncio_condition_wait_for(&condition, always_false, NULL), -ASYNCIO_ENOTASK);
    EXPECT_INT(asyncio_condition_acquire(&condition), -ASYNCIO_ENOTASK);
}

static int park_on_condition(void *arg)
{
    (void)arg;
    spawn(wait_condition, number(0), "A");
    turns(1);
    return 0;
}

static int use_condition_elsewhere(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_condition_acquire(&condition), 0);
    EXPECT_INT(asyncio_condition_wait(&condition), -ASYNCIO_EFOREIGNLOOP);
    EXPECT(asyncio_condition_locked(&condition));
    EXPECT_INT(asyncio_condition_notify(&condition, 1), -ASYNCIO_EFOREIGNLOOP);
    return asyncio_condition_release(&condition);
}

static int notify_and_finish(void *arg)
{
    (void)arg;
    EXPECT_INT(notify(1), 0);
    everybody();
    return 0;
}

TEST_NO_SWEEP(condition_foreign_loop, "CV-01: bound to the loop of those who wait, even while its lock is free",
              "a run that fails leaves a suspended task to nobody")
{
    struct asyncio_loop *one = NULL, *two = NULL;

    EXPECT_INT(new_loop(&one), 0);
    EXPECT_INT(new_loop(&two), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(one, park_on_condition, NULL), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(two, use_condition_elsewhere, NULL), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(one, notify_and_finish, NULL), 0);
    EXPECT_TRACE("[0.000] A: 0\n");
    dismiss_crew();
    close_loop(one);
    close_loop(two);
}

/* Takes tokens that are announced one by one; a lost notification leaves a token lying there for ever. */
static int tokens, taken;

static int hardened_consumer(void *arg)
{
    (void)arg;
    while (taken < 300) {
        if (asyncio_condition_acquire(&condition) < 0)
            continue;
        EXPECT_INT(++owners, 1);
        owners--;
        while (tokens == 0 && taken < 300) {
            int r = asyncio_condition_wait(&condition);

            EXPECT(asyncio_condition_locked(&condition));
            EXPECT_INT(++owners, 1);
            owners--;
            if (r < 0)
                break;
        }
        if (tokens > 0) {
            tokens--;
            taken++;
            if (taken == 300)
                EXPECT_INT(asyncio_condition_notify_all(&condition), 0);
        }
        EXPECT_INT(asyncio_condition_release(&condition), 0);
    }
    return 0;
}

static int condition_stress(void *arg)
{
    int made = 0;

    (void)arg;
    tokens = taken = 0;
    for (int i = 0; i < 8; i++)
        spawn(hardened_consumer, NULL, "consumer");
    turns(1); /* cancelled before its first step, a task never runs */
    while (made < 300) {
        EXPECT_INT(asyncio_condition_acquire(&condition), 0);
        tokens++;
        made++;
        EXPECT_INT(asyncio_condition_notify(&condition, 1), 0);
        EXPECT_INT(asyncio_condition_release(&condition), 0);
        torment(chance(3));
    }
    everybody();
    EXPECT_INT(taken, 300);
    EXPECT(!asyncio_condition_locked(&condition));
    return 0;
}

TEST_NO_SWEEP(condition_random_cancels, "CV-02 #6 #7 #13: cancels at random moments lose no notification", "too long")
{
    seed_chance(test_seed());
    for (int i = 0; i < 20; i++)
        EXPECT_INT(play(condition_stress), 0);
    asyncio_condition_fini(&condition);
}

static int describe_condition(void *arg)
{
    (void)arg;
    condition.name = "not empty";
    spawn(wait_condition, number(0), "A");
    turns(1);
    EXPECT(dump_says("condition 'not empty'"));
    EXPECT_INT(notify(1), 0);
    return everybody();
}

TEST(condition_in_dumps, "CV-01: a dump says which condition a task waits for")
{
    EXPECT_INT(play(describe_condition), true);
    EXPECT_TRACE("[0.000] A: 0\n");
}

#ifndef NDEBUG
static int fini_condition_early(void *arg)
{
    (void)arg;
    spawn(wait_condition, number(0), "A");
    turns(1);
    if (arg)
        EXPECT_INT(notify_all(), 0);
    asyncio_condition_fini(&condition);
    return 0;
}

TEST_DIES(condition_fini_with_waiters, SIGABRT, "asyncio_condition_fini")
{
    ASYNCIO_IGNORE(run(fini_condition_early, NULL));
}

TEST_DIES(condition_fini_after_notify, SIGABRT, "asyncio_condition_fini")
{
    ASYNCIO_IGNORE(run(fini_condition_early, &condition));
}
#endif
