/* A timeout scope: in time, too late, without a limit, and when its body never waits (C-11). */

#include "parity.h"

static int scope(double limit, double seconds)
{
    struct asyncio_timeout timeout;
    int r = asyncio_timeout_enter(&timeout, limit);

    if (r >= 0)
        r = asyncio_sleep(seconds);
    if (r >= 0)
        say("the body ends");
    return asyncio_timeout_exit(&timeout, r);
}

static int main_task(void *arg)
{
    struct asyncio_timeout limit;

    (void)arg;
    say("in time: %s", outcome(scope(0.2, 0.1)));
    say("too late: %s", outcome(scope(0.1, 0.2)));
    say("without a limit: %s", outcome(scope(ASYNCIO_FOREVER, 1000)));
    say("no time, and the body yields: %s", outcome(scope(0, 0)));
    say("less than no time, and the body sleeps: %s", outcome(scope(-1, 1)));

    TRY(asyncio_timeout_enter(&limit, 0));
    say("a body that never waits is not interrupted");
    TRY(asyncio_timeout_exit(&limit, 0));
    say("expired: %s", truth(asyncio_timeout_expired(&limit)));
    nap(0);
    say("main has %d requests", asyncio_task_cancelling(asyncio_current_task()));

    double deadline = asyncio_loop_time(asyncio_get_running_loop()) + 0.5;
    TRY(asyncio_timeout_enter_at(&limit, deadline));
    say("deadline %.3f, expired: %s", asyncio_timeout_when(&limit), truth(asyncio_timeout_expired(&limit)));
    int r = asyncio_timeout_exit(&limit, asyncio_sleep(10));
    say("%s, expired: %s", outcome(r), truth(asyncio_timeout_expired(&limit)));
    nap(1);
    say("main ends");
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
