/* errands.c -- nodes that other threads bring, and what becomes of them when the loop is closed.
 *
 * Of an errand that is under way when the loop closes, the two sides let go one after the other; the second one frees
 * it. */
#include "errands.h"

enum errand_state {
    ERRAND_OPEN,
    ERRAND_LOST,      /* it could not be delivered: the loop's close frees it */
    ERRAND_ABANDONED, /* the loop was closed: whoever would have delivered it frees it */
};

static void free_errand(struct asyncio__errand *errand)
{
    struct asyncio_loop *loop = errand->loop;

    errand->kind->free(errand);
    asyncio_loop_unref(loop);
}

static void errand_run(struct asyncio_node *node)
{
    struct asyncio__errand *errand = CONTAINER_OF(node, struct asyncio__errand, node);

    list_remove(&errand->link);
    errand->kind->arrived(errand);
    free_errand(errand);
}

void asyncio__errand_init(struct asyncio__errand *errand, const struct asyncio__errand_kind *kind,
                          struct asyncio_loop *loop)
{
    asyncio_node_init(&errand->node, errand_run, NULL);
    list_init(&errand->link);
    errand->kind = kind;
    errand->loop = asyncio_loop_ref(loop);
    atomic_init(&errand->state, ERRAND_OPEN);
}

void asyncio__errand_expect(struct asyncio__errand *errand)
{
    list_ready(&errand->loop->errands);
    list_push_back(&errand->loop->errands, &errand->link);
}

void asyncio__errand_deliver(struct asyncio__errand *errand)
{
    if (asyncio_loop_post(errand->loop, &errand->node) == 0)
        return;
    if (atomic_exchange(&errand->state, ERRAND_LOST) == ERRAND_ABANDONED)
        free_errand(errand);
}

void asyncio__errand_drop(struct asyncio__errand *errand)
{
    list_remove(&errand->link);
    free_errand(errand);
}

/* Ends the errands among nodes that will not run. What that schedules comes to the end of the same list. */
static void close_arrived(struct asyncio_link *nodes)
{
    struct asyncio_link others, *link;

    list_init(&others);
    while ((link = list_pop_front(nodes))) {
        struct asyncio__errand *errand = LIST_ENTRY(link, struct asyncio__errand, node.link);

        if (CONTAINER_OF(link, struct asyncio_node, link)->run != errand_run) {
            list_push_back(&others, link);
            continue;
        }
        list_remove(&errand->link);
        errand->kind->closed(errand);
        free_errand(errand);
    }
    list_splice_back(nodes, &others);
}

void asyncio__errands_close(struct asyncio_loop *loop)
{
    struct asyncio_link *link;

    close_arrived(&loop->ready);
    while ((link = list_pop_front(&loop->errands))) {
        struct asyncio__errand *errand = LIST_ENTRY(link, struct asyncio__errand, link);

        if (errand->kind->closed(errand) || atomic_exchange(&errand->state, ERRAND_ABANDONED) == ERRAND_LOST)
            free_errand(errand);
    }
}
