/* timers.h -- deadlines: near ones in a heap, far ones in a wheel, equal ones in the order in which they were armed.
 *
 * A timer is near when its deadline lies before the horizon. The wheel has levels of 64 slots, an unsorted array each;
 * a slot of the lowest level spans 2^21 ns (2 ms) and one of every next level 64 times as much. So arming and
 * cancelling one of the many timers that never fire costs the same however many there are, and the heap, which sorts,
 * stays small. */
#pragma once

#include "../base/base.h"

#define TIMER_LEVELS     7
#define TIMER_SLOT_BITS  6
#define TIMER_SLOTS      (1 << TIMER_SLOT_BITS)
#define TIMER_TICK_SHIFT 21

struct asyncio__timer_entry {
    int64_t deadline_ns; /* a copy, so that sifting does not touch the timers */
    struct asyncio_timer *timer;
};

struct asyncio__timer_slot {
    struct asyncio__timer_entry *entries; /* in no order */
    size_t count, capacity;
};

struct asyncio__timers {
    struct asyncio__timer_entry *heap;
    size_t heap_count, heap_capacity; /* room for every armed timer: what is armed can never fail to fire */
    size_t armed;                     /* in heap and wheel; without those that never fire */
    uint64_t sequence;
    uint64_t base_tick; /* the horizon in ticks: what is due earlier is in the heap */
    uint64_t occupied[TIMER_LEVELS];
    struct asyncio__timer_slot wheel[TIMER_LEVELS * TIMER_SLOTS];
    struct asyncio__timer_entry *spare; /* memory of a small slot, for the next one that is used; or NULL */
    struct asyncio_link never;          /* those that never fire, so that a loop that closes finds them */
};

void asyncio__timers_init(struct asyncio__timers *timers, int64_t now_ns);

/* Frees the heap of a loop without timers. */
void asyncio__timers_fini(struct asyncio__timers *timers);

/* Arms a timer that is not armed. Returns: 0; -ENOMEM. */
int asyncio__timers_arm(struct asyncio__timers *timers, struct asyncio_timer *timer, int64_t deadline_ns);

/* Disarms an armed timer. */
void asyncio__timers_disarm(struct asyncio__timers *timers, struct asyncio_timer *timer);

/* The earliest deadline, exactly; NS_NEVER when there is none. */
int64_t asyncio__timers_next(struct asyncio__timers *timers);

/* Appends the nodes of all timers that are due to `ready`, in the order of deadlines, and says how many. */
size_t asyncio__timers_expire(struct asyncio__timers *timers, int64_t now_ns, struct asyncio_link *ready);

/* Disarms any one timer, or returns NULL: for a loop that closes. */
struct asyncio_timer *asyncio__timers_take(struct asyncio__timers *timers);
