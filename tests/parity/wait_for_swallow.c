/* What wait_for gives when the awaited one does not end cancelled (C-07). */

#include "parity.h"

static int answers_late(void *arg)
{
    ASYNCIO_IGNORE(asyncio_sleep(10));
    TRY(asyncio_sleep(0.5));
    return number_of(arg);
}

static int main_task(void *arg)
{
    (void)arg;
    say("a late value: %s", outcome(asyncio_wait_for(answers_late, item_of(3), 0.1)));
    say("a late error: %s", outcome(asyncio_wait_for(answers_late, item_of(-5), 0.1)));
    struct asyncio_future *task = asyncio_create_task(answers_late, item_of(4));
    say("a task's late value: %s", outcome(asyncio_wait_for_future(task, 0.1)));
    asyncio_future_unref(task);
    task = asyncio_create_task(answers_late, item_of(-6));
    say("a task's late error: %s", outcome(asyncio_wait_for_future(task, 0.1)));
    asyncio_future_unref(task);
    say("main has %d requests", asyncio_task_cancelling(asyncio_current_task()));
    nap(0.1);
    say("main ends");
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
