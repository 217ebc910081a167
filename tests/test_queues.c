/* test_queues.c -- Queue, LifoQueue and PriorityQueue.
 *
 * What is waited for is static, as each test has a process of its own: no task outlives the frame it lies in. Items
 * are numbers. */
#include "crew.h"

static struct asyncio_queue queue;

/* Gets one item. */
static int get_one(void *arg)
{
    void *item = NULL;
    int r = asyncio_queue_get(&queue, &item);

    (void)arg;
    if (r < 0)
        trace("%s: %s", me(), said(r));
    else
        trace("%s: got %d", me(), number_of(item));
    return r == -ECANCELED ? r : 0;
}

/* Puts its argument. */
static int put_one(void *arg)
{
    int r = asyncio_queue_put(&queue, arg);

    if (r < 0)
        trace("%s: %s", me(), said(r));
    else
        trace("%s: put %d", me(), number_of(arg));
    return r == -ECANCELED ? r : 0;
}

static int join_queue(void *arg)
{
    int r = asyncio_queue_join(&queue);

    (void)arg;
    trace("%s: joined, %s", me(), said(r));
    return r;
}

static int put_now(intptr_t item)
{
    return asyncio_queue_put_nowait(&queue, number(item));
}

/* The next item, or a negative error. */
static int get_now(void)
{
    void *item = NULL;
    int r = asyncio_queue_get_nowait(&queue, &item);

    return r < 0 ? r : number_of(item);
}

static int by_number(const void *a, const void *b)
{
    return (number_of(a) > number_of(b)) - (number_of(a) < number_of(b));
}

/* ----------------------------------------------------------------------------------------------------------- Sizes */

TEST(queue_sizes, "Q-01: qsize, empty, full and maxsize; zero and less are no bound; zeroed memory is a queue")
{
    EXPECT_INT(asyncio_queue_maxsize(&queue), 0);
    EXPECT(asyncio_queue_empty(&queue));
    EXPECT(!asyncio_queue_full(&queue));
    for (int i = 0; i < 100; i++)
        EXPECT_INT(put_now(i), 0);
    EXPECT(!asyncio_queue_full(&queue));
    EXPECT(!asyncio_queue_empty(&queue));
    EXPECT_INT(asyncio_queue_qsize(&queue), 100);
    for (int i = 0; i < 100; i++)
        EXPECT_INT(get_now(), i);
    EXPECT_INT(get_now(), -ASYNCIO_EQUEUEEMPTY);
    asyncio_queue_fini(&queue);

    asyncio_queue_init(&queue, -3);
    EXPECT_INT(asyncio_queue_maxsize(&queue), 0);
    asyncio_queue_init(&queue, 2);
    EXPECT_INT(asyncio_queue_maxsize(&queue), 2);
    EXPECT_INT(put_now(1), 0);
    EXPECT(!asyncio_queue_full(&queue));
    EXPECT_INT(put_now(2), 0);
    EXPECT(asyncio_queue_full(&queue));
    EXPECT_INT(put_now(3), -ASYNCIO_EQUEUEFULL);
    EXPECT_INT(asyncio_queue_qsize(&queue), 2);
    EXPECT_INT(get_now(), 1);
    EXPECT_INT(get_now(), 2);
    asyncio_queue_fini(&queue);
}

/* Puts and gets at random and compares with what a plain array would do. */
static void compare_with_model(int kind, int steps)
{
    int model[600], n = 0;

    for (int i = 0; i < steps; i++) {
        if (n < 600 && chance(100) < 55) {
            int item = kind == ASYNCIO_QUEUE_PRIORITY ? chance(1000) : i, at = n;

            EXPECT_INT(put_now(item), 0);
            while (kind == ASYNCIO_QUEUE_PRIORITY && at > 0 && model[at - 1] > item) {
                model[at] = model[at - 1];
                at--;
            }
            model[at] = item;
            n++;
        } else if (n > 0) {
            EXPECT_INT(get_now(), kind == ASYNCIO_QUEUE_LIFO ? model[n - 1] : model[0]);
            n--;
            if (kind != ASYNCIO_QUEUE_LIFO)
                memmove(model, model + 1, (size_t)n * sizeof model[0]);
        }
        EXPECT_INT(asyncio_queue_qsize(&queue), n);
    }
}

TEST_NO_SWEEP(queue_order_fifo, "Q-02: first in, first out, while the ring turns and grows", "long")
{
    seed_chance(test_seed());
    for (int i = 0; i < 20; i++) {
        asyncio_queue_init(&queue, 600);
        compare_with_model(ASYNCIO_QUEUE_FIFO, 2000);
        asyncio_queue_fini(&queue);
    }
}

TEST_NO_SWEEP(queue_order_lifo, "Q-07: last in, first out", "long")
{
    seed_chance(test_seed());
    for (int i = 0; i < 20; i++) {
        asyncio_lifo_queue_init(&queue, 600);
        compare_with_model(ASYNCIO_QUEUE_LIFO, 2000);
        asyncio_queue_fini(&queue);
    }
}

TEST_NO_SWEEP(queue_order_priority, "Q-06: smallest first", "long")
{
    seed_chance(test_seed());
    for (int i = 0; i < 20; i++) {
        EXPECT_INT(asyncio_priority_queue_init(&queue, 600, by_number), 0);
        compare_with_model(ASYNCIO_QUEUE_PRIORITY, 2000);
        asyncio_queue_fini(&queue);
    }
}

TEST(queue_kinds, "Q-06 Q-07: the static initialisers make the same queues")
{
    static const int lifo_order[] = {2, 9, 1, 5}, priority_order[] = {1, 2, 5, 9};
    static const intptr_t items[] = {5, 1, 9, 2};

    queue = (struct asyncio_queue)ASYNCIO_LIFO_QUEUE_INIT(4);
    for (int i = 0; i < 4; i++)
        EXPECT_INT(put_now(items[i]), 0);
    EXPECT_INT(put_now(7), -ASYNCIO_EQUEUEFULL);
    for (int i = 0; i < 4; i++)
        EXPECT_INT(get_now(), lifo_order[i]);
    asyncio_queue_fini(&queue);

    queue = (struct asyncio_queue)ASYNCIO_PRIORITY_QUEUE_INIT(4, by_number);
    for (int i = 0; i < 4; i++)
        EXPECT_INT(put_now(items[i]), 0);
    EXPECT_INT(put_now(7), -ASYNCIO_EQUEUEFULL);
    for (int i = 0; i < 4; i++)
        EXPECT_INT(get_now(), priority_order[i]);
    asyncio_queue_fini(&queue);

    queue = (struct asyncio_queue)ASYNCIO_QUEUE_INIT(1);
    EXPECT_INT(put_now(1), 0);
    EXPECT_INT(put_now(2), -ASYNCIO_EQUEUEFULL);
    asyncio_queue_fini(&queue);
}

/* ----------------------------------------------------------------------------------------------------- Put and get */

static int get_waits(void *arg)
{
    (void)arg;
    spawn(get_one, NULL, "A");
    spawn(get_one, NULL, "B");
    turns(1);
    EXPECT(queue.loop);
    trace("put");
    EXPECT_INT(put_now(1), 0);
    EXPECT_INT(put_now(2), 0);
    EXPECT_INT(asyncio_queue_qsize(&queue), 2);
    everybody();
    EXPECT_PTR(queue.loop, NULL);
    EXPECT_INT(put_now(3), 0);
    EXPECT_INT(asyncio_queue_put(&queue, number(4)), 0);
    EXPECT_INT(get_now(), 3);
    EXPECT_INT(get_one(NULL), 0);
    return 0;
}

TEST(queue_blocking_get, "Q-02: get waits while it is empty, in order of arrival; the item stays in the queue until "
                         "it is taken")
{
    EXPECT_INT(play(get_waits), 0);
    EXPECT_TRACE("[0.000] put\n"
                 "[0.000] A: got 1\n"
                 "[0.000] B: got 2\n"
                 "[0.000] Task-2: got 4\n");
    asyncio_queue_fini(&queue);
}

static int put_waits(void *arg)
{
    (void)arg;
    asyncio_queue_init(&queue, 1);
    EXPECT_INT(put_now(0), 0);
    spawn(put_one, number(1), "A");
    spawn(put_one, number(2), "B");
    turns(1);
    EXPECT_INT(asyncio_queue_qsize(&queue), 1);
    EXPECT_INT(get_now(), 0);
    turns(2);
    EXPECT_INT(get_now(), 1);
    turns(2);
    EXPECT_INT(get_now(), 2);
    everybody();
    EXPECT_PTR(queue.loop, NULL);
    return 0;
}

TEST(queue_blocking_put, "Q-02: put waits while it is full, in order of arrival")
{
    EXPECT_INT(play(put_waits), 0);
    EXPECT_TRACE("[0.000] A: put 1\n"
                 "[0.000] B: put 2\n");
    asyncio_queue_fini(&queue);
}

static int put_three(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 4; i++) {
        EXPECT_INT(asyncio_queue_put(&queue, number(i)), 0);
        trace("put %d", i);
    }
    return 0;
}

static int slow_consumer(void *arg)
{
    (void)arg;
    asyncio_queue_init(&queue, 2);
    spawn(put_three, NULL, "producer");
    for (int i = 1; i <= 4; i++) {
        EXPECT_INT(asyncio_sleep(1), 0);
        EXPECT_INT(get_one(NULL), 0);
    }
    everybody();
    return 0;
}

TEST(queue_back_pressure, "Q-02: a slow consumer holds the producer back")
{
    EXPECT_INT(play(slow_consumer), 0);
    EXPECT_TRACE("[0.000] put 1\n"
                 "[0.000] put 2\n"
                 "[1.000] Task-2: got 1\n"
                 "[1.000] put 3\n"
                 "[2.000] Task-2: got 2\n"
                 "[2.000] put 4\n"
                 "[3.000] Task-2: got 3\n"
                 "[4.000] Task-2: got 4\n");
    asyncio_queue_fini(&queue);
}

static int does_not_yield(void *arg)
{
    void *item = NULL;

    (void)arg;
    asyncio_queue_init(&queue, 1);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_queue_put(&queue, number(1)), 0);
    EXPECT_INT(asyncio_queue_get(&queue, &item), 0);
    EXPECT_INT(asyncio_queue_task_done(&queue), 0);
    EXPECT_INT(asyncio_queue_join(&queue), 0);
    EXPECT_INT(asyncio_queue_get(&queue, &item), -ECANCELED);
    EXPECT_INT(put_now(1), 0);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_queue_put(&queue, number(2)), -ECANCELED);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_queue_join(&queue), -ECANCELED);
    EXPECT_INT(asyncio_queue_qsize(&queue), 1);
    EXPECT_PTR(queue.loop, NULL);
    return 0;
}

TEST(queue_without_waiting, "Q-02 Q-04: what need not wait does not look for a cancel; what waits meets it, and "
                            "nothing has happened")
{
    EXPECT_INT(run(does_not_yield, NULL), 0);
    asyncio_queue_fini(&queue);
}

static int stolen(void *arg)
{
    (void)arg;
    spawn(get_one, NULL, "A");
    spawn(get_one, NULL, "B");
    turns(1);
    EXPECT_INT(put_now(1), 0); /* wakes A */
    EXPECT_INT(get_now(), 1);
    turns(1);
    EXPECT_INT(put_now(2), 0);
    EXPECT_INT(put_now(3), 0);
    everybody();
    return 0;
}

TEST(queue_overtaken_getter, "Q-02 D-04: a woken getter whose item is taken by another waits again before those who "
                             "came later")
{
    EXPECT_INT(play(stolen), 0);
    EXPECT_TRACE("[0.000] A: got 2\n"
                 "[0.000] B: got 3\n");
    asyncio_queue_fini(&queue);
}

static int stolen_and_woken(void *arg)
{
    (void)arg;
    spawn(get_one, NULL, "A");
    spawn(get_one, NULL, "B");
    spawn(get_one, NULL, "C");
    turns(1);
    EXPECT_INT(put_now(1), 0); /* wakes A */
    EXPECT_INT(get_now(), 1);
    EXPECT_INT(put_now(2), 0); /* wakes B; A runs first and takes it, B waits again before C */
    turns(2);
    EXPECT_INT(put_now(3), 0);
    EXPECT_INT(put_now(4), 0);
    everybody();
    return 0;
}

TEST(queue_overtaken_getters_keep_order, "Q-02 D-04: places are kept when several were woken for fewer items")
{
    EXPECT_INT(play(stolen_and_woken), 0);
    EXPECT_TRACE("[0.000] A: got 2\n"
                 "[0.000] B: got 3\n"
                 "[0.000] C: got 4\n");
    asyncio_queue_fini(&queue);
}

static int stolen_in_between(void *arg)
{
    static const char *const names[] = {"A", "B", "C", "D", "E"};

    (void)arg;
    for (int i = 0; i < 5; i++)
        spawn(get_one, NULL, names[i]);
    turns(1);
    for (int i = 0; i < 4; i++)
        EXPECT_INT(put_now(i), 0); /* wakes A to D */
    for (int i = 0; i < 4; i++)
        EXPECT_INT(get_now(), i);
    turns(1); /* they find nothing, one after the other */
    EXPECT_INT(asyncio_queue_qsize(&queue), 0);
    for (int i = 10; i < 15; i++)
        EXPECT_INT(put_now(i), 0);
    everybody();
    return 0;
}

TEST(queue_overtaken_getters_go_back, "Q-02 D-04: all who were woken in vain stand before who was not woken")
{
    EXPECT_INT(play(stolen_in_between), 0);
    EXPECT_TRACE("[0.000] A: got 10\n"
                 "[0.000] B: got 11\n"
                 "[0.000] C: got 12\n"
                 "[0.000] D: got 13\n"
                 "[0.000] E: got 14\n");
    asyncio_queue_fini(&queue);
}

static int barging_get(void *arg)
{
    (void)arg;
    spawn(get_one, NULL, "A");
    turns(1);
    spawn(get_one, NULL, "B"); /* starts before A resumes */
    EXPECT_INT(put_now(1), 0);
    turns(2);
    spawn(get_one, NULL, "C");
    turns(1);
    EXPECT_INT(put_now(2), 0);
    EXPECT_INT(put_now(3), 0);
    everybody();
    return 0;
}

TEST(queue_barging_get, "Q-02 D-04: a get that finds an item takes it; who was woken for it is first the next time")
{
    EXPECT_INT(play(barging_get), 0);
    EXPECT_TRACE("[0.000] B: got 1\n"
                 "[0.000] A: got 2\n"
                 "[0.000] C: got 3\n");
    asyncio_queue_fini(&queue);
}

static int slot_stolen(void *arg)
{
    (void)arg;
    asyncio_queue_init(&queue, 1);
    EXPECT_INT(put_now(0), 0);
    spawn(put_one, number(1), "A");
    spawn(put_one, number(2), "B");
    turns(1);
    EXPECT_INT(get_now(), 0); /* wakes A */
    EXPECT_INT(put_now(9), 0);
    turns(2);
    EXPECT_INT(get_now(), 9);
    turns(2);
    EXPECT_INT(get_now(), 1);
    turns(2);
    EXPECT_INT(get_now(), 2);
    everybody();
    return 0;
}

TEST(queue_overtaken_putter, "Q-02 D-04: a woken putter whose slot is taken by another waits again before those who "
                             "came later")
{
    EXPECT_INT(play(slot_stolen), 0);
    EXPECT_TRACE("[0.000] A: put 1\n"
                 "[0.000] B: put 2\n");
    asyncio_queue_fini(&queue);
}

static int get_with_putters(void *arg)
{
    (void)arg;
    asyncio_queue_init(&queue, 1);
    EXPECT_INT(put_now(0), 0);
    spawn(put_one, number(1), "A");
    turns(1);
    EXPECT_INT(get_one(NULL), 0);
    EXPECT_INT(get_one(NULL), 0);
    everybody();
    return 0;
}

TEST(queue_get_with_putters, "Q-02 #10: a getter that waits for a putter that it has woken itself")
{
    EXPECT_INT(play(get_with_putters), 0);
    EXPECT_TRACE("[0.000] Task-2: got 0\n"
                 "[0.000] A: put 1\n"
                 "[0.000] Task-2: got 1\n");
    asyncio_queue_fini(&queue);
}

static int produce_many(void *arg)
{
    for (int i = 0; i < number_of(arg); i++)
        EXPECT_INT(asyncio_queue_put(&queue, number(i)), 0);
    return 0;
}

static int consume_many(void *arg)
{
    void *item = NULL;

    for (int i = 0; i < number_of(arg); i++)
        EXPECT_INT(asyncio_queue_get(&queue, &item), 0);
    return 0;
}

static int several_waiters(void *arg)
{
    (void)arg;
    asyncio_queue_init(&queue, 2);
    for (int i = 0; i < 3; i++) {
        spawn(consume_many, number(8), "consumer");
        spawn(produce_many, number(4), "producer");
        spawn(produce_many, number(4), "producer");
    }
    everybody();
    EXPECT(asyncio_queue_empty(&queue));
    EXPECT_PTR(queue.loop, NULL);
    return 0;
}

TEST(queue_why_are_they_waiting, "Q-02 #10: several getters and putters at a small queue do not block each other")
{
    EXPECT_INT(play(several_waiters), 0);
    asyncio_queue_fini(&queue);
}

/* ------------------------------------------------------------------------------------------------------- Cancelled */

static int cancel_getter(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    a = spawn(get_one, NULL, "A");
    spawn(get_one, NULL, "B");
    turns(1);
    cancel(a);
    EXPECT_INT(put_now(1), 0);
    everybody();
    EXPECT(asyncio_queue_empty(&queue));
    return 0;
}

TEST(park_queue_get_not_complete, "Q-03 #10 #13: a getter that was cancelled and has not resumed is passed over")
{
    EXPECT_INT(play(cancel_getter), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] B: got 1\n");
    asyncio_queue_fini(&queue);
}

static int cancel_woken_getter(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    a = spawn(get_one, NULL, "A");
    spawn(get_one, NULL, "B");
    turns(1);
    EXPECT_INT(put_now(1), 0);
    cancel(a);
    everybody();
    EXPECT(asyncio_queue_empty(&queue));
    return 0;
}

TEST(park_queue_get_complete, "Q-03 D-04 #9 #14: a cancel between put and resumption: the item stays, and the next "
                              "getter is woken")
{
    EXPECT_INT(play(cancel_woken_getter), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] B: got 1\n");
    asyncio_queue_fini(&queue);
}

static int cancel_woken_getter_alone(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    a = spawn(get_one, NULL, "A");
    turns(1);
    EXPECT_INT(put_now(1), 0);
    EXPECT_INT(put_now(2), 0);
    cancel(a);
    everybody();
    EXPECT_INT(asyncio_queue_qsize(&queue), 2);
    EXPECT_PTR(queue.loop, NULL);
    EXPECT_INT(get_now(), 1);
    return 0;
}

TEST(queue_get_cancelled_keeps_the_item, "Q-03 #9 #14: put and cancel in one step: the items are there, in their order")
{
    EXPECT_INT(play(cancel_woken_getter_alone), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n");
    asyncio_queue_fini(&queue);
}

static int drop_many_readers(void *arg)
{
    struct asyncio_future *readers[4];

    (void)arg;
    for (int i = 0; i < 4; i++)
        readers[i] = spawn(get_one, NULL, "reader");
    spawn(get_one, NULL, "last");
    turns(1);
    for (int i = 0; i < 4; i++)
        cancel(readers[i]);
    EXPECT(queue.loop);
    EXPECT_INT(put_now(1), 0);
    everybody();
    return 0;
}

TEST(queue_get_cancel_drop_many, "Q-03 #10: cancelled getters are not kept; the last one gets the item")
{
    EXPECT_INT(play(drop_many_readers), 0);
    EXPECT_TRACE("[0.000] reader: -ECANCELED\n"
                 "[0.000] reader: -ECANCELED\n"
                 "[0.000] reader: -ECANCELED\n"
                 "[0.000] reader: -ECANCELED\n"
                 "[0.000] last: got 1\n");
    asyncio_queue_fini(&queue);
}

static int cancel_only_getter(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    a = spawn(get_one, NULL, "A");
    turns(1);
    cancel(a);
    EXPECT_PTR(queue.loop, NULL);
    everybody();
    EXPECT_INT(put_now(1), 0);
    EXPECT_INT(asyncio_queue_qsize(&queue), 1);
    return 0;
}

TEST(queue_unbound_by_cancel, "Q-03: the last waiter that is cancelled leaves the queue to no loop")
{
    EXPECT_INT(play(cancel_only_getter), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n");
    asyncio_queue_fini(&queue);
}

static int cancel_putter(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    asyncio_queue_init(&queue, 1);
    EXPECT_INT(put_now(0), 0);
    a = spawn(put_one, number(1), "A");
    spawn(put_one, number(2), "B");
    turns(1);
    cancel(a);
    EXPECT_INT(get_now(), 0);
    everybody();
    EXPECT_INT(get_now(), 2);
    EXPECT_INT(get_now(), -ASYNCIO_EQUEUEEMPTY);
    return 0;
}

TEST(park_queue_put_not_complete, "Q-03 #10 #13: a putter that was cancelled and has not resumed is passed over; its "
                                  "item is not put")
{
    EXPECT_INT(play(cancel_putter), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] B: put 2\n");
    asyncio_queue_fini(&queue);
}

static int cancel_woken_putter(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    asyncio_queue_init(&queue, 1);
    EXPECT_INT(put_now(0), 0);
    a = spawn(put_one, number(1), "A");
    spawn(put_one, number(2), "B");
    turns(1);
    EXPECT_INT(get_now(), 0);
    cancel(a);
    everybody();
    EXPECT_INT(get_now(), 2);
    EXPECT_INT(get_now(), -ASYNCIO_EQUEUEEMPTY);
    EXPECT_PTR(queue.loop, NULL);
    return 0;
}

TEST(park_queue_put_complete, "Q-03 #10: a cancel between get and resumption: the slot goes to the next putter")
{
    EXPECT_INT(play(cancel_woken_putter), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] B: put 2\n");
    asyncio_queue_fini(&queue);
}

static int cancel_overtaken(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    a = spawn(get_one, NULL, "A");
    spawn(get_one, NULL, "B");
    turns(1);
    EXPECT_INT(put_now(1), 0);
    EXPECT_INT(get_now(), 1);
    turns(1); /* A waits again */
    cancel(a);
    EXPECT_INT(put_now(2), 0);
    everybody();
    return 0;
}

TEST(queue_overtaken_getter_cancelled, "Q-03 D-04: a getter that was overtaken can be cancelled like any other")
{
    EXPECT_INT(play(cancel_overtaken), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n"
                 "[0.000] B: got 2\n");
    asyncio_queue_fini(&queue);
}

static int cancel_overtaken_woken(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    a = spawn(get_one, NULL, "A");
    spawn(get_one, NULL, "B");
    turns(1);
    EXPECT_INT(put_now(1), 0);
    EXPECT_INT(get_now(), 1);
    cancel(a); /* woken, its item gone: there is nothing to pass on */
    turns(1);
    EXPECT(queue.getters.next != &queue.getters);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n");
    EXPECT_INT(put_now(2), 0);
    everybody();
    return 0;
}

TEST(queue_cancel_without_item, "Q-03: a woken getter whose item is gone wakes nobody when it is cancelled")
{
    EXPECT_INT(play(cancel_overtaken_woken), 0);
    EXPECT_TRACE("[0.000] B: got 2\n");
    asyncio_queue_fini(&queue);
}

static int get_once(void *arg)
{
    return asyncio_queue_get(&queue, arg);
}

static int produce_with_pauses(void *arg)
{
    for (int i = 1; i <= number_of(arg); i++) {
        EXPECT_INT(asyncio_queue_put(&queue, number(i)), 0);
        EXPECT_INT(asyncio_sleep(chance(3) * 0.01), 0);
    }
    return 0;
}

static int get_with_timeouts(void *arg)
{
    int next = 1;

    (void)arg;
    spawn(produce_with_pauses, number(100), "producer");
    while (next <= 100) {
        void *item = NULL;
        int r = asyncio_wait_for(get_once, &item, 0.01);

        if (r == -ETIMEDOUT)
            continue;
        EXPECT_INT(r, 0);
        EXPECT_INT(number_of(item), next++);
        if (r < 0)
            break;
    }
    everybody();
    return 0;
}

TEST_NO_SWEEP(queue_wait_for_loses_nothing,
              "Q-03 #9: a hundred items got with time-outs that meet the puts: none is lost", "long")
{
    seed_chance(test_seed());
    EXPECT_INT(play(get_with_timeouts), 0);
    EXPECT(asyncio_queue_empty(&queue));
    asyncio_queue_fini(&queue);
}

static int total_put, total_got;

static int put_stubbornly(void *arg)
{
    for (int i = 0; i < number_of(arg); i++) {
        while (asyncio_queue_put(&queue, number(1)) < 0)
            ;
        total_put++;
        if (chance(3) == 0)
            turns(1);
    }
    return 0;
}

static int get_stubbornly(void *arg)
{
    (void)arg;
    for (;;) {
        void *item = NULL;
        int r = chance(8) == 0 ? asyncio_queue_get_nowait(&queue, &item) : asyncio_queue_get(&queue, &item);

        if (r == -ASYNCIO_EQUEUESHUTDOWN)
            return 0;
        if (r < 0) {
            turns(1);
            continue;
        }
        total_got++;
        EXPECT_INT(asyncio_queue_task_done(&queue), 0);
        if (chance(3) == 0)
            turns(1);
    }
}

static int queue_stress(void *arg)
{
    (void)arg;
    total_put = total_got = 0;
    asyncio_queue_init(&queue, 1 + chance(3));
    for (int i = 0; i < 6; i++)
        spawn(put_stubbornly, number(50), "producer");
    for (int i = 0; i < 6; i++)
        spawn(get_stubbornly, NULL, "consumer");
    turns(1); /* cancelled before its first step, a task never runs */
    while (total_put < 300)
        torment(1);
    while (asyncio_queue_join(&queue) < 0)
        ;
    EXPECT_INT(total_got, 300);
    asyncio_queue_shutdown(&queue, false);
    everybody();
    EXPECT_PTR(queue.loop, NULL);
    asyncio_queue_fini(&queue);
    return 0;
}

TEST_NO_SWEEP(queue_random_cancels,
              "Q-02 Q-03 #9 #10 #13 #14: cancels at random moments lose no item, no slot and no waiter", "too long")
{
    seed_chance(test_seed());
    for (int i = 0; i < 20; i++)
        EXPECT_INT(play(queue_stress), 0);
}

/* ------------------------------------------------------------------------------------------ Unfinished and joining */

static int joining(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_queue_join(&queue), 0);
    trace("nothing to wait for");
    EXPECT_INT(put_now(1), 0);
    EXPECT_INT(put_now(2), 0);
    spawn(join_queue, NULL, "A");
    spawn(join_queue, NULL, "B");
    EXPECT(get_now() > 0);
    EXPECT(get_now() > 0);
    turns(2);
    EXPECT_INT(asyncio_queue_task_done(&queue), 0);
    turns(2);
    trace("last one done");
    EXPECT_INT(asyncio_queue_task_done(&queue), 0);
    EXPECT_INT(put_now(3), 0); /* does not hold back those who were woken */
    everybody();
    EXPECT_INT(asyncio_queue_task_done(&queue), 0);
    EXPECT_INT(asyncio_queue_task_done(&queue), -EOVERFLOW);
    return 0;
}

#define JOINED                      \
    "[0.000] nothing to wait for\n" \
    "[0.000] last one done\n"       \
    "[0.000] A: joined, 0\n"        \
    "[0.000] B: joined, 0\n"

TEST(queue_join, "Q-04: join waits until every item is dealt with; task_done once too often is an error")
{
    EXPECT_INT(play(joining), 0);
    EXPECT_TRACE(JOINED);
    asyncio_queue_fini(&queue);
}

TEST(queue_join_lifo, "Q-04 Q-07 #11: a last-in first-out queue counts too")
{
    asyncio_lifo_queue_init(&queue, 0);
    EXPECT_INT(play(joining), 0);
    EXPECT_TRACE(JOINED);
    asyncio_queue_fini(&queue);
}

TEST(queue_join_priority, "Q-04 Q-06 #11: a priority queue counts too")
{
    EXPECT_INT(asyncio_priority_queue_init(&queue, 0, by_number), 0);
    EXPECT_INT(play(joining), 0);
    EXPECT_TRACE(JOINED);
    asyncio_queue_fini(&queue);
}

static int worker(void *arg)
{
    void *item = NULL;

    (void)arg;
    while (asyncio_queue_get(&queue, &item) >= 0) {
        if (asyncio_sleep(number_of(item)) < 0)
            break;
        trace("%s: %d", me(), number_of(item));
        EXPECT_INT(asyncio_queue_task_done(&queue), 0);
    }
    return -ECANCELED;
}

static int work_then_cancel(void *arg)
{
    struct asyncio_future *a = spawn(worker, NULL, "A"), *b = spawn(worker, NULL, "B");

    (void)arg;
    for (int i = 1; i <= 4; i++)
        EXPECT_INT(put_now(i), 0);
    EXPECT_INT(asyncio_queue_join(&queue), 0);
    trace("all done");
    cancel(a);
    cancel(b);
    everybody();
    return 0;
}

TEST(queue_workers, "Q-04: the workers of the manual: join, then cancel")
{
    EXPECT_INT(play(work_then_cancel), 0);
    EXPECT_TRACE("[1.000] A: 1\n"
                 "[2.000] B: 2\n"
                 "[4.000] A: 3\n"
                 "[6.000] B: 4\n"
                 "[6.000] all done\n");
    asyncio_queue_fini(&queue);
}

static int cancel_joiner(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    EXPECT_INT(put_now(1), 0);
    a = spawn(join_queue, NULL, "A");
    spawn(join_queue, NULL, "B");
    turns(1);
    cancel(a);
    EXPECT_INT(asyncio_queue_task_done(&queue), 0);
    everybody();
    return 0;
}

TEST(park_queue_join_not_complete, "Q-04: a cancelled joiner leaves")
{
    EXPECT_INT(play(cancel_joiner), 0);
    EXPECT_TRACE("[0.000] A: joined, -ECANCELED\n"
                 "[0.000] B: joined, 0\n");
    asyncio_queue_fini(&queue);
}

static int cancel_woken_joiner(void *arg)
{
    struct asyncio_future *a;

    (void)arg;
    EXPECT_INT(put_now(1), 0);
    a = spawn(join_queue, NULL, "A");
    spawn(join_queue, NULL, "B");
    turns(1);
    EXPECT_INT(asyncio_queue_task_done(&queue), 0);
    cancel(a);
    EXPECT_PTR(queue.loop, NULL);
    everybody();
    return 0;
}

TEST(park_queue_join_complete, "Q-04: a cancel that meets a woken joiner is delivered; there is nothing to give back")
{
    EXPECT_INT(play(cancel_woken_joiner), 0);
    EXPECT_TRACE("[0.000] A: joined, -ECANCELED\n"
                 "[0.000] B: joined, 0\n");
    asyncio_queue_fini(&queue);
}

/* -------------------------------------------------------------------------------------------------------- Shutdown */

static int shutdown_empty(void *arg)
{
    void *item = NULL;

    (void)arg;
    spawn(get_one, NULL, "A");
    spawn(get_one, NULL, "B");
    turns(1);
    asyncio_queue_shutdown(&queue, false);
    asyncio_queue_shutdown(&queue, false);
    everybody();
    EXPECT_INT(put_now(1), -ASYNCIO_EQUEUESHUTDOWN);
    EXPECT_INT(asyncio_queue_put(&queue, number(1)), -ASYNCIO_EQUEUESHUTDOWN);
    EXPECT_INT(get_now(), -ASYNCIO_EQUEUESHUTDOWN);
    EXPECT_INT(asyncio_queue_get(&queue, &item), -ASYNCIO_EQUEUESHUTDOWN);
    EXPECT_INT(asyncio_queue_join(&queue), 0);
    EXPECT_PTR(queue.loop, NULL);
    return 0;
}

TEST(queue_shutdown_empty, "Q-05 #12: getters that wait are told; it may be repeated")
{
    EXPECT_INT(play(shutdown_empty), 0);
    EXPECT_TRACE("[0.000] A: -ASYNCIO_EQUEUESHUTDOWN\n"
                 "[0.000] B: -ASYNCIO_EQUEUESHUTDOWN\n");
    asyncio_queue_fini(&queue);
}

static int shutdown_full(void *arg)
{
    (void)arg;
    asyncio_queue_init(&queue, 2);
    EXPECT_INT(put_now(1), 0);
    EXPECT_INT(put_now(2), 0);
    spawn(put_one, number(3), "A");
    spawn(put_one, number(4), "B");
    spawn(join_queue, NULL, "joiner");
    turns(1);
    asyncio_queue_shutdown(&queue, false);
    turns(2);
    trace("drain");
    EXPECT_INT(asyncio_queue_put(&queue, number(1)), -ASYNCIO_EQUEUESHUTDOWN);
    EXPECT_INT(get_now(), 1);
    EXPECT_INT(get_one(NULL), 0);
    EXPECT_INT(get_one(NULL), 0);
    EXPECT_INT(asyncio_queue_task_done(&queue), 0);
    EXPECT_INT(asyncio_queue_task_done(&queue), 0);
    everybody();
    return 0;
}

TEST(queue_shutdown_nonempty, "Q-05: putters are told at once, getters when it is empty; what is left is counted on")
{
    EXPECT_INT(play(shutdown_full), 0);
    EXPECT_TRACE("[0.000] A: -ASYNCIO_EQUEUESHUTDOWN\n"
                 "[0.000] B: -ASYNCIO_EQUEUESHUTDOWN\n"
                 "[0.000] drain\n"
                 "[0.000] Task-2: got 2\n"
                 "[0.000] Task-2: -ASYNCIO_EQUEUESHUTDOWN\n"
                 "[0.000] joiner: joined, 0\n");
    asyncio_queue_fini(&queue);
}

static int shutdown_woken(void *arg)
{
    (void)arg;
    spawn(get_one, NULL, "A");
    spawn(get_one, NULL, "B");
    turns(1);
    EXPECT_INT(put_now(1), 0);
    asyncio_queue_shutdown(&queue, false);
    everybody();
    return 0;
}

TEST(queue_shutdown_with_woken_getter, "Q-05 #12: who was woken for an item gets it, the others are told")
{
    EXPECT_INT(play(shutdown_woken), 0);
    EXPECT_TRACE("[0.000] A: got 1\n"
                 "[0.000] B: -ASYNCIO_EQUEUESHUTDOWN\n");
    asyncio_queue_fini(&queue);
}

static int shutdown_immediate(void *arg)
{
    (void)arg;
    asyncio_queue_init(&queue, 2);
    EXPECT_INT(put_now(1), 0);
    EXPECT_INT(put_now(2), 0);
    spawn(put_one, number(3), "putter");
    spawn(join_queue, NULL, "joiner");
    turns(1);
    asyncio_queue_shutdown(&queue, true);
    EXPECT(asyncio_queue_empty(&queue));
    EXPECT_INT(asyncio_queue_task_done(&queue), -EOVERFLOW);
    everybody();
    EXPECT_INT(get_now(), -ASYNCIO_EQUEUESHUTDOWN);
    asyncio_queue_shutdown(&queue, true);
    return 0;
}

TEST(queue_shutdown_immediate, "Q-05: the items are dropped and count as dealt with")
{
    EXPECT_INT(play(shutdown_immediate), 0);
    EXPECT_TRACE("[0.000] joiner: joined, 0\n"
                 "[0.000] putter: -ASYNCIO_EQUEUESHUTDOWN\n");
    asyncio_queue_fini(&queue);
}

static int shutdown_unfinished(void *arg)
{
    (void)arg;
    for (int i = 0; i < 4; i++)
        EXPECT_INT(put_now(i), 0);
    EXPECT_INT(get_now(), 0);
    spawn(join_queue, NULL, "joiner");
    turns(1);
    asyncio_queue_shutdown(&queue, true);
    turns(3);
    trace("one is still at work");
    EXPECT_INT(asyncio_queue_task_done(&queue), 0);
    everybody();
    EXPECT_INT(asyncio_queue_task_done(&queue), -EOVERFLOW);
    return 0;
}

TEST(queue_shutdown_immediate_with_unfinished, "Q-05: join waits for the items that were taken before")
{
    EXPECT_INT(play(shutdown_unfinished), 0);
    EXPECT_TRACE("[0.000] one is still at work\n"
                 "[0.000] joiner: joined, 0\n");
    asyncio_queue_fini(&queue);
}

static int shutdown_immediate_woken(void *arg)
{
    struct asyncio_future *b;

    (void)arg;
    spawn(get_one, NULL, "A");
    b = spawn(get_one, NULL, "B");
    turns(1);
    EXPECT_INT(put_now(1), 0);
    asyncio_queue_shutdown(&queue, true);
    cancel(b);
    everybody();
    EXPECT_PTR(queue.loop, NULL);
    return 0;
}

TEST(queue_shutdown_immediate_with_woken_getter, "Q-05 Q-03: an item that is dropped is not got; a cancel on top is "
                                                 "delivered")
{
    EXPECT_INT(play(shutdown_immediate_woken), 0);
    EXPECT_TRACE("[0.000] A: -ASYNCIO_EQUEUESHUTDOWN\n"
                 "[0.000] B: -ECANCELED\n");
    asyncio_queue_fini(&queue);
}

static int describe_waits(void *arg)
{
    struct asyncio_future *getter, *putter, *joiner;

    (void)arg;
    asyncio_queue_init(&queue, 1);
    queue.name = "jobs";
    getter = spawn(get_one, NULL, "getter");
    turns(1);
    EXPECT(dump_says("item of queue 'jobs'"));
    cancel(getter);
    EXPECT_INT(put_now(1), 0);
    putter = spawn(put_one, number(2), "putter");
    joiner = spawn(join_queue, NULL, "joiner");
    turns(1);
    EXPECT(dump_says("room in queue 'jobs' of 1"));
    EXPECT(dump_says("1 unfinished items of queue 'jobs'"));
    cancel(putter);
    cancel(joiner);
    return everybody();
}

TEST(queue_in_dumps, "Q-02 Q-04: a dump says what a task wants of which queue")
{
    EXPECT_INT(play(describe_waits), true);
    trace_clear();
    asyncio_queue_fini(&queue);
}

/* ----------------------------------------------------------------------------------------------- Memory and misuse */

TEST_NO_SWEEP(queue_put_nowait_without_memory, "Q-02: a put that cannot grow the queue changes nothing",
              "fails allocations itself")
{
    asyncio_fail_allocation(0, 1);
    EXPECT_INT(put_now(1), -ENOMEM);
    EXPECT(asyncio_queue_empty(&queue));
    EXPECT_INT(asyncio_queue_task_done(&queue), -EOVERFLOW);
    asyncio_fail_allocation(-1, 0);
    for (int i = 0; i < 8; i++)
        EXPECT_INT(put_now(i), 0);
    EXPECT_INT(get_now(), 0);
    EXPECT_INT(put_now(8), 0);
    asyncio_fail_allocation(0, 1);
    EXPECT_INT(put_now(9), -ENOMEM);
    asyncio_fail_allocation(-1, 0);
    EXPECT_INT(asyncio_queue_qsize(&queue), 8);
    EXPECT_INT(put_now(9), 0);
    for (int i = 1; i < 10; i++)
        EXPECT_INT(get_now(), i);
    asyncio_queue_fini(&queue);
}

static int put_beyond(void *arg)
{
    (void)arg;
    asyncio_queue_init(&queue, 9);
    for (int i = 0; i < 9; i++)
        EXPECT_INT(put_now(i), 0);
    EXPECT_INT(queue.capacity, 9);
    spawn(put_one, number(9), "A");
    turns(1);
    EXPECT_INT(get_now(), 0);
    asyncio_fail_allocation(0, 1);
    turns(1);
    asyncio_fail_allocation(-1, 0);
    return 0;
}

TEST_NO_SWEEP(queue_grows_to_its_bound, "Q-02: memory grows up to the bound, so that a put that has waited needs none",
              "fails allocations itself")
{
    EXPECT_INT(play(put_beyond), 0);
    EXPECT_TRACE("[0.000] A: put 9\n");
    asyncio_queue_fini(&queue);
}

TEST(queue_misuse, "Q-01 Q-02: no queue, no place for the item and no order are -EINVAL; no task is -ENOTASK")
{
    void *item = NULL;

    EXPECT_INT(asyncio_queue_put(NULL, NULL), -EINVAL);
    EXPECT_INT(asyncio_queue_put_nowait(NULL, NULL), -EINVAL);
    EXPECT_INT(asyncio_queue_get(NULL, &item), -EINVAL);
    EXPECT_INT(asyncio_queue_get(&queue, NULL), -EINVAL);
    EXPECT_INT(asyncio_queue_get_nowait(NULL, &item), -EINVAL);
    EXPECT_INT(asyncio_queue_get_nowait(&queue, NULL), -EINVAL);
    EXPECT_INT(asyncio_queue_task_done(NULL), -EINVAL);
    EXPECT_INT(asyncio_queue_task_done(&queue), -EOVERFLOW);
    EXPECT_INT(asyncio_queue_join(NULL), -EINVAL);
    EXPECT_INT(asyncio_priority_queue_init(&queue, 0, NULL), -EINVAL);
    EXPECT_INT(asyncio_priority_queue_init(NULL, 0, by_number), -EINVAL);
    EXPECT_INT(asyncio_queue_qsize(NULL), 0);
    EXPECT_INT(asyncio_queue_maxsize(NULL), 0);
    EXPECT(asyncio_queue_empty(NULL));
    EXPECT(!asyncio_queue_full(NULL));
    asyncio_queue_init(NULL, 0);
    asyncio_lifo_queue_init(NULL, 0);
    asyncio_queue_shutdown(NULL, true);
    asyncio_queue_fini(NULL);
    EXPECT_INT(asyncio_queue_put(&queue, NULL), -ASYNCIO_ENOTASK);
    EXPECT_INT(asyncio_queue_get(&queue, &item), -ASYNCIO_ENOTASK);
    EXPECT_INT(asyncio_queue_join(&queue), -ASYNCIO_ENOTASK);
    queue.kind = ASYNCIO_QUEUE_PRIORITY;
    EXPECT_INT(asyncio_queue_put_nowait(&queue, NULL), -EINVAL);
    EXPECT_INT(asyncio_queue_get_nowait(&queue, &item), -EINVAL);
}

static int get_in_callback_result;

static void put_in_callback(void *arg)
{
    get_in_callback_result = asyncio_queue_get(&queue, &arg);
    EXPECT_INT(put_now(5), 0);
}

static int put_from_callback(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_loop_call_later(asyncio_get_running_loop(), 2, put_in_callback, NULL), 0);
    EXPECT_INT(get_one(NULL), 0);
    EXPECT_INT(get_in_callback_result, -ASYNCIO_ENOTASK);
    return 0;
}

TEST(queue_put_by_callback, "Q-02: callbacks may put without waiting")
{
    EXPECT_INT(play(put_from_callback), 0);
    EXPECT_TRACE("[2.000] Task-2: got 5\n");
    asyncio_queue_fini(&queue);
}

static int park_at_queue(void *arg)
{
    (void)arg;
    spawn(get_one, NULL, "A");
    turns(1);
    return 0;
}

static int use_queue_elsewhere(void *arg)
{
    void *item = NULL;

    (void)arg;
    EXPECT_INT(asyncio_queue_put(&queue, NULL), -ASYNCIO_EFOREIGNLOOP);
    EXPECT_INT(asyncio_queue_put_nowait(&queue, NULL), -ASYNCIO_EFOREIGNLOOP);
    EXPECT_INT(asyncio_queue_get(&queue, &item), -ASYNCIO_EFOREIGNLOOP);
    EXPECT_INT(asyncio_queue_get_nowait(&queue, &item), -ASYNCIO_EFOREIGNLOOP);
    EXPECT_INT(asyncio_queue_join(&queue), -ASYNCIO_EFOREIGNLOOP);
    EXPECT_INT(asyncio_queue_task_done(&queue), -ASYNCIO_EFOREIGNLOOP);
    return 0;
}

static int put_elsewhere(void *arg)
{
    (void)arg;
    return asyncio_queue_put(&queue, number(2));
}

TEST_NO_SWEEP(queue_foreign_loop, "Q-02: bound to a loop while somebody waits or has been woken",
              "a run that fails leaves a suspended task to nobody")
{
    struct asyncio_loop *one = NULL, *two = NULL;

    EXPECT_INT(new_loop(&one), 0);
    EXPECT_INT(new_loop(&two), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(one, park_at_queue, NULL), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(two, use_queue_elsewhere, NULL), 0);
    EXPECT_INT(put_now(1), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(two, use_queue_elsewhere, NULL), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(one, finish_crew, NULL), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(two, put_elsewhere, NULL), 0);
    EXPECT_TRACE("[0.000] A: got 1\n");
    dismiss_crew();
    close_loop(one);
    close_loop(two);
    asyncio_queue_fini(&queue);
}

#ifndef NDEBUG
static int fini_queue_early(void *arg)
{
    spawn(get_one, NULL, "A");
    turns(1);
    if (arg)
        EXPECT_INT(put_now(1), 0);
    asyncio_queue_fini(&queue);
    return 0;
}

TEST_DIES(queue_fini_with_waiters, SIGABRT, "asyncio_queue_fini")
{
    ASYNCIO_IGNORE(run(fini_queue_early, NULL));
}

TEST_DIES(queue_fini_with_woken, SIGABRT, "asyncio_queue_fini")
{
    ASYNCIO_IGNORE(run(fini_queue_early, &queue));
}
#endif
