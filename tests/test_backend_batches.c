/* test_backend_batches.c -- what every back end promises of batches of datagrams. The simulated machine follows Linux
 * in them, so that these tests run on both. */
#include "net_rig.h"

#include <stdlib.h>

#define MOST 80

static char memory[MOST][16];
static struct asyncio_datagram batch[MOST];

/* Room for n datagrams. */
static struct asyncio_op receive_batch(int fd, size_t n, bool detailed)
{
    for (size_t i = 0; i < n; i++) {
        memset(memory[i], 0, sizeof memory[i]);
        batch[i] = (struct asyncio_datagram){.data = memory[i], .room = sizeof memory[i] - 1, .size = 99};
        batch[i].info.interface = 99;
        batch[i].info.destination.size = 99;
    }
    return (struct asyncio_op){
        .opcode = ASYNCIO_OP_RECVMSGS, .fd = fd, .batch = {.datagrams = batch, .n = n, .detailed = detailed}};
}

static int64_t receive_now(int fd, size_t n, bool detailed)
{
    return finish_now(receive_batch(fd, n, detailed));
}

/* The texts "0", "1" and so on. */
static struct asyncio_op send_batch(int fd, size_t n, const struct asyncio_address *to)
{
    for (size_t i = 0; i < n; i++) {
        snprintf(memory[i], sizeof memory[i], "%zu", i);
        batch[i] = (struct asyncio_datagram){.data = memory[i], .size = strlen(memory[i])};
    }
    return (struct asyncio_op){
        .opcode = ASYNCIO_OP_SENDMSGS, .fd = fd, .batch = {.datagrams = batch, .n = n, .to = to}};
}

static int open_free(const char *host, struct asyncio_address *ret_address)
{
    struct asyncio_address address = at(host, 0);
    int fd = open_at(&address, SOCK_DGRAM);

    *ret_address = local_of(fd);
    return fd;
}

static void expect_texts(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        EXPECT_INT(atoi(memory[i]), i);
        EXPECT_INT(batch[i].size, strlen(memory[i]));
    }
}

TEST_NO_SWEEP(many_at_once, "a batch takes what is there, in order, with each sender, and says how many", RIG)
{
    struct asyncio_address to, from;
    int one, two;

    open_rig(test_backend());
    test_spare(ASYNCIO__ONE_AT_A_TIME | ASYNCIO__SHORT_TRANSFERS | ASYNCIO__LATE_CANCELS, RIG);
    one = open_free("127.0.0.1", &to);
    two = open_free("127.0.0.1", &from);
    EXPECT_INT(receive_now(one, 5, false), -EAGAIN);
    EXPECT_INT(finish_now(send_batch(two, 20, &to)), 20);
    EXPECT_INT(receive_now(one, 5, false), 5);
    expect_texts(5);
    for (size_t i = 0; i < 5; i++) {
        EXPECT(same_address(batch[i].info.address, from));
        EXPECT_INT(batch[i].info.destination.size, 0);
        EXPECT_INT(batch[i].info.interface, 0);
        EXPECT(!batch[i].info.truncated);
    }
    EXPECT_INT(receive_now(one, MOST, false), 15);
    EXPECT_STR(memory[14], "19");
    EXPECT_INT(receive_now(one, 1, false), -EAGAIN);
    /* No more than 64. */
    EXPECT_INT(finish_now(send_batch(two, MOST, &to)), 64);
    EXPECT_INT(receive_now(one, MOST, false), 64);
    expect_texts(64);
    close_fd(one);
    close_fd(two);
    close_rig();
}

TEST_NO_SWEEP(each_its_own, "each datagram of a batch has a receiver of its own, or that of them all", RIG)
{
    struct asyncio_address to[3], from;
    struct asyncio_op op;
    int fds[3], sender;

    open_rig(test_backend());
    for (int i = 0; i < 3; i++)
        fds[i] = open_free("127.0.0.1", &to[i]);
    sender = open_free("127.0.0.1", &from);
    for (size_t sent = 0; sent < 3;) {
        op = send_batch(sender, 3, &to[0]);
        batch[1].info.address = to[1];
        batch[2].info.address = to[2];
        op.batch.datagrams += sent;
        op.batch.n -= sent;
        sent += (size_t)finish_now(op);
    }
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(receive_now(fds[i], 2, false), 1);
        EXPECT_INT(atoi(memory[0]), i);
        close_fd(fds[i]);
    }
    EXPECT_INT(connect_at(sender, &to[0]), 0);
    EXPECT_INT(finish_now(send_batch(sender, 1, NULL)), 1);
    close_fd(sender);
    close_rig();
}

TEST_NO_SWEEP(cut_and_empty, "what does not fit is cut and said to be; empty ones count", RIG)
{
    struct asyncio_address to, from;
    struct asyncio_op op;
    int one, two;

    open_rig(test_backend());
    one = open_free("127.0.0.1", &to);
    two = open_free("127.0.0.1", &from);
    op = send_batch(two, 1, &to);
    batch[0].data = (char[]){"much too long for that"};
    batch[0].size = 22;
    EXPECT_INT(finish_now(op), 1);
    batch[0].size = 0;
    EXPECT_INT(finish_now(op), 1);
    EXPECT_INT(receive_now(one, 1, false), 1);
    EXPECT_STR(memory[0], "much too long f");
    EXPECT_INT(batch[0].size, 15);
    EXPECT(batch[0].info.truncated);
    EXPECT_INT(receive_now(one, 1, false), 1);
    EXPECT_INT(batch[0].size, 0);
    EXPECT(!batch[0].info.truncated);
    EXPECT(same_address(batch[0].info.address, from));
    close_fd(one);
    close_fd(two);
    close_rig();
}

TEST_NO_SWEEP(destination, "who asks for it learns where a datagram was sent to, once the socket's option is on", RIG)
{
    static const struct {
        const char *wildcard, *host;
        int level, option;
    } cases[] = {{"0.0.0.0", "127.0.0.2", IPPROTO_IP, IP_PKTINFO}, {"::", "::1", IPPROTO_IPV6, IPV6_RECVPKTINFO}};

    open_rig(test_backend());
    for (size_t i = 0; i < 2; i++) {
        struct asyncio_address any, to;
        int one = open_free(cases[i].wildcard, &any), two = make_typed(domain_of(&any), SOCK_DGRAM);

        to = at(cases[i].host, port_of(&any));
        EXPECT_INT(finish_now(send_batch(two, 1, &to)), 1);
        EXPECT_INT(receive_now(one, 1, true), 1);
        EXPECT_INT(batch[0].info.destination.size, 0);
        EXPECT_INT(set_option(one, cases[i].level, cases[i].option, 1), 0);
        EXPECT_INT(get_option(one, cases[i].level, cases[i].option), 1);
        EXPECT_INT(finish_now(send_batch(two, 1, &to)), 1);
        EXPECT_INT(receive_now(one, 1, true), 1);
        EXPECT_STR(host_of(&batch[0].info.destination), cases[i].host);
        EXPECT_INT(port_of(&batch[0].info.destination), 0);
        EXPECT(batch[0].info.interface > 0);
        close_fd(one);
        close_fd(two);
    }
    close_rig();
}

TEST_NO_SWEEP(errors_in_between, "an error after the first ends a batch, and the next one begins with it", RIG)
{
    static char long_text[70000];
    struct asyncio_address to, from;
    struct asyncio_op op;
    int one, two;

    open_rig(test_backend());
    test_spare(ASYNCIO__ONE_AT_A_TIME | ASYNCIO__SHORT_TRANSFERS | ASYNCIO__LATE_CANCELS, RIG);
    one = open_free("127.0.0.1", &to);
    two = open_free("127.0.0.1", &from);
    op = send_batch(two, 3, &to);
    batch[1].data = long_text;
    batch[1].size = sizeof long_text;
    EXPECT_INT(finish_now(op), 1);
    op.batch.datagrams++;
    op.batch.n--;
    EXPECT_INT(finish_now(op), -EMSGSIZE);
    op.batch.datagrams++;
    op.batch.n--;
    EXPECT_INT(finish_now(op), 1);
    EXPECT_INT(receive_now(one, 3, false), 2);
    EXPECT_STR(memory[1], "2");
    close_fd(one);
    close_fd(two);
    close_rig();
}

TEST_NO_SWEEP(nobody_there, "#100: that nobody is there is told once, and then all goes on", RIG)
{
    struct asyncio_address to, from;
    struct probe waiting = {0};
    int one, two;

    open_rig(test_backend());
    one = open_free("127.0.0.1", &to);
    close_fd(one);
    two = open_free("127.0.0.1", &from);
    EXPECT_INT(connect_at(two, &to), 0);
    EXPECT_INT(finish_now(send_batch(two, 1, NULL)), 1);
    EXPECT_INT(finish_now(send_batch(two, 1, NULL)), -ECONNREFUSED);
    EXPECT_INT(finish_now(send_batch(two, 1, NULL)), 1);
    EXPECT_INT(receive_now(two, 1, false), -ECONNREFUSED);
    EXPECT_INT(receive_now(two, 1, false), -EAGAIN);
    EXPECT(!start(&waiting, "waiting", receive_batch(two, 1, false)));
    EXPECT_INT(finish_now((struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = two, .buffer = {(char[]){"x"}, 1, 0}}),
               1);
    wait_for(&waiting, 1);
    EXPECT_TRACE("waiting: -ECONNREFUSED\n");
    one = open_at(&to, SOCK_DGRAM);
    EXPECT_INT(finish_now(send_batch(two, 1, NULL)), 1);
    EXPECT_INT(receive_now(one, 1, false), 1);
    close_fd(one);
    close_fd(two);
    close_rig();
}

TEST_NO_SWEEP(waiting, "a batch waits for the first; a second one has to wait its turn; a cancel or a close ends it",
              RIG)
{
    struct asyncio_address to, from;
    struct probe first = {0}, second = {0};
    int one, two;

    open_rig(test_backend());
    one = open_free("127.0.0.1", &to);
    two = open_free("127.0.0.1", &from);
    EXPECT(!start(&first, "first", receive_batch(one, 3, false)));
    EXPECT(start(&second, "second", receive_batch(one, 3, false)));
    EXPECT_TRACE("second: -EBUSY at once\n");
    {
        static char text[] = "come";

        EXPECT_INT(
            finish_now((struct asyncio_op){.opcode = ASYNCIO_OP_SENDTO, .fd = two, .datagram = {text, 4, &to, 0}}), 4);
    }
    wait_for(&first, 1);
    EXPECT_TRACE("first: 1\n");
    EXPECT_STR(memory[0], "come");
    EXPECT(!start(&first, "first", receive_batch(one, 3, false)));
    EXPECT(ops->cancel(backend, &first.op));
    EXPECT(!start(&first, "first", receive_batch(one, 3, false)));
    close_fd(one);
    wait_for(&first, 1);
    EXPECT_TRACE("first: -ASYNCIO_ECLOSED\n");
    close_fd(two);
    close_rig();
}

static int64_t submit_flagged(int fd, int opcode, int flags)
{
    struct asyncio_op op = opcode == ASYNCIO_OP_RECVMSGS ? receive_batch(fd, 1, false) : send_batch(fd, 1, NULL);

    op.flags = (uint8_t)flags;
    return call(op);
}

TEST_NO_SWEEP(refusals, "what is no datagram socket has no batches; none stands, and a pipe is no socket", RIG)
{
    int fds[2];

    open_rig(test_backend());
    make_pipe(fds);
    EXPECT_INT(submit_flagged(fds[0], ASYNCIO_OP_RECVMSGS, 0), -ENOTSOCK);
    EXPECT_INT(submit_flagged(fds[1], ASYNCIO_OP_SENDMSGS, 0), -ENOTSOCK);
    EXPECT_INT(submit_flagged(fds[0], ASYNCIO_OP_RECVMSGS, ASYNCIO_OP_STANDING), -EINVAL);
    EXPECT_INT(submit_flagged(fds[1], ASYNCIO_OP_SENDMSGS, ASYNCIO_OP_STANDING), -EINVAL);
    EXPECT_INT(submit_flagged(-1, ASYNCIO_OP_SENDMSGS, 0), -EBADF);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(full_unix_queue, "a batch to a Unix socket stops where its queue is full, and goes on when there is room",
              RIG)
{
    struct asyncio_op pair = {.opcode = ASYNCIO_OP_SOCKETPAIR, .make = {AF_UNIX, SOCK_DGRAM, 0, {-1, -1}}};
    struct probe waiting = {0};
    int64_t n, sent = 0;

    open_rig(test_backend());
    EXPECT(ops->submit(backend, &pair));
    while ((n = finish_now(send_batch(pair.make.fds[0], MOST, NULL))) > 0)
        sent += n;
    EXPECT_INT(n, -EAGAIN);
    EXPECT(sent > 0);
    EXPECT(!start(&waiting, "waiting", send_batch(pair.make.fds[0], 1, NULL)));
    for (int64_t received = 0; received < sent; received += n) {
        n = finish_now(
            (struct asyncio_op){.opcode = ASYNCIO_OP_RECV, .fd = pair.make.fds[1], .buffer = {(char[16]){0}, 16, 0}});
        EXPECT(n > 0);
        n = 1;
    }
    wait_for(&waiting, 1);
    EXPECT_TRACE("waiting: 1\n");
    close_fd(pair.make.fds[0]);
    close_fd(pair.make.fds[1]);
    close_rig();
}

TEST_NO_SWEEP(full_stranger, "#76: to a full Unix socket that it is not connected to a batch is an error at once", RIG)
{
    struct asyncio_address to;
    char name[40];
    int one, two;
    int64_t n;

    snprintf(name, sizeof name, "@asyncio-batches-%d", (int)getpid());
    to = at_path(name);
    open_rig(test_backend());
    one = open_at(&to, SOCK_DGRAM);
    two = make_typed(AF_UNIX, SOCK_DGRAM);
    do
        n = finish_now(send_batch(two, MOST, &to));
    while (n > 0);
    EXPECT_INT(n, -ENOBUFS);
    close_fd(one);
    close_fd(two);
    close_rig();
}
