/* A server's close leaves its clients alone, close_clients closes them, abort_clients drops what they have (SV-04). */

#include "parity_protocols.h"

/* What the server makes of a client. Which of several goes first is left open. */
struct client_protocol {
    struct asyncio_protocol protocol;
    struct asyncio_transport *transport;
};

static struct client_protocol clients[4];
static int n_clients, n_lost;

static void made(struct asyncio_protocol *protocol, struct asyncio_transport *transport)
{
    ((struct client_protocol *)protocol)->transport = transport;
    tell("server: connection_made()");
}

static void lost(struct asyncio_protocol *protocol, int error)
{
    (void)protocol, (void)error;
    n_lost++;
}

static void receive(struct asyncio_protocol *protocol, const void *data, size_t size)
{
    (void)protocol, (void)data, (void)size;
}

static const struct asyncio_protocol_type client_type = {
    .size = sizeof(struct asyncio_protocol_type),
    .name = "client of the server",
    .connection_made = made,
    .connection_lost = lost,
    .data_received = receive,
};

static struct asyncio_protocol *serves_client(void *arg)
{
    struct client_protocol *client = &clients[n_clients++];

    (void)arg;
    client->protocol.type = &client_type;
    return &client->protocol;
}

static int serves(const char *how, void (*end)(struct asyncio_server *server))
{
    static struct sum silent[2];
    struct client_protocol *first = &clients[n_clients], *second = first + 1;
    struct teller teller = TELLER("client");
    const char *path = unix_path(how);
    struct asyncio_server *server;

    silent[n_clients / 2].protocol.type = &sum_type;
    TRY(asyncio_loop_create_unix_server(LOOP, serves_client, NULL, path, &server));
    tell("%s: serving %s", how, truth(asyncio_server_is_serving(server)));
    TRY(asyncio_loop_create_unix_connection(LOOP, itself, &silent[n_clients / 2], path, NULL, NULL));
    TRY(asyncio_sleep(1));
    TRY(asyncio_loop_create_unix_connection(LOOP, itself, &teller, path, NULL, NULL));
    TRY(asyncio_sleep(1));
    asyncio_server_close(server);
    tell("closed: serving %s, clients closing %s", truth(asyncio_server_is_serving(server)),
         truth(asyncio_transport_is_closing(first->transport)));
    TRY(asyncio_sleep(1));
    TRY(transport_write(second->transport, "still here"));
    TRY(asyncio_sleep(1));
    end(server);
    tell("%s: %s %s", how, truth(asyncio_transport_is_closing(first->transport)),
         truth(asyncio_transport_is_closing(second->transport)));
    TRY(end_server(server));
    TRY(asyncio_sleep(1));
    tell("%d are lost", n_lost);
    return 0;
}

static int main_task(void *arg)
{
    (void)arg;
    TRY(serves("close_clients", asyncio_server_close_clients));
    return serves("abort_clients", asyncio_server_abort_clients);
}

int main(void)
{
    return run_program(main_task);
}
