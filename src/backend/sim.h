/* sim.h -- the simulated machine, shared by its parts: sim.c has clock, operations and faults, sim_net.c what lies
 * behind the fds, sim_names.c addresses and connecting. */
#pragma once

#include "ops.h"
#include "waker.h"

#include "../base/list.h"
#include "../base/mem.h"

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
    ASYNCIO__SIM_OPTIONS,
};

enum asyncio__sim_direction { ASYNCIO__SIM_READER, ASYNCIO__SIM_WRITER, ASYNCIO__SIM_DIRECTIONS };

struct asyncio__sim_channel;

enum asyncio__sim_kind {
    ASYNCIO__SIM_SOCKET, /* neither connected nor listening */
    ASYNCIO__SIM_STREAM,
    ASYNCIO__SIM_LISTENER,
    ASYNCIO__SIM_PIPE_READ,
    ASYNCIO__SIM_PIPE_WRITE,
};

/* The address of a socket, without what does not matter here: a port in network order, or a path. */
struct asyncio__sim_name {
    int domain;
    size_t size;
    unsigned char bytes[108];
};

struct asyncio__sim_file {
    enum asyncio__sim_kind kind;
    int domain;
    int fd;                                /* -1 while it waits to be accepted */
    int error;                             /* is told to the next read or write, once */
    struct asyncio__sim_channel *in, *out; /* of streams and pipes */
    struct asyncio__sim_file *peer;        /* the other end of a stream; NULL when it is closed */
    struct asyncio_op *waiting[ASYNCIO__SIM_DIRECTIONS];

    struct asyncio_link bound_link; /* in the machine's list, while it has a name */
    struct asyncio__sim_name name;
    struct asyncio_link queue; /* listener: connections to be accepted */
    size_t queued, backlog;
    struct asyncio_link connectors; /* listener: sockets that wait for room in the backlog */
    struct asyncio_link link;       /* in one of those two lists of a listener */
};

struct asyncio_backend {
    int64_t option[ASYNCIO__SIM_OPTIONS];
    uint64_t random;
    int64_t now_ns;
    int64_t n_submitted;
    size_t n_ops, n_due;
    struct asyncio_link due;    /* operations to be completed or tried, by time */
    struct asyncio_op *current; /* the standing operation whose complete() runs, unless that has taken it back */
    struct asyncio__pool buffers;
    struct asyncio__waker waker;

    struct asyncio__sim_file **files; /* by fd - ASYNCIO__SIM_FIRST_FD */
    size_t n_files, n_open;
    size_t maybe_free; /* no lower place in `files` is free */
    struct asyncio_link bound;
    uint16_t last_port;
};

/* High enough not to be mistaken for an fd of the process. */
#define ASYNCIO__SIM_FIRST_FD 1000

/* sim_net.c: the file behind an fd; NULL when there is none. */
struct asyncio__sim_file *asyncio__sim_file(struct asyncio_backend *sim, int fd);

/* sim_net.c: does an operation as asyncio__op_perform does a real one, with the same results. */
int64_t asyncio__sim_perform(struct asyncio_backend *sim, struct asyncio_op *op);

/* sim_net.c: frees all files. Returns: how many were open. */
size_t asyncio__sim_net_fini(struct asyncio_backend *sim);

/* sim_net.c: a file without an fd; NULL when out of memory. */
struct asyncio__sim_file *asyncio__sim_new_file(enum asyncio__sim_kind kind, int domain);

/* sim_net.c: gives a file the lowest fd that is free. Returns: the fd; -EMFILE; -ENOMEM. */
int asyncio__sim_install(struct asyncio_backend *sim, struct asyncio__sim_file *file);

/* sim_net.c: makes two files the ends of a connection. Returns: 0; -ENOMEM. */
int asyncio__sim_join(struct asyncio__sim_file *one, struct asyncio__sim_file *two);

/* sim_names.c: what these calls do on a socket. Results are those of asyncio__op_perform. */
int64_t asyncio__sim_bind(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                          const struct asyncio_op_address *address);
int64_t asyncio__sim_listen(struct asyncio_backend *sim, struct asyncio__sim_file *file, int backlog);
int64_t asyncio__sim_connect(struct asyncio_backend *sim, struct asyncio__sim_file *file,
                             const struct asyncio_op_address *address);
int64_t asyncio__sim_accept(struct asyncio_backend *sim, struct asyncio__sim_file *listener);

/* sim_names.c: lets those try again that wait for room in a listener's backlog. */
void asyncio__sim_notify_connectors(struct asyncio_backend *sim, struct asyncio__sim_file *listener);

/* sim.c: something has changed for those who wait for a file in these directions, enum asyncio_fd_events. */
void asyncio__sim_notify(struct asyncio_backend *sim, struct asyncio__sim_file *file, unsigned directions);

/* sim.c: a file is being closed: what waits for it is cancelled. */
void asyncio__sim_cancel_all(struct asyncio_backend *sim, struct asyncio__sim_file *file);

/* sim.c: the next random number below a bound that is not 0. */
uint64_t asyncio__sim_random(struct asyncio_backend *sim, uint64_t bound);

/* sim.c: true in so many of `out_of` cases; draws nothing while the fault is off. */
bool asyncio__sim_chance(struct asyncio_backend *sim, enum asyncio__sim_option option, uint64_t out_of);

/* For fault sweeps: lets the nth operation from now on any simulated machine of this thread fail with -EIO, counted
 * from 0, and `count` of them in a row; -1: none. */
void asyncio__sim_fail_operation(int64_t nth, int64_t count);

/* Operations since then. */
int64_t asyncio__sim_operations(void);
