/* mem.h -- the only door to the heap: the user's allocator, a count of what is alive, and failures on demand.
 *
 * Objects of one size come from pools, whose chunks never move, and are freed when nothing in them was needed for a
 * while. In sanitizer and hostile builds each object is an
 * allocation of its own, so that a use after free is seen. */
#pragma once

#include "base.h"
#include "hostile.h"
#include "list.h"

/* Fault injection; see asyncio_fail_allocation. */
extern _Thread_local int64_t asyncio__mem_countdown;

bool asyncio__mem_fault_slow(void);

/* True when this allocation has been chosen to fail. */
static inline bool asyncio__mem_fault(void)
{
    if (LIKELY(--asyncio__mem_countdown >= 0))
        return false;
    return asyncio__mem_fault_slow();
}

void *asyncio__malloc(size_t size);
void *asyncio__calloc(size_t size);
void *asyncio__realloc(void *memory, size_t size);
void asyncio__free(void *memory);

/* Has libc give what is free back to the system, wherever in the heap that lies. Takes a millisecond or more, so it is
 * for quiet hours. Does nothing to an allocator of the user's. */
void asyncio__heap_trim(void);

/* A copy of a text; NULL when out of memory. */
char *asyncio__strdup(const char *text);

/* Objects of one size for one thread at a time, handed out last in, first out. Getting and putting is a handful of
 * instructions; the rest, and what is not needed any more, is the slow path in mem.c. */
struct asyncio__pool {
    size_t object_size, per_chunk;
    void *free_list; /* free objects that are about, most recently used first */
    size_t in_use;
    size_t about;                   /* objects in use or on the free list; others are at home in their chunks */
    bool was_short;                 /* the free list ran out since the last trim */
    size_t leaving;                 /* objects that this round of trimming is still to send home */
    struct asyncio_link homes;      /* chunks with objects at home */
    struct asyncio__chunk **chunks; /* all, by address */
    size_t n_chunks, capacity;
    struct asyncio__chunk *cutting; /* the one that is cut into objects, as they are needed; or NULL */
};

void asyncio__pool_init(struct asyncio__pool *pool, size_t object_size);

/* Gives the chunks back; asserts that no object is in use. */
void asyncio__pool_fini(struct asyncio__pool *pool);

/* To be called now and then while little happens, once a second say: half of what has been free since the last time
 * goes home, and chunks with all their objects at home are freed. A call takes a fraction of a millisecond. Returns:
 * whether there is more to do at once. */
bool asyncio__pool_trim(struct asyncio__pool *pool);

void *asyncio__pool_get_slow(struct asyncio__pool *pool);
void asyncio__pool_put_slow(struct asyncio__pool *pool, void *object);

#if ASYNCIO__HOSTILE || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ASYNCIO__POOL_IS_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define ASYNCIO__POOL_IS_MALLOC 1
#endif
#endif
#ifndef ASYNCIO__POOL_IS_MALLOC
#define ASYNCIO__POOL_IS_MALLOC 0
#endif

/* Whether further trims, with time between them, would give something back: much of the chunks is not in use, and free
 * objects are about that keep them from being freed. */
static inline bool asyncio__pool_has_surplus(const struct asyncio__pool *pool)
{
    return !ASYNCIO__POOL_IS_MALLOC && pool->about > pool->in_use && pool->n_chunks > 2 &&
           (pool->n_chunks - 2) * pool->per_chunk > pool->in_use;
}

/* Uninitialised memory for one object; NULL when out of memory. */
static inline void *asyncio__pool_get(struct asyncio__pool *pool)
{
    void *object = pool->free_list;

    if (asyncio__mem_fault())
        return NULL;
    if (UNLIKELY(ASYNCIO__POOL_IS_MALLOC || !object))
        return asyncio__pool_get_slow(pool);
    memcpy(&pool->free_list, object, sizeof(void *));
    pool->in_use++;
    return object;
}

static inline void asyncio__pool_put(struct asyncio__pool *pool, void *object)
{
    if (UNLIKELY(ASYNCIO__POOL_IS_MALLOC)) {
        asyncio__pool_put_slow(pool, object);
        return;
    }
    memcpy(object, &pool->free_list, sizeof(void *));
    pool->free_list = object;
    pool->in_use--;
}
