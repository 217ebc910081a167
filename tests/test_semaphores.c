/* test_semaphores.c -- Semaphore and BoundedSemaphore.
 *
 * What is waited for is static, as each test has a process of its own: no task outlives the frame it lies in. */
#include "crew.h"

static struct asyncio_semaphore semaphore;

/* Takes a unit, keeps it for that many turns (for ever when negative). */
static int take_unit(void *arg)
{
    int r = asyncio_semaphore_acquire(&semaphore);

    trace("%s: %s", me(), said(r));
    if (r < 0 || number_of(arg) < 0)
        return r;
    turns(number_of(arg));
    return asyncio_semaphore_release(&semaphore);
}

#define KEEP (-1)

static int semaphore_basics(void *arg)
{
    struct asyncio_semaphore made = ASYNCIO_SEMAPHORE_INIT(2);

    (void)arg;
    EXPECT(!asyncio_semaphore_locked(&made));
    EXPECT_INT(asyncio_semaphore_acquire(&made), 0);
    EXPECT(!asyncio_semaphore_locked(&made));
    EXPECT_INT(asyncio_semaphore_acquire(&made), 0);
    EXPECT(asyncio_semaphore_locked(&made));
    for (int i = 0; i < 5; i++)
        EXPECT_INT(asyncio_semaphore_release(&made), 0);
    EXPECT_INT(made.value, 5);
    EXPECT_PTR(made.loop, NULL);
    asyncio_semaphore_fini(&made);
    EXPECT_INT(asyncio_semaphore_init(&made, 0), 0);
    EXPECT(asyncio_semaphore_locked(&made));
    EXPECT_INT(asyncio_semaphore_init(&made, -1), -EINVAL);
    EXPECT_INT(asyncio_bounded_semaphore_init(&made, -1), -EINVAL);
    asyncio_semaphore_fini(&made);
    return 0;
}

TEST(semaphore_value, "SM-01 SM-02: units are counted; release may go beyond the start; less than none is an error")
{
    EXPECT_INT(run(semaphore_basics, NULL), 0);
}

static int semaphore_order(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_semaphore_init(&semaphore, 2), 0);
    spawn(take_unit, number(3), "A");
    spawn(take_unit, number(1), "B");
    spawn(take_unit, number(0), "C");
    spawn(take_unit, number(0), "D");
    spawn(take_unit, number(0), "E");
    everybody();
    EXPECT_INT(semaphore.value, 2);
    EXPECT_PTR(semaphore.loop, NULL);
    return 0;
}

TEST(semaphore_first_come_first_served, "SM-01: in order of arrival, as many as there are units")
{
    EXPECT_INT(play(semaphore_order), 0);
    EXPECT_TRACE("[0.000] A: 0\n"
                 "[0.000] B: 0\n"
                 "[0.000] C: 0\n"
                 "[0.000] D: 0\n"
                 "[0.000] E: 0\n");
    asyncio_semaphore_fini(&semaphore);
}

static int semaphore_barging(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_semaphore_init(&semaphore, 0), 0);
    spawn(take_unit, number(KEEP), "0");
    spawn(take_unit, number(KEEP), "1");
    turns(1);
    spawn(take_unit, number(KEEP), "newcomer");
    for (int i = 0; i < 4; i++)
        EXPECT_INT(asyncio_semaphore_release(&semaphore), 0);
    EXPECT_INT(semaphore.value, 2);
    EXPECT(asyncio_semaphore_locked(&semaphore));
    EXPECT_INT(asyncio_semaphore_acquire(&semaphore), 0);
    trace("me");
    everybody();
    EXPECT_INT(semaphore.value, 0);
    return 0;
}

TEST(semaphore_no_barging, "SM-01 SM-02 #3: units that are left do not let newcomers pass those who were woken")
{
    EXPECT_INT(play(semaphore_barging), 0);
    EXPECT_TRACE("[0.000] 0: 0\n"
                 "[0.000] 1: 0\n"
                 "[0.000] me\n"
                 "[0.000] newcomer: 0\n");
}

static int semaphore_cancel(void *arg)
{
    struct asyncio_future *a, *b;

    (void)arg;
    EXPECT_INT(asyncio_semaphore_init(&semaphore, 0), 0);
    a = spawn(take_unit, number(KEEP), "A");
    b = spawn(take_unit, number(KEEP), "B");
    spawn(take_unit, number(KEEP), "C");
    turns(1);
    cancel(a);
    cancel(b);
    EXPECT_INT(asyncio_semaphore_release(&semaphore), 0);
    everybody();
    EXPECT_INT(semaphore.value, 0);
    EXPECT_PTR(semaphore.loop, NULL);
    return 0;
}

TEST(park_semaphore_not_complete, "SM-01 #3 #13: waiters that were cancelled and have not resumed are passed over")
{
    EXPECT_INT(play(semaphore_cancel), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] B: -ECANCELED\n"
                 "[0.000] C: 0\n");
}

static int semaphore_cancel_only(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    EXPECT_INT(asyncio_semaphore_init(&semaphore, 0), 0);
    a = spawn(take_unit, number(KEEP), "A");
    turns(1);
    EXPECT(semaphore.loop);
    cancel(a);
    EXPECT_PTR(semaphore.loop, NULL);
    EXPECT(asyncio_semaphore_locked(&semaphore));
    everybody();
    EXPECT_INT(asyncio_semaphore_release(&semaphore), 0);
    EXPECT(!asyncio_semaphore_locked(&semaphore));
    return 0;
}

TEST(semaphore_cancel_last_waiter, "SM-01: no waiter is left, and no unit was lost")
{
    EXPECT_INT(play(semaphore_cancel_only), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n");
}

static int semaphore_cancel_woken(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    EXPECT_INT(asyncio_semaphore_init(&semaphore, 0), 0);
    a = spawn(take_unit, number(KEEP), "A");
    spawn(take_unit, number(KEEP), "B");
    turns(1);
    EXPECT_INT(asyncio_semaphore_release(&semaphore), 0);
    EXPECT_INT(semaphore.value, 0);
    cancel(a);
    everybody();
    EXPECT_INT(semaphore.value, 0);
    return 0;
}

TEST(park_semaphore_complete, "SM-02 #3 #4: who is cancelled after it was given a unit gives it to the next")
{
    EXPECT_INT(play(semaphore_cancel_woken), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] B: 0\n");
    asyncio_semaphore_fini(&semaphore);
}

static int semaphore_cancel_woken_alone(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    EXPECT_INT(asyncio_semaphore_init(&semaphore, 0), 0);
    a = spawn(take_unit, number(KEEP), "A");
    turns(1);
    EXPECT_INT(asyncio_semaphore_release(&semaphore), 0);
    cancel(a);
    turns(1);
    EXPECT_INT(semaphore.value, 1);
    EXPECT_PTR(semaphore.loop, NULL);
    EXPECT(!asyncio_semaphore_locked(&semaphore));
    return 0;
}

TEST(park_semaphore_complete_alone, "SM-02 #4: without a next waiter the unit is back")
{
    EXPECT_INT(play(semaphore_cancel_woken_alone), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n");
}

static int semaphore_late_arrivals(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_semaphore_init(&semaphore, 0), 0);
    spawn(take_unit, number(KEEP), "A");
    turns(1);
    spawn(take_unit, number(KEEP), "B");
    spawn(take_unit, number(KEEP), "C");
    spawn(take_unit, number(KEEP), "D");
    /* A is woken; the others arrive before it has run and queue, though two units are left. */
    for (int i = 0; i < 3; i++)
        EXPECT_INT(asyncio_semaphore_release(&semaphore), 0);
    turns(1);
    EXPECT_TRACE("[0.000] A: 0\n");
    turns(1);
    EXPECT_TRACE("[0.000] B: 0\n"
                 "[0.000] C: 0\n");
    EXPECT_INT(asyncio_semaphore_release(&semaphore), 0);
    everybody();
    return 0;
}

TEST(semaphore_wakes_as_many_as_it_can, "SM-02 #3: after each acquire as many are woken as there are units")
{
    EXPECT_INT(play(semaphore_late_arrivals), 0);
    EXPECT_TRACE("[0.000] D: 0\n");
}

static int semaphore_cancel_then_late_arrivals(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    EXPECT_INT(asyncio_semaphore_init(&semaphore, 0), 0);
    a = spawn(take_unit, number(KEEP), "A");
    turns(1);
    spawn(take_unit, number(KEEP), "B");
    spawn(take_unit, number(KEEP), "C");
    EXPECT_INT(asyncio_semaphore_release(&semaphore), 0);
    EXPECT_INT(asyncio_semaphore_release(&semaphore), 0);
    cancel(a);
    everybody();
    EXPECT_INT(semaphore.value, 0);
    return 0;
}

TEST(semaphore_acquire_hang, "SM-02 #3: a cancelled acquire, too, wakes as many as there are units")
{
    EXPECT_INT(play(semaphore_cancel_then_late_arrivals), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] B: 0\n"
                 "[0.000] C: 0\n");
}

static int cancel_while_holding(void *arg)
{
    int r;

    ASYNCIO_WITH(semaphore, &semaphore, r) {
        turns(1);
        cancel(*(struct asyncio_future **)arg);
    }
    return r;
}

static int semaphore_no_hang(void *arg)
{
    static struct asyncio_future *b;

    (void)arg;
    EXPECT_INT(asyncio_semaphore_init(&semaphore, 1), 0);
    spawn(cancel_while_holding, &b, "A");
    b = spawn(take_unit, number(0), "B");
    everybody();
    EXPECT_INT(asyncio_semaphore_acquire(&semaphore), 0);
    return asyncio_semaphore_release(&semaphore);
}

TEST(semaphore_acquire_no_hang, "SM-02 #3: the only waiter is cancelled by the holder; the semaphore can be acquired "
                                "again")
{
    EXPECT_INT(play(semaphore_no_hang), 0);
    EXPECT_TRACE("[0.000] B: -ECANCELED\n");
}

static int take_unit_twice(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 2; i++) {
        EXPECT_INT(asyncio_semaphore_acquire(&semaphore), 0);
        trace("%s_%d", me(), i);
        EXPECT_INT(asyncio_sleep(1), 0);
        EXPECT_INT(asyncio_semaphore_release(&semaphore), 0);
    }
    return 0;
}

static int semaphore_rounds(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_semaphore_init(&semaphore, 1), 0);
    spawn(take_unit_twice, NULL, "A");
    spawn(take_unit_twice, NULL, "B");
    spawn(take_unit_twice, NULL, "C");
    everybody();
    return 0;
}

TEST(semaphore_fifo_order, "SM-01 #3: who releases and acquires again goes behind the others")
{
    EXPECT_INT(play(semaphore_rounds), 0);
    EXPECT_TRACE("[0.000] A_1\n"
                 "[1.000] B_1\n"
                 "[2.000] C_1\n"
                 "[3.000] A_2\n"
                 "[4.000] B_2\n"
                 "[5.000] C_2\n");
}

static int semaphore_mixed_cancels(void *arg)
{
    struct asyncio_future *b, *d;

    (void)arg;
    EXPECT_INT(asyncio_semaphore_init(&semaphore, 1), 0);
    EXPECT_INT(asyncio_semaphore_acquire(&semaphore), 0);
    spawn(take_unit, number(KEEP), "A");
    b = spawn(take_unit, number(KEEP), "B");
    spawn(take_unit, number(KEEP), "C");
    d = spawn(take_unit, number(KEEP), "D");
    spawn(take_unit, number(KEEP), "E");
    turns(1);
    EXPECT_INT(asyncio_semaphore_release(&semaphore), 0); /* A */
    EXPECT_INT(asyncio_semaphore_release(&semaphore), 0); /* B, who gives it to C */
    cancel(b);
    cancel(d);
    EXPECT_INT(asyncio_semaphore_release(&semaphore), 0); /* C */
    EXPECT_INT(asyncio_semaphore_release(&semaphore), 0); /* E */
    everybody();
    EXPECT_INT(semaphore.value, 1);
    return 0;
}

TEST(semaphore_fifo_order_mixed, "SM-01 SM-02 #3 #4: order and units survive cancels of woken and of waiting ones")
{
    EXPECT_INT(play(semaphore_mixed_cancels), 0);
    EXPECT_TRACE("[0.000] A: 0\n"
                 "[0.000] B: -ECANCELED\n"
                 "[0.000] D: -ECANCELED\n"
                 "[0.000] C: 0\n"
                 "[0.000] E: 0\n");
}

static int semaphore_bound(void *arg)
{
    static struct asyncio_semaphore made = ASYNCIO_BOUNDED_SEMAPHORE_INIT(1);

    (void)arg;
    EXPECT_INT(asyncio_bounded_semaphore_init(&semaphore, 1), 0);
    EXPECT_INT(asyncio_semaphore_release(&semaphore), -EOVERFLOW);
    EXPECT_INT(asyncio_semaphore_release(&made), -EOVERFLOW);
    EXPECT_INT(asyncio_semaphore_acquire(&semaphore), 0);
    spawn(take_unit, number(0), "A");
    turns(1);
    EXPECT_INT(asyncio_semaphore_release(&semaphore), 0);
    everybody();
    EXPECT_INT(asyncio_semaphore_release(&semaphore), -EOVERFLOW);
    EXPECT_INT(semaphore.value, 1);
    return 0;
}

TEST(semaphore_bounded, "SM-03: a bounded semaphore is not released more often than it was acquired")
{
    EXPECT_INT(play(semaphore_bound), 0);
    EXPECT_TRACE("[0.000] A: 0\n");
}

static int semaphore_pending_cancel(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_semaphore_init(&semaphore, 1), 0);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_semaphore_acquire(&semaphore), 0);
    EXPECT_INT(asyncio_semaphore_acquire(&semaphore), -ECANCELED);
    EXPECT_PTR(semaphore.loop, NULL);
    return asyncio_semaphore_release(&semaphore);
}

TEST(semaphore_cancel_pending_on_entry, "SM-01: a free unit is taken without looking for a cancel; a wait meets it")
{
    EXPECT_INT(run(semaphore_pending_cancel, NULL), 0);
}

TEST(semaphore_misuse, "SM-01: no semaphore is -EINVAL, no task -ENOTASK")
{
    EXPECT_INT(asyncio_semaphore_init(NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_bounded_semaphore_init(NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_semaphore_acquire(NULL), -EINVAL);
    EXPECT_INT(asyncio_semaphore_release(NULL), -EINVAL);
    EXPECT(!asyncio_semaphore_locked(NULL));
    asyncio_semaphore_fini(NULL);
    EXPECT_INT(asyncio_semaphore_init(&semaphore, 1), 0);
    EXPECT_INT(asyncio_semaphore_acquire(&semaphore), -ASYNCIO_ENOTASK);
}

static int park_on_semaphore(void *arg)
{
    (void)arg;
    spawn(take_unit, number(KEEP), "A");
    turns(1);
    return 0;
}

static int use_semaphore_elsewhere(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_semaphore_acquire(&semaphore), -ASYNCIO_EFOREIGNLOOP);
    EXPECT_INT(asyncio_semaphore_release(&semaphore), -ASYNCIO_EFOREIGNLOOP);
    return 0;
}

static int acquire_semaphore(void *arg)
{
    (void)arg;
    return asyncio_semaphore_acquire(&semaphore);
}

TEST_NO_SWEEP(semaphore_foreign_loop, "SM-01: bound to a loop while somebody waits or has been woken",
              "a run that fails leaves a suspended task to nobody")
{
    struct asyncio_loop *one = NULL, *two = NULL;

    EXPECT_INT(asyncio_semaphore_init(&semaphore, 0), 0);
    EXPECT_INT(new_loop(&one), 0);
    EXPECT_INT(new_loop(&two), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(one, park_on_semaphore, NULL), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(two, use_semaphore_elsewhere, NULL), 0);
    EXPECT_INT(asyncio_semaphore_release(&semaphore), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(two, use_semaphore_elsewhere, NULL), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(one, finish_crew, NULL), 0);
    EXPECT_TRACE("[0.000] A: 0\n");
    EXPECT_INT(asyncio_semaphore_release(&semaphore), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(two, acquire_semaphore, NULL), 0);
    dismiss_crew();
    close_loop(one);
    close_loop(two);
}

static int units_out;

static int hardened_worker(void *arg)
{
    for (int i = 0; i < number_of(arg); i++) {
        if (asyncio_semaphore_acquire(&semaphore) < 0)
            continue;
        EXPECT(++units_out <= 3);
        turns(chance(3));
        units_out--;
        EXPECT_INT(asyncio_semaphore_release(&semaphore), 0);
    }
    return 0;
}

static int semaphore_stress(void *arg)
{
    (void)arg;
    for (int i = 0; i < 12; i++)
        spawn(hardened_worker, number(40), "worker");
    turns(1); /* cancelled before its first step, a task never runs */
    torment(200);
    everybody();
    EXPECT_INT(semaphore.value, 3);
    EXPECT_PTR(semaphore.loop, NULL);
    return 0;
}

TEST_NO_SWEEP(semaphore_random_cancels, "SM-02 #3 #4 #13: cancels at random moments lose no unit", "too long")
{
    seed_chance(test_seed());
    EXPECT_INT(asyncio_bounded_semaphore_init(&semaphore, 3), 0);
    for (int i = 0; i < 20; i++)
        EXPECT_INT(play(semaphore_stress), 0);
    asyncio_semaphore_fini(&semaphore);
}

static int describe_semaphore(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_semaphore_init(&semaphore, 0), 0);
    semaphore.name = "slots";
    spawn(take_unit, number(KEEP), "A");
    turns(1);
    EXPECT(dump_says("semaphore 'slots' with 0 free"));
    EXPECT_INT(asyncio_semaphore_release(&semaphore), 0);
    return everybody();
}

TEST(semaphore_in_dumps, "SM-01: a dump says which semaphore a task waits for")
{
    EXPECT_INT(play(describe_semaphore), true);
    EXPECT_TRACE("[0.000] A: 0\n");
}

#ifndef NDEBUG
static int fini_semaphore_early(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_semaphore_init(&semaphore, 0), 0);
    spawn(take_unit, number(KEEP), "A");
    turns(1);
    if (arg)
        EXPECT_INT(asyncio_semaphore_release(&semaphore), 0);
    asyncio_semaphore_fini(&semaphore);
    return 0;
}

TEST_DIES(semaphore_fini_with_waiters, SIGABRT, "asyncio_semaphore_fini")
{
    ASYNCIO_IGNORE(run(fini_semaphore_early, NULL));
}

TEST_DIES(semaphore_fini_with_woken, SIGABRT, "asyncio_semaphore_fini")
{
    ASYNCIO_IGNORE(run(fini_semaphore_early, &semaphore));
}
#endif
