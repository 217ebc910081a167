/* shield hands on the result, the error or the cancellation of what it shields (C-15). */

#include "parity.h"

static int works(void *arg)
{
    TRY(asyncio_sleep(0.1));
    return number_of(arg);
}

static int shielded(struct asyncio_future *inner)
{
    int r = asyncio_shield(inner);

    asyncio_future_unref(inner);
    return r;
}

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    (void)arg;
    say("result: %s", outcome(shielded(asyncio_create_task(works, item_of(4)))));
    say("error: %s", outcome(shielded(asyncio_create_task(works, item_of(-5)))));

    struct asyncio_future *inner = asyncio_create_task(works, item_of(6));
    asyncio_loop_call_later(loop, 0.05, cancel_callback, inner);
    struct asyncio_future *shield = asyncio_shield_future(inner);
    int r = asyncio_await(shield);
    say("inner is cancelled: %s, shield cancelled: %s", outcome(r), truth(asyncio_future_cancelled(shield)));
    say("main has %d requests", asyncio_task_cancelling(asyncio_current_task()));
    asyncio_future_unref(shield);
    asyncio_future_unref(inner);

    inner = asyncio_create_task(works, item_of(7));
    TRY(asyncio_await(inner));
    say("inner is done: %s", outcome(shielded(inner)));

    struct asyncio_future *future = asyncio_loop_create_future(loop);
    struct later_result eight = {future, 8};
    asyncio_loop_call_later(loop, 0.1, set_result_callback, &eight);
    say("a plain future: %s", outcome(shielded(future)));

    inner = asyncio_create_task(works, item_of(9));
    struct asyncio_future *shields[] = {asyncio_shield_future(inner), asyncio_shield_future(inner)};
    asyncio_future_cancel(shields[0]);
    int first = take(shields[0]), second = take(shields[1]);
    say("two shields of one task: %s, %s", outcome(first), outcome(second));
    asyncio_future_unref(inner);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
