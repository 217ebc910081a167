/* test_runners.c -- run, runners, what their teardown does, Ctrl-C, and the life of a loop between its runs. */
#include "crew.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct asyncio_contextvar colour = {.name = "colour"};
static bool let_go;

/* A literal as an argument. */
static void *text(const char *literal)
{
    return (void *)(uintptr_t)literal;
}

static int give(void *arg)
{
    return number_of(arg);
}

static int give_later(void *arg)
{
    int r = asyncio_sleep(1);

    return r < 0 ? r : number_of(arg);
}

static void say(void *arg)
{
    trace("%s", (const char *)arg);
}

static void say_and_more(void *arg)
{
    trace("%s", (const char *)arg);
    EXPECT_INT(asyncio_loop_call_soon(asyncio_get_running_loop(), say, text("more")), 0);
}

/* Sleeps until cancelled, cleans up, ends as its argument says. */
static int hang(void *arg)
{
    int r = asyncio_sleep(1000);

    trace("%s: %s", me(), said(r));
    trace("%s: cleaned up, %s", me(), said(asyncio_sleep(1)));
    return arg ? number_of(arg) : r;
}

static void detach(asyncio_coro *fn, void *arg, const char *name)
{
    asyncio_future_unref(asyncio_create_task(fn, arg, .name = name));
}

/* ------------------------------------------------------------------------------------------------------------- run */

TEST(run_returns_what_main_returned, "R-01: value, error, or -ECANCELED when main ended cancelled")
{
    EXPECT_INT(run(give, number(7)), 7);
    EXPECT_INT(run(give_later, number(8)), 8);
    EXPECT_INT(run(give, number(-EIO)), -EIO);
    EXPECT_INT(run(give_later, number(-ECANCELED)), -ECANCELED);
    EXPECT_PTR(asyncio_get_running_loop(), NULL);
    EXPECT_PTR(asyncio_get_event_loop(), NULL);
}

static int runs_again(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    (void)arg;
    EXPECT_INT(run(give, number(1)), -ASYNCIO_ERUNNING);
    EXPECT_INT(asyncio_loop_run_forever(loop), -ASYNCIO_ERUNNING);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, give, NULL), -ASYNCIO_ERUNNING);
    EXPECT_INT(asyncio_loop_close(loop), -ASYNCIO_ERUNNING);
    EXPECT_PTR(asyncio_get_running_loop(), loop);
    EXPECT(asyncio_loop_is_running(loop));
    return asyncio_sleep(1);
}

TEST(run_in_a_running_loop, "R-01 R-08: refused, and the loop that runs goes on")
{
    EXPECT_INT(run(runs_again, NULL), 0);
}

static struct asyncio_loop *other_loop;

static int runs_other(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_loop_run_forever(other_loop), -ASYNCIO_ERUNNING);
    EXPECT(!asyncio_loop_is_running(other_loop));
    EXPECT(asyncio_loop_is_running(asyncio_get_running_loop()));
    return asyncio_sleep(0);
}

TEST(two_loops_in_one_thread, "R-08: another loop cannot run within the one that does")
{
    EXPECT_INT(new_loop(&other_loop), 0);
    EXPECT_INT(run(runs_other, NULL), 0);
    close_loop(other_loop);
}

static int no_loop(struct asyncio_loop **ret_loop)
{
    (void)ret_loop;
    return -EMFILE;
}

TEST(run_without_a_loop, "R-01 R-03: the error of the factory, or of an unknown back end")
{
    EXPECT_INT(asyncio_run(give, NULL, .loop_factory = no_loop), -EMFILE);
    EXPECT_INT(asyncio_run(give, NULL, .backend = "none such"), -EINVAL);
    EXPECT_INT(asyncio_run(NULL, NULL), -EINVAL);
}

static int waits_for_nothing(void *arg)
{
    struct asyncio_future *never = asyncio_loop_create_future(asyncio_get_running_loop());
    int r = asyncio_await(never);

    (void)arg;
    trace("main: %s", said(r));
    asyncio_future_unref(never);
    return r;
}

TEST(run_into_a_dead_lock, "R-01: every task waits and nothing can wake them: an error and a report, then the teardown")
{
    EXPECT_INT(run(waits_for_nothing, NULL), -EDEADLK);
    EXPECT(strstr(captured_log(), "dead lock"));
    EXPECT_TRACE("[0.000] main: -ECANCELED\n");
}

/* -------------------------------------------------------------------------------------------------------- Teardown */

static int leaves_tasks(void *arg)
{
    detach(hang, NULL, "a");
    detach(hang, NULL, "b");
    turns(1);
    trace("main ends");
    return number_of(arg);
}

TEST(teardown_cancels_what_is_left, "R-02: all tasks are cancelled at once and waited for, also when main failed")
{
    for (int result = -EIO; result <= 0; result += EIO) {
        EXPECT_INT(run(leaves_tasks, number(result)), result);
        EXPECT_TRACE("[0.000] main ends\n"
                     "[0.000] a: -ECANCELED\n"
                     "[0.000] b: -ECANCELED\n"
                     "[1.000] a: cleaned up, 0\n"
                     "[1.000] b: cleaned up, 0\n");
    }
}

static int leaves_failing(void *arg)
{
    (void)arg;
    detach(hang, number(-EIO), "failing");
    detach(hang, number(5), "swallowing");
    turns(1);
    return 0;
}

TEST(teardown_reports_errors, "R-02: an error that a task ends with then is reported once; values and cancels are not")
{
    EXPECT_INT(run(leaves_failing, NULL), 0);
    EXPECT_LOG("unhandled error during the teardown");
    EXPECT_STR(captured_log(), "");
    trace_clear();
}

static int makes_another(void *arg)
{
    int r = asyncio_sleep(1000);

    trace("generation %d: %s", number_of(arg), said(r));
    if (number_of(arg) > 0)
        detach(makes_another, number(number_of(arg) - 1), NULL);
    return r;
}

static int leaves_generations(void *arg)
{
    (void)arg;
    detach(makes_another, number(2), NULL);
    turns(1);
    return 0;
}

TEST(teardown_of_tasks_made_meanwhile, "D-18 R-02: tasks that cleanup makes are cancelled as well")
{
    EXPECT_INT(run(leaves_generations, NULL), 0);
    EXPECT(strstr(transcript(), "generation 2: -ECANCELED"));
    trace_clear();
}

static int ignores_cancel(void *arg)
{
    (void)arg;
    /* Without memory for the deadline nothing else would end it. */
    for (int i = 0; i < 100 && !let_go; i++)
        ASYNCIO_IGNORE(asyncio_sleep(10));
    return 0;
}

static int leaves_stubborn(void *arg)
{
    (void)arg;
    detach(ignores_cancel, NULL, "stubborn");
    turns(1);
    return 0;
}

static void stop(void *arg)
{
    asyncio_loop_stop(arg);
}

TEST(teardown_has_a_deadline,
     "D-16 R-02: a task that ignores its cancel delays the end so long, is named, and is left alone")
{
    struct asyncio_runner runner;
    struct asyncio_loop *loop = NULL;

    EXPECT_INT(asyncio_runner_init(&runner, .loop_factory = new_loop, .teardown_timeout = 5), 0);
    EXPECT_INT(asyncio_runner_run(&runner, leaves_stubborn, NULL), 0);
    EXPECT_INT(asyncio_runner_get_loop(&runner, &loop), 0);
    EXPECT_INT(asyncio_runner_close(&runner), -EBUSY);
    EXPECT(strstr(captured_log(), "stubborn"));
    EXPECT_DOUBLE(asyncio_loop_time(loop), 5);
    /* What is left alone can still be brought to its end. */
    let_go = true;
    if (!loop)
        return;
    EXPECT_INT(asyncio_loop_call_later(loop, 20, stop, loop), 0);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    /* And its end is no business of the runner's any more. */
    EXPECT_DOUBLE(asyncio_loop_time(loop), 25);
    close_loop(loop);
}

static int n_generations;

/* Starts before it meets the cancel, and makes the next one. */
static int always_makes_another(void *arg)
{
    n_generations++;
    if (!let_go)
        asyncio_future_unref(asyncio_create_task(always_makes_another, arg, .start_then_cancel = true));
    return asyncio_sleep(1000);
}

static int leaves_breeding(void *arg)
{
    detach(always_makes_another, arg, NULL);
    turns(1);
    return 0;
}

static int cancels_all(void *arg)
{
    struct asyncio_future *all[8];
    ssize_t n = asyncio_all_tasks(all, 8);

    (void)arg;
    for (ssize_t i = 0; i < n; i++) {
        if (all[i] != asyncio_current_task())
            EXPECT_INT(asyncio_cancel_and_wait(all[i]), 0);
        asyncio_future_unref(all[i]);
    }
    return 0;
}

TEST_NO_SWEEP(teardown_is_bounded, "D-18: a task that always makes another is not followed for ever", "too many faults")
{
    struct asyncio_runner runner;
    struct asyncio_loop *loop = NULL;

    EXPECT_INT(asyncio_runner_init(&runner, .loop_factory = new_loop), 0);
    EXPECT_INT(asyncio_runner_run(&runner, leaves_breeding, NULL), 0);
    EXPECT_INT(asyncio_runner_get_loop(&runner, &loop), 0);
    EXPECT_INT(asyncio_runner_close(&runner), -EBUSY);
    EXPECT(strstr(captured_log(), "cannot be closed"));
    EXPECT(n_generations > 10 && n_generations < 1000);
    let_go = true;
    EXPECT_INT(asyncio_loop_run_until_complete(loop, cancels_all, NULL), 0);
    close_loop(loop);
}

/* ---------------------------------------------------------------------------------------------------------- Runner */

static int paints(void *arg)
{
    trace("was %s", (const char *)asyncio_contextvar_get(&colour, text("none")));
    EXPECT_INT(asyncio_contextvar_set(&colour, arg, NULL), 0);
    return asyncio_sleep(0);
}

TEST(runner_shares_loop_and_context,
     "R-03 X-03: all runs have one loop and one context, but for one with a context of its own")
{
    struct asyncio_runner runner;
    struct asyncio_context *context;
    struct asyncio_loop *loop = NULL, *again = NULL;

    EXPECT_INT(asyncio_runner_init(&runner, .loop_factory = new_loop), 0);
    context = asyncio_copy_context();
    EXPECT_INT(asyncio_runner_run(&runner, paints, text("red")), 0);
    EXPECT_INT(asyncio_runner_get_loop(&runner, &loop), 0);
    EXPECT_INT(asyncio_runner_run(&runner, paints, text("green")), 0);
    EXPECT_INT(asyncio_runner_run(&runner, paints, text("blue"), .context = context), 0);
    EXPECT_INT(asyncio_runner_run(&runner, paints, text("grey"), .context = context), 0);
    EXPECT_INT(asyncio_runner_run(&runner, paints, text("white")), 0);
    EXPECT_INT(asyncio_runner_get_loop(&runner, &again), 0);
    EXPECT_PTR(loop, again);
    EXPECT_INT(asyncio_runner_close(&runner), 0);
    asyncio_context_unref(context);
    EXPECT_TRACE("[0.000] was none\n"
                 "[0.000] was red\n"
                 "[0.000] was none\n"
                 "[0.000] was blue\n"
                 "[0.000] was green\n");
    EXPECT_PTR(asyncio_contextvar_get(&colour, NULL), NULL);
}

TEST(runner_states, "R-03: lazy; closing twice or unused is harmless; every use after close is an error")
{
    struct asyncio_runner runner = {0}, unused;
    struct asyncio_loop *loop = NULL;

    runner.kw.loop_factory = new_loop;
    EXPECT_INT(asyncio_runner_run(&runner, give, number(3)), 3);
    EXPECT_INT(asyncio_runner_close(&runner), 0);
    EXPECT_INT(asyncio_runner_close(&runner), 0);
    EXPECT_INT(asyncio_runner_run(&runner, give, number(3)), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_runner_get_loop(&runner, &loop), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_runner_init(&unused), 0);
    EXPECT_INT(asyncio_runner_close(&unused), 0);
    EXPECT_INT(asyncio_runner_get_loop(&unused, &loop), -ASYNCIO_ECLOSED);
    EXPECT_PTR(loop, NULL);
}

static int uses_runner(void *arg)
{
    struct asyncio_runner *runner = arg, inner;

    EXPECT_INT(asyncio_runner_run(runner, give, NULL), -ASYNCIO_ERUNNING);
    EXPECT_INT(asyncio_runner_close(runner), -ASYNCIO_ERUNNING);
    EXPECT_INT(asyncio_runner_init(&inner, .loop_factory = new_loop), 0);
    EXPECT_INT(asyncio_runner_run(&inner, give, NULL), -ASYNCIO_ERUNNING);
    return asyncio_sleep(1);
}

TEST(runner_in_a_running_loop, "R-03: cannot run or be closed there, and is none the worse for it")
{
    struct asyncio_runner runner;

    EXPECT_INT(asyncio_runner_init(&runner, .loop_factory = new_loop), 0);
    EXPECT_INT(asyncio_runner_run(&runner, uses_runner, &runner), 0);
    EXPECT_INT(asyncio_runner_run(&runner, give, number(2)), 2);
    EXPECT_INT(asyncio_runner_close(&runner), 0);
}

TEST(runner_keeps_tasks_between_runs, "R-03: a task that is not done goes on in the next run; close cancels it")
{
    struct asyncio_runner runner;

    EXPECT_INT(asyncio_runner_init(&runner, .loop_factory = new_loop), 0);
    EXPECT_INT(asyncio_runner_run(&runner, leaves_tasks, NULL), 0);
    trace("between");
    EXPECT_INT(asyncio_runner_run(&runner, give_later, number(1)), 1);
    EXPECT_TRACE("[0.000] main ends\nbetween\n");
    EXPECT_INT(asyncio_runner_close(&runner), 0);
    EXPECT_TRACE("[1.000] a: -ECANCELED\n"
                 "[1.000] b: -ECANCELED\n"
                 "[2.000] a: cleaned up, 0\n"
                 "[2.000] b: cleaned up, 0\n");
}

static int debug_loop(struct asyncio_loop **ret_loop)
{
    int r = new_loop(ret_loop);

    asyncio_loop_set_debug(*ret_loop, true);
    return r;
}

static int tells_debug(void *arg)
{
    (void)arg;
    return asyncio_loop_get_debug(asyncio_get_running_loop());
}

TEST(runner_debug, "R-01 R-03: .debug switches debug mode on; absent, the loop's own setting stays")
{
    EXPECT_INT(asyncio_run(tells_debug, NULL, .loop_factory = new_loop), 0);
    EXPECT_INT(asyncio_run(tells_debug, NULL, .loop_factory = new_loop, .debug = true), 1);
    EXPECT_INT(asyncio_run(tells_debug, NULL, .loop_factory = debug_loop), 1);
}

static struct asyncio_future *my_factory(struct asyncio_loop *loop, asyncio_coro *fn, void *arg,
                                         const struct asyncio_task_kw *kw)
{
    trace("factory");
    return asyncio_eager_task_factory(loop, fn, arg, kw);
}

static int factory_loop(struct asyncio_loop **ret_loop)
{
    int r = new_loop(ret_loop);

    if (r == 0)
        r = asyncio_loop_set_task_factory(*ret_loop, my_factory);
    if (r < 0 && *ret_loop) {
        asyncio_loop_close(*ret_loop);
        *ret_loop = asyncio_loop_unref(*ret_loop);
    }
    return r;
}

TEST(runner_with_tasks_of_its_own, "R-03 T-15 #61: a loop with a task factory makes main by it")
{
    EXPECT_INT(asyncio_run(give_later, number(4), .loop_factory = factory_loop), 4);
    EXPECT_TRACE("factory\n");
}

/* ----------------------------------------------------------------------------------------------- Loops of a thread */

static int sees_loop(void *arg)
{
    EXPECT_PTR(asyncio_get_running_loop(), asyncio_get_event_loop());
    EXPECT(!arg || asyncio_get_running_loop() != arg);
    return 0;
}

TEST(the_loop_of_a_thread,
     "R-05 R-06 R-07 #61: running only in a run; the set one outside; a runner takes no place that is taken")
{
    struct asyncio_loop *mine, *got = NULL;
    struct asyncio_runner runner;

    EXPECT_PTR(asyncio_get_running_loop(), NULL);
    EXPECT_PTR(asyncio_get_event_loop(), NULL);
    EXPECT_INT(new_loop(&mine), 0);
    asyncio_set_event_loop(mine);
    EXPECT_PTR(asyncio_get_event_loop(), mine);
    EXPECT_PTR(asyncio_get_running_loop(), NULL);
    EXPECT_INT(asyncio_runner_init(&runner, .loop_factory = new_loop), 0);
    EXPECT_INT(asyncio_runner_run(&runner, sees_loop, mine), 0);
    EXPECT_PTR(asyncio_get_event_loop(), mine);
    EXPECT_INT(asyncio_runner_close(&runner), 0);
    EXPECT_PTR(asyncio_get_event_loop(), mine);
    close_loop(mine);
    EXPECT_PTR(asyncio_get_event_loop(), NULL);

    EXPECT_INT(asyncio_runner_init(&runner, .loop_factory = new_loop), 0);
    EXPECT_INT(asyncio_runner_run(&runner, sees_loop, NULL), 0);
    EXPECT_INT(asyncio_runner_get_loop(&runner, &got), 0);
    EXPECT_PTR(asyncio_get_event_loop(), got);
    EXPECT_INT(asyncio_runner_close(&runner), 0);
    EXPECT_PTR(asyncio_get_event_loop(), NULL);
}

static int forks(void *arg)
{
    pid_t child = fork();
    int status = -1;

    (void)arg;
    if (child == 0)
        _exit(asyncio_get_running_loop()             ? 1
              : asyncio_current_task()               ? 2
              : asyncio_sleep(0) != -ASYNCIO_ENOTASK ? 3
                                                     : 0);
    waitpid(child, &status, 0);
    EXPECT_INT(WEXITSTATUS(status), 0);
    EXPECT(asyncio_get_running_loop() != NULL);
    return asyncio_sleep(1);
}

TEST(a_forked_child_has_no_loop, "R-05 T-16: neither a running loop nor a current task; the parent goes on")
{
    EXPECT_INT(run(forks, NULL), 0);
}

static int run_in_thread(void *arg)
{
    (void)arg;
    return asyncio_sleep(0.001);
}

static void *thread_main(void *arg)
{
    *(int *)arg = run(run_in_thread, NULL);
    return NULL;
}

TEST_REAL(run_in_another_thread,
          "R-04 R-05 #61: a thread that is not the main one runs its own loop, without a word about signals")
{
    pthread_t thread;
    int result = -1;

    EXPECT_INT(pthread_create(&thread, NULL, thread_main, &result), 0);
    EXPECT_PTR(asyncio_get_running_loop(), NULL);
    pthread_join(thread, NULL);
    EXPECT_INT(result, 0);
}

/* -------------------------------------------------------------------------------------------------- Life of a loop */

static void call_soon(struct asyncio_loop *loop, asyncio_callback *callback, const char *what)
{
    EXPECT_INT(asyncio_loop_call_soon(loop, callback, text(what)), 0);
}

TEST(stop_ends_after_the_turn, "R-10 R-08: what is ready runs; what that adds waits for the next run")
{
    struct asyncio_loop *loop;

    /* Also when a poll is due after many turns only. */
    for (unsigned interval = 1; interval <= 64; interval += 63) {
        EXPECT_INT(new_loop(&loop), 0);
        asyncio_loop_set_poll_interval(loop, interval);
        call_soon(loop, say_and_more, "a");
        EXPECT_INT(asyncio_loop_call_soon(loop, stop, loop), 0);
        call_soon(loop, say, "b");
        EXPECT_INT(asyncio_loop_run_forever(loop), 0);
        EXPECT_TRACE("[0.000] a\n[0.000] b\n");
        EXPECT_INT(asyncio_loop_call_soon(loop, stop, loop), 0);
        EXPECT_INT(asyncio_loop_run_forever(loop), 0);
        EXPECT_TRACE("[0.000] more\n");
        close_loop(loop);
    }
}

TEST(stop_before_the_run, "R-10: that run is one turn long and does not wait for a timer")
{
    struct asyncio_loop *loop;

    EXPECT_INT(new_loop(&loop), 0);
    call_soon(loop, say_and_more, "a");
    EXPECT_INT(asyncio_loop_call_later(loop, 5, say, text("late")), 0);
    asyncio_loop_stop(loop);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT_TRACE("[0.000] a\n");
    asyncio_loop_stop(loop);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT_TRACE("[0.000] more\n");
    close_loop(loop);
}

static int stops_its_loop(void *arg)
{
    int r;

    asyncio_loop_stop(asyncio_get_running_loop());
    r = asyncio_sleep(1);
    trace("main: %s", said(r));
    return r < 0 ? r : number_of(arg);
}

TEST(run_until_complete_stopped, "R-09 #52: stopped before: an error; the future stops no later run")
{
    struct asyncio_loop *loop;
    struct asyncio_future *task;

    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, give_later, number(5)), 5);
    task = asyncio_loop_create_task(loop, stops_its_loop, number(6));
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, task), -ASYNCIO_ESTOPPED);
    EXPECT_INT(asyncio_loop_call_later(loop, 3, stop, loop), 0);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT_DOUBLE(asyncio_loop_time(loop), 4);
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, task), 6);
    asyncio_future_unref(task);
    close_loop(loop);
    EXPECT_TRACE("[2.000] main: 0\n");
}

TEST(run_until_complete_of_what_is_not_ours, "R-09: a future of another loop; none at all")
{
    struct asyncio_loop *loop, *other;
    struct asyncio_future *foreign;

    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_INT(new_loop(&other), 0);
    foreign = asyncio_loop_create_future(other);
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, foreign), -ASYNCIO_EFOREIGNLOOP);
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, NULL, NULL), -EINVAL);
    asyncio_future_unref(foreign);
    close_loop(other);
    close_loop(loop);
}

static int fail_run(void *arg)
{
    (void)arg;
    return -EDEADLK;
}

TEST(a_failed_run_leaves_no_stop, "R-09 #52: after a run that ended with an error the next one runs to its own end")
{
    struct asyncio_loop *loop;

    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, fail_run, NULL), -EDEADLK);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, give_later, number(2)), 2);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, give_later, number(3)), 3);
    close_loop(loop);
}

static void never(void *arg)
{
    (void)arg;
    FAIL("a callback ran after the close");
}

TEST(close_and_after, "R-11: repeated is harmless; what was scheduled never runs; every later call is an error")
{
    struct asyncio_loop *loop;
    struct asyncio_handle *soon = NULL, *later = NULL;
    struct asyncio_future *future;

    EXPECT_INT(new_loop(&loop), 0);
    future = asyncio_loop_create_future(loop);
    EXPECT_INT(asyncio_loop_call_soon(loop, never, NULL, .ret_handle = &soon), 0);
    EXPECT_INT(asyncio_loop_call_later(loop, 5, never, NULL, .ret_handle = &later), 0);
    EXPECT_INT(asyncio_loop_close(loop), 0);
    EXPECT_INT(asyncio_loop_close(loop), 0);
    EXPECT(asyncio_loop_is_closed(loop));
    EXPECT(!asyncio_loop_is_running(loop));
    EXPECT_INT(asyncio_loop_call_soon(loop, never, NULL), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_call_later(loop, 1, never, NULL), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_call_at(loop, 1, never, NULL), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, never, NULL), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_run_forever(loop), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, give, NULL), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, future), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_add_reader(loop, 0, never, NULL), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_remove_reader(loop, 0), 0);
    EXPECT_INT(asyncio_loop_remove_writer(loop, 0), 0);
    EXPECT_INT(asyncio_await(asyncio_loop_create_task(loop, give, NULL)), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_await(asyncio_loop_create_future(loop)), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_set_task_factory(loop, NULL), -ASYNCIO_ECLOSED);
    asyncio_loop_stop(loop);
    asyncio_handle_unref(soon);
    asyncio_handle_unref(later);
    asyncio_future_unref(future);
    asyncio_loop_unref(loop);
}

TEST(futures_outlive_their_loop,
     "R-11 F-06: futures, their callbacks and their errors may be looked at after the loop is gone")
{
    struct asyncio_loop *loop;
    struct asyncio_future *done, *pending, *ended;

    EXPECT_INT(new_loop(&loop), 0);
    done = asyncio_loop_create_future(loop);
    pending = asyncio_loop_create_future(loop);
    EXPECT_INT(asyncio_future_set_result(done, 4, loop), 0);
    ended = asyncio_loop_create_task(loop, give, number(9));
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, ended), 9);
    close_loop(loop);
    EXPECT_INT(asyncio_future_result(done), 4);
    EXPECT_INT(asyncio_future_result(ended), 9);
    EXPECT_INT(asyncio_future_set_result(pending, 1, NULL), 0);
    EXPECT_INT(asyncio_future_result(pending), 1);
    asyncio_future_unref(done);
    asyncio_future_unref(pending);
    asyncio_future_unref(ended);
}

static int sleeps_long(void *arg)
{
    int r = asyncio_sleep(100);

    (void)arg;
    return r;
}

TEST(close_with_suspended_tasks, "R-11: refused, and names them; they can be ended and the loop closed then")
{
    struct asyncio_loop *loop;
    struct asyncio_future *task;

    EXPECT_INT(new_loop(&loop), 0);
    task = asyncio_loop_create_task(loop, sleeps_long, NULL, .name = "sleeper");
    asyncio_loop_stop(loop);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT_INT(asyncio_loop_close(loop), -EBUSY);
    EXPECT(strstr(captured_log(), "sleeper"));
    EXPECT(!asyncio_loop_is_closed(loop));
    cancel(task);
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, task), -ECANCELED);
    asyncio_future_unref(task);
    close_loop(loop);
}

static int questions(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    (void)arg;
    EXPECT(asyncio_loop_is_running(loop));
    EXPECT(!asyncio_loop_is_closed(loop));
    EXPECT_DOUBLE(asyncio_loop_time(loop), 0);
    EXPECT_INT(asyncio_sleep(2.5), 0);
    EXPECT_DOUBLE(asyncio_loop_time(loop), 2.5);
    return 0;
}

TEST(questions_to_a_loop, "R-12: running, closed, time")
{
    struct asyncio_loop *loop;

    EXPECT_INT(new_loop(&loop), 0);
    EXPECT(!asyncio_loop_is_running(loop));
    EXPECT_INT(asyncio_loop_run_until_complete(loop, questions, NULL), 0);
    EXPECT(!asyncio_loop_is_running(loop));
    close_loop(loop);
}

TEST(a_loop_that_was_not_closed, "R-12: is closed with its last reference, and a warning")
{
    struct asyncio_loop *loop;

    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_PTR(asyncio_loop_ref(loop), loop);
    EXPECT_PTR(asyncio_loop_unref(loop), NULL);
    EXPECT_PTR(asyncio_loop_unref(loop), NULL);
    EXPECT_LOG("not closed");
}

/* ---------------------------------------------------------------------------------------------------------- Ctrl-C */

static void interrupt(void *arg)
{
    (void)arg;
    raise(SIGINT);
}

static int is_interrupted(void *arg)
{
    int r;

    EXPECT_INT(asyncio_loop_call_later(asyncio_get_running_loop(), 0.001, interrupt, NULL), 0);
    r = asyncio_sleep(100);
    trace("main: %s", said(r));
    ASYNCIO_IGNORE(asyncio_sleep(0.001));
    return arg ? number_of(arg) : r;
}

static bool sigint_is(void (*handler)(int))
{
    struct sigaction action;

    return sigaction(SIGINT, NULL, &action) == 0 && action.sa_handler == handler;
}

TEST_REAL(ctrl_c_cancels_main, "R-04: the first one cancels the main task, which may clean up; run returns -EINTR")
{
    EXPECT_INT(run(is_interrupted, NULL), -EINTR);
    EXPECT_TRACE("main: -ECANCELED\n");
    EXPECT(sigint_is(SIG_DFL));
}

TEST_REAL(ctrl_c_swallowed, "R-04: a main task that swallows the cancel returns its result")
{
    EXPECT_INT(run(is_interrupted, number(7)), 7);
    EXPECT(sigint_is(SIG_DFL));
}

static int is_busy(void *arg)
{
    (void)arg;
    raise(SIGINT);
    trace("busy");
    return asyncio_sleep(1);
}

TEST_REAL(ctrl_c_in_a_step, "R-04 #62: one that comes while code runs does not interrupt it, but meets its next wait")
{
    EXPECT_INT(run(is_busy, NULL), -EINTR);
    EXPECT_TRACE("busy\n");
}

static int ends_with_it(void *arg)
{
    raise(SIGINT);
    return number_of(arg);
}

TEST_REAL(ctrl_c_in_the_last_step, "R-04 #62: one that comes at the very end changes nothing, here or in the next run")
{
    EXPECT_INT(run(ends_with_it, number(3)), 3);
    EXPECT_INT(run(give_later, number(4)), 4);
    EXPECT(sigint_is(SIG_DFL));
}

static int leaves_and_is_interrupted(void *arg)
{
    int r = asyncio_await(spawn(is_interrupted, arg, "inner"));

    trace("outer: %s", said(r));
    return r;
}

static int sleeps_then_says(void *arg)
{
    int r = asyncio_sleep(100);

    (void)arg;
    trace("%s: %s", me(), said(r));
    return r;
}

static int interrupted_with_tasks(void *arg)
{
    detach(sleeps_then_says, NULL, "left");
    return leaves_and_is_interrupted(arg);
}

TEST_REAL(ctrl_c_and_the_teardown,
          "R-04 R-02 #62: the tasks that are left are cancelled and waited for as after any run")
{
    EXPECT_INT(play(interrupted_with_tasks), -EINTR);
    EXPECT_TRACE("main: -ECANCELED\n"
                 "outer: -ECANCELED\n"
                 "left: -ECANCELED\n");
}

TEST_REAL(ctrl_c_in_each_run, "R-04: a runner counts anew in each run")
{
    struct asyncio_runner runner;

    EXPECT_INT(asyncio_runner_init(&runner, .loop_factory = new_loop), 0);
    for (int i = 0; i < 3; i++)
        EXPECT_INT(asyncio_runner_run(&runner, is_interrupted, NULL), -EINTR);
    EXPECT_INT(asyncio_runner_run(&runner, give, number(5)), 5);
    EXPECT_INT(asyncio_runner_close(&runner), 0);
    trace_clear();
}

static volatile sig_atomic_t handled;

static void handle(int number_)
{
    handled = number_;
}

static int sleeps_through(void *arg)
{
    EXPECT_INT(asyncio_loop_call_later(asyncio_get_running_loop(), 0.001, interrupt, NULL), 0);
    EXPECT_INT(asyncio_sleep(0.01), 0);
    return number_of(arg);
}

TEST_REAL(a_handler_of_the_users, "R-04: one that is there stays, and Ctrl-C is not ours then")
{
    signal(SIGINT, handle);
    EXPECT_INT(run(sleeps_through, number(2)), 2);
    EXPECT_INT(handled, SIGINT);
    EXPECT(sigint_is(handle));
    signal(SIGINT, SIG_IGN);
    EXPECT_INT(run(sleeps_through, number(2)), 2);
    EXPECT(sigint_is(SIG_IGN));
    signal(SIGINT, SIG_DFL);
}

static int installs_its_own(void *arg)
{
    (void)arg;
    signal(SIGINT, handle);
    return 0;
}

TEST_REAL(a_handler_set_during_the_run, "R-04: is not taken away at the end")
{
    EXPECT_INT(run(installs_its_own, NULL), 0);
    EXPECT(sigint_is(handle));
    signal(SIGINT, SIG_DFL);
}

static int ignores_and_says(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        raise(SIGINT);
        fprintf(stderr, "survived %d\n", i + 1);
        ASYNCIO_IGNORE(asyncio_sleep(0.001));
    }
    return 0;
}

TEST_DIES(ctrl_c_twice, SIGINT, "survived 1")
{
    run(ignores_and_says, NULL);
}

static int says_before(void *arg)
{
    (void)arg;
    fprintf(stderr, "before\n");
    raise(SIGINT);
    return 0;
}

TEST_DIES(ctrl_c_kept, SIGINT, "before")
{
    asyncio_run(says_before, NULL, .loop_factory = new_loop, .keep_sigint = true);
}

static int raises_quietly(void *arg)
{
    int64_t before = asyncio_allocations();

    (void)arg;
    raise(SIGINT);
    EXPECT_INT(asyncio_allocations(), before);
    return asyncio_sleep(1);
}

TEST_REAL(ctrl_c_calls_no_user_code,
          "R-04 #44: the path from the signal to the cancel allocates nothing and calls nobody")
{
    EXPECT_INT(run(raises_quietly, NULL), -EINTR);
}
