/* abort_clients drops what was written to clients that do not read (SV-05). */

#include "parity_streams.h"

enum { SIZE = 4 * 1024 * 1024 };

static int talks(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    static const char data[SIZE];
    int r = asyncio_streamwriter_write(writer, data, SIZE);

    (void)reader, (void)arg;
    say("the server waits no more");
    return r == -ECONNRESET ? 0 : r;
}

static int main_task(void *arg)
{
    static char buffer[65536];
    const char *path = unix_path("abort");
    struct asyncio_server *server;
    struct client client;
    ssize_t n, total = 0;

    (void)arg;
    TRY(asyncio_start_unix_server(talks, NULL, path, &server));
    TRY(asyncio_open_unix_connection(path, &client.reader, &client.writer, .limit = 1024));
    nap(1);
    asyncio_server_close(server);
    asyncio_server_close_clients(server);
    nap(1);
    say("close_clients waits for who does not read");
    asyncio_server_abort_clients(server);
    TRY(asyncio_server_wait_closed(server));
    say("abort_clients does not");
    while ((n = asyncio_streamreader_read(client.reader, buffer, sizeof buffer)) > 0)
        total += n;
    say("the client has all of it: %s", truth(total == SIZE));
    let_go(&client);
    asyncio_server_unref(server);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
