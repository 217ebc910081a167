#include "mem.h"

#include <asyncio_lowlevel.h>

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

static struct asyncio_allocator allocator = {malloc, realloc, free};
static atomic_int_fast64_t alive;

/* Counting down instead of comparing keeps the usual path at one branch; far away means no failure is wanted. */
#define FAR_AWAY (INT64_MAX / 2)

_Thread_local int64_t asyncio__mem_countdown = FAR_AWAY;
static _Thread_local int64_t countdown_start = FAR_AWAY;
static _Thread_local int64_t failures_left;

bool asyncio__mem_fault_slow(void)
{
    if (failures_left <= 0) {
        countdown_start += FAR_AWAY - asyncio__mem_countdown;
        asyncio__mem_countdown = FAR_AWAY;
        return false;
    }
    failures_left--;
    return true;
}

void asyncio_fail_allocation(int64_t nth, int64_t count)
{
    asyncio__mem_countdown = nth < 0 ? FAR_AWAY : nth;
    countdown_start = asyncio__mem_countdown;
    failures_left = nth < 0 ? 0 : count;
}

int64_t asyncio_allocations(void)
{
    return countdown_start - asyncio__mem_countdown;
}

int64_t asyncio_allocated(void)
{
    return atomic_load(&alive);
}

int asyncio_set_allocator(const struct asyncio_allocator *with)
{
    static const struct asyncio_allocator libc = {malloc, realloc, free};

    if (!with)
        with = &libc;
    if (!with->malloc || !with->realloc || !with->free)
        return -EINVAL;
    if (atomic_load(&alive) > 0)
        return -EBUSY;
    allocator = *with;
    return 0;
}

/* Memory from the allocator, counted; in hostile builds nothing in it is zero by luck. */
static void *allocate(size_t size)
{
    void *memory = allocator.malloc(size);

    if (!memory)
        return NULL;
    atomic_fetch_add_explicit(&alive, 1, memory_order_relaxed);
    if (asyncio__hostile(ASYNCIO__MOVED_MEMORY))
        memset(memory, ASYNCIO__POISON, size);
    return memory;
}

/* How much memory a piece has; 0 when an allocator of the user's keeps that to itself. */
static size_t size_of(void *memory)
{
    return allocator.free == free ? malloc_usable_size(memory) : 0;
}

static void release(void *memory)
{
    atomic_fetch_sub_explicit(&alive, 1, memory_order_relaxed);
    if (asyncio__hostile(ASYNCIO__MOVED_MEMORY))
        memset(memory, ASYNCIO__POISON, size_of(memory));
    allocator.free(memory);
}

/* Grows or shrinks as no allocator has to: the old place is never good enough. */
static void *move(void *memory, size_t size)
{
    size_t old_size = size_of(memory);
    void *moved = allocate(size);

    if (!moved)
        return NULL;
    memcpy(moved, memory, min_size(old_size, size));
    release(memory);
    return moved;
}

void *asyncio__malloc(size_t size)
{
    return asyncio__mem_fault() ? NULL : allocate(size);
}

void *asyncio__calloc(size_t size)
{
    void *memory = asyncio__malloc(size);

    if (memory)
        memset(memory, 0, size);
    return memory;
}

void *asyncio__realloc(void *memory, size_t size)
{
    if (asyncio__mem_fault())
        return NULL;
    if (!memory)
        return allocate(size);
    if (asyncio__hostile(ASYNCIO__MOVED_MEMORY) && size_of(memory) > 0)
        return move(memory, size);
    return allocator.realloc(memory, size);
}

void asyncio__free(void *memory)
{
    if (memory)
        release(memory);
}

void asyncio_free(void *memory)
{
    asyncio__free(memory);
}

char *asyncio__strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = asyncio__malloc(size);

    if (copy)
        memcpy(copy, text, size);
    return copy;
}

/* ----------------------------------------------------------------------------------------------------------- Pools */

#define CHUNK_SIZE ((size_t)64 * 1024)
#define CACHE_LINE ((size_t)64)

struct chunk {
    struct chunk *next;
};

void asyncio__pool_init(struct asyncio__pool *pool, size_t object_size)
{
    size_t unit = object_size > CACHE_LINE ? CACHE_LINE : 16;

    *pool = (struct asyncio__pool){.object_size = (object_size + unit - 1) & ~(unit - 1)};
}

void asyncio__pool_fini(struct asyncio__pool *pool)
{
    struct chunk *chunk = pool->chunks;

    assert(pool->in_use == 0);
    while (chunk) {
        struct chunk *next = chunk->next;

        asyncio__free(chunk);
        chunk = next;
    }
    *pool = (struct asyncio__pool){.object_size = pool->object_size};
}

/* Cuts a new chunk into objects that begin at cache lines if they are larger than one; the lowest address is handed
 * out first, so that objects made together lie together. */
static bool add_chunk(struct asyncio__pool *pool)
{
    struct chunk *chunk = allocate(CHUNK_SIZE);
    uintptr_t first;
    char *object;
    size_t n;

    if (!chunk)
        return false;
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    first = ((uintptr_t)(chunk + 1) + CACHE_LINE - 1) & ~(CACHE_LINE - 1);
    n = ((uintptr_t)chunk + CHUNK_SIZE - first) / pool->object_size;
    object = (char *)first + n * pool->object_size;
    while (n-- > 0) {
        object -= pool->object_size;
        memcpy(object, &pool->free_list, sizeof(void *));
        pool->free_list = object;
    }
    return true;
}

void *asyncio__pool_get_slow(struct asyncio__pool *pool)
{
    void *object;

    if (ASYNCIO__POOL_IS_MALLOC) {
        object = allocate(pool->object_size);
        if (object)
            pool->in_use++;
        return object;
    }
    if (!add_chunk(pool))
        return NULL;
    object = pool->free_list;
    memcpy(&pool->free_list, object, sizeof(void *));
    pool->in_use++;
    return object;
}

void asyncio__pool_put_slow(struct asyncio__pool *pool, void *object)
{
    pool->in_use--;
    asyncio__free(object);
}
