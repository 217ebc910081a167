/* epoll_set.h -- which fds the kernel watches for epoll.c, what is known of each, and who waits for it: one record
 * per fd number. */
#pragma once

#include "fd_waits.h"

#include <sys/epoll.h>

enum asyncio__epoll_protocol {
    ASYNCIO__EPOLL_UNASKED,
    ASYNCIO__EPOLL_TCP, /* a short read has emptied it */
    ASYNCIO__EPOLL_OTHER,
};

/* What an event carries that only ends a poll. */
#define ASYNCIO__EPOLL_WAKE UINT64_MAX

struct asyncio__epoll_record {
    uint32_t generation; /* of the registration, which its events carry; 0: not registered */
    bool foreign;        /* registered by level, for what is waited for; own fds are, by edge, for everything */
    uint8_t protocol;    /* enum asyncio__epoll_protocol; known sometimes before it is registered */
    bool hung; /* has ended, failed or holds urgent data: no event may follow, so that a short read proves nothing */
    uint8_t ready;    /* known own fds: where it is worth trying; clear only where the kernel will announce a change */
    uint8_t interest; /* foreign fds: what the kernel watches */
    struct asyncio__fd_waits waits;
};

struct asyncio__epoll_set {
    int epoll_fd;
    uint32_t generation;                   /* the last one given out */
    size_t registered;                     /* records with a generation */
    struct asyncio__epoll_record *records; /* by fd; they move when the table grows */
    size_t n_records;
};

/* True for an fd of which more is known than its number: `ready` counts. Before it is registered, that is because the
 * registration will tell what is there by then. */
static inline bool asyncio__epoll_is_known(const struct asyncio__epoll_record *record)
{
    return record->generation || record->protocol;
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

/* What a successful SOCKET has made. */
enum asyncio__epoll_protocol asyncio__epoll_protocol_of(const struct asyncio_op *op);

/* A new fd of the library's own is such a socket, so that the kernel need not be asked. It will be if the
 * table has no place for it yet. */
void asyncio__epoll_introduce(struct asyncio__epoll_set *set, int fd, enum asyncio__epoll_protocol protocol);

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

/* ---- Prefetching */

/* How many events ahead memory is asked for: of the record, of the operation that it leads to, of whoever waits. */
#define ASYNCIO__RECORD_AHEAD    8
#define ASYNCIO__OPERATION_AHEAD 4
#define ASYNCIO__WAITER_AHEAD    2

/* The operation that an event will most likely lead to: a receive. A record may change until then, and whoever waits
 * may go: it is good for a prefetch only. */
static inline const struct asyncio_op *asyncio__epoll_likely_op(const struct asyncio__epoll_set *set,
                                                                const struct epoll_event *event)
{
    const struct asyncio__epoll_record *record = asyncio__epoll_find(set, (int)(uint32_t)event->data.u64);

    return record ? record->waits.op[ASYNCIO__READER][ASYNCIO__ONE_SHOT] : NULL;
}

static inline void asyncio__prefetch_around(const void *place, int from, int to)
{
    for (int offset = from; offset <= to; offset += 64)
        __builtin_prefetch((const char *)((uintptr_t)place + (uintptr_t)(intptr_t)offset));
}

/* Asks for the memory that the next events lead to. Round an operation stands what it belongs to; below its owner, a
 * waiter, lie the frames through which its task will go on. */
static inline void asyncio__epoll_prefetch(const struct asyncio__epoll_set *set, const struct epoll_event *events,
                                           int i, int n)
{
    const struct asyncio_op *op;

    if (i + ASYNCIO__RECORD_AHEAD < n)
        __builtin_prefetch(&set->records[(uint32_t)events[i + ASYNCIO__RECORD_AHEAD].data.u64]);
    if (i + ASYNCIO__OPERATION_AHEAD < n)
        asyncio__prefetch_around(asyncio__epoll_likely_op(set, &events[i + ASYNCIO__OPERATION_AHEAD]), -64, 192);
    if (i + ASYNCIO__WAITER_AHEAD < n && (op = asyncio__epoll_likely_op(set, &events[i + ASYNCIO__WAITER_AHEAD]))) {
        asyncio__prefetch_around(op->owner, -128, 128);
        if (op->opcode == ASYNCIO_OP_RECV)
            __builtin_prefetch(op->buffer.data, 1);
    }
}
