/* wait returns after the first, after the first error or after all; it never cancels any of them (C-06). */

#include "parity.h"

static int works(void *arg)
{
    int number = number_of(arg);

    TRY(asyncio_sleep(number / 10.0));
    return number == 2 ? -5 : number;
}

static void describe(const char *title, struct asyncio_future *const *tasks, int done)
{
    const char *states[4];

    for (int i = 0; i < 4; i++)
        states[i] = asyncio_future_done(tasks[i]) ? "done" : "pending";
    say("%s: %s, %s, %s, %s; %d done, %d pending", title, states[0], states[1], states[2], states[3], done, 4 - done);
}

static void scene(const char *title, int return_when)
{
    const int numbers[4] = {3, 1, 4, 2};
    struct asyncio_future *tasks[4];

    for (int i = 0; i < 4; i++)
        tasks[i] = asyncio_create_task(works, item_of(numbers[i]));
    int done = asyncio_wait(tasks, 4, ASYNCIO_FOREVER, return_when);
    describe(title, tasks, done);
    done = asyncio_wait(tasks, 4, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED);
    describe("and then all", tasks, done);
    say("error of the last: %d", -asyncio_future_exception(tasks[3]));
    drop_all(tasks, 4);
}

static int main_task(void *arg)
{
    (void)arg;
    scene("FIRST_COMPLETED", ASYNCIO_FIRST_COMPLETED);
    scene("FIRST_EXCEPTION", ASYNCIO_FIRST_EXCEPTION);
    scene("ALL_COMPLETED", ASYNCIO_ALL_COMPLETED);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
