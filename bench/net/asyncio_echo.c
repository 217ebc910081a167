/* asyncio_echo.c -- an echo server on streams, as a user writes it. Prints its port, then serves until it is killed. */
#include <asyncio.h>

static int echo(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char buffer[16 * 1024];
    ssize_t n;
    int r = 0;

    (void)arg;
    while (r == 0 && (n = asyncio_streamreader_read(reader, buffer, sizeof buffer)) > 0)
        r = asyncio_streamwriter_write(writer, buffer, (size_t)n);
    return 0;
}

static int amain(void *arg)
{
    struct asyncio_address address;
    struct asyncio_server *server;
    int r = asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server, .backlog = 1024);

    (void)arg;
    if (r < 0 || asyncio_server_sockname(server, 0, &address) < 0)
        return r;
    printf("%d\n", asyncio_address_port(&address));
    fflush(stdout);
    r = asyncio_server_serve_forever(server);
    asyncio_server_unref(server);
    return r;
}

int main(void)
{
    return asyncio_run(amain, NULL) < 0;
}
