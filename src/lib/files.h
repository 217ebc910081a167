/* files.h -- what the calls on files share. */
#pragma once

#include "lib.h"

/* A file without an fd, of the running loop. Returns: 0; -EOPNOTSUPP in the simulator, which has no files;
 * -ASYNCIO_ENOLOOP; -ENOMEM. */
int asyncio__file_new(struct asyncio_file **ret_file);

/* Gives it an fd, which is the file's then, also on failure. Returns: 0; a negative error. */
int asyncio__file_adopt(struct asyncio_file *file, int fd);

/* Does an operation on a file; its fd need not be set. Returns: as asyncio_op_await; -EINVAL, -EBADF,
 * -ASYNCIO_EFOREIGNLOOP. */
int64_t asyncio__file_await(struct asyncio_file *file, struct asyncio_op *op);

/* The same with two files, of which one is op->move.to. */
int64_t asyncio__file_await_both(struct asyncio_file *file, struct asyncio_file *to, struct asyncio_op *op);
