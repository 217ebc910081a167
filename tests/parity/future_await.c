/* Tasks that await one future resume in order, one turn after its result; a done one makes nobody wait (F-07, T-04). */

#include "parity.h"

struct waiter {
    const char *name;
    struct asyncio_future *future;
};

static int waits(void *arg)
{
    const struct waiter *me = arg;

    say("%s waits", me->name);
    say("%s gets %s", me->name, outcome(asyncio_await(me->future)));
    say("%s gets %s again, at once", me->name, outcome(asyncio_await(me->future)));
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_future *future = asyncio_loop_create_future(loop), *tasks[3];
    struct waiter waiters[] = {{"a", future}, {"b", future}, {"c", future}, {"d", NULL}, {"e", NULL}};

    (void)arg;
    for (int i = 0; i < 3; i++)
        tasks[i] = asyncio_create_task(waits, &waiters[i]);
    nap(0.1);
    asyncio_loop_call_soon(loop, say_callback, word("a callback before the result"));
    asyncio_future_set_result(future, 7, NULL);
    asyncio_loop_call_soon(loop, say_callback, word("a callback after the result"));
    say("main has set the result");
    take_all(tasks, 3);
    asyncio_future_unref(future);

    say("one of several waiters is cancelled: so is the future, and so are the others");
    future = asyncio_loop_create_future(loop);
    for (int i = 0; i < 2; i++) {
        waiters[3 + i].future = future;
        tasks[i] = asyncio_create_task(waits, &waiters[3 + i]);
    }
    nap(0.1);
    asyncio_future_cancel(tasks[1]);
    for (int i = 0; i < 2; i++) {
        int r = asyncio_await(tasks[i]);
        say("task: %s, requests %d", outcome(r), asyncio_task_cancelling(tasks[i]));
        asyncio_future_unref(tasks[i]);
    }
    say("future cancelled: %s", truth(asyncio_future_cancelled(future)));
    asyncio_future_unref(future);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
