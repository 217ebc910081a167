/* futures.c -- futures: a state, an outcome, and the nodes to schedule once it is there. */
#include "task.h"

#include <stdio.h>

#define LONGEST_CANCEL_MESSAGE 64

/* A done-callback: a node with the future and arg that its function gets. */
struct done_callback {
    struct asyncio_node node;
    struct asyncio_future *future; /* a reference from the moment when it is scheduled */
    asyncio_done_callback *callback;
    void *arg;
    struct asyncio_context *context;
};

/* Every error that a creation can fail with has a future of its own, that needs no memory and no loop. */
#define FAILED(error)                                                              \
    {                                                                              \
        .state = FUTURE_FINISHED, .result = -(error), .refs = 1, .retrieved = true \
    }
static struct asyncio_future failed_futures[] = {
    FAILED(ENOMEM),
    FAILED(EINVAL),
    FAILED(EBUSY),
    FAILED(EXDEV),
    FAILED(EAGAIN),
    FAILED(ASYNCIO_ENOLOOP),
    FAILED(ASYNCIO_ECLOSED),
    FAILED(ASYNCIO_EINVALIDSTATE),
    FAILED(ASYNCIO_EFOREIGNLOOP),
};
#undef FAILED

struct asyncio_future *asyncio__failed_future(int error)
{
    for (size_t i = 0; i < ARRAY_SIZE(failed_futures); i++)
        if (failed_futures[i].result == error)
            return &failed_futures[i];
    assert(!"an error that creations fail with has a failed future");
    return &failed_futures[1];
}

/* ------------------------------------------------------------------------------------------------------ Life cycle */

void asyncio__future_init(struct asyncio_future *future, struct asyncio__scheduler *scheduler, const char *source)
{
    list_init(&future->callbacks);
    future->scheduler = scheduler;
    future->kind = NULL;
    future->owner = NULL;
    future->pointer = NULL;
    future->source = source;
    future->cancel_message = NULL;
    future->refs = 1;
    future->result = 0;
    future->state = FUTURE_PENDING;
    future->is_task = false;
    future->retrieved = false;
    future->mark = 0;
    scheduler->n_futures++;
}

struct asyncio_future *asyncio__future_new(struct asyncio_loop *loop, const struct asyncio__future_kind *kind,
                                           void *owner)
{
    struct asyncio__scheduler *scheduler;
    struct asyncio_future *future;
    int r = asyncio__loop_check(loop);

    if (r < 0)
        return asyncio__failed_future(r);
    scheduler = asyncio__scheduler_of(loop);
    future = scheduler ? asyncio__pool_get(&scheduler->futures) : NULL;
    if (!future)
        return asyncio__failed_future(-ENOMEM);
    asyncio__future_init(future, scheduler, NULL);
    future->kind = kind;
    future->owner = owner;
    return future;
}

struct asyncio_future *asyncio_loop_create_future(struct asyncio_loop *loop)
{
    return asyncio__future_new(loop, NULL, NULL);
}

struct asyncio_future *asyncio_future_ref(struct asyncio_future *future)
{
    return future ? asyncio__ref(future) : NULL;
}

struct asyncio_future *asyncio_future_unref(struct asyncio_future *future)
{
    if (future)
        asyncio__unref(future);
    return NULL;
}

static void free_done_callback(struct asyncio__scheduler *scheduler, struct done_callback *record)
{
    asyncio_context_unref(record->context);
    asyncio__pool_put(&scheduler->callbacks, record);
}

static void run_done_callback(struct asyncio_node *node)
{
    struct done_callback *record = CONTAINER_OF(node, struct done_callback, node);
    struct asyncio_future *future = record->future;
    struct asyncio__context_entry entry;

    asyncio__context_enter(&entry, &record->context);
    record->callback(future, record->arg);
    asyncio__context_leave(&entry);
    free_done_callback(future->scheduler, record);
    asyncio__unref(future);
}

size_t asyncio__done_callback_size(void)
{
    return sizeof(struct done_callback);
}

bool asyncio__done_callback_drop(struct asyncio_node *node)
{
    struct done_callback *record = CONTAINER_OF(node, struct done_callback, node);
    struct asyncio_future *future = record->future;

    if (node->run != run_done_callback)
        return false;
    free_done_callback(future->scheduler, record);
    asyncio__unref(future);
    return true;
}

/* Frees callbacks that will never be called. */
static void drop_callbacks(struct asyncio_future *future)
{
    struct asyncio_link *link;

    while ((link = list_pop_front(&future->callbacks))) {
        struct asyncio_node *node = CONTAINER_OF(link, struct asyncio_node, link);

        if (node->run == run_done_callback)
            free_done_callback(future->scheduler, CONTAINER_OF(node, struct done_callback, node));
    }
}

/* A pending future that nobody can complete any more. The reference keeps it alive while its kind lets go. */
static void abandon(struct asyncio_future *future)
{
    future->refs = 1;
    if (future->kind && future->kind->abandoned)
        future->kind->abandoned(future);
    drop_callbacks(future);
    future->refs = 0;
}

/* An error that nobody has seen must not vanish; that something was cancelled is no error. */
static void report_unretrieved(struct asyncio_future *future)
{
    if (future->state != FUTURE_FINISHED || future->result >= 0 || future->result == -ECANCELED || future->retrieved)
        return;
    future->refs = 1;
    asyncio__report(future,
                    future->is_task ? "Task exception was never retrieved" : "Future exception was never retrieved",
                    future->result);
    future->refs = 0;
}

void asyncio__future_free(struct asyncio_future *future)
{
    struct asyncio__scheduler *scheduler = future->scheduler;

    if (!asyncio__is_done(future))
        abandon(future);
    report_unretrieved(future);
    asyncio__free(future->cancel_message);
    if (future->is_task) {
        struct asyncio__task *task = asyncio__task_of(future);

        asyncio_context_unref(task->context);
        asyncio__free(task->name);
        asyncio__pool_put(&scheduler->task_pool, task);
    } else {
        asyncio__pool_put(&scheduler->futures, future);
    }
    if (--scheduler->n_futures == 0 && UNLIKELY(scheduler->closed))
        asyncio__scheduler_release(scheduler);
}

/* --------------------------------------------------------------------------------------------------------- Outcome */

void asyncio__future_complete(struct asyncio_future *future, enum asyncio__future_state state, int result)
{
    struct asyncio_loop *loop = future->scheduler->loop;

    assert(!asyncio__is_done(future));
    future->state = (uint8_t)state;
    future->result = result;
    if (list_empty(&future->callbacks))
        return;
    if (UNLIKELY(future->scheduler->closed)) {
        drop_callbacks(future);
        return;
    }
    for (struct asyncio_link *link = future->callbacks.next; link != &future->callbacks; link = link->next)
        if (CONTAINER_OF(link, struct asyncio_node, link)->run == run_done_callback)
            future->refs++;
    list_splice_back(&loop->ready, &future->callbacks);
}

bool asyncio_future_done(const struct asyncio_future *future)
{
    return future && asyncio__is_done(future);
}

bool asyncio_future_cancelled(const struct asyncio_future *future)
{
    return future && future->state == FUTURE_CANCELLED;
}

int asyncio_future_result(struct asyncio_future *future)
{
    if (!future)
        return -EINVAL;
    if (!asyncio__is_done(future))
        return -ASYNCIO_EINVALIDSTATE;
    if (future->scheduler)
        future->retrieved = true;
    return future->result;
}

int asyncio_future_exception(struct asyncio_future *future)
{
    int r = asyncio_future_result(future);

    return r < 0 ? r : 0;
}

void *asyncio_future_pointer(const struct asyncio_future *future)
{
    return future ? future->pointer : NULL;
}

int asyncio_future_set_result(struct asyncio_future *future, int value, void *pointer)
{
    if (!future || value < 0 || future->is_task)
        return -EINVAL;
    if (asyncio__is_done(future))
        return -ASYNCIO_EINVALIDSTATE;
    future->pointer = pointer;
    asyncio__future_complete(future, FUTURE_FINISHED, value);
    return 0;
}

int asyncio_future_set_exception(struct asyncio_future *future, int error)
{
    if (!future || error >= 0 || future->is_task)
        return -EINVAL;
    if (asyncio__is_done(future))
        return -ASYNCIO_EINVALIDSTATE;
    asyncio__future_complete(future, FUTURE_FINISHED, error);
    return 0;
}

void asyncio__set_cancel_message(struct asyncio_future *future, const char *message)
{
    char *copy = message ? asyncio__malloc(LONGEST_CANCEL_MESSAGE) : NULL;

    if (copy)
        snprintf(copy, LONGEST_CANCEL_MESSAGE, "%s", message);
    asyncio__free(future->cancel_message);
    future->cancel_message = copy;
}

int asyncio_future_cancel_with(struct asyncio_future *future, const char *message)
{
    if (!future)
        return -EINVAL;
    if (asyncio__is_done(future))
        return 0;
    if (message || future->cancel_message)
        asyncio__set_cancel_message(future, message);
    if (future->is_task)
        return asyncio__task_cancel(asyncio__task_of(future));
    if (future->kind && future->kind->cancel)
        return future->kind->cancel(future);
    asyncio__future_complete(future, FUTURE_CANCELLED, -ECANCELED);
    return 1;
}

int asyncio_future_cancel(struct asyncio_future *future)
{
    return asyncio_future_cancel_with(future, NULL);
}

/* ------------------------------------------------------------------------------------------------------- Callbacks */

int asyncio_future_add_done_callback_kw(struct asyncio_future *future, asyncio_done_callback *callback, void *arg,
                                        const struct asyncio_callback_kw *kw)
{
    struct done_callback *record;

    if (!future || !callback)
        return -EINVAL;
    /* A static failed future has no loop to call anything from; it is done, so its error is there to be read. */
    if (!future->scheduler)
        return future->result;
    record = asyncio__pool_get(&future->scheduler->callbacks);
    if (!record)
        return -ENOMEM;
    if (asyncio__context_choose(kw ? kw->context : NULL, &record->context) < 0) {
        asyncio__pool_put(&future->scheduler->callbacks, record);
        return -ENOMEM;
    }
    asyncio_node_init(&record->node, run_done_callback, NULL);
    record->future = future;
    record->callback = callback;
    record->arg = arg;
    if (asyncio__is_done(future)) {
        future->refs++;
        asyncio__schedule(future->scheduler->loop, &record->node);
    } else {
        asyncio__future_watch(future, &record->node);
    }
    return 0;
}

int asyncio_future_remove_done_callback(struct asyncio_future *future, asyncio_done_callback *callback, void *arg)
{
    struct asyncio_link *link, *next, removed;
    int n = 0;

    if (!future || !callback)
        return -EINVAL;
    if (asyncio__is_done(future))
        return 0;
    list_init(&removed);
    LIST_FOR_EACH(link, next, &future->callbacks) {
        struct asyncio_node *node = CONTAINER_OF(link, struct asyncio_node, link);
        struct done_callback *record = CONTAINER_OF(node, struct done_callback, node);

        if (node->run != run_done_callback || record->callback != callback || record->arg != arg)
            continue;
        list_unlink(link);
        list_push_back(&removed, link);
        n++;
    }
    /* Freed last: a context's values may have functions of the user's, which may change the list too. */
    while ((link = list_pop_front(&removed)))
        free_done_callback(future->scheduler,
                           CONTAINER_OF(CONTAINER_OF(link, struct asyncio_node, link), struct done_callback, node));
    return n;
}

struct asyncio_loop *asyncio_future_get_loop(const struct asyncio_future *future)
{
    return future && future->scheduler ? future->scheduler->loop : NULL;
}

bool asyncio_is_task(const struct asyncio_future *future)
{
    return future && future->is_task;
}

int asyncio__futures_check(struct asyncio__scheduler *scheduler, struct asyncio_future *const *futures, size_t n)
{
    if (!futures && n > 0)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        if (!futures[i])
            return -EINVAL;
        if (futures[i]->scheduler && futures[i]->scheduler != scheduler)
            return -ASYNCIO_EFOREIGNLOOP;
    }
    return 0;
}
