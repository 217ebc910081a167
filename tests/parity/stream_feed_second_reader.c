/* One task at a time reads: a second one is refused, and the first gets its data (ST-04). */

#include "parity_streams.h"

struct reading {
    struct asyncio_streamreader *reader;
    const char *name;
};

static int reads_line(void *arg)
{
    const struct reading *reading = arg;
    const char *text = read_line(reading->reader);

    say("%s: %s", reading->name, text);
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_streamreader *reader;
    char buffer[10], *data;

    (void)arg;
    TRY(asyncio_streamreader(&reader));
    struct reading first = {reader, "the first"}, next = {reader, "the next"}, other = {reader, "who is cancelled"};
    struct asyncio_future *task = asyncio_create_task(reads_line, &first);
    nap(1);
    say("read: %s", refused((int)asyncio_streamreader_read(reader, buffer, 10)));
    say("readline: %s", refused((int)asyncio_streamreader_readline(reader, &data)));
    say("readexactly: %s", refused((int)asyncio_streamreader_readexactly(reader, buffer, 3)));
    say("readuntil: %s", refused((int)asyncio_streamreader_readuntil(reader, "x", 1, &data)));
    TRY(asyncio_streamreader_feed_data(reader, "hello\nworld\n", 12));
    TRY(take(task));
    TRY(reads_line(&next));

    task = asyncio_create_task(reads_line, &other);
    nap(1);
    asyncio_future_cancel(task);
    TRY(take(task));
    TRY(asyncio_streamreader_feed_data(reader, "for the next\n", 13));
    TRY(reads_line(&next));
    asyncio_streamreader_unref(reader);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
