/* How a connection with TLS ends: closes, announced and not, time-outs, failed handshakes, the loop's end. */
#include "conn_tls_rig.h"

#include <sys/wait.h>

/* Secured over a wire, which the test may cut with hang_up. */
static void open_wired(void (*make)(int fds[2]), const char *options)
{
    open_ends(options, make, true, &lent);
    start_wire(65536, UNCUT, 0, UNCUT, 0);
    start_reading_of(&subject);
    start_reading_of(&server);
    EXPECT_INT(start_tls(&subject), 0);
    EXPECT_INT(start_tls(&server), 0);
    run_for(1);
    EXPECT_INT(subject.secured, 1);
    EXPECT_INT(server.secured, 1);
    trace_clear();
}

static bool is_closing(const struct subject *self)
{
    return self->is_open && self->conn.state == ASYNCIO__CONN_CLOSING;
}

/* ------------------------------------------------------------------------------------------------------------ Close */

/* Each was told of the other's end and then of its own, in whichever order the two were told. */
static void expect_orderly_end(void)
{
    const char *client_ended = strstr(transcript(), "client: ended\n");
    const char *server_ended = strstr(transcript(), "server: ended\n");

    EXPECT(client_ended && strstr(client_ended, "client: lost\n"));
    EXPECT(server_ended && strstr(server_ended, "server: lost\n"));
    trace_clear();
}

TEST(close, "TL-05 TR-06 TR-09: a close is announced and answered, which both are told, and ends without an error")
{
    open_wired(make_pair, NULL);
    EXPECT_INT(write_some(&subject, 100), 0);
    close_one(&subject);
    close_one(&subject);
    EXPECT_INT(write_some(&subject, 1), -ASYNCIO_ECLOSED);
    EXPECT(is_closing(&subject));
    run_for(1);
    expect_orderly_end();
    EXPECT_INT(server.received, 100);
    close_tls_rig();
}

TEST(close_both, "TL-05: two closes that cross: both are told of the other's end, in order")
{
    open_wired(make_pair, NULL);
    EXPECT_INT(write_some(&subject, 50000), 0);
    EXPECT_INT(write_some(&server, 50000), 0);
    close_one(&subject);
    close_one(&server);
    run_for(1);
    EXPECT_INT(subject.received, 50000);
    EXPECT_INT(server.received, 50000);
    EXPECT_INT(subject.lost + server.lost, 2);
    expect_orderly_end();
    end_tls_rig();
}

TEST_NO_SWEEP(close_flushes, "TL-05 #81: close sends what is kept before it announces the end",
              "too much goes through it; `close` is swept")
{
    open_secured("buffer=9000,short=30,later=30", &lent);
    subject.conn.close_ns = NS_NEVER;
    set_limits(10000, 0);
    stop_reading_of(&server);
    EXPECT_INT(write_some(&subject, amount(1 << 20)), 0);
    close_one(&subject);
    run_for(20);
    EXPECT(is_closing(&subject));
    start_reading_of(&server);
    run_for(20);
    EXPECT_INT(server.received, amount(1 << 20));
    EXPECT_INT(subject.lost + server.lost, 2);
    EXPECT(!strstr(transcript(), "lost: "));
    end_tls_rig();
}

TEST(close_timeout, "R10: a peer that does not read ends a close after its time, with -ETIMEDOUT")
{
    open_secured("buffer=9000", &lent);
    stop_reading_of(&server);
    set_limits(SIZE_MAX, 0);
    EXPECT_INT(write_some(&subject, 8 << 20), 0);
    close_one(&subject);
    run_for(100);
    EXPECT_TRACE("[6.000] client: lost: ETIMEDOUT\n");
    end_tls_rig();
}

TEST(shutdown_timeout, "TL-02: a peer that does not announce its end is waited for so long, then -ETIMEDOUT")
{
    open_secured(NULL, &lent);
    stop_reading_of(&server);
    EXPECT_INT(write_some(&subject, 100), 0);
    close_one(&subject);
    run_for(29.9);
    EXPECT_TRACE("");
    EXPECT(is_closing(&subject));
    run_for(1);
    EXPECT_TRACE("[31.000] client: lost: ETIMEDOUT\n");
    end_tls_rig();
}

static void write_and_close(struct subject *self)
{
    if (self->received < 1000 || self->conn.state != ASYNCIO__CONN_OPEN)
        return;
    write_some(self, 30000);
    asyncio__conn_close(&self->conn);
}

TEST(trailing, "TL-05: what the peer had still to say when it heard of the end is received")
{
    open_wired(make_pair, "later=30,short=30");
    server.on_received = write_and_close;
    EXPECT_INT(write_some(&subject, 1000), 0);
    EXPECT_INT(write_some(&server, 20000), 0);
    close_one(&subject);
    EXPECT_INT(subject.received, 0);
    run_for(1);
    EXPECT_INT(subject.received, 50000);
    EXPECT_INT(subject.lost + server.lost, 2);
    EXPECT(!strstr(transcript(), "lost: "));
    end_tls_rig();
}

static void stop_inside(struct subject *self)
{
    stop_reading_of(self);
}

TEST_NO_SWEEP(trailing_dropped,
              "TL-05: who does not read any more gets nothing after his close, and the end comes all the same",
              "too much goes through it; `close` is swept")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "it moves a mass");
    for (int inside = 0; inside < 2; inside++) {
        open_wired(make_pair, "later=30,short=30");
        if (inside)
            subject.on_received = stop_inside;
        else
            stop_reading_of(&subject);
        if (server.is_open)
            asyncio__conn_set_limits(&server.conn, SIZE_MAX, 0);
        EXPECT_INT(write_some(&server, 300000), 0);
        close_one(&subject);
        start_reading_of(&subject);
        run_for(1);
        EXPECT_INT(subject.deliveries, inside);
        EXPECT_INT(subject.lost + server.lost, 2);
        EXPECT(!strstr(transcript(), "lost: "));
        end_tls_rig();
    }
}

static void write_last(struct subject *self)
{
    self->on_resumed = NULL;
    EXPECT_INT(write_some(self, 5000), 0);
}

TEST_NO_SWEEP(write_in_resumed, "TR-09 #81: what resumed writes after a close is sent before the end is announced",
              "too much goes through it; `close` is swept")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "it moves a mass");
    open_secured("buffer=9000", &lent);
    stop_reading_of(&server);
    set_limits(1000, 500);
    subject.on_resumed = write_last;
    EXPECT_INT(write_some(&subject, 1 << 20), 0);
    EXPECT_INT(subject.paused, 1);
    close_one(&subject);
    start_reading_of(&server);
    run_for(1);
    EXPECT(subject.resumed >= 1);
    EXPECT_INT(server.received, (1 << 20) + 5000);
    EXPECT_INT(subject.lost + server.lost, 2);
    end_tls_rig();
}

static bool write_at_end(struct asyncio__conn *conn)
{
    say_ended(conn);
    EXPECT_INT(write_some(subject_of(conn), 1000), 0);
    return true;
}

TEST(ended, "TL-07: at the peer's end what is kept and what `ended` writes is sent, and whatever it says it closes")
{
    static const struct asyncio__conn_events events = {say_paused, say_resumed,  say_lost,   NULL,
                                                       take,       write_at_end, say_secured};

    test_spare(ASYNCIO__SHORT_TRANSFERS, "it moves a mass");
    open_secured(NULL, &lent);
    if (server.is_open)
        asyncio__conn_set_events(&server.conn, &events);
    stop_reading_of(&server);
    EXPECT_INT(write_some(&server, 100000), 0);
    trace_clear();
    close_one(&subject);
    run_for(1);
    EXPECT_TRACE("");
    start_reading_of(&server);
    run_for(1);
    expect_orderly_end();
    EXPECT_INT(subject.received, 101000);
    end_tls_rig();
}

/* ------------------------------------------------------------------------------------------- Ends without a word */

TEST(unannounced, "TL-05: an end of the socket without an announcement is -ASYNCIO_ESSLEOF, behind all data")
{
    open_wired(make_pair, NULL);
    EXPECT_INT(write_some(&server, 5000), 0);
    run_for(1);
    hang_up(false);
    run_for(1);
    EXPECT(strstr(transcript(), "[2.000] client: lost: ASYNCIO_ESSLEOF\n"));
    EXPECT(strstr(transcript(), "[2.000] server: lost: ASYNCIO_ESSLEOF\n"));
    EXPECT_INT(subject.received, 5000);
    end_tls_rig();
}

TEST(unannounced_ignored, "TL-05: a context may take any end for the peer's word")
{
    open_ends(NULL, make_pair, true, &lent);
    EXPECT_INT(asyncio_ssl_context_set_options(trusting, ASYNCIO_SSL_OP_IGNORE_UNEXPECTED_EOF), 0);
    start_wire(65536, UNCUT, 0, UNCUT, 0);
    start_reading_of(&subject);
    start_reading_of(&server);
    EXPECT_INT(start_tls(&subject), 0);
    EXPECT_INT(start_tls(&server), 0);
    EXPECT_INT(write_some(&server, 5000), 0);
    run_for(1);
    trace_clear();
    hang_up(false);
    run_for(1);
    EXPECT(strstr(transcript(), "[1.000] client: ended\n"));
    EXPECT(strstr(transcript(), "[1.000] client: lost\n"));
    EXPECT_INT(subject.received, 5000);
    end_tls_rig();
}

TEST(unannounced_late, "TL-05: an end that comes while reading is stopped is told at the next start, behind the data")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "the socket shall have room for all");
    open_wired(make_pair, NULL);
    stop_reading_of(&subject);
    EXPECT_INT(write_some(&server, 5000), 0);
    run_for(1);
    hang_up(false);
    run_for(1);
    EXPECT(!strstr(transcript(), "client"));
    start_reading_of(&subject);
    run_for(1);
    EXPECT_INT(subject.received, 5000);
    EXPECT(strstr(transcript(), "[3.000] client: lost: ASYNCIO_ESSLEOF\n"));
    end_tls_rig();
}

TEST(hang_up_after_end, "TL-05: once the end is announced it is no error however the peer hangs up")
{
    for (int reset = 0; reset < 2; reset++) {
        open_wired(make_quick_pair, NULL);
        EXPECT_INT(write_some(&subject, 1000), 0);
        stop_reading_of(&server);
        close_one(&subject);
        run_for(1);
        EXPECT(is_closing(&subject));
        hang_up(reset);
        run_for(1);
        EXPECT(strstr(transcript(), "[2.000] client: lost\n"));
        end_tls_rig();
    }
}

TEST(reset, "TR-08: a reset is an error, before and after TLS has begun")
{
    for (int secured = 0; secured < 2; secured++) {
        open_ends(NULL, make_quick_pair, true, &lent);
        start_reading_of(&subject);
        EXPECT_INT(start_tls(&subject), 0);
        if (secured) {
            EXPECT_INT(start_tls(&server), 0);
            start_wire(65536, UNCUT, 0, UNCUT, 0);
        }
        run_for(1);
        hang_up(true);
        run_for(1);
        EXPECT(strstr(transcript(), "client: lost: ECONNRESET\n"));
        EXPECT_INT(subject.secured, 1);
        end_tls_rig();
    }
}

/* --------------------------------------------------------------------------------------------- During the handshake */

static void end_in_handshake(int turns, bool by_close, int error)
{
    open_tls("later=30", &lent);
    EXPECT_INT(write_some(&subject, 100), 0);
    for (int i = 0; i < turns; i++)
        one_turn();
    if (by_close)
        close_one(&subject);
    else
        abort_one(&subject, error);
    EXPECT_INT(subject.lost, 0);
    run_for(100);
    EXPECT_INT(subject.secured, 1);
    EXPECT_INT(server.secured, 1);
    EXPECT_INT(subject.lost + server.lost, 2);
    end_tls_rig();
}

TEST(close_in_handshake, "TL-03 #104: a close during the handshake ends it, told once")
{
    end_in_handshake(3, true, 0);
}

TEST(abort_in_handshake, "TL-03 #104: an abort during the handshake ends it, told once")
{
    end_in_handshake(2, false, 0);
}

TEST(abort_in_handshake_with_error, "TL-03 #104: an abort with an error does so, too")
{
    end_in_handshake(4, false, -EPROTO);
}

TEST_NO_SWEEP(end_in_handshake_anywhere, "TL-03 #104: a close or an abort ends the handshake at any moment",
              "each moment is a test of its own above")
{
    for (int turns = 0; turns < 6; turns++) {
        end_in_handshake(turns, true, 0);
        end_in_handshake(turns, false, turns % 2 ? -EPROTO : 0);
    }
}

TEST(abort_both_in_handshake, "TL-03 #104: both ends are aborted in the handshake, each with what it says")
{
    open_tls(NULL, &lent);
    abort_one(&subject, -EPROTO);
    abort_one(&server, 0);
    run_for(1);
    EXPECT_TRACE("[0.000] client: not secured: EPROTO\n[0.000] client: lost: EPROTO\n"
                 "[0.000] server: not secured: ASYNCIO_ECLOSED\n[0.000] server: lost\n");
    end_tls_rig();
}

static void close_inside(struct subject *self)
{
    asyncio__conn_close(&self->conn);
}

static void abort_inside(struct subject *self)
{
    asyncio__conn_abort(&self->conn, -EPROTO);
}

TEST(end_inside, "TR-09 #82: closed or aborted in secured or received, nothing follows but lost, once")
{
    for (int i = 0; i < 4; i++) {
        open_tls("later=20", &into);
        *(i % 2 ? &subject.on_secured : &subject.on_received) = i / 2 ? abort_inside : close_inside;
        subject.memory_size = 100;
        EXPECT_INT(write_some(&server, 5000), 0);
        run_for(1);
        EXPECT_INT(subject.lost + server.lost, 2);
        EXPECT_INT(subject.received, i / 2 ? (i % 2 ? 0 : 100) : 5000);
        EXPECT_INT(subject.secured, 1);
        end_tls_rig();
    }
}

/* ------------------------------------------------------------------------------------------------------- Last words */

/* What a raw peer sends to a server. */
static void send_raw(const void *data, size_t size)
{
    EXPECT_INT(perform((struct asyncio_op){.opcode = ASYNCIO_OP_SEND,
                                           .flags = ASYNCIO_OP_NOWAIT,
                                           .fd = wire_fds[1],
                                           .buffer = {.data = (void *)(uintptr_t)data, .size = size}}),
               (int64_t)size);
}

/* What it reads. Returns: how many bytes; what is there behind them, in ret_end. */
static size_t read_raw(int64_t *ret_end)
{
    size_t size = 0;
    char byte;

    while ((*ret_end = recv_now(wire_fds[1], &byte, 1)) > 0)
        size++;
    return size;
}

/* Of a handshake that is none, with more bytes behind it that nobody will read. */
static const char nonsense[5000] = "\x16\x03\x01\x00\x10 is this TLS, too?";

TEST(alert, "TL-03 #104: what is wrong with a handshake reaches the peer, and then the end, not a reset")
{
    int64_t end = 1;

    test_spare(ASYNCIO__SHORT_TRANSFERS, "it sends a piece");
    open_ends(NULL, make_quick_pair, true, &lent);
    EXPECT_INT(start_tls(&server), 0);
    send_raw(nonsense, sizeof nonsense);
    run_for(1);
    EXPECT_TRACE("[0.000] server: not secured: ASYNCIO_ESSL\n");
    EXPECT(read_raw(&end) > 0);
    EXPECT_INT(end, 0);
    close_fd(&wire_fds[1]);
    run_for(1);
    EXPECT_TRACE("[1.000] server: lost: ASYNCIO_ESSL\n");
    end_tls_rig();
}

/* Nothing is kept: it has been sent, and not with the next poll, whose success is told with the event after it. */
static void expect_sent(struct subject *self)
{
    EXPECT(!self->is_open || !self->conn.kept.first);
}

TEST(not_put_off,
     "TL-03 TL-05 R13: what is said last is sent at once, as somebody waits until it is: an alert, the end")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "it is not put off then");
    open_ends(NULL, make_quick_pair, true, &lent);
    server.on_secured = expect_sent;
    EXPECT_INT(start_tls(&server), 0);
    send_raw(nonsense, sizeof nonsense);
    run_for(0.5);
    EXPECT_INT(server.secured, 1);
    end_tls_rig();
    open_secured(NULL, &lent);
    close_one(&subject);
    expect_sent(&subject);
    end_tls_rig();
    open_secured(NULL, &lent);
    EXPECT_INT(write_some(&subject, 100), 0);
    close_one(&subject);
    expect_sent(&subject);
    end_tls_rig();
}

TEST(alert_timeout, "R10: a peer that does not hang up after it was told what is wrong is left after two seconds")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "it sends a piece");
    open_ends(NULL, make_quick_pair, true, &lent);
    EXPECT_INT(start_tls(&server), 0);
    send_raw(nonsense, sizeof nonsense);
    run_for(0.5);
    EXPECT_TRACE("[0.000] server: not secured: ASYNCIO_ESSL\n");
    EXPECT_INT(server.is_open ? write_some(&server, 10) : -ASYNCIO_ESSL, -ASYNCIO_ESSL);
    for (int i = 0; i < 20 && server.is_open; i++) {
        send_raw(nonsense, sizeof nonsense);
        run_for(0.2);
        if (server.is_open)
            EXPECT(server.conn.late.size == 0);
    }
    EXPECT(strstr(transcript(), "server: lost: ASYNCIO_ESSL\n"));
    end_tls_rig();
}

/* Gives one side another context. */
static void replace(struct asyncio_ssl_context **context, struct asyncio_ssl_context *by)
{
    asyncio_ssl_context_unref(*context);
    *context = by;
}

TEST(refused_server, "TL-03 #104: a client that refuses the server's certificate says so, and both are told why")
{
    open_ends(NULL, make_quick_pair, false, &lent);
    replace(&serving, server_context(&certificates, "stranger"));
    start_reading_of(&subject);
    start_reading_of(&server);
    EXPECT_INT(start_tls(&subject), 0);
    EXPECT_INT(start_tls(&server), 0);
    EXPECT_INT(write_some(&subject, 1000), 0);
    run_for(1);
    EXPECT(strstr(transcript(), "client: not secured: ASYNCIO_ECERT_UNKNOWN_CA\n"));
    EXPECT(strstr(transcript(), "client: lost: ASYNCIO_ECERT_UNKNOWN_CA\n"));
    EXPECT(strstr(transcript(), "server: not secured: ASYNCIO_ESSL\n"));
    EXPECT(strstr(transcript(), "server: lost: ASYNCIO_ESSL\n"));
    EXPECT_INT(server.received, 0);
    end_tls_rig();
}

TEST(refused_client,
     "TL-03 #104: a client that has no certificate where one is wanted reads that, behind its own handshake")
{
    open_ends(NULL, make_quick_pair, false, &lent);
    EXPECT_INT(asyncio_ssl_context_load_verify_locations(serving, certificate(&certificates, "ca"), NULL, NULL), 0);
    EXPECT_INT(asyncio_ssl_context_set_verify_mode(serving, ASYNCIO_SSL_CERT_REQUIRED), 0);
    start_reading_of(&subject);
    start_reading_of(&server);
    EXPECT_INT(start_tls(&subject), 0);
    EXPECT_INT(start_tls(&server), 0);
    EXPECT_INT(write_some(&subject, 100000), 0);
    run_for(1);
    EXPECT(strstr(transcript(), "client: secured\n"));
    EXPECT(strstr(transcript(), "client: lost: ASYNCIO_ESSL\n"));
    EXPECT(strstr(transcript(), "server: not secured: ASYNCIO_E"));
    EXPECT_INT(server.received, 0);
    end_tls_rig();
}

/* --------------------------------------------------------------------------------------------------- The loop's end */

static void close_loop_after(int turns)
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "it sends pieces");
    open_tls("later=50,delay=100", &lent);
    for (int k = 0; k < turns; k++)
        one_turn();
    EXPECT_INT(write_some(&subject, 100), 0);
    end_tls_rig();
    EXPECT_INT(subject.secured, 1);
    EXPECT_INT(server.secured, 1);
}

TEST(loop_close_at_first, "a loop closes before a handshake has begun, with something to send")
{
    close_loop_after(0);
}

TEST(loop_close_in_handshake, "a loop closes in the midst of a handshake")
{
    close_loop_after(2);
}

TEST(loop_close_late, "a loop closes when a handshake is nearly done")
{
    close_loop_after(4);
}

TEST(loop_close, "a loop closes while connections talk: the peer learns that the end is no accident")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "it sends pieces");
    open_secured(NULL, &lent);
    close_tls_rig();
    EXPECT_TRACE("client: lost\nserver: lost\n");
    EXPECT_STR(captured_log(), "");
}

TEST(loop_close_unsent, "a loop closes while bytes are unsent, and says so")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "it sends pieces");
    open_secured("buffer=5000", &lent);
    stop_reading_of(&server);
    EXPECT_INT(write_some(&subject, 1 << 20), 0);
    close_tls_rig();
    EXPECT_LOG("unsent bytes");
    EXPECT(strstr(transcript(), "client: lost: ASYNCIO_ECLOSED\n"));
    forget();
}

TEST(loop_close_waiting, "a loop closes while a connection waits for the peer's end")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "it sends pieces");
    open_secured("later=30", &lent);
    stop_reading_of(&server);
    close_one(&subject);
    run_for(1);
    close_tls_rig();
    EXPECT_TRACE("client: lost\nserver: lost\n");
}

TEST(loop_close_lingering, "a loop closes while a connection says its last words")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "it sends pieces");
    open_ends(NULL, make_quick_pair, true, &lent);
    EXPECT_INT(start_tls(&server), 0);
    send_raw(nonsense, sizeof nonsense);
    run_for(1);
    close_tls_rig();
    EXPECT(strstr(transcript(), "server: lost: ASYNCIO_ESSL\n"));
    forget();
}

TEST_EPOLL(loop_close_announced,
           "a loop that closes announces the end where nothing is unsent: the peer is not cut off")
{
    char bytes[1000];
    int fd;

    open_wired(make_pair, NULL);
    fd = dup(wire_fds[0]);
    close_tls_rig();
    EXPECT(recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0);
    close(fd);
    trace_clear();
}

TEST_NO_SWEEP(forked, "R20 #67: the loop of a forked child lets its copies go and says nothing to the parent's peers",
              "it forks")
{
    int status = -1;
    pid_t child;

    open_secured("buffer=5000", &lent);
    stop_reading_of(&server);
    set_limits(SIZE_MAX, 0);
    EXPECT_INT(write_some(&subject, amount(4 << 20)), 0);
    trace_clear();
    child = fork();
    if (child == 0) {
        asyncio_loop_close(loop);
        _exit(subject.lost == 1 && server.lost == 1 && *captured_log() == '\0' ? 0 : 1);
    }
    EXPECT_INT(waitpid(child, &status, 0), child);
    EXPECT_INT(status, 0);
    start_reading_of(&server);
    run_for(1);
    EXPECT_INT(server.received, subject.written);
    close_one(&subject);
    run_for(1);
    expect_orderly_end();
    end_tls_rig();
}
