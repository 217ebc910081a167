/* waker.c -- the eventfd behind the three states of waker.h, and the count of forks. */
#include "waker.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

static unsigned forks;

static void count_fork(void)
{
    forks++;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, count_fork);
}

int asyncio__waker_open(struct asyncio__waker *waker)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, watch_forks);
    atomic_init(&waker->state, ASYNCIO__AWAKE);
    atomic_init(&waker->embedded, false);
    waker->forks = forks;
    waker->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return waker->fd < 0 ? -errno : 0;
}

void asyncio__waker_close(struct asyncio__waker *waker)
{
    close(waker->fd);
    waker->fd = -1;
}

bool asyncio__waker_forked(const struct asyncio__waker *waker)
{
    return UNLIKELY(waker->forks != forks);
}

static void signal_eventfd(const struct asyncio__waker *waker)
{
    static const uint64_t one = 1;
    int saved = errno;

    /* It can fail only when the counter is full, and then it is readable anyway. */
    while (write(waker->fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    errno = saved;
}

void asyncio__waker_wake(struct asyncio__waker *waker)
{
    int state;

    if (asyncio__waker_forked(waker))
        return;
    state = atomic_exchange(&waker->state, ASYNCIO__WOKEN);
    if (state == ASYNCIO__BLOCKED || (state == ASYNCIO__AWAKE && atomic_load(&waker->embedded)))
        signal_eventfd(waker);
}

void asyncio__waker_embed(struct asyncio__waker *waker)
{
    atomic_store(&waker->embedded, true);
    if (atomic_load(&waker->state) == ASYNCIO__WOKEN)
        signal_eventfd(waker);
}

int asyncio__waker_wait(struct asyncio__waker *waker)
{
    struct pollfd query = {.fd = waker->fd, .events = POLLIN};
    uint64_t count;
    int r = 0;

    if (asyncio__waker_arm(waker) && poll(&query, 1, -1) < 0)
        r = -errno;
    asyncio__waker_disarm(waker);
    if (query.revents && read(waker->fd, &count, sizeof count) < 0)
        r = -errno;
    return r;
}
