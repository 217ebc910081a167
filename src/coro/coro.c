/* coro.c -- how a coroutine starts and ends, and all that sanitizers, Valgrind and C++ want to know of it.
 *
 * Three kinds of build differ in what surrounds the bare switch:
 *
 * - AddressSanitizer: each switch is announced before and confirmed after it, exactly in pairs; a new coroutine
 *   confirms the switch that started it, an ending one announces that its fake stack can go.
 * - ThreadSanitizer: each stack has a fiber, which is made current before the switch.
 * - all others: nothing, unless a C++ runtime is there, whose two words about the exceptions being handled are kept on
 *   the suspended stack. Zeros are left for a new coroutine to find, so a coroutine owns no memory for them.
 *
 * What has to survive a switch stands on the suspended stack, not in struct asyncio__coro: moving that stays cheap. */

#include "coro.h"

#include "../base/hostile.h"

#if ASYNCIO__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if ASYNCIO__TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if ASYNCIO__VALGRIND
#include <valgrind/valgrind.h>
#endif

/* The code around a switch runs while the tools' idea of the current stack is wrong, so none of it is instrumented. */
#if defined(__clang__)
#define UNINSTRUMENTED __attribute__((disable_sanitizer_instrumentation))
#elif ASYNCIO__ASAN || ASYNCIO__TSAN
#define UNINSTRUMENTED __attribute__((no_sanitize("address", "thread", "undefined")))
#else
#define UNINSTRUMENTED
#endif

/* Where the first switch to a coroutine leads: takes the entry function and its argument from the stack. */
__attribute__((visibility("hidden"))) void asyncio__coro_trampoline(void);

_Static_assert(offsetof(struct asyncio__coro, sp) == 0 && offsetof(struct asyncio__coro, fp) == 8 &&
                   offsetof(struct asyncio__coro, pc) == 16 && offsetof(struct asyncio__coro, base) == 24,
               "switch_*.S knows where these are");

#if ASYNCIO__ASAN
/* What a new coroutine calls after it has confirmed the switch; lies at the top of its stack. */
struct landing {
    asyncio__coro_entry *entry;
    void *arg;
};

UNINSTRUMENTED static void land(void *arg)
{
    struct landing *landing = arg;

    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
    landing->entry(landing->arg);
}
#endif

UNINSTRUMENTED void asyncio__coro_thread(struct asyncio__coro *co)
{
    *co = (struct asyncio__coro){0};
#if ASYNCIO__ASAN
    /* Only a switch tells the bounds of the current stack: one to a pretended stack around this frame, and one back. */
    char here[64] = "";
    void *fake;
    const void *low;
    size_t size;

    __sanitizer_start_switch_fiber(&fake, here, sizeof here);
    __sanitizer_finish_switch_fiber(fake, &low, &size);
    __sanitizer_start_switch_fiber(&fake, low, size);
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
    co->asan_low = low;
    co->asan_size = size;
#endif
#if ASYNCIO__TSAN
    co->tsan_fiber = __tsan_get_current_fiber();
#endif
}

#if ASYNCIO__TSAN
/* An entry that ends deeper than it promised leaves its callers on the fiber's own call stack, which is finite: so that
 * this shows in a report rather than in a crash, a fiber serves a limited number of starts. */
enum { TSAN_FIBER_STARTS = 1024 };

static void *tsan_fiber_of(struct asyncio__stack *stack)
{
    if (stack->tsan_fiber && ++stack->tsan_starts > TSAN_FIBER_STARTS) {
        __tsan_destroy_fiber(stack->tsan_fiber);
        stack->tsan_fiber = NULL;
    }
    if (!stack->tsan_fiber) {
        stack->tsan_fiber = __tsan_create_fiber(0);
        stack->tsan_starts = 0;
    }
    return stack->tsan_fiber;
}
#endif

UNINSTRUMENTED void asyncio__coro_start(struct asyncio__coro *co, struct asyncio__stack *stack,
                                        asyncio__coro_entry *entry, void *arg)
{
    void **frame = (void **)(void *)stack->top;

#if ASYNCIO__ASAN
    /* The frames of the last coroutine were left, not returned from: their red zones are still there. */
    __asan_unpoison_memory_region(stack->low, (size_t)(stack->top - stack->low));
    co->asan_low = stack->low;
    co->asan_size = (size_t)(stack->top - stack->low);

    struct landing *landing = (struct landing *)(void *)stack->top - 1;
    *landing = (struct landing){entry, arg};
    frame = (void **)(void *)landing;
    entry = land;
    arg = landing;
#endif
#if ASYNCIO__TSAN
    co->tsan_fiber = tsan_fiber_of(stack);
#endif
    if (asyncio__hostile(ASYNCIO__MOVED_MEMORY))
        memset((char *)frame - ASYNCIO__POISONED_STACK, ASYNCIO__POISON, ASYNCIO__POISONED_STACK);
    *--frame = arg;
    *--frame = (void *)(uintptr_t)entry;
    co->sp = frame;
    co->fp = NULL;
    co->pc = (void *)(uintptr_t)asyncio__coro_trampoline;
    co->base = NULL;
}

UNINSTRUMENTED void asyncio__coro_switch_hooked(struct asyncio__coro *from, struct asyncio__coro *to)
{
    /* Still the right ones afterwards: a coroutine never changes its thread. */
    struct asyncio__cxx_globals *globals = __cxa_get_globals ? __cxa_get_globals() : NULL, saved = {0};

    if (globals) {
        saved.caught = globals->caught;
        saved.uncaught = globals->uncaught;
        globals->caught = NULL;
        globals->uncaught = 0;
    }
#if ASYNCIO__ASAN
    void *fake;

    __sanitizer_start_switch_fiber(&fake, to->asan_low, to->asan_size);
#endif
#if ASYNCIO__TSAN
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
    asyncio__coro_jump(from, to);
#if ASYNCIO__ASAN
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
    if (globals) {
        globals->caught = saved.caught;
        globals->uncaught = saved.uncaught;
    }
}

UNINSTRUMENTED _Noreturn void asyncio__coro_exit_hooked(struct asyncio__coro *from, struct asyncio__coro *to)
{
    if (__cxa_get_globals) {
        struct asyncio__cxx_globals *globals = __cxa_get_globals();

        globals->caught = NULL;
        globals->uncaught = 0;
    }
#if ASYNCIO__ASAN
    __sanitizer_start_switch_fiber(NULL, to->asan_low, to->asan_size);
#endif
#if ASYNCIO__TSAN
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
    asyncio__coro_jump(from, to);
    __builtin_trap(); /* somebody switched to a coroutine that had ended */
}

bool asyncio__coro_in_valgrind(void)
{
#if ASYNCIO__VALGRIND
    return RUNNING_ON_VALGRIND;
#else
    return false;
#endif
}

void asyncio__coro_stack_born(struct asyncio__stack *stack)
{
#if ASYNCIO__VALGRIND
    stack->valgrind_id = (uint32_t)VALGRIND_STACK_REGISTER(stack->low, stack->top);
#endif
    (void)stack;
}

void asyncio__coro_stack_dead(struct asyncio__stack *stack)
{
#if ASYNCIO__ASAN
    __asan_unpoison_memory_region(stack->low, (size_t)(stack->top - stack->low));
#endif
#if ASYNCIO__TSAN
    if (stack->tsan_fiber)
        __tsan_destroy_fiber(stack->tsan_fiber);
#endif
#if ASYNCIO__VALGRIND
    VALGRIND_STACK_DEREGISTER(stack->valgrind_id);
#endif
    (void)stack;
}

#if ASYNCIO__ASAN
/* What only a suspended stack points at is not lost, if the process ends now. */
void asyncio__coro_stack_lent(struct asyncio__stack *stack)
{
    __lsan_register_root_region(stack->low, (size_t)(stack->top - stack->low));
}

void asyncio__coro_stack_back(struct asyncio__stack *stack)
{
    __lsan_unregister_root_region(stack->low, (size_t)(stack->top - stack->low));
}
#endif
