/* wait_for when the result, the expiry and a cancel from outside meet (C-07, D-11). */

#include "parity.h"

struct waiting {
    struct asyncio_future *future;
    double seconds;
};

static int waits(void *arg)
{
    const struct waiting *waiting = arg;

    return asyncio_wait_for_future(waiting->future, waiting->seconds);
}

static void comes_too_late(void *future)
{
    say("result: %s", asyncio_future_cancelled(future) ? "too late" : "in time");
}

static void describe(struct asyncio_future *task, struct asyncio_future *future)
{
    int r = take(task);

    say("wait_for: %s; the future holds %s", outcome(r), outcome_of(future));
    asyncio_future_unref(future);
}

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_future *task;
    struct waiting waiting;
    struct later_result two;

    (void)arg;
    say("the result is there, then a cancel comes before it is delivered");
    waiting = (struct waiting){asyncio_loop_create_future(loop), 1};
    task = asyncio_create_task(waits, &waiting);
    nap(0.1);
    asyncio_future_set_result(waiting.future, 1, NULL);
    asyncio_future_cancel(task);
    describe(task, waiting.future);

    say("result and expiry are due at once: the expiry comes before the delivery");
    waiting = (struct waiting){asyncio_loop_create_future(loop), 0.5};
    two = (struct later_result){waiting.future, 2};
    asyncio_loop_call_later(loop, 0.5, set_result_callback, &two);
    task = asyncio_create_task(waits, &waiting);
    describe(task, waiting.future);

    say("the same, with the timer of the result behind that of the expiry");
    waiting = (struct waiting){asyncio_loop_create_future(loop), 0.5};
    task = asyncio_create_task(waits, &waiting);
    nap(0);
    asyncio_loop_call_later(loop, 0.5, comes_too_late, waiting.future);
    describe(task, waiting.future);

    say("a cancel from outside goes to the awaited future");
    waiting = (struct waiting){asyncio_loop_create_future(loop), 1};
    task = asyncio_create_task(waits, &waiting);
    nap(0.1);
    asyncio_future_cancel(task);
    describe(task, waiting.future);

    say("a cancel from outside at the very time of the expiry wins");
    waiting = (struct waiting){asyncio_loop_create_future(loop), 0.5};
    task = asyncio_create_task(waits, &waiting);
    nap(0);
    asyncio_loop_call_later(loop, 0.5, cancel_callback, task);
    int r = asyncio_await(task);
    say("wait_for: %s, requests %d", outcome(r), asyncio_task_cancelling(task));
    asyncio_future_unref(task);
    asyncio_future_unref(waiting.future);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
