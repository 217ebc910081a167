/* sockets.c -- sockets of the library, without streams around them.
 *
 * Invariants:
 *   - fd is -1 once the socket is closed, and nobody else closes it before;
 *   - between looking at fd and submitting an operation on it nobody else runs: once an fd is closed, its number may
 *     come to stand for somebody else's connection;
 *   - who waits keeps the memory, not the socket: the last reference closes it, and the last call that still waits on
 *     it then frees it. */
#include "sockets.h"

#include "../base/mem.h"
#include "../loop/loop.h"

#include <fcntl.h>
#include <sys/socket.h>

struct asyncio_socket {
    struct asyncio_loop *loop; /* a reference, so that the fd can be closed when the loop has been */
    int fd;
    int type;      /* SOCK_STREAM and so on */
    unsigned refs; /* 0: closed, and only kept for those who wait */
    size_t waits;  /* calls that are under way */
};

/* --------------------------------------------------------------------------------------------- Without waiting */

/* Does an operation that never waits. */
static int64_t perform(struct asyncio_loop *loop, struct asyncio_op *op)
{
    bool done = asyncio_op_submit(loop, op);

    assert(done);
    return done ? op->result : -EIO;
}

int asyncio__fd_close(struct asyncio_loop *loop, int fd)
{
    return (int)perform(loop, &(struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE, .fd = fd});
}

int asyncio__fd_bind(struct asyncio_loop *loop, int fd, const struct asyncio_address *address)
{
    return (int)perform(
        loop, &(struct asyncio_op){.opcode = ASYNCIO_OP_BIND, .fd = fd, .address = {&address->data, address->size}});
}

int asyncio__fd_listen(struct asyncio_loop *loop, int fd, int backlog)
{
    return (int)perform(loop, &(struct asyncio_op){.opcode = ASYNCIO_OP_LISTEN, .fd = fd, .argument = backlog});
}

int asyncio__fd_make(struct asyncio_loop *loop, int domain, int type, int protocol)
{
    return (int)perform(loop, &(struct asyncio_op){.opcode = ASYNCIO_OP_SOCKET, .make = {domain, type, protocol, {0}}});
}

int asyncio__fd_set_option(struct asyncio_loop *loop, int fd, int level, int name, int value)
{
    return (int)perform(
        loop,
        &(struct asyncio_op){.opcode = ASYNCIO_OP_SETSOCKOPT, .fd = fd, .option = {level, name, &value, sizeof value}});
}

int asyncio__fd_name(struct asyncio_loop *loop, int fd, bool peer, struct asyncio_address *ret_address)
{
    struct asyncio_address address = {0};
    struct asyncio_op op = {
        .opcode = peer ? ASYNCIO_OP_PEERNAME : ASYNCIO_OP_SOCKNAME,
        .fd = fd,
        .name.address = &address,
    };
    int r = (int)perform(loop, &op);

    if (r == 0)
        *ret_address = address;
    return r;
}

/* ------------------------------------------------------------------------------------------------------ Life cycle */

/* A socket without an fd; NULL when out of memory. */
static struct asyncio_socket *new_socket(struct asyncio_loop *loop, int type)
{
    struct asyncio_socket *new = asyncio__calloc(sizeof *new);

    if (!new)
        return NULL;
    new->loop = asyncio_loop_ref(loop);
    new->fd = -1;
    new->type = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    new->refs = 1;
    return new;
}

static void free_if_unused(struct asyncio_socket *socket)
{
    if (socket->refs > 0 || socket->waits > 0)
        return;
    asyncio_loop_unref(socket->loop);
    asyncio__free(socket);
}

int asyncio_socket(int domain, int type, int protocol, struct asyncio_socket **ret_socket)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_socket *new;
    int fd;

    if (!ret_socket)
        return -EINVAL;
    if (!loop)
        return -ASYNCIO_ENOLOOP;
    new = new_socket(loop, type);
    if (!new)
        return -ENOMEM;
    fd = asyncio__fd_make(loop, domain, type, protocol);
    if (fd < 0) {
        asyncio_socket_unref(new);
        return fd;
    }
    new->fd = fd;
    *ret_socket = new;
    return 0;
}

int asyncio_socketpair(int domain, int type, int protocol, struct asyncio_socket *ret_sockets[2])
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SOCKETPAIR, .make = {domain, type, protocol, {-1, -1}}};
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_socket *one, *other;
    int r;

    if (!ret_sockets)
        return -EINVAL;
    if (!loop)
        return -ASYNCIO_ENOLOOP;
    one = new_socket(loop, type);
    other = new_socket(loop, type);
    r = one && other ? (int)perform(loop, &op) : -ENOMEM;
    if (r < 0) {
        asyncio_socket_unref(one);
        asyncio_socket_unref(other);
        return r;
    }
    one->fd = op.make.fds[0];
    other->fd = op.make.fds[1];
    ret_sockets[0] = one;
    ret_sockets[1] = other;
    return 0;
}

/* True when something of the loop waits for an fd, or has registered it: a question that does not wait is refused
 * where it comes from the other side. */
static bool is_known(struct asyncio_loop *loop, int fd)
{
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_POLL,
        .flags = ASYNCIO_OP_NOWAIT,
        .fd = fd,
        .poll.events = ASYNCIO_READABLE | ASYNCIO_WRITABLE,
    };

    if (perform(loop, &op) == -EBUSY)
        return true;
    op.flags |= ASYNCIO_OP_FOREIGN;
    return perform(loop, &op) == -EBUSY;
}

/* Makes an fd of the process like one of the library's. Returns: 0; a negative error, and it is as it was. */
static int set_flags(int fd)
{
    int status = fcntl(fd, F_GETFL), flags = fcntl(fd, F_GETFD);

    if (status < 0 || flags < 0 || fcntl(fd, F_SETFL, status | O_NONBLOCK) < 0)
        return -errno;
    return fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0 ? -errno : 0;
}

int asyncio_socket_from_fd(int fd, struct asyncio_socket **ret_socket)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    int type = 0, r;
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_GETSOCKOPT,
        .fd = fd,
        .option = {SOL_SOCKET, SO_TYPE, &type, sizeof type},
    };
    struct asyncio_socket *new;

    if (!ret_socket)
        return -EINVAL;
    if (!loop)
        return -ASYNCIO_ENOLOOP;
    if (loop->ops->own_fds)
        return -EOPNOTSUPP;
    r = (int)perform(loop, &op);
    if (r < 0)
        return r;
    if (is_known(loop, fd))
        return -EBUSY;
    new = new_socket(loop, type);
    r = new ? set_flags(fd) : -ENOMEM;
    if (r < 0) {
        asyncio_socket_unref(new);
        return r;
    }
    new->fd = fd;
    *ret_socket = new;
    return 0;
}

struct asyncio_socket *asyncio_socket_ref(struct asyncio_socket *socket)
{
    if (socket)
        socket->refs++;
    return socket;
}

struct asyncio_socket *asyncio_socket_unref(struct asyncio_socket *socket)
{
    if (!socket)
        return NULL;
    assert(socket->refs > 0);
    if (--socket->refs == 0) {
        asyncio_socket_close(socket);
        free_if_unused(socket);
    }
    return NULL;
}

int asyncio_socket_close(struct asyncio_socket *socket)
{
    int fd;

    if (!socket)
        return -EINVAL;
    if (socket->fd < 0)
        return 0;
    fd = socket->fd;
    socket->fd = -1;
    return asyncio__fd_close(socket->loop, fd);
}

/* Returns: 0; -EBADF; -EBUSY, for what cannot be done while somebody waits. */
static int check_idle(const struct asyncio_socket *socket)
{
    if (socket->fd < 0)
        return -EBADF;
    return socket->waits > 0 ? -EBUSY : 0;
}

int asyncio_socket_detach(struct asyncio_socket *socket)
{
    int fd, r = socket ? check_idle(socket) : -EINVAL;

    if (r < 0)
        return r;
    if (socket->loop->ops->own_fds)
        return -EOPNOTSUPP;
    fd = socket->fd;
    r = (int)perform(socket->loop, &(struct asyncio_op){.opcode = ASYNCIO_OP_FORGET, .fd = fd});
    if (r < 0)
        return r;
    socket->fd = -1;
    return fd;
}

int asyncio__socket_type(const struct asyncio_socket *socket)
{
    return socket->type;
}

int asyncio__socket_take(struct asyncio_loop *loop, struct asyncio_socket *socket)
{
    return asyncio__socket_take_typed(loop, socket, SOCK_STREAM);
}

int asyncio__socket_take_typed(struct asyncio_loop *loop, struct asyncio_socket *socket, int type)
{
    int r = check_idle(socket);

    if (socket->loop != loop || socket->type != type)
        r = -EINVAL;
    if (r == 0) {
        r = socket->fd;
        socket->fd = -1;
    }
    asyncio_socket_unref(socket);
    return r;
}

/* ---------------------------------------------------------------------------------------------- Names and options */

int asyncio_socket_fileno(const struct asyncio_socket *socket)
{
    if (!socket)
        return -EINVAL;
    return socket->fd < 0 ? -EBADF : socket->fd;
}

int asyncio_socket_bind(struct asyncio_socket *socket, const struct asyncio_address *address)
{
    int fd = asyncio_socket_fileno(socket);

    if (!address)
        return -EINVAL;
    return fd < 0 ? fd : asyncio__fd_bind(socket->loop, fd, address);
}

int asyncio_socket_listen(struct asyncio_socket *socket, int backlog)
{
    int fd = asyncio_socket_fileno(socket);

    return fd < 0 ? fd : asyncio__fd_listen(socket->loop, fd, backlog);
}

int asyncio_socket_shutdown(struct asyncio_socket *socket, int how)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SHUTDOWN, .fd = asyncio_socket_fileno(socket), .argument = how};

    return op.fd < 0 ? op.fd : (int)perform(socket->loop, &op);
}

static int name_of(const struct asyncio_socket *socket, bool peer, struct asyncio_address *ret_address)
{
    int fd = asyncio_socket_fileno(socket);

    if (!ret_address)
        return -EINVAL;
    return fd < 0 ? fd : asyncio__fd_name(socket->loop, fd, peer, ret_address);
}

int asyncio_socket_getsockname(const struct asyncio_socket *socket, struct asyncio_address *ret_address)
{
    return name_of(socket, false, ret_address);
}

int asyncio_socket_getpeername(const struct asyncio_socket *socket, struct asyncio_address *ret_address)
{
    return name_of(socket, true, ret_address);
}

/* Operations have one kind of pointer to memory, whether it is read or written. */
static void *writable(const void *data)
{
    return (void *)(uintptr_t)data;
}

int asyncio_socket_setsockopt(struct asyncio_socket *socket, int level, int name, const void *value, size_t size)
{
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_SETSOCKOPT,
        .fd = asyncio_socket_fileno(socket),
        .option = {level, name, writable(value), size},
    };

    if (!value && size > 0)
        return -EINVAL;
    return op.fd < 0 ? op.fd : (int)perform(socket->loop, &op);
}

ssize_t asyncio_socket_getsockopt(const struct asyncio_socket *socket, int level, int name, void *ret_value,
                                  size_t size)
{
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_GETSOCKOPT,
        .fd = asyncio_socket_fileno(socket),
        .option = {level, name, ret_value, size},
    };

    if (!ret_value)
        return -EINVAL;
    return op.fd < 0 ? op.fd : (ssize_t)perform(socket->loop, &op);
}

/* --------------------------------------------------------------------------------------------------------- Waiting */

int asyncio__socket_begin_wait(struct asyncio_socket *socket)
{
    if (!socket)
        return -EINVAL;
    if (!asyncio_current_task())
        return -ASYNCIO_ENOTASK;
    if (asyncio_get_running_loop() != socket->loop)
        return -EXDEV;
    if (socket->fd < 0)
        return -EBADF;
    socket->waits++;
    return 0;
}

int64_t asyncio__socket_end_wait(struct asyncio_socket *socket, int64_t result)
{
    socket->waits--;
    free_if_unused(socket);
    return result;
}

ASYNCIO__SUSPENDS int64_t asyncio__socket_await(struct asyncio_socket *socket, struct asyncio_op *op)
{
    int r = asyncio_io_point();

    if (r < 0)
        return r;
    /* Others may have run meanwhile. */
    if (socket->fd < 0)
        return -ASYNCIO_ECLOSED;
    op->fd = socket->fd;
    return asyncio_op_park(op);
}

/* Does one operation, and that is all. */
static int64_t await_once(struct asyncio_socket *socket, struct asyncio_op op)
{
    int r = asyncio__socket_begin_wait(socket);

    return r < 0 ? r : asyncio__socket_end_wait(socket, asyncio__socket_await(socket, &op));
}

ssize_t asyncio_sock_recv(struct asyncio_socket *socket, void *buffer, size_t size)
{
    if (!buffer && size > 0)
        return -EINVAL;
    return await_once(socket, (struct asyncio_op){.opcode = ASYNCIO_OP_RECV, .buffer = {buffer, size, 0}});
}

ssize_t asyncio_sock_recvfrom(struct asyncio_socket *socket, void *buffer, size_t size,
                              struct asyncio_address *ret_address)
{
    struct asyncio_address address = {0};
    ssize_t r;

    if (!buffer && size > 0)
        return -EINVAL;
    r = await_once(socket, (struct asyncio_op){
                               .opcode = ASYNCIO_OP_RECVFROM,
                               .datagram = {buffer, size, ret_address ? &address : NULL, 0},
                           });
    if (r >= 0 && ret_address)
        *ret_address = address;
    return r;
}

ssize_t asyncio_sock_send(struct asyncio_socket *socket, const void *data, size_t size)
{
    if (!data && size > 0)
        return -EINVAL;
    return await_once(socket, (struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .buffer = {writable(data), size, 0}});
}

int64_t asyncio__socket_send_all(struct asyncio_socket *socket, const void *data, size_t size, size_t *ret_sent)
{
    size_t sent = 0;
    int64_t r = 0;

    while (r >= 0 && sent < size) {
        struct asyncio_op op = {
            .opcode = ASYNCIO_OP_SEND,
            .buffer = {(char *)writable(data) + sent, size - sent, 0},
        };

        r = asyncio__socket_await(socket, &op);
        sent += (size_t)max_i64(r, 0);
    }
    *ret_sent = sent;
    return r < 0 ? r : 0;
}

int asyncio_sock_sendall(struct asyncio_socket *socket, const void *data, size_t size)
{
    size_t sent;
    int r;

    if (!data && size > 0)
        return -EINVAL;
    r = asyncio__socket_begin_wait(socket);
    if (r < 0)
        return r;
    r = size > 0 ? (int)asyncio__socket_send_all(socket, data, size, &sent) : asyncio_io_point();
    return (int)asyncio__socket_end_wait(socket, r);
}

ssize_t asyncio_sock_sendto(struct asyncio_socket *socket, const void *data, size_t size,
                            const struct asyncio_address *address)
{
    struct asyncio_address *to = writable(address);

    if (!data && size > 0)
        return -EINVAL;
    return await_once(socket, (struct asyncio_op){
                                  .opcode = ASYNCIO_OP_SENDTO,
                                  .datagram = {writable(data), size, to, 0},
                              });
}

int asyncio_sock_connect(struct asyncio_socket *socket, const struct asyncio_address *address)
{
    if (!address)
        return -EINVAL;
    return (int)await_once(socket, (struct asyncio_op){
                                       .opcode = ASYNCIO_OP_CONNECT,
                                       .address = {&address->data, address->size},
                                   });
}

/* The memory comes first: a connection that was accepted must not be lost for want of it. */
int asyncio_sock_accept(struct asyncio_socket *socket, struct asyncio_socket **ret_socket,
                        struct asyncio_address *ret_address)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_ACCEPT};
    struct asyncio_socket *new;
    int r;

    if (!ret_socket)
        return -EINVAL;
    r = asyncio__socket_begin_wait(socket);
    if (r < 0)
        return r;
    new = new_socket(socket->loop, socket->type);
    r = (int)asyncio__socket_end_wait(socket, new ? asyncio__socket_await(socket, &op) : -ENOMEM);
    if (r < 0) {
        asyncio_socket_unref(new);
        return r;
    }
    new->fd = r;
    /* Who has gone already has no name any more, but may have left data. */
    if (ret_address && asyncio__fd_name(new->loop, new->fd, true, ret_address) < 0)
        *ret_address = (struct asyncio_address){0};
    *ret_socket = new;
    return 0;
}
