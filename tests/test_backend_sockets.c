/* What every back end promises of sockets and pipes: data, ends, errors, connecting. */
#include "rig.h"

/* ----------------------------------------------------------------------------------------------- Sockets and pipes */

TEST_NO_SWEEP(pair_at_once, "what can be done at once is done by submit", RIG)
{
    char data[16];
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    send_text(fds[0], "hello");
    EXPECT_INT(recv_now(fds[1], data, sizeof data), 5);
    EXPECT(memcmp(data, "hello", 5) == 0);
    EXPECT_INT(recv_now(fds[1], data, sizeof data), -EAGAIN);
    send_text(fds[1], "back");
    EXPECT_INT(recv_now(fds[0], data, 2), 2);
    EXPECT_INT(recv_now(fds[0], data, sizeof data), 2);
    EXPECT_INT(ops->pending(backend), 0);
    EXPECT_INT(close_fd(fds[0]), 0);
    EXPECT_INT(close_fd(fds[1]), 0);
    close_rig();
}

TEST_NO_SWEEP(recv_waits, "an operation that has to wait completes once, from poll", RIG)
{
    struct probe reader = {0};
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    for (int i = 0; i < 3; i++) {
        EXPECT(!start_recv(&reader, "reader", fds[0]));
        look_often();
        EXPECT_INT(reader.completions, 0);
        send_text(fds[1], "abc");
        EXPECT_INT(reader.completions, 0);
        wait_for(&reader, 1);
        EXPECT(memcmp(reader.data, "abc", 3) == 0);
        look_often();
    }
    EXPECT_TRACE("reader: 3\nreader: 3\nreader: 3\n");
    EXPECT_INT(ops->pending(backend), 0);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(send_waits, "a full buffer makes a sender wait until its peer has read", RIG)
{
    static char block[65536];
    struct probe writer = {0};
    int64_t filled = 0, drained = 0, n;
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    for (int i = 0; i < 1000; i++) {
        if (!start(&writer, "writer",
                   (struct asyncio_op){
                       .opcode = ASYNCIO_OP_SEND, .fd = fds[0], .buffer = {.data = block, .size = sizeof block}}))
            break;
        filled += writer.op.result;
    }
    EXPECT(!writer.ended && filled > 0);
    while (!writer.ended) {
        look();
        n = recv_now(fds[1], block, sizeof block);
        if (n > 0)
            drained += n;
    }
    EXPECT(result_of(&writer) > 0);
    filled += result_of(&writer);
    while ((n = recv_now(fds[1], block, sizeof block)) > 0)
        drained += n;
    EXPECT_INT(drained, filled);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(busy, "D-05: a second operation on one fd and direction completes at once with -EBUSY", RIG)
{
    struct probe first = {0}, second = {0}, poller = {0};
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    EXPECT(!start_recv(&first, "first", fds[0]));
    EXPECT(start_recv(&second, "second", fds[0]));
    EXPECT(start_standing_recv(&second, "standing", fds[0]));
    EXPECT(start_poll(&poller, "poll", fds[0], ASYNCIO_READABLE, 0));
    EXPECT(start_poll(&poller, "poll both", fds[0], ASYNCIO_READABLE | ASYNCIO_WRITABLE, 0));
    EXPECT(start_poll(&poller, "other direction", fds[0], ASYNCIO_WRITABLE, 0));
    send_text(fds[1], "x");
    wait_for(&first, 1);
    EXPECT(!start_recv(&second, "second", fds[0]));
    EXPECT(ops->cancel(backend, &second.op));
    EXPECT_TRACE("second: -EBUSY at once\nstanding: -EBUSY at once\npoll: -EBUSY at once\npoll both: -EBUSY at once\n"
                 "other direction: 4 at once\nfirst: 1\n");
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(both_directions, "reading and writing on one fd wait side by side", RIG)
{
    static char block[65536];
    struct probe reader = {0}, writer = {0};
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    do
        trace_clear();
    while (start(
        &writer, "writer",
        (struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fds[0], .buffer = {.data = block, .size = sizeof block}}));
    send_text(fds[1], "abcd");
    wait_for(&reader, 1);
    EXPECT(!writer.ended);
    while (!writer.ended) {
        recv_now(fds[1], block, sizeof block);
        look();
    }
    EXPECT(result_of(&writer) > 0);
    EXPECT_INT(result_of(&reader), 4);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(half_close, "what was sent before a half close arrives, then the end; the other way goes on", RIG)
{
    struct probe reader = {0}, writer = {0};
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    send_text(fds[0], "last");
    EXPECT_INT(shut(fds[0], SHUT_WR), 0);
    start_recv(&reader, "data", fds[1]);
    start_recv(&reader, "end", fds[1]);
    start_recv(&reader, "end again", fds[1]);
    start(&writer, "writer",
          (struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fds[0], .buffer = {.data = writer.data, .size = 1}});
    send_text(fds[1], "answer");
    start_recv(&reader, "answer", fds[0]);
    EXPECT(!start_recv(&reader, "waiting", fds[0]));
    EXPECT_INT(shut(fds[1], SHUT_WR), 0);
    wait_for(&reader, 1);
    EXPECT_TRACE("data: 4 at once\nend: 0 at once\nend again: 0 at once\nwriter: -EPIPE at once\nanswer: 6 at once\n"
                 "waiting: 0\n");
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(peer_closes, "a close wakes the peer's reader with the end and fails its writes, without SIGPIPE", RIG)
{
    struct probe reader = {0}, writer = {0};
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    EXPECT_INT(close_fd(fds[1]), 0);
    wait_for(&reader, 1);
    for (int i = 0; i < 2; i++) {
        start(&writer, "send",
              (struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fds[0], .buffer = {.data = writer.data, .size = 1}});
        start(
            &writer, "write",
            (struct asyncio_op){.opcode = ASYNCIO_OP_WRITE, .fd = fds[0], .buffer = {.data = writer.data, .size = 1}});
    }
    EXPECT_TRACE(
        "reader: 0\nsend: -EPIPE at once\nwrite: -EPIPE at once\nsend: -EPIPE at once\nwrite: -EPIPE at once\n");
    close_fd(fds[0]);
    close_rig();
}

TEST_NO_SWEEP(reset, "a close with unread data resets the peer: it is told once", RIG)
{
    struct probe reader = {0};
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    send_text(fds[0], "unread");
    EXPECT_INT(close_fd(fds[1]), 0);
    wait_for(&reader, 1);
    start_recv(&reader, "again", fds[0]);
    EXPECT_TRACE("reader: -ECONNRESET\nagain: 0 at once\n");
    close_fd(fds[0]);
    close_rig();
}

TEST_NO_SWEEP(pipes, "READ and WRITE on a pipe: data, the end, and a broken pipe without SIGPIPE", RIG)
{
    struct probe reader = {0}, writer = {0};
    int fds[2];

    open_rig(test_backend());
    make_pipe(fds);
    EXPECT(!start_read(&reader, "reader", fds[0]));
    memcpy(writer.data, "12345", 5);
    struct asyncio_op write_5 = {.opcode = ASYNCIO_OP_WRITE, .fd = fds[1], .buffer = {.data = writer.data, .size = 5}};
    start(&writer, "writer", write_5);
    wait_for(&reader, 1);
    EXPECT(!start_read(&reader, "end", fds[0]));
    close_fd(fds[1]);
    wait_for(&reader, 1);
    close_fd(fds[0]);
    EXPECT_TRACE("writer: 5 at once\nreader: 5\nend: 0\n");

    make_pipe(fds);
    close_fd(fds[0]);
    write_5.fd = fds[1];
    start(&writer, "broken", write_5);
    start_read(&reader, "wrong end", fds[1]);
    close_fd(fds[1]);
    EXPECT_TRACE("broken: -EPIPE at once\nwrong end: -EBADF at once\n");
    close_rig();
}

TEST_NO_SWEEP(pipe_writes_whole, "a small write to a pipe that is nearly full waits for room for all of it", RIG)
{
    static char block[4096];
    struct probe writer = {0};
    struct asyncio_op op = {.opcode = ASYNCIO_OP_WRITE, .buffer = {.data = block, .size = sizeof block}};
    int fds[2];

    open_rig(test_backend());
    make_pipe(fds);
    op.fd = fds[1];
    while (start(&writer, "writer", op))
        EXPECT_INT(writer.op.result, sizeof block);
    trace_clear();
    struct asyncio_op reads = {
        .opcode = ASYNCIO_OP_READ, .fd = fds[0], .buffer = {.data = block, .size = sizeof block}};
    EXPECT_INT(call(reads), sizeof block);
    wait_for(&writer, 1);
    EXPECT_TRACE("writer: 4096\n");
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(peek, "MSG_PEEK leaves the data where it is", RIG)
{
    struct probe reader = {0};
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    struct asyncio_op peek = {.opcode = ASYNCIO_OP_RECV,
                              .fd = fds[0],
                              .buffer = {.data = reader.data, .size = sizeof reader.data, .flags = MSG_PEEK}};
    EXPECT(!start(&reader, "peek", peek));
    send_text(fds[1], "ab");
    wait_for(&reader, 1);
    start(&reader, "peek", peek);
    start_recv(&reader, "read", fds[0]);
    EXPECT(!start(&reader, "peek", peek));
    EXPECT(ops->cancel(backend, &reader.op));
    EXPECT_TRACE("peek: 2\npeek: 2 at once\nread: 2 at once\n");
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(read_nothing, "transfers of no bytes move none and do not wait", RIG)
{
    struct probe probe = {0};
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    send_text(fds[1], "x");
    struct asyncio_op op = {.opcode = ASYNCIO_OP_RECV, .fd = fds[0], .buffer = {.data = probe.data, .size = 0}};
    start(&probe, "recv", op);
    op.opcode = ASYNCIO_OP_SEND;
    start(&probe, "send", op);
    start_recv(&probe, "rest", fds[0]);
    EXPECT_TRACE("recv: 0 at once\nsend: 0 at once\nrest: 1 at once\n");
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(stop_reading,
              "shutting down the reading end ends its reads, after what had come, and fails the peer's writes", RIG)
{
    struct probe reader = {0}, writer = {0};
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    send_text(fds[1], "ab");
    EXPECT_INT(shut(fds[0], SHUT_RD), 0);
    start_recv(&reader, "reader", fds[0]);
    start_recv(&reader, "reader", fds[0]);
    start(&writer, "peer",
          (struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fds[1], .buffer = {.data = writer.data, .size = 1}});
    send_text(fds[0], "still writes");
    EXPECT_INT(shut(fds[0], SHUT_RDWR), 0);
    start(&writer, "writer",
          (struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fds[0], .buffer = {.data = writer.data, .size = 1}});
    EXPECT_TRACE("reader: 2 at once\nreader: 0 at once\npeer: -EPIPE at once\nwriter: -EPIPE at once\n");
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(poll_states, "what a one-shot poll says of sockets and pipes in each state", RIG)
{
    const unsigned both = ASYNCIO_READABLE | ASYNCIO_WRITABLE;
    struct sockaddr_un address = unix_address("asyncio-test-poll-states");
    struct probe probe = {0}, connecting = {0};
    int pair[2], pipe_fds[2], listener, client;

    open_rig(test_backend());
    make_pair(pair);
    make_pipe(pipe_fds);
    start_poll(&probe, "pair", pair[0], both, 0);
    send_text(pair[1], "x");
    start_poll(&probe, "with data", pair[0], both, 0);
    start_poll(&probe, "pipe", pipe_fds[1], both, 0);
    close_fd(pair[1]);
    close_fd(pipe_fds[0]);
    start_poll(&probe, "hung up", pair[0], both, 0);
    start_poll(&probe, "broken", pipe_fds[1], ASYNCIO_READABLE, 0);
    close_fd(pair[0]);
    close_fd(pipe_fds[1]);
    make_pipe(pipe_fds);
    close_fd(pipe_fds[1]);
    start_poll(&probe, "ended", pipe_fds[0], ASYNCIO_READABLE, 0);
    close_fd(pipe_fds[0]);
    EXPECT_TRACE("pair: 4 at once\nwith data: 5 at once\npipe: 4 at once\nhung up: 5 at once\nbroken: 1 at once\n"
                 "ended: 1 at once\n");

    listener = make_socket(AF_UNIX);
    client = make_socket(AF_UNIX);
    start_poll(&probe, "unconnected", client, both, 0);
    EXPECT_INT(bind_to(listener, &address, sizeof address), 0);
    EXPECT_INT(listen_on(listener, 5), 0);
    EXPECT(!start_poll(&probe, "listener", listener, ASYNCIO_READABLE, 0));
    start_connect(&connecting, "connect", client, &address, sizeof address);
    wait_for(&probe, 1);
    EXPECT_TRACE("unconnected: 5 at once\nconnect: 0 at once\nlistener: 1\n");
    close_fd(client);
    close_fd(listener);
    close_rig();
}

TEST_NO_SWEEP(not_connected, "an unconnected socket neither receives nor shuts down", RIG)
{
    struct probe probe = {0};
    int fd;

    open_rig(test_backend());
    fd = make_socket(AF_INET);
    start_recv(&probe, "recv", fd);
    EXPECT_TRACE("recv: -ENOTCONN at once\n");
    EXPECT_INT(shut(fd, SHUT_WR), -ENOTCONN);
    close_fd(fd);
    close_rig();
}

TEST_NO_SWEEP(bad_operations, "what makes no sense is refused by submit", RIG)
{
    struct probe probe = {0};
    int fds[2], pipe_fds[2];

    open_rig(test_backend());
    make_pair(fds);
    make_pipe(pipe_fds);
    start_recv(&probe, "negative", -1);
    start_recv(&probe, "closed", 900000);
    start_standing_recv(&probe, "standing closed", 900000);
    start_poll(&probe, "poll closed", 900000, ASYNCIO_READABLE, 0);
    start_poll(&probe, "no event", fds[0], 0, 0);
    start_poll(&probe, "odd event", fds[0], 2, 0);
    start(&probe, "standing read",
          (struct asyncio_op){.opcode = ASYNCIO_OP_READ, .flags = ASYNCIO_OP_STANDING, .fd = fds[0]});
    start(&probe, "opcode", (struct asyncio_op){.opcode = 99, .fd = fds[0]});
    start_accept(&probe, "accept", fds[0], 0);
    start_recv(&probe, "recv of pipe", pipe_fds[0]);
    EXPECT_INT(close_fd(900000), -EBADF);
    EXPECT_INT(shut(fds[0], 77), -EINVAL);
    EXPECT_INT(shut(pipe_fds[0], SHUT_RD), -ENOTSOCK);
    EXPECT_TRACE("negative: -EBADF at once\nclosed: -EBADF at once\nstanding closed: -EBADF at once\n"
                 "poll closed: -EBADF at once\nno event: -EINVAL at once\nodd event: -EINVAL at once\n"
                 "standing read: -EINVAL at once\nopcode: -EINVAL at once\naccept: -EINVAL at once\n"
                 "recv of pipe: -ENOTSOCK at once\n");
    for (int i = 0; i < 2; i++) {
        close_fd(fds[i]);
        close_fd(pipe_fds[i]);
    }
    close_rig();
}

/* ------------------------------------------------------------------------------------------------------ Connecting */

static void talk(int client, int server)
{
    char data[8];
    struct probe reader = {0};

    EXPECT(!start_recv(&reader, "server", server));
    send_text(client, "hello");
    wait_for(&reader, 1);
    send_text(server, "hi");
    start_recv(&reader, "client", client);
    wait_for(&reader, 1);
    EXPECT_INT(recv_now(client, data, sizeof data), -EAGAIN);
}

TEST_NO_SWEEP(unix_connection, "bind, listen, connect and accept by a Unix name", RIG)
{
    struct sockaddr_un address = unix_address("asyncio-test-unix-connection");
    struct probe connecting = {0}, accepting = {0};
    int listener, client;

    open_rig(test_backend());
    listener = make_socket(AF_UNIX);
    client = make_socket(AF_UNIX);
    EXPECT(start_connect(&connecting, "too early", client, &address, sizeof address));
    EXPECT_INT(bind_to(listener, &address, sizeof address), 0);
    EXPECT_INT(bind_to(client, &address, sizeof address), -EADDRINUSE);
    EXPECT(start_connect(&connecting, "not listening", client, &address, sizeof address));
    EXPECT_INT(listen_on(listener, 5), 0);
    EXPECT(!start_accept(&accepting, "accept", listener, 0));
    EXPECT(start_connect(&connecting, "connect", client, &address, sizeof address));
    EXPECT_TRACE("too early: -ECONNREFUSED at once\nnot listening: -ECONNREFUSED at once\nconnect: 0 at once\n");
    wait_for(&accepting, 1);
    trace_clear();
    talk(client, (int)result_of(&accepting));
    EXPECT_TRACE("server: 5\nclient: 2 at once\n");
    EXPECT(start_connect(&connecting, "connected", client, &address, sizeof address));
    EXPECT_TRACE("connected: -EISCONN at once\n");
    close_fd((int)result_of(&accepting));
    close_fd(client);
    close_fd(listener);
    client = make_socket(AF_UNIX);
    EXPECT(start_connect(&connecting, "too late", client, &address, sizeof address));
    EXPECT_TRACE("too late: -ECONNREFUSED at once\n");
    close_fd(client);
    close_rig();
}

/* A port that is free now, on any back end. */
static int listen_on_some_port(int listener, struct sockaddr_in *ret_address)
{
    for (int port = 20011; port < 20511; port++) {
        int64_t r;

        *ret_address = port_address(port);
        r = bind_to(listener, ret_address, sizeof *ret_address);
        if (r == 0)
            return (int)listen_on(listener, 50);
        EXPECT_INT(r, -EADDRINUSE);
    }
    return -EADDRINUSE;
}

TEST_NO_SWEEP(tcp_connection, "the same by a port of the loopback address; a connect may wait", RIG)
{
    struct probe connecting = {0}, accepting = {0};
    struct sockaddr_in address;
    int listener, client;

    open_rig(test_backend());
    listener = make_socket(AF_INET);
    client = make_socket(AF_INET);
    EXPECT_INT(listen_on_some_port(listener, &address), 0);
    EXPECT_INT(bind_to(client, &address, sizeof address), -EADDRINUSE);
    start_connect(&connecting, "connect", client, &address, sizeof address);
    wait_for(&connecting, 1);
    EXPECT_INT(result_of(&connecting), 0);
    start_accept(&accepting, "accept", listener, 0);
    wait_for(&accepting, 1);
    EXPECT(result_of(&accepting) > 0);
    trace_clear();
    talk(client, (int)result_of(&accepting));
    EXPECT_TRACE("server: 5\nclient: 2 at once\n");
    close_fd((int)result_of(&accepting));
    start_recv(&connecting, "end", client);
    wait_for(&connecting, 1);
    EXPECT_INT(result_of(&connecting), 0);
    close_fd(client);
    close_fd(listener);
    client = make_socket(AF_INET);
    start_connect(&connecting, "refused", client, &address, sizeof address);
    wait_for(&connecting, 1);
    EXPECT_INT(result_of(&connecting), -ECONNREFUSED);
    close_fd(client);
    close_rig();
}

TEST_NO_SWEEP(poll_before_connect, "a stale event does not make a connect succeed: the fd was registered before it",
              RIG)
{
    struct probe connecting = {0}, polling = {0};
    struct sockaddr_in address;
    int listener, client;

    open_rig(test_backend());
    listener = make_socket(AF_INET);
    client = make_socket(AF_INET);
    EXPECT_INT(listen_on_some_port(listener, &address), 0);
    /* Registers the socket while it counts as hung up. */
    EXPECT(!start_poll(&polling, "poll", client, ASYNCIO_READABLE, ASYNCIO_OP_STANDING));
    wait_for(&polling, 1);
    EXPECT(ops->cancel(backend, &polling.op));
    close_fd(listener);
    start_connect(&connecting, "connect", client, &address, sizeof address);
    wait_for(&connecting, 1);
    EXPECT_INT(result_of(&connecting), -ECONNREFUSED);
    close_fd(client);
    close_rig();
}

TEST_NO_SWEEP(bad_addresses, "addresses of another family, too short or not of this host", RIG)
{
    struct sockaddr_in address = port_address(1), elsewhere = port_address(1);
    int fd;

    open_rig(test_backend());
    fd = make_socket(AF_INET);
    elsewhere.sin_addr.s_addr = htonl(0x0a636363);
    EXPECT_INT(bind_to(fd, &elsewhere, sizeof elsewhere), -EADDRNOTAVAIL);
    EXPECT_INT(bind_to(fd, &address, 4), -EINVAL);
    address.sin_family = AF_INET6;
    EXPECT_INT(bind_to(fd, &address, sizeof address), -EAFNOSUPPORT);
    close_fd(fd);
    fd = make_socket(AF_UNIX);
    EXPECT_INT(listen_on(fd, 1), -EINVAL);
    EXPECT_INT(bind_to(fd, &address, sizeof address), -EINVAL);
    close_fd(fd);
    EXPECT_INT(make_socket(12345), -EAFNOSUPPORT);
    close_rig();
}
