/* A callback runs in the context in which it was registered, or in the one it is given. */

#include "parity.h"

static const struct asyncio_contextvar colour = {.name = "colour"};

static void show(void *name)
{
    say("%s: colour %d", (const char *)name, get_number(&colour, 0));
}

static void show_done(struct asyncio_future *future, void *name)
{
    (void)future;
    show(name);
}

static void change(void *arg)
{
    (void)arg;
    set_number(&colour, 50);
    show(word("change"));
}

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    (void)arg;
    set_number(&colour, 1);
    asyncio_loop_call_soon(loop, show, word("call_soon"));
    asyncio_loop_call_later(loop, 0.1, show, word("call_later"));
    struct asyncio_future *future = asyncio_loop_create_future(loop);
    asyncio_future_add_done_callback(future, show_done, word("done callback"));
    asyncio_loop_call_soon(loop, change, NULL);
    asyncio_loop_call_soon(loop, show, word("after change"));

    set_number(&colour, 2);
    asyncio_loop_call_soon(loop, show, word("call_soon again"));
    struct asyncio_context *saved = asyncio_copy_context();
    set_number(&colour, 3);
    asyncio_loop_call_soon(loop, show, word("in a given context"), .context = saved);
    asyncio_future_set_result(future, 0, NULL);
    nap(0.2);
    show(word("main"));

    say("the callbacks of one context see what the others set in it");
    asyncio_loop_call_soon(loop, change, NULL, .context = saved);
    asyncio_loop_call_soon(loop, show, word("in the given context"), .context = saved);
    nap(0.1);
    show(word("main"));
    asyncio_context_unref(saved);
    asyncio_future_unref(future);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
