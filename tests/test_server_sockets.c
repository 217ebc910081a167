/* test_server_sockets.c -- what a server listens on over TCP: hosts, ports, options, sockets that it is given. */
#include "servers_rig.h"

#include <netinet/tcp.h>

/* The addresses that the server listens on, without their ports. */
static const char *addresses(void)
{
    static char all[256];

    all[0] = 0;
    for (size_t i = 0; i < asyncio_server_n_sockets(server); i++) {
        struct asyncio_address address = {.size = 0};
        char text[64] = "";

        EXPECT_INT(asyncio_server_sockname(server, i, &address), 0);
        asyncio_address_format(&address, text, sizeof text);
        if (strrchr(text, ':'))
            *strrchr(text, ':') = 0;
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? " " : "", text);
    }
    return all;
}

static int port_of(size_t i)
{
    struct asyncio_address address = {.size = 0};

    EXPECT_INT(asyncio_server_sockname(server, i, &address), 0);
    return address.size ? asyncio_address_port(&address) : -EINVAL;
}

/* True when this machine has IPv6. */
static bool has_ipv6(void)
{
    struct asyncio_address address;
    struct asyncio_socket *socket = NULL;
    bool has = asyncio_address_parse(&address, "::1", 0) == 0 &&
               asyncio_socket(AF_INET6, SOCK_STREAM, 0, &socket) == 0 && asyncio_socket_bind(socket, &address) == 0;

    asyncio_socket_unref(socket);
    return has;
}

/* ------------------------------------------------------------------------------------------------------------ Hosts */

static int one_host(void *arg)
{
    struct asyncio_socket *caller;

    (void)arg;
    EXPECT_INT(asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server), 0);
    EXPECT_STR(addresses(), "127.0.0.1");
    EXPECT(port_of(0) > 0);
    caller = call_in();
    trace("hears %s", echo_of(caller, "hello"));
    end_server();
    return 0;
}

TEST(one_host, "N-06 ST-02: one socket for one address; port 0 is one that is free")
{
    EXPECT_INT(play(one_host), 0);
    EXPECT_TRACE("[0.000] hears hello\n");
}

/* The two ends of a range of addresses; the IPv6 one is not there on every machine. */
static void start_and_show(const char *host, const char *with_ipv6, const char *without)
{
    EXPECT_INT(asyncio_start_server(echo, NULL, host, 0, &server), 0);
    EXPECT_STR(addresses(), has_ipv6() ? with_ipv6 : without);
    if (asyncio_server_n_sockets(server) == 2)
        EXPECT(port_of(0) != port_of(1));
    call_in();
    end_server();
}

static int host_with_two_addresses(void *arg)
{
    (void)arg;
    start_and_show("localhost", "[::1] 127.0.0.1", "127.0.0.1");
    start_and_show(NULL, "[::] 0.0.0.0", "0.0.0.0");
    start_and_show("", "[::] 0.0.0.0", "0.0.0.0");
    EXPECT_INT(asyncio_start_server(echo, NULL, "localhost", 0, &server, .family = AF_INET), 0);
    EXPECT_STR(addresses(), "127.0.0.1");
    end_server();
    return 0;
}

TEST(two_addresses,
     "N-06 #86: a socket for each address of the host; with port 0 two families get two ports; an address "
     "that the machine lacks is passed over")
{
    EXPECT_INT(play(host_with_two_addresses), 0);
}

static int same_port_for_both(void *arg)
{
    int port = 0;

    (void)arg;
    /* Somebody may be quicker on the second family. */
    for (int i = 0; i < 10 && !server; i++) {
        EXPECT_INT(asyncio_start_server(echo, NULL, "localhost", 0, &server, .family = AF_INET), 0);
        port = server ? port_of(0) : 1;
        end_server();
        ASYNCIO_IGNORE(asyncio_start_server(echo, NULL, NULL, port, &server));
    }
    for (size_t i = 0; i < asyncio_server_n_sockets(server); i++)
        EXPECT_INT(port_of(i), port);
    EXPECT_STR(addresses(), has_ipv6() ? "[::] 0.0.0.0" : "0.0.0.0");
    end_server();
    return 0;
}

TEST(same_port_for_both, "N-06: IPV6_V6ONLY is set, so that both families have the same port side by side")
{
    EXPECT_INT(play(same_port_for_both), 0);
}

static int several_hosts(void *arg)
{
    static const char *const hosts[] = {"127.0.0.1", "127.0.0.2", "localhost", "127.0.0.1", NULL};
    static const char *const lacking[] = {"192.0.2.1", "127.0.0.3", NULL};
    static const char *const names[] = {"127.0.0.1", "no name", NULL};
    static const char *const none[] = {NULL};

    (void)arg;
    EXPECT_INT(asyncio_start_server(echo, NULL, NULL, 0, &server, .hosts = hosts, .family = AF_INET), 0);
    EXPECT_STR(addresses(), "127.0.0.1 127.0.0.2");
    end_server();
    EXPECT_INT(asyncio_start_server(echo, NULL, NULL, 0, &server, .hosts = names), -EINVAL);
    EXPECT_STR(asyncio_error_detail(), "host 'no name': Invalid argument");
    EXPECT_INT(asyncio_start_server(echo, NULL, NULL, 0, &server, .hosts = none), -EADDRNOTAVAIL);
    if (!test_on_sim()) {
        EXPECT_INT(asyncio_start_server(echo, NULL, NULL, 0, &server, .hosts = lacking), 0);
        EXPECT_STR(addresses(), "127.0.0.3");
        end_server();
        EXPECT_INT(asyncio_start_server(echo, NULL, "192.0.2.1", 0, &server), -EADDRNOTAVAIL);
        EXPECT_STR(asyncio_error_detail(), "bind 192.0.2.1:0: Cannot assign requested address");
    }
    return 0;
}

TEST(several_hosts,
     "N-06 #86: of several hosts each address is bound once, those that the machine lacks are passed over, "
     "and it fails when none is left")
{
    EXPECT_INT(play(several_hosts), 0);
}

static int address_in_use(void *arg)
{
    static const char *const hosts[] = {"127.0.0.2", "127.0.0.1", NULL};
    struct asyncio_server *first = NULL;
    char expected[80];
    int port;

    (void)arg;
    EXPECT_INT(asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server), 0);
    first = server;
    port = first ? port_of(0) : 1;
    server = NULL;
    EXPECT_INT(asyncio_start_server(echo, NULL, NULL, port, &server, .hosts = hosts), -EADDRINUSE);
    EXPECT_PTR(server, NULL);
    snprintf(expected, sizeof expected, "bind 127.0.0.1:%d: Address already in use", port);
    EXPECT_STR(asyncio_error_detail(), expected);
    asyncio_server_unref(first);
    EXPECT_INT(asyncio_start_server(echo, NULL, NULL, port, &server, .hosts = hosts), 0);
    end_server();
    return 0;
}

TEST(address_in_use,
     "N-06: a failure closes the sockets that were bound before, and names the address; the port is free "
     "again at once")
{
    EXPECT_INT(play(address_in_use), 0);
}

static int listening_fails(void *arg)
{
    struct asyncio_server *first = NULL;
    struct asyncio_address address;
    char text[64] = "", expected[128];

    (void)arg;
    EXPECT_INT(asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server, .no_start_serving = true), 0);
    first = server;
    EXPECT_INT(asyncio_server_sockname(first, 0, &address), 0);
    EXPECT_INT(asyncio_start_server(echo, NULL, "127.0.0.1", port_of(0), &server), 0);
    EXPECT_INT(asyncio_server_start_serving(first), -EADDRINUSE);
    asyncio_address_format(&address, text, sizeof text);
    snprintf(expected, sizeof expected, "listen %s: Address already in use", text);
    EXPECT_STR(asyncio_error_detail(), expected);
    EXPECT_INT(asyncio_server_serve_forever(first), -EADDRINUSE);
    end_server();
    asyncio_server_unref(first);
    return 0;
}

TEST_EPOLL(listening_fails, "SV-01: a port that another server listens on since the bind is the error of start_serving")
{
    EXPECT_INT(play(listening_fails), 0);
}

/* ---------------------------------------------------------------------------------------------------------- Options */

static int option_of(struct asyncio_streamwriter *writer, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;

    EXPECT_INT(getsockopt(asyncio_streamwriter_fileno(writer), level, name, &value, &size), 0);
    return value;
}

static int shows_options(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    (void)reader;
    (void)arg;
    trace("TCP_NODELAY: %d, SO_KEEPALIVE: %d", option_of(writer, IPPROTO_TCP, TCP_NODELAY) != 0,
          option_of(writer, SOL_SOCKET, SO_KEEPALIVE) != 0);
    return 0;
}

static int options_of_clients(void *arg)
{
    struct asyncio_address address;
    struct asyncio_socket *socket = NULL;

    (void)arg;
    EXPECT_INT(asyncio_start_server(shows_options, NULL, "127.0.0.1", 0, &server), 0);
    hear_all(call_in());
    end_server();
    EXPECT_INT(asyncio_address_parse(&address, "127.0.0.1", 0), 0);
    EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, &socket), 0);
    EXPECT_INT(asyncio_socket_bind(socket, &address), 0);
    EXPECT_INT(asyncio_start_server(shows_options, NULL, NULL, 0, &server, .sock = socket, .keep_alive = true), 0);
    hear_all(call_in());
    end_server();
    return 0;
}

TEST_EPOLL(options_of_clients, "N-05 N-06: accepted connections have TCP_NODELAY, and SO_KEEPALIVE if asked for")
{
    EXPECT_INT(play(options_of_clients), 0);
    EXPECT_TRACE("[0.000] TCP_NODELAY: 1, SO_KEEPALIVE: 0\n[0.000] TCP_NODELAY: 1, SO_KEEPALIVE: 1\n");
}

static int reused_ports(void *arg)
{
    struct asyncio_server *first = NULL;
    int port;

    (void)arg;
    EXPECT_INT(asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server, .reuse_port = true), 0);
    first = server;
    port = server ? port_of(0) : 1;
    EXPECT_INT(asyncio_start_server(echo, NULL, "127.0.0.1", port, &server), -EADDRINUSE);
    EXPECT_INT(asyncio_start_server(echo, NULL, "127.0.0.1", port, &server, .reuse_port = true), 0);
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, a_path(), &server, .reuse_port = true), -EINVAL);
    end_server();
    asyncio_server_unref(first);
    return 0;
}

TEST_EPOLL(reused_ports, "N-06 R21: with .reuse_port several servers share a port; a Unix socket cannot")
{
    EXPECT_INT(play(reused_ports), 0);
}

static int sends_and_goes(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    (void)reader;
    (void)arg;
    return asyncio_streamwriter_write(writer, "bye", 3);
}

static int without_reuse(void *arg)
{
    int port;

    (void)arg;
    EXPECT_INT(asyncio_start_server(sends_and_goes, NULL, "127.0.0.1", 0, &server), 0);
    port = server ? port_of(0) : 1;
    /* The server ends the connection first, so that its end lingers in TIME_WAIT. */
    EXPECT_STR(hear_all(call_in()), "bye");
    asyncio_server_close(server);
    EXPECT_INT(asyncio_server_wait_closed(server), 0);
    end_server();
    EXPECT_INT(asyncio_start_server(echo, NULL, "127.0.0.1", port, &server, .no_reuse_address = true), -EADDRINUSE);
    EXPECT_INT(asyncio_start_server(echo, NULL, "127.0.0.1", port, &server), 0);
    end_server();
    return 0;
}

TEST_EPOLL(reused_addresses,
           "N-06: SO_REUSEADDR is set, unless .no_reuse_address: connections of a former server do not "
           "keep the port")
{
    EXPECT_INT(play(without_reuse), 0);
}

/* ---------------------------------------------------------------------------------------------- Sockets handed over */

static int given_socket(void *arg)
{
    struct asyncio_address address;
    struct asyncio_socket *socket = NULL;
    struct asyncio_socket *caller;

    (void)arg;
    EXPECT_INT(asyncio_address_parse(&address, "127.0.0.1", 0), 0);
    EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, &socket), 0);
    EXPECT_INT(asyncio_socket_bind(socket, &address), 0);
    asyncio_socket_ref(socket);
    EXPECT_INT(asyncio_start_server(echo, NULL, NULL, 0, &server, .sock = socket), 0);
    EXPECT_INT(asyncio_socket_fileno(socket), -EBADF);
    asyncio_socket_unref(socket);
    caller = call_in();
    trace("hears %s", echo_of(caller, "hello"));
    end_server();
    return 0;
}

TEST(given_socket, "N-06: a bound socket may be given in place of an address, and is the server's from then on")
{
    EXPECT_INT(play(given_socket), 0);
    EXPECT_TRACE("[0.000] hears hello\n");
}

/* A socket that is used up by a call which fails. */
static struct asyncio_socket *spent(int domain, int type)
{
    struct asyncio_socket *socket = NULL;

    EXPECT_INT(asyncio_socket(domain, type, 0, &socket), 0);
    return socket;
}

static int refused_sockets(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server, .sock = spent(AF_INET, SOCK_STREAM)), -EINVAL);
    EXPECT_INT(asyncio_start_server(echo, NULL, NULL, 80, &server, .sock = spent(AF_INET, SOCK_STREAM)), -EINVAL);
    EXPECT_INT(asyncio_start_server(NULL, NULL, NULL, 0, &server, .sock = spent(AF_INET, SOCK_STREAM)), -EINVAL);
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, a_path(), &server, .sock = spent(AF_UNIX, SOCK_STREAM)), -EINVAL);
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, NULL, &server, .sock = spent(AF_INET, SOCK_STREAM)), -EINVAL);
    if (!test_on_sim())
        EXPECT_INT(asyncio_start_server(echo, NULL, NULL, 0, &server, .sock = spent(AF_INET, SOCK_DGRAM)), -EINVAL);
    EXPECT_PTR(server, NULL);
    end_server();
    return 0;
}

TEST(refused_sockets, "N-06: a socket that cannot be used is closed all the same")
{
    EXPECT_INT(play(refused_sockets), 0);
}
