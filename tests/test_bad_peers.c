/* test_bad_peers.c -- a server of lines, and peers who stall, dawdle, flood, hang up half way or altogether. Beside
 * each of them stands a good client, who must be served at once all the while. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What the server allows. */
static double idle_seconds;

static size_t n_taken;   /* bytes that its handlers have read */
static size_t most_kept; /* bytes that stood in a writer */

/* The next line, if it comes in time. */
static ssize_t next_line(struct asyncio_streamreader *reader, char **ret_line)
{
    struct asyncio_timeout timeout;
    ssize_t n;
    int r = asyncio_timeout_enter(&timeout, idle_seconds);

    if (r < 0)
        return r;
    n = asyncio_streamreader_readline(reader, ret_line);
    r = asyncio_timeout_exit(&timeout, n < 0 ? (int)n : 0);
    return r < 0 ? r : n;
}

static int answer(struct asyncio_streamwriter *writer, const char *text, size_t size)
{
    int r = asyncio_streamwriter_write(writer, text, size);
    size_t kept = asyncio_streamwriter_get_write_buffer_size(writer);

    if (kept > most_kept)
        most_kept = kept;
    return r;
}

/* Sends each line back. */
static int serve_lines(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char *line;
    ssize_t n;
    int r = 0;

    (void)arg;
    while (r == 0 && (n = next_line(reader, &line)) != 0) {
        if (n > 0) {
            n_taken += (size_t)n;
            r = answer(writer, line, (size_t)n);
        } else if (n == -ASYNCIO_ELIMITOVERRUN) {
            r = answer(writer, "too long\n", 9);
        } else {
            r = (int)n;
        }
    }
    if (r < 0 && r != -ECANCELED)
        trace("server: %s", asyncio_errorname(r));
    return r == -ECANCELED ? r : 0;
}

/* ----------------------------------------------------------------------------------------------------------- Peers */

struct peer {
    struct asyncio_streamreader *reader;
    struct asyncio_streamwriter *writer;
};

static struct asyncio_server *server;

static int open_peer(struct peer *peer)
{
    struct asyncio_address address;
    int r = asyncio_server_sockname(server, 0, &address);

    *peer = (struct peer){NULL, NULL};
    if (r == 0)
        r = asyncio_open_connection("127.0.0.1", asyncio_address_port(&address), &peer->reader, &peer->writer);
    EXPECT_INT(r, 0);
    return r;
}

static void close_peer(struct peer *peer)
{
    asyncio_streamwriter_close(peer->writer);
    asyncio_streamreader_unref(peer->reader);
    asyncio_streamwriter_unref(peer->writer);
}

/* Asks and is answered, without a moment's delay. */
static void check_good_client(void)
{
    double since = asyncio_loop_time(asyncio_get_running_loop());
    struct peer peer;
    char *line = NULL;

    if (open_peer(&peer) == 0) {
        EXPECT_INT(asyncio_streamwriter_write(peer.writer, "good\n", 5), 0);
        EXPECT_INT(asyncio_streamreader_readline(peer.reader, &line), 5);
        EXPECT_STR(line, "good\n");
        EXPECT(asyncio_loop_time(asyncio_get_running_loop()) - since < 0.01);
    }
    close_peer(&peer);
}

/* What a peer reads up to its end. */
static void trace_replies(struct peer *peer)
{
    char *line = NULL;
    ssize_t n;

    while ((n = asyncio_streamreader_readline(peer->reader, &line)) > 0)
        trace("peer: %.*s", (int)n - 1, line);
    trace("peer: %s", n == 0 ? "end" : asyncio_errorname((int)n));
}

static int say(struct peer *peer, const char *text)
{
    return asyncio_streamwriter_write(peer->writer, text, strlen(text));
}

static int play(void *arg)
{
    int (*script)(void) = *(int (**)(void))arg;

    EXPECT_INT(asyncio_start_server(serve_lines, NULL, "127.0.0.1", 0, &server, .close_timeout = 20), 0);
    check_good_client();
    EXPECT_INT(script(), 0);
    EXPECT(asyncio_server_stop(server, 5) >= 0);
    server = asyncio_server_unref(server);
    return 0;
}

/* Such a peer needs nothing that the sweeps of streams and servers do not have. */
#define TEST_PEER(name, why)                                                              \
    static int name##_peer(void);                                                         \
    TEST_NO_SWEEP(name, why, "reader, writer and server are swept by tests of their own") \
    {                                                                                     \
        int (*script)(void) = name##_peer;                                                \
                                                                                          \
        test_spare(ASYNCIO__SHORT_TRANSFERS, "it moves a mass");                          \
        idle_seconds = ASYNCIO_FOREVER;                                                   \
        n_taken = most_kept = 0;                                                          \
        EXPECT_INT(run(play, &script), 0);                                                \
    }                                                                                     \
    static int name##_peer(void)

/* Sends a text a byte a minute. */
static int dawdle(struct peer *peer, const char *text)
{
    for (; *text; text++) {
        int r = asyncio_sleep(60);

        if (r == 0)
            r = asyncio_streamwriter_write(peer->writer, text, 1);
        if (r < 0)
            return r;
        check_good_client();
    }
    return 0;
}

TEST_PEER(a_byte_a_minute, "ST-09: a line may come as slowly as it likes")
{
    struct peer peer;

    if (open_peer(&peer) == 0) {
        EXPECT_INT(dawdle(&peer, "slow\n"), 0);
        EXPECT_INT(asyncio_streamwriter_write_eof(peer.writer), 0);
        trace_replies(&peer);
    }
    close_peer(&peer);
    EXPECT_TRACE("[300.000] peer: slow\n[300.000] peer: end\n");
    return 0;
}

TEST_PEER(a_byte_a_minute_is_too_slow, "C-07 ST-09: unless the server has a time limit, and then it is dropped in time")
{
    struct peer peer;

    idle_seconds = 90;
    if (open_peer(&peer) == 0) {
        ASYNCIO_IGNORE(dawdle(&peer, "s"));
        trace_replies(&peer);
    }
    close_peer(&peer);
    EXPECT_TRACE("[90.000] server: ETIMEDOUT\n[90.000] peer: end\n");
    return 0;
}

/* Sends lines and reads none of the answers. */
static int flood(void *arg)
{
    static char line[1000];
    struct peer *peer = arg;
    int r = 0;

    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    for (int i = 0; i < 50000 && r == 0; i++)
        r = asyncio_streamwriter_write(peer->writer, line, sizeof line);
    return r;
}

TEST_PEER(flood_without_reading, "R10: a peer who sends fifty megabytes and reads none costs a buffer, and only itself")
{
    struct asyncio_future *task;
    struct peer peer;

    if (open_peer(&peer) == 0) {
        task = asyncio_create_task(flood, &peer);
        for (int i = 0; i < 10; i++) {
            EXPECT_INT(asyncio_sleep(1), 0);
            check_good_client();
        }
        EXPECT(!asyncio_future_done(task));
        /* Two sockets' buffers: Linux lets one that nobody reads grow to tcp_rmem's 32 MiB. */
        EXPECT(n_taken < 40000000);
        EXPECT(most_kept <= 64 * 1024 + 1000);
        EXPECT_INT(asyncio_cancel_and_wait(task), 0);
        asyncio_future_unref(task);
    }
    asyncio_streamwriter_abort(peer.writer);
    close_peer(&peer);
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT(strstr(transcript(), "server: ECONNRESET") || strstr(transcript(), "server: EPIPE"));
    trace_clear();
    return 0;
}

/* The answer to a line that fills the connection, and more. */
static int serve_much(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    static const char page[100000];
    int r = 0;

    (void)reader;
    (void)arg;
    for (int i = 0; i < 500 && r == 0; i++)
        r = asyncio_streamwriter_write_nowait(writer, page, sizeof page);
    return r;
}

static int stall_it(void *arg)
{
    struct peer peer;

    (void)arg;
    EXPECT_INT(asyncio_start_server(serve_much, NULL, "127.0.0.1", 0, &server, .close_timeout = 20), 0);
    if (open_peer(&peer) == 0) {
        EXPECT_INT(asyncio_sleep(1), 0);
        trace("clients: %zu", asyncio_server_n_clients(server));
        asyncio_server_close(server);
        EXPECT_INT(asyncio_server_wait_closed(server), 0);
        trace("clients: %zu", asyncio_server_n_clients(server));
    }
    close_peer(&peer);
    server = asyncio_server_unref(server);
    return 0;
}

TEST_NO_SWEEP(stall, "R10 ST-13: who never reads what was written before the close is cut off when the time is over",
              "fifty megabytes are too many")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "it moves a mass");
    EXPECT_INT(run(stall_it, NULL), 0);
    EXPECT_TRACE("[1.000] clients: 1\n[20.000] clients: 0\n");
}

TEST_PEER(half_close, "ST-14: who has said all is still answered")
{
    struct peer peer;

    if (open_peer(&peer) == 0) {
        EXPECT_INT(say(&peer, "one\ntwo\nthe rest has no end\n"), 0);
        EXPECT_INT(asyncio_streamwriter_write_eof(peer.writer), 0);
        check_good_client();
        trace_replies(&peer);
    }
    close_peer(&peer);
    EXPECT_TRACE("[0.000] peer: one\n[0.000] peer: two\n[0.000] peer: the rest has no end\n[0.000] peer: end\n");
    return 0;
}

TEST_PEER(reset, "TR-08: a peer who is gone in the middle is an error of its own handler alone")
{
    struct peer peer;

    if (open_peer(&peer) == 0) {
        EXPECT_INT(say(&peer, "half a li"), 0);
        EXPECT_INT(asyncio_sleep(1), 0);
        asyncio_streamwriter_abort(peer.writer);
        check_good_client();
        EXPECT_INT(asyncio_sleep(1), 0);
    }
    close_peer(&peer);
    EXPECT_TRACE("[1.000] server: ECONNRESET\n");
    return 0;
}

TEST_PEER(long_line, "ST-09: a line without end is refused as far as it has come, and then the next one is served")
{
    char junk[1024];
    struct peer peer;
    char *line = NULL;

    memset(junk, 'x', sizeof junk);
    if (open_peer(&peer) == 0) {
        for (int i = 0; i < 1000; i++)
            EXPECT_INT(asyncio_streamwriter_write(peer.writer, junk, sizeof junk), 0);
        EXPECT_INT(asyncio_sleep(1), 0);
        EXPECT_INT(asyncio_streamreader_readline(peer.reader, &line), 9);
        EXPECT_STR(line, "too long\n");
        check_good_client();
        EXPECT_INT(say(&peer, "\nnext\n"), 0);
        EXPECT_INT(asyncio_streamwriter_write_eof(peer.writer), 0);
        while (asyncio_streamreader_readline(peer.reader, &line) > 0 && strcmp(line, "next\n") != 0)
            ;
        EXPECT_STR(line, "next\n");
    }
    close_peer(&peer);
    return 0;
}
