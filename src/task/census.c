/* census.c -- how much of their stacks tasks use.
 *
 * Which pages of a stack were ever touched is known to the kernel, so nothing has to be written to a stack or looked
 * for in it. But stacks are used again with the pages that others have touched; so a task that is to be counted begins
 * on a stack whose pages were given back, and shares it with no successor. Without a census nothing of this happens. */
#include "task.h"

#include <stdio.h>

#define KIB ((size_t)1024)

/* The most that tasks of a class use; the last one is for all that use more than those before. */
static size_t limit_of_class(size_t number)
{
    return 4 * KIB << number;
}

static size_t class_of(size_t used)
{
    size_t number = 0;

    while (number + 1 < ASYNCIO_STACK_CLASSES && used > limit_of_class(number))
        number++;
    return number;
}

static bool is_counted(const struct asyncio__scheduler *scheduler, const struct asyncio__task *task)
{
    return task->stack && task->number > scheduler->census_since;
}

static void count(struct asyncio_stack_census *census, const struct asyncio__task *task)
{
    size_t used = asyncio__stack_high_water(task->stack);

    census->n_tasks++;
    census->n_in_class[class_of(used)]++;
    if (used <= census->most)
        return;
    census->most = used;
    census->most_of = asyncio__stack_size(task->stack);
    census->coro = task->fn;
    census->source = task->future.source;
    snprintf(census->most_name, sizeof census->most_name, "%s", asyncio_task_get_name(&task->future));
}

void asyncio__census_begin(struct asyncio__task *task)
{
    asyncio__stack_cool(task->stack);
}

void asyncio__census_end(struct asyncio__task *task)
{
    struct asyncio__scheduler *scheduler = task->future.scheduler;

    if (is_counted(scheduler, task))
        count(&scheduler->census, task);
}

int asyncio_loop_set_stack_census(struct asyncio_loop *loop, bool enabled)
{
    struct asyncio__scheduler *scheduler;
    int r = asyncio__loop_check(loop);

    if (r < 0)
        return r;
    if (!asyncio__loop_is_mine(loop))
        return -EXDEV;
    scheduler = asyncio__scheduler_of(loop);
    if (!scheduler)
        return -ENOMEM;
    scheduler->takes_census = enabled;
    if (enabled) {
        scheduler->census = (struct asyncio_stack_census){.n_tasks = 0};
        scheduler->census_since = scheduler->last_number;
    }
    return 0;
}

/* With the tasks that live. */
static int take(struct asyncio_loop *loop, struct asyncio_stack_census *ret_census)
{
    struct asyncio__scheduler *scheduler;

    if (!loop)
        return -EINVAL;
    if (!asyncio__loop_is_mine(loop))
        return -EXDEV;
    *ret_census = (struct asyncio_stack_census){.n_tasks = 0};
    scheduler = loop->front_state;
    if (!scheduler)
        return 0;
    *ret_census = scheduler->census;
    if (!scheduler->takes_census)
        return 0;
    for (struct asyncio_link *link = scheduler->tasks.next; link != &scheduler->tasks; link = link->next) {
        const struct asyncio__task *task = LIST_ENTRY(link, struct asyncio__task, all);

        if (is_counted(scheduler, task))
            count(ret_census, task);
    }
    return 0;
}

int asyncio_loop_get_stack_census(struct asyncio_loop *loop, struct asyncio_stack_census *ret_census)
{
    struct asyncio_stack_census census;
    int r;

    if (!ret_census || ret_census->size < offsetof(struct asyncio_stack_census, n_tasks))
        return -EINVAL;
    r = take(loop, &census);
    if (r < 0)
        return r;
    census.size = ret_census->size;
    memcpy(ret_census, &census, min_size(census.size, sizeof census));
    return 0;
}

int asyncio_loop_print_stack_census(struct asyncio_loop *loop, FILE *file)
{
    struct asyncio_stack_census census;
    int r = file ? take(loop, &census) : -EINVAL;

    if (r < 0)
        return r;
    fprintf(file, "stacks of %zu tasks", census.n_tasks);
    if (census.n_tasks > 0)
        fprintf(file, ": at most %zu of %zu KiB were used, by '%s'", census.most / KIB, census.most_of / KIB,
                census.most_name);
    fprintf(file, census.source ? " (created at %s)\n" : "\n", census.source);
    for (size_t i = 0; i < ASYNCIO_STACK_CLASSES; i++)
        if (census.n_in_class[i] > 0)
            fprintf(file, "  %s %zu KiB: %zu\n", i + 1 < ASYNCIO_STACK_CLASSES ? "up to" : "more than",
                    limit_of_class(i + 1 < ASYNCIO_STACK_CLASSES ? i : i - 1) / KIB, census.n_in_class[i]);
    return 0;
}
