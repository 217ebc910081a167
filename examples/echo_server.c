/* Sends back to its clients what they send, until they end.
 *
 *     echo_server [HOST [PORT]]      port 0 takes one that is free
 *     echo_server PATH               a Unix socket; a path has a '/' in it
 *
 * Ctrl-C ends it: clients get a second to finish. */
#include <asyncio.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *host;
    int port;
};

static uint64_t n_clients, n_bytes;

/* Serves a client. When it returns, its connection is closed. */
static int echo(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char buffer[16 * 1024];
    int n, r;

    (void)arg;
    n_clients++;
    do {
        r = n = (int)asyncio_streamreader_read(reader, buffer, sizeof buffer);
        if (n > 0)
            r = asyncio_streamwriter_write(writer, buffer, (size_t)n); /* waits while the client does not read */
        if (n > 0 && r == 0)
            n_bytes += (uint64_t)n;
    } while (n > 0 && r == 0);
    /* Clients come and go as they like; that is no error of the server. */
    return r == -ECONNRESET || r == -EPIPE ? 0 : r;
}

static int serve(void *arg)
{
    const struct options *options = arg;
    struct asyncio_server *server;
    struct asyncio_address address;
    char name[128];
    int r;

    if (strchr(options->host, '/'))
        r = asyncio_start_unix_server(echo, NULL, options->host, &server);
    else
        r = asyncio_start_server(echo, NULL, options->host, options->port, &server);
    if (r == 0)
        r = asyncio_server_sockname(server, 0, &address);
    if (r < 0) {
        const char *detail = asyncio_error_detail();

        fprintf(stderr, "echo_server: %s\n", *detail ? detail : asyncio_strerror(r));
        return r;
    }
    asyncio_address_format(&address, name, sizeof name);
    printf("serving on %s\n", name);
    fflush(stdout);
    r = asyncio_sleep(ASYNCIO_FOREVER); /* Ctrl-C cancels it */
    ASYNCIO_IGNORE(asyncio_server_stop(server, 1));
    asyncio_server_unref(server);
    return r;
}

int main(int argc, char **argv)
{
    struct options options = {.host = argc > 1 ? argv[1] : "127.0.0.1", .port = 8888};
    char *end = NULL;
    int r;

    if (argc > 2)
        options.port = (int)strtol(argv[2], &end, 10);
    if (argc > 3 || (end && (end == argv[2] || *end))) {
        fprintf(stderr, "usage: echo_server [HOST [PORT] | PATH]\n");
        return 2;
    }
    r = asyncio_run(serve, &options);
    if (r != -EINTR)
        return 1;
    printf("%" PRIu64 " clients, %" PRIu64 " bytes\n", n_clients, n_bytes);
    return 0;
}
