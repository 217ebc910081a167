/* backends.h -- which back ends there are, and which one a loop gets. */
#pragma once

#include "../base/base.h"

#include <asyncio_lowlevel.h>

extern const struct asyncio_backend_ops asyncio__epoll;
extern const struct asyncio_backend_ops asyncio__sim;
extern const struct asyncio_backend_ops asyncio__uring;

/* What the kernel says to io_uring, by making a ring and using it. Only this and loops on `asyncio__uring` make system
 * calls of io_uring. Returns: 0; a negative error. */
int asyncio__uring_probe(void);

/* Chooses a back end: by `asked` ("epoll", "uring", "sim:7"; "auto": the best that the machine has), else by
 * $ASYNCIO_BACKEND, else epoll. Where the kernel refuses io_uring, epoll takes its place, and the reason tells. Options
 * point into the text that was asked for, and are NULL when there are none; the reason says in words why, also on
 * failure.
 * Returns: 0; -EINVAL for a name that is not known, where only ret_reason is set. */
int asyncio__backend_choose(const char *asked, const struct asyncio_backend_ops **ret_ops, const char **ret_options,
                            const char **ret_reason);
