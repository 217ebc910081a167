/* at_eof is true once the end has come and all before it is read (ST-04). */

#include "parity_streams.h"

static int sends(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    (void)reader, (void)arg;
    TRY(write_text(writer, "one\ntwo\n"));
    return asyncio_sleep(1);
}

static int main_task(void *arg)
{
    struct asyncio_server *server;
    struct client client;

    (void)arg;
    TRY(asyncio_start_server(sends, NULL, "127.0.0.1", 0, &server));
    TRY(connect_to(server, &client));
    say("at first: %s", truth(asyncio_streamreader_at_eof(client.reader)));
    for (int i = 0; i < 3; i++) {
        const char *line = read_line(client.reader);

        say("%s: %s", line, truth(asyncio_streamreader_at_eof(client.reader)));
    }
    say("closing %s", truth(asyncio_streamwriter_is_closing(client.writer)));
    TRY(hang_up(&client));
    return end_server(server);
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
