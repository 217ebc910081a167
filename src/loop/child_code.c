/* child_code.c -- what a child does between its making and its program. spawn.c says why it consists of system calls
 * without libc, and of nothing else. */
#include "child_code.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Sanitizers keep what they know of each function's frame in the memory that parent and child share, and the child
 * never leaves its frames. */
#if defined(__clang__) && defined(__has_attribute)
#if __has_attribute(disable_sanitizer_instrumentation)
#define IN_CHILD __attribute__((disable_sanitizer_instrumentation, no_sanitize("address", "thread", "undefined")))
#endif
#endif
#ifndef IN_CHILD
#define IN_CHILD __attribute__((no_sanitize("address", "thread", "undefined")))
#endif

#define N_SIGNALS 64

/* A system call; 0 or more, or a negative error. */
#define CALL(...) result_of(syscall(__VA_ARGS__))

IN_CHILD static int result_of(long result)
{
    return result < 0 ? -errno : (int)result;
}

/* The parent's choices are not the program's: ignored signals, which execve would leave ignored, get their default
 * action as well. All of them are blocked here. Those that have it are left alone, as SIGKILL must be, and what an
 * emulator needs. */
IN_CHILD static int reset_signals(void)
{
    const uint64_t default_action[8] = {0};
    uint64_t action[8] = {0}; /* the kernel's struct sigaction: first the handler */

    for (int i = 1; i <= N_SIGNALS; i++) {
        int r = CALL(SYS_rt_sigaction, i, NULL, action, sizeof(uint64_t));

        if (r == 0 && action[0])
            r = CALL(SYS_rt_sigaction, i, default_action, NULL, sizeof(uint64_t));
        if (r < 0 && r != -EINVAL)
            return r;
    }
    return 0;
}

IN_CHILD static int make_terminal_controlling(const struct asyncio__spawn *what)
{
    return what->terminal < 0 ? 0 : CALL(SYS_ioctl, what->terminal, TIOCSCTTY, 0);
}

/* A parent that ended before this could be asked for is another's process now. */
IN_CHILD static int die_with_parent(const struct asyncio__child_plan *plan)
{
    int r;

    if (!plan->what->die_with_parent)
        return 0;
    r = CALL(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    return r == 0 && CALL(SYS_getppid) != plan->parent ? -ESRCH : r;
}

/* Moves an fd out of the way of 0 to 2. Returns: its number; a negative error. */
IN_CHILD static int above_standard_fds(int fd)
{
    return fd > 2 ? fd : CALL(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
}

/* Puts the sources at 0, 1 and 2. Those that are one of these but not their own target are moved away before anything
 * takes their place. */
IN_CHILD static int place_standard_fds(const struct asyncio__spawn *what)
{
    int sources[3] = {what->fds[0], what->fds[1], what->fds[2]};

    for (int i = 0; i < 3; i++)
        if (sources[i] >= 0 && sources[i] != i) {
            sources[i] = above_standard_fds(sources[i]);
            if (sources[i] < 0)
                return sources[i];
        }
    for (int i = 0; i < 3; i++) {
        int r = 0;

        if (sources[i] == i)
            r = CALL(SYS_fcntl, i, F_SETFD, 0);
        else if (sources[i] >= 0)
            r = CALL(SYS_dup3, sources[i], i, 0);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Has execve close the fds from `first` to `last`. Kernels before 5.11 close them right away, which is as good; where
 * none of this is known, an emulator's, those are closed that say so themselves. */
IN_CHILD static void close_range_on_exec(unsigned first, unsigned last)
{
    const unsigned on_exec = 4; /* CLOSE_RANGE_CLOEXEC */

    if (first <= last && CALL(SYS_close_range, first, last, on_exec) < 0)
        CALL(SYS_close_range, first, last, 0);
}

/* Closes everything above 2 but what is kept and, until execve, the way home. */
IN_CHILD static int close_others(const struct asyncio__child_plan *plan, int report_fd)
{
    unsigned next = 3;
    bool told = false;

    for (size_t i = 0; i <= plan->n_kept; i++) {
        bool last = i == plan->n_kept;
        unsigned kept = last ? ~0U : (unsigned)plan->kept[i];

        if (!told && (unsigned)report_fd < kept) {
            if ((unsigned)report_fd > next)
                close_range_on_exec(next, (unsigned)report_fd - 1);
            next = (unsigned)report_fd + 1;
            told = true;
        }
        if (last) {
            close_range_on_exec(next, ~0U);
            break;
        }
        if (kept > next)
            close_range_on_exec(next, kept - 1);
        next = kept + 1;
    }
    for (size_t i = 0; i < plan->n_kept; i++) {
        int r = CALL(SYS_fcntl, plan->kept[i], F_SETFD, 0);

        if (r < 0)
            return r;
    }
    return 0;
}

/* True when the next directory of $PATH may have what this one has not. */
IN_CHILD static bool goes_on(int error)
{
    return error == -ENOENT || error == -ENOTDIR || error == -EACCES || error == -ESTALE || error == -ENODEV ||
           error == -ETIMEDOUT || error == -ENAMETOOLONG;
}

/* Runs the first candidate that can be run; returns only if none can. That a file was found which may not be run says
 * more than that there was none elsewhere. */
IN_CHILD static int run_program(const struct asyncio__child_plan *plan)
{
    const uint64_t none = 0;
    bool denied = false;
    int r;

    r = CALL(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
    if (r < 0)
        return r;
    r = -ENOENT;
    for (const char *file = plan->candidates; *file; file++) {
        r = CALL(SYS_execve, file, plan->what->argv, plan->env);
        if (!goes_on(r))
            return r;
        denied = denied || r == -EACCES;
        while (*file)
            file++;
    }
    return denied ? -EACCES : r;
}

IN_CHILD static int take_step(const struct asyncio__child_plan *plan, enum asyncio__child_step step, int report_fd)
{
    const struct asyncio__spawn *what = plan->what;
    int r = 0;

    switch (step) {
    case ASYNCIO__CHILD_SIGNALS:
        return reset_signals();
    case ASYNCIO__CHILD_SESSION:
        return what->new_session ? CALL(SYS_setsid) : 0;
    case ASYNCIO__CHILD_GROUP:
        /* Who leads a session leads a group already, and may not say so again. */
        return what->new_process_group && !what->new_session ? CALL(SYS_setpgid, 0, 0) : 0;
    case ASYNCIO__CHILD_TERMINAL:
        return make_terminal_controlling(what);
    case ASYNCIO__CHILD_PARENT:
        return die_with_parent(plan);
    case ASYNCIO__CHILD_DIRECTORY:
        if (what->umask >= 0)
            CALL(SYS_umask, what->umask);
        return what->cwd ? CALL(SYS_chdir, what->cwd) : 0;
    case ASYNCIO__CHILD_FDS:
        r = place_standard_fds(what);
        return r < 0 ? r : close_others(plan, report_fd);
    case ASYNCIO__CHILD_PROGRAM:
        break;
    }
    return run_program(plan);
}

IN_CHILD int asyncio__child_main(void *arg)
{
    struct asyncio__child_plan *plan = arg;
    struct asyncio__child_report report = {ASYNCIO__CHILD_FDS, 0};
    int report_fd = above_standard_fds(plan->report_fd);

    plan->memory_is_shared = true;
    if (report_fd < 0) {
        report.error = -report_fd;
        report_fd = plan->report_fd;
    }
    for (int step = ASYNCIO__CHILD_SIGNALS; report.error == 0; step++) {
        int r = take_step(plan, (enum asyncio__child_step)step, report_fd);

        report.step = step;
        report.error = r < 0 ? -r : 0;
    }
    CALL(SYS_write, report_fd, &report, sizeof report);
    CALL(SYS_exit_group, 127);
    return 127;
}
