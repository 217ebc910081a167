/* acceptor_rig.h -- an acceptor over Unix sockets on a plain loop, its clients, and what becomes of them. */
#pragma once

#include "loop_rig.h"

#include "loop/acceptor.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_FDS 64

/* An acceptor over Unix sockets, and what it was given. */
static struct {
    struct asyncio__acceptor acceptor;
    struct asyncio__listening sockets[2];
    int fds[MAX_FDS]; /* of the clients that were accepted and are still open */
    int n_fds;
    int limit;   /* it pauses when so many are open; 0: none */
    bool quiet;  /* accepts without a word */
    bool closes; /* is closed by what it accepts */
    int n_late;  /* were accepted while it paused */
    int n_closed;
} door;

static int clients[MAX_FDS]; /* the other ends */
static int n_clients;

static inline int64_t perform(struct asyncio_op op)
{
    if (!asyncio_op_submit(loop, &op)) {
        EXPECT(asyncio_op_cancel(loop, &op));
        return -EAGAIN;
    }
    return op.result;
}

static inline void close_fd(int fd)
{
    if (fd >= 0)
        perform((struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE, .fd = fd});
}

static inline int make_socket(void)
{
    return (int)perform(
        (struct asyncio_op){.opcode = ASYNCIO_OP_SOCKET, .make = {.domain = AF_UNIX, .type = SOCK_STREAM}});
}

/* Abstract, and with the process in it, so that tests run side by side. */
static inline struct sockaddr_un address_of(size_t i, size_t *ret_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "acceptor-%d-%zu", (int)getpid(), i);

    *ret_size = offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length;
    return address;
}

static inline int make_bound(size_t i)
{
    size_t size;
    struct sockaddr_un address = address_of(i, &size);
    int fd = make_socket();

    EXPECT_INT(perform((struct asyncio_op){.opcode = ASYNCIO_OP_BIND, .fd = fd, .address = {&address, size}}), 0);
    return fd;
}

static inline int connect_fd(int fd, size_t i)
{
    size_t size;
    struct sockaddr_un address = address_of(i, &size);

    return (int)perform((struct asyncio_op){.opcode = ASYNCIO_OP_CONNECT, .fd = fd, .address = {&address, size}});
}

/* Lets so many clients connect to socket i. */
static inline void visit(size_t i, int n)
{
    for (; n > 0; n--) {
        int fd = make_socket();

        EXPECT_INT(connect_fd(fd, i), 0);
        if (n_clients < MAX_FDS)
            clients[n_clients++] = fd;
        else
            close_fd(fd);
    }
}

/* What a client finds: "open", "end" or an error. */
static inline const char *state_of(int client)
{
    char byte;
    int64_t r = perform((struct asyncio_op){
        .opcode = ASYNCIO_OP_RECV, .flags = ASYNCIO_OP_NOWAIT, .fd = client, .buffer = {&byte, 1, 0}});

    return r == -EAGAIN ? "open" : r == 0 ? "end" : asyncio_errorname((int)r);
}

static inline int accepted(struct asyncio__acceptor *acceptor, int fd)
{
    EXPECT_PTR(acceptor, &door.acceptor);
    EXPECT(door.n_fds < MAX_FDS);
    if (door.n_fds == MAX_FDS) {
        close_fd(fd);
        return -ENOMEM;
    }
    door.n_late += acceptor->is_paused;
    door.fds[door.n_fds++] = fd;
    if (!door.quiet)
        trace("accepted %d", door.n_fds);
    if (door.limit && door.n_fds >= door.limit)
        asyncio__acceptor_pause(acceptor);
    if (door.closes)
        asyncio__acceptor_close(acceptor);
    return 0;
}

static inline void closed(struct asyncio__acceptor *acceptor)
{
    EXPECT_PTR(acceptor, &door.acceptor);
    door.n_closed++;
    trace("closed");
    /* Its memory is the owner's again. */
    memset(acceptor, 0x55, sizeof *acceptor);
    memset(door.sockets, 0x55, sizeof door.sockets);
}

static size_t place; /* of a socket that cannot listen */

static inline void open_door(size_t n)
{
    memset(&door, 0, sizeof door);
    n_clients = 0;
    for (size_t i = 0; i < n; i++)
        door.sockets[i].fd = make_bound(i);
    door.acceptor.accepted = accepted;
    door.acceptor.closed = closed;
    if (asyncio__acceptor_init(&door.acceptor, loop, door.sockets, n) < 0) {
        for (size_t i = 0; i < n; i++)
            close_fd(door.sockets[i].fd);
        FAIL("no acceptor");
        door.n_closed = 1;
        return;
    }
    EXPECT_INT(asyncio__acceptor_start(&door.acceptor, 50, &place), 0);
}

/* Ends a client, so that there is room for another one. */
static inline void dismiss(void)
{
    EXPECT(door.n_fds > 0);
    if (door.n_fds > 0)
        close_fd(door.fds[--door.n_fds]);
    if (!door.n_closed)
        asyncio__acceptor_resume(&door.acceptor);
}

static inline void close_clients(void)
{
    while (door.n_fds > 0)
        close_fd(door.fds[--door.n_fds]);
    while (n_clients > 0)
        close_fd(clients[--n_clients]);
}

static inline void close_door(void)
{
    close_clients();
    if (!door.n_closed)
        asyncio__acceptor_close(&door.acceptor);
    for (int i = 0; i < 10 && !door.n_closed; i++)
        one_turn();
    EXPECT_INT(door.n_closed, 1);
    close_loop();
}

static inline struct asyncio_server_counts counts(void)
{
    return door.acceptor.counts;
}

/* Where there is no memory for an operation of the test itself, it goes on without. */
static inline void open_house(size_t n)
{
    open_loop();
    if (loop)
        open_door(n);
}

#define HOUSE(n)   \
    open_house(n); \
    if (!loop)     \
    return
