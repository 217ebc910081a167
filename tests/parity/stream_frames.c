/* Requests with their length in front, many at once in one connection, answered in order (ST-07). */

#include "parity_streams.h"

enum { LONGEST = 64 };

/* Returns: the size of the frame, with a NUL behind it. */
static int read_frame(struct asyncio_streamreader *reader, char *frame)
{
    unsigned char head[4];
    ssize_t n = asyncio_streamreader_readexactly(reader, head, sizeof head);

    if (n < 0)
        return (int)n;
    size_t size = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    n = size < LONGEST ? asyncio_streamreader_readexactly(reader, frame, size) : -EMSGSIZE;
    if (n >= 0)
        frame[n] = '\0';
    return (int)n;
}

static int write_frame(struct asyncio_streamwriter *writer, const char *frame)
{
    size_t size = strlen(frame);
    unsigned char head[4] = {0, 0, (unsigned char)(size >> 8), (unsigned char)size};

    TRY(asyncio_streamwriter_write_nowait(writer, head, sizeof head));
    return asyncio_streamwriter_write_nowait(writer, frame, size);
}

static int serves(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char frame[LONGEST];
    int r;

    (void)arg;
    while ((r = read_frame(reader, frame)) >= 0) {
        TRY(asyncio_sleep(0.1));
        for (char *c = frame; *c; c++)
            *c = (char)toupper((unsigned char)*c);
        TRY(write_frame(writer, frame));
        TRY(asyncio_streamwriter_drain(writer));
    }
    if (r != -ASYNCIO_EINCOMPLETEREAD)
        return r;
    say("the server meets the end after %zu bytes of a head", asyncio_streamreader_partial(reader, NULL));
    return 0;
}

static int main_task(void *arg)
{
    static const char *const requests[] = {"one", "two", "", "a longer one", "last"};
    struct asyncio_server *server;
    struct client client;
    char frame[LONGEST];

    (void)arg;
    TRY(asyncio_start_server(serves, NULL, "127.0.0.1", 0, &server));
    TRY(connect_to(server, &client));
    for (size_t i = 0; i < COUNT(requests); i++)
        TRY(write_frame(client.writer, requests[i]));
    TRY(asyncio_streamwriter_drain(client.writer));
    for (size_t i = 0; i < COUNT(requests); i++) {
        int n = read_frame(client.reader, frame);

        say("answer: %s", quoted(frame, n));
    }
    TRY(asyncio_streamwriter_write_nowait(client.writer, "\0\0", 2));
    TRY(hang_up(&client));
    return end_server(server);
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
