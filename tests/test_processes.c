/* test_processes.c -- processes that nobody here has made: waiting for any one, and for orphans. */
#include "process_rig.h"

#include "loop/children.h"

#include <sys/prctl.h>
#include <sys/resource.h>

/* Starts a process that reads until its input ends; its number. */
static int start_cat(struct asyncio_process **ret_process)
{
    EXPECT_INT(asyncio_create_subprocess_exec(ret_process, CAT, .std_in = ASYNCIO_PIPE), 0);
    return asyncio_process_pid(*ret_process);
}

/* Stands still until a child has ended, and takes nothing. */
static void until_dead(int pid)
{
    siginfo_t info;

    while (pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0)
        if (errno != EINTR) {
            FAIL("%d is no child", pid);
            return;
        }
}

/* A child of the program's own, which has ended when this returns. */
static int fork_dead(int status)
{
    int pid = fork();

    if (pid == 0)
        _exit(status);
    EXPECT(pid > 0);
    until_dead(pid);
    return pid;
}

/* ------------------------------------------------------------------------------------------------------ Any process */

static int waits_for_pid(void *arg)
{
    int r = asyncio_wait_pid(number_of(arg));

    trace("%s: %s", me(), said(r));
    return 0;
}

TEST_PROCESS(grandchild, "SP-09: a process that is not our child can be waited for")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    int pid;

    EXPECT_INT(asyncio_create_subprocess_shell(&process, "sleep 1000 & echo $!", .std_out = ASYNCIO_PIPE), 0);
    pid = atoi(line_of(asyncio_process_stdout(process)));
    EXPECT_INT(end_of(process), 0);
    spawn(waits_for_pid, number(pid), "waiter");
    turns(3);
    trace("kills");
    if (pid > 0)
        EXPECT_INT(kill(pid, SIGKILL), 0);
    everybody();
    EXPECT_TRACE("[0.000] kills\n"
                 "[0.000] waiter: 0\n");
    await_gone(pid);
    EXPECT_INT(asyncio_wait_pid(pid), -ESRCH);
    return 0;
}

TEST_PROCESS(own_child, "SP-09 #109: waiting for the number of a child takes nothing from its owner, however many do")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    int pid = start_cat(&process);

    spawn(waits_for_pid, number(pid), "first");
    spawn(waits_for_pid, number(pid), "second");
    turns(3);
    EXPECT_INT(asyncio_process_kill(process), 0);
    EXPECT_INT(end_of(process), -9);
    everybody();
    EXPECT(strstr(transcript(), "first: 0\n") && strstr(transcript(), "second: 0\n"));
    trace_clear();
    pid = fork_dead(12);
    EXPECT_INT(asyncio_wait_pid(pid), 0);
    EXPECT_INT(asyncio_wait_pid(pid), 0);
    EXPECT_INT(waitpid(pid, NULL, 0), pid);
    return 0;
}

TEST_PROCESS(cancelled_wait_pid, "SP-09 #115: a wait that is cancelled leaves the process alone, and no fd open")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    int pid = start_cat(&process);

    spawn(waits_for_pid, number(pid), "waiter");
    turns(3);
    cancel(crew[0]);
    everybody();
    EXPECT_TRACE("[0.000] waiter: -ECANCELED\n");
    EXPECT(exists(pid));
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_wait_pid(pid), -ECANCELED);
    return 0;
}

TEST_PROCESS(no_such_pid, "SP-09: what is no process is said, and so is that there is no fd to be had")
{
    struct rlimit limit, few;
    int r;

    EXPECT_INT(asyncio_wait_pid(0), -EINVAL);
    EXPECT_INT(asyncio_wait_pid(-1), -EINVAL);
    EXPECT_INT(asyncio_wait_pid(INT32_MAX), -ESRCH);
    getrlimit(RLIMIT_NOFILE, &limit);
    few = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
    r = asyncio_wait_pid(getpid());
    setrlimit(RLIMIT_NOFILE, &limit);
    EXPECT_INT(r, -EMFILE);
    return 0;
}

TEST(outside, "SP-09: outside of a task nobody waits")
{
    EXPECT_INT(asyncio_wait_pid(getpid()), -ASYNCIO_ENOTASK);
    EXPECT_INT(asyncio_reap_orphans(NULL, NULL), -ASYNCIO_ENOTASK);
}

static int in_simulator(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_wait_pid(getpid()), -EOPNOTSUPP);
    EXPECT_INT(asyncio_reap_orphans(NULL, NULL), -EOPNOTSUPP);
    return 0;
}

TEST_SIM(in_simulator, "SP-09: the simulator has no processes")
{
    EXPECT_INT(run(in_simulator, NULL), 0);
}

/* ---------------------------------------------------------------------------------------------------------- Orphans */

static int last_reaped;

static void tell(void *arg, int pid, int returncode)
{
    (void)arg;
    last_reaped = pid;
    trace("reaped: %d", returncode);
}

/* `arg`: whom to tell. */
static int reaps(void *arg)
{
    int r = asyncio_reap_orphans(arg, NULL);

    trace("%s: %s", me(), said(r));
    return 0;
}

/* Cancels the reaper and waits until it has ended. What a reaper that was out of memory has left is taken here. */
static void dismiss(struct asyncio_future *reaper)
{
    cancel(reaper);
    ASYNCIO_IGNORE(asyncio_wait(&reaper, 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
}

/* Waits until the reaper has taken it, if that is still at work. */
static void await_reaped(struct asyncio_future *reaper, int pid)
{
    while (exists(pid) && !asyncio_future_done(reaper) && asyncio_sleep(0.01) >= 0)
        continue;
    EXPECT(!exists(pid));
}

/* Makes a process whose parent has ended, and which ends when *ret_process has no input any more. Returns: its
 * number. */
static int make_orphan(struct asyncio_process **ret_process, const char *end)
{
    char command[128];
    int pid;

    snprintf(command, sizeof command, "exec 3<&0; (read line <&3; %s) > /dev/null & echo $!", end);
    EXPECT_INT(asyncio_create_subprocess_shell(ret_process, command, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE),
               0);
    pid = atoi(line_of(asyncio_process_stdout(*ret_process)));
    EXPECT_INT(end_of(*ret_process), 0);
    return pid;
}

TEST_PROCESS(reaped, "SP-09 #114: orphans come to who reaps them, and are gone when they have ended, each told of once")
{
    struct asyncio_future *reaper = spawn(reaps, tell, "reaper");
    static const char *const ends[] = {"exit 7", "kill -9 $(exec sh -c 'echo $PPID')"};
    static const char *const expected[] = {"reaped: 7\n", "reaped: -9\n"};

    turns(1);
    for (int i = 0; i < 2; i++) {
        struct asyncio_process *process ASYNCIO_KILLED = NULL;
        int pid = make_orphan(&process, ends[i]);

        EXPECT(exists(pid));
        asyncio_streamwriter_close(asyncio_process_stdin(process));
        await_reaped(reaper, pid);
        EXPECT_INT(last_reaped, pid);
        EXPECT(strstr(transcript(), expected[i]) != NULL);
        trace_clear();
    }
    dismiss(reaper);
    EXPECT(strstr(transcript(), "reaper: -ECANCELED\n") && !strstr(transcript(), "reaped"));
    trace_clear();
    return 0;
}

TEST_PROCESS(reaped_unheard, "SP-09: nobody has to be told of them")
{
    struct asyncio_future *reaper = spawn(reaps, NULL, "reaper");
    int pid = fork_dead(3);

    await_reaped(reaper, pid);
    EXPECT(!has_children());
    dismiss(reaper);
    trace_clear();
    return 0;
}

TEST_PROCESS(a_second, "SP-09 #114: who has made a child otherwise has a second in which to wait for it")
{
    int quick = fork_dead(11), slow = fork_dead(12), status = 0;
    struct asyncio_future *reaper = spawn(reaps, tell, "reaper");

    ASYNCIO_IGNORE(asyncio_sleep(0.9));
    EXPECT_INT(waitpid(quick, &status, WNOHANG), quick);
    EXPECT_INT(WEXITSTATUS(status), 11);
    ASYNCIO_IGNORE(asyncio_sleep(0.2));
    EXPECT_INT(waitpid(slow, &status, WNOHANG), -1);
    EXPECT_INT(last_reaped, slow);
    dismiss(reaper);
    EXPECT_TRACE("[1.000] reaped: 12\n"
                 "[1.100] reaper: -ECANCELED\n");
    return 0;
}

TEST_PROCESS(a_second_later, "SP-09 #114: also when the child ends while it has nothing to do")
{
    struct asyncio_future *reaper = spawn(reaps, tell, "reaper");
    int pid;

    ASYNCIO_IGNORE(asyncio_sleep(3600));
    pid = fork_dead(13);
    ASYNCIO_IGNORE(asyncio_sleep(0.9));
    EXPECT_INT(waitpid(pid, NULL, WNOHANG), pid);
    ASYNCIO_IGNORE(asyncio_sleep(3600));
    dismiss(reaper);
    EXPECT_TRACE("[7200.900] reaper: -ECANCELED\n");
    return 0;
}

TEST_PROCESS(wakes_up, "SP-09: when it has had nothing to do for long it is there at the next end, and again")
{
    struct asyncio_future *reaper = spawn(reaps, tell, "reaper");

    for (int i = 0; i < 3; i++) {
        ASYNCIO_IGNORE(asyncio_sleep(3600));
        fork_dead(i);
    }
    ASYNCIO_IGNORE(asyncio_sleep(3600));
    EXPECT(!has_children());
    dismiss(reaper);
    EXPECT(strstr(transcript(), "reaped: 0\n") && strstr(transcript(), "reaped: 1\n") &&
           strstr(transcript(), "reaped: 2\n"));
    trace_clear();
    return 0;
}

TEST_PROCESS(leaves_own_alone, "SP-09 #109 #114: children of the library are their owners', however long they are dead")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_future *reaper = spawn(reaps, tell, "reaper");
    int returncode = 0, pid;

    turns(1);
    EXPECT_INT(asyncio_create_subprocess_shell(&process, "read line; exit 17", .std_in = ASYNCIO_PIPE), 0);
    pid = asyncio_process_pid(process);
    asyncio_streamwriter_close(asyncio_process_stdin(process));
    until_dead(pid);
    EXPECT_INT(asyncio__child_take_strange(pid, &returncode), -EEXIST);
    ASYNCIO_IGNORE(asyncio_sleep(5));
    EXPECT_INT(end_of(process), 17);
    EXPECT_INT(asyncio__child_take_strange(pid, &returncode), -ECHILD);
    EXPECT_INT(asyncio__child_take_strange(getpid(), &returncode), -ECHILD);
    EXPECT_INT(returncode, 0);
    dismiss(reaper);
    EXPECT_TRACE("[5.000] reaper: -ECANCELED\n");
    return 0;
}

static int orphans_at_once(void *arg)
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;

    (void)arg;
    EXPECT_INT(asyncio_create_subprocess_shell(&process, "for i in 1 2 3 4 5; do (exit $i) & done"), 0);
    EXPECT_INT(end_of(process), 0);
    return 0;
}

static int n_reaped;

static void count(void *arg, int pid, int returncode)
{
    (void)arg;
    (void)pid;
    EXPECT(returncode >= 1 && returncode <= 5);
    n_reaped++;
}

static int counts(void *arg)
{
    (void)arg;
    return asyncio_reap_orphans(count, NULL) == -ECANCELED ? 0 : 1;
}

TEST_PROCESS(many_orphans, "SP-09 #114: many at once, beside children of the library, none of which is lost")
{
    struct asyncio_future *reaper = spawn(counts, NULL, "reaper");

    turns(1);
    for (int i = 0; i < 8; i++)
        spawn(orphans_at_once, NULL, "maker");
    for (int i = 1; i < crew_size; i++)
        EXPECT_INT(asyncio_await(crew[i]), 0);
    while (has_children() && !asyncio_future_done(reaper))
        ASYNCIO_IGNORE(asyncio_sleep(0.1));
    EXPECT(!has_children());
    EXPECT(n_reaped <= 40);
    dismiss(reaper);
    return 0;
}

static bool is_subreaper(void)
{
    int is = 0;

    prctl(PR_GET_CHILD_SUBREAPER, &is, 0, 0, 0);
    return is;
}

TEST_PROCESS(one_reaper, "SP-09: one task of the process reaps; after it everything is as it was, and another one may")
{
    struct asyncio_future *reaper = spawn(reaps, NULL, "reaper");
    struct sigaction action;

    turns(2);
    EXPECT(is_subreaper());
    EXPECT_INT(asyncio_reap_orphans(NULL, NULL), -EBUSY);
    dismiss(reaper);
    EXPECT(!is_subreaper());
    sigaction(SIGCHLD, NULL, &action);
    EXPECT(action.sa_handler == SIG_DFL);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_reap_orphans(NULL, NULL), -ECANCELED);
    trace_clear();
    return 0;
}
