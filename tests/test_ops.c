/* What operations mean as system calls, on real fds. */
#include "test.h"

#include "backend/ops.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
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

/* SIGPIPE would end this process. */
static void break_pipe_and_socket(void)
{
    char data[4] = "abc";
    int fds[2];

    make(ASYNCIO_OP_PIPE, fds);
    close(fds[0]);
    expect_broken_pipe(fds[1]);
    close(fds[1]);
    make(ASYNCIO_OP_SOCKETPAIR, fds);
    close(fds[0]);
    expect_broken_pipe(fds[1]);
    EXPECT_INT(transfer(ASYNCIO_OP_SEND, fds[1], data, 3, 0), -EPIPE);
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
        {ASYNCIO_OP_CLOSE, 0},
        {ASYNCIO_OP_SOCKET, 0},
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
