/* A connection that becomes one with TLS in the middle: what was said before and after, the same protocols, and no
 * second connection_made (ST-15, #101, #102). */

#include "parity_tls.h"

static struct asyncio_ssl_context *serving, *trusting;
static struct asyncio_future *upgrading;

static int upgrade_server(void *arg)
{
    struct teller *teller = arg;

    return asyncio_loop_start_tls(LOOP, teller->transport, &teller->protocol, serving, .server_side = true);
}

static void answers(struct teller *teller, const void *data, size_t size)
{
    (void)data, (void)size;
    if (!upgrading) {
        /* What follows in the clear goes before the handshake. */
        transport_write(teller->transport, "go ahead\n");
        upgrading = asyncio_create_task(upgrade_server, teller);
    } else {
        transport_write(teller->transport, "nobody else has read that\n");
    }
}

static void say_state(const struct teller *teller)
{
    struct asyncio_ssl_info info = {.version = "none"};

    ASYNCIO_IGNORE(asyncio_transport_ssl_info(teller->transport, &info));
    tell("%s: %s, closing %s", teller->name, info.version, truth(asyncio_transport_is_closing(teller->transport)));
}

static int main_task(void *arg)
{
    static struct teller served = TELLER("server", .data = answers), client = TELLER("client", .is_quiet = true);
    struct asyncio_server *server;

    (void)arg;
    serving = server_context("server");
    trusting = client_context("server");
    TRY(asyncio_loop_create_server(LOOP, itself, &served, "127.0.0.1", 0, &server));
    /* Who of two is told first is not what this is about, here and at the end. */
    TRY(asyncio_loop_create_connection(LOOP, itself, &client, "127.0.0.1", port_of(server), NULL, NULL));
    TRY(asyncio_sleep(1));
    client.is_quiet = false;
    TRY(transport_write(client.transport, "starttls\n"));
    TRY(asyncio_sleep(1));
    TRY(asyncio_loop_start_tls(LOOP, client.transport, &client.protocol, trusting, .server_hostname = "localhost"));
    TRY(take(upgrading));
    TRY(asyncio_sleep(1));
    say_state(&served);
    say_state(&client);
    TRY(transport_write(client.transport, "a secret\n"));
    TRY(asyncio_sleep(1));
    served.is_quiet = true;
    asyncio_transport_close(client.transport);
    TRY(asyncio_sleep(1));
    asyncio_ssl_context_unref(serving);
    asyncio_ssl_context_unref(trusting);
    return end_server(server);
}

int main(void)
{
    return run_program(main_task);
}
