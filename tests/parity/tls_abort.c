/* abort() with TLS: nothing is announced, what is kept is dropped, and connection_lost comes once, in a later turn;
 * what the peer hears is another matter (TR-03, #104). */

#include "parity_tls.h"

/* Says that it is lost, but not why: Python takes a connection that is cut for one that has ended (None), which an
 * attacker could do; here that is an error (TL-05). */
static void served_made(struct asyncio_protocol *protocol, struct asyncio_transport *transport)
{
    teller_of(protocol)->transport = transport;
    tell("server: connection_made()");
}

static void served_lost(struct asyncio_protocol *protocol, int error)
{
    (void)error;
    teller_of(protocol)->transport = NULL;
    tell("server: connection_lost()");
}

static void served_data(struct asyncio_protocol *protocol, const void *data, size_t size)
{
    (void)protocol, (void)data, (void)size;
}

static const struct asyncio_protocol_type served_type = {
    .size = sizeof(struct asyncio_protocol_type),
    .name = "served",
    .connection_made = served_made,
    .connection_lost = served_lost,
    .data_received = served_data,
};

static struct teller client, served = {.protocol = {&served_type}};

/* Makes a client; who of two is told first that it is made is not what this is about. */
static int connect_client(struct asyncio_server *server, struct asyncio_ssl_context *trusting)
{
    client = (struct teller)TELLER("client", .is_quiet = true);
    TRY(asyncio_loop_create_connection(LOOP, itself, &client, "127.0.0.1", port_of(server), NULL, NULL, .ssl = trusting,
                                       .server_hostname = "localhost"));
    TRY(asyncio_sleep(1));
    client.is_quiet = false;
    return 0;
}

static int main_task(void *arg)
{
    static char mass[2000000];
    struct asyncio_ssl_context *serving = server_context("server"), *trusting = client_context("server");
    struct asyncio_server *server;

    (void)arg;
    TRY(asyncio_loop_create_server(LOOP, itself, &served, "127.0.0.1", 0, &server, .ssl = serving));
    TRY(connect_client(server, trusting));
    asyncio_transport_abort(client.transport);
    tell("aborted, closing %s", truth(asyncio_transport_is_closing(client.transport)));
    asyncio_transport_abort(client.transport);
    asyncio_transport_close(client.transport);
    TRY(asyncio_sleep(1));

    /* The server does not read: the client keeps something, closes, and waits, until it does no longer. */
    TRY(connect_client(server, trusting));
    asyncio_transport_pause_reading(served.transport);
    TRY(asyncio_transport_set_write_buffer_limits(client.transport, 100000000, SIZE_MAX));
    TRY(asyncio_transport_write(client.transport, mass, sizeof mass));
    asyncio_transport_close(client.transport);
    TRY(asyncio_sleep(1));
    tell("closing %s", truth(asyncio_transport_is_closing(client.transport)));
    asyncio_transport_abort(client.transport);
    tell("aborted");
    TRY(asyncio_sleep(1));
    asyncio_transport_abort(served.transport);
    TRY(asyncio_sleep(1));
    asyncio_ssl_context_unref(serving);
    asyncio_ssl_context_unref(trusting);
    return end_server(server);
}

int main(void)
{
    return run_program(main_task);
}
