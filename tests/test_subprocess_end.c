/* test_subprocess_end.c -- how processes end: waiting for it, signals, stopping them, and what is left behind. */
#include "process_rig.h"

/* --------------------------------------------------------------------------------------------------------- Waiting */

static struct asyncio_process *watched;

static int waits(void *arg)
{
    int returncode = -1, r = asyncio_process_wait(watched, &returncode);

    (void)arg;
    trace("%s: %s, %d", me(), said(r), returncode);
    return r;
}

TEST_PROCESS(many_waiters, "SP-03 #107: any number of tasks may wait, and all of them are told")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;

    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE), 0);
    watched = process;
    spawn(waits, NULL, "first");
    spawn(waits, NULL, "second");
    spawn(waits, NULL, "third");
    turns(2);
    EXPECT(!process || dump_says("waiting for process"));
    trace("closes");
    asyncio_streamwriter_close(asyncio_process_stdin(process));
    everybody();
    EXPECT_TRACE("[0.000] closes\n"
                 "[0.000] first: 0, 0\n"
                 "[0.000] second: 0, 0\n"
                 "[0.000] third: 0, 0\n");
    return 0;
}

TEST_PROCESS(bad_wait, "#118: to wait for what is no future is refused at once, whatever lives beside it")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_future *tasks[2] = {NULL, NULL};

    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE), 0);
    watched = process;
    tasks[0] = spawn(waits, NULL, "waiter");
    EXPECT_INT(asyncio_wait(tasks, 2, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED), -EINVAL);
    EXPECT_INT(asyncio_process_kill(process), 0);
    everybody();
    EXPECT_TRACE("[0.000] waiter: 0, -9\n");
    return 0;
}

TEST_PROCESS(cancelled_wait, "SP-03 #113: a wait that is cancelled leaves process and other waiters as they were")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;

    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE), 0);
    watched = process;
    spawn(waits, NULL, "cancelled");
    spawn(waits, NULL, "patient");
    turns(2);
    cancel(crew[0]);
    turns(2);
    EXPECT(!asyncio_process_returncode(process, NULL));
    EXPECT_INT(asyncio_process_kill(process), 0);
    everybody();
    EXPECT_TRACE("[0.000] cancelled: -ECANCELED, -1\n"
                 "[0.000] patient: 0, -9\n");
    return 0;
}

TEST_PROCESS(late_cancel,
             "SP-03: a cancel that comes when it has ended, but before the waiter runs, meets the next wait")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;

    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE), 0);
    EXPECT_INT(asyncio_process_kill(process), 0);
    EXPECT_INT(end_of(process), -9);
    cancel(asyncio_current_task());
    EXPECT_INT(wait_quietly(process), 0);
    EXPECT_INT(asyncio_sleep(0), -ECANCELED);
    return 0;
}

TEST_PROCESS(pipes_stay_open, "SP-03 D-06 #108: it has ended when it has, though a grandchild keeps its pipes")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    int pid;

    EXPECT_INT(asyncio_create_subprocess_shell(&process, "cat <&3 & echo $!; exit 5", .executable = "/bin/bash",
                                               .std_out = ASYNCIO_PIPE, .std_in = ASYNCIO_DEVNULL),
               0);
    EXPECT_INT(asyncio_process_stop(process, 0), 0);
    process = asyncio_process_unref(process);
    EXPECT_INT(asyncio_create_subprocess_shell(&process, "sleep 1000 & echo $!; exit 5", .std_out = ASYNCIO_PIPE), 0);
    EXPECT_INT(end_of(process), 5);
    pid = atoi(line_of(asyncio_process_stdout(process)));
    EXPECT(exists(pid));
    if (pid > 0)
        kill(pid, SIGKILL);
    EXPECT_STR(rest_of(asyncio_process_stdout(process)), "");
    await_gone(pid);
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- Signals */

TEST_PROCESS(signals, "SP-05 SP-02: terminate, kill and any other; minus its number is how the process ended")
{
    for (int i = 0; i < 3; i++) {
        struct asyncio_process *process ASYNCIO_KILLED = NULL;
        int expected[] = {-SIGTERM, -SIGKILL, -SIGUSR1};

        EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE), 0);
        EXPECT_INT(asyncio_process_send_signal(process, 0), 0);
        EXPECT_INT(asyncio_process_send_signal(process, 1000), -EINVAL);
        EXPECT_INT(i == 0   ? asyncio_process_terminate(process)
                   : i == 1 ? asyncio_process_kill(process)
                            : asyncio_process_send_signal(process, SIGUSR1),
                   0);
        EXPECT_INT(end_of(process), expected[i]);
        EXPECT_INT(asyncio_process_send_signal(process, 0), -ESRCH);
        EXPECT_INT(asyncio_process_terminate(process), -ESRCH);
        EXPECT_INT(asyncio_process_kill(process), -ESRCH);
    }
    return 0;
}

TEST_PROCESS(signals_take_no_status,
             "SP-05 #109: a signal to one that has ended unnoticed neither fails nor takes its code")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    siginfo_t info;

    EXPECT_INT(asyncio_create_subprocess_shell(&process, "exit 7"), 0);
    if (process)
        waitid(P_PID, (id_t)asyncio_process_pid(process), &info, WEXITED | WNOWAIT);
    ASYNCIO_IGNORE(asyncio_process_send_signal(process, 0));
    ASYNCIO_IGNORE(asyncio_process_kill(process));
    EXPECT_INT(end_of(process), 7);
    return 0;
}

/* -------------------------------------------------------------------------------------------------------- Stopping */

/* Runs a command, which tells that it is ready by a line. */
#define START(process, command, ...)                                                                                \
    do {                                                                                                            \
        EXPECT_INT(asyncio_create_subprocess_shell(process, (command), .std_out = ASYNCIO_PIPE, ##__VA_ARGS__), 0); \
        line_of(asyncio_process_stdout(*(process)));                                                                \
    } while (0)

/* It ends by itself when it is asked to. */
#define OBEDIENT "trap 'exit 6' TERM; echo ready; while :; do sleep 1 & wait $!; done"

/* It does not. */
#define STUBBORN "trap '' TERM; echo ready; while :; do sleep 1 & wait $!; done"

static int end_without_wait(struct asyncio_process *process)
{
    int returncode = -1000;

    EXPECT(asyncio_process_returncode(process, &returncode));
    return returncode;
}

TEST_PROCESS(stops, "SP-05: stop asks first, and waits for the end")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;

    START(&process, OBEDIENT, .new_process_group = true);
    EXPECT_INT(asyncio_process_stop(process, ASYNCIO_FOREVER), 0);
    EXPECT_INT(end_without_wait(process), 6);
    EXPECT_INT(asyncio_process_stop(process, 5), 0);
    EXPECT_INT(asyncio_process_stop(process, 0), 0);
    return 0;
}

TEST_PROCESS(stops_by_force, "SP-05: what does not obey in its time is killed; at once when there is none")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_process *other ASYNCIO_KILLED = NULL;

    START(&process, STUBBORN, .new_process_group = true);
    EXPECT_INT(asyncio_process_stop(process, 5), 0);
    EXPECT_INT(end_without_wait(process), -9);
    trace("stubborn");
    START(&other, OBEDIENT, .new_process_group = true);
    EXPECT_INT(asyncio_process_stop(other, 0), 0);
    EXPECT_INT(end_without_wait(other), -9);
    EXPECT_INT(asyncio_process_stop(other, 0.0 / 0.0), -EINVAL);
    EXPECT_TRACE("[5.000] stubborn\n");
    return 0;
}

TEST_PROCESS(stops_the_group, "SP-05 #113: where it leads a group or a session, what it has started is stopped, too")
{
    for (int i = 0; i < 3; i++) {
        struct asyncio_process *process ASYNCIO_KILLED = NULL;
        int pid;

        EXPECT_INT(asyncio_create_subprocess_shell(&process, "sleep 1000 & echo $!; wait", .std_out = ASYNCIO_PIPE,
                                                   .new_process_group = i == 1, .start_new_session = i == 2),
                   0);
        pid = atoi(line_of(asyncio_process_stdout(process)));
        EXPECT_INT(asyncio_process_stop(process, i == 1 ? ASYNCIO_FOREVER : 0), 0);
        if (i == 0 && pid > 0) {
            EXPECT(exists(pid));
            kill(pid, SIGKILL);
        }
        await_gone(pid);
    }
    return 0;
}

static int stops_slowly(void *arg)
{
    int r = asyncio_process_stop(watched, ASYNCIO_FOREVER);

    (void)arg;
    trace("%s: %s, then %s", me(), said(r), said(asyncio_sleep(0)));
    return r;
}

TEST_PROCESS(cancelled_stop,
             "SP-05 SP-07: a stop that is cancelled kills at once, waits, and lets the next wait have the cancel")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;

    START(&process, STUBBORN, .new_process_group = true);
    watched = process;
    spawn(stops_slowly, NULL, "stopper");
    turns(2);
    EXPECT(!asyncio_process_returncode(process, NULL));
    cancel(crew[0]);
    everybody();
    EXPECT_INT(end_without_wait(process), -9);
    EXPECT_TRACE("[0.000] stopper: 0, then -ECANCELED\n");
    return 0;
}

/* ----------------------------------------------------------------------------------------------------- End of scope */

static int scoped_pid;

static int starts_in_scope(void *arg)
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;

    (void)arg;
    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE), 0);
    scoped_pid = asyncio_process_pid(process);
    return wait_quietly(process);
}

TEST_PROCESS(killed_scope,
             "SP-07: at the end of its block it is killed and waited for, when the task was cancelled, too")
{
    spawn(starts_in_scope, NULL, "scope");
    turns(3);
    EXPECT(exists(scoped_pid));
    cancel(crew[0]);
    EXPECT_INT(asyncio_await(crew[0]), -ECANCELED);
    EXPECT(!exists(scoped_pid));
    EXPECT(!has_children());
    return 0;
}

/* ---------------------------------------------------------------------------------------------------- Without owner */

TEST_PROCESS(dropped,
             "SP-09 #114: one whose last reference is dropped goes on; its pipes are closed, and it leaves no zombie")
{
    struct asyncio_process *process = NULL;
    int pid;

    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE), 0);
    pid = asyncio_process_pid(process);
    EXPECT(exists(pid));
    EXPECT_PTR(asyncio_process_unref(asyncio_process_ref(process)), NULL);
    EXPECT(exists(pid));
    asyncio_process_unref(process);
    await_gone(pid);
    EXPECT(!has_children());
    return 0;
}

static int drops_what_it_waits_for(void *arg)
{
    struct asyncio_process *process = NULL;
    int returncode = -1, r;

    (void)arg;
    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE), 0);
    watched = process;
    r = asyncio_process_wait(process, &returncode);
    trace("%s, %d", said(r), returncode);
    return r;
}

TEST_PROCESS(dropped_while_waiting, "SP-03: who waits keeps it")
{
    watched = NULL;
    spawn(drops_what_it_waits_for, NULL, "waiter");
    turns(2);
    ASYNCIO_IGNORE(asyncio_process_kill(watched));
    asyncio_process_unref(watched);
    everybody();
    EXPECT_TRACE("[0.000] 0, -9\n");
    return 0;
}

/* ------------------------------------------------------------------------------------------------------ Loop's end */

static int leaves_it(void *arg)
{
    struct asyncio_process **process = arg;

    EXPECT_INT(asyncio_create_subprocess_exec(process, CAT, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE), 0);
    return 0;
}

TEST_EPOLL(outlives_the_loop, "SP-09 #112: what is left of it when the loop has closed can still be given back")
{
    struct asyncio_process *process = NULL;
    int pid, status;

    EXPECT_INT(run(leaves_it, &process), 0);
    pid = asyncio_process_pid(process);
    if (!process)
        return;
    EXPECT_INT(wait_quietly(process), -ASYNCIO_ENOTASK);
    EXPECT(!asyncio_process_returncode(process, NULL));
    EXPECT(asyncio_streamwriter_is_closing(asyncio_process_stdin(process)));
    EXPECT(asyncio_streamreader_at_eof(asyncio_process_stdout(process)));
    EXPECT_INT(asyncio_process_kill(process), 0);
    EXPECT_INT(waitpid(pid, &status, 0), pid);
    asyncio_process_unref(process);
}
