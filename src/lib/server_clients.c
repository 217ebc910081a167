/* server_clients.c -- the clients of a server: who they are, and how they are brought to an end. What serves them is
 * their service: server_streams.c or server_protocols.c.
 *
 * A client is one of the server's from the moment it is accepted until its connection is lost and its task has ended,
 * whichever comes last: what client_connected and its argument refer to must live until then, and wait_closed tells
 * when that is. */
#include "../base/mem.h"
#include "servers.h"

#include <math.h>

/* ---------------------------------------------------------------------------------------------------------- Clients */

static bool is_full(const struct asyncio_server *server)
{
    return server->max_connections > 0 && server->n_clients >= server->max_connections;
}

/* Something of a client has ended; perhaps that was the last of it. */
static void client_changed(struct asyncio__client *client)
{
    struct asyncio_server *server = client->server;

    asyncio__server_hold(server);
    if (!client->is_connected && !client->is_running) {
        list_remove(&client->link);
        asyncio__free(client);
        server->n_clients--;
        server->holds--; /* the client's; the one above is still there */
    }
    asyncio__server_tell_waiters(server);
    if (server->acceptor.is_paused && !is_full(server))
        asyncio__acceptor_resume(&server->acceptor);
    asyncio__server_drop(server);
}

void asyncio__client_add(struct asyncio_server *server, struct asyncio__client *client)
{
    client->server = server;
    client->is_connected = client->is_running = true;
    list_push_back(&server->clients, &client->link);
    server->n_clients++;
    server->n_connected++;
    server->n_running++;
    asyncio__server_hold(server);
    if (is_full(server) && !server->acceptor.is_closed)
        asyncio__acceptor_pause(&server->acceptor);
}

void asyncio__client_waits(struct asyncio__client *client)
{
    client->is_running = false;
    client->server->n_running--;
}

void asyncio__client_begins(struct asyncio__client *client)
{
    client->is_running = true;
    client->server->n_running++;
}

void asyncio__client_disconnected(struct asyncio__client *client)
{
    client->is_connected = false;
    client->server->n_connected--;
    client_changed(client);
}

void asyncio__client_ended(struct asyncio__client *client)
{
    client->is_running = false;
    client->server->n_running--;
    client_changed(client);
}

void asyncio__server_report(const struct asyncio_server *server, const char *message, int error)
{
    asyncio_loop_call_exception_handler(server->loop, &(const struct asyncio_exception_context){
                                                          .size = sizeof(struct asyncio_exception_context),
                                                          .message = message,
                                                          .error = error,
                                                      });
}

void asyncio__server_handshake_failed(struct asyncio_server *server, const char *detail, int error)
{
    bool has_detail = detail && *detail;
    char message[256];

    /* It was us. */
    if (error == -ASYNCIO_ECLOSED)
        return;
    server->acceptor.counts.handshakes_failed++;
    if (!asyncio_loop_get_debug(server->loop))
        return;
    snprintf(message, sizeof message, "TLS handshake with a client failed%s%s", has_detail ? ": " : "",
             has_detail ? detail : "");
    asyncio__server_report(server, message, error);
}

int asyncio__server_serve(struct asyncio__acceptor *acceptor, int fd)
{
    struct asyncio_server *server = CONTAINER_OF(acceptor, struct asyncio_server, acceptor);

    return server->serving.service->serve(server, fd);
}

/* The client whose task is the running one; NULL when it is none of them. */
static const struct asyncio__client *find_self(const struct asyncio_server *server)
{
    const struct asyncio_future *self = asyncio_current_task();

    for (const struct asyncio_link *link = server->clients.next; link != &server->clients; link = link->next) {
        const struct asyncio__client *client = CONST_CONTAINER_OF(link, struct asyncio__client, link);

        if (client->task == self)
            return client;
    }
    return NULL;
}

bool asyncio__server_is_client(const struct asyncio_server *server)
{
    return find_self(server) != NULL;
}

/* --------------------------------------------------------------------------------------------------------- Stopping */

/* Calls a function of the service for every connection but one's own. */
static void for_each_connection(struct asyncio_server *server, const struct asyncio__client *self,
                                void (*call)(struct asyncio__client *client))
{
    struct asyncio_link *link, *next;

    LIST_FOR_EACH(link, next, &server->clients) {
        struct asyncio__client *client = LIST_ENTRY(link, struct asyncio__client, link);

        if (client->is_connected && client != self)
            call(client);
    }
}

void asyncio_server_close_clients(struct asyncio_server *server)
{
    if (server)
        for_each_connection(server, NULL, server->serving.service->close);
}

void asyncio_server_abort_clients(struct asyncio_server *server)
{
    if (server)
        for_each_connection(server, NULL, server->serving.service->abort);
}

/* Ends those that are still served; who is not is left to close. Returns: how many. */
static ssize_t cancel_clients(struct asyncio_server *server, const struct asyncio__client *self)
{
    struct asyncio_link *link, *next;
    ssize_t n = 0;

    server->is_stopping = true;
    LIST_FOR_EACH(link, next, &server->clients) {
        struct asyncio__client *client = LIST_ENTRY(link, struct asyncio__client, link);

        if (client == self)
            continue;
        if (client->is_running)
            n += server->serving.service->end(client);
        else
            server->serving.service->close(client);
    }
    return n;
}

/* What is left of the clients but for oneself. */
enum left { TASKS = 1, CONNECTIONS = 2 };

static bool is_left(const struct asyncio_server *server, const struct asyncio__client *self, int what)
{
    size_t n_running = server->n_running - (self ? 1 : 0);
    size_t n_connected = server->n_connected - (self && self->is_connected ? 1 : 0);

    return ((what & TASKS) && n_running > 0) || ((what & CONNECTIONS) && n_connected > 0);
}

/* Waits until nothing of that is left. Returns: 0; -ETIMEDOUT; -ECANCELED; -ENOMEM. */
static int wait_for_clients(struct asyncio_server *server, const struct asyncio__client *self, int what, double seconds)
{
    struct asyncio_timeout timeout;
    int r;

    if (!is_left(server, self, what))
        return 0;
    r = asyncio_timeout_enter(&timeout, seconds);
    if (r < 0)
        return r;
    while (r == 0 && is_left(server, self, what))
        r = asyncio__server_wait_in(server, &server->watchers);
    return asyncio_timeout_exit(&timeout, r);
}

/* Whom the kernel has given us just before the close, though a successor has the socket, too. Returns: 0;
 * -ECANCELED. */
static int wait_for_late_clients(struct asyncio_server *server)
{
    int r = 0;

    while (r == 0 && server->acceptor.shares && !server->is_ended)
        r = asyncio__server_wait_in(server, &server->watchers);
    return r;
}

static ssize_t stop(struct asyncio_server *server, double seconds)
{
    const struct asyncio__client *self = find_self(server);
    ssize_t n;
    int r;

    asyncio_server_close(server);
    r = wait_for_late_clients(server);
    if (r == 0)
        r = wait_for_clients(server, self, TASKS, seconds);
    if (r < 0 && r != -ETIMEDOUT)
        return r;
    n = cancel_clients(server, self);
    r = wait_for_clients(server, self, TASKS | CONNECTIONS, server->close_timeout);
    if (r == -ETIMEDOUT) {
        for_each_connection(server, self, server->serving.service->abort);
        r = wait_for_clients(server, self, CONNECTIONS, ASYNCIO_FOREVER);
    }
    return r < 0 ? r : n;
}

ssize_t asyncio_server_stop(struct asyncio_server *server, double seconds)
{
    struct asyncio_loop *loop = NULL;
    ssize_t n;
    int r;

    if (!server || isnan(seconds))
        return -EINVAL;
    r = asyncio__may_wait(server->loop, &loop);
    if (r < 0)
        return r;
    asyncio__server_hold(server);
    n = stop(server, seconds);
    asyncio__server_drop(server);
    return n;
}
