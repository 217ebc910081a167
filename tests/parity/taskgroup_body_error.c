/* An error of the body cancels the tasks, and comes last among the errors (C-17). */

#include "parity.h"

struct cleaner {
    const char *name;
    double seconds;
    int error;
};

static int cleans_up(void *arg)
{
    const struct cleaner *cleaner = arg;
    int r = asyncio_sleep(10);

    if (r == -ECANCELED) {
        TRY(asyncio_sleep(cleaner->seconds));
        say("%s has cleaned up", cleaner->name);
    }
    return cleaner->error ? cleaner->error : r;
}

static void leave(struct asyncio_taskgroup *group, int r)
{
    if (asyncio_taskgroup_exit(group, r) < 0)
        say("errors: %s", names_of(group));
    asyncio_taskgroup_fini(group);
}

static int main_task(void *arg)
{
    struct cleaner cleaners[] = {
        {"first", 0.1, 0}, {"second", 0.2, -7}, {"third", 0.1, -8}, {"fourth", 0.1, 0}, {"fifth", 0.2, -9},
    };
    struct asyncio_taskgroup group = {.keep_errors = true};

    (void)arg;
    TRY(asyncio_taskgroup_enter(&group));
    asyncio_taskgroup_create_task(&group, cleans_up, &cleaners[0]);
    int r = asyncio_sleep(0.5);
    leave(&group, r < 0 ? r : -5);

    group = (struct asyncio_taskgroup){.keep_errors = true};
    TRY(asyncio_taskgroup_enter(&group));
    asyncio_taskgroup_create_task(&group, cleans_up, &cleaners[1]);
    asyncio_taskgroup_create_task(&group, cleans_up, &cleaners[2]);
    r = asyncio_sleep(0.5);
    leave(&group, r < 0 ? r : -6);

    say("the body answers the group's cancel with an error of its own");
    group = (struct asyncio_taskgroup){.keep_errors = true};
    TRY(asyncio_taskgroup_enter(&group));
    asyncio_taskgroup_create_task(&group, cleans_up, &cleaners[3]);
    struct asyncio_future *child = asyncio_taskgroup_create_task(&group, cleans_up, &cleaners[4]);
    nap(0.1);
    asyncio_future_cancel(child);
    r = asyncio_sleep(1);
    leave(&group, r == -ECANCELED ? -10 : r);
    nap(0.1);
    say("main has %d requests", asyncio_task_cancelling(asyncio_current_task()));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
