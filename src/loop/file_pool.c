/* file_pool.c -- operations on files that the back end leaves to others, in threads of their own.
 *
 * - These threads do nothing else, and files are read and written by no others: a job of the program, a look-up of a
 *   name that hangs hold up no file, and a disk that hangs holds up nothing but files.
 * - A thread works on a copy of the operation, so that nobody but the loop's thread touches what the submitter has.
 *   Only the memory that the operation names is the thread's until it completes.
 * - What is queued can be taken back; what has begun completes. */
#include "file_pool.h"

#include "../backend/ops.h"
#include "executor.h"
#include "pipes.h"

#include <fcntl.h>
#include <sys/stat.h>

#define FILE_THREADS 4

/* How long the loop's close waits for closes of files that nobody waits for. */
#define PATIENCE_S 10

struct file_job {
    struct asyncio__job job;
    struct asyncio_op op;     /* the thread's */
    struct asyncio_op *asked; /* NULL: nobody waits for it */
};

static struct file_job *of(struct asyncio__job *job)
{
    return CONTAINER_OF(job, struct file_job, job);
}

/* ------------------------------------------------------------------------------------------------------------ Jobs */

static int run(struct asyncio__job *job)
{
    of(job)->op.result = asyncio__op_perform(&of(job)->op);
    return 0;
}

static void done(struct asyncio__job *job)
{
    struct asyncio_op *asked = of(job)->asked;

    if (!asked)
        return;
    asked->state = 0;
    asked->completion = 0;
    asked->result = job->result < 0 ? job->result : of(job)->op.result;
    asked->complete(asked);
}

/* The loop closes, where nobody waits. */
static void lost(struct asyncio__job *job)
{
    of(job)->asked = NULL;
}

static void free_job(struct asyncio__job *job)
{
    asyncio__free(of(job));
}

static const struct asyncio__job_kind file_kind = {.run = run, .done = done, .lost = lost, .free = free_job};

int asyncio__file_executor(struct asyncio_loop *loop, struct asyncio_executor **ret_executor)
{
    const struct asyncio_executor_kw kw = {.size = sizeof kw, .max_workers = FILE_THREADS, .name = "asyncio-file"};
    int r = loop->file_pool ? 0 : asyncio_thread_pool_executor_kw(&loop->file_pool, &kw);

    *ret_executor = loop->file_pool;
    return r;
}

/* Queues a job; `asked` NULL: for nobody. Returns: 0; a negative error. */
static int submit(struct asyncio_loop *loop, const struct asyncio_op *op, struct asyncio_op *asked)
{
    struct asyncio_executor *executor;
    struct file_job *job;
    int r = asyncio__file_executor(loop, &executor);

    if (r < 0)
        return r;
    job = asyncio__calloc(sizeof *job);
    if (!job)
        return -ENOMEM;
    job->op = *op;
    job->asked = asked;
    r = asyncio__job_submit(&job->job, &file_kind, loop, executor);
    if (r < 0) {
        asyncio__free(job);
        return r;
    }
    if (asked) {
        asked->state = ASYNCIO__OP_POOLED;
        asked->backend[0] = (uintptr_t)job;
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------------ Operations */

bool asyncio__file_submit(struct asyncio_loop *loop, struct asyncio_op *op)
{
    int r;

    if (!loop->ops->submit(loop->backend, op))
        return false;
    if (op->result != -EOPNOTSUPP || loop->ops->own_fds)
        return true;
    r = submit(loop, op, op);
    return r < 0 ? asyncio__op_finish(op, r) : false;
}

bool asyncio__file_cancel(struct asyncio_loop *loop, struct asyncio_op *op)
{
    struct file_job *job = (struct file_job *)(uintptr_t)op->backend[0];

    if (!(op->state & ASYNCIO__OP_POOLED))
        return loop->ops->cancel(loop->backend, op);
    if (!asyncio__job_cancel(&job->job))
        return false;
    op->state = 0;
    return true;
}

/* ------------------------------------------------------------------------------------------------------------- Fds */

int asyncio__file_look(int fd, struct asyncio__file_kind *ret_kind)
{
    int64_t mode = asyncio__file_mode(fd);
    int flags = fcntl(fd, F_GETFL);
    bool is_stored;

    if (mode < 0 || flags < 0)
        return mode < 0 ? (int)mode : -errno;
    is_stored = S_ISREG(mode) || S_ISDIR(mode) || S_ISBLK(mode);
    *ret_kind = (struct asyncio__file_kind){
        .is_stored = is_stored,
        .was_blocking = !is_stored && !(flags & O_NONBLOCK),
    };
    /* io_uring does not wait for a file that says so, on file systems that cannot tell beforehand. */
    if (is_stored == !!(flags & O_NONBLOCK))
        return asyncio__fd_set_nonblock(fd, !is_stored);
    return 0;
}

void asyncio__file_drop(struct asyncio_loop *loop, int fd, struct asyncio__file_kind kind)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_FILE_CLOSE, .fd = fd};

    bool is_ours = !asyncio__loop_forked(loop);

    if (kind.was_blocking && is_ours)
        asyncio__fd_set_nonblock(fd, false);
    if (asyncio__loop_closed(loop) || !is_ours || submit(loop, &op, NULL) < 0)
        asyncio__op_perform(&op);
}

void asyncio__file_pool_close(struct asyncio_loop *loop)
{
    struct asyncio_executor *executor = loop->file_pool;

    loop->file_pool = NULL;
    if (executor)
        ASYNCIO_IGNORE(asyncio_executor_shutdown(executor, false, PATIENCE_S));
    asyncio_executor_unref(executor);
}
