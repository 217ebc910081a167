/* child.c -- children that a loop watches.
 *
 * - A child's status is taken by its pidfd, once, and never while a signal is sent: no number is used that may stand
 *   for somebody else already.
 * - `own` has every child that was made here and whose status nobody has taken, in all threads, so that a reaper of
 *   orphans leaves them alone. Status and membership change together, under its lock; between a child's making and its
 *   entry it is counted by n_spawning.
 * - A pidfd is closed as soon as the status was taken, or with the last one who could use it. */
#include "child.h"

#include "children.h"

#include "../base/log.h"

#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What libc may not know yet. */
#define BY_PIDFD ((idtype_t)3)

/* How Python calls the end of a child whose status somebody else has taken. */
#define UNKNOWN_RETURNCODE 255

/* A debugger may keep a child's status for a moment. */
#define ASK_AGAIN_NS (10 * NS_PER_MSEC)

/* How long a loop that closes waits for a child that was killed, in milliseconds. */
#define KILL_MS 100

static pthread_mutex_t own_lock = PTHREAD_MUTEX_INITIALIZER;
static struct asyncio_link own;
static int n_spawning;

/* ------------------------------------------------------------------------------------------------------- The family */

/* A fork must not find the list half changed; the threads that were making children do not come along. */
static void before_fork(void)
{
    pthread_mutex_lock(&own_lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&own_lock);
}

static void after_fork_in_child(void)
{
    n_spawning = 0;
    pthread_mutex_unlock(&own_lock);
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

static void begin_spawning(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&own_lock);
    n_spawning++;
    pthread_mutex_unlock(&own_lock);
}

/* `child`: NULL when there is none. */
static void end_spawning(struct asyncio__child *child)
{
    pthread_mutex_lock(&own_lock);
    n_spawning--;
    list_ready(&own);
    if (child)
        list_push_back(&own, &child->own);
    pthread_mutex_unlock(&own_lock);
}

static void disown(struct asyncio__child *child)
{
    pthread_mutex_lock(&own_lock);
    list_remove(&child->own);
    pthread_mutex_unlock(&own_lock);
}

static bool is_own(int pid)
{
    struct asyncio_link *link, *next;

    list_ready(&own);
    LIST_FOR_EACH(link, next, &own)
        if (LIST_ENTRY(link, struct asyncio__child, own)->pid == pid)
            return true;
    return false;
}

int asyncio__returncode_of(const siginfo_t *info)
{
    return info->si_code == CLD_EXITED ? info->si_status : -info->si_status;
}

int asyncio__child_take_strange(int pid, int *ret_returncode)
{
    siginfo_t info = {0};
    int r = 0;

    pthread_mutex_lock(&own_lock);
    if (n_spawning > 0)
        r = -EAGAIN;
    else if (is_own(pid))
        r = -EEXIST;
    else if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG) < 0)
        r = -errno;
    pthread_mutex_unlock(&own_lock);
    if (r < 0 || info.si_pid == 0)
        return r;
    *ret_returncode = asyncio__returncode_of(&info);
    return 1;
}

/* ----------------------------------------------------------------------------------------------------- Its lifetime */

static void close_pidfd(struct asyncio__child *child)
{
    if (child->pidfd >= 0)
        close(child->pidfd);
    child->pidfd = -1;
}

static void free_if_over(struct asyncio__child *child)
{
    if (child->owned || child->watched || child->in_backend)
        return;
    close_pidfd(child);
    asyncio__free(child);
}

static void ended(struct asyncio__child *child, int returncode)
{
    child->returncode = returncode;
    child->ended = true;
    close_pidfd(child);
}

/* Asks the kernel for its status. Returns: 0; a negative error; 1 once it is known. */
static int take_status(struct asyncio__child *child)
{
    siginfo_t info = {0};
    int r;

    pthread_mutex_lock(&own_lock);
    do
        r = waitid(BY_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG) < 0 ? -errno : info.si_pid != 0;
    while (r == -EINTR);
    if (r != 0)
        list_remove(&child->own);
    pthread_mutex_unlock(&own_lock);
    if (r == 1)
        ended(child, asyncio__returncode_of(&info));
    return r;
}

/* It has ended, as far as its pidfd says. */
static void look(struct asyncio__child *child)
{
    int r = take_status(child);

    if (r < 0) {
        asyncio__log(ASYNCIO_LOG_WARNING, "child %d has been waited for by somebody else: how it ended is unknown (%s)",
                     child->pid, asyncio_strerror(r));
        ended(child, UNKNOWN_RETURNCODE);
    }
    if (child->ended ||
        asyncio_timer_arm(child->loop, &child->timer, ns_add(asyncio__now(child->loop), ASK_AGAIN_NS)) < 0)
        asyncio__schedule(child->loop, &child->timer.node);
}

static void tell(struct asyncio__child *child)
{
    list_remove(&child->link);
    child->watched = false;
    if (child->owned)
        child->exited(child, child->arg);
    else
        free_if_over(child);
}

static void due(struct asyncio_node *node)
{
    struct asyncio__child *child = CONTAINER_OF(node, struct asyncio__child, timer.node);

    if (child->ended)
        tell(child);
    else
        look(child);
}

static void completed(struct asyncio_op *op)
{
    struct asyncio__child *child = CONTAINER_OF(op, struct asyncio__child, op);

    child->in_backend = false;
    if (child->watched)
        look(child);
    else
        free_if_over(child);
}

/* Begins to wait for its end. Returns: 0; a negative error. */
static int watch(struct asyncio__child *child, struct asyncio_loop *loop)
{
    child->loop = loop;
    child->op = (struct asyncio_op){
        .complete = completed,
        .opcode = ASYNCIO_OP_POLL,
        .flags = ASYNCIO_OP_FOREIGN,
        .fd = child->pidfd,
        .poll.events = ASYNCIO_READABLE,
    };
    asyncio_node_init(&child->timer.node, due, NULL);
    child->in_backend = !asyncio_op_submit(loop, &child->op);
    if (!child->in_backend && child->op.result < 0)
        return (int)child->op.result;
    child->watched = true;
    list_push_back(&loop->children, &child->link);
    if (!child->in_backend)
        look(child);
    return 0;
}

/* Undoes the making of a child that cannot be watched. */
static void undo(struct asyncio__child *child)
{
    int r;

    asyncio__child_send_signal(child, SIGKILL);
    do
        r = waitid(BY_PIDFD, (id_t)child->pidfd, &(siginfo_t){0}, WEXITED);
    while (r < 0 && errno == EINTR);
    disown(child);
}

int asyncio__child_start(struct asyncio_loop *loop, const struct asyncio__spawn *what,
                         void (*exited)(struct asyncio__child *child, void *arg), void *arg,
                         struct asyncio__child **ret_child, struct asyncio__spawn_failure *ret_failure)
{
    struct asyncio__child *child;
    int r = asyncio__loop_check(loop);

    ret_failure->why[0] = 0;
    if (r < 0)
        return r;
    if (loop->ops->own_fds)
        return -EOPNOTSUPP;
    child = asyncio__calloc(sizeof *child);
    if (!child)
        return -ENOMEM;
    child->pidfd = -1;
    child->exited = exited;
    child->arg = arg;
    begin_spawning();
    r = asyncio__spawn(what, &child->pid, &child->pidfd, ret_failure);
    end_spawning(r < 0 ? NULL : child);
    if (r == 0) {
        r = watch(child, loop);
        if (r < 0)
            undo(child);
    }
    if (r < 0) {
        free_if_over(child);
        return r;
    }
    child->owned = true;
    *ret_child = child;
    return 0;
}

void asyncio__child_let_go(struct asyncio__child *child)
{
    if (!child)
        return;
    child->owned = false;
    free_if_over(child);
}

/* ----------------------------------------------------------------------------------------------------- Signals, end */

int asyncio__child_send_signal(struct asyncio__child *child, int signal)
{
    if (child->ended)
        return -ESRCH;
    if (syscall(SYS_pidfd_send_signal, child->pidfd, signal, NULL, 0) < 0)
        return -errno;
    child->killed |= signal == SIGKILL;
    return 0;
}

int asyncio__child_signal_group(struct asyncio__child *child, int signal)
{
    /* As long as nobody has taken its status its number is its own, also as a group's. */
    if (child->ended)
        return -ESRCH;
    if (kill(-child->pid, signal) < 0)
        return -errno;
    child->killed |= signal == SIGKILL;
    return 0;
}

/* One that was killed is dead in a moment, unless the kernel holds on to it: so that no zombie stays, it is waited for,
 * but not long. */
static void await_killed(struct asyncio__child *child)
{
    struct pollfd end = {.fd = child->pidfd, .events = POLLIN};

    if (child->killed && !child->ended)
        ASYNCIO_IGNORE(poll(&end, 1, KILL_MS));
}

void asyncio__children_close(struct asyncio_loop *loop)
{
    struct asyncio_link *link;

    while ((link = list_pop_front(&loop->children))) {
        struct asyncio__child *child = LIST_ENTRY(link, struct asyncio__child, link);

        if (child->in_backend && asyncio_op_cancel(loop, &child->op))
            child->in_backend = false;
        asyncio_timer_disarm(loop, &child->timer);
        /* After a fork it is the parent's child, not ours. */
        if (!asyncio__loop_forked(loop))
            await_killed(child);
        if (!child->ended && (asyncio__loop_forked(loop) || take_status(child) == 0))
            disown(child);
        child->watched = false;
        free_if_over(child);
    }
}
