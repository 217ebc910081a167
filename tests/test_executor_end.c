/* test_executor_end.c -- executors at the end of things: of a run, of a loop, of a process that forks. */
#include "threading.h"

#include <sys/wait.h>

static struct gate begun, go_on;
static atomic_int n_ran;

static void init_gates(void)
{
    gate_init(&begun);
    gate_init(&go_on);
}

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

static int begin_blocked(void *arg)
{
    asyncio_future_unref(submit(NULL, block, arg));
    gate_pass(&begun);
    return 0;
}

TEST_REAL(blocked_thread_at_the_end, "#63 D-17 R-02: a job that never ends delays the end no longer than its deadline")
{
    init_gates();
    EXPECT_INT(asyncio_run(begin_blocked, number(0), .loop_factory = new_loop, .executor_timeout = 0.02), 0);
    EXPECT_LOG("1 jobs of the default executor still run after 0.02 seconds");
    gate_open(&go_on);
}

TEST_NO_SWEEP(blocked_thread_in_virtual_time,
              "#63 D-17 R-02: that deadline is one of real time, also where the clock stands still while a job runs",
              "it is about the report")
{
    init_gates();
    EXPECT_INT(asyncio_run(begin_blocked, number(0), .loop_factory = new_loop, .executor_timeout = 0.02), 0);
    EXPECT_LOG("1 jobs of the default executor still run after 0.02 seconds");
    gate_open(&go_on);
}

static void let_go_on(void *arg)
{
    (void)arg;
    gate_open(&go_on);
}

/* Needs the loop for its end. */
static int ask_the_loop(void *arg)
{
    gate_open(&begun);
    pause_thread(0.01);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(arg, let_go_on, NULL), 0);
    gate_pass(&go_on);
    atomic_fetch_add(&n_ran, 1);
    return 0;
}

static int begin_asking(void *arg)
{
    (void)arg;
    asyncio_future_unref(submit(NULL, ask_the_loop, asyncio_get_running_loop()));
    gate_pass(&begun);
    return 0;
}

TEST_NO_SWEEP(job_needs_the_loop_at_the_end, "R-02 D-17: the loop runs while the end waits for jobs", "it posts itself")
{
    init_gates();
    EXPECT_INT(run(begin_asking, NULL), 0);
    EXPECT_INT(atomic_load(&n_ran), 1);
}

static int begin_another_blocked(void *arg)
{
    asyncio_future_unref(submit(arg, block, NULL));
    asyncio_future_unref(submit(NULL, echo, NULL));
    gate_pass(&begun);
    return 0;
}

TEST_NO_SWEEP(other_executors_at_the_end, "R-02 D-17: the end waits for the default executor, not for others",
              "a job that does not begin would be waited for")
{
    struct asyncio_executor *executor;

    init_gates();
    EXPECT_INT(asyncio_thread_pool_executor(&executor), 0);
    EXPECT_INT(run(begin_another_blocked, executor), 0);
    EXPECT_INT(atomic_load(&n_ran), 2);
    gate_open(&go_on);
    EXPECT_INT(asyncio_executor_shutdown(executor, false, PATIENCE_S), 0);
    asyncio_executor_unref(executor);
}

static int slow(void *arg)
{
    (void)arg;
    gate_open(&begun);
    pause_thread(0.02);
    atomic_fetch_add(&n_ran, 1);
    return 0;
}

static int begin_slow(void *arg)
{
    asyncio_future_unref(submit(NULL, slow, arg));
    gate_pass(&begun);
    return 0;
}

TEST_NO_SWEEP(drained_without_memory, "R-02 D-17: the end waits for jobs also when there is no memory left",
              "it lets allocations fail itself")
{
    struct asyncio_runner runner;

    init_gates();
    EXPECT_INT(asyncio_runner_init(&runner, .loop_factory = new_loop), 0);
    EXPECT_INT(asyncio_runner_run(&runner, begin_slow, NULL), 0);
    asyncio_fail_allocation(0, INT64_MAX);
    EXPECT_INT(asyncio_runner_close(&runner), 0);
    asyncio_fail_allocation(-1, 0);
    EXPECT_INT(atomic_load(&n_ran), 1);
}

TEST_REAL(drained_at_the_end, "R-02 D-17: the end of a run waits for the default executor's jobs")
{
    struct asyncio_loop *loop;
    struct asyncio_runner runner;

    init_gates();
    gate_open(&go_on);
    asyncio_runner_init(&runner, .loop_factory = new_loop);
    EXPECT_INT(asyncio_runner_get_loop(&runner, &loop), 0);
    asyncio_future_unref(asyncio_loop_run_in_executor(loop, NULL, echo, NULL));
    asyncio_future_unref(asyncio_loop_run_in_executor(loop, NULL, block, NULL));
    EXPECT_INT(asyncio_runner_close(&runner), 0);
    EXPECT_INT(atomic_load(&n_ran), 2);
}

TEST_REAL(close_with_jobs, "EV-18 R-11: a loop is closed under jobs that are queued, run, and have run")
{
    struct asyncio_executor *executor;
    struct asyncio_future *done, *running, *queued;
    struct asyncio_loop *loop;

    init_gates();
    EXPECT_INT(asyncio_thread_pool_executor(&executor, .max_workers = 1), 0);
    EXPECT_INT(new_loop(&loop), 0);
    done = asyncio_loop_run_in_executor(loop, executor, echo, number(1));
    running = asyncio_loop_run_in_executor(loop, executor, block, number(2));
    queued = asyncio_loop_run_in_executor(loop, executor, echo, number(3));
    gate_pass(&begun);
    EXPECT_INT(asyncio_loop_close(loop), 0);
    EXPECT_INT(asyncio_future_result(done), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_future_result(running), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_future_result(queued), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_future_cancel(running), 0);
    asyncio_future_unref(done);
    asyncio_future_unref(running);
    asyncio_future_unref(queued);
    asyncio_loop_unref(loop);
    gate_open(&go_on);
    EXPECT_INT(asyncio_executor_shutdown(executor, false, PATIENCE_S), 0);
    EXPECT_INT(atomic_load(&n_ran), 2);
    asyncio_executor_unref(executor);
}

TEST_REAL(close_drops_the_last_reference, "EV-18: jobs of a loop that is gone, whose futures nobody holds")
{
    struct asyncio_loop *loop;

    init_gates();
    EXPECT_INT(new_loop(&loop), 0);
    asyncio_future_unref(asyncio_loop_run_in_executor(loop, NULL, echo, number(-EIO)));
    asyncio_future_unref(asyncio_loop_run_in_executor(loop, NULL, block, number(-EIO)));
    gate_pass(&begun);
    close_loop(loop);
    gate_open(&go_on);
    EXPECT_STR(captured_log(), "");
}

static int brief(void *arg)
{
    for (volatile int i = 0; i < number_of(arg); i++)
        ;
    return 0;
}

TEST_REAL(close_races_with_jobs, "EV-18 #55: jobs end in the moment when their loop is closed")
{
    struct asyncio_executor *executor;

    EXPECT_INT(asyncio_thread_pool_executor(&executor, .max_workers = 4), 0);
    for (int i = 0; i < 500 / test_slowness(); i++) {
        struct asyncio_future *kept;
        struct asyncio_loop *loop;

        EXPECT_INT(new_loop(&loop), 0);
        kept = asyncio_loop_run_in_executor(loop, executor, brief, number(i * 10));
        for (int j = 0; j < 6; j++)
            asyncio_future_unref(asyncio_loop_run_in_executor(loop, executor, brief, number(i * j)));
        if (i % 3 == 0)
            asyncio_loop_run_once(loop, 0);
        close_loop(loop);
        EXPECT(asyncio_future_done(kept));
        asyncio_future_unref(kept);
    }
    EXPECT_INT(asyncio_executor_shutdown(executor, false, PATIENCE_S), 0);
    asyncio_executor_unref(executor);
}

static int cancel_at_random(void *arg)
{
    struct asyncio_executor *executor = NULL;
    struct asyncio_future *jobs[32] = {NULL};

    (void)arg;
    seed_chance(test_seed());
    EXPECT_INT(asyncio_thread_pool_executor(&executor, .max_workers = 3), 0);
    for (int i = 0; i < 2000 / test_slowness(); i++) {
        int which = chance(32);

        if (jobs[which] && chance(2))
            asyncio_future_cancel(jobs[which]);
        if (jobs[which])
            ASYNCIO_IGNORE(asyncio_await(jobs[which]));
        asyncio_future_unref(jobs[which]);
        jobs[which] = submit(executor, brief, number(chance(2000)));
    }
    for (int i = 0; i < 32; i++)
        asyncio_future_unref(jobs[i]);
    asyncio_executor_unref(executor);
    return 0;
}

TEST_REAL(cancels_race_with_jobs, "EV-18: cancels meet jobs that are queued, begin, run and end")
{
    EXPECT_INT(run(cancel_at_random, NULL), 0);
}

/* What a job does in a forked child, whose parent's threads are not there. */
static void child_of_fork(struct asyncio_loop *loop, struct asyncio_executor *executor)
{
    struct asyncio_executor *own;
    struct asyncio_loop *second;
    struct asyncio_future *job;

    EXPECT_INT(asyncio_loop_close(loop), 0);
    EXPECT_INT(new_loop(&second), 0);
    job = asyncio_loop_run_in_executor(second, executor, echo, NULL);
    EXPECT_INT(asyncio_future_result(job), -EXDEV);
    EXPECT_INT(asyncio_executor_shutdown(executor, true, ASYNCIO_FOREVER), 0);
    asyncio_executor_unref(executor);
    EXPECT_INT(asyncio_thread_pool_executor(&own), 0);
    job = asyncio_loop_run_in_executor(second, own, echo, number(5));
    EXPECT_INT(asyncio_loop_run_until_complete_future(second, job), 5);
    asyncio_future_unref(job);
    asyncio_executor_unref(own);
    close_loop(second);
    _exit(0);
}

TEST_REAL(fork_with_an_executor, "#67: a forked child has its parent's executor in name only, and may have its own")
{
    struct asyncio_executor *executor;
    struct asyncio_loop *loop;
    struct asyncio_future *job;
    int status = -1;
    pid_t pid;

    if (test_slowness() > 1)
        SKIP("sanitizers do not follow threads of a forked child");
    init_gates();
    EXPECT_INT(asyncio_thread_pool_executor(&executor), 0);
    EXPECT_INT(new_loop(&loop), 0);
    job = asyncio_loop_run_in_executor(loop, executor, block, number(6));
    gate_pass(&begun);
    pid = fork();
    if (pid == 0)
        child_of_fork(loop, executor);
    waitpid(pid, &status, 0);
    EXPECT_INT(status, 0);
    gate_open(&go_on);
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, job), 6);
    asyncio_future_unref(job);
    asyncio_executor_unref(executor);
    close_loop(loop);
}
