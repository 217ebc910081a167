/* What a task in each of its states says of itself (T-05, T-10). */

#include "parity.h"

struct work {
    double seconds;
    int answer;
};

static int works(void *arg)
{
    const struct work *work = arg;

    TRY(asyncio_sleep(work->seconds));
    return work->answer;
}

static const char *error_of(struct asyncio_future *task)
{
    int error = asyncio_future_exception(task);

    return error < 0 ? outcome(error) : "none";
}

static void describe(const char *name, struct asyncio_future *task)
{
    say("%s: done %s, cancelled %s, result %s, exception %s", name, truth(asyncio_future_done(task)),
        truth(asyncio_future_cancelled(task)), outcome_of(task), error_of(task));
}

static int main_task(void *arg)
{
    struct work good_work = {0.1, 4}, bad_work = {0.2, -5}, ugly_work = {10, 6};
    struct asyncio_future *good = asyncio_create_task(works, &good_work);
    struct asyncio_future *bad = asyncio_create_task(works, &bad_work);
    struct asyncio_future *ugly = asyncio_create_task(works, &ugly_work);

    (void)arg;
    describe("good", good);
    nap(0.5);
    asyncio_future_cancel(ugly);
    describe("ugly", ugly);
    nap(0.5);
    describe("good", good);
    describe("bad", bad);
    describe("ugly", ugly);
    asyncio_future_unref(good);
    asyncio_future_unref(bad);
    asyncio_future_unref(ugly);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
