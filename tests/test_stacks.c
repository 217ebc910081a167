/* test_stacks.c -- the pool of stacks, what guards them, and what is said when one overflows. */
#include "test.h"

#include "coro/overflow.h"
#include "coro/stacks.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#if ASYNCIO__VALGRIND
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#define KIB ((size_t)1024)

/* What a sanitizer or an emulator keeps about memory is memory, too. An emulator is known by accepting any advice. */
static bool under_a_tool(void)
{
    void *page = mmap(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool emulated = madvise(page, 1, 0x5eed) == 0;

    EXPECT_INT(munmap(page, 1), 0);
    return ASYNCIO__ASAN || ASYNCIO__TSAN || RUNNING_ON_VALGRIND || emulated;
}

static struct asyncio__stacks pool;

static void begin(void)
{
    EXPECT_INT(asyncio__stacks_init(&pool, 0), 0);
}

static void end(void)
{
    asyncio__stacks_fini(&pool);
}

/* A stack that must be had. */
static struct asyncio__stack *take(size_t size)
{
    struct asyncio__stack *stack = asyncio__stack_get(&pool, size);
    if (!stack)
        abort();
    return stack;
}

/* What this process has, in bytes. */
static void read_memory(size_t *ret_mapped, size_t *ret_resident)
{
    size_t mapped = 0, resident = 0, page = (size_t)sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/statm", "r");

    EXPECT(file);
    EXPECT_INT(fscanf(file, "%zu %zu", &mapped, &resident), 2);
    fclose(file);
    *ret_mapped = mapped * page;
    *ret_resident = resident * page;
}

/* Uses the top of the stack as a coroutine would. */
static void touch(struct asyncio__stack *stack, size_t depth)
{
    for (char *at = stack->top - 8; at >= stack->top - depth; at -= KIB)
        *(volatile char *)at = 1;
}

/* --------------------------------------------------------------------------------------------------------- lending */

TEST(sizes, "256 KiB by default, of which 64 are guard; sizes without room for a stack are refused")
{
    struct asyncio__stacks odd;
    struct asyncio__stack *stack;

    EXPECT_INT(asyncio__stacks_init(&odd, 64 * KIB), -EINVAL);
    EXPECT_INT(asyncio__stacks_init(&odd, 1), -EINVAL);
    EXPECT_INT(asyncio__stacks_init(&odd, SIZE_MAX), -EINVAL);
    EXPECT_INT(asyncio__stacks_init(&odd, (size_t)PTRDIFF_MAX), -EINVAL);
    EXPECT(ASYNCIO__TSAN || sizeof *stack <= 64);
    begin();
    stack = asyncio__stack_get(&pool, 0);
    EXPECT(stack);
    if (stack) {
        EXPECT_INT(asyncio__stack_size(stack), 192 * KIB);
        asyncio__stack_put(&pool, stack);
    }
    end();
    EXPECT_INT(asyncio__stacks_init(&odd, 81 * KIB), 0);
    stack = asyncio__stack_get(&odd, 0);
    EXPECT(stack);
    if (stack) {
        EXPECT(asyncio__stack_size(stack) >= 17 * KIB);
        asyncio__stack_put(&odd, stack);
    }
    asyncio__stacks_fini(&odd);
}

TEST(last_in_first_out, "the stack that was used last is the warmest")
{
    struct asyncio__stack *stacks[100] = {NULL};

    begin();
    for (size_t i = 0; i < ARRAY_SIZE(stacks); i++) { /* more than the first slab has */
        stacks[i] = asyncio__stack_get(&pool, 0);
        EXPECT(stacks[i]);
        if (stacks[i])
            EXPECT(stacks[i]->owner == NULL);
    }
    for (size_t i = 0; i < ARRAY_SIZE(stacks); i++) {
        if (stacks[i]) {
            stacks[i]->owner = &pool;
            asyncio__stack_put(&pool, stacks[i]);
        }
    }
    for (size_t i = ARRAY_SIZE(stacks); i-- > 0;) {
        struct asyncio__stack *stack = stacks[i] ? asyncio__stack_get(&pool, 0) : NULL;

        if (stack) {
            EXPECT_PTR(stack, stacks[i]);
            EXPECT(stack->owner == NULL);
        } else {
            stacks[i] = NULL;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(stacks); i++)
        if (stacks[i])
            asyncio__stack_put(&pool, stacks[i]);
    end();
}

TEST_NO_SWEEP(hot_ends_are_spread, "tops differ in cache line and page, or all would share a set",
              "compares many stacks")
{
    enum { N = 64 };
    struct asyncio__stack *stacks[N];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), lines[64] = {0}, pages[64] = {0};

    test_spare(ASYNCIO__TINY_CAPACITIES, "the stacks of one slab are spread, and of many slabs by chance");
    begin();
    for (size_t i = 0; i < N; i++) {
        stacks[i] = take(0);
        EXPECT_INT((uintptr_t)stacks[i]->top % 64, 0);
        EXPECT((uintptr_t)stacks[i]->top % page == 0 || (uintptr_t)stacks[i]->top % page >= page - 1024);
        lines[(uintptr_t)stacks[i]->top / 64 % 64]++;
        pages[((uintptr_t)stacks[i]->top - 1) / page % 64]++;
    }
    for (size_t i = 0; i < 64; i++) {
        EXPECT(lines[i] <= N / 16);
        EXPECT(pages[i] <= 1);
    }
    for (size_t i = 0; i < N; i++)
        asyncio__stack_put(&pool, stacks[i]);
    end();
}

TEST(large_stacks, "a larger size has its own mapping, which is used again for a like size and then given back")
{
    struct asyncio__stack *stack, *again;

    begin();
    EXPECT(asyncio__stack_get(&pool, SIZE_MAX) == NULL);
    stack = asyncio__stack_get(&pool, 1024 * KIB);
    EXPECT(stack);
    if (stack) {
        EXPECT_INT(asyncio__stack_size(stack), 960 * KIB);
        touch(stack, 900 * KIB);
        asyncio__stack_put(&pool, stack);
        again = asyncio__stack_get(&pool, 900 * KIB);
        if (again) {
            EXPECT_PTR(again, stack);
            asyncio__stack_put(&pool, again);
        }
        again = asyncio__stack_get(&pool, 4096 * KIB); /* closes the other */
        if (again) {
            EXPECT_INT(asyncio__stack_size(again), 4032 * KIB);
            asyncio__stack_put(&pool, again);
            asyncio__stacks_trim(&pool);
            EXPECT(pool.slabs == NULL);
        }
    }
    end();
}

TEST_NO_SWEEP(failing_allocations, "a stack is an allocation that can be made to fail", "it makes its own failures")
{
    struct asyncio__stack *stack;

    begin();
    for (int warm = 0; warm < 2; warm++) {
        asyncio_fail_allocation(0, 1);
        EXPECT(asyncio__stack_get(&pool, 0) == NULL);
        stack = take(0);
        asyncio__stack_put(&pool, stack);
    }
    asyncio_fail_allocation(-1, 0);
    end();
}

TEST_NO_SWEEP(address_space_runs_out, "slabs shrink to what can be had, then get returns NULL", "takes all there is")
{
    enum { MORE = 20 * 1024 * 1024 }; /* the first slab and the metadata fit, a second slab does not */
    struct asyncio__stack *stack, *list = NULL;
    struct rlimit limit, old;
    size_t count = 0, mapped, resident;

    if (under_a_tool())
        SKIP("the tool needs address space of its own");
    read_memory(&mapped, &resident);
    begin();
    EXPECT_INT(getrlimit(RLIMIT_AS, &old), 0);
    limit = old;
    limit.rlim_cur = mapped + MORE;
    EXPECT_INT(setrlimit(RLIMIT_AS, &limit), 0);
    while (count < 1000 && (stack = asyncio__stack_get(&pool, 0))) {
        stack->owner = list;
        list = stack;
        count++;
    }
    EXPECT_INT(setrlimit(RLIMIT_AS, &old), 0);
    EXPECT(count > 64 && count < 80);
    while ((stack = list)) {
        list = stack->owner;
        asyncio__stack_put(&pool, stack);
    }
    end();
}

/* ----------------------------------------------------------------------------------------------------- giving back */

/* Takes `count` stacks, uses each, and puts them all. */
static void burst(size_t count)
{
    struct asyncio__stack *list = NULL, *stack;

    for (size_t i = 0; i < count; i++) {
        stack = take(0);
        touch(stack, 6 * KIB);
        stack->owner = list;
        list = stack;
    }
    while ((stack = list)) {
        list = stack->owner;
        asyncio__stack_put(&pool, stack);
    }
}

/* Trims as a loop does that is idle for some seconds. */
static void be_idle(int seconds)
{
    while (seconds--)
        while (asyncio__stacks_trim(&pool))
            ;
}

TEST_NO_SWEEP(a_burst_is_given_back, "after a burst and some quiet seconds memory is where it was",
              "a burst is thousands")
{
    bool exact = !under_a_tool();
    size_t count = exact ? 20000 : 1000;
    size_t mapped, before, during, after;

    begin();
    burst(10);
    read_memory(&mapped, &before);
    burst(count);
    read_memory(&mapped, &during);
    be_idle(20);
    read_memory(&mapped, &after);
    EXPECT(!exact || during > before + count * 8 * KIB);
    EXPECT(!exact || after <= before + before / 10 + 256 * KIB);
    EXPECT(pool.cut < 1000);
    EXPECT_INT(asyncio__stacks_trim(&pool), false);
    burst(100);
    end();
}

TEST_NO_SWEEP(a_survivor_keeps_its_slab_only, "stacks in use neither lose their pages nor keep their neighbours'",
              "a burst is thousands")
{
    struct asyncio__stack *survivors[10], *all[1000];
    size_t n = 0;

    begin();
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        all[i] = take(0);
        touch(all[i], 6 * KIB);
    }
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        if (i % 100 == 50)
            survivors[n++] = all[i];
        else
            asyncio__stack_put(&pool, all[i]);
    }
    be_idle(20);
    for (size_t i = 0; i < n; i++) {
        EXPECT_INT(survivors[i]->top[-8], 1);
        EXPECT(asyncio__stack_high_water(survivors[i]) > 0);
    }
    EXPECT(pool.cold_count > 500);
    EXPECT_INT(pool.in_use, n);
    for (size_t i = 0; i < 200; i++) { /* cold ones come back empty and usable */
        all[i] = take(0);
        touch(all[i], 6 * KIB);
    }
    for (size_t i = 0; i < 200; i++)
        asyncio__stack_put(&pool, all[i]);
    for (size_t i = 0; i < n; i++)
        asyncio__stack_put(&pool, survivors[i]);
    EXPECT_INT(pool.in_use, 0);
    end();
}

TEST_NO_SWEEP(what_is_used_stays_warm, "trimming leaves alone what was needed since the last time",
              "a burst is hundreds")
{
    begin();
    for (int i = 0; i < 20; i++) {
        burst(300);
        EXPECT_INT(asyncio__stacks_trim(&pool), false);
        EXPECT_INT(pool.cold_count, 0);
        EXPECT_INT(pool.cut, 300);
    }
    end();
}

TEST_NO_SWEEP(high_water, "the pages that were ever used, until they are given back", "needs its stack")
{
    struct asyncio__stack *stack, *others[200];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    test_spare(ASYNCIO__TINY_CAPACITIES, "a slab of one stack goes with it, and the record too");
    begin();
    stack = take(0);
    EXPECT_INT(asyncio__stack_high_water(stack), 0);
    stack->top[-1] = 1;
    EXPECT_INT(asyncio__stack_high_water(stack), page);
    touch(stack, 100 * KIB);
    EXPECT(asyncio__stack_high_water(stack) >= 100 * KIB && asyncio__stack_high_water(stack) <= 100 * KIB + page);
    *(volatile char *)stack->low = 1;
    EXPECT_INT(asyncio__stack_high_water(stack), asyncio__stack_size(stack));
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        others[i] = asyncio__stack_get(&pool, 0);
    for (size_t i = 1; i < ARRAY_SIZE(others); i++)
        asyncio__stack_put(&pool, others[i]);
    asyncio__stack_put(&pool, stack); /* the most recently used leaves first */
    be_idle(20);
    EXPECT_INT(asyncio__stack_high_water(stack), 0); /* its record is there: its slab has a stack in use */
    asyncio__stack_put(&pool, others[0]);
    end();
}

/* ---------------------------------------------------------------------------------------------------------- guards */

static struct asyncio__coro loop, co;
static struct asyncio__stack *running;

/* Calls itself until less than `left` bytes of the stack are left, then steps over that with one array and writes to
 * its far end, as code does that was compiled without stack probes. */
__attribute__((noinline)) static int step_over(size_t left, size_t array)
{
    volatile char frame[512];
    char *here = __builtin_frame_address(0);

    frame[0] = 1;
    if ((size_t)(here - running->low) > left)
        return step_over(left, array) + frame[0];
    *(volatile char *)(here - array) = 1;
    return frame[0];
}

static void step_over_16_kib(void *arg)
{
    (void)arg;
    step_over(8 * KIB, 16 * KIB);
    asyncio__coro_exit(&co, &loop);
}

static void step_over_60_kib(void *arg)
{
    (void)arg;
    step_over(4 * KIB, 60 * KIB);
    asyncio__coro_exit(&co, &loop);
}

/* Recurses for as long as there are ints, with frames that the compiler probes. */
__attribute__((noinline)) static int recurse(int depth)
{
    volatile char frame[2000];

    frame[0] = (char)depth;
    frame[1] = depth ? (char)recurse(depth + 1) : 0;
    return frame[0] + frame[1];
}

static void recurse_for_ever(void *arg)
{
    (void)arg;
    recurse(1);
    asyncio__coro_exit(&co, &loop);
}

static void name_owner(struct asyncio__stack *stack, char *buffer, size_t size)
{
    snprintf(buffer, size, "%s", stack->owner ? (const char *)stack->owner : "");
}

/* Runs `entry` on a stack between two others, with the handler on. */
static void overflow(asyncio__coro_entry *entry, void *owner, size_t size)
{
    if (ASYNCIO__ASAN || ASYNCIO__TSAN)
        SKIP("the sanitizer has a handler of its own");
    begin();
    if (!strcmp(asyncio__stacks_guard(&pool), "none"))
        SKIP("no guards here");
    asyncio__overflow_set_namer(name_owner);
    asyncio__overflow_thread_enter();
    asyncio__overflow_install();
    asyncio__coro_thread(&loop);
    take(0);
    running = take(size);
    take(0);
    running->owner = owner;
    asyncio__coro_start(&co, running, entry, NULL);
    asyncio__coro_switch(&loop, &co);
}

static char worker_name[] = "task 'worker' (created at file.c:12)";

TEST_DIES(recursion_overflows, SIGSEGV,
          "asyncio: stack overflow in task 'worker' (created at file.c:12): 192 KiB used up; "
          "give it .stack_size or put large arrays on the heap\n")
{
    overflow(recurse_for_ever, worker_name, 0);
}

TEST_DIES(array_of_16_kib_does_not_step_over, SIGSEGV, "stack overflow in task 'worker'")
{
    overflow(step_over_16_kib, worker_name, 0);
}

TEST_DIES(array_of_60_kib_does_not_step_over, SIGSEGV, "stack overflow in task 'worker'")
{
    overflow(step_over_60_kib, worker_name, 0);
}

TEST_DIES(large_stack_overflows, SIGSEGV, "stack overflow in task 'worker' (created at file.c:12): 960 KiB used up")
{
    overflow(recurse_for_ever, worker_name, 1024 * KIB);
}

TEST_DIES(nameless_stack_overflows, SIGSEGV, "stack overflow in a coroutine: 192 KiB used up")
{
    overflow(recurse_for_ever, NULL, 0);
}

static void fault_elsewhere(void *arg)
{
    volatile char *volatile nowhere = (char *)(uintptr_t)64;

    (void)arg;
    fputs("elsewhere\n", stderr);
    *nowhere = 1;
    asyncio__coro_exit(&co, &loop);
}

TEST_DIES(other_faults_keep_their_signal, SIGSEGV, "elsewhere\n")
{
    overflow(fault_elsewhere, worker_name, 0);
}

static void raise_it(void *arg)
{
    (void)arg;
    fputs("raising\n", stderr);
    raise(SIGSEGV);
    asyncio__coro_exit(&co, &loop);
}

TEST_DIES(sent_signals_kill, SIGSEGV, "raising\n")
{
    overflow(raise_it, worker_name, 0);
}

/* Lets a system call write there. */
static bool faults(char *at)
{
    return uname((struct utsname *)(void *)at) != 0 && errno == EFAULT;
}

TEST_NO_SWEEP(guard_is_named, "the kind of guard can be asked for", "needs its stack")
{
    struct asyncio__stack *stack;
    const char *kind;

    begin();
    kind = asyncio__stacks_guard(&pool);
    EXPECT(!strcmp(kind, "madvise") || !strcmp(kind, "mprotect") || !strcmp(kind, "none"));
    stack = take(0);
    EXPECT_STR(asyncio__stacks_guard(&pool), kind);
    if (strcmp(kind, "none") != 0) {
        EXPECT(faults(stack->low - 1));
        EXPECT(faults(stack->low - 64 * KIB));
    }
    EXPECT(!faults(stack->low));
    asyncio__stack_put(&pool, stack);
    end();
}

TEST_NO_SWEEP(guards_are_found, "an address in a guard leads to its stack, any other to none", "needs its stacks")
{
    struct asyncio__stack *small, *large;
    struct asyncio__stacks other; /* is searched, too */

    begin();
    EXPECT_INT(asyncio__stacks_init(&other, 0), 0);
    small = take(0);
    large = take(1024 * KIB);
    asyncio__stacks_find_begin();
    EXPECT_PTR(asyncio__stacks_find_guard(small->low - 1), small);
    EXPECT_PTR(asyncio__stacks_find_guard(small->low - 64 * KIB), small);
    EXPECT_PTR(asyncio__stacks_find_guard(small->low), NULL);
    EXPECT_PTR(asyncio__stacks_find_guard(small->top), NULL);
    EXPECT_PTR(asyncio__stacks_find_guard(large->low - 1), large);
    EXPECT_PTR(asyncio__stacks_find_guard(&small), NULL);
    EXPECT_PTR(asyncio__stacks_find_guard(NULL), NULL);
    asyncio__stacks_find_end();
    asyncio__stack_put(&pool, small);
    asyncio__stack_put(&pool, large);
    end();
    asyncio__stacks_fini(&other);
}

/* --------------------------------------------------------------------------------------------------------- handler */

static void other_handler(int signal_number)
{
    (void)signal_number;
}

static bool segv_is(void (*handler)(int))
{
    struct sigaction action;

    EXPECT_INT(sigaction(SIGSEGV, NULL, &action), 0);
    return !(action.sa_flags & SA_SIGINFO) && action.sa_handler == handler;
}

TEST_NO_SWEEP(handler_respects_others,
              "it is installed over the default action only, and taken away only if it is ours", "allocates nothing")
{
    struct sigaction action = {.sa_handler = other_handler};

    if (ASYNCIO__ASAN || ASYNCIO__TSAN)
        SKIP("the sanitizer has a handler of its own");
    asyncio__overflow_remove(); /* a loop that ran before may have switched it on */
    EXPECT(segv_is(SIG_DFL));
    asyncio__overflow_install();
    asyncio__overflow_install();
    EXPECT(!segv_is(SIG_DFL));
    asyncio__overflow_remove();
    EXPECT(segv_is(SIG_DFL));
    EXPECT_INT(sigaction(SIGSEGV, &action, NULL), 0);
    asyncio__overflow_install();
    EXPECT(segv_is(other_handler));
    asyncio__overflow_remove();
    EXPECT(segv_is(other_handler));
    action.sa_handler = SIG_DFL;
    EXPECT_INT(sigaction(SIGSEGV, &action, NULL), 0);
}

TEST_NO_SWEEP(alternate_stack_is_lent, "a thread without one has one while it runs loops, and one that has it keeps it",
              "allocates nothing")
{
    static char own[64 * KIB];
    stack_t before, now, mine = {.ss_sp = own, .ss_size = sizeof own};

    EXPECT_INT(sigaltstack(NULL, &before), 0);
    asyncio__overflow_thread_enter();
    asyncio__overflow_thread_enter();
    EXPECT_INT(sigaltstack(NULL, &now), 0);
    EXPECT(!(now.ss_flags & SS_DISABLE));
    asyncio__overflow_thread_leave();
    EXPECT_INT(sigaltstack(NULL, &now), 0);
    EXPECT(!(now.ss_flags & SS_DISABLE));
    asyncio__overflow_thread_leave();
    EXPECT_INT(sigaltstack(NULL, &now), 0);
    EXPECT_INT(now.ss_flags, before.ss_flags);

    EXPECT_INT(sigaltstack(&mine, NULL), 0);
    asyncio__overflow_thread_enter();
    EXPECT_INT(sigaltstack(NULL, &now), 0);
    EXPECT_PTR(now.ss_sp, own);
    asyncio__overflow_thread_leave();
    EXPECT_INT(sigaltstack(NULL, &now), 0);
    EXPECT_PTR(now.ss_sp, own);
    EXPECT_INT(sigaltstack(&before, NULL), 0);
}
