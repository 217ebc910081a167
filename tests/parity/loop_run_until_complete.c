/* One loop runs many times until a future or task is done; timers outlive each run. */

#include "parity.h"

static struct asyncio_loop *loop;

struct sleeper {
    double seconds;
    int result;
};

static int sleeper(void *arg)
{
    const struct sleeper *me = arg;

    TRY(asyncio_sleep(me->seconds));
    say("sleeper %d ends", me->result);
    return me->result;
}

static void stop(void *arg)
{
    (void)arg;
    asyncio_loop_stop(loop);
}

static const char *complete(struct asyncio_future *future)
{
    int r = asyncio_loop_run_until_complete_future(loop, future);

    return r == -ASYNCIO_ESTOPPED ? "stopped before it was done" : outcome(r);
}

int main(void)
{
    struct sleeper half = {0.5, 12}, fifth = {0.2, 13};

    if (asyncio_new_event_loop(&loop) < 0)
        return 1;
    asyncio_loop_call_later(loop, 0.25, say_callback, word("timer of the first run"));
    struct asyncio_future *future = asyncio_loop_create_future(loop);
    struct later_result eleven = {future, 11};
    asyncio_loop_call_later(loop, 0.1, set_result_callback, &eleven);
    say("future: %s", complete(future));
    asyncio_future_unref(future);

    struct asyncio_future *longer = asyncio_loop_create_task(loop, sleeper, &half);
    say("short: %s", outcome(asyncio_loop_run_until_complete(loop, sleeper, &fifth)));
    say("long is done: %s", truth(asyncio_future_done(longer)));
    say("long: %s", complete(longer));
    say("long again: %s", complete(longer));
    asyncio_future_unref(longer);

    struct asyncio_future *never = asyncio_loop_create_future(loop);
    asyncio_loop_call_later(loop, 0.1, stop, NULL);
    say("never: %s", complete(never));
    asyncio_future_cancel(never);
    say("never afterwards: %s", outcome_of(never));
    asyncio_future_unref(never);
    asyncio_loop_close(loop);
    asyncio_loop_unref(loop);
    return 0;
}
