/* readline: lines in pieces, several in one piece, and a last one without its end (ST-09). */

#include "parity_streams.h"

static int feeds(void *reader)
{
    static const char *const pieces[] = {"he", "llo\nwor", "ld\n\n", "three\nfour\nfi", "ve"};

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

    (void)arg;
    TRY(asyncio_streamreader(&reader));
    struct asyncio_future *feeder = asyncio_create_task(feeds, reader);
    for (int i = 0; i < 8; i++)
        say("%s", read_line(reader));
    TRY(take(feeder));
    asyncio_streamreader_unref(reader);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
