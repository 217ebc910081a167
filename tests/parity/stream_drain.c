/* drain waits while too much is kept, until the peer has read; then everything has arrived in order (ST-12). */

#include "parity_streams.h"

enum { SIZE = 4 * 1024 * 1024 };

static unsigned char sent[SIZE], received[SIZE];

static int reads_late(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    (void)writer, (void)arg;
    TRY(asyncio_sleep(2));
    say("the server begins to read");
    ssize_t n = asyncio_streamreader_readexactly(reader, received, SIZE);
    if (n < 0)
        return (int)n;
    say("the server has %zd bytes, %08x", n, crc32_of(received, SIZE));
    return 0;
}

static int main_task(void *arg)
{
    const char *path = unix_path("drain");
    struct asyncio_server *server;
    struct client client;
    char byte;

    (void)arg;
    for (size_t i = 0; i < SIZE; i++)
        sent[i] = (unsigned char)(i * 7 % 251);
    TRY(asyncio_start_unix_server(reads_late, NULL, path, &server));
    TRY(connect_unix(path, &client));
    say("kept: %zu", asyncio_streamwriter_get_write_buffer_size(client.writer));
    TRY(asyncio_streamwriter_drain(client.writer));
    TRY(asyncio_streamwriter_write_nowait(client.writer, sent, SIZE));
    say("much is kept: %s", truth(asyncio_streamwriter_get_write_buffer_size(client.writer) > 65536));
    TRY(asyncio_streamwriter_drain(client.writer));
    double drained = asyncio_loop_time(asyncio_get_running_loop());
    say("at the end: %zd", asyncio_streamreader_read(client.reader, &byte, 1));
    say("drained at %.3f, kept: %zu", drained, asyncio_streamwriter_get_write_buffer_size(client.writer));
    TRY(asyncio_streamwriter_drain(client.writer));
    TRY(hang_up(&client));
    return end_server(server);
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
