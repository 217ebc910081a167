/* waker.h -- ends a poll from another thread or a signal handler, and counts forks.
 *
 * Three states: AWAKE while the loop runs, BLOCKED while it is in the kernel or about to be, WOKEN once somebody has
 * called. Only the call that finds it BLOCKED writes to the eventfd; all others are one atomic exchange. An eventfd
 * may tell of a wake that was taken already: whoever polls must bear being woken once too often. */
#pragma once

#include "../base/base.h"

#include <stdatomic.h>

enum asyncio__waker_state { ASYNCIO__AWAKE, ASYNCIO__BLOCKED, ASYNCIO__WOKEN };

struct asyncio__waker {
    atomic_int state;
    atomic_bool embedded; /* a foreign loop watches the eventfd: every wake must be visible there */
    int fd;
    unsigned forks; /* of this process when it was opened */
};

/* Returns: 0 or a negative error. */
int asyncio__waker_open(struct asyncio__waker *waker);

void asyncio__waker_close(struct asyncio__waker *waker);

/* Any thread, any signal handler. In a forked child it does nothing: the eventfd is the parent's too. */
void asyncio__waker_wake(struct asyncio__waker *waker);

/* Makes every later wake visible at the eventfd. */
void asyncio__waker_embed(struct asyncio__waker *waker);

/* Announces that the caller is going to block. Returns: false when it must not, as somebody has called. */
static inline bool asyncio__waker_arm(struct asyncio__waker *waker)
{
    return atomic_exchange(&waker->state, ASYNCIO__BLOCKED) != ASYNCIO__WOKEN;
}

/* Ends what arm began, or takes notice of a wake without blocking. What was done before the wake is visible afterwards.
 * Returns: true when somebody has called. */
static inline bool asyncio__waker_disarm(struct asyncio__waker *waker)
{
    if (atomic_load_explicit(&waker->state, memory_order_relaxed) == ASYNCIO__AWAKE)
        return false;
    return atomic_exchange(&waker->state, ASYNCIO__AWAKE) == ASYNCIO__WOKEN;
}

/* Blocks until somebody calls, or has called. Returns: 0; -EINTR. */
int asyncio__waker_wait(struct asyncio__waker *waker);

/* True in a forked child of the process that opened it. */
bool asyncio__waker_forked(const struct asyncio__waker *waker);
