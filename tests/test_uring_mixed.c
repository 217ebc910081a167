/* test_uring_mixed.c -- one socket, read in every way there is, in an order drawn by lot: bytes that were received
 * ahead, or into an operation that was taken back, come next, in their order, whoever asks. */
#include "backend/uring.h"

#include "rig.h"
#include "ring_faults.h"

#include <stdlib.h>

#define N_STEPS 300
#define MOST    40 /* bytes in a call */

static const char *const kinds[] = {
    "uring",
    "uring:entries=1,completions=2",
    "uring:plain,entries=2,completions=4",
    "uring:no-waiting",
};

static int fds[2];
static uint64_t lot, sent, received;

static unsigned pick(unsigned n)
{
    lot = lot * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(lot >> 33) % n;
}

static char tag(uint64_t offset)
{
    return (char)('!' + offset * 7 % 89);
}

/* A poll that does not block, and may be interrupted by a plan. */
static void glance(void)
{
    int r = ops->poll(backend, 0, false);

    EXPECT(r == 0 || r == -EINTR);
}

static void wait_for_end(struct probe *probe)
{
    for (int i = 0; i < 2000 && !probe->ended; i++) {
        int r = ops->poll(backend, ops->now(backend) + NS_PER_SEC / 100, false);

        EXPECT(r == 0 || r == -EINTR);
    }
    if (!probe->ended)
        FAIL("%s never ends, with %d bytes to be had", probe->name, (int)(sent - received));
}

static void send_some(void)
{
    char data[MOST];
    size_t size = 1 + pick(MOST);

    if (sent - received > 2000)
        return;
    for (size_t i = 0; i < size; i++)
        data[i] = tag(sent + i);
    EXPECT_INT(call((struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fds[1], .buffer = {data, size, 0}}), size);
    sent += size;
}

static void take(const struct probe *probe, const char *data, int64_t size)
{
    EXPECT(size <= (int64_t)(sent - received));
    for (int64_t i = 0; i < size; i++, received++)
        if (data[i] != tag(received))
            FAIL("%s: byte %d is '%c' in place of '%c'", probe->name, (int)received, data[i], tag(received));
}

/* ------------------------------------------------------------------------------------------------------- The ways */

/* What an operation that receives into its own memory has come to. */
static void settle(struct probe *probe)
{
    int64_t result = probe->op.result;

    if (result > 0)
        take(probe, probe->data, result);
    else
        EXPECT(result == -EAGAIN || result == -ECANCELED);
}

/* Lets an operation wait, for ever or not. */
static void wait_or_cancel(struct probe *probe)
{
    for (int i = (int)pick(4); i > 0 && !probe->ended; i--)
        glance();
    if (pick(2))
        send_some();
    if (!probe->ended && pick(2) && ops->cancel(backend, &probe->op)) {
        memset(probe->data, 'P', sizeof probe->data);
        glance();
        for (size_t i = 0; i < sizeof probe->data; i++)
            EXPECT_INT(probe->data[i], 'P');
        return;
    }
    if (!probe->ended && sent == received)
        send_some();
    wait_for_end(probe);
    settle(probe);
}

static void receive(const char *name, struct asyncio_op op)
{
    struct probe probe = {0};

    op.fd = fds[0];
    op.buffer.data = probe.data;
    if (start(&probe, name, op))
        settle(&probe);
    else
        wait_or_cancel(&probe);
}

static void standing_ended(struct asyncio_op *op)
{
    struct probe *probe = (struct probe *)op;

    probe->ended = !(op->completion & ASYNCIO_OP_MORE);
    if (op->result > 0)
        take(probe, op->buffer.data, op->result);
    if (op->completion & ASYNCIO_OP_BUFFER)
        ops->release(backend, op->fd, op->buffer.data);
}

static void stand(void)
{
    struct probe probe = {.name = "standing"};

    probe.op = (struct asyncio_op){
        .opcode = ASYNCIO_OP_RECV, .flags = ASYNCIO_OP_STANDING, .fd = fds[0], .complete = standing_ended};
    EXPECT(!ops->submit(backend, &probe.op));
    for (int i = (int)pick(5); i > 0; i--) {
        if (pick(3) == 0)
            send_some();
        glance();
    }
    if (!ops->cancel(backend, &probe.op))
        wait_for_end(&probe);
    else
        memset(&probe, 'P', sizeof probe);
}

/* What it promises must hold. */
static void poll_first(void)
{
    struct probe probe = {0};
    char data[MOST];
    int64_t n;

    if (!start_poll(&probe, "poll", fds[0], ASYNCIO_READABLE, 0)) {
        for (int i = (int)pick(3); i > 0 && !probe.ended; i--)
            glance();
        if (!probe.ended && pick(2) && ops->cancel(backend, &probe.op))
            return;
        if (!probe.ended && sent == received)
            send_some();
        wait_for_end(&probe);
    }
    EXPECT_INT(probe.op.result, ASYNCIO_READABLE);
    n = call((struct asyncio_op){
        .opcode = ASYNCIO_OP_RECV, .flags = ASYNCIO_OP_NOWAIT, .fd = fds[0], .buffer = {data, sizeof data, 0}});
    EXPECT(n > 0);
    take(&probe, data, n);
}

#define RECEIVE(op_, size_, message_flags_, flags_) \
    ((struct asyncio_op){.opcode = (op_), .flags = (flags_), .buffer = {NULL, (size_), (message_flags_)}})

static void step(void)
{
    size_t size = 1 + pick(MOST);

    switch (pick(9)) {
    case 0:
    case 1:
        send_some();
        break;
    case 2:
        receive("recv", RECEIVE(ASYNCIO_OP_RECV, size, 0, 0));
        break;
    case 3:
        receive("recv nowait", RECEIVE(ASYNCIO_OP_RECV, size, 0, ASYNCIO_OP_NOWAIT));
        break;
    case 4:
        receive("read", RECEIVE(ASYNCIO_OP_READ, size, 0, 0));
        break;
    case 5:
        receive("read nowait", RECEIVE(ASYNCIO_OP_READ, size, 0, ASYNCIO_OP_NOWAIT));
        break;
    case 6:
        poll_first();
        break;
    case 7:
        stand();
        break;
    default:
        glance();
    }
}

/* ------------------------------------------------------------------------------------------------------- The games */

static void connected_by_tcp(void)
{
    struct sockaddr_in address = port_address(0);
    socklen_t size = sizeof address;
    struct probe connecting = {0}, acceptor = {0};
    int listener = make_socket(AF_INET);

    EXPECT_INT(bind_to(listener, &address, sizeof address), 0);
    EXPECT_INT(listen_on(listener, 1), 0);
    EXPECT_INT(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    fds[1] = make_socket(AF_INET);
    if (!start_connect(&connecting, "connect", fds[1], &address, sizeof address))
        wait_for(&connecting, 1);
    if (!start_accept(&acceptor, "accept", listener, 0))
        wait_for(&acceptor, 1);
    fds[0] = (int)acceptor.op.result;
    close_fd(listener);
}

static void play(size_t kind, int plan, bool tcp)
{
    EXPECT_INT(ftruncate(STDOUT_FILENO, 0), 0);
    printf("%s with %s, %s:\n", kinds[kind], ring_plan_names[plan], tcp ? "TCP" : "Unix");
    fflush(stdout);
    lot = test_seed() * 1000 + kind * 100 + (uint64_t)plan * 10 + tcp;
    sent = received = 0;
    open_rig(kinds[kind]);
    plan_faults((enum ring_plan)plan, &backend->ring);
    if (tcp)
        connected_by_tcp();
    else
        make_pair(fds);
    for (int i = 0; i < N_STEPS; i++) {
        step();
        trace_clear();
    }
    while (received < sent)
        receive("last", RECEIVE(ASYNCIO_OP_RECV, MOST, 0, 0));
    close_fd(fds[0]);
    close_fd(fds[1]);
    for (int i = 0; i < 30; i++)
        glance();
    EXPECT_INT(ops->pending(backend), 0);
    plan_faults(RING_PLAIN, NULL);
    close_rig();
    trace_clear();
}

TEST_EPOLL(mixed, "R2 R3 #72: however a socket is read, each byte comes once and in its place")
{
    if (asyncio__uring_probe() < 0)
        SKIP("no io_uring here");
    for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++)
        for (int plan = RING_PLAIN; plan < N_RING_PLANS; plan++)
            for (int tcp = 0; tcp < 2; tcp++)
                play(kind, plan, tcp);
}
