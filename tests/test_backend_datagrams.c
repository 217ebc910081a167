/* What every back end promises of datagrams. The simulated machine follows Linux in them, so that these tests run on
 * both; what it may do to datagrams on the way is in test_sim_faults.c. */
#include "net_rig.h"

#include <stdlib.h>

static char bytes[70000];

static struct asyncio_op send_to(int fd, struct asyncio_address *to, size_t size)
{
    return (struct asyncio_op){.opcode = ASYNCIO_OP_SENDTO, .fd = fd, .datagram = {bytes, size, to, 0}};
}

static int64_t send_now(int fd, struct asyncio_address *to, size_t size)
{
    return finish_now(send_to(fd, to, size));
}

static int64_t recv_from(int fd, struct asyncio_address *from, size_t size, int flags)
{
    return finish_now(
        (struct asyncio_op){.opcode = ASYNCIO_OP_RECVFROM, .fd = fd, .datagram = {bytes, size, from, flags}});
}

static int64_t recv_any(int fd)
{
    return recv_from(fd, NULL, sizeof bytes, 0);
}

/* A socket at a host's free port, and its address. */
static int open_free(const char *host, struct asyncio_address *ret_address)
{
    struct asyncio_address address = at(host, 0);
    int fd = open_at(&address, SOCK_DGRAM);

    *ret_address = local_of(fd);
    return fd;
}

/* -------------------------------------------------------------------------------------------------------- Internet */

TEST_NO_SWEEP(boundaries, "each send is a datagram of its own; what a receive has no room for is lost", RIG)
{
    struct asyncio_address to, from;
    struct asyncio_bytes pieces[] = {{"abc", 3}, {NULL, 0}, {"defg", 4}};
    int one, two;

    open_rig(test_backend());
    one = open_free("127.0.0.1", &to);
    two = make_typed(AF_INET, SOCK_DGRAM);
    EXPECT_INT(recv_any(one), -EAGAIN);
    for (size_t size = 5; size >= 3; size--)
        EXPECT_INT(send_now(two, &to, size), size);
    EXPECT_INT(send_now(two, &to, 0), 0);
    EXPECT_INT(recv_from(one, &from, sizeof bytes, MSG_PEEK), 5);
    EXPECT_INT(recv_from(one, &from, 2, MSG_PEEK | MSG_TRUNC), 5);
    EXPECT_INT(recv_from(one, &from, 2, 0), 2);
    EXPECT_STR(host_of(&from), "127.0.0.1");
    EXPECT_INT(port_of(&from), port_at(two));
    EXPECT_INT(recv_from(one, &from, 2, MSG_TRUNC), 4);
    EXPECT_INT(recv_any(one), 3);
    EXPECT_INT(recv_from(one, &from, sizeof bytes, 0), 0);
    EXPECT_INT(port_of(&from), port_at(two));
    EXPECT_INT(recv_any(one), -EAGAIN);
    /* Answers find their way. */
    EXPECT_INT(send_now(one, &from, 9), 9);
    EXPECT_INT(recv_from(two, &from, 0, 0), 0);
    EXPECT_INT(recv_any(two), -EAGAIN);
    EXPECT(same_address(from, to));
    EXPECT_INT(connect_at(two, &to), 0);
    EXPECT_INT(call((struct asyncio_op){.opcode = ASYNCIO_OP_SENDV, .fd = two, .vector = {pieces, 3, 0}}), 7);
    memset(bytes, 0, 8);
    EXPECT_INT(recv_any(one), 7);
    EXPECT_STR(bytes, "abcdefg");
    close_fd(one);
    close_fd(two);
    close_rig();
}

TEST_NO_SWEEP(largest_datagram, "the largest datagram is what fits a packet; above it is -EMSGSIZE", RIG)
{
    static const struct {
        const char *host;
        size_t most;
    } cases[] = {{"127.0.0.1", 65507}, {"::1", 65527}};

    open_rig(test_backend());
    for (size_t i = 0; i < 2; i++) {
        struct asyncio_address to;
        int one = open_free(cases[i].host, &to), two = make_typed(domain_of(&to), SOCK_DGRAM);

        EXPECT_INT(send_now(two, &to, cases[i].most + 1), -EMSGSIZE);
        EXPECT_INT(send_now(two, &to, cases[i].most), cases[i].most);
        EXPECT_INT(recv_any(one), cases[i].most);
        EXPECT_INT(recv_any(one), -EAGAIN);
        close_fd(one);
        close_fd(two);
    }
    close_rig();
}

TEST_NO_SWEEP(nobody_there, "a connected socket is told once that nobody is there, by whatever it does next", RIG)
{
    struct asyncio_address to, from;
    struct probe waiting = {0};
    int one, two;

    open_rig(test_backend());
    one = open_free("127.0.0.1", &to);
    close_fd(one);
    two = make_typed(AF_INET, SOCK_DGRAM);
    EXPECT_INT(send_now(two, &to, 3), 3);
    EXPECT_INT(send_now(two, &to, 3), 3);
    EXPECT_INT(recv_any(two), -EAGAIN);
    EXPECT_INT(connect_at(two, &to), 0);
    EXPECT_INT(send_now(two, NULL, 3), 3);
    EXPECT_INT(send_now(two, NULL, 3), -ECONNREFUSED);
    EXPECT_INT(send_now(two, NULL, 3), 3);
    EXPECT_INT(recv_any(two), -ECONNREFUSED);
    EXPECT_INT(recv_any(two), -EAGAIN);
    EXPECT_INT(send_now(two, NULL, 3), 3);
    look_often();
    EXPECT_INT(get_option(two, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
    EXPECT_INT(recv_any(two), -EAGAIN);
    EXPECT(!start_recv(&waiting, "waiting", two));
    EXPECT_INT(send_now(two, NULL, 3), 3);
    wait_for(&waiting, 1);
    EXPECT_TRACE("waiting: -ECONNREFUSED\n");
    /* Somebody opens there, and all is well. */
    one = open_at(&to, SOCK_DGRAM);
    EXPECT_INT(send_now(two, NULL, 4), 4);
    EXPECT_INT(recv_from(one, &from, sizeof bytes, 0), 4);
    close_fd(one);
    close_fd(two);
    close_rig();
}

TEST_NO_SWEEP(connected, "who is connected hears its peer only; another peer or none can be chosen at any time", RIG)
{
    struct asyncio_address first, second, own;
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    int one, two, three, all;

    open_rig(test_backend());
    one = open_free("127.0.0.1", &first);
    two = open_free("127.0.0.1", &second);
    three = open_free("127.0.0.1", &own);
    EXPECT_INT(send_now(three, NULL, 1), -EDESTADDRREQ);
    EXPECT_INT(connect_at(three, &first), 0);
    EXPECT(same_address(peer_of(three), first));
    EXPECT(same_address(local_of(three), own));
    EXPECT_INT(send_now(two, &own, 2), 2);
    EXPECT_INT(send_now(one, &own, 1), 1);
    EXPECT_INT(recv_any(three), 1);
    EXPECT_INT(recv_any(three), -EAGAIN);
    /* It may still send to others. */
    EXPECT_INT(send_now(three, &second, 5), 5);
    EXPECT_INT(recv_any(two), 5);
    EXPECT_INT(connect_at(three, &second), 0);
    EXPECT_INT(send_now(two, &own, 2), 2);
    EXPECT_INT(recv_any(three), 2);
    EXPECT_INT(finish((struct asyncio_op){.opcode = ASYNCIO_OP_CONNECT, .fd = three, .address = {&none, sizeof none}}),
               0);
    EXPECT_INT(send_now(three, NULL, 1), -EDESTADDRREQ);
    EXPECT_INT(call((struct asyncio_op){.opcode = ASYNCIO_OP_PEERNAME, .fd = three, .name.address = &own}), -ENOTCONN);
    close_fd(three);
    /* At one port, the one that is connected gets what comes from its peer, the other one the rest. */
    all = make_typed(AF_INET, SOCK_DGRAM);
    three = make_typed(AF_INET, SOCK_DGRAM);
    set_option(all, SOL_SOCKET, SO_REUSEADDR, 1);
    set_option(three, SOL_SOCKET, SO_REUSEADDR, 1);
    own = at("127.0.0.1", 0);
    EXPECT_INT(bind_at(three, &own), 0);
    own = local_of(three);
    EXPECT_INT(bind_at(all, &own), 0);
    EXPECT_INT(connect_at(three, &first), 0);
    EXPECT_INT(send_now(one, &own, 1), 1);
    EXPECT_INT(send_now(two, &own, 2), 2);
    EXPECT_INT(recv_any(three), 1);
    EXPECT_INT(recv_any(three), -EAGAIN);
    EXPECT_INT(recv_any(all), 2);
    close_fd(all);
    close_fd(one);
    close_fd(two);
    close_fd(three);
    close_rig();
}

TEST_NO_SWEEP(names_of_datagrams, "who sends is bound to a free port first; a wildcard sends from where it is heard",
              RIG)
{
    struct asyncio_address to, from, wild;
    int one, two, port;

    open_rig(test_backend());
    one = open_free("0.0.0.0", &wild);
    two = make_typed(AF_INET, SOCK_DGRAM);
    to = at("127.0.0.1", port_of(&wild));
    EXPECT_INT(port_at(two), 0);
    EXPECT_INT(send_now(two, &to, 1), 1);
    from = local_of(two);
    port = port_of(&from);
    EXPECT_STR(host_of(&from), "0.0.0.0");
    EXPECT(port > 1023);
    EXPECT_INT(recv_from(one, &from, 9, 0), 1);
    EXPECT_STR(host_of(&from), "127.0.0.1");
    EXPECT_INT(port_of(&from), port);
    EXPECT_INT(bind_at(two, &wild), -EINVAL);
    EXPECT_INT(connect_at(two, &to), 0);
    from = local_of(two);
    EXPECT_STR(host_of(&from), "127.0.0.1");
    EXPECT_INT(port_of(&from), port);
    close_fd(one);
    close_fd(two);
    /* Over both families. */
    one = open_free("::", &wild);
    two = make_typed(AF_INET, SOCK_DGRAM);
    to = at("127.0.0.1", port_of(&wild));
    EXPECT_INT(send_now(two, &to, 1), 1);
    EXPECT_INT(recv_from(one, &from, 9, 0), 1);
    EXPECT_STR(host_of(&from), "::ffff:127.0.0.1");
    EXPECT_INT(send_now(one, &from, 2), 2);
    EXPECT_INT(recv_from(two, &from, 9, 0), 2);
    EXPECT(same_address(from, to));
    close_fd(one);
    close_fd(two);
    close_rig();
}

TEST_NO_SWEEP(datagrams_misused, "calls that make no sense for datagrams", RIG)
{
    struct asyncio_address to = at("127.0.0.1", 0), six = at("::1", 9), stub = {.size = 1};
    int one, fds[2];

    open_rig(test_backend());
    one = make_typed(AF_INET, SOCK_DGRAM);
    EXPECT_INT(listen_on(one, 1), -EOPNOTSUPP);
    EXPECT_INT(finish_now((struct asyncio_op){.opcode = ASYNCIO_OP_ACCEPT, .fd = one}), -EOPNOTSUPP);
    EXPECT_INT(send_now(one, &to, 1), -EINVAL);
    EXPECT_INT(send_now(one, &stub, 1), -EINVAL);
    EXPECT_INT(send_now(one, &six, 1), -EAFNOSUPPORT);
    EXPECT_INT(shut(one, SHUT_WR), -ENOTCONN);
    to = at("127.0.0.1", 9);
    EXPECT_INT(connect_at(one, &to), 0);
    EXPECT_INT(shut(one, SHUT_WR), 0);
    EXPECT_INT(send_now(one, NULL, 1), -EPIPE);
    close_fd(one);
    /* On a stream, addresses are nothing to speak of. */
    make_pair(fds);
    EXPECT_INT(send_now(fds[0], NULL, 4), 4);
    EXPECT_INT(recv_from(fds[1], &six, 9, 0), 4);
    EXPECT_INT(six.size, 0);
    to = at_path("@nobody");
    EXPECT_INT(send_now(fds[0], &to, 4), -EISCONN);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(shared_datagram_port, "of those who share a port a sender always reaches the same one", RIG)
{
    struct asyncio_address to = at("127.0.0.1", 0);
    int sharing[3], reached[3] = {0}, senders = 0;

    open_rig(test_backend());
    for (int i = 0; i < 3; i++) {
        sharing[i] = make_typed(AF_INET, SOCK_DGRAM);
        set_option(sharing[i], SOL_SOCKET, SO_REUSEPORT, 1);
        EXPECT_INT(bind_at(sharing[i], &to), 0);
        to = local_of(sharing[0]);
    }
    for (; senders < 30; senders++) {
        int sender = make_typed(AF_INET, SOCK_DGRAM), who = -1;

        for (int round = 0; round < 3; round++) {
            EXPECT_INT(send_now(sender, &to, 1), 1);
            for (int i = 0; i < 3; i++) {
                if (recv_any(sharing[i]) != 1)
                    continue;
                EXPECT(who < 0 || who == i);
                who = i;
            }
        }
        EXPECT(who >= 0);
        reached[who]++;
        close_fd(sender);
    }
    EXPECT_INT(reached[0] + reached[1] + reached[2], senders);
    EXPECT(reached[0] < senders && reached[1] < senders && reached[2] < senders);
    for (int i = 0; i < 3; i++)
        close_fd(sharing[i]);
    close_rig();
}

/* ------------------------------------------------------------------------------------------------------------ Unix */

static void make_datagram_pair(int fds[2])
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SOCKETPAIR, .make = {AF_UNIX, SOCK_DGRAM, 0, {-1, -1}}};

    EXPECT(ops->submit(backend, &op));
    EXPECT_INT(op.result, 0);
    fds[0] = op.make.fds[0];
    fds[1] = op.make.fds[1];
}

TEST_NO_SWEEP(unix_pair, "a pair carries datagrams; a sender waits for room, and is told when the other end has gone",
              RIG)
{
    struct probe sender = {0}, reader = {0};
    int fds[2], fit = 0;
    int64_t last;

    open_rig(test_backend());
    make_datagram_pair(fds);
    EXPECT_INT(send_now(fds[0], NULL, 5), 5);
    EXPECT_INT(send_now(fds[0], NULL, 0), 0);
    EXPECT_INT(recv_any(fds[1]), 5);
    EXPECT_INT(recv_any(fds[1]), 0);
    EXPECT_INT(send_now(fds[0], NULL, sizeof bytes), sizeof bytes);
    EXPECT_INT(recv_any(fds[1]), sizeof bytes);
    EXPECT_INT(set_option(fds[0], SOL_SOCKET, SO_SNDBUF, 8000), 0);
    EXPECT_INT(send_now(fds[0], NULL, 16000), -EMSGSIZE);
    while (send_now(fds[0], NULL, 1) == 1)
        fit++;
    EXPECT(fit >= 5);
    EXPECT(!start(&sender, "sender", send_to(fds[0], NULL, 2)));
    look_often();
    EXPECT_TRACE("");
    while (!sender.ended)
        EXPECT_INT(recv_any(fds[1]), 1);
    EXPECT_TRACE("sender: 2\n");
    while ((last = recv_any(fds[1])) == 1)
        ;
    EXPECT_INT(last, 2);
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    close_fd(fds[1]);
    look_often();
    EXPECT_TRACE("");
    EXPECT(ops->cancel(backend, &reader.op));
    EXPECT_INT(send_now(fds[0], NULL, 1), -ECONNREFUSED);
    EXPECT_INT(send_now(fds[0], NULL, 1), -ENOTCONN);
    close_fd(fds[0]);
    close_rig();
}

TEST_NO_SWEEP(unix_names, "a named socket is reached by its name, and answers to those who have one", RIG)
{
    struct asyncio_address server, client, from = {.size = 99}, nobody;
    char names[3][64];
    int one, two, three, stream;

    for (int i = 0; i < 3; i++)
        snprintf(names[i], sizeof names[i], "@asyncio-test-datagrams-%d-%ld", i, (long)getpid());
    server = at_path(names[0]);
    client = at_path(names[1]);
    nobody = at_path(names[2]);
    open_rig(test_backend());
    one = open_at(&server, SOCK_DGRAM);
    two = make_typed(AF_UNIX, SOCK_DGRAM);
    EXPECT_INT(send_now(two, NULL, 3), -ENOTCONN);
    EXPECT_INT(send_now(two, &nobody, 3), -ECONNREFUSED);
    EXPECT_INT(send_now(two, &server, 3), 3);
    EXPECT_INT(recv_from(one, &from, 9, 0), 3);
    EXPECT_INT(from.size, 0);
    EXPECT_INT(bind_at(two, &client), 0);
    EXPECT_INT(send_now(two, &server, 4), 4);
    EXPECT_INT(recv_from(one, &from, 9, 0), 4);
    EXPECT(same_address(from, client));
    EXPECT_INT(send_now(one, &from, 5), 5);
    EXPECT_INT(recv_from(two, &from, 9, 0), 5);
    EXPECT(same_address(from, server));
    /* Connected, it hears no others. */
    EXPECT_INT(connect_at(one, &client), 0);
    EXPECT(same_address(peer_of(one), client));
    three = make_typed(AF_UNIX, SOCK_DGRAM);
    EXPECT_INT(send_now(three, &server, 1), -EPERM);
    EXPECT_INT(connect_at(three, &server), -EPERM);
    EXPECT_INT(connect_at(two, &server), 0);
    EXPECT_INT(send_now(two, NULL, 6), 6);
    EXPECT_INT(recv_any(one), 6);
    close_fd(two);
    EXPECT_INT(send_now(one, NULL, 6), -ECONNREFUSED);
    close_fd(one);
    close_fd(three);
    stream = open_at(&nobody, SOCK_STREAM);
    three = make_typed(AF_UNIX, SOCK_DGRAM);
    EXPECT_INT(send_now(three, &nobody, 1), -ECONNREFUSED);
    close_fd(three);
    close_fd(stream);
    close_rig();
}

TEST_NO_SWEEP(unix_queue_full, "a full queue is -ENOBUFS for who is not connected to it, and room for who is", RIG)
{
    struct asyncio_address server;
    struct probe poll = {0}, sender = {0};
    char name[64];
    int one, two, three, fit = 0;
    int64_t result;

    snprintf(name, sizeof name, "@asyncio-test-full-%ld", (long)getpid());
    server = at_path(name);
    open_rig(test_backend());
    one = open_at(&server, SOCK_DGRAM);
    two = make_typed(AF_UNIX, SOCK_DGRAM);
    three = make_typed(AF_UNIX, SOCK_DGRAM);
    EXPECT_INT(connect_at(three, &server), 0);
    while ((result = send_now(two, &server, 1)) == 1)
        fit++;
    EXPECT(fit >= 5);
    EXPECT_INT(result, -ENOBUFS);
    EXPECT_INT(send_now(three, NULL, 1), -EAGAIN);
    EXPECT(!start_poll(&poll, "room", three, ASYNCIO_WRITABLE, 0));
    look_often();
    EXPECT_TRACE("");
    while (recv_any(one) == 1)
        ;
    wait_for(&poll, 1);
    EXPECT_TRACE("room: 4\n");
    while (send_now(three, NULL, 1) == 1)
        ;
    EXPECT(!start(&sender, "sender", send_to(three, NULL, 1)));
    look_often();
    EXPECT_TRACE("");
    close_fd(one);
    wait_for(&sender, 1);
    EXPECT_TRACE("sender: -ECONNREFUSED\n");
    close_fd(two);
    close_fd(three);
    close_rig();
}
