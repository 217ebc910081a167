/* executor.h -- jobs, which other threads do for a loop, and how a thread that has no loop waits. */
#pragma once

#include "errands.h"

struct asyncio__job;

struct asyncio__job_kind {
    int (*run)(struct asyncio__job *job); /* in a worker; what it returns is job->result */
    void (*done)(struct asyncio__job
                     *job); /* on the loop's thread; the result is -ECANCELED when a shutdown took it from the queue */
    void (*lost)(struct asyncio__job
                     *job); /* on the loop's thread, in place of `done`: the loop closes; `run` may not have ended */
    void (*free)(struct asyncio__job *job); /* any thread: frees its memory */
};

struct asyncio__job {
    struct asyncio__errand errand; /* its node is in the executor's queue, then posted to the loop */
    const struct asyncio__job_kind *kind;
    struct asyncio_executor *executor;
    struct asyncio_context *context; /* to run in, shared with nobody; NULL: an empty one. Set before submit */
    int result;
    bool queued;       /* this and the next are guarded by the executor's lock */
    int64_t queued_ns; /* when; the kernel's monotonic clock */
};

/* Queues a job for a loop, on its thread; executor NULL: its default one, made at first use. Until `done` a thread
 * counts as being at work for the loop. Returns: 0, and the job will be freed by its kind; -ASYNCIO_ECLOSED, -ENOMEM,
 * -EAGAIN when there is no thread, -EBUSY when too many are queued, -EXDEV in a forked child of the executor's process:
 * then it is the caller's still. */
int asyncio__job_submit(struct asyncio__job *job, const struct asyncio__job_kind *kind, struct asyncio_loop *loop,
                        struct asyncio_executor *executor);

/* Takes a job out of the queue. Loop's thread. Returns: true when it will not run and has been freed; false when it has
 * begun, or run: `done` will be called. */
bool asyncio__job_cancel(struct asyncio__job *job);

/* True while it waits for a thread. */
bool asyncio__job_queued(const struct asyncio__job *job);

/* How many jobs an executor's threads are running, and its name, which lives as long as it. */
size_t asyncio__executor_busy(struct asyncio_executor *executor);
const char *asyncio__executor_name(const struct asyncio_executor *executor);

/* --------------------------------------------------------------------------------------------------------- Joining */

/* Waits for the end of an executor's threads; the wait is a job itself. Frees itself when it is over. */
struct asyncio__join {
    struct asyncio__job job;
    struct asyncio_executor *executor; /* a reference: whose end it is */
    struct asyncio_executor *helper;   /* a reference: its one thread waits */
    double seconds;
    void (*joined)(void *owner, int result); /* on the loop's thread; NULL: nobody waits any more */
    void *owner;
};

/* Shuts the loop's default executor, which there must be, down, and calls `joined` when its threads have ended, with
 * 0, or with -ETIMEDOUT after so many real seconds. Loop's thread. Returns: 0; -ENOMEM; -EAGAIN when there is no
 * thread; -ASYNCIO_ECLOSED. */
int asyncio__executor_join(struct asyncio_loop *loop, double seconds, void (*joined)(void *owner, int result),
                           void *owner, struct asyncio__join **ret_join);

/* Logs that jobs run longer than somebody waits for them. */
void asyncio__executor_report(struct asyncio_executor *executor, double seconds);

/* -------------------------------------------------------------------------------------------------------- Blocking */

/* A condition variable for the wait below. Returns: 0; -ENOMEM. */
int asyncio__cond_init(pthread_cond_t *cond);

/* The time, for threads that block, in so many seconds. Returns: 0; -EINVAL for NaN. */
int asyncio__thread_deadline(double seconds, int64_t *ret_deadline_ns);

/* Blocks this thread until the condition is signalled, perhaps by mistake. Returns: false when it is later than the
 * deadline. */
bool asyncio__cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline_ns);
