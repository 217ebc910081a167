/* test_endpoints.c -- connections by protocols: what waits until they are there. */
#include "servers_of_protocols.h"

/* ------------------------------------------------------------------------------------------------------- Connecting */

static int connecting(void *arg)
{
    (void)arg;
    prepare_ends();
    EXPECT_INT(open_server(), 0);
    EXPECT_INT(connect_end(&client), 0);
    trace("connected");
    EXPECT_INT(client.n_made, 1);
    /* The simulator's seed decides who hears first. */
    if (!test_on_sim())
        EXPECT_TRACE("[0.000] S1 made\n[0.000] C made\n[0.000] connected\n");
    settle();
    trace_clear();
    EXPECT_INT(say(&client, "hi\n"), 0);
    asyncio_transport_close(client.transport);
    settle();
    EXPECT_TRACE("[0.000] C lost\n[0.000] S1 got hi\n[0.000] S1 eof\n[0.000] S1 lost\n");
    end_server();
    return 0;
}

TEST(endpoint_connecting, "N-01 TR-06 N-06: the transcript of CPython: it returns after connection_made")
{
    EXPECT_INT(play(connecting), 0);
}

static void abort_it(struct end *end)
{
    asyncio_transport_abort(end->transport);
}

static int lost_at_once(void *arg)
{
    struct asyncio_transport *transport = NULL;

    (void)arg;
    prepare_ends();
    client.on_made = abort_it;
    EXPECT_INT(open_server(), 0);
    EXPECT_INT(
        asyncio_loop_create_connection(this_loop(), make_client, &client, "127.0.0.1", server_port(), &transport, NULL),
        0);
    if (transport) {
        EXPECT_INT(client.n_lost, 0);
        EXPECT(asyncio_transport_is_closing(transport));
    }
    settle();
    EXPECT_INT(client.n_made, client.n_lost);
    end_server();
    return 0;
}

TEST(endpoint_lost_at_once, "N-01 TR-06: a transport that connection_made aborts is still there when the call returns")
{
    EXPECT_INT(play(lost_at_once), 0);
}

static int over_unix(void *arg)
{
    struct asyncio_transport *transport = NULL;
    struct asyncio_address address;

    (void)arg;
    prepare_ends();
    n_ends = 0;
    EXPECT_INT(asyncio_loop_create_unix_server(this_loop(), make_end, NULL, a_path(), &server), 0);
    EXPECT_INT(asyncio_loop_create_unix_connection(this_loop(), make_client, &client, a_path(), &transport, NULL), 0);
    if (transport) {
        EXPECT_INT(asyncio_transport_peername(transport, &address), 0);
        EXPECT_INT(asyncio_address_family(&address), AF_UNIX);
        EXPECT_INT(say(&client, "hi\n"), 0);
        asyncio_transport_close(transport);
    }
    settle();
    EXPECT_TRACE("[0.000] C made\n[0.000] S1 made\n[0.000] C lost\n[0.000] S1 got hi\n[0.000] S1 eof\n"
                 "[0.000] S1 lost\n");
    end_server();
    return 0;
}

TEST(endpoint_unix, "N-09: the same over a Unix socket")
{
    EXPECT_INT(play(over_unix), 0);
}

static int refused(void *arg)
{
    struct asyncio_transport *transport = NULL;
    int port;

    (void)arg;
    prepare_ends();
    EXPECT_INT(open_server(), 0);
    port = server_port();
    end_server();
    EXPECT_INT(asyncio_loop_create_connection(this_loop(), make_client, &client, "127.0.0.1", port, &transport, NULL),
               -ECONNREFUSED);
    EXPECT_PTR(transport, NULL);
    EXPECT_INT(client.n_made, 0);
    EXPECT_INT(
        asyncio_loop_create_unix_connection(this_loop(), make_client, &client, "@nobody-is-there", &transport, NULL),
        -ECONNREFUSED);
    return 0;
}

TEST(endpoint_refused, "N-03: the error of the connect, and the factory is not asked")
{
    EXPECT_INT(play(refused), 0);
}

static int no_protocol(void *arg)
{
    struct asyncio_protocol *protocol = &client.protocol;
    struct asyncio_transport *transport = NULL;
    int r;

    (void)arg;
    prepare_ends();
    EXPECT_INT(open_server(), 0);
    r = asyncio_loop_create_connection(this_loop(), make_none, NULL, "127.0.0.1", server_port(), &transport, &protocol);
    EXPECT_INT(r, -ASYNCIO_EINVALIDSTATE);
    if (r == -ASYNCIO_EINVALIDSTATE)
        EXPECT_STR(asyncio_error_detail(), "the factory has made no protocol");
    EXPECT_PTR(transport, NULL);
    EXPECT_PTR(protocol, &client.protocol);
    settle();
    EXPECT_TRACE("[0.000] S1 made\n[0.000] S1 lost: ECONNRESET\n");
    end_server();
    return 0;
}

TEST(endpoint_no_protocol, "#83 N-08: a factory that makes none: the caller is told and the connection closed")
{
    EXPECT_INT(play(no_protocol), 0);
}

/* A connected pair of sockets of the library. */
static int sockets(struct asyncio_socket *pair[2])
{
    pair[0] = pair[1] = NULL;
    return asyncio_socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
}

static int by_socket(void *arg)
{
    struct asyncio_transport *transport = NULL;
    struct asyncio_socket *pair[2];

    (void)arg;
    prepare_ends();
    EXPECT_INT(sockets(pair), 0);
    if (!pair[0])
        return 0;
    EXPECT_INT(asyncio_loop_connect_accepted_socket(this_loop(), make_client, &server_end, pair[0], &transport, NULL),
               0);
    EXPECT_PTR(transport, server_end.transport);
    EXPECT_INT(
        asyncio_loop_create_connection(this_loop(), make_client, &client, NULL, 0, &transport, NULL, .sock = pair[1]),
        0);
    EXPECT_INT(say(&client, "hi\n"), client.transport ? 0 : -EINVAL);
    asyncio_transport_close(client.transport);
    settle();
    EXPECT_TRACE("[0.000] S made\n[0.000] C made\n[0.000] C lost\n[0.000] S got hi\n[0.000] S eof\n[0.000] S lost\n");
    end_ends();
    return 0;
}

TEST(endpoint_by_socket, "N-11 N-01: a socket that was connected elsewhere, on either side")
{
    EXPECT_INT(play(by_socket), 0);
}

static int accepted(void *arg)
{
    struct asyncio_socket *listener = NULL, *caller = NULL, *guest = NULL;
    struct asyncio_address address = {.size = 0};
    int r = asyncio_socket(AF_INET, SOCK_STREAM, 0, &listener);

    (void)arg;
    prepare_ends();
    if (r == 0)
        r = asyncio_address_parse(&address, "127.0.0.1", 0);
    if (r == 0)
        r = asyncio_socket_bind(listener, &address);
    if (r == 0)
        r = asyncio_socket_listen(listener, 1);
    if (r == 0)
        r = asyncio_socket_getsockname(listener, &address);
    if (r == 0)
        r = asyncio_socket(AF_INET, SOCK_STREAM, 0, &caller);
    if (r == 0)
        r = asyncio_sock_connect(caller, &address);
    if (r == 0)
        r = asyncio_sock_accept(listener, &guest, NULL);
    if (r == 0)
        r = asyncio_loop_connect_accepted_socket(this_loop(), make_client, &server_end, guest, NULL, NULL);
    if (r == 0)
        r = asyncio_sock_sendall(caller, "hi\n", 3);
    EXPECT_INT(r, 0);
    settle();
    asyncio_socket_unref(caller);
    asyncio_socket_unref(listener);
    settle();
    EXPECT_TRACE("[0.000] S made\n[0.000] S got hi\n[0.000] S eof\n[0.000] S lost\n");
    end_ends();
    return 0;
}

TEST(endpoint_accepted, "N-11: a connection that sock_accept has accepted")
{
    EXPECT_INT(play(accepted), 0);
}

/* -------------------------------------------------------------------------------------------------------- Arguments */

static int create(struct asyncio_loop *loop, asyncio_protocol_factory *factory, const char *host, int port,
                  struct asyncio_connection_kw kw)
{
    return asyncio_loop_create_connection_kw(loop, factory, &client, host, port, NULL, NULL, &kw);
}

static int wrong(void *arg)
{
    struct asyncio_loop *loop = this_loop(), *other = NULL;
    struct asyncio_socket *pair[2];

    (void)arg;
    prepare_ends();
    EXPECT_INT(create(NULL, make_client, "127.0.0.1", 1, (struct asyncio_connection_kw){0}), -EINVAL);
    EXPECT_INT(create(loop, NULL, "127.0.0.1", 1, (struct asyncio_connection_kw){0}), -EINVAL);
    EXPECT_INT(create(loop, make_client, NULL, 0, (struct asyncio_connection_kw){0}), -EINVAL);
    EXPECT_INT(create(loop, make_client, "127.0.0.1", 1, (struct asyncio_connection_kw){.server_hostname = "x"}),
               -EINVAL);
    EXPECT_INT(create(loop, make_client, "127.0.0.1", 1, (struct asyncio_connection_kw){.ssl_handshake_timeout = 1}),
               -EINVAL);
    EXPECT_INT(create(loop, make_client, "127.0.0.1", 1, (struct asyncio_connection_kw){.ssl_shutdown_timeout = 1}),
               -EINVAL);
    if (sockets(pair) == 0) {
        EXPECT_INT(create(loop, make_client, "127.0.0.1", 1, (struct asyncio_connection_kw){.sock = pair[0]}), -EINVAL);
        EXPECT_INT(create(loop, NULL, NULL, 0, (struct asyncio_connection_kw){.sock = pair[1]}), -EINVAL);
    }
    if (sockets(pair) == 0) {
        EXPECT_INT(asyncio_loop_connect_accepted_socket(loop, make_client, &client, pair[0], NULL, NULL,
                                                        .ssl = ASYNCIO_SSL_DEFAULT),
                   -EINVAL);
        EXPECT_INT(asyncio_loop_connect_accepted_socket(loop, make_client, &client, pair[1], NULL, NULL,
                                                        .close_timeout = -__builtin_nan("")),
                   -EINVAL);
    }
    EXPECT_INT(asyncio_loop_connect_accepted_socket(loop, make_client, &client, NULL, NULL, NULL), -EINVAL);
    EXPECT_INT(new_loop(&other), 0);
    if (other)
        EXPECT_INT(create(other, make_client, "127.0.0.1", 1, (struct asyncio_connection_kw){0}),
                   -ASYNCIO_EFOREIGNLOOP);
    close_loop(other);
    EXPECT_INT(asyncio_loop_start_tls(loop, NULL, NULL, NULL), -EINVAL);
    EXPECT_INT(asyncio_loop_sendfile(loop, NULL, 0), -EINVAL);
    return 0;
}

TEST_NO_SWEEP(endpoint_wrong, "N-01: what is wrong with the arguments; a socket is taken over all the same",
              "each step's result is what it is about")
{
    EXPECT_INT(play(wrong), 0);
}

TEST(endpoint_no_task, "N-01: these wait, so they are called in a task")
{
    struct asyncio_loop *loop = NULL;

    EXPECT_INT(new_loop(&loop), 0);
    if (loop)
        EXPECT_INT(create(loop, make_client, "127.0.0.1", 1, (struct asyncio_connection_kw){0}), -ASYNCIO_ENOTASK);
    close_loop(loop);
}

/* -------------------------------------------------------------------------------------------------------- Cancelled */

static int outcome;

static int connect_it(void *arg)
{
    return outcome = connect_end(arg);
}

/* Cancels a connect after so many turns. Returns: what it has returned. */
static int cancel_after(int n)
{
    struct asyncio_future *task;

    prepare_ends();
    outcome = -ECANCELED;
    EXPECT_INT(open_server(), 0);
    task = spawn(connect_it, &client, "connects");
    turns(n);
    cancel(task);
    settle();
    EXPECT_INT(client.n_made, outcome == 0);
    end_server();
    for (int i = 0; i < n_ends; i++)
        EXPECT_INT(ends[i].n_made, ends[i].n_lost);
    return outcome;
}

static int cancelled(void *arg)
{
    bool any_cancelled = false, any_made = false;

    (void)arg;
    for (int n = 0; n < 12; n++) {
        int r = cancel_after(n);

        any_cancelled |= r == -ECANCELED;
        any_made |= r == 0;
        EXPECT(r == -ECANCELED || r == 0);
    }
    EXPECT(any_cancelled);
    EXPECT(any_made);
    return 0;
}

TEST_NO_SWEEP(endpoint_cancelled,
              "N-15: cancelled after any number of turns, nothing is left, or the connection is made",
              "whether a cancel comes in time is what it is about")
{
    EXPECT_INT(play(cancelled), 0);
}

static struct asyncio_future *to_be_cancelled;

static void cancel_caller(struct end *end)
{
    (void)end;
    cancel(to_be_cancelled);
}

static int in_made(void *arg)
{
    int r;

    (void)arg;
    prepare_ends();
    to_be_cancelled = asyncio_current_task();
    client.on_made = cancel_caller;
    EXPECT_INT(open_server(), 0);
    r = connect_end(&client);
    EXPECT_INT(r, 0);
    if (r == 0)
        EXPECT_INT(asyncio_sleep(0), -ECANCELED);
    end_server();
    return 0;
}

TEST(endpoint_cancelled_in_made, "N-15: a cancel that comes with connection_made meets the next wait")
{
    EXPECT_INT(play(in_made), 0);
}

static struct asyncio_protocol *make_and_cancel(void *arg)
{
    cancel(to_be_cancelled);
    return make_client(arg);
}

static int in_factory(void *arg)
{
    struct asyncio_transport *transport = NULL;

    (void)arg;
    prepare_ends();
    to_be_cancelled = asyncio_current_task();
    EXPECT_INT(open_server(), 0);
    EXPECT_INT(asyncio_loop_create_connection(this_loop(), make_and_cancel, &client, "127.0.0.1", server_port(),
                                              &transport, NULL),
               -ECANCELED);
    EXPECT_PTR(transport, NULL);
    settle();
    EXPECT_INT(client.n_made, client.n_lost);
    end_server();
    return 0;
}

TEST(endpoint_cancelled_in_factory, "N-15: in the midst of it: the protocol that was made is told of the end, too")
{
    EXPECT_INT(play(in_factory), 0);
}
