/* What only the simulator has: its clock, its determinism, its faults, its limits. */
#include "rig.h"

#include "backend/sim.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* ----------------------------------------------------------------------------------------------------------- Clock */

TEST_NO_SWEEP(clock_starts_and_jumps,
              "the clock starts where it is told to and jumps to each deadline, in no real time", RIG)
{
    const char *options, *reason;

    EXPECT_INT(asyncio__backend_choose("sim:1", &ops, &options, &reason), 0);
    EXPECT_INT(ops->open(&backend, options, 5000), 0);
    EXPECT_INT(ops->now(backend), 5000);
    EXPECT_INT(ops->now(backend), 5000);
    EXPECT_INT(ops->poll(backend, 5001, false), 0);
    EXPECT_INT(ops->now(backend), 5001);
    EXPECT_INT(ops->poll(backend, 3600 * INT64_C(1000000000), false), 0);
    EXPECT_INT(ops->now(backend), 3600 * INT64_C(1000000000));
    EXPECT_INT(ops->poll(backend, INT64_MAX - 1, false), 0);
    EXPECT_INT(ops->now(backend), INT64_MAX - 1);
    EXPECT_INT(ops->poll(backend, 7, false), 0);
    EXPECT_INT(ops->now(backend), INT64_MAX - 1);
    close_rig();
}

TEST_NO_SWEEP(clock_waits_for_what_is_due,
              "what can be done is done before the clock moves; it stops at each completion", RIG)
{
    struct probe reader = {0};
    int fds[2];

    open_rig("sim:1,delay=1000");
    make_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    send_text(fds[1], "x");
    while (!reader.ended)
        EXPECT_INT(ops->poll(backend, INT64_MAX, false), 0);
    EXPECT(ops->now(backend) <= 1000000);
    EXPECT_INT(ops->poll(backend, 2000000, false), 0);
    EXPECT_INT(ops->now(backend), 2000000);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

static void *work_a_little(void *arg)
{
    let_it_block();
    *(_Atomic bool *)arg = true;
    ops->wake(backend);
    return NULL;
}

TEST_NO_SWEEP(clock_stands_for_threads, "while a thread is at work the clock stands, and poll blocks until the wake",
              RIG)
{
    _Atomic bool done = false;
    pthread_t thread;

    open_rig("sim:1");
    EXPECT_INT(pthread_create(&thread, NULL, work_a_little, &done), 0);
    while (!done) {
        EXPECT_INT(ops->poll(backend, 1000000000, true), 0);
        EXPECT_INT(ops->now(backend), 0);
    }
    EXPECT_INT(pthread_join(thread, NULL), 0);
    EXPECT_INT(ops->poll(backend, 0, true), 0);
    EXPECT_INT(ops->poll(backend, 1000000000, false), 0);
    EXPECT_INT(ops->now(backend), 1000000000);
    close_rig();
}

TEST_NO_SWEEP(wake_stops_clock, "a wake that has come keeps the clock where it is", RIG)
{
    open_rig("sim:1");
    ops->wake(backend);
    EXPECT_INT(ops->poll(backend, 1000, false), 0);
    EXPECT_INT(ops->now(backend), 0);
    EXPECT_INT(ops->poll(backend, 1000, false), 0);
    EXPECT_INT(ops->now(backend), 1000);
    close_rig();
}

TEST_NO_SWEEP(pending_means_possible,
              "pending counts what can still complete, so that dead locks through sockets are found", RIG)
{
    struct probe one = {0}, two = {0};
    int fds[2];

    open_rig("sim:1");
    make_pair(fds);
    EXPECT(!start_recv(&one, "one", fds[0]));
    EXPECT(!start_recv(&two, "two", fds[1]));
    EXPECT_INT(ops->pending(backend), 0);
    send_text(fds[0], "x");
    EXPECT_INT(ops->pending(backend), 1);
    look();
    EXPECT_INT(ops->pending(backend), 0);
    EXPECT_TRACE("two: 1\n");
    EXPECT(ops->cancel(backend, &one.op));
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

/* ----------------------------------------------------------------------------------------------- fds and addresses */

TEST_NO_SWEEP(lowest_number_first, "fds start at 1000, the lowest that is free comes next", RIG)
{
    int fds[2], more[2];

    open_rig("sim:1");
    make_pair(fds);
    EXPECT_INT(fds[0], 1000);
    EXPECT_INT(fds[1], 1001);
    make_pipe(more);
    EXPECT_INT(more[1], 1003);
    close_fd(1001);
    close_fd(1000);
    EXPECT_INT(make_socket(AF_UNIX), 1000);
    EXPECT_INT(make_socket(AF_INET6), 1001);
    EXPECT_INT(make_socket(AF_INET), 1004);
    EXPECT_INT(close_fd(999), -EBADF);
    EXPECT_INT(close_fd(0), -EBADF);
    EXPECT_INT(close_fd(1005), -EBADF);
    for (int fd = 1000; fd < 1005; fd++)
        EXPECT_INT(close_fd(fd), 0);
    for (int fd = 1000; fd < 1100; fd++)
        EXPECT_INT(make_socket(AF_UNIX), fd);
    for (int fd = 1000; fd < 1100; fd++)
        EXPECT_INT(close_fd(fd), 0);
    close_rig();
}

TEST_NO_SWEEP(limit_of_files, "files=N: -EMFILE for whatever makes an fd, with nothing half made", RIG)
{
    struct asyncio_op pipe = {.opcode = ASYNCIO_OP_PIPE, .make.fds = {-1, -1}};
    struct asyncio_op pair = {.opcode = ASYNCIO_OP_SOCKETPAIR, .make = {AF_UNIX, SOCK_STREAM, 0, {-1, -1}}};

    open_rig("sim:1,files=3");
    EXPECT_INT(make_socket(AF_UNIX), 1000);
    EXPECT_INT(make_socket(AF_UNIX), 1001);
    EXPECT_INT(call(pipe), -EMFILE);
    EXPECT_INT(call(pair), -EMFILE);
    EXPECT_INT(make_socket(AF_UNIX), 1002);
    EXPECT_INT(make_socket(AF_UNIX), -EMFILE);
    close_fd(1001);
    EXPECT_INT(call(pipe), -EMFILE);
    close_fd(1000);
    EXPECT_INT(call(pipe), 0);
    for (int fd = 1000; fd < 1003; fd++)
        EXPECT_INT(close_fd(fd), 0);
    close_rig();
}

TEST_NO_SWEEP(accept_without_fds, "EMFILE ends a standing accept; the connection stays in the queue", RIG)
{
    struct sockaddr_in address = port_address(80);
    struct probe connecting = {0}, accepting = {0};
    int listener, client;

    open_rig("sim:1,files=2");
    listener = make_socket(AF_INET);
    client = make_socket(AF_INET);
    EXPECT_INT(bind_to(listener, &address, sizeof address), 0);
    EXPECT_INT(listen_on(listener, 5), 0);
    EXPECT(!start_accept(&accepting, "accept", listener, ASYNCIO_OP_STANDING));
    start_connect(&connecting, "connect", client, &address, sizeof address);
    look_often();
    close_fd(client);
    start_accept(&accepting, "again", listener, 0);
    EXPECT_TRACE("connect: 0 at once\naccept: -EMFILE\nagain: 1001 at once\n");
    start_recv(&connecting, "end", 1001);
    EXPECT_TRACE("end: 0 at once\n");
    close_fd(1001);
    close_fd(listener);
    close_rig();
}

TEST_NO_SWEEP(left_open, "fds that are left open are told of at the end", RIG)
{
    int fds[2];

    open_rig("sim:1");
    make_pair(fds);
    close_rig();
    EXPECT_LOG("2 file descriptors were left open in the simulated machine");
}

TEST_NO_SWEEP(raw_fds, "real fds are not of this machine: -EOPNOTSUPP when foreign, -EBADF when taken for its own", RIG)
{
    struct probe probe = {0};

    open_rig("sim:1");
    start_poll(&probe, "foreign", 0, ASYNCIO_READABLE, ASYNCIO_OP_FOREIGN);
    start_poll(&probe, "watch", 0, ASYNCIO_READABLE, ASYNCIO_OP_FOREIGN | ASYNCIO_OP_STANDING);
    start_poll(&probe, "own", 0, ASYNCIO_READABLE, 0);
    EXPECT_TRACE("foreign: -EOPNOTSUPP at once\nwatch: -EOPNOTSUPP at once\nown: -EBADF at once\n");
    EXPECT_INT(ops->fd(backend), -EOPNOTSUPP);
    close_rig();
}

static int connect_to(int domain, const void *address, size_t size)
{
    struct probe connecting = {0};
    int fd = make_socket(domain);

    EXPECT(start_connect(&connecting, "connect", fd, address, size));
    close_fd(fd);
    return (int)result_of(&connecting);
}

TEST_NO_SWEEP(ports, "port 0 chooses; families are apart; a name is free again after the close", RIG)
{
    struct sockaddr_in any = port_address(0), chosen = port_address(49152), second = port_address(49153);
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(49152), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in far = port_address(49152);
    int one, two, three;

    open_rig("sim:1");
    one = make_socket(AF_INET);
    two = make_socket(AF_INET);
    three = make_socket(AF_INET6);
    EXPECT_INT(bind_to(one, &any, sizeof any), 0);
    EXPECT_INT(bind_to(one, &any, sizeof any), -EINVAL);
    EXPECT_INT(bind_to(two, &chosen, sizeof chosen), -EADDRINUSE);
    EXPECT_INT(bind_to(three, &six, sizeof six), 0);
    EXPECT_INT(connect_to(AF_INET, &chosen, sizeof chosen), -ECONNREFUSED);
    EXPECT_INT(listen_on(one, 5), 0);
    EXPECT_INT(listen_on(two, 5), 0);
    EXPECT_INT(connect_to(AF_INET, &chosen, sizeof chosen), 0);
    EXPECT_INT(connect_to(AF_INET, &second, sizeof second), 0);
    EXPECT_INT(connect_to(AF_INET6, &six, sizeof six), -ECONNREFUSED);
    far.sin_addr.s_addr = htonl(0x08080808);
    EXPECT_INT(connect_to(AF_INET, &far, sizeof far), -ENETUNREACH);
    far.sin_addr.s_addr = htonl(INADDR_ANY);
    EXPECT_INT(listen_on(three, 1), 0);
    EXPECT_INT(connect_to(AF_INET6, &six, sizeof six), 0);
    EXPECT_INT(connect_to(AF_INET, &far, sizeof far), 0);
    close_fd(one);
    EXPECT_INT(connect_to(AF_INET, &chosen, sizeof chosen), -ECONNREFUSED);
    one = make_socket(AF_INET);
    EXPECT_INT(bind_to(one, &chosen, sizeof chosen), 0);
    close_fd(one);
    close_fd(two);
    close_fd(three);
    close_rig();
}

TEST_NO_SWEEP(paths, "a Unix path that nobody has is -ENOENT, as on disk", RIG)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/asyncio.sock"};
    struct sockaddr_un longest = {.sun_family = AF_UNIX}, first = unix_address("00000");
    int listener, chosen;

    open_rig("sim:1");
    EXPECT_INT(connect_to(AF_UNIX, &address, sizeof address), -ENOENT);
    listener = make_socket(AF_UNIX);
    EXPECT_INT(bind_to(listener, &address, sizeof address), 0);
    EXPECT_INT(connect_to(AF_UNIX, &address, sizeof address), -ECONNREFUSED);
    EXPECT_INT(listen_on(listener, 1), 0);
    /* The end of the text is the end of the name, whatever size is said. */
    EXPECT_INT(connect_to(AF_UNIX, &address, offsetof(struct sockaddr_un, sun_path) + strlen(address.sun_path)), 0);
    close_fd(listener);
    listener = make_socket(AF_UNIX);
    memset(longest.sun_path, 'x', sizeof longest.sun_path);
    EXPECT_INT(bind_to(listener, &longest, sizeof longest), 0);
    EXPECT_INT(bind_to(listener, &longest, sizeof longest), -EINVAL);
    close_fd(listener);
    /* The first name that the machine would give to who asks for none. */
    listener = make_socket(AF_UNIX);
    chosen = make_socket(AF_UNIX);
    EXPECT_INT(bind_to(listener, &first, offsetof(struct sockaddr_un, sun_path) + 6), 0);
    EXPECT_INT(bind_to(chosen, &first, sizeof(sa_family_t)), 0);
    EXPECT_INT(listen_on(chosen, 1), 0);
    EXPECT_INT(connect_to(AF_UNIX, &first, offsetof(struct sockaddr_un, sun_path) + 6), -ECONNREFUSED);
    close_fd(chosen);
    close_fd(listener);
    close_rig();
}

TEST_NO_SWEEP(backlog, "a port's backlog makes connects wait, first come, first served; a path's refuses", RIG)
{
    struct sockaddr_in address = port_address(80);
    struct sockaddr_un path = unix_address("backlog");
    struct probe connecting[4] = {0}, accepting = {0};
    static const char *const names[] = {"a", "b", "c", "d"};
    int listener, clients[4];

    open_rig("sim:1");
    listener = make_socket(AF_INET);
    EXPECT_INT(bind_to(listener, &address, sizeof address), 0);
    EXPECT_INT(listen_on(listener, 1), 0);
    for (int i = 0; i < 4; i++) {
        clients[i] = make_socket(AF_INET);
        start_connect(&connecting[i], names[i], clients[i], &address, sizeof address);
    }
    EXPECT_TRACE("a: 0 at once\n");
    for (int i = 0; i < 2; i++) {
        EXPECT(start_accept(&accepting, "accept", listener, 0));
        close_fd((int)result_of(&accepting));
        look_often();
    }
    EXPECT_TRACE("accept: 1005 at once\nb: 0\naccept: 1005 at once\nc: 0\n");
    /* The connection that was not accepted is reset, who still waits is refused. */
    start_recv(&connecting[2], "c", clients[2]);
    close_fd(listener);
    look_often();
    EXPECT_TRACE("c: -ECONNRESET\nd: -ECONNREFUSED\n");
    for (int i = 0; i < 4; i++)
        close_fd(clients[i]);
    listener = make_socket(AF_UNIX);
    EXPECT_INT(bind_to(listener, &path, sizeof path), 0);
    EXPECT_INT(listen_on(listener, 1), 0);
    EXPECT_INT(connect_to(AF_UNIX, &path, sizeof path), 0);
    EXPECT_INT(connect_to(AF_UNIX, &path, sizeof path), -ECONNREFUSED);
    close_fd(listener);
    close_rig();
}

TEST_NO_SWEEP(nonsense, "calls that make no sense for a socket's state or for an address", RIG)
{
    struct sockaddr_in address = port_address(80);
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct probe probe = {0};
    int listener, fds[2];

    open_rig("sim:1");
    listener = make_socket(AF_INET);
    EXPECT_INT(bind_to(listener, NULL, 0), -EINVAL);
    EXPECT_INT(bind_to(listener, &address, 1), -EINVAL);
    EXPECT_INT(bind_to(listener, &address, sizeof address), 0);
    EXPECT_INT(listen_on(listener, 0), 0);
    EXPECT_INT(listen_on(listener, 7), 0);
    EXPECT_INT(bind_to(listener, &address, sizeof address), -EINVAL);
    start_connect(&probe, "connect", listener, &address, sizeof address);
    close_fd(listener);
    listener = make_socket(AF_INET6);
    EXPECT_INT(bind_to(listener, &six, sizeof six - 1), -EINVAL);
    six.sin6_addr.s6_addr[0] = 0xfe;
    EXPECT_INT(bind_to(listener, &six, sizeof six), -EADDRNOTAVAIL);
    close_fd(listener);
    make_pair(fds);
    EXPECT_INT(listen_on(fds[0], 1), -EINVAL);
    start(&probe, "urgent", (struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fds[0], .buffer.flags = MSG_OOB});
    close_fd(fds[0]);
    close_fd(fds[1]);
    EXPECT_TRACE("connect: -EISCONN at once\nurgent: -EOPNOTSUPP at once\n");
    close_rig();
}

TEST_NO_SWEEP(not_simulated, "kinds of sockets that the machine does not have, and files, which it has none of", RIG)
{
    static const struct {
        int opcode;
        struct asyncio_op_make make;
        int expected;
    } cases[] = {
        {ASYNCIO_OP_SOCKET, {.domain = AF_UNIX, .type = SOCK_SEQPACKET}, -EPROTONOSUPPORT},
        {ASYNCIO_OP_SOCKET, {.domain = AF_INET, .type = SOCK_RAW}, -EPROTONOSUPPORT},
        {ASYNCIO_OP_SOCKET, {.domain = AF_INET, .type = SOCK_STREAM, .protocol = IPPROTO_UDP}, -EPROTONOSUPPORT},
        {ASYNCIO_OP_SOCKET, {.domain = AF_PACKET, .type = SOCK_DGRAM}, -EAFNOSUPPORT},
        {ASYNCIO_OP_SOCKETPAIR, {.domain = AF_INET, .type = SOCK_STREAM}, -EOPNOTSUPP},
        {ASYNCIO_OP_SOCKETPAIR, {.domain = AF_UNIX, .type = SOCK_SEQPACKET}, -EPROTONOSUPPORT},
    };
    struct probe probe = {0};
    int fds[2];

    open_rig("sim:1");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        EXPECT_INT(call((struct asyncio_op){.opcode = (uint8_t)cases[i].opcode, .make = cases[i].make}),
                   cases[i].expected);
    make_pair(fds);
    start(&probe, "sendfile", (struct asyncio_op){.opcode = ASYNCIO_OP_SENDFILE, .fd = fds[0], .sendfile.count = 1});
    EXPECT_TRACE("sendfile: -EOPNOTSUPP at once\n");
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(inodes, "each socket file has an inode of its own, also at a path that had another before", RIG)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/asyncio.sock"};
    struct asyncio_op about = {.opcode = ASYNCIO_OP_STAT, .file.path = address.sun_path};

    open_rig("sim:1");
    for (uint64_t inode = 1; inode < 4; inode++) {
        int fd = make_socket(AF_UNIX);

        EXPECT_INT(bind_to(fd, &address, sizeof address), 0);
        EXPECT(ops->submit(backend, &about));
        EXPECT_INT(about.result, 0);
        EXPECT_INT((int64_t)about.file.inode, (int64_t)inode);
        close_fd(fd);
        if (inode < 3)
            EXPECT_INT(call((struct asyncio_op){.opcode = ASYNCIO_OP_UNLINK, .file.path = address.sun_path}), 0);
    }
    /* The last file is left, which is no harm. */
    close_rig();
}

TEST_NO_SWEEP(ports_run_out, "a client without a port gets one of 16384; when all are taken it is -EADDRNOTAVAIL", RIG)
{
    struct sockaddr_in address = port_address(80);
    struct asyncio_op connect = {.opcode = ASYNCIO_OP_CONNECT, .address = {&address, sizeof address}};
    int listener, first, connected = 0;
    int64_t r;

    open_rig("sim:1");
    listener = make_socket(AF_INET);
    EXPECT_INT(bind_to(listener, &address, sizeof address), 0);
    EXPECT_INT(listen_on(listener, 100000), 0);
    first = listener + 1;
    do {
        connect.fd = make_socket(AF_INET);
        r = call(connect);
        connected += r == 0;
    } while (r == 0);
    EXPECT_INT(connected, 16384);
    EXPECT_INT(r, -EADDRNOTAVAIL);
    close_fd(first);
    EXPECT_INT(call(connect), 0);
    for (int fd = first + 1; fd <= connect.fd; fd++)
        close_fd(fd);
    close_fd(listener);
    close_rig();
}
