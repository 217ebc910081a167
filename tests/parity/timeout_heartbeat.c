/* A timeout that every piece of progress puts off: rescheduled from another task (C-12). */

#include "parity.h"

struct work {
    struct asyncio_timeout *limit;
    const double *pauses;
    int n;
};

static int worker(void *arg)
{
    const struct work *work = arg;

    for (int number = 0; number < work->n; number++) {
        TRY(asyncio_sleep(work->pauses[number]));
        say("progress %d", number);
        TRY(asyncio_timeout_reschedule(work->limit, asyncio_loop_time(asyncio_get_running_loop()) + 0.3));
    }
    return 0;
}

static void watch(const double *pauses, int n)
{
    struct asyncio_timeout limit;
    struct work work = {&limit, pauses, n};
    struct asyncio_future *task = NULL;
    int r = asyncio_timeout_enter(&limit, 0.3);

    if (r >= 0) {
        task = asyncio_create_task(worker, &work);
        r = asyncio_await(task);
        if (r >= 0)
            say("the worker is done");
    }
    r = asyncio_timeout_exit(&limit, r);
    if (r == -ETIMEDOUT)
        say("no progress for 0.3; the worker was cancelled: %s", truth(asyncio_future_cancelled(task)));
    asyncio_future_unref(task);
}

static int main_task(void *arg)
{
    (void)arg;
    watch((const double[]){0.1, 0.2, 0.25, 0.2}, 4);
    watch((const double[]){0.1, 0.2, 0.4, 0.2}, 4);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
