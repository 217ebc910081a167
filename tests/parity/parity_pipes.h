/* parity_pipes.h -- what the programs about pipes share: Python's os.pipe, os.read, os.write and os.close, on pipes of
 * the loop's back end. */
#pragma once

#include "parity_protocols.h"

#include <asyncio_lowlevel.h>

static inline int64_t perform(struct asyncio_op *op)
{
    asyncio_op_submit(LOOP, op);
    return op->result;
}

static inline int make_pipe(int *ret_reading, int *ret_writing)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_PIPE};

    TRY((int)perform(&op));
    *ret_reading = op.make.fds[0];
    *ret_writing = op.make.fds[1];
    return 0;
}

static inline ssize_t pipe_read(int fd, void *data, size_t size)
{
    return (ssize_t)perform(&(struct asyncio_op){
        .opcode = ASYNCIO_OP_READ, .flags = ASYNCIO_OP_NOWAIT, .fd = fd, .buffer = {.data = data, .size = size}});
}

static inline int pipe_write(int fd, const char *text)
{
    return (int)perform(&(struct asyncio_op){
        .opcode = ASYNCIO_OP_WRITE,
        .flags = ASYNCIO_OP_NOWAIT,
        .fd = fd,
        .buffer = {.data = word(text), .size = strlen(text)},
    });
}

static inline int pipe_close(int fd)
{
    return (int)perform(&(struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE, .fd = fd});
}
