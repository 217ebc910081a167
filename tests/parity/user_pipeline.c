/* A user's program: a pipeline of stages with bounded queues between them. It ends by an end mark, or by a cancel. */

#include "parity.h"

#define END (-1)

struct pipeline {
    struct asyncio_queue first, second;
    int count, squares;
    int sum, items;
};

static int source(void *arg)
{
    struct pipeline *pipeline = arg;

    for (int item = 1; item <= pipeline->count; item++)
        TRY(asyncio_queue_put(&pipeline->first, item_of(item)));
    return asyncio_queue_put(&pipeline->first, item_of(END));
}

struct square {
    struct pipeline *pipeline;
    double number;
};

static int square_all(const struct square *me)
{
    struct pipeline *pipeline = me->pipeline;
    void *item;

    for (;;) {
        TRY(asyncio_queue_get(&pipeline->first, &item));
        int number = number_of(item);
        if (number == END)
            break;
        TRY(asyncio_sleep(0.1 * me->number));
        TRY(asyncio_queue_put(&pipeline->second, item_of(number * number)));
    }
    /* Who finds the end mark leaves it for the others; the last one sends it on. */
    struct asyncio_queue *next = --pipeline->squares > 0 ? &pipeline->first : &pipeline->second;
    TRY(asyncio_queue_put(next, item_of(END)));
    say("square %g ends", me->number);
    return 0;
}

static int square(void *arg)
{
    const struct square *me = arg;
    int r = square_all(me);

    if (r == -ECANCELED) {
        TRY(asyncio_sleep(0.01 * me->number));
        say("square %g is cancelled, and has tidied up", me->number);
    }
    return r;
}

static int sink(void *arg)
{
    struct pipeline *pipeline = arg;
    void *item;

    for (;;) {
        TRY(asyncio_queue_get(&pipeline->second, &item));
        int number = number_of(item);
        if (number == END)
            break;
        pipeline->sum += number;
        pipeline->items++;
        say("sink receives %d", number);
        TRY(asyncio_sleep(0.03));
    }
    say("sink ends");
    return 0;
}

static int run_pipeline(void *arg)
{
    struct pipeline *pipeline = arg;
    struct asyncio_taskgroup group = {0};
    /* They do not pause in step, so that they never ask for an item at the same time. */
    struct square two = {pipeline, 2}, other = {pipeline, 3.7};

    TRY(asyncio_taskgroup_enter(&group));
    asyncio_taskgroup_create_task(&group, source, pipeline);
    asyncio_taskgroup_create_task(&group, square, &two);
    asyncio_taskgroup_create_task(&group, square, &other);
    asyncio_taskgroup_create_task(&group, sink, pipeline);
    int r = asyncio_taskgroup_exit(&group, 0);
    asyncio_queue_fini(&pipeline->first);
    asyncio_queue_fini(&pipeline->second);
    return r;
}

static struct pipeline new_pipeline(int count)
{
    return (struct pipeline){
        .first = ASYNCIO_QUEUE_INIT(2),
        .second = ASYNCIO_QUEUE_INIT(2),
        .count = count,
        .squares = 2,
    };
}

static int main_task(void *arg)
{
    struct pipeline pipeline = new_pipeline(6);

    (void)arg;
    TRY(run_pipeline(&pipeline));
    say("sum %d of %d items", pipeline.sum, pipeline.items);

    pipeline = new_pipeline(1000);
    say("with a limit of 1 s: %s", outcome(asyncio_wait_for(run_pipeline, &pipeline, 1)));
    say("sum %d of %d items", pipeline.sum, pipeline.items);
    return 0;
}

int main(void)
{
    return asyncio_run(main_task, NULL) < 0;
}
