/* Timeout scopes in one another: each turns only its own expiry into -ETIMEDOUT (C-13). */

#include "parity.h"

static void describe(const char *name, const struct asyncio_timeout *timeout, int r)
{
    if (r < 0)
        say("%s: %s, expired %s, requests %d", name, outcome(r), truth(asyncio_timeout_expired(timeout)),
            asyncio_task_cancelling(asyncio_current_task()));
}

static int inner_scope(double limit, double seconds)
{
    struct asyncio_timeout inner;

    TRY(asyncio_timeout_enter(&inner, limit));
    int r = asyncio_sleep(seconds);
    if (r >= 0)
        say("the body ends");
    r = asyncio_timeout_exit(&inner, r);
    describe("inner", &inner, r);
    return r;
}

static void scene(const char *title, double outer_limit, double inner_limit, double seconds)
{
    struct asyncio_timeout outer;

    say("%s", title);
    int r = asyncio_timeout_enter(&outer, outer_limit);
    if (r >= 0)
        r = inner_scope(inner_limit, seconds);
    describe("outer", &outer, asyncio_timeout_exit(&outer, r));
}

static int main_task(void *arg)
{
    struct asyncio_timeout outer, inner;

    (void)arg;
    scene("neither", 0.3, 0.2, 0.1);
    scene("the inner one is shorter", 0.3, 0.1, 1);
    scene("the outer one is shorter", 0.1, 0.3, 1);
    scene("both at once", 0.1, 0.1, 1);

    say("the inner one is caught, and the body goes on into the outer limit");
    TRY(asyncio_timeout_enter(&outer, 0.5));
    TRY(asyncio_timeout_enter(&inner, 0.2));
    say("inner: %s", outcome(asyncio_timeout_exit(&inner, asyncio_sleep(1))));
    say("outer: %s", outcome(asyncio_timeout_exit(&outer, asyncio_sleep(1))));
    nap(1);
    say("main has %d requests", asyncio_task_cancelling(asyncio_current_task()));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
