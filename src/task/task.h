/* task.h -- futures and tasks as the files of this floor and the one above see them.
 *
 * A task is a future with a stack. Its future part outlives its stack, which goes back to the pool at the task's last
 * step.
 *
 * A parked task stands nowhere but on the list of what it waits for, through its waiter; a ready one stands on the
 * loop's queues through its node. Awaiting a future puts the task's own node on the future's list of callbacks:
 * completing the future moves that whole list to the ready queue at once. */
#pragma once

#include "../base/base.h"
#include "../base/context.h"
#include "../base/list.h"
#include "../base/log.h"
#include "../base/mem.h"
#include "../coro/coro.h"
#include "../coro/stacks.h"
#include "../loop/loop.h"

#include <asyncio_lowlevel.h>

enum asyncio__future_state { FUTURE_PENDING, FUTURE_CANCELLED, FUTURE_FINISHED };

struct asyncio__scheduler;

/* What a composed future (gather, shield, wrap) adds to a plain one. */
struct asyncio__future_kind {
    const char *name; /* for dumps */
    /* Cancels what is underneath. Returns: 1 when the future will end cancelled through it, 0 when it refuses. */
    int (*cancel)(struct asyncio_future *future);
    /* The last reference goes while it is pending. */
    void (*abandoned)(struct asyncio_future *future);
};

struct asyncio_future {
    struct asyncio_link callbacks;        /* nodes, in order: waiting tasks and done-callbacks; valid while pending */
    struct asyncio__scheduler *scheduler; /* NULL: a static failed future, which is never written to */
    const struct asyncio__future_kind *kind;
    void *owner; /* of the kind */
    void *pointer;
    const char *source;
    char *cancel_message;
    int refs;
    int result; /* valid when done */
    uint8_t state;
    bool is_task;
    bool retrieved; /* somebody has seen its error */
    uint32_t mark;  /* scratch: finds duplicates in a list of futures */
};

/* The first cache line is all that a switch between tasks touches. */
struct asyncio__task {
    struct asyncio_node node; /* run: asyncio__task_start, later asyncio__task_run */
    struct asyncio__coro coro;
    struct asyncio_context *context;
    struct asyncio_waiter *waiter; /* what it waits for; NULL while it is ready or runs */
    bool must_cancel;              /* the next wait, or the present one when it completes, delivers a cancel */
    bool start_then_cancel;
    bool started;
    bool being_cancelled; /* asyncio__task_cancel is on its way through what it awaits */
    bool torn_down;       /* the runner's teardown has cancelled it and waits for it */

    struct asyncio_future future;
    struct asyncio__stack *stack; /* NULL before the first step and after the last */
    asyncio_coro *fn;
    void *arg;
    asyncio_callback *free_arg;
    struct asyncio_link all; /* of the scheduler's tasks that are not done */
    char *name;              /* NULL: "Task-" and the number of that name, until somebody asks for it */
    uint64_t name_number;    /* 0: it was given a name */
    uint64_t number;         /* which task of its loop it is, from 1: what a lock remembers of its owner */
    int cancelling;
    uint32_t requests;   /* cancels ever asked for */
    uint32_t deliveries; /* -ECANCELED ever delivered */
    uint32_t stack_kib;  /* wanted; 0: the usual size */
};

/* An eager start whose first step runs: where its first suspension, or its end, leads. On the stack of who started
 * it. */
struct asyncio__eager {
    struct asyncio__task *task;
    struct asyncio__coro *creator;
    struct asyncio__eager *outer;
};

/* What the loop has of tasks. It outlives the loop's close while futures do. */
struct asyncio__scheduler {
    struct asyncio_context **current; /* the slot of the task whose code runs, or NULL */
    struct asyncio_loop *loop;
    struct asyncio__eager *eager; /* the innermost one, or NULL */
    int64_t io_step;              /* which of the loop's nodes made the last input or output call */
    unsigned io_calls;            /* and how many it has made */
    bool takes_census;            /* of the stacks of tasks; census.c */
    struct asyncio__coro loop_coro;
    struct asyncio_link tasks; /* not done, oldest first */
    size_t n_tasks, n_started; /* n_started: not done, with a stack */
    size_t n_futures;          /* alive, tasks included */
    struct asyncio__pool futures, task_pool, callbacks;
    struct asyncio__stacks stacks;
    struct asyncio_stack_census census; /* of the tasks that have ended */
    uint64_t census_since;              /* tasks with a higher number are counted */
    asyncio_task_factory *task_factory;
    struct asyncio_future *until; /* what run_until_complete waits for */
    size_t n_torn_down;           /* tasks that the teardown waits for; the last one stops the loop */
    uint32_t marks;
    uint64_t last_number;
    bool closed;
    uint64_t detail_task; /* whose detail is in the buffer */
    char detail[256];
};

/* Why tasks make detours: each look at the next one is a long one then. */
#define ASYNCIO__EAGER ASYNCIO__FRONT_DETOUR        /* the first step of an eager start runs */
#define ASYNCIO__CROWD (ASYNCIO__FRONT_DETOUR << 1) /* there are more stacks than the nearest cache holds */

#define ASYNCIO__MOST_IN_CACHE 100

/* The scheduler of the loop that runs in this thread. */
extern _Thread_local struct asyncio__scheduler *asyncio__scheduler;

/* The loop's scheduler, made at first use; NULL when out of memory. */
struct asyncio__scheduler *asyncio__scheduler_of(struct asyncio_loop *loop);

/* Ends the first step of an eager start. Returns: where to go on. */
static inline struct asyncio__coro *asyncio__leave_eager(struct asyncio__scheduler *scheduler)
{
    struct asyncio__eager *eager = scheduler->eager;

    scheduler->eager = eager->outer;
    if (!scheduler->eager)
        scheduler->loop->detours &= ~ASYNCIO__EAGER;
    scheduler->current = NULL;
    return eager->creator;
}

/* The task whose code the scheduler runs, or NULL. */
static inline struct asyncio__task *asyncio__current_of(const struct asyncio__scheduler *scheduler)
{
    return scheduler->current ? CONTAINER_OF(scheduler->current, struct asyncio__task, context) : NULL;
}

static inline void asyncio__set_current(struct asyncio__scheduler *scheduler, struct asyncio__task *task)
{
    scheduler->current = task ? &task->context : NULL;
}

/* The task that runs, or NULL. */
static inline struct asyncio__task *asyncio__current(void)
{
    struct asyncio__scheduler *scheduler = asyncio__scheduler;

    return scheduler ? asyncio__current_of(scheduler) : NULL;
}

static inline bool asyncio__is_current(const struct asyncio__task *task)
{
    return task->future.scheduler->current == &task->context;
}

static inline struct asyncio__task *asyncio__task_of(struct asyncio_future *future)
{
    return CONTAINER_OF(future, struct asyncio__task, future);
}

static inline bool asyncio__is_done(const struct asyncio_future *future)
{
    return future->state != FUTURE_PENDING;
}

/* Which task of its loop it is; 0 for NULL and for a plain future. */
uint64_t asyncio__task_number(const struct asyncio_future *task);

/* ---- futures.c */

/* A failed future that needs no memory, for functions that never return NULL. `error` is negative. */
struct asyncio_future *asyncio__failed_future(int error);

/* A pending future of a kind. Returns: one reference or a failed future. */
struct asyncio_future *asyncio__future_new(struct asyncio_loop *loop, const struct asyncio__future_kind *kind,
                                           void *owner);

/* Prepares the future part of a future or task. */
void asyncio__future_init(struct asyncio_future *future, struct asyncio__scheduler *scheduler, const char *source);

/* Remembers why a future is cancelled; NULL: for no stated reason. Copied; without memory for it the reason is lost. */
void asyncio__set_cancel_message(struct asyncio_future *future, const char *message);

/* Completes a future or task and schedules its callbacks. */
void asyncio__future_complete(struct asyncio_future *future, enum asyncio__future_state state, int result);

/* Frees a done-callback that will not run; false when the node is none. */
bool asyncio__done_callback_drop(struct asyncio_node *node);
size_t asyncio__done_callback_size(void);

/* Puts a node of the caller's on a pending future's list; it is scheduled when the future is done. Taken off with
 * list_remove. */
static inline void asyncio__future_watch(struct asyncio_future *future, struct asyncio_node *node)
{
    list_push_back(&future->callbacks, &node->link);
}

static inline struct asyncio_future *asyncio__ref(struct asyncio_future *future)
{
    if (LIKELY(future->scheduler))
        future->refs++;
    return future;
}

void asyncio__future_free(struct asyncio_future *future);

static inline void asyncio__unref(struct asyncio_future *future)
{
    if (LIKELY(future->scheduler) && --future->refs == 0)
        asyncio__future_free(future);
}

/* A future or task that no longer counts: drops the scheduler's memory when it was the last after the close. */
void asyncio__scheduler_release(struct asyncio__scheduler *scheduler);

/* The futures of a list, each once: true the first time that `future` is seen under this mark. Static ones are always
 * new. */
static inline bool asyncio__first_seen(struct asyncio_future *future, uint32_t mark)
{
    if (!future->scheduler)
        return true;
    if (future->mark == mark)
        return false;
    future->mark = mark;
    return true;
}

/* Checks futures that somebody wants to wait for. Returns: 0; -EINVAL for a NULL; -ASYNCIO_EFOREIGNLOOP. */
int asyncio__futures_check(struct asyncio__scheduler *scheduler, struct asyncio_future *const *futures, size_t n);

/* ---- park.c */

/* Suspends the running task; it must stand where somebody will find it. Returns when it is resumed. */
void asyncio__suspend(struct asyncio__scheduler *scheduler, struct asyncio__task *task);

/* After so many calls of input and output in a row a task lets others run: about 50 us, as a call that moves a small
 * piece over a socket takes 3. */
#define ASYNCIO__IO_CALLS_PER_STEP 16

int asyncio__enter_io_slow(struct asyncio__task *task);

/* What every input and output call of the running task does first: meets a cancel that is pending, and lets others run
 * when too many calls were made since the task last waited, because what is always ready must not starve them. Returns:
 * 0; -ECANCELED. */
static inline int asyncio__enter_io(struct asyncio__task *task)
{
    struct asyncio__scheduler *scheduler = task->future.scheduler;

    /* Counting afresh is up to who counts: that spares every switch a store. */
    if (scheduler->io_step != scheduler->loop->n_run) {
        scheduler->io_step = scheduler->loop->n_run;
        scheduler->io_calls = 0;
    }
    if (LIKELY(++scheduler->io_calls <= ASYNCIO__IO_CALLS_PER_STEP && !task->must_cancel))
        return 0;
    return asyncio__enter_io_slow(task);
}

/* Ends the wait of a task in asyncio_op_park with a negative error, unless the operation is done or turns out to be. */
void asyncio__op_interrupt(struct asyncio_op *op, int error);

/* Asks a task to cancel. Returns: 1; 0 when it is done. */
int asyncio__task_cancel(struct asyncio__task *task);

/* What the await of a future is, for dumps. */
extern const struct asyncio_wait_kind asyncio__await_kind;

/* ---- tasks.c */

/* The node functions of a task: both run one step of it from the loop's stack, the first one after it was given a
 * stack. */
void asyncio__task_start(struct asyncio_node *node);
void asyncio__task_run(struct asyncio_node *node);

/* Gives an unstarted task its stack. Returns: false when there is none, and the task has ended with -ENOMEM. */
bool asyncio__task_prepare(struct asyncio__scheduler *scheduler, struct asyncio__task *task);

/* Ends a task that never started. */
void asyncio__task_end_unstarted(struct asyncio__task *task, enum asyncio__future_state state, int result);

/* Remembers what the current task's call has to add to its error. */
void asyncio__set_detail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Tells the loop's exception handler of a future's error, in the context of that task. */
void asyncio__report(struct asyncio_future *future, const char *message, int error);

/* ---- census.c: for a task that has got its stack, and one that is about to lose it, while a census is taken */

void asyncio__census_begin(struct asyncio__task *task);
void asyncio__census_end(struct asyncio__task *task);

/* ---- graph.c */

/* Logs every task with what it waits for. */
void asyncio__log_tasks(struct asyncio__scheduler *scheduler, const char *why);
