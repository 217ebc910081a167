/* ring_faults.h -- what a kernel may do at any time, and seldom does: it stands between the kernel and every ring of
 * the process. The faults are real: what a plan takes from the back end it takes from the kernel, too. */
#pragma once

#include "test.h"

#include "backend/ring.h"

#include <errno.h>
#include <string.h>

enum ring_plan {
    RING_PLAIN,  /* nothing */
    RING_SHORT,  /* each call takes one request at most */
    RING_STINGY, /* most calls take nothing, or fail, as with a signal or a full queue of completions */
    RING_LATE,   /* every completion comes one call later */
    RING_ENDING, /* whatever goes on by itself ends with its first completion */
    N_RING_PLANS,
};

static const char *const ring_plan_names[] = {
    [RING_PLAIN] = "no faults",       [RING_SHORT] = "short submits",        [RING_STINGY] = "calls that fail",
    [RING_LATE] = "late completions", [RING_ENDING] = "multishots that end",
};

#define RING_DELAYED  256
#define RING_DELAYING UINT64_MAX /* user_data of a request that only brings the first completion that is delayed */

static struct {
    enum ring_plan plan;
    unsigned n_enters, n_delayed, n_brought;
    struct io_uring_cqe delayed[RING_DELAYED]; /* from n_brought to n_delayed, around and around */
    struct io_uring_cqe held[RING_DELAYED];    /* by place; user_data 0: free */
} ring_faults;

/* The ring whose completions are shown: it is the one that enters. */
static struct asyncio__ring *faulty_ring;

static inline int ring_faults_enter(void *arg, unsigned *n, bool waits)
{
    static const int errors[] = {0, -EAGAIN, 1, -EBUSY, -EINTR, 0, 1, 1};
    int what = errors[ring_faults.n_enters++ % (sizeof errors / sizeof errors[0])];

    (void)arg;
    (void)waits;
    if (ring_faults.plan == RING_SHORT && *n > 1)
        *n = 1;
    if (ring_faults.plan != RING_STINGY)
        return 0;
    if (*n > (unsigned)(what > 0))
        *n = what > 0;
    return what < 0 ? what : 0;
}

static inline void ring_first_delayed(struct io_uring_cqe *completion)
{
    *completion = ring_faults.delayed[ring_faults.n_brought++ % RING_DELAYED];
}

/* Puts a completion behind those that are delayed already, for they keep their order. Returns: whether one of the next
 * calls brings one more. */
static inline bool ring_bring_later(const struct io_uring_cqe *completion)
{
    struct io_uring_sqe *sqe = faulty_ring ? asyncio__ring_next(faulty_ring) : NULL;

    ring_faults.delayed[ring_faults.n_delayed++ % RING_DELAYED] = *completion;
    if (!sqe)
        return false;
    sqe->opcode = IORING_OP_NOP;
    sqe->user_data = RING_DELAYING;
    return true;
}

/* Lets the kernel end what goes on by itself as soon as something has come of it. That is held back until the last
 * completion comes, and told in its place, so that it is the last one itself. */
static inline void ring_end(struct io_uring_cqe *completion)
{
    struct io_uring_cqe arrived = *completion, *held = NULL;
    bool more = arrived.flags & IORING_CQE_F_MORE;
    struct io_uring_sqe *sqe;

    for (int i = 0; i < RING_DELAYED && (!held || held->user_data != arrived.user_data); i++)
        if (ring_faults.held[i].user_data == arrived.user_data || (!held && !ring_faults.held[i].user_data))
            held = &ring_faults.held[i];
    if (!held || (!held->user_data && !more))
        return;
    if (!held->user_data) {
        sqe = faulty_ring ? asyncio__ring_next(faulty_ring) : NULL;
        if (!sqe)
            return;
        sqe->opcode = IORING_OP_ASYNC_CANCEL;
        sqe->fd = -1;
        sqe->addr = arrived.user_data;
        *held = arrived;
        completion->user_data = 0;
        return;
    }
    *completion = *held;
    if (more) {
        *held = arrived;
        return;
    }
    held->user_data = 0;
    if (arrived.res == -ECANCELED)
        completion->flags &= ~IORING_CQE_F_MORE;
    else if (!ring_bring_later(&arrived))
        EXPECT(!"there is a place for one more request");
}

static inline void ring_faults_completion(void *arg, struct io_uring_cqe *completion)
{
    (void)arg;
    if (completion->user_data == RING_DELAYING) {
        ring_first_delayed(completion);
    } else if (ring_faults.plan == RING_LATE && completion->user_data) {
        if (ring_bring_later(completion))
            completion->user_data = 0;
        else
            ring_first_delayed(completion);
    } else if (ring_faults.plan == RING_ENDING && completion->user_data) {
        ring_end(completion);
    }
}

/* From now on the rings of this process meet these faults; `ring` is the one that runs. */
static inline void plan_faults(enum ring_plan plan, struct asyncio__ring *ring)
{
    static const struct asyncio__ring_seam seam = {ring_faults_enter, ring_faults_completion, NULL};

    memset(&ring_faults, 0, sizeof ring_faults);
    ring_faults.plan = plan;
    faulty_ring = ring;
    asyncio__ring_seam = plan == RING_PLAIN ? NULL : &seam;
}
