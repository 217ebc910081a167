/* A reader that keeps twice its limit pauses who feeds it, and never waits while it is paused (ST-05, #89). */

#include "parity_streams.h"

/* Whether the source says what the reader asks it to do. */
static bool is_loud = true;

static void pauses(void *arg)
{
    (void)arg;
    if (is_loud)
        say("pause");
}

static void resumes(void *arg)
{
    (void)arg;
    if (is_loud)
        say("resume");
}

static void feeds(void *reader)
{
    asyncio_streamreader_feed_data(reader, "0abcdefghij", 11);
}

static void ends(void *reader)
{
    asyncio_streamreader_feed_eof(reader);
}

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_streamreader *reader;

    (void)arg;
    TRY(asyncio_streamreader(&reader, .limit = 4, .pause = pauses, .resume = resumes));
    TRY(asyncio_streamreader_feed_data(reader, "12345678", 8));
    say("twice the limit is not too much");
    TRY(asyncio_streamreader_feed_data(reader, "9", 1));
    say("one more is, and is told once");
    TRY(asyncio_streamreader_feed_data(reader, "0", 1));
    say("read: %s", read_some(reader, 5));
    say("five are left");
    say("read: %s", read_some(reader, 1));
    say("read: %s", read_some(reader, 4));

    /* How often a reader pauses that somebody waits for is its own affair. */
    is_loud = false;
    TRY(asyncio_streamreader_feed_data(reader, "123456789", 9));
    TRY(asyncio_loop_call_later(loop, 1, feeds, reader));
    say("readexactly: %s", read_exactly(reader, 20));
    TRY(asyncio_streamreader_feed_data(reader, "123456789", 9));
    TRY(asyncio_loop_call_later(loop, 1, ends, reader));
    say("to the end: %s", read_rest(reader));
    asyncio_streamreader_unref(reader);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
