/* Reading line by line until the end (ST-10). */

#include "parity_streams.h"

static int sends_a_poem(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    static const char *const lines[] = {"one\n", "two\nthree\n", "four"};

    (void)reader, (void)arg;
    for (size_t i = 0; i < COUNT(lines); i++) {
        TRY(asyncio_streamwriter_write(writer, lines[i], strlen(lines[i])));
        TRY(asyncio_sleep(1));
    }
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_server *server;
    struct client client;
    char *line;
    ssize_t n;

    (void)arg;
    TRY(asyncio_start_server(sends_a_poem, NULL, "127.0.0.1", 0, &server));
    TRY(connect_to(server, &client));
    for (int number = 1; (n = asyncio_streamreader_readline(client.reader, &line)) > 0; number++)
        say("%d %s", number, quoted(line, n));
    say("at the end %s", truth(asyncio_streamreader_at_eof(client.reader)));
    TRY(hang_up(&client));
    return end_server(server);
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
