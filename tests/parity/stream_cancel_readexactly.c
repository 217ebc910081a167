/* A cancelled readexactly, readuntil or read loses nothing that had come (ST-07, ST-08). */

#include "parity_streams.h"

static const char *text;

static int reads_exactly(void *reader)
{
    text = read_exactly(reader, 10);
    return 0;
}

static int reads_until(void *reader)
{
    text = read_until(reader, "\n");
    return 0;
}

static int reads(void *reader)
{
    text = read_some(reader, 5);
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_streamreader *reader;
    struct asyncio_future *task;

    (void)arg;
    TRY(asyncio_streamreader(&reader));

    task = asyncio_create_task(reads_exactly, reader);
    nap(1);
    TRY(asyncio_streamreader_feed_data(reader, "1234", 4));
    nap(1);
    asyncio_future_cancel(task);
    TRY(take(task));
    say("readexactly: %s", text);
    say("what had come: %s", read_some(reader, 3));

    task = asyncio_create_task(reads_until, reader);
    nap(1);
    TRY(asyncio_streamreader_feed_data(reader, "56", 2));
    nap(1);
    asyncio_future_cancel(task);
    TRY(take(task));
    say("readuntil: %s", text);
    TRY(asyncio_streamreader_feed_data(reader, "\n", 1));
    say("the line: %s", read_until(reader, "\n"));

    task = asyncio_create_task(reads, reader);
    nap(1);
    asyncio_future_cancel(task);
    TRY(take(task));
    say("read: %s", text);
    TRY(asyncio_streamreader_feed_data(reader, "last", 4));
    TRY(asyncio_streamreader_feed_eof(reader));
    say("read: %s", read_some(reader, 5));
    asyncio_streamreader_unref(reader);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
