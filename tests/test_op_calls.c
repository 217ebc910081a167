/* test_op_calls.c -- from tasks: operations that shall not wait, vectors and datagrams, and what becomes of tasks
 * that wait on an fd which is closed or leaves the library. */
#include "crew.h"

#include <netinet/in.h>
#include <sys/socket.h>

static int fds[2];

/* As when faults are swept: what would have come will not, so that nobody must wait for it. */
static bool broken;

#define EXPECT_OP(call, expected)                                                 \
    do {                                                                          \
        int64_t got_ = (call);                                                    \
                                                                                  \
        broken |= got_ != (expected);                                             \
        test__expect_int(__FILE__, __LINE__, #call, (long long)got_, (expected)); \
    } while (0)

static int64_t await(struct asyncio_op op)
{
    int64_t r = broken && op.opcode != ASYNCIO_OP_CLOSE ? -EIO : asyncio_op_await(&op);

    broken |= r == -EIO || r == -ENOMEM;
    return r;
}

static void make_pair(void)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SOCKETPAIR, .make = {AF_UNIX, SOCK_STREAM, 0, {-1, -1}}};

    test_spare(ASYNCIO__SHORT_TRANSFERS, "a transfer is one operation here");
    EXPECT_OP(asyncio_op_await(&op), 0);
    memcpy(fds, op.make.fds, sizeof fds);
}

static int64_t on_fd(int opcode, int fd)
{
    return await((struct asyncio_op){.opcode = (uint8_t)opcode, .fd = fd});
}

static int64_t transfer(int opcode, int flags, int fd, void *data, size_t size)
{
    return await(
        (struct asyncio_op){.opcode = (uint8_t)opcode, .flags = (uint8_t)flags, .fd = fd, .buffer = {data, size, 0}});
}

static int64_t send_text(int fd, const char *text)
{
    char copy[64];

    snprintf(copy, sizeof copy, "%s", text);
    return transfer(ASYNCIO_OP_SEND, 0, fd, copy, strlen(text));
}

/* Closes what is open, at the end of a coroutine. */
static int end(void)
{
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            on_fd(ASYNCIO_OP_CLOSE, fds[i]);
        fds[i] = -1;
    }
    return 0;
}

static int receiver(void *arg)
{
    char data[64];
    int64_t r = transfer(ASYNCIO_OP_RECV, 0, fds[0], data, sizeof data);

    (void)arg;
    trace("%s: %s", me(), said(r));
    return 0;
}

static int poller(void *arg)
{
    (void)arg;
    trace("%s: %s", me(),
          said(await((struct asyncio_op){.opcode = ASYNCIO_OP_POLL, .fd = fds[0], .poll.events = ASYNCIO_READABLE})));
    return 0;
}

/* Sends vectors until that fails. */
static int sender(void *arg)
{
    static char block[50000];
    const struct asyncio_bytes pieces[] = {{block, sizeof block}, {block, sizeof block}};
    int64_t r = 1;

    (void)arg;
    while (r > 0)
        r = await((struct asyncio_op){.opcode = ASYNCIO_OP_SENDV, .fd = fds[0], .vector = {pieces, 2, 0}});
    trace("%s: %s", me(), said(r));
    return 0;
}

/* ---------------------------------------------------------------------------------------------- Closed, forgotten */

static int closed_under_both(void *arg)
{
    int fd;

    (void)arg;
    make_pair();
    spawn(receiver, NULL, "receiver");
    spawn(sender, NULL, "sender");
    EXPECT_INT(asyncio_sleep(1), 0);
    fd = fds[0];
    fds[0] = -1;
    EXPECT_OP(on_fd(ASYNCIO_OP_CLOSE, fd), 0);
    everybody();
    for (int i = 0; i < crew_size; i++)
        EXPECT_INT(asyncio_task_cancelling(crew[i]), 0);
    return end();
}

TEST(close_under_tasks, "closing an fd ends the waits of its reader and its writer with -ASYNCIO_ECLOSED")
{
    EXPECT_INT(play(closed_under_both), 0);
    EXPECT_TRACE("[1.000] receiver: -ASYNCIO_ECLOSED\n[1.000] sender: -ASYNCIO_ECLOSED\n");
}

static int forgotten_under_both(void *arg)
{
    (void)arg;
    make_pair();
    spawn(poller, NULL, "poller");
    spawn(sender, NULL, "sender");
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT_OP(on_fd(ASYNCIO_OP_FORGET, fds[0]), 0);
    everybody();
    /* It is open, and may come back. */
    EXPECT_OP(send_text(fds[1], "x"), 1);
    spawn(receiver, NULL, "receiver");
    everybody();
    return end();
}

TEST(forget_under_tasks, "so does an fd that leaves the library; it stays open")
{
    EXPECT_INT(play(forgotten_under_both), 0);
    EXPECT_TRACE("[1.000] poller: -ASYNCIO_ECLOSED\n[1.000] sender: -ASYNCIO_ECLOSED\n[1.000] receiver: 1\n");
}

static int cancelled_when_closed(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    make_pair();
    test_spare(ASYNCIO__LATE_CANCELS, "a late cancel comes after the close");
    task = spawn(receiver, NULL, "receiver");
    turns(2);
    EXPECT_OP(on_fd(ASYNCIO_OP_FORGET, fds[0]), 0);
    cancel(task);
    everybody();
    return end();
}

TEST(cancel_after_close, "a cancel that comes before the end of the wait was told of is a cancel")
{
    EXPECT_INT(play(cancelled_when_closed), 0);
    EXPECT_TRACE("[0.000] receiver: -ECANCELED\n");
}

/* ----------------------------------------------------------------------------------------------------- Not waiting */

static int bystander(void *arg)
{
    (void)arg;
    trace("the bystander runs");
    return 0;
}

static int without_waiting(void *arg)
{
    char data[8] = "";

    (void)arg;
    make_pair();
    spawn(bystander, NULL, "bystander");
    EXPECT_OP(transfer(ASYNCIO_OP_RECV, ASYNCIO_OP_NOWAIT, fds[0], data, sizeof data), -EAGAIN);
    EXPECT_OP(send_text(fds[1], "x"), 1);
    EXPECT_OP(transfer(ASYNCIO_OP_RECV, ASYNCIO_OP_NOWAIT, fds[0], data, sizeof data), 1);
    trace("done");
    cancel(asyncio_current_task());
    EXPECT_INT(transfer(ASYNCIO_OP_RECV, ASYNCIO_OP_NOWAIT, fds[0], data, sizeof data), -ECANCELED);
    everybody();
    return end();
}

TEST(nowait_of_task, "T-06: an operation that shall not wait does not suspend its task; a pending cancel comes first")
{
    EXPECT_INT(play(without_waiting), 0);
    EXPECT_TRACE("[0.000] done\n[0.000] the bystander runs\n");
}

/* ------------------------------------------------------------------------------------------- Vectors and datagrams */

static int drain(void)
{
    static char block[7000];
    int64_t sum = 0, r;

    while ((r = transfer(ASYNCIO_OP_RECV, 0, fds[1], block, sizeof block)) > 0)
        sum += r;
    return (int)sum;
}

static int fill(void *arg)
{
    static char block[3000];
    const struct asyncio_bytes pieces[] = {{block, 1}, {block, sizeof block}, {block, 2}};
    int64_t sum = 0, r = 1;

    (void)arg;
    for (int i = 0; i < 200 && r > 0; i++) {
        r = await((struct asyncio_op){.opcode = ASYNCIO_OP_SENDV, .fd = fds[0], .vector = {pieces, 3, 0}});
        sum += r > 0 ? r : 0;
    }
    trace("%s: all sent", me());
    on_fd(ASYNCIO_OP_CLOSE, fds[0]);
    fds[0] = -1;
    return (int)sum;
}

static int vectors_through_full_socket(void *arg)
{
    struct asyncio_future *filling;
    int got;

    (void)arg;
    make_pair();
    filling = spawn(fill, NULL, "sender");
    EXPECT_INT(asyncio_sleep(5), 0);
    trace("the reader comes");
    /* Under a fault there may be no sender. */
    got = asyncio_future_done(filling) ? 0 : drain();
    on_fd(ASYNCIO_OP_CLOSE, fds[1]);
    fds[1] = -1;
    EXPECT_INT(asyncio_await(filling), got);
    return end();
}

TEST(vectors_wait_for_room, "T-03: a vector waits while the other side is full; nothing is lost")
{
    EXPECT_INT(play(vectors_through_full_socket), 0);
    EXPECT_TRACE("[5.000] the reader comes\n[5.000] sender: all sent\n");
}

static struct asyncio_address addresses[2];

/* Two UDP sockets with addresses. */
static void make_datagram_sockets(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    for (int i = 0; i < 2; i++) {
        fds[i] = (int)await((struct asyncio_op){.opcode = ASYNCIO_OP_SOCKET, .make = {AF_INET, SOCK_DGRAM, 0, {0}}});
        EXPECT(fds[i] >= 0);
        EXPECT_OP(await((struct asyncio_op){.opcode = ASYNCIO_OP_BIND, .fd = fds[i], .address = {&any, sizeof any}}),
                  0);
        EXPECT_OP(await((struct asyncio_op){.opcode = ASYNCIO_OP_SOCKNAME, .fd = fds[i], .name = {&addresses[i]}}), 0);
    }
}

static int datagram_receiver(void *arg)
{
    struct asyncio_address from = {0};
    char data[64];
    int64_t r = await(
        (struct asyncio_op){.opcode = ASYNCIO_OP_RECVFROM, .fd = fds[0], .datagram = {data, sizeof data, &from, 0}});
    bool known = from.size == addresses[1].size && memcmp(from.data.bytes, addresses[1].data.bytes, from.size) == 0;

    (void)arg;
    trace("%s: %s%s", me(), said(r), r >= 0 && known ? " from the other" : "");
    return 0;
}

static int64_t send_datagram(const char *text)
{
    char copy[64];

    snprintf(copy, sizeof copy, "%s", text);
    return await((struct asyncio_op){
        .opcode = ASYNCIO_OP_SENDTO, .fd = fds[1], .datagram = {copy, strlen(text), &addresses[0], 0}});
}

static int datagram_after_cancel(void *arg)
{
    struct asyncio_future *first;

    (void)arg;
    make_datagram_sockets();
    first = spawn(datagram_receiver, NULL, "first");
    turns(2);
    EXPECT(dump_says("recvfrom on fd"));
    cancel(first);
    everybody();
    EXPECT_OP(send_datagram("for the second"), 14);
    EXPECT_OP(send_datagram(""), 0);
    spawn(datagram_receiver, NULL, "second");
    spawn(datagram_receiver, NULL, "third");
    everybody();
    return end();
}

TEST_NO_SWEEP(datagrams_of_tasks, "T-06 T-13 #18: a cancelled receive takes no datagram; a dump names the operation",
              "it reads a dump")
{
    EXPECT_INT(play(datagram_after_cancel), 0);
    EXPECT_TRACE("[0.000] first: -ECANCELED\n[0.000] second: 14 from the other\n[0.000] third: 0 from the other\n");
}

static int described(void *arg)
{
    (void)arg;
    make_pair();
    spawn(sender, NULL, "sender");
    turns(100);
    EXPECT(dump_says("sendv on fd"));
    cancel(crew[0]);
    everybody();
    return end();
}

TEST_NO_SWEEP(vector_described, "T-13: a dump says that a task waits to send a vector, and on which fd",
              "it reads a dump")
{
    EXPECT_INT(play(described), 0);
    EXPECT_TRACE("[0.000] sender: -ECANCELED\n");
}
