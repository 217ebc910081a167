/* world.c -- see world.h. */
#include "world.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

struct world world;
int (*world_act)(struct actor *actor, int depth);

/* --------------------------------------------------------------------------------------------- Chance and words */

static uint64_t next_random(void)
{
    uint64_t x = world.random += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 31)) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ (x >> 29)) * UINT64_C(0xa0761d6478bd642f);
    return x ^ (x >> 32);
}

int pick(int n)
{
    return (int)(next_random() % (uint64_t)n);
}

bool chance(int one_in)
{
    return pick(one_in) == 0;
}

double now(void)
{
    return asyncio_loop_time(asyncio_get_running_loop());
}

void say(const struct actor *actor, const char *format, ...)
{
    va_list args;

    if (!world.loud)
        return;
    printf("[%8.3f] ", now());
    if (actor)
        printf("actor %d: ", actor->number);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void world_broken(const char *rule, const char *what)
{
    FAIL("world %" PRIu64 " breaks the rule for %s: %s", world.seed, what, rule);
}

/* --------------------------------------------------------------------------------------------------- Cancelling */

/* How many cancels an actor may have met: its own, those of its scopes, and those that came through who waits for
 * it. */
static int cancels_allowed(const struct actor *actor)
{
    int n = actor->cancels + actor->other_cancels;

    for (const struct scope *scope = actor->scopes; scope; scope = scope->outer)
        n += asyncio_timeout_expired(&scope->timeout);
    return actor->parent ? n + cancels_allowed(actor->parent) : n;
}

void met_cancel(struct actor *actor)
{
    actor->cancels_met++;
    say(actor, "meets a cancel");
    MUST(actor->cancels_met <= cancels_allowed(actor), "cancel", "each is delivered once");
}

static void cancel_actor(const struct actor *by, struct actor *actor)
{
    bool done = asyncio_future_done(actor->task);
    int r = asyncio_future_cancel(actor->task);

    say(by, "cancels actor %d: %d", actor->number, r);
    MUST(r == !done, "cancel", "it says whether it was in time");
    actor->cancels += r;
}

void cancel_somebody(const struct actor *by)
{
    struct actor *actor = &world.actors[pick((int)world.n_actors)];

    if (actor->task)
        cancel_actor(by, actor);
}

/* Cancels whoever stands first in a line that something was just handed to, in the moment before he has run. */
static void disturb(const struct actor *by, const struct model_line *line)
{
    if (!line->first || !chance(6))
        return;
    for (size_t i = 0; i < world.n_actors; i++)
        if (world.actors[i].task == line->first->task)
            cancel_actor(by, &world.actors[i]);
}

void begin_wait(struct actor *actor, struct wait *wait, struct model_line *line, size_t mark, const char *verb)
{
    say(actor, "%s %s", verb, line->what);
    wait->line = line;
    wait->since = now();
    model_join(line, &wait->place, mark);
}

void check_scopes(const struct actor *actor, double since)
{
    for (const struct scope *scope = actor->scopes; scope; scope = scope->outer) {
        double when = asyncio_timeout_when(&scope->timeout);

        MUST(when <= since || now() <= when, "timeout", "it ends a wait when its time comes");
    }
}

void end_wait(struct actor *actor, struct wait *wait, int r, bool in_order)
{
    model_leave(wait->line, &wait->place, r >= 0 && in_order);
    say(actor, "%s: %d", wait->line->what, r);
    check_scopes(actor, wait->since);
    if (r == -ECANCELED)
        met_cancel(actor);
}

int nap(struct actor *actor, double seconds)
{
    double since = now();
    int r = asyncio_sleep(seconds);

    if (r == 0)
        MUST(now() == since + (seconds > 0 ? seconds : 0), "sleep", "it ends when its time comes, not sooner");
    check_scopes(actor, since);
    if (r == -ECANCELED)
        met_cancel(actor);
    return r;
}

double some_time(void)
{
    return chance(4) ? 0 : TICK * pick(8);
}

/* What is done while something is held. */
static int linger(struct actor *actor, int depth)
{
    if (chance(3))
        return 0;
    return chance(4) && depth < MAX_DEPTH ? world_act(actor, depth + 1) : nap(actor, some_time());
}

/* --------------------------------------------------------------------------------------------------- Primitives */

static int take_lock(struct actor *actor, int i)
{
    struct model_lock *model = &world.lock_models[i];
    struct wait wait;
    int r;

    begin_wait(actor, &wait, &model->line, 0, "acquires");
    r = asyncio_lock_acquire(&world.locks[i]);
    end_wait(actor, &wait, r, true);
    MUST(r == 0 || r == -ECANCELED, "lock", "it is acquired or the wait is cancelled");
    if (r == 0)
        model_lock_take(model, actor);
    return r;
}

static void give_lock(const struct actor *actor, int i)
{
    say(actor, "releases lock");
    model_lock_give(&world.lock_models[i], actor);
    MUST(asyncio_lock_release(&world.locks[i]) == 0, "lock", "its holder can release it");
    disturb(actor, &world.lock_models[i].line);
}

int act_lock(struct actor *actor, int depth)
{
    int i = pick(N_LOCKS), r = 0;

    /* A task that takes a lock twice waits for itself. */
    if (world.lock_models[i].holder == actor)
        return 0;
    r = take_lock(actor, i);
    if (r == 0) {
        r = linger(actor, depth);
        give_lock(actor, i);
    }
    return r;
}

int act_semaphore(struct actor *actor, int depth)
{
    struct model_semaphore *model = &world.semaphore_model;
    struct wait wait;
    int r;

    begin_wait(actor, &wait, &model->line, 0, "acquires");
    r = asyncio_semaphore_acquire(&world.semaphore);
    end_wait(actor, &wait, r, true);
    if (r < 0)
        return r;
    model_semaphore_take(model);
    r = linger(actor, depth);
    say(actor, "releases semaphore");
    model_semaphore_give(model, asyncio_semaphore_release(&world.semaphore));
    disturb(actor, &model->line);
    return r;
}

int act_condition(struct actor *actor, int depth)
{
    struct wait wait;
    int r;

    (void)depth;
    if (world.lock_models[0].holder == actor)
        return 0;
    r = take_lock(actor, 0);
    if (r < 0)
        return r;
    if (chance(2)) {
        size_t n = chance(3) ? SIZE_MAX : 1;

        say(actor, "notifies %zd", (ssize_t)n);
        model_condition_notify(&world.condition_model, n);
        MUST(asyncio_condition_notify(&world.condition, n) == 0, "condition", "the lock's holder can notify");
        disturb(actor, &world.condition_model.line);
    } else {
        begin_wait(actor, &wait, &world.condition_model.line, 0, "waits for");
        model_lock_give(&world.lock_models[0], actor);
        r = asyncio_condition_wait(&world.condition);
        model_lock_take(&world.lock_models[0], actor);
        wait.since = ASYNCIO_FOREVER; /* the lock has to be taken again, however long that takes */
        end_wait(actor, &wait, r, true);
        model_condition_returned(&world.condition_model, &wait.place, r);
    }
    give_lock(actor, 0);
    return r;
}

void set_event(const struct actor *actor, bool value)
{
    say(actor, "%s the event", value ? "sets" : "clears");
    model_event_set(&world.event_model, value);
    if (value)
        asyncio_event_set(&world.event);
    else
        asyncio_event_clear(&world.event);
}

int act_event(struct actor *actor, int depth)
{
    size_t mark = world.event_model.n_set;
    struct wait wait;
    int r;

    (void)depth;
    if (chance(2)) {
        set_event(actor, chance(2));
        return 0;
    }
    begin_wait(actor, &wait, &world.event_model.line, mark, "waits for");
    r = asyncio_event_wait(&world.event);
    end_wait(actor, &wait, r, false);
    if (r == 0)
        model_event_returned(&world.event_model, mark);
    return r;
}

void break_barrier(const struct actor *actor)
{
    bool for_good = chance(2);

    say(actor, "%s the barrier", for_good ? "aborts" : "resets");
    model_barrier_break(&world.barrier_model, for_good);
    if (for_good)
        asyncio_barrier_abort(&world.barrier);
    else
        asyncio_barrier_reset(&world.barrier);
}

int act_barrier(struct actor *actor, int depth)
{
    struct model_barrier *model = &world.barrier_model;
    bool blocked = model->line.first && asyncio_barrier_n_waiting(&world.barrier) == 0;
    size_t mark = model->n_broken;
    struct wait wait;
    int r;

    (void)depth;
    if (chance(12)) {
        break_barrier(actor);
        return 0;
    }
    model->arrived++;
    begin_wait(actor, &wait, &model->line, blocked ? MODEL_BLOCKED : mark, "waits at");
    r = asyncio_barrier_wait(&world.barrier);
    end_wait(actor, &wait, r, false);
    model_barrier_returned(model, r, mark);
    disturb(actor, &model->line);
    return r < 0 ? r : 0;
}

/* ------------------------------------------------------------------------------------------------------- Queues */

/* Whoever comes while an item or room is there takes it at once, as in Python, and whoever was woken for it waits on.
 * Order is kept among those during whose wait this has not happened. */
static void pass_by(size_t *n_passed, const struct model_line *line)
{
    *n_passed += line->first != NULL;
}

static int items[MAX_ITEMS]; /* an item is a pointer into this, so that priority queues can compare */

static int compare_items(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Items of priority queues come in no order. */
static int new_item(void)
{
    int item = world.next_item++;

    items[item] = (item * 37) % 1009;
    return item;
}

int put_item(struct actor *actor, int i, bool wait_for_room)
{
    struct model_queue *model = &world.queue_models[i];
    int item, r;
    struct wait wait;

    if (model->count == MODEL_QUEUE_ITEMS || world.next_item == MAX_ITEMS)
        return 0;
    item = new_item();
    if (wait_for_room) {
        bool waits = !model_queue_can_put(model);

        begin_wait(actor, &wait, &model->putters, world.n_put_past[i], "joins");
        r = asyncio_queue_put(&world.queues[i], &items[item]);
        end_wait(actor, &wait, r, waits && wait.place.mark == world.n_put_past[i]);
        if (!waits)
            pass_by(&world.n_put_past[i], &model->putters);
    } else {
        pass_by(&world.n_put_past[i], &model->putters);
        r = asyncio_queue_put_nowait(&world.queues[i], &items[item]);
    }
    say(actor, "puts item %d into queue %d: %d", items[item], i, r);
    model_queue_put(model, items[item], r);
    MUST(asyncio_queue_qsize(&world.queues[i]) == model->count, "queue", "its size is what is in it");
    if (r == 0)
        disturb(actor, &model->getters);
    return r;
}

void got_item(const struct actor *actor, int i, const void *item, int r)
{
    struct model_queue *model = &world.queue_models[i];

    say(actor, "gets item %d from queue %d: %d", r < 0 ? -1 : *(const int *)item, i, r);
    model_queue_get(model, r < 0 ? 0 : *(const int *)item, r);
    MUST(asyncio_queue_qsize(&world.queues[i]) == model->count, "queue", "its size is what is in it");
    if (r == 0)
        disturb(actor, &model->putters);
}

int get_item(struct actor *actor, int i, bool wait_for_item)
{
    struct model_queue *model = &world.queue_models[i];
    bool waits = !model_queue_can_get(model);
    struct wait wait;
    void *item = NULL;
    int r;

    if (wait_for_item) {
        begin_wait(actor, &wait, &model->getters, world.n_got_past[i], "joins");
        r = asyncio_queue_get(&world.queues[i], &item);
        end_wait(actor, &wait, r, waits && wait.place.mark == world.n_got_past[i]);
        if (!waits)
            pass_by(&world.n_got_past[i], &model->getters);
    } else {
        pass_by(&world.n_got_past[i], &model->getters);
        r = asyncio_queue_get_nowait(&world.queues[i], &item);
    }
    got_item(actor, i, item, r);
    if (r == 0 && chance(2))
        model_queue_done(model, asyncio_queue_task_done(&world.queues[i]));
    return r;
}

int act_queue(struct actor *actor, int depth)
{
    int i = pick(N_QUEUES), what = pick(24), r;
    struct model_queue *model = &world.queue_models[i];
    size_t mark = model->n_zero;
    struct wait wait;

    (void)depth;
    if (what < 18)
        return what < 9 ? put_item(actor, i, what > 0) : get_item(actor, i, what > 9);
    if (what == 18) {
        say(actor, "shuts queue %d down", i);
        what = pick(2);
        model_queue_shutdown(model, what);
        asyncio_queue_shutdown(&world.queues[i], what);
        return 0;
    }
    if (what < 22) {
        model_queue_done(model, asyncio_queue_task_done(&world.queues[i]));
        return 0;
    }
    begin_wait(actor, &wait, &model->joiners, mark, "joins");
    r = asyncio_queue_join(&world.queues[i]);
    end_wait(actor, &wait, r, false);
    if (r == 0)
        model_queue_joined(model, mark);
    return r;
}

/* -------------------------------------------------------------------------------------------- Beginning and end */

void world_init_primitives(void)
{
    static const char *const getters[N_QUEUES] = {"getters of queue 0", "getters of queue 1", "getters of queue 2"};
    static const char *const putters[N_QUEUES] = {"putters of queue 0", "putters of queue 1", "putters of queue 2"};
    long units = pick(3), bounded = pick(2), parties = 1 + pick(MAX_PARTIES);

    model_broken = world_broken;
    for (int i = 0; i < N_LOCKS; i++)
        model_lock_init(&world.lock_models[i]);
    asyncio_condition_init(&world.condition, &world.locks[0]);
    model_condition_init(&world.condition_model, &world.lock_models[0]);
    if (bounded)
        asyncio_bounded_semaphore_init(&world.semaphore, units);
    else
        asyncio_semaphore_init(&world.semaphore, units);
    model_semaphore_init(&world.semaphore_model, units, bounded ? units : LONG_MAX);
    model_event_init(&world.event_model);
    asyncio_barrier_init(&world.barrier, parties);
    model_barrier_init(&world.barrier_model, (size_t)parties);
    for (int i = 0; i < N_QUEUES; i++) {
        int kind = pick(3), maxsize = pick(4);

        if (kind == ASYNCIO_QUEUE_FIFO)
            asyncio_queue_init(&world.queues[i], maxsize);
        else if (kind == ASYNCIO_QUEUE_LIFO)
            asyncio_lifo_queue_init(&world.queues[i], maxsize);
        else
            asyncio_priority_queue_init(&world.queues[i], maxsize, compare_items);
        model_queue_init(&world.queue_models[i], kind, (size_t)maxsize);
        world.queue_models[i].getters.what = getters[i];
        world.queue_models[i].putters.what = putters[i];
    }
}

/* Nothing can happen any more: whoever waits must have a reason. */
void world_check_still(void)
{
    for (int i = 0; i < N_LOCKS; i++)
        model_check_still(&world.lock_models[i].line);
    model_check_still(&world.semaphore_model.line);
    model_check_still(&world.condition_model.line);
    model_check_still(&world.event_model.line);
    model_check_still(&world.barrier_model.line);
    for (int i = 0; i < N_QUEUES; i++) {
        model_check_still(&world.queue_models[i].getters);
        model_check_still(&world.queue_models[i].putters);
        model_check_still(&world.queue_models[i].joiners);
    }
}

void world_fini_primitives(void)
{
    for (int i = 0; i < N_LOCKS; i++)
        MUST(!asyncio_lock_locked(&world.locks[i]) && !world.lock_models[i].holder, "lock", "it is free at the end");
    asyncio_condition_fini(&world.condition);
    for (int i = 0; i < N_LOCKS; i++)
        asyncio_lock_fini(&world.locks[i]);
    MUST(asyncio_semaphore_locked(&world.semaphore) == (world.semaphore_model.units == 0), "semaphore",
         "all units are back at the end");
    asyncio_semaphore_fini(&world.semaphore);
    asyncio_event_fini(&world.event);
    asyncio_barrier_fini(&world.barrier);
    for (int i = 0; i < N_QUEUES; i++) {
        while (world.queue_models[i].count > 0)
            get_item(NULL, i, false);
        MUST(asyncio_queue_empty(&world.queues[i]), "queue", "nothing more comes out than went in");
        asyncio_queue_fini(&world.queues[i]);
    }
}
