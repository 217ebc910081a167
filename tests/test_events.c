/* test_events.c -- what a loop says and hears: exception handlers, debug mode, dead locks, other threads, the choice of
 * a back end. */
#include "loop_rig.h"

#include <pthread.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>

/* ---------------------------------------------------------------------------------------------- Exception handlers */

static void handler(struct asyncio_loop *given, const struct asyncio_exception_context *context, void *arg)
{
    EXPECT_PTR(given, loop);
    trace("%s: %s, %s", (const char *)arg, context->message, asyncio_errorname(context->error));
}

static void report(const char *message, int error)
{
    struct asyncio_exception_context context = {.size = sizeof context, .message = message, .error = error};

    asyncio_loop_call_exception_handler(loop, &context);
}

static void report_from_callback(void *arg)
{
    report(arg, -EIO);
}

TEST(exception_handlers,
     "EV-16: the one that was set last is told, with its argument; NULL restores the default, which logs")
{
    open_loop();
    EXPECT(asyncio_loop_get_exception_handler(loop) == NULL);
    asyncio_loop_set_exception_handler(loop, handler, word("first"));
    EXPECT(asyncio_loop_get_exception_handler(loop) == (loop ? handler : NULL));
    soon(report_from_callback, "trouble");
    one_turn();
    asyncio_loop_set_exception_handler(loop, handler, word("second"));
    report("more", -ETIMEDOUT);
    EXPECT_TRACE("[0.000] first: trouble, EIO\nsecond: more, ETIMEDOUT\n");
    asyncio_loop_set_exception_handler(loop, NULL, NULL);
    report("to the log", -EPIPE);
    EXPECT_LOG("to the log");
    EXPECT_TRACE("");
    close_loop();
}

TEST(default_exception_handler,
     "EV-16: says the message, the error in words and where; without a message it has its own words")
{
    struct asyncio_exception_context context = {.size = sizeof context, .error = -EPIPE, .source = "here.c:12"};

    open_loop();
    asyncio_loop_default_exception_handler(loop, &context);
    EXPECT_LOG("unhandled error in event loop: Broken pipe; made at here.c:12");
    asyncio_loop_default_exception_handler(loop, NULL);
    asyncio_loop_call_exception_handler(loop, NULL);
    close_loop();
}

static void reports_again(struct asyncio_loop *given, const struct asyncio_exception_context *context, void *arg)
{
    (void)given, (void)arg;
    trace("handles: %s", context->message);
    report("trouble in the handler", -EIO);
    trace("handled");
}

static void passes_on(struct asyncio_loop *given, const struct asyncio_exception_context *context, void *arg)
{
    (void)arg;
    trace("passes on: %s", context->message);
    asyncio_loop_set_exception_handler(given, handler, word("next"));
    asyncio_loop_default_exception_handler(given, context);
}

TEST(handler_that_reports, "EV-16: what a handler itself has to report goes to the default one, not round in a circle")
{
    open_loop();
    asyncio_loop_set_exception_handler(loop, reports_again, NULL);
    report("trouble", -EPIPE);
    EXPECT_TRACE("handles: trouble\nhandled\n");
    EXPECT_LOG("trouble in the handler");
    report("once more", -EPIPE);
    EXPECT_TRACE("handles: once more\nhandled\n");
    EXPECT_LOG("trouble in the handler");
    close_loop();
}

TEST(handler_that_passes_on, "EV-16: a handler may pass on to the default one, and put another in its own place")
{
    open_loop();
    asyncio_loop_set_exception_handler(loop, passes_on, NULL);
    report("trouble", -EPIPE);
    EXPECT_LOG("trouble: Broken pipe");
    report("again", -EIO);
    EXPECT_TRACE("passes on: trouble\nnext: again, EIO\n");
    close_loop();
}

static int fail_unseen(void *arg)
{
    (void)arg;
    return -EBADMSG;
}

static int leave_unseen(void *arg)
{
    (void)arg;
    asyncio_future_unref(asyncio_create_task(fail_unseen, NULL, .name = "unseen"));
    return asyncio_sleep(1);
}

static void describe_task(struct asyncio_loop *given, const struct asyncio_exception_context *context, void *arg)
{
    (void)given, (void)arg;
    trace("%s, %s, %s", context->message, asyncio_errorname(context->error), asyncio_task_get_name(context->future));
}

TEST(handler_is_told_of_tasks, "EV-16: of the error of a task that nobody asked: task and error")
{
    open_loop();
    asyncio_loop_set_exception_handler(loop, describe_task, NULL);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, leave_unseen, NULL), 0);
    EXPECT(strstr(transcript(), "EBADMSG, unseen"));
    trace_clear();
    close_loop();
}

/* ------------------------------------------------------------------------------------------------------ Debug mode */

static void take_time(void *arg)
{
    watch.shift_ns += *(int64_t *)arg;
}

static int take_time_in_task(void *arg)
{
    int r = asyncio_sleep(0);

    take_time(arg);
    return r < 0 ? r : asyncio_sleep(0);
}

TEST_NO_SWEEP(slow_callbacks,
              "EV-08 EV-17: debug mode reports a callback that takes a tenth of a second or as long as was set", INSIDE)
{
    int64_t less = 99 * NS_PER_MSEC, more = 101 * NS_PER_MSEC, second = NS_PER_SEC;

    open_wrapped(0, NULL);
    EXPECT_INT(asyncio_loop_call_soon(loop, take_time, &second), 0);
    one_turn();
    EXPECT_STR(captured_log(), "");
    asyncio_loop_set_debug(loop, true);
    EXPECT_INT(asyncio_loop_call_soon(loop, take_time, &less), 0);
    one_turn();
    EXPECT_STR(captured_log(), "");
    EXPECT_INT(asyncio_loop_call_soon(loop, take_time, &more), 0);
    one_turn();
    EXPECT_LOG("took 0.101 seconds");
    EXPECT_INT(asyncio_loop_set_slow_callback_duration(loop, 1), 0);
    EXPECT_INT(asyncio_loop_call_soon(loop, take_time, &more), 0);
    one_turn();
    EXPECT_STR(captured_log(), "");
    EXPECT_INT(asyncio_loop_call_later(loop, 1, take_time, &second), 0);
    run_for(2);
    EXPECT_LOG("took 1.000 seconds");
    close_loop();
}

TEST_NO_SWEEP(slow_callback_says_where, "EV-08: the report of a slow callback says where it was scheduled", INSIDE)
{
    int64_t second = NS_PER_SEC;
    struct asyncio_callback_kw kw = {.size = sizeof kw, .source = "somewhere.c:17"};

    open_wrapped(0, NULL);
    asyncio_loop_set_debug(loop, true);
    EXPECT_INT(asyncio_loop_call_soon_kw(loop, take_time, &second, &kw), 0);
    one_turn();
    EXPECT_LOG("somewhere.c:17");
    close_loop();
}

TEST_NO_SWEEP(slow_steps, "EV-08 EV-17: a task's step is reported like a callback", INSIDE)
{
    int64_t second = NS_PER_SEC;

    open_wrapped(0, NULL);
    asyncio_loop_set_debug(loop, true);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, take_time_in_task, &second), 0);
    EXPECT_LOG("took 1.000 seconds");
    close_loop();
}

static void debug_on(void *arg)
{
    (void)arg;
    asyncio_loop_set_debug(loop, true);
}

TEST_NO_SWEEP(debug_switched_on_the_way, "EV-17: debug mode set while the loop runs counts from then on", INSIDE)
{
    int64_t second = NS_PER_SEC, two = 2 * NS_PER_SEC;

    open_wrapped(0, NULL);
    EXPECT_INT(asyncio_loop_call_soon(loop, take_time, &second), 0);
    soon(debug_on, NULL);
    EXPECT_INT(asyncio_loop_call_soon(loop, take_time, &two), 0);
    one_turn();
    EXPECT_LOG("took 2.000 seconds");
    EXPECT_STR(captured_log(), "");
    close_loop();
}

TEST(debug_from_the_start, "EV-17: by keyword or by $ASYNCIO_DEBUG, which counts when it is 1")
{
    static const char *const values[] = {"1", "0", ""};

    for (int i = 0; i < 3; i++) {
        setenv("ASYNCIO_DEBUG", values[i], 1);
        open_loop();
        EXPECT_INT(asyncio_loop_get_debug(loop), loop && i == 0);
        close_loop();
    }
    unsetenv("ASYNCIO_DEBUG");
    open_loop();
    EXPECT(!asyncio_loop_get_debug(loop));
    close_loop();
    if (asyncio_new_event_loop(&loop, .backend = "sim", .debug = true) == 0)
        EXPECT(asyncio_loop_get_debug(loop));
    close_loop();
}

static void *call_from_outside(void *arg)
{
    (void)arg;
    trace("soon: %d", asyncio_loop_call_soon(loop, say, NULL));
    trace("later: %d", asyncio_loop_call_later(loop, 1, say, NULL));
    trace("at: %d", asyncio_loop_call_at(loop, 1, say, NULL));
    trace("reader: %d", asyncio_loop_add_reader(loop, 0, say, NULL));
    trace("threadsafe: %d", asyncio_loop_call_soon_threadsafe(loop, stop, NULL));
    return NULL;
}

static void start_outsider(void *arg)
{
    pthread_create(arg, NULL, call_from_outside, NULL);
}

TEST_REAL(wrong_thread, "EV-10 EV-17: debug mode refuses calls of another thread, and says what to call instead")
{
    pthread_t thread;

    open_loop();
    asyncio_loop_set_debug(loop, true);
    EXPECT_INT(asyncio_loop_call_soon(loop, start_outsider, &thread), 0);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    pthread_join(thread, NULL);
    EXPECT_TRACE("soon: -18\nlater: -18\nat: -18\nreader: -18\nthreadsafe: 0\n");
    EXPECT_LOG("asyncio_loop_call_soon_threadsafe");
    captured_log();
    close_loop();
}

/* ------------------------------------------------------------------------------------------------------ Dead locks */

TEST(dead_lock,
     "R-09: when nothing can wake the tasks the run ends with -EDEADLK and a report that names them, at once")
{
    struct asyncio_future *task;

    open_loop();
    task = asyncio_loop_create_task(loop, wait_for_nothing, NULL, .name = "hopeless");
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, task), -EDEADLK);
    EXPECT(strstr(captured_log(), "hopeless"));
    EXPECT_INT(asyncio_future_cancel(task), 1);
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, task), -ECANCELED);
    asyncio_future_unref(task);
    close_loop();
}

TEST_NO_SWEEP(no_dead_lock_with_a_timer, "R-09: a timer that is armed may wake somebody; one that never fires cannot",
              "it waits for the report")
{
    struct asyncio_future *task;

    open_loop();
    task = asyncio_loop_create_task(loop, wait_for_nothing, NULL, .name = "hopeless");
    later(50, say, "a timer");
    later(ASYNCIO_FOREVER, say, "never");
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, task), -EDEADLK);
    EXPECT_TRACE("[50.000] a timer\n");
    captured_log();
    asyncio_future_cancel(task);
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, task), -ECANCELED);
    asyncio_future_unref(task);
    close_loop();
}

/* Threads do not rest by the clock of the test: this one gives the loop the time to block. */
static void rest(long ms)
{
    struct timespec moment = {.tv_nsec = ms * 1000000};

    pselect(0, NULL, NULL, NULL, &moment, NULL);
}

static void set_it(void *arg)
{
    asyncio_future_set_result(arg, 7, NULL);
}

static void *wake_later(void *arg)
{
    rest(30);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, set_it, arg), 0);
    asyncio_loop_release(loop);
    return NULL;
}

TEST_REAL(hold, "R-09 EV-15: while somebody has a hold on the loop, tasks that all wait are no dead lock")
{
    struct asyncio_future *future;
    pthread_t thread;

    open_loop();
    future = asyncio_loop_create_future(loop);
    asyncio_loop_hold(loop);
    pthread_create(&thread, NULL, wake_later, future);
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, future), 7);
    pthread_join(thread, NULL);
    asyncio_future_unref(future);
    close_loop();
}

static void *release_later(void *arg)
{
    (void)arg;
    rest(30);
    asyncio_loop_release(loop);
    return NULL;
}

TEST_REAL(hold_given_up, "R-09: when the last hold is given up while the loop blocks, the dead lock is found then")
{
    struct asyncio_future *task;
    pthread_t thread;

    open_loop();
    task = asyncio_loop_create_task(loop, wait_for_nothing, NULL, .name = "hopeless");
    asyncio_loop_hold(loop);
    pthread_create(&thread, NULL, release_later, NULL);
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, task), -EDEADLK);
    pthread_join(thread, NULL);
    EXPECT(strstr(captured_log(), "hopeless"));
    asyncio_future_cancel(task);
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, task), -ECANCELED);
    asyncio_future_unref(task);
    close_loop();
}

static void *stop_later(void *arg)
{
    (void)arg;
    rest(30);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, stop, NULL), 0);
    return NULL;
}

TEST_REAL(run_forever_waits_on,
          "R-08: run_forever reports a dead lock once and goes on waiting, as a thread may yet call; it says nothing "
          "without tasks")
{
    struct asyncio_future *task = NULL;
    pthread_t thread;

    open_loop();
    for (int i = 0; i < 2; i++) {
        pthread_create(&thread, NULL, stop_later, NULL);
        EXPECT_INT(asyncio_loop_run_forever(loop), 0);
        pthread_join(thread, NULL);
        EXPECT_INT(strstr(captured_log(), "dead lock") != NULL, i == 1);
        if (i == 0)
            task = asyncio_loop_create_task(loop, wait_for_nothing, NULL);
    }
    asyncio_future_cancel(task);
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, task), -ECANCELED);
    asyncio_future_unref(task);
    close_loop();
}

/* --------------------------------------------------------------------------------------------------- Other threads */

static void count_post(void *arg)
{
    int *left = arg;

    if (--*left == 0)
        asyncio_loop_stop(loop);
}

#define POSTERS 8

static int posts_each, posts_left;

static void *post_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < posts_each; i++)
        if (asyncio_loop_call_soon_threadsafe(loop, count_post, &posts_left) < 0)
            FAIL("a post failed");
    return NULL;
}

TEST_REAL(many_posters, "EV-11 #54: eight threads post a hundred thousand calls each: all arrive, and the loop goes on")
{
    pthread_t threads[POSTERS];

    test_needs_seconds(60);
    posts_each = 100000 / (test_slowness() * test_slowness());
    posts_left = POSTERS * posts_each;
    open_loop();
    for (int i = 0; i < POSTERS; i++)
        pthread_create(&threads[i], NULL, post_many, NULL);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    EXPECT_INT(posts_left, 0);
    close_loop();
}

static atomic_int posts_refused;

static void *post_until_refused(void *arg)
{
    struct asyncio_handle *handle = NULL;
    int r = 0;

    (void)arg;
    while (r == 0) {
        r = asyncio_loop_call_soon_threadsafe(loop, never_mind, NULL, .ret_handle = &handle);
        if (r == 0)
            handle = asyncio_handle_unref(handle);
    }
    EXPECT_INT(r, -ASYNCIO_ECLOSED);
    EXPECT_PTR(handle, NULL);
    atomic_fetch_add(&posts_refused, 1);
    return NULL;
}

TEST_REAL(close_against_posters,
          "#55 R-11: a close while threads post: each post either arrives or is refused, and nothing crashes")
{
    pthread_t threads[4];

    for (int round = 0; round < 20; round++) {
        open_loop();
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, post_until_refused, NULL);
        later(0.002, stop, NULL);
        EXPECT_INT(asyncio_loop_run_forever(loop), 0);
        EXPECT_INT(asyncio_loop_close(loop), 0);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        loop = asyncio_loop_unref(loop);
    }
    EXPECT_INT(posts_refused, 80);
}

static void *run_too(void *arg)
{
    *(int *)arg = asyncio_loop_run_forever(loop);
    EXPECT_INT(asyncio_loop_run_once(loop, 0), -ASYNCIO_ERUNNING);
    EXPECT_INT(asyncio_loop_close(loop), -ASYNCIO_ERUNNING);
    EXPECT_PTR(asyncio_get_running_loop(), NULL);
    asyncio_loop_call_soon_threadsafe(loop, stop, NULL);
    return NULL;
}

static pthread_t second_runner;
static int second_result;

static void start_second_runner(void *arg)
{
    (void)arg;
    pthread_create(&second_runner, NULL, run_too, &second_result);
}

TEST_REAL(two_threads_run_it,
          "#56 R-08: of two threads that run one loop the second gets an error, and the first goes on")
{
    open_loop();
    soon(start_second_runner, NULL);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    pthread_join(second_runner, NULL);
    EXPECT_INT(second_result, -ASYNCIO_ERUNNING);
    close_loop();
}

static void *run_elsewhere(void *arg)
{
    (void)arg;
    soon(say, "in another thread");
    asyncio_loop_stop(loop);
    return (void *)(intptr_t)asyncio_loop_run_forever(loop);
}

static int in_thread(void *(*fn)(void *))
{
    pthread_t thread;
    void *result;

    pthread_create(&thread, NULL, fn, NULL);
    pthread_join(thread, &result);
    return (int)(intptr_t)result;
}

TEST_REAL(loop_changes_its_thread,
          "R-08: an idle loop may move to another thread; with suspended tasks it gets -EXDEV there")
{
    struct asyncio_future *task;

    open_loop();
    soon(say, "in this thread");
    one_turn();
    EXPECT_INT(in_thread(run_elsewhere), 0);
    one_turn();
    EXPECT_TRACE("in this thread\nin another thread\n");
    task = asyncio_loop_create_task(loop, wait_for_nothing, NULL);
    one_turn();
    EXPECT_INT(in_thread(run_elsewhere), -EXDEV);
    EXPECT(!asyncio_loop_is_running(loop));
    asyncio_future_cancel(task);
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, task), -ECANCELED);
    asyncio_future_unref(task);
    EXPECT_TRACE("in another thread\n");
    close_loop();
}

static int64_t blocked_since_ns;

static void *wake_the_loop(void *arg)
{
    rest(20);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, stop, arg), 0);
    return NULL;
}

TEST_REAL(wake_by_thread, "EV-15 EV-11: a call from another thread ends a poll that would block for an hour")
{
    pthread_t thread;

    open_wrapped(0, NULL);
    later(3600, say, "never");
    blocked_since_ns = asyncio_loop_now_ns(loop);
    pthread_create(&thread, NULL, wake_the_loop, NULL);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    pthread_join(thread, NULL);
    EXPECT(asyncio_loop_now_ns(loop) - blocked_since_ns < 60 * NS_PER_SEC);
    EXPECT(watch.polls <= 2);
    close_loop();
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
    asyncio_loop_call_soon_threadsafe(loop, stop, NULL);
}

static void alarm_in_ms(int ms)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval timer = {.it_value.tv_usec = 1000 * ms};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

TEST_REAL(wake_by_signal, "EV-15 EV-11: a signal handler may call, and ends a poll that blocks")
{
    open_loop();
    later(3600, say, "never");
    alarm_in_ms(20);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    close_loop();
}

static struct asyncio_node posted[3];

static void posted_ran(struct asyncio_node *node)
{
    trace("node %d", (int)(node - posted));
    if (node == &posted[2])
        asyncio_loop_stop(loop);
}

static void *post_nodes(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        EXPECT_INT(asyncio_loop_post(loop, &posted[i]), 0);
    return NULL;
}

TEST_REAL(posted_nodes, "EV-15 EV-11: nodes posted by a thread run in the order of their posts")
{
    pthread_t thread;

    for (int i = 0; i < 3; i++)
        asyncio_node_init(&posted[i], posted_ran, NULL);
    open_loop();
    pthread_create(&thread, NULL, post_nodes, NULL);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    pthread_join(thread, NULL);
    EXPECT_TRACE("node 0\nnode 1\nnode 2\n");
    close_loop();
}

/* --------------------------------------------------------------------------------------------- Choosing a back end */

static void expect_backend(const char *asked, const char *environment, const char *name, const char *reason)
{
    struct asyncio_loop *chosen = NULL;

    if (environment)
        setenv("ASYNCIO_BACKEND", environment, 1);
    EXPECT_INT(asyncio_new_event_loop(&chosen, .backend = asked), 0);
    if (chosen) {
        EXPECT_STR(asyncio_loop_backend(chosen), name);
        EXPECT_STR(asyncio_loop_backend_reason(chosen), reason);
        EXPECT_INT(asyncio_loop_close(chosen), 0);
    }
    asyncio_loop_unref(chosen);
    unsetenv("ASYNCIO_BACKEND");
}

TEST(backend_choice,
     "R-07: the program's word comes before $ASYNCIO_BACKEND, and that before the best there is; the loop says why")
{
    expect_backend("sim:5", "epoll", "sim", "asked for by the program");
    expect_backend("epoll", "sim", "epoll", "asked for by the program");
    expect_backend(NULL, "sim:9", "sim", "asked for by ASYNCIO_BACKEND");
    expect_backend(NULL, "epoll", "epoll", "asked for by ASYNCIO_BACKEND");
    expect_backend(NULL, "", "epoll", "the default; ASYNCIO_BACKEND=uring asks for io_uring");
    expect_backend(NULL, NULL, "epoll", "the default; ASYNCIO_BACKEND=uring asks for io_uring");
}

TEST(backend_unknown, "R-07: an unknown back end or a bad option of one is -EINVAL, and nothing is made")
{
    static const char *const names[] = {"kqueue", "epol", "epollx", ":", "sim:x", "sim:1,nonsense=3", "epoll:fine", ""};
    struct asyncio_loop *made = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        int r = asyncio_new_event_loop(&made, .backend = names[i]);

        if (r != -EINVAL && r != -ENOMEM)
            FAIL("back end \"%s\" is %d", names[i], r);
        EXPECT_PTR(made, NULL);
    }
    setenv("ASYNCIO_BACKEND", "kqueue", 1);
    EXPECT_INT(asyncio_new_event_loop_kw(&made, NULL), -EINVAL);
    unsetenv("ASYNCIO_BACKEND");
}

TEST_NO_SWEEP(backend_of_the_callers, "R-07: a loop over a back end of the caller's says so", INSIDE)
{
    open_wrapped(0, NULL);
    EXPECT_STR(asyncio_loop_backend_reason(loop), "given by the caller");
    close_loop();
    EXPECT_INT(asyncio_new_event_loop_on(&loop, NULL, NULL, NULL), -EINVAL);
}
