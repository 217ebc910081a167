/* mem.h -- the only door to the heap: the user's allocator, a count of what is alive, and failures on demand.
 *
 * Objects of one size come from pools, whose chunks never move. In sanitizer and hostile builds each object is an
 * allocation of its own, so that a use after free is seen. */
#pragma once

#include "base.h"
#include "hostile.h"

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

/* A copy of a text; NULL when out of memory. */
char *asyncio__strdup(const char *text);

/* Objects of one size for one thread at a time, handed out last in, first out. */
struct asyncio__pool {
    size_t object_size;
    void *free_list;
    void *chunks;
    size_t in_use;
};

void asyncio__pool_init(struct asyncio__pool *pool, size_t object_size);

/* Gives the chunks back; asserts that no object is in use. */
void asyncio__pool_fini(struct asyncio__pool *pool);

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
