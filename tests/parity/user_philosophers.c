/* A user's program: five philosophers, five forks. Forks are taken in one order, so that nobody starves. */

#include "parity.h"

#define PHILOSOPHERS 5
#define MEALS        2

struct philosopher {
    int number;
    struct asyncio_lock *first, *second;
    double thinking, eating;
};

static int eat(const struct philosopher *me, int meal, double *waited)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    double hungry = asyncio_loop_time(loop);
    int first, second = 0, r = 0;

    ASYNCIO_WITH(lock, me->first, first) {
        ASYNCIO_WITH(lock, me->second, second) {
            *waited += asyncio_loop_time(loop) - hungry;
            say("philosopher %d eats, meal %d", me->number, meal);
            r = asyncio_sleep(me->eating);
        }
    }
    return first < 0 ? first : second < 0 ? second : r;
}

static int live(void *arg)
{
    const struct philosopher *me = arg;
    double waited = 0;

    for (int meal = 0; meal < MEALS; meal++) {
        TRY(asyncio_sleep(me->thinking));
        TRY(eat(me, meal, &waited));
        say("philosopher %d thinks", me->number);
    }
    say("philosopher %d leaves, and has waited %.3f", me->number, waited);
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_lock forks[PHILOSOPHERS] = {0};
    struct philosopher philosophers[PHILOSOPHERS];
    struct asyncio_future *tasks[PHILOSOPHERS];
    int on_table = 0;

    (void)arg;
    for (int number = 0; number < PHILOSOPHERS; number++) {
        int left = number, right = (number + 1) % PHILOSOPHERS;
        philosophers[number] = (struct philosopher){
            .number = number,
            .first = &forks[left < right ? left : right],
            .second = &forks[left < right ? right : left],
            .thinking = 0.1 + 0.03 * number,
            .eating = 0.2 + 0.07 * number,
        };
        tasks[number] = asyncio_create_task(live, &philosophers[number]);
    }
    TRY(asyncio_gather(tasks, PHILOSOPHERS, NULL));
    drop_all(tasks, PHILOSOPHERS);
    for (int i = 0; i < PHILOSOPHERS; i++) {
        on_table += !asyncio_lock_locked(&forks[i]);
        asyncio_lock_fini(&forks[i]);
    }
    say("forks on the table: %d", on_table);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
