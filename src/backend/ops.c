/* ops.c -- the system calls behind the operations.
 *
 * Nothing here blocks on an fd that the library made, and nothing raises SIGPIPE. A call that a signal interrupts is
 * made again. errno stays inside: results are negative errors. */
#include "ops.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Makes a call again until no signal interrupts it. */
#define RETRY(call)                              \
    ({                                           \
        int64_t result_;                         \
        do                                       \
            result_ = (call);                    \
        while (result_ < 0 && errno == EINTR);   \
        result_ < 0 ? -(int64_t)errno : result_; \
    })

/* A flag of pwritev2(2) that Linux has from 6.18 on. */
#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x100
#endif

enum { UNKNOWN, SUPPORTED, UNSUPPORTED };

static atomic_int rwf_nosignal = UNKNOWN;

/* write(2) without SIGPIPE on any kernel: the signal is blocked meanwhile, and one that the write caused is taken
 * away. */
static int64_t write_with_signal_blocked(const struct asyncio_op *op)
{
    static const struct timespec at_once;
    sigset_t sigpipe, old, pending;
    bool was_pending = false;
    int64_t result;

    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &sigpipe, &old);
    if (sigismember(&old, SIGPIPE) == 1 && sigpending(&pending) == 0)
        was_pending = sigismember(&pending, SIGPIPE) == 1;
    result = RETRY(write(op->fd, op->buffer.data, op->buffer.size));
    if (result == -EPIPE && !was_pending)
        RETRY(sigtimedwait(&sigpipe, NULL, &at_once));
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return result;
}

static int64_t perform_write(const struct asyncio_op *op)
{
    struct iovec vector = {op->buffer.data, op->buffer.size};
    int support = atomic_load_explicit(&rwf_nosignal, memory_order_relaxed);
    int64_t result;

    if (support == UNSUPPORTED)
        return write_with_signal_blocked(op);
    /* The offset of -1 is the file's own position. */
    result = RETRY(syscall(SYS_pwritev2, op->fd, &vector, 1L, -1L, -1L, RWF_NOSIGNAL));
    if (result != -EOPNOTSUPP && result != -ENOSYS) {
        if (support == UNKNOWN && result >= 0)
            atomic_store_explicit(&rwf_nosignal, SUPPORTED, memory_order_relaxed);
        return result;
    }
    /* An old kernel, or a file that knows no flags at all. */
    if (support == UNKNOWN)
        atomic_store_explicit(&rwf_nosignal, UNSUPPORTED, memory_order_relaxed);
    return write_with_signal_blocked(op);
}

static int64_t perform_poll(const struct asyncio_op *op)
{
    struct pollfd query = {.fd = op->fd};
    unsigned events = 0;
    int64_t result;

    if (op->poll.events & ASYNCIO_READABLE)
        query.events |= POLLIN;
    if (op->poll.events & ASYNCIO_WRITABLE)
        query.events |= POLLOUT;
    result = RETRY(poll(&query, 1, 0));
    if (result < 0)
        return result;
    if (query.revents & POLLNVAL)
        return -EBADF;
    if (query.revents & (POLLERR | POLLHUP))
        return op->poll.events;
    if (query.revents & POLLIN)
        events |= ASYNCIO_READABLE;
    if (query.revents & POLLOUT)
        events |= ASYNCIO_WRITABLE;
    return events ? (int64_t)events : -EAGAIN;
}

static int64_t perform_accept(const struct asyncio_op *op)
{
    int64_t result;

    /* A connection that was given up in the queue is nobody's concern. */
    do
        result = RETRY(accept4(op->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    while (result == -ECONNABORTED);
    return result;
}

static int64_t connect_outcome(struct asyncio_op *op)
{
    struct pollfd query = {.fd = op->fd, .events = POLLOUT};
    socklen_t size = sizeof(int);
    int64_t result;
    int error = 0;

    /* The event may be older than the connect: an unconnected socket counts as writable. */
    result = RETRY(poll(&query, 1, 0));
    if (result == 0)
        return -EAGAIN;
    if (result > 0)
        result = RETRY(getsockopt(op->fd, SOL_SOCKET, SO_ERROR, &error, &size));
    return result < 0 ? result : -error;
}

static int64_t perform_connect(struct asyncio_op *op)
{
    const struct sockaddr *address = op->address.data;

    if (op->state & ASYNCIO__OP_CONNECTING)
        return connect_outcome(op);
    if (connect(op->fd, address, (socklen_t)op->address.size) == 0)
        return 0;
    /* An interrupted connect goes on by itself. */
    if (errno == EINPROGRESS || errno == EINTR) {
        op->state |= ASYNCIO__OP_CONNECTING;
        return -EAGAIN;
    }
    /* The backlog of a Unix socket is full. No event would tell when that has changed, so it is refused, as on the
     * BSDs. */
    return errno == EAGAIN ? -ECONNREFUSED : -errno;
}

static int64_t perform_make(struct asyncio_op *op)
{
    int type = op->make.type | SOCK_NONBLOCK | SOCK_CLOEXEC;

    switch (op->opcode) {
    case ASYNCIO_OP_SOCKET:
        return RETRY(socket(op->make.domain, type, op->make.protocol));
    case ASYNCIO_OP_SOCKETPAIR:
        return RETRY(socketpair(op->make.domain, type, op->make.protocol, op->make.fds));
    default:
        return RETRY(pipe2(op->make.fds, O_NONBLOCK | O_CLOEXEC));
    }
}

static int64_t perform_close(const struct asyncio_op *op)
{
    /* Linux has closed the fd also when it says EINTR; closing it again would hit somebody else's. */
    if (close(op->fd) < 0 && errno != EINTR)
        return -errno;
    return 0;
}

int64_t asyncio__op_perform(struct asyncio_op *op)
{
    const struct asyncio_op_buffer *buffer = &op->buffer;

    switch (op->opcode) {
    case ASYNCIO_OP_POLL:
        return perform_poll(op);
    case ASYNCIO_OP_READ:
        return RETRY(read(op->fd, buffer->data, buffer->size));
    case ASYNCIO_OP_WRITE:
        return perform_write(op);
    case ASYNCIO_OP_RECV:
        return RETRY(recv(op->fd, buffer->data, buffer->size, buffer->flags));
    case ASYNCIO_OP_SEND:
        return RETRY(send(op->fd, buffer->data, buffer->size, buffer->flags | MSG_NOSIGNAL));
    case ASYNCIO_OP_ACCEPT:
        return perform_accept(op);
    case ASYNCIO_OP_CONNECT:
        return perform_connect(op);
    case ASYNCIO_OP_SOCKET:
    case ASYNCIO_OP_SOCKETPAIR:
    case ASYNCIO_OP_PIPE:
        return perform_make(op);
    case ASYNCIO_OP_BIND:
        return RETRY(bind(op->fd, (const struct sockaddr *)op->address.data, (socklen_t)op->address.size));
    case ASYNCIO_OP_LISTEN:
        return RETRY(listen(op->fd, op->argument));
    case ASYNCIO_OP_SHUTDOWN:
        return RETRY(shutdown(op->fd, op->argument));
    case ASYNCIO_OP_CLOSE:
        return perform_close(op);
    default:
        return -EINVAL;
    }
}
