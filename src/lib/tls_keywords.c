#include "tls_keywords.h"

#include "../loop/loop.h"

#define HANDSHAKE_NS (60 * NS_PER_SEC)
#define SHUTDOWN_NS  (30 * NS_PER_SEC)
#define CLOSE_NS     (30 * NS_PER_SEC)

/* A span of time, or what it is when it is absent. Returns: 0; -EINVAL. */
static int read_span(double seconds, int64_t absent_ns, int64_t *ret_ns)
{
    if (seconds < 0)
        return -EINVAL;
    *ret_ns = absent_ns;
    return seconds == 0 ? 0 : asyncio__ns_from_seconds(seconds, ret_ns);
}

int asyncio__close_ns_of(double close_timeout, int64_t *ret_ns)
{
    *ret_ns = CLOSE_NS;
    return close_timeout == 0 ? 0 : asyncio__ns_from_seconds(close_timeout, ret_ns);
}

static int read_times(double handshake, double shutdown, struct asyncio__conn_tls *tls)
{
    int r = read_span(handshake, HANDSHAKE_NS, &tls->handshake_ns);

    return r < 0 ? r : read_span(shutdown, SHUTDOWN_NS, &tls->shutdown_ns);
}

/* A context, or the running loop's own, which trusts whom the machine trusted when it was first needed: reading that
 * costs milliseconds. Returns: 0; as asyncio_ssl_create_default_context. */
static int find_context(struct asyncio_ssl_context *context, struct asyncio_ssl_context **ret_context)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    int r = 0;

    *ret_context = context;
    if (context != ASYNCIO_SSL_DEFAULT)
        return 0;
    if (!loop)
        return -ASYNCIO_ENOLOOP;
    if (!loop->ssl_default) {
        loop->unref_ssl_default = asyncio_ssl_context_unref;
        r = asyncio_ssl_create_default_context(&loop->ssl_default, ASYNCIO_SSL_SERVER_AUTH);
    }
    *ret_context = loop->ssl_default;
    return r;
}

int asyncio__tls_of_connection(const struct asyncio_connection_kw *kw, const char *host,
                               struct asyncio__conn_tls *ret_tls)
{
    bool has_more =
        kw->server_hostname || kw->ssl_session || kw->ssl_handshake_timeout != 0 || kw->ssl_shutdown_timeout != 0;
    const char *name = kw->server_hostname ? kw->server_hostname : host;
    int r;

    *ret_tls = (struct asyncio__conn_tls){.handshake_ns = 0};
    if (!kw->ssl)
        return has_more ? -EINVAL : 0;
    if (!name)
        return -EINVAL;
    ret_tls->options = (struct asyncio__tls_options){
        .server_hostname = *name ? name : NULL,
        .session = kw->ssl_session,
    };
    r = find_context(kw->ssl, &ret_tls->options.context);
    return r < 0 ? r : read_times(kw->ssl_handshake_timeout, kw->ssl_shutdown_timeout, ret_tls);
}

/* The server's side of a connection. */
static int read_accepted(struct asyncio_ssl_context *context, double handshake, double shutdown,
                         struct asyncio__conn_tls *ret_tls)
{
    *ret_tls = (struct asyncio__conn_tls){.options = {.context = context, .server_side = true}};
    /* The default context is one of clients. */
    if (context == ASYNCIO_SSL_DEFAULT || (!context && (handshake != 0 || shutdown != 0)))
        return -EINVAL;
    return read_times(handshake, shutdown, ret_tls);
}

int asyncio__tls_of_server(const struct asyncio_server_kw *kw, struct asyncio__conn_tls *ret_tls)
{
    return read_accepted(kw->ssl, kw->ssl_handshake_timeout, kw->ssl_shutdown_timeout, ret_tls);
}

int asyncio__tls_of_accepted(const struct asyncio_accepted_kw *kw, struct asyncio__conn_tls *ret_tls)
{
    return read_accepted(kw->ssl, kw->ssl_handshake_timeout, kw->ssl_shutdown_timeout, ret_tls);
}

int asyncio__tls_of_start(const struct asyncio_start_tls_kw *kw, struct asyncio_ssl_context *context,
                          struct asyncio__conn_tls *ret_tls)
{
    const char *name = kw ? kw->server_hostname : NULL;
    int r;

    *ret_tls = (struct asyncio__conn_tls){.options = {
                                              .server_side = kw && kw->server_side,
                                              .server_hostname = name && *name ? name : NULL,
                                              .session = kw ? kw->ssl_session : NULL,
                                          }};
    r = find_context(context, &ret_tls->options.context);
    return r < 0 ? r : read_times(kw ? kw->ssl_handshake_timeout : 0, kw ? kw->ssl_shutdown_timeout : 0, ret_tls);
}
