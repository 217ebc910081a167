/* servers_rig.h -- a server under test, its clients, and what serves them. */
#pragma once

#include "crew.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CALLERS 300

static struct asyncio_server *server;

/* Clients: bare sockets, so that nothing but the server is about streams. */
static struct asyncio_socket *callers[MAX_CALLERS];
static int n_callers;

/* A text as an argument or a context variable's value. */
static inline void *word(const char *text)
{
    return (void *)(intptr_t)text;
}

/* An abstract path that only this process has. */
static inline const char *a_path(void)
{
    static char path[64];

    snprintf(path, sizeof path, "@servers-%d", (int)getpid());
    return path;
}

/* Connects to the server's first socket. Returns: 0, and the client; a negative error. */
static inline int try_to_call(struct asyncio_socket **ret_caller)
{
    struct asyncio_address address = {.size = 0};
    struct asyncio_socket *socket = NULL;
    int r = asyncio_server_sockname(server, 0, &address);

    if (r == 0)
        r = asyncio_socket(asyncio_address_family(&address), SOCK_STREAM, 0, &socket);
    if (r == 0)
        r = asyncio_sock_connect(socket, &address);
    if (r < 0 || n_callers == MAX_CALLERS) {
        asyncio_socket_unref(socket);
        return r < 0 ? r : -EMFILE;
    }
    *ret_caller = callers[n_callers++] = socket;
    return 0;
}

/* The same, which has to succeed; NULL when a fault has come in between. */
static inline struct asyncio_socket *call_in(void)
{
    struct asyncio_socket *caller = NULL;

    EXPECT_INT(try_to_call(&caller), 0);
    return caller;
}

/* The next n bytes that a caller hears, or what comes in their place: "the end", an error. Where a fault has spoilt the
 * story they may never come, so it does not wait for ever. Valid until the next call. */
static inline const char *hear(struct asyncio_socket *caller, size_t n)
{
    static char text[64];
    struct asyncio_timeout timeout;
    size_t length = 0;
    ssize_t r = caller ? asyncio_timeout_enter(&timeout, 1000) : -EBADF;

    if (r == 0) {
        for (r = 1; r > 0 && length < n && length<sizeof text - 1; length += r> 0 ? (size_t)r : 0)
            r = asyncio_sock_recv(caller, text + length, n - length);
        r = asyncio_timeout_exit(&timeout, (int)r);
    }
    text[length] = 0;
    if (length > 0)
        return text;
    return r < 0 ? said(r) : "the end";
}

/* Says something and returns what is said back. */
static inline const char *echo_of(struct asyncio_socket *caller, const char *text)
{
    int r = caller ? asyncio_sock_sendall(caller, text, strlen(text)) : -EBADF;

    EXPECT_INT(r, 0);
    return r < 0 ? said(r) : hear(caller, strlen(text));
}

/* The whole of what a caller hears until the end. */
static inline const char *hear_all(struct asyncio_socket *caller)
{
    static char all[256];
    size_t length = 0;
    ssize_t n = caller ? 1 : -EBADF;

    while (n > 0 && length < sizeof all - 1) {
        n = asyncio_sock_recv(caller, all + length, sizeof all - 1 - length);
        length += n > 0 ? (size_t)n : 0;
    }
    all[length] = 0;
    return n < 0 ? said(n) : all;
}

static inline void hang_up(struct asyncio_socket *caller)
{
    for (int i = 0; i < n_callers; i++)
        if (callers[i] == caller) {
            asyncio_socket_unref(caller);
            memmove(&callers[i], &callers[i + 1], (size_t)(--n_callers - i) * sizeof callers[0]);
            return;
        }
}

/* Ends everything, also after a fault. */
static inline void end_server(void)
{
    while (n_callers > 0)
        asyncio_socket_unref(callers[--n_callers]);
    server = asyncio_server_unref(server);
}

/* ------------------------------------------------------------------------------------------------------- Handlers */

static int n_served;

/* Sends back what it gets, to the end. */
static inline int echo(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char buffer[64];
    ssize_t n;
    int r = 0;

    (void)arg;
    while (r == 0 && (n = asyncio_streamreader_read(reader, buffer, sizeof buffer)) != 0)
        r = n < 0 ? (int)n : asyncio_streamwriter_write(writer, buffer, (size_t)n);
    n_served++;
    return r == -ECONNRESET || r == -EPIPE ? 0 : r;
}

/* Says its name, when it begins and how its only read ends, which is when the client goes or it is cancelled. */
static inline int lingerer(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char byte;
    ssize_t n;

    (void)writer;
    (void)arg;
    trace("%s begins", me());
    n = asyncio_streamreader_read(reader, &byte, 1);
    trace("%s ends: %s", me(), said(n));
    return n < 0 ? (int)n : 0;
}

/* Says what is reported to the exception handler. */
static inline void report_error(struct asyncio_loop *loop, const struct asyncio_exception_context *context, void *arg)
{
    (void)loop;
    (void)arg;
    trace("reported: %s, %s%s%s", context->message, said(context->error), context->future ? ", of " : "",
          context->future ? asyncio_task_get_name(context->future) : "");
}

static inline void listen_for_reports(void)
{
    asyncio_loop_set_exception_handler(asyncio_get_running_loop(), report_error, NULL);
}

/* Lets things come to rest: operations of the simulator may take several turns. */
static inline void settle(void)
{
    ASYNCIO_IGNORE(asyncio_sleep(0.001));
}
