/* stacks.c -- where stacks come from and where they go.
 *
 * A slab is one mapping, cut into stacks one after the other as they are needed. Their records lie in a small mapping
 * of their own, so that looking after free stacks touches none of their pages. A stack is
 *
 *     base                                                                      base + stride
 *     | guard, 64 KiB or a little more | low      usable, grows down      top | colour |
 *
 * and is in use, warm (free, with the pages its last coroutine touched) or cold (free, its pages given back).
 * Invariant: pool->cut is the sum of the three, each of the pool's own stacks being in exactly one. A slab whose stacks
 * are all cold is unmapped. A stack that is larger than the pool's has a slab to itself and is outside of this count.
 *
 * The stride between stacks is an odd number of pages, and their tops are staggered by cache lines: with a power of two
 * the hot ends of all stacks would share one set of the TLB and of the first-level cache.
 *
 * Only the owner writes; but the overflow handler of any thread may read the list of pools and their lists of slabs at
 * any time. So links are published with release, and nothing is unmapped while a reader is inside. */

#include "stacks.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum {
    STACK_SIZE_DEFAULT = 256 * 1024,
    STACK_USABLE_MIN = 16 * 1024,
    COLOURS = 16,
    COLOUR_STEP = 64,
    SLAB_STACKS_MIN = 64, /* small programs stay small: 16 MiB of address space */
    SLAB_STACKS_MAX = 1024,
    AHEAD_OF = 8,     /* a guard is made ahead for every so many stacks there are */
    WARM_MIN = 16,    /* never worth giving back */
    TRIM_BATCH = 512, /* stacks cooled by one call, some 2 us each */
};

/* So that a slab's size fits ptrdiff_t with room to spare. */
#define STACK_SIZE_MAX ((size_t)PTRDIFF_MAX / (2 * SLAB_STACKS_MAX))

struct asyncio__slab {
    struct asyncio__slab *next; /* written by the owner, read by any overflow handler */
    char *base;
    size_t stride;      /* from stack to stack, guard included */
    size_t guard_size;  /* at the low end of each stack */
    size_t size;        /* of the mapping at base */
    size_t record_size; /* of the mapping that holds this struct */
    uint32_t count;     /* stacks that fit */
    uint32_t cut;       /* stacks cut so far, the first ones */
    uint32_t guarded;   /* stacks guarded ahead of being cut, these and some more; may be less than `cut` */
    uint32_t cold;      /* stacks that are cold; for a large one, whether it is free */
    struct asyncio__stack stacks[];
};

/* All pools; readers come without the lock. */
static struct {
    atomic_flag lock;
    struct asyncio__stacks *first;
    atomic_uint readers;
} pools = {.lock = ATOMIC_FLAG_INIT};

/* -------------------------------------------------------------------------------------------------------- mappings */

static char *map(size_t size)
{
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return base == MAP_FAILED ? NULL : base;
}

static void unmap(void *base, size_t size)
{
    int r = munmap(base, size);

    assert(r == 0);
    (void)r;
}

const char *asyncio__stacks_guard(const struct asyncio__stacks *pool)
{
    static const char *const names[] = {
        [ASYNCIO__GUARD_MADVISE] = "madvise",
        [ASYNCIO__GUARD_MPROTECT] = "mprotect",
        [ASYNCIO__GUARD_NONE] = "none",
    };
    enum asyncio__guard next = asyncio__guard_next();

    return names[next > pool->guard ? next : pool->guard];
}

/* -------------------------------------------------------------------------------------------- readers of the lists */

void asyncio__stacks_find_begin(void)
{
    atomic_fetch_add(&pools.readers, 1);
}

void asyncio__stacks_find_end(void)
{
    atomic_fetch_sub(&pools.readers, 1);
}

/* After something was taken off a list: returns when no reader can hold it. A reader is a thread that is crashing. Both
 * sides change the count, so that a reader who comes later sees the list as it is now. */
static void wait_for_readers(void)
{
    while (atomic_fetch_add(&pools.readers, 0))
        sched_yield();
}

struct asyncio__stack *asyncio__stacks_find_guard(const void *address)
{
    struct asyncio__stacks *pool = __atomic_load_n(&pools.first, __ATOMIC_ACQUIRE);

    for (; pool; pool = __atomic_load_n(&pool->next, __ATOMIC_ACQUIRE)) {
        struct asyncio__slab *slab = __atomic_load_n(&pool->slabs, __ATOMIC_ACQUIRE);

        for (; slab; slab = __atomic_load_n(&slab->next, __ATOMIC_ACQUIRE)) {
            size_t offset = (size_t)((uintptr_t)address - (uintptr_t)slab->base);
            size_t index = offset / slab->stride;

            if (offset < slab->size && index < __atomic_load_n(&slab->cut, __ATOMIC_ACQUIRE) &&
                (const char *)address < slab->stacks[index].low)
                return &slab->stacks[index];
        }
    }
    return NULL;
}

static void lock_pools(void)
{
    while (atomic_flag_test_and_set_explicit(&pools.lock, memory_order_acquire))
        sched_yield();
}

static void unlock_pools(void)
{
    atomic_flag_clear_explicit(&pools.lock, memory_order_release);
}

/* ----------------------------------------------------------------------------------------------------------- slabs */

/* Maps a slab of `count` stacks of `size` bytes; where there is no room for that many, of a quarter, and so on. */
static struct asyncio__slab *slab_open(struct asyncio__stacks *pool, size_t size, size_t count)
{
    size_t rounded = asyncio__whole_pages(size);
    size_t stride = rounded | asyncio__page_size(); /* what makes the number of pages odd is added to the guard */
    size_t record_size;
    struct asyncio__slab *slab;
    char *base = map(count * stride);

    while (!base && count > 1) {
        count /= 4;
        base = map(count * stride);
    }
    if (!base)
        return NULL;
    record_size = asyncio__whole_pages(sizeof *slab + count * sizeof slab->stacks[0]);
    slab = (struct asyncio__slab *)(void *)map(record_size);
    if (!slab) {
        unmap(base, count * stride);
        return NULL;
    }
    (void)madvise(base, count * stride, MADV_NOHUGEPAGE); /* fails where the kernel has no huge pages */
    slab->base = base;
    slab->stride = stride;
    slab->guard_size = asyncio__guard_size() + stride - rounded;
    slab->size = count * stride;
    slab->record_size = record_size;
    slab->count = (uint32_t)count;
    slab->next = pool->slabs;
    __atomic_store_n(&pool->slabs, slab, __ATOMIC_RELEASE);
    return slab;
}

/* The slab is on no list any more, and none of its stacks is in use. */
static void slab_close(struct asyncio__slab *slab)
{
    for (uint32_t i = 0; i < slab->cut; i++) {
        asyncio__coro_stack_dead(&slab->stacks[i]);
        asyncio__guard_unmapped((enum asyncio__guard)slab->stacks[i].guard);
    }
    unmap(slab->base, slab->size);
    unmap(slab, slab->record_size);
}

static void push_cold(struct asyncio__stacks *pool, struct asyncio__stack *stack)
{
    stack->cold = true;
    stack->prev = NULL;
    stack->next = pool->cold;
    if (pool->cold)
        pool->cold->prev = stack;
    pool->cold = stack;
    pool->cold_count++;
}

static void remove_cold(struct asyncio__stacks *pool, struct asyncio__stack *stack)
{
    stack->cold = false;
    if (stack->prev)
        stack->prev->next = stack->next;
    else
        pool->cold = stack->next;
    if (stack->next)
        stack->next->prev = stack->prev;
    pool->cold_count--;
}

static bool slab_condemned(const struct asyncio__slab *slab)
{
    return slab->cold == slab->cut;
}

/* Closes the slabs of which nothing is used: those with cold stacks only, and all the large ones that are free. */
static void close_condemned(struct asyncio__stacks *pool)
{
    struct asyncio__slab *closed = NULL, *slab, **link = &pool->slabs;

    pool->large = NULL;
    while ((slab = *link)) {
        if (!slab_condemned(slab)) {
            link = &slab->next;
            continue;
        }
        for (uint32_t i = 0; i < slab->cut; i++)
            if (slab->stacks[i].cold)
                remove_cold(pool, &slab->stacks[i]);
        if (!slab->stacks[0].large)
            pool->cut -= slab->cut;
        if (pool->filling == slab)
            pool->filling = NULL;
        __atomic_store_n(link, slab->next, __ATOMIC_RELEASE);
        slab->next = closed;
        closed = slab;
    }
    if (closed)
        wait_for_readers();
    while ((slab = closed)) {
        closed = slab->next;
        slab_close(slab);
    }
}

/* The guard of a slab's next stack. The more stacks there are, the more are guarded ahead in one system call. */
static enum asyncio__guard guard_next_stack(const struct asyncio__stacks *pool, struct asyncio__slab *slab)
{
    char *base = slab->base + slab->cut * slab->stride;
    size_t ahead = min_size(pool->cut / AHEAD_OF, slab->count - slab->cut);

    if (slab->cut >= slab->guarded && ahead > 1)
        slab->guarded = slab->cut + (uint32_t)asyncio__guard_many(base, slab->stride, slab->guard_size, ahead);
    return slab->cut < slab->guarded ? ASYNCIO__GUARD_MADVISE : asyncio__guard_one(base, slab->guard_size);
}

static struct asyncio__stack *cut_stack(struct asyncio__stacks *pool, struct asyncio__slab *slab)
{
    uint32_t index = slab->cut;
    struct asyncio__stack *stack = &slab->stacks[index];
    char *base = slab->base + index * slab->stride;

    stack->low = base + slab->guard_size;
    stack->top = base + slab->stride - index % COLOURS * COLOUR_STEP;
    stack->slab = slab;
    stack->guard = (uint8_t)guard_next_stack(pool, slab);
    if (stack->guard > pool->guard)
        pool->guard = stack->guard;
    asyncio__coro_stack_born(stack);
    __atomic_store_n(&slab->cut, index + 1, __ATOMIC_RELEASE);
    return stack;
}

/* The first byte above the stack: its pages end there, whatever its colour. */
static char *stack_end(const struct asyncio__stack *stack)
{
    return stack->top + (-(uintptr_t)stack->top & (asyncio__page_size() - 1));
}

/* --------------------------------------------------------------------------------------------------------- lending */

/* Takes a free large stack that fits without wasting more than half of itself, off its list; or returns NULL. */
static struct asyncio__stack *reuse_large(struct asyncio__stacks *pool, size_t size)
{
    for (struct asyncio__stack *stack, **link = &pool->large; (stack = *link); link = &stack->next) {
        if (stack->slab->stride >= size && stack->slab->stride / 2 <= size) {
            *link = stack->next;
            stack->slab->cold = 0;
            return stack;
        }
    }
    return NULL;
}

static struct asyncio__stack *get_large(struct asyncio__stacks *pool, size_t size)
{
    struct asyncio__stack *stack = reuse_large(pool, size);
    struct asyncio__slab *slab;

    if (!stack) {
        if (pool->large)
            close_condemned(pool); /* sizes that nobody asks for any more must not pile up */
        if (size > STACK_SIZE_MAX)
            return NULL;
        slab = slab_open(pool, size, 1);
        if (!slab)
            return NULL;
        stack = cut_stack(pool, slab);
        stack->large = true;
    }
    pool->large_in_use++;
    return stack;
}

/* A new stack, from a slab that has room or from a new one, for as many again as there are. */
static struct asyncio__stack *get_new(struct asyncio__stacks *pool)
{
    size_t count = min_size(max_size(pool->cut, asyncio__least(SLAB_STACKS_MIN)), SLAB_STACKS_MAX);

    if (!pool->filling || pool->filling->cut == pool->filling->count)
        pool->filling = slab_open(pool, pool->stack_size, count);
    if (!pool->filling)
        return NULL;
    pool->cut++;
    return cut_stack(pool, pool->filling);
}

/* A stack of the pool's size, where none is warm. */
static struct asyncio__stack *get_small(struct asyncio__stacks *pool)
{
    struct asyncio__stack *stack;

    if ((stack = pool->cold)) {
        remove_cold(pool, stack);
        stack->slab->cold--;
    } else if (!(stack = get_new(pool))) {
        return NULL;
    }
    if (++pool->in_use > pool->peak)
        pool->peak = pool->in_use;
    return stack;
}

struct asyncio__stack *asyncio__stack_get_slow(struct asyncio__stacks *pool, size_t size)
{
    struct asyncio__stack *stack = size > pool->stack_size ? get_large(pool, size) : get_small(pool);

    if (stack)
        asyncio__coro_stack_lent(stack);
    return stack;
}

void asyncio__stack_put_large(struct asyncio__stacks *pool, struct asyncio__stack *stack)
{
    stack->slab->cold = 1;
    stack->next = pool->large;
    pool->large = stack;
    pool->large_in_use--;
}

/* ----------------------------------------------------------------------------------------------------- giving back */

static size_t count_warm(const struct asyncio__stacks *pool)
{
    return pool->cut - pool->in_use - pool->cold_count;
}

/* How many may stay warm for ever. Where many are cold the last few may lie in as many slabs, and go too. */
static size_t warm_for_ever(const struct asyncio__stacks *pool)
{
    return pool->cold_count < SLAB_STACKS_MAX ? asyncio__least(WARM_MIN) : 0;
}

/* Lowers the watermark and says how many are beyond it. Those that are used most recently leave first: whoever needs
 * one will warm it again, and a list of a million need not be searched for its end. */
static void begin_round(struct asyncio__stacks *pool)
{
    size_t warm = count_warm(pool), spare;

    pool->keep = max_size(pool->peak, pool->keep / 2);
    pool->peak = pool->in_use;
    spare = pool->keep - pool->in_use;
    if (spare <= asyncio__least(WARM_MIN))
        spare = warm_for_ever(pool);
    pool->leaving = warm > spare ? warm - spare : 0;
}

bool asyncio__stacks_has_surplus(const struct asyncio__stacks *pool)
{
    return count_warm(pool) > warm_for_ever(pool) || pool->large;
}

void asyncio__stack_cool(const struct asyncio__stack *stack)
{
    (void)madvise(stack->low, asyncio__stack_size(stack), MADV_DONTNEED); /* fails where memory is locked */
}

/* Makes a batch of warm stacks cold. Where a whole slab is cold then, its pages go with it in one system call. */
static void cool(struct asyncio__stacks *pool)
{
    struct asyncio__stack *stack = pool->warm, *batch_end = stack;
    size_t n = min_size(min_size(pool->leaving, count_warm(pool)), asyncio__least(TRIM_BATCH));

    pool->leaving = n < asyncio__least(TRIM_BATCH) ? 0 : pool->leaving - n;
    for (; n > 0; n--) {
        batch_end->slab->cold++;
        batch_end = batch_end->next;
    }
    pool->warm = batch_end;
    while (stack != batch_end) {
        struct asyncio__stack *next = stack->next;

        if (!slab_condemned(stack->slab)) {
            asyncio__stack_cool(stack);
            push_cold(pool, stack);
        }
        stack = next;
    }
    close_condemned(pool);
}

bool asyncio__stacks_trim(struct asyncio__stacks *pool)
{
    if (pool->leaving == 0)
        begin_round(pool);
    if (pool->leaving > 0 || pool->large)
        cool(pool);
    return pool->leaving > 0;
}

/* ----------------------------------------------------------------------------------------------------------- pools */

int asyncio__stacks_init(struct asyncio__stacks *pool, size_t stack_size)
{
    if (!stack_size)
        stack_size = max_size(STACK_SIZE_DEFAULT, asyncio__guard_size() + STACK_USABLE_MIN);
    if (stack_size < asyncio__guard_size() + STACK_USABLE_MIN || stack_size > STACK_SIZE_MAX)
        return -EINVAL;
    *pool = (struct asyncio__stacks){.stack_size = stack_size};
    lock_pools();
    pool->next = pools.first;
    __atomic_store_n(&pools.first, pool, __ATOMIC_RELEASE);
    unlock_pools();
    return 0;
}

void asyncio__stacks_fini(struct asyncio__stacks *pool)
{
    struct asyncio__stacks **link = &pools.first;

    assert(pool->in_use == 0 && pool->large_in_use == 0);
    lock_pools();
    while (*link != pool)
        link = &(*link)->next;
    __atomic_store_n(link, pool->next, __ATOMIC_RELEASE);
    unlock_pools();
    for (struct asyncio__slab *slab = pool->slabs; slab; slab = slab->next)
        slab->cold = slab->cut;
    close_condemned(pool);
    wait_for_readers();
    *pool = (struct asyncio__stacks){0};
}

size_t asyncio__stack_size(const struct asyncio__stack *stack)
{
    return (size_t)(stack_end(stack) - stack->low);
}

size_t asyncio__stack_high_water(const struct asyncio__stack *stack)
{
    unsigned char resident[64];
    char *end = stack_end(stack);
    size_t page = asyncio__page_size();

    for (char *from = stack->low; from < end; from += sizeof resident * page) {
        size_t pages = min_size((size_t)(end - from) / page, sizeof resident);

        if (mincore(from, pages * page, resident) != 0)
            break;
        for (size_t i = 0; i < pages; i++)
            if (resident[i] & 1)
                return (size_t)(end - from) - i * page;
    }
    return 0;
}
