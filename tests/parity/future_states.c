/* A future is set once, by a result, an error or a cancel (F-01, F-02, F-05). */

#include "parity.h"

static void describe(const char *name, struct asyncio_future *future)
{
    say("%s: done %s, cancelled %s, %s", name, truth(asyncio_future_done(future)),
        truth(asyncio_future_cancelled(future)), outcome_of(future));
}

static int main_task(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_future *result = asyncio_loop_create_future(loop);
    struct asyncio_future *error = asyncio_loop_create_future(loop);
    struct asyncio_future *cancelled = asyncio_loop_create_future(loop);

    (void)arg;
    describe("pending", result);

    asyncio_future_set_result(result, 1, NULL);
    asyncio_future_set_exception(error, -5);
    asyncio_future_cancel(cancelled);
    describe("result", result);
    describe("error", error);
    describe("cancelled", cancelled);

    say("a second result: %s", refused(asyncio_future_set_result(result, 2, NULL)));
    say("an error after a result: %s", refused(asyncio_future_set_exception(result, -6)));
    say("a result after an error: %s", refused(asyncio_future_set_result(error, 3, NULL)));
    say("a result after a cancel: %s", refused(asyncio_future_set_result(cancelled, 4, NULL)));
    say("a cancel after a result: %s", truth(asyncio_future_cancel(result)));
    say("a second cancel: %s", truth(asyncio_future_cancel(cancelled)));
    describe("result", result);
    describe("error", error);
    describe("cancelled", cancelled);
    asyncio_future_unref(result);
    asyncio_future_unref(error);
    asyncio_future_unref(cancelled);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
