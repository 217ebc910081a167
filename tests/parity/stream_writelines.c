/* writelines sends its pieces as one, also empty ones, also behind what is kept (ST-11). */

#include "parity_streams.h"

enum { SIZE = 256 * 1024, PIECES = 12 };

static char data[PIECES][SIZE];

static int reads_all(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char *rest;

    (void)writer, (void)arg;
    say("the server has %s", read_line(reader));
    say("the server has %s", read_line(reader));
    TRY(asyncio_sleep(1));
    ssize_t n = asyncio_streamreader_read_to_end(reader, SIZE_MAX, &rest);
    if (n < 0)
        return (int)n;
    say("the server has %zd bytes, %08x", n, crc32_of(rest, (size_t)n));
    asyncio_free(rest);
    return 0;
}

static int main_task(void *arg)
{
    static const struct asyncio_bytes first[] = {{"one", 3}, {", two", 5}, {"", 0}, {", three\n", 8}};
    static const struct asyncio_bytes empty[] = {{"", 0}, {"", 0}}, second[] = {{"four\n", 5}};
    static const struct asyncio_bytes end[] = {{"the", 3}, {" end", 4}};
    const char *path = unix_path("writelines");
    struct asyncio_server *server;
    struct asyncio_bytes pieces[PIECES];
    struct client client;

    (void)arg;
    TRY(asyncio_start_unix_server(reads_all, NULL, path, &server));
    TRY(connect_unix(path, &client));
    TRY(asyncio_streamwriter_writelines(client.writer, first, COUNT(first)));
    TRY(asyncio_streamwriter_writelines(client.writer, NULL, 0));
    TRY(asyncio_streamwriter_writelines(client.writer, empty, COUNT(empty)));
    TRY(asyncio_streamwriter_writelines(client.writer, second, COUNT(second)));
    for (size_t i = 0; i < PIECES; i++) {
        memset(data[i], 'A' + (int)i, SIZE);
        pieces[i] = (struct asyncio_bytes){data[i], SIZE};
    }
    /* Here writing waits as Python's drain does, unless the mark is far away. */
    TRY(asyncio_streamwriter_set_write_buffer_limits(client.writer, sizeof data, -1));
    TRY(asyncio_streamwriter_writelines(client.writer, pieces, PIECES));
    TRY(asyncio_streamwriter_writelines(client.writer, end, COUNT(end)));
    say("all is sent: %s", truth(asyncio_streamwriter_get_write_buffer_size(client.writer) == 0));
    TRY(asyncio_streamwriter_drain(client.writer));
    TRY(asyncio_streamwriter_write_eof(client.writer));
    char *rest;
    ssize_t n = asyncio_streamreader_read_to_end(client.reader, SIZE_MAX, &rest);
    say("at the end: %zd", n);
    asyncio_free(rest);
    TRY(hang_up(&client));
    return end_server(server);
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
