/* A task starts with a copy of its creator's context, and what it changes stays its own. */

#include "parity.h"

static const struct asyncio_contextvar colour = {.name = "colour"};
static const struct asyncio_contextvar size = {.name = "size"};

struct work {
    const char *name;
    double seconds;
};

static void deeper(const char *name)
{
    set_number(&colour, get_number(&colour, 0) + 1);
    say("%s, deeper: colour %d", name, get_number(&colour, 0));
}

static int worker(void *arg)
{
    const struct work *work = arg;

    say("%s starts: colour %d, size %d", work->name, get_number(&colour, 0), get_number(&size, -1));
    set_number(&colour, get_number(&colour, 0) + 100);
    TRY(asyncio_sleep(work->seconds));
    deeper(work->name);
    say("%s ends: colour %d, size %d", work->name, get_number(&colour, 0), get_number(&size, -1));
    return 0;
}

static int main_task(void *arg)
{
    struct work first_work = {"first", 0.2}, second_work = {"second", 0.1};

    (void)arg;
    set_number(&colour, 1);
    struct asyncio_future *first = asyncio_create_task(worker, &first_work);
    set_number(&colour, 2);
    set_number(&size, 9);
    struct asyncio_future *second = asyncio_create_task(worker, &second_work);
    set_number(&colour, 3);
    TRY(take(first));
    TRY(take(second));
    say("main: colour %d, size %d", get_number(&colour, 0), get_number(&size, -1));
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
