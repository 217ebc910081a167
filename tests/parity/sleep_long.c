/* Long sleeps end on time, also beyond the day for which a loop polls at most (EV-14). */

#include "parity.h"

#define DAY 86400

struct sleeper {
    const char *name;
    double seconds;
};

static int sleeper(void *arg)
{
    const struct sleeper *me = arg;

    TRY(asyncio_sleep(me->seconds));
    say("%s wakes", me->name);
    return 0;
}

static int main_task(void *arg)
{
    struct sleeper sleepers[] = {
        {"thirty days and a millisecond", 30 * DAY + 0.001},
        {"thirty days", 30 * DAY},
        {"a day", DAY},
        {"a day and a second", DAY + 1},
        {"an hour", 3600},
    };
    struct asyncio_future *tasks[COUNT(sleepers)];

    (void)arg;
    for (size_t i = 0; i < COUNT(sleepers); i++)
        tasks[i] = asyncio_create_task(sleeper, &sleepers[i]);
    TRY(asyncio_gather(tasks, COUNT(tasks), NULL));
    drop_all(tasks, COUNT(tasks));
    say("main ends");
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
