/* test_spawn.c -- making children: what they run, what they have of their parent, and what becomes of errors. */
#include "child_rig.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static char folder[64];

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/asyncio-spawn-XXXXXX");
    EXPECT(mkdtemp(folder) != NULL);
}

/* A file in `folder`, or a folder when it has no content. Returns: its path, valid until the next but three. */
static const char *make_file(const char *name, mode_t mode, const char *content)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    int fd;

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    if (!content) {
        EXPECT_INT(mkdir(path, mode), 0);
        return path;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
    EXPECT(write(fd, content, strlen(content)) == (ssize_t)strlen(content));
    close(fd);
    return path;
}

static void remove_folder(void)
{
    asyncio_fail_allocation(-1, 0);
    said(program(ARGV("/bin/rm", "-r", folder)));
}

/* Runs what cannot be run. Returns: why. */
static int refused(struct asyncio__spawn what)
{
    int pid, pidfd, r = asyncio__spawn(&what, &pid, &pidfd, &failure);

    if (r == 0) {
        end_of(pid);
        close(pidfd);
    }
    EXPECT_INT(waitpid(-1, NULL, 0), -1);
    return r;
}

/* --------------------------------------------------------------------------------------------------------- Programs */

TEST_EPOLL(spawn_program, "SP-01: runs a program with its arguments, and gives its number and pidfd")
{
    struct asyncio__spawn what = SHELL("exit 7");
    int pid = -1, pidfd = -1;

    EXPECT_STR(said(program(ARGV("/bin/echo", "a", "b c", ""))), "a b c \n");
    if (asyncio__spawn(&what, &pid, &pidfd, &failure) == 0) {
        EXPECT_INT(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
        EXPECT_INT(end_of(pid), 7);
        close(pidfd);
    }
    EXPECT_STR(failure.why, "");
}

TEST_EPOLL(spawn_name, "SP-01: argv[0] is only a name when the file is another")
{
    struct asyncio__spawn what = program(ARGV("a name", "-c", "echo $0"));

    what.file = "/bin/sh";
    EXPECT_STR(said(what), "a name\n");
}

TEST_EPOLL(spawn_missing, "SP-01 #113: no such program, with and without a '/': -ENOENT, and nothing is left")
{
    EXPECT_INT(refused(program(ARGV("/no/such program"))), -ENOENT);
    EXPECT_STR(failure.why, "cannot run '/no/such program'");
    EXPECT_INT(refused(program(ARGV("no-such-program"))), -ENOENT);
    EXPECT_STR(failure.why, "cannot run 'no-such-program'");
    EXPECT_INT(refused(program(ARGV(""))), -ENOENT);
    EXPECT_INT(refused(program(ARGV("/bin/sh/sh"))), -ENOTDIR);
}

TEST_EPOLL(
    spawn_not_runnable,
    "SP-01: a file that may not be run, a directory, a script that names no interpreter or one that is not there")
{
    make_folder();
    EXPECT_INT(refused(program(ARGV(make_file("plain", 0644, "#!/bin/sh\n")))), -EACCES);
    EXPECT_INT(refused(program(ARGV(folder))), -EACCES);
    EXPECT_INT(refused(program(ARGV(make_file("script", 0755, "echo no shell is tried\n")))), -ENOEXEC);
    EXPECT_INT(refused(program(ARGV(make_file("empty", 0755, "")))), -ENOEXEC);
    EXPECT_INT(refused(program(ARGV(make_file("lost", 0755, "#!/no/such/interpreter\n")))), -ENOENT);
    remove_folder();
}

TEST_EPOLL(spawn_path, "SP-01: a name is looked for in the child's $PATH; what may not be run is remembered, what is "
                       "nowhere is -ENOENT, what is broken ends the search")
{
    char path[512], a[128], b[128];
    const char *const *env = ARGV(path);
    struct asyncio__spawn what = program(ARGV("tool"));

    make_folder();
    snprintf(a, sizeof a, "%s", make_file("a", 0755, NULL));
    snprintf(b, sizeof b, "%s", make_file("b", 0755, NULL));
    make_file("a/tool", 0644, "#!/bin/sh\n");
    what.env = env;
    snprintf(path, sizeof path, "PATH=/no/such:%s:%s", a, b);
    EXPECT_INT(refused(what), -EACCES);
    make_file("b/tool", 0755, "#!/bin/sh\necho from b\n");
    EXPECT_STR(said(what), "from b\n");
    snprintf(path, sizeof path, "PATH=%s", a);
    EXPECT_INT(refused(what), -EACCES);
    snprintf(path, sizeof path, "PATH=/no/such:/bin/sh");
    EXPECT_INT(refused(what), -ENOTDIR);
    make_file("tool", 0755, "neither a program nor a script\n");
    snprintf(path, sizeof path, "PATH=%s:%s", folder, b);
    EXPECT_INT(refused(what), -ENOEXEC);
    /* An empty one is the directory that the child starts in. */
    what.cwd = b;
    snprintf(path, sizeof path, "PATH=/no/such:");
    EXPECT_STR(said(what), "from b\n");
    snprintf(path, sizeof path, "PATH=");
    EXPECT_STR(said(what), "from b\n");
    remove_folder();
}

TEST_EPOLL(spawn_no_path, "SP-01: without a $PATH in its environment it is looked for in /bin and /usr/bin")
{
    struct asyncio__spawn what = program(ARGV("sh", "-c", "echo found"));

    what.env = ARGV("NOPATH=1");
    EXPECT_STR(said(what), "found\n");
}

TEST_EPOLL(spawn_environment, "SP-08: the parent's environment, or another one in its place")
{
    struct asyncio__spawn what = program(ARGV("/usr/bin/env"));

    setenv("OF_THE_PARENT", "yes", 1);
    EXPECT(strstr(said(what), "OF_THE_PARENT=yes\n"));
    unsetenv("OF_THE_PARENT");
    what.env = ARGV("A=1", "B=2");
    EXPECT_STR(said(what), "A=1\nB=2\n");
    what.env = (const char *const[]){NULL};
    EXPECT_STR(said(what), "");
}

TEST_EPOLL(spawn_directory, "SP-08: starts in its directory, where relative names begin; one that is none is named")
{
    struct asyncio__spawn what;

    make_folder();
    make_file("tool", 0755, "#!/bin/sh\npwd\n");
    what = program(ARGV("./tool"));
    what.cwd = folder;
    EXPECT(strncmp(said(what), folder, strlen(folder)) == 0);
    what.cwd = "/no/such/place";
    EXPECT_INT(refused(what), -ENOENT);
    EXPECT_STR(failure.why, "cannot change the directory to '/no/such/place'");
    what.cwd = "/bin/sh";
    EXPECT_INT(refused(what), -ENOTDIR);
    remove_folder();
}

TEST_EPOLL(spawn_umask, "SP-08: a mask for its new files; the parent's stays")
{
    struct asyncio__spawn what = SHELL("umask");
    mode_t before = umask(0022);

    EXPECT_STR(said(what), "0022\n");
    what.umask = 0;
    EXPECT_STR(said(what), "0000\n");
    what.umask = 0077;
    EXPECT_STR(said(what), "0077\n");
    EXPECT_INT(umask(before), 0022);
}

/* ---------------------------------------------------------------------------------------------------------- Signals */

static uint64_t mask_in(const char *status, const char *name)
{
    const char *line = strstr(status, name);

    return line ? strtoull(line + strlen(name), NULL, 16) : UINT64_MAX;
}

static void ignore_me(int number)
{
    (void)number;
}

static bool has_default_signals(void)
{
    struct asyncio__spawn what = program(ARGV("/bin/cat", "/proc/self/status"));
    sigset_t mask, after;
    const char *status;

    sigaction(SIGHUP, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    sigaction(SIGRTMAX, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = ignore_me}, NULL);
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGRTMIN);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    status = said(what);
    EXPECT_INT(mask_in(status, "SigBlk:"), 0);
    EXPECT_INT(mask_in(status, "SigIgn:"), 0);
    EXPECT_INT(mask_in(status, "SigCgt:"), 0);
    sigprocmask(SIG_SETMASK, NULL, &after);
    return sigismember(&after, SIGTERM) == 1 && sigismember(&after, SIGINT) == 0 && sigismember(&after, SIGRTMIN) == 1;
}

TEST_EPOLL(spawn_signals, "SP-08 #113: in the child no signal is blocked, caught or ignored, whatever the parent does; "
                          "the parent's mask is as it was")
{
    EXPECT_INT(apart(has_default_signals), 0);
}

static int this_process;
static volatile int *shared_flag;

static void only_here(int number)
{
    (void)number;
    if ((int)syscall(SYS_getpid) != this_process)
        *shared_flag = 1;
}

/* Signals come as fast as another process can send them to all of this group. */
static bool under_fire(void)
{
    struct asyncio__spawn what = program(ARGV("/bin/true"));
    int flooder;

    setpgid(0, 0);
    this_process = getpid();
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = only_here, .sa_flags = SA_RESTART}, NULL);
    flooder = fork();
    if (flooder == 0) {
        sigaction(SIGUSR1, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
        while (getppid() == this_process)
            kill(0, SIGUSR1);
        _exit(0);
    }
    for (int i = 0; i < 50; i++) {
        int pid, pidfd, returncode;

        EXPECT_INT(asyncio__spawn(&what, &pid, &pidfd, &failure), 0);
        returncode = end_of(pid);
        EXPECT(returncode == 0 || returncode == -SIGUSR1);
        close(pidfd);
    }
    kill(flooder, SIGKILL);
    end_of(flooder);
    return *shared_flag == 0;
}

TEST_NO_SWEEP(spawn_under_fire,
              "SP-08 #113: signals that come while a child is made: it has them after its actions are "
              "the default ones, and no handler of the parent's runs in it",
              "another process sends signals meanwhile")
{
    shared_flag = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT_INT(apart(under_fire), 0);
    munmap((void *)(uintptr_t)shared_flag, 4096);
}

/* ------------------------------------------------------------------------------------------------- Sessions, groups */

/* What the kernel says of a child: its number, group, session and controlling terminal. */
struct place {
    int pid, group, session, terminal;
};

static struct place place_of(struct asyncio__spawn what)
{
    struct place place = {0};

    what.file = "/bin/cat";
    what.argv = ARGV("/bin/cat", "/proc/self/stat");
    EXPECT_INT(
        sscanf(said(what), "%d (cat) %*c %*d %d %d %d", &place.pid, &place.group, &place.session, &place.terminal), 4);
    return place;
}

TEST_EPOLL(spawn_session, "SP-08: in its parent's session and group, or in one that it leads")
{
    struct asyncio__spawn what = program(ARGV("/bin/cat"));
    struct place place = place_of(what);

    EXPECT_INT(place.group, getpgrp());
    EXPECT_INT(place.session, getsid(0));
    what.new_process_group = true;
    place = place_of(what);
    EXPECT_INT(place.group, place.pid);
    EXPECT_INT(place.session, getsid(0));
    what.new_process_group = false;
    what.new_session = true;
    place = place_of(what);
    EXPECT_INT(place.group, place.pid);
    EXPECT_INT(place.session, place.pid);
    EXPECT_INT(place.terminal, 0);
}

static int ends[2];

static bool leave_a_child(void)
{
    struct asyncio__spawn what = program(ARGV("/bin/sh", "-c", "echo begun; exec sleep 1000"));
    int pid, pidfd;

    what.die_with_parent = true;
    what.fds[1] = ends[1];
    return asyncio__spawn(&what, &pid, &pidfd, &failure) == 0;
}

TEST_EPOLL(spawn_dies_with_parent, "SP-08: one that dies with its parent does, whatever it is doing")
{
    EXPECT_INT(pipe2(ends, O_CLOEXEC), 0);
    apart(leave_a_child);
    close(ends[1]);
    /* It would hold the pipe, were it not for cat's redirection; so its number is not needed to see that it is gone. */
    all_of(ends[0]);
}

/* -------------------------------------------------------------------------------------------------------------- Fds */

/* Says which fds are open in it. The shell's own fd of the directory is among them. */
#define FD_LISTER SHELL("cd /proc/$$/fd; echo *")

TEST_EPOLL(spawn_fds, "SP-08 #117: nothing above 2 is open in the child, also not what does not say so itself")
{
    int leaky = open("/dev/null", O_RDONLY), far = fcntl(leaky, F_DUPFD, 200);

    EXPECT_STR(said(FD_LISTER), "0 1 2 3\n");
    EXPECT(fcntl(leaky, F_GETFD) == 0);
    close(leaky);
    close(far);
}

TEST_EPOLL(spawn_pass_fds, "SP-08 #117: fds that are passed are open under their numbers, and no others")
{
    struct asyncio__spawn what = FD_LISTER;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), passed[3], other = fcntl(fd, F_DUPFD, 60);

    passed[0] = fcntl(fd, F_DUPFD_CLOEXEC, 70);
    passed[1] = fcntl(fd, F_DUPFD, 50);
    passed[2] = 1;
    what.pass_fds = passed;
    what.n_pass_fds = 3;
    EXPECT_STR(said(what), "0 1 2 3 50 70\n");
    EXPECT_INT(fcntl(passed[0], F_GETFD), FD_CLOEXEC);
    close(passed[0]);
    EXPECT_INT(refused(what), -EBADF);
    close(passed[1]);
    close(other);
    close(fd);
}

/* Any pattern of open and passed fds around those that are made for the child. */
TEST_NO_SWEEP(spawn_any_pattern,
              "SP-08 #117: whichever fds are open, just those that are passed are there in the child", "a long series")
{
    for (unsigned round = 0; round < 64; round++) {
        struct asyncio__spawn what = FD_LISTER;
        int passed[8], fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        char expected[64];
        size_t n = 0, length;

        length = (size_t)snprintf(expected, sizeof expected, "0 1 2");
        /* The lowest that is free in the child is the shell's. */
        for (unsigned i = 0; i < 8; i++)
            dup2(fd, 40 + (int)i);
        for (unsigned i = 0; i < 6; i++)
            if (round & (1U << i))
                passed[n++] = 40 + (int)((i * 5 + round) % 8);
        what.pass_fds = passed;
        what.n_pass_fds = n;
        length += (size_t)snprintf(expected + length, sizeof expected - length, " 3");
        for (int i = 40; i < 48; i++)
            for (size_t k = 0; k < n; k++)
                if (passed[k] == i) {
                    length += (size_t)snprintf(expected + length, sizeof expected - length, " %d", i);
                    break;
                }
        snprintf(expected + length, sizeof expected - length, "\n");
        EXPECT_STR(said(what), expected);
        for (int i = 40; i < 48; i++)
            close(i);
        close(fd);
    }
}

TEST_EPOLL(spawn_standard_fds, "SP-01: each of the three may be any fd, also the same for several")
{
    struct asyncio__spawn what = SHELL("read line; echo out $line; echo err >&2");
    int in[2];

    EXPECT_INT(pipe2(in, O_CLOEXEC), 0);
    EXPECT_INT(write(in[1], "hello\n", 6), 6);
    what.fds[0] = in[0];
    what.fds[2] = 1; /* the parent's own standard output, not the child's */
    EXPECT_STR(said(what), "out hello\n");
    close(in[0]);
    close(in[1]);
    what.fds[0] = 987;
    EXPECT_INT(refused(what), -EBADF);
}

/* Standard fds 0 to 2 of this process are pipes: what goes into fd i comes out of outer[i]. */
static int outer[3];

static void open_low_pipes(void)
{
    for (int i = 0; i < 3; i++) {
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
            _exit(9);
        outer[i] = fcntl(fds[0], F_DUPFD_CLOEXEC, 20);
        dup3(fds[1], 10 + i, O_CLOEXEC);
        close(fds[0]);
        close(fds[1]);
    }
    for (int i = 0; i < 3; i++) {
        dup3(10 + i, i, O_CLOEXEC);
        close(10 + i);
    }
}

/* Where the child's fds 1 and 2 go when they are the parent's `one` and `two`. */
static bool goes(int one, int two, const char *const expected[3])
{
    struct asyncio__spawn what = SHELL("echo one; echo two >&2");
    int pid, pidfd;
    bool right = true;

    open_low_pipes();
    what.fds[1] = one;
    what.fds[2] = two;
    if (asyncio__spawn(&what, &pid, &pidfd, &failure) < 0 || end_of(pid) != 0)
        return false;
    close(pidfd);
    for (int i = 0; i < 3; i++) {
        close(i);
        right = strcmp(all_of(outer[i]), expected[i]) == 0 && right;
    }
    return right;
}

#define GOES(name, one, two, ...)                                   \
    static bool name(void)                                          \
    {                                                               \
        return goes(one, two, (const char *const[3]){__VA_ARGS__}); \
    }
GOES(swapped, 2, 1, "", "two\n", "one\n")
GOES(in_place, 1, 2, "", "one\n", "two\n")
GOES(both_in_zero, 0, 0, "one\ntwo\n", "", "")
GOES(both_in_one, 1, 1, "", "one\ntwo\n", "")
GOES(both_in_two, 2, 2, "", "", "one\ntwo\n")
GOES(moved_up, 0, 1, "one\n", "two\n", "")

TEST_EPOLL(spawn_low_fds, "SP-01 #117: fds that are 0, 1 or 2 themselves get to their places, whatever the order")
{
    bool (*const all[])(void) = {swapped, in_place, both_in_zero, both_in_one, both_in_two, moved_up};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        EXPECT_INT(apart(all[i]), 0);
}

/* Without standard fds, those that are made for the child get their numbers. */
static bool without_standard_fds(void)
{
    struct asyncio__spawn what = FD_LISTER;
    int out = -1, pid, pidfd;
    int fds[2];
    const char *text;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return false;
    out = fcntl(fds[1], F_DUPFD_CLOEXEC, 10);
    close(fds[1]);
    for (int i = 0; i < 3; i++)
        if (i != fds[0])
            close(i);
    what.fds[1] = out;
    if (asyncio__spawn(&what, &pid, &pidfd, &failure) < 0)
        return false;
    close(out);
    text = all_of(fds[0]);
    /* The shell's fd of the directory takes the place of standard input. */
    return end_of(pid) == 0 && strcmp(text, "0 1\n") == 0;
}

static bool fails_without_standard_fds(void)
{
    int pid, pidfd;
    struct asyncio__spawn what = program(ARGV("/no/such/program"));

    for (int i = 0; i < 3; i++)
        close(i);
    what.fds[0] = what.fds[1] = what.fds[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
    return what.fds[0] == 0 && asyncio__spawn(&what, &pid, &pidfd, &failure) == -ENOENT;
}

TEST_EPOLL(spawn_without_standard_fds,
           "SP-01 #117: in a process without standard fds: closed ones stay closed, and errors come home all the same")
{
    EXPECT_INT(apart(without_standard_fds), 0);
    EXPECT_INT(apart(fails_without_standard_fds), 0);
}

/* ----------------------------------------------------------------------------------------------------------- Limits */

static bool runs_out_of_fds(void)
{
    struct asyncio__spawn what = program(ARGV("/bin/true"));
    struct rlimit limit = {64, 64};
    int fds[64], n = 0, r = 0, pid, pidfd;

    setrlimit(RLIMIT_NOFILE, &limit);
    while ((fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        n++;
    /* One more is there each time, until there are enough. */
    for (int given = 0; given < 6; given++) {
        r = asyncio__spawn(&what, &pid, &pidfd, &failure);
        if (r == 0)
            break;
        if (r != -EMFILE || waitpid(-1, NULL, 0) >= 0)
            return false;
        close(fds[--n]);
    }
    return r == 0 && end_of(pid) == 0;
}

TEST_EPOLL(spawn_out_of_fds, "SP-01: -EMFILE when there are no more fds, at whichever step, and nothing is left")
{
    EXPECT_INT(apart(runs_out_of_fds), 0);
}

static bool runs_out_of_processes(void)
{
    struct asyncio__spawn what = program(ARGV("/bin/true"));
    struct rlimit limit = {0, 0};
    int pid, pidfd, before = dup(0), after;

    close(before);
    if (geteuid() == 0 && setuid(65534) < 0)
        return true;
    if (setrlimit(RLIMIT_NPROC, &limit) < 0 || asyncio__spawn(&what, &pid, &pidfd, &failure) != -EAGAIN)
        return false;
    after = dup(0);
    return before == after && failure.why[0] == 0;
}

TEST_EPOLL(spawn_out_of_processes, "SP-01: -EAGAIN when there are too many processes, and nothing is left")
{
    EXPECT_INT(apart(runs_out_of_processes), 0);
}

/* A fork that somebody else makes while a child is made keeps what it finds open. */
TEST_NO_SWEEP(spawn_beside_forks, "#112: strangers' forks, which keep all fds open, make nobody wait", "real processes")
{
    int strangers[20];

    for (int i = 0; i < 20; i++) {
        struct asyncio__spawn what = program(ARGV("/bin/true"));
        int pid, pidfd;

        strangers[i] = fork();
        if (strangers[i] == 0) {
            poll(NULL, 0, -1);
            _exit(0);
        }
        EXPECT_INT(asyncio__spawn(&what, &pid, &pidfd, &failure), 0);
        EXPECT_INT(end_of(pid), 0);
        close(pidfd);
    }
    for (int i = 0; i < 20; i++) {
        kill(strangers[i], SIGKILL);
        end_of(strangers[i]);
    }
}
