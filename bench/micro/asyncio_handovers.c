/* asyncio_handovers.c -- one task wakes another: locks, events, queues, futures. */
#include "asyncio_micro.h"

/* ----------------------------------------------------------------------------------------------------------- Locks */

static struct asyncio_lock lock;

/* Once both want it, every release hands it to the other, because a newcomer stands behind who waits. */
static int lock_rounds(void *arg)
{
    long rounds = *(long *)arg;

    for (long i = 0; i < rounds; i++) {
        int r = asyncio_lock_acquire(&lock);

        if (r >= 0 && i == 0)
            r = asyncio_sleep(0);
        if (r < 0)
            return r;
        asyncio_lock_release(&lock);
    }
    return 0;
}

static int lock_main(void *arg)
{
    (void)arg;
    return two_tasks(lock_rounds, lock_rounds);
}

double lock_handoff(long count)
{
    return measure(lock_main, count);
}

/* The holder waits with the lock in its hands, as a holder of such a lock does. */
static int contended_rounds(void *arg)
{
    long rounds = *(long *)arg;

    for (long i = 0; i < rounds; i++) {
        int r = asyncio_lock_acquire(&lock);

        if (r >= 0)
            r = asyncio_sleep(0);
        if (r < 0)
            return r;
        asyncio_lock_release(&lock);
    }
    return 0;
}

static int contended_main(void *arg)
{
    (void)arg;
    return two_tasks(contended_rounds, contended_rounds);
}

double lock_contended(long count)
{
    return measure(contended_main, count);
}

/* ---------------------------------------------------------------------------------------------------------- Events */

static struct asyncio_event ping, pong;

static __attribute__((noinline)) int event_rounds(long rounds, struct asyncio_event *mine, struct asyncio_event *theirs)
{
    for (long i = 0; i < rounds; i++) {
        int r = asyncio_event_wait(mine);

        if (r < 0)
            return r;
        asyncio_event_clear(mine);
        asyncio_event_set(theirs);
    }
    return 0;
}

static int event_pinger(void *arg)
{
    asyncio_event_set(&ping);
    return event_rounds(*(long *)arg, &ping, &pong);
}

static int event_ponger(void *arg)
{
    return event_rounds(*(long *)arg, &pong, &ping);
}

static int event_main(void *arg)
{
    (void)arg;
    return two_tasks(event_pinger, event_ponger);
}

double event_wake(long count)
{
    return measure(event_main, count);
}

/* ---------------------------------------------------------------------------------------------------------- Queues */

static struct asyncio_queue there, back;

static __attribute__((noinline)) int queue_rounds(long rounds, struct asyncio_queue *mine, struct asyncio_queue *theirs)
{
    void *item;

    for (long i = 0; i < rounds; i++) {
        int r = asyncio_queue_get(mine, &item);

        if (r < 0)
            return r;
        r = asyncio_queue_put(theirs, item);
        if (r < 0)
            return r;
    }
    return 0;
}

static int queue_server(void *arg)
{
    int r = asyncio_queue_put(&back, arg);

    return r < 0 ? r : queue_rounds(*(long *)arg, &there, &back);
}

static int queue_client(void *arg)
{
    return queue_rounds(*(long *)arg, &back, &there);
}

static int queue_main(void *arg)
{
    (void)arg;
    two_tasks(queue_server, queue_client);
    asyncio_queue_fini(&there);
    asyncio_queue_fini(&back);
    return 0;
}

double queue_put_get(long count)
{
    return measure(queue_main, count);
}

/* A producer and a consumer, with room for one item between them: each waits for the other. */
static struct asyncio_queue narrow = ASYNCIO_QUEUE_INIT(1);

static int narrow_producer(void *arg)
{
    for (long i = 0; i < bench_operations; i++) {
        int r = asyncio_queue_put(&narrow, arg);

        if (r < 0)
            return r;
    }
    return 0;
}

static int narrow_consumer(void *arg)
{
    (void)arg;
    for (long i = 0; i < bench_operations; i++) {
        void *item;
        int r = asyncio_queue_get(&narrow, &item);

        if (r < 0)
            return r;
    }
    return 0;
}

static int narrow_main(void *arg)
{
    (void)arg;
    two_tasks(narrow_producer, narrow_consumer);
    asyncio_queue_fini(&narrow);
    return 0;
}

double queue_1(long count)
{
    return measure(narrow_main, count);
}

/* A producer puts a thousand items before it lets the consumer run. */
#define BURST 1000

static struct asyncio_queue wide;

static int wide_producer(void *arg)
{
    for (long i = 0; i < bench_operations / BURST; i++) {
        int r = 0;

        for (int j = 0; j < BURST && r >= 0; j++)
            r = asyncio_queue_put(&wide, arg);
        if (r >= 0)
            r = asyncio_sleep(0);
        if (r < 0)
            return r;
    }
    return 0;
}

static int wide_consumer(void *arg)
{
    (void)arg;
    for (long i = 0; i < bench_operations / BURST * BURST; i++) {
        void *item;
        int r = asyncio_queue_get(&wide, &item);

        if (r < 0)
            return r;
    }
    return 0;
}

static int wide_main(void *arg)
{
    (void)arg;
    two_tasks(wide_producer, wide_consumer);
    asyncio_queue_fini(&wide);
    return 0;
}

double queue_unbounded(long count)
{
    return measure(wide_main, count);
}

/* --------------------------------------------------------------------------------------------------------- Futures */

/* Each task awaits the future in its own place, makes a new one and completes the other's. */
static struct asyncio_future *places[2];

static __attribute__((noinline)) int future_rounds(long rounds, int mine)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    for (long i = 0; i < rounds; i++) {
        int r = asyncio_await(places[mine]);

        if (r < 0)
            return r;
        asyncio_future_unref(places[mine]);
        places[mine] = asyncio_loop_create_future(loop);
        must(asyncio_future_set_result(places[1 - mine], 1, NULL));
    }
    return 0;
}

static int future_pinger(void *arg)
{
    must(asyncio_future_set_result(places[0], 1, NULL));
    return future_rounds(*(long *)arg, 0);
}

static int future_ponger(void *arg)
{
    return future_rounds(*(long *)arg, 1);
}

static int future_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++)
        places[i] = asyncio_loop_create_future(asyncio_get_running_loop());
    two_tasks(future_pinger, future_ponger);
    drop(places, 2);
    return 0;
}

double future_pingpong(long count)
{
    return measure(future_main, count);
}
