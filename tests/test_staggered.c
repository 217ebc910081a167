/* test_staggered.c -- connecting by name: the addresses in turn, the race of happy eyeballs, and servers that listen at
 * names. */
#include "dns_rig.h"

#include "lib/staggered.h"
#include "loop/dns.h"

static const struct entry entries[] = {
    {"good.test", .in = {"127.0.0.1"}},
    {"slow.test", .in = {"127.0.0.2", "127.0.0.1"}},
    {"refused.test", .in = {"127.0.0.4", "127.0.0.5"}},
    {"second.test", .in = {"127.0.0.4", "127.0.0.1"}},
    {"stuck.test", .in = {"127.0.0.2"}},
    {"mixed.test", .in = {"127.0.0.4", "127.0.0.2", "127.0.0.5"}},
    {"two.test", .in = {"127.0.0.1", "127.0.0.3"}},
    {"away.test", .in = {"192.0.2.1", "127.0.0.4"}},
    {"drop.test", .manner = DROP},
    {0},
};

static struct asyncio_socket *quick, *full, *third; /* listening at 127.0.0.1, .2 and .3, at one port */
static int port;
static struct asyncio_streamreader *reader;
static struct asyncio_streamwriter *writer;

static int play_names(asyncio_coro *fn)
{
    if (!asyncio__dns_is_built_in())
        SKIP("built without c-ares");
    return play(fn);
}

static int listen_at(const char *host, int backlog, struct asyncio_socket **ret_socket)
{
    struct asyncio_address address = {0};
    int r = asyncio_socket(AF_INET, SOCK_STREAM, 0, ret_socket);

    if (r == 0)
        r = asyncio_address_parse(&address, host, port);
    if (r == 0)
        r = asyncio_socket_bind(*ret_socket, &address);
    if (r == 0)
        r = asyncio_socket_listen(*ret_socket, backlog);
    if (r == 0)
        r = asyncio_socket_getsockname(*ret_socket, &address);
    if (r == 0)
        port = asyncio_address_port(&address);
    return r;
}

/* Takes a place in the queue of the one that nobody accepts at. */
static int fill(void *arg)
{
    struct asyncio_socket *socket = NULL;
    struct asyncio_address address = {0};

    (void)arg;
    ASYNCIO_IGNORE(asyncio_socket(AF_INET, SOCK_STREAM, 0, &socket));
    ASYNCIO_IGNORE(asyncio_address_parse(&address, "127.0.0.2", port));
    if (asyncio_sock_connect(socket, &address) == 0)
        ASYNCIO_IGNORE(asyncio_sleep(ASYNCIO_FOREVER));
    asyncio_socket_unref(socket);
    return 0;
}

/* Names, and three who listen at one port: one that answers, one whose queue is full, another one that answers. */
static int begin(void)
{
    EXPECT_INT(begin_names(entries), 0);
    for (int tries = 0; tries < 10; tries++) {
        port = 0;
        if (listen_at("127.0.0.1", 10, &quick) == 0 && listen_at("127.0.0.2", 1, &full) == 0 &&
            listen_at("127.0.0.3", 10, &third) == 0)
            break;
        quick = asyncio_socket_unref(quick);
        full = asyncio_socket_unref(full);
        third = asyncio_socket_unref(third);
    }
    for (int i = 0; i < 4; i++)
        spawn(fill, NULL, "filler");
    turns(5);
    return 0;
}

static void close_streams(void)
{
    asyncio_streamwriter_close(writer);
    if (writer)
        ASYNCIO_IGNORE(asyncio_streamwriter_wait_closed(writer));
    writer = asyncio_streamwriter_unref(writer);
    reader = asyncio_streamreader_unref(reader);
}

static int end(void)
{
    close_streams();
    for (int i = 0; i < crew_size; i++)
        cancel(crew[i]);
    everybody();
    quick = asyncio_socket_unref(quick);
    full = asyncio_socket_unref(full);
    third = asyncio_socket_unref(third);
    stop_nameservers();
    return 0;
}

/* "127.0.0.1": whom the streams are connected to. */
static const char *peer(void)
{
    static char text[80];
    struct asyncio_address address = {0};

    text[0] = 0;
    if (!writer || asyncio_streamwriter_peername(writer, &address) < 0)
        return "nobody";
    asyncio_address_format(&address, text, sizeof text);
    *strrchr(text, ':') = 0;
    return text;
}

/* ------------------------------------------------------------------------------------------------------- In turn */

static int connect_in_turn(void *arg)
{
    (void)arg;
    EXPECT_INT(begin(), 0);
    EXPECT_INT(asyncio_open_connection("good.test", port, &reader, &writer), 0);
    EXPECT_STR(peer(), "127.0.0.1");
    close_streams();
    EXPECT_INT(asyncio_open_connection("second.test", port, &reader, &writer), 0);
    EXPECT_STR(peer(), "127.0.0.1");
    close_streams();
    EXPECT_INT(asyncio_open_connection("missing.test", port, &reader, &writer), -ASYNCIO_EAI_NONAME);
    EXPECT_STR(detail(), "missing.test: server 127.0.0.1:P: there is no such name");
    EXPECT_INT(asyncio_open_connection("good.test", port, &reader, &writer, .family = AF_INET6), -ASYNCIO_EAI_NODATA);
    EXPECT_INT(asyncio_open_connection("refused.test", port, &reader, &writer), -ECONNREFUSED);
    EXPECT(strstr(asyncio_error_detail(), "connect 127.0.0.4:"));
    EXPECT(strstr(asyncio_error_detail(), "; connect 127.0.0.5:"));
    EXPECT_INT(asyncio_open_connection("good.test", port, &reader, &writer, .local_host = "good.test"), 0);
    EXPECT_STR(peer(), "127.0.0.1");
    return end();
}

TEST(connect_by_name, "N-01 N-02 N-03: the addresses of a name are tried in turn, and all errors are told")
{
    EXPECT_INT(play_names(connect_in_turn), 0);
}

static int off_the_net(void *arg)
{
    (void)arg;
    EXPECT_INT(begin(), 0);
    EXPECT_INT(asyncio_open_connection("away.test", port, &reader, &writer), -ECONNREFUSED);
    EXPECT(strstr(asyncio_error_detail(), "connect 192.0.2.1:"));
    EXPECT(strstr(asyncio_error_detail(), "Network is unreachable; connect 127.0.0.4:"));
    return end();
}

TEST_SIM(off_the_net, "N-03 #86: where the machine has no way to some of the addresses the error is that of the others")
{
    EXPECT_INT(play_names(off_the_net), 0);
}

static int connect_for_long(void *arg)
{
    return asyncio_open_connection(arg, port, &reader, &writer);
}

static int hold_up(void *arg)
{
    (void)arg;
    EXPECT_INT(begin(), 0);
    EXPECT_INT(asyncio_wait_for(connect_for_long, (void *)(uintptr_t) "slow.test", 5), -ETIMEDOUT);
    trace("the first address has held up the second one");
    EXPECT_INT(asyncio_wait_for(connect_for_long, (void *)(uintptr_t) "drop.test", 5), -ETIMEDOUT);
    trace("the name server was silent");
    return end();
}

TEST(connect_deadline, "N-02 N-15 R6: the caller's time limit covers look-up and connects, and nothing is left of them")
{
    EXPECT_INT(play_names(hold_up), 0);
    EXPECT_TRACE("[5.000] the first address has held up the second one\n"
                 "[10.000] the name server was silent\n");
}

/* ------------------------------------------------------------------------------------------------------- The race */

static int race(void *arg)
{
    (void)arg;
    EXPECT_INT(begin(), 0);
    EXPECT_INT(asyncio_open_connection("slow.test", port, &reader, &writer, .happy_eyeballs_delay = 0.25), 0);
    trace("%s", peer());
    close_streams();
    EXPECT_INT(asyncio_open_connection("second.test", port, &reader, &writer, .happy_eyeballs_delay = 10), 0);
    trace("%s, as soon as the first one was refused", peer());
    close_streams();
    EXPECT_INT(asyncio_open_connection("slow.test", port, &reader, &writer, .happy_eyeballs_delay = -1), 0);
    trace("%s, all at once", peer());
    close_streams();
    EXPECT_INT(asyncio_open_connection("refused.test", port, &reader, &writer, .happy_eyeballs_delay = 0.25),
               -ECONNREFUSED);
    EXPECT(strstr(asyncio_error_detail(), "connect 127.0.0.4:"));
    EXPECT(strstr(asyncio_error_detail(), "; connect 127.0.0.5:"));
    trace("all refused");
    EXPECT_INT(asyncio_open_connection("good.test", port, &reader, &writer, .interleave = -1), -EINVAL);
    EXPECT_INT(asyncio_open_connection("good.test", port, &reader, &writer, .happy_eyeballs_delay = __builtin_nan("")),
               -EINVAL);
    return end();
}

TEST(happy_eyeballs, "N-04 C-23 #47: the next one starts when the delay has passed or the previous one has failed; the "
                     "first that answers is taken")
{
    EXPECT_INT(play_names(race), 0);
    EXPECT_TRACE("[0.250] 127.0.0.1\n"
                 "[0.250] 127.0.0.1, as soon as the first one was refused\n"
                 "[0.250] 127.0.0.1, all at once\n"
                 "[0.250] all refused\n");
}

static int racer(void *arg)
{
    int r = asyncio_open_connection(arg, port, &reader, &writer, .happy_eyeballs_delay = 0.25);

    trace("%s: %s", me(), said(r));
    return 0;
}

static int cancel_race(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    EXPECT_INT(begin(), 0);
    task = spawn(racer, (void *)(uintptr_t) "mixed.test", "racer");
    ASYNCIO_IGNORE(asyncio_sleep(1));
    cancel(task);
    ASYNCIO_IGNORE(asyncio_wait(&task, 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
    return end();
}

TEST(happy_eyeballs_cancel, "C-23 N-15: a cancel ends all attempts")
{
    EXPECT_INT(play_names(cancel_race), 0);
    EXPECT_TRACE("[1.000] racer: -ECANCELED\n");
}

/* ------------------------------------------------------------------------------------------ Two winners, by seeds */

static int n_heard, n_lost;
static uint64_t world;

/* Whom nothing is sent before the end has lost. */
static int hear(void *arg)
{
    struct asyncio_socket *socket = NULL;
    char byte;
    ssize_t r;

    while (asyncio_sock_accept(arg, &socket, NULL) == 0) {
        r = asyncio_sock_recv(socket, &byte, 1);
        n_heard += r == 1;
        n_lost += r <= 0;
        socket = asyncio_socket_unref(socket);
    }
    return 0;
}

/* Is cancelled once, at any time: the connection or the wait behind it hears of it. */
static int racer_in_danger(void *arg)
{
    int r = asyncio_open_connection(arg, port, &reader, &writer, .happy_eyeballs_delay = 0.25);

    if (r == 0)
        r = asyncio_sleep(10);
    EXPECT_INT(r, -ECANCELED);
    return 0;
}

static int two_winners(void *arg)
{
    struct asyncio_future *task;
    int r = -1;

    (void)arg;
    n_heard = n_lost = 0;
    EXPECT_INT(begin(), 0);
    spawn(hear, quick, "quick");
    spawn(hear, third, "third");
    task = asyncio_create_task(racer_in_danger, (void *)(uintptr_t) "two.test");
    ASYNCIO_IGNORE(asyncio_sleep((double)(world % 50) / 25));
    cancel(task);
    ASYNCIO_IGNORE(asyncio_wait(&task, 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
    asyncio_future_unref(task);
    if (writer)
        r = asyncio_streamwriter_write(writer, "x", 1);
    ASYNCIO_IGNORE(asyncio_sleep(3));
    EXPECT_INT(n_heard, r == 0);
    close_streams();
    return end();
}

TEST_SIM_NO_SWEEP(two_winners,
                  "C-23 #47: of two that get through at once one is kept and the other closed, and a cancel "
                  "at that moment loses neither",
                  "its worlds have faults of their own")
{
    int n_kept = 0, n_both = 0;

    if (!asyncio__dns_is_built_in())
        SKIP("built without c-ares");
    for (uint64_t seed = test_seed(); seed < test_seed() + (test_seed_given() ? 1 : 200); seed++) {
        char backend[80];

        snprintf(backend, sizeof backend, "sim:%llu,delay=400000,later=50,permute", (unsigned long long)seed);
        test_replay_seed(seed);
        world = seed;
        EXPECT_INT(asyncio_run(two_winners, NULL, .backend = backend), 0);
        dismiss_crew();
        n_kept += n_heard;
        n_both += n_heard == 1 && n_lost > 0;
    }
    if (!test_seed_given()) {
        EXPECT(n_kept > 20);
        EXPECT(n_kept < 200);
        EXPECT(n_both > 3);
    }
}

/* --------------------------------------------------------------------------------------------------- Interleaving */

static const char *interleaved(const char *families, int first)
{
    static char text[20];
    struct asyncio__dns_addresses addresses = {.n = 0};
    size_t n = strlen(families);

    for (size_t i = 0; i < n; i++) {
        struct asyncio_address address = {0};

        EXPECT_INT(asyncio_address_parse(&address, families[i] == '6' ? "::1" : "127.0.0.1", (int)i), 0);
        EXPECT_INT(asyncio__dns_add(&addresses, &address), 0);
    }
    EXPECT_INT(asyncio__interleave(&addresses, first), 0);
    EXPECT_INT(addresses.n, n);
    for (size_t i = 0; i < addresses.n; i++)
        text[i] = (char)('0' + asyncio_address_port(&addresses.list[i]));
    text[n] = 0;
    asyncio_free(addresses.list);
    return text;
}

TEST(interleave, "N-04: families in turn, the first one with as many as were asked for before that")
{
    EXPECT_STR(interleaved("666444", 1), "031425");
    EXPECT_STR(interleaved("666444", 0), "031425");
    EXPECT_STR(interleaved("666444", 2), "013245");
    EXPECT_STR(interleaved("664", 5), "012");
    EXPECT_STR(interleaved("6444", 1), "0123");
    EXPECT_STR(interleaved("4446", 1), "0312");
    EXPECT_STR(interleaved("6", 1), "0");
}

/* ---------------------------------------------------------------------------------------------------------- Servers */

static int nobody_comes(struct asyncio_streamreader *in, struct asyncio_streamwriter *out, void *arg)
{
    (void)in;
    (void)out;
    (void)arg;
    return 0;
}

static int serve_at_names(void *arg)
{
    static const char *const hosts[] = {"two.test", "127.0.0.1", "good.test", NULL};
    static const char *const missing[] = {"127.0.0.1", "drop.test", "missing.test", NULL};
    struct asyncio_server *server = NULL;

    (void)arg;
    EXPECT_INT(begin(), 0);
    EXPECT_INT(asyncio_start_server(nobody_comes, NULL, NULL, 0, &server, .hosts = hosts, .family = AF_INET), 0);
    EXPECT_INT(asyncio_server_n_sockets(server), 2);
    EXPECT_STR(asked, "two.test A, good.test A");
    asyncio_server_close(server);
    if (server)
        ASYNCIO_IGNORE(asyncio_server_wait_closed(server));
    server = asyncio_server_unref(server);
    EXPECT_INT(asyncio_start_server(nobody_comes, NULL, NULL, 0, &server, .hosts = missing), -ASYNCIO_EAI_NONAME);
    EXPECT_STR(detail(), "missing.test: server 127.0.0.1:P: there is no such name");
    trace("without waiting for the silent one");
    return end();
}

TEST(serve_at_names, "N-06: several names are looked for at the same time, and each of their addresses is bound once")
{
    EXPECT_INT(play_names(serve_at_names), 0);
    EXPECT_TRACE("[0.000] without waiting for the silent one\n");
}
