/* A connection that is refused, a factory that makes no protocol, an address in use: what the calls say (N-01,
 * N-03). */

#include "parity_protocols.h"

static struct asyncio_protocol *makes_none(void *arg)
{
    (void)arg;
    return NULL;
}

static void tell_result(const char *what, int r)
{
    if (r == -ECONNREFUSED)
        tell("%s: refused", what);
    else
        tell("%s: %s", what, r < 0 ? "failed" : "connected");
}

static struct asyncio_protocol *serves(void *arg)
{
    static struct sum sums[] = {{.protocol = {&sum_type}}, {.protocol = {&sum_type}}};
    static int n;

    (void)arg;
    return &sums[n++].protocol;
}

static int main_task(void *arg)
{
    static struct teller asking = TELLER("client");
    struct asyncio_server *server, *second;
    int port;

    (void)arg;
    tell_result("nobody", asyncio_loop_create_unix_connection(LOOP, itself, &asking, unix_path("refused"), NULL, NULL));
    TRY(asyncio_loop_create_server(LOOP, serves, NULL, "127.0.0.1", 0, &server));
    port = port_of(server);
    tell_result("somebody", asyncio_loop_create_connection(LOOP, itself, &asking, "127.0.0.1", port, NULL, NULL));
    asyncio_transport_close(asking.transport);
    TRY(asyncio_sleep(1));
    if (asyncio_loop_create_connection(LOOP, makes_none, NULL, "127.0.0.1", port, NULL, NULL) < 0)
        tell("no protocol: an error");
    TRY(asyncio_sleep(1));
    tell_result("a second server", asyncio_loop_create_server(LOOP, itself, &asking, "127.0.0.1", port, &second));
    TRY(end_server(server));
    tell_result("nobody any more",
                asyncio_loop_create_connection(LOOP, itself, &asking, "127.0.0.1", port, NULL, NULL));
    return 0;
}

int main(void)
{
    return run_program(main_task);
}
