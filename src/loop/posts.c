/* posts.c -- the door for other threads and signal handlers: nodes pushed on a lock-free stack, and memory that needs
 * no malloc.
 *
 * A poster counts itself in `posters` while it touches the loop, so that a close can wait until the last one is out. */
#include "handles.h"

#include <sched.h>
#include <sys/mman.h>

/* Stands for the stack of a loop that is closed. */
static struct asyncio_node posts_closed;

bool asyncio__posts_refused(const struct asyncio_loop *loop)
{
    return atomic_load(&loop->posts) == &posts_closed;
}

int asyncio_loop_post(struct asyncio_loop *loop, struct asyncio_node *node)
{
    struct asyncio_node *head;
    int r = 0;

    if (!loop || !node)
        return -EINVAL;
    atomic_fetch_add(&loop->posters, 1);
    head = atomic_load(&loop->posts);
    do {
        if (head == &posts_closed) {
            r = -ASYNCIO_ECLOSED;
            break;
        }
        node->link.next = head ? &head->link : NULL;
    } while (!atomic_compare_exchange_weak(&loop->posts, &head, node));
    /* Whoever found the stack empty wakes; for those that follow the loop is awake already. */
    if (r == 0 && !head)
        loop->ops->wake(loop->backend);
    atomic_fetch_sub(&loop->posters, 1);
    return r;
}

void asyncio_loop_release(struct asyncio_loop *loop)
{
    if (!loop)
        return;
    atomic_fetch_add(&loop->posters, 1);
    /* A loop that blocks has to look for a dead lock again once nobody has promised to wake it. */
    if (atomic_fetch_sub(&loop->holds, 1) == 1 && !asyncio__posts_refused(loop))
        loop->ops->wake(loop->backend);
    atomic_fetch_sub(&loop->posters, 1);
}

/* The stack has the newest on top; turning it over gives the order of arrival. */
static struct asyncio_link *in_order(struct asyncio_node *newest)
{
    struct asyncio_link *link = newest ? &newest->link : NULL, *ordered = NULL;

    while (link) {
        struct asyncio_link *older = link->next;

        link->next = ordered;
        ordered = link;
        link = older;
    }
    return ordered;
}

void asyncio__posts_collect_slow(struct asyncio_loop *loop)
{
    struct asyncio_link *link = in_order(atomic_exchange(&loop->posts, NULL));

    while (link) {
        struct asyncio_link *next = link->next;

        list_push_back(&loop->ready, link);
        link = next;
    }
}

void asyncio__posts_close(struct asyncio_loop *loop)
{
    struct asyncio_link *link = in_order(atomic_exchange(&loop->posts, &posts_closed));

    /* Whoever was at it when a child was forked is a thread of the parent's. */
    while (atomic_load(&loop->posters) > 0 && !asyncio__loop_forked(loop))
        sched_yield();
    while (link) {
        struct asyncio_link *next = link->next;

        list_push_back(&loop->ready, link);
        link = next;
    }
}

/* ------------------------------------------------------------------------------------------------------------- Memory
 *
 * malloc must not be called in a signal handler, nor a lock be taken. Handles for posts lie in chunks, a mapping each
 * and each twice as large as the one before; chunks are only ever added, and freed with the loop. The handles are
 * numbered from 1 through all chunks. One that is not used is on a stack of free ones, or has never been used: both
 * are found at once, however many are in use. */

#define FIRST_CHUNK  32U
#define MOST_HANDLES (FIRST_CHUNK * ((UINT32_C(1) << ASYNCIO__POST_CHUNKS) - 1))

/* The top of the stack is a number below a tag, which every take changes: a number that was taken and put back
 * meanwhile is not mistaken for one that was there all the time, with the same one below it. */
#define NUMBER_BITS 28
#define NUMBER_MASK ((UINT64_C(1) << NUMBER_BITS) - 1)
#define TAG_STEP    (UINT64_C(1) << NUMBER_BITS)

static_assert(MOST_HANDLES <= NUMBER_MASK, "a number fits below the tag");

static unsigned chunk_of(uint32_t number)
{
    return 31U - (unsigned)__builtin_clz((number - 1) / FIRST_CHUNK + 1);
}

static size_t chunk_size(unsigned chunk)
{
    return ((size_t)FIRST_CHUNK << chunk) * sizeof(struct asyncio_handle);
}

static struct asyncio_handle *handle_of(struct asyncio_loop *loop, uint32_t number)
{
    unsigned chunk = chunk_of(number);
    uint32_t before = FIRST_CHUNK * ((UINT32_C(1) << chunk) - 1);

    return &atomic_load(&loop->post_memory.chunks[chunk])[number - 1 - before];
}

/* Two may map the same chunk at once; one of them does it in vain. */
static bool have_chunk(struct asyncio_loop *loop, unsigned chunk)
{
    struct asyncio_handle *handles, *none = NULL;

    if (atomic_load(&loop->post_memory.chunks[chunk]))
        return true;
    handles = mmap(NULL, chunk_size(chunk), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (handles == MAP_FAILED)
        return false;
    if (!atomic_compare_exchange_strong(&loop->post_memory.chunks[chunk], &none, handles))
        munmap(handles, chunk_size(chunk));
    return true;
}

/* What is read of a handle that another thread takes at the same time is old, but it is there to be read. */
static struct asyncio_handle *take_free(struct asyncio_loop *loop)
{
    uint64_t top = atomic_load(&loop->post_memory.free), below;
    struct asyncio_handle *handle;

    do {
        if ((top & NUMBER_MASK) == 0)
            return NULL;
        handle = handle_of(loop, (uint32_t)(top & NUMBER_MASK));
        below = ((top & ~NUMBER_MASK) + TAG_STEP) | atomic_load(&handle->next_free);
    } while (!atomic_compare_exchange_weak(&loop->post_memory.free, &top, below));
    return handle;
}

static struct asyncio_handle *take_unused(struct asyncio_loop *loop)
{
    uint32_t last = atomic_load(&loop->post_memory.n_used);
    struct asyncio_handle *handle;

    do {
        if (last == MOST_HANDLES || !have_chunk(loop, chunk_of(last + 1)))
            return NULL;
    } while (!atomic_compare_exchange_weak(&loop->post_memory.n_used, &last, last + 1));
    handle = handle_of(loop, last + 1);
    handle->post_number = last + 1;
    return handle;
}

struct asyncio_handle *asyncio__post_handle_new(struct asyncio_loop *loop)
{
    struct asyncio_handle *handle;

    if (asyncio__mem_fault())
        return NULL;
    handle = take_free(loop);
    if (!handle)
        handle = take_unused(loop);
    if (!handle)
        return NULL;
    /* Not all at once: `next_free` may be read at any time. */
    asyncio_node_init(&handle->timer.node, asyncio__handle_run_threadsafe, NULL);
    handle->loop = loop;
    handle->context = NULL;
    handle->timed = false;
    atomic_store(&handle->refs, 1);
    atomic_store(&handle->state, HANDLE_SCHEDULED);
    return handle;
}

void asyncio__post_handle_free(struct asyncio_handle *handle)
{
    struct asyncio__post_memory *memory = &handle->loop->post_memory;
    uint64_t top = atomic_load(&memory->free);

    do
        atomic_store(&handle->next_free, (uint32_t)(top & NUMBER_MASK));
    while (!atomic_compare_exchange_weak(&memory->free, &top, (top & ~NUMBER_MASK) | handle->post_number));
}

void asyncio__posts_free(struct asyncio_loop *loop)
{
    for (unsigned chunk = 0; chunk < ASYNCIO__POST_CHUNKS; chunk++) {
        struct asyncio_handle *handles = atomic_load(&loop->post_memory.chunks[chunk]);

        if (handles)
            munmap(handles, chunk_size(chunk));
    }
}
