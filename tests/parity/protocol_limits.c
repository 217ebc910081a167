/* The marks of flow control: what is made of one that is not given, and what is refused (TR-03). */

#include "parity_protocols.h"

static void shows(const struct asyncio_transport *transport, const char *what)
{
    size_t high, low;

    asyncio_transport_get_write_buffer_limits(transport, &high, &low);
    tell("%s: low %zu, high %zu, kept %zu", what, low, high, asyncio_transport_get_write_buffer_size(transport));
}

static int main_task(void *arg)
{
    static struct teller served = TELLER("server"), asking = TELLER("client");
    const char *path = unix_path("limits");
    struct asyncio_transport *transport;
    struct asyncio_server *server;

    (void)arg;
    TRY(asyncio_loop_create_unix_server(LOOP, itself, &served, path, &server));
    TRY(asyncio_loop_create_unix_connection(LOOP, itself, &asking, path, &transport, NULL));
    TRY(asyncio_sleep(1));
    shows(transport, "at first");
    TRY(asyncio_transport_set_write_buffer_limits(transport, 1000, SIZE_MAX));
    shows(transport, "high 1000");
    TRY(asyncio_transport_set_write_buffer_limits(transport, SIZE_MAX, 1000));
    shows(transport, "low 1000");
    TRY(asyncio_transport_set_write_buffer_limits(transport, 10, 10));
    shows(transport, "both 10");
    tell("high below low: %s", refused(asyncio_transport_set_write_buffer_limits(transport, 9, 10)));
    shows(transport, "afterwards");
    TRY(asyncio_transport_set_write_buffer_limits(transport, 0, SIZE_MAX));
    shows(transport, "high 0");
    TRY(asyncio_transport_set_write_buffer_limits(transport, SIZE_MAX, 0));
    shows(transport, "low 0");
    TRY(asyncio_transport_set_write_buffer_limits(transport, SIZE_MAX, SIZE_MAX));
    shows(transport, "neither");
    asyncio_transport_close(transport);
    TRY(asyncio_sleep(1));
    return end_server(server);
}

int main(void)
{
    return run_program(main_task);
}
