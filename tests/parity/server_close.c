/* close stops listening and keeps the clients (SV-03). */

#include "parity_streams.h"

static int echo(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char *line;
    ssize_t n;

    (void)arg;
    while ((n = asyncio_streamreader_readline(reader, &line)) > 0)
        TRY(asyncio_streamwriter_write(writer, line, (size_t)n));
    return (int)n;
}

static int main_task(void *arg)
{
    struct asyncio_server *server;
    struct client client, other;

    (void)arg;
    TRY(asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server));
    int port = port_of(server);
    TRY(connect_to(server, &client));
    TRY(write_text(client.writer, "before\n"));
    say("echoed: %s", read_line(client.reader));
    asyncio_server_close(server);
    nap(1);
    if (asyncio_open_connection("127.0.0.1", port, &other.reader, &other.writer) == -ECONNREFUSED)
        say("a new client: refused");
    TRY(write_text(client.writer, "behind\n"));
    say("echoed: %s", read_line(client.reader));
    TRY(hang_up(&client));
    TRY(asyncio_server_wait_closed(server));
    say("closed");
    asyncio_server_unref(server);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
