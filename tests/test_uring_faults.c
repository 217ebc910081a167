/* test_uring_faults.c -- io_uring when something runs out or comes to its end: buffers, room for completions, what
 * goes on by itself. */
#include "backend/uring.h"

#include "rig.h"
#include "ring_faults.h"

#include <pthread.h>
#include <stdlib.h>

static void need(const char *asked)
{
    if (asyncio__uring_probe() < 0)
        SKIP("no io_uring here");
    open_rig(asked);
}

/* A poll that may be interrupted by a plan. */
static void poll_for(int64_t span_ns)
{
    int r = ops->poll(backend, span_ns ? ops->now(backend) + span_ns : 0, false);

    EXPECT(r == 0 || r == -EINTR);
}

static void look_out(const bool *ended)
{
    for (int i = 0; i < 1000 && !*ended; i++)
        poll_for(NS_PER_SEC / 100);
    EXPECT(*ended);
}

/* ----------------------------------------------------------------------------------------------------------- Wakes */

#define N_WAKES 30
#define N_IDLE  20

/* The one who is woken says that it has seen so many wakes, the other then wakes again. */
static _Atomic int n_seen;

static void *wake_often(void *arg)
{
    for (int i = 0; i < N_WAKES; i++) {
        while (n_seen < i)
            sched_yield();
        ops->wake(backend);
    }
    return arg;
}

/* Polls that would last for a minute, each ended by a wake from another thread. */
static void be_woken(void)
{
    int64_t begin_ns = ops->now(backend);
    pthread_t thread;

    n_seen = 0;
    EXPECT_INT(pthread_create(&thread, NULL, wake_often, NULL), 0);
    while (n_seen < N_WAKES) {
        poll_for(60 * NS_PER_SEC);
        n_seen++;
    }
    pthread_join(thread, NULL);
    EXPECT(ops->now(backend) - begin_ns < 30 * NS_PER_SEC);
}

/* Fills the queue of completions, so that what goes on by itself must end; what it was is seen afterwards. */
static void flood(void)
{
    static struct probe readers[N_IDLE];
    static int fds[N_IDLE][2];

    for (int i = 0; i < N_IDLE; i++) {
        make_pair(fds[i]);
        EXPECT(!start_recv(&readers[i], "reader", fds[i][0]));
    }
    poll_for(0);
    for (int i = 0; i < N_IDLE; i++)
        send_text(fds[i][1], "x");
    ops->wake(backend);
    for (int i = 0; i < N_IDLE; i++) {
        look_out(&readers[i].ended);
        EXPECT_INT(readers[i].op.result, 1);
        close_fd(fds[i][0]);
        close_fd(fds[i][1]);
    }
    trace_clear();
}

TEST_EPOLL(wakes, "R13: a wake ends a poll also after the kernel's watch on it has ended, or was lost in a flood")
{
    static const char *const kinds[] = {"uring", "uring:entries=1,completions=2",
                                        "uring:plain,entries=2,completions=2"};

    for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++)
        for (int plan = RING_PLAIN; plan < N_RING_PLANS; plan++) {
            need(kinds[kind]);
            plan_faults((enum ring_plan)plan, &backend->ring);
            be_woken();
            flood();
            be_woken();
            plan_faults(RING_PLAIN, NULL);
            close_rig();
        }
}

/* -------------------------------------------------------------------------------------------------------- Overflow */

/* Polls that only look, as of a loop that has always something else to do. */
static void look_through_flood(const char *asked)
{
    static struct probe readers[N_IDLE];
    static int fds[N_IDLE][2];
    int n_left = N_IDLE;

    need(asked);
    for (int i = 0; i < N_IDLE; i++) {
        make_pair(fds[i]);
        EXPECT(!start_recv(&readers[i], "reader", fds[i][0]));
    }
    for (int i = 0; i < 2 * N_IDLE; i++)
        poll_for(0);
    for (int i = 0; i < N_IDLE; i++)
        send_text(fds[i][1], "x");
    for (int i = 0; i < 1000 && n_left > 0; i++) {
        poll_for(0);
        n_left = 0;
        for (int k = 0; k < N_IDLE; k++)
            n_left += !readers[k].ended;
    }
    EXPECT_INT(n_left, 0);
    for (int i = 0; i < N_IDLE; i++) {
        close_fd(fds[i][0]);
        close_fd(fds[i][1]);
    }
    close_rig();
    trace_clear();
}

TEST_EPOLL(overflow,
           "R13: completions that the kernel keeps, as their queue is full, are asked for by who only looks, too")
{
    look_through_flood("uring:entries=2,completions=2");
    look_through_flood("uring:entries=2,completions=2,plain");
}

/* --------------------------------------------------------------------------------------------------------- Buffers */

#define N_READERS 12

/* A standing receive that keeps what it is given. */
struct keeper {
    struct asyncio_op op;
    void *kept[4];
    int n_kept, n_bytes;
    bool ended;
};

static struct keeper keepers[N_READERS];

static void keep(struct asyncio_op *op)
{
    struct keeper *keeper = (struct keeper *)op;

    keeper->ended = !(op->completion & ASYNCIO_OP_MORE);
    keeper->n_bytes += op->result > 0 ? (int)op->result : 0;
    if (!(op->completion & ASYNCIO_OP_BUFFER))
        return;
    EXPECT(keeper->n_kept < 4);
    keeper->kept[keeper->n_kept++] = op->buffer.data;
}

static void give_back(struct keeper *keeper)
{
    while (keeper->n_kept > 0)
        ops->release(backend, keeper->op.fd, keeper->kept[--keeper->n_kept]);
}

static void keep_buffers(const char *asked, int plan)
{
    struct probe reader = {0};
    int fds[N_READERS][2], more[2];

    need(asked);
    plan_faults((enum ring_plan)plan, &backend->ring);
    memset(keepers, 0, sizeof keepers);
    for (int i = 0; i < N_READERS; i++) {
        make_pair(fds[i]);
        keepers[i].op = (struct asyncio_op){
            .opcode = ASYNCIO_OP_RECV, .flags = ASYNCIO_OP_STANDING, .fd = fds[i][0], .complete = keep};
        EXPECT(!ops->submit(backend, &keepers[i].op));
    }
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N_READERS; i++)
            send_text(fds[i][1], "abc");
        for (int i = 0; i < 40; i++)
            poll_for(0);
        /* Nobody starves who brings memory of its own. */
        make_pair(more);
        reader.ended = false;
        if (!start_recv(&reader, "reader", more[0])) {
            poll_for(0);
            send_text(more[1], "abc");
            look_out(&reader.ended);
            EXPECT_INT(reader.op.result, 3);
        } else {
            FAIL("it received from an empty socket");
        }
        close_fd(more[0]);
        close_fd(more[1]);
        for (int k = 0; k < 200; k++) {
            poll_for(0);
            for (int i = 0; i < N_READERS; i++)
                give_back(&keepers[i]);
        }
        for (int i = 0; i < N_READERS; i++)
            EXPECT_INT(keepers[i].n_bytes, 3 * (round + 1));
    }
    for (int i = 0; i < N_READERS; i++) {
        if (!ops->cancel(backend, &keepers[i].op))
            look_out(&keepers[i].ended);
        give_back(&keepers[i]);
        close_fd(fds[i][0]);
        close_fd(fds[i][1]);
    }
    for (int i = 0; i < 30; i++)
        poll_for(0);
    EXPECT_INT(ops->pending(backend), 0);
    plan_faults(RING_PLAIN, NULL);
    close_rig();
    trace_clear();
}

TEST_EPOLL(no_buffers, "R13: when all buffers are in hands, receives go on as they come back, and others meanwhile")
{
    static const char *const kinds[] = {"uring", "uring:buffers=2", "uring:buffers=1,entries=2,completions=2",
                                        "uring:plain,buffers=2", "uring:single-shot"};

    for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++)
        for (int plan = RING_PLAIN; plan < N_RING_PLANS; plan++)
            keep_buffers(kinds[kind], plan);
}
