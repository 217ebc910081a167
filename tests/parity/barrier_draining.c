/* Who comes while a barrier drains waits for the next round (B-02). */

#include "parity.h"

static struct asyncio_barrier barrier = ASYNCIO_BARRIER_INIT(2);

static int walker(void *name)
{
    int place = asyncio_barrier_wait(&barrier);

    TRY(place);
    say("%s goes on, place %d", (const char *)name, place);
    return 0;
}

static int main_task(void *arg)
{
    const char *names[] = {"a", "b", "c", "d", "e", "f"};
    struct asyncio_future *tasks[6];

    (void)arg;
    for (int i = 0; i < 5; i++)
        tasks[i] = asyncio_create_task(walker, word(names[i]));
    nap(1);
    say("%zu waiting", asyncio_barrier_n_waiting(&barrier));
    tasks[5] = asyncio_create_task(walker, word(names[5]));
    take_all(tasks, 6);
    say("%zu waiting", asyncio_barrier_n_waiting(&barrier));
    asyncio_barrier_fini(&barrier);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
