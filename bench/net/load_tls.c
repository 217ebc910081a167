/* load_tls.c -- OpenSSL's side of the load generator. */
#include "load_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* Read from the socket at a time, for several records. */
#define READ_AHEAD (64 * 1024)

static SSL_CTX *context;
static bool is_resuming;

static void fail_tls(const char *what)
{
    char reason[256] = "the server hung up";
    unsigned long error = ERR_get_error();

    if (error)
        ERR_error_string_n(error, reason, sizeof reason);
    fprintf(stderr, "load: %s: %s\n", what, reason);
    exit(3);
}

/* Called for each ticket. Returns: whether the session was kept. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *tls = SSL_get_app_data(ssl);

    tls->has_ticket = true;
    if (!is_resuming)
        return 0;
    SSL_SESSION_free(tls->session);
    tls->session = session;
    return 1;
}

void tls_prepare(bool resumes)
{
    is_resuming = resumes;
    /* OpenSSL writes to sockets without MSG_NOSIGNAL. */
    signal(SIGPIPE, SIG_IGN);
    context = SSL_CTX_new(TLS_client_method());
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") || !SSL_CTX_set1_groups_list(context, "X25519"))
        fail_tls("context");
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, keep_session);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD);
}

void tls_open(struct tls *tls, int fd)
{
    tls->is_shaken = tls->has_ticket = false;
    tls->ssl = SSL_new(context);
    if (!tls->ssl || !SSL_set_fd(tls->ssl, fd) || !SSL_set_app_data(tls->ssl, tls) ||
        (tls->session && !SSL_set_session(tls->ssl, tls->session)))
        fail_tls("connection");
    SSL_set_connect_state(tls->ssl);
}

/* What a call came to that did nothing. Returns: -1, with errno; 0 at the end. */
static ssize_t outcome(struct tls *tls, int r, const char *what)
{
    switch (SSL_get_error(tls->ssl, r)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        if (SSL_get_error(tls->ssl, r) == SSL_ERROR_SYSCALL && (errno == ENOTCONN || errno == EINPROGRESS)) {
            errno = EAGAIN;
            return -1;
        }
        fail_tls(what);
        return -1;
    }
}

bool tls_shake_hands(struct tls *tls)
{
    int r;

    ERR_clear_error();
    r = SSL_do_handshake(tls->ssl);
    if (r != 1) {
        outcome(tls, r, "handshake");
        return false;
    }
    if (tls->session && !SSL_session_reused(tls->ssl)) {
        fprintf(stderr, "load: the server does not resume sessions\n");
        exit(3);
    }
    tls->is_shaken = true;
    return true;
}

ssize_t tls_send(struct tls *tls, const void *data, size_t size)
{
    size_t n;
    int r;

    ERR_clear_error();
    r = SSL_write_ex(tls->ssl, data, size, &n);
    return r == 1 ? (ssize_t)n : outcome(tls, r, "send");
}

ssize_t tls_recv(struct tls *tls, void *data, size_t size)
{
    size_t n;
    int r;

    ERR_clear_error();
    r = SSL_read_ex(tls->ssl, data, size, &n);
    return r == 1 ? (ssize_t)n : outcome(tls, r, "recv");
}

void tls_close(struct tls *tls)
{
    ERR_clear_error();
    SSL_shutdown(tls->ssl);
    SSL_free(tls->ssl);
    tls->ssl = NULL;
}
