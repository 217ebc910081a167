/* A file through a transport: behind what was written before, a part of it, and none when the transport is closing
 * (N-14). */

#include "parity_protocols.h"

#define SIZE 300000

static int sends(struct asyncio_transport *transport, int file, int64_t offset, int64_t count)
{
    int64_t sent = asyncio_loop_sendfile(LOOP, transport, file, .offset = offset, .count = count);

    if (sent < 0)
        return (int)sent;
    tell("sent %lld bytes", (long long)sent);
    return 0;
}

static int main_task(void *arg)
{
    static struct sum sink = {.protocol = {&sum_type}};
    static struct teller asking = TELLER("client");
    const char *path = unix_path("file");
    struct asyncio_transport *transport;
    struct asyncio_server *server;
    FILE *file = tmpfile();

    (void)arg;
    for (int i = 0; i < SIZE; i++)
        putc(i * 7 % 251, file);
    fflush(file);
    TRY(asyncio_loop_create_unix_server(LOOP, itself, &sink, path, &server));
    TRY(asyncio_loop_create_unix_connection(LOOP, itself, &asking, path, &transport, NULL));
    TRY(transport_write(transport, "before, "));
    TRY(sends(transport, fileno(file), 0, 0));
    TRY(transport_write(transport, ", behind"));
    TRY(asyncio_sleep(1));
    sum_tells(&sink);
    TRY(sends(transport, fileno(file), 1000, 20));
    TRY(asyncio_sleep(1));
    sum_tells(&sink);
    TRY(sends(transport, fileno(file), SIZE - 5, 100));
    TRY(asyncio_sleep(1));
    sum_tells(&sink);
    asyncio_transport_close(transport);
    if (asyncio_loop_sendfile(LOOP, transport, fileno(file)) == -ASYNCIO_ECLOSED)
        tell("refused, as it is closing");
    fclose(file);
    TRY(asyncio_sleep(1));
    return end_server(server);
}

int main(void)
{
    return run_program(main_task);
}
