/* test_handover.c -- sockets that go over a connection, or by inheritance. */
#include "handover_rig.h"

static struct asyncio_socket *here, *there, *listener;

static void make_listener(void)
{
    EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, &listener), 0);
    EXPECT_INT(asyncio_address_parse(&address, "127.0.0.1", 0), 0);
    EXPECT_INT(asyncio_socket_bind(listener, &address), 0);
    EXPECT_INT(asyncio_socket_listen(listener, 100), 0);
    EXPECT_INT(asyncio_socket_getsockname(listener, &address), 0);
}

static void begin(void)
{
    struct asyncio_socket *pair[2] = {NULL, NULL};

    EXPECT_INT(asyncio_socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    here = pair[0];
    there = pair[1];
    make_listener();
}

static int end(void)
{
    here = asyncio_socket_unref(here);
    there = asyncio_socket_unref(there);
    listener = asyncio_socket_unref(listener);
    return 0;
}

static int send_listener(const char *text)
{
    return asyncio_send_sockets(here, &listener, 1, text);
}

/* True when a connection to `address` reaches the listener. */
static bool is_reached(struct asyncio_socket *socket)
{
    struct asyncio_socket *client = NULL, *accepted = NULL;
    bool reached;

    EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, &client), 0);
    reached = asyncio_sock_connect(client, &address) == 0 && asyncio_sock_accept(socket, &accepted, NULL) == 0;
    asyncio_socket_unref(accepted);
    asyncio_socket_unref(client);
    return reached;
}

/* ------------------------------------------------------------------------------------------------ Over a connection */

TEST_HANDOVER(a_listening_socket,
              "R14: a socket goes over with a word; it goes on listening when the sender has closed it")
{
    struct asyncio_socket *received = NULL;
    char text[32] = "";
    size_t n = 1;

    begin();
    EXPECT_INT(send_listener("port of the echo"), 0);
    listener = asyncio_socket_unref(listener);
    EXPECT_INT(asyncio_receive_sockets(there, &received, &n, text, sizeof text), 0);
    EXPECT_INT(n, 1);
    EXPECT_STR(text, "port of the echo");
    EXPECT_INT(fcntl(asyncio_socket_fileno(received), F_GETFD), FD_CLOEXEC);
    EXPECT(is_reached(received));
    asyncio_socket_unref(received);
    return end();
}

TEST_HANDOVER(many_sockets, "64 sockets in their order, with no text or the longest, and bytes behind that stay apart")
{
    struct asyncio_socket *sent[64], *received[64];
    char text[300], longest[256];
    size_t n = 64;

    begin();
    memset(longest, 'x', 255);
    longest[255] = 0;
    for (int i = 0; i < 64; i++)
        sent[i] = i == 63 ? listener : here;
    for (int round = 0; round < 2; round++) {
        n = 64;
        EXPECT_INT(asyncio_send_sockets(here, sent, n, round ? longest : NULL), 0);
        EXPECT_INT(asyncio_sock_sendall(here, "more", 4), 0);
        EXPECT_INT(asyncio_receive_sockets(there, received, &n, text, round ? sizeof text : 1), 0);
        EXPECT_INT(n, 64);
        EXPECT_STR(text, round ? longest : "");
        EXPECT(is_reached(received[63]));
        for (int i = 0; i < 64; i++)
            asyncio_socket_unref(received[i]);
        for (size_t got = 0; got < 4;)
            got += (size_t)asyncio_sock_recv(there, text + got, 4 - got);
        EXPECT(memcmp(text, "more", 4) == 0);
    }
    return end();
}

TEST_HANDOVER(too_many_sockets,
              "more than there is room for, here or in the process: they are closed, and the next one comes")
{
    struct asyncio_socket *sent[3], *received[3];
    struct rlimit limit, low;
    size_t n = 2;

    begin();
    for (int i = 0; i < 3; i++)
        sent[i] = listener;
    EXPECT_INT(asyncio_send_sockets(here, sent, 3, "three"), 0);
    EXPECT_INT(asyncio_receive_sockets(there, received, &n, NULL, 0), -EMSGSIZE);
    EXPECT_INT(n, 2);

    EXPECT_INT(asyncio_send_sockets(here, sent, 3, "three"), 0);
    EXPECT_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    /* Room for one. */
    low.rlim_cur = (rlim_t)dup(0);
    close((int)low.rlim_cur++);
    EXPECT_INT(setrlimit(RLIMIT_NOFILE, &low), 0);
    n = 3;
    EXPECT_INT(asyncio_receive_sockets(there, received, &n, NULL, 0), -EMFILE);
    EXPECT_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);

    EXPECT_INT(send_listener(NULL), 0);
    EXPECT_INT(asyncio_receive_sockets(there, received, &n, NULL, 0), 0);
    EXPECT_INT(n, 1);
    asyncio_socket_unref(received[0]);
    return end();
}

/* Sends bytes with n times a descriptor. */
static void send_raw(const char *data, size_t size, int fd, size_t n)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(100 * sizeof(int))];
    } control;
    struct iovec vector = {(void *)(uintptr_t)data, size};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    struct cmsghdr *part;

    if (n > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(n * sizeof(int));
        part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(n * sizeof(int));
        for (size_t i = 0; i < n; i++)
            memcpy(CMSG_DATA(part) + i * sizeof fd, &fd, sizeof fd);
    }
    EXPECT_INT(sendmsg(asyncio_socket_fileno(here), &message, 0), size);
}

static int receive_garbage(void)
{
    struct asyncio_socket *received[64];
    size_t n = 64;

    return asyncio_receive_sockets(there, received, &n, NULL, 0);
}

TEST_HANDOVER(garbage, "what is no such message, or brings no sockets, is an error, and no descriptor stays")
{
    int fd, pipe_fds[2];

    begin();
    EXPECT_INT(pipe(pipe_fds), 0);
    fd = asyncio_socket_fileno(listener);
    send_raw("hello", 5, fd, 0);
    EXPECT_INT(receive_garbage(), -EPROTO);
    send_raw("hello, world", 12, fd, 1);
    EXPECT_INT(receive_garbage(), -EPROTO);
    send_raw("x", 1, fd, 2);
    EXPECT_INT(receive_garbage(), -EPROTO);
    /* One is announced: two come, none, one that is no socket; and one with half of its text. */
    send_raw("aioS\1\0", 6, fd, 2);
    EXPECT_INT(receive_garbage(), -EPROTO);
    send_raw("aioS\1\0", 6, fd, 0);
    EXPECT_INT(receive_garbage(), -EPROTO);
    send_raw("aioS\1\0", 6, pipe_fds[0], 1);
    EXPECT_INT(receive_garbage(), -EPROTO);
    send_raw("aioS\1\4ab", 8, fd, 1);
    EXPECT_INT(receive_garbage(), -EPROTO);
    send_raw("aioS\144\0", 6, fd, 100);
    EXPECT_INT(receive_garbage(), -EMSGSIZE);
    send_raw("aioS\0\0", 6, fd, 0);
    EXPECT_INT(receive_garbage(), -EPROTO);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    here = asyncio_socket_unref(here);
    EXPECT_INT(receive_garbage(), -ECONNRESET);
    return end();
}

static int receive_one(void *arg)
{
    struct asyncio_socket *received = NULL;
    size_t n = 1;
    int r = asyncio_receive_sockets(there, &received, &n, NULL, 0);

    (void)arg;
    trace("%s: %s", me(), said(r));
    asyncio_socket_unref(received);
    return 0;
}

TEST_HANDOVER(cancelled_receives, "a cancelled receive has lost nothing: the next one gets it, or it came all the same")
{
    struct asyncio_future *first;

    test_spare(ASYNCIO__LATE_CANCELS, "the first test of a cancel is about one that is at once");
    begin();
    first = spawn(receive_one, NULL, "first");
    turns(2);
    cancel(first);
    everybody();
    EXPECT_INT(send_listener(NULL), 0);
    spawn(receive_one, NULL, "second");
    everybody();
    EXPECT_TRACE("[0.000] first: -ECANCELED\n"
                 "[0.000] second: 0\n");
    for (int n = 0; n < 6; n++) {
        struct asyncio_socket *received = NULL;
        size_t room = 1;

        first = spawn(receive_one, NULL, "third");
        turns(2);
        EXPECT_INT(send_listener(NULL), 0);
        turns(n);
        cancel(first);
        everybody();
        if (strstr(transcript(), "ECANCELED")) {
            EXPECT_INT(asyncio_receive_sockets(there, &received, &room, NULL, 0), 0);
            asyncio_socket_unref(received);
        }
        trace_clear();
    }
    return end();
}

static int send_until_cancelled(void *arg)
{
    int n = 0;

    while (send_listener(arg) == 0)
        n++;
    return n;
}

TEST_HANDOVER(full_connection, "a sender waits for room, and a cancel of that leaves the stream whole")
{
    struct asyncio_future *sender;
    struct asyncio_socket *received;
    size_t n;
    int sent, got = 0;

    begin();
    sender = spawn(send_until_cancelled, NULL, "sender");
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT(!asyncio_future_done(sender));
    cancel(sender);
    everybody();
    sent = asyncio_future_result(sender);
    EXPECT(sent > 1);
    here = asyncio_socket_unref(here);
    for (n = 1; asyncio_receive_sockets(there, &received, &n, NULL, 0) == 0; got++)
        asyncio_socket_unref(received);
    EXPECT_INT(got, sent);
    return end();
}

TEST_HANDOVER(misuse_of_handing_over,
              "no sockets, too many, closed ones, too long a text, nowhere to put them: refused")
{
    struct asyncio_socket *many[65], *received;
    char text[257];
    size_t n = 1;

    begin();
    for (int i = 0; i < 65; i++)
        many[i] = listener;
    memset(text, 'x', 256);
    text[256] = 0;
    EXPECT_INT(asyncio_send_sockets(NULL, many, 1, NULL), -EINVAL);
    EXPECT_INT(asyncio_send_sockets(here, NULL, 1, NULL), -EINVAL);
    EXPECT_INT(asyncio_send_sockets(here, many, 0, NULL), -EINVAL);
    EXPECT_INT(asyncio_send_sockets(here, many, 65, NULL), -EINVAL);
    EXPECT_INT(asyncio_send_sockets(here, many, 1, text), -EINVAL);
    EXPECT_INT(asyncio_receive_sockets(NULL, &received, &n, NULL, 0), -EINVAL);
    EXPECT_INT(asyncio_receive_sockets(there, NULL, &n, NULL, 0), -EINVAL);
    EXPECT_INT(asyncio_receive_sockets(there, &received, NULL, NULL, 0), -EINVAL);
    EXPECT_INT(asyncio_receive_sockets(there, &received, &n, NULL, 4), -EINVAL);
    EXPECT_INT(asyncio_socket_close(listener), 0);
    EXPECT_INT(send_listener(NULL), -EBADF);
    return end();
}

static int not_in_the_simulator(void *arg)
{
    struct asyncio_socket *pair[2] = {NULL, NULL}, *received;
    size_t n = 1;

    (void)arg;
    if (asyncio_socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return 0;
    EXPECT_INT(asyncio_send_sockets(pair[0], pair, 1, NULL), -EOPNOTSUPP);
    EXPECT_INT(asyncio_receive_sockets(pair[1], &received, &n, NULL, 0), -EOPNOTSUPP);
    asyncio_socket_unref(pair[0]);
    asyncio_socket_unref(pair[1]);
    return 0;
}

TEST_SIM(simulated_sockets, "sockets of the simulator are none that another process could have")
{
    EXPECT_INT(run(not_in_the_simulator, NULL), 0);
}

/* --------------------------------------------------------------------------------------------------- By inheritance */

/* What a process that begins with n sockets from number 3 on finds; its end is the result. */
static int find_inherited(void *arg)
{
    struct asyncio_socket *found[4] = {NULL};
    ssize_t n = asyncio_listen_sockets(found, 4);

    (void)arg;
    if (n > 0) {
        if (asyncio_socket_fileno(found[0]) != 3 || getenv("LISTEN_FDS") || getenv("LISTEN_PID"))
            return 99;
        if (asyncio_socket_getsockname(found[n - 1], &address) < 0 || !is_reached(found[n - 1]))
            return 98;
        if (asyncio_listen_sockets(found, 4) != 0)
            return 97;
    }
    for (int i = 0; i < 4; i++)
        asyncio_socket_unref(found[i]);
    return n < 0 ? 100 + (int)-n : (int)n;
}

/* Runs a coroutine in a process of its own, in which `arrange` was called before. Returns: its status. */
static int status_of(void (*arrange)(void *arg), void *arg, asyncio_coro *fn)
{
    pid_t pid = fork();

    if (pid == 0) {
        arrange(arg);
        _exit(asyncio_run(fn, arg, .backend = test_backend()));
    }
    return end_of_process(pid);
}

static void put_listener_at(int to)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof any) < 0 || listen(fd, 10) < 0 ||
        (fd != to && (dup2(fd, to) < 0 || close(fd) < 0)))
        _exit(96);
}

/* "2": so many, for this process; "-2": for another one; any other text as it is. */
static void inherit(void *arg)
{
    const char *text = arg;
    bool for_others = text[0] == '-';
    char pid[16];

    snprintf(pid, sizeof pid, "%d", (int)getpid() + for_others);
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", text + for_others, 1);
    for (int i = 0; i < 8; i++)
        put_listener_at(3 + i);
    if (text[0] == '1')
        close(3), open("/dev/null", O_RDONLY);
}

static int inherited(const char *text)
{
    return status_of(inherit, (void *)(uintptr_t)text, find_inherited);
}

TEST_EPOLL(inherited_sockets, "R14: the sockets of $LISTEN_FDS are found once, if they are for this process")
{
    EXPECT_INT(inherited("2"), 2);
    EXPECT_INT(inherited("4"), 4);
    EXPECT_INT(inherited("-2"), 0);
    EXPECT_INT(inherited("0"), 0);
    EXPECT_INT(inherited("5"), 100 + EMSGSIZE);
    EXPECT_INT(inherited("2x"), 100 + EINVAL);
    EXPECT_INT(inherited(""), 100 + EINVAL);
    EXPECT_INT(inherited("1"), 100 + ENOTSOCK);
    EXPECT_INT(asyncio_listen_sockets(NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_listen_sockets(NULL, 0), -ASYNCIO_ENOLOOP);
}
