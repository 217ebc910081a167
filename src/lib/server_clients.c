/* server_clients.c -- the clients of a server: what serves them, and how they are brought to an end.
 *
 * A client is one of the server's from the moment it is accepted until its connection is lost and its task has ended,
 * whichever comes last: what client_connected and its argument refer to must live until then, and wait_closed tells
 * when that is. */
#include "../base/mem.h"
#include "../loop/handles.h"
#include "../task/task.h"
#include "servers.h"
#include "sockets.h"
#include "streams.h"

#include <math.h>

struct client {
    struct asyncio_link link; /* of the server's clients */
    struct asyncio_server *server;
    struct asyncio_streamreader *reader; /* two references until the task has ended */
    struct asyncio_streamwriter *writer; /* valid while it is connected, or runs */
    struct asyncio_future *task;         /* borrowed, while it runs */
    bool is_connected, is_running;
    int result; /* what client_connected returned */
};

/* ---------------------------------------------------------------------------------------------------------- Clients */

static bool is_full(const struct asyncio_server *server)
{
    return server->max_connections > 0 && server->n_clients >= server->max_connections;
}

/* Something of a client has ended; perhaps that was the last of it. */
static void client_changed(struct client *client)
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

static void connection_lost(void *arg)
{
    struct client *client = arg;

    client->is_connected = false;
    client->server->n_connected--;
    client_changed(client);
}

static int run_client(void *arg)
{
    struct client *client = arg;

    client->task = asyncio_current_task();
    client->result = client->server->client_connected(client->reader, client->writer, client->server->arg);
    return client->result;
}

/* The task of a client is over, or was never begun: a plain callback, in the context of the task. */
static void client_returned(void *arg)
{
    struct client *client = arg;
    struct asyncio_server *server = client->server;

    if (client->result < 0 && client->result != -ECANCELED) {
        client->task->retrieved = true;
        asyncio__report(client->task, "Unhandled exception in client_connected_cb", client->result);
    }
    /* Also if somebody else has references: there will be nobody to go on with it. */
    if (client->result < 0 || server->is_stopping)
        asyncio_streamwriter_close(client->writer);
    asyncio__stream_release(client->reader, client->writer);
    client->task = NULL;
    client->is_running = false;
    server->n_running--;
    client_changed(client);
}

#define CLIENT_NAME_SIZE 28

/* "client 1", from the end of the memory; printing it would take half of all that a client's beginning does. */
static const char *name_client(char memory[CLIENT_NAME_SIZE], uint64_t number)
{
    static const char first[] = "client ";
    char *at = memory + CLIENT_NAME_SIZE - 1;

    *at = '\0';
    do
        *--at = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    at -= sizeof first - 1;
    memcpy(at, first, sizeof first - 1);
    return at;
}

struct start {
    struct client *client;
    int error;
};

/* Starts the task of a client; called in the server's context. */
static void start_client(void *arg)
{
    struct start *start = arg;
    struct client *client = start->client;
    struct asyncio_server *server = client->server;
    struct asyncio_future *task;
    char memory[CLIENT_NAME_SIZE];
    const char *name = name_client(memory, ++server->last_number);

    task = asyncio_loop_create_task_kw(server->loop, run_client, client,
                                       &(const struct asyncio_task_kw){
                                           .size = sizeof(struct asyncio_task_kw),
                                           .name = name,
                                           .free_arg = client_returned,
                                           .source = server->source,
                                       });
    /* It may have ended already: an eager one, or one that could not be made. */
    if (client->is_running)
        client->task = task;
    else if (!asyncio_future_get_loop(task))
        start->error = asyncio_future_exception(task);
    asyncio_future_unref(task);
}

int asyncio__server_serve(struct asyncio__acceptor *acceptor, int fd)
{
    struct asyncio_server *server = CONTAINER_OF(acceptor, struct asyncio_server, acceptor);
    struct client *client = asyncio__calloc(sizeof *client);
    const struct asyncio__stream_options options = {
        .limit = server->limit,
        .close_timeout = server->close_timeout,
        .lost = connection_lost,
        .arg = client,
    };
    struct start start = {.client = client};
    int r;

    if (!client) {
        asyncio__fd_close(server->loop, fd);
        return -ENOMEM;
    }
    r = asyncio__stream_open(server->loop, fd, &options, &client->reader, &client->writer);
    if (r < 0) {
        asyncio__free(client);
        return r;
    }
    client->server = server;
    client->is_connected = client->is_running = true;
    client->result = -ECANCELED; /* unless it is begun */
    list_push_back(&server->clients, &client->link);
    server->n_clients++;
    server->n_connected++;
    server->n_running++;
    asyncio__server_hold(server);
    if (is_full(server))
        asyncio__acceptor_pause(acceptor);
    asyncio__call_in_context(&server->context, start_client, &start);
    return start.error;
}

/* The client whose task is the running one; NULL when it is none of them. */
static const struct client *find_self(const struct asyncio_server *server)
{
    const struct asyncio_future *self = asyncio_current_task();

    for (const struct asyncio_link *link = server->clients.next; link != &server->clients; link = link->next) {
        const struct client *client = CONST_CONTAINER_OF(link, struct client, link);

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

/* Calls one of the writers' functions for every connection but one's own. */
static void for_each_connection(struct asyncio_server *server, const struct client *self,
                                void (*call)(struct asyncio_streamwriter *writer))
{
    struct asyncio_link *link, *next;

    LIST_FOR_EACH(link, next, &server->clients) {
        struct client *client = LIST_ENTRY(link, struct client, link);

        if (client->is_connected && client != self)
            call(client->writer);
    }
}

void asyncio_server_close_clients(struct asyncio_server *server)
{
    if (server)
        for_each_connection(server, NULL, asyncio_streamwriter_close);
}

void asyncio_server_abort_clients(struct asyncio_server *server)
{
    if (server)
        for_each_connection(server, NULL, asyncio_streamwriter_abort);
}

/* Cancels the tasks that still run; who has none is left to close. Returns: how many. */
static ssize_t cancel_clients(struct asyncio_server *server, const struct client *self)
{
    struct asyncio_link *link, *next;
    ssize_t n = 0;

    server->is_stopping = true;
    LIST_FOR_EACH(link, next, &server->clients) {
        struct client *client = LIST_ENTRY(link, struct client, link);

        if (client == self)
            continue;
        if (client->is_running)
            n += asyncio_future_cancel(client->task) > 0;
        else
            asyncio_streamwriter_close(client->writer);
    }
    return n;
}

/* What is left of the clients but for oneself. */
enum left { TASKS = 1, CONNECTIONS = 2 };

static bool is_left(const struct asyncio_server *server, const struct client *self, int what)
{
    size_t n_running = server->n_running - (self ? 1 : 0);
    size_t n_connected = server->n_connected - (self && self->is_connected ? 1 : 0);

    return ((what & TASKS) && n_running > 0) || ((what & CONNECTIONS) && n_connected > 0);
}

/* Waits until nothing of that is left. Returns: 0; -ETIMEDOUT; -ECANCELED; -ENOMEM. */
static int wait_for_clients(struct asyncio_server *server, const struct client *self, int what, double seconds)
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

static ssize_t stop(struct asyncio_server *server, double seconds)
{
    const struct client *self = find_self(server);
    ssize_t n;
    int r;

    asyncio_server_close(server);
    r = wait_for_clients(server, self, TASKS, seconds);
    if (r < 0 && r != -ETIMEDOUT)
        return r;
    n = cancel_clients(server, self);
    r = wait_for_clients(server, self, TASKS | CONNECTIONS, server->close_timeout);
    if (r == -ETIMEDOUT) {
        for_each_connection(server, self, asyncio_streamwriter_abort);
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
