/* wait_for: in time, too late, with an error, without a limit, and for a task that it cancels (C-07). */

#include "parity.h"

struct work {
    double seconds;
    int answer;
};

static int works(void *arg)
{
    const struct work *work = arg;
    int r = asyncio_sleep(work->seconds);

    if (r == -ECANCELED) {
        say("works is cancelled, and cleans up");
        TRY(asyncio_sleep(0.5));
        say("works has cleaned up");
    }
    return r < 0 ? r : work->answer;
}

static int main_task(void *arg)
{
    struct work in_time = {0.1, 1}, too_late = {0.3, 2}, wrong = {0.1, -5}, endless = {1000, 4}, late_task = {0.3, 5};

    (void)arg;
    say("in time: %s", outcome(asyncio_wait_for(works, &in_time, 0.2)));
    say("too late: %s", outcome(asyncio_wait_for(works, &too_late, 0.2)));
    say("with an error: %s", outcome(asyncio_wait_for(works, &wrong, 0.2)));
    say("without a limit: %s", outcome(asyncio_wait_for(works, &endless, ASYNCIO_FOREVER)));

    struct asyncio_future *task = asyncio_create_task(works, &late_task);
    say("a task, too late: %s", outcome(asyncio_wait_for_future(task, 0.2)));
    say("the task was cancelled: %s", truth(asyncio_future_cancelled(task)));
    asyncio_future_unref(task);

    struct asyncio_future *future = asyncio_loop_create_future(asyncio_get_running_loop());
    say("a future, too late: %s", outcome(asyncio_wait_for_future(future, 0.2)));
    say("the future was cancelled: %s", truth(asyncio_future_cancelled(future)));
    asyncio_future_unref(future);
    say("main has %d requests", asyncio_task_cancelling(asyncio_current_task()));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
