/* test_threads.c -- callbacks from other threads and signal handlers, loops and the threads that may run them,
 * forks. */
#include "threading.h"

#include <sched.h>
#include <sys/wait.h>

static struct gate begun, go_on, over;

static void init_gates(void)
{
    gate_init(&begun);
    gate_init(&go_on);
    gate_init(&over);
}

/* -------------------------------------------------------------------------------------------- call_soon_threadsafe */

#define POSTERS 8

struct poster {
    struct asyncio_loop *loop;
    int n;            /* posts to make */
    int posted;       /* that were taken */
    atomic_int *open; /* posts of all posters that have not run */
    int last;         /* number of the last that ran */
    bool out_of_order;
};

struct parcel {
    struct poster *poster;
    int number;
};

static struct poster posters[POSTERS];
static atomic_int open_posts;

static void receive(void *arg)
{
    struct parcel *parcel = arg;
    struct poster *poster = parcel->poster;

    if (parcel->number != poster->last + 1)
        poster->out_of_order = true;
    poster->last = parcel->number;
    free(parcel);
    if (atomic_fetch_sub(poster->open, 1) == 1)
        asyncio_loop_stop(poster->loop);
}

static void *post_many(void *arg)
{
    struct poster *poster = arg;

    for (int i = 1; i <= poster->n; i++) {
        struct parcel *parcel = malloc(sizeof *parcel);

        *parcel = (struct parcel){poster, i};
        EXPECT_INT(asyncio_loop_call_soon_threadsafe(poster->loop, receive, parcel), 0);
    }
    return NULL;
}

TEST_REAL(posts_from_eight_threads, "EV-11 #54: none is lost, none doubled, those of one thread in order")
{
    int n = 100000 / test_slowness();
    struct asyncio_loop *loop;
    pthread_t threads[POSTERS];

    EXPECT_INT(new_loop(&loop), 0);
    atomic_store(&open_posts, POSTERS * n);
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.loop = loop, .n = n, .open = &open_posts};
        threads[i] = start_thread(post_many, &posters[i]);
    }
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    for (int i = 0; i < POSTERS; i++) {
        join_thread(threads[i]);
        EXPECT_INT(posters[i].last, n);
        EXPECT(!posters[i].out_of_order);
    }
    EXPECT_INT(atomic_load(&open_posts), 0);
    close_loop(loop);
}

static void count_one(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static atomic_int n_run, n_taken;

/* As many may be outstanding, or the loop never catches up. */
#define MOST_OUTSTANDING 1000

static void *post_until_closed(void *arg)
{
    struct asyncio_handle *handle;
    int r;

    gate_open(&begun);
    for (int i = 0;; i++) {
        if (atomic_load(&n_taken) - atomic_load(&n_run) > MOST_OUTSTANDING && !asyncio_loop_is_closed(arg)) {
            sched_yield();
            continue;
        }
        handle = NULL;
        if (i % 3 == 0)
            r = asyncio_loop_call_soon_threadsafe(arg, count_one, &n_run, .ret_handle = &handle);
        else
            r = asyncio_loop_call_soon_threadsafe(arg, count_one, &n_run);
        asyncio_handle_unref(handle);
        if (r < 0)
            break;
        atomic_fetch_add(&n_taken, 1);
    }
    EXPECT_INT(r, -ASYNCIO_ECLOSED);
    asyncio_loop_unref(arg);
    return NULL;
}

TEST_REAL(post_and_close, "EV-11 EV-15 #55: a post that races with the close is taken or refused, and nothing crashes")
{
    for (int round = 0; round < 60 / test_slowness() + 2; round++) {
        struct asyncio_loop *loop;
        pthread_t threads[4];

        init_gates();
        atomic_store(&n_run, 0);
        atomic_store(&n_taken, 0);
        EXPECT_INT(new_loop(&loop), 0);
        for (int i = 0; i < 4; i++)
            threads[i] = start_thread(post_until_closed, asyncio_loop_ref(loop));
        gate_pass(&begun);
        for (int i = 0; i < round % 5; i++)
            EXPECT(asyncio_loop_run_once(loop, 0) >= 0);
        close_loop(loop);
        for (int i = 0; i < 4; i++)
            join_thread(threads[i]);
        EXPECT(atomic_load(&n_run) <= atomic_load(&n_taken));
    }
}

static void post_node_run(struct asyncio_node *node)
{
    (void)node;
}

TEST(post_after_close, "EV-11 EV-15 #55: after the close nothing is taken, and waking does no harm")
{
    struct asyncio_handle *handle = NULL;
    struct asyncio_node node;
    struct asyncio_loop *loop;
    atomic_int n = 0;

    if (new_loop(&loop) < 0)
        return;
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(NULL, count_one, &n), -EINVAL);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, NULL, &n), -EINVAL);
    asyncio_loop_call_soon_threadsafe(loop, count_one, &n, .ret_handle = &handle);
    EXPECT_INT(asyncio_loop_close(loop), 0);
    EXPECT_INT(atomic_load(&n), 0);
    EXPECT(asyncio_handle_cancelled(handle));
    asyncio_handle_unref(handle);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, count_one, &n), -ASYNCIO_ECLOSED);
    asyncio_node_init(&node, post_node_run, NULL);
    EXPECT_INT(asyncio_loop_post(loop, &node), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_loop_post(loop, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_post(NULL, &node), -EINVAL);
    asyncio_loop_stop(loop);
    asyncio_loop_hold(loop);
    asyncio_loop_release(loop);
    asyncio_loop_unref(loop);
}

static void *post_one(void *arg)
{
    pause_thread(0.01);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(arg, stop_loop, arg), 0);
    return NULL;
}

TEST(post_wakes, "EV-11 EV-15: a loop that sleeps for ever, or until tomorrow, is woken, and no virtual time passes")
{
    struct asyncio_loop *loop;
    pthread_t thread;

    if (new_loop(&loop) < 0)
        return;
    asyncio_loop_hold(loop);
    for (int i = 0; i < 3; i++) {
        thread = start_thread(post_one, loop);
        asyncio_loop_run_forever(loop);
        join_thread(thread);
    }
    EXPECT_DOUBLE(asyncio_loop_time(loop), 0);
    asyncio_loop_release(loop);
    close_loop(loop);
}

static struct asyncio_loop *handler_loop;
static atomic_int n_handled;

static void on_signal(int number)
{
    (void)number;
    asyncio_loop_call_soon_threadsafe(handler_loop, count_one, &n_handled);
}

static void raise_some(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        raise(SIGUSR1);
}

static void *signal_thread(void *arg)
{
    pthread_t *target = arg;

    for (int i = 0; i < 100; i++)
        pthread_kill(*target, SIGUSR1);
    pause_thread(0.01);
    asyncio_loop_call_soon_threadsafe(handler_loop, stop_loop, handler_loop);
    return NULL;
}

TEST_REAL(post_from_a_signal_handler, "EV-11: within a callback, in the middle of anything, and while the loop sleeps")
{
    struct sigaction action = {.sa_handler = on_signal};
    pthread_t self = pthread_self(), thread;
    struct asyncio_loop *loop;

    EXPECT_INT(new_loop(&loop), 0);
    handler_loop = loop;
    sigaction(SIGUSR1, &action, NULL);
    EXPECT_INT(asyncio_loop_call_soon(loop, raise_some, NULL), 0);
    thread = start_thread(signal_thread, &self);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    join_thread(thread);
    /* None that was raised here is lost; those that came from the other thread while one was pending are one. */
    EXPECT(atomic_load(&n_handled) >= 100);
    EXPECT(atomic_load(&n_handled) <= 200);
    action.sa_handler = SIG_DFL;
    sigaction(SIGUSR1, &action, NULL);
    close_loop(loop);
}

static struct asyncio_context *handler_context;
static struct asyncio_contextvar handler_colour = {.name = "colour"};
static int64_t allocated_by_handler;

static void on_signal_with_context(int number)
{
    int64_t before = asyncio_allocated();

    (void)number;
    asyncio_loop_call_soon_threadsafe(handler_loop, count_one, &n_handled, .context = handler_context);
    allocated_by_handler += asyncio_allocated() - before;
}

static int raise_with_variables(void *arg)
{
    EXPECT_INT(asyncio_contextvar_set(&handler_colour, arg, NULL), 0);
    raise_some(NULL);
    return asyncio_sleep(0.001);
}

TEST_REAL(post_from_a_signal_handler_with_a_context, "EV-11 X-01: with a context that is given nothing is allocated")
{
    struct sigaction action = {.sa_handler = on_signal_with_context};

    EXPECT_INT(new_loop(&handler_loop), 0);
    handler_context = asyncio_copy_context();
    sigaction(SIGUSR1, &action, NULL);
    EXPECT_INT(asyncio_loop_run_until_complete(handler_loop, raise_with_variables, &handler_colour), 0);
    action.sa_handler = SIG_DFL;
    sigaction(SIGUSR1, &action, NULL);
    EXPECT_INT(atomic_load(&n_handled), 100);
    EXPECT_INT(allocated_by_handler, 0);
    asyncio_context_unref(handler_context);
    close_loop(handler_loop);
}

/* --------------------------------------------------------------------------------------------------------- Handles */

static atomic_bool run_is_over;

static void slow_callback(void *arg)
{
    (void)arg;
    gate_open(&begun);
    pause_thread(0.02);
    atomic_store(&run_is_over, true);
}

TEST_REAL(cancel_waits_for_the_run, "EV-11 EV-13: a cancel from another thread returns when the callback has")
{
    struct asyncio_handle *handle = NULL;
    struct other_loop other;

    init_gates();
    start_other_loop(&other);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(other.loop, slow_callback, NULL, .ret_handle = &handle), 0);
    gate_pass(&begun);
    asyncio_handle_cancel(handle);
    EXPECT(atomic_load(&run_is_over));
    EXPECT(!asyncio_handle_cancelled(handle));
    asyncio_handle_unref(handle);
    end_other_loop(&other);
}

TEST_REAL(cancel_prevents_the_run,
          "EV-11 EV-13: a cancel from another thread before the run prevents it, whoever frees the handle")
{
    struct asyncio_handle *handle = NULL;
    struct other_loop other;
    atomic_int n = 0;

    init_gates();
    start_other_loop(&other);
    for (int i = 0; i < 2000 / test_slowness(); i++) {
        int before = atomic_load(&n);

        EXPECT_INT(asyncio_loop_call_soon_threadsafe(other.loop, count_one, &n, .ret_handle = &handle), 0);
        asyncio_handle_cancel(handle);
        EXPECT_INT(atomic_load(&n) - before, asyncio_handle_cancelled(handle) ? 0 : 1);
        asyncio_handle_unref(handle);
    }
    end_other_loop(&other);
}

static struct asyncio_handle *own_handle;

static void cancel_myself(void *arg)
{
    asyncio_handle_cancel(own_handle);
    asyncio_loop_stop(arg);
}

TEST(cancel_within_the_run, "EV-11: a callback may cancel its own handle")
{
    struct asyncio_loop *loop;

    if (new_loop(&loop) < 0)
        return;
    if (asyncio_loop_call_soon_threadsafe(loop, cancel_myself, loop, .ret_handle = &own_handle) == 0)
        EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT(!asyncio_handle_cancelled(own_handle));
    own_handle = asyncio_handle_unref(own_handle);
    close_loop(loop);
}

/* ----------------------------------------------------------------------------------------------- Loops and threads */

static void *run_again(void *arg)
{
    EXPECT_INT(asyncio_loop_run_forever(arg), -ASYNCIO_ERUNNING);
    EXPECT_INT(asyncio_loop_run_until_complete(arg, finish_crew, NULL), -ASYNCIO_ERUNNING);
    EXPECT_INT(asyncio_loop_close(arg), -ASYNCIO_ERUNNING);
    return NULL;
}

TEST_REAL(two_threads_one_loop, "#56 R-08: of two threads that run a loop the second is refused")
{
    struct other_loop other;

    init_gates();
    start_other_loop(&other);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(other.loop, slow_callback, NULL), 0);
    gate_pass(&begun);
    run_again(other.loop);
    end_other_loop(&other);
}

static void *race_to_run(void *arg)
{
    int r = asyncio_loop_run_forever(arg);

    if (r == -ASYNCIO_ERUNNING)
        gate_open(&begun);
    else
        EXPECT_INT(r, 0);
    return NULL;
}

TEST_REAL(race_to_run_a_loop, "#56: of several threads that start to run a loop at the same time one does")
{
    struct asyncio_loop *loop;
    pthread_t threads[4];

    for (int round = 0; round < 20; round++) {
        init_gates();
        EXPECT_INT(new_loop(&loop), 0);
        asyncio_loop_hold(loop);
        for (int i = 0; i < 4; i++)
            threads[i] = start_thread(race_to_run, loop);
        for (int i = 0; i < 3; i++)
            gate_pass(&begun);
        EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, stop_loop, loop), 0);
        for (int i = 0; i < 4; i++)
            join_thread(threads[i]);
        asyncio_loop_release(loop);
        close_loop(loop);
    }
}

static int sleep_a_little(void *arg)
{
    return asyncio_sleep(arg ? 0.01 : 3600);
}

static void *use_foreign(void *arg)
{
    struct asyncio_future *task, *tasks[4];

    EXPECT_INT(asyncio_loop_all_tasks(arg, tasks, 4), -EXDEV);
    EXPECT_INT(asyncio_loop_print_tasks(arg, stderr), -EXDEV);
    EXPECT_PTR(asyncio_loop_current_task(arg), NULL);
    task = asyncio_loop_create_task(arg, sleep_a_little, arg, .eager_start = true);
    EXPECT_INT(asyncio_future_result(task), -EXDEV);
    asyncio_future_unref(task);
    return NULL;
}

TEST_REAL(tasks_from_another_thread,
          "#64 #57 T-17: the tasks of a loop that runs are not for other threads, nor are eager starts")
{
    struct other_loop other;

    init_gates();
    start_other_loop(&other);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(other.loop, slow_callback, NULL), 0);
    gate_pass(&begun);
    use_foreign(other.loop);
    end_other_loop(&other);
}

static void *run_foreign(void *arg)
{
    EXPECT_INT(asyncio_loop_run_forever(arg), -EXDEV);
    return NULL;
}

TEST_REAL(tasks_bind_a_loop_to_its_thread,
          "R-08: with suspended tasks it runs in its own thread only, without them in any")
{
    struct asyncio_future *task;
    struct asyncio_loop *loop;

    EXPECT_INT(new_loop(&loop), 0);
    task = asyncio_loop_create_task(loop, sleep_a_little, loop);
    asyncio_loop_stop(loop);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    join_thread(start_thread(run_foreign, loop));
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, task), 0);
    asyncio_future_unref(task);
    EXPECT_INT(asyncio_loop_call_soon(loop, stop_loop, loop), 0);
    join_thread(start_thread(run_other_loop, loop));
    close_loop(loop);
}

static void *close_foreign(void *arg)
{
    close_loop(arg);
    return NULL;
}

TEST_REAL(idle_loops_move, "R-11: a loop without tasks may be run in one thread and closed in another")
{
    struct asyncio_loop *loop;

    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_INT(asyncio_loop_call_soon(loop, stop_loop, loop), 0);
    join_thread(start_thread(run_other_loop, loop));
    join_thread(start_thread(close_foreign, loop));
}

static void *wait_for_the_close(void *arg)
{
    gate_open(&begun);
    while (!asyncio_loop_is_closed(arg))
        pause_thread(0.0001);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(arg, stop_loop, arg), -ASYNCIO_ECLOSED);
    asyncio_loop_unref(arg);
    return NULL;
}

TEST_REAL(closed_for_everybody, "R-12 EV-11: any thread may ask whether a loop is closed")
{
    struct asyncio_loop *loop;
    pthread_t thread;

    init_gates();
    EXPECT_INT(new_loop(&loop), 0);
    thread = start_thread(wait_for_the_close, asyncio_loop_ref(loop));
    gate_pass(&begun);
    pause_thread(0.001);
    close_loop(loop);
    join_thread(thread);
}

TEST(last_reference_of_an_open_loop, "R-11: closes the loop, with a warning; a future that is kept keeps its memory")
{
    struct asyncio_future *kept = NULL;
    struct asyncio_loop *loop;

    for (int i = 0; i < 2; i++) {
        if (new_loop(&loop) < 0)
            return;
        kept = asyncio_loop_create_future(loop);
        if (i == 0)
            kept = asyncio_future_unref(kept);
        asyncio_loop_unref(loop);
        EXPECT_LOG("the last reference to an event loop that is not closed was dropped");
    }
    EXPECT_INT(asyncio_future_cancel(kept), 1);
    asyncio_future_unref(kept);
}

/* ------------------------------------------------------------------------------------------------------------ Fork */

/* What a forked child may say of its parent's loop, and that it can have its own. Ends the child. */
static void child_of_fork(struct asyncio_loop *parents)
{
    struct asyncio_loop *own;

    EXPECT_PTR(asyncio_get_running_loop(), NULL);
    EXPECT_PTR(asyncio_current_task(), NULL);
    EXPECT_INT(asyncio_sleep(1), -ASYNCIO_ENOTASK);
    EXPECT_INT(asyncio_future_result(asyncio_create_task(sleep_a_little, NULL)), -ASYNCIO_ENOLOOP);
    EXPECT(asyncio_loop_run_forever(parents) < 0);
    EXPECT_INT(new_loop(&own), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(own, sleep_a_little, own), 0);
    close_loop(own);
    _exit(0);
}

static void expect_child(pid_t pid)
{
    int status = -1;

    EXPECT(pid > 0);
    EXPECT_INT(waitpid(pid, &status, 0), pid);
    EXPECT_INT(status, 0);
}

static int fork_in_a_task(void *arg)
{
    pid_t pid = fork();

    (void)arg;
    if (pid == 0)
        child_of_fork(asyncio_get_event_loop());
    expect_child(pid);
    EXPECT(asyncio_current_task() != NULL);
    return asyncio_sleep(0.01);
}

TEST_REAL(fork_within_a_task, "R-05 #67: the child is in no loop and no task; the parent goes on")
{
    EXPECT_INT(run(fork_in_a_task, NULL), 0);
}

static int return_zero(void *arg)
{
    (void)arg;
    return 0;
}

/* The child goes on to use the library as a program does. */
static int fork_and_run(void *arg)
{
    pid_t pid = fork();

    (void)arg;
    if (pid == 0)
        _exit(run(return_zero, NULL) == 0 && !asyncio_get_running_loop() ? 0 : 1);
    expect_child(pid);
    return 0;
}

TEST_REAL(fork_and_run_in_the_child, "R-05 #67: a child of a task can run a loop of its own")
{
    EXPECT_INT(run(fork_and_run, NULL), 0);
}

static void fork_in_a_callback(void *arg)
{
    pid_t pid = fork();

    if (pid == 0)
        child_of_fork(arg);
    expect_child(pid);
    asyncio_loop_stop(arg);
}

TEST_REAL(fork_within_a_callback, "R-05 #67: the same in a callback, with tasks and timers of the parent's waiting")
{
    struct asyncio_future *task;
    struct asyncio_loop *loop;

    EXPECT_INT(new_loop(&loop), 0);
    task = asyncio_loop_create_task(loop, sleep_a_little, loop);
    EXPECT_INT(asyncio_loop_call_later(loop, 0.002, fork_in_a_callback, loop), 0);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT_INT(asyncio_loop_run_until_complete_future(loop, task), 0);
    asyncio_future_unref(task);
    close_loop(loop);
}

TEST_REAL(fork_beside_a_running_loop, "R-05 #67: a fork in one thread while another runs a loop")
{
    struct other_loop other;
    pid_t pid;

    if (test_slowness() > 1)
        SKIP("sanitizers do not follow threads of a forked child");
    start_other_loop(&other);
    while (!asyncio_loop_is_running(other.loop))
        pause_thread(0.001);
    for (int i = 0; i < 10; i++) {
        pid = fork();
        if (pid == 0)
            child_of_fork(other.loop);
        expect_child(pid);
    }
    end_other_loop(&other);
}

TEST_REAL(fork_and_close, "R-11 #67: the child closes its parent's loop, which the parent does not notice")
{
    struct asyncio_handle *handle = NULL;
    struct asyncio_loop *loop;
    atomic_int n = 0;
    pid_t pid;

    EXPECT_INT(new_loop(&loop), 0);
    /* One that has not run yet could go with the child. */
    EXPECT_INT(asyncio_loop_run_once(loop, 0), 0);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, count_one, &n, .ret_handle = &handle), 0);
    pid = fork();
    if (pid == 0) {
        EXPECT_INT(asyncio_loop_run_forever(loop), -EXDEV);
        EXPECT_INT(asyncio_loop_close(loop), 0);
        EXPECT_INT(asyncio_loop_call_soon_threadsafe(loop, count_one, &n), -ASYNCIO_ECLOSED);
        _exit(0);
    }
    expect_child(pid);
    EXPECT_INT(asyncio_loop_call_soon(loop, stop_loop, loop), 0);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT_INT(atomic_load(&n), 1);
    asyncio_handle_unref(handle);
    close_loop(loop);
}
