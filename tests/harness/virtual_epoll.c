/* virtual_epoll.c -- the epoll back end under a clock of our own, so that hours of sleeping take no time on real
 * sockets either.
 *
 * The clock stands still while anything can happen: completions, wakes, threads at work for the loop. Only when a
 * look at the kernel finds nothing does it jump to the deadline. Who completes is seen by standing in for each
 * operation's `complete`. */
#include "harness.h"

#include "backend/backends.h"

/* How long the kernel, another process or thread may take before the clock jumps over it, in real time. */
#define PATIENCE_OWN_NS     INT64_C(200000)
#define PATIENCE_FOREIGN_NS INT64_C(3000000)

#define N_BUCKETS 256

/* An operation that epoll has, and whom to tell. */
struct pending {
    struct pending *next;
    struct asyncio_op *op;
    void (*complete)(struct asyncio_op *op);
};

struct virtual_clock {
    const struct asyncio_backend_ops *ops;
    struct asyncio_backend *epoll;
    int64_t now_ns;
    size_t n_own, n_foreign; /* operations that may yet complete */
    size_t n_files;          /* the same of those that will, however long it takes */
    size_t completions;      /* so far */
    atomic_bool woken;
    struct pending *buckets[N_BUCKETS];
};

/* An operation knows its back end only through us: one clock a thread is enough, as a thread polls one loop at a
 * time. */
static _Thread_local struct virtual_clock *polling;

static struct virtual_clock *clock_of(struct asyncio_backend *backend)
{
    return (struct virtual_clock *)backend;
}

/* ------------------------------------------------------------------------------------------- Pending operations */

static struct pending **find(struct virtual_clock *clock, const struct asyncio_op *op)
{
    struct pending **place = &clock->buckets[((uintptr_t)op >> 4) % N_BUCKETS];

    while (*place && (*place)->op != op)
        place = &(*place)->next;
    return place;
}

static size_t *counter(struct virtual_clock *clock, const struct asyncio_op *op)
{
    if (op->opcode >= ASYNCIO_OP_FILE_OPEN)
        return &clock->n_files;
    return op->flags & ASYNCIO_OP_FOREIGN ? &clock->n_foreign : &clock->n_own;
}

/* Gives an operation its own `complete` back. */
static void forget(struct virtual_clock *clock, struct pending **place)
{
    struct pending *pending = *place;

    *place = pending->next;
    pending->op->complete = pending->complete;
    --*counter(clock, pending->op);
    free(pending);
}

static void complete(struct asyncio_op *op)
{
    struct virtual_clock *clock = polling;
    struct pending **place = find(clock, op);
    void (*next)(struct asyncio_op *);

    if (!*place)
        abort();
    next = (*place)->complete;
    clock->completions++;
    if (!(op->completion & ASYNCIO_OP_MORE))
        forget(clock, place);
    next(op);
}

static bool submit(struct asyncio_backend *backend, struct asyncio_op *op)
{
    struct virtual_clock *clock = clock_of(backend);
    struct pending *pending = malloc(sizeof *pending);
    struct pending **bucket = find(clock, op);

    if (!pending || *bucket)
        abort();
    *pending = (struct pending){.op = op, .complete = op->complete};
    *bucket = pending;
    ++*counter(clock, op);
    op->complete = complete;
    if (!clock->ops->submit(clock->epoll, op))
        return false;
    forget(clock, find(clock, op));
    return true;
}

static bool cancel(struct asyncio_backend *backend, struct asyncio_op *op)
{
    struct virtual_clock *clock = clock_of(backend);

    if (!clock->ops->cancel(clock->epoll, op))
        return false;
    if (*find(clock, op))
        forget(clock, find(clock, op));
    return true;
}

/* --------------------------------------------------------------------------------------------------------- Time */

static int64_t now(struct asyncio_backend *backend)
{
    return clock_of(backend)->now_ns;
}

static bool happened(struct virtual_clock *clock, size_t completions)
{
    return clock->completions != completions || atomic_exchange(&clock->woken, false);
}

/* One poll of the real thing, for at most so long; INT64_MAX: for ever. */
static int poll_for(struct virtual_clock *clock, int64_t span_ns, bool external)
{
    struct virtual_clock *outer = polling;
    int64_t until_ns = INT64_MIN;
    int r;

    if (span_ns == INT64_MAX)
        until_ns = INT64_MAX;
    else if (span_ns > 0)
        until_ns = clock->ops->now(clock->epoll) + span_ns;
    polling = clock;
    r = clock->ops->poll(clock->epoll, until_ns, external);
    polling = outer;
    return r;
}

/* Polls of the real thing until something happens, for at most so long: an event that means nothing to anybody ends a
 * poll, too. */
static int poll_until(struct virtual_clock *clock, int64_t span_ns, bool external, size_t completions,
                      bool *ret_happened)
{
    int64_t end_ns = clock->ops->now(clock->epoll) + span_ns, left_ns = span_ns;
    int r;

    do {
        r = poll_for(clock, left_ns, external);
        *ret_happened = happened(clock, completions);
        left_ns = end_ns - clock->ops->now(clock->epoll);
    } while (r == 0 && !*ret_happened && left_ns > 0);
    return r;
}

static int poll(struct asyncio_backend *backend, int64_t deadline_ns, bool external)
{
    struct virtual_clock *clock = clock_of(backend);
    size_t completions = clock->completions;
    int64_t patience_ns = clock->n_foreign ? PATIENCE_FOREIGN_NS : PATIENCE_OWN_NS;
    int r = poll_for(clock, 0, external);

    if (r < 0 || happened(clock, completions) || deadline_ns <= clock->now_ns)
        return r;
    if (external || clock->n_files || deadline_ns == INT64_MAX)
        patience_ns = INT64_MAX;
    if (patience_ns == INT64_MAX)
        return poll_for(clock, patience_ns, external);
    if (clock->n_own || clock->n_foreign) {
        bool any;

        r = poll_until(clock, patience_ns, external, completions, &any);
        if (r < 0 || any)
            return r;
    }
    clock->now_ns = deadline_ns;
    return 0;
}

static void wake(struct asyncio_backend *backend)
{
    struct virtual_clock *clock = clock_of(backend);

    atomic_store(&clock->woken, true);
    clock->ops->wake(clock->epoll);
}

/* --------------------------------------------------------------------------------------------------- Passing on */

static struct asyncio_backend_ops table;

static bool sends_directly;

void test_send_directly(const char *why)
{
    (void)why;
    sends_directly = true;
    table.batches = false;
}

/* Where io_uring is refused epoll takes its place, as it does for programs. Nothing is asked of the kernel beforehand,
 * because the answer is remembered by all processes that are forked. */
static int open_chosen(struct virtual_clock *clock, const char *text)
{
    size_t length = strcspn(options.backend, ":");
    int r;

    clock->ops = options.uring ? &asyncio__uring : &asyncio__epoll;
    if (!text && options.backend[length])
        text = options.backend + length + 1;
    r = clock->ops->open(&clock->epoll, text, 0);
    if (options.uring && (r == -EPERM || r == -ENOSYS)) {
        clock->ops = &asyncio__epoll;
        r = clock->ops->open(&clock->epoll, NULL, 0);
    }
    table.name = clock->ops->name;
    table.batches = clock->ops->batches && !sends_directly;
    return r;
}

static int open_epoll(struct asyncio_backend **ret_backend, const char *text, int64_t start_ns)
{
    struct virtual_clock *clock = calloc(1, sizeof *clock);
    int r;

    if (!clock)
        return -ENOMEM;
    clock->now_ns = start_ns;
    r = open_chosen(clock, text);
    if (r < 0)
        free(clock);
    else
        *ret_backend = (struct asyncio_backend *)clock;
    return r;
}

static void close_epoll(struct asyncio_backend *backend)
{
    struct virtual_clock *clock = clock_of(backend);
    struct pending *pending;

    clock->ops->close(clock->epoll);
    /* Operations that are left, as in a forked child, may be in memory that is gone. */
    for (size_t i = 0; i < N_BUCKETS; i++)
        while ((pending = clock->buckets[i])) {
            clock->buckets[i] = pending->next;
            free(pending);
        }
    free(clock);
}

static void release(struct asyncio_backend *backend, int fd, void *data)
{
    struct virtual_clock *clock = clock_of(backend);

    clock->ops->release(clock->epoll, fd, data);
}

static int fd_of(struct asyncio_backend *backend)
{
    struct virtual_clock *clock = clock_of(backend);

    return clock->ops->fd(clock->epoll);
}

static size_t pending_of(const struct asyncio_backend *backend)
{
    const struct virtual_clock *clock = (const struct virtual_clock *)backend;

    return clock->ops->pending(clock->epoll);
}

static struct asyncio_backend_ops table = {
    .size = sizeof table,
    .name = "epoll",
    .simulated = true,
    .open = open_epoll,
    .close = close_epoll,
    .now = now,
    .submit = submit,
    .cancel = cancel,
    .poll = poll,
    .wake = wake,
    .release = release,
    .fd = fd_of,
    .pending = pending_of,
};

const struct asyncio_backend_ops *virtual_epoll(void)
{
    return &table;
}
