/* taskgroups.c -- a scope that owns tasks.
 *
 * The group cancels its parent, the task that entered it, when a child fails while the body runs, and takes that
 * cancel back at the exit. Cancels that came from others are told by their number: more than the parent had on
 * entry. */
#include "task.h"

enum state { NOT_ENTERED, ENTERED, EXITING, FINISHED };

/* A child that is not done, or whose end the group has not seen yet. */
struct child {
    struct asyncio_node node; /* on the task's callbacks */
    struct asyncio_link link; /* on group->children */
    struct asyncio_taskgroup *group;
    struct asyncio_future *task; /* a reference */
};

static const struct asyncio_wait_kind exit_kind = {.name = "end of a task group", .late = ASYNCIO_LATE_CANCEL};

/* Without memory for the list the first error is still known. */
static void add_error(struct asyncio_taskgroup *group, struct asyncio_future *task, int error)
{
    if (group->n_errors == 0 && group->first_error == 0)
        group->first_error = error;
    if (!group->keep_errors)
        return;
    if (group->n_errors == group->errors_capacity) {
        size_t capacity = asyncio__grown(group->errors_capacity, group->n_errors + 1, 4);
        struct asyncio_taskgroup_error *errors = asyncio__realloc(group->errors, capacity * sizeof *errors);

        if (!errors)
            return;
        group->errors = errors;
        group->errors_capacity = capacity;
    }
    group->errors[group->n_errors++] = (struct asyncio_taskgroup_error){asyncio_future_ref(task), error};
}

static void cancel_children(struct asyncio_taskgroup *group)
{
    struct asyncio_link *link, *next;

    group->aborting = true;
    LIST_FOR_EACH(link, next, &group->children)
        asyncio_future_cancel(LIST_ENTRY(link, struct child, link)->task);
}

/* Cancels the rest of the group and, once, the body. */
static void abort_group(struct asyncio_taskgroup *group)
{
    /* One that is ending already must not be cancelled in the middle of its cleanup. */
    if (!group->aborting)
        cancel_children(group);
    if (group->parent_cancel_requested || group->state == FINISHED)
        return;
    group->parent_cancel_requested = true;
    group->pending = asyncio__task_of(group->parent)->must_cancel;
    group->requests = asyncio__task_of(group->parent)->requests;
    asyncio_future_cancel(group->parent);
}

static void child_failed(struct asyncio_taskgroup *group, struct asyncio_future *task, int error)
{
    add_error(group, task, error);
    if (!group->aborting)
        abort_group(group);
}

static void child_is_done(struct asyncio_node *node)
{
    struct child *child = CONTAINER_OF(node, struct child, node);
    struct asyncio_taskgroup *group = child->group;
    struct asyncio_future *task = child->task;

    list_unlink(&child->link);
    asyncio__free(child);
    if (--group->n_children == 0 && group->waiter)
        asyncio_unpark(group->waiter, 0);
    if (task->state == FUTURE_FINISHED && task->result < 0)
        child_failed(group, task, asyncio_future_result(task));
    asyncio__unref(task);
}

int asyncio_taskgroup_enter(struct asyncio_taskgroup *group)
{
    struct asyncio__task *task = asyncio__current();

    if (!group)
        return -EINVAL;
    if (!task)
        return -ASYNCIO_ENOTASK;
    if (group->state != NOT_ENTERED)
        return -ASYNCIO_EINVALIDSTATE;
    list_init(&group->children);
    group->state = ENTERED;
    group->parent = &task->future;
    /* A cancel that the task has not met yet will be met within: it counts as one that comes from outside later. */
    group->cancelling = task->cancelling - task->must_cancel;
    if (group->cancel_called)
        abort_group(group);
    return 0;
}

static bool takes_children(const struct asyncio_taskgroup *group)
{
    if (group->state == NOT_ENTERED || group->state == FINISHED || group->aborting)
        return false;
    return group->state == ENTERED || group->n_children > 0;
}

struct asyncio_future *asyncio_taskgroup_create_task_kw(struct asyncio_taskgroup *group, asyncio_coro *fn, void *arg,
                                                        const struct asyncio_task_kw *kw)
{
    struct asyncio_future *task;
    struct child *child = NULL;
    int error = 0;

    if (!group || !fn)
        error = -EINVAL;
    else if (!takes_children(group))
        error = -ASYNCIO_EINVALIDSTATE;
    else if (!(child = asyncio__malloc(sizeof *child)))
        error = -ENOMEM;
    if (error < 0) {
        if (kw && kw->free_arg)
            kw->free_arg(arg);
        if (error == -ENOMEM)
            child_failed(group, NULL, error);
        return asyncio__failed_future(error);
    }
    /* An eager child may end, or cancel the group, before it is registered. */
    asyncio_node_init(&child->node, child_is_done, NULL);
    child->group = group;
    list_push_back(&group->children, &child->link);
    group->n_children++;
    child->task = asyncio__failed_future(-ENOMEM);
    task = asyncio_loop_create_task_kw(group->parent->scheduler->loop, fn, arg, kw);
    child->task = task;
    if (asyncio__is_done(task))
        asyncio__schedule(group->parent->scheduler->loop, &child->node);
    else
        asyncio__future_watch(task, &child->node);
    if (group->aborting)
        asyncio_future_cancel(task);
    return task;
}

void asyncio_taskgroup_cancel(struct asyncio_taskgroup *group)
{
    if (!group || group->cancel_called)
        return;
    group->cancel_called = true;
    if (group->state == ENTERED || group->state == EXITING)
        abort_group(group);
}

/* Waits until the last child's end has been seen; a cancel meanwhile cancels the children, and is counted by the
 * task. */
static bool wait_for_children(struct asyncio_taskgroup *group)
{
    struct asyncio_waiter waiter;
    bool cancelled = false;

    while (group->n_children > 0) {
        ASYNCIO_IGNORE(asyncio_waiter_init(&waiter, &exit_kind, group));
        group->waiter = &waiter;
        if (asyncio_park(&waiter) == -ECANCELED) {
            cancelled = true;
            if (!group->aborting)
                cancel_children(group);
        }
        group->waiter = NULL;
    }
    return cancelled;
}

/* Takes the group's own cancel back. One that the body ended without meeting must not meet what follows, unless it is
 * others' too. */
static void take_back(const struct asyncio_taskgroup *group, struct asyncio__task *task)
{
    asyncio_task_uncancel(&task->future);
    if (!group->pending && task->requests == group->requests + 1)
        task->must_cancel = false;
}

static void forget_errors_unless_kept(struct asyncio_taskgroup *group)
{
    if (!group->keep_errors)
        asyncio_taskgroup_fini(group);
}

int asyncio_taskgroup_exit(struct asyncio_taskgroup *group, int r)
{
    struct asyncio__task *task = asyncio__current();
    bool cancelled, foreign;

    if (!group)
        return -EINVAL;
    if (!task)
        return -ASYNCIO_ENOTASK;
    if (group->state != ENTERED || group->parent != &task->future)
        return r < 0 ? r : -ASYNCIO_EINVALIDSTATE;
    group->state = EXITING;
    if (r < 0 && !group->aborting)
        cancel_children(group);
    cancelled = wait_for_children(group) || r == -ECANCELED;
    group->state = FINISHED;
    if (group->parent_cancel_requested)
        take_back(group, task);
    foreign = task->cancelling > group->cancelling;
    if (r < 0 && r != -ECANCELED)
        add_error(group, NULL, r);
    if (group->first_error < 0) {
        int error = group->first_error;

        /* The error is what the block ends with; whoever else cancelled the task is heard at its next wait. */
        if (foreign && cancelled)
            task->must_cancel = true;
        forget_errors_unless_kept(group);
        return error;
    }
    if (foreign && cancelled)
        return -ECANCELED;
    /* A body that ended cancelled without anybody's cancel has met a cancelled future. */
    if (r == -ECANCELED)
        return group->parent_cancel_requested ? 0 : -ECANCELED;
    return r;
}

const struct asyncio_taskgroup_error *asyncio_taskgroup_errors(const struct asyncio_taskgroup *group, size_t *ret_n)
{
    if (ret_n)
        *ret_n = group ? group->n_errors : 0;
    return group ? group->errors : NULL;
}

void asyncio_taskgroup_fini(struct asyncio_taskgroup *group)
{
    if (!group)
        return;
    for (size_t i = 0; i < group->n_errors; i++)
        asyncio_future_unref(group->errors[i].task);
    asyncio__free(group->errors);
    group->errors = NULL;
    group->n_errors = group->errors_capacity = 0;
}
