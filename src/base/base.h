/* base.h -- the ground of the house: what every file may use.
 *
 * No loop, no system call, no allocation: only the language made comfortable. */
#pragma once

/* For functions that may suspend. The processor guesses where a function returns to by a stack of its own, which no
 * switch changes: those that were entered by one task would be taken back in the name of another, and each wrong guess
 * costs as much as a switch. So such functions end with a jump, which is guessed by what has happened before. */
#if defined(__x86_64__) && defined(__has_attribute)
#if __has_attribute(function_return)
#undef ASYNCIO__SUSPENDS
#define ASYNCIO__SUSPENDS __attribute__((function_return("thunk-extern")))
#endif
#endif

#include <asyncio.h>

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#define CONST_CONTAINER_OF(pointer, type, member) ((const type *)((const char *)(pointer)-offsetof(type, member)))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define NS_PER_SEC  INT64_C(1000000000)
#define NS_PER_MSEC INT64_C(1000000)
#define NS_PER_USEC INT64_C(1000)

/* A deadline that never comes. */
#define NS_NEVER INT64_MAX

static inline int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* a + b for two times, where NS_NEVER stays never and nothing overflows. */
static inline int64_t ns_add(int64_t a, int64_t b)
{
    int64_t sum;

    if (a == NS_NEVER || b == NS_NEVER || __builtin_add_overflow(a, b, &sum))
        return NS_NEVER;
    return sum;
}
