/* test_misuse.c -- wrong states, wrong threads, wrong places, NULL and numbers that are none: each has its error, and
 * nothing is lost. What is refused by one function alone stands in that function's own test. */
#include "crew.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

static struct asyncio_future *shared;
static struct asyncio_lock lock;
static struct asyncio_event event;
static struct asyncio_condition condition;
static struct asyncio_semaphore semaphore = ASYNCIO_SEMAPHORE_INIT(0);
static struct asyncio_barrier barrier = ASYNCIO_BARRIER_INIT(2);
static struct asyncio_queue queue = ASYNCIO_QUEUE_INIT(1);
static struct asyncio_as_completed iteration;

static int give(void *arg)
{
    return number_of(arg);
}

static void callback(void *arg)
{
    (void)arg;
}

/* ----------------------------------------------------------------------------------------------- Outside of a task */

static int bad_await(void)
{
    return asyncio_await(shared);
}
static int bad_shield(void)
{
    return asyncio_shield(shared);
}
static int bad_cancel_and_wait(void)
{
    return asyncio_cancel_and_wait(shared);
}
static int bad_sleep(void)
{
    return asyncio_sleep(1);
}
static int bad_yield(void)
{
    return asyncio_sleep(0);
}
static int bad_gather(void)
{
    return asyncio_gather(&shared, 1, NULL);
}
static int bad_wait(void)
{
    return asyncio_wait(&shared, 1, 1, ASYNCIO_ALL_COMPLETED);
}
static int bad_wait_for(void)
{
    return asyncio_wait_for(give, NULL, 1);
}
static int bad_wait_for_zero(void)
{
    return asyncio_wait_for(give, NULL, 0);
}
static int bad_wait_for_future(void)
{
    return asyncio_wait_for_future(shared, 1);
}
static int bad_lock(void)
{
    return asyncio_lock_acquire(&lock);
}
static int bad_event(void)
{
    return asyncio_event_wait(&event);
}
static int bad_condition(void)
{
    return asyncio_condition_acquire(&condition);
}
static int bad_semaphore(void)
{
    return asyncio_semaphore_acquire(&semaphore);
}
static int bad_barrier(void)
{
    return asyncio_barrier_wait(&barrier);
}
static int bad_join(void)
{
    return asyncio_queue_join(&queue);
}
static int bad_wait_fd(void)
{
    return asyncio_wait_fd(0, ASYNCIO_READABLE);
}
static int bad_to_thread(void)
{
    return asyncio_to_thread(give, NULL);
}

static int bad_as_completed(void)
{
    struct asyncio_future *next;

    return asyncio_as_completed_next(&iteration, &next);
}

static int bad_get(void)
{
    void *item;

    return asyncio_queue_get(&queue, &item);
}

static int bad_select(void)
{
    struct asyncio_case cases[] = {ASYNCIO_ON_TIME(1)};

    return asyncio_select(cases, 1);
}

static int bad_timeout(void)
{
    struct asyncio_timeout scope;

    return asyncio_timeout_enter(&scope, 1);
}

static int bad_group(void)
{
    struct asyncio_taskgroup group = {0};

    EXPECT_INT(asyncio_taskgroup_exit(&group, 0), -ASYNCIO_ENOTASK);
    return asyncio_taskgroup_enter(&group);
}

static int bad_op(void)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_READ, .fd = 0};

    return (int)asyncio_op_await(&op);
}

static const struct {
    const char *name;
    int (*call)(void);
} waits[] = {
    {"await", bad_await},
    {"shield", bad_shield},
    {"cancel_and_wait", bad_cancel_and_wait},
    {"sleep", bad_sleep},
    {"yield", bad_yield},
    {"gather", bad_gather},
    {"wait", bad_wait},
    {"wait_for", bad_wait_for},
    {"wait_for 0", bad_wait_for_zero},
    {"wait_for_future", bad_wait_for_future},
    {"as_completed", bad_as_completed},
    {"lock", bad_lock},
    {"event", bad_event},
    {"condition", bad_condition},
    {"semaphore", bad_semaphore},
    {"barrier", bad_barrier},
    {"queue get", bad_get},
    {"queue join", bad_join},
    {"select", bad_select},
    {"timeout", bad_timeout},
    {"task group", bad_group},
    {"wait_fd", bad_wait_fd},
    {"to_thread", bad_to_thread},
    {"operation", bad_op},
};

static void wait_in_callback(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        int r = waits[i].call();

        if (r != -ASYNCIO_ENOTASK)
            FAIL("%s in no task: %s", waits[i].name, said(r));
    }
    EXPECT(!shared || !asyncio_future_done(shared));
}

TEST(waiting_outside_of_a_task,
     "T-16 C-11 C-16: every call that may wait says so, outside of a loop and in a plain callback, and has no effect")
{
    struct asyncio_loop *loop;

    EXPECT_INT(new_loop(&loop), 0);
    if (!loop)
        return;
    shared = asyncio_loop_create_future(loop);
    /* Something to wait for, so that nothing is answered at once. */
    EXPECT_INT(asyncio_queue_put_nowait(&queue, &queue), 0);
    EXPECT_INT(asyncio_as_completed(&iteration, &shared, 1, ASYNCIO_FOREVER), 0);
    wait_in_callback(NULL);
    EXPECT_INT(asyncio_loop_call_soon(loop, wait_in_callback, NULL), 0);
    asyncio_loop_stop(loop);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    asyncio_as_completed_fini(&iteration);
    asyncio_future_unref(shared);
    EXPECT_INT(asyncio_queue_qsize(&queue), 1);
    asyncio_queue_fini(&queue);
    close_loop(loop);
}

/* ------------------------------------------------------------------------------------------------------------ NULL */

static int uses_null(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_future *task;
    char line[20];

    (void)arg;
    EXPECT_INT(asyncio_await(NULL), -EINVAL);
    EXPECT_INT(asyncio_shield(NULL), -EINVAL);
    EXPECT_INT(asyncio_cancel_and_wait(NULL), -EINVAL);
    EXPECT_INT(asyncio_future_cancel(NULL), -EINVAL);
    EXPECT_INT(asyncio_future_cancel_with(NULL, "x"), -EINVAL);
    EXPECT_INT(asyncio_future_result(NULL), -EINVAL);
    EXPECT_INT(asyncio_future_exception(NULL), -EINVAL);
    EXPECT_INT(asyncio_future_set_result(NULL, 0, NULL), -EINVAL);
    EXPECT_INT(asyncio_future_set_exception(NULL, -EIO), -EINVAL);
    EXPECT_INT(asyncio_future_add_done_callback(NULL, NULL, NULL), -EINVAL);
    EXPECT_INT(asyncio_future_remove_done_callback(NULL, NULL, NULL), -EINVAL);
    EXPECT(!asyncio_future_done(NULL) && !asyncio_future_cancelled(NULL) && !asyncio_is_task(NULL));
    EXPECT_PTR(asyncio_future_pointer(NULL), NULL);
    EXPECT_PTR(asyncio_future_get_loop(NULL), NULL);
    EXPECT_PTR(asyncio_future_ref(NULL), NULL);
    EXPECT_PTR(asyncio_future_unref(NULL), NULL);
    EXPECT(asyncio_future_repr(NULL, line, sizeof line) > 0);
    EXPECT_STR(asyncio_task_get_name(NULL), "");
    EXPECT_INT(asyncio_task_set_name(NULL, "x"), -EINVAL);
    EXPECT(asyncio_task_get_coro(NULL) == NULL);
    EXPECT_PTR(asyncio_task_get_context(NULL), NULL);
    EXPECT_INT(asyncio_task_get_stack(NULL, NULL, 0), -EINVAL);
    EXPECT_INT(asyncio_task_print_stack(NULL, 0, stderr), -EINVAL);
    EXPECT_INT(asyncio_task_stack_used(NULL), 0);
    EXPECT_INT(asyncio_loop_all_tasks(NULL, NULL, 0), -EINVAL);
    task = asyncio_loop_create_task(NULL, give, NULL);
    EXPECT_INT(asyncio_future_result(task), -EINVAL);
    EXPECT_INT(asyncio_await(asyncio_gather_future(NULL, 1, NULL)), -EINVAL);
    EXPECT_INT(asyncio_loop_call_soon(NULL, callback, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_call_soon(loop, NULL, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_call_later(NULL, 1, callback, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_call_later(loop, 1, NULL, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_call_at(NULL, 1, callback, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(NULL, callback, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, NULL, NULL), -EINVAL);
    asyncio_handle_cancel(NULL);
    EXPECT(!asyncio_handle_cancelled(NULL));
    EXPECT(isnan(asyncio_handle_when(NULL)));
    EXPECT_PTR(asyncio_handle_unref(NULL), NULL);
    return 0;
}

TEST(null_is_refused, "F-02 T-10 R-11: by every call, with an error, inside a task")
{
    EXPECT_INT(run(uses_null, NULL), 0);
}

TEST(null_loops_are_refused, "R-08 R-09 R-11 R-12: by every call")
{
    EXPECT_INT(asyncio_new_event_loop(NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_run_forever(NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_run_until_complete(NULL, give, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_run_until_complete_future(NULL, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_close(NULL), -EINVAL);
    EXPECT(!asyncio_loop_is_running(NULL) && asyncio_loop_is_closed(NULL));
    EXPECT_DOUBLE(asyncio_loop_time(NULL), 0);
    asyncio_loop_stop(NULL);
    asyncio_loop_hold(NULL);
    asyncio_loop_release(NULL);
    asyncio_loop_set_debug(NULL, true);
    EXPECT(!asyncio_loop_get_debug(NULL));
    EXPECT_PTR(asyncio_loop_ref(NULL), NULL);
    EXPECT_PTR(asyncio_loop_unref(NULL), NULL);
    EXPECT_INT(asyncio_runner_init(NULL), -EINVAL);
    EXPECT_INT(asyncio_runner_run(NULL, give, NULL), -EINVAL);
    EXPECT_INT(asyncio_runner_close(NULL), -EINVAL);
    EXPECT_INT(asyncio_runner_get_loop(NULL, NULL), -EINVAL);
    EXPECT_STR(asyncio_loop_backend(NULL), "");
    EXPECT_STR(asyncio_loop_backend_reason(NULL), "");
    EXPECT_STR(asyncio_loop_stack_guard(NULL), "");
    asyncio_loop_set_exception_handler(NULL, NULL, NULL);
    asyncio_loop_call_exception_handler(NULL, NULL);
}

/* --------------------------------------------------------------------------------------------------------- Numbers */

static int uses_numbers(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_handle *handle = NULL;
    struct asyncio_future *task;
    const double never[] = {ASYNCIO_FOREVER, 1e300, 1e18, 1e11};

    (void)arg;
    EXPECT_INT(asyncio_sleep(-ASYNCIO_FOREVER), 0);
    EXPECT_INT(asyncio_sleep(-0.0), 0);
    EXPECT_INT(asyncio_sleep(5e-324), 0);
    EXPECT_INT(asyncio_sleep(NAN), -EINVAL);
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        EXPECT_INT(asyncio_loop_call_later(loop, never[i], callback, NULL, .ret_handle = &handle), 0);
        asyncio_handle_cancel(handle);
        handle = asyncio_handle_unref(handle);
        EXPECT_INT(asyncio_wait_for(give, number(3), never[i]), 3);
        task = asyncio_create_task(give, number(4));
        EXPECT_INT(asyncio_wait(&task, 1, never[i], ASYNCIO_ALL_COMPLETED), 1);
        asyncio_future_unref(task);
    }
    EXPECT_INT(asyncio_loop_call_later(loop, NAN, callback, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_call_at(loop, NAN, callback, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_call_later(loop, -ASYNCIO_FOREVER, callback, NULL), 0);
    EXPECT_INT(asyncio_loop_call_at(loop, -1e300, callback, NULL), 0);
    EXPECT_INT(asyncio_loop_set_slow_callback_duration(loop, NAN), -EINVAL);
    EXPECT_INT(asyncio_loop_set_slow_callback_duration(NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_loop_set_poll_interval(loop, 0), -EINVAL);
    EXPECT_INT(asyncio_loop_set_poll_interval(loop, UINT32_MAX), -EINVAL);
    return asyncio_sleep(1);
}

TEST(numbers_at_their_ends, "C-01 D-02 EV-14: infinite, huge, tiny, negative and NaN")
{
    EXPECT_INT(run(uses_numbers, NULL), 0);
}

static int uses_stack_sizes(void *arg)
{
    const size_t impossible[] = {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX - 65535, (size_t)1 << 60};
    struct asyncio_future *task;

    (void)arg;
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
        task = asyncio_create_task(give, number(1), .stack_size = impossible[i]);
        EXPECT_INT(asyncio_await(task), -ENOMEM);
        asyncio_future_unref(task);
    }
    for (size_t small = 1; small < 5000; small *= 17) {
        task = asyncio_create_task(give, number(1), .stack_size = small);
        EXPECT_INT(asyncio_await(task), 1);
        asyncio_future_unref(task);
    }
    return 0;
}

TEST(stack_sizes_at_their_ends,
     "T-01 T-05: one that cannot be had ends the task with -ENOMEM, one that is too small is made larger")
{
    EXPECT_INT(run(uses_stack_sizes, NULL), 0);
}

/* --------------------------------------------------------------------------------------------------- Wrong threads */

struct elsewhere {
    struct asyncio_loop *loop;
    int call_soon, call_later, run, all_tasks, close, create;
};

static void *act_elsewhere(void *arg)
{
    struct elsewhere *here = arg;
    struct asyncio_future *task = asyncio_loop_create_task(here->loop, give, NULL);

    here->create = asyncio_future_done(task) ? asyncio_future_result(task) : 0;
    here->call_soon = asyncio_loop_call_soon(here->loop, callback, NULL);
    here->call_later = asyncio_loop_call_later(here->loop, 1, callback, NULL);
    here->run = asyncio_loop_run_forever(here->loop);
    here->all_tasks = (int)asyncio_loop_all_tasks(here->loop, NULL, 0);
    here->close = asyncio_loop_close(here->loop);
    return NULL;
}

static int lets_others_act(void *arg)
{
    struct elsewhere *there = arg;
    pthread_t thread;

    there->loop = asyncio_get_running_loop();
    EXPECT_INT(pthread_create(&thread, NULL, act_elsewhere, there), 0);
    pthread_join(thread, NULL);
    return 0;
}

TEST_REAL(a_running_loop_used_from_another_thread,
          "R-08 R-11 T-17 EV-17: is refused, in debug mode for the cheap calls too, with advice")
{
    struct elsewhere there = {0};

    EXPECT_INT(asyncio_run(lets_others_act, &there, .loop_factory = new_loop, .debug = true), 0);
    EXPECT_INT(there.create, -EXDEV);
    EXPECT_INT(there.call_soon, -EXDEV);
    EXPECT_INT(there.call_later, -EXDEV);
    EXPECT_INT(there.run, -ASYNCIO_ERUNNING);
    EXPECT_INT(there.all_tasks, -EXDEV);
    EXPECT_INT(there.close, -ASYNCIO_ERUNNING);
    EXPECT(strstr(captured_log(), "asyncio_loop_call_soon_threadsafe"));
}

static int sleep_a_little(void *arg)
{
    (void)arg;
    return asyncio_sleep(0.001);
}

static void *run_elsewhere(void *arg)
{
    struct elsewhere *here = arg;

    here->run = asyncio_loop_run_forever(here->loop);
    return NULL;
}

TEST_REAL(a_loop_with_tasks_in_another_thread,
          "R-08: a loop with suspended tasks belongs to its thread; an idle one may move")
{
    struct elsewhere there = {0};
    struct asyncio_future *task;
    pthread_t thread;

    EXPECT_INT(new_loop(&there.loop), 0);
    task = asyncio_loop_create_task(there.loop, sleep_a_little, NULL);
    asyncio_loop_stop(there.loop);
    EXPECT_INT(asyncio_loop_run_forever(there.loop), 0);
    EXPECT_INT(pthread_create(&thread, NULL, run_elsewhere, &there), 0);
    pthread_join(thread, NULL);
    EXPECT_INT(there.run, -EXDEV);
    EXPECT_INT(asyncio_loop_run_until_complete_future(there.loop, task), 0);
    asyncio_future_unref(task);
    asyncio_loop_stop(there.loop);
    EXPECT_INT(pthread_create(&thread, NULL, run_elsewhere, &there), 0);
    pthread_join(thread, NULL);
    EXPECT_INT(there.run, 0);
    close_loop(there.loop);
}

/* ----------------------------------------------------------------------------------------------- Arguments' frames */

static int use_later(void *arg)
{
    int r = asyncio_sleep(1);

    return r < 0 ? r : *(int *)arg;
}

static int leaves_child(void *arg)
{
    int value = 7;

    (void)arg;
    asyncio_future_unref(asyncio_create_task(use_later, &value, .name = "child"));
    return asyncio_sleep(0);
}

static int has_parent(void *arg)
{
    struct asyncio_future *parent = asyncio_create_task(leaves_child, arg, .name = "parent");
    int r = asyncio_await(parent);

    asyncio_future_unref(parent);
    return r;
}

TEST_DIES(argument_outlived, SIGABRT, "task 'parent' ends while the argument of task 'child'")
{
    asyncio_run(has_parent, NULL, .loop_factory = new_loop, .debug = true);
}

TEST_DIES(argument_outlived_by_task_without_a_name, SIGABRT, "of task 'child' (made at ")
{
    asyncio_run(leaves_child, NULL, .loop_factory = new_loop, .debug = true);
}

static int joins_child(void *arg)
{
    int value = 7;
    ASYNCIO_JOINED(child) = asyncio_create_task(use_later, &value, .name = "joined");
    struct asyncio_taskgroup group = {0};

    (void)arg;
    EXPECT_INT(asyncio_taskgroup_enter(&group), 0);
    asyncio_taskgroup_create_task(&group, use_later, &value);
    EXPECT_INT(asyncio_taskgroup_exit(&group, asyncio_sleep(0)), 0);
    return 0;
}

TEST(argument_not_outlived,
     "T-02: children that are joined, by a block or a group, may have their argument in the frame, in debug mode too")
{
    EXPECT_INT(asyncio_run(joins_child, NULL, .loop_factory = new_loop, .debug = true), 0);
}

static int looks_at_joined(void *arg)
{
    (void)arg;
    return 0;
}

TEST(joined_outside_of_a_task, "T-02: cannot be waited for, which is said")
{
    struct asyncio_loop *loop;

    EXPECT_INT(new_loop(&loop), 0);
    {
        ASYNCIO_JOINED(task) = asyncio_loop_create_task(loop, looks_at_joined, NULL, .name = "stray");
        EXPECT(!asyncio_future_done(task));
    }
    EXPECT_LOG("'stray' is not joined");
    EXPECT_INT(asyncio_loop_run_until_complete(loop, give, number(1)), 1);
    close_loop(loop);
}
