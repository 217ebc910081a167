/* TLS on a connection at the loop's floor: handshake, data, flow control. */
#include "conn_tls_rig.h"

#define ALL_FAULTS "short=60,later=50,eintr=30,delay=300,permute,buffer=5000"

/* -------------------------------------------------------------------------------------------------------- Handshake */

TEST(handshake, "TL-01 TL-03: both are told once that the handshake is over, and then data flow")
{
    FOR_BOTH(events)
    {
        open_tls(NULL, events);
        EXPECT_INT(subject.secured, 0);
        run_for(1);
        EXPECT_TRACE("[0.000] client: secured\n[0.000] server: secured\n");
        EXPECT_INT(write_some(&subject, 1000), 0);
        EXPECT_INT(write_some(&server, 2000), 0);
        run_for(1);
        EXPECT_INT(server.received, 1000);
        EXPECT_INT(subject.received, 2000);
        EXPECT(!subject.is_open || asyncio__conn_tls(&subject.conn));
        close_tls_rig();
        EXPECT_TRACE("client: lost\nserver: lost\n");
    }
}

TEST(write_before, "TL-01 TR-04: what is written before the handshake is over is kept plain, counts, and comes first")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "all is sent at once");
    open_tls(NULL, &lent);
    set_limits(1500, 500);
    EXPECT_INT(write_some(&subject, 1000), 0);
    EXPECT_TRACE("");
    EXPECT_INT(write_some(&subject, 1000), 0);
    EXPECT_TRACE("client: paused\n");
    EXPECT(!subject.is_open || asyncio__conn_kept(&subject.conn) == 2000);
    EXPECT(!subject.is_open || subject.conn.kept.size == 0);
    EXPECT_INT(write_some(&server, 3000), 0);
    run_for(1);
    EXPECT_TRACE("[0.000] client: secured\n[0.000] client: resumed\n[0.000] server: secured\n");
    EXPECT_INT(server.received, 2000);
    EXPECT_INT(subject.received, 3000);
    EXPECT(!subject.is_open || asyncio__conn_kept(&subject.conn) == 0);
    EXPECT_INT(write_some(&subject, 500), 0);
    run_for(1);
    EXPECT_INT(server.received, 2500);
    close_tls_rig();
    trace_clear();
}

TEST(reading_stopped_in_handshake, "TL-01: the handshake is read though reading is stopped, and nothing else is")
{
    open_ends(NULL, make_pair, false, &lent);
    EXPECT_INT(start_tls(&subject), 0);
    EXPECT_INT(start_tls(&server), 0);
    EXPECT_INT(write_some(&server, 1000), 0);
    EXPECT_INT(write_some(&subject, 1000), 0);
    run_for(1);
    EXPECT_TRACE("[0.000] client: secured\n[0.000] server: secured\n");
    EXPECT_INT(subject.received, 0);
    EXPECT_INT(server.received, 0);
    start_reading_of(&subject);
    EXPECT_INT(subject.received, 0);
    run_for(1);
    EXPECT_INT(subject.received, 1000);
    EXPECT_INT(server.received, 0);
    close_tls_rig();
    trace_clear();
}

TEST(handshake_timeout, "TL-02: a handshake that takes too long ends the connection with -ETIMEDOUT")
{
    struct asyncio__conn_tls tls = {.handshake_ns = 7 * NS_PER_SEC, .shutdown_ns = SHUTDOWN_NS};

    open_ends(NULL, make_pair, false, &lent);
    tls.options = tls_of(&subject).options;
    EXPECT_INT(start_tls_with(&subject, &tls, NULL, 0), 0);
    run_for(100);
    EXPECT_TRACE("[7.000] client: not secured: ETIMEDOUT\n[7.000] client: lost: ETIMEDOUT\n");
    close_tls_rig();
    EXPECT_TRACE("server: lost\n");
}

TEST(slow_handshake, "TL-02: a handshake in time is not timed any more when it is over")
{
    open_ends(NULL, make_pair, true, &lent);
    EXPECT_INT(start_tls(&subject), 0);
    run_for(50);
    EXPECT_INT(start_tls(&server), 0);
    start_wire(65536, UNCUT, 0, UNCUT, 0);
    run_for(1000);
    EXPECT_TRACE("[50.000] client: secured\n[50.000] server: secured\n");
    close_tls_rig();
    trace_clear();
}

TEST(no_time_limit, "TL-02: without a limit a handshake takes as long as it takes")
{
    struct asyncio__conn_tls tls = {.handshake_ns = NS_NEVER, .shutdown_ns = NS_NEVER};

    open_ends(NULL, make_pair, false, &lent);
    tls.options = tls_of(&subject).options;
    EXPECT_INT(start_tls_with(&subject, &tls, NULL, 0), 0);
    run_for(100000);
    EXPECT_TRACE("");
    tls.options = tls_of(&server).options;
    EXPECT_INT(start_tls_with(&server, &tls, NULL, 0), 0);
    run_for(1);
    EXPECT_TRACE("[100000.000] client: secured\n[100000.000] server: secured\n");
    close_tls_rig();
    trace_clear();
}

TEST(eof_in_handshake, "TL-03: a peer that hangs up during the handshake is -ECONNRESET")
{
    open_ends(NULL, make_pair, false, &lent);
    EXPECT_INT(start_tls(&server), 0);
    close_one(&subject);
    run_for(1);
    EXPECT_TRACE("[0.000] client: lost\n[0.000] server: not secured: ECONNRESET\n[0.000] server: lost: ECONNRESET\n");
    close_tls_rig();
}

TEST(tls_1_2, "TL-01: the same with TLS 1.2, whose handshake ends on the other side")
{
    open_ends("later=20", make_pair, false, &lent);
    EXPECT_INT(asyncio_ssl_context_set_versions(trusting, ASYNCIO_SSL_TLSV1_2, ASYNCIO_SSL_TLSV1_2), 0);
    start_reading_of(&subject);
    start_reading_of(&server);
    EXPECT_INT(start_tls(&subject), 0);
    EXPECT_INT(start_tls(&server), 0);
    EXPECT_INT(write_some(&subject, 20000), 0);
    EXPECT_INT(write_some(&server, 20000), 0);
    run_for(1);
    EXPECT_INT(subject.received, 20000);
    EXPECT_INT(server.received, 20000);
    close_one(&subject);
    run_for(1);
    EXPECT_INT(subject.lost + server.lost, 2);
    EXPECT(!strstr(transcript(), "lost: "));
    end_tls_rig();
}

/* ------------------------------------------------------------------------------------------------------------- Data */

static void flows_in_order(const struct asyncio__conn_events *events, const char *options, size_t n)
{
    open_tls(options, events);
    subject.memory_size = n % 100 + 500;
    server.memory_size = 7;
    for (size_t i = 0; i < n; i++) {
        EXPECT_INT(write_some(&subject, i * 37 % 5000), 0);
        EXPECT_INT(write_some(&server, i * 91 % 3000), 0);
        if (i % 16 == 0)
            run_for(0.0001);
    }
    run_for(100);
    EXPECT_INT(server.received, subject.written);
    EXPECT_INT(subject.received, server.written);
    EXPECT_INT(subject.paused, subject.resumed);
    EXPECT_INT(server.paused, server.resumed);
    close_one(&subject);
    run_for(100);
    EXPECT_INT(subject.lost + server.lost, 2);
    EXPECT(!strstr(transcript(), "lost: "));
    trace_clear();
    end_tls_rig();
}

TEST_NO_SWEEP(order, "TL-01 TL-06 #103: what is written arrives in order and whole, in owners' memory of any size",
              "too much goes through it; `handshake` is swept")
{
    FOR_BOTH(events)
    {
        flows_in_order(events, NULL, amount(200));
        flows_in_order(events, ALL_FAULTS, amount(200));
        flows_in_order(events, "short=95,later=70,eintr=40,buffer=700", amount(60));
    }
}

TEST_NO_SWEEP(byte_by_byte, "TL-01: over a wire that brings one byte at a time",
              "many small pieces; `handshake` is swept")
{
    open_ends(NULL, make_pair, true, &into);
    start_wire(1, UNCUT, 0, UNCUT, 0);
    start_reading_of(&subject);
    start_reading_of(&server);
    EXPECT_INT(start_tls(&subject), 0);
    EXPECT_INT(start_tls(&server), 0);
    EXPECT_INT(write_some(&subject, 3000), 0);
    EXPECT_INT(write_some(&server, 3000), 0);
    run_for(1);
    EXPECT_INT(server.received, 3000);
    EXPECT_INT(subject.received, 3000);
    close_one(&server);
    run_for(1);
    EXPECT_INT(subject.lost + server.lost, 2);
    end_tls_rig();
}

/* Counts what is sent. */
static const struct asyncio_backend_ops *real_ops;
static int sends;

static bool counting_submit(struct asyncio_backend *backend, struct asyncio_op *op)
{
    sends += op->opcode == ASYNCIO_OP_SEND || op->opcode == ASYNCIO_OP_SENDV;
    return real_ops->submit(backend, op);
}

static void count_sends(void)
{
    static struct asyncio_backend_ops counting;

    if (!loop)
        return;
    real_ops = loop->ops;
    counting = *real_ops;
    counting.submit = counting_submit;
    loop->ops = &counting;
    sends = 0;
}

TEST(few_sends, "R13: several records go out in one send, and several pieces in one record")
{
    static unsigned char memory[40 * 100];
    struct asyncio_bytes pieces[40];

    test_spare(ASYNCIO__SHORT_TRANSFERS, "it counts sends");
    test_send_directly("likewise");
    open_secured(NULL, &lent);
    count_sends();
    EXPECT_INT(write_some(&subject, 60000), 0);
    EXPECT_INT(sends, 1);
    run_for(1);
    fill_tagged(memory, subject.written, sizeof memory);
    for (size_t i = 0; i < 40; i++)
        pieces[i] = (struct asyncio_bytes){memory + 100 * i, 100};
    subject.written += sizeof memory;
    subject.offered = subject.written;
    sends = 0;
    server.deliveries = 0;
    EXPECT_INT(write_pieces(pieces, 40), 0);
    run_for(1);
    EXPECT_INT(sends, 1);
    EXPECT_INT(server.deliveries, 1);
    EXPECT_INT(server.received, subject.written);
    if (loop)
        loop->ops = real_ops;
    end_tls_rig();
}

TEST_NO_SWEEP(full_records, "R13: what is written while the wire is busy is joined to whole records",
              "too much goes through it; `handshake` is swept")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS | ASYNCIO__TINY_CAPACITIES, "it counts records");
    open_secured(NULL, &lent);
    set_limits(8 << 20, 0);
    stop_reading_of(&server);
    EXPECT_INT(write_some(&subject, 4 << 20), 0);
    EXPECT(!subject.is_open || subject.conn.kept.first);
    for (int i = 0; i < 2000; i++)
        EXPECT_INT(write_some(&subject, 50), 0);
    server.deliveries = 0;
    start_reading_of(&server);
    run_for(1);
    EXPECT_INT(server.received, subject.written);
    EXPECT(server.deliveries <= (int)(subject.written / 16384) + 20);
    end_tls_rig();
}

TEST(put_off, "R13: on a ring, small writes are encrypted and put off until the next poll, together")
{
    if (!test_on_uring())
        SKIP("nothing is put off here");
    test_spare(ASYNCIO__SHORT_TRANSFERS | ASYNCIO__TINY_CAPACITIES, "it is not put off then");
    open_secured(NULL, &lent);
    count_sends();
    for (int i = 0; i < 10; i++)
        EXPECT_INT(write_some(&subject, 10), 0);
    EXPECT(!subject.is_open || subject.conn.is_put_off);
    EXPECT(!subject.is_open || subject.conn.kept_plain == 0);
    run_for(1);
    EXPECT_INT(server.received, 100);
    EXPECT(!subject.is_open || !subject.conn.kept.first);
    EXPECT_INT(write_some(&subject, 10), 0);
    close_one(&subject);
    run_for(1);
    EXPECT_INT(server.received, 110);
    EXPECT_INT(subject.lost + server.lost, 2);
    if (loop)
        loop->ops = real_ops;
    end_tls_rig();
}

/* ----------------------------------------------------------------------------------------------------- Flow control */

TEST(marks, "TL-04 TR-04: the water marks count what is kept, encrypted or not")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "it moves a mass");
    open_secured(NULL, &lent);
    set_limits(1 << 20, 1 << 18);
    stop_reading_of(&server);
    for (int i = 0; i < 1000 && subject.is_open && subject.paused == 0; i++)
        EXPECT_INT(write_some(&subject, 50000), 0);
    EXPECT_INT(subject.paused, 1);
    if (subject.is_open) {
        EXPECT(asyncio__conn_kept(&subject.conn) > 1 << 20);
        EXPECT(asyncio__conn_kept(&subject.conn) <= (1 << 20) + 52000);
        EXPECT(subject.conn.kept.size <= 5 * 16400);
    }
    run_for(1);
    EXPECT_INT(subject.resumed, 0);
    start_reading_of(&server);
    run_for(1);
    EXPECT_INT(subject.resumed, 1);
    EXPECT_INT(server.received, subject.written);
    set_limits(0, 0);
    EXPECT_INT(subject.paused, 1);
    end_tls_rig();
}

TEST_NO_SWEEP(never_reads, "R10 TL-04: a peer that never reads stops the writer, whose memory is bounded",
              "too much goes through it; `marks` is swept")
{
    int64_t before;

    test_spare(ASYNCIO__SHORT_TRANSFERS, "it moves a mass");
    FOR_BOTH(events)
    {
        open_secured("buffer=20000", events);
        set_limits(100000, 50000);
        subject.on_resumed = write_on;
        stop_reading_of(&server);
        write_on(&subject);
        run_for(1);
        EXPECT_INT(subject.conn.is_paused, true);
        EXPECT(asyncio__conn_kept(&subject.conn) <= 100000 + 3100);
        before = asyncio_allocated();
        run_for(3600);
        EXPECT_INT(asyncio_allocated(), before);
        /* Nor does what the server has grow. */
        EXPECT(server.conn.late.size <= 1 << 18);
        EXPECT(asyncio__tls_fed(asyncio__conn_tls(&server.conn)) <= 1 << 18);
        EXPECT_INT(server.received, 0);
        start_reading_of(&server);
        for (int i = 0; i < 300; i++) {
            one_turn();
            EXPECT(asyncio__conn_kept(&subject.conn) <= 100000 + 3100);
        }
        EXPECT(server.received > 100000);
        subject.on_resumed = NULL;
        run_for(1);
        EXPECT_INT(server.received, subject.written);
        end_tls_rig();
    }
}

static void stop_inside(struct subject *self)
{
    stop_reading_of(self);
}

TEST_NO_SWEEP(start_and_stop,
              "TR-02 TL-04: nothing is received between stop and start, the socket is left alone, and nothing is lost",
              "too much goes through it; `reading_stopped` is swept")
{
    static const char *const options[] = {NULL, "later=60,short=40", "later=100,delay=100,short=70"};

    FOR_BOTH(events)
    {
        for (size_t k = 0; k < ARRAY_SIZE(options); k++) {
            open_secured(options[k], events);
            subject.memory_size = 900;
            stop_reading_of(&subject);
            if (server.is_open)
                asyncio__conn_set_limits(&server.conn, SIZE_MAX, 0);
            EXPECT_INT(write_some(&server, amount(300000)), 0);
            subject.on_received = stop_inside;
            for (int i = 0; i < 20000 && subject.is_open && subject.received < amount(300000); i++) {
                int deliveries;

                stop_reading_of(&subject);
                deliveries = subject.deliveries;
                run_for(0.001);
                EXPECT_INT(subject.deliveries, deliveries);
                EXPECT(!subject.is_open || subject.conn.late.size <= 1 << 18);
                start_reading_of(&subject);
                start_reading_of(&subject);
                run_for(0.001);
                EXPECT(subject.deliveries <= deliveries + 1);
            }
            EXPECT_INT(subject.received, amount(300000));
            end_tls_rig();
        }
    }
}

TEST(reading_stopped, "TR-02 #103: what is decrypted or waits to be is kept for the next start, and the end, too")
{
    FOR_BOTH(events)
    {
        open_secured("later=40", events);
        subject.memory_size = 100;
        subject.on_received = stop_inside;
        EXPECT_INT(write_some(&server, 1000), 0);
        close_one(&server);
        run_for(1);
        EXPECT_INT(subject.deliveries, 1);
        EXPECT_TRACE("");
        subject.on_received = NULL;
        start_reading_of(&subject);
        EXPECT_INT(subject.deliveries, 1);
        run_for(1);
        EXPECT_INT(subject.received, 1000);
        EXPECT_INT(subject.lost + server.lost, 2);
        EXPECT(!strstr(transcript(), "lost: "));
        end_tls_rig();
    }
}

static void restart_inside(struct subject *self)
{
    stop_reading_of(self);
    start_reading_of(self);
}

TEST(restart_inside_received, "TR-02: received may stop and start reading")
{
    FOR_BOTH(events)
    {
        open_secured("later=60,short=40,delay=20", events);
        subject.on_received = restart_inside;
        EXPECT_INT(write_some(&server, 40000), 0);
        run_for(10);
        EXPECT_INT(subject.received, 40000);
        end_tls_rig();
    }
}

static void write_back(struct subject *self)
{
    if (self->received > self->written)
        write_some(self, self->received - self->written);
}

TEST_NO_SWEEP(echo, "TR-04: a protocol that stops reading while its writing is paused keeps little",
              "too much goes through it; `marks` is swept")
{
    FOR_BOTH(events)
    {
        open_secured("short=30,later=30,buffer=3000", events);
        asyncio__conn_set_limits(&server.conn, 5000, 1000);
        server.on_received = write_back;
        server.on_paused = stop_reading_of;
        server.on_resumed = start_reading_of;
        subject.conn.high = SIZE_MAX;
        EXPECT_INT(write_some(&subject, amount(400000)), 0);
        stop_reading_of(&subject);
        run_for(10);
        EXPECT(asyncio__conn_kept(&server.conn) < 100000);
        start_reading_of(&subject);
        for (int i = 0; i < 100; i++) {
            run_for(0.1);
            EXPECT(asyncio__conn_kept(&server.conn) < 100000);
        }
        run_for(100);
        EXPECT_INT(server.received, amount(400000));
        EXPECT_INT(subject.received, amount(400000));
        end_tls_rig();
    }
}
