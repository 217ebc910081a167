/* loops.c -- loops on the back end under test, with a clock that jumps. */
#include "harness.h"

#include "backend/backends.h"

const char *test_backend(void)
{
    return options.backend;
}

bool test_on_sim(void)
{
    return options.on_sim;
}

bool test_on_uring(void)
{
    return options.uring && asyncio__uring_probe() == 0;
}

uint64_t test_seed(void)
{
    return options.seed;
}

bool test_seed_given(void)
{
    return options.seed_given;
}

void test_replay_seed(uint64_t seed)
{
    shared->replay_seed = seed;
    shared->has_replay_seed = true;
}

void test_needs_seconds(double seconds)
{
    shared->seconds_wanted = seconds * test_slowness();
}

void test_show_output(void)
{
    shared->show_output = true;
}

bool test_verbose(void)
{
    return options.verbose;
}

bool under_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");

    return preload && strstr(preload, "/vgpreload");
}

int test_slowness(void)
{
    static int slowness;
    const char *given = getenv("ASYNCIO_TEST_SLOWNESS");

    if (!slowness) {
        slowness = under_valgrind() ? 30 : SANITIZED ? 6 : 1;
        if (given && atoi(given) > 0)
            slowness = atoi(given);
    }
    return slowness;
}

bool test_hostile(void)
{
    return ASYNCIO__HOSTILE;
}

void test_spare(unsigned hostilities, const char *why)
{
    (void)why;
    asyncio__spare(hostilities);
}

int new_loop(struct asyncio_loop **ret_loop)
{
    int r;

    *ret_loop = NULL;
    if (options.on_sim)
        return asyncio_new_event_loop(ret_loop, .backend = options.backend);
    if (current.test->flags & TEST__REAL_TIME)
        return asyncio_new_event_loop(ret_loop, .backend = options.backend);
    r = asyncio_new_event_loop_on(ret_loop, virtual_epoll(), NULL, NULL);
    /* As in the simulator every turn polls, so that the transcripts are the same. */
    if (r == 0)
        asyncio_loop_set_poll_interval(*ret_loop, 1);
    return r;
}

int run(asyncio_coro *fn, void *arg)
{
    return asyncio_run(fn, arg, .loop_factory = new_loop);
}
