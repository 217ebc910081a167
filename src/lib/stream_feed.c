/* stream_feed.c -- a reader that does not receive by itself, but gets what somebody feeds or TLS has decrypted: flow
 * control, waiting, and whatever comes to a reader from outside. What a read has lent stays valid meanwhile: its memory
 * is set aside before the buffer moves. */
#include "../base/mem.h"
#include "../task/task.h"
#include "streams.h"

int asyncio_streamreader_kw(struct asyncio_streamreader **ret_reader, const struct asyncio_streamreader_kw *kw)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_streamreader *reader;

    if (!ret_reader || (kw && !kw->pause != !kw->resume))
        return -EINVAL;
    if (!loop)
        return -ASYNCIO_ENOLOOP;
    reader = asyncio__calloc(sizeof *reader);
    if (!reader)
        return -ENOMEM;
    asyncio__reader_init(reader, loop, kw ? kw->limit : 0);
    if (kw) {
        reader->pause = kw->pause;
        reader->resume = kw->resume;
        reader->arg = kw->arg;
    }
    *ret_reader = reader;
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- Waiting */

static const struct asyncio_wait_kind feed_kind = {
    .name = "data of a stream",
    .late = ASYNCIO_LATE_KEEP,
};

void asyncio__reader_pause(struct asyncio_streamreader *reader)
{
    if (reader->is_paused)
        return;
    reader->is_paused = true;
    reader->pause(reader->arg);
}

void asyncio__reader_resume(struct asyncio_streamreader *reader)
{
    reader->is_paused = false;
    reader->resume(reader->arg);
}

ASYNCIO__SUSPENDS int asyncio__reader_await_feed(struct asyncio_streamreader *reader)
{
    struct asyncio_waiter waiter;
    size_t size = reader->buffer.size;
    int r;

    if (reader->is_paused) {
        asyncio__reader_resume(reader);
        if (reader->buffer.size != size || reader->eof || reader->error)
            return reader->error ? reader->error : 1;
    }
    if (size == 0)
        asyncio__buffer_fini(&reader->buffer);
    r = asyncio_waiter_init(&waiter, &feed_kind, reader);
    if (r < 0)
        return r;
    reader->waiter = &waiter;
    r = (int)asyncio_park(&waiter);
    reader->waiter = NULL;
    if (r != 0)
        return r;
    r = asyncio__reader_exception(reader);
    return r < 0 && reader->stream ? asyncio__stream_explain(reader->stream, r) : r;
}

/* --------------------------------------------------------------------------------------------------------- Feeding */

int asyncio__reader_set_aside(struct asyncio_streamreader *reader)
{
    struct asyncio__buffer rest = {.data = NULL};
    size_t size = reader->buffer.size;
    int r = 0;

    if (reader->lent != ASYNCIO__LENT_FROM_BUFFER)
        return 0;
    if (size > 0)
        r = asyncio__buffer_append(&rest, asyncio__buffer_front(&reader->buffer), size);
    if (r < 0)
        return r;
    if (size > 0)
        *asyncio__buffer_front(&rest) = reader->under_nul;
    reader->lent_at = reader->buffer.data;
    reader->lent = ASYNCIO__LENT_SET_ASIDE;
    reader->buffer = rest;
    return 0;
}

void asyncio__reader_wake(struct asyncio_streamreader *reader, int result)
{
    if (reader->waiter)
        asyncio_unpark(reader->waiter, result);
}

void asyncio__reader_fed(struct asyncio_streamreader *reader)
{
    asyncio__reader_wake(reader, 1);
    if (reader->pause && reader->buffer.size / 2 >= reader->limit && reader->buffer.size > reader->limit * 2)
        asyncio__reader_pause(reader);
}

int asyncio_streamreader_feed_data(struct asyncio_streamreader *reader, const void *data, size_t size)
{
    int r;

    if (!reader || (!data && size > 0))
        return -EINVAL;
    if (reader->stream || reader->eof)
        return -ASYNCIO_EINVALIDSTATE;
    if (size == 0)
        return 0;
    r = asyncio__reader_set_aside(reader);
    if (r == 0)
        r = asyncio__buffer_append(&reader->buffer, data, size);
    if (r == 0)
        asyncio__reader_fed(reader);
    return r;
}

int asyncio_streamreader_feed_eof(struct asyncio_streamreader *reader)
{
    if (!reader)
        return -EINVAL;
    if (reader->stream)
        return -ASYNCIO_EINVALIDSTATE;
    reader->eof = true;
    asyncio__reader_wake(reader, 1);
    return 0;
}

void asyncio__reader_interrupt(struct asyncio_streamreader *reader)
{
    if (reader->is_receiving)
        asyncio__op_interrupt(&reader->stream->conn.receive, -ASYNCIO_ECLOSED);
    asyncio__reader_wake(reader, 0);
}

int asyncio_streamreader_set_exception(struct asyncio_streamreader *reader, int error)
{
    if (!reader || error >= 0)
        return -EINVAL;
    reader->error = error;
    asyncio__reader_interrupt(reader);
    return 0;
}
