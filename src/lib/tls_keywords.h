/* tls_keywords.h -- the keywords of TLS that connections and servers have in common. */
#pragma once

#include "../loop/conn.h"
#include "lib.h"

/* Reads them. `host`: whom a connection is for, unless the keywords name another; NULL: nobody. Nothing of it is
 * counted or copied. `ret_tls->options.context` is NULL without TLS. Returns: 0; -EINVAL for keywords of TLS without
 * .ssl, without a name to check, and for times that are no spans. */
int asyncio__tls_of_connection(const struct asyncio_connection_kw *kw, const char *host,
                               struct asyncio__conn_tls *ret_tls);
int asyncio__tls_of_server(const struct asyncio_server_kw *kw, struct asyncio__conn_tls *ret_tls);
int asyncio__tls_of_accepted(const struct asyncio_accepted_kw *kw, struct asyncio__conn_tls *ret_tls);
int asyncio__tls_of_start(const struct asyncio_start_tls_kw *kw, struct asyncio_ssl_context *context,
                          struct asyncio__conn_tls *ret_tls);

/* The time that a connection has to flush in: of the keyword .close_timeout. Returns: 0; -EINVAL. */
int asyncio__close_ns_of(double close_timeout, int64_t *ret_ns);
