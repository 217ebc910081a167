/* hostile.c -- what only the hostile build has. */
#include "hostile.h"

#include <string.h>

unsigned asyncio__hostilities = ~0U;

__attribute__((noinline)) void asyncio__poison_own_stack(void)
{
    char rest[ASYNCIO__POISONED_STACK];

    if (!asyncio__hostile(ASYNCIO__MOVED_MEMORY))
        return;
    memset(rest, ASYNCIO__POISON, sizeof rest);
    /* Otherwise nobody reads it, and it is not written. */
    __asm__ volatile("" : : "r"(rest) : "memory");
}
