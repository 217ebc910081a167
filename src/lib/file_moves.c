/* file_moves.c -- bytes that go from one file to another within the kernel. */
#include "files.h"

#include <fcntl.h>

/* Most that is moved at once: a cancel, and whoever wants to say how far it is, come in between. */
#define MOST_AT_ONCE ((size_t)64 * 1024 * 1024)

ssize_t asyncio_file_copy_range(struct asyncio_file *from, int64_t from_offset, struct asyncio_file *to,
                                int64_t to_offset, size_t size)
{
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_FILE_COPY,
        .move = {.from_offset = from_offset, .to_offset = to_offset, .size = min_size(size, MOST_AT_ONCE)},
    };

    if (from_offset < 0 || to_offset < 0)
        return -EINVAL;
    return (ssize_t)asyncio__file_await_both(from, to, &op);
}

/* Waits until an fd is ready; one that never has to be waited for is. */
static int await_ready(int fd, unsigned events)
{
    int r = asyncio_wait_fd(fd, events);

    return r == -EPERM ? 0 : r;
}

ssize_t asyncio_splice(int from, int64_t from_offset, int to, int64_t to_offset, size_t size)
{
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_FILE_SPLICE,
        .fd = from,
        .move = {to, SPLICE_F_NONBLOCK, from_offset, to_offset, min_size(size, MOST_AT_ONCE)},
    };
    int64_t r;

    if (from < 0 || to < 0)
        return -EBADF;
    if (from_offset < -1 || to_offset < -1)
        return -EINVAL;
    /* No thread waits for the other end of a pipe. */
    while ((r = asyncio_op_await(&op)) == -EAGAIN) {
        r = await_ready(from, ASYNCIO_READABLE);
        if (r >= 0)
            r = await_ready(to, ASYNCIO_WRITABLE);
        if (r < 0)
            break;
    }
    return (ssize_t)r;
}
