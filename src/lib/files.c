/* files.c -- files of the process: their life, and what is read and written.
 *
 * Invariants:
 *   - fd is -1 once the file is closed or being closed, and nobody else closes it before;
 *   - between looking at fd and submitting an operation on it nobody else runs;
 *   - who waits holds a reference: a thread may be about to use the fd, so that the last one to go closes it;
 *   - what is stored is read by the kernel or a thread, as it is always ready and may take long all the same; all else,
 *     a pipe or a terminal, is waited for as a socket is, and takes no thread away. */
#include "files.h"

#include "../base/mem.h"
#include "../loop/file_pool.h"
#include "../loop/pipes.h"

#include <unistd.h>

/* Most that is moved at once, which is what Linux does; of a device that never waits, in the loop's own thread; and of
 * a whole that a cancel may come into the middle of. */
#define MOST_AT_ONCE   ((size_t)0x7ffff000)
#define MOST_OF_DEVICE ((size_t)64 * 1024)
#define MOST_OF_WHOLE  ((size_t)8 * 1024 * 1024)

struct asyncio_file {
    struct asyncio_loop *loop; /* a reference, so that the fd can be closed when the loop has been */
    int fd;
    unsigned refs;
    size_t waits;       /* calls that are under way */
    bool position_busy; /* one of them is at the file's position */
    struct asyncio__file_kind kind;
};

/* ------------------------------------------------------------------------------------------------------ Life cycle */

int asyncio__file_new(struct asyncio_file **ret_file)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_file *new;

    if (!loop)
        return -ASYNCIO_ENOLOOP;
    if (loop->ops->own_fds)
        return -EOPNOTSUPP;
    new = asyncio__calloc(sizeof *new);
    if (!new)
        return -ENOMEM;
    new->loop = asyncio_loop_ref(loop);
    new->fd = -1;
    new->refs = 1;
    *ret_file = new;
    return 0;
}

int asyncio__file_adopt(struct asyncio_file *file, int fd)
{
    file->fd = fd;
    return asyncio__file_look(fd, &file->kind);
}

int asyncio_file_from_fd(int fd, struct asyncio_file **ret_file)
{
    struct asyncio_file *file;
    int r = !ret_file ? -EINVAL : fd < 0 ? -EBADF : asyncio__file_new(&file);

    if (r < 0)
        return r;
    r = asyncio__file_adopt(file, fd);
    if (r < 0) {
        file->fd = -1;
        asyncio_file_unref(file);
        return r;
    }
    *ret_file = file;
    return 0;
}

struct asyncio_file *asyncio_file_ref(struct asyncio_file *file)
{
    if (file)
        file->refs++;
    return file;
}

struct asyncio_file *asyncio_file_unref(struct asyncio_file *file)
{
    if (!file || --file->refs > 0)
        return NULL;
    if (file->fd >= 0)
        asyncio__file_drop(file->loop, file->fd, file->kind);
    asyncio_loop_unref(file->loop);
    asyncio__free(file);
    return NULL;
}

int asyncio_file_fileno(const struct asyncio_file *file)
{
    return file && file->fd >= 0 ? file->fd : -EBADF;
}

/* --------------------------------------------------------------------------------------------------------- Waiting */

/* Looks whether a task may wait here, and whether the file is this loop's. */
static int check(const struct asyncio_file *file)
{
    struct asyncio_loop *running;

    return file ? asyncio__may_wait(file->loop, &running) : -EINVAL;
}

int64_t asyncio__file_await(struct asyncio_file *file, struct asyncio_op *op)
{
    int64_t r = check(file);

    if (r < 0)
        return r;
    asyncio_file_ref(file);
    file->waits++;
    r = asyncio_io_point();
    op->fd = file->fd;
    if (r == 0)
        r = op->fd >= 0 ? asyncio_op_park(op) : -EBADF;
    file->waits--;
    asyncio_file_unref(file);
    return r;
}

int64_t asyncio__file_await_both(struct asyncio_file *file, struct asyncio_file *to, struct asyncio_op *op)
{
    int64_t r = check(to);

    if (r < 0)
        return r;
    if (to->fd < 0)
        return -EBADF;
    asyncio_file_ref(to);
    to->waits++;
    op->move.to = to->fd;
    r = asyncio__file_await(file, op);
    to->waits--;
    asyncio_file_unref(to);
    return r;
}

int asyncio_file_close(struct asyncio_file *file)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_FILE_CLOSE};
    int64_t r = check(file);

    if (r < 0)
        return (int)r;
    r = asyncio_io_point();
    if (r < 0)
        return (int)r;
    if (file->waits > 0)
        return -EBUSY;
    if (file->fd < 0)
        return 0;
    op.fd = file->fd;
    asyncio_file_ref(file);
    file->waits++;
    file->fd = -1;
    if (file->kind.was_blocking)
        asyncio__fd_set_nonblock(op.fd, false);
    r = asyncio_op_park(&op);
    file->waits--;
    /* It was not closed, and is to be by somebody. */
    if (r == -ECANCELED || r == -ENOMEM || r == -EAGAIN)
        file->fd = op.fd;
    asyncio_file_unref(file);
    return (int)r;
}

/* ---------------------------------------------------------------------------------------------- Reading and writing */

/* Moves bytes at an offset, or at the position of what is stored. */
static ssize_t transfer(struct asyncio_file *file, enum asyncio_opcode opcode, void *data, size_t size, int64_t offset)
{
    struct asyncio_op op = {
        .opcode = (uint8_t)opcode,
        .transfer = {.data = data, .size = min_size(size, MOST_AT_ONCE), .offset = offset},
    };

    return (ssize_t)asyncio__file_await(file, &op);
}

/* Moves bytes of what is waited for: to the back end the fd is somebody else's, which it watches for as long as a task
 * waits. Others may have the same file, and make it blocking again: a shell its terminal. */
static ssize_t stream(struct asyncio_file *file, enum asyncio_opcode opcode, void *data, size_t size)
{
    struct asyncio_op op = {
        .opcode = (uint8_t)opcode,
        .flags = ASYNCIO_OP_FOREIGN,
        .buffer = {.data = data, .size = min_size(size, MOST_OF_DEVICE)},
    };

    if (file->fd >= 0 && !asyncio__fd_is_nonblock(file->fd))
        file->kind.was_blocking = asyncio__fd_set_nonblock(file->fd, true) == 0;
    return (ssize_t)asyncio__file_await(file, &op);
}

static ssize_t at_position(struct asyncio_file *file, bool writes, void *data, size_t size)
{
    if (!file->kind.is_stored)
        return stream(file, writes ? ASYNCIO_OP_WRITE : ASYNCIO_OP_READ, data, size);
    return transfer(file, writes ? ASYNCIO_OP_FILE_WRITE : ASYNCIO_OP_FILE_READ, data, size, -1);
}

/* Takes the file's position for the calling task. Of what has none, each direction is one task's, which the back end
 * sees to. */
static int begin(struct asyncio_file *file, const void *data, size_t size)
{
    int r = !data && size > 0 ? -EINVAL : check(file);

    if (r == 0 && file->kind.is_stored && file->position_busy)
        r = -EBUSY;
    if (r == 0)
        file->position_busy = true;
    return r;
}

ssize_t asyncio_file_read(struct asyncio_file *file, void *buffer, size_t size)
{
    ssize_t r = begin(file, buffer, size);

    if (r < 0)
        return r;
    asyncio_file_ref(file);
    r = at_position(file, false, buffer, size);
    file->position_busy = false;
    asyncio_file_unref(file);
    return r;
}

ssize_t asyncio_file_write(struct asyncio_file *file, const void *data, size_t size)
{
    ssize_t r = begin(file, data, size);

    if (r < 0)
        return r;
    asyncio_file_ref(file);
    r = at_position(file, true, (void *)(uintptr_t)data, size);
    file->position_busy = false;
    asyncio_file_unref(file);
    return r;
}

int asyncio_file_writeall(struct asyncio_file *file, const void *data, size_t size)
{
    const char *bytes = data;
    ssize_t r = begin(file, data, size);

    if (r < 0)
        return (int)r;
    asyncio_file_ref(file);
    do {
        r = at_position(file, true, (void *)(uintptr_t)bytes, min_size(size, MOST_OF_WHOLE));
        bytes += max_i64(r, 0);
        size -= (size_t)max_i64(r, 0);
    } while (r > 0 && size > 0);
    file->position_busy = false;
    asyncio_file_unref(file);
    /* A file that takes nothing and says nothing would never be done. */
    return r < 0 ? (int)r : size > 0 ? -EIO : 0;
}

/* The same at an offset, of what has any: io_uring would read the next bytes of a pipe. */
static ssize_t at_offset(struct asyncio_file *file, enum asyncio_opcode opcode, void *data, size_t size, int64_t offset)
{
    if (!file || (!data && size > 0) || offset < 0)
        return -EINVAL;
    if (!file->kind.is_stored && file->fd >= 0 && lseek(file->fd, 0, SEEK_CUR) < 0)
        return -errno;
    return transfer(file, opcode, data, size, offset);
}

ssize_t asyncio_file_pread(struct asyncio_file *file, void *buffer, size_t size, int64_t offset)
{
    return at_offset(file, ASYNCIO_OP_FILE_READ, buffer, size, offset);
}

ssize_t asyncio_file_pwrite(struct asyncio_file *file, const void *data, size_t size, int64_t offset)
{
    return at_offset(file, ASYNCIO_OP_FILE_WRITE, (void *)(uintptr_t)data, size, offset);
}

/* ------------------------------------------------------------------------------------------------ Size and safety */

int asyncio_file_fsync(struct asyncio_file *file)
{
    return (int)asyncio__file_await(file, &(struct asyncio_op){.opcode = ASYNCIO_OP_FILE_SYNC});
}

int asyncio_file_fdatasync(struct asyncio_file *file)
{
    return (int)asyncio__file_await(file, &(struct asyncio_op){.opcode = ASYNCIO_OP_FILE_SYNC, .argument = 1});
}

int asyncio_file_truncate(struct asyncio_file *file, int64_t size)
{
    return (int)asyncio__file_await(file, &(struct asyncio_op){.opcode = ASYNCIO_OP_FILE_TRUNCATE, .length = size});
}
