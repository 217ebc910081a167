/* test_graph.c -- futures and tasks in words, lists of tasks, stacks of suspended tasks. */
#include "crew.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct asyncio_event event;
static struct asyncio_lock lock;

/* A description that is valid until the next one. */
static const char *repr(const struct asyncio_future *future)
{
    static char buffer[1024];

    asyncio_future_repr(future, buffer, sizeof buffer);
    return buffer;
}

static void expect_in(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        FAIL("'%s' is not in '%s'", part, text ? text : "NULL");
}

static void expect_not_in(const char *text, const char *part)
{
    if (text && strstr(text, part))
        FAIL("'%s' is in '%s'", part, text);
}

static int wait_for_event(void *arg)
{
    (void)arg;
    return asyncio_event_wait(&event);
}

static int return_it(void *arg)
{
    return number_of(arg);
}

static int await_it(void *arg)
{
    return asyncio_await(arg);
}

/* --------------------------------------------------------------------------------------------------------- Futures */

static int repr_of_futures(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_future *future = asyncio_loop_create_future(loop);
    char small[8];

    (void)arg;
    EXPECT_STR(repr(future), "<Future pending>");
    EXPECT_INT(asyncio_future_repr(future, small, sizeof small), (int)strlen("<Future pending>"));
    EXPECT_STR(small, "<Future");
    EXPECT_INT(asyncio_future_repr(future, NULL, 0), (int)strlen("<Future pending>"));
    asyncio_future_set_result(future, 5, NULL);
    EXPECT_STR(repr(future), "<Future finished result=5>");
    asyncio_future_unref(future);

    future = asyncio_loop_create_future(loop);
    asyncio_future_set_exception(future, -ASYNCIO_EQUEUEFULL);
    EXPECT_STR(repr(future), "<Future finished exception=ASYNCIO_EQUEUEFULL>");
    asyncio_future_exception(future);
    asyncio_future_unref(future);

    future = asyncio_loop_create_future(loop);
    asyncio_future_cancel(future);
    EXPECT_STR(repr(future), "<Future cancelled>");
    asyncio_future_unref(future);
    EXPECT_STR(repr(NULL), "NULL");
    return 0;
}

TEST(repr_futures, "T-13: a future in words: its state, its outcome; cut to size, with the length that it would have")
{
    EXPECT_INT(run(repr_of_futures, NULL), 0);
}

TEST(repr_without_a_loop, "T-13: a failed creation is described too")
{
    struct asyncio_future *future = asyncio_create_task(return_it, number(0));

    EXPECT_STR(repr(future), "<Future finished exception=ASYNCIO_ENOLOOP>");
    asyncio_future_unref(future);
}

static void nothing(struct asyncio_future *future, void *arg)
{
    (void)future;
    (void)arg;
}

static int repr_of_callbacks(void *arg)
{
    struct asyncio_future *future = asyncio_loop_create_future(asyncio_get_running_loop());

    (void)arg;
    spawn(await_it, future, "A");
    turns(1);
    EXPECT_STR(repr(future), "<Future pending cb=[resume A]>");
    asyncio_future_add_done_callback(future, nothing, NULL);
    EXPECT_STR(repr(future), "<Future pending cb=[resume A, callback]>");
    spawn(await_it, future, "B");
    spawn(await_it, future, "C");
    turns(1);
    EXPECT_STR(repr(future), "<Future pending cb=[resume A, <2 more>, resume C]>");
    asyncio_future_set_result(future, 0, NULL);
    everybody();
    asyncio_future_unref(future);
    return 0;
}

TEST(repr_callbacks, "T-13: the first and the last of those who wait for a future")
{
    EXPECT_INT(play(repr_of_callbacks), 0);
}

static int repr_of_tasks(void *arg)
{
    struct asyncio_future *waiter = spawn(wait_for_event, NULL, "waiter"), *child, *parent;
    struct asyncio_future *anonymous = asyncio_create_task(return_it, number(3));

    (void)arg;
    expect_in(repr(waiter), "<Task pending name='waiter' coro=<");
    expect_in(repr(waiter), "crew.h:");
    expect_not_in(repr(waiter), "wait_for");
    turns(1);
    expect_in(repr(waiter), " wait_for=<event>>");
    expect_in(repr(anonymous), "<Task finished name='Task-");
    expect_in(repr(anonymous), " at ../../");
    expect_in(repr(anonymous), "test_graph.c:");
    expect_in(repr(anonymous), "> result=3>");
    asyncio_future_unref(anonymous);

    child = spawn(wait_for_event, NULL, "child");
    parent = spawn(await_it, child, "parent");
    turns(1);
    expect_in(repr(parent), " wait_for=<Task pending name='child' coro=<");
    expect_in(repr(parent), " wait_for=<event> cb=[resume parent]>>");
    asyncio_event_set(&event);
    asyncio_future_cancel(child);
    expect_in(repr(child), "<Task cancelling name='child'");
    expect_not_in(repr(child), "wait_for");
    everybody();
    expect_in(repr(child), "<Task cancelled name='child'");
    return 0;
}

TEST_NO_SWEEP(repr_tasks,
              "T-13: a task in words: name, function, where made, what it waits for; 'cancelling' until it is done",
              "it is about texts")
{
    EXPECT_INT(play(repr_of_tasks), 0);
}

static int repr_of_a_chain(void *arg)
{
    struct asyncio_future *task = spawn(wait_for_event, NULL, "last");
    char name[16], small[100];
    int length;

    (void)arg;
    for (int i = 20; i > 0; i--) {
        snprintf(name, sizeof name, "link-%d", i);
        task = spawn(await_it, task, name);
    }
    turns(2);
    expect_in(repr(task), "link-1'");
    expect_in(repr(task), "link-4'");
    expect_in(repr(task), "<Task pending name='link-5' ...>");
    expect_not_in(repr(task), "link-6");
    expect_not_in(repr(task), "last");
    length = asyncio_future_repr(task, small, sizeof small);
    EXPECT_INT(length, (int)strlen(repr(task)));
    EXPECT_INT(strlen(small), sizeof small - 1);
    asyncio_event_set(&event);
    everybody();
    return 0;
}

TEST_NO_SWEEP(repr_chain, "T-13 #60: of a long chain of tasks the first few are named", "it is about texts")
{
    EXPECT_INT(play(repr_of_a_chain), 0);
}

static struct asyncio_future *circle[3];

static int await_next(void *arg)
{
    return asyncio_await(circle[(number_of(arg) + 1) % 3]);
}

static int repr_of_a_circle(void *arg)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    (void)arg;
    circle[0] = spawn(await_next, number(0), "A");
    circle[1] = spawn(await_next, number(1), "B");
    circle[2] = spawn(await_next, number(2), "C");
    turns(2);
    expect_in(repr(circle[0]), "name='A'");
    expect_in(repr(circle[0]), "<Task pending name='B' ...>");
    EXPECT_INT(asyncio_print_tasks(file), 4);
    fclose(file);
    expect_in(text, "): waiting for task C (task #");
    free(text);
    return asyncio_await(circle[0]);
}

TEST_NO_SWEEP(graph_circle, "#60 F-11: tasks that wait for one another in a circle are printed, reported and cancelled",
              "it is about texts")
{
    const char *log;

    EXPECT_INT(play(repr_of_a_circle), -EDEADLK);
    log = captured_log();
    expect_in(log, "ERROR: dead lock");
    expect_in(log, "ERROR:   A (task #");
    expect_in(log, "): waiting for task A (task #");
    expect_in(log, "ERROR:   C (task #");
}

/* -------------------------------------------------------------------------------------------------- Lists of tasks */

static int await_shielded(void *arg)
{
    return asyncio_shield(arg);
}

static int sleep_long(void *arg)
{
    (void)arg;
    return asyncio_sleep(2.5);
}

static int take_lock(void *arg)
{
    int r = asyncio_lock_acquire(&lock);

    (void)arg;
    return r < 0 ? r : asyncio_lock_release(&lock);
}

static int print_all(void *arg)
{
    struct asyncio_future *future = asyncio_loop_create_future(asyncio_get_running_loop()), *task;
    char *text = NULL, expected[64];
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    (void)arg;
    asyncio_task_set_name(asyncio_current_task(), "main");
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
    spawn(sleep_long, NULL, "sleeper");
    spawn(take_lock, NULL, "locker");
    task = spawn(await_it, future, "awaiter");
    spawn(await_shielded, task, "shielded");
    turns(2);
    spawn(return_it, number(0), "newcomer");
    asyncio_future_cancel(crew[0]);
    EXPECT_INT(asyncio_print_tasks(file), 6);
    fclose(file);
    expect_in(text, "main (task #");
    expect_in(text, "): running");
    expect_in(text, "sleeper (task #");
    expect_in(text, "): cancelling, ready; made at ");
    expect_in(text, "): waiting for lock held by task #");
    expect_in(text, "): waiting for future; made at ");
    expect_in(text, "): waiting for future, shielded: task awaiter (task #");
    expect_in(text, "newcomer (task #");
    expect_in(text, "): not started; made at ");
    expect_in(text, "crew.h:");
    snprintf(expected, sizeof expected, "\nlocker (task #");
    expect_in(text, expected);
    free(text);
    asyncio_future_set_result(future, 0, NULL);
    EXPECT_INT(asyncio_lock_release(&lock), 0);
    everybody();
    asyncio_future_unref(future);
    return 0;
}

TEST_NO_SWEEP(print_tasks, "F-11: a line for each task: name, state, what it waits for and who has it, where made",
              "it is about texts")
{
    EXPECT_INT(play(print_all), 0);
    EXPECT_INT(asyncio_print_tasks(stderr), -ASYNCIO_ENOLOOP);
    EXPECT_INT(asyncio_loop_print_tasks(NULL, stderr), -EINVAL);
}

static int wait_for_ever(void *arg)
{
    struct asyncio_event never = ASYNCIO_EVENT_INIT;

    (void)arg;
    never.name = "never";
    spawn(await_it, asyncio_current_task(), "friend");
    return asyncio_event_wait(&never);
}

TEST_NO_SWEEP(dead_lock_report, "F-11: the report of a dead lock has a message for each task, however many there are",
              "it is about texts")
{
    const char *log;

    EXPECT_INT(play(wait_for_ever), -EDEADLK);
    log = captured_log();
    expect_in(log, "ERROR: dead lock: every task waits");
    expect_in(log, ": waiting for event 'never'; made at ");
    expect_in(log, "ERROR:   friend (task #");
    expect_in(log, "): waiting for task Task-");
}

static int stubborn(void *arg)
{
    (void)arg;
    while (asyncio_sleep(1) != 0 || asyncio_loop_time(asyncio_get_running_loop()) < 10)
        ;
    return 0;
}

static int leave_stubborn(void *arg)
{
    (void)arg;
    asyncio_future_unref(asyncio_create_task(stubborn, NULL, .name = "mule"));
    turns(1);
    return 0;
}

TEST_NO_SWEEP(stubborn_report,
              "D-16: a task that ignores its cancel beyond the deadline is named, with what it waits for",
              "the task is left behind")
{
    struct asyncio_loop *loop;
    struct asyncio_runner runner;

    asyncio_runner_init(&runner, .loop_factory = new_loop, .teardown_timeout = 3);
    EXPECT_INT(asyncio_runner_run(&runner, leave_stubborn, NULL), 0);
    EXPECT_INT(asyncio_runner_get_loop(&runner, &loop), 0);
    EXPECT_INT(asyncio_runner_close(&runner), -EBUSY);
    expect_in(captured_log(), "ERROR:   mule (task #");
    /* Until it has ended. */
    for (int i = 0; i < 5; i++)
        ASYNCIO_IGNORE(asyncio_loop_run_until_complete(loop, sleep_long, NULL));
    EXPECT_INT(asyncio_loop_close(loop), 0);
    asyncio_loop_unref(loop);
}

/* ---------------------------------------------------------------------------------------------------------- Stacks */

__attribute__((noinline)) static int deep(int levels)
{
    volatile char frame[64];
    int r;

    frame[0] = (char)levels;
    r = levels > 0 ? deep(levels - 1) : asyncio_event_wait(&event);
    return r + frame[0] - levels;
}

static int go_deep(void *arg)
{
    return deep(number_of(arg));
}

/* How many of these addresses lie in a function, as far as one can know. */
static int count_in(void *const *addresses, ssize_t n, int (*function)(int))
{
    uintptr_t start = (uintptr_t)function;
    int count = 0;

    for (ssize_t i = 0; i < n; i++)
        count += (uintptr_t)addresses[i] > start && (uintptr_t)addresses[i] < start + 1024;
    return count;
}

static int walk_stacks(void *arg)
{
    struct asyncio_future *task = spawn(go_deep, number(10), "deep"), *future;
    void *addresses[64];
    ssize_t n;

    (void)arg;
    EXPECT_INT(asyncio_task_get_stack(task, addresses, 64), 0);
    turns(1);
    n = asyncio_task_get_stack(task, addresses, 64);
    EXPECT(n >= 14);
    EXPECT(count_in(addresses, n, deep) >= 11);
    EXPECT_INT(asyncio_task_get_stack(task, addresses, 3), 3);
    EXPECT_INT(asyncio_task_get_stack(task, NULL, 0), 0);
    EXPECT_INT(asyncio_task_get_stack(asyncio_current_task(), addresses, 64), 0);
    future = asyncio_loop_create_future(asyncio_get_running_loop());
    EXPECT_INT(asyncio_task_get_stack(future, addresses, 64), -EINVAL);
    EXPECT_INT(asyncio_task_get_stack(task, NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_task_get_stack(NULL, addresses, 1), -EINVAL);
    asyncio_future_unref(future);
    asyncio_event_set(&event);
    everybody();
    EXPECT_INT(asyncio_task_get_stack(task, addresses, 64), 0);
    return 0;
}

TEST_NO_SWEEP(stack_of_a_task, "T-12: the stack of a suspended task to its outermost frame; none of any other",
              "without the task there is no stack")
{
    EXPECT_INT(play(walk_stacks), 0);
}

static int print_stacks(void *arg)
{
    struct asyncio_future *task = spawn(go_deep, number(3), "deep"), *future;
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    (void)arg;
    EXPECT_INT(asyncio_task_print_stack(task, 0, file), 0);
    fflush(file);
    expect_in(text, "No stack for <Task pending name='deep'");
    turns(1);
    rewind(file);
    EXPECT_INT(asyncio_task_print_stack(task, 0, file), 0);
    fflush(file);
    expect_in(text, "Stack for <Task pending name='deep'");
    expect_in(text, "(most recent call first):\n  #0 ");
    expect_in(text, "\n  #6 ");
    rewind(file);
    EXPECT_INT(asyncio_task_print_stack(task, 2, file), 0);
    fclose(file);
    expect_in(text, "\n  #1 ");
    expect_not_in(text, "\n  #2 ");
    free(text);
    EXPECT_INT(asyncio_task_print_stack(task, 2, NULL), -EINVAL);
    future = asyncio_loop_create_future(asyncio_get_running_loop());
    EXPECT_INT(asyncio_task_print_stack(future, 0, stderr), -EINVAL);
    asyncio_future_unref(future);
    asyncio_event_set(&event);
    everybody();
    return 0;
}

TEST_NO_SWEEP(stack_in_words, "T-12: a stack is printed a frame a line, or said not to be there", "it is about texts")
{
    EXPECT_INT(play(print_stacks), 0);
}

/* Calls function(arg) with a frame pointer that is none, as code that uses that register for something else does. */
int call_with_frame_pointer(uintptr_t value, int (*function)(void *arg), void *arg);

__asm__(".text\n"
        ".globl call_with_frame_pointer\n"
        ".type call_with_frame_pointer, %function\n"
        "call_with_frame_pointer:\n"
#if defined(__x86_64__)
        "endbr64\n"
        "pushq %rbp\n"
        "movq %rdi, %rbp\n"
        "movq %rdx, %rdi\n"
        "callq *%rsi\n"
        "popq %rbp\n"
#else
        "hint #34\n"
        "stp x29, x30, [sp, #-16]!\n"
        "mov x29, x0\n"
        "mov x0, x2\n"
        "blr x1\n"
        "ldp x29, x30, [sp], #16\n"
#endif
        "ret\n"
        ".size call_with_frame_pointer, . - call_with_frame_pointer\n");

static uintptr_t strange_pointer;

static int lose_frame_pointer(void *arg)
{
    return call_with_frame_pointer(strange_pointer, wait_for_event, arg);
}

static int walk_strange_stacks(void *arg)
{
    static const uintptr_t strange[] = {0, 1, 8, 0x1000, UINTPTR_MAX, UINTPTR_MAX - 7, UINTPTR_MAX / 2 + 1};
    void *addresses[64];
    char here[16];

    (void)arg;
    for (size_t i = 0; i < sizeof strange / sizeof strange[0] + 2; i++) {
        struct asyncio_future *task;

        if (i < sizeof strange / sizeof strange[0])
            strange_pointer = strange[i];
        else
            strange_pointer = i % 2 ? (uintptr_t)here : (uintptr_t)&event;
        asyncio_event_clear(&event);
        task = asyncio_create_task(lose_frame_pointer, NULL);
        turns(1);
        EXPECT(asyncio_task_get_stack(task, addresses, 64) >= 2);
        EXPECT(asyncio_task_get_stack(task, addresses, 64) < 20);
        asyncio_event_set(&event);
        EXPECT_INT(asyncio_await(task), 0);
        asyncio_future_unref(task);
    }
    return 0;
}

TEST_NO_SWEEP(stack_without_frame_pointers, "T-12: the walk ends where a frame pointer leads out of the stack or down",
              "without the task there is no stack")
{
    EXPECT_INT(run(walk_strange_stacks, NULL), 0);
}

static int use_much(void *arg)
{
    volatile char much[64 * 1024];

    (void)arg;
    for (size_t i = 0; i < sizeof much; i += 512)
        much[i] = 1;
    return asyncio_event_wait(&event) + much[0] - 1;
}

static int measure_stacks(void *arg)
{
    struct asyncio_future *little = spawn(wait_for_event, NULL, "little"), *much = spawn(use_much, NULL, "much");
    struct asyncio_future *future = asyncio_loop_create_future(asyncio_get_running_loop());
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    (void)arg;
    EXPECT_INT(asyncio_task_stack_used(little), 0);
    turns(1);
    EXPECT(asyncio_task_stack_used(little) >= page);
    EXPECT_INT(asyncio_task_stack_used(little) % page, 0);
    EXPECT(asyncio_task_stack_used(much) >= 64 * 1024);
    EXPECT(asyncio_task_stack_used(much) <= 256 * 1024);
    EXPECT_INT(asyncio_task_stack_used(future), 0);
    EXPECT_INT(asyncio_task_stack_used(NULL), 0);
    asyncio_future_unref(future);
    asyncio_event_set(&event);
    everybody();
    EXPECT_INT(asyncio_task_stack_used(much), 0);
    return 0;
}

TEST_NO_SWEEP(stack_used, "T-12: how much of its stack a task has touched", "without the task there is no stack")
{
    EXPECT_INT(play(measure_stacks), 0);
}
