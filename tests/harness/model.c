/* model.c -- see model.h. */
#include "model.h"

#include "task/task.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

void (*model_broken)(const char *rule, const char *what);

static void rule(bool holds, const char *text, const char *what)
{
    if (!holds)
        model_broken(text, what);
}

/* -------------------------------------------------------------------------------------------------------- Lines */

static void line_init(struct model_line *line, const void *model, const char *what,
                      bool (*may_stand)(const struct model_line *, const struct model_place *))
{
    *line = (struct model_line){.model = model, .what = what, .may_stand = may_stand};
}

/* A cancel has come since it began to wait, whether or not the task knows it yet. */
static bool is_being_cancelled(const struct model_place *place)
{
    return asyncio_task_cancelling(place->task) != place->cancelling;
}

bool model_cancel_is_pending(void)
{
    const struct asyncio__task *task = asyncio__current();

    return task && task->must_cancel;
}

void model_join(struct model_line *line, struct model_place *place, size_t mark)
{
    place->task = asyncio_current_task();
    place->cancelling = model_cancel_is_pending() ? -1 : asyncio_task_cancelling(place->task);
    place->mark = mark;
    place->notified = false;
    place->next = NULL;
    place->prev = line->last;
    if (line->last)
        line->last->next = place;
    else
        line->first = place;
    line->last = place;
}

void model_leave(struct model_line *line, struct model_place *place, bool served)
{
    if (served)
        for (const struct model_place *before = place->prev; before; before = before->prev)
            rule(is_being_cancelled(before), "first come, first served", line->what);
    if (place->next)
        place->next->prev = place->prev;
    else
        line->last = place->prev;
    if (place->prev)
        place->prev->next = place->next;
    else
        line->first = place->next;
}

size_t model_count(const struct model_line *line)
{
    size_t n = 0;

    for (const struct model_place *place = line->first; place; place = place->next)
        n += !is_being_cancelled(place);
    return n;
}

void model_check_still(const struct model_line *line)
{
    for (const struct model_place *place = line->first; place; place = place->next)
        rule(line->may_stand(line, place), "a wait has been forgotten", line->what);
}

/* --------------------------------------------------------------------------------------------------------- Lock */

static bool lock_is_taken(const struct model_line *line, const struct model_place *place)
{
    const struct model_lock *lock = line->model;

    (void)place;
    return lock->holder != NULL;
}

void model_lock_init(struct model_lock *lock)
{
    lock->holder = NULL;
    line_init(&lock->line, lock, "lock", lock_is_taken);
}

void model_lock_take(struct model_lock *lock, const void *who)
{
    rule(lock->holder == NULL, "a lock has one holder", lock->line.what);
    lock->holder = who;
}

void model_lock_give(struct model_lock *lock, const void *who)
{
    rule(lock->holder == who, "a lock stays with its holder", lock->line.what);
    lock->holder = NULL;
}

/* ---------------------------------------------------------------------------------------------------- Semaphore */

static bool no_unit_is_left(const struct model_line *line, const struct model_place *place)
{
    const struct model_semaphore *semaphore = line->model;

    (void)place;
    return semaphore->units == 0;
}

void model_semaphore_init(struct model_semaphore *semaphore, long units, long bound)
{
    semaphore->units = units;
    semaphore->bound = bound;
    line_init(&semaphore->line, semaphore, "semaphore", no_unit_is_left);
}

void model_semaphore_take(struct model_semaphore *semaphore)
{
    rule(semaphore->units > 0, "a semaphore gives no more units than it has", semaphore->line.what);
    semaphore->units--;
}

void model_semaphore_give(struct model_semaphore *semaphore, int r)
{
    bool full = semaphore->units >= semaphore->bound;

    rule(r == (full ? -EOVERFLOW : 0), "a release tells when a semaphore is full", semaphore->line.what);
    semaphore->units += !full;
}

/* ---------------------------------------------------------------------------------------------------- Condition */

/* Whoever has been notified still waits for the lock. */
static bool is_not_notified(const struct model_line *line, const struct model_place *place)
{
    const struct model_condition *condition = line->model;

    return condition->lock->holder || !place->notified;
}

void model_condition_init(struct model_condition *condition, struct model_lock *lock)
{
    condition->lock = lock;
    line_init(&condition->line, condition, "condition", is_not_notified);
}

void model_condition_notify(struct model_condition *condition, size_t n)
{
    for (struct model_place *place = condition->line.first; place && n > 0; place = place->next)
        if (!place->notified && !is_being_cancelled(place)) {
            place->notified = true;
            n--;
        }
}

void model_condition_returned(struct model_condition *condition, const struct model_place *place, int r)
{
    if (r >= 0)
        rule(place->notified, "a condition wakes nobody who was not notified", condition->line.what);
    else if (place->notified)
        model_condition_notify(condition, 1);
}

/* -------------------------------------------------------------------------------------------------------- Event */

static bool was_not_set(const struct model_line *line, const struct model_place *place)
{
    const struct model_event *event = line->model;

    return !event->is_set && event->n_set == place->mark;
}

void model_event_init(struct model_event *event)
{
    event->is_set = false;
    event->n_set = 0;
    line_init(&event->line, event, "event", was_not_set);
}

void model_event_set(struct model_event *event, bool value)
{
    event->is_set = value;
    event->n_set += value;
}

void model_event_returned(const struct model_event *event, size_t mark)
{
    rule(event->is_set || event->n_set != mark, "an event lets nobody pass before it is set", event->line.what);
}

/* ------------------------------------------------------------------------------------------------------ Barrier */

/* Whoever came while others were still leaving may have to wait until after a reset. */
static bool too_few_have_come(const struct model_line *line, const struct model_place *place)
{
    const struct model_barrier *barrier = line->model;
    bool was_blocked = place->mark == MODEL_BLOCKED;

    if (barrier->broken || (!was_blocked && place->mark != barrier->n_broken))
        return false;
    return model_count(line) < barrier->parties;
}

void model_barrier_init(struct model_barrier *barrier, size_t parties)
{
    memset(barrier, 0, sizeof *barrier);
    barrier->parties = parties;
    line_init(&barrier->line, barrier, "barrier", too_few_have_come);
}

void model_barrier_break(struct model_barrier *barrier, bool for_good)
{
    barrier->broken = for_good;
    barrier->n_broken++;
}

void model_barrier_returned(struct model_barrier *barrier, int r, size_t mark)
{
    if (r == -ASYNCIO_EBROKENBARRIER)
        rule(barrier->broken || barrier->n_broken != mark, "a barrier breaks only when told to", barrier->line.what);
    if (r < 0)
        return;
    rule((size_t)r < barrier->parties, "a place at a barrier is less than its parties", barrier->line.what);
    barrier->passed[r]++;
    rule(barrier->passed[r] * barrier->parties <= barrier->arrived, "each place of a barrier is given once a round",
         barrier->line.what);
}

/* -------------------------------------------------------------------------------------------------------- Queue */

bool model_queue_can_get(const struct model_queue *queue)
{
    return queue->count > 0 || queue->is_shut_down;
}

bool model_queue_can_put(const struct model_queue *queue)
{
    return queue->maxsize == 0 || queue->count < queue->maxsize || queue->is_shut_down;
}

static bool cannot_get(const struct model_line *line, const struct model_place *place)
{
    (void)place;
    return !model_queue_can_get(line->model);
}

static bool cannot_put(const struct model_line *line, const struct model_place *place)
{
    (void)place;
    return !model_queue_can_put(line->model);
}

static bool never_was_finished(const struct model_line *line, const struct model_place *place)
{
    const struct model_queue *queue = line->model;

    return queue->unfinished > 0 && queue->n_zero == place->mark;
}

void model_queue_init(struct model_queue *queue, int kind, size_t maxsize)
{
    memset(queue, 0, sizeof *queue);
    queue->kind = kind;
    queue->maxsize = maxsize;
    line_init(&queue->getters, queue, "getters of a queue", cannot_get);
    line_init(&queue->putters, queue, "putters of a queue", cannot_put);
    line_init(&queue->joiners, queue, "joiners of a queue", never_was_finished);
}

void model_queue_put(struct model_queue *queue, int item, int r)
{
    if (r == -ASYNCIO_EQUEUESHUTDOWN)
        rule(queue->is_shut_down, "a put is refused after a shutdown only", queue->putters.what);
    if (r == -ASYNCIO_EQUEUEFULL)
        rule(!model_queue_can_put(queue), "a queue is full when it is full", queue->putters.what);
    if (r < 0)
        return;
    rule(!queue->is_shut_down && model_queue_can_put(queue), "a queue takes no more than fits", queue->putters.what);
    rule(queue->count < MODEL_QUEUE_ITEMS, "the test has room for all items", queue->putters.what);
    queue->items[queue->count++] = item;
    queue->unfinished++;
}

/* Where the item stands that has to come out now. */
static size_t next_out(const struct model_queue *queue)
{
    size_t next = queue->kind == ASYNCIO_QUEUE_LIFO ? queue->count - 1 : 0;

    if (queue->kind == ASYNCIO_QUEUE_PRIORITY)
        for (size_t i = 1; i < queue->count; i++)
            if (queue->items[i] < queue->items[next])
                next = i;
    return next;
}

void model_queue_get(struct model_queue *queue, int item, int r)
{
    size_t next;

    if (r == -ASYNCIO_EQUEUESHUTDOWN)
        rule(queue->is_shut_down && queue->count == 0, "what is in a queue outlives its shutdown", queue->getters.what);
    if (r == -ASYNCIO_EQUEUEEMPTY)
        rule(queue->count == 0, "a queue is empty when it is empty", queue->getters.what);
    if (r < 0)
        return;
    rule(queue->count > 0, "no item comes out that is not in", queue->getters.what);
    next = next_out(queue);
    rule(queue->items[next] == item, "items come out in order, once each", queue->getters.what);
    queue->count--;
    memmove(&queue->items[next], &queue->items[next + 1], (queue->count - next) * sizeof queue->items[0]);
}

static void finish(struct model_queue *queue, size_t n)
{
    queue->unfinished -= n;
    queue->n_zero += n > 0 && queue->unfinished == 0;
}

void model_queue_done(struct model_queue *queue, int r)
{
    rule(r == (queue->unfinished > 0 ? 0 : -EOVERFLOW), "task_done counts what was put", queue->joiners.what);
    if (r == 0)
        finish(queue, 1);
}

void model_queue_joined(const struct model_queue *queue, size_t mark)
{
    rule(queue->unfinished == 0 || queue->n_zero != mark, "join waits until all is done", queue->joiners.what);
}

void model_queue_shutdown(struct model_queue *queue, bool immediate)
{
    queue->is_shut_down = true;
    if (immediate) {
        finish(queue, queue->count < queue->unfinished ? queue->count : queue->unfinished);
        queue->count = 0;
    }
}
