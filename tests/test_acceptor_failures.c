/* test_acceptor_failures.c -- accepts that fail: the back end under test is wrapped, and while there is an error,
 * accepts end with it, at once or in the next poll. */
#include "acceptor_rig.h"

static struct {
    const struct asyncio_backend_ops *inner;
    int error;
    bool at_once;
    bool no_sockets; /* none can be made either */
    struct asyncio_op *held;
    int n_attempts, n_nowait; /* accepts that stand, and that must not wait */
    double times[100];
} faulty;

static bool faulty_submit(struct asyncio_backend *backend, struct asyncio_op *op)
{
    if (op->opcode == ASYNCIO_OP_SOCKET && faulty.no_sockets) {
        op->result = -EMFILE;
        return true;
    }
    if (op->opcode != ASYNCIO_OP_ACCEPT || !faulty.error)
        return faulty.inner->submit(backend, op);
    if (op->flags & ASYNCIO_OP_NOWAIT) {
        faulty.n_nowait++;
        op->result = -EAGAIN;
        return true;
    }
    if (faulty.n_attempts < 100)
        faulty.times[faulty.n_attempts] = asyncio_loop_time(loop);
    faulty.n_attempts++;
    op->result = faulty.error;
    if (!faulty.at_once)
        faulty.held = op;
    return faulty.at_once;
}

static bool faulty_cancel(struct asyncio_backend *backend, struct asyncio_op *op)
{
    if (faulty.held != op)
        return faulty.inner->cancel(backend, op);
    faulty.held = NULL;
    return true;
}

static int faulty_poll(struct asyncio_backend *backend, int64_t deadline_ns, bool external)
{
    struct asyncio_op *held = faulty.held;

    if (!held)
        return faulty.inner->poll(backend, deadline_ns, external);
    faulty.held = NULL;
    held->result = faulty.error;
    held->completion = 0;
    held->complete(held);
    return faulty.inner->poll(backend, 0, external);
}

static size_t faulty_pending(const struct asyncio_backend *backend)
{
    return faulty.inner->pending(backend) + (faulty.held ? 1 : 0);
}

static void open_faulty(void)
{
    static struct asyncio_backend_ops ops;
    struct asyncio_loop_kw kw = {.size = sizeof kw};
    struct asyncio_loop *plain;

    memset(&faulty, 0, sizeof faulty);
    EXPECT_INT(new_loop(&plain), 0);
    if (!plain)
        return;
    ops = *(faulty.inner = plain->ops);
    asyncio_loop_close(plain);
    asyncio_loop_unref(plain);
    ops.submit = faulty_submit;
    ops.cancel = faulty_cancel;
    ops.poll = faulty_poll;
    ops.pending = faulty_pending;
    if (asyncio_new_event_loop_on(&loop, &ops, NULL, &kw) < 0)
        return;
    asyncio_loop_set_poll_interval(loop, 1);
}

static void report(struct asyncio_loop *in, const struct asyncio_exception_context *context, void *arg)
{
    (void)in;
    trace("reported: %s, %s", context->message, asyncio_errorname(context->error));
    if (arg)
        asyncio__acceptor_close(arg);
}

#define FAULTY_HOUSE()                                      \
    open_faulty();                                          \
    if (!loop)                                              \
        return;                                             \
    asyncio_loop_set_exception_handler(loop, report, NULL); \
    open_door(1)

static void resume(void *arg)
{
    (void)arg;
    asyncio__acceptor_resume(&door.acceptor);
}

/* Lets accepts end with an error from the next turn on. */
static void let_fail(int error)
{
    asyncio__acceptor_pause(&door.acceptor);
    faulty.error = error;
    soon(resume, NULL);
}

/* Lets accepts fail for a minute. */
static void fail_for_a_minute(int error, bool at_once)
{
    FAULTY_HOUSE();
    faulty.at_once = at_once;
    let_fail(error);
    run_for(60);
    /* 10 ms, 20 ms ... 640 ms, then every second. */
    EXPECT(faulty.n_attempts >= 60 && faulty.n_attempts <= 68);
    EXPECT_DOUBLE(faulty.times[1], 0.01);
    EXPECT_DOUBLE(faulty.times[2], 0.03);
    EXPECT_DOUBLE(faulty.times[7], 1.27);
    EXPECT_DOUBLE(faulty.times[8], 2.27);
}

static void recover(void)
{
    visit(0, 1);
    faulty.error = 0;
    run_for(1.5);
    EXPECT_INT(door.n_fds, 1);
    close_door();
    trace_clear();
}

TEST(exhausted,
     "D-07 N-07 R16: out of descriptors there is one report, and tries ever more seldom, down to one a second")
{
    fail_for_a_minute(-EMFILE, false);
    EXPECT_TRACE("[0.000] reported: socket.accept() out of system resource, EMFILE\n");
    EXPECT_INT(counts().exhausted, faulty.n_attempts);
    EXPECT_INT(faulty.n_nowait, faulty.n_attempts);
    recover();
}

TEST(exhausted_at_once, "D-07 R16: the same when the accept fails as it is begun")
{
    fail_for_a_minute(-ENOMEM, true);
    EXPECT_TRACE("[0.000] reported: socket.accept() out of system resource, ENOMEM\n");
    recover();
}

TEST(other_errors, "N-07: an error of another kind does not end the listening either")
{
    fail_for_a_minute(-EPERM, false);
    EXPECT_TRACE("[0.000] reported: socket.accept() failed, EPERM\n");
    EXPECT_INT(counts().exhausted, 0);
    EXPECT_INT(faulty.n_nowait, 0);
    recover();
}

/* Fails once, then accepts one client. */
static void fail_and_recover(int error)
{
    int fds = door.n_fds;

    let_fail(error);
    run_for(0.005);
    faulty.error = 0;
    visit(0, 1);
    run_for(1);
    EXPECT_INT(door.n_fds, fds + 1);
}

TEST(reports_each_episode, "D-07 N-07: what fails again after a while is reported again, what fails again soon is not")
{
    FAULTY_HOUSE();
    door.quiet = true;
    fail_and_recover(-EMFILE);
    EXPECT_TRACE("[0.000] reported: socket.accept() out of system resource, EMFILE\n");
    fail_and_recover(-EMFILE);
    EXPECT_TRACE("");
    run_for(20);
    fail_and_recover(-ENFILE);
    EXPECT_TRACE("[22.010] reported: socket.accept() out of system resource, ENFILE\n");
    /* A success had made the pauses short again. */
    EXPECT_DOUBLE((double)door.acceptor.retry_ns, 0);
    close_door();
    trace_clear();
}

TEST(without_a_spare, "D-07: a spare descriptor that cannot be had back is done without, and taken when there are some")
{
    FAULTY_HOUSE();
    let_fail(-EMFILE);
    faulty.no_sockets = true;
    run_for(2);
    /* The first try gave it up and did not get it back. */
    EXPECT(faulty.n_attempts > 5);
    EXPECT_INT(faulty.n_nowait, 1);
    EXPECT(door.acceptor.spare_fd < 0);
    faulty.no_sockets = false;
    run_for(2);
    EXPECT(faulty.n_nowait > 1);
    EXPECT(door.acceptor.spare_fd >= 0);
    recover();
}

TEST(spare_after_a_success, "D-07: the next client that is accepted brings the spare back, too")
{
    FAULTY_HOUSE();
    let_fail(-EMFILE);
    faulty.no_sockets = true;
    run_for(0.005);
    faulty.error = 0;
    run_for(1);
    EXPECT(door.acceptor.spare_fd < 0);
    faulty.no_sockets = false;
    visit(0, 1);
    run_for(1);
    EXPECT(door.acceptor.spare_fd >= 0);
    close_door();
    trace_clear();
}

TEST(handler_closes, "D-07: the exception handler may close the acceptor")
{
    for (int at_once = 0; at_once < 2; at_once++) {
        FAULTY_HOUSE();
        asyncio_loop_set_exception_handler(loop, report, &door.acceptor);
        faulty.at_once = at_once;
        let_fail(-EMFILE);
        run_for(1);
        EXPECT_TRACE("[0.000] reported: socket.accept() out of system resource, EMFILE\n[0.000] closed\n");
        close_door();
    }
}

TEST(closed_while_exhausted, "D-07: closing ends the wait for the next try")
{
    FAULTY_HOUSE();
    let_fail(-ENOBUFS);
    run_for(5.005);
    trace_clear();
    close_door();
    EXPECT_TRACE("[5.005] closed\n");
}

TEST(paused_while_exhausted, "R10 D-07: a pause during the wait for the next try lasts until it is ended")
{
    FAULTY_HOUSE();
    let_fail(-EMFILE);
    run_for(0.005);
    trace_clear();
    faulty.error = 0;
    asyncio__acceptor_pause(&door.acceptor);
    visit(0, 1);
    run_for(5);
    EXPECT_TRACE("");
    asyncio__acceptor_resume(&door.acceptor);
    run_for(1);
    EXPECT_TRACE("[5.005] accepted 1\n");
    close_door();
    trace_clear();
}
