/* threads.h -- what crosses from one thread to another: contexts and outcomes. */
#pragma once

#include "../task/task.h"

/* A copy of the current context for another thread; NULL when that is empty. The counts of contexts and of their maps
 * are not atomic, so this copy shares its map with no other. Returns: 0; -ENOMEM. */
int asyncio__private_context(struct asyncio_context **ret_context);

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
