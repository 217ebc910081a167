/* test_pty.c -- terminals of children. */
#include "child_rig.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <termios.h>

static int controller = -1, terminal = -1;

static void open_pty(int rows, int columns)
{
    controller = terminal = -1;
    EXPECT_INT(asyncio__pty_open(rows, columns, &controller, &terminal), 0);
}

/* Starts a program that has the terminal for everything and as its controlling one. Returns: its number. */
static int start_on_terminal(struct asyncio__spawn what)
{
    int pid = -1, pidfd = -1;

    what.new_session = true;
    what.terminal = what.fds[0] = what.fds[1] = what.fds[2] = terminal;
    EXPECT_INT(asyncio__spawn(&what, &pid, &pidfd, &failure), 0);
    close(pidfd);
    close(terminal);
    return pid;
}

/* What comes from the terminal until nobody has it any more; closes the controller. */
static const char *shown(void)
{
    return all_of(controller);
}

TEST_EPOLL(pty_pair, "SP-08: two ends, both close-on-exec; what is written at one is read at the other")
{
    struct winsize size = {0};
    char text[16] = "";

    open_pty(31, 99);
    EXPECT_INT(fcntl(controller, F_GETFD), FD_CLOEXEC);
    EXPECT_INT(fcntl(terminal, F_GETFD), FD_CLOEXEC);
    EXPECT_INT(isatty(terminal), 1);
    EXPECT_INT(ioctl(controller, TIOCGWINSZ, &size), 0);
    EXPECT_INT(size.ws_row, 31);
    EXPECT_INT(size.ws_col, 99);
    EXPECT_INT(write(controller, "typed\n", 6), 6);
    EXPECT_INT(read(terminal, text, sizeof text - 1), 6);
    EXPECT_STR(text, "typed\n");
    close(terminal);
    close(controller);
}

TEST_EPOLL(pty_child, "SP-08: in the child all three are a terminal of that size, the controlling one of its session")
{
    struct asyncio__spawn what =
        SHELL("test -t 0 && test -t 1 && test -t 2 && stty size && echo here >/dev/tty && read x && echo got $x");
    int pid;
    const char *text;

    open_pty(17, 61);
    pid = start_on_terminal(what);
    if (pid > 0) {
        EXPECT_INT(write(controller, "word\n", 5), 5);
        EXPECT_INT(end_of(pid), 0);
    }
    text = shown();
    EXPECT(strstr(text, "17 61\r\n") && strstr(text, "here\r\n") && strstr(text, "got word\r\n"));
}

TEST_EPOLL(pty_interrupts, "SP-08: what is typed there is the child's signal")
{
    int pid;
    char byte;

    open_pty(24, 80);
    pid = start_on_terminal(SHELL("echo x; exec cat"));
    if (pid > 0) {
        EXPECT_INT(read(controller, &byte, 1), 1);
        EXPECT_INT(write(controller, "\003", 1), 1);
        EXPECT_INT(end_of(pid), -SIGINT);
    }
    shown();
}

TEST_EPOLL(pty_hangs_up, "SP-08: the child is hung up when the controller is closed")
{
    int pid;
    char byte;

    open_pty(24, 80);
    pid = start_on_terminal(SHELL("echo x; exec cat"));
    if (pid > 0)
        EXPECT_INT(read(controller, &byte, 1), 1);
    close(controller);
    if (pid > 0)
        EXPECT_INT(end_of(pid), -SIGHUP);
}

TEST_EPOLL(pty_needs_session, "SP-08: a controlling terminal without a session of its own is refused")
{
    struct asyncio__spawn what = SHELL("exit 0");
    int pid, pidfd;

    open_pty(24, 80);
    what.terminal = terminal;
    EXPECT_INT(asyncio__spawn(&what, &pid, &pidfd, &failure), -EPERM);
    EXPECT_STR(failure.why, "cannot get a controlling terminal for '/bin/sh'");
    close(terminal);
    close(controller);
}

static bool runs_out(void)
{
    struct rlimit limit = {64, 64};
    int fds[64], n = 0, r = 0;

    setrlimit(RLIMIT_NOFILE, &limit);
    while ((fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        n++;
    for (int given = 0; given <= 2; given++) {
        int before = 0;

        r = asyncio__pty_open(24, 80, &controller, &terminal);
        if (r == 0)
            return given == 2;
        /* What was opened has been closed again. */
        for (; before < given && (fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0; before++)
            n++;
        if (r != -EMFILE || before != given)
            return false;
        n -= given + 1;
        for (int i = n; i < n + given + 1; i++)
            close(fds[i]);
    }
    return false;
}

TEST_EPOLL(pty_out_of_fds, "SP-08: -EMFILE when there are no more fds, and nothing is left")
{
    EXPECT_INT(apart(runs_out), 0);
}
