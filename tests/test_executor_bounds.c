/* test_executor_bounds.c -- executors: how many jobs may wait, what one says of itself, and that nobody's jobs hold up
 * what has threads of its own. */
#include "file_rig.h"

static struct gate begun, go_on;

static int echo(void *arg)
{
    return number_of(arg);
}

/* Begins, and waits at a gate. */
static int block(void *arg)
{
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

static struct asyncio_executor_info info_of(struct asyncio_executor *executor)
{
    struct asyncio_executor_info info = {.size = sizeof info};

    EXPECT_INT(asyncio_executor_info(executor, &info), 0);
    return info;
}

/* "1 of 2 busy, 3 queued; 4 done, 5 cancelled, 6 refused" */
static void trace_info(struct asyncio_executor *executor)
{
    struct asyncio_executor_info info = info_of(executor);

    trace("%zu of %zu busy, %zu queued; %d done, %d cancelled, %d refused", info.n_busy, info.n_threads, info.n_queued,
          (int)info.n_done, (int)info.n_cancelled, (int)info.n_refused);
}

/* Runs a coroutine with an executor of one thread, which has begun a job that waits at the gate. */
static int beside_a_blocked_thread(asyncio_coro *fn, size_t max_queued)
{
    struct asyncio_executor *executor = NULL;
    struct asyncio_future *first;
    int r;

    gate_init(&begun);
    gate_init(&go_on);
    EXPECT_INT(asyncio_thread_pool_executor(&executor, .max_workers = 1, .max_queued = max_queued), 0);
    first = submit(executor, block, number(1));
    if (asyncio_future_done(first)) {
        r = outcome(first);
    } else {
        gate_pass(&begun);
        r = fn(executor);
        gate_open(&go_on);
        EXPECT_INT(outcome(first), 1);
        if (r == 0)
            trace_info(executor);
    }
    asyncio_executor_unref(executor);
    return r;
}

/* --------------------------------------------------------------------------------------------------- How many wait */

static int fills_the_queue(void *arg)
{
    struct asyncio_executor *executor = arg;
    struct asyncio_future *second = submit(executor, echo, number(2)), *third = submit(executor, echo, number(3)),
                          *fourth;

    trace_info(executor);
    EXPECT_INT(outcome(submit(executor, echo, number(4))), -EBUSY);
    EXPECT_INT(asyncio_future_cancel(second), 1);
    fourth = submit(executor, echo, number(4));
    EXPECT_INT(outcome(submit(executor, echo, number(5))), -EBUSY);
    trace_info(executor);
    gate_open(&go_on);
    EXPECT_INT(outcome(third), 3);
    EXPECT_INT(outcome(fourth), 4);
    asyncio_future_unref(second);
    /* There is room again, and a thread that has nothing to do. */
    EXPECT_INT(outcome(submit(executor, echo, number(6))), 6);
    return 0;
}

static int bounded(void *arg)
{
    (void)arg;
    return beside_a_blocked_thread(fills_the_queue, 2);
}

TEST_NO_SWEEP(bounded_queue, "EV-18 R18: with .max_queued one more is refused with -EBUSY, until there is room",
              "without memory the queue is never full")
{
    EXPECT_INT(run(bounded, NULL), 0);
    EXPECT_TRACE("[0.000] 1 of 1 busy, 2 queued; 0 done, 0 cancelled, 0 refused\n"
                 "[0.000] 1 of 1 busy, 2 queued; 0 done, 1 cancelled, 2 refused\n"
                 "[0.000] 0 of 1 busy, 0 queued; 4 done, 1 cancelled, 2 refused\n");
}

static int fills_without_limit(void *arg)
{
    struct asyncio_future *jobs[100];
    int results[100], r;

    for (int i = 0; i < 100; i++)
        jobs[i] = submit(arg, echo, number(i));
    gate_open(&go_on);
    r = asyncio_gather(jobs, 100, results);
    for (int i = 0; i < 100; i++) {
        if (r == 0)
            EXPECT_INT(results[i], i);
        asyncio_future_unref(jobs[i]);
    }
    return r;
}

static int unbounded(void *arg)
{
    (void)arg;
    return beside_a_blocked_thread(fills_without_limit, 0);
}

TEST(unbounded_queue, "EV-18: without .max_queued any number waits")
{
    EXPECT_INT(run(unbounded, NULL), 0);
    EXPECT_TRACE("[0.000] 0 of 1 busy, 0 queued; 101 done, 0 cancelled, 0 refused\n");
}

/* As many jobs as there are threads and places, all at once: threads that are just being made count. */
static int at_once(void *arg)
{
    struct asyncio_executor *executor = NULL;
    struct asyncio_future *jobs[5];

    (void)arg;
    gate_init(&begun);
    gate_init(&go_on);
    EXPECT_INT(asyncio_thread_pool_executor(&executor, .max_workers = 3, .max_queued = 2), 0);
    for (int i = 0; i < 5; i++)
        jobs[i] = submit(executor, block, number(i));
    EXPECT_INT(outcome(submit(executor, echo, NULL)), -EBUSY);
    for (int i = 0; i < 5; i++)
        gate_open(&go_on);
    for (int i = 0; i < 5; i++)
        EXPECT_INT(outcome(jobs[i]), i);
    trace_info(executor);
    asyncio_executor_unref(executor);
    return 0;
}

TEST_NO_SWEEP(bounded_burst, "EV-18: threads that are still being born have room for a job each",
              "without memory there are fewer threads")
{
    EXPECT_INT(run(at_once, NULL), 0);
    EXPECT_TRACE("[0.000] 0 of 3 busy, 0 queued; 5 done, 0 cancelled, 1 refused\n");
}

static int with_a_full_default(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_future *queued;

    EXPECT_INT(asyncio_loop_set_default_executor(loop, arg), 0);
    queued = submit(NULL, echo, number(2));
    EXPECT_INT(asyncio_to_thread(echo, number(3)), -EBUSY);
    gate_open(&go_on);
    EXPECT_INT(outcome(queued), 2);
    EXPECT_INT(asyncio_to_thread(echo, number(3)), 3);
    return 0;
}

static int bounded_default(void *arg)
{
    (void)arg;
    return beside_a_blocked_thread(with_a_full_default, 1);
}

TEST_NO_SWEEP(bounded_to_thread, "EV-19 C-20: what the default executor refuses, asyncio_to_thread says",
              "without memory the queue is never full")
{
    EXPECT_INT(run(bounded_default, NULL), 0);
    trace_clear();
}

/* ---------------------------------------------------------------------------------------------------- How it fares */

static int waits_a_while(void *arg)
{
    struct asyncio_future *second = submit(arg, echo, number(2));

    pause_thread(0.01);
    gate_open(&go_on);
    EXPECT_INT(outcome(second), 2);
    EXPECT(info_of(arg).longest_wait >= 0.01);
    return 0;
}

static int measured(void *arg)
{
    (void)arg;
    return beside_a_blocked_thread(waits_a_while, 0);
}

TEST_REAL(longest_wait, "EV-18: an executor says how long a job has waited for a thread")
{
    EXPECT_INT(run(measured, NULL), 0);
    trace_clear();
}

static int is_shut_down(void *arg)
{
    struct asyncio_future *queued[3];

    for (int i = 0; i < 3; i++)
        queued[i] = submit(arg, echo, number(i));
    EXPECT_INT(asyncio_executor_shutdown(arg, true, 0), -ETIMEDOUT);
    trace_info(arg);
    for (int i = 0; i < 3; i++)
        EXPECT_INT(outcome(queued[i]), -ECANCELED);
    gate_open(&go_on);
    EXPECT_INT(asyncio_executor_shutdown(arg, true, PATIENCE_S), 0);
    return 0;
}

static int shut_down(void *arg)
{
    (void)arg;
    return beside_a_blocked_thread(is_shut_down, 0);
}

TEST_NO_SWEEP(counts_of_a_shutdown, "EV-18: what a shutdown takes from the queue counts as cancelled",
              "without memory there is less in the queue")
{
    EXPECT_INT(run(shut_down, NULL), 0);
    EXPECT_TRACE("[0.000] 1 of 1 busy, 0 queued; 0 done, 3 cancelled, 0 refused\n"
                 "[0.000] 0 of 0 busy, 0 queued; 1 done, 3 cancelled, 0 refused\n");
}

TEST(info_of_a_new_one, "EV-18: all zero; a shorter structure of another version is filled as far as it goes")
{
    struct asyncio_executor_info info = {.size = sizeof info},
                                 older = {.size = offsetof(struct asyncio_executor_info, n_done), .n_done = 77};
    struct asyncio_executor *executor = NULL;

    EXPECT_INT(asyncio_executor_info(NULL, &info), -EINVAL);
    if (asyncio_thread_pool_executor(&executor) < 0)
        return;
    EXPECT_INT(asyncio_executor_info(executor, NULL), -EINVAL);
    EXPECT_INT(asyncio_executor_info(executor, &(struct asyncio_executor_info){.size = 0}), -EINVAL);
    EXPECT_INT(asyncio_executor_info(executor, &info), 0);
    EXPECT(info.size == sizeof info && info.longest_wait == 0);
    trace_info(executor);
    EXPECT_INT(asyncio_executor_info(executor, &older), 0);
    EXPECT_INT(older.n_done, 77);
    EXPECT_INT(older.size, offsetof(struct asyncio_executor_info, n_done));
    asyncio_executor_unref(executor);
    EXPECT_TRACE("0 of 0 busy, 0 queued; 0 done, 0 cancelled, 0 refused\n");
}

/* -------------------------------------------------------------------------------------------------- Separate pools */

#define SLEEPERS 40

/* The user's pool is full, and so is its queue: neither a file nor a name, nor another pool of his, waits for it. */
static int with_a_full_pool(void *arg)
{
    struct asyncio_future *jobs[SLEEPERS];
    struct asyncio_executor *other = NULL;
    struct asyncio_addrinfo *list = NULL;
    struct asyncio_file *file;
    char buffer[8] = "";

    (void)arg;
    for (int i = 0; i < SLEEPERS; i++)
        jobs[i] = submit(NULL, block, number(i));
    gate_pass(&begun);
    file = new_file("content");
    EXPECT_INT(asyncio_file_pread(file, buffer, sizeof buffer, 0), 7);
    EXPECT_STR(buffer, "content");
    EXPECT_INT(asyncio_file_fsync(file), 0);
    EXPECT_INT(asyncio_file_close(file), 0);
    asyncio_file_unref(file);
    EXPECT(asyncio_getaddrinfo("127.1", "80", &list, .nss = true) > 0);
    asyncio_free(list);
    EXPECT_INT(asyncio_thread_pool_executor(&other, .max_workers = 1), 0);
    EXPECT_INT(outcome(submit(other, echo, number(5))), 5);
    asyncio_executor_unref(other);
    for (int i = 0; i < SLEEPERS; i++)
        EXPECT(!asyncio_future_done(jobs[i]));
    for (int i = 0; i < SLEEPERS; i++)
        gate_open(&go_on);
    for (int i = 0; i < SLEEPERS; i++)
        EXPECT_INT(outcome(jobs[i]), i);
    return 0;
}

TEST_REAL(separate_pools, "R18: jobs of the program that all block hold up neither a file nor a name")
{
    gate_init(&begun);
    gate_init(&go_on);
    EXPECT_INT(run(with_a_full_pool, NULL), 0);
}
