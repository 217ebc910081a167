/* epoll_wait.h -- how epoll.c waits. */
#pragma once

#include "../base/base.h"

#include <sys/epoll.h>

/* True when the kernel waits to the nanosecond; asked once a process. Whatever the reason why it does not, as a sandbox
 * may have its own, milliseconds do. */
bool asyncio__epoll_waits_finely(int epoll_fd);

/* Waits for n events at most, or only looks when the timeout is 0. `coarse`: in milliseconds, rounded up so that no
 * wait ends early. Returns: how many there are; a negative error. */
int asyncio__epoll_wait(int epoll_fd, struct epoll_event *events, int n, int64_t timeout_ns, bool coarse);
