/* backends.h -- which back ends there are, and which one a loop gets. */
#pragma once

#include "../base/base.h"

#include <asyncio_lowlevel.h>

extern const struct asyncio_backend_ops asyncio__epoll;
extern const struct asyncio_backend_ops asyncio__sim;

/* Chooses a back end: by `asked` ("epoll", "sim:7"), else by $ASYNCIO_BACKEND, else the best that the machine has.
 * Options point into the text that was asked for, and are NULL when there are none; the reason says in words why,
 * also on failure.
 * Returns: 0; -EINVAL for a name that is not known, where only ret_reason is set. */
int asyncio__backend_choose(const char *asked, const struct asyncio_backend_ops **ret_ops, const char **ret_options,
                            const char **ret_reason);
