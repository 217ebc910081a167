/* test_cancelled_buffers.c -- R2: a cancelled wait never returns before the kernel has let go of its buffer.
 *
 * Whoever waited overwrites its buffer the moment its call has returned with -ECANCELED, while the peer sends before,
 * between and after. A poison that something was written over, a poison that was sent, a byte that is missing: each is
 * seen. */
#include "test.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define POISON    0xEE
#define SIZE      64
#define MANY      "its rounds are many; the sockets' tests are swept"
#define N_TIMINGS 27

/* What is sent, byte by byte: never the poison. */
static unsigned char tag(uint64_t offset)
{
    return (unsigned char)(offset * 31 % 200);
}

enum way { BY_SOCKET, BY_DATAGRAM, BY_STREAM, EXACTLY };

static struct asyncio_socket *near, *far;
static struct asyncio_streamreader *reader;
static struct asyncio_streamwriter *writer;
static uint64_t sent, received;

struct victim {
    enum way way;
    unsigned char *buffer;
    ssize_t result;
    bool has_returned;
};

static void turns(int n)
{
    while (n-- > 0)
        ASYNCIO_IGNORE(asyncio_sleep(0));
}

static void send_some(size_t size)
{
    unsigned char data[SIZE];

    for (size_t i = 0; i < size; i++)
        data[i] = tag(sent + i);
    EXPECT_INT(asyncio_sock_sendall(far, data, size), 0);
    sent += size;
}

static void take(const unsigned char *data, ssize_t size)
{
    for (ssize_t i = 0; i < size; i++, received++)
        if (data[i] != tag(received))
            FAIL("byte %" PRIu64 " is %02x in place of %02x", received, data[i], tag(received));
}

static ssize_t receive_by(enum way way, void *buffer)
{
    switch (way) {
    case BY_SOCKET:
        return asyncio_sock_recv(near, buffer, SIZE);
    case BY_DATAGRAM:
        return asyncio_sock_recvfrom(near, buffer, SIZE, NULL);
    case BY_STREAM:
        return asyncio_streamreader_read(reader, buffer, SIZE);
    default:
        return asyncio_streamreader_readexactly(reader, buffer, 8);
    }
}

static int receive(void *arg)
{
    struct victim *victim = arg;

    victim->result = receive_by(victim->way, victim->buffer);
    if (victim->result < 0)
        memset(victim->buffer, POISON, SIZE);
    victim->has_returned = true;
    return 0;
}

static void check_poison(const struct victim *victim)
{
    for (int i = 0; i < SIZE; i++)
        if (victim->buffer[i] != POISON)
            FAIL("byte %d was written to after the call had returned", i);
}

/* One cancelled receive; the peer sends before the cancel, after it, after the call has returned, or not. */
static void round_of(enum way way, int timing)
{
    struct victim victim = {.way = way, .buffer = malloc(SIZE)};
    struct asyncio_future *task = asyncio_create_task(receive, &victim);
    unsigned char rest[SIZE];

    turns(timing % 3);
    if (timing / 3 % 3 == 1)
        send_some(8);
    asyncio_future_cancel(task);
    if (timing / 3 % 3 == 2)
        send_some(8);
    EXPECT_INT(asyncio_cancel_and_wait(task), 0);
    asyncio_future_unref(task);
    /* A task that was cancelled before it began has not received. */
    if (!victim.has_returned)
        memset(victim.buffer, POISON, SIZE);
    else if (victim.result != -ECANCELED)
        EXPECT_INT(victim.result, 8);
    if (victim.result > 0)
        take(victim.buffer, victim.result);
    if (timing / 9 != 1)
        send_some(8);
    turns(timing / 9);
    if (victim.result <= 0)
        check_poison(&victim);
    while (received < sent) {
        ssize_t n = receive_by(way, rest);

        EXPECT(n > 0);
        take(rest, n);
        if (victim.result <= 0)
            check_poison(&victim);
    }
    free(victim.buffer);
}

static int cancel_often(void *arg)
{
    enum way way = *(const enum way *)arg;
    struct asyncio_socket *pair[2];

    test_spare(ASYNCIO__SHORT_TRANSFERS, "eight bytes go and come together");
    EXPECT_INT(asyncio_socketpair(AF_UNIX, way == BY_DATAGRAM ? SOCK_DGRAM : SOCK_STREAM, 0, pair), 0);
    near = pair[0];
    far = pair[1];
    if (way >= BY_STREAM)
        EXPECT_INT(asyncio_open_connection(NULL, 0, &reader, &writer, .sock = near), 0);
    for (int i = 0; i < 40 * N_TIMINGS / (test_slowness() > 1 ? 4 : 1); i++)
        round_of(way, i % N_TIMINGS);
    if (way >= BY_STREAM) {
        asyncio_streamwriter_close(writer);
        reader = asyncio_streamreader_unref(reader);
        writer = asyncio_streamwriter_unref(writer);
    } else {
        asyncio_socket_unref(near);
    }
    asyncio_socket_unref(far);
    return 0;
}

TEST_NO_SWEEP(receive_from_socket, "R2 #72: a cancelled receive has let go of its buffer, and took nothing", MANY)
{
    EXPECT_INT(run(cancel_often, &(enum way){BY_SOCKET}), 0);
}

TEST_NO_SWEEP(receive_datagram, "R2: so has one of a datagram", MANY)
{
    EXPECT_INT(run(cancel_often, &(enum way){BY_DATAGRAM}), 0);
}

TEST_NO_SWEEP(read_from_stream, "R2: so has a read of a stream, which goes straight into the caller's memory", MANY)
{
    EXPECT_INT(run(cancel_often, &(enum way){BY_STREAM}), 0);
}

TEST_NO_SWEEP(read_exactly, "R2: so has one of a number of bytes", MANY)
{
    EXPECT_INT(run(cancel_often, &(enum way){EXACTLY}), 0);
}

/* ----------------------------------------------------------------------------------------------------------- Sends */

#define MUCH ((size_t)300 * 1000)

struct sender {
    unsigned char *buffer;
    uint64_t offset; /* of its first byte */
    ssize_t result;
    bool has_returned;
};

static int send_much(void *arg)
{
    struct sender *sender = arg;

    sender->result = asyncio_sock_send(near, sender->buffer, MUCH);
    memset(sender->buffer, POISON, MUCH);
    sender->has_returned = true;
    return 0;
}

/* Reads all that was sent. */
static void drain(void)
{
    static unsigned char data[100000];

    while (received < sent) {
        ssize_t n = asyncio_sock_recv(far, data, sizeof data);

        EXPECT(n > 0);
        take(data, n);
    }
}

/* A send that has to wait, of which the kernel then takes what it likes. */
static void round_of_sends(int timing)
{
    struct sender sender = {.buffer = malloc(MUCH)};
    struct asyncio_future *task;
    static unsigned char some[5000];

    do {
        struct asyncio_op op = {
            .opcode = ASYNCIO_OP_SEND, .flags = ASYNCIO_OP_NOWAIT, .buffer = {some, sizeof some, 0}};

        op.fd = asyncio_socket_fileno(near);
        for (size_t i = 0; i < sizeof some; i++)
            some[i] = tag(sent + i);
        asyncio_op_submit(asyncio_get_running_loop(), &op);
        if (op.result <= 0)
            break;
        sent += (uint64_t)op.result;
    } while (true);
    for (size_t i = 0; i < MUCH; i++)
        sender.buffer[i] = tag(sent + i);
    task = asyncio_create_task(send_much, &sender);
    turns(timing % 3);
    if (timing / 3 % 3 == 1)
        drain();
    asyncio_future_cancel(task);
    if (timing / 3 % 3 == 2)
        drain();
    EXPECT_INT(asyncio_cancel_and_wait(task), 0);
    asyncio_future_unref(task);
    if (sender.has_returned && sender.result > 0)
        sent += (uint64_t)sender.result;
    drain();
    free(sender.buffer);
}

static int cancel_sends(void *arg)
{
    struct asyncio_socket *pair[2];

    (void)arg;
    EXPECT_INT(asyncio_socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    near = pair[0];
    far = pair[1];
    for (int i = 0; i < 9 * (test_slowness() > 1 ? 1 : 10); i++)
        round_of_sends(i % 9);
    asyncio_socket_unref(near);
    asyncio_socket_unref(far);
    return 0;
}

TEST_NO_SWEEP(send, "R2: of a cancelled send nothing is taken from the buffer afterwards, and no byte goes uncounted",
              MANY)
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "much is sent");
    EXPECT_INT(run(cancel_sends, NULL), 0);
}

/* --------------------------------------------------------------------------------------------------------- Accepts */

struct acceptor {
    struct asyncio_socket *accepted; /* NULL: none */
    int result;                      /* of the call; the task's own tells of the cancel, too */
};

static int accept_one(void *arg)
{
    struct acceptor *acceptor = arg;

    return acceptor->result = asyncio_sock_accept(near, &acceptor->accepted, NULL);
}

struct caller {
    struct asyncio_socket *socket;
    struct asyncio_address address;
};

static int call_in(void *arg)
{
    struct caller *caller = arg;

    return asyncio_sock_connect(caller->socket, &caller->address);
}

/* Every caller says its number, and has to be heard in the order of the calls. */
static void round_of_accepts(struct caller *caller, int timing)
{
    struct acceptor acceptor = {.result = -ECANCELED};
    struct asyncio_future *task = asyncio_create_task(accept_one, &acceptor), *call;
    unsigned char number = 0;

    EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, &caller->socket), 0);
    turns(timing % 3);
    call = asyncio_create_task(call_in, caller);
    turns(timing / 3 % 3);
    asyncio_future_cancel(task);
    turns(timing / 9);
    EXPECT_INT(asyncio_cancel_and_wait(task), 0);
    EXPECT_INT(acceptor.result, acceptor.accepted ? 0 : -ECANCELED);
    asyncio_future_unref(task);
    EXPECT_INT(asyncio_await(call), 0);
    asyncio_future_unref(call);
    if (!acceptor.accepted)
        EXPECT_INT(asyncio_sock_accept(near, &acceptor.accepted, NULL), 0);
    EXPECT_INT(asyncio_sock_send(caller->socket, &(unsigned char){(unsigned char)timing}, 1), 1);
    EXPECT_INT(asyncio_sock_recv(acceptor.accepted, &number, 1), 1);
    EXPECT_INT(number, timing);
    asyncio_socket_unref(acceptor.accepted);
    asyncio_socket_unref(caller->socket);
}

static int cancel_accepts(void *arg)
{
    struct caller caller;

    (void)arg;
    EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, &near), 0);
    EXPECT_INT(asyncio_address_parse(&caller.address, "127.0.0.1", 0), 0);
    EXPECT_INT(asyncio_socket_bind(near, &caller.address), 0);
    EXPECT_INT(asyncio_socket_listen(near, 10), 0);
    EXPECT_INT(asyncio_socket_getsockname(near, &caller.address), 0);
    for (int i = 0; i < 10 * N_TIMINGS; i++)
        round_of_accepts(&caller, i % N_TIMINGS);
    asyncio_socket_unref(near);
    return 0;
}

TEST_NO_SWEEP(accept, "#72 IO-06: a connection that comes with the cancel is accepted by that call or by the next",
              MANY)
{
    EXPECT_INT(run(cancel_accepts, NULL), 0);
}

/* ------------------------------------------------------------------------------------------------ In another thread */

#define STREAMED ((uint64_t)400 * 1000)

/* Sends at its own pace, while the loop's thread cancels. */
static void *stream_bytes(void *arg)
{
    unsigned char data[SIZE];
    uint64_t offset = 0, state = 1;

    while (offset < STREAMED) {
        size_t size = 1 + (size_t)((state = state * 6364136223846793005u + 1442695040888963407u) >> 33) % sizeof data;

        for (size_t i = 0; i < size; i++)
            data[i] = tag(offset + i);
        if (write(*(int *)arg, data, size) != (ssize_t)size)
            break;
        offset += size;
        if (state >> 60 == 0)
            sched_yield();
    }
    shutdown(*(int *)arg, SHUT_WR);
    return NULL;
}

static int cancel_against_thread(void *arg)
{
    uint64_t n_cancelled = 0, n_receives = 0;
    struct victim victim = {.way = BY_SOCKET, .buffer = malloc(SIZE), .result = 1};
    pthread_t thread;
    int fds[2];

    (void)arg;
    EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    EXPECT_INT(asyncio_socket_from_fd(fds[0], &near), 0);
    for (int i = 0; victim.result != 0; i++, n_receives++) {
        struct asyncio_future *task = asyncio_create_task(receive, &victim);

        /* Before there is a sender one is cancelled for sure, however the threads are run. */
        if (i == 1)
            EXPECT_INT(pthread_create(&thread, NULL, stream_bytes, &fds[1]), 0);
        victim.has_returned = false;
        victim.result = -ECANCELED;
        turns(1 + i % 2);
        if (!asyncio_future_done(task))
            asyncio_future_cancel(task);
        EXPECT_INT(asyncio_cancel_and_wait(task), 0);
        asyncio_future_unref(task);
        EXPECT(victim.has_returned);
        if (victim.result > 0) {
            take(victim.buffer, victim.result);
            continue;
        }
        if (victim.result == 0)
            continue;
        n_cancelled++;
        EXPECT_INT(victim.result, -ECANCELED);
        turns(i % 3);
        check_poison(&victim);
    }
    pthread_join(thread, NULL);
    EXPECT(received >= STREAMED);
    EXPECT(n_cancelled > 0);
    if (test_verbose())
        printf("%" PRIu64 " of %" PRIu64 " receives were cancelled\n", n_cancelled, n_receives);
    asyncio_socket_unref(near);
    close(fds[1]);
    free(victim.buffer);
    return 0;
}

static int real_loop(struct asyncio_loop **ret_loop)
{
    int r = asyncio_new_event_loop(ret_loop, .backend = test_backend());

    /* Every turn looks at the kernel, so that a cancel meets what the kernel has. */
    if (r == 0)
        asyncio_loop_set_poll_interval(*ret_loop, 1);
    return r;
}

TEST_REAL(against_a_thread, "R2: and so it is however the bytes and the cancels fall together")
{
    test_needs_seconds(30);
    EXPECT_INT(asyncio_run(cancel_against_thread, NULL, .loop_factory = real_loop), 0);
}
