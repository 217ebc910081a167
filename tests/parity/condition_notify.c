/* A notify wakes the first n that wait; each returns when it has the lock again (CV-01, CV-04). */

#include "parity.h"

struct waiter {
    struct asyncio_condition *condition;
    char name[16];
};

static int waits(void *arg)
{
    const struct waiter *me = arg;
    int acquired, r = 0;

    ASYNCIO_WITH(condition, me->condition, acquired) {
        say("%s waits", me->name);
        r = asyncio_condition_wait(me->condition);
        if (r < 0)
            break;
        say("%s is notified, locked %s", me->name, truth(asyncio_condition_locked(me->condition)));
        r = asyncio_sleep(0.1);
    }
    return acquired < 0 ? acquired : r;
}

static int main_task(void *arg)
{
    struct asyncio_condition condition = ASYNCIO_CONDITION_INIT;
    struct waiter waiters[6];
    struct asyncio_future *tasks[6];
    int r;

    (void)arg;
    say("notify without the lock: %s", refused(asyncio_condition_notify(&condition, 1)));
    say("wait without the lock: %s", refused(asyncio_condition_wait(&condition)));

    for (int number = 0; number < 6; number++) {
        waiters[number].condition = &condition;
        snprintf(waiters[number].name, sizeof waiters[number].name, "waiter %d", number);
        tasks[number] = asyncio_create_task(waits, &waiters[number]);
    }
    nap(0.1);
    ASYNCIO_WITH(condition, &condition, r) {
        asyncio_condition_notify(&condition, 1);
        say("main has notified one, and keeps the lock for a while");
        nap(0.2);
        say("main leaves");
    }
    nap(0.5);
    ASYNCIO_WITH(condition, &condition, r) {
        asyncio_condition_notify(&condition, 2);
        asyncio_condition_notify(&condition, 1);
        say("main has notified two and one");
    }
    nap(0.5);
    ASYNCIO_WITH(condition, &condition, r) {
        asyncio_condition_notify_all(&condition);
        asyncio_condition_notify_all(&condition);
        say("main has notified all");
    }
    take_all(tasks, 6);
    ASYNCIO_WITH(condition, &condition, r) {
        asyncio_condition_notify(&condition, 5);
    }
    say("nobody waits: a notify is lost");
    asyncio_condition_fini(&condition);
    return r;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
