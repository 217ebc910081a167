/* tls_context.h -- what the files about TLS share: contexts, and how failures are told. */
#pragma once

#include "tls.h"

#if ASYNCIO__HAVE_OPENSSL

#include <openssl/ssl.h>
#include <stdatomic.h>

struct asyncio_ssl_context {
    atomic_int refs;
    SSL_CTX *ctx;
    enum asyncio_ssl_purpose purpose;
    bool check_hostname;
    unsigned char *alpn; /* the protocols, each behind its length */
    unsigned alpn_size;
    asyncio_ssl_sni_callback *sni;
    void *sni_arg;
};

/* How sure one is of the peer. */
enum asyncio__tls_scrutiny { ASYNCIO__TLS_ANYBODY, ASYNCIO__TLS_TRUSTED, ASYNCIO__TLS_NAMED };

/* Who resumes a session is shown no certificate: it vouches only for whom it was begun with, and no more than then. */
struct asyncio_ssl_session {
    int refs;
    SSL_SESSION *session;
    struct asyncio_ssl_context *context;
    enum asyncio__tls_scrutiny scrutiny;
    char hostname[]; /* "" if nobody in particular was wanted */
};

/* Room for what there is to say about a failure. */
#define ASYNCIO__TLS_DETAIL_SIZE 200

/* What OpenSSL's last error means, while it was loading or setting something; `what` is what that was about. Empties
 * its queue. Returns: a negative error; `ret_detail` says why. */
int asyncio__tls_take_error(const char *what, char ret_detail[ASYNCIO__TLS_DETAIL_SIZE]);

/* The error of ours for one of the check of certificates. */
int asyncio__tls_verify_error(int error);

/* Says what is wrong with which certificate; `host` is who was wanted, NULL: nobody in particular. */
void asyncio__tls_describe_certificate(X509 *certificate, int error, const char *host,
                                       char ret_detail[ASYNCIO__TLS_DETAIL_SIZE]);

/* tls_certificates.c: what there is to know of a certificate, in one piece. Returns: 0; -ENOMEM. */
int asyncio__tls_pack_certificate(X509 *certificate, struct asyncio_ssl_certificate **ret_certificate);

/* Which pump a handshake belongs to. */
struct asyncio__tls *asyncio__tls_of(const SSL *ssl);

/* tls.c: callbacks that contexts are made with. */
int asyncio__tls_verify(int ok, X509_STORE_CTX *store);
int asyncio__tls_new_session(SSL *ssl, SSL_SESSION *session);

#endif
