/* Flow control of datagrams: paused when more than the high mark is kept, resumed when that is sent (TR-04,
 * TR-11). */

#include "parity_datagrams.h"

#include <asyncio_lowlevel.h>

#define SIZE 1000

enum { MANY = 2000 };

static char data[2 * SIZE];

static void made(struct asyncio_protocol *protocol, struct asyncio_transport *transport)
{
    ((struct datagrams *)protocol)->transport = transport;
    tell("connection_made()");
}

static void lost(struct asyncio_protocol *protocol, int error)
{
    (void)protocol;
    tell("connection_lost(%s)", error_name(error));
}

static void paused(struct asyncio_protocol *protocol)
{
    (void)protocol;
    tell("pause_writing()");
}

static void resumed(struct asyncio_protocol *protocol)
{
    (void)protocol;
    tell("resume_writing()");
}

static void received(struct asyncio_protocol *protocol, const void *bytes, size_t size,
                     const struct asyncio_address *address)
{
    (void)protocol, (void)bytes, (void)size, (void)address;
}

static const struct asyncio_protocol_type type = {
    .size = sizeof(struct asyncio_protocol_type),
    .name = "datagrams",
    .connection_made = made,
    .connection_lost = lost,
    .pause_writing = paused,
    .resume_writing = resumed,
    .datagram_received = received,
};

static int takes_all(const struct asyncio_socket *socket)
{
    int count = 0;

    for (;;) {
        struct asyncio_op op = {
            .opcode = ASYNCIO_OP_RECV,
            .flags = ASYNCIO_OP_NOWAIT,
            .fd = asyncio_socket_fileno(socket),
            .buffer = {.data = data, .size = sizeof data},
        };

        asyncio_op_submit(LOOP, &op);
        if (op.result < 0)
            return count;
        count += op.result == SIZE;
    }
}

static int main_task(void *arg)
{
    static struct datagrams sender = {{&type}, .name = "sender"};
    const char *path = unix_path("datagrams");
    struct asyncio_transport *transport;
    struct asyncio_socket *socket;
    struct asyncio_address address;
    size_t high, low;
    int count = 0;

    (void)arg;
    TRY(asyncio_socket(AF_UNIX, SOCK_DGRAM, 0, &socket));
    TRY(asyncio_address_unix(&address, path));
    TRY(asyncio_socket_bind(socket, &address));
    TRY(asyncio_loop_create_datagram_endpoint(LOOP, itself, &sender, &transport, NULL, .remote_path = path,
                                              .family = AF_UNIX));
    asyncio_transport_get_write_buffer_limits(transport, &high, &low);
    tell("marks: (%zu, %zu)", low, high);
    TRY(asyncio_transport_sendto(transport, data, SIZE, NULL));
    tell("kept: %zu, arrived: %d", asyncio_transport_get_write_buffer_size(transport), takes_all(socket));
    for (int i = 0; i < MANY; i++)
        TRY(asyncio_transport_sendto(transport, data, SIZE, NULL));
    tell("more is kept: %s", truth(asyncio_transport_get_write_buffer_size(transport) > 65536));
    while (count < MANY) {
        count += takes_all(socket);
        TRY(asyncio_sleep(0));
    }
    TRY(asyncio_sleep(1));
    tell("arrived: %d", count);
    asyncio_socket_unref(socket);
    asyncio_transport_close(transport);
    return asyncio_sleep(1);
}

int main(void)
{
    return run_program(main_task);
}
