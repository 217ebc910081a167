/* test_connections.c -- open_connection and open_unix_connection: which address is taken, what is told of those that
 * were not, and that nothing is left of an attempt that ends early. */
#include "crew.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* Stands in for libc's, to hear of a close of what is not open. */
int close(int fd)
{
    int r = (int)syscall(SYS_close, fd);

    if (r < 0 && errno == EBADF)
        FAIL("fd %d was closed twice", fd);
    return r;
}

static struct asyncio_socket *listener, *accepted;
static struct asyncio_streamreader *reader;
static struct asyncio_streamwriter *writer;
static int port;

/* Listens at a host, at any port, which is then in `port`. */
static int listen_at(int family, const char *host, int backlog)
{
    struct asyncio_address address = {0};
    int r;

    EXPECT_INT(asyncio_socket(family, SOCK_STREAM, 0, &listener), 0);
    EXPECT_INT(asyncio_address_parse(&address, host, 0), 0);
    r = asyncio_socket_bind(listener, &address);
    if (r < 0)
        return r;
    EXPECT_INT(asyncio_socket_listen(listener, backlog), 0);
    EXPECT_INT(asyncio_socket_getsockname(listener, &address), 0);
    port = asyncio_address_port(&address);
    return 0;
}

static void close_streams(void)
{
    asyncio_streamwriter_close(writer);
    if (writer)
        ASYNCIO_IGNORE(asyncio_streamwriter_wait_closed(writer));
    writer = asyncio_streamwriter_unref(writer);
    reader = asyncio_streamreader_unref(reader);
    accepted = asyncio_socket_unref(accepted);
}

static int end(void)
{
    close_streams();
    listener = asyncio_socket_unref(listener);
    return 0;
}

/* Has a byte go there and back between the streams and `accepted`. */
static void exchange(void)
{
    char data[4] = "";

    EXPECT_INT(asyncio_streamwriter_write(writer, "x", 1), 0);
    EXPECT_INT(accepted ? asyncio_sock_recv(accepted, data, sizeof data) : -EBADF, 1);
    EXPECT_INT(asyncio_sock_sendall(accepted, "y", 1), 0);
    EXPECT_INT(accepted ? asyncio_streamreader_read(reader, data, sizeof data) : -EBADF, 1);
    EXPECT_STR(data, "y");
}

/* Accepts what has connected already. */
static void accept_one(struct asyncio_address *ret_peer)
{
    if (writer)
        EXPECT_INT(asyncio_sock_accept(listener, &accepted, ret_peer), 0);
}

static int option_of_writer(int level, int name)
{
    int value = -1;
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_GETSOCKOPT,
        .fd = asyncio_streamwriter_fileno(writer),
        .option = {level, name, &value, sizeof value},
    };

    asyncio_op_submit(asyncio_get_running_loop(), &op);
    return op.result < 0 ? (int)op.result : value;
}

/* The last error's detail, with the port written as P. */
static const char *detail(void)
{
    static char text[200];
    char number[12];
    const char *from = asyncio_error_detail();
    size_t n = 0;

    snprintf(number, sizeof number, ":%d", port);
    while (*from && n < sizeof text - 3) {
        if (strncmp(from, number, strlen(number)) == 0) {
            text[n++] = ':';
            text[n++] = 'P';
            from += strlen(number);
        } else {
            text[n++] = *from++;
        }
    }
    text[n] = 0;
    return text;
}

/* ---------------------------------------------------------------------------------------------------- To an address */

static int connect_to_numbers(void *arg)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", NULL, ""};
    int r;

    (void)arg;
    EXPECT_INT(listen_at(AF_INET, "127.0.0.1", 10), 0);
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        r = asyncio_open_connection(hosts[i], port, &reader, &writer);
        EXPECT_INT(r, 0);
        accept_one(NULL);
        /* In a fault sweep the next one would be taken for this one. */
        if (!accepted)
            break;
        exchange();
        EXPECT(option_of_writer(IPPROTO_TCP, TCP_NODELAY) > 0);
        close_streams();
    }
    return end();
}

TEST(open_connection,
     "ST-01 N-01 N-02 N-05: a number, localhost and no host lead here, past an address where nobody listens; "
     "without delay")
{
    EXPECT_INT(run(connect_to_numbers, NULL), 0);
}

static int with_a_limit(void *arg)
{
    char *data = NULL;

    (void)arg;
    EXPECT_INT(listen_at(AF_INET, "127.0.0.1", 10), 0);
    EXPECT_INT(asyncio_open_connection("127.0.0.1", port, &reader, &writer, .limit = 10), 0);
    accept_one(NULL);
    EXPECT_INT(asyncio_sock_sendall(accepted, "0123456789abcdef\n", 17), 0);
    asyncio_socket_close(accepted);
    EXPECT_INT(asyncio_streamreader_readuntil(reader, "\n", 1, &data), -ASYNCIO_ELIMITOVERRUN);
    return end();
}

TEST(open_connection_limit, "ST-01: the limit is the reader's")
{
    EXPECT_INT(run(with_a_limit, NULL), 0);
}

static int connect_v6(void *arg)
{
    struct asyncio_address peer = {0};

    (void)arg;
    if (listen_at(AF_INET6, "::1", 10) == -EADDRNOTAVAIL) {
        end();
        return 1;
    }
    EXPECT_INT(asyncio_open_connection("localhost", port, &reader, &writer), 0);
    accept_one(&peer);
    EXPECT_INT(writer ? asyncio_address_family(&peer) : AF_INET6, AF_INET6);
    exchange();
    EXPECT(option_of_writer(IPPROTO_TCP, TCP_NODELAY) > 0);
    close_streams();
    EXPECT_INT(asyncio_open_connection("localhost", port, &reader, &writer, .family = AF_INET), -ECONNREFUSED);
    EXPECT_STR(detail(), "connect 127.0.0.1:P: Connection refused");
    EXPECT_INT(asyncio_open_connection("::1", port, &reader, &writer, .family = AF_INET), -EAFNOSUPPORT);
    return end();
}

TEST(open_connection_v6, "N-02 #86: the addresses are tried in their order; a family can be asked for")
{
    if (run(connect_v6, NULL) == 1)
        SKIP("no IPv6 here");
}

static int find_nobody(void *arg)
{
    (void)arg;
    EXPECT_INT(listen_at(AF_INET, "127.0.0.1", 10), 0);
    listener = asyncio_socket_unref(listener);
    EXPECT_INT(asyncio_open_connection("127.0.0.1", port, &reader, &writer), -ECONNREFUSED);
    EXPECT_STR(detail(), "connect 127.0.0.1:P: Connection refused");
    EXPECT_INT(asyncio_open_connection("localhost", port, &reader, &writer), -ECONNREFUSED);
    EXPECT_STR(detail(), "connect [::1]:P: Connection refused; connect 127.0.0.1:P: Connection refused");
    EXPECT_INT(asyncio_open_connection("localhost", port, &reader, &writer, .local_host = "127.0.0.1"), -EADDRNOTAVAIL);
    EXPECT_STR(detail(), "connect [::1]:P: no matching local address; connect 127.0.0.1:P: Connection refused");
    EXPECT_PTR(reader, NULL);
    EXPECT_PTR(writer, NULL);
    return end();
}

TEST(open_connection_refused, "N-03: the error of the only address, or the first one, and all of them in the detail")
{
    EXPECT_INT(run(find_nobody, NULL), 0);
}

static int find_names(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_open_connection("no name", 80, &reader, &writer), -EINVAL);
    EXPECT_INT(asyncio_open_connection("127.0.0.1", 80, &reader, &writer, .local_host = "no name"), -EINVAL);
    EXPECT_INT(asyncio_open_connection("fe80::1%no-such-if", 80, &reader, &writer), -ENODEV);
    EXPECT_INT(asyncio_open_connection("127.0.0.1", 80, &reader, &writer, .family = AF_INET6), -EAFNOSUPPORT);
    EXPECT_INT(asyncio_open_connection("127.0.0.1", 65536, &reader, &writer), -EINVAL);
    EXPECT_INT(asyncio_open_connection("127.0.0.1", -1, &reader, &writer), -EINVAL);
    EXPECT_INT(asyncio_open_connection("127.0.0.1", 80, &reader, &writer, .local_port = -1), -EINVAL);
    return 0;
}

TEST(open_connection_to_a_name, "N-01 N-03: what cannot be an address is told before anything is tried")
{
    EXPECT_INT(run(find_names, NULL), 0);
}

static int connect_from(void *arg)
{
    struct asyncio_streamreader *other_reader = NULL;
    struct asyncio_streamwriter *other_writer = NULL;
    struct asyncio_address peer = {0}, own = {0};
    int from;

    (void)arg;
    EXPECT_INT(listen_at(AF_INET, "127.0.0.1", 10), 0);
    EXPECT_INT(asyncio_open_connection("127.0.0.1", port, &reader, &writer, .local_host = "localhost"), 0);
    accept_one(&peer);
    EXPECT_INT(asyncio_streamwriter_sockname(writer, &own), 0);
    from = asyncio_address_port(&own);
    EXPECT_INT(asyncio_address_port(&peer), from);
    EXPECT_INT(asyncio_open_connection("127.0.0.1", port, &other_reader, &other_writer, .local_port = from),
               -EADDRINUSE);
    EXPECT(strncmp(detail(), "bind to 0.0.0.0:", 16) == 0);
    EXPECT(strstr(detail(), ": Address already in use"));
    EXPECT_INT(asyncio_open_connection("127.0.0.1", port, &other_reader, &other_writer, .local_host = "::1"),
               -EADDRNOTAVAIL);
    EXPECT_STR(detail(), "connect 127.0.0.1:P: no matching local address");
    EXPECT_INT(asyncio_open_connection("127.0.0.1", port, &other_reader, &other_writer, .local_host = "192.0.2.1"),
               -EADDRNOTAVAIL);
    EXPECT_PTR(other_reader, NULL);
    exchange();
    return end();
}

TEST(open_connection_from, "N-02: it is bound to the local address of the same family, and told when that cannot be")
{
    EXPECT_INT(run(connect_from, NULL), 0);
}

/* -------------------------------------------------------------------------------------------------------- To a path */

static int listen_at_path(const char *path)
{
    struct asyncio_address address = {0};
    int r;

    EXPECT_INT(asyncio_socket(AF_UNIX, SOCK_STREAM, 0, &listener), 0);
    EXPECT_INT(asyncio_address_unix(&address, path), 0);
    r = asyncio_socket_bind(listener, &address);
    EXPECT_INT(r, 0);
    EXPECT_INT(asyncio_socket_listen(listener, 10), 0);
    return r;
}

static int connect_to_path(void *arg)
{
    char long_path[200], path[64];

    (void)arg;
    snprintf(path, sizeof path, "@asyncio-connections-%d", (int)getpid());
    EXPECT_INT(asyncio_open_unix_connection(path, &reader, &writer), -ECONNREFUSED);
    listen_at_path(path);
    EXPECT_INT(asyncio_open_unix_connection(path, &reader, &writer), 0);
    accept_one(NULL);
    exchange();
    close_streams();
    listener = asyncio_socket_unref(listener);
    EXPECT_INT(asyncio_open_unix_connection(path, &reader, &writer), -ECONNREFUSED);
    EXPECT_INT(asyncio_open_unix_connection("/nowhere/at/all", &reader, &writer), -ENOENT);
    EXPECT_STR(detail(), "connect /nowhere/at/all: No such file or directory");
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = 0;
    EXPECT_INT(asyncio_open_unix_connection(long_path, &reader, &writer), -ENAMETOOLONG);
    EXPECT_INT(asyncio_open_unix_connection("", &reader, &writer), -EINVAL);
    EXPECT_INT(asyncio_open_unix_connection(NULL, &reader, &writer), -EINVAL);
    EXPECT_INT(asyncio_open_unix_connection(path, &reader, &writer, .family = AF_UNIX), -EINVAL);
    EXPECT_INT(asyncio_open_unix_connection(path, &reader, &writer, .local_host = "::1"), -EINVAL);
    return end();
}

TEST(open_unix_connection, "N-09: an abstract name, and what is told where nobody listens or nothing is")
{
    EXPECT_INT(run(connect_to_path, NULL), 0);
}

static int connect_to_file(void *arg)
{
    char folder[] = "/tmp/asyncio-connections-XXXXXX", path[64];

    (void)arg;
    if (!mkdtemp(folder))
        SKIP("no folder");
    snprintf(path, sizeof path, "%s/s", folder);
    listen_at_path(path);
    EXPECT_INT(asyncio_open_unix_connection(path, &reader, &writer), 0);
    accept_one(NULL);
    exchange();
    end();
    EXPECT_INT(asyncio_open_unix_connection(path, &reader, &writer), -ECONNREFUSED);
    unlink(path);
    rmdir(folder);
    return 0;
}

TEST_EPOLL(open_unix_connection_to_a_file, "N-09: a path; a file whose listener has gone refuses")
{
    EXPECT_INT(run(connect_to_file, NULL), 0);
}

/* ---------------------------------------------------------------------------------------------------- Over a socket */

/* A connected pair of which `accepted` is one. Returns: the other one. */
static struct asyncio_socket *one_of_a_pair(void)
{
    struct asyncio_socket *pair[2] = {NULL, NULL};

    EXPECT_INT(asyncio_socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    accepted = pair[1];
    return pair[0];
}

static struct asyncio_socket *plain(int family, int type)
{
    struct asyncio_socket *socket = NULL;

    EXPECT_INT(asyncio_socket(family, type, 0, &socket), 0);
    return socket;
}

/* The peer of the socket that was handed over finds that it is closed. */
static void expect_closed_peer(void)
{
    if (accepted)
        EXPECT_INT(asyncio_sock_recv(accepted, &(char){0}, 1), 0);
    accepted = asyncio_socket_unref(accepted);
}

static int over_sockets(void *arg)
{
    struct asyncio_socket *mine;

    (void)arg;
    mine = asyncio_socket_ref(one_of_a_pair());
    EXPECT_INT(mine ? asyncio_open_connection(NULL, 0, &reader, &writer, .sock = mine) : -ENOMEM, 0);
    exchange();
    EXPECT_INT(asyncio_socket_fileno(mine), mine ? -EBADF : -EINVAL);
    asyncio_socket_unref(mine);
    close_streams();
    mine = one_of_a_pair();
    EXPECT_INT(mine ? asyncio_open_unix_connection(NULL, &reader, &writer, .sock = mine) : -ENOMEM, 0);
    exchange();
    close_streams();

    mine = plain(AF_INET, SOCK_STREAM);
    EXPECT_INT(listen_at(AF_INET, "127.0.0.1", 10), 0);
    if (mine) {
        struct asyncio_address address = {0};

        EXPECT_INT(asyncio_socket_getsockname(listener, &address), 0);
        EXPECT_INT(asyncio_sock_connect(mine, &address), 0);
        EXPECT_INT(asyncio_open_connection(NULL, 0, &reader, &writer, .sock = mine), 0);
        EXPECT(option_of_writer(IPPROTO_TCP, TCP_NODELAY) > 0);
        accept_one(NULL);
        exchange();
    }
    return end();
}

TEST(open_connection_over_a_socket, "N-01 N-05 N-09: a connected socket becomes streams, and is no socket any more")
{
    EXPECT_INT(run(over_sockets, NULL), 0);
}

static int bad_sockets(void *arg)
{
    struct asyncio_socket *mine;

    (void)arg;
    mine = one_of_a_pair();
    EXPECT_INT(asyncio_open_connection("127.0.0.1", 80, &reader, &writer, .sock = mine), -EINVAL);
    expect_closed_peer();
    mine = one_of_a_pair();
    EXPECT_INT(asyncio_open_unix_connection("@x", &reader, &writer, .sock = mine), -EINVAL);
    expect_closed_peer();
    mine = one_of_a_pair();
    EXPECT_INT(asyncio_open_connection(NULL, 0, NULL, &writer, .sock = mine), -EINVAL);
    expect_closed_peer();
    mine = one_of_a_pair();
    EXPECT_INT(asyncio_open_connection(NULL, 0, &reader, &writer, .sock = mine, .local_port = 1), -EINVAL);
    expect_closed_peer();
    mine = plain(AF_INET, SOCK_STREAM);
    EXPECT_INT(asyncio_open_connection(NULL, 0, &reader, &writer, .sock = mine), -ENOTCONN);
    mine = plain(AF_INET, SOCK_DGRAM);
    EXPECT_INT(asyncio_open_connection(NULL, 0, &reader, &writer, .sock = mine), -EINVAL);
    mine = one_of_a_pair();
    EXPECT_INT(asyncio_socket_close(mine), 0);
    EXPECT_INT(asyncio_open_connection(NULL, 0, &reader, &writer, .sock = mine), -EBADF);
    expect_closed_peer();
    cancel(asyncio_current_task());
    mine = one_of_a_pair();
    EXPECT_INT(asyncio_open_connection(NULL, 0, &reader, &writer, .sock = mine), -ECANCELED);
    expect_closed_peer();
    EXPECT_PTR(reader, NULL);
    EXPECT_PTR(writer, NULL);
    return end();
}

TEST(open_connection_over_a_bad_socket, "N-01 #74: a socket that was handed over is closed once, whatever is wrong")
{
    EXPECT_INT(run(bad_sockets, NULL), 0);
}

static int tcp_for_unix(void *arg)
{
    struct asyncio_socket *mine = plain(AF_INET, SOCK_STREAM);
    struct asyncio_address address = {0};

    (void)arg;
    EXPECT_INT(listen_at(AF_INET, "127.0.0.1", 10), 0);
    EXPECT_INT(asyncio_socket_getsockname(listener, &address), 0);
    EXPECT_INT(asyncio_sock_connect(mine, &address), 0);
    EXPECT_INT(asyncio_open_unix_connection(NULL, &reader, &writer, .sock = mine), -EINVAL);
    return end();
}

TEST(open_unix_connection_over_tcp, "N-09: a socket of another family is none for a Unix connection")
{
    EXPECT_INT(run(tcp_for_unix, NULL), 0);
}

static int receiver(void *arg)
{
    char data[4];

    trace("%s: %s", me(), said(asyncio_sock_recv(arg, data, sizeof data)));
    return 0;
}

static int busy_socket(void *arg)
{
    struct asyncio_socket *mine = one_of_a_pair();

    (void)arg;
    spawn(receiver, mine, "receiver");
    turns(2);
    EXPECT_INT(asyncio_open_connection(NULL, 0, &reader, &writer, .sock = mine), mine ? -EBUSY : -EINVAL);
    everybody();
    accepted = asyncio_socket_unref(accepted);
    return end();
}

TEST(open_connection_over_a_busy_socket, "N-01 IO-07: a socket on which somebody waits cannot be handed over")
{
    EXPECT_INT(play(busy_socket), 0);
    EXPECT_TRACE("[0.000] receiver: -ASYNCIO_ECLOSED\n");
}

/* ------------------------------------------------------------------------------------------------------ Cancelling */

static int opener(void *arg)
{
    struct asyncio_streamreader *r = NULL;
    struct asyncio_streamwriter *w = NULL;
    int result = asyncio_open_connection("localhost", port, &r, &w);

    (void)arg;
    if (result == 0)
        asyncio_streamwriter_abort(w);
    asyncio_streamreader_unref(r);
    asyncio_streamwriter_unref(w);
    trace("%s: %s", me(), said(result));
    return result == -ECANCELED ? result : 0;
}

/* Cancels an attempt to connect after some turns, or after some time. */
static int cancel_everywhere(void *arg)
{
    (void)arg;
    EXPECT_INT(listen_at(AF_INET, "127.0.0.1", 200), 0);
    for (int i = 0; i < 40; i++) {
        spawn(opener, NULL, "opener");
        turns(i % 4);
        if (i >= 4)
            ASYNCIO_IGNORE(asyncio_sleep(1e-4 * (i - 3)));
        cancel(crew[crew_size - 1]);
        everybody();
    }
    return end();
}

TEST(open_connection_cancelled, "N-15 #74 R3: a cancel at any moment leaves a connection or nothing, and no fd open")
{
    EXPECT_INT(play(cancel_everywhere), 0);
    trace_clear();
}

static int slow_loop(struct asyncio_loop **ret_loop)
{
    char backend[100];

    snprintf(backend, sizeof backend, "sim:%llu,later=80,delay=2000,eintr=20", (unsigned long long)test_seed());
    return asyncio_new_event_loop(ret_loop, .backend = backend);
}

TEST_SIM(open_connection_cancelled_slowly, "N-15 #74 R3: the same where connecting takes time, and a cancel too")
{
    EXPECT_INT(asyncio_run(cancel_everywhere, NULL, .loop_factory = slow_loop), 0);
    dismiss_crew();
    EXPECT(strstr(transcript(), "opener: -ECANCELED\n"));
    EXPECT(strstr(transcript(), "opener: 0\n"));
    trace_clear();
}

static int filler(void *arg)
{
    struct asyncio_address address = {0};

    EXPECT_INT(asyncio_address_parse(&address, "127.0.0.1", port), 0);
    ASYNCIO_IGNORE(asyncio_sock_connect(arg, &address));
    return 0;
}

/* Connects to a listener that accepts nobody until one has to wait, so that all others will. Returns: how many. */
static int fill_backlog(struct asyncio_socket *fillers[8])
{
    int n = 0;

    EXPECT_INT(listen_at(AF_INET, "127.0.0.1", 0), 0);
    do {
        fillers[n] = plain(AF_INET, SOCK_STREAM);
        spawn(filler, fillers[n++], "filler");
        ASYNCIO_IGNORE(asyncio_sleep(0.001));
    } while (n < 8 && asyncio_future_done(crew[crew_size - 1]));
    EXPECT(!asyncio_future_done(crew[crew_size - 1]));
    return n;
}

static int open_or_give_up(void *arg)
{
    (void)arg;
    return asyncio_open_connection("localhost", port, &reader, &writer);
}

static int cancel_one_that_waits(void *arg)
{
    struct asyncio_socket *fillers[8] = {NULL};
    int n = fill_backlog(fillers);

    (void)arg;
    spawn(opener, NULL, "opener");
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT(!asyncio_future_done(crew[crew_size - 1]));
    cancel(crew[crew_size - 1]);
    EXPECT_INT(asyncio_wait(&crew[crew_size - 1], 1, 10, ASYNCIO_ALL_COMPLETED) >= 0, 1);
    EXPECT(asyncio_future_cancelled(crew[crew_size - 1]));
    EXPECT_INT(asyncio_wait_for(open_or_give_up, NULL, 0.5), -ETIMEDOUT);
    EXPECT_PTR(writer, NULL);
    while (n > 0)
        asyncio_socket_unref(fillers[--n]);
    everybody();
    return end();
}

TEST(open_connection_cancelled_midway, "N-15 #70 #74: a connect that waits is given up by a cancel and by a timeout")
{
    EXPECT_INT(play(cancel_one_that_waits), 0);
    trace_clear();
}

/* ---------------------------------------------------------------------------------------------------------- Misuse */

static int bad_arguments(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_open_connection("127.0.0.1", 80, NULL, &writer), -EINVAL);
    EXPECT_INT(asyncio_open_connection("127.0.0.1", 80, &reader, NULL), -EINVAL);
    EXPECT_INT(asyncio_open_connection(NULL, 0, &reader, &writer), -EINVAL);
    EXPECT_INT(asyncio_open_connection_kw(NULL, 0, &reader, &writer, NULL), -EINVAL);
    EXPECT_INT(asyncio_open_connection("127.0.0.1", 80, &reader, &writer, .close_timeout = __builtin_nan("")), -EINVAL);
    EXPECT_INT(asyncio_open_unix_connection("@x", NULL, &writer), -EINVAL);
    EXPECT_INT(asyncio_open_unix_connection("@x", &reader, NULL), -EINVAL);
    EXPECT_INT(asyncio_open_unix_connection_kw(NULL, &reader, &writer, NULL), -EINVAL);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_open_connection("127.0.0.1", 80, &reader, &writer), -ECANCELED);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_open_unix_connection("@x", &reader, &writer), -ECANCELED);
    return 0;
}

TEST(open_connection_misuse, "N-01: there must be an address or a socket, a place for both streams, and a task")
{
    EXPECT_INT(asyncio_open_connection("127.0.0.1", 80, &reader, &writer), -ASYNCIO_ENOTASK);
    EXPECT_INT(asyncio_open_unix_connection("@x", &reader, &writer), -ASYNCIO_ENOTASK);
    EXPECT_INT(run(bad_arguments, NULL), 0);
}

static int forget_to_close(void *arg)
{
    (void)arg;
    EXPECT_INT(listen_at(AF_INET, "127.0.0.1", 10), 0);
    if (asyncio_open_connection("127.0.0.1", port, &reader, &writer) == 0) {
        writer = asyncio_streamwriter_unref(writer);
        EXPECT_LOG("test_connections.c:");
    }
    reader = asyncio_streamreader_unref(reader);
    return end();
}

TEST(open_connection_source, "ST-17: a writer that was not closed is named in debug mode by where it was opened")
{
    EXPECT_INT(asyncio_run(forget_to_close, NULL, .loop_factory = new_loop, .debug = true), 0);
}
