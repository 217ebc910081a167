/* A stop ends the loop after the turn it is in; what that turn scheduled runs in the next run. */

#include "parity.h"

static struct asyncio_loop *loop;

static void first(void *arg)
{
    (void)arg;
    say("first");
    asyncio_loop_call_soon(loop, say_callback, word("first's child"));
    asyncio_loop_stop(loop);
}

static void stop(void *arg)
{
    (void)arg;
    asyncio_loop_stop(loop);
}

static void describe(void)
{
    say("running %s, closed %s", truth(asyncio_loop_is_running(loop)), truth(asyncio_loop_is_closed(loop)));
}

int main(void)
{
    if (asyncio_new_event_loop(&loop) < 0)
        return 1;
    asyncio_loop_call_soon(loop, first, NULL);
    asyncio_loop_call_soon(loop, say_callback, word("second"));
    say("run 1");
    asyncio_loop_run_forever(loop);

    say("run 2: stopped before it starts, so it makes one turn");
    asyncio_loop_stop(loop);
    asyncio_loop_run_forever(loop);

    say("run 3: nothing is ready, and one turn does not wait for a timer");
    asyncio_loop_call_later(loop, 0.5, say_callback, word("timer"));
    asyncio_loop_stop(loop);
    asyncio_loop_run_forever(loop);

    say("run 4: a timer stops it");
    asyncio_loop_call_later(loop, 1, stop, NULL);
    asyncio_loop_call_later(loop, 2, say_callback, word("never printed"));
    asyncio_loop_run_forever(loop);
    describe();
    asyncio_loop_close(loop);
    asyncio_loop_close(loop);
    describe();
    asyncio_loop_unref(loop);
    return 0;
}
