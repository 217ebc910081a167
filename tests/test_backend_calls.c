/* What every back end promises of operations without waiting, of vectors, datagrams, names, options, files, and of
 * fds that leave the library. */
#include "rig.h"

#include <limits.h>
#include <stdlib.h>

/* ----------------------------------------------------------------------------------------------------- Not waiting */

static struct asyncio_op recv_op(struct probe *probe, int fd, int flags)
{
    return (struct asyncio_op){.opcode = ASYNCIO_OP_RECV,
                               .flags = (uint8_t)flags,
                               .fd = fd,
                               .buffer = {.data = probe->data, .size = sizeof probe->data}};
}

/* Receives without waiting. */
static int64_t recv_nowait(int fd)
{
    struct probe probe;

    return call(recv_op(&probe, fd, ASYNCIO_OP_NOWAIT));
}

/* The same, when what it takes may not have been heard of yet. */
static int64_t recv_soon(int fd)
{
    int64_t result = -EAGAIN;

    for (int i = 0; i < 5 && result == -EAGAIN; i++) {
        look();
        result = recv_nowait(fd);
    }
    return result;
}

TEST_NO_SWEEP(nowait, "an operation that shall not wait says -EAGAIN, and is done by submit", RIG)
{
    static char block[65536];
    struct asyncio_op send = {
        .opcode = ASYNCIO_OP_SEND, .flags = ASYNCIO_OP_NOWAIT, .buffer = {block, sizeof block, 0}};
    int64_t sent = 0, received = 0, n;
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    EXPECT_INT(recv_nowait(fds[0]), -EAGAIN);
    EXPECT_INT(recv_nowait(fds[0]), -EAGAIN);
    send_text(fds[1], "abc");
    EXPECT_INT(recv_nowait(fds[0]), 3);
    EXPECT_INT(recv_nowait(fds[0]), -EAGAIN);
    send.fd = fds[1];
    while ((n = call(send)) > 0)
        sent += n;
    EXPECT_INT(n, -EAGAIN);
    while ((n = recv_soon(fds[0])) > 0)
        received += n;
    EXPECT_INT(received, sent);
    EXPECT_INT(ops->pending(backend), 0);
    close_fd(fds[1]);
    EXPECT_INT(recv_soon(fds[0]), 0);
    close_fd(fds[0]);
    close_rig();
}

TEST_NO_SWEEP(nowait_of_poll_and_accept, "polls and accepts do without waiting too", RIG)
{
    struct sockaddr_un address = unix_address("asyncio-test-nowait-accept");
    struct asyncio_op poll = {.opcode = ASYNCIO_OP_POLL, .flags = ASYNCIO_OP_NOWAIT, .poll.events = ASYNCIO_READABLE};
    struct asyncio_op accept = {.opcode = ASYNCIO_OP_ACCEPT, .flags = ASYNCIO_OP_NOWAIT};
    struct probe connecting = {0};
    int64_t server;

    open_rig(test_backend());
    poll.fd = accept.fd = make_socket(AF_UNIX);
    EXPECT_INT(bind_to(poll.fd, &address, sizeof address), 0);
    EXPECT_INT(listen_on(poll.fd, 5), 0);
    EXPECT_INT(call(poll), -EAGAIN);
    EXPECT_INT(call(accept), -EAGAIN);
    start_connect(&connecting, "connect", make_socket(AF_UNIX), &address, sizeof address);
    EXPECT_TRACE("connect: 0 at once\n");
    EXPECT_INT(call(poll), ASYNCIO_READABLE);
    server = call(accept);
    EXPECT(server > 0);
    EXPECT_INT(call(accept), -EAGAIN);
    close_fd((int)server);
    close_fd(connecting.op.fd);
    close_fd(poll.fd);
    close_rig();
}

TEST_NO_SWEEP(nowait_beside_others,
              "D-05: not waiting is -EBUSY where somebody waits in this direction, and leaves that one alone", RIG)
{
    struct probe reader = {0};
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    EXPECT_INT(recv_nowait(fds[0]), -EBUSY);
    send_text(fds[0], "the other direction");
    EXPECT_INT(recv_nowait(fds[1]), 19);
    send_text(fds[1], "x");
    EXPECT_INT(recv_nowait(fds[0]), -EBUSY);
    wait_for(&reader, 1);
    EXPECT_TRACE("reader: 1\n");
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(nowait_then_wait, "who was told -EAGAIN while data were on their way gets them by waiting", RIG)
{
    struct probe reader = {0};
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    for (int i = 0; i < 4; i++) {
        /* Known not to be readable. */
        EXPECT(!start_recv(&reader, "reader", fds[0]));
        look_often();
        EXPECT(ops->cancel(backend, &reader.op));
        EXPECT_INT(recv_nowait(fds[0]), -EAGAIN);
        send_text(fds[1], "abc");
        int64_t early = recv_nowait(fds[0]);

        EXPECT(early == -EAGAIN || early == 3);
        if (early == 3)
            continue;
        if (i % 2) {
            if (!start_poll(&reader, "poll", fds[0], ASYNCIO_READABLE, 0))
                wait_for(&reader, 1);
            EXPECT_INT(result_of(&reader), ASYNCIO_READABLE);
        }
        if (!start_recv(&reader, "reader", fds[0]))
            wait_for(&reader, 1);
        EXPECT_INT(result_of(&reader), 3);
    }
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(nowait_misuse, "neither a standing operation nor a connect; ignored where nothing waits anyway", RIG)
{
    struct sockaddr_un address = unix_address("asyncio-test-nowait-misuse");
    struct probe probe = {0};
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    start(&probe, "standing", recv_op(&probe, fds[0], ASYNCIO_OP_NOWAIT | ASYNCIO_OP_STANDING));
    start(&probe, "connect",
          (struct asyncio_op){.opcode = ASYNCIO_OP_CONNECT,
                              .flags = ASYNCIO_OP_NOWAIT,
                              .fd = fds[0],
                              .address = {&address, sizeof address}});
    start(&probe, "closed", recv_op(&probe, 900000, ASYNCIO_OP_NOWAIT));
    start(&probe, "negative", recv_op(&probe, -1, ASYNCIO_OP_NOWAIT));
    start(&probe, "shutdown",
          (struct asyncio_op){
              .opcode = ASYNCIO_OP_SHUTDOWN, .flags = ASYNCIO_OP_NOWAIT, .fd = fds[0], .argument = SHUT_WR});
    EXPECT_TRACE(
        "standing: -EINVAL at once\nconnect: -EINVAL at once\nclosed: -EBADF at once\nnegative: -EBADF at once\n"
        "shutdown: 0 at once\n");
    EXPECT_INT(ops->pending(backend), 0);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

/* --------------------------------------------------------------------------------------------------------- Vectors */

static struct asyncio_op sendv_op(int fd, const struct asyncio_bytes *pieces, size_t n)
{
    return (struct asyncio_op){.opcode = ASYNCIO_OP_SENDV, .fd = fd, .vector = {pieces, n, 0}};
}

TEST_NO_SWEEP(sendv_pieces, "pieces are sent in their order as if they were one; empty ones do no harm", RIG)
{
    static const struct asyncio_bytes pieces[] = {{"ab", 2}, {NULL, 0}, {"c", 1}, {"", 0}, {"def", 3}};
    char data[16] = "";
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    EXPECT_INT(call(sendv_op(fds[0], pieces, 5)), 6);
    EXPECT_INT(recv_now(fds[1], data, sizeof data), 6);
    EXPECT_STR(data, "abcdef");
    EXPECT_INT(call(sendv_op(fds[0], pieces, 0)), 0);
    EXPECT_INT(call(sendv_op(fds[0], NULL, 0)), 0);
    EXPECT_INT(call(sendv_op(fds[0], pieces + 1, 1)), 0);
    EXPECT_INT(recv_now(fds[1], data, sizeof data), -EAGAIN);
    close_fd(fds[1]);
    EXPECT_INT(call(sendv_op(fds[0], pieces, 5)), -EPIPE);
    EXPECT_INT(call(sendv_op(900000, pieces, 5)), -EBADF);
    close_fd(fds[0]);
    close_rig();
}

TEST_NO_SWEEP(sendv_many, "a thousand pieces go at once; what is beyond IOV_MAX is left for the next time", RIG)
{
    static struct asyncio_bytes pieces[IOV_MAX + 1];
    static char numbers[(IOV_MAX + 1) * 2], data[sizeof numbers];
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    for (int i = 0; i <= IOV_MAX; i++) {
        numbers[2 * i] = (char)(i % 251);
        numbers[2 * i + 1] = (char)(i / 251);
        pieces[i] = (struct asyncio_bytes){&numbers[2 * i], 2};
    }
    EXPECT_INT(call(sendv_op(fds[0], pieces, 1000)), 2000);
    EXPECT_INT(recv_now(fds[1], data, sizeof data), 2000);
    EXPECT(memcmp(data, numbers, 2000) == 0);
    EXPECT_INT(call(sendv_op(fds[0], pieces, IOV_MAX + 1)), IOV_MAX * 2);
    EXPECT_INT(recv_now(fds[1], data, sizeof data), IOV_MAX * 2);
    EXPECT(memcmp(data, numbers, IOV_MAX * 2) == 0);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(sendv_waits, "a full buffer makes a vector wait; sent in parts, every byte arrives in order", RIG)
{
    static unsigned char stream[400000], data[7000];
    struct asyncio_bytes pieces[3];
    struct probe writer = {.ended = true};
    size_t sent = 0, received = 0;
    bool waited = false;
    int fds[2];

    for (size_t i = 0; i < sizeof stream; i++)
        stream[i] = (unsigned char)(i % 251);
    open_rig(test_backend());
    make_pair(fds);
    while (received < sizeof stream) {
        if (writer.ended && sent < sizeof stream) {
            size_t third = (sizeof stream - sent) / 3;

            pieces[0] = (struct asyncio_bytes){stream + sent, third};
            pieces[1] = (struct asyncio_bytes){stream + sent + third, third};
            pieces[2] = (struct asyncio_bytes){stream + sent + 2 * third, sizeof stream - sent - 2 * third};
            waited |= !start(&writer, "writer", sendv_op(fds[0], pieces, 3));
        } else {
            int64_t n = recv_now(fds[1], data, sizeof data);

            EXPECT(n > 0 || n == -EAGAIN);
            for (int64_t i = 0; i < n; i++, received++)
                if (data[i] != received % 251)
                    FAIL("byte %zu is another", received);
            look();
        }
        if (writer.ended && writer.op.result) {
            EXPECT(writer.op.result > 0);
            sent += (size_t)writer.op.result;
            writer.op.result = 0;
        }
    }
    EXPECT(waited);
    EXPECT_INT(sent, sizeof stream);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

/* ------------------------------------------------------------------------------------------------------- Datagrams */

static int make_datagram_socket(int domain)
{
    return (int)call((struct asyncio_op){.opcode = ASYNCIO_OP_SOCKET, .make = {.domain = domain, .type = SOCK_DGRAM}});
}

/* A socket at a port of its own, and its address. */
static int bound_datagram_socket(struct asyncio_address *ret_address)
{
    struct sockaddr_in any = port_address(0);
    int fd = make_datagram_socket(AF_INET);

    EXPECT_INT(bind_to(fd, &any, sizeof any), 0);
    EXPECT_INT(call((struct asyncio_op){.opcode = ASYNCIO_OP_SOCKNAME, .fd = fd, .name = {ret_address}}), 0);
    return fd;
}

static int64_t send_to(int fd, const char *text, struct asyncio_address *address)
{
    char copy[32];

    snprintf(copy, sizeof copy, "%s", text);
    return call(
        (struct asyncio_op){.opcode = ASYNCIO_OP_SENDTO, .fd = fd, .datagram = {copy, strlen(text), address, 0}});
}

static struct asyncio_op recvfrom_op(int fd, struct probe *probe, size_t size, struct asyncio_address *address)
{
    return (struct asyncio_op){
        .opcode = ASYNCIO_OP_RECVFROM, .fd = fd, .datagram = {.data = probe->data, .size = size, .address = address}};
}

static bool same(const struct asyncio_address *a, const struct asyncio_address *b)
{
    return a->size > 0 && a->size == b->size && memcmp(a->data.bytes, b->data.bytes, a->size) == 0;
}

TEST_NO_SWEEP(datagrams, "a datagram arrives whole, with who sent it; an empty one is one too", RIG)
{
    struct asyncio_address addresses[2], sender = {0};
    struct probe probe = {0};
    int fds[2];

    open_rig(test_backend());
    for (int i = 0; i < 2; i++)
        fds[i] = bound_datagram_socket(&addresses[i]);
    EXPECT(!start(&probe, "waits", recvfrom_op(fds[0], &probe, 64, &sender)));
    look_often();
    EXPECT_INT(send_to(fds[1], "hello", &addresses[0]), 5);
    EXPECT_INT(send_to(fds[1], "", &addresses[0]), 0);
    EXPECT_INT(send_to(fds[1], "abcdef", &addresses[0]), 6);
    EXPECT_INT(send_to(fds[1], "last", &addresses[0]), 4);
    wait_for(&probe, 1);
    EXPECT(memcmp(probe.data, "hello", 5) == 0);
    EXPECT(same(&sender, &addresses[1]));
    sender.size = 0;
    start(&probe, "empty", recvfrom_op(fds[0], &probe, 64, &sender));
    EXPECT(same(&sender, &addresses[1]));
    start(&probe, "cut", recvfrom_op(fds[0], &probe, 2, &sender));
    EXPECT(memcmp(probe.data, "ab", 2) == 0);
    start(&probe, "from anybody", recvfrom_op(fds[0], &probe, 64, NULL));
    EXPECT(!start(&probe, "none", recvfrom_op(fds[0], &probe, 64, &sender)));
    EXPECT(ops->cancel(backend, &probe.op));
    EXPECT_TRACE("waits: 5\nempty: 0 at once\ncut: 2 at once\nfrom anybody: 4 at once\n");
    EXPECT_INT(send_to(fds[1], "to whom?", NULL), -EDESTADDRREQ);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(datagrams_flow, "each read leaves the others where they are: all are read without a poll in between", RIG)
{
    struct asyncio_address addresses[2];
    struct probe probe = {0};
    int fds[2];

    open_rig(test_backend());
    for (int i = 0; i < 2; i++)
        fds[i] = bound_datagram_socket(&addresses[i]);
    EXPECT(!start(&probe, "first", recvfrom_op(fds[0], &probe, 64, NULL)));
    for (int i = 0; i < 5; i++)
        EXPECT_INT(send_to(fds[1], "abc", &addresses[0]), 3);
    wait_for(&probe, 1);
    for (int i = 0; i < 4; i++) {
        struct asyncio_op op = recvfrom_op(fds[0], &probe, 64, NULL);

        op.flags = ASYNCIO_OP_NOWAIT;
        start(&probe, "next", op);
    }
    EXPECT_TRACE("first: 3\nnext: 3 at once\nnext: 3 at once\nnext: 3 at once\nnext: 3 at once\n");
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(datagrams_connected, "a connected socket needs no address, and hears its peer only", RIG)
{
    struct asyncio_address addresses[3], sender = {0};
    struct probe probe = {0};
    int fds[3];

    open_rig(test_backend());
    for (int i = 0; i < 3; i++)
        fds[i] = bound_datagram_socket(&addresses[i]);
    start_connect(&probe, "connect", fds[0], addresses[1].data.bytes, addresses[1].size);
    EXPECT_INT(send_to(fds[0], "hello", NULL), 5);
    start(&probe, "peer", recvfrom_op(fds[1], &probe, 64, &sender));
    EXPECT(same(&sender, &addresses[0]));
    EXPECT_INT(send_to(fds[2], "stranger", &addresses[0]), 8);
    EXPECT_INT(send_to(fds[1], "peer", &sender), 4);
    start(&probe, "answer", recvfrom_op(fds[0], &probe, 64, &sender));
    EXPECT(same(&sender, &addresses[1]));
    EXPECT_TRACE("connect: 0 at once\npeer: 5 at once\nanswer: 4 at once\n");
    for (int i = 0; i < 3; i++)
        close_fd(fds[i]);
    close_rig();
}

/* ----------------------------------------------------------------------------------------- Names, options and files */

static int64_t name_of(int opcode, int fd, struct asyncio_address *ret_address)
{
    return call((struct asyncio_op){.opcode = (uint8_t)opcode, .fd = fd, .name = {ret_address}});
}

TEST_NO_SWEEP(names, "where a socket is bound and whom it is connected to", RIG)
{
    struct asyncio_address bound = {0}, peer = {0}, client_name = {0}, untouched = {.size = 77};
    struct sockaddr_in any = port_address(0);
    struct probe connecting = {0}, accepting = {0};
    int listener, client, server;

    open_rig(test_backend());
    listener = make_socket(AF_INET);
    client = make_socket(AF_INET);
    EXPECT_INT(bind_to(listener, &any, sizeof any), 0);
    EXPECT_INT(listen_on(listener, 5), 0);
    EXPECT_INT(name_of(ASYNCIO_OP_SOCKNAME, listener, &bound), 0);
    EXPECT_INT(bound.size, sizeof any);
    EXPECT(memcmp(&((struct sockaddr_in *)bound.data.bytes)->sin_port, &any.sin_port, 2) != 0);
    EXPECT_INT(name_of(ASYNCIO_OP_PEERNAME, listener, &untouched), -ENOTCONN);
    EXPECT_INT(name_of(ASYNCIO_OP_PEERNAME, client, &untouched), -ENOTCONN);
    EXPECT_INT(name_of(ASYNCIO_OP_SOCKNAME, 900000, &untouched), -EBADF);
    EXPECT_INT(untouched.size, 77);
    start_connect(&connecting, "connect", client, bound.data.bytes, bound.size);
    wait_for(&connecting, 1);
    start_accept(&accepting, "accept", listener, 0);
    wait_for(&accepting, 1);
    server = (int)result_of(&accepting);
    EXPECT_INT(name_of(ASYNCIO_OP_PEERNAME, client, &peer), 0);
    EXPECT(same(&peer, &bound));
    EXPECT_INT(name_of(ASYNCIO_OP_SOCKNAME, server, &peer), 0);
    EXPECT(same(&peer, &bound));
    EXPECT_INT(name_of(ASYNCIO_OP_SOCKNAME, client, &client_name), 0);
    EXPECT_INT(name_of(ASYNCIO_OP_PEERNAME, server, &peer), 0);
    EXPECT(same(&peer, &client_name));
    close_fd(server);
    close_fd(client);
    close_fd(listener);
    close_rig();
}

TEST_NO_SWEEP(names_of_unix, "a Unix socket's name is what it was bound to; without one, its family only", RIG)
{
    struct sockaddr_un address = unix_address("asyncio-test-names");
    size_t size = offsetof(struct sockaddr_un, sun_path) + 1 + strlen("asyncio-test-names");
    struct asyncio_address name;
    int fds[2], fd;

    open_rig(test_backend());
    make_pair(fds);
    EXPECT_INT(name_of(ASYNCIO_OP_SOCKNAME, fds[0], &name), 0);
    EXPECT_INT(name.size, sizeof(sa_family_t));
    EXPECT_INT(name_of(ASYNCIO_OP_PEERNAME, fds[0], &name), 0);
    EXPECT_INT(name.size, sizeof(sa_family_t));
    EXPECT_INT(((struct sockaddr *)name.data.bytes)->sa_family, AF_UNIX);
    fd = make_socket(AF_UNIX);
    EXPECT_INT(bind_to(fd, &address, size), 0);
    EXPECT_INT(name_of(ASYNCIO_OP_SOCKNAME, fd, &name), 0);
    EXPECT_INT(name.size, size);
    EXPECT(memcmp(name.data.bytes, &address, size) == 0);
    close_fd(fd);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

static int64_t option(int opcode, int fd, int name, void *value, size_t size)
{
    return call((struct asyncio_op){.opcode = (uint8_t)opcode, .fd = fd, .option = {SOL_SOCKET, name, value, size}});
}

TEST_NO_SWEEP(options, "an option is what it was set to; reading it says how large the value is", RIG)
{
    int fd, value = 1, got = 7;
    int64_t wide[2] = {7, 7};

    open_rig(test_backend());
    fd = make_socket(AF_INET);
    EXPECT_INT(option(ASYNCIO_OP_GETSOCKOPT, fd, SO_REUSEADDR, &got, sizeof got), sizeof got);
    EXPECT_INT(got, 0);
    EXPECT_INT(option(ASYNCIO_OP_SETSOCKOPT, fd, SO_REUSEADDR, &value, sizeof value), 0);
    EXPECT_INT(option(ASYNCIO_OP_GETSOCKOPT, fd, SO_REUSEADDR, wide, sizeof wide), sizeof(int));
    memcpy(&got, wide, sizeof got);
    EXPECT_INT(got, 1);
    EXPECT_INT(option(ASYNCIO_OP_SETSOCKOPT, 900000, SO_REUSEADDR, &value, sizeof value), -EBADF);
    EXPECT_INT(option(ASYNCIO_OP_GETSOCKOPT, fd, 9999, &got, sizeof got), -ENOPROTOOPT);
    EXPECT_INT(option(ASYNCIO_OP_SETSOCKOPT, fd, 9999, &value, sizeof value), -ENOPROTOOPT);
    close_fd(fd);
    close_rig();
}

static int64_t unlink_path(const char *path)
{
    return call((struct asyncio_op){.opcode = ASYNCIO_OP_UNLINK, .file = {.path = path}});
}

TEST_NO_SWEEP(socket_files, "a Unix socket's file can be told from another one at its path, and removed", RIG)
{
    char directory[] = "/tmp/asyncio-test-XXXXXX";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct asyncio_op first = {.opcode = ASYNCIO_OP_STAT}, second;
    int fds[2];

    EXPECT(mkdtemp(directory));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", directory);
    first.file.path = address.sun_path;
    second = first;
    open_rig(test_backend());
    EXPECT_INT(call(first), -ENOENT);
    EXPECT_INT(unlink_path(address.sun_path), -ENOENT);
    for (int i = 0; i < 2; i++)
        fds[i] = make_socket(AF_UNIX);
    EXPECT_INT(bind_to(fds[0], &address, sizeof address), 0);
    EXPECT(ops->submit(backend, &first));
    EXPECT_INT(first.result, 0);
    EXPECT(first.file.is_socket);
    EXPECT_INT(bind_to(fds[1], &address, sizeof address), -EADDRINUSE);
    EXPECT_INT(unlink_path(address.sun_path), 0);
    EXPECT_INT(bind_to(fds[1], &address, sizeof address), 0);
    EXPECT(ops->submit(backend, &second));
    EXPECT_INT(second.result, 0);
    EXPECT_INT(second.file.device, first.file.device);
    EXPECT(second.file.is_socket && second.file.inode != first.file.inode);
    EXPECT_INT(unlink_path(address.sun_path), 0);
    close_fd(fds[0]);
    close_fd(fds[1]);
    rmdir(directory);
    close_rig();
}

/* ------------------------------------------------------------------------------------------------------ Forgetting */

static int64_t forget(int fd)
{
    return call((struct asyncio_op){.opcode = ASYNCIO_OP_FORGET, .fd = fd});
}

TEST_NO_SWEEP(
    forget_ends_waits,
    "an fd that leaves the library ends what waits for it with -ASYNCIO_ECLOSED, from the next poll, and stays "
    "open",
    RIG)
{
    static char block[65536];
    struct probe reader = {0}, writer = {0};
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    while (start(
        &writer, "writer",
        (struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fds[0], .buffer = {.data = block, .size = sizeof block}}))
        ;
    trace_clear();
    EXPECT_INT(forget(fds[0]), 0);
    EXPECT_INT(reader.completions + writer.completions, 0);
    EXPECT_INT(ops->poll(backend, INT64_MAX, false), 0);
    EXPECT_TRACE("reader: -ASYNCIO_ECLOSED\nwriter: -ASYNCIO_ECLOSED\n");
    EXPECT_INT(ops->pending(backend), 0);
    EXPECT_INT(forget(900000), -EBADF);
    EXPECT_INT(forget(-1), -EBADF);
    EXPECT_INT(close_fd(fds[0]), 0);
    EXPECT_INT(close_fd(fds[1]), 0);
    close_rig();
}

TEST_NO_SWEEP(forget_a_standing_one, "a standing operation ends too; nothing that comes later is told to it", RIG)
{
    struct probe standing = {0};
    int fds[2];

    open_rig(test_backend());
    make_pair(fds);
    EXPECT(!start_standing_recv(&standing, "standing", fds[0]));
    send_text(fds[1], "a");
    wait_for(&standing, 1);
    EXPECT_INT(forget(fds[0]), 0);
    send_text(fds[1], "b");
    look_often();
    EXPECT_TRACE("standing: 1 more\nstanding: -ASYNCIO_ECLOSED\n");
    /* It may come back. */
    EXPECT_INT(recv_nowait(fds[0]), 1);
    EXPECT(!start_standing_recv(&standing, "again", fds[0]));
    send_text(fds[1], "c");
    wait_for(&standing, 1);
    EXPECT_TRACE("again: 1 more\n");
    EXPECT(ops->cancel(backend, &standing.op));
    EXPECT_INT(forget(fds[0]), 0);
    EXPECT_INT(forget(fds[0]), 0);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}
