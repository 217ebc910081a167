/* test_streamreader.c -- StreamReader: what each read returns, where the limit is, what is dropped and what stays. Most
 * tests run twice: with a reader that is fed, and with one of a connection. */
#include "streams.h"

/* ------------------------------------------------------------------------------------------------------------ read */

TEST_BOTH(read_takes_what_is_there, "ST-06: read returns what is there, up to its size; 0 bytes are read at once")
{
    char data[16] = "";

    open_reader(0);
    EXPECT_CALL(asyncio_streamreader_read(reader, data, 0), 0);
    EXPECT_CALL(asyncio_streamreader_read(reader, NULL, 0), 0);
    feed("hello");
    EXPECT_STR(read_text(2), "he");
    EXPECT_STR(read_text(3), "llo");
    EXPECT_INT(asyncio_streamreader_at_eof(reader), false);
    feed("more");
    feed_eof();
    EXPECT_STR(read_text(4), "more");
    EXPECT_CALL(asyncio_streamreader_read(reader, data, sizeof data), 0);
    EXPECT_INT(asyncio_streamreader_at_eof(reader), true);
    EXPECT_CALL(asyncio_streamreader_read(reader, data, sizeof data), 0);
    close_streams();
    return 0;
}

TEST_ONE(read_is_not_more_than_asked, "ST-06: one read takes all that is there and fits, no more", FED)
{
    char data[16] = "";

    open_reader(0);
    feed("ab");
    feed("cde");
    EXPECT_CALL(asyncio_streamreader_read(reader, data, 4), 4);
    EXPECT_STR(data, "abcd");
    EXPECT_CALL(asyncio_streamreader_read(reader, data, 4), 1);
    close_streams();
    return 0;
}

static int one_read(void *arg)
{
    char data[16] = "";
    ssize_t r = broken ? -EIO : asyncio_streamreader_read(reader, data, sizeof data - 1);

    (void)arg;
    trace("%s: %s", me(), r > 0 ? data : said(r));
    return 0;
}

TEST_BOTH(read_waits, "ST-06: read waits for the first byte, or for the end")
{
    open_reader(0);
    spawn(one_read, NULL, "first");
    moment();
    trace("nothing yet");
    feed("x");
    moment();
    spawn(one_read, NULL, "second");
    moment();
    feed_eof();
    everybody();
    EXPECT_TRACE("[0.000] nothing yet\n[0.000] first: x\n[0.000] second: 0\n");
    close_streams();
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- The end */

TEST_BOTH(read_everything, "ST-06: read_to_end gives all until the end, with a NUL behind it")
{
    char *data = NULL;

    open_reader(4);
    feed("one ");
    EXPECT_STR(read_text(2), "on");
    feed("two ");
    feed("three");
    feed_eof();
    EXPECT_CALL(asyncio_streamreader_read_to_end(reader, SIZE_MAX, &data), 11);
    EXPECT_STR(data, broken ? NULL : "e two three");
    asyncio_free(data);
    data = NULL;
    EXPECT_CALL(asyncio_streamreader_read_to_end(reader, SIZE_MAX, &data), 0);
    EXPECT_STR(data, broken ? NULL : "");
    asyncio_free(data);
    close_streams();
    return 0;
}

TEST_BOTH(read_everything_within_a_limit, "ST-06: read_to_end of more than its limit keeps all of it in the reader")
{
    char *data = NULL;

    open_reader(0);
    feed("123456");
    feed_eof();
    EXPECT_CALL(asyncio_streamreader_read_to_end(reader, 5, &data), -ASYNCIO_ELIMITOVERRUN);
    EXPECT_PTR(data, NULL);
    EXPECT_CALL(asyncio_streamreader_read_to_end(reader, 5, &data), -ASYNCIO_ELIMITOVERRUN);
    EXPECT_CALL(asyncio_streamreader_read_to_end(reader, 6, &data), 6);
    EXPECT_STR(data, broken ? NULL : "123456");
    asyncio_free(data);
    close_streams();
    return 0;
}

/* Feeds a pattern bit by bit, then the end. */
static int pattern_size;

static int feed_pattern(void *arg)
{
    char bit[700];

    (void)arg;
    for (int at = 0; at < pattern_size; at += (int)sizeof bit) {
        int size = pattern_size - at < (int)sizeof bit ? pattern_size - at : (int)sizeof bit;

        for (int i = 0; i < size; i++)
            bit[i] = (char)((at + i) % 251);
        feed_bytes(bit, (size_t)size);
        if (at / 700 % 5 == 0)
            moment();
    }
    feed_eof();
    return 0;
}

static bool is_pattern(const char *data, int from, int size)
{
    for (int i = 0; i < size; i++)
        if (data[i] != (char)((from + i) % 251))
            return false;
    return true;
}

TEST_BOTH(read_everything_of_much, "ST-06: read_to_end takes more than any limit or buffer, bit by bit")
{
    char *data = NULL;

    open_reader(1000);
    pattern_size = 300000;
    rely_on(feed_pattern, NULL, "feeder");
    EXPECT_CALL(asyncio_streamreader_read_to_end(reader, SIZE_MAX, &data), pattern_size);
    EXPECT(data && is_pattern(data, 0, pattern_size));
    asyncio_free(data);
    everybody();
    close_streams();
    return 0;
}

/* ----------------------------------------------------------------------------------------------------- readexactly */

TEST_BOTH(readexactly_waits_for_all, "ST-07: readexactly gives so many bytes, of as many pieces as they come in")
{
    char data[16] = "";

    open_reader(0);
    EXPECT_CALL(asyncio_streamreader_readexactly(reader, NULL, 0), 0);
    feed("abcdefg");
    EXPECT_CALL(asyncio_streamreader_readexactly(reader, data, 3), 3);
    EXPECT_CALL(asyncio_streamreader_readexactly(reader, data + 3, 4), 4);
    EXPECT_STR(data, "abcdefg");
    close_streams();
    return 0;
}

TEST_BOTH(readexactly_beyond_the_limit, "ST-07 #89: readexactly of more than the limit is allowed, and does not hang")
{
    static char data[100000];

    open_reader(100);
    pattern_size = sizeof data + 10;
    rely_on(feed_pattern, NULL, "feeder");
    EXPECT_CALL(asyncio_streamreader_readexactly(reader, data, 50), 50);
    EXPECT(is_pattern(data, 0, 50));
    EXPECT_CALL(asyncio_streamreader_readexactly(reader, data, 60000), 60000);
    EXPECT(is_pattern(data, 50, 60000));
    EXPECT_CALL(asyncio_streamreader_readexactly(reader, data, sizeof data - 60050), sizeof data - 60050);
    EXPECT(is_pattern(data, 60050, sizeof data - 60050));
    everybody();
    EXPECT_CALL(asyncio_streamreader_readexactly(reader, data, 10), 10);
    EXPECT_CALL(asyncio_streamreader_read(reader, data, 10), 0);
    close_streams();
    return 0;
}

TEST_BOTH(readexactly_meets_the_end,
          "ST-07: an end before all has come is -ASYNCIO_EINCOMPLETEREAD with what there was, which is no longer kept")
{
    char data[300] = "";
    const char *place = NULL;

    for (size_t size = 10; size < sizeof data; size *= 10) {
        open_reader(50);
        feed("short");
        feed_eof();
        EXPECT_CALL(asyncio_streamreader_readexactly(reader, data, size), -ASYNCIO_EINCOMPLETEREAD);
        EXPECT_INT(asyncio_streamreader_partial(reader, &place), 5);
        EXPECT_PTR(place, data);
        EXPECT_STR(partial(), "short");
        EXPECT_INT(asyncio_streamreader_at_eof(reader), true);
        EXPECT_CALL(asyncio_streamreader_readexactly(reader, data, size), -ASYNCIO_EINCOMPLETEREAD);
        EXPECT_INT(asyncio_streamreader_partial(reader, NULL), 0);
        EXPECT_CALL(asyncio_streamreader_readexactly(reader, data, 0), 0);
        close_streams();
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------------- readuntil */

TEST_BOTH(readuntil_includes_the_separator, "ST-08: readuntil gives the data and the separator, with a NUL behind")
{
    open_reader(0);
    feed("key: value\r\n\r\nbody");
    EXPECT_STR(read_until(": "), "key: ");
    EXPECT_STR(read_until("\r\n"), "value\r\n");
    EXPECT_STR(read_until("\r\n"), "\r\n");
    EXPECT_STR(read_text(4), "body");
    close_streams();
    return 0;
}

TEST_BOTH(readuntil_arguments, "ST-08: without a separator, or with an empty one, it is -EINVAL and nothing is taken")
{
    const struct asyncio_bytes with_empty[] = {{"a", 1}, {"", 0}}, with_null = {NULL, 1};
    char *data = NULL;

    open_reader(0);
    feed("aab");
    EXPECT_CALL(asyncio_streamreader_readuntil(reader, "", 0, &data), -EINVAL);
    EXPECT_CALL(asyncio_streamreader_readuntil(reader, NULL, 1, &data), -EINVAL);
    EXPECT_CALL(asyncio_streamreader_readuntil(reader, "a", 1, NULL), -EINVAL);
    EXPECT_CALL(asyncio_streamreader_readuntil_any(reader, with_empty, 2, &data), -EINVAL);
    EXPECT_CALL(asyncio_streamreader_readuntil_any(reader, with_empty, 0, &data), -EINVAL);
    EXPECT_CALL(asyncio_streamreader_readuntil_any(reader, &with_null, 1, &data), -EINVAL);
    EXPECT_CALL(asyncio_streamreader_readuntil_any(reader, NULL, 1, &data), -EINVAL);
    EXPECT_PTR(data, NULL);
    EXPECT_STR(read_until("ab"), "aab");
    close_streams();
    return 0;
}

TEST_BOTH(readuntil_meets_the_end,
          "ST-08 #91: an end before the separator is -ASYNCIO_EINCOMPLETEREAD with what there was, also when a part of "
          "the separator has come; a separator in the last piece wins over the end")
{
    open_reader(0);
    feed("first;;second;");
    feed_eof();
    EXPECT_STR(read_until(";;"), "first;;");
    EXPECT_STR(read_until(";;"), "-ASYNCIO_EINCOMPLETEREAD");
    EXPECT_STR(partial(), broken ? "" : "second;");
    EXPECT_INT(asyncio_streamreader_at_eof(reader), !broken);
    EXPECT_STR(read_until(";;"), "-ASYNCIO_EINCOMPLETEREAD");
    EXPECT_STR(partial(), "");
    close_streams();
    return 0;
}

TEST_BOTH(readuntil_too_long,
          "ST-08: beyond the limit it is -ASYNCIO_ELIMITOVERRUN, everything is kept, and consumed tells what holds no "
          "separator")
{
    char data[16] = "";

    open_reader(3);
    feed("abcd;;rest;;");
    EXPECT_STR(read_until(";;"), "-ASYNCIO_ELIMITOVERRUN");
    EXPECT_INT(asyncio_streamreader_consumed(reader), 4);
    EXPECT_STR(read_until(";;"), "-ASYNCIO_ELIMITOVERRUN");
    EXPECT_CALL(asyncio_streamreader_readexactly(reader, data, 4), 4);
    EXPECT_STR(data, "abcd");
    EXPECT_INT(asyncio_streamreader_consumed(reader), 0);
    EXPECT_STR(read_until(";;"), ";;");
    EXPECT_STR(read_until(";;"), "-ASYNCIO_ELIMITOVERRUN");
    close_streams();
    return 0;
}

TEST_BOTH(
    readuntil_too_long_unfinished,
    "ST-08: no separator within the limit is told before one comes; the last bytes may yet be the beginning of one")
{
    char data[16] = "";

    open_reader(3);
    feed("abcd;");
    EXPECT_STR(read_until(";;"), "-ASYNCIO_ELIMITOVERRUN");
    EXPECT_INT(asyncio_streamreader_consumed(reader), 4);
    feed(";e");
    EXPECT_CALL(asyncio_streamreader_readexactly(reader, data, asyncio_streamreader_consumed(reader)), 4);
    EXPECT_STR(read_until(";;"), ";;");
    EXPECT_STR(read_text(1), "e");
    close_streams();
    return 0;
}

/* Reads `text`, a separator and "rest" with a limit. Returns: the result of readuntil. */
static ssize_t until_within(size_t limit, const char *text, const char *separator)
{
    char *data = NULL;
    ssize_t r;

    open_reader(limit);
    feed(text);
    feed(separator);
    feed("rest");
    r = broken ? -EIO : asyncio_streamreader_readuntil(reader, separator, strlen(separator), &data);
    close_streams();
    return r;
}

TEST_BOTH(readuntil_at_the_limit,
          "ST-08: exactly as many bytes as the limit before the separator are fine, one more is not")
{
    EXPECT_CALL(until_within(5, "abcd", ";"), 5);
    EXPECT_CALL(until_within(5, "abcde", ";"), 6);
    EXPECT_CALL(until_within(5, "abcdef", ";"), -ASYNCIO_ELIMITOVERRUN);
    EXPECT_CALL(until_within(5, "abcd", "-=-"), 7);
    EXPECT_CALL(until_within(5, "abcde", "-=-"), 8);
    EXPECT_CALL(until_within(5, "abcdef", "-=-"), -ASYNCIO_ELIMITOVERRUN);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ Split separators */

#define MOST_SEPARATORS 3

struct question {
    const char *text;
    const char *separators[MOST_SEPARATORS];
    size_t limit;
};

static const struct question questions[] = {
    {"abc;defg", {";"}, 100},
    {"abc\r\nd\re", {"\r\n"}, 100},
    {"aabaabaaa", {"aaa"}, 100},
    {"ababababc", {"ababc"}, 100},
    {"xxENDyyEN", {"END"}, 100},
    {"-==-===-=", {"-=-=", "==="}, 100},
    {"no separ", {"x", "yz", "sepX"}, 100},
    {"abcXdefX", {"abcX", "X"}, 100},
    {"abcdef", {"bcd", "cd", "d"}, 100},
    {"abcdef", {"bcdef", "c"}, 100},
    {"axbxabcx", {"abcx", "bx", "xa"}, 100},
    {"abcdefgh", {"gh"}, 4},
    {"abcdefgh", {"gh"}, 5},
    {"abcdefgh", {"gh"}, 6},
    {"abcdefgh", {"efgh", "h"}, 4},
    {"abcdefgh", {"efgh", "h"}, 3},
    {"abcdefgh", {"z"}, 7},
    {"abcdefgh", {"z"}, 8},
    {"abcdefgh", {"wxyz", "z"}, 4},
    {"abcdefgh", {"wxyz", "z"}, 5},
};

struct answer {
    int error;         /* 0: there is a match */
    size_t start, end; /* of the separator */
};

/* The plain definition, over the whole text at once. */
static struct answer answer_to(const struct question *question)
{
    size_t size = strlen(question->text), longest = 0;
    struct answer answer = {-ASYNCIO_EINCOMPLETEREAD, 0, 0};

    for (size_t end = 1; end <= size && answer.error; end++)
        for (size_t i = 0; i < MOST_SEPARATORS && question->separators[i]; i++) {
            size_t length = strlen(question->separators[i]);

            if (length > longest)
                longest = length;
            if (length > end || memcmp(question->text + end - length, question->separators[i], length) != 0)
                continue;
            if (answer.error || end - length > answer.start)
                answer = (struct answer){0, end - length, end};
        }
    if (answer.error == 0 && answer.start > question->limit)
        answer.error = -ASYNCIO_ELIMITOVERRUN;
    if (answer.error == -ASYNCIO_EINCOMPLETEREAD && size + 1 > question->limit + longest)
        answer.error = -ASYNCIO_ELIMITOVERRUN;
    return answer;
}

struct split {
    const struct question *question;
    size_t first, second; /* where the text is split */
};

static int feed_split(void *arg)
{
    const struct split *split = arg;
    const char *text = split->question->text;

    feed_bytes(text, split->first);
    moment();
    feed_bytes(text + split->first, split->second - split->first);
    moment();
    feed(text + split->second);
    if (answer_to(split->question).error)
        feed_eof();
    return 0;
}

/* Whether a reader gives the right answer for a text in three pieces. */
static void ask(const struct split *split)
{
    const struct question *question = split->question;
    const struct answer answer = answer_to(question);
    struct asyncio_bytes separators[MOST_SEPARATORS];
    struct asyncio_future *feeder;
    const char *data = NULL;
    char *found = NULL;
    size_t n = 0, size;
    ssize_t r;

    while (n < MOST_SEPARATORS && question->separators[n]) {
        separators[n] = (struct asyncio_bytes){question->separators[n], strlen(question->separators[n])};
        n++;
    }
    open_reader(question->limit);
    feeder = asyncio_create_task(feed_split, (void *)(uintptr_t)split);
    r = broken ? -EIO : asyncio_streamreader_readuntil_any(reader, separators, n, &found);
    size = asyncio_streamreader_consumed(reader);
    if (r != (answer.error ? answer.error : (ssize_t)answer.end) ||
        (r > 0 && (memcmp(found, question->text, answer.end) != 0 || found[answer.end] != '\0')))
        FAIL("'%s' split at %zu and %zu, limit %zu: %s", question->text, split->first, split->second, question->limit,
             said(r));
    if (answer.error == -ASYNCIO_ELIMITOVERRUN && (size <= question->limit || size > strlen(question->text)))
        FAIL("'%s' split at %zu and %zu: consumed is %zu", question->text, split->first, split->second, size);
    if (answer.error == -ASYNCIO_EINCOMPLETEREAD)
        EXPECT_INT(asyncio_streamreader_partial(reader, &data), strlen(question->text));
    ASYNCIO_IGNORE(asyncio_wait(&feeder, 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
    asyncio_future_unref(feeder);
    if (r > 0)
        EXPECT_STR(read_text(strlen(question->text) - answer.end), question->text + answer.end);
    close_streams();
}

static int all_splits(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        size_t size = strlen(questions[i].text);

        for (size_t first = 0; first <= size; first++)
            for (size_t second = first; second <= size; second++)
                ask(&(struct split){&questions[i], first, second});
    }
    return 0;
}

TEST_NO_SWEEP(readuntil_split_fed, "ST-08: wherever the data are split, the separator that ends first is found",
              "thousands of reads")
{
    side = FED;
    EXPECT_INT(run(all_splits, NULL), 0);
}

TEST_NO_SWEEP(readuntil_split_connected, "ST-08: wherever the data are split, the separator that ends first is found",
              "thousands of reads")
{
    side = CONNECTED;
    test_needs_seconds(30);
    EXPECT_INT(run(all_splits, NULL), 0);
}

/* -------------------------------------------------------------------------------------------------------- readline */

TEST_BOTH(readline_at_the_end, "ST-09: at the end of the stream the last line may lack its end, or be empty")
{
    open_reader(0);
    feed("one\n\ntwo");
    feed_eof();
    EXPECT_STR(read_line(), "one\n");
    EXPECT_STR(read_line(), "\n");
    EXPECT_STR(read_line(), "two");
    EXPECT_STR(read_line(), "");
    EXPECT_STR(read_line(), "");
    EXPECT_INT(asyncio_streamreader_partial(reader, NULL), 0);
    close_streams();
    return 0;
}

TEST_BOTH(readline_iteration, "ST-10: reading lines until there is none visits each")
{
    ssize_t size;
    char *line = NULL;

    open_reader(0);
    feed("a\nbb\nccc");
    feed_eof();
    while (!broken && (size = asyncio_streamreader_readline(reader, &line)) > 0)
        trace("%d '%.*s'", (int)size, (int)strcspn(line, "\n"), line);
    EXPECT_TRACE("[0.000] 2 'a'\n[0.000] 3 'bb'\n[0.000] 3 'ccc'\n");
    close_streams();
    return 0;
}

TEST_ONE(readline_drops_a_long_line,
         "ST-09: a line beyond the limit whose end has come is dropped, the next one is not", FED)
{
    open_reader(3);
    feed("abcd\nxy\n");
    EXPECT_STR(read_line(), "-ASYNCIO_ELIMITOVERRUN");
    EXPECT_INT(asyncio_streamreader_consumed(reader), 0);
    EXPECT_STR(read_line(), "xy\n");
    feed("abc\n");
    EXPECT_STR(read_line(), "abc\n");
    close_streams();
    return 0;
}

TEST_BOTH(readline_drops_everything, "ST-09: of a line beyond the limit whose end has not come all there is is dropped")
{
    open_reader(3);
    feed("abcd");
    EXPECT_STR(read_line(), "-ASYNCIO_ELIMITOVERRUN");
    feed("xy\n");
    EXPECT_STR(read_line(), "xy\n");
    close_streams();
    return 0;
}

TEST_BOTH(lines_are_lent, "a line may be written to as text, up to its NUL, and what stands behind it is not harmed")
{
    char *line = NULL;

    open_reader(0);
    feed("one\ntwo\nthree");
    EXPECT_CALL(asyncio_streamreader_readline(reader, &line), 4);
    EXPECT_STR(line, broken ? NULL : "one\n");
    if (line)
        line[3] = '!';
    EXPECT_STR(read_until("\n"), "two\n");
    EXPECT_STR(read_text(5), "three");
    close_streams();
    return 0;
}

TEST_ONE(lines_survive_feeding, "a line stays where it is while somebody feeds, until the next read", FED)
{
    char *line = NULL;

    open_reader(0);
    feed("one\ntwo");
    EXPECT_CALL(asyncio_streamreader_readline(reader, &line), 4);
    for (int i = 0; i < 1000; i++)
        feed(" and more");
    feed("\n");
    EXPECT_STR(line, broken ? NULL : "one\n");
    EXPECT_CALL(asyncio_streamreader_readline(reader, &line), 9004);
    EXPECT(broken || strncmp(line, "two and more and more", 20) == 0);
    feed("last\n");
    EXPECT(broken || strlen(line) == 9004);
    EXPECT_STR(read_line(), "last\n");
    close_streams();
    return 0;
}
