/* queues.c -- Queue, LifoQueue and PriorityQueue.
 *
 * A put wakes the first who waits for an item, but the item stays in the queue until the woken task takes it; so an
 * item is never in nobody's hands, and a cancel has nothing to bring back. Whoever finds that it was taken meanwhile
 * waits again at its old place, which its ticket keeps. Room for an item is handed on in the same way. Invariants:
 *   - while somebody waits for an item, there are no more items than woken getters; the same for room and putters;
 *   - whoever was woken and does not use it (it is cancelled, or has another branch) wakes the next, if there is
 *     still something to be had;
 *   - the queue is bound to a loop exactly while somebody waits on it or has been woken. */
#include "../base/mem.h"
#include "lib.h"

/* -------------------------------------------------------------------------------------------------------------- Items
 *
 * One array for all three kinds: a ring, a stack or a binary heap. `head` moves in the ring only. */

#define FIRST_CAPACITY 8

/* Makes room for one more item. A ring that goes round the end is straightened by moving its first part up. */
static int grow(struct asyncio_queue *queue)
{
    size_t capacity = asyncio__grown(queue->capacity, queue->count + 1, FIRST_CAPACITY), tail;
    void **items;

    if (queue->maxsize > 0)
        capacity = min_size(capacity, queue->maxsize);
    if (capacity > SIZE_MAX / sizeof *items)
        return -ENOMEM;
    items = asyncio__realloc(queue->items, capacity * sizeof *items);
    if (!items)
        return -ENOMEM;
    if (queue->head > 0) {
        tail = queue->capacity - queue->head;
        memmove(items + capacity - tail, items + queue->head, tail * sizeof *items);
        queue->head = capacity - tail;
    }
    queue->items = items;
    queue->capacity = capacity;
    return 0;
}

static void sift_up(struct asyncio_queue *queue, size_t index, void *item)
{
    while (index > 0) {
        size_t parent = (index - 1) / 2;

        if (queue->compare(item, queue->items[parent]) >= 0)
            break;
        queue->items[index] = queue->items[parent];
        index = parent;
    }
    queue->items[index] = item;
}

static void sift_down(struct asyncio_queue *queue, void *item)
{
    size_t index = 0, child;

    while ((child = 2 * index + 1) < queue->count) {
        if (child + 1 < queue->count && queue->compare(queue->items[child + 1], queue->items[child]) < 0)
            child++;
        if (queue->compare(queue->items[child], item) >= 0)
            break;
        queue->items[index] = queue->items[child];
        index = child;
    }
    queue->items[index] = item;
}

static int insert_item(struct asyncio_queue *queue, void *item)
{
    size_t index;

    if (queue->count == queue->capacity) {
        int r = grow(queue);

        if (r < 0)
            return r;
    }
    index = queue->count++;
    if (queue->kind == ASYNCIO_QUEUE_PRIORITY) {
        sift_up(queue, index, item);
        return 0;
    }
    index += queue->head;
    if (index >= queue->capacity)
        index -= queue->capacity;
    queue->items[index] = item;
    return 0;
}

static void *remove_item(struct asyncio_queue *queue)
{
    void *item;

    assert(queue->count > 0);
    queue->count--;
    if (queue->kind == ASYNCIO_QUEUE_LIFO)
        return queue->items[queue->count];
    item = queue->items[queue->head];
    if (queue->kind == ASYNCIO_QUEUE_PRIORITY)
        sift_down(queue, queue->items[queue->count]);
    else if (++queue->head == queue->capacity)
        queue->head = 0;
    return item;
}

/* --------------------------------------------------------------------------------------------------------- Waiting */

static bool nobody_waits(const struct asyncio_queue *queue)
{
    return list_empty(&queue->getters) && list_empty(&queue->putters) && list_empty(&queue->joiners) &&
           queue->n_woken == 0;
}

static void unbind_idle(struct asyncio_queue *queue)
{
    if (nobody_waits(queue))
        queue->loop = NULL;
}

bool asyncio__queue_can_get(const struct asyncio_queue *queue)
{
    return queue->count > 0 || queue->is_shut_down;
}

bool asyncio__queue_can_put(const struct asyncio_queue *queue)
{
    return !asyncio_queue_full(queue) || queue->is_shut_down;
}

static void wake_next(struct asyncio_queue *queue, struct asyncio_link *waiters)
{
    struct asyncio_waiter *waiter = asyncio__first_waiter(waiters);

    if (!waiter)
        return;
    queue->n_woken++;
    asyncio__wake(waiter, 0);
}

static void pass_on_item(struct asyncio_queue *queue)
{
    if (queue->count > 0)
        wake_next(queue, &queue->getters);
}

static void pass_on_room(struct asyncio_queue *queue)
{
    if (!asyncio_queue_full(queue))
        wake_next(queue, &queue->putters);
}

/* A woken waiter has run. */
static void arrived(struct asyncio_queue *queue)
{
    assert(queue->n_woken > 0);
    queue->n_woken--;
    unbind_idle(queue);
}

/* Whoever has a lower ticket stands before; a new waiter gets the highest and goes to the end. */
static void enlist(struct asyncio_queue *queue, struct asyncio_link *waiters, struct asyncio_waiter *waiter)
{
    struct asyncio_link *next;

    list_ready(waiters);
    queue->loop = asyncio_get_running_loop();
    if (waiter->ticket == 0) {
        waiter->ticket = ++queue->tickets;
        list_push_back(waiters, &waiter->link);
        return;
    }
    for (next = waiters->next; next != waiters; next = next->next)
        if (LIST_ENTRY(next, struct asyncio_waiter, link)->ticket > waiter->ticket)
            break;
    list_push_back(next, &waiter->link);
}

static enum asyncio_cancel_answer queue_cancel(struct asyncio_waiter *waiter)
{
    list_remove(&waiter->link);
    unbind_idle(waiter->object);
    return ASYNCIO_CANCELLED;
}

static void getter_give_back(struct asyncio_waiter *waiter)
{
    pass_on_item(waiter->object);
    arrived(waiter->object);
}

static void putter_give_back(struct asyncio_waiter *waiter)
{
    pass_on_room(waiter->object);
    arrived(waiter->object);
}

static void getter_describe(const struct asyncio_waiter *waiter, char *buffer, size_t size)
{
    const struct asyncio_queue *queue = waiter->object;

    snprintf(buffer, size, "item of %s", asyncio__label("queue", queue->name).text);
}

static void putter_describe(const struct asyncio_waiter *waiter, char *buffer, size_t size)
{
    const struct asyncio_queue *queue = waiter->object;

    snprintf(buffer, size, "room in %s of %zu", asyncio__label("queue", queue->name).text, queue->maxsize);
}

static void joiner_describe(const struct asyncio_waiter *waiter, char *buffer, size_t size)
{
    const struct asyncio_queue *queue = waiter->object;

    snprintf(buffer, size, "%zu unfinished items of %s", queue->unfinished, asyncio__label("queue", queue->name).text);
}

static const struct asyncio_wait_kind getter_kind = {
    .name = "queue item",
    .late = ASYNCIO_LATE_GIVE_BACK,
    .cancel = queue_cancel,
    .give_back = getter_give_back,
    .describe = getter_describe,
};

static const struct asyncio_wait_kind putter_kind = {
    .name = "queue room",
    .late = ASYNCIO_LATE_GIVE_BACK,
    .cancel = queue_cancel,
    .give_back = putter_give_back,
    .describe = putter_describe,
};

static const struct asyncio_wait_kind joiner_kind = {
    .name = "queue join",
    .late = ASYNCIO_LATE_CANCEL,
    .cancel = queue_cancel,
    .describe = joiner_describe,
};

/* Waits once among the getters or putters. *ticket is 0 the first time. */
static ASYNCIO__SUSPENDS int wait_in(struct asyncio_queue *queue, struct asyncio_link *waiters,
                                     const struct asyncio_wait_kind *kind, uint64_t *ticket)
{
    struct asyncio_waiter waiter;
    int r = asyncio_waiter_init(&waiter, kind, queue);

    if (r < 0)
        return r;
    waiter.ticket = *ticket;
    enlist(queue, waiters, &waiter);
    *ticket = waiter.ticket;
    r = (int)asyncio_park(&waiter);
    if (r == 0)
        arrived(queue);
    return r;
}

void asyncio__queue_enlist_getter(struct asyncio_queue *queue, struct asyncio_waiter *waiter)
{
    enlist(queue, &queue->getters, waiter);
}

void asyncio__queue_enlist_putter(struct asyncio_queue *queue, struct asyncio_waiter *waiter)
{
    enlist(queue, &queue->putters, waiter);
}

void asyncio__queue_withdraw_getter(struct asyncio_queue *queue, struct asyncio_waiter *waiter, bool used)
{
    if (!waiter->complete) {
        queue_cancel(waiter);
        return;
    }
    if (!used)
        pass_on_item(queue);
    arrived(queue);
}

void asyncio__queue_withdraw_putter(struct asyncio_queue *queue, struct asyncio_waiter *waiter, bool used)
{
    if (!waiter->complete) {
        queue_cancel(waiter);
        return;
    }
    if (!used)
        pass_on_room(queue);
    arrived(queue);
}

/* ----------------------------------------------------------------------------------------------------------- Queue */

void asyncio_queue_init(struct asyncio_queue *queue, long maxsize)
{
    if (queue)
        *queue = (struct asyncio_queue)ASYNCIO_QUEUE_INIT(maxsize > 0 ? (size_t)maxsize : 0);
}

void asyncio_lifo_queue_init(struct asyncio_queue *queue, long maxsize)
{
    if (queue)
        *queue = (struct asyncio_queue)ASYNCIO_LIFO_QUEUE_INIT(maxsize > 0 ? (size_t)maxsize : 0);
}

int asyncio_priority_queue_init(struct asyncio_queue *queue, long maxsize, asyncio_compare *compare)
{
    if (!queue || !compare)
        return -EINVAL;
    *queue = (struct asyncio_queue)ASYNCIO_PRIORITY_QUEUE_INIT(maxsize > 0 ? (size_t)maxsize : 0, compare);
    return 0;
}

void asyncio_queue_fini(struct asyncio_queue *queue)
{
    if (!queue)
        return;
    assert(nobody_waits(queue));
    asyncio__free(queue->items);
    *queue = (struct asyncio_queue){0};
}

/* True for a queue that calls may use: one that is there and that knows how to order its items. */
static bool is_usable(const struct asyncio_queue *queue)
{
    return queue && (queue->kind != ASYNCIO_QUEUE_PRIORITY || queue->compare);
}

int asyncio_queue_put_nowait(struct asyncio_queue *queue, void *item)
{
    int r;

    if (!is_usable(queue))
        return -EINVAL;
    if (asyncio__is_foreign(queue->loop))
        return -ASYNCIO_EFOREIGNLOOP;
    if (queue->is_shut_down)
        return -ASYNCIO_EQUEUESHUTDOWN;
    if (asyncio_queue_full(queue))
        return -ASYNCIO_EQUEUEFULL;
    r = insert_item(queue, item);
    if (r < 0)
        return r;
    queue->unfinished++;
    wake_next(queue, &queue->getters);
    return 0;
}

int asyncio_queue_put(struct asyncio_queue *queue, void *item)
{
    struct asyncio_loop *loop;
    uint64_t ticket = 0;
    int r;

    if (!is_usable(queue))
        return -EINVAL;
    r = asyncio__may_wait(queue->loop, &loop);
    if (r < 0)
        return r;
    while (!asyncio__queue_can_put(queue)) {
        r = wait_in(queue, &queue->putters, &putter_kind, &ticket);
        if (r < 0)
            return r;
    }
    /* After a wait this needs no memory: a queue that was full has its whole array. */
    return asyncio_queue_put_nowait(queue, item);
}

int asyncio_queue_get_nowait(struct asyncio_queue *queue, void **ret_item)
{
    if (!is_usable(queue) || !ret_item)
        return -EINVAL;
    if (asyncio__is_foreign(queue->loop))
        return -ASYNCIO_EFOREIGNLOOP;
    if (queue->count == 0)
        return queue->is_shut_down ? -ASYNCIO_EQUEUESHUTDOWN : -ASYNCIO_EQUEUEEMPTY;
    *ret_item = remove_item(queue);
    wake_next(queue, &queue->putters);
    return 0;
}

int asyncio_queue_get(struct asyncio_queue *queue, void **ret_item)
{
    struct asyncio_loop *loop;
    uint64_t ticket = 0;
    int r;

    if (!is_usable(queue) || !ret_item)
        return -EINVAL;
    r = asyncio__may_wait(queue->loop, &loop);
    if (r < 0)
        return r;
    while (!asyncio__queue_can_get(queue)) {
        r = wait_in(queue, &queue->getters, &getter_kind, &ticket);
        if (r < 0)
            return r;
    }
    return asyncio_queue_get_nowait(queue, ret_item);
}

static void wake_joiners(struct asyncio_queue *queue)
{
    asyncio__wake_all(&queue->joiners, 0);
    unbind_idle(queue);
}

int asyncio_queue_task_done(struct asyncio_queue *queue)
{
    if (!queue)
        return -EINVAL;
    if (asyncio__is_foreign(queue->loop))
        return -ASYNCIO_EFOREIGNLOOP;
    if (queue->unfinished == 0)
        return -EOVERFLOW;
    if (--queue->unfinished == 0)
        wake_joiners(queue);
    return 0;
}

int asyncio_queue_join(struct asyncio_queue *queue)
{
    struct asyncio_waiter waiter;
    struct asyncio_loop *loop;
    int r;

    if (!queue)
        return -EINVAL;
    r = asyncio__may_wait(queue->loop, &loop);
    if (r < 0)
        return r;
    if (queue->unfinished == 0)
        return 0;
    r = asyncio_waiter_init(&waiter, &joiner_kind, queue);
    if (r < 0)
        return r;
    list_ready(&queue->joiners);
    list_push_back(&queue->joiners, &waiter.link);
    queue->loop = loop;
    return (int)asyncio_park(&waiter);
}

void asyncio_queue_shutdown(struct asyncio_queue *queue, bool immediate)
{
    if (!queue)
        return;
    assert(!asyncio__is_foreign(queue->loop));
    queue->is_shut_down = true;
    if (immediate) {
        queue->unfinished -= min_size(queue->unfinished, queue->count);
        queue->count = 0;
        queue->head = 0;
        if (queue->unfinished == 0)
            wake_joiners(queue);
    }
    while (!list_empty(&queue->getters))
        wake_next(queue, &queue->getters);
    while (!list_empty(&queue->putters))
        wake_next(queue, &queue->putters);
}

size_t asyncio_queue_qsize(const struct asyncio_queue *queue)
{
    return queue ? queue->count : 0;
}

bool asyncio_queue_empty(const struct asyncio_queue *queue)
{
    return !queue || queue->count == 0;
}

bool asyncio_queue_full(const struct asyncio_queue *queue)
{
    return queue && queue->maxsize > 0 && queue->count >= queue->maxsize;
}

size_t asyncio_queue_maxsize(const struct asyncio_queue *queue)
{
    return queue ? queue->maxsize : 0;
}
