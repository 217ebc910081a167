/* asyncio_server.c -- the servers on streams, as a user writes them: asyncio_server echo|stream|idle|lines. Prints its
 * port, then serves until it is killed.
 *
 * The first three differ in the buffer only: 16 KiB; 64 KiB, for much at a time; 1 KiB, for many who say little. With
 * "backend" it prints the back end that it got and why it is not the one that was asked for. */
#include <asyncio.h>

#include <errno.h>
#include <string.h>

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

static int print_backend(void)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    const char *reason = asyncio_loop_backend_reason(loop);

    printf("%s\n%s\n", asyncio_loop_backend(loop), reason ? reason : "");
    return 0;
}

static int amain(void *arg)
{
    static const struct {
        const char *name;
        asyncio_client_connected *serve;
    } services[] = {{"echo", echo}, {"stream", stream}, {"idle", idle}, {"lines", lines}, {NULL, NULL}};
    const char *name = arg;
    struct asyncio_address address;
    struct asyncio_server *server;
    int i = 0, r;

    if (strcmp(name, "backend") == 0)
        return print_backend();
    while (services[i].name && strcmp(services[i].name, name) != 0)
        i++;
    if (!services[i].name)
        return -EINVAL;
    r = asyncio_start_server(services[i].serve, NULL, "127.0.0.1", 0, &server, .backlog = 4096);
    if (r < 0 || asyncio_server_sockname(server, 0, &address) < 0)
        return r;
    printf("%d\n", asyncio_address_port(&address));
    fflush(stdout);
    r = asyncio_server_serve_forever(server);
    asyncio_server_unref(server);
    return r;
}

int main(int argc, char **argv)
{
    return argc != 2 || asyncio_run(amain, argv[1]) < 0;
}
