/* The exception handler runs in the context of the task that failed. */

#include "parity.h"

static const struct asyncio_contextvar colour = {.name = "colour"};

static void on_error(struct asyncio_loop *loop, const struct asyncio_exception_context *context, void *arg)
{
    (void)loop, (void)arg;
    say("exception handler: %s, colour %d", outcome(context->error), get_number(&colour, 0));
}

static int fails(void *arg)
{
    set_number(&colour, get_number(&colour, 0) + number_of(arg));
    TRY(asyncio_sleep(0.1));
    return -number_of(arg);
}

static int main_task(void *arg)
{
    (void)arg;
    asyncio_loop_set_exception_handler(asyncio_get_running_loop(), on_error, NULL);
    set_number(&colour, 10);
    struct asyncio_future *first = asyncio_create_task(fails, item_of(5));
    set_number(&colour, 20);
    struct asyncio_future *second = asyncio_create_task(fails, item_of(6));
    set_number(&colour, 30);
    nap(0.5);
    asyncio_future_unref(second);
    asyncio_future_unref(first);
    say("main: colour %d", get_number(&colour, 0));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
