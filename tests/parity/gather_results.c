/* gather runs all at once and gives the results in argument order, duplicates repeated (C-02). */

#include "parity.h"

struct work {
    int number;
    double seconds;
};

static int works(void *arg)
{
    const struct work *work = arg;

    say("works %d starts", work->number);
    TRY(asyncio_sleep(work->seconds));
    say("works %d ends", work->number);
    return work->number * work->number;
}

static int main_task(void *arg)
{
    struct work work[] = {{1, 0.3}, {2, 0.1}, {3, 0.2}, {4, 0.1}};
    struct asyncio_future *tasks[3];
    int results[3];

    (void)arg;
    for (size_t i = 0; i < 3; i++)
        tasks[i] = asyncio_create_task(works, &work[i]);
    TRY(asyncio_gather(tasks, 3, results));
    say("results: %d %d %d", results[0], results[1], results[2]);
    drop_all(tasks, 3);

    TRY(asyncio_gather(NULL, 0, NULL));
    say("gather of nothing: 0 results");

    struct asyncio_future *task = asyncio_create_task(works, &work[3]);
    struct asyncio_future *future = asyncio_loop_create_future(asyncio_get_running_loop());
    asyncio_future_set_result(future, 5, NULL);
    struct asyncio_future *mixed[] = {task, future, task};
    TRY(asyncio_gather(mixed, 3, results));
    say("a task, a done future and the task again: %d %d %d", results[0], results[1], results[2]);

    TRY(asyncio_gather(mixed, 2, results));
    say("only done ones: %d %d", results[0], results[1]);
    asyncio_future_unref(task);
    asyncio_future_unref(future);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
