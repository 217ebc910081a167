/* A task cancelled before its first step runs nothing of its body (T-06). */

#include "parity.h"

static int body(void *arg)
{
    (void)arg;
    say("never printed");
    return asyncio_sleep(1);
}

static int main_task(void *arg)
{
    struct asyncio_future *task = asyncio_create_task(body, NULL);

    (void)arg;
    int cancelled = asyncio_future_cancel(task);
    say("cancel: %s, done %s, cancelled %s, requests %d", truth(cancelled), truth(asyncio_future_done(task)),
        truth(asyncio_future_cancelled(task)), asyncio_task_cancelling(task));
    say("outcome: %s", outcome(asyncio_await(task)));
    say("done %s, cancelled %s", truth(asyncio_future_done(task)), truth(asyncio_future_cancelled(task)));
    cancelled = asyncio_future_cancel(task);
    say("cancel again: %s, requests %d", truth(cancelled), asyncio_task_cancelling(task));
    asyncio_future_unref(task);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
