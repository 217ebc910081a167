/* When the peer goes away while a task drains, all that drain are told, and who waits for the close (ST-12). */

#include "parity_streams.h"

enum { SIZE = 4 * 1024 * 1024 };

struct draining {
    struct asyncio_streamwriter *writer;
    const char *name;
};

/* Which of the errors of a lost connection comes first is the kernel's affair. */
static int tells(const char *name, int r)
{
    if (r < 0 && r != -ECONNRESET && r != -EPIPE)
        return r;
    say("%s: %s", name, r < 0 ? "the connection is lost" : "fine");
    return 0;
}

static int hangs_up(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char buffer[10];

    (void)writer, (void)arg;
    TRY((int)asyncio_streamreader_readexactly(reader, buffer, sizeof buffer));
    TRY(asyncio_sleep(1));
    say("the server goes away with unread data");
    return 0;
}

static int drains(void *arg)
{
    const struct draining *draining = arg;

    return tells(draining->name, asyncio_streamwriter_drain(draining->writer));
}

static int main_task(void *arg)
{
    static const char data[SIZE];
    const char *path = unix_path("drain");
    struct asyncio_server *server;
    struct client client;

    (void)arg;
    TRY(asyncio_start_unix_server(hangs_up, NULL, path, &server));
    TRY(connect_unix(path, &client));
    TRY(asyncio_streamwriter_write_nowait(client.writer, data, SIZE));
    struct draining first = {client.writer, "first"}, second = {client.writer, "second"};
    struct asyncio_future *tasks[] = {asyncio_create_task(drains, &first), asyncio_create_task(drains, &second)};
    for (size_t i = 0; i < COUNT(tasks); i++)
        TRY(take(tasks[i]));
    TRY(tells("main", asyncio_streamwriter_drain(client.writer)));
    asyncio_streamwriter_close(client.writer);
    say("closing %s", truth(asyncio_streamwriter_is_closing(client.writer)));
    TRY(tells("closed", hang_up(&client)));
    return end_server(server);
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
