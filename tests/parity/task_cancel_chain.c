/* A cancel goes through a chain of tasks to the one at its end, and what that one makes of it comes back (T-06). */

#include "parity.h"

static int last(void *arg)
{
    int answer = number_of(arg);

    if (asyncio_sleep(10) == -ECANCELED) {
        TRY(asyncio_sleep(0.1));
        say("last is cancelled, and answers %d", answer);
        if (answer == 0)
            return -ECANCELED;
    }
    return answer;
}

static int middle(void *arg)
{
    int r = take(asyncio_create_task(last, arg));

    say("middle gets %s, requests %d", outcome(r), asyncio_task_cancelling(asyncio_current_task()));
    return r;
}

static int first(void *arg)
{
    int r = take(asyncio_create_task(middle, arg));

    say("first gets %s, requests %d", outcome(r), asyncio_task_cancelling(asyncio_current_task()));
    return r;
}

static int main_task(void *arg)
{
    const int answers[] = {0, 3, -5};

    (void)arg;
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct asyncio_future *task = asyncio_create_task(first, item_of(answers[i]));
        nap(1);
        asyncio_future_cancel(task);
        say("main gets %s", outcome(take(task)));
    }
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
