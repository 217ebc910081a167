/* overflow.c -- the SIGSEGV handler that says which task used up its stack.
 *
 * A fault inside a guard is a stack overflow; its address leads to the stack, the stack to its owner, and the namer of
 * the floor above to a name. Then, and for every other fault, the default action is put back and the instruction runs
 * again: the process dies of the same signal at the same place, with the core and exit status it would have had.
 *
 * The handler stands only where the default action stood: a program, a sanitizer or another language that has its own
 * keeps it. It runs on an alternate stack, as the one that overflowed has no room, and calls nothing but write(2). */

#include "overflow.h"

#include "stacks.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

/* For the handler and its callees, beside the registers that the kernel saves there. */
enum { HANDLER_STACK_SIZE = 16 * 1024 };

static _Atomic(asyncio__overflow_namer *) current_namer;

/* This thread's alternate stack, if it was made here, and how often it was entered. */
static __thread stack_t alternate;
static __thread unsigned int alternate_users;

/* Appends to a text; what does not fit is left out. */
struct text {
    char bytes[512];
    size_t length;
};

static void add_text(struct text *text, const char *more)
{
    while (*more && text->length < sizeof text->bytes)
        text->bytes[text->length++] = *more++;
}

static void add_number(struct text *text, size_t number)
{
    char digits[24];
    size_t i = sizeof digits - 1;

    digits[i] = '\0';
    do
        digits[--i] = (char)('0' + number % 10);
    while (number /= 10);
    add_text(text, &digits[i]);
}

static void report(struct asyncio__stack *stack)
{
    asyncio__overflow_namer *namer = atomic_load(&current_namer);
    struct text text = {.length = 0};
    char name[256] = "";

    if (namer)
        namer(stack, name, sizeof name);
    name[sizeof name - 1] = '\0';
    add_text(&text, "asyncio: stack overflow in ");
    add_text(&text, name[0] ? name : "a coroutine");
    add_text(&text, ": ");
    add_number(&text, asyncio__stack_size(stack) / 1024);
    add_text(&text, " KiB used up; give it .stack_size or put large arrays on the heap\n");
    for (size_t done = 0; done < text.length;) {
        ssize_t n = write(STDERR_FILENO, text.bytes + done, text.length - done);

        if (n <= 0)
            break;
        done += (size_t)n;
    }
}

static void handle(int signal_number, siginfo_t *info, void *context)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    struct asyncio__stack *stack;

    (void)context;
    if (info->si_code > 0) {
        asyncio__stacks_find_begin();
        stack = asyncio__stacks_find_guard(info->si_addr);
        if (stack)
            report(stack);
        asyncio__stacks_find_end();
    }
    sigaction(signal_number, &action, NULL);
    /* The instruction would not fault again: a process sent the signal, or Valgrind went on with other registers. */
    if (info->si_code <= 0 || asyncio__coro_in_valgrind())
        raise(signal_number);
}

static bool is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == handle;
}

void asyncio__overflow_install(void)
{
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK}, old;

    if (sigaction(SIGSEGV, NULL, &old) != 0 || (old.sa_flags & SA_SIGINFO) || old.sa_handler != SIG_DFL)
        return;
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, NULL);
}

void asyncio__overflow_remove(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL}, old;

    if (sigaction(SIGSEGV, NULL, &old) == 0 && is_ours(&old))
        sigaction(SIGSEGV, &action, NULL);
}

void asyncio__overflow_thread_enter(void)
{
    stack_t old;
    size_t size;
    void *base;

    if (alternate_users++ || sigaltstack(NULL, &old) != 0 || !(old.ss_flags & SS_DISABLE))
        return;
    size = max_size(getauxval(AT_MINSIGSTKSZ), 8 * 1024) + HANDLER_STACK_SIZE;
    base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return; /* the process dies without a word, as it would without the handler */
    alternate = (stack_t){.ss_sp = base, .ss_size = size};
    if (sigaltstack(&alternate, NULL) != 0) {
        munmap(base, size);
        alternate.ss_sp = NULL;
    }
}

void asyncio__overflow_thread_leave(void)
{
    stack_t none = {.ss_flags = SS_DISABLE}, old;

    if (--alternate_users || !alternate.ss_sp)
        return;
    if (sigaltstack(NULL, &old) == 0 && old.ss_sp == alternate.ss_sp && sigaltstack(&none, NULL) == 0)
        munmap(alternate.ss_sp, alternate.ss_size);
    alternate.ss_sp = NULL;
}

void asyncio__overflow_set_namer(asyncio__overflow_namer *namer)
{
    atomic_store(&current_namer, namer);
}
