/* An eager task takes its first step inside its creation (T-14). */

#include "parity.h"

static const struct asyncio_contextvar colour = {.name = "colour"};

static const char *my_name(void)
{
    return asyncio_task_get_name(asyncio_current_task());
}

static int never_waits(void *arg)
{
    (void)arg;
    say("%s runs at once, colour %d", my_name(), get_number(&colour, 0));
    set_number(&colour, 2);
    return 7;
}

static int waits(void *arg)
{
    (void)arg;
    say("%s takes its first step", my_name());
    TRY(asyncio_sleep(0.1));
    say("%s ends", my_name());
    return 8;
}

static int fails(void *arg)
{
    (void)arg;
    say("%s fails at once", my_name());
    return -5;
}

static int main_task(void *arg)
{
    (void)arg;
    asyncio_task_set_name(asyncio_current_task(), "main");
    set_number(&colour, 1);
    struct asyncio_future *quick = asyncio_create_task(never_waits, NULL, .name = "quick", .eager_start = true);
    say("back in %s, quick is done: %s, %s, colour %d", my_name(), truth(asyncio_future_done(quick)), outcome_of(quick),
        get_number(&colour, 0));
    struct asyncio_future *slow = asyncio_create_task(waits, NULL, .name = "slow", .eager_start = true);
    say("back in %s, slow is done: %s", my_name(), truth(asyncio_future_done(slow)));
    struct asyncio_future *wrong = asyncio_create_task(fails, NULL, .name = "wrong", .eager_start = true);
    say("back in %s, wrong is done: %s", my_name(), truth(asyncio_future_done(wrong)));
    struct asyncio_future *later = asyncio_create_task(waits, NULL, .name = "later");
    say("back in %s, later has not started", my_name());
    say("wrong: %s", outcome(take(wrong)));
    say("slow: %s", outcome(take(slow)));
    say("later: %s", outcome(take(later)));
    asyncio_future_unref(quick);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
