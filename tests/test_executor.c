/* test_executor.c -- pools of threads: run_in_executor, the default executor, shutdown. */
#include "threading.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static struct gate begun, go_on;
static atomic_int n_ran, n_running, most_running;

static void init_gates(void)
{
    gate_init(&begun);
    gate_init(&go_on);
}

static int thread_id(void)
{
    return (int)syscall(SYS_gettid);
}

/* What it is given, from another thread. */
static int echo(void *arg)
{
    atomic_fetch_add(&n_ran, 1);
    return number_of(arg);
}

/* Begins, and waits at a gate. */
static int block(void *arg)
{
    atomic_fetch_add(&n_ran, 1);
    gate_open(&begun);
    gate_pass(&go_on);
    return number_of(arg);
}

static struct asyncio_future *submit(struct asyncio_executor *executor, asyncio_coro *fn, void *arg)
{
    return asyncio_loop_run_in_executor(asyncio_get_running_loop(), executor, fn, arg);
}

/* Awaits a future and gives it back. */
static int outcome(struct asyncio_future *future)
{
    int r = asyncio_await(future);

    asyncio_future_unref(future);
    return r;
}

/* ------------------------------------------------------------------------------------------------- run_in_executor */

static int two_jobs(void *arg)
{
    (void)arg;
    EXPECT_INT(outcome(submit(NULL, echo, number(7))), 7);
    EXPECT_INT(outcome(submit(NULL, echo, number(-EBADF))), -EBADF);
    EXPECT_INT(outcome(submit(NULL, echo, number(-ECANCELED))), -ECANCELED);
    EXPECT_INT(outcome(submit(NULL, NULL, NULL)), -EINVAL);
    EXPECT_INT(outcome(asyncio_loop_run_in_executor(NULL, NULL, echo, NULL)), -EINVAL);
    return 0;
}

TEST(run_in_executor, "EV-18: a value or an error comes back from the default executor's thread")
{
    EXPECT_INT(run(two_jobs, NULL), 0);
}

static const char *expected_name;

static int where_am_i(void *arg)
{
    char name[16];
    sigset_t blocked;

    prctl(PR_GET_NAME, name);
    sigemptyset(&blocked);
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    EXPECT_STR(name, expected_name);
    (void)arg;
    EXPECT(sigismember(&blocked, SIGINT) && sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGCHLD));
    EXPECT(!sigismember(&blocked, SIGSEGV));
    EXPECT(!asyncio_get_running_loop());
    EXPECT(!asyncio_current_task());
    return thread_id();
}

/* The number of the thread that does it, which must have this name. */
static int thread_of(struct asyncio_executor *executor, const char *name)
{
    expected_name = name;
    return outcome(submit(executor, where_am_i, NULL));
}

static int names(void *arg)
{
    struct asyncio_executor *executor = NULL;
    sigset_t before, after;
    int first;

    (void)arg;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    first = thread_of(NULL, "asyncio_0");
    EXPECT(first > 0 && first != thread_id());
    /* Idle threads are used again. */
    for (int i = 0; i < 10; i++)
        EXPECT_INT(thread_of(NULL, "asyncio_0"), first);
    EXPECT_INT(asyncio_thread_pool_executor(&executor, .name = "a very long name indeed"), 0);
    EXPECT(thread_of(executor, "a very long n_0") != first);
    asyncio_executor_unref(executor);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (int number = 1; number < SIGRTMAX; number++)
        EXPECT_INT(sigismember(&after, number), sigismember(&before, number));
    return 0;
}

TEST_NO_SWEEP(worker_threads,
              "EV-18: threads are named, get no signals that somebody sends, and are used again when idle",
              "without memory there are other threads")
{
    EXPECT_INT(run(names, NULL), 0);
}

static int count_together(void *arg)
{
    int running = atomic_fetch_add(&n_running, 1) + 1, most = atomic_load(&most_running);

    (void)arg;
    while (running > most && !atomic_compare_exchange_weak(&most_running, &most, running))
        ;
    pause_thread(0.002);
    atomic_fetch_sub(&n_running, 1);
    return atomic_fetch_add(&n_ran, 1);
}

static int many_jobs(void *arg)
{
    struct asyncio_executor *executor = NULL;
    struct asyncio_future *jobs[20];
    int results[20];

    (void)arg;
    EXPECT_INT(asyncio_thread_pool_executor(&executor, .max_workers = 3), 0);
    for (int i = 0; i < 20; i++)
        jobs[i] = submit(executor, count_together, NULL);
    EXPECT_INT(asyncio_gather(jobs, 20, results), 0);
    EXPECT_INT(atomic_load(&n_ran), 20);
    EXPECT(atomic_load(&most_running) <= 3);
    for (int i = 0; i < 20; i++)
        asyncio_future_unref(jobs[i]);
    asyncio_executor_unref(executor);
    return 0;
}

TEST(bounded_pool, "EV-18: never more threads than asked for; what is behind waits its turn")
{
    EXPECT_INT(run(many_jobs, NULL), 0);
}

static int sequence_of_jobs[8], n_in_sequence;

static int next_in_sequence(void *arg)
{
    sequence_of_jobs[n_in_sequence++] = number_of(arg);
    return 0;
}

static int in_order(void *arg)
{
    struct asyncio_executor *executor = NULL;
    struct asyncio_future *jobs[8];

    (void)arg;
    EXPECT_INT(asyncio_thread_pool_executor(&executor, .max_workers = 1), 0);
    for (int i = 0; i < 8; i++)
        jobs[i] = submit(executor, next_in_sequence, number(i));
    for (int i = 0; i < 8; i++)
        EXPECT_INT(outcome(jobs[i]), 0);
    for (int i = 0; i < n_in_sequence; i++)
        EXPECT_INT(sequence_of_jobs[i], i);
    asyncio_executor_unref(executor);
    return 0;
}

TEST(first_in_first_out, "EV-18: one thread does jobs in the order in which they came")
{
    EXPECT_INT(run(in_order, NULL), 0);
}

static int cancel_queued(void *arg)
{
    struct asyncio_executor *executor = NULL;
    struct asyncio_future *first, *second, *third;

    (void)arg;
    EXPECT_INT(asyncio_thread_pool_executor(&executor, .max_workers = 1), 0);
    first = submit(executor, block, number(1));
    if (asyncio_future_done(first)) {
        asyncio_future_unref(first);
        asyncio_executor_unref(executor);
        return 0;
    }
    gate_pass(&begun);
    second = submit(executor, echo, number(2));
    third = submit(executor, echo, number(3));
    EXPECT_INT(asyncio_future_cancel(second), 1);
    EXPECT(asyncio_future_cancelled(second));
    EXPECT_INT(asyncio_future_cancel(second), 0);
    gate_open(&go_on);
    EXPECT_INT(outcome(first), 1);
    EXPECT_INT(outcome(third), 3);
    EXPECT_INT(atomic_load(&n_ran), 2);
    asyncio_future_unref(second);
    asyncio_executor_unref(executor);
    return 0;
}

TEST(cancel_a_queued_job, "EV-18: a job that is cancelled in the queue never runs")
{
    init_gates();
    EXPECT_INT(run(cancel_queued, NULL), 0);
}

static int cancel_running(void *arg)
{
    struct asyncio_future *job = submit(NULL, block, number(1));

    (void)arg;
    if (asyncio_future_done(job)) {
        asyncio_future_unref(job);
        return 0;
    }
    gate_pass(&begun);
    EXPECT_INT(asyncio_future_cancel(job), 1);
    EXPECT_INT(outcome(job), -ECANCELED);
    gate_open(&go_on);
    return 0;
}

TEST(cancel_a_running_job,
     "EV-18: a job that has begun goes on alone; its result is dropped, and the teardown waits for it")
{
    init_gates();
    EXPECT_INT(run(cancel_running, NULL), 0);
}

static int forget_a_failing_job(void *arg)
{
    (void)arg;
    asyncio_future_unref(submit(NULL, echo, number(-EIO)));
    return asyncio_sleep(1);
}

TEST_NO_SWEEP(forgotten_job, "EV-18 F-08: the error of a job whose future nobody holds is reported",
              "it is about the report")
{
    EXPECT_INT(run(forget_a_failing_job, NULL), 0);
    EXPECT_LOG("never retrieved");
}

/* Address space for no thread's stack, but for all else that is small. */
static void leave_no_room(struct rlimit *ret_before)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    struct rlimit small;

    getrlimit(RLIMIT_AS, ret_before);
    small = *ret_before;
    EXPECT(file && fscanf(file, "%lu", &pages) == 1);
    fclose(file);
    small.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + 1024 * 1024;
    setrlimit(RLIMIT_AS, &small);
}

TEST_REAL(no_thread_at_all, "EV-18: without any thread a job fails with -EAGAIN")
{
    struct rlimit before;
    struct asyncio_loop *loop;
    struct asyncio_future *job;

    if (test_slowness() > 1)
        SKIP("sanitizers need address space");
    EXPECT_INT(new_loop(&loop), 0);
    asyncio_future_unref(asyncio_loop_create_future(loop));
    leave_no_room(&before);
    job = asyncio_loop_run_in_executor(loop, NULL, echo, NULL);
    setrlimit(RLIMIT_AS, &before);
    EXPECT_INT(asyncio_future_result(job), -EAGAIN);
    EXPECT_INT(asyncio_loop_shutdown_default_executor(loop, 1), -ASYNCIO_ENOTASK);
    asyncio_future_unref(job);
    close_loop(loop);
}

/* -------------------------------------------------------------------------------------------------------- Shutdown */

static int shut_down(void *arg)
{
    struct asyncio_executor *executor = NULL;
    struct asyncio_future *first, *second;

    (void)arg;
    EXPECT_INT(asyncio_thread_pool_executor(&executor, .max_workers = 1), 0);
    first = submit(executor, block, number(1));
    if (asyncio_future_done(first)) {
        asyncio_future_unref(first);
        asyncio_executor_unref(executor);
        return 0;
    }
    gate_pass(&begun);
    second = submit(executor, echo, number(2));
    EXPECT_INT(asyncio_executor_shutdown(executor, false, 0), -ETIMEDOUT);
    EXPECT_INT(outcome(submit(executor, echo, number(3))), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_executor_shutdown(executor, false, 0.01), -ETIMEDOUT);
    EXPECT_INT(asyncio_executor_shutdown(executor, false, __builtin_nan("")), -EINVAL);
    EXPECT_INT(asyncio_executor_shutdown(NULL, false, 0), -EINVAL);
    gate_open(&go_on);
    EXPECT_INT(outcome(first), 1);
    EXPECT_INT(outcome(second), 2);
    EXPECT_INT(asyncio_executor_shutdown(executor, false, ASYNCIO_FOREVER), 0);
    EXPECT_INT(asyncio_executor_shutdown(executor, true, 0), 0);
    asyncio_executor_unref(executor);
    return 0;
}

TEST(executor_shutdown, "EV-18: takes no more jobs, does those it has; the wait for its threads has a deadline")
{
    init_gates();
    EXPECT_INT(run(shut_down, NULL), 0);
}

static int shut_down_and_cancel(void *arg)
{
    struct asyncio_executor *executor = NULL;
    struct asyncio_future *first, *queued[3];

    (void)arg;
    EXPECT_INT(asyncio_thread_pool_executor(&executor, .max_workers = 1), 0);
    first = submit(executor, block, number(1));
    if (asyncio_future_done(first)) {
        asyncio_future_unref(first);
        asyncio_executor_unref(executor);
        return 0;
    }
    gate_pass(&begun);
    for (int i = 0; i < 3; i++)
        queued[i] = submit(executor, echo, number(i));
    EXPECT_INT(asyncio_executor_shutdown(executor, true, 0), -ETIMEDOUT);
    for (int i = 0; i < 3; i++)
        EXPECT_INT(outcome(queued[i]), -ECANCELED);
    gate_open(&go_on);
    EXPECT_INT(outcome(first), 1);
    EXPECT_INT(atomic_load(&n_ran), 1);
    asyncio_executor_unref(executor);
    return 0;
}

TEST(executor_shutdown_cancels, "EV-18: a shutdown can cancel what is queued, and says so to who waits")
{
    init_gates();
    EXPECT_INT(run(shut_down_and_cancel, NULL), 0);
}

static int shut_down_from_within(void *arg)
{
    EXPECT_INT(asyncio_executor_shutdown(arg, false, 0), -ETIMEDOUT);
    EXPECT_INT(asyncio_executor_shutdown(arg, false, ASYNCIO_FOREVER), -EDEADLK);
    asyncio_executor_unref(arg);
    return 5;
}

static int suicide(void *arg)
{
    struct asyncio_executor *executor = NULL;
    struct asyncio_future *job;

    (void)arg;
    EXPECT_INT(asyncio_thread_pool_executor(&executor, .max_workers = 2), 0);
    job = submit(executor, shut_down_from_within, asyncio_executor_ref(executor));
    if (asyncio_future_done(job))
        asyncio_executor_unref(executor);
    asyncio_executor_unref(executor);
    EXPECT_INT(outcome(job), 5);
    return 0;
}

TEST(executor_shuts_itself_down, "EV-18: a job may shut its own executor down and drop the last reference")
{
    EXPECT_INT(run(suicide, NULL), 0);
}

static int default_executor(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_executor *executor = NULL, *other = NULL;
    int first;

    (void)arg;
    EXPECT_INT(asyncio_loop_set_default_executor(loop, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_set_default_executor(NULL, NULL), -EINVAL);
    EXPECT_INT(asyncio_thread_pool_executor(NULL), -EINVAL);
    EXPECT_INT(asyncio_thread_pool_executor(&executor, .name = "mine"), 0);
    EXPECT_INT(asyncio_loop_set_default_executor(loop, executor), 0);
    asyncio_executor_unref(executor);
    first = thread_of(NULL, "mine_0");
    EXPECT(first > 0);
    EXPECT_INT(asyncio_thread_pool_executor(&other, .name = "other"), 0);
    EXPECT_INT(asyncio_loop_set_default_executor(loop, other), 0);
    asyncio_executor_unref(other);
    EXPECT(thread_of(NULL, "other_0") != first);
    return 0;
}

TEST_NO_SWEEP(set_default_executor, "EV-19: the loop keeps the executor that it is given and lets go of the one before",
              "without memory there are other threads")
{
    EXPECT_INT(run(default_executor, NULL), 0);
}

static int shut_default_down(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop(), *other = NULL;
    struct asyncio_future *jobs[3];

    (void)arg;
    for (int i = 0; i < 3; i++)
        jobs[i] = submit(NULL, count_together, NULL);
    EXPECT_INT(asyncio_loop_shutdown_default_executor(loop, __builtin_nan("")), -EINVAL);
    EXPECT_INT(asyncio_loop_shutdown_default_executor(NULL, 1), -EINVAL);
    if (new_loop(&other) == 0)
        EXPECT_INT(asyncio_loop_shutdown_default_executor(other, 1), -ASYNCIO_EFOREIGNLOOP);
    close_loop(other);
    EXPECT_INT(asyncio_loop_shutdown_default_executor(loop, ASYNCIO_FOREVER), 0);
    EXPECT_INT(atomic_load(&n_ran), 3);
    EXPECT_INT(outcome(submit(NULL, echo, number(3))), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_to_thread(echo, number(3)), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_shutdown_default_executor(loop, 1), 0);
    for (int i = 0; i < 3; i++)
        EXPECT(outcome(jobs[i]) >= 0);
    return 0;
}

TEST(shutdown_default_executor, "EV-20: waits for the jobs that there are and takes no more, without blocking the loop")
{
    EXPECT_INT(run(shut_default_down, NULL), 0);
}

static int shut_unused_down(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_loop_shutdown_default_executor(asyncio_get_running_loop(), 1), 0);
    return outcome(submit(NULL, echo, NULL));
}

TEST(shutdown_unused_executor, "EV-20: without a default executor there is nothing to wait for, and none is made after")
{
    EXPECT_INT(run(shut_unused_down, NULL), -ASYNCIO_ECLOSED);
}

static int shut_blocked_down(void *arg)
{
    struct asyncio_future *job = submit(NULL, block, number(4));
    struct asyncio_loop *loop = asyncio_get_running_loop();

    (void)arg;
    if (asyncio_future_done(job)) {
        asyncio_future_unref(job);
        return 0;
    }
    gate_pass(&begun);
    EXPECT_INT(asyncio_loop_shutdown_default_executor(loop, 0.01), -ETIMEDOUT);
    gate_open(&go_on);
    EXPECT_INT(outcome(job), 4);
    EXPECT_INT(asyncio_loop_shutdown_default_executor(loop, ASYNCIO_FOREVER), 0);
    return 0;
}

TEST_NO_SWEEP(shutdown_blocked_executor, "EV-20 D-17: after the deadline there is a report, and the job goes on",
              "it is about the report")
{
    init_gates();
    EXPECT_INT(run(shut_blocked_down, NULL), 0);
    EXPECT_LOG("1 jobs of the default executor still run after 0.01 seconds");
}

static int shut_down_in_a_task(void *arg)
{
    (void)arg;
    return asyncio_loop_shutdown_default_executor(asyncio_get_running_loop(), ASYNCIO_FOREVER);
}

static int cancel_shutdown(void *arg)
{
    struct asyncio_future *job = submit(NULL, block, number(4)), *task;

    (void)arg;
    if (asyncio_future_done(job)) {
        asyncio_future_unref(job);
        return 0;
    }
    gate_pass(&begun);
    task = spawn(shut_down_in_a_task, NULL, "task");
    turns(2);
    asyncio_future_cancel(task);
    everybody();
    gate_open(&go_on);
    EXPECT_INT(outcome(job), 4);
    EXPECT(asyncio_future_cancelled(task));
    return 0;
}

TEST(cancelled_shutdown, "EV-20: a shutdown that is cancelled goes on alone")
{
    init_gates();
    EXPECT_INT(play(cancel_shutdown), 0);
}
