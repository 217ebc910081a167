/* thread_futures.c -- tasks that a loop runs for other threads, and futures of one loop that follow them.
 *
 * Errands lead to the task's loop, and from there to the loops of the futures that follow. A thread that waits does so
 * on a condition variable. */
#include "threads.h"

#include "../loop/executor.h"
#include "../loop/handles.h"

/* Three errands lead to the loop: to start the task, to learn of its end, to cancel it. Each has a reference. */
struct asyncio_thread_future {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    atomic_int refs;
    atomic_bool done;          /* set once, under the lock, when the result is there */
    int result;                /* valid when done */
    bool cancelling;           /* the cancel errand is under way; under the lock */
    struct asyncio_link wraps; /* under the lock */
    struct asyncio_loop *loop; /* a reference */
    struct asyncio__errand start, end, cancel;
    struct asyncio_future *task;     /* the loop's thread's, from start to end */
    struct asyncio_context *context; /* private to whoever has the start errand */
    asyncio_coro *fn;
    void *arg;
    char *name;
    struct asyncio_task_kw kw;
};

/* A future of a loop that follows a thread future. */
struct wrap {
    struct asyncio__errand errand;
    struct asyncio_link link;             /* of the source's wraps, until taken */
    bool taken;                           /* somebody is going to deliver it; under the source's lock */
    bool holds;                           /* the loop is told that another one may wake it */
    struct asyncio_thread_future *source; /* a reference */
    struct asyncio_future *future;        /* a reference; NULL once it is done */
};

struct asyncio_thread_future *asyncio_thread_future_ref(struct asyncio_thread_future *future)
{
    if (future)
        atomic_fetch_add(&future->refs, 1);
    return future;
}

struct asyncio_thread_future *asyncio_thread_future_unref(struct asyncio_thread_future *future)
{
    struct asyncio_loop *loop;

    if (!future || atomic_fetch_sub(&future->refs, 1) > 1)
        return NULL;
    loop = future->loop;
    asyncio_context_unref(future->context);
    pthread_cond_destroy(&future->ended);
    pthread_mutex_destroy(&future->lock);
    asyncio__free(future->name);
    asyncio__free(future);
    asyncio_loop_unref(loop);
    return NULL;
}

/* The outcome is there: tells the threads that wait, and the loops that follow. */
static void finish(struct asyncio_thread_future *future, int result)
{
    struct asyncio_link wraps, *link;

    list_init(&wraps);
    pthread_mutex_lock(&future->lock);
    future->result = result;
    atomic_store(&future->done, true);
    for (link = future->wraps.next; link != &future->wraps; link = link->next)
        LIST_ENTRY(link, struct wrap, link)->taken = true;
    list_splice_back(&wraps, &future->wraps);
    pthread_cond_broadcast(&future->ended);
    pthread_mutex_unlock(&future->lock);
    while ((link = list_pop_front(&wraps)))
        asyncio__errand_deliver(&LIST_ENTRY(link, struct wrap, link)->errand);
}

static void drop_task(struct asyncio_thread_future *future)
{
    asyncio__unref(future->task);
    future->task = NULL;
}

static void task_ended(struct asyncio__errand *errand)
{
    struct asyncio_thread_future *future = CONTAINER_OF(errand, struct asyncio_thread_future, end);

    finish(future, asyncio_future_result(future->task));
    drop_task(future);
}

static bool end_closed(struct asyncio__errand *errand)
{
    struct asyncio_thread_future *future = CONTAINER_OF(errand, struct asyncio_thread_future, end);

    drop_task(future);
    finish(future, -ASYNCIO_ECLOSED);
    return true;
}

static void end_free(struct asyncio__errand *errand)
{
    asyncio_thread_future_unref(CONTAINER_OF(errand, struct asyncio_thread_future, end));
}

static const struct asyncio__errand_kind end_errand = {
    .arrived = task_ended,
    .closed = end_closed,
    .free = end_free,
};

static void create_task(void *arg)
{
    struct asyncio_thread_future *future = arg;

    future->task = asyncio_loop_create_task_kw(future->loop, future->fn, future->arg, &future->kw);
}

static void start_task(struct asyncio__errand *errand)
{
    struct asyncio_thread_future *future = CONTAINER_OF(errand, struct asyncio_thread_future, start);
    struct asyncio_context *none = NULL;

    /* A context that was asked for is the task's own; any other it gets a copy of. */
    asyncio__call_in_context(future->kw.context ? &none : &future->context, create_task, future);
    if (asyncio__is_done(future->task)) {
        finish(future, asyncio_future_result(future->task));
        drop_task(future);
        return;
    }
    asyncio__errand_init(&future->end, &end_errand, future->loop);
    asyncio_thread_future_ref(future);
    asyncio__future_watch(future->task, &future->end.node);
}

static bool start_closed(struct asyncio__errand *errand)
{
    struct asyncio_thread_future *future = CONTAINER_OF(errand, struct asyncio_thread_future, start);

    if (future->kw.free_arg)
        future->kw.free_arg(future->arg);
    finish(future, -ASYNCIO_ECLOSED);
    return true;
}

/* The context is the task's alone from now on. */
static void start_free(struct asyncio__errand *errand)
{
    struct asyncio_thread_future *future = CONTAINER_OF(errand, struct asyncio_thread_future, start);

    future->context = asyncio_context_unref(future->context);
    asyncio_thread_future_unref(future);
}

static const struct asyncio__errand_kind start_errand = {
    .arrived = start_task,
    .closed = start_closed,
    .free = start_free,
};

/* Keeps what the caller's keywords point at. */
static int copy_keywords(struct asyncio_thread_future *future, const struct asyncio_task_kw *kw)
{
    if (kw)
        future->kw = *kw;
    future->kw.size = sizeof future->kw;
    if (future->kw.name) {
        future->name = asyncio__strdup(future->kw.name);
        if (!future->name)
            return -ENOMEM;
        future->kw.name = future->name;
    }
    if (!future->kw.context)
        return asyncio__context_private(&future->context);
    future->context = asyncio_context_ref(future->kw.context);
    return 0;
}

static int thread_future_new(struct asyncio_loop *loop, struct asyncio_thread_future **ret_future)
{
    struct asyncio_thread_future *future = asyncio__calloc(sizeof *future);

    if (!future)
        return -ENOMEM;
    if (pthread_mutex_init(&future->lock, NULL) != 0) {
        asyncio__free(future);
        return -ENOMEM;
    }
    if (asyncio__cond_init(&future->ended) < 0) {
        pthread_mutex_destroy(&future->lock);
        asyncio__free(future);
        return -ENOMEM;
    }
    atomic_init(&future->refs, 1);
    atomic_init(&future->done, false);
    list_init(&future->wraps);
    future->loop = asyncio_loop_ref(loop);
    *ret_future = future;
    return 0;
}

int asyncio_run_coroutine_threadsafe_kw(asyncio_coro *fn, void *arg, struct asyncio_loop *loop,
                                        struct asyncio_thread_future **ret_future, const struct asyncio_task_kw *kw)
{
    struct asyncio_thread_future *future;
    int r;

    if (!fn || !loop || !ret_future)
        return -EINVAL;
    r = thread_future_new(loop, &future);
    if (r < 0)
        return r;
    future->fn = fn;
    future->arg = arg;
    r = copy_keywords(future, kw);
    if (r == 0) {
        asyncio__errand_init(&future->start, &start_errand, loop);
        asyncio_thread_future_ref(future);
        r = asyncio_loop_post(loop, &future->start.node);
        if (r < 0)
            asyncio__errand_drop(&future->start);
    }
    if (r < 0)
        asyncio_thread_future_unref(future);
    else
        *ret_future = future;
    return r;
}

int asyncio_thread_future_result(struct asyncio_thread_future *future, double seconds)
{
    int64_t deadline_ns;
    bool late = false;
    int r;

    if (!future || asyncio__thread_deadline(seconds, &deadline_ns) < 0)
        return -EINVAL;
    if (asyncio_thread_future_done(future))
        return future->result;
    if (asyncio__running_loop == future->loop)
        return -EDEADLK;
    pthread_mutex_lock(&future->lock);
    while (!asyncio_thread_future_done(future) && !late)
        late = !asyncio__cond_wait(&future->ended, &future->lock, deadline_ns);
    r = asyncio_thread_future_done(future) ? future->result : -ETIMEDOUT;
    pthread_mutex_unlock(&future->lock);
    return r;
}

bool asyncio_thread_future_done(struct asyncio_thread_future *future)
{
    return future && atomic_load(&future->done);
}

static void cancel_task(struct asyncio__errand *errand)
{
    struct asyncio_thread_future *future = CONTAINER_OF(errand, struct asyncio_thread_future, cancel);

    if (future->task)
        asyncio_future_cancel(future->task);
}

static bool cancel_closed(struct asyncio__errand *errand)
{
    (void)errand;
    return true;
}

/* Only now the errand can be sent once more. */
static void cancel_free(struct asyncio__errand *errand)
{
    struct asyncio_thread_future *future = CONTAINER_OF(errand, struct asyncio_thread_future, cancel);

    pthread_mutex_lock(&future->lock);
    future->cancelling = false;
    pthread_mutex_unlock(&future->lock);
    asyncio_thread_future_unref(future);
}

static const struct asyncio__errand_kind cancel_errand = {
    .arrived = cancel_task,
    .closed = cancel_closed,
    .free = cancel_free,
};

int asyncio_thread_future_cancel(struct asyncio_thread_future *future)
{
    bool done, on_its_way;

    if (!future)
        return -EINVAL;
    pthread_mutex_lock(&future->lock);
    done = atomic_load(&future->done);
    on_its_way = future->cancelling;
    if (!done)
        future->cancelling = true;
    pthread_mutex_unlock(&future->lock);
    if (done || on_its_way)
        return !done;
    asyncio__errand_init(&future->cancel, &cancel_errand, future->loop);
    asyncio_thread_future_ref(future);
    if (asyncio_loop_post(future->loop, &future->cancel.node) == 0)
        return 1;
    asyncio__errand_drop(&future->cancel);
    return 0;
}

/* -------------------------------------------------------------------------------------------------------- Wrapping */

/* The wrapping future is going to be done, in some way. Returns: a reference to it. */
static struct asyncio_future *let_go(struct wrap *wrap)
{
    struct asyncio_future *future = wrap->future;

    wrap->future = NULL;
    future->owner = NULL;
    if (wrap->holds)
        asyncio_loop_release(wrap->errand.loop);
    return future;
}

/* Takes a wrap back from its source. Returns: false when somebody is going to deliver it already. */
static bool withdraw(struct wrap *wrap)
{
    bool withdrawn;

    pthread_mutex_lock(&wrap->source->lock);
    withdrawn = !wrap->taken;
    if (withdrawn)
        list_remove(&wrap->link);
    pthread_mutex_unlock(&wrap->source->lock);
    return withdrawn;
}

static void wrap_arrived(struct asyncio__errand *errand)
{
    struct wrap *wrap = CONTAINER_OF(errand, struct wrap, errand);
    struct asyncio_future *future;

    if (!wrap->future)
        return;
    future = let_go(wrap);
    asyncio__settle(future, wrap->source->result);
    asyncio__unref(future);
}

static bool wrap_closed(struct asyncio__errand *errand)
{
    struct wrap *wrap = CONTAINER_OF(errand, struct wrap, errand);
    struct asyncio_future *future;

    if (wrap->future) {
        future = let_go(wrap);
        asyncio__settle_closed(future);
        asyncio__unref(future);
    }
    return withdraw(wrap);
}

static void wrap_free(struct asyncio__errand *errand)
{
    struct wrap *wrap = CONTAINER_OF(errand, struct wrap, errand);

    asyncio_thread_future_unref(wrap->source);
    asyncio__free(wrap);
}

static const struct asyncio__errand_kind wrap_errand = {
    .arrived = wrap_arrived,
    .closed = wrap_closed,
    .free = wrap_free,
};

static int cancel_wrap(struct asyncio_future *future)
{
    struct wrap *wrap = future->owner;

    let_go(wrap);
    asyncio_thread_future_cancel(wrap->source);
    if (withdraw(wrap))
        asyncio__errand_drop(&wrap->errand);
    asyncio__future_complete(future, FUTURE_CANCELLED, -ECANCELED);
    asyncio__unref(future);
    return 1;
}

static const struct asyncio__future_kind wrap_kind = {
    .name = "thread future",
    .cancel = cancel_wrap,
};

/* Puts a wrap among those that its source will tell. Returns: false when the source is done. */
static bool enlist(struct wrap *wrap)
{
    struct asyncio_thread_future *source = wrap->source;
    bool done;

    pthread_mutex_lock(&source->lock);
    done = atomic_load(&source->done);
    if (!done)
        list_push_back(&source->wraps, &wrap->link);
    pthread_mutex_unlock(&source->lock);
    return !done;
}

struct asyncio_future *asyncio_wrap_future(struct asyncio_thread_future *source)
{
    struct asyncio_loop *loop = asyncio__running_loop;
    struct asyncio_future *future;
    struct wrap *wrap;

    if (!source || !loop)
        return asyncio__failed_future(source ? -ASYNCIO_ENOLOOP : -EINVAL);
    wrap = asyncio__calloc(sizeof *wrap);
    if (!wrap)
        return asyncio__failed_future(-ENOMEM);
    future = asyncio__future_new(loop, &wrap_kind, wrap);
    if (!future->scheduler) {
        asyncio__free(wrap);
        return future;
    }
    wrap->source = asyncio_thread_future_ref(source);
    wrap->future = asyncio__ref(future);
    wrap->holds = loop != source->loop;
    asyncio__errand_init(&wrap->errand, &wrap_errand, loop);
    asyncio__errand_expect(&wrap->errand);
    if (wrap->holds)
        asyncio_loop_hold(loop);
    if (!enlist(wrap)) {
        wrap_arrived(&wrap->errand);
        asyncio__errand_drop(&wrap->errand);
    }
    return future;
}
