/* graph.c -- who waits for whom, in words: futures and tasks described, lists of tasks, stacks of suspended tasks.
 *
 * Nothing here allocates or suspends, so it can be used on a program that is in trouble. What waits can form chains of
 * any length and circles; a description names the first few and stops. */
#include "task.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>

/* Futures within the description of a future. */
#define DEEPEST 4

/* A line of asyncio_print_tasks; it fits into a message of the log. */
#define LINE_SIZE 960

static _Thread_local int depth;

/* Text cut to a buffer, and the length that it would have. */
struct text {
    char *buffer;
    size_t size, length;
};

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *format, ...)
{
    size_t at = min_size(text->length, text->size);
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text->size > at ? text->buffer + at : NULL, text->size - at, format, args);
    va_end(args);
    if (n > 0)
        text->length += (size_t)n;
}

/* The name of the function at an address, or where it lies for addr2line. */
static void add_symbol(struct text *text, const void *address, bool with_offset)
{
    const char *file;
    Dl_info info;

    if (!dladdr(address, &info) || !info.dli_fname) {
        add(text, "%p", address);
        return;
    }
    file = strrchr(info.dli_fname, '/');
    file = file ? file + 1 : info.dli_fname;
    if (!info.dli_sname)
        add(text, "%s+0x%zx", file, (size_t)((const char *)address - (const char *)info.dli_fbase));
    else if (with_offset)
        add(text, "%s+0x%zx in %s", info.dli_sname, (size_t)((const char *)address - (const char *)info.dli_saddr),
            file);
    else
        add(text, "%s", info.dli_sname);
}

static const struct asyncio__task *const_task_of(const struct asyncio_future *future)
{
    return CONST_CONTAINER_OF(future, struct asyncio__task, future);
}

/* --------------------------------------------------------------------------------------------------------- Futures */

/* The future that a wait is for; NULL when it is for something else. */
static const struct asyncio_future *awaited(const struct asyncio_waiter *waiter)
{
    return waiter->kind->describe == asyncio__await_kind.describe ? waiter->object : NULL;
}

/* A task whose wait is over stands on the ready queue, and what it waited for may be gone. */
static bool is_waiting(const struct asyncio__task *task)
{
    const struct asyncio_waiter *waiter = task->waiter;

    if (!waiter || waiter->complete)
        return false;
    return !awaited(waiter) || !asyncio__is_done(awaited(waiter));
}

/* What a wait that is no future's is for. */
static void add_wait(struct text *text, const struct asyncio_waiter *waiter)
{
    char words[192] = "";

    if (waiter->kind->describe)
        waiter->kind->describe(waiter, words, sizeof words);
    add(text, "%s", words[0] ? words : waiter->kind->name);
}

static const char *state_word(const struct asyncio_future *future)
{
    if (future->state == FUTURE_CANCELLED)
        return "cancelled";
    if (future->state == FUTURE_FINISHED)
        return "finished";
    return future->is_task && const_task_of(future)->cancelling > 0 ? "cancelling" : "pending";
}

/* The first and the last of what will run when a future is done. */
static void add_callbacks(struct text *text, const struct asyncio_future *future)
{
    size_t count = list_count(&future->callbacks), i = 0;

    if (count == 0)
        return;
    add(text, " cb=[");
    for (const struct asyncio_link *link = future->callbacks.next; link != &future->callbacks; link = link->next, i++) {
        const struct asyncio_node *node = CONST_CONTAINER_OF(link, struct asyncio_node, link);

        if (i > 0 && i + 1 < count) {
            if (i == 1)
                add(text, ", <%zu more>", count - 2);
            continue;
        }
        add(text, "%s", i > 0 ? ", " : "");
        if (node->run == asyncio__task_run)
            add(text, "resume %s",
                asyncio_task_get_name(&CONST_CONTAINER_OF(node, struct asyncio__task, node)->future));
        else
            add(text, "callback");
    }
    add(text, "]");
}

static void add_future(struct text *text, const struct asyncio_future *future);

/* What is peculiar to a task: its name, its function, what it waits for. */
static void add_task(struct text *text, const struct asyncio__task *task)
{
    const struct asyncio_waiter *waiter = task->waiter;

    add(text, " name='%s'", asyncio_task_get_name(&task->future));
    if (depth > DEEPEST) {
        add(text, " ...");
        return;
    }
    add(text, " coro=<");
    /* A function's address is data here. */
    add_symbol(text, (const void *)(uintptr_t)task->fn, false);
    if (task->future.source)
        add(text, " at %s", task->future.source);
    add(text, ">");
    if (!is_waiting(task))
        return;
    add(text, " wait_for=");
    if (awaited(waiter)) {
        add_future(text, awaited(waiter));
    } else {
        add(text, "<");
        add_wait(text, waiter);
        add(text, ">");
    }
}

static void add_future(struct text *text, const struct asyncio_future *future)
{
    depth++;
    add(text, "<%s %s", future->is_task ? "Task" : "Future", state_word(future));
    if (future->kind)
        add(text, " of=%s", future->kind->name);
    if (future->is_task)
        add_task(text, const_task_of(future));
    if (future->state == FUTURE_PENDING && depth <= DEEPEST)
        add_callbacks(text, future);
    if (future->state == FUTURE_FINISHED) {
        if (future->result < 0)
            add(text, " exception=%s", asyncio_errorname(future->result));
        else
            add(text, " result=%d", future->result);
    }
    add(text, ">");
    depth--;
}

int asyncio_future_repr(const struct asyncio_future *future, char *buffer, size_t size)
{
    struct text text = {.buffer = buffer, .size = buffer ? size : 0};

    if (text.size > 0)
        buffer[0] = '\0';
    if (future)
        add_future(&text, future);
    else
        add(&text, "NULL");
    return (int)text.length;
}

/* -------------------------------------------------------------------------------------------------- Lists of tasks */

static void add_name(struct text *text, const struct asyncio__task *task)
{
    add(text, "%s", asyncio_task_get_name(&task->future));
    /* What holds a lock is named by number. */
    if (task->name)
        add(text, " (task #%llu)", (unsigned long long)task->number);
}

static void add_reason(struct text *text, const struct asyncio_waiter *waiter)
{
    const struct asyncio_future *future = awaited(waiter);

    if (!future) {
        add_wait(text, waiter);
        return;
    }
    if (waiter->kind != &asyncio__await_kind)
        add(text, "%s: ", waiter->kind->name);
    if (future->is_task) {
        add(text, "task ");
        add_name(text, const_task_of(future));
    } else {
        add(text, "%s", future->kind ? future->kind->name : "future");
    }
}

static void add_line(struct text *text, const struct asyncio__task *task)
{
    add_name(text, task);
    add(text, task->cancelling > 0 ? ": cancelling, " : ": ");
    if (asyncio__is_current(task)) {
        add(text, "running");
    } else if (is_waiting(task)) {
        add(text, "waiting for ");
        add_reason(text, task->waiter);
    } else if (!task->started) {
        add(text, "not started");
    } else {
        add(text, list_linked(&task->node.link) ? "ready" : "running");
    }
    if (task->stack && task->future.scheduler->takes_census)
        add(text, "; %zu of %zu KiB of stack used", asyncio__stack_high_water(task->stack) / 1024,
            asyncio__stack_size(task->stack) / 1024);
    if (task->future.source)
        add(text, "; made at %s", task->future.source);
}

void asyncio__log_tasks(struct asyncio__scheduler *scheduler, const char *why)
{
    asyncio__log(ASYNCIO_LOG_ERROR, "%s", why);
    for (struct asyncio_link *link = scheduler->tasks.next; link != &scheduler->tasks; link = link->next) {
        char line[LINE_SIZE];
        struct text text = {.buffer = line, .size = sizeof line};

        add_line(&text, LIST_ENTRY(link, struct asyncio__task, all));
        asyncio__log(ASYNCIO_LOG_ERROR, "  %s", line);
    }
}

int asyncio_loop_print_tasks(struct asyncio_loop *loop, FILE *file)
{
    struct asyncio__scheduler *scheduler;
    int n = 0;

    if (!loop || !file)
        return -EINVAL;
    if (!asyncio__loop_is_mine(loop))
        return -EXDEV;
    scheduler = loop->front_state;
    if (!scheduler)
        return 0;
    for (struct asyncio_link *link = scheduler->tasks.next; link != &scheduler->tasks; link = link->next, n++) {
        char line[LINE_SIZE];
        struct text text = {.buffer = line, .size = sizeof line};

        add_line(&text, LIST_ENTRY(link, struct asyncio__task, all));
        fprintf(file, "%s\n", line);
    }
    return n;
}

int asyncio_print_tasks(FILE *file)
{
    struct asyncio_loop *loop = asyncio_get_event_loop();

    return loop ? asyncio_loop_print_tasks(loop, file) : -ASYNCIO_ENOLOOP;
}

/* ------------------------------------------------------------------------------------------------------------- Stacks
 *
 * Each frame that keeps a frame pointer begins with a record: where the caller's record is, and where the caller goes
 * on. Code without frame pointers leaves anything in their place, so a step must lead upwards and stay within the
 * stack. */

struct walk {
    void *next;              /* the address that comes next; NULL at the end */
    const uintptr_t *record; /* of its caller; NULL when there is none */
    const char *low, *top;
};

/* A return address as it was before the processor signed it. */
static void *strip(uintptr_t address)
{
#if defined(__aarch64__)
    register uintptr_t x30 __asm__("x30") = address;

    __asm__("hint #7" : "+r"(x30)); /* xpaclri, spelled so that every assembler knows it */
    address = x30;
#endif
    return (void *)address;
}

/* Where a record may lie, above the last one. */
static const uintptr_t *checked(const struct walk *walk, const uintptr_t *record)
{
    const char *at = (const char *)record;

    if (at < walk->low || at > walk->top - 2 * sizeof *record || (uintptr_t)at % sizeof *record != 0)
        return NULL;
    return record > walk->record ? record : NULL;
}

/* Begins at the innermost frame of a suspended task; at no frame at all for any other. */
static void walk_begin(struct walk *walk, const struct asyncio__task *task)
{
    *walk = (struct walk){0};
    if (!task->stack || asyncio__is_done(&task->future) || asyncio__is_current(task))
        return;
    walk->low = task->stack->low;
    walk->top = task->stack->top;
    walk->next = task->coro.pc;
    walk->record = checked(walk, task->coro.fp);
}

/* Frames of foreign code may hold what AddressSanitizer takes for no part of them. */
__attribute__((no_sanitize("address"))) static void *walk_next(struct walk *walk)
{
    const uintptr_t *record = walk->record;
    void *address = walk->next;

    walk->next = NULL;
    if (record) {
        walk->next = strip(record[1]);
        walk->record = checked(walk, (const uintptr_t *)record[0]);
    }
    return address;
}

ssize_t asyncio_task_get_stack(struct asyncio_future *task, void **ret_addresses, size_t n)
{
    struct walk walk;
    size_t count = 0;
    void *address;

    if (!asyncio_is_task(task) || (!ret_addresses && n > 0))
        return -EINVAL;
    walk_begin(&walk, asyncio__task_of(task));
    while (count < n && (address = walk_next(&walk)))
        ret_addresses[count++] = address;
    return (ssize_t)count;
}

int asyncio_task_print_stack(struct asyncio_future *task, size_t limit, FILE *file)
{
    char line[LINE_SIZE];
    struct walk walk;
    void *address;

    if (!asyncio_is_task(task) || !file)
        return -EINVAL;
    asyncio_future_repr(task, line, sizeof line);
    walk_begin(&walk, asyncio__task_of(task));
    fprintf(file, walk.next ? "Stack for %s (most recent call first):\n" : "No stack for %s\n", line);
    for (size_t i = 0; (limit == 0 || i < limit) && (address = walk_next(&walk)); i++) {
        struct text text = {.buffer = line, .size = sizeof line};

        /* The return address may be the next function's first. */
        add_symbol(&text, (const char *)address - 1, true);
        fprintf(file, "  #%zu %s\n", i, line);
    }
    return 0;
}

size_t asyncio_task_stack_used(const struct asyncio_future *task)
{
    const struct asyncio__stack *stack = asyncio_is_task(task) ? const_task_of(task)->stack : NULL;

    return stack ? asyncio__stack_high_water(stack) : 0;
}
