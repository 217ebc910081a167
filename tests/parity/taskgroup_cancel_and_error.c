/* When a cancel from outside meets an error of a task, the error wins, and the next wait is cancelled (C-18). */

#include "parity.h"

static int fails_in_cleanup(void *arg)
{
    (void)arg;
    if (asyncio_sleep(10) == -ECANCELED)
        TRY(asyncio_sleep(0.3));
    return -5;
}

static int parent(void *arg)
{
    struct asyncio_future *me = asyncio_current_task();
    struct asyncio_taskgroup group = {.keep_errors = true};

    (void)arg;
    TRY(asyncio_taskgroup_enter(&group));
    asyncio_taskgroup_create_task(&group, fails_in_cleanup, NULL);
    if (asyncio_taskgroup_exit(&group, asyncio_sleep(10)) < 0)
        say("errors: %s, requests %d", names_of(&group), asyncio_task_cancelling(me));
    asyncio_taskgroup_fini(&group);
    say("the next wait: %s", outcome(asyncio_sleep(1)));
    int r = asyncio_sleep(1);
    say("and the one after it: %s, requests %d", outcome(r), asyncio_task_cancelling(me));
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_future *task = asyncio_create_task(parent, NULL);

    (void)arg;
    nap(1);
    asyncio_future_cancel(task);
    say("parent: %s", outcome(take(task)));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
