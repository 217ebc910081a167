/* server_streams.c -- clients that are served through streams, each by a task of its own. With TLS the handshake comes
 * first, which needs no task: a client that stalls in it costs no stack, but counts as a client. */
#include "../base/mem.h"
#include "../loop/handles.h"
#include "../task/task.h"
#include "servers.h"
#include "sockets.h"
#include "streams.h"

struct client {
    struct asyncio__client head;
    struct asyncio_streamreader *reader; /* two references until the task has ended */
    struct asyncio_streamwriter *writer; /* valid while it is connected, or runs */
    int result;                          /* what client_connected returned */
    bool is_begun;                       /* its task was made, or could not be */
};

static struct client *of(struct asyncio__client *client)
{
    return CONTAINER_OF(client, struct client, head);
}

static void connection_lost(void *arg)
{
    struct client *client = arg;

    if (!client->is_begun)
        asyncio__stream_release(client->reader, client->writer);
    asyncio__client_disconnected(&client->head);
}

static int run_client(void *arg)
{
    struct client *client = arg;
    const struct asyncio__serving *serving = &client->head.server->serving;

    client->head.task = asyncio_current_task();
    client->result = serving->client_connected(client->reader, client->writer, serving->arg);
    return client->result;
}

/* The task of a client is over, or was never begun: a plain callback, in the context of the task. */
static void client_returned(void *arg)
{
    struct client *client = arg;
    struct asyncio_server *server = client->head.server;

    if (client->result < 0 && client->result != -ECANCELED) {
        client->head.task->retrieved = true;
        asyncio__report(client->head.task, "Unhandled exception in client_connected_cb", client->result);
    }
    /* Also if somebody else has references: there will be nobody to go on with it. */
    if (client->result < 0 || server->is_stopping)
        asyncio_streamwriter_close(client->writer);
    asyncio__stream_release(client->reader, client->writer);
    client->head.task = NULL;
    asyncio__client_ended(&client->head);
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
    struct asyncio_server *server = client->head.server;
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
    if (client->head.is_running)
        client->head.task = task;
    else if (!asyncio_future_get_loop(task))
        start->error = asyncio_future_exception(task);
    asyncio_future_unref(task);
}

/* Returns: 0; why there is no task. */
static int begin(struct client *client)
{
    struct start start = {.client = client};

    client->is_begun = true;
    client->result = -ECANCELED; /* unless it is begun */
    asyncio__call_in_context(&client->head.server->context, start_client, &start);
    return start.error;
}

/* The handshake is over; after an error the connection will be lost. */
static void secured(void *arg, int error)
{
    struct client *client = arg;
    int r;

    if (error < 0) {
        asyncio__server_handshake_failed(client->head.server, asyncio__stream_of(client->writer)->tls->detail, error);
        return;
    }
    asyncio__client_begins(&client->head);
    r = begin(client);
    if (r < 0)
        asyncio__server_report(client->head.server, "Error on transport creation for incoming connection", r);
}

/* Returns: 0; a negative error, and the connection will be lost. */
static int shake_hands(struct client *client)
{
    int r;

    asyncio__client_waits(&client->head);
    r = asyncio__stream_start_tls(asyncio__stream_of(client->writer), &client->head.server->tls, secured, client);
    if (r < 0)
        asyncio_streamwriter_abort(client->writer);
    return r;
}

static int serve(struct asyncio_server *server, int fd)
{
    struct client *client = asyncio__calloc(sizeof *client);
    const struct asyncio__stream_options options = {
        .limit = server->limit,
        .close_timeout = server->close_timeout,
        .is_accepted = true,
        .lost = connection_lost,
        .arg = client,
    };
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
    asyncio__client_add(server, &client->head);
    return server->tls.options.context ? shake_hands(client) : begin(client);
}

static void close_connection(struct asyncio__client *client)
{
    asyncio_streamwriter_close(of(client)->writer);
}

static void abort_connection(struct asyncio__client *client)
{
    asyncio_streamwriter_abort(of(client)->writer);
}

static bool end_task(struct asyncio__client *client)
{
    return asyncio_future_cancel(client->task) > 0;
}

const struct asyncio__service asyncio__stream_service = {serve, close_connection, abort_connection, end_task};
