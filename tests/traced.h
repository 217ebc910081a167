/* traced.h -- a child process that stops at each of its system calls, so that they are counted one by one, and the
 * world changes between two of them only: a test that plays the peer acts while the child is about to wait, and has no
 * race to lose. */
#pragma once

#include "test.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_CALLS 600 /* numbers of system calls are below */

struct traced {
    pid_t pid;                                     /* 0: it has ended */
    int status;                                    /* of waitpid, once it has ended */
    bool in_call;                                  /* between a call's entry and its exit */
    bool is_let_go;                                /* it goes on from there, and nobody has waited for it yet */
    unsigned long nr;                              /* of the last call that was entered */
    uint64_t args[6];                              /* of that call */
    unsigned calls[MAX_CALLS], in_vain[MAX_CALLS]; /* since traced_forget; in vain: -EAGAIN */
};

/* What they are called in a transcript; what is not here is not expected, and told by its number. */
static const struct {
    long nr;
    const char *name;
} traced_names[] = {
    {SYS_read, "read"},
    {SYS_write, "write"},
    {SYS_readv, "readv"},
    {SYS_writev, "writev"},
    {SYS_recvfrom, "recv"},
    {SYS_recvmsg, "recvmsg"},
    {SYS_sendto, "send"},
    {SYS_sendmsg, "sendmsg"},
    {SYS_accept4, "accept"},
    {SYS_close, "close"},
    {SYS_shutdown, "shutdown"},
    {SYS_setsockopt, "setsockopt"},
    {SYS_getsockopt, "getsockopt"},
    {SYS_getsockname, "getsockname"},
    {SYS_getpeername, "getpeername"},
    {SYS_fcntl, "fcntl"},
    {SYS_ioctl, "ioctl"},
    {SYS_epoll_ctl, "epoll_ctl"},
    {SYS_epoll_pwait, "epoll_wait"},
#ifdef SYS_epoll_wait
    {SYS_epoll_wait, "epoll_wait"},
#endif
#ifdef SYS_epoll_pwait2
    {SYS_epoll_pwait2, "epoll_wait"},
#endif
#ifdef SYS_newfstatat
    {SYS_newfstatat, "fstat"},
#endif
    {SYS_fstat, "fstat"},
    {SYS_io_uring_setup, "io_uring_setup"},
    {SYS_io_uring_enter, "io_uring_enter"},
    {SYS_io_uring_register, "io_uring_register"},
    {SYS_timerfd_settime, "timerfd_settime"},
    {SYS_eventfd2, "eventfd"},
    {SYS_ppoll, "poll"},
#ifdef SYS_poll
    {SYS_poll, "poll"},
#endif
    {SYS_futex, "futex"},
    {SYS_clone, "clone"},
#ifdef SYS_clone3
    {SYS_clone3, "clone"},
#endif
};

/* What is not told: when memory is asked for depends on what was there before; and what AddressSanitizer does by itself
 * for a stack that it has not seen. */
static const long traced_memory[] = {SYS_mmap, SYS_munmap, SYS_mprotect, SYS_madvise, SYS_brk, SYS_sigaltstack};

#define N_TRACED_NAMES (sizeof traced_names / sizeof traced_names[0])

static inline void traced_forget(struct traced *traced)
{
    memset(traced->calls, 0, sizeof traced->calls);
    memset(traced->in_vain, 0, sizeof traced->in_vain);
}

/* Lets the child go on to the next entry or exit of a call, or to its end. Returns: false when it has ended. */
static inline bool traced_step(struct traced *traced)
{
    long signal_number = 0;

    while (traced->pid) {
        struct __ptrace_syscall_info info = {0};
        int status;

        if ((!traced->is_let_go && ptrace(PTRACE_SYSCALL, traced->pid, NULL, signal_number) < 0) ||
            waitpid(traced->pid, &status, 0) != traced->pid) {
            FAIL("the traced process is gone: %s", strerror(errno));
            return false;
        }
        traced->is_let_go = false;
        signal_number = 0;
        if (!WIFSTOPPED(status)) {
            traced->status = status;
            traced->pid = 0;
            return false;
        }
        if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
            signal_number = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
            continue;
        }
        if (ptrace(PTRACE_GET_SYSCALL_INFO, traced->pid, sizeof info, &info) < 0)
            FAIL("PTRACE_GET_SYSCALL_INFO: %s", strerror(errno));
        traced->in_call = info.op == PTRACE_SYSCALL_INFO_ENTRY;
        if (traced->in_call) {
            traced->nr = info.entry.nr;
            memcpy(traced->args, info.entry.args, sizeof traced->args);
            traced->calls[traced->nr < MAX_CALLS ? traced->nr : 0]++;
        } else if (info.exit.rval == -EAGAIN) {
            traced->in_vain[traced->nr < MAX_CALLS ? traced->nr : 0]++;
        }
        return true;
    }
    return false;
}

/* True when the call that is entered waits for something to happen. */
static inline bool traced_waits(const struct traced *traced)
{
    long seconds, nanoseconds;

    if (!traced->in_call)
        return false;
    switch ((long)traced->nr) {
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
#endif
    case SYS_epoll_pwait:
        return (int)traced->args[3] != 0;
#ifdef SYS_epoll_pwait2
    case SYS_epoll_pwait2:
        if (!traced->args[3])
            return true;
        seconds = ptrace(PTRACE_PEEKDATA, traced->pid, traced->args[3], NULL);
        nanoseconds = ptrace(PTRACE_PEEKDATA, traced->pid, traced->args[3] + sizeof(long), NULL);
        return seconds || nanoseconds;
#endif
    case SYS_io_uring_enter:
        return traced->args[2] > 0;
    default:
        return false;
    }
}

/* Lets it go on, and goes on, too: the call that is entered both does something and waits. */
static inline void traced_let_go(struct traced *traced)
{
    EXPECT_INT(ptrace(PTRACE_SYSCALL, traced->pid, NULL, 0), 0);
    traced->is_let_go = true;
}

/* True when the call that is entered and not let go of has something to do before it waits. */
static inline bool traced_submits(const struct traced *traced)
{
    return traced->in_call && !traced->is_let_go && traced->nr == SYS_io_uring_enter && traced->args[1] > 0;
}

/* Lets it go on until it is about to wait. Returns: false when it has ended. */
static inline bool traced_run(struct traced *traced)
{
    while (traced_step(traced))
        if (traced_waits(traced))
            return true;
    return false;
}

/* Starts a child that runs fn(arg) and ends with its result. */
static inline void traced_start(struct traced *traced, int (*fn)(void *), void *arg)
{
    int status;

    *traced = (struct traced){.pid = fork()};
    if (traced->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(255);
        raise(SIGSTOP);
        _exit(fn(arg));
    }
    EXPECT(traced->pid > 0);
    EXPECT_INT(waitpid(traced->pid, &status, 0), traced->pid);
    if (WIFEXITED(status))
        SKIP("no process may be traced here");
    EXPECT_INT(ptrace(PTRACE_SETOPTIONS, traced->pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), 0);
}

static inline unsigned traced_calls(const struct traced *traced, const char *name)
{
    unsigned n = 0;

    for (size_t i = 0; i < N_TRACED_NAMES; i++)
        if (strcmp(traced_names[i].name, name) == 0)
            n += traced->calls[traced_names[i].nr];
    return n;
}

/* Writes a line into the transcript: "what: recv, send 2, epoll_wait 3/50", that is: how often each was called for
 * each of `n` things, in the order of the table. */
static inline void traced_tell(const struct traced *traced, const char *what, unsigned n)
{
    char text[1000] = "", entry[100], often[40];
    bool told[MAX_CALLS] = {false};

    for (size_t i = 0; i < sizeof traced_memory / sizeof traced_memory[0]; i++)
        told[traced_memory[i]] = true;
    for (size_t i = 0; i < N_TRACED_NAMES; i++) {
        unsigned calls = traced_calls(traced, traced_names[i].name);

        if (told[traced_names[i].nr])
            continue;
        for (size_t k = i; k < N_TRACED_NAMES; k++)
            if (strcmp(traced_names[i].name, traced_names[k].name) == 0)
                told[traced_names[k].nr] = true;
        often[0] = 0;
        if (calls % n)
            snprintf(often, sizeof often, " %u/%u", calls, n);
        else if (calls != n)
            snprintf(often, sizeof often, " %u", calls / n);
        snprintf(entry, sizeof entry, "%s%s%s", *text ? ", " : "", traced_names[i].name, often);
        if (calls)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s", entry);
    }
    for (int i = 0; i < MAX_CALLS; i++) {
        snprintf(entry, sizeof entry, "%scall %d %u/%u", *text ? ", " : "", i, traced->calls[i], n);
        if (traced->calls[i] && !told[i])
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s", entry);
    }
    trace("%s: %s", what, *text ? text : "nothing");
}
