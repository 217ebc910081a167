/* resume_writing on a transport that is closing: connection_lost comes once, and what is written there is still sent
 * (TR-09, #81). */

#include "parity_protocols.h"

static char much[400 * 1000];

static void closes(struct teller *teller)
{
    asyncio_transport_close(teller->transport);
}

static void writes_more(struct teller *teller)
{
    transport_write(teller->transport, "more");
}

static void sink_lost(struct asyncio_protocol *protocol, int error)
{
    tell("sink: had %zu bytes", ((struct sum *)protocol)->n_received);
    sum_lost(protocol, error);
}

static int visits(void (*resumed)(struct teller *teller))
{
    static struct asyncio_protocol_type sink_type;
    static struct sum sink = {.pauses = true};
    struct teller asking = TELLER("client", .resumed = resumed);
    const char *path = unix_path("resume");
    struct asyncio_server *server;

    sink_type = sum_type;
    sink_type.connection_lost = sink_lost;
    sink.protocol.type = &sink_type;
    sink.n_received = sink.n_kept = 0;
    TRY(asyncio_loop_create_unix_server(LOOP, itself, &sink, path, &server));
    TRY(asyncio_loop_create_unix_connection(LOOP, itself, &asking, path, NULL, NULL));
    TRY(asyncio_sleep(1));
    TRY(asyncio_transport_write(asking.transport, much, sizeof much));
    asyncio_transport_close(asking.transport);
    tell("closed");
    TRY(asyncio_sleep(1));
    asyncio_transport_resume_reading(sink.transport);
    TRY(asyncio_sleep(1));
    tell("client: closing %s", truth(!asking.transport));
    return end_server(server);
}

static int main_task(void *arg)
{
    (void)arg;
    TRY(visits(closes));
    return visits(writes_more);
}

int main(void)
{
    return run_program(main_task);
}
