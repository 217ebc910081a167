#include "timers.h"

#include "../base/heap.h"
#include "../base/list.h"
#include "../base/mem.h"

#include <asyncio_lowlevel.h>

/* Values of asyncio_timer.index. Up to the wheel's it is the place in the heap plus 1, so that a timer in zeroed memory is
 * not armed. */
#define INDEX_IDLE  0
#define INDEX_WHEEL (SIZE_MAX / 2) /* plus level * TIMER_SLOTS + slot */
#define INDEX_NEVER (SIZE_MAX - 1)
#define INDEX_NONE  SIZE_MAX /* not armed either */

#define LEAST_CAPACITY 64

HEAP_DEFINE(timer_heap, struct asyncio__timer_entry)

static inline bool timer_heap_before(const struct asyncio__timer_entry *a, const struct asyncio__timer_entry *b)
{
    if (a->deadline_ns != b->deadline_ns)
        return a->deadline_ns < b->deadline_ns;
    return a->timer->sequence < b->timer->sequence;
}

static inline void timer_heap_moved(struct asyncio__timer_entry *entry, size_t index)
{
    entry->timer->index = index + 1;
}

static uint64_t tick_of(int64_t time_ns)
{
    return time_ns <= 0 ? 0 : (uint64_t)time_ns >> TIMER_TICK_SHIFT;
}

void asyncio__timers_init(struct asyncio__timers *timers, int64_t now_ns)
{
    *timers = (struct asyncio__timers){.base_tick = tick_of(now_ns) + 1};
    list_init(&timers->never);
    for (size_t level = 0; level < TIMER_LEVELS; level++)
        for (size_t slot = 0; slot < TIMER_SLOTS; slot++)
            list_init(&timers->wheel[level][slot]);
}

void asyncio__timers_fini(struct asyncio__timers *timers)
{
    assert(timers->armed == 0);
    asyncio__free(timers->heap);
    *timers = (struct asyncio__timers){0};
}

/* ------------------------------------------------------------------------------------------------------------- The wheel */

static void heap_add(struct asyncio__timers *timers, struct asyncio_timer *timer)
{
    struct asyncio__timer_entry entry = {timer->deadline_ns, timer};

    timer_heap_push(timers->heap, &timers->heap_count, entry);
}

/* The level is that of the highest digit in which the deadline differs from the horizon. */
static void place(struct asyncio__timers *timers, struct asyncio_timer *timer)
{
    uint64_t tick = tick_of(timer->deadline_ns), difference;
    unsigned level, slot;

    if (tick < timers->base_tick) {
        heap_add(timers, timer);
        return;
    }
    difference = tick ^ timers->base_tick;
    level = difference == 0 ? 0 : (63U - (unsigned)__builtin_clzll(difference)) / TIMER_SLOT_BITS;
    slot = (unsigned)(tick >> (level * TIMER_SLOT_BITS)) % TIMER_SLOTS;
    list_push_back(&timers->wheel[level][slot], &timer->node.link);
    timers->occupied[level] |= UINT64_C(1) << slot;
    timer->index = INDEX_WHEEL + level * TIMER_SLOTS + slot;
}

static void place_slot_again(struct asyncio__timers *timers, unsigned level, unsigned slot)
{
    struct asyncio_link moving, *link;

    list_init(&moving);
    list_splice_back(&moving, &timers->wheel[level][slot]);
    timers->occupied[level] &= ~(UINT64_C(1) << slot);
    while ((link = list_pop_front(&moving)))
        place(timers, LIST_ENTRY(link, struct asyncio_timer, node.link));
}

/* Moves the horizon; no occupied slot may lie before it. What now shares its upper digits with the horizon goes down a level. */
static void set_base(struct asyncio__timers *timers, uint64_t tick)
{
    timers->base_tick = tick;
    for (unsigned level = TIMER_LEVELS - 1; level > 0; level--) {
        unsigned slot = (unsigned)(tick >> (level * TIMER_SLOT_BITS)) % TIMER_SLOTS;

        if (timers->occupied[level] & (UINT64_C(1) << slot))
            place_slot_again(timers, level, slot);
    }
}

/* The first tick that an occupied slot may hold; UINT64_MAX when the wheel is empty. Every slot in use lies at or beyond the
 * horizon's own place in its level, and lower levels come before higher ones. */
static uint64_t first_tick(const struct asyncio__timers *timers, unsigned *ret_level)
{
    for (unsigned level = 0; level < TIMER_LEVELS; level++) {
        unsigned shift = level * TIMER_SLOT_BITS;
        uint64_t upper;

        if (!timers->occupied[level])
            continue;
        upper = timers->base_tick >> shift >> TIMER_SLOT_BITS << TIMER_SLOT_BITS;
        *ret_level = level;
        return (upper + (uint64_t)__builtin_ctzll(timers->occupied[level])) << shift;
    }
    return UINT64_MAX;
}

/* Moves what is due before `limit` into the heap, or, if the heap is empty, the first slot wherever it lies. */
static void pull(struct asyncio__timers *timers, uint64_t limit)
{
    unsigned level = 0;
    uint64_t tick;

    while ((tick = first_tick(timers, &level)) != UINT64_MAX && (tick < limit || timers->heap_count == 0)) {
        if (level > 0) {
            set_base(timers, tick);
            continue;
        }
        timers->base_tick = tick + 1;
        place_slot_again(timers, 0, (unsigned)tick % TIMER_SLOTS);
        set_base(timers, tick + 1);
    }
    if (timers->base_tick < limit)
        set_base(timers, limit);
}

/* ---------------------------------------------------------------------------------------------------------- Arm and expire */

/* The heap has room for all armed timers, so that moving one out of the wheel cannot fail. */
static int reserve(struct asyncio__timers *timers, size_t n)
{
    size_t capacity = timers->heap_capacity;
    struct asyncio__timer_entry *heap;

    if (LIKELY(n <= capacity))
        return 0;
    capacity = max_size(capacity * 2, LEAST_CAPACITY);
    heap = asyncio__realloc(timers->heap, capacity * sizeof *heap);
    if (!heap)
        return -ENOMEM;
    timers->heap = heap;
    timers->heap_capacity = capacity;
    return 0;
}

/* After a burst the memory goes back; if it cannot be had smaller it stays as it is. */
static void shrink(struct asyncio__timers *timers)
{
    size_t capacity = timers->heap_capacity / 2;
    struct asyncio__timer_entry *heap;

    if (LIKELY(timers->armed * 8 >= timers->heap_capacity) || capacity < 16 * LEAST_CAPACITY)
        return;
    heap = asyncio__realloc(timers->heap, capacity * sizeof *heap);
    if (!heap)
        return;
    timers->heap = heap;
    timers->heap_capacity = capacity;
}

int asyncio__timers_arm(struct asyncio__timers *timers, struct asyncio_timer *timer, int64_t deadline_ns)
{
    timer->deadline_ns = deadline_ns;
    if (deadline_ns == NS_NEVER) {
        timer->index = INDEX_NEVER;
        list_push_back(&timers->never, &timer->node.link);
        return 0;
    }
    timer->index = INDEX_IDLE;
    if (reserve(timers, timers->armed + 1) < 0)
        return -ENOMEM;
    timer->sequence = timers->sequence++;
    timers->armed++;
    place(timers, timer);
    return 0;
}

void asyncio__timers_disarm(struct asyncio__timers *timers, struct asyncio_timer *timer)
{
    size_t index = timer->index;

    timer->index = INDEX_IDLE;
    if (index == INDEX_NEVER) {
        list_remove(&timer->node.link);
        return;
    }
    timers->armed--;
    if (index >= INDEX_WHEEL) {
        size_t level = (index - INDEX_WHEEL) / TIMER_SLOTS, slot = (index - INDEX_WHEEL) % TIMER_SLOTS;

        list_remove(&timer->node.link);
        if (list_empty(&timers->wheel[level][slot]))
            timers->occupied[level] &= ~(UINT64_C(1) << slot);
    } else {
        timer_heap_remove(timers->heap, &timers->heap_count, index - 1);
    }
    shrink(timers);
}

int64_t asyncio__timers_next(struct asyncio__timers *timers)
{
    if (timers->armed == 0)
        return NS_NEVER;
    if (timers->heap_count == 0)
        pull(timers, 0);
    return timers->heap[0].deadline_ns;
}

size_t asyncio__timers_expire(struct asyncio__timers *timers, int64_t now_ns, struct asyncio_link *ready)
{
    size_t n = 0;

    if (timers->armed == 0)
        return 0;
    pull(timers, tick_of(now_ns) + 1);
    while (timers->heap_count > 0 && timers->heap[0].deadline_ns <= now_ns) {
        struct asyncio_timer *timer = timers->heap[0].timer;

        timer_heap_remove(timers->heap, &timers->heap_count, 0);
        timer->index = INDEX_IDLE;
        timers->armed--;
        list_push_back(ready, &timer->node.link);
        n++;
    }
    if (n > 0)
        shrink(timers);
    return n;
}

struct asyncio_timer *asyncio__timers_take(struct asyncio__timers *timers)
{
    struct asyncio_timer *timer;

    if (asyncio__timers_next(timers) != NS_NEVER)
        timer = timers->heap[0].timer;
    else if (!list_empty(&timers->never))
        timer = LIST_ENTRY(timers->never.next, struct asyncio_timer, node.link);
    else
        return NULL;
    asyncio__timers_disarm(timers, timer);
    return timer;
}

bool asyncio_timer_armed(const struct asyncio_timer *timer)
{
    return timer && timer->index != INDEX_IDLE && timer->index != INDEX_NONE;
}
