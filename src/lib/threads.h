/* threads.h -- outcomes that cross from one thread to another, and calls in threads that outlive their caller. */
#pragma once

#include "../task/task.h"

/* Completes a future with the outcome of what another thread, or a task of another loop, did. */
static inline void asyncio__settle(struct asyncio_future *future, int result)
{
    asyncio__future_complete(future, result == -ECANCELED ? FUTURE_CANCELLED : FUTURE_FINISHED, result);
}

/* The same when the loop closes before there is an outcome; there is nothing to report about that. */
static inline void asyncio__settle_closed(struct asyncio_future *future)
{
    future->retrieved = true;
    asyncio__future_complete(future, FUTURE_FINISHED, -ASYNCIO_ECLOSED);
}

/* asyncio_to_thread, whose argument is freed once, also on failure: when fn has ended or never will begin, by any
 * thread, and perhaps before this returns. So it may outlive a caller who is cancelled. */
int asyncio__to_thread(asyncio_coro *fn, void *arg, asyncio_callback *free_arg);
