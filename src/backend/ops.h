/* ops.h -- what each operation means as a non-blocking system call: once, for every back end that waits for
 * readiness. */
#pragma once

#include "../base/base.h"

#include <asyncio_lowlevel.h>

#include <sys/socket.h>

/* Set in op->state by asyncio__op_perform: a connect is under way, so that the next call asks how it went. A back end
 * keeps the bit until the operation is complete; all other bits of op->state are its own. */
#define ASYNCIO__OP_CONNECTING 0x80

/* How often a standing operation may complete in one poll, so that a busy handle does not starve the others. */
#define ASYNCIO__OP_BURST 16

/* Datagrams that a batch moves at a time. */
#define ASYNCIO__OP_BATCH 64

/* Bytes that a standing receive is given at a time. */
#define ASYNCIO__RECV_BUFFER_SIZE ((size_t)16 * 1024)

/* Set in op->state by the file pool, whose operation it is then: no back end uses it. */
#define ASYNCIO__OP_POOLED 0x40

/* Does an operation, or as much of it as can be done without waiting.
 * Returns: its result; -EAGAIN when it has to wait until its fd is ready in one of asyncio__op_directions. */
int64_t asyncio__op_perform(struct asyncio_op *op);

/* What an operation waits for, a mask of enum asyncio_fd_events; 0 for one that never waits. */
static inline unsigned asyncio__op_directions(const struct asyncio_op *op)
{
    switch (op->opcode) {
    case ASYNCIO_OP_POLL:
        return op->poll.events;
    case ASYNCIO_OP_READ:
    case ASYNCIO_OP_RECV:
    case ASYNCIO_OP_RECVFROM:
    case ASYNCIO_OP_RECVMSGS:
    case ASYNCIO_OP_ACCEPT:
        return ASYNCIO_READABLE;
    case ASYNCIO_OP_WRITE:
    case ASYNCIO_OP_SEND:
    case ASYNCIO_OP_SENDV:
    case ASYNCIO_OP_SENDTO:
    case ASYNCIO_OP_SENDMSGS:
    case ASYNCIO_OP_SENDFILE:
    case ASYNCIO_OP_CONNECT:
        return ASYNCIO_WRITABLE;
    default:
        return 0;
    }
}

/* True for an opcode whose operations may have to wait. */
static inline bool asyncio__op_waits(const struct asyncio_op *op)
{
    return op->opcode < ASYNCIO_OP_SOCKET;
}

/* As CMSG_NXTHDR, which mixes signs in musl. */
static inline struct cmsghdr *asyncio__next_control(struct msghdr *header, struct cmsghdr *part)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
    return CMSG_NXTHDR(header, part);
#pragma GCC diagnostic pop
}

/* True for one on files, which would block: asyncio__op_perform is for threads that may. */
static inline bool asyncio__op_is_file(const struct asyncio_op *op)
{
    return op->opcode >= ASYNCIO_OP_FILE_OPEN && op->opcode <= ASYNCIO_OP_FILE_LIST;
}

/* The same for these only; file_ops.c. */
int64_t asyncio__file_perform(const struct asyncio_op *op);

/* The same for those that carry descriptors; fd_ops.c. */
int64_t asyncio__fds_perform(struct asyncio_op *op);

/* The type of a file, as S_ISREG asks for it, without asking a server. Returns: it; a negative error. */
int64_t asyncio__file_mode(int fd);

/* True for a receive of what is not in the socket's queue, so that it says nothing of what is there. */
static inline bool asyncio__op_looks_elsewhere(const struct asyncio_op *op)
{
    int flags = 0;

    if (op->opcode == ASYNCIO_OP_RECV)
        flags = op->buffer.flags;
    else if (op->opcode == ASYNCIO_OP_RECVFROM)
        flags = op->datagram.flags;
    return flags & (MSG_OOB | MSG_ERRQUEUE);
}

/* True for a watch on somebody else's fd, which takes nothing from it, so that several can stand side by side. */
static inline bool asyncio__op_is_watch(const struct asyncio_op *op)
{
    return op->opcode == ASYNCIO_OP_POLL && (op->flags & ASYNCIO_OP_FOREIGN);
}

/* What is wrong with a waiting operation before anything is tried. Returns: 0; -EINVAL; -EBADF. */
static inline int asyncio__op_check(const struct asyncio_op *op)
{
    bool can_stand = op->opcode == ASYNCIO_OP_POLL || op->opcode == ASYNCIO_OP_ACCEPT || op->opcode == ASYNCIO_OP_RECV;

    /* Of a foreign fd, events are all that can be had again and again. */
    if (op->flags & ASYNCIO_OP_FOREIGN)
        can_stand = op->opcode == ASYNCIO_OP_POLL;
    if ((op->flags & ASYNCIO_OP_STANDING) && (!can_stand || (op->flags & ASYNCIO_OP_NOWAIT)))
        return -EINVAL;
    /* Whether a connect succeeds is known later only. */
    if ((op->flags & ASYNCIO_OP_NOWAIT) && op->opcode == ASYNCIO_OP_CONNECT)
        return -EINVAL;
    if (op->opcode == ASYNCIO_OP_POLL &&
        (!op->poll.events || (op->poll.events & ~(unsigned)(ASYNCIO_READABLE | ASYNCIO_WRITABLE))))
        return -EINVAL;
    return op->fd < 0 ? -EBADF : 0;
}

/* Ends an operation on the spot. Returns: true, as submit does then. */
static inline bool asyncio__op_finish(struct asyncio_op *op, int64_t result)
{
    op->state = 0;
    op->result = result;
    return true;
}
