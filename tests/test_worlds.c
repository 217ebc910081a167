/* test_worlds.c -- random worlds on the simulator; see harness/world.h.
 *
 * A world ends by itself, or stands still because everybody waits for somebody who will never come. Then each must
 * have a reason to wait, all are cancelled, each must end, and nothing may be left. The same seed makes the same
 * world, step for step. */
#include "test.h"
#include "world.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_CHILDREN 3

static int act(struct actor *actor, int depth);

/* ------------------------------------------------------------------------------------------------------- Actors */

static void arg_freed(void *arg)
{
    struct actor *actor = arg;

    actor->freed++;
}

/* A new actor; NULL when there are enough. */
static struct actor *new_actor(void)
{
    struct actor *actor = &world.actors[world.n_actors];

    if (world.n_actors == MAX_ACTORS || world.ending)
        return NULL;
    actor->number = (int)world.n_actors++;
    actor->actions_left = 1 + pick(6);
    actor->swallows_left = pick(3);
    actor->error = chance(10) ? -EIO : 0;
    return actor;
}

/* Keeps the task of an actor, unless it has begun and done so itself. */
static void keep_task(struct actor *actor, struct asyncio_future *task)
{
    if (!actor->task)
        actor->task = asyncio_future_ref(task);
}

static int work(void *arg)
{
    struct actor *actor = arg;
    int r = 0;

    actor->started++;
    keep_task(actor, asyncio_current_task());
    MUST(actor->started == 1, "task", "it runs once");
    say(actor, "begins");
    while (actor->actions_left > 0 && !world.ending) {
        actor->actions_left--;
        r = act(actor, 0);
        if (r == -ECANCELED && !world.ending && actor->swallows_left > 0) {
            actor->swallows_left--;
            say(actor, "swallows the cancel");
            r = 0;
        }
        if (r == -ECANCELED)
            break;
        r = 0;
    }
    if (!actor->parent)
        MUST(asyncio_task_cancelling(actor->task) == actor->cancels, "cancel", "every scope takes its own back");
    actor->returned = r < 0 ? r : actor->error;
    actor->ended++;
    actor->end_order = ++world.n_ended;
    actor->end_time = now();
    say(actor, "ends with %d", actor->returned);
    return actor->returned;
}

/* Starts actors whose task this one waits for; a cancel of it may reach them unless they are shielded. Returns: how
 * many. */
static size_t start_children(struct actor *parent, struct asyncio_future **ret_tasks, struct actor **ret_children,
                             bool shielded)
{
    size_t n = (size_t)(1 + pick(MAX_CHILDREN));

    for (size_t i = 0; i < n; i++) {
        struct actor *child = new_actor();
        struct asyncio_future *task;

        if (!child)
            return i;
        child->parent = shielded ? NULL : parent;
        say(parent, "starts actor %d", child->number);
        task = asyncio_create_task(work, child, .free_arg = arg_freed, .eager_start = chance(6),
                                   .start_then_cancel = chance(6));
        MUST(asyncio_is_task(task), "task", "it can be made");
        keep_task(child, task);
        asyncio_future_unref(task);
        ret_children[i] = child;
        ret_tasks[i] = child->task;
    }
    return n;
}

/* ------------------------------------------------------------------------------------------ Waiting for several */

/* Errors of children that are one's own cancel or not cannot be told apart, so they do not count as met. */
static int act_gather(struct actor *actor, int depth)
{
    struct asyncio_future *tasks[MAX_CHILDREN];
    struct actor *children[MAX_CHILDREN];
    int results[MAX_CHILDREN] = {0}, r;
    size_t n = start_children(actor, tasks, children, false);
    bool return_exceptions = chance(2);

    (void)depth;
    r = asyncio_gather(tasks, n, results, .return_exceptions = return_exceptions);
    say(actor, "gathered: %d", r);
    if (r == 0)
        for (size_t i = 0; i < n; i++)
            MUST(asyncio_future_done(tasks[i]) && results[i] == asyncio_future_result(tasks[i]), "gather",
                 "it gives the results in order");
    else if (return_exceptions)
        for (size_t i = 0; i < n; i++)
            MUST(asyncio_future_done(tasks[i]), "gather", "it waits for all");
    return r;
}

static int act_wait(struct actor *actor, int depth)
{
    struct asyncio_future *tasks[MAX_CHILDREN];
    struct actor *children[MAX_CHILDREN];
    size_t n = start_children(actor, tasks, children, true);
    double since = now(), timeout = chance(2) ? ASYNCIO_FOREVER : some_time();
    int when = pick(3), n_done = 0, r;

    (void)depth;
    if (n == 0)
        return 0;
    r = asyncio_wait(tasks, n, timeout, when);
    say(actor, "waited: %d", r);
    check_scopes(actor, since);
    if (r == -ECANCELED)
        met_cancel(actor);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++)
        n_done += asyncio_future_done(tasks[i]);
    MUST(r == n_done, "wait", "it counts who is done");
    if (now() < since + timeout)
        MUST(when == ASYNCIO_ALL_COMPLETED ? r == (int)n : r > 0, "wait", "it waits for what it was asked to");
    return 0;
}

static int act_as_completed(struct actor *actor, int depth)
{
    struct asyncio_as_completed iteration;
    struct asyncio_future *tasks[MAX_CHILDREN], *done;
    struct actor *children[MAX_CHILDREN];
    size_t n = start_children(actor, tasks, children, true), n_given = 0;
    double since = now(), timeout = chance(2) ? ASYNCIO_FOREVER : some_time();
    int r;

    (void)depth;
    MUST(asyncio_as_completed(&iteration, tasks, n, timeout) == 0, "as_completed", "it can begin");
    while ((r = asyncio_as_completed_next(&iteration, &done)) > 0) {
        MUST(asyncio_future_done(done), "as_completed", "it gives who is done");
        n_given++;
    }
    say(actor, "had %zu as completed: %d", n_given, r);
    if (r == 0)
        MUST(n_given == n, "as_completed", "it gives each once");
    if (r == -ETIMEDOUT)
        MUST(now() >= since + timeout, "as_completed", "its timeout is not early");
    if (r == -ECANCELED)
        met_cancel(actor);
    asyncio_as_completed_fini(&iteration);
    return r;
}

static int act_shield(struct actor *actor, int depth)
{
    struct asyncio_future *tasks[MAX_CHILDREN];
    struct actor *children[MAX_CHILDREN];
    size_t n = start_children(actor, tasks, children, true);
    int r;

    (void)depth;
    if (n == 0)
        return 0;
    if (chance(4)) {
        children[0]->cancels++;
        r = asyncio_cancel_and_wait(tasks[0]);
        MUST(r == 0 && asyncio_future_done(tasks[0]), "cancel_and_wait", "it waits until the task is done");
        return r;
    }
    r = asyncio_shield(tasks[0]);
    say(actor, "shielded: %d", r);
    if (r == -ECANCELED && !asyncio_future_cancelled(tasks[0]))
        met_cancel(actor);
    return r;
}

/* ------------------------------------------------------------------------------------------ Groups and timeouts */

/* The error of the child that failed first; 0 when none did. */
static int first_error(struct actor *const *children, size_t n)
{
    const struct actor *first = NULL;

    for (size_t i = 0; i < n; i++) {
        MUST(asyncio_future_done(children[i]->task), "task group", "it ends after its children");
        if (children[i]->returned < 0 && children[i]->returned != -ECANCELED &&
            (!first || children[i]->end_order < first->end_order))
            first = children[i];
    }
    for (size_t i = 0; first && i < n; i++)
        MUST(!children[i]->ended || children[i]->end_time <= first->end_time ||
                 asyncio_task_cancelling(children[i]->task) > 0,
             "task group", "a failure cancels the others");
    return first ? first->returned : 0;
}

static int act_group(struct actor *actor, int depth)
{
    struct asyncio_taskgroup group = {.name = "group"};
    struct actor *children[MAX_CHILDREN];
    size_t n = (size_t)pick(MAX_CHILDREN + 1);
    int r, error;

    MUST(asyncio_taskgroup_enter(&group) == 0, "task group", "it can be entered");
    actor->other_cancels++;
    for (size_t i = 0; i < n; i++) {
        children[i] = new_actor();
        if (!children[i]) {
            n = i;
            break;
        }
        children[i]->parent = actor;
        say(actor, "starts actor %d in a group", children[i]->number);
        keep_task(children[i], asyncio_taskgroup_create_task(&group, work, children[i], .free_arg = arg_freed,
                                                             .start_then_cancel = chance(6)));
    }
    r = chance(2) ? 0 : act(actor, depth + 1);
    if (chance(8)) {
        actor->other_cancels++;
        asyncio_taskgroup_cancel(&group);
    }
    r = asyncio_taskgroup_exit(&group, r == -ECANCELED ? r : 0);
    say(actor, "left the group: %d", r);
    error = first_error(children, n);
    MUST(error ? r == error : r == 0 || r == -ECANCELED, "task group", "it gives the first error");
    return r;
}

/* What an actor does inside asyncio_wait_for. */
struct inner {
    struct actor *actor;
    int depth;
};

static int act_inner(void *arg)
{
    struct inner *inner = arg;

    return act(inner->actor, inner->depth);
}

static int act_wait_for(struct actor *actor, int depth)
{
    struct inner inner = {.actor = actor, .depth = depth + 1};
    double since = now(), timeout = some_time();
    int r;

    actor->other_cancels++;
    r = asyncio_wait_for(act_inner, &inner, timeout);
    say(actor, "waited for: %d", r);
    if (r == -ETIMEDOUT)
        MUST(now() >= since, "wait_for", "time does not go back");
    return r;
}

static int act_timeout(struct actor *actor, int depth)
{
    struct scope scope = {.outer = actor->scopes};
    double seconds = chance(6) ? ASYNCIO_FOREVER : chance(6) ? -1 : some_time();
    bool was_pending = model_cancel_is_pending();
    int before = asyncio_task_cancelling(actor->task), r, end;

    MUST(asyncio_timeout_enter(&scope.timeout, seconds) == 0, "timeout", "it can be entered");
    actor->scopes = &scope;
    say(actor, "has until %.3f", asyncio_timeout_when(&scope.timeout));
    r = act(actor, depth + 1);
    if (r == 0 && chance(2))
        r = act(actor, depth + 1);
    actor->scopes = scope.outer;
    actor->other_cancels += asyncio_timeout_expired(&scope.timeout);
    end = asyncio_timeout_exit(&scope.timeout, r);
    say(actor, "left the timeout: %d, then %d", r, end);
    if (asyncio_timeout_expired(&scope.timeout)) {
        bool ours_alone = asyncio_task_cancelling(actor->task) <= before;

        MUST(now() >= asyncio_timeout_when(&scope.timeout), "timeout", "it is never early");
        /* A cancel that was pending on entry wins over a timeout of zero; test_timeouts.c tells when. */
        MUST(end == (r == -ECANCELED && ours_alone ? -ETIMEDOUT : r) || (was_pending && end == r), "timeout",
             "it converts its own cancel alone");
    } else {
        MUST(end == r, "timeout", "it changes nothing unless it expires");
    }
    return end;
}

/* ---------------------------------------------------------------------------------------------- Futures, select */

static void set_future(int i)
{
    int value = ++world.next_value;

    if (asyncio_future_done(world.futures[i])) {
        asyncio_future_unref(world.futures[i]);
        world.futures[i] = asyncio_loop_create_future(asyncio_get_running_loop());
        return;
    }
    say(NULL, "future %d gets %d", i, value);
    MUST(asyncio_future_set_result(world.futures[i], value, &world.actors[value % MAX_ACTORS]) == 0, "future",
         "a pending one can be set");
}

static int act_future(struct actor *actor, int depth)
{
    int i = pick(N_FUTURES), r;
    struct asyncio_future *future = asyncio_future_ref(world.futures[i]);

    (void)depth;
    if (chance(2)) {
        set_future(i);
        asyncio_future_unref(future);
        return 0;
    }
    say(actor, "awaits future %d", i);
    r = chance(2) ? asyncio_shield(future) : asyncio_wait_for_future(future, chance(2) ? ASYNCIO_FOREVER : TICK);
    say(actor, "future %d: %d", i, r);
    if (r >= 0)
        MUST(asyncio_future_pointer(future) == &world.actors[r % MAX_ACTORS], "future", "it gives what was set");
    asyncio_future_unref(future);
    return r;
}

static int act_select(struct actor *actor, int depth)
{
    int i = pick(N_QUEUES), r;
    struct model_queue *queue = &world.queue_models[i];
    size_t mark = world.event_model.n_set;
    double since = now(), seconds = TICK * pick(16);
    void *item = NULL;
    struct asyncio_case cases[] = {
        ASYNCIO_ON_GET(&world.queues[i], &item),
        ASYNCIO_ON_EVENT(&world.event),
        ASYNCIO_ON_TIME(seconds),
    };
    struct wait get, event;

    (void)depth;
    begin_wait(actor, &get, &queue->getters, 0, "selects from");
    begin_wait(actor, &event, &world.event_model.line, mark, "and");
    r = asyncio_select(cases, 3);
    model_leave(&world.event_model.line, &event.place, false);
    /* Woken by the event, it may find an item before the getter that was woken for it comes, who then keeps its
     * place. */
    end_wait(actor, &get, r, false);
    world.n_got_past[i] += r == 0;
    if (r == 0)
        got_item(actor, i, item, cases[0].result);
    else if (r == 1)
        model_event_returned(&world.event_model, mark);
    else if (r == 2)
        MUST(now() == since + seconds, "select", "its time is exact");
    return r < 0 ? r : 0;
}

static int act_small(struct actor *actor, int depth)
{
    (void)depth;
    if (chance(3))
        cancel_somebody(actor);
    return nap(actor, some_time());
}

static int act(struct actor *actor, int depth)
{
    static int (*const leaves[])(struct actor *, int) = {
        act_small, act_lock,  act_semaphore, act_condition, act_event,
        act_queue, act_queue, act_barrier,   act_future,    act_select,
    };
    static int (*const scopes[])(struct actor *, int) = {
        act_timeout, act_timeout, act_wait_for, act_group, act_gather, act_wait, act_as_completed, act_shield,
    };

    if (depth < MAX_DEPTH && chance(4))
        return scopes[pick(sizeof scopes / sizeof scopes[0])](actor, depth);
    return leaves[pick(sizeof leaves / sizeof leaves[0])](actor, depth);
}

/* ---------------------------------------------------------------------------------------------------- Callbacks */

static void explode(void *arg)
{
    struct bomb *bomb = arg;

    say(NULL, "callback %d runs", bomb->number);
    MUST(!bomb->cancelled, "callback", "one that is cancelled does not run");
    MUST(++bomb->n_run == 1, "callback", "it runs once");
    MUST(now() == bomb->when, "callback", "it runs when its time comes");
    MUST(bomb->when > world.last_bomb_when || bomb->number > world.last_bomb, "callback",
         "equal times keep their order");
    world.last_bomb_when = bomb->when;
    world.last_bomb = bomb->number;
    switch (bomb->kind) {
    case 0:
        set_event(NULL, chance(2));
        break;
    case 1:
        put_item(NULL, pick(N_QUEUES), false);
        break;
    case 2:
        get_item(NULL, pick(N_QUEUES), false);
        break;
    case 3:
        set_future(pick(N_FUTURES));
        break;
    case 4:
        break_barrier(NULL);
        break;
    case 5:
        /* A bounded one may have given its unit to somebody who has not run yet, so what it would answer is not known
         * here. */
        if (world.semaphore_model.bound == LONG_MAX)
            model_semaphore_give(&world.semaphore_model, asyncio_semaphore_release(&world.semaphore));
        break;
    default:
        cancel_somebody(NULL);
    }
}

static void start_bombs(void)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    world.n_bombs = (size_t)pick(MAX_BOMBS + 1);
    world.last_bomb_when = -1;
    for (size_t i = 0; i < world.n_bombs; i++) {
        struct bomb *bomb = &world.bombs[i];

        *bomb = (struct bomb){.kind = pick(12), .number = (int)i, .when = TICK * (1 + pick(12))};
        MUST(asyncio_loop_call_at(loop, bomb->when, explode, bomb, .ret_handle = &bomb->handle) == 0, "callback",
             "it can be scheduled");
    }
    for (size_t i = 0; i < world.n_bombs; i++)
        if (chance(6)) {
            world.bombs[i].cancelled = true;
            asyncio_handle_cancel(world.bombs[i].handle);
        }
}

static void check_bombs(void)
{
    for (size_t i = 0; i < world.n_bombs; i++) {
        MUST(world.bombs[i].n_run == !world.bombs[i].cancelled, "callback", "it runs");
        asyncio_handle_unref(world.bombs[i].handle);
    }
}

/* ------------------------------------------------------------------------------------------ A world and its end */

/* Waits for all actors, also those that are made meanwhile, until the world has stood still for long. Returns:
 * whether all are done. */
static bool wait_for_all(void)
{
    struct asyncio_future *tasks[MAX_ACTORS];
    size_t n = 0;

    while (n < world.n_actors) {
        n = world.n_actors;
        for (size_t i = 0; i < n; i++)
            tasks[i] = world.actors[i].task;
        if (asyncio_wait(tasks, n, STILL, ASYNCIO_ALL_COMPLETED) < (int)n && n == world.n_actors)
            return false;
    }
    return true;
}

static void cancel_all(void)
{
    world.ending = true;
    say(NULL, "the world ends");
    for (size_t i = 0; i < world.n_actors; i++)
        world.actors[i].cancels += asyncio_future_cancel(world.actors[i].task);
}

static void check_actors(void)
{
    for (size_t i = 0; i < world.n_actors; i++) {
        struct actor *actor = &world.actors[i];

        asyncio_future_exception(actor->task);
        actor->task = asyncio_future_unref(actor->task);
        MUST(actor->started == actor->ended, "task", "what begins ends");
        MUST(actor->freed == 1, "task", "its argument is freed once");
    }
    MUST(asyncio_all_tasks(NULL, 0) == 1, "task", "none is left");
}

static int world_main(void *arg)
{
    struct asyncio_future *tasks[MAX_CHILDREN];
    struct actor *actors[MAX_CHILDREN];

    (void)arg;
    world_init_primitives();
    for (int i = 0; i < N_FUTURES; i++)
        world.futures[i] = asyncio_loop_create_future(asyncio_get_running_loop());
    start_bombs();
    for (int i = 1 + pick(4); i > 0; i--)
        start_children(NULL, tasks, actors, true);
    if (!wait_for_all()) {
        world_check_still();
        cancel_all();
        MUST(wait_for_all(), "wait", "each ends when its task is cancelled");
    }
    ASYNCIO_IGNORE(asyncio_sleep(STILL)); /* for callbacks of a world that was over before them */
    check_bombs();
    check_actors();
    for (int i = 0; i < N_FUTURES; i++)
        asyncio_future_unref(world.futures[i]);
    world_fini_primitives();
    return 0;
}

static int new_world_loop(struct asyncio_loop **ret_loop)
{
    char backend[64];

    snprintf(backend, sizeof backend, "sim:%" PRIu64, world.seed);
    return asyncio_new_event_loop(ret_loop, .backend = backend);
}

/* A gather whose caller was cancelled in the same turn has an outcome that nobody saw, which the library reports. */
static void check_log(void)
{
    char *log = strdup(captured_log()), *rest = NULL;

    for (char *line = strtok_r(log, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        MUST(strstr(line, "never retrieved") && strstr(line, "gather"), "log", "nothing is to be reported");
    free(log);
}

static void run_world(uint64_t seed, bool loud)
{
    int64_t memory = asyncio_allocated();

    memset(&world, 0, sizeof world);
    world.seed = seed;
    world.random = seed * UINT64_C(0xa24baed4963ee407);
    world.loud = loud;
    world_act = act;
    test_replay_seed(seed);
    EXPECT_INT(asyncio_run(world_main, NULL, .loop_factory = new_world_loop), 0);
    check_log();
    MUST(asyncio_allocated() == memory, "memory", "all of it is given back");
}

/* $WORLDS is how many there are in all, shared by the tests below; what fits into a few seconds, if nothing is said. */
static void run_worlds(int part, int parts)
{
    const char *wanted = getenv("WORLDS");
    int n = wanted && atoi(wanted) > 0 ? atoi(wanted) : 20000 / test_slowness();

    if (test_seed_given()) {
        if (part > 0)
            SKIP("one world was asked for");
        test_show_output();
        run_world(test_seed(), true);
        return;
    }
    test_needs_seconds(10 + n / 1000);
    for (int seed = 1 + part; seed <= n; seed += parts)
        run_world((uint64_t)seed, false);
}

#define WORLDS(part, parts)                                                                                  \
    TEST_NO_SWEEP(worlds_##part##_of_##parts, "random worlds keep every promise", "they are random already") \
    {                                                                                                        \
        run_worlds((part)-1, (parts));                                                                       \
    }

WORLDS(1, 8)
WORLDS(2, 8)
WORLDS(3, 8)
WORLDS(4, 8)
WORLDS(5, 8)
WORLDS(6, 8)
WORLDS(7, 8)
WORLDS(8, 8)
