/* An echo server and its client, both made of callbacks: protocols, to which transports tell what happens. */
#include <asyncio.h>

#include <stdlib.h>
#include <string.h>

/* What the server keeps for a client. The protocol is a part of it. */
struct echo {
    struct asyncio_protocol protocol;
    struct asyncio_transport *transport;
};

static void echo_connection_made(struct asyncio_protocol *protocol, struct asyncio_transport *transport)
{
    ((struct echo *)protocol)->transport = transport;
}

static void echo_data_received(struct asyncio_protocol *protocol, const void *data, size_t size)
{
    struct echo *self = (struct echo *)protocol;

    printf("server: received %.*s\n", (int)size, (const char *)data);
    asyncio_transport_write(self->transport, data, size);
    printf("server: sent it back\n");
    asyncio_transport_close(self->transport);
}

static void echo_connection_lost(struct asyncio_protocol *protocol, int error)
{
    (void)error;
    free((struct echo *)protocol);
}

static const struct asyncio_protocol_type echo_type = {
    .size = sizeof(struct asyncio_protocol_type),
    .connection_made = echo_connection_made,
    .data_received = echo_data_received,
    .connection_lost = echo_connection_lost,
};

static struct asyncio_protocol *make_echo(void *arg)
{
    struct echo *self = calloc(1, sizeof *self);

    (void)arg;
    if (!self)
        return NULL;
    self->protocol.type = &echo_type;
    return &self->protocol;
}

struct client {
    struct asyncio_protocol protocol;
    const char *message;
    struct asyncio_event closed;
};

static void client_connection_made(struct asyncio_protocol *protocol, struct asyncio_transport *transport)
{
    struct client *self = (struct client *)protocol;

    asyncio_transport_write(transport, self->message, strlen(self->message));
    printf("client: sent %s\n", self->message);
}

static void client_data_received(struct asyncio_protocol *protocol, const void *data, size_t size)
{
    (void)protocol;
    printf("client: received %.*s\n", (int)size, (const char *)data);
}

static void client_connection_lost(struct asyncio_protocol *protocol, int error)
{
    struct client *self = (struct client *)protocol;

    printf("client: the server has closed the connection%s\n", error ? " in error" : "");
    asyncio_event_set(&self->closed);
}

static const struct asyncio_protocol_type client_type = {
    .size = sizeof(struct asyncio_protocol_type),
    .connection_made = client_connection_made,
    .data_received = client_data_received,
    .connection_lost = client_connection_lost,
};

/* Static, because its connection may outlive amain when that is cancelled. */
static struct client client = {.protocol = {&client_type}, .message = "Hello World!"};

static struct asyncio_protocol *make_client(void *arg)
{
    (void)arg;
    return &client.protocol;
}

static int amain(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_server *server;
    struct asyncio_address address;
    int r = asyncio_loop_create_server(loop, make_echo, NULL, "127.0.0.1", 0, &server);

    (void)arg;
    if (r < 0)
        return r;
    r = asyncio_server_sockname(server, 0, &address);
    if (r == 0)
        r = asyncio_loop_create_connection(loop, make_client, NULL, "127.0.0.1", asyncio_address_port(&address), NULL,
                                           NULL);
    if (r == 0)
        r = asyncio_event_wait(&client.closed);
    asyncio_server_unref(server);
    return r;
}

int main(void)
{
    int r = asyncio_run(amain, NULL);

    if (r < 0)
        fprintf(stderr, "echo_protocol: %s\n", asyncio_strerror(r));
    return r < 0;
}
