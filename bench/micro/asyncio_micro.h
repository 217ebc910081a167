/* asyncio_micro.h -- what the files of this library's benchmark program share.
 *
 * Written as a user would write it, with the public header only; ASYNCIO_BACKEND chooses the back end. Every benchmark
 * runs inside one task, asks bench_operations how much it has to do and leaves its figure in bench_figure_ns. */
#pragma once

#include "bench.h"

#include <asyncio.h>

extern long bench_operations;
extern double bench_figure_ns;

/* Ends the program when a call failed. */
void must(int r);

/* Drops the references to n tasks. */
void drop(struct asyncio_future **tasks, int n);

/* Runs a main task for `count` operations. Returns: nanoseconds an operation. */
double measure(asyncio_coro *fn, long count);

/* Two tasks that do half of the operations each; the clock runs from their creation to their end. */
int two_tasks(asyncio_coro *one, asyncio_coro *other);

/* A task that ends at once. */
int empty(void *arg);

double event_wake(long count);
double future_pingpong(long count);
double lock_contended(long count);
double lock_handoff(long count);
double queue_1(long count);
double queue_put_get(long count);
double queue_unbounded(long count);

double as_completed_1000(long count);
double event_broadcast_1000(long count);
double gather_1000(long count);
double spawn_1000(long count);
double wait_1000(long count);

double call_soon(long count);
double cross_thread_1(long count);
double cross_thread_1000(long count);
double to_thread_1(long count);
double to_thread_100(long count);
double timers_arm_cancel(long count);
double timers_fire(long count);
