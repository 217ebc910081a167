/* A server that was made without serving begins when it is told to; telling it twice is harmless (SV-01). */

#include "parity_streams.h"

static int greets(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    (void)reader, (void)arg;
    return write_text(writer, "hello\n");
}

static int visits(const struct asyncio_server *server)
{
    struct client client;
    int r = connect_to(server, &client);

    if (r == -ECONNREFUSED) {
        say("refused");
        return 0;
    }
    TRY(r);
    say("connected: %s", read_rest(client.reader));
    return hang_up(&client);
}

static int main_task(void *arg)
{
    struct asyncio_server *server;

    (void)arg;
    TRY(asyncio_start_server(greets, NULL, "127.0.0.1", 0, &server, .no_start_serving = true));
    say("serving %s, sockets %zu", truth(asyncio_server_is_serving(server)), asyncio_server_n_sockets(server));
    TRY(visits(server));
    TRY(asyncio_server_start_serving(server));
    say("serving %s", truth(asyncio_server_is_serving(server)));
    TRY(asyncio_server_start_serving(server));
    say("serving %s", truth(asyncio_server_is_serving(server)));
    TRY(visits(server));
    asyncio_server_close(server);
    asyncio_server_close(server);
    TRY(asyncio_server_wait_closed(server));
    say("serving %s", truth(asyncio_server_is_serving(server)));
    asyncio_server_unref(server);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
