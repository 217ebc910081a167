/* libev_server.c -- the servers on libev: libev_server echo|stream|idle|lines. Prints its port, then serves until it is
 * killed.
 *
 * libev tells what is ready; sockets are its user's business. A request is one recv into a buffer that all connections
 * share and one send; what the socket does not take is kept, and the watcher waits for room instead of input. */
#include "wire.h"

#include <errno.h>
#include <ev.h>
#include <string.h>

struct client {
    struct ev_io watcher;
    char *rest; /* what was not sent yet */
    size_t n_rest;
    char *line; /* the begin of a line whose end has not come */
    size_t n_line;
};

static char buffer[64 * 1024];
static int (*on_data)(struct ev_loop *loop, struct client *client, char *data, size_t size);

static void watch(struct ev_loop *loop, struct client *client, int events)
{
    ev_io_stop(loop, &client->watcher);
    ev_io_set(&client->watcher, client->watcher.fd, events);
    ev_io_start(loop, &client->watcher);
}

static void append(char **bytes, size_t *n, const char *data, size_t size)
{
    *bytes = realloc(*bytes, *n + size);
    if (!*bytes)
        fail("memory");
    memcpy(*bytes + *n, data, size);
    *n += size;
}

/* Returns: 0, or -1 when the connection is broken. */
static int answer(struct ev_loop *loop, struct client *client, char *data, size_t size)
{
    ssize_t n = client->n_rest ? 0 : send(client->watcher.fd, data, size, MSG_NOSIGNAL);

    if (n == (ssize_t)size)
        return 0;
    if (n < 0 && errno != EAGAIN)
        return -1;
    n = n > 0 ? n : 0;
    if (!client->n_rest)
        watch(loop, client, EV_WRITE);
    append(&client->rest, &client->n_rest, data + n, size - (size_t)n);
    return 0;
}

static int on_lines(struct ev_loop *loop, struct client *client, char *data, size_t size)
{
    char *end = data + size, *newline;
    int r = 0;

    for (; r == 0 && (newline = memchr(data, '\n', (size_t)(end - data))); data = newline + 1) {
        if (!client->n_line) {
            r = answer(loop, client, data, (size_t)(newline + 1 - data));
            continue;
        }
        append(&client->line, &client->n_line, data, (size_t)(newline + 1 - data));
        r = answer(loop, client, client->line, client->n_line);
        client->n_line = 0;
    }
    if (r == 0 && data < end)
        append(&client->line, &client->n_line, data, (size_t)(end - data));
    return r;
}

static void close_client(struct ev_loop *loop, struct client *client)
{
    ev_io_stop(loop, &client->watcher);
    close(client->watcher.fd);
    free(client->rest);
    free(client->line);
    free(client);
}

static void on_ready(struct ev_loop *loop, struct ev_io *watcher, int events)
{
    struct client *client = (struct client *)watcher;
    ssize_t n;

    if (events & EV_READ) {
        n = recv(watcher->fd, buffer, sizeof buffer, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0 || on_data(loop, client, buffer, (size_t)n) < 0)
            close_client(loop, client);
        return;
    }
    n = send(watcher->fd, client->rest, client->n_rest, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        close_client(loop, client);
        return;
    }
    n = n > 0 ? n : 0;
    client->n_rest -= (size_t)n;
    memmove(client->rest, client->rest + n, client->n_rest);
    if (!client->n_rest)
        watch(loop, client, EV_READ);
}

static void on_connection(struct ev_loop *loop, struct ev_io *watcher, int events)
{
    int fd;

    (void)events;
    while ((fd = accept4(watcher->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct client *client = calloc(1, sizeof *client);

        if (!client)
            fail("memory");
        ev_io_init(&client->watcher, on_ready, fd, EV_READ);
        ev_io_start(loop, &client->watcher);
    }
}

int main(int argc, char **argv)
{
    struct ev_loop *loop = ev_default_loop(EVBACKEND_EPOLL);
    int listener = listen_on_loopback();
    struct ev_io watcher;

    if (!loop)
        fail("ev_default_loop");
    on_data = argc > 1 && strcmp(argv[1], "lines") == 0 ? on_lines : answer;
    ev_io_init(&watcher, on_connection, listener, EV_READ);
    ev_io_start(loop, &watcher);
    announce(listener);
    ev_run(loop, 0);
    return 0;
}
