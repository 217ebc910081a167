/* test_stream_tls.c -- streams with TLS: the connect with its handshake, what differs from a plain stream, flow control
 * and the end. What reads return is tested in test_streamreader_tls.c. */
#define OVER_TLS
#include "streams.h"

#define LIMIT ((size_t)1000)

static const struct asyncio__stream_options usual = {.limit = 0};

/* Two ends with TLS, if no fault came in between. */
static void open_ends(const struct asyncio__stream_options *options)
{
    broken = false;
    side = CONNECTED;
    reader = peer_reader = NULL;
    writer = peer = NULL;
    connect_ends(options);
    secure_ends();
}

/* So many bytes, or fewer where they come one by one. */
static size_t much(size_t size)
{
    return test_hostile() ? size / 50 : size;
}

static int writing(void *arg)
{
    static char block[10000];
    size_t size = (size_t)number_of(arg);
    int r = 0;

    for (size_t at = 0; at < size && r == 0; at += sizeof block) {
        for (size_t i = 0; i < sizeof block; i++)
            block[i] = (char)('a' + (at + i) % 26);
        r = broken ? -EIO : asyncio_streamwriter_write(peer, block, sizeof block);
    }
    trace("%s: %s", me(), said(r));
    return r;
}

/* Reads as much as the above has written. */
static void read_all(size_t size)
{
    static char data[3000];
    ssize_t r = 1;

    for (size_t at = 0; at < size && r > 0 && !broken; at += (size_t)r) {
        r = asyncio_streamreader_read(reader, data, sizeof data);
        EXPECT(r > 0);
        for (ssize_t i = 0; i < r; i++)
            if (data[i] != (char)('a' + (at + (size_t)i) % 26))
                FAIL("byte %zu is another", at + (size_t)i);
        broken |= r <= 0;
    }
}

static int agreed_on(void *arg)
{
    struct asyncio_ssl_info info = {.version = NULL};
    struct asyncio_ssl_certificate *certificate = NULL;
    struct asyncio_ssl_session *session = NULL;
    size_t high = 0, low = 0;

    (void)arg;
    open_ends(&usual);
    EXPECT_CALL(asyncio_streamwriter_ssl_info(writer, &info), 0);
    EXPECT(broken || strncmp(info.version, "TLSv1.", 6) == 0);
    EXPECT(broken || (info.cipher && info.cipher_bits >= 128 && info.has_peercert));
    EXPECT_CALL(asyncio_streamwriter_ssl_info(peer, &info), 0);
    EXPECT_STR(broken ? "localhost" : info.server_name, "localhost");
    EXPECT_CALL(asyncio_streamwriter_getpeercert(writer, &certificate), 0);
    EXPECT(broken || certificate->der_size > 0);
    asyncio_free(certificate);
    EXPECT_CALL(asyncio_streamwriter_getpeercert(peer, &certificate), -ENOENT);
    EXPECT_CALL(asyncio_streamwriter_ssl_session(peer, &session), -ENOENT);
    feed("x");
    EXPECT_STR(read_text(1), "x");
    EXPECT_CALL(asyncio_streamwriter_ssl_session(writer, &session), 0);
    asyncio_ssl_session_unref(session);
    EXPECT_INT(asyncio_streamwriter_can_write_eof(writer), false);
    EXPECT_CALL(asyncio_streamwriter_write_eof(writer), -ENOTSUP);
    asyncio_streamwriter_get_write_buffer_limits(writer, &high, &low);
    EXPECT(broken || (high == 512 * 1024 && low == 128 * 1024));
    EXPECT_CALL(asyncio_streamwriter_set_write_buffer_limits(writer, 1000, -1), 0);
    EXPECT_CALL(asyncio_streamwriter_set_write_buffer_limits(writer, -1, -1), 0);
    asyncio_streamwriter_get_write_buffer_limits(writer, &high, &low);
    EXPECT(broken || (high == 512 * 1024 && low == 128 * 1024));
    asyncio_streamwriter_abort(writer);
    EXPECT_CALL(asyncio_streamwriter_ssl_info(writer, &info), -ENOTCONN);
    close_streams();
    return 0;
}

TEST(what_was_agreed_on, "TL-03 TL-04 TL-07 ST-14: what TLS has agreed on; the marks are 512 and 128 KiB; there is no "
                         "half of a connection")
{
    EXPECT_INT(play(agreed_on), 0);
}

static int without_tls(void *arg)
{
    struct asyncio_ssl_info info;
    struct asyncio_ssl_certificate *certificate;
    struct asyncio_ssl_session *session;

    (void)arg;
    broken = false;
    connect_ends(&usual);
    EXPECT_CALL(asyncio_streamwriter_ssl_info(writer, &info), -ASYNCIO_EINVALIDSTATE);
    EXPECT_CALL(asyncio_streamwriter_getpeercert(writer, &certificate), -ASYNCIO_EINVALIDSTATE);
    EXPECT_CALL(asyncio_streamwriter_ssl_session(writer, &session), -ASYNCIO_EINVALIDSTATE);
    EXPECT_CALL(asyncio_streamwriter_ssl_info(NULL, &info), -EINVAL);
    EXPECT_CALL(asyncio_streamwriter_ssl_info(writer, NULL), -EINVAL);
    EXPECT_INT(asyncio_streamwriter_can_write_eof(writer), true);
    close_streams();
    return 0;
}

TEST(questions_without_tls, "TL-03: a plain stream has nothing to say about TLS")
{
    EXPECT_INT(play(without_tls), 0);
}

/* ---------------------------------------------------------------------------------------------------- Flow control */

static int slow_reader(void *arg)
{
    const size_t size = 4000000;

    (void)arg;
    test_spare(ASYNCIO__SHORT_TRANSFERS, "it is about more than fits");
    open_ends(&(const struct asyncio__stream_options){.limit = LIMIT});
    rely_on(writing, number((intptr_t)size), "writer");
    EXPECT_INT(asyncio_sleep(1), 0);
    trace("nobody has read");
    EXPECT(broken || (reader->is_paused && reader->buffer.capacity < 2 * LIMIT + 64 * 1024));
    EXPECT(broken || asyncio_streamwriter_get_write_buffer_size(peer) <= 512 * 1024 + 10000);
    if (!broken)
        asyncio_streamwriter_set_write_buffer_limits(peer, 0, 0);
    read_all(size);
    everybody();
    EXPECT_TRACE("[1.000] nobody has read\n[1.000] writer: 0\n");
    close_streams();
    return 0;
}

TEST_NO_SWEEP(slow_readers_hold_up_writers,
              "TL-04 ST-05 #89: a reader that nobody reads from keeps twice its limit and a piece more, and holds up "
              "whoever writes to it",
              "it goes on until all has arrived")
{
    EXPECT_INT(play(slow_reader), 0);
}

static int much_at_once(void *arg)
{
    const size_t size = much(1000000);
    char *data = calloc(1, size);

    (void)arg;
    open_ends(&(const struct asyncio__stream_options){.limit = LIMIT});
    rely_on(writing, number((intptr_t)size), "writer");
    EXPECT_CALL(asyncio_streamreader_readexactly(reader, data, size), (int64_t)size);
    for (size_t i = 0; i < size && !broken; i++)
        if (data[i] != (char)('a' + i % 26))
            FAIL("byte %zu is another", i);
    /* What came beyond is still there. */
    rely_on(writing, number(20000), "more");
    EXPECT_CALL(asyncio_streamreader_readexactly(reader, data, 20000), 20000);
    asyncio_streamwriter_abort(peer);
    everybody();
    free(data);
    close_streams();
    return 0;
}

TEST_NO_SWEEP(readexactly_of_much, "ST-07 #89: readexactly of more than any buffer has goes into the caller's memory",
              "it goes on until all has arrived")
{
    EXPECT_INT(play(much_at_once), 0);
}

/* Pieces of all sizes from two tasks that read and write at both ends. */
static int echo_pieces(void *arg)
{
    char data[5000];
    ssize_t n;
    int r = 0;

    (void)arg;
    while (r == 0 && (n = asyncio_streamreader_read(peer_reader, data, sizeof data)) != 0)
        r = n < 0 ? (int)n : asyncio_streamwriter_write(peer, data, (size_t)n);
    if (r < 0)
        asyncio_streamwriter_abort(peer);
    return r;
}

static int both_ways(void *arg)
{
    static char data[50000], back[50000];

    (void)arg;
    open_ends(&usual);
    if (!broken)
        rely_on(echo_pieces, NULL, "echo");
    for (size_t size = 1; size < sizeof data && !broken; size = size * 3 + 1) {
        for (size_t i = 0; i < size; i++)
            data[i] = (char)(size + i);
        EXPECT_CALL(asyncio_streamwriter_write(writer, data, size), 0);
        EXPECT_CALL(asyncio_streamreader_readexactly(reader, back, size), (int64_t)size);
        EXPECT(memcmp(data, back, size) == 0);
    }
    asyncio_streamwriter_close(writer);
    if (broken)
        asyncio_streamwriter_abort(peer);
    everybody();
    close_streams();
    return 0;
}

TEST(there_and_back, "TL-01: what is written comes back the same, whatever its size")
{
    EXPECT_INT(play(both_ways), 0);
}

static int out_of_memory(void *arg)
{
    char *line = NULL;

    (void)arg;
    open_ends(&usual);
    feed("first\nsecond\n");
    for (int i = 0; i < 50 && !line && !broken; i++) {
        ssize_t r = asyncio_streamreader_readline(reader, &line);

        broken |= r < 0 && r != -ENOMEM;
    }
    EXPECT_STR(broken || !line ? "first\n" : line, "first\n");
    close_streams();
    return 0;
}

TEST(reads_without_memory, "a read that finds no memory says so, and the next one goes on where it was")
{
    EXPECT_INT(play(out_of_memory), 0);
}

/* --------------------------------------------------------------------------------------------------------- The end */

/* The peer hangs up without a word of TLS. */
static void truncate_peer(void)
{
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_SHUTDOWN, .fd = asyncio_streamwriter_fileno(peer), .argument = SHUT_WR};

    if (!broken)
        EXPECT_INT(asyncio_op_await(&op), 0);
}

static int truncated(void *arg)
{
    char *line = NULL;

    (void)arg;
    open_ends(&usual);
    feed("a line\nhalf");
    EXPECT_INT(asyncio_sleep(1), 0);
    truncate_peer();
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT_INT(asyncio_streamreader_at_eof(reader), broken);
    EXPECT_CALL(asyncio_streamreader_exception(reader), -ASYNCIO_ESSLEOF);
    EXPECT_STR(broken ? "a line\n" : read_line(), "a line\n");
    EXPECT_CALL(asyncio_streamreader_readline(reader, &line), -ASYNCIO_ESSLEOF);
    EXPECT_STR(broken ? "half" : read_text(4), "half");
    EXPECT_CALL(asyncio_streamreader_readline(reader, &line), -ASYNCIO_ESSLEOF);
    EXPECT_INT(asyncio_streamreader_at_eof(reader), true);
    EXPECT_CALL(asyncio_streamwriter_wait_closed(writer), -ASYNCIO_ESSLEOF);
    close_streams();
    return 0;
}

TEST(truncated_streams,
     "TL-05 ST-06: an end that the peer has not announced is an error, after what had come before it")
{
    EXPECT_INT(play(truncated), 0);
}

static int truncated_while_reading(void *arg)
{
    char *data = NULL;

    (void)arg;
    open_ends(&usual);
    feed("all of it?");
    truncate_peer();
    EXPECT_CALL(asyncio_streamreader_read_to_end(reader, SIZE_MAX, &data), -ASYNCIO_ESSLEOF);
    asyncio_free(data);
    close_streams();
    return 0;
}

TEST(truncated_streams_are_not_whole, "TL-05: who reads to the end is not told that it was one")
{
    EXPECT_INT(play(truncated_while_reading), 0);
}

static int announced(void *arg)
{
    char *data = NULL;

    (void)arg;
    open_ends(&usual);
    feed("the last words");
    end_peer();
    EXPECT_CALL(asyncio_streamreader_read_to_end(reader, SIZE_MAX, &data), 14);
    EXPECT_STR(broken ? "the last words" : data, "the last words");
    asyncio_free(data);
    EXPECT_INT(asyncio_streamreader_at_eof(reader), true);
    EXPECT_INT(asyncio_streamwriter_is_closing(writer), true);
    EXPECT_CALL(asyncio_streamwriter_wait_closed(writer), 0);
    EXPECT_CALL(asyncio_streamwriter_wait_closed(peer), 0);
    EXPECT_CALL(asyncio_streamwriter_write(writer, "too late", 8), -ASYNCIO_ECLOSED);
    close_streams();
    return 0;
}

TEST(announced_ends, "TL-05 TL-06 TL-07: the peer's announcement is the end of both directions, in order")
{
    EXPECT_INT(play(announced), 0);
}

static int flushed(void *arg)
{
    const size_t size = much(2000000);

    (void)arg;
    open_ends(&usual);
    if (!broken)
        asyncio_streamwriter_set_write_buffer_limits(peer, (ssize_t)size * 2, -1);
    rely_on(writing, number((intptr_t)size), "writer");
    everybody();
    end_peer();
    EXPECT_INT(asyncio_sleep(1), 0);
    read_all(size);
    EXPECT_STR(broken ? "" : read_text(0), "");
    EXPECT_CALL(asyncio_streamwriter_wait_closed(peer), 0);
    close_streams();
    trace_clear();
    return 0;
}

TEST_NO_SWEEP(close_sends_everything, "TL-05: close sends what is kept before it announces the end",
              "it goes on until all has arrived")
{
    EXPECT_INT(play(flushed), 0);
}

static int closed_while_data_come(void *arg)
{
    (void)arg;
    open_ends(&usual);
    feed("on its way");
    asyncio_streamwriter_close(writer);
    EXPECT_CALL(asyncio_streamwriter_wait_closed(writer), 0);
    EXPECT_STR(broken ? "on its way" : read_text(10), "on its way");
    EXPECT_INT(asyncio_streamreader_at_eof(reader), true);
    close_streams();
    return 0;
}

TEST(data_after_close, "TL-05: what was on its way when the writer was closed can still be read")
{
    EXPECT_INT(play(closed_while_data_come), 0);
}

static int reset(void *arg)
{
    char byte;

    (void)arg;
    open_ends(&usual);
    asyncio_streamwriter_abort(peer);
    EXPECT_INT(asyncio_sleep(1), 0);
    /* A pair of Unix sockets knows no reset unless something is unread. */
    EXPECT(broken || asyncio_streamreader_read(reader, &byte, 1) < 0);
    EXPECT(broken || !asyncio_streamwriter_can_write_eof(writer));
    close_streams();
    return 0;
}

TEST(aborted_by_the_peer, "TL-05 ST-13: a peer that aborts is an error, never an end")
{
    EXPECT_INT(play(reset), 0);
}
