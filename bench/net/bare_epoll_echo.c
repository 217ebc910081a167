/* bare_epoll_echo.c -- the floor: an echo server as good as one writes it by hand on epoll. Prints its port, then
 * serves until it is killed.
 *
 * Edge-triggered, each socket registered once for input and output: a request costs a recv, a send and its share of an
 * epoll_wait. A read that does not fill the buffer has emptied the socket, unless the client has hung up; one that does
 * is followed by another in the next turn, so that no client keeps the others waiting. What the client does not take is
 * kept, and nothing more is read until it is gone.
 *
 * Level-triggered, the kernel polls each socket a second time after it was served: README.md says what that costs. The
 * buffer is large for the sake of streams; smaller ones are no faster for small requests. */
#include "wire.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>

#define MOST_EVENTS 1024

struct connection {
    int fd;
    bool is_ready;                 /* stands in the list of those with more to read */
    bool has_hung_up;              /* no event will follow: read until the end */
    struct connection *next_ready; /* valid while it is ready */
    char *rest;                    /* what was read and is not sent yet; NULL when nothing is */
    size_t n_rest, n_rest_sent;
};

static char buffer[256 * 1024];
static struct connection *first_ready, **ready_end = &first_ready;
static int epoll_fd;

static void close_connection(struct connection *connection)
{
    close(connection->fd);
    free(connection->rest);
    free(connection);
}

static void make_ready(struct connection *connection)
{
    connection->is_ready = true;
    connection->next_ready = NULL;
    *ready_end = connection;
    ready_end = &connection->next_ready;
}

/* Sends what is left. Returns: 1 when all is sent, 0 when the socket is full, -1 when the connection is broken. */
static int send_rest(struct connection *connection)
{
    size_t size = connection->n_rest - connection->n_rest_sent;
    ssize_t n = send(connection->fd, connection->rest + connection->n_rest_sent, size, MSG_NOSIGNAL);

    if (n < 0)
        return errno == EAGAIN ? 0 : -1;
    connection->n_rest_sent += (size_t)n;
    if ((size_t)n < size)
        return 0;
    free(connection->rest);
    connection->rest = NULL;
    return 1;
}

/* Sends what was read, and keeps what the socket does not take. Returns: as send_rest. */
static int answer(struct connection *connection, size_t size)
{
    ssize_t n = send(connection->fd, buffer, size, MSG_NOSIGNAL);

    if (n == (ssize_t)size)
        return 1;
    if (n < 0 && errno != EAGAIN)
        return -1;
    connection->n_rest_sent = 0;
    connection->n_rest = size - (n > 0 ? (size_t)n : 0);
    connection->rest = malloc(connection->n_rest);
    if (!connection->rest)
        return -1;
    memcpy(connection->rest, buffer + (size - connection->n_rest), connection->n_rest);
    return 0;
}

static void serve(struct connection *connection)
{
    int r = connection->rest ? send_rest(connection) : 1;
    ssize_t n;

    if (r <= 0)
        goto end;
    n = recv(connection->fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    r = n > 0 ? answer(connection, (size_t)n) : -1;
    if (r >= 0 && (n == sizeof buffer || connection->has_hung_up))
        make_ready(connection);
end:
    if (r < 0)
        close_connection(connection);
}

static void accept_all(int listener)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *connection = calloc(1, sizeof *connection);

        if (!connection)
            fail("memory");
        connection->fd = fd;
        event.data.ptr = connection;
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
            fail("epoll_ctl");
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        fail("accept4");
}

/* Reads on where a buffer was filled, once each: whoever fills it again is served in the next turn. */
static void serve_ready(void)
{
    struct connection *connection = first_ready, *next;

    first_ready = NULL;
    ready_end = &first_ready;
    for (; connection; connection = next) {
        next = connection->next_ready;
        connection->is_ready = false;
        serve(connection);
    }
}

int main(void)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET}, events[MOST_EVENTS];
    int listener = listen_on_loopback();

    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) < 0)
        fail("epoll");
    announce(listener);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, MOST_EVENTS, first_ready ? 0 : -1);

        for (int i = 0; i < n; i++) {
            struct connection *connection = events[i].data.ptr;

            if (!connection) {
                accept_all(listener);
                continue;
            }
            connection->has_hung_up |= (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
            if (!connection->is_ready)
                serve(connection);
        }
        serve_ready();
    }
}
