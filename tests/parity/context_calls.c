/* A coroutine that is called, also by wait_for, shares its caller's context; a task does not. */

#include "parity.h"

static const struct asyncio_contextvar colour = {.name = "colour"};

static int paints(void *arg)
{
    TRY(asyncio_sleep(0.1));
    set_number(&colour, number_of(arg));
    say("paints sets %d", number_of(arg));
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_timeout limit;
    struct asyncio_taskgroup group = {0};

    (void)arg;
    TRY(paints(item_of(1)));
    say("after a call: %d", get_number(&colour, 0));
    TRY(asyncio_wait_for(paints, item_of(2), 1));
    say("after wait_for: %d", get_number(&colour, 0));
    TRY(asyncio_timeout_enter(&limit, 1));
    TRY(asyncio_timeout_exit(&limit, paints(item_of(3))));
    say("after a timeout scope: %d", get_number(&colour, 0));
    TRY(take(asyncio_create_task(paints, item_of(4))));
    say("after a task: %d", get_number(&colour, 0));
    struct asyncio_future *both[] = {asyncio_create_task(paints, item_of(5)), asyncio_create_task(paints, item_of(6))};
    TRY(asyncio_gather(both, 2, NULL));
    drop_all(both, 2);
    say("after gather: %d", get_number(&colour, 0));
    struct asyncio_future *task = asyncio_create_task(paints, item_of(7));
    TRY(asyncio_wait_for_future(task, 1));
    asyncio_future_unref(task);
    say("after wait_for of a task: %d", get_number(&colour, 0));
    TRY(asyncio_taskgroup_enter(&group));
    asyncio_taskgroup_create_task(&group, paints, item_of(8));
    TRY(asyncio_taskgroup_exit(&group, 0));
    say("after a task group: %d", get_number(&colour, 0));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
