/* A reset breaks those who wait and leaves a usable barrier; an abort breaks it for all until a reset (B-03, B-04). */

#include "parity.h"

static struct asyncio_barrier barrier = ASYNCIO_BARRIER_INIT(3);

static int walker(void *name)
{
    say("%s: %s", (const char *)name, outcome(asyncio_barrier_wait(&barrier)));
    return 0;
}

static void start(struct asyncio_future **tasks, size_t n, const char *const *names)
{
    for (size_t i = 0; i < n; i++)
        tasks[i] = asyncio_create_task(walker, word(names[i]));
}

static void describe(void)
{
    say("broken %s, waiting %zu", truth(asyncio_barrier_broken(&barrier)), asyncio_barrier_n_waiting(&barrier));
}

static int main_task(void *arg)
{
    struct asyncio_future *tasks[3];

    (void)arg;
    start(tasks, 2, (const char *[]){"a", "b"});
    nap(0.1);
    say("reset with %zu waiting", asyncio_barrier_n_waiting(&barrier));
    asyncio_barrier_reset(&barrier);
    take_all(tasks, 2);
    describe();

    start(tasks, 3, (const char *[]){"c", "d", "e"});
    take_all(tasks, 3);

    start(tasks, 2, (const char *[]){"f", "g"});
    nap(0.1);
    say("abort with %zu waiting", asyncio_barrier_n_waiting(&barrier));
    asyncio_barrier_abort(&barrier);
    take_all(tasks, 2);
    describe();
    say("a newcomer: %s", outcome(asyncio_barrier_wait(&barrier)));

    asyncio_barrier_reset(&barrier);
    say("after a reset: broken %s", truth(asyncio_barrier_broken(&barrier)));
    start(tasks, 3, (const char *[]){"h", "i", "j"});
    take_all(tasks, 3);
    asyncio_barrier_fini(&barrier);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
