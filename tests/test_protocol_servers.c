/* test_protocol_servers.c -- servers whose clients are served by protocols, without a task. */
#include "servers_of_protocols.h"

static struct asyncio_socket *callers[MAX_ENDS];
static int n_callers;

/* A client that is nothing but a socket. Returns: 0; why it is not connected. */
static int try_to_call(struct asyncio_socket **ret_caller)
{
    struct asyncio_socket *caller = NULL;
    struct asyncio_address address;
    int r = asyncio_server_sockname(server, 0, &address);

    if (r == 0)
        r = asyncio_socket(asyncio_address_family(&address), SOCK_STREAM, 0, &caller);
    if (r == 0)
        r = asyncio_sock_connect(caller, &address);
    if (caller)
        callers[n_callers++] = caller;
    settle();
    *ret_caller = caller;
    return r;
}

/* One that has to succeed; NULL when a fault has come in between. */
static struct asyncio_socket *call_in(void)
{
    struct asyncio_socket *caller = NULL;
    int r = try_to_call(&caller);

    EXPECT_INT(r, 0);
    return r == 0 ? caller : NULL;
}

static void hang_up(struct asyncio_socket *caller)
{
    if (caller)
        EXPECT_INT(asyncio_socket_close(caller), 0);
    settle();
}

static void end_calls(void)
{
    while (n_callers > 0)
        asyncio_socket_unref(callers[--n_callers]);
    end_server();
}

static void echoes(struct end *end)
{
    end->on_line = echo_line;
}

/* What comes back; it does not wait for ever where a fault has spoilt the story. */
static const char *echo_of(struct asyncio_socket *caller, const char *line)
{
    static char text[64];
    struct asyncio_timeout timeout;
    size_t size = 0;
    ssize_t r = caller ? asyncio_sock_sendall(caller, line, strlen(line)) : -EBADF;

    if (r == 0)
        r = asyncio_timeout_enter(&timeout, 100);
    if (r == 0) {
        for (r = 1; r > 0 && size < strlen(line) && size<sizeof text - 1; size += r> 0 ? (size_t)r : 0)
            r = asyncio_sock_recv(caller, text + size, strlen(line) - size);
        r = asyncio_timeout_exit(&timeout, (int)r);
    }
    text[size] = 0;
    return text;
}

/* --------------------------------------------------------------------------------------------------------- Serving */

static int serving(void *arg)
{
    (void)arg;
    prepare_end = echoes;
    EXPECT_INT(open_server(), 0);
    EXPECT(asyncio_server_is_serving(server) || !server);
    EXPECT_STR(echo_of(call_in(), "one\n"), "one\n");
    EXPECT_STR(echo_of(call_in(), "two\n"), "two\n");
    EXPECT_INT(asyncio_server_n_clients(server), 2);
    EXPECT_TRACE("[0.000] S1 made\n[0.000] S1 got one\n[0.000] S2 made\n[0.000] S2 got two\n");
    hang_up(callers[0]);
    EXPECT_INT(asyncio_server_n_clients(server), 1);
    EXPECT_TRACE("[0.000] S1 eof\n[0.000] S1 lost\n");
    end_calls();
    return 0;
}

TEST(protocol_server, "N-06 N-08: a protocol for each client, made by the factory")
{
    EXPECT_INT(play(serving), 0);
}

static int started_later(void *arg)
{
    struct asyncio_loop *loop = this_loop();

    (void)arg;
    n_ends = 0;
    EXPECT_INT(asyncio_loop_create_server(loop, make_end, NULL, "localhost", 0, &server, .no_start_serving = true), 0);
    EXPECT(!asyncio_server_is_serving(server));
    EXPECT_INT(asyncio_server_start_serving(server), server ? 0 : -EINVAL);
    call_in();
    EXPECT_INT(asyncio_server_counts(server).accepted, server ? 1 : 0);
    end_calls();
    return 0;
}

TEST(protocol_server_started_later, "N-06 SV-01: it begins to accept when it is told to")
{
    EXPECT_INT(play(started_later), 0);
}

static struct asyncio_contextvar colour = {.name = "colour"};

static void say_colour(struct end *end)
{
    trace("%s is %s", end->name, (const char *)asyncio_contextvar_get(&colour, (void *)(intptr_t) "grey"));
}

static void is_coloured(struct end *end)
{
    trace("the factory is %s", (const char *)asyncio_contextvar_get(&colour, (void *)(intptr_t) "grey"));
    end->on_made = end->on_lost = say_colour;
}

static int in_context(void *arg)
{
    (void)arg;
    prepare_end = is_coloured;
    EXPECT_INT(asyncio_contextvar_set(&colour, (void *)(intptr_t) "red", NULL), 0);
    EXPECT_INT(open_server(), 0);
    EXPECT_INT(asyncio_contextvar_set(&colour, (void *)(intptr_t) "blue", NULL), 0);
    hang_up(call_in());
    EXPECT_TRACE("[0.000] the factory is red\n[0.000] S1 made\n[0.000] S1 is red\n[0.000] S1 eof\n[0.000] S1 lost\n"
                 "[0.000] S1 is red\n");
    end_calls();
    return 0;
}

TEST(protocol_server_context, "X-01: factory and callbacks run in the context in which the server was made")
{
    EXPECT_INT(play(in_context), 0);
}

static int factory_fails(void *arg)
{
    struct asyncio_socket *caller = NULL;
    char byte;

    (void)arg;
    EXPECT_INT(asyncio_loop_create_server(this_loop(), make_none, NULL, "127.0.0.1", 0, &server), 0);
    /* It may be turned away before it hears that it is connected. */
    if (try_to_call(&caller) == 0)
        EXPECT(asyncio_sock_recv(caller, &byte, 1) <= 0);
    EXPECT_LOG("Error on transport creation for incoming connection");
    EXPECT_INT(asyncio_server_n_clients(server), 0);
    end_calls();
    return 0;
}

TEST_NO_SWEEP(protocol_server_factory_fails, "#83 N-08: without a protocol the connection is closed and that reported",
              "a caller that is not accepted would wait")
{
    EXPECT_INT(play(factory_fails), 0);
}

static int limited(void *arg)
{
    (void)arg;
    n_ends = 0;
    prepare_end = echoes;
    EXPECT_INT(asyncio_loop_create_server(this_loop(), make_end, NULL, "127.0.0.1", 0, &server, .max_connections = 1),
               0);
    EXPECT_STR(echo_of(call_in(), "one\n"), "one\n");
    call_in();
    EXPECT_INT(asyncio_server_n_clients(server), 1);
    hang_up(callers[0]);
    if (n_callers == 2)
        EXPECT_STR(echo_of(callers[1], "two\n"), "two\n");
    end_calls();
    return 0;
}

TEST_NO_SWEEP(protocol_server_limited, "SV-04: .max_connections lets others wait", "faults change who is served")
{
    EXPECT_INT(play(limited), 0);
}

/* -------------------------------------------------------------------------------------------------------- Stopping */

static int wait_closed(void *arg)
{
    int r = asyncio_server_wait_closed(arg);

    trace("closed: %s", said(r));
    return r;
}

static int closing(void *arg)
{
    (void)arg;
    EXPECT_INT(open_server(), 0);
    call_in();
    call_in();
    spawn(wait_closed, server, "waits");
    asyncio_server_close(server);
    settle();
    trace("clients stay");
    asyncio_server_close_clients(server);
    asyncio_server_close_clients(server);
    settle();
    EXPECT_TRACE("[0.000] S1 made\n[0.000] S2 made\n[0.000] clients stay\n[0.000] S1 lost\n[0.000] S2 lost\n"
                 "[0.000] closed: 0\n");
    end_calls();
    return 0;
}

TEST_NO_SWEEP(protocol_server_closing,
              "SV-03 SV-04 SV-05: close keeps the clients, close_clients closes their transports, "
              "wait_closed waits for connection_lost",
              "faults change who is served")
{
    EXPECT_INT(play(closing), 0);
}

static int abort_clients(void *arg)
{
    (void)arg;
    EXPECT_INT(open_server(), 0);
    call_in();
    if (n_ends == 1 && ends[0].transport)
        fill_up(&ends[0], 0);
    asyncio_server_abort_clients(server);
    settle();
    EXPECT_INT(asyncio_server_n_clients(server), 0);
    EXPECT_INT(ends[0].n_lost, ends[0].n_made);
    end_calls();
    return 0;
}

TEST(protocol_server_abort_clients, "SV-05: abort_clients does not wait for what is not sent")
{
    EXPECT_INT(play(abort_clients), 0);
}

static int stop_after(void *arg)
{
    ssize_t n = asyncio_server_stop(server, *(double *)arg);

    trace("stopped: %s", said(n));
    return n < 0 ? (int)n : 0;
}

static int stopping(void *arg)
{
    double seconds = 10;

    (void)arg;
    EXPECT_INT(open_server(), 0);
    call_in();
    call_in();
    trace_clear();
    spawn(stop_after, &seconds, "stops");
    ASYNCIO_IGNORE(asyncio_sleep(1));
    hang_up(callers[0]);
    ASYNCIO_IGNORE(asyncio_sleep(20));
    EXPECT_TRACE("[1.000] S1 eof\n[1.000] S1 lost\n[10.000] S2 lost\n[10.000] stopped: 1\n");
    end_calls();
    return 0;
}

TEST_NO_SWEEP(protocol_server_stop,
              "R16: stop gives the clients time to go, closes those that are left and counts them",
              "faults change who is served")
{
    EXPECT_INT(play(stopping), 0);
}

static int stubborn(void *arg)
{
    double seconds = 1;

    (void)arg;
    n_ends = 0;
    EXPECT_INT(asyncio_loop_create_server(this_loop(), make_end, NULL, "127.0.0.1", 0, &server, .close_timeout = 5), 0);
    call_in();
    if (n_ends == 1)
        fill_up(&ends[0], 0);
    spawn(stop_after, &seconds, "stops");
    ASYNCIO_IGNORE(asyncio_sleep(5.9));
    EXPECT_INT(ends[0].n_lost, 0);
    ASYNCIO_IGNORE(asyncio_sleep(0.2));
    EXPECT_INT(ends[0].error, -ETIMEDOUT);
    EXPECT(everybody());
    end_calls();
    return 0;
}

TEST_NO_SWEEP(protocol_server_stubborn, "R16: who does not take what was written is aborted after .close_timeout",
              "faults change who is served")
{
    EXPECT_INT(play(stubborn), 0);
}

static int forever(void *arg)
{
    int r = asyncio_server_serve_forever(server);

    (void)arg;
    trace("served: %s", said(r));
    return r;
}

static int serve_forever(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    EXPECT_INT(open_server(), 0);
    task = spawn(forever, NULL, "serves");
    settle();
    call_in();
    cancel(task);
    settle();
    hang_up(callers[0]);
    EXPECT_TRACE("[0.000] S1 made\n[0.000] S1 eof\n[0.000] S1 lost\n[0.000] served: -ECANCELED\n");
    end_calls();
    return 0;
}

TEST_NO_SWEEP(protocol_server_forever, "SV-02: cancelled, serve_forever waits for the clients",
              "faults change the story")
{
    EXPECT_INT(play(serve_forever), 0);
}

static int left_to_loop(void *arg)
{
    (void)arg;
    prepare_ends();
    EXPECT_INT(open_server(), 0);
    EXPECT_INT(connect_end(&client), 0);
    settle();
    EXPECT_INT(client.n_lost, 0);
    server = asyncio_server_unref(server);
    return 0;
}

TEST_NO_SWEEP(protocol_server_left_to_loop, "TR-15: the loop's close ends what was left open",
              "faults change the story")
{
    EXPECT_INT(play(left_to_loop), 0);
    EXPECT_INT(client.n_lost, 1);
    EXPECT_INT(ends[0].n_lost, 1);
}

/* -------------------------------------------------------------------------------------------------------- Arguments */

static int wrong(void *arg)
{
    struct asyncio_loop *loop = this_loop(), *other = NULL;

    (void)arg;
    EXPECT_INT(asyncio_loop_create_server(loop, NULL, NULL, "127.0.0.1", 0, &server), -EINVAL);
    EXPECT_INT(asyncio_loop_create_server(loop, make_end, NULL, "127.0.0.1", 0, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_create_server(loop, make_end, NULL, "127.0.0.1", 0, &server, .ssl = ASYNCIO_SSL_DEFAULT),
               -EINVAL);
    EXPECT_INT(asyncio_loop_create_server(loop, make_end, NULL, "127.0.0.1", 0, &server, .ssl_handshake_timeout = 1),
               -EINVAL);
    EXPECT_INT(asyncio_loop_create_unix_server(loop, make_end, NULL, NULL, &server), -EINVAL);
    EXPECT_INT(new_loop(&other), 0);
    if (other)
        EXPECT_INT(asyncio_loop_create_server(other, make_end, NULL, "127.0.0.1", 0, &server), -ASYNCIO_EFOREIGNLOOP);
    close_loop(other);
    EXPECT_PTR(server, NULL);
    return 0;
}

TEST_NO_SWEEP(protocol_server_wrong, "N-06: what is wrong with the arguments", "each step's result is what it is about")
{
    EXPECT_INT(play(wrong), 0);
}
