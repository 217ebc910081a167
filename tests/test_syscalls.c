/* test_syscalls.c -- what a server asks of the kernel, call by call.
 *
 * The server is a process of its own that stops at each system call; its clients act while it is about to wait. So
 * every number here is exact, and no time is in it. */
#include "traced.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>

#define MOST_CLIENTS 50

#define ON_URING(then, otherwise) (test_on_uring() ? (then) : (otherwise))

static struct traced server;
static int listener, clients[MOST_CLIENTS], n_clients;
static struct sockaddr_storage address;
static socklen_t address_size;

/* Before Linux 6.1 a ring does less by itself. */
static void need_new_ring(void)
{
    struct utsname system;
    int major = 0, minor = 0;

    if (test_on_uring() && uname(&system) == 0 && sscanf(system.release, "%d.%d", &major, &minor) == 2 &&
        major * 1000 + minor < 6001)
        SKIP("the numbers are those of Linux 6.1 and newer");
}

/* ----------------------------------------------------------------------------------------------- The server's side */

static const char *backend_of_server; /* NULL: what the library chooses */
static asyncio_client_connected *serve_client;

/* A request that begins with 'q' ends the server. */
static void look_at(const char *request, void *arg)
{
    if (request[0] == 'q')
        asyncio_event_set(arg);
}

/* Sends each request back. */
static int echo(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char request[1024];
    ssize_t n;
    int r = 0;

    while (r == 0 && (n = asyncio_streamreader_read(reader, request, sizeof request)) != 0) {
        if (n < 0)
            return (int)n;
        look_at(request, arg);
        r = asyncio_streamwriter_write(writer, request, (size_t)n);
    }
    return r;
}

static int echo_lines(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char *line;
    ssize_t n;
    int r = 0;

    while (r == 0 && (n = asyncio_streamreader_readline(reader, &line)) != 0) {
        if (n < 0)
            return (int)n;
        look_at(line, arg);
        r = asyncio_streamwriter_printf(writer, "%s", line);
    }
    return r;
}

/* Each request has to come within a minute. */
static int echo_in_time(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    struct asyncio_timeout timeout;
    char request[1024];
    int n, r;

    do {
        r = asyncio_timeout_enter(&timeout, 60);
        if (r < 0)
            return r;
        r = (int)asyncio_streamreader_read(reader, request, sizeof request);
        n = r = asyncio_timeout_exit(&timeout, r);
        if (n > 0) {
            look_at(request, arg);
            r = asyncio_streamwriter_write(writer, request, (size_t)n);
        }
    } while (n > 0 && r == 0);
    return r;
}

static int serve(void *arg)
{
    struct asyncio_event quit = {0};
    struct asyncio_socket *socket;
    struct asyncio_server *its_server;
    int r = asyncio_socket_from_fd(listener, &socket);

    (void)arg;
    if (r == 0)
        r = asyncio_start_server(serve_client, &quit, NULL, 0, &its_server, .sock = socket);
    if (r < 0)
        return r;
    r = asyncio_event_wait(&quit);
    ASYNCIO_IGNORE(asyncio_server_stop(its_server, 1));
    asyncio_server_unref(its_server);
    asyncio_event_fini(&quit);
    return r;
}

static int loop_of_server(struct asyncio_loop **ret_loop)
{
    return asyncio_new_event_loop(ret_loop, .backend = backend_of_server);
}

static int run_server(void *arg)
{
    return -asyncio_run(serve, arg, .loop_factory = loop_of_server);
}

/* ---------------------------------------------------------------------------------------------- The clients' side */

static void start_server_on(const char *backend, int domain, asyncio_client_connected *fn)
{
    struct sockaddr_in port = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un path = {.sun_family = AF_UNIX};

    test_spare(~0U, "how many calls there are is known where each does what it can");
    need_new_ring();
    backend_of_server = backend;
    serve_client = fn;
    address_size = sizeof address;
    listener = socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT(listener >= 0);
    /* A Unix socket without a path gets a name from the kernel. */
    EXPECT_INT(domain == AF_INET ? bind(listener, (struct sockaddr *)&port, sizeof port)
                                 : bind(listener, (struct sockaddr *)&path, sizeof path.sun_family),
               0);
    EXPECT_INT(getsockname(listener, (struct sockaddr *)&address, &address_size), 0);
    EXPECT_INT(listen(listener, 100), 0);
    traced_start(&server, run_server, NULL);
    close(listener);
    EXPECT(traced_run(&server));
}

static void start_server(int domain, asyncio_client_connected *fn)
{
    start_server_on(test_backend(), domain, fn);
}

/* Lets the server do what there is, until it waits. */
static void let_serve(void)
{
    if (!traced_run(&server))
        FAIL("the server has ended with status %x", (unsigned)server.status);
}

static int make_client(void)
{
    int client = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (address.ss_family == AF_INET)
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    EXPECT_INT(connect(client, (struct sockaddr *)&address, address_size), 0);
    return client;
}

static void ask(int client, const char *request)
{
    EXPECT_INT(send(client, request, strlen(request), 0), strlen(request));
    /* That ends the call in which it waits. */
    if (server.is_let_go)
        traced_step(&server);
}

/* Until the answer has come the server runs. It may come out of the very call in which the server then waits. */
static void hear(int client, const char *answer)
{
    struct pollfd query = {.fd = client, .events = POLLIN};
    char data[1024] = "";

    while (recv(client, data, sizeof data - 1, MSG_DONTWAIT) < 0 && errno == EAGAIN) {
        if (traced_submits(&server))
            traced_let_go(&server);
        if (!server.is_let_go || poll(&query, 1, 100) == 0)
            let_serve();
    }
    EXPECT_STR(data, answer);
}

/* Ends it, and waits for its end. */
static void stop_server(void)
{
    int client;

    while (n_clients > 0)
        close(clients[--n_clients]);
    client = make_client();
    ask(client, "quit\n");
    close(client);
    while (traced_run(&server))
        ;
    EXPECT_INT(server.status, 0);
}

/* So many clients, each of whom has been answered once. */
static void make_clients(int n)
{
    for (n_clients = 0; n_clients < n; n_clients++) {
        clients[n_clients] = make_client();
        ask(clients[n_clients], "hello\n");
        hear(clients[n_clients], "hello\n");
    }
}

/* -------------------------------------------------------------------------------------------------------- Requests */

/* Rounds in which each client asks and then hears. */
static void ask_rounds(unsigned n_rounds)
{
    traced_forget(&server);
    for (unsigned i = 0; i < n_rounds; i++) {
        for (int k = 0; k < n_clients; k++)
            ask(clients[k], "request\n");
        for (int k = 0; k < n_clients; k++)
            hear(clients[k], "request\n");
    }
}

/* What one client's requests cost. On io_uring an answer goes in the call that looks for more, and when there is none
 * the next call waits. */
static void trace_requests(int domain, asyncio_client_connected *fn)
{
    start_server(domain, fn);
    make_clients(1);
    ask_rounds(100);
    traced_tell(&server, "a request", 100);
    stop_server();
}

TEST_REAL(one_connection, "R13: a request and its answer cost a receive, a send and a wait")
{
    trace_requests(AF_INET, echo);
    EXPECT_TRACE(ON_URING("a request: io_uring_enter\n", "a request: recv, send, epoll_wait\n"));
}

TEST_REAL(lines, "R13: a protocol of lines costs no more")
{
    trace_requests(AF_INET, echo_lines);
    EXPECT_TRACE(ON_URING("a request: io_uring_enter\n", "a request: recv, send, epoll_wait\n"));
}

TEST_REAL(deadlines, "R13: nor does a deadline for each request")
{
    trace_requests(AF_INET, echo_in_time);
    EXPECT_TRACE(ON_URING("a request: io_uring_enter\n", "a request: recv, send, epoll_wait\n"));
}

TEST_REAL(unix_connection, "a Unix socket is received from until it is empty: a short read of it proves nothing")
{
    trace_requests(AF_UNIX, echo);
    EXPECT_TRACE(ON_URING("a request: io_uring_enter\n", "a request: recv 2, send, epoll_wait\n"));
}

TEST_REAL(fifty_connections, "R13: fifty requests at a time share the wait")
{
    start_server(AF_INET, echo);
    make_clients(50);
    ask_rounds(20);
    /* The kernel brings at most some 20 of what has come in a call: that is a turn, whose answers go together. */
    EXPECT(traced_calls(&server, "io_uring_enter") <= 60);
    server.calls[SYS_io_uring_enter] = 0;
    traced_tell(&server, "a request", 1000);
    stop_server();
    EXPECT_TRACE(ON_URING("a request: nothing\n", "a request: recv, send, epoll_wait 20/1000\n"));
}

/* ----------------------------------------------------------------------------------------------------- Connections */

/* Clients who come with a request, hear the answer and go. */
static void come_and_go(int n)
{
    for (int i = 0; i < n; i++) {
        int client = make_client();

        ask(client, "request\n");
        hear(client, "request\n");
        close(client);
        let_serve();
    }
}

/* A hand-written loop makes these calls, too, but for EPOLL_CTL_DEL and for an accept that finds nobody after each
 * burst of callers. On io_uring a connection is tried by recv twice, before the ring is asked: once it is new, and
 * after what that has brought. */
TEST_REAL(a_connection, "R13: what a connection costs from accept to close, with one request")
{
    start_server(AF_INET, echo);
    come_and_go(5);
    traced_forget(&server);
    come_and_go(10);
    traced_tell(&server, "a connection", 10);
    stop_server();
    EXPECT_TRACE(ON_URING("a connection: recv 2, close, io_uring_enter 2\n",
                          "a connection: recv 2, send, accept 2, close, epoll_ctl 2, epoll_wait 3\n"));
}

TEST_REAL(many_callers, "R13: callers who come together cost one accept each and one more in all")
{
    start_server(AF_INET, echo);
    come_and_go(5);
    traced_forget(&server);
    while (n_clients < 10)
        clients[n_clients++] = make_client();
    let_serve();
    traced_tell(&server, "a caller", 10);
    stop_server();
    EXPECT_TRACE(ON_URING("a caller: recv, io_uring_enter 1/10\n",
                          "a caller: recv, accept 11/10, epoll_ctl, epoll_wait 1/10\n"));
}

/* ---------------------------------------------------------------------------------------------- Not one of io_uring */

/* From the first to the last call of a server's process. */
static unsigned uring_calls_of_a_life(const char *backend)
{
    start_server_on(backend, AF_INET, echo);
    make_clients(3);
    come_and_go(3);
    stop_server();
    return traced_calls(&server, "io_uring_setup") + traced_calls(&server, "io_uring_enter") +
           traced_calls(&server, "io_uring_register");
}

TEST_REAL(epoll_by_environment, "R1: with ASYNCIO_BACKEND=epoll not one system call of io_uring is made")
{
    setenv("ASYNCIO_BACKEND", "epoll", 1);
    EXPECT_INT(uring_calls_of_a_life(NULL), 0);
    EXPECT(traced_calls(&server, "epoll_wait") > 0);
}

TEST_REAL(epoll_by_option, "R1: nor with epoll as the loop's option, whatever the environment says")
{
    setenv("ASYNCIO_BACKEND", "auto", 1);
    EXPECT_INT(uring_calls_of_a_life("epoll"), 0);
    EXPECT(traced_calls(&server, "epoll_wait") > 0);
}
