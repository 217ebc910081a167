/* libuv.c -- libuv: timers, calls from another thread, work for its pool of 4 threads; it has neither tasks nor a
 * call_soon. */
#include "call_queue.h"

#include <uv.h>

static uv_loop_t *loop;

/* ---------------------------------------------------------------------------------------------------------- Timers */

static long fired;

static void fire(uv_timer_t *timer)
{
    (void)timer;
    fired++;
}

/* Handles are embedded in what they are the timeout of, so they are initialised once and started often. */
static uv_timer_t *timers_new(long count)
{
    uv_timer_t *timers = calloc((size_t)count, sizeof *timers);

    if (!timers)
        abort();
    for (long i = 0; i < count; i++)
        uv_timer_init(loop, &timers[i]);
    return timers;
}

static void arm_and_cancel(uv_timer_t *timers, long count)
{
    uint64_t state = FIRST_RANDOM;

    for (long i = 0; i < count; i++)
        uv_timer_start(&timers[i], fire, 60000 + next_random(&state) % 3540000, 0);
    for (long i = 0; i < count; i++)
        uv_timer_stop(&timers[i]);
}

static double timers_arm_cancel(long count)
{
    uv_timer_t *timers = timers_new(count);
    double begin;

    arm_and_cancel(timers, count);
    begin = now_ns();
    arm_and_cancel(timers, count);
    return (now_ns() - begin) / (double)count;
}

static double timers_fire(long count)
{
    uv_timer_t *timers = timers_new(count);
    uint64_t state = FIRST_RANDOM;
    double begin;

    uv_update_time(loop);
    for (long i = 0; i < count; i++)
        uv_timer_start(&timers[i], fire, 1000 + next_random(&state) % 1000000000 / 1000000, 0);
    wait_seconds(2);
    begin = now_ns();
    uv_run(loop, UV_RUN_DEFAULT);
    if (fired != count)
        abort();
    return (now_ns() - begin) / (double)count;
}

/* --------------------------------------------------------------------------------------- Calls from another thread */

static uv_async_t async;

static void woken(uv_async_t *handle)
{
    (void)handle;
    call_queue_run(&caller.queue);
}

static void wake(void)
{
    uv_async_send(&async);
}

static void end(void)
{
    uv_close((uv_handle_t *)&async, NULL);
}

static void run(void)
{
    uv_run(loop, UV_RUN_DEFAULT);
}

static double cross_thread_1(long count)
{
    uv_async_init(loop, &async, woken);
    return caller_measure(count, 1, wake, end, run);
}

static double cross_thread_1000(long count)
{
    uv_async_init(loop, &async, woken);
    return caller_measure(count, 1000, wake, end, run);
}

/* ------------------------------------------------------------------------------------------------ Jobs for threads */

#define JOBS 100

static uv_work_t works[JOBS];
static int works_of_burst, works_at_a_time;
static long bursts_left;

static void work(uv_work_t *request)
{
    (void)request;
}

static void work_is_done(uv_work_t *request, int status);

static void begin_burst(void)
{
    works_of_burst = works_at_a_time;
    for (int i = 0; i < works_at_a_time; i++)
        uv_queue_work(loop, &works[i], work, work_is_done);
}

static void work_is_done(uv_work_t *request, int status)
{
    (void)request;
    (void)status;
    if (--works_of_burst == 0 && --bursts_left > 0)
        begin_burst();
}

static void run_bursts(int n, long bursts)
{
    works_at_a_time = n;
    bursts_left = bursts;
    begin_burst();
    run();
}

static double to_thread(int n, long bursts)
{
    double begin;

    /* The threads are there before the clock starts. */
    run_bursts(1, 1);
    begin = now_ns();
    run_bursts(n, bursts);
    return (now_ns() - begin) / (double)(n * bursts);
}

static double to_thread_1(long count)
{
    return to_thread(1, count);
}

static double to_thread_100(long count)
{
    return to_thread(JOBS, count / JOBS);
}

int main(int argc, char **argv)
{
    static const struct bench benches[] = {
        {"cross_thread_1", cross_thread_1},
        {"cross_thread_1000", cross_thread_1000},
        {"to_thread_1", to_thread_1},
        {"to_thread_100", to_thread_100},
        {"timers_arm_cancel", timers_arm_cancel},
        {"timers_fire", timers_fire},
        {NULL, NULL},
    };

    loop = uv_default_loop();
    return bench_main(benches, argc, argv);
}
