#include "chunks.h"

#include "../base/hostile.h"
#include "../base/mem.h"

static size_t room(const struct asyncio__chunk *chunk)
{
    return chunk ? chunk->capacity - chunk->end : 0;
}

/* Copies as much as fits. Returns: how much. */
static size_t fill(struct asyncio__chunk *chunk, const unsigned char *data, size_t size)
{
    size = min_size(size, room(chunk));
    if (size > 0) {
        memcpy(chunk->data + chunk->end, data, size);
        chunk->end += size;
    }
    return size;
}

static struct asyncio__chunk *new_chunk(size_t capacity)
{
    struct asyncio__chunk *chunk = asyncio__malloc(sizeof *chunk + capacity);

    if (chunk)
        *chunk = (struct asyncio__chunk){.capacity = capacity};
    return chunk;
}

int asyncio__chunks_append(struct asyncio__chunks *chunks, const struct asyncio_bytes *pieces, size_t n, size_t skip)
{
    struct asyncio__chunk *last = chunks->last, *added = NULL;
    size_t total = 0;

    for (size_t i = 0; i < n; i++)
        total += pieces[i].size;
    total -= skip;
    /* All memory first, so that a failure leaves no half. */
    if (total > room(last)) {
        size_t usual = !last && total <= ASYNCIO__SMALL_CHUNK ? ASYNCIO__SMALL_CHUNK : ASYNCIO__CHUNK_SIZE;

        added = new_chunk(max_size(total - room(last), asyncio__least(usual)));
        if (!added)
            return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        size_t skipped = min_size(skip, pieces[i].size), filled;
        const unsigned char *data = pieces[i].data;

        if (skipped == pieces[i].size) {
            skip -= skipped;
            continue;
        }
        skip = 0;
        filled = skipped + fill(last, data + skipped, pieces[i].size - skipped);
        fill(added, data + filled, pieces[i].size - filled);
    }
    chunks->size += total;
    if (added) {
        *(last ? &last->next : &chunks->first) = added;
        chunks->last = added;
    }
    return 0;
}

struct asyncio__chunk *asyncio__chunks_pop(struct asyncio__chunks *chunks)
{
    struct asyncio__chunk *chunk = chunks->first;

    if (!chunk)
        return NULL;
    chunks->size -= chunk->end - chunk->start;
    chunks->first = chunk->next;
    if (!chunks->first)
        chunks->last = NULL;
    return chunk;
}

void asyncio__chunks_put_back(struct asyncio__chunks *chunks, struct asyncio__chunk *chunk)
{
    assert(chunk->start < chunk->end);
    chunk->next = chunks->first;
    chunks->first = chunk;
    if (!chunks->last)
        chunks->last = chunk;
    chunks->size += chunk->end - chunk->start;
}

void asyncio__chunks_take(struct asyncio__chunks *chunks, size_t size)
{
    struct asyncio__chunk *chunk = chunks->first;

    if (size == 0)
        return;
    assert(chunk && size <= chunk->end - chunk->start);
    chunk->start += size;
    chunks->size -= size;
    if (chunk->start == chunk->end)
        asyncio__free(asyncio__chunks_pop(chunks));
}

void asyncio__chunks_clear(struct asyncio__chunks *chunks)
{
    struct asyncio__chunk *chunk;

    while ((chunk = asyncio__chunks_pop(chunks)))
        asyncio__free(chunk);
}
