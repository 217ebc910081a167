/* A buffered protocol names the memory that is read into, and one protocol can follow the other kind (TR-10). */

#include "parity_protocols.h"

static struct {
    struct asyncio_protocol protocol;
    struct asyncio_transport *transport;
    char memory[16];
    size_t n_received;
} buffered;

static void made(struct asyncio_protocol *protocol, struct asyncio_transport *transport)
{
    (void)protocol;
    buffered.transport = transport;
    tell("server: connection_made()");
}

static void lost(struct asyncio_protocol *protocol, int error)
{
    (void)protocol;
    tell("server: connection_lost(%s)", error_name(error));
}

static void get_buffer(struct asyncio_protocol *protocol, size_t hint, void **ret_data, size_t *ret_size)
{
    (void)protocol, (void)hint;
    *ret_data = buffered.memory;
    *ret_size = sizeof buffered.memory;
}

static void updated(struct asyncio_protocol *protocol, size_t size)
{
    (void)protocol;
    buffered.n_received += size;
    if (!memchr(buffered.memory, '\n', size))
        return;
    tell("server: the line is there, %zu bytes", buffered.n_received);
    buffered.n_received = 0;
}

static bool ended(struct asyncio_protocol *protocol)
{
    (void)protocol;
    tell("server: eof_received(), %zu bytes without a line's end", buffered.n_received);
    return false;
}

static const struct asyncio_protocol_type buffered_type = {
    .size = sizeof(struct asyncio_protocol_type),
    .name = "buffered",
    .connection_made = made,
    .connection_lost = lost,
    .get_buffer = get_buffer,
    .buffer_updated = updated,
    .eof_received = ended,
};

static int main_task(void *arg)
{
    static struct teller asking = TELLER("client"), another = TELLER("another");
    const char *path = unix_path("buffered");
    struct asyncio_transport *transport;
    struct asyncio_server *server;

    (void)arg;
    buffered.protocol.type = &buffered_type;
    TRY(asyncio_loop_create_unix_server(LOOP, itself, &buffered.protocol, path, &server));
    TRY(asyncio_loop_create_unix_connection(LOOP, itself, &asking, path, &transport, NULL));
    TRY(asyncio_sleep(1));
    TRY(transport_write(transport, "short\n"));
    TRY(asyncio_sleep(1));
    TRY(transport_write(transport, "a line that is longer than the memory for it\n"));
    TRY(asyncio_sleep(1));
    TRY(asyncio_transport_set_protocol(buffered.transport, &another.protocol));
    tell("the protocol is %s", teller_of(asyncio_transport_get_protocol(buffered.transport))->name);
    TRY(transport_write(transport, "to another"));
    TRY(asyncio_sleep(1));
    TRY(asyncio_transport_set_protocol(buffered.transport, &buffered.protocol));
    TRY(transport_write(transport, "the rest"));
    asyncio_transport_close(transport);
    TRY(asyncio_sleep(1));
    return end_server(server);
}

int main(void)
{
    return run_program(main_task);
}
