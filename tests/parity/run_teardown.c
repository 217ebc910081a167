/* When main ends, asyncio_run() cancels every task that is left and waits for their clean-up. */

#include "parity.h"

struct cleaner {
    const char *name;
    double seconds;
};

static int told;

static int cleans_up(void *arg)
{
    const struct cleaner *cleaner = arg;
    int r = asyncio_sleep(10);

    if (r == -ECANCELED) {
        TRY(asyncio_sleep(cleaner->seconds));
        say("%s has cleaned up", cleaner->name);
    }
    return r;
}

static int refuses(void *arg)
{
    (void)arg;
    ASYNCIO_IGNORE(asyncio_sleep(10));
    TRY(asyncio_sleep(0.2));
    say("refuses returns a result all the same");
    return 3;
}

static int fails_in_cleanup(void *arg)
{
    (void)arg;
    if (asyncio_sleep(10) == -ECANCELED) {
        TRY(asyncio_sleep(0.4));
        say("fails_in_cleanup gives up");
        return -5;
    }
    return 0;
}

static void on_error(struct asyncio_loop *loop, const struct asyncio_exception_context *context, void *arg)
{
    (void)loop, (void)arg;
    told = context->error;
}

static int main_task(void *arg)
{
    /* They outlive this function, and so must their arguments. */
    static struct cleaner quick = {"quick", 0.1}, slow = {"slow", 0.3};
    const int *result = arg;

    asyncio_loop_set_exception_handler(asyncio_get_running_loop(), on_error, NULL);
    struct asyncio_future *tasks[] = {
        asyncio_create_task(cleans_up, &quick),
        asyncio_create_task(refuses, NULL),
        asyncio_create_task(cleans_up, &slow),
        asyncio_create_task(fails_in_cleanup, NULL),
    };
    nap(0.5);
    say("main leaves %zu tasks behind", COUNT(tasks));
    drop_all(tasks, COUNT(tasks));
    return *result;
}

int main(void)
{
    int good = 7, bad = -9;

    int r = asyncio_run(main_task, &good);
    say("run: %s, the exception handler was told of %s", outcome(r), outcome(told));
    told = 0;
    r = asyncio_run(main_task, &bad);
    say("run with a failing main: %s, the exception handler was told of %s", outcome(r), outcome(told));
    return 0;
}
