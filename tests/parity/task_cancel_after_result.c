/* A cancel between a result and its delivery: the waiter is cancelled, the future keeps its value (T-06). */

#include "parity.h"

static int waits_for(void *arg)
{
    say("waiter gets %s", outcome(asyncio_await(arg)));
    return 1;
}

static int five(void *arg)
{
    (void)arg;
    TRY(asyncio_sleep(0.2));
    return 5;
}

static void cancel_waiter(struct asyncio_future *future, void *waiter)
{
    (void)future;
    asyncio_future_cancel(waiter);
}

static int main_task(void *arg)
{
    struct asyncio_future *future = asyncio_loop_create_future(asyncio_get_running_loop());
    struct asyncio_future *waiter = asyncio_create_task(waits_for, future);

    (void)arg;
    nap(0.1);
    asyncio_future_set_result(future, 9, NULL);
    say("cancel: %s", truth(asyncio_future_cancel(waiter)));
    int r = asyncio_await(waiter);
    say("waiter: %s, requests %d", outcome(r), asyncio_task_cancelling(waiter));
    say("the future holds %s", outcome_of(future));
    asyncio_future_unref(waiter);
    asyncio_future_unref(future);

    say("the same with a task in the place of the future");
    struct asyncio_future *inner = asyncio_create_task(five, NULL);
    waiter = asyncio_create_task(waits_for, inner);
    asyncio_future_add_done_callback(inner, cancel_waiter, waiter);
    say("waiter: %s", outcome(take(waiter)));
    say("the task holds %s", outcome_of(inner));
    asyncio_future_unref(inner);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
