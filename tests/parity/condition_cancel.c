/* A cancelled wait takes the lock again before it gives up, and hands on a notification it cannot use (CV-02). */

#include "parity.h"

struct waiter {
    struct asyncio_condition *condition;
    const char *name;
};

static int waits(void *arg)
{
    const struct waiter *me = arg;
    int acquired, r = 0;

    ASYNCIO_WITH(condition, me->condition, acquired) {
        r = asyncio_condition_wait(me->condition);
        if (r >= 0)
            say("%s is notified", me->name);
        else
            say("%s is cancelled, locked %s", me->name, truth(asyncio_condition_locked(me->condition)));
    }
    return acquired < 0 ? acquired : r;
}

static int main_task(void *arg)
{
    struct asyncio_condition condition = ASYNCIO_CONDITION_INIT;
    struct waiter waiters[] = {
        {&condition, "a"}, {&condition, "b"}, {&condition, "c"}, {&condition, "d"}, {&condition, "e"},
    };
    struct asyncio_future *task, *tasks[3];
    int r;

    (void)arg;
    say("cancelled while another holds the lock; a second cancel changes nothing");
    task = asyncio_create_task(waits, &waiters[0]);
    nap(0.1);
    ASYNCIO_WITH(condition, &condition, r) {
        asyncio_future_cancel(task);
        nap(0.2);
        say("cancelled, and done: %s", truth(asyncio_future_done(task)));
        asyncio_future_cancel(task);
        nap(0.2);
        say("cancelled again, and done: %s", truth(asyncio_future_done(task)));
    }
    r = asyncio_await(task);
    say("a: %s, requests %d", outcome(r), asyncio_task_cancelling(task));
    asyncio_future_unref(task);

    say("cancelled while nobody holds the lock");
    task = asyncio_create_task(waits, &waiters[1]);
    nap(0.1);
    asyncio_future_cancel(task);
    r = take(task);
    say("b: %s, locked %s", outcome(r), truth(asyncio_condition_locked(&condition)));

    say("notified, then cancelled: the next one is notified");
    for (int i = 0; i < 3; i++)
        tasks[i] = asyncio_create_task(waits, &waiters[2 + i]);
    nap(0.1);
    ASYNCIO_WITH(condition, &condition, r) {
        asyncio_condition_notify(&condition, 1);
        nap(0.1);
        asyncio_future_cancel(tasks[0]);
        nap(0.1);
    }
    nap(0.1);
    int c = take(tasks[0]), d = take(tasks[1]);
    say("c: %s, d: %s, e is done: %s", outcome(c), outcome(d), truth(asyncio_future_done(tasks[2])));
    ASYNCIO_WITH(condition, &condition, r) {
        asyncio_condition_notify(&condition, 1);
    }
    say("e: %s", outcome(take(tasks[2])));
    asyncio_condition_fini(&condition);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
