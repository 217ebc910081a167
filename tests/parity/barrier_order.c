/* The last to arrive at a barrier goes first, then the others in the order of arrival; then it fills again (B-01). */

#include "parity.h"

struct runner {
    struct asyncio_barrier *barrier;
    const char *name;
    double pace;
};

static int runner(void *arg)
{
    const struct runner *me = arg;

    for (int lap = 0; lap < 2; lap++) {
        TRY(asyncio_sleep(me->pace));
        say("%s arrives, %zu waiting", me->name, asyncio_barrier_n_waiting(me->barrier));
        int place = asyncio_barrier_wait(me->barrier);
        TRY(place);
        say("%s goes on, place %d, lap %d", me->name, place, lap);
    }
    return 0;
}

static void describe(const struct asyncio_barrier *barrier)
{
    say("parties %zu, waiting %zu, broken %s", asyncio_barrier_parties(barrier), asyncio_barrier_n_waiting(barrier),
        truth(asyncio_barrier_broken(barrier)));
}

static int main_task(void *arg)
{
    struct asyncio_barrier barrier = ASYNCIO_BARRIER_INIT(3), alone = ASYNCIO_BARRIER_INIT(1);
    struct runner slow = {&barrier, "slow", 0.3}, quick = {&barrier, "quick", 0.1}, middle = {&barrier, "middle", 0.2};

    (void)arg;
    describe(&barrier);
    struct asyncio_future *tasks[] = {
        asyncio_create_task(runner, &slow),
        asyncio_create_task(runner, &quick),
        asyncio_create_task(runner, &middle),
    };
    take_all(tasks, 3);
    describe(&barrier);
    asyncio_barrier_fini(&barrier);

    int first = asyncio_barrier_wait(&alone), second = asyncio_barrier_wait(&alone);
    say("a barrier for one: place %d, place %d", first, second);
    asyncio_barrier_fini(&alone);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
