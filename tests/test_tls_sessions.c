/* test_tls_sessions.c -- sessions of TLS that are resumed by later connections, and those that must not be. */
#include "servers_rig.h"
#include "tls_rig.h"

#include "loop/conn.h"

struct caller {
    struct asyncio_streamreader *reader;
    struct asyncio_streamwriter *writer;
    struct asyncio_ssl_session *session;
};

/* What is this handshake to be like. */
struct wish {
    struct asyncio_ssl_context *context;
    const char *hostname; /* NULL: localhost */
    struct asyncio_ssl_session *session;
};

static int serve(struct asyncio_ssl_context *context)
{
    return asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server, .ssl = context);
}

static int end_all(void)
{
    settle();
    end_server();
    drop_contexts();
    return 0;
}

static void leave(struct caller *caller)
{
    asyncio_streamwriter_close(caller->writer);
    if (caller->writer)
        ASYNCIO_IGNORE(asyncio_streamwriter_wait_closed(caller->writer));
    caller->reader = asyncio_streamreader_unref(caller->reader);
    caller->writer = asyncio_streamwriter_unref(caller->writer);
    caller->session = asyncio_ssl_session_unref(caller->session);
}

/* Connects, and has a line echoed: behind that a server's tickets have come. Returns: 0; a negative error. */
static int call_as(struct caller *caller, const struct wish *wish)
{
    struct asyncio_address address = {.size = 0};
    char *back = NULL;
    ssize_t r = asyncio_server_sockname(server, 0, &address);

    *caller = (struct caller){NULL, NULL, NULL};
    if (r == 0)
        r = asyncio_open_connection("127.0.0.1", asyncio_address_port(&address), &caller->reader, &caller->writer,
                                    .ssl = wish->context, .ssl_session = wish->session,
                                    .server_hostname = wish->hostname ? wish->hostname : "localhost");
    if (r == 0)
        r = asyncio_streamwriter_write(caller->writer, "hi\n", 3);
    if (r == 0)
        r = asyncio_streamreader_readline(caller->reader, &back);
    return r < 0 ? (int)r : 0;
}

static bool is_reused(const struct caller *caller)
{
    struct asyncio_ssl_info info = {.version = NULL};

    return caller->writer && asyncio_streamwriter_ssl_info(caller->writer, &info) == 0 && info.session_reused;
}

/* A session of a whole handshake; NULL when something is wrong. */
static struct asyncio_ssl_session *get_session(const struct wish *wish)
{
    struct asyncio_ssl_session *session = NULL;
    struct caller caller;

    EXPECT_INT(call_as(&caller, wish), 0);
    EXPECT(!is_reused(&caller));
    if (caller.writer)
        EXPECT_INT(asyncio_streamwriter_ssl_session(caller.writer, &session), 0);
    leave(&caller);
    return session;
}

/* Connects with a session. */
static void expect_call(const struct wish *wish, int result, bool reused)
{
    struct caller caller;

    EXPECT_INT(call_as(&caller, wish), result);
    EXPECT_INT(is_reused(&caller), reused);
    leave(&caller);
    settle();
}

/* --------------------------------------------------------------------------------------------------------- Sessions */

static int resumed(void *arg)
{
    struct asyncio_ssl_session *session;

    (void)arg;
    EXPECT(have_contexts());
    EXPECT_INT(serve(tls_server), 0);
    for (enum asyncio_ssl_version version = ASYNCIO_SSL_TLSV1_2; version <= ASYNCIO_SSL_TLSV1_3; version++) {
        EXPECT_INT(asyncio_ssl_context_set_versions(tls_client, version, version), 0);
        session = get_session(&(const struct wish){tls_client, NULL, NULL});
        expect_call(&(const struct wish){tls_client, NULL, session}, 0, true);
        expect_call(&(const struct wish){tls_client, NULL, session}, 0, version == ASYNCIO_SSL_TLSV1_2);
        asyncio_ssl_session_unref(session);
    }
    return end_all();
}

TEST_NO_SWEEP(sessions_are_resumed, "N-01: .ssl_session resumes an earlier connection's, in TLS 1.3 once", "costly")
{
    EXPECT_INT(play(resumed), 0);
}

static int careless(void *arg)
{
    struct asyncio_ssl_context *context = NULL;
    struct asyncio_ssl_session *session;

    (void)arg;
    EXPECT(have_contexts());
    EXPECT_INT(serve(tls_server), 0);
    for (enum asyncio_ssl_version version = ASYNCIO_SSL_TLSV1_2; version <= ASYNCIO_SSL_TLSV1_3; version++) {
        EXPECT_INT(asyncio_ssl_create_default_context(&context, ASYNCIO_SSL_SERVER_AUTH,
                                                      .cafile = certificate(&certificates, "other_ca")),
                   0);
        EXPECT_INT(asyncio_ssl_context_set_versions(tls_client, version, version), 0);
        EXPECT_INT(asyncio_ssl_context_set_versions(context, version, version), 0);
        session = get_session(&(const struct wish){tls_client, NULL, NULL});
        expect_call(&(const struct wish){tls_client, "elsewhere.test", session}, -ASYNCIO_ECERT_HOSTNAME, false);
        expect_call(&(const struct wish){context, NULL, session}, -ASYNCIO_ECERT_UNKNOWN_CA, false);
        asyncio_ssl_session_unref(session);
        context = asyncio_ssl_context_unref(context);
    }
    return end_all();
}

TEST_NO_SWEEP(sessions_are_checked, "N-01: a session of another context or for another host spares no check", "costly")
{
    EXPECT_INT(play(careless), 0);
}

static int trusting(void *arg)
{
    struct asyncio_ssl_context *context = NULL;
    struct asyncio_ssl_session *session;

    (void)arg;
    EXPECT(have_contexts());
    EXPECT_INT(serve(tls_server), 0);
    EXPECT_INT(asyncio_ssl_create_default_context(&context, ASYNCIO_SSL_SERVER_AUTH,
                                                  .cafile = certificate(&certificates, "other_ca")),
               0);
    EXPECT_INT(asyncio_ssl_context_set_check_hostname(context, false), 0);
    EXPECT_INT(asyncio_ssl_context_set_verify_mode(context, ASYNCIO_SSL_CERT_NONE), 0);
    session = get_session(&(const struct wish){context, NULL, NULL});
    EXPECT_INT(asyncio_ssl_context_set_verify_mode(context, ASYNCIO_SSL_CERT_REQUIRED), 0);
    expect_call(&(const struct wish){context, NULL, session}, -ASYNCIO_ECERT_UNKNOWN_CA, false);
    asyncio_ssl_session_unref(session);
    asyncio_ssl_context_unref(context);
    EXPECT_INT(asyncio_ssl_context_set_check_hostname(tls_client, false), 0);
    session = get_session(&(const struct wish){tls_client, "elsewhere.test", NULL});
    EXPECT_INT(asyncio_ssl_context_set_check_hostname(tls_client, true), 0);
    expect_call(&(const struct wish){tls_client, "elsewhere.test", session}, -ASYNCIO_ECERT_HOSTNAME, false);
    asyncio_ssl_session_unref(session);
    return end_all();
}

TEST_NO_SWEEP(sessions_of_anybody, "N-01: a session of somebody unchecked is not resumed by who checks", "costly")
{
    EXPECT_INT(play(trusting), 0);
}
