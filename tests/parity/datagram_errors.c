/* What goes wrong with a datagram is told, and the endpoint goes on (TR-11, #100). */

#include "parity_datagrams.h"

static void received(struct asyncio_protocol *protocol, const void *data, size_t size,
                     const struct asyncio_address *address)
{
    (void)address;
    tell("%s: datagram_received(%s)", ((struct datagrams *)protocol)->name, quoted(data, (ssize_t)size));
}

static const struct asyncio_protocol_type type = {
    .size = sizeof(struct asyncio_protocol_type),
    .name = "datagrams",
    .connection_made = datagrams_made,
    .connection_lost = datagrams_lost,
    .datagram_received = received,
    .error_received = datagrams_error,
};

static struct datagrams first = {{&type}, .name = "server"}, second = {{&type}, .name = "second server"};
static struct datagrams third = {{&type}, .name = "third server"}, client = {{&type}, .name = "client"};

static int serves(struct datagrams *server, int port)
{
    return asyncio_loop_create_datagram_endpoint(LOOP, itself, server, NULL, NULL, .local_host = "127.0.0.1",
                                                 .local_port = port);
}

static int main_task(void *arg)
{
    struct asyncio_address address;
    int port;

    (void)arg;
    TRY(serves(&first, 0));
    TRY(asyncio_transport_sockname(first.transport, &address));
    port = asyncio_address_port(&address);
    TRY(asyncio_loop_create_datagram_endpoint(LOOP, itself, &client, NULL, NULL, .remote_host = "127.0.0.1",
                                              .remote_port = port));
    TRY(asyncio_transport_sendto(client.transport, "one", 3, NULL));
    TRY(asyncio_sleep(1));
    asyncio_transport_close(first.transport);
    TRY(asyncio_sleep(1));
    TRY(asyncio_transport_sendto(client.transport, "into nothing", 12, NULL));
    TRY(asyncio_sleep(1));
    tell("closing %s", truth(asyncio_transport_is_closing(client.transport)));
    TRY(asyncio_address_parse(&address, "127.0.0.1", 1));
    tell("to another address: %s", refused(asyncio_transport_sendto(client.transport, "x", 1, &address)));
    TRY(serves(&second, port));
    TRY(asyncio_transport_sendto(client.transport, "two", 3, NULL));
    TRY(asyncio_sleep(1));
    tell("a third server: %s", serves(&third, port) < 0 ? "failed" : "bound");
    tell("neither address nor family: %s",
         refused(asyncio_loop_create_datagram_endpoint(LOOP, itself, &third, NULL, NULL, .local_host = NULL)));
    asyncio_transport_close(client.transport);
    asyncio_transport_close(second.transport);
    return asyncio_sleep(1);
}

int main(void)
{
    return run_program(main_task);
}
