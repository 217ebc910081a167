/* A timeout around a task group: the expiry cancels the tasks and comes out as -ETIMEDOUT (C-13, C-18). */

#include "parity.h"

struct work {
    const char *name;
    double seconds, cleanup;
    int error;
};

static int works(void *arg)
{
    const struct work *work = arg;
    int r = asyncio_sleep(work->seconds);

    if (r >= 0) {
        say("%s ends", work->name);
        return r;
    }
    TRY(asyncio_sleep(work->cleanup));
    say("%s has cleaned up", work->name);
    return work->error ? work->error : r;
}

static void scene(const char *title, int error)
{
    struct work work[] = {{"quick", 0.5, 0, 0}, {"slow", 10, 0.2, error}, {"slower", 10, 0.4, 0}};
    struct asyncio_taskgroup group = {.keep_errors = true};
    struct asyncio_timeout limit;

    say("%s", title);
    int r = asyncio_timeout_enter(&limit, 1);
    if (r >= 0)
        r = asyncio_taskgroup_enter(&group);
    if (r >= 0) {
        for (size_t i = 0; i < COUNT(work); i++)
            asyncio_taskgroup_create_task(&group, works, &work[i]);
        r = asyncio_taskgroup_exit(&group, 0);
    }
    r = asyncio_timeout_exit(&limit, r);
    if (r == -ETIMEDOUT)
        say("%s, expired %s", outcome(r), truth(asyncio_timeout_expired(&limit)));
    else
        say("errors: %s, expired %s", names_of(&group), truth(asyncio_timeout_expired(&limit)));
    asyncio_taskgroup_fini(&group);
    say("requests %d", asyncio_task_cancelling(asyncio_current_task()));
    nap(0.1);
}

static int main_task(void *arg)
{
    (void)arg;
    scene("without an error", 0);
    scene("with an error in a clean-up", -5);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
