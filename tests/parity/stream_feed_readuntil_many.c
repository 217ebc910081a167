/* readuntil with several separators takes the one that makes the result shortest (ST-08). */

#include "parity_streams.h"

static int feeds(void *reader)
{
    static const char *const pieces[] = {"one;two,three\n", "four", ",", "xA", "By", "--->", "->", "rest"};

    for (size_t i = 0; i < COUNT(pieces); i++) {
        TRY(asyncio_sleep(1));
        TRY(asyncio_streamreader_feed_data(reader, pieces[i], strlen(pieces[i])));
    }
    return asyncio_streamreader_feed_eof(reader);
}

static const char *read_until_any(struct asyncio_streamreader *reader, const struct asyncio_bytes *separators, size_t n)
{
    char *data = NULL;
    ssize_t size = asyncio_streamreader_readuntil_any(reader, separators, n, &data);

    return quoted(data, size);
}

static int main_task(void *arg)
{
    static const struct asyncio_bytes three[] = {{",", 1}, {";", 1}, {"\n", 1}}, overlapping[] = {{"AB", 2}, {"xA", 2}},
                                      inside[] = {{"ByZ", 3}, {"By", 2}, {"y", 1}}, arrows[] = {{"-->", 3}, {"->", 2}},
                                      line_ends[] = {{"\r\n", 2}, {"\n", 1}}, with_empty[] = {{"a", 1}, {"", 0}};
    struct asyncio_streamreader *reader;
    char *data;

    (void)arg;
    TRY(asyncio_streamreader(&reader, .limit = 16));
    struct asyncio_future *feeder = asyncio_create_task(feeds, reader);
    for (int i = 0; i < 4; i++)
        say("of three: %s", read_until_any(reader, three, COUNT(three)));
    say("the shorter result: %s", read_until_any(reader, overlapping, COUNT(overlapping)));
    say("whatever the order: %s", read_until_any(reader, inside, COUNT(inside)));
    say("one is the end of another: %s", read_until_any(reader, arrows, COUNT(arrows)));
    say("again: %s", read_until_any(reader, arrows, COUNT(arrows)));
    ssize_t r = asyncio_streamreader_readuntil_any(reader, line_ends, COUNT(line_ends), &data);
    if (r == -ASYNCIO_EINCOMPLETEREAD)
        say("the end after %s", partial(reader));
    r = asyncio_streamreader_readuntil_any(reader, line_ends, 0, &data);
    say("no separator: %s", refused((int)r));
    r = asyncio_streamreader_readuntil_any(reader, with_empty, COUNT(with_empty), &data);
    say("an empty one: %s", refused((int)r));
    TRY(take(feeder));
    asyncio_streamreader_unref(reader);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
