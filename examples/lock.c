/* A lock that main takes, a plain callback releases, and two coroutines share. */
#include <asyncio.h>

/* Static, because the callback may come when main has ended early. Zeroed memory is a lock. */
static struct asyncio_lock lock;

static void release(void *arg)
{
    printf("callback releasing lock\n");
    asyncio_lock_release(arg);
}

static int coro1(void *arg)
{
    int r;

    (void)arg;
    printf("coro1 waiting for the lock\n");
    ASYNCIO_WITH(lock, &lock, r)
        printf("coro1 acquired lock\n");
    if (r < 0)
        return r;
    printf("coro1 released lock\n");
    return 0;
}

static int coro2(void *arg)
{
    int r;

    (void)arg;
    printf("coro2 waiting for the lock\n");
    r = asyncio_lock_acquire(&lock);
    if (r < 0)
        return r;
    printf("coro2 acquired lock\n");
    printf("coro2 released lock\n");
    return asyncio_lock_release(&lock);
}

static int amain(void *arg)
{
    int r;

    (void)arg;
    printf("acquiring the lock before starting coroutines\n");
    r = asyncio_lock_acquire(&lock);
    if (r < 0)
        return r;
    printf("lock acquired: %s\n", asyncio_lock_locked(&lock) ? "True" : "False");
    r = asyncio_loop_call_later(asyncio_get_running_loop(), 0.1, release, &lock);
    if (r < 0)
        return r;
    printf("waiting for coroutines\n");
    {
        /* However this block is left, the two tasks are over then. */
        ASYNCIO_JOINED(first) = asyncio_create_task(coro1, NULL);
        ASYNCIO_JOINED(second) = asyncio_create_task(coro2, NULL);
        struct asyncio_future *both[] = {first, second};

        r = asyncio_wait(both, 2, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED);
    }
    asyncio_lock_fini(&lock);
    return r;
}

int main(void)
{
    int r = asyncio_run(amain, NULL);

    if (r < 0)
        fprintf(stderr, "lock: %s\n", asyncio_strerror(r));
    return r < 0;
}
