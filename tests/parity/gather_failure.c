/* When a child fails, gather gives its error at once; the siblings go on, and a late cancel does nothing (C-03). */

#include "parity.h"

struct work {
    int number;
    double seconds;
    int answer;
};

static int works(void *arg)
{
    const struct work *work = arg;

    TRY(asyncio_sleep(work->seconds));
    say("works %d ends", work->number);
    return work->answer;
}

static int main_task(void *arg)
{
    struct work work[] = {{0, 0.3, 10}, {1, 0.1, -5}, {2, 0.2, -6}, {3, 0.4, 13}};
    struct asyncio_future *tasks[COUNT(work)];
    int results[COUNT(work)];

    (void)arg;
    for (size_t i = 0; i < COUNT(work); i++)
        tasks[i] = asyncio_create_task(works, &work[i]);
    struct asyncio_future *group = asyncio_gather_future(tasks, COUNT(tasks), results);
    say("gather: %s", outcome(asyncio_await(group)));
    say("done: %s, cancelled: %s", truth(asyncio_future_done(group)), truth(asyncio_future_cancelled(group)));
    say("cancel of the finished gather: %s", truth(asyncio_future_cancel(group)));
    nap(1);
    say("children: %s, %s, %s, %s", outcome_of(tasks[0]), outcome_of(tasks[1]), outcome_of(tasks[2]),
        outcome_of(tasks[3]));
    asyncio_future_unref(group);
    drop_all(tasks, COUNT(tasks));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
