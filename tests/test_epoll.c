/* What only the epoll back end has: edges, signals, forks, embedding. */
#include "rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------------- Edges and short reads */

/* A connection over TCP, both ends the library's. */
static void tcp_pair(int fds[2])
{
    struct sockaddr_in address = port_address(0);
    struct probe connecting = {0}, accepting = {0};
    socklen_t size = sizeof address;
    int listener = make_socket(AF_INET);

    EXPECT_INT(bind_to(listener, &address, sizeof address), 0);
    EXPECT_INT(listen_on(listener, 5), 0);
    getsockname(listener, (struct sockaddr *)&address, &size);
    fds[0] = make_socket(AF_INET);
    start_connect(&connecting, "connect", fds[0], &address, sizeof address);
    wait_for(&connecting, 1);
    start_accept(&accepting, "accept", listener, 0);
    wait_for(&accepting, 1);
    fds[1] = (int)result_of(&accepting);
    close_fd(listener);
    trace_clear();
}

TEST_NO_SWEEP(short_read_then_data, "after a short read of TCP, new data and then the end are announced", RIG)
{
    struct probe reader = {0};
    int fds[2];

    open_rig("epoll");
    tcp_pair(fds);
    for (int i = 0; i < 3; i++) {
        EXPECT(!start_recv(&reader, "reader", fds[1]));
        send_text(fds[0], "abc");
        wait_for(&reader, 1);
    }
    EXPECT(!start_recv(&reader, "end", fds[1]));
    close_fd(fds[0]);
    wait_for(&reader, 1);
    start_recv(&reader, "still the end", fds[1]);
    EXPECT_TRACE("reader: 3\nreader: 3\nreader: 3\nend: 0\nstill the end: 0 at once\n");
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(short_read_before_end,
              "data and the end that arrive together are both read, though the first read is short", RIG)
{
    struct probe reader = {0};
    int fds[2];

    open_rig("epoll");
    tcp_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[1]));
    send_text(fds[0], "abc");
    shut(fds[0], SHUT_WR);
    wait_for_kernel(fds[1], POLLRDHUP);
    wait_for(&reader, 1);
    if (!start_recv(&reader, "end", fds[1]))
        wait_for(&reader, 1);
    EXPECT_INT(result_of(&reader), 0);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(short_read_at_urgent_data, "a read that stops short at urgent data does not hide what comes after it",
              RIG)
{
    struct probe reader = {0};
    int fds[2], total = 0;

    open_rig("epoll");
    tcp_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[1]));
    EXPECT_INT(send(fds[0], "abc", 3, 0), 3);
    EXPECT_INT(send(fds[0], "!", 1, MSG_OOB), 1);
    EXPECT_INT(send(fds[0], "def", 3, 0), 3);
    wait_for_kernel(fds[1], POLLPRI);
    wait_for(&reader, 1);
    for (total = (int)result_of(&reader); total < 6; total += (int)result_of(&reader)) {
        if (!start_recv(&reader, "reader", fds[1]))
            wait_for(&reader, 1);
        EXPECT(result_of(&reader) > 0);
    }
    EXPECT_INT(total, 6);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

static void send_with_fd(int fd, const char *text, int passed)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec vector = {(void *)(uintptr_t)text, strlen(text)};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof passed), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &passed, sizeof passed);
    EXPECT_INT(sendmsg(fd, &message, 0), strlen(text));
}

TEST_NO_SWEEP(short_read_at_passed_fd, "a Unix socket's read stops where an fd was passed along; the rest is not lost",
              RIG)
{
    struct probe reader = {0};
    int fds[2];

    open_rig("epoll");
    make_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[1]));
    look_often();
    send_with_fd(fds[0], "abc", fds[0]);
    send_text(fds[0], "def");
    wait_for(&reader, 1);
    EXPECT(start_recv(&reader, "rest", fds[1]));
    EXPECT_TRACE("reader: 3\nrest: 3 at once\n");
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(no_call_while_waiting, "a direction that is known not to be ready costs no attempt", RIG)
{
    struct probe reader = {0};
    int fds[2];

    open_rig("epoll");
    tcp_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[1]));
    look_often();
    EXPECT(ops->cancel(backend, &reader.op));
    send_text(fds[0], "abc");
    wait_for_kernel(fds[1], POLLIN);
    /* The data is there, but no poll has said so: nothing is tried. */
    EXPECT(!start_recv(&reader, "reader", fds[1]));
    wait_for(&reader, 1);
    EXPECT_TRACE("reader: 3\n");
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(connection_reset, "a reset connection reports -ECONNRESET to its reader", RIG)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    struct probe reader = {0};
    int fds[2];

    open_rig("epoll");
    tcp_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[1]));
    setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close_fd(fds[0]);
    wait_for(&reader, 1);
    EXPECT_TRACE("reader: -ECONNRESET\n");
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(cannot_be_watched, "an own fd that epoll does not take fails at once where it would have to wait", RIG)
{
    struct probe accepting = {0}, standing = {0};
    int fd;

    open_rig("epoll");
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    EXPECT(start_standing_recv(&standing, "standing", fd));
    EXPECT(start_accept(&accepting, "accept", fd, ASYNCIO_OP_STANDING));
    EXPECT_TRACE("standing: -EPERM at once\naccept: -EPERM at once\n");
    EXPECT_INT(ops->pending(backend), 0);
    close_fd(fd);
    close_rig();
}

TEST_NO_SWEEP(standing_accept_without_fds, "EMFILE ends a standing accept; the connection is there for the next", RIG)
{
    struct sockaddr_un address = unix_address("asyncio-test-without-fds");
    struct probe connecting = {0}, accepting = {0};
    struct rlimit old, none;
    int listener, client;

    if (test_slowness() >= 30)
        SKIP("Valgrind keeps the limit by itself, and by closing the new connection");
    open_rig("epoll");
    listener = make_socket(AF_UNIX);
    client = make_socket(AF_UNIX);
    EXPECT_INT(bind_to(listener, &address, sizeof address), 0);
    EXPECT_INT(listen_on(listener, 5), 0);
    EXPECT(!start_accept(&accepting, "accept", listener, ASYNCIO_OP_STANDING));
    EXPECT(start_connect(&connecting, "connect", client, &address, sizeof address));
    getrlimit(RLIMIT_NOFILE, &old);
    none = old;
    none.rlim_cur = (rlim_t)client + 1;
    setrlimit(RLIMIT_NOFILE, &none);
    wait_for(&accepting, 1);
    setrlimit(RLIMIT_NOFILE, &old);
    EXPECT_TRACE("connect: 0 at once\naccept: -EMFILE\n");
    EXPECT(start_accept(&accepting, "again", listener, 0));
    EXPECT(result_of(&accepting) > 0);
    close_fd((int)result_of(&accepting));
    close_fd(client);
    close_fd(listener);
    close_rig();
}

TEST_NO_SWEEP(table_grows, "records move when fd numbers grow, also inside a batch", RIG)
{
    struct probe low = {0}, high = {0};
    int fds[2], far[2];

    open_rig("epoll");
    make_pair(fds);
    EXPECT(!start_recv(&low, "low", fds[0]));
    far[0] = fcntl(fds[0], F_DUPFD_CLOEXEC, 900);
    far[1] = fcntl(fds[1], F_DUPFD_CLOEXEC, 950);
    EXPECT(!start_recv(&high, "high", far[1]));
    send_text(far[0], "x");
    wait_for(&high, 1);
    send_text(fds[1], "xy");
    wait_for(&low, 1);
    EXPECT_TRACE("high: 1\nlow: 2\n");
    for (int i = 0; i < 2; i++) {
        close_fd(fds[i]);
        close_fd(far[i]);
    }
    close_rig();
}

/* ---------------------------------------------------------------------------------- Time, signals, fork, embedding */

TEST_NO_SWEEP(coarse_never_early, "without epoll_pwait2 a poll is rounded up to milliseconds", RIG)
{
    open_rig("epoll:coarse");
    for (int i = 1; i < 20; i++) {
        int64_t deadline_ns = ops->now(backend) + i * 130001;

        EXPECT_INT(ops->poll(backend, deadline_ns, false), 0);
        EXPECT(ops->now(backend) >= deadline_ns);
    }
    /* Far away is not for ever, and for ever is not now. */
    ops->wake(backend);
    EXPECT_INT(ops->poll(backend, INT64_MAX - 1, false), 0);
    ops->wake(backend);
    EXPECT_INT(ops->poll(backend, INT64_MAX, false), 0);
    close_rig();
}

static void on_alarm(int number)
{
    (void)number;
}

TEST_NO_SWEEP(signal_is_reported, "a signal ends a poll with -EINTR, also with SA_RESTART", RIG)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval soon = {.it_value.tv_usec = 5000};

    open_rig("epoll");
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    EXPECT_INT(ops->poll(backend, INT64_MAX, false), -EINTR);
    close_rig();
}

TEST_NO_SWEEP(fork_leaves_parent_alone,
              "#67: a forked child that cancels and closes all does not touch the parent's epoll", RIG)
{
    struct probe reader = {0}, watch = {0};
    int fds[2], foreign[2], status;
    pid_t child;

    open_rig("epoll");
    make_pair(fds);
    foreign_pair(foreign);
    EXPECT(!start_recv(&reader, "own", fds[0]));
    EXPECT(!start_poll(&watch, "foreign", foreign[0], ASYNCIO_READABLE, WATCH));
    child = fork();
    if (child == 0) {
        struct probe late = {0};
        bool right = start_recv(&late, "late", fds[1]) && late.op.result == -ASYNCIO_ECLOSED;

        ops->wake(backend);
        right = right && ops->cancel(backend, &watch.op);
        close_fd(fds[0]);
        close_fd(fds[1]);
        close_foreign(foreign);
        ops->close(backend);
        _exit(right ? 0 : 1);
    }
    EXPECT_INT(waitpid(child, &status, 0), child);
    EXPECT_INT(status, 0);
    trace_clear();
    look_often();
    send_text(fds[1], "x");
    EXPECT_INT(write(foreign[1], "x", 1), 1);
    wait_for(&reader, 1);
    wait_for(&watch, 1);
    EXPECT_INT(result_of(&reader), 1);
    EXPECT(ops->cancel(backend, &watch.op));
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_foreign(foreign);
    close_rig();
}

static bool has_work(int fd)
{
    struct pollfd query = {.fd = fd, .events = POLLIN};

    return poll(&query, 1, 0) == 1;
}

TEST_NO_SWEEP(embedded, "the back end's fd is readable when poll has work, and quiet when it has none", RIG)
{
    struct probe reader = {0}, standing = {0};
    int fds[2], fd;

    open_rig("epoll");
    ops->wake(backend);
    fd = ops->fd(backend);
    EXPECT(has_work(fd));
    look();
    EXPECT(!has_work(fd));
    ops->wake(backend);
    ops->wake(backend);
    EXPECT(has_work(fd));
    look();
    EXPECT(!has_work(fd));
    make_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    look_often();
    EXPECT(!has_work(fd));
    send_text(fds[1], "x");
    EXPECT(has_work(fd));
    look();
    EXPECT(reader.ended);
    look_often();
    EXPECT(!has_work(fd));
    /* What needs no event is work too. */
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    close_fd(fds[0]);
    EXPECT(has_work(fd));
    look();
    EXPECT(reader.ended);
    look();
    EXPECT(!has_work(fd));
    close_fd(fds[1]);
    make_pair(fds);
    send_text(fds[1], "x");
    EXPECT(!start_poll(&standing, "standing", fds[0], ASYNCIO_READABLE, ASYNCIO_OP_STANDING));
    for (int i = 1; i < 4; i++) {
        EXPECT(has_work(fd));
        look();
        EXPECT_INT(standing.completions, i);
    }
    EXPECT(ops->cancel(backend, &standing.op));
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(open_without_fds, "opening without fds to spare fails cleanly", RIG)
{
    struct rlimit old, limit;
    const char *options, *reason;
    int r, spare = dup(0);

    close(spare);
    EXPECT_INT(asyncio__backend_choose("epoll", &ops, &options, &reason), 0);
    getrlimit(RLIMIT_NOFILE, &old);
    limit = old;
    for (int more = 0; more < 2; more++) {
        limit.rlim_cur = (rlim_t)(spare + more);
        setrlimit(RLIMIT_NOFILE, &limit);
        r = ops->open(&backend, NULL, 0);
        setrlimit(RLIMIT_NOFILE, &old);
        EXPECT_INT(r, -EMFILE);
    }
}
