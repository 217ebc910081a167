/* What becomes done in the very turn in which wait times out counts as done (C-06). */

#include "parity.h"

static void make_timer(void *later)
{
    asyncio_loop_call_later(asyncio_get_running_loop(), 0.5, set_result_callback, later);
}

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_future *before = asyncio_loop_create_future(loop);
    struct asyncio_future *after = asyncio_loop_create_future(loop);
    struct asyncio_future *never = asyncio_loop_create_future(loop);
    struct asyncio_future *futures[] = {before, after, never};
    struct later_result one = {before, 1}, two = {after, 2};

    (void)arg;
    /* The timers run in the order of making: one result, the timeout, the other result, all at 0.5. */
    asyncio_loop_call_later(loop, 0.5, set_result_callback, &one);
    asyncio_loop_call_soon(loop, make_timer, &two);
    TRY(asyncio_wait(futures, 3, 0.5, ASYNCIO_ALL_COMPLETED));
    say("before: %s, after: %s, never: %s", outcome_of(before), outcome_of(after), outcome_of(never));
    drop_all(futures, 3);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
