/* Producers wait while a bounded queue is full, consumers while it is empty; both in order. */

#include "parity.h"

struct party {
    struct asyncio_queue *queue;
    const char *name;
    int first, count;
    double pause;
};

static int producer(void *arg)
{
    const struct party *me = arg;

    for (int item = me->first; item < me->first + me->count; item++) {
        TRY(asyncio_queue_put(me->queue, item_of(item)));
        say("%s put %d", me->name, item);
        TRY(asyncio_sleep(me->pause));
    }
    return me->count;
}

static int consumer(void *arg)
{
    const struct party *me = arg;
    int total = 0;
    void *item;

    for (int i = 0; i < me->count; i++) {
        TRY(asyncio_queue_get(me->queue, &item));
        say("%s got %d", me->name, number_of(item));
        total += number_of(item);
        TRY(asyncio_sleep(me->pause));
    }
    return total;
}

static int main_task(void *arg)
{
    struct asyncio_queue bounded = ASYNCIO_QUEUE_INIT(2), unbounded = ASYNCIO_QUEUE_INIT(0);
    struct party quick = {&bounded, "producer", 0, 6, 0.05}, slow = {&bounded, "consumer", 0, 6, 0.2};
    struct party takers[] = {
        {&unbounded, "a", 0, 2, 0.01},
        {&unbounded, "b", 0, 2, 0.01},
        {&unbounded, "c", 0, 2, 0.01},
    };
    struct party source = {&unbounded, "producer", 10, 6, 0.1};
    struct asyncio_future *tasks[3];
    int totals[3];

    (void)arg;
    say("a quick producer, a slow consumer");
    struct asyncio_future *making = asyncio_create_task(producer, &quick);
    nap(0.3);
    say("%zu in the queue, maxsize %zu, full %s, empty %s", asyncio_queue_qsize(&bounded),
        asyncio_queue_maxsize(&bounded), truth(asyncio_queue_full(&bounded)), truth(asyncio_queue_empty(&bounded)));
    int total = consumer(&slow), produced = take(making);
    say("total %d, produced %d", total, produced);
    say("full %s, empty %s", truth(asyncio_queue_full(&bounded)), truth(asyncio_queue_empty(&bounded)));
    asyncio_queue_fini(&bounded);

    say("a slow producer, three quick consumers");
    for (int i = 0; i < 3; i++)
        tasks[i] = asyncio_create_task(consumer, &takers[i]);
    nap(0.1);
    TRY(producer(&source));
    TRY(asyncio_gather(tasks, 3, totals));
    say("totals %d %d %d", totals[0], totals[1], totals[2]);
    drop_all(tasks, 3);
    asyncio_queue_fini(&unbounded);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
