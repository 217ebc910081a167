#include "timers.h"

#include "../base/heap.h"
#include "../base/list.h"
#include "../base/mem.h"

#include <asyncio_lowlevel.h>

/* Values of asyncio_timer.index. Up to the wheel's it is the place in the heap plus 1, so that a timer in zeroed
 * memory is not armed. */
#define INDEX_IDLE  0
#define INDEX_WHEEL (SIZE_MAX / 2 + 1) /* plus the slot's number << PLACE_BITS, plus the place in the slot */
#define INDEX_NEVER (SIZE_MAX - 1)
#define INDEX_NONE  SIZE_MAX /* not armed either */
#define PLACE_BITS  40

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
}

void asyncio__timers_fini(struct asyncio__timers *timers)
{
    assert(timers->armed == 0);
    for (size_t i = 0; i < ARRAY_SIZE(timers->wheel); i++)
        asyncio__free(timers->wheel[i].entries);
    asyncio__free(timers->spare);
    asyncio__free(timers->heap);
    *timers = (struct asyncio__timers){0};
}

/* ------------------------------------------------------------------------------------------------------- The wheel */

/* Makes room for one more. Returns: false when there is no memory for it. */
static bool slot_reserve(struct asyncio__timers *timers, struct asyncio__timer_slot *slot)
{
    size_t capacity = asyncio__grown(slot->capacity, slot->count + 1, LEAST_CAPACITY);
    struct asyncio__timer_entry *entries;

    if (LIKELY(slot->count < slot->capacity))
        return true;
    if (slot->capacity == 0 && timers->spare) {
        *slot = (struct asyncio__timer_slot){timers->spare, 0, LEAST_CAPACITY};
        timers->spare = NULL;
        return true;
    }
    entries = asyncio__realloc(slot->entries, capacity * sizeof *entries);
    if (!entries)
        return false;
    slot->entries = entries;
    slot->capacity = capacity;
    return true;
}

static void slot_put(struct asyncio__timers *timers, size_t number, size_t place, struct asyncio__timer_entry entry)
{
    timers->wheel[number].entries[place] = entry;
    entry.timer->index = INDEX_WHEEL + (number << PLACE_BITS) + place;
}

/* Frees the memory of an empty slot, or keeps it for the next slot that is used: a lone timer that is armed again and
 * again allocates nothing. */
static void slot_release(struct asyncio__timers *timers, struct asyncio__timer_slot *slot)
{
    if (slot->capacity == LEAST_CAPACITY && !timers->spare)
        timers->spare = slot->entries;
    else
        asyncio__free(slot->entries);
    *slot = (struct asyncio__timer_slot){0};
}

/* The order within a slot does not matter, so the last one fills the gap. */
static void slot_remove(struct asyncio__timers *timers, size_t index)
{
    size_t number = (index - INDEX_WHEEL) >> PLACE_BITS, place = index & ((SIZE_MAX >> (64 - PLACE_BITS)));
    struct asyncio__timer_slot *slot = &timers->wheel[number];

    if (place != --slot->count)
        slot_put(timers, number, place, slot->entries[slot->count]);
    if (slot->count == 0) {
        timers->occupied[number / TIMER_SLOTS] &= ~(UINT64_C(1) << number % TIMER_SLOTS);
        slot_release(timers, slot);
    }
}

/* Puts a timer into the heap or the wheel, whose level is that of the highest digit in which the deadline differs from
 * the horizon. Where a slot cannot grow the heap takes it, which has room for all: it is sorted there, whenever it is
 * due. */
static void place(struct asyncio__timers *timers, struct asyncio__timer_entry entry)
{
    uint64_t tick = tick_of(entry.deadline_ns), difference = tick ^ timers->base_tick;
    size_t level, number;

    if (tick >= timers->base_tick) {
        level = difference == 0 ? 0 : (63U - (size_t)__builtin_clzll(difference)) / TIMER_SLOT_BITS;
        number = level * TIMER_SLOTS + (size_t)(tick >> (level * TIMER_SLOT_BITS)) % TIMER_SLOTS;
        if (LIKELY(slot_reserve(timers, &timers->wheel[number]))) {
            slot_put(timers, number, timers->wheel[number].count++, entry);
            timers->occupied[level] |= UINT64_C(1) << number % TIMER_SLOTS;
            return;
        }
    }
    timer_heap_push(timers->heap, &timers->heap_count, entry);
}

static void place_slot_again(struct asyncio__timers *timers, unsigned level, unsigned slot)
{
    struct asyncio__timer_slot moving = timers->wheel[level * TIMER_SLOTS + slot];

    timers->wheel[level * TIMER_SLOTS + slot] = (struct asyncio__timer_slot){0};
    timers->occupied[level] &= ~(UINT64_C(1) << slot);
    for (size_t i = 0; i < moving.count; i++)
        place(timers, moving.entries[i]);
    slot_release(timers, &moving);
}

/* Moves the horizon; no occupied slot may lie before it. What now shares its upper digits with the horizon goes down
 * a level. */
static void set_base(struct asyncio__timers *timers, uint64_t tick)
{
    timers->base_tick = tick;
    for (unsigned level = TIMER_LEVELS - 1; level > 0; level--) {
        unsigned slot = (unsigned)(tick >> (level * TIMER_SLOT_BITS)) % TIMER_SLOTS;

        if (timers->occupied[level] & (UINT64_C(1) << slot))
            place_slot_again(timers, level, slot);
    }
}

/* The first tick that an occupied slot may hold; UINT64_MAX when the wheel is empty. Every slot in use lies at or
 * beyond the horizon's own place in its level, and lower levels come before higher ones. */
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

/* Moves the first slot of the wheel into the heap, if it begins before `limit`. One at a time, because the heap is fast
 * as long as it is small. Returns: whether there was one. */
static bool pull(struct asyncio__timers *timers, uint64_t limit)
{
    unsigned level = 0;
    uint64_t tick;

    while ((tick = first_tick(timers, &level)) < limit && level > 0)
        set_base(timers, tick);
    if (tick >= limit)
        return false;
    timers->base_tick = tick + 1;
    place_slot_again(timers, 0, (unsigned)tick % TIMER_SLOTS);
    set_base(timers, tick + 1);
    return true;
}

/* -------------------------------------------------------------------------------------------------- Arm and expire */

/* The heap has room for all armed timers, so that moving one out of the wheel cannot fail. */
static int reserve(struct asyncio__timers *timers, size_t n)
{
    size_t capacity = timers->heap_capacity;
    struct asyncio__timer_entry *heap;

    if (LIKELY(n <= capacity))
        return 0;
    capacity = asyncio__grown(capacity, n, LEAST_CAPACITY);
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

    if (LIKELY(timers->armed * 8 >= timers->heap_capacity) || capacity < asyncio__least(16 * LEAST_CAPACITY))
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
    place(timers, (struct asyncio__timer_entry){deadline_ns, timer});
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
    if (index >= INDEX_WHEEL)
        slot_remove(timers, index);
    else
        timer_heap_remove(timers->heap, &timers->heap_count, index - 1);
    shrink(timers);
}

/* Brings the earliest timer to the top of the heap, if it lies before `limit`. Usually all of the heap comes before all
 * of the wheel; what a slot had no room for is the exception. Returns: false when there is none. */
static bool find_first(struct asyncio__timers *timers, uint64_t limit)
{
    while (timers->heap_count == 0 || tick_of(timers->heap[0].deadline_ns) >= timers->base_tick)
        if (!pull(timers, limit))
            return timers->heap_count > 0;
    return true;
}

int64_t asyncio__timers_next(struct asyncio__timers *timers)
{
    if (timers->armed == 0)
        return NS_NEVER;
    find_first(timers, UINT64_MAX);
    return timers->heap[0].deadline_ns;
}

size_t asyncio__timers_expire(struct asyncio__timers *timers, int64_t now_ns, struct asyncio_link *ready)
{
    uint64_t limit = tick_of(now_ns) + 1;
    size_t n = 0;

    if (timers->armed == 0)
        return 0;
    while (find_first(timers, limit) && timers->heap[0].deadline_ns <= now_ns) {
        struct asyncio_timer *timer = timers->heap[0].timer;

        timer_heap_remove(timers->heap, &timers->heap_count, 0);
        timer->index = INDEX_IDLE;
        timers->armed--;
        list_push_back(ready, &timer->node.link);
        n++;
    }
    /* What is armed for a time that is near now belongs into the heap at once. */
    if (timers->heap_count == 0 && timers->base_tick < limit)
        set_base(timers, limit);
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
