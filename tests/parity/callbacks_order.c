/* Callbacks run in order, due timers behind them; what they add runs in the next turn (EV-05, EV-10, EV-12). */

#include "parity.h"

struct nest {
    const char *name, *soon, *later;
};

static void nests(void *arg)
{
    const struct nest *nest = arg;
    struct asyncio_loop *loop = asyncio_get_running_loop();

    say("%s", nest->name);
    asyncio_loop_call_soon(loop, say_callback, word(nest->soon));
    asyncio_loop_call_later(loop, 0, say_callback, word(nest->later));
}

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct nest a = {"a", "a, its call_soon", "a, its call_later(0)"};
    struct nest b = {"b", "b, its call_soon", "b, its call_later(0)"};
    struct asyncio_handle *timer;

    (void)arg;
    asyncio_loop_call_soon(loop, nests, &a);
    asyncio_loop_call_later(loop, 0, say_callback, word("call_later(0)"));
    asyncio_loop_call_soon(loop, nests, &b);
    nap(0.1);

    double start = asyncio_loop_time(loop);
    asyncio_loop_call_later(loop, 0.3, say_callback, word("call_later(0.3)"));
    asyncio_loop_call_later(loop, 0.1, say_callback, word("call_later(0.1)"));
    asyncio_loop_call_at(loop, start + 0.2, say_callback, word("call_at(start + 0.2)"));
    asyncio_loop_call_at(loop, start - 1, say_callback, word("call_at(start - 1)"));
    asyncio_loop_call_soon(loop, say_callback, word("call_soon"));
    TRY(asyncio_loop_call_later(loop, 1, say_callback, word("call_later(1)"), .ret_handle = &timer));
    say("the last timer is due at %.3f", asyncio_handle_when(timer));
    asyncio_handle_unref(timer);
    nap(1);
    asyncio_loop_call_later(loop, -1, say_callback, word("call_later(-1)"));
    nap(0.1);
    say("main ends");
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
