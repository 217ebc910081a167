/* threads.h -- outcomes that cross from one thread to another. */
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
