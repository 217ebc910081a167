/* asyncio_timers.c -- callbacks, also from another thread, jobs for threads, and timers. */
#include "asyncio_micro.h"

#include <semaphore.h>

/* ------------------------------------------------------------------------------------------------------- Callbacks */

static void nothing(void *arg)
{
    (void)arg;
}

static int call_soon_main(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    double begin = now_ns();

    (void)arg;
    for (long i = 0; i < bench_operations / 1000; i++) {
        for (int j = 0; j < 1000; j++)
            must(asyncio_loop_call_soon(loop, nothing, NULL));
        must(asyncio_sleep(0));
    }
    bench_figure_ns = (now_ns() - begin) / (double)bench_operations;
    return 0;
}

double call_soon(long count)
{
    return measure(call_soon_main, count);
}

/* Another thread has callbacks run by the loop, `at_a_time` of them before it waits until all have run. */
static struct asyncio_loop *called_loop;
static sem_t all_have_run;
static long called, at_a_time;

static void count_call(void *arg)
{
    (void)arg;
    if (++called % at_a_time == 0)
        sem_post(&all_have_run);
}

static int call_from_thread(void *arg)
{
    (void)arg;
    for (long i = 0; i < bench_operations / at_a_time; i++) {
        for (long j = 0; j < at_a_time; j++)
            must(asyncio_loop_call_soon_threadsafe(called_loop, count_call, NULL));
        while (sem_wait(&all_have_run) < 0)
            ;
    }
    return 0;
}

static int cross_thread_main(void *arg)
{
    double begin;

    (void)arg;
    called_loop = asyncio_get_running_loop();
    /* The thread is there before the clock starts. */
    must(asyncio_to_thread(empty, NULL));
    called = 0;
    begin = now_ns();
    must(asyncio_to_thread(call_from_thread, NULL));
    bench_figure_ns = (now_ns() - begin) / (double)called;
    return 0;
}

static double cross_thread(long n, long count)
{
    at_a_time = n;
    if (sem_init(&all_have_run, 0, 0) < 0)
        abort();
    return measure(cross_thread_main, count);
}

double cross_thread_1(long count)
{
    return cross_thread(1, count);
}

double cross_thread_1000(long count)
{
    return cross_thread(1000, count);
}

/* ------------------------------------------------------------------------------------------------ Jobs for threads */

static int to_thread_1_main(void *arg)
{
    double begin;

    (void)arg;
    must(asyncio_to_thread(empty, NULL));
    begin = now_ns();
    for (long i = 0; i < bench_operations; i++)
        must(asyncio_to_thread(empty, NULL));
    bench_figure_ns = (now_ns() - begin) / (double)bench_operations;
    return 0;
}

double to_thread_1(long count)
{
    return measure(to_thread_1_main, count);
}

#define JOBS 100

static void run_jobs(struct asyncio_executor *executor)
{
    struct asyncio_future *jobs[JOBS];

    for (int i = 0; i < JOBS; i++)
        jobs[i] = asyncio_loop_run_in_executor(asyncio_get_running_loop(), executor, empty, NULL);
    must(asyncio_gather(jobs, JOBS, NULL));
    drop(jobs, JOBS);
}

static int to_thread_100_main(void *arg)
{
    struct asyncio_executor *executor;
    double begin;

    (void)arg;
    must(asyncio_thread_pool_executor(&executor, .max_workers = 4));
    run_jobs(executor);
    begin = now_ns();
    for (long i = 0; i < bench_operations / JOBS; i++)
        run_jobs(executor);
    bench_figure_ns = (now_ns() - begin) / (double)(bench_operations / JOBS * JOBS);
    asyncio_executor_unref(executor);
    return 0;
}

double to_thread_100(long count)
{
    return measure(to_thread_100_main, count);
}

/* ---------------------------------------------------------------------------------------------------------- Timers */

/* Deadlines a minute to an hour away, as those of connections are: nearly all are cancelled. */
static void arm_and_cancel(struct asyncio_handle **handles)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    uint64_t state = FIRST_RANDOM;

    for (long i = 0; i < bench_operations; i++) {
        double seconds = 60 + (double)(next_random(&state) % 3540000) / 1000;

        must(asyncio_loop_call_later(loop, seconds, nothing, NULL, .ret_handle = &handles[i]));
    }
    for (long i = 0; i < bench_operations; i++) {
        asyncio_handle_cancel(handles[i]);
        asyncio_handle_unref(handles[i]);
    }
}

/* The first pass touches the memory, which costs more than all the rest and is the kernel's. */
static int timers_cancel_main(void *arg)
{
    struct asyncio_handle **handles = calloc((size_t)bench_operations, sizeof *handles);
    double begin;

    (void)arg;
    arm_and_cancel(handles);
    begin = now_ns();
    arm_and_cancel(handles);
    bench_figure_ns = (now_ns() - begin) / (double)bench_operations;
    free(handles);
    return 0;
}

double timers_arm_cancel(long count)
{
    return measure(timers_cancel_main, count);
}

static long fired;

static void fire(void *arg)
{
    (void)arg;
    fired++;
}

/* Random deadlines within a second; once all are over the loop fires them in order. The figure is firing alone. */
static int timers_fire_main(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    double start = asyncio_loop_time(loop) + 1, begin;
    uint64_t state = FIRST_RANDOM;

    (void)arg;
    fired = 0;
    for (long i = 0; i < bench_operations; i++)
        must(asyncio_loop_call_at(loop, start + (double)(next_random(&state) % 1000000000) / 1e9, fire, NULL));
    if (strcmp(asyncio_loop_backend(loop), "sim") != 0)
        wait_seconds(start + 1 - asyncio_loop_time(loop));
    begin = now_ns();
    while (fired < bench_operations)
        must(asyncio_sleep(strcmp(asyncio_loop_backend(loop), "sim") == 0 ? 0.01 : 0));
    bench_figure_ns = (now_ns() - begin) / (double)bench_operations;
    return 0;
}

double timers_fire(long count)
{
    return measure(timers_fire_main, count);
}
