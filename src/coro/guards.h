/* guards.h -- what stops a stack that overflows from writing into its neighbour. */
#pragma once

#include "../base/base.h"

enum asyncio__guard {
    ASYNCIO__GUARD_MADVISE,  /* MADV_GUARD_INSTALL, Linux 6.13: costs no mapping */
    ASYNCIO__GUARD_MPROTECT, /* two mappings a stack, up to half of vm.max_map_count */
    ASYNCIO__GUARD_NONE,
};

size_t asyncio__page_size(void);

/* Rounds up. */
size_t asyncio__whole_pages(size_t size);

/* The least size of a guard, in whole pages. */
size_t asyncio__guard_size(void);

/* What the next stack of the process will get. */
enum asyncio__guard asyncio__guard_next(void);

/* Guards a range of whole pages by the best means there is. Returns: which. */
enum asyncio__guard asyncio__guard_one(char *base, size_t size);

/* Guards the first of `count` ranges, `stride` bytes apart, by the kernel's own guards in one system call. Returns: how
 * many; 0 where that cannot be done. */
size_t asyncio__guard_many(char *base, size_t stride, size_t size, size_t count);

/* A range that was guarded has been unmapped. */
void asyncio__guard_unmapped(enum asyncio__guard guard);
