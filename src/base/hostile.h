/* hostile.h -- what the hostile build does to those who assume too much of memory, the kernel and the back end.
 *
 * `make hostile` builds the library with ASYNCIO__HOSTILE, and all tests shall pass with it. In every other build
 * asyncio__hostile() is false for the compiler too, so that nothing is left of what stands behind it. A test that is
 * about one of these very things turns that one off for itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#ifndef ASYNCIO__HOSTILE
#define ASYNCIO__HOSTILE 0
#endif

enum asyncio__hostility {
    ASYNCIO__TINY_CAPACITIES = 1, /* what grows begins with room for nothing and grows by what is needed */
    ASYNCIO__MOVED_MEMORY = 2,    /* growing always moves; new, freed and left memory holds no zeros */
    ASYNCIO__SHORT_TRANSFERS = 4, /* streams and pipes give a byte at a time and take a few */
    ASYNCIO__LATE_CANCELS = 8,    /* what is cancelled happens all the same, if it can before the next poll */
    ASYNCIO__ONE_AT_A_TIME = 16,  /* an event a poll, and one completion of a standing operation */
};

/* Every byte of memory that nobody has written to, or that nobody may read any more. */
#define ASYNCIO__POISON 0xA5

/* Of a stack, from its top: what lies on one page with it. */
#define ASYNCIO__POISONED_STACK ((size_t)3072)

#if ASYNCIO__HOSTILE
/* What is on; all of it when the program starts. */
extern unsigned asyncio__hostilities;

/* Poisons what the running task's predecessors have left below its stack pointer. */
void asyncio__poison_own_stack(void);

static inline bool asyncio__hostile(enum asyncio__hostility what)
{
    return (asyncio__hostilities & (unsigned)what) != 0;
}

/* Turns some off and all others on. */
static inline void asyncio__spare(unsigned hostilities)
{
    asyncio__hostilities = ~hostilities;
}
#else
static inline bool asyncio__hostile(enum asyncio__hostility what)
{
    (void)what;
    return false;
}

static inline void asyncio__spare(unsigned hostilities)
{
    (void)hostilities;
}

static inline void asyncio__poison_own_stack(void)
{
}
#endif

/* The capacity to grow to where `wanted` is needed: at least twice what it was, and `least`. */
static inline size_t asyncio__grown(size_t capacity, size_t wanted, size_t least)
{
    if (asyncio__hostile(ASYNCIO__TINY_CAPACITIES))
        return wanted;
    if (wanted < least)
        wanted = least;
    return wanted < 2 * capacity ? 2 * capacity : wanted;
}

/* The least that is worth having, or in hostile builds the least that works. */
static inline size_t asyncio__least(size_t usual)
{
    return asyncio__hostile(ASYNCIO__TINY_CAPACITIES) ? 1 : usual;
}

/* How many are looked at or done in one go. */
static inline int asyncio__at_a_time(int usual)
{
    return asyncio__hostile(ASYNCIO__ONE_AT_A_TIME) ? 1 : usual;
}

/* How many of `size` bytes a read on a stream or pipe asks for. */
static inline size_t asyncio__read_size(size_t size)
{
    return asyncio__hostile(ASYNCIO__SHORT_TRANSFERS) && size > 1 ? 1 : size;
}

/* How many of `size` bytes a write to a stream offers: one to seven, always the same for the same size. */
static inline size_t asyncio__write_size(size_t size)
{
    size_t few = 1 + (size ^ size >> 3) % 7;

    return asyncio__hostile(ASYNCIO__SHORT_TRANSFERS) && size > few ? few : size;
}
