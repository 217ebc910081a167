/* server_protocols.c -- clients that are served by protocols: transports and callbacks, without a task. */
#include "../base/mem.h"
#include "../loop/handles.h"
#include "../loop/transports.h"
#include "servers.h"
#include "sockets.h"
#include "tls_keywords.h"

struct client {
    struct asyncio__client head;
    struct asyncio_transport *transport;
};

/* A connection that has just been accepted. */
struct start {
    struct asyncio_server *server;
    struct client *client;
    int64_t close_ns;
    int fd;
    int result;
};

static struct asyncio_transport *transport_of(struct asyncio__client *client)
{
    return CONTAINER_OF(client, struct client, head)->transport;
}

/* The transport is there, or will not be. */
static void opened(struct asyncio_transport *transport, void *owner, int error)
{
    const struct asyncio__tls *tls = transport->kind->tls(transport);
    struct client *client = owner;
    struct asyncio_server *server = client->head.server;

    if (error == 0)
        asyncio__client_begins(&client->head);
    else if (transport->is_asked)
        asyncio__server_report(server, "Error on transport creation for incoming connection", error);
    else if (server->tls.options.context)
        asyncio__server_handshake_failed(server, tls ? asyncio__tls_detail(tls) : NULL, error);
}

static void lost(struct asyncio_transport *transport, void *owner)
{
    struct client *client = owner;

    (void)transport;
    if (client->head.is_running)
        asyncio__client_ended(&client->head);
    asyncio__client_disconnected(&client->head);
}

/* Opens the transport of a client; called in the server's context. */
static void open_transport(void *arg)
{
    struct start *start = arg;
    const struct asyncio_server *server = start->server;
    const struct asyncio__transport_options options = {
        .factory = server->serving.factory,
        .arg = server->serving.arg,
        .opened = opened,
        .lost = lost,
        .owner = start->client,
    };

    start->result =
        asyncio__transport_open(server->loop, start->fd, start->close_ns,
                                server->tls.options.context ? &server->tls : NULL, &options, &start->client->transport);
}

static int serve(struct asyncio_server *server, int fd)
{
    struct start start = {.server = server, .client = asyncio__calloc(sizeof *start.client), .fd = fd};
    int r = start.client ? asyncio__close_ns_of(server->close_timeout, &start.close_ns) : -ENOMEM;

    if (r < 0) {
        asyncio__fd_close(server->loop, fd);
        asyncio__free(start.client);
        return r;
    }
    asyncio__call_in_context(&server->context, open_transport, &start);
    if (start.result < 0) {
        asyncio__free(start.client);
        return start.result;
    }
    asyncio__client_add(server, &start.client->head);
    asyncio__client_waits(&start.client->head);
    return 0;
}

static void close_connection(struct asyncio__client *client)
{
    asyncio_transport_close(transport_of(client));
}

static void abort_connection(struct asyncio__client *client)
{
    asyncio_transport_abort(transport_of(client));
}

static bool end_connection(struct asyncio__client *client)
{
    bool was_open = !asyncio_transport_is_closing(transport_of(client));

    asyncio_transport_close(transport_of(client));
    return was_open;
}

const struct asyncio__service asyncio__protocol_service = {serve, close_connection, abort_connection, end_connection};

int asyncio_loop_create_server_kw(struct asyncio_loop *loop, asyncio_protocol_factory *factory, void *arg,
                                  const char *host, int port, struct asyncio_server **ret_server,
                                  const struct asyncio_server_kw *kw)
{
    const struct asyncio__serving serving = {.service = &asyncio__protocol_service, .factory = factory, .arg = arg};

    return asyncio__start_server(loop, &serving, host, port, ret_server, kw);
}

int asyncio_loop_create_unix_server_kw(struct asyncio_loop *loop, asyncio_protocol_factory *factory, void *arg,
                                       const char *path, struct asyncio_server **ret_server,
                                       const struct asyncio_server_kw *kw)
{
    const struct asyncio__serving serving = {.service = &asyncio__protocol_service, .factory = factory, .arg = arg};

    return asyncio__start_unix_server(loop, &serving, path, ret_server, kw);
}
