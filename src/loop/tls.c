/* tls.c -- the pump itself: OpenSSL over a BIO of our own, and what was agreed on. */
#include "tls_context.h"

#include "../base/buffer.h"
#include "../base/mem.h"

#include <stdlib.h>

#if ASYNCIO__HAVE_OPENSSL

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>

/* What a record carries at most. */
#define RECORD_SIZE ((size_t)16 * 1024)

struct asyncio__tls {
    SSL *ssl;
    struct asyncio_ssl_context *context;
    struct asyncio__buffer in, out; /* from the wire and for it */
    bool has_wire_ended;
    bool is_short; /* a BIO could not get memory */
    bool is_over;  /* the handshake is */
    bool is_broken;
    bool peer_has_ended;
    SSL_SESSION *session; /* the newest that the server gave; NULL: none */
    char *hostname;       /* NULL: none in particular */
    enum asyncio__tls_scrutiny scrutiny;
    char alpn[256];
    int verify_error; /* of the check of the peer's certificate; X509_V_OK: none */
    char detail[ASYNCIO__TLS_DETAIL_SIZE];
};

/* ---------------------------------------------------------------------------------------------------- The wire's end
 *
 * OpenSSL reads from, and writes to, the two buffers. */

static int wire_write(BIO *bio, const char *data, size_t size, size_t *ret_size)
{
    struct asyncio__tls *tls = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (asyncio__buffer_append(&tls->out, data, size) < 0) {
        tls->is_short = true;
        return 0;
    }
    *ret_size = size;
    return 1;
}

static int wire_read(BIO *bio, char *data, size_t size, size_t *ret_size)
{
    struct asyncio__tls *tls = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    *ret_size = asyncio__buffer_take(&tls->in, data, size);
    if (*ret_size > 0) {
        if (tls->in.size == 0)
            asyncio__buffer_fini(&tls->in);
        return 1;
    }
    if (!tls->has_wire_ended)
        BIO_set_retry_read(bio);
    return 0;
}

static long wire_control(BIO *bio, int command, long number, void *pointer)
{
    const struct asyncio__tls *tls = BIO_get_data(bio);

    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_PUSH:
    case BIO_CTRL_POP:
        return 1;
    case BIO_CTRL_EOF:
        return tls->has_wire_ended && tls->in.size == 0;
    default:
        return 0;
    }
}

static BIO_METHOD *wire;
static int ssl_index = -1;

static void prepare(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "asyncio");

    if (!method)
        return;
    BIO_meth_set_write_ex(method, wire_write);
    BIO_meth_set_read_ex(method, wire_read);
    BIO_meth_set_ctrl(method, wire_control);
    ssl_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    if (ssl_index >= 0)
        wire = method;
    else
        BIO_meth_free(method);
}

struct asyncio__tls *asyncio__tls_of(const SSL *ssl)
{
    return SSL_get_ex_data(ssl, ssl_index);
}

/* -------------------------------------------------------------------------------------------------------- Callbacks */

int asyncio__tls_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct asyncio__tls *tls = asyncio__tls_of(ssl);

    if (!ok && tls->verify_error == X509_V_OK) {
        tls->verify_error = X509_STORE_CTX_get_error(store);
        asyncio__tls_describe_certificate(X509_STORE_CTX_get_current_cert(store), tls->verify_error, tls->hostname,
                                          tls->detail);
    }
    return ok;
}

int asyncio__tls_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct asyncio__tls *tls = asyncio__tls_of(ssl);

    SSL_SESSION_free(tls->session);
    tls->session = session;
    return 1;
}

/* ------------------------------------------------------------------------------------------------------- Life cycle */

/* A number is checked as such: no certificate names it as a host. */
static bool is_number(const char *host)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* Says whom a client wants to reach. Returns: 0; -EINVAL; -ENOMEM. */
static int want_host(struct asyncio__tls *tls, const char *host)
{
    size_t length = host ? strlen(host) : 0;
    bool number = host && is_number(host);

    if (length == 0 || (length == 1 && *host == '.'))
        return tls->context->check_hostname ? -EINVAL : 0;
    /* The dot that ends a complete name is none of the certificate's. */
    length -= host[length - 1] == '.';
    if (length > TLSEXT_MAXLEN_host_name)
        return -EINVAL;
    tls->hostname = asyncio__malloc(length + 1);
    if (!tls->hostname)
        return -ENOMEM;
    memcpy(tls->hostname, host, length);
    tls->hostname[length] = '\0';
    if (!number && !SSL_set_tlsext_host_name(tls->ssl, tls->hostname))
        return -ENOMEM;
    if (!tls->context->check_hostname)
        return 0;
    SSL_set_hostflags(tls->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (number)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), tls->hostname) ? 0 : -ENOMEM;
    return SSL_set1_host(tls->ssl, tls->hostname) ? 0 : -ENOMEM;
}

/* Offers to resume a session, unless it would spare a check that is wanted now. Returns: 0; -ENOMEM. */
static int resume(struct asyncio__tls *tls, const struct asyncio_ssl_session *session)
{
    if (session->context != tls->context || session->scrutiny < tls->scrutiny ||
        strcmp(session->hostname, tls->hostname ? tls->hostname : "") != 0)
        return 0;
    return SSL_set_session(tls->ssl, session->session) ? 0 : -ENOMEM;
}

static int begin(struct asyncio__tls *tls, const struct asyncio__tls_options *options)
{
    BIO *bio;
    int r;

    tls->ssl = SSL_new(tls->context->ctx);
    bio = tls->ssl ? BIO_new(wire) : NULL;
    if (!bio || !SSL_set_ex_data(tls->ssl, ssl_index, tls)) {
        BIO_free(bio);
        return -ENOMEM;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    if (options->server_side) {
        SSL_set_accept_state(tls->ssl);
        return 0;
    }
    SSL_set_connect_state(tls->ssl);
    r = want_host(tls, options->server_hostname);
    if (r < 0)
        return r;
    if (SSL_get_verify_mode(tls->ssl) & SSL_VERIFY_PEER)
        tls->scrutiny = tls->context->check_hostname ? ASYNCIO__TLS_NAMED : ASYNCIO__TLS_TRUSTED;
    return options->session ? resume(tls, options->session) : 0;
}

int asyncio__tls_new(const struct asyncio__tls_options *options, struct asyncio__tls **ret_tls)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct asyncio__tls *tls;
    int r;

    pthread_once(&once, prepare);
    tls = wire ? asyncio__calloc(sizeof *tls) : NULL;
    if (!tls)
        return -ENOMEM;
    tls->context = asyncio_ssl_context_ref(options->context);
    tls->verify_error = X509_V_OK;
    r = begin(tls, options);
    ERR_clear_error();
    if (r < 0) {
        asyncio__tls_free(tls);
        return r;
    }
    *ret_tls = tls;
    return 0;
}

void asyncio__tls_free(struct asyncio__tls *tls)
{
    if (!tls)
        return;
    /* That the wire was cut makes no session bad; only an error of TLS does. */
    if (tls->ssl && !tls->is_broken)
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
    SSL_SESSION_free(tls->session);
    asyncio__buffer_fini(&tls->in);
    asyncio__buffer_fini(&tls->out);
    asyncio_ssl_context_unref(tls->context);
    asyncio__free(tls->hostname);
    asyncio__free(tls);
    ERR_clear_error();
}

/* --------------------------------------------------------------------------------------------------------- The wire */

int asyncio__tls_feed(struct asyncio__tls *tls, const void *data, size_t size)
{
    return asyncio__buffer_append(&tls->in, data, size);
}

void asyncio__tls_feed_eof(struct asyncio__tls *tls)
{
    tls->has_wire_ended = true;
}

size_t asyncio__tls_fed(const struct asyncio__tls *tls)
{
    return tls->in.size + (size_t)SSL_pending(tls->ssl);
}

const void *asyncio__tls_out(const struct asyncio__tls *tls, size_t *ret_size)
{
    *ret_size = tls->out.size;
    return tls->out.size > 0 ? asyncio__buffer_front(&tls->out) : NULL;
}

void asyncio__tls_out_taken(struct asyncio__tls *tls, size_t size)
{
    asyncio__buffer_consume(&tls->out, size);
    if (tls->out.size == 0)
        asyncio__buffer_fini(&tls->out);
}

/* ------------------------------------------------------------------------------------------------------------ Plain */

static int fail(struct asyncio__tls *tls, int error)
{
    tls->is_broken = true;
    ERR_clear_error();
    return error;
}

/* What OpenSSL's refusal means. Empties its queue. */
static int result_of(struct asyncio__tls *tls, int returned)
{
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    int what = SSL_get_error(tls->ssl, returned);

    if (tls->is_short)
        return fail(tls, -ENOMEM);
    switch (what) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        ERR_clear_error();
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        ERR_clear_error();
        return 0;
    case SSL_ERROR_SSL:
        if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
            return fail(tls, tls->is_over ? -ASYNCIO_ESSLEOF : -ECONNRESET);
        if (tls->verify_error != X509_V_OK && reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
            return fail(tls, asyncio__tls_verify_error(tls->verify_error));
        return fail(tls, asyncio__tls_take_error(NULL, tls->detail));
    default:
        return fail(tls, tls->is_over ? -ASYNCIO_ESSLEOF : -ECONNRESET);
    }
}

int asyncio__tls_handshake(struct asyncio__tls *tls)
{
    const unsigned char *alpn;
    unsigned alpn_size;
    int r;

    if (tls->is_over)
        return 0;
    ERR_clear_error();
    r = SSL_do_handshake(tls->ssl);
    if (r != 1) {
        r = result_of(tls, r);
        return r == 0 ? fail(tls, -ECONNRESET) : r;
    }
    tls->is_over = true;
    SSL_get0_alpn_selected(tls->ssl, &alpn, &alpn_size);
    if (alpn_size > 0)
        memcpy(tls->alpn, alpn, alpn_size);
    tls->alpn[alpn_size] = '\0';
    return 0;
}

ssize_t asyncio__tls_write(struct asyncio__tls *tls, const void *data, size_t size)
{
    size_t written;
    int r;

    ERR_clear_error();
    r = SSL_write_ex(tls->ssl, data, min_size(size, RECORD_SIZE), &written);
    if (r == 1)
        return (ssize_t)written;
    r = result_of(tls, r);
    return r == 0 ? -ASYNCIO_ECLOSED : r;
}

ssize_t asyncio__tls_read(struct asyncio__tls *tls, void *data, size_t size)
{
    size_t received;
    int r;

    if (tls->peer_has_ended)
        return 0;
    ERR_clear_error();
    r = SSL_read_ex(tls->ssl, data, size, &received);
    if (r == 1)
        return (ssize_t)received;
    r = result_of(tls, r);
    tls->peer_has_ended = r == 0;
    return r;
}

void asyncio__tls_shutdown(struct asyncio__tls *tls)
{
    if (!tls->is_over || tls->is_broken || (SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN))
        return;
    SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

bool asyncio__tls_peer_has_ended(const struct asyncio__tls *tls)
{
    return tls->peer_has_ended || (SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN);
}

/* -------------------------------------------------------------------------------------------------------- Questions */

const char *asyncio__tls_detail(const struct asyncio__tls *tls)
{
    return tls->detail;
}

void asyncio__tls_info(const struct asyncio__tls *tls, struct asyncio_ssl_info *ret_info)
{
    *ret_info = (struct asyncio_ssl_info){
        .version = SSL_get_version(tls->ssl),
        .cipher = SSL_get_cipher_name(tls->ssl),
        .cipher_bits = SSL_get_cipher_bits(tls->ssl, NULL),
        .alpn_protocol = tls->alpn[0] ? tls->alpn : NULL,
        .server_name = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name),
        .session_reused = SSL_session_reused(tls->ssl),
        .has_peercert = SSL_get0_peer_certificate(tls->ssl),
    };
}

int asyncio__tls_peercert(const struct asyncio__tls *tls, struct asyncio_ssl_certificate **ret_certificate)
{
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);

    return certificate ? asyncio__tls_pack_certificate(certificate, ret_certificate) : -ENOENT;
}

int asyncio__tls_session(const struct asyncio__tls *tls, struct asyncio_ssl_session **ret_session)
{
    const char *hostname = tls->hostname ? tls->hostname : "";
    size_t hostname_size = strlen(hostname) + 1;
    struct asyncio_ssl_session *session;

    if (!tls->session || !SSL_SESSION_is_resumable(tls->session))
        return -ENOENT;
    session = asyncio__calloc(sizeof *session + hostname_size);
    if (!session)
        return -ENOMEM;
    session->refs = 1;
    session->context = asyncio_ssl_context_ref(tls->context);
    session->scrutiny = tls->scrutiny;
    memcpy(session->hostname, hostname, hostname_size);
    session->session = tls->session;
    SSL_SESSION_up_ref(session->session);
    *ret_session = session;
    return 0;
}

#else

int asyncio__tls_new(const struct asyncio__tls_options *options, struct asyncio__tls **ret_tls)
{
    (void)options;
    (void)ret_tls;
    return -ENOTSUP;
}

void asyncio__tls_free(struct asyncio__tls *tls)
{
    assert(!tls);
    (void)tls;
}

/* Without a pump nobody comes here. */
#define NEVER(type, name, ...) \
    type name(__VA_ARGS__)     \
    {                          \
        abort();               \
    }

NEVER(int, asyncio__tls_feed, struct asyncio__tls *, const void *, size_t)
NEVER(void, asyncio__tls_feed_eof, struct asyncio__tls *)
NEVER(size_t, asyncio__tls_fed, const struct asyncio__tls *)
NEVER(int, asyncio__tls_handshake, struct asyncio__tls *)
NEVER(ssize_t, asyncio__tls_write, struct asyncio__tls *, const void *, size_t)
NEVER(ssize_t, asyncio__tls_read, struct asyncio__tls *, void *, size_t)
NEVER(void, asyncio__tls_shutdown, struct asyncio__tls *)
NEVER(bool, asyncio__tls_peer_has_ended, const struct asyncio__tls *)
NEVER(const void *, asyncio__tls_out, const struct asyncio__tls *, size_t *)
NEVER(void, asyncio__tls_out_taken, struct asyncio__tls *, size_t)
NEVER(const char *, asyncio__tls_detail, const struct asyncio__tls *)
NEVER(void, asyncio__tls_info, const struct asyncio__tls *, struct asyncio_ssl_info *)
NEVER(int, asyncio__tls_peercert, const struct asyncio__tls *, struct asyncio_ssl_certificate **)
NEVER(int, asyncio__tls_session, const struct asyncio__tls *, struct asyncio_ssl_session **)

#endif
