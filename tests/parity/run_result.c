/* asyncio_run() gives main's result, its error or its cancellation; each run starts on a loop of its own. */

#include "parity.h"

static int returns_seven(void *arg)
{
    (void)arg;
    say("returns_seven starts");
    TRY(asyncio_sleep(0.5));
    say("returns_seven ends");
    return 7;
}

static int fails(void *arg)
{
    (void)arg;
    TRY(asyncio_sleep(0.1));
    say("fails gives up");
    return -5;
}

static int cancels_itself(void *arg)
{
    (void)arg;
    asyncio_future_cancel(asyncio_current_task());
    TRY(asyncio_sleep(1));
    say("never printed");
    return 0;
}

static int runs_inside_a_run(void *arg)
{
    (void)arg;
    say("a run inside a run: %s", refused(asyncio_run(returns_seven, NULL)));
    return 0;
}

int main(void)
{
    say("returns_seven: %s", outcome(asyncio_run(returns_seven, NULL)));
    say("returns_seven again: %s", outcome(asyncio_run(returns_seven, NULL)));
    say("fails: %s", outcome(asyncio_run(fails, NULL)));
    say("cancels_itself: %s", outcome(asyncio_run(cancels_itself, NULL)));
    say("runs_inside_a_run: %s", outcome(asyncio_run(runs_inside_a_run, NULL)));
    return 0;
}
