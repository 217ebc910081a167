/* What every back end promises of the options of sockets, and of the reset that SO_LINGER makes of a close. The
 * simulated machine has the common options and follows Linux in them, so that these tests run on both. */
#include "net_rig.h"

#include <netinet/tcp.h>

static int64_t set_linger(int fd, int on, int seconds)
{
    struct linger linger = {on, seconds};

    return call((struct asyncio_op){
        .opcode = ASYNCIO_OP_SETSOCKOPT, .fd = fd, .option = {SOL_SOCKET, SO_LINGER, &linger, sizeof linger}});
}

static struct linger get_linger(int fd)
{
    struct linger linger = {-1, -1};

    EXPECT_INT(call((struct asyncio_op){.opcode = ASYNCIO_OP_GETSOCKOPT,
                                        .fd = fd,
                                        .option = {SOL_SOCKET, SO_LINGER, &linger, sizeof linger}}),
               sizeof linger);
    return linger;
}

/* A connection over loopback, with both its ends; with a path over a Unix socket. */
static void connect_pair(bool internet, int ends[2])
{
    struct asyncio_address address = at("127.0.0.1", 0);
    int listener;

    if (!internet) {
        make_pair(ends);
        return;
    }
    listener = open_at(&address, SOCK_STREAM);
    address = local_of(listener);
    EXPECT_INT(connect_new(&address, &ends[0]), 0);
    ends[1] = accept_one(listener);
    close_fd(listener);
}

/* --------------------------------------------------------------------------------------------------------- Options */

TEST_NO_SWEEP(switches, "what can be on or off is off at first, stays as it is set, and reads as 0 or 1", RIG)
{
    static const struct {
        int domain, type, level, name;
    } switches[] = {
        {AF_INET, SOCK_STREAM, SOL_SOCKET, SO_REUSEADDR},   {AF_INET6, SOCK_STREAM, SOL_SOCKET, SO_REUSEPORT},
        {AF_INET, SOCK_STREAM, SOL_SOCKET, SO_KEEPALIVE},   {AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_BROADCAST},
        {AF_UNIX, SOCK_STREAM, SOL_SOCKET, SO_REUSEADDR},   {AF_UNIX, SOCK_DGRAM, SOL_SOCKET, SO_BROADCAST},
        {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_NODELAY},   {AF_INET6, SOCK_STREAM, IPPROTO_TCP, TCP_NODELAY},
        {AF_INET6, SOCK_STREAM, IPPROTO_IPV6, IPV6_V6ONLY}, {AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_V6ONLY},
    };

    open_rig(test_backend());
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        int fd = make_typed(switches[i].domain, switches[i].type), level = switches[i].level, name = switches[i].name;

        EXPECT_INT(get_option(fd, level, name), 0);
        EXPECT_INT(set_option(fd, level, name, 7), 0);
        EXPECT_INT(get_option(fd, level, name), 1);
        EXPECT_INT(set_option(fd, level, name, 0), 0);
        EXPECT_INT(get_option(fd, level, name), 0);
        close_fd(fd);
    }
    close_rig();
}

TEST_NO_SWEEP(sizes_of_buffers, "a buffer's size reads as twice what was asked for, and is never nothing", RIG)
{
    static const int names[] = {SO_SNDBUF, SO_RCVBUF};

    open_rig(test_backend());
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int fd = make_typed(AF_UNIX, SOCK_STREAM);

        EXPECT(get_option(fd, SOL_SOCKET, names[i]) > 4096);
        EXPECT_INT(set_option(fd, SOL_SOCKET, names[i], 10000), 0);
        EXPECT_INT(get_option(fd, SOL_SOCKET, names[i]), 20000);
        EXPECT_INT(set_option(fd, SOL_SOCKET, names[i], 1), 0);
        EXPECT(get_option(fd, SOL_SOCKET, names[i]) > 2000);
        EXPECT_INT(set_option(fd, SOL_SOCKET, names[i], -1), 0);
        EXPECT(get_option(fd, SOL_SOCKET, names[i]) > 100000);
        close_fd(fd);
    }
    close_rig();
}

TEST_NO_SWEEP(what_a_socket_is, "type, domain and protocol can be asked for, and whether it listens; none can be set",
              RIG)
{
    static const struct {
        int domain, type, protocol;
    } kinds[] = {{AF_INET, SOCK_STREAM, IPPROTO_TCP}, {AF_INET6, SOCK_STREAM, IPPROTO_TCP},
                 {AF_INET, SOCK_DGRAM, IPPROTO_UDP},  {AF_INET6, SOCK_DGRAM, IPPROTO_UDP},
                 {AF_UNIX, SOCK_STREAM, 0},           {AF_UNIX, SOCK_DGRAM, 0}};
    static const int fixed[] = {SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ACCEPTCONN, SO_ERROR};

    open_rig(test_backend());
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        int fd = make_typed(kinds[i].domain, kinds[i].type);

        EXPECT_INT(get_option(fd, SOL_SOCKET, SO_DOMAIN), kinds[i].domain);
        EXPECT_INT(get_option(fd, SOL_SOCKET, SO_TYPE), kinds[i].type);
        EXPECT_INT(get_option(fd, SOL_SOCKET, SO_PROTOCOL), kinds[i].protocol);
        EXPECT_INT(get_option(fd, SOL_SOCKET, SO_ERROR), 0);
        EXPECT_INT(get_option(fd, SOL_SOCKET, SO_ACCEPTCONN), 0);
        for (size_t j = 0; j < sizeof fixed / sizeof fixed[0]; j++)
            EXPECT_INT(set_option(fd, SOL_SOCKET, fixed[j], 1), -ENOPROTOOPT);
        if (kinds[i].type == SOCK_STREAM && kinds[i].domain != AF_UNIX) {
            EXPECT_INT(listen_on(fd, 1), 0);
            EXPECT_INT(get_option(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
        }
        close_fd(fd);
    }
    close_rig();
}

TEST_NO_SWEEP(options_misused, "options of another protocol, values that are too short, and what is no socket", RIG)
{
    char small[2] = {0};
    struct asyncio_op set = {.opcode = ASYNCIO_OP_SETSOCKOPT, .option = {SOL_SOCKET, SO_KEEPALIVE, small, 2}};
    struct asyncio_op get = {.opcode = ASYNCIO_OP_GETSOCKOPT, .option = {SOL_SOCKET, SO_TYPE, small, 2}};
    int unix_fd, inet, datagram, pipe[2];

    open_rig(test_backend());
    unix_fd = make_socket(AF_UNIX);
    inet = make_socket(AF_INET);
    datagram = make_typed(AF_INET, SOCK_DGRAM);
    make_pipe(pipe);
    EXPECT_INT(set_option(unix_fd, IPPROTO_TCP, TCP_NODELAY, 1), -EOPNOTSUPP);
    EXPECT_INT(get_option(unix_fd, IPPROTO_TCP, TCP_NODELAY), -EOPNOTSUPP);
    EXPECT_INT(set_option(datagram, IPPROTO_TCP, TCP_NODELAY, 1), -ENOPROTOOPT);
    EXPECT_INT(set_option(inet, IPPROTO_IPV6, IPV6_V6ONLY, 1), -ENOPROTOOPT);
    EXPECT_INT(set_option(inet, SOL_SOCKET, 9999, 1), -ENOPROTOOPT);
    EXPECT_INT(get_option(inet, SOL_SOCKET, 9999), -ENOPROTOOPT);
    EXPECT_INT(get_option(inet, IPPROTO_TCP, 9999), -ENOPROTOOPT);
    EXPECT_INT(set_option(pipe[0], SOL_SOCKET, SO_KEEPALIVE, 1), -ENOTSOCK);
    EXPECT_INT(get_option(pipe[0], SOL_SOCKET, SO_TYPE), -ENOTSOCK);
    EXPECT_INT(get_option(999, SOL_SOCKET, SO_TYPE), -EBADF);
    EXPECT_INT(set_option(inet, SOL_SOCKET, SO_LINGER, 1), -EINVAL);
    set.fd = get.fd = inet;
    EXPECT_INT(call(set), -EINVAL);
    EXPECT_INT(call(get), 2);
    close_fd(unix_fd);
    close_fd(inet);
    close_fd(datagram);
    close_fd(pipe[0]);
    close_fd(pipe[1]);
    close_rig();
}

TEST_NO_SWEEP(accepted_inherits, "an accepted connection over TCP has its listener's options, one over AF_UNIX has not",
              RIG)
{
    struct asyncio_address address = at("127.0.0.1", 0), path;
    char text[64];
    int listener, client, accepted;

    snprintf(text, sizeof text, "@asyncio-test-inherits-%ld", (long)getpid());
    path = at_path(text);
    open_rig(test_backend());
    listener = open_at(&address, SOCK_STREAM);
    address = local_of(listener);
    EXPECT_INT(set_option(listener, IPPROTO_TCP, TCP_NODELAY, 1), 0);
    EXPECT_INT(set_option(listener, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
    EXPECT_INT(set_linger(listener, 7, 3), 0);
    EXPECT_INT(connect_new(&address, &client), 0);
    accepted = accept_one(listener);
    EXPECT_INT(get_option(accepted, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_INT(get_option(accepted, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_INT(get_linger(accepted).l_onoff, 1);
    EXPECT_INT(get_linger(accepted).l_linger, 3);
    EXPECT_INT(get_option(client, IPPROTO_TCP, TCP_NODELAY), 0);
    close_fd(accepted);
    close_fd(client);
    close_fd(listener);
    listener = open_at(&path, SOCK_STREAM);
    EXPECT_INT(set_option(listener, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
    EXPECT_INT(connect_new(&path, &client), 0);
    accepted = accept_one(listener);
    EXPECT_INT(get_option(accepted, SOL_SOCKET, SO_KEEPALIVE), 0);
    close_fd(accepted);
    close_fd(client);
    close_fd(listener);
    close_rig();
}

/* ---------------------------------------------------------------------------------------------------------- Resets */

TEST_NO_SWEEP(linger_resets, "a close with SO_LINGER {1, 0} resets a TCP peer: ECONNRESET once, then the end", RIG)
{
    struct asyncio_address address;
    struct asyncio_op peer = {.opcode = ASYNCIO_OP_PEERNAME, .name.address = &address};
    int ends[2];

    open_rig(test_backend());
    connect_pair(true, ends);
    EXPECT_INT(set_linger(ends[0], 1, 0), 0);
    close_fd(ends[0]);
    EXPECT_INT(recv_bytes(ends[1]), -ECONNRESET);
    EXPECT_INT(recv_bytes(ends[1]), 0);
    EXPECT_INT(send_bytes(ends[1], 3), -EPIPE);
    peer.fd = ends[1];
    EXPECT_INT(call(peer), -ENOTCONN);
    EXPECT_INT(shut(ends[1], SHUT_WR), -ENOTCONN);
    close_fd(ends[1]);

    connect_pair(true, ends);
    set_linger(ends[0], 1, 0);
    close_fd(ends[0]);
    EXPECT_INT(send_bytes(ends[1], 3), -ECONNRESET);
    EXPECT_INT(send_bytes(ends[1], 3), -EPIPE);
    EXPECT_INT(recv_bytes(ends[1]), 0);
    close_fd(ends[1]);

    connect_pair(true, ends);
    set_linger(ends[0], 1, 0);
    close_fd(ends[0]);
    EXPECT_INT(get_option(ends[1], SOL_SOCKET, SO_ERROR), ECONNRESET);
    EXPECT_INT(get_option(ends[1], SOL_SOCKET, SO_ERROR), 0);
    EXPECT_INT(recv_bytes(ends[1]), 0);
    close_fd(ends[1]);
    close_rig();
}

TEST_NO_SWEEP(linger_keeps_what_arrived, "what had arrived before the reset can be read, then comes the reset", RIG)
{
    struct probe waiting = {0};
    int ends[2];

    open_rig(test_backend());
    connect_pair(true, ends);
    EXPECT_INT(send_bytes(ends[0], 5), 5);
    look_often();
    set_linger(ends[0], 1, 0);
    close_fd(ends[0]);
    EXPECT_INT(recv_bytes(ends[1]), 5);
    EXPECT_INT(recv_bytes(ends[1]), -ECONNRESET);
    close_fd(ends[1]);

    connect_pair(true, ends);
    EXPECT(!start_recv(&waiting, "waiting", ends[1]));
    set_linger(ends[0], 1, 0);
    close_fd(ends[0]);
    wait_for(&waiting, 1);
    EXPECT_TRACE("waiting: -ECONNRESET\n");
    close_fd(ends[1]);
    close_rig();
}

TEST_NO_SWEEP(linger_without_effect, "no reset with a time to linger, with linger off, on AF_UNIX, or by a shutdown",
              RIG)
{
    int ends[2];

    open_rig(test_backend());
    for (int i = 0; i < 3; i++) {
        connect_pair(i < 2, ends);
        if (i == 0)
            set_linger(ends[0], 1, 10);
        else
            set_linger(ends[0], i == 2, 0);
        close_fd(ends[0]);
        EXPECT_INT(recv_bytes(ends[1]), 0);
        close_fd(ends[1]);
    }
    connect_pair(true, ends);
    set_linger(ends[0], 1, 0);
    EXPECT_INT(shut(ends[0], SHUT_WR), 0);
    EXPECT_INT(recv_bytes(ends[1]), 0);
    EXPECT_INT(send_bytes(ends[1], 4), 4);
    EXPECT_INT(recv_bytes(ends[0]), 4);
    close_fd(ends[0]);
    close_fd(ends[1]);
    close_rig();
}
