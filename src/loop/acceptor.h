/* acceptor.h -- what listens and accepts for a server: callbacks only, knows no task and no stream.
 *
 * Invariants:
 *   - every connection that the kernel hands out reaches `accepted` or is closed here and counted as shed: the former
 *     also while the acceptor pauses, the latter once it is closed, unless it shares its sockets: who would have been
 *     a successor's reaches `accepted` until `closed`;
 *   - whatever makes accepting fail, it neither spins nor stops: it tries again after 10 ms, then twice as long each
 *     time, to 1 s. Out of descriptors or memory, the clients that wait are turned away with a spare fd;
 *   - failures are reported to the loop's exception handler, but none that follows on another one within 10 s;
 *   - `closed` is called once, when nothing of it is the back end's any more; its memory may go then. */
#pragma once

#include "../base/base.h"

#include <asyncio_lowlevel.h>

struct asyncio__acceptor;

/* A listening socket of it. */
struct asyncio__listening {
    struct asyncio__acceptor *acceptor;
    struct asyncio_op accept; /* standing; the back end's while is_accepting */
    bool is_accepting;
    int fd; /* -1 once closed */
};

struct asyncio__acceptor {
    struct asyncio_loop *loop;
    struct asyncio_link link; /* in the loop's list, until it is over */

    /* Owns the fd from then on. Runs in the loop's poll. Returns: 0; a negative error when the client cannot be served,
     * and its fd has been or will be closed. */
    int (*accepted)(struct asyncio__acceptor *acceptor, int fd);
    void (*closed)(struct asyncio__acceptor *acceptor);
    size_t n;
    struct asyncio__listening *sockets; /* n of them, the owner's memory */
    int backlog;
    bool is_started, is_paused, is_closed;
    bool shares;                /* its sockets are somebody else's, too; set by the owner */
    int spare_fd;               /* given up to accept and turn away a client; negative: there is none now */
    int64_t retry_ns;           /* the last pause after a failure; 0: the last accept went well */
    int64_t calm_ns;            /* a failure from then on is news */
    struct asyncio_timer retry; /* armed, or ready, while it pauses for that */
    struct asyncio_node closed_node;
    struct asyncio_server_counts counts;
};

/* Prepares an acceptor over n bound sockets, which it owns from then on. `accepted` and `closed` are set by the caller.
 * Returns: 0; the error of the spare fd, and the sockets stay the caller's. */
int asyncio__acceptor_init(struct asyncio__acceptor *acceptor, struct asyncio_loop *loop,
                           struct asyncio__listening *sockets, size_t n);

/* Listens and begins to accept; harmless when it does. Returns: 0; the error of listen, and *ret_place says of which
 * socket. */
int asyncio__acceptor_start(struct asyncio__acceptor *acceptor, int backlog, size_t *ret_place);

/* Leaves new connections in the backlog; those already under way still come. */
void asyncio__acceptor_pause(struct asyncio__acceptor *acceptor);
void asyncio__acceptor_resume(struct asyncio__acceptor *acceptor);

/* Closes the sockets; `closed` follows in a later turn, or from the loop's close. Harmless when it was closed. */
void asyncio__acceptor_close(struct asyncio__acceptor *acceptor);
