/* What only the epoll back end has of the operations that go beyond one buffer: no system call where none can help,
 * ready bits that stay true, files that are sent, sockets that fail, fds that leave the library. */
#include "rig.h"

#include <stdlib.h>

/* ------------------------------------------------------------------------------------------------------ Ready bits */

static struct asyncio_op recv_with(struct probe *probe, int fd, int message_flags)
{
    return (struct asyncio_op){.opcode = ASYNCIO_OP_RECV,
                               .fd = fd,
                               .buffer = {.data = probe->data, .size = sizeof probe->data, .flags = message_flags}};
}

static int64_t recv_nowait(int fd)
{
    struct probe probe;
    struct asyncio_op op = recv_with(&probe, fd, 0);

    op.flags = ASYNCIO_OP_NOWAIT;
    return call(op);
}

/* Makes the back end know that nothing is there to read. */
static void register_empty(int fd)
{
    struct probe reader = {0};

    EXPECT(!start_recv(&reader, "reader", fd));
    look_often();
    EXPECT(ops->cancel(backend, &reader.op));
}

TEST_NO_SWEEP(nowait_without_call, "what is known not to be ready is not tried; the poll that hears of it changes that",
              RIG)
{
    int fds[2];

    open_rig("epoll");
    make_pair(fds);
    register_empty(fds[0]);
    send_text(fds[1], "abc");
    wait_for_kernel(fds[0], POLLIN);
    /* The data are there, so a call would have got them. */
    EXPECT_INT(recv_nowait(fds[0]), -EAGAIN);
    look();
    EXPECT_INT(recv_nowait(fds[0]), 3);
    EXPECT_INT(recv_nowait(fds[0]), -EAGAIN);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(
    lazy_receive,
    "R13: a lazy receive that waits is not done for its owner, but told that it is worth a try; one that need "
    "not wait is done at once",
    RIG)
{
    struct probe reader = {0};
    int fds[2];

    open_rig("epoll");
    make_pair(fds);
    for (int i = 0; i < 2; i++) {
        struct asyncio_op op = recv_with(&reader, fds[0], 0);

        op.flags = ASYNCIO_OP_LAZY;
        EXPECT(!start(&reader, "lazy", op));
        look_often();
        EXPECT_TRACE("");
        send_text(fds[1], "abc");
        wait_for(&reader, i + 1);
        EXPECT_TRACE("lazy: -EAGAIN\n");
        /* The data are still there. */
        EXPECT(start(&reader, "lazy", op));
        EXPECT_TRACE("lazy: 3 at once\n");
    }
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(nowait_of_foreign, "a foreign fd is tried each time, and is left unwatched", RIG)
{
    struct probe probe = {0};
    int fds[2];

    open_rig("epoll");
    foreign_pair(fds);
    struct asyncio_op op = recv_with(&probe, fds[0], 0);
    op.flags = ASYNCIO_OP_NOWAIT | ASYNCIO_OP_FOREIGN;
    EXPECT_INT(call(op), -EAGAIN);
    EXPECT_INT(write(fds[1], "x", 1), 1);
    EXPECT_INT(call(op), 1);
    EXPECT_INT(ops->pending(backend), 0);
    /* It can be the library's own afterwards. */
    EXPECT(!start_recv(&probe, "own", fds[0]));
    EXPECT_INT(call(op), -EBUSY);
    EXPECT(ops->cancel(backend, &probe.op));
    close_fd(fds[0]);
    close(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(short_vector_leaves_bit, "a vector that is sent in part leaves the socket worth trying", RIG)
{
    static char block[3000000];
    const struct asyncio_bytes pieces[] = {{block, 1000}, {block, sizeof block}};
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SENDV, .flags = ASYNCIO_OP_NOWAIT, .vector = {pieces, 2, 0}};
    int64_t n, sent, received = 0;
    int fds[2];

    open_rig("epoll");
    make_pair(fds);
    register_empty(fds[0]);
    look_often();
    op.fd = fds[0];
    sent = call(op);
    EXPECT(sent > 0 && sent < (int64_t)sizeof block);
    /* No poll in between. */
    while ((n = recv(fds[1], block, sizeof block, 0)) > 0)
        received += n;
    EXPECT_INT(received, sent);
    while ((n = call(op)) > 0)
        ;
    EXPECT_INT(n, -EAGAIN);
    while (recv(fds[1], block, sizeof block, 0) > 0)
        ;
    EXPECT_INT(call(op), -EAGAIN);
    look();
    EXPECT(call(op) > 0);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

/* A UDP socket, and one that sends to it. */
static void datagram_sockets(int fds[2])
{
    struct sockaddr_in address = port_address(0);
    socklen_t size = sizeof address;
    struct probe connecting = {0};

    for (int i = 0; i < 2; i++)
        fds[i] = (int)call(
            (struct asyncio_op){.opcode = ASYNCIO_OP_SOCKET, .make = {.domain = AF_INET, .type = SOCK_DGRAM}});
    EXPECT_INT(bind_to(fds[0], &address, sizeof address), 0);
    getsockname(fds[0], (struct sockaddr *)&address, &size);
    start_connect(&connecting, "connect", fds[1], &address, sizeof address);
    EXPECT_TRACE("connect: 0 at once\n");
}

TEST_NO_SWEEP(other_queues, "that there is no error to read does not hide the data that are there", RIG)
{
    struct probe reader = {0};
    int fds[2];

    open_rig("epoll");
    datagram_sockets(fds);
    register_empty(fds[0]);
    send_text(fds[1], "abc");
    wait_for_kernel(fds[0], POLLIN);
    look();
    EXPECT(!start(&reader, "errors", recv_with(&reader, fds[0], MSG_ERRQUEUE)));
    EXPECT(ops->cancel(backend, &reader.op));
    EXPECT(start_recv(&reader, "data", fds[0]));
    EXPECT_TRACE("data: 3 at once\n");
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(refused_datagram,
              "an error of a datagram socket is told to one operation, by its own call; then all goes on, and no poll "
              "spins",
              RIG)
{
    struct probe reader = {0};
    int fds[2], port;
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    open_rig("epoll");
    datagram_sockets(fds);
    getsockname(fds[0], (struct sockaddr *)&address, &size);
    port = ntohs(address.sin_port);
    EXPECT(!start_recv(&reader, "reader", fds[1]));
    look_often();
    close_fd(fds[0]);
    send_text(fds[1], "nobody there");
    wait_for(&reader, 1);
    EXPECT(!start_recv(&reader, "reader", fds[1]));
    /* The error is over: a poll blocks until its deadline. */
    look_often();
    int64_t deadline_ns = ops->now(backend) + 2000000;
    EXPECT_INT(ops->poll(backend, deadline_ns, false), 0);
    EXPECT(ops->now(backend) >= deadline_ns);
    fds[0] =
        (int)call((struct asyncio_op){.opcode = ASYNCIO_OP_SOCKET, .make = {.domain = AF_INET, .type = SOCK_DGRAM}});
    address = port_address(port);
    EXPECT_INT(bind_to(fds[0], &address, sizeof address), 0);
    getsockname(fds[1], (struct sockaddr *)&address, &size);
    EXPECT_INT(sendto(fds[0], "hello", 5, 0, (struct sockaddr *)&address, size), 5);
    wait_for(&reader, 1);
    EXPECT_TRACE("reader: -ECONNREFUSED\nreader: 5\n");
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

/* --------------------------------------------------------------------------------------------------------- Sendfile */

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 7 + i / 251);
}

static FILE *file_of(size_t size)
{
    FILE *file = tmpfile();

    for (size_t i = 0; i < size; i++)
        putc(byte_at(i), file);
    fflush(file);
    return file;
}

static struct asyncio_op sendfile_op(int fd, FILE *file, size_t offset, size_t size)
{
    return (struct asyncio_op){
        .opcode = ASYNCIO_OP_SENDFILE, .fd = fd, .sendfile = {fileno(file), (int64_t)offset, size - offset}};
}

TEST_NO_SWEEP(sendfile_to_slow_reader, "a megabyte of a file through a slow reader: it waits, and every byte is right",
              RIG)
{
    const size_t size = 1000000;
    struct probe writer = {.ended = true};
    size_t sent = 0, received = 0, waits = 0;
    unsigned char data[5000];
    FILE *file;
    int fds[2];

    open_rig("epoll");
    make_pair(fds);
    file = file_of(size);
    while (received < size) {
        if (writer.ended && sent < size)
            waits += !start(&writer, "writer", sendfile_op(fds[0], file, sent, size));
        if (!writer.ended || sent == size) {
            int64_t n = recv_now(fds[1], data, sizeof data);

            EXPECT(n > 0);
            for (int64_t i = 0; i < n; i++, received++)
                if (data[i] != byte_at(received))
                    FAIL("byte %zu is another", received);
            look();
        }
        if (writer.ended && writer.op.result) {
            EXPECT(result_of(&writer) > 0);
            sent += (size_t)result_of(&writer);
            writer.op.result = 0;
        }
    }
    EXPECT(waits > 1);
    EXPECT_INT(sent, size);
    start(&writer, "end", sendfile_op(fds[0], file, size, size + 10));
    EXPECT(strstr(transcript(), "end: 0 at once\n"));
    fclose(file);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(sendfile_to_closed_peer, "the peer closes while a file waits to be sent: -EPIPE, and no SIGPIPE", RIG)
{
    struct probe writer = {0};
    FILE *file;
    int fds[2];

    open_rig("epoll");
    make_pair(fds);
    file = file_of(100000);
    while (start(&writer, "writer", sendfile_op(fds[0], file, 0, 100000)))
        EXPECT(result_of(&writer) > 0);
    trace_clear();
    close_fd(fds[1]);
    wait_for(&writer, 1);
    start(&writer, "again", sendfile_op(fds[0], file, 0, 100000));
    EXPECT_TRACE("writer: -EPIPE\nagain: -EPIPE at once\n");
    fclose(file);
    close_fd(fds[0]);
    close_rig();
}

/* ------------------------------------------------------------------------------------------------------ Forgetting */

static int64_t forget(int fd)
{
    return call((struct asyncio_op){.opcode = ASYNCIO_OP_FORGET, .fd = fd});
}

TEST_NO_SWEEP(forgotten_fd, "the fd is open, and the kernel says nothing more of it: the plain system calls go on", RIG)
{
    struct probe reader = {0};
    char data[8] = "";
    int fds[2];

    open_rig("epoll");
    make_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    EXPECT_INT(forget(fds[0]), 0);
    look();
    EXPECT_TRACE("reader: -ASYNCIO_ECLOSED\n");
    EXPECT_INT(write(fds[1], "abc", 3), 3);
    /* Nothing is watched any more, so not even an event that is dropped ends this poll. */
    int64_t deadline_ns = ops->now(backend) + 2000000;
    EXPECT_INT(ops->poll(backend, deadline_ns, false), 0);
    EXPECT(ops->now(backend) >= deadline_ns);
    EXPECT_INT(read(fds[0], data, sizeof data), 3);
    EXPECT_STR(data, "abc");
    /* Others may watch it now, and so may this one. */
    EXPECT(!start_poll(&reader, "watch", fds[0], ASYNCIO_READABLE, WATCH));
    EXPECT_INT(forget(fds[0]), 0);
    look();
    EXPECT_TRACE("watch: -ASYNCIO_ECLOSED\n");
    close(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

/* Two pairs become ready in one poll; the first to be told lets go of the other's fd and gets its number again. */
struct reuse {
    struct probe probe;
    struct reuse *other;
    int fds[2];
};

static struct probe fresh;

static void forget_other(struct probe *probe)
{
    struct reuse *self = (struct reuse *)probe, *other = self->other;

    if (probe->op.result < 0)
        return;
    EXPECT_INT(forget(other->fds[0]), 0);
    close_foreign(other->fds);
    make_pair(other->fds);
    EXPECT_INT(other->fds[0], other->probe.op.fd);
    EXPECT(!start_recv(&fresh, "fresh", other->fds[0]));
}

TEST_NO_SWEEP(number_of_forgotten_reused, "#68: an event of a forgotten fd does not reach who has its number now", RIG)
{
    struct reuse both[2] = {0};

    open_rig("epoll");
    for (int i = 0; i < 2; i++) {
        make_pair(both[i].fds);
        both[i].other = &both[1 - i];
        both[i].probe.then = forget_other;
        EXPECT(!start_recv(&both[i].probe, i ? "second" : "first", both[i].fds[0]));
    }
    look_often();
    send_text(both[0].fds[1], "abc");
    send_text(both[1].fds[1], "def");
    look_often();
    EXPECT_INT(both[0].probe.op.result + both[1].probe.op.result, 3 - ASYNCIO_ECLOSED);
    EXPECT_INT(fresh.completions, 0);
    send_text(both[0].probe.op.result < 0 ? both[0].fds[1] : both[1].fds[1], "new");
    wait_for(&fresh, 1);
    EXPECT_INT(result_of(&fresh), 3);
    for (int i = 0; i < 4; i++)
        close_fd(both[i / 2].fds[i % 2]);
    close_rig();
}

TEST_NO_SWEEP(number_of_closed_reused, "#68: a number that is closed and made again starts afresh: it is tried", RIG)
{
    int fds[2], again[2];

    open_rig("epoll");
    make_pair(fds);
    for (int i = 0; i < 3; i++) {
        register_empty(fds[0]);
        if (i % 2)
            EXPECT_INT(forget(fds[0]), 0);
        close_fd(fds[0]);
        close_fd(fds[1]);
        make_pair(again);
        EXPECT_INT(again[0], fds[0]);
        send_text(again[1], "x");
        EXPECT_INT(recv_nowait(again[0]), 1);
        fds[1] = again[1];
    }
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}
