/* When main returns, the handlers that are left are cancelled, and may clean up (R-05, ST-02). */

#include "parity_streams.h"

static int serves(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char *line;

    (void)writer, (void)arg;
    TRY((int)asyncio_streamreader_readline(reader, &line));
    say("a line");
    int r = asyncio_sleep(1000);
    if (r == -ECANCELED) {
        say("the handler is cancelled");
        TRY(asyncio_sleep(1));
        say("the handler has cleaned up");
    }
    return r;
}

static int main_task(void *arg)
{
    struct asyncio_server *server;
    struct client client;

    (void)arg;
    TRY(asyncio_start_server(serves, NULL, "127.0.0.1", 0, &server));
    TRY(connect_to(server, &client));
    TRY(write_text(client.writer, "hello\n"));
    nap(1);
    say("main ends, serving %s", truth(asyncio_server_is_serving(server)));
    asyncio_streamwriter_close(client.writer);
    let_go(&client);
    asyncio_server_unref(server);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
