/* What the loop is told goes to the exception handler that was set last (EV-16). */

#include "parity.h"

static void first(struct asyncio_loop *loop, const struct asyncio_exception_context *context, void *arg)
{
    (void)loop, (void)arg;
    say("first handler: %s, %s", context->message, outcome(context->error));
}

static void second(struct asyncio_loop *loop, const struct asyncio_exception_context *context, void *arg)
{
    (void)loop, (void)arg;
    say("second handler: %s, task %s", context->message,
        context->future ? asyncio_task_get_name(context->future) : "none");
}

static int sleeps(void *arg)
{
    (void)arg;
    return asyncio_sleep(0.1);
}

static void tell(const char *message, int error, struct asyncio_future *task)
{
    struct asyncio_exception_context context = {
        .size = sizeof context,
        .message = message,
        .error = error,
        .future = task,
    };

    asyncio_loop_call_exception_handler(asyncio_get_running_loop(), &context);
}

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    (void)arg;
    say("a handler is set: %s", truth(asyncio_loop_get_exception_handler(loop) != NULL));
    asyncio_loop_set_exception_handler(loop, first, NULL);
    say("a handler is set: %s", truth(asyncio_loop_get_exception_handler(loop) == first));
    tell("the disk is full", -28, NULL);
    asyncio_loop_set_exception_handler(loop, second, NULL);
    tell("the printer is on fire", 0, NULL);
    struct asyncio_future *sleeper = asyncio_create_task(sleeps, NULL, .name = "sleeper");
    nap(0);
    tell("a complaint about a task", 0, sleeper);
    TRY(take(sleeper));
    asyncio_loop_set_exception_handler(loop, NULL, NULL);
    say("a handler is set: %s", truth(asyncio_loop_get_exception_handler(loop) != NULL));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
