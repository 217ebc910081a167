/* tls_rig.h -- for tests of streams and servers with TLS: contexts that trust each other, the change to TLS on both
 * ends of a connection, and clients who talk TLS by hand, so that they can do it badly. */
#pragma once

#include "certificates.h"
#include "crew.h"
#include "loop/tls.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

static struct certificates certificates;
static struct asyncio_ssl_context *tls_server, *tls_client;

/* Makes the two, if they are not there. Returns: false when a fault has come in between. */
static inline bool have_contexts(void)
{
    if (!certificates.ca)
        certificates_init(&certificates);
    if (!tls_server)
        tls_server = server_context(&certificates, "server");
    if (!tls_client)
        tls_client = client_context(&certificates);
    return tls_server && tls_client;
}

static inline void drop_contexts(void)
{
    tls_server = asyncio_ssl_context_unref(tls_server);
    tls_client = asyncio_ssl_context_unref(tls_client);
    if (certificates.ca)
        certificates_fini(&certificates);
    certificates.ca = NULL;
}

/* ------------------------------------------------------------------------------------------------------- start_tls */

/* One end's change to TLS, in a task of its own. */
struct upgrade {
    struct asyncio_streamwriter *writer;
    bool is_server;
    int result;
};

static inline int upgrade(void *arg)
{
    struct upgrade *end = arg;

    end->result = end->is_server
                      ? asyncio_streamwriter_start_tls(end->writer, tls_server, .server_side = true)
                      : asyncio_streamwriter_start_tls(end->writer, tls_client, .server_hostname = "localhost");
    return end->result;
}

/* Changes both ends to TLS. Returns: 0; the error of either, and both are aborted, as the other one would wait. */
static inline int upgrade_both(struct asyncio_streamwriter *caller, struct asyncio_streamwriter *called)
{
    struct upgrade ends[] = {{caller, false, 0}, {called, true, 0}};
    struct asyncio_future *tasks[2];
    int r;

    for (int i = 0; i < 2; i++)
        tasks[i] = asyncio_create_task(upgrade, &ends[i]);
    r = asyncio_gather(tasks, 2, NULL);
    if (r < 0) {
        asyncio_streamwriter_abort(caller);
        asyncio_streamwriter_abort(called);
    }
    for (int i = 0; i < 2; i++) {
        ASYNCIO_IGNORE(asyncio_wait(&tasks[i], 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
        asyncio_future_unref(tasks[i]);
    }
    return r;
}

/* --------------------------------------------------------------------------------------------------------- By hand */

/* Somebody who talks TLS over a bare socket. */
struct speaker {
    struct asyncio_socket *socket;
    struct asyncio__tls *pump;
};

/* Takes the socket of somebody who is to be a client. Small pieces are not held back: the clock would not wait for
 * them. Returns: 0; a negative error. */
static inline int speak(struct speaker *speaker, struct asyncio_socket *socket)
{
    const struct asyncio__tls_options options = {.context = tls_client, .server_hostname = "localhost"};
    int on = 1, r = socket && tls_client ? 0 : -EBADF;

    *speaker = (struct speaker){.socket = socket};
    if (r == 0)
        r = asyncio_socket_setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return r < 0 ? r : asyncio__tls_new(&options, &speaker->pump);
}

static inline void fall_silent(struct speaker *speaker)
{
    asyncio__tls_free(speaker->pump);
    speaker->pump = NULL;
}

/* Sends what the pump has for the wire. Returns: 0; a negative error. */
static inline int say_pumped(struct speaker *speaker)
{
    const void *data;
    size_t size;
    int r = 0;

    while (r == 0 && (data = asyncio__tls_out(speaker->pump, &size)) && size > 0) {
        r = asyncio_sock_sendall(speaker->socket, data, size);
        asyncio__tls_out_taken(speaker->pump, size);
    }
    return r;
}

/* Feeds the pump with what comes. Returns: as asyncio_sock_recv. */
static inline ssize_t hear_more(struct speaker *speaker)
{
    char data[4000];
    ssize_t n = asyncio_sock_recv(speaker->socket, data, sizeof data);
    int r = n > 0 ? asyncio__tls_feed(speaker->pump, data, (size_t)n) : 0;

    return r < 0 ? r : n;
}

/* Does the handshake. Returns: 0; a negative error. */
static inline int shake_hands(struct speaker *speaker)
{
    int r, sent;

    do {
        r = speaker->pump ? asyncio__tls_handshake(speaker->pump) : -EBADF;
        sent = speaker->pump ? say_pumped(speaker) : 0;
        if (sent < 0)
            return sent;
    } while (r == -EAGAIN && hear_more(speaker) > 0);
    return r;
}

/* Says something encrypted. Returns: 0; a negative error. */
static inline int say_tls(struct speaker *speaker, const char *text)
{
    ssize_t n = speaker->pump ? asyncio__tls_write(speaker->pump, text, strlen(text)) : -EBADF;

    return n < 0 ? (int)n : say_pumped(speaker);
}

/* The next n bytes that come, or what comes in their place. Valid until the next call. */
static inline const char *hear_tls(struct speaker *speaker, size_t n)
{
    static char text[64];
    size_t length = 0;
    ssize_t r = speaker->pump ? 1 : -EBADF;

    while (r > 0 && length < n) {
        r = asyncio__tls_read(speaker->pump, text + length, n - length);
        length += r > 0 ? (size_t)r : 0;
        if (r == -EAGAIN)
            r = hear_more(speaker);
    }
    text[length] = '\0';
    if (length > 0)
        return text;
    return r < 0 ? said(r) : "the end";
}
