/* For FIRST_EXCEPTION a cancelled task is no exception (C-06). */

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

static int scene(const char *title, int last_answer)
{
    struct work work[] = {{0, 10, 10}, {1, 0.2, 11}, {2, 0.4, last_answer}, {3, 0.6, 13}};
    struct asyncio_future *tasks[4];

    say("%s", title);
    for (int i = 0; i < 4; i++)
        tasks[i] = asyncio_create_task(works, &work[i]);
    asyncio_loop_call_later(asyncio_get_running_loop(), 0.1, cancel_callback, tasks[0]);
    int done = asyncio_wait(tasks, 4, ASYNCIO_FOREVER, ASYNCIO_FIRST_EXCEPTION);
    say("%d done, %d pending", done, 4 - done);
    say("the cancelled one: %s, the third: %s", outcome_of(tasks[0]), outcome_of(tasks[2]));
    int r = asyncio_wait(tasks, 4, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED);
    drop_all(tasks, 4);
    return r;
}

static int main_task(void *arg)
{
    (void)arg;
    TRY(scene("one is cancelled, none fails", 12));
    TRY(scene("one is cancelled, one fails", -5));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
