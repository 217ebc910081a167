/* test_op_await.c -- asyncio_op_await: operations on sockets and pipes from tasks, on both back ends; what a cancel
 * does to them, and that one which never has to wait does not keep the others waiting. */
#include "crew.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static int fds[2];

/* Something went wrong, as it does when faults are swept: what would have come will not, so that nobody must wait for
 * it. */
static bool broken;

/* An operation's result. */
#define EXPECT_OP(call, expected)                                                 \
    do {                                                                          \
        int64_t got_ = (call);                                                    \
                                                                                  \
        broken |= got_ != (expected);                                             \
        test__expect_int(__FILE__, __LINE__, #call, (long long)got_, (expected)); \
    } while (0)

static int64_t await(struct asyncio_op op)
{
    int64_t r = broken && op.opcode != ASYNCIO_OP_CLOSE ? -EIO : asyncio_op_await(&op);

    broken |= r == -EIO || r == -ENOMEM;
    return r;
}

static int64_t recv_some(int fd, void *data, size_t size)
{
    return await((struct asyncio_op){.opcode = ASYNCIO_OP_RECV, .fd = fd, .buffer = {data, size, 0}});
}

static int64_t send_text(int fd, const char *text)
{
    char copy[64];

    snprintf(copy, sizeof copy, "%s", text);
    return await((struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fd, .buffer = {copy, strlen(text), 0}});
}

static int64_t close_fd(int fd)
{
    return await((struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE, .fd = fd});
}

static int64_t poll_for(int fd, unsigned events)
{
    return await((struct asyncio_op){.opcode = ASYNCIO_OP_POLL, .fd = fd, .poll.events = events});
}

static int64_t make(int opcode, int ret_fds[2])
{
    struct asyncio_op op = {.opcode = (uint8_t)opcode, .make = {.domain = AF_UNIX, .type = SOCK_STREAM}};
    int64_t r;

    test_spare(ASYNCIO__SHORT_TRANSFERS, "a transfer is one operation here");
    r = asyncio_op_await(&op);
    memcpy(ret_fds, op.make.fds, sizeof op.make.fds);
    if (r < 0)
        ret_fds[0] = ret_fds[1] = -1;
    EXPECT_OP(r, 0);
    return r;
}

static void make_pair(void)
{
    make(ASYNCIO_OP_SOCKETPAIR, fds);
}

/* Closes what is open, at the end of a coroutine; a cancel that is pending may come in between. */
static int end(void)
{
    for (int i = 0; i < 2; i++) {
        while (fds[i] >= 0 && close_fd(fds[i]) == -ECANCELED)
            ;
        fds[i] = -1;
    }
    return 0;
}

/* Receives once and says what. */
static int receiver(void *arg)
{
    char data[32] = "";
    int64_t r = recv_some(fds[0], data, sizeof data - 1);

    (void)arg;
    trace("%s: %s%s%s", me(), said(r), r > 0 ? ", " : "", r > 0 ? data : "");
    return r < 0 ? (int)r : 0;
}

/* --------------------------------------------------------------------------------------------------------- Waiting */

static int bystander(void *arg)
{
    (void)arg;
    trace("the bystander runs");
    return 0;
}

static int without_waiting(void *arg)
{
    char data[8] = "";

    (void)arg;
    make_pair();
    spawn(bystander, NULL, "bystander");
    EXPECT_OP(send_text(fds[1], "abc"), 3);
    EXPECT_OP(poll_for(fds[0], ASYNCIO_READABLE | ASYNCIO_WRITABLE), ASYNCIO_READABLE | ASYNCIO_WRITABLE);
    EXPECT_OP(recv_some(fds[0], data, 2), 2);
    EXPECT_OP(recv_some(fds[0], data + 2, 4), 1);
    EXPECT_STR(data, "abc");
    EXPECT_OP(await((struct asyncio_op){.opcode = ASYNCIO_OP_SHUTDOWN, .fd = fds[1], .argument = SHUT_WR}), 0);
    EXPECT_OP(recv_some(fds[0], data, 4), 0);
    trace("done");
    everybody();
    return end();
}

TEST(op_without_waiting, "T-04: what can be done at once is done at once, and nobody else runs meanwhile")
{
    EXPECT_INT(play(without_waiting), 0);
    EXPECT_TRACE("[0.000] done\n[0.000] the bystander runs\n");
}

static int until_sent(void *arg)
{
    (void)arg;
    make_pair();
    spawn(receiver, NULL, "receiver");
    EXPECT_INT(asyncio_sleep(2), 0);
    EXPECT_OP(send_text(fds[1], "hello"), 5);
    everybody();
    spawn(receiver, NULL, "at the end");
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT_OP(close_fd(fds[1]), 0);
    fds[1] = -1;
    everybody();
    return end();
}

TEST(op_waits, "T-03: a receive suspends its task until something comes, or the end does")
{
    EXPECT_INT(play(until_sent), 0);
    EXPECT_TRACE("[2.000] receiver: 5, hello\n[3.000] at the end: 0\n");
}

static int fill(void *arg)
{
    static char block[10000];
    int64_t sum = 0, r = 1;

    (void)arg;
    for (int i = 0; i < 200 && r > 0; i++) {
        r = await((struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fds[1], .buffer = {block, sizeof block, 0}});
        if (r > 0)
            sum += r;
    }
    trace("%s: all sent", me());
    return (int)sum;
}

static int drain(void *arg)
{
    static char block[7000];
    int64_t sum = 0, r;

    (void)arg;
    while ((r = recv_some(fds[0], block, sizeof block)) > 0)
        sum += r;
    return (int)sum;
}

static int through_a_full_socket(void *arg)
{
    struct asyncio_future *sender;
    int sent, got;

    (void)arg;
    make_pair();
    sender = spawn(fill, NULL, "sender");
    EXPECT_INT(asyncio_sleep(5), 0);
    trace("the reader comes");
    crew[crew_size++] = asyncio_create_task(drain, NULL, .name = "reader");
    sent = asyncio_await(sender);
    EXPECT_OP(close_fd(fds[1]), 0);
    fds[1] = -1;
    got = asyncio_await(crew[1]);
    EXPECT_INT(got, sent);
    return end();
}

TEST(op_waits_for_room, "T-03: a send suspends while the other side is full; nothing is lost")
{
    EXPECT_INT(play(through_a_full_socket), 0);
    EXPECT_TRACE("[5.000] the reader comes\n[5.000] sender: all sent\n");
}

static int64_t transfer(int opcode, int fd, void *data, size_t size)
{
    return await((struct asyncio_op){.opcode = (uint8_t)opcode, .fd = fd, .buffer = {data, size, 0}});
}

static int pipe_reader(void *arg)
{
    char data[16] = "";

    (void)arg;
    trace("%s: %s, %s", me(), said(transfer(ASYNCIO_OP_READ, fds[0], data, sizeof data)), data);
    return 0;
}

static int through_a_pipe(void *arg)
{
    char data[16] = "water";

    (void)arg;
    make(ASYNCIO_OP_PIPE, fds);
    spawn(pipe_reader, NULL, "reader");
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT_OP(transfer(ASYNCIO_OP_WRITE, fds[1], data, 5), 5);
    everybody();
    EXPECT_OP(transfer(ASYNCIO_OP_WRITE, fds[0], data, 5), -EBADF);
    EXPECT_OP(close_fd(fds[0]), 0);
    fds[0] = -1;
    EXPECT_OP(transfer(ASYNCIO_OP_WRITE, fds[1], data, 5), -EPIPE);
    return end();
}

TEST(op_on_pipes, "T-03: a pipe's reader waits for its writer; writing to a broken one is an error, not a signal")
{
    EXPECT_INT(play(through_a_pipe), 0);
    EXPECT_TRACE("[1.000] reader: 5, water\n");
}

/* ------------------------------------------------------------------------------------------------------ Connecting */

static struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0asyncio-test-op-await"};

static int make_socket(void)
{
    return (int)await(
        (struct asyncio_op){.opcode = ASYNCIO_OP_SOCKET, .make = {.domain = AF_UNIX, .type = SOCK_STREAM}});
}

static int64_t with_name(int opcode, int fd)
{
    return await((struct asyncio_op){.opcode = (uint8_t)opcode, .fd = fd, .address = {&name, sizeof name}});
}

static int make_listener(void)
{
    int fd = make_socket();

    test_spare(ASYNCIO__SHORT_TRANSFERS, "a transfer is one operation here");
    EXPECT_OP(with_name(ASYNCIO_OP_BIND, fd), 0);
    EXPECT_OP(await((struct asyncio_op){.opcode = ASYNCIO_OP_LISTEN, .fd = fd, .argument = 5}), 0);
    return fd;
}

static int accept_one(void *arg)
{
    int fd = (int)await((struct asyncio_op){.opcode = ASYNCIO_OP_ACCEPT, .fd = fds[0]});

    (void)arg;
    trace("%s: %s", me(), fd >= 0 ? "a connection" : said(fd));
    if (fd < 0)
        return fd;
    EXPECT_OP(send_text(fd, "welcome"), 7);
    EXPECT_OP(close_fd(fd), 0);
    return 0;
}

static int connecting(void *arg)
{
    char data[32] = "";
    int fd;

    (void)arg;
    fds[0] = make_listener();
    fds[1] = -1;
    spawn(accept_one, NULL, "server");
    EXPECT_INT(asyncio_sleep(1), 0);
    fd = make_socket();
    EXPECT_OP(with_name(ASYNCIO_OP_CONNECT, fd), 0);
    EXPECT_OP(recv_some(fd, data, sizeof data), 7);
    EXPECT_STR(data, "welcome");
    EXPECT_OP(recv_some(fd, data, sizeof data), 0);
    EXPECT_OP(close_fd(fd), 0);
    everybody();
    end();
    fd = make_socket();
    EXPECT_OP(with_name(ASYNCIO_OP_CONNECT, fd), -ECONNREFUSED);
    EXPECT_OP(close_fd(fd), 0);
    return 0;
}

TEST(op_accept_and_connect, "T-03: an accept waits for a connect; without a listener that is refused")
{
    EXPECT_INT(play(connecting), 0);
    EXPECT_TRACE("[1.000] server: a connection\n");
}

static int accept_cancelled(void *arg)
{
    struct asyncio_future *server;
    int fd;

    (void)arg;
    fds[0] = make_listener();
    fds[1] = -1;
    server = spawn(accept_one, NULL, "first");
    turns(2);
    cancel(server);
    everybody();
    fd = make_socket();
    EXPECT_OP(with_name(ASYNCIO_OP_CONNECT, fd), 0);
    turns(2);
    spawn(accept_one, NULL, "second");
    everybody();
    EXPECT_OP(close_fd(fd), 0);
    return end();
}

TEST(op_accept_cancelled, "T-06: a cancelled accept takes no connection: the next one gets it")
{
    EXPECT_INT(play(accept_cancelled), 0);
    EXPECT_TRACE("[0.000] first: -ECANCELED\n[0.000] second: a connection\n");
}

/* ------------------------------------------------------------------------------------------------------ Cancelling */

static int pending_on_entry(void *arg)
{
    char data[8] = "";
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SOCKETPAIR, .make = {AF_UNIX, SOCK_STREAM, 0, {-7, -7}}};

    (void)arg;
    make_pair();
    EXPECT_OP(send_text(fds[1], "stays"), 5);
    cancel(asyncio_current_task());
    EXPECT_OP(recv_some(fds[0], data, sizeof data), -ECANCELED);
    EXPECT_STR(data, "");
    cancel(asyncio_current_task());
    EXPECT_OP(send_text(fds[0], "never"), -ECANCELED);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_op_await(&op), -ECANCELED);
    EXPECT_INT(op.make.fds[0], -7);
    cancel(asyncio_current_task());
    EXPECT_OP(close_fd(fds[0]), -ECANCELED);
    EXPECT_OP(poll_for(fds[1], ASYNCIO_READABLE | ASYNCIO_WRITABLE), ASYNCIO_WRITABLE);
    EXPECT_OP(recv_some(fds[0], data, sizeof data), 5);
    EXPECT_STR(data, "stays");
    return end();
}

TEST(op_pending_cancel,
     "T-06 T-07: a cancel that is pending is met on entry, before any effect: nothing read, sent, made or closed")
{
    EXPECT_INT(run(pending_on_entry, NULL), 0);
}

static int cancel_the_receiver(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    make_pair();
    task = spawn(receiver, NULL, "first");
    turns(2);
    cancel(task);
    EXPECT_INT(asyncio_await(task), -ECANCELED);
    EXPECT_OP(send_text(fds[1], "for the second"), 14);
    turns(3);
    spawn(receiver, NULL, "second");
    everybody();
    return end();
}

TEST(op_cancelled, "T-06 #18: a receive that is cancelled while it waits takes nothing; what comes is the next one's")
{
    EXPECT_INT(play(cancel_the_receiver), 0);
    EXPECT_TRACE("[0.000] first: -ECANCELED\n[0.000] second: 14, for the second\n");
}

static int receive_then_sleep(void *arg)
{
    receiver(arg);
    trace("%s: %s", me(), said(asyncio_sleep(1)));
    return 0;
}

static void cancel_it(void *arg)
{
    trace("cancelled");
    asyncio_future_cancel(arg);
}

static int cancel_too_late(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    make_pair();
    task = spawn(receive_then_sleep, NULL, "receiver");
    turns(2);
    /* The callback is ready before the poll that completes the receive, and so runs before its task. */
    EXPECT_OP(send_text(fds[1], "arrived"), 7);
    EXPECT_INT(asyncio_loop_call_soon(asyncio_get_running_loop(), cancel_it, task), 0);
    everybody();
    return end();
}

TEST(op_cancelled_too_late,
     "T-06 #18: cancelled after it has completed a receive returns its data; the cancel meets the next wait")
{
    EXPECT_INT(play(cancel_too_late), 0);
    EXPECT_TRACE("[0.000] cancelled\n[0.000] receiver: 7, arrived\n[0.000] receiver: -ECANCELED\n");
}

static int closed_meanwhile(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    make_pair();
    task = spawn(receive_then_sleep, NULL, "receiver");
    turns(2);
    EXPECT_OP(close_fd(fds[0]), 0);
    fds[0] = -1;
    everybody();
    EXPECT_INT(asyncio_task_cancelling(task), 0);
    return end();
}

TEST(op_closed_meanwhile,
     "T-06: closing the fd ends the wait of another task with -ASYNCIO_ECLOSED, and that task is not cancelled")
{
    EXPECT_INT(play(closed_meanwhile), 0);
    EXPECT_TRACE("[0.000] receiver: -ASYNCIO_ECLOSED\n[1.000] receiver: 0\n");
}

static int receive_in_time(void *arg)
{
    (void)arg;
    make_pair();
    EXPECT_INT(asyncio_wait_for(receiver, NULL, 3), -ETIMEDOUT);
    EXPECT_OP(send_text(fds[1], "late"), 4);
    EXPECT_INT(asyncio_wait_for(receiver, NULL, 3), 0);
    return end();
}

TEST(op_timeout, "C-07: a time-out around a receive takes nothing away from the next")
{
    EXPECT_INT(asyncio_run(receive_in_time, NULL, .loop_factory = new_loop), 0);
    EXPECT(strstr(transcript(), ": -ECANCELED\n[3.000]"));
    EXPECT(strstr(transcript(), ": 4, late\n"));
    trace_clear();
}

/* -------------------------------------------------------------------------------------------------------- Fairness */

static int calls, most_calls, n_turns;
static bool over;

/* Runs in every turn, and sees how many calls were made since the last one. */
static int watcher(void *arg)
{
    int last = 0, r = 0;

    (void)arg;
    for (most_calls = n_turns = 0; !over && r == 0 && n_turns < 1000; n_turns++) {
        if (calls - last > most_calls)
            most_calls = calls - last;
        last = calls;
        r = asyncio_sleep(0);
    }
    return r;
}

/* Polls a socket that always has room. */
static int hog(void *arg)
{
    for (int i = 0; i < number_of(arg); i++) {
        int64_t r = poll_for(fds[0], ASYNCIO_WRITABLE);

        if (r < 0)
            return (int)r;
        calls++;
    }
    over = true;
    return 0;
}

static int one_hog(void *arg)
{
    (void)arg;
    make_pair();
    over = false;
    calls = 0;
    spawn(hog, number(50), "hog");
    spawn(watcher, NULL, "watcher");
    everybody();
    return end();
}

TEST(op_budget, "D-10: a task whose operations never have to wait lets the others run after every 16 of them")
{
    EXPECT_INT(play(one_hog), 0);
    /* The one that was held back by the yield may come on top. */
    EXPECT_INT(most_calls, 16);
    EXPECT(n_turns >= 3);
}

static int hog_that_yields(void *arg)
{
    for (int round = 0; round < number_of(arg); round++) {
        for (int i = 0; i < 15; i++)
            if (poll_for(fds[0], ASYNCIO_WRITABLE) >= 0)
                calls++;
        turns(1);
    }
    over = true;
    return 0;
}

static int yielding_hog(void *arg)
{
    (void)arg;
    make_pair();
    over = false;
    calls = 0;
    spawn(hog_that_yields, number(3), "hog");
    spawn(watcher, NULL, "watcher");
    everybody();
    return end();
}

TEST(op_budget_begins_anew, "D-10: each time that it has suspended a task has 16 operations again")
{
    EXPECT_INT(play(yielding_hog), 0);
    EXPECT_INT(most_calls, 15);
    EXPECT_INT(n_turns, 3);
}

static int sender(void *arg)
{
    int64_t r = 1;

    (void)arg;
    for (calls = 0; r == 1; calls++)
        r = send_text(fds[0], "x");
    trace("%s: %s after %d", me(), said(r), calls - 1);
    return (int)r;
}

static int cancel_a_hog(void *arg)
{
    static char data[200];
    struct asyncio_future *task;

    (void)arg;
    make_pair();
    task = spawn(sender, NULL, "sender");
    turns(1);
    cancel(task);
    everybody();
    EXPECT_OP(recv_some(fds[1], data, sizeof data), 16);
    return end();
}

TEST(op_budget_and_cancel,
     "D-10 T-06: the yield comes before the attempt: a cancel that arrives meanwhile finds it undone")
{
    EXPECT_INT(play(cancel_a_hog), 0);
    EXPECT_TRACE("[0.000] sender: -ECANCELED after 16\n");
}

static int two_hogs(void *arg)
{
    static char data[1];
    int64_t r = 1;

    (void)arg;
    make_pair();
    over = false;
    calls = 0;
    spawn(watcher, NULL, "watcher");
    for (calls = 0; calls < 34 && r == 1; calls += 2) {
        r = send_text(fds[0], "x");
        if (r == 1)
            r = recv_some(fds[1], data, 1);
    }
    over = true;
    everybody();
    return end();
}

TEST(op_budget_of_send_and_recv, "D-10: all kinds of operations count together")
{
    EXPECT_INT(play(two_hogs), 0);
    EXPECT(most_calls >= 14 && most_calls <= 18);
    EXPECT(n_turns >= 2);
}

/* ---------------------------------------------------------------------------------------------------------- Misuse */

static int second_receiver(void *arg)
{
    (void)arg;
    make_pair();
    spawn(receiver, NULL, "first");
    spawn(receiver, NULL, "second");
    turns(2);
    EXPECT_OP(send_text(fds[1], "x"), 1);
    everybody();
    EXPECT_INT(asyncio_await(crew[1]), -EBUSY);
    return end();
}

TEST(op_busy, "D-05: a second task that receives from the same socket gets -EBUSY; the first is not disturbed")
{
    EXPECT_INT(play(second_receiver), 0);
    EXPECT_TRACE("[0.000] second: -EBUSY\n[0.000] first: 1, x\n");
}

static int bad_ops(void *arg)
{
    char data[4];

    (void)arg;
    EXPECT_INT(asyncio_op_await(NULL), -EINVAL);
    EXPECT_OP(recv_some(-1, data, sizeof data), -EBADF);
    EXPECT_OP(recv_some(987654, data, sizeof data), -EBADF);
    EXPECT_OP(close_fd(987654), -EBADF);
    EXPECT_OP(poll_for(0, 0), -EINVAL);
    EXPECT_OP(await((struct asyncio_op){.opcode = 200, .fd = 3}) < 0, 1);
    return 0;
}

TEST(op_misuse, "no operation, no fd, no such operation; -ASYNCIO_ENOTASK outside a task")
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_PIPE};

    EXPECT_INT(asyncio_op_await(&op), -ASYNCIO_ENOTASK);
    EXPECT_INT(run(bad_ops, NULL), 0);
}

/* ------------------------------------------------------------------------------------------------- Nothing is lost */

#define STREAM_BYTES 20000

static int n_received, n_interrupted;
static bool all_sent;

static int stream_sender(void *arg)
{
    static unsigned char stream[STREAM_BYTES];
    size_t at = 0;

    (void)arg;
    for (size_t i = 0; i < STREAM_BYTES; i++)
        stream[i] = (unsigned char)(i * 7 + i / 251);
    while (at < STREAM_BYTES) {
        size_t size = 1 + (size_t)chance(80);
        int64_t r = transfer(ASYNCIO_OP_SEND, fds[1], stream + at, size < STREAM_BYTES - at ? size : STREAM_BYTES - at);

        if (r >= 0)
            at += (size_t)r;
        else if (r != -ECANCELED)
            return (int)r;
        n_interrupted += r == -ECANCELED;
        if (chance(4) == 0)
            ASYNCIO_IGNORE(asyncio_sleep(1e-4 * chance(3)));
    }
    all_sent = true;
    return 0;
}

static int stream_receiver(void *arg)
{
    unsigned char data[150];

    (void)arg;
    while (n_received < STREAM_BYTES) {
        int64_t r = recv_some(fds[0], data, 1 + (size_t)chance(sizeof data));

        for (int64_t i = 0; i < r; i++, n_received++)
            if (data[i] != (unsigned char)(n_received * 7 + n_received / 251))
                FAIL("byte %d is another", n_received);
        if (r < 0 && r != -ECANCELED)
            return (int)r;
        n_interrupted += r == -ECANCELED;
    }
    return 0;
}

static bool both_done(void)
{
    return asyncio_future_done(crew[0]) && asyncio_future_done(crew[1]);
}

static int tormented_stream(void *arg)
{
    (void)arg;
    n_received = n_interrupted = 0;
    all_sent = false;
    make_pair();
    spawn(stream_sender, NULL, "sender");
    spawn(stream_receiver, NULL, "receiver");
    turns(1);
    for (int i = 0; i < 20000 && !both_done(); i++) {
        if (chance(2))
            cancel(crew[chance(2)]);
        if (chance(2))
            turns(1 + chance(3));
        else
            ASYNCIO_IGNORE(asyncio_sleep(5e-5));
    }
    broken |= !both_done();
    cancel(crew[0]);
    cancel(crew[1]);
    /* A cancel that came too late for the last operation may have met the end. */
    for (int i = 0; i < 2; i++) {
        int r = asyncio_await(crew[i]);

        EXPECT(r == 0 || r == -ECANCELED);
    }
    return end();
}

TEST_NO_SWEEP(
    op_torment,
    "T-06 #18: sender and receiver are cancelled at every turn, and go on: each byte arrives once and in order",
    "it goes on until all has arrived")
{
    test_needs_seconds(30);
    seed_chance(test_seed());
    test_replay_seed(test_seed());
    EXPECT_INT(play(tormented_stream), 0);
    EXPECT(all_sent);
    EXPECT_INT(n_received, STREAM_BYTES);
    if (n_interrupted < 10)
        FAIL("only %d operations were interrupted", n_interrupted);
}

static int faulty_loop(struct asyncio_loop **ret_loop)
{
    char backend[100];

    snprintf(backend, sizeof backend, "sim:%llu,short=40,eintr=20,later=50,delay=300", (unsigned long long)test_seed());
    return asyncio_new_event_loop(ret_loop, .backend = backend);
}

TEST_SIM(op_torment_late_completions,
         "T-06 #18: the same where operations are cut short, interrupted, late, and cancels too")
{
    int r;

    test_needs_seconds(30);
    for (uint64_t seed = test_seed(); seed < test_seed() + (test_seed_given() ? 1 : 5); seed++) {
        seed_chance(seed);
        test_replay_seed(seed);
        r = asyncio_run(tormented_stream, NULL, .loop_factory = faulty_loop);
        dismiss_crew();
        EXPECT_INT(r, 0);
        EXPECT_INT(n_received, STREAM_BYTES);
    }
}

static int described(void *arg)
{
    struct asyncio_future *task;
    char *text = NULL;
    size_t size = 0;
    FILE *file;

    (void)arg;
    make_pair();
    task = spawn(receiver, NULL, "receiver");
    turns(2);
    file = open_memstream(&text, &size);
    EXPECT(asyncio_print_tasks(file) >= 1);
    fclose(file);
    EXPECT(strstr(text, "recv on fd"));
    free(text);
    cancel(task);
    everybody();
    return end();
}

TEST_NO_SWEEP(op_described, "T-13: a dump says which operation on which fd a task waits for", "it reads a dump")
{
    EXPECT_INT(play(described), 0);
    EXPECT_TRACE("[0.000] receiver: -ECANCELED\n");
}
