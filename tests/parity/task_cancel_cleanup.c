/* A clean-up may wait; a second cancel interrupts it; a cancel of a done task says no (T-06). */

#include "parity.h"

static int worker(void *arg)
{
    const char *name = arg;
    int r = asyncio_sleep(10);

    if (r == -ECANCELED) {
        say("%s cleans up", name);
        if (asyncio_sleep(1) == -ECANCELED)
            say("%s is interrupted in its clean-up", name);
        else
            say("%s has cleaned up", name);
    }
    return r;
}

static int main_task(void *arg)
{
    struct asyncio_future *patient = asyncio_create_task(worker, word("patient"));
    struct asyncio_future *hurried = asyncio_create_task(worker, word("hurried"));

    (void)arg;
    nap(0.1);
    asyncio_future_cancel(patient);
    asyncio_future_cancel(hurried);
    nap(0.5);
    int cancelled = asyncio_future_cancel(hurried);
    say("hurried: cancel %s, requests %d", truth(cancelled), asyncio_task_cancelling(hurried));
    say("hurried: %s", outcome(take(hurried)));
    say("patient: %s", outcome(asyncio_await(patient)));
    cancelled = asyncio_future_cancel(patient);
    say("cancel of a done task: %s, requests %d", truth(cancelled), asyncio_task_cancelling(patient));
    asyncio_future_unref(patient);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
