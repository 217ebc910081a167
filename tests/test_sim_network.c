/* What the simulator's network can do to connections and datagrams, at its user's wish. */
#include "net_rig.h"

#include <stdlib.h>

/* ----------------------------------------------------------------------------------------------------- Determinism */

/* Connections and datagrams, of which any may be lost. */
static void play_network(const char *asked)
{
    struct asyncio_address stream = at("127.0.0.1", 80), datagram = at("127.0.0.1", 53);
    struct probe accepting = {0}, connecting = {0}, receiving = {0};
    static char data[3];
    int listener, receiver, sender;

    trace_clear();
    open_rig(asked);
    listener = open_at(&stream, SOCK_STREAM);
    receiver = open_at(&datagram, SOCK_DGRAM);
    sender = make_typed(AF_INET, SOCK_DGRAM);
    EXPECT_INT(call((struct asyncio_op){
                   .opcode = ASYNCIO_OP_CONNECT, .fd = sender, .address = {datagram.data.bytes, datagram.size}}),
               0);
    for (int round = 0; round < 20; round++) {
        int client = make_socket(AF_INET);

        if (!start_connect(&connecting, "connect", client, stream.data.bytes, stream.size))
            wait_for(&connecting, 1);
        if (!start_accept(&accepting, "accept", listener, 0) && ops->cancel(backend, &accepting.op))
            trace("nobody");
        else if (result_of(&accepting) > 0)
            close_fd((int)result_of(&accepting));
        close_fd(client);
        for (size_t i = 0; i < 3; i++)
            call((struct asyncio_op){
                .opcode = ASYNCIO_OP_SEND, .flags = ASYNCIO_OP_NOWAIT, .fd = sender, .buffer = {data, i + 1, 0}});
        while (start_recv(&receiving, "receive", receiver))
            ;
        EXPECT(ops->cancel(backend, &receiving.op));
    }
    close_fd(listener);
    close_fd(receiver);
    close_fd(sender);
    close_rig();
}

TEST_NO_SWEEP(seed_decides_network_faults, "the seed alone decides which connections and datagrams are lost", RIG)
{
    static const char *const faults[] = {"exhaust=30", "abort=30", "lose=30", "twice=30", "reorder=50"};
    char asked[64];
    char *first, *plain;

    play_network("sim:1");
    plain = strdup(transcript());
    play_network("sim:2,buffers=5,permute");
    EXPECT_STR(transcript(), plain);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        snprintf(asked, sizeof asked, "sim:1,%s", faults[i]);
        play_network(asked);
        first = strdup(transcript());
        EXPECT(strcmp(first, plain) != 0);
        play_network(asked);
        EXPECT_STR(transcript(), first);
        asked[4] = '2';
        play_network(asked);
        EXPECT(strcmp(transcript(), first) != 0);
        free(first);
    }
    free(plain);
    trace_clear();
}

/* ------------------------------------------------------------------------------------------------------- Accepting */

TEST_NO_SWEEP(fault_exhaust,
              "exhaust=N: an accept runs out of fds or memory in four ways; the connection goes on waiting", RIG)
{
    struct asyncio_address address = at("127.0.0.1", 80);
    struct asyncio_op accept = {.opcode = ASYNCIO_OP_ACCEPT, .flags = ASYNCIO_OP_NOWAIT};
    struct probe standing = {0};
    int met[4] = {0}, accepted = 0, client;

    open_rig("sim:1,exhaust=70");
    accept.fd = open_at(&address, SOCK_STREAM);
    /* With nobody there, there is nothing to run out of. */
    for (int i = 0; i < 20; i++)
        EXPECT_INT(call(accept), -EAGAIN);
    for (int i = 0; i < 40; i++) {
        int64_t fd;

        EXPECT_INT(connect_new(&address, &client), 0);
        while ((fd = call(accept)) < 0) {
            met[0] += fd == -EMFILE;
            met[1] += fd == -ENFILE;
            met[2] += fd == -ENOBUFS;
            met[3] += fd == -ENOMEM;
        }
        accepted++;
        close_fd((int)fd);
        EXPECT_INT(recv_bytes(client), 0);
        close_fd(client);
    }
    EXPECT(met[0] > 5 && met[1] > 5 && met[2] > 5 && met[3] > 5);
    EXPECT(met[0] + met[1] + met[2] + met[3] > 40 && accepted == 40);
    close_fd(accept.fd);
    close_rig();

    /* A standing accept ends with it, and can be begun again. */
    open_rig("sim:1,exhaust=100");
    accept.fd = open_at(&address, SOCK_STREAM);
    EXPECT(!start_accept(&standing, "standing", accept.fd, ASYNCIO_OP_STANDING));
    EXPECT_INT(connect_new(&address, &client), 0);
    look_often();
    EXPECT(standing.ended && result_of(&standing) < 0 && standing.completions == 1);
    trace_clear();
    close_fd(client);
    close_fd(accept.fd);
    close_rig();
}

TEST_NO_SWEEP(fault_abort,
              "abort=N: connections are given up before they are accepted: passed over, their clients reset", RIG)
{
    struct asyncio_address address = at("127.0.0.1", 80);
    struct asyncio_op accept = {.opcode = ASYNCIO_OP_ACCEPT, .flags = ASYNCIO_OP_NOWAIT};
    int clients[40], accepted = 0, aborted = 0;

    open_rig("sim:1,abort=50");
    accept.fd = open_at(&address, SOCK_STREAM);
    for (int i = 0; i < 40; i++)
        EXPECT_INT(connect_new(&address, &clients[i]), 0);
    for (int64_t fd; (fd = call(accept)) >= 0; accepted++)
        close_fd((int)fd);
    for (int i = 0; i < 40; i++) {
        int64_t n = recv_bytes(clients[i]);

        EXPECT(n == 0 || n == -ECONNRESET);
        aborted += n == -ECONNRESET;
        close_fd(clients[i]);
    }
    EXPECT(accepted > 10 && aborted > 10);
    EXPECT_INT(accepted + aborted, 40);
    close_fd(accept.fd);
    close_rig();

    /* Room in the backlog comes of it as of an accept. */
    open_rig("sim:1,abort=100");
    accept.fd = make_socket(AF_INET);
    EXPECT_INT(bind_at(accept.fd, &address), 0);
    EXPECT_INT(listen_on(accept.fd, 1), 0);
    struct probe second = {0};
    EXPECT_INT(connect_new(&address, &clients[0]), 0);
    clients[1] = make_socket(AF_INET);
    EXPECT(!start_connect(&second, "second", clients[1], address.data.bytes, address.size));
    EXPECT_INT(call(accept), -EAGAIN);
    look();
    EXPECT_TRACE("second: 0\n");
    close_fd(clients[0]);
    close_fd(clients[1]);
    close_fd(accept.fd);
    close_rig();
}

/* --------------------------------------------------------------------------------------------------------- Buffers */

/* Keeps the buffer of a completion, which the test hands back. */
static void *kept[8];
static int n_kept;

static void keep_buffer(struct asyncio_op *op)
{
    struct probe *probe = (struct probe *)op;

    trace("%s: %s", probe->name, said(op->result));
    probe->ended = !(op->completion & ASYNCIO_OP_MORE);
    if (op->completion & ASYNCIO_OP_BUFFER)
        kept[n_kept++] = op->buffer.data;
}

static void hand_back(void)
{
    ops->release(backend, -1, kept[--n_kept]);
}

TEST_NO_SWEEP(fault_buffers, "buffers=N: with so many lent, further data wait until one is handed back, in turn", RIG)
{
    static const char *const names[] = {"a", "b", "c"};
    struct probe readers[3] = {0};
    int fds[3][2];

    n_kept = 0;
    open_rig("sim:1,buffers=2");
    for (int i = 0; i < 3; i++) {
        make_pair(fds[i]);
        EXPECT(!start_standing_recv(&readers[i], names[i], fds[i][0]));
        readers[i].op.complete = keep_buffer;
    }
    look_often();
    for (int i = 0; i < 3; i++)
        send_text(fds[i][1], "x");
    look_often();
    EXPECT_TRACE("a: 1\nb: 1\n");
    send_text(fds[0][1], "yy");
    look_often();
    EXPECT_TRACE("");
    EXPECT_INT(ops->pending(backend), 0);
    hand_back();
    EXPECT(ops->pending(backend) > 0);
    look_often();
    EXPECT_TRACE("c: 1\n");
    /* Who waits for a buffer can be taken back, and one who needs none lets the next one have it. */
    EXPECT(ops->cancel(backend, &readers[0].op));
    hand_back();
    look_often();
    send_text(fds[1][1], "zzz");
    look_often();
    EXPECT_TRACE("b: 3\n");
    send_text(fds[2][1], "cc");
    look_often();
    close_fd(fds[2][0]);
    look_often();
    EXPECT_TRACE("c: -ASYNCIO_ECLOSED\n");
    while (n_kept > 0)
        hand_back();
    close_fd(fds[1][1]);
    look_often();
    EXPECT_TRACE("b: 0\n");
    EXPECT_INT(recv_now(fds[0][0], kept, sizeof kept), 2);
    close_fd(fds[0][0]);
    close_fd(fds[0][1]);
    close_fd(fds[1][0]);
    close_fd(fds[2][1]);
    close_rig();
}

TEST_NO_SWEEP(buffer_for_who_went, "a buffer that was meant for one who went meanwhile is the next one's", RIG)
{
    static const char *const names[] = {"a", "b", "c"};
    struct probe readers[3] = {0};
    int fds[3][2];

    n_kept = 0;
    open_rig("sim:1,buffers=1");
    for (int i = 0; i < 3; i++) {
        make_pair(fds[i]);
        send_text(fds[i][1], "x");
        EXPECT(!start_standing_recv(&readers[i], names[i], fds[i][0]));
        readers[i].op.complete = keep_buffer;
    }
    look_often();
    EXPECT_TRACE("a: 1\n");
    hand_back();
    EXPECT(ops->cancel(backend, &readers[0].op));
    look_often();
    EXPECT_TRACE("b: 1\n");
    hand_back();
    look_often();
    EXPECT_TRACE("c: 1\n");
    hand_back();
    for (int i = 0; i < 3; i++) {
        close_fd(fds[i][0]);
        close_fd(fds[i][1]);
    }
    look();
    EXPECT_TRACE("b: -ASYNCIO_ECLOSED\nc: -ASYNCIO_ECLOSED\n");
    close_rig();
}

/* ------------------------------------------------------------------------------------------------------- Datagrams */

/* Sends datagrams of 1, 2, 3 ... bytes to `to` and notes how often each arrives. Returns: how many came after one that
 * was sent later. */
static int send_row(struct asyncio_address *to, int receiver, int n, int *ret_arrived)
{
    int sender = make_typed(domain_of(to), SOCK_DGRAM), overtaken = 0, latest = 0;
    static char data[100];
    int64_t size;

    memset(ret_arrived, 0, (size_t)(n + 1) * sizeof *ret_arrived);
    for (int i = 1; i <= n; i++)
        EXPECT_INT(call((struct asyncio_op){.opcode = ASYNCIO_OP_SENDTO,
                                            .flags = ASYNCIO_OP_NOWAIT,
                                            .fd = sender,
                                            .datagram = {data, (size_t)i, to, 0}}),
                   i);
    while ((size = recv_now(receiver, data, sizeof data)) > 0) {
        ret_arrived[size]++;
        overtaken += size < latest;
        latest = size > latest ? (int)size : latest;
    }
    close_fd(sender);
    return overtaken;
}

TEST_NO_SWEEP(fault_datagrams, "lose, twice, reorder: what the internet does to datagrams; a Unix socket's are safe",
              RIG)
{
    static const struct {
        const char *asked;
        bool lose, twice, reorder;
    } cases[] = {
        {"sim:1", false, false, false},
        {"sim:1,lose=30", true, false, false},
        {"sim:1,twice=30", false, true, false},
        {"sim:1,reorder=30", false, false, true},
        {"sim:1,lose=30,twice=30,reorder=30", true, true, true},
    };
    struct asyncio_address inet = at("127.0.0.1", 53), local = at_path("@faults");

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int arrived[61], lost = 0, doubled = 0, overtaken, receiver;

        open_rig(cases[i].asked);
        receiver = open_at(&inet, SOCK_DGRAM);
        overtaken = send_row(&inet, receiver, 60, arrived);
        for (int size = 1; size <= 60; size++) {
            EXPECT(arrived[size] <= 2);
            lost += arrived[size] == 0;
            doubled += arrived[size] == 2;
        }
        EXPECT(cases[i].lose ? lost > 5 && lost < 40 : lost == 0);
        EXPECT(cases[i].twice ? doubled > 5 && doubled < 40 : doubled == 0);
        EXPECT(cases[i].reorder ? overtaken > 5 : overtaken == 0);
        close_fd(receiver);
        receiver = open_at(&local, SOCK_DGRAM);
        EXPECT_INT(send_row(&local, receiver, 10, arrived), 0);
        for (int size = 1; size <= 10; size++)
            EXPECT_INT(arrived[size], 1);
        close_fd(receiver);
        close_rig();
    }
}

TEST_NO_SWEEP(full_queue_of_datagrams,
              "a datagram of the internet that finds its queue full is lost; SO_RCVBUF is how long", RIG)
{
    struct asyncio_address to = at("127.0.0.1", 53);
    static int arrived[100];
    int receiver, there = 0;

    open_rig("sim:1");
    receiver = open_at(&to, SOCK_DGRAM);
    EXPECT_INT(set_option(receiver, SOL_SOCKET, SO_RCVBUF, 5000), 0);
    EXPECT_INT(send_row(&to, receiver, 99, arrived), 0);
    for (int size = 1; size <= 99; size++) {
        there += arrived[size];
        EXPECT_INT(arrived[size], size <= 20);
    }
    EXPECT_INT(there, 20);
    close_fd(receiver);
    close_rig();
    /* The second of two that are the same may be the one too many. */
    open_rig("sim:1,twice=100");
    receiver = open_at(&to, SOCK_DGRAM);
    EXPECT_INT(set_option(receiver, SOL_SOCKET, SO_RCVBUF, 5200), 0);
    EXPECT_INT(send_row(&to, receiver, 99, arrived), 0);
    EXPECT_INT(arrived[10], 2);
    EXPECT_INT(arrived[11], 1);
    EXPECT_INT(arrived[12], 0);
    close_fd(receiver);
    close_rig();
}
