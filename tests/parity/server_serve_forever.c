/* serve_forever is over when it is cancelled: the server is closed, and its clients are waited for (SV-02). */

#include "parity_streams.h"

static int echo(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char *line;
    ssize_t n;

    (void)arg;
    while ((n = asyncio_streamreader_readline(reader, &line)) > 0)
        TRY(asyncio_streamwriter_write(writer, line, (size_t)n));
    TRY(asyncio_sleep(1));
    say("the client is served");
    return (int)n;
}

static int serves(void *arg)
{
    struct asyncio_server *server = arg;
    int r = asyncio_server_serve_forever(server);

    if (r == -ECANCELED)
        say("serve_forever is cancelled, serving %s", truth(asyncio_server_is_serving(server)));
    else
        say("serve_forever returns");
    return r;
}

static int main_task(void *arg)
{
    struct asyncio_server *server;
    struct client client;

    (void)arg;
    TRY(asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server, .no_start_serving = true));
    struct asyncio_future *task = asyncio_create_task(serves, server);
    nap(1);
    say("serving %s", truth(asyncio_server_is_serving(server)));
    TRY(connect_to(server, &client));
    TRY(write_text(client.writer, "hello\n"));
    say("echoed: %s", read_line(client.reader));
    asyncio_future_cancel(task);
    nap(1);
    say("serving %s, done %s", truth(asyncio_server_is_serving(server)), truth(asyncio_future_done(task)));
    TRY(write_text(client.writer, "still here\n"));
    say("echoed: %s", read_line(client.reader));
    TRY(hang_up(&client));
    say("the task: %s", outcome(take(task)));
    asyncio_server_unref(server);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
