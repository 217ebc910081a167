/* threads.c -- what other threads do for a loop: calls in executors, and waiting for an executor's end.
 *
 * A future belongs to its loop's thread, so no other thread touches one: what a job gives travels in its errand. */
#include "threads.h"

#include "../loop/executor.h"

#include <stdio.h>

/* ------------------------------------------------------------------------------------------------------------ Jobs */

/* A call in an executor's thread. Nobody waits any more when both pointers are NULL. */
struct call {
    struct asyncio__job job;
    asyncio_coro *fn;
    void *arg;
    asyncio_callback *free_arg;    /* may be NULL */
    struct asyncio_future *future; /* of run_in_executor, a reference */
    struct asyncio_waiter *waiter; /* of to_thread */
};

static struct call *call_of(struct asyncio__job *job)
{
    return CONTAINER_OF(job, struct call, job);
}

static int call_run(struct asyncio__job *job)
{
    return call_of(job)->fn(call_of(job)->arg);
}

/* The call's future, which is then not the call's any more; NULL when it has none. */
static struct asyncio_future *take_future(struct call *call)
{
    struct asyncio_future *future = call->future;

    call->future = NULL;
    if (future)
        future->owner = NULL;
    return future;
}

static void call_done(struct asyncio__job *job)
{
    struct call *call = call_of(job);
    struct asyncio_future *future = take_future(call);

    if (call->waiter)
        asyncio_unpark(call->waiter, job->result);
    if (!future)
        return;
    asyncio__settle(future, job->result);
    asyncio__unref(future);
}

/* No task waits in a loop that can be closed. */
static void call_lost(struct asyncio__job *job)
{
    struct asyncio_future *future = take_future(call_of(job));

    if (!future)
        return;
    asyncio__settle_closed(future);
    asyncio__unref(future);
}

static void call_free(struct asyncio__job *job)
{
    struct call *call = call_of(job);

    if (call->free_arg)
        call->free_arg(call->arg);
    asyncio__free(call);
}

static const struct asyncio__job_kind call_kind = {
    .run = call_run,
    .done = call_done,
    .lost = call_lost,
    .free = call_free,
};

/* One that has begun goes on alone. */
static int cancel_call_future(struct asyncio_future *future)
{
    struct call *call = future->owner;

    take_future(call);
    asyncio__job_cancel(&call->job);
    asyncio__future_complete(future, FUTURE_CANCELLED, -ECANCELED);
    asyncio__unref(future);
    return 1;
}

static const struct asyncio__future_kind call_future_kind = {
    .name = "executor job",
    .cancel = cancel_call_future,
};

static struct call *call_new(asyncio_coro *fn, void *arg)
{
    struct call *call = asyncio__calloc(sizeof *call);

    if (call) {
        call->fn = fn;
        call->arg = arg;
    }
    return call;
}

struct asyncio_future *asyncio_loop_run_in_executor(struct asyncio_loop *loop, struct asyncio_executor *executor,
                                                    asyncio_coro *fn, void *arg)
{
    struct asyncio_future *future;
    struct call *call;
    int r = asyncio__loop_check(loop);

    if (r < 0 || !fn)
        return asyncio__failed_future(r < 0 ? r : -EINVAL);
    call = call_new(fn, arg);
    if (!call)
        return asyncio__failed_future(-ENOMEM);
    future = asyncio__future_new(loop, &call_future_kind, call);
    r = future->scheduler ? 0 : future->result;
    if (r == 0) {
        call->future = asyncio__ref(future);
        r = asyncio__job_submit(&call->job, &call_kind, loop, executor);
    }
    if (r == 0)
        return future;
    if (take_future(call))
        asyncio__unref(future);
    asyncio__unref(future);
    asyncio__free(call);
    return asyncio__failed_future(r);
}

static enum asyncio_cancel_answer cancel_call_wait(struct asyncio_waiter *waiter)
{
    struct call *call = waiter->object;

    call->waiter = NULL;
    asyncio__job_cancel(&call->job);
    return ASYNCIO_CANCELLED;
}

static void describe_call(const struct asyncio_waiter *waiter, char *buffer, size_t size)
{
    const struct call *call = waiter->object;

    snprintf(buffer, size, "job of executor '%s', %s", asyncio__executor_name(call->job.executor),
             asyncio__job_queued(&call->job) ? "which is queued" : "which a thread does");
}

static const struct asyncio_wait_kind call_wait_kind = {
    .name = "executor job",
    .late = ASYNCIO_LATE_KEEP,
    .cancel = cancel_call_wait,
    .describe = describe_call,
};

/* Returns: 0, and the job will free the call and its argument; a negative error. */
static int submit_call(struct call *call, struct asyncio_waiter *waiter)
{
    int r = asyncio__context_private(&call->job.context);

    waiter->object = call;
    call->waiter = waiter;
    if (r == 0)
        r = asyncio__job_submit(&call->job, &call_kind, asyncio__running_loop, NULL);
    if (r < 0)
        asyncio_context_unref(call->job.context);
    return r;
}

int asyncio__to_thread(asyncio_coro *fn, void *arg, asyncio_callback *free_arg)
{
    struct asyncio_waiter waiter;
    struct call *call = NULL;
    int r = fn ? asyncio_waiter_init(&waiter, &call_wait_kind, NULL) : -EINVAL;

    if (r == 0) {
        call = call_new(fn, arg);
        r = call ? 0 : -ENOMEM;
    }
    if (r == 0) {
        call->free_arg = free_arg;
        r = submit_call(call, &waiter);
    }
    if (r == 0)
        return (int)asyncio_park(&waiter);
    asyncio__free(call);
    if (free_arg)
        free_arg(arg);
    return r;
}

int asyncio_to_thread(asyncio_coro *fn, void *arg)
{
    return asyncio__to_thread(fn, arg, NULL);
}

/* --------------------------------------------------------------------------------------------------------- Joining */

static void wake_joiner(void *owner, int result)
{
    asyncio_unpark(owner, result);
}

/* The threads are joined all the same, only nobody is told. */
static enum asyncio_cancel_answer cancel_join(struct asyncio_waiter *waiter)
{
    struct asyncio__join *join = waiter->object;

    join->joined = NULL;
    return ASYNCIO_CANCELLED;
}

static const struct asyncio_wait_kind join_wait_kind = {
    .name = "end of the default executor's threads",
    .late = ASYNCIO_LATE_KEEP,
    .cancel = cancel_join,
};

int asyncio_loop_shutdown_default_executor(struct asyncio_loop *loop, double seconds)
{
    struct asyncio_executor *executor;
    struct asyncio_waiter waiter;
    struct asyncio__join *join;
    int r;

    if (!loop || seconds != seconds)
        return -EINVAL;
    r = asyncio_waiter_init(&waiter, &join_wait_kind, NULL);
    if (r == 0 && loop != asyncio__running_loop)
        r = -ASYNCIO_EFOREIGNLOOP;
    if (r < 0)
        return r;
    loop->executor_shut_down = true;
    if (!loop->default_executor)
        return 0;
    r = asyncio__executor_join(loop, seconds, wake_joiner, &waiter, &join);
    if (r < 0)
        return r;
    waiter.object = join;
    executor = asyncio_executor_ref(loop->default_executor);
    r = (int)asyncio_park(&waiter);
    if (r == -ETIMEDOUT)
        asyncio__executor_report(executor, seconds);
    asyncio_executor_unref(executor);
    return r;
}
