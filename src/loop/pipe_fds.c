/* pipe_fds.c -- the fds of pipes: which will do for a transport, and whether they block. */
#include "loop.h"
#include "pipes.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Does an operation that does not wait. Returns: its result. */
static int64_t perform(struct asyncio_loop *loop, struct asyncio_op *op)
{
    bool done = asyncio_op_submit(loop, op);

    assert(done);
    (void)done;
    return op->result;
}

/* Asks what sort of socket it is. Returns: 0 or more; -ENOTSOCK; another negative error. */
static int64_t ask_type(struct asyncio_loop *loop, int fd)
{
    int type = 0;

    return perform(loop, &(struct asyncio_op){
                             .opcode = ASYNCIO_OP_GETSOCKOPT,
                             .fd = fd,
                             .option = {SOL_SOCKET, SO_TYPE, &type, sizeof type},
                         });
}

bool asyncio__pipe_is_socket(struct asyncio_loop *loop, int fd)
{
    return ask_type(loop, fd) >= 0;
}

/* In the simulator, whose fds are pipes and sockets. */
static int check_simulated(struct asyncio_loop *loop, int fd, enum asyncio__pipe_end end)
{
    char none[1];
    struct asyncio_op op = {
        .opcode = end == ASYNCIO__PIPE_READ ? ASYNCIO_OP_READ : ASYNCIO_OP_WRITE,
        .flags = ASYNCIO_OP_NOWAIT,
        .fd = fd,
        .buffer = {.data = none},
    };
    int64_t result = ask_type(loop, fd);

    if (result == -ENOTSOCK)
        result = perform(loop, &op);
    return result == -EBADF || result == -EIO ? (int)result : 0;
}

static const char *what_is_wrong(mode_t mode)
{
    if (S_ISREG(mode))
        return "regular files are always ready: asyncio_file_from_fd takes them";
    return "neither a pipe nor a socket nor a character device";
}

int asyncio__pipe_check(struct asyncio_loop *loop, int fd, enum asyncio__pipe_end end, const char **ret_why)
{
    struct stat about;
    int flags, other = end == ASYNCIO__PIPE_READ ? O_WRONLY : O_RDONLY;

    if (loop->ops->own_fds)
        return check_simulated(loop, fd, end);
    if (fstat(fd, &about) < 0)
        return -errno;
    if (!S_ISFIFO(about.st_mode) && !S_ISSOCK(about.st_mode) && !S_ISCHR(about.st_mode)) {
        *ret_why = what_is_wrong(about.st_mode);
        return -EINVAL;
    }
    flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -errno;
    if ((flags & O_ACCMODE) != other)
        return 0;
    *ret_why = end == ASYNCIO__PIPE_READ ? "it is open for writing only" : "it is open for reading only";
    return -EBADF;
}

int asyncio__fd_set_nonblock(int fd, bool nonblock)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return -errno;
    flags = nonblock ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

bool asyncio__fd_is_nonblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && (flags & O_NONBLOCK);
}

bool asyncio__pipe_has_peer(struct asyncio_loop *loop, int fd)
{
    struct stat about;

    return loop->ops->own_fds || (fstat(fd, &about) == 0 && !S_ISCHR(about.st_mode));
}
