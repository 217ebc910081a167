/* Whoever waits behind a shield can be cancelled; what is shielded goes on (C-15). */

#include "parity.h"

static int saves(void *arg)
{
    TRY(asyncio_sleep(0.5));
    say("saved %d", number_of(arg));
    return number_of(arg);
}

static int caller(void *arg)
{
    int r = asyncio_shield(arg);

    say("the caller gets %s, requests %d", outcome(r), asyncio_task_cancelling(asyncio_current_task()));
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_future *inner = asyncio_create_task(saves, item_of(1));
    struct asyncio_future *outer = asyncio_create_task(caller, inner);

    (void)arg;
    nap(0.1);
    asyncio_future_cancel(outer);
    int r = take(outer);
    say("caller: %s; the inner task is done: %s", outcome(r), truth(asyncio_future_done(inner)));
    say("inner: %s", outcome(take(inner)));

    inner = asyncio_create_task(saves, item_of(2));
    struct asyncio_future *shield = asyncio_shield_future(inner);
    say("wait_for of a shield: %s", outcome(asyncio_wait_for_future(shield, 0.2)));
    asyncio_future_unref(shield);
    say("inner: %s", outcome(take(inner)));

    inner = asyncio_create_task(saves, item_of(3));
    shield = asyncio_shield_future(inner);
    int cancelled = asyncio_future_cancel(shield);
    say("cancel of the shield itself: %s, cancelled: %s", truth(cancelled), truth(asyncio_future_cancelled(shield)));
    asyncio_future_unref(shield);
    say("inner: %s", outcome(take(inner)));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
