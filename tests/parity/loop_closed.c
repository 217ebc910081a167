/* A closed loop refuses work. */

#include "parity.h"

static struct asyncio_loop *loop;

static void tries_to_close(void *arg)
{
    (void)arg;
    say("close while it runs: %s", refused(asyncio_loop_close(loop)));
    asyncio_loop_stop(loop);
}

int main(void)
{
    if (asyncio_new_event_loop(&loop) < 0)
        return 1;
    asyncio_loop_call_soon(loop, tries_to_close, NULL);
    asyncio_loop_run_forever(loop);
    asyncio_loop_call_soon(loop, say_callback, word("never printed"));
    asyncio_loop_call_later(loop, 1, say_callback, word("never printed"));
    asyncio_loop_close(loop);
    say("call_soon: %s", refused(asyncio_loop_call_soon(loop, say_callback, word("never printed"))));
    say("call_later: %s", refused(asyncio_loop_call_later(loop, 1, say_callback, word("never printed"))));
    say("call_soon_threadsafe: %s",
        refused(asyncio_loop_call_soon_threadsafe(loop, say_callback, word("never printed"))));
    say("run_forever: %s", refused(asyncio_loop_run_forever(loop)));
    asyncio_loop_unref(loop);
    return 0;
}
