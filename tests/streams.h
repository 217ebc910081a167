/* streams.h -- for tests of streams: a reader that is fed, or two ends of a connection. A file that defines OVER_TLS
 * and includes another's tests runs them with TLS between the two ends.
 *
 * During a fault sweep nothing may wait for what will not come: once something went wrong, what EXPECT_CALL would have
 * called is not called any more. */
#pragma once

#include "crew.h"
#include "lib/streams.h"

#ifdef OVER_TLS
#include "tls_rig.h"
#endif

#include <sys/socket.h>

enum side { FED, CONNECTED };

/* How `reader` gets its data in this test: by asyncio_streamreader_feed_data, or from `peer`. */
static enum side side;

static struct asyncio_streamreader *reader, *peer_reader;
static struct asyncio_streamwriter *writer, *peer; /* of these two readers; NULL when the reader is fed */
static bool broken;

/* A call's result, unless something went wrong before. */
#define EXPECT_CALL(call, expected)                                               \
    do {                                                                          \
        int64_t got_ = broken ? -EIO : (call);                                    \
                                                                                  \
        broken |= got_ != (expected);                                             \
        test__expect_int(__FILE__, __LINE__, #call, (long long)got_, (expected)); \
    } while (0)

#ifdef OVER_TLS
#define TEST_BOTH(name, why) TEST_ONE(name##_secured, why, CONNECTED)
#else
/* A test that runs twice, with a reader that is fed and with one of a connection. */
#define TEST_BOTH(name, why)                 \
    static int body_of_##name(void *arg);    \
    TEST(name##_fed, why)                    \
    {                                        \
        side = FED;                          \
        EXPECT_INT(play(body_of_##name), 0); \
    }                                        \
    TEST(name##_connected, why)              \
    {                                        \
        side = CONNECTED;                    \
        EXPECT_INT(play(body_of_##name), 0); \
    }                                        \
    static int body_of_##name(void *arg __attribute__((unused)))

#endif

/* The same for one of the two only. */
#define TEST_ONE(name, why, which)           \
    static int body_of_##name(void *arg);    \
    TEST(name, why)                          \
    {                                        \
        side = which;                        \
        EXPECT_INT(play(body_of_##name), 0); \
    }                                        \
    static int body_of_##name(void *arg __attribute__((unused)))

/* Lets a little time pass, in which everything happens that can; cancels that come meanwhile are forgotten. */
static inline void moment(void)
{
    ASYNCIO_IGNORE(asyncio_sleep(1e-6));
}

static inline int stream_of_fd(int fd, const struct asyncio__stream_options *options,
                               struct asyncio_streamreader **ret_reader, struct asyncio_streamwriter **ret_writer)
{
    return asyncio__stream_open(asyncio_get_running_loop(), fd, options, ret_reader, ret_writer);
}

/* Two connected ends. */
static inline void connect_ends(const struct asyncio__stream_options *options)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SOCKETPAIR,
                            .make = {.domain = AF_UNIX, .type = SOCK_STREAM, .fds = {-1, -1}}};

    EXPECT_CALL(asyncio_op_await(&op), 0);
    if (broken)
        return;
    EXPECT_CALL(stream_of_fd(op.make.fds[0], options, &reader, &writer), 0);
    if (stream_of_fd(op.make.fds[1], &(struct asyncio__stream_options){.limit = 0}, &peer_reader, &peer) < 0)
        broken = true;
}

/* Changes both ends to TLS, the peer as the server's side. */
static inline void secure_ends(void)
{
#ifdef OVER_TLS
    broken |= !have_contexts();
    if (!broken)
        EXPECT_CALL(upgrade_both(writer, peer), 0);
#endif
}

static inline void drop_security(void)
{
#ifdef OVER_TLS
    /* What was closed announces its end. */
    turns(test_hostile() ? 2000 : 20);
    drop_contexts();
#endif
}

/* Ends what the peer writes; with TLS there is no half of a connection. */
static inline void end_peer(void)
{
#ifdef OVER_TLS
    asyncio_streamwriter_close(peer);
#else
    EXPECT_CALL(asyncio_streamwriter_write_eof(peer), 0);
#endif
}

/* A reader of the kind that is asked for. */
static inline void open_reader(size_t limit)
{
    broken = false;
    reader = peer_reader = NULL;
    writer = peer = NULL;
    if (side == FED)
        EXPECT_CALL(asyncio_streamreader(&reader, .limit = limit), 0);
    else
        connect_ends(&(struct asyncio__stream_options){.limit = limit});
    if (side == CONNECTED)
        secure_ends();
}

/* Gives back whatever there is. */
static inline void close_streams(void)
{
    asyncio_streamwriter_close(writer);
    asyncio_streamwriter_close(peer);
    reader = asyncio_streamreader_unref(reader);
    peer_reader = asyncio_streamreader_unref(peer_reader);
    writer = asyncio_streamwriter_unref(writer);
    peer = asyncio_streamwriter_unref(peer);
    drop_security();
}

/* Sends data to the reader. */
static inline void feed_bytes(const void *data, size_t size)
{
    if (side == FED)
        EXPECT_CALL(asyncio_streamreader_feed_data(reader, data, size), 0);
    else
        EXPECT_CALL(asyncio_streamwriter_write_nowait(peer, data, size), 0);
}

static inline void feed(const char *text)
{
    feed_bytes(text, strlen(text));
}

static inline void feed_eof(void)
{
    if (side == FED)
        EXPECT_CALL(asyncio_streamreader_feed_eof(reader), 0);
    else
        end_peer();
}

/* Starts somebody without whom the test would wait for ever: a fault may have come in between. */
static inline void rely_on(asyncio_coro *fn, void *arg, const char *name)
{
    struct asyncio_future *task = spawn(fn, arg, name);

    turns(2);
    broken |= asyncio_future_done(task) && asyncio_future_exception(task) < 0;
}

/* Writes until the kernel has taken all that it takes, and sets the marks so that the writer is full. */
static size_t n_written;

static inline void fill(void)
{
    static char block[50000];
    size_t kept, before = 0;

    n_written = 0;
    for (int n_same = 0; !broken && n_same < 10; before = kept) {
        if (before == 0) {
            EXPECT_CALL(asyncio_streamwriter_write_nowait(writer, block, sizeof block), 0);
            n_written += sizeof block;
        }
        moment();
        kept = asyncio_streamwriter_get_write_buffer_size(writer);
        n_same = kept > 0 && kept == before ? n_same + 1 : 0;
    }
    EXPECT_CALL(asyncio_streamwriter_set_write_buffer_limits(writer, 0, 0), 0);
}

/* Reads a text of so many bytes, however many reads that takes. Returns: it, or what there was before an error or the
 * end. Valid until the next call. */
static inline const char *read_text(size_t size)
{
    static char text[256];
    size_t got = 0;
    ssize_t r = 1;

    while (!broken && got < size && r > 0) {
        r = asyncio_streamreader_read(reader, text + got, size - got);
        got += r > 0 ? (size_t)r : 0;
    }
    text[got] = '\0';
    broken |= got < size;
    return text;
}

/* The next line, read by readline, or the error. Valid until the next call on the reader. */
static inline const char *read_line(void)
{
    char *line = NULL;
    ssize_t r = broken ? -EIO : asyncio_streamreader_readline(reader, &line);

    broken |= r == -ENOMEM || r == -EIO;
    return r < 0 || !line ? said(r) : line;
}

/* The same by readuntil. */
static inline const char *read_until(const char *separator)
{
    char *data = NULL;
    ssize_t r = broken ? -EIO : asyncio_streamreader_readuntil(reader, separator, strlen(separator), &data);

    broken |= r == -ENOMEM || r == -EIO;
    return r < 0 || !data ? said(r) : data;
}

/* What an incomplete read had got. */
static inline const char *partial(void)
{
    static char text[256];
    const char *data = "";
    size_t size = asyncio_streamreader_partial(reader, &data);

    snprintf(text, sizeof text, "%.*s", (int)size, data);
    return text;
}
