/* Push mode of a connection at the loop's floor: it reads by itself and calls its owner. */
#include "conn_rig.h"

static const struct asyncio__conn_events *const both[] = {&lent, &into};

/* Runs what follows in both ways to hand over what comes. */
#define FOR_BOTH(events)                                                                          \
    for (const struct asyncio__conn_events *events = both[0], *const *at_ = both; at_ < both + 2; \
         events = ++at_ < both + 2 ? *at_ : NULL)

/* ----------------------------------------------------------------------------------------------------------- Peer */

/* What the peer sends: tagged bytes, so many at a time. */
static struct {
    struct asyncio_op op;
    struct asyncio_timer timer;
    size_t sent, total, at_a_time;
    int64_t every_ns;
    bool then_closes, is_sending, over;
    unsigned char memory[1 << 16];
} sender;

static void send_on(void);

static void send_again(struct asyncio_node *node)
{
    (void)node;
    send_on();
}

static void sender_done(struct asyncio_op *op)
{
    sender.is_sending = false;
    if (op->result < 0) {
        sender.over = true;
        return;
    }
    sender.sent += (size_t)op->result;
    asyncio_timer_arm(loop, &sender.timer, asyncio_loop_now_ns(loop) + sender.every_ns);
}

static void send_on(void)
{
    size_t size = min_size(sender.total - sender.sent, sender.at_a_time);

    if (size == 0) {
        sender.over = true;
        if (sender.then_closes)
            close_fd(&peer.fd);
        return;
    }
    fill_tagged(sender.memory, sender.sent, size);
    sender.op = (struct asyncio_op){.complete = sender_done,
                                    .opcode = ASYNCIO_OP_SEND,
                                    .fd = peer.fd,
                                    .buffer = {.data = sender.memory, .size = size}};
    sender.is_sending = true;
    if (asyncio_op_submit(loop, &sender.op))
        sender_done(&sender.op);
}

static void start_sender(size_t total, size_t at_a_time, int64_t every_ns, bool then_closes)
{
    memset(&sender, 0, sizeof sender);
    sender.total = total;
    sender.at_a_time = min_size(at_a_time, sizeof sender.memory);
    sender.every_ns = every_ns;
    sender.then_closes = then_closes;
    asyncio_node_init(&sender.timer.node, send_again, NULL);
    if (loop && peer.fd >= 0)
        send_on();
}

/* What the peer sends without waiting. Returns: how many bytes; a negative error. */
static int64_t send_now(void *data, size_t size)
{
    return perform((struct asyncio_op){
        .opcode = ASYNCIO_OP_SEND, .flags = ASYNCIO_OP_NOWAIT, .fd = peer.fd, .buffer = {.data = data, .size = size}});
}

static void close_push_rig(void)
{
    if (loop)
        asyncio_timer_disarm(loop, &sender.timer);
    close_rig();
}

/* ---------------------------------------------------------------------------------------------------------- Reading */

static void reads_in_order(const struct asyncio__conn_events *events, const char *options, size_t at_a_time)
{
    open_rig(options, events);
    subject.memory_size = at_a_time % 100 + 1000;
    start_reading();
    start_sender(amount(100000), at_a_time, 1000, true);
    run_for(100);
    EXPECT_INT(subject.received, amount(100000));
    EXPECT_INT(subject.lost, 1);
    EXPECT(strstr(transcript(), "conn: ended\n"));
    trace_clear();
    close_push_rig();
}

TEST(order, "TR-01 TR-06: what comes is received in order and whole, then the end, then lost")
{
    FOR_BOTH(events)
    {
        reads_in_order(events, NULL, 65536);
        reads_in_order(events, NULL, 1000);
        reads_in_order(events, "short=60,later=50,eintr=30,delay=300,permute,buffer=5000", 3000);
    }
}

TEST(one_at_a_time, "TR-12: into the owner's memory, one piece a turn, so that others have theirs")
{
    open_rig(NULL, &into);
    subject.memory_size = 7;
    start_sender(500, 500, 0, false);
    start_reading();
    for (int i = 0; i < 2000 && subject.is_open && subject.received < 500; i++) {
        int before = subject.deliveries;

        one_turn();
        EXPECT(subject.deliveries <= before + 1);
    }
    EXPECT_INT(subject.received, 500);
    EXPECT(subject.deliveries >= 72);
    close_push_rig();
}

static void stop_inside(struct subject *self)
{
    asyncio__conn_stop_reading(&self->conn);
    asyncio__conn_stop_reading(&self->conn);
}

static void starts_and_stops(const struct asyncio__conn_events *events, const char *options)
{
    size_t before;

    open_rig(options, events);
    start_sender(amount(20000), 700, 1000, false);
    run_for(1);
    EXPECT_INT(subject.received, 0);
    start_reading();
    start_reading();
    EXPECT_INT(subject.received, 0);
    for (int i = 0; i < 50; i++) {
        run_for(0.00002);
        stop_reading();
        stop_reading();
        before = subject.received;
        run_for(i % 3 * 0.00001);
        EXPECT_INT(subject.received, before);
        start_reading();
        if (i % 4 == 0) {
            stop_reading();
            start_reading();
        }
    }
    subject.on_received = stop_inside;
    for (int i = 0; i < 10000 && subject.is_open && subject.received < amount(20000); i++) {
        int deliveries = subject.deliveries;

        start_reading();
        run_for(0.001);
        EXPECT(subject.deliveries <= deliveries + 1);
    }
    EXPECT_INT(subject.received, amount(20000));
    EXPECT_TRACE("");
    close_push_rig();
    trace_clear();
}

TEST_NO_SWEEP(start_and_stop,
              "TR-02: nothing is received before the start nor between stop and start, and nothing is lost",
              "too much goes through it; `order` is swept")
{
    FOR_BOTH(events)
    {
        starts_and_stops(events, NULL);
        starts_and_stops(events, "later=60,short=40");
        starts_and_stops(events, "later=100,delay=100,short=70");
    }
}

static void restart_inside(struct subject *self)
{
    asyncio__conn_stop_reading(&self->conn);
    asyncio__conn_start_reading(&self->conn);
}

TEST(restart_inside_received, "TR-02: received may stop and start reading")
{
    FOR_BOTH(events)
    {
        open_rig("later=60,short=40,delay=20", events);
        subject.on_received = restart_inside;
        start_reading();
        start_sender(20000, 900, 1000, true);
        run_for(10);
        EXPECT_INT(subject.received, 20000);
        EXPECT_INT(subject.lost, 1);
        trace_clear();
        close_push_rig();
    }
}

static void write_back(struct subject *self)
{
    if (self->received > self->written)
        write_some(self, self->received - self->written);
}

static void pause_reading(struct subject *self)
{
    asyncio__conn_stop_reading(&self->conn);
}

static void resume_reading(struct subject *self)
{
    asyncio__conn_start_reading(&self->conn);
}

TEST_NO_SWEEP(echo, "TR-04: a protocol that stops reading while its writing is paused keeps little",
              "too much goes through it; `order` is swept")
{
    FOR_BOTH(events)
    {
        open_rig("short=30,later=30,buffer=3000", events);
        set_limits(2000, 500);
        subject.on_received = write_back;
        subject.on_paused = pause_reading;
        subject.on_resumed = resume_reading;
        start_reading();
        start_sender(amount(200000), 5000, 1000, false);
        start_peer(1500, 0.001);
        for (int i = 0; i < 100; i++) {
            run_for(0.1);
            EXPECT(!subject.is_open || subject.conn.kept.size < 100000);
        }
        run_for(100);
        EXPECT_INT(subject.received, amount(200000));
        EXPECT_INT(peer.got, amount(200000));
        trace_clear();
        close_push_rig();
        captured_log();
        trace_clear();
    }
}

/* ------------------------------------------------------------------------------------------------------------- Ends */

TEST(ended, "TR-07: at the end a false answer closes, and what is kept is sent; a true one leaves the half open")
{
    FOR_BOTH(events)
    {
        open_rig(NULL, events);
        start_reading();
        fill_up(&subject);
        perform((struct asyncio_op){.opcode = ASYNCIO_OP_SHUTDOWN, .fd = peer.fd, .argument = SHUT_WR});
        run_for(1);
        EXPECT_TRACE("[0.000] conn: ended\n");
        EXPECT_INT(write_some(&subject, 1), -ASYNCIO_ECLOSED);
        start_peer(65536, 0);
        run_for(1);
        EXPECT_TRACE("[1.000] conn: lost\n");
        EXPECT_INT(peer.got, subject.written);
        EXPECT_INT(peer.end, 0);
        close_push_rig();

        open_rig(NULL, events);
        subject.stays = true;
        start_reading();
        perform((struct asyncio_op){.opcode = ASYNCIO_OP_SHUTDOWN, .fd = peer.fd, .argument = SHUT_WR});
        run_for(1);
        EXPECT_TRACE("[0.000] conn: ended\n");
        start_reading();
        EXPECT_INT(write_some(&subject, 1000), 0);
        run_for(1);
        peer_take_all();
        EXPECT_INT(peer.got, 1000);
        close_push_rig();
        EXPECT_TRACE("conn: lost\n");
    }
}

TEST(ended_late, "TR-02 TR-07: an end that comes while reading is stopped is told at the next start")
{
    FOR_BOTH(events)
    {
        open_rig("later=50,delay=50", events);
        start_reading();
        start_sender(1000, 500, 0, true);
        run_for(0);
        stop_reading();
        trace_clear();
        run_for(1);
        EXPECT_TRACE("");
        start_reading();
        run_for(1);
        EXPECT_INT(subject.received, 1000);
        EXPECT_INT(subject.lost, 1);
        trace_clear();
        close_push_rig();
    }
}

TEST(reset, "TR-08: an error of reading ends the connection with it")
{
    FOR_BOTH(events)
    {
        open_rig(NULL, events);
        start_reading();
        EXPECT_INT(write_some(&subject, 10), 0);
        run_for(1);
        /* Closing with unread data resets. */
        close_fd(&peer.fd);
        run_for(1);
        EXPECT_TRACE("[1.000] conn: lost: ECONNRESET\n");
        close_push_rig();
    }
}

TEST(broken, "TR-08: an error of writing ends the connection with it")
{
    test_send_directly("the write shall meet the error");
    FOR_BOTH(events)
    {
        open_rig(NULL, events);
        start_reading();
        perform((struct asyncio_op){.opcode = ASYNCIO_OP_SHUTDOWN, .fd = peer.fd, .argument = SHUT_RD});
        EXPECT_INT(write_some(&subject, 10), -EPIPE);
        EXPECT_INT(subject.conn.fd, -1);
        EXPECT_INT(write_some(&subject, 10), -EPIPE);
        EXPECT_INT(subject.lost, 0);
        run_for(1);
        EXPECT_TRACE("[0.000] conn: lost: EPIPE\n");
        close_push_rig();
    }
}

static void close_inside(struct subject *self)
{
    asyncio__conn_close(&self->conn);
    asyncio__conn_start_reading(&self->conn);
}

static void abort_inside(struct subject *self)
{
    asyncio__conn_abort(&self->conn, -EPROTO);
}

TEST(end_inside, "TR-09 #82: closed or aborted in received, nothing more is received, and it is lost once")
{
    FOR_BOTH(events)
    {
        for (int i = 0; i < 2; i++) {
            open_rig("later=40", events);
            subject.on_received = i ? abort_inside : close_inside;
            start_reading();
            start_sender(50000, 9000, 0, false);
            run_for(1);
            EXPECT_INT(subject.deliveries, 1);
            EXPECT_INT(subject.lost, 1);
            EXPECT(strstr(transcript(), i ? "conn: lost: EPROTO\n" : "conn: lost\n"));
            trace_clear();
            close_push_rig();
        }
    }
}

TEST(close, "TR-01: close stops reading and sends what is kept")
{
    FOR_BOTH(events)
    {
        open_rig("later=40", events);
        start_reading();
        EXPECT_INT(write_some(&subject, 1 << 20), 0);
        close_subject();
        start_sender(5000, 1000, 1000, false);
        run_for(1);
        EXPECT_INT(subject.received, 0);
        EXPECT_INT(subject.lost, 0);
        start_peer(65536, 0);
        run_for(1);
        EXPECT_INT(subject.received, 0);
        EXPECT_INT(subject.lost, 1);
        EXPECT_INT(peer.got, subject.written);
        trace_clear();
        close_push_rig();
    }
}

static void abort_now(void *arg)
{
    (void)arg;
    abort_subject(-EPROTO);
}

TEST(abort_before_its_turn, "TR-09 #82: what was scheduled before an abort does not take it for over")
{
    open_rig(NULL, &into);
    fill_up(&subject);
    EXPECT(subject.conn.is_sending);
    start_sender(100, 100, 0, false);
    soon(abort_now, NULL);
    start_reading();
    one_turn();
    EXPECT_INT(subject.lost, 0);
    EXPECT_INT(subject.received, 0);
    one_turn();
    EXPECT_INT(subject.lost, 1);
    close_push_rig();
    trace_clear();
}

static void close_named(struct asyncio__conn *conn, void **ret_data, size_t *ret_size)
{
    name_memory(conn, ret_data, ret_size);
    asyncio__conn_close(conn);
}

TEST(close_in_get_buffer, "TR-01: closed while it asks for memory, it receives no more")
{
    static const struct asyncio__conn_events events = {NULL, NULL, say_lost, close_named, take, say_ended};

    open_rig(NULL, &events);
    start_reading();
    start_sender(10, 10, 0, false);
    run_for(1);
    EXPECT_INT(subject.received, 0);
    EXPECT_TRACE("[0.000] conn: lost\n");
    close_push_rig();
}

/* ----------------------------------------------------------------------------------------------------------- Owners */

static void change_inside(struct subject *self)
{
    asyncio__conn_set_events(&self->conn, both[self->deliveries % 3 == 0]);
    if (self->deliveries % 5 == 0)
        asyncio__conn_stop_reading(&self->conn);
}

static void changes_owner(const char *options)
{
    open_rig(options, &pull_events);
    if (!subject.is_open) {
        close_rig();
        return;
    }
    asyncio__conn_set_events(&subject.conn, &into);
    EXPECT(!subject.conn.is_reading);
    subject.memory_size = 10;
    subject.on_received = change_inside;
    start_reading();
    start_sender(5000, 700, 1000, true);
    for (int i = 0; i < 2000 && subject.is_open; i++) {
        asyncio__conn_set_events(&subject.conn, both[i % 2]);
        one_turn();
        if (!subject.is_open)
            break;
        asyncio__conn_set_events(&subject.conn, both[i / 2 % 2]);
        start_reading();
        run_for(0.0003);
    }
    EXPECT_INT(subject.received, 5000);
    EXPECT_INT(subject.lost, 1);
    trace_clear();
    close_push_rig();
}

TEST(set_events, "TR-10: a new owner may have memory of his own or not; nothing is lost or received twice, and reading "
                 "goes on or not as before")
{
    changes_owner(NULL);
    changes_owner("later=60,short=40");
    changes_owner("later=100,delay=100,short=70");
}

/* --------------------------------------------------------------------------------------------------- The loop's end */

TEST(loop_close, "a loop closes while connections read, were stopped, or have data that came late")
{
    FOR_BOTH(events)
    {
        open_rig("later=50,delay=100", events);
        start_reading();
        start_sender(3000, 1000, 0, false);
        close_push_rig();
        open_rig("later=100,delay=100", events);
        start_reading();
        start_sender(3000, 1000, 0, false);
        stop_reading();
        close_push_rig();
        open_rig("later=100,delay=100", events);
        start_reading();
        start_sender(3000, 1000, 0, false);
        stop_reading();
        run_for(1);
        close_push_rig();
        open_rig("later=100,delay=100", events);
        start_reading();
        start_sender(3000, 1000, 0, false);
        abort_subject(-EPROTO);
        close_push_rig();
        trace_clear();
    }
}

TEST_NO_SWEEP(without_memory, "without a buffer to read into the connection ends with -ENOMEM",
              "it lets allocations fail")
{
    if (test_on_uring())
        SKIP("the buffers of its back end are there before");
    open_rig(NULL, &lent);
    start_reading();
    run_for(1);
    start_sender(10, 10, 0, false);
    asyncio_fail_allocation(0, 1);
    one_turn();
    one_turn();
    asyncio_fail_allocation(-1, 0);
    run_for(1);
    EXPECT_TRACE("[1.000] conn: lost: ENOMEM\n");
    close_push_rig();
}

/* Stops reading in the moment when three bytes are there, so that the back end brings them still: chance decides which
 * cancel comes too late. */
static void stop_too_late(void)
{
    char options[32];

    test_spare(ASYNCIO__SHORT_TRANSFERS, "it asks what comes in one piece");
    for (int i = 0; i < 100; i++) {
        snprintf(options, sizeof options, "sim:%d,later=50", i);
        open_rig(options, &lent);
        start_reading();
        run_for(1);
        fill_tagged(sender.memory, 0, 3);
        if (loop && send_now(sender.memory, 3) == 3) {
            stop_reading();
            if (!subject.is_open || subject.conn.is_receiving)
                return;
        }
        close_push_rig();
        trace_clear();
    }
    FAIL("no cancel came too late");
}

TEST_SIM(late, "TR-02: what comes after a stop is kept until the next start, once")
{
    stop_too_late();
    run_for(1);
    EXPECT_INT(subject.received, 0);
    EXPECT_INT(subject.conn.late.size, 3);
    start_reading();
    EXPECT_INT(subject.received, 0);
    run_for(1);
    EXPECT_INT(subject.received, 3);
    EXPECT_INT(subject.deliveries, 1);
    EXPECT_PTR(subject.conn.late.first, NULL);
    close_push_rig();
    trace_clear();
}

TEST_SIM_NO_SWEEP(late_without_memory, "TR-02: what comes after a stop and cannot be kept ends the connection",
                  "it lets allocations fail")
{
    stop_too_late();
    /* The back end gets its buffer, the connection no memory. */
    asyncio_fail_allocation(1, 1);
    one_turn();
    asyncio_fail_allocation(-1, 0);
    run_for(1);
    EXPECT_TRACE("[1.000] conn: lost: ENOMEM\n");
    close_push_rig();
}
