/* pause_reading and resume_reading: idempotent, in connection_made nothing is read, on a closing transport nothing
 * happens (TR-02). */

#include "parity_protocols.h"

static void pauses(struct teller *teller)
{
    tell("%s: reading %s", teller->name, truth(asyncio_transport_is_reading(teller->transport)));
    asyncio_transport_pause_reading(teller->transport);
    asyncio_transport_pause_reading(teller->transport);
    tell("%s: reading %s", teller->name, truth(asyncio_transport_is_reading(teller->transport)));
}

static int main_task(void *arg)
{
    static struct teller reader = TELLER("server", .made = pauses), asking = TELLER("client");
    const char *path = unix_path("pause");
    struct asyncio_transport *transport;
    struct asyncio_server *server;

    (void)arg;
    TRY(asyncio_loop_create_unix_server(LOOP, itself, &reader, path, &server));
    TRY(asyncio_loop_create_unix_connection(LOOP, itself, &asking, path, &transport, NULL));
    TRY(transport_write(transport, "first"));
    TRY(asyncio_sleep(1));
    tell("on");
    asyncio_transport_resume_reading(reader.transport);
    asyncio_transport_resume_reading(reader.transport);
    tell("reading %s", truth(asyncio_transport_is_reading(reader.transport)));
    TRY(asyncio_sleep(1));
    asyncio_transport_pause_reading(reader.transport);
    TRY(transport_write(transport, "second"));
    TRY(asyncio_sleep(1));
    tell("on and off");
    asyncio_transport_resume_reading(reader.transport);
    asyncio_transport_pause_reading(reader.transport);
    TRY(asyncio_sleep(1));
    tell("on");
    asyncio_transport_resume_reading(reader.transport);
    TRY(asyncio_sleep(1));
    asyncio_transport_pause_reading(reader.transport);
    TRY(transport_write(transport, "third"));
    asyncio_transport_close(transport);
    TRY(asyncio_sleep(1));
    tell("the end is not seen either");
    asyncio_transport_resume_reading(reader.transport);
    TRY(asyncio_sleep(1));
    asyncio_transport_resume_reading(reader.transport);
    asyncio_transport_pause_reading(reader.transport);
    tell("reading %s", truth(asyncio_transport_is_reading(reader.transport)));
    return end_server(server);
}

int main(void)
{
    return run_program(main_task);
}
