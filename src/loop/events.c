/* events.c -- the life of a loop and its turn, which src/README.md describes step by step. */
#include "loop.h"

#include "../backend/backends.h"
#include "../backend/ops.h"
#include "../base/log.h"
#include "conn.h"
#include "file_pool.h"
#include "handles.h"

#include <math.h>
#include <sched.h>
#include <stdlib.h>

#define DEFAULT_POLL_INTERVAL 64
#define POLL_AT_LEAST_EVERY   (50 * NS_PER_USEC)
#define DEFAULT_SLOW_NS       (100 * NS_PER_MSEC)

/* A poll never blocks longer, so that no kernel interface overflows. */
#define LONGEST_POLL_NS (24 * 3600 * NS_PER_SEC)

_Thread_local struct asyncio_loop *asyncio__running_loop;
static _Thread_local struct asyncio_loop *thread_loop;
unsigned asyncio__fork_count;

/* ------------------------------------------------------------------------------------------------------------ Time */

int asyncio__ns_from_seconds(double seconds, int64_t *ret_ns)
{
    double ns = ceil(seconds * 1e9);

    if (isnan(seconds))
        return -EINVAL;
    *ret_ns = ns <= 0 ? 0 : ns >= 9.2e18 ? NS_NEVER : (int64_t)ns;
    return 0;
}

int asyncio__ns_from_when(double when, int64_t *ret_ns)
{
    if (isnan(when))
        return -EINVAL;
    if (when >= 9.2e9)
        *ret_ns = NS_NEVER;
    else
        *ret_ns = when <= 0 ? 0 : (int64_t)llround(when * 1e9);
    return 0;
}

double asyncio__seconds_from_ns(int64_t ns)
{
    return ns == NS_NEVER ? ASYNCIO_FOREVER : (double)ns / 1e9;
}

/* ------------------------------------------------------------------------------------------------------ Life cycle */

/* The child of a fork has its parent's memory but must not run its parent's loops. If it returns into the run that it
 * forked in, that is over: nothing more that is the parent's to do is done twice. */
static void after_fork_in_child(void)
{
    struct asyncio_loop *loop = asyncio__running_loop;

    asyncio__fork_count++;
    if (loop && loop->front)
        loop->front->end(loop);
    if (loop) {
        list_unlink(&loop->turn_end.link);
        list_push_front(&loop->ready, &loop->turn_end.link);
        asyncio__loop_fail(loop, -EXDEV);
    }
    asyncio__running_loop = NULL;
    thread_loop = NULL;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, after_fork_in_child);
}

int asyncio_new_event_loop_on(struct asyncio_loop **ret_loop, const struct asyncio_backend_ops *ops,
                              const char *options, const struct asyncio_loop_kw *kw)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const char *debug = getenv("ASYNCIO_DEBUG");
    struct asyncio_loop *loop;
    int64_t start_ns = 0;
    int r;

    if (!ret_loop || !ops || (kw && asyncio__ns_from_when(kw->start_time, &start_ns) < 0))
        return -EINVAL;
    pthread_once(&once, watch_forks);
    loop = asyncio__calloc(sizeof *loop);
    if (!loop)
        return -ENOMEM;
    loop->backend_options = options ? asyncio__strdup(options) : NULL;
    r = options && !loop->backend_options ? -ENOMEM : ops->open(&loop->backend, options, start_ns);
    if (r < 0) {
        asyncio__free(loop->backend_options);
        asyncio__free(loop);
        return r;
    }
    loop->ops = ops;
    loop->backend_reason = "given by the caller";
    list_init(&loop->ready);
    list_push_back(&loop->ready, &loop->turn_end.link);
    list_init(&loop->conns);
    list_init(&loop->pipes);
    list_init(&loop->acceptors);
    list_init(&loop->children);
    list_init(&loop->subprocesses);
    asyncio__timers_init(&loop->timers, asyncio__now(loop));
    asyncio__pool_init(&loop->handles, sizeof(struct asyncio_handle));
    loop->poll_interval = loop->interval = DEFAULT_POLL_INTERVAL;
    loop->slow_ns = DEFAULT_SLOW_NS;
    loop->refs = 1;
    loop->fork_count = asyncio__fork_count;
    asyncio_loop_set_debug(loop, (kw && kw->debug) || (debug && strcmp(debug, "1") == 0));
    *ret_loop = loop;
    return 0;
}

int asyncio_new_event_loop_kw(struct asyncio_loop **ret_loop, const struct asyncio_loop_kw *kw)
{
    const struct asyncio_backend_ops *ops;
    const char *options, *reason;
    int r;

    if (!ret_loop)
        return -EINVAL;
    r = asyncio__backend_choose(kw ? kw->backend : NULL, &ops, &options, &reason);
    if (r == 0)
        r = asyncio_new_event_loop_on(ret_loop, ops, options, kw);
    if (r < 0)
        return r;
    (*ret_loop)->backend_reason = reason;
    /* Transcripts of the simulator are CPython's to the turn. */
    if (ops->simulated)
        asyncio_loop_set_poll_interval(*ret_loop, 1);
    return 0;
}

/* The parent's side of the back end stays the parent's: the child gives up its copies and opens one of its own. */
int asyncio__loop_take_over(struct asyncio_loop *loop)
{
    struct asyncio_backend *backend;
    int r;

    if (LIKELY(!asyncio__loop_forked(loop)))
        return 0;
    if (loop->has_run || atomic_load(&loop->running) || atomic_load(&loop->external) > 0 ||
        loop->ops->pending(loop->backend) > 0)
        return -EXDEV;
    r = loop->ops->open(&backend, loop->backend_options, asyncio__now(loop));
    if (r < 0)
        return r;
    loop->ops->close(loop->backend);
    loop->backend = backend;
    loop->fork_count = asyncio__fork_count;
    /* Threads of the parent's that were about to post. Nothing tells the new back end of what is posted already. */
    atomic_store(&loop->posters, 0);
    asyncio__posts_collect(loop);
    asyncio__signals_take_over(loop);
    return 0;
}

/* Frees a node that will not run, if it is one of ours; others are their owners'. */
static void drop(struct asyncio_loop *loop, struct asyncio_node *node)
{
    if (!asyncio__handle_drop(node) && loop->front)
        loop->front->drop(loop, node);
}

static void drop_scheduled(struct asyncio_loop *loop)
{
    struct asyncio_timer *timer;
    struct asyncio_link *link;

    list_unlink(&loop->turn_end.link);
    while ((link = list_pop_front(&loop->ready)))
        drop(loop, CONTAINER_OF(link, struct asyncio_node, link));
    list_push_back(&loop->ready, &loop->turn_end.link);
    while ((timer = asyncio__timers_take(&loop->timers)))
        drop(loop, &timer->node);
}

int asyncio_loop_close(struct asyncio_loop *loop)
{
    int r;

    if (!loop)
        return -EINVAL;
    if (asyncio__loop_closed(loop))
        return 0;
    /* In a forked child nobody runs it any more. */
    if (asyncio_loop_is_running(loop))
        return -ASYNCIO_ERUNNING;
    if (!asyncio__loop_forked(loop) && !asyncio__loop_is_mine(loop))
        return -EXDEV;
    if (loop->front && !asyncio__loop_forked(loop)) {
        r = loop->front->closing(loop);
        if (r < 0)
            return r;
    }
    atomic_store_explicit(&loop->closed, true, memory_order_relaxed);
    asyncio__posts_close(loop);
    asyncio__signals_close(loop);
    asyncio__acceptors_close(loop);
    asyncio__watches_close(loop);
    asyncio__children_close(loop);
    asyncio__conns_close(loop);
    asyncio__datagrams_close(loop);
    asyncio__pipes_close(loop);
    asyncio__subprocesses_close(loop);
    asyncio__dns_close(loop);
    if (loop->ssl_default)
        loop->ssl_default = loop->unref_ssl_default(loop->ssl_default);
    asyncio__file_pool_close(loop);
    asyncio__executor_close(loop);
    drop_scheduled(loop);
    if (loop->front)
        loop->front->closed(loop);
    loop->front = NULL;
    asyncio__timers_fini(&loop->timers);
    loop->ops->close(loop->backend);
    loop->backend = NULL;
    if (thread_loop == loop)
        thread_loop = NULL;
    return 0;
}

struct asyncio_loop *asyncio_loop_ref(struct asyncio_loop *loop)
{
    if (loop)
        atomic_fetch_add(&loop->refs, 1);
    return loop;
}

void asyncio__loop_free_if_unused(struct asyncio_loop *loop)
{
    if (loop->handles.in_use > 0)
        return;
    asyncio__posts_free(loop);
    asyncio__pool_fini(&loop->handles);
    asyncio__free(loop->backend_options);
    asyncio__free(loop);
}

struct asyncio_loop *asyncio_loop_unref(struct asyncio_loop *loop)
{
    if (!loop || atomic_fetch_sub(&loop->refs, 1) > 1)
        return NULL;
    if (!asyncio__loop_closed(loop)) {
        asyncio__log(ASYNCIO_LOG_WARNING, "the last reference to an event loop that is not closed was dropped");
        /* What the close references for a moment must not free the loop under it. */
        atomic_store(&loop->refs, 1);
        if (asyncio_loop_close(loop) < 0 || atomic_fetch_sub(&loop->refs, 1) > 1)
            return NULL;
    }
    loop->lingering = true;
    asyncio__loop_free_if_unused(loop);
    return NULL;
}

struct asyncio_loop *asyncio_get_running_loop(void)
{
    return asyncio__running_loop;
}

struct asyncio_loop *asyncio_get_event_loop(void)
{
    return asyncio__running_loop ? asyncio__running_loop : thread_loop;
}

void asyncio_set_event_loop(struct asyncio_loop *loop)
{
    thread_loop = loop;
}

/* ------------------------------------------------------------------------------------------------------------ Turn */

static void report_slow(const char *source, int64_t took_ns)
{
    asyncio__log(ASYNCIO_LOG_WARNING, "executing one %s%s took %.3f seconds",
                 source ? "callback, scheduled at " : "step", source ? source : "", asyncio__seconds_from_ns(took_ns));
}

static void run_instrumented(struct asyncio_loop *loop, struct asyncio_node *node)
{
    /* The node may be gone when it has run. */
    const char *source = asyncio__handle_source(node);
    void *context = node->context;
    int64_t start_ns = asyncio__now(loop), took_ns;

    if (context && loop->hooks.enter)
        loop->hooks.enter(loop->hooks.arg, context);
    node->run(node);
    if (context && loop->hooks.leave)
        loop->hooks.leave(loop->hooks.arg, context);
    took_ns = asyncio__now(loop) - start_ns;
    if (loop->debug && took_ns >= loop->slow_ns)
        report_slow(source, took_ns);
}

static void run_ready(struct asyncio_loop *loop)
{
    struct asyncio_node *node;

    while ((node = asyncio__next_node(loop)) != &loop->turn_end) {
        asyncio__take_node(loop, node);
        list_init(&node->link);
        if (UNLIKELY(loop->instrumented))
            run_instrumented(loop, node);
        else
            node->run(node);
    }
}

/* While nodes are always ready a poll is due after `interval` of them: as many as run in 50 us at the speed of the
 * last. */
static void adapt_interval(struct asyncio_loop *loop, int64_t now_ns, bool blocked)
{
    int64_t elapsed_ns = now_ns - loop->last_poll_ns, ran = loop->n_run + loop->interval - loop->poll_at;

    /* Time spent blocked tells nothing about nodes. */
    if (!blocked && ran > 0 && elapsed_ns > 0)
        loop->interval = (int)max_i64(1, min_i64(loop->poll_interval, ran * POLL_AT_LEAST_EVERY / elapsed_ns));
    loop->last_poll_ns = now_ns;
}

/* Nothing is ready, armed, pending or held: nobody can ever wake us but a thread that did not say so. */
static bool is_stuck(struct asyncio_loop *loop)
{
    return loop->ops->pending(loop->backend) == 0 && atomic_load(&loop->holds) == 0 &&
           atomic_load(&loop->external) == 0 && !atomic_load(&loop->posts) && loop->front;
}

/* Looks for a dead lock before a poll that blocks. */
static int before_block(struct asyncio_loop *loop, int64_t deadline_ns)
{
    int r = 0;

    if (deadline_ns == NS_NEVER && is_stuck(loop))
        r = loop->front->stuck(loop);
    /* A run that ends here does not block, and the hooks come in pairs. */
    if (r >= 0 && loop->hooks.before_block)
        loop->hooks.before_block(loop->hooks.arg);
    return r;
}

/* Collects, in this order, what the kernel, other threads and the clock have made ready, blocking until `deadline_ns`
 * at most, and not at all while something is ready already. */
static int poll_once(struct asyncio_loop *loop, int64_t deadline_ns)
{
    bool block = asyncio__none_ready(loop) && !loop->stopping && deadline_ns > 0;
    int64_t until_ns = 0;
    int r;

    if (block) {
        until_ns = min_i64(deadline_ns, asyncio__timers_next(&loop->timers));
        r = before_block(loop, until_ns);
        if (r < 0)
            return r;
        until_ns = min_i64(until_ns, asyncio__loop_trim(loop, false));
        if (until_ns != NS_NEVER)
            until_ns = min_i64(until_ns, ns_add(asyncio__now(loop), LONGEST_POLL_NS));
    } else if (UNLIKELY(loop->last_poll_ns >= loop->trims.due_ns)) {
        asyncio__loop_trim(loop, true);
    }
    r = loop->ops->poll(loop->backend, until_ns, atomic_load_explicit(&loop->external, memory_order_relaxed) > 0);
    if (block && loop->hooks.after_block)
        loop->hooks.after_block(loop->hooks.arg);
    if (r == -EINTR)
        r = loop->hooks.interrupted ? loop->hooks.interrupted(loop->hooks.arg) : 0;
    asyncio__posts_collect(loop);
    adapt_interval(loop, asyncio__now(loop), block);
    asyncio__timers_expire(&loop->timers, loop->last_poll_ns, &loop->ready);
    return r;
}

/* One turn, or several while no poll is due. Returns: 1 when something ran; 0; a negative error. */
static int turn(struct asyncio_loop *loop, int64_t deadline_ns)
{
    int r = poll_once(loop, deadline_ns);
    bool runs;

    if (r < 0)
        return r;
    runs = !asyncio__none_ready(loop);
    if (runs)
        asyncio__begin_turn(loop);
    loop->poll_at = loop->n_run + (loop->stopping ? 0 : loop->interval);
    run_ready(loop);
    return loop->run_error < 0 ? loop->run_error : runs;
}

static int begin_run(struct asyncio_loop *loop)
{
    int r;

    if (!loop)
        return -EINVAL;
    if (asyncio__loop_closed(loop))
        return -ASYNCIO_ECLOSED;
    if (asyncio__running_loop)
        return -ASYNCIO_ERUNNING;
    r = asyncio__loop_take_over(loop);
    if (r < 0)
        return r;
    if (atomic_exchange(&loop->running, true))
        return -ASYNCIO_ERUNNING;
    if (loop->front && loop->front->suspended(loop) && !pthread_equal(loop->thread, pthread_self())) {
        atomic_store(&loop->running, false);
        return -EXDEV;
    }
    loop->thread = pthread_self();
    loop->has_run = true;
    asyncio__running_loop = loop;
    loop->run_error = 0;
    if (loop->front)
        loop->front->begin(loop);
    return 0;
}

static void end_run(struct asyncio_loop *loop)
{
    if (loop->front)
        loop->front->end(loop);
    loop->stopping = false;
    asyncio__running_loop = NULL;
    atomic_store(&loop->running, false);
}

int asyncio_loop_run_forever(struct asyncio_loop *loop)
{
    int r = begin_run(loop);

    if (r < 0)
        return r;
    do
        r = turn(loop, NS_NEVER);
    while (r >= 0 && !loop->stopping);
    end_run(loop);
    return r < 0 ? r : 0;
}

int asyncio_loop_run_once(struct asyncio_loop *loop, int64_t deadline_ns)
{
    int r = begin_run(loop);

    if (r < 0)
        return r;
    r = turn(loop, deadline_ns);
    end_run(loop);
    return r;
}

void asyncio_loop_stop(struct asyncio_loop *loop)
{
    if (!loop)
        return;
    loop->stopping = true;
    loop->poll_at = loop->n_run;
}

void asyncio__loop_fail(struct asyncio_loop *loop, int error)
{
    loop->run_error = error;
    asyncio_loop_stop(loop);
}

int64_t asyncio_loop_next_deadline(struct asyncio_loop *loop)
{
    if (!loop || asyncio__loop_closed(loop))
        return NS_NEVER;
    if (!asyncio__none_ready(loop) || atomic_load(&loop->posts))
        return asyncio__now(loop);
    return min_i64(asyncio__timers_next(&loop->timers), asyncio__loop_trim_due(loop));
}

int asyncio_loop_fd(struct asyncio_loop *loop)
{
    if (!loop)
        return -EINVAL;
    return asyncio__loop_closed(loop) ? -ASYNCIO_ECLOSED : loop->ops->fd(loop->backend);
}

/* ------------------------------------------------------------------------------------------------ Nodes and timers */

void asyncio_node_init(struct asyncio_node *node, void (*run)(struct asyncio_node *node), void *context)
{
    list_init(&node->link);
    node->run = run;
    node->context = context;
}

void asyncio_loop_schedule(struct asyncio_loop *loop, struct asyncio_node *node)
{
    asyncio__schedule(loop, node);
}

void asyncio_node_cancel(struct asyncio_node *node)
{
    if (node && node->link.next)
        list_remove(&node->link);
}

int asyncio_timer_arm(struct asyncio_loop *loop, struct asyncio_timer *timer, int64_t deadline_ns)
{
    if (!loop || !timer)
        return -EINVAL;
    list_init(&timer->node.link);
    return asyncio__timers_arm(&loop->timers, timer, deadline_ns);
}

void asyncio_timer_disarm(struct asyncio_loop *loop, struct asyncio_timer *timer)
{
    if (asyncio_timer_armed(timer))
        asyncio__timers_disarm(&loop->timers, timer);
    else
        asyncio_node_cancel(&timer->node);
}

/* The back end is gone, and fds of its own with it; those of the process can still be closed. */
static bool submit_late(const struct asyncio_loop *loop, struct asyncio_op *op)
{
    int64_t result = -ASYNCIO_ECLOSED;

    if (op->opcode == ASYNCIO_OP_CLOSE || op->opcode == ASYNCIO_OP_FILE_CLOSE)
        result = loop->ops->own_fds ? 0 : asyncio__op_perform(op);
    return asyncio__op_finish(op, result);
}

bool asyncio_op_submit(struct asyncio_loop *loop, struct asyncio_op *op)
{
    if (UNLIKELY(!loop->backend))
        return submit_late(loop, op);
    if (UNLIKELY(asyncio__op_is_file(op)))
        return asyncio__file_submit(loop, op);
    return loop->ops->submit(loop->backend, op);
}

bool asyncio_op_cancel(struct asyncio_loop *loop, struct asyncio_op *op)
{
    return asyncio__op_is_file(op) ? asyncio__file_cancel(loop, op) : loop->ops->cancel(loop->backend, op);
}
