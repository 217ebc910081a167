/* The deadline of a timeout scope can be moved while the scope is open, and only then (C-12). */

#include "parity.h"

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_timeout limit = {0};

    (void)arg;
    say("before it is entered: %s", refused(asyncio_timeout_reschedule(&limit, asyncio_loop_time(loop) + 1)));
    TRY(asyncio_timeout_enter(&limit, 1));
    TRY(asyncio_timeout_reschedule(&limit, asyncio_loop_time(loop) + 2));
    int r = asyncio_sleep(1.5);
    say("later: deadline %.3f, still running", asyncio_timeout_when(&limit));
    TRY(asyncio_timeout_exit(&limit, r));
    say("after it is left: %s", refused(asyncio_timeout_reschedule(&limit, asyncio_loop_time(loop) + 1)));

    double start = asyncio_loop_time(loop);
    TRY(asyncio_timeout_enter(&limit, 10));
    TRY(asyncio_timeout_reschedule(&limit, asyncio_loop_time(loop) + 0.5));
    r = asyncio_timeout_exit(&limit, asyncio_sleep(5));
    say("sooner: %s after %.3f", outcome(r), asyncio_loop_time(loop) - start);

    TRY(asyncio_timeout_enter(&limit, 0.5));
    TRY(asyncio_timeout_reschedule(&limit, ASYNCIO_FOREVER));
    r = asyncio_sleep(100);
    say("never: still running");
    TRY(asyncio_timeout_exit(&limit, r));

    TRY(asyncio_timeout_enter(&limit, ASYNCIO_FOREVER));
    TRY(asyncio_timeout_reschedule(&limit, asyncio_loop_time(loop)));
    say("now: %s", outcome(asyncio_timeout_exit(&limit, asyncio_sleep(1))));

    TRY(asyncio_timeout_enter(&limit, 0.5));
    r = asyncio_sleep(1);
    if (r == -ECANCELED)
        say("while it expires: %s", refused(asyncio_timeout_reschedule(&limit, asyncio_loop_time(loop) + 1)));
    say("%s all the same", outcome(asyncio_timeout_exit(&limit, r)));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
