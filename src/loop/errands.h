/* errands.h -- what other threads bring to a loop.
 *
 * An errand is a node with an end that is always told of: it arrives on the loop's thread, or the loop is closed first.
 * It keeps the loop's memory, so that whoever brings it can find out that it came too late. */
#pragma once

#include "loop.h"

struct asyncio__errand;

struct asyncio__errand_kind {
    /* On the loop's thread: it is here. */
    void (*arrived)(struct asyncio__errand *errand);
    /* On the loop's thread, in place of `arrived`: the loop is being closed. Lets go of all that is the loop's.
     * Returns: true when nobody will deliver it any more. */
    bool (*closed)(struct asyncio__errand *errand);
    /* Any thread, once, after one of the above, when nobody can reach it any more. */
    void (*free)(struct asyncio__errand *errand);
};

struct asyncio__errand {
    struct asyncio_node node; /* posted, or on the list of a future of this loop */
    struct asyncio_link link; /* of the loop's errands, from expect to arrival */
    const struct asyncio__errand_kind *kind;
    struct asyncio_loop *loop; /* a reference */
    atomic_int state;          /* who let go first: the bringer or the loop */
};

/* Prepares an errand to a loop. Any thread. */
void asyncio__errand_init(struct asyncio__errand *errand, const struct asyncio__errand_kind *kind,
                          struct asyncio_loop *loop);

/* Another thread will deliver it. Loop's thread. */
void asyncio__errand_expect(struct asyncio__errand *errand);

/* Brings what is expected; it is out of the caller's hands then. Any thread, once. */
void asyncio__errand_deliver(struct asyncio__errand *errand);

/* Frees an errand that nobody will deliver or that could not be posted. Loop's thread when it was expected. */
void asyncio__errand_drop(struct asyncio__errand *errand);

/* What the loop's close does with errands: what has come is among its nodes, what has not will not come any more. */
void asyncio__errands_close(struct asyncio_loop *loop);
