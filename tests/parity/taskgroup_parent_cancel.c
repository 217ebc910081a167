/* A cancel from outside goes to all tasks of the group, waits for them, and goes on (C-18). */

#include "parity.h"

struct cleaner {
    const char *name;
    double seconds;
};

static int cleans_up(void *arg)
{
    const struct cleaner *cleaner = arg;
    int r = asyncio_sleep(10);

    if (r == -ECANCELED) {
        TRY(asyncio_sleep(cleaner->seconds));
        say("%s has cleaned up", cleaner->name);
    }
    return r;
}

static int parent(void *arg)
{
    const double *body_seconds = arg;
    struct cleaner slow = {"slow", 0.3}, quick = {"quick", 0.1};
    struct asyncio_taskgroup group = {0};

    TRY(asyncio_taskgroup_enter(&group));
    asyncio_taskgroup_create_task(&group, cleans_up, &slow);
    asyncio_taskgroup_create_task(&group, cleans_up, &quick);
    int r = asyncio_sleep(*body_seconds);
    if (r >= 0)
        say("the body ends");
    r = asyncio_taskgroup_exit(&group, r);
    if (r < 0)
        say("the group gives %s, requests %d", outcome(r), asyncio_task_cancelling(asyncio_current_task()));
    return r;
}

static int main_task(void *arg)
{
    double seconds = 10;

    (void)arg;
    say("while the body waits");
    struct asyncio_future *task = asyncio_create_task(parent, &seconds);
    nap(1);
    asyncio_future_cancel(task);
    say("parent: %s", outcome(take(task)));

    say("while the exit waits");
    seconds = 0.1;
    task = asyncio_create_task(parent, &seconds);
    nap(1);
    asyncio_future_cancel(task);
    say("parent: %s", outcome(take(task)));

    say("three times");
    seconds = 10;
    task = asyncio_create_task(parent, &seconds);
    nap(1);
    asyncio_future_cancel(task);
    nap(0.05);
    asyncio_future_cancel(task);
    nap(0.1);
    asyncio_future_cancel(task);
    int r = asyncio_await(task);
    say("parent: %s, requests %d", outcome(r), asyncio_task_cancelling(task));
    asyncio_future_unref(task);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
