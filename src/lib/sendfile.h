/* sendfile.h -- sending a file by whatever sends bytes: a socket or a transport. */
#pragma once

#include "lib.h"

/* What is asked for, and how far it has come. */
struct asyncio__transfer {
    /* Does an operation SENDFILE, whose fd is not set. NULL: the kernel cannot send here. Returns: its result. */
    int64_t (*perform)(struct asyncio__transfer *transfer, struct asyncio_op *op);

    /* Sends a piece. Returns: 0; a negative error, after `*ret_sent` bytes, which is always set. */
    int64_t (*send)(struct asyncio__transfer *transfer, const void *data, size_t size, size_t *ret_sent);

    int file;
    int64_t offset, count; /* count 0: to the end */
    int64_t sent;
};

/* Takes what the keywords say; NULL: the whole file. Returns: false when they are wrong. */
bool asyncio__transfer_plan(struct asyncio__transfer *transfer, const struct asyncio_sendfile_kw *kw);

/* Sends the file: by the kernel where it can, else, unless there is `no_fallback`, read in a thread. Returns: bytes;
 * -ASYNCIO_ESENDFILE; an error, whose detail begins with how many bytes were sent. */
int64_t asyncio__transfer(struct asyncio__transfer *transfer, bool no_fallback);
