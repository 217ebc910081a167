/* asyncio_heart.c -- the heart of this library: switching, creating, waiting, timers. ASYNCIO_BACKEND chooses the
 * back end.
 *
 * Written as a user would write it, with the public header only. */
#include "bench.h"

#include <asyncio.h>

#define MOST_TASKS 10000

/* Every benchmark runs inside one task and leaves its figure here. */
static long operations;
static double figure_ns;

static void must(int r)
{
    if (r >= 0)
        return;
    fprintf(stderr, "benchmark failed: %s\n", asyncio_strerror(r));
    exit(1);
}

static double measure(asyncio_coro *fn, long count)
{
    operations = count;
    must(asyncio_run(fn, NULL));
    return figure_ns;
}

static void drop(struct asyncio_future **tasks, int n)
{
    for (int i = 0; i < n; i++)
        asyncio_future_unref(tasks[i]);
}

static int empty(void *arg)
{
    (void)arg;
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
    long rounds = operations / n;
    double begin;

    for (int i = 0; i < n; i++)
        tasks[i] = asyncio_create_task(yield_rounds, &rounds);
    /* All have begun, and touched their stacks, before the clock starts. */
    must(asyncio_sleep(0));
    begin = now_ns();
    must(asyncio_gather(tasks, (size_t)n, NULL));
    figure_ns = (now_ns() - begin) / (double)(rounds * n);
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
    for (long i = 0; i < operations; i++) {
        struct asyncio_future *task = asyncio_create_task(empty, NULL);

        must(asyncio_await(task));
        asyncio_future_unref(task);
    }
    figure_ns = (now_ns() - begin) / (double)operations;
    return 0;
}

static double spawn_join(long count)
{
    return measure(spawn_join_main, count);
}

/* ------------------------------------------------------------------------------------------ Hand-overs between two */

static struct asyncio_lock lock;

/* Once both want it, every release hands it to the other, because a newcomer stands behind who waits. */
static int lock_rounds(void *arg)
{
    long rounds = *(long *)arg;

    for (long i = 0; i < rounds; i++) {
        int r = asyncio_lock_acquire(&lock);

        if (r >= 0 && i == 0)
            r = asyncio_sleep(0);
        if (r < 0)
            return r;
        asyncio_lock_release(&lock);
    }
    return 0;
}

static int two_tasks(asyncio_coro *one, asyncio_coro *other)
{
    long rounds = operations / 2;
    struct asyncio_future *tasks[2] = {asyncio_create_task(one, &rounds), asyncio_create_task(other, &rounds)};
    double begin = now_ns();

    must(asyncio_gather(tasks, 2, NULL));
    figure_ns = (now_ns() - begin) / (double)(2 * rounds);
    drop(tasks, 2);
    return 0;
}

static int lock_main(void *arg)
{
    (void)arg;
    return two_tasks(lock_rounds, lock_rounds);
}

static double lock_handoff(long count)
{
    return measure(lock_main, count);
}

static struct asyncio_event ping, pong;

static __attribute__((noinline)) int event_rounds(long rounds, struct asyncio_event *mine, struct asyncio_event *theirs)
{
    for (long i = 0; i < rounds; i++) {
        int r = asyncio_event_wait(mine);

        if (r < 0)
            return r;
        asyncio_event_clear(mine);
        asyncio_event_set(theirs);
    }
    return 0;
}

static int event_pinger(void *arg)
{
    asyncio_event_set(&ping);
    return event_rounds(*(long *)arg, &ping, &pong);
}

static int event_ponger(void *arg)
{
    return event_rounds(*(long *)arg, &pong, &ping);
}

static int event_main(void *arg)
{
    (void)arg;
    return two_tasks(event_pinger, event_ponger);
}

static double event_wake(long count)
{
    return measure(event_main, count);
}

static struct asyncio_queue there, back;

static __attribute__((noinline)) int queue_rounds(long rounds, struct asyncio_queue *mine, struct asyncio_queue *theirs)
{
    void *item;

    for (long i = 0; i < rounds; i++) {
        int r = asyncio_queue_get(mine, &item);

        if (r < 0)
            return r;
        r = asyncio_queue_put(theirs, item);
        if (r < 0)
            return r;
    }
    return 0;
}

static int queue_server(void *arg)
{
    int r = asyncio_queue_put(&back, arg);

    return r < 0 ? r : queue_rounds(*(long *)arg, &there, &back);
}

static int queue_client(void *arg)
{
    return queue_rounds(*(long *)arg, &back, &there);
}

static int queue_main(void *arg)
{
    (void)arg;
    two_tasks(queue_server, queue_client);
    asyncio_queue_fini(&there);
    asyncio_queue_fini(&back);
    return 0;
}

static double queue_put_get(long count)
{
    return measure(queue_main, count);
}

/* ----------------------------------------------------------------------------------------------- Waiting for 1,000 */

#define GATHERED 1000

/* Creates and runs 1,000 tasks without waiting for them; what gather and as_completed add to this is theirs. */
static double create_and_run(struct asyncio_future **tasks)
{
    double begin = now_ns();

    for (int i = 0; i < GATHERED; i++)
        tasks[i] = asyncio_create_task(empty, NULL);
    must(asyncio_sleep(0));
    drop(tasks, GATHERED);
    return now_ns() - begin;
}

static double create_and_gather(struct asyncio_future **tasks)
{
    double begin = now_ns();

    for (int i = 0; i < GATHERED; i++)
        tasks[i] = asyncio_create_task(empty, NULL);
    must(asyncio_gather(tasks, GATHERED, NULL));
    drop(tasks, GATHERED);
    return now_ns() - begin;
}

static double create_and_iterate(struct asyncio_future **tasks)
{
    struct asyncio_as_completed iteration;
    struct asyncio_future *done;
    double begin = now_ns();
    int r;

    for (int i = 0; i < GATHERED; i++)
        tasks[i] = asyncio_create_task(empty, NULL);
    must(asyncio_as_completed(&iteration, tasks, GATHERED, ASYNCIO_FOREVER));
    while ((r = asyncio_as_completed_next(&iteration, &done)) > 0)
        ;
    must(r);
    asyncio_as_completed_fini(&iteration);
    drop(tasks, GATHERED);
    return now_ns() - begin;
}

static int beyond_creating(double (*one_round)(struct asyncio_future **tasks))
{
    static struct asyncio_future *tasks[GATHERED];
    long rounds = operations / GATHERED;
    double with_ns = 0, without_ns = 0;

    for (long i = 0; i < rounds; i++) {
        without_ns += create_and_run(tasks);
        with_ns += one_round(tasks);
    }
    figure_ns = (with_ns - without_ns) / (double)(rounds * GATHERED);
    return 0;
}

static int gather_main(void *arg)
{
    (void)arg;
    return beyond_creating(create_and_gather);
}

static double gather_1000(long count)
{
    return measure(gather_main, count);
}

static int as_completed_main(void *arg)
{
    (void)arg;
    return beyond_creating(create_and_iterate);
}

static double as_completed_1000(long count)
{
    return measure(as_completed_main, count);
}

/* -------------------------------------------------------------------------------------------- Callbacks and timers */

static void nothing(void *arg)
{
    (void)arg;
}

static int call_soon_main(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    double begin = now_ns();

    (void)arg;
    for (long i = 0; i < operations / 1000; i++) {
        for (int j = 0; j < 1000; j++)
            must(asyncio_loop_call_soon(loop, nothing, NULL));
        must(asyncio_sleep(0));
    }
    figure_ns = (now_ns() - begin) / (double)operations;
    return 0;
}

static double call_soon(long count)
{
    return measure(call_soon_main, count);
}

/* Deadlines a minute to an hour away, as those of connections are: nearly all are cancelled. */
static void arm_and_cancel(struct asyncio_handle **handles)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    uint64_t state = 88172645463325252u;

    for (long i = 0; i < operations; i++) {
        double seconds = 60 + (double)(next_random(&state) % 3540000) / 1000;

        must(asyncio_loop_call_later(loop, seconds, nothing, NULL, .ret_handle = &handles[i]));
    }
    for (long i = 0; i < operations; i++) {
        asyncio_handle_cancel(handles[i]);
        asyncio_handle_unref(handles[i]);
    }
}

/* The first pass touches the memory, which costs more than all the rest and is the kernel's. */
static int timers_cancel_main(void *arg)
{
    struct asyncio_handle **handles = calloc((size_t)operations, sizeof *handles);
    double begin;

    (void)arg;
    arm_and_cancel(handles);
    begin = now_ns();
    arm_and_cancel(handles);
    figure_ns = (now_ns() - begin) / (double)operations;
    free(handles);
    return 0;
}

static double timers_arm_cancel(long count)
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
    double start = asyncio_loop_time(loop) + 2, begin;
    uint64_t state = 88172645463325252u;

    (void)arg;
    fired = 0;
    for (long i = 0; i < operations; i++)
        must(asyncio_loop_call_at(loop, start + (double)(next_random(&state) % 1000000000) / 1e9, fire, NULL));
    while (strcmp(asyncio_loop_backend(loop), "sim") != 0 && asyncio_loop_time(loop) < start + 1)
        ;
    begin = now_ns();
    while (fired < operations)
        must(asyncio_sleep(strcmp(asyncio_loop_backend(loop), "sim") == 0 ? 0.01 : 0));
    figure_ns = (now_ns() - begin) / (double)operations;
    return 0;
}

static double timers_fire(long count)
{
    return measure(timers_fire_main, count);
}

int main(int argc, char **argv)
{
    static const struct bench benches[] = {
        {"yield_2", yield_2},         {"yield_10000", yield_10000},
        {"spawn_join", spawn_join},   {"lock_handoff", lock_handoff},
        {"event_wake", event_wake},   {"queue_put_get", queue_put_get},
        {"gather_1000", gather_1000}, {"as_completed_1000", as_completed_1000},
        {"call_soon", call_soon},     {"timers_arm_cancel", timers_arm_cancel},
        {"timers_fire", timers_fire}, {NULL, NULL},
    };

    return bench_main(benches, argc, argv);
}
