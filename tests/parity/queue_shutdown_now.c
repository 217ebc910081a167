/* An immediate shutdown drops the items; a join still waits for those that were taken before. */

#include "parity.h"

static int worker(void *arg)
{
    struct asyncio_queue *queue = arg;
    void *item;

    TRY(asyncio_queue_get(queue, &item));
    say("the worker has taken %d", number_of(item));
    TRY(asyncio_sleep(0.5));
    asyncio_queue_task_done(queue);
    say("the worker is done with %d", number_of(item));
    say("get: %s", outcome(asyncio_queue_get(queue, &item)));
    return 0;
}

static int joins(void *arg)
{
    TRY(asyncio_queue_join(arg));
    say("joined");
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_queue taken = ASYNCIO_QUEUE_INIT(0), untaken = ASYNCIO_QUEUE_INIT(0);

    (void)arg;
    for (int item = 1; item <= 3; item++)
        TRY(asyncio_queue_put_nowait(&taken, item_of(item)));
    struct asyncio_future *working = asyncio_create_task(worker, &taken);
    struct asyncio_future *joining = asyncio_create_task(joins, &taken);
    nap(0.2);
    asyncio_queue_shutdown(&taken, true);
    say("shut down, %zu in the queue", asyncio_queue_qsize(&taken));
    TRY(take(working));
    TRY(take(joining));
    asyncio_queue_fini(&taken);

    say("nothing was taken: joined at once");
    TRY(asyncio_queue_put_nowait(&untaken, item_of(4)));
    joining = asyncio_create_task(joins, &untaken);
    nap(0.1);
    asyncio_queue_shutdown(&untaken, true);
    TRY(take(joining));
    asyncio_queue_fini(&untaken);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
