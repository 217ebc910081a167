/* pause_writing once when more than the high mark is kept, resume_writing once when no more than the low one is; also
 * when the marks change (TR-03, TR-04). */

#include "parity_protocols.h"

#define MUCH ((size_t)400 * 1000)

static char much[MUCH];
static const struct asyncio_bytes lines[] = {{much, MUCH}, {much, MUCH}};

static void tell_marks(const struct asyncio_transport *transport)
{
    size_t high, low;

    asyncio_transport_get_write_buffer_limits(transport, &high, &low);
    tell("marks: (%zu, %zu)", low, high);
}

static int main_task(void *arg)
{
    static struct sum sink = {.protocol = {&sum_type}, .pauses = true};
    static struct teller asking = TELLER("client");
    const char *path = unix_path("flow");
    struct asyncio_transport *transport;
    struct asyncio_server *server;

    (void)arg;
    TRY(asyncio_loop_create_unix_server(LOOP, itself, &sink, path, &server));
    TRY(asyncio_loop_create_unix_connection(LOOP, itself, &asking, path, &transport, NULL));
    TRY(asyncio_sleep(1));
    tell_marks(transport);
    TRY(asyncio_transport_write(transport, much, MUCH));
    tell("written, more is kept: %s", truth(asyncio_transport_get_write_buffer_size(transport) > 65536));
    TRY(asyncio_transport_writelines(transport, lines, 2));
    tell("written again");
    TRY(asyncio_sleep(1));
    asyncio_transport_resume_reading(sink.transport);
    TRY(asyncio_sleep(1));
    tell("received %zu, kept %zu", sink.n_received, asyncio_transport_get_write_buffer_size(transport));
    asyncio_transport_pause_reading(sink.transport);
    TRY(asyncio_transport_set_write_buffer_limits(transport, 10 * MUCH, SIZE_MAX));
    tell_marks(transport);
    TRY(asyncio_transport_writelines(transport, lines, 2));
    tell("lines written");
    TRY(asyncio_transport_set_write_buffer_limits(transport, 0, SIZE_MAX));
    tell_marks(transport);
    asyncio_transport_resume_reading(sink.transport);
    TRY(asyncio_sleep(1));
    tell("received %zu, kept %zu", sink.n_received, asyncio_transport_get_write_buffer_size(transport));
    TRY(transport_write(transport, "a little"));
    tell("a little is written");
    asyncio_transport_close(transport);
    TRY(asyncio_sleep(1));
    tell("received %zu", sink.n_received);
    return end_server(server);
}

int main(void)
{
    return run_program(main_task);
}
