/* test_acceptor.c -- listening sockets and their standing accepts, without tasks and streams. */
#include "acceptor_rig.h"

#include "backend/ops.h"

#include <sys/wait.h>

/* ------------------------------------------------------------------------------------------------------ Accepting */

TEST(accepts, "N-07: whoever connects is accepted, on every socket; starting twice is harmless")
{
    HOUSE(2);
    EXPECT_INT(asyncio__acceptor_start(&door.acceptor, 50, &place), 0);
    run_for(1);
    EXPECT_TRACE("");
    visit(0, 1);
    run_for(1);
    visit(1, 1);
    run_for(1);
    EXPECT_TRACE("[1.000] accepted 1\n[2.000] accepted 2\n");
    EXPECT_INT(counts().accepted, 2);
    EXPECT_INT(counts().shed, 0);
    close_door();
    EXPECT_TRACE("[3.000] closed\n");
}

TEST(accepts_several_at_once, "#84: all who wait are accepted in one turn, not one a turn")
{
    test_spare(ASYNCIO__ONE_AT_A_TIME, "how many are accepted at a time is what it is about");
    HOUSE(1);
    test_spare(ASYNCIO__ONE_AT_A_TIME, "it is about bursts");
    visit(0, 5);
    /* The first turn looks at the socket only. */
    one_turn();
    one_turn();
    EXPECT_TRACE("[0.000] accepted 1\n[0.000] accepted 2\n[0.000] accepted 3\n[0.000] accepted 4\n"
                 "[0.000] accepted 5\n");
    close_door();
    trace_clear();
}

TEST(accepts_in_bursts, "R21: a crowd is accepted by and by, so that others run in between")
{
    int before = 0;

    test_spare(ASYNCIO__ONE_AT_A_TIME, "how many are accepted at a time is what it is about");
    HOUSE(1);
    test_spare(ASYNCIO__ONE_AT_A_TIME, "it is about bursts");
    door.quiet = true;
    visit(0, 40);
    for (int i = 0; i < 10; i++) {
        one_turn();
        EXPECT(door.n_fds - before <= ASYNCIO__OP_BURST);
        before = door.n_fds;
    }
    EXPECT_INT(door.n_fds, 40);
    close_door();
    trace_clear();
}

TEST(not_started, "SV-01: an acceptor that was never started closes like another")
{
    open_loop();
    if (!loop)
        return;
    memset(&door, 0, sizeof door);
    door.sockets[0].fd = make_bound(0);
    door.acceptor.accepted = accepted;
    door.acceptor.closed = closed;
    if (asyncio__acceptor_init(&door.acceptor, loop, door.sockets, 1) < 0) {
        close_fd(door.sockets[0].fd);
        door.n_closed = 1;
    }
    close_door();
    EXPECT_TRACE("[0.000] closed\n");
}

/* --------------------------------------------------------------------------------------------------------- Pausing */

TEST(pauses, "R10: while it pauses, clients wait in the backlog and none is lost")
{
    HOUSE(2);
    asyncio__acceptor_pause(&door.acceptor);
    visit(0, 2);
    visit(1, 1);
    run_for(1);
    EXPECT_TRACE("");
    asyncio__acceptor_resume(&door.acceptor);
    run_for(1);
    EXPECT_TRACE("[1.000] accepted 1\n[1.000] accepted 2\n[1.000] accepted 3\n");
    close_door();
    trace_clear();
}

TEST(pauses_in_the_middle, "R10: a pause from within `accepted` ends the burst; resuming lets the next one in")
{
    HOUSE(1);
    door.limit = 2;
    visit(0, 4);
    run_for(1);
    EXPECT_TRACE("[0.000] accepted 1\n[0.000] accepted 2\n");
    dismiss();
    run_for(1);
    EXPECT_TRACE("[1.000] accepted 2\n");
    dismiss();
    dismiss();
    run_for(1);
    EXPECT_TRACE("[2.000] accepted 1\n");
    EXPECT_INT(counts().accepted, 4);
    close_door();
    trace_clear();
}

static int n_connected;

static void connected(struct asyncio_op *op)
{
    n_connected += op->result == 0;
}

/* As `visit`, where the machine may take its time. */
static void visit_by_and_by(struct asyncio_op *op, struct sockaddr_un *address)
{
    size_t size;
    int fd = make_socket();

    clients[n_clients++] = fd;
    *address = address_of(0, &size);
    *op =
        (struct asyncio_op){.complete = connected, .opcode = ASYNCIO_OP_CONNECT, .fd = fd, .address = {address, size}};
    if (asyncio_op_submit(loop, op))
        connected(op);
}

TEST_SIM_NO_SWEEP(pauses_late, "#72: a connection that comes although the pause was asked for is delivered",
                  "forty connections a run are too many; `pauses` is swept")
{
    static struct sockaddr_un addresses[40];
    static struct asyncio_op connects[40];
    struct asyncio_loop_kw kw = {.size = sizeof kw, .backend = "sim:3,later=60,delay=900"};

    n_connected = 0;
    if (asyncio_new_event_loop_kw(&loop, &kw) < 0)
        return;
    open_door(1);
    door.quiet = true;
    for (int i = 0; i < 40 && !door.n_closed; i++) {
        run_for(0.001);
        asyncio__acceptor_pause(&door.acceptor);
        visit_by_and_by(&connects[i], &addresses[i]);
        if (i % 3)
            run_for(0.001);
        asyncio__acceptor_resume(&door.acceptor);
    }
    run_for(1);
    EXPECT_INT(n_connected, 40);
    EXPECT_INT(door.n_fds, 40);
    EXPECT(door.n_late > 0);
    close_door();
    trace_clear();
}

/* --------------------------------------------------------------------------------------------------------- Closing */

TEST(closes, "SV-03: closing turns new clients away, leaves the others connected, and may be repeated")
{
    HOUSE(2);
    visit(0, 1);
    run_for(1);
    EXPECT_TRACE("[0.000] accepted 1\n");
    visit(0, 1);
    asyncio__acceptor_close(&door.acceptor);
    asyncio__acceptor_close(&door.acceptor);
    EXPECT_TRACE("");
    run_for(1);
    EXPECT_TRACE("[1.000] closed\n");
    EXPECT_STR(state_of(clients[0]), "open");
    EXPECT_STR(state_of(clients[1]), "ECONNRESET");
    close_door();
}

TEST(closes_in_the_middle, "SV-03: closing from within `accepted` ends the burst; who was not accepted sees a reset")
{
    HOUSE(1);
    door.closes = true;
    visit(0, 3);
    run_for(1);
    EXPECT_TRACE("[0.000] accepted 1\n[0.000] closed\n");
    EXPECT_STR(state_of(clients[0]), "open");
    /* The kernel may have accepted it already for us, and a Unix socket knows no reset then. */
    EXPECT_STR(state_of(clients[2]), test_on_uring() ? "end" : "ECONNRESET");
    close_door();
}

TEST(closes_paused, "SV-03: it can be closed while it pauses")
{
    HOUSE(1);
    asyncio__acceptor_pause(&door.acceptor);
    close_door();
    EXPECT_TRACE("[0.000] closed\n");
}

TEST(closed_by_the_loop, "SV-03: the loop's close closes what listens")
{
    HOUSE(2);
    visit(0, 1);
    one_turn();
    one_turn();
    visit(1, 1);
    trace_clear();
    close_clients();
    close_loop();
    EXPECT_TRACE("closed\n");
    EXPECT_INT(door.n_closed, 1);
}

TEST(closed_just_before_the_loop, "SV-03: `closed` comes although the loop is closed before its turn")
{
    HOUSE(2);
    asyncio__acceptor_close(&door.acceptor);
    close_loop();
    EXPECT_TRACE("closed\n");
    EXPECT_INT(door.n_closed, 1);
}

TEST(closed_idle_just_before_the_loop, "SV-03: the same when nothing of it was under way")
{
    HOUSE(2);
    asyncio__acceptor_pause(&door.acceptor);
    asyncio__acceptor_close(&door.acceptor);
    close_loop();
    EXPECT_TRACE("closed\n");
    EXPECT_INT(door.n_closed, 1);
}

TEST_EPOLL(closed_in_a_child, "R20: a forked child gives up its copies, and the parent's acceptor goes on")
{
    int status;
    pid_t pid;

    HOUSE(1);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        asyncio_loop_close(loop);
        _exit(door.n_closed == 1 ? 0 : 1);
    }
    EXPECT_INT(waitpid(pid, &status, 0), pid);
    EXPECT_INT(status, 0);
    visit(0, 1);
    run_for(1);
    EXPECT_TRACE("[0.000] accepted 1\n");
    close_door();
    trace_clear();
}
