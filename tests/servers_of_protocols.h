/* servers_of_protocols.h -- a server whose clients are served by protocols, and what connects to it. */
#pragma once

#include "protocols_rig.h"

#include <netinet/in.h>
#include <unistd.h>

#define MAX_ENDS 8

static struct asyncio_server *server;

/* The server's ends, S1, S2 and so on, in the order in which the factory was asked. */
static struct end ends[MAX_ENDS];
static int n_ends;
static void (*prepare_end)(struct end *end); /* does more with each; may be NULL */

static inline struct asyncio_loop *this_loop(void)
{
    return asyncio_get_running_loop();
}

static inline struct asyncio_protocol *make_end(void *arg)
{
    static const char *const names[] = {"S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8"};
    struct end *end = &ends[n_ends % MAX_ENDS];

    (void)arg;
    *end = (struct end){.protocol = {&data_type}, .name = names[n_ends++ % MAX_ENDS]};
    and_then(prepare_end, end);
    return &end->protocol;
}

static inline struct asyncio_protocol *make_client(void *arg)
{
    return &((struct end *)arg)->protocol;
}

static inline struct asyncio_protocol *make_none(void *arg)
{
    (void)arg;
    return NULL;
}

/* An abstract path that only this process has. */
static inline const char *a_path(void)
{
    static char path[64];

    snprintf(path, sizeof path, "@protocols-%d", (int)getpid());
    return path;
}

/* Sends every line back. */
static inline void echo_line(struct end *end)
{
    char text[sizeof end->line + 1];

    snprintf(text, sizeof text, "%.*s\n", (int)end->line_size, end->line);
    EXPECT_INT(say(end, text), 0);
}

static inline int open_server(void)
{
    n_ends = 0;
    return asyncio_loop_create_server(this_loop(), make_end, NULL, "127.0.0.1", 0, &server);
}

static inline int server_port(void)
{
    struct asyncio_address address;

    return asyncio_server_sockname(server, 0, &address) < 0 ? -1 : asyncio_address_port(&address);
}

/* Connects an end that is prepared. Returns: as asyncio_loop_create_connection. */
static inline int connect_end(struct end *end)
{
    struct asyncio_transport *transport = NULL;
    struct asyncio_protocol *protocol = NULL;
    int r = asyncio_loop_create_connection(this_loop(), make_client, end, "127.0.0.1", server_port(), &transport,
                                           &protocol);

    if (r == 0) {
        EXPECT_PTR(protocol, &end->protocol);
        EXPECT(end->n_made == 1);
        if (end->n_lost == 0)
            EXPECT_PTR(transport, end->transport);
    }
    return r;
}

/* Ends everything, also after a fault. */
static inline void end_server(void)
{
    asyncio_transport_abort(client.transport);
    asyncio_server_close(server);
    asyncio_server_abort_clients(server);
    server = asyncio_server_unref(server);
    settle();
    prepare_end = NULL;
    trace_clear();
}
