/* A timeout scope works in the clean-up of a task that is being cancelled (C-13). */

#include "parity.h"

static int worker(void *arg)
{
    struct asyncio_future *me = asyncio_current_task();
    struct asyncio_timeout limit;
    int r = asyncio_sleep(10);

    (void)arg;
    if (r == -ECANCELED) {
        say("cancelled, requests %d", asyncio_task_cancelling(me));
        TRY(asyncio_timeout_enter(&limit, 0.5));
        if (asyncio_timeout_exit(&limit, asyncio_sleep(2)) == -ETIMEDOUT)
            say("the clean-up took too long, requests %d", asyncio_task_cancelling(me));
    }
    return r;
}

static int main_task(void *arg)
{
    struct asyncio_future *task = asyncio_create_task(worker, NULL);

    (void)arg;
    nap(1);
    asyncio_future_cancel(task);
    say("outcome: %s", outcome(take(task)));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
