/* wait with a timeout gives what is done by then; duplicates count once; nothing is cancelled (C-06). */

#include "parity.h"

static int works(void *arg)
{
    int number = number_of(arg);

    TRY(asyncio_sleep(number / 10.0));
    say("works %d ends", number);
    return number;
}

struct waiting {
    struct asyncio_future **tasks;
    size_t n;
};

static int waits(void *arg)
{
    struct waiting *waiting = arg;

    TRY(asyncio_wait(waiting->tasks, waiting->n, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
    say("never printed");
    return 0;
}

static int count_done(struct asyncio_future *const *tasks, int n)
{
    int done = 0;

    for (int i = 0; i < n; i++)
        done += asyncio_future_done(tasks[i]);
    return done;
}

static int main_task(void *arg)
{
    struct asyncio_future *tasks[4];

    (void)arg;
    for (int number = 1; number < 5; number++)
        tasks[number - 1] = asyncio_create_task(works, item_of(number));
    TRY(asyncio_wait(tasks, 4, 0.25, ASYNCIO_ALL_COMPLETED));
    say("after 0.25: %d done, %d pending", count_done(tasks, 4), 4 - count_done(tasks, 4));
    TRY(asyncio_wait(tasks, 4, 0, ASYNCIO_ALL_COMPLETED));
    say("with a timeout of 0: %d done, %d pending", count_done(tasks, 4), 4 - count_done(tasks, 4));
    struct asyncio_future *some[] = {tasks[2], tasks[2], tasks[0]};
    int done = asyncio_wait(some, COUNT(some), 10, ASYNCIO_ALL_COMPLETED);
    say("with a duplicate: %d done, 0 pending", done);

    struct waiting waiting = {tasks, 4};
    struct asyncio_future *waiter = asyncio_create_task(waits, &waiting);
    nap(0.05);
    asyncio_future_cancel(waiter);
    say("a cancelled wait: %s", outcome(take(waiter)));
    nap(1);
    say("tasks: %s, %s, %s, %s", outcome_of(tasks[0]), outcome_of(tasks[1]), outcome_of(tasks[2]),
        outcome_of(tasks[3]));
    done = asyncio_wait(tasks, 4, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED);
    say("all long done: %d done, %d pending", done, 4 - done);
    drop_all(tasks, 4);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
