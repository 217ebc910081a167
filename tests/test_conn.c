/* Writing on a connection at the loop's floor: what is sent, what is kept, and the water marks. */
#include "conn_rig.h"

#define ALL_FAULTS "short=60,later=50,eintr=30,delay=300,permute,buffer=5000"

/* ----------------------------------------------------------------------------------------------------------- Order */

static void arrives_in_order(const char *options, size_t at_a_time, double every)
{
    open_rig(options, &pull_events);
    start_peer(at_a_time, every);
    for (size_t i = 0; i < amount(200); i++)
        EXPECT_INT(write_some(&subject, i * 37 % 5000), 0);
    subject.conn.close_ns = NS_NEVER;
    close_subject();
    run_for(100000);
    EXPECT_INT(peer.got, subject.written);
    EXPECT_INT(peer.end, 0);
    EXPECT_INT(subject.paused, subject.resumed);
    EXPECT_INT(subject.lost, 1);
    close_rig();
}

TEST(order, "TR-05 TR-16 #80: what is written arrives in order and whole, through whatever is kept")
{
    arrives_in_order(NULL, 65536, 0);
    arrives_in_order(NULL, 3000, 0.01);
    arrives_in_order(ALL_FAULTS, 65536, 0);
    arrives_in_order("short=90,later=90,eintr=50,buffer=700", 900, 0.001);
}

TEST(direct, "TR-05: what the kernel takes is sent at once, and nothing is kept or allocated")
{
    int64_t before;

    test_spare(ASYNCIO__SHORT_TRANSFERS, "it asks what the kernel takes at once");
    test_send_directly("likewise");
    open_rig(NULL, &pull_events);
    before = asyncio_allocated();
    EXPECT_INT(write_some(&subject, 100), 0);
    /* The simulator has a buffer of its own. */
    if (!test_on_sim())
        EXPECT_INT(asyncio_allocated(), before);
    EXPECT_PTR(subject.conn.kept.first, NULL);
    peer_take_all();
    EXPECT_INT(peer.got, 100);
    close_rig();
    EXPECT_TRACE("conn: lost\n");
}

TEST(pieces, "TR-05 #77: many pieces, empty ones among them and more than one call takes, arrive in order")
{
    enum { PIECES = 3000 };
    static unsigned char memory[PIECES * 40];
    static struct asyncio_bytes pieces[PIECES];

    open_rig("buffer=9000,short=20", &pull_events);
    for (size_t i = 0; i < PIECES; i++) {
        pieces[i] = (struct asyncio_bytes){memory + subject.written, i % 3 == 0 ? 0 : i % 40};
        if (i % 6 == 0)
            pieces[i].data = NULL;
        fill_tagged(memory + subject.written, subject.written, pieces[i].size);
        subject.written += pieces[i].size;
    }
    EXPECT_INT(write_pieces(pieces, 1), 0);
    EXPECT_INT(write_pieces(NULL, 0), 0);
    EXPECT_INT(write_pieces(pieces, PIECES), 0);
    memset(memory, 0, sizeof memory);
    start_peer(500, 0.001);
    run_for(100);
    EXPECT_INT(peer.got, subject.written);
    close_rig();
}

TEST(large_writelines, "#77: a hundred pieces of 6,500 bytes and an end mark, through few allocations")
{
    static unsigned char memory[100 * 6500 + 3];
    struct asyncio_bytes pieces[101], end = {memory + 100 * 6500, 3};
    int64_t before;

    open_rig(NULL, &pull_events);
    fill_tagged(memory, 0, sizeof memory);
    for (size_t i = 0; i < 100; i++)
        pieces[i] = (struct asyncio_bytes){memory + i * 6500, 6500};
    before = asyncio_allocated();
    EXPECT_INT(write_pieces(pieces, 100), 0);
    EXPECT_INT(write_pieces(&end, 1), 0);
    EXPECT(asyncio_allocated() - before <= 6);
    start_peer(65536, 0);
    run_for(1);
    EXPECT_INT(peer.got, sizeof memory);
    close_rig();
}

TEST_NO_SWEEP(mass,
              "TR-16 #80: a hundred megabytes in small pieces are kept and sent in time that grows with them only",
              "too much goes through it; `order` is swept")
{
    size_t mass = (size_t)100 << 20 >> (test_slowness() > 1 ? 4 : 0);
    static unsigned char zeros[1024];
    struct asyncio_bytes piece = {zeros, sizeof zeros};

    test_spare(ASYNCIO__SHORT_TRANSFERS, "it moves a mass");
    open_rig(NULL, &pull_events);
    for (size_t done = 0; done < mass && subject.is_open; done += sizeof zeros)
        EXPECT_INT(write_pieces(&piece, 1), 0);
    EXPECT(subject.conn.kept.size > mass / 2);
    EXPECT_INT(subject.paused, 1);
    while (subject.is_open && subject.conn.kept.size > 0) {
        while (recv_now(peer.fd, peer.memory, sizeof peer.memory) > 0)
            ;
        one_turn();
    }
    EXPECT_INT(subject.resumed, 1);
    close_rig();
}

/* ---------------------------------------------------------------------------------------------------------- Memory */

TEST(memory, "small writes share chunks, which do not move while the kernel has them and go when they are sent")
{
    struct asyncio__chunk *first;
    int64_t before = 0, filled;

    open_rig(NULL, &pull_events);
    start_peer(65536, 1);
    /* The second time round, loop and back end have all they need. */
    for (int i = 0; i < 2; i++) {
        before = asyncio_allocated();
        fill_up(&subject);
        test_spare(ASYNCIO__SHORT_TRANSFERS | ASYNCIO__TINY_CAPACITIES, "it counts allocations");
        EXPECT_INT(write_some(&subject, 5000), 0);
        first = subject.conn.kept.first;
        filled = asyncio_allocated();
        for (int k = 0; k < 500; k++)
            EXPECT_INT(write_some(&subject, 10), 0);
        EXPECT_INT(asyncio_allocated(), filled);
        EXPECT_PTR(subject.conn.kept.first, first);
        EXPECT(subject.conn.is_sending);
        run_for(1000);
        EXPECT_INT(peer.got, subject.written);
        EXPECT_PTR(subject.conn.kept.first, NULL);
        EXPECT_INT(subject.conn.kept.size, 0);
    }
    EXPECT_INT(asyncio_allocated(), before);
    close_rig();
}

TEST_NO_SWEEP(without_memory, "-ENOMEM takes nothing, and what was kept before is sent", "it lets allocations fail")
{
    size_t kept;

    open_rig(NULL, &pull_events);
    fill_up(&subject);
    kept = subject.conn.kept.size;
    asyncio_fail_allocation(0, 1);
    EXPECT_INT(write_some(&subject, 100000), -ENOMEM);
    asyncio_fail_allocation(-1, 0);
    EXPECT_INT(subject.conn.kept.size, kept);
    EXPECT_INT(subject.conn.error, 0);
    EXPECT_INT(write_some(&subject, 100000), 0);
    start_peer(65536, 0);
    run_for(1);
    EXPECT_INT(peer.got, subject.written);
    close_rig();
    EXPECT_TRACE("conn: paused\n[0.000] conn: resumed\nconn: lost\n");
}

TEST_SIM_NO_SWEEP(send_without_memory, "a send that finds no memory has sent nothing and breaks nothing",
                  "it lets allocations fail")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "it asks what the kernel takes at once");
    open_rig(NULL, &pull_events);
    asyncio_fail_allocation(0, 1);
    EXPECT_INT(write_some(&subject, 100), -ENOMEM);
    asyncio_fail_allocation(-1, 0);
    EXPECT_INT(write_some(&subject, 100), 0);
    peer_take_all();
    EXPECT_INT(peer.got, 100);
    close_rig();
    trace_clear();
}

TEST_NO_SWEEP(half_without_memory, "a write of which a part was sent aborts when the rest cannot be kept",
              "it lets allocations fail")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "it asks what the kernel takes at once");
    test_send_directly("likewise");
    open_rig("buffer=64", &pull_events);
    /* The kernel takes some, the simulator has had its buffer allocated before. */
    EXPECT_INT(write_some(&subject, 64), 0);
    peer_take_all();
    asyncio_fail_allocation(0, 1);
    EXPECT_INT(write_some(&subject, 64 << 20), -ENOMEM);
    asyncio_fail_allocation(-1, 0);
    EXPECT_INT(write_some(&subject, 1), -ENOMEM);
    EXPECT_INT(subject.lost, 0);
    one_turn();
    close_rig();
    EXPECT_TRACE("[0.000] conn: lost: ENOMEM\n");
}

/* ---------------------------------------------------------------------------------------------------- Flow control */

TEST(water_marks, "TR-04: paused once when more than the high mark is kept, resumed once when not more than the low is")
{
    size_t kept;

    open_rig(NULL, &pull_events);
    EXPECT_INT(subject.conn.high, 65536);
    EXPECT_INT(subject.conn.low, 16384);
    fill_up(&subject);
    /* Whatever a short send may have left goes on in the loop. */
    run_for(1);
    kept = subject.conn.kept.size;
    set_limits(kept + 10, kept);
    EXPECT_INT(write_some(&subject, 10), 0);
    EXPECT_INT(subject.paused, 0);
    EXPECT_INT(write_some(&subject, 1), 0);
    EXPECT_INT(subject.paused, 1);
    EXPECT_INT(write_some(&subject, 1000), 0);
    EXPECT_INT(subject.paused, 1);
    EXPECT_INT(subject.resumed, 0);
    start_peer(100, 0.01);
    run_for(1000);
    EXPECT_INT(subject.resumed, 1);
    EXPECT_INT(peer.got, subject.written);
    close_rig();
}

TEST(limits, "TR-03: setting the marks looks again whether to pause or to go on")
{
    size_t kept;

    open_rig(NULL, &pull_events);
    fill_up(&subject);
    run_for(1);
    kept = subject.conn.kept.size;
    set_limits(kept, 0);
    EXPECT_TRACE("");
    set_limits(kept - 1, 0);
    EXPECT_TRACE("conn: paused\n");
    set_limits(kept - 1, kept - 1);
    set_limits(0, 0);
    EXPECT_TRACE("");
    set_limits(kept, kept);
    EXPECT_TRACE("conn: resumed\n");
    close_rig();
    EXPECT_LOG("unsent bytes");
    trace_clear();
}

TEST(zero_marks, "TR-04: with both marks at 0 whatever is kept pauses, until all is sent")
{
    open_rig(NULL, &pull_events);
    set_limits(0, 0);
    fill_up(&subject);
    EXPECT_INT(subject.paused, 1);
    start_peer(65536, 0);
    run_for(1);
    EXPECT_INT(subject.paused, subject.resumed);
    EXPECT_INT(peer.got, subject.written);
    close_rig();
}

static void write_more(struct subject *self)
{
    if (self->resumed + self->paused < 10)
        write_some(self, 300000);
}

TEST(write_inside, "TR-04: paused and resumed may write")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "it moves a mass");
    open_rig("short=30,later=30", &pull_events);
    subject.on_paused = write_more;
    subject.on_resumed = write_more;
    EXPECT_INT(write_some(&subject, 1000000), 0);
    EXPECT_INT(subject.paused, 1);
    start_peer(65536, 0.001);
    run_for(100);
    EXPECT(subject.paused > 3);
    EXPECT_INT(subject.paused, subject.resumed);
    EXPECT_INT(peer.got, subject.written);
    close_rig();
}

static void write_last_words(struct subject *self)
{
    if (self->resumed > 1)
        return;
    EXPECT_INT(write_some(self, 500), 0);
    EXPECT_INT(write_some(self, 700), 0);
}

TEST(write_inside_closing, "TR-09 #81: what is written in resumed after close is still sent, and no other")
{
    open_rig(NULL, &pull_events);
    set_limits(0, 0);
    subject.on_resumed = write_last_words;
    fill_up(&subject);
    close_subject();
    EXPECT_INT(write_some(&subject, 1), -ASYNCIO_ECLOSED);
    start_peer(65536, 0);
    run_for(1);
    EXPECT_INT(subject.lost, 1);
    EXPECT_INT(peer.got, subject.written);
    EXPECT_INT(peer.end, 0);
    close_rig();
}

static void close_and_write(struct subject *self)
{
    asyncio__conn_close(&self->conn);
    EXPECT_INT(self->conn.state, ASYNCIO__CONN_CLOSING);
    write_last_words(self);
}

TEST(write_after_close_inside,
     "TR-09 #81: closed in resumed with nothing left, it sends what resumed writes after that")
{
    open_rig(NULL, &pull_events);
    set_limits(0, 0);
    subject.on_resumed = close_and_write;
    fill_up(&subject);
    start_peer(65536, 0);
    run_for(1);
    EXPECT_INT(subject.lost, 1);
    EXPECT_INT(peer.got, subject.written);
    EXPECT_INT(peer.end, 0);
    close_rig();
}

static void close_it(struct subject *self)
{
    asyncio__conn_close(&self->conn);
    asyncio__conn_close(&self->conn);
    EXPECT_INT(self->lost, 0);
}

static void abort_it(struct subject *self)
{
    asyncio__conn_abort(&self->conn, -EIO);
    asyncio__conn_abort(&self->conn, -EPERM);
    EXPECT_INT(self->conn.fd, -1);
    EXPECT_INT(self->lost, 0);
}

/* Fills the connection and lets the peer take it all, with these hooks. */
static void end_inside(void (*on_paused)(struct subject *self), void (*on_resumed)(struct subject *self))
{
    open_rig(NULL, &pull_events);
    set_limits(0, 0);
    subject.on_paused = on_paused;
    subject.on_resumed = on_resumed;
    fill_up(&subject);
    start_peer(65536, 0);
    run_for(1);
    EXPECT_INT(subject.lost, 1);
    close_rig();
}

TEST(close_inside, "TR-09 #82: closed in paused or resumed, it is lost once, after everything was sent")
{
    end_inside(NULL, close_it);
    EXPECT_TRACE("conn: paused\n[0.000] conn: resumed\n[0.000] conn: lost\n");
    EXPECT_INT(peer.got, subject.written);
    EXPECT_INT(peer.end, 0);
    end_inside(close_it, close_it);
    EXPECT_TRACE("conn: paused\n[0.000] conn: resumed\n[0.000] conn: lost\n");
    EXPECT_INT(peer.got, subject.written);
}

TEST(abort_inside, "TR-09 #82: aborted in paused or resumed, it is lost once, with the first error")
{
    end_inside(NULL, abort_it);
    EXPECT_TRACE("conn: paused\n[0.000] conn: resumed\n[0.000] conn: lost: EIO\n");
    end_inside(abort_it, abort_it);
    EXPECT_TRACE("conn: paused\n[0.000] conn: lost: EIO\n");
}

/* ------------------------------------------------------------------------------------------------------------ Turns */

TEST_SIM_NO_SWEEP(fairness, "D-10: however much a peer takes at once, others have their turn now and then",
                  "too much goes through it; `order` is swept")
{
    open_rig("buffer=1000000,short=100", &pull_events);
    fill_up(&subject);
    for (int i = 0; i < 500; i++)
        EXPECT_INT(write_some(&subject, 1000), 0);
    peer_take_all();
    one_turn();
    EXPECT(subject.conn.kept.size > 100000);
    EXPECT(!subject.conn.is_sending);
    start_peer(65536, 0);
    run_for(1);
    EXPECT_INT(peer.got, subject.written);
    close_rig();
}
