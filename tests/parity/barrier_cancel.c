/* A waiter that is cancelled leaves the barrier as if it had never come (B-05). */

#include "parity.h"

static struct asyncio_barrier barrier = ASYNCIO_BARRIER_INIT(3);

static int walker(void *name)
{
    TRY(asyncio_barrier_wait(&barrier));
    say("%s goes on", (const char *)name);
    return 0;
}

static void describe(void)
{
    say("%zu waiting, broken %s", asyncio_barrier_n_waiting(&barrier), truth(asyncio_barrier_broken(&barrier)));
}

static int main_task(void *arg)
{
    struct asyncio_timeout limit;
    struct asyncio_future *leaver = asyncio_create_task(walker, word("leaver"));
    struct asyncio_future *stayer = asyncio_create_task(walker, word("stayer"));

    (void)arg;
    nap(0.1);
    say("%zu waiting", asyncio_barrier_n_waiting(&barrier));
    asyncio_future_cancel(leaver);
    say("leaver: %s", outcome(take(leaver)));
    describe();
    nap(0.1);
    TRY(asyncio_timeout_enter(&limit, 0.5));
    say("not in time: %s", outcome(asyncio_timeout_exit(&limit, asyncio_barrier_wait(&barrier))));
    describe();
    struct asyncio_future *others[] = {
        asyncio_create_task(walker, word("third")),
        asyncio_create_task(walker, word("fourth")),
    };
    take_all(others, 2);
    TRY(take(stayer));
    asyncio_barrier_fini(&barrier);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
