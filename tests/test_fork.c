/* test_fork.c -- forks, in whatever state: the parent goes on, the child may let its parent's loop go or leave it
 * alone, and have a loop of its own; a loop that has not run yet goes with a daemon; and no fd goes through an exec. */
#include "fork_rig.h"

/* --------------------------------------------------------------------------------------------- What the child does */

/* Threads in a forked child of a process with threads are more than sanitizers follow. */
static void live_with_threads(void)
{
    if (test_slowness() > 1)
        return;
    EXPECT_INT(asyncio_to_thread(give_back, number(3)), 3);
    EXPECT_INT(asyncio_file_temporary(NULL, &all.file), 0);
    EXPECT_INT(asyncio_file_pwrite(all.file, "file", 4, 0), 4);
    EXPECT_INT(asyncio_file_close(all.file), 0);
    asyncio_file_unref(all.file);
}

/* Some of everything again, in a loop of the child's own. */
static int live(void *arg)
{
    int returncode = -1;

    (void)arg;
    EXPECT_INT(asyncio_socketpair(AF_UNIX, SOCK_STREAM, 0, all.sockets), 0);
    EXPECT_INT(asyncio_sock_sendall(all.sockets[1], "x", 1), 0);
    EXPECT_INT(receive(all.sockets[0]), 1);
    asyncio_socket_unref(all.sockets[0]);
    asyncio_socket_unref(all.sockets[1]);
    live_with_threads();
    EXPECT_INT(asyncio_create_subprocess_shell(&all.process, "exit 5"), 0);
    EXPECT_INT(asyncio_process_wait(all.process, &returncode), 0);
    EXPECT_INT(returncode, 5);
    asyncio_process_unref(all.process);
    EXPECT_INT(asyncio_loop_add_signal_handler(asyncio_get_running_loop(), SIGUSR1, count_signal, &all.n_handled), 0);
    raise(SIGUSR1);
    EXPECT_INT(asyncio_sleep(0.001), 0);
    EXPECT_INT(atomic_load(&all.n_handled), 1);
    return 0;
}

static bool has_default_action(int number_)
{
    struct sigaction action;

    return sigaction(number_, NULL, &action) == 0 && action.sa_handler == SIG_DFL;
}

/* Nothing of the parent's loop may be used but its close. */
static void refuse_the_parents(void)
{
    EXPECT_PTR(asyncio_get_running_loop(), NULL);
    EXPECT_PTR(asyncio_get_event_loop(), NULL);
    EXPECT_PTR(asyncio_current_task(), NULL);
    EXPECT(!asyncio_loop_is_running(all.loop));
    EXPECT_INT(asyncio_loop_run_forever(all.loop), -EXDEV);
    EXPECT_INT(asyncio_loop_add_signal_handler(all.loop, SIGUSR1, count_signal, NULL), -EXDEV);
    EXPECT_INT(asyncio_loop_remove_signal_handler(all.loop, SIGUSR1), -EXDEV);
    EXPECT_INT(asyncio_executor_info(all.executor, &(struct asyncio_executor_info){.size = sizeof(size_t)}), -EXDEV);
    EXPECT_INT(asyncio_executor_shutdown(all.executor, true, 1), 0);
    EXPECT(has_default_action(SIGUSR1) && has_default_action(SIGUSR2));
}

static void leave_it_alone(void)
{
    refuse_the_parents();
    EXPECT_INT(run(live, NULL), 0);
}

static void close_it_first(void)
{
    refuse_the_parents();
    EXPECT_INT(asyncio_loop_close(all.loop), 0);
    EXPECT_INT(run(live, NULL), 0);
}

static void close_it_later(void)
{
    EXPECT_INT(run(live, NULL), 0);
    EXPECT_INT(asyncio_loop_close(all.loop), 0);
    EXPECT_INT(asyncio_loop_call_soon(all.loop, count_signal, &all.n_handled), -ASYNCIO_ECLOSED);
}

/* What was the parent's goes piece by piece, while the loop is still there and after. */
static void let_go(void)
{
    asyncio_file_unref(all.file);
    asyncio_socket_unref(all.sockets[0]);
    asyncio_streamreader_unref(all.reader);
    asyncio_streamwriter_unref(all.writer);
    asyncio_signals_fini(&all.signals);
    asyncio_executor_unref(all.executor);
    EXPECT_INT(asyncio_loop_close(all.loop), 0);
    asyncio_process_unref(all.process);
    asyncio_socket_unref(all.sockets[1]);
    asyncio_server_unref(all.server);
    EXPECT_INT(run(live, NULL), 0);
}

/* A child of the child's, which has two loops that are not its own. */
static void fork_again(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        close_it_first();
        _exit(0);
    }
    expect_child(pid);
    leave_it_alone();
}

static void (*const children[])(void) = {leave_it_alone, close_it_first, close_it_later, let_go, fork_again};

static void fork_each(void)
{
    for (size_t i = 0; i < sizeof children / sizeof children[0]; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            children[i]();
            _exit(0);
        }
        expect_child(pid);
    }
}

static int forks_in_a_task(void *arg)
{
    (void)arg;
    begin_all();
    fork_each();
    end_all();
    return 0;
}

TEST_REAL(in_a_task, "R20 #67 SG-04: with everything under way; parent and child are sound whatever the child does")
{
    test_needs_seconds(30);
    EXPECT_INT(run(forks_in_a_task, NULL), 0);
}

static void fork_in_a_callback(void *arg)
{
    (void)arg;
    fork_each();
}

static int forks_in_a_callback(void *arg)
{
    (void)arg;
    begin_all();
    EXPECT_INT(asyncio_loop_call_soon(all.loop, fork_in_a_callback, NULL), 0);
    EXPECT_INT(asyncio_sleep(0.001), 0);
    end_all();
    return 0;
}

TEST_REAL(in_a_callback, "R20 #67: the same on the loop's own stack")
{
    test_needs_seconds(30);
    EXPECT_INT(run(forks_in_a_callback, NULL), 0);
}

static void *fork_in_a_thread(void *arg)
{
    fork_each();
    gate_open(arg);
    return NULL;
}

static struct gate forked;

static int pass_forked(void *arg)
{
    (void)arg;
    gate_pass(&forked);
    return 0;
}

static int forks_in_a_thread(void *arg)
{
    pthread_t thread;

    (void)arg;
    begin_all();
    gate_init(&forked);
    thread = start_thread(fork_in_a_thread, &forked);
    EXPECT_INT(asyncio_to_thread(pass_forked, NULL), 0);
    join_thread(thread);
    end_all();
    return 0;
}

TEST_REAL(in_another_thread, "R20 #67: while the loop blocks in another thread, which the child does not have")
{
    test_needs_seconds(30);
    EXPECT_INT(run(forks_in_a_thread, NULL), 0);
}

/* Posts, jobs and signals at any moment of a fork: no lock may be held in the child, no count be stuck. */
static void *post_and_signal(void *arg)
{
    while (!atomic_load(&all.n_handled)) {
        asyncio_loop_call_soon_threadsafe(arg, count_signal, &all.n_posted);
        raise(SIGUSR2);
        pause_thread(0.00001);
    }
    return NULL;
}

static int forks_in_a_storm(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    pthread_t threads[2];

    (void)arg;
    EXPECT_INT(asyncio_loop_add_signal_handler(loop, SIGUSR2, count_signal, &all.n_posted), 0);
    for (int i = 0; i < 2; i++)
        threads[i] = start_thread(post_and_signal, loop);
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            EXPECT(has_default_action(SIGUSR2));
            EXPECT_INT(asyncio_loop_close(loop), 0);
            EXPECT_INT(run(sleep_a_little, NULL), 0);
            _exit(0);
        }
        expect_child(pid);
        EXPECT_INT(asyncio_to_thread(give_back, number(i)), i);
    }
    atomic_store(&all.n_handled, 1);
    for (int i = 0; i < 2; i++)
        join_thread(threads[i]);
    EXPECT_INT(asyncio_sleep(0.001), 0);
    EXPECT(atomic_load(&all.n_posted) > 0);
    return 0;
}

TEST_REAL(in_a_storm, "R20 #67 SG-04: while threads post and signals come, at whatever moment")
{
    test_needs_seconds(30);
    EXPECT_INT(run(forks_in_a_storm, NULL), 0);
}

/* ----------------------------------------------------------------------------------------------- Back into the run */

static pid_t parent;

static void belongs_to_the_parent(void *arg)
{
    (void)arg;
    EXPECT_INT(getpid(), parent);
}

static int task_of_the_parents(void *arg)
{
    belongs_to_the_parent(NULL);
    return arg ? asyncio_sleep(0.001) : 0;
}

/* Ends the test's process in the parent, and the child's run in the child. */
static int forks_and_returns(void *arg)
{
    struct asyncio_future *tasks[2];
    pid_t pid;

    tasks[0] = asyncio_create_task(task_of_the_parents, number(1));
    EXPECT_INT(asyncio_sleep(0), 0);
    tasks[1] = asyncio_create_task(task_of_the_parents, NULL);
    EXPECT_INT(asyncio_loop_call_soon(asyncio_get_running_loop(), belongs_to_the_parent, NULL), 0);
    pid = fork();
    if (pid == 0)
        return arg ? asyncio_sleep(0.001) : 0;
    expect_child(pid);
    for (int i = 0; i < 2; i++)
        EXPECT_INT(outcome(tasks[i]), 0);
    return 7;
}

TEST_REAL(back_into_the_run,
          "R20 #67: a child that returns into the run finds it ended, and does nothing of the parent's")
{
    if (under_thread_sanitizer())
        SKIP("it takes what a forked child does on its parent's stacks for races");
    parent = getpid();
    for (int i = 0; i < 2; i++) {
        int r = run(forks_and_returns, i == 0 ? NULL : number(1));

        if (getpid() != parent)
            _exit(r == -EXDEV ? 0 : 1);
        EXPECT_INT(r, 7);
    }
}

static void forks_in_a_turn(void *arg)
{
    pid_t pid = fork();

    if (pid == 0)
        return;
    expect_child(pid);
    asyncio_loop_stop(arg);
}

TEST_REAL(back_into_the_turn, "R20 #67: neither does one that was forked in a callback run what is behind it")
{
    struct asyncio_loop *loop;
    int r;

    parent = getpid();
    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_INT(asyncio_loop_call_soon(loop, forks_in_a_turn, loop), 0);
    EXPECT_INT(asyncio_loop_call_soon(loop, belongs_to_the_parent, NULL), 0);
    r = asyncio_loop_run_forever(loop);
    close_loop(loop);
    if (getpid() != parent)
        _exit(r == -EXDEV ? 0 : 1);
    EXPECT_INT(r, 0);
}

/* ------------------------------------------------------------------------------------------------------------ Exec */

/* The fds of a program that this process runs in the plain way; valid until the next call. */
static const char *fds_after_exec(void)
{
    static char text[4096];
    size_t size = 0;
    int fds[2];
    ssize_t n;
    pid_t pid;

    EXPECT_INT(pipe2(fds, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        dup2(fds[1], 1);
        execl("/bin/sh", "sh", "-c", "ls -l /proc/$$/fd | sed -n 's/.* \\([0-9]* -> \\)/\\1/p' | grep -v pipe:", NULL);
        _exit(127);
    }
    close(fds[1]);
    while (size < sizeof text - 1 && (n = read(fds[0], text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)n;
    text[size] = 0;
    close(fds[0]);
    expect_child(pid);
    return text;
}

static char fds_before[4096];

static int execs(void *arg)
{
    (void)arg;
    begin_all();
    EXPECT_STR(fds_after_exec(), fds_before);
    end_all();
    return 0;
}

TEST_REAL(no_fd_through_an_exec, "R20 #117: of all that a loop has open nothing gets into a program that is run")
{
    snprintf(fds_before, sizeof fds_before, "%s", fds_after_exec());
    EXPECT(strstr(fds_before, "0 -> "));
    EXPECT_INT(run(execs, NULL), 0);
}

/* --------------------------------------------------------------------------------------------------------- Daemons */

static struct asyncio_loop *daemons;
static int report_fd;

static void daemon_says(void *arg)
{
    EXPECT_INT(write(report_fd, arg, 1), 1);
}

static void stop_daemon(void *arg)
{
    daemon_says(arg);
    asyncio_loop_stop(daemons);
}

static void raise_usr1(void *arg)
{
    (void)arg;
    raise(SIGUSR1);
}

static int daemon_lives(void *arg)
{
    EXPECT_INT(asyncio_sleep(0.001), 0);
    daemon_says(arg);
    return live(NULL);
}

/* What the daemon does with the loop that it got: what was scheduled before the forks runs, and then whole tasks. */
static void be_a_daemon(void)
{
    EXPECT_INT(asyncio_loop_call_later(daemons, 0.001, raise_usr1, NULL), 0);
    EXPECT_INT(asyncio_loop_run_forever(daemons), 0);
    EXPECT_INT(asyncio_loop_remove_signal_handler(daemons, SIGUSR1), 1);
    EXPECT_INT(asyncio_loop_run_until_complete(daemons, daemon_lives, (void *)(uintptr_t) "d"), 0);
    EXPECT_INT(asyncio_loop_close(daemons), 0);
    EXPECT_PTR(asyncio_loop_unref(daemons), NULL);
    daemon_says((void *)(uintptr_t) ".");
}

/* As daemon(3) says: the first child leads a session, the second one never gets a terminal. */
static void become_a_daemon(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        EXPECT(setsid() > 0);
        pid = fork();
        if (pid == 0) {
            be_a_daemon();
            _exit(0);
        }
        /* A daemon's parents end at once; this one stays to tell how the daemon ended. */
        expect_child(pid);
        _exit(0);
    }
    expect_child(pid);
}

TEST_REAL(daemon, "R20 SG-04: a loop that has not run yet, with callbacks, timers and a handler, goes with a daemon")
{
    char said[16] = "";
    int fds[2];

    EXPECT_INT(pipe2(fds, O_CLOEXEC), 0);
    report_fd = fds[1];
    EXPECT_INT(new_loop(&daemons), 0);
    EXPECT_INT(asyncio_loop_call_soon(daemons, daemon_says, (void *)(uintptr_t) "a"), 0);
    EXPECT_INT(asyncio_loop_call_soon_threadsafe(daemons, daemon_says, (void *)(uintptr_t) "b"), 0);
    EXPECT_INT(asyncio_loop_add_signal_handler(daemons, SIGUSR1, stop_daemon, (void *)(uintptr_t) "c"), 0);
    become_a_daemon();
    close(fds[1]);
    EXPECT_INT(read(fds[0], said, sizeof said - 1), 5);
    EXPECT_STR(said, "abcd.");
    close(fds[0]);
    /* The parent's is as it was; who daemonises ends here. */
    close_loop(daemons);
    EXPECT(has_default_action(SIGUSR1));
}
