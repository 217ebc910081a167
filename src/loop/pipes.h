/* pipes.h -- transports over pipes and what is used like them: FIFOs, stream sockets, character devices such as
 * terminals. One transport is one direction; pipes.c tells how. */
#pragma once

#include "transports.h"

enum asyncio__pipe_end {
    ASYNCIO__PIPE_READ,  /* its protocol receives data */
    ASYNCIO__PIPE_WRITE, /* its protocol writes, and is told when nobody reads any more */
};

/* What stands against making a transport of an fd; `ret_why` then says it in words, or is untouched. Returns: 0;
 * -EINVAL for what is none of the above; -EBADF, also for one that is open for the other direction only. */
int asyncio__pipe_check(struct asyncio_loop *loop, int fd, enum asyncio__pipe_end end, const char **ret_why);

/* Opens a transport over an fd that has been checked, which is the transport's from then on, also on failure.
 * connection_made follows in a later turn. Returns: 0; -EINVAL; -ENOMEM; errors of fcntl(2); then `opened` and `lost`
 * are not called. */
int asyncio__pipe_open(struct asyncio_loop *loop, int fd, enum asyncio__pipe_end end,
                       const struct asyncio__transport_options *options, struct asyncio_transport **ret_transport);

/* ------------------------------------------------------------------------------------------------------- pipe_fds.c */

/* True for a socket. */
bool asyncio__pipe_is_socket(struct asyncio_loop *loop, int fd);

/* True for what a reader can go from, so that it shows; a terminal or another device has none. */
bool asyncio__pipe_has_peer(struct asyncio_loop *loop, int fd);

/* Whether calls on an fd of the process wait. Returns: 0; errors of fcntl(2). */
int asyncio__fd_set_nonblock(int fd, bool nonblock);
bool asyncio__fd_is_nonblock(int fd);
