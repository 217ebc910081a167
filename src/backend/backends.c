/* backends.c -- which back ends there are, and which one a loop gets. */
#include "backends.h"

#include <stdlib.h>

static const struct asyncio_backend_ops *const backends[] = {&asyncio__epoll, &asyncio__sim, &asyncio__uring, NULL};

const struct asyncio_backend_ops *const *asyncio_backends(void)
{
    return backends;
}

/* Why the kernel does not give us io_uring. */
static const char *refusal(int error)
{
    switch (error) {
    case -EPERM:
    case -EACCES:
        return "epoll, as io_uring is forbidden here, by a sandbox or by kernel.io_uring_disabled";
    case -ENOSYS:
        return "epoll, as the kernel has no io_uring";
    case -EINVAL:
    case -EOPNOTSUPP:
        return "epoll, as the kernel's io_uring is older than Linux 5.11";
    case -ENOMEM:
        return "epoll, as there is no memory for a ring, or RLIMIT_MEMLOCK allows none";
    case -EMFILE:
    case -ENFILE:
        return "epoll, as there is no file descriptor for a ring";
    default:
        return "epoll, as io_uring does not work here";
    }
}

/* Makes a choice of io_uring one of epoll where the kernel does not do it. */
static void fall_back(const struct asyncio_backend_ops **ret_ops, const char **ret_options, const char **ret_reason)
{
    int r = *ret_ops == &asyncio__uring ? asyncio__uring_probe() : 0;

    if (r == 0)
        return;
    *ret_ops = &asyncio__epoll;
    *ret_options = NULL;
    *ret_reason = refusal(r);
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
        reason = "the default; ASYNCIO_BACKEND=uring asks for io_uring";
    }
    if (strcmp(text, "auto") == 0) {
        text = asyncio__uring.name;
        reason = "io_uring works here";
    }
    length = strcspn(text, ":");
    for (size_t i = 0; backends[i]; i++) {
        if (strlen(backends[i]->name) != length || strncmp(backends[i]->name, text, length) != 0)
            continue;
        *ret_ops = backends[i];
        *ret_options = text[length] ? text + length + 1 : NULL;
        *ret_reason = reason;
        fall_back(ret_ops, ret_options, ret_reason);
        return 0;
    }
    *ret_reason = "no such back end: auto, epoll, uring and sim:SEED are known";
    return -EINVAL;
}
