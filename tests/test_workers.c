/* test_workers.c -- one main function on several loops, a thread each. */
#include "threading.h"

#include <sched.h>

#define WORKERS 4

static atomic_int n_begun, n_ended, n_cancelled;
static struct asyncio_loop *loops[WORKERS];
static pthread_t threads[WORKERS];

static int run_n(unsigned n, int (*main)(struct asyncio_worker *worker), void *arg)
{
    return asyncio_run_workers(n, main, arg, .backend = test_backend());
}

static void note(const struct asyncio_worker *worker)
{
    atomic_fetch_add(&n_begun, 1);
    loops[worker->index] = asyncio_get_running_loop();
    threads[worker->index] = pthread_self();
}

static int look_around(struct asyncio_worker *worker)
{
    int r;

    note(worker);
    EXPECT_INT(worker->n, WORKERS);
    EXPECT_INT(number_of(worker->arg), 7);
    r = asyncio_sleep(0.001);
    atomic_fetch_add(&n_ended, 1);
    return r < 0 ? r : 5;
}

TEST_REAL(loops_of_their_own, "EV-01: a loop a thread, the first in the caller's; each is told which it is")
{
    EXPECT_INT(run_n(WORKERS, look_around, number(7)), 0);
    EXPECT_INT(n_ended, WORKERS);
    EXPECT(pthread_equal(threads[0], pthread_self()));
    for (int i = 0; i < WORKERS; i++) {
        for (int j = 0; j < i; j++) {
            EXPECT(loops[i] != loops[j]);
            EXPECT(!pthread_equal(threads[i], threads[j]));
        }
    }
    EXPECT_PTR(asyncio_get_running_loop(), NULL);
    EXPECT_PTR(asyncio_get_event_loop(), NULL);
}

static int count_only(struct asyncio_worker *worker)
{
    atomic_fetch_add(&n_begun, 1);
    return worker->n == (unsigned)number_of(worker->arg) ? 0 : -ERANGE;
}

TEST_REAL(as_many_as_processors, "0 workers are as many as there are processors that may be used")
{
    cpu_set_t set;

    EXPECT_INT(sched_getaffinity(0, sizeof set, &set), 0);
    EXPECT_INT(run_n(0, count_only, number(CPU_COUNT(&set))), 0);
    EXPECT_INT(n_begun, CPU_COUNT(&set));
}

/* --------------------------------------------------------------------------------------------------------- Failures */

static int wait_long(struct asyncio_worker *worker)
{
    int r;

    note(worker);
    r = asyncio_sleep(3600);
    if (r == -ECANCELED)
        atomic_fetch_add(&n_cancelled, 1);
    return r;
}

/* The one that is named fails. */
static int fail_or_wait(struct asyncio_worker *worker)
{
    if ((int)worker->index != number_of(worker->arg))
        return wait_long(worker);
    ASYNCIO_IGNORE(asyncio_sleep(0.002));
    return -EPIPE;
}

TEST_REAL(the_first_failure, "the first that fails cancels the others, and its error is the result")
{
    for (int i = 0; i < WORKERS; i++) {
        atomic_store(&n_cancelled, 0);
        EXPECT_INT(run_n(WORKERS, fail_or_wait, number(i)), -EPIPE);
        /* One that had not begun was not called at all. */
        EXPECT(n_cancelled <= WORKERS - 1);
    }
}

static int fail_at_once(struct asyncio_worker *worker)
{
    return worker->index == 2 ? -EPIPE : wait_long(worker);
}

TEST_REAL(failure_at_once, "a failure before the others have got anywhere cancels them all the same")
{
    for (int i = 0; i < 20; i++)
        EXPECT_INT(run_n(WORKERS, fail_at_once, NULL), -EPIPE);
}

static int fail_twice(struct asyncio_worker *worker)
{
    if (worker->index == 0)
        return -EPIPE;
    EXPECT_INT(asyncio_sleep(3600), -ECANCELED);
    /* The second failure comes later: it neither counts nor cancels. */
    ASYNCIO_IGNORE(asyncio_sleep(0.002 * worker->index));
    atomic_fetch_add(&n_ended, 1);
    return -EIO;
}

TEST_REAL(later_failures, "the error is the first in time; one that ends already is not cancelled again")
{
    EXPECT_INT(run_n(WORKERS, fail_twice, NULL), -EPIPE);
    EXPECT(n_ended <= WORKERS - 1);
}

static int cancel_oneself(struct asyncio_worker *worker)
{
    if (worker->index != 1)
        return wait_long(worker);
    cancel(asyncio_current_task());
    return asyncio_sleep(0);
}

TEST_REAL(own_cancel, "a worker that was cancelled by nobody else has failed")
{
    EXPECT_INT(run_n(WORKERS, cancel_oneself, NULL), -ECANCELED);
}

static int wait_for_nothing(struct asyncio_worker *worker)
{
    struct asyncio_event never = {.name = "never"};

    return worker->index == 1 ? asyncio_event_wait(&never) : asyncio_sleep(3600);
}

TEST_REAL(dead_lock, "a loop whose tasks wait for ever fails as in asyncio_run, with the report")
{
    EXPECT_INT(run_n(2, wait_for_nothing, NULL), -EDEADLK);
    EXPECT_LOG("dead lock");
    EXPECT_LOG("event 'never'");
}

static int nest(struct asyncio_worker *worker)
{
    EXPECT_INT(run_n(1, look_around, NULL), -ASYNCIO_ERUNNING);
    return (int)worker->index * 0;
}

TEST_REAL(misuse_of_workers, "no main, a loop that runs, a back end that is none: refused, and none has run")
{
    EXPECT_INT(run_n(2, NULL, NULL), -EINVAL);
    EXPECT_INT(run_n(2, nest, NULL), 0);
    EXPECT_INT(asyncio_run_workers(WORKERS, look_around, NULL, .backend = "none"), -EINVAL);
    EXPECT_INT(n_begun, 0);
}

static int one_worker(struct asyncio_worker *worker)
{
    EXPECT_INT(worker->n, 1);
    return asyncio_sleep(0);
}

TEST(workers_and_memory, "without memory nothing begins, and nothing is left")
{
    EXPECT_INT(asyncio_run_workers(1, one_worker, NULL, .backend = test_backend()), 0);
}

/* ---------------------------------------------------------------------------------------------------------- Signals */

static struct gate all_there;

/* The last one that comes sends the signal to the process. */
static int wait_for_signal(struct asyncio_worker *worker)
{
    int r;

    if (atomic_fetch_add(&n_begun, 1) == WORKERS - 1)
        kill(getpid(), number_of(worker->arg));
    r = asyncio_sleep(3600);
    atomic_fetch_add(&n_ended, r == -ECANCELED);
    return r;
}

static int take_it_as_a_wish(struct asyncio_worker *worker)
{
    EXPECT_INT(wait_for_signal(worker), -ECANCELED);
    return asyncio_sleep(0.001);
}

TEST_REAL(signals_cancel_all, "SG-01 R-04: SIGINT and SIGTERM cancel the main functions of all")
{
    EXPECT_INT(run_n(WORKERS, wait_for_signal, number(SIGINT)), -EINTR);
    EXPECT_INT(n_ended, WORKERS);
    atomic_store(&n_begun, 0);
    EXPECT_INT(run_n(WORKERS, wait_for_signal, number(SIGTERM)), -EINTR);
    EXPECT_INT(n_ended, 2 * WORKERS);
}

TEST_REAL(graceful_end, "SG-01: who takes the signal for a wish to stop, and ends well, has not failed")
{
    EXPECT_INT(run_n(WORKERS, take_it_as_a_wish, number(SIGTERM)), 0);
    EXPECT_INT(n_ended, WORKERS);
}

static int fail_after_signal(struct asyncio_worker *worker)
{
    int r = wait_for_signal(worker);

    if (worker->index == 3)
        return -EIO;
    /* It would meet a cancel that is pending. */
    EXPECT_INT(asyncio_sleep(0.02), 0);
    return r;
}

TEST_REAL(failure_after_a_signal, "a failure of a worker's own counts more than the signal, and cancels nobody again")
{
    EXPECT_INT(run_n(WORKERS, fail_after_signal, number(SIGTERM)), -EIO);
}

static int leave_early(struct asyncio_worker *worker)
{
    if (worker->index == 0) {
        gate_open(&all_there);
        return 0;
    }
    if (worker->index == 1) {
        gate_pass(&all_there);
        ASYNCIO_IGNORE(asyncio_sleep(0.005));
        kill(getpid(), SIGTERM);
    }
    return wait_long(worker);
}

TEST_REAL(signal_after_the_first_has_ended, "SG-01: the first worker's end does not make the others deaf")
{
    gate_init(&all_there);
    EXPECT_INT(run_n(WORKERS, leave_early, NULL), -EINTR);
}

/* The last one that is cancelled sends another signal. */
static int never_stop(struct asyncio_worker *worker)
{
    if (atomic_fetch_add(&n_begun, 1) == WORKERS - 1)
        kill(getpid(), SIGTERM);
    while (n_begun > 0)
        if (asyncio_sleep(3600) < 0 && atomic_fetch_add(&n_cancelled, 1) == WORKERS - 1)
            kill(getpid(), number_of(worker->arg));
    return 0;
}

TEST_DIES(a_second_signal, SIGTERM, "")
{
    run_n(WORKERS, never_stop, number(SIGTERM));
}

TEST_DIES(a_signal_of_the_other_kind, SIGINT, "")
{
    run_n(WORKERS, never_stop, number(SIGINT));
}

static void on_signal(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static int have_a_handler(struct asyncio_worker *worker)
{
    static atomic_int n_told;

    EXPECT_INT(asyncio_loop_add_signal_handler(asyncio_get_running_loop(), SIGTERM, on_signal, &n_told), 0);
    if (atomic_fetch_add(&n_begun, 1) == WORKERS - 1)
        kill(getpid(), SIGTERM);
    while (atomic_load(&n_told) < (int)worker->n)
        if (asyncio_sleep(0.001) < 0)
            return -ECANCELED;
    return 0;
}

TEST_REAL(own_handlers, "SG-01: a program's own handlers take the place of the cancel, in each loop")
{
    EXPECT_INT(run_n(WORKERS, have_a_handler, NULL), 0);
}

static int check_default(struct asyncio_worker *worker)
{
    struct sigaction action;

    for (int i = 0; i < 2; i++) {
        EXPECT_INT(sigaction(i ? SIGINT : SIGTERM, NULL, &action), 0);
        EXPECT((action.sa_handler == SIG_DFL) == (worker->arg != NULL));
    }
    return 0;
}

static void *run_in_thread(void *arg)
{
    EXPECT_INT(asyncio_run_workers(2, check_default, arg, .backend = test_backend()), 0);
    return NULL;
}

TEST_REAL(signals_are_kept,
          "SG-02: dispositions come back; .keep_signals, and a call elsewhere than in the first thread")
{
    struct sigaction action;

    EXPECT_INT(asyncio_run_workers(2, check_default, NULL, .backend = test_backend()), 0);
    EXPECT_INT(sigaction(SIGTERM, NULL, &action), 0);
    EXPECT(action.sa_handler == SIG_DFL);
    EXPECT_INT(asyncio_run_workers(2, check_default, number(1), .backend = test_backend(), .keep_signals = true), 0);
    join_thread(start_thread(run_in_thread, number(1)));
}

/* --------------------------------------------------------------------------------------------------------- Keywords */

static int where_am_i(struct asyncio_worker *worker)
{
    const cpu_set_t *all = worker->arg;
    int nth = 0, wanted = (int)worker->index % CPU_COUNT(all);
    cpu_set_t mine;

    EXPECT_INT(sched_getaffinity(0, sizeof mine, &mine), 0);
    EXPECT_INT(CPU_COUNT(&mine), 1);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, all) && nth++ == wanted)
            EXPECT(CPU_ISSET(i, &mine));
    return 0;
}

TEST_REAL(pinned_to_processors,
          ".pinned: one processor each, in turn, and the caller's thread is free again afterwards")
{
    cpu_set_t before, after;

    EXPECT_INT(sched_getaffinity(0, sizeof before, &before), 0);
    EXPECT_INT(asyncio_run_workers(5, where_am_i, &before, .backend = test_backend(), .pinned = true), 0);
    EXPECT_INT(sched_getaffinity(0, sizeof after, &after), 0);
    EXPECT(CPU_EQUAL(&before, &after));
}

static const struct asyncio_contextvar color = {.name = "color"};

static int use_color(struct asyncio_worker *worker)
{
    char *mine = (char *)worker->arg + worker->index;

    EXPECT_STR(asyncio_contextvar_get(&color, NULL), "green");
    EXPECT_INT(asyncio_contextvar_set(&color, mine, NULL), 0);
    EXPECT(asyncio_loop_get_debug(asyncio_get_running_loop()));
    EXPECT_INT(asyncio_loop_set_slow_callback_duration(asyncio_get_running_loop(), 100), 0);
    return asyncio_contextvar_get(&color, NULL) == mine ? 0 : -EIO;
}

static int run_in_color(void *arg)
{
    EXPECT_INT(asyncio_contextvar_set(&color, (void *)(uintptr_t) "green", NULL), 0);
    EXPECT_INT(asyncio_run_workers(WORKERS, use_color, arg, .backend = test_backend(), .debug = true), 0);
    EXPECT_STR(asyncio_contextvar_get(&color, NULL), "green");
    return 0;
}

TEST_REAL(contexts_of_workers, "X-03: each has a copy of the caller's context; .debug")
{
    struct asyncio_context *context = asyncio_copy_context();
    char colors[WORKERS] = "";

    EXPECT_INT(asyncio_context_run(context, run_in_color, colors), 0);
    asyncio_context_unref(context);
}
