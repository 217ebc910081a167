/* load.c -- the client side of the network benchmarks: so many connections on which a request of so many bytes is sent,
 * its echo awaited, and so on, for some time. One thread, epoll; the same for every server.
 *
 *     load PORT CONNECTIONS BYTES SECONDS
 *
 * Prints "REQUESTS SECONDS P50 P99 P999", times of a request in nanoseconds. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_SAMPLES 4000000

struct connection {
    int fd;
    size_t received;
    uint64_t sent_at;
};

static size_t size;
static char *request, *reply;
static uint32_t *samples;
static size_t n_samples;

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void send_request(struct connection *connection)
{
    size_t sent = 0;

    connection->sent_at = now_ns();
    connection->received = 0;
    while (sent < size) {
        ssize_t n = send(connection->fd, request + sent, size - sent, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN)
            fail("send");
        if (n > 0)
            sent += (size_t)n;
    }
}

/* Returns: whether the reply is whole. */
static int receive(struct connection *connection)
{
    ssize_t n = recv(connection->fd, reply, size, 0);

    if (n == 0 || (n < 0 && errno != EAGAIN))
        fail("the server hung up");
    if (n > 0)
        connection->received += (size_t)n;
    if (connection->received < size)
        return 0;
    if (n_samples < MOST_SAMPLES)
        samples[n_samples++] = (uint32_t)(now_ns() - connection->sent_at);
    return 1;
}

static void open_connection(struct connection *connection, int port, int epoll_fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    int one = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connect");
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) < 0)
        fail("epoll_ctl");
}

static int compare(const void *a, const void *b)
{
    const uint32_t *one = a, *other = b;

    return (*one > *other) - (*one < *other);
}

static uint32_t percentile(double share)
{
    return n_samples ? samples[(size_t)((double)(n_samples - 1) * share)] : 0;
}

int main(int argc, char **argv)
{
    int n, epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[256];
    struct connection *connections;
    uint64_t begin, end, requests = 0;

    if (argc != 5)
        return fprintf(stderr, "load PORT CONNECTIONS BYTES SECONDS\n"), 2;
    n = atoi(argv[2]);
    size = (size_t)atol(argv[3]);
    connections = calloc((size_t)n, sizeof *connections);
    request = malloc(size);
    reply = malloc(size);
    samples = malloc(MOST_SAMPLES * sizeof *samples);
    if (epoll_fd < 0 || !connections || !request || !reply || !samples)
        fail("memory");
    memset(request, 'x', size);
    for (int i = 0; i < n; i++)
        open_connection(&connections[i], atoi(argv[1]), epoll_fd);
    begin = now_ns();
    end = begin + (uint64_t)(atof(argv[4]) * 1e9);
    for (int i = 0; i < n; i++)
        send_request(&connections[i]);
    while (now_ns() < end) {
        int ready = epoll_wait(epoll_fd, events, 256, 1000);

        for (int i = 0; i < ready; i++)
            if (receive(events[i].data.ptr)) {
                requests++;
                send_request(events[i].data.ptr);
            }
    }
    end = now_ns();
    qsort(samples, n_samples, sizeof *samples, compare);
    printf("%llu %.6f %u %u %u\n", (unsigned long long)requests, (double)(end - begin) / 1e9, percentile(0.5),
           percentile(0.99), percentile(0.999));
    return 0;
}
