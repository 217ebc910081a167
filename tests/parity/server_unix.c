/* A server on a Unix socket, abstract, serves as one on a port does (ST-03). */

#include "parity_streams.h"

static int shouts(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char *line;
    ssize_t n;

    (void)arg;
    while ((n = asyncio_streamreader_readline(reader, &line)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            line[i] = (char)toupper((unsigned char)line[i]);
        TRY(asyncio_streamwriter_write_nowait(writer, line, (size_t)n));
    }
    return (int)n;
}

static void visits(const char *path, const char *when)
{
    struct client client;

    if (connect_unix(path, &client) == -ECONNREFUSED)
        say("%s: refused", when);
}

static int main_task(void *arg)
{
    const char *path = unix_path("shout");
    struct asyncio_server *server, *second;
    struct client client;

    (void)arg;
    visits(path, "before");
    TRY(asyncio_start_unix_server(shouts, NULL, path, &server));
    say("serving %s, sockets %zu", truth(asyncio_server_is_serving(server)), asyncio_server_n_sockets(server));
    TRY(connect_unix(path, &client));
    TRY(write_text(client.writer, "hello\nworld\n"));
    const char *hello = read_line(client.reader);
    say("the client has %s, %s", hello, read_line(client.reader));
    TRY(asyncio_streamwriter_write_eof(client.writer));
    say("at the end: %s", read_rest(client.reader));
    TRY(hang_up(&client));
    if (asyncio_start_unix_server(shouts, NULL, path, &second) < 0)
        say("a second server: refused");
    TRY(end_server(server));
    visits(path, "behind");
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
