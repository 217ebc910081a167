/* A cancelled sleep ends at once, and its timer with it (C-01). */

#include "parity.h"

static int sleeper(void *arg)
{
    TRY(asyncio_sleep(number_of(arg)));
    say("never printed");
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_future *tasks[3];

    (void)arg;
    for (int number = 0; number < 3; number++)
        tasks[number] = asyncio_create_task(sleeper, item_of(100 + number));
    nap(0.5);
    for (int number = 0; number < 3; number++)
        asyncio_future_cancel(tasks[number]);
    for (int number = 0; number < 3; number++)
        say("sleeper: %s", outcome(take(tasks[number])));
    /* Nothing of the hundred seconds is left over. */
    nap(0.5);
    say("main ends");
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
