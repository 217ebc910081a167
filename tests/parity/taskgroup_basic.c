/* The exit of a task group waits for every task, also for those that its tasks add (C-16). */

#include "parity.h"

struct work {
    const char *name;
    double seconds;
    int answer;
};

static int works(void *arg)
{
    const struct work *work = arg;

    TRY(asyncio_sleep(work->seconds));
    say("%s ends", work->name);
    return work->answer;
}

static int spawns(void *arg)
{
    static struct work late = {"late child", 0.4, 5};

    TRY(asyncio_sleep(0.1));
    asyncio_taskgroup_create_task(arg, works, &late);
    say("spawns has added a child");
    return 0;
}

static int main_task(void *arg)
{
    struct work slow_work = {"slow", 0.3, 3}, quick_work = {"quick", 0.1, 4};
    struct asyncio_taskgroup results = {0}, late = {0}, empty = {0};

    (void)arg;
    TRY(asyncio_taskgroup_enter(&results));
    struct asyncio_future *slow = asyncio_future_ref(asyncio_taskgroup_create_task(&results, works, &slow_work));
    struct asyncio_future *quick = asyncio_future_ref(asyncio_taskgroup_create_task(&results, works, &quick_work));
    say("the body ends");
    TRY(asyncio_taskgroup_exit(&results, 0));
    say("results: %s, %s", outcome_of(slow), outcome_of(quick));
    asyncio_future_unref(slow);
    asyncio_future_unref(quick);

    TRY(asyncio_taskgroup_enter(&late));
    asyncio_taskgroup_create_task(&late, spawns, &late);
    int r = asyncio_sleep(0.05);
    say("the body ends");
    TRY(asyncio_taskgroup_exit(&late, r));
    say("the group waited for the late child");

    TRY(asyncio_taskgroup_enter(&empty));
    TRY(asyncio_taskgroup_exit(&empty, 0));
    say("an empty group");
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
