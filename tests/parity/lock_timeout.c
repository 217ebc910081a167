/* A lock that is not had in time is not had at all (L-03, C-07). */

#include "parity.h"

struct trial {
    struct asyncio_lock *lock;
    const char *name;
    double limit;
};

static int tries(void *arg)
{
    const struct trial *trial = arg;
    struct asyncio_timeout limit;

    TRY(asyncio_timeout_enter(&limit, trial->limit));
    int r = asyncio_timeout_exit(&limit, asyncio_lock_acquire(trial->lock));
    if (r == -ETIMEDOUT) {
        say("%s gives up", trial->name);
        return 0;
    }
    if (r < 0)
        return r;
    say("%s has the lock", trial->name);
    r = asyncio_sleep(0.2);
    asyncio_lock_release(trial->lock);
    return r < 0 ? r : 1;
}

static int main_task(void *arg)
{
    struct asyncio_lock lock = ASYNCIO_LOCK_INIT;
    struct trial trials[] = {
        {&lock, "patient", 10},
        {&lock, "hasty", 0.1},
        {&lock, "unlucky", 0.6},
        {&lock, "last", 10},
    };
    struct asyncio_future *tasks[COUNT(trials)];
    int results[COUNT(trials)];

    (void)arg;
    TRY(asyncio_lock_acquire(&lock));
    for (size_t i = 0; i < COUNT(trials); i++)
        tasks[i] = asyncio_create_task(tries, &trials[i]);
    nap(0.5);
    say("main releases the lock");
    asyncio_lock_release(&lock);
    TRY(asyncio_gather(tasks, COUNT(tasks), results));
    say("%d of %zu had it, locked %s", results[0] + results[1] + results[2] + results[3], COUNT(results),
        truth(asyncio_lock_locked(&lock)));
    drop_all(tasks, COUNT(tasks));
    asyncio_lock_fini(&lock);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
