/* sim.h -- the simulated machine, shared by its parts: sim.c has clock and operations, sim_faults.c options and chance,
 * sim_net.c what lies behind the fds, sim_channels.c bytes under way, sim_options.c the options of sockets, sim_names.c
 * addresses and files, sim_connect.c connections, sim_datagrams.c datagrams, sim_multicast.c who hears what is sent to
 * several. */
#pragma once

#include "ops.h"
#include "waker.h"

#include "../base/list.h"
#include "../base/mem.h"

#include <sys/socket.h>

/* What follows the seed in "sim:SEED,short=30,permute". */
enum asyncio__sim_option {
    ASYNCIO__SIM_SHORT,   /* percent of reads and writes that move less than they could */
    ASYNCIO__SIM_EINTR,   /* percent of attempts that a signal interrupts: the operation takes one poll more */
    ASYNCIO__SIM_RESET,   /* permille of reads and writes on a connection that find it reset */
    ASYNCIO__SIM_DELAY,   /* most microseconds that a completion takes to arrive */
    ASYNCIO__SIM_LATER,   /* percent of operations that could be done at once but are not, and of cancels that come late
                           */
    ASYNCIO__SIM_FAIL,    /* the operation that fails with -EIO, counted from 0 */
    ASYNCIO__SIM_FILES,   /* most fds that are open at a time */
    ASYNCIO__SIM_BUFFER,  /* bytes that are under way in one direction of a connection or pipe */
    ASYNCIO__SIM_PERMUTE, /* completions of one poll come in random order */
    ASYNCIO__SIM_EXHAUST, /* percent of accepts that fail for want of fds or memory, while the connection stays */
    ASYNCIO__SIM_ABORT,   /* percent of queued connections that are gone when accept comes */
    ASYNCIO__SIM_BUFFERS, /* most buffers that standing receives have lent at a time */
    ASYNCIO__SIM_LOSE,    /* percent of the internet's datagrams that are lost, */
    ASYNCIO__SIM_TWICE,   /* that arrive twice, */
    ASYNCIO__SIM_REORDER, /* that overtake some of those that wait to be received, */
    ASYNCIO__SIM_REFUSE,  /* from connected sockets, that come back with -ECONNREFUSED */
    ASYNCIO__SIM_OPTIONS,
};

enum asyncio__sim_direction { ASYNCIO__SIM_READER, ASYNCIO__SIM_WRITER, ASYNCIO__SIM_DIRECTIONS };

struct asyncio__sim_channel;

enum asyncio__sim_kind {
    ASYNCIO__SIM_SOCKET, /* a stream socket, neither connected nor listening */
    ASYNCIO__SIM_STREAM,
    ASYNCIO__SIM_LISTENER,
    ASYNCIO__SIM_DATAGRAM,
    ASYNCIO__SIM_PIPE_READ,
    ASYNCIO__SIM_PIPE_WRITE,
};

/* An address without what does not matter here. An IPv6 socket's may be of AF_INET: a mapped one. */
struct asyncio__sim_name {
    int domain;    /* 0: none */
    uint16_t port; /* of an internet address, in host order */
    size_t size;   /* of its host, 4 or 16 bytes in network order, or of a path; 0: a Unix socket without a name */
    unsigned char bytes[108];
};

/* A name of the AF_UNIX name space. That of a path outlives its socket, as a file does. */
struct asyncio__sim_node {
    struct asyncio_link link; /* in the machine's list; on none once it is unlinked */
    struct asyncio__sim_name name;
    int type; /* of the socket */
    uint64_t inode;
    struct asyncio__sim_file *file; /* NULL once that is closed */
};

/* What setsockopt sets. */
struct asyncio__sim_sockopts {
    int reuse_address, reuse_port, keep_alive, broadcast, no_delay, v6only, tells_destination;
    int multicast_loop, multicast_ttl, multicast_interface;
    int send_buffer, receive_buffer;
    struct linger linger;
};

/* What a datagram socket has joined. */
struct asyncio__sim_group {
    struct asyncio__sim_name group;
    struct asyncio__sim_name source; /* domain 0: any */
};

struct asyncio__sim_file {
    enum asyncio__sim_kind kind;
    int domain;
    int fd;                                /* -1 while it waits to be accepted */
    int error;                             /* is told to the next read or write, once */
    bool is_reset;                         /* the connection was broken off: it has no peer any more */
    bool is_mute;                          /* a datagram socket that was shut down for writing */
    unsigned put_off;                      /* directions whose last NOWAIT operation was put off by a fault */
    struct asyncio__sim_channel *in, *out; /* of streams and pipes */
    struct asyncio__sim_file *peer;        /* the other end of a stream, whom a Unix datagram socket is connected to;
                                              NULL when it is closed */
    struct asyncio_op *waiting[ASYNCIO__SIM_DIRECTIONS];
    struct asyncio__sim_sockopts options;

    struct asyncio__sim_name local, remote;
    struct asyncio_link bound_link; /* in a list of the machine's, while it has a port */
    struct asyncio__sim_node *node; /* while it has a name of AF_UNIX */
    struct asyncio_link queue;      /* listener: connections to be accepted; datagrams: those that have arrived */
    size_t queued, queued_bytes, backlog;
    struct asyncio_link connectors; /* who waits for room in a listener's backlog, or is connected to a datagram socket
                                       of AF_UNIX */
    struct asyncio_link link;       /* in one of those two lists of another file */
    struct asyncio__sim_group *groups;
    size_t n_groups;
};

#define ASYNCIO__SIM_PORT_LISTS 256

struct asyncio_backend {
    int64_t option[ASYNCIO__SIM_OPTIONS];
    uint64_t random;
    int64_t now_ns;
    int64_t n_submitted;
    size_t n_ops, n_due;
    struct asyncio_link due;    /* operations to be completed or tried, by time */
    struct asyncio_op *current; /* the standing operation whose complete() runs, unless that has taken it back */
    struct asyncio__pool buffers;
    size_t n_lent;                /* of those buffers */
    struct asyncio_link starving; /* standing receives that wait for one to be handed back */
    struct asyncio__waker waker;

    struct asyncio__sim_file **files; /* by fd - ASYNCIO__SIM_FIRST_FD */
    size_t n_files, n_open;
    size_t maybe_free; /* no lower place in `files` is free */

    struct asyncio_link ports[ASYNCIO__SIM_PORT_LISTS]; /* files that have a port, by its last bits */
    uint16_t last_port;                                 /* that was chosen for who asked for none */
    struct asyncio_link nodes;
    uint64_t last_inode, last_abstract;
    size_t n_connected; /* so far */
};

/* High enough not to be mistaken for an fd of the process. */
#define ASYNCIO__SIM_FIRST_FD 1000

static inline bool asyncio__sim_is_pipe(const struct asyncio__sim_file *file)
{
    return file->kind == ASYNCIO__SIM_PIPE_READ || file->kind == ASYNCIO__SIM_PIPE_WRITE;
}

/* SOCK_STREAM or SOCK_DGRAM, of a socket. */
static inline int asyncio__sim_type(const struct asyncio__sim_file *file)
{
    return file->kind == ASYNCIO__SIM_DATAGRAM ? SOCK_DGRAM : SOCK_STREAM;
}

/* ------------------------------------------------------------------------------------------------------- sim_net.c */

/* The file behind an fd; NULL when there is none. */
struct asyncio__sim_file *asyncio__sim_file(struct asyncio_backend *sim, int fd);

/* Does an operation as asyncio__op_perform does a real one, with the same results. */
int64_t asyncio__sim_perform(struct asyncio_backend *sim, struct asyncio_op *op);

/* Frees all files. Returns: how many were open. */
size_t asyncio__sim_net_fini(struct asyncio_backend *sim);

/* A file without an fd; NULL when out of memory. */
struct asyncio__sim_file *asyncio__sim_new_file(enum asyncio__sim_kind kind, int domain);

/* Frees a connection that was never accepted; its peer finds it reset. */
void asyncio__sim_give_up(struct asyncio_backend *sim, struct asyncio__sim_file *never_accepted);

/* Gives a file the lowest fd that is free. Returns: the fd; -EMFILE; -ENOMEM. */
int asyncio__sim_install(struct asyncio_backend *sim, struct asyncio__sim_file *file);

/* -------------------------------------------------------------------------------------------------- sim_channels.c */

/* Makes two files the ends of a connection. Returns: 0; -ENOMEM. */
int asyncio__sim_join(struct asyncio__sim_file *one, struct asyncio__sim_file *two);

/* What an operation reads or writes. `pieces` may point at `one` in it. */
struct asyncio__sim_message {
    bool reads;
    int flags;
    size_t size;                        /* of it all */
    void *data;                         /* that is read into */
    const struct asyncio_bytes *pieces; /* that are written */
    size_t n_pieces;
    struct asyncio_bytes one;
    struct asyncio_address *address; /* of a datagram; may be NULL */
};

/* Takes it from READ, RECV, WRITE, SEND, SENDV, RECVFROM or SENDTO, not from a batch. Returns: 0; -EINVAL for more than
 * can be said. */
int asyncio__sim_read_message(const struct asyncio_op *op, struct asyncio__sim_message *ret_message);

/* Makes two files the ends of a pipe. Returns: 0; -ENOMEM. */
int asyncio__sim_join_pipe(struct asyncio__sim_file *reader, struct asyncio__sim_file *writer);

/* What the calls of these names do on a stream or pipe; whatever reads or writes is a transfer. */
int64_t asyncio__sim_transfer(struct asyncio_backend *sim, struct asyncio__sim_file *file, struct asyncio_op *op);
int64_t asyncio__sim_shutdown(struct asyncio_backend *sim, struct asyncio__sim_file *file, int how);

/* What of ASYNCIO_READABLE and ASYNCIO_WRITABLE a stream or pipe is, all when it is broken. */
unsigned asyncio__sim_stream_events(struct asyncio_backend *sim, const struct asyncio__sim_file *file);

/* Breaks a connection from the middle: both ends hear of it, what was under way is lost. */
void asyncio__sim_reset(struct asyncio_backend *sim, struct asyncio__sim_file *file);

/* Lets go of channels and peer, who hears of it as an end, or as a reset if there was data unread or `hard`. */
void asyncio__sim_part(struct asyncio_backend *sim, struct asyncio__sim_file *file, bool hard);

/* The error to be told next, negative, which is then told; 0. */
int asyncio__sim_take_error(struct asyncio__sim_file *file);

/* --------------------------------------------------------------------------------------------------- sim_options.c */

void asyncio__sim_sockopts_init(struct asyncio__sim_sockopts *options);
int64_t asyncio__sim_setsockopt(struct asyncio__sim_file *file, const struct asyncio_op_option *option);
int64_t asyncio__sim_getsockopt(struct asyncio__sim_file *file, const struct asyncio_op_option *option);

/* ----------------------------------------------------------------------------------------------------- sim_names.c */

void asyncio__sim_names_init(struct asyncio_backend *sim);
void asyncio__sim_names_fini(struct asyncio_backend *sim);

/* Takes what matters from an address for a socket. Returns: 0; -EINVAL; -EAFNOSUPPORT; -EADDRNOTAVAIL when it is not
 * this machine's; -ENETUNREACH when this socket does not get there. */
int asyncio__sim_read_name(const struct asyncio__sim_file *file, const void *data, size_t size,
                           struct asyncio__sim_name *ret_name);

/* Writes the address that a name is for a socket; without a name that of none. */
void asyncio__sim_write_name(const struct asyncio__sim_file *file, const struct asyncio__sim_name *name,
                             struct asyncio_address *ret_address);

int64_t asyncio__sim_bind(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                          const struct asyncio_op_address *address);

/* Gives a socket of the internet a port, if it has none, of all hosts. Returns: 0; -EADDRINUSE when none is free. */
int asyncio__sim_bind_anywhere(struct asyncio_backend *sim, struct asyncio__sim_file *file);

/* The name under which a socket reaches a peer. Returns: 0; -ENETUNREACH from where it is bound. */
int asyncio__sim_find_source(const struct asyncio__sim_file *file, const struct asyncio__sim_name *peer,
                             struct asyncio__sim_name *ret_name);

/* Binds a socket to that name, with a port if it has none. Returns: 0; -ENETUNREACH; -EADDRNOTAVAIL when no port is
 * free. */
int asyncio__sim_bind_to_reach(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                               const struct asyncio__sim_name *peer);

/* True for the same host and port. */
bool asyncio__sim_same_place(const struct asyncio__sim_name *one, const struct asyncio__sim_name *two);

/* True when another socket has taken this one's port meanwhile, as may happen before it listens. */
bool asyncio__sim_is_taken(struct asyncio_backend *sim, const struct asyncio__sim_file *file);

/* A socket gives up its name; a path stays behind. */
void asyncio__sim_unbind(struct asyncio__sim_file *file);

/* The node of a name of AF_UNIX; NULL. */
struct asyncio__sim_node *asyncio__sim_find_node(struct asyncio_backend *sim, const struct asyncio__sim_name *name,
                                                 int type);

/* How well a bound socket fits to be reached at an address of the internet; 0: not at all. */
int asyncio__sim_fit(const struct asyncio__sim_file *file, int type, const struct asyncio__sim_name *name);

/* Turns the wildcard, as whom to reach, into the machine itself. */
void asyncio__sim_resolve_wildcard(struct asyncio__sim_name *name);

int64_t asyncio__sim_stat(struct asyncio_backend *sim, struct asyncio_op_file *file);
int64_t asyncio__sim_unlink(struct asyncio_backend *sim, const char *path);

/* --------------------------------------------------------------------------------------------------- sim_connect.c */

int64_t asyncio__sim_listen(struct asyncio_backend *sim, struct asyncio__sim_file *file, int backlog);
int64_t asyncio__sim_connect(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                             const struct asyncio_op_address *address);
int64_t asyncio__sim_accept(struct asyncio_backend *sim, struct asyncio__sim_file *listener);

/* Lets those try again that wait for room in a listener's backlog. */
void asyncio__sim_notify_connectors(struct asyncio_backend *sim, struct asyncio__sim_file *listener);

/* ------------------------------------------------------------------------------------------------- sim_datagrams.c */

/* Makes two datagram sockets a pair. */
void asyncio__sim_join_datagrams(struct asyncio__sim_file *one, struct asyncio__sim_file *two);

int64_t asyncio__sim_connect_datagrams(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                                       const struct asyncio_op_address *address);
int64_t asyncio__sim_transfer_datagram(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                                       const struct asyncio__sim_message *message);
int64_t asyncio__sim_receive_batch(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                                   const struct asyncio_op_batch *batch);
int64_t asyncio__sim_send_batch(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                                const struct asyncio_op_batch *batch);
int64_t asyncio__sim_shutdown_datagrams(struct asyncio__sim_file *file, int how);

/* What of ASYNCIO_READABLE and ASYNCIO_WRITABLE a datagram socket is. */
unsigned asyncio__sim_datagram_events(const struct asyncio__sim_file *file);

/* Frees what has arrived, and lets go of those who are connected. */
void asyncio__sim_drop_datagrams(struct asyncio_backend *sim, struct asyncio__sim_file *file);

/* ------------------------------------------------------------------------------------------------- sim_multicast.c */

/* True for the address of a multicast group; for one that means all hosts of a network. */
bool asyncio__sim_is_group(const struct asyncio__sim_name *name);
bool asyncio__sim_is_broadcast(const struct asyncio__sim_name *name);

/* True for an option by which a socket joins or leaves a group. */
bool asyncio__sim_is_membership(const struct asyncio_op_option *option);

/* Joins or leaves. Returns: 0; -EINVAL; -ENODEV; -EADDRINUSE; -EADDRNOTAVAIL; -ENOMEM. */
int64_t asyncio__sim_set_membership(struct asyncio__sim_file *file, const struct asyncio_op_option *option);

/* True when a socket gets what is sent from there to a group or broadcast address. */
bool asyncio__sim_hears(const struct asyncio__sim_file *file, const struct asyncio__sim_name *to,
                        const struct asyncio__sim_name *from);

void asyncio__sim_leave_groups(struct asyncio__sim_file *file);

/* ----------------------------------------------------------------------------------------------------------- sim.c */

/* Something has changed for those who wait for a file in these directions, enum asyncio_fd_events. */
void asyncio__sim_notify(struct asyncio_backend *sim, struct asyncio__sim_file *file, unsigned directions);

/* A file leaves the library: what waits for it completes with -ASYNCIO_ECLOSED. */
void asyncio__sim_close_waits(struct asyncio_backend *sim, struct asyncio__sim_file *file);

/* ---------------------------------------------------------------------------------------------------- sim_faults.c */

/* Reads what follows "sim:". Returns: 0; -EINVAL. */
int asyncio__sim_read_options(struct asyncio_backend *sim, const char *text);

/* The next random number below a bound that is not 0. */
uint64_t asyncio__sim_random(struct asyncio_backend *sim, uint64_t bound);

/* True in so many of `out_of` cases; draws nothing while the fault is off. */
bool asyncio__sim_chance(struct asyncio_backend *sim, enum asyncio__sim_option option, uint64_t out_of);

/* How long the next completion takes to arrive. */
int64_t asyncio__sim_latency_ns(struct asyncio_backend *sim);

/* Counts an operation. Returns: true when it has been chosen to fail. */
bool asyncio__sim_is_to_fail(struct asyncio_backend *sim);

/* For fault sweeps: lets the nth operation from now on any simulated machine of this thread fail with -EIO, counted
 * from 0, and `count` of them in a row; -1: none. */
void asyncio__sim_fail_operation(int64_t nth, int64_t count);

/* Operations since then. */
int64_t asyncio__sim_operations(void);
