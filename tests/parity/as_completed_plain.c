/* as_completed that gives the results in the order of completion, then the timeouts (C-09). */

#include "parity.h"

struct work {
    int number;
    double seconds;
};

static int works(void *arg)
{
    const struct work *work = arg;

    TRY(asyncio_sleep(work->seconds));
    return work->number == 2 ? -5 : work->number;
}

static int say_all(struct asyncio_future *const *tasks, size_t n, double timeout)
{
    struct asyncio_as_completed iteration;
    int result, r;

    TRY(asyncio_as_completed(&iteration, tasks, n, timeout));
    while ((r = asyncio_as_completed_next_result(&iteration, &result)) > 0)
        say("next: %s", outcome(result));
    asyncio_as_completed_fini(&iteration);
    return r;
}

static int main_task(void *arg)
{
    struct work work[] = {{1, 0.3}, {2, 0.1}, {3, 0.2}, {4, 0.1}, {9, 0.9}, {1, 0.1}, {8, 0.8}};
    struct asyncio_future *tasks[3];

    (void)arg;
    for (int i = 0; i < 3; i++)
        tasks[i] = asyncio_create_task(works, &work[i]);
    TRY(say_all(tasks, 3, ASYNCIO_FOREVER));
    drop_all(tasks, 3);

    say("a duplicate counts once");
    struct asyncio_future *task = asyncio_create_task(works, &work[3]);
    TRY(say_all((struct asyncio_future *[]){task, task}, 2, ASYNCIO_FOREVER));
    asyncio_future_unref(task);

    say("with a timeout");
    for (int i = 0; i < 3; i++)
        tasks[i] = asyncio_create_task(works, &work[4 + i]);
    TRY(say_all(tasks, 3, 0.5));
    nap(1);
    say("the tasks were not cancelled: %s, %s, %s", outcome_of(tasks[0]), outcome_of(tasks[1]), outcome_of(tasks[2]));
    drop_all(tasks, 3);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
