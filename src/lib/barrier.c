/* barrier.c -- Barrier: tasks that pass together.
 *
 * Invariants:
 *   - `count` is who has arrived and has not left: those in `waiters` while filling, and those who are woken but
 *     have not run;
 *   - filling means count < parties, and nobody is blocked;
 *   - draining and resetting end when count falls to 0; then those who were blocked arrive, in their order, without
 *     being woken for it. */
#include "lib.h"

#include <limits.h>

enum { FILLING, DRAINING, RESETTING, BROKEN };

/* One task inside asyncio_barrier_wait. */
struct arrival {
    struct asyncio_waiter waiter;
    bool counted; /* has arrived, is not blocked */
};

int asyncio_barrier_init(struct asyncio_barrier *barrier, long parties)
{
    if (!barrier || parties < 1 || parties > INT_MAX)
        return -EINVAL;
    *barrier = (struct asyncio_barrier)ASYNCIO_BARRIER_INIT((size_t)parties);
    return 0;
}

void asyncio_barrier_fini(struct asyncio_barrier *barrier)
{
    if (!barrier)
        return;
    assert(barrier->count == 0 && list_empty(&barrier->waiters) && list_empty(&barrier->blocked));
    *barrier = (struct asyncio_barrier){0};
}

/* Lets everybody in `waiters` pass. The last arrival goes first, as it does when it need not wait; then the others
 * as they came. Places are given here and not on arrival, so that each is given once even when somebody was
 * cancelled in between. */
static void open_barrier(struct asyncio_barrier *barrier, bool last_is_waiting)
{
    struct asyncio_waiter *waiter;
    int64_t place = 0;

    barrier->state = DRAINING;
    if (last_is_waiting)
        asyncio__wake(LIST_ENTRY(barrier->waiters.prev, struct asyncio_waiter, link), (int64_t)barrier->parties - 1);
    while ((waiter = asyncio__first_waiter(&barrier->waiters)))
        asyncio__wake(waiter, place++);
}

/* A barrier that begins to fill takes in those who were blocked, as far as they go. */
static void admit_blocked(struct asyncio_barrier *barrier)
{
    struct asyncio_link *link;

    while (barrier->state == FILLING && (link = list_pop_front(&barrier->blocked))) {
        LIST_ENTRY(link, struct arrival, waiter.link)->counted = true;
        list_ready(&barrier->waiters);
        list_push_back(&barrier->waiters, link);
        if (++barrier->count == barrier->parties)
            open_barrier(barrier, true);
    }
}

static void unbind_idle(struct asyncio_barrier *barrier)
{
    if (barrier->count == 0 && list_empty(&barrier->blocked))
        barrier->loop = NULL;
}

/* One who had arrived has gone, whichever way. */
static void leave(struct asyncio_barrier *barrier)
{
    assert(barrier->count > 0);
    barrier->count--;
    if (barrier->count == 0 && (barrier->state == DRAINING || barrier->state == RESETTING)) {
        barrier->state = FILLING;
        admit_blocked(barrier);
    }
    unbind_idle(barrier);
}

static enum asyncio_cancel_answer barrier_cancel(struct asyncio_waiter *waiter)
{
    struct asyncio_barrier *barrier = waiter->object;

    list_remove(&waiter->link);
    if (CONTAINER_OF(waiter, struct arrival, waiter)->counted)
        leave(barrier);
    else
        unbind_idle(barrier);
    return ASYNCIO_CANCELLED;
}

static void barrier_give_back(struct asyncio_waiter *waiter)
{
    if (CONTAINER_OF(waiter, struct arrival, waiter)->counted)
        leave(waiter->object);
}

static void barrier_describe(const struct asyncio_waiter *waiter, char *buffer, size_t size)
{
    const struct asyncio_barrier *barrier = waiter->object;
    struct asyncio__label label = asyncio__label("barrier", barrier->name);

    if (barrier->state == FILLING)
        snprintf(buffer, size, "%s where %zu of %zu have arrived", label.text, barrier->count, barrier->parties);
    else
        snprintf(buffer, size, "%s that %zu have yet to leave", label.text, barrier->count);
}

static const struct asyncio_wait_kind barrier_kind = {
    .name = "barrier",
    .late = ASYNCIO_LATE_GIVE_BACK,
    .cancel = barrier_cancel,
    .give_back = barrier_give_back,
    .describe = barrier_describe,
};

/* Arrives, or is blocked, and waits. Returns: the place; -ECANCELED; -ASYNCIO_EBROKENBARRIER. */
static int arrive_and_wait(struct asyncio_barrier *barrier)
{
    struct arrival arrival = {.counted = barrier->state == FILLING};
    bool passes;
    int r = asyncio_waiter_init(&arrival.waiter, &barrier_kind, barrier);

    if (r < 0)
        return r;
    barrier->loop = asyncio_get_running_loop();
    if (arrival.counted)
        barrier->count++;
    list_ready(&barrier->waiters);
    list_ready(&barrier->blocked);
    list_push_back(arrival.counted ? &barrier->waiters : &barrier->blocked, &arrival.waiter.link);
    r = (int)asyncio_park(&arrival.waiter);
    if (r == -ECANCELED || !arrival.counted)
        return r;
    /* A reset or abort also meets those who have been let through but have not run yet. */
    passes = r >= 0 && barrier->state == DRAINING;
    leave(barrier);
    return passes ? r : -ASYNCIO_EBROKENBARRIER;
}

int asyncio_barrier_wait(struct asyncio_barrier *barrier)
{
    struct asyncio_loop *loop;
    int r;

    if (!barrier || barrier->parties == 0)
        return -EINVAL;
    r = asyncio__may_wait(barrier->loop, &loop);
    if (r < 0)
        return r;
    if (barrier->state == BROKEN)
        return -ASYNCIO_EBROKENBARRIER;
    if (barrier->state != FILLING || barrier->count + 1 < barrier->parties)
        return arrive_and_wait(barrier);
    /* The last one goes straight on; alone it leaves nothing to drain. */
    if (barrier->count > 0)
        open_barrier(barrier, false);
    return (int)barrier->parties - 1;
}

void asyncio_barrier_reset(struct asyncio_barrier *barrier)
{
    if (!barrier)
        return;
    assert(!asyncio__is_foreign(barrier->loop));
    barrier->state = barrier->count > 0 ? RESETTING : FILLING;
    asyncio__wake_all(&barrier->waiters, -ASYNCIO_EBROKENBARRIER);
}

void asyncio_barrier_abort(struct asyncio_barrier *barrier)
{
    if (!barrier)
        return;
    assert(!asyncio__is_foreign(barrier->loop));
    barrier->state = BROKEN;
    asyncio__wake_all(&barrier->waiters, -ASYNCIO_EBROKENBARRIER);
    asyncio__wake_all(&barrier->blocked, -ASYNCIO_EBROKENBARRIER);
    unbind_idle(barrier);
}

size_t asyncio_barrier_parties(const struct asyncio_barrier *barrier)
{
    return barrier ? barrier->parties : 0;
}

size_t asyncio_barrier_n_waiting(const struct asyncio_barrier *barrier)
{
    return barrier && barrier->state == FILLING ? barrier->count : 0;
}

bool asyncio_barrier_broken(const struct asyncio_barrier *barrier)
{
    return barrier && barrier->state == BROKEN;
}
