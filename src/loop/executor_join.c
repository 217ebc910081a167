/* executor_join.c -- a loop's default executor: set, waited for at the end while the loop runs, let go at the close.
 *
 * Waiting for threads blocks a thread: one of a pool made for that alone. It counts real seconds, on every back end. */
#include "../base/log.h"
#include "executor.h"

static struct asyncio__join *join_of(struct asyncio__job *job)
{
    return CONTAINER_OF(job, struct asyncio__join, job);
}

static int join_run(struct asyncio__job *job)
{
    return asyncio_executor_shutdown(join_of(job)->executor, false, join_of(job)->seconds);
}

static void join_done(struct asyncio__job *job)
{
    if (join_of(job)->joined)
        join_of(job)->joined(join_of(job)->owner, job->result);
}

/* Nobody is there any more to be told. */
static void join_lost(struct asyncio__job *job)
{
    (void)job;
}

/* The helper has nothing to do any more: unless this is its own thread, that one is gone when this returns. */
static void join_free(struct asyncio__job *job)
{
    struct asyncio__join *join = join_of(job);

    asyncio_executor_unref(join->executor);
    asyncio_executor_unref(join->helper);
    asyncio__free(join);
}

static const struct asyncio__job_kind join_kind = {
    .run = join_run,
    .done = join_done,
    .lost = join_lost,
    .free = join_free,
};

int asyncio__executor_join(struct asyncio_loop *loop, double seconds, void (*joined)(void *owner, int result),
                           void *owner, struct asyncio__join **ret_join)
{
    struct asyncio__join *join = asyncio__calloc(sizeof *join);
    int r;

    if (!join)
        return -ENOMEM;
    join->executor = asyncio_executor_ref(loop->default_executor);
    join->seconds = seconds;
    join->joined = joined;
    join->owner = owner;
    r = asyncio_thread_pool_executor(&join->helper, .max_workers = 1, .name = "asyncio_join");
    if (r == 0)
        r = asyncio__job_submit(&join->job, &join_kind, loop, join->helper);
    if (r < 0)
        join_free(&join->job);
    else
        *ret_join = join;
    return r;
}

void asyncio__executor_report(struct asyncio_executor *executor, double seconds)
{
    asyncio__log(ASYNCIO_LOG_WARNING,
                 "%zu jobs of the default executor still run after %g seconds: their threads are left to themselves",
                 asyncio__executor_busy(executor), seconds);
}

int asyncio_loop_set_default_executor(struct asyncio_loop *loop, struct asyncio_executor *executor)
{
    struct asyncio_executor *before;
    int r = asyncio__loop_check(loop);

    if (r < 0 || !executor)
        return r < 0 ? r : -EINVAL;
    before = loop->default_executor;
    loop->default_executor = asyncio_executor_ref(executor);
    asyncio_executor_unref(before);
    return 0;
}

/* What still runs ends without the loop; a forked child leaves its parent's threads and locks alone. */
void asyncio__executor_close(struct asyncio_loop *loop)
{
    struct asyncio_executor *executor = loop->default_executor;

    loop->default_executor = NULL;
    if (asyncio__loop_forked(loop))
        return;
    asyncio__errands_close(loop);
    if (!executor)
        return;
    ASYNCIO_IGNORE(asyncio_executor_shutdown(executor, false, 0));
    asyncio_executor_unref(executor);
}
