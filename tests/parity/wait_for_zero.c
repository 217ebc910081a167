/* wait_for with no time at all: a done future gives its result, a coroutine is never started (C-08). */

#include "parity.h"

static int never_starts(void *arg)
{
    (void)arg;
    say("never printed");
    return 0;
}

static int swallows(void *arg)
{
    (void)arg;
    if (asyncio_sleep(10) == -ECANCELED)
        TRY(asyncio_sleep(0.5));
    return 3;
}

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_future *done = asyncio_loop_create_future(loop);
    struct asyncio_future *pending = asyncio_loop_create_future(loop);

    (void)arg;
    asyncio_future_set_result(done, 5, NULL);
    say("a done future: %s", outcome(asyncio_wait_for_future(done, 0)));
    int r = asyncio_wait_for_future(pending, 0);
    say("a pending future: %s, cancelled: %s", outcome(r), truth(asyncio_future_cancelled(pending)));
    say("a coroutine: %s", outcome(asyncio_wait_for(never_starts, NULL, 0)));
    say("a coroutine and less than no time: %s", outcome(asyncio_wait_for(never_starts, NULL, -1)));
    struct asyncio_future *task = asyncio_create_task(swallows, NULL);
    nap(0.1);
    say("a task that swallows the cancel: %s", outcome(asyncio_wait_for_future(task, 0)));
    asyncio_future_unref(task);
    asyncio_future_unref(done);
    asyncio_future_unref(pending);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
