/* chunks.h -- bytes that are kept in order: appended at the end, taken from the front.
 *
 * Invariants:
 *   - bytes that were appended never move, so that the kernel may have the front while more is appended;
 *   - a chunk goes as soon as its last byte is taken; with no bytes there is no memory;
 *   - `size` is what is there: it is kept, never counted. */
#pragma once

#include "../base/base.h"

/* The capacity of a chunk, unless more is appended at once: few allocations for many small pieces. */
#define ASYNCIO__CHUNK_SIZE ((size_t)16 * 1024)

/* The least one, for a first small piece that may be sent before there is a second: allocators are quick with it. */
#define ASYNCIO__SMALL_CHUNK ((size_t)960)

struct asyncio__chunk {
    struct asyncio__chunk *next;
    size_t start, end, capacity; /* the bytes from start to end are there */
    unsigned char data[];
};

/* Valid when zeroed. */
struct asyncio__chunks {
    struct asyncio__chunk *first, *last;
    size_t size;
};

/* Appends all of the pieces but their first `skip` bytes. Returns: 0; -ENOMEM, and nothing was appended. */
int asyncio__chunks_append(struct asyncio__chunks *chunks, const struct asyncio_bytes *pieces, size_t n, size_t skip);

/* Takes up to as many bytes from the front as the first chunk has. */
void asyncio__chunks_take(struct asyncio__chunks *chunks, size_t size);

/* Takes the whole first chunk off, which the caller frees; NULL when there is none. */
struct asyncio__chunk *asyncio__chunks_pop(struct asyncio__chunks *chunks);

/* Puts back a chunk that was taken off and has bytes left. */
void asyncio__chunks_put_back(struct asyncio__chunks *chunks, struct asyncio__chunk *chunk);

/* Frees everything. */
void asyncio__chunks_clear(struct asyncio__chunks *chunks);
