/* readuntil with more than the limit before the separator takes nothing, and tells how much to skip (ST-08). */

#include "parity_streams.h"

static void overrun(struct asyncio_streamreader *reader, const char *separator)
{
    char *data;

    if (asyncio_streamreader_readuntil(reader, separator, strlen(separator), &data) != -ASYNCIO_ELIMITOVERRUN) {
        say("found");
        return;
    }
    size_t consumed = asyncio_streamreader_consumed(reader);
    const char *skipped = read_exactly(reader, consumed);
    say("LimitOverrun, %zu consumed: %s", consumed, skipped);
}

static int feed(struct asyncio_streamreader *reader, const char *text)
{
    return asyncio_streamreader_feed_data(reader, text, strlen(text));
}

static int main_task(void *arg)
{
    struct asyncio_streamreader *reader;

    (void)arg;
    TRY(asyncio_streamreader(&reader, .limit = 8));
    TRY(feed(reader, "12345678\n123456789\nshort\n"));
    say("exactly the limit: %s", read_until(reader, "\n"));
    overrun(reader, "\n");
    say("what is left: %s", read_until(reader, "\n"));
    say("a short one: %s", read_until(reader, "\n"));

    TRY(feed(reader, "no separator at all"));
    overrun(reader, "\n");
    say("a part of the separator is at the end");
    TRY(feed(reader, "0123456789\r"));
    overrun(reader, "\r\n");
    TRY(feed(reader, "\n"));
    say("its second part: %s", read_until(reader, "\r\n"));
    TRY(feed(reader, "1234567890"));
    TRY(asyncio_streamreader_feed_eof(reader));
    say("the end of the stream, and too much before it");
    overrun(reader, "\n");
    const char *rest = read_rest(reader);
    say("at the end: %s, %s", rest, truth(asyncio_streamreader_at_eof(reader)));
    asyncio_streamreader_unref(reader);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
