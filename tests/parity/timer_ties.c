/* Timers with one deadline run in the order in which they were made (D-01). */

#include "parity.h"

#define MANY 200

static double deadline;
static int order[MANY], n_run;

static void say_number(void *number)
{
    say("timer %d", number_of(number));
}

static void make_another(void *arg)
{
    asyncio_loop_call_at(asyncio_get_running_loop(), deadline, say_callback, arg);
}

static void note(void *number)
{
    order[n_run++] = number_of(number);
}

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_handle *timers[12];
    const int unwanted[] = {0, 3, 4, 9};

    (void)arg;
    deadline = asyncio_loop_time(loop) + 0.5;
    for (int number = 0; number < 12; number++)
        TRY(asyncio_loop_call_at(loop, deadline, say_number, item_of(number), .ret_handle = &timers[number]));
    asyncio_loop_call_later(loop, 0.25, make_another, word("a timer made later"));
    for (size_t i = 0; i < COUNT(unwanted); i++)
        asyncio_handle_cancel(timers[unwanted[i]]);
    for (int number = 0; number < 12; number++)
        asyncio_handle_unref(timers[number]);
    nap(1);

    say("two hundred, made from the last to the first");
    for (int number = 0; number < MANY; number++)
        asyncio_loop_call_later(loop, (MANY - number) / 20 / 10.0, note, item_of(number));
    nap(5);
    int ascending = 0;
    for (int i = 1; i < n_run; i++)
        ascending += order[i - 1] < order[i];
    say("%d have run, %d pairs in the order of making, first %d, last %d", n_run, ascending, order[0],
        order[n_run - 1]);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
