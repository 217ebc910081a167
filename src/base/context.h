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

/* Each task, handle and thread has a slot for its context, which is NULL as long as that is empty. Whose code runs is
 * named by a pointer to its slot, and where that pointer is, by this one. A scheduler has such a pointer of its own, so
 * that a switch between tasks is a single store; all others stand on the stack of who calls something in a context.
 * Either pointer may be NULL: then it is the thread's own slot. */
extern _Thread_local struct asyncio_context ***asyncio__context_at;

/* The current slot, or NULL. */
static inline struct asyncio_context **asyncio__context_slot(void)
{
    return LIKELY(asyncio__context_at) ? *asyncio__context_at : NULL;
}

static inline struct asyncio_context *asyncio__context_current(void)
{
    struct asyncio_context **slot = asyncio__context_slot();

    return slot ? *slot : NULL;
}

/* Enters a context for the length of a call; its slot is NULL for the thread's own. */
struct asyncio__context_entry {
    struct asyncio_context **slot, ***outer;
};

static inline void asyncio__context_enter(struct asyncio__context_entry *entry, struct asyncio_context **slot)
{
    entry->slot = slot;
    entry->outer = asyncio__context_at;
    asyncio__context_at = &entry->slot;
}

static inline void asyncio__context_leave(const struct asyncio__context_entry *entry)
{
    asyncio__context_at = entry->outer;
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
