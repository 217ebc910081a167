/* ring.h -- a thin layer over io_uring(7): the three system calls, the mappings and the barriers, no policy.
 *
 * One thread at a time uses a ring. It is made disabled, and belongs to the thread that enables it where the kernel
 * wants it so (IORING_SETUP_SINGLE_ISSUER). What a forked child inherits is its descriptor only: the mappings stay
 * the parent's. */
#pragma once

#include "../base/base.h"

#include <linux/io_uring.h>

struct asyncio__ring {
    int fd; /* -1: there is none */
    unsigned features, flags;
    unsigned *sq_head, *sq_tail, *sq_flags, *cq_head, *cq_tail; /* shared with the kernel */
    unsigned sq_entries, sq_mask, cq_mask;
    unsigned tail; /* of what has been filled in; the kernel learns of it by enter */
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
    unsigned n_shown; /* completions that the seam has seen, counted as the kernel counts them */
    void *map;
    size_t map_size, sqes_size;
    uint64_t n_enters; /* system calls so far */
};

/* What the kernel says of a request. */
struct asyncio__completion {
    uint64_t key;
    int32_t result;
    uint32_t flags; /* IORING_CQE_F_... */
};

/* What tests put between the kernel and the ring, so that rare answers can be had at will. */
struct asyncio__ring_seam {
    /* Before each io_uring_enter, which is going to hand over *n requests and, if `waits`, to wait; *n may be lowered.
     * Returns: 0: go on; a negative error: that is what the call says, without having been made. NULL: go on. */
    int (*enter)(void *arg, unsigned *n, bool waits);
    /* Sees every completion once, in their order, before anybody has taken it, and may change it in place; with a
     * user_data of 0 it means nothing to anybody. May be NULL. */
    void (*completion)(void *arg, struct io_uring_cqe *completion);
    void *arg;
};

/* NULL outside of tests. */
extern const struct asyncio__ring_seam *asyncio__ring_seam;

/* Makes a ring with these IORING_SETUP flags; `completions` 0: the kernel's choice. Returns: 0; a negative error. */
int asyncio__ring_open(struct asyncio__ring *ring, unsigned entries, unsigned completions, unsigned flags);

/* Harmless without a ring. In a forked child only the child's descriptor goes. */
void asyncio__ring_close(struct asyncio__ring *ring, bool forked);

/* io_uring_register(2). Returns: its result, or a negative error. */
int asyncio__ring_register(const struct asyncio__ring *ring, unsigned what, void *arg, unsigned n);

/* The next free place for a request, zeroed; NULL when the queue is full. */
struct io_uring_sqe *asyncio__ring_next(struct asyncio__ring *ring);

/* Requests that the kernel has not taken yet. */
unsigned asyncio__ring_unsubmitted(const struct asyncio__ring *ring);

/* Hands over what was filled in, `most` at a time, lets the kernel work, and waits for a completion for so long: 0: not
 * at all; NS_NEVER. All that was filled in must be handed over before it waits. Returns: 0; -EINTR; a negative error.
 */
int asyncio__ring_enter(struct asyncio__ring *ring, unsigned most, int64_t timeout_ns);

/* Shows the seam what has come since. */
void asyncio__ring_show(struct asyncio__ring *ring);

/* How many completions can be taken. */
static inline unsigned asyncio__ring_ready(const struct asyncio__ring *ring)
{
    return __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) - *ring->cq_head;
}

/* True when the kernel has something that it tells only to who enters. */
static inline bool asyncio__ring_wants_entry(const struct asyncio__ring *ring)
{
    return __atomic_load_n(ring->sq_flags, __ATOMIC_RELAXED) & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN);
}

/* True when completions that had no place are still to be had by entering. */
static inline bool asyncio__ring_has_overflowed(const struct asyncio__ring *ring)
{
    return __atomic_load_n(ring->sq_flags, __ATOMIC_RELAXED) & IORING_SQ_CQ_OVERFLOW;
}

/* The nth completion that can be taken; it may be written to. */
static inline struct io_uring_cqe *asyncio__ring_completion(const struct asyncio__ring *ring, unsigned n)
{
    return &ring->cqes[(*ring->cq_head + n) & ring->cq_mask];
}

/* Takes the first one. */
static inline struct asyncio__completion asyncio__ring_take(struct asyncio__ring *ring)
{
    const struct io_uring_cqe *place = asyncio__ring_completion(ring, 0);
    struct asyncio__completion completion = {place->user_data, place->res, place->flags};

    __atomic_store_n(ring->cq_head, *ring->cq_head + 1, __ATOMIC_RELEASE);
    return completion;
}
