/* test_server_tls.c -- servers with TLS: the handshake before a client is served, what becomes of those that do not get
 * through it, and certificates that are renewed meanwhile. */
#include "servers_rig.h"
#include "tls_rig.h"

#define SERVE(client_connected, ...)                                                                              \
    do {                                                                                                          \
        if (have_contexts())                                                                                      \
            EXPECT_INT(asyncio_start_server((client_connected), NULL, "127.0.0.1", 0, &server, .ssl = tls_server, \
                                            ##__VA_ARGS__),                                                       \
                       0);                                                                                        \
    } while (0)

static int end_all(void)
{
    settle();
    end_server();
    drop_contexts();
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------- Clients */

struct caller {
    struct asyncio_streamreader *reader;
    struct asyncio_streamwriter *writer;
};

/* Connects to the server with TLS. Returns: as asyncio_open_connection. */
static int call_securely(struct caller *caller, struct asyncio_ssl_context *context)
{
    struct asyncio_address address = {.size = 0};
    int r = asyncio_server_sockname(server, 0, &address);

    *caller = (struct caller){NULL, NULL};
    if (r < 0 || !context)
        return r < 0 ? r : -ENOMEM;
    return asyncio_open_connection("127.0.0.1", asyncio_address_port(&address), &caller->reader, &caller->writer,
                                   .ssl = context, .server_hostname = "localhost");
}

static void leave(struct caller *caller)
{
    asyncio_streamwriter_close(caller->writer);
    caller->reader = asyncio_streamreader_unref(caller->reader);
    caller->writer = asyncio_streamwriter_unref(caller->writer);
}

/* Says a line and reads it back. Returns: 0; a negative error. */
static int exchange_with(struct caller *caller, const char *line)
{
    char *back = NULL;
    ssize_t r = caller->writer ? asyncio_streamwriter_write(caller->writer, line, strlen(line)) : -EBADF;

    if (r == 0)
        r = asyncio_streamreader_readline(caller->reader, &back);
    if (r >= 0 && strcmp(back, line) != 0)
        r = -EIO;
    return r < 0 ? (int)r : 0;
}

/* What is left after all that went wrong: the server serves whoever comes. */
static void expect_service(void)
{
    struct caller caller;

    EXPECT_INT(call_securely(&caller, tls_client), 0);
    EXPECT_INT(exchange_with(&caller, "still here?\n"), 0);
    leave(&caller);
}

static void expect_clients(size_t n, uint64_t n_failed)
{
    EXPECT_INT(asyncio_server_n_clients(server), n);
    EXPECT_INT(asyncio_server_counts(server).handshakes_failed, n_failed);
}

static int n_tasks(void)
{
    return (int)asyncio_all_tasks(NULL, 0);
}

/* ---------------------------------------------------------------------------------------------------------- Served */

static int curious_echo(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    struct asyncio_ssl_info info = {.version = NULL};

    EXPECT_INT(asyncio_streamwriter_ssl_info(writer, &info), 0);
    trace("%s asks for %s", me(), info.server_name ? info.server_name : "nothing");
    return echo(reader, writer, arg);
}

static int served(void *arg)
{
    struct caller one, two;

    (void)arg;
    SERVE(curious_echo);
    EXPECT_INT(call_securely(&one, tls_client), 0);
    EXPECT_INT(call_securely(&two, tls_client), 0);
    EXPECT_INT(exchange_with(&two, "to the second\n"), 0);
    EXPECT_INT(exchange_with(&one, "to the first\n"), 0);
    expect_clients(2, 0);
    leave(&one);
    leave(&two);
    settle();
    expect_clients(0, 0);
    EXPECT_INT(asyncio_server_counts(server).accepted, 2);
    return end_all();
}

TEST(clients_are_served,
     "N-08 TL-03 ST-02: a client is served once the handshake is over, and its handler may ask what "
     "was agreed on")
{
    EXPECT_INT(play(served), 0);
    EXPECT(strstr(transcript(), "client 1 asks for localhost"));
    EXPECT(strstr(transcript(), "client 2 asks for localhost"));
    trace_clear();
}

static int over_unix(void *arg)
{
    struct caller caller = {NULL, NULL};

    (void)arg;
    if (have_contexts())
        EXPECT_INT(asyncio_start_unix_server(echo, NULL, a_path(), &server, .ssl = tls_server), 0);
    EXPECT_INT(asyncio_open_unix_connection(a_path(), &caller.reader, &caller.writer, .ssl = tls_client), -EINVAL);
    EXPECT_INT(asyncio_open_unix_connection(a_path(), &caller.reader, &caller.writer, .ssl = tls_client,
                                            .server_hostname = "localhost"),
               0);
    EXPECT_INT(exchange_with(&caller, "over a path\n"), 0);
    leave(&caller);
    return end_all();
}

TEST(unix_servers_with_tls, "ST-03 N-01: over a Unix socket, where somebody has to say whose certificate is wanted")
{
    EXPECT_INT(play(over_unix), 0);
}

#define N_AT_ONCE 100

static int one_of_many(void *arg)
{
    struct caller caller;
    int r = call_securely(&caller, tls_client);
    char line[32];

    for (int i = 0; i < 3 && r == 0; i++) {
        snprintf(line, sizeof line, "%d, %d\n", number_of(arg), i);
        r = exchange_with(&caller, line);
    }
    leave(&caller);
    return r;
}

static int many_at_once(void *arg)
{
    const int n = test_hostile() ? 10 : N_AT_ONCE;

    (void)arg;
    SERVE(echo);
    for (int i = 0; i < n; i++)
        spawn(one_of_many, number(i), "caller");
    everybody();
    for (int i = 0; i < n; i++)
        EXPECT_INT(asyncio_future_exception(crew[i]), 0);
    settle();
    expect_clients(0, 0);
    EXPECT_INT(asyncio_server_counts(server).accepted, n);
    return end_all();
}

TEST_NO_SWEEP(a_hundred_at_once, "TL-01 SV-01: a hundred clients shake hands and talk at the same time",
              "each fault would run it all")
{
    test_needs_seconds(60);
    EXPECT_INT(play(many_at_once), 0);
}

/* ------------------------------------------------------------------------------------------------------- Handshakes */

static int stalled(void *arg)
{
    int n;

    (void)arg;
    listen_for_reports();
    SERVE(echo, .max_connections = 2, .ssl_handshake_timeout = 5);
    n = n_tasks();
    for (int i = 0; i < 3; i++)
        call_in();
    EXPECT_INT(asyncio_sleep(1), 0);
    expect_clients(2, 0);
    EXPECT_INT(n_tasks(), n);
    EXPECT_INT(asyncio_sleep(5), 0);
    expect_clients(1, 2);
    EXPECT_STR(hear(callers[0], 1), "-ECONNRESET");
    EXPECT_INT(asyncio_sleep(5), 0);
    expect_clients(0, 3);
    EXPECT_INT(n_served, 0);
    expect_service();
    return end_all();
}

TEST(stalled_handshakes, "TL-02 N-08 SV-02: a client that stalls in the handshake has no task, counts as a client, and "
                         "is let go when its time is over; nobody is bothered with it")
{
    EXPECT_INT(play(stalled), 0);
    EXPECT_TRACE("");
}

static int reported(void *arg)
{
    struct asyncio_socket *caller;

    (void)arg;
    listen_for_reports();
    asyncio_loop_set_debug(asyncio_get_running_loop(), true);
    SERVE(echo);
    caller = call_in();
    EXPECT_INT(caller ? asyncio_sock_sendall(caller, "GET / HTTP/1.0\r\n\r\n", 18) : 0, 0);
    settle();
    expect_clients(0, 1);
    return end_all();
}

TEST(failures_in_debug_mode, "N-08: in debug mode a handshake that fails is reported, with the reason")
{
    EXPECT_INT(play(reported), 0);
    EXPECT(strstr(transcript(), "reported: TLS handshake with a client failed: "));
    EXPECT(strstr(transcript(), ", -ASYNCIO_ESSL\n"));
    trace_clear();
}

/* How somebody breaks off. */
enum way { RESET, HANG_UP, HALF_CLOSE, STALL, N_WAYS };

/* Breaks off a handshake after so many bytes of one's own. Returns: how many there would have been. */
static size_t break_off(size_t after, enum way way)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    struct asyncio_socket *socket = call_in();
    struct speaker speaker;
    size_t n = 0, size;
    const void *data;
    int r = speak(&speaker, socket);

    while (r == 0 || r == -EAGAIN) {
        r = asyncio__tls_handshake(speaker.pump);
        while ((r == 0 || r == -EAGAIN) && (data = asyncio__tls_out(speaker.pump, &size)) && size > 0 && n < after) {
            size = size < after - n ? size : after - n;
            if (asyncio_sock_sendall(socket, data, size) < 0)
                r = -EIO;
            asyncio__tls_out_taken(speaker.pump, size);
            n += size;
        }
        if (n >= after || r != -EAGAIN || hear_more(&speaker) <= 0)
            break;
    }
    settle();
    if (way == RESET && socket)
        EXPECT_INT(asyncio_socket_setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    if (way == RESET || way == HANG_UP)
        hang_up(socket);
    else if (way == HALF_CLOSE && socket)
        EXPECT_INT(asyncio_socket_shutdown(socket, SHUT_WR), 0);
    ASYNCIO_IGNORE(asyncio_sleep(way == STALL ? 6 : 1));
    fall_silent(&speaker);
    if (way == HALF_CLOSE || way == STALL)
        hang_up(socket);
    return n;
}

static int broken_off(void *arg)
{
    const enum way way = (enum way)number_of(arg);
    size_t whole = 0;
    uint64_t n_failed = 0;

    listen_for_reports();
    SERVE(echo, .ssl_handshake_timeout = 5);
    if (tls_client)
        whole = break_off(SIZE_MAX, HANG_UP);
    EXPECT_INT(asyncio_sleep(1), 0);
    expect_clients(0, 0);
    for (size_t after = 0; after < whole; after += after < 12 ? 3 : 97) {
        break_off(after, way);
        expect_clients(0, ++n_failed);
    }
    break_off(whole - 1, way);
    expect_clients(0, ++n_failed);
    expect_service();
    trace_clear();
    return end_all();
}

#define TEST_BREAKING_OFF(name, way, why)                                      \
    TEST_NO_SWEEP(name, why, "what comes of a fault is not what it looks for") \
    {                                                                          \
        test_needs_seconds(60);                                                \
        EXPECT_INT(run(broken_off, number(way)), 0);                           \
    }

TEST_BREAKING_OFF(reset_in_the_handshake, RESET, "TL-03 #104: a reset at any step of the handshake leaves nothing")
TEST_BREAKING_OFF(hung_up_in_the_handshake, HANG_UP,
                  "TL-03 #104: hanging up at any step of the handshake leaves nothing")
TEST_BREAKING_OFF(half_open_in_the_handshake, HALF_CLOSE,
                  "TL-03 #104: half an end at any step of the handshake is its end")
TEST_BREAKING_OFF(stalled_in_the_handshake, STALL,
                  "TL-02 #104: stalling at any step of the handshake ends with its time")

/* ----------------------------------------------------------------------------------------------------- Certificates */

static int mistrusted(void *arg)
{
    struct asyncio_ssl_context *other = NULL;
    struct caller caller;

    (void)arg;
    SERVE(echo);
    EXPECT_INT(asyncio_ssl_create_default_context(&other, ASYNCIO_SSL_SERVER_AUTH,
                                                  .cafile = certificate(&certificates, "other_ca")),
               0);
    EXPECT_INT(call_securely(&caller, other), -ASYNCIO_ECERT_UNKNOWN_CA);
    EXPECT(strstr(asyncio_error_detail(), "localhost"));
    settle();
    expect_clients(0, 1);
    asyncio_ssl_context_unref(other);
    expect_service();
    return end_all();
}

TEST(mistrusted_servers, "TL-03 #104: whoever does not trust the server is not served, and is told why")
{
    EXPECT_INT(play(mistrusted), 0);
}

static void copy_fingerprint(struct caller *caller, char fingerprint[65])
{
    struct asyncio_ssl_certificate *certificate = NULL;

    fingerprint[0] = '\0';
    if (caller->writer && asyncio_streamwriter_getpeercert(caller->writer, &certificate) == 0)
        snprintf(fingerprint, 65, "%s", certificate->fingerprint);
    asyncio_free(certificate);
}

static int renewed(void *arg)
{
    char before[65], after[65];
    struct caller old, new;

    (void)arg;
    SERVE(echo);
    EXPECT_INT(call_securely(&old, tls_client), 0);
    EXPECT_INT(exchange_with(&old, "before\n"), 0);
    EXPECT_INT(asyncio_ssl_context_load_cert_chain(tls_server, certificate(&certificates, "server2"), NULL, NULL), 0);
    EXPECT_INT(exchange_with(&old, "after\n"), 0);
    EXPECT_INT(call_securely(&new, tls_client), 0);
    EXPECT_INT(exchange_with(&new, "new\n"), 0);
    copy_fingerprint(&old, before);
    copy_fingerprint(&new, after);
    EXPECT_INT(strlen(before), 64);
    EXPECT(strcmp(before, after) != 0);
    EXPECT_INT(asyncio_ssl_context_load_cert_chain(tls_server, "/nowhere", NULL, NULL), -ENOENT);
    leave(&new);
    EXPECT_INT(call_securely(&new, tls_client), 0);
    leave(&new);
    leave(&old);
    return end_all();
}

TEST(certificates_are_renewed,
     "R16: a certificate that is loaded while the server runs is shown to those who come after; "
     "who is there goes on with the old one")
{
    EXPECT_INT(play(renewed), 0);
}

/* --------------------------------------------------------------------------------------------------------- Keywords */

static int keywords(void *arg)
{
    (void)arg;
    if (!have_contexts())
        return end_all();
    EXPECT_INT(asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server, .ssl_handshake_timeout = 5), -EINVAL);
    EXPECT_INT(asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server, .ssl_shutdown_timeout = 5), -EINVAL);
    EXPECT_INT(
        asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server, .ssl = tls_server, .ssl_handshake_timeout = -1),
        -EINVAL);
    EXPECT_INT(
        asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server, .ssl = tls_server, .ssl_shutdown_timeout = 0.0 / 0.0),
        -EINVAL);
    EXPECT_INT(asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server, .ssl = ASYNCIO_SSL_DEFAULT), -EINVAL);
    EXPECT_INT(asyncio_start_unix_server(echo, NULL, a_path(), &server, .ssl = ASYNCIO_SSL_DEFAULT), -EINVAL);
    return end_all();
}

TEST(server_keywords, "N-01: times of TLS only with TLS, and longer than none; the default context is none of servers")
{
    EXPECT_INT(play(keywords), 0);
}
