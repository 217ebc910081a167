/* A line that does not come in time is not lost when it comes later (C-07, ST-09). */

#include "parity_streams.h"

static int feeds(void *reader)
{
    static const char *const pieces[] = {"quick\n", "ha", "lf\n", "la", "te\n"};

    for (size_t i = 0; i < COUNT(pieces); i++) {
        TRY(asyncio_streamreader_feed_data(reader, pieces[i], strlen(pieces[i])));
        TRY(asyncio_sleep(0.8));
    }
    return asyncio_streamreader_feed_eof(reader);
}

static int main_task(void *arg)
{
    struct asyncio_streamreader *reader;
    struct asyncio_timeout limit;
    char *line = NULL;
    int n;

    (void)arg;
    TRY(asyncio_streamreader(&reader));
    struct asyncio_future *feeder = asyncio_create_task(feeds, reader);
    do {
        TRY(asyncio_timeout_enter(&limit, 0.5));
        n = asyncio_timeout_exit(&limit, (int)asyncio_streamreader_readline(reader, &line));
        say("%s", quoted(line, n));
    } while (n != 0);
    TRY(take(feeder));
    asyncio_streamreader_unref(reader);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
