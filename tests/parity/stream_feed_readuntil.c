/* readuntil: a separator over several pieces, and the end of the stream before one (ST-08). */

#include "parity_streams.h"

static int feeds(void *reader)
{
    static const char *const pieces[] = {"first\r", "\nsec", "ond\r\nthird\r\n", "\r\r\n", "a--", "--b---", "rest"};

    for (size_t i = 0; i < COUNT(pieces); i++) {
        TRY(asyncio_sleep(1));
        TRY(asyncio_streamreader_feed_data(reader, pieces[i], strlen(pieces[i])));
    }
    return asyncio_streamreader_feed_eof(reader);
}

static int main_task(void *arg)
{
    struct asyncio_streamreader *reader;
    char *data;

    (void)arg;
    TRY(asyncio_streamreader(&reader));
    struct asyncio_future *feeder = asyncio_create_task(feeds, reader);
    for (int i = 0; i < 4; i++)
        say("a line: %s", read_until(reader, "\r\n"));
    say("three dashes: %s", read_until(reader, "---"));
    say("three dashes: %s", read_until(reader, "---"));
    if (asyncio_streamreader_readuntil(reader, "\n", 1, &data) == -ASYNCIO_EINCOMPLETEREAD)
        say("the end after %s", partial(reader));
    say("once more: %s", read_until(reader, "\n"));
    say("no separator: %s", refused((int)asyncio_streamreader_readuntil(reader, "", 0, &data)));
    TRY(take(feeder));
    asyncio_streamreader_unref(reader);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
