/* test_fairness.c -- one peer who always has something, or a crowd at the door, beside everybody else. Time does not
 * pass here while anything can happen, so that it is told by what the server has done: reads, writes and accepts. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

/* What the rules are: reads and writes of a task in a row, and accepts of a socket in a turn. */
#define CALLS_IN_A_ROW 16
#define ACCEPTS_A_TURN 16

#define MOST_CLIENTS 1000
#define REQUESTS     4
#define CROWD        200

static struct asyncio_server *server;
static int port;
static int work;       /* reads and writes of the server's so far */
static int flood_work; /* of them for the flooder */
static bool over;

/* Sends back what comes; of a peer who begins with an F, only takes it, a little at a time. */
static int serve(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer, void *arg)
{
    char piece[64];
    bool floods = false;
    ssize_t n;
    int r = 0;

    (void)arg;
    while (r == 0 && (n = asyncio_streamreader_read(reader, piece, floods ? 16 : sizeof piece)) > 0) {
        work++;
        if (piece[0] == 'F')
            floods = true;
        if (floods) {
            flood_work++;
            continue;
        }
        r = asyncio_streamwriter_write(writer, piece, (size_t)n);
        work++;
    }
    return 0;
}

static int start_server(void)
{
    struct asyncio_address address;
    int r = asyncio_start_server(serve, NULL, "127.0.0.1", 0, &server, .backlog = 1024);

    if (r == 0)
        r = asyncio_server_sockname(server, 0, &address);
    port = r == 0 ? asyncio_address_port(&address) : 0;
    work = flood_work = 0;
    over = false;
    return r;
}

static void stop_server(void)
{
    EXPECT(asyncio_server_stop(server, 60) >= 0);
    server = asyncio_server_unref(server);
}

struct peer {
    struct asyncio_streamreader *reader;
    struct asyncio_streamwriter *writer;
};

static int open_peer(struct peer *peer)
{
    int r = asyncio_open_connection("127.0.0.1", port, &peer->reader, &peer->writer);

    EXPECT_INT(r, 0);
    return r;
}

static void close_peer(struct peer *peer)
{
    asyncio_streamwriter_close(peer->writer);
    asyncio_streamreader_unref(peer->reader);
    asyncio_streamwriter_unref(peer->writer);
}

static size_t n_accepted(void)
{
    return asyncio_server_counts(server).accepted;
}

/* A byte there and back. */
static int ping(struct peer *peer)
{
    char byte;
    int r = asyncio_streamwriter_write(peer->writer, "x", 1);

    if (r == 0)
        r = (int)asyncio_streamreader_readexactly(peer->reader, &byte, 1);
    EXPECT_INT(r, 1);
    return r < 0 ? r : 0;
}

/* Sees to it that the server always has something to read. */
static int flood(void *arg)
{
    static char mass[16 * 1024];
    struct peer peer = {NULL, NULL};
    int r = open_peer(&peer);

    (void)arg;
    memset(mass, 'F', sizeof mass);
    while (r == 0 && !over)
        r = asyncio_streamwriter_write(peer.writer, mass, sizeof mass);
    asyncio_streamwriter_abort(peer.writer);
    close_peer(&peer);
    return r;
}

/* --------------------------------------------------------------------------------------------- One among a thousand */

static int waits[MOST_CLIENTS * REQUESTS]; /* what the server did while a request was under way */
static size_t n_waits, n_clients;

static int client(void *arg)
{
    struct peer peer = {NULL, NULL};
    int r = open_peer(&peer);

    (void)arg;
    /* All are served before the first one asks. */
    while (r == 0 && n_accepted() < n_clients)
        r = asyncio_sleep(0);
    for (int i = 0; r == 0 && i < REQUESTS; i++) {
        int before = work;

        r = ping(&peer);
        waits[n_waits++] = work - before;
    }
    close_peer(&peer);
    return r;
}

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* What a crowd of clients has to wait. */
struct outcome {
    int median, p99;
};

static int measure(struct outcome *outcome, bool floods)
{
    static struct asyncio_future *crowd[MOST_CLIENTS];
    struct asyncio_future *flooder = NULL;
    int r = start_server();

    if (r < 0)
        return r;
    n_waits = 0;
    if (floods) {
        flooder = asyncio_create_task(flood, NULL);
        while (r == 0 && flood_work == 0)
            r = asyncio_sleep(0);
    }
    for (size_t i = 0; i < n_clients; i++)
        crowd[i] = asyncio_create_task(client, NULL);
    r = asyncio_gather(crowd, n_clients, NULL);
    over = true;
    for (size_t i = 0; i < n_clients; i++)
        asyncio_future_unref(crowd[i]);
    if (flooder)
        EXPECT_INT(asyncio_await(flooder), 0);
    asyncio_future_unref(flooder);
    stop_server();
    qsort(waits, n_waits, sizeof *waits, compare);
    *outcome = (struct outcome){waits[n_waits / 2], waits[n_waits * 99 / 100]};
    if (test_verbose())
        printf("# %zu clients, %s flood: median %d, p99 %d, most %d, flood %d of %d\n", n_clients,
               floods ? "with" : "without", outcome->median, outcome->p99, waits[n_waits - 1], flood_work, work);
    return r;
}

static int compare_crowds(void *arg)
{
    struct outcome calm = {0, 0}, flooded = {0, 0};

    (void)arg;
    EXPECT_INT(measure(&calm, false), 0);
    EXPECT_INT(measure(&flooded, true), 0);
    EXPECT(flood_work > (int)n_clients / 10);
    EXPECT(flooded.p99 <= 2 * flooded.median);
    EXPECT(flooded.p99 <= 2 * calm.median);
    return 0;
}

TEST_NO_SWEEP(flooder_among_readers,
              "R21 D-10: one connection that always has something does not double what a thousand others wait",
              "every operation of a crowd would take its turn to fail")
{
    test_needs_seconds(30);
    test_spare(ASYNCIO__SHORT_TRANSFERS | ASYNCIO__ONE_AT_A_TIME, "what a turn takes is what it is about");
    n_clients = test_on_sim() ? MOST_CLIENTS : 200;
    EXPECT_INT(run(compare_crowds, NULL), 0);
}

/* Nobody else asks for anything but one. Returns: the most that the server did during a request of his; a negative
 * error. */
static int ping_beside(int n_flooders)
{
    struct asyncio_future *flooders[8] = {NULL};
    struct peer peer = {NULL, NULL};
    int r = start_server(), most = 0;

    if (r == 0)
        r = open_peer(&peer);
    for (int i = 0; i < n_flooders; i++)
        flooders[i] = asyncio_create_task(flood, NULL);
    for (int i = 0; r == 0 && i < 50; i++) {
        int before = work;

        r = ping(&peer);
        if (i >= 10 && work - before > most)
            most = work - before;
    }
    over = true;
    close_peer(&peer);
    for (int i = 0; i < n_flooders; i++) {
        EXPECT_INT(asyncio_await(flooders[i]), 0);
        asyncio_future_unref(flooders[i]);
    }
    stop_server();
    if (test_verbose())
        printf("# %d flooders: at most %d, flood %d of %d\n", n_flooders, most, flood_work, work);
    EXPECT(flood_work > 200);
    return r < 0 ? r : most;
}

static int few_among_flooders_main(void *arg)
{
    (void)arg;
    /* The request gets to the server in one turn, and the answer back to the client in another. */
    for (int n = 1; n <= 8; n *= 8) {
        int most = ping_beside(n);

        EXPECT(most >= 2 && most <= 2 * n * CALLS_IN_A_ROW + 2);
    }
    return 0;
}

/* The usual poll interval is 64; such a step counts for four. */
static int polls_among_flooders_main(void *arg)
{
    int most;

    (void)arg;
    asyncio_loop_set_poll_interval(asyncio_get_running_loop(), 64);
    most = ping_beside(1);
    EXPECT(most >= 2 && most <= 2 * (64 / 4 + 1) * CALLS_IN_A_ROW);
    return 0;
}

TEST_NO_SWEEP(few_among_flooders, "R21 D-10: a lonely request waits for a step or two of each flooder, no more",
              "the flood would take all the turns to fail")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS | ASYNCIO__ONE_AT_A_TIME, "what a turn takes is what it is about");
    EXPECT_INT(run(few_among_flooders_main, NULL), 0);
}

TEST_NO_SWEEP(polls_among_flooders,
              "R21: steps that are full of reads and writes do not put off the next poll for long",
              "the flood would take all the turns to fail")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS | ASYNCIO__ONE_AT_A_TIME, "what a turn takes is what it is about");
    EXPECT_INT(run(polls_among_flooders_main, NULL), 0);
}

/* --------------------------------------------------------------------------------------------- A crowd at the door */

static int visitor(void *arg)
{
    struct peer peer = {NULL, NULL};
    int r = open_peer(&peer);

    (void)arg;
    while (r == 0 && !over)
        r = asyncio_sleep(0);
    close_peer(&peer);
    return r;
}

static int ping_in_crowd(void *arg)
{
    struct asyncio_future *crowd[CROWD];
    struct peer peer = {NULL, NULL};
    size_t most = 0;
    int r = start_server(), n_pings = 0;

    (void)arg;
    if (r == 0)
        r = open_peer(&peer);
    if (r == 0)
        r = ping(&peer);
    for (int i = 0; i < CROWD; i++)
        crowd[i] = asyncio_create_task(visitor, NULL);
    for (; r == 0 && n_accepted() < CROWD + 1; n_pings++) {
        size_t before = n_accepted();

        r = ping(&peer);
        if (n_accepted() - before > most)
            most = n_accepted() - before;
    }
    if (test_verbose())
        printf("# %d requests, beside each of which at most %zu were accepted\n", n_pings, most);
    over = true;
    EXPECT_INT(asyncio_gather(crowd, CROWD, NULL), 0);
    for (int i = 0; i < CROWD; i++)
        asyncio_future_unref(crowd[i]);
    close_peer(&peer);
    stop_server();
    /* A request and its answer take some turns, as the crowd's own events come in between. */
    EXPECT(most <= 6 * ACCEPTS_A_TURN);
    EXPECT(n_pings >= CROWD / (6 * ACCEPTS_A_TURN));
    return r;
}

TEST_NO_SWEEP(crowd_at_the_door, "R21: those who are served already are served on while hundreds are accepted",
              "every operation of a crowd would take its turn to fail")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS | ASYNCIO__ONE_AT_A_TIME, "what a turn takes is what it is about");
    EXPECT_INT(run(ping_in_crowd, NULL), 0);
}
