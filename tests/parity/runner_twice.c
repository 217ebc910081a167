/* A runner runs several mains on one loop, in one context; tasks that are left go on in the next run. */

#include "parity.h"

static const struct asyncio_contextvar counter = {.name = "counter"};

static int background(void *arg)
{
    (void)arg;
    for (int tick = 1; tick < 10; tick++) {
        TRY(asyncio_sleep(0.25));
        say("background tick %d, counter %d", tick, get_number(&counter, 0));
    }
    return 0;
}

static int start(void *arg)
{
    (void)arg;
    set_number(&counter, get_number(&counter, 0) + 1);
    asyncio_future_unref(asyncio_create_task(background, NULL));
    nap(0.3);
    say("start ends, counter %d", get_number(&counter, 0));
    return 1;
}

static int go_on(void *arg)
{
    (void)arg;
    say("go_on finds counter %d", get_number(&counter, 0));
    set_number(&counter, get_number(&counter, 0) + 10);
    nap(0.3);
    say("go_on ends, counter %d", get_number(&counter, 0));
    return 2;
}

int main(void)
{
    struct asyncio_runner runner;

    asyncio_runner_init(&runner);
    say("first run: %d", asyncio_runner_run(&runner, start, NULL));
    say("second run: %d", asyncio_runner_run(&runner, go_on, NULL));
    say("third run: %d", asyncio_runner_run(&runner, go_on, NULL));
    asyncio_runner_close(&runner);
    asyncio_runner_close(&runner);
    say("counter outside: %d", get_number(&counter, 0));
    say("run after close: %s", refused(asyncio_runner_run(&runner, go_on, NULL)));
    return 0;
}
