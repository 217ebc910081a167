/* test_futures.c -- a result that is still to come: states, callbacks, awaiting, and the report of an error that nobody
 * saw. */
#include "crew.h"

#include <string.h>

static struct asyncio_future *shared;
static struct asyncio_contextvar colour = {.name = "colour"};

/* A literal as an argument. */
static void *text(const char *literal)
{
    return (void *)(uintptr_t)literal;
}

static struct asyncio_future *new_future(void)
{
    return asyncio_loop_create_future(asyncio_get_running_loop());
}

static void say_done(struct asyncio_future *future, void *arg)
{
    trace("%s: %s", (const char *)arg, said(asyncio_future_result(future)));
}

static int add(struct asyncio_future *future, asyncio_done_callback *callback, const char *what)
{
    return asyncio_future_add_done_callback(future, callback, text(what));
}

/* Awaits the shared future and says what it got. */
static int await_shared(void *arg)
{
    int r = asyncio_await(shared);

    (void)arg;
    trace("%s: %s", me(), said(r));
    return r;
}

/* ---------------------------------------------------------------------------------------------------------- States */

static int has_states(void *arg)
{
    static const struct {
        enum { RESULT, EXCEPTION, CANCEL } how;
        int value, result, exception;
        bool cancelled;
    } cases[] = {
        {RESULT, 0, 0, 0, false},
        {RESULT, 42, 42, 0, false},
        {EXCEPTION, -EIO, -EIO, -EIO, false},
        {EXCEPTION, -ETIMEDOUT, -ETIMEDOUT, -ETIMEDOUT, false},
        {EXCEPTION, -ECANCELED, -ECANCELED, -ECANCELED, false},
        {CANCEL, 0, -ECANCELED, -ECANCELED, true},
    };

    (void)arg;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct asyncio_future *future = new_future();

        EXPECT(!asyncio_future_done(future) && !asyncio_future_cancelled(future));
        EXPECT_INT(asyncio_future_result(future), -ASYNCIO_EINVALIDSTATE);
        EXPECT_INT(asyncio_future_exception(future), -ASYNCIO_EINVALIDSTATE);
        if (cases[i].how == RESULT)
            EXPECT_INT(asyncio_future_set_result(future, cases[i].value, NULL), 0);
        else if (cases[i].how == EXCEPTION)
            EXPECT_INT(asyncio_future_set_exception(future, cases[i].value), 0);
        else
            EXPECT_INT(asyncio_future_cancel(future), 1);
        EXPECT(asyncio_future_done(future));
        EXPECT_INT(asyncio_future_cancelled(future), cases[i].cancelled);
        EXPECT_INT(asyncio_future_result(future), cases[i].result);
        EXPECT_INT(asyncio_future_exception(future), cases[i].exception);
        EXPECT_INT(asyncio_await(future), cases[i].result);
        EXPECT_INT(asyncio_future_set_result(future, 1, NULL), -ASYNCIO_EINVALIDSTATE);
        EXPECT_INT(asyncio_future_set_exception(future, -EIO), -ASYNCIO_EINVALIDSTATE);
        EXPECT_INT(asyncio_future_cancel(future), 0);
        EXPECT_INT(asyncio_future_result(future), cases[i].result);
        asyncio_future_unref(future);
    }
    return 0;
}

TEST(future_states, "F-01 F-02 F-05: pending, then result, error or cancelled, once and for all")
{
    EXPECT_INT(run(has_states, NULL), 0);
}

static int refuses_values(void *arg)
{
    struct asyncio_future *future = new_future();
    char item[] = "item";

    (void)arg;
    EXPECT_INT(asyncio_future_set_result(future, -1, NULL), -EINVAL);
    EXPECT_INT(asyncio_future_set_exception(future, 0), -EINVAL);
    EXPECT_INT(asyncio_future_set_exception(future, EIO), -EINVAL);
    EXPECT_PTR(asyncio_future_pointer(future), NULL);
    EXPECT_INT(asyncio_future_set_result(future, 3, item), 0);
    EXPECT_PTR(asyncio_future_pointer(future), item);
    asyncio_future_unref(future);
    return 0;
}

TEST(future_values, "F-01: a result is not negative and brings one pointer, an error is negative")
{
    EXPECT_INT(run(refuses_values, NULL), 0);
}

TEST(future_of_a_loop, "F-06: knows its loop, which need not run; without one it is a failed future")
{
    struct asyncio_loop *loop;
    struct asyncio_future *future, *none = asyncio_loop_create_future(NULL);

    EXPECT_INT(asyncio_future_result(none), -EINVAL);
    EXPECT_PTR(asyncio_future_get_loop(none), NULL);
    EXPECT_INT(new_loop(&loop), 0);
    future = asyncio_loop_create_future(loop);
    EXPECT_PTR(asyncio_future_get_loop(future), loop);
    EXPECT(!asyncio_is_task(future));
    EXPECT_PTR(asyncio_future_ref(future), future);
    EXPECT_PTR(asyncio_future_unref(future), NULL);
    EXPECT_INT(asyncio_future_set_result(future, 5, NULL), 0);
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, future), 5);
    asyncio_future_unref(future);
    close_loop(loop);
}

/* ------------------------------------------------------------------------------------------------------- Callbacks */

static int calls_back(void *arg)
{
    struct asyncio_future *future = new_future();

    (void)arg;
    EXPECT_INT(add(future, say_done, "a"), 0);
    EXPECT_INT(add(future, say_done, "b"), 0);
    EXPECT_INT(add(future, say_done, "a"), 0);
    EXPECT_INT(asyncio_future_set_result(future, 1, NULL), 0);
    EXPECT_INT(add(future, say_done, "late"), 0);
    trace("set");
    turns(1);
    EXPECT_INT(add(future, say_done, "later"), 0);
    trace("added");
    asyncio_future_unref(future);
    turns(1);
    return 0;
}

TEST(callbacks_in_order,
     "F-03: in order of registration, from the loop, also for a future that is done; one added twice is called twice")
{
    EXPECT_INT(run(calls_back, NULL), 0);
    EXPECT_TRACE("[0.000] set\n"
                 "[0.000] a: 1\n"
                 "[0.000] b: 1\n"
                 "[0.000] a: 1\n"
                 "[0.000] late: 1\n"
                 "[0.000] added\n"
                 "[0.000] later: 1\n");
}

static int cancels_with_callbacks(void *arg)
{
    struct asyncio_future *future = new_future();

    (void)arg;
    EXPECT_INT(add(future, say_done, "a"), 0);
    EXPECT_INT(asyncio_future_cancel(future), 1);
    trace("cancelled");
    turns(1);
    asyncio_future_unref(future);
    return 0;
}

TEST(callbacks_of_a_cancelled_future, "F-02 F-03: a cancel schedules them like a result")
{
    EXPECT_INT(run(cancels_with_callbacks, NULL), 0);
    EXPECT_TRACE("[0.000] cancelled\n[0.000] a: -ECANCELED\n");
}

static int takes_away(void *arg)
{
    struct asyncio_future *future = new_future();

    (void)arg;
    EXPECT_INT(asyncio_future_remove_done_callback(future, say_done, NULL), 0);
    EXPECT_INT(add(future, say_done, "a"), 0);
    EXPECT_INT(add(future, say_done, "b"), 0);
    EXPECT_INT(add(future, say_done, "a"), 0);
    EXPECT_INT(add(future, say_done, "c"), 0);
    EXPECT_INT(asyncio_future_remove_done_callback(future, say_done, text("a")), 2);
    EXPECT_INT(asyncio_future_remove_done_callback(future, say_done, text("a")), 0);
    EXPECT_INT(asyncio_future_remove_done_callback(future, NULL, NULL), -EINVAL);
    EXPECT_INT(asyncio_future_set_result(future, 1, NULL), 0);
    EXPECT_INT(asyncio_future_remove_done_callback(future, say_done, text("b")), 0);
    turns(1);
    asyncio_future_unref(future);
    return 0;
}

TEST(callbacks_removed, "F-04: all that are equal go, and are counted; none once the future is done")
{
    EXPECT_INT(run(takes_away, NULL), 0);
    EXPECT_TRACE("[0.000] b: 1\n[0.000] c: 1\n");
}

/* Takes another callback away, adds one, and drops the reference that the test has. */
static void change_list(struct asyncio_future *future, void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_future_remove_done_callback(future, say_done, text("b")), 0);
    EXPECT_INT(add(future, say_done, "added"), 0);
    shared = asyncio_future_unref(shared);
    trace("changed");
}

static int changes_list(void *arg)
{
    (void)arg;
    shared = new_future();
    EXPECT_INT(add(shared, change_list, NULL), 0);
    EXPECT_INT(add(shared, say_done, "b"), 0);
    EXPECT_INT(asyncio_future_set_result(shared, 2, NULL), 0);
    turns(3);
    EXPECT_PTR(shared, NULL);
    asyncio_future_unref(shared);
    return 0;
}

TEST(callbacks_that_change_the_list,
     "F-04 #68: one that removes, adds and drops the future disturbs neither the others nor itself")
{
    EXPECT_INT(run(changes_list, NULL), 0);
    EXPECT_TRACE("[0.000] changed\n[0.000] b: 2\n[0.000] added: 2\n");
}

/* The value of a context variable that touches the list from which it is being removed. */
static void evil_unref(void *value)
{
    if (value && shared) {
        EXPECT_INT(asyncio_future_remove_done_callback(shared, say_done, text("b")), 1);
        EXPECT_INT(asyncio_future_remove_done_callback(shared, say_done, text("a")), 0);
    }
}

static struct asyncio_contextvar evil = {.name = "evil", .unref = evil_unref};

static int is_evil(void *arg)
{
    struct asyncio_contextvar_token token = {0};

    (void)arg;
    shared = new_future();
    EXPECT_INT(asyncio_contextvar_set(&evil, &evil, &token), 0);
    EXPECT_INT(add(shared, say_done, "a"), 0);
    EXPECT_INT(asyncio_contextvar_reset(&token), 0);
    EXPECT_INT(add(shared, say_done, "b"), 0);
    EXPECT_INT(add(shared, say_done, "c"), 0);
    EXPECT_INT(asyncio_future_remove_done_callback(shared, say_done, text("a")), 1);
    EXPECT_INT(asyncio_future_set_result(shared, 1, NULL), 0);
    turns(1);
    shared = asyncio_future_unref(shared);
    return 0;
}

TEST(callbacks_removed_while_removing,
     "F-04 #68: user code that runs in the midst of a removal may remove the next one")
{
    EXPECT_INT(run(is_evil, NULL), 0);
    EXPECT_TRACE("[0.000] c: 1\n");
}

static int drops_with_callbacks(void *arg)
{
    struct asyncio_future *future = new_future();

    (void)arg;
    EXPECT_INT(add(future, say_done, "never"), 0);
    asyncio_future_unref(future);
    return asyncio_sleep(0);
}

TEST(callbacks_of_a_future_dropped, "F-04: a pending future that nobody holds takes its callbacks with it")
{
    EXPECT_INT(run(drops_with_callbacks, NULL), 0);
}

static void say_colour(struct asyncio_future *future, void *arg)
{
    (void)future;
    (void)arg;
    trace("colour %s", (const char *)asyncio_contextvar_get(&colour, text("none")));
}

static int colours_callbacks(void *arg)
{
    struct asyncio_future *future = new_future();
    struct asyncio_context *context;

    (void)arg;
    EXPECT_INT(add(future, say_colour, NULL), 0);
    EXPECT_INT(asyncio_contextvar_set(&colour, text("red"), NULL), 0);
    EXPECT_INT(add(future, say_colour, NULL), 0);
    context = asyncio_copy_context();
    EXPECT_INT(asyncio_contextvar_set(&colour, text("green"), NULL), 0);
    EXPECT_INT(asyncio_future_add_done_callback(future, say_colour, NULL, .context = context), 0);
    EXPECT_INT(asyncio_future_set_result(future, 0, NULL), 0);
    turns(1);
    asyncio_context_unref(context);
    asyncio_future_unref(future);
    return 0;
}

TEST(callbacks_have_a_context, "F-03 X-01: the one of their registration, or the one they were given")
{
    EXPECT_INT(run(colours_callbacks, NULL), 0);
    EXPECT_TRACE("[0.000] colour none\n[0.000] colour red\n[0.000] colour red\n");
}

/* -------------------------------------------------------------------------------------------------------- Awaiting */

static void set_shared(void *arg)
{
    EXPECT_INT(asyncio_future_set_result(shared, number_of(arg), NULL), 0);
}

static int awaited_by_several(void *arg)
{
    (void)arg;
    shared = new_future();
    spawn(await_shared, NULL, "a");
    spawn(await_shared, NULL, "b");
    EXPECT_INT(asyncio_loop_call_later(asyncio_get_running_loop(), 3, set_shared, number(7)), 0);
    everybody();
    asyncio_future_unref(shared);
    return 0;
}

TEST(awaited_by_several, "F-07: all who wait get the outcome, in order of their coming")
{
    EXPECT_INT(play(awaited_by_several), 0);
    EXPECT_TRACE("[3.000] a: 7\n[3.000] b: 7\n");
}

static int one_gives_up(void *arg)
{
    (void)arg;
    shared = new_future();
    spawn(await_shared, NULL, "a");
    spawn(await_shared, NULL, "b");
    turns(1);
    cancel(crew[0]);
    everybody();
    EXPECT(asyncio_future_cancelled(shared));
    asyncio_future_unref(shared);
    return 0;
}

TEST(one_of_several_is_cancelled,
     "F-07 T-06: awaiting cancels through, so that the others get -ECANCELED without being cancelled")
{
    EXPECT_INT(play(one_gives_up), 0);
    EXPECT_TRACE("[0.000] a: -ECANCELED\n[0.000] b: -ECANCELED\n");
    EXPECT_INT(asyncio_task_cancelling(NULL), 0);
}

static int sets_cancelled(void *arg)
{
    (void)arg;
    shared = new_future();
    spawn(await_shared, NULL, "a");
    turns(1);
    EXPECT_INT(asyncio_future_cancel(shared), 1);
    /* As a callback does that cannot know: the late result changes nothing. */
    EXPECT_INT(asyncio_future_set_result(shared, 7, NULL), -ASYNCIO_EINVALIDSTATE);
    everybody();
    EXPECT_INT(asyncio_future_result(shared), -ECANCELED);
    asyncio_future_unref(shared);
    return 0;
}

TEST(a_result_for_a_cancelled_future, "F-10 F-01: is dropped with an error that may be ignored")
{
    EXPECT_INT(play(sets_cancelled), 0);
    EXPECT_TRACE("[0.000] a: -ECANCELED\n");
}

/* ----------------------------------------------------------------------------------------------------- Unretrieved */

static int fails_futures(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++) {
        struct asyncio_future *future = new_future();

        EXPECT_INT(asyncio_future_set_exception(future, -EIO), 0);
        if (i == 1)
            EXPECT_INT(asyncio_future_exception(future), -EIO);
        if (i == 2)
            EXPECT_INT(asyncio_future_result(future), -EIO);
        if (i == 3)
            EXPECT_INT(asyncio_await(future), -EIO);
        if (i == 4)
            asyncio_future_unref(asyncio_future_ref(future));
        asyncio_future_unref(future);
    }
    return 0;
}

TEST(an_error_that_nobody_saw, "F-08 F-05: is reported when the future goes; not when it was asked for in any way")
{
    EXPECT_INT(run(fails_futures, NULL), 0);
    EXPECT_LOG("Future exception was never retrieved: Input/output error");
    EXPECT_LOG("Future exception was never retrieved");
    EXPECT_STR(captured_log(), "");
}

static void on_error(struct asyncio_loop *loop, const struct asyncio_exception_context *context, void *arg)
{
    EXPECT_PTR(loop, asyncio_get_running_loop());
    EXPECT_PTR(arg, &colour);
    EXPECT(context->future && asyncio_future_done(context->future));
    trace("%s: %s, colour %s, source %s", context->message, said(context->error),
          (const char *)asyncio_contextvar_get(&colour, text("none")), context->source ? "given" : "none");
}

static int fails_in_colour(void *arg)
{
    EXPECT_INT(asyncio_contextvar_set(&colour, arg, NULL), 0);
    return -EIO;
}

static int has_handler(void *arg)
{
    asyncio_loop_set_exception_handler(asyncio_get_running_loop(), on_error, &colour);
    asyncio_future_unref(asyncio_create_task(fails_in_colour, text("red")));
    EXPECT_INT(asyncio_contextvar_set(&colour, arg, NULL), 0);
    turns(1);
    asyncio_loop_set_debug(asyncio_get_running_loop(), true);
    asyncio_future_unref(asyncio_create_task(fails_in_colour, text("green")));
    turns(1);
    return 0;
}

TEST(the_exception_handler_is_told,
     "F-08 X-04 #59: what, which error and future, where it was made in debug mode; in the task's context")
{
    EXPECT_INT(run(has_handler, text("blue")), 0);
    EXPECT_TRACE("[0.000] Task exception was never retrieved: -EIO, colour red, source none\n"
                 "[0.000] Task exception was never retrieved: -EIO, colour green, source given\n");
}

static void asks_itself(struct asyncio_loop *loop, const struct asyncio_exception_context *context, void *arg)
{
    (void)arg;
    (void)loop;
    EXPECT_PTR(asyncio_current_task(), NULL);
    EXPECT_INT(asyncio_future_result(context->future), -EIO);
    EXPECT_PTR(asyncio_future_unref(asyncio_future_ref(context->future)), NULL);
    trace("told");
}

static int has_curious_handler(void *arg)
{
    (void)arg;
    asyncio_loop_set_exception_handler(asyncio_get_running_loop(), asks_itself, NULL);
    asyncio_future_unref(asyncio_create_task(fails_in_colour, text("red")));
    turns(1);
    return 0;
}

TEST(the_handler_may_ask_the_future,
     "F-08 T-16: it runs in no task, and may look at the future and hold it for a moment")
{
    EXPECT_INT(run(has_curious_handler, NULL), 0);
    EXPECT_TRACE("[0.000] told\n");
}

/* ------------------------------------------------------------------------------------------------------- Who waits */

static bool repr_has(const struct asyncio_future *future, const char *part)
{
    char line[400];

    EXPECT(asyncio_future_repr(future, line, sizeof line) > 0);
    return strstr(line, part) != NULL;
}

static int await_or_wait(void *arg)
{
    struct asyncio_as_completed iteration;
    struct asyncio_future *next;
    int result, r = -EINVAL;

    switch (number_of(arg)) {
    case 0:
        r = asyncio_await(shared);
        break;
    case 1:
        r = asyncio_wait(&shared, 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED);
        break;
    case 2:
        r = asyncio_gather(&shared, 1, &result);
        break;
    case 3:
        r = asyncio_shield(shared);
        break;
    case 4:
        r = asyncio_wait_for_future(shared, 100);
        break;
    case 5:
        r = asyncio_as_completed(&iteration, &shared, 1, 100);
        if (r == 0)
            r = asyncio_as_completed_next(&iteration, &next);
        asyncio_as_completed_fini(&iteration);
        break;
    default:
        break;
    }
    return r;
}

static int forgets_waiters(void *arg)
{
    (void)arg;
    for (int kind = 0; kind < 6; kind++) {
        struct asyncio_future *task;

        shared = new_future();
        task = asyncio_create_task(await_or_wait, number(kind), .name = "waiter");
        turns(1);
        EXPECT(repr_has(shared, "cb=["));
        cancel(task);
        EXPECT_INT(asyncio_await(task), -ECANCELED);
        EXPECT(!repr_has(shared, "cb=["));
        asyncio_future_unref(task);
        asyncio_future_unref(shared);
    }
    return 0;
}

TEST(waiters_are_known_and_forgotten,
     "F-11 #25 #28 #29 #30: every kind of wait stands on the future while it lasts, and no longer")
{
    EXPECT_INT(run(forgets_waiters, NULL), 0);
}
