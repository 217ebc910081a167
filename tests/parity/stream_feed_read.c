/* read gives what is there, waits for the first byte, and gives nothing at the end (ST-04, ST-06). */

#include "parity_streams.h"

static int feeds(void *reader)
{
    TRY(asyncio_sleep(1));
    TRY(asyncio_streamreader_feed_data(reader, "", 0));
    say("fed nothing");
    TRY(asyncio_sleep(1));
    TRY(asyncio_streamreader_feed_data(reader, "one", 3));
    TRY(asyncio_sleep(1));
    TRY(asyncio_streamreader_feed_data(reader, "two", 3));
    TRY(asyncio_streamreader_feed_data(reader, "three", 5));
    TRY(asyncio_sleep(1));
    TRY(asyncio_streamreader_feed_data(reader, "four", 4));
    TRY(asyncio_sleep(1));
    TRY(asyncio_streamreader_feed_data(reader, "five", 4));
    return asyncio_streamreader_feed_eof(reader);
}

static int main_task(void *arg)
{
    struct asyncio_streamreader *reader;

    (void)arg;
    TRY(asyncio_streamreader(&reader));
    struct asyncio_future *feeder = asyncio_create_task(feeds, reader);
    say("read(100): %s", read_some(reader, 100));
    say("read(4): %s", read_some(reader, 4));
    say("read(1): %s", read_some(reader, 1));
    say("read(0): %s", read_some(reader, 0));
    say("read(100): %s", read_some(reader, 100));
    say("all the rest: %s", read_rest(reader));
    const char *nothing = read_some(reader, 100);
    say("at the end: %s, %s", nothing, read_rest(reader));
    TRY(take(feeder));
    asyncio_streamreader_unref(reader);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
