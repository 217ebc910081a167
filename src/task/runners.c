/* runners.c -- running a loop until something is done, and the runner that also makes it, tears it down, and listens
 * to Ctrl-C. */
#include "../loop/executor.h"
#include "../loop/signals.h"
#include "task.h"

#include <signal.h>
#include <unistd.h>

#define DEFAULT_TEARDOWN_S 60.0
#define DEFAULT_EXECUTOR_S 300.0

/* Tasks that cleanup makes are cancelled too, but a program that always makes another is not followed for ever
 * (D-18). */
#define MOST_TEARDOWN_PASSES 100

enum runner_state { RUNNER_CREATED, RUNNER_INITIALIZED, RUNNER_CLOSED };

/* ----------------------------------------------------------------------------------------- Until something is done */

struct until {
    struct asyncio_node node;
    struct asyncio_loop *loop;
};

static void until_done(struct asyncio_node *node)
{
    asyncio_loop_stop(CONTAINER_OF(node, struct until, node)->loop);
}

int asyncio_loop_run_until_complete_future(struct asyncio_loop *loop, struct asyncio_future *future)
{
    struct asyncio__scheduler *scheduler;
    struct until until = {.loop = loop};
    int r;

    if (!loop || !future)
        return -EINVAL;
    if (!future->scheduler)
        return future->result;
    if (asyncio__loop_closed(loop))
        return -ASYNCIO_ECLOSED;
    if (future->scheduler->loop != loop)
        return -ASYNCIO_EFOREIGNLOOP;
    if (asyncio__running_loop || asyncio_loop_is_running(loop))
        return -ASYNCIO_ERUNNING;
    scheduler = future->scheduler;
    asyncio_node_init(&until.node, until_done, NULL);
    asyncio__ref(future);
    if (asyncio__is_done(future))
        asyncio__schedule(loop, &until.node);
    else
        asyncio__future_watch(future, &until.node);
    scheduler->until = future;
    r = asyncio_loop_run_forever(loop);
    scheduler->until = NULL;
    asyncio_node_cancel(&until.node);
    if (r >= 0)
        r = asyncio__is_done(future) ? asyncio_future_result(future) : -ASYNCIO_ESTOPPED;
    asyncio__unref(future);
    return r;
}

int asyncio_loop_run_until_complete(struct asyncio_loop *loop, asyncio_coro *fn, void *arg)
{
    struct asyncio_future *task;
    int r;

    if (!loop || !fn)
        return -EINVAL;
    if (asyncio__running_loop || asyncio_loop_is_running(loop))
        return -ASYNCIO_ERUNNING;
    task = asyncio_loop_create_task(loop, fn, arg);
    r = asyncio_loop_run_until_complete_future(loop, task);
    asyncio_future_unref(task);
    return r;
}

/* ------------------------------------------------------------------------------------------------------------- Ctrl-C
 *
 * A watch that stands in for the default action of SIGINT: the first one cancels the main task, the second one ends a
 * program that does not listen. Where the program looks out for SIGINT itself, the watch is told of none. */

struct interrupt {
    struct asyncio_signal_watch watch;
    struct asyncio_future *main;
};

static void interrupt_main(struct asyncio_signal_watch *watch, unsigned times)
{
    (void)times;
    asyncio_future_cancel(CONTAINER_OF(watch, struct interrupt, watch)->main);
}

/* Somebody else's handler stays. Without ours Ctrl-C is what it always was. */
static void listen_to_sigint(struct interrupt *interrupt, struct asyncio_loop *loop, struct asyncio_future *main)
{
    interrupt->main = main;
    interrupt->watch.received = interrupt_main;
    if (getpid() == gettid())
        ASYNCIO_IGNORE(asyncio__watch_default_signal(&interrupt->watch, loop, SIGINT));
}

/* ---------------------------------------------------------------------------------------------------------- Runner */

static int make_loop(struct asyncio_runner *runner)
{
    const struct asyncio_run_kw *kw = &runner->kw;
    int r;

    if (kw->loop_factory)
        r = kw->loop_factory(&runner->loop);
    else
        r = asyncio_new_event_loop(&runner->loop, .backend = kw->backend);
    if (r < 0)
        return r;
    if (kw->debug)
        asyncio_loop_set_debug(runner->loop, true);
    return 0;
}

static int initialize(struct asyncio_runner *runner)
{
    int r;

    if (runner->state == RUNNER_CLOSED)
        return -ASYNCIO_ECLOSED;
    if (runner->state == RUNNER_INITIALIZED)
        return 0;
    runner->context = asyncio_copy_context();
    if (!runner->context)
        return -ENOMEM;
    r = make_loop(runner);
    if (r < 0) {
        runner->context = asyncio_context_unref(runner->context);
        return r;
    }
    if (!asyncio_get_event_loop()) {
        asyncio_set_event_loop(runner->loop);
        runner->set_event_loop = true;
    }
    runner->state = RUNNER_INITIALIZED;
    return 0;
}

int asyncio_runner_init_kw(struct asyncio_runner *runner, const struct asyncio_run_kw *kw)
{
    if (!runner)
        return -EINVAL;
    *runner = (struct asyncio_runner){0};
    if (kw)
        runner->kw = *kw;
    return 0;
}

int asyncio_runner_get_loop(struct asyncio_runner *runner, struct asyncio_loop **ret_loop)
{
    int r;

    if (!runner || !ret_loop)
        return -EINVAL;
    r = initialize(runner);
    if (r == 0)
        *ret_loop = runner->loop;
    return r;
}

int asyncio_runner_run_kw(struct asyncio_runner *runner, asyncio_coro *main, void *arg, const struct asyncio_run_kw *kw)
{
    struct interrupt interrupt = {.main = NULL};
    struct asyncio_future *task;
    int r;

    if (!runner || !main)
        return -EINVAL;
    if (asyncio__running_loop)
        return -ASYNCIO_ERUNNING;
    r = initialize(runner);
    if (r < 0)
        return r;
    task = asyncio_loop_create_task_kw(runner->loop, main, arg,
                                       &(const struct asyncio_task_kw){
                                           .size = sizeof(struct asyncio_task_kw),
                                           .context = kw && kw->context ? kw->context : runner->context,
                                           .source = kw ? kw->source : NULL,
                                       });
    if (task->scheduler && !runner->kw.keep_sigint)
        listen_to_sigint(&interrupt, runner->loop, task);
    r = asyncio_loop_run_until_complete_future(runner->loop, task);
    /* One that came at the very end does not meet the next run. */
    asyncio_unwatch_signal(&interrupt.watch);
    if (interrupt.watch.spent && asyncio_future_cancelled(task) && asyncio_task_uncancel(task) == 0)
        r = -EINTR;
    asyncio_future_unref(task);
    return r;
}

/* -------------------------------------------------------------------------------------------------------- Teardown */

struct deadline {
    struct asyncio_timer timer;
    struct asyncio_loop *loop;
    bool over;
};

static void deadline_over(struct asyncio_node *node)
{
    struct deadline *deadline = CONTAINER_OF(node, struct deadline, timer.node);

    deadline->over = true;
    asyncio_loop_stop(deadline->loop);
}

/* Cancels all tasks once. Returns: how many; the loop stops when the last of them has ended. */
static size_t cancel_all(struct asyncio__scheduler *scheduler)
{
    struct asyncio_link *link, *next;

    scheduler->n_torn_down = 0;
    LIST_FOR_EACH(link, next, &scheduler->tasks) {
        struct asyncio__task *task = LIST_ENTRY(link, struct asyncio__task, all);

        task->torn_down = true;
        scheduler->n_torn_down++;
        asyncio__task_cancel(task);
    }
    return scheduler->n_torn_down;
}

/* Whoever has not ended yet must not stop a later run when it does. */
static void forget_all(struct asyncio__scheduler *scheduler)
{
    struct asyncio_link *link, *next;

    scheduler->n_torn_down = 0;
    LIST_FOR_EACH(link, next, &scheduler->tasks) {
        LIST_ENTRY(link, struct asyncio__task, all)->torn_down = false;
    }
}

/* Works without an allocation, so that a program that ran out of memory ends well. */
static int cancel_tasks(struct asyncio_loop *loop, double seconds)
{
    struct asyncio__scheduler *scheduler = loop->front_state;
    struct deadline deadline = {.loop = loop};
    int64_t span_ns = NS_NEVER;
    int r = 0;

    if (!scheduler)
        return 0;
    asyncio__ns_from_seconds(seconds, &span_ns);
    asyncio_node_init(&deadline.timer.node, deadline_over, NULL);
    deadline.timer.index = SIZE_MAX;
    /* Without memory for the timer the tasks have all the time they want. */
    ASYNCIO_IGNORE(asyncio_timer_arm(loop, &deadline.timer, ns_add(asyncio__now(loop), span_ns)));
    for (int pass = 0; pass < MOST_TEARDOWN_PASSES && !deadline.over && r >= 0; pass++) {
        if (cancel_all(scheduler) == 0)
            break;
        r = asyncio_loop_run_forever(loop);
    }
    asyncio_timer_disarm(loop, &deadline.timer);
    forget_all(scheduler);
    return r;
}

struct drain {
    struct asyncio_loop *loop;
    bool over;
    int result; /* valid when it is over */
};

static void drained(void *owner, int result)
{
    struct drain *drain = owner;

    drain->over = true;
    drain->result = result;
    asyncio_loop_stop(drain->loop);
}

static int run_until_drained(struct asyncio_loop *loop, double seconds)
{
    struct drain drain = {.loop = loop};
    struct asyncio__join *join;
    int r = asyncio__executor_join(loop, seconds, drained, &drain, &join);

    /* Without memory, or a thread, for the better way. */
    if (r < 0)
        return asyncio_executor_shutdown(loop->default_executor, false, seconds);
    while (!drain.over && r >= 0)
        r = asyncio_loop_run_forever(loop);
    if (drain.over)
        return drain.result;
    join->joined = NULL;
    return r;
}

/* Lets the default executor's jobs end while the loop still runs, because a job may be waiting for something that the
 * loop does. The seconds are real ones: the simulator's clock stands still as long as a job runs. */
static void drain_executor(struct asyncio_loop *loop, double seconds)
{
    loop->executor_shut_down = true;
    if (!loop->default_executor || atomic_load(&loop->external) == 0 || asyncio__loop_forked(loop))
        return;
    if (run_until_drained(loop, seconds) == -ETIMEDOUT)
        asyncio__executor_report(loop->default_executor, seconds);
}

int asyncio_runner_close(struct asyncio_runner *runner)
{
    struct asyncio_loop *loop;
    int r;

    if (!runner)
        return -EINVAL;
    if (asyncio__running_loop)
        return -ASYNCIO_ERUNNING;
    if (runner->state != RUNNER_INITIALIZED) {
        runner->state = RUNNER_CLOSED;
        return 0;
    }
    loop = runner->loop;
    r = cancel_tasks(loop, runner->kw.teardown_timeout != 0 ? runner->kw.teardown_timeout : DEFAULT_TEARDOWN_S);
    if (r >= 0)
        drain_executor(loop, runner->kw.executor_timeout != 0 ? runner->kw.executor_timeout : DEFAULT_EXECUTOR_S);
    if (runner->set_event_loop)
        asyncio_set_event_loop(NULL);
    r = asyncio_loop_close(loop);
    runner->state = RUNNER_CLOSED;
    runner->context = asyncio_context_unref(runner->context);
    runner->loop = NULL;
    if (r < 0)
        return r;
    asyncio_loop_unref(loop);
    return 0;
}

int asyncio_run_kw(asyncio_coro *main, void *arg, const struct asyncio_run_kw *kw)
{
    struct asyncio_runner runner;
    int r, closed;

    if (!main)
        return -EINVAL;
    if (asyncio__running_loop)
        return -ASYNCIO_ERUNNING;
    asyncio_runner_init_kw(&runner, kw);
    r = asyncio_runner_run_kw(&runner, main, arg, kw);
    closed = asyncio_runner_close(&runner);
    return r < 0 ? r : closed < 0 ? closed : r;
}
