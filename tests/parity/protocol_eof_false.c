/* eof_received that returns false closes the transport, which still sends what was written (TR-07). */

#include "parity_protocols.h"

static void answers(struct teller *teller)
{
    transport_write(teller->transport, "the answer");
    tell("%s: closing %s, reading %s", teller->name, truth(asyncio_transport_is_closing(teller->transport)),
         truth(asyncio_transport_is_reading(teller->transport)));
}

static int main_task(void *arg)
{
    static struct teller served = TELLER("server", .eof = answers), asking = TELLER("client");
    const char *path = unix_path("eof");
    struct asyncio_server *server;

    (void)arg;
    TRY(asyncio_loop_create_unix_server(LOOP, itself, &served, path, &server));
    TRY(asyncio_loop_create_unix_connection(LOOP, itself, &asking, path, NULL, NULL));
    TRY(asyncio_sleep(1));
    tell("client: can write eof %s", truth(asyncio_transport_can_write_eof(asking.transport)));
    TRY(transport_write(asking.transport, "the question"));
    TRY(asyncio_transport_write_eof(asking.transport));
    TRY(asyncio_transport_write_eof(asking.transport));
    TRY(asyncio_sleep(1));
    tell("client: closing %s", truth(!asking.transport || asyncio_transport_is_closing(asking.transport)));
    tell("server: closing %s", truth(!served.transport || asyncio_transport_is_closing(served.transport)));
    if (served.transport)
        TRY(transport_write(served.transport, ", and more"));
    TRY(asyncio_sleep(1));
    if (served.transport)
        asyncio_transport_close(served.transport);
    TRY(asyncio_sleep(1));
    return end_server(server);
}

int main(void)
{
    return run_program(main_task);
}
