/* uring.h -- the back end over io_uring, shared by its parts: uring.c opens and polls, uring_ops.c has operations as
 * they come and go, uring_files.c those on files, uring_sources.c what fds bring before anybody asks, uring_ring.c the
 * ring, uring_requests.c what the kernel is asked for, uring_completions.c what it has answered.
 *
 * A request is what the kernel knows of a waiting operation, or of a source; it lives until its last completion has
 * been taken, which may be longer than the operation. */
#pragma once

#include "fd_waits.h"
#include "ring_buffers.h"
#include "waker.h"

#include "../base/list.h"
#include "../base/mem.h"

enum asyncio__uring_place {
    ASYNCIO__URING_IDLE,   /* its operation is being tried; or it is over, and on `lingering` */
    ASYNCIO__URING_QUEUED, /* on `queued` */
    ASYNCIO__URING_SENT,   /* on `sent`: the kernel's */
};

enum asyncio__uring_kind {
    ASYNCIO__URING_POLL,    /* its operation is tried by its system call then */
    ASYNCIO__URING_RECEIVE, /* into the operation's memory */
    ASYNCIO__URING_SEND,    /* from the operation's memory, if there is room: it is over when enter returns */
    ASYNCIO__URING_FILE,    /* on files, with the operation's memory */
    ASYNCIO__URING_INFLOW,  /* of a source: receives again and again, into buffers of the back end */
    ASYNCIO__URING_ACCEPTS, /* of a source: accepts again and again */
};

struct asyncio__uring_request {
    struct asyncio_link link;
    struct asyncio_link cancel_link; /* on `cancels` until the kernel is asked to cancel it */
    struct asyncio_op *op;           /* NULL: a source's, or nobody waits for it any more */
    uint64_t key;                    /* what its completions carry */
    int fd; /* -1: an operation on files, which has no record */
    uint8_t place, kind;
    bool cancelled;          /* the kernel was asked, or is going to be */
    unsigned char n_cancels; /* that were sent and whose own completions are to come */
    uint32_t events;         /* of poll(2) */
};

/* What an fd brings by itself, once somebody has asked: bytes or connections, whose receive or accept stays with the
 * kernel. What nobody waits for at the moment is kept here, in order, for who comes next. It is the record's until the
 * fd leaves the library, and then the kernel's until its last completion. */
struct asyncio__uring_source {
    struct asyncio__uring_request request; /* idle when the kernel brings nothing more by itself */
    struct asyncio_link due;               /* on `due` while somebody waits for what is kept */
    int *connections;                      /* accepted: n_kept of `capacity`, from `first` on */
    uint32_t n_kept;                       /* buffers, or connections */
    uint32_t first, last, capacity;        /* of buffers, their numbers */
    uint32_t start;                        /* of the first buffer: bytes that were taken */
    int32_t end;                           /* valid if has_end: 0, or what the kernel said last */
    bool has_end;
    bool is_aside;    /* operations ask the kernel by themselves: whole buffers come, or descriptors are lacking */
    bool is_detached; /* its fd has left the library */
    uint64_t turn;    /* in which n_given things went to a standing operation */
    uint32_t n_given;
};

/* In op->state. */
enum asyncio__uring_state {
    ASYNCIO__URING_IN_SLOT = 1,
    ASYNCIO__URING_SETTLED = 2, /* on the list of what is only to be reported */
    ASYNCIO__URING_LEFT = 4,    /* its fd has left the library, and the kernel's last word is awaited */
    ASYNCIO__URING_CLOSED = 8,  /* that fd was closed: what was received is lost with it, as what would come later */
    ASYNCIO__URING_ON_FILE = 16,
};

/* What is known of an fd. */
struct asyncio__uring_record {
    struct asyncio__fd_waits waits;
    struct asyncio__uring_source *source; /* NULL: it never had one */
    bool known, foreign;
    unsigned n_sent;                     /* requests that the kernel has */
    uint64_t empty[ASYNCIO__DIRECTIONS]; /* the turn in which there was nothing to be had */
};

/* What follows the colon of "uring:entries=8,...". */
struct asyncio__uring_options {
    unsigned entries, completions;
    unsigned most;    /* requests handed over in one go */
    unsigned buffers; /* for what is received ahead; 0: nothing is */
    bool plain;       /* without DEFER_TASKRUN and SINGLE_ISSUER, as older kernels have it */
    bool single_shot; /* without multishot, likewise */
    bool no_waiting;  /* a cancel does not wait for the kernel's answer */
    bool no_files;    /* nothing is done on files, as older kernels can do it in part */
};

struct asyncio_backend {
    struct asyncio__ring ring;
    struct asyncio__uring_options options;
    unsigned setup;            /* flags that the kernel takes */
    uint64_t opcodes;          /* a bit for each that it knows */
    uint64_t thread;           /* whom the ring belongs to; 0: nobody yet */
    uint64_t turn;             /* counts polls, from 1 */
    size_t n_ops, n_transfers; /* n_transfers: requests with an operation's memory that the kernel has */
    struct asyncio_link queued, sent, cancels;
    struct asyncio_link sends;     /* those of `sent` that say nothing when all went well */
    size_t n_sends;                /* operations that nobody waits for */
    bool hurries;                  /* the next poll does not block: somebody waits for one of them after all */
    struct asyncio_link lingering; /* requests that are over but for their cancels */
    struct asyncio_link settled;   /* operations that are only to be reported */
    struct asyncio_link due;       /* sources that have something for who waits */
    struct asyncio_op *current;    /* the standing operation whose complete() runs, unless that has taken it back */
    struct asyncio__pool requests, sources, buffers;
    struct asyncio__ring_buffers ahead;    /* what is received ahead */
    bool no_inflow, no_accepts;            /* the kernel has said that it cannot */
    bool inflow_works, accepts_work;       /* it has shown that it can */
    struct asyncio__uring_record *records; /* by fd */
    size_t n_records;
    struct asyncio__waker waker;
    bool waker_watched; /* the kernel polls the waker's eventfd */
    bool one_wake;      /* each poll of it tells of one wake only: Linux before 5.13 */
    int embedded_fd;    /* an eventfd that a foreign loop watches; -1: none does */
};

/* Keys of completions that belong to no request. */
enum { ASYNCIO__URING_NOBODY = 0, ASYNCIO__URING_WAKER = 2 };

/* Added to a request's key: the completion of its cancel. */
#define ASYNCIO__URING_CANCEL 1

static inline struct asyncio__uring_record *asyncio__uring_find(const struct asyncio_backend *backend, int fd)
{
    return fd >= 0 && (size_t)fd < backend->n_records ? &backend->records[fd] : NULL;
}

static inline bool asyncio__uring_is_source(const struct asyncio__uring_request *request)
{
    return request->kind == ASYNCIO__URING_INFLOW || request->kind == ASYNCIO__URING_ACCEPTS;
}

static inline struct asyncio__uring_source *asyncio__uring_source_of(struct asyncio__uring_request *request)
{
    assert(asyncio__uring_is_source(request));
    return CONTAINER_OF(request, struct asyncio__uring_source, request);
}

/* True for one that names an operation's memory. */
static inline bool asyncio__uring_transfers(const struct asyncio__uring_request *request)
{
    return request->kind == ASYNCIO__URING_RECEIVE || request->kind == ASYNCIO__URING_SEND ||
           request->kind == ASYNCIO__URING_FILE;
}

/* The request of an operation that waits; NULL: it waits for its fd's source. */
static inline struct asyncio__uring_request *asyncio__uring_request_of(const struct asyncio_op *op)
{
    return (struct asyncio__uring_request *)(uintptr_t)op->backend[0];
}

/* ----------------------------------------------------------------------------------------------------- uring_ops.c */

/* As the table of a back end has them. */
bool asyncio__uring_submit(struct asyncio_backend *backend, struct asyncio_op *op);
bool asyncio__uring_cancel(struct asyncio_backend *backend, struct asyncio_op *op);
void asyncio__uring_release(struct asyncio_backend *backend, int fd, void *data);

/* Does an operation by its system call. Returns: its result; -EAGAIN is noted until the next poll. */
int64_t asyncio__uring_attempt(struct asyncio_backend *backend, struct asyncio_op *op);

/* Notes that there is nothing to be had until the next poll. */
void asyncio__uring_note_empty(struct asyncio_backend *backend, const struct asyncio_op *op);

/* What an operation that has to wait asks the kernel for. */
enum asyncio__uring_kind asyncio__uring_kind_for(const struct asyncio_op *op);

/* Ends an operation's waiting; its memory is its owner's again, its request is gone. */
void asyncio__uring_dequeue(struct asyncio_backend *backend, struct asyncio_op *op);

/* --------------------------------------------------------------------------------------------------- uring_files.c */

/* Begins an operation on files. Returns: as submit; -EOPNOTSUPP when the kernel cannot do it. */
bool asyncio__uring_submit_file(struct asyncio_backend *backend, struct asyncio_op *op);

/* Tells the kernel what is to be done. */
void asyncio__uring_fill_in_file(const struct asyncio_op *op, struct io_uring_sqe *sqe);

/* What the kernel's result means. Returns: the operation's result; ASYNCIO__URING_ASK: the kernel is to be asked once
 * more. */
int64_t asyncio__uring_file_result(struct asyncio_op *op, bool cancelled, int32_t result);

/* --------------------------------------------------------------------------------------------- uring_completions.c */

/* Tells operations whose fd has left the library. */
void asyncio__uring_report_settled(struct asyncio_backend *backend);

/* Handles what has come, not what comes meanwhile. */
void asyncio__uring_take_completions(struct asyncio_backend *backend);

/* An operation has ended. */
void asyncio__uring_complete(struct asyncio_backend *backend, struct asyncio_op *op, int64_t result);

/* ------------------------------------------------------------------------------------------------ uring_sources.c */

/* What asyncio__uring_from_source says when the kernel has to be asked. */
#define ASYNCIO__URING_ASK (-(1 << 20))

/* Gives an operation of an fd with a source what is kept of it. Returns: its result; -EAGAIN: there is nothing, and
 * the source will bring it; ASYNCIO__URING_ASK: there is nothing, and it will not. */
int64_t asyncio__uring_from_source(struct asyncio_backend *backend, struct asyncio__uring_source *source,
                                   struct asyncio_op *op);

/* Lets an operation wait for its fd's source, which is made and set to work if need be. Returns: false when it has to
 * wait for a request of its own. */
bool asyncio__uring_wait_for_source(struct asyncio_backend *backend, struct asyncio__uring_record *record,
                                    const struct asyncio_op *op);

/* A completion of a source's request has come. */
void asyncio__uring_came(struct asyncio_backend *backend, struct asyncio__uring_source *source,
                         const struct asyncio__completion *completion);

/* Gives what is due to who waits for it. */
void asyncio__uring_run_due(struct asyncio_backend *backend);

/* What an operation has met that asked the kernel by itself, which says whether a source would do better. */
void asyncio__uring_note_result(struct asyncio_backend *backend, const struct asyncio_op *op, int64_t result);

/* An operation that waited is taken back: nobody waits for what the source brings. */
void asyncio__uring_unwanted(struct asyncio_backend *backend, struct asyncio__uring_record *record);

/* The fd leaves the library, and with it what is kept. */
void asyncio__uring_detach(struct asyncio_backend *backend, struct asyncio__uring_record *record);

/* Keeps what has come on a ring that is given up. */
void asyncio__uring_keep_all(struct asyncio_backend *backend);

/* The next poll, which then does not block, looks after a source. */
void asyncio__uring_put_due(struct asyncio_backend *backend, struct asyncio__uring_source *source);

/* Drops what the sources of all fds keep, and frees those that are idle, as the ring is closed. */
void asyncio__uring_drop_sources(struct asyncio_backend *backend);

/* Frees a source that is detached and idle. */
void asyncio__uring_free_source(struct asyncio_backend *backend, struct asyncio__uring_source *source);

/* ----------------------------------------------------------------------------------------------------- uring_ring.c */

/* Makes the ring. Returns: 0; a negative error. */
int asyncio__uring_open_ring(struct asyncio_backend *backend);

/* Makes the ring the calling thread's. Polls and sources under way on another thread are begun again; a transfer
 * cannot be. Returns: 0; -EXDEV; a negative error. */
int asyncio__uring_bind(struct asyncio_backend *backend);

/* ------------------------------------------------------------------------------------------------ uring_requests.c */

/* The ring is another one: what the kernel had is asked for again, but for transfers, of which there must be none. */
void asyncio__uring_begin_again(struct asyncio_backend *backend);

/* Gives an operation a request that is queued. Returns: 0; -ENOMEM. */
int asyncio__uring_request(struct asyncio_backend *backend, struct asyncio_op *op, enum asyncio__uring_kind kind);

/* Queues an idle request again: a source's, and one on files, as what it is, another operation's as a poll. */
void asyncio__uring_requeue(struct asyncio_backend *backend, struct asyncio__uring_request *request);

/* An operation gives up its request, which the kernel is asked to drop, if it has it. Not for a transfer that it has.
 */
void asyncio__uring_abandon(struct asyncio_backend *backend, struct asyncio__uring_request *request);

/* Takes a transfer back from the kernel. Returns: true when it did not happen and the buffer is free, and so is the
 * request; false when its completion is to come. */
bool asyncio__uring_withdraw(struct asyncio_backend *backend, struct asyncio__uring_request *request);

/* The kernel has said its last word of a request: it is idle. */
void asyncio__uring_returned(struct asyncio_backend *backend, struct asyncio__uring_request *request);

/* The kernel is asked to drop a source's request; its last completion is to come, unless it is idle now. */
void asyncio__uring_stop(struct asyncio_backend *backend, struct asyncio__uring_request *request);

/* Frees an idle request, at the latest when the completion of its cancel has come. */
void asyncio__uring_free_request(struct asyncio_backend *backend, struct asyncio__uring_request *request);

/* The completion of a request's cancel has come. */
void asyncio__uring_cancel_answered(struct asyncio_backend *backend, struct asyncio__uring_request *request);

/* Frees all requests, as the ring is closed. */
void asyncio__uring_drop_all(struct asyncio_backend *backend);

/* True when there is something to be told to the kernel. */
bool asyncio__uring_has_queued(const struct asyncio_backend *backend);

/* Tells the kernel what is queued, and waits for so long for a completion. Returns: as asyncio__ring_enter. */
int asyncio__uring_enter(struct asyncio_backend *backend, int64_t timeout_ns);

/* Makes a foreign loop see that there is something to do. */
void asyncio__uring_alert(struct asyncio_backend *backend);
