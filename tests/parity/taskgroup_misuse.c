/* A group takes tasks from its entry to its end, and not while it shuts down (C-16). */

#include "parity.h"

static int never_starts(void *arg)
{
    (void)arg;
    say("never printed");
    return 0;
}

static int fails(void *arg)
{
    (void)arg;
    TRY(asyncio_sleep(0.1));
    return -5;
}

/* A group that takes no task gives a future that has failed already. */
static const char *try_to_create(struct asyncio_taskgroup *group)
{
    struct asyncio_future *child = asyncio_taskgroup_create_task(group, never_starts, NULL);

    return asyncio_future_done(child) ? refused(asyncio_future_result(child)) : "allowed";
}

static int adds_in_cleanup(void *arg)
{
    int r = asyncio_sleep(10);

    if (r == -ECANCELED)
        say("while it shuts down: %s", try_to_create(arg));
    return r;
}

static int main_task(void *arg)
{
    struct asyncio_taskgroup group = {0};

    (void)arg;
    say("before the entry: %s", try_to_create(&group));
    TRY(asyncio_taskgroup_enter(&group));
    TRY(asyncio_taskgroup_exit(&group, 0));
    say("after the exit: %s", try_to_create(&group));
    say("entered again: %s", refused(asyncio_taskgroup_enter(&group)));

    group = (struct asyncio_taskgroup){.keep_errors = true};
    TRY(asyncio_taskgroup_enter(&group));
    asyncio_taskgroup_create_task(&group, fails, NULL);
    asyncio_taskgroup_create_task(&group, adds_in_cleanup, &group);
    if (asyncio_taskgroup_exit(&group, 0) < 0)
        say("errors: %s", names_of(&group));
    asyncio_taskgroup_fini(&group);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
