/* test_streamwriter.c -- StreamWriter: what is written arrives, whoever writes too much waits, and everybody hears of
 * the end. */
#include "streams.h"

#include <wchar.h>

#define OPEN(...)                                                                 \
    do {                                                                          \
        broken = false;                                                           \
        reader = peer_reader = NULL;                                              \
        writer = peer = NULL;                                                     \
        side = CONNECTED;                                                         \
        connect_ends(&(struct asyncio__stream_options){.limit = 0, __VA_ARGS__}); \
        secure_ends();                                                            \
    } while (0)

/* With TLS a connection that is closed is not lost before the peer has answered. */
#ifdef OVER_TLS
#define HIGH                  ((size_t)512 * 1024)
#define DRAINED_WHILE_CLOSING 0
#define TEST_OF_WRITER(name, why) \
    TEST_NO_SWEEP(name, why, "handshakes take long; without TLS the same is swept, and TLS in test_stream_tls")
#else
#define HIGH                  ((size_t)64 * 1024)
#define DRAINED_WHILE_CLOSING (-ECONNRESET)
#define TEST_OF_WRITER        TEST
#endif

#define TEST_WRITER(name, why)               \
    static int body_of_##name(void *arg);    \
    TEST_OF_WRITER(name, why)                \
    {                                        \
        EXPECT_INT(play(body_of_##name), 0); \
    }                                        \
    static int body_of_##name(void *arg __attribute__((unused)))

/* Ends what is written; with TLS there is no half of a connection. */
static void end_writing(void)
{
#ifdef OVER_TLS
    asyncio_streamwriter_close(writer);
#else
    EXPECT_CALL(asyncio_streamwriter_write_eof(writer), 0);
#endif
}

/* The peer is gone without a word. */
static void lose_peer(void)
{
#ifdef OVER_TLS
    asyncio_streamwriter_abort(peer);
#else
    asyncio_streamwriter_close(peer);
#endif
}

/* What the peer gets next: a text of that size. */
static const char *peer_text(size_t size)
{
    static char text[256];

    memset(text, 0, sizeof text);
    EXPECT_CALL(asyncio_streamreader_readexactly(peer_reader, text, size), (ssize_t)size);
    return text;
}

/* Reads everything that comes to the peer, and counts it. */
static size_t n_arrived;
static char last_bytes[4];

static int read_all(void *arg)
{
    static char block[5000];
    ssize_t r = 1;

    (void)arg;
    for (n_arrived = 0; !broken && r > 0;) {
        r = asyncio_streamreader_read(peer_reader, block, sizeof block);
        for (ssize_t i = r > 3 ? r - 3 : 0; i < r; i++) {
            memmove(last_bytes, last_bytes + 1, 2);
            last_bytes[2] = block[i];
        }
        n_arrived += r > 0 ? (size_t)r : 0;
    }
    return r < 0 ? (int)r : 0;
}

/* Everything that was written arrives, and then the end. */
static void expect_all(void)
{
    if (!broken)
        EXPECT_INT(n_arrived, n_written);
}

/* How a connection ends that the peer has left, on one system or another. */
static const char *said_of_loss(int64_t r)
{
    return r == -EPIPE || r == -ECONNRESET || r == -ASYNCIO_ESSLEOF ? "lost" : said(r);
}

static int drainer(void *arg)
{
    int r = broken ? -EIO : asyncio_streamwriter_drain(writer);

    (void)arg;
    trace("%s: %s", me(), said_of_loss(r));
    return 0;
}

static int closer(void *arg)
{
    int r = broken ? -EIO : asyncio_streamwriter_wait_closed(writer);

    (void)arg;
    trace("%s: %s", me(), said_of_loss(r));
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- Writing */

TEST_WRITER(writing, "ST-11: what is written in whatever way arrives in order")
{
    const struct asyncio_bytes pieces[] = {{"one ", 4}, {NULL, 0}, {"two ", 4}, {"", 0}, {"three", 5}};

    OPEN();
    EXPECT_CALL(asyncio_streamwriter_write(writer, "a", 1), 0);
    EXPECT_CALL(asyncio_streamwriter_write_nowait(writer, "b", 1), 0);
    EXPECT_CALL(asyncio_streamwriter_printf(writer, "%d-%s", 42, "c"), 0);
    EXPECT_CALL(asyncio_streamwriter_write(writer, NULL, 0), 0);
    EXPECT_CALL(asyncio_streamwriter_writelines(writer, pieces, 5), 0);
    EXPECT_CALL(asyncio_streamwriter_writelines(writer, NULL, 0), 0);
    end_writing();
    EXPECT_STR(peer_text(19), broken ? "" : "ab42-cone two three");
    EXPECT_CALL(read_all(NULL), 0);
    EXPECT_INT(n_arrived, 0);
    close_streams();
    return 0;
}

#ifndef OVER_TLS

TEST_WRITER(printing, "a text of any length is written whole; one that cannot be formatted is -EINVAL")
{
    const wchar_t nonsense[] = {0x7fffffff, 0};

    for (int size = 500; size < 3000; size = size < 520 ? size + 1 : size * 5) {
        OPEN();
        EXPECT_CALL(asyncio_streamwriter_printf(writer, "%*d", size, 7), 0);
        EXPECT_CALL(asyncio_streamwriter_write_eof(writer), 0);
        EXPECT_CALL(read_all(NULL), 0);
        if (!broken)
            EXPECT_INT(n_arrived, size);
        close_streams();
    }
    OPEN();
    EXPECT_CALL(asyncio_streamwriter_printf(writer, "%ls", nonsense), -EINVAL);
    close_streams();
    return 0;
}

#endif

static int write_lines(void *arg)
{
    static char piece[6500];
    struct asyncio_bytes pieces[101];

    (void)arg;
    for (int i = 0; i < 100; i++)
        pieces[i] = (struct asyncio_bytes){piece, sizeof piece};
    pieces[100] = (struct asyncio_bytes){"end", 3};
    EXPECT_CALL(asyncio_streamwriter_writelines(writer, pieces, 101), 0);
    trace("written");
    asyncio_streamwriter_close(writer);
    return 0;
}

TEST_WRITER(writelines_of_much, "ST-11 #77 #78: many large pieces arrive whole, and their writer waits meanwhile")
{
    OPEN();
    EXPECT_CALL(asyncio_streamwriter_set_write_buffer_limits(writer, 65536, -1), 0);
    spawn(write_lines, NULL, "writer");
    moment();
    trace("read");
    EXPECT_CALL(read_all(NULL), 0);
    everybody();
    if (!broken)
        EXPECT_INT(n_arrived, 650003);
    EXPECT_STR(last_bytes, broken ? last_bytes : "end");
    EXPECT_TRACE("[0.000] read\n[0.000] written\n");
    close_streams();
    return 0;
}

TEST_WRITER(writelines_of_many, "ST-11 #77: more pieces than the kernel takes at a time")
{
    static struct asyncio_bytes pieces[5000];

    OPEN();
    for (int i = 0; i < 5000; i++)
        pieces[i] = (struct asyncio_bytes){"0123456789", (size_t)i % 11};
    EXPECT_CALL(asyncio_streamwriter_writelines(writer, pieces, 5000), 0);
    asyncio_streamwriter_close(writer);
    EXPECT_CALL(read_all(NULL), 0);
    if (!broken)
        EXPECT_INT(n_arrived, 454 * 55 + 15);
    close_streams();
    return 0;
}

#ifndef OVER_TLS

TEST_WRITER(writing_after_the_end,
            "ST-11 ST-14: after write_eof it is -ASYNCIO_EINVALIDSTATE, after close -ASYNCIO_ECLOSED")
{
    const struct asyncio_bytes piece = {"x", 1};

    OPEN();
    EXPECT_INT(asyncio_streamwriter_can_write_eof(writer), writer != NULL);
    EXPECT_CALL(asyncio_streamwriter_write_eof(writer), 0);
    EXPECT_CALL(asyncio_streamwriter_write_eof(writer), 0);
    EXPECT_CALL(asyncio_streamwriter_write(writer, "x", 1), -ASYNCIO_EINVALIDSTATE);
    EXPECT_CALL(asyncio_streamwriter_write_nowait(writer, "x", 1), -ASYNCIO_EINVALIDSTATE);
    EXPECT_CALL(asyncio_streamwriter_writelines(writer, &piece, 1), -ASYNCIO_EINVALIDSTATE);
    EXPECT_CALL(asyncio_streamwriter_printf(writer, "x"), -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(asyncio_streamwriter_is_closing(writer), false);
    asyncio_streamwriter_close(writer);
    EXPECT_INT(asyncio_streamwriter_is_closing(writer), writer != NULL);
    EXPECT_CALL(asyncio_streamwriter_write(writer, "x", 1), -ASYNCIO_ECLOSED);
    EXPECT_CALL(asyncio_streamwriter_write_nowait(writer, "x", 1), -ASYNCIO_ECLOSED);
    EXPECT_CALL(asyncio_streamwriter_writelines(writer, &piece, 1), -ASYNCIO_ECLOSED);
    EXPECT_CALL(asyncio_streamwriter_printf(writer, "x"), -ASYNCIO_ECLOSED);
    EXPECT_CALL(asyncio_streamwriter_write_eof(writer), -ASYNCIO_ECLOSED);
    close_streams();
    return 0;
}

TEST_WRITER(eof_after_everything, "ST-14: write_eof ends the stream once everything has been sent; reading goes on")
{
    char data[4] = "";

    OPEN();
    fill();
    EXPECT_CALL(asyncio_streamwriter_write_eof(writer), 0);
    EXPECT_CALL(read_all(NULL), 0);
    expect_all();
    EXPECT_CALL(asyncio_streamwriter_write(peer, "ok", 2), 0);
    EXPECT_CALL(asyncio_streamreader_readexactly(reader, data, 2), 2);
    EXPECT_STR(data, "ok");
    close_streams();
    return 0;
}

#endif

TEST_WRITER(writing_to_nobody, "ST-11 #79 #88: when the peer is gone every write says so, and its data are dropped")
{
    const struct asyncio_bytes piece = {"x", 1};
    int r = 0, n = 0;

    OPEN();
    lose_peer();
    moment();
    for (n = 0; r == 0 && !broken && n < 1000; n++) {
        r = asyncio_streamwriter_write_nowait(writer, "x", 1);
        if (r == 0)
            r = asyncio_streamwriter_drain(writer);
    }
    EXPECT_STR(said_of_loss(r), broken ? said(r) : "lost");
    EXPECT_CALL(asyncio_streamwriter_write(writer, "x", 1), r);
    EXPECT_CALL(asyncio_streamwriter_write_nowait(writer, "x", 1), r);
    EXPECT_CALL(asyncio_streamwriter_writelines(writer, &piece, 1), r);
    EXPECT_CALL(asyncio_streamwriter_printf(writer, "x"), r);
    EXPECT_CALL(asyncio_streamwriter_write_eof(writer), r);
    EXPECT_CALL(asyncio_streamwriter_drain(writer), r);
    EXPECT_INT(asyncio_streamwriter_get_write_buffer_size(writer), 0);
    asyncio_streamwriter_close(writer);
    EXPECT_CALL(asyncio_streamwriter_wait_closed(writer), r);
    close_streams();
    return 0;
}

/* ---------------------------------------------------------------------------------------------------- Back pressure */

static int one_write(void *arg)
{
    int r = broken ? -EIO : asyncio_streamwriter_write(writer, arg, strlen(arg));

    n_written += r == 0 || r == -ECANCELED ? strlen(arg) : 0;
    trace("%s: %s", me(), said_of_loss(r));
    return 0;
}

TEST_WRITER(writing_waits, "ST-12: who writes more than the mark waits until there is room")
{
    char text[] = "text";

    OPEN();
    fill();
    spawn(one_write, text, "writer");
    moment();
    EXPECT_CALL(asyncio_streamwriter_write_nowait(writer, "now", 3), 0);
    n_written += 3;
    trace("read");
    spawn(read_all, NULL, "peer");
    if (crew_size > 0)
        ASYNCIO_IGNORE(asyncio_wait(&crew[0], 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
    asyncio_streamwriter_close(writer);
    everybody();
    expect_all();
    EXPECT_TRACE("[0.000] read\n[0.000] writer: 0\n");
    close_streams();
    return 0;
}

TEST_WRITER(writing_is_cancelled, "T-06 ST-11: a write that is cancelled while it waits has been taken, and arrives")
{
    char text[] = "text";

    OPEN();
    fill();
    spawn(one_write, text, "writer");
    moment();
    cancel(crew_size > 0 ? crew[0] : NULL);
    moment();
    asyncio_streamwriter_close(writer);
    EXPECT_CALL(read_all(NULL), 0);
    expect_all();
    everybody();
    EXPECT_TRACE("[0.000] writer: -ECANCELED\n");
    close_streams();
    return 0;
}

TEST_WRITER(writing_with_a_cancel_pending, "T-07 ST-11: a cancel that is pending is met after the data were taken")
{
    OPEN();
    cancel(asyncio_current_task());
    EXPECT_CALL(asyncio_streamwriter_write(writer, "text", 4), -ECANCELED);
    EXPECT_STR(peer_text(4), broken ? "" : "text");
    close_streams();
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

TEST_WRITER(writing_yields, "D-10 #88: who writes without ever having to wait lets others run after 16 calls")
{
    OPEN();
    spawn(count_steps, NULL, "bystander");
    turns(1);
    for (int i = 0; i < 33; i++)
        EXPECT_CALL(asyncio_streamwriter_write(writer, "x", 1), 0);
    EXPECT_INT(n_steps, broken ? n_steps : 2);
    cancel(crew_size > 0 ? crew[0] : NULL);
    everybody();
    close_streams();
    return 0;
}

TEST_WRITER(several_drainers, "ST-12 #87: any number of tasks drain at once; all are woken, in order")
{
    OPEN();
    fill();
    spawn(drainer, NULL, "first");
    spawn(drainer, NULL, "second");
    spawn(drainer, NULL, "third");
    moment();
    EXPECT(broken || dump_says("room in a stream's buffer"));
    cancel(crew_size > 1 ? crew[1] : NULL);
    moment();
    trace("read");
    spawn(read_all, NULL, "peer");
    for (int i = 0; i < 3; i++)
        ASYNCIO_IGNORE(asyncio_wait(&crew[i], 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
    asyncio_streamwriter_close(writer);
    everybody();
    expect_all();
    EXPECT_TRACE("[0.000] second: -ECANCELED\n[0.000] read\n[0.000] first: 0\n[0.000] third: 0\n");
    close_streams();
    return 0;
}

TEST_WRITER(drained_and_cancelled, "T-06 ST-12: who is woken and then cancelled before it runs gets -ECANCELED")
{
    OPEN();
    fill();
    spawn(drainer, NULL, "drainer");
    moment();
    EXPECT_CALL(asyncio_streamwriter_set_write_buffer_limits(writer, 1000000, 1000000), 0);
    cancel(crew_size > 0 ? crew[0] : NULL);
    everybody();
    EXPECT_TRACE("[0.000] drainer: -ECANCELED\n");
    asyncio_streamwriter_abort(writer);
    close_streams();
    return 0;
}

TEST_WRITER(draining_what_is_not_full, "ST-12: drain waits only while the writer is above its mark")
{
    OPEN();
    EXPECT_CALL(asyncio_streamwriter_drain(writer), 0);
    fill();
    EXPECT_CALL(asyncio_streamwriter_set_write_buffer_limits(writer, 1000000, 500000), 0);
    EXPECT_CALL(asyncio_streamwriter_drain(writer), 0);
    asyncio_streamwriter_abort(writer);
    close_streams();
    return 0;
}

TEST_WRITER(draining_and_loss, "ST-12: a loss with an error is told to who drains, one without is none")
{
    OPEN();
    fill();
    spawn(drainer, NULL, "first");
    spawn(drainer, NULL, "second");
    moment();
    lose_peer();
    everybody();
    EXPECT_TRACE("[0.000] first: lost\n[0.000] second: lost\n");
    close_streams();
    OPEN();
    fill();
    spawn(drainer, NULL, "third");
    moment();
    asyncio_streamwriter_abort(writer);
    everybody();
    EXPECT_TRACE("[0.000] third: 0\n");
    EXPECT_CALL(asyncio_streamwriter_drain(writer), -ECONNRESET);
    close_streams();
    return 0;
}

TEST_WRITER(draining_while_closing,
            "ST-12 #88: on a writer that is being closed drain yields once, so that the loss is seen")
{
    OPEN();
    spawn(count_steps, NULL, "bystander");
    turns(1);
    n_steps = 0;
    EXPECT_CALL(asyncio_streamwriter_drain(writer), 0);
    EXPECT_INT(n_steps, 0);
    asyncio_streamwriter_close(writer);
    EXPECT_CALL(asyncio_streamwriter_drain(writer), DRAINED_WHILE_CLOSING);
    EXPECT_INT(n_steps, broken ? n_steps : 1);
    cancel(crew_size > 0 ? crew[0] : NULL);
    everybody();
    close_streams();
    OPEN();
    fill();
    asyncio_streamwriter_close(writer);
    spawn(drainer, NULL, "drainer");
    moment();
    trace("read");
    EXPECT_CALL(read_all(NULL), 0);
    everybody();
    expect_all();
    EXPECT_TRACE("[0.000] read\n[0.000] drainer: 0\n");
    close_streams();
    return 0;
}

TEST_WRITER(draining_with_an_exception, "ST-12: drain returns the reader's error first of all")
{
    OPEN();
    EXPECT_CALL(asyncio_streamreader_set_exception(reader, -ENOTTY), 0);
    EXPECT_CALL(asyncio_streamwriter_drain(writer), -ENOTTY);
    asyncio_streamwriter_close(writer);
    EXPECT_CALL(asyncio_streamwriter_drain(writer), -ENOTTY);
    close_streams();
    return 0;
}

TEST_WRITER(limits, "R10 ST-12: the marks: what is left out follows from the other; they take effect at once")
{
    static const struct {
        ssize_t high, low;
        size_t then_high, then_low;
    } cases[] = {{-1, -1, HIGH, HIGH / 4},
                 {100, -1, 100, 25},
                 {-1, 100, 400, 100},
                 {5, 5, 5, 5},
                 {0, 0, 0, 0},
                 {0, -1, 0, 0},
                 {-1, 0, 0, 0}};
    size_t high = 1, low = 1;

    OPEN();
    asyncio_streamwriter_get_write_buffer_limits(writer, &high, &low);
    EXPECT(broken || (high == HIGH && low == HIGH / 4));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        EXPECT_CALL(asyncio_streamwriter_set_write_buffer_limits(writer, cases[i].high, cases[i].low), 0);
        asyncio_streamwriter_get_write_buffer_limits(writer, &high, NULL);
        asyncio_streamwriter_get_write_buffer_limits(writer, NULL, &low);
        EXPECT(broken || (high == cases[i].then_high && low == cases[i].then_low));
    }
    EXPECT_CALL(asyncio_streamwriter_set_write_buffer_limits(writer, 4, 5), -EINVAL);
    EXPECT_CALL(asyncio_streamwriter_set_write_buffer_limits(writer, -2, 0), -EINVAL);
    EXPECT_CALL(asyncio_streamwriter_set_write_buffer_limits(writer, 5, -2), -EINVAL);
    fill();
    spawn(drainer, NULL, "drainer");
    moment();
    trace("more room");
    EXPECT_CALL(asyncio_streamwriter_set_write_buffer_limits(writer, 1000000, 1000000), 0);
    everybody();
    EXPECT_TRACE("[0.000] more room\n[0.000] drainer: 0\n");
    EXPECT(broken || asyncio_streamwriter_get_write_buffer_size(writer) > 0);
    asyncio_streamwriter_abort(writer);
    EXPECT_INT(asyncio_streamwriter_get_write_buffer_size(writer), 0);
    close_streams();
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- Closing */

TEST_WRITER(closing,
            "ST-13: close sends what is kept; any number of tasks wait for the end; closing again does nothing")
{
    OPEN();
    fill();
    spawn(closer, NULL, "first");
    spawn(closer, NULL, "second");
    spawn(closer, NULL, "third");
    moment();
    EXPECT(broken || dump_says("a connection to be closed"));
    asyncio_streamwriter_close(writer);
    asyncio_streamwriter_close(writer);
    cancel(crew_size > 1 ? crew[1] : NULL);
    moment();
    trace("read");
    EXPECT_CALL(read_all(NULL), 0);
    everybody();
    expect_all();
    EXPECT_CALL(asyncio_streamwriter_wait_closed(writer), 0);
    asyncio_streamwriter_close(writer);
    asyncio_streamwriter_abort(writer);
    EXPECT_CALL(asyncio_streamwriter_wait_closed(writer), 0);
    EXPECT_TRACE("[0.000] second: -ECANCELED\n[0.000] read\n[0.000] first: 0\n[0.000] third: 0\n");
    close_streams();
    return 0;
}

TEST_WRITER(closing_takes_too_long,
            "ST-13 R10: what is not taken in the time for closing is aborted, which everybody hears")
{
    OPEN(.close_timeout = 2.5);
    fill();
    asyncio_streamwriter_close(writer);
    spawn(closer, NULL, "closer");
    spawn(drainer, NULL, "drainer");
    everybody();
    EXPECT_INT(asyncio_streamreader_exception(reader), broken ? 0 : -ETIMEDOUT);
    EXPECT_CALL(asyncio_streamwriter_wait_closed(writer), -ETIMEDOUT);
    EXPECT_CALL(asyncio_streamwriter_drain(writer), -ETIMEDOUT);
    EXPECT_TRACE("[2.500] drainer: -ETIMEDOUT\n[2.500] closer: -ETIMEDOUT\n");
    close_streams();
    return 0;
}

TEST_WRITER(closing_timeouts, "ST-13 R10: 30 seconds to flush, if nothing else was said; or no time, or any")
{
    static const double timeouts[] = {0, -1, 1000};

    for (int i = 0; i < 3; i++) {
        OPEN(.close_timeout = timeouts[i]);
        fill();
        asyncio_streamwriter_close(writer);
        spawn(closer, NULL, "closer");
        everybody();
        close_streams();
    }
    EXPECT_TRACE("[30.000] closer: -ETIMEDOUT\n[30.000] closer: -ETIMEDOUT\n[1030.000] closer: -ETIMEDOUT\n");
    return 0;
}

TEST_WRITER(aborting, "ST-13: abort drops what is kept, and that is no error")
{
    OPEN();
    fill();
    spawn(closer, NULL, "closer");
    moment();
    asyncio_streamwriter_abort(writer);
    asyncio_streamwriter_abort(writer);
    everybody();
    EXPECT_TRACE("[0.000] closer: 0\n");
    close_streams();
    return 0;
}

TEST_WRITER(aborting_while_closing, "ST-13: who has lost patience with a close aborts it")
{
    OPEN();
    fill();
    asyncio_streamwriter_close(writer);
    spawn(closer, NULL, "closer");
    moment();
    trace("abort");
    asyncio_streamwriter_abort(writer);
    everybody();
    EXPECT_TRACE("[0.000] abort\n[0.000] closer: 0\n");
    close_streams();
    return 0;
}

/* ------------------------------------------------------------------------------------------------------- Giving up */

TEST_WRITER(dropped, "ST-17 #92: the last reference closes the writer, after what was written has been sent")
{
    OPEN();
    fill();
    EXPECT_PTR(asyncio_streamwriter_ref(writer), writer);
    EXPECT_PTR(asyncio_streamwriter_unref(writer), NULL);
    EXPECT_INT(asyncio_streamwriter_is_closing(writer), false);
    writer = asyncio_streamwriter_unref(writer);
    EXPECT_CALL(asyncio_streamreader_read(reader, last_bytes, 1), 0);
    EXPECT_CALL(read_all(NULL), 0);
    expect_all();
    close_streams();
    return 0;
}

TEST_WRITER(dropped_in_debug_mode,
            "ST-17 #92: in debug mode a warning names where a writer was opened that nobody closed")
{
    asyncio_loop_set_debug(asyncio_get_running_loop(), true);
    OPEN(.source = "there.c:7");
    writer = asyncio_streamwriter_unref(writer);
    if (!broken)
        EXPECT_LOG("unclosed stream writer, opened at there.c:7");
    close_streams();
    OPEN(.source = "there.c:8");
    asyncio_streamwriter_close(writer);
    close_streams();
    captured_log();
    OPEN(.source = "there.c:9");
    if (writer) {
        asyncio__stream_release(reader, writer);
        reader = NULL;
        writer = NULL;
    }
    asyncio_streamwriter_close(peer);
    close_streams();
    EXPECT_STR(captured_log(), "");
    return 0;
}

TEST_WRITER(released, "ST-02 ST-17: what a server gives back is closed when nobody else holds it, and not before")
{
    struct asyncio_streamwriter *kept;

    OPEN();
    if (!broken) {
        kept = asyncio_streamwriter_ref(writer);
        asyncio__stream_release(reader, writer);
        EXPECT_INT(asyncio_streamwriter_is_closing(kept), false);
        reader = NULL;
    }
    EXPECT_CALL(asyncio_streamwriter_write(writer, "x", 1), 0);
    EXPECT_STR(peer_text(1), broken ? "" : "x");
    close_streams();
    return 0;
}

TEST_WRITER(names_and_fd, "ST-16: both ends' addresses and the fd, while there is a connection")
{
    struct asyncio_address address = {0};

    OPEN();
    EXPECT_CALL(asyncio_streamwriter_sockname(writer, &address), 0);
    EXPECT_CALL(asyncio_address_family(&address), AF_UNIX);
    EXPECT_CALL(asyncio_streamwriter_peername(writer, &address), 0);
    EXPECT_CALL(asyncio_address_family(&address), AF_UNIX);
    EXPECT(broken || asyncio_streamwriter_fileno(writer) >= 0);
    asyncio_streamwriter_close(writer);
    moment();
    EXPECT_CALL(asyncio_streamwriter_sockname(writer, &address), -ENOTCONN);
    EXPECT_CALL(asyncio_streamwriter_peername(writer, &address), -ENOTCONN);
    EXPECT_CALL(asyncio_streamwriter_fileno(writer), -ENOTCONN);
    close_streams();
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------- Misuse */

#ifndef OVER_TLS

static int leave_writer(void *arg)
{
    const struct asyncio_bytes bad = {NULL, 1};

    (void)arg;
    OPEN();
    EXPECT_CALL(asyncio_streamwriter_write(writer, NULL, 1), -EINVAL);
    EXPECT_CALL(asyncio_streamwriter_write_nowait(writer, NULL, 1), -EINVAL);
    EXPECT_CALL(asyncio_streamwriter_writelines(writer, &bad, 1), -EINVAL);
    EXPECT_CALL(asyncio_streamwriter_writelines(writer, NULL, 1), -EINVAL);
    EXPECT_CALL(asyncio_streamwriter_sockname(writer, NULL), -EINVAL);
    EXPECT_CALL(asyncio_streamwriter_peername(writer, NULL), -EINVAL);
    return 0;
}

static int write_foreign(void *arg)
{
    (void)arg;
    EXPECT_CALL(asyncio_streamwriter_write(writer, "x", 1), -ASYNCIO_EFOREIGNLOOP);
    EXPECT_CALL(asyncio_streamwriter_drain(writer), -ASYNCIO_EFOREIGNLOOP);
    EXPECT_CALL(asyncio_streamwriter_wait_closed(writer), -ASYNCIO_EFOREIGNLOOP);
    return 0;
}

TEST(writers_belong_to_a_loop, "a writer is used in tasks of its loop; write_nowait needs no task")
{
    struct asyncio_loop *loop = NULL;

    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, leave_writer, NULL), 0);
    EXPECT_CALL(asyncio_streamwriter_write(writer, "x", 1), -ASYNCIO_ENOTASK);
    EXPECT_CALL(asyncio_streamwriter_drain(writer), -ASYNCIO_ENOTASK);
    EXPECT_CALL(asyncio_streamwriter_wait_closed(writer), -ASYNCIO_ENOTASK);
    EXPECT_CALL(asyncio_streamwriter_write_nowait(writer, "x", 1), 0);
    EXPECT_INT(run(write_foreign, NULL), 0);
    close_loop(loop);
    close_streams();
}

TEST(writer_misuse, "without a writer it is -EINVAL, or nothing happens")
{
    struct asyncio_address address;
    size_t size = 7;

    EXPECT_INT(asyncio_streamwriter_write(NULL, "x", 1), -EINVAL);
    EXPECT_INT(asyncio_streamwriter_write_nowait(NULL, "x", 1), -EINVAL);
    EXPECT_INT(asyncio_streamwriter_writelines(NULL, NULL, 0), -EINVAL);
    EXPECT_INT(asyncio_streamwriter_printf(NULL, "x"), -EINVAL);
    EXPECT_INT(asyncio_streamwriter_drain(NULL), -EINVAL);
    EXPECT_INT(asyncio_streamwriter_wait_closed(NULL), -EINVAL);
    EXPECT_INT(asyncio_streamwriter_write_eof(NULL), -EINVAL);
    EXPECT_INT(asyncio_streamwriter_can_write_eof(NULL), false);
    EXPECT_INT(asyncio_streamwriter_is_closing(NULL), false);
    EXPECT_INT(asyncio_streamwriter_set_write_buffer_limits(NULL, 1, 1), -EINVAL);
    EXPECT_INT(asyncio_streamwriter_get_write_buffer_size(NULL), 0);
    EXPECT_INT(asyncio_streamwriter_sockname(NULL, &address), -EINVAL);
    EXPECT_INT(asyncio_streamwriter_peername(NULL, &address), -EINVAL);
    EXPECT_INT(asyncio_streamwriter_fileno(NULL), -EINVAL);
    asyncio_streamwriter_get_write_buffer_limits(NULL, &size, &size);
    EXPECT_INT(size, 7);
    asyncio_streamwriter_close(NULL);
    asyncio_streamwriter_abort(NULL);
    EXPECT_PTR(asyncio_streamwriter_ref(NULL), NULL);
    EXPECT_PTR(asyncio_streamwriter_unref(NULL), NULL);
}

#endif
