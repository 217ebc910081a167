/* The marks of a writer: defaults, each alone, both, and those that cannot be (ST-12). */

#include "parity_streams.h"

static int reads_all(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char byte;

    (void)writer, (void)arg;
    return (int)asyncio_streamreader_read(reader, &byte, 1);
}

static void tell(struct asyncio_streamwriter *writer, const char *what, ssize_t high, ssize_t low)
{
    const char *result = refused(asyncio_streamwriter_set_write_buffer_limits(writer, high, low));
    size_t high_now, low_now;

    asyncio_streamwriter_get_write_buffer_limits(writer, &high_now, &low_now);
    say("%s: %s, low %zu, high %zu", what, result, low_now, high_now);
}

static int main_task(void *arg)
{
    struct asyncio_server *server;
    struct client client;
    size_t high, low;

    (void)arg;
    TRY(asyncio_start_server(reads_all, NULL, "127.0.0.1", 0, &server));
    TRY(connect_to(server, &client));
    asyncio_streamwriter_get_write_buffer_limits(client.writer, &high, &low);
    say("at first: low %zu, high %zu", low, high);
    tell(client.writer, "high 1000", 1000, -1);
    tell(client.writer, "low 1000", -1, 1000);
    tell(client.writer, "both", 20, 10);
    tell(client.writer, "the same", 10, 10);
    tell(client.writer, "nothing", 0, -1);
    tell(client.writer, "low above high", 10, 11);
    tell(client.writer, "default", -1, -1);
    say("kept: %zu", asyncio_streamwriter_get_write_buffer_size(client.writer));
    TRY(hang_up(&client));
    return end_server(server);
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
