/* wait_closed waits for what close began; any number of tasks may, before it and after (ST-13). */

#include "parity_streams.h"

struct waiting {
    struct asyncio_streamwriter *writer;
    const char *name;
};

static int waits(void *arg)
{
    const struct waiting *waiting = arg;

    TRY(asyncio_streamwriter_wait_closed(waiting->writer));
    say("%s: closed", waiting->name);
    return 0;
}

static int reads_late(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char *data;

    (void)writer, (void)arg;
    TRY(asyncio_sleep(2));
    ssize_t n = asyncio_streamreader_read_to_end(reader, SIZE_MAX, &data);
    if (n < 0)
        return (int)n;
    say("the server has %zd bytes", n);
    asyncio_free(data);
    return 0;
}

static int main_task(void *arg)
{
    static const char data[1000];
    struct asyncio_server *server;
    struct client client;

    (void)arg;
    TRY(asyncio_start_server(reads_late, NULL, "127.0.0.1", 0, &server));
    TRY(connect_to(server, &client));
    struct waiting first = {client.writer, "first"}, second = {client.writer, "second"}, own = {client.writer, "main"};
    struct asyncio_future *tasks[] = {asyncio_create_task(waits, &first), asyncio_create_task(waits, &second)};
    nap(1);
    say("closing %s, done %s and %s", truth(asyncio_streamwriter_is_closing(client.writer)),
        truth(asyncio_future_done(tasks[0])), truth(asyncio_future_done(tasks[1])));
    TRY(asyncio_streamwriter_write_nowait(client.writer, data, sizeof data));
    asyncio_streamwriter_close(client.writer);
    say("closing %s", truth(asyncio_streamwriter_is_closing(client.writer)));
    asyncio_streamwriter_close(client.writer);
    take_all(tasks, COUNT(tasks));
    TRY(waits(&own));
    own.name = "main again";
    TRY(waits(&own));
    let_go(&client);
    return end_server(server);
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
