/* asyncio_condition_wait_for asks its predicate under the lock until it holds (CV-03). */

#include "parity.h"

struct store {
    struct asyncio_condition condition;
    int items;
};

struct buyer {
    struct store *store;
    const char *name;
    int wanted;
};

static int can_buy(void *arg)
{
    const struct buyer *me = arg;

    return me->store->items >= me->wanted;
}

static int buyer(void *arg)
{
    struct buyer *me = arg;
    int acquired, r = 0;

    ASYNCIO_WITH(condition, &me->store->condition, acquired) {
        r = asyncio_condition_wait_for(&me->store->condition, can_buy, me);
        if (r < 0)
            break;
        me->store->items -= me->wanted;
        say("%s takes %d, %d left", me->name, me->wanted, me->store->items);
        r = me->wanted;
    }
    return acquired < 0 ? acquired : r;
}

static int one_left(void *arg)
{
    const struct store *store = arg;

    return store->items == 1;
}

static int main_task(void *arg)
{
    struct store store = {.condition = ASYNCIO_CONDITION_INIT};
    struct buyer greedy = {&store, "greedy", 5}, modest = {&store, "modest", 1}, normal = {&store, "normal", 2};
    struct asyncio_future *buyers[] = {
        asyncio_create_task(buyer, &greedy),
        asyncio_create_task(buyer, &modest),
        asyncio_create_task(buyer, &normal),
    };
    const int deliveries[] = {1, 1, 1, 2, 4};
    int results[3], r;

    (void)arg;
    for (size_t i = 0; i < COUNT(deliveries); i++) {
        nap(0.1);
        ASYNCIO_WITH(condition, &store.condition, r) {
            store.items += deliveries[i];
            say("%d delivered, %d in store", deliveries[i], store.items);
            asyncio_condition_notify_all(&store.condition);
        }
    }
    TRY(asyncio_gather(buyers, 3, results));
    drop_all(buyers, 3);
    say("sold %d, %d left", results[0] + results[1] + results[2], store.items);
    ASYNCIO_WITH(condition, &store.condition, r) {
        if (asyncio_condition_wait_for(&store.condition, one_left, &store) > 0)
            say("a predicate that holds does not wait");
    }
    asyncio_condition_fini(&store.condition);
    return r;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
