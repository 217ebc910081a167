/* An echo server over TLS, and its client.
 *
 *     tls_echo server --cert FILE --key FILE [--client-ca FILE] [--host HOST] PORT
 *     tls_echo client [--ca FILE] [--crl FILE] [--cert FILE --key FILE] [--rounds N] [--verbose] HOST PORT [MESSAGE]
 *
 * All files are PEM. The server sends back what it gets; port 0 takes one that is free. With --client-ca it serves only
 * clients who show a certificate of that authority. On SIGHUP it reads certificate and key again: who is connected
 * stays so, who comes from now on sees the new ones. On SIGTERM and Ctrl-C it ends: clients get two seconds to finish.
 *
 * The client sends a line and prints the one that comes back; with --rounds it connects again and again, and resumes
 * the session before. It trusts whom the machine trusts or, with --ca, that authority only; --crl is its list of
 * revoked certificates. It ends with 0, with 1 for an error, 2 for wrong usage, 3 for a certificate that it does not
 * accept. */
#include <asyncio.h>

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* What the two of them speak, for peers who want to be told (ALPN). */
static const char *const protocols[] = {"echo", NULL};

static const double grace_s = 2;

struct options {
    const char *cert, *key, *client_ca, *ca, *crl;
    const char *host, *message;
    int port;
    int rounds;
    int signals; /* the server's, as a file descriptor */
    bool is_server, is_verbose;
    bool is_untrusted; /* what the client finds: the server's certificate was not accepted */
};

static uint64_t n_clients, n_resumed, n_bytes;

/* Says what went wrong; to be called before anything else of the library. Returns: the error. */
static int complain(const char *about, int r)
{
    const char *detail = asyncio_error_detail();

    fprintf(stderr, "tls_echo: %s: %s\n", about, *detail ? detail : asyncio_strerror(r));
    return r;
}

static int load_certificate(struct asyncio_ssl_context *context, const struct options *options)
{
    int r = asyncio_ssl_context_load_cert_chain(context, options->cert, options->key, NULL);

    return r < 0 ? complain(options->cert, r) : 0;
}

/* ----------------------------------------------------------------------------------------------------------- Server */

/* Serves a client, after the handshake. When it returns, its connection is closed. */
static int echo(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    struct asyncio_ssl_info info;
    char buffer[16 * 1024];
    int n, r;

    (void)arg;
    n_clients++;
    if (asyncio_streamwriter_ssl_info(writer, &info) == 0 && info.session_reused)
        n_resumed++;
    do {
        r = n = (int)asyncio_streamreader_read(reader, buffer, sizeof buffer);
        if (n > 0)
            r = asyncio_streamwriter_write(writer, buffer, (size_t)n); /* waits while the client does not read */
        if (n > 0 && r == 0)
            n_bytes += (uint64_t)n;
    } while (n > 0 && r == 0);
    /* Clients come and go as they like, and speak as well as they can; that is no error of the server. */
    return r == -ECANCELED ? r : 0;
}

static int make_server_context(const struct options *options, struct asyncio_ssl_context **ret_context)
{
    struct asyncio_ssl_context *context = NULL;
    int r = asyncio_ssl_create_default_context(&context, ASYNCIO_SSL_CLIENT_AUTH, .cafile = options->client_ca);

    if (r < 0)
        return complain(options->client_ca ? options->client_ca : "no context", r);
    if (options->client_ca)
        r = asyncio_ssl_context_set_verify_mode(context, ASYNCIO_SSL_CERT_REQUIRED);
    if (r == 0)
        r = asyncio_ssl_context_set_alpn_protocols(context, protocols);
    r = r < 0 ? complain("no context", r) : load_certificate(context, options);
    if (r < 0)
        asyncio_ssl_context_unref(context);
    else
        *ret_context = context;
    return r;
}

/* Signals are blocked and read from a file descriptor, on which a task can wait as on anything else. */
static int open_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* Renews the certificate on each SIGHUP. Returns: 0 on SIGTERM; -ECANCELED on Ctrl-C; an error. */
static int obey_signals(struct asyncio_ssl_context *context, const struct options *options)
{
    struct signalfd_siginfo info;
    int r;

    while ((r = asyncio_wait_fd(options->signals, ASYNCIO_READABLE)) >= 0) {
        if (read(options->signals, &info, sizeof info) != sizeof info)
            continue;
        if (info.ssi_signo == SIGTERM)
            return 0;
        /* When they cannot be read, the server goes on with those that it has. */
        if (load_certificate(context, options) == 0)
            printf("renewed\n");
        fflush(stdout);
    }
    return r;
}

static int serve(void *arg)
{
    const struct options *options = arg;
    struct asyncio_ssl_context *context = NULL;
    struct asyncio_server *server;
    struct asyncio_address address;
    char name[128];
    int r = make_server_context(options, &context);

    if (r < 0)
        return r;
    r = asyncio_start_server(echo, NULL, options->host, options->port, &server, .ssl = context,
                             .ssl_handshake_timeout = 10, .ssl_shutdown_timeout = grace_s);
    if (r < 0) {
        complain(options->host, r);
        asyncio_ssl_context_unref(context);
        return r;
    }
    r = asyncio_server_sockname(server, 0, &address);
    if (r == 0 && asyncio_address_format(&address, name, sizeof name) > 0)
        printf("serving on %s\n", name);
    fflush(stdout);
    if (r == 0)
        r = obey_signals(context, options);
    ASYNCIO_IGNORE(asyncio_server_stop(server, grace_s));
    asyncio_server_unref(server);
    asyncio_ssl_context_unref(context);
    return r;
}

/* ----------------------------------------------------------------------------------------------------------- Client */

static int make_client_context(const struct options *options, struct asyncio_ssl_context **ret_context)
{
    struct asyncio_ssl_context *context = NULL;
    int r = asyncio_ssl_create_default_context(&context, ASYNCIO_SSL_SERVER_AUTH, .cafile = options->ca);

    if (r < 0)
        return complain(options->ca ? options->ca : "no context", r);
    r = asyncio_ssl_context_set_alpn_protocols(context, protocols);
    if (r < 0)
        complain("no context", r);
    if (r == 0 && options->crl) {
        r = asyncio_ssl_context_load_verify_locations(context, options->crl, NULL, NULL);
        if (r < 0)
            complain(options->crl, r);
        else
            r = asyncio_ssl_context_set_verify_flags(context, ASYNCIO_SSL_VERIFY_CRL_CHECK_LEAF);
    }
    if (r == 0 && options->cert)
        r = load_certificate(context, options);
    if (r < 0)
        asyncio_ssl_context_unref(context);
    else
        *ret_context = context;
    return r;
}

/* Tells on standard error with whom it speaks, and how. */
static void describe(const struct asyncio_streamwriter *writer)
{
    struct asyncio_ssl_certificate *certificate;
    struct asyncio_ssl_info info;

    if (asyncio_streamwriter_ssl_info(writer, &info) < 0)
        return;
    fprintf(stderr, "%s, %s, %d bits, %s session, protocol %s\n", info.version, info.cipher, info.cipher_bits,
            info.session_reused ? "resumed" : "new", info.alpn_protocol ? info.alpn_protocol : "not agreed on");
    if (asyncio_streamwriter_getpeercert(writer, &certificate) == 0) {
        fprintf(stderr, "subject %s, issuer %s, SHA-256 %s\n", certificate->subject, certificate->issuer,
                certificate->fingerprint);
        asyncio_free(certificate);
    }
}

/* TLS has no half close, so that the peer cannot be told that this is all: as much as was sent is waited for. */
static int converse(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, const char *message)
{
    struct asyncio_bytes pieces[] = {{message, strlen(message)}, {"\n", 1}};
    size_t left = pieces[0].size + pieces[1].size;
    char buffer[4096];
    int r = 0;

    for (size_t i = 0; i < 2 && r == 0; i++)
        r = asyncio_streamwriter_write_nowait(writer, pieces[i].data, pieces[i].size);
    while (left > 0 && r >= 0) {
        r = (int)asyncio_streamreader_read(reader, buffer, left < sizeof buffer ? left : sizeof buffer);
        if (r == 0)
            return -ASYNCIO_EINCOMPLETEREAD;
        if (r > 0) {
            fwrite(buffer, 1, (size_t)r, stdout);
            left -= (size_t)r;
        }
    }
    return r < 0 ? r : 0;
}

/* One connection. `*session`, if any, is resumed, and replaced by the new one. */
static int visit(struct asyncio_ssl_context *context, struct options *options, struct asyncio_ssl_session **session)
{
    struct asyncio_streamreader *reader;
    struct asyncio_streamwriter *writer;
    struct asyncio_ssl_session *newer;
    int r =
        asyncio_open_connection(options->host, options->port, &reader, &writer, .ssl = context, .ssl_session = *session,
                                .ssl_handshake_timeout = 10, .ssl_shutdown_timeout = grace_s);

    if (r < 0) {
        options->is_untrusted = strcmp(asyncio_errorexception(r), "SSLCertVerificationError") == 0;
        return complain(options->host, r);
    }
    if (options->is_verbose)
        describe(writer);
    r = converse(reader, writer, options->message);
    if (r < 0)
        complain(options->host, r);
    /* A server of TLS 1.3 sends the session after the handshake, so that it is asked for late. */
    if (r == 0 && asyncio_streamwriter_ssl_session(writer, &newer) == 0) {
        asyncio_ssl_session_unref(*session);
        *session = newer;
    }
    if (r == 0)
        asyncio_streamwriter_close(writer);
    else
        asyncio_streamwriter_abort(writer);
    ASYNCIO_IGNORE(asyncio_streamwriter_wait_closed(writer)); /* both ends say that this was all */
    asyncio_streamreader_unref(reader);
    asyncio_streamwriter_unref(writer);
    return r;
}

static int visit_all(void *arg)
{
    struct options *options = arg;
    struct asyncio_ssl_session *session = NULL;
    struct asyncio_ssl_context *context = NULL;
    int r = make_client_context(options, &context);

    if (r < 0)
        return r;
    for (int i = 0; i < options->rounds && r == 0; i++)
        r = visit(context, options, &session);
    asyncio_ssl_session_unref(session);
    asyncio_ssl_context_unref(context);
    return r;
}

/* ------------------------------------------------------------------------------------------------------------- Main */

/* Returns: 0; -EINVAL. */
static int read_options(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        {"cert", 1, NULL, 0},   {"key", 1, NULL, 1},     {"client-ca", 1, NULL, 2},
        {"ca", 1, NULL, 3},     {"crl", 1, NULL, 4},     {"host", 1, NULL, 5},
        {"rounds", 1, NULL, 6}, {"verbose", 0, NULL, 7}, {0},
    };
    const char **texts[] = {&options->cert, &options->key, &options->client_ca,
                            &options->ca,   &options->crl, &options->host};
    char *end;
    int c;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (c < 6)
            *texts[c] = optarg;
        else if (c == 6)
            options->rounds = (int)strtol(optarg, NULL, 10);
        else if (c == 7)
            options->is_verbose = true;
        else
            return -EINVAL;
    }
    /* The words that are left: who it is to be, and where. */
    argc -= optind;
    argv += optind;
    options->is_server = argc == 2 && strcmp(argv[0], "server") == 0;
    if (!options->is_server && (argc < 3 || argc > 4 || strcmp(argv[0], "client") != 0))
        return -EINVAL;
    if (!options->is_server)
        options->host = argv[1];
    if (argc == 4)
        options->message = argv[3];
    options->port = (int)strtol(argv[options->is_server ? 1 : 2], &end, 10);
    return *end || (options->is_server && !options->cert) || (options->key && !options->cert) ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
    struct options options = {.host = "127.0.0.1", .message = "Hello, world!", .rounds = 1};
    int r;

    if (read_options(argc, argv, &options) < 0) {
        fprintf(stderr, "usage: tls_echo server --cert FILE --key FILE [--client-ca FILE] [--host HOST] PORT\n"
                        "       tls_echo client [--ca FILE] [--crl FILE] [--cert FILE --key FILE] [--rounds N]\n"
                        "                       [--verbose] HOST PORT [MESSAGE]\n");
        return 2;
    }
    if (!options.is_server) {
        r = asyncio_run(visit_all, &options);
        return options.is_untrusted ? 3 : r < 0;
    }
    options.signals = open_signals();
    if (options.signals < 0) {
        perror("tls_echo: signals");
        return 1;
    }
    r = asyncio_run(serve, &options);
    close(options.signals);
    if (r < 0 && r != -EINTR)
        return 1;
    printf("%" PRIu64 " clients, %" PRIu64 " resumed, %" PRIu64 " bytes\n", n_clients, n_resumed, n_bytes);
    return 0;
}
