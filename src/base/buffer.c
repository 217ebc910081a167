/* buffer.c -- bytes that are kept in order.
 *
 * Consumed room in front is used again when there is at least as much of it as there is to move; else the memory is
 * doubled. So each byte is moved a few times at most, however it comes and goes. */
#include "buffer.h"

#include "mem.h"

static void move_to_front(struct asyncio__buffer *buffer)
{
    if (buffer->head == 0)
        return;
    memmove(buffer->data, buffer->data + buffer->head, buffer->size);
    buffer->head = 0;
}

int asyncio__buffer_reserve(struct asyncio__buffer *buffer, size_t size)
{
    size_t needed, capacity;
    char *data;

    if (size <= asyncio__buffer_room(buffer))
        return 0;
    if (size > PTRDIFF_MAX - 1 - buffer->head - buffer->size)
        return -ENOMEM;
    if (buffer->size <= buffer->head)
        move_to_front(buffer);
    needed = buffer->head + buffer->size + size;
    if (needed <= buffer->capacity)
        return 0;
    capacity = buffer->capacity < PTRDIFF_MAX / 2 ? asyncio__grown(buffer->capacity, needed, 0) : needed;
    data = asyncio__realloc(buffer->data, capacity + 1);
    if (!data)
        return -ENOMEM;
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

int asyncio__buffer_append(struct asyncio__buffer *buffer, const void *data, size_t size)
{
    int r = asyncio__buffer_reserve(buffer, size);

    if (r < 0)
        return r;
    if (size > 0)
        memcpy(asyncio__buffer_end(buffer), data, size);
    asyncio__buffer_added(buffer, size);
    return 0;
}

int asyncio__buffer_prepend(struct asyncio__buffer *buffer, const void *data, size_t size)
{
    if (size > buffer->head) {
        int r = asyncio__buffer_reserve(buffer, size);

        if (r < 0)
            return r;
        memmove(buffer->data + size, asyncio__buffer_front(buffer), buffer->size);
        buffer->head = size;
    }
    if (size > 0)
        memcpy(buffer->data + buffer->head - size, data, size);
    buffer->head -= size;
    buffer->size += size;
    return 0;
}

size_t asyncio__buffer_take(struct asyncio__buffer *buffer, void *data, size_t size)
{
    size = min_size(size, buffer->size);
    if (size > 0)
        memcpy(data, asyncio__buffer_front(buffer), size);
    asyncio__buffer_consume(buffer, size);
    return size;
}

char *asyncio__buffer_give_away(struct asyncio__buffer *buffer)
{
    char *data = buffer->data ? buffer->data : asyncio__malloc(1), *smaller;
    size_t size = buffer->size;

    if (!data)
        return NULL;
    buffer->data = data;
    move_to_front(buffer);
    *buffer = (struct asyncio__buffer){.data = NULL};
    data[size] = '\0';
    smaller = asyncio__realloc(data, size + 1);
    return smaller ? smaller : data;
}

void asyncio__buffer_fini(struct asyncio__buffer *buffer)
{
    asyncio__free(buffer->data);
    *buffer = (struct asyncio__buffer){.data = NULL};
}
