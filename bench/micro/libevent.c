/* libevent.c -- libevent: callbacks, timers, calls from another thread; it has no tasks. */
#include "call_queue.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>

static struct event_base *base;
static double figure_ns;
static long operations;

/* What one thread uses alone needs no locks. */
static struct event_base *base_of_one_thread(void)
{
    struct event_config *config = event_config_new();
    struct event_base *made;

    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    made = event_base_new_with_config(config);
    event_config_free(config);
    return made;
}

/* ------------------------------------------------------------------------------------------------------- Callbacks */

#define BURST 1000

static void nothing(evutil_socket_t fd, short events, void *arg)
{
    (void)fd;
    (void)events;
    (void)arg;
}

/* Its nearest to a call_soon: events are made active, and the loop calls back. */
static double call_soon(long count)
{
    static struct event events[BURST];
    double begin;

    base = base_of_one_thread();
    for (int i = 0; i < BURST; i++)
        evtimer_assign(&events[i], base, nothing, NULL);
    begin = now_ns();
    for (long i = 0; i < count / BURST; i++) {
        for (int j = 0; j < BURST; j++)
            event_active(&events[j], EV_TIMEOUT, 1);
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    return (now_ns() - begin) / (double)(count / BURST * BURST);
}

/* ---------------------------------------------------------------------------------------------------------- Timers */

static long fired;

static void fire(evutil_socket_t fd, short events, void *arg)
{
    (void)fd;
    (void)events;
    (void)arg;
    fired++;
}

static struct event *timers_new(void)
{
    struct event *timers = calloc((size_t)operations, sizeof *timers);

    if (!timers)
        abort();
    for (long i = 0; i < operations; i++)
        evtimer_assign(&timers[i], base, fire, NULL);
    return timers;
}

static void arm_and_cancel(struct event *timers)
{
    uint64_t state = FIRST_RANDOM;

    for (long i = 0; i < operations; i++) {
        uint64_t milliseconds = 60000 + next_random(&state) % 3540000;
        struct timeval after = {(time_t)(milliseconds / 1000), (suseconds_t)(milliseconds % 1000 * 1000)};

        evtimer_add(&timers[i], &after);
    }
    for (long i = 0; i < operations; i++)
        evtimer_del(&timers[i]);
}

/* Inside of a callback, where the time is cached and timers are mostly armed. */
static void arm_cancel_main(evutil_socket_t fd, short events, void *arg)
{
    struct event *timers = timers_new();
    double begin;

    (void)fd;
    (void)events;
    (void)arg;
    arm_and_cancel(timers);
    begin = now_ns();
    arm_and_cancel(timers);
    figure_ns = (now_ns() - begin) / (double)operations;
}

static double timers_arm_cancel(long count)
{
    const struct timeval now = {0, 0};

    operations = count;
    base = base_of_one_thread();
    event_base_once(base, -1, EV_TIMEOUT, arm_cancel_main, NULL, &now);
    event_base_dispatch(base);
    return figure_ns;
}

static double begin_ns;

static void fire_main(evutil_socket_t fd, short events, void *arg)
{
    struct event *timers = timers_new();
    uint64_t state = FIRST_RANDOM;

    (void)fd;
    (void)events;
    (void)arg;
    for (long i = 0; i < operations; i++) {
        uint64_t microseconds = next_random(&state) % 1000000000 / 1000;
        struct timeval after = {(time_t)(1 + microseconds / 1000000), (suseconds_t)(microseconds % 1000000)};

        evtimer_add(&timers[i], &after);
    }
    wait_seconds(2);
    begin_ns = now_ns();
}

static double timers_fire(long count)
{
    const struct timeval now = {0, 0};

    operations = count;
    base = base_of_one_thread();
    event_base_once(base, -1, EV_TIMEOUT, fire_main, NULL, &now);
    event_base_dispatch(base);
    if (fired != count)
        abort();
    return (now_ns() - begin_ns) / (double)count;
}

/* --------------------------------------------------------------------------------------- Calls from another thread */

static struct event *async;

static void woken(evutil_socket_t fd, short events, void *arg)
{
    (void)fd;
    (void)events;
    (void)arg;
    call_queue_run(&caller.queue);
}

static void wake(void)
{
    event_active(async, EV_READ, 1);
}

static void end(void)
{
    event_base_loopbreak(base);
}

static void run(void)
{
    event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
}

static double cross_thread(long count, long at_a_time)
{
    evthread_use_pthreads();
    base = event_base_new();
    async = event_new(base, -1, EV_PERSIST, woken, NULL);
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

    return bench_main(benches, argc, argv);
}
