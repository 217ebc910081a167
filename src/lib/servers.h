/* servers.h -- a server, its sockets and its clients, among the files that make it up: servers.c has its life,
 * server_clients.c whom it serves, server_streams.c and server_protocols.c how, server_sockets.c what it listens on. */
#pragma once

#include "../loop/acceptor.h"
#include "../loop/conn.h"
#include "lib.h"

/* What a server listens on. */
struct asyncio__server_sockets {
    struct asyncio__listening *listening; /* n of them, in memory of its own */
    size_t n;
    char *path; /* of the file that bind made for a Unix socket, while it is to be removed at the end; or NULL */
    uint64_t device, inode; /* which file that is */
};

/* Binds a socket to each address of the host, or of kw->hosts.
 * Returns: 0; a negative error, and all of them are closed. */
int asyncio__server_bind_hosts(struct asyncio_loop *loop, const char *host, int port,
                               const struct asyncio_server_kw *kw, struct asyncio__server_sockets *ret_sockets);

/* Binds a Unix socket; a socket file that is there already is removed. Returns: as asyncio__server_bind_hosts. */
int asyncio__server_bind_path(struct asyncio_loop *loop, const char *path, const struct asyncio_server_kw *kw,
                              struct asyncio__server_sockets *ret_sockets);

/* Takes a bound socket over, also on failure; of a Unix socket its file is never removed. `must_be_unix`: no other
 * will do. Returns: as asyncio__server_bind_hosts. */
int asyncio__server_take_socket(struct asyncio_loop *loop, struct asyncio_socket *socket, bool must_be_unix,
                                const struct asyncio_server_kw *kw, struct asyncio__server_sockets *ret_sockets);

/* Closes the sockets of a server that never was. */
void asyncio__server_sockets_close(struct asyncio_loop *loop, struct asyncio__server_sockets *sockets);

/* Removes the file of a Unix socket if it is still the one that bind made; done once. */
void asyncio__server_remove_file(struct asyncio_loop *loop, struct asyncio__server_sockets *sockets);

/* Frees what the sockets, which are closed, have in memory. */
void asyncio__server_sockets_fini(struct asyncio__server_sockets *sockets);

/* Says in asyncio_error_detail what could not be done with a socket. */
void asyncio__server_set_detail(struct asyncio_loop *loop, const char *verb, int fd, int error);

/* ---------------------------------------------------------------------------------------------------------- Clients */

/* The head, first in each service's own structure. */
struct asyncio__client {
    struct asyncio_link link; /* of the server's clients */
    struct asyncio_server *server;
    struct asyncio_future *task; /* borrowed, while it runs; NULL: it is served without one */
    bool is_connected;
    bool is_running; /* its task has not ended, or its protocol has not seen the end */
};

/* How a server serves its clients; static. */
struct asyncio__service {
    /* Makes a client of a connection. Returns: 0; a negative error, and it is or will be closed. */
    int (*serve)(struct asyncio_server *server, int fd);

    /* Closes its connection, gracefully or not. */
    void (*close)(struct asyncio__client *client);
    void (*abort)(struct asyncio__client *client);

    /* Makes an end of one that is still running. Returns: whether it had to. */
    bool (*end)(struct asyncio__client *client);
};

extern const struct asyncio__service asyncio__stream_service, asyncio__protocol_service;

/* The service and what the program does with the clients. */
struct asyncio__serving {
    const struct asyncio__service *service;
    asyncio_client_connected *client_connected; /* of the stream service */
    asyncio_protocol_factory *factory;          /* of the protocol service */
    void *arg;                                  /* of either */
};

/* ---------------------------------------------------------------------------------------------------------- Servers */

struct asyncio_server {
    struct asyncio__acceptor acceptor;
    struct asyncio__server_sockets sockets;
    struct asyncio_loop *loop;
    int refs;      /* its users' */
    size_t holds;  /* acceptor, clients, and calls that wait */
    bool is_ended; /* the acceptor has closed */
    bool is_stopping;

    struct asyncio__serving serving;
    struct asyncio_context *context; /* of whoever made it; clients run in copies */
    const char *source;
    size_t limit, max_connections;
    double close_timeout;
    struct asyncio__conn_tls tls; /* with a reference to its context, which is NULL without TLS */
    int backlog;

    struct asyncio_link clients;
    size_t n_clients, n_connected, n_running;
    uint64_t last_number;
    struct asyncio_waiter *forever; /* the task in serve_forever, or NULL */
    struct asyncio_link closers;    /* tasks that wait for its end */
    struct asyncio_link watchers;   /* tasks that wait for any change among the clients */
};

/* A hold keeps a server in memory; when it is dropped, the server may be gone. */
static inline void asyncio__server_hold(struct asyncio_server *server)
{
    server->holds++;
}

void asyncio__server_drop(struct asyncio_server *server);

/* servers.c: lets those look who wait for the server's end or for any change of its clients. */
void asyncio__server_tell_waiters(struct asyncio_server *server);

/* servers.c: waits in one of the server's lists. Returns: 0; -ECANCELED. */
int asyncio__server_wait_in(struct asyncio_server *server, struct asyncio_link *list);

/* servers.c: what the four functions that make servers have in common. `loop`: the one that has to run; NULL: any.
 * Returns: as asyncio_start_server. */
int asyncio__start_server(struct asyncio_loop *loop, const struct asyncio__serving *serving, const char *host, int port,
                          struct asyncio_server **ret_server, const struct asyncio_server_kw *kw);
int asyncio__start_unix_server(struct asyncio_loop *loop, const struct asyncio__serving *serving, const char *path,
                               struct asyncio_server **ret_server, const struct asyncio_server_kw *kw);

/* server_clients.c: gives a connection to the service. Returns: as its `serve`. */
int asyncio__server_serve(struct asyncio__acceptor *acceptor, int fd);

/* server_clients.c: adds a client that is connected and running. */
void asyncio__client_add(struct asyncio_server *server, struct asyncio__client *client);

/* server_clients.c: it does not run yet, so that nobody waits for that to end; then it does. */
void asyncio__client_waits(struct asyncio__client *client);
void asyncio__client_begins(struct asyncio__client *client);

/* server_clients.c: it is not connected any more, or not running; with the last of the two it is freed. */
void asyncio__client_disconnected(struct asyncio__client *client);
void asyncio__client_ended(struct asyncio__client *client);

/* server_clients.c: tells the loop's exception handler of a client that could not be served. */
void asyncio__server_report(const struct asyncio_server *server, const char *message, int error);

/* server_clients.c: counts a handshake that has failed, unless it was the server that has closed. What strangers do
 * wrong is theirs to know, but may help who looks for a mistake: it is reported in debug mode (N-08). `detail`: or
 * NULL. */
void asyncio__server_handshake_failed(struct asyncio_server *server, const char *detail, int error);

/* server_clients.c: true in the task of one of its clients. */
bool asyncio__server_is_client(const struct asyncio_server *server);
