/* backends.c -- which back ends there are, and which one a loop gets. */
#include "backends.h"

#include <stdlib.h>

static const struct asyncio_backend_ops *const backends[] = {&asyncio__epoll, &asyncio__sim, NULL};

const struct asyncio_backend_ops *const *asyncio_backends(void)
{
    return backends;
}

int asyncio__backend_choose(const char *asked, const struct asyncio_backend_ops **ret_ops, const char **ret_options,
                            const char **ret_reason)
{
    const char *text = asked, *reason = "asked for by the program";
    size_t length;

    if (!text) {
        text = getenv("ASYNCIO_BACKEND");
        reason = "asked for by ASYNCIO_BACKEND";
    }
    /* An empty variable counts as none, as shells have it. */
    if (!text || (!asked && !*text)) {
        text = backends[0]->name;
        reason = "the best that is built in";
    }
    length = strcspn(text, ":");
    for (size_t i = 0; backends[i]; i++) {
        if (strlen(backends[i]->name) != length || strncmp(backends[i]->name, text, length) != 0)
            continue;
        *ret_ops = backends[i];
        *ret_options = text[length] ? text + length + 1 : NULL;
        *ret_reason = reason;
        return 0;
    }
    *ret_reason = "no such back end: epoll and sim:SEED are known";
    return -EINVAL;
}
