/* libev.c -- libev: callbacks, timers, calls from another thread; it has no tasks. */
#include "call_queue.h"

/* Its macros cast pointers to kinds of watchers freely. */
#pragma GCC diagnostic ignored "-Wstrict-aliasing"
#include <ev.h>

static struct ev_loop *loop;

/* ------------------------------------------------------------------------------------------------------- Callbacks */

#define BURST 1000

static void nothing(struct ev_loop *of, ev_prepare *watcher, int events)
{
    (void)of;
    (void)watcher;
    (void)events;
}

/* Its nearest to a call_soon: an event is fed to a watcher, whose callback the next iteration calls. */
static double call_soon(long count)
{
    static ev_prepare watchers[BURST];
    double begin;

    for (int i = 0; i < BURST; i++)
        ev_prepare_init(&watchers[i], nothing);
    begin = now_ns();
    for (long i = 0; i < count / BURST; i++) {
        for (int j = 0; j < BURST; j++)
            ev_feed_event(loop, &watchers[j], EV_CUSTOM);
        ev_run(loop, EVRUN_NOWAIT);
    }
    return (now_ns() - begin) / (double)(count / BURST * BURST);
}

/* ---------------------------------------------------------------------------------------------------------- Timers */

static long fired;

static void fire(struct ev_loop *of, ev_timer *timer, int events)
{
    (void)of;
    (void)timer;
    (void)events;
    fired++;
}

static ev_timer *timers_new(long count)
{
    ev_timer *timers = calloc((size_t)count, sizeof *timers);

    if (!timers)
        abort();
    for (long i = 0; i < count; i++)
        ev_init(&timers[i], fire);
    return timers;
}

static void arm_and_cancel(ev_timer *timers, long count)
{
    uint64_t state = FIRST_RANDOM;

    for (long i = 0; i < count; i++) {
        ev_timer_set(&timers[i], 60 + (double)(next_random(&state) % 3540000) / 1000, 0);
        ev_timer_start(loop, &timers[i]);
    }
    for (long i = 0; i < count; i++)
        ev_timer_stop(loop, &timers[i]);
}

static double timers_arm_cancel(long count)
{
    ev_timer *timers = timers_new(count);
    double begin;

    arm_and_cancel(timers, count);
    begin = now_ns();
    arm_and_cancel(timers, count);
    return (now_ns() - begin) / (double)count;
}

static double timers_fire(long count)
{
    ev_timer *timers = timers_new(count);
    uint64_t state = FIRST_RANDOM;
    double begin;

    ev_now_update(loop);
    for (long i = 0; i < count; i++) {
        ev_timer_set(&timers[i], 1 + (double)(next_random(&state) % 1000000000) / 1e9, 0);
        ev_timer_start(loop, &timers[i]);
    }
    wait_seconds(2);
    begin = now_ns();
    ev_run(loop, 0);
    if (fired != count)
        abort();
    return (now_ns() - begin) / (double)count;
}

/* --------------------------------------------------------------------------------------- Calls from another thread */

static ev_async async;

static void woken(struct ev_loop *of, ev_async *watcher, int events)
{
    (void)of;
    (void)watcher;
    (void)events;
    call_queue_run(&caller.queue);
}

static void wake(void)
{
    ev_async_send(loop, &async);
}

static void end(void)
{
    ev_async_stop(loop, &async);
}

static void run(void)
{
    ev_run(loop, 0);
}

static double cross_thread(long count, long at_a_time)
{
    ev_async_init(&async, woken);
    ev_async_start(loop, &async);
    return caller_measure(count, at_a_time, wake, end, run);
}

static double cross_thread_1(long count)
{
    return cross_thread(count, 1);
}

static double cross_thread_1000(long count)
{
    return cross_thread(count, 1000);
}

int main(int argc, char **argv)
{
    static const struct bench benches[] = {
        {"call_soon", call_soon},
        {"cross_thread_1", cross_thread_1},
        {"cross_thread_1000", cross_thread_1000},
        {"timers_arm_cancel", timers_arm_cancel},
        {"timers_fire", timers_fire},
        {NULL, NULL},
    };

    loop = ev_default_loop(EVFLAG_AUTO);
    return bench_main(benches, argc, argv);
}
