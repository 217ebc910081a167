/* Nobody listens: the connect is refused, and a later one succeeds (ST-01). */

#include "parity_streams.h"

static int greets(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    (void)reader, (void)arg;
    return write_text(writer, "hello\n");
}

static int tries(int port)
{
    struct client client;
    int r = asyncio_open_connection("127.0.0.1", port, &client.reader, &client.writer);

    if (r < 0) {
        say("connect: %s", asyncio_errorname(r));
        return 0;
    }
    say("connected: %s", read_line(client.reader));
    return hang_up(&client);
}

static int main_task(void *arg)
{
    struct asyncio_server *server;

    (void)arg;
    TRY(asyncio_start_server(greets, NULL, "127.0.0.1", 0, &server));
    int port = port_of(server);
    TRY(tries(port));
    TRY(end_server(server));
    TRY(tries(port));
    TRY(asyncio_start_server(greets, NULL, "127.0.0.1", port, &server));
    TRY(tries(port));
    TRY(end_server(server));
    return tries(port);
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
