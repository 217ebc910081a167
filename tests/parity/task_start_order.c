/* Tasks start in the order of creation, when their creator waits (T-01); a done task makes nobody wait (T-04). */

#include "parity.h"

static int child(void *arg)
{
    int number = number_of(arg);

    say("child %d starts", number);
    return number * 10;
}

static int add(struct asyncio_future *first, struct asyncio_future *second)
{
    say("add is called, not scheduled");
    return asyncio_await(first) + asyncio_await(second);
}

static int main_task(void *arg)
{
    struct asyncio_future *tasks[3];

    (void)arg;
    for (int number = 0; number < 3; number++)
        tasks[number] = asyncio_create_task(child, item_of(number));
    say("main has created three tasks");
    say("task 1: %s", outcome(asyncio_await(tasks[1])));
    say("task 0 is done: %s, task 2 is done: %s", truth(asyncio_future_done(tasks[0])),
        truth(asyncio_future_done(tasks[2])));
    asyncio_loop_call_soon(asyncio_get_running_loop(), say_callback, word("the next turn"));
    say("task 0 and task 2: %d", add(tasks[0], tasks[2]));
    nap(0);
    say("main ends");
    drop_all(tasks, 3);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
