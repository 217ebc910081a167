/* test_thread_futures.c -- tasks that loops run for other threads, and futures that follow them. */
#include "threading.h"

static struct gate begun, go_on;
static struct asyncio_event event;
static atomic_int n_ran, n_freed;

static void init_gates(void)
{
    gate_init(&begun);
    gate_init(&go_on);
}

static int echo(void *arg)
{
    atomic_fetch_add(&n_ran, 1);
    return number_of(arg);
}

static const struct asyncio_contextvar color = {.name = "color"};

/* ---------------------------------------------------------------------------------------- run_coroutine_threadsafe */

static void count_free(void *arg)
{
    (void)arg;
    atomic_fetch_add(&n_freed, 1);
}

static int sleep_and_echo(void *arg)
{
    int r = asyncio_sleep(0.005);

    return r < 0 ? r : number_of(arg);
}

static int wait_for_ever(void *arg)
{
    (void)arg;
    gate_open(&begun);
    return asyncio_event_wait(&event);
}

TEST_REAL(run_coroutine_threadsafe, "C-21: a task for another thread, its value or error, waited for with a deadline")
{
    struct asyncio_thread_future *future = NULL;
    struct other_loop other;

    start_other_loop(&other);
    EXPECT_INT(asyncio_run_coroutine_threadsafe(NULL, NULL, other.loop, &future), -EINVAL);
    EXPECT_INT(asyncio_run_coroutine_threadsafe(echo, NULL, NULL, &future), -EINVAL);
    EXPECT_INT(asyncio_run_coroutine_threadsafe(echo, NULL, other.loop, NULL), -EINVAL);
    for (int i = -3; i < 3; i++) {
        EXPECT_INT(asyncio_run_coroutine_threadsafe(sleep_and_echo, number(i), other.loop, &future), 0);
        EXPECT_INT(asyncio_thread_future_result(future, PATIENCE_S), i);
        EXPECT(asyncio_thread_future_done(future));
        EXPECT_INT(asyncio_thread_future_result(future, 0), i);
        EXPECT_INT(asyncio_thread_future_cancel(future), 0);
        asyncio_thread_future_ref(future);
        asyncio_thread_future_unref(future);
        future = asyncio_thread_future_unref(future);
    }
    EXPECT_INT(asyncio_thread_future_result(NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_thread_future_cancel(NULL), -EINVAL);
    EXPECT(!asyncio_thread_future_done(NULL));
    EXPECT_PTR(asyncio_thread_future_ref(NULL), NULL);
    EXPECT_PTR(asyncio_thread_future_unref(NULL), NULL);
    end_other_loop(&other);
}

TEST_REAL(cancel_from_another_thread, "C-21: a cancel reaches the task; until then its result is not there")
{
    struct asyncio_thread_future *future;
    struct other_loop other;

    init_gates();
    start_other_loop(&other);
    EXPECT_INT(asyncio_run_coroutine_threadsafe(wait_for_ever, NULL, other.loop, &future, .free_arg = count_free), 0);
    gate_pass(&begun);
    EXPECT_INT(asyncio_thread_future_result(future, 0), -ETIMEDOUT);
    EXPECT_INT(asyncio_thread_future_result(future, 0.005), -ETIMEDOUT);
    EXPECT_INT(asyncio_thread_future_result(future, __builtin_nan("")), -EINVAL);
    EXPECT(!asyncio_thread_future_done(future));
    EXPECT_INT(asyncio_thread_future_cancel(future), 1);
    EXPECT_INT(asyncio_thread_future_result(future, PATIENCE_S), -ECANCELED);
    EXPECT_INT(atomic_load(&n_freed), 1);
    asyncio_thread_future_unref(future);
    /* Before it has started. */
    EXPECT_INT(asyncio_run_coroutine_threadsafe(wait_for_ever, NULL, other.loop, &future, .free_arg = count_free), 0);
    EXPECT_INT(asyncio_thread_future_cancel(future), 1);
    asyncio_thread_future_cancel(future);
    EXPECT_INT(asyncio_thread_future_result(future, PATIENCE_S), -ECANCELED);
    EXPECT_INT(atomic_load(&n_freed), 2);
    asyncio_thread_future_unref(future);
    end_other_loop(&other);
}

static int stubborn(void *arg)
{
    int n = 0;

    gate_open(&begun);
    while (n < number_of(arg))
        n += asyncio_sleep(0.001) == -ECANCELED;
    return 100 + n;
}

TEST_REAL(cancel_again, "C-21: a task that goes on after a cancel can be cancelled again, and has its own result")
{
    struct asyncio_thread_future *future;
    struct other_loop other;
    int r;

    init_gates();
    start_other_loop(&other);
    EXPECT_INT(asyncio_run_coroutine_threadsafe(stubborn, number(5), other.loop, &future), 0);
    gate_pass(&begun);
    do {
        EXPECT(asyncio_thread_future_cancel(future) >= 0);
        r = asyncio_thread_future_result(future, 0.002);
    } while (r == -ETIMEDOUT);
    EXPECT_INT(r, 105);
    asyncio_thread_future_unref(future);
    end_other_loop(&other);
}

static struct asyncio_thread_future *own;

static int wait_for_myself(void *arg)
{
    (void)arg;
    gate_pass(&go_on);
    EXPECT_INT(asyncio_thread_future_result(own, 1), -EDEADLK);
    EXPECT_INT(asyncio_thread_future_result(own, 0), -EDEADLK);
    return 9;
}

TEST_REAL(wait_on_the_loops_thread, "C-21: waiting in the loop's own thread is refused, as it would never end")
{
    struct other_loop other;

    init_gates();
    start_other_loop(&other);
    EXPECT_INT(asyncio_run_coroutine_threadsafe(wait_for_myself, NULL, other.loop, &own), 0);
    gate_open(&go_on);
    EXPECT_INT(asyncio_thread_future_result(own, PATIENCE_S), 9);
    own = asyncio_thread_future_unref(own);
    end_other_loop(&other);
}

static int what_am_i(void *arg)
{
    EXPECT_STR(me(), arg);
    EXPECT_STR(asyncio_contextvar_get(&color, (void *)(uintptr_t) "none"), "green");
    EXPECT_INT(asyncio_contextvar_set(&color, (void *)(uintptr_t) "black", NULL), 0);
    return 0;
}

static int use_keywords(void *arg)
{
    struct asyncio_thread_future *future;
    struct asyncio_context *context;
    struct other_loop other;
    char name[] = "traveller", given[] = "given", eager[] = "eager";

    (void)arg;
    start_other_loop(&other);
    EXPECT_INT(asyncio_contextvar_set(&color, (void *)(uintptr_t) "green", NULL), 0);
    EXPECT_INT(
        asyncio_run_coroutine_threadsafe(what_am_i, (void *)(uintptr_t) "traveller", other.loop, &future, .name = name),
        0);
    memset(name, 'x', sizeof name - 1);
    EXPECT_INT(asyncio_thread_future_result(future, PATIENCE_S), 0);
    asyncio_thread_future_unref(future);
    EXPECT_STR(asyncio_contextvar_get(&color, NULL), "green");
    EXPECT_INT(
        asyncio_run_coroutine_threadsafe(what_am_i, eager, other.loop, &future, .name = eager, .eager_start = true), 0);
    EXPECT_INT(asyncio_thread_future_result(future, PATIENCE_S), 0);
    asyncio_thread_future_unref(future);
    context = asyncio_copy_context();
    EXPECT_INT(asyncio_run_coroutine_threadsafe(what_am_i, given, other.loop, &future, .name = given,
                                                .context = context, .eager_start = true),
               0);
    EXPECT_INT(asyncio_thread_future_result(future, PATIENCE_S), 0);
    asyncio_thread_future_unref(future);
    end_other_loop(&other);
    asyncio_context_unref(context);
    return 0;
}

TEST_REAL(keywords_of_thread_futures,
          "C-21 X-03: name, context and eager start; the context is a copy of the calling thread's")
{
    struct asyncio_context *context = asyncio_copy_context();

    EXPECT_INT(asyncio_context_run(context, use_keywords, NULL), 0);
    asyncio_context_unref(context);
}

static struct asyncio_future *broken_factory(struct asyncio_loop *loop, asyncio_coro *fn, void *arg,
                                             const struct asyncio_task_kw *kw)
{
    (void)fn;
    return asyncio_eager_task_factory(loop, NULL, arg, kw);
}

TEST(thread_future_without_a_task, "C-21 T-15: the error of a creation that fails, or of a factory, is the outcome")
{
    struct asyncio_thread_future *future = NULL;
    struct asyncio_loop *loop;

    if (new_loop(&loop) < 0)
        return;
    EXPECT_INT(asyncio_loop_set_task_factory(loop, broken_factory), 0);
    if (asyncio_run_coroutine_threadsafe(echo, NULL, loop, &future, .free_arg = count_free) == 0) {
        asyncio_loop_stop(loop);
        EXPECT_INT(asyncio_loop_run_forever(loop), 0);
        EXPECT_INT(asyncio_thread_future_result(future, 0), -EINVAL);
        EXPECT_INT(atomic_load(&n_freed), 1);
    }
    asyncio_thread_future_unref(future);
    close_loop(loop);
}

TEST(thread_future_of_a_closed_loop,
     "C-21 #55: a loop that is closed, or closes before, between or after start and end")
{
    struct asyncio_thread_future *posted = NULL, *created = NULL, *cancelled = NULL, *late = NULL;
    struct asyncio_loop *loop;

    if (new_loop(&loop) < 0)
        return;
    ASYNCIO_IGNORE(asyncio_run_coroutine_threadsafe(echo, NULL, loop, &created, .free_arg = count_free));
    asyncio_loop_stop(loop);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    /* Its task has been made and has not started. */
    ASYNCIO_IGNORE(asyncio_run_coroutine_threadsafe(echo, NULL, loop, &posted, .free_arg = count_free));
    ASYNCIO_IGNORE(asyncio_run_coroutine_threadsafe(echo, NULL, loop, &cancelled, .free_arg = count_free));
    EXPECT_INT(asyncio_thread_future_cancel(cancelled), 1);
    EXPECT_INT(asyncio_loop_close(loop), 0);
    EXPECT_INT(asyncio_run_coroutine_threadsafe(echo, NULL, loop, &late, .free_arg = count_free), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_thread_future_result(created, 0), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_thread_future_result(posted, 0), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_thread_future_result(cancelled, ASYNCIO_FOREVER), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_thread_future_cancel(posted), 0);
    EXPECT_INT(atomic_load(&n_freed), 3);
    EXPECT_INT(atomic_load(&n_ran), 0);
    EXPECT_PTR(late, NULL);
    asyncio_thread_future_unref(created);
    asyncio_thread_future_unref(posted);
    asyncio_thread_future_unref(cancelled);
    asyncio_loop_unref(loop);
    EXPECT_LOG("Task was destroyed but it is pending");
}

static void *wait_in_a_thread(void *arg)
{
    intptr_t r;

    gate_open(&begun);
    r = asyncio_thread_future_result(arg, PATIENCE_S);
    asyncio_thread_future_unref(arg);
    return (void *)r;
}

TEST_REAL(waiters_of_a_closed_loop, "C-21: threads that wait when the loop is closed are told")
{
    struct asyncio_thread_future *future;
    struct asyncio_loop *loop;
    pthread_t threads[3];

    init_gates();
    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_INT(asyncio_run_coroutine_threadsafe(echo, NULL, loop, &future), 0);
    for (int i = 0; i < 3; i++)
        threads[i] = start_thread(wait_in_a_thread, asyncio_thread_future_ref(future));
    for (int i = 0; i < 3; i++)
        gate_pass(&begun);
    asyncio_thread_future_unref(future);
    pause_thread(0.005);
    close_loop(loop);
    for (int i = 0; i < 3; i++)
        EXPECT_INT((intptr_t)join_thread(threads[i]), -ASYNCIO_ECLOSED);
}

static void *submit_until_closed(void *arg)
{
    struct asyncio_thread_future *future;
    int r;

    gate_open(&begun);
    for (int i = 0;; i++) {
        if (asyncio_run_coroutine_threadsafe(i % 2 ? echo : sleep_and_echo, number(3), arg, &future) < 0)
            break;
        if (i % 3 == 0)
            asyncio_thread_future_cancel(future);
        if (i % 4 == 0) {
            r = asyncio_thread_future_result(future, PATIENCE_S);
            EXPECT(r == 3 || r == -ECANCELED || r == -ASYNCIO_ECLOSED);
        }
        asyncio_thread_future_unref(future);
        /* The loop's thread has to come to an end with them. */
        if (i % 16 == 0)
            pause_thread(0.0005);
    }
    asyncio_loop_unref(arg);
    return NULL;
}

static int spend_time(void *arg)
{
    return asyncio_sleep(arg ? 0.01 : 0);
}

TEST_REAL(thread_futures_race_with_the_end, "C-21 #54 #55: threads give tasks to a loop that comes to its end")
{
    for (int round = 0; round < 10; round++) {
        struct asyncio_runner runner;
        struct asyncio_loop *loop;
        pthread_t threads[4];

        init_gates();
        asyncio_runner_init(&runner, .loop_factory = new_loop);
        EXPECT_INT(asyncio_runner_get_loop(&runner, &loop), 0);
        for (int i = 0; i < 4; i++)
            threads[i] = start_thread(submit_until_closed, asyncio_loop_ref(loop));
        for (int i = 0; i < 4; i++)
            gate_pass(&begun);
        EXPECT_INT(asyncio_runner_run(&runner, spend_time, number(round % 3)), 0);
        EXPECT_INT(asyncio_runner_close(&runner), 0);
        for (int i = 0; i < 4; i++)
            join_thread(threads[i]);
        /* What had come in the very last moment. */
        captured_log();
    }
}

/* A thread that works for the loop and has it do something in turn. */
static int ask_back(void *arg)
{
    struct asyncio_thread_future *future;
    int r = asyncio_run_coroutine_threadsafe(echo, number(21), arg, &future);

    if (r < 0)
        return r;
    r = asyncio_thread_future_result(future, PATIENCE_S);
    asyncio_thread_future_unref(future);
    return r;
}

static int ask_thread(void *arg)
{
    (void)arg;
    return asyncio_to_thread(ask_back, asyncio_get_running_loop());
}

TEST(there_and_back, "C-20 C-21: a job has its own loop run a task for it")
{
    EXPECT_INT(run(ask_thread, NULL), 21);
}

/* ----------------------------------------------------------------------------------------------------- wrap_future */

static int wrap_and_wait(void *arg)
{
    struct asyncio_future *future = asyncio_wrap_future(arg);
    int r = asyncio_await(future);

    asyncio_future_unref(future);
    return r;
}

static int wrap_own(void *arg)
{
    struct asyncio_thread_future *source = NULL;
    struct asyncio_future *future;
    int r;

    (void)arg;
    r = asyncio_run_coroutine_threadsafe(echo, number(8), asyncio_get_running_loop(), &source);
    if (r < 0)
        return r;
    future = asyncio_wrap_future(source);
    EXPECT_INT(asyncio_await(future), 8);
    asyncio_future_unref(future);
    EXPECT_INT(wrap_and_wait(source), 8);
    asyncio_thread_future_unref(source);
    EXPECT_INT(wrap_and_wait(NULL), -EINVAL);
    return 0;
}

TEST(wrap_future_of_the_same_loop, "C-22: follows a task of the running loop, pending or done")
{
    EXPECT_INT(run(wrap_own, NULL), 0);
    EXPECT_INT(asyncio_future_result(asyncio_wrap_future((struct asyncio_thread_future *)&begun)), -ASYNCIO_ENOLOOP);
}

TEST_REAL(wrap_future, "C-22: a future of one loop follows a task of another; waiting for it is no dead lock")
{
    struct asyncio_thread_future *source;
    struct other_loop other;

    start_other_loop(&other);
    for (int i = -2; i < 3; i++) {
        EXPECT_INT(asyncio_run_coroutine_threadsafe(sleep_and_echo, number(i), other.loop, &source), 0);
        EXPECT_INT(run(wrap_and_wait, source), i);
        EXPECT_INT(run(wrap_and_wait, source), i);
        asyncio_thread_future_unref(source);
    }
    end_other_loop(&other);
}

static int wrap_and_cancel(void *arg)
{
    struct asyncio_future *first = asyncio_wrap_future(arg), *second = asyncio_wrap_future(arg);

    EXPECT_INT(asyncio_wait(&first, 1, 0.002, ASYNCIO_ALL_COMPLETED), 0);
    EXPECT_INT(asyncio_future_cancel(first), 1);
    EXPECT(asyncio_future_cancelled(first));
    asyncio_future_unref(first);
    EXPECT_INT(asyncio_await(second), -ECANCELED);
    asyncio_future_unref(second);
    return 0;
}

TEST_REAL(cancel_wrapped_future,
          "C-22: a cancel goes over to the task, and its end comes back to the others that follow")
{
    struct asyncio_thread_future *source;
    struct other_loop other;

    init_gates();
    start_other_loop(&other);
    EXPECT_INT(asyncio_run_coroutine_threadsafe(wait_for_ever, NULL, other.loop, &source), 0);
    EXPECT_INT(run(wrap_and_cancel, source), 0);
    EXPECT_INT(asyncio_thread_future_result(source, PATIENCE_S), -ECANCELED);
    asyncio_thread_future_unref(source);
    end_other_loop(&other);
}

static struct asyncio_future *kept;

static int wrap_and_leave(void *arg)
{
    kept = asyncio_wrap_future(arg);
    asyncio_future_unref(asyncio_wrap_future(arg));
    return 0;
}

TEST_REAL(wrapping_loop_closes, "C-22: a loop that closes before what its future follows is done is forgotten")
{
    struct asyncio_thread_future *source;
    struct other_loop other;

    init_gates();
    start_other_loop(&other);
    for (int i = 0; i < 2; i++) {
        EXPECT_INT(asyncio_run_coroutine_threadsafe(wait_for_ever, NULL, other.loop, &source), 0);
        gate_pass(&begun);
        EXPECT_INT(run(wrap_and_leave, source), 0);
        EXPECT_INT(asyncio_future_result(kept), -ASYNCIO_ECLOSED);
        asyncio_future_unref(kept);
        EXPECT(!asyncio_thread_future_done(source));
        EXPECT_INT(asyncio_thread_future_cancel(source), 1);
        EXPECT_INT(asyncio_thread_future_result(source, PATIENCE_S), -ECANCELED);
        asyncio_thread_future_unref(source);
    }
    end_other_loop(&other);
}

static int wrap_for_ever(void *arg)
{
    struct asyncio_future *future = asyncio_wrap_future(arg);
    int r;

    gate_open(&begun);
    r = asyncio_await(future);
    asyncio_future_unref(future);
    return r;
}

static void *run_wrap_for_ever(void *arg)
{
    return number(run(wrap_for_ever, arg));
}

TEST_REAL(wrapped_loop_closes, "C-22: whose source's loop closes gets that as an error")
{
    struct asyncio_thread_future *source;
    struct asyncio_loop *loop;
    pthread_t thread;

    init_gates();
    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_INT(asyncio_run_coroutine_threadsafe(wait_for_ever, NULL, loop, &source), 0);
    thread = start_thread(run_wrap_for_ever, source);
    gate_pass(&begun);
    close_loop(loop);
    EXPECT_INT(number_of(join_thread(thread)), -ASYNCIO_ECLOSED);
    asyncio_thread_future_unref(source);
}

static int wrap_many(void *arg)
{
    struct asyncio_loop *loop = arg;

    for (int i = 0; i < 200 / test_slowness(); i++) {
        struct asyncio_thread_future *source;
        struct asyncio_future *futures[3];

        EXPECT_INT(asyncio_run_coroutine_threadsafe(i % 2 ? echo : spend_time, number(i % 7), loop, &source), 0);
        for (int j = 0; j < 3; j++)
            futures[j] = asyncio_wrap_future(source);
        turns(chance(3));
        if (chance(2))
            asyncio_future_cancel(futures[chance(3)]);
        for (int j = 0; j < 3; j++) {
            if (chance(4))
                ASYNCIO_IGNORE(asyncio_wait(&futures[j], 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
            asyncio_future_unref(futures[j]);
        }
        asyncio_thread_future_unref(source);
    }
    return 0;
}

static void *run_wrap_many(void *arg)
{
    EXPECT_INT(run(wrap_many, arg), 0);
    return NULL;
}

TEST_REAL(wraps_race, "C-22: futures of one loop that follow tasks of another, cancelled and let go at any moment")
{
    struct other_loop other;

    seed_chance(test_seed());
    start_other_loop(&other);
    join_thread(start_thread(run_wrap_many, other.loop));
    end_other_loop(&other);
}
