/* test_stream_feed.c -- readers as those see them who feed, wait, share, pause and break them: one read at a time, flow
 * control, errors, misuse. */
#include "streams.h"

#include <limits.h>

/* --------------------------------------------------------------------------------------------------- One at a time */

static int one_line(void *arg)
{
    char *line = NULL;
    ssize_t r = broken ? -EIO : asyncio_streamreader_readline(reader, &line);

    (void)arg;
    trace("%s: %.20s", me(), r > 0 ? line : said(r));
    return 0;
}

TEST_BOTH(one_reader_at_a_time, "ST-04: a second task that reads gets -EBUSY, the first one is not disturbed")
{
    char data[4], *line = NULL;

    open_reader(0);
    spawn(one_line, NULL, "first");
    moment();
    EXPECT_CALL(asyncio_streamreader_read(reader, data, sizeof data), -EBUSY);
    EXPECT_CALL(asyncio_streamreader_readexactly(reader, data, 1), -EBUSY);
    EXPECT_CALL(asyncio_streamreader_readline(reader, &line), -EBUSY);
    EXPECT_CALL(asyncio_streamreader_readuntil(reader, "x", 1, &line), -EBUSY);
    EXPECT_CALL(asyncio_streamreader_read_to_end(reader, 9, &line), -EBUSY);
    feed("a\nb\n");
    everybody();
    EXPECT_STR(read_line(), "b\n");
    EXPECT_TRACE("[0.000] first: a\n\n");
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

TEST_BOTH(reader_outlives_its_references, "a task that reads holds the reader: the last reference may go meanwhile")
{
    for (int abort = 0; abort < 2; abort++) {
        open_reader(0);
        EXPECT_PTR(asyncio_streamreader_ref(reader), reader);
        asyncio_streamreader_unref(reader);
        spawn(one_read, NULL, "reader");
        moment();
        if (side == FED)
            feed("data");
        reader = asyncio_streamreader_unref(reader);
        EXPECT_PTR(reader, NULL);
        /* An abort is reported before the back end has told who reads. */
        if (abort)
            asyncio_streamwriter_abort(writer);
        writer = asyncio_streamwriter_unref(writer);
        everybody();
        EXPECT_TRACE(side == FED ? "[0.000] reader: data\n" : "[0.000] reader: 0\n");
        close_streams();
    }
    return 0;
}

static int n_steps;

static int count_steps(void *arg)
{
    (void)arg;
    for (n_steps = 0; n_steps < 1000 && asyncio_sleep(0) == 0; n_steps++)
        ;
    return 0;
}

TEST_BOTH(reading_yields, "D-10: who reads without ever having to wait lets others run after 16 calls")
{
    char text[301], byte, *line = NULL;

    for (int i = 0; i < 3; i++) {
        open_reader(0);
        memset(text, '\n', sizeof text);
        feed_bytes(text, sizeof text);
        moment();
        spawn(count_steps, NULL, "bystander");
        turns(1);
        for (int n = 0; n < 33; n++) {
            if (i == 0)
                EXPECT_CALL(asyncio_streamreader_read(reader, &byte, 1), 1);
            else if (i == 1)
                EXPECT_CALL(asyncio_streamreader_readexactly(reader, &byte, 1), 1);
            else
                EXPECT_CALL(asyncio_streamreader_readline(reader, &line), 1);
        }
        EXPECT_INT(n_steps, broken ? n_steps : 2);
        cancel(crew_size > 0 ? crew[crew_size - 1] : NULL);
        everybody();
        close_streams();
    }
    return 0;
}

/* -------------------------------------------------------------------------------------------------------- Feeding */

TEST_ONE(feeding, "ST-04: what is fed after the end is refused, nothing at all is ignored", FED)
{
    open_reader(0);
    EXPECT_CALL(asyncio_streamreader_feed_data(reader, "", 0), 0);
    EXPECT_CALL(asyncio_streamreader_feed_data(reader, NULL, 0), 0);
    EXPECT_CALL(asyncio_streamreader_feed_data(reader, NULL, 1), -EINVAL);
    feed("x");
    feed_eof();
    feed_eof();
    EXPECT_CALL(asyncio_streamreader_feed_data(reader, "y", 1), -ASYNCIO_EINVALIDSTATE);
    EXPECT_CALL(asyncio_streamreader_feed_data(reader, "", 0), -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(asyncio_streamreader_at_eof(reader), false);
    EXPECT_STR(read_text(1), "x");
    EXPECT_INT(asyncio_streamreader_at_eof(reader), !broken);
    close_streams();
    return 0;
}

TEST_ONE(connections_are_not_fed, "ST-04: the reader of a connection takes what that brings and nothing else",
         CONNECTED)
{
    open_reader(0);
    EXPECT_CALL(asyncio_streamreader_feed_data(reader, "x", 1), -ASYNCIO_EINVALIDSTATE);
    EXPECT_CALL(asyncio_streamreader_feed_eof(reader), -ASYNCIO_EINVALIDSTATE);
    close_streams();
    return 0;
}

/* Whoever feeds, and what it was told. */
static bool feeds_when_resumed;

static void on_pause(void *arg)
{
    trace("pause %s", (const char *)arg);
}

static void on_resume(void *arg)
{
    trace("resume %s", (const char *)arg);
    if (feeds_when_resumed)
        feed("at once");
}

static void open_flow(size_t limit)
{
    static char who[] = "!";

    open_reader(limit);
    reader = asyncio_streamreader_unref(reader);
    feeds_when_resumed = false;
    EXPECT_CALL(asyncio_streamreader(&reader, .limit = limit, .pause = on_pause, .resume = on_resume, .arg = who), 0);
}

TEST_ONE(flow_control, "ST-05: above twice the limit whoever feeds is told to pause, at the limit to resume", FED)
{
    open_flow(4);
    feed("12345678");
    trace("twice the limit");
    feed("9");
    feed("0");
    EXPECT_STR(read_text(5), "12345");
    trace("above the limit");
    EXPECT_STR(read_text(1), "6");
    feed("abcde");
    EXPECT_STR(read_text(9), "7890abcde");
    EXPECT_TRACE(
        "[0.000] twice the limit\n[0.000] pause !\n[0.000] above the limit\n[0.000] resume !\n[0.000] pause !\n"
        "[0.000] resume !\n");
    close_streams();
    return 0;
}

TEST_ONE(flow_control_of_lines, "ST-05: every kind of read resumes, also one that drops a line", FED)
{
    open_flow(4);
    feed("abcdefgh\nx\n");
    EXPECT_STR(read_line(), "-ASYNCIO_ELIMITOVERRUN");
    feed("1\n2\n3\n4\n5\n");
    for (int i = 0; i < 4; i++)
        read_until("\n");
    EXPECT_TRACE("[0.000] pause !\n[0.000] resume !\n[0.000] pause !\n[0.000] resume !\n");
    close_streams();
    return 0;
}

static int exactly_twenty(void *arg)
{
    char data[21] = "";
    ssize_t r = broken ? -EIO : asyncio_streamreader_readexactly(reader, data, 20);

    (void)arg;
    trace("%s: %s", me(), r > 0 ? data : said(r));
    return 0;
}

TEST_ONE(flow_control_and_waiting, "ST-05 #89: a read that has to wait while feeding is paused resumes it first", FED)
{
    open_flow(4);
    feed("123456789");
    spawn(exactly_twenty, NULL, "reader");
    moment();
    feed("0abcdefghij");
    everybody();
    EXPECT_TRACE(
        "[0.000] pause !\n[0.000] resume !\n[0.000] pause !\n[0.000] resume !\n[0.000] reader: 1234567890abcdefghij\n");
    close_streams();
    return 0;
}

TEST_ONE(flow_control_at_once, "ST-05 #89: who feeds inside resume is heard, without a wait", FED)
{
    char data[20] = "";

    open_flow(4);
    feed("123456789");
    feeds_when_resumed = true;
    EXPECT_CALL(asyncio_streamreader_readexactly(reader, data, 16), 16);
    EXPECT_STR(data, "123456789at once");
    EXPECT_TRACE("[0.000] pause !\n[0.000] resume !\n[0.000] pause !\n[0.000] resume !\n");
    feeds_when_resumed = false;
    EXPECT_STR(read_text(7), "at once");
    close_streams();
    return 0;
}

TEST_ONE(flow_control_is_optional, "ST-05: who cannot pause is listened to without end; half a pair is -EINVAL", FED)
{
    struct asyncio_streamreader *other = NULL;

    open_reader(4);
    for (int i = 0; i < 1000; i++)
        feed("0123456789");
    for (int i = 0; i < 1000; i++)
        EXPECT_STR(read_text(10), "0123456789");
    EXPECT_CALL(asyncio_streamreader(&other, .pause = on_pause), -EINVAL);
    EXPECT_CALL(asyncio_streamreader(&other, .resume = on_resume), -EINVAL);
    EXPECT_PTR(other, NULL);
    close_streams();
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- Errors */

TEST_BOTH(exceptions,
          "ST-04 ST-06: an error that was set is returned by every read, before any data, and wakes one that waits")
{
    char data[4], *line = NULL;

    open_reader(0);
    EXPECT_INT(asyncio_streamreader_exception(reader), 0);
    EXPECT_CALL(asyncio_streamreader_set_exception(reader, 0), -EINVAL);
    EXPECT_CALL(asyncio_streamreader_set_exception(reader, 5), -EINVAL);
    spawn(one_line, NULL, "reader");
    moment();
    EXPECT_CALL(asyncio_streamreader_set_exception(reader, -ENOTTY), 0);
    EXPECT_INT(asyncio_streamreader_exception(reader), broken ? 0 : -ENOTTY);
    everybody();
    feed("data\n");
    EXPECT_CALL(asyncio_streamreader_read(reader, data, sizeof data), -ENOTTY);
    EXPECT_CALL(asyncio_streamreader_read(reader, data, 0), -ENOTTY);
    EXPECT_CALL(asyncio_streamreader_readexactly(reader, data, 0), -ENOTTY);
    EXPECT_CALL(asyncio_streamreader_readline(reader, &line), -ENOTTY);
    EXPECT_CALL(asyncio_streamreader_readuntil(reader, "\n", 1, &line), -ENOTTY);
    EXPECT_CALL(asyncio_streamreader_read_to_end(reader, 9, &line), -ENOTTY);
    EXPECT_TRACE("[0.000] reader: -ENOTTY\n");
    close_streams();
    return 0;
}

TEST_ONE(exceptions_come_later, "ST-08: what came before the error completes a read that waited for it", FED)
{
    open_reader(0);
    spawn(one_line, NULL, "reader");
    moment();
    feed("line\n");
    EXPECT_CALL(asyncio_streamreader_set_exception(reader, -ENOTTY), 0);
    everybody();
    EXPECT_TRACE("[0.000] reader: line\n\n");
    EXPECT_STR(read_line(), "-ENOTTY");
    close_streams();
    return 0;
}

TEST(reader_misuse, "no reader, no task, no loop; sizes that cannot be")
{
    struct asyncio_streamreader *none = NULL;
    char data[1], *line = NULL;

    EXPECT_INT(asyncio_streamreader(&none, .limit = 1), -ASYNCIO_ENOLOOP);
    EXPECT_INT(asyncio_streamreader(NULL, .limit = 1), -EINVAL);
    EXPECT_INT(asyncio_streamreader_read(NULL, data, 1), -EINVAL);
    EXPECT_INT(asyncio_streamreader_readexactly(NULL, data, 1), -EINVAL);
    EXPECT_INT(asyncio_streamreader_readline(NULL, &line), -EINVAL);
    EXPECT_INT(asyncio_streamreader_readuntil(NULL, "x", 1, &line), -EINVAL);
    EXPECT_INT(asyncio_streamreader_read_to_end(NULL, 1, &line), -EINVAL);
    EXPECT_INT(asyncio_streamreader_feed_data(NULL, "x", 1), -EINVAL);
    EXPECT_INT(asyncio_streamreader_feed_eof(NULL), -EINVAL);
    EXPECT_INT(asyncio_streamreader_set_exception(NULL, -1), -EINVAL);
    EXPECT_INT(asyncio_streamreader_exception(NULL), 0);
    EXPECT_INT(asyncio_streamreader_at_eof(NULL), false);
    EXPECT_INT(asyncio_streamreader_consumed(NULL), 0);
    EXPECT_INT(asyncio_streamreader_partial(NULL, NULL), 0);
    EXPECT_PTR(asyncio_streamreader_ref(NULL), NULL);
    EXPECT_PTR(asyncio_streamreader_unref(NULL), NULL);
}

static int leave_reader(void *arg)
{
    (void)arg;
    side = FED;
    open_reader(0);
    feed("data\n");
    EXPECT_CALL(asyncio_streamreader_read(reader, NULL, 1), -EINVAL);
    EXPECT_CALL(asyncio_streamreader_readexactly(reader, NULL, 1), -EINVAL);
    EXPECT_CALL(asyncio_streamreader_readexactly(reader, &side, (size_t)SSIZE_MAX + 1), -EINVAL);
    EXPECT_CALL(asyncio_streamreader_readline(reader, NULL), -EINVAL);
    EXPECT_CALL(asyncio_streamreader_read_to_end(reader, 1, NULL), -EINVAL);
    return 0;
}

static int read_foreign(void *arg)
{
    char data[1];

    (void)arg;
    EXPECT_CALL(asyncio_streamreader_read(reader, data, 1), -ASYNCIO_EFOREIGNLOOP);
    return 0;
}

TEST(readers_belong_to_a_loop, "a reader is used in tasks of its loop; it may outlive that")
{
    struct asyncio_loop *loop = NULL;
    char data[1];

    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, leave_reader, NULL), 0);
    EXPECT_INT(asyncio_streamreader_read(reader, data, 1), broken ? -EINVAL : -ASYNCIO_ENOTASK);
    EXPECT_INT(run(read_foreign, NULL), 0);
    close_loop(loop);
    EXPECT_INT(asyncio_streamreader_feed_eof(reader), 0);
    close_streams();
}

TEST_ONE(waits_have_names, "T-13: a dump says that a task waits for data of a stream", FED)
{
    open_reader(0);
    spawn(one_line, NULL, "reader");
    moment();
    EXPECT(broken || dump_says("data of a stream"));
    feed_eof();
    everybody();
    EXPECT_TRACE("[0.000] reader: 0\n");
    close_streams();
    return 0;
}
