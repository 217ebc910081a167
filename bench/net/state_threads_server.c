/* state_threads_server.c -- the servers on state-threads, a thread a connection: state_threads_server
 * echo|stream|idle|lines. Prints its port, then serves until it is killed. It has no buffered reader, so that lines are
 * cut by hand. */
#include "wire.h"

#include <st.h>
#include <string.h>

#define MOST_LINE (16 * 1024)

static int listener;

static void echo_with(st_netfd_t client, char *buffer, size_t size)
{
    ssize_t n;

    while ((n = st_read(client, buffer, size, ST_UTIME_NO_TIMEOUT)) > 0)
        if (st_write(client, buffer, (size_t)n, ST_UTIME_NO_TIMEOUT) != n)
            break;
    st_netfd_close(client);
}

static void *echo(void *client)
{
    char buffer[16 * 1024];

    echo_with(client, buffer, sizeof buffer);
    return NULL;
}

static void *stream(void *client)
{
    char buffer[64 * 1024];

    echo_with(client, buffer, sizeof buffer);
    return NULL;
}

static void *idle(void *client)
{
    char buffer[1024];

    echo_with(client, buffer, sizeof buffer);
    return NULL;
}

static void *lines(void *client)
{
    char buffer[MOST_LINE], *newline;
    size_t begin = 0, end = 0;
    ssize_t n;

    for (;;) {
        newline = memchr(buffer + begin, '\n', end - begin);
        if (newline) {
            n = newline + 1 - (buffer + begin);
            if (st_write(client, buffer + begin, (size_t)n, ST_UTIME_NO_TIMEOUT) != n)
                break;
            begin += (size_t)n;
            continue;
        }
        memmove(buffer, buffer + begin, end - begin);
        end -= begin;
        begin = 0;
        n = st_read(client, buffer + end, sizeof buffer - end, ST_UTIME_NO_TIMEOUT);
        if (n <= 0)
            break;
        end += (size_t)n;
    }
    st_netfd_close(client);
    return NULL;
}

/* Takes epoll, the best for many connections; Debian's library is built without it, and poll is what remains: select
 * takes no more than 1,024. */
static void choose_eventsys(void)
{
    const char *name;

    st_set_eventsys(ST_EVENTSYS_ALT);
    name = st_get_eventsys_name();
    if (!name || !*name || strcmp(name, "select") == 0)
        st_set_eventsys(ST_EVENTSYS_POLL);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void *(*serve)(void *client);
    } services[] = {{"echo", echo}, {"stream", stream}, {"idle", idle}, {"lines", lines}};
    st_netfd_t server, client;
    unsigned i = 0;

    while (i < 3 && (argc < 2 || strcmp(services[i].name, argv[1]) != 0))
        i++;
    listener = listen_on_loopback();
    choose_eventsys();
    if (st_init() < 0 || !(server = st_netfd_open_socket(listener)))
        fail("st_init");
    announce(listener);
    while ((client = st_accept(server, NULL, NULL, ST_UTIME_NO_TIMEOUT)))
        if (!st_thread_create(services[i].serve, client, 0, 0))
            fail("st_thread_create");
    fail("st_accept");
}
