/* A gather in a gather: results, an error and a cancel go through both (C-02, C-03, C-05). */

#include "parity.h"

#include <stdlib.h>

static int works(void *arg)
{
    int number = number_of(arg);
    int r = asyncio_sleep(number / 10.0);

    if (r == -ECANCELED)
        say("works %d is cancelled", number);
    if (r < 0)
        return r;
    if (number < 0)
        say("works %d fails", number);
    return number;
}

struct sum {
    int n;
    int numbers[3];
};

static int sum_of(void *arg)
{
    const struct sum *sum = arg;
    struct asyncio_future *tasks[3];
    int results[3], total = 0;

    for (int i = 0; i < sum->n; i++)
        tasks[i] = asyncio_create_task(works, item_of(sum->numbers[i]));
    int r = asyncio_gather(tasks, (size_t)sum->n, results);
    drop_all(tasks, (size_t)sum->n);
    if (r < 0)
        return r;
    for (int i = 0; i < sum->n; i++)
        total += results[i];
    return total;
}

static int main_task(void *arg)
{
    struct sum sums[] = {{2, {1, 2}}, {2, {3, 4}}, {3, {5, -1, 6}}, {2, {7, 8}}, {2, {9, 10}}};
    struct asyncio_future *tasks[2];
    int results[2];

    (void)arg;
    tasks[0] = asyncio_create_task(sum_of, &sums[0]);
    tasks[1] = asyncio_create_task(sum_of, &sums[1]);
    TRY(asyncio_gather(tasks, 2, results));
    say("sums: %d %d", results[0], results[1]);
    drop_all(tasks, 2);

    say("with an error: %s", outcome(take(asyncio_create_task(sum_of, &sums[2]))));
    nap(1);

    tasks[0] = asyncio_create_task(sum_of, &sums[3]);
    tasks[1] = asyncio_create_task(sum_of, &sums[4]);
    struct asyncio_future *outer = asyncio_gather_future(tasks, 2, results);
    asyncio_loop_call_later(asyncio_get_running_loop(), 0.1, cancel_callback, outer);
    say("cancelled: %s", outcome(asyncio_await(outer)));
    nap(1);
    asyncio_future_unref(outer);
    drop_all(tasks, 2);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
