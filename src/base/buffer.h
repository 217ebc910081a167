/* buffer.h -- bytes that are kept in order: appended behind, consumed in front.
 *
 * Invariants:
 *   - what is kept is data[head] to data[head + size - 1]; nothing moves but in calls that say so;
 *   - the memory has one byte more than `capacity`, so that a NUL fits behind whatever is kept;
 *   - zeroed it is empty and holds no memory. */
#pragma once

#include "base.h"

struct asyncio__buffer {
    char *data;
    size_t head, size, capacity;
};

/* Where what is kept begins, and where the next byte goes. */
static inline char *asyncio__buffer_front(const struct asyncio__buffer *buffer)
{
    return buffer->data + buffer->head;
}

static inline char *asyncio__buffer_end(const struct asyncio__buffer *buffer)
{
    return buffer->data + buffer->head + buffer->size;
}

/* How many bytes fit behind what is kept. */
static inline size_t asyncio__buffer_room(const struct asyncio__buffer *buffer)
{
    return buffer->capacity - buffer->head - buffer->size;
}

/* Counts bytes that have been written at the end. */
static inline void asyncio__buffer_added(struct asyncio__buffer *buffer, size_t size)
{
    assert(size <= asyncio__buffer_room(buffer));
    buffer->size += size;
}

/* Takes bytes away in front. They stay where they are until a call that moves, and may be read until then. */
static inline void asyncio__buffer_consume(struct asyncio__buffer *buffer, size_t size)
{
    assert(size <= buffer->size);
    buffer->head += size;
    buffer->size -= size;
    if (buffer->size == 0)
        buffer->head = 0;
}

/* Makes room for `size` bytes behind; may move. Returns: 0; -ENOMEM, and everything is kept. */
int asyncio__buffer_reserve(struct asyncio__buffer *buffer, size_t size);

/* Adds bytes behind; may move. Returns: 0; -ENOMEM, likewise. */
int asyncio__buffer_append(struct asyncio__buffer *buffer, const void *data, size_t size);

/* Puts bytes back in front; may move. Returns: 0; -ENOMEM, likewise. */
int asyncio__buffer_prepend(struct asyncio__buffer *buffer, const void *data, size_t size);

/* Moves bytes from the front to `data`. Returns: how many, `size` at most. */
size_t asyncio__buffer_take(struct asyncio__buffer *buffer, void *data, size_t size);

/* Gives the memory away, which whoever gets it frees: what was kept at its front, with a NUL behind. The buffer is
 * empty then. Returns: NULL when out of memory, and everything is kept. */
char *asyncio__buffer_give_away(struct asyncio__buffer *buffer);

/* Frees the memory; the buffer is empty then. */
void asyncio__buffer_fini(struct asyncio__buffer *buffer);
