/* test_ssl_context.c -- contexts of TLS: what they take, what they refuse, and in what words. */
#include "certificates.h"

static struct certificates made;
static struct asyncio_ssl_context *context;

static void set_up(enum asyncio_ssl_purpose purpose)
{
    certificates_init(&made);
    EXPECT_INT(asyncio_ssl_create_default_context(&context, purpose), 0);
}

static void tear_down(void)
{
    context = asyncio_ssl_context_unref(context);
    EXPECT(!context);
    certificates_fini(&made);
}

/* Writes text to a file. */
static const char *file_with(const char *text)
{
    static char path[64];
    FILE *file;

    snprintf(path, sizeof path, "%s/client.pem", made.folder);
    file = fopen(path, "we");
    EXPECT(file && fputs(text, file) >= 0);
    fclose(file);
    return path;
}

/* What a task's call returned and had to add. */
#define EXPECT_REFUSED(call, error, detail)                     \
    do {                                                        \
        EXPECT_INT(call, error);                                \
        if (!strstr(asyncio_error_detail(), detail))            \
            trace("detail: %s", asyncio_error_detail());        \
        EXPECT(strstr(asyncio_error_detail(), detail) != NULL); \
    } while (0)

static int load_own(void *arg)
{
    const char *server = certificate(&made, "server");

    (void)arg;
    EXPECT_INT(asyncio_ssl_context_load_cert_chain(NULL, server, NULL, NULL), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_load_cert_chain(context, NULL, NULL, NULL), -EINVAL);
    EXPECT_REFUSED(asyncio_ssl_context_load_cert_chain(context, "/nowhere.pem", NULL, NULL), -ENOENT, "/nowhere.pem");
    EXPECT_REFUSED(asyncio_ssl_context_load_cert_chain(context, server, "/nowhere.key", NULL), -ENOENT, "/nowhere.key");
    EXPECT_REFUSED(asyncio_ssl_context_load_cert_chain(context, "/", NULL, NULL), -EISDIR, "/: ");
    EXPECT_REFUSED(asyncio_ssl_context_load_cert_chain(context, file_with("no PEM\n"), NULL, NULL), -ASYNCIO_ESSL,
                   "no start line");
    EXPECT_REFUSED(asyncio_ssl_context_load_cert_chain(context, certificate(&made, "ca"), NULL, NULL), -ASYNCIO_ESSL,
                   "ca.pem");
    EXPECT_REFUSED(asyncio_ssl_context_load_cert_chain(context, certificate(&made, "ca"), server, NULL), -ASYNCIO_ESSL,
                   "the key is not the certificate's");
    EXPECT_INT(asyncio_ssl_context_load_cert_chain(context, server, NULL, NULL), 0);
    EXPECT_INT(asyncio_ssl_context_load_cert_chain(context, server, server, "not needed"), 0);
    return 0;
}

TEST(own_certificates, "TL-03: a file that is not there, no PEM, without a key, with another one's key: each is told")
{
    set_up(ASYNCIO_SSL_CLIENT_AUTH);
    EXPECT_INT(run(load_own, NULL), 0);
    tear_down();
}

/* A key behind a password. */
static int load_locked(void *arg)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = certificate_make(&made, "locked", NULL, key, NULL, key, -1, 1, false);
    char path[64];
    FILE *file;

    (void)arg;
    snprintf(path, sizeof path, "%s/client.pem", made.folder);
    file = fopen(path, "we");
    EXPECT(file && PEM_write_X509(file, x) &&
           PEM_write_PKCS8PrivateKey(file, key, EVP_aes_128_cbc(), "open sesame", 11, NULL, NULL));
    fclose(file);
    X509_free(x);
    EVP_PKEY_free(key);
    EXPECT_INT(asyncio_ssl_context_load_cert_chain(context, path, NULL, NULL), -ASYNCIO_ESSL);
    EXPECT_INT(asyncio_ssl_context_load_cert_chain(context, path, NULL, "open barley"), -ASYNCIO_ESSL);
    EXPECT_INT(asyncio_ssl_context_load_cert_chain(context, path, NULL, "open sesame"), 0);
    return 0;
}

TEST(locked_keys, "TL-03: a key behind a password needs that one; nobody is asked for it at the terminal")
{
    set_up(ASYNCIO_SSL_CLIENT_AUTH);
    EXPECT_INT(run(load_locked, NULL), 0);
    tear_down();
}

static int load_trusted(void *arg)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);

    (void)arg;
    EXPECT_INT(asyncio_ssl_context_load_verify_locations(NULL, "x", NULL, NULL), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_load_verify_locations(context, NULL, NULL, NULL), -EINVAL);
    EXPECT_REFUSED(asyncio_ssl_context_load_verify_locations(context, "/nowhere.pem", NULL, NULL), -ENOENT, "nowhere");
    EXPECT_REFUSED(asyncio_ssl_context_load_verify_locations(context, NULL, NULL, "no PEM"), -ASYNCIO_ESSL,
                   "neither a certificate nor a revocation list");
    EXPECT_REFUSED(asyncio_ssl_context_load_verify_locations(context, file_with(""), NULL, NULL), -ASYNCIO_ESSL,
                   "neither a certificate nor a revocation list");
    EXPECT(memory && PEM_write_X509(memory, made.ca));
    fclose(memory);
    EXPECT_INT(asyncio_ssl_context_load_verify_locations(context, NULL, NULL, text), 0);
    EXPECT_INT(asyncio_ssl_context_load_verify_locations(context, certificate(&made, "ca"), made.folder, text), 0);
    free(text);
    return 0;
}

TEST(authorities, "TL-03: files, folders and text of authorities; what has none is refused")
{
    struct asyncio_ssl_context *other;

    set_up(ASYNCIO_SSL_SERVER_AUTH);
    EXPECT_INT(run(load_trusted, NULL), 0);
    EXPECT_INT(asyncio_ssl_create_default_context(&other, ASYNCIO_SSL_SERVER_AUTH, .cafile = "/nowhere"), -ENOENT);
    EXPECT_INT(asyncio_ssl_create_default_context(&other, ASYNCIO_SSL_SERVER_AUTH, .capath = made.folder), 0);
    asyncio_ssl_context_unref(other);
    tear_down();
}

TEST(settings, "TL-03: what is no setting is refused, and the defaults are the safe ones")
{
    static const char *const none[] = {NULL}, *const empty[] = {"", NULL}, *const two[] = {"h2", "http/1.1", NULL};
    static char long_name[257];
    const char *const too_long[] = {long_name, NULL};

    memset(long_name, 'x', sizeof long_name - 1);
    set_up(ASYNCIO_SSL_SERVER_AUTH);
    EXPECT_INT(asyncio_ssl_create_default_context(NULL, ASYNCIO_SSL_SERVER_AUTH), -EINVAL);
    EXPECT_INT(asyncio_ssl_create_default_context(&context, (enum asyncio_ssl_purpose)7), -EINVAL);
    /* Nobody comes to check nothing by one call. */
    EXPECT_INT(asyncio_ssl_context_set_verify_mode(context, ASYNCIO_SSL_CERT_NONE), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_set_check_hostname(context, false), 0);
    EXPECT_INT(asyncio_ssl_context_set_verify_mode(context, ASYNCIO_SSL_CERT_NONE), 0);
    EXPECT_INT(asyncio_ssl_context_set_check_hostname(context, true), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_set_verify_mode(context, (enum asyncio_ssl_verify_mode)3), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_set_verify_mode(context, ASYNCIO_SSL_CERT_REQUIRED), 0);
    EXPECT_INT(asyncio_ssl_context_set_check_hostname(context, true), 0);
    EXPECT_INT(asyncio_ssl_context_set_verify_flags(context, 1), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_set_verify_flags(context, ASYNCIO_SSL_VERIFY_X509_STRICT), 0);
    EXPECT_INT(asyncio_ssl_context_set_versions(context, (enum asyncio_ssl_version)0x301, ASYNCIO_SSL_TLSV1_3),
               -EINVAL);
    EXPECT_INT(asyncio_ssl_context_set_versions(context, ASYNCIO_SSL_TLSV1_3, ASYNCIO_SSL_TLSV1_2), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_set_versions(context, ASYNCIO_SSL_TLSV1_2, ASYNCIO_SSL_TLSV1_2), 0);
    EXPECT_INT(asyncio_ssl_context_set_ciphers(context, "no such cipher"), -ASYNCIO_ESSL);
    EXPECT_INT(asyncio_ssl_context_set_ciphers(context, "ECDHE+AESGCM"), 0);
    EXPECT_INT(asyncio_ssl_context_set_ciphers(context, NULL), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_set_alpn_protocols(context, none), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_set_alpn_protocols(context, empty), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_set_alpn_protocols(context, too_long), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_set_alpn_protocols(context, two), 0);
    EXPECT_INT(asyncio_ssl_context_set_alpn_protocols(context, two), 0);
    EXPECT_INT(asyncio_ssl_context_set_options(context, 4), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_set_options(context, ASYNCIO_SSL_OP_NO_TICKET), 0);
    EXPECT_INT(asyncio_ssl_context_set_sni_callback(context, NULL, NULL), 0);
    tear_down();
}

TEST(nothing, "every function of a context says -EINVAL to none")
{
    EXPECT_INT(asyncio_ssl_context_set_verify_mode(NULL, ASYNCIO_SSL_CERT_REQUIRED), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_set_check_hostname(NULL, true), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_set_verify_flags(NULL, 0), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_set_versions(NULL, ASYNCIO_SSL_TLSV1_2, ASYNCIO_SSL_TLSV1_3), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_set_ciphers(NULL, "DEFAULT"), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_set_alpn_protocols(NULL, NULL), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_set_options(NULL, 0), -EINVAL);
    EXPECT_INT(asyncio_ssl_context_set_sni_callback(NULL, NULL, NULL), -EINVAL);
    EXPECT_PTR(asyncio_ssl_context_ref(NULL), NULL);
    EXPECT_PTR(asyncio_ssl_context_unref(NULL), NULL);
    EXPECT_PTR(asyncio_ssl_session_ref(NULL), NULL);
    EXPECT_PTR(asyncio_ssl_session_unref(NULL), NULL);
}
