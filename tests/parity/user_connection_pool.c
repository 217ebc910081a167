/* A user's program: a pool of connections, opened when needed, used again, given up when broken, closed at the end. */

#include "parity.h"

#define MOST_CONNECTIONS 8

struct connection {
    int number, uses;
};

struct pool {
    struct asyncio_semaphore slots;
    struct connection connections[MOST_CONNECTIONS];
    struct connection *idle[MOST_CONNECTIONS];
    int opened, n_idle;
};

static int pool_borrow(struct pool *pool, struct connection **ret_connection)
{
    TRY(asyncio_semaphore_acquire(&pool->slots));
    if (pool->n_idle > 0) {
        *ret_connection = pool->idle[--pool->n_idle];
        return 0;
    }
    struct connection *connection = &pool->connections[pool->opened];
    connection->number = pool->opened++;
    int r = asyncio_sleep(0.3);
    if (r < 0) {
        asyncio_semaphore_release(&pool->slots);
        return r;
    }
    say("connection %d is opened", connection->number);
    *ret_connection = connection;
    return 0;
}

static void pool_give_back(struct pool *pool, struct connection *connection, bool broken)
{
    if (broken)
        say("connection %d is broken", connection->number);
    else
        pool->idle[pool->n_idle++] = connection;
    asyncio_semaphore_release(&pool->slots);
}

static void pool_close(struct pool *pool)
{
    for (int i = 0; i < pool->n_idle; i++)
        say("connection %d is closed after %d uses", pool->idle[i]->number, pool->idle[i]->uses);
    pool->n_idle = 0;
    asyncio_semaphore_fini(&pool->slots);
}

struct client {
    const char *name;
    struct pool *pool;
    double delay, seconds, limit;
    int error;
};

static int query(void *arg)
{
    const struct client *me = arg;
    struct connection *connection;

    TRY(pool_borrow(me->pool, &connection));
    say("%s uses connection %d", me->name, connection->number);
    connection->uses++;
    int r = asyncio_sleep(me->seconds);
    if (r >= 0)
        r = me->error ? me->error : connection->number;
    pool_give_back(me->pool, connection, r < 0);
    return r;
}

static int client(void *arg)
{
    struct client *me = arg;

    TRY(asyncio_sleep(me->delay));
    int r = asyncio_wait_for(query, me, me->limit);
    say("%s: %s", me->name, outcome(r));
    return 0;
}

static int main_task(void *arg)
{
    struct pool pool = {.slots = ASYNCIO_SEMAPHORE_INIT(2)};
    struct client clients[] = {
        {"one", &pool, 0, 0.5, 10, 0},         {"two", &pool, 0.01, 1, 10, -5},   {"three", &pool, 0.02, 0.2, 10, 0},
        {"hurried", &pool, 0.03, 0.2, 0.5, 0}, {"four", &pool, 0.04, 0.2, 10, 0}, {"too slow", &pool, 0.05, 5, 2, 0},
        {"five", &pool, 0.06, 0.2, 10, 0},     {"six", &pool, 0.07, 0.2, 10, 0},
    };
    struct asyncio_taskgroup group = {0};

    (void)arg;
    TRY(asyncio_taskgroup_enter(&group));
    for (size_t i = 0; i < COUNT(clients); i++)
        asyncio_taskgroup_create_task(&group, client, &clients[i]);
    TRY(asyncio_taskgroup_exit(&group, 0));
    say("%d connections were opened", pool.opened);
    pool_close(&pool);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
