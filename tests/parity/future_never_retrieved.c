/* An error that nobody looks at is told to the exception handler when its task is let go (F-08, EV-16). */

#include "parity.h"

static int fails(void *arg)
{
    TRY(asyncio_sleep(0.1));
    say("a task fails with %d", number_of(arg));
    return -number_of(arg);
}

static void on_error(struct asyncio_loop *loop, const struct asyncio_exception_context *context, void *arg)
{
    (void)loop, (void)arg;
    say("exception handler: %s", outcome(context->error));
}

static int main_task(void *arg)
{
    (void)arg;
    asyncio_loop_set_exception_handler(asyncio_get_running_loop(), on_error, NULL);
    struct asyncio_future *kept = asyncio_create_task(fails, item_of(5));
    nap(0.5);
    say("main still holds the task");
    asyncio_future_unref(kept);
    say("main has let it go");

    struct asyncio_future *looked_at = asyncio_create_task(fails, item_of(6));
    nap(0.5);
    say("main looks: %s", outcome_of(looked_at));
    asyncio_future_unref(looked_at);
    say("main has let it go");
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
