/* test_reuse_storm.c -- R3: connections are opened, cancelled, closed and opened again at random, a million operations
 * in all, so that every fd number is used again and again while old waits are still being undone.
 *
 * Each byte is a hash of its connection, direction and place. So one that is lost, doubled or on a wrong connection is
 * seen by whoever reads it, and an fd that is closed twice by our own close(). */
#include "test.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define N_OWNERS 24
#define MOST     700 /* bytes in a call */

static uint64_t seed_state, next_id;
static int64_t operations_left;
static int64_t n_opened, n_cancelled, n_bytes, n_closed_under_wait;

/* Stands in for libc's, to hear of a close of what is not open. */
int close(int fd)
{
    int r = (int)syscall(SYS_close, fd);

    if (r < 0 && errno == EBADF)
        FAIL("fd %d was closed twice", fd);
    return r;
}

static uint64_t hash(uint64_t x)
{
    x = (x ^ (x >> 31)) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ (x >> 29)) * UINT64_C(0xa0761d6478bd642f);
    return x ^ (x >> 32);
}

static int pick(int n)
{
    return (int)(hash(seed_state += UINT64_C(0x9e3779b97f4a7c15)) % (uint64_t)n);
}

static bool chance(int one_in)
{
    return pick(one_in) == 0;
}

/* ------------------------------------------------------------------------------------------------- Tagged traffic */

/* One direction of a connection. */
struct flow {
    uint64_t id, sent, received;
    bool is_closed; /* an end was closed by force, so that the rest does not arrive */
};

/* A task at one end: it reads, or it writes. */
struct worker {
    struct asyncio_socket *socket; /* its own reference */
    struct flow *flow;
    struct asyncio_future *task; /* NULL: none */
};

struct connection {
    struct asyncio_socket *ends[2];
    struct flow flows[2]; /* flows[i] is what end i sends */
    struct worker readers[2], writers[2];
};

static unsigned char tag(const struct flow *flow, uint64_t offset)
{
    return (unsigned char)hash(flow->id * UINT64_C(0x9e3779b97f4a7c15) + offset);
}

/* How a wait may end that was cancelled, or whose socket or peer was closed. */
static bool is_expected(int64_t r)
{
    return r == -ECANCELED || r == -ASYNCIO_ECLOSED || r == -EBADF || r == -ECONNRESET || r == -EPIPE;
}

static int read_flow(void *arg)
{
    struct worker *worker = arg;
    struct flow *flow = worker->flow;
    unsigned char buffer[MOST];
    ssize_t n;

    while ((n = asyncio_sock_recv(worker->socket, buffer, (size_t)(1 + pick(MOST)))) > 0) {
        operations_left--;
        n_bytes += n;
        for (ssize_t i = 0; i < n; i++, flow->received++)
            if (buffer[i] != tag(flow, flow->received))
                FAIL("byte %" PRIu64 " of flow %" PRIu64 " is another's", flow->received, flow->id);
    }
    if (n < 0 && !is_expected(n))
        FAIL("a read ended with %s", asyncio_errorname((int)n));
    return (int)n;
}

static int write_flow(void *arg)
{
    struct worker *worker = arg;
    struct flow *flow = worker->flow;
    unsigned char buffer[MOST];
    ssize_t n = 0;

    while (operations_left > 0 && n >= 0) {
        size_t size = (size_t)(1 + pick(MOST));

        for (size_t i = 0; i < size; i++)
            buffer[i] = tag(flow, flow->sent + i);
        n = asyncio_sock_send(worker->socket, buffer, size);
        operations_left--;
        if (n > 0)
            flow->sent += (uint64_t)n;
        /* A cancel may come here as well as while it sends. */
        if (n > 0 && chance(4) && asyncio_sleep(0) < 0)
            n = -ECANCELED;
    }
    if (n < 0 && !is_expected(n))
        FAIL("a write ended with %s", asyncio_errorname((int)n));
    return (int)(n < 0 ? n : 0);
}

static void start(struct worker *worker, asyncio_coro *fn)
{
    if (!worker->task && worker->socket)
        worker->task = asyncio_create_task(fn, worker);
}

/* Cancels a worker; `wait`: until it has ended, else another may begin before. */
static void stop(struct worker *worker)
{
    if (!worker->task)
        return;
    n_cancelled += asyncio_future_cancel(worker->task);
    operations_left--;
    EXPECT_INT(asyncio_cancel_and_wait(worker->task), 0);
    worker->task = asyncio_future_unref(worker->task);
}

/* Waits until a worker ends by itself. */
static void join(struct worker *worker)
{
    if (!worker->task)
        return;
    ASYNCIO_IGNORE(asyncio_await(worker->task));
    worker->task = asyncio_future_unref(worker->task);
}

/* ------------------------------------------------------------------------------------------------------ Connections */

struct dial {
    struct asyncio_socket *socket;
    struct asyncio_address address;
};

static int connect_it(void *arg)
{
    struct dial *dial = arg;

    return asyncio_sock_connect(dial->socket, &dial->address);
}

/* What asyncio_wait_for runs: an accept that may be given up at any moment without losing a connection. */
struct catch
{
    struct asyncio_socket *listener, *caught;
};

static int accept_it(void *arg)
{
    struct catch *catch = arg;

    return asyncio_sock_accept(catch->listener, &catch->caught, NULL);
}

static struct asyncio_socket *accept_with_cancels(struct asyncio_socket *listener)
{
    struct catch catch = {.listener = listener};

    while (!catch.caught) {
        struct asyncio_future *task = asyncio_create_task(accept_it, &catch);

        for (int i = pick(3); i > 0; i--)
            ASYNCIO_IGNORE(asyncio_sleep(0));
        if (chance(2))
            n_cancelled += asyncio_future_cancel(task);
        ASYNCIO_IGNORE(asyncio_wait(&task, 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
        if (!catch.caught && asyncio_future_result(task) != -ECANCELED)
            FAIL("an accept ended with %s", asyncio_errorname(asyncio_future_result(task)));
        asyncio_future_unref(task);
        operations_left--;
    }
    return catch.caught;
}

/* Connects two ends through a listener of its own. */
static void open_through_listener(struct connection *connection)
{
    struct asyncio_address address;
    struct asyncio_socket *listener;
    struct asyncio_future *task;
    struct dial dial;

    EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, &listener), 0);
    EXPECT_INT(asyncio_socket(AF_INET, SOCK_STREAM, 0, &dial.socket), 0);
    EXPECT_INT(asyncio_address_parse(&address, "127.0.0.1", 0), 0);
    EXPECT_INT(asyncio_socket_bind(listener, &address), 0);
    EXPECT_INT(asyncio_socket_listen(listener, 1), 0);
    EXPECT_INT(asyncio_socket_getsockname(listener, &dial.address), 0);
    task = asyncio_create_task(connect_it, &dial);
    connection->ends[0] = accept_with_cancels(listener);
    EXPECT_INT(asyncio_await(task), 0);
    connection->ends[1] = dial.socket;
    asyncio_future_unref(task);
    asyncio_socket_unref(listener);
}

static void open_connection(struct connection *connection)
{
    *connection = (struct connection){0};
    if (chance(4))
        open_through_listener(connection);
    else
        EXPECT_INT(asyncio_socketpair(AF_UNIX, SOCK_STREAM, 0, connection->ends), 0);
    n_opened++;
    operations_left -= 2;
    for (int end = 0; end < 2; end++) {
        connection->flows[end].id = ++next_id;
        connection->readers[end].flow = &connection->flows[1 - end];
        connection->writers[end].flow = &connection->flows[end];
        connection->readers[end].socket = connection->writers[end].socket = connection->ends[end];
    }
}

static void close_end(struct connection *connection, int end)
{
    connection->flows[0].is_closed = connection->flows[1].is_closed = true;
    n_closed_under_wait += connection->readers[end].task && !asyncio_future_done(connection->readers[end].task);
    EXPECT_INT(asyncio_socket_close(connection->ends[end]), 0);
    operations_left--;
}

static void act(struct connection *connection)
{
    int end = pick(2);

    switch (pick(9)) {
    case 0:
    case 1:
        start(&connection->readers[end], read_flow);
        break;
    case 2:
    case 3:
        start(&connection->writers[end], write_flow);
        break;
    case 4:
        stop(&connection->readers[end]);
        if (chance(2))
            start(&connection->readers[end], read_flow);
        break;
    case 5:
        stop(&connection->writers[end]);
        break;
    case 6:
        if (chance(8))
            close_end(connection, end);
        break;
    default:
        ASYNCIO_IGNORE(asyncio_sleep(0));
    }
}

/* Lets everything arrive that is under way. */
static void end_in_peace(struct connection *connection)
{
    for (int end = 0; end < 2; end++) {
        stop(&connection->readers[end]);
        start(&connection->readers[end], read_flow);
    }
    for (int end = 0; end < 2; end++) {
        stop(&connection->writers[end]);
        ASYNCIO_IGNORE(asyncio_socket_shutdown(connection->ends[end], SHUT_WR));
    }
    for (int end = 0; end < 2; end++)
        join(&connection->readers[end]);
    for (int i = 0; i < 2; i++)
        if (!connection->flows[i].is_closed && connection->flows[i].sent != connection->flows[i].received)
            FAIL("flow %" PRIu64 ": %" PRIu64 " bytes were sent, %" PRIu64 " arrived", connection->flows[i].id,
                 connection->flows[i].sent, connection->flows[i].received);
}

static void close_connection(struct connection *connection)
{
    int first = pick(2);

    close_end(connection, first);
    if (chance(2))
        ASYNCIO_IGNORE(asyncio_sleep(0));
    close_end(connection, 1 - first);
    for (int end = 0; end < 2; end++) {
        join(&connection->readers[end]);
        join(&connection->writers[end]);
        EXPECT(connection->flows[end].received <= connection->flows[end].sent);
        asyncio_socket_unref(connection->ends[end]);
    }
}

static int own(void *arg)
{
    struct connection connection;

    (void)arg;
    while (operations_left > 0) {
        open_connection(&connection);
        for (int i = 5 + pick(60); i > 0 && operations_left > 0; i--)
            act(&connection);
        if (chance(2))
            end_in_peace(&connection);
        close_connection(&connection);
    }
    return 0;
}

static int storm(void *arg)
{
    struct asyncio_taskgroup group = {.name = "storm"};

    (void)arg;
    EXPECT_INT(asyncio_taskgroup_enter(&group), 0);
    for (int i = 0; i < N_OWNERS; i++)
        asyncio_taskgroup_create_task(&group, own, NULL);
    return asyncio_taskgroup_exit(&group, 0);
}

static void begin(uint64_t seed)
{
    test_needs_seconds(60);
    test_replay_seed(seed);
    seed_state = seed;
    operations_left = 1000000 / test_slowness();
}

static void check_variety(void)
{
    EXPECT(n_opened > 1000 / test_slowness());
    EXPECT(n_cancelled > 1000 / test_slowness());
    EXPECT(n_closed_under_wait > 100 / test_slowness());
    /* A hostile build moves a byte an operation. */
    EXPECT(n_bytes > (test_hostile() ? 100000 : 1000000) / test_slowness());
    if (test_verbose())
        printf("%" PRId64 " connections, %" PRId64 " cancels, %" PRId64 " closed under a wait, %" PRId64 " bytes\n",
               n_opened, n_cancelled, n_closed_under_wait, n_bytes);
}

TEST_NO_SWEEP(reuse_storm, "R3 #69 #70 #72 #74 IO-06: no byte on a wrong connection, no fd closed twice",
              "it is random")
{
    begin(test_seed());
    EXPECT_INT(run(storm, NULL), 0);
    check_variety();
}

static int new_slow_machine(struct asyncio_loop **ret_loop)
{
    char backend[128];

    snprintf(backend, sizeof backend, "sim:%" PRIu64 ",short=30,eintr=10,later=40,delay=200,buffer=5000,permute",
             seed_state);
    return asyncio_new_event_loop(ret_loop, .backend = backend);
}

TEST_SIM_NO_SWEEP(reuse_storm_latencies, "R3: the same where completions and cancels come late", "it is random")
{
    begin(test_seed() + 1);
    EXPECT_INT(asyncio_run(storm, NULL, .loop_factory = new_slow_machine), 0);
    check_variety();
}
