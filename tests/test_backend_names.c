/* What every back end promises of addresses: who may bind them, who is reached there, and what sockets are called. The
 * simulated machine follows Linux in this, so that these tests run on both. */
#include "net_rig.h"

#include <stdlib.h>

/* ----------------------------------------------------------------------------------------------------------- Ports */

/* What is set on a socket before it is bound. */
enum {
    PLAIN = 0,
    ONLY6 = 1,   /* IPV6_V6ONLY */
    REUSE = 2,   /* SO_REUSEADDR */
    SHARE = 4,   /* SO_REUSEPORT */
    LISTENS = 8, /* and it listens afterwards */
};

/* Binds a new socket to a host and a port. Returns: the fd; the error of bind or listen. */
static int bind_new(const char *host, int port, int type, int how)
{
    struct asyncio_address address = at(host, port);
    int fd = make_typed(domain_of(&address), type);
    int64_t r;

    if (how & ONLY6)
        EXPECT_INT(set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0);
    if (how & REUSE)
        EXPECT_INT(set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    if (how & SHARE)
        EXPECT_INT(set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1), 0);
    r = bind_at(fd, &address);
    if (r == 0 && (how & LISTENS))
        r = listen_on(fd, 5);
    if (r < 0)
        close_fd(fd);
    return r < 0 ? (int)r : fd;
}

struct pair_of_binds {
    const char *first;
    int first_how;
    const char *second;
    int second_how;
    int expected;
};

/* Returns: what the second bind says; the first has got a new port. */
static int try_pair(const struct pair_of_binds *pair, int type)
{
    int one = bind_new(pair->first, 0, type, pair->first_how);
    int two = bind_new(pair->second, port_at(one), type, pair->second_how);

    close_fd(one);
    if (two >= 0)
        close_fd(two);
    return two < 0 ? two : 0;
}

/* Another process may have the first one's port at the second one's host: then it is tried with another port. */
static void try_pairs(const struct pair_of_binds *pairs, size_t n, int type)
{
    for (size_t i = 0; i < n; i++) {
        int r = -EADDRINUSE;

        for (int attempt = 0; attempt < 5 && r == -EADDRINUSE; attempt++)
            r = try_pair(&pairs[i], type);
        if (r != pairs[i].expected)
            FAIL("%s (%d) and %s (%d): %s", pairs[i].first, pairs[i].first_how, pairs[i].second, pairs[i].second_how,
                 said(r));
    }
}

TEST_NO_SWEEP(hosts_of_a_port,
              "each host has ports of its own; a wildcard's are all of them, of both families for IPv6's", RIG)
{
    static const struct pair_of_binds pairs[] = {
        {"127.0.0.1", PLAIN, "127.0.0.1", PLAIN, -EADDRINUSE},
        {"127.0.0.1", PLAIN, "127.0.0.2", PLAIN, 0},
        {"127.0.0.1", PLAIN, "0.0.0.0", PLAIN, -EADDRINUSE},
        {"0.0.0.0", PLAIN, "127.0.0.3", PLAIN, -EADDRINUSE},
        {"::", PLAIN, "0.0.0.0", PLAIN, -EADDRINUSE},
        {"0.0.0.0", PLAIN, "::", PLAIN, -EADDRINUSE},
        {"::", PLAIN, "127.0.0.1", PLAIN, -EADDRINUSE},
        {"127.0.0.1", PLAIN, "::", PLAIN, -EADDRINUSE},
        {"::", ONLY6, "0.0.0.0", PLAIN, 0},
        {"0.0.0.0", PLAIN, "::", ONLY6, 0},
        {"::", ONLY6, "::", PLAIN, -EADDRINUSE},
        {"::", ONLY6, "::1", PLAIN, -EADDRINUSE},
        {"::1", PLAIN, "::", PLAIN, -EADDRINUSE},
        {"::1", PLAIN, "127.0.0.1", PLAIN, 0},
        {"::1", PLAIN, "0.0.0.0", PLAIN, 0},
        {"::ffff:127.0.0.1", PLAIN, "127.0.0.1", PLAIN, -EADDRINUSE},
        {"::ffff:127.0.0.1", PLAIN, "127.0.0.2", PLAIN, 0},
        {"::ffff:127.0.0.1", PLAIN, "::", ONLY6, 0},
        {"::ffff:127.0.0.1", PLAIN, "::", PLAIN, -EADDRINUSE},
    };

    open_rig(test_backend());
    try_pairs(pairs, sizeof pairs / sizeof pairs[0], SOCK_STREAM);
    try_pairs(pairs, sizeof pairs / sizeof pairs[0], SOCK_DGRAM);
    EXPECT_INT(bind_new("::ffff:127.0.0.1", 0, SOCK_STREAM, ONLY6), -EINVAL);
    close_rig();
}

TEST_NO_SWEEP(reuse_of_a_port, "sockets that agree to it share a port; with SO_REUSEADDR alone only one may listen",
              RIG)
{
    static const struct pair_of_binds streams[] = {
        {"127.0.0.1", REUSE, "127.0.0.1", REUSE, 0},
        {"127.0.0.1", REUSE, "127.0.0.1", PLAIN, -EADDRINUSE},
        {"127.0.0.1", PLAIN, "127.0.0.1", REUSE, -EADDRINUSE},
        {"127.0.0.1", REUSE | LISTENS, "127.0.0.1", REUSE, -EADDRINUSE},
        {"127.0.0.1", REUSE, "127.0.0.1", REUSE | LISTENS, 0},
        {"127.0.0.1", SHARE | LISTENS, "127.0.0.1", SHARE | LISTENS, 0},
        {"127.0.0.1", SHARE | LISTENS, "0.0.0.0", SHARE | LISTENS, 0},
        {"127.0.0.1", SHARE | LISTENS, "127.0.0.1", PLAIN, -EADDRINUSE},
        {"127.0.0.1", PLAIN, "127.0.0.1", SHARE, -EADDRINUSE},
    };
    static const struct pair_of_binds datagrams[] = {
        {"127.0.0.1", REUSE, "127.0.0.1", REUSE, 0},
        {"127.0.0.1", REUSE, "127.0.0.1", PLAIN, -EADDRINUSE},
        {"127.0.0.1", SHARE, "127.0.0.1", SHARE, 0},
        {"127.0.0.1", SHARE, "127.0.0.1", PLAIN, -EADDRINUSE},
    };
    struct asyncio_address address;
    int one, two, datagram;

    open_rig(test_backend());
    try_pairs(streams, sizeof streams / sizeof streams[0], SOCK_STREAM);
    try_pairs(datagrams, sizeof datagrams / sizeof datagrams[0], SOCK_DGRAM);
    one = bind_new("127.0.0.1", 0, SOCK_STREAM, REUSE);
    address = local_of(one);
    two = bind_new("127.0.0.1", port_of(&address), SOCK_STREAM, REUSE);
    EXPECT_INT(listen_on(one, 5), 0);
    EXPECT_INT(listen_on(two, 5), -EADDRINUSE);
    EXPECT_INT(get_option(two, SOL_SOCKET, SO_ACCEPTCONN), 0);
    close_fd(one);
    EXPECT_INT(listen_on(two, 5), 0);
    EXPECT_INT(listen_on(two, 7), 0);
    /* Ports of streams and of datagrams have nothing to do with each other. */
    datagram = bind_new("127.0.0.1", port_of(&address), SOCK_DGRAM, PLAIN);
    EXPECT(datagram >= 0);
    close_fd(datagram);
    close_fd(two);
    close_rig();
}

/* ----------------------------------------------------------------------------------------------------- Connections */

static void expect_connection(int client, int accepted, const char *client_host, const char *server_host, int port)
{
    struct asyncio_address from = local_of(client), to = peer_of(client);

    EXPECT_STR(host_of(&from), client_host);
    EXPECT(port_of(&from) > 1023 && port_of(&from) != port);
    EXPECT_STR(host_of(&to), server_host);
    EXPECT_INT(port_of(&to), port);
    from = peer_of(accepted);
    to = local_of(accepted);
    EXPECT_INT(port_of(&from), port_at(client));
    EXPECT_INT(port_of(&to), port);
}

TEST_NO_SWEEP(names_of_connection, "both ends know both names: the host that was reached, and a port that was free",
              RIG)
{
    static const struct {
        const char *bound, *called, *client, *server;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1"},
        {"0.0.0.0", "127.0.0.5", "127.0.0.1", "127.0.0.5"},
        {"0.0.0.0", "0.0.0.0", "127.0.0.1", "127.0.0.1"},
        {"::1", "::1", "::1", "::1"},
        {"::", "::", "::1", "::1"},
    };

    open_rig(test_backend());
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct asyncio_address address = at(cases[i].bound, 0);
        int listener = open_at(&address, SOCK_STREAM), client, accepted;
        int port = port_at(listener);

        address = at(cases[i].called, port);
        EXPECT_INT(connect_new(&address, &client), 0);
        accepted = accept_one(listener);
        expect_connection(client, accepted, cases[i].client, cases[i].server, port);
        address = local_of(accepted);
        EXPECT_STR(host_of(&address), cases[i].server);
        address = local_of(listener);
        EXPECT_STR(host_of(&address), cases[i].bound);
        close_fd(client);
        close_fd(accepted);
        close_fd(listener);
    }
    close_rig();
}

TEST_NO_SWEEP(both_families, "the IPv6 wildcard is reached over IPv4 too, unless it is V6ONLY; such names are mapped",
              RIG)
{
    struct asyncio_address address = at("::", 0), mapped;
    int listener, client, accepted, port, six;

    open_rig(test_backend());
    listener = open_at(&address, SOCK_STREAM);
    address = local_of(listener);
    port = port_of(&address);
    address = at("127.0.0.1", port);
    EXPECT_INT(connect_new(&address, &client), 0);
    accepted = accept_one(listener);
    expect_connection(client, accepted, "127.0.0.1", "127.0.0.1", port);
    mapped = local_of(accepted);
    EXPECT_STR(host_of(&mapped), "::ffff:127.0.0.1");
    mapped = peer_of(accepted);
    EXPECT_STR(host_of(&mapped), "::ffff:127.0.0.1");
    EXPECT_INT(get_option(accepted, SOL_SOCKET, SO_DOMAIN), AF_INET6);
    close_fd(client);
    close_fd(accepted);
    mapped = at("::ffff:127.0.0.1", port);
    EXPECT_INT(connect_new(&mapped, &client), 0);
    mapped = local_of(client);
    EXPECT_STR(host_of(&mapped), "::ffff:127.0.0.1");
    close_fd(client);
    close_fd(listener);

    six = bind_new("::", 0, SOCK_STREAM, ONLY6 | LISTENS);
    address = local_of(six);
    address = at("127.0.0.1", port_of(&address));
    EXPECT_INT(connect_new(&address, &client), -ECONNREFUSED);
    EXPECT_INT(set_option(six, IPPROTO_IPV6, IPV6_V6ONLY, 0), -EINVAL);
    close_fd(six);
    close_rig();
}

TEST_NO_SWEEP(bound_clients, "a client may be bound first: to a port, to a host, to both", RIG)
{
    struct asyncio_address address = at("127.0.0.1", 0), bound = at("127.0.0.9", 0), any = at("0.0.0.0", 0), seen;
    struct asyncio_address six = at("::1", 0);
    int listener, client, accepted;

    open_rig(test_backend());
    listener = open_at(&address, SOCK_STREAM);
    address = local_of(listener);
    client = make_socket(AF_INET);
    EXPECT_INT(bind_at(client, &bound), 0);
    bound = local_of(client);
    EXPECT_INT(connect_at(client, &address), 0);
    accepted = accept_one(listener);
    EXPECT(same_address(peer_of(accepted), bound));
    EXPECT(same_address(local_of(client), bound));
    close_fd(client);
    close_fd(accepted);
    client = make_socket(AF_INET);
    EXPECT_INT(bind_at(client, &any), 0);
    any = local_of(client);
    EXPECT_STR(host_of(&any), "0.0.0.0");
    EXPECT_INT(connect_at(client, &address), 0);
    seen = local_of(client);
    EXPECT_STR(host_of(&seen), "127.0.0.1");
    EXPECT_INT(port_of(&seen), port_of(&any));
    close_fd(client);
    client = make_socket(AF_INET6);
    EXPECT_INT(bind_at(client, &six), 0);
    address = at("::ffff:127.0.0.1", port_of(&address));
    EXPECT_INT(connect_at(client, &address), -ENETUNREACH);
    close_fd(client);
    close_fd(listener);
    close_rig();
}

static int waits_at(int listener)
{
    return (int)finish_now((struct asyncio_op){.opcode = ASYNCIO_OP_ACCEPT, .fd = listener});
}

/* Connects so often. Returns: how many of the connections came to the first listener. */
static int connect_often(const struct asyncio_address *address, int times, int first, int second)
{
    int client, at_first = 0, at_second = 0;

    for (int i = 0; i < times; i++) {
        int fd;

        EXPECT_INT(connect_new(address, &client), 0);
        fd = waits_at(first);
        at_first += fd >= 0;
        if (fd < 0) {
            fd = waits_at(second);
            at_second += fd >= 0;
        }
        close_fd(client);
        close_fd(fd);
    }
    EXPECT_INT(at_first + at_second, times);
    return at_first;
}

TEST_NO_SWEEP(shared_ports, "who share a port all get some; who is bound to the host itself comes before a wildcard",
              RIG)
{
    struct asyncio_address address;
    int one, two, three, at_first;

    open_rig(test_backend());
    one = bind_new("127.0.0.1", 0, SOCK_STREAM, SHARE | LISTENS);
    address = local_of(one);
    two = bind_new("127.0.0.1", port_of(&address), SOCK_STREAM, SHARE | LISTENS);
    at_first = connect_often(&address, 40, one, two);
    EXPECT(at_first > 4 && at_first < 36);
    close_fd(two);
    EXPECT_INT(connect_often(&address, 5, one, -1), 5);
    two = bind_new("0.0.0.0", port_of(&address), SOCK_STREAM, SHARE | LISTENS);
    EXPECT_INT(connect_often(&address, 10, one, two), 10);
    address = at("127.0.0.2", port_of(&address));
    EXPECT_INT(connect_often(&address, 10, one, two), 0);
    close_fd(one);
    address = at("127.0.0.1", port_of(&address));
    EXPECT_INT(connect_often(&address, 5, two, -1), 5);
    /* Whoever came first. */
    one = bind_new("127.0.0.1", port_of(&address), SOCK_STREAM, SHARE | LISTENS);
    three = bind_new("0.0.0.0", port_of(&address), SOCK_STREAM, SHARE | LISTENS);
    EXPECT_INT(connect_often(&address, 10, one, two), 10);
    close_fd(three);
    close_fd(one);
    one = bind_new("::", port_of(&address), SOCK_STREAM, SHARE | LISTENS);
    EXPECT_INT(connect_often(&address, 10, one, two), 0);
    close_fd(one);
    close_fd(two);
    close_rig();
}

TEST_NO_SWEEP(no_names, "what has no name yet, or no peer", RIG)
{
    struct asyncio_address address;
    struct asyncio_op peer = {.opcode = ASYNCIO_OP_PEERNAME, .name.address = &address};
    int pipe[2];

    open_rig(test_backend());
    peer.fd = make_socket(AF_INET);
    address = local_of(peer.fd);
    EXPECT(same_address(address, at("0.0.0.0", 0)));
    EXPECT_INT(call(peer), -ENOTCONN);
    EXPECT_INT(listen_on(peer.fd, 1), 0);
    address = local_of(peer.fd);
    EXPECT_STR(host_of(&address), "0.0.0.0");
    EXPECT(port_of(&address) > 1023);
    EXPECT_INT(call(peer), -ENOTCONN);
    EXPECT_INT(connect_at(peer.fd, &address), -EISCONN);
    close_fd(peer.fd);
    peer.fd = make_socket(AF_INET6);
    EXPECT(same_address(local_of(peer.fd), at("::", 0)));
    close_fd(peer.fd);
    make_pipe(pipe);
    peer.fd = pipe[0];
    EXPECT_INT(call(peer), -ENOTSOCK);
    peer.opcode = ASYNCIO_OP_SOCKNAME;
    EXPECT_INT(call(peer), -ENOTSOCK);
    peer.fd = 999;
    EXPECT_INT(call(peer), -EBADF);
    close_fd(pipe[0]);
    close_fd(pipe[1]);
    close_rig();
}

/* ----------------------------------------------------------------------------------------------------------- Paths */

/* A path in a new folder, which leave_folder removes. */
static char folder[64], path[80];

static void enter_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/asyncio-test-XXXXXX");
    EXPECT(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
}

static void leave_folder(void)
{
    EXPECT_INT(rmdir(folder), 0);
}

static struct asyncio_op_file about(const char *name, int expected)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_STAT, .fd = -1, .file.path = name};

    EXPECT(ops->submit(backend, &op));
    EXPECT_INT(op.result, expected);
    return op.file;
}

static int64_t unlink_path(const char *name)
{
    return call((struct asyncio_op){.opcode = ASYNCIO_OP_UNLINK, .fd = -1, .file.path = name});
}

TEST_NO_SWEEP(file_outlives_socket, "a Unix socket's file stays when the socket goes, until it is unlinked", RIG)
{
    struct asyncio_address address;
    struct asyncio_op_file first, second;
    int listener, client;

    enter_folder();
    open_rig(test_backend());
    address = at_path(path);
    EXPECT_INT(connect_new(&address, &client), -ENOENT);
    about(path, -ENOENT);
    listener = make_socket(AF_UNIX);
    EXPECT_INT(bind_at(listener, &address), 0);
    EXPECT_INT(connect_new(&address, &client), -ECONNREFUSED);
    EXPECT_INT(listen_on(listener, 5), 0);
    first = about(path, 0);
    EXPECT(first.is_socket);
    EXPECT_INT(connect_new(&address, &client), 0);
    close_fd(client);
    close_fd(listener);
    EXPECT_INT(connect_new(&address, &client), -ECONNREFUSED);
    second = about(path, 0);
    EXPECT(second.is_socket && second.inode == first.inode && second.device == first.device);
    listener = make_socket(AF_UNIX);
    EXPECT_INT(bind_at(listener, &address), -EADDRINUSE);
    EXPECT_INT(unlink_path(path), 0);
    EXPECT_INT(unlink_path(path), -ENOENT);
    about(path, -ENOENT);
    EXPECT_INT(bind_at(listener, &address), 0);
    close_fd(listener);
    EXPECT_INT(unlink_path(path), 0);
    close_rig();
    leave_folder();
}

TEST_NO_SWEEP(unlinked_listener, "without its file a listener keeps its connections and is not found; its path is free",
              RIG)
{
    struct asyncio_address address;
    struct asyncio_op_file first, second;
    int old, new, before, accepted, after;

    enter_folder();
    open_rig(test_backend());
    address = at_path(path);
    old = open_at(&address, SOCK_STREAM);
    first = about(path, 0);
    EXPECT_INT(connect_new(&address, &before), 0);
    EXPECT_INT(unlink_path(path), 0);
    EXPECT_INT(connect_new(&address, &after), -ENOENT);
    new = open_at(&address, SOCK_STREAM);
    second = about(path, 0);
    EXPECT(first.device == second.device && second.is_socket);
    /* While the first lives, no disk can give its number away. */
    EXPECT(first.inode != second.inode || !test_on_sim());
    EXPECT_INT(connect_new(&address, &after), 0);
    accepted = accept_one(old);
    EXPECT_INT(send_bytes(before, 3), 3);
    EXPECT_INT(recv_bytes(accepted), 3);
    EXPECT(same_address(local_of(accepted), address));
    EXPECT_INT(waits_at(old), -EAGAIN);
    close_fd(accepted);
    close_fd(old);
    /* The file is the other's now: the end of the first one leaves it alone. */
    EXPECT_INT((int64_t)about(path, 0).inode, (int64_t)second.inode);
    accepted = accept_one(new);
    close_fd(accepted);
    close_fd(before);
    close_fd(after);
    close_fd(new);
    EXPECT_INT(unlink_path(path), 0);
    close_rig();
    leave_folder();
}

TEST_NO_SWEEP(abstract_names, "an abstract name goes with its socket; streams and datagrams have names of their own",
              RIG)
{
    char text[64];
    struct asyncio_address address, chosen;
    struct sockaddr_un nobody = {.sun_family = AF_UNIX};
    int one, two, client;

    snprintf(text, sizeof text, "@asyncio-test-%ld", (long)getpid());
    address = at_path(text);
    open_rig(test_backend());
    EXPECT_INT(connect_new(&address, &client), -ECONNREFUSED);
    one = open_at(&address, SOCK_STREAM);
    two = make_socket(AF_UNIX);
    EXPECT_INT(bind_at(two, &address), -EADDRINUSE);
    close_fd(two);
    two = open_at(&address, SOCK_DGRAM);
    EXPECT_INT(connect_new(&address, &client), 0);
    EXPECT(same_address(peer_of(client), address));
    close_fd(client);
    close_fd(two);
    close_fd(one);
    EXPECT_INT(connect_new(&address, &client), -ECONNREFUSED);
    one = open_at(&address, SOCK_STREAM);
    close_fd(one);
    /* Who binds to nothing is given such a name. */
    one = make_socket(AF_UNIX);
    EXPECT_INT(bind_to(one, &nobody, sizeof(sa_family_t)), 0);
    chosen = local_of(one);
    EXPECT_INT(chosen.size, offsetof(struct sockaddr_un, sun_path) + 6);
    two = make_socket(AF_UNIX);
    EXPECT_INT(bind_to(two, &nobody, sizeof(sa_family_t)), 0);
    EXPECT(!same_address(local_of(two), chosen));
    close_fd(one);
    close_fd(two);
    close_rig();
}

TEST_NO_SWEEP(names_of_unix_connection, "the server's end has the listener's name, the client's has what it bound to",
              RIG)
{
    struct asyncio_address address, unnamed = {.size = sizeof(sa_family_t)}, longest;
    char other[90], text[109];
    sa_family_t family = AF_UNIX;
    int listener, client, accepted, datagram, pair[2];

    enter_folder();
    memcpy(unnamed.data.bytes, &family, sizeof family);
    snprintf(other, sizeof other, "%s/client", folder);
    open_rig(test_backend());
    address = at_path(path);
    listener = open_at(&address, SOCK_STREAM);
    EXPECT_INT(connect_new(&address, &client), 0);
    accepted = accept_one(listener);
    EXPECT(same_address(local_of(listener), address));
    EXPECT(same_address(local_of(accepted), address));
    EXPECT(same_address(peer_of(client), address));
    EXPECT(same_address(local_of(client), unnamed));
    EXPECT(same_address(peer_of(accepted), unnamed));
    close_fd(accepted);
    /* Who is gone had a name all the same. */
    EXPECT(same_address(peer_of(client), address));
    close_fd(client);
    client = make_socket(AF_UNIX);
    longest = at_path(other);
    EXPECT_INT(bind_at(client, &longest), 0);
    EXPECT_INT(connect_at(client, &address), 0);
    accepted = accept_one(listener);
    EXPECT(same_address(peer_of(accepted), longest));
    close_fd(accepted);
    close_fd(client);
    datagram = make_typed(AF_UNIX, SOCK_DGRAM);
    EXPECT_INT(connect_at(datagram, &address), -EPROTOTYPE);
    close_fd(datagram);
    close_fd(listener);
    EXPECT_INT(unlink_path(path), 0);
    datagram = open_at(&address, SOCK_DGRAM);
    EXPECT_INT(connect_new(&address, &client), -EPROTOTYPE);
    close_fd(datagram);
    EXPECT_INT(connect_new(&address, &client), -ECONNREFUSED);
    EXPECT_INT(unlink_path(path), 0);
    EXPECT_INT(unlink_path(other), 0);
    make_pair(pair);
    EXPECT(same_address(local_of(pair[0]), unnamed));
    EXPECT(same_address(peer_of(pair[0]), unnamed));
    send_text(pair[0], "unread");
    close_fd(pair[1]);
    EXPECT_INT(recv_bytes(pair[0]), -ECONNRESET);
    EXPECT(same_address(peer_of(pair[0]), unnamed));
    close_fd(pair[0]);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    about(text, -ENOENT);
    about("", -ENOENT);
    EXPECT_INT(unlink_path(""), -ENOENT);
    close_rig();
    leave_folder();
}
