/* A group in a group: an inner error goes up through both, a cancel from outside goes down (C-16, C-18). */

#include "parity.h"

struct work {
    const char *name;
    double seconds;
    int error;
};

static int works(void *arg)
{
    const struct work *work = arg;
    int r = asyncio_sleep(work->seconds);

    if (r == -ECANCELED)
        say("%s is cancelled", work->name);
    if (r < 0)
        return r;
    say("%s ends", work->name);
    return work->error;
}

static int inner(void *arg)
{
    const int *error = arg;
    struct work work = {"inner worker", 0.3, *error};
    struct asyncio_taskgroup group = {0};

    TRY(asyncio_taskgroup_enter(&group));
    asyncio_taskgroup_create_task(&group, works, &work);
    int r = asyncio_sleep(0.1);
    if (r >= 0)
        say("the inner body ends");
    TRY(asyncio_taskgroup_exit(&group, r));
    say("the inner group is left");
    return 0;
}

static int outer(void *arg)
{
    struct work work = {"outer worker", 0.5, 0};
    struct asyncio_taskgroup group = {.keep_errors = true};

    TRY(asyncio_taskgroup_enter(&group));
    asyncio_taskgroup_create_task(&group, inner, arg);
    asyncio_taskgroup_create_task(&group, works, &work);
    int r = asyncio_taskgroup_exit(&group, 0);
    if (r < 0 && r != -ECANCELED) {
        say("errors: %s", names_of(&group));
        r = 1;
    } else if (r >= 0) {
        say("the outer group is left");
    }
    asyncio_taskgroup_fini(&group);
    return r;
}

static int main_task(void *arg)
{
    int none = 0, error = -5;
    struct work first = {"worker of the first", 1, 0}, second = {"worker of the second", 0.1, -6};
    struct asyncio_taskgroup one = {.keep_errors = true}, two = {0};

    (void)arg;
    say("without an error: %s", outcome(outer(&none)));
    say("with an error: %s", outcome(outer(&error)));
    struct asyncio_future *task = asyncio_create_task(outer, &none);
    nap(0.2);
    asyncio_future_cancel(task);
    say("with a cancel: %s", outcome(take(task)));

    say("both in one task");
    TRY(asyncio_taskgroup_enter(&one));
    asyncio_taskgroup_create_task(&one, works, &first);
    int r = asyncio_taskgroup_enter(&two);
    if (r >= 0) {
        asyncio_taskgroup_create_task(&two, works, &second);
        r = asyncio_taskgroup_exit(&two, 0);
    }
    if (r >= 0)
        say("never printed");
    if (asyncio_taskgroup_exit(&one, r) < 0)
        say("errors: %s", names_of(&one));
    asyncio_taskgroup_fini(&one);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
