/* file_watch.c -- watching files: an inotify of the kernel, told event by event.
 *
 * Invariants:
 *   - to the back end the fd is somebody else's, which it watches while a task waits and no longer;
 *   - what was read and not told yet lies in the buffer between `at` and `end`: a cancel takes nothing away;
 *   - who waits holds a reference, so that neither the fd nor the buffer goes meanwhile. */
#include "lib.h"

#include "../base/mem.h"
#include "../loop/file_pool.h"

#include <sys/inotify.h>

/* Fifteen events with the longest of names, more with usual ones. */
#define BUFFER_SIZE 4096

struct asyncio_file_watch {
    struct asyncio_loop *loop; /* a reference, so that the fd can be closed when the loop has been */
    int fd;
    unsigned refs;
    bool busy; /* a task waits */
    size_t at, end;
    _Alignas(struct inotify_event) char buffer[BUFFER_SIZE];
};

/* ------------------------------------------------------------------------------------------------------ Life cycle */

int asyncio_file_watch(struct asyncio_file_watch **ret_watch)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_file_watch *watch;

    if (!ret_watch || !loop)
        return ret_watch ? -ASYNCIO_ENOLOOP : -EINVAL;
    if (loop->ops->own_fds)
        return -EOPNOTSUPP;
    watch = asyncio__malloc(sizeof *watch);
    if (!watch)
        return -ENOMEM;
    watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->fd < 0) {
        asyncio__free(watch);
        return -errno;
    }
    watch->loop = asyncio_loop_ref(loop);
    watch->refs = 1;
    watch->busy = false;
    watch->at = watch->end = 0;
    *ret_watch = watch;
    return 0;
}

struct asyncio_file_watch *asyncio_file_watch_ref(struct asyncio_file_watch *watch)
{
    if (watch)
        watch->refs++;
    return watch;
}

struct asyncio_file_watch *asyncio_file_watch_unref(struct asyncio_file_watch *watch)
{
    if (!watch || --watch->refs > 0)
        return NULL;
    /* The kernel waits for all who may be telling it of an event. */
    asyncio__file_drop(watch->loop, watch->fd, (struct asyncio__file_kind){.is_stored = false});
    asyncio_loop_unref(watch->loop);
    asyncio__free(watch);
    return NULL;
}

/* ----------------------------------------------------------------------------------------------------------- Events */

/* What each event is to the kernel. */
static const struct {
    unsigned events;
    uint32_t mask;
} meanings[] = {
    {ASYNCIO_FILE_MODIFIED, IN_MODIFY},
    {ASYNCIO_FILE_CREATED, IN_CREATE | IN_MOVED_TO},
    {ASYNCIO_FILE_DELETED, IN_DELETE | IN_MOVED_FROM},
    {ASYNCIO_FILE_GONE, IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT},
    {ASYNCIO_FILE_CLOSED, IN_CLOSE_WRITE},
    {ASYNCIO_FILE_CHANGED, IN_ATTRIB},
    {ASYNCIO_FILE_LOST, IN_Q_OVERFLOW},
};

#define N_MEANINGS (sizeof meanings / sizeof *meanings)
#define ALL_EVENTS (ASYNCIO_FILE_LOST * 2U - 1)

static uint32_t to_mask(unsigned events)
{
    uint32_t mask = 0;

    for (size_t i = 0; i < N_MEANINGS; i++)
        mask |= events & meanings[i].events ? meanings[i].mask : 0;
    return mask & IN_ALL_EVENTS;
}

static unsigned from_mask(uint32_t mask)
{
    unsigned events = 0;

    for (size_t i = 0; i < N_MEANINGS; i++)
        events |= mask & meanings[i].mask ? meanings[i].events : 0;
    return events;
}

int asyncio_file_watch_add(struct asyncio_file_watch *watch, const char *path, unsigned events)
{
    int r;

    if (!watch || !path || (events & ~ALL_EVENTS))
        return -EINVAL;
    r = inotify_add_watch(watch->fd, path, to_mask(events | ASYNCIO_FILE_GONE) | IN_MASK_ADD);
    return r < 0 ? -errno : r;
}

int asyncio_file_watch_remove(struct asyncio_file_watch *watch, int number)
{
    if (!watch || number < 1)
        return -EINVAL;
    return inotify_rm_watch(watch->fd, number) < 0 ? -errno : 0;
}

/* ---------------------------------------------------------------------------------------------------------- Waiting */

/* Takes the next event of those that were read. Returns: false when there is none. */
static bool take(struct asyncio_file_watch *watch, struct asyncio_file_event *ret_event)
{
    while (watch->at < watch->end) {
        const struct inotify_event *event = (const void *)(watch->buffer + watch->at);
        unsigned events = from_mask(event->mask);

        watch->at += sizeof *event + event->len;
        /* Else it is the end of a watch, which was asked for, or told of by another event. */
        if (events != 0) {
            *ret_event = (struct asyncio_file_event){
                .watch = event->wd,
                .events = events,
                .cookie = event->cookie,
                .name = event->len > 0 ? event->name : "",
            };
            return true;
        }
    }
    return false;
}

/* Waits until there are events, and reads them. Returns: 0; a negative error. */
static int read_more(struct asyncio_file_watch *watch)
{
    struct asyncio_op op = {
        .opcode = ASYNCIO_OP_READ,
        .flags = ASYNCIO_OP_FOREIGN,
        .fd = watch->fd,
        .buffer = {.data = watch->buffer, .size = sizeof watch->buffer},
    };
    int64_t r = asyncio_op_park(&op);

    watch->at = 0;
    watch->end = (size_t)max_i64(r, 0);
    return (int)min_i64(r, 0);
}

int asyncio_file_watch_next(struct asyncio_file_watch *watch, struct asyncio_file_event *ret_event)
{
    struct asyncio_loop *running;
    int r = watch && ret_event ? asyncio__may_wait(watch->loop, &running) : -EINVAL;

    if (r == 0 && watch->busy)
        r = -EBUSY;
    if (r < 0)
        return r;
    watch->busy = true;
    asyncio_file_watch_ref(watch);
    r = asyncio_io_point();
    while (r == 0 && !take(watch, ret_event))
        r = read_more(watch);
    watch->busy = false;
    /* Nobody else has it any more: the name would go with it. */
    if (r == 0 && watch->refs == 1)
        r = -ASYNCIO_ECLOSED;
    asyncio_file_watch_unref(watch);
    return r;
}
