/* How a connection at the loop's floor ends: half close, close with a deadline, abort, errors, the loop's end. */
#include "conn_rig.h"

#include "backend/sim.h"

#include <sys/wait.h>

static void peer_says_it(void)
{
    static char answer[] = "answer";

    EXPECT_INT(perform((struct asyncio_op){.opcode = ASYNCIO_OP_SEND,
                                           .flags = ASYNCIO_OP_NOWAIT,
                                           .fd = peer.fd,
                                           .buffer = {.data = answer, .size = 6}}),
               6);
}

/* The peer says something and reads no more. */
static void peer_answers(void)
{
    peer_says_it();
    EXPECT_INT(perform((struct asyncio_op){.opcode = ASYNCIO_OP_SHUTDOWN, .fd = peer.fd, .argument = SHUT_RD}), 0);
}

/* Expects on the subject's side what the peer has answered. */
static void expect_answer(void)
{
    char text[7] = "";
    size_t got = 0;

    while (subject.is_open && got < 6) {
        int64_t size = recv_now(subject.conn.fd, text + got, 6 - got);

        if (size <= 0)
            break;
        got += (size_t)size;
    }
    EXPECT_STR(text, "answer");
}

/* ------------------------------------------------------------------------------------------------------- Half close */

TEST(eof, "TR-03: write_eof ends the stream at once when all is sent, and reading goes on")
{
    open_rig(NULL, &pull_events);
    EXPECT_INT(write_some(&subject, 1000), 0);
    EXPECT_INT(write_eof(), 0);
    EXPECT_INT(write_eof(), 0);
    EXPECT_INT(write_some(&subject, 1), -ASYNCIO_EINVALIDSTATE);
    run_for(1);
    peer_take_all();
    EXPECT_INT(peer.got, 1000);
    EXPECT_INT(peer.end, 0);
    peer_answers();
    expect_answer();
    close_subject();
    EXPECT_INT(write_eof(), -ASYNCIO_ECLOSED);
    close_rig();
}

TEST(eof_later, "TR-03: write_eof comes after what is kept, and no write after it is taken")
{
    open_rig("short=50,later=30", &pull_events);
    fill_up(&subject);
    EXPECT_INT(write_eof(), 0);
    EXPECT_INT(write_some(&subject, 1), -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(write_eof(), 0);
    EXPECT(!subject.conn.eof_sent);
    start_peer(65536, 0);
    run_for(1);
    EXPECT_INT(peer.got, subject.written);
    EXPECT_INT(peer.end, 0);
    EXPECT_INT(subject.conn.error, 0);
    EXPECT_INT(subject.lost, 0);
    close_rig();
}

static void write_last(struct subject *self)
{
    EXPECT_INT(write_some(self, 10), 0);
    EXPECT_INT(asyncio__conn_write_eof(&self->conn), 0);
}

TEST(eof_inside, "TR-03: write_eof in resumed, and what it wrote before, is done before a close")
{
    open_rig(NULL, &pull_events);
    set_limits(0, 0);
    subject.on_resumed = write_last;
    fill_up(&subject);
    start_peer(65536, 0);
    run_for(1);
    EXPECT_INT(peer.got, subject.written);
    EXPECT_INT(peer.end, 0);
    EXPECT(subject.conn.eof_sent);
    close_rig();
}

/* ------------------------------------------------------------------------------------------------------------ Close */

TEST(close, "TR-01 TR-09: with nothing kept it closes at once; lost follows in a later turn, once")
{
    test_send_directly("nothing shall be kept");
    open_rig(NULL, &pull_events);
    EXPECT_INT(write_some(&subject, 10), 0);
    close_subject();
    EXPECT_INT(subject.conn.fd, -1);
    close_subject();
    abort_subject(-EIO);
    EXPECT_INT(write_some(&subject, 1), -ASYNCIO_ECLOSED);
    EXPECT_INT(subject.lost, 0);
    peer_take_all();
    EXPECT_INT(peer.got, 10);
    EXPECT_INT(peer.end, 0);
    one_turn();
    EXPECT_TRACE("[0.000] conn: lost\n");
    close_rig();
}

TEST(close_sends, "TR-01 #81: close sends what is kept, takes no more, and has its time for that")
{
    open_rig(NULL, &pull_events);
    fill_up(&subject);
    close_subject();
    close_subject();
    EXPECT_INT(write_some(&subject, 1), -ASYNCIO_ECLOSED);
    EXPECT_INT(write_eof(), -ASYNCIO_ECLOSED);
    run_for(4.5);
    EXPECT_INT(subject.lost, 0);
    start_peer(65536, 0);
    run_for(0);
    run_for(0.1);
    EXPECT_INT(subject.lost, 1);
    EXPECT_INT(peer.got, subject.written);
    EXPECT_INT(peer.end, 0);
    run_for(10);
    close_rig();
    trace_clear();
}

TEST(close_timeout, "R10: a peer that does not read ends a close after its time, with -ETIMEDOUT")
{
    open_rig(NULL, &pull_events);
    fill_up(&subject);
    run_for(1);
    close_subject();
    run_for(100);
    EXPECT_TRACE("[6.000] conn: lost: ETIMEDOUT\n");
    close_rig();
}

TEST(close_slowly, "R10: the time of a close is for all of it, however the peer dawdles")
{
    open_rig(NULL, &pull_events);
    EXPECT_INT(write_some(&subject, 1 << 20), 0);
    start_peer(1, 0.1);
    trace_clear();
    close_subject();
    run_for(100);
    EXPECT_TRACE("[5.000] conn: lost: ETIMEDOUT\n");
    close_rig();
}

TEST(close_without_end, "a close without a limit takes as long as it takes")
{
    open_rig(NULL, &pull_events);
    subject.conn.close_ns = NS_NEVER;
    fill_up(&subject);
    close_subject();
    run_for(36000);
    EXPECT_INT(subject.lost, 0);
    start_peer(65536, 0);
    run_for(1);
    EXPECT_INT(subject.lost, 1);
    EXPECT_INT(peer.got, subject.written);
    close_rig();
}

TEST_NO_SWEEP(close_untimed, "a close that cannot be timed aborts with -ENOMEM", "it lets allocations fail")
{
    open_rig(NULL, &pull_events);
    fill_up(&subject);
    asyncio_fail_allocation(0, 1);
    close_subject();
    asyncio_fail_allocation(-1, 0);
    run_for(1);
    EXPECT_TRACE("[0.000] conn: lost: ENOMEM\n");
    close_rig();
}

TEST(close_after_eof, "TR-03: what write_eof asked for is done before a close")
{
    open_rig(NULL, &pull_events);
    fill_up(&subject);
    EXPECT_INT(write_eof(), 0);
    close_subject();
    start_peer(65536, 0);
    run_for(1);
    EXPECT_INT(subject.lost, 1);
    EXPECT_INT(peer.got, subject.written);
    EXPECT_INT(peer.end, 0);
    close_rig();
}

/* ------------------------------------------------------------------------------------------------------------ Abort */

TEST(abort, "TR-03: abort drops what is kept, but for what the back end has; lost follows, with the first error")
{
    const struct asyncio__chunk *first;

    open_rig(NULL, &pull_events);
    fill_up(&subject);
    first = subject.conn.kept.first;
    EXPECT(subject.conn.is_sending);
    abort_subject(-EPROTO);
    EXPECT_PTR(subject.conn.kept.first, first);
    abort_subject(-EIO);
    close_subject();
    EXPECT_INT(subject.conn.fd, -1);
    EXPECT_INT(write_some(&subject, 1), -EPROTO);
    EXPECT_INT(write_eof(), -EPROTO);
    set_limits(0, 0);
    EXPECT_TRACE("");
    run_for(1);
    EXPECT_TRACE("[0.000] conn: lost: EPROTO\n");
    peer_take_all();
    EXPECT(peer.got < subject.written);
    close_rig();
}

TEST(abort_closing, "a close may be cut short by an abort, with or without an error")
{
    open_rig(NULL, &pull_events);
    fill_up(&subject);
    close_subject();
    run_for(1);
    abort_subject(0);
    EXPECT_INT(write_some(&subject, 1), -ASYNCIO_ECLOSED);
    run_for(100);
    EXPECT_TRACE("[1.000] conn: lost\n");
    close_rig();
}

/* What the peer meets behind the last byte. */
static int64_t end_after(bool abort)
{
    open_rig_over(make_tcp_pair, NULL, &pull_events);
    EXPECT_INT(write_some(&subject, 1000), 0);
    if (abort)
        abort_subject(0);
    else
        close_subject();
    start_peer(65536, 0);
    run_for(1);
    EXPECT_INT(subject.lost, 1);
    close_rig();
    return peer.end;
}

TEST(reset, "an abort resets a TCP connection, so that what was cut off does not look whole; a close does not")
{
    EXPECT_INT(end_after(true), -ECONNRESET);
    EXPECT_INT(end_after(false), 0);
    EXPECT_INT(peer.got, 1000);
}

TEST(reset_after_timeout, "R10: a close that took too long resets the connection")
{
    open_rig_over(make_tcp_pair, NULL, &pull_events);
    EXPECT_INT(write_some(&subject, 16 << 20), 0);
    trace_clear();
    close_subject();
    run_for(6);
    EXPECT_TRACE("[5.000] conn: lost: ETIMEDOUT\n");
    start_peer(65536, 0);
    run_for(1);
    EXPECT_INT(peer.end, -ECONNRESET);
    close_rig();
}

TEST_SIM_NO_SWEEP(reset_after_failure, "TR-08: what a failed send cut off does not look whole after a close either",
                  "it lets an operation fail")
{
    open_rig_over(make_tcp_pair, NULL, &pull_events);
    EXPECT_INT(write_some(&subject, 1000), 0);
    run_for(1);
    asyncio__sim_fail_operation(0, 1);
    EXPECT_INT(write_some(&subject, 1000), -EIO);
    asyncio__sim_fail_operation(-1, 0);
    close_subject();
    start_peer(65536, 0);
    run_for(1);
    EXPECT_TRACE("[1.000] conn: lost: EIO\n");
    EXPECT_INT(peer.end, -ECONNRESET);
    close_rig();
}

/* ----------------------------------------------------------------------------------------------------------- Errors */

TEST(broken, "TR-08: a write that fails breaks the connection, but what the peer has answered can be read")
{
    test_send_directly("the write shall meet the error");
    open_rig(NULL, &pull_events);
    EXPECT_INT(write_some(&subject, 10), 0);
    peer_answers();
    EXPECT_INT(write_some(&subject, 10), -EPIPE);
    EXPECT_INT(write_some(&subject, 10), -EPIPE);
    EXPECT_INT(write_eof(), -EPIPE);
    run_for(1);
    EXPECT_INT(subject.lost, 0);
    expect_answer();
    abort_subject(-EIO);
    run_for(1);
    EXPECT_TRACE("[1.000] conn: lost: EPIPE\n");
    close_rig();
}

TEST(broken_later, "TR-08 TR-09: a send that fails drops what is kept and resumes, so that who waits hears of it")
{
    int error = 0;

    open_rig(NULL, &pull_events);
    set_limits(0, 0);
    fill_up(&subject);
    peer_says_it();
    close_fd(&peer.fd);
    run_for(1);
    EXPECT_TRACE("conn: paused\n[0.000] conn: resumed\n");
    if (subject.is_open) {
        error = subject.conn.error;
        EXPECT(error == -EPIPE || error == -ECONNRESET);
        EXPECT_PTR(subject.conn.kept.first, NULL);
        EXPECT_INT(write_some(&subject, 1), error);
        expect_answer();
        close_subject();
        EXPECT_INT(subject.conn.fd, -1);
        EXPECT_INT(subject.conn.error, error);
    }
    run_for(1);
    EXPECT_INT(subject.lost, 1);
    trace_clear();
    close_rig();
}

TEST(broken_closing, "a send that fails during a close ends it")
{
    open_rig(NULL, &pull_events);
    fill_up(&subject);
    close_subject();
    run_for(1);
    close_fd(&peer.fd);
    run_for(1);
    EXPECT(strstr(transcript(), "conn: lost: E"));
    EXPECT_INT(subject.lost, 1);
    trace_clear();
    close_rig();
}

/* --------------------------------------------------------------------------------------------------------- The loop */

TEST(loop_close, "a loop that closes closes its connections, says which had unsent bytes, and tells them")
{
    open_rig(NULL, &pull_events);
    fill_up(&subject);
    close_rig();
    EXPECT_LOG("unsent bytes");
    EXPECT_TRACE("conn: lost: ASYNCIO_ECLOSED\n");
    open_rig(NULL, &pull_events);
    fill_up(&subject);
    close_subject();
    close_rig();
    EXPECT_LOG("unsent bytes");
    EXPECT_TRACE("conn: lost: ASYNCIO_ECLOSED\n");
    open_rig(NULL, &pull_events);
    fill_up(&subject);
    abort_subject(0);
    close_rig();
    EXPECT_TRACE("conn: lost\n");
    open_rig(NULL, &pull_events);
    close_subject();
    close_rig();
    EXPECT_TRACE("conn: lost\n");
}

TEST(loop_close_many, "a loop that closes tells every connection, each once, and who waits on one by himself")
{
    static struct subject many[20];
    struct asyncio_op own = {.complete = peer_got, .opcode = ASYNCIO_OP_RECV};
    int fds[2], others[20];

    open_rig("later=50,delay=500", &pull_events);
    for (int i = 0; i < 20; i++) {
        make_pair(fds);
        others[i] = fds[1];
        many[i] = (struct subject){.name = "many", .is_open = fds[0] >= 0};
        if (fds[0] < 0)
            continue;
        asyncio__conn_init(&many[i].conn, loop, fds[0], &pull_events, CLOSE_NS);
        if (i % 2)
            fill_up(&many[i]);
        if (i % 3 == 0)
            asyncio__conn_close(&many[i].conn);
        if (i % 5 == 0)
            asyncio__conn_abort(&many[i].conn, -EIO);
    }
    if (subject.is_open) {
        own.fd = subject.conn.fd;
        own.buffer = (struct asyncio_op_buffer){.data = peer.memory, .size = 1};
        EXPECT(!asyncio_op_submit(loop, &own));
    }
    for (int i = 0; loop && i < 20; i++)
        close_fd(&others[i]);
    close_rig();
    for (int i = 0; i < 20; i++)
        EXPECT(!many[i].is_open);
    EXPECT(!subject.lost || peer.end == -ASYNCIO_ECLOSED);
    captured_log();
    trace_clear();
}

TEST_NO_SWEEP(forked, "R20 #67: the loop of a forked child lets its copies go and does not touch the parent's",
              "it forks")
{
    int status = -1;
    pid_t child;

    test_spare(ASYNCIO__SHORT_TRANSFERS, "it moves a mass");
    open_rig_over(make_tcp_pair, NULL, &pull_events);
    EXPECT_INT(write_some(&subject, 16 << 20), 0);
    trace_clear();
    child = fork();
    if (child == 0) {
        asyncio_loop_close(loop);
        _exit(subject.lost == 1 && *captured_log() == '\0' ? 0 : 1);
    }
    EXPECT_INT(waitpid(child, &status, 0), child);
    EXPECT_INT(status, 0);
    close_subject();
    start_peer(65536, 0);
    run_for(1);
    EXPECT_INT(subject.lost, 1);
    EXPECT_INT(peer.got, subject.written);
    EXPECT_INT(peer.end, 0);
    close_rig();
}
