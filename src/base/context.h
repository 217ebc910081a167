/* context.h -- contexts: a mutable reference each to an immutable, counted map of variables.
 *
 * Copying a context shares its map, so a copy costs the same however much is in it; setting a variable makes a new
 * map. A NULL context and a NULL map are empty, which is what programs that use no context variables pay for. */
#pragma once

#include "base.h"

#include <stdatomic.h>

struct asyncio__map;

struct asyncio_context {
    atomic_size_t refs; /* a thread may give a context to a loop that runs in another */
    struct asyncio__map *map;
    bool entered; /* asyncio_context_run is in it */
};

/* Where the current context of this thread stands: in a task, a handle, or the slot below. What stands there may be
 * NULL. */
extern _Thread_local struct asyncio_context **asyncio__context_at;

static inline struct asyncio_context *asyncio__context_current(void)
{
    return asyncio__context_at ? *asyncio__context_at : NULL;
}

/* A copy of the current context into ret_copy, which is NULL when that is empty. Returns: 0 or -ENOMEM. */
int asyncio__context_capture(struct asyncio_context **ret_copy);

/* The same for another thread: the copy shares its map with no other, because maps are counted without atomics. */
int asyncio__context_private(struct asyncio_context **ret_copy);

/* A context to run in: a reference to the one that was asked for, else a copy of the current one. Returns: 0 or
 * -ENOMEM. */
static inline int asyncio__context_choose(struct asyncio_context *asked, struct asyncio_context **ret_context)
{
    if (LIKELY(!asked && !asyncio__context_current())) {
        *ret_context = NULL;
        return 0;
    }
    if (!asked)
        return asyncio__context_capture(ret_context);
    *ret_context = asyncio_context_ref(asked);
    return 0;
}
