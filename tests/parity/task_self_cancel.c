/* A task that cancels itself goes on until it waits; if it never waits, it ends cancelled (T-07). */

#include "parity.h"

static int waits(void *arg)
{
    (void)arg;
    say("waits cancels itself: %s", truth(asyncio_future_cancel(asyncio_current_task())));
    say("waits goes on");
    say("first sleep: %s", outcome(asyncio_sleep(1)));
    say("second sleep: %s", outcome(asyncio_sleep(1)));
    return 4;
}

static int yields(void *arg)
{
    (void)arg;
    asyncio_future_cancel(asyncio_current_task());
    say("sleep(0): %s", outcome(asyncio_sleep(0)));
    return 5;
}

static int never_waits(void *arg)
{
    (void)arg;
    asyncio_future_cancel(asyncio_current_task());
    say("never_waits returns 6");
    return 6;
}

static int main_task(void *arg)
{
    (void)arg;
    say("waits: %s", outcome(take(asyncio_create_task(waits, NULL))));
    say("yields: %s", outcome(take(asyncio_create_task(yields, NULL))));
    struct asyncio_future *task = asyncio_create_task(never_waits, NULL);
    int r = asyncio_await(task);
    say("never_waits: %s, cancelled %s", outcome(r), truth(asyncio_future_cancelled(task)));
    asyncio_future_unref(task);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
