/* ring_buffers.c -- the ring of provided buffers, shared with the kernel. */
#include "ring_buffers.h"

#include <sys/mman.h>
#include <unistd.h>

/* Puts a buffer behind those that the kernel has; told by the next store of the tail. */
static void put(struct asyncio__ring_buffers *buffers, unsigned number)
{
    struct io_uring_buf *entry = &buffers->entries->bufs[buffers->tail & (buffers->n - 1)];

    /* The last field shares its place with the tail, in the first entry. */
    entry->addr = (uintptr_t)asyncio__ring_buffer(buffers, number);
    entry->len = buffers->size;
    entry->bid = (uint16_t)number;
    buffers->tail++;
}

static void publish(struct asyncio__ring_buffers *buffers)
{
    __atomic_store_n(&buffers->entries->tail, buffers->tail, __ATOMIC_RELEASE);
}

int asyncio__ring_buffers_move(struct asyncio__ring_buffers *buffers, const struct asyncio__ring *ring)
{
    struct io_uring_buf_reg about = {
        .ring_addr = (uintptr_t)buffers->entries, .ring_entries = buffers->n, .bgid = ASYNCIO__RING_GROUP};
    int r;

    if (!buffers->entries)
        return 0;
    r = asyncio__ring_register(ring, IORING_REGISTER_PBUF_RING, &about, 1);
    if (r < 0)
        return r;
    buffers->tail = 0;
    for (unsigned i = 0; i < buffers->n; i++)
        if (!buffers->states[i].is_taken)
            put(buffers, i);
    publish(buffers);
    return 0;
}

int asyncio__ring_buffers_open(struct asyncio__ring_buffers *buffers, const struct asyncio__ring *ring, unsigned n,
                               unsigned size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), entries = n * sizeof(struct io_uring_buf);
    size_t states = n * sizeof(struct asyncio__ring_buffer_state);
    unsigned char *map;
    int r;

    assert(n > 0 && (n & (n - 1)) == 0 && n <= 32768);
    *buffers = (struct asyncio__ring_buffers){.n = n, .size = size};
    entries = (entries + page - 1) / page * page;
    buffers->map_size = entries + states + (size_t)n * size;
    map = mmap(NULL, buffers->map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return -ENOMEM;
    /* After a fork the kernel would go on with the child's page, or with a copy that nobody writes to. */
    madvise(map, entries, MADV_DONTFORK);
    buffers->entries = (void *)map;
    buffers->states = (void *)(map + entries);
    buffers->memory = map + entries + states;
    r = asyncio__ring_buffers_move(buffers, ring);
    if (r < 0)
        asyncio__ring_buffers_close(buffers);
    return r;
}

void asyncio__ring_buffers_close(struct asyncio__ring_buffers *buffers)
{
    if (buffers->entries)
        munmap(buffers->entries, buffers->map_size);
    *buffers = (struct asyncio__ring_buffers){0};
}

void asyncio__ring_buffer_give(struct asyncio__ring_buffers *buffers, unsigned number)
{
    /* They are closed already, as in a forked child they have to be. */
    if (!buffers->entries)
        return;
    assert(buffers->states[number].is_taken);
    buffers->states[number].is_taken = false;
    buffers->n_taken--;
    put(buffers, number);
    publish(buffers);
}
