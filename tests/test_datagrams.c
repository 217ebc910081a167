/* test_datagrams.c -- endpoints: what is sent arrives, from whom and where; errors concern one call; keywords. */
#include "datagram_rig.h"

/* ------------------------------------------------------------------------------------------------ Sent and received */

static int exchange(void *arg)
{
    struct asyncio_datagram_info info = {.interface = 77};
    struct asyncio_address at_one, at_two;

    (void)arg;
    one = open_free("127.0.0.1");
    two = open_free("127.0.0.1");
    at_one = local_of(one);
    at_two = local_of(two);
    say(one, "hello", &at_two);
    EXPECT_STR(heard_with(two, 63, &info), "hello");
    EXPECT(same(&info.address, &at_one));
    EXPECT(same(&info.destination, &at_two));
    EXPECT(info.interface > 0 && !info.truncated);
    say(two, "and back", &info.address);
    EXPECT_STR(heard(one), "and back");
    return end();
}

TEST(exchange, "N-10: a datagram arrives with who sent it, where it was sent to, and by which interface it came")
{
    EXPECT_INT(play(exchange), 0);
}

static int boundaries(void *arg)
{
    struct asyncio_datagram_info info;
    struct asyncio_address at_two;

    (void)arg;
    one = open_free("127.0.0.1");
    two = open_free("127.0.0.1");
    at_two = local_of(two);
    say(one, "first", &at_two);
    say(one, "", &at_two);
    say(one, "third", &at_two);
    EXPECT_STR(heard_with(two, 3, &info), "fir");
    EXPECT(info.truncated);
    EXPECT_STR(heard_with(two, 63, &info), "");
    EXPECT(!info.truncated && info.address.size > 0);
    EXPECT_STR(heard_with(two, 5, &info), "third");
    EXPECT(!info.truncated);
    return end();
}

TEST(boundaries, "#96 #99: datagrams stay apart, empty ones are sent and received, what does not fit is said to be cut")
{
    EXPECT_INT(play(boundaries), 0);
}

static int connected(void *arg)
{
    struct asyncio_address at_one, at_two, elsewhere = {0};

    (void)arg;
    one = open_free("127.0.0.1");
    two = open_to(port_of(one));
    at_one = local_of(one);
    at_two = local_of(two);
    EXPECT_INT(asyncio_address_parse(&elsewhere, "127.0.0.1", 9), 0);
    EXPECT_INT(asyncio_datagram_send(two, "x", 1, &elsewhere), -EINVAL);
    EXPECT_INT(asyncio_datagram_send(two, "x", 1, &(struct asyncio_address){0}), -EINVAL);
    say(two, "by default", NULL);
    EXPECT_STR(heard(one), "by default");
    say(two, "by name", &at_one);
    EXPECT_STR(heard(one), "by name");
    say(one, "answer", &at_two);
    EXPECT_STR(heard(two), "answer");
    return end();
}

TEST(connected, "TR-11 #99: who is connected sends to its peer, named or not, and to nobody else")
{
    EXPECT_INT(play(connected), 0);
}

static int hears_its_peer_only(void *arg)
{
    struct asyncio_datagram_endpoint *third;
    struct asyncio_address at_two;

    (void)arg;
    one = open_free("127.0.0.1");
    two = open_to(port_of(one));
    third = open_free("127.0.0.1");
    at_two = local_of(two);
    say(third, "stranger", &at_two);
    say(one, "friend", &at_two);
    EXPECT_STR(heard(two), "friend");
    asyncio_datagram_unref(third);
    return end();
}

TEST(strangers, "who is connected hears its peer only")
{
    EXPECT_INT(play(hears_its_peer_only), 0);
}

static int no_target(void *arg)
{
    (void)arg;
    one = open_free("127.0.0.1");
    EXPECT_INT(asyncio_datagram_send(one, "x", 1, NULL), -EDESTADDRREQ);
    EXPECT_INT(asyncio_open_datagram_endpoint(&two, .family = AF_UNIX), 0);
    EXPECT_INT(asyncio_datagram_send(two, "x", 1, NULL), -ENOTCONN);
    return end();
}

TEST(no_target, "without any address a datagram has nowhere to go")
{
    EXPECT_INT(play(no_target), 0);
}

static int all_families(void *arg)
{
    static const char *const hosts[] = {"127.0.0.1", "::1"};

    (void)arg;
    for (size_t i = 0; i < 2; i++) {
        struct asyncio_datagram_info info = {.interface = 0};
        struct asyncio_address to = {0};
        char text[64];

        one = NULL;
        noted(asyncio_open_datagram_endpoint(&one, .local_port = 0, .local_host = "",
                                             .family = i == 0 ? AF_INET : AF_INET6));
        two = open_free(hosts[i]);
        if (!one || !two)
            return end();
        EXPECT_INT(asyncio_address_parse(&to, hosts[i], port_of(one)), 0);
        say(two, "over there", &to);
        EXPECT_STR(heard_with(one, 63, &info), "over there");
        snprintf(text, sizeof text, i == 0 ? "%s:%d" : "[%s]:%d", hosts[i], port_of(one));
        EXPECT_STR(text_of(&info.destination), text);
        end();
    }
    return 0;
}

TEST(which_address, "who is reached at all addresses learns which one was asked, with IPv4 and IPv6")
{
    EXPECT_INT(play(all_families), 0);
}

static int bound_late(void *arg)
{
    struct asyncio_datagram_info info = {.interface = 0};
    struct asyncio_address from, own;

    (void)arg;
    one = open_free("127.0.0.1");
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&two, .family = AF_INET)), 0);
    from = local_of(one);
    say(two, "first", &from);
    EXPECT_STR(heard_with(one, 63, &info), "first");
    say(one, "answer", &info.address);
    EXPECT_STR(heard_with(two, 63, &info), "answer");
    own = local_of(two);
    EXPECT_INT(asyncio_address_port(&info.destination), asyncio_address_port(&own));
    return end();
}

TEST(bound_late, "N-10: without an address the family is enough; the first send gives it a port")
{
    EXPECT_INT(play(bound_late), 0);
}

/* ---------------------------------------------------------------------------------------------------------- Errors */

static int nobody_there(void *arg)
{
    int port;

    (void)arg;
    one = open_free("127.0.0.1");
    port = port_of(one);
    one = asyncio_datagram_unref(one);
    two = open_to(port);
    say(two, "anybody?", NULL);
    EXPECT_STR(failed(two), "-ECONNREFUSED");
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&one, .local_host = "127.0.0.1", .local_port = port)), 0);
    say(two, "now?", NULL);
    EXPECT_STR(heard(one), "now?");
    return end();
}

TEST(nobody_there, "#100: that nobody is there is the result of one call, and the endpoint goes on")
{
    EXPECT_INT(play(nobody_there), 0);
}

static int waiter_is_told(void *arg)
{
    struct asyncio_address at_two;
    int port;

    (void)arg;
    one = open_free("127.0.0.1");
    port = port_of(one);
    one = asyncio_datagram_unref(one);
    two = open_to(port);
    at_two = local_of(two);
    spawn(receiver, two, "receiver");
    turns(2);
    say(two, "anybody?", NULL);
    if (broken)
        asyncio_datagram_close(two);
    all_done();
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&one, .local_host = "127.0.0.1", .local_port = port)), 0);
    say(one, "here", &at_two);
    EXPECT_STR(heard(two), "here");
    return end();
}

TEST(waiter_is_told, "#100: a receive that waits is told, and the next one receives")
{
    EXPECT_INT(play(waiter_is_told), 0);
    EXPECT_TRACE("[0.000] receiver: -ECONNREFUSED\n");
}

static int too_long(void *arg)
{
    static char much[70000];
    struct asyncio_address at_one;

    (void)arg;
    one = open_free("127.0.0.1");
    two = open_free("127.0.0.1");
    at_one = local_of(one);
    EXPECT_INT(asyncio_datagram_send(two, much, sizeof much, &at_one), -EMSGSIZE);
    say(two, "short", &at_one);
    EXPECT_STR(heard(one), "short");
    return end();
}

TEST(too_long, "what fits no packet is an error of that datagram alone")
{
    EXPECT_INT(play(too_long), 0);
}

static int broadcast(void *arg)
{
    struct asyncio_address to = {0};
    int port;

    (void)arg;
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&one, .local_host = "0.0.0.0")), 0);
    port = port_of(one);
    EXPECT_INT(asyncio_address_parse(&to, "127.255.255.255", port), 0);
    two = open_free("127.0.0.1");
    EXPECT_INT(asyncio_datagram_send(two, "x", 1, &to), -EACCES);
    two = asyncio_datagram_unref(two);
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&two, .remote_host = "127.255.255.255", .remote_port = port,
                                                    .allow_broadcast = true)),
               0);
    say(two, "all of you", NULL);
    EXPECT_STR(heard(one), "all of you");
    /* It is not connected, so that it hears the answers. */
    EXPECT_INT(asyncio_socket_getpeername(asyncio_datagram_socket(two), &to), -ENOTCONN);
    EXPECT_INT(asyncio_address_parse(&to, "127.0.0.1", port_of(two)), 0);
    say(one, "answer", &to);
    EXPECT_STR(heard(two), "answer");
    EXPECT_INT(asyncio_datagram_send(two, "x", 1, &to), -EINVAL);
    return end();
}

TEST(broadcast, "N-10: broadcasts are sent by who may, and who may is not connected to where they go")
{
    EXPECT_INT(play(broadcast), 0);
}

/* -------------------------------------------------------------------------------------------------------- Keywords */

static int keywords(void *arg)
{
    struct asyncio_socket *socket = NULL;

    (void)arg;
    EXPECT_INT(asyncio_open_datagram_endpoint(&one), -EINVAL);
    EXPECT_INT(asyncio_open_datagram_endpoint(&one, .family = 77), -EAFNOSUPPORT);
    EXPECT_INT(asyncio_open_datagram_endpoint(&one, .local_path = "@x", .local_port = 1), -EINVAL);
    EXPECT_INT(asyncio_open_datagram_endpoint(&one, .local_path = "@x", .family = AF_INET), -EINVAL);
    EXPECT_INT(asyncio_open_datagram_endpoint(&one, .remote_path = "@x", .reuse_port = true), -EINVAL);
    EXPECT_INT(asyncio_open_datagram_endpoint(&one, .family = AF_UNIX, .remote_port = 1), -EINVAL);
    EXPECT_INT(asyncio_open_datagram_endpoint(&one, .local_host = "127.0.0.1", .local_port = 65536), -EINVAL);
    EXPECT_INT(asyncio_open_datagram_endpoint(&one, .local_host = "127.0.0.1", .family = AF_INET6), -EAFNOSUPPORT);
    EXPECT_INT(asyncio_open_datagram_endpoint(&one, .local_host = "127.0.0.1", .remote_host = "::1", .remote_port = 9),
               -EAFNOSUPPORT);
    EXPECT_INT(asyncio_open_datagram_endpoint_kw(NULL, NULL), -EINVAL);
    EXPECT_INT(asyncio_open_datagram_endpoint_kw(&one, NULL), -EINVAL);
    EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, &socket), 0);
    EXPECT_INT(asyncio_open_datagram_endpoint(&one, .sock = socket), -EINVAL);
    socket = NULL;
    EXPECT_INT(asyncio_socket(AF_INET, SOCK_DGRAM, 0, &socket), 0);
    EXPECT_INT(asyncio_open_datagram_endpoint(&one, .sock = socket, .local_port = 5), -EINVAL);
    socket = NULL;
    EXPECT_INT(asyncio_socket(AF_INET, SOCK_DGRAM, 0, &socket), 0);
    asyncio_socket_close(socket);
    EXPECT_INT(asyncio_open_datagram_endpoint(&one, .sock = socket), -EBADF);
    EXPECT_PTR(one, NULL);
    return end();
}

TEST(keywords, "N-10: what does not go together is refused; a socket that was handed over is given back all the same")
{
    EXPECT_INT(play(keywords), 0);
}

static int pairs(void *arg)
{
    struct asyncio_address local, remote = {0};

    (void)arg;
    one = open_free("127.0.0.1");
    /* ::1 is the first address of localhost, but there the two have no family in common. */
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&two, .local_host = "127.0.0.1", .remote_host = "localhost",
                                                    .remote_port = port_of(one))),
               0);
    local = local_of(two);
    EXPECT_INT(asyncio_address_family(&local), broken ? -EINVAL : AF_INET);
    EXPECT_INT(noted(asyncio_socket_getpeername(asyncio_datagram_socket(two), &remote)), 0);
    EXPECT_INT(asyncio_address_port(&remote), broken ? -EINVAL : port_of(one));
    say(two, "found", NULL);
    EXPECT_STR(heard(one), "found");
    return end();
}

TEST(pairs, "N-10: local and remote addresses are joined by family")
{
    EXPECT_INT(play(pairs), 0);
}

static int sharing(void *arg)
{
    int port;

    (void)arg;
    one = open_free("127.0.0.1");
    port = port_of(one);
    EXPECT_INT(asyncio_open_datagram_endpoint(&two, .local_host = "127.0.0.1", .local_port = port), -EADDRINUSE);
    if (!broken && strstr(asyncio_error_detail(), "bind 127.0.0.1:") == NULL)
        FAIL("detail: %s", asyncio_error_detail());
    /* Nobody gets a part of what is another's, who has not agreed to that. */
    EXPECT_INT(asyncio_open_datagram_endpoint(&two, .local_host = "127.0.0.1", .local_port = port, .reuse_port = true),
               -EADDRINUSE);
    one = asyncio_datagram_unref(one);
    EXPECT_INT(asyncio_open_datagram_endpoint(&one, .local_host = "127.0.0.1", .reuse_port = true), 0);
    port = port_of(one);
    EXPECT_INT(asyncio_open_datagram_endpoint(&two, .local_host = "127.0.0.1", .local_port = port, .reuse_port = true),
               0);
    return end();
}

TEST(sharing, "#98: a port is shared only by those who all said so")
{
    EXPECT_INT(play(sharing), 0);
}

static int handed_over(void *arg)
{
    (void)arg;
    open_pair();
    say(one, "hello", NULL);
    EXPECT_STR(heard(two), "hello");
    say(two, "yes", NULL);
    EXPECT_STR(heard(one), "yes");
    return end();
}

TEST(handed_over, "N-10: a socket that is connected already talks to its peer")
{
    EXPECT_INT(play(handed_over), 0);
}

static int handed_over_udp(void *arg)
{
    struct asyncio_datagram_info info = {.interface = 0};
    struct asyncio_socket *socket = NULL;
    struct asyncio_address local = {0};

    (void)arg;
    EXPECT_INT(asyncio_address_parse(&local, "127.0.0.1", 0), 0);
    EXPECT_INT(noted(asyncio_socket(AF_INET, SOCK_DGRAM, 0, &socket)), 0);
    EXPECT_INT(noted(asyncio_socket_bind(socket, &local)), 0);
    if (broken) {
        asyncio_socket_unref(socket);
        return 0;
    }
    EXPECT_INT(noted(asyncio_open_datagram_endpoint(&one, .sock = socket)), 0);
    two = open_free("127.0.0.1");
    local = local_of(one);
    say(two, "hello", &local);
    EXPECT_STR(heard_with(one, 63, &info), "hello");
    EXPECT(same(&info.destination, &local));
    say(one, "yes", &info.address);
    EXPECT_STR(heard(two), "yes");
    return end();
}

TEST(handed_over_udp, "N-10: a socket that is bound already talks to anybody, and says where datagrams were sent to")
{
    EXPECT_INT(play(handed_over_udp), 0);
}

/* --------------------------------------------------------------------------------------------- Cancelled and closed */

static int cancelled(void *arg)
{
    struct asyncio_future *task;
    struct asyncio_address to;

    (void)arg;
    one = open_free("127.0.0.1");
    two = open_free("127.0.0.1");
    to = local_of(one);
    task = spawn(receiver, one, "cancelled");
    turns(2);
    cancel(task);
    all_done();
    say(two, "not lost", &to);
    EXPECT_STR(heard(one), "not lost");
    return end();
}

TEST(cancelled_receive, "a receive that is cancelled has taken nothing")
{
    test_spare(ASYNCIO__LATE_CANCELS, "it is about a cancel that comes in time");
    EXPECT_INT(play(cancelled), 0);
    EXPECT_TRACE("[0.000] cancelled: -ECANCELED\n");
}

/* Receives until the last has come, however often it is cancelled, and counts. */
static int stubborn(void *arg)
{
    char text[8];
    int next = 0;

    while (next < 200) {
        ssize_t r = asyncio_datagram_recv(arg, text, sizeof text - 1, NULL);

        if (r == -ECANCELED)
            continue;
        if (r < 0)
            return (int)r;
        text[r] = 0;
        EXPECT_INT(atoi(text), next);
        next++;
    }
    trace("all %d", next);
    return 0;
}

static int talker(void *arg)
{
    char text[8];

    for (int i = 0; i < 200; i++) {
        int r;

        snprintf(text, sizeof text, "%d", i);
        do
            r = asyncio_datagram_send(arg, text, strlen(text), NULL);
        while (r == -ECANCELED);
        if (r < 0)
            return r;
        if (chance(4) == 0)
            turns(1);
    }
    return 0;
}

static int tormented(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    seed_chance(test_seed());
    open_pair();
    task = spawn(stubborn, two, "receiver");
    spawn(talker, one, "talker");
    /* Who is cancelled before it begins never does. */
    turns(2);
    while (!broken && !asyncio_future_done(task)) {
        torment(20);
        broken |= asyncio_sleep(0.001) < 0;
    }
    asyncio_datagram_close(one);
    asyncio_datagram_close(two);
    all_done();
    return end();
}

TEST_NO_SWEEP(tormented, "IO-06: cancels at any moment neither lose a datagram nor double one",
              "a lost send leaves the other side without an end")
{
    EXPECT_INT(play(tormented), 0);
    EXPECT(strstr(transcript(), "all 200"));
    trace_clear();
}

static int closed(void *arg)
{
    struct asyncio_datagram_endpoint *kept;

    (void)arg;
    one = open_free("127.0.0.1");
    two = open_free("127.0.0.1");
    spawn(receiver, one, "closed");
    turns(2);
    EXPECT_INT(asyncio_datagram_close(one), 0);
    EXPECT_INT(asyncio_datagram_close(one), 0);
    all_done();
    EXPECT_INT(asyncio_datagram_recv(one, NULL, 0, NULL), -EBADF);
    EXPECT_INT(asyncio_datagram_send(one, NULL, 0, NULL), -EBADF);
    kept = asyncio_datagram_ref(two);
    spawn(receiver, two, "dropped");
    turns(2);
    asyncio_datagram_unref(kept);
    two = asyncio_datagram_unref(two);
    all_done();
    return end();
}

TEST(closed, "who waits on an endpoint that is closed, or dropped, is told")
{
    EXPECT_INT(play(closed), 0);
    EXPECT_TRACE("[0.000] closed: -ASYNCIO_ECLOSED\n[0.000] dropped: -ASYNCIO_ECLOSED\n");
}

static int two_receivers(void *arg)
{
    struct asyncio_address to;

    (void)arg;
    one = open_free("127.0.0.1");
    to = local_of(one);
    spawn(receiver, one, "first");
    turns(2);
    spawn(receiver, one, "second");
    turns(2);
    if (say(one, "to oneself", &to) < 0)
        asyncio_datagram_close(one);
    all_done();
    return end();
}

TEST(two_receivers, "one task at a time may wait in each direction")
{
    EXPECT_INT(play(two_receivers), 0);
    EXPECT_TRACE("[0.000] second: -EBUSY\n[0.000] first: 10, to oneself\n");
}

static int entry(void *arg)
{
    char data[8];

    (void)arg;
    one = open_free("127.0.0.1");
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_open_datagram_endpoint(&two, .family = AF_INET), -ECANCELED);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_datagram_recv(one, data, sizeof data, NULL), -ECANCELED);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_datagram_send_many(one, NULL, 0), -ECANCELED);
    EXPECT_INT(asyncio_datagram_recv(one, NULL, 1, NULL), -EINVAL);
    EXPECT_INT(asyncio_datagram_send(one, NULL, 1, NULL), -EINVAL);
    EXPECT_INT(asyncio_datagram_recv_many(one, NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_datagram_send_many(one, NULL, 1), -EINVAL);
    return end();
}

TEST(entry, "a cancel is met on entry, before any effect; arguments are looked at")
{
    EXPECT_INT(play(entry), 0);
    EXPECT_INT(asyncio_datagram_recv(NULL, NULL, 0, NULL), -EINVAL);
    EXPECT_INT(asyncio_datagram_send(NULL, NULL, 0, NULL), -EINVAL);
    EXPECT_INT(asyncio_datagram_close(NULL), -EINVAL);
    EXPECT_PTR(asyncio_datagram_socket(NULL), NULL);
    EXPECT_PTR(asyncio_datagram_ref(NULL), NULL);
    EXPECT_PTR(asyncio_datagram_unref(NULL), NULL);
    EXPECT_INT(asyncio_open_datagram_endpoint(&one, .family = AF_INET), -ASYNCIO_ENOTASK);
}
