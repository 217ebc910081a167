/* A client that does not read delays nobody but itself (ST-12). */

#include "parity_streams.h"

enum { SIZE = 1024 * 1024 };

static char data[SIZE];

static int serves(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char *request;
    ssize_t n;

    (void)arg;
    while ((n = asyncio_streamreader_readline(reader, &request)) > 0) {
        if (strcmp(request, "much\n") == 0)
            TRY(asyncio_streamwriter_write_nowait(writer, data, SIZE));
        TRY(asyncio_streamwriter_printf(writer, "answer to %s", request));
    }
    return (int)n;
}

static int asks(const char *path, const char *name, const char *const *requests)
{
    struct client client;

    TRY(connect_unix(path, &client));
    for (; *requests; requests++) {
        TRY(write_text(client.writer, *requests));
        const char *answer = read_line(client.reader);
        say("%s: %s", name, answer);
        nap(1);
    }
    return hang_up(&client);
}

static int main_task(void *arg)
{
    static const char *const requests[] = {"one\n", "two\n", "three\n", NULL};
    const char *path = unix_path("slow");
    struct asyncio_server *server;
    struct client client;

    (void)arg;
    TRY(asyncio_start_unix_server(serves, NULL, path, &server));
    TRY(connect_unix(path, &client));
    TRY(write_text(client.writer, "much\n"));
    TRY(write_text(client.writer, "little\n"));
    nap(0.5);
    TRY(asks(path, "quick", requests));
    say("slow: %zd bytes", asyncio_streamreader_readexactly(client.reader, data, SIZE));
    say("slow: %s", read_line(client.reader));
    say("slow: %s", read_line(client.reader));
    TRY(hang_up(&client));
    return end_server(server);
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
