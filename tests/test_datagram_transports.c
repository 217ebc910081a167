/* test_datagram_transports.c -- datagrams as callbacks: what the protocol is told, reading, the end, opening. */
#include "datagram_sides.h"

/* -------------------------------------------------------------------------------------------------------- Callbacks */

static int exchange(void *arg)
{
    struct asyncio_address at_right;

    (void)arg;
    begin();
    OPEN(&left, .local_host = "127.0.0.1");
    OPEN(&right, .local_host = "127.0.0.1");
    at_right = place_of(&right);
    tell(&left, "one", &at_right);
    tell(&left, "", &at_right);
    tell(&left, "three", &at_right);
    settle();
    if (right.n_received == 3)
        tell(&right, "answer", &right.sender);
    settle();
    EXPECT_TRACE("[0.000] L made\n[0.000] R made\n[0.000] R got 'one'\n[0.000] R got ''\n[0.000] R got 'three'\n"
                 "[0.050] L got 'answer'\n");
    EXPECT_INT(asyncio_transport_get_write_buffer_size(left.transport), 0);
    EXPECT(broken || asyncio_transport_fileno(left.transport) >= 0);
    asyncio_transport_close(left.transport);
    asyncio_transport_close(left.transport);
    settle();
    EXPECT_TRACE("[0.100] L lost\n");
    return finish();
}

TEST(exchange, "TR-11 TR-06 N-10 #96: made, received with the sender, lost once; empty datagrams are sent too")
{
    EXPECT_INT(play(exchange), 0);
}

static int connected(void *arg)
{
    struct asyncio_address at_left, elsewhere = {0}, peer = {0};

    (void)arg;
    begin();
    OPEN(&left, .local_host = "127.0.0.1");
    at_left = place_of(&left);
    OPEN(&right, .remote_host = "127.0.0.1", .remote_port = asyncio_address_port(&at_left));
    EXPECT_INT(asyncio_address_parse(&elsewhere, "127.0.0.1", 9), 0);
    EXPECT_INT(asyncio_transport_sendto(right.transport, "x", 1, &elsewhere), -EINVAL);
    EXPECT_INT(asyncio_transport_sendto(left.transport, "x", 1, NULL), -EINVAL);
    EXPECT_INT(asyncio_transport_sendto(right.transport, NULL, 1, NULL), -EINVAL);
    EXPECT_INT(noted(asyncio_transport_peername(right.transport, &peer)), 0);
    EXPECT(same(&peer, &at_left));
    EXPECT_INT(asyncio_transport_peername(left.transport, &peer), left.transport ? -ENOTCONN : -EINVAL);
    tell(&right, "by default", NULL);
    tell(&right, "by name", &at_left);
    settle();
    EXPECT_TRACE("[0.000] L made\n[0.000] R made\n[0.000] L got 'by default'\n[0.000] L got 'by name'\n");
    return finish();
}

TEST(connected, "TR-11 #99: another address than the remote one is refused; the remote one may be named")
{
    EXPECT_INT(play(connected), 0);
}

static int broadcasting(void *arg)
{
    struct asyncio_address at_left, peer;
    int port;

    (void)arg;
    begin();
    OPEN(&left, .local_host = "0.0.0.0");
    at_left = place_of(&left);
    port = asyncio_address_port(&at_left);
    OPEN(&right, .remote_host = "127.255.255.255", .remote_port = port, .allow_broadcast = true);
    EXPECT_INT(asyncio_transport_peername(right.transport, &peer), right.transport ? -ENOTCONN : -EINVAL);
    tell(&right, "all", NULL);
    settle();
    EXPECT_TRACE("[0.000] L made\n[0.000] R made\n[0.000] L got 'all'\n");
    return finish();
}

TEST(broadcasting, "N-10: with allow_broadcast the socket is not connected, and its remote address is the default")
{
    EXPECT_INT(play(broadcasting), 0);
}

static int nobody_there(void *arg)
{
    struct asyncio_address at_left, at_right;
    int port;

    (void)arg;
    begin();
    one = open_free("127.0.0.1");
    port = port_of(one);
    one = asyncio_datagram_unref(one);
    OPEN(&right, .remote_host = "127.0.0.1", .remote_port = port);
    at_right = place_of(&right);
    tell(&right, "anybody?", NULL);
    settle();
    EXPECT_INT(right.n_errors, 1);
    OPEN(&left, .local_host = "127.0.0.1", .local_port = port);
    at_left = place_of(&left);
    EXPECT(broken || asyncio_address_port(&at_left) == port);
    tell(&right, "now?", NULL);
    settle();
    tell(&left, "yes", &at_right);
    settle();
    EXPECT_TRACE("[0.000] R made\n[0.000] R error ECONNREFUSED\n[0.050] L made\n[0.050] L got 'now?'\n"
                 "[0.100] R got 'yes'\n");
    return finish();
}

TEST(nobody_there, "TR-11 #100: an error is told, and the transport goes on")
{
    EXPECT_INT(play(nobody_there), 0);
}

static int too_long(void *arg)
{
    static char much[70000];
    struct asyncio_address at_right;

    (void)arg;
    begin();
    OPEN(&left, .local_host = "127.0.0.1");
    OPEN(&right, .local_host = "127.0.0.1");
    at_right = place_of(&right);
    EXPECT_INT(noted(asyncio_transport_sendto(left.transport, much, sizeof much, &at_right)), 0);
    tell(&left, "short", &at_right);
    settle();
    EXPECT_TRACE("[0.000] L made\n[0.000] R made\n[0.000] L error EMSGSIZE\n[0.000] R got 'short'\n");
    return finish();
}

TEST(too_long, "TR-11: an error of sending goes to error_received, and is no error of the call")
{
    EXPECT_INT(play(too_long), 0);
}

/* ---------------------------------------------------------------------------------------------------------- Reading */

static void pause_it(struct side *side)
{
    asyncio_transport_pause_reading(side->transport);
    side->on_received = NULL;
}

static int pausing(void *arg)
{
    (void)arg;
    open_sides();
    EXPECT(broken || asyncio_transport_is_reading(right.transport));
    right.on_received = pause_it;
    for (int i = 0; i < 4; i++)
        tell(&left, &"abcd"[i], NULL);
    settle();
    EXPECT_TRACE("[0.000] R got 'abcd'\n");
    EXPECT(!asyncio_transport_is_reading(right.transport));
    tell(&left, "last", NULL);
    settle();
    EXPECT_TRACE("");
    asyncio_transport_resume_reading(right.transport);
    asyncio_transport_resume_reading(right.transport);
    settle();
    EXPECT_TRACE("[0.100] R got 'bcd'\n[0.100] R got 'cd'\n[0.100] R got 'd'\n[0.100] R got 'last'\n");
    return finish();
}

TEST(pausing, "TR-02: stopped in the midst of several, the rest waits in order")
{
    EXPECT_INT(play(pausing), 0);
}

static void close_it(struct side *side)
{
    asyncio_transport_close(side->transport);
}

static int closed_inside(void *arg)
{
    (void)arg;
    open_sides();
    right.on_received = close_it;
    for (int i = 0; i < 4; i++)
        tell(&left, &"abcd"[i], NULL);
    settle();
    EXPECT_TRACE("[0.000] R got 'abcd'\n[0.000] R lost\n");
    return finish();
}

TEST(closed_inside, "TR-01: closed in the midst of several, nothing more is told but the end")
{
    EXPECT_INT(play(closed_inside), 0);
}

static int slow_receiver(void *arg)
{
    int64_t before, after;

    (void)arg;
    begin();
    OPEN(&left, .local_host = "127.0.0.1");
    OPEN(&right, .local_host = "127.0.0.1");
    trace_clear();
    right.is_quiet = true;
    asyncio_transport_pause_reading(right.transport);
    settle();
    before = asyncio_allocated();
    for (int i = 0; i < 20000 && !broken; i++) {
        struct asyncio_address to = place_of(&right);

        tell(&left, "flood", &to);
        if (i % 100 == 0)
            settle();
    }
    after = asyncio_allocated();
    /* In the simulator the kernel's queue is the library's memory, too. */
    EXPECT(test_on_sim() || after - before <= 8);
    EXPECT_INT(right.n_received, 0);
    asyncio_transport_resume_reading(right.transport);
    settle();
    EXPECT(broken || (right.n_received > 0 && right.n_received < 20000));
    return finish();
}

TEST_NO_SWEEP(slow_receiver, "a receiver that has stopped costs no memory: what the kernel has no room for is lost",
              "it is long")
{
    EXPECT_INT(play(slow_receiver), 0);
}

/* ---------------------------------------------------------------------------------------------------------- The end */

static int close_flushes(void *arg)
{
    int n;

    (void)arg;
    open_sides();
    right.is_quiet = true;
    asyncio_transport_pause_reading(right.transport);
    n = fill_up(&left);
    asyncio_transport_close(left.transport);
    EXPECT_INT(asyncio_transport_sendto(left.transport, "late", 4, NULL), left.transport ? 0 : -EINVAL);
    settle();
    EXPECT_INT(left.n_lost, 0);
    asyncio_transport_resume_reading(right.transport);
    settle();
    EXPECT_INT(right.n_received, broken ? 0 : n);
    EXPECT_INT(left.n_lost, left.n_made);
    return finish();
}

TEST(close_flushes, "TR-01: close sends what is kept first, and takes nothing more")
{
    EXPECT_INT(play(close_flushes), 0);
}

static int close_in_time(void *arg)
{
    (void)arg;
    open_sides();
    right.is_quiet = true;
    asyncio_transport_pause_reading(right.transport);
    fill_up(&left);
    asyncio_transport_close(left.transport);
    EXPECT_INT(asyncio_sleep(29), 0);
    EXPECT_INT(left.n_lost, 0);
    EXPECT_INT(asyncio_sleep(2), 0);
    EXPECT_INT(left.error, broken ? 0 : -ETIMEDOUT);
    return finish();
}

TEST(close_in_time, "a peer that does not read holds up a close for 30 seconds at most")
{
    EXPECT_INT(play(close_in_time), 0);
}

static int late_writes(void *arg)
{
    (void)arg;
    open_sides();
    asyncio_transport_close(left.transport);
    for (int i = 0; i < 5 && left.transport; i++)
        EXPECT_INT(asyncio_transport_sendto(left.transport, "late", 4, NULL), 0);
    if (left.transport)
        EXPECT_LOG("a write to a datagram transport that is closed or lost");
    return finish();
}

TEST(late_writes, "TR-09: writes after the end do nothing, and from the fifth on there is a warning")
{
    EXPECT_INT(play(late_writes), 0);
}

static int left_open(void *arg)
{
    (void)arg;
    open_sides();
    asyncio_transport_pause_reading(right.transport);
    fill_up(&left);
    return end();
}

TEST(left_open, "a loop that closes closes its transports, and says what was not sent")
{
    EXPECT_INT(play(left_open), 0);
    EXPECT_INT(left.n_lost, left.n_made);
    EXPECT_INT(right.n_lost, right.n_made);
    if (left.n_made > 0 && left.error)
        EXPECT_LOG("unsent bytes, because its event loop is");
    trace_clear();
}

/* ---------------------------------------------------------------------------------------------------------- Opening */

static struct asyncio_protocol *no_factory(void *arg)
{
    (void)arg;
    return NULL;
}

static int refusals(void *arg)
{
    static const struct asyncio_protocol_type useless = {.size = sizeof useless, .name = "useless"};
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_protocol *protocol = NULL;
    struct asyncio_transport *transport = NULL;
    struct asyncio_socket *socket = NULL;

    (void)arg;
    begin();
    EXPECT_INT(asyncio_loop_create_datagram_endpoint(loop, no_factory, NULL, &transport, &protocol, .family = AF_INET),
               -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(asyncio_loop_create_datagram_endpoint(loop, NULL, NULL, &transport, &protocol, .family = AF_INET),
               -EINVAL);
    EXPECT_INT(asyncio_loop_create_datagram_endpoint(loop, factory, &left, &transport, &protocol), -EINVAL);
    EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, &socket), 0);
    EXPECT_INT(asyncio_loop_create_datagram_endpoint(loop, factory, &left, &transport, &protocol, .sock = socket),
               -EINVAL);
    EXPECT_INT(left.n_made, 0);
    OPEN(&left, .family = AF_INET);
    EXPECT_INT(asyncio_transport_write(left.transport, "x", 1), left.transport ? -ENOTSUP : -EINVAL);
    EXPECT(!asyncio_transport_can_write_eof(left.transport));
    right.protocol.type = &useless;
    EXPECT_INT(asyncio_transport_set_protocol(left.transport, &right.protocol), -EINVAL);
    right.protocol.type = &side_type;
    EXPECT_INT(asyncio_transport_set_protocol(left.transport, &right.protocol), left.transport ? 0 : -EINVAL);
    if (left.transport) {
        right.transport = left.transport;
        right.n_made = 1;
        left.n_made = 0;
        left.transport = NULL;
    }
    return finish();
}

TEST(refusals, "N-10: what no endpoint can be made of; it is of datagrams only; the protocol can be changed")
{
    EXPECT_INT(play(refusals), 0);
}

static int opener(void *arg)
{
    struct asyncio_transport *transport = NULL;
    struct asyncio_protocol *protocol = NULL;
    int r = asyncio_loop_create_datagram_endpoint(asyncio_get_running_loop(), factory, arg, &transport, &protocol,
                                                  .local_host = "127.0.0.1");

    trace("%s: %s", me(), said(r));
    return 0;
}

static int cancelled(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    for (int after = 1; after < 5; after++) {
        begin();
        task = spawn(opener, &left, "opener");
        turns(after);
        cancel(task);
        all_done();
        settle();
        EXPECT_INT(asyncio_transport_is_closing(left.transport), false);
        asyncio_transport_close(left.transport);
        settle();
        EXPECT_INT(left.n_lost, left.n_made);
    }
    trace_clear();
    return end();
}

TEST(cancelled, "N-15: who is cancelled while it opens leaves nothing behind")
{
    EXPECT_INT(play(cancelled), 0);
}
