/* A user's program: a cache that loads each key once, however many ask at the same time, and forgets it after 5 s. */

#include "parity.h"

#define KEYS     16
#define LIFETIME 5

struct entry {
    int value;
    double expires;
    struct asyncio_future *flight; /* the load that is under way, or NULL */
};

static struct entry cache[KEYS];
static int loads;

static double now(void)
{
    return asyncio_loop_time(asyncio_get_running_loop());
}

static int load(void *arg)
{
    int key = number_of(arg);

    loads++;
    say("loading %d", key);
    TRY(asyncio_sleep(0.5));
    if (key == 13)
        return -key;
    cache[key].value = key * key;
    cache[key].expires = now() + LIFETIME;
    return key * key;
}

static void landed(struct asyncio_future *flight, void *key)
{
    cache[number_of(key)].flight = NULL;
    asyncio_future_unref(flight);
}

static int get(int key)
{
    struct entry *entry = &cache[key];

    if (now() < entry->expires)
        return entry->value;
    if (!entry->flight) {
        entry->flight = asyncio_create_task(load, item_of(key));
        asyncio_future_add_done_callback(entry->flight, landed, item_of(key));
    }
    /* Whoever is cancelled while it waits must not take the load away from the others. */
    return asyncio_shield(entry->flight);
}

struct question {
    const char *name;
    double delay;
    int key;
};

static int asks(void *arg)
{
    const struct question *question = arg;

    TRY(asyncio_sleep(question->delay));
    int r = get(question->key);
    say("%s gets %s for %d", question->name, outcome(r), question->key);
    return 0;
}

static int main_task(void *arg)
{
    struct question questions[] = {
        {"a", 0, 3},     {"b", 0.1, 3},   {"c", 0.2, 4}, {"impatient", 0.3, 3}, {"d", 1, 3},
        {"e", 0.15, 13}, {"f", 0.25, 13}, {"g", 2, 13},  {"h", 7, 3},
    };
    struct asyncio_future *tasks[COUNT(questions)];

    (void)arg;
    for (size_t i = 0; i < COUNT(questions); i++)
        tasks[i] = asyncio_create_task(asks, &questions[i]);
    nap(0.4);
    asyncio_future_cancel(tasks[3]);
    TRY(asyncio_gather(tasks, COUNT(tasks), NULL));
    drop_all(tasks, COUNT(tasks));
    say("%d loads", loads);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
