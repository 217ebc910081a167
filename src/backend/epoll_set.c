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

static enum asyncio__epoll_protocol ask_protocol(int fd)
{
    socklen_t size = sizeof(int);
    int protocol = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0)
        return ASYNCIO__EPOLL_OTHER;
    return protocol == IPPROTO_TCP ? ASYNCIO__EPOLL_TCP : ASYNCIO__EPOLL_OTHER;
}

enum asyncio__epoll_protocol asyncio__epoll_protocol_of(const struct asyncio_op *op)
{
    bool internet = op->make.domain == AF_INET || op->make.domain == AF_INET6;
    bool usual = op->make.protocol == 0 || op->make.protocol == IPPROTO_TCP;

    return internet && usual && op->make.type == SOCK_STREAM ? ASYNCIO__EPOLL_TCP : ASYNCIO__EPOLL_OTHER;
}

void asyncio__epoll_introduce(struct asyncio__epoll_set *set, int fd, enum asyncio__epoll_protocol protocol)
{
    struct asyncio__epoll_record *record = asyncio__epoll_find(set, fd);

    if (record && !record->generation)
        *record =
            (struct asyncio__epoll_record){.protocol = (uint8_t)protocol, .ready = ASYNCIO_READABLE | ASYNCIO_WRITABLE};
}

int asyncio__epoll_add_own(struct asyncio__epoll_set *set, struct asyncio__epoll_record *record, int fd,
                           unsigned directions)
{
    uint32_t events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET, generation = next_generation(set);
    int r;

    r = control(set, EPOLL_CTL_ADD, fd, events, generation);
    if (r < 0)
        return r;
    *record = (struct asyncio__epoll_record){
        .generation = generation,
        .protocol = record->protocol ? record->protocol : (uint8_t)ask_protocol(fd),
        .ready = (uint8_t)((ASYNCIO_READABLE | ASYNCIO_WRITABLE) & ~directions),
    };
    set->registered++;
    return 0;
}

int asyncio__epoll_watch(struct asyncio__epoll_set *set, struct asyncio__epoll_record *record, int fd)
{
    unsigned wanted = asyncio__fd_wanted(&record->waits);
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
