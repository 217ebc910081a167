/* state_threads.c -- state-threads: switching, creating, mutexes, conditions. It has no queues, futures or calls from
 * other threads, and its only timer is a thread that sleeps. */
#include "bench.h"

#include <st.h>

#define MOST_THREADS 10000
#define GATHERED     1000

static long rounds;
static long running; /* threads that have not come to their end */

/* The library has no other yield. */
static void yield(void)
{
    st_usleep(0);
}

static st_thread_t create(void *(*fn)(void *arg), void *arg, int joinable)
{
    st_thread_t thread = st_thread_create(fn, arg, joinable, 0);

    if (!thread)
        abort();
    return thread;
}

static void *empty(void *arg)
{
    running--;
    return arg;
}

/* Runs n threads, all of which have begun before the clock starts. Returns: nanoseconds until all have ended. */
static double run_threads(int n, void *(*fn)(void *arg))
{
    static st_thread_t threads[MOST_THREADS];
    double begin;

    for (int i = 0; i < n; i++)
        threads[i] = create(fn, &threads[i], 1);
    begin = now_ns();
    for (int i = 0; i < n; i++)
        st_thread_join(threads[i], NULL);
    return now_ns() - begin;
}

/* ----------------------------------------------------------------------------------------------------------- Yield */

static void *yield_rounds(void *arg)
{
    for (long i = 0; i < rounds; i++)
        yield();
    return arg;
}

static double yield_among(int n, long count)
{
    rounds = count / n;
    return run_threads(n, yield_rounds) / (double)(rounds * n);
}

static double yield_2(long count)
{
    return yield_among(2, count);
}

static double yield_10000(long count)
{
    return yield_among(MOST_THREADS, count);
}

/* ------------------------------------------------------------------------------------------------- Create and join */

static double spawn_join(long count)
{
    double begin = now_ns();

    for (long i = 0; i < count; i++)
        st_thread_join(create(empty, NULL, 1), NULL);
    return (now_ns() - begin) / (double)count;
}

/* A thousand threads that nobody waits for. */
static double create_and_run(void)
{
    double begin = now_ns();

    running = GATHERED;
    for (int i = 0; i < GATHERED; i++)
        create(empty, NULL, 0);
    while (running > 0)
        yield();
    return now_ns() - begin;
}

static double spawn_1000(long count)
{
    double sum_ns = 0;

    for (long i = 0; i < count / GATHERED; i++)
        sum_ns += create_and_run();
    return sum_ns / (double)(count / GATHERED * GATHERED);
}

/* ---------------------------------------------------------------------------------------- Hand-overs and broadcast */

static st_mutex_t mutex;

/* Once both want it, every unlock hands it to the other. */
static void *lock_rounds(void *arg)
{
    for (long i = 0; i < rounds; i++) {
        st_mutex_lock(mutex);
        if (i == 0)
            yield();
        st_mutex_unlock(mutex);
    }
    return arg;
}

static double lock_handoff(long count)
{
    mutex = st_mutex_new();
    rounds = count / 2;
    return run_threads(2, lock_rounds) / (double)(2 * rounds);
}

static void *contended_rounds(void *arg)
{
    for (long i = 0; i < rounds; i++) {
        st_mutex_lock(mutex);
        yield();
        st_mutex_unlock(mutex);
    }
    return arg;
}

static double lock_contended(long count)
{
    mutex = st_mutex_new();
    rounds = count / 2;
    return run_threads(2, contended_rounds) / (double)(2 * rounds);
}

static st_cond_t broadcast;
static long woken;

static void *listener(void *arg)
{
    for (long i = 0; i < rounds; i++) {
        st_cond_wait(broadcast);
        woken++;
    }
    return arg;
}

static double event_broadcast_1000(long count)
{
    double begin;

    broadcast = st_cond_new();
    rounds = count / GATHERED;
    for (int i = 0; i < GATHERED; i++)
        create(listener, NULL, 0);
    yield();
    begin = now_ns();
    for (long i = 1; i <= rounds; i++) {
        st_cond_broadcast(broadcast);
        while (woken < i * GATHERED)
            yield();
    }
    return (now_ns() - begin) / (double)(rounds * GATHERED);
}

int main(int argc, char **argv)
{
    static const struct bench benches[] = {
        {"yield_2", yield_2},
        {"yield_10000", yield_10000},
        {"spawn_join", spawn_join},
        {"lock_handoff", lock_handoff},
        {"lock_contended", lock_contended},
        {"event_broadcast_1000", event_broadcast_1000},
        {"spawn_1000", spawn_1000},
        {NULL, NULL},
    };

    /* epoll, which has to be asked for; a library that was built without it stays with its default. */
    if (st_set_eventsys(ST_EVENTSYS_ALT) < 0 || st_init() < 0)
        abort();
    return bench_main(benches, argc, argv);
}
