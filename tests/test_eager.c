/* test_eager.c -- tasks that run up to their first wait before their creation returns. */
#include "crew.h"

#include <pthread.h>
#include <string.h>

static struct asyncio_contextvar colour = {.name = "colour"};
static struct asyncio_future *self_seen;
static int n_freed;

/* A literal as an argument. */
static void *text(const char *literal)
{
    return (void *)(uintptr_t)literal;
}

static void count_free(void *arg)
{
    (void)arg;
    n_freed++;
}

static int give(void *arg)
{
    self_seen = asyncio_current_task();
    trace("%s runs", me());
    return number_of(arg);
}

static int give_later(void *arg)
{
    int r;

    trace("%s begins", me());
    r = asyncio_sleep(1);
    trace("%s: %s", me(), said(r));
    return r < 0 ? r : number_of(arg);
}

static struct asyncio_future *eager(asyncio_coro *fn, void *arg, const char *name)
{
    return asyncio_create_task(fn, arg, .name = name, .eager_start = true);
}

static int ends_at_once(void *arg)
{
    struct asyncio_future *task = eager(give, number(5), "eager");

    (void)arg;
    trace("created");
    EXPECT(asyncio_future_done(task));
    EXPECT_PTR(self_seen, task);
    EXPECT_INT(asyncio_await(task), 5);
    EXPECT(asyncio_task_get_coro(task) == NULL);
    EXPECT_INT(asyncio_all_tasks(NULL, 0), 1);
    asyncio_future_unref(task);
    return 0;
}

TEST(eager_task_that_never_waits, "T-14 #46: is done when its creation returns, and on no list of tasks")
{
    EXPECT_INT(run(ends_at_once, NULL), 0);
    EXPECT_TRACE("[0.000] eager runs\n[0.000] created\n");
}

static int waits_later(void *arg)
{
    struct asyncio_future *task = eager(give_later, number(5), "eager");

    (void)arg;
    trace("created");
    EXPECT(!asyncio_future_done(task));
    EXPECT(asyncio_task_get_coro(task) == give_later);
    EXPECT_INT(asyncio_all_tasks(NULL, 0), 2);
    EXPECT_INT(asyncio_await(task), 5);
    asyncio_future_unref(task);
    return 0;
}

TEST(eager_task_that_waits,
     "T-14: comes back to its creator at the first wait and is a task like any other from then on")
{
    EXPECT_INT(run(waits_later, NULL), 0);
    EXPECT_TRACE("[0.000] eager begins\n[0.000] created\n[1.000] eager: 0\n");
}

static int eager_then_usual(void *arg)
{
    (void)arg;
    spawn(give, NULL, "usual");
    asyncio_future_unref(eager(give, NULL, "eager"));
    turns(1);
    return 0;
}

TEST(eager_before_what_is_ready, "T-14 T-01: an eager task overtakes those that were created before it")
{
    EXPECT_INT(play(eager_then_usual), 0);
    EXPECT_TRACE("[0.000] eager runs\n[0.000] usual runs\n");
}

static int fails_at_once(void *arg)
{
    struct asyncio_future *task = eager(give, number(-EIO), "failing");
    struct asyncio_future *cancelled = eager(give, number(-ECANCELED), "cancelled");

    (void)arg;
    EXPECT_INT(asyncio_future_result(task), -EIO);
    EXPECT(asyncio_future_cancelled(cancelled));
    asyncio_future_unref(task);
    asyncio_future_unref(cancelled);
    asyncio_future_unref(eager(give, number(-EIO), "lost"));
    return asyncio_sleep(0);
}

TEST(eager_task_that_fails, "T-14 F-08: its error is kept for whoever asks, and reported when nobody does")
{
    EXPECT_INT(run(fails_at_once, NULL), 0);
    EXPECT_LOG("Task exception was never retrieved");
    trace_clear();
}

/* Creates an eager task of its own, so many levels deep. */
static int nest(void *arg)
{
    struct asyncio_future *self = asyncio_current_task(), *inner;
    int r;

    if (number_of(arg) == 0)
        return give_later(number(1));
    inner = eager(nest, number(number_of(arg) - 1), number_of(arg) == 1 ? "inner" : "middle");
    EXPECT_PTR(asyncio_current_task(), self);
    trace("%s created it", me());
    r = asyncio_await(inner);
    asyncio_future_unref(inner);
    return r < 0 ? r : r + 1;
}

static int nests(void *arg)
{
    (void)arg;
    return nest(number(2));
}

TEST(eager_tasks_nest, "T-14 T-16: the current task is the creator again when the creation returns")
{
    EXPECT_INT(asyncio_run(nests, NULL, .loop_factory = new_loop), 3);
    EXPECT(strstr(transcript(), "inner begins"));
    trace_clear();
}

static int sleep_zero_eagerly(void *arg)
{
    trace("%s 1", me());
    EXPECT_INT(asyncio_sleep(0), 0);
    trace("%s 2", me());
    return number_of(arg);
}

static int yields_eagerly(void *arg)
{
    struct asyncio_future *task = eager(sleep_zero_eagerly, NULL, "eager");

    (void)arg;
    trace("main 1");
    turns(1);
    trace("main 2");
    EXPECT(asyncio_future_done(task));
    asyncio_future_unref(task);
    return 0;
}

TEST(eager_task_that_yields, "T-14 C-01: a bare yield is a wait")
{
    EXPECT_INT(run(yields_eagerly, NULL), 0);
    EXPECT_TRACE("[0.000] eager 1\n[0.000] main 1\n[0.000] eager 2\n[0.000] main 2\n");
}

static void creates_from_callback(void *arg)
{
    struct asyncio_future *task = eager(give_later, NULL, "eager");

    EXPECT_PTR(asyncio_current_task(), NULL);
    trace("callback");
    *(struct asyncio_future **)arg = task;
}

static int uses_callback(void *arg)
{
    static struct asyncio_future *task;

    (void)arg;
    EXPECT_INT(asyncio_loop_call_soon(asyncio_get_running_loop(), creates_from_callback, &task), 0);
    turns(1);
    EXPECT_INT(asyncio_await(task), 0);
    asyncio_future_unref(task);
    return 0;
}

TEST(eager_task_of_a_callback, "T-14: a plain callback may create one, too")
{
    EXPECT_INT(run(uses_callback, NULL), 0);
    EXPECT_TRACE("[0.000] eager begins\n[0.000] callback\n[1.000] eager: 0\n");
}

TEST(eager_task_of_a_loop_that_does_not_run, "T-14: starts in the usual way")
{
    struct asyncio_loop *loop;
    struct asyncio_future *task;

    EXPECT_INT(new_loop(&loop), 0);
    task = asyncio_loop_create_task(loop, give, number(2), .name = "eager", .eager_start = true);
    EXPECT_TRACE("");
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, task), 2);
    EXPECT_TRACE("[0.000] eager runs\n");
    asyncio_future_unref(task);
    close_loop(loop);
}

static int paint(void *arg)
{
    EXPECT_INT(asyncio_contextvar_set(&colour, arg, NULL), 0);
    EXPECT_INT(asyncio_sleep(0), 0);
    trace("inside %s", (const char *)asyncio_contextvar_get(&colour, text("none")));
    return 0;
}

static int paints(void *arg)
{
    struct asyncio_context *context = asyncio_copy_context();
    struct asyncio_future *copied, *given;

    (void)arg;
    EXPECT_INT(asyncio_contextvar_set(&colour, text("blue"), NULL), 0);
    copied = eager(paint, text("red"), NULL);
    trace("outside %s", (const char *)asyncio_contextvar_get(&colour, text("none")));
    given = asyncio_create_task(paint, text("green"), .eager_start = true, .context = context);
    trace("outside %s", (const char *)asyncio_contextvar_get(&colour, text("none")));
    EXPECT_INT(asyncio_await(copied), 0);
    EXPECT_INT(asyncio_await(given), 0);
    asyncio_future_unref(copied);
    asyncio_future_unref(given);
    asyncio_context_unref(context);
    return 0;
}

TEST(eager_task_has_its_own_context, "T-14 X-02: what its first step sets is not seen by the creator")
{
    EXPECT_INT(run(paints, NULL), 0);
    EXPECT_TRACE("[0.000] outside blue\n[0.000] outside blue\n[0.000] inside red\n[0.000] inside green\n");
}

static int enters_again(void *arg)
{
    struct asyncio_context *context = arg;
    struct asyncio_future *task;

    task = asyncio_create_task(give, NULL, .eager_start = true, .context = context, .free_arg = count_free);
    EXPECT_INT(asyncio_future_result(task), -EBUSY);
    EXPECT_INT(n_freed, 1);
    asyncio_future_unref(task);
    return 0;
}

static int enters_twice(void *arg)
{
    struct asyncio_context *context = asyncio_copy_context();
    struct asyncio_future *self = asyncio_current_task();

    (void)arg;
    EXPECT_INT(asyncio_context_run(context, enters_again, context), 0);
    EXPECT_PTR(asyncio_current_task(), self);
    asyncio_context_unref(context);
    EXPECT_INT(asyncio_sleep(1), 0);
    return 0;
}

TEST(eager_start_in_an_entered_context, "T-14 X-02 #45: is a clean error, and the current task is what it was")
{
    EXPECT_INT(run(enters_twice, NULL), 0);
    EXPECT_TRACE("");
}

static int is_cancelled(void *arg)
{
    struct asyncio_future *task = eager(give_later, NULL, "eager"), *done = eager(give, NULL, "done");

    (void)arg;
    EXPECT_INT(asyncio_future_cancel(done), 0);
    EXPECT_INT(asyncio_future_cancel(task), 1);
    EXPECT_INT(asyncio_await(task), -ECANCELED);
    asyncio_future_unref(task);
    asyncio_future_unref(done);
    return 0;
}

TEST(eager_task_is_cancelled, "T-14 T-06: at its first wait it has started, so that it meets the cancel")
{
    EXPECT_INT(run(is_cancelled, NULL), 0);
    EXPECT_TRACE("[0.000] eager begins\n[0.000] done runs\n[0.000] eager: -ECANCELED\n");
}

static int cancels_creator(void *arg)
{
    EXPECT_INT(asyncio_future_cancel(arg), 1);
    return 0;
}

static int cancelled_by_child(void *arg)
{
    (void)arg;
    asyncio_future_unref(eager(cancels_creator, asyncio_current_task(), "eager"));
    trace("goes on");
    EXPECT_INT(asyncio_sleep(1), -ECANCELED);
    return 0;
}

TEST(eager_task_cancels_its_creator, "T-14 T-07: which is running, and meets it at its next wait")
{
    EXPECT_INT(run(cancelled_by_child, NULL), 0);
    EXPECT_TRACE("[0.000] goes on\n");
}

static int eager_factory(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_future *tasks[3], *all;
    int results[3] = {0};

    (void)arg;
    EXPECT_INT(asyncio_loop_set_task_factory(loop, asyncio_eager_task_factory), 0);
    for (int i = 0; i < 3; i++)
        tasks[i] = asyncio_create_task(give, number(i), .name = "eager");
    all = asyncio_gather_future(tasks, 3, results);
    EXPECT(asyncio_future_done(all));
    EXPECT_INT(asyncio_await(all), 0);
    EXPECT_INT(results[2], 2);
    asyncio_future_unref(all);
    for (int i = 0; i < 3; i++)
        asyncio_future_unref(tasks[i]);
    return 0;
}

TEST(eager_task_factory, "T-14 T-15 C-02: makes every task eager; a gathering of tasks that are done is done at once")
{
    EXPECT_INT(run(eager_factory, NULL), 0);
    EXPECT_TRACE("[0.000] eager runs\n[0.000] eager runs\n[0.000] eager runs\n");
}

#define DEEPEST 5
static int n_leaves;

/* Each opens a group with two more of its kind, all eager. */
static int branch(void *arg)
{
    struct asyncio_taskgroup group = {0};

    if (number_of(arg) == 0) {
        n_leaves++;
        return number_of(arg) % 2 ? asyncio_sleep(1) : 0;
    }
    EXPECT_INT(asyncio_taskgroup_enter(&group), 0);
    for (int i = 0; i < 2; i++)
        asyncio_taskgroup_create_task(&group, branch, number(number_of(arg) - 1), .eager_start = true);
    return asyncio_taskgroup_exit(&group, 0);
}

TEST(eager_tasks_in_groups_in_tasks, "T-14 C-16: groups of eager tasks that open groups of eager tasks")
{
    EXPECT_INT(run(branch, number(DEEPEST)), 0);
    EXPECT_INT(n_leaves, 1 << DEEPEST);
}

/* --------------------------------------------------------------------------------------------------------- Threads */

static struct asyncio_loop *loop_of_main;

static void *create_in_thread(void *arg)
{
    struct asyncio_future *task =
        asyncio_loop_create_task(loop_of_main, give, NULL, .eager_start = true, .free_arg = count_free);

    *(int *)arg = asyncio_future_result(task);
    return NULL;
}

static int creates_elsewhere(void *arg)
{
    pthread_t thread;
    int result = 0;

    (void)arg;
    loop_of_main = asyncio_get_running_loop();
    EXPECT_INT(pthread_create(&thread, NULL, create_in_thread, &result), 0);
    pthread_join(thread, NULL);
    EXPECT_INT(result, -EXDEV);
    EXPECT_INT(n_freed, 1);
    return 0;
}

TEST_REAL(eager_start_from_another_thread, "T-14 #57: is refused, whatever the mode")
{
    EXPECT_INT(run(creates_elsewhere, NULL), 0);
}
