/* feed_eof wakes who waits; what came before is read first; nothing may come behind it (ST-04). */

#include "parity_streams.h"

static void ends(void *reader)
{
    asyncio_streamreader_feed_eof(reader);
}

static const char *at_eof(const struct asyncio_streamreader *reader)
{
    return truth(asyncio_streamreader_at_eof(reader));
}

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_streamreader *reader;
    const char *text;

    (void)arg;
    TRY(asyncio_streamreader(&reader));
    TRY(asyncio_loop_call_later(loop, 1, ends, reader));
    text = read_some(reader, 10);
    say("read: %s, at the end %s", text, at_eof(reader));
    TRY(asyncio_streamreader_feed_eof(reader));
    say("a second end is harmless");
    say("data behind the end: %s", refused(asyncio_streamreader_feed_data(reader, "late", 4)));
    asyncio_streamreader_unref(reader);

    TRY(asyncio_streamreader(&reader));
    TRY(asyncio_streamreader_feed_data(reader, "data", 4));
    say("data: at the end %s", at_eof(reader));
    TRY(asyncio_streamreader_feed_eof(reader));
    say("data and the end: at the end %s", at_eof(reader));
    text = read_some(reader, 2);
    say("read: %s, at the end %s", text, at_eof(reader));
    text = read_some(reader, 10);
    say("read: %s, at the end %s", text, at_eof(reader));
    say("readline: %s", read_line(reader));
    say("readexactly: %s", read_exactly(reader, 1));
    say("readuntil: %s", read_until(reader, "x"));
    say("read to the end: %s", read_rest(reader));
    asyncio_streamreader_unref(reader);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
