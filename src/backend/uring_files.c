/* uring_files.c -- operations on files, which the kernel does as far as it knows them; the rest is left to threads.
 *
 * Their requests belong to no record: a file has no directions, and its fd is whoever's has opened it. */
#include "uring.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/resource.h>
#include <unistd.h>

/* Newer than Debian's headers. */
#define OPCODE_FTRUNCATE 55

/* What is in memory already is copied when the kernel is told of it, in the loop's thread. More than that is a worker's
 * to copy. */
#define MOST_AT_ONCE ((size_t)256 * 1024)

/* In op->backend[1], which has the file's position for transfers that begin there. An open has met a lease, and waits
 * for it now. */
#define WAITS_FOR_LEASE 1

/* The kernel's opcode; -1: it has none. */
static int opcode_of(const struct asyncio_op *op)
{
    switch (op->opcode) {
    case ASYNCIO_OP_FILE_OPEN:
        return IORING_OP_OPENAT;
    case ASYNCIO_OP_FILE_CLOSE:
        return IORING_OP_CLOSE;
    case ASYNCIO_OP_FILE_READ:
        return IORING_OP_READ;
    case ASYNCIO_OP_FILE_WRITE:
        return IORING_OP_WRITE;
    case ASYNCIO_OP_FILE_SYNC:
        return IORING_OP_FSYNC;
    case ASYNCIO_OP_FILE_TRUNCATE:
        return OPCODE_FTRUNCATE;
    case ASYNCIO_OP_FILE_STAT:
        return IORING_OP_STATX;
    case ASYNCIO_OP_FILE_SPLICE:
        return IORING_OP_SPLICE;
    case ASYNCIO_OP_FILE_RENAME:
        return IORING_OP_RENAMEAT;
    case ASYNCIO_OP_FILE_UNLINK:
        return IORING_OP_UNLINKAT;
    case ASYNCIO_OP_FILE_MKDIR:
        return IORING_OP_MKDIRAT;
    default:
        return -1;
    }
}

static bool is_at_position(const struct asyncio_op *op)
{
    return (op->opcode == ASYNCIO_OP_FILE_READ || op->opcode == ASYNCIO_OP_FILE_WRITE) && op->transfer.offset == -1;
}

/* Moves the position by a transfer that came to less than was asked for, for the kernel (6.18) leaves it where it was
 * when an error cuts a transfer short: what is written next would go over what has been written. */
static void move_position(const struct asyncio_op *op, int64_t n)
{
    int64_t before = (int64_t)op->backend[1];

    if (!is_at_position(op) || n <= 0 || (size_t)n >= op->transfer.size || before < 0)
        return;
    if (op->opcode == ASYNCIO_OP_FILE_WRITE && (fcntl(op->fd, F_GETFL) & O_APPEND))
        lseek(op->fd, 0, SEEK_END);
    else
        lseek(op->fd, before + n, SEEK_SET);
}

bool asyncio__uring_submit_file(struct asyncio_backend *backend, struct asyncio_op *op)
{
    int opcode = opcode_of(op), r;

    if (opcode < 0 || !(backend->opcodes >> opcode & 1) || backend->options.no_files)
        return asyncio__op_finish(op, -EOPNOTSUPP);
    if (asyncio__waker_forked(&backend->waker))
        return asyncio__op_finish(op, -ASYNCIO_ECLOSED);
    op->backend[1] = is_at_position(op) ? (uint64_t)lseek(op->fd, 0, SEEK_CUR) : 0;
    r = asyncio__uring_request(backend, op, ASYNCIO__URING_FILE);
    if (r < 0)
        return asyncio__op_finish(op, r);
    op->state = ASYNCIO__URING_ON_FILE;
    backend->n_ops++;
    return false;
}

/* Whether a write may be too much for this process. Then a signal comes, which kills it by default, but for a worker:
 * those have it blocked, as a pool's threads have. */
static bool has_limit(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

static void fill_in_transfer(const struct asyncio_op *op, struct io_uring_sqe *sqe)
{
    const struct asyncio_op_transfer *transfer = &op->transfer;

    sqe->addr = (uintptr_t)transfer->data;
    sqe->len = (uint32_t)min_size(transfer->size, INT32_MAX);
    sqe->off = (uint64_t)transfer->offset;
    if (transfer->size > MOST_AT_ONCE || (op->opcode == ASYNCIO_OP_FILE_WRITE && has_limit()))
        sqe->flags = IOSQE_ASYNC;
}

static void fill_in_open(const struct asyncio_op *op, struct io_uring_sqe *sqe)
{
    int flags = op->path.flags | O_CLOEXEC;

    sqe->len = op->path.mode;
    sqe->open_flags = (uint32_t)(op->backend[1] == WAITS_FOR_LEASE ? flags : flags | O_NONBLOCK);
}

static void fill_in_stat(const struct asyncio_op *op, struct io_uring_sqe *sqe)
{
    sqe->len = STATX_BASIC_STATS;
    sqe->off = (uintptr_t)op->path.about;
    sqe->statx_flags = (uint32_t)(op->path.flags | (op->path.path[0] ? 0 : AT_EMPTY_PATH));
}

static void fill_in_splice(const struct asyncio_op *op, struct io_uring_sqe *sqe)
{
    const struct asyncio_op_move *move = &op->move;

    sqe->fd = move->to;
    sqe->off = (uint64_t)move->to_offset;
    sqe->splice_fd_in = op->fd;
    sqe->splice_off_in = (uint64_t)move->from_offset;
    sqe->len = (uint32_t)min_size(move->size, INT32_MAX);
    sqe->splice_flags = move->flags;
}

void asyncio__uring_fill_in_file(const struct asyncio_op *op, struct io_uring_sqe *sqe)
{
    sqe->opcode = (uint8_t)opcode_of(op);
    sqe->fd = op->fd;
    switch (op->opcode) {
    case ASYNCIO_OP_FILE_CLOSE:
        /* The last fd of a file without a name frees all that it had on the disk. */
        sqe->flags = IOSQE_ASYNC;
        return;
    case ASYNCIO_OP_FILE_READ:
    case ASYNCIO_OP_FILE_WRITE:
        fill_in_transfer(op, sqe);
        return;
    case ASYNCIO_OP_FILE_SYNC:
        sqe->fsync_flags = op->argument ? IORING_FSYNC_DATASYNC : 0;
        return;
    case ASYNCIO_OP_FILE_TRUNCATE:
        sqe->off = (uint64_t)op->length;
        return;
    case ASYNCIO_OP_FILE_SPLICE:
        fill_in_splice(op, sqe);
        return;
    default:
        break;
    }
    sqe->addr = (uintptr_t)op->path.path;
    switch (op->opcode) {
    case ASYNCIO_OP_FILE_OPEN:
        fill_in_open(op, sqe);
        break;
    case ASYNCIO_OP_FILE_STAT:
        fill_in_stat(op, sqe);
        break;
    case ASYNCIO_OP_FILE_RENAME:
        sqe->addr2 = (uintptr_t)op->path.other;
        sqe->len = (uint32_t)op->fd;
        break;
    case ASYNCIO_OP_FILE_UNLINK:
        sqe->unlink_flags = (uint32_t)op->path.flags;
        break;
    case ASYNCIO_OP_FILE_MKDIR:
        sqe->len = op->path.mode;
        break;
    default:
        assert(!"an operation that has been looked up");
    }
}

/* Whether the kernel has to be asked once more. */
static bool is_to_be_repeated(struct asyncio_op *op, bool cancelled, int32_t result)
{
    if (result == -EAGAIN && op->opcode == ASYNCIO_OP_FILE_OPEN && !(op->path.flags & O_NONBLOCK) &&
        op->backend[1] != WAITS_FOR_LEASE) {
        op->backend[1] = WAITS_FOR_LEASE;
        return !cancelled;
    }
    /* Nobody asked for it: it was a signal, or the thread's end, which takes away what the thread began. */
    return !cancelled && (result == -EINTR || result == -ECANCELED);
}

int64_t asyncio__uring_file_result(struct asyncio_op *op, bool cancelled, int32_t result)
{
    /* Linux has closed the fd also when it says EINTR; closing it again would hit somebody else's. */
    if (op->opcode == ASYNCIO_OP_FILE_CLOSE && result == -EINTR)
        return 0;
    if (is_to_be_repeated(op, cancelled, result))
        return ASYNCIO__URING_ASK;
    move_position(op, result);
    return result == -EINTR ? -ECANCELED : result;
}
