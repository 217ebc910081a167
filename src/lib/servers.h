/* servers.h -- a server, its sockets and its clients, among the files that make it up: servers.c has its life,
 * server_clients.c whom it serves, server_sockets.c what it listens on. */
#pragma once

#include "../loop/acceptor.h"
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

/* ---------------------------------------------------------------------------------------------------------- Servers */

struct asyncio_server {
    struct asyncio__acceptor acceptor;
    struct asyncio__server_sockets sockets;
    struct asyncio_loop *loop;
    int refs;      /* its users' */
    size_t holds;  /* acceptor, clients, and calls that wait */
    bool is_ended; /* the acceptor has closed */
    bool is_stopping;

    asyncio_client_connected *client_connected;
    void *arg;
    struct asyncio_context *context; /* of whoever made it; clients run in copies */
    const char *source;
    size_t limit, max_connections;
    double close_timeout;
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

/* server_clients.c: makes a client of a connection. Returns: 0; a negative error, and it is or will be closed. */
int asyncio__server_serve(struct asyncio__acceptor *acceptor, int fd);

/* server_clients.c: true in the task of one of its clients. */
bool asyncio__server_is_client(const struct asyncio_server *server);
