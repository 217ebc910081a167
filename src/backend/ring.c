/* ring.c -- io_uring's system calls, mappings and queues. */
#include "ring.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Both queues in one mapping, completions that are never dropped, SQEs that may be reused after enter, polling by
 * itself, and a timeout with enter: Linux 5.11. */
#define NEEDED_FEATURES                                                                                 \
    (IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_FAST_POLL | \
     IORING_FEAT_EXT_ARG)

const struct asyncio__ring_seam *asyncio__ring_seam;

static void *map_at(const struct asyncio__ring *ring, size_t size, int64_t offset)
{
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, offset);

    if (map == MAP_FAILED)
        return NULL;
    /* A child that wrote here would write into its parent's queues. */
    madvise(map, size, MADV_DONTFORK);
    return map;
}

static int map_queues(struct asyncio__ring *ring, const struct io_uring_params *params)
{
    const struct io_sqring_offsets *sq = &params->sq_off;
    const struct io_cqring_offsets *cq = &params->cq_off;
    unsigned *array;
    char *map;

    ring->map_size = max_size(sq->array + params->sq_entries * sizeof(unsigned),
                              cq->cqes + params->cq_entries * sizeof(struct io_uring_cqe));
    ring->sqes_size = params->sq_entries * sizeof(struct io_uring_sqe);
    ring->map = map = map_at(ring, ring->map_size, IORING_OFF_SQ_RING);
    ring->sqes = map_at(ring, ring->sqes_size, IORING_OFF_SQES);
    if (!ring->map || !ring->sqes)
        return -ENOMEM;
    ring->sq_head = (void *)(map + sq->head);
    ring->sq_tail = (void *)(map + sq->tail);
    ring->sq_flags = (void *)(map + sq->flags);
    ring->sq_entries = params->sq_entries;
    ring->sq_mask = params->sq_entries - 1;
    ring->cq_head = (void *)(map + cq->head);
    ring->cq_tail = (void *)(map + cq->tail);
    ring->cqes = (void *)(map + cq->cqes);
    ring->cq_mask = params->cq_entries - 1;
    ring->tail = *ring->sq_tail;
    ring->n_shown = *ring->cq_head;
    /* Place n of the queue is always SQE n. */
    array = (void *)(map + sq->array);
    for (unsigned i = 0; i < params->sq_entries; i++)
        array[i] = i;
    return 0;
}

int asyncio__ring_open(struct asyncio__ring *ring, unsigned entries, unsigned completions, unsigned flags)
{
    struct io_uring_params params = {.flags = flags, .cq_entries = completions};
    int r;

    if (completions)
        params.flags |= IORING_SETUP_CQSIZE;
    *ring = (struct asyncio__ring){.flags = flags};
    ring->fd = (int)syscall(SYS_io_uring_setup, entries, &params);
    if (ring->fd < 0)
        return -errno;
    ring->features = params.features;
    r = (params.features & NEEDED_FEATURES) == NEEDED_FEATURES ? map_queues(ring, &params) : -EOPNOTSUPP;
    if (r < 0)
        asyncio__ring_close(ring, false);
    return r;
}

void asyncio__ring_close(struct asyncio__ring *ring, bool forked)
{
    if (ring->fd < 0)
        return;
    if (ring->map && !forked)
        munmap(ring->map, ring->map_size);
    if (ring->sqes && !forked)
        munmap(ring->sqes, ring->sqes_size);
    close(ring->fd);
    ring->fd = -1;
}

int asyncio__ring_register(const struct asyncio__ring *ring, unsigned what, void *arg, unsigned n)
{
    int r = (int)syscall(SYS_io_uring_register, ring->fd, what, arg, n);

    return r < 0 ? -errno : r;
}

struct io_uring_sqe *asyncio__ring_next(struct asyncio__ring *ring)
{
    struct io_uring_sqe *sqe = &ring->sqes[ring->tail & ring->sq_mask];

    if (asyncio__ring_unsubmitted(ring) == ring->sq_entries)
        return NULL;
    memset(sqe, 0, sizeof *sqe);
    ring->tail++;
    return sqe;
}

unsigned asyncio__ring_unsubmitted(const struct asyncio__ring *ring)
{
    return ring->tail - __atomic_load_n(ring->sq_head, __ATOMIC_ACQUIRE);
}

static int64_t monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_SEC + now.tv_nsec;
}

/* The call itself. Returns: how many requests it took; a negative error. */
static int enter(struct asyncio__ring *ring, unsigned n, int64_t timeout_ns)
{
    struct __kernel_timespec timeout = {.tv_sec = timeout_ns / NS_PER_SEC, .tv_nsec = timeout_ns % NS_PER_SEC};
    struct io_uring_getevents_arg arg = {.ts = timeout_ns == NS_NEVER ? 0 : (uintptr_t)&timeout};
    unsigned flags = IORING_ENTER_GETEVENTS;
    unsigned all = n;
    int r = 0;

    if (UNLIKELY(asyncio__ring_seam != NULL) && asyncio__ring_seam->enter)
        r = asyncio__ring_seam->enter(asyncio__ring_seam->arg, &n, timeout_ns != 0);
    if (r < 0)
        return r;
    /* A kernel that takes less than it is offered does not wait. */
    if (n < all)
        timeout_ns = 0;
    ring->n_enters++;
    if (timeout_ns == 0)
        r = (int)syscall(SYS_io_uring_enter, ring->fd, n, 0, flags, NULL, 0);
    else
        r = (int)syscall(SYS_io_uring_enter, ring->fd, n, 1, flags | IORING_ENTER_EXT_ARG, &arg, sizeof arg);
    return r < 0 ? -errno : r;
}

int asyncio__ring_enter(struct asyncio__ring *ring, unsigned most, int64_t timeout_ns)
{
    int64_t end_ns = NS_NEVER;
    unsigned n;
    int r;

    __atomic_store_n(ring->sq_tail, ring->tail, __ATOMIC_RELEASE);
    n = asyncio__ring_unsubmitted(ring);
    if (n > most)
        n = most;
    if (timeout_ns > 0 && timeout_ns != NS_NEVER && n > 0)
        end_ns = ns_add(monotonic_ns(), timeout_ns);
    r = enter(ring, n, timeout_ns);
    asyncio__ring_show(ring);
    if (r < 0)
        /* Busy is a kernel that wants its completions to be taken first. */
        return r == -ETIME || r == -EBUSY || r == -EAGAIN ? 0 : r;
    /* Having taken requests it does not say why it waits no longer: when neither a completion nor the time is the
     * reason, a signal is. */
    if (timeout_ns > 0 && n > 0 && (unsigned)r == n && !asyncio__ring_ready(ring) && monotonic_ns() < end_ns)
        return -EINTR;
    return 0;
}

void asyncio__ring_show(struct asyncio__ring *ring)
{
    const struct asyncio__ring_seam *seam = asyncio__ring_seam;
    unsigned tail;

    if (LIKELY(!seam) || !seam->completion)
        return;
    tail = __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE);
    /* What was taken while there was no seam is gone. */
    if ((int)(*ring->cq_head - ring->n_shown) > 0)
        ring->n_shown = *ring->cq_head;
    for (; ring->n_shown != tail; ring->n_shown++)
        seam->completion(seam->arg, &ring->cqes[ring->n_shown & ring->cq_mask]);
}
