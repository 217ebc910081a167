/* A child that is cancelled alone gives gather its -ECANCELED, but the gather itself is not cancelled (C-04). */

#include "parity.h"

static int works(void *arg)
{
    TRY(asyncio_sleep(0.5));
    say("works %d ends", number_of(arg));
    return number_of(arg);
}

static int main_task(void *arg)
{
    struct asyncio_future *tasks[3];
    int results[3];

    (void)arg;
    for (int number = 0; number < 3; number++)
        tasks[number] = asyncio_create_task(works, item_of(number));
    struct asyncio_future *group = asyncio_gather_future(tasks, 3, results);
    nap(0.1);
    asyncio_future_cancel(tasks[1]);
    say("gather: %s", outcome(asyncio_await(group)));
    say("gather is done: %s, cancelled: %s", truth(asyncio_future_done(group)), truth(asyncio_future_cancelled(group)));
    say("main has %d requests", asyncio_task_cancelling(asyncio_current_task()));
    nap(1);
    say("children: %s, %s, %s", outcome_of(tasks[0]), outcome_of(tasks[1]), outcome_of(tasks[2]));
    asyncio_future_unref(group);
    drop_all(tasks, 3);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
