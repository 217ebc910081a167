/* asyncio_micro.c -- the heart of this library: switching and creating. The rest is in asyncio_handovers.c,
 * asyncio_waits.c and asyncio_timers.c. */
#include "asyncio_micro.h"

#define MOST_TASKS 10000

long bench_operations;
double bench_figure_ns;

void must(int r)
{
    if (r >= 0)
        return;
    fprintf(stderr, "benchmark failed: %s\n", asyncio_strerror(r));
    exit(1);
}

double measure(asyncio_coro *fn, long count)
{
    bench_operations = count;
    must(asyncio_run(fn, NULL));
    return bench_figure_ns;
}

void drop(struct asyncio_future **tasks, int n)
{
    for (int i = 0; i < n; i++)
        asyncio_future_unref(tasks[i]);
}

int empty(void *arg)
{
    (void)arg;
    return 0;
}

int two_tasks(asyncio_coro *one, asyncio_coro *other)
{
    long rounds = bench_operations / 2;
    struct asyncio_future *tasks[2] = {asyncio_create_task(one, &rounds), asyncio_create_task(other, &rounds)};
    double begin = now_ns();

    must(asyncio_gather(tasks, 2, NULL));
    bench_figure_ns = (now_ns() - begin) / (double)(2 * rounds);
    drop(tasks, 2);
    return 0;
}

/* ----------------------------------------------------------------------------------------------------------- Yield */

static int yield_rounds(void *arg)
{
    long rounds = *(long *)arg;

    for (long i = 0; i < rounds; i++) {
        int r = asyncio_sleep(0);

        if (r < 0)
            return r;
    }
    return 0;
}

static int yield_among(int n)
{
    static struct asyncio_future *tasks[MOST_TASKS];
    long rounds = bench_operations / n;
    double begin;

    for (int i = 0; i < n; i++)
        tasks[i] = asyncio_create_task(yield_rounds, &rounds);
    /* All have begun, and touched their stacks, before the clock starts. */
    must(asyncio_sleep(0));
    begin = now_ns();
    must(asyncio_gather(tasks, (size_t)n, NULL));
    bench_figure_ns = (now_ns() - begin) / (double)(rounds * n);
    drop(tasks, n);
    return 0;
}

static int yield_2_main(void *arg)
{
    (void)arg;
    return yield_among(2);
}

static double yield_2(long count)
{
    return measure(yield_2_main, count);
}

static int yield_10000_main(void *arg)
{
    (void)arg;
    return yield_among(MOST_TASKS);
}

static double yield_10000(long count)
{
    return measure(yield_10000_main, count);
}

/* ------------------------------------------------------------------------------------------------- Create and join */

static int spawn_join_main(void *arg)
{
    double begin = now_ns();

    (void)arg;
    for (long i = 0; i < bench_operations; i++) {
        struct asyncio_future *task = asyncio_create_task(empty, NULL);

        must(asyncio_await(task));
        asyncio_future_unref(task);
    }
    bench_figure_ns = (now_ns() - begin) / (double)bench_operations;
    return 0;
}

static double spawn_join(long count)
{
    return measure(spawn_join_main, count);
}

/* ------------------------------------------------------------------------------------------------------------ Main */

static int print_backend(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    const char *reason = asyncio_loop_backend_reason(loop);

    (void)arg;
    printf("%s\n%s\n%s\n", asyncio_loop_backend(loop), reason ? reason : "", asyncio_version());
    return 0;
}

int main(int argc, char **argv)
{
    static const struct bench benches[] = {
        {"yield_2", yield_2},
        {"yield_10000", yield_10000},
        {"spawn_join", spawn_join},
        {"lock_handoff", lock_handoff},
        {"lock_contended", lock_contended},
        {"event_wake", event_wake},
        {"event_broadcast_1000", event_broadcast_1000},
        {"queue_put_get", queue_put_get},
        {"queue_1", queue_1},
        {"queue_unbounded", queue_unbounded},
        {"future_pingpong", future_pingpong},
        {"spawn_1000", spawn_1000},
        {"gather_1000", gather_1000},
        {"wait_1000", wait_1000},
        {"as_completed_1000", as_completed_1000},
        {"call_soon", call_soon},
        {"cross_thread_1", cross_thread_1},
        {"cross_thread_1000", cross_thread_1000},
        {"to_thread_1", to_thread_1},
        {"to_thread_100", to_thread_100},
        {"timers_arm_cancel", timers_arm_cancel},
        {"timers_fire", timers_fire},
        {NULL, NULL},
    };

    /* Which back end there is, why, and the library's version, for the report. */
    if (argc == 2 && strcmp(argv[1], "backend") == 0) {
        must(asyncio_run(print_backend, NULL));
        return 0;
    }
    return bench_main(benches, argc, argv);
}
