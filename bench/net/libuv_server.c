/* libuv_server.c -- the servers on libuv: libuv_server echo|stream|idle|lines. Prints its port, then serves until it is
 * killed.
 *
 * Reads go into one buffer that all connections share, which is allowed because it is used up before the callback
 * returns. Answers are tried at once (uv_try_write), and only what the socket does not take is copied and queued, while
 * reading stops. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define BACKLOG 4096

struct client {
    uv_tcp_t tcp;
    char *line; /* the begin of a line whose end has not come */
    size_t n_line;
};

struct rest {
    uv_write_t request;
    char data[];
};

static uv_loop_t *loop;
static char shared_buffer[64 * 1024];
static uv_read_cb on_read;

static void fail(const char *what, int r)
{
    fprintf(stderr, "%s: %s\n", what, uv_strerror(r));
    exit(1);
}

static void on_alloc(uv_handle_t *handle, size_t suggested_size, uv_buf_t *buffer)
{
    (void)handle;
    (void)suggested_size;
    *buffer = uv_buf_init(shared_buffer, sizeof shared_buffer);
}

static void on_close(uv_handle_t *handle)
{
    struct client *client = (struct client *)handle;

    free(client->line);
    free(client);
}

static void close_client(uv_stream_t *stream)
{
    if (!uv_is_closing((uv_handle_t *)stream))
        uv_close((uv_handle_t *)stream, on_close);
}

static void on_written(uv_write_t *request, int status)
{
    uv_stream_t *stream = request->handle;

    free(request);
    if (status < 0)
        close_client(stream);
    else if (stream->write_queue_size == 0 && !uv_is_closing((uv_handle_t *)stream))
        uv_read_start(stream, on_alloc, on_read);
}

static void answer(uv_stream_t *stream, char *data, size_t size)
{
    uv_buf_t buffer = uv_buf_init(data, (unsigned)size);
    int n = uv_try_write(stream, &buffer, 1);
    struct rest *rest;

    if (n == (int)size)
        return;
    if (n < 0 && n != UV_EAGAIN) {
        close_client(stream);
        return;
    }
    n = n > 0 ? n : 0;
    rest = malloc(sizeof *rest + size - (size_t)n);
    if (!rest)
        fail("memory", UV_ENOMEM);
    memcpy(rest->data, data + n, size - (size_t)n);
    buffer = uv_buf_init(rest->data, (unsigned)(size - (size_t)n));
    uv_read_stop(stream);
    uv_write(&rest->request, stream, &buffer, 1, on_written);
}

static void on_echo_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    if (n > 0)
        answer(stream, buffer->base, (size_t)n);
    else if (n < 0)
        close_client(stream);
}

static void keep(struct client *client, const char *data, size_t size)
{
    client->line = realloc(client->line, client->n_line + size);
    if (!client->line)
        fail("memory", UV_ENOMEM);
    memcpy(client->line + client->n_line, data, size);
    client->n_line += size;
}

static void on_lines_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct client *client = (struct client *)stream;
    char *line = buffer->base, *end = buffer->base + n, *newline;

    if (n < 0) {
        close_client(stream);
        return;
    }
    for (; (newline = memchr(line, '\n', (size_t)(end - line))); line = newline + 1) {
        if (!client->n_line) {
            answer(stream, line, (size_t)(newline + 1 - line));
            continue;
        }
        keep(client, line, (size_t)(newline + 1 - line));
        answer(stream, client->line, client->n_line);
        client->n_line = 0;
    }
    if (line < end)
        keep(client, line, (size_t)(end - line));
}

static void on_connection(uv_stream_t *server, int status)
{
    struct client *client = calloc(1, sizeof *client);

    if (!client || status < 0)
        fail("connection", status < 0 ? status : UV_ENOMEM);
    uv_tcp_init(loop, &client->tcp);
    if (uv_accept(server, (uv_stream_t *)&client->tcp) < 0) {
        close_client((uv_stream_t *)&client->tcp);
        return;
    }
    uv_tcp_nodelay(&client->tcp, 1);
    uv_read_start((uv_stream_t *)&client->tcp, on_alloc, on_read);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address;
    uv_tcp_t server;
    int size = sizeof address, r;

    on_read = argc > 1 && strcmp(argv[1], "lines") == 0 ? on_lines_read : on_echo_read;
    loop = uv_default_loop();
    uv_tcp_init(loop, &server);
    uv_ip4_addr("127.0.0.1", 0, &address);
    r = uv_tcp_bind(&server, (const struct sockaddr *)&address, 0);
    if (r == 0)
        r = uv_listen((uv_stream_t *)&server, BACKLOG, on_connection);
    if (r == 0)
        r = uv_tcp_getsockname(&server, (struct sockaddr *)&address, &size);
    if (r < 0)
        fail("listen", r);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}
