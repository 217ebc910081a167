/* abort drops what is kept: connection_lost(None) in a later turn, and nothing else (TR-01). */

#include "parity_protocols.h"

static char much[4000000];

static void aborts(struct teller *teller)
{
    asyncio_transport_write(teller->transport, much, 1300000);
    asyncio_transport_abort(teller->transport);
    tell("%s: closing %s, kept %zu", teller->name, truth(asyncio_transport_is_closing(teller->transport)),
         asyncio_transport_get_write_buffer_size(teller->transport));
    asyncio_transport_abort(teller->transport);
    asyncio_transport_close(teller->transport);
}

/* Clients come one after the other; each is served by a protocol of its own. */
static struct asyncio_protocol *serves(void *arg)
{
    static struct sum sums[3];
    static int n;

    (void)arg;
    sums[n].protocol.type = &sum_type;
    return &sums[n++].protocol;
}

static int main_task(void *arg)
{
    static struct teller one = TELLER("one", .made = aborts), two = TELLER("two"), three = TELLER("three");
    const char *path = unix_path("abort");
    struct asyncio_transport *transport;
    struct asyncio_server *server;

    (void)arg;
    TRY(asyncio_loop_create_unix_server(LOOP, serves, NULL, path, &server));
    TRY(asyncio_loop_create_unix_connection(LOOP, itself, &one, path, &transport, NULL));
    TRY(asyncio_sleep(1));
    TRY(asyncio_loop_create_unix_connection(LOOP, itself, &two, path, &transport, NULL));
    TRY(asyncio_sleep(1));
    asyncio_transport_abort(transport);
    tell("aborted, closing %s, reading %s", truth(asyncio_transport_is_closing(transport)),
         truth(asyncio_transport_is_reading(transport)));
    TRY(asyncio_sleep(1));
    TRY(asyncio_loop_create_unix_connection(LOOP, itself, &three, path, &transport, NULL));
    TRY(asyncio_sleep(1));
    TRY(asyncio_transport_write(transport, much, sizeof much));
    asyncio_transport_close(transport);
    tell("closed, more is kept: %s", truth(asyncio_transport_get_write_buffer_size(transport) > 0));
    asyncio_transport_abort(transport);
    tell("aborted, kept %zu", asyncio_transport_get_write_buffer_size(transport));
    TRY(asyncio_sleep(1));
    return end_server(server);
}

int main(void)
{
    return run_program(main_task);
}
