/* settings.c -- what a loop can be asked and told: its state, its mode, who hears of errors. */
#include "loop.h"

#include "../base/log.h"

/* ------------------------------------------------------------------------------------------ Questions and settings */

bool asyncio__loop_is_mine(const struct asyncio_loop *loop)
{
    return asyncio__running_loop == loop || !atomic_load_explicit(&loop->running, memory_order_relaxed);
}

int asyncio__loop_check(const struct asyncio_loop *loop)
{
    if (UNLIKELY(!loop))
        return -EINVAL;
    if (UNLIKELY(asyncio__loop_closed(loop)))
        return -ASYNCIO_ECLOSED;
    if (UNLIKELY(loop->debug) && !asyncio__loop_is_mine(loop)) {
        asyncio__log(ASYNCIO_LOG_ERROR, "a function of a running loop was called from another thread: "
                                        "use asyncio_loop_call_soon_threadsafe there");
        return -EXDEV;
    }
    return 0;
}

bool asyncio_loop_is_running(const struct asyncio_loop *loop)
{
    return loop && atomic_load(&loop->running) && !asyncio__loop_forked(loop);
}

bool asyncio_loop_is_closed(const struct asyncio_loop *loop)
{
    return !loop || asyncio__loop_closed(loop);
}

int64_t asyncio_loop_now_ns(struct asyncio_loop *loop)
{
    return loop && !asyncio__loop_closed(loop) ? asyncio__now(loop) : 0;
}

double asyncio_loop_time(struct asyncio_loop *loop)
{
    return asyncio__seconds_from_ns(asyncio_loop_now_ns(loop));
}

const char *asyncio_loop_backend(const struct asyncio_loop *loop)
{
    return loop ? loop->ops->name : "";
}

const char *asyncio_loop_backend_reason(const struct asyncio_loop *loop)
{
    return loop ? loop->backend_reason : "";
}

void asyncio_loop_hold(struct asyncio_loop *loop)
{
    if (loop)
        atomic_fetch_add(&loop->holds, 1);
}

void asyncio__external_begin(struct asyncio_loop *loop)
{
    atomic_fetch_add(&loop->external, 1);
}

void asyncio__external_end(struct asyncio_loop *loop)
{
    atomic_fetch_sub(&loop->external, 1);
}

static void update_instrumented(struct asyncio_loop *loop)
{
    loop->instrumented = loop->debug || loop->hooks.enter || loop->hooks.leave;
    loop->detours &= ~ASYNCIO__INSTRUMENTED;
    if (loop->instrumented)
        loop->detours |= ASYNCIO__INSTRUMENTED;
}

void asyncio_loop_set_debug(struct asyncio_loop *loop, bool debug)
{
    if (!loop)
        return;
    loop->debug = debug;
    update_instrumented(loop);
}

bool asyncio_loop_get_debug(const struct asyncio_loop *loop)
{
    return loop && loop->debug;
}

int asyncio_loop_set_slow_callback_duration(struct asyncio_loop *loop, double seconds)
{
    return loop ? asyncio__ns_from_seconds(seconds, &loop->slow_ns) : -EINVAL;
}

int asyncio_loop_set_hooks(struct asyncio_loop *loop, const struct asyncio_hooks *hooks)
{
    if (!loop)
        return -EINVAL;
    loop->hooks = hooks ? *hooks : (struct asyncio_hooks){0};
    update_instrumented(loop);
    return 0;
}

int asyncio_loop_set_poll_interval(struct asyncio_loop *loop, unsigned nodes)
{
    if (!loop || nodes < 1 || nodes > INT32_MAX)
        return -EINVAL;
    loop->poll_interval = loop->interval = (int)nodes;
    return 0;
}

/* ---------------------------------------------------------------------------------------------- Exception handlers */

void asyncio_loop_set_exception_handler(struct asyncio_loop *loop, asyncio_exception_handler *handler, void *arg)
{
    if (!loop)
        return;
    loop->exception_handler = handler;
    loop->exception_arg = arg;
}

asyncio_exception_handler *asyncio_loop_get_exception_handler(struct asyncio_loop *loop)
{
    return loop ? loop->exception_handler : NULL;
}

void asyncio_loop_default_exception_handler(struct asyncio_loop *loop, const struct asyncio_exception_context *context)
{
    char future[160] = "";

    if (!loop || !context)
        return;
    if (context->future && loop->front)
        loop->front->describe(context->future, future, sizeof future);
    asyncio__log(ASYNCIO_LOG_ERROR, "%s%s%s%s%s%s%s",
                 context->message ? context->message : "unhandled error in event loop", context->error ? ": " : "",
                 context->error ? asyncio_strerror(context->error) : "", future[0] ? "; " : "", future,
                 context->source ? "; made at " : "", context->source ? context->source : "");
}

void asyncio_loop_call_exception_handler(struct asyncio_loop *loop, const struct asyncio_exception_context *context)
{
    if (!loop || !context)
        return;
    /* What a handler has to report itself is not its own to handle: that might never end. */
    if (!loop->exception_handler || loop->reporting) {
        asyncio_loop_default_exception_handler(loop, context);
        return;
    }
    loop->reporting = true;
    loop->exception_handler(loop, context, loop->exception_arg);
    loop->reporting = false;
}
