/* A task has the name it is given, or Task-N with N counted up from 1 (T-11). */

#include "parity.h"

static int introduces_itself(void *arg)
{
    (void)arg;
    say("I am %s", asyncio_task_get_name(asyncio_current_task()));
    return 0;
}

static int renames_itself(void *arg)
{
    (void)arg;
    asyncio_task_set_name(asyncio_current_task(), "baker");
    return asyncio_sleep(0.1);
}

static int main_task(void *arg)
{
    (void)arg;
    say("main is %s", asyncio_task_get_name(asyncio_current_task()));
    struct asyncio_future *unnamed = asyncio_create_task(introduces_itself, NULL);
    struct asyncio_future *named = asyncio_create_task(introduces_itself, NULL, .name = "able");
    struct asyncio_future *another = asyncio_create_task(introduces_itself, NULL);
    struct asyncio_future *renamed = asyncio_create_task(renames_itself, NULL, .name = "nobody");
    say("created: %s, %s, %s, %s", asyncio_task_get_name(unnamed), asyncio_task_get_name(named),
        asyncio_task_get_name(another), asyncio_task_get_name(renamed));
    TRY(take(unnamed));
    TRY(take(named));
    TRY(take(another));
    TRY(asyncio_await(renamed));
    say("the renamed one is %s", asyncio_task_get_name(renamed));
    asyncio_future_unref(renamed);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
