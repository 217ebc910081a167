/* Handshakes that take too long, on both sides: when they are given up, and that no protocol is made (TL-02).
 *
 * How that is called is not told: Python's ConnectionAbortedError is -ETIMEDOUT here, like every other time that is up.
 * A server that gives up cuts the connection, which the client here sees as its end or as a reset. */

#include "parity_tls.h"

/* Answers nothing. */
static void silent_made(struct asyncio_protocol *protocol, struct asyncio_transport *transport)
{
    (void)transport;
    tell("%s: connection_made()", teller_of(protocol)->name);
}

static void silent_lost(struct asyncio_protocol *protocol, int error)
{
    (void)error;
    tell("%s: connection_lost()", teller_of(protocol)->name);
}

static void silent_data(struct asyncio_protocol *protocol, const void *data, size_t size)
{
    (void)protocol, (void)data, (void)size;
}

static const struct asyncio_protocol_type silent_type = {
    .size = sizeof(struct asyncio_protocol_type),
    .name = "silent",
    .connection_made = silent_made,
    .connection_lost = silent_lost,
    .data_received = silent_data,
};

static int main_task(void *arg)
{
    static struct teller silent_server = {.protocol = {&silent_type}, .name = "silent server"};
    static struct teller silent_client = {.protocol = {&silent_type}, .name = "silent client"};
    static struct teller served = TELLER("server"), client = TELLER("client");
    struct asyncio_ssl_context *serving = server_context("server"), *trusting = client_context("server");
    struct asyncio_server *silent, *server;

    (void)arg;
    TRY(asyncio_loop_create_server(LOOP, itself, &silent_server, "127.0.0.1", 0, &silent));
    for (int timeout = 5; timeout >= 0; timeout -= 5) {
        int r = asyncio_loop_create_connection(LOOP, itself, &client, "127.0.0.1", port_of(silent), NULL, NULL,
                                               .ssl = trusting, .server_hostname = "localhost",
                                               .ssl_handshake_timeout = timeout);

        double given_up = asyncio_loop_time(LOOP);

        TRY(asyncio_sleep(1));
        if (r < 0)
            tell("client: given up at %.0f", given_up);
    }
    TRY(asyncio_loop_create_server(LOOP, itself, &served, "127.0.0.1", 0, &server, .ssl = serving,
                                   .ssl_handshake_timeout = 7));
    TRY(asyncio_loop_create_connection(LOOP, itself, &silent_client, "127.0.0.1", port_of(server), NULL, NULL));
    TRY(asyncio_sleep(10));
    tell("over");
    asyncio_ssl_context_unref(serving);
    asyncio_ssl_context_unref(trusting);
    TRY(end_server(silent));
    return end_server(server);
}

int main(void)
{
    return run_program(main_task);
}
