/* child_rig.h -- programs to run, and what they say. */
#pragma once

#include "test.h"

#include "loop/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct asyncio__spawn_failure failure;

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* argv[0], with everything as the parent has it. */
static inline struct asyncio__spawn program(const char *const *argv)
{
    return (struct asyncio__spawn){.file = argv[0], .argv = argv, .fds = {-1, -1, -1}, .terminal = -1, .umask = -1};
}

/* How a child of that number ended, as asyncio says it; waits for it. */
static inline int end_of(int pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1000;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* What can be read until the end of an fd, which it closes; valid until the next call. */
static inline const char *all_of(int fd)
{
    static char text[65536];
    size_t size = 0;
    ssize_t n;

    while (size < sizeof text - 1 && (n = read(fd, text + size, sizeof text - 1 - size)) != 0) {
        if (n < 0 && errno != EINTR)
            break;
        size += n > 0 ? (size_t)n : 0;
    }
    text[size] = 0;
    close(fd);
    return text;
}

/* Runs a program with its standard output in a pipe, and waits for it. Returns: what it said, or the name of the error;
 * valid until the next call. */
static inline const char *said_by(struct asyncio__spawn what, int *ret_returncode)
{
    int fds[2], pid = -1, pidfd = -1, r;
    const char *text;

    *ret_returncode = -1000;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return "no pipe";
    what.fds[1] = fds[1];
    r = asyncio__spawn(&what, &pid, &pidfd, &failure);
    close(fds[1]);
    text = all_of(fds[0]);
    if (r < 0)
        return asyncio_errorname(r);
    *ret_returncode = end_of(pid);
    close(pidfd);
    return text;
}

/* The same, which must end with status 0. */
static inline const char *said(struct asyncio__spawn what)
{
    int returncode;
    const char *text = said_by(what, &returncode);

    EXPECT_INT(returncode, 0);
    return text;
}

/* A line of a shell's. */
#define SHELL(command) program(ARGV("/bin/sh", "-c", command))

/* Does something in a process of its own, whose fds, limits and signals may suffer. Returns: how it ended; 0 when `fn`
 * returned true. */
static inline int apart(bool (*fn)(void))
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(fn() ? 0 : 1);
    return pid < 0 ? -1000 : end_of(pid);
}
