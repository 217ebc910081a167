/* uring.c -- the back end over io_uring(7).
 *
 * - An operation is tried by its system call first, unless that failed in this very turn, its fd has a source, or it
 *   may be put off. One that has to wait becomes a request to the kernel: a receive, a poll after which it is tried
 *   again; or it waits for its fd's source (uring_sources.c).
 * - A poll is one-shot, and armed again while its operation stands: that is by level.
 * - Requests go to the kernel with the next poll's one system call. Closing an fd and taking back a receive go at
 *   once: a ring holds on to the files of its requests, so that without it a peer would not see the end.
 * - A send that was put off is over when that call returns, and the kernel says nothing of it unless it failed; nobody
 *   waits for it.
 * - An operation whose memory the kernel has completes only when the kernel has let go of it.
 * - complete() may do anything to this back end but poll and close it. So nothing is held across it but `current`,
 *   which is cleared when that operation is taken back, and records are looked up again. */
#include "uring.h"

#include "backends.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES     256
#define COMPLETIONS 2048
#define BUFFERS     128

/* ------------------------------------------------------------------------------------------------ Opening and time */

static int64_t uring_now(struct asyncio_backend *backend)
{
    struct timespec now;

    (void)backend;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_SEC + now.tv_nsec;
}

/* Reads "entries=8,completions=16,most=1,buffers=4,single-shot,plain,no-waiting,no-files". Returns: 0; -EINVAL. */
static int read_options(struct asyncio__uring_options *options, const char *text)
{
    struct {
        const char *name;
        unsigned *number;
        bool *flag;
    } const known[] = {
        {"entries=", &options->entries, NULL},
        {"completions=", &options->completions, NULL},
        {"most=", &options->most, NULL},
        {"buffers=", &options->buffers, NULL},
        {"single-shot", NULL, &options->single_shot},
        {"plain", NULL, &options->plain},
        {"no-waiting", NULL, &options->no_waiting},
        {"no-files", NULL, &options->no_files},
    };

    while (text && *text) {
        size_t i = 0, length;
        char *end;

        while (i < ARRAY_SIZE(known) && strncmp(text, known[i].name, strlen(known[i].name)) != 0)
            i++;
        if (i == ARRAY_SIZE(known))
            return -EINVAL;
        length = strlen(known[i].name);
        end = (char *)(uintptr_t)text + length;
        if (known[i].flag)
            *known[i].flag = true;
        else if (*end < '1' || *end > '9')
            return -EINVAL;
        else
            *known[i].number = (unsigned)min_i64(strtol(end, &end, 10), 32768);
        if (*end && *end != ',')
            return -EINVAL;
        text = *end ? end + 1 : end;
    }
    return 0;
}

static int uring_open(struct asyncio_backend **ret_backend, const char *options, int64_t start_ns)
{
    struct asyncio_backend *backend = asyncio__calloc(sizeof *backend);
    int r;

    (void)start_ns;
    if (!backend)
        return -ENOMEM;
    backend->options = (struct asyncio__uring_options){
        .entries = ENTRIES, .completions = COMPLETIONS, .most = UINT32_MAX, .buffers = BUFFERS};
    backend->turn = 1;
    backend->embedded_fd = -1;
    list_init(&backend->queued);
    list_init(&backend->sent);
    list_init(&backend->sends);
    list_init(&backend->cancels);
    list_init(&backend->lingering);
    list_init(&backend->settled);
    list_init(&backend->due);
    asyncio__pool_init(&backend->requests, sizeof(struct asyncio__uring_request));
    asyncio__pool_init(&backend->sources, sizeof(struct asyncio__uring_source));
    asyncio__pool_init(&backend->buffers, ASYNCIO__RECV_BUFFER_SIZE);
    r = read_options(&backend->options, options);
    if (r < 0)
        goto no_ring;
    r = asyncio__uring_open_ring(backend);
    if (r < 0)
        goto no_ring;
    r = asyncio__waker_open(&backend->waker);
    if (r < 0)
        goto no_waker;
    *ret_backend = backend;
    return 0;

no_waker:
    asyncio__ring_close(&backend->ring, false);
no_ring:
    asyncio__free(backend);
    return r;
}

static void uring_close(struct asyncio_backend *backend)
{
    bool forked = asyncio__waker_forked(&backend->waker);

    assert(backend->n_ops == 0 || forked);
    asyncio__waker_close(&backend->waker);
    asyncio__ring_close(&backend->ring, forked);
    asyncio__ring_buffers_close(&backend->ahead);
    asyncio__uring_drop_all(backend);
    if (backend->embedded_fd >= 0)
        close(backend->embedded_fd);
    /* What the parent of this process holds will not be handed back here. */
    if (forked)
        backend->requests.in_use = backend->sources.in_use = backend->buffers.in_use = 0;
    asyncio__pool_fini(&backend->requests);
    asyncio__pool_fini(&backend->sources);
    asyncio__pool_fini(&backend->buffers);
    asyncio__free(backend->records);
    asyncio__free(backend);
}

/* ---------------------------------------------------------------------------------------------------------- Polling */

/* A foreign loop shall see its fd go quiet; what comes from now on makes it speak again. */
static void quiet(struct asyncio_backend *backend)
{
    eventfd_t count;

    if (UNLIKELY(backend->embedded_fd >= 0))
        eventfd_read(backend->embedded_fd, &count);
}

static int look(struct asyncio_backend *backend)
{
    asyncio__waker_disarm(&backend->waker);
    if (!asyncio__uring_has_queued(backend) && !asyncio__ring_wants_entry(&backend->ring))
        return 0;
    return asyncio__uring_enter(backend, 0);
}

static int uring_poll(struct asyncio_backend *backend, int64_t deadline_ns, bool external)
{
    int64_t timeout_ns = 0;
    bool busy;
    int r;

    (void)external;
    if (asyncio__waker_forked(&backend->waker))
        return -ASYNCIO_ECLOSED;
    r = asyncio__uring_bind(backend);
    if (r < 0)
        return r;
    quiet(backend);
    busy = backend->hurries || !list_empty(&backend->settled) || !list_empty(&backend->due) ||
           asyncio__ring_ready(&backend->ring) > 0;
    if (!busy && deadline_ns > 0)
        timeout_ns = deadline_ns == NS_NEVER ? NS_NEVER : max_i64(deadline_ns - uring_now(backend), 0);
    if (timeout_ns == 0) {
        r = look(backend);
    } else {
        r = asyncio__uring_enter(backend, asyncio__waker_arm(&backend->waker) ? timeout_ns : 0);
        asyncio__waker_disarm(&backend->waker);
    }
    backend->turn++;
    backend->hurries = false;
    asyncio__uring_report_settled(backend);
    asyncio__uring_run_due(backend);
    asyncio__uring_take_completions(backend);
    return r;
}

static void uring_wake(struct asyncio_backend *backend)
{
    asyncio__waker_wake(&backend->waker);
}

static int uring_fd(struct asyncio_backend *backend)
{
    int r = asyncio__waker_forked(&backend->waker) ? -ASYNCIO_ECLOSED : 0;

    if (r < 0 || backend->embedded_fd >= 0)
        return r < 0 ? r : backend->embedded_fd;
    r = asyncio__uring_bind(backend);
    if (r < 0)
        return r;
    backend->embedded_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (backend->embedded_fd < 0)
        return -errno;
    r = asyncio__ring_register(&backend->ring, IORING_REGISTER_EVENTFD, &backend->embedded_fd, 1);
    if (r < 0) {
        close(backend->embedded_fd);
        backend->embedded_fd = -1;
        return r;
    }
    asyncio__waker_embed(&backend->waker);
    asyncio__uring_alert(backend);
    return backend->embedded_fd;
}

static size_t uring_pending(const struct asyncio_backend *backend)
{
    return backend->n_ops - backend->n_sends;
}

int asyncio__uring_probe(void)
{
    static atomic_bool works;
    struct asyncio_backend *backend;
    int r;

    if (atomic_load_explicit(&works, memory_order_relaxed))
        return 0;
    r = uring_open(&backend, NULL, 0);
    if (r < 0)
        return r;
    /* A sandbox may allow to make a ring and forbid its use. The wake must come through it. */
    asyncio__waker_arm(&backend->waker);
    uring_wake(backend);
    r = asyncio__uring_bind(backend);
    if (r == 0)
        r = asyncio__uring_enter(backend, NS_PER_SEC);
    if (r == 0 && asyncio__ring_ready(&backend->ring) == 0)
        r = -EOPNOTSUPP;
    uring_close(backend);
    if (r == 0)
        atomic_store_explicit(&works, true, memory_order_relaxed);
    return r;
}

const struct asyncio_backend_ops asyncio__uring = {
    .size = sizeof(struct asyncio_backend_ops),
    .name = "uring",
    .batches = true,
    .open = uring_open,
    .close = uring_close,
    .now = uring_now,
    .submit = asyncio__uring_submit,
    .cancel = asyncio__uring_cancel,
    .poll = uring_poll,
    .wake = uring_wake,
    .release = asyncio__uring_release,
    .fd = uring_fd,
    .pending = uring_pending,
};
