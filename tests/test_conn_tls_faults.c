/* TLS on a connection at the loop's floor over wires that break, with owners who do anything at any time, and again and
 * again. */
#include "conn_tls_rig.h"

#include <malloc.h>
#include <stdlib.h>

/* ------------------------------------------------------------------------------------------------------------- Cuts */

static void close_when_told(struct subject *self)
{
    if (self->received == 1000)
        asyncio__conn_close(&self->conn);
}

/* A handshake, a thousand bytes each way, an end: over a wire that is cut after so many bytes. Returns: how many have
 * passed upwards and downwards. */
static void cut_after(enum cut cut_up, size_t limit_up, enum cut cut_down, size_t limit_down, size_t *ret_up,
                      size_t *ret_down)
{
    open_ends(NULL, make_quick_pair, true, &lent);
    start_wire(65536, cut_up, limit_up, cut_down, limit_down);
    start_reading_of(&subject);
    start_reading_of(&server);
    server.on_received = close_when_told;
    start_tls(&subject);
    start_tls(&server);
    write_some(&subject, 1000);
    write_some(&server, 1000);
    /* Handshake, close and shutdown have their times. */
    run_for(200);
    close_one(&subject);
    close_one(&server);
    run_for(100);
    EXPECT_INT(subject.lost, 1);
    EXPECT_INT(server.lost, 1);
    EXPECT_INT(subject.secured, 1);
    EXPECT_INT(server.secured, 1);
    EXPECT(server.received == 0 || server.received == 1000);
    EXPECT(subject.received == 0 || subject.received == 1000);
    *ret_up = up.passed;
    *ret_down = down.passed;
    end_tls_rig();
}

TEST_NO_SWEEP(cuts,
              "R10 TL-02 TL-03: a wire that stalls, ends or is reset after any byte of handshake, data and end, "
              "either way: both are lost once, in time, with nothing left",
              "each cut is a fault")
{
    size_t all_up, all_down, step, n_up, n_down;

    test_needs_seconds(100);
    cut_after(UNCUT, 0, UNCUT, 0, &all_up, &all_down);
    EXPECT(all_up > 1000 && all_down > 1000);
    step = test_slowness() > 1 || test_hostile() ? 211 : 29;
    for (size_t at = test_seed() % step; at < all_up; at += step)
        for (enum cut cut = STALL; cut <= RESET; cut++) {
            cut_after(cut, at, UNCUT, 0, &n_up, &n_down);
            EXPECT(n_up <= at);
        }
    for (size_t at = test_seed() % step; at < all_down; at += step)
        for (enum cut cut = STALL; cut <= RESET; cut++) {
            cut_after(UNCUT, 0, cut, at, &n_up, &n_down);
            EXPECT(n_down <= at);
        }
}

/* ----------------------------------------------------------------------------------------------------------- Storms */

#define ENDS 8

static struct subject ends[ENDS];
static uint64_t dice;

static unsigned roll(unsigned bound)
{
    dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(dice >> 33) % bound;
}

static void begin(struct subject *self)
{
    struct asyncio__conn_tls tls = tls_of((self - ends) % 2 ? &server : &subject);

    tls.handshake_ns = roll(4) ? HANDSHAKE_NS : (int64_t)roll(3000000);
    tls.shutdown_ns = roll(4) ? SHUTDOWN_NS : (int64_t)roll(3000000);
    start_tls_with(self, &tls, NULL, 0);
}

static void act(struct subject *self)
{
    static const struct asyncio__conn_events *const events[] = {&lent, &into};

    if (!self->is_open)
        return;
    switch (roll(60)) {
    case 0:
        asyncio__conn_close(&self->conn);
        break;
    case 1:
        if (roll(3) == 0)
            asyncio__conn_abort(&self->conn, -EPROTO);
        break;
    case 2:
        EXPECT(asyncio__conn_write_eof(&self->conn) < 0);
        break;
    case 3 ... 8:
        asyncio__conn_stop_reading(&self->conn);
        break;
    case 9 ... 24:
        asyncio__conn_start_reading(&self->conn);
        break;
    case 25 ... 27:
        asyncio__conn_set_limits(&self->conn, roll(9000) + 1000, roll(1000));
        break;
    case 28:
        asyncio__conn_set_events(&self->conn, events[roll(2)]);
        break;
    default:
        write_some(self, roll(roll(4) ? 300 : 30000));
    }
}

static void act_sometimes(struct subject *self)
{
    if (roll(3) == 0)
        act(self);
}

static void storm(uint64_t seed, const char *options)
{
    int fds[2];

    dice = seed;
    open_ends(options, make_pair, false, &lent);
    for (int i = 0; loop && i < ENDS; i += 2) {
        make_pair(fds);
        for (int k = 0; k < 2; k++) {
            init_end(&ends[i + k], "end", fds[k], roll(2) ? &lent : &into);
            ends[i + k].memory_size = roll(4000) + 1;
            ends[i + k].on_paused = ends[i + k].on_resumed = ends[i + k].on_received = act_sometimes;
            ends[i + k].on_secured = act_sometimes;
            ends[i + k].conn.close_ns = (int64_t)roll(5000000);
            begin(&ends[i + k]);
        }
    }
    for (int i = 0; i < 1500; i++) {
        act(&ends[roll(ENDS)]);
        if (roll(4) == 0)
            run_for(roll(2) ? 0 : roll(1000) / 1e6);
    }
    if (roll(2))
        run_for(100);
    end_tls_rig();
    for (int i = 0; i < ENDS; i++) {
        EXPECT_INT(ends[i].lost, 1);
        EXPECT_INT(ends[i].secured, 1);
        EXPECT(ends[i].received <= ends[i ^ 1].offered);
    }
}

TEST_NO_SWEEP(storms,
              "TR-09 #82 #104: whatever is called whenever, what arrives is a front of what was written, and each is "
              "told once that it is secured or not, and lost once",
              "each storm has faults enough")
{
    static const char *const faults[] = {NULL, "short=50,buffer=3000", "later=60,delay=200",
                                         "short=50,later=50,eintr=30,delay=300,permute,buffer=5000,reset=2"};
    uint64_t storms = test_seed_given() ? 1 : test_slowness() > 1 ? 20 : 100;

    test_needs_seconds(100);
    for (uint64_t i = 0; i < storms; i++) {
        uint64_t seed = test_seed_given() ? test_seed() : test_seed() * 1000 + i;

        test_replay_seed(seed);
        storm(seed, faults[seed % 4]);
    }
}

/* ----------------------------------------------------------------------------------------------------- Again, again */

/* What the heap has in use. */
static size_t heap(void)
{
    return mallinfo2().uordblks;
}

/* One handshake that comes to nothing, each in another way. */
static void come_to_nothing(int i)
{
    int fds[2] = {-1, -1};

    make_pair(fds);
    init_end(&subject, "client", fds[0], &lent);
    init_end(&server, "server", fds[1], &lent);
    start_reading_of(&subject);
    start_reading_of(&server);
    EXPECT_INT(start_tls(&subject), 0);
    EXPECT_INT(start_tls(&server), 0);
    for (int turns = i % 5; turns > 0; turns--)
        one_turn();
    if (i % 3 == 0)
        abort_one(&subject, 0);
    else if (i % 3 == 1)
        close_one(&server);
    else
        abort_one(&server, -ETIMEDOUT);
    for (int turns = 0; turns < 100 && (subject.is_open || server.is_open); turns++)
        one_turn();
    EXPECT(!subject.is_open && !server.is_open);
    trace_clear();
}

TEST_NO_SWEEP(aborted_handshakes, "R11: many aborted handshakes leave the memory as it was", "it counts memory")
{
    const char *wanted = getenv("ASYNCIO_TEST_HANDSHAKES");
    int n = wanted ? atoi(wanted) : test_slowness() > 1 ? 200 : 2000;
    int64_t pieces = 0;
    size_t before = 0;

    test_needs_seconds(wanted ? 3600 : 100);
    open_ends(NULL, make_pair, false, &lent);
    close_one(&subject);
    close_one(&server);
    run_for(1);
    for (int i = 0; i < n + 1000; i++) {
        if (i == 1000) {
            pieces = asyncio_allocated();
            before = heap();
        }
        come_to_nothing(i);
    }
    EXPECT_INT(asyncio_allocated(), pieces);
    if (heap() > before + (1 << 18))
        FAIL("%zu bytes before %d handshakes, %zu after", before, n, heap());
    end_tls_rig();
}
