/* A cancelled gather cancels every child that is not done, and is cancelled whatever they make of it (C-05). */

#include "parity.h"

enum manner { CLEANS_UP, SWALLOWS, QUICK };

struct child {
    enum manner manner;
    int number;
    double seconds;
};

static int child(void *arg)
{
    const struct child *me = arg;

    if (me->manner == QUICK) {
        TRY(asyncio_sleep(0.1));
        return me->number;
    }
    if (asyncio_sleep(10) != -ECANCELED)
        return -1;
    TRY(asyncio_sleep(me->seconds));
    if (me->manner == CLEANS_UP) {
        say("child %d has cleaned up", me->number);
        return -ECANCELED;
    }
    say("child %d returns all the same", me->number);
    return me->number;
}

struct gathering {
    struct asyncio_future *tasks[3];
    bool return_exceptions;
};

static int gathers(void *arg)
{
    struct gathering *gathering = arg;
    int results[3];

    return asyncio_gather(gathering->tasks, 3, results, .return_exceptions = gathering->return_exceptions);
}

static void scene(const char *title, struct child children[3], bool return_exceptions)
{
    struct gathering gathering = {.return_exceptions = return_exceptions};

    say("%s", title);
    for (int i = 0; i < 3; i++)
        gathering.tasks[i] = asyncio_create_task(child, &children[i]);
    struct asyncio_future *task = asyncio_create_task(gathers, &gathering);
    nap(1);
    int cancelled = asyncio_future_cancel(task);
    say("cancel: %s, done: %s", truth(cancelled), truth(asyncio_future_done(task)));
    say("gather: %s", outcome(take(task)));
    nap(1);
    say("children: %s, %s, %s", outcome_of(gathering.tasks[0]), outcome_of(gathering.tasks[1]),
        outcome_of(gathering.tasks[2]));
    drop_all(gathering.tasks, 3);
}

static int main_task(void *arg)
{
    (void)arg;
    scene("the first child that ends cancelled ends the gather",
          (struct child[]){{CLEANS_UP, 0, 0.3}, {QUICK, 1, 0}, {CLEANS_UP, 2, 0.1}}, false);
    scene("with return_exceptions it waits for all",
          (struct child[]){{CLEANS_UP, 3, 0.3}, {QUICK, 4, 0}, {CLEANS_UP, 5, 0.1}}, true);
    scene("children that swallow the cancel do not save the gather",
          (struct child[]){{SWALLOWS, 6, 0.3}, {QUICK, 7, 0}, {SWALLOWS, 8, 0.1}}, false);
    scene("nor with return_exceptions", (struct child[]){{SWALLOWS, 9, 0.3}, {QUICK, 10, 0}, {SWALLOWS, 11, 0.1}},
          true);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
