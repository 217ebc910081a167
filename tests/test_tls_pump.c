/* test_tls_pump.c -- TL: two pumps of TLS, one end of a wire each; no socket, no loop, no time. */
#include "certificates.h"
#include "loop/tls.h"

static struct certificates made;
static struct asyncio_ssl_context *trusting, *serving;
static struct asyncio__tls *client, *server;

static void set_up(const char *name)
{
    certificates_init(&made);
    trusting = client_context(&made);
    serving = server_context(&made, name);
}

static void tear_down(void)
{
    asyncio__tls_free(client);
    asyncio__tls_free(server);
    client = server = NULL;
    asyncio_ssl_context_unref(trusting);
    asyncio_ssl_context_unref(serving);
    certificates_fini(&made);
}

static void open_pumps(const char *host, struct asyncio_ssl_session *session)
{
    asyncio__tls_free(client);
    asyncio__tls_free(server);
    client = server = NULL;
    EXPECT_INT(asyncio__tls_new(&(const struct asyncio__tls_options){trusting, false, host, session}, &client), 0);
    EXPECT_INT(asyncio__tls_new(&(const struct asyncio__tls_options){serving, true, NULL, NULL}, &server), 0);
}

/* Passes on what one has for the wire, so many bytes at a time. Returns: true when there was something. */
static bool pass(struct asyncio__tls *from, struct asyncio__tls *to, size_t at_a_time)
{
    size_t size;
    const void *data = asyncio__tls_out(from, &size);

    if (size == 0)
        return false;
    size = size < at_a_time ? size : at_a_time;
    EXPECT_INT(asyncio__tls_feed(to, data, size), 0);
    asyncio__tls_out_taken(from, size);
    return true;
}

struct outcome {
    int client, server;
};

/* Lets both shake hands until neither has anything to say. */
static struct outcome shake_hands(size_t at_a_time)
{
    struct outcome outcome = {-EAGAIN, -EAGAIN};
    bool goes_on;

    do {
        if (outcome.client == -EAGAIN)
            outcome.client = asyncio__tls_handshake(client);
        goes_on = pass(client, server, at_a_time);
        if (outcome.server == -EAGAIN)
            outcome.server = asyncio__tls_handshake(server);
        goes_on |= pass(server, client, at_a_time);
    } while (goes_on);
    return outcome;
}

static void must_shake_hands(size_t at_a_time)
{
    struct outcome outcome = shake_hands(at_a_time);

    EXPECT_INT(outcome.client, 0);
    EXPECT_INT(outcome.server, 0);
}

/* Says something; the other one has to hear just that. */
static void say(struct asyncio__tls *from, struct asyncio__tls *to, const char *data, size_t size, size_t at_a_time)
{
    static char heard[1 << 17];
    size_t said = 0, n = 0;

    while (said < size) {
        ssize_t r = asyncio__tls_write(from, data + said, size - said);

        EXPECT(r > 0 && r <= 16384);
        said += (size_t)r;
    }
    while (pass(from, to, at_a_time)) {
        ssize_t r;

        while ((r = asyncio__tls_read(to, heard + n, sizeof heard - n)) > 0)
            n += (size_t)r;
        EXPECT_INT(r, -EAGAIN);
    }
    EXPECT_INT(n, size);
    EXPECT(memcmp(heard, data, size) == 0);
}

/* ------------------------------------------------------------------------------------------------------- Handshakes */

static const enum asyncio_ssl_version versions[] = {ASYNCIO_SSL_TLSV1_2, ASYNCIO_SSL_TLSV1_3};

TEST(shake_hands_and_talk, "TL-01: however the wire is cut, in both versions, both ways, of any size")
{
    static const size_t cuts[] = {1, 7, 1000, SIZE_MAX};
    static char much[100000];

    set_up("server");
    for (size_t i = 0; i < sizeof much; i++)
        much[i] = (char)(i * 7 + i / 251);
    for (size_t i = 0; i < 8; i++) {
        struct asyncio_ssl_info info;

        asyncio_ssl_context_set_versions(trusting, versions[i % 2], versions[i % 2]);
        open_pumps("localhost", NULL);
        must_shake_hands(cuts[i / 2]);
        say(client, server, "hello", 5, cuts[i / 2]);
        say(server, client, "hello back", 10, cuts[i / 2]);
        say(server, client, much, cuts[i / 2] < 100 ? 3000 : sizeof much, cuts[i / 2]);
        asyncio__tls_info(client, &info);
        EXPECT_STR(info.version, i % 2 ? "TLSv1.3" : "TLSv1.2");
        EXPECT(info.cipher_bits >= 128 && info.has_peercert && !info.session_reused && !info.alpn_protocol);
        asyncio__tls_info(server, &info);
        EXPECT_STR(info.server_name, "localhost");
        EXPECT(!info.has_peercert);
        EXPECT_INT(asyncio__tls_handshake(client), 0);
    }
    tear_down();
}

TEST(no_common_version, "TL-01: neither side has a version of the other's: both say so")
{
    struct outcome outcome;

    set_up("server");
    asyncio_ssl_context_set_versions(trusting, ASYNCIO_SSL_TLSV1_2, ASYNCIO_SSL_TLSV1_2);
    asyncio_ssl_context_set_versions(serving, ASYNCIO_SSL_TLSV1_3, ASYNCIO_SSL_TLSV1_3);
    open_pumps("localhost", NULL);
    outcome = shake_hands(SIZE_MAX);
    EXPECT_INT(outcome.server, -ASYNCIO_ESSL);
    EXPECT_STR(asyncio__tls_detail(server), "no version of TLS that both sides have");
    EXPECT_INT(outcome.client, -ASYNCIO_ESSL);
    EXPECT_STR(asyncio__tls_detail(client), "the peer refused: protocol version");
    tear_down();
}

TEST(no_tls_at_all, "TL-03: what is no TLS, and a wire that ends in the middle, are told apart")
{
    static const char http[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", answer[] = "HTTP/1.1 400 Bad Request\r\n";
    char noise[600];

    set_up("server");
    open_pumps("localhost", NULL);
    EXPECT_INT(asyncio__tls_handshake(client), -EAGAIN);
    asyncio__tls_feed(server, http, sizeof http - 1);
    EXPECT_INT(asyncio__tls_handshake(server), -ASYNCIO_ESSL);
    EXPECT_STR(asyncio__tls_detail(server), "the peer speaks HTTP without TLS here");
    asyncio__tls_feed(client, answer, sizeof answer - 1);
    EXPECT_INT(asyncio__tls_handshake(client), -ASYNCIO_ESSL);
    EXPECT_STR(asyncio__tls_detail(client), "the peer does not speak TLS here");
    for (int seed = 0; seed < 50; seed++) {
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (char)((i + 1) * (size_t)(seed * 2 + 1) * 2654435761U >> 11);
        open_pumps("localhost", NULL);
        asyncio__tls_feed(server, noise, sizeof noise);
        EXPECT(asyncio__tls_handshake(server) < 0);
        asyncio__tls_feed_eof(server);
        EXPECT(asyncio__tls_handshake(server) < 0);
    }
    open_pumps("localhost", NULL);
    EXPECT_INT(asyncio__tls_handshake(client), -EAGAIN);
    pass(client, server, 100);
    EXPECT_INT(asyncio__tls_handshake(server), -EAGAIN);
    asyncio__tls_feed_eof(server);
    EXPECT_INT(asyncio__tls_handshake(server), -ECONNRESET);
    tear_down();
}

/* ----------------------------------------------------------------------------------------------------- Certificates */

static void expect_refused(const char *name, const char *host, int error, const char *detail)
{
    struct outcome outcome;

    asyncio_ssl_context_unref(serving);
    serving = server_context(&made, name);
    open_pumps(host, NULL);
    outcome = shake_hands(SIZE_MAX);
    EXPECT_INT(outcome.client, error);
    EXPECT(strstr(asyncio__tls_detail(client), detail));
}

TEST(bad_certificates, "TL-03: each kind of bad certificate has an error and words of its own")
{
    set_up("server");
    expect_refused("expired", "localhost", -ASYNCIO_ECERT_EXPIRED, "certificate of 'localhost' expired on 20");
    expect_refused("early", "localhost", -ASYNCIO_ECERT_NOT_YET_VALID, "is not valid before 20");
    expect_refused("other_host", "localhost", -ASYNCIO_ECERT_HOSTNAME,
                   "certificate is of 'elsewhere.test', not of 'localhost'");
    expect_refused("self_signed", "localhost", -ASYNCIO_ECERT_SELF_SIGNED, "signed by nobody but itself");
    expect_refused("stranger", "localhost", -ASYNCIO_ECERT_UNKNOWN_CA,
                   "certificate of 'localhost' is signed by 'Other Authority', which is not trusted");
    expect_refused("server", "127.0.0.2", -ASYNCIO_ECERT_HOSTNAME, "not of '127.0.0.2'");
    expect_refused("server", "a.b.wild.test", -ASYNCIO_ECERT_HOSTNAME, "not of 'a.b.wild.test'");
    EXPECT_INT(asyncio_ssl_context_load_verify_locations(trusting, certificate(&made, "crl"), NULL, NULL), 0);
    EXPECT_INT(asyncio_ssl_context_set_verify_flags(trusting, ASYNCIO_SSL_VERIFY_CRL_CHECK_LEAF), 0);
    expect_refused("revoked", "localhost", -ASYNCIO_ECERT_REVOKED,
                   "certificate of 'localhost' has been revoked by 'Test Authority'");
    tear_down();
}

TEST(weak_certificates, "TL-03: a short key is refused by the client, and by a server that is not told otherwise")
{
    struct outcome outcome;

    set_up("server");
    asyncio_ssl_context_unref(serving);
    EXPECT_INT(asyncio_ssl_create_default_context(&serving, ASYNCIO_SSL_CLIENT_AUTH), 0);
    EXPECT_INT(asyncio_ssl_context_load_cert_chain(serving, certificate(&made, "weak"), NULL, NULL), -ASYNCIO_ESSL);
    EXPECT_INT(asyncio_ssl_context_set_ciphers(serving, "DEFAULT:@SECLEVEL=0"), 0);
    EXPECT_INT(asyncio_ssl_context_load_cert_chain(serving, certificate(&made, "weak"), NULL, NULL), 0);
    open_pumps("localhost", NULL);
    outcome = shake_hands(SIZE_MAX);
    EXPECT_INT(outcome.client, -ASYNCIO_ECERT_WEAK);
    EXPECT(strstr(asyncio__tls_detail(client), "key too"));
    tear_down();
}

TEST(hosts, "TL-03: names with a dot at the end, wildcards, numbers; none is refused where it would be checked")
{
    static const char *const good[] = {"localhost", "LocalHost.", "one.wild.test", "127.0.0.1", "::1"};

    set_up("server");
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        open_pumps(good[i], NULL);
        must_shake_hands(SIZE_MAX);
    }
    asyncio__tls_free(client);
    client = NULL;
    EXPECT_INT(asyncio__tls_new(&(const struct asyncio__tls_options){trusting, false, NULL, NULL}, &client), -EINVAL);
    EXPECT_INT(asyncio__tls_new(&(const struct asyncio__tls_options){trusting, false, "", NULL}, &client), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_set_check_hostname(trusting, false), 0);
    open_pumps(NULL, NULL);
    must_shake_hands(SIZE_MAX);
    open_pumps("elsewhere.test", NULL);
    must_shake_hands(SIZE_MAX);
    tear_down();
}

TEST(client_certificates, "TL-03: a server that wants a certificate turns away who has none, and says so")
{
    struct asyncio_ssl_certificate *shown;
    struct outcome outcome;
    char byte;

    set_up("server");
    EXPECT_INT(asyncio_ssl_context_load_verify_locations(serving, certificate(&made, "ca"), NULL, NULL), 0);
    EXPECT_INT(asyncio_ssl_context_set_verify_mode(serving, ASYNCIO_SSL_CERT_REQUIRED), 0);
    open_pumps("localhost", NULL);
    outcome = shake_hands(SIZE_MAX);
    EXPECT_INT(outcome.server, -ASYNCIO_ESSL);
    EXPECT_STR(asyncio__tls_detail(server), "the client has shown no certificate, though it has to");
    EXPECT_INT(asyncio__tls_read(client, &byte, 1), -ASYNCIO_ESSL);
    EXPECT_STR(asyncio__tls_detail(client), "the peer refused: certificate required");
    EXPECT_INT(asyncio_ssl_context_load_cert_chain(trusting, certificate(&made, "client"), NULL, NULL), 0);
    open_pumps("localhost", NULL);
    must_shake_hands(SIZE_MAX);
    EXPECT_INT(asyncio__tls_peercert(server, &shown), 0);
    EXPECT_STR(shown->common_name, "client");
    EXPECT_STR(shown->subject, "CN=client");
    EXPECT_STR(shown->issuer, "CN=Test Authority");
    EXPECT_STR(shown->subject_names[0], "DNS:localhost");
    EXPECT_STR(shown->subject_names[4], "IP:::1");
    EXPECT(!shown->subject_names[5] && shown->not_after - shown->not_before == 60 * CERTIFICATES_DAY);
    EXPECT(strlen(shown->fingerprint) == 64 && shown->der_size > 100 && *(const unsigned char *)shown->der == 0x30);
    asyncio_free(shown);
    EXPECT_INT(asyncio_ssl_context_set_verify_mode(serving, ASYNCIO_SSL_CERT_NONE), 0);
    open_pumps("localhost", NULL);
    must_shake_hands(SIZE_MAX);
    EXPECT_INT(asyncio__tls_peercert(server, &shown), -ENOENT);
    tear_down();
}

TEST(renewal, "a certificate that is renewed is that of the connections that come after, and only of those")
{
    struct asyncio_ssl_certificate *before, *after;

    set_up("server");
    open_pumps("localhost", NULL);
    EXPECT_INT(asyncio_ssl_context_load_cert_chain(serving, certificate(&made, "server2"), NULL, NULL), 0);
    must_shake_hands(SIZE_MAX);
    EXPECT_INT(asyncio__tls_peercert(client, &before), 0);
    EXPECT_INT(
        asyncio_ssl_context_load_cert_chain(serving, certificate(&made, "ca"), certificate(&made, "server"), NULL),
        -ASYNCIO_ESSL);
    open_pumps("localhost", NULL);
    must_shake_hands(SIZE_MAX);
    EXPECT_INT(asyncio__tls_peercert(client, &after), 0);
    EXPECT(strcmp(before->fingerprint, after->fingerprint) != 0);
    asyncio_free(before);
    asyncio_free(after);
    tear_down();
}

/* ----------------------------------------------------------------------------------------------- What is agreed on */

TEST(application_protocols, "ALPN: the server's best that both have; with none in common they go on without")
{
    static const char *const of_server[] = {"h2", "http/1.1", NULL}, *const of_client[] = {"http/1.1", "h2", NULL},
                             *const odd[] = {"odd", NULL};
    struct asyncio_ssl_info info;

    set_up("server");
    asyncio_ssl_context_set_alpn_protocols(serving, of_server);
    asyncio_ssl_context_set_alpn_protocols(trusting, of_client);
    open_pumps("localhost", NULL);
    must_shake_hands(SIZE_MAX);
    asyncio__tls_info(client, &info);
    EXPECT_STR(info.alpn_protocol, "h2");
    asyncio__tls_info(server, &info);
    EXPECT_STR(info.alpn_protocol, "h2");
    asyncio_ssl_context_set_alpn_protocols(trusting, odd);
    open_pumps("localhost", NULL);
    must_shake_hands(SIZE_MAX);
    asyncio__tls_info(client, &info);
    EXPECT(!info.alpn_protocol);
    tear_down();
}

static struct asyncio_ssl_context *choose(const char *name, void *arg)
{
    return !name || strcmp(name, "example.test") == 0 ? arg : NULL;
}

TEST(names_of_servers, "SNI: a callback chooses the context, or turns the client away")
{
    struct asyncio_ssl_context *other;
    struct asyncio_ssl_certificate *shown;
    struct outcome outcome;

    set_up("other_host");
    other = server_context(&made, "server");
    asyncio_ssl_context_set_sni_callback(serving, choose, other);
    open_pumps("example.test", NULL);
    must_shake_hands(SIZE_MAX);
    EXPECT_INT(asyncio__tls_peercert(client, &shown), 0);
    EXPECT_STR(shown->subject_names[0], "DNS:localhost");
    asyncio_free(shown);
    open_pumps("localhost", NULL);
    outcome = shake_hands(SIZE_MAX);
    EXPECT_INT(outcome.client, -ASYNCIO_ESSL);
    EXPECT_STR(asyncio__tls_detail(client), "the peer refused: unrecognized name");
    asyncio_ssl_context_set_sni_callback(serving, NULL, NULL);
    open_pumps("elsewhere.test", NULL);
    must_shake_hands(SIZE_MAX);
    asyncio_ssl_context_unref(other);
    tear_down();
}

TEST(sessions, "a session is resumed, in both versions, but not where the server has no tickets")
{
    set_up("server");
    for (size_t i = 0; i < 2; i++) {
        struct asyncio_ssl_session *session;
        struct asyncio_ssl_info info;

        asyncio_ssl_context_set_versions(trusting, versions[i], versions[i]);
        open_pumps("localhost", NULL);
        EXPECT_INT(asyncio__tls_session(client, &session), -ENOENT);
        must_shake_hands(SIZE_MAX);
        say(server, client, "x", 1, SIZE_MAX);
        EXPECT_INT(asyncio__tls_session(client, &session), 0);
        open_pumps("localhost", session);
        must_shake_hands(SIZE_MAX);
        say(server, client, "x", 1, SIZE_MAX);
        asyncio__tls_info(client, &info);
        EXPECT(info.session_reused && info.has_peercert);
        asyncio__tls_info(server, &info);
        EXPECT(info.session_reused);
        asyncio_ssl_session_ref(session);
        EXPECT(asyncio_ssl_session_unref(session) == NULL);
        asyncio_ssl_session_unref(session);
    }
    tear_down();
}

/* ---------------------------------------------------------------------------------------------------------- The end */

TEST(ends, "TL-05: an end is announced; what the other one says after that is still heard")
{
    char byte[8];

    set_up("server");
    open_pumps("localhost", NULL);
    must_shake_hands(SIZE_MAX);
    say(server, client, "x", 1, SIZE_MAX);
    asyncio__tls_shutdown(client);
    asyncio__tls_shutdown(client);
    EXPECT_INT(asyncio__tls_write(server, "late", 4), 4);
    EXPECT(pass(client, server, SIZE_MAX));
    EXPECT_INT(asyncio__tls_read(server, byte, sizeof byte), 0);
    EXPECT_INT(asyncio__tls_read(server, byte, sizeof byte), 0);
    EXPECT(asyncio__tls_peer_has_ended(server) && !asyncio__tls_peer_has_ended(client));
    EXPECT_INT(asyncio__tls_write(server, "more", 4), 4);
    asyncio__tls_shutdown(server);
    EXPECT(pass(server, client, SIZE_MAX));
    EXPECT_INT(asyncio__tls_read(client, byte, sizeof byte), 4);
    EXPECT_INT(asyncio__tls_read(client, byte, sizeof byte), 4);
    EXPECT(memcmp(byte, "more", 4) == 0);
    EXPECT_INT(asyncio__tls_read(client, byte, sizeof byte), 0);
    tear_down();
}

TEST(truncated, "TL-05: an end that nobody announced may be an attack: it is an error, unless one says otherwise")
{
    char byte[8];

    set_up("server");
    for (int i = 0; i < 2; i++) {
        asyncio_ssl_context_set_options(trusting, i ? ASYNCIO_SSL_OP_IGNORE_UNEXPECTED_EOF : 0);
        open_pumps("localhost", NULL);
        must_shake_hands(SIZE_MAX);
        EXPECT_INT(asyncio__tls_write(server, "data", 4), 4);
        pass(server, client, SIZE_MAX);
        asyncio__tls_feed_eof(client);
        EXPECT_INT(asyncio__tls_read(client, byte, sizeof byte), 4);
        EXPECT_INT(asyncio__tls_read(client, byte, sizeof byte), i ? 0 : -ASYNCIO_ESSLEOF);
    }
    tear_down();
}
