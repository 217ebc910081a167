/* test_sockets.c -- sockets of the library: what is sent and received, connections, and what a cancel does. */
#include "socket_rig.h"

#include <unistd.h>

/* -------------------------------------------------------------------------------------------- Sending and receiving */

static int receive_what_comes(void *arg)
{
    char data[8] = "";

    (void)arg;
    make_pair();
    spawn(receiver, a, "receiver");
    EXPECT_INT(asyncio_sleep(2), 0);
    EXPECT_INT(asyncio_sock_sendall(b, "h", 1), 0);
    all_done();
    EXPECT_INT(asyncio_sock_sendall(b, "abc", 3), 0);
    EXPECT_INT(receive(a, data, 1), 1);
    EXPECT_STR(data, "a");
    EXPECT_INT(asyncio_socket_shutdown(b, SHUT_WR), 0);
    memset(data, 0, sizeof data);
    for (ssize_t r, n = 0; (r = receive(a, data + n, sizeof data - 1 - (size_t)n)) > 0;)
        n += r;
    EXPECT_STR(data, "bc");
    EXPECT_INT(receive(a, data, sizeof data), 0);
    return end();
}

TEST(recv_waits, "IO-02: a receive takes what is there, waits for the first byte, and finds the end")
{
    EXPECT_INT(play(receive_what_comes), 0);
    EXPECT_TRACE("[2.000] receiver: 1, h\n");
}

static int partly(void *arg)
{
    static char data[100 * 1000];
    ssize_t r = 1;
    size_t n = 0;

    (void)arg;
    make_pair();
    spawn(send_much, b, "sender");
    EXPECT_INT(asyncio_sleep(3), 0);
    EXPECT(!asyncio_future_done(crew[0]));
    while (n < MUCH && r > 0) {
        r = receive(a, data, sizeof data);
        for (ssize_t i = 0; i < r; i++, n++)
            if (data[i] != (char)(n * 7 + n / 253))
                FAIL("byte %zu is another", n);
    }
    EXPECT_INT(n, MUCH);
    all_done();
    return end();
}

TEST(sendall_in_parts, "IO-03: what the kernel takes in parts is sent whole and in order")
{
    EXPECT_INT(play(partly), 0);
    EXPECT_TRACE("[3.000] sender: 0\n");
}

static int nothing_to_send(void *arg)
{
    struct asyncio_future *self = asyncio_current_task();

    (void)arg;
    make_pair();
    EXPECT_INT(asyncio_sock_sendall(a, NULL, 0), 0);
    EXPECT_INT(asyncio_sock_sendall(a, "x", 0), 0);
    EXPECT_INT(asyncio_sock_send(a, "x", 0), 0);
    cancel(self);
    EXPECT_INT(asyncio_sock_sendall(a, "x", 0), -ECANCELED);
    EXPECT_INT(asyncio_socket_shutdown(a, SHUT_WR), 0);
    EXPECT_INT(receive(b, &(char){0}, 1), 0);
    return end();
}

TEST(sendall_of_nothing, "IO-03: no data are sent at once, by nothing at all; only a cancel is met")
{
    EXPECT_INT(play(nothing_to_send), 0);
}

static int wait_for_room(void *arg)
{
    static char data[65536];
    struct asyncio_op op = {.opcode = ASYNCIO_OP_RECV, .flags = ASYNCIO_OP_NOWAIT, .buffer = {data, sizeof data, 0}};

    (void)arg;
    make_pair();
    fill(a);
    spawn(send_when_full, a, "sender");
    EXPECT_INT(asyncio_sleep(1), 0);
    op.fd = asyncio_socket_fileno(b);
    do
        asyncio_op_submit(asyncio_get_running_loop(), &op);
    while (op.result > 0);
    all_done();
    return end();
}

TEST(send_waits, "IO-03: a send waits while the kernel takes nothing, then sends what it takes")
{
    EXPECT_INT(play(wait_for_room), 0);
    EXPECT_TRACE("[1.000] sender: some\n");
}

static int broken_pipe(void *arg)
{
    (void)arg;
    make_pair();
    b = asyncio_socket_unref(b);
    EXPECT_INT(asyncio_sock_sendall(a, "x", 1), -EPIPE);
    EXPECT_INT(asyncio_sock_send(a, "x", 1), -EPIPE);
    return end();
}

TEST(send_to_nobody, "IO-03: a send to a peer that has gone is an error and no signal")
{
    EXPECT_INT(play(broken_pipe), 0);
}

/* -------------------------------------------------------------------------------------------------------- Datagrams */

static struct asyncio_socket *bound_datagram(struct asyncio_address *ret_address)
{
    struct asyncio_socket *socket = NULL;

    EXPECT_INT(asyncio_socket(AF_INET, SOCK_DGRAM, 0, &socket), 0);
    EXPECT_INT(asyncio_address_parse(ret_address, "127.0.0.1", 0), 0);
    EXPECT_INT(asyncio_socket_bind(socket, ret_address), 0);
    EXPECT_INT(asyncio_socket_getsockname(socket, ret_address), 0);
    return socket;
}

static int datagram_receiver(void *arg)
{
    struct asyncio_address from = {0};
    char data[4] = "";
    ssize_t r = asyncio_sock_recvfrom(arg, data, 3, &from);

    trace("%s: %s %s from %s", me(), said(r), data,
          asyncio_address_port(&from) == asyncio_address_port(&address) ? "b" : "another");
    return r < 0 ? (int)r : 0;
}

static int datagrams(void *arg)
{
    struct asyncio_address at_a = {0};
    char data[8] = "";

    (void)arg;
    a = bound_datagram(&at_a);
    b = bound_datagram(&address);
    spawn(datagram_receiver, a, "receiver");
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT_INT(asyncio_sock_sendto(b, "abcdef", 6, &at_a), 6);
    all_done();
    EXPECT_INT(asyncio_sock_sendto(b, "", 0, &at_a), 0);
    EXPECT_INT(asyncio_sock_sendto(b, "xyz", 3, &at_a), 3);
    EXPECT_INT(broken ? -EIO : asyncio_sock_recvfrom(a, data, sizeof data, NULL), 0);
    EXPECT_INT(receive(a, data, sizeof data), 3);
    EXPECT_STR(data, "xyz");
    EXPECT(asyncio_sock_sendto(b, "q", 1, NULL) < 0);
    EXPECT_INT(asyncio_sock_connect(b, &at_a), 0);
    EXPECT_INT(asyncio_sock_sendto(b, "q", 1, NULL), 1);
    EXPECT_INT(receive(a, data, sizeof data), 1);
    return end();
}

TEST(datagrams, "IO-02 IO-03: datagrams come one by one with who sent them; what does not fit is lost, none is empty")
{
    EXPECT_INT(play(datagrams), 0);
    EXPECT_TRACE("[1.000] receiver: 3 abc from b\n");
}

/* ------------------------------------------------------------------------------------------------------ Connections */

static int connector(void *arg)
{
    trace("%s: %s", me(), said(asyncio_sock_connect(arg, &address)));
    return 0;
}

/* Connects to `address`, where `listener` listens, and has something sent. */
static void exchange(int domain)
{
    struct asyncio_address peer = {0}, own = {0};
    char data[8] = "", peer_text[120] = "", own_text[120] = "";

    EXPECT_INT(asyncio_socket(domain, SOCK_STREAM, 0, &a), 0);
    spawn(connector, a, "connector");
    EXPECT_INT(asyncio_sock_accept(listener, &b, &peer), 0);
    all_done();
    EXPECT_INT(asyncio_socket_getsockname(a, &own), 0);
    asyncio_address_format(&peer, peer_text, sizeof peer_text);
    asyncio_address_format(&own, own_text, sizeof own_text);
    EXPECT_STR(peer_text, own_text);
    EXPECT_INT(asyncio_socket_getpeername(a, &peer), 0);
    asyncio_address_format(&peer, peer_text, sizeof peer_text);
    asyncio_address_format(&address, own_text, sizeof own_text);
    EXPECT_STR(peer_text, own_text);
    EXPECT_INT(asyncio_sock_sendall(b, "x", 1), 0);
    EXPECT_INT(receive(a, data, sizeof data), 1);
}

static int connect_in(void *arg)
{
    (void)arg;
    make_listener();
    exchange(AF_INET);
    return end();
}

TEST(connect_and_accept, "IO-04 IO-05: a connection over TCP; both ends know each other's address")
{
    EXPECT_INT(play(connect_in), 0);
    EXPECT_TRACE("[0.000] connector: 0\n");
}

static int connect_in6(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_socket(AF_INET6, SOCK_STREAM, 0, &listener), 0);
    EXPECT_INT(asyncio_address_parse(&address, "::1", 0), 0);
    if (asyncio_socket_bind(listener, &address) == -EADDRNOTAVAIL) {
        end();
        return 1;
    }
    EXPECT_INT(asyncio_socket_listen(listener, 1), 0);
    EXPECT_INT(asyncio_socket_getsockname(listener, &address), 0);
    exchange(AF_INET6);
    return end();
}

TEST(connect_and_accept_v6, "IO-04 IO-05 #86: the same over IPv6, where the machine has it")
{
    if (play(connect_in6) == 1)
        SKIP("no IPv6 here");
    EXPECT_TRACE("[0.000] connector: 0\n");
}

static void unix_address(void)
{
    char path[64];

    snprintf(path, sizeof path, "@asyncio-sockets-%d", (int)getpid());
    EXPECT_INT(asyncio_address_unix(&address, path), 0);
}

static int connect_unix(void *arg)
{
    (void)arg;
    unix_address();
    EXPECT_INT(asyncio_socket(AF_UNIX, SOCK_STREAM, 0, &listener), 0);
    EXPECT_INT(asyncio_socket_bind(listener, &address), 0);
    EXPECT_INT(asyncio_socket_listen(listener, 1), 0);
    exchange(AF_UNIX);
    return end();
}

TEST(connect_and_accept_unix, "IO-04 IO-05: the same over a Unix socket")
{
    EXPECT_INT(play(connect_unix), 0);
    EXPECT_TRACE("[0.000] connector: 0\n");
}

static int refused(void *arg)
{
    (void)arg;
    make_listener();
    listener = asyncio_socket_unref(listener);
    EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, &a), 0);
    EXPECT_INT(asyncio_sock_connect(a, &address), -ECONNREFUSED);
    EXPECT_INT(asyncio_socket(AF_UNIX, SOCK_STREAM, 0, &b), 0);
    EXPECT_INT(asyncio_address_unix(&address, "/nowhere/at/all"), 0);
    EXPECT_INT(asyncio_sock_connect(b, &address), -ENOENT);
    unix_address();
    EXPECT_INT(asyncio_sock_connect(b, &address), -ECONNREFUSED);
    EXPECT_INT(asyncio_sock_connect(a, &address) < 0, 1);
    return end();
}

TEST(connect_refused, "IO-04: where nobody listens, and where nothing is")
{
    EXPECT_INT(play(refused), 0);
}

static int interrupted_loop(struct asyncio_loop **ret_loop)
{
    char backend[100];

    snprintf(backend, sizeof backend, "sim:%llu,eintr=70,later=50,delay=1000", (unsigned long long)test_seed());
    return asyncio_new_event_loop(ret_loop, .backend = backend);
}

TEST_SIM(connect_interrupted, "IO-04 IO-02 #85: signals that interrupt it make a connect take longer, and that is all")
{
    EXPECT_INT(asyncio_run(connect_in, NULL, .loop_factory = interrupted_loop), 0);
    dismiss_crew();
    trace_clear();
}

/* Accepts connections of which only one lives, and says what that one sent. */
static int accept_after_reset(void *arg)
{
    struct asyncio_address peer = {.size = 5};
    char data[8] = "";
    struct linger abortive = {.l_onoff = 1, .l_linger = 0};

    (void)arg;
    make_listener();
    EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, &a), 0);
    EXPECT_INT(asyncio_sock_connect(a, &address), 0);
    EXPECT_INT(asyncio_socket_setsockopt(a, SOL_SOCKET, SO_LINGER, &abortive, sizeof abortive), 0);
    a = asyncio_socket_unref(a);
    EXPECT_INT(asyncio_sock_accept(listener, &b, &peer), 0);
    EXPECT(asyncio_address_family(&peer) == AF_INET || peer.size == 0);
    EXPECT(receive(b, data, sizeof data) <= 0);
    return end();
}

TEST(accept_after_reset, "IO-05: a connection that was reset while it waited is accepted, and then found broken")
{
    EXPECT_INT(play(accept_after_reset), 0);
}

/* ------------------------------------------------------------------------------------------------------ Cancelling */

static int cancel_and_retry(void *arg)
{
    (void)arg;
    make_pair();
    spawn(receiver, a, "first");
    EXPECT_INT(asyncio_sleep(1), 0);
    cancel(crew[0]);
    spawn(receiver, a, "second");
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT_INT(asyncio_sock_sendall(b, "x", 1), 0);
    all_done();
    return end();
}

TEST(recv_cancelled, "IO-06 #69: after a cancel the next receive on the same socket finds nothing of the old one")
{
    EXPECT_INT(play(cancel_and_retry), 0);
    EXPECT_TRACE("[1.000] first: -ECANCELED\n[2.000] second: 1, x\n");
}

static int retry_inside(void *arg)
{
    char data[4] = "";
    ssize_t r = asyncio_sock_recv(arg, data, 1);

    trace("%s: %s, again", me(), said(r));
    r = asyncio_sock_recv(arg, data, 1);
    trace("%s: %s", me(), said(r));
    return r < 0 ? (int)r : 0;
}

static int cancel_who_retries(void *arg)
{
    (void)arg;
    make_pair();
    spawn(retry_inside, a, "A");
    EXPECT_INT(asyncio_sleep(1), 0);
    cancel(crew[0]);
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT_INT(asyncio_sock_sendall(b, "x", 1), 0);
    all_done();
    return end();
}

TEST(recv_cancelled_and_retried, "IO-06 #69: who is cancelled may wait on the same socket again at once")
{
    EXPECT_INT(play(cancel_who_retries), 0);
    EXPECT_TRACE("[1.000] A: -ECANCELED, again\n[2.000] A: 1\n");
}

static int cancel_accept(void *arg)
{
    (void)arg;
    make_listener();
    spawn(acceptor, listener, "first");
    EXPECT_INT(asyncio_sleep(1), 0);
    cancel(crew[0]);
    spawn(acceptor, listener, "second");
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, &a), 0);
    EXPECT_INT(asyncio_sock_connect(a, &address), 0);
    all_done();
    return end();
}

TEST(accept_cancelled, "IO-06 #71: of an accept that was cancelled nothing is left")
{
    EXPECT_INT(play(cancel_accept), 0);
    EXPECT_TRACE("[1.000] first: -ECANCELED\n[2.000] second: 0\n");
}

/* What became of the one connection and of the one cancel. */
static int n_connections, n_cancels;

/* Accepts until there is a connection, then waits for the cancel if that has not come yet. */
static int accept_anyway(void *arg)
{
    struct asyncio_socket *accepted = NULL;
    int r;

    while ((r = asyncio_sock_accept(arg, &accepted, NULL)) == -ECANCELED)
        n_cancels++;
    n_connections += r == 0;
    if (n_cancels == 0 && asyncio_sleep(1) == -ECANCELED)
        n_cancels++;
    asyncio_socket_unref(accepted);
    return 0;
}

static void cancel_the_last(struct asyncio_node *node)
{
    (void)node;
    cancel(crew[crew_size - 1]);
}

/* The cancel comes so many turns after the connection was made; -1: in the turn after the poll that makes it, if that
 * takes one, before the acceptor has run. */
static void cancel_turns_later(int n_turns)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_node node;

    n_connections = n_cancels = 0;
    asyncio_node_init(&node, cancel_the_last, NULL);
    spawn(accept_anyway, listener, "acceptor");
    turns(2);
    EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, &a), 0);
    if (n_turns < 0)
        asyncio_loop_schedule(loop, &node);
    EXPECT_INT(asyncio_sock_connect(a, &address), 0);
    turns(n_turns);
    if (n_turns >= 0)
        asyncio_loop_schedule(loop, &node);
    all_done();
    EXPECT_INT(n_connections, 1);
    EXPECT_INT(n_cancels, 1);
    a = asyncio_socket_unref(a);
}

static int cancel_in_the_step(void *arg)
{
    (void)arg;
    make_listener();
    for (int n_turns = -1; n_turns < 4; n_turns++)
        cancel_turns_later(n_turns);
    return end();
}

TEST_NO_SWEEP(
    accept_cancelled_late,
    "IO-05 #72 R3: an accept that is cancelled when a connection comes has not lost it, and the cancel is not "
    "lost either",
    "it goes on until there is a connection")
{
    EXPECT_INT(play(cancel_in_the_step), 0);
}

/* Connects sockets to a listener that accepts nobody, until one has to wait, the last one. Returns: how many. */
static int connect_until_one_waits(struct asyncio_socket *sockets[8])
{
    int n = 0;

    EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, &listener), 0);
    EXPECT_INT(asyncio_address_parse(&address, "127.0.0.1", 0), 0);
    EXPECT_INT(asyncio_socket_bind(listener, &address), 0);
    EXPECT_INT(asyncio_socket_listen(listener, 0), 0);
    EXPECT_INT(asyncio_socket_getsockname(listener, &address), 0);
    do {
        EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, &sockets[n]), 0);
        spawn(connector, sockets[n++], "connector");
        EXPECT_INT(asyncio_sleep(0.001), 0);
    } while (n < 8 && asyncio_future_done(crew[crew_size - 1]));
    EXPECT(!asyncio_future_done(crew[crew_size - 1]));
    trace_clear();
    return n;
}

static int cancel_connect(void *arg)
{
    struct asyncio_socket *sockets[8] = {NULL};
    int n, fd;

    (void)arg;
    n = connect_until_one_waits(sockets);
    fd = asyncio_socket_fileno(sockets[n - 1]);
    cancel(crew[crew_size - 1]);
    all_done();
    asyncio_socket_unref(sockets[--n]);
    make_pair();
    EXPECT_INT(asyncio_socket_fileno(a), fd);
    fill(a);
    spawn(send_when_full, a, "another");
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT(!asyncio_future_done(crew[crew_size - 1]));
    b = asyncio_socket_unref(b);
    all_done();
    while (n > 0)
        asyncio_socket_unref(sockets[--n]);
    return end();
}

TEST(connect_cancelled, "IO-06 #70: of a connect that was cancelled nothing is left when its fd's number is used again")
{
    EXPECT_INT(play(cancel_connect), 0);
    EXPECT(strstr(transcript(), "connector: -ECANCELED\n"));
    EXPECT(strstr(transcript(), "another: -EPIPE\n") || strstr(transcript(), "another: -ECONNRESET\n"));
    trace_clear();
}
