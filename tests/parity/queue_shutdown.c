/* A queue that is shut down takes nothing more, and gives what it has to the last item. */

#include "parity.h"

struct consumer {
    struct asyncio_queue *queue;
    const char *name;
};

static int consumer(void *arg)
{
    const struct consumer *me = arg;
    void *item;
    int r;

    while ((r = asyncio_queue_get(me->queue, &item)) >= 0) {
        say("%s got %d", me->name, number_of(item));
        TRY(asyncio_sleep(0.1));
        asyncio_queue_task_done(me->queue);
    }
    if (r != -ASYNCIO_EQUEUESHUTDOWN)
        return r;
    say("%s is told of the end", me->name);
    return 0;
}

static int put_four(void *arg)
{
    say("put 4: %s", outcome(asyncio_queue_put(arg, item_of(4))));
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_queue empty = ASYNCIO_QUEUE_INIT(0), full = ASYNCIO_QUEUE_INIT(3);
    struct consumer a = {&empty, "a"}, b = {&empty, "b"}, c = {&full, "c"}, d = {&full, "d"};
    void *item;

    (void)arg;
    say("getters wait");
    struct asyncio_future *consumers[] = {asyncio_create_task(consumer, &a), asyncio_create_task(consumer, &b)};
    nap(0.1);
    asyncio_queue_shutdown(&empty, false);
    asyncio_queue_shutdown(&empty, false);
    take_all(consumers, 2);
    int put = asyncio_queue_put(&empty, item_of(1)), get = asyncio_queue_get(&empty, &item);
    say("put: %s, get: %s", outcome(put), outcome(get));
    say("put_nowait: %s", outcome(asyncio_queue_put_nowait(&empty, item_of(1))));
    say("get_nowait: %s", outcome(asyncio_queue_get_nowait(&empty, &item)));

    say("items and a putter wait");
    for (int number = 1; number <= 3; number++)
        TRY(asyncio_queue_put_nowait(&full, item_of(number)));
    struct asyncio_future *putter = asyncio_create_task(put_four, &full);
    nap(0.1);
    asyncio_queue_shutdown(&full, false);
    TRY(take(putter));
    consumers[0] = asyncio_create_task(consumer, &c);
    consumers[1] = asyncio_create_task(consumer, &d);
    TRY(asyncio_queue_join(&full));
    say("joined");
    take_all(consumers, 2);
    asyncio_queue_fini(&empty);
    asyncio_queue_fini(&full);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
