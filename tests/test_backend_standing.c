/* What every back end promises of operations that complete again and again, and of many at a time. */
#include "rig.h"

#include "base/base.h"

#include <sys/wait.h>

/* --------------------------------------------------------------------------------------------- Standing operations */

#define N_CLIENTS 40

static int accepted[N_CLIENTS], n_accepted;

static void keep_accepted(struct probe *probe)
{
    if (probe->op.result >= 0)
        accepted[n_accepted++] = (int)probe->op.result;
}

static void connect_many(const struct sockaddr_un *address, int clients[N_CLIENTS])
{
    for (int i = 0; i < N_CLIENTS; i++) {
        struct probe connecting = {0};

        clients[i] = make_socket(AF_UNIX);
        EXPECT(start_connect(&connecting, "client", clients[i], address, sizeof *address));
        EXPECT_INT(connecting.op.result, 0);
    }
}

TEST_NO_SWEEP(standing_accept, "a standing accept completes for each connection, a bounded number in one poll", RIG)
{
    struct sockaddr_un address = unix_address("asyncio-test-standing-accept");
    struct probe accepting = {.then = keep_accepted};
    int listener, clients[N_CLIENTS], polls = 0;

    open_rig(test_backend());
    listener = make_socket(AF_UNIX);
    EXPECT_INT(bind_to(listener, &address, sizeof address), 0);
    EXPECT_INT(listen_on(listener, N_CLIENTS), 0);
    EXPECT(!start_accept(&accepting, "accept", listener, ASYNCIO_OP_STANDING));
    look_often();
    connect_many(&address, clients);
    EXPECT_INT(n_accepted, 0);
    for (; n_accepted < N_CLIENTS; polls++) {
        EXPECT_INT(ops->poll(backend, INT64_MAX, false), 0);
        EXPECT(accepting.op.completion & ASYNCIO_OP_MORE);
    }
    EXPECT(polls > 1);
    EXPECT(ops->cancel(backend, &accepting.op));
    EXPECT_INT(ops->pending(backend), 0);
    for (int i = 0; i < N_CLIENTS; i++) {
        close_fd(clients[i]);
        close_fd(accepted[i]);
    }
    close_fd(listener);
    close_rig();
}

static void cancel_after_three(struct probe *probe)
{
    keep_accepted(probe);
    if (probe->completions == 3) {
        EXPECT(ops->cancel(backend, &probe->op));
        probe->ended = true;
    }
}

TEST_NO_SWEEP(standing_accept_cancelled_inside, "cancelled in complete(), a standing accept takes no more", RIG)
{
    struct sockaddr_un address = unix_address("asyncio-test-cancelled-inside");
    struct probe accepting = {.then = cancel_after_three};
    int listener, clients[N_CLIENTS];

    open_rig(test_backend());
    listener = make_socket(AF_UNIX);
    EXPECT_INT(bind_to(listener, &address, sizeof address), 0);
    EXPECT_INT(listen_on(listener, N_CLIENTS), 0);
    connect_many(&address, clients);
    trace_clear();
    EXPECT(!start_accept(&accepting, "accept", listener, ASYNCIO_OP_STANDING));
    wait_for(&accepting, 3);
    look_often();
    EXPECT_INT(n_accepted, 3);
    /* The rest is still there. */
    accepting.then = keep_accepted;
    EXPECT(start_accept(&accepting, "accept", listener, 0));
    EXPECT(accepting.op.result > 0);
    close_fd((int)accepting.op.result);
    for (int i = 0; i < N_CLIENTS; i++)
        close_fd(clients[i]);
    for (int i = 0; i < n_accepted; i++)
        close_fd(accepted[i]);
    close_fd(listener);
    close_rig();
}

/* Keeps the buffers of a standing receive instead of giving them back at once. */
struct keeper {
    struct asyncio_op op;
    void *buffers[300];
    int64_t sizes[300];
    int n, ended;
};

static void keep_buffer(struct asyncio_op *op)
{
    struct keeper *keeper = (struct keeper *)op;

    if (op->completion & ASYNCIO_OP_BUFFER) {
        EXPECT(op->result > 0);
        EXPECT(keeper->n < 300);
        keeper->buffers[keeper->n] = op->buffer.data;
        keeper->sizes[keeper->n++] = op->result;
    }
    if (!(op->completion & ASYNCIO_OP_MORE)) {
        EXPECT(!(op->completion & ASYNCIO_OP_BUFFER));
        keeper->ended++;
    }
}

TEST_NO_SWEEP(standing_recv, "a standing receive brings buffers until the end, which are handed back when done with",
              RIG)
{
    static char block[30000];
    struct keeper keeper = {.op = {.complete = keep_buffer, .opcode = ASYNCIO_OP_RECV, .flags = ASYNCIO_OP_STANDING}};
    int64_t total = 0;
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)(i % 251);
    keeper.op.fd = fds[0];
    EXPECT(!ops->submit(backend, &keeper.op));
    look_often();
    EXPECT_INT(keeper.n, 0);
    EXPECT_INT(call((struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fds[1], .buffer = {block, sizeof block, 0}}),
               sizeof block);
    look_often();
    EXPECT(keeper.n >= 2);
    close_fd(fds[1]);
    while (!keeper.ended)
        look();
    EXPECT_INT(keeper.op.result, 0);
    look_often();
    EXPECT_INT(keeper.ended, 1);
    for (int i = 0; i < keeper.n; i++) {
        EXPECT(memcmp(keeper.buffers[i], block + total, (size_t)keeper.sizes[i]) == 0);
        total += keeper.sizes[i];
        ops->release(backend, fds[0], keeper.buffers[i]);
    }
    EXPECT_INT(total, sizeof block);
    EXPECT_INT(ops->pending(backend), 0);
    close_fd(fds[0]);
    close_rig();
}

TEST_NO_SWEEP(forked_child,
              "#67: a forked child cannot poll its parent's back end, and closes it whatever the parent has left in it",
              RIG)
{
    struct keeper keeper = {.op = {.complete = keep_buffer, .opcode = ASYNCIO_OP_RECV, .flags = ASYNCIO_OP_STANDING}};
    struct probe late = {0};
    int fds[2], status;
    pid_t child;

    open_rig(test_backend());
    make_pair(fds);
    keeper.op.fd = fds[0];
    EXPECT(!ops->submit(backend, &keeper.op));
    send_text(fds[1], "abc");
    while (keeper.n == 0)
        look();
    child = fork();
    if (child == 0) {
        bool right = ops->poll(backend, INT64_MAX, false) == -ASYNCIO_ECLOSED;

        right = right && start_recv(&late, "late", fds[1]) && late.op.result == -ASYNCIO_ECLOSED;
        ops->close(backend);
        _exit(right ? 0 : 1);
    }
    EXPECT_INT(waitpid(child, &status, 0), child);
    EXPECT_INT(status, 0);
    ops->release(backend, fds[0], keeper.buffers[0]);
    EXPECT(ops->cancel(backend, &keeper.op));
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(standing_recv_without_memory,
              "a standing receive that gets no buffer ends with -ENOMEM and loses nothing", RIG)
{
    struct probe standing = {0};
    char data[8];
    int fds[2];

    if (test_on_uring())
        SKIP("its buffers are there before");
    open_rig(test_backend());
    make_pair(fds);
    EXPECT(!start_standing_recv(&standing, "standing", fds[0]));
    look_often();
    send_text(fds[1], "abc");
    asyncio_fail_allocation(0, 1);
    wait_for(&standing, 1);
    asyncio_fail_allocation(-1, 0);
    EXPECT_TRACE("standing: -ENOMEM\n");
    EXPECT_INT(recv_now(fds[0], data, sizeof data), 3);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

static void cancel_self(struct probe *probe)
{
    EXPECT(ops->cancel(backend, &probe->op));
    memset(&probe->op, 0xff, sizeof probe->op);
    probe->ended = true;
}

TEST_NO_SWEEP(standing_recv_cancelled_inside, "cancelled in complete(), a standing receive leaves the rest", RIG)
{
    static char block[40000];
    struct probe standing = {.then = cancel_self};
    int64_t n, rest = 0;
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    EXPECT(!start_standing_recv(&standing, "standing", fds[0]));
    EXPECT_INT(call((struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fds[1], .buffer = {block, sizeof block, 0}}),
               sizeof block);
    wait_for(&standing, 1);
    look_often();
    EXPECT_INT(standing.completions, 1);
    while ((n = recv_now(fds[0], block, sizeof block)) > 0)
        rest += n;
    EXPECT(rest > 0 && rest < (int64_t)sizeof block);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(close_while_due, "an fd is closed while its standing operation is to go on in the next poll", RIG)
{
    struct probe standing = {0};
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    send_text(fds[1], "x");
    EXPECT(!start_poll(&standing, "readable", fds[0], ASYNCIO_READABLE, ASYNCIO_OP_STANDING));
    wait_for(&standing, 2);
    close_fd(fds[0]);
    look_often();
    EXPECT_TRACE("readable: 1 more\nreadable: 1 more\nreadable: -ASYNCIO_ECLOSED\n");
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(standing_poll_of_own, "a standing poll reports in every poll while it is true", RIG)
{
    struct probe standing = {0};
    char data[8];
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    EXPECT(!start_poll(&standing, "readable", fds[0], ASYNCIO_READABLE, ASYNCIO_OP_STANDING));
    look_often();
    EXPECT_TRACE("");
    send_text(fds[1], "x");
    while (standing.completions < 3)
        look();
    EXPECT_TRACE("readable: 1 more\nreadable: 1 more\nreadable: 1 more\n");
    EXPECT(ops->cancel(backend, &standing.op));
    EXPECT_INT(recv_now(fds[0], data, sizeof data), 1);
    EXPECT(!start_poll(&standing, "readable", fds[0], ASYNCIO_READABLE, ASYNCIO_OP_STANDING));
    look_often();
    EXPECT_TRACE("");
    close_fd(fds[1]);
    wait_for(&standing, 1);
    EXPECT_TRACE("readable: 1 more\n");
    EXPECT(ops->cancel(backend, &standing.op));
    close_fd(fds[0]);
    close_rig();
}

/* ------------------------------------------------------------------------------------------------- Many operations */

struct player {
    struct probe probe;
    int fd, left;
};

static void answer(struct probe *probe)
{
    struct player *player = (struct player *)probe;

    EXPECT_INT(probe->op.result, 1);
    if (player->left-- == 0)
        return;
    send_text(player->fd, "x");
    EXPECT(!ops->submit(backend, &probe->op));
    probe->ended = false;
}

TEST_NO_SWEEP(ping_pong, "complete() submits its own operation again, thousands of times", RIG)
{
    struct player players[2] = {0};
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    for (int i = 0; i < 2; i++) {
        players[i].fd = fds[i];
        players[i].left = 2000;
        players[i].probe.then = answer;
        EXPECT(!start_recv(&players[i].probe, "player", fds[i]));
    }
    send_text(fds[0], "x");
    while (players[0].left >= 0 && players[1].left >= 0)
        EXPECT_INT(ops->poll(backend, INT64_MAX, false), 0);
    for (int i = 0; i < 2; i++)
        if (!players[i].probe.ended)
            EXPECT(ops->cancel(backend, &players[i].probe.op));
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

#define N_PAIRS 300

TEST_NO_SWEEP(many_at_once, "hundreds of operations that are ready in one poll all complete", RIG)
{
    static struct probe readers[N_PAIRS];
    static int fds[N_PAIRS][2];
    int left = N_PAIRS;

    open_rig(test_backend());
    for (int i = 0; i < N_PAIRS; i++) {
        make_pair(fds[i]);
        EXPECT(!start_recv(&readers[i], "reader", fds[i][0]));
    }
    look_often();
    for (int i = 0; i < N_PAIRS; i++)
        send_text(fds[i][1], "x");
    while (left > 0) {
        EXPECT_INT(ops->poll(backend, INT64_MAX, false), 0);
        left = 0;
        for (int i = 0; i < N_PAIRS; i++)
            left += !readers[i].ended;
    }
    for (int i = 0; i < N_PAIRS; i++) {
        close_fd(fds[i][0]);
        close_fd(fds[i][1]);
    }
    close_rig();
}

/* One way of a connection: a sender and a receiver with random sizes and cancels; byte k must be k % 251. */
struct way {
    struct asyncio_op sending, receiving;
    int from, to;
    int64_t sent, received, total;
    bool sends, receives;
    unsigned char out[5000], in[5000];
};

static uint64_t dice_state;

static unsigned dice(unsigned sides)
{
    dice_state = dice_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned)(dice_state >> 33) % sides;
}

static void received(struct way *way, int64_t result)
{
    way->receives = false;
    if (result == -ECANCELED)
        return;
    EXPECT(result > 0);
    for (int64_t i = 0; i < result; i++)
        EXPECT_INT(way->in[i], (way->received + i) % 251);
    way->received += result;
}

static void sent(struct way *way, int64_t result)
{
    way->sends = false;
    if (result == -ECANCELED)
        return;
    EXPECT(result > 0);
    way->sent += result;
}

static void complete_receiving(struct asyncio_op *op)
{
    received((struct way *)((char *)op - offsetof(struct way, receiving)), op->result);
}

static void complete_sending(struct asyncio_op *op)
{
    sent((struct way *)((char *)op - offsetof(struct way, sending)), op->result);
}

static void drive(struct way *way)
{
    if (!way->sends && way->sent < way->total) {
        size_t size = min_size(1 + dice(sizeof way->out), (size_t)(way->total - way->sent));

        for (size_t i = 0; i < size; i++)
            way->out[i] = (unsigned char)((way->sent + (int64_t)i) % 251);
        way->sending = (struct asyncio_op){
            .complete = complete_sending, .opcode = ASYNCIO_OP_SEND, .fd = way->from, .buffer = {way->out, size, 0}};
        way->sends = true;
        if (ops->submit(backend, &way->sending))
            sent(way, way->sending.result);
    } else if (way->sends && dice(10) == 0 && ops->cancel(backend, &way->sending)) {
        way->sends = false;
    }
    if (!way->receives && way->received < way->total) {
        way->receiving = (struct asyncio_op){.complete = complete_receiving,
                                             .opcode = ASYNCIO_OP_RECV,
                                             .fd = way->to,
                                             .buffer = {way->in, 1 + dice(sizeof way->in), 0}};
        way->receives = true;
        if (ops->submit(backend, &way->receiving))
            received(way, way->receiving.result);
    } else if (way->receives && dice(10) == 0 && ops->cancel(backend, &way->receiving)) {
        way->receives = false;
    }
}

static void random_traffic(const char *asked, uint64_t seed)
{
    static struct way ways[8];
    bool done = false;
    int fds[2];

    dice_state = seed;
    open_rig(asked);
    for (int i = 0; i < 8; i++) {
        if (i % 2 == 0)
            make_pair(fds);
        ways[i] = (struct way){.from = fds[i % 2], .to = fds[1 - i % 2], .total = 60000};
    }
    while (!done) {
        done = true;
        for (int i = 0; i < 8; i++) {
            drive(&ways[i]);
            done = done && ways[i].received == ways[i].total && ways[i].sent == ways[i].total;
        }
        EXPECT_INT(ops->poll(backend, ops->now(backend) + 1000000 * (int64_t)dice(2), false), 0);
    }
    for (int i = 0; i < 8; i++) {
        EXPECT_INT(ways[i].sent, ways[i].total);
        EXPECT(!ways[i].sends && !ways[i].receives);
        close_fd(ways[i].from);
    }
    EXPECT_INT(ops->pending(backend), 0);
    close_rig();
}

TEST_NO_SWEEP(random_traffic_keeps_every_byte, "random sizes and cancels: every byte arrives once and in order", RIG)
{
    int rounds = test_slowness() > 1 ? 2 : 10;

    for (int i = 0; i < rounds; i++) {
        random_traffic(test_backend(), test_seed() + (uint64_t)i);
        if (test_on_sim()) {
            char asked[160];

            snprintf(asked, sizeof asked, "%s,short=40,eintr=30,later=40,delay=500,buffer=3000,permute",
                     test_backend());
            random_traffic(asked, test_seed() + (uint64_t)i);
        }
    }
}

TEST_NO_SWEEP(submit_without_memory, "an operation that cannot be kept waiting fails with -ENOMEM and is not pending",
              RIG)
{
    int failures = 0, fds[2];
    struct probe reader = {0};

    open_rig(test_backend());
    for (;;) {
        asyncio_fail_allocation(failures, 1);
        struct asyncio_op op = {.opcode = ASYNCIO_OP_SOCKETPAIR, .make = {AF_UNIX, SOCK_STREAM, 0, {-1, -1}}};

        ops->submit(backend, &op);
        if (op.result < 0) {
            EXPECT_INT(op.result, -ENOMEM);
            EXPECT_INT(op.make.fds[0], -1);
            failures++;
            continue;
        }
        memcpy(fds, op.make.fds, sizeof fds);
        if (start_recv(&reader, "reader", fds[0])) {
            EXPECT_INT(reader.op.result, -ENOMEM);
            failures++;
            close_fd(fds[0]);
            close_fd(fds[1]);
            continue;
        }
        break;
    }
    asyncio_fail_allocation(-1, 0);
    EXPECT(failures > 0);
    EXPECT(ops->cancel(backend, &reader.op));
    EXPECT_INT(ops->pending(backend), 0);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}
