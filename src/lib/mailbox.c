/* mailbox.c -- messages from any thread to the tasks of one loop.
 *
 * What senders bring goes into a ring under a lock. The receivers take over all of it at once, into a queue of their
 * loop's own, from which they take one after the other without the lock. A loop is only woken when somebody waits in
 * it, and not again until it has taken over what is there. Invariants:
 *   - what is in the queue is older than what is in the ring;
 *   - n_held counts both and never exceeds the limit, for which each of them has room: so nothing fails once a message
 *     is accepted;
 *   - the loop is the first receiver's, and is kept in memory: whether it is closed can always be asked. */
#include "../base/mem.h"
#include "../loop/loop.h"
#include "lib.h"

#include <pthread.h>
#include <stdatomic.h>

#define DEFAULT_LIMIT 1024

struct box {
    pthread_mutex_t lock;
    _Atomic(struct asyncio_loop *) loop; /* a reference; NULL: nobody has received yet. Set once, under the lock */
    atomic_size_t n_held;                /* raised under the lock, lowered by whoever has taken a message */
    struct asyncio_queue queue;          /* the loop's thread's */
    struct asyncio_node node;            /* under way to the loop while `posted` */

    /* Under the lock. */
    bool posted, is_shut_down;
    size_t n_waiting; /* receivers that wait */
    size_t first, n;  /* of the ring */

    size_t limit;
    void *ring[];
};

/* Takes over what has come. With the lock. */
static bool take_over(struct box *box)
{
    bool any = box->n > 0;

    for (; box->n > 0; box->n--) {
        int r = asyncio_queue_put_nowait(&box->queue, box->ring[box->first]);

        assert(r == 0);
        ASYNCIO_IGNORE(r);
        box->first = box->first + 1 == box->limit ? 0 : box->first + 1;
    }
    if (box->is_shut_down)
        asyncio_queue_shutdown(&box->queue, false);
    return any || box->is_shut_down;
}

static void arrived(struct asyncio_node *node)
{
    struct box *box = CONTAINER_OF(node, struct box, node);

    pthread_mutex_lock(&box->lock);
    box->posted = false;
    take_over(box);
    pthread_mutex_unlock(&box->lock);
}

/* With the lock, so that the loop cannot end meanwhile: whoever waits in it needs the lock to stop waiting. */
static void wake_receivers(struct box *box)
{
    if (box->n_waiting > 0 && !box->posted)
        box->posted = asyncio_loop_post(atomic_load(&box->loop), &box->node) == 0;
}

/* ------------------------------------------------------------------------------------------------------- Life cycle */

int asyncio_mailbox_init(struct asyncio_mailbox *mailbox, size_t limit)
{
    struct box *box;
    void **items;

    if (!mailbox)
        return -EINVAL;
    *mailbox = (struct asyncio_mailbox){.state = NULL};
    if (limit == 0)
        limit = DEFAULT_LIMIT;
    if (limit > (SIZE_MAX - sizeof *box) / sizeof box->ring[0])
        return -EINVAL;
    box = asyncio__calloc(sizeof *box + limit * sizeof box->ring[0]);
    items = box ? asyncio__malloc(limit * sizeof items[0]) : NULL;
    if (!items) {
        asyncio__free(box);
        return -ENOMEM;
    }
    pthread_mutex_init(&box->lock, NULL);
    asyncio_node_init(&box->node, arrived, NULL);
    box->limit = limit;
    asyncio_queue_init(&box->queue, (long)limit);
    box->queue.name = "mailbox";
    box->queue.items = items;
    box->queue.capacity = limit;
    mailbox->state = box;
    return 0;
}

/* From here on the loop does not know the box. */
static void leave_loop(struct box *box)
{
    struct asyncio_loop *loop = atomic_load(&box->loop);

    if (!loop)
        return;
    if (!asyncio__posts_refused(loop)) {
        asyncio__posts_collect(loop);
        asyncio_node_cancel(&box->node);
    }
    asyncio_loop_unref(loop);
}

void asyncio_mailbox_fini(struct asyncio_mailbox *mailbox, void (*drop)(void *message))
{
    struct box *box = mailbox ? mailbox->state : NULL;
    void *message;

    if (!box)
        return;
    mailbox->state = NULL;
    assert(box->n_waiting == 0);
    leave_loop(box);
    take_over(box);
    while (asyncio_queue_get_nowait(&box->queue, &message) == 0)
        if (drop)
            drop(message);
    asyncio_queue_fini(&box->queue);
    pthread_mutex_destroy(&box->lock);
    asyncio__free(box);
}

/* ------------------------------------------------------------------------------------------------------- Any thread */

static bool loop_is_closed(const struct box *box)
{
    const struct asyncio_loop *loop = atomic_load(&box->loop);

    return loop && asyncio__posts_refused(loop);
}

int asyncio_mailbox_send(struct asyncio_mailbox *mailbox, void *message)
{
    struct box *box = mailbox ? mailbox->state : NULL;
    size_t last;
    int r = 0;

    if (!box || !message)
        return -EINVAL;
    pthread_mutex_lock(&box->lock);
    if (box->is_shut_down || loop_is_closed(box)) {
        r = -ASYNCIO_EQUEUESHUTDOWN;
    } else if (atomic_load(&box->n_held) == box->limit) {
        r = -EAGAIN;
    } else {
        atomic_fetch_add(&box->n_held, 1);
        last = box->first + box->n++;
        box->ring[last >= box->limit ? last - box->limit : last] = message;
        wake_receivers(box);
    }
    pthread_mutex_unlock(&box->lock);
    return r;
}

void asyncio_mailbox_shutdown(struct asyncio_mailbox *mailbox)
{
    struct box *box = mailbox ? mailbox->state : NULL;

    if (!box)
        return;
    pthread_mutex_lock(&box->lock);
    box->is_shut_down = true;
    wake_receivers(box);
    pthread_mutex_unlock(&box->lock);
}

/* -------------------------------------------------------------------------------------------------------- Receiving */

/* The first receiver's loop becomes the box's. Returns: 0; -ASYNCIO_ENOTASK; -ASYNCIO_EFOREIGNLOOP. */
static int belong(struct box *box, struct asyncio_loop **ret_loop)
{
    struct asyncio_loop *none = NULL;
    int r = asyncio__may_wait(atomic_load(&box->loop), ret_loop);

    if (r < 0 || atomic_load(&box->loop))
        return r;
    asyncio_loop_ref(*ret_loop);
    if (atomic_compare_exchange_strong(&box->loop, &none, *ret_loop))
        return 0;
    asyncio_loop_unref(*ret_loop);
    return none == *ret_loop ? 0 : -ASYNCIO_EFOREIGNLOOP;
}

/* Takes over what there is, else says that somebody waits from now on. Returns: whether he has to. */
static bool begin_to_wait(struct box *box)
{
    bool must_wait;

    pthread_mutex_lock(&box->lock);
    must_wait = !take_over(box);
    box->n_waiting += must_wait;
    pthread_mutex_unlock(&box->lock);
    return must_wait;
}

static void end_to_wait(struct box *box)
{
    pthread_mutex_lock(&box->lock);
    box->n_waiting--;
    pthread_mutex_unlock(&box->lock);
}

int asyncio_mailbox_receive(struct asyncio_mailbox *mailbox, void **ret_message)
{
    struct box *box = mailbox ? mailbox->state : NULL;
    struct asyncio_loop *loop;
    int r;

    if (!box || !ret_message)
        return -EINVAL;
    r = belong(box, &loop);
    if (r < 0)
        return r;
    r = asyncio_queue_get_nowait(&box->queue, ret_message);
    if (r == -ASYNCIO_EQUEUEEMPTY) {
        if (begin_to_wait(box)) {
            /* Other threads may wake whoever waits here. */
            asyncio_loop_hold(loop);
            r = asyncio_queue_get(&box->queue, ret_message);
            asyncio_loop_release(loop);
            end_to_wait(box);
        } else {
            r = asyncio_queue_get_nowait(&box->queue, ret_message);
        }
    }
    if (r == 0)
        atomic_fetch_sub(&box->n_held, 1);
    return r;
}
