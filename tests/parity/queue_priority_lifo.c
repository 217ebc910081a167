/* A priority queue gives the smallest first, a LIFO queue the newest; both may be bounded. */

#include "parity.h"

#define ITEMS 6

static const int items[ITEMS] = {5, 1, 4, 2, 6, 3};

struct drain {
    const char *name;
    struct asyncio_queue *queue;
    int count;
};

static int compare_numbers(const void *a, const void *b)
{
    return number_of(a) - number_of(b);
}

static int fill(void *arg)
{
    for (int i = 0; i < ITEMS; i++)
        TRY(asyncio_queue_put(arg, item_of(items[i])));
    say("all items are put");
    return 0;
}

static int drain(void *arg)
{
    const struct drain *me = arg;
    void *item;

    for (int i = 0; i < me->count; i++) {
        TRY(asyncio_queue_get(me->queue, &item));
        say("%s gives %d", me->name, number_of(item));
        asyncio_queue_task_done(me->queue);
        TRY(asyncio_sleep(0.1));
    }
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_queue priority = ASYNCIO_PRIORITY_QUEUE_INIT(0, compare_numbers), lifo = ASYNCIO_LIFO_QUEUE_INIT(0);
    struct asyncio_queue small_priority = ASYNCIO_PRIORITY_QUEUE_INIT(3, compare_numbers);
    struct asyncio_queue small_lifo = ASYNCIO_LIFO_QUEUE_INIT(3);
    struct drain drains[] = {{"priority", &priority, ITEMS}, {"lifo", &lifo, ITEMS}};
    struct drain small_drains[] = {{"priority", &small_priority, ITEMS}, {"lifo", &small_lifo, ITEMS}};
    struct drain two = {"priority", &priority, 2};

    (void)arg;
    for (size_t i = 0; i < COUNT(drains); i++) {
        TRY(fill(drains[i].queue));
        TRY(drain(&drains[i]));
        TRY(asyncio_queue_join(drains[i].queue));
        say("%s is joined", drains[i].name);
    }

    say("bounded to three");
    for (size_t i = 0; i < COUNT(small_drains); i++) {
        struct asyncio_future *filling = asyncio_create_task(fill, small_drains[i].queue);
        nap(0.1);
        TRY(drain(&small_drains[i]));
        TRY(take(filling));
        asyncio_queue_fini(small_drains[i].queue);
    }

    say("a waiting getter gets the first that comes, not the smallest");
    struct asyncio_future *getter = asyncio_create_task(drain, &two);
    nap(0.1);
    TRY(asyncio_queue_put(&priority, item_of(9)));
    nap(0.1);
    TRY(asyncio_queue_put(&priority, item_of(8)));
    TRY(take(getter));
    asyncio_queue_fini(&priority);
    asyncio_queue_fini(&lifo);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
