/* write_eof ends one direction; the other one goes on for as long as it likes (ST-14). */

#include "parity_streams.h"

static int answers_late(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char *question, *word, *rest;
    ssize_t n = asyncio_streamreader_read_to_end(reader, SIZE_MAX, &question);

    (void)arg;
    if (n < 0)
        return (int)n;
    say("the question: %s, at the end %s", quoted(question, n), truth(asyncio_streamreader_at_eof(reader)));
    for (word = strtok_r(question, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        nap(1);
        TRY(asyncio_streamwriter_printf(writer, "%s!", word));
    }
    asyncio_free(question);
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_server *server;
    struct client client;

    (void)arg;
    TRY(asyncio_start_server(answers_late, NULL, "127.0.0.1", 0, &server));
    TRY(connect_to(server, &client));
    say("can write_eof %s", truth(asyncio_streamwriter_can_write_eof(client.writer)));
    TRY(write_text(client.writer, "is anybody "));
    nap(1);
    TRY(write_text(client.writer, "there"));
    TRY(asyncio_streamwriter_write_eof(client.writer));
    TRY(asyncio_streamwriter_write_eof(client.writer));
    say("the question is asked, and ended twice");
    say("a write behind the end: %s", refused(write_text(client.writer, "?")));
    say("closing %s", truth(asyncio_streamwriter_is_closing(client.writer)));
    say("the answer: %s", read_rest(client.reader));
    TRY(hang_up(&client));
    return end_server(server);
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
