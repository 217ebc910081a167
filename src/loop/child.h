/* child.h -- children of this process: made without a copy of its memory (spawn.c), watched by a pidfd (child.c), and
 * the terminals that they may have (pty.c). */
#pragma once

#include "loop.h"

#include <signal.h>

/* ----------------------------------------------------------------------------------------------------------- Making */

/* What a child is to be. Everything is the caller's; it is read before asyncio__spawn returns. Zeroed but for fds,
 * terminal and umask means Python's defaults. */
struct asyncio__spawn {
    const char *file;        /* what to run: looked for in the $PATH of the child's environment unless it has a '/' */
    const char *const *argv; /* NULL at the end; may be empty */
    const char *const *env;  /* "NAME=value" ..., NULL at the end; NULL: the parent's */
    const char *cwd;         /* NULL: the parent's; `file` is then relative to it */
    int fds[3];              /* become 0, 1 and 2; -1: the parent's own. Any of them may be equal, or below 3 */
    int terminal;            /* of asyncio__pty_open: the controlling one of the child's new session; -1: none */
    const int *pass_fds;     /* stay open under their numbers, those above 2; no other one does */
    size_t n_pass_fds;
    int umask; /* -1: the parent's */
    bool new_session, new_process_group, die_with_parent;
};

/* What stood against it. */
struct asyncio__spawn_failure {
    char why[200]; /* step and file in words, "cannot run 'frobnicate'"; "" when there is nothing to add */
};

/* Runs a program. Its signals are unblocked and have their default action, all of them. This thread waits until the
 * program has begun or cannot.
 * Returns: 0, the child's number and its pidfd, both the caller's, who waits for it; a negative error with *ret_failure
 * filled in, and nothing is left: those of clone(2), pipe(2), chdir(2), execve(2) and the like; -EBADF for a fd that is
 * not open; -EINVAL; -ENOMEM; -ENOSYS without pidfds. Any thread. */
int asyncio__spawn(const struct asyncio__spawn *what, int *ret_pid, int *ret_pidfd,
                   struct asyncio__spawn_failure *ret_failure);

/* -------------------------------------------------------------------------------------------------------- Terminals */

/* Makes a pair of ends of a terminal of so many rows and columns, both close-on-exec: the controller's, which the
 * parent reads and writes, and the terminal itself. Returns: 0; -EMFILE, -ENFILE, -ENOSPC when there are too many;
 * what else the kernel says. */
int asyncio__pty_open(int rows, int columns, int *ret_controller, int *ret_terminal);

/* --------------------------------------------------------------------------------------------------------- Watching */

/* A child that the loop watches. It has an owner, until that lets go, and it has the loop, until it has ended or the
 * loop is closed; who is last frees it. */
struct asyncio__child {
    int pid;
    int returncode; /* once ended: the exit status, or minus the signal; 255 when somebody else has waited for it */
    bool ended;     /* the kernel has been asked for its status, and its number may be another's */

    /* The rest is child.c's. */
    bool owned, watched, in_backend;
    bool killed; /* by SIGKILL, from here */
    int pidfd;
    void (*exited)(struct asyncio__child *child, void *arg);
    void *arg;
    struct asyncio_loop *loop;
    struct asyncio_op op;       /* waits for its end */
    struct asyncio_timer timer; /* asks once more; its node tells the owner */
    struct asyncio_link link;   /* of the loop's children while it is watched */
    struct asyncio_link own;    /* of the children that the process has from here, until they have ended */
};

/* Runs a program and watches it. exited(child, arg) is called once, as a node of the loop of its own, when it has
 * ended: in a later turn, and not after asyncio__child_let_go or the loop's close. It may let go. While a child runs
 * the loop has something to wait for.
 * Returns: 0 and the child, the caller's; errors of asyncio__spawn and -EOPNOTSUPP in the simulator, -ASYNCIO_ECLOSED,
 * errors of a watch, with *ret_failure filled in: nothing is left of the child. */
int asyncio__child_start(struct asyncio_loop *loop, const struct asyncio__spawn *what,
                         void (*exited)(struct asyncio__child *child, void *arg), void *arg,
                         struct asyncio__child **ret_child, struct asyncio__spawn_failure *ret_failure);

/* The owner's end: it is told of nothing any more and does not touch the child again. One that runs goes on, and is
 * waited for when it ends while the loop is open. After the loop's close, too; NULL is allowed. */
void asyncio__child_let_go(struct asyncio__child *child);

/* Sends a signal, never to a stranger with the same number, and never takes the status. Works after the loop's close,
 * too. Returns: 0; -ESRCH when it has ended; -EINVAL; -EPERM. */
int asyncio__child_send_signal(struct asyncio__child *child, int signal);

/* The same for the process group that it leads, as long as it has not ended. Returns: likewise; -ESRCH also when it
 * leads none. */
int asyncio__child_signal_group(struct asyncio__child *child, int signal);
