/* fd_waits.h -- who waits for an fd: what the back ends of the kernel know of it in common. A direction has room for
 * one operation, or for watches on foreign fds, one of a kind. */
#pragma once

#include "ops.h"

enum asyncio__direction { ASYNCIO__READER, ASYNCIO__WRITER, ASYNCIO__DIRECTIONS };
enum asyncio__wait_kind { ASYNCIO__ONE_SHOT, ASYNCIO__STANDING, ASYNCIO__WAIT_KINDS };

/* Zeroed: nobody waits. An operation that waits for both directions stands in both. */
struct asyncio__fd_waits {
    struct asyncio_op *op[ASYNCIO__DIRECTIONS][ASYNCIO__WAIT_KINDS];
};

/* The direction's bit of enum asyncio_fd_events. */
static inline unsigned asyncio__direction_mask(int direction)
{
    return direction == ASYNCIO__READER ? ASYNCIO_READABLE : ASYNCIO_WRITABLE;
}

static inline enum asyncio__wait_kind asyncio__wait_kind(const struct asyncio_op *op)
{
    return op->flags & ASYNCIO_OP_STANDING ? ASYNCIO__STANDING : ASYNCIO__ONE_SHOT;
}

/* True when an operation must not wait beside those that do. */
bool asyncio__fd_is_busy(const struct asyncio__fd_waits *waits, const struct asyncio_op *op);

/* Makes `occupant`, an operation or NULL, the one that waits where `op` belongs. */
void asyncio__fd_occupy(struct asyncio__fd_waits *waits, const struct asyncio_op *op, struct asyncio_op *occupant);

/* The directions that somebody waits for, a mask of enum asyncio_fd_events. */
unsigned asyncio__fd_wanted(const struct asyncio__fd_waits *waits);
