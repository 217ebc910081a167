/* What operations mean as system calls, on real fds. */
#include "test.h"

#include "backend/ops.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int64_t perform(struct asyncio_op op)
{
    return asyncio__op_perform(&op);
}

static int64_t transfer(int opcode, int fd, void *data, size_t size, int flags)
{
    return perform((struct asyncio_op){.opcode = (uint8_t)opcode, .fd = fd, .buffer = {data, size, flags}});
}

static int64_t poll_now(int fd, unsigned events)
{
    return perform((struct asyncio_op){.opcode = ASYNCIO_OP_POLL, .fd = fd, .poll.events = events});
}

static void make(int opcode, int fds[2])
{
    struct asyncio_op op = {.opcode = (uint8_t)opcode, .make = {.domain = AF_UNIX, .type = SOCK_STREAM}};

    EXPECT_INT(asyncio__op_perform(&op), 0);
    fds[0] = op.make.fds[0];
    fds[1] = op.make.fds[1];
}

static void close_both(const int fds[2])
{
    EXPECT_INT(perform((struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE, .fd = fds[0]}), 0);
    EXPECT_INT(perform((struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE, .fd = fds[1]}), 0);
}

static void expect_tame(int fd)
{
    EXPECT(fcntl(fd, F_GETFL) & O_NONBLOCK);
    EXPECT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

TEST(made_fds_are_tame, "whatever makes an fd makes it non-blocking and close-on-exec")
{
    int fds[2], fd;

    make(ASYNCIO_OP_SOCKETPAIR, fds);
    expect_tame(fds[0]);
    expect_tame(fds[1]);
    close_both(fds);
    make(ASYNCIO_OP_PIPE, fds);
    expect_tame(fds[0]);
    expect_tame(fds[1]);
    close_both(fds);
    fd = (int)perform(
        (struct asyncio_op){.opcode = ASYNCIO_OP_SOCKET, .make = {.domain = AF_INET, .type = SOCK_STREAM}});
    expect_tame(fd);
    close(fd);
}

TEST(would_block, "-EAGAIN when an operation has to wait")
{
    char data[4] = "abc";
    int fds[2];

    test_spare(ASYNCIO__SHORT_TRANSFERS, "its reads and writes are whole");
    make(ASYNCIO_OP_SOCKETPAIR, fds);
    EXPECT_INT(transfer(ASYNCIO_OP_RECV, fds[0], data, sizeof data, 0), -EAGAIN);
    EXPECT_INT(transfer(ASYNCIO_OP_READ, fds[0], data, sizeof data, 0), -EAGAIN);
    EXPECT_INT(poll_now(fds[0], ASYNCIO_READABLE), -EAGAIN);
    EXPECT_INT(poll_now(fds[0], ASYNCIO_WRITABLE), ASYNCIO_WRITABLE);
    EXPECT_INT(poll_now(fds[0], ASYNCIO_READABLE | ASYNCIO_WRITABLE), ASYNCIO_WRITABLE);
    EXPECT_INT(transfer(ASYNCIO_OP_SEND, fds[1], data, 3, 0), 3);
    EXPECT_INT(poll_now(fds[0], ASYNCIO_READABLE | ASYNCIO_WRITABLE), ASYNCIO_READABLE | ASYNCIO_WRITABLE);
    EXPECT_INT(transfer(ASYNCIO_OP_READ, fds[0], data, sizeof data, 0), 3);
    close_both(fds);
}

TEST(poll_results, "a hang-up or error counts as every event that was asked for; a closed fd is -EBADF")
{
    int fds[2];

    make(ASYNCIO_OP_PIPE, fds);
    close(fds[0]);
    EXPECT_INT(poll_now(fds[1], ASYNCIO_WRITABLE), ASYNCIO_WRITABLE);
    EXPECT_INT(poll_now(fds[1], ASYNCIO_READABLE), ASYNCIO_READABLE);
    EXPECT_INT(poll_now(fds[1], ASYNCIO_READABLE | ASYNCIO_WRITABLE), ASYNCIO_READABLE | ASYNCIO_WRITABLE);
    close(fds[1]);
    EXPECT_INT(poll_now(fds[1], ASYNCIO_READABLE), -EBADF);
    EXPECT_INT(perform((struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE, .fd = fds[1]}), -EBADF);
    EXPECT_INT(poll_now(900000, ASYNCIO_READABLE), -EBADF);
}

static void expect_broken_pipe(int fd)
{
    char data[4] = "abc";

    EXPECT_INT(transfer(ASYNCIO_OP_WRITE, fd, data, 3, 0), -EPIPE);
}

static int64_t send_file(int fd, int file, int64_t offset, size_t count)
{
    return perform((struct asyncio_op){.opcode = ASYNCIO_OP_SENDFILE, .fd = fd, .sendfile = {file, offset, count}});
}

static void expect_broken_socket(int fd)
{
    static const struct asyncio_bytes pieces[] = {{"a", 1}, {"bc", 2}};
    FILE *file = tmpfile();
    char data[4] = "abc";

    EXPECT_INT(transfer(ASYNCIO_OP_SEND, fd, data, 3, 0), -EPIPE);
    EXPECT_INT(perform((struct asyncio_op){.opcode = ASYNCIO_OP_SENDV, .fd = fd, .vector = {pieces, 2, 0}}), -EPIPE);
    EXPECT_INT(perform((struct asyncio_op){.opcode = ASYNCIO_OP_SENDTO, .fd = fd, .datagram = {data, 3, NULL, 0}}),
               -EPIPE);
    EXPECT_INT(write(fileno(file), data, 3), 3);
    EXPECT_INT(send_file(fd, fileno(file), 0, 3), -EPIPE);
    fclose(file);
}

/* SIGPIPE would end this process. */
static void break_pipe_and_socket(void)
{
    int fds[2];

    make(ASYNCIO_OP_PIPE, fds);
    close(fds[0]);
    expect_broken_pipe(fds[1]);
    close(fds[1]);
    make(ASYNCIO_OP_SOCKETPAIR, fds);
    close(fds[0]);
    expect_broken_pipe(fds[1]);
    expect_broken_socket(fds[1]);
    close(fds[1]);
}

/* Writing to a file that takes no flags, before anything else, is what an old kernel looks like. */
static void act_as_on_old_kernel(void)
{
    uint64_t one = 1;
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    EXPECT_INT(transfer(ASYNCIO_OP_WRITE, fd, &one, sizeof one, 0), sizeof one);
    close(fd);
}

TEST(no_sigpipe, "writing to a broken pipe or socket is -EPIPE and no signal")
{
    break_pipe_and_socket();
}

TEST(no_sigpipe_on_old_kernels, "the same where the kernel has no flag for it")
{
    sigset_t pending;

    act_as_on_old_kernel();
    break_pipe_and_socket();
    sigpending(&pending);
    EXPECT(!sigismember(&pending, SIGPIPE));
}

TEST(sigpipe_of_others_stays,
     "a SIGPIPE that was pending before is left pending, and one that was blocked stays blocked")
{
    sigset_t sigpipe, pending, mask;
    int fds[2];

    act_as_on_old_kernel();
    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &sigpipe, NULL);
    break_pipe_and_socket();
    sigpending(&pending);
    EXPECT(!sigismember(&pending, SIGPIPE));
    raise(SIGPIPE);
    make(ASYNCIO_OP_PIPE, fds);
    close(fds[0]);
    expect_broken_pipe(fds[1]);
    close(fds[1]);
    sigpending(&pending);
    EXPECT(sigismember(&pending, SIGPIPE));
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    EXPECT(sigismember(&mask, SIGPIPE));
}

TEST(files, "READ and WRITE go on at a file's own position")
{
    FILE *file = tmpfile();
    char data[16] = "hello world";
    int fd = fileno(file);

    EXPECT_INT(transfer(ASYNCIO_OP_WRITE, fd, data, 6, 0), 6);
    EXPECT_INT(transfer(ASYNCIO_OP_WRITE, fd, data + 6, 5, 0), 5);
    EXPECT_INT(lseek(fd, 3, SEEK_SET), 3);
    memset(data, 0, sizeof data);
    EXPECT_INT(transfer(ASYNCIO_OP_READ, fd, data, 4, 0), 4);
    EXPECT_INT(transfer(ASYNCIO_OP_READ, fd, data + 4, 9, 0), 4);
    EXPECT_INT(transfer(ASYNCIO_OP_READ, fd, data, 4, 0), 0);
    EXPECT_STR(data, "lo world");
    EXPECT_INT(poll_now(fd, ASYNCIO_READABLE), ASYNCIO_READABLE);
    fclose(file);
}

static int tcp_socket(void)
{
    return (int)perform(
        (struct asyncio_op){.opcode = ASYNCIO_OP_SOCKET, .make = {.domain = AF_INET, .type = SOCK_STREAM}});
}

TEST(connect_in_steps, "a connect that is under way says -EAGAIN until it has succeeded or failed")
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = tcp_socket(), client = tcp_socket(), server;
    struct asyncio_op connecting = {.opcode = ASYNCIO_OP_CONNECT, .fd = client, .address = {&address, sizeof address}};
    struct pollfd query = {.fd = client, .events = POLLOUT};
    int64_t r;

    EXPECT_INT(perform((struct asyncio_op){.opcode = ASYNCIO_OP_BIND, .fd = listener, .address = {&address, size}}), 0);
    EXPECT_INT(perform((struct asyncio_op){.opcode = ASYNCIO_OP_LISTEN, .fd = listener, .argument = 3}), 0);
    EXPECT_INT(perform((struct asyncio_op){.opcode = ASYNCIO_OP_ACCEPT, .fd = listener}), -EAGAIN);
    getsockname(listener, (struct sockaddr *)&address, &size);
    r = asyncio__op_perform(&connecting);
    EXPECT(r == 0 || (r == -EAGAIN && (connecting.state & ASYNCIO__OP_CONNECTING)));
    EXPECT_INT(poll(&query, 1, 5000), 1);
    if (r == -EAGAIN)
        EXPECT_INT(asyncio__op_perform(&connecting), 0);
    server = (int)perform((struct asyncio_op){.opcode = ASYNCIO_OP_ACCEPT, .fd = listener});
    expect_tame(server);
    close(server);
    close(listener);
    close(client);

    client = query.fd = tcp_socket();
    connecting.fd = client;
    connecting.state = 0;
    r = asyncio__op_perform(&connecting);
    while (r == -EAGAIN) {
        EXPECT_INT(poll(&query, 1, 5000), 1);
        r = asyncio__op_perform(&connecting);
    }
    EXPECT_INT(r, -ECONNREFUSED);
    close(client);
}

TEST(connect_to_full_backlog, "a Unix listener whose backlog is full refuses, as no event would tell of room")
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0asyncio-test-full-backlog"};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), clients[8], refused = 0;

    EXPECT_INT(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    EXPECT_INT(listen(listener, 1), 0);
    for (int i = 0; i < 8; i++) {
        int64_t r;

        clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        r = perform(
            (struct asyncio_op){.opcode = ASYNCIO_OP_CONNECT, .fd = clients[i], .address = {&address, sizeof address}});
        EXPECT(r == 0 || r == -ECONNREFUSED);
        refused += r != 0;
    }
    EXPECT(refused > 0 && refused < 8);
    for (int i = 0; i < 8; i++)
        close(clients[i]);
    close(listener);
}

/* A TCP connection by the kernel alone. */
static void tcp_pair(int fds[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_INT(bind(listener, (struct sockaddr *)&address, size), 0);
    EXPECT_INT(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&address, &size);
    EXPECT_INT(connect(fds[0], (struct sockaddr *)&address, size), 0);
    fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    close(listener);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
}

TEST(no_sigpipe_of_part,
     "a sendfile whose first part is taken and whose second meets the peer's reset is short, and no signal")
{
    struct pollfd query = {.events = POLLRDHUP};
    struct sigaction action;
    sigset_t pending;
    int fds[2];
    FILE *file = tmpfile();
    int64_t r;

    tcp_pair(fds);
    EXPECT_INT(ftruncate(fileno(file), 1000000), 0);
    close(fds[1]);
    query.fd = fds[0];
    EXPECT_INT(poll(&query, 1, 5000), 1);
    r = send_file(fds[0], fileno(file), 0, 1000000);
    EXPECT(r > 0 || r == -EPIPE || r == -ECONNRESET);
    r = send_file(fds[0], fileno(file), 0, 1000000);
    EXPECT(r == -EPIPE || r == -ECONNRESET);
    sigpending(&pending);
    EXPECT(!sigismember(&pending, SIGPIPE));
    EXPECT_INT(sigaction(SIGPIPE, NULL, &action), 0);
    EXPECT(action.sa_handler == SIG_DFL);
    close(fds[0]);
    fclose(file);
}

TEST(send_files, "SENDFILE sends from an offset and leaves the file's own position; 0 at its end; the kernel's errors")
{
    FILE *file = tmpfile();
    char data[16] = "";
    int fds[2], ends[2], fd = fileno(file);

    make(ASYNCIO_OP_SOCKETPAIR, fds);
    make(ASYNCIO_OP_PIPE, ends);
    EXPECT_INT(write(fd, "hello world", 11), 11);
    EXPECT_INT(lseek(fd, 2, SEEK_SET), 2);
    EXPECT_INT(send_file(fds[0], fd, 6, 3), 3);
    EXPECT_INT(send_file(fds[0], fd, 9, 100), 2);
    EXPECT_INT(send_file(fds[0], fd, 11, 100), 0);
    EXPECT_INT(send_file(fds[0], fd, 0, 0), 0);
    EXPECT_INT(lseek(fd, 0, SEEK_CUR), 2);
    EXPECT_INT(recv(fds[1], data, sizeof data, 0), 5);
    EXPECT_STR(data, "world");
    EXPECT_INT(send_file(fds[0], fd, -1, 3), -EINVAL);
    EXPECT_INT(send_file(fds[0], 900000, 0, 3), -EBADF);
    EXPECT_INT(send_file(900000, fd, 0, 3), -EBADF);
    EXPECT(send_file(fds[0], ends[0], 0, 3) < 0);
    EXPECT(send_file(fds[0], fds[1], 0, 3) < 0);
    while (send_file(fds[0], fd, 0, 11) > 0)
        ;
    EXPECT_INT(send_file(fds[0], fd, 0, 11), -EAGAIN);
    close_both(fds);
    close_both(ends);
    fclose(file);
}

static int unix_datagram_socket(struct asyncio_address *ret_address, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "asyncio-test-%s-%d", name, (int)getpid());
    memcpy(ret_address->data.bytes, &address, sizeof address);
    ret_address->size = sizeof address;
    EXPECT_INT(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int64_t send_to(int fd, struct asyncio_address *address)
{
    char data[4] = "abc";

    return perform((struct asyncio_op){.opcode = ASYNCIO_OP_SENDTO, .fd = fd, .datagram = {data, 3, address, 0}});
}

TEST(full_unix_datagram_socket,
     "a Unix datagram without room is -ENOBUFS where nothing is connected, as no event would tell of any, else -EAGAIN")
{
    struct asyncio_address address;
    struct pollfd query = {.events = POLLOUT};
    int receiver = unix_datagram_socket(&address, "full"), stranger, friend;
    int64_t r;

    stranger = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    friend = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    EXPECT_INT(connect(friend, (struct sockaddr *)address.data.bytes, (socklen_t)address.size), 0);
    for (r = 3; r == 3; r = send_to(friend, &address))
        ;
    EXPECT_INT(r, -EAGAIN);
    query.fd = friend;
    EXPECT_INT(poll(&query, 1, 0), 0);
    EXPECT_INT(send_to(friend, NULL), -EAGAIN);
    EXPECT_INT(send_to(stranger, &address), -ENOBUFS);
    query.fd = stranger;
    EXPECT_INT(poll(&query, 1, 0), 1);
    EXPECT_INT(transfer(ASYNCIO_OP_RECV, receiver, (char[4]){0}, 4, 0), 3);
    EXPECT_INT(send_to(stranger, &address), 3);
    close(receiver);
    EXPECT_INT(send_to(stranger, &address), -ECONNREFUSED);
    close(stranger);
    close(friend);
}

TEST(sender_of_unix_datagram, "who sent a Unix datagram: a name as long as the kernel says, none without one")
{
    struct asyncio_address address, sender = {.size = 99}, named;
    int receiver = unix_datagram_socket(&address, "receiver"), fds[2];
    char data[4];
    struct asyncio_op recvfrom = {.opcode = ASYNCIO_OP_RECVFROM, .fd = receiver, .datagram = {data, 4, &sender, 0}};

    fds[0] = unix_datagram_socket(&named, "sender");
    fds[1] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    EXPECT_INT(perform(recvfrom), -EAGAIN);
    EXPECT_INT(sender.size, 99);
    EXPECT_INT(send_to(fds[0], &address), 3);
    EXPECT_INT(send_to(fds[1], &address), 3);
    EXPECT_INT(perform(recvfrom), 3);
    EXPECT_INT(sender.size, named.size);
    EXPECT(memcmp(sender.data.bytes, named.data.bytes, named.size) == 0);
    EXPECT_INT(perform(recvfrom), 3);
    EXPECT_INT(sender.size, 0);
    close_both(fds);
    close(receiver);
}

TEST(option_values, "options of any size, as the kernel keeps them; one beyond all measure is -EINVAL")
{
    struct linger linger = {.l_onoff = 1, .l_linger = 5}, got = {0};
    int fd = tcp_socket(), type = 0;
    struct asyncio_op op = {.opcode = ASYNCIO_OP_GETSOCKOPT, .fd = fd, .option = {SOL_SOCKET, SO_TYPE, &type, 4}};

    EXPECT_INT(perform(op), sizeof type);
    EXPECT_INT(type, SOCK_STREAM);
    op = (struct asyncio_op){
        .opcode = ASYNCIO_OP_SETSOCKOPT, .fd = fd, .option = {SOL_SOCKET, SO_LINGER, &linger, sizeof linger}};
    EXPECT_INT(perform(op), 0);
    op.option.size = (size_t)UINT32_MAX + 1 + sizeof linger;
    EXPECT_INT(perform(op), -EINVAL);
    op.opcode = ASYNCIO_OP_GETSOCKOPT;
    EXPECT_INT(perform(op), -EINVAL);
    op.option.value = &got;
    op.option.size = sizeof got;
    EXPECT_INT(perform(op), sizeof got);
    EXPECT_INT(got.l_linger, 5);
    close(fd);
}

TEST(stat_and_unlink, "STAT tells of the path itself, not of what a link points to; UNLINK removes that")
{
    char directory[] = "/tmp/asyncio-test-XXXXXX", path[64], link[64];
    struct asyncio_op op = {.opcode = ASYNCIO_OP_STAT, .file = {.is_socket = true}};
    struct stat about;
    FILE *file;

    EXPECT(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/file", directory);
    snprintf(link, sizeof link, "%s/link", directory);
    file = fopen(path, "we");
    EXPECT_INT(symlink(path, link), 0);
    EXPECT_INT(lstat(link, &about), 0);
    op.file.path = link;
    EXPECT_INT(asyncio__op_perform(&op), 0);
    EXPECT_INT(op.file.inode, about.st_ino);
    EXPECT_INT(op.file.device, about.st_dev);
    EXPECT(!op.file.is_socket);
    op.opcode = ASYNCIO_OP_UNLINK;
    EXPECT_INT(asyncio__op_perform(&op), 0);
    op.opcode = ASYNCIO_OP_STAT;
    EXPECT_INT(asyncio__op_perform(&op), -ENOENT);
    op.file.path = path;
    EXPECT_INT(asyncio__op_perform(&op), 0);
    EXPECT(op.file.inode != about.st_ino);
    fclose(file);
    unlink(path);
    rmdir(directory);
}

TEST(directions, "what each operation waits for; one that is not known is -EINVAL")
{
    static const struct {
        int opcode;
        unsigned directions;
    } table[] = {
        {ASYNCIO_OP_READ, ASYNCIO_READABLE},
        {ASYNCIO_OP_RECV, ASYNCIO_READABLE},
        {ASYNCIO_OP_ACCEPT, ASYNCIO_READABLE},
        {ASYNCIO_OP_WRITE, ASYNCIO_WRITABLE},
        {ASYNCIO_OP_SEND, ASYNCIO_WRITABLE},
        {ASYNCIO_OP_CONNECT, ASYNCIO_WRITABLE},
        {ASYNCIO_OP_SENDV, ASYNCIO_WRITABLE},
        {ASYNCIO_OP_RECVFROM, ASYNCIO_READABLE},
        {ASYNCIO_OP_SENDTO, ASYNCIO_WRITABLE},
        {ASYNCIO_OP_SENDFILE, ASYNCIO_WRITABLE},
        {ASYNCIO_OP_RECVMSGS, ASYNCIO_READABLE},
        {ASYNCIO_OP_SENDMSGS, ASYNCIO_WRITABLE},
        {ASYNCIO_OP_SOCKET, 0},
        {ASYNCIO_OP_SOCKNAME, 0},
        {ASYNCIO_OP_SETSOCKOPT, 0},
        {ASYNCIO_OP_STAT, 0},
        {ASYNCIO_OP_CLOSE, 0},
        {ASYNCIO_OP_FORGET, 0},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct asyncio_op op = {.opcode = (uint8_t)table[i].opcode, .fd = 1};

        EXPECT_INT(asyncio__op_directions(&op), table[i].directions);
        EXPECT_INT(asyncio__op_waits(&op), table[i].directions != 0);
    }
    struct asyncio_op op = {.opcode = ASYNCIO_OP_POLL, .poll.events = ASYNCIO_WRITABLE};
    EXPECT_INT(asyncio__op_directions(&op), ASYNCIO_WRITABLE);
    op.opcode = 200;
    EXPECT_INT(asyncio__op_perform(&op), -EINVAL);
}
