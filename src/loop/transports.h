/* transports.h -- what all kinds of transports share: a head with their protocol and context, a table of what the kind
 * does, and how the protocol is called. transports.c has this and asyncio_transport_*(); socket_transports.c the kind
 * that stands on a connection. They know no task.
 *
 * Invariants:
 *   - the protocol is called in the transport's context, never inside another of its calls but for pause_writing and
 *     resume_writing;
 *   - a factory is asked right before connection_made: a protocol that was made is told so, and has connection_lost;
 *   - connection_made runs in a later turn than the one in which the transport was opened, connection_lost in a later
 *     one than whatever it follows from; so whoever is made ready in `opened` runs before the transport can be gone;
 *   - a transport lives until its kind has called asyncio__transport_lost, at the latest from the loop's close; its
 *     memory stays while somebody holds it. */
#pragma once

#include "../base/base.h"
#include "tls.h"

#include <asyncio_lowlevel.h>

#define ASYNCIO__TRANSPORT_HIGH     ((size_t)64 * 1024)
#define ASYNCIO__TRANSPORT_TLS_HIGH ((size_t)512 * 1024)

/* What a kind of transport does; static. What may be NULL is not possible with it: -ENOTSUP, or nothing happens. */
struct asyncio__transport_kind {
    const char *name; /* "socket" */

    /* Runs in the turn after asyncio__transport_begin. */
    void (*begin)(struct asyncio_transport *transport);

    void (*close)(struct asyncio_transport *transport);            /* as asyncio_transport_close */
    void (*abort)(struct asyncio_transport *transport, int error); /* what connection_lost is to say; 0: nothing */
    bool (*is_closing)(const struct asyncio_transport *transport);

    /* True for protocols that have what it calls. `switched`: it has another one from now on; may be NULL. */
    bool (*accepts)(const struct asyncio_protocol_type *type);
    void (*switched)(struct asyncio_transport *transport);

    /* Called when transport->reading_paused has changed, and it is not closing. May be NULL. */
    void (*pause_reading)(struct asyncio_transport *transport);
    void (*resume_reading)(struct asyncio_transport *transport);

    /* The arguments are checked. Returns: 0; a negative error. May be NULL, all three. */
    int (*write)(struct asyncio_transport *transport, const struct asyncio_bytes *pieces, size_t n);
    int (*write_eof)(struct asyncio_transport *transport);
    bool (*can_write_eof)(const struct asyncio_transport *transport);

    /* transport->high and low have changed. May be NULL where nothing is written, both. */
    void (*limits_changed)(struct asyncio_transport *transport);
    size_t (*write_buffer_size)(const struct asyncio_transport *transport);

    /* Returns: the fd; -ENOTCONN. */
    int (*fileno)(const struct asyncio_transport *transport);

    /* Its outermost TLS once that has been agreed on. May be NULL; it returns NULL without. */
    const struct asyncio__tls *(*tls)(const struct asyncio_transport *transport);
};

/* Who sends a file, in place of the protocol; floor 5. */
struct asyncio__filler {
    void (*room)(struct asyncio__filler *filler); /* there is room again, or the transport is lost */
    int error;                                    /* what it was lost with; 0: it is not lost */
};

/* The head, first in each kind's own structure. */
struct asyncio_transport {
    const struct asyncio__transport_kind *kind;
    struct asyncio_loop *loop;
    struct asyncio_protocol *protocol; /* NULL until the factory has made it */
    asyncio_protocol_factory *factory; /* NULL: the protocol was given */
    void *arg;
    struct asyncio_context *context;                                             /* what the protocol is called in */
    struct asyncio_node node;                                                    /* of `begin` */
    void (*opened)(struct asyncio_transport *transport, void *owner, int error); /* NULL: nobody wants to know */
    void *opened_owner;
    void (*lost)(struct asyncio_transport *transport, void *owner);
    void *lost_owner;
    size_t high, low;    /* marks of flow control */
    size_t default_high; /* the one that nobody has set */
    struct asyncio_address sockname, peername;
    int sockname_error, peername_error; /* why there is none */

    bool is_asked;                  /* the factory was called */
    bool is_made;                   /* connection_made was called */
    bool is_lost;                   /* connection_lost was, or would have been */
    bool is_writing_paused;         /* pause_writing was called, resume_writing not yet */
    bool reading_paused;            /* nothing is to be received */
    struct asyncio__filler *filler; /* while a file is sent: nobody else may write */
    unsigned n_lost_writes;
    unsigned n_holds; /* that keep the memory */
};

/* What all kinds are opened with. */
struct asyncio__transport_options {
    struct asyncio_protocol *protocol; /* or NULL, and a factory */
    asyncio_protocol_factory *factory;
    void *arg;

    /* Called once: with 0 right before connection_made; with an error when there will be none, after which the
     * transport goes of itself. It must not close the transport. May be NULL, and may be set to NULL meanwhile. */
    void (*opened)(struct asyncio_transport *transport, void *owner, int error);

    /* Called last of all. May be NULL. */
    void (*lost)(struct asyncio_transport *transport, void *owner);
    void *owner;
};

/* ------------------------------------------------------------------------------------------------------- For kinds */

/* Prepares the head, in zeroed memory; takes a copy of the present context. Returns: 0; -EINVAL for a protocol that the
 * kind does not accept; -ENOMEM. */
int asyncio__transport_init(struct asyncio_transport *transport, struct asyncio_loop *loop,
                            const struct asyncio__transport_kind *kind,
                            const struct asyncio__transport_options *options);

/* Frees a transport that came to nothing in its opening. */
void asyncio__transport_discard(struct asyncio_transport *transport);

/* Lets kind->begin run in the next turn. */
void asyncio__transport_begin(struct asyncio_transport *transport);

/* Makes the protocol if there is none yet, tells `opened` and calls connection_made, which may have closed or paused
 * the transport when this returns. Returns: 0; -ASYNCIO_EINVALIDSTATE when the factory has made none, -EINVAL when it
 * will not do: that was told, to the exception handler where there is no `opened`, and the kind aborts the
 * connection. */
int asyncio__transport_made(struct asyncio_transport *transport);

/* Tells `opened`, once: 0, or that there will be no connection_made. It may look at the transport, with its TLS. */
void asyncio__transport_tell(struct asyncio_transport *transport, int error);

/* The end: tells `opened` if that was told nothing; calls connection_lost if connection_made was, then `lost`; frees
 * the transport as soon as nobody holds it. An error that can happen to any connection is worth a line in the log in
 * debug mode; others are reported to the exception handler. */
void asyncio__transport_lost(struct asyncio_transport *transport, int error);

/* Flow control of kinds that have no connection to do it: with `size` bytes kept, calls pause_writing or resume_writing
 * if it is time. */
void asyncio__transport_pause_if_high(struct asyncio_transport *transport, size_t size);
void asyncio__transport_resume_if_low(struct asyncio_transport *transport, size_t size);

/* Counts a write that comes too late, and warns from the fifth on. Returns: 0, what the write returns. */
int asyncio__transport_lost_write(struct asyncio_transport *transport);

/* Asks for the names of the two ends while the fd is open; they are remembered. */
void asyncio__transport_learn_names(struct asyncio_transport *transport, int fd);

/* The protocol's functions, called in the transport's context. Those that are NULL do nothing; eof_received is false
 * then. */
void asyncio__protocol_pause_writing(struct asyncio_transport *transport);
void asyncio__protocol_resume_writing(struct asyncio_transport *transport);
void asyncio__protocol_data_received(struct asyncio_transport *transport, const void *data, size_t size);
bool asyncio__protocol_eof_received(struct asyncio_transport *transport);
void asyncio__protocol_buffer_updated(struct asyncio_transport *transport, size_t size);
void asyncio__protocol_datagram_received(struct asyncio_transport *transport, const void *data, size_t size,
                                         const struct asyncio_address *address);
void asyncio__protocol_error_received(struct asyncio_transport *transport, int error);
void asyncio__protocol_pipe_data_received(struct asyncio_transport *transport, int fd, const void *data, size_t size);
void asyncio__protocol_pipe_connection_lost(struct asyncio_transport *transport, int fd, int error);
void asyncio__protocol_process_exited(struct asyncio_transport *transport);

/* Returns: true, and memory to read into; false when the protocol gave none, which was reported: the kind aborts with
 * -ENOBUFS. */
bool asyncio__protocol_get_buffer(struct asyncio_transport *transport, size_t hint, void **ret_data, size_t *ret_size);

/* True for a protocol that the transport can call. */
bool asyncio__transport_accepts(const struct asyncio_transport *transport, const struct asyncio_protocol *protocol);

/* True for a type that has data_received, or get_buffer and buffer_updated. */
bool asyncio__protocol_is_of_streams(const struct asyncio_protocol_type *type);

/* --------------------------------------------------------------------------------------------------- For floor 5 */

/* Keeps the memory of a transport that may be lost meanwhile. */
static inline void asyncio__transport_hold(struct asyncio_transport *transport)
{
    transport->n_holds++;
}

void asyncio__transport_drop(struct asyncio_transport *transport);

/* ------------------------------------------------------------------------------------------------ Stream sockets */

struct asyncio__conn_tls;

/* Opens a transport over a connected, non-blocking stream socket of the loop, which is the transport's from then on,
 * also on failure. connection_made follows in a later turn: after the handshake, where `tls` says with what; NULL:
 * without TLS. `close_ns`: as asyncio__conn_init. Returns: 0; -EINVAL; -ENOMEM; as asyncio__conn_start_tls; then
 * `opened` and `lost` are not called. */
int asyncio__transport_open(struct asyncio_loop *loop, int fd, int64_t close_ns, const struct asyncio__conn_tls *tls,
                            const struct asyncio__transport_options *options, struct asyncio_transport **ret_transport);

/* True for a transport that asyncio__transport_open has made. */
bool asyncio__transport_is_socket(const struct asyncio_transport *transport);

/* Changes an open transport to TLS, on top of what it has. `opened` is called when it is over, with 0 or the error, of
 * which connection_lost follows. Returns: 0; -EBUSY while that is under way already; as asyncio__conn_start_tls, and
 * the transport is as it was. */
int asyncio__transport_start_tls(struct asyncio_transport *transport, const struct asyncio__conn_tls *tls,
                                 void (*opened)(struct asyncio_transport *transport, void *owner, int error),
                                 void *owner);

/* Lets a filler write in place of everybody else, and be told of room in place of the protocol, until it is ended.
 * Nothing is to be kept when it is full: there is room once everything has been sent. Returns: 0; -ASYNCIO_ECLOSED;
 * -ASYNCIO_EINVALIDSTATE after write_eof; -EBUSY while there is one already, or TLS is being begun. */
int asyncio__transport_begin_filling(struct asyncio_transport *transport, struct asyncio__filler *filler);

/* Also for one that is lost but held. */
void asyncio__transport_end_filling(struct asyncio_transport *transport);

/* True while the filler is to wait. */
bool asyncio__transport_is_full(const struct asyncio_transport *transport);

/* Writes for the filler. Returns: 0; a negative error. */
int asyncio__transport_fill(struct asyncio_transport *transport, const void *data, size_t size);
