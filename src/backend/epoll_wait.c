#include "epoll_wait.h"

#include <limits.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int wait_finely(int epoll_fd, struct epoll_event *events, int n, int64_t timeout_ns)
{
#ifdef SYS_epoll_pwait2
    struct timespec timeout = {.tv_sec = timeout_ns / NS_PER_SEC, .tv_nsec = timeout_ns % NS_PER_SEC};

    return (int)syscall(SYS_epoll_pwait2, epoll_fd, events, n, timeout_ns == NS_NEVER ? NULL : &timeout, NULL, 0);
#else
    (void)epoll_fd;
    (void)events;
    (void)n;
    (void)timeout_ns;
    errno = ENOSYS;
    return -1;
#endif
}

bool asyncio__epoll_waits_finely(int epoll_fd)
{
    static atomic_int answer;
    struct epoll_event event;

    if (atomic_load_explicit(&answer, memory_order_relaxed) == 0)
        atomic_store_explicit(&answer, wait_finely(epoll_fd, &event, 1, 0) < 0 ? -1 : 1, memory_order_relaxed);
    return atomic_load_explicit(&answer, memory_order_relaxed) > 0;
}

int asyncio__epoll_wait(int epoll_fd, struct epoll_event *events, int n, int64_t timeout_ns, bool coarse)
{
    int64_t timeout_ms;

    if (timeout_ns != 0 && timeout_ns != NS_NEVER && !coarse) {
        n = wait_finely(epoll_fd, events, n, timeout_ns);
    } else {
        timeout_ms = min_i64(timeout_ns / NS_PER_MSEC + (timeout_ns % NS_PER_MSEC > 0), INT_MAX);
        n = epoll_wait(epoll_fd, events, n, timeout_ns == NS_NEVER ? -1 : (int)timeout_ms);
    }
    return n < 0 ? -errno : n;
}
