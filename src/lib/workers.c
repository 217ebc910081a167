/* workers.c -- one main function on several loops at once, each in a thread of its own.
 *
 * Invariants:
 *   - no main function begins before each worker has its thread, its loop and its watches of signals, so that a signal
 *     reaches all or none, and so that a failure to prepare leaves nothing half done;
 *   - what a worker's main does is its own thread's affair; what all share is under the team's lock;
 *   - the team has a reference to each loop until all threads have ended, so that any of them can be posted to. */
#include "../base/context.h"
#include "../base/mem.h"
#include "../loop/signals.h"
#include "lib.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

static const int stop_signals[] = {SIGINT, SIGTERM};

struct member;

struct alarm {
    struct asyncio_signal_watch watch;
    struct member *member;
};

struct member {
    struct asyncio_worker worker;
    struct team *team;
    pthread_t thread;                /* not of the first, which runs in the caller's */
    struct asyncio_context *context; /* a copy of the caller's; NULL when that is empty */
    struct asyncio_runner runner;
    struct asyncio_loop *loop; /* a reference, once it is prepared */
    struct alarm alarms[ARRAY_SIZE(stop_signals)];
    struct asyncio_node stop;    /* posted once at most, by the first that fails */
    struct asyncio_future *task; /* while main runs, borrowed */
    bool is_cancelled, is_interrupted;
};

struct team {
    pthread_mutex_t lock;
    pthread_cond_t all_ready;
    unsigned n, n_ready;
    bool may_run; /* each could be prepared; decided by the last one */
    int (*main)(struct asyncio_worker *worker);
    struct asyncio_workers_kw kw;
    cpu_set_t processors; /* that the caller may use; empty: it could not be found out */
    bool listens;         /* to the signals that stop */
    bool is_interrupted;  /* a signal has ended a main function */
    int result;           /* the first error */
    struct member members[];
};

/* --------------------------------------------------------------------------------------------------- Cancel, result */

/* Once: one that is ending already, perhaps gracefully, is not disturbed. */
static void cancel_main(struct member *member)
{
    if (member->is_cancelled)
        return;
    member->is_cancelled = true;
    if (member->task)
        asyncio_future_cancel(member->task);
}

/* From here on signals have their default action. */
static void listen_no_more(struct member *member)
{
    for (size_t i = 0; i < ARRAY_SIZE(stop_signals); i++)
        asyncio_unwatch_signal(&member->alarms[i].watch);
}

static void interrupted(struct asyncio_signal_watch *watch, unsigned times)
{
    struct member *member = CONTAINER_OF(watch, struct alarm, watch)->member;

    (void)times;
    member->is_interrupted = true;
    listen_no_more(member);
    cancel_main(member);
}

static void stopped(struct asyncio_node *node)
{
    cancel_main(CONTAINER_OF(node, struct member, stop));
}

/* With the lock. The nodes of those that have ended are dropped by their loops. */
static void fail(struct team *team, int error)
{
    team->result = error;
    for (unsigned i = 0; i < team->n; i++)
        if (team->members[i].loop)
            ASYNCIO_IGNORE(asyncio_loop_post(team->members[i].loop, &team->members[i].stop));
}

static void report(struct member *member, int r)
{
    struct team *team = member->team;

    pthread_mutex_lock(&team->lock);
    if (r == -ECANCELED && member->is_cancelled)
        team->is_interrupted |= member->is_interrupted;
    else if (r < 0 && team->result == 0)
        fail(team, r);
    pthread_mutex_unlock(&team->lock);
}

/* ------------------------------------------------------------------------------------------------------- One worker */

/* The processor whose turn it is among those the process may use. */
static void pin(const struct member *member)
{
    const cpu_set_t *all = &member->team->processors;
    unsigned n = (unsigned)CPU_COUNT(all), place = n > 0 ? member->worker.index % n : 0;
    cpu_set_t mine;

    CPU_ZERO(&mine);
    for (unsigned i = 0; n > 0 && i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, all) && place-- == 0) {
            CPU_SET(i, &mine);
            break;
        }
    }
    if (n > 0)
        sched_setaffinity(0, sizeof mine, &mine);
}

static int prepare(struct member *member)
{
    const struct asyncio_workers_kw *kw = &member->team->kw;
    const struct asyncio_run_kw run_kw = {
        .size = sizeof run_kw,
        .backend = kw->backend,
        .debug = kw->debug,
        .teardown_timeout = kw->teardown_timeout,
        .keep_sigint = true,
    };
    struct asyncio_loop *loop;
    int r = asyncio_runner_init_kw(&member->runner, &run_kw);

    if (r == 0)
        r = asyncio_runner_get_loop(&member->runner, &loop);
    if (r < 0)
        return r;
    member->loop = asyncio_loop_ref(loop);
    /* Where the program deals with a signal itself, that stays. */
    for (size_t i = 0; member->team->listens && i < ARRAY_SIZE(stop_signals); i++) {
        member->alarms[i].member = member;
        member->alarms[i].watch.received = interrupted;
        ASYNCIO_IGNORE(asyncio__watch_default_signal(&member->alarms[i].watch, loop, stop_signals[i]));
    }
    return 0;
}

/* Waits until all are prepared. Returns: whether each of them could be. */
static bool begin_together(struct member *member, int prepared)
{
    struct team *team = member->team;
    bool may_run;

    pthread_mutex_lock(&team->lock);
    if (prepared < 0 && team->result == 0)
        team->result = prepared;
    if (++team->n_ready == team->n) {
        team->may_run = team->result == 0;
        pthread_cond_broadcast(&team->all_ready);
    }
    while (team->n_ready < team->n)
        pthread_cond_wait(&team->all_ready, &team->lock);
    may_run = team->may_run;
    pthread_mutex_unlock(&team->lock);
    return may_run;
}

static int run_main(void *arg)
{
    struct member *member = arg;
    int r;

    if (member->is_cancelled)
        return -ECANCELED;
    member->task = asyncio_current_task();
    r = member->team->main(&member->worker);
    member->task = NULL;
    return r;
}

static void *work(void *arg)
{
    struct member *member = arg;
    const struct asyncio_run_kw run_kw = {.size = sizeof run_kw, .context = member->context};
    int r;

    if (member->team->kw.pinned)
        pin(member);
    if (begin_together(member, prepare(member)))
        report(member, asyncio_runner_run_kw(&member->runner, run_main, member, &run_kw));
    listen_no_more(member);
    r = asyncio_runner_close(&member->runner);
    report(member, r);
    return NULL;
}

/* --------------------------------------------------------------------------------------------------------- The team */

static unsigned count_processors(cpu_set_t *ret_processors)
{
    long n;

    CPU_ZERO(ret_processors);
    if (sched_getaffinity(0, sizeof *ret_processors, ret_processors) == 0)
        return (unsigned)CPU_COUNT(ret_processors);
    CPU_ZERO(ret_processors);
    n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}

static void free_team(struct team *team)
{
    for (unsigned i = 0; i < team->n; i++) {
        asyncio_loop_unref(team->members[i].loop);
        asyncio_context_unref(team->members[i].context);
    }
    pthread_cond_destroy(&team->all_ready);
    pthread_mutex_destroy(&team->lock);
    asyncio__free(team);
}

static struct team *make_team(unsigned n, const cpu_set_t *processors, int (*main)(struct asyncio_worker *worker),
                              void *arg, const struct asyncio_workers_kw *kw)
{
    struct team *team = asyncio__calloc(sizeof *team + n * sizeof team->members[0]);

    if (!team)
        return NULL;
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->all_ready, NULL);
    team->n = n;
    team->main = main;
    team->processors = *processors;
    if (kw)
        team->kw = *kw;
    team->listens = !team->kw.keep_signals && getpid() == gettid();
    for (unsigned i = 0; i < n; i++) {
        struct member *member = &team->members[i];

        member->worker = (struct asyncio_worker){.index = i, .n = n, .arg = arg};
        member->team = team;
        asyncio_node_init(&member->stop, stopped, NULL);
        if (asyncio__context_private(&member->context) < 0) {
            free_team(team);
            return NULL;
        }
    }
    return team;
}

/* Makes the threads of all but the first. Those that are there wait. Returns: how many, with the first. */
static unsigned start_threads(struct team *team)
{
    char name[24];
    unsigned n = 1;

    while (n < team->n && pthread_create(&team->members[n].thread, NULL, work, &team->members[n]) == 0) {
        snprintf(name, sizeof name, "worker_%u", n);
        pthread_setname_np(team->members[n].thread, name);
        n++;
    }
    return n;
}

static int run_team(struct team *team)
{
    unsigned n = start_threads(team);
    int r;

    if (n < team->n) {
        pthread_mutex_lock(&team->lock);
        team->n = n;
        team->result = -EAGAIN;
        pthread_mutex_unlock(&team->lock);
    }
    work(&team->members[0]);
    for (unsigned i = 1; i < n; i++)
        pthread_join(team->members[i].thread, NULL);
    if (team->kw.pinned && CPU_COUNT(&team->processors) > 0)
        sched_setaffinity(0, sizeof team->processors, &team->processors);
    r = team->result;
    return r == 0 && team->is_interrupted ? -EINTR : r;
}

int asyncio_run_workers_kw(unsigned n, int (*main)(struct asyncio_worker *worker), void *arg,
                           const struct asyncio_workers_kw *kw)
{
    struct team *team;
    cpu_set_t processors;
    unsigned n_processors = count_processors(&processors);
    int r;

    if (!main)
        return -EINVAL;
    if (asyncio_get_running_loop())
        return -ASYNCIO_ERUNNING;
    team = make_team(n > 0 ? n : n_processors, &processors, main, arg, kw);
    if (!team)
        return -ENOMEM;
    r = run_team(team);
    free_team(team);
    return r;
}
