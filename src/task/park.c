/* park.c -- the one place where a task waits, and the one place where a wait meets a cancel.
 *
 * A cancel finds a task in one of four situations: not waiting (it runs, is ready, or has not started), waiting for
 * what has not happened, waiting for what is under way and cannot be undone, or waiting for what has happened while
 * the task has not run yet. The kind of the wait says what is true afterwards; see the table of waits in
 * src/README.md. */
#include "task.h"

#include <stdio.h>

/* What a step that has used up its input and output calls counts for beside those that the loop runs between polls. */
#define IO_STEP_COST 3

/* ------------------------------------------------------------------------------------------------- Suspend, resume */

/* Tasks that have been away for long are in no cache: asks for the stack of the next and for the one after it. What
 * stands on the list need not be a task; a prefetch of something else does no harm. gcc 12 takes a function that only
 * prefetches for one without effect and drops it, unless it is always inlined. */
__attribute__((always_inline)) static inline void prefetch_next(struct asyncio_loop *loop)
{
    struct asyncio_node *node = CONTAINER_OF(loop->ready.next, struct asyncio_node, link);

    __builtin_prefetch(node->link.next);
    __builtin_prefetch((const char *)node->link.next + 64);
    if (node->run == asyncio__task_run)
        asyncio__coro_prefetch(&CONTAINER_OF(node, struct asyncio__task, node)->coro);
}

/* The next node is a task's that goes on: it is the current one from now on. */
__attribute__((always_inline)) static inline struct asyncio__coro *take(struct asyncio__scheduler *scheduler,
                                                                        struct asyncio_loop *loop,
                                                                        struct asyncio_node *node)
{
    struct asyncio__task *next = CONTAINER_OF(node, struct asyncio__task, node);

    asyncio__take_node(loop, node);
    scheduler->current = &next->context;
    return &next->coro;
}

/* Whom to switch to in all other cases: in the first step of an eager start who started it, else the next ready task,
 * which may be this one, else the loop. */
static __attribute__((noinline)) struct asyncio__coro *choose_slowly(struct asyncio__scheduler *scheduler)
{
    struct asyncio_loop *loop = scheduler->loop;
    struct asyncio_node *node;

    if (UNLIKELY(scheduler->eager && asyncio__is_current(scheduler->eager->task)))
        return asyncio__leave_eager(scheduler);
    while (!loop->instrumented && (node = asyncio__next_node(loop))->run) {
        struct asyncio__task *next = CONTAINER_OF(node, struct asyncio__task, node);

        if (node->run == asyncio__task_run) {
            struct asyncio__coro *to = take(scheduler, loop, node);

            if (loop->detours & ASYNCIO__CROWD)
                prefetch_next(loop);
            return to;
        }
        if (node->run != asyncio__task_start)
            break;
        asyncio__take_node(loop, node);
        /* A task that cannot begin has ended, and may be gone. */
        if (asyncio__task_prepare(scheduler, next)) {
            asyncio__set_current(scheduler, next);
            return &next->coro;
        }
    }
    scheduler->current = NULL;
    return &scheduler->loop_coro;
}

/* Inlined where every nanosecond counts, called elsewhere. */
__attribute__((always_inline)) static inline void suspend(struct asyncio__scheduler *scheduler,
                                                          struct asyncio__task *task)
{
    struct asyncio_loop *loop = scheduler->loop;
    struct asyncio_node *node = asyncio__first_node(loop);
    struct asyncio__coro *to;

    if (UNLIKELY(node->run != asyncio__task_run) && !loop->detours)
        node = asyncio__next_node(loop);
    to = LIKELY(node->run == asyncio__task_run && !loop->detours) ? take(scheduler, loop, node)
                                                                  : choose_slowly(scheduler);
    if (LIKELY(to != &task->coro))
        asyncio__coro_switch(&task->coro, to);
}

ASYNCIO__SUSPENDS void asyncio__suspend(struct asyncio__scheduler *scheduler, struct asyncio__task *task)
{
    suspend(scheduler, task);
}

/* The reason that a cancel was given is its detail; one without a reason has none, rather than that of an earlier
 * one. */
static void set_reason(const struct asyncio_future *cancelled)
{
    struct asyncio__scheduler *scheduler = asyncio__scheduler;

    if (UNLIKELY(cancelled->cancel_message))
        asyncio__set_detail("%s", cancelled->cancel_message);
    else if (scheduler)
        scheduler->detail_task = 0;
}

/* Delivers a cancel to the running task: the one that is returned to it now. */
static int deliver(struct asyncio__task *task)
{
    task->must_cancel = false;
    task->deliveries++;
    set_reason(&task->future);
    return -ECANCELED;
}

/* --------------------------------------------------------------------------------------------------------- Waiters */

int asyncio_waiter_init(struct asyncio_waiter *waiter, const struct asyncio_wait_kind *kind, void *object)
{
    struct asyncio__task *task = asyncio__current();

    if (UNLIKELY(!task))
        return -ASYNCIO_ENOTASK;
    list_init(&waiter->link);
    waiter->kind = kind;
    waiter->object = object;
    waiter->task = &task->future;
    waiter->result = 0;
    waiter->complete = false;
    return 0;
}

/* Lets a wait that is not complete meet a cancel. */
static void cancel_wait(struct asyncio__task *task, struct asyncio_waiter *waiter)
{
    if (waiter->kind->cancel) {
        if (waiter->kind->cancel(waiter) == ASYNCIO_WILL_COMPLETE)
            return;
    } else {
        list_remove(&waiter->link);
    }
    waiter->complete = true;
    waiter->result = -ECANCELED;
    asyncio__schedule(task->future.scheduler->loop, &task->node);
}

/* What a completed wait returns, when a cancel came between its completion and this moment. */
static int64_t meet_late_cancel(struct asyncio__task *task, struct asyncio_waiter *waiter)
{
    switch (waiter->kind->late) {
    case ASYNCIO_LATE_KEEP:
        return waiter->result;
    case ASYNCIO_LATE_GIVE_BACK:
        waiter->kind->give_back(waiter);
        break;
    case ASYNCIO_LATE_CANCEL:
        break;
    }
    return deliver(task);
}

ASYNCIO__SUSPENDS int64_t asyncio_park(struct asyncio_waiter *waiter)
{
    /* Not by way of the waiter, which has just been written: that way the processor would have to wait for it. */
    struct asyncio__scheduler *scheduler = asyncio__scheduler;
    struct asyncio__task *task = asyncio__current_of(scheduler);

    assert(task && waiter->task == &task->future);
    task->waiter = waiter;
    if (UNLIKELY(task->must_cancel) && !waiter->complete) {
        task->must_cancel = false;
        cancel_wait(task, waiter);
    }
    suspend(scheduler, task);
    task->waiter = NULL;
    if (UNLIKELY(waiter->result == -ECANCELED))
        return deliver(task);
    if (UNLIKELY(task->must_cancel))
        return meet_late_cancel(task, waiter);
    return waiter->result;
}

static __attribute__((noinline, cold)) void make_ready_elsewhere(struct asyncio__task *task)
{
    asyncio__schedule(task->future.scheduler->loop, &task->node);
}

/* Whose loop it is is nearly always known before the task is: a guess that is checked spares the wait for it. */
static inline void make_ready(struct asyncio__task *task)
{
    struct asyncio__scheduler *scheduler = asyncio__scheduler;

    if (LIKELY(task->future.scheduler == scheduler))
        asyncio__schedule(scheduler->loop, &task->node);
    else
        make_ready_elsewhere(task);
}

void asyncio_unpark(struct asyncio_waiter *waiter, int64_t result)
{
    struct asyncio__task *task = asyncio__task_of(waiter->task);

    if (UNLIKELY(waiter->complete))
        return;
    list_remove(&waiter->link);
    waiter->complete = true;
    waiter->result = result;
    make_ready(task);
}

/* Tasks that await each other in a circle can only end when one of them lets go: the one where the cancel came in. */
static void leave_circle(struct asyncio__task *task)
{
    struct asyncio_waiter *waiter = task->waiter;

    if (waiter->complete || waiter->kind != &asyncio__await_kind)
        return;
    list_remove(&task->node.link);
    waiter->complete = true;
    waiter->result = -ECANCELED;
    asyncio__schedule(task->future.scheduler->loop, &task->node);
}

/* The task that a waiting task awaits, if it is one and not done. */
static struct asyncio__task *awaited_task(const struct asyncio__task *task)
{
    struct asyncio_future *future = task->waiter->object;

    if (task->waiter->kind != &asyncio__await_kind || !future->is_task || asyncio__is_done(future))
        return NULL;
    return asyncio__task_of(future);
}

/* Follows a chain of tasks that await one another in a loop, because it may be longer than a stack. */
int asyncio__task_cancel(struct asyncio__task *first)
{
    struct asyncio__task *task = first, *next;
    size_t n_passed = 0;

    if (asyncio__is_done(&first->future))
        return 0;
    for (; task; task = next) {
        if (UNLIKELY(task->being_cancelled)) {
            leave_circle(task);
            break;
        }
        task->cancelling++;
        task->requests++;
        if (!task->waiter || task->waiter->complete) {
            task->must_cancel = true;
            break;
        }
        task->being_cancelled = true;
        n_passed++;
        next = awaited_task(task);
        if (next)
            asyncio__set_cancel_message(&next->future, task->future.cancel_message);
        else
            cancel_wait(task, task->waiter);
    }
    for (task = first; n_passed > 0; task = next) {
        next = --n_passed > 0 ? asyncio__task_of(task->waiter->object) : NULL;
        task->being_cancelled = false;
    }
    return 1;
}

int asyncio_cancel_point(void)
{
    struct asyncio__task *task = asyncio__current();

    return task && task->must_cancel ? deliver(task) : 0;
}

/* ----------------------------------------------------------------------------------------------------------- Await */

static enum asyncio_cancel_answer cancel_await(struct asyncio_waiter *waiter)
{
    struct asyncio_future *future = waiter->object;
    struct asyncio__task *task = asyncio__task_of(waiter->task);

    if (asyncio__is_done(future) || asyncio_future_cancel_with(future, task->future.cancel_message) == 0)
        task->must_cancel = true;
    return ASYNCIO_WILL_COMPLETE;
}

static void describe_await(const struct asyncio_waiter *waiter, char *buffer, size_t size)
{
    asyncio_future_repr(waiter->object, buffer, size);
}

const struct asyncio_wait_kind asyncio__await_kind = {
    .name = "future",
    .late = ASYNCIO_LATE_CANCEL,
    .cancel = cancel_await,
    .describe = describe_await,
};

/* A wait for a future that leaves it alone: off its list, and that is all. */
static enum asyncio_cancel_answer cancel_shield(struct asyncio_waiter *waiter)
{
    struct asyncio__task *task = asyncio__task_of(waiter->task);

    if (asyncio__is_done(waiter->object)) {
        task->must_cancel = true;
        return ASYNCIO_WILL_COMPLETE;
    }
    list_remove(&task->node.link);
    return ASYNCIO_CANCELLED;
}

static const struct asyncio_wait_kind shield_kind = {
    .name = "future, shielded",
    .late = ASYNCIO_LATE_CANCEL,
    .cancel = cancel_shield,
    .describe = describe_await,
};

/* Whether the current task can wait for a future that is not done. Returns: 0; a negative error. */
static int check_await(const struct asyncio_future *future)
{
    struct asyncio__task *task = asyncio__current();

    if (UNLIKELY(!task))
        return -ASYNCIO_ENOTASK;
    if (UNLIKELY(future->scheduler != task->future.scheduler))
        return -ASYNCIO_EFOREIGNLOOP;
    return UNLIKELY(future == &task->future) ? -EDEADLK : 0;
}

/* The task's own node stands on the future's list, so that completing the future makes the task ready. */
static ASYNCIO__SUSPENDS int64_t park_on(struct asyncio_future *future, const struct asyncio_wait_kind *kind)
{
    struct asyncio_waiter waiter;
    int r = asyncio_waiter_init(&waiter, kind, future);

    if (UNLIKELY(r < 0))
        return r;
    asyncio__future_watch(future, &asyncio__current()->node);
    return asyncio_park(&waiter);
}

/* The outcome of a future that is done; whoever awaits a cancelled one learns why. */
static int outcome(struct asyncio_future *future)
{
    int r = asyncio_future_result(future);

    if (UNLIKELY(r == -ECANCELED))
        set_reason(future);
    return r;
}

static ASYNCIO__SUSPENDS int await_as(struct asyncio_future *future, const struct asyncio_wait_kind *kind)
{
    int r;

    if (UNLIKELY(!future))
        return -EINVAL;
    if (asyncio__is_done(future))
        return outcome(future);
    r = check_await(future);
    if (UNLIKELY(r < 0))
        return r;
    asyncio__ref(future);
    r = (int)park_on(future, kind);
    if (r != -ECANCELED) {
        r = outcome(future);
        if (r == -ECANCELED)
            asyncio__current()->deliveries++;
    }
    asyncio__unref(future);
    return r;
}

int asyncio_await(struct asyncio_future *future)
{
    return await_as(future, &asyncio__await_kind);
}

int asyncio_shield(struct asyncio_future *future)
{
    return await_as(future, &shield_kind);
}

/* The caller's memory may be in use by the task that is waited for, so a cancel is kept for the next wait. */
static enum asyncio_cancel_answer cancel_join(struct asyncio_waiter *waiter)
{
    asyncio__task_of(waiter->task)->must_cancel = true;
    return ASYNCIO_WILL_COMPLETE;
}

static const struct asyncio_wait_kind join_kind = {
    .name = "end of a cancelled task",
    .late = ASYNCIO_LATE_KEEP,
    .cancel = cancel_join,
    .describe = describe_await,
};

int asyncio_cancel_and_wait(struct asyncio_future *future)
{
    int r;

    if (!future)
        return -EINVAL;
    r = asyncio__is_done(future) ? 0 : check_await(future);
    if (r < 0)
        return r;
    asyncio_future_cancel(future);
    asyncio__ref(future);
    if (!asyncio__is_done(future))
        r = (int)park_on(future, &join_kind);
    if (asyncio__is_done(future) && future->scheduler)
        future->retrieved = true;
    asyncio__unref(future);
    return r;
}

void asyncio__joined_cleanup(struct asyncio_future **task)
{
    if (*task && asyncio_cancel_and_wait(*task) < 0)
        asyncio__log(ASYNCIO_LOG_ERROR, "ASYNCIO_JOINED left its block outside of a task: '%s' is not joined",
                     asyncio_task_get_name(*task));
    *task = asyncio_future_unref(*task);
}

/* ----------------------------------------------------------------------------------------------------------- Sleep */

static enum asyncio_cancel_answer cancel_sleep(struct asyncio_waiter *waiter)
{
    struct asyncio_timer *timer = waiter->object;

    asyncio_timer_disarm(waiter->task->scheduler->loop, timer);
    return ASYNCIO_CANCELLED;
}

static void describe_sleep(const struct asyncio_waiter *waiter, char *buffer, size_t size)
{
    const struct asyncio_timer *timer = waiter->object;

    snprintf(buffer, size, "sleep until %.3f", asyncio__seconds_from_ns(timer->deadline_ns));
}

static const struct asyncio_wait_kind sleep_kind = {
    .name = "sleep",
    .late = ASYNCIO_LATE_CANCEL,
    .cancel = cancel_sleep,
    .describe = describe_sleep,
};

struct sleeper {
    struct asyncio_timer timer;
    struct asyncio_waiter waiter;
};

static void sleep_is_over(struct asyncio_node *node)
{
    struct sleeper *sleeper = CONTAINER_OF(node, struct sleeper, timer.node);

    asyncio_unpark(&sleeper->waiter, 0);
}

static __attribute__((noinline)) ASYNCIO__SUSPENDS int sleep_for(double seconds)
{
    struct asyncio__task *task = asyncio__current();
    struct asyncio_loop *loop;
    struct sleeper sleeper;
    int64_t span_ns;
    int r;

    if (UNLIKELY(!task))
        return -ASYNCIO_ENOTASK;
    loop = task->future.scheduler->loop;
    if (asyncio__ns_from_seconds(seconds, &span_ns) < 0)
        return -EINVAL;
    asyncio_node_init(&sleeper.timer.node, sleep_is_over, NULL);
    ASYNCIO_IGNORE(asyncio_waiter_init(&sleeper.waiter, &sleep_kind, &sleeper.timer));
    r = asyncio_timer_arm(loop, &sleeper.timer, ns_add(asyncio__now(loop), span_ns));
    if (r < 0)
        return r;
    return (int)asyncio_park(&sleeper.waiter);
}

/* The shortest way to the tail of the ready queue and back. Not inlined: the frame of a long sleep would cost a
 * yielding task, and ten thousand of them, cache lines. */
static __attribute__((noinline)) ASYNCIO__SUSPENDS int yield(void)
{
    struct asyncio__scheduler *scheduler = asyncio__scheduler;
    struct asyncio__task *task = asyncio__current();

    if (UNLIKELY(!task))
        return -ASYNCIO_ENOTASK;
    asyncio__schedule(scheduler->loop, &task->node);
    suspend(scheduler, task);
    return UNLIKELY(task->must_cancel) ? deliver(task) : 0;
}

int asyncio_sleep(double seconds)
{
    return seconds <= 0 ? yield() : sleep_for(seconds);
}

/* ------------------------------------------------------------------------------------------------------ Operations */

/* A task that waits for an operation in its own frame. */
struct op_wait {
    struct asyncio_waiter waiter;
    struct asyncio_op *op;
    int interruption; /* what the wait returns when it was taken back by asyncio__op_interrupt; 0: it was not */
};

static void op_is_done(struct asyncio_op *op)
{
    struct op_wait *wait = op->owner;

    asyncio_unpark(&wait->waiter, op->result == -ECANCELED && wait->interruption ? wait->interruption : op->result);
}

static enum asyncio_cancel_answer cancel_op(struct asyncio_waiter *waiter)
{
    struct op_wait *wait = waiter->object;

    if (asyncio_op_cancel(waiter->task->scheduler->loop, wait->op))
        return ASYNCIO_CANCELLED;
    /* If it has happened after all, the cancel is kept for the next wait. */
    asyncio__task_of(waiter->task)->must_cancel = true;
    return ASYNCIO_WILL_COMPLETE;
}

static void describe_op(const struct asyncio_waiter *waiter, char *buffer, size_t size)
{
    static const char *const names[] = {"poll",    "read",  "write",    "recv",   "send",    "accept",
                                        "connect", "sendv", "recvfrom", "sendto", "sendfile"};
    const struct op_wait *wait = waiter->object;
    const char *name = wait->op->opcode < ARRAY_SIZE(names) ? names[wait->op->opcode] : "operation";

    snprintf(buffer, size, "%s on fd %d", name, wait->op->fd);
}

static const struct asyncio_wait_kind op_kind = {
    .name = "operation",
    .late = ASYNCIO_LATE_KEEP,
    .cancel = cancel_op,
    .describe = describe_op,
};

int asyncio__enter_io_slow(struct asyncio__task *task)
{
    struct asyncio__scheduler *scheduler = task->future.scheduler;
    int r;

    if (scheduler->io_calls <= ASYNCIO__IO_CALLS_PER_STEP)
        return asyncio_cancel_point();
    /* Such a step takes longer than most, and the next poll is to come the sooner. */
    scheduler->loop->poll_at -= IO_STEP_COST;
    r = yield();
    scheduler->io_step = scheduler->loop->n_run;
    scheduler->io_calls = 1;
    return r;
}

int asyncio_io_point(void)
{
    struct asyncio__task *task = asyncio__current();

    return task ? asyncio__enter_io(task) : -ASYNCIO_ENOTASK;
}

int64_t asyncio_op_park(struct asyncio_op *op)
{
    struct asyncio__task *task = asyncio__current();
    struct op_wait wait = {.op = op};

    if (!op)
        return -EINVAL;
    if (!task)
        return -ASYNCIO_ENOTASK;
    op->complete = op_is_done;
    op->owner = &wait;
    if (asyncio_op_submit(task->future.scheduler->loop, op))
        return op->result;
    ASYNCIO_IGNORE(asyncio_waiter_init(&wait.waiter, &op_kind, &wait));
    return asyncio_park(&wait.waiter);
}

void asyncio__op_interrupt(struct asyncio_op *op, int error)
{
    struct op_wait *wait = op->owner;

    if (wait->waiter.complete)
        return;
    wait->interruption = error;
    if (asyncio_op_cancel(wait->waiter.task->scheduler->loop, op))
        asyncio_unpark(&wait->waiter, error);
}

int64_t asyncio_op_await(struct asyncio_op *op)
{
    int r = op ? asyncio_io_point() : -EINVAL;

    return r < 0 ? r : asyncio_op_park(op);
}

int asyncio_wait_fd(int fd, unsigned events)
{
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_POLL,
        .flags = ASYNCIO_OP_FOREIGN,
        .fd = fd,
        .poll.events = events,
    };

    if (events == 0 || (events & ~(unsigned)(ASYNCIO_READABLE | ASYNCIO_WRITABLE)))
        return -EINVAL;
    return fd < 0 ? -EBADF : (int)asyncio_op_await(&op);
}
