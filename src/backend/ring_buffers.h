/* ring_buffers.h -- memory from which the kernel takes what it receives into: a ring of provided buffers, Linux 5.19.
 *
 * Each buffer has a number and is in one of two places: the kernel's, or taken, that is named by a completion and not
 * given back yet. Completions that are still to be taken name buffers of the kernel here. */
#pragma once

#include "ring.h"

/* Of a buffer that is taken; `size` and `next` are for whoever has it. */
struct asyncio__ring_buffer_state {
    uint32_t size;
    uint16_t next;
    bool is_taken;
};

struct asyncio__ring_buffers {
    struct io_uring_buf_ring *entries; /* NULL: there are none; mapped, and not inherited by a forked child */
    unsigned char *memory;
    struct asyncio__ring_buffer_state *states;
    unsigned n, size; /* n: a power of two */
    unsigned n_taken;
    size_t map_size; /* of all of it, from `entries` on */
    uint16_t tail;
};

/* All receives choose from the one group. */
#define ASYNCIO__RING_GROUP 0

/* Makes `n` buffers and lends them to the ring's kernel. Returns: 0; a negative error. */
int asyncio__ring_buffers_open(struct asyncio__ring_buffers *buffers, const struct asyncio__ring *ring, unsigned n,
                               unsigned size);

/* The ring is gone: lends those that are not taken to the kernel of another. Returns: 0; a negative error. */
int asyncio__ring_buffers_move(struct asyncio__ring_buffers *buffers, const struct asyncio__ring *ring);

/* After the ring's end; harmless without buffers. */
void asyncio__ring_buffers_close(struct asyncio__ring_buffers *buffers);

static inline unsigned char *asyncio__ring_buffer(const struct asyncio__ring_buffers *buffers, unsigned number)
{
    assert(number < buffers->n);
    return buffers->memory + (size_t)number * buffers->size;
}

/* The number of the buffer that begins there; -1: it is none. */
static inline int asyncio__ring_buffer_number(const struct asyncio__ring_buffers *buffers, const void *data)
{
    uintptr_t offset = (uintptr_t)data - (uintptr_t)buffers->memory;

    return buffers->entries && offset < (uintptr_t)buffers->n * buffers->size ? (int)(offset / buffers->size) : -1;
}

/* A completion names it. */
static inline void asyncio__ring_buffer_take(struct asyncio__ring_buffers *buffers, unsigned number)
{
    assert(number < buffers->n && !buffers->states[number].is_taken);
    buffers->states[number].is_taken = true;
    buffers->n_taken++;
}

/* Gives it back to the kernel; harmless once they are closed. */
void asyncio__ring_buffer_give(struct asyncio__ring_buffers *buffers, unsigned number);
