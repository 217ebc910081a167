/* coro.h -- coroutines: a saved stack pointer each, and the switch from one to another.
 *
 * A coroutine is named by a struct asyncio__coro while it is suspended. The struct says nothing about a running one, so
 * code that goes on to do another coroutine's work on the same stack only has to rename itself: asyncio__coro_move().
 * Without a sanitizer the struct is four words and the switch a dozen instructions.
 *
 * The hooks that tell AddressSanitizer, ThreadSanitizer and Valgrind what a stack is are in coro.c and nowhere else. */
#pragma once

#include "../base/base.h"

#if defined(__SANITIZE_ADDRESS__)
#define ASYNCIO__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASYNCIO__ASAN 1
#endif
#endif
#ifndef ASYNCIO__ASAN
#define ASYNCIO__ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define ASYNCIO__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ASYNCIO__TSAN 1
#endif
#endif
#ifndef ASYNCIO__TSAN
#define ASYNCIO__TSAN 0
#endif

#if __has_include(<valgrind/valgrind.h>) && !ASYNCIO__ASAN && !ASYNCIO__TSAN && !defined(NVALGRIND)
#define ASYNCIO__VALGRIND 1
#else
#define ASYNCIO__VALGRIND 0
#endif

/* What a coroutine runs. It never returns: its last act, done by this very function, is asyncio__coro_exit(). */
typedef void asyncio__coro_entry(void *arg);

/* The record of one stack. It lives apart from the stack, in its slab, and outlives every coroutine that runs there. */
struct asyncio__stack {
    char *low;                   /* first usable byte; the guard lies below it */
    char *top;                   /* one past the byte where the first frame may start; a multiple of 64 */
    struct asyncio__slab *slab;  /* the mapping it was cut from */
    struct asyncio__stack *next; /* valid while free: the next on its free list */
    struct asyncio__stack *prev; /* valid while cold: the one before on that list, or NULL */
    void *owner;                 /* valid while in use: who runs here; written by the floor above, cleared when put */
    uint32_t valgrind_id;        /* Valgrind's name for it */
    uint8_t guard;               /* enum asyncio__guard, see stacks.h */
    bool large;                  /* has a mapping of its own */
    bool cold;                   /* free, its pages given back */
#if ASYNCIO__TSAN
    void *tsan_fiber; /* made at the first start, kept for the next: creation is slow */
    uint32_t tsan_starts;
#endif
};

/* A suspended coroutine. The words are valid while it is suspended; the switch away writes them, at the offsets that
 * switch_*.S knows. An unwinder can begin with them: fp and pc are laid out as a frame record is. */
struct asyncio__coro {
    void *sp;   /* stack pointer */
    void *fp;   /* frame pointer: the caller's record, if the code that switched keeps frame pointers */
    void *pc;   /* where it continues */
    void *base; /* rbx or x19 */
#if ASYNCIO__ASAN
    const void *asan_low; /* the range of its stack, valid also while it runs */
    size_t asan_size;
#endif
#if ASYNCIO__TSAN
    void *tsan_fiber; /* valid also while it runs */
#endif
};

/* What a switch may change besides what switch_*.S keeps: everything, as other coroutines run meanwhile. */
#if defined(__x86_64__)
#ifdef __AVX512F__
#define ASYNCIO__CLOBBERS_MORE                                                                                  \
    "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", \
        "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7",
#else
#define ASYNCIO__CLOBBERS_MORE
#endif
#define ASYNCIO__CLOBBERS                                                                                              \
    ASYNCIO__CLOBBERS_MORE                                                                                             \
    "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",        \
        "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "mm0", "mm1",    \
        "mm2", "mm3", "mm4", "mm5", "mm6", "mm7", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", \
        "cc", "memory"
#elif defined(__aarch64__)
#ifdef __ARM_FEATURE_SVE
#define ASYNCIO__CLOBBERS_MORE \
    "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13", "p14", "p15",
#else
#define ASYNCIO__CLOBBERS_MORE
#endif
#define ASYNCIO__CLOBBERS                                                                                              \
    ASYNCIO__CLOBBERS_MORE                                                                                             \
    "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x20",    \
        "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", \
        "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23",  \
        "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31", "cc", "memory"
#else
#error "the switch is written for x86-64 and aarch64"
#endif

/* The bare switch. It is jumped to, not called, so that the processor goes on predicting returns: see switch_*.S. */
__attribute__((always_inline)) static inline void asyncio__coro_jump(struct asyncio__coro *from,
                                                                     struct asyncio__coro *to)
{
#if defined(__x86_64__)
    void *back;

    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "jmp asyncio__switch\n"
                     "1:"
                     : "=&a"(back), "+D"(from), "+S"(to)
                     :
                     : ASYNCIO__CLOBBERS);
#else
    register struct asyncio__coro *x0 __asm__("x0") = from;
    register struct asyncio__coro *x1 __asm__("x1") = to;
    register void *back __asm__("x9");

    __asm__ volatile("adr x9, 1f\n\t"
                     "b asyncio__switch\n"
                     "1:\n\t"
                     "hint #36" /* bti j */
                     : "=&r"(back), "+r"(x0), "+r"(x1)
                     :
                     : ASYNCIO__CLOBBERS);
#endif
    (void)back;
}

/* libstdc++ and libc++abi keep the exceptions being handled in two words per thread, which the switch makes two words
 * per coroutine. NULL in a program without a C++ runtime. */
struct asyncio__cxx_globals {
    void *caught;
    unsigned int uncaught;
};
extern struct asyncio__cxx_globals *__cxa_get_globals(void) __attribute__((weak));

/* The switches of builds and programs that have more than registers to save. */
__attribute__((cold)) void asyncio__coro_switch_hooked(struct asyncio__coro *from, struct asyncio__coro *to);
_Noreturn void asyncio__coro_exit_hooked(struct asyncio__coro *from, struct asyncio__coro *to);

#if ASYNCIO__TSAN
void asyncio__tsan_func_exit(void) __asm__("__tsan_func_exit");
#endif

/* Describes the calling thread's own stack, so that coroutines can be switched to from it and back. */
void asyncio__coro_thread(struct asyncio__coro *co);

/* Prepares the first switch to `co`, which will call entry(arg) on `stack`. Nothing may run there any more. */
void asyncio__coro_start(struct asyncio__coro *co, struct asyncio__stack *stack, asyncio__coro_entry *entry, void *arg);

/* Renames the running coroutine: the next switch away is made from `to`. `from` may be the same struct. */
static inline void asyncio__coro_move(struct asyncio__coro *to, struct asyncio__coro *from)
{
#if ASYNCIO__ASAN
    to->asan_low = from->asan_low;
    to->asan_size = from->asan_size;
#endif
#if ASYNCIO__TSAN
    to->tsan_fiber = from->tsan_fiber;
#endif
    (void)to;
    (void)from;
}

/* Asks for the cache lines that `co` will touch when it goes on; worth it when thousands of coroutines take turns. */
__attribute__((always_inline)) static inline void asyncio__coro_prefetch(const struct asyncio__coro *co)
{
    __builtin_prefetch(co->sp);
    __builtin_prefetch((const char *)co->sp + 64);
}

/* Suspends the running coroutine `from` and continues `to`. Returns when somebody switches to `from`. */
static inline void asyncio__coro_switch(struct asyncio__coro *from, struct asyncio__coro *to)
{
    if (ASYNCIO__ASAN || ASYNCIO__TSAN || UNLIKELY(__cxa_get_globals != NULL))
        asyncio__coro_switch_hooked(from, to);
    else
        asyncio__coro_jump(from, to);
}

/* Ends the running coroutine and continues `to`. From then on the stack may run another, or be unmapped. Only the entry
 * function itself may call this: ThreadSanitizer keeps a list of the functions that are running. */
__attribute__((always_inline)) _Noreturn static inline void asyncio__coro_exit(struct asyncio__coro *from,
                                                                               struct asyncio__coro *to)
{
#if ASYNCIO__TSAN
    asyncio__tsan_func_exit();
#endif
    asyncio__coro_exit_hooked(from, to);
}

/* Whether the registers of a fault may be inexact. */
bool asyncio__coro_in_valgrind(void);

/* For stacks.c, so that the tools hear of each stack: born when it is cut from its slab, dead before it is unmapped,
 * lent while a coroutine may run on it. */
void asyncio__coro_stack_born(struct asyncio__stack *stack);
void asyncio__coro_stack_dead(struct asyncio__stack *stack);
#if ASYNCIO__ASAN
void asyncio__coro_stack_lent(struct asyncio__stack *stack);
void asyncio__coro_stack_back(struct asyncio__stack *stack);
#else
static inline void asyncio__coro_stack_lent(struct asyncio__stack *stack)
{
    (void)stack;
}
static inline void asyncio__coro_stack_back(struct asyncio__stack *stack)
{
    (void)stack;
}
#endif
