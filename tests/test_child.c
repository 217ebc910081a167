/* test_child.c -- children that a loop watches: how they end, and what becomes of them when their owner, the loop or
 * somebody else does not wait for that. */
#include "child_rig.h"
#include "loop_rig.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

/* A child and how often its owner was told. */
struct one {
    struct asyncio__child *child;
    const char *name; /* NULL: it is not in the transcript */
    int told, returncode;
    bool lets_go;
    int go; /* of one that waits to be let off */
};

static int n_left;

static void exited(struct asyncio__child *child, void *arg)
{
    struct one *one = arg;

    EXPECT(child->ended);
    one->told++;
    one->returncode = child->returncode;
    if (one->name)
        trace("%s: %d", one->name, child->returncode);
    if (one->lets_go) {
        asyncio__child_let_go(child);
        one->child = NULL;
    }
    if (--n_left == 0)
        asyncio_loop_stop(asyncio_get_running_loop());
}

static int start_program(struct one *one, struct asyncio__spawn what)
{
    int r = asyncio__child_start(loop, &what, exited, one, &one->child, &failure);

    n_left += r == 0;
    return r;
}

static void start(struct one *one, const char *command)
{
    one->name = command;
    EXPECT_INT(start_program(one, SHELL(command)), 0);
}

/* Runs until all owners have been told. */
static void until_told(void)
{
    if (n_left > 0)
        EXPECT_INT(asyncio_loop_run_forever(loop), 0);
}

/* Starts one that does not end before it is let off. */
static void start_held(struct one *one, const char *command)
{
    struct asyncio__spawn what = program(ARGV("/bin/sh", "-c", "read x; eval \"$0\"", command));
    int fds[2];

    EXPECT_INT(pipe2(fds, O_CLOEXEC), 0);
    what.fds[0] = fds[0];
    one->name = command;
    one->go = fds[1];
    EXPECT_INT(start_program(one, what), 0);
    close(fds[0]);
}

/* Lets it off and waits until it can be waited for, which this does not do. */
static void until_zombie(const struct one *one)
{
    siginfo_t info;

    close(one->go);
    if (one->child)
        EXPECT_INT(waitid(P_PID, (id_t)one->child->pid, &info, WEXITED | WNOWAIT), 0);
}

static void drop(struct one *one)
{
    asyncio__child_let_go(one->child);
    one->child = NULL;
}

static int count_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int n = 0;

    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}

/* ------------------------------------------------------------------------------------------------------------- Ends */

TEST_EPOLL(child_ends, "SP-09 SP-02: the owner is told of the exit status, or of minus the signal, in a later turn")
{
    struct one good = {0}, bad = {0}, killed = {0};

    open_loop();
    start(&good, "exit 0");
    until_told();
    start(&bad, "exit 201");
    until_told();
    start(&killed, "kill -9 $$");
    EXPECT_INT(killed.told, 0);
    until_told();
    EXPECT_TRACE("[0.000] exit 0: 0\n[0.000] exit 201: 201\n[0.000] kill -9 $$: -9\n");
    drop(&good);
    drop(&bad);
    drop(&killed);
    close_loop();
}

TEST_EPOLL(child_ended_before,
           "SP-09: one that has ended before the loop looks is told of just the same, in a later turn")
{
    struct one one = {0};

    open_loop();
    start_held(&one, "exit 5");
    until_zombie(&one);
    EXPECT_INT(one.told, 0);
    until_told();
    EXPECT_TRACE("[0.000] exit 5: 5\n");
    drop(&one);
    close_loop();
}

TEST_EPOLL(child_lets_go_when_told, "SP-09: its owner may let go when it is told")
{
    struct one one = {.lets_go = true};

    open_loop();
    start(&one, "exit 6");
    until_told();
    drop(&one);
    EXPECT_TRACE("[0.000] exit 6: 6\n");
    close_loop();
}

TEST_EPOLL(child_pidfd, "SP-09 #115: the pidfd is closed when the child has ended, though its owner still has it")
{
    struct one one = {0};
    int before;

    open_loop();
    before = count_fds();
    start(&one, "exit 0");
    until_told();
    EXPECT_INT(count_fds(), before);
    trace_clear();
    drop(&one);
    close_loop();
}

#define MANY 500

TEST_NO_SWEEP(child_many, "SP-09 #114: 500 at once, each told of once, with its own status", "it takes long")
{
    static struct one all[MANY];

    if (test_on_sim())
        SKIP("the simulator has no processes");
    test_needs_seconds(60);
    open_loop();
    for (int i = 0; i < MANY; i++) {
        char number[8];

        snprintf(number, sizeof number, "%d", i % 200);
        EXPECT_INT(start_program(&all[i], program(ARGV("/bin/sh", "-c", "read x; exit $0", number))), 0);
    }
    until_told();
    for (int i = 0; i < MANY; i++) {
        EXPECT_INT(all[i].told, 1);
        EXPECT_INT(all[i].returncode, i % 200);
        drop(&all[i]);
    }
    close_loop();
}

TEST_EPOLL(child_not_started, "SP-01 #113: what cannot be run leaves nothing behind, and the loop is as before")
{
    struct one one = {0};

    open_loop();
    EXPECT_INT(start_program(&one, program(ARGV("/no/such/program"))), loop ? -ENOENT : -EINVAL);
    EXPECT_PTR(one.child, NULL);
    EXPECT_INT(waitpid(-1, NULL, 0), -1);
    close_loop();
}

TEST_SIM(child_in_simulator, "SP-01: the simulator has no processes")
{
    struct one one = {0};

    open_loop();
    EXPECT_INT(start_program(&one, SHELL("exit 0")), loop ? -EOPNOTSUPP : -EINVAL);
    close_loop();
}

static const struct asyncio_backend_ops *real;

static bool refuse_polls(struct asyncio_backend *backend, struct asyncio_op *op)
{
    if (op->opcode != ASYNCIO_OP_POLL)
        return real->submit(backend, op);
    op->result = -ENOSPC;
    return true;
}

TEST_EPOLL(child_not_watched, "SP-09 #115: a child that cannot be watched is killed and waited for")
{
    struct asyncio_backend_ops refusing;
    struct one one = {0};

    open_loop();
    if (!loop)
        return;
    real = loop->ops;
    refusing = *real;
    refusing.submit = refuse_polls;
    loop->ops = &refusing;
    EXPECT_INT(start_program(&one, program(ARGV("/bin/sleep", "1000"))), -ENOSPC);
    EXPECT_INT(waitpid(-1, NULL, 0), -1);
    loop->ops = real;
    close_loop();
}

/* ---------------------------------------------------------------------------------------------------------- Signals */

TEST_EPOLL(child_signals, "SP-05: signals reach it, also at once; when it has ended they reach nobody")
{
    struct one one = {0}, early = {0};

    open_loop();
    EXPECT_INT(start_program(&one, program(ARGV("/bin/sleep", "1000"))), 0);
    one.name = "cat";
    EXPECT_INT(start_program(&early, program(ARGV("/bin/sleep", "1000"))), 0);
    early.name = "early";
    if (early.child)
        EXPECT_INT(asyncio__child_send_signal(early.child, SIGKILL), 0);
    if (one.child) {
        EXPECT_INT(asyncio__child_send_signal(one.child, 12345), -EINVAL);
        EXPECT_INT(asyncio__child_send_signal(one.child, 0), 0);
        EXPECT_INT(asyncio__child_send_signal(one.child, SIGTERM), 0);
    }
    until_told();
    EXPECT(strstr(transcript(), "early: -9\n") && strstr(transcript(), "cat: -15\n"));
    trace_clear();
    if (one.child)
        EXPECT_INT(asyncio__child_send_signal(one.child, SIGTERM), -ESRCH);
    drop(&one);
    drop(&early);
    close_loop();
}

TEST_EPOLL(child_signal_takes_no_status,
           "SP-05 #109: a signal to one that has ended, but whose owner does not know yet, leaves its status alone")
{
    struct one one = {0};

    open_loop();
    start_held(&one, "exit 17");
    until_zombie(&one);
    if (one.child)
        EXPECT_INT(asyncio__child_send_signal(one.child, SIGKILL), 0);
    until_told();
    EXPECT_TRACE("[0.000] exit 17: 17\n");
    drop(&one);
    close_loop();
}

TEST_EPOLL(child_group, "SP-05 #113: a signal to the group that it leads reaches its children, too")
{
    struct one one = {0}, plain = {0};
    struct asyncio__spawn what = SHELL("sleep 1000; exit 3");
    int out[2];

    open_loop();
    EXPECT_INT(pipe2(out, O_CLOEXEC), 0);
    what.new_process_group = true;
    what.fds[2] = out[1];
    EXPECT_INT(start_program(&one, what), 0);
    close(out[1]);
    EXPECT_INT(start_program(&plain, program(ARGV("/bin/sleep", "1000"))), 0);
    if (one.child && plain.child) {
        EXPECT_INT(asyncio__child_signal_group(plain.child, SIGTERM), -ESRCH);
        EXPECT_INT(asyncio__child_signal_group(one.child, SIGTERM), 0);
        asyncio__child_send_signal(plain.child, SIGTERM);
    }
    until_told();
    /* The shell's sleep has it open as well. */
    EXPECT_STR(all_of(out[0]), "");
    if (one.child) {
        EXPECT_INT(one.returncode, -SIGTERM);
        EXPECT_INT(asyncio__child_signal_group(one.child, SIGTERM), -ESRCH);
    }
    drop(&one);
    drop(&plain);
    close_loop();
}

/* ---------------------------------------------------------------------------------------------------- Without owner */

/* Runs the loop until the process has no children. */
static void until_childless(void)
{
    siginfo_t info;

    while (loop && waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
        one_turn();
        poll(NULL, 0, 1);
    }
}

TEST_EPOLL(child_let_go, "SP-09 #114: one whose owner lets go goes on, and is waited for when it ends")
{
    struct one one = {.name = "never"}, quick = {.name = "never"};
    int in[2];

    open_loop();
    EXPECT_INT(pipe2(in, O_CLOEXEC), 0);
    one.name = "never";
    {
        struct asyncio__spawn what = program(ARGV("/bin/cat"));

        what.fds[0] = in[0];
        EXPECT_INT(start_program(&one, what), 0);
    }
    start_held(&quick, "exit 0");
    until_zombie(&quick);
    drop(&one);
    drop(&quick);
    close(in[0]);
    one_turn();
    close(in[1]);
    until_childless();
    EXPECT_TRACE("");
    n_left = 0;
    close_loop();
}

TEST_EPOLL(child_let_go_before_told, "SP-09: one whose owner lets go between its end and the telling is not told of")
{
    struct one one = {0};

    open_loop();
    start_held(&one, "exit 0");
    until_zombie(&one);
    for (int i = 0; loop && i < 3 && !(one.child && one.child->ended); i++)
        loop->ops->poll(loop->backend, 0, false);
    drop(&one);
    one_turn();
    one_turn();
    EXPECT_INT(one.told, 0);
    EXPECT_INT(waitpid(-1, NULL, WNOHANG), -1);
    n_left = 0;
    close_loop();
}

TEST_EPOLL(child_outlives_loop,
           "SP-09 #112: a loop that closes before its child ends leaves that to the process, without a warning")
{
    struct one one = {0};
    int pid = 0;

    open_loop();
    EXPECT_INT(start_program(&one, program(ARGV("/bin/sleep", "1000"))), 0);
    close_loop();
    if (one.child) {
        pid = one.child->pid;
        EXPECT(!one.child->ended);
        EXPECT_INT(asyncio__child_send_signal(one.child, SIGKILL), 0);
    }
    drop(&one);
    if (pid)
        EXPECT_INT(end_of(pid), -SIGKILL);
    EXPECT_INT(one.told, 0);
    n_left = 0;
}

TEST_EPOLL(child_let_go_outlives_loop, "SP-09 #112: the same when its owner has let go")
{
    struct one one = {0};
    int pid = 0;

    open_loop();
    EXPECT_INT(start_program(&one, program(ARGV("/bin/sleep", "1000"))), 0);
    if (one.child)
        pid = one.child->pid;
    drop(&one);
    close_loop();
    if (pid) {
        kill(pid, SIGKILL);
        end_of(pid);
    }
    n_left = 0;
}

TEST_EPOLL(child_ends_with_loop, "SP-09: what has ended when the loop closes leaves no zombie, told of or not")
{
    struct one one = {0}, ended = {0}, gone = {0};

    open_loop();
    start_held(&one, "exit 4");
    start_held(&ended, "exit 5");
    start_held(&gone, "exit 6");
    until_zombie(&one);
    until_zombie(&ended);
    until_zombie(&gone);
    drop(&gone);
    close_loop();
    EXPECT_INT(waitpid(-1, NULL, WNOHANG), -1);
    if (one.child)
        EXPECT_INT(one.child->returncode, 4);
    EXPECT_INT(one.told + ended.told, 0);
    drop(&one);
    drop(&ended);
    n_left = 0;
}

TEST_EPOLL(child_killed_with_loop, "SP-09 #112: one that was killed before the loop closes leaves no zombie either")
{
    struct one one = {0};

    open_loop();
    EXPECT_INT(start_program(&one, program(ARGV("/bin/sleep", "1000"))), 0);
    if (one.child)
        EXPECT_INT(asyncio__child_send_signal(one.child, SIGKILL), 0);
    close_loop();
    EXPECT_INT(waitpid(-1, NULL, WNOHANG), -1);
    if (one.child)
        EXPECT_INT(one.child->returncode, -SIGKILL);
    drop(&one);
    n_left = 0;
}

/* -------------------------------------------------------------------------------------------------- Somebody else's */

TEST_EPOLL(child_stolen,
           "SP-09 #114 #115: one that somebody else has waited for has ended with 255, and a warning says "
           "so; its pidfd is closed")
{
    struct one one = {0};
    char text[64];
    int before;

    open_loop();
    before = count_fds();
    start_held(&one, "exit 3");
    one.name = "stolen";
    close(one.go);
    if (one.child) {
        snprintf(text, sizeof text, "child %d has been waited for by somebody else", one.child->pid);
        EXPECT_INT(end_of(one.child->pid), 3);
        EXPECT_INT(asyncio__child_send_signal(one.child, SIGTERM), -ESRCH);
        until_told();
        EXPECT_LOG(text);
        EXPECT_INT(count_fds(), before);
        EXPECT_TRACE("[0.000] stolen: 255\n");
        EXPECT_INT(one.told, 1);
    }
    drop(&one);
    close_loop();
}

TEST_EPOLL(child_without_sigchld, "SP-09 #114: a program that ignores SIGCHLD gets no status from the kernel: 255")
{
    struct one one = {0};

    open_loop();
    sigaction(SIGCHLD, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    start(&one, "exit 3");
    until_told();
    sigaction(SIGCHLD, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    if (one.child)
        EXPECT_LOG("somebody else");
    EXPECT_TRACE("[0.000] exit 3: 255\n");
    drop(&one);
    close_loop();
}

TEST_EPOLL(child_of_others, "SP-09 #114: children that the program makes itself are never waited for")
{
    struct one one = {0};
    int pid;

    open_loop();
    pid = fork();
    if (pid == 0)
        _exit(11);
    start(&one, "exit 0");
    until_told();
    one_turn();
    EXPECT_INT(end_of(pid), 11);
    trace_clear();
    drop(&one);
    close_loop();
}

static void close_as_stranger(void)
{
    int pid = fork();

    if (pid == 0) {
        asyncio_loop_close(loop);
        asyncio_loop_unref(loop);
        _exit(0);
    }
    EXPECT_INT(end_of(pid), 0);
}

TEST_EPOLL(child_and_fork, "SP-09: a fork of the process that closes the loop takes no status and touches no child")
{
    struct one one = {0};

    open_loop();
    start_held(&one, "exit 9");
    until_zombie(&one);
    if (loop)
        close_as_stranger();
    until_told();
    EXPECT_TRACE("[0.000] exit 9: 9\n");
    drop(&one);
    close_loop();
}

/* A debugger that is not in a hurry. Returns: its number; 0 when it may not be. */
static int debug(int pid, int begin)
{
    int debugger = fork();

    if (debugger == 0) {
        if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 || write(begin, "x", 1) != 1)
            _exit(1);
        poll(NULL, 0, 50);
        _exit(0);
    }
    return debugger;
}

TEST_REAL(child_debugged, "SP-09: when a debugger keeps its status for a while the loop asks again, without haste")
{
    struct one one = {0};
    struct asyncio__spawn what = SHELL("read line; exit 21");
    int in[2], ready[2], debugger;
    char byte;

    open_wrapped(0, NULL);
    EXPECT_INT(pipe2(in, O_CLOEXEC), 0);
    EXPECT_INT(pipe2(ready, O_CLOEXEC), 0);
    what.fds[0] = in[0];
    EXPECT_INT(start_program(&one, what), 0);
    debugger = debug(one.child->pid, ready[1]);
    close(ready[1]);
    if (read(ready[0], &byte, 1) == 1) {
        EXPECT_INT(write(in[1], "\n", 1), 1);
        until_told();
        EXPECT(watch.polls < 60);
    } else {
        close(in[1]);
        in[1] = -1;
        until_told();
    }
    EXPECT_INT(one.returncode, 21);
    EXPECT_INT(end_of(debugger), 0);
    close(in[0]);
    close(in[1]);
    close(ready[0]);
    drop(&one);
    close_loop();
}

/* ---------------------------------------------------------------------------------------------------------- Threads */

static int n_right;
static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;

struct many {
    int left, right;
};

static void count(struct asyncio__child *child, void *arg)
{
    struct many *many = arg;

    many->right += child->returncode == 8;
    asyncio__child_let_go(child);
    if (--many->left == 0)
        asyncio_loop_stop(asyncio_get_running_loop());
}

static void *run_children(void *arg)
{
    struct many many = {0};
    struct asyncio_loop *mine;

    (void)arg;
    if (asyncio_new_event_loop(&mine) < 0)
        return NULL;
    for (int i = 0; i < 20; i++) {
        const struct asyncio__spawn what = SHELL("exit 8");
        struct asyncio__spawn_failure nothing;
        struct asyncio__child *child;

        many.left += asyncio__child_start(mine, &what, count, &many, &child, &nothing) == 0;
    }
    asyncio_loop_run_forever(mine);
    asyncio_loop_close(mine);
    asyncio_loop_unref(mine);
    pthread_mutex_lock(&counting);
    n_right += many.right;
    pthread_mutex_unlock(&counting);
    return NULL;
}

TEST_REAL(child_threads, "SP-09 #114: loops of several threads make and watch children at the same time")
{
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        EXPECT_INT(pthread_create(&threads[i], NULL, run_children, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    EXPECT_INT(n_right, 80);
}
