/* processes.c -- processes that nobody here has made: waiting for any one, and for orphans.
 *
 * An orphan looks like a child that another part of the program has made and is going to wait for. So none is taken
 * away before it has been dead for a second: who looks out for orphans finds those that have ended, once a second at
 * most, and takes those that it found the last time. It is woken by SIGCHLD and sleeps while nothing is dead. */
#include "../base/mem.h"
#include "../loop/children.h"
#include "../loop/loop.h"
#include "lib.h"

#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------------------------ Any process */

int asyncio_wait_pid(int pid)
{
    struct asyncio_loop *loop;
    int fd, r = asyncio__may_wait(NULL, &loop);

    if (r == 0 && loop->ops->own_fds)
        r = -EOPNOTSUPP;
    if (r < 0)
        return r;
    fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return -errno;
    r = asyncio_wait_fd(fd, ASYNCIO_READABLE);
    close(fd);
    return r < 0 ? r : 0;
}

/* ---------------------------------------------------------------------------------------------------------- Orphans */

#define GRACE_SECONDS 1.0

struct reaper {
    void (*reaped)(void *arg, int pid, int returncode);
    void *arg;
    struct asyncio_signals signals;
    struct asyncio__pids dead; /* found the last time */
};

/* The process that has a task which reaps: a forked child inherits no task. */
static atomic_int reaping;

static void take(struct reaper *reaper, int pid)
{
    int returncode;

    if (asyncio__child_take_strange(pid, &returncode) == 1 && reaper->reaped)
        reaper->reaped(reaper->arg, pid, returncode);
}

/* Takes what was dead the last time, and finds what is now. Returns: 0; a negative error: some may not have been
 * found. */
static int look(struct reaper *reaper)
{
    for (size_t i = 0; i < reaper->dead.n; i++)
        take(reaper, reaper->dead.all[i]);
    reaper->dead.n = 0;
    return asyncio__children_find_ended(&reaper->dead);
}

/* Reaps until it is cancelled. What stands against looking is told the first time only: later it may pass. */
static int reap(struct reaper *reaper)
{
    int found = look(reaper), r = found;

    while (r == 0) {
        r = asyncio_sleep(GRACE_SECONDS);
        if (r == 0 && found == 0 && reaper->dead.n == 0) {
            r = asyncio_signals_wait(&reaper->signals);
            r = r < 0 ? r : 0;
        }
        if (r == 0)
            found = look(reaper);
    }
    return r;
}

static int adopt_and_reap(struct reaper *reaper)
{
    int before = 0;
    int r = asyncio_signals_init(&reaper->signals, (const int[]){SIGCHLD}, 1);

    if (r < 0)
        return r;
    prctl(PR_GET_CHILD_SUBREAPER, &before, 0, 0, 0);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        r = -errno;
    if (r == 0)
        r = reap(reaper);
    prctl(PR_SET_CHILD_SUBREAPER, before, 0, 0, 0);
    asyncio__free(reaper->dead.all);
    asyncio_signals_fini(&reaper->signals);
    return r;
}

int asyncio_reap_orphans(void (*reaped)(void *arg, int pid, int returncode), void *arg)
{
    struct reaper reaper = {.reaped = reaped, .arg = arg};
    struct asyncio_loop *loop;
    int own = getpid(), other = reaping;
    int r = asyncio__may_wait(NULL, &loop);

    if (r == 0 && loop->ops->own_fds)
        r = -EOPNOTSUPP;
    if (r == 0 && (other == own || !atomic_compare_exchange_strong(&reaping, &other, own)))
        r = -EBUSY;
    if (r < 0)
        return r;
    r = adopt_and_reap(&reaper);
    reaping = 0;
    return r;
}
