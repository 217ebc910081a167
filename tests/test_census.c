/* test_census.c -- the census of stacks: how much of them tasks have used, and who used most. */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIB ((size_t)1024)

static struct asyncio_event event;

/* Uses so much of the stack, then waits, or not. */
__attribute__((noinline)) static void use(size_t size)
{
    volatile char frame[1024];

    frame[0] = 1;
    if (size > 1024)
        use(size - 1024);
    frame[1] = frame[0];
}

static int use_and_end(void *arg)
{
    use(*(size_t *)arg);
    return 0;
}

static int use_and_wait(void *arg)
{
    use(*(size_t *)arg);
    return asyncio_event_wait(&event);
}

static void run_one(asyncio_coro *fn, size_t size, const char *name)
{
    struct asyncio_future *task = asyncio_create_task(fn, &size, .name = name);

    ASYNCIO_IGNORE(asyncio_await(task));
    asyncio_future_unref(task);
}

static struct asyncio_stack_census census(void)
{
    struct asyncio_stack_census census = {.size = sizeof census};

    EXPECT_INT(asyncio_loop_get_stack_census(asyncio_get_running_loop(), &census), 0);
    return census;
}

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static int ended_main(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_stack_census it;

    (void)arg;
    run_one(use_and_end, 100 * KIB, "before"); /* its stack is used again */
    EXPECT_INT(asyncio_loop_set_stack_census(loop, true), 0);
    EXPECT_INT(census().n_tasks, 0);
    for (int i = 0; i < 10; i++)
        run_one(use_and_end, 1, "little");
    it = census();
    EXPECT_INT(it.n_tasks, 10);
    EXPECT(it.most > 0 && it.most <= 16 * KIB);
    EXPECT_INT(it.most % page_size(), 0);
    run_one(use_and_end, 60 * KIB, "much");
    run_one(use_and_end, 1, "little again");
    it = census();
    EXPECT_INT(it.n_tasks, 12);
    EXPECT_STR(it.most_name, "much");
    EXPECT(it.coro == use_and_end);
    EXPECT(it.source && strstr(it.source, "test_census.c"));
    EXPECT(it.most >= 60 * KIB && it.most <= 128 * KIB);
    EXPECT_INT(it.most_of, 192 * KIB);
    EXPECT_INT(it.n_in_class[4] + it.n_in_class[5], 1);

    EXPECT_INT(asyncio_loop_set_stack_census(loop, false), 0);
    run_one(use_and_end, 150 * KIB, "after");
    EXPECT_INT(census().n_tasks, 12);
    EXPECT_STR(census().most_name, "much");
    EXPECT_INT(asyncio_loop_set_stack_census(loop, true), 0);
    EXPECT_INT(census().n_tasks, 0);
    EXPECT_STR(census().most_name, "");
    return 0;
}

TEST_NO_SWEEP(ended_tasks, "each task is counted with what it used itself, whoever was on its stack before",
              "without the task there is no stack")
{
    EXPECT_INT(run(ended_main, NULL), 0);
}

/* The text of the census, to be freed. */
static char *printed(int (*print)(struct asyncio_loop *loop, FILE *file))
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    EXPECT(print(asyncio_get_running_loop(), file) >= 0);
    fclose(file);
    return text;
}

static int living_main(void *arg)
{
    size_t little = 1, much = 60 * KIB;
    struct asyncio_future *tasks[2];
    char *text;

    (void)arg;
    asyncio_event_clear(&event);
    EXPECT_INT(asyncio_loop_set_stack_census(asyncio_get_running_loop(), true), 0);
    tasks[0] = asyncio_create_task(use_and_wait, &little, .name = "little");
    tasks[1] = asyncio_create_task(use_and_wait, &much, .name = "much", .stack_size = 1024 * KIB);
    EXPECT_INT(asyncio_sleep(0), 0);
    EXPECT_INT(census().n_tasks, 2);
    EXPECT_STR(census().most_name, "much");
    EXPECT_INT(census().most_of, 960 * KIB);
    EXPECT_INT(census().n_tasks, 2); /* asking counts nobody twice */

    text = printed(asyncio_loop_print_tasks);
    EXPECT(strstr(text, "much (task #3): waiting for"));
    EXPECT(strstr(text, " of 960 KiB of stack used; made at "));
    EXPECT(strstr(text, " of 192 KiB of stack used; made at "));
    free(text);
    text = printed(asyncio_loop_print_stack_census);
    EXPECT(strstr(text, "stacks of 2 tasks: at most "));
    EXPECT(strstr(text, " of 960 KiB were used, by 'much' (created at "));
    EXPECT(strstr(text, " KiB: 1\n"));
    free(text);
    asyncio_event_set(&event);
    for (int i = 0; i < 2; i++) {
        EXPECT_INT(asyncio_await(tasks[i]), 0);
        asyncio_future_unref(tasks[i]);
    }
    EXPECT_INT(census().n_tasks, 2);
    EXPECT_INT(asyncio_loop_set_stack_census(asyncio_get_running_loop(), false), 0);
    text = printed(asyncio_loop_print_tasks);
    EXPECT(!strstr(text, "of stack used"));
    free(text);
    return 0;
}

TEST_NO_SWEEP(living_tasks,
              "those that live are counted with what they have used so far, large stacks too; print_tasks says it",
              "without the task there is no stack")
{
    EXPECT_INT(run(living_main, NULL), 0);
}

TEST(misuse, "without a loop, a size or a file it is -EINVAL; a loop without tasks has used nothing")
{
    struct asyncio_stack_census it = {.size = sizeof it, .n_tasks = 5};
    struct asyncio_loop *loop = NULL;

    EXPECT_INT(asyncio_loop_set_stack_census(NULL, true), -EINVAL);
    EXPECT_INT(asyncio_loop_get_stack_census(NULL, &it), -EINVAL);
    EXPECT_INT(asyncio_loop_print_stack_census(NULL, stderr), -EINVAL);
    EXPECT_INT(new_loop(&loop), 0);
    if (!loop)
        return;
    EXPECT_INT(asyncio_loop_get_stack_census(loop, NULL), -EINVAL);
    it.size = 0;
    EXPECT_INT(asyncio_loop_get_stack_census(loop, &it), -EINVAL);
    EXPECT_INT(asyncio_loop_print_stack_census(loop, NULL), -EINVAL);
    it.size = offsetof(struct asyncio_stack_census, most);
    it.most = 7;
    EXPECT_INT(asyncio_loop_get_stack_census(loop, &it), 0);
    EXPECT_INT(it.n_tasks, 0);
    EXPECT_INT(it.most, 7); /* an older program's structure ends before it */
    EXPECT_INT(asyncio_loop_set_stack_census(loop, true), 0);
    EXPECT_INT(asyncio_loop_close(loop), 0);
    EXPECT_INT(asyncio_loop_set_stack_census(loop, true), -ASYNCIO_ECLOSED);
    asyncio_loop_unref(loop);
}
