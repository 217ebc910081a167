/* file_rig.h -- files in a directory of its own for each test, and a back end that fails, or is slow, at will. */
#pragma once

#include "threading.h"

#include "backend/backends.h"
#include "loop/executor.h"
#include "loop/file_pool.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* ------------------------------------------------------------------------------------------------------- Directory */

static char directory[64];

static inline void begin_directory(void)
{
    const char *where = getenv("TMPDIR");

    snprintf(directory, sizeof directory, "%s/asyncio-test-XXXXXX", where && strlen(where) < 32 ? where : "/tmp");
    EXPECT_PTR(mkdtemp(directory), directory);
}

/* The path of a name there; valid until the fourth next call. */
static inline char *in_directory(const char *name)
{
    static char paths[4][192];
    static int turn;
    char *path = paths[turn = (turn + 1) % 4];

    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

/* Nothing is left in it. */
static inline void end_directory(void)
{
    EXPECT_INT(rmdir(directory), 0);
}

/* True when nothing has this name. */
static inline bool is_missing(const char *name)
{
    struct stat about;

    return lstat(in_directory(name), &about) < 0 && errno == ENOENT;
}

/* A new file of the library with that content, at its beginning, which has no name. */
static inline struct asyncio_file *new_file(const char *content)
{
    struct asyncio_file *file = NULL;

    EXPECT_INT(asyncio_file_temporary(directory[0] ? directory : NULL, &file), 0);
    EXPECT_INT(asyncio_file_pwrite(file, content, strlen(content), 0), (ssize_t)strlen(content));
    return file;
}

/* ---------------------------------------------------------------------------------------------------------- Faults */

/* What an operation meets instead of the kernel. */
static struct {
    uint8_t opcode;
    int n;                  /* how many times still */
    int64_t result;         /* that they finish with */
    bool holds;             /* they wait for let_go instead */
    bool refuses_to_cancel; /* and are not undone */
    struct asyncio_op *held;
    const struct asyncio_backend_ops *ops; /* the real ones */
} fault;

static inline bool faulty_submit(struct asyncio_backend *backend, struct asyncio_op *op)
{
    if (fault.n == 0 || op->opcode != fault.opcode)
        return fault.ops->submit(backend, op);
    fault.n--;
    if (op->opcode == ASYNCIO_OP_FILE_CLOSE && fault.result != -ECANCELED && !fault.holds)
        close(op->fd);
    op->result = fault.result;
    if (fault.holds)
        fault.held = op;
    return !fault.holds;
}

static inline bool faulty_cancel(struct asyncio_backend *backend, struct asyncio_op *op)
{
    if (op != fault.held)
        return fault.ops->cancel(backend, op);
    if (!fault.refuses_to_cancel)
        fault.held = NULL;
    return !fault.refuses_to_cancel;
}

static inline size_t faulty_pending(const struct asyncio_backend *backend)
{
    return fault.ops->pending(backend) + (fault.held ? 1 : 0);
}

/* A loop over the real back end whose operations go through the fault; time is real. */
static inline int faulty_loop(struct asyncio_loop **ret_loop)
{
    static struct asyncio_backend_ops table;
    const char *options = strchr(test_backend(), ':');

    fault.ops = test_on_uring() ? &asyncio__uring : &asyncio__epoll;
    table = *fault.ops;
    table.submit = faulty_submit;
    table.cancel = faulty_cancel;
    table.pending = faulty_pending;
    return asyncio_new_event_loop_on(ret_loop, &table, test_on_uring() && options ? options + 1 : NULL, NULL);
}

static inline int run_faulty(asyncio_coro *fn)
{
    return asyncio_run(fn, NULL, .loop_factory = faulty_loop);
}

static inline void let_go_now(void *arg)
{
    struct asyncio_op *op = fault.held;

    (void)arg;
    fault.held = NULL;
    if (op)
        op->complete(op);
}

/* The held operation completes with that result, in the next turn. */
static inline void let_go(int64_t result)
{
    if (fault.held)
        fault.held->result = result;
    EXPECT_INT(asyncio_loop_call_soon(asyncio_get_running_loop(), let_go_now, NULL), 0);
}
