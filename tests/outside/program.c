/* program.c -- what somebody else's program looks like: built against the installed library by tools/check_install.py,
 * and compiled with every standard by tools/check_headers.py. */
#include <asyncio.h>

#include <string.h>

struct worker {
    struct asyncio_lock *lock;
    int number;
    int turns;
};

static int work(void *arg)
{
    struct worker *worker = (struct worker *)arg;
    int r = 0;

    ASYNCIO_WITH(lock, worker->lock, r) {
        r = asyncio_sleep(0.001 * worker->number);
        worker->turns++;
    }
    return r < 0 ? r : worker->number;
}

static int program(void *arg)
{
    struct asyncio_lock lock = ASYNCIO_LOCK_INIT;
    struct worker workers[3];
    struct asyncio_future *tasks[3];
    int results[3] = {0}, sum = 0, r;

    (void)arg;
    for (int i = 0; i < 3; i++) {
        workers[i].lock = &lock;
        workers[i].number = i + 1;
        workers[i].turns = 0;
        tasks[i] = asyncio_create_task(work, &workers[i], .name = "worker");
    }
    r = asyncio_gather(tasks, 3, results);
    for (int i = 0; i < 3; i++) {
        sum += results[i] * workers[i].turns;
        asyncio_future_unref(tasks[i]);
    }
    printf("asyncio %s: sum %d\n", asyncio_version(), sum);
    return r;
}

int main(void)
{
    int r = asyncio_run(program, NULL);

    if (r < 0)
        fprintf(stderr, "%s\n", asyncio_strerror(r));
    return r < 0;
}
