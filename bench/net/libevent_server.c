/* libevent_server.c -- the servers on libevent's bufferevents: libevent_server echo|stream|idle|lines. Prints its port,
 * then serves until it is killed.
 *
 * What came is moved from the input's buffer to the output's without a copy. A client that does not read its answers is
 * not read from until it does. For streams, reads and writes are as large as the others' buffers. */
#include "wire.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <string.h>

#define MOST_KEPT (64 * 1024)
#define PIECE     (64 * 1024)

static bufferevent_data_cb on_input;
static int is_stream;

static void pause_if_full(struct bufferevent *client)
{
    if (evbuffer_get_length(bufferevent_get_output(client)) > MOST_KEPT)
        bufferevent_disable(client, EV_READ);
}

static void on_echo(struct bufferevent *client, void *arg)
{
    (void)arg;
    bufferevent_write_buffer(client, bufferevent_get_input(client));
    pause_if_full(client);
}

static void on_lines(struct bufferevent *client, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(client);
    struct evbuffer_ptr newline;

    (void)arg;
    while ((newline = evbuffer_search_eol(input, NULL, NULL, EVBUFFER_EOL_LF)).pos >= 0)
        evbuffer_remove_buffer(input, bufferevent_get_output(client), (size_t)newline.pos + 1);
    pause_if_full(client);
}

static void on_drained(struct bufferevent *client, void *arg)
{
    (void)arg;
    if (!(bufferevent_get_enabled(client) & EV_READ))
        bufferevent_enable(client, EV_READ);
}

static void on_end(struct bufferevent *client, short events, void *arg)
{
    (void)events;
    (void)arg;
    bufferevent_free(client);
}

static void on_connection(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int size,
                          void *arg)
{
    struct bufferevent *client = bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);

    (void)address;
    (void)size;
    (void)arg;
    if (!client)
        fail("bufferevent");
    if (is_stream) {
        bufferevent_set_max_single_read(client, PIECE);
        bufferevent_set_max_single_write(client, PIECE);
    }
    bufferevent_setcb(client, on_input, on_drained, on_end, NULL);
    bufferevent_enable(client, EV_READ | EV_WRITE);
}

int main(int argc, char **argv)
{
    struct event_config *config = event_config_new();
    int listener = listen_on_loopback();
    struct event_base *base;

    /* One thread needs no locks, and no clock is needed more exactly than it comes cheaply. */
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    base = event_base_new_with_config(config);
    if (!base)
        fail("event_base");
    event_config_free(config);
    on_input = argc > 1 && strcmp(argv[1], "lines") == 0 ? on_lines : on_echo;
    is_stream = argc > 1 && strcmp(argv[1], "stream") == 0;
    if (!evconnlistener_new(base, on_connection, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, -1, listener))
        fail("listener");
    announce(listener);
    return event_base_dispatch(base) < 0;
}
