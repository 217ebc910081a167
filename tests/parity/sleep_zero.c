/* A sleep of 0 goes to the tail of the ready queue: who yields takes turns (C-01); a plain call never yields (T-04). */

#include "parity.h"

struct counter {
    const char *name;
    int rounds;
    double pause;
};

static void step(const char *name, int number)
{
    say("%s%d", name, number);
}

static int counter(void *arg)
{
    const struct counter *me = arg;

    for (int number = 0; number < me->rounds; number++) {
        step(me->name, number);
        TRY(asyncio_sleep(me->pause));
    }
    say("%s ends", me->name);
    return 0;
}

static int main_task(void *arg)
{
    struct counter a = {"a", 3, 0}, b = {"b", 2, -1}, c = {"c", 4, 0};
    struct asyncio_future *tasks[] = {
        asyncio_create_task(counter, &a),
        asyncio_create_task(counter, &b),
        asyncio_create_task(counter, &c),
    };

    (void)arg;
    take_all(tasks, COUNT(tasks));
    say("main ends");
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
