/* fd_waits.c -- which operations can wait for an fd side by side. */
#include "fd_waits.h"

bool asyncio__fd_is_busy(const struct asyncio__fd_waits *waits, const struct asyncio_op *op)
{
    unsigned directions = asyncio__op_directions(op);

    for (int d = 0; d < ASYNCIO__DIRECTIONS; d++)
        for (int k = 0; k < ASYNCIO__WAIT_KINDS; k++) {
            const struct asyncio_op *other = waits->op[d][k];

            if (!other || !(directions & asyncio__direction_mask(d)))
                continue;
            if (k == (int)asyncio__wait_kind(op) || !asyncio__op_is_watch(op) || !asyncio__op_is_watch(other))
                return true;
        }
    return false;
}

void asyncio__fd_occupy(struct asyncio__fd_waits *waits, const struct asyncio_op *op, struct asyncio_op *occupant)
{
    unsigned directions = asyncio__op_directions(op);

    for (int d = 0; d < ASYNCIO__DIRECTIONS; d++)
        if (directions & asyncio__direction_mask(d))
            waits->op[d][asyncio__wait_kind(op)] = occupant;
}

unsigned asyncio__fd_wanted(const struct asyncio__fd_waits *waits)
{
    unsigned wanted = 0;

    for (int d = 0; d < ASYNCIO__DIRECTIONS; d++)
        if (waits->op[d][ASYNCIO__ONE_SHOT] || waits->op[d][ASYNCIO__STANDING])
            wanted |= asyncio__direction_mask(d);
    return wanted;
}
