/* A task that awaits itself is told so (T-03). */

#include "parity.h"

static int awaits_itself(void *arg)
{
    (void)arg;
    say("awaiting itself: %s", refused(asyncio_await(asyncio_current_task())));
    TRY(asyncio_sleep(0.1));
    return 3;
}

static int main_task(void *arg)
{
    (void)arg;
    say("the task goes on and gives %d", take(asyncio_create_task(awaits_itself, NULL)));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
