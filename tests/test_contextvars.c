/* test_contextvars.c -- values that follow the flow of control through tasks, callbacks and scopes. */
#include "crew.h"

#include <pthread.h>
#include <string.h>

static struct asyncio_contextvar colour = {.name = "colour"};
static struct asyncio_contextvar size = {.name = "size"};

/* A literal as an argument. */
static void *text(const char *literal)
{
    return (void *)(uintptr_t)literal;
}

static const char *get(void)
{
    return asyncio_contextvar_get(&colour, text("none"));
}

static void set(const char *value)
{
    EXPECT_INT(asyncio_contextvar_set(&colour, text(value), NULL), 0);
}

static void say(void *arg)
{
    trace("%s: %s", (const char *)arg, get());
}

/* Says what it finds, sets it to its argument, waits, and says it again. */
static int paint(void *arg)
{
    trace("%s finds %s", me(), get());
    set(arg);
    turns(1);
    trace("%s has %s", me(), get());
    return 0;
}

/* ------------------------------------------------------------------------------------------------- get, set, reset */

static int sets_and_resets(void *arg)
{
    struct asyncio_contextvar_token first = {0}, second = {0}, third = {0}, unused = {0};

    (void)arg;
    EXPECT_PTR(asyncio_contextvar_get(&colour, NULL), NULL);
    EXPECT_STR(get(), "none");
    EXPECT_INT(asyncio_contextvar_set(&colour, text("red"), &first), 0);
    EXPECT_INT(asyncio_contextvar_set(&size, text("large"), NULL), 0);
    EXPECT_INT(asyncio_contextvar_set(&colour, text("green"), &second), 0);
    EXPECT_STR(get(), "green");
    EXPECT_INT(asyncio_contextvar_reset(&second), 0);
    EXPECT_STR(get(), "red");
    EXPECT_INT(asyncio_contextvar_reset(&second), -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(asyncio_contextvar_reset(&first), 0);
    EXPECT_STR(get(), "none");
    EXPECT_STR(asyncio_contextvar_get(&size, NULL), "large");
    EXPECT_INT(asyncio_contextvar_reset(&unused), -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(asyncio_contextvar_reset(NULL), -EINVAL);
    EXPECT_INT(asyncio_contextvar_set(NULL, NULL, NULL), -EINVAL);
    EXPECT_INT(asyncio_contextvar_set(&colour, text("blue"), &third), 0);
    asyncio_contextvar_token_fini(&third);
    asyncio_contextvar_token_fini(&third);
    asyncio_contextvar_token_fini(&second);
    asyncio_contextvar_token_fini(&first);
    EXPECT_STR(get(), "blue");
    return 0;
}

TEST(variables_set_and_reset, "X-01 X-02: a fallback, values, and tokens that undo a set once, one variable at a time")
{
    EXPECT_INT(run(sets_and_resets, NULL), 0);
    EXPECT_PTR(asyncio_contextvar_get(&colour, NULL), NULL);
}

static int reset_elsewhere(void *arg)
{
    return asyncio_contextvar_reset(arg);
}

static int resets_elsewhere(void *arg)
{
    struct asyncio_contextvar_token token = {0};
    struct asyncio_context *copy;

    (void)arg;
    EXPECT_INT(asyncio_contextvar_set(&colour, text("red"), &token), 0);
    EXPECT_INT(asyncio_await(spawn(reset_elsewhere, &token, NULL)), -EINVAL);
    copy = asyncio_copy_context();
    EXPECT_INT(asyncio_context_run(copy, reset_elsewhere, &token), -EINVAL);
    asyncio_context_unref(copy);
    EXPECT_STR(get(), "red");
    EXPECT_INT(asyncio_contextvar_reset(&token), 0);
    return 0;
}

TEST(token_of_another_context, "X-02: a token is good in the context of its set only")
{
    EXPECT_INT(play(resets_elsewhere), 0);
}

/* A value that counts who holds it. */
static int n_held;

static void *hold(void *value)
{
    n_held++;
    return value;
}

static void let_go(void *value)
{
    (void)value;
    n_held--;
}

static struct asyncio_contextvar counted = {.name = "counted", .ref = hold, .unref = let_go};

static int set_counted(void *arg)
{
    EXPECT_INT(asyncio_contextvar_set(&counted, arg, NULL), 0);
    return asyncio_sleep(1);
}

static int counts(void *arg)
{
    struct asyncio_contextvar_token token = {0};

    EXPECT_INT(asyncio_contextvar_set(&counted, arg, &token), 0);
    EXPECT(n_held > 0);
    EXPECT_INT(asyncio_await(spawn(set_counted, arg, NULL)), 0);
    spawn(set_counted, arg, NULL);
    turns(1);
    cancel(crew[1]);
    everybody();
    EXPECT_INT(asyncio_contextvar_reset(&token), 0);
    return 0;
}

TEST(values_are_counted, "X-02: every reference to a value that contexts take is given back")
{
    EXPECT_INT(run(counts, &colour), 0);
    dismiss_crew();
    EXPECT_INT(n_held, 0);
}

/* Freeing one makes another. */
static void let_go_and_set(void *value)
{
    int *left = value;

    n_held--;
    if ((*left)-- > 0)
        ASYNCIO_IGNORE(asyncio_contextvar_set(&colour, text("late"), NULL));
}

static struct asyncio_contextvar lingering = {.name = "lingering", .ref = hold, .unref = let_go_and_set};

static void *sets_in_a_thread(void *arg)
{
    ASYNCIO_IGNORE(asyncio_contextvar_set(&counted, &colour, NULL));
    ASYNCIO_IGNORE(asyncio_contextvar_set(&lingering, arg, NULL));
    return NULL;
}

TEST(threads_end_with_their_context, "X-02: what a thread sets outside of any task goes with the thread")
{
    int left[3] = {1, 1, 1};

    for (int i = 0; i < 3; i++) {
        pthread_t thread;

        EXPECT_INT(pthread_create(&thread, NULL, sets_in_a_thread, &left[i]), 0);
        pthread_join(thread, NULL);
    }
    EXPECT_INT(n_held, 0);
}

/* ----------------------------------------------------------------------------------------------------------- Tasks */

static int tasks_copy(void *arg)
{
    (void)arg;
    set("red");
    spawn(paint, text("green"), "a");
    set("blue");
    spawn(paint, text("grey"), "b");
    set("white");
    everybody();
    trace("main has %s", get());
    return 0;
}

TEST(tasks_copy_the_context, "X-02: at their creation; what they set is theirs alone")
{
    EXPECT_INT(play(tasks_copy), 0);
    EXPECT_TRACE("[0.000] a finds red\n"
                 "[0.000] b finds blue\n"
                 "[0.000] a has green\n"
                 "[0.000] b has grey\n"
                 "[0.000] main has white\n");
}

static int paint_here(void *arg)
{
    set(arg);
    return 0;
}

static int tasks_share(void *arg)
{
    struct asyncio_context *context = asyncio_copy_context();

    (void)arg;
    crew[crew_size++] = asyncio_create_task(paint, text("green"), .name = "a", .context = context);
    crew[crew_size++] = asyncio_create_task(paint, text("grey"), .name = "b", .context = context);
    everybody();
    trace("main has %s", get());
    EXPECT_INT(asyncio_context_run(context, paint_here, text("black")), 0);
    asyncio_context_unref(context);
    return 0;
}

TEST(tasks_share_a_context, "X-02: one that is given is used as it is, by several too")
{
    EXPECT_INT(play(tasks_share), 0);
    EXPECT_TRACE("[0.000] a finds none\n"
                 "[0.000] b finds green\n"
                 "[0.000] a has grey\n"
                 "[0.000] b has grey\n"
                 "[0.000] main has none\n");
}

static int plain_calls(void *arg)
{
    struct asyncio_timeout scope;

    (void)arg;
    EXPECT_INT(paint_here(text("red")), 0);
    EXPECT_STR(get(), "red");
    EXPECT_INT(asyncio_wait_for(paint_here, text("green"), 1), 0);
    EXPECT_STR(get(), "green");
    EXPECT_INT(asyncio_timeout_enter(&scope, 1), 0);
    set("blue");
    EXPECT_INT(asyncio_timeout_exit(&scope, asyncio_sleep(5)), -ETIMEDOUT);
    EXPECT_STR(get(), "blue");
    return 0;
}

TEST(calls_stay_in_the_context, "X-05: calls, wait_for and time-outs are in the caller's context")
{
    EXPECT_INT(run(plain_calls, NULL), 0);
}

static int asks_task(void *arg)
{
    struct asyncio_future *task = spawn(paint, text("green"), "a");
    struct asyncio_context *context, *again;

    (void)arg;
    context = asyncio_task_get_context(task);
    EXPECT_INT(asyncio_context_run(context, paint_here, text("red")), 0);
    turns(1);
    again = asyncio_task_get_context(task);
    EXPECT_PTR(context, again);
    everybody();
    asyncio_context_unref(context);
    asyncio_context_unref(again);
    return 0;
}

TEST(the_context_of_a_task,
     "X-02 T-12: is one and the same whenever it is asked for, and what is set in it the task finds")
{
    EXPECT_INT(play(asks_task), 0);
    EXPECT_TRACE("[0.000] a finds red\n[0.000] a has green\n");
}

/* ------------------------------------------------------------------------------------------------------- Callbacks */

static int callbacks_capture(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_context *context;

    (void)arg;
    set("red");
    EXPECT_INT(asyncio_loop_call_soon(loop, say, text("soon")), 0);
    EXPECT_INT(asyncio_loop_call_later(loop, 1, say, text("later")), 0);
    EXPECT_INT(asyncio_loop_call_at(loop, 2, say, text("at")), 0);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, say, text("threadsafe")), 0);
    context = asyncio_copy_context();
    set("green");
    EXPECT_INT(asyncio_loop_call_later(loop, 3, say, text("given"), .context = context), 0);
    EXPECT_INT(asyncio_context_run(context, paint_here, text("blue")), 0);
    EXPECT_INT(asyncio_sleep(5), 0);
    asyncio_context_unref(context);
    return 0;
}

TEST(callbacks_capture_the_context,
     "X-01: call_soon, call_later, call_at and threadsafe, at registration; or run in a given one")
{
    EXPECT_INT(run(callbacks_capture, NULL), 0);
    EXPECT(strstr(transcript(), "[0.000] soon: red\n"));
    EXPECT(strstr(transcript(), "[0.000] threadsafe: red\n"));
    EXPECT(strstr(transcript(), "[1.000] later: red\n[2.000] at: red\n[3.000] given: blue\n"));
    trace_clear();
}

static void set_in_callback(void *arg)
{
    set(arg);
    say(text("callback"));
}

static int callbacks_leak_nothing(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    (void)arg;
    set("red");
    EXPECT_INT(asyncio_loop_call_soon(loop, set_in_callback, text("green")), 0);
    EXPECT_INT(asyncio_loop_call_soon(loop, say, text("next")), 0);
    turns(1);
    say(text("main"));
    return 0;
}

TEST(callbacks_leak_nothing, "X-01: what a callback sets is its own")
{
    EXPECT_INT(run(callbacks_leak_nothing, NULL), 0);
    EXPECT_TRACE("[0.000] callback: green\n[0.000] next: red\n[0.000] main: red\n");
}

/* ------------------------------------------------------------------------------------------------------------- run */

static int run_again(void *arg)
{
    return asyncio_context_run(arg, paint_here, text("x"));
}

static int context_runs(void *arg)
{
    struct asyncio_context *context, *own;

    (void)arg;
    set("red");
    context = asyncio_copy_context();
    EXPECT_INT(asyncio_context_run(context, run_again, context), -EBUSY);
    EXPECT_INT(asyncio_context_run(context, paint_here, text("green")), 0);
    EXPECT_STR(get(), "red");
    own = asyncio_task_get_context(asyncio_current_task());
    EXPECT_INT(asyncio_context_run(own, paint_here, text("green")), -EBUSY);
    EXPECT_INT(asyncio_context_run(NULL, paint_here, NULL), -EINVAL);
    EXPECT_INT(asyncio_context_run(context, NULL, NULL), -EINVAL);
    EXPECT_PTR(asyncio_context_ref(NULL), NULL);
    EXPECT_PTR(asyncio_context_unref(NULL), NULL);
    asyncio_context_unref(own);
    asyncio_context_unref(context);
    return 0;
}

TEST(context_run, "X-02: calls a function in a context, which nobody may be in already")
{
    EXPECT_INT(run(context_runs, NULL), 0);
}

/* Outside of any loop. */
static int runs_a_loop(void *arg)
{
    set(arg);
    EXPECT_INT(run(paint, text("green")), 0);
    EXPECT_STR(get(), "red");
    return 0;
}

TEST(contexts_outside_of_a_loop,
     "X-02 X-03: main starts with a copy of the context that run was called in, and leaves that alone")
{
    struct asyncio_context *context = asyncio_copy_context();

    EXPECT_INT(asyncio_context_run(context, runs_a_loop, text("red")), 0);
    EXPECT(strstr(transcript(), "finds red"));
    asyncio_context_unref(context);
    trace_clear();
}
