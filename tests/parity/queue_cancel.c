/* A cancelled getter never takes an item with it, a cancelled putter never leaves one behind. */

#include "parity.h"

static struct asyncio_queue queue = ASYNCIO_QUEUE_INIT(0);
static struct asyncio_queue single = ASYNCIO_QUEUE_INIT(1);

static int getter(void *name)
{
    void *item;

    TRY(asyncio_queue_get(&queue, &item));
    say("%s got %d", (const char *)name, number_of(item));
    return number_of(item);
}

static int putter(void *item)
{
    TRY(asyncio_queue_put(&single, item));
    say("put %d", number_of(item));
    return number_of(item);
}

static void put_three(void *arg)
{
    (void)arg;
    asyncio_queue_put_nowait(&queue, item_of(3));
}

static int get_now(struct asyncio_queue *from)
{
    void *item;
    int r = asyncio_queue_get_nowait(from, &item);

    return r < 0 ? r : number_of(item);
}

static int main_task(void *arg)
{
    struct asyncio_timeout limit;
    struct asyncio_future *tasks[3];
    void *item;

    (void)arg;
    say("a getter is woken, and cancelled before it runs: the next one gets the item");
    tasks[0] = asyncio_create_task(getter, word("a"));
    tasks[1] = asyncio_create_task(getter, word("b"));
    nap(0.1);
    TRY(asyncio_queue_put_nowait(&queue, item_of(1)));
    asyncio_future_cancel(tasks[0]);
    int a = take(tasks[0]), b = take(tasks[1]);
    say("a: %s, b: %s", outcome(a), outcome(b));

    say("the only getter: the item stays");
    tasks[0] = asyncio_create_task(getter, word("c"));
    nap(0.1);
    TRY(asyncio_queue_put_nowait(&queue, item_of(2)));
    asyncio_future_cancel(tasks[0]);
    int c = take(tasks[0]);
    say("c: %s, %zu in the queue", outcome(c), asyncio_queue_qsize(&queue));
    say("main got %s", outcome(get_now(&queue)));

    say("an item that comes at the time of the expiry stays");
    asyncio_loop_call_later(asyncio_get_running_loop(), 0.5, put_three, NULL);
    TRY(asyncio_timeout_enter(&limit, 0.5));
    int r = asyncio_timeout_exit(&limit, asyncio_queue_get(&queue, &item));
    say("wait_for: %s, %zu in the queue", outcome(r), asyncio_queue_qsize(&queue));
    say("main got %s", outcome(get_now(&queue)));

    say("a getter is cancelled in the line");
    tasks[0] = asyncio_create_task(getter, word("d"));
    tasks[1] = asyncio_create_task(getter, word("e"));
    tasks[2] = asyncio_create_task(getter, word("f"));
    nap(0.1);
    asyncio_future_cancel(tasks[1]);
    TRY(asyncio_queue_put_nowait(&queue, item_of(4)));
    TRY(asyncio_queue_put_nowait(&queue, item_of(5)));
    int d = take(tasks[0]), e = take(tasks[1]), f = take(tasks[2]);
    say("d: %s, e: %s, f: %s", outcome(d), outcome(e), outcome(f));

    say("putters: one is cancelled in the line, one when it has been woken");
    TRY(asyncio_queue_put_nowait(&single, item_of(6)));
    for (int i = 0; i < 3; i++)
        tasks[i] = asyncio_create_task(putter, item_of(7 + i));
    nap(0.1);
    asyncio_future_cancel(tasks[1]);
    nap(0.1);
    say("main got %s", outcome(get_now(&single)));
    asyncio_future_cancel(tasks[0]);
    for (int i = 0; i < 3; i++)
        say("putter: %s", outcome(take(tasks[i])));
    int got = get_now(&single);
    say("main got %s, %zu in the queue", outcome(got), asyncio_queue_qsize(&single));
    asyncio_queue_fini(&queue);
    asyncio_queue_fini(&single);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
