/* handles.h -- callbacks that the library allocates: what call_soon, call_later, call_at and call_soon_threadsafe
 * make. */
#pragma once

#include "loop.h"

enum asyncio__handle_state {
    HANDLE_SCHEDULED,
    HANDLE_RUNNING, /* of threadsafe ones only: a cancel from another thread waits */
    HANDLE_DONE,
    HANDLE_CANCELLED,
};

struct asyncio_handle {
    struct asyncio_timer timer; /* its node is what is scheduled */
    asyncio_callback *callback;
    void *arg;
    struct asyncio_context *context;
    struct asyncio_loop *loop;
    const char *source;
    uint32_t post_number;        /* of a threadsafe one; 0: it lies in the loop's pool */
    _Atomic(uint32_t) next_free; /* of a threadsafe one that is free: the number of the next such one; 0: the last */
    atomic_int refs;             /* one while scheduled, one for each handed out */
    atomic_int state;
    bool timed;
};

/* Calls `callback` in its own context. */
void asyncio__call_in_context(struct asyncio_context **context, asyncio_callback *callback, void *arg);

/* posts.c: memory for a handle from any thread or signal handler. */
struct asyncio_handle *asyncio__post_handle_new(struct asyncio_loop *loop);
void asyncio__post_handle_free(struct asyncio_handle *handle);

/* Runs a threadsafe handle. */
void asyncio__handle_run_threadsafe(struct asyncio_node *node);
