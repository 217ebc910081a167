/* fds.c -- add_reader and add_writer: watches on file descriptors that belong to somebody else.
 *
 * A watch is a standing operation of the back end, level-triggered. What it reports schedules the watch's node once,
 * however often it is reported before that has run. */
#include "handles.h"

#include "../base/context.h"

enum direction { READER, WRITER, DIRECTIONS };

struct watcher {
    struct asyncio_op op;
    struct asyncio_node node;
    asyncio_callback *callback;
    void *arg;
    struct asyncio_context *context;
    struct asyncio_loop *loop;
    bool running, in_backend; /* keep it in memory after it was removed */
    bool removed;
};

/* What is watched of one fd. */
struct asyncio__watch {
    struct watcher *watchers[DIRECTIONS];
};

static void free_if_over(struct watcher *watcher)
{
    if (!watcher->removed || watcher->running || watcher->in_backend)
        return;
    asyncio_context_unref(watcher->context);
    asyncio__free(watcher);
}

static void run_watcher(struct asyncio_node *node)
{
    struct watcher *watcher = CONTAINER_OF(node, struct watcher, node);

    watcher->running = true;
    asyncio__call_in_context(&watcher->context, watcher->callback, watcher->arg);
    watcher->running = false;
    free_if_over(watcher);
}

/* The back end reports an event, or that it can watch no longer; either way the callback is the one to find out. */
static void reported(struct asyncio_op *op)
{
    struct watcher *watcher = CONTAINER_OF(op, struct watcher, op);

    watcher->in_backend = op->completion & ASYNCIO_OP_MORE;
    if (!watcher->removed && !list_linked(&watcher->node.link))
        asyncio__schedule(watcher->loop, &watcher->node);
    free_if_over(watcher);
}

/* The record of an fd; NULL when there is none. */
static struct asyncio__watch *find(const struct asyncio_loop *loop, int fd)
{
    return fd >= 0 && (size_t)fd < loop->n_watches ? loop->watches[fd] : NULL;
}

/* The record of an fd, made if need be; NULL when out of memory. */
static struct asyncio__watch *record(struct asyncio_loop *loop, size_t fd)
{
    if (fd >= loop->n_watches) {
        size_t n = asyncio__grown(loop->n_watches, fd + 1, 64);
        struct asyncio__watch **watches = asyncio__realloc(loop->watches, n * sizeof(void *));

        if (!watches)
            return NULL;
        memset(&watches[loop->n_watches], 0, (n - loop->n_watches) * sizeof(void *));
        loop->watches = watches;
        loop->n_watches = n;
    }
    if (!loop->watches[fd])
        loop->watches[fd] = asyncio__calloc(sizeof *loop->watches[fd]);
    return loop->watches[fd];
}

static void forget_if_unused(struct asyncio_loop *loop, size_t fd)
{
    struct asyncio__watch *watch = loop->watches[fd];

    if (watch->watchers[READER] || watch->watchers[WRITER])
        return;
    asyncio__free(watch);
    loop->watches[fd] = NULL;
}

/* Ends a watcher that its record does not have any more. */
static void end_watcher(struct watcher *watcher)
{
    asyncio_node_cancel(&watcher->node);
    watcher->removed = true;
    if (watcher->in_backend && asyncio_op_cancel(watcher->loop, &watcher->op))
        watcher->in_backend = false;
    free_if_over(watcher);
}

static int remove_watcher(struct asyncio_loop *loop, int fd, enum direction direction)
{
    struct asyncio__watch *watch;
    struct watcher *watcher;

    if (!loop)
        return -EINVAL;
    watch = find(loop, fd);
    watcher = watch ? watch->watchers[direction] : NULL;
    if (!watcher)
        return 0;
    watch->watchers[direction] = NULL;
    forget_if_unused(loop, (size_t)fd);
    end_watcher(watcher);
    return 1;
}

/* A watcher that nobody knows yet; NULL when out of memory. */
static struct watcher *watcher_new(struct asyncio_loop *loop, int fd, enum direction direction)
{
    struct watcher *watcher = asyncio__calloc(sizeof *watcher);

    if (!watcher)
        return NULL;
    if (asyncio__context_choose(NULL, &watcher->context) < 0) {
        asyncio__free(watcher);
        return NULL;
    }
    asyncio_node_init(&watcher->node, run_watcher, NULL);
    watcher->loop = loop;
    watcher->op = (struct asyncio_op){
        .complete = reported,
        .opcode = ASYNCIO_OP_POLL,
        .flags = ASYNCIO_OP_STANDING | ASYNCIO_OP_FOREIGN,
        .fd = fd,
        .poll.events = direction == READER ? ASYNCIO_READABLE : ASYNCIO_WRITABLE,
    };
    return watcher;
}

/* Puts a watcher in the place of the one that was there. Returns: 0; a negative error, and the watcher is freed. */
static int install(struct watcher *watcher, enum direction direction)
{
    struct asyncio_loop *loop = watcher->loop;
    int fd = watcher->op.fd;
    struct asyncio__watch *watch = find(loop, fd);

    if (watch && watch->watchers[direction]) {
        end_watcher(watch->watchers[direction]);
        watch->watchers[direction] = NULL;
    }
    if (asyncio_op_submit(loop, &watcher->op) && watcher->op.result < 0) {
        int r = (int)watcher->op.result;

        if (watch)
            forget_if_unused(loop, (size_t)fd);
        end_watcher(watcher);
        return r;
    }
    watcher->in_backend = true;
    /* Only now is it known that the number stands for something: none that does not shall make the table grow. */
    watch = record(loop, (size_t)fd);
    if (!watch) {
        end_watcher(watcher);
        return -ENOMEM;
    }
    watch->watchers[direction] = watcher;
    return 0;
}

/* What was there before stays when there is no memory for its successor. */
static int add_watcher(struct asyncio_loop *loop, int fd, enum direction direction, asyncio_callback *callback,
                       void *arg)
{
    struct watcher *watcher;
    int r = asyncio__loop_check(loop);

    if (r < 0)
        return r;
    if (!callback)
        return -EINVAL;
    if (fd < 0)
        return -EBADF;
    watcher = watcher_new(loop, fd, direction);
    if (!watcher)
        return -ENOMEM;
    watcher->callback = callback;
    watcher->arg = arg;
    return install(watcher, direction);
}

int asyncio_loop_add_reader(struct asyncio_loop *loop, int fd, asyncio_callback *callback, void *arg)
{
    return add_watcher(loop, fd, READER, callback, arg);
}

int asyncio_loop_remove_reader(struct asyncio_loop *loop, int fd)
{
    return remove_watcher(loop, fd, READER);
}

int asyncio_loop_add_writer(struct asyncio_loop *loop, int fd, asyncio_callback *callback, void *arg)
{
    return add_watcher(loop, fd, WRITER, callback, arg);
}

int asyncio_loop_remove_writer(struct asyncio_loop *loop, int fd)
{
    return remove_watcher(loop, fd, WRITER);
}

void asyncio__watches_close(struct asyncio_loop *loop)
{
    for (size_t fd = 0; fd < loop->n_watches; fd++) {
        if (loop->watches[fd])
            remove_watcher(loop, (int)fd, READER);
        if (loop->watches[fd])
            remove_watcher(loop, (int)fd, WRITER);
    }
    asyncio__free(loop->watches);
    loop->watches = NULL;
    loop->n_watches = 0;
}
