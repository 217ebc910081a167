/* waits.c -- waiting for several futures: wait, gather, as_completed, and shield.
 *
 * Each puts a node of its own on the list of every future; where it ends before they do, it takes its nodes off
 * again, so that a future that lives long does not remember those who once waited for it. */
#include "task.h"

/* A mark that no future bears yet, for finding those that are given twice. */
static uint32_t new_mark(struct asyncio__scheduler *scheduler)
{
    if (++scheduler->marks == 0)
        scheduler->marks = 1;
    return scheduler->marks;
}

/* Lets a node run when the future is done; at once, but never from within the call, when it is. */
static void watch(struct asyncio_future *future, struct asyncio_node *node, struct asyncio_loop *loop)
{
    if (asyncio__is_done(future))
        asyncio__schedule(loop, node);
    else
        asyncio__future_watch(future, node);
}

/* The scheduler of a list of futures: the running one, else the first that any of them has. */
static struct asyncio__scheduler *scheduler_for(struct asyncio_future *const *futures, size_t n)
{
    if (asyncio__running_loop)
        return asyncio__scheduler_of(asyncio__running_loop);
    for (size_t i = 0; futures && i < n; i++)
        if (futures[i] && futures[i]->scheduler)
            return futures[i]->scheduler;
    return NULL;
}

/* ------------------------------------------------------------------------------------------------------------ wait */

#define NODES_IN_FRAME 8

struct wait_node {
    struct asyncio_node node;
    struct wait *wait;
    struct asyncio_future *future; /* a reference */
};

struct wait {
    struct asyncio_waiter waiter;
    struct asyncio_timer timer;
    struct wait_node *nodes;
    size_t n, left;
    int return_when;
    struct wait_node in_frame[NODES_IN_FRAME];
};

static const struct asyncio_wait_kind wait_kind = {.name = "several futures", .late = ASYNCIO_LATE_CANCEL};

static void wait_future_done(struct asyncio_node *node)
{
    struct wait_node *entry = CONTAINER_OF(node, struct wait_node, node);
    struct wait *wait = entry->wait;
    bool failed = entry->future->state == FUTURE_FINISHED && entry->future->result < 0;

    wait->left--;
    if (wait->left == 0 || wait->return_when == ASYNCIO_FIRST_COMPLETED ||
        (wait->return_when == ASYNCIO_FIRST_EXCEPTION && failed))
        asyncio_unpark(&wait->waiter, 0);
}

static void wait_timed_out(struct asyncio_node *node)
{
    asyncio_unpark(&CONTAINER_OF(node, struct wait, timer.node)->waiter, 0);
}

static int wait_begin(struct wait *wait, struct asyncio__scheduler *scheduler, struct asyncio_future *const *futures,
                      size_t n)
{
    uint32_t mark = new_mark(scheduler);

    wait->nodes = wait->in_frame;
    if (n > NODES_IN_FRAME) {
        wait->nodes = n < SIZE_MAX / sizeof *wait->nodes ? asyncio__malloc(n * sizeof *wait->nodes) : NULL;
        if (!wait->nodes)
            return -ENOMEM;
    }
    wait->n = 0;
    for (size_t i = 0; i < n; i++) {
        struct wait_node *entry = &wait->nodes[wait->n];

        if (!asyncio__first_seen(futures[i], mark))
            continue;
        asyncio_node_init(&entry->node, wait_future_done, NULL);
        entry->wait = wait;
        entry->future = asyncio__ref(futures[i]);
        watch(futures[i], &entry->node, scheduler->loop);
        wait->n++;
    }
    wait->left = wait->n;
    return 0;
}

/* Returns: how many are done. */
static int wait_end(struct wait *wait)
{
    int done = 0;

    for (size_t i = 0; i < wait->n; i++) {
        list_remove(&wait->nodes[i].node.link);
        done += asyncio__is_done(wait->nodes[i].future);
        asyncio__unref(wait->nodes[i].future);
    }
    if (wait->nodes != wait->in_frame)
        asyncio__free(wait->nodes);
    return done;
}

int asyncio_wait(struct asyncio_future *const *futures, size_t n, double timeout, int return_when)
{
    struct asyncio__task *task = asyncio__current();
    struct asyncio__scheduler *scheduler;
    struct wait wait;
    int64_t span_ns;
    int r, done;

    if (n == 0 || return_when < ASYNCIO_ALL_COMPLETED || return_when > ASYNCIO_FIRST_EXCEPTION ||
        asyncio__ns_from_seconds(timeout, &span_ns) < 0)
        return -EINVAL;
    if (!task)
        return -ASYNCIO_ENOTASK;
    scheduler = task->future.scheduler;
    r = asyncio__futures_check(scheduler, futures, n);
    if (r < 0)
        return r;
    wait.return_when = return_when;
    ASYNCIO_IGNORE(asyncio_waiter_init(&wait.waiter, &wait_kind, NULL));
    asyncio_node_init(&wait.timer.node, wait_timed_out, NULL);
    r = asyncio_timer_arm(scheduler->loop, &wait.timer, ns_add(asyncio__now(scheduler->loop), span_ns));
    if (r == 0)
        r = wait_begin(&wait, scheduler, futures, n);
    if (r < 0) {
        asyncio_timer_disarm(scheduler->loop, &wait.timer);
        return r;
    }
    r = (int)asyncio_park(&wait.waiter);
    asyncio_timer_disarm(scheduler->loop, &wait.timer);
    done = wait_end(&wait);
    return r < 0 ? r : done;
}

/* ------------------------------------------------------------------------------------------------------------- gather
 *
 * The gathering lives until its outer future has an outcome or is abandoned. When that comes early, the children that
 * are left are let go, with their errors counted as seen. */

struct gather_child {
    struct asyncio_node node; /* on the child's list while it is pending and no duplicate */
    struct gather *gather;
    struct asyncio_future *future; /* a reference */
};

struct gather {
    struct asyncio_future *outer; /* not a reference: its end is ours */
    int *ret_results;
    bool return_exceptions, cancel_requested;
    size_t n, left;
    struct gather_child children[];
};

static void gather_free(struct gather *gather)
{
    for (size_t i = 0; i < gather->n; i++) {
        struct asyncio_future *future = gather->children[i].future;

        list_remove(&gather->children[i].node.link);
        asyncio__unref(future);
    }
    asyncio__free(gather);
}

static void gather_end(struct gather *gather, int result)
{
    struct asyncio_future *outer = gather->outer;

    for (size_t i = 0; i < gather->n; i++)
        if (gather->children[i].future->scheduler)
            gather->children[i].future->retrieved = true;
    for (size_t i = 0; result >= 0 && gather->ret_results && i < gather->n; i++)
        gather->ret_results[i] = gather->children[i].future->result;
    outer->owner = NULL;
    gather_free(gather);
    asyncio__future_complete(outer, FUTURE_FINISHED, result);
}

/* Returns: true when that was the end of it. */
static bool gather_count(struct gather *gather, struct asyncio_future *child)
{
    if (!gather->return_exceptions && child->result < 0) {
        gather_end(gather, child->result);
        return true;
    }
    if (--gather->left > 0)
        return false;
    gather_end(gather, gather->cancel_requested ? -ECANCELED : 0);
    return true;
}

static void gather_child_done(struct asyncio_node *node)
{
    struct gather_child *child = CONTAINER_OF(node, struct gather_child, node);

    gather_count(child->gather, child->future);
}

/* Each distinct child once, however often it was given (D-13). */
static int gather_cancel(struct asyncio_future *outer)
{
    struct gather *gather = outer->owner;
    int accepted = 0;

    for (size_t i = 0; i < gather->n; i++)
        if (gather->children[i].gather &&
            asyncio_future_cancel_with(gather->children[i].future, outer->cancel_message) > 0)
            accepted = 1;
    if (accepted)
        gather->cancel_requested = true;
    return accepted;
}

static void gather_abandoned(struct asyncio_future *outer)
{
    gather_free(outer->owner);
}

static const struct asyncio__future_kind gather_kind = {
    .name = "gather",
    .cancel = gather_cancel,
    .abandoned = gather_abandoned,
};

static void gather_begin(struct gather *gather, struct asyncio__scheduler *scheduler,
                         struct asyncio_future *const *futures)
{
    uint32_t mark = new_mark(scheduler);
    size_t n = gather->n;

    gather->left = 0;
    for (size_t i = 0; i < n; i++) {
        struct gather_child *child = &gather->children[i];

        asyncio_node_init(&child->node, gather_child_done, NULL);
        child->future = asyncio__ref(futures[i]);
        child->gather = asyncio__first_seen(futures[i], mark) ? gather : NULL;
        gather->left += child->gather != NULL;
        if (child->gather && !asyncio__is_done(futures[i]))
            asyncio__future_watch(futures[i], &child->node);
    }
    /* What is done already counts at once, so that a gathering of eager tasks may be done on return. */
    for (size_t i = 0; i < n; i++)
        if (asyncio__is_done(futures[i]) && gather->children[i].gather && gather_count(gather, futures[i]))
            return;
}

struct asyncio_future *asyncio_gather_future_kw(struct asyncio_future *const *futures, size_t n, int *ret_results,
                                                const struct asyncio_gather_kw *kw)
{
    struct asyncio__scheduler *scheduler = scheduler_for(futures, n);
    struct asyncio_future *outer;
    struct gather *gather;
    int r;

    if (!scheduler)
        return asyncio__failed_future(asyncio__running_loop ? -ENOMEM : -ASYNCIO_ENOLOOP);
    r = asyncio__futures_check(scheduler, futures, n);
    if (r < 0)
        return asyncio__failed_future(r);
    outer = asyncio__future_new(scheduler->loop, &gather_kind, NULL);
    if (!outer->scheduler)
        return outer;
    if (n == 0) {
        asyncio__future_complete(outer, FUTURE_FINISHED, 0);
        return outer;
    }
    gather =
        n < SIZE_MAX / sizeof *gather->children ? asyncio__malloc(sizeof *gather + n * sizeof *gather->children) : NULL;
    if (!gather) {
        outer->kind = NULL;
        asyncio__unref(outer);
        return asyncio__failed_future(-ENOMEM);
    }
    outer->owner = gather;
    *gather = (struct gather){
        .outer = outer,
        .ret_results = ret_results,
        .return_exceptions = kw && kw->return_exceptions,
        .n = n,
    };
    gather_begin(gather, scheduler, futures);
    return outer;
}

int asyncio_gather_kw(struct asyncio_future *const *futures, size_t n, int *ret_results,
                      const struct asyncio_gather_kw *kw)
{
    struct asyncio_future *outer;
    int r;

    if (!asyncio__current())
        return -ASYNCIO_ENOTASK;
    outer = asyncio_gather_future_kw(futures, n, ret_results, kw);
    r = asyncio_await(outer);
    asyncio__unref(outer);
    return r;
}

/* ---------------------------------------------------------------------------------------------------- as_completed */

struct asyncio__as_completed_entry {
    struct asyncio_node node; /* on the future's list, then on the loop's, then on `done` by its link */
    struct asyncio_as_completed *iteration;
    struct asyncio_future *future; /* a reference */
    bool counted;                  /* it completed in time */
};

/* The next future is whoever's runs first; a waiter that was woken for one and cancelled wakes another. */
static void pass_on(struct asyncio_waiter *waiter);

static const struct asyncio_wait_kind as_completed_kind = {
    .name = "next future to complete",
    .late = ASYNCIO_LATE_GIVE_BACK,
    .give_back = pass_on,
};

static void wake_one(struct asyncio_as_completed *iteration)
{
    if (!list_empty(&iteration->waiters))
        asyncio_unpark(LIST_ENTRY(iteration->waiters.next, struct asyncio_waiter, link), 0);
}

static void pass_on(struct asyncio_waiter *waiter)
{
    struct asyncio_as_completed *iteration = waiter->object;

    if (!list_empty(&iteration->done))
        wake_one(iteration);
}

static void wake_all(struct asyncio_as_completed *iteration)
{
    while (!list_empty(&iteration->waiters))
        wake_one(iteration);
}

static void entry_is_done(struct asyncio_node *node)
{
    struct asyncio__as_completed_entry *entry = CONTAINER_OF(node, struct asyncio__as_completed_entry, node);
    struct asyncio_as_completed *iteration = entry->iteration;

    entry->counted = true;
    list_push_back(&iteration->done, &node->link);
    if (--iteration->left == 0) {
        asyncio_timer_disarm(iteration->loop, &iteration->timer);
        wake_all(iteration);
    } else {
        wake_one(iteration);
    }
}

static void iteration_timed_out(struct asyncio_node *node)
{
    struct asyncio_as_completed *iteration = CONTAINER_OF(node, struct asyncio_as_completed, timer.node);

    iteration->timed_out = true;
    for (size_t i = 0; i < iteration->n; i++)
        if (!iteration->entries[i].counted)
            list_remove(&iteration->entries[i].node.link);
    wake_all(iteration);
}

int asyncio_as_completed(struct asyncio_as_completed *iteration, struct asyncio_future *const *futures, size_t n,
                         double timeout)
{
    struct asyncio__scheduler *scheduler = scheduler_for(futures, n);
    int64_t span_ns;
    uint32_t mark;
    int r;

    if (!iteration)
        return -EINVAL;
    *iteration = (struct asyncio_as_completed){0};
    if (asyncio__ns_from_seconds(timeout, &span_ns) < 0)
        return -EINVAL;
    if (!scheduler)
        return asyncio__running_loop ? -ENOMEM : -ASYNCIO_ENOLOOP;
    r = asyncio__futures_check(scheduler, futures, n);
    if (r < 0)
        return r;
    list_init(&iteration->done);
    list_init(&iteration->waiters);
    asyncio_node_init(&iteration->timer.node, iteration_timed_out, NULL);
    iteration->entries = n < SIZE_MAX / 64 ? asyncio__malloc(max_size(n, 1) * sizeof *iteration->entries) : NULL;
    if (!iteration->entries)
        return -ENOMEM;
    r = asyncio_timer_arm(scheduler->loop, &iteration->timer, ns_add(asyncio__now(scheduler->loop), span_ns));
    if (r < 0) {
        asyncio__free(iteration->entries);
        *iteration = (struct asyncio_as_completed){0};
        return r;
    }
    iteration->loop = scheduler->loop;
    mark = new_mark(scheduler);
    for (size_t i = 0; i < n; i++) {
        struct asyncio__as_completed_entry *entry = &iteration->entries[iteration->n];

        if (!asyncio__first_seen(futures[i], mark))
            continue;
        asyncio_node_init(&entry->node, entry_is_done, NULL);
        entry->iteration = iteration;
        entry->counted = false;
        entry->future = asyncio__ref(futures[i]);
        watch(futures[i], &entry->node, scheduler->loop);
        iteration->n++;
    }
    iteration->left = iteration->n;
    if (n == 0)
        asyncio_timer_disarm(scheduler->loop, &iteration->timer);
    return 0;
}

int asyncio_as_completed_next(struct asyncio_as_completed *iteration, struct asyncio_future **ret_future)
{
    struct asyncio_waiter waiter;
    struct asyncio_link *link;
    int r;

    if (!iteration || !iteration->loop || !ret_future)
        return -EINVAL;
    while (!(link = list_pop_front(&iteration->done))) {
        if (iteration->given == iteration->n || (iteration->left == 0 && !iteration->timed_out))
            return 0;
        if (iteration->timed_out)
            return -ETIMEDOUT;
        r = asyncio_waiter_init(&waiter, &as_completed_kind, iteration);
        if (r < 0)
            return r;
        list_push_back(&iteration->waiters, &waiter.link);
        r = (int)asyncio_park(&waiter);
        if (r < 0)
            return r;
    }
    iteration->given++;
    *ret_future =
        CONTAINER_OF(CONTAINER_OF(link, struct asyncio_node, link), struct asyncio__as_completed_entry, node)->future;
    return 1;
}

int asyncio_as_completed_next_result(struct asyncio_as_completed *iteration, int *ret_result)
{
    struct asyncio_future *future;
    int r;

    if (!ret_result)
        return -EINVAL;
    r = asyncio_as_completed_next(iteration, &future);
    if (r == 1) {
        *ret_result = asyncio_future_result(future);
    } else if (r == -ETIMEDOUT) {
        iteration->given++;
        *ret_result = -ETIMEDOUT;
        r = 1;
    }
    return r;
}

void asyncio_as_completed_fini(struct asyncio_as_completed *iteration)
{
    if (!iteration || !iteration->loop)
        return;
    asyncio_timer_disarm(iteration->loop, &iteration->timer);
    for (size_t i = 0; i < iteration->n; i++) {
        list_remove(&iteration->entries[i].node.link);
        asyncio__unref(iteration->entries[i].future);
    }
    asyncio__free(iteration->entries);
    *iteration = (struct asyncio_as_completed){0};
}

/* ---------------------------------------------------------------------------------------------------------- shield */

struct shield {
    struct asyncio_node node;     /* on the inner future's list */
    struct asyncio_future *inner; /* a reference */
    struct asyncio_future *outer; /* not a reference: its end is ours */
};

static void shield_free(struct shield *shield)
{
    list_remove(&shield->node.link);
    asyncio__unref(shield->inner);
    asyncio__free(shield);
}

static void shield_inner_done(struct asyncio_node *node)
{
    struct shield *shield = CONTAINER_OF(node, struct shield, node);
    struct asyncio_future *inner = shield->inner, *outer = shield->outer;
    enum asyncio__future_state state = inner->state == FUTURE_CANCELLED ? FUTURE_CANCELLED : FUTURE_FINISHED;
    int result = inner->result;

    inner->retrieved = true;
    outer->pointer = inner->pointer;
    outer->owner = NULL;
    shield_free(shield);
    asyncio__future_complete(outer, state, result);
}

static int shield_cancel(struct asyncio_future *outer)
{
    shield_free(outer->owner);
    outer->owner = NULL;
    asyncio__future_complete(outer, FUTURE_CANCELLED, -ECANCELED);
    return 1;
}

static void shield_abandoned(struct asyncio_future *outer)
{
    shield_free(outer->owner);
}

static const struct asyncio__future_kind shield_kind = {
    .name = "shield",
    .cancel = shield_cancel,
    .abandoned = shield_abandoned,
};

struct asyncio_future *asyncio_shield_future(struct asyncio_future *inner)
{
    struct asyncio_future *outer;
    struct shield *shield;

    if (!inner)
        return asyncio__failed_future(-EINVAL);
    if (asyncio__is_done(inner))
        return asyncio__ref(inner);
    shield = asyncio__malloc(sizeof *shield);
    if (!shield)
        return asyncio__failed_future(-ENOMEM);
    outer = asyncio__future_new(inner->scheduler->loop, &shield_kind, shield);
    if (!outer->scheduler) {
        asyncio__free(shield);
        return outer;
    }
    asyncio_node_init(&shield->node, shield_inner_done, NULL);
    shield->inner = asyncio__ref(inner);
    shield->outer = outer;
    asyncio__future_watch(inner, &shield->node);
    return outer;
}
