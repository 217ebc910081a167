/* spawn.c -- making a child.
 *
 * The child borrows this process's memory, on a stack of its own, while the thread that makes it stands still until it
 * runs its program: nothing is copied, however large the process is. So what runs between clone and execve
 *   - takes no lock, allocates nothing and changes nothing that others read: it consists of system calls, made
 *     directly, because the sanitizers' versions keep books in the memory that both share;
 *   - is not interrupted: all signals are blocked until each has its default action, so that no handler of the parent's
 *     runs in the child.
 *
 * Its error comes through a socket that execve closes, because under Valgrind and qemu the memory is a copy after all.
 * When it is not, the child has run its program or ended as soon as clone returns, and nobody waits for that socket: a
 * stranger's fork may hold the other end for ever. */
#include "child.h"

#include "child_code.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child's; it is a few frames deep, which are larger in builds that do not optimise. */
#define STACK_SIZE ((size_t)32 << 10)

/* Newer versions of ThreadSanitizer take over clone and know it as a fork only. */
#if ASYNCIO__CHILD_IS_COPY
#define CLONE_FLAGS SIGCHLD
#else
#define CLONE_FLAGS (CLONE_VM | CLONE_VFORK | SIGCHLD)
#endif

/* Where programs are looked for without a $PATH, as exec's are. */
#define DEFAULT_PATH "/bin:/usr/bin"

/* ---------------------------------------------------------------------------------------------------- Preparations */

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* Numbers that stand for nothing must be found before they come to stand for something of our own. */
static int check_fds(const struct asyncio__spawn *what)
{
    for (int i = 0; i < 3; i++)
        if (what->fds[i] < -1 || (what->fds[i] >= 0 && !is_open(what->fds[i])))
            return -EBADF;
    for (size_t i = 0; i < what->n_pass_fds; i++)
        if (!is_open(what->pass_fds[i]))
            return -EBADF;
    return 0;
}

static int by_number(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

/* A sorted copy of the fds that stay open. */
static int keep_fds(const struct asyncio__spawn *what, struct asyncio__child_plan *plan)
{
    if (what->n_pass_fds == 0)
        return 0;
    plan->kept = asyncio__malloc(what->n_pass_fds * sizeof *plan->kept);
    if (!plan->kept)
        return -ENOMEM;
    for (size_t i = 0; i < what->n_pass_fds; i++)
        if (what->pass_fds[i] > 2)
            plan->kept[plan->n_kept++] = what->pass_fds[i];
    qsort(plan->kept, plan->n_kept, sizeof *plan->kept, by_number);
    return 0;
}

static const char *path_in(const char *const *env)
{
    for (; env && *env; env++)
        if (strncmp(*env, "PATH=", 5) == 0)
            return *env + 5;
    return DEFAULT_PATH;
}

/* Writes what is to be tried for `file` with this $PATH: texts, one behind the other, then an empty one. */
static void write_candidates(char *out, const char *path, const char *file)
{
    size_t name = strlen(file) + 1;

    for (;;) {
        size_t length = strcspn(path, ":");

        memcpy(out, path, length);
        out += length;
        if (length > 0)
            *out++ = '/';
        memcpy(out, file, name);
        out += name;
        if (!path[length])
            break;
        path += length + 1;
    }
    *out = 0;
}

/* Finds out what is to be tried; the child must not. */
static int find_candidates(const struct asyncio__spawn *what, struct asyncio__child_plan *plan)
{
    const char *path = "";
    size_t n = 1;

    if (*what->file && !strchr(what->file, '/'))
        path = path_in(plan->env);
    for (const char *c = path; *c; c++)
        n += *c == ':';
    plan->candidates = asyncio__malloc(strlen(path) + n * (strlen(what->file) + 2) + 1);
    if (!plan->candidates)
        return -ENOMEM;
    write_candidates(plan->candidates, path, what->file);
    return 0;
}

static void drop_plan(struct asyncio__child_plan *plan)
{
    asyncio__free(plan->kept);
    asyncio__free(plan->candidates);
}

static int make_plan(const struct asyncio__spawn *what, struct asyncio__child_plan *plan)
{
    int r;

    *plan = (struct asyncio__child_plan){
        .what = what,
        .env = what->env ? what->env : (const char *const *)environ,
        .parent = getpid(),
    };
    r = keep_fds(what, plan);
    if (r == 0)
        r = find_candidates(what, plan);
    if (r < 0)
        drop_plan(plan);
    return r;
}

/* ------------------------------------------------------------------------------------------------------ Generation */

/* Blocks every signal, those of libc's own, too, which its functions would leave out. */
static void set_mask(const uint64_t *mask, uint64_t *ret_before)
{
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, mask, ret_before, sizeof *mask);
}

/* Kernels and emulators that know no CLONE_PIDFD refuse or ignore it. */
static int clone_with_pidfd(struct asyncio__child_plan *plan, char *stack_end, int *ret_pidfd)
{
    int pid;

    *ret_pidfd = -1;
    pid = clone(asyncio__child_main, stack_end, CLONE_FLAGS | CLONE_PIDFD, plan, ret_pidfd);
    if (pid < 0 && errno == EINVAL)
        pid = clone(asyncio__child_main, stack_end, CLONE_FLAGS, plan);
    return pid < 0 ? -errno : pid;
}

static void wait_for_end(int pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* Lets the child begin. Returns: its number, and its pidfd; a negative error, and there is none. */
static int generate(struct asyncio__child_plan *plan, int *ret_pidfd)
{
    const uint64_t all = ~UINT64_C(0);
    uint64_t before = 0;
    char *stack = asyncio__malloc(STACK_SIZE);
    int pid, r;

    if (!stack)
        return -ENOMEM;
    set_mask(&all, &before);
    pid = clone_with_pidfd(plan, stack + STACK_SIZE, ret_pidfd);
    set_mask(&before, NULL);
    asyncio__free(stack);
    if (pid < 0 || *ret_pidfd >= 0)
        return pid;
    *ret_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (*ret_pidfd >= 0)
        return pid;
    r = -errno;
    kill(pid, SIGKILL);
    wait_for_end(pid);
    return r;
}

/* ---------------------------------------------------------------------------------------------------------- Failure */

static void explain(const struct asyncio__spawn *what, const struct asyncio__child_report *report,
                    struct asyncio__spawn_failure *ret_failure)
{
    static const char *const steps[] = {
        [ASYNCIO__CHILD_SIGNALS] = "cannot reset the signals of",
        [ASYNCIO__CHILD_SESSION] = "cannot make a session for",
        [ASYNCIO__CHILD_GROUP] = "cannot make a process group for",
        [ASYNCIO__CHILD_TERMINAL] = "cannot get a controlling terminal for",
        [ASYNCIO__CHILD_PARENT] = "cannot have the parent's end watched by",
        [ASYNCIO__CHILD_DIRECTORY] = "cannot change the directory to",
        [ASYNCIO__CHILD_FDS] = "cannot set up the file descriptors of",
        [ASYNCIO__CHILD_PROGRAM] = "cannot run",
    };
    const char *object = report->step == ASYNCIO__CHILD_DIRECTORY ? what->cwd : what->file;

    snprintf(ret_failure->why, sizeof ret_failure->why, "%s '%.120s'", steps[report->step], object);
}

/* What the child has to say before its program runs. Returns: 0 when it runs; a negative error. */
static int hear(int fd, const struct asyncio__child_plan *plan, struct asyncio__child_report *ret_report)
{
    ssize_t n;

    do
        n = recv(fd, ret_report, sizeof *ret_report, plan->memory_is_shared ? MSG_DONTWAIT : 0);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof *ret_report ? -ret_report->error : 0;
}

int asyncio__spawn(const struct asyncio__spawn *what, int *ret_pid, int *ret_pidfd,
                   struct asyncio__spawn_failure *ret_failure)
{
    struct asyncio__child_plan plan;
    struct asyncio__child_report report;
    int sockets[2], pidfd = -1, pid, r;

    ret_failure->why[0] = 0;
    r = check_fds(what);
    if (r == 0)
        r = make_plan(what, &plan);
    if (r < 0)
        return r;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) {
        r = -errno;
        drop_plan(&plan);
        return r;
    }
    plan.report_fd = sockets[1];
    pid = generate(&plan, &pidfd);
    close(sockets[1]);
    r = pid < 0 ? pid : hear(sockets[0], &plan, &report);
    close(sockets[0]);
    drop_plan(&plan);
    if (r == 0) {
        *ret_pid = pid;
        *ret_pidfd = pidfd;
        return 0;
    }
    if (pid > 0) {
        explain(what, &report, ret_failure);
        wait_for_end(pid);
        close(pidfd);
    }
    return r;
}
