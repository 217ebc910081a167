/* child_code.h -- what a child does between its making and its program; spawn.c says under which rules. */
#pragma once

#include "child.h"

/* The child has a copy of the memory, not the memory itself. */
#if defined(__SANITIZE_THREAD__)
#define ASYNCIO__CHILD_IS_COPY 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ASYNCIO__CHILD_IS_COPY 1
#endif
#endif
#ifndef ASYNCIO__CHILD_IS_COPY
#define ASYNCIO__CHILD_IS_COPY 0
#endif

enum asyncio__child_step {
    ASYNCIO__CHILD_SIGNALS,
    ASYNCIO__CHILD_SESSION,
    ASYNCIO__CHILD_GROUP,
    ASYNCIO__CHILD_TERMINAL,
    ASYNCIO__CHILD_PARENT,
    ASYNCIO__CHILD_DIRECTORY,
    ASYNCIO__CHILD_FDS,
    ASYNCIO__CHILD_PROGRAM,
};

/* What a child says that cannot run its program. */
struct asyncio__child_report {
    int step, error; /* the error is an errno */
};

/* What a child needs to know. It changes memory_is_shared only. */
struct asyncio__child_plan {
    const struct asyncio__spawn *what;
    const char *const *env;
    char *candidates; /* files to be tried: texts one behind the other, then an empty one */
    int *kept;        /* fds above 2 that stay open, ascending */
    size_t n_kept;
    int report_fd;
    int parent;
    bool memory_is_shared; /* which the parent sees if it is so */
};

/* Does all that *plan says and becomes its program; ends with a report when it cannot. */
int asyncio__child_main(void *plan);
