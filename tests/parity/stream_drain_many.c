/* Several tasks drain at once; all go on when the peer reads, and one that is cancelled harms nobody (ST-12, #87). */

#include "parity_streams.h"

enum { SIZE = 4 * 1024 * 1024 };

struct draining {
    struct asyncio_streamwriter *writer;
    const char *name;
};

static int reads_late(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    static char buffer[65536];
    ssize_t n = 0;

    (void)writer, (void)arg;
    TRY(asyncio_sleep(5));
    for (ssize_t left = SIZE; left > 0 && n >= 0; left -= n)
        n = asyncio_streamreader_read(reader, buffer, sizeof buffer);
    return n < 0 ? (int)n : 0;
}

static int drains(void *arg)
{
    const struct draining *draining = arg;
    int r = asyncio_streamwriter_drain(draining->writer);

    say("%s %s", draining->name, r == -ECANCELED ? "is cancelled" : "goes on");
    return r;
}

static int main_task(void *arg)
{
    static const char data[SIZE];
    static const char *const names[] = {"first", "second", "third", "fourth"};
    const char *path = unix_path("drain");
    struct asyncio_server *server;
    struct asyncio_future *tasks[COUNT(names)];
    struct draining draining[COUNT(names)];
    struct client client;
    char byte;

    (void)arg;
    TRY(asyncio_start_unix_server(reads_late, NULL, path, &server));
    TRY(connect_unix(path, &client));
    TRY(asyncio_streamwriter_write_nowait(client.writer, data, SIZE));
    for (size_t i = 0; i < COUNT(names); i++) {
        draining[i] = (struct draining){client.writer, names[i]};
        tasks[i] = asyncio_create_task(drains, &draining[i]);
    }
    nap(1);
    asyncio_future_cancel(tasks[1]);
    nap(1);
    say("done: %s, %s, %s, %s", truth(asyncio_future_done(tasks[0])), truth(asyncio_future_done(tasks[1])),
        truth(asyncio_future_done(tasks[2])), truth(asyncio_future_done(tasks[3])));
    take_all(tasks, COUNT(tasks));
    say("at the end: %zd", asyncio_streamreader_read(client.reader, &byte, 1));
    TRY(hang_up(&client));
    return end_server(server);
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
