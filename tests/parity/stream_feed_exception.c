/* set_exception ends a read that waits, and comes before the data in every read from then on (ST-04, ST-06). */

#include "parity_streams.h"

static const char *exception_of(const struct asyncio_streamreader *reader)
{
    int error = asyncio_streamreader_exception(reader);

    return error ? outcome(error) : "none";
}

static void fails_with_5(void *reader)
{
    asyncio_streamreader_set_exception(reader, -5);
}

static void fails_with_7(void *reader)
{
    asyncio_streamreader_set_exception(reader, -7);
}

static void feeds(void *reader)
{
    asyncio_streamreader_feed_data(reader, "ab", 2);
}

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_streamreader *reader;

    (void)arg;
    TRY(asyncio_streamreader(&reader));
    say("exception: %s", exception_of(reader));
    TRY(asyncio_loop_call_later(loop, 1, fails_with_5, reader));
    say("a read that waits: %s", read_some(reader, 10));
    say("exception: %s", exception_of(reader));

    TRY(asyncio_streamreader_feed_data(reader, "data\n", 5));
    say("read: %s", read_some(reader, 10));
    say("readline: %s", read_line(reader));
    say("readexactly: %s", read_exactly(reader, 2));
    say("readuntil: %s", read_until(reader, "\n"));
    say("read to the end: %s", read_rest(reader));
    TRY(asyncio_streamreader_set_exception(reader, -6));
    say("another one: %s", read_some(reader, 10));
    say("at the end %s", truth(asyncio_streamreader_at_eof(reader)));
    asyncio_streamreader_unref(reader);

    TRY(asyncio_streamreader(&reader));
    TRY(asyncio_loop_call_later(loop, 1, feeds, reader));
    TRY(asyncio_loop_call_later(loop, 2, fails_with_7, reader));
    say("readexactly that waits: %s", read_exactly(reader, 4));
    asyncio_streamreader_unref(reader);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
