/* subprocess_end.c -- how processes end: waiting for that, and bringing it about. */
#include "subprocess.h"

#include "../loop/loop.h"
#include "../task/task.h"

#include <signal.h>

/* ---------------------------------------------------------------------------------------------------------- Waiting */

static void describe(const struct asyncio_waiter *waiter, char *buffer, size_t size)
{
    snprintf(buffer, size, "process %d", asyncio_process_pid(waiter->object));
}

static const struct asyncio_wait_kind wait_kind = {
    .name = "a process",
    .late = ASYNCIO_LATE_KEEP,
    .describe = describe,
};

/* Waits for its end, which has not come yet; the waiter is initialised. */
static ASYNCIO__SUSPENDS int await_end(struct asyncio_process *process, struct asyncio_waiter *waiter)
{
    list_push_back(&process->waiters, &waiter->link);
    return (int)asyncio_park(waiter);
}

int asyncio_process_wait(struct asyncio_process *process, int *ret_returncode)
{
    struct asyncio_loop *loop;
    struct asyncio_waiter waiter;
    int r = process ? asyncio__may_wait(process->loop, &loop) : -EINVAL;

    if (r < 0)
        return r;
    asyncio_process_ref(process);
    if (!process->child->ended) {
        r = asyncio_waiter_init(&waiter, &wait_kind, process);
        if (r == 0)
            r = await_end(process, &waiter);
    }
    if (r == 0)
        asyncio_process_returncode(process, ret_returncode);
    asyncio_process_unref(process);
    return r;
}

/* ---------------------------------------------------------------------------------------------------------- Signals */

int asyncio_process_send_signal(struct asyncio_process *process, int signal)
{
    return process ? asyncio__child_send_signal(process->child, signal) : -EINVAL;
}

int asyncio_process_terminate(struct asyncio_process *process)
{
    return asyncio_process_send_signal(process, SIGTERM);
}

int asyncio_process_kill(struct asyncio_process *process)
{
    return asyncio_process_send_signal(process, SIGKILL);
}

/* Sends a signal to the process or, where it leads a group, to all of that. */
static void send_to_all(struct asyncio_process *process, int signal)
{
    if (!process->leads_group || asyncio__child_signal_group(process->child, signal) < 0)
        asyncio__child_send_signal(process->child, signal);
}

/* --------------------------------------------------------------------------------------------------------- Stopping */

/* A wait for the end of a process that has been asked to. */
struct stop {
    struct asyncio_process *process;
    struct asyncio_waiter waiter;
    struct asyncio_timer timer; /* the end of its time */
};

static void time_is_up(struct asyncio_node *node)
{
    send_to_all(CONTAINER_OF(node, struct stop, timer.node)->process, SIGKILL);
}

/* Its time is over; the cancel is kept for the next wait, as this one will not be long. */
static enum asyncio_cancel_answer cancel_stop(struct asyncio_waiter *waiter)
{
    send_to_all(waiter->object, SIGKILL);
    asyncio__task_of(waiter->task)->must_cancel = true;
    return ASYNCIO_WILL_COMPLETE;
}

static const struct asyncio_wait_kind stop_kind = {
    .name = "a process that is being stopped",
    .late = ASYNCIO_LATE_KEEP,
    .cancel = cancel_stop,
    .describe = describe,
};

/* Gives it that time, if it can be measured. Returns: whether it has any. */
static bool give_time(struct stop *stop, int64_t ns)
{
    struct asyncio_loop *loop = stop->process->loop;

    asyncio_node_init(&stop->timer.node, time_is_up, NULL);
    return ns > 0 && (ns == NS_NEVER || asyncio_timer_arm(loop, &stop->timer, ns_add(asyncio__now(loop), ns)) == 0);
}

static ASYNCIO__SUSPENDS int stop_in(struct asyncio_process *process, int64_t ns)
{
    struct stop stop = {.process = process};
    int r = asyncio_waiter_init(&stop.waiter, &stop_kind, process);

    if (r < 0)
        return r;
    send_to_all(process, give_time(&stop, ns) ? SIGTERM : SIGKILL);
    r = await_end(process, &stop.waiter);
    asyncio_timer_disarm(asyncio_get_running_loop(), &stop.timer);
    return r;
}

int asyncio_process_stop(struct asyncio_process *process, double seconds)
{
    struct asyncio_loop *loop;
    int64_t ns;
    int r = process ? asyncio__ns_from_seconds(seconds, &ns) : -EINVAL;

    if (r == 0)
        r = asyncio__may_wait(process->loop, &loop);
    if (r < 0 || process->child->ended)
        return r;
    asyncio_process_ref(process);
    r = stop_in(process, ns);
    asyncio_process_unref(process);
    return r;
}

/* Outside of a task nobody can wait: then the loop does. */
void asyncio__process_killed(struct asyncio_process **process)
{
    if (*process && asyncio_process_stop(*process, 0) < 0)
        send_to_all(*process, SIGKILL);
    *process = asyncio_process_unref(*process);
}
