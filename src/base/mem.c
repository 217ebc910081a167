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

void asyncio__heap_trim(void)
{
#ifdef __GLIBC__
    if (allocator.free == free)
        malloc_trim(0);
#endif
}

/* ----------------------------------------------------------------------------------------------------------- Pools
 *
 * A chunk is cut into objects as they are needed. Free objects are about, on the pool's one list, where they are handed
 * out from without a look at their chunks. Trimming sends them home; what is at home is handed out again, a chunk's
 * worth at a time, before anything is cut. */

#define CHUNK_SIZE ((size_t)64 * 1024)
#define CACHE_LINE ((size_t)64)
#define CUT_SIZE   ((size_t)4 * 1024)
#define TRIM_BATCH 1024

struct asyncio__chunk {
    struct asyncio_link link; /* among the pool's homes, if anybody is at home */
    void *home;               /* free objects, one behind the other */
    char *objects;
    uint32_t n_home, n_cut;
};

/* Where objects begin: at cache lines, if they are larger than one. */
#define CHUNK_HEAD (sizeof(struct asyncio__chunk) + CACHE_LINE - 1)

void asyncio__pool_init(struct asyncio__pool *pool, size_t object_size)
{
    size_t unit = object_size > CACHE_LINE ? CACHE_LINE : 16;

    object_size = (object_size + unit - 1) & ~(unit - 1);
    *pool = (struct asyncio__pool){.object_size = object_size, .per_chunk = (CHUNK_SIZE - CHUNK_HEAD) / object_size};
    list_init(&pool->homes);
}

void asyncio__pool_fini(struct asyncio__pool *pool)
{
    assert(pool->in_use == 0);
    for (size_t i = 0; i < pool->n_chunks; i++)
        asyncio__free(pool->chunks[i]);
    asyncio__free(pool->chunks);
    asyncio__pool_init(pool, pool->object_size);
}

static void push(void **list, void *object)
{
    memcpy(object, list, sizeof *list);
    *list = object;
}

static void *pop(void **list)
{
    void *object = *list;

    memcpy(list, object, sizeof *list);
    return object;
}

/* The number of chunks that begin at or before an address. */
static size_t chunks_up_to(const struct asyncio__pool *pool, const void *address)
{
    size_t first = 0, last = pool->n_chunks;

    while (first < last) {
        size_t middle = first + (last - first) / 2;

        if ((uintptr_t)pool->chunks[middle] <= (uintptr_t)address)
            first = middle + 1;
        else
            last = middle;
    }
    return first;
}

/* Makes room for one more chunk. Returns: false when there is no memory. */
static bool reserve_chunk(struct asyncio__pool *pool)
{
    size_t capacity = asyncio__grown(pool->capacity, pool->n_chunks + 1, 8);
    struct asyncio__chunk **chunks;

    if (pool->n_chunks < pool->capacity)
        return true;
    chunks = allocate(capacity * sizeof(struct asyncio__chunk *));
    if (!chunks)
        return false;
    if (pool->chunks) {
        memcpy(chunks, pool->chunks, pool->n_chunks * sizeof(struct asyncio__chunk *));
        release(pool->chunks);
    }
    pool->chunks = chunks;
    pool->capacity = capacity;
    return true;
}

static bool add_chunk(struct asyncio__pool *pool)
{
    struct asyncio__chunk *chunk;
    size_t place;

    if (!reserve_chunk(pool))
        return false;
    chunk = allocate(CHUNK_SIZE);
    if (!chunk)
        return false;
    place = chunks_up_to(pool, chunk);
    memmove(&pool->chunks[place + 1], &pool->chunks[place], (pool->n_chunks - place) * sizeof(struct asyncio__chunk *));
    pool->chunks[place] = chunk;
    pool->n_chunks++;
    *chunk = (struct asyncio__chunk){
        .objects = (char *)(((uintptr_t)chunk + CHUNK_HEAD) & ~(CACHE_LINE - 1)),
    };
    list_init(&chunk->link);
    pool->cutting = chunk;
    return true;
}

/* Frees a chunk that has all its objects at home. */
static void remove_chunk(struct asyncio__pool *pool, struct asyncio__chunk *chunk)
{
    size_t place = chunks_up_to(pool, chunk);

    memmove(&pool->chunks[place - 1], &pool->chunks[place], (pool->n_chunks - place) * sizeof(struct asyncio__chunk *));
    pool->n_chunks--;
    if (pool->cutting == chunk)
        pool->cutting = NULL;
    list_remove(&chunk->link);
    release(chunk);
}

/* Puts a chunk's next objects on the empty free list: a page of them, so that a pool that is hardly used is hardly
 * there. The lowest address is handed out first, so that objects made together lie together. */
static void cut(struct asyncio__pool *pool)
{
    struct asyncio__chunk *chunk = pool->cutting;
    uint32_t n = (uint32_t)min_size(max_size(CUT_SIZE / pool->object_size, 1), pool->per_chunk - chunk->n_cut);

    chunk->n_cut += n;
    for (uint32_t i = 1; i <= n; i++)
        push(&pool->free_list, chunk->objects + (chunk->n_cut - i) * pool->object_size);
    pool->about += n;
    if (chunk->n_cut == pool->per_chunk)
        pool->cutting = NULL;
}

/* Moves all objects of a chunk from their home to the empty free list. */
static void fetch(struct asyncio__pool *pool, struct asyncio__chunk *chunk)
{
    pool->free_list = chunk->home;
    pool->about += chunk->n_home;
    chunk->home = NULL;
    chunk->n_home = 0;
    list_remove(&chunk->link);
}

static void send_home(struct asyncio__pool *pool, void *object)
{
    struct asyncio__chunk *chunk = pool->chunks[chunks_up_to(pool, object) - 1];

    push(&chunk->home, object);
    if (chunk->n_home++ == 0)
        list_push_back(&pool->homes, &chunk->link);
    if (chunk->n_home == chunk->n_cut)
        remove_chunk(pool, chunk);
}

/* Begins a round, unless all that is free was needed lately: half of it leaves, and all when that is little, because
 * the last few may lie in as many chunks. */
static void begin_round(struct asyncio__pool *pool)
{
    size_t n_free = pool->about - pool->in_use;

    pool->leaving = 0;
    if (!pool->was_short && asyncio__pool_has_surplus(pool))
        pool->leaving = n_free > pool->per_chunk ? n_free / 2 : n_free;
    pool->was_short = false;
}

bool asyncio__pool_trim(struct asyncio__pool *pool)
{
    size_t n;

    if (pool->leaving == 0 || pool->was_short)
        begin_round(pool);
    n = min_size(pool->leaving, min_size(pool->about - pool->in_use, TRIM_BATCH));
    pool->leaving = n < TRIM_BATCH ? 0 : pool->leaving - n;
    for (; n > 0; n--) {
        pool->about--;
        send_home(pool, pop(&pool->free_list));
    }
    return pool->leaving > 0;
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
    pool->was_short = true;
    if (!list_empty(&pool->homes)) {
        fetch(pool, LIST_ENTRY(pool->homes.next, struct asyncio__chunk, link));
    } else {
        if (!pool->cutting && !add_chunk(pool))
            return NULL;
        cut(pool);
    }
    pool->in_use++;
    return pop(&pool->free_list);
}

void asyncio__pool_put_slow(struct asyncio__pool *pool, void *object)
{
    pool->in_use--;
    asyncio__free(object);
}
