/* parity_tls.h -- what the programs with TLS share: contexts, and their certificates, made by Debian's openssl in a
 * folder that goes with the program. A certificate is its own authority: who trusts it trusts nobody else. */
#pragma once

#include "parity_protocols.h"

#include <assert.h>

#define COMMAND                                                                                               \
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -days 2"   \
    " -addext subjectAltName=DNS:localhost -addext keyUsage=critical,digitalSignature,keyCertSign -keyout %s" \
    " -out %s 2>/dev/null"

static char tls_folder[64];

/* Runs a command of the shell, which must succeed. */
static inline void must_run(const char *command)
{
    int status = system(command);

    assert(status == 0);
    (void)status;
}

static inline void remove_folder(void)
{
    char command[96];

    snprintf(command, sizeof command, "rm -r %s", tls_folder);
    must_run(command);
}

/* The files of a certificate of localhost and of its key. Valid until the next call. */
static inline const char *certificate(const char *name, const char **ret_key)
{
    static char pem[96], key[96];
    char command[512];

    if (!tls_folder[0]) {
        snprintf(tls_folder, sizeof tls_folder, "/tmp/asyncio-parity-XXXXXX");
        if (!mkdtemp(tls_folder))
            abort();
        atexit(remove_folder);
    }
    snprintf(pem, sizeof pem, "%s/%s.pem", tls_folder, name);
    snprintf(key, sizeof key, "%s/%s.key", tls_folder, name);
    if (access(pem, F_OK) < 0) {
        snprintf(command, sizeof command, COMMAND, key, pem);
        must_run(command);
    }
    if (ret_key)
        *ret_key = key;
    return pem;
}

/* Contexts; NULL when something has failed. */
static inline struct asyncio_ssl_context *server_context(const char *name)
{
    struct asyncio_ssl_context *context = NULL;
    const char *key, *pem = certificate(name, &key);

    if (asyncio_ssl_create_default_context(&context, ASYNCIO_SSL_CLIENT_AUTH) == 0 &&
        asyncio_ssl_context_load_cert_chain(context, pem, key, NULL) == 0)
        return context;
    return asyncio_ssl_context_unref(context);
}

/* One that trusts that certificate. */
static inline struct asyncio_ssl_context *client_context(const char *name)
{
    struct asyncio_ssl_context *context = NULL;

    ASYNCIO_IGNORE(
        asyncio_ssl_create_default_context(&context, ASYNCIO_SSL_SERVER_AUTH, .cafile = certificate(name, NULL)));
    return context;
}

/* What became of a handshake. */
static inline const char *tls_outcome(int r)
{
    switch (r) {
    case -ASYNCIO_ECERT_SELF_SIGNED:
        return "self-signed";
    case -ASYNCIO_ECERT_HOSTNAME:
        return "another host";
    default:
        return r < 0 ? outcome(r) : "done";
    }
}
