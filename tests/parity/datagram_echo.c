/* UDP by protocols: datagrams and who sent them, an empty one, a connected endpoint and one that is not (N-10,
 * TR-11). */

#include "parity_datagrams.h"

static void received(struct asyncio_protocol *protocol, const void *data, size_t size,
                     const struct asyncio_address *address)
{
    struct datagrams *self = (struct datagrams *)protocol;

    tell("%s: datagram_received(%s), from the peer %s", self->name, quoted(data, (ssize_t)size),
         truth(same_address(address, &self->peer)));
    if (self->answers)
        answer(self, data, size, address);
}

static const struct asyncio_protocol_type type = {
    .size = sizeof(struct asyncio_protocol_type),
    .name = "datagrams",
    .connection_made = datagrams_made,
    .connection_lost = datagrams_lost,
    .datagram_received = received,
    .error_received = datagrams_error,
};

static struct datagrams served = {{&type}, .name = "server", .answers = true};
static struct datagrams asks = {{&type}, .name = "client"}, asks_too = {{&type}, .name = "other"};

static int opens(void)
{
    struct asyncio_transport *client;
    struct asyncio_protocol *protocol;
    struct asyncio_address peer;

    TRY(asyncio_loop_create_datagram_endpoint(LOOP, itself, &served, NULL, NULL, .local_host = "127.0.0.1"));
    TRY(asyncio_transport_sockname(served.transport, &asks.peer));
    asks_too.peer = asks.peer;
    tell("it has a port: %s, a peer: %s", truth(asyncio_address_port(&asks.peer) > 0),
         asyncio_transport_peername(served.transport, &peer) < 0 ? "None" : "some");
    TRY(asyncio_loop_create_datagram_endpoint(LOOP, itself, &asks, &client, &protocol, .remote_host = "127.0.0.1",
                                              .remote_port = asyncio_address_port(&asks.peer)));
    tell("connected, %s, %s", ((struct datagrams *)protocol)->name, truth(asks.transport == client));
    TRY(asyncio_transport_sockname(client, &served.peer));
    TRY(asyncio_transport_peername(client, &peer));
    tell("its peer is the server: %s", truth(same_address(&peer, &asks.peer)));
    return asyncio_sleep(1);
}

static int main_task(void *arg)
{
    (void)arg;
    TRY(opens());
    TRY(asyncio_transport_sendto(asks.transport, "hello", 5, NULL));
    TRY(asyncio_sleep(1));
    TRY(asyncio_transport_sendto(asks.transport, "", 0, NULL));
    TRY(asyncio_sleep(1));
    TRY(asyncio_transport_sendto(asks.transport, "again", 5, &asks.peer));
    TRY(asyncio_sleep(1));
    TRY(asyncio_loop_create_datagram_endpoint(LOOP, itself, &asks_too, NULL, NULL, .family = AF_INET));
    TRY(asyncio_transport_sendto(asks_too.transport, "from another", 12, &asks.peer));
    TRY(asyncio_sleep(1));
    asyncio_transport_close(asks.transport);
    tell("closing %s", truth(asyncio_transport_is_closing(asks.transport)));
    TRY(asyncio_sleep(1));
    asyncio_transport_abort(asks_too.transport);
    TRY(asyncio_sleep(1));
    asyncio_transport_close(served.transport);
    return asyncio_sleep(1);
}

int main(void)
{
    return run_program(main_task);
}
