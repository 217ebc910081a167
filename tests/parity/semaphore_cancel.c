/* A waiter that was given a unit and is cancelled before it runs gives it back, and the next one gets it (SM-02). */

#include "parity.h"

static struct asyncio_semaphore semaphore = ASYNCIO_SEMAPHORE_INIT(0);

static int worker(void *name)
{
    int acquired, r = 0;

    ASYNCIO_WITH(semaphore, &semaphore, acquired) {
        say("%s is in", (const char *)name);
        r = asyncio_sleep(0.1);
    }
    return acquired < 0 ? acquired : r;
}

static const char *locked(void)
{
    return truth(asyncio_semaphore_locked(&semaphore));
}

static int main_task(void *arg)
{
    struct asyncio_timeout limit;
    struct asyncio_future *tasks[3];

    (void)arg;
    say("woken, then cancelled");
    tasks[0] = asyncio_create_task(worker, word("a"));
    tasks[1] = asyncio_create_task(worker, word("b"));
    nap(0.1);
    asyncio_semaphore_release(&semaphore);
    asyncio_future_cancel(tasks[0]);
    int a = take(tasks[0]), b = take(tasks[1]);
    say("a: %s, b: %s, locked %s", outcome(a), outcome(b), locked());
    TRY(asyncio_semaphore_acquire(&semaphore));

    say("the only waiter is woken and cancelled: the unit stays");
    struct asyncio_future *task = asyncio_create_task(worker, word("c"));
    nap(0.1);
    asyncio_semaphore_release(&semaphore);
    asyncio_future_cancel(task);
    int c = take(task);
    say("c: %s, locked %s", outcome(c), locked());
    TRY(asyncio_semaphore_acquire(&semaphore));

    say("cancelled in the queue");
    tasks[0] = asyncio_create_task(worker, word("d"));
    tasks[1] = asyncio_create_task(worker, word("e"));
    tasks[2] = asyncio_create_task(worker, word("f"));
    nap(0.1);
    asyncio_future_cancel(tasks[1]);
    nap(0.1);
    asyncio_semaphore_release(&semaphore);
    for (int i = 0; i < 3; i++)
        say("worker: %s", outcome(take(tasks[i])));

    say("not in time");
    TRY(asyncio_semaphore_acquire(&semaphore));
    TRY(asyncio_timeout_enter(&limit, 0.5));
    int r = asyncio_timeout_exit(&limit, asyncio_semaphore_acquire(&semaphore));
    say("wait_for: %s, locked %s", outcome(r), locked());
    asyncio_semaphore_release(&semaphore);
    say("locked %s", locked());
    asyncio_semaphore_fini(&semaphore);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
