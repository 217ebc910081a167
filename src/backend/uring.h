/* uring.h -- the back end over io_uring, shared by its parts: uring.c opens and polls, uring_ops.c has operations as
 * they come and go, uring_requests.c what the kernel is asked for them, uring_completions.c what it has answered.
 *
 * A request is what the kernel knows of a waiting operation; it lives until its last completion has been taken, which
 * may be longer than the operation. It is of one of two kinds: a poll, after which the operation is tried by its system
 * call, or a transfer, a receive for which the kernel uses the operation's buffer. */
#pragma once

#include "epoll_set.h"
#include "ring.h"
#include "waker.h"

#include "../base/list.h"
#include "../base/mem.h"

enum asyncio__uring_place {
    ASYNCIO__URING_IDLE,   /* its operation is being tried; or it is over, and on `lingering` */
    ASYNCIO__URING_QUEUED, /* on `queued` */
    ASYNCIO__URING_SENT,   /* on `sent`: the kernel's */
};

struct asyncio__uring_request {
    struct asyncio_link link;
    struct asyncio_link cancel_link; /* on `cancels` until the kernel is asked to cancel it */
    struct asyncio_op *op;           /* NULL: nobody waits for it any more */
    uint64_t key;                    /* what its completions carry */
    int fd;
    uint8_t place;
    bool transfers;
    bool cancelled;   /* the kernel was asked, or is going to be */
    bool cancel_sent; /* whose own completion is to come */
    uint32_t events;  /* of poll(2) */
};

/* In op->state. */
enum asyncio__uring_state {
    ASYNCIO__URING_IN_SLOT = 1,
    ASYNCIO__URING_SETTLED = 2, /* on the list of what is only to be reported */
    ASYNCIO__URING_LEFT = 4,    /* its fd has left the library, and the kernel's last word is awaited */
    ASYNCIO__URING_CLOSED = 8,  /* that fd was closed: what was received is lost with it, as what would come later */
};

/* What is known of an fd. */
struct asyncio__uring_record {
    struct asyncio__epoll_record waits;        /* generation: not 0 while it is known */
    unsigned n_sent;                           /* requests that the kernel has */
    uint64_t empty[ASYNCIO__EPOLL_DIRECTIONS]; /* the turn in which there was nothing to be had */
};

/* What follows the colon of "uring:entries=8,...". */
struct asyncio__uring_options {
    unsigned entries, completions;
    unsigned most;   /* requests handed over in one go */
    bool plain;      /* without DEFER_TASKRUN and SINGLE_ISSUER, as older kernels have it */
    bool no_waiting; /* a cancel does not wait for the kernel's answer */
};

struct asyncio_backend {
    struct asyncio__ring ring;
    struct asyncio__uring_options options;
    unsigned setup;            /* flags that the kernel takes */
    uint64_t thread;           /* whom the ring belongs to; 0: nobody yet */
    uint64_t turn;             /* counts polls, from 1 */
    size_t n_ops, n_transfers; /* n_transfers: requests with a buffer that the kernel has */
    struct asyncio_link queued, sent, cancels;
    struct asyncio_link lingering; /* requests that are over but for their cancels */
    struct asyncio_link settled;   /* operations that are only to be reported */
    struct asyncio_op *current;    /* the standing operation whose complete() runs, unless that has taken it back */
    struct asyncio__pool requests, buffers;
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

/* Ends an operation's waiting; its memory is its owner's again, its request is gone. */
void asyncio__uring_dequeue(struct asyncio_backend *backend, struct asyncio_op *op);

/* --------------------------------------------------------------------------------------------- uring_completions.c */

/* Tells operations whose fd has left the library. */
void asyncio__uring_report_settled(struct asyncio_backend *backend);

/* Handles what has come, not what comes meanwhile. */
void asyncio__uring_take_completions(struct asyncio_backend *backend);

/* ------------------------------------------------------------------------------------------------ uring_requests.c */

/* Makes the ring. Returns: 0; a negative error. */
int asyncio__uring_open_ring(struct asyncio_backend *backend);

/* Makes the ring the calling thread's. Polls under way on another thread are begun again; a transfer cannot be.
 * Returns: 0; -EXDEV; a negative error. */
int asyncio__uring_bind(struct asyncio_backend *backend);

/* Gives an operation a request that is queued. Returns: 0; -ENOMEM. */
int asyncio__uring_request(struct asyncio_backend *backend, struct asyncio_op *op, bool transfers);

/* Queues an idle request (again), as a poll if it was none. */
void asyncio__uring_requeue(struct asyncio_backend *backend, struct asyncio__uring_request *request);

/* An operation gives up its request, which the kernel is asked to drop, if it has it. Not for a transfer that it has.
 */
void asyncio__uring_abandon(struct asyncio_backend *backend, struct asyncio__uring_request *request);

/* Takes a transfer back from the kernel. Returns: true when it did not happen and the buffer is free, and so is the
 * request; false when its completion is to come. */
bool asyncio__uring_withdraw(struct asyncio_backend *backend, struct asyncio__uring_request *request);

/* The kernel has said its last word of a request: it is idle. */
void asyncio__uring_returned(struct asyncio_backend *backend, struct asyncio__uring_request *request);

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
