/* communicate.c -- talking to a process until it ends: what is written and both that are read go on at the same time, a
 * task for each, so that neither side ever waits for the other in vain. */
#include "subprocess.h"

#include "../base/mem.h"

/* Written at a time: no more than that and what the writer keeps is ever copied. */
#define PIECE ((size_t)64 * 1024)

/* Ends the input of a terminal: the first ends a line that has begun. */
#define END_OF_INPUT "\4\4"

struct input {
    struct asyncio_process *process;
    const char *data;
    size_t size;
};

struct output {
    struct asyncio_streamreader *reader;
    char *data;
    size_t size;
};

/* ------------------------------------------------------------------------------------------------------------ Input */

/* True for what a writer says when nobody reads, or it is closed. */
static bool is_unread(int error)
{
    return error == -EPIPE || error == -ECONNRESET || error == -ASYNCIO_ECLOSED;
}

static int end_input(const struct asyncio_process *process)
{
    struct asyncio_streamwriter *writer = asyncio_process_stdin(process);

    if (process->is_terminal[0])
        return asyncio_streamwriter_write_nowait(writer, END_OF_INPUT, strlen(END_OF_INPUT));
    asyncio_streamwriter_close(writer);
    return 0;
}

static int feed(void *arg)
{
    struct input *input = arg;
    struct asyncio_streamwriter *writer = asyncio_process_stdin(input->process);
    int r = 0;

    while (input->size > 0 && r == 0) {
        size_t size = min_size(input->size, PIECE);

        r = asyncio_streamwriter_write(writer, input->data, size);
        input->data += size;
        input->size -= size;
    }
    if (r == 0 || is_unread(r))
        r = end_input(input->process);
    return is_unread(r) ? 0 : r;
}

/* ----------------------------------------------------------------------------------------------------------- Output */

static int slurp(void *arg)
{
    struct output *output = arg;
    ssize_t size = asyncio_streamreader_read_to_end(output->reader, SIZE_MAX, &output->data);

    if (size < 0)
        return (int)size;
    output->size = (size_t)size;
    return 0;
}

/* What one has read when the other has failed can still be read. */
static void put_back(struct output *output)
{
    if (output->size > 0 && asyncio__buffer_prepend(&output->reader->buffer, output->data, output->size) < 0)
        output->reader->error = -ENOMEM;
    asyncio__free(output->data);
}

/* -------------------------------------------------------------------------------------------------------- The whole */

struct exchange {
    struct input input;
    struct output out, err;
};

static void start(struct asyncio_taskgroup *group, asyncio_coro *fn, void *arg, const char *name)
{
    asyncio_taskgroup_create_task(group, fn, arg, .name = name);
}

static int exchange_all(struct exchange *exchange)
{
    struct asyncio_taskgroup group = {.name = "communicate"};
    int r = asyncio_taskgroup_enter(&group);

    if (r < 0)
        return r;
    if (asyncio_process_stdin(exchange->input.process))
        start(&group, feed, &exchange->input, "stdin");
    if (exchange->out.reader)
        start(&group, slurp, &exchange->out, "stdout");
    if (exchange->err.reader)
        start(&group, slurp, &exchange->err, "stderr");
    return asyncio_taskgroup_exit(&group, 0);
}

static bool is_read(const struct asyncio_streamreader *reader)
{
    return reader && reader->is_read;
}

static int communicate(struct exchange *exchange, struct asyncio_communicated *ret_communicated)
{
    int returncode = 0;
    int r = exchange_all(exchange);

    if (r == 0)
        r = asyncio_process_wait(exchange->input.process, &returncode);
    if (r < 0) {
        put_back(&exchange->out);
        put_back(&exchange->err);
        return r;
    }
    *ret_communicated = (struct asyncio_communicated){
        .out = exchange->out.data,
        .err = exchange->err.data,
        .out_size = exchange->out.size,
        .err_size = exchange->err.size,
        .returncode = returncode,
    };
    return 0;
}

int asyncio_process_communicate(struct asyncio_process *process, const void *input, size_t size,
                                struct asyncio_communicated *ret_communicated)
{
    struct exchange exchange = {.input = {process, input, size}};
    struct asyncio_loop *loop;
    int r = process && ret_communicated && (input || size == 0) ? asyncio__may_wait(process->loop, &loop) : -EINVAL;

    if (r < 0)
        return r;
    exchange.out.reader = asyncio_process_stdout(process);
    exchange.err.reader = asyncio_process_stderr(process);
    if (process->is_communicating || is_read(exchange.out.reader) || is_read(exchange.err.reader))
        return -EBUSY;
    process->is_communicating = true;
    asyncio_process_ref(process);
    r = communicate(&exchange, ret_communicated);
    process->is_communicating = false;
    asyncio_process_unref(process);
    return r;
}
