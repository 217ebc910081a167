/* Small writes that are put off until the next poll, where the back end sends those of many connections by one system
 * call, as io_uring does. */
#include "conn_rig.h"

static void need_batches(void)
{
    if (!test_on_uring())
        SKIP("nothing is put off here");
    test_spare(ASYNCIO__SHORT_TRANSFERS | ASYNCIO__TINY_CAPACITIES, "it is not put off then");
}

TEST_EPOLL(put_off, "R13: a small write is sent with the next poll, and leaves nothing behind")
{
    need_batches();
    open_rig(NULL, &pull_events);
    EXPECT_INT(write_some(&subject, 100), 0);
    EXPECT_INT(subject.conn.kept.size, 100);
    peer_take_all();
    EXPECT_INT(peer.got, 0);
    EXPECT_INT(write_some(&subject, 100), 0);
    one_turn();
    one_turn();
    EXPECT_PTR(subject.conn.kept.first, NULL);
    EXPECT(!subject.conn.is_sending && !subject.conn.is_put_off);
    peer_take_all();
    EXPECT_INT(peer.got, 200);
    close_rig();
    trace_clear();
}

TEST_EPOLL(waited_for, "R13: what somebody is going to wait for is not put off: a close, an end, a water mark")
{
    need_batches();
    open_rig(NULL, &pull_events);
    set_limits(150, 0);
    EXPECT_INT(write_some(&subject, 100), 0);
    EXPECT_INT(write_some(&subject, 100), 0);
    EXPECT_PTR(subject.conn.kept.first, NULL);
    EXPECT_INT(write_some(&subject, 100), 0);
    close_subject();
    EXPECT_INT(subject.conn.fd, -1);
    peer_take_all();
    EXPECT_INT(peer.got, 300);
    close_rig();
    open_rig(NULL, &pull_events);
    EXPECT_INT(write_some(&subject, 100), 0);
    EXPECT_INT(write_eof(), 0);
    EXPECT(subject.conn.eof_sent);
    peer_take_all();
    EXPECT_INT(peer.got, 100);
    close_rig();
    trace_clear();
}

TEST_EPOLL(more_behind, "R13: a small write with a large one behind it is not put off, as nobody would tell of its end")
{
    static const size_t sizes[] = {800, 4000, 20000, 60000};

    need_batches();
    if (test_hostile())
        SKIP("it comes in so many pieces that others have their turn in between");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        open_rig(NULL, &pull_events);
        EXPECT_INT(write_some(&subject, 200), 0);
        EXPECT(subject.conn.is_put_off);
        EXPECT_INT(write_some(&subject, sizes[i]), 0);
        EXPECT_PTR(subject.conn.kept.first, NULL);
        peer_take_all();
        EXPECT_INT(peer.got, 200 + sizes[i]);
        close_rig();
    }
    trace_clear();
}

TEST_EPOLL(loop_ends, "R13: what was put off when the loop closes is sent then")
{
    int fd;

    need_batches();
    open_rig(NULL, &pull_events);
    EXPECT_INT(write_some(&subject, 100), 0);
    fd = dup(peer.fd);
    close_rig();
    EXPECT_STR(captured_log(), "");
    {
        char data[200];

        EXPECT_INT(recv(fd, data, sizeof data, MSG_DONTWAIT), 100);
    }
    close(fd);
    trace_clear();
}
