/* A task may be given a context: then it runs in it, not in a copy. */

#include "parity.h"

static const struct asyncio_contextvar colour = {.name = "colour"};

static int paints(void *name)
{
    set_number(&colour, get_number(&colour, 0) + 1);
    say("%s sets %d", (const char *)name, get_number(&colour, 0));
    TRY(asyncio_sleep(0.1));
    say("%s sees %d", (const char *)name, get_number(&colour, 0));
    return 0;
}

static int read_colour(void *arg)
{
    (void)arg;
    return get_number(&colour, 0);
}

static int main_task(void *arg)
{
    (void)arg;
    set_number(&colour, 10);
    struct asyncio_context *shared = asyncio_copy_context();
    set_number(&colour, 20);
    struct asyncio_future *tasks[] = {
        asyncio_create_task(paints, word("first"), .context = shared),
        asyncio_create_task(paints, word("second"), .context = shared),
        asyncio_create_task(paints, word("alone")),
    };
    take_all(tasks, COUNT(tasks));
    say("main sees %d, the shared context holds %d", get_number(&colour, 0),
        asyncio_context_run(shared, read_colour, NULL));
    asyncio_context_unref(shared);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
