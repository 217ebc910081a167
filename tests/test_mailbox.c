/* test_mailbox.c -- messages from threads to the tasks of a loop. */
#include "threading.h"

static struct asyncio_mailbox mailbox;
static struct gate begun;

static void *message(intptr_t n)
{
    return number(n);
}

static int send(intptr_t n)
{
    return asyncio_mailbox_send(&mailbox, message(n));
}

/* The next message; negative: the error. */
static int receive(void)
{
    void *received = NULL;
    int r = asyncio_mailbox_receive(&mailbox, &received);

    return r < 0 ? r : number_of(received);
}

static void trace_drop(void *dropped)
{
    trace("dropped %d", number_of(dropped));
}

static void nothing_is_dropped(void *dropped)
{
    FAIL("dropped %d", number_of(dropped));
}

/* ------------------------------------------------------------------------------------------------------ In one loop */

static int receive_all(void *arg)
{
    int n;

    (void)arg;
    while ((n = receive()) >= 0)
        trace("%s: %d", me(), n);
    trace("%s: %s", me(), said(n));
    return 0;
}

static void send_some(void)
{
    for (int i = 1; i <= 6; i++) {
        EXPECT_INT(send(i), 0);
        if (i % 3 == 0)
            ASYNCIO_IGNORE(asyncio_sleep(1));
    }
    asyncio_mailbox_shutdown(&mailbox);
    EXPECT_INT(send(7), -ASYNCIO_EQUEUESHUTDOWN);
}

static int one_loop(void *arg)
{
    (void)arg;
    spawn(receive_all, NULL, "receiver");
    send_some();
    everybody();
    return 0;
}

TEST(messages_in_one_loop, "Q-01: first in, first out; what is there at a shutdown is received, then its end")
{
    if (asyncio_mailbox_init(&mailbox, 0) < 0)
        return;
    EXPECT_INT(play(one_loop), 0);
    EXPECT_TRACE("[0.000] receiver: 1\n"
                 "[0.000] receiver: 2\n"
                 "[0.000] receiver: 3\n"
                 "[1.000] receiver: 4\n"
                 "[1.000] receiver: 5\n"
                 "[1.000] receiver: 6\n"
                 "[2.000] receiver: -ASYNCIO_EQUEUESHUTDOWN\n");
    asyncio_mailbox_fini(&mailbox, nothing_is_dropped);
}

static int fill(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 3; i++)
        EXPECT_INT(send(i), 0);
    EXPECT_INT(send(4), -EAGAIN);
    EXPECT_INT(receive(), 1);
    EXPECT_INT(send(5), 0);
    EXPECT_INT(send(6), -EAGAIN);
    EXPECT_INT(receive(), 2);
    EXPECT_INT(receive(), 3);
    EXPECT_INT(send(7), 0);
    EXPECT_INT(send(8), 0);
    EXPECT_INT(send(9), -EAGAIN);
    EXPECT_INT(receive(), 5);
    return 0;
}

TEST(full_mailbox, "a full mailbox takes no more, whether the messages were taken over or not; fini drops what is left")
{
    if (asyncio_mailbox_init(&mailbox, 3) < 0)
        return;
    EXPECT_INT(run(fill, NULL), 0);
    asyncio_mailbox_fini(&mailbox, trace_drop);
    EXPECT_TRACE("dropped 7\ndropped 8\n");
}

TEST(default_limit, "0 is 1024 messages")
{
    int n = 0;

    if (asyncio_mailbox_init(&mailbox, 0) < 0)
        return;
    while (n < 5000 && send(n + 1) == 0)
        n++;
    EXPECT_INT(n, 1024);
    asyncio_mailbox_fini(&mailbox, NULL);
}

TEST(misuse_of_mailboxes, "what is none, no message, no task: refused")
{
    void *received;

    EXPECT_INT(asyncio_mailbox_init(NULL, 0), -EINVAL);
    EXPECT_INT(asyncio_mailbox_init(&mailbox, SIZE_MAX), -EINVAL);
    EXPECT_INT(send(1), -EINVAL);
    EXPECT_INT(asyncio_mailbox_receive(&mailbox, &received), -EINVAL);
    asyncio_mailbox_shutdown(&mailbox);
    asyncio_mailbox_shutdown(NULL);
    asyncio_mailbox_fini(&mailbox, NULL);
    asyncio_mailbox_fini(NULL, NULL);
    if (asyncio_mailbox_init(&mailbox, 1) < 0)
        return;
    EXPECT_INT(asyncio_mailbox_send(&mailbox, NULL), -EINVAL);
    EXPECT_INT(asyncio_mailbox_send(NULL, &received), -EINVAL);
    EXPECT_INT(asyncio_mailbox_receive(&mailbox, NULL), -EINVAL);
    EXPECT_INT(asyncio_mailbox_receive(NULL, &received), -EINVAL);
    EXPECT_INT(asyncio_mailbox_receive(&mailbox, &received), -ASYNCIO_ENOTASK);
    asyncio_mailbox_fini(&mailbox, NULL);
}

/* ---------------------------------------------------------------------------------------------------------- Cancels */

static int receive_one(void *arg)
{
    int n = receive();

    (void)arg;
    trace("%s: %s", me(), said(n));
    return 0;
}

/* A message on its way to `first`, or at `first` that has not run, goes to the next. */
static int cancel_receivers(void *arg)
{
    struct asyncio_future *first = spawn(receive_one, NULL, "first");

    (void)arg;
    spawn(receive_one, NULL, "second");
    turns(1);
    cancel(first);
    turns(1);
    first = spawn(receive_one, NULL, "third");
    spawn(receive_one, NULL, "fourth");
    turns(1);
    EXPECT_INT(send(1), 0);
    EXPECT_INT(send(2), 0);
    EXPECT_INT(send(3), 0);
    turns(number_of(arg));
    cancel(first);
    everybody();
    asyncio_mailbox_shutdown(&mailbox);
    trace("left: %s", said(receive()));
    trace("left: %s", said(receive()));
    return 0;
}

static int cancel_on_the_way(void *arg)
{
    (void)arg;
    return cancel_receivers(number(0));
}

static int cancel_on_arrival(void *arg)
{
    (void)arg;
    return cancel_receivers(number(1));
}

TEST(cancelled_receivers, "Q-05: a cancelled receiver leaves the message to the next; none is lost, none overtakes")
{
    int (*const at[])(void *) = {cancel_on_the_way, cancel_on_arrival};

    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        if (asyncio_mailbox_init(&mailbox, 0) < 0)
            return;
        EXPECT_INT(play(at[i]), 0);
        asyncio_mailbox_fini(&mailbox, nothing_is_dropped);
        EXPECT_TRACE("[0.000] first: -ECANCELED\n"
                     "[0.000] third: -ECANCELED\n"
                     "[0.000] second: 1\n"
                     "[0.000] fourth: 2\n"
                     "[0.000] left: 3\n"
                     "[0.000] left: -ASYNCIO_EQUEUESHUTDOWN\n");
    }
}

/* ---------------------------------------------------------------------------------------------------------- Threads */

static int other_loops_task(void *arg)
{
    EXPECT_INT(receive(), -ASYNCIO_EFOREIGNLOOP);
    EXPECT_INT(send(number_of(arg)), 0);
    return 0;
}

static void *run_elsewhere(void *arg)
{
    EXPECT_INT(run(other_loops_task, arg), 0);
    return NULL;
}

static int be_the_receiver(void *arg)
{
    pthread_t thread;

    (void)arg;
    EXPECT_INT(send(8), 0);
    EXPECT_INT(receive(), 8);
    thread = start_thread(run_elsewhere, number(9));
    EXPECT_INT(receive(), 9);
    join_thread(thread);
    return 0;
}

TEST_REAL(first_receivers_loop, "EV-15: a mailbox is the first receiver's loop's; another loop can send, not receive")
{
    EXPECT_INT(asyncio_mailbox_init(&mailbox, 0), 0);
    EXPECT_INT(run(be_the_receiver, NULL), 0);
    EXPECT_INT(send(10), -ASYNCIO_EQUEUESHUTDOWN);
    asyncio_mailbox_fini(&mailbox, nothing_is_dropped);
}

static void *send_when_told(void *arg)
{
    gate_pass(&begun);
    pause_thread(0.005);
    EXPECT_INT(send(number_of(arg)), 0);
    return NULL;
}

static void *shut_down_when_told(void *arg)
{
    gate_pass(&begun);
    pause_thread(0.005);
    asyncio_mailbox_shutdown(&mailbox);
    return arg;
}

static int wait_for_thread(void *arg)
{
    (void)arg;
    gate_open(&begun);
    return receive();
}

TEST_REAL(wake_a_loop,
          "EV-15: a message, and a shutdown, wakes a loop that has nothing else to do; that is no dead lock")
{
    pthread_t thread;

    gate_init(&begun);
    EXPECT_INT(asyncio_mailbox_init(&mailbox, 0), 0);
    thread = start_thread(send_when_told, number(42));
    EXPECT_INT(run(wait_for_thread, NULL), 42);
    join_thread(thread);
    asyncio_mailbox_fini(&mailbox, nothing_is_dropped);

    EXPECT_INT(asyncio_mailbox_init(&mailbox, 0), 0);
    thread = start_thread(shut_down_when_told, NULL);
    EXPECT_INT(run(wait_for_thread, NULL), -ASYNCIO_EQUEUESHUTDOWN);
    join_thread(thread);
    asyncio_mailbox_fini(&mailbox, nothing_is_dropped);
}

#define SENDERS 8

static int n_each;
static atomic_int n_sent, n_full;

struct sender {
    pthread_t thread;
    int index, last; /* last: the last of its messages that was received */
};

static struct sender senders[SENDERS];

static void *send_many(void *arg)
{
    struct sender *sender = arg;

    for (int i = 1; i <= n_each;) {
        int r = send((intptr_t)i * SENDERS + sender->index);

        if (r == 0) {
            i++;
            atomic_fetch_add(&n_sent, 1);
        } else if (r == -EAGAIN) {
            atomic_fetch_add(&n_full, 1);
            sched_yield();
        } else {
            EXPECT_INT(r, -ASYNCIO_EQUEUESHUTDOWN);
            break;
        }
    }
    return NULL;
}

static void start_senders(int n)
{
    n_each = n;
    atomic_store(&n_sent, 0);
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.index = i};
        senders[i].thread = start_thread(send_many, &senders[i]);
    }
}

static void join_senders(void)
{
    for (int i = 0; i < SENDERS; i++)
        join_thread(senders[i].thread);
}

static void check_order(int n)
{
    struct sender *sender = &senders[n % SENDERS];

    if (n / SENDERS != sender->last + 1)
        FAIL("sender %d: %d after %d", sender->index, n / SENDERS, sender->last);
    sender->last = n / SENDERS;
}

static int receive_from_all(void *arg)
{
    start_senders(number_of(arg));
    for (int i = 0; i < SENDERS * number_of(arg); i++)
        check_order(receive());
    join_senders();
    return 0;
}

TEST_REAL(many_senders, "EV-15: 8 threads x 10^5 messages: each sender's arrive in order, each once")
{
    int n = 100000 / test_slowness();

    test_needs_seconds(60);
    EXPECT_INT(asyncio_mailbox_init(&mailbox, 256), 0);
    EXPECT_INT(run(receive_from_all, number(n)), 0);
    for (int i = 0; i < SENDERS; i++)
        EXPECT_INT(senders[i].last, n);
    EXPECT_INT(send(1), -ASYNCIO_EQUEUESHUTDOWN);
    asyncio_mailbox_fini(&mailbox, nothing_is_dropped);
}

static int n_received, n_dropped;

static int receive_until_cancelled(void *arg)
{
    (void)arg;
    while (receive() >= 0)
        n_received++;
    return 0;
}

/* Cancels hit receivers at all moments while messages come. */
static int receive_in_torment(void *arg)
{
    start_senders(number_of(arg));
    for (int i = 0; i < 300; i++) {
        for (int j = 0; j < 3; j++)
            spawn(receive_until_cancelled, NULL, "receiver");
        turns(1 + chance(3));
        torment(1 + chance(3));
        for (int j = 0; j < crew_size; j++)
            cancel(crew[j]);
        everybody();
        dismiss_crew();
    }
    return 0;
}

static void count_drop(void *dropped)
{
    (void)dropped;
    n_dropped++;
}

TEST_REAL(close_while_sending,
          "EV-15: receivers cancelled, the loop closed while 8 threads send: none is lost or twice")
{
    for (int round = 0; round < 5; round++) {
        seed_chance((uint64_t)round);
        n_received = n_dropped = 0;
        EXPECT_INT(asyncio_mailbox_init(&mailbox, 64), 0);
        EXPECT_INT(run(receive_in_torment, number(100000000)), 0);
        join_senders();
        asyncio_mailbox_fini(&mailbox, count_drop);
        EXPECT_INT(n_received + n_dropped, n_sent);
    }
}

/* A message is under way to the loop when the mailbox ends. */
static int end_at_once(void *arg)
{
    struct asyncio_future *receiver = spawn(receive_one, NULL, "receiver");

    (void)arg;
    turns(1);
    EXPECT_INT(send(5), 0);
    cancel(receiver);
    everybody();
    return 0;
}

static int end_under_way(void *arg)
{
    struct asyncio_future *receiver = asyncio_create_task(receive_one, NULL, .name = "receiver");

    (void)arg;
    turns(1);
    cancel(receiver);
    EXPECT_INT(send(5), 0);
    /* The receiver ends in this turn; what was posted arrives with the next poll. */
    turns(1);
    asyncio_mailbox_fini(&mailbox, trace_drop);
    asyncio_future_unref(receiver);
    return asyncio_sleep(1);
}

TEST(end_of_a_mailbox, "EV-15: what is under way when a mailbox ends touches nothing any more")
{
    if (asyncio_mailbox_init(&mailbox, 0) < 0)
        return;
    EXPECT_INT(run(end_under_way, NULL), 0);
    if (mailbox.state)
        asyncio_mailbox_fini(&mailbox, NULL);
    trace_clear();
    if (asyncio_mailbox_init(&mailbox, 0) < 0)
        return;
    EXPECT_INT(play(end_at_once), 0);
    asyncio_mailbox_fini(&mailbox, trace_drop);
    EXPECT_TRACE("[0.000] receiver: -ECANCELED\ndropped 5\n");
}

/* ---------------------------------------------------------------------------------------------------------- Workers */

#define WORKERS 4

static struct asyncio_mailbox mailboxes[WORKERS];
static atomic_int total;

/* A token goes round; each adds its number. */
static int pass_on(struct asyncio_worker *worker)
{
    unsigned next = (worker->index + 1) % worker->n;
    void *token = number(1);

    if (worker->index == 0)
        EXPECT_INT(asyncio_mailbox_send(&mailboxes[next], token), 0);
    for (int round = 0; round < 50; round++) {
        int r = asyncio_mailbox_receive(&mailboxes[worker->index], &token);

        if (r < 0)
            return r;
        atomic_fetch_add(&total, 1);
        token = number(number_of(token) + 1);
        if (worker->index != 0 || round < 49)
            EXPECT_INT(asyncio_mailbox_send(&mailboxes[next], token), 0);
    }
    return worker->index == 0 ? number_of(token) : 0;
}

TEST_REAL(between_workers, "EV-15: messages between the loops of workers, in mailboxes that were made before these")
{
    for (int i = 0; i < WORKERS; i++)
        EXPECT_INT(asyncio_mailbox_init(&mailboxes[i], 1), 0);
    EXPECT_INT(asyncio_run_workers(WORKERS, pass_on, NULL, .backend = test_backend()), 0);
    EXPECT_INT(total, 50 * WORKERS);
    for (int i = 0; i < WORKERS; i++)
        asyncio_mailbox_fini(&mailboxes[i], nothing_is_dropped);
}
