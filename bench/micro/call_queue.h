/* call_queue.h -- how users of loops without a thread-safe call have one all the same: a list under a mutex, and the
 * loop's own means to wake it. Their manuals say to do so, because several wake-ups may come as one. */
#pragma once

#include "bench.h"

#include <pthread.h>
#include <semaphore.h>

struct call {
    struct call *next;
    void (*fn)(void *arg);
    void *arg;
};

struct call_queue {
    pthread_mutex_t mutex;
    struct call *first, **tail;
};

static inline void call_queue_init(struct call_queue *queue)
{
    pthread_mutex_init(&queue->mutex, NULL);
    queue->first = NULL;
    queue->tail = &queue->first;
}

/* Appends a call; the loop is to be woken afterwards. */
static inline void call_queue_put(struct call_queue *queue, void (*fn)(void *arg), void *arg)
{
    struct call *call = malloc(sizeof *call);

    if (!call)
        abort();
    *call = (struct call){NULL, fn, arg};
    pthread_mutex_lock(&queue->mutex);
    *queue->tail = call;
    queue->tail = &call->next;
    pthread_mutex_unlock(&queue->mutex);
}

/* Takes all calls at once and runs them. */
static inline void call_queue_run(struct call_queue *queue)
{
    struct call *call;

    pthread_mutex_lock(&queue->mutex);
    call = queue->first;
    queue->first = NULL;
    queue->tail = &queue->first;
    pthread_mutex_unlock(&queue->mutex);
    while (call) {
        struct call *next = call->next;

        call->fn(call->arg);
        free(call);
        call = next;
    }
}

/* A thread that has `count` calls made, `at_a_time` of them before it waits until all have run. */
struct caller {
    struct call_queue queue;
    sem_t all_have_run;
    long count, at_a_time, called;
    void (*wake)(void); /* the loop */
    void (*end)(void);  /* stops the loop, in the loop's thread */
};

static struct caller caller;

static inline void caller_called(void *arg)
{
    (void)arg;
    if (++caller.called % caller.at_a_time == 0)
        sem_post(&caller.all_have_run);
    if (caller.called == caller.count)
        caller.end();
}

static inline void *caller_thread(void *arg)
{
    for (long i = 0; i < caller.count / caller.at_a_time; i++) {
        for (long j = 0; j < caller.at_a_time; j++) {
            call_queue_put(&caller.queue, caller_called, NULL);
            caller.wake();
        }
        while (sem_wait(&caller.all_have_run) < 0)
            ;
    }
    return arg;
}

/* Runs the loop in this thread and the caller in another; the loop calls call_queue_run(&caller.queue) when it is
 * woken. Returns: nanoseconds a call. */
static inline double caller_measure(long count, long at_a_time, void (*wake)(void), void (*end)(void),
                                    void (*run)(void))
{
    pthread_t thread;
    double begin;

    caller = (struct caller){.count = count / at_a_time * at_a_time, .at_a_time = at_a_time, .wake = wake, .end = end};
    call_queue_init(&caller.queue);
    sem_init(&caller.all_have_run, 0, 0);
    begin = now_ns();
    if (pthread_create(&thread, NULL, caller_thread, NULL) != 0)
        abort();
    run();
    pthread_join(thread, NULL);
    return (now_ns() - begin) / (double)caller.count;
}
