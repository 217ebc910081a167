/* A token takes a variable back to what it was, once, and only in its own context. */

#include "parity.h"

static const struct asyncio_contextvar colour = {.name = "colour"};

static int tries(void *arg)
{
    say("in another task: %s", refused(asyncio_contextvar_reset(arg)));
    return 0;
}

static int main_task(void *arg)
{
    struct asyncio_contextvar_token first, second;

    (void)arg;
    say("never set: %d", get_number(&colour, 0));
    TRY(asyncio_contextvar_set(&colour, item_of(1), &first));
    TRY(asyncio_contextvar_set(&colour, item_of(2), &second));
    say("set twice: %d", get_number(&colour, 0));
    TRY(take(asyncio_create_task(tries, &second)));
    TRY(asyncio_contextvar_reset(&second));
    say("reset once: %d", get_number(&colour, 0));
    say("the same token again: %s", refused(asyncio_contextvar_reset(&second)));
    TRY(asyncio_contextvar_reset(&first));
    say("reset twice: %d", get_number(&colour, 0));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
