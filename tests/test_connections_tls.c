/* test_connections_tls.c -- open_connection with TLS: its keywords, and that nothing is left of a handshake that comes
 * to nothing. */
#include "servers_rig.h"
#include "tls_rig.h"

static struct asyncio_streamreader *reader;
static struct asyncio_streamwriter *writer;

static int end_all(void)
{
    asyncio_streamwriter_close(writer);
    reader = asyncio_streamreader_unref(reader);
    writer = asyncio_streamwriter_unref(writer);
    settle();
    end_server();
    drop_contexts();
    return 0;
}

static int port_of_server(void)
{
    struct asyncio_address address = {.size = 0};

    EXPECT_INT(asyncio_server_sockname(server, 0, &address), 0);
    return asyncio_address_port(&address);
}

/* A connected socket to hand over, to the server's first one. */
static struct asyncio_socket *a_socket(void)
{
    struct asyncio_socket *caller = call_in();

    if (caller)
        n_callers--;
    return caller;
}

/* --------------------------------------------------------------------------------------------------------- Keywords */

static int keywords(void *arg)
{
    struct asyncio_ssl_session *session = (struct asyncio_ssl_session *)&writer;
    int port;

    (void)arg;
    if (!have_contexts())
        return end_all();
    EXPECT_INT(asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server, .ssl = tls_server), 0);
    port = port_of_server();
    EXPECT_INT(asyncio_open_connection("localhost", port, &reader, &writer, .server_hostname = "localhost"), -EINVAL);
    EXPECT_INT(asyncio_open_connection("localhost", port, &reader, &writer, .ssl_handshake_timeout = 1), -EINVAL);
    EXPECT_INT(asyncio_open_connection("localhost", port, &reader, &writer, .ssl_shutdown_timeout = 1), -EINVAL);
    EXPECT_INT(asyncio_open_connection("localhost", port, &reader, &writer, .ssl_session = session), -EINVAL);
    EXPECT_INT(
        asyncio_open_connection("localhost", port, &reader, &writer, .ssl = tls_client, .ssl_handshake_timeout = -1),
        -EINVAL);
    EXPECT_INT(asyncio_open_connection("localhost", port, &reader, &writer, .ssl = tls_client,
                                       .ssl_shutdown_timeout = 0.0 / 0.0),
               -EINVAL);
    EXPECT_INT(asyncio_open_connection(NULL, port, &reader, &writer, .ssl = tls_client), -EINVAL);
    EXPECT_INT(asyncio_open_connection(NULL, 0, &reader, &writer, .ssl = tls_client, .sock = a_socket()), -EINVAL);
    EXPECT_INT(asyncio_open_connection("127.0.0.1", port, &reader, &writer, .ssl = tls_client, .server_hostname = ""),
               -EINVAL);
    EXPECT_PTR(writer, NULL);
    EXPECT_INT(asyncio_open_connection(NULL, 0, &reader, &writer, .ssl = tls_client, .sock = a_socket(),
                                       .server_hostname = "localhost"),
               0);
    return end_all();
}

TEST(connection_keywords,
     "N-01: what belongs to TLS only with TLS; without a host somebody has to say whose certificate "
     "is wanted; times are longer than none")
{
    EXPECT_INT(play(keywords), 0);
}

static int names(void *arg)
{
    (void)arg;
    if (!have_contexts())
        return end_all();
    EXPECT_INT(asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server, .ssl = tls_server), 0);
    EXPECT_INT(asyncio_open_connection("127.0.0.1", port_of_server(), &reader, &writer, .ssl = tls_client), 0);
    asyncio_streamwriter_close(writer);
    reader = asyncio_streamreader_unref(reader);
    writer = asyncio_streamwriter_unref(writer);
    EXPECT_INT(asyncio_open_connection("127.0.0.1", port_of_server(), &reader, &writer, .ssl = tls_client,
                                       .server_hostname = "elsewhere.test"),
               -ASYNCIO_ECERT_HOSTNAME);
    EXPECT(strstr(asyncio_error_detail(), "elsewhere.test"));
    EXPECT_PTR(writer, NULL);
    return end_all();
}

TEST(whose_certificate, "N-01: the host's certificate is wanted unless somebody says another's")
{
    EXPECT_INT(play(names), 0);
}

static int by_default(void *arg)
{
    (void)arg;
    if (!have_contexts())
        return end_all();
    EXPECT_INT(asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server, .ssl = tls_server), 0);
    EXPECT_INT(asyncio_open_connection("127.0.0.1", port_of_server(), &reader, &writer, .ssl = ASYNCIO_SSL_DEFAULT),
               -ASYNCIO_ECERT_UNKNOWN_CA);
    return end_all();
}

TEST_NO_SWEEP(default_context, "N-01: the default context trusts whom the machine trusts, which is not us",
              "what the machine trusts is read with each fault")
{
    EXPECT_INT(play(by_default), 0);
}

static int by_trusted_default(void *arg)
{
    struct asyncio_streamreader *other_reader = NULL;
    struct asyncio_streamwriter *other = NULL;

    (void)arg;
    if (!have_contexts())
        return end_all();
    EXPECT_INT(setenv("SSL_CERT_FILE", certificate(&certificates, "ca"), 1), 0);
    EXPECT_INT(asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server, .ssl = tls_server), 0);
    EXPECT_INT(asyncio_open_connection("127.0.0.1", port_of_server(), &reader, &writer, .ssl = ASYNCIO_SSL_DEFAULT), 0);
    EXPECT_INT(
        asyncio_open_connection("127.0.0.1", port_of_server(), &other_reader, &other, .ssl = ASYNCIO_SSL_DEFAULT), 0);
    asyncio_streamwriter_close(other);
    asyncio_streamreader_unref(other_reader);
    asyncio_streamwriter_unref(other);
    return end_all();
}

TEST(default_context_that_trusts, "N-01: the loop makes its default context once, and frees it with its close")
{
    EXPECT_INT(play(by_trusted_default), 0);
}

/* ------------------------------------------------------------------------------------------------------- Handshakes */

/* Takes what comes and says nothing, to the end. */
static int keep_silent(struct asyncio_streamreader *from, struct asyncio_streamwriter *to, void *arg)
{
    char *data = NULL;
    ssize_t n = asyncio_streamreader_read_to_end(from, SIZE_MAX, &data);

    (void)to;
    (void)arg;
    asyncio_free(data);
    trace("server: %s", n > 100 ? "much, and the end" : said(n));
    return 0;
}

static int hang_up_early(struct asyncio_streamreader *from, struct asyncio_streamwriter *to, void *arg)
{
    char data[10];

    (void)to;
    (void)arg;
    return (int)asyncio_streamreader_readexactly(from, data, sizeof data) < 0 ? -ECANCELED : 0;
}

static int talk_nonsense(struct asyncio_streamreader *from, struct asyncio_streamwriter *to, void *arg)
{
    int r = asyncio_streamwriter_write(to, "220 mail.example.com ready\r\n", 28);

    /* What is unread at a close would make it a reset. */
    return r < 0 ? r : keep_silent(from, to, arg);
}

static int calling(void *arg)
{
    int r = !tls_client ? -ENOMEM
                        : asyncio_open_connection("127.0.0.1", port_of_server(), &reader, &writer, .ssl = tls_client,
                                                  .ssl_handshake_timeout = *(const double *)arg);

    trace("%s: %s", me(), said(r));
    return r == -ECANCELED ? r : 0;
}

/* Calls a server that is no good. */
static void call_bad_server(asyncio_client_connected *bad, double timeout)
{
    static double seconds;

    seconds = timeout;
    if (!have_contexts())
        return;
    EXPECT_INT(asyncio_start_server(bad, NULL, "127.0.0.1", 0, &server), 0);
    spawn(calling, &seconds, "caller");
    EXPECT_INT(asyncio_sleep(1), 0);
}

/* Nothing is left of the call, and the server has seen its end. */
static int expect_nothing_left(void)
{
    if (crew_size > 0)
        ASYNCIO_IGNORE(asyncio_wait(crew, (size_t)crew_size, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
    settle();
    EXPECT_PTR(writer, NULL);
    EXPECT_INT(asyncio_server_n_clients(server), 0);
    return end_all();
}

static int cancelled(void *arg)
{
    (void)arg;
    call_bad_server(keep_silent, 0);
    cancel(crew[0]);
    return expect_nothing_left();
}

TEST(cancelled_in_the_handshake,
     "N-15 TL-03 #104: a connect that is cancelled in its handshake leaves nothing, at once")
{
    EXPECT_INT(play(cancelled), 0);
    EXPECT(strstr(transcript(), "[1.000] caller: -ECANCELED\n"));
    trace_clear();
}

static int timed_out(void *arg)
{
    (void)arg;
    call_bad_server(keep_silent, 5);
    return expect_nothing_left();
}

TEST(handshakes_have_their_time, "TL-02 N-15: a handshake that takes longer than its time leaves nothing")
{
    EXPECT_INT(play(timed_out), 0);
    EXPECT(strstr(transcript(), "[5.000] caller: -ETIMEDOUT\n"));
    trace_clear();
}

static int within_a_timeout(void *arg)
{
    static const double usual = 0;

    (void)arg;
    if (!have_contexts())
        return end_all();
    EXPECT_INT(asyncio_start_server(keep_silent, NULL, "127.0.0.1", 0, &server), 0);
    trace("wait_for: %s", said(asyncio_wait_for(calling, (void *)(uintptr_t)&usual, 2)));
    return expect_nothing_left();
}

TEST(timeouts_around_the_handshake, "N-15 TL-03: a time limit around the connect ends its handshake, too")
{
    EXPECT_INT(play(within_a_timeout), 0);
    EXPECT(strstr(transcript(), "[2.000] wait_for: -ETIMEDOUT\n"));
    trace_clear();
}

static int hung_up_on(void *arg)
{
    (void)arg;
    call_bad_server(hang_up_early, 0);
    return expect_nothing_left();
}

TEST(hung_up_on_in_the_handshake, "TL-03: a server that hangs up in the handshake is -ECONNRESET")
{
    EXPECT_INT(play(hung_up_on), 0);
    EXPECT(strstr(transcript(), "caller: -ECONNRESET\n"));
    trace_clear();
}

static int misunderstood(void *arg)
{
    (void)arg;
    call_bad_server(talk_nonsense, 0);
    return expect_nothing_left();
}

TEST(servers_without_tls, "TL-01: a server that talks something else is an error of TLS")
{
    EXPECT_INT(play(misunderstood), 0);
    EXPECT(strstr(transcript(), "caller: -ASYNCIO_ESSL\n"));
    trace_clear();
}

static int refused_call(void *arg)
{
    double timeout = 0;
    struct asyncio_ssl_context *context = NULL;

    (void)arg;
    if (!have_contexts())
        return end_all();
    EXPECT_INT(asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server, .ssl = tls_server), 0);
    EXPECT_INT(asyncio_ssl_create_default_context(&context, ASYNCIO_SSL_SERVER_AUTH,
                                                  .cafile = certificate(&certificates, "other_ca")),
               0);
    asyncio_ssl_context_unref(tls_client);
    tls_client = context;
    spawn(calling, &timeout, "caller");
    return expect_nothing_left();
}

TEST(not_trusted, "TL-03 #104: a server that is not trusted is told so, and nothing is left of the connection")
{
    EXPECT_INT(play(refused_call), 0);
    EXPECT_TRACE("[0.000] caller: -ASYNCIO_ECERT_UNKNOWN_CA\n");
}
