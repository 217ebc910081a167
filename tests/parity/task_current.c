/* The current task is the one that runs, and none in a callback (T-16); all tasks are those not done (T-17). */

#include "parity.h"

static const char *current(void)
{
    struct asyncio_future *task = asyncio_current_task();

    return task ? asyncio_task_get_name(task) : "none";
}

static int count_tasks(void)
{
    return (int)asyncio_all_tasks(NULL, 0);
}

static void callback(void *arg)
{
    (void)arg;
    say("callback: current task %s, tasks %d", current(), count_tasks());
}

static void called(void)
{
    say("a coroutine that is called, not scheduled: current task %s", current());
}

static int child(void *arg)
{
    (void)arg;
    say("child starts: current task %s, tasks %d", current(), count_tasks());
    TRY(asyncio_sleep(0.1));
    say("child ends: current task %s", current());
    return 0;
}

static int main_task(void *arg)
{
    (void)arg;
    asyncio_task_set_name(asyncio_current_task(), "main");
    say("main alone: tasks %d", count_tasks());
    asyncio_loop_call_soon(asyncio_get_running_loop(), callback, NULL);
    struct asyncio_future *first = asyncio_create_task(child, NULL, .name = "first");
    struct asyncio_future *second = asyncio_create_task(child, NULL, .name = "second");
    say("main has created two: current task %s, tasks %d", current(), count_tasks());
    called();
    TRY(take(first));
    TRY(take(second));
    say("both are done: current task %s, tasks %d", current(), count_tasks());
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
