/* A user's program: a token bucket. It holds up to 3 tokens and gets one every 0.5 s; a request takes one or waits. */

#include "parity.h"

struct bucket {
    int capacity;
    double interval;
    int tokens;
    struct asyncio_lock turn;
    double refilled_at;
};

static double now(void)
{
    return asyncio_loop_time(asyncio_get_running_loop());
}

static void refill(struct bucket *bucket)
{
    int earned = (int)((now() - bucket->refilled_at) / bucket->interval + 0.000001);

    bucket->refilled_at += earned * bucket->interval;
    bucket->tokens += earned;
    if (bucket->tokens > bucket->capacity)
        bucket->tokens = bucket->capacity;
}

/* The lock keeps the order: who waits for the next token lets nobody pass. */
static int take_token(struct bucket *bucket)
{
    int acquired, r = 0;

    ASYNCIO_WITH(lock, &bucket->turn, acquired) {
        refill(bucket);
        if (bucket->tokens == 0) {
            r = asyncio_sleep(bucket->refilled_at + bucket->interval - now());
            if (r < 0)
                break;
            refill(bucket);
        }
        bucket->tokens--;
    }
    return acquired < 0 ? acquired : r;
}

struct client {
    struct bucket *bucket;
    const char *name;
    int requests;
    double pause;
};

static int client(void *arg)
{
    const struct client *me = arg;

    for (int number = 0; number < me->requests; number++) {
        TRY(take_token(me->bucket));
        say("%s sends request %d, %d tokens left", me->name, number, me->bucket->tokens);
        TRY(asyncio_sleep(me->pause));
    }
    return 0;
}

static int main_task(void *arg)
{
    struct bucket bucket = {.capacity = 3, .interval = 0.5, .tokens = 3, .refilled_at = now()};
    struct client greedy = {&bucket, "greedy", 6, 0.01}, calm = {&bucket, "calm", 3, 1.03};
    struct client late = {&bucket, "late", 4, 0};
    struct asyncio_taskgroup group = {0};

    (void)arg;
    TRY(asyncio_taskgroup_enter(&group));
    asyncio_taskgroup_create_task(&group, client, &greedy);
    asyncio_taskgroup_create_task(&group, client, &calm);
    TRY(asyncio_taskgroup_exit(&group, 0));
    say("a long pause fills the bucket");
    TRY(asyncio_sleep(10));
    TRY(client(&late));
    asyncio_lock_fini(&bucket.turn);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
