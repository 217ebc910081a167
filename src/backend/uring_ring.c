/* uring_ring.c -- which ring the kernel gives us, and whose it is. */
#include "uring.h"

#include <stdatomic.h>

/* Workers for what the kernel cannot do by itself, at most: operations on files, and nothing else that is asked
 * here. */
#define MOST_WORKERS 4

/* Sets of flags from the best on, for Linux 6.1, 5.19, 5.18 and older. */
static const unsigned setups[] = {
    IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_SUBMIT_ALL,
    0,
};

static const uint8_t needed_opcodes[] = {IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL, IORING_OP_RECV};

/* Asks what the kernel can do. Returns: 0; -EOPNOTSUPP when that is too little; another negative error. */
static int check_opcodes(const struct asyncio__ring *ring, uint64_t *ret_opcodes)
{
    enum { N_OPCODES = 64 };
    _Alignas(struct io_uring_probe) char
        memory[sizeof(struct io_uring_probe) + N_OPCODES * sizeof(struct io_uring_probe_op)] = {0};
    struct io_uring_probe *probe = (void *)memory;
    int r = asyncio__ring_register(ring, IORING_REGISTER_PROBE, probe, N_OPCODES);

    for (unsigned i = 0; r >= 0 && i < N_OPCODES && i <= probe->last_op; i++)
        if (probe->ops[i].flags & IO_URING_OP_SUPPORTED)
            *ret_opcodes |= UINT64_C(1) << i;
    for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(needed_opcodes); i++)
        if (!(*ret_opcodes >> needed_opcodes[i] & 1))
            r = -EOPNOTSUPP;
    return r < 0 ? r : 0;
}

static int make_ring(struct asyncio_backend *backend, struct asyncio__ring *ring)
{
    const struct asyncio__uring_options *options = &backend->options;
    unsigned workers[2] = {MOST_WORKERS, MOST_WORKERS};
    int r = asyncio__ring_open(ring, options->entries, options->completions, backend->setup);

    if (r < 0)
        return r;
    /* Linux before 5.15 cannot bound them. */
    asyncio__ring_register(ring, IORING_REGISTER_IOWQ_MAX_WORKERS, workers, 2);
    if (backend->embedded_fd >= 0)
        r = asyncio__ring_register(ring, IORING_REGISTER_EVENTFD, &backend->embedded_fd, 1);
    if (r < 0)
        asyncio__ring_close(ring, false);
    return r < 0 ? r : 0;
}

int asyncio__uring_open_ring(struct asyncio_backend *backend)
{
    int r = -EINVAL;

    for (size_t i = backend->options.plain ? 1 : 0; r == -EINVAL && i < ARRAY_SIZE(setups); i++) {
        backend->setup = setups[i];
        r = make_ring(backend, &backend->ring);
    }
    if (r < 0)
        return r;
    r = check_opcodes(&backend->ring, &backend->opcodes);
    if (r < 0)
        asyncio__ring_close(&backend->ring, false);
    return r;
}

/* A number of the calling thread that no other one has or will have. */
static uint64_t this_thread(void)
{
    static _Atomic uint64_t last;
    static _Thread_local uint64_t number;

    if (!number)
        number = atomic_fetch_add(&last, 1) + 1;
    return number;
}

/* Another thread's ring cannot be used here: what it has is begun again on a new one. */
static int replace_ring(struct asyncio_backend *backend)
{
    struct asyncio__ring ring;
    int r;

    if (backend->n_transfers > 0)
        return -EXDEV;
    r = make_ring(backend, &ring);
    if (r < 0)
        return r;
    asyncio__uring_keep_all(backend);
    if (asyncio__ring_buffers_move(&backend->ahead, &ring) < 0)
        backend->no_inflow = true;
    asyncio__ring_close(&backend->ring, false);
    backend->ring = ring;
    backend->waker_watched = false;
    asyncio__uring_begin_again(backend);
    return 0;
}

int asyncio__uring_bind(struct asyncio_backend *backend)
{
    uint64_t thread = this_thread();
    int r = 0;

    if (LIKELY(backend->thread == thread))
        return 0;
    if (backend->thread != 0 && (backend->setup & IORING_SETUP_SINGLE_ISSUER))
        r = replace_ring(backend);
    if (r == 0 && (backend->setup & IORING_SETUP_R_DISABLED))
        r = asyncio__ring_register(&backend->ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    if (r >= 0)
        backend->thread = thread;
    return r < 0 ? r : 0;
}
