/* guards.c -- what stops a stack that overflows from writing into its neighbour: the kernel's own guards, which cost no
 * mapping, else pages without rights, as many as the limit of mappings allows. */
#include "guards.h"

#include "../base/hostile.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

/* In kernel headers since 6.13. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/* The same since 6.14: stands for the calling thread's process where a pidfd is wanted. */
#ifndef PIDFD_SELF_THREAD
#define PIDFD_SELF_THREAD (-10000)
#endif

/* An advice that no kernel knows: who accepts it knows nothing of advices. */
#define MADV_NONSENSE 0x5eed

/* One page does not hold: a frame with a 16 KiB array steps over it. */
#define GUARD_SIZE ((size_t)64 * 1024)

/* Guards made by one system call. */
#define GUARDS_AT_ONCE 64

/* Stacks guarded by mprotect in the process: each costs two mappings of its budget. */
static atomic_size_t mprotected;

size_t asyncio__page_size(void)
{
    static atomic_size_t known;
    size_t size = atomic_load_explicit(&known, memory_order_relaxed);

    if (!size) {
        size = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&known, size, memory_order_relaxed);
    }
    return size;
}

size_t asyncio__whole_pages(size_t size)
{
    size_t page = asyncio__page_size();

    return (size + page - 1) / page * page;
}

size_t asyncio__guard_size(void)
{
    return asyncio__whole_pages(GUARD_SIZE);
}

/* Whether the kernel's guards hold. An emulator says yes to any advice, so the nonsense must fail, and a system call
 * that writes to the guard must fail with EFAULT: uname() does nothing else, and nobody on the way reads what is there.
 */
static bool probe_guard(void)
{
    size_t size = asyncio__page_size();
    char *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool holds;

    if (page == MAP_FAILED)
        return false;
    holds = madvise(page, size, MADV_NONSENSE) != 0 && madvise(page, size, MADV_GUARD_INSTALL) == 0 &&
            uname((struct utsname *)(void *)page) != 0 && errno == EFAULT;
    munmap(page, size);
    return holds;
}

static bool guards_by_madvise(void)
{
    enum { UNKNOWN, NO, YES };
    static atomic_int known;
    int answer = atomic_load_explicit(&known, memory_order_relaxed);

    if (answer == UNKNOWN) {
        answer = probe_guard() ? YES : NO;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == YES;
}

/* How many stacks mprotect may guard: two mappings each, and half of the process's mappings are left to others. */
static size_t mprotect_budget(void)
{
    static atomic_size_t known;
    size_t budget = atomic_load_explicit(&known, memory_order_relaxed);
    char text[24] = "";
    int fd;

    if (budget)
        return budget;
    budget = 65530 / 4;
    fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (read(fd, text, sizeof text - 1) > 0)
            budget = max_size(strtoul(text, NULL, 10) / 4, 1);
        close(fd);
    }
    atomic_store_explicit(&known, budget, memory_order_relaxed);
    return budget;
}

enum asyncio__guard asyncio__guard_next(void)
{
    if (guards_by_madvise())
        return ASYNCIO__GUARD_MADVISE;
    if (atomic_load_explicit(&mprotected, memory_order_relaxed) < mprotect_budget())
        return ASYNCIO__GUARD_MPROTECT;
    return ASYNCIO__GUARD_NONE;
}

/* The advice fails on locked memory even where the probe succeeded. */
enum asyncio__guard asyncio__guard_one(char *base, size_t size)
{
    if (guards_by_madvise() && madvise(base, size, MADV_GUARD_INSTALL) == 0)
        return ASYNCIO__GUARD_MADVISE;
    if (atomic_fetch_add_explicit(&mprotected, 1, memory_order_relaxed) < mprotect_budget() &&
        mprotect(base, size, PROT_NONE) == 0)
        return ASYNCIO__GUARD_MPROTECT;
    atomic_fetch_sub_explicit(&mprotected, 1, memory_order_relaxed);
    return ASYNCIO__GUARD_NONE;
}

/* A system call costs as much as the guard that it makes. Older kernels refuse this one, and are not asked again; what
 * was done of it counts where it ends early. */
size_t asyncio__guard_many(char *base, size_t stride, size_t size, size_t count)
{
#ifdef SYS_process_madvise
    static atomic_bool refused;
    struct iovec guards[GUARDS_AT_ONCE];
    long done;

    if (!guards_by_madvise() || atomic_load_explicit(&refused, memory_order_relaxed))
        return 0;
    count = min_size(count, GUARDS_AT_ONCE);
    for (size_t i = 0; i < count; i++)
        guards[i] = (struct iovec){base + i * stride, size};
    done = syscall(SYS_process_madvise, PIDFD_SELF_THREAD, guards, count, MADV_GUARD_INSTALL, 0);
    if (done < 0)
        atomic_store_explicit(&refused, true, memory_order_relaxed);
    return done > 0 ? (size_t)done / size : 0;
#else
    (void)base;
    (void)stride;
    (void)size;
    (void)count;
    return 0;
#endif
}

void asyncio__guard_unmapped(enum asyncio__guard guard)
{
    if (guard == ASYNCIO__GUARD_MPROTECT)
        atomic_fetch_sub_explicit(&mprotected, 1, memory_order_relaxed);
}
