/* posts.c -- the door for other threads and signal handlers: nodes pushed on a lock-free stack, and memory that needs no malloc.
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

    while (atomic_load(&loop->posters) > 0)
        sched_yield();
    while (link) {
        struct asyncio_link *next = link->next;

        list_push_back(&loop->ready, link);
        link = next;
    }
}

/* ------------------------------------------------------------------------------------------------------------- Memory
 *
 * malloc must not be called in a signal handler. Handles for posts come from chunks of one mapping each, with a bit per handle; chunks are
 * only ever added, and freed with the loop. */

#define HANDLES_PER_CHUNK 32

struct asyncio__post_chunk {
    struct asyncio__post_chunk *next;
    _Atomic(uint32_t) used;
    struct asyncio_handle handles[HANDLES_PER_CHUNK];
};

static struct asyncio__post_chunk *add_chunk(struct asyncio_loop *loop)
{
    struct asyncio__post_chunk *chunk =
        mmap(NULL, sizeof *chunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (chunk == MAP_FAILED)
        return NULL;
    chunk->next = atomic_load(&loop->post_chunks);
    while (!atomic_compare_exchange_weak(&loop->post_chunks, &chunk->next, chunk))
        ;
    return chunk;
}

static struct asyncio_handle *take(struct asyncio__post_chunk *chunk)
{
    uint32_t used = atomic_load(&chunk->used);

    while ((uint32_t)~used != 0) {
        unsigned bit = (unsigned)__builtin_ctz((uint32_t)~used);

        if (atomic_compare_exchange_weak(&chunk->used, &used, used | (UINT32_C(1) << bit)))
            return &chunk->handles[bit];
    }
    return NULL;
}

struct asyncio_handle *asyncio__post_handle_new(struct asyncio_loop *loop)
{
    struct asyncio__post_chunk *chunk;
    struct asyncio_handle *handle = NULL;

    if (asyncio__mem_fault())
        return NULL;
    for (chunk = atomic_load(&loop->post_chunks); chunk && !(handle = take(chunk)); chunk = chunk->next)
        ;
    while (!handle) {
        chunk = add_chunk(loop);
        if (!chunk)
            return NULL;
        handle = take(chunk);
    }
    *handle = (struct asyncio_handle){.loop = loop, .chunk = chunk};
    asyncio_node_init(&handle->timer.node, asyncio__handle_run_threadsafe, NULL);
    atomic_store(&handle->refs, 1);
    return handle;
}

void asyncio__post_handle_free(struct asyncio_handle *handle)
{
    struct asyncio__post_chunk *chunk = handle->chunk;
    uint32_t bit = UINT32_C(1) << (handle - chunk->handles);

    atomic_fetch_and(&chunk->used, ~bit);
}

void asyncio__posts_free(struct asyncio_loop *loop)
{
    struct asyncio__post_chunk *chunk = atomic_load(&loop->post_chunks);

    while (chunk) {
        struct asyncio__post_chunk *next = chunk->next;

        munmap(chunk, sizeof *chunk);
        chunk = next;
    }
}
