/* timeouts.c -- scopes with a deadline.
 *
 * A scope cancels its task like anybody else would and remembers that it did. At its end it takes that one cancel
 * back; whether the -ECANCELED that the body ended with is the scope's own, the counts of cancels tell. */
#include "task.h"

enum state { NOT_ENTERED, ACTIVE, EXPIRING, EXPIRED, FINISHED };

static void expire(struct asyncio_node *node)
{
    struct asyncio_timeout *timeout = CONTAINER_OF(node, struct asyncio_timeout, timer.node);
    struct asyncio__task *task = asyncio__task_of(timeout->task);

    timeout->state = EXPIRING;
    timeout->requests = task->requests;
    asyncio__task_cancel(task);
}

/* A deadline that is over already fires before the task resumes, not at the next look at the timers. */
static int arm(struct asyncio_timeout *timeout, int64_t deadline_ns)
{
    struct asyncio_loop *loop = timeout->task->scheduler->loop;

    timeout->deadline_ns = deadline_ns;
    if (deadline_ns > asyncio__now(loop))
        return asyncio_timer_arm(loop, &timeout->timer, deadline_ns);
    asyncio__schedule(loop, &timeout->timer.node);
    return 0;
}

static int enter(struct asyncio_timeout *timeout, struct asyncio__task *task, int64_t deadline_ns)
{
    int r;

    timeout->cancelling = task->cancelling;
    timeout->pending = task->must_cancel;
    timeout->deliveries = task->deliveries;
    timeout->requests = 0;
    timeout->task = &task->future;
    asyncio_node_init(&timeout->timer.node, expire, NULL);
    timeout->timer.index = SIZE_MAX;
    r = arm(timeout, deadline_ns);
    timeout->state = r < 0 ? NOT_ENTERED : ACTIVE;
    return r;
}

int asyncio_timeout_enter(struct asyncio_timeout *timeout, double seconds)
{
    struct asyncio__task *task = asyncio__current();
    int64_t span_ns;

    if (!timeout)
        return -EINVAL;
    timeout->state = NOT_ENTERED;
    if (!task)
        return -ASYNCIO_ENOTASK;
    if (asyncio__ns_from_seconds(seconds, &span_ns) < 0)
        return -EINVAL;
    return enter(timeout, task, ns_add(asyncio__now(task->future.scheduler->loop), span_ns));
}

int asyncio_timeout_enter_at(struct asyncio_timeout *timeout, double when)
{
    struct asyncio__task *task = asyncio__current();
    int64_t deadline_ns;

    if (!timeout)
        return -EINVAL;
    timeout->state = NOT_ENTERED;
    if (!task)
        return -ASYNCIO_ENOTASK;
    if (asyncio__ns_from_when(when, &deadline_ns) < 0)
        return -EINVAL;
    return enter(timeout, task, deadline_ns);
}

int asyncio_timeout_reschedule(struct asyncio_timeout *timeout, double when)
{
    int64_t deadline_ns;

    if (!timeout || asyncio__ns_from_when(when, &deadline_ns) < 0)
        return -EINVAL;
    if (timeout->state != ACTIVE)
        return -ASYNCIO_EINVALIDSTATE;
    asyncio_timer_disarm(timeout->task->scheduler->loop, &timeout->timer);
    return arm(timeout, deadline_ns);
}

double asyncio_timeout_when(const struct asyncio_timeout *timeout)
{
    if (!timeout || timeout->state == NOT_ENTERED)
        return ASYNCIO_FOREVER;
    return asyncio__seconds_from_ns(timeout->deadline_ns);
}

bool asyncio_timeout_expired(const struct asyncio_timeout *timeout)
{
    return timeout && (timeout->state == EXPIRING || timeout->state == EXPIRED);
}

/* Takes the scope's own cancel back. Returns: whether the -ECANCELED that the body ended with was that one alone. */
static bool take_back(struct asyncio_timeout *timeout)
{
    struct asyncio__task *task = asyncio__task_of(timeout->task);
    bool others_since = task->requests != timeout->requests + 1;
    bool only_the_prior = timeout->pending && task->deliveries - timeout->deliveries <= 1;
    int left = asyncio_task_uncancel(&task->future);

    /* The body ended before it met the cancel; nobody else asked for one, so none may meet what follows. */
    if (task->must_cancel && !others_since && !only_the_prior)
        task->must_cancel = false;
    return left <= timeout->cancelling && !only_the_prior;
}

int asyncio_timeout_exit(struct asyncio_timeout *timeout, int r)
{
    if (!timeout || timeout->state == NOT_ENTERED)
        return r;
    asyncio_timer_disarm(timeout->task->scheduler->loop, &timeout->timer);
    if (timeout->state != EXPIRING) {
        timeout->state = timeout->state == EXPIRED ? EXPIRED : FINISHED;
        return r;
    }
    timeout->state = EXPIRED;
    return take_back(timeout) && r == -ECANCELED ? -ETIMEDOUT : r;
}

/* -------------------------------------------------------------------------------------------------------- wait_for */

int asyncio_wait_for(asyncio_coro *fn, void *arg, double seconds)
{
    struct asyncio_timeout timeout;
    int r;

    if (!fn)
        return -EINVAL;
    if (!asyncio__current())
        return -ASYNCIO_ENOTASK;
    if (seconds <= 0) {
        r = asyncio_sleep(0);
        return r < 0 ? r : -ETIMEDOUT;
    }
    r = asyncio_timeout_enter(&timeout, seconds);
    return r < 0 ? r : asyncio_timeout_exit(&timeout, fn(arg));
}

/* The time is over before it began: cancels the future and waits for it to end. */
static int cancel_at_once(struct asyncio_future *future)
{
    int r;

    if (asyncio__is_done(future))
        return asyncio_future_result(future);
    asyncio_future_cancel(future);
    r = asyncio_wait(&future, 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED);
    if (r < 0)
        return r;
    r = asyncio_future_result(future);
    return r == -ECANCELED ? -ETIMEDOUT : r;
}

int asyncio_wait_for_future(struct asyncio_future *future, double seconds)
{
    struct asyncio_timeout timeout;
    int r;

    if (!future)
        return -EINVAL;
    if (!asyncio__current())
        return -ASYNCIO_ENOTASK;
    if (future == &asyncio__current()->future)
        return -EDEADLK;
    if (seconds <= 0)
        return cancel_at_once(future);
    r = asyncio_timeout_enter(&timeout, seconds);
    return r < 0 ? r : asyncio_timeout_exit(&timeout, asyncio_await(future));
}
