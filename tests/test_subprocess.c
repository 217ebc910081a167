/* test_subprocess.c -- processes: how they are made, and what they are made with. */
#include "process_rig.h"

#include <sys/resource.h>

/* --------------------------------------------------------------------------------------------------------- Programs */

TEST_PROCESS(runs_a_program, "SP-01 SP-02: found in $PATH; no code while it runs, its own afterwards; no streams")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_process *idle ASYNCIO_KILLED = NULL;
    int returncode = 77;

    EXPECT_INT(asyncio_create_subprocess_exec(&idle, CAT, .std_in = ASYNCIO_PIPE), 0);
    EXPECT(asyncio_process_pid(idle) > 0);
    EXPECT(!asyncio_process_returncode(idle, &returncode));
    EXPECT_INT(returncode, 77);
    EXPECT_INT(asyncio_create_subprocess_exec(&process, ARGV("sh", "-c", "exit 3"), .std_in = ASYNCIO_DEVNULL), 0);
    EXPECT(!asyncio_process_stdin(process) && !asyncio_process_stdout(process) && !asyncio_process_stderr(process));
    EXPECT_INT(asyncio_process_wait(process, &returncode), 0);
    EXPECT_INT(returncode, 3);
    returncode = 77;
    EXPECT(asyncio_process_returncode(process, &returncode));
    EXPECT(asyncio_process_returncode(process, NULL));
    EXPECT_INT(returncode, 3);
    EXPECT_INT(wait_quietly(process), 0);
    return 0;
}

TEST_PROCESS(runs_a_command, "SP-01: a command line; what is not found there is the shell's 127")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;

    EXPECT_STR(SAID_BY("echo $((6 * 7)); echo \"$0\""), "42\n/bin/sh\n");
    EXPECT_STR(SAID_BY("test -n \"$BASH_VERSION\" && echo bash", .executable = "/bin/bash"), "bash\n");
    EXPECT_INT(asyncio_create_subprocess_shell(&process, "no-such-command", .std_err = ASYNCIO_DEVNULL), 0);
    EXPECT_INT(end_of(process), 127);
    return 0;
}

TEST_PROCESS(other_name, "SP-01: .executable is what runs, argv[0] only a name")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;

    EXPECT_INT(asyncio_create_subprocess_exec(&process, ARGV("nobody", "-c", "echo $0"), .executable = "sh",
                                              .std_out = ASYNCIO_PIPE),
               0);
    EXPECT_STR(rest_of(asyncio_process_stdout(process)), "nobody\n");
    return 0;
}

TEST_PROCESS(no_such_program,
             "SP-01 #113: what exec says is returned, with file and step; child, pipes, nothing is left")
{
    struct asyncio_process *process = NULL;

    EXPECT_INT(asyncio_create_subprocess_exec(&process, ARGV("no-such-program"), .std_in = ASYNCIO_PIPE,
                                              .std_out = ASYNCIO_PIPE, .std_err = ASYNCIO_PIPE),
               -ENOENT);
    EXPECT(strstr(asyncio_error_detail(), "no-such-program") != NULL);
    EXPECT_PTR(process, NULL);
    EXPECT(!has_children());
    EXPECT_INT(asyncio_create_subprocess_exec(&process, ARGV("/etc/passwd")), -EACCES);
    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .cwd = "/no/such/directory"), -ENOENT);
    EXPECT(strstr(asyncio_error_detail(), "/no/such/directory") != NULL);
    EXPECT(!has_children());
    return 0;
}

TEST_PROCESS(bad_arguments, "SP-01: what makes no sense is refused before anything is done")
{
    struct asyncio_process *process = NULL;

    EXPECT_INT(asyncio_create_subprocess_exec(NULL, CAT), -EINVAL);
    EXPECT_INT(asyncio_create_subprocess_exec(&process, NULL), -EINVAL);
    EXPECT_INT(asyncio_create_subprocess_exec(&process, ((const char *const[]){NULL})), -EINVAL);
    EXPECT_INT(asyncio_create_subprocess_shell(&process, NULL), -EINVAL);
    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_STDOUT), -EINVAL);
    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_STDOUT),
               -EINVAL);
    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_out = ASYNCIO_PIPE, .std_err = -6), -EINVAL);
    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .n_pass_fds = 1), -EINVAL);
    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .pass_fds = (const int[]){-1}, .n_pass_fds = 1), -EINVAL);
    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .umask = -1), -EINVAL);
    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .rows = -1), -EINVAL);
    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .columns = -1), -EINVAL);
    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_out = 987), -EBADF);
    EXPECT_PTR(process, NULL);
    EXPECT(!has_children());
    return 0;
}

TEST(no_process, "SP-01: nothing is asked of no process, and outside of a task nobody waits")
{
    struct asyncio_communicated said_all;
    struct asyncio_process *process = NULL;

    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT), -ASYNCIO_ENOTASK);
    EXPECT_INT(asyncio_process_pid(NULL), -EINVAL);
    EXPECT(!asyncio_process_returncode(NULL, NULL));
    EXPECT(!asyncio_process_stdin(NULL) && !asyncio_process_stdout(NULL) && !asyncio_process_stderr(NULL));
    EXPECT_INT(wait_quietly(NULL), -EINVAL);
    EXPECT_INT(asyncio_process_communicate(NULL, NULL, 0, &said_all), -EINVAL);
    EXPECT_INT(asyncio_process_kill(NULL), -EINVAL);
    EXPECT_INT(asyncio_process_terminate(NULL), -EINVAL);
    EXPECT_INT(asyncio_process_stop(NULL, 1), -EINVAL);
    EXPECT_PTR(asyncio_process_ref(NULL), NULL);
    EXPECT_PTR(asyncio_process_unref(NULL), NULL);
}

static int in_simulator(void *arg)
{
    struct asyncio_process *process = NULL;

    (void)arg;
    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE), -EOPNOTSUPP);
    EXPECT_INT(asyncio_create_subprocess_shell(&process, "cat", .std_in = ASYNCIO_PIPE), -EOPNOTSUPP);
    return 0;
}

TEST_SIM(in_simulator, "SP-01: the simulator has no processes")
{
    EXPECT_INT(run(in_simulator, NULL), 0);
}

/* ------------------------------------------------------------------------------------------------- Standard streams */

static int temporary(void)
{
    char path[] = "/tmp/test_subprocess.XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);

    EXPECT(fd >= 0);
    unlink(path);
    return fd;
}

TEST_PROCESS(files,
             "SP-01: a file takes the output, and stays the caller's, at the place that the child has left it at")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    char text[32] = "";
    int fd = temporary();

    EXPECT_INT(asyncio_create_subprocess_shell(&process, "echo out; echo err >&2", .std_out = fd, .std_err = fd), 0);
    EXPECT_INT(wait_quietly(process), 0);
    EXPECT_INT(write(fd, "after\n", 6), 6);
    EXPECT(pread(fd, text, sizeof text - 1, 0) >= 0);
    EXPECT_STR(text, "out\nerr\nafter\n");
    process = asyncio_process_unref(process);
    EXPECT_INT(lseek(fd, 4, SEEK_SET), 4);
    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = fd, .std_out = ASYNCIO_PIPE), 0);
    EXPECT_STR(rest_of(asyncio_process_stdout(process)), "err\nafter\n");
    EXPECT_INT(close(fd), 0);
    return 0;
}

TEST_PROCESS(both_in_one, "SP-01: errors go where the output goes, be that a pipe or the parent's own")
{
    int fd = temporary(), old = dup(STDOUT_FILENO);
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    char text[32] = "";

    EXPECT_STR(SAID_BY("echo out; echo err >&2", .std_err = ASYNCIO_STDOUT), "out\nerr\n");
    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
    EXPECT_INT(asyncio_create_subprocess_shell(&process, "echo out; echo err >&2", .std_err = ASYNCIO_STDOUT), 0);
    dup2(old, STDOUT_FILENO);
    EXPECT_INT(wait_quietly(process), 0);
    EXPECT(pread(fd, text, sizeof text - 1, 0) >= 0);
    EXPECT_STR(text, "out\nerr\n");
    close(fd);
    close(old);
    return 0;
}

TEST_PROCESS(nowhere, "SP-01: /dev/null has nothing to say and takes everything")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;

    EXPECT_INT(asyncio_create_subprocess_shell(&process, "cat; echo out; echo err >&2", .std_in = ASYNCIO_DEVNULL,
                                               .std_out = ASYNCIO_DEVNULL, .std_err = ASYNCIO_DEVNULL),
               0);
    EXPECT_INT(end_of(process), 0);
    return 0;
}

TEST_PROCESS(own_output, "SP-01: pipes are pipes: a child can open /dev/stdout, and they block it")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;

    EXPECT_STR(SAID_BY("echo opened > /dev/stdout; test -p /dev/stdin && test -p /dev/stderr && echo pipes",
                       .std_in = ASYNCIO_PIPE, .std_err = ASYNCIO_PIPE),
               "opened\npipes\n");
    EXPECT_INT(asyncio_create_subprocess_shell(&process, "for i in 0 1 2; do grep flags /proc/self/fdinfo/$i; done",
                                               .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE,
                                               .std_err = ASYNCIO_PIPE),
               0);
    EXPECT_PTR(strstr(rest_of(asyncio_process_stdout(process)), "4000"), NULL);
    return 0;
}

TEST_PROCESS(inherited, "SP-01: what is not named is the parent's own, and so is what says so")
{
    int fds[2], old = dup(STDOUT_FILENO);
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    char text[32] = "";

    EXPECT_INT(pipe2(fds, O_CLOEXEC), 0);
    fflush(stdout);
    dup2(fds[1], STDOUT_FILENO);
    EXPECT_INT(asyncio_create_subprocess_shell(&process, "echo absent"), 0);
    EXPECT_INT(wait_quietly(process), 0);
    process = asyncio_process_unref(process);
    EXPECT_INT(asyncio_create_subprocess_shell(&process, "echo said", .std_out = ASYNCIO_INHERIT), 0);
    EXPECT_INT(wait_quietly(process), 0);
    dup2(old, STDOUT_FILENO);
    close(fds[1]);
    close(old);
    EXPECT_INT(read(fds[0], text, sizeof text - 1), 12);
    EXPECT_STR(text, "absent\nsaid\n");
    close(fds[0]);
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- Keywords */

TEST_PROCESS(surroundings, "SP-08: directory, environment, mask and process group are the keywords', else the parent's")
{
    char expected[64];

    EXPECT_STR(SAID_BY("pwd", .cwd = "/usr"), "/usr\n");
    EXPECT_STR(SAID_BY("echo $NAME-$HOME", .env = ((const char *const[]){"NAME=value", NULL})), "value-\n");
    EXPECT_STR(SAID_BY("umask", .umask = 1 + 0027), "0027\n");
    EXPECT_STR(SAID_BY("umask", .umask = 1 + 0), "0000\n");
    EXPECT_STR(SAID_BY("test $(ps -o sid= -p $$) -eq $$ && echo leads", .start_new_session = true), "leads\n");
    EXPECT_STR(SAID_BY("test $(ps -o pgid= -p $$) -eq $$ && echo leads", .new_process_group = true), "leads\n");
    snprintf(expected, sizeof expected, "%d %d\n", (int)getsid(0), (int)getpgid(0));
    EXPECT_STR(SAID_BY("echo $(ps -o sid=,pgid= -p $$)"), expected);
    return 0;
}

TEST_PROCESS(passed_fds, "SP-08 #117: an fd that is passed on is open in the child, under its number; no other one is")
{
    char command[128];
    int fds[2];

    EXPECT_INT(pipe2(fds, O_CLOEXEC), 0);
    snprintf(command, sizeof command, "test -p /dev/fd/%d && ! test -e /dev/fd/%d && echo one", fds[1], fds[0]);
    EXPECT_STR(SAID_BY(command, .pass_fds = &fds[1], .n_pass_fds = 1), "one\n");
    EXPECT_INT(fcntl(fds[1], F_GETFD), FD_CLOEXEC);
    close(fds[0]);
    close(fds[1]);
    return 0;
}

TEST_PROCESS(siblings,
             "SP-08 #117: one child's input ends when its writer is closed, though another child was made since")
{
    struct asyncio_process *first ASYNCIO_KILLED = NULL;
    struct asyncio_process *second ASYNCIO_KILLED = NULL;

    EXPECT_INT(asyncio_create_subprocess_exec(&first, CAT, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE), 0);
    EXPECT_INT(asyncio_create_subprocess_exec(&second, CAT, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE), 0);
    asyncio_streamwriter_close(asyncio_process_stdin(first));
    EXPECT_INT(end_of(first), 0);
    EXPECT(!asyncio_process_returncode(second, NULL));
    return 0;
}

TEST_PROCESS(default_signals, "SP-08: what the parent ignores, and what it has blocked, a child does not")
{
    struct sigaction ignored = {.sa_handler = SIG_IGN}, old;
    sigset_t blocked, old_mask;

    sigaction(SIGPIPE, &ignored, &old);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &blocked, &old_mask);
    EXPECT_STR(SAID_BY("grep -c -E 'Sig(Blk|Ign):.0000000000000000' /proc/self/status"), "2\n");
    pthread_sigmask(SIG_SETMASK, &old_mask, NULL);
    sigaction(SIGPIPE, &old, NULL);
    return 0;
}

/* -------------------------------------------------------------------------------------------------------- Failures */

TEST_PROCESS(too_many_files, "SP-01 #113: without an fd to be had nothing is left, wherever that shows")
{
    struct rlimit limit, few;

    getrlimit(RLIMIT_NOFILE, &limit);
    few = limit;
    for (few.rlim_cur = 3; few.rlim_cur < 64; few.rlim_cur++) {
        struct asyncio_process *process ASYNCIO_KILLED = NULL;
        int r;

        setrlimit(RLIMIT_NOFILE, &few);
        r = asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE,
                                           .std_err = ASYNCIO_PIPE);
        setrlimit(RLIMIT_NOFILE, &limit);
        EXPECT(r == 0 || r == -EMFILE || r == -ENOMEM);
        if (r == 0)
            break;
        EXPECT(!has_children());
        turns(2);
    }
    EXPECT(few.rlim_cur < 64);
    return 0;
}

static int cancelled_starter(void *arg)
{
    struct asyncio_process *process = NULL;
    int r;

    (void)arg;
    cancel(asyncio_current_task());
    r = asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE);
    EXPECT_PTR(process, NULL);
    return r;
}

TEST_PROCESS(cancelled_start, "SP-07 #106 #107: a cancel is met before there is a child; what was started is returned")
{
    struct asyncio_future *starter = spawn(cancelled_starter, NULL, "starter");

    EXPECT_INT(asyncio_await(starter), -ECANCELED);
    EXPECT(!has_children());
    return 0;
}

/* ----------------------------------------------------------------------------------------------------- Many at once */

#define MANY 500

static int one_of_many(void *arg)
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    char command[32];
    int returncode = -1, r;

    snprintf(command, sizeof command, "exit %d", number_of(arg));
    r = asyncio_create_subprocess_shell(&process, command, .std_out = ASYNCIO_PIPE);
    if (r == 0)
        r = asyncio_process_wait(process, &returncode);
    return r < 0 ? r : returncode;
}

static int many(void *arg)
{
    static struct asyncio_future *tasks[MANY];

    (void)arg;
    for (int i = 0; i < MANY; i++)
        tasks[i] = asyncio_create_task(one_of_many, number(i % 250));
    for (int i = 0; i < MANY; i++) {
        EXPECT_INT(asyncio_await(tasks[i]), i % 250);
        asyncio_future_unref(tasks[i]);
    }
    EXPECT(!has_children());
    return 0;
}

TEST_REAL(many, "SP-09 #114: 500 at once, each with its own end")
{
    test_needs_seconds(120);
    EXPECT_INT(run(many, NULL), 0);
}
