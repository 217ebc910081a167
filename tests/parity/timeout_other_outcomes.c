/* A body that answers its expiry with an error or with success keeps that answer (C-13). */

#include "parity.h"

static int fails(void)
{
    struct asyncio_timeout limit;

    TRY(asyncio_timeout_enter(&limit, 0.1));
    int r = asyncio_sleep(1);
    return asyncio_timeout_exit(&limit, r == -ECANCELED ? -5 : r);
}

static int swallows(void)
{
    struct asyncio_timeout limit;

    TRY(asyncio_timeout_enter(&limit, 0.1));
    ASYNCIO_IGNORE(asyncio_sleep(1));
    TRY(asyncio_timeout_exit(&limit, 0));
    say("swallows: expired %s, requests %d", truth(asyncio_timeout_expired(&limit)),
        asyncio_task_cancelling(asyncio_current_task()));
    TRY(asyncio_sleep(0.1));
    return 3;
}

static int fails_early(void)
{
    struct asyncio_timeout limit;

    TRY(asyncio_timeout_enter(&limit, 0.1));
    return asyncio_timeout_exit(&limit, -6);
}

static int main_task(void *arg)
{
    (void)arg;
    say("fails: %s", outcome(fails()));
    say("swallows: %s", outcome(swallows()));
    say("fails_early: %s", outcome(fails_early()));
    nap(1);
    say("main has %d requests", asyncio_task_cancelling(asyncio_current_task()));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
