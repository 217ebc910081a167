/* test_park_table.c -- every kind of wait meets a cancel at every moment: before it is complete, when it is complete and its task has
 * not run yet, and when the cancel was there before the wait began. What comes of it is one table; in none of its places may
 * anything be lost: a mate, who waits for the same behind the first one, gets what that one did not. */
#include "crew.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum moment { BEFORE, LATE, PENDING, MOMENTS };

static const char *const moment_names[] = {"before", "late", "pending"};

/* One kind of wait. A result of ANY is not looked at. */
#define ANY 12345
struct row {
    const char *name;
    void (*set_up)(void);
    int (*wait)(void);
    void (*complete)(void); /* lets what is waited for happen, once; NULL: `delay` does */
    double delay;
    int results[MOMENTS];
    int next[MOMENTS]; /* what the wait after it meets */
    int mates[MOMENTS];
    void (*tear_down)(void);
};

static const struct row *row;
static enum moment moment;
static bool completed;

static struct asyncio_future *future, *inner;
static struct asyncio_lock lock;
static struct asyncio_semaphore semaphore;
static struct asyncio_condition condition;
static struct asyncio_barrier barrier;
static struct asyncio_event event;
static struct asyncio_queue queue;
static struct asyncio_as_completed iteration;
static int item;

/* ------------------------------------------------------------------------------------------------------------------ Waits */

static void make_future(void)
{
    future = asyncio_loop_create_future(asyncio_get_running_loop());
}

static void set_future(void)
{
    ASYNCIO_IGNORE(asyncio_future_set_result(future, 5, NULL));
}

static void drop_future(void)
{
    future = asyncio_future_unref(future);
    inner = asyncio_future_unref(inner);
}

static int wait_future(void)
{
    return asyncio_await(future);
}

static int inner_task(void *arg)
{
    (void)arg;
    return asyncio_await(inner);
}

static void make_task(void)
{
    inner = asyncio_loop_create_future(asyncio_get_running_loop());
    future = asyncio_create_task(inner_task, NULL);
    turns(1);
}

/* A task is done a turn after what it awaits; to be complete and not resumed its waiter needs a future of its own. */
static void set_inner(void)
{
    ASYNCIO_IGNORE(asyncio_future_set_result(inner, 5, NULL));
}

static int wait_sleep(void)
{
    return asyncio_sleep(1);
}

static int wait_yield(void)
{
    return asyncio_sleep(0);
}

static int wait_gather(void)
{
    return asyncio_gather(&future, 1, NULL);
}

static int wait_wait(void)
{
    return asyncio_wait(&future, 1, 100, ASYNCIO_ALL_COMPLETED);
}

static int wait_wait_for(void)
{
    return asyncio_wait_for_future(future, 100);
}

static int wait_shield(void)
{
    return asyncio_shield(future);
}

static int wait_timeout(void)
{
    struct asyncio_timeout scope;

    EXPECT_INT(asyncio_timeout_enter(&scope, 100), 0);
    return asyncio_timeout_exit(&scope, asyncio_await(future));
}

static int wait_expiring(void)
{
    struct asyncio_timeout scope;

    EXPECT_INT(asyncio_timeout_enter(&scope, 1), 0);
    return asyncio_timeout_exit(&scope, asyncio_sleep(50));
}

static void make_iteration(void)
{
    make_future();
    EXPECT_INT(asyncio_as_completed(&iteration, &future, 1, ASYNCIO_FOREVER), 0);
}

static int wait_as_completed(void)
{
    struct asyncio_future *next = NULL;

    return asyncio_as_completed_next(&iteration, &next);
}

static void drop_iteration(void)
{
    asyncio_as_completed_fini(&iteration);
    drop_future();
}

static int group_child(void *arg)
{
    (void)arg;
    return asyncio_await(future);
}

static int wait_group(void)
{
    struct asyncio_taskgroup group = {0};

    EXPECT_INT(asyncio_taskgroup_enter(&group), 0);
    asyncio_taskgroup_create_task(&group, group_child, NULL);
    return asyncio_taskgroup_exit(&group, 0);
}

static int clean_up(void *arg)
{
    (void)arg;
    ASYNCIO_IGNORE(asyncio_sleep(100));
    while (!completed)
        ASYNCIO_IGNORE(asyncio_sleep(0.001));
    return 0;
}

static void make_cleaner(void)
{
    future = asyncio_create_task(clean_up, NULL);
    turns(1);
}

static void nothing(void)
{
}

static int wait_cancel_and_wait(void)
{
    return asyncio_cancel_and_wait(future);
}

static void make_lock(void)
{
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
}

static void release_lock(void)
{
    EXPECT_INT(asyncio_lock_release(&lock), 0);
}

static int wait_lock(void)
{
    int r = asyncio_lock_acquire(&lock);

    return r < 0 ? r : asyncio_lock_release(&lock);
}

static void make_semaphore(void)
{
    EXPECT_INT(asyncio_semaphore_init(&semaphore, 0), 0);
}

static void release_semaphore(void)
{
    EXPECT_INT(asyncio_semaphore_release(&semaphore), 0);
}

static int wait_semaphore(void)
{
    return asyncio_semaphore_acquire(&semaphore);
}

static void notify(void)
{
    EXPECT_INT(asyncio_condition_notify(&condition, 1), 0);
}

static int wait_condition(void)
{
    int r = asyncio_condition_acquire(&condition), released;

    if (r < 0)
        return r;
    r = asyncio_condition_wait(&condition);
    EXPECT(asyncio_condition_locked(&condition));
    released = asyncio_condition_release(&condition);
    return r < 0 ? r : released;
}

static void make_barrier(void)
{
    EXPECT_INT(asyncio_barrier_init(&barrier, 3), 0);
}

static void abort_barrier(void)
{
    asyncio_barrier_abort(&barrier);
}

static int wait_barrier(void)
{
    return asyncio_barrier_wait(&barrier);
}

static void set_event(void)
{
    asyncio_event_set(&event);
}

static void clear_event(void)
{
    asyncio_event_clear(&event);
}

static int wait_event(void)
{
    return asyncio_event_wait(&event);
}

static void make_queue(void)
{
    asyncio_queue_init(&queue, 1);
}

static void make_full_queue(void)
{
    asyncio_queue_init(&queue, 1);
    EXPECT_INT(asyncio_queue_put_nowait(&queue, &item), 0);
}

static void put_item(void)
{
    EXPECT_INT(asyncio_queue_put_nowait(&queue, &item), 0);
}

static void take_item(void)
{
    void *taken = NULL;

    EXPECT_INT(asyncio_queue_get_nowait(&queue, &taken), 0);
    EXPECT_PTR(taken, &item);
}

static void item_is_done(void)
{
    EXPECT_INT(asyncio_queue_task_done(&queue), 0);
}

static int wait_get(void)
{
    void *taken = NULL;
    int r = asyncio_queue_get(&queue, &taken);

    EXPECT_PTR(taken, r < 0 ? NULL : &item);
    return r;
}

static int wait_put(void)
{
    return asyncio_queue_put(&queue, &item);
}

static int wait_join(void)
{
    return asyncio_queue_join(&queue);
}

static void drop_queue(void)
{
    void *taken;

    while (asyncio_queue_get_nowait(&queue, &taken) == 0)
        ;
    asyncio_queue_fini(&queue);
}

static int wait_select(void)
{
    void *taken = NULL;
    struct asyncio_case cases[] = {ASYNCIO_ON_EVENT(&event), ASYNCIO_ON_GET(&queue, &taken), ASYNCIO_ON_TIME(100)};
    int r = asyncio_select(cases, 3);

    EXPECT_PTR(taken, r == 1 ? &item : NULL);
    return r;
}

#define CE (-ECANCELED)

/* The waits whose results stand at once after `complete`. What a cancel goes through to is cancelled for the mate too. */
static const struct row rows[] = {
    {"future", make_future, wait_future, set_future, 0, {CE, CE, CE}, {0, 0, 0}, {CE, 5, CE}, drop_future},
    {"task", make_task, wait_future, set_inner, 0, {CE, 5, CE}, {0, 0, 0}, {CE, 5, CE}, drop_future},
    {"sleep", NULL, wait_sleep, NULL, 1, {CE, CE, CE}, {0, 0, 0}, {0, 0, 0}, NULL},
    {"yield", NULL, wait_yield, NULL, 0, {ANY, ANY, CE}, {ANY, ANY, 0}, {0, 0, 0}, NULL},
    {"gather", make_future, wait_gather, set_future, 0, {CE, 0, CE}, {0, 0, 0}, {CE, 0, CE}, drop_future},
    {"wait", make_future, wait_wait, set_future, 0, {CE, CE, CE}, {0, 0, 0}, {1, 1, 1}, drop_future},
    {"wait_for", make_future, wait_wait_for, set_future, 0, {CE, CE, CE}, {0, 0, 0}, {CE, 5, CE}, drop_future},
    {"shield", make_future, wait_shield, set_future, 0, {CE, CE, CE}, {0, 0, 0}, {5, 5, 5}, drop_future},
    {"as_completed", make_iteration, wait_as_completed, set_future, 0, {CE, CE, CE}, {0, 0, 0}, {1, 1, 1}, drop_iteration},
    {"timeout", make_future, wait_timeout, set_future, 0, {CE, CE, CE}, {0, 0, 0}, {CE, 5, CE}, drop_future},
    {"timeout at its end", NULL, wait_expiring, NULL, 1, {CE, CE, CE}, {0, 0, 0}, {-ETIMEDOUT, -ETIMEDOUT, -ETIMEDOUT}, NULL},
    {"task group", make_future, wait_group, set_future, 0, {CE, CE, CE}, {0, 0, 0}, {ANY, 0, ANY}, drop_future},
    {"cancel_and_wait", make_cleaner, wait_cancel_and_wait, nothing, 0, {0, 0, 0}, {CE, CE, CE}, {0, 0, 0}, drop_future},
    {"lock", make_lock, wait_lock, release_lock, 0, {CE, CE, CE}, {0, 0, 0}, {0, 0, 0}, NULL},
    {"semaphore", make_semaphore, wait_semaphore, release_semaphore, 0, {CE, CE, CE}, {0, 0, 0}, {0, 0, 0}, NULL},
    {"condition", NULL, wait_condition, notify, 0, {CE, CE, CE}, {0, 0, 0}, {0, 0, 0}, NULL},
    {"barrier", make_barrier, wait_barrier, abort_barrier, 0, {CE, CE, CE}, {0, 0, 0},
     {-ASYNCIO_EBROKENBARRIER, -ASYNCIO_EBROKENBARRIER, -ASYNCIO_EBROKENBARRIER}, NULL},
    {"event", clear_event, wait_event, set_event, 0, {CE, CE, CE}, {0, 0, 0}, {0, 0, 0}, NULL},
    {"queue get", make_queue, wait_get, put_item, 0, {CE, CE, CE}, {0, 0, 0}, {0, 0, 0}, drop_queue},
    {"queue put", make_full_queue, wait_put, take_item, 0, {CE, CE, CE}, {0, 0, 0}, {0, 0, 0}, drop_queue},
    {"queue join", make_full_queue, wait_join, item_is_done, 0, {CE, CE, CE}, {0, 0, 0}, {0, 0, 0}, drop_queue},
    {"select", make_queue, wait_select, put_item, 0, {CE, CE, CE}, {0, 0, 0}, {1, 1, 1}, drop_queue},
};

/* ------------------------------------------------------------------------------------------------------------------ Driver */

struct waiting {
    int result, next;
};

static struct waiting waiter, mate;

static int wait_row(void *arg)
{
    struct waiting *waiting = arg;

    if (waiting == &waiter && moment == PENDING)
        cancel(asyncio_current_task());
    waiting->result = row->wait();
    waiting->next = asyncio_sleep(0);
    return 0;
}

static void complete(void)
{
    if (completed)
        return;
    completed = true;
    if (row->complete)
        row->complete();
}

static void strike(void *arg)
{
    if (moment == LATE)
        complete();
    cancel(arg);
}

static void expect(const char *who, int actual, int expected)
{
    if (expected != ANY && actual != expected)
        FAIL("%s, cancelled %s: %s %s, expected %s", row->name, moment_names[moment], who, said(actual), said(expected));
}

static int meet(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_future *first, *second;
    double delay = moment == LATE ? row->delay : 0;
    bool holds = row->complete == notify;

    (void)arg;
    completed = false;
    waiter = mate = (struct waiting){ANY + 1, ANY + 1};
    if (row->set_up)
        row->set_up();
    first = asyncio_create_task(wait_row, &waiter, .name = "waiter");
    second = asyncio_create_task(wait_row, &mate, .name = "mate");
    turns(1);
    /* To notify, the lock must be held: who waits needs it back, cancelled or not. */
    if (holds)
        EXPECT_INT(asyncio_condition_acquire(&condition), 0);
    if (moment != PENDING)
        EXPECT_INT(asyncio_loop_call_later(loop, delay, strike, first), 0);
    EXPECT_INT(asyncio_sleep(delay), 0);
    turns(4);
    complete();
    if (holds)
        EXPECT_INT(asyncio_condition_release(&condition), 0);
    ASYNCIO_IGNORE(asyncio_wait(&first, 1, 10, ASYNCIO_ALL_COMPLETED));
    ASYNCIO_IGNORE(asyncio_wait(&second, 1, 10, ASYNCIO_ALL_COMPLETED));
    expect("the waiter got", waiter.result, row->results[moment]);
    expect("its next wait", waiter.next, row->next[moment]);
    expect("the mate got", mate.result, row->mates[moment]);
    expect("the mate's next wait", mate.next, 0);
    EXPECT_INT(asyncio_cancel_and_wait(first), 0);
    EXPECT_INT(asyncio_cancel_and_wait(second), 0);
    asyncio_future_unref(first);
    asyncio_future_unref(second);
    if (row->tear_down)
        row->tear_down();
    return 0;
}

static void meet_at(enum moment when)
{
    moment = when;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        row = &rows[i];
        EXPECT_INT(run(meet, NULL), 0);
    }
}

TEST(cancel_before_completion, "T-06 #13: every kind of wait, cancelled while it waits: undone, and the next one gets it")
{
    meet_at(BEFORE);
}

TEST(cancel_after_completion, "T-06 #14: every kind of wait, cancelled when it is complete and has not resumed: the table of the design")
{
    meet_at(LATE);
}

TEST(cancel_pending_on_entry, "T-07: every kind of wait, begun with a cancel pending: the same as one that comes a moment later")
{
    meet_at(PENDING);
}
