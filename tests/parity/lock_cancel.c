/* A cancelled waiter leaves the queue of a lock; if the lock was on its way to it, the next one gets it (L-03). */

#include "parity.h"

struct worker {
    struct asyncio_lock *lock;
    const char *name;
};

static int worker(void *arg)
{
    struct worker *me = arg;
    int r, slept = 0;

    ASYNCIO_WITH(lock, me->lock, r) {
        say("%s has the lock", me->name);
        slept = asyncio_sleep(0.1);
    }
    return r < 0 ? r : slept;
}

static void start(struct worker *workers, size_t n, struct asyncio_future **tasks)
{
    for (size_t i = 0; i < n; i++)
        tasks[i] = asyncio_create_task(worker, &workers[i]);
}

static void finish(struct asyncio_future **tasks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        say("worker: %s", outcome(take(tasks[i])));
}

static int main_task(void *arg)
{
    struct asyncio_lock lock = ASYNCIO_LOCK_INIT;
    struct worker workers[] = {{&lock, "a"}, {&lock, "b"}, {&lock, "c"}, {&lock, "d"},
                               {&lock, "e"}, {&lock, "f"}, {&lock, "g"}, {&lock, "h"}};
    struct asyncio_future *tasks[3];

    (void)arg;
    say("a waiter in the middle of the queue is cancelled");
    TRY(asyncio_lock_acquire(&lock));
    start(&workers[0], 3, tasks);
    nap(0.1);
    asyncio_future_cancel(tasks[1]);
    asyncio_lock_release(&lock);
    finish(tasks, 3);

    say("a waiter is woken, and cancelled before it runs");
    TRY(asyncio_lock_acquire(&lock));
    start(&workers[3], 2, tasks);
    nap(0.1);
    asyncio_lock_release(&lock);
    asyncio_future_cancel(tasks[0]);
    finish(tasks, 2);

    say("cancelled first, released then");
    TRY(asyncio_lock_acquire(&lock));
    start(&workers[5], 2, tasks);
    nap(0.1);
    asyncio_future_cancel(tasks[0]);
    asyncio_lock_release(&lock);
    finish(tasks, 2);

    say("the only waiter is woken and cancelled: the lock is free");
    TRY(asyncio_lock_acquire(&lock));
    start(&workers[7], 1, tasks);
    nap(0.1);
    asyncio_lock_release(&lock);
    asyncio_future_cancel(tasks[0]);
    finish(tasks, 1);
    say("locked %s", truth(asyncio_lock_locked(&lock)));
    asyncio_lock_fini(&lock);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
