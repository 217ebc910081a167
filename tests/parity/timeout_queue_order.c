/* A result and an expiry in one turn: what was queued first wins (C-07, D-11). */

#include "parity.h"

struct waiting {
    struct asyncio_future *future;
    struct asyncio_timeout limit;
};

static int waits(void *arg)
{
    struct waiting *waiting = arg;

    TRY(asyncio_timeout_enter(&waiting->limit, 10));
    return asyncio_timeout_exit(&waiting->limit, asyncio_await(waiting->future));
}

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct waiting waiting;

    (void)arg;
    waiting.future = asyncio_loop_create_future(loop);
    struct asyncio_future *task = asyncio_create_task(waits, &waiting);
    nap(0.1);
    asyncio_future_set_result(waiting.future, 1, NULL);
    TRY(asyncio_timeout_reschedule(&waiting.limit, asyncio_loop_time(loop)));
    int r = take(task);
    say("the result first: %s; the future holds %s", outcome(r), outcome_of(waiting.future));
    asyncio_future_unref(waiting.future);

    waiting.future = asyncio_loop_create_future(loop);
    task = asyncio_create_task(waits, &waiting);
    nap(0.1);
    TRY(asyncio_timeout_reschedule(&waiting.limit, asyncio_loop_time(loop)));
    asyncio_future_set_result(waiting.future, 2, NULL);
    r = take(task);
    say("the expiry first: %s; the future holds %s", outcome(r), outcome_of(waiting.future));
    asyncio_future_unref(waiting.future);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
