/* An event wakes all that wait for it, also when it is cleared at once (E-01). */

#include "parity.h"

static struct asyncio_event event = ASYNCIO_EVENT_INIT;

static int waits(void *name)
{
    TRY(asyncio_event_wait(&event));
    say("%s is through, set %s", (const char *)name, truth(asyncio_event_is_set(&event)));
    return 0;
}

static void start(struct asyncio_future **tasks, size_t n, const char *const *names)
{
    for (size_t i = 0; i < n; i++)
        tasks[i] = asyncio_create_task(waits, word(names[i]));
}

static int main_task(void *arg)
{
    struct asyncio_future *tasks[3];

    (void)arg;
    start(tasks, 3, (const char *[]){"a", "b", "c"});
    nap(0.1);
    asyncio_event_set(&event);
    asyncio_event_set(&event);
    say("main has set it, set %s", truth(asyncio_event_is_set(&event)));
    take_all(tasks, 3);

    TRY(waits(word("main")));
    asyncio_event_clear(&event);
    say("cleared, set %s", truth(asyncio_event_is_set(&event)));

    start(tasks, 2, (const char *[]){"d", "e"});
    nap(0.1);
    asyncio_event_set(&event);
    asyncio_event_clear(&event);
    say("set and cleared in one step");
    take_all(tasks, 2);

    start(tasks, 2, (const char *[]){"f", "g"});
    nap(0.1);
    asyncio_future_cancel(tasks[0]);
    say("f: %s", outcome(take(tasks[0])));
    asyncio_event_set(&event);
    say("g: %s", outcome(take(tasks[1])));
    asyncio_event_fini(&event);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
