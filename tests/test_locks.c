/* test_locks.c -- Lock and Event. Conditions, semaphores and barriers have files of their own.
 *
 * What is waited for is static, as each test has a process of its own: no task outlives the frame it lies in. */
#include "crew.h"

static struct asyncio_lock lock;
static struct asyncio_event event;
static int owners;

/* ------------------------------------------------------------------------------------------------------------ Lock */

/* Takes the lock, keeps it for that many turns and gives it back. */
static int take_lock(void *arg)
{
    int r = asyncio_lock_acquire(&lock);

    trace("%s: %s", me(), said(r));
    if (r < 0)
        return r;
    EXPECT_INT(++owners, 1);
    turns(number_of(arg));
    owners--;
    return asyncio_lock_release(&lock);
}

static int lock_basics(void *arg)
{
    struct asyncio_lock made = ASYNCIO_LOCK_INIT;

    (void)arg;
    EXPECT(!asyncio_lock_locked(&lock));
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    EXPECT(asyncio_lock_locked(&lock));
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    EXPECT(!asyncio_lock_locked(&lock));
    EXPECT_INT(asyncio_lock_release(&lock), -EPERM);
    EXPECT_INT(asyncio_lock_acquire(&made), 0);
    EXPECT_INT(asyncio_lock_release(&made), 0);
    asyncio_lock_init(&made);
    EXPECT_INT(asyncio_lock_acquire(&made), 0);
    EXPECT(!asyncio_lock_locked(&lock));
    EXPECT_INT(asyncio_lock_release(&made), 0);
    asyncio_lock_fini(&made);
    return 0;
}

TEST(lock_acquire_release, "L-01: zeroed memory is a free lock; releasing a free one is an error")
{
    EXPECT_INT(run(lock_basics, NULL), 0);
    asyncio_lock_fini(&lock);
}

static int lock_order(void *arg)
{
    (void)arg;
    spawn(take_lock, number(1), "A");
    spawn(take_lock, number(0), "B");
    spawn(take_lock, number(2), "C");
    spawn(take_lock, number(0), "D");
    everybody();
    EXPECT(!asyncio_lock_locked(&lock));
    return 0;
}

TEST(lock_first_come_first_served, "L-01: the lock goes round in order of arrival, one owner at a time")
{
    EXPECT_INT(play(lock_order), 0);
    EXPECT_TRACE("[0.000] A: 0\n"
                 "[0.000] B: 0\n"
                 "[0.000] C: 0\n"
                 "[0.000] D: 0\n");
}

static int lock_head_only(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    spawn(take_lock, number(5), "A");
    spawn(take_lock, number(0), "B");
    turns(1);
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    turns(3);
    EXPECT_TRACE("[0.000] A: 0\n");
    everybody();
    EXPECT_TRACE("[0.000] B: 0\n");
    return 0;
}

TEST(lock_release_wakes_the_head, "L-01: release wakes the first waiter and no other")
{
    EXPECT_INT(play(lock_head_only), 0);
}

static int release_lock(void *arg)
{
    (void)arg;
    trace("%s releases: %s", me(), said(asyncio_lock_release(&lock)));
    return 0;
}

static void release_lock_soon(void *arg)
{
    (void)arg;
    trace("callback releases: %s", said(asyncio_lock_release(&lock)));
}

static int lock_strangers(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    spawn(take_lock, number(0), "A");
    spawn(release_lock, NULL, "B");
    if (!everybody())
        return -ECANCELED;
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    spawn(take_lock, number(0), "C");
    turns(1);
    EXPECT_INT(asyncio_loop_call_soon(asyncio_get_running_loop(), release_lock_soon, NULL), 0);
    everybody();
    return 0;
}

TEST(lock_not_owned, "L-01: any task and any callback may release")
{
    EXPECT_INT(play(lock_strangers), 0);
    EXPECT_TRACE("[0.000] B releases: 0\n"
                 "[0.000] A: 0\n"
                 "[0.000] callback releases: 0\n"
                 "[0.000] C: 0\n");
}

static int lock_twice(void *arg)
{
    int r;

    (void)arg;
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    r = asyncio_lock_acquire(&lock);
    trace("second: %s", said(r));
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    return r;
}

TEST(lock_not_reentrant, "L-01: whoever takes it twice waits for itself, and is told so when nothing else can happen")
{
    EXPECT_INT(run(lock_twice, NULL), -EDEADLK);
    EXPECT_TRACE("[0.000] second: -ECANCELED\n");
    EXPECT(strstr(captured_log(), "lock held by task #"));
    EXPECT(!asyncio_lock_locked(&lock));
}

static int lock_barging(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    spawn(take_lock, number(0), "0");
    spawn(take_lock, number(0), "1");
    spawn(take_lock, number(0), "2");
    turns(1);
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    trace("me");
    return asyncio_lock_release(&lock);
}

TEST(lock_no_barging, "L-02: release and acquire by one task puts it behind those who wait")
{
    EXPECT_INT(play(lock_barging), 0);
    EXPECT_TRACE("[0.000] 0: 0\n"
                 "[0.000] 1: 0\n"
                 "[0.000] 2: 0\n"
                 "[0.000] me\n");
}

static int lock_newcomer(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    spawn(take_lock, number(0), "waiter");
    turns(1);
    /* The newcomer runs before the waiter that is woken after it was made ready. */
    spawn(take_lock, number(0), "newcomer");
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    EXPECT(!asyncio_lock_locked(&lock));
    EXPECT_INT(asyncio_lock_release(&lock), -EPERM);
    everybody();
    return 0;
}

TEST(lock_hand_over, "L-02: in the moment of hand-over the lock is not locked, yet a newcomer queues")
{
    EXPECT_INT(play(lock_newcomer), 0);
    EXPECT_TRACE("[0.000] waiter: 0\n"
                 "[0.000] newcomer: 0\n");
}

static int lock_cancel_waiting(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    a = spawn(take_lock, number(0), "A");
    spawn(take_lock, number(0), "B");
    turns(1);
    cancel(a);
    turns(1);
    EXPECT(asyncio_lock_locked(&lock));
    trace("release");
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    everybody();
    return 0;
}

TEST(park_lock_not_complete, "L-03: a cancelled waiter leaves, the others are not touched")
{
    EXPECT_INT(play(lock_cancel_waiting), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] release\n"
                 "[0.000] B: 0\n");
}

static int lock_cancel_woken(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    a = spawn(take_lock, number(0), "A");
    spawn(take_lock, number(0), "B");
    turns(1);
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    cancel(a);
    everybody();
    EXPECT_PTR(lock.loop, NULL);
    return 0;
}

TEST(park_lock_complete, "L-03 #1: who is cancelled after it was woken and before it ran passes the lock on")
{
    EXPECT_INT(play(lock_cancel_woken), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] B: 0\n");
}

static int lock_cancel_woken_alone(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    a = spawn(take_lock, number(0), "A");
    turns(1);
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    cancel(a);
    EXPECT(lock.loop);
    turns(1);
    EXPECT_PTR(lock.loop, NULL);
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    return asyncio_lock_release(&lock);
}

TEST(park_lock_complete_alone, "L-03: without a next waiter the lock is free again and belongs to no loop")
{
    EXPECT_INT(play(lock_cancel_woken_alone), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n");
}

static int lock_cancel_chain(void *arg)
{
    struct asyncio_future *a, *b, *c;

    (void)arg;
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    a = spawn(take_lock, number(0), "A");
    b = spawn(take_lock, number(0), "B");
    c = spawn(take_lock, number(0), "C");
    spawn(take_lock, number(0), "D");
    turns(1);
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    cancel(a);
    turns(1);
    cancel(b); /* woken by what A gave back */
    cancel(c); /* still waiting */
    everybody();
    return 0;
}

TEST(lock_cancel_chain, "L-03 #1: each cancelled one passes it on to the next")
{
    EXPECT_INT(play(lock_cancel_chain), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] B: -ECANCELED\n"
                 "[0.000] C: -ECANCELED\n"
                 "[0.000] D: 0\n");
}

static int lock_cancel_release(void *arg)
{
    struct asyncio_future *b;

    (void)arg;
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    spawn(take_lock, number(3), "A");
    b = spawn(take_lock, number(3), "B");
    spawn(take_lock, number(3), "C");
    turns(1);
    cancel(b);
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    spawn(take_lock, number(3), "D");
    everybody();
    return 0;
}

TEST(lock_cancel_release_race, "L-03 #2: cancelling one waiter while another is being woken admits one owner only")
{
    EXPECT_INT(play(lock_cancel_release), 0);
    EXPECT_TRACE("[0.000] B: -ECANCELED\n"
                 "[0.000] A: 0\n"
                 "[0.000] C: 0\n"
                 "[0.000] D: 0\n");
}

static int lock_release_after_cancel(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    a = spawn(take_lock, number(0), "A");
    spawn(take_lock, number(0), "B");
    turns(1);
    cancel(a);
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    everybody();
    return 0;
}

TEST(lock_release_meets_cancelled_head, "L-03 #13: the head is cancelled and has not resumed; release wakes the one "
                                        "behind it")
{
    EXPECT_INT(play(lock_release_after_cancel), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] B: 0\n");
}

static int lock_then_sleep(void *arg)
{
    int r = asyncio_lock_acquire(&lock);

    (void)arg;
    trace("%s has it: %s", me(), said(r));
    if (r < 0)
        return r;
    r = asyncio_sleep(1);
    trace("%s slept: %s", me(), said(r));
    ASYNCIO_IGNORE(asyncio_lock_release(&lock));
    return r;
}

static int lock_finished_waiter(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    a = spawn(lock_then_sleep, NULL, "A");
    spawn(take_lock, number(0), "B");
    turns(1);
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    turns(1);
    cancel(a);
    EXPECT(asyncio_lock_locked(&lock));
    everybody();
    return 0;
}

TEST(lock_finished_waiter_cancelled, "L-03: a cancel that comes when the lock is held meets the next wait")
{
    EXPECT_INT(play(lock_finished_waiter), 0);
    EXPECT_TRACE("[0.000] A has it: 0\n"
                 "[0.000] A slept: -ECANCELED\n"
                 "[0.000] B: 0\n");
}

static int lock_pending_cancel(void *arg)
{
    (void)arg;
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    spawn(take_lock, number(0), "A");
    EXPECT_INT(asyncio_lock_acquire(&lock), -ECANCELED);
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    everybody();
    return 0;
}

TEST(lock_cancel_pending_on_entry, "L-01: a free lock is taken without looking for a cancel; a wait meets it")
{
    EXPECT_INT(play(lock_pending_cancel), 0);
    EXPECT_TRACE("[0.000] A: 0\n");
}

static int lock_timeout(void *arg)
{
    struct asyncio_timeout timeout;

    (void)arg;
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    EXPECT_INT(asyncio_timeout_enter(&timeout, 2.5), 0);
    EXPECT_INT(asyncio_timeout_exit(&timeout, asyncio_lock_acquire(&lock)), -ETIMEDOUT);
    trace("timed out");
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    EXPECT_PTR(lock.loop, NULL);
    return 0;
}

TEST(lock_timeout, "L-03: a wait for a lock can time out")
{
    EXPECT_INT(run(lock_timeout, NULL), 0);
    EXPECT_TRACE("[2.500] timed out\n");
}

static int in_scope(int how)
{
    int r = 1;

    ASYNCIO_WITH(lock, &lock, r) {
        EXPECT(asyncio_lock_locked(&lock));
        if (how == 0)
            return 10;
        if (how == 1)
            break;
        if (how == 2)
            goto out;
    }
    return r;
out:
    return 12;
}

static int lock_scopes(void *arg)
{
    (void)arg;
    for (int how = 0; how < 4; how++) {
        static const int results[] = {10, 0, 12, 0};

        EXPECT_INT(in_scope(how), results[how]);
        EXPECT(!asyncio_lock_locked(&lock));
    }
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    cancel(asyncio_current_task());
    EXPECT_INT(in_scope(0), -ECANCELED);
    EXPECT(asyncio_lock_locked(&lock));
    return asyncio_lock_release(&lock);
}

TEST(lock_scope, "L-01: the scope form releases however it is left, and skips the block when cancelled")
{
    EXPECT_INT(run(lock_scopes, NULL), 0);
}

static void acquire_in_callback(void *arg)
{
    (void)arg;
    trace("%s", said(asyncio_lock_acquire(&lock)));
}

static int lock_misuse(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_lock_acquire(NULL), -EINVAL);
    EXPECT_INT(asyncio_lock_release(NULL), -EINVAL);
    EXPECT(!asyncio_lock_locked(NULL));
    asyncio_lock_init(NULL);
    asyncio_lock_fini(NULL);
    EXPECT_INT(asyncio_loop_call_soon(asyncio_get_running_loop(), acquire_in_callback, NULL), 0);
    turns(2);
    return 0;
}

TEST(lock_misuse, "L-01: no lock is -EINVAL, no task -ENOTASK")
{
    EXPECT_INT(asyncio_lock_acquire(&lock), -ASYNCIO_ENOTASK);
    EXPECT_INT(asyncio_lock_release(&lock), -EPERM);
    EXPECT_INT(run(lock_misuse, NULL), 0);
    EXPECT_TRACE("[0.000] -ASYNCIO_ENOTASK\n");
}

static int acquire_lock(void *arg)
{
    (void)arg;
    return asyncio_lock_acquire(&lock);
}

static int try_release_lock(void *arg)
{
    (void)arg;
    return asyncio_lock_release(&lock);
}

TEST_NO_SWEEP(lock_foreign_loop, "L-01: bound to its loop while held, to none when idle",
              "a run that fails leaves a suspended task to nobody")
{
    struct asyncio_loop *one = NULL, *two = NULL;

    EXPECT_INT(new_loop(&one), 0);
    EXPECT_INT(new_loop(&two), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(one, acquire_lock, NULL), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(two, acquire_lock, NULL), -ASYNCIO_EFOREIGNLOOP);
    EXPECT_INT(asyncio_loop_run_until_complete(two, try_release_lock, NULL), -ASYNCIO_EFOREIGNLOOP);
    EXPECT(asyncio_lock_locked(&lock));
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(two, acquire_lock, NULL), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(two, try_release_lock, NULL), 0);
    EXPECT_PTR(lock.loop, NULL);
    close_loop(one);
    close_loop(two);
}

static int park_on_lock(void *arg)
{
    (void)arg;
    spawn(take_lock, number(0), "A");
    turns(1);
    return 0;
}

TEST_NO_SWEEP(lock_released_between_runs, "L-01: a release while no loop runs wakes the waiter in the next run",
              "a run that fails leaves a suspended task to nobody")
{
    struct asyncio_loop *loop = NULL;

    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, acquire_lock, NULL), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, park_on_lock, NULL), 0);
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, finish_crew, NULL), 0);
    EXPECT_TRACE("[0.000] A: 0\n");
    dismiss_crew();
    close_loop(loop);
}

static int lock_memory(void *arg)
{
    int64_t before;

    (void)arg;
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    spawn(take_lock, number(1), "A");
    spawn(take_lock, number(1), "B");
    turns(1);
    before = asyncio_allocations();
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    EXPECT_INT(asyncio_allocations() - before, 0);
    everybody();
    return 0;
}

TEST(lock_allocates_nothing, "L-01: waiting and waking need no memory")
{
    EXPECT_INT(play(lock_memory), 0);
    trace_clear();
}

static int lock_describe(void *arg)
{
    (void)arg;
    lock.name = "db";
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    spawn(take_lock, number(0), "A");
    spawn(take_lock, number(0), "B");
    turns(1);
    EXPECT(dump_says("lock 'db' held by task #"));
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    EXPECT(dump_says("lock 'db' being handed over"));
    return everybody();
}

TEST(lock_in_dumps, "L-01: a dump says which lock a task waits for and who holds it")
{
    EXPECT_INT(play(lock_describe), true);
    EXPECT_TRACE("[0.000] A: 0\n"
                 "[0.000] B: 0\n");
}

static int hardened_locker(void *arg)
{
    for (int i = 0; i < number_of(arg); i++) {
        if (asyncio_lock_acquire(&lock) < 0)
            continue;
        EXPECT_INT(++owners, 1);
        turns(chance(3));
        owners--;
        EXPECT_INT(asyncio_lock_release(&lock), 0);
        if (chance(2))
            turns(1);
    }
    return 0;
}

static int lock_stress(void *arg)
{
    (void)arg;
    for (int i = 0; i < 12; i++)
        spawn(hardened_locker, number(40), "locker");
    turns(1); /* cancelled before its first step, a task never runs */
    torment(300);
    everybody();
    EXPECT_INT(owners, 0);
    EXPECT(!asyncio_lock_locked(&lock));
    EXPECT_PTR(lock.loop, NULL);
    return 0;
}

TEST_NO_SWEEP(lock_random_cancels, "L-03 #1 #2 #13: cancels at random moments lose no wake-up and admit one owner",
              "too long")
{
    seed_chance(test_seed());
    for (int i = 0; i < 20; i++)
        EXPECT_INT(play(lock_stress), 0);
    asyncio_lock_fini(&lock);
}

#ifndef NDEBUG
static int fini_lock_early(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    spawn(take_lock, number(0), "A");
    turns(1);
    if (arg)
        EXPECT_INT(asyncio_lock_release(&lock), 0);
    asyncio_lock_fini(&lock);
    return 0;
}

TEST_DIES(lock_fini_with_waiters, SIGABRT, "asyncio_lock_fini")
{
    ASYNCIO_IGNORE(run(fini_lock_early, NULL));
}

TEST_DIES(lock_fini_in_hand_over, SIGABRT, "asyncio_lock_fini")
{
    ASYNCIO_IGNORE(run(fini_lock_early, &lock));
}
#endif

/* ----------------------------------------------------------------------------------------------------------- Event */

static int wait_event(void *arg)
{
    int r = asyncio_event_wait(&event);

    (void)arg;
    trace("%s: %s", me(), said(r));
    return r;
}

static int event_basics(void *arg)
{
    (void)arg;
    EXPECT(!asyncio_event_is_set(&event));
    spawn(wait_event, NULL, "A");
    spawn(wait_event, NULL, "B");
    turns(2);
    trace("set");
    asyncio_event_set(&event);
    EXPECT(asyncio_event_is_set(&event));
    EXPECT_PTR(event.loop, NULL);
    everybody();
    asyncio_event_set(&event);
    spawn(wait_event, NULL, "C");
    everybody();
    asyncio_event_clear(&event);
    EXPECT(!asyncio_event_is_set(&event));
    spawn(wait_event, NULL, "D");
    turns(2);
    trace("set");
    asyncio_event_set(&event);
    everybody();
    return 0;
}

TEST(event_set_and_clear, "E-01: set wakes all who wait, in order; a set event is not waited for; set twice is set "
                          "once")
{
    EXPECT_INT(play(event_basics), 0);
    EXPECT_TRACE("[0.000] set\n"
                 "[0.000] A: 0\n"
                 "[0.000] B: 0\n"
                 "[0.000] C: 0\n"
                 "[0.000] set\n"
                 "[0.000] D: 0\n");
    asyncio_event_fini(&event);
}

static int event_on_set(void *arg)
{
    (void)arg;
    asyncio_event_init(&event);
    asyncio_event_set(&event);
    spawn(wait_event, NULL, "A");
    EXPECT_INT(asyncio_event_wait(&event), 0);
    trace("main did not yield");
    everybody();
    return 0;
}

TEST(event_wait_on_set, "E-01: waiting for a set event does not yield")
{
    EXPECT_INT(play(event_on_set), 0);
    EXPECT_TRACE("[0.000] main did not yield\n"
                 "[0.000] A: 0\n");
}

static int event_pulse(void *arg)
{
    (void)arg;
    spawn(wait_event, NULL, "A");
    spawn(wait_event, NULL, "B");
    turns(1);
    asyncio_event_set(&event);
    asyncio_event_clear(&event);
    spawn(wait_event, NULL, "C");
    turns(3);
    trace("again");
    asyncio_event_set(&event);
    everybody();
    return 0;
}

TEST(event_pulse, "E-01: set and clear in one step wakes everyone who waited, and nobody who comes later")
{
    EXPECT_INT(play(event_pulse), 0);
    EXPECT_TRACE("[0.000] A: 0\n"
                 "[0.000] B: 0\n"
                 "[0.000] again\n"
                 "[0.000] C: 0\n");
}

static int event_clear_waiters(void *arg)
{
    (void)arg;
    spawn(wait_event, NULL, "A");
    turns(1);
    asyncio_event_clear(&event);
    turns(2);
    trace("set");
    asyncio_event_set(&event);
    everybody();
    return 0;
}

TEST(event_clear_with_waiters, "E-01: clear leaves the waiters waiting")
{
    EXPECT_INT(play(event_clear_waiters), 0);
    EXPECT_TRACE("[0.000] set\n"
                 "[0.000] A: 0\n");
}

static int event_cancel(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    a = spawn(wait_event, NULL, "A");
    spawn(wait_event, NULL, "B");
    turns(1);
    cancel(a);
    turns(1);
    trace("set");
    asyncio_event_set(&event);
    everybody();
    return 0;
}

TEST(park_event_not_complete, "E-01: a cancelled waiter leaves")
{
    EXPECT_INT(play(event_cancel), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] set\n"
                 "[0.000] B: 0\n");
}

static int event_cancel_last(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    a = spawn(wait_event, NULL, "A");
    turns(1);
    EXPECT(event.loop);
    cancel(a);
    EXPECT_PTR(event.loop, NULL);
    everybody();
    return 0;
}

TEST(event_unbound_by_cancel, "E-01: the last waiter that is cancelled leaves the event to no loop")
{
    EXPECT_INT(play(event_cancel_last), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n");
}

static int event_cancel_late(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    a = spawn(wait_event, NULL, "A");
    spawn(wait_event, NULL, "B");
    turns(1);
    asyncio_event_set(&event);
    cancel(a);
    everybody();
    EXPECT(asyncio_event_is_set(&event));
    return 0;
}

TEST(park_event_complete, "E-01: a cancel between set and resumption is delivered; there is nothing to give back")
{
    EXPECT_INT(play(event_cancel_late), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] B: 0\n");
}

static int wait_short_lived(void *arg)
{
    int r = asyncio_event_wait(arg);

    trace("%s: %s", me(), said(r));
    return r;
}

static int event_gone(void *arg)
{
    struct asyncio_event *short_lived = calloc(1, sizeof *short_lived);
    struct asyncio_event rubble = {.loop = (struct asyncio_loop *)&rubble};
    struct asyncio_future *b;

    (void)arg;
    spawn(wait_short_lived, short_lived, "A");
    b = spawn(wait_short_lived, short_lived, "B");
    turns(1);
    asyncio_event_set(short_lived);
    cancel(b);
    asyncio_event_fini(short_lived);
    *short_lived = rubble;
    everybody();
    EXPECT_PTR(short_lived->loop, rubble.loop);
    free(short_lived);
    return 0;
}

TEST(event_may_go_after_set, "E-01: whoever was woken does not touch the event again")
{
    EXPECT_INT(play(event_gone), 0);
    EXPECT_TRACE("[0.000] A: 0\n"
                 "[0.000] B: -ECANCELED\n");
}

static int event_timeout(void *arg)
{
    struct asyncio_timeout timeout;

    (void)arg;
    EXPECT_INT(asyncio_timeout_enter(&timeout, 1), 0);
    EXPECT_INT(asyncio_timeout_exit(&timeout, asyncio_event_wait(&event)), -ETIMEDOUT);
    trace("timed out");
    return 0;
}

TEST(event_timeout, "E-01: a wait for an event can time out")
{
    EXPECT_INT(run(event_timeout, NULL), 0);
    EXPECT_TRACE("[1.000] timed out\n");
}

static void set_event(void *arg)
{
    (void)arg;
    asyncio_event_set(&event);
}

static int event_from_callback(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_loop_call_later(asyncio_get_running_loop(), 3, set_event, NULL), 0);
    EXPECT_INT(asyncio_event_wait(&event), 0);
    trace("set");
    return 0;
}

TEST(event_set_by_callback, "E-01: a callback may set an event")
{
    EXPECT_INT(run(event_from_callback, NULL), 0);
    EXPECT_TRACE("[3.000] set\n");
}

TEST(event_misuse, "E-01: no event is -EINVAL, no task -ENOTASK")
{
    EXPECT_INT(asyncio_event_wait(NULL), -EINVAL);
    EXPECT_INT(asyncio_event_wait(&event), -ASYNCIO_ENOTASK);
    EXPECT(!asyncio_event_is_set(NULL));
    asyncio_event_init(NULL);
    asyncio_event_set(NULL);
    asyncio_event_clear(NULL);
    asyncio_event_fini(NULL);
}

static int park_on_event(void *arg)
{
    (void)arg;
    spawn(wait_event, NULL, "A");
    turns(1);
    return 0;
}

static int wait_for_event(void *arg)
{
    (void)arg;
    return asyncio_event_wait(&event);
}

TEST_NO_SWEEP(event_foreign_loop, "E-01: bound to a loop while somebody waits",
              "a run that fails leaves a suspended task to nobody")
{
    struct asyncio_loop *one = NULL, *two = NULL;

    EXPECT_INT(new_loop(&one), 0);
    EXPECT_INT(new_loop(&two), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(one, park_on_event, NULL), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(two, wait_for_event, NULL), -ASYNCIO_EFOREIGNLOOP);
    asyncio_event_set(&event);
    EXPECT_INT(asyncio_loop_run_until_complete(two, wait_for_event, NULL), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(one, finish_crew, NULL), 0);
    EXPECT_TRACE("[0.000] A: 0\n");
    dismiss_crew();
    close_loop(one);
    close_loop(two);
}

#ifndef NDEBUG
static int fini_event_early(void *arg)
{
    (void)arg;
    spawn(wait_event, NULL, "A");
    turns(1);
    asyncio_event_fini(&event);
    return 0;
}

TEST_DIES(event_fini_with_waiters, SIGABRT, "asyncio_event_fini")
{
    ASYNCIO_IGNORE(run(fini_event_early, NULL));
}

static int set_event_elsewhere(void *arg)
{
    (void)arg;
    asyncio_event_set(&event);
    return 0;
}

TEST_DIES(event_set_from_foreign_loop, SIGABRT, "asyncio_event_set")
{
    struct asyncio_loop *one = NULL, *two = NULL;

    EXPECT_INT(new_loop(&one), 0);
    EXPECT_INT(new_loop(&two), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(one, park_on_event, NULL), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(two, set_event_elsewhere, NULL), 0);
}
#endif
