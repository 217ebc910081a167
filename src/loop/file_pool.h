/* file_pool.h -- operations on files, wherever they are done: by the back end, or by threads of a pool of their own. */
#pragma once

#include "loop.h"

/* What is known of an fd for good. */
struct asyncio__file_kind {
    bool is_stored; /* a regular file, a directory, a disk: it is never waited for, but every call may block */
    bool was_blocking;
};

/* Begins or takes back an operation on files. Returns: as asyncio_op_submit and asyncio_op_cancel. */
bool asyncio__file_submit(struct asyncio_loop *loop, struct asyncio_op *op);
bool asyncio__file_cancel(struct asyncio_loop *loop, struct asyncio_op *op);

/* Finds out what an fd is, without waiting for a disk, and makes one that is waited for non-blocking: a call on it then
 * holds up nobody. Returns: 0; a negative error. */
int asyncio__file_look(int fd, struct asyncio__file_kind *ret_kind);

/* Closes an fd that nobody asks about any more, and makes it blocking before, if it was so: in a thread, unless there
 * is none. */
void asyncio__file_drop(struct asyncio_loop *loop, int fd, struct asyncio__file_kind kind);

/* The pool's executor, made at first use; borrowed. Returns: 0; -ENOMEM. */
int asyncio__file_executor(struct asyncio_loop *loop, struct asyncio_executor **ret_executor);

/* What the loop's close does with it: what is under way ends first. */
void asyncio__file_pool_close(struct asyncio_loop *loop);
