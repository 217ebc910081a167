/* test_park_table.c -- every kind of wait meets a cancel at every moment: before it is complete, when it is complete
 * and its task has not run yet, and when the cancel was there before the wait began. What comes of it is one table; in
 * none of its places may anything be lost: a mate, who waits for the same behind the first one, gets what that one did
 * not. */
#include "crew.h"

#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum moment { BEFORE, LATE, PENDING, MOMENTS };

static const char *const moment_names[] = {"before", "late", "pending"};

/* One kind of wait. A result of ANY is not looked at. */
#define ANY 12345
struct row {
    const char *name;
    void (*set_up)(void);
    int (*wait)(void);
    void (*complete)(void); /* lets what is waited for happen, once; NULL: `delay` does */
    double delay;
    int hops; /* turns until the waiter is complete after that */
    int results[MOMENTS];
    int next[MOMENTS]; /* what the wait after it meets */
    int mates[MOMENTS];
    void (*tear_down)(void);
};

static const struct row *row;
static enum moment moment;
static bool completed;

static struct asyncio_future *future, *inner;
static struct asyncio_lock lock;
static struct asyncio_semaphore semaphore;
static struct asyncio_condition condition;
static struct asyncio_barrier barrier;
static struct asyncio_event event;
static struct asyncio_queue queue;
static struct asyncio_as_completed iteration;
static int item;

/* ----------------------------------------------------------------------------------------------------------- Waits */

static void make_future(void)
{
    future = asyncio_loop_create_future(asyncio_get_running_loop());
}

static void set_future(void)
{
    ASYNCIO_IGNORE(asyncio_future_set_result(future, 5, NULL));
}

static void drop_future(void)
{
    future = asyncio_future_unref(future);
    inner = asyncio_future_unref(inner);
}

static int wait_future(void)
{
    return asyncio_await(future);
}

static int inner_task(void *arg)
{
    (void)arg;
    return asyncio_await(inner);
}

static void make_task(void)
{
    inner = asyncio_loop_create_future(asyncio_get_running_loop());
    future = asyncio_create_task(inner_task, NULL);
    turns(1);
}

static void set_inner(void)
{
    ASYNCIO_IGNORE(asyncio_future_set_result(inner, 5, NULL));
}

static int wait_sleep(void)
{
    return asyncio_sleep(1);
}

static int wait_yield(void)
{
    return asyncio_sleep(0);
}

static int wait_gather(void)
{
    return asyncio_gather(&future, 1, NULL);
}

static int wait_wait(void)
{
    return asyncio_wait(&future, 1, 100, ASYNCIO_ALL_COMPLETED);
}

static int wait_wait_for(void)
{
    return asyncio_wait_for_future(future, 100);
}

static int wait_shield(void)
{
    return asyncio_shield(future);
}

static int wait_timeout(void)
{
    struct asyncio_timeout scope;

    EXPECT_INT(asyncio_timeout_enter(&scope, 100), 0);
    return asyncio_timeout_exit(&scope, asyncio_await(future));
}

static int wait_expiring(void)
{
    struct asyncio_timeout scope;

    EXPECT_INT(asyncio_timeout_enter(&scope, 1), 0);
    return asyncio_timeout_exit(&scope, asyncio_sleep(50));
}

static void make_iteration(void)
{
    make_future();
    EXPECT_INT(asyncio_as_completed(&iteration, &future, 1, ASYNCIO_FOREVER), 0);
}

static int wait_as_completed(void)
{
    struct asyncio_future *next = NULL;

    return asyncio_as_completed_next(&iteration, &next);
}

static void drop_iteration(void)
{
    asyncio_as_completed_fini(&iteration);
    drop_future();
}

static int group_child(void *arg)
{
    (void)arg;
    return asyncio_await(future);
}

static int wait_group(void)
{
    struct asyncio_taskgroup group = {0};

    EXPECT_INT(asyncio_taskgroup_enter(&group), 0);
    asyncio_taskgroup_create_task(&group, group_child, NULL);
    return asyncio_taskgroup_exit(&group, 0);
}

static int clean_up(void *arg)
{
    (void)arg;
    ASYNCIO_IGNORE(asyncio_sleep(100));
    while (!completed)
        ASYNCIO_IGNORE(asyncio_sleep(0.001));
    return 0;
}

static void make_cleaner(void)
{
    future = asyncio_create_task(clean_up, NULL);
    turns(1);
}

static void nothing(void)
{
}

static int wait_cancel_and_wait(void)
{
    return asyncio_cancel_and_wait(future);
}

static void make_lock(void)
{
    EXPECT_INT(asyncio_lock_acquire(&lock), 0);
}

static void release_lock(void)
{
    EXPECT_INT(asyncio_lock_release(&lock), 0);
}

static int wait_lock(void)
{
    int r = asyncio_lock_acquire(&lock);

    return r < 0 ? r : asyncio_lock_release(&lock);
}

static void make_semaphore(void)
{
    EXPECT_INT(asyncio_semaphore_init(&semaphore, 0), 0);
}

static void release_semaphore(void)
{
    EXPECT_INT(asyncio_semaphore_release(&semaphore), 0);
}

static int wait_semaphore(void)
{
    return asyncio_semaphore_acquire(&semaphore);
}

static void notify(void)
{
    EXPECT_INT(asyncio_condition_notify(&condition, 1), 0);
}

static int wait_condition(void)
{
    int r = asyncio_condition_acquire(&condition), released;

    if (r < 0)
        return r;
    r = asyncio_condition_wait(&condition);
    EXPECT(asyncio_condition_locked(&condition));
    released = asyncio_condition_release(&condition);
    return r < 0 ? r : released;
}

static void make_barrier(void)
{
    EXPECT_INT(asyncio_barrier_init(&barrier, 3), 0);
}

static void abort_barrier(void)
{
    asyncio_barrier_abort(&barrier);
}

static int wait_barrier(void)
{
    return asyncio_barrier_wait(&barrier);
}

static void set_event(void)
{
    asyncio_event_set(&event);
}

static void clear_event(void)
{
    asyncio_event_clear(&event);
}

static int wait_event(void)
{
    return asyncio_event_wait(&event);
}

static void make_queue(void)
{
    asyncio_queue_init(&queue, 1);
}

static void make_full_queue(void)
{
    asyncio_queue_init(&queue, 1);
    EXPECT_INT(asyncio_queue_put_nowait(&queue, &item), 0);
}

static void put_item(void)
{
    EXPECT_INT(asyncio_queue_put_nowait(&queue, &item), 0);
}

static void take_item(void)
{
    void *taken = NULL;

    EXPECT_INT(asyncio_queue_get_nowait(&queue, &taken), 0);
    EXPECT_PTR(taken, &item);
}

static void item_is_done(void)
{
    EXPECT_INT(asyncio_queue_task_done(&queue), 0);
}

static int wait_get(void)
{
    void *taken = NULL;
    int r = asyncio_queue_get(&queue, &taken);

    EXPECT_PTR(taken, r < 0 ? NULL : &item);
    return r;
}

static int wait_put(void)
{
    return asyncio_queue_put(&queue, &item);
}

static int wait_join(void)
{
    return asyncio_queue_join(&queue);
}

static void drop_queue(void)
{
    void *taken;

    while (asyncio_queue_get_nowait(&queue, &taken) == 0)
        ;
    asyncio_queue_fini(&queue);
}

static int wait_select(void)
{
    void *taken = NULL;
    struct asyncio_case cases[] = {ASYNCIO_ON_EVENT(&event), ASYNCIO_ON_GET(&queue, &taken), ASYNCIO_ON_TIME(100)};
    int r = asyncio_select(cases, 3);

    EXPECT_PTR(taken, r == 1 ? &item : NULL);
    return r;
}

#define CE (-ECANCELED)

/* The waits whose results stand at once after `complete`. What a cancel goes through to is cancelled for the mate
 * too. */
static const struct row rows[] = {
    {"future", make_future, wait_future, set_future, 0, 0, {CE, CE, CE}, {0, 0, 0}, {CE, 5, CE}, drop_future},
    {"task", make_task, wait_future, set_inner, 0, 1, {CE, CE, CE}, {0, 0, 0}, {CE, 5, CE}, drop_future},
    {"sleep", NULL, wait_sleep, NULL, 1, 0, {CE, CE, CE}, {0, 0, 0}, {0, 0, 0}, NULL},
    {"yield", NULL, wait_yield, NULL, 0, 0, {ANY, ANY, CE}, {ANY, ANY, 0}, {0, 0, 0}, NULL},
    {"gather", make_future, wait_gather, set_future, 0, 1, {CE, CE, CE}, {0, 0, 0}, {CE, 0, CE}, drop_future},
    {"wait", make_future, wait_wait, set_future, 0, 1, {CE, CE, CE}, {0, 0, 0}, {1, 1, 1}, drop_future},
    {"wait_for", make_future, wait_wait_for, set_future, 0, 0, {CE, CE, CE}, {0, 0, 0}, {CE, 5, CE}, drop_future},
    {"shield", make_future, wait_shield, set_future, 0, 0, {CE, CE, CE}, {0, 0, 0}, {5, 5, 5}, drop_future},
    {"as_completed",
     make_iteration,
     wait_as_completed,
     set_future,
     0,
     1,
     {CE, CE, CE},
     {0, 0, 0},
     {1, 1, 1},
     drop_iteration},
    {"timeout", make_future, wait_timeout, set_future, 0, 0, {CE, CE, CE}, {0, 0, 0}, {CE, 5, CE}, drop_future},
    {"timeout at its end",
     NULL,
     wait_expiring,
     NULL,
     1,
     0,
     {CE, CE, CE},
     {0, 0, 0},
     {-ETIMEDOUT, -ETIMEDOUT, -ETIMEDOUT},
     NULL},
    {"task group", make_future, wait_group, set_future, 0, 2, {CE, CE, CE}, {0, 0, 0}, {ANY, 0, ANY}, drop_future},
    {"cancel_and_wait",
     make_cleaner,
     wait_cancel_and_wait,
     nothing,
     0,
     0,
     {0, 0, 0},
     {CE, CE, CE},
     {0, 0, 0},
     drop_future},
    {"lock", make_lock, wait_lock, release_lock, 0, 0, {CE, CE, CE}, {0, 0, 0}, {0, 0, 0}, NULL},
    {"semaphore", make_semaphore, wait_semaphore, release_semaphore, 0, 0, {CE, CE, CE}, {0, 0, 0}, {0, 0, 0}, NULL},
    {"condition", NULL, wait_condition, notify, 0, 0, {CE, CE, CE}, {0, 0, 0}, {0, 0, 0}, NULL},
    {"barrier",
     make_barrier,
     wait_barrier,
     abort_barrier,
     0,
     0,
     {CE, CE, CE},
     {0, 0, 0},
     {-ASYNCIO_EBROKENBARRIER, -ASYNCIO_EBROKENBARRIER, -ASYNCIO_EBROKENBARRIER},
     NULL},
    {"event", NULL, wait_event, set_event, 0, 0, {CE, CE, CE}, {0, 0, 0}, {0, 0, 0}, clear_event},
    {"queue get", make_queue, wait_get, put_item, 0, 0, {CE, CE, CE}, {0, 0, 0}, {0, 0, 0}, drop_queue},
    {"queue put", make_full_queue, wait_put, take_item, 0, 0, {CE, CE, CE}, {0, 0, 0}, {0, 0, 0}, drop_queue},
    {"queue join", make_full_queue, wait_join, item_is_done, 0, 0, {CE, CE, CE}, {0, 0, 0}, {0, 0, 0}, drop_queue},
    {"select", make_queue, wait_select, put_item, 0, 0, {CE, CE, CE}, {0, 0, 0}, {1, 1, 1}, drop_queue},
};

/* ---------------------------------------------------------------------------------------------------------- Driver */

struct waiting {
    int result, next;
};

static struct waiting waiter, mate;

static int wait_row(void *arg)
{
    struct waiting *waiting = arg;

    if (waiting == &waiter && moment == PENDING)
        cancel(asyncio_current_task());
    waiting->result = row->wait();
    waiting->next = asyncio_sleep(0);
    return 0;
}

static void complete(void)
{
    if (completed)
        return;
    completed = true;
    if (row->complete)
        row->complete();
}

static int hops_left;

/* Completes, lets so many turns pass, and cancels. */
static void strike(void *arg)
{
    if (moment == LATE && !completed) {
        hops_left = row->hops;
        complete();
    }
    if (moment != LATE || hops_left-- == 0)
        cancel(arg);
    else
        EXPECT_INT(asyncio_loop_call_soon(asyncio_get_running_loop(), strike, arg), 0);
}

static void expect(const char *who, int actual, int expected)
{
    if (expected != ANY && actual != expected)
        FAIL("%s, cancelled %s: %s %s, expected %s", row->name, moment_names[moment], who, said(actual),
             said(expected));
}

static int meet(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_future *first, *second;
    double delay = moment == LATE ? row->delay : 0;
    bool holds = row->complete == notify;

    (void)arg;
    completed = false;
    waiter = mate = (struct waiting){ANY + 1, ANY + 1};
    if (row->set_up)
        row->set_up();
    first = asyncio_create_task(wait_row, &waiter, .name = "waiter");
    second = asyncio_create_task(wait_row, &mate, .name = "mate");
    turns(1);
    /* To notify, the lock must be held: who waits needs it back, cancelled or not. */
    if (holds)
        EXPECT_INT(asyncio_condition_acquire(&condition), 0);
    if (moment != PENDING)
        EXPECT_INT(asyncio_loop_call_later(loop, delay, strike, first), 0);
    EXPECT_INT(asyncio_sleep(delay), 0);
    turns(4);
    complete();
    if (holds)
        EXPECT_INT(asyncio_condition_release(&condition), 0);
    ASYNCIO_IGNORE(asyncio_wait(&first, 1, 10, ASYNCIO_ALL_COMPLETED));
    ASYNCIO_IGNORE(asyncio_wait(&second, 1, 10, ASYNCIO_ALL_COMPLETED));
    expect("the waiter got", waiter.result, row->results[moment]);
    expect("its next wait", waiter.next, row->next[moment]);
    expect("the mate got", mate.result, row->mates[moment]);
    expect("the mate's next wait", mate.next, 0);
    EXPECT_INT(asyncio_cancel_and_wait(first), 0);
    EXPECT_INT(asyncio_cancel_and_wait(second), 0);
    asyncio_future_unref(first);
    asyncio_future_unref(second);
    if (row->tear_down)
        row->tear_down();
    return 0;
}

static void meet_at(enum moment when)
{
    moment = when;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        row = &rows[i];
        EXPECT_INT(run(meet, NULL), 0);
    }
}

TEST(cancel_before_completion,
     "T-06 #13: every kind of wait, cancelled while it waits: undone, and the next one gets it")
{
    meet_at(BEFORE);
}

TEST(cancel_after_completion,
     "T-06 #14: every kind of wait, cancelled when it is complete and has not resumed: the table of the design")
{
    meet_at(LATE);
}

TEST(cancel_pending_on_entry,
     "T-07: every kind of wait, begun with a cancel pending: the same as one that comes a moment later")
{
    meet_at(PENDING);
}

/* --------------------------------------------------------------------------------------------------------- Operations
 *
 * Nobody waits behind an operation on the same fd, so the rule is another one: it has happened and its result is
 * delivered, or it has not happened. What goes in at one end comes out at the other, however often both ends are
 * cancelled. */

static int fds[2];

static int64_t submit(struct asyncio_op *op)
{
    EXPECT(asyncio_op_submit(asyncio_get_running_loop(), op));
    return op->result;
}

static int make_fds(int opcode)
{
    struct asyncio_op op = {.opcode = (uint8_t)opcode, .make = {.domain = AF_UNIX, .type = SOCK_STREAM}};
    int r = (int)submit(&op);

    fds[0] = r < 0 ? -1 : op.make.fds[0];
    fds[1] = r < 0 ? -1 : op.make.fds[1];
    return r;
}

static void close_fd(int fd)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_CLOSE, .fd = fd};

    if (fd >= 0)
        EXPECT_INT(submit(&op), 0);
}

static int64_t move(int opcode, int fd, void *data, size_t size)
{
    struct asyncio_op op = {.opcode = (uint8_t)opcode, .fd = fd, .buffer = {.data = data, .size = size}};

    return asyncio_op_await(&op);
}

static int64_t put_byte(char byte)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_WRITE, .fd = fds[1], .buffer = {.data = &byte, .size = 1}};

    return submit(&op);
}

static char received[8];
static int64_t received_result, received_next;

static int receive(void *arg)
{
    (void)arg;
    if (moment == PENDING)
        cancel(asyncio_current_task());
    received_result = move(ASYNCIO_OP_RECV, fds[0], received, sizeof received);
    received_next = asyncio_sleep(0);
    return 0;
}

/* Runs in the turn before the waiter, which the poll between them has completed. */
static void cancel_next(void *arg)
{
    cancel(arg);
}

static void put_and_cancel(void *arg)
{
    EXPECT_INT(put_byte('x'), 1);
    EXPECT_INT(asyncio_loop_call_soon(asyncio_get_running_loop(), cancel_next, arg), 0);
}

static int meet_recv(void *arg)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_future *task;
    char byte = 0;

    (void)arg;
    if (make_fds(ASYNCIO_OP_SOCKETPAIR) < 0)
        return -EMFILE;
    if (moment == PENDING)
        EXPECT_INT(put_byte('x'), 1);
    task = asyncio_create_task(receive, NULL);
    turns(2);
    if (moment == BEFORE) {
        cancel(task);
        EXPECT_INT(put_byte('x'), 1);
    } else if (moment == LATE) {
        EXPECT_INT(asyncio_loop_call_soon(loop, put_and_cancel, task), 0);
    }
    ASYNCIO_IGNORE(asyncio_wait(&task, 1, 10, ASYNCIO_ALL_COMPLETED));
    EXPECT(received_result == 1 || received_result == -ECANCELED);
    /* It was delivered, and the cancel is still to come; or the other way round. */
    EXPECT_INT(received_next, received_result == 1 ? -ECANCELED : 0);
    if (moment == PENDING)
        EXPECT_INT(received_result, -ECANCELED);
    if (received_result == -ECANCELED)
        EXPECT_INT(move(ASYNCIO_OP_RECV, fds[0], &byte, 1), 1);
    EXPECT_INT(received_result == 1 ? received[0] : byte, 'x');
    asyncio_future_unref(task);
    close_fd(fds[0]);
    close_fd(fds[1]);
    return 0;
}

TEST(recv_cancelled,
     "T-06 #14 #18: a byte that has been received is delivered, the cancel meets the next wait; else it stays where "
     "it is")
{
    for (moment = BEFORE; moment < MOMENTS; moment++) {
        EXPECT_INT(run(meet_recv, NULL), 0);
        if (moment == LATE)
            trace("late: %s", said(received_result));
    }
    /* On epoll the order is certain: the poll has read the byte before the cancel comes. */
    if (!test_on_sim())
        EXPECT_TRACE("late: 1\n");
    trace_clear();
}

#define STREAM_LENGTH 3000

static int read_opcode, write_opcode;
static int n_written, n_read, n_cancels;

/* The other side has failed, as it may when memory runs out: a cancel is the end then. */
static bool given_up;

/* Reads until the end, whatever it is told meanwhile. */
static int read_all(void *arg)
{
    unsigned char bytes[7];

    (void)arg;
    for (;;) {
        int64_t r = move(read_opcode, fds[0], bytes, sizeof bytes);

        n_cancels += r == -ECANCELED;
        for (int64_t i = 0; i < r; i++, n_read++)
            EXPECT_INT(bytes[i], n_read & 255);
        if (r == 0 || (r < 0 && (r != -ECANCELED || given_up)))
            return (int)r;
    }
}

/* Writes numbers, and counts only those that it is told have been written. */
static int write_all(void *arg)
{
    unsigned char bytes[5000];

    (void)arg;
    while (n_written < STREAM_LENGTH) {
        size_t length = (size_t)(STREAM_LENGTH - n_written);
        int64_t r;

        for (size_t i = 0; i < length; i++)
            bytes[i] = (unsigned char)((size_t)n_written + i);
        r = move(write_opcode, fds[1], bytes, length < 50 ? length : 50);
        n_cancels += r == -ECANCELED;
        /* So that the reader finds nothing now and then. */
        ASYNCIO_IGNORE(asyncio_sleep(chance(3) * 3e-6));
        if (r < 0 && (r != -ECANCELED || given_up))
            return (int)r;
        n_written += r > 0 ? (int)r : 0;
    }
    return 0;
}

/* Cancels some of the first n of the crew, and lets time pass now and then, as the delays of the simulator need. */
static void disturb(int n)
{
    for (int j = chance(3); j > 0; j--)
        cancel(crew[chance(n)]);
    ASYNCIO_IGNORE(asyncio_sleep(chance(2) * 4e-6));
}

/* Disturbs the first n of the crew until that one has ended, or the other one has before its time. */
static void disturb_until(int end, int n)
{
    struct asyncio_future *other = crew[1 - end];

    given_up = false;
    for (int i = 0; i < 20000 && !asyncio_future_done(crew[end]); i++) {
        given_up = asyncio_future_done(other) && asyncio_future_result(other) < 0;
        disturb(n);
    }
}

static int torment_stream(void *arg)
{
    int opcode = number_of(arg);

    seed_chance(test_seed());
    n_written = n_read = n_cancels = 0;
    if (make_fds(opcode) < 0)
        return -EMFILE;
    spawn(read_all, NULL, "reader");
    spawn(write_all, NULL, "writer");
    turns(1);
    disturb_until(1, 2);
    EXPECT_INT(asyncio_await(crew[1]), 0);
    close_fd(fds[1]);
    ASYNCIO_IGNORE(asyncio_wait(crew, 1, 10, ASYNCIO_ALL_COMPLETED));
    EXPECT_INT(asyncio_future_result(crew[0]), 0);
    EXPECT_INT(n_read, STREAM_LENGTH);
    EXPECT(n_cancels > 0);
    close_fd(fds[0]);
    return 0;
}

static int kinds_of_stream(asyncio_coro *body, int (*runs)(asyncio_coro *fn, void *arg))
{
    static const struct {
        int make, read, write;
    } streams[] = {
        {ASYNCIO_OP_SOCKETPAIR, ASYNCIO_OP_RECV, ASYNCIO_OP_SEND},
        {ASYNCIO_OP_SOCKETPAIR, ASYNCIO_OP_READ, ASYNCIO_OP_WRITE},
        {ASYNCIO_OP_PIPE, ASYNCIO_OP_READ, ASYNCIO_OP_WRITE},
    };
    int r = 0;

    for (size_t i = 0; i < sizeof streams / sizeof streams[0] && r == 0; i++) {
        read_opcode = streams[i].read;
        write_opcode = streams[i].write;
        r = runs(body, number(streams[i].make));
        dismiss_crew();
    }
    return r;
}

TEST_NO_SWEEP(streams_lose_no_byte, "T-06 #14 #18: reads and writes on sockets and pipes, cancelled at random",
              "its turns would differ")
{
    EXPECT_INT(kinds_of_stream(torment_stream, run), 0);
}

/* A machine that does everything as awkwardly as a kernel may. */
static int awkward_seed;

static int awkward_loop(struct asyncio_loop **ret_loop)
{
    char backend[80];

    snprintf(backend, sizeof backend, "sim:%d,short=40,eintr=20,later=50,delay=20,buffer=64", awkward_seed);
    return asyncio_new_event_loop(ret_loop, .backend = backend);
}

static int run_awkwardly(asyncio_coro *fn, void *arg)
{
    return asyncio_run(fn, arg, .loop_factory = awkward_loop);
}

TEST_SIM_NO_SWEEP(
    streams_lose_no_byte_awkwardly,
    "T-06 #14 #18: the same with short counts, interruptions, delays, a small buffer and late answers to cancels",
    "needs the simulator; a storm of faults already, which it takes a minute to sweep")
{
    for (awkward_seed = 1; awkward_seed <= 10; awkward_seed++)
        EXPECT_INT(kinds_of_stream(torment_stream, run_awkwardly), 0);
}

/* ---------------------------------------------------------------------------------------------------------- Accept */

#define CONNECTIONS 20

static int n_accepted, n_connected;
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static size_t address_size(void)
{
    return offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address.sun_path + 1);
}

static int make_socket(void)
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SOCKET, .make = {.domain = AF_UNIX, .type = SOCK_STREAM}};

    return (int)submit(&op);
}

static int make_listener(void)
{
    struct asyncio_op bind_it = {.opcode = ASYNCIO_OP_BIND, .address = {&address, 0}};
    struct asyncio_op listen_it = {.opcode = ASYNCIO_OP_LISTEN, .argument = CONNECTIONS};
    int fd = make_socket();

    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "park table %d", (int)getpid());
    bind_it.fd = listen_it.fd = fd;
    bind_it.address.size = address_size();
    EXPECT_INT(submit(&bind_it), 0);
    EXPECT_INT(submit(&listen_it), 0);
    return fd;
}

static int accept_all(void *arg)
{
    while (n_accepted < CONNECTIONS) {
        struct asyncio_op op = {.opcode = ASYNCIO_OP_ACCEPT, .fd = number_of(arg)};
        int64_t fd = asyncio_op_await(&op);

        if (fd < 0 && (fd != -ECANCELED || given_up))
            return (int)fd;
        if (fd >= 0) {
            n_accepted++;
            close_fd((int)fd);
        }
    }
    return 0;
}

static int connect_all(void *arg)
{
    (void)arg;
    while (n_connected < CONNECTIONS) {
        struct asyncio_op op = {.opcode = ASYNCIO_OP_CONNECT, .address = {&address, address_size()}};
        int64_t r;

        op.fd = make_socket();
        r = asyncio_op_await(&op);
        close_fd(op.fd);
        if (r < 0 && r != -ECANCELED)
            return (int)r;
        n_connected += r == 0;
        turns(1);
    }
    return 0;
}

/* Only the accepting side is tormented: who was told that it is connected is counted here exactly once. */
static int torment_accept(void *arg)
{
    int listener = make_listener();

    (void)arg;
    seed_chance(test_seed());
    n_accepted = n_connected = 0;
    spawn(accept_all, number(listener), "acceptor");
    spawn(connect_all, NULL, "connector");
    turns(1);
    disturb_until(0, 1);
    EXPECT_INT(asyncio_await(crew[1]), 0);
    /* With its last connection a cancel may have been left pending. */
    ASYNCIO_IGNORE(asyncio_wait(crew, 1, 10, ASYNCIO_ALL_COMPLETED));
    EXPECT_INT(n_accepted, CONNECTIONS);
    close_fd(listener);
    return 0;
}

TEST_NO_SWEEP(accept_loses_no_connection, "T-06 #14 #18: accept, cancelled again and again", "its turns would differ")
{
    EXPECT_INT(run(torment_accept, NULL), 0);
    dismiss_crew();
}

TEST_SIM_NO_SWEEP(accept_loses_no_connection_awkwardly, "T-06 #14 #18: the same on a machine that answers late",
                  "needs the simulator; a storm of faults already, which it takes a minute to sweep")
{
    for (awkward_seed = 1; awkward_seed <= 10; awkward_seed++) {
        EXPECT_INT(run_awkwardly(torment_accept, NULL), 0);
        dismiss_crew();
    }
}

/* ------------------------------------------------------------------------------------------------------------ Jobs */

static sem_t job_may_end;
static atomic_bool job_began;
static int job_result, job_next;

static int job(void *arg)
{
    atomic_store(&job_began, true);
    while (sem_wait(&job_may_end) < 0)
        ;
    return number_of(arg);
}

static int wait_job(void *arg)
{
    if (moment == PENDING)
        cancel(asyncio_current_task());
    job_result = asyncio_to_thread(job, arg);
    job_next = asyncio_sleep(0);
    return 0;
}

static int meet_job(void *arg)
{
    struct asyncio_future *task = asyncio_create_task(wait_job, number(6));

    (void)arg;
    turns(2);
    if (moment == BEFORE) {
        while (!atomic_load(&job_began))
            sched_yield();
        cancel(task);
        ASYNCIO_IGNORE(asyncio_wait(&task, 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
        sem_post(&job_may_end);
    } else {
        sem_post(&job_may_end);
        ASYNCIO_IGNORE(asyncio_wait(&task, 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
    }
    asyncio_future_unref(task);
    EXPECT_INT(job_result, -ECANCELED);
    EXPECT_INT(job_next, 0);
    return 0;
}

TEST_REAL(job_cancelled,
          "C-20 T-06: a thread goes on without the one who waits for it, who is cancelled at once; the end waits for "
          "it")
{
    EXPECT_INT(sem_init(&job_may_end, 0, 0), 0);
    for (moment = BEFORE; moment < MOMENTS; moment += PENDING - BEFORE)
        EXPECT_INT(run(meet_job, NULL), 0);
}
