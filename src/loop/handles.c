/* handles.c -- scheduling plain callbacks.
 *
 * A handle that nobody asked for has one reference, the schedule's, and is freed when it has run. One that was asked
 * for may be questioned after the loop is gone: the loop's memory lingers until the last of its handles is freed. */
#include "handles.h"

#include "../base/context.h"

#include <sched.h>

void asyncio__call_in_context(struct asyncio_context **context, asyncio_callback *callback, void *arg)
{
    struct asyncio__context_entry entry;

    asyncio__context_enter(&entry, context);
    callback(arg);
    asyncio__context_leave(&entry);
}

/* Handles of the loop's own thread need no atomic counting, which costs as much as the rest of a handle's life. */
static inline int add_refs(struct asyncio_handle *handle, int n)
{
    int refs = atomic_load_explicit(&handle->refs, memory_order_relaxed) + n;

    atomic_store_explicit(&handle->refs, refs, memory_order_relaxed);
    return refs;
}

static void drop_ref(struct asyncio_handle *handle)
{
    struct asyncio_context *context = handle->context;

    if (handle->post_number) {
        if (atomic_fetch_sub(&handle->refs, 1) > 1)
            return;
        asyncio__post_handle_free(handle);
    } else {
        struct asyncio_loop *loop = handle->loop;

        if (add_refs(handle, -1) > 0)
            return;
        asyncio__pool_put(&loop->handles, handle);
        if (UNLIKELY(loop->lingering))
            asyncio__loop_free_if_unused(loop);
    }
    asyncio_context_unref(context);
}

static void set_state(struct asyncio_handle *handle, enum asyncio__handle_state state)
{
    atomic_store_explicit(&handle->state, (int)state, memory_order_relaxed);
}

static void handle_run(struct asyncio_node *node)
{
    struct asyncio_handle *handle = CONTAINER_OF(node, struct asyncio_handle, timer.node);

    set_state(handle, HANDLE_DONE);
    asyncio__call_in_context(&handle->context, handle->callback, handle->arg);
    drop_ref(handle);
}

static bool is_handle(const struct asyncio_node *node)
{
    return node->run == handle_run || node->run == asyncio__handle_run_threadsafe;
}

const char *asyncio__handle_source(const struct asyncio_node *node)
{
    return is_handle(node) ? CONST_CONTAINER_OF(node, struct asyncio_handle, timer.node)->source : NULL;
}

bool asyncio__handle_drop(struct asyncio_node *node)
{
    struct asyncio_handle *handle = CONTAINER_OF(node, struct asyncio_handle, timer.node);

    if (!is_handle(node))
        return false;
    set_state(handle, HANDLE_CANCELLED);
    drop_ref(handle);
    return true;
}

/* ------------------------------------------------------------------------------------------------------ Scheduling */

/* Makes a handle, checked and with its context, but not scheduled yet. */
static inline int handle_new(struct asyncio_loop *loop, asyncio_callback *callback, void *arg,
                             const struct asyncio_callback_kw *kw, struct asyncio_handle **ret_handle)
{
    struct asyncio_handle *handle;
    int r = asyncio__loop_check(loop);

    if (UNLIKELY(r < 0))
        return r;
    if (UNLIKELY(!callback))
        return -EINVAL;
    handle = asyncio__pool_get(&loop->handles);
    if (UNLIKELY(!handle))
        return -ENOMEM;
    if (asyncio__context_choose(kw ? kw->context : NULL, &handle->context) < 0) {
        asyncio__pool_put(&loop->handles, handle);
        return -ENOMEM;
    }
    asyncio_node_init(&handle->timer.node, handle_run, NULL);
    handle->timer.index = SIZE_MAX;
    handle->callback = callback;
    handle->arg = arg;
    handle->loop = loop;
    handle->post_number = 0;
    handle->source = kw ? kw->source : NULL;
    handle->timed = false;
    atomic_store_explicit(&handle->refs, 1, memory_order_relaxed);
    set_state(handle, HANDLE_SCHEDULED);
    *ret_handle = handle;
    return 0;
}

/* Hands the handle out if the caller wants it. */
static inline void hand_out(struct asyncio_handle *handle, const struct asyncio_callback_kw *kw)
{
    if (UNLIKELY(kw && kw->ret_handle))
        *kw->ret_handle = asyncio_handle_ref(handle);
}

int asyncio_loop_call_soon_kw(struct asyncio_loop *loop, asyncio_callback *callback, void *arg,
                              const struct asyncio_callback_kw *kw)
{
    struct asyncio_handle *handle;
    int r = handle_new(loop, callback, arg, kw, &handle);

    if (UNLIKELY(r < 0))
        return r;
    /* What this thread posted before comes before. */
    asyncio__posts_collect(loop);
    asyncio__schedule(loop, &handle->timer.node);
    hand_out(handle, kw);
    return 0;
}

static int call_at_ns(struct asyncio_loop *loop, int64_t deadline_ns, asyncio_callback *callback, void *arg,
                      const struct asyncio_callback_kw *kw)
{
    struct asyncio_handle *handle;
    int r = handle_new(loop, callback, arg, kw, &handle);

    if (UNLIKELY(r < 0))
        return r;
    handle->timed = true;
    if (UNLIKELY(asyncio__timers_arm(&loop->timers, &handle->timer, deadline_ns) < 0)) {
        drop_ref(handle);
        return -ENOMEM;
    }
    hand_out(handle, kw);
    return 0;
}

int asyncio_loop_call_later_kw(struct asyncio_loop *loop, double seconds, asyncio_callback *callback, void *arg,
                               const struct asyncio_callback_kw *kw)
{
    int64_t span_ns;
    int r = asyncio__loop_check(loop);

    if (r < 0)
        return r;
    if (asyncio__ns_from_seconds(seconds, &span_ns) < 0)
        return -EINVAL;
    return call_at_ns(loop, ns_add(asyncio__now(loop), span_ns), callback, arg, kw);
}

int asyncio_loop_call_at_kw(struct asyncio_loop *loop, double when, asyncio_callback *callback, void *arg,
                            const struct asyncio_callback_kw *kw)
{
    int64_t deadline_ns;

    if (asyncio__ns_from_when(when, &deadline_ns) < 0)
        return -EINVAL;
    return call_at_ns(loop, deadline_ns, callback, arg, kw);
}

/* ---------------------------------------------------------------------------------------------- From other threads */

void asyncio__handle_run_threadsafe(struct asyncio_node *node)
{
    struct asyncio_handle *handle = CONTAINER_OF(node, struct asyncio_handle, timer.node);
    int expected = HANDLE_SCHEDULED;

    if (atomic_compare_exchange_strong(&handle->state, &expected, HANDLE_RUNNING)) {
        asyncio__call_in_context(&handle->context, handle->callback, handle->arg);
        atomic_store(&handle->state, HANDLE_DONE);
    }
    drop_ref(handle);
}

/* As asyncio__context_choose, for a callback that runs in another thread. */
static int choose_context_for_loop(struct asyncio_context *asked, struct asyncio_context **ret_context)
{
    if (!asked)
        return asyncio__context_private(ret_context);
    *ret_context = asyncio_context_ref(asked);
    return 0;
}

int asyncio_loop_call_soon_threadsafe_kw(struct asyncio_loop *loop, asyncio_callback *callback, void *arg,
                                         const struct asyncio_callback_kw *kw)
{
    struct asyncio_handle *handle;

    if (!loop || !callback)
        return -EINVAL;
    if (asyncio__posts_refused(loop))
        return -ASYNCIO_ECLOSED;
    handle = asyncio__post_handle_new(loop);
    if (!handle)
        return -ENOMEM;
    if (choose_context_for_loop(kw ? kw->context : NULL, &handle->context) < 0) {
        asyncio__post_handle_free(handle);
        return -ENOMEM;
    }
    handle->callback = callback;
    handle->arg = arg;
    handle->source = kw ? kw->source : NULL;
    hand_out(handle, kw);
    if (asyncio_loop_post(loop, &handle->timer.node) < 0) {
        if (kw && kw->ret_handle)
            *kw->ret_handle = asyncio_handle_unref(handle);
        drop_ref(handle);
        return -ASYNCIO_ECLOSED;
    }
    return 0;
}

/* A cancel from another thread must not return while the callback runs; its own thread cannot wait for itself. */
static void cancel_threadsafe(struct asyncio_handle *handle)
{
    int expected = HANDLE_SCHEDULED;

    if (atomic_compare_exchange_strong(&handle->state, &expected, HANDLE_CANCELLED))
        return;
    if (asyncio__running_loop == handle->loop)
        return;
    while (atomic_load(&handle->state) == HANDLE_RUNNING)
        sched_yield();
}

/* ------------------------------------------------------------------------------------------------------ The handle */

void asyncio_handle_cancel(struct asyncio_handle *handle)
{
    if (!handle)
        return;
    if (handle->post_number) {
        cancel_threadsafe(handle);
        return;
    }
    if (atomic_load_explicit(&handle->state, memory_order_relaxed) != HANDLE_SCHEDULED)
        return;
    set_state(handle, HANDLE_CANCELLED);
    if (handle->timed)
        asyncio_timer_disarm(handle->loop, &handle->timer);
    else
        asyncio_node_cancel(&handle->timer.node);
    drop_ref(handle);
}

bool asyncio_handle_cancelled(const struct asyncio_handle *handle)
{
    return handle && atomic_load(&handle->state) == HANDLE_CANCELLED;
}

double asyncio_handle_when(const struct asyncio_handle *handle)
{
    return handle && handle->timed ? asyncio__seconds_from_ns(handle->timer.deadline_ns) : __builtin_nan("");
}

struct asyncio_handle *asyncio_handle_ref(struct asyncio_handle *handle)
{
    if (!handle)
        return NULL;
    if (handle->post_number) {
        atomic_fetch_add(&handle->refs, 1);
        asyncio_loop_ref(handle->loop);
    } else {
        add_refs(handle, 1);
    }
    return handle;
}

struct asyncio_handle *asyncio_handle_unref(struct asyncio_handle *handle)
{
    struct asyncio_loop *loop;

    if (!handle)
        return NULL;
    loop = handle->post_number ? handle->loop : NULL;
    drop_ref(handle);
    asyncio_loop_unref(loop);
    return NULL;
}
