/* A bounded semaphore refuses a release too many (SM-03). */

#include "parity.h"

static struct asyncio_semaphore semaphore = ASYNCIO_BOUNDED_SEMAPHORE_INIT(2);

static int worker(void *arg)
{
    int acquired, r = 0;

    ASYNCIO_WITH(semaphore, &semaphore, acquired) {
        say("worker %d is in", number_of(arg));
        r = asyncio_sleep(0.1);
    }
    return acquired < 0 ? acquired : r;
}

static int main_task(void *arg)
{
    struct asyncio_future *tasks[5];

    (void)arg;
    say("release at the bound: %s", refused(asyncio_semaphore_release(&semaphore)));
    TRY(asyncio_semaphore_acquire(&semaphore));
    say("release below the bound: %s", refused(asyncio_semaphore_release(&semaphore)));
    say("and once more: %s", refused(asyncio_semaphore_release(&semaphore)));
    for (int number = 0; number < 5; number++)
        tasks[number] = asyncio_create_task(worker, item_of(number));
    take_all(tasks, 5);
    say("release at the end: %s", refused(asyncio_semaphore_release(&semaphore)));
    asyncio_semaphore_fini(&semaphore);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
