/* lib.h -- what the primitives of this floor share: to which loop one belongs, and how those who wait on it are
 * woken.
 *
 * A list of waiters holds two sorts: waits of tasks, and branches of asyncio_select, of which one task has several.
 * Both are a struct asyncio_waiter; asyncio__wake tells them apart, so that no primitive has to. */
#pragma once

#include "../base/base.h"
#include "../base/list.h"

#include <asyncio_lowlevel.h>

#include <stdio.h>

/* --------------------------------------------------------------------------------------------- Belonging to a loop */

/* True when a primitive is bound to a loop that is not the one running here. Without a running loop anybody may
 * touch it. */
static inline bool asyncio__is_foreign(const struct asyncio_loop *bound)
{
    const struct asyncio_loop *running;

    if (!bound)
        return false;
    running = asyncio_get_running_loop();
    return running && running != bound;
}

/* What every call that may wait asks first. Returns: 0 and the running loop; -ASYNCIO_ENOTASK;
 * -ASYNCIO_EFOREIGNLOOP. */
static inline int asyncio__may_wait(const struct asyncio_loop *bound, struct asyncio_loop **ret_loop)
{
    struct asyncio_loop *running;

    if (!asyncio_current_task())
        return -ASYNCIO_ENOTASK;
    running = asyncio_get_running_loop();
    if (bound && bound != running)
        return -ASYNCIO_EFOREIGNLOOP;
    *ret_loop = running;
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------- Waking */

/* A branch of a select that stands in the list of a primitive; its waiter is complete when it has been woken. */
struct asyncio__branch {
    struct asyncio_waiter waiter;
    struct asyncio_waiter *whole; /* what the task is parked on */
};

extern const struct asyncio_wait_kind asyncio__branch_kind;

/* Ends a wait, or tells a select that one of its branches may be possible. */
static inline void asyncio__wake(struct asyncio_waiter *waiter, int64_t result)
{
    if (LIKELY(waiter->kind != &asyncio__branch_kind)) {
        asyncio_unpark(waiter, result);
        return;
    }
    list_remove(&waiter->link);
    waiter->complete = true;
    asyncio_unpark(CONTAINER_OF(waiter, struct asyncio__branch, waiter)->whole, 0);
}

/* Who has waited longest; NULL when nobody does. */
static inline struct asyncio_waiter *asyncio__first_waiter(const struct asyncio_link *waiters)
{
    return list_empty(waiters) ? NULL : LIST_ENTRY(waiters->next, struct asyncio_waiter, link);
}

#define ASYNCIO__WAITERS_AHEAD 8

/* Asks for the stacks of those who come after a waiter. Each link has to be there before the next can be asked for; but
 * tasks that began to wait in turn tend to lie a stride apart, so that some steps ahead can be guessed. */
__attribute__((always_inline)) static inline void asyncio__prefetch_waiters(const struct asyncio_waiter *waiter)
{
    uintptr_t here = (uintptr_t)waiter, stride = (uintptr_t)waiter->link.next - here;
    uintptr_t there = here + stride * ASYNCIO__WAITERS_AHEAD;

    __builtin_prefetch((const void *)there);
    __builtin_prefetch((const void *)(there + 64));
}

/* Wakes everybody in a list. */
static inline void asyncio__wake_all(struct asyncio_link *waiters, int64_t result)
{
    struct asyncio_waiter *waiter;

    while ((waiter = asyncio__first_waiter(waiters))) {
        asyncio__prefetch_waiters(waiter);
        asyncio__wake(waiter, result);
    }
}

/* ---------------------------------------------------------------------------------------------------- For select.c */

/* Puts a branch behind those who wait for the event. */
void asyncio__event_enlist(struct asyncio_event *event, struct asyncio_waiter *waiter);

/* Takes it away again, woken or not. */
void asyncio__event_withdraw(struct asyncio_event *event, struct asyncio_waiter *waiter);

/* True when asyncio_queue_get, or put, would not wait. */
bool asyncio__queue_can_get(const struct asyncio_queue *queue);
bool asyncio__queue_can_put(const struct asyncio_queue *queue);

/* Puts a branch among those who wait for an item, or for room: at the end or, when it was there before, at its old
 * place. */
void asyncio__queue_enlist_getter(struct asyncio_queue *queue, struct asyncio_waiter *waiter);
void asyncio__queue_enlist_putter(struct asyncio_queue *queue, struct asyncio_waiter *waiter);

/* Takes it away again. One that had been woken passes that on, unless it `used` what it had been woken for. */
void asyncio__queue_withdraw_getter(struct asyncio_queue *queue, struct asyncio_waiter *waiter, bool used);
void asyncio__queue_withdraw_putter(struct asyncio_queue *queue, struct asyncio_waiter *waiter, bool used);

/* ------------------------------------------------------------------------------------------------------ Describing */

struct asyncio__label {
    char text[64];
};

/* "lock 'db'", or "lock" when it has no name. */
static inline struct asyncio__label asyncio__label(const char *noun, const char *name)
{
    struct asyncio__label label;

    if (name)
        snprintf(label.text, sizeof label.text, "%s '%.40s'", noun, name);
    else
        snprintf(label.text, sizeof label.text, "%s", noun);
    return label;
}
