/* test_tls_secrets.c -- nothing that a key could be made of is left in memory that was freed. Every free of the process
 * comes by here and is looked at. */
#include "certificates.h"
#include "loop/tls.h"

#include <malloc.h>
#include <openssl/core_names.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED true
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED false
#endif

/* What is looked for; lengths of 0: nothing. */
static struct {
    char bytes[64];
    size_t size;
} secrets[3];
static int n_found[3];

static void look_at(const void *memory, size_t size)
{
    for (int i = 0; i < 3; i++)
        n_found[i] += secrets[i].size > 0 && memmem(memory, size, secrets[i].bytes, secrets[i].size) != NULL;
}

#if !IS_SANITIZED

void __libc_free(void *memory);
void *__libc_malloc(size_t size);

void free(void *memory)
{
    if (memory)
        look_at(memory, malloc_usable_size(memory));
    __libc_free(memory);
}

/* What moves leaves its old place free. */
void *realloc(void *memory, size_t size)
{
    size_t old = memory ? malloc_usable_size(memory) : 0;
    void *moved = __libc_malloc(size);

    if (!moved)
        return NULL;
    if (memory)
        memcpy(moved, memory, old < size ? old : size);
    free(memory);
    return moved;
}

#endif

enum { PEM, NUMBER, PLAIN };

static void keep_secret(int which, const void *bytes, size_t size)
{
    EXPECT(size <= sizeof secrets[which].bytes);
    memcpy(secrets[which].bytes, bytes, size);
    secrets[which].size = size;
}

/* Learns what is in a key's file, as text and as a number. */
static void learn(const char *path)
{
    FILE *file = fopen(path, "re");
    BIGNUM *number = NULL;
    unsigned char bytes[32];
    bool in_key = false;
    char line[100];
    EVP_PKEY *key;

    EXPECT(file != NULL);
    setvbuf(file, NULL, _IONBF, 0);
    while (!secrets[PEM].size && fgets(line, sizeof line, file)) {
        if (in_key)
            keep_secret(PEM, line + 40, 20);
        in_key |= strstr(line, "PRIVATE KEY") != NULL;
    }
    rewind(file);
    key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    EXPECT(key && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &number));
    EXPECT_INT(BN_bn2lebinpad(number, bytes, 32), 32);
    keep_secret(NUMBER, bytes + 4, 24);
    BN_clear_free(number);
    EVP_PKEY_free(key);
    fclose(file);
}

static void pass(struct asyncio__tls *from, struct asyncio__tls *to)
{
    size_t size;
    const void *data = asyncio__tls_out(from, &size);

    EXPECT_INT(asyncio__tls_feed(to, data, size), 0);
    asyncio__tls_out_taken(from, size);
}

static void talk(struct asyncio_ssl_context *trusting, struct asyncio_ssl_context *serving)
{
    static const char said[] = "what nobody else is to know";
    struct asyncio__tls *client, *server;
    char heard[64];

    EXPECT_INT(asyncio__tls_new(&(const struct asyncio__tls_options){trusting, false, "localhost", NULL}, &client), 0);
    EXPECT_INT(asyncio__tls_new(&(const struct asyncio__tls_options){serving, true, NULL, NULL}, &server), 0);
    for (int i = 0; i < 3; i++) {
        ASYNCIO_IGNORE(asyncio__tls_handshake(client));
        pass(client, server);
        ASYNCIO_IGNORE(asyncio__tls_handshake(server));
        pass(server, client);
    }
    keep_secret(PLAIN, said, sizeof said);
    EXPECT_INT(asyncio__tls_write(client, said, sizeof said), sizeof said);
    pass(client, server);
    EXPECT_INT(asyncio__tls_read(server, heard, 5), 5);
    /* The rest is never read. */
    asyncio__tls_free(client);
    asyncio__tls_free(server);
}

TEST_NO_SWEEP(secrets_are_wiped, "TL-03: keys, passwords and plain bytes are wiped before their memory goes",
              "what is looked for are traces, not failures")
{
    static struct certificates made;
    struct asyncio_ssl_context *trusting, *serving;

    if (IS_SANITIZED)
        SKIP("the sanitizers have malloc for themselves");
    certificates_init(&made);
    trusting = client_context(&made);
    serving = server_context(&made, "server");
    learn(certificate(&made, "server"));
    memset(n_found, 0, sizeof n_found);
    EXPECT_INT(asyncio_ssl_context_load_cert_chain(serving, certificate(&made, "server"), NULL, NULL), 0);
    talk(trusting, serving);
    asyncio_ssl_context_unref(trusting);
    asyncio_ssl_context_unref(serving);
    EXPECT_INT(n_found[PEM], 0);
    EXPECT_INT(n_found[NUMBER], 0);
    EXPECT_INT(n_found[PLAIN], 0);
    /* That they would be found. */
    look_at(secrets, sizeof secrets);
    EXPECT(n_found[PEM] == 1 && n_found[NUMBER] == 1 && n_found[PLAIN] == 1);
    certificates_fini(&made);
}
