/* Connections at the loop's floor whose owners do anything at any time. */
#include "conn_rig.h"

#define ENDS 12

static struct subject ends[ENDS];
static uint64_t dice;

static unsigned roll(unsigned bound)
{
    dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(dice >> 33) % bound;
}

static void act(struct subject *self)
{
    if (!self->is_open)
        return;
    switch (roll(40)) {
    case 0:
        asyncio__conn_close(&self->conn);
        break;
    case 1:
        if (roll(3) == 0)
            asyncio__conn_abort(&self->conn, -EPROTO);
        break;
    case 2:
        asyncio__conn_write_eof(&self->conn);
        break;
    case 3 ... 6:
        asyncio__conn_stop_reading(&self->conn);
        break;
    case 7 ... 14:
        asyncio__conn_start_reading(&self->conn);
        break;
    case 15 ... 17:
        asyncio__conn_set_limits(&self->conn, roll(9000) + 1000, roll(1000));
        break;
    default:
        write_some(self, roll(roll(4) ? 300 : 20000));
    }
}

static void act_sometimes(struct subject *self)
{
    if (roll(3) == 0)
        act(self);
}

static void storm(uint64_t seed, const char *options)
{
    static const struct asyncio__conn_events *events[] = {&lent, &into};
    int fds[2];

    dice = seed;
    open_rig(options, &into);
    for (int i = 0; loop && i < ENDS; i += 2) {
        make_pair(fds);
        for (int k = 0; k < 2; k++) {
            ends[i + k] = (struct subject){.name = "end", .is_open = true, .memory_size = roll(4000) + 1};
            ends[i + k].on_paused = ends[i + k].on_resumed = ends[i + k].on_received = act_sometimes;
            asyncio__conn_init(&ends[i + k].conn, loop, fds[k], events[roll(2)], (int64_t)roll(5000000));
        }
    }
    for (int i = 0; i < 3000; i++) {
        act(&ends[roll(ENDS)]);
        if (roll(4) == 0)
            run_for(roll(2) ? 0 : roll(1000) / 1e6);
    }
    if (roll(2))
        run_for(1);
    close_rig();
    for (int i = 0; i < ENDS; i++) {
        EXPECT_INT(ends[i].lost, 1);
        EXPECT(ends[i].received <= ends[i ^ 1].offered);
    }
    captured_log();
    trace_clear();
}

TEST_NO_SWEEP(storms,
              "TR-09 #82: whatever is called whenever, what arrives is a front of what was written, and each is "
              "lost once",
              "each storm has faults enough")
{
    static const char *const faults[] = {NULL, "short=50,buffer=3000", "later=60,delay=200",
                                         "short=50,later=50,eintr=30,delay=300,permute,buffer=5000,reset=2"};

    test_needs_seconds(60);
    for (uint64_t i = 0; i < 60; i++) {
        uint64_t seed = test_seed_given() ? test_seed() : test_seed() * 1000 + i;

        test_replay_seed(seed);
        storm(seed, faults[seed % 4]);
    }
}
