/* loop.h -- the event loop as the files of this floor and the floors above see it. It runs nodes and knows no task.
 *
 * Invariants:
 *   - a node that is scheduled is on `ready`, once; the mark `turn_end` is always there;
 *   - what stands before the mark runs in this turn; what is scheduled meanwhile goes to the end, behind it, and runs
 *     in the next;
 *   - only the owning thread touches anything but what is atomic. */
#pragma once

#include "../base/base.h"
#include "../base/list.h"
#include "../base/mem.h"
#include "timers.h"

#include <asyncio_lowlevel.h>

#include <pthread.h>
#include <stdatomic.h>

/* What the floor above hangs into the loop. */
struct asyncio__front {
    void (*begin)(struct asyncio_loop *loop);     /* a run begins in this thread */
    void (*end)(struct asyncio_loop *loop);       /* it has ended */
    bool (*suspended)(struct asyncio_loop *loop); /* something waits on a stack, which binds the loop to its thread */
    int (*stuck)(struct asyncio_loop *loop);      /* nothing can happen any more; a negative result ends the run */
    int (*closing)(struct asyncio_loop *loop);    /* a negative result refuses the close */
    void (*closed)(struct asyncio_loop *loop);    /* frees what the front has */
    bool (*has_surplus)(
        const struct asyncio_loop *loop);    /* memory that trims would give back; asked before each block */
    bool (*trim)(struct asyncio_loop *loop); /* gives some of it back; true: there is more to do at once */
    void (*drop)(struct asyncio_loop *loop, struct asyncio_node *node); /* the loop closes; frees a node of its own */
    void (*describe)(const struct asyncio_future *future, char *buffer, size_t size);
};

struct asyncio__watch;
struct asyncio__dns;
struct asyncio__datagrams;

#define ASYNCIO__POST_CHUNKS 23

/* Handles for posts, which any thread or signal handler takes and gives back; posts.c tells how. */
struct asyncio__post_memory {
    _Atomic(uint64_t) free;   /* the number of a free handle, below a tag */
    _Atomic(uint32_t) n_used; /* handles with a higher number have never been used */
    _Atomic(struct asyncio_handle *) chunks[ASYNCIO__POST_CHUNKS];
};

/* When memory is given back; trim.c. Pieces are what asyncio_allocated counts. */
struct asyncio__trims {
    int64_t due_ns;         /* not before that */
    int64_t n_pieces_peak;  /* the most there were since the last period began */
    int64_t n_pieces_most;  /* the same since libc's heap was last trimmed */
    int64_t n_pieces_freed; /* what pools have freed since then is worth so many */
    bool heap_decays;       /* it was trimmed in the last period but for bursts */
};

/* Reasons for detours. */
#define ASYNCIO__INSTRUMENTED (1U << 0)
#define ASYNCIO__FRONT_DETOUR (1U << 1) /* and higher: of the floor above */

struct asyncio_loop {
    struct asyncio_link ready;    /* nodes in the order in which they run, and the mark */
    struct asyncio_node turn_end; /* the mark; it has no function */
    int64_t n_run;                /* nodes that have begun to run, ever */
    int64_t poll_at;              /* at that number a poll is due; looked at where a turn ends */
    unsigned detours;             /* why nodes are not to be run one directly after the other: a bit each */
    bool instrumented;            /* debug mode or hooks: every node is run from the loop's own stack */
    bool debug, stopping;
    atomic_bool running;
    atomic_bool closed; /* any thread may ask */
    const struct asyncio__front *front;
    void *front_state;

    const struct asyncio_backend_ops *ops;
    struct asyncio_backend *backend;
    const char *backend_reason;
    char *backend_options; /* with which it was opened; or NULL */
    struct asyncio__timers timers;

    int poll_interval;    /* most nodes between two polls */
    int interval;         /* the present number, less when nodes are slow */
    int64_t last_poll_ns; /* when the last poll ended */
    struct asyncio__trims trims;
    int64_t slow_ns; /* debug mode reports what runs longer */
    int run_error;   /* ends the run */
    bool stuck_reported;

    struct asyncio__pool handles;
    bool lingering;                  /* nobody references the closed loop any more, but handles of it are still there */
    struct asyncio__watch **watches; /* by fd: add_reader and add_writer */
    size_t n_watches;
    struct asyncio_link conns;     /* connections that are not lost yet; conn.c */
    struct asyncio__dns *dns;      /* dns.h; NULL until a name is looked up */
    struct asyncio__datagrams *datagrams; /* datagrams.c; NULL while there is no transport of datagrams */
    struct asyncio_link pipes;     /* transports over pipes that are not lost yet; pipes.c */
    struct asyncio_link acceptors; /* acceptor.c: those that are not over, so that the close finds them */
    struct asyncio_link subprocesses; /* subprocess_transports.c: those that are not lost yet */
    struct asyncio_link children;  /* child.c: those that have not ended, or whose owner is still to be told */

    _Atomic(struct asyncio_node *) posts; /* newest first; &asyncio__posts_closed once closed */
    atomic_int posters;                   /* threads inside asyncio_loop_post: close waits for them */
    struct asyncio__post_memory post_memory;
    atomic_int holds;    /* someone may yet wake the loop */
    atomic_int external; /* threads at work for the loop */
    atomic_int refs;

    pthread_t thread;    /* the last that ran it */
    bool has_run;
    unsigned fork_count; /* of the process when it was made or taken over */

    struct asyncio_link errands; /* what other threads are still to bring; executor.c */
    struct asyncio_executor *default_executor;
    struct asyncio_executor *file_pool; /* file_pool.c; NULL until a file needs a thread */
    bool executor_shut_down; /* the default executor takes no more jobs */
    asyncio_exception_handler *exception_handler;
    void *exception_arg;
    bool reporting; /* the exception handler runs */
    struct asyncio_hooks hooks;

    /* The context that ASYNCIO_SSL_DEFAULT stands for, and how it is given back; NULL until it is needed. */
    struct asyncio_ssl_context *ssl_default;
    struct asyncio_ssl_context *(*unref_ssl_default)(struct asyncio_ssl_context *context);
};

/* The loop that runs in this thread. */
extern _Thread_local struct asyncio_loop *asyncio__running_loop;

/* Forks of this process before it was this process: a loop made before is its parent's. */
extern unsigned asyncio__fork_count;

static inline void asyncio__schedule(struct asyncio_loop *loop, struct asyncio_node *node)
{
    list_push_back(&loop->ready, &node->link);
}

/* Whether nothing is ready, asked between turns. */
static inline bool asyncio__none_ready(const struct asyncio_loop *loop)
{
    return loop->turn_end.link.next == &loop->ready;
}

/* Lets all that is ready run, when all of the last turn has run and something is ready. The mark goes from the front to
 * the end. Returns: the first node. */
static inline struct asyncio_node *asyncio__begin_turn(struct asyncio_loop *loop)
{
    struct asyncio_link *mark = &loop->turn_end.link, *first = mark->next, *last = loop->ready.prev;

    last->next = mark;
    loop->ready.prev = mark;
    mark->next = &loop->ready;
    mark->prev = last;
    loop->ready.next = first;
    first->prev = &loop->ready;
    return CONTAINER_OF(first, struct asyncio_node, link);
}

/* What stands first: a node or the mark. */
static inline struct asyncio_node *asyncio__first_node(const struct asyncio_loop *loop)
{
    return CONTAINER_OF(loop->ready.next, struct asyncio_node, link);
}

/* The next node of this turn or, while no poll is due, of the next turn, still in its place; the mark when it is time
 * to poll. This is the inline end of a turn: a task that yields calls it too, and switches to the next task without
 * passing through the loop. */
static inline struct asyncio_node *asyncio__next_node(struct asyncio_loop *loop)
{
    struct asyncio_node *node = asyncio__first_node(loop);

    if (UNLIKELY(!node->run) && loop->n_run < loop->poll_at && !asyncio__none_ready(loop))
        node = asyncio__begin_turn(loop);
    return node;
}

/* Takes the first node off, which runs now. Its link still points at its old neighbours: whoever's cancel asks whether
 * it is on a list initialises it first. */
static inline void asyncio__take_node(struct asyncio_loop *loop, struct asyncio_node *node)
{
    struct asyncio_link *next = node->link.next;

    loop->n_run++;
    loop->ready.next = next;
    next->prev = &loop->ready;
}

static inline int64_t asyncio__now(struct asyncio_loop *loop)
{
    return loop->ops->now(loop->backend);
}

static inline bool asyncio__loop_closed(const struct asyncio_loop *loop)
{
    return atomic_load_explicit(&loop->closed, memory_order_relaxed);
}

/* Seconds to a span of nanoseconds, the one place where time is converted: rounded up, so that nothing is early; zero
 * or less is 0, what does not fit is NS_NEVER. Returns: 0; -EINVAL for NaN. */
int asyncio__ns_from_seconds(double seconds, int64_t *ret_ns);

/* The same for a point of the loop's clock, to the nearest nanosecond, so that what asyncio_loop_time gave comes
 * back. */
int asyncio__ns_from_when(double when, int64_t *ret_ns);

double asyncio__seconds_from_ns(int64_t ns);

/* True when the calling thread may touch the loop: it runs it, or nobody does. */
bool asyncio__loop_is_mine(const struct asyncio_loop *loop);

/* True in a forked child for its parent's loop. */
static inline bool asyncio__loop_forked(const struct asyncio_loop *loop)
{
    return loop->fork_count != asyncio__fork_count;
}

/* Lets a forked child have the loop that its parent made, but has not run yet and has nothing under way in: as a daemon
 * that forks after it has made its loop. Returns: 0, also for a loop of this process; -EXDEV; errors of the back end's
 * open. */
int asyncio__loop_take_over(struct asyncio_loop *loop);

/* Common checks of functions that schedule. Returns: 0; -EINVAL; -ASYNCIO_ECLOSED; -EXDEV in debug mode. */
int asyncio__loop_check(const struct asyncio_loop *loop);

/* Frees a lingering loop once no handle of it is left. */
void asyncio__loop_free_if_unused(struct asyncio_loop *loop);

/* Ends the present run with an error. */
void asyncio__loop_fail(struct asyncio_loop *loop, int error);

/* A thread is at work for the loop; begun and ended on the loop's thread. */
void asyncio__external_begin(struct asyncio_loop *loop);
void asyncio__external_end(struct asyncio_loop *loop);

/* Schedules what other threads posted, in the order of arrival. */
void asyncio__posts_collect_slow(struct asyncio_loop *loop);

static inline void asyncio__posts_collect(struct asyncio_loop *loop)
{
    if (UNLIKELY(atomic_load_explicit(&loop->posts, memory_order_relaxed) != NULL))
        asyncio__posts_collect_slow(loop);
}

/* posts.c: whether posts are refused. Any thread. */
bool asyncio__posts_refused(const struct asyncio_loop *loop);

/* posts.c: no more posts from now on; drops those that are left. */
void asyncio__posts_close(struct asyncio_loop *loop);
void asyncio__posts_free(struct asyncio_loop *loop);

/* trim.c: gives back memory that was not needed lately, if that is due; a little at a time if the loop is `busy`.
 * Returns: when to call again, however idle the loop is; NS_NEVER when nothing is left to give back. */
int64_t asyncio__loop_trim(struct asyncio_loop *loop, bool busy);

/* trim.c: the same question without doing anything. */
int64_t asyncio__loop_trim_due(const struct asyncio_loop *loop);

/* fds.c: ends all watches. */
void asyncio__watches_close(struct asyncio_loop *loop);

/* datagrams.c: closes all transports of datagrams. */
void asyncio__datagrams_close(struct asyncio_loop *loop);

/* pipes.c: closes all transports over pipes. */
void asyncio__pipes_close(struct asyncio_loop *loop);

/* subprocess_transports.c: ends all transports over children, after their pipes. */
void asyncio__subprocesses_close(struct asyncio_loop *loop);

/* child.c: takes the status of children that have ended, and watches the others no longer. */
void asyncio__children_close(struct asyncio_loop *loop);

/* acceptor.c: closes what listens. */
void asyncio__acceptors_close(struct asyncio_loop *loop);

/* signals.c: has the watches that the loop had in the parent of this process look out here. */
void asyncio__signals_take_over(struct asyncio_loop *loop);

/* signals.c: ends what looks out for signals. */
void asyncio__signals_close(struct asyncio_loop *loop);

/* dns_config.c: ends what the loop has of names. */
void asyncio__dns_close(struct asyncio_loop *loop);

/* handles.c: where a handle was scheduled; NULL when that is not known or the node is no handle. */
const char *asyncio__handle_source(const struct asyncio_node *node);

/* handles.c: frees what will not run. Returns: false when the node is no handle. */
bool asyncio__handle_drop(struct asyncio_node *node);

/* executor.c: what the loop's close does with the default executor. */
void asyncio__executor_close(struct asyncio_loop *loop);
