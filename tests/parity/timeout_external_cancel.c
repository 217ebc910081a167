/* A cancel from outside stays a cancel, whatever the timeout scope does (C-13). */

#include "parity.h"

struct scope {
    double limit, cleanup;
};

static int scope(void *arg)
{
    const struct scope *scope_ = arg;
    struct asyncio_future *me = asyncio_current_task();
    struct asyncio_timeout limit;

    TRY(asyncio_timeout_enter(&limit, scope_->limit));
    int r = asyncio_sleep(10);
    if (r == -ECANCELED) {
        say("the body is cancelled, requests %d", asyncio_task_cancelling(me));
        int r2 = asyncio_sleep(scope_->cleanup);
        if (r2 < 0)
            r = r2;
    }
    r = asyncio_timeout_exit(&limit, r);
    say("the scope gives %s, expired %s, requests %d", outcome(r), truth(asyncio_timeout_expired(&limit)),
        asyncio_task_cancelling(me));
    return r;
}

static void scene(const char *title, struct scope arguments)
{
    say("%s", title);
    struct asyncio_future *task = asyncio_create_task(scope, &arguments);
    nap(1);
    asyncio_future_cancel(task);
    int r = asyncio_await(task);
    say("outcome: %s, requests %d", outcome(r), asyncio_task_cancelling(task));
    asyncio_future_unref(task);
}

static int main_task(void *arg)
{
    (void)arg;
    scene("long before the deadline", (struct scope){5, 0.1});
    scene("the deadline passes while the body cleans up", (struct scope){1.2, 1});
    scene("the cancel comes while the body cleans up after the deadline", (struct scope){0.8, 1});
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
