/* One protocol hands its transport to the next, inside data_received and outside: who is told what from then on
 * (TR-01). */

#include "parity_protocols.h"

static void upgrades(struct teller *teller, const void *data, size_t size)
{
    static struct teller second = TELLER("second");

    (void)data, (void)size;
    if (teller->n_received < strlen("upgrade\n"))
        return;
    second.transport = teller->transport;
    tell("upgrade");
    asyncio_transport_set_protocol(teller->transport, &second.protocol);
    transport_write(teller->transport, "welcome");
}

static int main_task(void *arg)
{
    static struct teller first = TELLER("first", .data = upgrades), asking = TELLER("client");
    static struct teller other = TELLER("other client");
    const char *path = unix_path("upgrade");
    struct asyncio_transport *transport;
    struct asyncio_server *server;

    (void)arg;
    TRY(asyncio_loop_create_unix_server(LOOP, itself, &first, path, &server));
    TRY(asyncio_loop_create_unix_connection(LOOP, itself, &asking, path, &transport, NULL));
    TRY(asyncio_sleep(1));
    TRY(transport_write(transport, "upgrade\n"));
    TRY(asyncio_sleep(1));
    TRY(transport_write(transport, "and on"));
    TRY(asyncio_sleep(1));
    TRY(asyncio_transport_set_protocol(transport, &other.protocol));
    tell("%s", teller_of(asyncio_transport_get_protocol(transport))->name);
    asyncio_transport_close(transport);
    TRY(asyncio_sleep(1));
    return end_server(server);
}

int main(void)
{
    return run_program(main_task);
}
