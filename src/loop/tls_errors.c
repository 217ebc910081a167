/* tls_errors.c -- what OpenSSL refuses, in our errors and in words that say what to do. */
#include "tls_context.h"

#if ASYNCIO__HAVE_OPENSSL

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

/* Reasons from here on are alerts that the peer has sent. */
#define FIRST_ALERT 1000

static const struct {
    int reason;
    const char *text;
} sentences[] = {
    {SSL_R_NO_SHARED_CIPHER, "no cipher suite that both sides have"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "no version of TLS that both sides have"},
    {SSL_R_UNSUPPORTED_SSL_VERSION, "no version of TLS that both sides have"},
    {SSL_R_VERSION_TOO_LOW, "no version of TLS that both sides have"},
    {SSL_R_WRONG_VERSION_NUMBER, "the peer does not speak TLS here"},
    {SSL_R_HTTP_REQUEST, "the peer speaks HTTP without TLS here"},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the client has shown no certificate, though it has to"},
    {SSL_R_NO_CERTIFICATE_SET, "the server has no certificate: load_cert_chain gives it one"},
};

/* True for what comes of memory that is missing. */
static bool is_shortage(unsigned long error)
{
    return ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
}

/* What "tlsv13 alert certificate required" is about. */
static const char *name_of_alert(const char *text)
{
    const char *space = strchr(text, ' ');

    if (!space)
        return text;
    return strncmp(space, " alert ", 7) == 0 ? space + 7 : space + 1;
}

int asyncio__tls_take_error(const char *what, char ret_detail[ASYNCIO__TLS_DETAIL_SIZE])
{
    unsigned long error = ERR_peek_last_error();
    int reason = ERR_GET_REASON(error), r = is_shortage(error) ? -ENOMEM : -ASYNCIO_ESSL;
    bool is_of_ssl = ERR_GET_LIB(error) == ERR_LIB_SSL;
    const char *text = ERR_reason_error_string(error);
    bool is_alert = text && is_of_ssl && reason >= FIRST_ALERT;

    for (size_t i = 0; i < ARRAY_SIZE(sentences) && is_of_ssl; i++)
        if (sentences[i].reason == reason)
            text = sentences[i].text;
    if (is_alert)
        snprintf(ret_detail, ASYNCIO__TLS_DETAIL_SIZE, "the peer refused: %s", name_of_alert(text));
    else
        snprintf(ret_detail, ASYNCIO__TLS_DETAIL_SIZE, "%s%s%s", what ? what : "", what ? ": " : "",
                 text ? text : "an error without a reason");
    ERR_clear_error();
    return r;
}

int asyncio__tls_verify_error(int error)
{
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return -ASYNCIO_ECERT_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return -ASYNCIO_ECERT_NOT_YET_VALID;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return -ASYNCIO_ECERT_HOSTNAME;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return -ASYNCIO_ECERT_SELF_SIGNED;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
        return -ASYNCIO_ECERT_UNKNOWN_CA;
    case X509_V_ERR_CERT_REVOKED:
        return -ASYNCIO_ECERT_REVOKED;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
        return -ASYNCIO_ECERT_WEAK;
    case X509_V_ERR_OUT_OF_MEM:
        return -ENOMEM;
    default:
        return -ASYNCIO_ECERT;
    }
}

/* Who a certificate is about: its first name, else its common name. */
static void name_certificate(X509 *certificate, char *text, size_t size)
{
    STACK_OF(GENERAL_NAME) *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    const GENERAL_NAME *first = names ? sk_GENERAL_NAME_value(names, 0) : NULL;

    if (first && first->type == GEN_DNS)
        snprintf(text, size, "%.*s", ASN1_STRING_length(first->d.dNSName),
                 (const char *)ASN1_STRING_get0_data(first->d.dNSName));
    else if (X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text, (int)size) < 0)
        snprintf(text, size, "?");
    GENERAL_NAMES_free(names);
    for (char *c = text; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
}

static void write_date(const ASN1_TIME *date, char text[32])
{
    struct tm tm;

    if (ASN1_TIME_to_tm(date, &tm))
        strftime(text, 32, "%Y-%m-%d", &tm);
    else
        snprintf(text, 32, "?");
}

void asyncio__tls_describe_certificate(X509 *certificate, int error, const char *host,
                                       char ret_detail[ASYNCIO__TLS_DETAIL_SIZE])
{
    char name[64] = "?", issuer[64] = "?", date[32];

    if (certificate) {
        name_certificate(certificate, name, sizeof name);
        X509_NAME_get_text_by_NID(X509_get_issuer_name(certificate), NID_commonName, issuer, sizeof issuer);
    }
    switch (certificate ? asyncio__tls_verify_error(error) : 0) {
    case -ASYNCIO_ECERT_EXPIRED:
        write_date(X509_get0_notAfter(certificate), date);
        snprintf(ret_detail, ASYNCIO__TLS_DETAIL_SIZE, "certificate of '%s' expired on %s", name, date);
        break;
    case -ASYNCIO_ECERT_NOT_YET_VALID:
        write_date(X509_get0_notBefore(certificate), date);
        snprintf(ret_detail, ASYNCIO__TLS_DETAIL_SIZE, "certificate of '%s' is not valid before %s", name, date);
        break;
    case -ASYNCIO_ECERT_HOSTNAME:
        snprintf(ret_detail, ASYNCIO__TLS_DETAIL_SIZE, "certificate is of '%s', not of '%.64s'", name,
                 host ? host : "?");
        break;
    case -ASYNCIO_ECERT_SELF_SIGNED:
        snprintf(ret_detail, ASYNCIO__TLS_DETAIL_SIZE, "certificate of '%s' is signed by nobody but itself", name);
        break;
    case -ASYNCIO_ECERT_UNKNOWN_CA:
        snprintf(ret_detail, ASYNCIO__TLS_DETAIL_SIZE, "certificate of '%s' is signed by '%s', which is not trusted",
                 name, issuer);
        break;
    case -ASYNCIO_ECERT_REVOKED:
        snprintf(ret_detail, ASYNCIO__TLS_DETAIL_SIZE, "certificate of '%s' has been revoked by '%s'", name, issuer);
        break;
    case -ASYNCIO_ECERT_WEAK:
        snprintf(ret_detail, ASYNCIO__TLS_DETAIL_SIZE, "certificate of '%s': %s", name,
                 X509_verify_cert_error_string(error));
        break;
    default:
        snprintf(ret_detail, ASYNCIO__TLS_DETAIL_SIZE, "certificate of '%s': %s", name,
                 X509_verify_cert_error_string(error));
    }
}

#endif
