/* as_completed that gives the tasks themselves, in the order of completion, then ETIMEDOUT (C-10). */

#include "parity.h"

static int works(void *arg)
{
    TRY(asyncio_sleep(number_of(arg) / 10.0));
    return number_of(arg);
}

static void create(struct asyncio_future *tasks[3], const int numbers[3])
{
    char name[24];

    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "works-%d", numbers[i]);
        tasks[i] = asyncio_create_task(works, item_of(numbers[i]), .name = name);
    }
}

static int say_all(struct asyncio_future *const *tasks, size_t n, double timeout)
{
    struct asyncio_as_completed iteration;
    struct asyncio_future *task;
    int r;

    TRY(asyncio_as_completed(&iteration, tasks, n, timeout));
    while ((r = asyncio_as_completed_next(&iteration, &task)) > 0)
        say("next: %s, %s", asyncio_task_get_name(task), outcome_of(task));
    asyncio_as_completed_fini(&iteration);
    return r;
}

static int main_task(void *arg)
{
    struct asyncio_future *tasks[3];

    (void)arg;
    create(tasks, (const int[]){3, 1, 2});
    TRY(say_all(tasks, 3, ASYNCIO_FOREVER));
    drop_all(tasks, 3);

    TRY(say_all(NULL, 0, ASYNCIO_FOREVER));
    say("as_completed of nothing ends at once");

    create(tasks, (const int[]){5, 9, 4});
    say("%s", outcome(say_all(tasks, 3, 0.7)));
    nap(1);
    say("the late one was not cancelled: %s", outcome_of(tasks[1]));
    drop_all(tasks, 3);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
