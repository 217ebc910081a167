/* fd_ops.c -- the system calls behind the operations that carry descriptors from process to process. */
#include "ops.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST_FDS 64

/* What the kernel is told of the descriptors beside the bytes. */
union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(MOST_FDS * sizeof(int))];
};

static int64_t send_fds(const struct asyncio_op_fds *fds, int socket)
{
    union control control = {.bytes = {0}};
    struct iovec vector = {fds->data, fds->size};
    struct msghdr message = {
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = (socklen_t)CMSG_SPACE(fds->n * sizeof(int)),
    };
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    ssize_t result;

    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = (socklen_t)CMSG_LEN(fds->n * sizeof(int));
    memcpy(CMSG_DATA(part), fds->fds, fds->n * sizeof(int));
    do
        result = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : result;
}

/* Takes what has come along, in several parts if need be: there is room for all that the kernel has put there. */
static size_t take_fds(struct msghdr *message, int ret_fds[MOST_FDS])
{
    size_t n = 0;

    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = asyncio__next_control(message, part)) {
        size_t size = part->cmsg_len - CMSG_LEN(0);

        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        memcpy(ret_fds + n, CMSG_DATA(part), size);
        n += size / sizeof(int);
    }
    return n;
}

static int64_t receive_fds(struct asyncio_op_fds *fds, int socket)
{
    union control control;
    struct iovec vector = {fds->data, fds->size};
    struct msghdr message = {
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    int received[MOST_FDS];
    ssize_t result;
    size_t n;

    do
        result = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (result < 0 && errno == EINTR);
    if (result < 0)
        return -errno;
    n = take_fds(&message, received);
    if (n > fds->n || (message.msg_flags & MSG_CTRUNC)) {
        for (size_t i = 0; i < n; i++)
            close(received[i]);
        return n > fds->n || n == MOST_FDS ? -EMSGSIZE : -EMFILE;
    }
    memcpy(fds->fds, received, n * sizeof received[0]);
    fds->n = n;
    return result;
}

int64_t asyncio__fds_perform(struct asyncio_op *op)
{
    if (op->opcode == ASYNCIO_OP_RECV_FDS)
        return receive_fds(&op->fds, op->fd);
    return op->fds.n > 0 && op->fds.n <= MOST_FDS ? send_fds(&op->fds, op->fd) : -EINVAL;
}
