/* tasks.c -- the life of a task: made, started on a stack, ended; and the scheduler that a loop has them in.
 *
 * A stack is a worker: the code at its bottom runs one task after the other. When a task ends and the next ready one
 * has not started yet, that one runs on the same stack without any switch. */
#include "task.h"

#include "../coro/overflow.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define KIB ((size_t)1024)

_Thread_local struct asyncio__scheduler *asyncio__scheduler;

/* Of the default names; none in the process is used twice. Only tasks without a name of their own take one. Threads
 * take them by the block, because an atomic addition costs as much as the rest of a creation. */
#define NAME_NUMBERS_IN_BLOCK 1024
static atomic_uint_fast64_t name_numbers_taken;
static _Thread_local uint64_t last_name_number;

static inline uint64_t next_name_number(void)
{
    if (UNLIKELY(last_name_number % NAME_NUMBERS_IN_BLOCK == 0))
        last_name_number = atomic_fetch_add(&name_numbers_taken, NAME_NUMBERS_IN_BLOCK);
    return ++last_name_number;
}

/* ------------------------------------------------------------------------------------------------------ Completion */

/* In debug mode: a child whose argument lies in the frames of a task that ends would read freed memory. */
static void check_arguments(const struct asyncio__task *task)
{
    const struct asyncio_link *head = &task->future.scheduler->tasks;

    for (const struct asyncio_link *link = head->next; link != head; link = link->next) {
        const struct asyncio__task *other = CONST_CONTAINER_OF(link, struct asyncio__task, all);
        const char *arg = other->arg;

        if (other == task || arg < task->stack->low || arg >= task->stack->top)
            continue;
        asyncio__log(ASYNCIO_LOG_ERROR,
                     "task '%s' ends while the argument of task '%s' (made at %s) lies in its stack: join the child "
                     "before (ASYNCIO_JOINED, a task group, asyncio_cancel_and_wait) or give it memory of its own",
                     asyncio_task_get_name(&task->future), asyncio_task_get_name(&other->future),
                     other->future.source ? other->future.source : "?");
        abort();
    }
}

/* The end of the last task that the teardown waits for ends its wait. */
static void torn_down(struct asyncio__task *task, int result)
{
    struct asyncio__scheduler *scheduler = task->future.scheduler;

    task->torn_down = false;
    if (result < 0 && result != -ECANCELED) {
        task->future.retrieved = true;
        asyncio__report(&task->future, "unhandled error during the teardown of asyncio_run", result);
    }
    if (--scheduler->n_torn_down == 0)
        asyncio_loop_stop(scheduler->loop);
}

/* In the context of its task, but as a plain callback, which must not suspend: whose stack this is, nobody can say. */
static void free_argument(struct asyncio__task *task)
{
    struct asyncio__scheduler *scheduler = task->future.scheduler;
    struct asyncio__task *current = asyncio__current_of(scheduler);
    asyncio_callback *free_arg = task->free_arg;
    struct asyncio__context_entry entry;

    task->free_arg = NULL;
    asyncio__set_current(scheduler, NULL);
    asyncio__context_enter(&entry, &task->context);
    free_arg(task->arg);
    asyncio__context_leave(&entry);
    asyncio__set_current(scheduler, current);
}

/* The outcome is settled: lets go of all that only a living task needs. May free the task. */
static void finish(struct asyncio__task *task, enum asyncio__future_state state, int result)
{
    if (task->free_arg)
        free_argument(task);
    list_unlink(&task->all);
    task->future.scheduler->n_tasks--;
    if (UNLIKELY(task->torn_down))
        torn_down(task, result);
    asyncio__future_complete(&task->future, state, result);
    asyncio__unref(&task->future);
}

void asyncio__task_end_unstarted(struct asyncio__task *task, enum asyncio__future_state state, int result)
{
    asyncio_node_cancel(&task->node);
    finish(task, state, result);
}

/* The function returned: an error ends the task with it, -ECANCELED or a cancel that was never delivered as
 * cancelled. */
static void end(struct asyncio__task *task, int result)
{
    struct asyncio__scheduler *scheduler = task->future.scheduler;

    if (UNLIKELY(scheduler->loop->debug))
        check_arguments(task);
    if (UNLIKELY(scheduler->takes_census))
        asyncio__census_end(task);
    task->stack = NULL;
    if (UNLIKELY(scheduler->n_started-- == ASYNCIO__MOST_IN_CACHE + 1))
        scheduler->loop->detours &= ~ASYNCIO__CROWD;
    if (result == -ECANCELED || (task->must_cancel && result >= 0))
        finish(task, FUTURE_CANCELLED, -ECANCELED);
    else
        finish(task, FUTURE_FINISHED, result);
}

/* ----------------------------------------------------------------------------------------------------------- Steps */

/* A task that was cancelled before its first step ends there, unless it asked to see the cancel itself. */
static bool ends_before_start(struct asyncio__task *task)
{
    if (LIKELY(!task->must_cancel) || task->start_then_cancel)
        return false;
    task->must_cancel = false;
    finish(task, FUTURE_CANCELLED, -ECANCELED);
    return true;
}

/* Who runs next after the end of a task: the next ready task, which *ret_next names, or the loop. */
static struct asyncio__coro *next_after_end(struct asyncio__scheduler *scheduler, struct asyncio__task **ret_next)
{
    struct asyncio_loop *loop = scheduler->loop;
    struct asyncio_node *node;

    *ret_next = NULL;
    while (!loop->instrumented && (node = asyncio__next_node(loop))->run) {
        struct asyncio__task *next = CONTAINER_OF(node, struct asyncio__task, node);
        bool begins = node->run == asyncio__task_start;

        if (node->run != asyncio__task_run && (!begins || next->stack_kib != 0))
            break;
        asyncio__take_node(loop, node);
        if (begins && ends_before_start(next))
            continue;
        *ret_next = next;
        return &next->coro;
    }
    return &scheduler->loop_coro;
}

static void start_here(struct asyncio__scheduler *scheduler, struct asyncio__task *task, struct asyncio__stack *stack)
{
    task->stack = stack;
    task->started = true;
    task->node.run = asyncio__task_run;
    stack->owner = task;
    if (UNLIKELY(scheduler->n_started++ == ASYNCIO__MOST_IN_CACHE))
        scheduler->loop->detours |= ASYNCIO__CROWD;
}

/* The bottom of every stack. */
static void run_tasks(void *arg)
{
    struct asyncio__scheduler *scheduler = arg;
    struct asyncio__task *task = asyncio__current_of(scheduler), *next;
    struct asyncio__stack *stack = task->stack;
    struct asyncio__coro self, *to;

    for (;;) {
        int result = task->fn(task->arg);

        to = scheduler->eager && scheduler->eager->task == task ? asyncio__leave_eager(scheduler) : NULL;
        asyncio__coro_move(&self, &task->coro);
        /* What the end calls, an exception handler say, runs in no task; and the task's context may be gone with it. */
        asyncio__set_current(scheduler, NULL);
        end(task, result);
        asyncio__context_at = &scheduler->current;
        if (to)
            break;
        to = next_after_end(scheduler, &next);
        asyncio__set_current(scheduler, next);
        if (!next)
            break;
        if (next->started || stack->large || UNLIKELY(scheduler->takes_census))
            break;
        asyncio__poison_own_stack();
        asyncio__coro_move(&next->coro, &self);
        start_here(scheduler, next, stack);
        task = next;
    }
    task = asyncio__current_of(scheduler);
    if (task && !task->started && !asyncio__task_prepare(scheduler, task))
        to = &scheduler->loop_coro;
    asyncio__stack_put(&scheduler->stacks, stack);
    asyncio__coro_exit(&self, to);
}

/* The largest number stands for more than any address space has, which fails when the stack is mapped. */
static size_t bytes_of(uint32_t kib)
{
    return kib == UINT32_MAX ? SIZE_MAX / 4 : kib * KIB;
}

bool asyncio__task_prepare(struct asyncio__scheduler *scheduler, struct asyncio__task *task)
{
    struct asyncio__stack *stack;

    if (ends_before_start(task))
        return false;
    stack = asyncio__stack_get(&scheduler->stacks, bytes_of(task->stack_kib));
    if (UNLIKELY(!stack)) {
        finish(task, FUTURE_FINISHED, -ENOMEM);
        return false;
    }
    start_here(scheduler, task, stack);
    if (UNLIKELY(scheduler->takes_census))
        asyncio__census_begin(task);
    asyncio__coro_start(&task->coro, stack, run_tasks, scheduler);
    return true;
}

void asyncio__task_start(struct asyncio_node *node)
{
    struct asyncio__task *task = CONTAINER_OF(node, struct asyncio__task, node);

    if (asyncio__task_prepare(task->future.scheduler, task))
        asyncio__task_run(node);
}

void asyncio__task_run(struct asyncio_node *node)
{
    struct asyncio__task *task = CONTAINER_OF(node, struct asyncio__task, node);
    struct asyncio__scheduler *scheduler = task->future.scheduler;
    struct asyncio_context ***outer = asyncio__context_at;

    asyncio__set_current(scheduler, task);
    asyncio__context_at = &scheduler->current;
    asyncio__coro_switch(&scheduler->loop_coro, &task->coro);
    asyncio__set_current(scheduler, NULL);
    asyncio__context_at = outer;
}

/* Runs the first step of a new task within its creation. */
static void start_eagerly(struct asyncio__scheduler *scheduler, struct asyncio__task *task)
{
    struct asyncio__task *creator = asyncio__current_of(scheduler);
    struct asyncio_context ***outer = asyncio__context_at;
    struct asyncio__eager eager = {
        .task = task,
        .creator = creator ? &creator->coro : &scheduler->loop_coro,
        .outer = scheduler->eager,
    };

    if (!asyncio__task_prepare(scheduler, task))
        return;
    scheduler->eager = &eager;
    scheduler->loop->detours |= ASYNCIO__EAGER;
    asyncio__set_current(scheduler, task);
    asyncio__context_at = &scheduler->current;
    asyncio__coro_switch(eager.creator, &task->coro);
    asyncio__set_current(scheduler, creator);
    asyncio__context_at = outer;
}

/* -------------------------------------------------------------------------------------------------------- Creation */

static struct asyncio_future *refuse(void *arg, const struct asyncio_task_kw *kw, int error)
{
    if (kw && kw->free_arg)
        kw->free_arg(arg);
    return asyncio__failed_future(error);
}

/* Fills a new task in; on failure it is as if it had never been. */
static int set_up(struct asyncio__task *task, const struct asyncio_task_kw *kw)
{
    task->name = NULL;
    if (UNLIKELY(kw && kw->name)) {
        task->name = asyncio__strdup(kw->name);
        if (!task->name)
            return -ENOMEM;
    }
    if (asyncio__context_choose(kw ? kw->context : NULL, &task->context) < 0) {
        asyncio__free(task->name);
        return -ENOMEM;
    }
    return 0;
}

/* Rounded up, and down to the largest number. */
static uint32_t kib_of(size_t size)
{
    return (uint32_t)min_size(size / KIB + (size % KIB != 0), UINT32_MAX);
}

static struct asyncio__task *task_new(struct asyncio__scheduler *scheduler, asyncio_coro *fn, void *arg,
                                      const struct asyncio_task_kw *kw)
{
    struct asyncio__task *task = asyncio__pool_get(&scheduler->task_pool);

    if (UNLIKELY(!task))
        return NULL;
    if (UNLIKELY(set_up(task, kw) < 0)) {
        asyncio__pool_put(&scheduler->task_pool, task);
        return NULL;
    }
    asyncio__future_init(&task->future, scheduler, kw ? kw->source : NULL);
    task->future.is_task = true;
    task->future.refs = 2; /* the caller's and the loop's */
    asyncio_node_init(&task->node, asyncio__task_start, NULL);
    task->stack = NULL;
    task->waiter = NULL;
    task->fn = fn;
    task->arg = arg;
    task->free_arg = kw ? kw->free_arg : NULL;
    task->number = ++scheduler->last_number;
    task->name_number = LIKELY(!task->name) ? next_name_number() : 0;
    task->stack_kib = kw ? kib_of(kw->stack_size) : 0;
    task->cancelling = 0;
    task->requests = 0;
    task->deliveries = 0;
    task->must_cancel = false;
    task->start_then_cancel = kw && kw->start_then_cancel;
    task->started = false;
    task->being_cancelled = false;
    task->torn_down = false;
    list_push_back(&scheduler->tasks, &task->all);
    scheduler->n_tasks++;
    return task;
}

/* An eager step enters its context at once, so that nobody may be in it, and must happen in the thread that runs the
 * loop. */
static int check_eager(const struct asyncio_loop *loop, const struct asyncio_task_kw *kw)
{
    if (asyncio__running_loop != loop && asyncio_loop_is_running(loop))
        return -EXDEV;
    if (kw->context && (kw->context->entered || kw->context == asyncio__context_current()))
        return -EBUSY;
    return 0;
}

static struct asyncio_future *create(struct asyncio_loop *loop, asyncio_coro *fn, void *arg,
                                     const struct asyncio_task_kw *kw)
{
    bool eager = kw && kw->eager_start;
    struct asyncio__scheduler *scheduler;
    struct asyncio__task *task;
    int r = asyncio__loop_check(loop);

    if (UNLIKELY(r == 0 && !fn))
        r = -EINVAL;
    if (UNLIKELY(r == 0 && eager))
        r = check_eager(loop, kw);
    if (UNLIKELY(r < 0))
        return refuse(arg, kw, r);
    scheduler = asyncio__scheduler_of(loop);
    task = scheduler ? task_new(scheduler, fn, arg, kw) : NULL;
    if (UNLIKELY(!task))
        return refuse(arg, kw, -ENOMEM);
    if (UNLIKELY(eager) && asyncio__running_loop == loop)
        start_eagerly(scheduler, task);
    else
        asyncio__schedule(loop, &task->node);
    return &task->future;
}

struct asyncio_future *asyncio_loop_create_task_kw(struct asyncio_loop *loop, asyncio_coro *fn, void *arg,
                                                   const struct asyncio_task_kw *kw)
{
    struct asyncio__scheduler *scheduler = loop ? loop->front_state : NULL;

    if (UNLIKELY(scheduler && scheduler->task_factory))
        return scheduler->task_factory(loop, fn, arg, kw);
    return create(loop, fn, arg, kw);
}

struct asyncio_future *asyncio_create_task_kw(asyncio_coro *fn, void *arg, const struct asyncio_task_kw *kw)
{
    if (UNLIKELY(!asyncio__running_loop))
        return refuse(arg, kw, -ASYNCIO_ENOLOOP);
    return asyncio_loop_create_task_kw(asyncio__running_loop, fn, arg, kw);
}

struct asyncio_future *asyncio_eager_task_factory(struct asyncio_loop *loop, asyncio_coro *fn, void *arg,
                                                  const struct asyncio_task_kw *kw)
{
    struct asyncio_task_kw eager = kw ? *kw : (struct asyncio_task_kw){.size = sizeof eager};

    eager.eager_start = true;
    return create(loop, fn, arg, &eager);
}

int asyncio_loop_set_task_factory(struct asyncio_loop *loop, asyncio_task_factory *factory)
{
    struct asyncio__scheduler *scheduler;
    int r = asyncio__loop_check(loop);

    if (r < 0)
        return r;
    scheduler = asyncio__scheduler_of(loop);
    if (!scheduler)
        return -ENOMEM;
    scheduler->task_factory = factory;
    return 0;
}

asyncio_task_factory *asyncio_loop_get_task_factory(struct asyncio_loop *loop)
{
    struct asyncio__scheduler *scheduler = loop ? loop->front_state : NULL;

    return scheduler ? scheduler->task_factory : NULL;
}

/* ------------------------------------------------------------------------------------------------------- Questions */

static struct asyncio__task *as_task(struct asyncio_future *future)
{
    return future && future->is_task ? asyncio__task_of(future) : NULL;
}

static const struct asyncio__task *as_const_task(const struct asyncio_future *future)
{
    return future && future->is_task ? CONST_CONTAINER_OF(future, struct asyncio__task, future) : NULL;
}

struct asyncio_future *asyncio_current_task(void)
{
    struct asyncio__task *task = asyncio__current();

    return task ? &task->future : NULL;
}

struct asyncio_future *asyncio_loop_current_task(struct asyncio_loop *loop)
{
    return loop && loop == asyncio__running_loop ? asyncio_current_task() : NULL;
}

ssize_t asyncio_loop_all_tasks(struct asyncio_loop *loop, struct asyncio_future **ret_tasks, size_t n)
{
    struct asyncio__scheduler *scheduler;
    size_t count = 0;

    if (!loop || (!ret_tasks && n > 0))
        return -EINVAL;
    if (!asyncio__loop_is_mine(loop))
        return -EXDEV;
    scheduler = loop->front_state;
    if (!scheduler)
        return 0;
    for (struct asyncio_link *link = scheduler->tasks.next; link != &scheduler->tasks; link = link->next, count++)
        if (count < n)
            ret_tasks[count] = asyncio__ref(&LIST_ENTRY(link, struct asyncio__task, all)->future);
    return (ssize_t)count;
}

ssize_t asyncio_all_tasks(struct asyncio_future **ret_tasks, size_t n)
{
    if (!asyncio__running_loop)
        return -ASYNCIO_ENOLOOP;
    return asyncio_loop_all_tasks(asyncio__running_loop, ret_tasks, n);
}

int asyncio_task_cancelling(const struct asyncio_future *future)
{
    const struct asyncio__task *task = as_const_task(future);

    return task ? task->cancelling : 0;
}

int asyncio_task_uncancel(struct asyncio_future *future)
{
    struct asyncio__task *task = as_task(future);

    if (!task || task->cancelling == 0)
        return 0;
    if (--task->cancelling == 0)
        task->must_cancel = false;
    return task->cancelling;
}

uint64_t asyncio__task_number(const struct asyncio_future *future)
{
    const struct asyncio__task *task = as_const_task(future);

    return task ? task->number : 0;
}

const char *asyncio_task_get_name(const struct asyncio_future *future)
{
    static _Thread_local char numbered[32];
    const struct asyncio__task *task = as_const_task(future);
    char *name;

    if (!task)
        return "";
    if (task->name)
        return task->name;
    /* Few default names are ever asked for, so they are made then, and kept: who asks for those of two tasks wants
     * both. */
    snprintf(numbered, sizeof numbered, "Task-%llu", (unsigned long long)task->name_number);
    name = asyncio__strdup(numbered);
    ((struct asyncio__task *)(uintptr_t)task)->name = name;
    return name ? name : numbered;
}

int asyncio_task_set_name(struct asyncio_future *future, const char *name)
{
    struct asyncio__task *task = as_task(future);
    char *copy;

    if (!task || !name)
        return -EINVAL;
    copy = asyncio__strdup(name);
    if (!copy)
        return -ENOMEM;
    asyncio__free(task->name);
    task->name = copy;
    return 0;
}

asyncio_coro *asyncio_task_get_coro(const struct asyncio_future *future)
{
    const struct asyncio__task *task = as_const_task(future);

    return task && !asyncio__is_done(future) ? task->fn : NULL;
}

struct asyncio_context *asyncio_task_get_context(struct asyncio_future *future)
{
    struct asyncio__task *task = as_task(future);
    struct asyncio__context_entry entry;

    if (!task)
        return NULL;
    /* A task that has set nothing yet has no context of its own: an empty one is made for it. */
    if (!task->context) {
        asyncio__context_enter(&entry, NULL);
        task->context = asyncio_copy_context();
        asyncio__context_leave(&entry);
    }
    return asyncio_context_ref(task->context);
}

void asyncio__set_detail(const char *format, ...)
{
    struct asyncio__scheduler *scheduler = asyncio__scheduler;
    struct asyncio__task *task = asyncio__current();
    va_list args;

    if (!task)
        return;
    scheduler->detail_task = task->number;
    va_start(args, format);
    vsnprintf(scheduler->detail, sizeof scheduler->detail, format, args);
    va_end(args);
}

const char *asyncio_error_detail(void)
{
    struct asyncio__task *task = asyncio__current();

    if (!task || task->future.scheduler->detail_task != task->number)
        return "";
    return task->future.scheduler->detail;
}

void asyncio__report(struct asyncio_future *future, const char *message, int error)
{
    struct asyncio_loop *loop = future->scheduler->loop;
    struct asyncio__context_entry entry;

    asyncio__context_enter(&entry, future->is_task ? &asyncio__task_of(future)->context : asyncio__context_slot());
    asyncio_loop_call_exception_handler(loop, &(const struct asyncio_exception_context){
                                                  .size = sizeof(struct asyncio_exception_context),
                                                  .message = message,
                                                  .error = error,
                                                  .future = future,
                                                  .source = loop->debug ? future->source : NULL,
                                              });
    asyncio__context_leave(&entry);
}
