/* test_pools.c -- pools of objects of one size: what they hand out, and what trimming frees. */
#include "test.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define SIZE 200
#define MANY 20000

static struct asyncio__pool pool;
static unsigned char *objects[MANY];

static void needs_chunks(void)
{
    if (ASYNCIO__POOL_IS_MALLOC)
        SKIP("objects of this build are allocations of their own");
}

/* Takes an object and writes its number all over it; it must be nobody else's. */
static void take(size_t number)
{
    objects[number] = asyncio__pool_get(&pool);
    if (!objects[number])
        abort();
    memset(objects[number], (int)(number % 251), SIZE);
}

static void put(size_t number)
{
    for (size_t i = 0; i < SIZE; i++)
        if (objects[number][i] != number % 251)
            FAIL("object %zu was somebody else's, too", number);
    asyncio__pool_put(&pool, objects[number]);
    objects[number] = NULL;
}

/* Takes all, puts them in no order, but for every `kept`th; 0: keeps none. */
static void burst(size_t kept)
{
    for (size_t i = 0; i < MANY; i++)
        take(i);
    for (size_t i = 0; i < MANY; i++) {
        size_t number = i * 7919 % MANY;

        if (!kept || number % kept != 0)
            put(number);
    }
}

/* Trims as a loop does once a second. Returns: after how many seconds nothing was left to give back. */
static int be_quiet(void)
{
    int seconds = 0;

    for (; asyncio__pool_has_surplus(&pool) && seconds < 100; seconds++)
        while (asyncio__pool_trim(&pool))
            ;
    return seconds;
}

TEST_NO_SWEEP(a_burst_goes,
              "what was not needed goes by halves, in whatever order it was put, and in the end all of it",
              "a burst is thousands")
{
    int seconds;

    needs_chunks();
    asyncio__pool_init(&pool, SIZE);
    take(0);
    EXPECT(!asyncio__pool_has_surplus(&pool));
    put(0);
    EXPECT(!asyncio__pool_has_surplus(&pool)); /* a little is always kept */
    EXPECT_INT(pool.n_chunks, 1);
    burst(0);
    EXPECT(pool.n_chunks > MANY / 400);
    seconds = be_quiet();
    EXPECT(seconds > 5 && seconds < 20);
    EXPECT_INT(pool.n_chunks, 0);
    burst(0);
    be_quiet();
    EXPECT_INT(pool.n_chunks, 0);
    asyncio__pool_fini(&pool);
}

TEST_NO_SWEEP(survivors_keep_their_chunks, "a chunk with an object in use stays, and its others are handed out first",
              "a burst is thousands")
{
    size_t chunks;

    needs_chunks();
    asyncio__pool_init(&pool, SIZE);
    burst(1000);
    be_quiet();
    chunks = pool.n_chunks;
    EXPECT(chunks > 0 && chunks <= MANY / 1000);
    EXPECT_INT(pool.in_use, MANY / 1000);
    for (size_t i = 0; i < MANY / 1000; i++)
        take(i * 1000 + 1);
    EXPECT_INT(pool.n_chunks, chunks);
    for (size_t i = 0; i < MANY / 1000; i++) {
        put(i * 1000);
        put(i * 1000 + 1);
    }
    be_quiet();
    EXPECT(pool.n_chunks <= 2);
    asyncio__pool_fini(&pool);
}

TEST_NO_SWEEP(what_is_used_stays, "trimming leaves alone what was needed since the last time", "a burst is thousands")
{
    needs_chunks();
    asyncio__pool_init(&pool, SIZE);
    for (int i = 0; i < 10; i++) {
        burst(0);
        EXPECT(pool.about >= MANY);
        EXPECT(!asyncio__pool_trim(&pool)); /* it had been short of objects */
        EXPECT(pool.about >= MANY);
        while (asyncio__pool_trim(&pool))
            ;
        EXPECT(pool.about > MANY / 3 && pool.about < MANY * 2 / 3);
    }
    asyncio__pool_fini(&pool);
}

TEST_NO_SWEEP(at_random, "whatever comes and goes, and is trimmed between, is nobody else's", "it is long")
{
    uint64_t state = test_seed() * 2 + 1;

    needs_chunks();
    test_replay_seed(test_seed());
    asyncio__pool_init(&pool, SIZE);
    for (int i = 0; i < 400000; i++) {
        size_t number;

        state = state * 6364136223846793005u + 1442695040888963407u;
        number = (size_t)(state >> 33) % (i / 40000 % 2 ? MANY / 20 : MANY);
        if (objects[number])
            put(number);
        else
            take(number);
        if (i % 200 == 0)
            asyncio__pool_trim(&pool);
    }
    for (size_t i = 0; i < MANY; i++)
        if (objects[i])
            put(i);
    be_quiet();
    EXPECT(pool.n_chunks <= 2);
    asyncio__pool_fini(&pool);
}

TEST_NO_SWEEP(no_memory, "where no chunk can be had there is no object, and the pool goes on",
              "it makes its own failures")
{
    needs_chunks();
    asyncio__pool_init(&pool, SIZE);
    asyncio_fail_allocation(0, 1);
    EXPECT(!asyncio__pool_get(&pool));
    asyncio_fail_allocation(-1, 0);
    EXPECT_INT(pool.in_use, 0);
    take(0);
    put(0);
    asyncio__pool_fini(&pool);
}
