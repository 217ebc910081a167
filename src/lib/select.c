/* select.c -- asyncio_select: the first of several things, without a task for each.
 *
 * The task parks once; each branch stands where a task of its own would stand, and waking a branch wakes the task.
 * Nothing is taken before the task runs again and looks, in the order of the branches, which of them can happen. So
 * a branch that loses has taken nothing, and all it has to do is to pass on the wake-up that it may have had. */
#include "../base/mem.h"
#include "../task/task.h"
#include "lib.h"

#include <limits.h>

/* As many branches need no allocation. */
#define BRANCHES_IN_FRAME 6

struct branch {
    struct asyncio__branch base; /* base.waiter.complete: it was woken */
    struct asyncio_case *request;
    bool submitted; /* the operation of an fd */
    bool done;      /* and it is the back end's no more */
    union {
        struct asyncio_node node;   /* on the list of a future */
        struct asyncio_timer timer; /* of a time */
        struct asyncio_op op;       /* of an fd */
    };
};

/* One select. */
struct selection {
    struct asyncio_waiter whole;
    struct branch *branches;
    size_t n;
};

struct case_kind {
    int (*check)(const struct asyncio_case *request);
    /* Makes the branch happen, if it can, and fills request->result. */
    bool (*happens)(struct branch *branch);
    int (*enlist)(struct branch *branch);
    /* Undoes enlist. `used`: what it was woken for is no longer there to be passed on. */
    void (*withdraw)(struct branch *branch, bool used);
};

static void wake(struct branch *branch)
{
    branch->base.waiter.complete = true;
    asyncio_unpark(branch->base.whole, 0);
}

/* ---------------------------------------------------------------------------------------------------------- Future */

static int check_future(const struct asyncio_case *request)
{
    struct asyncio_future *future = request->object;
    const struct asyncio_loop *loop = asyncio_future_get_loop(future);

    if (!future)
        return -EINVAL;
    if (loop && loop != asyncio_get_running_loop())
        return -ASYNCIO_EFOREIGNLOOP;
    return future == asyncio_current_task() ? -EDEADLK : 0;
}

static bool future_happens(struct branch *branch)
{
    if (!asyncio_future_done(branch->request->object))
        return false;
    branch->request->result = asyncio_future_result(branch->request->object);
    return true;
}

static void future_is_done(struct asyncio_node *node)
{
    wake(CONTAINER_OF(node, struct branch, node));
}

static int enlist_future(struct branch *branch)
{
    struct asyncio_future *future = asyncio_future_ref(branch->request->object);

    asyncio_node_init(&branch->node, future_is_done, NULL);
    asyncio__future_watch(future, &branch->node);
    return 0;
}

static void withdraw_future(struct branch *branch, bool used)
{
    (void)used;
    asyncio_node_cancel(&branch->node);
    asyncio_future_unref(branch->request->object);
}

/* ----------------------------------------------------------------------------------------------------------- Queue */

static int check_queue(const struct asyncio_case *request)
{
    const struct asyncio_queue *queue = request->object;

    if (!queue || (queue->kind == ASYNCIO_QUEUE_PRIORITY && !queue->compare))
        return -EINVAL;
    if (request->kind == ASYNCIO_CASE_GET && !request->ret_item)
        return -EINVAL;
    return asyncio__is_foreign(queue->loop) ? -ASYNCIO_EFOREIGNLOOP : 0;
}

static bool get_happens(struct branch *branch)
{
    if (!asyncio__queue_can_get(branch->request->object))
        return false;
    branch->request->result = asyncio_queue_get_nowait(branch->request->object, branch->request->ret_item);
    return true;
}

static int enlist_getter(struct branch *branch)
{
    asyncio__queue_enlist_getter(branch->request->object, &branch->base.waiter);
    return 0;
}

static void withdraw_getter(struct branch *branch, bool used)
{
    asyncio__queue_withdraw_getter(branch->request->object, &branch->base.waiter, used);
}

static bool put_happens(struct branch *branch)
{
    if (!asyncio__queue_can_put(branch->request->object))
        return false;
    branch->request->result = asyncio_queue_put_nowait(branch->request->object, branch->request->item);
    return true;
}

static int enlist_putter(struct branch *branch)
{
    asyncio__queue_enlist_putter(branch->request->object, &branch->base.waiter);
    return 0;
}

static void withdraw_putter(struct branch *branch, bool used)
{
    asyncio__queue_withdraw_putter(branch->request->object, &branch->base.waiter, used);
}

/* ----------------------------------------------------------------------------------------------------------- Event */

static int check_event(const struct asyncio_case *request)
{
    const struct asyncio_event *event = request->object;

    if (!event)
        return -EINVAL;
    return asyncio__is_foreign(event->loop) ? -ASYNCIO_EFOREIGNLOOP : 0;
}

/* Who was woken has seen the event set, even if it has been cleared since. */
static bool event_happens(struct branch *branch)
{
    if (!branch->base.waiter.complete && !asyncio_event_is_set(branch->request->object))
        return false;
    branch->request->result = 0;
    return true;
}

static int enlist_event(struct branch *branch)
{
    asyncio__event_enlist(branch->request->object, &branch->base.waiter);
    return 0;
}

/* An event that has woken its waiters may be gone. */
static void withdraw_event(struct branch *branch, bool used)
{
    (void)used;
    if (!branch->base.waiter.complete)
        asyncio__event_withdraw(branch->request->object, &branch->base.waiter);
}

/* -------------------------------------------------------------------------------------------------------------- Fd */

static int check_fd(const struct asyncio_case *request)
{
    unsigned known = ASYNCIO_READABLE | ASYNCIO_WRITABLE;

    return request->events == 0 || (request->events & ~known) ? -EINVAL : 0;
}

static void fd_is_ready(struct asyncio_op *op)
{
    struct branch *branch = op->owner;

    branch->done = true;
    wake(branch);
}

/* The first look submits the operation. */
static bool fd_happens(struct branch *branch)
{
    struct asyncio_case *request = branch->request;

    if (request->fd < 0) {
        request->result = -EBADF;
        return true;
    }
    if (!branch->submitted) {
        branch->op = (struct asyncio_op){
            .opcode = ASYNCIO_OP_POLL,
            .flags = ASYNCIO_OP_FOREIGN,
            .fd = request->fd,
            .poll.events = request->events,
            .complete = fd_is_ready,
            .owner = branch,
        };
        branch->submitted = true;
        branch->done = asyncio_op_submit(asyncio_get_running_loop(), &branch->op);
    }
    if (!branch->done)
        return false;
    request->result = (int)branch->op.result;
    return true;
}

/* It stands with the back end from the first look to release_fds. */
static int enlist_fd(struct branch *branch)
{
    (void)branch;
    return 0;
}

static void withdraw_fd(struct branch *branch, bool used)
{
    (void)branch;
    (void)used;
}

/* ------------------------------------------------------------------------------------------------------------ Time */

static int check_time(const struct asyncio_case *request)
{
    int64_t span_ns;

    return asyncio__ns_from_seconds(request->seconds, &span_ns);
}

static bool time_happens(struct branch *branch)
{
    if (!branch->base.waiter.complete && branch->request->seconds > 0)
        return false;
    branch->request->result = 0;
    return true;
}

static void time_is_over(struct asyncio_node *node)
{
    wake(CONTAINER_OF(node, struct branch, timer.node));
}

static int enlist_time(struct branch *branch)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    int64_t span_ns;
    int r = asyncio__ns_from_seconds(branch->request->seconds, &span_ns);

    asyncio_node_init(&branch->timer.node, time_is_over, NULL);
    return r < 0 ? r : asyncio_timer_arm(loop, &branch->timer, ns_add(asyncio_loop_now_ns(loop), span_ns));
}

static void withdraw_time(struct branch *branch, bool used)
{
    (void)used;
    asyncio_timer_disarm(asyncio_get_running_loop(), &branch->timer);
}

/* ---------------------------------------------------------------------------------------------------------- Select */

static const struct case_kind kinds[] = {
    [ASYNCIO_CASE_FUTURE] = {check_future, future_happens, enlist_future, withdraw_future},
    [ASYNCIO_CASE_GET] = {check_queue, get_happens, enlist_getter, withdraw_getter},
    [ASYNCIO_CASE_PUT] = {check_queue, put_happens, enlist_putter, withdraw_putter},
    [ASYNCIO_CASE_EVENT] = {check_event, event_happens, enlist_event, withdraw_event},
    [ASYNCIO_CASE_FD] = {check_fd, fd_happens, enlist_fd, withdraw_fd},
    [ASYNCIO_CASE_TIME] = {check_time, time_happens, enlist_time, withdraw_time},
};

static const struct case_kind *kind_of(const struct branch *branch)
{
    return &kinds[branch->request->kind];
}

/* Marks a waiter as a branch's; it is never parked on, so that the rest of the kind is never used. */
const struct asyncio_wait_kind asyncio__branch_kind = {.name = "branch of a select"};

/* Returns: the length that the text would have. */
static int describe_case(const struct asyncio_case *request, char *buffer, size_t size)
{
    const struct asyncio_queue *queue = request->object;
    const struct asyncio_event *event = request->object;

    switch (request->kind) {
    case ASYNCIO_CASE_FUTURE:
        return asyncio_future_repr(request->object, buffer, size);
    case ASYNCIO_CASE_GET:
        return snprintf(buffer, size, "item of %s", asyncio__label("queue", queue->name).text);
    case ASYNCIO_CASE_PUT:
        return snprintf(buffer, size, "room in %s", asyncio__label("queue", queue->name).text);
    case ASYNCIO_CASE_EVENT:
        return snprintf(buffer, size, "%s", asyncio__label("event", event->name).text);
    case ASYNCIO_CASE_FD:
        return snprintf(buffer, size, "fd %d", request->fd);
    default:
        return snprintf(buffer, size, "%g s", request->seconds);
    }
}

static void select_describe(const struct asyncio_waiter *waiter, char *buffer, size_t size)
{
    const struct selection *selection = waiter->object;
    size_t length = 0;

    for (size_t i = 0; i < selection->n && length < size; i++) {
        length += (size_t)snprintf(buffer + length, size - length, i == 0 ? "the first of: " : ", ");
        if (length < size)
            length += (size_t)describe_case(selection->branches[i].request, buffer + length, size - length);
    }
}

/* What a branch was woken for is still where it was: a cancel has nothing to bring back but wake-ups, which every
 * way out passes on. */
static const struct asyncio_wait_kind select_kind = {
    .name = "select",
    .late = ASYNCIO_LATE_CANCEL,
    .describe = select_describe,
};

/* The outcome of the select is known; the cancel meets the next wait. */
static enum asyncio_cancel_answer keep_cancel(struct asyncio_waiter *waiter)
{
    asyncio__task_of(waiter->task)->must_cancel = true;
    return ASYNCIO_WILL_COMPLETE;
}

/* The wait for an operation that the back end could not give up at once. */
static const struct asyncio_wait_kind release_kind = {
    .name = "release of an fd",
    .late = ASYNCIO_LATE_KEEP,
    .cancel = keep_cancel,
};

/* Returns: the index of the first branch that can happen, which then has; -EAGAIN. */
static int first_that_happens(struct selection *selection)
{
    for (size_t i = 0; i < selection->n; i++)
        if (kind_of(&selection->branches[i])->happens(&selection->branches[i]))
            return (int)i;
    return -EAGAIN;
}

/* Takes the first n branches back; `winner` may be an error. */
static void withdraw(struct selection *selection, size_t n, int winner)
{
    for (size_t i = 0; i < n; i++) {
        struct branch *branch = &selection->branches[i];

        kind_of(branch)->withdraw(branch, (int)i == winner);
    }
}

/* Takes back what the back end has, and waits where it cannot let go at once: until then the memory of an operation
 * is its own. */
static void release_fds(struct selection *selection)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct branch *branch, *end = selection->branches + selection->n;

    for (branch = selection->branches; branch < end; branch++)
        if (branch->submitted && !branch->done)
            branch->done = asyncio_op_cancel(loop, &branch->op);
    for (branch = selection->branches; branch < end; branch++)
        while (branch->submitted && !branch->done)
            if (asyncio_waiter_init(&selection->whole, &release_kind, branch) == 0)
                ASYNCIO_IGNORE(asyncio_park(&selection->whole));
}

static int enlist(struct selection *selection)
{
    for (size_t i = 0; i < selection->n; i++) {
        int r = kind_of(&selection->branches[i])->enlist(&selection->branches[i]);

        if (r < 0) {
            withdraw(selection, i, r);
            return r;
        }
    }
    return 0;
}

/* Branches that were woken for something that was taken before the task could run wait again, at their old places. */
static void enlist_again(struct selection *selection)
{
    for (size_t i = 0; i < selection->n; i++) {
        struct branch *branch = &selection->branches[i];

        if (!branch->base.waiter.complete)
            continue;
        kind_of(branch)->withdraw(branch, true);
        branch->base.waiter.complete = false;
        ASYNCIO_IGNORE(kind_of(branch)->enlist(branch));
    }
}

/* Returns: the index of the branch that has happened; an error, and none has. */
static int wait_for_first(struct selection *selection)
{
    int r = first_that_happens(selection);

    if (r != -EAGAIN)
        return r;
    r = enlist(selection);
    if (r < 0)
        return r;
    do {
        r = asyncio_waiter_init(&selection->whole, &select_kind, selection);
        if (r == 0)
            r = (int)asyncio_park(&selection->whole);
        if (r < 0)
            break;
        r = first_that_happens(selection);
        if (r == -EAGAIN)
            enlist_again(selection);
    } while (r == -EAGAIN);
    withdraw(selection, selection->n, r);
    return r;
}

static int check_cases(const struct asyncio_case *cases, size_t n, bool *ret_any_fd)
{
    *ret_any_fd = false;
    for (size_t i = 0; i < n; i++) {
        int r = -EINVAL;

        if (cases[i].kind >= ASYNCIO_CASE_FUTURE && cases[i].kind <= ASYNCIO_CASE_TIME)
            r = kinds[cases[i].kind].check(&cases[i]);
        if (r < 0)
            return r;
        *ret_any_fd |= cases[i].kind == ASYNCIO_CASE_FD;
    }
    return 0;
}

static void prepare_branches(struct selection *selection, struct asyncio_case *cases, struct asyncio_future *task)
{
    for (size_t i = 0; i < selection->n; i++) {
        struct branch *branch = &selection->branches[i];

        *branch = (struct branch){.request = &cases[i], .base.whole = &selection->whole};
        branch->base.waiter.kind = &asyncio__branch_kind;
        branch->base.waiter.object = cases[i].object;
        branch->base.waiter.task = task;
        list_init(&branch->base.waiter.link);
    }
}

int asyncio_select(struct asyncio_case *cases, size_t n)
{
    struct asyncio__task *task = asyncio__current();
    struct branch in_frame[BRANCHES_IN_FRAME];
    struct selection selection = {.whole.complete = true, .branches = in_frame, .n = n};
    bool any_fd;
    int r;

    if (!cases || n == 0 || n > INT_MAX)
        return -EINVAL;
    if (!task)
        return -ASYNCIO_ENOTASK;
    r = check_cases(cases, n, &any_fd);
    if (r == 0 && any_fd)
        r = asyncio__enter_io(task);
    if (r < 0)
        return r;
    if (n > BRANCHES_IN_FRAME)
        selection.branches = asyncio__malloc(n * sizeof in_frame[0]);
    if (!selection.branches)
        return -ENOMEM;
    prepare_branches(&selection, cases, &task->future);
    r = wait_for_first(&selection);
    if (any_fd)
        release_fds(&selection);
    if (selection.branches != in_frame)
        asyncio__free(selection.branches);
    return r;
}
