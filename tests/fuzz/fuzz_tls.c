/* fuzz_tls.c -- two pumps of TLS with somebody between them who cuts, drops, alters and adds bytes as the input says.
 * Whatever that is, what one side reads is the beginning of what the other has written, and an end is announced only
 * if somebody has announced it. */
#include "loop/tls.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition) ((condition) ? (void)0 : broken(#condition, __LINE__))

static void broken(const char *text, int line)
{
    fprintf(stderr, "line %d: broken: %s\n", line, text);
    abort();
}

struct side {
    struct asyncio__tls *tls;
    size_t written, heard; /* bytes of the pattern */
    bool is_open, is_broken, has_announced;
};

static struct asyncio_ssl_context *trusting, *serving;

static unsigned char pattern(size_t place)
{
    return (unsigned char)(place * 31 + place / 256);
}

/* A certificate for nobody in particular, which nobody checks. */
static void make_contexts(void)
{
    char path[] = "/tmp/fuzz-tls-XXXXXX";
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    FILE *file = fdopen(mkstemp(path), "w");

    X509_set_version(x, 2);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 1000000);
    X509_set_pubkey(x, key);
    X509_sign(x, key, EVP_sha256());
    PEM_write_X509(file, x);
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    CHECK(asyncio_ssl_create_default_context(&serving, ASYNCIO_SSL_CLIENT_AUTH) == 0);
    CHECK(asyncio_ssl_context_load_cert_chain(serving, path, NULL, NULL) == 0);
    CHECK(asyncio_ssl_create_default_context(&trusting, ASYNCIO_SSL_SERVER_AUTH, .cafile = path) == 0);
    CHECK(asyncio_ssl_context_set_check_hostname(trusting, false) == 0);
    CHECK(asyncio_ssl_context_set_verify_mode(trusting, ASYNCIO_SSL_CERT_NONE) == 0);
    unlink(path);
    X509_free(x);
    EVP_PKEY_free(key);
}

static bool is_error(ssize_t r)
{
    return r == -ASYNCIO_ESSL || r == -ASYNCIO_ESSLEOF || r == -ECONNRESET || r == -ENOMEM;
}

static void shake(struct side *side)
{
    int r = asyncio__tls_handshake(side->tls);

    CHECK(r == 0 || r == -EAGAIN || is_error(r));
    side->is_open = r == 0;
    side->is_broken |= r < 0 && r != -EAGAIN;
}

static void hear(struct side *side, const struct side *other, size_t size)
{
    unsigned char memory[4096];
    ssize_t r = asyncio__tls_read(side->tls, memory, size % sizeof memory + 1);

    CHECK(r >= 0 || r == -EAGAIN || is_error(r));
    side->is_broken |= r < 0 && r != -EAGAIN;
    CHECK(r != 0 || other->has_announced);
    for (ssize_t i = 0; i < r; i++)
        CHECK(memory[i] == pattern(side->heard++));
    CHECK(side->heard <= other->written);
}

static void say(struct side *side, size_t size)
{
    unsigned char memory[4096];
    ssize_t r;

    size = size % sizeof memory + 1;
    for (size_t i = 0; i < size; i++)
        memory[i] = pattern(side->written + i);
    r = asyncio__tls_write(side->tls, memory, size);
    CHECK((r > 0 && (size_t)r <= size) || r == -EAGAIN || r == -ASYNCIO_ECLOSED || is_error(r));
    side->written += r > 0 ? (size_t)r : 0;
}

/* Passes bytes on, one of them perhaps altered. */
static void pass(struct side *from, struct side *to, size_t size, unsigned alter)
{
    unsigned char memory[4096];
    size_t there;
    const void *data = asyncio__tls_out(from->tls, &there);

    size = min_size(min_size(size, there), sizeof memory);
    if (size == 0)
        return;
    memcpy(memory, data, size);
    if (alter)
        memory[alter % size] ^= (unsigned char)(alter | 1);
    CHECK(asyncio__tls_feed(to->tls, memory, size) == 0);
    asyncio__tls_out_taken(from->tls, size);
}

static void step(struct side sides[2], uint8_t what, uint8_t how, const uint8_t *rest, size_t n_rest)
{
    struct side *self = &sides[what & 1], *other = &sides[!(what & 1)];
    size_t amount = (size_t)how << ((what >> 1) & 7);

    switch (what >> 4) {
    case 0:
        pass(self, other, amount, how);
        break;
    case 1:
        CHECK(asyncio__tls_feed(self->tls, rest, min_size(n_rest, how)) == 0);
        break;
    case 2:
        asyncio__tls_feed_eof(self->tls);
        break;
    case 3:
        asyncio__tls_shutdown(self->tls);
        self->has_announced |= self->is_open;
        break;
    case 4:
    case 5:
        if (self->is_open && !self->is_broken && !self->has_announced)
            say(self, amount);
        break;
    case 6:
    case 7:
        if (self->is_open)
            hear(self, other, amount);
        break;
    default:
        pass(self, other, what & 8 ? SIZE_MAX : amount, 0);
        if (!other->is_open && !other->is_broken)
            shake(other);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct side sides[2] = {{.tls = NULL}};

    if (!serving)
        make_contexts();
    CHECK(asyncio__tls_new(&(const struct asyncio__tls_options){trusting, false, "a.test", NULL}, &sides[0].tls) == 0);
    CHECK(asyncio__tls_new(&(const struct asyncio__tls_options){serving, true, NULL, NULL}, &sides[1].tls) == 0);
    shake(&sides[0]);
    for (size_t i = 0; i + 2 <= size && i < 400; i += 2)
        step(sides, data[i], data[i + 1], data + i + 2, size - i - 2);
    asyncio__tls_free(sides[0].tls);
    asyncio__tls_free(sides[1].tls);
    return 0;
}
