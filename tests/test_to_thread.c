/* test_to_thread.c -- calls in other threads, from tasks, and the contexts they run in. */
#include "threading.h"

static struct gate begun, go_on;
static atomic_int n_ran;

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

static int block(void *arg)
{
    atomic_fetch_add(&n_ran, 1);
    gate_open(&begun);
    gate_pass(&go_on);
    return number_of(arg);
}

static int call_threads(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_to_thread(echo, number(12)), 12);
    EXPECT_INT(asyncio_to_thread(echo, number(-ENOTDIR)), -ENOTDIR);
    EXPECT_INT(asyncio_to_thread(NULL, NULL), -EINVAL);
    return 0;
}

TEST(to_thread, "C-20: a plain function in another thread, its value or error")
{
    EXPECT_INT(run(call_threads, NULL), 0);
    EXPECT_INT(asyncio_to_thread(echo, number(1)), -ASYNCIO_ENOTASK);
}

static int pause_a_little(void *arg)
{
    (void)arg;
    pause_thread(0.01);
    return 3;
}

static int tick(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3 && asyncio_sleep(1) == 0; i++)
        trace("tick");
    return 0;
}

static int stand_still(void *arg)
{
    int r;

    (void)arg;
    spawn(tick, NULL, "tick");
    turns(1);
    r = asyncio_to_thread(pause_a_little, NULL);
    trace("to_thread: %d", r);
    everybody();
    return 0;
}

TEST(time_stands_still, "C-20: while a thread is at work no virtual time passes")
{
    EXPECT_INT(play(stand_still), 0);
    EXPECT_TRACE("[0.000] to_thread: 3\n[1.000] tick\n[2.000] tick\n[3.000] tick\n");
}

static int in_thread(void *arg)
{
    int r = asyncio_to_thread(arg ? block : echo, number(7));

    trace("%s: %s", me(), said(r));
    return r;
}

static int cancel_one_that_runs(void *arg)
{
    struct asyncio_future *task = spawn(in_thread, number(1), "A");

    (void)arg;
    turns(1);
    if (!gate_pass_within(&begun, asyncio_future_done(task) ? 0 : PATIENCE_S))
        return 0;
    cancel(task);
    everybody();
    gate_open(&go_on);
    return 0;
}

TEST(cancel_to_thread, "C-20 EV-18: who is cancelled leaves the thread alone; what it returns is dropped")
{
    init_gates();
    EXPECT_INT(play(cancel_one_that_runs), 0);
    EXPECT_TRACE("[0.000] A: -ECANCELED\n");
    EXPECT_INT(atomic_load(&n_ran), 1);
}

static int cancel_queued(void *arg)
{
    struct asyncio_executor *executor = NULL;
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    (void)arg;
    EXPECT_INT(asyncio_thread_pool_executor(&executor, .max_workers = 1), 0);
    EXPECT_INT(asyncio_loop_set_default_executor(asyncio_get_running_loop(), executor), 0);
    asyncio_executor_unref(executor);
    spawn(in_thread, number(1), "A");
    turns(1);
    gate_pass(&begun);
    spawn(in_thread, NULL, "B");
    spawn(in_thread, NULL, "C");
    turns(1);
    EXPECT_INT(asyncio_print_tasks(file), 4);
    fclose(file);
    EXPECT(strstr(text, "waiting for job of executor 'asyncio', which a thread does; made at "));
    EXPECT(strstr(text, "waiting for job of executor 'asyncio', which is queued; made at "));
    free(text);
    cancel(crew[1]);
    turns(1);
    gate_open(&go_on);
    everybody();
    return 0;
}

TEST_NO_SWEEP(cancel_queued_to_thread,
              "C-20 EV-18 F-11: who is cancelled in the queue takes the job away; a dump tells who waits for which",
              "without a thread there is no queue")
{
    init_gates();
    EXPECT_INT(play(cancel_queued), 0);
    EXPECT_TRACE("[0.000] B: -ECANCELED\n[0.000] A: 7\n[0.000] C: 7\n");
    EXPECT_INT(atomic_load(&n_ran), 2);
}

/* Comes in the turn in which the task that waits is ready, and before it. */
static void cancel_the_task(struct asyncio_node *node)
{
    (void)node;
    cancel(crew[0]);
}

static struct asyncio_node late_cancel;

static int post_cancel(void *arg)
{
    asyncio_loop_post(arg, &late_cancel);
    return 7;
}

static int meet_posted_cancel(void *arg)
{
    int r = asyncio_to_thread(post_cancel, arg);

    trace("job: %s", said(r));
    trace("next: %s", said(asyncio_sleep(1)));
    return 0;
}

static void cancel_next_turn(struct asyncio_node *node)
{
    static struct asyncio_node next;

    (void)node;
    asyncio_node_init(&next, cancel_the_task, NULL);
    asyncio_loop_schedule(asyncio_get_running_loop(), &next);
}

static int cancel_late(void *arg)
{
    struct asyncio_future *task = spawn(meet_posted_cancel, asyncio_get_running_loop(), "A");

    (void)arg;
    asyncio_node_init(&late_cancel, cancel_next_turn, NULL);
    /* The loop is busy until both, the node and the result, are there. */
    turns(1);
    pause_thread(0.02);
    turns(1);
    everybody();
    EXPECT(!asyncio_future_cancelled(task));
    return 0;
}

TEST_NO_SWEEP(late_cancel_keeps_the_result, "C-20: a result that has arrived is kept; the cancel meets the next wait",
              "it is about one order of events")
{
    EXPECT_INT(play(cancel_late), 0);
    EXPECT_TRACE("[0.000] job: 7\n[0.000] next: -ECANCELED\n");
}

/* --------------------------------------------------------------------------------------------------------- Contexts */

static atomic_int n_refs;

static void *add_ref(void *value)
{
    atomic_fetch_add(&n_refs, 1);
    return value;
}

static void drop_ref(void *value)
{
    (void)value;
    atomic_fetch_sub(&n_refs, 1);
}

static const struct asyncio_contextvar color = {.name = "color"};
static const struct asyncio_contextvar counted = {.name = "counted", .ref = add_ref, .unref = drop_ref};

static int use_context(void *arg)
{
    EXPECT_STR(asyncio_contextvar_get(&color, NULL), arg);
    for (int i = 0; i < 100; i++) {
        struct asyncio_context *copy = asyncio_copy_context();

        asyncio_contextvar_set(&color, (void *)(uintptr_t) "blue", NULL);
        asyncio_context_unref(copy);
    }
    EXPECT_INT(asyncio_contextvar_set(&counted, &n_refs, NULL), 0);
    return 0;
}

static int no_context(void *arg)
{
    EXPECT_STR(asyncio_contextvar_get(&color, (void *)(uintptr_t) "none"), "none");
    asyncio_contextvar_set(&color, (void *)(uintptr_t) "left behind", NULL);
    return number_of(arg);
}

static int share_contexts(void *arg)
{
    struct asyncio_future *job;

    (void)arg;
    EXPECT_INT(asyncio_to_thread(no_context, number(1)), 1);
    EXPECT_INT(asyncio_contextvar_set(&color, (void *)(uintptr_t) "red", NULL), 0);
    EXPECT_INT(asyncio_contextvar_set(&counted, &n_refs, NULL), 0);
    spawn(tick, NULL, "tick");
    EXPECT_INT(asyncio_to_thread(use_context, (void *)(uintptr_t) "red"), 0);
    EXPECT_STR(asyncio_contextvar_get(&color, NULL), "red");
    job = asyncio_loop_run_in_executor(asyncio_get_running_loop(), NULL, no_context, number(2));
    EXPECT_INT(asyncio_await(job), 2);
    asyncio_future_unref(job);
    EXPECT_STR(asyncio_contextvar_get(&color, NULL), "red");
    cancel(crew[0]);
    everybody();
    return 0;
}

TEST(thread_contexts, "C-20 X-03: the thread has a copy of the caller's context; a bare job has none")
{
    EXPECT_INT(play(share_contexts), 0);
    EXPECT_INT(atomic_load(&n_refs), 0);
}

static int churn_in_thread(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        struct asyncio_context *copy = asyncio_copy_context();

        asyncio_contextvar_set(&color, &n_refs, NULL);
        asyncio_context_unref(copy);
    }
    return 0;
}

static int churn(void *arg)
{
    EXPECT_INT(asyncio_contextvar_set(&counted, &n_refs, NULL), 0);
    for (int i = 0; i < 10; i++) {
        int r = asyncio_to_thread(churn_in_thread, arg);

        if (r < 0)
            return r;
    }
    return 0;
}

static int churn_together(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_contextvar_set(&counted, &n_refs, NULL), 0);
    for (int i = 0; i < 8; i++)
        spawn(churn, NULL, "churn");
    for (int i = 0; i < 2000; i++) {
        asyncio_context_unref(asyncio_copy_context());
        turns(1);
    }
    everybody();
    return 0;
}

TEST_REAL(contexts_are_not_shared,
          "C-20 X-03: threads and the loop copy and change the same variables at the same time")
{
    EXPECT_INT(play(churn_together), 0);
    EXPECT_INT(atomic_load(&n_refs), 0);
}
