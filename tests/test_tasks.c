/* test_tasks.c -- the life of a task, from its creation to the report of its error. Cancelling has a file of its own,
 * eager starts too. */
#include "crew.h"

#include <stdlib.h>
#include <string.h>

/* A literal as an argument. */
static void *text(const char *literal)
{
    return (void *)(uintptr_t)literal;
}

static struct asyncio_future *shared_future;
static int n_freed;

static void count_free(void *arg)
{
    (void)arg;
    n_freed++;
}

static int say(void *arg)
{
    trace("%s", (const char *)arg);
    return 0;
}

static void probe(void *arg)
{
    trace("callback %s", (const char *)arg);
}

static void soon(const char *what)
{
    EXPECT_INT(asyncio_loop_call_soon(asyncio_get_running_loop(), probe, text(what)), 0);
}

/* Returns its argument at once. */
static int give(void *arg)
{
    return number_of(arg);
}

/* Returns its argument a turn later. */
static int give_later(void *arg)
{
    int r = asyncio_sleep(0);

    return r < 0 ? r : number_of(arg);
}

/* Waits for the future of this file and says what it got. */
static int await_shared(void *arg)
{
    int r = asyncio_await(shared_future);

    (void)arg;
    trace("%s: %s", me(), said(r));
    return r;
}

static void make_shared(void)
{
    shared_future = asyncio_loop_create_future(asyncio_get_running_loop());
}

/* ----------------------------------------------------------------------------------------------------------- Start */

static int creates_two(void *arg)
{
    (void)arg;
    spawn(say, text("first"), NULL);
    spawn(say, text("second"), NULL);
    trace("created");
    turns(1);
    trace("yielded");
    return 0;
}

TEST(create_task_runs_nothing_yet,
     "T-01: nothing of a task runs before its creator yields; tasks start in order of creation")
{
    EXPECT_INT(play(creates_two), 0);
    EXPECT_TRACE("[0.000] created\n"
                 "[0.000] first\n"
                 "[0.000] second\n"
                 "[0.000] yielded\n");
}

static int creates_child(void *arg)
{
    trace("%s", me());
    if (number_of(arg) > 0)
        spawn(creates_child, number(number_of(arg) - 1), "child");
    return 0;
}

static int creates_nested(void *arg)
{
    (void)arg;
    spawn(creates_child, number(1), "a");
    spawn(creates_child, number(1), "b");
    turns(3);
    return 0;
}

TEST(children_start_in_the_next_turn, "T-01: what a task creates starts behind what was ready before")
{
    EXPECT_INT(play(creates_nested), 0);
    EXPECT_TRACE("[0.000] a\n"
                 "[0.000] b\n"
                 "[0.000] child\n"
                 "[0.000] child\n");
}

TEST(create_task_without_a_loop,
     "T-01: without a running loop the error waits in the future, and the argument is freed")
{
    struct asyncio_future *task = asyncio_create_task(give, NULL, .free_arg = count_free);

    EXPECT(asyncio_future_done(task));
    EXPECT_INT(asyncio_future_result(task), -ASYNCIO_ENOLOOP);
    EXPECT_INT(n_freed, 1);
    EXPECT_PTR(asyncio_future_unref(task), NULL);
}

TEST(loop_create_task_before_the_run, "T-01: a loop that does not run yet takes tasks, which start with the run")
{
    struct asyncio_loop *loop;
    struct asyncio_future *task;

    EXPECT_INT(new_loop(&loop), 0);
    task = asyncio_loop_create_task(loop, say, text("started"));
    EXPECT(!asyncio_future_done(task));
    EXPECT_TRACE("");
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, task), 0);
    EXPECT_TRACE("[0.000] started\n");
    asyncio_future_unref(task);
    close_loop(loop);
}

/* --------------------------------------------------------------------------------------------------------- Latency */

static int sets_between_callbacks(void *arg)
{
    (void)arg;
    make_shared();
    spawn(await_shared, NULL, "waiter");
    turns(1);
    soon("before");
    EXPECT_INT(asyncio_future_set_result(shared_future, 7, NULL), 0);
    soon("after");
    trace("set");
    turns(1);
    trace("next turn");
    asyncio_future_unref(shared_future);
    return 0;
}

TEST(a_result_takes_one_turn, "T-04: a waiter resumes one turn after set_result, in its place among the callbacks")
{
    EXPECT_INT(play(sets_between_callbacks), 0);
    EXPECT_TRACE("[0.000] set\n"
                 "[0.000] callback before\n"
                 "[0.000] waiter: 7\n"
                 "[0.000] callback after\n"
                 "[0.000] next turn\n");
}

static int call_through(void *arg)
{
    return give(arg);
}

static int awaits_done(void *arg)
{
    struct asyncio_future *future = asyncio_loop_create_future(asyncio_get_running_loop());
    struct asyncio_future *task = spawn(give, number(3), NULL);

    (void)arg;
    turns(1);
    EXPECT_INT(asyncio_future_set_result(future, 9, NULL), 0);
    soon("later");
    EXPECT_INT(asyncio_await(future), 9);
    EXPECT_INT(asyncio_await(task), 3);
    EXPECT_INT(call_through(number(4)), 4);
    trace("did not yield");
    turns(1);
    asyncio_future_unref(future);
    return 0;
}

TEST(what_is_done_does_not_yield, "T-04 F-07: awaiting what is done, or calling a coroutine, runs nobody else")
{
    EXPECT_INT(play(awaits_done), 0);
    EXPECT_TRACE("[0.000] did not yield\n"
                 "[0.000] callback later\n");
}

static int alternate(void *arg)
{
    for (int i = 0; i < 3; i++) {
        trace("%s%d", (const char *)arg, i);
        turns(1);
    }
    return 0;
}

static int alternates(void *arg)
{
    (void)arg;
    spawn(alternate, text("a"), NULL);
    spawn(alternate, text("b"), NULL);
    everybody();
    return 0;
}

TEST(sleep_zero_alternates, "C-01: two tasks that yield take turns strictly")
{
    EXPECT_INT(play(alternates), 0);
    EXPECT_TRACE("[0.000] a0\n[0.000] b0\n[0.000] a1\n[0.000] b1\n[0.000] a2\n[0.000] b2\n");
}

/* ----------------------------------------------------------------------------------------------------------- Sleep */

static int sleeps(void *arg)
{
    const double spans[] = {3, 1, 2, 1, 0, -5};

    (void)arg;
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        double before = asyncio_loop_time(asyncio_get_running_loop());

        EXPECT_INT(asyncio_sleep(spans[i]), 0);
        EXPECT_DOUBLE(asyncio_loop_time(asyncio_get_running_loop()) - before, spans[i] > 0 ? spans[i] : 0);
    }
    EXPECT_INT(asyncio_sleep(__builtin_nan("")), -EINVAL);
    return 0;
}

TEST(sleep_spans, "C-01 D-02: sleeps just as long as asked for; not at all for zero and less; NaN is refused")
{
    EXPECT_INT(run(sleeps, NULL), 0);
}

static int sleep_and_say(void *arg)
{
    int r = asyncio_sleep(number_of(arg) / 10.0);

    trace("%s: %s", me(), said(r));
    return r;
}

static int sleeps_beside(void *arg)
{
    (void)arg;
    spawn(sleep_and_say, number(20), "late");
    spawn(sleep_and_say, number(10), "a");
    spawn(sleep_and_say, number(10), "b");
    spawn(sleep_and_say, number(5), "early");
    everybody();
    return 0;
}

TEST(sleepers_wake_in_order, "C-01 D-01: by time, and those of one time as they came")
{
    EXPECT_INT(play(sleeps_beside), 0);
    EXPECT_TRACE("[0.500] early: 0\n"
                 "[1.000] a: 0\n"
                 "[1.000] b: 0\n"
                 "[2.000] late: 0\n");
}

/* ------------------------------------------------------------------------------------------------------------- End */

static int ends(void *arg)
{
    static const struct {
        int returned, result, exception;
        bool cancelled;
    } cases[] = {
        {0, 0, 0, false},
        {5, 5, 0, false},
        {INT32_MAX, INT32_MAX, 0, false},
        {-EIO, -EIO, -EIO, false},
        {-ASYNCIO_EQUEUEFULL, -ASYNCIO_EQUEUEFULL, -ASYNCIO_EQUEUEFULL, false},
        {-ECANCELED, -ECANCELED, -ECANCELED, true},
    };

    (void)arg;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct asyncio_future *task = spawn(give_later, number(cases[i].returned), NULL);

        EXPECT_INT(asyncio_future_result(task), -ASYNCIO_EINVALIDSTATE);
        EXPECT_INT(asyncio_future_exception(task), -ASYNCIO_EINVALIDSTATE);
        EXPECT_INT(asyncio_await(task), cases[i].result);
        EXPECT(asyncio_future_done(task));
        EXPECT_INT(asyncio_future_cancelled(task), cases[i].cancelled);
        EXPECT_INT(asyncio_future_result(task), cases[i].result);
        EXPECT_INT(asyncio_future_exception(task), cases[i].exception);
    }
    return 0;
}

TEST(how_tasks_end, "T-05 T-10: value, error, or cancelled when -ECANCELED leaves the function though nobody asked")
{
    EXPECT_INT(play(ends), 0);
}

static int refuses_results(void *arg)
{
    struct asyncio_future *task = spawn(give, number(1), NULL);

    (void)arg;
    EXPECT_INT(asyncio_future_set_result(task, 2, NULL), -EINVAL);
    EXPECT_INT(asyncio_future_set_exception(task, -EIO), -EINVAL);
    EXPECT_INT(asyncio_await(task), 1);
    return 0;
}

TEST(a_task_sets_its_own_result, "T-10: set_result and set_exception are refused for tasks")
{
    EXPECT_INT(play(refuses_results), 0);
}

static void say_done(struct asyncio_future *future, void *arg)
{
    trace("callback %s: %s", (const char *)arg, said(asyncio_future_result(future)));
}

static int called_back(void *arg)
{
    struct asyncio_future *task = spawn(give_later, number(6), NULL);

    (void)arg;
    EXPECT_INT(asyncio_future_add_done_callback(task, say_done, text("one")), 0);
    EXPECT_INT(asyncio_future_add_done_callback(task, say_done, text("two")), 0);
    EXPECT_INT(asyncio_await(task), 6);
    trace("awaited");
    return 0;
}

TEST(done_callbacks_of_a_task, "T-05 F-03: those who wait and those who are called come in order of registration")
{
    EXPECT_INT(play(called_back), 0);
    EXPECT_TRACE("[0.000] callback one: 6\n"
                 "[0.000] callback two: 6\n"
                 "[0.000] awaited\n");
}

/* ------------------------------------------------------------------------------------------------------- Ownership */

static int drops_reference(void *arg)
{
    (void)arg;
    asyncio_future_unref(asyncio_create_task(sleep_and_say, number(10), .name = "dropped"));
    return asyncio_sleep(2);
}

TEST(the_loop_owns_its_tasks, "D-09 T-02: a task whose reference was dropped runs to its end")
{
    EXPECT_INT(run(drops_reference, NULL), 0);
    EXPECT_TRACE("[1.000] dropped: 0\n");
}

static int drops_failing(void *arg)
{
    (void)arg;
    asyncio_future_unref(asyncio_create_task(give, number(-EIO), .name = "lost"));
    return asyncio_sleep(1);
}

TEST(an_error_that_nobody_saw,
     "T-02 F-08: the error of a task that nobody asked is reported when the last reference goes")
{
    EXPECT_INT(run(drops_failing, NULL), 0);
    EXPECT_LOG("Task exception was never retrieved");
}

static int asks_failing(void *arg)
{
    struct asyncio_future *task = spawn(give, number(-EIO), NULL);
    struct asyncio_future *cancelled = spawn(give, number(-ECANCELED), NULL);

    (void)arg;
    EXPECT_INT(asyncio_await(task), -EIO);
    EXPECT_INT(asyncio_sleep(0), 0);
    EXPECT(asyncio_future_done(cancelled));
    return 0;
}

TEST(an_error_that_somebody_saw, "T-02 F-08: an error that was retrieved, and a cancel, are not reported")
{
    EXPECT_INT(play(asks_failing), 0);
    EXPECT_STR(captured_log(), "");
}

static int frees_arguments(void *arg)
{
    struct asyncio_future *cancelled;

    (void)arg;
    asyncio_future_unref(asyncio_create_task(give, NULL, .free_arg = count_free));
    asyncio_future_unref(asyncio_create_task(give_later, number(1), .free_arg = count_free));
    asyncio_future_unref(asyncio_create_task(give_later, number(-ECANCELED), .free_arg = count_free));
    EXPECT_INT(n_freed, 0);
    turns(3);
    EXPECT_INT(n_freed, 3);
    cancelled = asyncio_create_task(say, text("never"), .free_arg = count_free);
    cancel(cancelled);
    turns(1);
    EXPECT(asyncio_future_cancelled(cancelled));
    EXPECT_INT(n_freed, 4);
    asyncio_future_unref(cancelled);
    EXPECT_INT(asyncio_await(asyncio_create_task(NULL, NULL, .free_arg = count_free)), -EINVAL);
    EXPECT_INT(n_freed, 5);
    return 0;
}

TEST(arguments_are_freed_once, "T-01 D-15: free_arg is called once however the task ends, also when it never started")
{
    EXPECT_INT(run(frees_arguments, NULL), 0);
    EXPECT_INT(n_freed, 5);
    EXPECT_TRACE("");
}

TEST(arguments_are_freed_by_close,
     "T-02 R-11: the close of a loop frees the arguments of tasks that never started, and says so")
{
    struct asyncio_loop *loop;
    struct asyncio_future *task;

    EXPECT_INT(new_loop(&loop), 0);
    task = asyncio_loop_create_task(loop, give, NULL, .free_arg = count_free, .name = "idle");
    close_loop(loop);
    EXPECT_INT(n_freed, 1);
    EXPECT(asyncio_future_cancelled(task));
    asyncio_future_unref(task);
    EXPECT_LOG("Task was destroyed but it is pending!");
}

static struct asyncio_contextvar colour = {.name = "colour"};

static void asks_in_free(void *arg)
{
    trace("free %s: colour %s, %s, sleep %s", (const char *)arg,
          (const char *)asyncio_contextvar_get(&colour, text("none")),
          asyncio_current_task() ? "in a task" : "in no task", said(asyncio_sleep(1)));
}

static int give_null(void *arg)
{
    (void)arg;
    return 0;
}

static int frees_in_context(void *arg)
{
    struct asyncio_future *never;

    (void)arg;
    EXPECT_INT(asyncio_contextvar_set(&colour, text("red"), NULL), 0);
    asyncio_future_unref(asyncio_create_task(give_null, text("ended"), .free_arg = asks_in_free));
    EXPECT_INT(asyncio_contextvar_set(&colour, text("green"), NULL), 0);
    never = asyncio_create_task(give_null, text("unstarted"), .free_arg = asks_in_free);
    cancel(never);
    turns(2);
    asyncio_future_unref(never);
    return 0;
}

TEST(arguments_are_freed_in_context,
     "T-01 X-02: free_arg runs in its task's context, as a plain callback that cannot wait")
{
    EXPECT_INT(run(frees_in_context, NULL), 0);
    EXPECT_TRACE("[0.000] free ended: colour red, in no task, sleep -ASYNCIO_ENOTASK\n"
                 "[0.000] free unstarted: colour green, in no task, sleep -ASYNCIO_ENOTASK\n");
}

static int hold_on(void *arg)
{
    int r = asyncio_sleep(100);

    trace("%s: %s", (const char *)arg, said(r));
    if (r == -ECANCELED)
        ASYNCIO_IGNORE(asyncio_sleep(1));
    trace("%s has cleaned up", (const char *)arg);
    return r;
}

static int joins(void *arg)
{
    char line[] = "joined";

    (void)arg;
    {
        ASYNCIO_JOINED(task) = asyncio_create_task(hold_on, line);
        turns(2);
        EXPECT(!asyncio_future_done(task));
    }
    trace("left the block");
    return 0;
}

TEST(joined_tasks, "T-02: ASYNCIO_JOINED cancels at the end of the block and waits for the cleanup")
{
    EXPECT_INT(run(joins, NULL), 0);
    EXPECT_TRACE("[0.000] joined: -ECANCELED\n"
                 "[1.000] joined has cleaned up\n"
                 "[1.000] left the block\n");
}

/* ---------------------------------------------------------------------------------------------------- Wrong awaits */

static int awaits_itself(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_await(asyncio_current_task()), -EDEADLK);
    EXPECT_INT(asyncio_shield(asyncio_current_task()), -EDEADLK);
    EXPECT_INT(asyncio_cancel_and_wait(asyncio_current_task()), -EDEADLK);
    EXPECT_INT(asyncio_task_cancelling(asyncio_current_task()), 0);
    return asyncio_sleep(0);
}

TEST(a_task_awaits_itself, "T-03: gets an error and can go on")
{
    EXPECT_INT(run(awaits_itself, NULL), 0);
}

static int awaits_foreign(void *arg)
{
    struct asyncio_future *foreign = arg;

    EXPECT_INT(asyncio_await(foreign), -ASYNCIO_EFOREIGNLOOP);
    EXPECT_INT(asyncio_shield(foreign), -ASYNCIO_EFOREIGNLOOP);
    EXPECT_INT(asyncio_cancel_and_wait(foreign), -ASYNCIO_EFOREIGNLOOP);
    EXPECT_INT(asyncio_wait(&foreign, 1, 1, ASYNCIO_ALL_COMPLETED), -ASYNCIO_EFOREIGNLOOP);
    EXPECT_INT(asyncio_gather(&foreign, 1, NULL), -ASYNCIO_EFOREIGNLOOP);
    EXPECT(!asyncio_future_done(foreign));
    return 0;
}

TEST(a_future_of_another_loop, "T-03: whoever awaits it gets an error, and it is left alone")
{
    struct asyncio_loop *other;
    struct asyncio_future *foreign;

    EXPECT_INT(new_loop(&other), 0);
    foreign = asyncio_loop_create_future(other);
    EXPECT_INT(run(awaits_foreign, foreign), 0);
    asyncio_future_unref(foreign);
    close_loop(other);
}

/* ------------------------------------------------------------------------------------------------------- Questions */

/* The number in a default name; 0 when it is none. */
static int number_in(const char *name)
{
    return strncmp(name, "Task-", 5) == 0 ? atoi(name + 5) : 0;
}

static int names(void *arg)
{
    struct asyncio_future *a = spawn(give, NULL, NULL), *b = spawn(give, NULL, NULL),
                          *named = spawn(give, NULL, "named");
    struct asyncio_future *plain = asyncio_loop_create_future(asyncio_get_running_loop());
    const char *first = asyncio_task_get_name(a), *second = asyncio_task_get_name(b);

    (void)arg;
    EXPECT(number_in(first) > 0);
    EXPECT_INT(number_in(second), number_in(first) + 1);
    EXPECT_STR(asyncio_task_get_name(named), "named");
    EXPECT_INT(asyncio_task_set_name(named, "renamed"), 0);
    EXPECT_STR(asyncio_task_get_name(named), "renamed");
    EXPECT_INT(asyncio_task_set_name(a, "a"), 0);
    EXPECT_STR(asyncio_task_get_name(a), "a");
    EXPECT_STR(asyncio_task_get_name(plain), "");
    EXPECT_INT(asyncio_task_set_name(plain, "x"), -EINVAL);
    EXPECT_INT(asyncio_task_set_name(a, NULL), -EINVAL);
    everybody();
    EXPECT_STR(asyncio_task_get_name(named), "renamed");
    asyncio_future_unref(plain);
    return 0;
}

TEST(task_names,
     "T-11: Task-N with numbers that are never used twice, a name of one's own, renamed, kept after the end")
{
    EXPECT_INT(play(names), 0);
}

static int deep(int levels);

/* The compiler shall not make one frame of several. */
static int (*volatile deeper)(int levels) = deep;

static int deep(int levels)
{
    int r = levels > 0 ? deeper(levels - 1) : asyncio_await(shared_future);

    return r < 0 ? r : r * (levels >= 0);
}

static int waits_deep(void *arg)
{
    return deep(number_of(arg));
}

static int asks(void *arg)
{
    struct asyncio_future *task, *plain;
    struct asyncio_context *context;
    void *addresses[64];

    (void)arg;
    make_shared();
    plain = shared_future;
    task = spawn(waits_deep, number(10), NULL);
    EXPECT(asyncio_is_task(task));
    EXPECT(!asyncio_is_task(plain));
    EXPECT(asyncio_task_get_coro(task) == waits_deep);
    EXPECT(asyncio_task_get_coro(plain) == NULL);
    EXPECT_INT(asyncio_task_get_stack(task, addresses, 64), 0);
    EXPECT_INT(asyncio_task_stack_used(task), 0);
    turns(1);
    EXPECT(asyncio_task_get_stack(task, addresses, 64) > 10);
    EXPECT_INT(asyncio_task_get_stack(task, addresses, 3), 3);
    EXPECT(asyncio_task_stack_used(task) > 0);
    EXPECT_INT(asyncio_task_get_stack(asyncio_current_task(), addresses, 64), 0);
    EXPECT_INT(asyncio_task_get_stack(plain, addresses, 64), -EINVAL);
    context = asyncio_task_get_context(task);
    EXPECT(context != NULL);
    asyncio_context_unref(context);
    EXPECT_PTR(asyncio_task_get_context(plain), NULL);
    EXPECT_INT(asyncio_future_set_result(plain, 1, NULL), 0);
    EXPECT_INT(asyncio_await(task), 1);
    EXPECT(asyncio_task_get_coro(task) == NULL);
    EXPECT_INT(asyncio_task_get_stack(task, addresses, 64), 0);
    EXPECT_INT(asyncio_task_stack_used(task), 0);
    asyncio_future_unref(plain);
    return 0;
}

TEST(task_questions, "T-12: function, context and stack: the whole stack while it is suspended, none before and after")
{
    EXPECT_INT(play(asks), 0);
}

static int prints_stack(void *arg)
{
    char line[8192] = "";
    FILE *file = fmemopen(line, sizeof line, "w");
    struct asyncio_future *task;

    (void)arg;
    make_shared();
    task = spawn(waits_deep, number(10), "deep");
    turns(1);
    EXPECT_INT(asyncio_task_print_stack(task, 0, file), 0);
    EXPECT_INT(asyncio_task_print_stack(shared_future, 0, file), -EINVAL);
    fclose(file);
    EXPECT(strstr(line, "deep"));
    cancel(task);
    everybody();
    asyncio_future_unref(shared_future);
    return 0;
}

TEST(task_print_stack, "T-12: print_stack names the task and prints a line for each frame")
{
    EXPECT_INT(play(prints_stack), 0);
}

static void expect_repr(const struct asyncio_future *future, const char *state, const char *part)
{
    char line[400], few[8];
    int length = asyncio_future_repr(future, line, sizeof line);

    EXPECT_INT(length, strlen(line));
    EXPECT_INT(asyncio_future_repr(future, few, sizeof few), length);
    EXPECT(strncmp(few, line, sizeof few - 1) == 0 && few[sizeof few - 1] == '\0');
    if (strncmp(line, state, strlen(state)) != 0 || !strstr(line, part))
        FAIL("repr is %s, expected %s ... %s", line, state, part);
}

static int reprs(void *arg)
{
    struct asyncio_future *waiting, *failing = spawn(give, number(-EIO), "f"), *ended = spawn(give, number(8), "e");

    (void)arg;
    make_shared();
    waiting = spawn(await_shared, NULL, "w");
    expect_repr(waiting, "<Task pending", "name='w'");
    turns(1);
    expect_repr(waiting, "<Task pending", "wait_for=<Future pending");
    expect_repr(failing, "<Task finished", "EIO");
    expect_repr(ended, "<Task finished", "result=8");
    expect_repr(shared_future, "<Future pending", "cb=[resume w]");
    cancel(waiting);
    expect_repr(waiting, "<Task cancelling", "name='w'");
    everybody();
    expect_repr(waiting, "<Task cancelled", "name='w'");
    expect_repr(shared_future, "<Future cancelled", "");
    EXPECT_INT(asyncio_future_result(failing), -EIO);
    asyncio_future_unref(shared_future);
    return 0;
}

TEST(task_repr, "T-13: state, name, outcome, what it waits for and who waits; cut to any size")
{
    EXPECT_INT(play(reprs), 0);
    trace_clear();
}

static int await_arg(void *arg)
{
    return asyncio_await(*(struct asyncio_future **)arg);
}

static int repr_of_circle(void *arg)
{
    static struct asyncio_future *a, *b;
    char line[400];

    (void)arg;
    a = spawn(await_arg, &b, "a");
    b = spawn(await_arg, &a, "b");
    turns(1);
    EXPECT(asyncio_future_repr(a, line, sizeof line) > 0);
    EXPECT(asyncio_future_repr(b, line, sizeof line) > 0);
    cancel(a);
    everybody();
    EXPECT(asyncio_future_cancelled(a) && asyncio_future_cancelled(b));
    return 0;
}

TEST(repr_of_a_circle, "T-13 #60: tasks that await each other can be described")
{
    EXPECT_INT(play(repr_of_circle), 0);
}

static int says_current(void *arg)
{
    (void)arg;
    EXPECT_PTR(asyncio_current_task(), asyncio_loop_current_task(asyncio_get_running_loop()));
    trace("%s", me());
    turns(1);
    trace("%s", me());
    return 0;
}

static void no_current(void *arg)
{
    (void)arg;
    EXPECT_PTR(asyncio_current_task(), NULL);
    trace("callback");
}

static int currents(void *arg)
{
    (void)arg;
    EXPECT(asyncio_current_task() != NULL);
    spawn(says_current, NULL, "a");
    EXPECT_INT(asyncio_loop_call_soon(asyncio_get_running_loop(), no_current, NULL), 0);
    spawn(says_current, NULL, "b");
    everybody();
    return 0;
}

TEST(the_current_task, "T-16: the task that runs; none in callbacks and outside")
{
    EXPECT_PTR(asyncio_current_task(), NULL);
    EXPECT_INT(play(currents), 0);
    EXPECT_PTR(asyncio_current_task(), NULL);
    EXPECT_PTR(asyncio_loop_current_task(NULL), NULL);
    EXPECT_TRACE("[0.000] a\n[0.000] callback\n[0.000] b\n[0.000] a\n[0.000] b\n");
}

static int lists_all(void *arg)
{
    struct asyncio_future *all[8] = {NULL}, *a, *b;

    (void)arg;
    EXPECT_INT(asyncio_all_tasks(NULL, 0), 1);
    a = spawn(give, NULL, "a");
    b = spawn(sleep_and_say, number(10), "b");
    EXPECT_INT(asyncio_all_tasks(all, 2), 3);
    EXPECT_PTR(all[0], asyncio_current_task());
    EXPECT_PTR(all[1], a);
    EXPECT_PTR(all[2], NULL);
    for (int i = 0; i < 2; i++)
        asyncio_future_unref(all[i]);
    turns(1);
    EXPECT_INT(asyncio_loop_all_tasks(asyncio_get_running_loop(), all, 8), 2);
    EXPECT_PTR(all[1], b);
    for (int i = 0; i < 2; i++)
        asyncio_future_unref(all[i]);
    EXPECT_INT(asyncio_all_tasks(NULL, 1), -EINVAL);
    everybody();
    EXPECT_INT(asyncio_all_tasks(NULL, 0), 1);
    return 0;
}

TEST(all_tasks, "T-17: those that are not done, oldest first, with references; a count that may exceed the room")
{
    EXPECT_INT(asyncio_all_tasks(NULL, 0), -ASYNCIO_ENOLOOP);
    EXPECT_INT(play(lists_all), 0);
    EXPECT_TRACE("[1.000] b: 0\n");
}

static int lists_while_changing(void *arg)
{
    struct asyncio_future *all[64];

    (void)arg;
    for (int round = 0; round < 20; round++) {
        ssize_t n;

        for (int i = 0; i < 3; i++)
            asyncio_future_unref(asyncio_create_task(give_later, number(i)));
        n = asyncio_all_tasks(all, 64);
        for (ssize_t i = 0; i < n; i++) {
            if (i % 2)
                cancel(all[i]);
            turns(i % 3 == 0);
        }
        for (ssize_t i = 0; i < n; i++)
            asyncio_future_unref(all[i]);
    }
    turns(2);
    EXPECT_INT(asyncio_all_tasks(NULL, 0), 1);
    return 0;
}

TEST(all_tasks_while_they_end, "T-17 #64: a list of tasks stays good while they are cancelled, end and others begin")
{
    EXPECT_INT(run(lists_while_changing, NULL), 0);
}

/* --------------------------------------------------------------------------------------------------------- Factory */

static int n_made;
static char made_name[32];

static struct asyncio_future *counting_factory(struct asyncio_loop *loop, asyncio_coro *fn, void *arg,
                                               const struct asyncio_task_kw *kw)
{
    struct asyncio_future *task;

    n_made++;
    snprintf(made_name, sizeof made_name, "%s", kw && kw->name ? kw->name : "");
    /* Makes the task itself by the factory below this one. */
    asyncio_loop_set_task_factory(loop, NULL);
    task = asyncio_loop_create_task_kw(loop, fn, arg, kw);
    asyncio_loop_set_task_factory(loop, counting_factory);
    return task;
}

static int uses_factory(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    (void)arg;
    EXPECT(asyncio_loop_get_task_factory(loop) == NULL);
    EXPECT_INT(asyncio_loop_set_task_factory(loop, counting_factory), 0);
    EXPECT(asyncio_loop_get_task_factory(loop) == counting_factory);
    EXPECT_INT(asyncio_await(spawn(give, number(2), "made")), 2);
    EXPECT_INT(n_made, 1);
    EXPECT_STR(made_name, "made");
    EXPECT_INT(asyncio_loop_set_task_factory(loop, NULL), 0);
    EXPECT_INT(asyncio_await(spawn(give, number(3), NULL)), 3);
    EXPECT_INT(n_made, 1);
    return 0;
}

TEST(task_factory, "T-15: makes the tasks and is given the keywords; NULL restores the library's own")
{
    EXPECT_INT(play(uses_factory), 0);
    EXPECT_INT(asyncio_loop_set_task_factory(NULL, NULL), -EINVAL);
}

/* ------------------------------------------------------------------------------------------------------ In numbers */

static int finished;

static int count_end(void *arg)
{
    ASYNCIO_IGNORE(asyncio_sleep(number_of(arg) % 7));
    finished++;
    return 0;
}

static int runs_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000; i++)
        asyncio_future_unref(asyncio_create_task(count_end, number(i)));
    EXPECT_INT(asyncio_sleep(10), 0);
    EXPECT_INT(finished, 2000);
    return 0;
}

TEST_NO_SWEEP(two_thousand_tasks, "T-01 D-09: all of them end", "too many faults")
{
    EXPECT_INT(run(runs_many, NULL), 0);
}

static int use_stack(void *arg)
{
    volatile char bytes[8192];
    size_t n = (size_t)number_of(arg);

    for (size_t i = 0; i < n; i++)
        bytes[i * 8] = (char)i;
    return asyncio_sleep(0) + bytes[8];
}

static int deep_stack(void *arg)
{
    volatile char bytes[700000];

    bytes[0] = (char)number_of(arg);
    return asyncio_sleep(0) + bytes[0];
}

static int uses_stacks(void *arg)
{
    struct asyncio_future *tasks[4];
    int results[4] = {0};

    (void)arg;
    tasks[0] = asyncio_create_task(use_stack, number(1000), .stack_size = 128 * 1024);
    tasks[1] = asyncio_create_task(deep_stack, number(5), .stack_size = 1 << 20);
    tasks[2] = asyncio_create_task(use_stack, number(1000));
    tasks[3] = asyncio_create_task(deep_stack, number(6), .stack_size = 1 << 20);
    EXPECT_INT(asyncio_gather(tasks, 4, results), 0);
    EXPECT_INT(results[1], 5);
    EXPECT_INT(results[3], 6);
    for (int i = 0; i < 4; i++)
        asyncio_future_unref(tasks[i]);
    return 0;
}

TEST(stack_sizes, "T-01: small, usual and large stacks beside each other")
{
    EXPECT_INT(run(uses_stacks, NULL), 0);
}
