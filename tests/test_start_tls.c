/* test_start_tls.c -- the change to TLS on a connection that is open: what was said before it, what has come already,
 * who waits meanwhile, and how it fails. */
#define OVER_TLS
#include "streams.h"

static const struct asyncio__stream_options usual = {.limit = 0};

/* Two ends without TLS, and contexts for the change. */
static void open_plain_ends(void)
{
    broken = false;
    side = CONNECTED;
    reader = peer_reader = NULL;
    writer = peer = NULL;
    connect_ends(&usual);
    broken |= !have_contexts();
}

static int change(void *arg)
{
    struct upgrade *end = arg;

    if (broken)
        return -EIO;
    trace("%s: %s", me(), said(upgrade(end)));
    broken |= end->result == -ENOMEM;
    return 0;
}

/* Writes something with TLS in one direction and reads it at the other end, then the other way round. */
static void exchange(void)
{
    char data[8] = "";

    EXPECT_CALL(asyncio_streamwriter_write(writer, "ping", 4), 0);
    EXPECT_CALL(asyncio_streamreader_readexactly(peer_reader, data, 4), 4);
    EXPECT_STR(data, broken ? data : "ping");
    EXPECT_CALL(asyncio_streamwriter_write(peer, "pong", 4), 0);
    EXPECT_CALL(asyncio_streamreader_readexactly(reader, data, 4), 4);
    EXPECT_STR(data, broken ? data : "pong");
}

/* The client side that is called by the argument says a line and begins TLS at once, so that the other one, who reads
 * the line later, has the hello in its buffer by then. */
static void change_with_hello_buffered(struct asyncio_streamwriter *first, struct asyncio_streamreader *second_reader,
                                       struct asyncio_streamwriter *second)
{
    struct upgrade client = {first, false, 0}, server = {second, true, 0};
    char *line = NULL;

    EXPECT_CALL(asyncio_streamwriter_write(first, "STARTTLS\n", 9), 0);
    rely_on(change, &client, "client");
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT_CALL(asyncio_streamreader_readline(second_reader, &line), 9);
    EXPECT_STR(broken ? "STARTTLS\n" : line, "STARTTLS\n");
    if (!broken && !test_hostile())
        EXPECT(second_reader->buffer.size > 100);
    rely_on(change, &server, "server");
    if (broken)
        asyncio_streamwriter_abort(first);
    everybody();
    /* The line was lent until the next read. */
    EXPECT_STR(broken ? "STARTTLS\n" : line, "STARTTLS\n");
}

static int hello_at_the_accepting_end(void *arg)
{
    (void)arg;
    open_plain_ends();
    change_with_hello_buffered(writer, peer_reader, peer);
    exchange();
    close_streams();
    return 0;
}

TEST(hello_has_come_already, "ST-15 #101: what the reader has of the peer's handshake is not lost")
{
    EXPECT_INT(play(hello_at_the_accepting_end), 0);
    EXPECT_TRACE("[1.000] client: 0\n[1.000] server: 0\n");
}

static int hello_at_the_other_end(void *arg)
{
    (void)arg;
    open_plain_ends();
    change_with_hello_buffered(peer, reader, writer);
    exchange();
    close_streams();
    return 0;
}

TEST(hello_has_come_to_whoever_opened, "ST-15 #101: the same where whoever opened the connection is the server's side")
{
    EXPECT_INT(play(hello_at_the_other_end), 0);
    EXPECT_TRACE("[1.000] client: 0\n[1.000] server: 0\n");
}

/* ------------------------------------------------------------------------------------------------ Written before it */

static int written_before(void *arg)
{
    struct upgrade client = {NULL, false, 0}, server = {NULL, true, 0};
    static char data[10000];
    size_t left;

    (void)arg;
    open_plain_ends();
    fill();
    client.writer = writer;
    server.writer = peer;
    rely_on(change, &client, "client");
    EXPECT_INT(asyncio_sleep(1), 0);
    trace("it is still full");
    for (left = n_written; left > 0 && !broken;) {
        ssize_t r = asyncio_streamreader_read(peer_reader, data, left < sizeof data ? left : sizeof data);

        broken |= r <= 0;
        left -= r > 0 ? (size_t)r : 0;
    }
    trace("the peer has read what came before");
    rely_on(change, &server, "server");
    if (broken)
        asyncio_streamwriter_abort(writer);
    everybody();
    exchange();
    close_streams();
    return 0;
}

TEST_NO_SWEEP(paused_writers,
              "ST-15 #102: who has written more than goes waits until it is sent, as it was, and then "
              "begins TLS; writers that were paused go on",
              "a writer is full when the kernel is")
{
    EXPECT_INT(play(written_before), 0);
    EXPECT_TRACE("[1.000] it is still full\n[1.000] the peer has read what came before\n"
                 "[1.000] client: 0\n[1.000] server: 0\n");
}

static int write_in_between(void *arg)
{
    int r = broken ? -EIO : asyncio_streamwriter_write(writer, arg, strlen(arg));

    trace("%s: %s", me(), said(r));
    broken |= r < 0;
    return r;
}

static int written_meanwhile(void *arg)
{
    struct upgrade client = {NULL, false, 0}, server = {NULL, true, 0};
    char data[32] = "";
    char text[] = "hello, secretly";

    (void)arg;
    open_plain_ends();
    client.writer = writer;
    server.writer = peer;
    rely_on(change, &client, "client");
    turns(2);
    rely_on(write_in_between, text, "writer");
    EXPECT_CALL(asyncio_streamreader_read(reader, data, 1), -EBUSY);
    EXPECT_CALL(asyncio_streamwriter_start_tls(writer, tls_client, .server_hostname = "localhost"), -EBUSY);
    EXPECT_INT(asyncio_sleep(1), 0);
    rely_on(change, &server, "server");
    if (broken)
        asyncio_streamwriter_abort(writer);
    everybody();
    EXPECT_CALL(asyncio_streamreader_readexactly(peer_reader, data, strlen(text)), (int64_t)strlen(text));
    EXPECT_STR(broken ? text : data, text);
    /* The server's tickets go out, too. */
    EXPECT_INT(asyncio_sleep(1), 0);
    close_streams();
    return 0;
}

TEST(writes_during_the_handshake, "ST-15: what is written during the handshake is sent encrypted after it; reads and a "
                                  "second change are -EBUSY")
{
    EXPECT_INT(play(written_meanwhile), 0);
    EXPECT_TRACE("[0.000] writer: 0\n[1.000] client: 0\n[1.000] server: 0\n");
}

/* ---------------------------------------------------------------------------------------------------- TLS in TLS */

static int twice(void *arg)
{
    (void)arg;
    open_plain_ends();
    secure_ends();
    exchange();
    /* The other way round on top of it. */
    EXPECT_CALL(upgrade_both(peer, writer), 0);
    exchange();
    asyncio_streamwriter_close(writer);
    EXPECT_CALL(asyncio_streamwriter_wait_closed(writer), 0);
    EXPECT_CALL(asyncio_streamwriter_wait_closed(peer), 0);
    close_streams();
    return 0;
}

TEST(tls_in_tls, "TL-06 #104: TLS on top of TLS")
{
    EXPECT_INT(play(twice), 0);
}

/* -------------------------------------------------------------------------------------------------------- Failures */

static int misused(void *arg)
{
    char byte;

    (void)arg;
    open_plain_ends();
    EXPECT_CALL(asyncio_streamwriter_start_tls(NULL, tls_client), -EINVAL);
    EXPECT_CALL(asyncio_streamwriter_start_tls(writer, NULL), -EINVAL);
    EXPECT_CALL(asyncio_streamwriter_start_tls(writer, tls_client), -EINVAL);
    EXPECT_CALL(asyncio_streamwriter_start_tls(writer, ASYNCIO_SSL_DEFAULT, .server_side = true), -EINVAL);
    EXPECT_CALL(
        asyncio_streamwriter_start_tls(writer, tls_client, .server_hostname = "localhost", .ssl_handshake_timeout = -1),
        -EINVAL);
    /* It is as it was, with two halves. */
    EXPECT_INT(asyncio_streamwriter_can_write_eof(writer), true);
    feed("plain");
    EXPECT_STR(broken ? "plain" : read_text(5), "plain");
    EXPECT_CALL(asyncio_streamwriter_write(writer, "x", 1), 0);
    EXPECT_CALL(asyncio_streamreader_read(peer_reader, &byte, 1), 1);
    EXPECT_CALL(asyncio_streamwriter_write_eof(peer), 0);
    EXPECT_CALL(asyncio_streamreader_read(reader, &byte, 1), 0);
    EXPECT_CALL(asyncio_streamwriter_write(writer, "y", 1), 0);
    EXPECT_CALL(asyncio_streamreader_read(peer_reader, &byte, 1), 1);
    EXPECT_CALL(asyncio_streamwriter_start_tls(peer, tls_server, .server_side = true), -ASYNCIO_EINVALIDSTATE);
    asyncio_streamwriter_close(writer);
    EXPECT_CALL(asyncio_streamwriter_start_tls(writer, tls_client, .server_hostname = "localhost"), -ASYNCIO_ECLOSED);
    close_streams();
    return 0;
}

TEST(start_tls_misuse, "ST-15 N-01: a change that cannot begin leaves the connection as it was")
{
    EXPECT_INT(play(misused), 0);
}

static int read_once(void *arg)
{
    char byte;

    (void)arg;
    trace("%s: %s", me(), said(broken ? -EIO : asyncio_streamreader_read(reader, &byte, 1)));
    return 0;
}

static int while_reading(void *arg)
{
    (void)arg;
    open_plain_ends();
    rely_on(read_once, NULL, "reader");
    moment();
    EXPECT_CALL(asyncio_streamwriter_start_tls(writer, tls_client, .server_hostname = "localhost"), -EBUSY);
    feed("x");
    if (broken)
        asyncio_streamwriter_abort(writer);
    everybody();
    close_streams();
    return 0;
}

TEST(start_tls_while_a_task_reads, "ST-15: a reader that a task waits on is busy")
{
    EXPECT_INT(play(while_reading), 0);
    EXPECT_TRACE("[0.000] reader: 1\n");
}

/* Begins a change that the peer does not answer, and lets something happen after a second. */
static void unanswered(void (*happens)(void))
{
    static struct upgrade client;

    open_plain_ends();
    client = (struct upgrade){writer, false, 0};
    rely_on(change, &client, "client");
    EXPECT_INT(asyncio_sleep(1), 0);
    happens();
    everybody();
    if (!broken) {
        EXPECT_INT(asyncio_streamwriter_is_closing(writer), true);
        trace("then: %s", said(asyncio_streamwriter_write(writer, "x", 1)));
        trace("closed: %s", said(asyncio_streamwriter_wait_closed(writer)));
    }
    close_streams();
}

static void cancel_it(void)
{
    cancel(crew[0]);
}

static int cancelled(void *arg)
{
    (void)arg;
    unanswered(cancel_it);
    return 0;
}

TEST(start_tls_cancelled, "N-15 TL-03 #104: a handshake that is cancelled aborts the connection")
{
    EXPECT_INT(play(cancelled), 0);
    EXPECT_TRACE("[1.000] client: -ECANCELED\n[1.000] then: -ASYNCIO_ECLOSED\n[1.000] closed: 0\n");
}

static void abort_it(void)
{
    asyncio_streamwriter_abort(writer);
}

static int aborted(void *arg)
{
    (void)arg;
    unanswered(abort_it);
    return 0;
}

TEST(start_tls_aborted, "TL-03 #104: who waits for the handshake of a connection that another task aborts is told")
{
    EXPECT_INT(play(aborted), 0);
    EXPECT_TRACE("[1.000] client: -ASYNCIO_ECLOSED\n[1.000] then: -ASYNCIO_ECLOSED\n[1.000] closed: 0\n");
}

static void close_it(void)
{
    asyncio_streamwriter_close(writer);
}

static int closed(void *arg)
{
    (void)arg;
    unanswered(close_it);
    return 0;
}

TEST(start_tls_closed, "TL-03 #104: a close during the handshake is an abort")
{
    EXPECT_INT(play(closed), 0);
    EXPECT_TRACE("[1.000] client: -ASYNCIO_ECLOSED\n[1.000] then: -ASYNCIO_ECLOSED\n[1.000] closed: 0\n");
}

static void hang_up_on_it(void)
{
    asyncio_streamwriter_close(peer);
}

static int hung_up_on(void *arg)
{
    (void)arg;
    unanswered(hang_up_on_it);
    return 0;
}

TEST(start_tls_hung_up_on, "TL-03: a peer that hangs up in the handshake is -ECONNRESET")
{
    EXPECT_INT(play(hung_up_on), 0);
    EXPECT_TRACE("[1.000] client: -ECONNRESET\n[1.000] then: -ECONNRESET\n[1.000] closed: -ECONNRESET\n");
}

static void do_nothing(void)
{
}

static int too_slow(void *arg)
{
    (void)arg;
    unanswered(do_nothing);
    return 0;
}

TEST(start_tls_takes_too_long, "TL-02: a handshake may take 60 seconds")
{
    EXPECT_INT(play(too_slow), 0);
    EXPECT_TRACE("[60.000] client: -ETIMEDOUT\n[60.000] then: -ETIMEDOUT\n[60.000] closed: -ETIMEDOUT\n");
}

static void talk_nonsense(void)
{
    EXPECT_CALL(asyncio_streamwriter_write(peer, "220 mail.example.com ESMTP ready\r\n", 34), 0);
}

static int misunderstood(void *arg)
{
    (void)arg;
    unanswered(talk_nonsense);
    return 0;
}

TEST(start_tls_with_a_plain_peer, "TL-01: a peer that talks something else is an error of TLS")
{
    EXPECT_INT(play(misunderstood), 0);
    EXPECT(strncmp(transcript(), "[1.000] client: -ASYNCIO_ESSL\n", 30) == 0);
    trace_clear();
}
