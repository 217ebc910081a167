/* subprocess.c -- processes whose standard streams are streams: their beginning, and what they have.
 *
 * Nothing between the fork and the return of the call that makes a process suspends, so a cancel finds either none or
 * the whole. What the program sees of a child is its pidfd's; see src/loop/child.h. */
#include "subprocess.h"

#include "../base/mem.h"
#include "../loop/loop.h"
#include "../task/task.h"

static void exited(struct asyncio__child *child, void *arg)
{
    struct asyncio_process *process = arg;

    (void)child;
    asyncio__wake_all(&process->waiters, 0);
}

static void free_process(struct asyncio_process *process)
{
    assert(list_empty(&process->waiters));
    for (int i = 0; i < 3; i++)
        asyncio__stream_release(process->pipes[i].reader, process->pipes[i].writer);
    asyncio__stream_release(process->terminal.reader, process->terminal.writer);
    asyncio__child_let_go(process->child);
    asyncio__free(process);
}

/* -------------------------------------------------------------------------------------------------------- Beginning */

/* Makes a stream of an fd, which is taken, if there is one. */
static int open_stream(struct asyncio_loop *loop, int *fd, enum asyncio__stream_kind kind,
                       const struct asyncio_subprocess_kw *kw, struct asyncio__process_stream *ret_stream)
{
    struct asyncio__stream_options options = {.kind = (uint8_t)kind};
    int taken = *fd;

    if (taken < 0)
        return 0;
    if (kw) {
        options.limit = kw->limit;
        options.source = kw->source;
    }
    *fd = -1;
    return asyncio__stream_open(loop, taken, &options, &ret_stream->reader, &ret_stream->writer);
}

static int open_streams(struct asyncio_process *process, struct asyncio__child_pipes *pipes,
                        const struct asyncio_subprocess_kw *kw)
{
    int r = open_stream(process->loop, &pipes->controller, ASYNCIO__STREAM_TERMINAL, kw, &process->terminal);

    for (int i = 0; i < 3 && r == 0; i++) {
        enum asyncio__stream_kind kind = i == 0 ? ASYNCIO__STREAM_WRITE_END : ASYNCIO__STREAM_READ_END;

        process->is_terminal[i] = pipes->terminal >= 0 && pipes->theirs[i] == pipes->terminal;
        r = open_stream(process->loop, &pipes->ours[i], kind, kw, &process->pipes[i]);
    }
    return r;
}

static int make(struct asyncio_loop *loop, struct asyncio__start *start, const struct asyncio_subprocess_kw *kw,
                struct asyncio_process **ret_process)
{
    struct asyncio_process *process = asyncio__calloc(sizeof *process);
    int r;

    if (!process)
        return -ENOMEM;
    process->loop = loop;
    process->refs = 1;
    process->leads_group = start->spawn.new_session || start->spawn.new_process_group;
    list_init(&process->waiters);
    r = open_streams(process, &start->pipes, kw);
    if (r == 0)
        r = asyncio__child_start(loop, &start->spawn, exited, process, &process->child, &start->failure);
    if (r < 0) {
        free_process(process);
        return r;
    }
    *ret_process = process;
    return 0;
}

static int create(struct asyncio_process **ret_process, struct asyncio__start *start,
                  const struct asyncio_subprocess_kw *kw)
{
    struct asyncio_loop *loop;
    int r = ret_process ? asyncio__may_wait(NULL, &loop) : -EINVAL;

    if (r == 0)
        r = asyncio_io_point();
    if (r == 0)
        r = asyncio__start_prepare(start, loop, ASYNCIO_INHERIT, kw);
    if (r < 0)
        return r;
    return asyncio__start_end(start, make(loop, start, kw, ret_process));
}

int asyncio_create_subprocess_exec_kw(struct asyncio_process **ret_process, const char *const *argv,
                                      const struct asyncio_subprocess_kw *kw)
{
    struct asyncio__start start;

    asyncio__start_program(&start, argv);
    return create(ret_process, &start, kw);
}

int asyncio_create_subprocess_shell_kw(struct asyncio_process **ret_process, const char *command,
                                       const struct asyncio_subprocess_kw *kw)
{
    struct asyncio__start start;

    asyncio__start_shell(&start, command);
    return create(ret_process, &start, kw);
}

/* ------------------------------------------------------------------------------------------------------- References */

struct asyncio_process *asyncio_process_ref(struct asyncio_process *process)
{
    if (process)
        process->refs++;
    return process;
}

struct asyncio_process *asyncio_process_unref(struct asyncio_process *process)
{
    if (!process)
        return NULL;
    assert(process->refs > 0);
    if (--process->refs == 0)
        free_process(process);
    return NULL;
}

/* -------------------------------------------------------------------------------------------------------- Questions */

int asyncio_process_pid(const struct asyncio_process *process)
{
    return process ? process->child->pid : -EINVAL;
}

bool asyncio_process_returncode(const struct asyncio_process *process, int *ret_returncode)
{
    if (!process || !process->child->ended)
        return false;
    if (ret_returncode)
        *ret_returncode = process->child->returncode;
    return true;
}

struct asyncio_streamwriter *asyncio_process_stdin(const struct asyncio_process *process)
{
    if (!process)
        return NULL;
    return process->is_terminal[0] ? process->terminal.writer : process->pipes[0].writer;
}

struct asyncio_streamreader *asyncio_process_stdout(const struct asyncio_process *process)
{
    if (!process)
        return NULL;
    return process->is_terminal[1] ? process->terminal.reader : process->pipes[1].reader;
}

/* What a terminal says is told by one of the two. */
struct asyncio_streamreader *asyncio_process_stderr(const struct asyncio_process *process)
{
    if (!process)
        return NULL;
    return process->is_terminal[2] && !process->is_terminal[1] ? process->terminal.reader : process->pipes[2].reader;
}
