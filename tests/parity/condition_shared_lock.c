/* Two conditions on one lock: a bounded buffer of the program's own (CV-01). */

#include "parity.h"

#define ROOM  2
#define ITEMS 6

struct buffer {
    struct asyncio_lock lock;
    struct asyncio_condition not_full, not_empty;
    int items[ROOM];
    int first, count;
};

static int buffer_put(struct buffer *buffer, int item)
{
    int acquired, r = 0;

    ASYNCIO_WITH(lock, &buffer->lock, acquired) {
        while (buffer->count == ROOM && r >= 0)
            r = asyncio_condition_wait(&buffer->not_full);
        if (r < 0)
            break;
        buffer->items[(buffer->first + buffer->count++) % ROOM] = item;
        asyncio_condition_notify(&buffer->not_empty, 1);
    }
    return acquired < 0 ? acquired : r;
}

static int buffer_get(struct buffer *buffer)
{
    int acquired, r = 0;

    ASYNCIO_WITH(lock, &buffer->lock, acquired) {
        while (buffer->count == 0 && r >= 0)
            r = asyncio_condition_wait(&buffer->not_empty);
        if (r < 0)
            break;
        r = buffer->items[buffer->first];
        buffer->first = (buffer->first + 1) % ROOM;
        buffer->count--;
        asyncio_condition_notify(&buffer->not_full, 1);
    }
    return acquired < 0 ? acquired : r;
}

static int producer(void *arg)
{
    for (int item = 0; item < ITEMS; item++) {
        TRY(buffer_put(arg, item));
        say("put %d", item);
        TRY(asyncio_sleep(0.1));
    }
    return 0;
}

static int consumer(struct buffer *buffer)
{
    int total = 0;

    for (int i = 0; i < ITEMS; i++) {
        int item = buffer_get(buffer);
        TRY(item);
        say("got %d", item);
        total += item;
        TRY(asyncio_sleep(0.25));
    }
    return total;
}

static int main_task(void *arg)
{
    struct buffer buffer = {0};

    (void)arg;
    asyncio_condition_init(&buffer.not_full, &buffer.lock);
    asyncio_condition_init(&buffer.not_empty, &buffer.lock);
    struct asyncio_future *filling = asyncio_create_task(producer, &buffer);
    nap(0.45);
    say("total %d", consumer(&buffer));
    TRY(take(filling));
    asyncio_condition_fini(&buffer.not_full);
    asyncio_condition_fini(&buffer.not_empty);
    asyncio_lock_fini(&buffer.lock);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
