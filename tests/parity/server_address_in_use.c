/* A port that is taken is refused, and is free when its server is closed (N-06). */

#include "parity_streams.h"

static int nobody(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    (void)reader, (void)writer, (void)arg;
    return 0;
}

static struct asyncio_server *tries(int port)
{
    struct asyncio_server *server = NULL;
    int r = asyncio_start_server(nobody, NULL, "127.0.0.1", port, &server);

    if (r < 0)
        say("start_server: %s", asyncio_errorname(r));
    else
        say("start_server: serving %s, the same port %s", truth(asyncio_server_is_serving(server)),
            truth(port_of(server) == port));
    return server;
}

static int main_task(void *arg)
{
    struct asyncio_server *server;
    struct client client;
    char byte;

    (void)arg;
    TRY(asyncio_start_server(nobody, NULL, "127.0.0.1", 0, &server));
    int port = port_of(server);
    tries(port);
    TRY(connect_to(server, &client));
    say("a client: %zd bytes", asyncio_streamreader_read(client.reader, &byte, 1));
    TRY(hang_up(&client));
    TRY(end_server(server));
    server = tries(port);
    tries(port);
    return end_server(server);
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
