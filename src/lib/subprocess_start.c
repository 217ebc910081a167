/* subprocess_start.c -- what has to be known, and opened, before a child can be started. */
#include "subprocess.h"

#include "../loop/loop.h"
#include "../task/task.h"

void asyncio__start_program(struct asyncio__start *start, const char *const *argv)
{
    start->spawn.argv = argv;
    start->spawn.file = argv ? argv[0] : NULL;
}

void asyncio__start_shell(struct asyncio__start *start, const char *command)
{
    start->shell[0] = "/bin/sh";
    start->shell[1] = "-c";
    start->shell[2] = command;
    start->shell[3] = NULL;
    start->spawn.argv = start->shell;
    start->spawn.file = command ? start->shell[0] : NULL;
}

static bool has_bad_fd(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!fds || fds[i] < 0)
            return true;
    return false;
}

static void read_keywords(struct asyncio__spawn *spawn, const struct asyncio_subprocess_kw *kw)
{
    spawn->file = kw->executable ? kw->executable : spawn->file;
    spawn->env = kw->env;
    spawn->cwd = kw->cwd;
    spawn->pass_fds = kw->pass_fds;
    spawn->n_pass_fds = kw->n_pass_fds;
    spawn->umask = kw->umask - 1;
    spawn->new_session = kw->start_new_session;
    spawn->new_process_group = kw->new_process_group;
    spawn->die_with_parent = kw->die_with_parent;
}

int asyncio__start_prepare(struct asyncio__start *start, const struct asyncio_loop *loop, int absent,
                           const struct asyncio_subprocess_kw *kw)
{
    static const struct asyncio_subprocess_kw no_keywords = {.size = sizeof no_keywords};
    struct asyncio__spawn *spawn = &start->spawn;
    int wanted[3], r;

    kw = kw ? kw : &no_keywords;
    start->failure.why[0] = '\0';
    if (!spawn->file || kw->umask < 0 || kw->umask > 01000 || kw->rows < 0 || kw->columns < 0 ||
        has_bad_fd(kw->pass_fds, kw->n_pass_fds))
        return -EINVAL;
    if (loop->ops->own_fds)
        return -EOPNOTSUPP;
    wanted[0] = kw->std_in ? kw->std_in : absent;
    wanted[1] = kw->std_out ? kw->std_out : absent;
    wanted[2] = kw->std_err ? kw->std_err : absent;
    r = asyncio__child_pipes_open(&start->pipes, wanted, kw->rows ? kw->rows : 24, kw->columns ? kw->columns : 80);
    if (r < 0)
        return r;
    read_keywords(spawn, kw);
    memcpy(spawn->fds, start->pipes.theirs, sizeof spawn->fds);
    spawn->terminal = start->pipes.terminal;
    /* Only the first process of a session can have a terminal that controls it. */
    spawn->new_session |= spawn->terminal >= 0;
    return 0;
}

int asyncio__start_end(struct asyncio__start *start, int error)
{
    asyncio__child_pipes_close(&start->pipes);
    if (error < 0 && start->failure.why[0])
        asyncio__set_detail("%s", start->failure.why);
    return error;
}
