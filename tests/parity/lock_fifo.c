/* A lock is given in the order of asking; who releases and asks again queues behind the others (L-01, L-02). */

#include "parity.h"

struct worker {
    struct asyncio_lock *lock;
    char name[16];
};

static int worker(void *arg)
{
    struct worker *me = arg;

    TRY(asyncio_lock_acquire(me->lock));
    say("%s has the lock", me->name);
    int r = asyncio_sleep(0.1);
    asyncio_lock_release(me->lock);
    say("%s has released it", me->name);
    return r;
}

static int scoped(void *arg)
{
    struct asyncio_lock *lock = arg;
    int r;

    ASYNCIO_WITH(lock, lock, r) {
        say("scoped has the lock");
    }
    say("scoped has left its scope, locked %s", truth(asyncio_lock_locked(lock)));
    return r;
}

static void release(void *lock)
{
    asyncio_lock_release(lock);
}

static int main_task(void *arg)
{
    struct asyncio_lock lock = ASYNCIO_LOCK_INIT;
    struct worker workers[3];
    struct asyncio_future *tasks[3];

    (void)arg;
    say("release of a free lock: %s", refused(asyncio_lock_release(&lock)));
    TRY(asyncio_lock_acquire(&lock));
    say("main has the lock, locked %s", truth(asyncio_lock_locked(&lock)));
    for (int number = 0; number < 3; number++) {
        workers[number].lock = &lock;
        snprintf(workers[number].name, sizeof workers[number].name, "worker %d", number);
        tasks[number] = asyncio_create_task(worker, &workers[number]);
    }
    nap(0.1);
    asyncio_lock_release(&lock);
    TRY(asyncio_lock_acquire(&lock));
    say("main has it again, behind the others");
    asyncio_lock_release(&lock);
    take_all(tasks, 3);

    TRY(asyncio_lock_acquire(&lock));
    struct asyncio_future *task = asyncio_create_task(scoped, &lock);
    nap(0.1);
    say("any task may release: a callback does");
    asyncio_loop_call_later(asyncio_get_running_loop(), 0.1, release, &lock);
    TRY(take(task));
    asyncio_lock_fini(&lock);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
