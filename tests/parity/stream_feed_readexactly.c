/* readexactly waits for all of it, beyond the limit too; the end before that is an error with the part (ST-07). */

#include "parity_streams.h"

static int feeds(void *reader)
{
    static const char *const pieces[] = {"ab", "cd", "efgh", "0123456789", "0123456789", "xyz"};

    for (size_t i = 0; i < COUNT(pieces); i++) {
        TRY(asyncio_sleep(1));
        TRY(asyncio_streamreader_feed_data(reader, pieces[i], strlen(pieces[i])));
    }
    TRY(asyncio_sleep(1));
    return asyncio_streamreader_feed_eof(reader);
}

static int main_task(void *arg)
{
    struct asyncio_streamreader *reader;
    char buffer[5];

    (void)arg;
    TRY(asyncio_streamreader(&reader, .limit = 4));
    struct asyncio_future *feeder = asyncio_create_task(feeds, reader);
    say("none: %s", read_exactly(reader, 0));
    say("one: %s", read_exactly(reader, 1));
    say("three: %s", read_exactly(reader, 3));
    say("two: %s", read_exactly(reader, 2));
    say("two more: %s", read_exactly(reader, 2));
    say("twenty: %s", read_exactly(reader, 20));
    for (int i = 0; i < 2; i++)
        if (asyncio_streamreader_readexactly(reader, buffer, 5) == -ASYNCIO_EINCOMPLETEREAD)
            say("five: the end after %s", partial(reader));
    say("none at the end: %s", read_exactly(reader, 0));
    TRY(take(feeder));
    asyncio_streamreader_unref(reader);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
