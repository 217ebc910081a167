/* A task of a group that is cancelled alone, or cancels itself, disturbs nobody (C-16). */

#include "parity.h"

struct work {
    const char *name;
    double seconds;
};

static int works(void *arg)
{
    const struct work *work = arg;

    TRY(asyncio_sleep(work->seconds));
    say("%s ends", work->name);
    return 1;
}

static int cancels_itself(void *arg)
{
    (void)arg;
    asyncio_future_cancel(asyncio_current_task());
    return asyncio_sleep(1);
}

static int main_task(void *arg)
{
    struct work stays_work = {"stays", 0.5}, goes_work = {"goes", 10};
    struct asyncio_taskgroup group = {0};

    (void)arg;
    TRY(asyncio_taskgroup_enter(&group));
    struct asyncio_future *stays = asyncio_future_ref(asyncio_taskgroup_create_task(&group, works, &stays_work));
    struct asyncio_future *goes = asyncio_future_ref(asyncio_taskgroup_create_task(&group, works, &goes_work));
    struct asyncio_future *itself = asyncio_future_ref(asyncio_taskgroup_create_task(&group, cancels_itself, NULL));
    nap(0.1);
    asyncio_future_cancel(goes);
    nap(0.1);
    say("goes: %s, itself: %s", outcome_of(goes), outcome_of(itself));
    TRY(asyncio_taskgroup_exit(&group, 0));
    say("the group is left, stays: %s", outcome_of(stays));
    say("main has %d requests", asyncio_task_cancelling(asyncio_current_task()));
    asyncio_future_unref(stays);
    asyncio_future_unref(goes);
    asyncio_future_unref(itself);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
