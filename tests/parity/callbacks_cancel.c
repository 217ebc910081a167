/* A cancelled handle does not run, also when an earlier one of the same turn cancels it (EV-06, EV-13). */

#include "parity.h"

struct canceller {
    const char *text;
    struct asyncio_handle *handle;
};

static void cancels(void *arg)
{
    struct canceller *canceller = arg;

    say("%s", canceller->text);
    asyncio_handle_cancel(canceller->handle);
}

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct canceller canceller = {.text = "an earlier handle cancels a later one"};
    struct canceller timer_canceller = {.text = "an earlier timer cancels one that is due as well"};
    struct asyncio_handle *handle, *far_timer;
    char never[] = "never printed";

    (void)arg;
    TRY(asyncio_loop_call_soon(loop, say_callback, never, .ret_handle = &handle));
    say("cancelled %s", truth(asyncio_handle_cancelled(handle)));
    asyncio_handle_cancel(handle);
    asyncio_handle_cancel(handle);
    say("cancelled %s", truth(asyncio_handle_cancelled(handle)));
    asyncio_handle_unref(handle);

    TRY(asyncio_loop_call_soon(loop, cancels, &canceller));
    TRY(asyncio_loop_call_soon(loop, say_callback, never, .ret_handle = &canceller.handle));
    TRY(asyncio_loop_call_soon(loop, say_callback, word("a third handle")));
    nap(0.1);
    asyncio_handle_unref(canceller.handle);

    TRY(asyncio_loop_call_later(loop, 0.1, cancels, &timer_canceller));
    TRY(asyncio_loop_call_later(loop, 0.1, say_callback, never, .ret_handle = &timer_canceller.handle));
    TRY(asyncio_loop_call_later(loop, 1000, say_callback, never, .ret_handle = &far_timer));
    nap(0.2);
    asyncio_handle_cancel(far_timer);
    asyncio_handle_unref(far_timer);
    asyncio_handle_unref(timer_canceller.handle);

    TRY(asyncio_loop_call_soon(loop, say_callback, word("this one has run"), .ret_handle = &handle));
    nap(0);
    asyncio_handle_cancel(handle);
    asyncio_handle_unref(handle);
    say("cancelling it afterwards is harmless");
    nap(0.1);
    say("main ends");
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
