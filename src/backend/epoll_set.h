/* epoll_set.h -- which fds the kernel watches for epoll.c, what is known of each, and who waits for it: one record
 * per fd number. */
#pragma once

#include "ops.h"

enum asyncio__epoll_direction { ASYNCIO__EPOLL_READER, ASYNCIO__EPOLL_WRITER, ASYNCIO__EPOLL_DIRECTIONS };
enum asyncio__epoll_kind { ASYNCIO__EPOLL_ONE_SHOT, ASYNCIO__EPOLL_STANDING, ASYNCIO__EPOLL_KINDS };

/* What an event carries that only ends a poll. */
#define ASYNCIO__EPOLL_WAKE UINT64_MAX

struct asyncio__epoll_record {
    uint32_t generation; /* of the registration, which its events carry; 0: not registered */
    bool foreign;        /* registered by level, for what is waited for; own fds are, by edge, for everything */
    bool tcp;            /* a short read has emptied it */
    bool hung; /* has ended, failed or holds urgent data: no event may follow, so that a short read proves nothing */
    uint8_t ready;    /* own fds: where it is worth trying; clear only where the kernel will announce a change */
    uint8_t interest; /* foreign fds: what the kernel watches */
    struct asyncio_op *waiting[ASYNCIO__EPOLL_DIRECTIONS][ASYNCIO__EPOLL_KINDS];
};

struct asyncio__epoll_set {
    int epoll_fd;
    uint32_t generation;                   /* the last one given out */
    size_t registered;                     /* records with a generation */
    struct asyncio__epoll_record *records; /* by fd; they move when the table grows */
    size_t n_records;
};

/* The direction's bit of enum asyncio_fd_events. */
static inline unsigned asyncio__epoll_mask(int direction)
{
    return direction == ASYNCIO__EPOLL_READER ? ASYNCIO_READABLE : ASYNCIO_WRITABLE;
}

static inline enum asyncio__epoll_kind asyncio__epoll_kind(const struct asyncio_op *op)
{
    return op->flags & ASYNCIO_OP_STANDING ? ASYNCIO__EPOLL_STANDING : ASYNCIO__EPOLL_ONE_SHOT;
}

/* The record of an fd; NULL when it never had one. */
static inline struct asyncio__epoll_record *asyncio__epoll_find(const struct asyncio__epoll_set *set, int fd)
{
    return fd >= 0 && (size_t)fd < set->n_records ? &set->records[fd] : NULL;
}

/* The record of an fd that has one. */
static inline struct asyncio__epoll_record *asyncio__epoll_record(const struct asyncio__epoll_set *set, int fd)
{
    assert(fd >= 0 && (size_t)fd < set->n_records);
    return &set->records[fd];
}

/* Returns: 0; a negative error. */
int asyncio__epoll_set_open(struct asyncio__epoll_set *set);

/* In a forked child this gives up the child's copy only. */
void asyncio__epoll_set_close(struct asyncio__epoll_set *set);

/* The record of an fd, made if need be; NULL when out of memory. */
struct asyncio__epoll_record *asyncio__epoll_make(struct asyncio__epoll_set *set, int fd);

/* True when an operation must not wait beside those that do: a direction has room for one, or for watches on foreign
 * fds, one of a kind. */
bool asyncio__epoll_is_busy(const struct asyncio__epoll_record *record, const struct asyncio_op *op);

/* Makes `occupant`, an operation or NULL, the one that waits where `op` belongs. */
void asyncio__epoll_occupy(struct asyncio__epoll_record *record, const struct asyncio_op *op,
                           struct asyncio_op *occupant);

/* Registers one of the library's own fds, for one that waits in `directions`, of which the kernel will now announce
 * what is there already. The other direction is worth trying before that. Returns: 0; a negative error. */
int asyncio__epoll_add_own(struct asyncio__epoll_set *set, struct asyncio__epoll_record *record, int fd,
                           unsigned directions);

/* Tells the kernel what is now waited for on a foreign fd. Returns: 0; a negative error. */
int asyncio__epoll_watch(struct asyncio__epoll_set *set, struct asyncio__epoll_record *record, int fd);

/* Ends a registration, if there is one, and clears the record; `kernel_too` is false in a forked child. */
void asyncio__epoll_remove(struct asyncio__epoll_set *set, struct asyncio__epoll_record *record, int fd,
                           bool kernel_too);

/* Adds the eventfd that ends a poll. Returns: 0; a negative error. */
int asyncio__epoll_add_waker(struct asyncio__epoll_set *set, int fd);
