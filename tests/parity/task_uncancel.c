/* Requests to cancel are counted and can be taken back, and at 0 an undelivered one is dropped (T-09). */

#include "parity.h"

static int counts(void *arg)
{
    struct asyncio_future *me = asyncio_current_task();

    (void)arg;
    say("uncancel without a request: %d", asyncio_task_uncancel(me));
    if (asyncio_sleep(10) == -ECANCELED)
        say("caught, requests %d", asyncio_task_cancelling(me));
    if (asyncio_sleep(10) == -ECANCELED)
        say("caught again, requests %d", asyncio_task_cancelling(me));
    say("uncancel: %d", asyncio_task_uncancel(me));
    say("uncancel: %d", asyncio_task_uncancel(me));
    say("uncancel: %d", asyncio_task_uncancel(me));
    TRY(asyncio_sleep(0.5));
    return 1;
}

static int changes_its_mind(void *arg)
{
    struct asyncio_future *me = asyncio_current_task();

    (void)arg;
    asyncio_future_cancel(me);
    asyncio_future_cancel(me);
    say("two requests, uncancel: %d", asyncio_task_uncancel(me));
    say("uncancel: %d", asyncio_task_uncancel(me));
    TRY(asyncio_sleep(0.5));
    say("the sleep was not cancelled");
    return 2;
}

static int keeps_one(void *arg)
{
    struct asyncio_future *me = asyncio_current_task();

    (void)arg;
    asyncio_future_cancel(me);
    asyncio_future_cancel(me);
    say("two requests, uncancel once: %d", asyncio_task_uncancel(me));
    say("sleep: %s", outcome(asyncio_sleep(0.5)));
    return 3;
}

static int main_task(void *arg)
{
    struct asyncio_future *task = asyncio_create_task(counts, NULL);

    (void)arg;
    nap(0.1);
    asyncio_future_cancel(task);
    nap(0.1);
    asyncio_future_cancel(task);
    int r = asyncio_await(task);
    say("counts: %s, requests %d", outcome(r), asyncio_task_cancelling(task));
    asyncio_future_unref(task);
    say("changes_its_mind: %s", outcome(take(asyncio_create_task(changes_its_mind, NULL))));
    say("keeps_one: %s", outcome(take(asyncio_create_task(keeps_one, NULL))));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
