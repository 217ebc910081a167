/* test_streamreaderprotocol.c -- a protocol that feeds a reader: straight-line code over pipes and other transports. */
#include "pipe_rig.h"

static struct asyncio_streamreaderprotocol input, output;

static int open_both(int fds[2])
{
    int r;

    make_pipe(fds);
    r = asyncio_streamreaderprotocol_init(&input, 0);
    EXPECT_INT(r, 0);
    if (r == 0)
        r = asyncio_streamreaderprotocol_init(&output, 0);
    if (r == 0) {
        r = asyncio_loop_connect_read_pipe(asyncio_get_running_loop(), asyncio_streamreaderprotocol, &input, fds[0],
                                           NULL, NULL);
        fds[0] = -1;
    }
    if (r == 0) {
        r = asyncio_loop_connect_write_pipe(asyncio_get_running_loop(), asyncio_streamreaderprotocol, &output, fds[1],
                                            NULL, NULL);
        fds[1] = -1;
    }
    EXPECT_INT(r, 0);
    return r;
}

static int close_both(int fds[2])
{
    ASYNCIO_IGNORE(asyncio_streamreaderprotocol_close(&output));
    ASYNCIO_IGNORE(asyncio_streamreaderprotocol_close(&input));
    asyncio_streamreaderprotocol_fini(&output);
    asyncio_streamreaderprotocol_fini(&input);
    close_fd(&fds[0]);
    close_fd(&fds[1]);
    return 0;
}

static char much[1000 * 1000];

static int read_lines(void *arg)
{
    char *line = NULL;
    ssize_t n;

    (void)arg;
    while ((n = asyncio_streamreader_readline(input.reader, &line)) > 0)
        trace("%s: %.*s", me(), (int)n - 1, line);
    trace("%s: %s", me(), said(n));
    return 0;
}

static int lines(void *arg)
{
    int fds[2];

    (void)arg;
    if (open_both(fds) == 0) {
        spawn(read_lines, NULL, "reader");
        EXPECT_INT(asyncio_streamreaderprotocol_write(&output, "one\ntwo\n", 8), 0);
        ASYNCIO_IGNORE(asyncio_sleep(1));
        EXPECT_INT(asyncio_streamreaderprotocol_write(&output, "three\n", 6), 0);
        EXPECT_INT(asyncio_streamreaderprotocol_close(&output), 0);
        EXPECT_INT(asyncio_streamreaderprotocol_write(&output, "four\n", 5), -ECONNRESET);
        EXPECT_INT(asyncio_streamreaderprotocol_close(&output), 0);
        everybody();
    }
    return close_both(fds);
}

TEST_NO_SWEEP(reads_lines_from_a_pipe, "N-12 ST-01: as Python reads standard input",
              "a reader that would wait for ever")
{
    EXPECT_INT(play(lines), 0);
    EXPECT_TRACE("[0.000] reader: one\n"
                 "[0.000] reader: two\n"
                 "[1.000] reader: three\n"
                 "[1.000] reader: 0\n");
}

static int read_slowly(void *arg)
{
    size_t total = 0;
    char data[30000];
    ssize_t n;

    (void)arg;
    do {
        ASYNCIO_IGNORE(asyncio_sleep(1));
        n = asyncio_streamreader_read(input.reader, data, sizeof data);
        total += n > 0 ? (size_t)n : 0;
    } while (n > 0 && total < sizeof much);
    trace("%s: %zu bytes", me(), total);
    return 0;
}

static int floods(void *arg)
{
    double began = asyncio_loop_time(asyncio_get_running_loop());
    int fds[2];

    (void)arg;
    if (open_both(fds) == 0) {
        spawn(read_slowly, NULL, "reader");
        for (int i = 0; i < 100; i++)
            EXPECT_INT(asyncio_streamreaderprotocol_write(&output, much, sizeof much / 100), 0);
        EXPECT(asyncio_loop_time(asyncio_get_running_loop()) - began > 5);
        everybody();
    }
    return close_both(fds);
}

TEST_NO_SWEEP(waits_while_too_much_is_kept, "TR-04 ST-12: the writer waits for a reader who reads slowly",
              "a reader that would wait for ever")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "it counts the seconds that pieces take");
    EXPECT_INT(play(floods), 0);
    EXPECT(strstr(transcript(), "reader: 1000000 bytes\n"));
    trace_clear();
}

static int write_much(void *arg)
{
    int r;

    (void)arg;
    do
        r = asyncio_streamreaderprotocol_write(&output, much, sizeof much);
    while (r == 0);
    trace("%s: %s", me(), said(r));
    return 0;
}

static int reader_goes(void *arg)
{
    int fds[2];

    (void)arg;
    if (open_both(fds) == 0) {
        spawn(write_much, NULL, "writer");
        ASYNCIO_IGNORE(asyncio_sleep(1));
        EXPECT_INT(asyncio_streamreaderprotocol_close(&input), 0);
        everybody();
        EXPECT_INT(asyncio_streamreader_exception(output.reader), -EPIPE);
        EXPECT_INT(asyncio_streamreaderprotocol_close(&output), -EPIPE);
    }
    return close_both(fds);
}

TEST_NO_SWEEP(tells_who_writes_that_nobody_reads, "TR-13: the error of the transport", "a writer that never ends")
{
    EXPECT_INT(play(reader_goes), 0);
    EXPECT_TRACE("[1.000] writer: -EPIPE\n");
}

static int is_cancelled(void *arg)
{
    int fds[2];

    (void)arg;
    if (open_both(fds) == 0) {
        spawn(write_much, NULL, "writer");
        spawn(read_lines, NULL, "reader");
        asyncio_transport_pause_reading(input.transport);
        ASYNCIO_IGNORE(asyncio_sleep(1));
        cancel(crew[0]);
        cancel(crew[1]);
        everybody();
        asyncio_transport_abort(output.transport);
    }
    return close_both(fds);
}

TEST_NO_SWEEP(is_cancelled, "ST-12: whoever waits for room or data", "a writer that never ends")
{
    EXPECT_INT(play(is_cancelled), 0);
    EXPECT_TRACE("[1.000] writer: -ECANCELED\n"
                 "[1.000] reader: -ECANCELED\n");
}

static int reads_once(void *arg)
{
    char data[8] = "";
    int fds[2];

    (void)arg;
    if (open_both(fds) == 0) {
        ASYNCIO_IGNORE(asyncio_streamreaderprotocol_write(&output, "hello", 5));
        ASYNCIO_IGNORE(asyncio_streamreaderprotocol_close(&output));
        ASYNCIO_IGNORE(asyncio_streamreader_readexactly(input.reader, data, 5));
        EXPECT_STR(data, "hello");
    }
    return close_both(fds);
}

TEST(goes_and_leaves_nothing, "N-15: whatever fails meanwhile")
{
    EXPECT_INT(run(reads_once, NULL), 0);
}

TEST(needs_a_loop, "ST-01: as a reader does")
{
    EXPECT_INT(asyncio_streamreaderprotocol_init(NULL, 0), -EINVAL);
    EXPECT_INT(asyncio_streamreaderprotocol_init(&input, 0), -ASYNCIO_ENOLOOP);
    asyncio_streamreaderprotocol_fini(NULL);
}
