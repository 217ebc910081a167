/* sockets.h -- what connects and servers need of sockets and addresses. */
#pragma once

#include "lib.h"

/* Takes the fd out of a socket that was handed over, and gives its reference back, also on failure. The fd must be a
 * stream socket of that loop. Returns: the fd; -EINVAL; -EBADF; -EBUSY. */
int asyncio__socket_take(struct asyncio_loop *loop, struct asyncio_socket *socket);

/* The same for a socket of that type, SOCK_DGRAM and so on. */
int asyncio__socket_take_typed(struct asyncio_loop *loop, struct asyncio_socket *socket, int type);

/* Operations that never wait, on the loop's back end. Returns: their result. */
int asyncio__fd_close(struct asyncio_loop *loop, int fd);
int asyncio__fd_bind(struct asyncio_loop *loop, int fd, const struct asyncio_address *address);
int asyncio__fd_listen(struct asyncio_loop *loop, int fd, int backlog);
int asyncio__fd_make(struct asyncio_loop *loop, int domain, int type, int protocol);
int asyncio__fd_set_option(struct asyncio_loop *loop, int fd, int level, int name, int value);
int asyncio__fd_name(struct asyncio_loop *loop, int fd, bool peer, struct asyncio_address *ret_address);

/* What somebody who has died left behind would be in the way of bind. Only a socket goes, so that a mistaken path costs
 * nobody a file; an abstract name has none. If it cannot be removed, bind says so. */
void asyncio__remove_stale_socket(struct asyncio_loop *loop, const char *path);

/* A call that may wait on a socket: begin_wait, then any number of the two below, then end_wait, after which the socket
 * may be gone. `begin` returns: 0; -EINVAL; -ASYNCIO_ENOTASK; -EXDEV; -EBADF: then the call is over. `end` returns the
 * result that it was given, for whoever returns that. */
int asyncio__socket_begin_wait(struct asyncio_socket *socket);
int64_t asyncio__socket_end_wait(struct asyncio_socket *socket, int64_t result);

/* Does an operation on the socket; its fd need not be set. Returns: as asyncio_op_await; -ASYNCIO_ECLOSED. */
int64_t asyncio__socket_await(struct asyncio_socket *socket, struct asyncio_op *op);

/* Sends everything; nothing when there is none. Returns: 0; a negative error, after `*ret_sent` bytes. */
int64_t asyncio__socket_send_all(struct asyncio_socket *socket, const void *data, size_t size, size_t *ret_sent);

/* SOCK_STREAM and so on. */
int asyncio__socket_type(const struct asyncio_socket *socket);

/* The addresses behind a host: of "localhost" ::1 and 127.0.0.1, of NULL and "" the wildcards :: and 0.0.0.0 in this
 * order; of a number itself. `family`: of that family only; 0: any.
 * Returns: how many, up to 2; -ENOTSUP for a name that has to be looked for; -EINVAL for a bad port; -EAFNOSUPPORT when
 * the family has none. */
int asyncio__addresses_of(const char *host, int port, int family, struct asyncio_address ret_addresses[2]);
