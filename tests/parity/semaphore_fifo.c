/* A semaphore lets so many in at once, in the order of asking, and nobody overtakes (SM-01). */

#include "parity.h"

struct worker {
    struct asyncio_semaphore *semaphore;
    char name[16];
    double seconds;
};

static int worker(void *arg)
{
    const struct worker *me = arg;
    int acquired, r = 0;

    ASYNCIO_WITH(semaphore, me->semaphore, acquired) {
        say("%s is in", me->name);
        r = asyncio_sleep(me->seconds);
        say("%s leaves", me->name);
    }
    return acquired < 0 ? acquired : r;
}

static int barges(struct asyncio_semaphore *semaphore)
{
    say("barger asks, locked %s", truth(asyncio_semaphore_locked(semaphore)));
    TRY(asyncio_semaphore_acquire(semaphore));
    say("barger is in");
    return asyncio_semaphore_release(semaphore);
}

static void start(struct asyncio_future *tasks[4], struct worker workers[4], struct asyncio_semaphore *semaphore,
                  const char *kind, const double seconds[4])
{
    for (int number = 0; number < 4; number++) {
        struct worker *me = &workers[number];
        me->semaphore = semaphore;
        me->seconds = seconds[number];
        snprintf(me->name, sizeof me->name, "%s %d", kind, number);
        tasks[number] = asyncio_create_task(worker, me);
    }
}

static int main_task(void *arg)
{
    struct asyncio_semaphore semaphore = ASYNCIO_SEMAPHORE_INIT(2);
    struct worker workers[4];
    struct asyncio_future *tasks[4];

    (void)arg;
    start(tasks, workers, &semaphore, "worker", (const double[]){0.5, 0.2, 0.2, 0.4});
    nap(0.3);
    say("two are in, locked %s", truth(asyncio_semaphore_locked(&semaphore)));
    take_all(tasks, 4);
    say("all have left, locked %s", truth(asyncio_semaphore_locked(&semaphore)));
    asyncio_semaphore_fini(&semaphore);

    say("several units are released at once");
    asyncio_semaphore_init(&semaphore, 0);
    start(tasks, workers, &semaphore, "waiter", (const double[]){0.1, 0.1, 0.1, 0.1});
    nap(0.1);
    for (int i = 0; i < 5; i++)
        asyncio_semaphore_release(&semaphore);
    TRY(barges(&semaphore));
    take_all(tasks, 4);

    say("a semaphore may grow");
    asyncio_semaphore_release(&semaphore);
    say("locked %s", truth(asyncio_semaphore_locked(&semaphore)));
    asyncio_semaphore_fini(&semaphore);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
