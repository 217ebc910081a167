/* asyncio_waits.c -- waits for a thousand: gather, wait, as_completed, an event that wakes them all. */
#include "asyncio_micro.h"

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

static double create_and_wait(struct asyncio_future **tasks)
{
    double begin = now_ns();

    for (int i = 0; i < GATHERED; i++)
        tasks[i] = asyncio_create_task(empty, NULL);
    must(asyncio_wait(tasks, GATHERED, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
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
    long rounds = bench_operations / GATHERED;
    double with_ns = 0, without_ns = 0;

    for (long i = 0; i < rounds; i++) {
        without_ns += create_and_run(tasks);
        with_ns += one_round(tasks);
    }
    bench_figure_ns = (with_ns - without_ns) / (double)(rounds * GATHERED);
    return 0;
}

static int gather_main(void *arg)
{
    (void)arg;
    return beyond_creating(create_and_gather);
}

double gather_1000(long count)
{
    return measure(gather_main, count);
}

static int wait_main(void *arg)
{
    (void)arg;
    return beyond_creating(create_and_wait);
}

double wait_1000(long count)
{
    return measure(wait_main, count);
}

static int as_completed_main(void *arg)
{
    (void)arg;
    return beyond_creating(create_and_iterate);
}

double as_completed_1000(long count)
{
    return measure(as_completed_main, count);
}

/* What the others are measured beyond: creating, running and dropping them. */
static int spawn_main(void *arg)
{
    static struct asyncio_future *tasks[GATHERED];
    long rounds = bench_operations / GATHERED;
    double sum_ns = 0;

    (void)arg;
    for (long i = 0; i < rounds; i++)
        sum_ns += create_and_run(tasks);
    bench_figure_ns = sum_ns / (double)(rounds * GATHERED);
    return 0;
}

double spawn_1000(long count)
{
    return measure(spawn_main, count);
}

/* A thousand tasks wait for one event, again and again. */
static struct asyncio_event broadcast;
static long woken;

static int listener(void *arg)
{
    long rounds = *(long *)arg;

    for (long i = 0; i < rounds; i++) {
        int r = asyncio_event_wait(&broadcast);

        if (r < 0)
            return r;
        woken++;
    }
    return 0;
}

static int broadcast_main(void *arg)
{
    static struct asyncio_future *tasks[GATHERED];
    long rounds = bench_operations / GATHERED;
    double begin;

    (void)arg;
    woken = 0;
    for (int i = 0; i < GATHERED; i++)
        tasks[i] = asyncio_create_task(listener, &rounds);
    must(asyncio_sleep(0));
    begin = now_ns();
    for (long i = 1; i <= rounds; i++) {
        asyncio_event_set(&broadcast);
        asyncio_event_clear(&broadcast);
        while (woken < i * GATHERED)
            must(asyncio_sleep(0));
    }
    bench_figure_ns = (now_ns() - begin) / (double)(rounds * GATHERED);
    must(asyncio_gather(tasks, GATHERED, NULL));
    drop(tasks, GATHERED);
    return 0;
}

double event_broadcast_1000(long count)
{
    return measure(broadcast_main, count);
}
