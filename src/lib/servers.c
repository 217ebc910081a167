/* servers.c -- the life of a server: made, serving, closed, waited for.
 *
 * A server is held by its users' references, by its acceptor until that has closed, by each client and by each call
 * that waits on it; the last users' reference closes it, the last hold frees it. It does not hold its loop: once that
 * is closed, acceptor and clients are gone, and nothing here looks at it any more. */
#include "servers.h"

#include "../base/context.h"
#include "../base/mem.h"
#include "../task/task.h"
#include "sockets.h"
#include "tls_keywords.h"

#include <math.h>
#include <sys/socket.h>

#define DEFAULT_BACKLOG       100
#define DEFAULT_CLOSE_TIMEOUT 30.0

/* --------------------------------------------------------------------------------------------------------- Lifetime */

static void free_if_unused(struct asyncio_server *server)
{
    if (server->refs > 0 || server->holds > 0)
        return;
    asyncio__server_sockets_fini(&server->sockets);
    asyncio_context_unref(server->context);
    asyncio_ssl_context_unref(server->tls.options.context);
    asyncio__free(server);
}

void asyncio__server_drop(struct asyncio_server *server)
{
    server->holds--;
    free_if_unused(server);
}

static bool is_over(const struct asyncio_server *server)
{
    return server->is_ended && server->n_clients == 0;
}

void asyncio__server_tell_waiters(struct asyncio_server *server)
{
    asyncio__wake_all(&server->watchers, 0);
    if (is_over(server))
        asyncio__wake_all(&server->closers, 0);
}

struct asyncio_server *asyncio_server_ref(struct asyncio_server *server)
{
    if (server)
        server->refs++;
    return server;
}

struct asyncio_server *asyncio_server_unref(struct asyncio_server *server)
{
    if (!server || --server->refs > 0)
        return NULL;
    asyncio__server_hold(server);
    asyncio_server_close(server);
    asyncio__server_drop(server);
    return NULL;
}

/* --------------------------------------------------------------------------------------------------------- Starting */

static void acceptor_closed(struct asyncio__acceptor *acceptor)
{
    struct asyncio_server *server = CONTAINER_OF(acceptor, struct asyncio_server, acceptor);

    /* It is there still when it was the loop that has closed the acceptor. */
    asyncio__server_remove_file(server->loop, &server->sockets);
    server->is_ended = true;
    asyncio__server_tell_waiters(server);
    asyncio__server_drop(server);
}

/* Makes a server over sockets, which are its own from then on, also on failure.
 * Returns: 0, and a server with one reference; a negative error. */
static int make(struct asyncio_loop *loop, struct asyncio__server_sockets *sockets,
                const struct asyncio__serving *serving, const struct asyncio_server_kw *kw,
                struct asyncio_server **ret_server)
{
    struct asyncio_server *server = asyncio__calloc(sizeof *server);
    int r = server ? asyncio__context_choose(NULL, &server->context) : -ENOMEM;

    if (r == 0)
        r = asyncio__tls_of_server(kw, &server->tls);
    if (r == 0) {
        server->acceptor.accepted = asyncio__server_serve;
        server->acceptor.closed = acceptor_closed;
        r = asyncio__acceptor_init(&server->acceptor, loop, sockets->listening, sockets->n);
    }
    if (r < 0) {
        asyncio__server_sockets_close(loop, sockets);
        if (server)
            asyncio_context_unref(server->context);
        asyncio__free(server);
        return r;
    }
    server->sockets = *sockets;
    server->loop = loop;
    server->refs = 1;
    server->holds = 1;
    server->serving = *serving;
    server->source = kw->source;
    server->limit = kw->limit;
    server->max_connections = kw->max_connections;
    server->close_timeout = kw->close_timeout == 0 ? DEFAULT_CLOSE_TIMEOUT : kw->close_timeout;
    server->backlog = kw->backlog > 0 ? kw->backlog : DEFAULT_BACKLOG;
    list_init(&server->clients);
    list_init(&server->closers);
    list_init(&server->watchers);
    asyncio_ssl_context_ref(server->tls.options.context);
    *ret_server = server;
    return 0;
}

static int listen_and_accept(struct asyncio_server *server)
{
    size_t place = 0;
    int r = asyncio__acceptor_start(&server->acceptor, server->backlog, &place);

    if (r < 0)
        asyncio__server_set_detail(server->loop, "listen", server->sockets.listening[place].fd, r);
    return r;
}

/* The turn of others comes before the first client can: so a cancel never meets a server that has clients. */
static int start_serving(struct asyncio_server *server)
{
    int r;

    asyncio__server_hold(server);
    r = asyncio_sleep(0);
    if (r == 0)
        r = server->acceptor.is_closed ? -ASYNCIO_ECLOSED : listen_and_accept(server);
    asyncio__server_drop(server);
    return r;
}

/* What all servers have in common, once their sockets are bound. */
static int start(struct asyncio_loop *loop, struct asyncio__server_sockets *sockets,
                 const struct asyncio__serving *serving, const struct asyncio_server_kw *kw,
                 struct asyncio_server **ret_server)
{
    struct asyncio_server *server = NULL;
    int r = make(loop, sockets, serving, kw, &server);

    if (r == 0 && !kw->no_start_serving)
        r = start_serving(server);
    if (r < 0) {
        asyncio_server_unref(server);
        return r;
    }
    *ret_server = server;
    return 0;
}

static const struct asyncio_server_kw no_kw = {.size = sizeof(struct asyncio_server_kw)};

static int check(const struct asyncio__serving *serving, struct asyncio_server **ret_server,
                 const struct asyncio_server_kw *kw)
{
    bool is_any_family = kw->family == 0 || kw->family == AF_INET || kw->family == AF_INET6;

    if (!serving->client_connected == !serving->factory || !ret_server || !is_any_family || kw->backlog < 0 ||
        isnan(kw->close_timeout))
        return -EINVAL;
    return 0;
}

/* A socket that came with a call that fails has been taken over, too. */
static int refuse(const struct asyncio_server_kw *kw, int error)
{
    asyncio_socket_unref(kw->sock);
    return error;
}

int asyncio__start_server(struct asyncio_loop *loop, const struct asyncio__serving *serving, const char *host, int port,
                          struct asyncio_server **ret_server, const struct asyncio_server_kw *kw)
{
    struct asyncio__server_sockets sockets;
    int r;

    kw = kw ? kw : &no_kw;
    r = check(serving, ret_server, kw);
    if (r == 0 && ((host && kw->hosts) || (kw->sock && (host || kw->hosts || port))))
        r = -EINVAL;
    if (r == 0)
        r = asyncio__may_wait(loop, &loop);
    if (r < 0)
        return refuse(kw, r);
    if (kw->sock)
        r = asyncio__server_take_socket(loop, kw->sock, false, kw, &sockets);
    else
        r = asyncio__server_bind_hosts(loop, host, port, kw, &sockets);
    return r < 0 ? r : start(loop, &sockets, serving, kw, ret_server);
}

int asyncio__start_unix_server(struct asyncio_loop *loop, const struct asyncio__serving *serving, const char *path,
                               struct asyncio_server **ret_server, const struct asyncio_server_kw *kw)
{
    struct asyncio__server_sockets sockets;
    int r;

    kw = kw ? kw : &no_kw;
    r = check(serving, ret_server, kw);
    if (r == 0 && (kw->hosts || kw->family || kw->reuse_port || !path == !kw->sock))
        r = -EINVAL;
    if (r == 0)
        r = asyncio__may_wait(loop, &loop);
    if (r < 0)
        return refuse(kw, r);
    if (kw->sock)
        r = asyncio__server_take_socket(loop, kw->sock, true, kw, &sockets);
    else
        r = asyncio__server_bind_path(loop, path, kw, &sockets);
    return r < 0 ? r : start(loop, &sockets, serving, kw, ret_server);
}

int asyncio_start_server_kw(asyncio_client_connected *client_connected, void *arg, const char *host, int port,
                            struct asyncio_server **ret_server, const struct asyncio_server_kw *kw)
{
    const struct asyncio__serving serving = {
        .service = &asyncio__stream_service,
        .client_connected = client_connected,
        .arg = arg,
    };

    return asyncio__start_server(NULL, &serving, host, port, ret_server, kw);
}

int asyncio_start_unix_server_kw(asyncio_client_connected *client_connected, void *arg, const char *path,
                                 struct asyncio_server **ret_server, const struct asyncio_server_kw *kw)
{
    const struct asyncio__serving serving = {
        .service = &asyncio__stream_service,
        .client_connected = client_connected,
        .arg = arg,
    };

    return asyncio__start_unix_server(NULL, &serving, path, ret_server, kw);
}

int asyncio_server_start_serving(struct asyncio_server *server)
{
    struct asyncio_loop *loop = NULL;
    int r;

    if (!server)
        return -EINVAL;
    r = asyncio__may_wait(server->loop, &loop);
    if (r < 0)
        return r;
    return server->acceptor.is_closed ? -ASYNCIO_ECLOSED : start_serving(server);
}

/* ---------------------------------------------------------------------------------------------------------- Waiting */

static void describe(const struct asyncio_waiter *waiter, char *buffer, size_t size)
{
    const struct asyncio_server *server = waiter->object;

    snprintf(buffer, size, "server with %zu clients", server->n_clients);
}

static const struct asyncio_wait_kind server_kind = {
    .name = "server",
    .late = ASYNCIO_LATE_CANCEL,
    .describe = describe,
};

int asyncio__server_wait_in(struct asyncio_server *server, struct asyncio_link *list)
{
    struct asyncio_waiter waiter;
    int r = asyncio_waiter_init(&waiter, &server_kind, server);

    if (r < 0)
        return r;
    list_push_back(list, &waiter.link);
    return (int)asyncio_park(&waiter);
}

static int wait_until_over(struct asyncio_server *server)
{
    int r = 0;

    if (!is_over(server)) {
        asyncio__server_hold(server);
        r = asyncio__server_wait_in(server, &server->closers);
        asyncio__server_drop(server);
    }
    return r;
}

int asyncio_server_wait_closed(struct asyncio_server *server)
{
    struct asyncio_loop *loop = NULL;
    int r;

    if (!server)
        return -EINVAL;
    r = asyncio__may_wait(server->loop, &loop);
    if (r < 0)
        return r;
    return asyncio__server_is_client(server) ? -EDEADLK : wait_until_over(server);
}

int asyncio_server_serve_forever(struct asyncio_server *server)
{
    const struct asyncio_future *self = asyncio_current_task();
    struct asyncio_waiter waiter;
    struct asyncio_loop *loop = NULL;
    int r;

    if (!server)
        return -EINVAL;
    r = asyncio__may_wait(server->loop, &loop);
    if (r < 0)
        return r;
    if (server->forever)
        return -EBUSY;
    r = server->acceptor.is_closed ? -ASYNCIO_ECLOSED : listen_and_accept(server);
    if (r == 0)
        r = asyncio_waiter_init(&waiter, &server_kind, server);
    if (r < 0)
        return r;
    asyncio__server_hold(server);
    server->forever = &waiter;
    r = (int)asyncio_park(&waiter);
    server->forever = NULL;
    asyncio_server_close(server);
    ASYNCIO_IGNORE(wait_until_over(server));
    asyncio__server_drop(server);
    /* Meanwhile other tasks may have had errors with details of their own. */
    if (r == -ECANCELED && self->cancel_message)
        asyncio__set_detail("%s", self->cancel_message);
    return -ECANCELED;
}

/* --------------------------------------------------------------------------------------------------------- Stopping */

void asyncio_server_close(struct asyncio_server *server)
{
    if (!server || server->acceptor.is_closed)
        return;
    asyncio__server_remove_file(server->loop, &server->sockets);
    asyncio__acceptor_close(&server->acceptor);
    if (server->forever)
        asyncio_unpark(server->forever, 0);
}

/* -------------------------------------------------------------------------------------------------------- Questions */

bool asyncio_server_is_serving(const struct asyncio_server *server)
{
    return server && server->acceptor.is_started && !server->acceptor.is_closed;
}

struct asyncio_loop *asyncio_server_get_loop(const struct asyncio_server *server)
{
    return server ? server->loop : NULL;
}

size_t asyncio_server_n_sockets(const struct asyncio_server *server)
{
    return server && !server->acceptor.is_closed ? server->sockets.n : 0;
}

int asyncio_server_sockname(const struct asyncio_server *server, size_t i, struct asyncio_address *ret_address)
{
    if (!server || !ret_address)
        return -EINVAL;
    if (server->acceptor.is_closed)
        return -ASYNCIO_ECLOSED;
    if (i >= server->sockets.n)
        return -EINVAL;
    return asyncio__fd_name(server->loop, server->sockets.listening[i].fd, false, ret_address);
}

size_t asyncio_server_n_clients(const struct asyncio_server *server)
{
    return server ? server->n_clients : 0;
}

struct asyncio_server_counts asyncio_server_counts(const struct asyncio_server *server)
{
    return server ? server->acceptor.counts : (struct asyncio_server_counts){0};
}
