/* file_ops.c -- the system calls behind the operations on files: once, for every back end that leaves them to the file
 * pool.
 *
 * All of them may block for as long as a disk, or a server at the other end of a network, takes. So they are for
 * threads that nobody waits for. Nothing is written without a place to tell of it: no signal but SIGXFSZ comes of
 * them, which threads of a pool have blocked. */
#include "ops.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Makes a call again until no signal interrupts it. */
#define RETRY(call)                              \
    ({                                           \
        int64_t result_;                         \
        do                                       \
            result_ = (call);                    \
        while (result_ < 0 && errno == EINTR);   \
        result_ < 0 ? -(int64_t)errno : result_; \
    })

/* Most that is copied at a time where the kernel does not do it. */
#define MOST_BY_READING ((size_t)1024 * 1024)

/* What operations count in is the kernel's. */
static_assert(sizeof(off_t) == sizeof(int64_t), "files of any size");

static int64_t perform_open(const struct asyncio_op *op)
{
    const struct asyncio_op_path *path = &op->path;
    int64_t result = RETRY(openat(op->fd, path->path, path->flags | O_CLOEXEC | O_NONBLOCK, (mode_t)path->mode));

    /* Somebody has a lease on it, which he is going to give up. */
    if (result == -EAGAIN && !(path->flags & O_NONBLOCK))
        result = RETRY(openat(op->fd, path->path, path->flags | O_CLOEXEC, (mode_t)path->mode));
    return result;
}

static int64_t perform_close(const struct asyncio_op *op)
{
    /* Linux has closed the fd also when it says EINTR; closing it again would hit somebody else's. */
    if (close(op->fd) < 0 && errno != EINTR)
        return -errno;
    return 0;
}

static int64_t perform_transfer(const struct asyncio_op *op)
{
    const struct asyncio_op_transfer *transfer = &op->transfer;
    bool reads = op->opcode == ASYNCIO_OP_FILE_READ;

    if (transfer->offset == -1)
        return reads ? RETRY(read(op->fd, transfer->data, transfer->size))
                     : RETRY(write(op->fd, transfer->data, transfer->size));
    return reads ? RETRY(pread(op->fd, transfer->data, transfer->size, transfer->offset))
                 : RETRY(pwrite(op->fd, transfer->data, transfer->size, transfer->offset));
}

static int64_t perform_stat(const struct asyncio_op *op)
{
    const struct asyncio_op_path *path = &op->path;
    int flags = path->flags | (path->path[0] ? 0 : AT_EMPTY_PATH);

    return RETRY(syscall(SYS_statx, op->fd, path->path, flags, STATX_BASIC_STATS, path->about));
}

/* Copies a little by reading it. */
static int64_t copy_by_reading(const struct asyncio_op *op)
{
    const struct asyncio_op_move *move = &op->move;
    char buffer[16 * 1024];
    size_t n = 0;
    int64_t r = 1;

    while (r > 0 && n < min_size(move->size, MOST_BY_READING)) {
        size_t wanted = min_size(min_size(move->size, MOST_BY_READING) - n, sizeof buffer);

        r = RETRY(pread(op->fd, buffer, wanted, move->from_offset + (int64_t)n));
        if (r > 0)
            r = RETRY(pwrite(move->to, buffer, (size_t)r, move->to_offset + (int64_t)n));
        n += (size_t)max_i64(r, 0);
    }
    return n > 0 ? (int64_t)n : min_i64(r, 0);
}

/* Files that are made up as they are read seem to be empty to the kernel's copy. */
static bool is_to_be_read(const struct asyncio_op *op, int64_t result)
{
    return op->move.from_offset >= 0 && op->move.to_offset >= 0 &&
           (result == 0 || result == -EXDEV || result == -EOPNOTSUPP || result == -ENOSYS);
}

static int64_t perform_move(const struct asyncio_op *op)
{
    off_t from_offset = op->move.from_offset, to_offset = op->move.to_offset;
    off_t *from = from_offset == -1 ? NULL : &from_offset, *to = to_offset == -1 ? NULL : &to_offset;
    int64_t result;

    if (op->opcode == ASYNCIO_OP_FILE_SPLICE)
        return RETRY(splice(op->fd, from, op->move.to, to, op->move.size, op->move.flags));
    result = RETRY(copy_file_range(op->fd, from, op->move.to, to, op->move.size, op->move.flags));
    return is_to_be_read(op, result) ? copy_by_reading(op) : result;
}

int64_t asyncio__file_mode(int fd)
{
    struct statx about;
    int64_t result = RETRY(syscall(SYS_statx, fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &about));

    return result < 0 ? result : about.stx_mode;
}

int64_t asyncio__file_perform(const struct asyncio_op *op)
{
    const struct asyncio_op_path *path = &op->path;

    switch (op->opcode) {
    case ASYNCIO_OP_FILE_OPEN:
        return perform_open(op);
    case ASYNCIO_OP_FILE_CLOSE:
        return perform_close(op);
    case ASYNCIO_OP_FILE_READ:
    case ASYNCIO_OP_FILE_WRITE:
        return perform_transfer(op);
    case ASYNCIO_OP_FILE_SYNC:
        return op->argument ? RETRY(fdatasync(op->fd)) : RETRY(fsync(op->fd));
    case ASYNCIO_OP_FILE_TRUNCATE:
        return RETRY(ftruncate(op->fd, op->length));
    case ASYNCIO_OP_FILE_STAT:
        return perform_stat(op);
    case ASYNCIO_OP_FILE_COPY:
    case ASYNCIO_OP_FILE_SPLICE:
        return perform_move(op);
    case ASYNCIO_OP_FILE_RENAME:
        return RETRY(renameat(op->fd, path->path, op->fd, path->other));
    case ASYNCIO_OP_FILE_UNLINK:
        return RETRY(unlinkat(op->fd, path->path, path->flags));
    case ASYNCIO_OP_FILE_MKDIR:
        return RETRY(syscall(SYS_mkdirat, op->fd, path->path, path->mode));
    case ASYNCIO_OP_FILE_LIST:
        return RETRY(syscall(SYS_getdents64, op->fd, op->transfer.data, op->transfer.size));
    default:
        return -EINVAL;
    }
}
