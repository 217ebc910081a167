/* A task may swallow its cancellation: then it has a result, and the request stays counted (T-08). */

#include "parity.h"

static int swallows(void *arg)
{
    (void)arg;
    if (asyncio_sleep(10) == -ECANCELED)
        say("swallows catches the cancellation");
    TRY(asyncio_sleep(0.5));
    say("swallows has slept again, requests %d", asyncio_task_cancelling(asyncio_current_task()));
    return 8;
}

static int main_task(void *arg)
{
    struct asyncio_future *task = asyncio_create_task(swallows, NULL);

    (void)arg;
    nap(1);
    say("cancel: %s", truth(asyncio_future_cancel(task)));
    say("outcome: %s", outcome(asyncio_await(task)));
    say("cancelled %s, requests %d", truth(asyncio_future_cancelled(task)), asyncio_task_cancelling(task));
    asyncio_future_unref(task);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
