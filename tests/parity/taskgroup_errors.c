/* The first error cancels the other tasks; all errors come out in the order in which they happened (C-16, C-17). */

#include "parity.h"

struct work {
    double seconds;
    int error;
};

static int fails(void *arg)
{
    const struct work *work = arg;

    TRY(asyncio_sleep(work->seconds));
    return work->error;
}

static int cleans_up(void *arg)
{
    const struct work *work = arg;
    int r = asyncio_sleep(10);

    if (r == -ECANCELED) {
        TRY(asyncio_sleep(work->seconds));
        say("cleans_up has cleaned up");
    }
    return r;
}

static int fails_in_cleanup(void *arg)
{
    const struct work *work = arg;

    if (asyncio_sleep(10) == -ECANCELED)
        TRY(asyncio_sleep(work->seconds));
    return work->error;
}

static int main_task(void *arg)
{
    struct work work[] = {{0.1, -5}, {0.2, 0}, {0.3, -6}, {0.1, -7}, {0.1, -8}};
    struct asyncio_taskgroup group = {.keep_errors = true};

    (void)arg;
    TRY(asyncio_taskgroup_enter(&group));
    struct asyncio_future *first = asyncio_future_ref(asyncio_taskgroup_create_task(&group, fails, &work[0]));
    struct asyncio_future *second = asyncio_future_ref(asyncio_taskgroup_create_task(&group, cleans_up, &work[1]));
    asyncio_taskgroup_create_task(&group, fails_in_cleanup, &work[2]);
    asyncio_taskgroup_create_task(&group, fails_in_cleanup, &work[3]);
    if (asyncio_taskgroup_exit(&group, 0) < 0)
        say("errors: %s", names_of(&group));
    asyncio_taskgroup_fini(&group);
    say("children: %s, %s", outcome_of(first), outcome_of(second));
    say("main has %d requests", asyncio_task_cancelling(asyncio_current_task()));
    asyncio_future_unref(first);
    asyncio_future_unref(second);

    say("the body waits, and is cancelled by the group");
    group = (struct asyncio_taskgroup){.keep_errors = true};
    TRY(asyncio_taskgroup_enter(&group));
    asyncio_taskgroup_create_task(&group, fails, &work[4]);
    int r = asyncio_sleep(10);
    if (r == -ECANCELED)
        say("the body is cancelled, requests %d", asyncio_task_cancelling(asyncio_current_task()));
    if (asyncio_taskgroup_exit(&group, r) < 0)
        say("errors: %s", names_of(&group));
    asyncio_taskgroup_fini(&group);
    nap(0.1);
    say("main has %d requests", asyncio_task_cancelling(asyncio_current_task()));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
