/* tls.h -- TLS as a pump of bytes: those of the wire go in and out on one side, plain ones on the other. It knows no
 * socket, no loop and no clock; conn_tls.c drives it for connections. Stands on OpenSSL and its memory BIOs.
 *
 * Invariants:
 *   - nothing here waits or makes a system call but to load files into a context;
 *   - after any call there may be bytes for the wire, which go out before the next plain ones come in;
 *   - after a negative result but -EAGAIN the pump is of no use any more, except for its last words to the wire;
 *   - OpenSSL's queue of errors is empty before and after each call;
 *   - keys and plain bytes that are freed are wiped first. */
#pragma once

#include "../base/base.h"

#include <asyncio.h>

struct asyncio__tls;

struct asyncio__tls_options {
    struct asyncio_ssl_context *context; /* borrowed; the pump takes what it needs of it */
    bool server_side;
    const char *server_hostname;         /* clients: to ask for and to check; NULL: neither */
    struct asyncio_ssl_session *session; /* clients: to be resumed; NULL: none */
};

/* Makes a pump. Returns: 0; -EINVAL without a host name where it is to be checked, or for a bad one; -ENOMEM; -ENOTSUP
 * without OpenSSL. */
int asyncio__tls_new(const struct asyncio__tls_options *options, struct asyncio__tls **ret_tls);

/* Frees it; NULL is allowed. */
void asyncio__tls_free(struct asyncio__tls *tls);

/* Gives it bytes from the wire, which are copied. Returns: 0; -ENOMEM, and none was taken. */
int asyncio__tls_feed(struct asyncio__tls *tls, const void *data, size_t size);

/* Tells it that the wire brings no more. */
void asyncio__tls_feed_eof(struct asyncio__tls *tls);

/* How many bytes from the wire it has not looked at yet, and how many plain ones it could give at once at least. */
size_t asyncio__tls_fed(const struct asyncio__tls *tls);

/* Goes on with the handshake. Returns: 0 when it is over; -EAGAIN when it needs more from the wire; -ECONNRESET when
 * the wire has ended; -ASYNCIO_ESSL; -ASYNCIO_ECERT_...; -ENOMEM. */
int asyncio__tls_handshake(struct asyncio__tls *tls);

/* Takes plain bytes; at any time between the handshake and the shutdown. Returns: how many, more than 0, at most 16 KiB
 * of them; -EAGAIN when it needs something from the wire first; an error, as asyncio__tls_handshake. */
ssize_t asyncio__tls_write(struct asyncio__tls *tls, const void *data, size_t size);

/* Gives plain bytes; after the handshake, also after a shutdown. Returns: how many; 0 at the end that the peer has
 * announced, or at any with OP_IGNORE_UNEXPECTED_EOF; -EAGAIN; -ASYNCIO_ESSLEOF when the wire has ended without the
 * announcement; an error, as asyncio__tls_handshake. */
ssize_t asyncio__tls_read(struct asyncio__tls *tls, void *data, size_t size);

/* Announces one's own end. Harmless when repeated or before the handshake is over. */
void asyncio__tls_shutdown(struct asyncio__tls *tls);

/* True when the peer has announced its end. */
bool asyncio__tls_peer_has_ended(const struct asyncio__tls *tls);

/* The bytes that the wire is to have next; NULL and 0: none. Valid until the next call on the pump. */
const void *asyncio__tls_out(const struct asyncio__tls *tls, size_t *ret_size);

/* Tells that the wire has the first `size` of them. */
void asyncio__tls_out_taken(struct asyncio__tls *tls, size_t size);

/* What there is to say about the last error: whose certificate, which alert; "" when there is nothing. Borrowed. */
const char *asyncio__tls_detail(const struct asyncio__tls *tls);

/* What was agreed on; valid after the handshake. */
void asyncio__tls_info(const struct asyncio__tls *tls, struct asyncio_ssl_info *ret_info);

/* The peer's certificate, in one piece for asyncio_free. Returns: 0; -ENOENT when it has shown none; -ENOMEM. */
int asyncio__tls_peercert(const struct asyncio__tls *tls, struct asyncio_ssl_certificate **ret_certificate);

/* Clients: what resumes this session later. Returns: 0, and one reference; -ENOENT when the server has not given
 * one (yet); -ENOMEM. */
int asyncio__tls_session(const struct asyncio__tls *tls, struct asyncio_ssl_session **ret_session);
