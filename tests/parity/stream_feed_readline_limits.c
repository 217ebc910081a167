/* readline drops a line that is too long: all of it if its end has come, else what has come (ST-09). */

#include "parity_streams.h"

static int feed(struct asyncio_streamreader *reader, const char *text)
{
    return asyncio_streamreader_feed_data(reader, text, strlen(text));
}

struct reading {
    struct asyncio_streamreader *reader;
    const char *line;
};

static int reads(void *arg)
{
    struct reading *reading = arg;

    reading->line = read_line(reading->reader);
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_streamreader *reader;

    (void)arg;
    TRY(asyncio_streamreader(&reader, .limit = 3));
    TRY(feed(reader, "abc\nabcd\nxy\n"));
    say("exactly the limit: %s", read_line(reader));
    say("one more: %s", read_line(reader));
    say("the next line: %s", read_line(reader));

    TRY(feed(reader, "abcdefgh"));
    say("without an end: %s", read_line(reader));
    TRY(feed(reader, "ij\nk\n"));
    const char *first = read_line(reader), *second = read_line(reader);
    say("what came later: %s, %s", first, second);

    TRY(feed(reader, "abc"));
    struct reading reading = {.reader = reader};
    struct asyncio_future *task = asyncio_create_task(reads, &reading);
    nap(1);
    say("the limit without an end: done %s", truth(asyncio_future_done(task)));
    TRY(feed(reader, "d"));
    TRY(take(task));
    say("one more: %s", reading.line);
    TRY(feed(reader, "\nz"));
    TRY(asyncio_streamreader_feed_eof(reader));
    first = read_line(reader);
    second = read_line(reader);
    say("the rest: %s, %s, %s", first, second, read_line(reader));
    asyncio_streamreader_unref(reader);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
