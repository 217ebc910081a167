/* overflow.h -- the SIGSEGV handler that says which task used up its stack. */
#pragma once

#include "../base/base.h"

#include "coro.h"

/* Writes who runs on the stack, such as "task 'worker' (created at file.c:12)", to `buffer`. Runs in the handler, so it
 * may only read: no lock, no allocation, no printf. */
typedef void asyncio__overflow_namer(struct asyncio__stack *stack, char *buffer, size_t size);

/* Switches the handler on. It is process-wide and is installed only where SIGSEGV has its default action; the calling
 * thread gets an alternate signal stack unless it has one. Harmless when done twice. */
void asyncio__overflow_install(void);

/* Switches the handler off, if it is still the one that would run. */
void asyncio__overflow_remove(void);

/* Every thread that runs coroutines needs an alternate signal stack: taken when its loop starts to run, and given back
 * when the loop stops. A thread that already has one keeps it. */
void asyncio__overflow_thread_enter(void);
void asyncio__overflow_thread_leave(void);

void asyncio__overflow_set_namer(asyncio__overflow_namer *namer);
