/* asyncio_server.c -- the servers on streams, as a user writes them. Prints its port, then serves until it is killed.
 *
 *     asyncio_server echo|stream|idle|lines
 *     asyncio_server echo CERTIFICATE KEY         the same over TLS
 *     asyncio_server file CERTIFICATE KEY FILE    a file from memory, by HTTP over TLS
 *     asyncio_server work WORKERS                 so many loops, and a request is some work
 *     asyncio_server backend                      prints the back end that it got, why it is not the one that was asked
 *                                                 for, and why there is no TLS if there is none
 *
 * The first three differ in the buffer only: 16 KiB; 64 KiB, for much at a time; 1 KiB, for many who say little. */
#include <asyncio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a file that are written at a time. */
#define PIECE (64 * 1024)

static struct {
    char *data;
    size_t size;
} file;

static int echo_with(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, char *buffer,
                     size_t size)
{
    ssize_t n;
    int r = 0;

    while (r == 0 && (n = asyncio_streamreader_read(reader, buffer, size)) > 0)
        r = asyncio_streamwriter_write(writer, buffer, (size_t)n);
    return 0;
}

static int echo(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char buffer[16 * 1024];

    (void)arg;
    return echo_with(reader, writer, buffer, sizeof buffer);
}

static int stream(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char buffer[64 * 1024];

    (void)arg;
    return echo_with(reader, writer, buffer, sizeof buffer);
}

static int idle(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char buffer[1024];

    (void)arg;
    return echo_with(reader, writer, buffer, sizeof buffer);
}

static int lines(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char *line;
    ssize_t n;
    int r = 0;

    (void)arg;
    while (r == 0 && (n = asyncio_streamreader_readline(reader, &line)) > 0)
        r = asyncio_streamwriter_write(writer, line, (size_t)n);
    return 0;
}

/* As if a request took some 20 us to answer: steps that wait for one another, in all servers the same. */
static void stir(char *data, size_t size)
{
    uint32_t state = 1;

    for (int i = 0; i < 10000; i++)
        state = state * 1664525 + (unsigned char)data[(size_t)i % size] + 1;
    /* The load wants its bytes back. */
    if (state == 0)
        data[0] = 0;
}

static int work(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char buffer[16 * 1024];
    ssize_t n;
    int r = 0;

    (void)arg;
    while (r == 0 && (n = asyncio_streamreader_read(reader, buffer, sizeof buffer)) > 0) {
        stir(buffer, (size_t)n);
        r = asyncio_streamwriter_write(writer, buffer, (size_t)n);
    }
    return 0;
}

/* Answers whatever is asked for with the file. */
static int send_file(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    ssize_t n;
    char *head;
    int r = 0;

    (void)arg;
    while (r == 0 && (n = asyncio_streamreader_readuntil(reader, "\r\n\r\n", 4, &head)) > 0) {
        r = asyncio_streamwriter_printf(writer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", file.size);
        for (size_t at = 0; r == 0 && at < file.size; at += PIECE)
            r = asyncio_streamwriter_write(writer, file.data + at, file.size - at < PIECE ? file.size - at : PIECE);
    }
    return 0;
}

static int load_file(const char *name)
{
    FILE *stream = fopen(name, "rb");

    if (!stream || fseek(stream, 0, SEEK_END) < 0)
        return -ENOENT;
    file.size = (size_t)ftell(stream);
    rewind(stream);
    file.data = malloc(file.size);
    if (!file.data || fread(file.data, 1, file.size, stream) != file.size)
        return -ENOMEM;
    fclose(stream);
    return 0;
}

static int print_backend(void)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    const char *reason = asyncio_loop_backend_reason(loop);
    struct asyncio_ssl_context *context = NULL;
    int r = asyncio_ssl_create_default_context(&context, ASYNCIO_SSL_CLIENT_AUTH);

    printf("%s\n%s\n%s\n", asyncio_loop_backend(loop), reason ? reason : "", r < 0 ? asyncio_strerror(r) : "");
    asyncio_ssl_context_unref(context);
    return 0;
}

static int serve(asyncio_client_connected *service, struct asyncio_ssl_context *context)
{
    struct asyncio_address address;
    struct asyncio_server *server;
    int r = asyncio_start_server(service, NULL, "127.0.0.1", 0, &server, .backlog = 4096, .ssl = context);

    if (r < 0 || asyncio_server_sockname(server, 0, &address) < 0)
        return r;
    printf("%d\n", asyncio_address_port(&address));
    fflush(stdout);
    r = asyncio_server_serve_forever(server);
    asyncio_server_unref(server);
    return r;
}

static int amain(void *arg)
{
    static const struct {
        const char *name;
        asyncio_client_connected *serve;
    } services[] = {{"echo", echo}, {"stream", stream}, {"idle", idle}, {"lines", lines}, {"file", send_file}, {0}};
    char **words = arg; /* the service, and what it needs */
    struct asyncio_ssl_context *context = NULL;
    int i = 0, r = 0;

    if (strcmp(words[0], "backend") == 0)
        return print_backend();
    while (services[i].name && strcmp(services[i].name, words[0]) != 0)
        i++;
    if (!services[i].name)
        return -EINVAL;
    if (words[1])
        r = asyncio_ssl_create_default_context(&context, ASYNCIO_SSL_CLIENT_AUTH);
    if (r == 0 && words[1])
        r = asyncio_ssl_context_load_cert_chain(context, words[1], words[2], NULL);
    if (r == 0 && words[1] && words[3])
        r = load_file(words[3]);
    if (r == 0)
        r = serve(services[i].serve, context);
    asyncio_ssl_context_unref(context);
    return r;
}

static struct asyncio_mailbox ports[64];
static struct asyncio_address common; /* of the first worker's server; the others learn of it by their mailboxes */

static int worker_main(struct asyncio_worker *worker)
{
    struct asyncio_server *server;
    void *go;
    int r = worker->index > 0 ? asyncio_mailbox_receive(&ports[worker->index], &go) : 0;

    if (r == 0)
        r = asyncio_start_server(work, NULL, "127.0.0.1", worker->index > 0 ? asyncio_address_port(&common) : 0,
                                 &server, .backlog = 4096, .reuse_port = true);
    if (r == 0 && worker->index == 0)
        r = asyncio_server_sockname(server, 0, &common);
    if (r < 0)
        return r;
    if (worker->index + 1 < worker->n) {
        r = asyncio_mailbox_send(&ports[worker->index + 1], &common);
    } else {
        printf("%d\n", asyncio_address_port(&common));
        fflush(stdout);
    }
    return r < 0 ? r : asyncio_server_serve_forever(server);
}

static int run_workers(unsigned n)
{
    for (unsigned i = 0; i < n && i < 64; i++)
        if (asyncio_mailbox_init(&ports[i], 1) < 0)
            return -ENOMEM;
    return n > 64 ? -EINVAL : asyncio_run_workers(n, worker_main, NULL);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "work") == 0)
        return run_workers((unsigned)strtoul(argv[2], NULL, 10)) < 0;
    return (argc != 2 && argc != 4 && argc != 5) || asyncio_run(amain, argv + 1) < 0;
}
