/* bare_heart.c -- the floor under the heart: a hand-written direct switch with a queue, and nothing else.
 *
 * No loop, no cancel, no results, no names, no guards: what is left is what any scheduler of stacks has to pay. */
#include "bench.h"

#include <sys/mman.h>

#define STACK_SIZE ((size_t)64 * 1024)
#define MOST_COROS 10000

/* Saves the callee-saved registers and the stack pointer, and continues where `to` was saved. */
void bare_switch(void **save, void *to);

#if defined(__x86_64__)
__asm__(".text\n"
        ".p2align 6\n"
        ".type bare_switch, @function\n"
        "bare_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    popq %rcx\n"
        "    jmp *%rcx\n"
        ".size bare_switch, . - bare_switch\n");
#define SAVED_WORDS 6
#elif defined(__aarch64__)
__asm__(".text\n"
        ".p2align 6\n"
        ".type bare_switch, %function\n"
        "bare_switch:\n"
        "    stp x29, x30, [sp, #-160]!\n"
        "    stp x19, x20, [sp, #16]\n"
        "    stp x21, x22, [sp, #32]\n"
        "    stp x23, x24, [sp, #48]\n"
        "    stp x25, x26, [sp, #64]\n"
        "    stp x27, x28, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x2, sp\n"
        "    str x2, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp, #16]\n"
        "    ldp x21, x22, [sp, #32]\n"
        "    ldp x23, x24, [sp, #48]\n"
        "    ldp x25, x26, [sp, #64]\n"
        "    ldp x27, x28, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    ldp x29, x30, [sp], #160\n"
        "    br x30\n"
        ".size bare_switch, . - bare_switch\n");
#endif

struct coro {
    struct coro *next;
    void *sp;
};

static struct coro coros[MOST_COROS], here;
static char *stacks[MOST_COROS];
static struct coro *first, *last, *current;
static long rounds;

static void push(struct coro *coro)
{
    coro->next = NULL;
    if (last)
        last->next = coro;
    else
        first = coro;
    last = coro;
}

static struct coro *pop(void)
{
    struct coro *coro = first;

    first = coro->next;
    if (!first)
        last = NULL;
    return coro;
}

static __attribute__((noinline)) void yield(void)
{
    struct coro *self = current, *next;

    push(self);
    next = pop();
    if (next == self)
        return;
    current = next;
    bare_switch(&self->sp, next->sp);
}

/* Ends the running coroutine: the next in the queue goes on, or main. */
static void end(void)
{
    struct coro *self = current;

    current = first ? pop() : &here;
    bare_switch(&self->sp, current->sp);
    abort();
}

static void yield_rounds(void)
{
    for (long i = 0; i < rounds; i++)
        yield();
    end();
}

/* Its frame is where the first switch finds what it pops. */
static void start(struct coro *coro, char *stack, void (*body)(void))
{
    void **sp = (void **)(stack + STACK_SIZE - 128);

#if defined(__x86_64__)
    *--sp = NULL;
    *--sp = (void *)(uintptr_t)body;
    for (int i = 0; i < SAVED_WORDS; i++)
        *--sp = NULL;
#else
    sp -= 20;
    memset(sp, 0, 160);
    sp[1] = (void *)(uintptr_t)body;
#endif
    coro->sp = sp;
    push(coro);
}

static char *stack_new(void)
{
    char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (stack == MAP_FAILED)
        abort();
    return stack;
}

static void run_all(void)
{
    current = pop();
    bare_switch(&here.sp, current->sp);
}

static double yield_among(int n, long count)
{
    double begin;

    for (int i = 0; i < n; i++) {
        stacks[i] = stack_new();
        start(&coros[i], stacks[i], yield_rounds);
    }
    /* One round beforehand touches the stacks. */
    rounds = 1;
    run_all();
    rounds = count / n;
    for (int i = 0; i < n; i++)
        start(&coros[i], stacks[i], yield_rounds);
    begin = now_ns();
    run_all();
    return (now_ns() - begin) / (double)(rounds * n);
}

static double yield_2(long count)
{
    return yield_among(2, count);
}

static double yield_10000(long count)
{
    return yield_among(MOST_COROS, count);
}

/* Create and join: a stack from the free list, one switch there, one back. */
static double spawn_join(long count)
{
    char *stack = stack_new();
    double begin = now_ns();

    rounds = 0;
    for (long i = 0; i < count; i++) {
        start(&coros[0], stack, yield_rounds);
        run_all();
    }
    return (now_ns() - begin) / (double)count;
}

int main(int argc, char **argv)
{
    static const struct bench benches[] = {
        {"yield_2", yield_2},
        {"yield_10000", yield_10000},
        {"spawn_join", spawn_join},
        {NULL, NULL},
    };

    return bench_main(benches, argc, argv);
}
