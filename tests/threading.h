/* threading.h -- threads, gates between them and moments of real time, for tests of what crosses from one to
 * another. */
#pragma once

#include "crew.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Nothing in these tests takes longer, unless it hangs. */
#define PATIENCE_S 20

/* Passed once for each time that it was opened. All tests' gates are static, so they need no cleanup. */
struct gate {
    sem_t semaphore;
};

static inline void gate_init(struct gate *gate)
{
    sem_init(&gate->semaphore, 0, 0);
}

static inline void gate_open(struct gate *gate)
{
    sem_post(&gate->semaphore);
}

/* Returns: false when it stayed closed. */
static inline bool gate_pass_within(struct gate *gate, double seconds)
{
    struct timespec until;
    long long ns;

    clock_gettime(CLOCK_REALTIME, &until);
    ns = (long long)until.tv_nsec + (long long)(seconds * 1e9);
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    while (sem_timedwait(&gate->semaphore, &until) < 0)
        if (errno != EINTR)
            return false;
    return true;
}

static inline void gate_pass(struct gate *gate)
{
    if (!gate_pass_within(gate, PATIENCE_S))
        FAIL("a gate stayed closed");
}

/* A moment of real time. */
static inline void pause_thread(double seconds)
{
    struct gate never;

    gate_init(&never);
    gate_pass_within(&never, seconds);
    sem_destroy(&never.semaphore);
}

static inline pthread_t start_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, fn, arg) != 0)
        FAIL("a thread could not be made");
    return thread;
}

static inline void *join_thread(pthread_t thread)
{
    void *result = NULL;

    pthread_join(thread, &result);
    return result;
}

/* ThreadSanitizer holds signals back until it likes them, of each number one at a time, and takes what a forked child
 * does on its parent's stacks for races. */
static inline bool under_thread_sanitizer(void)
{
#if defined __SANITIZE_THREAD__
    return true;
#elif defined __has_feature
#if __has_feature(thread_sanitizer)
    return true;
#else
    return false;
#endif
#else
    return false;
#endif
}

/* A loop with a real clock that another thread runs until it is told to stop. */
struct other_loop {
    struct asyncio_loop *loop;
    pthread_t thread;
};

static inline void *run_other_loop(void *arg)
{
    struct asyncio_loop *loop = arg;

    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    return NULL;
}

static inline void stop_loop(void *arg)
{
    asyncio_loop_stop(arg);
}

static inline void start_other_loop(struct other_loop *other)
{
    EXPECT_INT(new_loop(&other->loop), 0);
    asyncio_loop_hold(other->loop);
    other->thread = start_thread(run_other_loop, other->loop);
}

/* Stops it and joins the thread; the loop is the caller's to close. */
static inline void stop_other_loop(struct other_loop *other)
{
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(other->loop, stop_loop, other->loop), 0);
    join_thread(other->thread);
    asyncio_loop_release(other->loop);
}

static inline void end_other_loop(struct other_loop *other)
{
    stop_other_loop(other);
    close_loop(other->loop);
}
