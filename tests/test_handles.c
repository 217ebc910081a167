/* test_handles.c -- the handles of call_soon, call_later, call_at and call_soon_threadsafe: cancelling, questions,
 * lifetimes, contexts, other threads, no memory. */
#include "loop_rig.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

static struct asyncio_handle *handle;

/* Schedules in one of the four ways; the handle goes to *ret_handle. */
enum way { SOON, LATER, AT, THREADSAFE, WAYS };

static const char *const ways[WAYS] = {"soon", "later", "at", "threadsafe"};

static int schedule(enum way way, asyncio_callback *callback, void *arg, struct asyncio_handle **ret_handle)
{
    switch (way) {
    case SOON:
        return asyncio_loop_call_soon(loop, callback, arg, .ret_handle = ret_handle);
    case LATER:
        return asyncio_loop_call_later(loop, 1, callback, arg, .ret_handle = ret_handle);
    case AT:
        return asyncio_loop_call_at(loop, 2, callback, arg, .ret_handle = ret_handle);
    default:
        return asyncio_loop_call_soon_threadsafe(loop, callback, arg, .ret_handle = ret_handle);
    }
}

/* ------------------------------------------------------------------------------------------------------ Cancelling */

TEST(handle_cancel,
     "EV-13 EV-06: a cancelled handle does not run, in each way of scheduling; a second cancel changes nothing")
{
    open_loop();
    for (enum way way = SOON; way < WAYS; way++) {
        handle = NULL;
        EXPECT_INT(schedule(way, say, word(ways[way]), &handle), 0);
        EXPECT(!asyncio_handle_cancelled(handle));
        asyncio_handle_cancel(handle);
        asyncio_handle_cancel(handle);
        EXPECT_INT(asyncio_handle_cancelled(handle), handle != NULL);
        handle = asyncio_handle_unref(handle);
    }
    run_for(3);
    EXPECT_TRACE("");
    close_loop();
}

TEST(handle_cancel_after_run, "EV-13: a cancel after the run is harmless, and does not make it one that was cancelled")
{
    struct asyncio_handle *kept[WAYS] = {NULL};

    open_loop();
    for (enum way way = SOON; way < WAYS; way++)
        EXPECT_INT(schedule(way, say, word(ways[way]), &kept[way]), 0);
    run_for(3);
    EXPECT_TRACE("[0.000] soon\n[0.000] threadsafe\n[1.000] later\n[2.000] at\n");
    for (enum way way = SOON; way < WAYS; way++) {
        asyncio_handle_cancel(kept[way]);
        EXPECT(!asyncio_handle_cancelled(kept[way]));
        asyncio_handle_unref(kept[way]);
    }
    run_for(3);
    EXPECT_TRACE("");
    close_loop();
}

static void cancel_itself(void *arg)
{
    asyncio_handle_cancel(handle);
    trace("%s cancels itself: %d", (const char *)arg, asyncio_handle_cancelled(handle));
}

TEST(handle_cancels_itself,
     "EV-13 EV-11: a callback that cancels its own handle goes on, also a thread-safe one; nothing is cancelled")
{
    open_loop();
    for (enum way way = SOON; way < WAYS; way++) {
        handle = NULL;
        EXPECT_INT(schedule(way, cancel_itself, word(ways[way]), &handle), 0);
        run_for(3);
        EXPECT(!asyncio_handle_cancelled(handle));
        handle = asyncio_handle_unref(handle);
    }
    EXPECT_TRACE("[0.000] soon cancels itself: 0\n[4.000] later cancels itself: 0\n[6.000] at cancels itself: 0\n"
                 "[9.000] threadsafe cancels itself: 0\n");
    close_loop();
}

TEST(handle_when, "EV-13: a timer's time by the loop's clock, before and after it has run; NaN for what has none")
{
    struct asyncio_handle *kept[WAYS] = {NULL};

    open_loop();
    for (enum way way = SOON; way < WAYS; way++)
        EXPECT_INT(schedule(way, never_mind, NULL, &kept[way]), 0);
    for (int i = 0; i < 2; i++) {
        EXPECT(isnan(asyncio_handle_when(kept[SOON])) && isnan(asyncio_handle_when(kept[THREADSAFE])));
        EXPECT_DOUBLE(asyncio_handle_when(kept[LATER]), kept[LATER] ? 1 : NAN);
        EXPECT_DOUBLE(asyncio_handle_when(kept[AT]), kept[AT] ? 2 : NAN);
        run_for(3);
    }
    for (enum way way = SOON; way < WAYS; way++)
        kept[way] = asyncio_handle_unref(kept[way]);
    EXPECT_INT(asyncio_loop_call_later(loop, ASYNCIO_FOREVER, never_mind, NULL, .ret_handle = &kept[0]), 0);
    EXPECT(!kept[0] || isinf(asyncio_handle_when(kept[0])));
    asyncio_handle_cancel(kept[0]);
    asyncio_handle_unref(kept[0]);
    close_loop();
}

TEST(handle_null, "EV-13: NULL is allowed everywhere; a callback is needed")
{
    asyncio_handle_cancel(NULL);
    EXPECT(!asyncio_handle_cancelled(NULL));
    EXPECT(isnan(asyncio_handle_when(NULL)));
    EXPECT_PTR(asyncio_handle_ref(NULL), NULL);
    EXPECT_PTR(asyncio_handle_unref(NULL), NULL);
    open_loop();
    handle = NULL;
    for (enum way way = SOON; way < WAYS; way++)
        EXPECT_INT(schedule(way, NULL, NULL, &handle), -EINVAL);
    EXPECT_PTR(handle, NULL);
    EXPECT_INT(asyncio_loop_call_soon_kw(loop, say, word("no keywords"), NULL), 0);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe_kw(loop, say, word("none here"), NULL), 0);
    EXPECT_INT(asyncio_loop_call_later_kw(loop, 1, say, word("nor here"), NULL), 0);
    run_for(2);
    EXPECT_TRACE("[0.000] no keywords\n[0.000] none here\n[1.000] nor here\n");
    close_loop();
}

/* ------------------------------------------------------------------------------------------------------- Lifetimes */

TEST(handle_dropped_early, "EV-13: who drops a handle does not cancel it")
{
    open_loop();
    for (enum way way = SOON; way < WAYS; way++) {
        handle = NULL;
        EXPECT_INT(schedule(way, say, word(ways[way]), &handle), 0);
        handle = asyncio_handle_unref(handle);
    }
    run_for(3);
    EXPECT_TRACE("[0.000] soon\n[0.000] threadsafe\n[1.000] later\n[2.000] at\n");
    close_loop();
}

TEST(handle_references, "EV-13: each reference counts; the last one may go long after the run")
{
    struct asyncio_handle *second;

    open_loop();
    for (enum way way = SOON; way < WAYS; way++) {
        handle = NULL;
        EXPECT_INT(schedule(way, never_mind, NULL, &handle), 0);
        second = asyncio_handle_ref(handle);
        EXPECT_PTR(second, handle);
        asyncio_handle_unref(handle);
        run_for(3);
        EXPECT(!asyncio_handle_cancelled(second));
        handle = asyncio_handle_unref(second);
    }
    close_loop();
}

TEST(handle_beyond_the_loop,
     "EV-13 R-11: a handle can be questioned when its loop is closed and gone; what had not run is cancelled")
{
    struct asyncio_handle *kept[WAYS] = {NULL}, *ran = NULL;

    open_loop();
    EXPECT_INT(schedule(SOON, say, word("ran"), &ran), 0);
    one_turn();
    for (enum way way = SOON; way < WAYS; way++)
        EXPECT_INT(schedule(way, say, word("never"), &kept[way]), 0);
    close_loop();
    EXPECT(!asyncio_handle_cancelled(ran));
    for (enum way way = SOON; way < WAYS; way++) {
        asyncio_handle_cancel(kept[way]);
        EXPECT_INT(asyncio_handle_cancelled(kept[way]), kept[way] != NULL);
        EXPECT_INT(isnan(asyncio_handle_when(kept[way])), !kept[way] || way == SOON || way == THREADSAFE);
        asyncio_handle_unref(kept[way]);
    }
    asyncio_handle_unref(ran);
    EXPECT_TRACE("[0.000] ran\n");
}

TEST_NO_SWEEP(handle_memory_is_used_again, "EV-13: ten thousand callbacks take no more memory than one turn of them",
              "too many faults")
{
    int64_t before = 0;

    open_loop();
    for (int i = 0; i < 10000; i++) {
        for (enum way way = SOON; way < WAYS; way += 3) {
            EXPECT_INT(schedule(way, never_mind, NULL, &handle), 0);
            if (i % 3 == 0)
                asyncio_handle_cancel(handle);
            asyncio_handle_unref(handle);
        }
        one_turn();
        if (i == 10)
            before = asyncio_allocated();
    }
    EXPECT_INT(asyncio_allocated(), before);
    close_loop();
}

TEST_NO_SWEEP(handle_threadsafe_many,
              "EV-11: a thousand thread-safe calls at once have handles of their own, and give them back",
              "too many faults")
{
    static struct asyncio_handle *all[1000];
    static int counts[1000];

    open_loop();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++)
            EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, count_one, &counts[i], .ret_handle = &all[i]), 0);
        for (int i = 0; i < 1000; i += 2)
            asyncio_handle_cancel(all[i]);
        one_turn();
        for (int i = 0; i < 1000; i++) {
            EXPECT_INT(counts[i], i % 2 ? round + 1 : 0);
            asyncio_handle_unref(all[i]);
        }
    }
    close_loop();
}

#define BACKLOG 160000

TEST_NO_SWEEP(handle_threadsafe_backlog,
              "EV-11: very many calls may be outstanding at once, and their handles are used again",
              "too many faults")
{
    uint32_t n = (uint32_t)(BACKLOG / test_slowness());
    int count = 0;

    open_loop();
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < n; i++)
            EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, count_one, &count), 0);
        one_turn();
    }
    EXPECT_INT(count, 2 * n);
    EXPECT_INT(atomic_load(&loop->post_memory.n_used), n);
    close_loop();
}

/* -------------------------------------------------------------------------------------------------------- Contexts */

static const struct asyncio_contextvar colour = {.name = "colour"};

static const char *present_colour(void)
{
    return asyncio_contextvar_get(&colour, word("none"));
}

static void set_colour(const char *name)
{
    EXPECT_INT(asyncio_contextvar_set(&colour, word(name), NULL), 0);
}

static void say_colour(void *arg)
{
    trace("%s: %s", (const char *)arg, present_colour());
    set_colour("of a callback");
}

/* Runs as a coroutine, so that the variables that it sets are nobody else's. */
static int capture(void *arg)
{
    (void)arg;
    for (enum way way = SOON; way < WAYS; way++) {
        set_colour(ways[way]);
        EXPECT_INT(schedule(way, say_colour, word(ways[way]), NULL), 0);
    }
    set_colour("after all of them");
    ASYNCIO_IGNORE(asyncio_sleep(3));
    trace("main: %s", present_colour());
    return 0;
}

TEST(handle_context, "X-01: each callback runs in the context of its registration; what it sets is its own")
{
    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, capture, NULL), 0);
    EXPECT_TRACE("[0.000] soon: soon\n[0.000] threadsafe: threadsafe\n[1.000] later: later\n[2.000] at: at\n"
                 "[3.000] main: after all of them\n");
    close_loop();
}

static int make_blue(void *arg)
{
    (void)arg;
    set_colour("blue");
    return 0;
}

static int capture_given(void *arg)
{
    struct asyncio_context *blue = asyncio_copy_context();

    (void)arg;
    EXPECT_INT(asyncio_context_run(blue, make_blue, NULL), 0);
    set_colour("red");
    EXPECT_INT(asyncio_loop_call_soon(loop, say_colour, word("first"), .context = blue), 0);
    EXPECT_INT(asyncio_loop_call_soon(loop, say_colour, word("second"), .context = blue), 0);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, say_colour, word("third"), .context = blue), 0);
    EXPECT_INT(asyncio_loop_call_later(loop, 1, say_colour, word("fourth"), .context = blue), 0);
    asyncio_context_unref(blue);
    ASYNCIO_IGNORE(asyncio_sleep(2));
    trace("main: %s", present_colour());
    return 0;
}

TEST(handle_context_given, "X-01: a context that is given is used itself: what one callback sets the next one sees")
{
    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, capture_given, NULL), 0);
    EXPECT_TRACE("[0.000] first: blue\n[0.000] second: of a callback\n[0.000] third: of a callback\n"
                 "[1.000] fourth: of a callback\n[2.000] main: red\n");
    close_loop();
}

static int capture_and_drop(void *arg)
{
    struct asyncio_handle *kept[WAYS] = {NULL};

    (void)arg;
    set_colour("held");
    for (enum way way = SOON; way < WAYS; way++)
        EXPECT_INT(schedule(way, say_colour, NULL, &kept[way]), 0);
    for (enum way way = SOON; way < WAYS; way++) {
        asyncio_handle_cancel(kept[way]);
        asyncio_handle_unref(kept[way]);
    }
    return asyncio_sleep(0);
}

TEST(handle_context_of_cancelled,
     "X-01 EV-13: a handle that is cancelled, or whose loop is closed, gives its context back")
{
    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, capture_and_drop, NULL), 0);
    EXPECT_TRACE("");
    close_loop();
}

/* ---------------------------------------------------------------------------------------------- From other threads */

static void add_three(void *arg)
{
    (void)arg;
    soon(say, "one");
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, say, word("two")), 0);
    soon(say, "three");
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, say, word("four")), 0);
}

TEST(threadsafe_in_order,
     "EV-11 EV-10: on one thread, thread-safe and other calls run in the order in which they were made")
{
    open_loop();
    add_three(NULL);
    one_turn();
    EXPECT_TRACE("[0.000] one\n[0.000] two\n[0.000] three\n[0.000] four\n");
    soon(add_three, NULL);
    one_turn();
    one_turn();
    EXPECT_TRACE("[0.000] one\n[0.000] two\n[0.000] three\n[0.000] four\n");
    close_loop();
}

static atomic_bool callback_began, callback_may_end;

static void linger(void *arg)
{
    (void)arg;
    atomic_store(&callback_began, true);
    while (!atomic_load(&callback_may_end))
        sched_yield();
    trace("the callback ends");
}

static void *cancel_while_it_runs(void *arg)
{
    (void)arg;
    while (!atomic_load(&callback_began))
        sched_yield();
    trace("cancels");
    atomic_store(&callback_may_end, true);
    asyncio_handle_cancel(handle);
    trace("cancelled: %d", asyncio_handle_cancelled(handle));
    asyncio_loop_call_soon_threadsafe(loop, stop, NULL);
    return NULL;
}

TEST_REAL(threadsafe_cancel_waits,
          "EV-11 EV-13: a cancel from another thread while the callback runs returns when it is over")
{
    pthread_t thread;

    open_loop();
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, linger, NULL, .ret_handle = &handle), 0);
    pthread_create(&thread, NULL, cancel_while_it_runs, NULL);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    pthread_join(thread, NULL);
    asyncio_handle_unref(handle);
    EXPECT_TRACE("cancels\nthe callback ends\ncancelled: 0\n");
    close_loop();
}

/* What a cancel was meant to protect: freed by the other thread as soon as the cancel has returned. */
struct job {
    struct asyncio_handle *handle;
    int *memory;
};

static atomic_int n_ran, n_cancelled;

static void use_memory(void *arg)
{
    struct job *job = arg;

    ++*job->memory;
    atomic_fetch_add(&n_ran, 1);
}

#define JOBS 2000

static void *post_and_cancel(void *arg)
{
    struct job job;

    (void)arg;
    for (int i = 0; i < JOBS / test_slowness(); i++) {
        job.memory = calloc(1, sizeof *job.memory);
        EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, use_memory, &job, .ret_handle = &job.handle), 0);
        if (i % 3 == 0)
            sched_yield();
        asyncio_handle_cancel(job.handle);
        atomic_fetch_add(&n_cancelled, asyncio_handle_cancelled(job.handle));
        asyncio_handle_unref(job.handle);
        free(job.memory);
    }
    return NULL;
}

static void *post_from_threads(void *arg)
{
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, post_and_cancel, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    asyncio_loop_call_soon_threadsafe(loop, stop, NULL);
    return arg;
}

TEST_REAL(threadsafe_cancel_race,
          "EV-11 EV-13: cancelled from its thread a call either never runs or is over: its memory can be freed")
{
    pthread_t thread;

    open_loop();
    pthread_create(&thread, NULL, post_from_threads, NULL);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    pthread_join(thread, NULL);
    EXPECT_INT(n_ran + n_cancelled, 3 * (JOBS / test_slowness()));
    close_loop();
}

static atomic_int n_colours;

static void check_colour(void *arg)
{
    EXPECT_STR(present_colour(), arg);
    atomic_fetch_add(&n_colours, 1);
}

#define COLOURS 3000

/* A thread with variables of its own goes on using them while the loop runs its calls. */
static void *post_with_colours(void *arg)
{
    set_colour(arg);
    for (int i = 0; i < COLOURS / test_slowness(); i++) {
        EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, check_colour, arg), 0);
        asyncio_context_unref(asyncio_copy_context());
    }
    return NULL;
}

static void *post_colours(void *arg)
{
    static const char *const names[] = {"red", "green", "blue"};
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, post_with_colours, word(names[i]));
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    asyncio_loop_call_soon_threadsafe(loop, stop, NULL);
    return arg;
}

TEST_REAL(threadsafe_context,
          "X-01 EV-11: a call from a thread runs with that thread's variables, which it goes on using meanwhile")
{
    pthread_t thread;

    open_loop();
    pthread_create(&thread, NULL, post_colours, NULL);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    pthread_join(thread, NULL);
    EXPECT_INT(n_colours, 3 * (COLOURS / test_slowness()));
    close_loop();
}

static void *post_in_context(void *arg)
{
    for (int i = 0; i < COLOURS / test_slowness(); i++)
        EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, never_mind, NULL, .context = arg), 0);
    return NULL;
}

static void *post_in_one_context(void *arg)
{
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, post_in_context, arg);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    asyncio_loop_call_soon_threadsafe(loop, stop, NULL);
    return NULL;
}

TEST_REAL(threadsafe_context_given, "X-01 EV-11: threads may give one and the same context, which is counted right")
{
    struct asyncio_context *context = asyncio_copy_context();
    pthread_t thread;

    open_loop();
    pthread_create(&thread, NULL, post_in_one_context, context);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    pthread_join(thread, NULL);
    EXPECT_INT(context->refs, 1);
    asyncio_context_unref(context);
    close_loop();
}

static void *drop_handles(void *arg)
{
    struct asyncio_handle **all = arg;

    for (int i = 0; i < 100; i++)
        asyncio_handle_unref(all[i]);
    return NULL;
}

TEST_REAL(threadsafe_handles_dropped_elsewhere,
          "EV-11 EV-13: another thread may drop them, before they run or when the loop is gone")
{
    struct asyncio_handle *all[100];
    pthread_t thread;

    for (int round = 0; round < 2; round++) {
        open_loop();
        for (int i = 0; i < 100; i++)
            EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, never_mind, NULL, .ret_handle = &all[i]), 0);
        if (round == 1)
            close_loop();
        pthread_create(&thread, NULL, drop_handles, all);
        if (round == 0)
            one_turn();
        pthread_join(thread, NULL);
        close_loop();
    }
}

/* ------------------------------------------------------------------------------------------------------- No memory */

static int schedule_without_memory(void *arg)
{
    int refused = 0;

    (void)arg;
    set_colour("needs memory");
    for (enum way way = SOON; way < WAYS; way++) {
        for (int64_t nth = 0;; nth++) {
            int r;

            handle = NULL;
            asyncio_fail_allocation(nth, 1);
            r = schedule(way, say, word(ways[way]), &handle);
            asyncio_fail_allocation(-1, 0);
            if (r == 0)
                break;
            EXPECT_INT(r, -ENOMEM);
            EXPECT_PTR(handle, NULL);
            refused++;
        }
        asyncio_handle_unref(handle);
    }
    EXPECT(refused >= 8);
    return asyncio_sleep(3);
}

TEST_NO_SWEEP(
    schedule_without_any_memory,
    "EV-10 EV-11 EV-12: each allocation that fails is -ENOMEM, gives no handle, and nothing is scheduled or lost",
    "it lets allocations fail itself")
{
    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, schedule_without_memory, NULL), 0);
    EXPECT_TRACE("[0.000] soon\n[0.000] threadsafe\n[1.000] later\n[2.000] at\n");
    close_loop();
}
