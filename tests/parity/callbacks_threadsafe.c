/* A thread-safe call from the loop's own thread queues like any other (EV-11). */

#include "parity.h"

static void set_later(void *later)
{
    asyncio_loop_call_soon_threadsafe(asyncio_get_running_loop(), set_result_callback, later);
}

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_handle *handle;

    (void)arg;
    TRY(asyncio_loop_call_soon(loop, say_callback, word("one")));
    TRY(asyncio_loop_call_soon_threadsafe(loop, say_callback, word("two")));
    TRY(asyncio_loop_call_soon(loop, say_callback, word("three")));
    TRY(asyncio_loop_call_soon_threadsafe(loop, say_callback, word("never printed"), .ret_handle = &handle));
    asyncio_handle_cancel(handle);
    asyncio_handle_unref(handle);
    nap(0.1);

    struct later_result four = {asyncio_loop_create_future(loop), 4};
    TRY(asyncio_loop_call_later(loop, 0.5, set_later, &four));
    say("future: %s", outcome(take(four.future)));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
