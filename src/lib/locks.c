/* locks.c -- Lock, Event, Condition and Semaphore.
 *
 * All of them are fair, and none loses a wake-up: whoever is woken is off the list of waiters, and what it was woken
 * with (the lock, a unit, a notification) is its own to use or, when it is cancelled before it runs, to pass on. So:
 *   - a lock that is free while somebody waits is being handed over: `handing_over`;
 *   - units of a semaphore that are free while somebody waits have a woken waiter before them: `woken` > 0;
 *   - a primitive is bound to a loop exactly while somebody waits on it or has been woken, a lock also while it is
 *     held. */
#include "../task/task.h"
#include "lib.h"

#include <inttypes.h>

/* ------------------------------------------------------------------------------------------------------------ Lock */

void asyncio_lock_init(struct asyncio_lock *lock)
{
    if (lock)
        *lock = (struct asyncio_lock)ASYNCIO_LOCK_INIT;
}

void asyncio_lock_fini(struct asyncio_lock *lock)
{
    if (!lock)
        return;
    assert(list_empty(&lock->waiters) && !lock->handing_over);
    *lock = (struct asyncio_lock)ASYNCIO_LOCK_INIT;
}

/* A free lock goes to the first waiter, or to nobody. */
static void hand_over(struct asyncio_lock *lock)
{
    struct asyncio_waiter *next = asyncio__first_waiter(&lock->waiters);

    assert(!lock->locked);
    lock->handing_over = next != NULL;
    if (next)
        asyncio__wake(next, 0);
    else
        lock->loop = NULL;
}

static void lock_give_back(struct asyncio_waiter *waiter)
{
    hand_over(waiter->object);
}

static void lock_describe(const struct asyncio_waiter *waiter, char *buffer, size_t size)
{
    const struct asyncio_lock *lock = waiter->object;
    struct asyncio__label label = asyncio__label("lock", lock->name);

    if (lock->owner)
        snprintf(buffer, size, "%s held by task #%" PRIu64, label.text, lock->owner);
    else
        snprintf(buffer, size, "%s %s", label.text, lock->locked ? "held by no task" : "being handed over");
}

static const struct asyncio_wait_kind lock_kind = {
    .name = "lock",
    .late = ASYNCIO_LATE_GIVE_BACK,
    .give_back = lock_give_back,
    .describe = lock_describe,
};

int asyncio_lock_acquire(struct asyncio_lock *lock)
{
    struct asyncio_waiter waiter;
    struct asyncio_loop *loop;
    int r;

    if (!lock)
        return -EINVAL;
    r = asyncio__may_wait(lock->loop, &loop);
    if (r < 0)
        return r;
    if (lock->locked || lock->handing_over) {
        r = asyncio_waiter_init(&waiter, &lock_kind, lock);
        if (r < 0)
            return r;
        list_ready(&lock->waiters);
        list_push_back(&lock->waiters, &waiter.link);
        r = (int)asyncio_park(&waiter);
        if (r < 0)
            return r; /* the lock is somebody else's now and may be gone */
    }
    assert(!lock->locked);
    lock->loop = loop;
    lock->locked = true;
    lock->handing_over = false;
    lock->owner = asyncio__task_number(asyncio_current_task());
    return 0;
}

int asyncio_lock_release(struct asyncio_lock *lock)
{
    if (!lock)
        return -EINVAL;
    if (!lock->locked)
        return -EPERM;
    if (asyncio__is_foreign(lock->loop))
        return -ASYNCIO_EFOREIGNLOOP;
    lock->locked = false;
    lock->owner = 0;
    hand_over(lock);
    return 0;
}

bool asyncio_lock_locked(const struct asyncio_lock *lock)
{
    return lock && lock->locked;
}

/* ----------------------------------------------------------------------------------------------------------- Event */

void asyncio_event_init(struct asyncio_event *event)
{
    if (event)
        *event = (struct asyncio_event)ASYNCIO_EVENT_INIT;
}

void asyncio_event_fini(struct asyncio_event *event)
{
    if (!event)
        return;
    assert(list_empty(&event->waiters));
    *event = (struct asyncio_event)ASYNCIO_EVENT_INIT;
}

static enum asyncio_cancel_answer event_cancel(struct asyncio_waiter *waiter)
{
    asyncio__event_withdraw(waiter->object, waiter);
    return ASYNCIO_CANCELLED;
}

static void event_describe(const struct asyncio_waiter *waiter, char *buffer, size_t size)
{
    const struct asyncio_event *event = waiter->object;

    snprintf(buffer, size, "%s", asyncio__label("event", event->name).text);
}

static const struct asyncio_wait_kind event_kind = {
    .name = "event",
    .late = ASYNCIO_LATE_CANCEL,
    .cancel = event_cancel,
    .describe = event_describe,
};

void asyncio__event_enlist(struct asyncio_event *event, struct asyncio_waiter *waiter)
{
    list_ready(&event->waiters);
    list_push_back(&event->waiters, &waiter->link);
    event->loop = asyncio_get_running_loop();
}

void asyncio__event_withdraw(struct asyncio_event *event, struct asyncio_waiter *waiter)
{
    list_remove(&waiter->link);
    if (list_empty(&event->waiters))
        event->loop = NULL;
}

int asyncio_event_wait(struct asyncio_event *event)
{
    struct asyncio_waiter waiter;
    struct asyncio_loop *loop;
    int r;

    if (!event)
        return -EINVAL;
    r = asyncio__may_wait(event->loop, &loop);
    if (r < 0)
        return r;
    if (event->value)
        return 0;
    r = asyncio_waiter_init(&waiter, &event_kind, event);
    if (r < 0)
        return r;
    asyncio__event_enlist(event, &waiter);
    return (int)asyncio_park(&waiter);
}

void asyncio_event_set(struct asyncio_event *event)
{
    if (!event)
        return;
    assert(!asyncio__is_foreign(event->loop));
    event->value = true;
    event->loop = NULL;
    asyncio__wake_all(&event->waiters, 0);
}

void asyncio_event_clear(struct asyncio_event *event)
{
    if (event)
        event->value = false;
}

bool asyncio_event_is_set(const struct asyncio_event *event)
{
    return event && event->value;
}

/* ------------------------------------------------------------------------------------------------------- Condition */

void asyncio_condition_init(struct asyncio_condition *condition, struct asyncio_lock *lock)
{
    if (condition)
        *condition = (struct asyncio_condition){.lock = lock};
}

void asyncio_condition_fini(struct asyncio_condition *condition)
{
    if (!condition)
        return;
    assert(condition->n_inside == 0);
    asyncio_lock_fini(&condition->own_lock);
    *condition = (struct asyncio_condition)ASYNCIO_CONDITION_INIT;
}

static struct asyncio_lock *lock_of(struct asyncio_condition *condition)
{
    return condition->lock ? condition->lock : &condition->own_lock;
}

/* The loop of those who wait, whether or not the lock is bound just now. */
static struct asyncio_loop *loop_of(const struct asyncio_condition *condition)
{
    const struct asyncio_waiter *first = asyncio__first_waiter(&condition->waiters);

    return first ? asyncio_future_get_loop(first->task) : NULL;
}

int asyncio_condition_acquire(struct asyncio_condition *condition)
{
    return condition ? asyncio_lock_acquire(lock_of(condition)) : -EINVAL;
}

int asyncio_condition_release(struct asyncio_condition *condition)
{
    return condition ? asyncio_lock_release(lock_of(condition)) : -EINVAL;
}

bool asyncio_condition_locked(const struct asyncio_condition *condition)
{
    return condition && asyncio_lock_locked(condition->lock ? condition->lock : &condition->own_lock);
}

struct condition_wait {
    struct asyncio_waiter waiter;
    bool notified; /* and then cancelled before it ran */
};

/* The lock comes first: the notification is passed on when it is held again. */
static void condition_give_back(struct asyncio_waiter *waiter)
{
    CONTAINER_OF(waiter, struct condition_wait, waiter)->notified = true;
}

static void condition_describe(const struct asyncio_waiter *waiter, char *buffer, size_t size)
{
    const struct asyncio_condition *condition = waiter->object;

    snprintf(buffer, size, "%s", asyncio__label("condition", condition->name).text);
}

static const struct asyncio_wait_kind condition_kind = {
    .name = "condition",
    .late = ASYNCIO_LATE_GIVE_BACK,
    .give_back = condition_give_back,
    .describe = condition_describe,
};

static void notify(struct asyncio_condition *condition, size_t n)
{
    struct asyncio_waiter *waiter;

    while (n-- > 0 && (waiter = asyncio__first_waiter(&condition->waiters)))
        asyncio__wake(waiter, 0);
}

/* Takes the lock however often the task is cancelled meanwhile; ends because each cancel is delivered once.
 * Returns: 0; -ECANCELED, with the lock; any other error without it. */
static ASYNCIO__SUSPENDS int reacquire(struct asyncio_lock *lock)
{
    int r, cancelled = 0;

    while ((r = asyncio_lock_acquire(lock)) == -ECANCELED)
        cancelled = -ECANCELED;
    return r < 0 ? r : cancelled;
}

/* While the lock was waited for, other tasks may have had errors with details of their own. */
static void restore_cancel_message(const struct asyncio_future *task)
{
    if (task->cancel_message)
        asyncio__set_detail("%s", task->cancel_message);
}

int asyncio_condition_wait(struct asyncio_condition *condition)
{
    struct condition_wait wait = {.notified = false};
    struct asyncio_lock *lock;
    struct asyncio_loop *loop;
    int r, r_lock;

    if (!condition)
        return -EINVAL;
    r = asyncio__may_wait(loop_of(condition), &loop);
    if (r < 0)
        return r;
    r = asyncio_waiter_init(&wait.waiter, &condition_kind, condition);
    if (r < 0)
        return r;
    lock = lock_of(condition);
    r = asyncio_lock_release(lock);
    if (r < 0)
        return r;
    list_ready(&condition->waiters);
    list_push_back(&condition->waiters, &wait.waiter.link);
    condition->n_inside++;
    r = (int)asyncio_park(&wait.waiter);
    wait.notified |= r == 0;
    r_lock = reacquire(lock);
    if (r_lock < 0)
        r = r_lock;
    if (r < 0 && wait.notified)
        notify(condition, 1); /* this task does not act on it, so another has to */
    if (r == -ECANCELED)
        restore_cancel_message(wait.waiter.task);
    condition->n_inside--;
    return r;
}

int asyncio_condition_wait_for(struct asyncio_condition *condition, int (*predicate)(void *arg), void *arg)
{
    int r;

    if (!condition || !predicate)
        return -EINVAL;
    if (!asyncio_current_task())
        return -ASYNCIO_ENOTASK;
    while ((r = predicate(arg)) == 0) {
        r = asyncio_condition_wait(condition);
        if (r < 0)
            break;
    }
    return r;
}

int asyncio_condition_notify(struct asyncio_condition *condition, size_t n)
{
    const struct asyncio_lock *lock;

    if (!condition)
        return -EINVAL;
    lock = lock_of(condition);
    if (!lock->locked)
        return -EPERM;
    if (asyncio__is_foreign(lock->loop) || asyncio__is_foreign(loop_of(condition)))
        return -ASYNCIO_EFOREIGNLOOP;
    notify(condition, n);
    return 0;
}

int asyncio_condition_notify_all(struct asyncio_condition *condition)
{
    return asyncio_condition_notify(condition, SIZE_MAX);
}

/* ------------------------------------------------------------------------------------------------------- Semaphore */

int asyncio_semaphore_init(struct asyncio_semaphore *semaphore, long value)
{
    if (!semaphore || value < 0)
        return -EINVAL;
    *semaphore = (struct asyncio_semaphore)ASYNCIO_SEMAPHORE_INIT((size_t)value);
    return 0;
}

int asyncio_bounded_semaphore_init(struct asyncio_semaphore *semaphore, long value)
{
    if (!semaphore || value < 0)
        return -EINVAL;
    *semaphore = (struct asyncio_semaphore)ASYNCIO_BOUNDED_SEMAPHORE_INIT((size_t)value);
    return 0;
}

void asyncio_semaphore_fini(struct asyncio_semaphore *semaphore)
{
    if (!semaphore)
        return;
    assert(list_empty(&semaphore->waiters) && semaphore->woken == 0);
    *semaphore = (struct asyncio_semaphore){0};
}

/* The releaser takes the unit for whom it wakes, so that nobody can come between. Returns: false when nobody waits. */
static bool wake_with_unit(struct asyncio_semaphore *semaphore)
{
    struct asyncio_waiter *waiter = asyncio__first_waiter(&semaphore->waiters);

    if (!waiter)
        return false;
    semaphore->value--;
    semaphore->woken++;
    asyncio__wake(waiter, 0);
    return true;
}

static void unbind_idle(struct asyncio_semaphore *semaphore)
{
    if (semaphore->woken == 0 && list_empty(&semaphore->waiters))
        semaphore->loop = NULL;
}

/* A woken waiter has run. Those who came while it had not had to queue even though units were left: now they get
 * them. */
static void unit_arrived(struct asyncio_semaphore *semaphore)
{
    semaphore->woken--;
    while (semaphore->value > 0 && wake_with_unit(semaphore))
        ;
    unbind_idle(semaphore);
}

static void semaphore_give_back(struct asyncio_waiter *waiter)
{
    struct asyncio_semaphore *semaphore = waiter->object;

    semaphore->value++;
    unit_arrived(semaphore);
}

static enum asyncio_cancel_answer semaphore_cancel(struct asyncio_waiter *waiter)
{
    list_remove(&waiter->link);
    unbind_idle(waiter->object);
    return ASYNCIO_CANCELLED;
}

static void semaphore_describe(const struct asyncio_waiter *waiter, char *buffer, size_t size)
{
    const struct asyncio_semaphore *semaphore = waiter->object;

    snprintf(buffer, size, "%s with %zu free", asyncio__label("semaphore", semaphore->name).text, semaphore->value);
}

static const struct asyncio_wait_kind semaphore_kind = {
    .name = "semaphore",
    .late = ASYNCIO_LATE_GIVE_BACK,
    .cancel = semaphore_cancel,
    .give_back = semaphore_give_back,
    .describe = semaphore_describe,
};

bool asyncio_semaphore_locked(const struct asyncio_semaphore *semaphore)
{
    return semaphore && (semaphore->value == 0 || semaphore->woken > 0 || !list_empty(&semaphore->waiters));
}

int asyncio_semaphore_acquire(struct asyncio_semaphore *semaphore)
{
    struct asyncio_waiter waiter;
    struct asyncio_loop *loop;
    int r;

    if (!semaphore)
        return -EINVAL;
    r = asyncio__may_wait(semaphore->loop, &loop);
    if (r < 0)
        return r;
    if (!asyncio_semaphore_locked(semaphore)) {
        semaphore->value--;
        return 0;
    }
    r = asyncio_waiter_init(&waiter, &semaphore_kind, semaphore);
    if (r < 0)
        return r;
    list_ready(&semaphore->waiters);
    list_push_back(&semaphore->waiters, &waiter.link);
    semaphore->loop = loop;
    r = (int)asyncio_park(&waiter);
    if (r == 0)
        unit_arrived(semaphore);
    return r;
}

int asyncio_semaphore_release(struct asyncio_semaphore *semaphore)
{
    if (!semaphore)
        return -EINVAL;
    if (semaphore->value >= semaphore->bound)
        return -EOVERFLOW;
    if (asyncio__is_foreign(semaphore->loop))
        return -ASYNCIO_EFOREIGNLOOP;
    semaphore->value++;
    wake_with_unit(semaphore);
    return 0;
}
