/* Callbacks of a future: never at once, in the order in which they were added, removed by name (F-03, F-04). */

#include "parity.h"

static void note(struct asyncio_future *future, void *name)
{
    say("callback %s: %s", (const char *)name, outcome_of(future));
}

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    void *a = word("a"), *b = word("b"), *c = word("c");
    void *names[] = {a, b, c, a, b};

    (void)arg;
    struct asyncio_future *future = asyncio_loop_create_future(loop);
    for (size_t i = 0; i < COUNT(names); i++)
        asyncio_future_add_done_callback(future, note, names[i]);
    say("removed b: %d", asyncio_future_remove_done_callback(future, note, b));
    say("removed b again: %d", asyncio_future_remove_done_callback(future, note, b));
    asyncio_future_set_result(future, 1, NULL);
    say("the result is set, no callback has run");
    nap(0);

    asyncio_future_add_done_callback(future, note, b);
    say("a callback is added late, and has not run");
    nap(0);
    say("now it has");
    asyncio_future_unref(future);

    future = asyncio_loop_create_future(loop);
    asyncio_future_add_done_callback(future, note, c);
    say("cancel: %s", truth(asyncio_future_cancel(future)));
    nap(0);
    asyncio_future_unref(future);

    future = asyncio_loop_create_future(loop);
    asyncio_future_add_done_callback(future, note, a);
    asyncio_future_remove_done_callback(future, note, a);
    asyncio_future_set_result(future, 2, NULL);
    nap(0.1);
    asyncio_future_unref(future);
    say("main ends");
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
