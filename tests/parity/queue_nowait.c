/* The nowait forms never wait: they say that the queue is full or empty. */

#include "parity.h"

static void try_put(struct asyncio_queue *queue, int item)
{
    int r = asyncio_queue_put_nowait(queue, item_of(item));

    if (r < 0)
        say("put %d: %s", item, outcome(r));
    else
        say("put %d, %zu in the queue", item, asyncio_queue_qsize(queue));
}

static void try_get(struct asyncio_queue *queue)
{
    void *item;
    int r = asyncio_queue_get_nowait(queue, &item);

    if (r < 0)
        say("get: %s", outcome(r));
    else
        say("got %d, %zu in the queue", number_of(item), asyncio_queue_qsize(queue));
}

static int waits(void *arg)
{
    void *item;

    TRY(asyncio_queue_get(arg, &item));
    say("a waiting getter gets %d", number_of(item));
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_queue queue = ASYNCIO_QUEUE_INIT(2);

    (void)arg;
    try_get(&queue);
    for (int item = 1; item <= 3; item++)
        try_put(&queue, item);
    for (int i = 0; i < 3; i++)
        try_get(&queue);
    struct asyncio_future *getter = asyncio_create_task(waits, &queue);
    nap(0.1);
    TRY(asyncio_queue_put_nowait(&queue, item_of(4)));
    say("4 is put");
    TRY(take(getter));
    try_get(&queue);
    asyncio_queue_fini(&queue);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
