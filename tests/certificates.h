/* certificates.h -- certificates for tests, made when they are asked for, in a folder that goes with them:
 *
 *     struct certificates certificates;
 *
 *     certificates_init(&certificates);
 *     context = client_context(&certificates);
 *     asyncio_ssl_context_load_cert_chain(server, certificate(&certificates, "server"), NULL, NULL);
 *     certificates_fini(&certificates);
 *
 * Of names:
 *     ca           the authority, which no file of others has the key of; other_ca: another one
 *     server       of localhost, example.test, *.wild.test, 127.0.0.1 and ::1, by ca, with its key; server2: the same
 *     once more client       by ca, of a client called "client"
 *     expired, early, other_host, self_signed, stranger (by other_ca), revoked, weak (RSA of 1024 bits)
 *     crl          the authority's list of what is revoked; a certificate's file has its key in it */
#pragma once

#include "test.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CERTIFICATES_DAY (24L * 60 * 60)

struct certificates {
    char folder[32];
    EVP_PKEY *ca_key, *other_key;
    X509 *ca, *other_ca;
    int serial, turn;
};

__attribute__((unused)) static X509 *certificate_make(struct certificates *c, const char *name, const char *names,
                                                      EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, long from_days,
                                                      long to_days, bool is_authority)
{
    X509 *x = X509_new();
    X509_NAME *who = X509_get_subject_name(x);
    X509V3_CTX context;
    const char *const extensions[][2] = {
        {"basicConstraints", is_authority ? "critical,CA:TRUE" : "CA:FALSE"},
        {"subjectAltName", names},
        {"keyUsage", is_authority ? "critical,keyCertSign,cRLSign" : NULL},
        {"subjectKeyIdentifier", "hash"},
        {"authorityKeyIdentifier", issuer ? "keyid" : NULL},
    };

    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++c->serial);
    X509_gmtime_adj(X509_getm_notBefore(x), from_days * CERTIFICATES_DAY);
    X509_gmtime_adj(X509_getm_notAfter(x), to_days * CERTIFICATES_DAY);
    X509_NAME_add_entry_by_txt(who, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_pubkey(x, key);
    X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : who);
    X509V3_set_ctx(&context, issuer ? issuer : x, x, NULL, NULL, 0);
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
        X509_EXTENSION *extension =
            extensions[i][1] ? X509V3_EXT_conf(NULL, &context, extensions[i][0], extensions[i][1]) : NULL;

        if (extension)
            X509_add_ext(x, extension, -1);
        X509_EXTENSION_free(extension);
    }
    EXPECT(X509_sign(x, issuer_key, EVP_sha256()) > 0);
    return x;
}

__attribute__((unused)) static void certificates_init(struct certificates *c)
{
    *c = (struct certificates){.folder = "/tmp/asyncio-tls-XXXXXX"};
    EXPECT(mkdtemp(c->folder) != NULL);
    c->ca_key = EVP_EC_gen("P-256");
    c->other_key = EVP_EC_gen("P-256");
    c->ca = certificate_make(c, "Test Authority", NULL, c->ca_key, NULL, c->ca_key, -1, 100, true);
    c->other_ca = certificate_make(c, "Other Authority", NULL, c->other_key, NULL, c->other_key, -1, 100, true);
}

/* Writes the list of what is revoked: the certificate with that number, or none. */
__attribute__((unused)) static void certificates_write_crl(struct certificates *c, const char *path, int serial)
{
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, -CERTIFICATES_DAY), *then = X509_gmtime_adj(NULL, CERTIFICATES_DAY);
    FILE *file = fopen(path, "we");

    X509_CRL_set_version(list, 1);
    X509_CRL_set_issuer_name(list, X509_get_subject_name(c->ca));
    X509_CRL_set1_lastUpdate(list, now);
    X509_CRL_set1_nextUpdate(list, then);
    if (serial > 0) {
        X509_REVOKED *entry = X509_REVOKED_new();
        ASN1_INTEGER *number = ASN1_INTEGER_new();

        ASN1_INTEGER_set(number, serial);
        X509_REVOKED_set_serialNumber(entry, number);
        X509_REVOKED_set_revocationDate(entry, now);
        X509_CRL_add0_revoked(list, entry);
        ASN1_INTEGER_free(number);
    }
    X509_CRL_sort(list);
    EXPECT(X509_CRL_sign(list, c->ca_key, EVP_sha256()) > 0);
    EXPECT(file && PEM_write_X509_CRL(file, list));
    fclose(file);
    ASN1_TIME_free(now);
    ASN1_TIME_free(then);
    X509_CRL_free(list);
}

/* The number that "revoked" has, whenever it is made. */
#define CERTIFICATES_REVOKED 1000

/* Writes what is called so. */
__attribute__((unused)) static void certificates_write(struct certificates *c, const char *name, const char *path)
{
    static const char names[] = "DNS:localhost,DNS:example.test,DNS:*.wild.test,IP:127.0.0.1,IP:::1";
    bool is_stranger = strcmp(name, "stranger") == 0, is_self = strcmp(name, "self_signed") == 0;
    bool is_early = strcmp(name, "early") == 0, is_expired = strcmp(name, "expired") == 0;
    const char *who = strcmp(name, "client") == 0 ? "client" : "localhost";
    EVP_PKEY *key = strcmp(name, "weak") == 0 ? EVP_RSA_gen(1024) : EVP_EC_gen("P-256");
    X509 *issuer = is_self ? NULL : is_stranger ? c->other_ca : c->ca;
    EVP_PKEY *issuer_key = is_self ? key : is_stranger ? c->other_key : c->ca_key;
    int serial = c->serial;
    FILE *file = fopen(path, "we");
    X509 *x;

    if (strcmp(name, "revoked") == 0)
        c->serial = CERTIFICATES_REVOKED - 1;
    x = certificate_make(c, who, strcmp(name, "other_host") == 0 ? "DNS:elsewhere.test" : names, key, issuer,
                         issuer_key, is_early ? 10 : -10, is_expired ? -1 : 50, false);
    if (c->serial == CERTIFICATES_REVOKED)
        c->serial = serial;
    EXPECT(file && PEM_write_X509(file, x) && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
    fclose(file);
    X509_free(x);
    EVP_PKEY_free(key);
}

/* The path of the file that is called so; valid for some calls. */
__attribute__((unused)) static const char *certificate(struct certificates *c, const char *name)
{
    static char paths[8][96];
    char *path = paths[c->turn++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s.pem", c->folder, name);
    if (access(path, F_OK) == 0)
        return path;
    if (strcmp(name, "crl") == 0) {
        certificates_write_crl(c, path, CERTIFICATES_REVOKED);
    } else if (strcmp(name, "ca") == 0 || strcmp(name, "other_ca") == 0) {
        FILE *file = fopen(path, "we");

        EXPECT(file && PEM_write_X509(file, *name == 'c' ? c->ca : c->other_ca));
        fclose(file);
    } else {
        certificates_write(c, name, path);
    }
    ERR_clear_error();
    return path;
}

__attribute__((unused)) static void certificates_fini(struct certificates *c)
{
    static const char *const all[] = {"ca",         "other_ca",    "server",   "server2", "client", "expired", "early",
                                      "other_host", "self_signed", "stranger", "revoked", "weak",   "crl"};
    char path[96];

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        snprintf(path, sizeof path, "%s/%s.pem", c->folder, all[i]);
        unlink(path);
    }
    rmdir(c->folder);
    X509_free(c->ca);
    X509_free(c->other_ca);
    EVP_PKEY_free(c->ca_key);
    EVP_PKEY_free(c->other_key);
}

/* A context of clients that trusts the authority. */
__attribute__((unused)) static struct asyncio_ssl_context *client_context(struct certificates *c)
{
    struct asyncio_ssl_context *context = NULL;

    EXPECT_INT(asyncio_ssl_create_default_context(&context, ASYNCIO_SSL_SERVER_AUTH, .cafile = certificate(c, "ca")),
               0);
    return context;
}

/* A context of servers with the certificate that is called so. */
__attribute__((unused)) static struct asyncio_ssl_context *server_context(struct certificates *c, const char *name)
{
    struct asyncio_ssl_context *context = NULL;

    EXPECT_INT(asyncio_ssl_create_default_context(&context, ASYNCIO_SSL_CLIENT_AUTH), 0);
    EXPECT_INT(asyncio_ssl_context_load_cert_chain(context, certificate(c, name), NULL, NULL), 0);
    return context;
}
