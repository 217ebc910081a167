/* tls_certificates.c -- the peer's certificate, as one piece of memory. */
#include "tls_context.h"

#include "../base/mem.h"

#if ASYNCIO__HAVE_OPENSSL

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

static void print_name(BIO *bio, X509_NAME *name)
{
    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
}

/* Whatever a stranger has put there is shown as text. */
static void print_text(BIO *bio, const char *kind, const ASN1_STRING *string)
{
    const unsigned char *data = ASN1_STRING_get0_data(string);

    BIO_puts(bio, kind);
    for (int i = 0; i < ASN1_STRING_length(string); i++)
        BIO_printf(bio, "%c", data[i] > ' ' && data[i] <= '~' ? data[i] : '?');
}

static void print_general_name(BIO *bio, const GENERAL_NAME *name)
{
    char text[64] = "?";
    int size;

    switch (name->type) {
    case GEN_DNS:
        print_text(bio, "DNS:", name->d.dNSName);
        break;
    case GEN_EMAIL:
        print_text(bio, "email:", name->d.rfc822Name);
        break;
    case GEN_URI:
        print_text(bio, "URI:", name->d.uniformResourceIdentifier);
        break;
    case GEN_IPADD:
        size = ASN1_STRING_length(name->d.iPAddress);
        if (size == 4 || size == 16)
            inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress), text, sizeof text);
        BIO_printf(bio, "IP:%s", text);
        break;
    default:
        BIO_puts(bio, "other");
    }
}

static int64_t seconds_of(const ASN1_TIME *time)
{
    struct tm tm;

    return ASN1_TIME_to_tm(time, &tm) ? (int64_t)timegm(&tm) : 0;
}

/* The texts, one behind the other, each with NUL: subject, issuer, common name, serial number, fingerprint, names. */
enum { SUBJECT, ISSUER, COMMON_NAME, SERIAL, FINGERPRINT, FIXED };

static bool print_all(X509 *certificate, BIO *bio, const GENERAL_NAMES *names)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char common_name[256];
    unsigned size;
    BIGNUM *number;
    char *hexadecimal;

    print_name(bio, X509_get_subject_name(certificate));
    BIO_write(bio, "", 1);
    print_name(bio, X509_get_issuer_name(certificate));
    BIO_write(bio, "", 1);
    if (X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, common_name,
                                  sizeof common_name) >= 0)
        BIO_puts(bio, common_name);
    BIO_write(bio, "", 1);
    number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    hexadecimal = number ? BN_bn2hex(number) : NULL;
    BN_free(number);
    if (!hexadecimal)
        return false;
    BIO_puts(bio, hexadecimal);
    OPENSSL_free(hexadecimal);
    BIO_write(bio, "", 1);
    if (!X509_digest(certificate, EVP_sha256(), digest, &size))
        return false;
    for (unsigned i = 0; i < size; i++)
        BIO_printf(bio, "%02x", digest[i]);
    BIO_write(bio, "", 1);
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
        print_general_name(bio, sk_GENERAL_NAME_value(names, i));
        BIO_write(bio, "", 1);
    }
    return true;
}

/* Packs certificate, list of names, texts and DER into one piece. Returns: NULL when out of memory. */
static struct asyncio_ssl_certificate *pack(X509 *certificate, BIO *bio, size_t n_names)
{
    struct asyncio_ssl_certificate *packed;
    const char *texts[FIXED], **list;
    char *source, *at;
    long text_size = BIO_get_mem_data(bio, &source);
    int der_size = i2d_X509(certificate, NULL);
    unsigned char *der;
    size_t list_size = (n_names + 1) * sizeof *list;

    if (der_size < 0 || text_size <= 0)
        return NULL;
    packed = asyncio__malloc(sizeof *packed + list_size + (size_t)text_size + (size_t)der_size);
    if (!packed)
        return NULL;
    list = (const char **)(packed + 1);
    at = (char *)(list + n_names + 1);
    memcpy(at, source, (size_t)text_size);
    der = (unsigned char *)at + text_size;
    for (size_t i = 0; i < FIXED + n_names; i++) {
        *(i < FIXED ? &texts[i] : &list[i - FIXED]) = at;
        at += strlen(at) + 1;
    }
    list[n_names] = NULL;
    *packed = (struct asyncio_ssl_certificate){
        .subject = texts[SUBJECT],
        .issuer = texts[ISSUER],
        .common_name = *texts[COMMON_NAME] ? texts[COMMON_NAME] : NULL,
        .subject_names = list,
        .serial_number = texts[SERIAL],
        .not_before = seconds_of(X509_get0_notBefore(certificate)),
        .not_after = seconds_of(X509_get0_notAfter(certificate)),
        .fingerprint = texts[FINGERPRINT],
        .der = der,
        .der_size = (size_t)der_size,
    };
    i2d_X509(certificate, &der);
    return packed;
}

int asyncio__tls_pack_certificate(X509 *certificate, struct asyncio_ssl_certificate **ret_certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    struct asyncio_ssl_certificate *packed = NULL;
    BIO *bio = BIO_new(BIO_s_mem());

    if (bio && print_all(certificate, bio, names))
        packed = pack(certificate, bio, names ? (size_t)sk_GENERAL_NAME_num(names) : 0);
    BIO_free(bio);
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    if (!packed)
        return -ENOMEM;
    *ret_certificate = packed;
    return 0;
}

#endif
