/* tls_contexts.c -- how long contexts and sessions live; lib/ssl_contexts.c has what is in them. */
#include "tls_context.h"

#include "../base/mem.h"

#if ASYNCIO__HAVE_OPENSSL

struct asyncio_ssl_context *asyncio_ssl_context_ref(struct asyncio_ssl_context *context)
{
    if (context)
        atomic_fetch_add(&context->refs, 1);
    return context;
}

struct asyncio_ssl_context *asyncio_ssl_context_unref(struct asyncio_ssl_context *context)
{
    if (context && atomic_fetch_sub(&context->refs, 1) == 1) {
        SSL_CTX_free(context->ctx);
        asyncio__free(context->alpn);
        asyncio__free(context);
    }
    return NULL;
}

struct asyncio_ssl_session *asyncio_ssl_session_ref(struct asyncio_ssl_session *session)
{
    if (session)
        session->refs++;
    return session;
}

struct asyncio_ssl_session *asyncio_ssl_session_unref(struct asyncio_ssl_session *session)
{
    if (session && --session->refs == 0) {
        SSL_SESSION_free(session->session);
        asyncio_ssl_context_unref(session->context);
        asyncio__free(session);
    }
    return NULL;
}

#else

struct asyncio_ssl_context *asyncio_ssl_context_ref(struct asyncio_ssl_context *context)
{
    return context;
}

struct asyncio_ssl_context *asyncio_ssl_context_unref(struct asyncio_ssl_context *context)
{
    (void)context;
    return NULL;
}

struct asyncio_ssl_session *asyncio_ssl_session_ref(struct asyncio_ssl_session *session)
{
    return session;
}

struct asyncio_ssl_session *asyncio_ssl_session_unref(struct asyncio_ssl_session *session)
{
    (void)session;
    return NULL;
}

#endif
