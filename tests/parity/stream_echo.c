/* A client talks to an echo server, line by line, until it ends what it writes (ST-01, ST-02). */

#include "parity_streams.h"

static int echo(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char *line;
    ssize_t n;

    (void)arg;
    say("a client comes");
    while ((n = asyncio_streamreader_readline(reader, &line)) > 0)
        TRY(asyncio_streamwriter_write(writer, line, (size_t)n));
    say("the client has no more to say");
    return (int)n;
}

static int main_task(void *arg)
{
    static const char *const texts[] = {"hello\n", "\n", "how are you?\n"};
    struct asyncio_server *server;
    struct client client;

    (void)arg;
    TRY(asyncio_start_server(echo, NULL, "127.0.0.1", 0, &server));
    TRY(connect_to(server, &client));
    for (size_t i = 0; i < COUNT(texts); i++) {
        nap(1);
        TRY(asyncio_streamwriter_write(client.writer, texts[i], strlen(texts[i])));
        say("echoed: %s", read_line(client.reader));
    }
    nap(1);
    TRY(asyncio_streamwriter_write_eof(client.writer));
    say("at the end: %s", read_rest(client.reader));
    TRY(hang_up(&client));
    asyncio_server_ref(server);
    TRY(end_server(server));
    say("serving %s", truth(asyncio_server_is_serving(server)));
    asyncio_server_unref(server);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
