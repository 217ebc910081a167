/* stacks.h -- the stacks of one loop: cut from slabs, guarded, lent most recently used first, given back in time.
 *
 * A pool belongs to the thread that runs its loop and takes no lock. In ordinary use a stack is got and put by a
 * handful of instructions without a system call; slabs, guards and giving memory back are the slow path in stacks.c.
 *
 * Every size includes the guard: of 256 KiB the lowest 64 KiB fault, 192 KiB can be used. */
#pragma once

#include "../base/base.h"
#include "../base/mem.h"

#include "coro.h"
#include "guards.h"

/* A pool. All fields are private to stacks.c and the two inline functions below. */
struct asyncio__stacks {
    struct asyncio__stack *warm; /* free stacks whose pages are there, most recently used first */
    size_t stack_size;           /* what its own stacks satisfy; more needs a large one */
    size_t in_use;               /* its own stacks that are lent, not counting large ones */
    size_t peak;                 /* the most that were in use since the watermark was last lowered */
    size_t keep;                 /* decaying watermark: free stacks beyond it lose their pages */
    size_t cut;                  /* its own stacks there are: in use, warm and cold */
    size_t leaving;              /* warm stacks that this round of trimming is still to cool */
    size_t cold_count;
    size_t large_in_use;
    struct asyncio__stack *cold;   /* free stacks whose pages were given back */
    struct asyncio__stack *large;  /* free stacks with a mapping of their own, most recently used first */
    struct asyncio__slab *slabs;   /* all mappings; the overflow handler of any thread may read this list */
    struct asyncio__slab *filling; /* the slab that the next stack is cut from, or NULL */
    struct asyncio__stacks *next;  /* in the list of all pools */
    enum asyncio__guard guard;     /* the weakest guard that a stack of this pool had so far */
};

/* Makes an empty pool of stacks of `stack_size` bytes, 0 for the default of 256 KiB. Maps nothing yet. Returns: 0, or
 * -EINVAL for a size that leaves less than 16 KiB beside the guard or that overflows. */
int asyncio__stacks_init(struct asyncio__stacks *pool, size_t stack_size);

/* Unmaps everything. No stack may be in use. */
void asyncio__stacks_fini(struct asyncio__stacks *pool);

/* Gives back the pages of stacks that were not needed lately: the watermark halves with each call, down to what is in
 * use. A call takes a millisecond or so. Returns: whether something is left for another call as soon as the loop is
 * idle again, which then goes on and does not halve. Not to be called on a stack that has been put. */
bool asyncio__stacks_trim(struct asyncio__stacks *pool);

/* Whether further trims, with time between them, would give more back. */
bool asyncio__stacks_has_surplus(const struct asyncio__stacks *pool);

/* "madvise", "mprotect" or "none": the weakest guard among this pool's stacks so far, or what the next will get. */
const char *asyncio__stacks_guard(const struct asyncio__stacks *pool);

/* The bytes that can be used. */
size_t asyncio__stack_size(const struct asyncio__stack *stack);

/* The most that was used, by all who ran there since the pages were last given back. Counts the pages that are resident
 * (mincore) without touching any, so a stack that was swapped out seems smaller. */
size_t asyncio__stack_high_water(const struct asyncio__stack *stack);

/* Gives back the pages of a stack on which nothing runs. */
void asyncio__stack_cool(const struct asyncio__stack *stack);

/* The stack of any live pool whose guard contains `address`, or NULL. Async-signal-safe, from any thread. Between
 * find_begin and find_end no pool or slab goes away. */
void asyncio__stacks_find_begin(void);
struct asyncio__stack *asyncio__stacks_find_guard(const void *address);
void asyncio__stacks_find_end(void);

/* The slow path: cold stacks, new slabs, large stacks. */
struct asyncio__stack *asyncio__stack_get_slow(struct asyncio__stacks *pool, size_t size);
void asyncio__stack_put_large(struct asyncio__stacks *pool, struct asyncio__stack *stack);

/* Lends a stack of at least `size` bytes, 0 for the pool's size. Returns: NULL when there is no memory. */
static inline struct asyncio__stack *asyncio__stack_get(struct asyncio__stacks *pool, size_t size)
{
    struct asyncio__stack *stack = pool->warm;

    if (asyncio__mem_fault())
        return NULL;
    if (UNLIKELY(!stack || size > pool->stack_size))
        return asyncio__stack_get_slow(pool, size);
    pool->warm = stack->next;
    if (++pool->in_use > pool->peak)
        pool->peak = pool->in_use;
    asyncio__coro_stack_lent(stack);
    return stack;
}

/* Takes a stack back. May be called while running on it: then nothing may be started before the switch away. */
static inline void asyncio__stack_put(struct asyncio__stacks *pool, struct asyncio__stack *stack)
{
    stack->owner = NULL;
    asyncio__coro_stack_back(stack);
    if (UNLIKELY(stack->large)) {
        asyncio__stack_put_large(pool, stack);
        return;
    }
    stack->next = pool->warm;
    pool->warm = stack;
    pool->in_use--;
}
