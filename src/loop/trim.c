/* trim.c -- when a loop gives back memory: what a burst took goes, by halves, in the quiet seconds after it.
 *
 * - Each trim halves what was not needed since the last one. So a loop with nothing to do wakes up for it some twenty
 *   times after a burst of a million, a second apart, and then never again.
 * - What takes long is done in pieces of a millisecond or so with polls between them; a loop that is never idle does a
 *   piece now and then.
 * - Libc's heap is trimmed when a megabyte of it has been freed since the last time: what lies between pieces that are
 *   still in use would stay resident.
 * - The simulator's time does not pass for the sake of memory: there, whatever is due is done at once. */
#include "loop.h"

#define PERIOD_NS     NS_PER_SEC
#define BUSY_PAUSE_NS (20 * NS_PER_MSEC)

/* How much is a megabyte, in pieces of ordinary size, and how many of these make a chunk of a pool. */
#define MEGABYTE_OF_PIECES 4096
#define CHUNK_OF_PIECES    256

/* A trim is worth its time for a megabyte and, after that, for the rest of the same burst. */
static int64_t worth_a_trim(const struct asyncio__trims *trims)
{
    return trims->heap_decays ? CHUNK_OF_PIECES : MEGABYTE_OF_PIECES;
}

static bool heap_has_surplus(const struct asyncio__trims *trims)
{
    int64_t most = max_i64(trims->n_pieces_most, trims->n_pieces_peak);

    return most - asyncio_allocated() + trims->n_pieces_freed >= worth_a_trim(trims);
}

static bool pools_have_surplus(const struct asyncio_loop *loop)
{
    return asyncio__pool_has_surplus(&loop->handles) || (loop->front && loop->front->has_surplus(loop));
}

/* Returns: whether there is more to do at once. */
static bool trim_pools(struct asyncio_loop *loop)
{
    int64_t n_before = asyncio_allocated();
    bool more = asyncio__pool_trim(&loop->handles);

    if (loop->front)
        more |= loop->front->trim(loop);
    loop->trims.n_pieces_freed += max_i64(n_before - asyncio_allocated(), 0) * CHUNK_OF_PIECES;
    return more;
}

/* At the end of a period; the heap has to wait for one without a burst. */
static void trim_heap(struct asyncio__trims *trims)
{
    int64_t n_pieces = asyncio_allocated();
    bool was_quiet = trims->n_pieces_peak - n_pieces < worth_a_trim(trims);

    if (was_quiet && heap_has_surplus(trims)) {
        asyncio__heap_trim();
        *trims = (struct asyncio__trims){.n_pieces_most = n_pieces, .heap_decays = true};
    } else if (was_quiet) {
        trims->heap_decays = false;
    }
    trims->n_pieces_most = max_i64(trims->n_pieces_most, trims->n_pieces_peak);
    trims->n_pieces_peak = n_pieces;
}

int64_t asyncio__loop_trim_due(const struct asyncio_loop *loop)
{
    bool wanted = pools_have_surplus(loop) || heap_has_surplus(&loop->trims);

    return wanted && !loop->ops->simulated ? loop->trims.due_ns : NS_NEVER;
}

int64_t asyncio__loop_trim(struct asyncio_loop *loop, bool busy)
{
    struct asyncio__trims *trims = &loop->trims;
    int64_t pause_ns = PERIOD_NS;
    bool more;

    trims->n_pieces_peak = max_i64(trims->n_pieces_peak, asyncio_allocated());
    if (loop->last_poll_ns >= trims->due_ns) {
        while ((more = trim_pools(loop)) && loop->ops->simulated)
            ;
        if (more)
            pause_ns = busy ? BUSY_PAUSE_NS : 0;
        else
            trim_heap(trims);
        trims->due_ns = ns_add(loop->last_poll_ns, pause_ns);
    }
    return asyncio__loop_trim_due(loop);
}
