/* test_datagram_flow.c -- flow control of datagram transports: what is kept is counted, and errors leave nothing. */
#include "datagram_sides.h"

static int accounting(void *arg)
{
    int n;

    (void)arg;
    open_sides();
    right.is_quiet = true;
    asyncio_transport_pause_reading(right.transport);
    n = fill_up(&left);
    /* 10 bytes and 8. */
    EXPECT_INT(asyncio_transport_get_write_buffer_size(left.transport), broken ? 0 : 18);
    EXPECT_INT(asyncio_transport_set_write_buffer_limits(left.transport, 40, 20), left.transport ? 0 : -EINVAL);
    tell(&left, "", NULL);
    tell(&left, "", NULL);
    EXPECT_INT(asyncio_transport_get_write_buffer_size(left.transport), broken ? 0 : 34);
    EXPECT_INT(left.n_paused, 0);
    tell(&left, "", NULL);
    EXPECT_INT(left.size_at_pause, broken ? 0 : 42);
    asyncio_transport_resume_reading(right.transport);
    settle();
    EXPECT_INT(asyncio_transport_get_write_buffer_size(left.transport), 0);
    EXPECT_INT(right.n_received, broken ? 0 : n + 3);
    EXPECT_INT(left.n_resumed, left.n_paused);
    return finish();
}

TEST(accounting, "TR-11 #95 #96: kept datagrams count 8 bytes more than they have, and are counted off alike")
{
    EXPECT_INT(play(accounting), 0);
}

static int again_and_again(void *arg)
{
    (void)arg;
    open_sides();
    right.is_quiet = true;
    EXPECT_INT(asyncio_transport_set_write_buffer_limits(left.transport, 100, 50), left.transport ? 0 : -EINVAL);
    for (int round = 0; round < 10 && !broken; round++) {
        asyncio_transport_pause_reading(right.transport);
        fill_up(&left);
        for (int i = 0; i < 10; i++)
            tell(&left, "more", NULL);
        EXPECT_INT(left.n_paused, round + 1);
        asyncio_transport_resume_reading(right.transport);
        settle();
        EXPECT_INT(left.n_resumed, round + 1);
        EXPECT_INT(asyncio_transport_get_write_buffer_size(left.transport), 0);
    }
    return finish();
}

TEST(again_and_again, "#95: what is kept is back at nothing each time, so that nobody is paused for ever")
{
    EXPECT_INT(play(again_and_again), 0);
}

static int error_while_paused(void *arg)
{
    static char much[300000];

    (void)arg;
    open_sides();
    right.is_quiet = true;
    asyncio_transport_pause_reading(right.transport);
    EXPECT_INT(asyncio_transport_set_write_buffer_limits(left.transport, 1000, 100), left.transport ? 0 : -EINVAL);
    fill_up(&left);
    /* Longer than a Unix socket takes: an error when its turn comes. */
    EXPECT_INT(asyncio_transport_sendto(left.transport, much, sizeof much, NULL), left.transport ? 0 : -EINVAL);
    EXPECT_INT(left.n_paused, broken ? 0 : 1);
    asyncio_transport_resume_reading(right.transport);
    settle();
    EXPECT_INT(left.n_errors, broken ? 0 : 1);
    EXPECT_INT(left.n_resumed, left.n_paused);
    EXPECT_INT(asyncio_transport_get_write_buffer_size(left.transport), 0);
    return finish();
}

TEST(error_while_paused, "TR-11 #97: what ends in an error leaves the buffer, and writing is resumed")
{
    EXPECT_INT(play(error_while_paused), 0);
}

static int peer_gone(void *arg)
{
    (void)arg;
    open_sides();
    left.is_quiet = true;
    asyncio_transport_pause_reading(right.transport);
    EXPECT_INT(asyncio_transport_set_write_buffer_limits(left.transport, 0, 0), left.transport ? 0 : -EINVAL);
    fill_up(&left);
    tell(&left, "x", NULL);
    asyncio_transport_abort(right.transport);
    settle();
    EXPECT(broken || left.n_errors > 0);
    EXPECT_INT(left.n_resumed, left.n_paused);
    EXPECT_INT(asyncio_transport_get_write_buffer_size(left.transport), 0);
    return finish();
}

TEST(peer_gone, "#97 #76: when the peer has gone, what was kept for it ends in errors, one each, and not in a loop")
{
    EXPECT_INT(play(peer_gone), 0);
}

/* -------------------------------------------------------------------------------------------------------- By chance */

#define MANY 500

static int n_told; /* datagrams that the left side has sent */

static void check_number(struct side *side)
{
    EXPECT_INT(side->number, side->n_received - 1);
}

static int world(void *arg)
{
    (void)arg;
    open_sides();
    left.is_quiet = right.is_quiet = true;
    right.on_received = check_number;
    EXPECT_INT(asyncio_transport_set_write_buffer_limits(left.transport, 200, 50), 0);
    while (n_told < MANY) {
        char text[16];

        snprintf(text, sizeof text, "%d", n_told++);
        EXPECT_INT(asyncio_transport_sendto(left.transport, text, strlen(text), NULL), 0);
        if (chance(3) == 0)
            asyncio_transport_pause_reading(right.transport);
        if (chance(3) == 0)
            asyncio_transport_resume_reading(right.transport);
        if (chance(4) == 0 || left.n_paused > left.n_resumed)
            turns(chance(10));
        if (chance(20) == 0)
            EXPECT_INT(asyncio_sleep(0.01), 0);
    }
    asyncio_transport_resume_reading(right.transport);
    for (int i = 0; i < 100 && right.n_received < MANY; i++)
        settle();
    EXPECT_INT(right.n_received, MANY);
    EXPECT_INT(left.n_errors + right.n_errors, 0);
    EXPECT_INT(left.n_paused, left.n_resumed);
    EXPECT(left.n_paused > 0);
    EXPECT_INT(asyncio_transport_get_write_buffer_size(left.transport), 0);
    return finish();
}

TEST_SIM_NO_SWEEP(world,
                  "TR-11 #95: whenever the kernel has room, and whenever reading stops, each arrives once, in order",
                  "it brings faults of its own")
{
    struct asyncio_loop *loop = NULL;
    char name[80];

    seed_chance(test_seed());
    snprintf(name, sizeof name, "sim:%llu,later=30,eintr=20,short=40,delay=500,permute",
             (unsigned long long)test_seed());
    EXPECT_INT(asyncio_new_event_loop(&loop, .backend = name), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, world, NULL), 0);
    close_loop(loop);
}
