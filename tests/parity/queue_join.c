/* A join waits until every item is done with, not only taken. */

#include "parity.h"

static struct asyncio_queue queue = ASYNCIO_QUEUE_INIT(0);

static int worker(void *name)
{
    void *item;

    for (;;) {
        TRY(asyncio_queue_get(&queue, &item));
        TRY(asyncio_sleep(number_of(item) / 10.0));
        say("%s is done with %d", (const char *)name, number_of(item));
        asyncio_queue_task_done(&queue);
    }
}

static int joins(void *name)
{
    TRY(asyncio_queue_join(&queue));
    say("%s is joined", (const char *)name);
    return 0;
}

static int main_task(void *arg)
{
    const int items[] = {3, 1, 4, 1, 5};

    (void)arg;
    TRY(asyncio_queue_join(&queue));
    say("an empty queue is joined at once");
    say("task_done without an item: %s", refused(asyncio_queue_task_done(&queue)));
    struct asyncio_future *workers[] = {asyncio_create_task(worker, word("a")), asyncio_create_task(worker, word("b"))};
    for (size_t i = 0; i < COUNT(items); i++)
        TRY(asyncio_queue_put_nowait(&queue, item_of(items[i])));
    struct asyncio_future *joiners[] = {
        asyncio_create_task(joins, word("first")),
        asyncio_create_task(joins, word("second")),
    };
    TRY(asyncio_queue_join(&queue));
    say("main is joined");
    take_all(joiners, 2);
    say("task_done too often: %s", refused(asyncio_queue_task_done(&queue)));

    TRY(asyncio_queue_put_nowait(&queue, item_of(2)));
    TRY(asyncio_queue_join(&queue));
    say("joined again");
    for (size_t i = 0; i < COUNT(workers); i++)
        asyncio_future_cancel(workers[i]);
    take_all(workers, COUNT(workers));
    asyncio_queue_fini(&queue);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
