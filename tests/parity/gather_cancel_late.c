/* A gather whose children are all done takes no cancel, even before it has noticed (C-05). */

#include "parity.h"

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_future *futures[] = {asyncio_loop_create_future(loop), asyncio_loop_create_future(loop)};
    int results[2];

    (void)arg;
    struct asyncio_future *group = asyncio_gather_future(futures, 2, results);
    nap(0.1);
    asyncio_future_set_result(futures[0], 1, NULL);
    asyncio_future_set_result(futures[1], 2, NULL);
    bool done = asyncio_future_done(group);
    say("done: %s, cancel: %s", truth(done), truth(asyncio_future_cancel(group)));
    TRY(take(group));
    say("results: %d %d", results[0], results[1]);
    drop_all(futures, 2);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
