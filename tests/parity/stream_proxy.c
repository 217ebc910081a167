/* A proxy copies both directions, with half closes, and both ends of it are closed at the end (ST-14). */

#include "parity_streams.h"

struct direction {
    struct asyncio_streamreader *reader;
    struct asyncio_streamwriter *writer;
};

static int totals[2];

static int copies(void *arg)
{
    const struct direction *direction = arg;
    char buffer[7];
    ssize_t n;
    int total = 0;

    while ((n = asyncio_streamreader_read(direction->reader, buffer, sizeof buffer)) > 0) {
        TRY(asyncio_streamwriter_write(direction->writer, buffer, (size_t)n));
        total += (int)n;
    }
    if (n < 0)
        return (int)n;
    TRY(asyncio_streamwriter_write_eof(direction->writer));
    return total;
}

static int forwards(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *inner)
{
    struct client to;

    TRY(connect_to(inner, &to));
    struct direction there = {reader, to.writer}, back = {to.reader, writer};
    struct asyncio_future *tasks[] = {asyncio_create_task(copies, &there), asyncio_create_task(copies, &back)};
    TRY(asyncio_gather(tasks, COUNT(tasks), totals));
    drop_all(tasks, COUNT(tasks));
    return hang_up(&to);
}

static int reverses(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char *line;
    ssize_t n;

    (void)arg;
    while ((n = asyncio_streamreader_readline(reader, &line)) > 0) {
        for (ssize_t i = n - 2; i >= 0; i--)
            TRY(asyncio_streamwriter_write_nowait(writer, line + i, 1));
        TRY(write_text(writer, "\n"));
        TRY(asyncio_sleep(0.5));
    }
    return n < 0 ? (int)n : write_text(writer, "bye\n");
}

static int main_task(void *arg)
{
    struct asyncio_server *inner, *outer;
    struct client client;
    char *line;
    ssize_t n;

    (void)arg;
    TRY(asyncio_start_server(reverses, NULL, "127.0.0.1", 0, &inner));
    TRY(asyncio_start_server(forwards, inner, "127.0.0.1", 0, &outer));
    TRY(connect_to(outer, &client));
    TRY(write_text(client.writer, "hello, world\nasyncio\nlevel\n"));
    TRY(asyncio_streamwriter_write_eof(client.writer));
    while ((n = asyncio_streamreader_readline(client.reader, &line)) > 0)
        say("%s", quoted(line, n));
    TRY(hang_up(&client));
    TRY(end_server(outer));
    TRY(end_server(inner));
    say("%d bytes there, %d back", totals[0], totals[1]);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
