/* What is written after close, write_eof or abort: nothing arrives, and only after write_eof it is an error (TR-09). */

#include "parity_protocols.h"

static struct teller *newest;

/* Clients come one after the other; each is served by a protocol of its own. */
static struct asyncio_protocol *serves(void *arg)
{
    static struct teller tellers[] = {TELLER("server", .stays = true), TELLER("server", .stays = true),
                                      TELLER("server", .stays = true)};
    struct teller *teller = newest ? newest + 1 : tellers;

    (void)arg;
    newest = teller;
    return &teller->protocol;
}

static int close_it(struct asyncio_transport *transport)
{
    asyncio_transport_close(transport);
    return 0;
}

static int abort_it(struct asyncio_transport *transport)
{
    asyncio_transport_abort(transport);
    return 0;
}

static int visits(const char *path, const char *ending, int (*end)(struct asyncio_transport *transport))
{
    struct teller asking = TELLER("client");
    struct asyncio_transport *transport;

    TRY(asyncio_loop_create_unix_connection(LOOP, itself, &asking, path, &transport, NULL));
    TRY(asyncio_sleep(1));
    TRY(transport_write(transport, "before"));
    TRY(asyncio_sleep(1));
    tell("%s", ending);
    TRY(end(transport));
    tell("closing %s", truth(asyncio_transport_is_closing(transport)));
    tell("write: %s", refused(transport_write(transport, "after")));
    tell("write nothing: %s", refused(transport_write(transport, "")));
    tell("kept: %zu", asyncio_transport_get_write_buffer_size(transport));
    TRY(asyncio_sleep(1));
    if (asking.transport)
        asyncio_transport_close(asking.transport);
    tell("close: allowed");
    if (asking.transport)
        asyncio_transport_abort(asking.transport);
    tell("abort: allowed");
    return asyncio_sleep(1);
}

static int main_task(void *arg)
{
    const char *path = unix_path("late");
    struct asyncio_server *server;

    (void)arg;
    TRY(asyncio_loop_create_unix_server(LOOP, serves, NULL, path, &server));
    TRY(visits(path, "close", close_it));
    TRY(visits(path, "write_eof", asyncio_transport_write_eof));
    TRY(visits(path, "abort", abort_it));
    asyncio_server_close_clients(server);
    return end_server(server);
}

int main(void)
{
    return run_program(main_task);
}
