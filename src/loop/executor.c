/* executor.c -- pools of threads, and the jobs that they do for loops.
 *
 * The fields of an executor are guarded by its lock, but for the two counts of references. Threads are made when a job
 * finds none idle, and end when the executor is shut down and its queue is empty. A thread counts as idle from its
 * birth, and before it delivers what a job gave, so that jobs done one after the other are done by one thread. */
#include "executor.h"

#include "../base/context.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define MOST_DEFAULT_WORKERS 32
#define THREAD_NAME_SIZE     16

struct asyncio_executor {
    pthread_mutex_t lock;
    pthread_cond_t work;  /* something is in the queue, or the executor was shut down */
    pthread_cond_t ended; /* a thread has ended */
    atomic_int refs;      /* the users' */
    atomic_int holders;   /* who needs the memory: the users together, each thread, each job */
    struct asyncio_link queue;
    size_t n_queued, n_threads, n_idle;
    size_t max_workers;
    size_t max_queued;                       /* SIZE_MAX: no limit */
    uint64_t n_done, n_cancelled, n_refused; /* jobs so far */
    int64_t longest_wait_ns;
    size_t last_number;                /* of a thread, for its name */
    struct asyncio_link ended_workers; /* to be joined */
    bool shut_down;
    bool detached; /* nobody will join what ends from now on */
    unsigned fork_count;
    char name[THREAD_NAME_SIZE];
};

/* A thread. */
struct worker {
    struct asyncio_link link; /* of those that have ended */
    pthread_t thread;
    struct asyncio_executor *executor;
    size_t number;
};

/* Whose worker this thread is. */
static _Thread_local struct asyncio_executor *working_for;

/* -------------------------------------------------------------------------------------------------------- Blocking */

/* A loop's clock may be virtual, and what blocks here is no loop. */
static int64_t thread_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_SEC + now.tv_nsec;
}

int asyncio__thread_deadline(double seconds, int64_t *ret_deadline_ns)
{
    int64_t span_ns;
    int r = asyncio__ns_from_seconds(seconds, &span_ns);

    if (r < 0)
        return r;
    *ret_deadline_ns = ns_add(thread_now_ns(), span_ns);
    return 0;
}

int asyncio__cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    int r;

    if (pthread_condattr_init(&attributes) != 0)
        return -ENOMEM;
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    r = pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
    return r == 0 ? 0 : -ENOMEM;
}

bool asyncio__cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline_ns)
{
    struct timespec deadline = {.tv_sec = deadline_ns / NS_PER_SEC, .tv_nsec = deadline_ns % NS_PER_SEC};

    if (deadline_ns == NS_NEVER)
        return pthread_cond_wait(cond, lock) == 0;
    return pthread_cond_timedwait(cond, lock, &deadline) != ETIMEDOUT;
}

/* --------------------------------------------------------------------------------------------------------- Workers */

static void release(struct asyncio_executor *executor)
{
    if (atomic_fetch_sub(&executor->holders, 1) > 1)
        return;
    pthread_cond_destroy(&executor->work);
    pthread_cond_destroy(&executor->ended);
    pthread_mutex_destroy(&executor->lock);
    asyncio__free(executor);
}

/* The number is worth more than the end of a long name. */
static void name_thread(const struct worker *worker)
{
    char name[THREAD_NAME_SIZE], number[THREAD_NAME_SIZE];
    size_t digits = (size_t)snprintf(number, sizeof number, "_%zu", worker->number);
    size_t length = min_size(strlen(worker->executor->name), sizeof name - 1 - min_size(digits, sizeof name - 1));

    memcpy(name, worker->executor->name, length);
    snprintf(name + length, sizeof name - length, "%s", number);
    pthread_setname_np(pthread_self(), name);
}

/* Takes the first job out of the queue, with the lock held; NULL when there is none. */
static struct asyncio__job *next_job(struct asyncio_executor *executor)
{
    struct asyncio_link *link = list_pop_front(&executor->queue);
    struct asyncio__job *job;
    int64_t waited_ns;

    if (!link)
        return NULL;
    job = LIST_ENTRY(link, struct asyncio__job, errand.node.link);
    job->queued = false;
    executor->n_queued--;
    executor->n_idle--;
    waited_ns = thread_now_ns() - job->queued_ns;
    if (waited_ns > executor->longest_wait_ns)
        executor->longest_wait_ns = waited_ns;
    return job;
}

/* Waits for a job; NULL when there will be none. */
static struct asyncio__job *await_job(struct asyncio_executor *executor)
{
    struct asyncio__job *job;

    pthread_mutex_lock(&executor->lock);
    while (list_empty(&executor->queue) && !executor->shut_down)
        pthread_cond_wait(&executor->work, &executor->lock);
    job = next_job(executor);
    pthread_mutex_unlock(&executor->lock);
    return job;
}

/* Does a job. Returns: the next one, if that is there already, so that the lock is taken once for both. */
static struct asyncio__job *do_job(struct asyncio_executor *executor, struct asyncio__job *job)
{
    struct asyncio__context_entry entry;
    struct asyncio__job *next;

    asyncio__context_enter(&entry, &job->context);
    job->result = job->kind->run(job);
    asyncio__context_leave(&entry);
    pthread_mutex_lock(&executor->lock);
    executor->n_idle++;
    executor->n_done++;
    next = next_job(executor);
    pthread_mutex_unlock(&executor->lock);
    asyncio__errand_deliver(&job->errand);
    return next;
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct asyncio_executor *executor = worker->executor;
    struct asyncio__job *job;

    name_thread(worker);
    working_for = executor;
    while ((job = await_job(executor)))
        while (job)
            job = do_job(executor, job);
    pthread_mutex_lock(&executor->lock);
    executor->n_idle--;
    executor->n_threads--;
    if (executor->detached) {
        pthread_detach(pthread_self());
        asyncio__free(worker);
    } else {
        list_push_back(&executor->ended_workers, &worker->link);
    }
    pthread_cond_broadcast(&executor->ended);
    pthread_mutex_unlock(&executor->lock);
    release(executor);
    return NULL;
}

/* A thread that no signal reaches which somebody sends: those are for the loops' threads. What it does wrong itself is
 * still seen. */
static int create_thread(struct worker *worker)
{
    static const int own_faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    sigset_t blocked, before;
    int r;

    sigfillset(&blocked);
    for (size_t i = 0; i < ARRAY_SIZE(own_faults); i++)
        sigdelset(&blocked, own_faults[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    r = pthread_create(&worker->thread, NULL, work, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r == 0 ? 0 : -EAGAIN;
}

static int add_worker(struct asyncio_executor *executor)
{
    struct worker *worker = asyncio__malloc(sizeof *worker);

    if (!worker)
        return -ENOMEM;
    worker->executor = executor;
    worker->number = executor->last_number;
    atomic_fetch_add(&executor->holders, 1);
    if (create_thread(worker) < 0) {
        atomic_fetch_sub(&executor->holders, 1);
        asyncio__free(worker);
        return -EAGAIN;
    }
    executor->last_number++;
    executor->n_threads++;
    executor->n_idle++;
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------ Jobs */

static struct asyncio__job *job_of(struct asyncio__errand *errand)
{
    return CONTAINER_OF(errand, struct asyncio__job, errand);
}

/* Takes a job out of the queue, if it is still there. */
static bool withdraw(struct asyncio__job *job)
{
    struct asyncio_executor *executor = job->executor;
    bool was_queued;

    pthread_mutex_lock(&executor->lock);
    was_queued = job->queued;
    if (was_queued) {
        list_remove(&job->errand.node.link);
        job->queued = false;
        executor->n_queued--;
        executor->n_cancelled++;
    }
    pthread_mutex_unlock(&executor->lock);
    return was_queued;
}

static void job_arrived(struct asyncio__errand *errand)
{
    struct asyncio__job *job = job_of(errand);

    asyncio__external_end(errand->loop);
    job->kind->done(job);
}

static bool job_closed(struct asyncio__errand *errand)
{
    struct asyncio__job *job = job_of(errand);

    asyncio__external_end(errand->loop);
    job->kind->lost(job);
    return withdraw(job);
}

static void job_free(struct asyncio__errand *errand)
{
    struct asyncio__job *job = job_of(errand);
    struct asyncio_executor *executor = job->executor;

    asyncio_context_unref(job->context);
    job->kind->free(job);
    release(executor);
}

static const struct asyncio__errand_kind job_errand = {
    .arrived = job_arrived,
    .closed = job_closed,
    .free = job_free,
};

/* Makes a thread if none is free for one more job, with the lock held. Those that are idle are as good as taken by what
 * is queued. */
static int find_worker(struct asyncio_executor *executor)
{
    int r;

    if (executor->shut_down)
        return -ASYNCIO_ECLOSED;
    if (executor->n_queued < executor->n_idle)
        return 0;
    r = executor->n_threads < executor->max_workers ? add_worker(executor) : 0;
    if (executor->n_queued < executor->n_idle)
        return 0;
    if (executor->n_threads == 0)
        return r;
    if (executor->n_queued - executor->n_idle < executor->max_queued)
        return 0;
    executor->n_refused++;
    return -EBUSY;
}

/* Queues a job for a thread. One that is behind others has their threads. */
static int enqueue(struct asyncio_executor *executor, struct asyncio__job *job)
{
    int r;

    pthread_mutex_lock(&executor->lock);
    r = find_worker(executor);
    if (r == 0) {
        job->queued = true;
        job->queued_ns = thread_now_ns();
        list_push_back(&executor->queue, &job->errand.node.link);
        executor->n_queued++;
        pthread_cond_signal(&executor->work);
    }
    pthread_mutex_unlock(&executor->lock);
    return r;
}

static int default_executor(struct asyncio_loop *loop, struct asyncio_executor **ret_executor)
{
    int r = 0;

    if (loop->executor_shut_down)
        return -ASYNCIO_ECLOSED;
    if (!loop->default_executor)
        r = asyncio_thread_pool_executor_kw(&loop->default_executor, NULL);
    *ret_executor = loop->default_executor;
    return r;
}

int asyncio__job_submit(struct asyncio__job *job, const struct asyncio__job_kind *kind, struct asyncio_loop *loop,
                        struct asyncio_executor *executor)
{
    int r = asyncio__loop_check(loop);

    if (r == 0 && !executor)
        r = default_executor(loop, &executor);
    if (r < 0)
        return r;
    if (executor->fork_count != asyncio__fork_count)
        return -EXDEV;
    asyncio__errand_init(&job->errand, &job_errand, loop);
    job->kind = kind;
    job->executor = executor;
    atomic_fetch_add(&executor->holders, 1);
    asyncio__errand_expect(&job->errand);
    asyncio__external_begin(loop);
    r = enqueue(executor, job);
    if (r < 0) {
        asyncio__external_end(loop);
        list_remove(&job->errand.link);
        asyncio_loop_unref(loop);
        release(executor);
    }
    return r;
}

bool asyncio__job_cancel(struct asyncio__job *job)
{
    if (!withdraw(job))
        return false;
    asyncio__external_end(job->errand.loop);
    asyncio__errand_drop(&job->errand);
    return true;
}

bool asyncio__job_queued(const struct asyncio__job *job)
{
    bool queued;

    pthread_mutex_lock(&job->executor->lock);
    queued = job->queued;
    pthread_mutex_unlock(&job->executor->lock);
    return queued;
}

/* ------------------------------------------------------------------------------------------------------- Executors */

static size_t default_workers(void)
{
    cpu_set_t set;
    long n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);

    return min_size(MOST_DEFAULT_WORKERS, (n > 0 ? (size_t)n : 1) + 4);
}

static int init_locks(struct asyncio_executor *executor)
{
    if (pthread_mutex_init(&executor->lock, NULL) != 0)
        return -ENOMEM;
    if (asyncio__cond_init(&executor->work) < 0) {
        pthread_mutex_destroy(&executor->lock);
        return -ENOMEM;
    }
    if (asyncio__cond_init(&executor->ended) < 0) {
        pthread_cond_destroy(&executor->work);
        pthread_mutex_destroy(&executor->lock);
        return -ENOMEM;
    }
    return 0;
}

int asyncio_thread_pool_executor_kw(struct asyncio_executor **ret_executor, const struct asyncio_executor_kw *kw)
{
    struct asyncio_executor *executor;

    if (!ret_executor)
        return -EINVAL;
    executor = asyncio__calloc(sizeof *executor);
    if (!executor)
        return -ENOMEM;
    if (init_locks(executor) < 0) {
        asyncio__free(executor);
        return -ENOMEM;
    }
    list_init(&executor->queue);
    list_init(&executor->ended_workers);
    atomic_init(&executor->refs, 1);
    atomic_init(&executor->holders, 1);
    executor->max_workers = kw && kw->max_workers > 0 ? kw->max_workers : default_workers();
    executor->max_queued = kw && kw->max_queued > 0 ? kw->max_queued : SIZE_MAX;
    executor->fork_count = asyncio__fork_count;
    snprintf(executor->name, sizeof executor->name, "%s", kw && kw->name ? kw->name : "asyncio");
    *ret_executor = executor;
    return 0;
}

/* In a forked child the threads are not there, and one of them may have held the lock. */
static bool is_forked(const struct asyncio_executor *executor)
{
    return executor->fork_count != asyncio__fork_count;
}

static void join_ended(struct asyncio_executor *executor)
{
    struct asyncio_link *link;

    for (;;) {
        struct worker *worker;

        pthread_mutex_lock(&executor->lock);
        link = list_pop_front(&executor->ended_workers);
        pthread_mutex_unlock(&executor->lock);
        if (!link)
            return;
        worker = LIST_ENTRY(link, struct worker, link);
        pthread_join(worker->thread, NULL);
        asyncio__free(worker);
    }
}

/* Lets threads without work end, with the lock held; moves jobs that shall not be done to `ret_cancelled`, which may be
 * NULL. */
static void begin_shutdown(struct asyncio_executor *executor, struct asyncio_link *ret_cancelled)
{
    executor->shut_down = true;
    if (ret_cancelled) {
        for (struct asyncio_link *link = executor->queue.next; link != &executor->queue; link = link->next)
            LIST_ENTRY(link, struct asyncio__job, errand.node.link)->queued = false;
        list_splice_back(ret_cancelled, &executor->queue);
        executor->n_cancelled += executor->n_queued;
        executor->n_queued = 0;
    }
    pthread_cond_broadcast(&executor->work);
}

/* Waits, with the lock held, until all threads have ended. Those that have nothing to do any more are worth a moment
 * after the deadline. */
static int wait_for_threads(struct asyncio_executor *executor, int64_t deadline_ns)
{
    bool late = false;

    while (executor->n_threads > 0) {
        bool ending = executor->n_idle == executor->n_threads && executor->n_queued == 0;

        if (late && !ending)
            return -ETIMEDOUT;
        late = !asyncio__cond_wait(&executor->ended, &executor->lock, ending ? NS_NEVER : deadline_ns);
    }
    return 0;
}

int asyncio_executor_shutdown(struct asyncio_executor *executor, bool cancel_queued, double seconds)
{
    struct asyncio_link cancelled, *link;
    int64_t deadline_ns;
    int r;

    if (!executor || asyncio__thread_deadline(seconds, &deadline_ns) < 0)
        return -EINVAL;
    if (is_forked(executor))
        return 0;
    list_init(&cancelled);
    pthread_mutex_lock(&executor->lock);
    begin_shutdown(executor, cancel_queued ? &cancelled : NULL);
    pthread_mutex_unlock(&executor->lock);
    while ((link = list_pop_front(&cancelled))) {
        struct asyncio__job *job = LIST_ENTRY(link, struct asyncio__job, errand.node.link);

        job->result = -ECANCELED;
        asyncio__errand_deliver(&job->errand);
    }
    if (working_for == executor)
        return seconds > 0 ? -EDEADLK : -ETIMEDOUT;
    pthread_mutex_lock(&executor->lock);
    r = wait_for_threads(executor, deadline_ns);
    pthread_mutex_unlock(&executor->lock);
    join_ended(executor);
    return r;
}

/* Nobody can submit or join any more: threads that are idle are seen off, the others end when their jobs do. */
static void dissolve(struct asyncio_executor *executor)
{
    pthread_mutex_lock(&executor->lock);
    begin_shutdown(executor, NULL);
    while (working_for != executor && executor->n_idle > 0 && executor->n_queued == 0)
        pthread_cond_wait(&executor->ended, &executor->lock);
    executor->detached = true;
    pthread_mutex_unlock(&executor->lock);
    join_ended(executor);
    release(executor);
}

struct asyncio_executor *asyncio_executor_ref(struct asyncio_executor *executor)
{
    if (executor)
        atomic_fetch_add(&executor->refs, 1);
    return executor;
}

struct asyncio_executor *asyncio_executor_unref(struct asyncio_executor *executor)
{
    if (executor && atomic_fetch_sub(&executor->refs, 1) == 1 && !is_forked(executor))
        dissolve(executor);
    return NULL;
}

int asyncio_executor_info(struct asyncio_executor *executor, struct asyncio_executor_info *ret_info)
{
    struct asyncio_executor_info info;

    if (!executor || !ret_info || ret_info->size < sizeof info.size)
        return -EINVAL;
    if (is_forked(executor))
        return -EXDEV;
    pthread_mutex_lock(&executor->lock);
    info = (struct asyncio_executor_info){
        .size = ret_info->size,
        .n_threads = executor->n_threads,
        .n_busy = executor->n_threads - executor->n_idle,
        .n_queued = executor->n_queued,
        .n_done = executor->n_done,
        .n_cancelled = executor->n_cancelled,
        .n_refused = executor->n_refused,
        .longest_wait = asyncio__seconds_from_ns(executor->longest_wait_ns),
    };
    pthread_mutex_unlock(&executor->lock);
    memcpy(ret_info, &info, min_size(info.size, sizeof info));
    return 0;
}

size_t asyncio__executor_busy(struct asyncio_executor *executor)
{
    size_t n;

    pthread_mutex_lock(&executor->lock);
    n = executor->n_threads - executor->n_idle;
    pthread_mutex_unlock(&executor->lock);
    return n;
}

const char *asyncio__executor_name(const struct asyncio_executor *executor)
{
    return executor->name;
}
