#include "child_pipes.h"

#include "pipes.h"

#include <fcntl.h>
#include <unistd.h>

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* The child's end blocks, as programs expect. Real pipes, as a child may open /dev/stdout, which a socket refuses. */
static int open_pipe(struct asyncio__child_pipes *pipes, int i)
{
    int fds[2];
    bool reads = i == 0;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    pipes->theirs[i] = fds[reads ? 0 : 1];
    pipes->ours[i] = fds[reads ? 1 : 0];
    pipes->is_opened[i] = true;
    return asyncio__fd_set_nonblock(pipes->ours[i], true);
}

static int open_null(struct asyncio__child_pipes *pipes, int i)
{
    int fd = open("/dev/null", (i == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    pipes->theirs[i] = fd;
    pipes->is_opened[i] = true;
    return 0;
}

static int open_terminal(struct asyncio__child_pipes *pipes, int i, int rows, int columns)
{
    int r = 0;

    if (pipes->terminal < 0) {
        r = asyncio__pty_open(rows, columns, &pipes->controller, &pipes->terminal);
        if (r == 0)
            r = asyncio__fd_set_nonblock(pipes->controller, true);
    }
    pipes->theirs[i] = pipes->terminal;
    return r;
}

static int open_one(struct asyncio__child_pipes *pipes, int i, int wanted, int rows, int columns)
{
    switch (wanted) {
    case 0:
    case ASYNCIO_INHERIT:
        return 0;
    case ASYNCIO_PIPE:
        return open_pipe(pipes, i);
    case ASYNCIO_STDOUT:
        pipes->theirs[i] = pipes->theirs[1] >= 0 ? pipes->theirs[1] : STDOUT_FILENO;
        return i == 2 ? 0 : -EINVAL;
    case ASYNCIO_DEVNULL:
        return open_null(pipes, i);
    case ASYNCIO_PTY:
        return open_terminal(pipes, i, rows, columns);
    default:
        pipes->theirs[i] = wanted;
        return wanted > 0 ? 0 : -EINVAL;
    }
}

int asyncio__child_pipes_open(struct asyncio__child_pipes *pipes, const int wanted[3], int rows, int columns)
{
    int r = 0;

    *pipes = (struct asyncio__child_pipes){
        .theirs = {-1, -1, -1},
        .ours = {-1, -1, -1},
        .terminal = -1,
        .controller = -1,
    };
    for (int i = 0; i < 3 && r == 0; i++)
        r = open_one(pipes, i, wanted[i], rows, columns);
    if (r < 0)
        asyncio__child_pipes_close(pipes);
    return r;
}

void asyncio__child_pipes_close_theirs(struct asyncio__child_pipes *pipes)
{
    for (int i = 0; i < 3; i++)
        if (pipes->is_opened[i])
            close_fd(&pipes->theirs[i]);
    close_fd(&pipes->terminal);
}

void asyncio__child_pipes_close(struct asyncio__child_pipes *pipes)
{
    asyncio__child_pipes_close_theirs(pipes);
    for (int i = 0; i < 3; i++)
        close_fd(&pipes->ours[i]);
    close_fd(&pipes->controller);
}
