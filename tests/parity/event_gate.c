/* An event as a gate that opens and closes while workers pass it (E-01). */

#include "parity.h"

struct walker {
    struct asyncio_event *gate;
    const char *name;
    double stride;
};

static int walker(void *arg)
{
    const struct walker *me = arg;

    for (int step = 0; step < 3; step++) {
        TRY(asyncio_event_wait(me->gate));
        say("%s passes, step %d", me->name, step);
        TRY(asyncio_sleep(me->stride));
    }
    say("%s has arrived", me->name);
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_event gate = ASYNCIO_EVENT_INIT;
    struct walker shorter = {&gate, "short", 0.1}, longer = {&gate, "long", 0.35};
    struct asyncio_future *tasks[] = {asyncio_create_task(walker, &shorter), asyncio_create_task(walker, &longer)};

    (void)arg;
    nap(0.05);
    say("the gate opens");
    asyncio_event_set(&gate);
    nap(0.25);
    say("the gate closes");
    asyncio_event_clear(&gate);
    nap(0.5);
    say("the gate opens");
    asyncio_event_set(&gate);
    take_all(tasks, COUNT(tasks));
    asyncio_event_fini(&gate);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
