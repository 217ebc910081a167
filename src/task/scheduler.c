/* scheduler.c -- what a loop has of tasks, hung into the loop as its front; made when the first task or future is. */
#include "task.h"

#include "../coro/overflow.h"

#include <stdio.h>

static void begin(struct asyncio_loop *loop)
{
    struct asyncio__scheduler *scheduler = loop->front_state;

    asyncio__coro_thread(&scheduler->loop_coro);
    asyncio__overflow_thread_enter();
    asyncio__scheduler = scheduler;
}

static void end(struct asyncio_loop *loop)
{
    (void)loop;
    asyncio__scheduler = NULL;
    asyncio__overflow_thread_leave();
}

static bool suspended(struct asyncio_loop *loop)
{
    struct asyncio__scheduler *scheduler = loop->front_state;

    return scheduler->n_started > 0;
}

/* Whoever runs until a result is there gets an error instead of sleeping for ever; run_forever is told once and goes
 * on waiting, because a thread that did not say so may yet call. */
static int stuck(struct asyncio_loop *loop)
{
    struct asyncio__scheduler *scheduler = loop->front_state;

    if (scheduler->n_tasks == 0 && !scheduler->until)
        return 0;
    if (!loop->stuck_reported)
        asyncio__log_tasks(scheduler, "dead lock: every task waits, and nothing can wake them (if a thread or signal "
                                      "handler will, say so with asyncio_loop_hold)");
    loop->stuck_reported = !scheduler->until;
    return scheduler->until ? -EDEADLK : 0;
}

static int closing(struct asyncio_loop *loop)
{
    struct asyncio__scheduler *scheduler = loop->front_state;
    struct asyncio_link *link, *next;

    if (scheduler->n_started > 0) {
        asyncio__log_tasks(scheduler, "an event loop cannot be closed while tasks are suspended");
        return -EBUSY;
    }
    /* What never started can be ended without running. */
    LIST_FOR_EACH(link, next, &scheduler->tasks) {
        struct asyncio__task *task = LIST_ENTRY(link, struct asyncio__task, all);

        asyncio__report(&task->future, "Task was destroyed but it is pending!", 0);
        asyncio__task_end_unstarted(task, FUTURE_CANCELLED, -ECANCELED);
    }
    return 0;
}

void asyncio__scheduler_release(struct asyncio__scheduler *scheduler)
{
    struct asyncio_loop *loop = scheduler->loop;

    asyncio__pool_fini(&scheduler->callbacks);
    asyncio__pool_fini(&scheduler->futures);
    asyncio__pool_fini(&scheduler->task_pool);
    asyncio__free(scheduler);
    asyncio_loop_unref(loop);
}

/* Futures that are still referenced keep the scheduler's memory, and that keeps the loop's. */
static void closed(struct asyncio_loop *loop)
{
    struct asyncio__scheduler *scheduler = loop->front_state;

    if (!asyncio__loop_forked(loop))
        asyncio__stacks_fini(&scheduler->stacks);
    loop->front_state = NULL;
    scheduler->closed = true;
    asyncio_loop_ref(loop);
    if (scheduler->n_futures == 0)
        asyncio__scheduler_release(scheduler);
}

static bool has_surplus(const struct asyncio_loop *loop)
{
    const struct asyncio__scheduler *scheduler = loop->front_state;

    return asyncio__stacks_has_surplus(&scheduler->stacks) || asyncio__pool_has_surplus(&scheduler->task_pool) ||
           asyncio__pool_has_surplus(&scheduler->futures) || asyncio__pool_has_surplus(&scheduler->callbacks);
}

static bool trim(struct asyncio_loop *loop)
{
    struct asyncio__scheduler *scheduler = loop->front_state;
    bool more = asyncio__stacks_trim(&scheduler->stacks);

    more |= asyncio__pool_trim(&scheduler->task_pool);
    more |= asyncio__pool_trim(&scheduler->futures);
    more |= asyncio__pool_trim(&scheduler->callbacks);
    return more;
}

static void drop(struct asyncio_loop *loop, struct asyncio_node *node)
{
    (void)loop;
    asyncio__done_callback_drop(node);
}

static void describe(const struct asyncio_future *future, char *buffer, size_t size)
{
    asyncio_future_repr(future, buffer, size);
}

static const struct asyncio__front front = {
    .begin = begin,
    .end = end,
    .suspended = suspended,
    .stuck = stuck,
    .closing = closing,
    .closed = closed,
    .has_surplus = has_surplus,
    .trim = trim,
    .drop = drop,
    .describe = describe,
};

/* Appends text for a signal handler, which may not call printf. */
static char *append(char *at, const char *end_of_buffer, const char *text)
{
    while (*text && at + 1 < end_of_buffer)
        *at++ = *text++;
    *at = '\0';
    return at;
}

/* Names who overflowed a stack, in the handler of SIGSEGV. */
static void name_owner(struct asyncio__stack *stack, char *buffer, size_t size)
{
    const struct asyncio__task *task = stack->owner;
    const char *limit = buffer + size;
    char digits[24], *digit = &digits[sizeof digits - 1];
    char *at;
    uint64_t number;

    if (!task)
        return;
    at = append(buffer, limit, "task '");
    if (task->name) {
        at = append(at, limit, task->name);
    } else {
        *digit = '\0';
        for (number = task->name_number; number > 0; number /= 10)
            *--digit = (char)('0' + number % 10);
        at = append(append(at, limit, "Task-"), limit, digit);
    }
    at = append(at, limit, "'");
    if (task->future.source)
        append(append(append(at, limit, " (created at "), limit, task->future.source), limit, ")");
}

static atomic_bool overflow_report_off;

void asyncio_set_stack_overflow_report(bool enabled)
{
    atomic_store(&overflow_report_off, !enabled);
    if (enabled)
        asyncio__overflow_install();
    else
        asyncio__overflow_remove();
}

struct asyncio__scheduler *asyncio__scheduler_of(struct asyncio_loop *loop)
{
    struct asyncio__scheduler *scheduler = loop->front_state;

    if (LIKELY(scheduler))
        return scheduler;
    scheduler = asyncio__calloc(sizeof *scheduler);
    if (!scheduler)
        return NULL;
    if (asyncio__stacks_init(&scheduler->stacks, 0) < 0) {
        asyncio__free(scheduler);
        return NULL;
    }
    scheduler->loop = loop;
    list_init(&scheduler->tasks);
    asyncio__pool_init(&scheduler->futures, sizeof(struct asyncio_future));
    asyncio__pool_init(&scheduler->task_pool, sizeof(struct asyncio__task));
    asyncio__pool_init(&scheduler->callbacks, asyncio__done_callback_size());
    asyncio__overflow_set_namer(name_owner);
    if (!atomic_load(&overflow_report_off))
        asyncio__overflow_install();
    loop->front = &front;
    loop->front_state = scheduler;
    if (asyncio__running_loop == loop)
        begin(loop);
    return scheduler;
}

const char *asyncio_loop_stack_guard(const struct asyncio_loop *loop)
{
    const struct asyncio__scheduler *scheduler = loop ? loop->front_state : NULL;

    return scheduler ? asyncio__stacks_guard(&scheduler->stacks) : "";
}
