/* ssl_contexts.c -- contexts of TLS: who one is, whom one trusts.
 *
 * A connection takes a copy of what it needs when it begins (OpenSSL's way), so a context may change at any time. What
 * is loaded is looked at as a whole before any of it replaces the old: after an error everything is as it was. */
#include "lib.h"

#include "../base/mem.h"
#include "../loop/tls_context.h"
#include "../task/task.h"

#if ASYNCIO__HAVE_OPENSSL

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------- Life cycle */

/* Turns OpenSSL's last error into ours, with its words as detail. */
static int ssl_error(const char *what)
{
    char detail[ASYNCIO__TLS_DETAIL_SIZE];
    int r = asyncio__tls_take_error(what, detail);

    asyncio__set_detail("%s", detail);
    return r;
}

/* Safe settings that nobody has to ask for. Keys below 112 bits of strength are refused. */
static int make_safe(struct asyncio_ssl_context *context)
{
    static const unsigned char who[] = "asyncio";
    SSL_CTX *ctx = context->ctx;
    bool is_client = context->purpose == ASYNCIO_SSL_SERVER_AUTH;

    SSL_CTX_set_security_level(ctx, 2);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_verify(ctx, is_client ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, asyncio__tls_verify);
    /* A server's sessions are in the tickets that its clients keep: no memory grows with their number. */
    SSL_CTX_set_session_cache_mode(ctx,
                                   is_client ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL : SSL_SESS_CACHE_OFF);
    if (is_client)
        SSL_CTX_sess_set_new_cb(ctx, asyncio__tls_new_session);
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_TRUSTED_FIRST);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) &&
                   SSL_CTX_set_session_id_context(ctx, who, sizeof who - 1)
               ? 0
               : -ENOMEM;
}

int asyncio_ssl_create_default_context_kw(struct asyncio_ssl_context **ret_context, enum asyncio_ssl_purpose purpose,
                                          const struct asyncio_ssl_default_context_kw *kw)
{
    struct asyncio_ssl_context *context;
    bool has_authorities = kw && (kw->cafile || kw->capath || kw->cadata);
    int r;

    if (!ret_context || (purpose != ASYNCIO_SSL_SERVER_AUTH && purpose != ASYNCIO_SSL_CLIENT_AUTH))
        return -EINVAL;
    context = asyncio__calloc(sizeof *context);
    if (!context)
        return -ENOMEM;
    ERR_clear_error();
    atomic_init(&context->refs, 1);
    context->purpose = purpose;
    context->check_hostname = purpose == ASYNCIO_SSL_SERVER_AUTH;
    context->ctx = SSL_CTX_new(TLS_method());
    r = context->ctx ? make_safe(context) : -ENOMEM;
    if (r == 0 && has_authorities)
        r = asyncio_ssl_context_load_verify_locations(context, kw->cafile, kw->capath, kw->cadata);
    else if (r == 0 && purpose == ASYNCIO_SSL_SERVER_AUTH && !SSL_CTX_set_default_verify_paths(context->ctx))
        r = ssl_error("the certificates that this machine trusts");
    ERR_clear_error();
    if (r < 0) {
        asyncio_ssl_context_unref(context);
        return r;
    }
    *ret_context = context;
    return 0;
}

/* ---------------------------------------------------------------------------------------------------- Loading files */

#define LARGEST_FILE ((size_t)16 * 1024 * 1024)

/* What a PEM file has, or a text; wiped before it is freed, as keys are in it. */
struct pem {
    char *data; /* NULL: it is somebody else's text */
    size_t capacity;
    BIO *bio;
};

static void close_pem(struct pem *pem)
{
    BIO_free(pem->bio);
    if (pem->data)
        OPENSSL_cleanse(pem->data, pem->capacity);
    asyncio__free(pem->data);
}

/* Makes room for more of a file. */
static int grow(struct pem *pem)
{
    size_t capacity = pem->capacity ? pem->capacity * 2 : 8192;
    char *data = capacity <= LARGEST_FILE ? asyncio__malloc(capacity) : NULL;

    if (!data)
        return capacity <= LARGEST_FILE ? -ENOMEM : -EFBIG;
    if (pem->data) {
        memcpy(data, pem->data, pem->capacity);
        OPENSSL_cleanse(pem->data, pem->capacity);
        asyncio__free(pem->data);
    }
    pem->data = data;
    pem->capacity = capacity;
    return 0;
}

/* Reads a whole file, past the buffer of its own that it would leave behind. Returns: its size; a negative error. */
static ssize_t read_file(struct pem *pem, const char *path)
{
    FILE *stream = fopen(path, "re");
    size_t size = 0, n = 1;
    int r = 0;

    if (!stream)
        return -errno;
    setvbuf(stream, NULL, _IONBF, 0);
    while (r == 0 && n > 0) {
        if (size == pem->capacity)
            r = grow(pem);
        errno = 0;
        n = r == 0 ? fread(pem->data + size, 1, pem->capacity - size, stream) : 0;
        size += n;
    }
    if (r == 0 && ferror(stream))
        r = errno ? -errno : -EIO;
    fclose(stream);
    return r < 0 ? r : (ssize_t)size;
}

/* Opens a file, or text, to be closed in any case. Returns: 0; a negative error, with the file as detail. */
static int open_pem(struct pem *pem, const char *path, const char *text)
{
    ssize_t size = path ? read_file(pem, path) : (ssize_t)strlen(text);

    if (size < 0) {
        asyncio__set_detail("%s: %s", path, asyncio_strerror((int)size));
        return (int)size;
    }
    if (size > (ssize_t)LARGEST_FILE)
        return -EFBIG;
    pem->bio = BIO_new_mem_buf(path ? pem->data : text, (int)size);
    return pem->bio ? 0 : -ENOMEM;
}

static int give_password(char *buffer, int size, int for_writing, void *password)
{
    size_t length = password ? strlen(password) : 0;

    (void)for_writing;
    if (length > (size_t)size)
        return -1;
    if (length > 0)
        memcpy(buffer, password, length);
    return (int)length;
}

/* True when reading has come to the end of what is there, rather than to something wrong. */
static bool is_at_end(void)
{
    unsigned long error = ERR_peek_last_error();

    if (error && !(ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE))
        return false;
    ERR_clear_error();
    return true;
}

struct identity {
    X509 *certificate;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
};

static void free_identity(struct identity *identity)
{
    X509_free(identity->certificate);
    sk_X509_pop_free(identity->chain, X509_free);
    EVP_PKEY_free(identity->key);
}

static int read_certificates(const char *file, struct identity *identity)
{
    struct pem pem = {.data = NULL};
    X509 *next;
    int r = open_pem(&pem, file, NULL);

    if (r == 0) {
        identity->certificate = PEM_read_bio_X509_AUX(pem.bio, NULL, give_password, NULL);
        identity->chain = sk_X509_new_null();
        if (!identity->certificate || !identity->chain)
            r = ssl_error(file);
    }
    while (r == 0 && (next = PEM_read_bio_X509(pem.bio, NULL, give_password, NULL)))
        if (!sk_X509_push(identity->chain, next)) {
            X509_free(next);
            r = -ENOMEM;
        }
    if (r == 0 && !is_at_end())
        r = ssl_error(file);
    close_pem(&pem);
    return r;
}

static int read_key(const char *file, const char *password, struct identity *identity)
{
    struct pem pem = {.data = NULL};
    int r = open_pem(&pem, file, NULL);

    if (r == 0) {
        identity->key = PEM_read_bio_PrivateKey(pem.bio, NULL, give_password, (void *)(uintptr_t)password);
        if (!identity->key)
            r = ssl_error(file);
    }
    close_pem(&pem);
    return r;
}

int asyncio_ssl_context_load_cert_chain(struct asyncio_ssl_context *context, const char *certfile, const char *keyfile,
                                        const char *password)
{
    struct identity identity = {NULL, NULL, NULL};
    int r;

    if (!context || !certfile)
        return -EINVAL;
    ERR_clear_error();
    r = read_certificates(certfile, &identity);
    if (r == 0)
        r = read_key(keyfile ? keyfile : certfile, password, &identity);
    if (r == 0 && !X509_check_private_key(identity.certificate, identity.key))
        r = ssl_error("the key is not the certificate's");
    if (r == 0 && !SSL_CTX_use_cert_and_key(context->ctx, identity.certificate, identity.key, identity.chain, 1))
        r = ssl_error(certfile);
    free_identity(&identity);
    ERR_clear_error();
    return r;
}

/* Adds what a PEM file or text has: certificates and revocation lists, at least one. */
static int add_trusted(struct asyncio_ssl_context *context, const char *file, const char *text)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context->ctx);
    const char *what = file ? file : "the certificates given as text";
    STACK_OF(X509_INFO) *found = NULL;
    struct pem pem = {.data = NULL};
    int r = open_pem(&pem, file, text), n = 0;

    if (r == 0)
        found = PEM_X509_INFO_read_bio(pem.bio, NULL, give_password, NULL);
    for (int i = 0; found && i < sk_X509_INFO_num(found) && r == 0; i++) {
        const X509_INFO *info = sk_X509_INFO_value(found, i);

        if ((info->x509 && !X509_STORE_add_cert(store, info->x509)) ||
            (info->crl && !X509_STORE_add_crl(store, info->crl)))
            r = ssl_error(what);
        n += info->x509 || info->crl;
    }
    if (r == 0 && !found)
        r = ssl_error(what);
    if (r == 0 && n == 0) {
        asyncio__set_detail("%s: neither a certificate nor a revocation list is in it", what);
        r = -ASYNCIO_ESSL;
    }
    sk_X509_INFO_pop_free(found, X509_INFO_free);
    close_pem(&pem);
    return r;
}

static int add_folder(struct asyncio_ssl_context *context, const char *path)
{
    X509_LOOKUP *lookup = X509_STORE_add_lookup(SSL_CTX_get_cert_store(context->ctx), X509_LOOKUP_hash_dir());

    if (!lookup)
        return -ENOMEM;
    return X509_LOOKUP_add_dir(lookup, path, X509_FILETYPE_PEM) ? 0 : ssl_error(path);
}

int asyncio_ssl_context_load_verify_locations(struct asyncio_ssl_context *context, const char *cafile,
                                              const char *capath, const char *cadata)
{
    int r = 0;

    if (!context || (!cafile && !capath && !cadata))
        return -EINVAL;
    ERR_clear_error();
    if (cafile)
        r = add_trusted(context, cafile, NULL);
    if (r == 0 && cadata)
        r = add_trusted(context, NULL, cadata);
    if (r == 0 && capath)
        r = add_folder(context, capath);
    ERR_clear_error();
    return r;
}

/* --------------------------------------------------------------------------------------------------------- Settings */

int asyncio_ssl_context_set_verify_mode(struct asyncio_ssl_context *context, enum asyncio_ssl_verify_mode mode)
{
    static const int modes[] = {
        [ASYNCIO_SSL_CERT_NONE] = SSL_VERIFY_NONE,
        [ASYNCIO_SSL_CERT_OPTIONAL] = SSL_VERIFY_PEER,
        [ASYNCIO_SSL_CERT_REQUIRED] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
    };

    if (!context || (unsigned)mode >= ARRAY_SIZE(modes) || (mode == ASYNCIO_SSL_CERT_NONE && context->check_hostname))
        return -EINVAL;
    SSL_CTX_set_verify(context->ctx, modes[mode], asyncio__tls_verify);
    return 0;
}

int asyncio_ssl_context_set_check_hostname(struct asyncio_ssl_context *context, bool check)
{
    if (!context || (check && SSL_CTX_get_verify_mode(context->ctx) == SSL_VERIFY_NONE))
        return -EINVAL;
    context->check_hostname = check;
    return 0;
}

int asyncio_ssl_context_set_verify_flags(struct asyncio_ssl_context *context, unsigned flags)
{
    const unsigned known =
        ASYNCIO_SSL_VERIFY_CRL_CHECK_CHAIN | ASYNCIO_SSL_VERIFY_X509_STRICT | ASYNCIO_SSL_VERIFY_X509_PARTIAL_CHAIN;
    X509_VERIFY_PARAM *parameters;

    if (!context || (flags & ~known))
        return -EINVAL;
    parameters = SSL_CTX_get0_param(context->ctx);
    X509_VERIFY_PARAM_clear_flags(parameters, known);
    X509_VERIFY_PARAM_set_flags(parameters, flags);
    return 0;
}

int asyncio_ssl_context_set_versions(struct asyncio_ssl_context *context, enum asyncio_ssl_version minimum,
                                     enum asyncio_ssl_version maximum)
{
    if (!context || minimum < ASYNCIO_SSL_TLSV1_2 || maximum > ASYNCIO_SSL_TLSV1_3 || minimum > maximum)
        return -EINVAL;
    SSL_CTX_set_min_proto_version(context->ctx, (int)minimum);
    SSL_CTX_set_max_proto_version(context->ctx, (int)maximum);
    return 0;
}

int asyncio_ssl_context_set_ciphers(struct asyncio_ssl_context *context, const char *ciphers)
{
    if (!context || !ciphers)
        return -EINVAL;
    ERR_clear_error();
    return SSL_CTX_set_cipher_list(context->ctx, ciphers) ? 0 : ssl_error(ciphers);
}

/* The server's choice: the first of its own that the client has, too. Without any both go on without. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
                       unsigned in_size, void *arg)
{
    const struct asyncio_ssl_context *context = arg;

    (void)ssl;
    if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_size, context->alpn, context->alpn_size, in,
                              in_size) == OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_OK;
    return SSL_TLSEXT_ERR_NOACK;
}

int asyncio_ssl_context_set_alpn_protocols(struct asyncio_ssl_context *context, const char *const *protocols)
{
    unsigned char *wire, *at;
    size_t size = 0;

    if (!context || !protocols)
        return -EINVAL;
    for (size_t i = 0; protocols[i]; i++) {
        size_t length = strlen(protocols[i]);

        if (length == 0 || length > 255)
            return -EINVAL;
        size += 1 + length;
    }
    if (size == 0 || size > UINT16_MAX)
        return -EINVAL;
    wire = at = asyncio__malloc(size);
    if (!wire)
        return -ENOMEM;
    for (size_t i = 0; protocols[i]; i++) {
        size_t length = strlen(protocols[i]);

        *at++ = (unsigned char)length;
        memcpy(at, protocols[i], length);
        at += length;
    }
    if (SSL_CTX_set_alpn_protos(context->ctx, wire, (unsigned)size) != 0) {
        asyncio__free(wire);
        return -ENOMEM;
    }
    asyncio__free(context->alpn);
    context->alpn = wire;
    context->alpn_size = (unsigned)size;
    SSL_CTX_set_alpn_select_cb(context->ctx, choose_alpn, context);
    return 0;
}

int asyncio_ssl_context_set_options(struct asyncio_ssl_context *context, unsigned options)
{
    if (!context || (options & ~(unsigned)(ASYNCIO_SSL_OP_IGNORE_UNEXPECTED_EOF | ASYNCIO_SSL_OP_NO_TICKET)))
        return -EINVAL;
    SSL_CTX_clear_options(context->ctx, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_TICKET);
    if (options & ASYNCIO_SSL_OP_IGNORE_UNEXPECTED_EOF)
        SSL_CTX_set_options(context->ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (options & ASYNCIO_SSL_OP_NO_TICKET)
        SSL_CTX_set_options(context->ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context->ctx, options & ASYNCIO_SSL_OP_NO_TICKET ? 0 : 2);
    return 0;
}

static int choose_context(SSL *ssl, int *alert, void *arg)
{
    struct asyncio_ssl_context *context = arg, *chosen;

    if (!context->sni)
        return SSL_TLSEXT_ERR_NOACK;
    chosen = context->sni(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name), context->sni_arg);
    if (!chosen) {
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    if (chosen != context && !SSL_set_SSL_CTX(ssl, chosen->ctx)) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    return SSL_TLSEXT_ERR_OK;
}

int asyncio_ssl_context_set_sni_callback(struct asyncio_ssl_context *context, asyncio_ssl_sni_callback *callback,
                                         void *arg)
{
    if (!context)
        return -EINVAL;
    context->sni = callback;
    context->sni_arg = arg;
    SSL_CTX_set_tlsext_servername_callback(context->ctx, choose_context);
    SSL_CTX_set_tlsext_servername_arg(context->ctx, context);
    return 0;
}

#else

int asyncio_ssl_create_default_context_kw(struct asyncio_ssl_context **ret_context, enum asyncio_ssl_purpose purpose,
                                          const struct asyncio_ssl_default_context_kw *kw)
{
    (void)ret_context;
    (void)purpose;
    (void)kw;
    asyncio__set_detail("this library was built without OpenSSL");
    return -ENOTSUP;
}

/* Without a context there is nothing to set. */
#define NONE(name, ...)   \
    int name(__VA_ARGS__) \
    {                     \
        return -EINVAL;   \
    }

NONE(asyncio_ssl_context_load_cert_chain, struct asyncio_ssl_context *, const char *, const char *, const char *)
NONE(asyncio_ssl_context_load_verify_locations, struct asyncio_ssl_context *, const char *, const char *, const char *)
NONE(asyncio_ssl_context_set_verify_mode, struct asyncio_ssl_context *, enum asyncio_ssl_verify_mode)
NONE(asyncio_ssl_context_set_check_hostname, struct asyncio_ssl_context *, bool)
NONE(asyncio_ssl_context_set_verify_flags, struct asyncio_ssl_context *, unsigned)
NONE(asyncio_ssl_context_set_versions, struct asyncio_ssl_context *, enum asyncio_ssl_version, enum asyncio_ssl_version)
NONE(asyncio_ssl_context_set_ciphers, struct asyncio_ssl_context *, const char *)
NONE(asyncio_ssl_context_set_alpn_protocols, struct asyncio_ssl_context *, const char *const *)
NONE(asyncio_ssl_context_set_options, struct asyncio_ssl_context *, unsigned)
NONE(asyncio_ssl_context_set_sni_callback, struct asyncio_ssl_context *, asyncio_ssl_sni_callback *, void *)

#endif
