/* Sends a message to an echo server, and prints what comes back.
 *
 *     echo_client HOST PORT [MESSAGE] */
#include <asyncio.h>

#include <stdlib.h>
#include <string.h>

struct options {
    const char *host, *message;
    int port;
};

static int converse(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, const char *message)
{
    char buffer[4096];
    ssize_t n;
    /* What the server does not take at once is kept, so that we can read meanwhile: it may send before it has all. */
    int r = asyncio_streamwriter_write_nowait(writer, message, strlen(message));

    if (r == 0)
        r = asyncio_streamwriter_write_eof(writer);
    if (r < 0)
        return r;
    while ((n = asyncio_streamreader_read(reader, buffer, sizeof buffer)) > 0)
        fwrite(buffer, 1, (size_t)n, stdout);
    printf("\n");
    return (int)n;
}

static int amain(void *arg)
{
    const struct options *options = arg;
    struct asyncio_streamreader *reader;
    struct asyncio_streamwriter *writer;
    int r = asyncio_open_connection(options->host, options->port, &reader, &writer);

    if (r < 0) {
        const char *detail = asyncio_error_detail();

        fprintf(stderr, "echo_client: %s\n", *detail ? detail : asyncio_strerror(r));
        return r;
    }
    r = converse(reader, writer, options->message);
    if (r < 0)
        fprintf(stderr, "echo_client: %s\n", asyncio_strerror(r));
    asyncio_streamwriter_close(writer);
    asyncio_streamreader_unref(reader);
    asyncio_streamwriter_unref(writer);
    return r;
}

int main(int argc, char **argv)
{
    struct options options = {.message = argc > 3 ? argv[3] : "Hello, world!"};
    char *end = NULL;

    if (argc > 2) {
        options.host = argv[1];
        options.port = (int)strtol(argv[2], &end, 10);
    }
    if (argc > 4 || !end || end == argv[2] || *end) {
        fprintf(stderr, "usage: echo_client HOST PORT [MESSAGE]\n");
        return 2;
    }
    return asyncio_run(amain, &options) < 0;
}
