/* test_sockets_closed.c -- sockets that are closed, shared, handed over or misused: nobody waits on what is gone, and
 * no fd's number is mistaken for another. */
#include "socket_rig.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------------- Two tasks, and closing */

static int two_receivers(void *arg)
{
    (void)arg;
    make_pair();
    fill(a);
    spawn(receiver, a, "first");
    spawn(receiver, a, "second");
    spawn(send_when_full, a, "sender");
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT_INT(asyncio_sock_sendall(b, "x", 1), 0);
    EXPECT_INT(asyncio_sleep(1), 0);
    a = asyncio_socket_unref(a);
    all_done();
    return end();
}

TEST(sock_busy, "IO-07 D-05: of two tasks that receive the second gets -EBUSY; one that sends is no hindrance")
{
    EXPECT_INT(play(two_receivers), 0);
    EXPECT_TRACE("[0.000] second: -EBUSY\n[1.000] first: 1, x\n[2.000] sender: -ASYNCIO_ECLOSED\n");
}

static int close_under_all(void *arg)
{
    (void)arg;
    make_pair();
    make_listener();
    fill(a);
    spawn(receiver, a, "receiver");
    spawn(send_when_full, a, "sender");
    spawn(acceptor, listener, "acceptor");
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT_INT(asyncio_socket_close(a), 0);
    EXPECT_INT(asyncio_socket_close(listener), 0);
    EXPECT_INT(asyncio_socket_close(listener), 0);
    EXPECT_INT(asyncio_sock_recv(a, &(char){0}, 1), -EBADF);
    all_done();
    return end();
}

TEST(close_under_wait,
     "#75: whoever waits on a socket that is closed gets -ASYNCIO_ECLOSED, whoever comes later -EBADF")
{
    EXPECT_INT(play(close_under_all), 0);
    EXPECT_TRACE("[1.000] receiver: -ASYNCIO_ECLOSED\n[1.000] sender: -ASYNCIO_ECLOSED\n"
                 "[1.000] acceptor: -ASYNCIO_ECLOSED\n");
}

static int drop_under_wait(void *arg)
{
    (void)arg;
    make_pair();
    asyncio_socket_ref(a);
    spawn(receiver, a, "receiver");
    spawn(send_much, a, "sender");
    EXPECT_INT(asyncio_sleep(1), 0);
    asyncio_socket_unref(a);
    EXPECT(!asyncio_future_done(crew[0]));
    a = asyncio_socket_unref(a);
    all_done();
    EXPECT(receive(b, &(char){0}, 1) == 1);
    return end();
}

TEST(unref_under_wait, "#75: the last reference closes the socket also while tasks wait on it")
{
    EXPECT_INT(play(drop_under_wait), 0);
    EXPECT_TRACE("[1.000] receiver: -ASYNCIO_ECLOSED\n[1.000] sender: -ASYNCIO_ECLOSED\n");
}

/* Sends one byte after the other until it cannot. */
static int send_bytes(void *arg)
{
    ssize_t r;

    do
        r = asyncio_sock_send(arg, "s", 1);
    while (r == 1);
    trace("%s: %s", me(), said(r));
    return 0;
}

/* The same in one call. */
static int send_all_slowly(void *arg)
{
    int r = 0;

    while (r == 0)
        r = asyncio_sock_sendall(arg, "s", 1);
    trace("%s: %s", me(), said(r));
    return 0;
}

static int reuse_between_calls(void *arg)
{
    struct asyncio_socket *old, *other;
    char data[4];
    int fd;

    (void)arg;
    for (int i = 0; i < 2; i++) {
        make_pair();
        old = a;
        other = b;
        fd = asyncio_socket_fileno(old);
        spawn(i ? send_all_slowly : send_bytes, old, i ? "sendall" : "send");
        turns(1);
        EXPECT_INT(asyncio_socket_close(old), 0);
        make_pair();
        EXPECT_INT(asyncio_socket_fileno(a), fd);
        all_done();
        EXPECT_INT(asyncio_sock_sendall(a, "x", 1), 0);
        EXPECT_INT(receive(b, data, sizeof data), 1);
        EXPECT(data[0] == 'x');
        asyncio_socket_unref(old);
        asyncio_socket_unref(other);
        end();
    }
    return 0;
}

TEST(number_reused,
     "#74 #75 R3: a task that had to let others run within a call does not go on with an fd that is another's by then")
{
    EXPECT_INT(play(reuse_between_calls), 0);
    EXPECT_TRACE("[0.000] send: -ASYNCIO_ECLOSED\n[0.000] sendall: -ASYNCIO_ECLOSED\n");
}

/* ----------------------------------------------------------------------------------------------- Fds of the process */

static int detach_one(void *arg)
{
    char data[4] = "";
    int fd;

    (void)arg;
    make_pair();
    spawn(receiver, a, "receiver");
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT_INT(asyncio_socket_detach(a), -EBUSY);
    EXPECT_INT(asyncio_sock_sendall(b, "x", 1), 0);
    all_done();
    fd = asyncio_socket_detach(a);
    EXPECT_INT(asyncio_socket_fileno(a), -EBADF);
    EXPECT_INT(asyncio_socket_detach(a), -EBADF);
    EXPECT_INT(asyncio_socket_close(a), 0);
    EXPECT(fcntl(fd, F_GETFL) & O_NONBLOCK);
    EXPECT_INT(asyncio_sock_sendall(b, "yz", 2), 0);
    EXPECT_INT(asyncio_wait_fd(fd, ASYNCIO_READABLE), ASYNCIO_READABLE);
    EXPECT_INT(read(fd, data, sizeof data), 2);
    EXPECT_STR(data, "yz");
    EXPECT_INT(close(fd), 0);
    return end();
}

TEST_EPOLL(detach, "IO-09: an fd that is taken out of its socket is the caller's, and open; not while a task waits")
{
    EXPECT_INT(play(detach_one), 0);
    EXPECT_TRACE("[1.000] receiver: 1, x\n");
}

static int detach_in_sim(void *arg)
{
    (void)arg;
    make_pair();
    EXPECT_INT(asyncio_socket_detach(a), -EOPNOTSUPP);
    EXPECT_INT(asyncio_sock_sendall(a, "x", 1), 0);
    EXPECT_INT(asyncio_socket_from_fd(0, &listener), -EOPNOTSUPP);
    return end();
}

TEST_SIM(detach_in_sim, "IO-09: the simulated machine's fds stay there, and those of the process outside")
{
    EXPECT_INT(run(detach_in_sim, NULL), 0);
}

static void nothing(void *arg)
{
    (void)arg;
}

static int adopt(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_socket *again = NULL;
    int fds[2], pipes[2];

    (void)arg;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 || pipe(pipes) < 0)
        SKIP("no sockets");
    EXPECT_INT(asyncio_socket_from_fd(pipes[0], &a), -ENOTSOCK);
    EXPECT_INT(asyncio_socket_from_fd(987654, &a), -EBADF);
    EXPECT_INT(asyncio_socket_from_fd(-1, &a), -EBADF);
    EXPECT_INT(asyncio_socket_from_fd(fds[0], NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_add_reader(loop, fds[0], nothing, NULL), 0);
    EXPECT_INT(asyncio_socket_from_fd(fds[0], &a), -EBUSY);
    EXPECT(!(fcntl(fds[0], F_GETFL) & O_NONBLOCK));
    EXPECT_INT(asyncio_loop_remove_reader(loop, fds[0]), 1);

    EXPECT_INT(asyncio_socket_from_fd(fds[0], &a), 0);
    EXPECT(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    EXPECT(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
    EXPECT_INT(asyncio_socket_fileno(a), fds[0]);
    spawn(receiver, a, "receiver");
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT_INT(asyncio_socket_from_fd(fds[0], &again), -EBUSY);
    EXPECT_INT(write(fds[1], "x", 1), 1);
    all_done();
    EXPECT_INT(asyncio_socket_from_fd(fds[0], &again), -EBUSY);
    end();
    asyncio_socket_unref(again);
    if (a)
        EXPECT_INT(fcntl(fds[0], F_GETFD), -1);
    close(fds[0]);
    close(fds[1]);
    close(pipes[0]);
    close(pipes[1]);
    return 0;
}

TEST_EPOLL(socket_from_fd, "IO-09: an fd of the process becomes a socket, non-blocking, unless the loop has it already")
{
    EXPECT_INT(play(adopt), 0);
    EXPECT_TRACE("[1.000] receiver: 1, x\n");
}

static int watch_what_is_ours(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    int fd;

    (void)arg;
    make_pair();
    spawn(receiver, a, "receiver");
    EXPECT_INT(asyncio_sleep(1), 0);
    fd = asyncio_socket_fileno(a);
    EXPECT_INT(asyncio_loop_add_reader(loop, fd, nothing, NULL), -EBUSY);
    EXPECT_INT(asyncio_loop_add_writer(loop, fd, nothing, NULL), -EBUSY);
    EXPECT_INT(asyncio_wait_fd(fd, ASYNCIO_WRITABLE), -EBUSY);
    EXPECT_INT(asyncio_sock_sendall(b, "x", 1), 0);
    all_done();
    EXPECT_INT(asyncio_loop_add_reader(loop, fd, nothing, NULL), -EBUSY);
    EXPECT_INT(asyncio_loop_remove_reader(loop, fd), 0);
    return end();
}

TEST_EPOLL(watch_own_socket, "IO-01: the fd of a socket of the library cannot be watched beside it")
{
    EXPECT_INT(play(watch_what_is_ours), 0);
    EXPECT_TRACE("[1.000] receiver: 1, x\n");
}

static int close_a_copied_one(void *arg)
{
    struct pollfd query = {.fd = asyncio_loop_fd(asyncio_get_running_loop()), .events = POLLIN};
    int copy;

    (void)arg;
    make_pair();
    spawn(receiver, a, "receiver");
    EXPECT_INT(asyncio_sleep(1), 0);
    copy = fcntl(asyncio_socket_fileno(a), F_DUPFD_CLOEXEC, 0);
    a = asyncio_socket_unref(a);
    all_done();
    EXPECT_INT(asyncio_sock_sendall(b, "x", 1), 0);
    turns(2);
    EXPECT_INT(poll(&query, 1, 0), 0);
    EXPECT_INT(close(copy), 0);
    return end();
}

TEST_EPOLL(close_with_a_copy, "#73: once a socket is closed the kernel watches no copy of it")
{
    EXPECT_INT(play(close_a_copied_one), 0);
    EXPECT_TRACE("[1.000] receiver: -ASYNCIO_ECLOSED\n");
}

/* -------------------------------------------------------------------------------------------- References and misuse */

static int options(void *arg)
{
    int on = 1, value = -1;

    (void)arg;
    EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, &a), 0);
    EXPECT_INT(asyncio_socket_setsockopt(a, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    EXPECT_INT(asyncio_socket_getsockopt(a, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value), sizeof value);
    EXPECT_INT(value != 0, 1);
    EXPECT_INT(asyncio_socket_getsockopt(a, SOL_SOCKET, SO_TYPE, &value, sizeof value), sizeof value);
    EXPECT_INT(value, SOCK_STREAM);
    EXPECT_INT(asyncio_socket_setsockopt(a, SOL_SOCKET, 12345, &on, sizeof on), -ENOPROTOOPT);
    EXPECT_INT(asyncio_socket_getsockopt(a, SOL_SOCKET, 12345, &value, sizeof value), -ENOPROTOOPT);
    EXPECT_INT(asyncio_socket_setsockopt(a, SOL_SOCKET, SO_REUSEADDR, NULL, sizeof on), -EINVAL);
    EXPECT_INT(asyncio_socket_getsockopt(a, SOL_SOCKET, SO_REUSEADDR, NULL, 0), -EINVAL);
    return end();
}

TEST(socket_options, "IO-09: options are set and read")
{
    EXPECT_INT(run(options, NULL), 0);
}

static int after_close(void *arg)
{
    struct asyncio_socket *accepted = NULL;
    char data[4];
    int value = 0;

    (void)arg;
    make_pair();
    EXPECT_INT(asyncio_socket_close(a), 0);
    EXPECT_INT(asyncio_socket_close(a), 0);
    EXPECT_INT(asyncio_address_parse(&address, "127.0.0.1", 1), 0);
    EXPECT_INT(asyncio_socket_fileno(a), -EBADF);
    EXPECT_INT(asyncio_socket_bind(a, &address), -EBADF);
    EXPECT_INT(asyncio_socket_listen(a, 1), -EBADF);
    EXPECT_INT(asyncio_socket_shutdown(a, SHUT_WR), -EBADF);
    EXPECT_INT(asyncio_socket_getsockname(a, &address), -EBADF);
    EXPECT_INT(asyncio_socket_getpeername(a, &address), -EBADF);
    EXPECT_INT(asyncio_socket_setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &value, sizeof value), -EBADF);
    EXPECT_INT(asyncio_socket_getsockopt(a, SOL_SOCKET, SO_REUSEADDR, &value, sizeof value), -EBADF);
    EXPECT_INT(asyncio_socket_detach(a), -EBADF);
    EXPECT_INT(asyncio_sock_recv(a, data, 1), -EBADF);
    EXPECT_INT(asyncio_sock_recvfrom(a, data, 1, NULL), -EBADF);
    EXPECT_INT(asyncio_sock_send(a, "x", 1), -EBADF);
    EXPECT_INT(asyncio_sock_sendall(a, "x", 1), -EBADF);
    EXPECT_INT(asyncio_sock_sendall(a, "x", 0), -EBADF);
    EXPECT_INT(asyncio_sock_sendto(a, "x", 1, NULL), -EBADF);
    EXPECT_INT(asyncio_sock_connect(a, &address), -EBADF);
    EXPECT_INT(asyncio_sock_accept(a, &accepted, NULL), -EBADF);
    return end();
}

TEST(socket_after_close, "#75: every call on a closed socket is -EBADF")
{
    EXPECT_INT(run(after_close, NULL), 0);
}

static int nothing_given(void *arg)
{
    struct asyncio_socket *none = NULL;
    char data[4];

    (void)arg;
    make_pair();
    EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, NULL), -EINVAL);
    EXPECT_INT(asyncio_socket(-1, SOCK_STREAM, 0, &none) < 0, 1);
    EXPECT_INT(asyncio_socketpair(AF_UNIX, SOCK_STREAM, 0, NULL), -EINVAL);
    EXPECT_PTR(asyncio_socket_ref(NULL), NULL);
    EXPECT_PTR(asyncio_socket_unref(NULL), NULL);
    EXPECT_INT(asyncio_socket_close(NULL), -EINVAL);
    EXPECT_INT(asyncio_socket_detach(NULL), -EINVAL);
    EXPECT_INT(asyncio_socket_fileno(NULL), -EINVAL);
    EXPECT_INT(asyncio_socket_bind(NULL, &address), -EINVAL);
    EXPECT_INT(asyncio_socket_bind(a, NULL), -EINVAL);
    EXPECT_INT(asyncio_socket_listen(NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_socket_shutdown(NULL, SHUT_WR), -EINVAL);
    EXPECT_INT(asyncio_socket_shutdown(a, 99), -EINVAL);
    EXPECT_INT(asyncio_socket_getsockname(NULL, &address), -EINVAL);
    EXPECT_INT(asyncio_socket_getsockname(a, NULL), -EINVAL);
    EXPECT_INT(asyncio_socket_getpeername(NULL, &address), -EINVAL);
    EXPECT_INT(asyncio_socket_setsockopt(NULL, 0, 0, data, 1), -EINVAL);
    EXPECT_INT(asyncio_socket_getsockopt(NULL, 0, 0, data, 1), -EINVAL);
    EXPECT_INT(asyncio_sock_recv(NULL, data, 1), -EINVAL);
    EXPECT_INT(asyncio_sock_recv(a, NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_sock_recvfrom(NULL, data, 1, NULL), -EINVAL);
    EXPECT_INT(asyncio_sock_recvfrom(a, NULL, 1, NULL), -EINVAL);
    EXPECT_INT(asyncio_sock_send(NULL, "x", 1), -EINVAL);
    EXPECT_INT(asyncio_sock_send(a, NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_sock_sendall(NULL, "x", 1), -EINVAL);
    EXPECT_INT(asyncio_sock_sendall(a, NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_sock_sendto(NULL, "x", 1, NULL), -EINVAL);
    EXPECT_INT(asyncio_sock_sendto(a, NULL, 1, NULL), -EINVAL);
    EXPECT_INT(asyncio_sock_connect(NULL, &address), -EINVAL);
    EXPECT_INT(asyncio_sock_connect(a, NULL), -EINVAL);
    EXPECT_INT(asyncio_sock_accept(NULL, &none, NULL), -EINVAL);
    EXPECT_INT(asyncio_sock_accept(a, NULL, NULL), -EINVAL);
    EXPECT_INT(asyncio_sock_accept(a, &none, NULL), -EINVAL);
    EXPECT_PTR(none, NULL);
    return end();
}

TEST(socket_misuse, "IO-09: NULL and nonsense are refused")
{
    EXPECT_INT(run(nothing_given, NULL), 0);
}

/* What a callback may and may not do. */
static void from_a_callback(void *arg)
{
    char data[4];

    (void)arg;
    make_pair();
    EXPECT_INT(asyncio_sock_recv(a, data, 1), -ASYNCIO_ENOTASK);
    EXPECT_INT(asyncio_sock_sendall(a, "x", 1), -ASYNCIO_ENOTASK);
    end();
    asyncio_loop_stop(asyncio_get_running_loop());
}

TEST(socket_outside_of_tasks, "IO-09: outside a loop there are no sockets, outside a task nobody waits on one")
{
    struct asyncio_socket *pair[2] = {NULL, NULL};
    struct asyncio_loop *loop = NULL;

    EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, pair), -ASYNCIO_ENOLOOP);
    EXPECT_INT(asyncio_socketpair(AF_UNIX, SOCK_STREAM, 0, pair), -ASYNCIO_ENOLOOP);
    EXPECT_INT(asyncio_socket_from_fd(0, pair), -ASYNCIO_ENOLOOP);
    new_loop(&loop);
    EXPECT_INT(asyncio_loop_call_soon(loop, from_a_callback, NULL), 0);
    if (asyncio_loop_next_deadline(loop) != INT64_MAX)
        EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    close_loop(loop);
}

static int make_and_leave(void *arg)
{
    (void)arg;
    make_pair();
    return 0;
}

static int on_another_loop(void *arg)
{
    struct asyncio_socket *accepted = NULL;
    char data[4];

    (void)arg;
    EXPECT_INT(asyncio_sock_recv(a, data, 1), -EXDEV);
    EXPECT_INT(asyncio_sock_sendall(a, "x", 1), -EXDEV);
    EXPECT_INT(asyncio_sock_accept(a, &accepted, NULL), -EXDEV);
    return 0;
}

static int finish(void *arg)
{
    (void)arg;
    return end();
}

TEST(socket_of_another_loop, "IO-09: nobody waits on a socket of another loop")
{
    struct asyncio_loop *loop = NULL;

    new_loop(&loop);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, make_and_leave, NULL), 0);
    EXPECT_INT(run(on_another_loop, NULL), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, finish, NULL), 0);
    end();
    close_loop(loop);
}

TEST(socket_after_the_loop, "#75: a socket that outlives its loop can be closed, and does nothing else")
{
    EXPECT_INT(run(make_and_leave, NULL), 0);
    if (test_on_sim())
        EXPECT_LOG("2 file descriptors were left open");
    EXPECT_INT(asyncio_socket_listen(a, 1), -ASYNCIO_ECLOSED);
    EXPECT_INT(asyncio_sock_recv(a, &(char){0}, 1), -ASYNCIO_ENOTASK);
    EXPECT_INT(asyncio_socket_close(b), 0);
    EXPECT_INT(asyncio_socket_fileno(b), -EBADF);
    end();
}
