/* With return_exceptions, gather waits for all and lists errors and cancellations among the results (C-03, C-04). */

#include "parity.h"

struct work {
    int number;
    double seconds;
    int answer;
};

static int works(void *arg)
{
    const struct work *work = arg;

    TRY(asyncio_sleep(work->seconds));
    say("works %d ends", work->number);
    return work->answer;
}

static int main_task(void *arg)
{
    struct work work[] = {{0, 0.3, 10}, {1, 0.1, -5}, {2, 10, 12}, {3, 0.2, -7}};
    struct asyncio_future *tasks[COUNT(work)];
    int results[COUNT(work)];

    (void)arg;
    for (size_t i = 0; i < COUNT(work); i++)
        tasks[i] = asyncio_create_task(works, &work[i]);
    asyncio_loop_call_later(asyncio_get_running_loop(), 0.15, cancel_callback, tasks[2]);
    TRY(asyncio_gather(tasks, COUNT(tasks), results, .return_exceptions = true));
    for (size_t i = 0; i < COUNT(results); i++)
        say("result %zu: %s", i, outcome(results[i]));
    drop_all(tasks, COUNT(tasks));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
