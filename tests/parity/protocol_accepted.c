/* connect_accepted_socket gives a connection that was accepted elsewhere to a protocol (N-11). */

#include "parity_protocols.h"

#include <sys/socket.h>

static struct asyncio_socket *listener, *accepted;

static int accepts(void *arg)
{
    (void)arg;
    return asyncio_sock_accept(listener, &accepted, NULL);
}

static int main_task(void *arg)
{
    static struct teller asking = TELLER("client"), served = TELLER("server");
    struct asyncio_address address, peer;
    struct asyncio_transport *transport, *other;
    struct asyncio_protocol *protocol;
    struct asyncio_future *task;

    (void)arg;
    TRY(asyncio_socket(AF_INET, SOCK_STREAM, 0, &listener));
    TRY(asyncio_address_parse(&address, "127.0.0.1", 0));
    TRY(asyncio_socket_bind(listener, &address));
    TRY(asyncio_socket_listen(listener, 100));
    TRY(asyncio_socket_getsockname(listener, &address));
    task = asyncio_create_task(accepts, NULL);
    TRY(asyncio_sleep(1));
    TRY(asyncio_loop_create_connection(LOOP, itself, &asking, "127.0.0.1", asyncio_address_port(&address), &transport,
                                       NULL));
    TRY(asyncio_sleep(1));
    TRY(take(task));
    tell("accepted");
    TRY(transport_write(transport, "early"));
    TRY(asyncio_sleep(1));
    TRY(asyncio_loop_connect_accepted_socket(LOOP, itself, &served, accepted, &other, &protocol));
    tell("connected, %s, %s", teller_of(protocol)->name, truth(served.transport == other));
    TRY(asyncio_transport_peername(other, &peer));
    TRY(asyncio_transport_sockname(transport, &address));
    tell("the names fit: %s", truth(asyncio_address_port(&address) == asyncio_address_port(&peer)));
    TRY(asyncio_sleep(1));
    TRY(transport_write(other, "welcome"));
    asyncio_transport_close(other);
    TRY(asyncio_sleep(1));
    asyncio_socket_unref(listener);
    return 0;
}

int main(void)
{
    return run_program(main_task);
}
