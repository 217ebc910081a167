/* program.c -- what check_gdb.py looks at: a task some calls deep, a callback, parked tasks, and one that keeps the
 * processor busy. */
#include <asyncio.h>

#include <string.h>
#include <time.h>

/* Keeps calls from being inlined or made jumps of. */
#define APART        __attribute__((noinline))
#define NOT_THE_LAST __asm__ volatile("" ::: "memory")

int innermost(int n);
int middle(int n);
int in_callback(int n);
int waits_here(struct asyncio_future *future);
int waits_below(struct asyncio_future *future);
int busy_inside(void);
int busy(void);

static volatile int seen;

APART int innermost(int n)
{
    seen = n;
    NOT_THE_LAST;
    return n + 1;
}

APART int middle(int n)
{
    int r = innermost(n);

    NOT_THE_LAST;
    return r + 1;
}

APART int in_callback(int n)
{
    seen = n;
    NOT_THE_LAST;
    return n;
}

static void callback(void *arg)
{
    seen = in_callback(*(int *)arg);
    NOT_THE_LAST;
}

static int task_body(void *arg)
{
    for (int i = 0; i < 3; i++) {
        int r = asyncio_sleep(0.001);

        if (r < 0)
            return r;
        seen = middle(*(int *)arg);
    }
    return 0;
}

APART int waits_here(struct asyncio_future *future)
{
    int r = asyncio_await(future);

    NOT_THE_LAST;
    return r;
}

APART int waits_below(struct asyncio_future *future)
{
    int r = waits_here(future);

    NOT_THE_LAST;
    return r;
}

static int parked_body(void *arg)
{
    return waits_below(arg);
}

APART int busy_inside(void)
{
    struct timespec begin, now;
    int n = 0;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        for (int i = 0; i < 100000; i++)
            seen = n++;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < 500);
    return n;
}

APART int busy(void)
{
    int r = busy_inside();

    NOT_THE_LAST;
    return r;
}

static int debugged(void *arg)
{
    int numbers[2] = {7, 8};
    struct asyncio_future *tasks[2];
    int r;

    (void)arg;
    for (int i = 0; i < 2; i++)
        tasks[i] = asyncio_create_task(task_body, &numbers[i]);
    r = asyncio_loop_call_soon(asyncio_get_running_loop(), callback, &numbers[0]);
    if (r == 0)
        r = asyncio_gather(tasks, 2, NULL);
    for (int i = 0; i < 2; i++)
        asyncio_future_unref(tasks[i]);
    return r;
}

static int print_parked(void *arg)
{
    struct asyncio_future *future = asyncio_loop_create_future(asyncio_get_running_loop());
    struct asyncio_future *task = asyncio_create_task(parked_body, future, .name = "parked");
    int r = asyncio_sleep(0.001);

    (void)arg;
    if (r == 0)
        r = asyncio_task_print_stack(task, 0, stdout);
    asyncio_future_set_result(future, 0, NULL);
    if (r == 0)
        r = asyncio_await(task);
    asyncio_future_unref(task);
    asyncio_future_unref(future);
    return r;
}

static int keep_busy(void *arg)
{
    (void)arg;
    seen = busy();
    return asyncio_sleep(0);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    asyncio_coro *fn = strcmp(what, "parked") == 0 ? print_parked : strcmp(what, "busy") == 0 ? keep_busy : debugged;

    return asyncio_run(fn, NULL) < 0;
}
