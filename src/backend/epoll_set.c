/* epoll_set.c -- what the kernel is told of fds. See epoll_set.h for what a record says. */
#include "epoll_set.h"

#include "../base/mem.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int asyncio__epoll_set_open(struct asyncio__epoll_set *set)
{
    *set = (struct asyncio__epoll_set){.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
    return set->epoll_fd < 0 ? -errno : 0;
}

void asyncio__epoll_set_close(struct asyncio__epoll_set *set)
{
    close(set->epoll_fd);
    asyncio__free(set->records);
}

struct asyncio__epoll_record *asyncio__epoll_make(struct asyncio__epoll_set *set, int fd)
{
    size_t wanted = (size_t)fd + 1, n;
    struct asyncio__epoll_record *records;

    if (wanted > set->n_records) {
        n = asyncio__grown(set->n_records, wanted, 64);
        records = asyncio__realloc(set->records, n * sizeof *records);
        if (!records)
            return NULL;
        memset(&records[set->n_records], 0, (n - set->n_records) * sizeof *records);
        set->records = records;
        set->n_records = n;
    }
    return &set->records[fd];
}

bool asyncio__epoll_is_busy(const struct asyncio__epoll_record *record, const struct asyncio_op *op)
{
    unsigned directions = asyncio__op_directions(op);

    for (int d = 0; d < ASYNCIO__EPOLL_DIRECTIONS; d++)
        for (int k = 0; k < ASYNCIO__EPOLL_KINDS; k++) {
            const struct asyncio_op *other = record->waiting[d][k];

            if (!other || !(directions & asyncio__epoll_mask(d)))
                continue;
            if (k == (int)asyncio__epoll_kind(op) || !asyncio__op_is_watch(op) || !asyncio__op_is_watch(other))
                return true;
        }
    return false;
}

void asyncio__epoll_occupy(struct asyncio__epoll_record *record, const struct asyncio_op *op,
                           struct asyncio_op *occupant)
{
    unsigned directions = asyncio__op_directions(op);

    for (int d = 0; d < ASYNCIO__EPOLL_DIRECTIONS; d++)
        if (directions & asyncio__epoll_mask(d))
            record->waiting[d][asyncio__epoll_kind(op)] = occupant;
}

/* A generation for the next registration; 0 stands for none. */
static uint32_t next_generation(struct asyncio__epoll_set *set)
{
    if (++set->generation == 0)
        set->generation = 1;
    return set->generation;
}

static int control(struct asyncio__epoll_set *set, int what, int fd, uint32_t events, uint32_t generation)
{
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)generation << 32 | (uint32_t)fd};

    return epoll_ctl(set->epoll_fd, what, fd, &event) < 0 ? -errno : 0;
}

int asyncio__epoll_add_own(struct asyncio__epoll_set *set, struct asyncio__epoll_record *record, int fd,
                           unsigned directions)
{
    uint32_t events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET, generation = next_generation(set);
    socklen_t size = sizeof(int);
    int protocol = 0;
    int r;

    r = control(set, EPOLL_CTL_ADD, fd, events, generation);
    if (r < 0)
        return r;
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0)
        protocol = 0;
    *record = (struct asyncio__epoll_record){
        .generation = generation,
        .tcp = protocol == IPPROTO_TCP,
        .ready = (uint8_t)((ASYNCIO_READABLE | ASYNCIO_WRITABLE) & ~directions),
    };
    set->registered++;
    return 0;
}

static unsigned wanted_directions(const struct asyncio__epoll_record *record)
{
    unsigned wanted = 0;

    for (int d = 0; d < ASYNCIO__EPOLL_DIRECTIONS; d++)
        if (record->waiting[d][ASYNCIO__EPOLL_ONE_SHOT] || record->waiting[d][ASYNCIO__EPOLL_STANDING])
            wanted |= asyncio__epoll_mask(d);
    return wanted;
}

int asyncio__epoll_watch(struct asyncio__epoll_set *set, struct asyncio__epoll_record *record, int fd)
{
    unsigned wanted = wanted_directions(record);
    uint32_t events = (wanted & ASYNCIO_READABLE ? EPOLLIN : 0) | (wanted & ASYNCIO_WRITABLE ? EPOLLOUT : 0);
    uint32_t generation;
    int r = -ENOENT;

    if (wanted == record->interest)
        return 0;
    if (!wanted) {
        asyncio__epoll_remove(set, record, fd, true);
        return 0;
    }
    if (record->generation)
        r = control(set, EPOLL_CTL_MOD, fd, events, record->generation);
    if (r == -ENOENT) {
        /* It is new, or its owner has closed it and the number stands for another file now. */
        generation = next_generation(set);
        r = control(set, EPOLL_CTL_ADD, fd, events, generation);
        if (r == 0) {
            set->registered += !record->generation;
            record->generation = generation;
            record->foreign = true;
        }
    }
    if (r == 0)
        record->interest = (uint8_t)wanted;
    return r;
}

void asyncio__epoll_remove(struct asyncio__epoll_set *set, struct asyncio__epoll_record *record, int fd,
                           bool kernel_too)
{
    if (record->generation) {
        /* It fails when the owner of a foreign fd has closed it, and then the kernel has forgotten it by itself. */
        if (kernel_too)
            control(set, EPOLL_CTL_DEL, fd, 0, 0);
        set->registered--;
    }
    *record = (struct asyncio__epoll_record){0};
}

int asyncio__epoll_add_waker(struct asyncio__epoll_set *set, int fd)
{
    /* By edge, so that nobody has to read it empty: each write is a new edge. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = ASYNCIO__EPOLL_WAKE};

    return epoll_ctl(set->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}
