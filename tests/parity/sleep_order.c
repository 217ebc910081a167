/* Sleepers wake in the order of their deadlines, equal deadlines in the order of falling asleep (C-01, D-01). */

#include "parity.h"

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
    struct sleeper sleepers[] = {{"a", 0.3},  {"b", 0.1}, {"c", 0.2},      {"d", 0.1},
                                 {"e", 3600}, {"f", 0.3}, {"g", 0.000001}, {"h", 0.1}};
    struct asyncio_future *tasks[COUNT(sleepers)];

    (void)arg;
    for (size_t i = 0; i < COUNT(sleepers); i++)
        tasks[i] = asyncio_create_task(sleeper, &sleepers[i]);
    take_all(tasks, COUNT(tasks));
    say("sleeping twice for 0.25");
    nap(0.25);
    nap(0.25);
    say("main ends");
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
