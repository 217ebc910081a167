/* test_uring_exactly_once.c -- every byte and every connection is delivered exactly once, however a cancel, queues
 * without room and completions fall together: by the operation that was cancelled, or by the next one.
 *
 * Each test is played on rings of every kind, with every kind of fault, and at every moment at which the cancel can
 * come. */
#include "backend/uring.h"

#include "rig.h"
#include "ring_faults.h"

#include <stdlib.h>

#define POISON 'P'

/* Kinds of rings: of the usual size; too small; as older kernels have it; with cancels that come late; whose requests
 * are taken one at a time. */
static const char *const kinds[] = {
    "uring",
    "uring:entries=1,completions=2",
    "uring:plain",
    "uring:plain,entries=1,completions=2",
    "uring:no-waiting",
    "uring:no-waiting,plain,entries=2,completions=2",
    "uring:most=1",
};

#define FOR_KINDS(kind, plan)                               \
    for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++) \
        for (int plan = RING_PLAIN; plan < N_RING_PLANS; plan++)

/* When the peer acts: before the kernel knows of the operation, when it does, after the kernel may have done it. */
enum moment { BEFORE, BETWEEN, AFTER, N_MOMENTS };

static void need_uring(void)
{
    if (asyncio__uring_probe() < 0)
        SKIP("no io_uring here");
}

/* A poll that does not block, and may be interrupted by a plan. */
static void glance(void)
{
    int r = ops->poll(backend, 0, false);

    EXPECT(r == 0 || r == -EINTR);
}

static void glance_often(void)
{
    for (int i = 0; i < 5; i++)
        glance();
}

static void open_faulty(size_t kind, int plan)
{
    /* Shown when it fails; what went well before is of no interest then. */
    EXPECT_INT(ftruncate(STDOUT_FILENO, 0), 0);
    printf("%s with %s:\n", kinds[kind], ring_plan_names[plan]);
    fflush(stdout);
    open_rig(kinds[kind]);
    plan_faults((enum ring_plan)plan, &backend->ring);
}

/* Whatever happened, nothing is under way any more. */
static void close_faulty(void)
{
    for (int i = 0; i < 30; i++)
        glance();
    EXPECT_INT(ops->pending(backend), 0);
    plan_faults(RING_PLAIN, NULL);
    close_rig();
    trace_clear();
}

static void wait_for_end(struct probe *probe)
{
    for (int i = 0; i < 1000 && !probe->ended; i++) {
        int r = ops->poll(backend, ops->now(backend) + NS_PER_SEC / 100, false);

        EXPECT(r == 0 || r == -EINTR);
    }
    EXPECT(probe->ended);
}

static bool is_poison(const char *data, size_t size)
{
    while (size > 0 && data[size - 1] == POISON)
        size--;
    return size == 0;
}

/* ------------------------------------------------------------------------------------------------- Many receives */

#define N_PAIRS 20

/* Receives of which half are cancelled, when some have happened and some have not. */
static void cancel_crowd(size_t kind, int plan, int shift, bool all_at_once)
{
    static struct probe readers[N_PAIRS];
    static int fds[N_PAIRS][2];
    static bool undone[N_PAIRS];
    char data[8];

    open_faulty(kind, plan);
    for (int i = 0; i < N_PAIRS; i++) {
        make_pair(fds[i]);
        EXPECT(!start_recv(&readers[i], "reader", fds[i][0]));
    }
    glance();
    for (int i = 0; i < N_PAIRS; i++)
        if ((i + shift) % 3 == 0)
            send_text(fds[i][1], "abc");
    if (!all_at_once)
        glance();
    for (int i = 0; i < N_PAIRS; i++) {
        undone[i] = !readers[i].ended && (i + shift) % 2 == 0 && ops->cancel(backend, &readers[i].op);
        if (undone[i])
            memset(readers[i].data, POISON, sizeof readers[i].data);
    }
    for (int i = 0; i < N_PAIRS; i++)
        if ((i + shift) % 3 != 0)
            send_text(fds[i][1], "abc");
    glance_often();
    for (int i = 0; i < N_PAIRS; i++) {
        if (!undone[i]) {
            wait_for_end(&readers[i]);
            EXPECT(readers[i].op.result == 3 || readers[i].op.result == -ECANCELED);
        } else {
            EXPECT(is_poison(readers[i].data, sizeof readers[i].data));
        }
        /* Who got nothing has left it for the next one. */
        EXPECT_INT(recv_now(fds[i][0], data, sizeof data),
                   undone[i] || readers[i].op.result == -ECANCELED ? 3 : -EAGAIN);
        close_fd(fds[i][0]);
        close_fd(fds[i][1]);
    }
    close_faulty();
}

TEST_EPOLL(crowd,
           "R2 R13: of many receives half are cancelled on rings that have no room for them: each byte comes once")
{
    need_uring();
    FOR_KINDS(kind, plan)
    {
        for (int shift = 0; shift < 6; shift++) {
            cancel_crowd(kind, plan, shift, true);
            cancel_crowd(kind, plan, shift, false);
        }
    }
}

/* -------------------------------------------------------------------------------------------------------- Receives */

/* The bytes that a probe of receives has got, one after the other. */
static char heard[64];

static void hear(const struct probe *probe)
{
    const char *data = probe->op.buffer.data ? probe->op.buffer.data : probe->data;
    size_t length = strlen(heard);

    if (probe->op.result > 0)
        snprintf(heard + length, sizeof heard - length, "%.*s", (int)probe->op.result, data);
}

/* A standing receive delivers a buffer, which is handed back once it has been read. */
static void heard_standing(struct asyncio_op *op)
{
    struct probe *probe = (struct probe *)op;
    bool more = op->completion & ASYNCIO_OP_MORE;

    EXPECT(!probe->ended);
    probe->completions++;
    probe->ended = !more;
    hear(probe);
    if (op->completion & ASYNCIO_OP_BUFFER)
        ops->release(backend, op->fd, op->buffer.data);
}

static void receive_once(size_t kind, int plan, enum moment moment, bool standing, int looks)
{
    struct probe reader = {.then = NULL}, next = {.then = NULL};
    bool undone;
    char rest[16] = "";
    int fds[2];

    heard[0] = 0;
    open_faulty(kind, plan);
    make_pair(fds);
    if (moment == BEFORE)
        send_text(fds[1], "ab");
    reader.name = "reader";
    reader.op = (struct asyncio_op){.opcode = ASYNCIO_OP_RECV,
                                    .flags = standing ? ASYNCIO_OP_STANDING : 0,
                                    .fd = fds[0],
                                    .complete = heard_standing};
    if (!standing)
        reader.op.buffer = (struct asyncio_op_buffer){reader.data, sizeof reader.data, 0};
    if (ops->submit(backend, &reader.op)) {
        reader.ended = true;
        hear(&reader);
    }
    while (looks-- > 0 && !reader.ended)
        glance();
    if (moment == BETWEEN)
        send_text(fds[1], "ab");
    undone = !reader.ended && ops->cancel(backend, &reader.op);
    if (undone)
        memset(&reader, POISON, sizeof reader);
    if (moment == AFTER)
        send_text(fds[1], "ab");
    send_text(fds[1], "cd");
    glance_often();
    if (undone)
        EXPECT(is_poison((char *)&reader, sizeof reader));
    else
        wait_for_end(&reader);
    /* All that is left is the next one's. */
    while (strlen(heard) < 4) {
        if (!start_recv(&next, "next", fds[0]))
            wait_for_end(&next);
        EXPECT(next.op.result > 0);
        hear(&next);
    }
    EXPECT_STR(heard, "abcd");
    EXPECT_INT(recv_now(fds[0], rest, sizeof rest), -EAGAIN);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_faulty();
}

static void receive_at_all_moments(bool standing)
{
    need_uring();
    FOR_KINDS(kind, plan)
    {
        for (int moment = 0; moment < N_MOMENTS; moment++)
            for (int looks = 0; looks < 3; looks++)
                receive_once(kind, plan, (enum moment)moment, standing, looks);
    }
}

TEST_EPOLL(receive, "R2 #72: a receive that is cancelled has happened, and delivers, or has not, and leaves it all")
{
    receive_at_all_moments(false);
}

TEST_EPOLL(standing_receive, "R2 #72: so it is with what a standing receive has got when it is taken back")
{
    receive_at_all_moments(true);
}

/* --------------------------------------------------------------------------------------------------------- Accepts */

#define N_CALLERS 5

/* How many connections were delivered. */
static int n_accepted;

static void count_accepted(struct asyncio_op *op)
{
    struct probe *probe = (struct probe *)op;

    EXPECT(!probe->ended);
    probe->ended = !(op->completion & ASYNCIO_OP_MORE);
    if (op->result >= 0) {
        n_accepted++;
        close_fd((int)op->result);
    }
}

static int listener_at(struct sockaddr_un *address)
{
    int fd = make_socket(AF_UNIX);
    char name[64];

    snprintf(name, sizeof name, "once-%d", (int)getpid());
    *address = unix_address(name);
    EXPECT_INT(bind_to(fd, address, sizeof *address), 0);
    EXPECT_INT(listen_on(fd, 100), 0);
    return fd;
}

static void call_in(const struct sockaddr_un *address, int *callers, int n)
{
    struct probe connecting = {0};

    for (int i = 0; i < n; i++) {
        callers[i] = make_socket(AF_UNIX);
        EXPECT(start_connect(&connecting, "connect", callers[i], address, sizeof *address));
        EXPECT_INT(connecting.op.result, 0);
    }
}

static void accept_once(size_t kind, int plan, enum moment moment, bool standing, int looks)
{
    struct probe acceptor = {0}, next = {0};
    struct sockaddr_un address;
    int callers[N_CALLERS + 1], fd;
    bool undone;

    n_accepted = 0;
    open_faulty(kind, plan);
    fd = listener_at(&address);
    if (moment == BEFORE)
        call_in(&address, callers, N_CALLERS);
    acceptor.op = (struct asyncio_op){
        .opcode = ASYNCIO_OP_ACCEPT, .flags = standing ? ASYNCIO_OP_STANDING : 0, .fd = fd, .complete = count_accepted};
    if (ops->submit(backend, &acceptor.op)) {
        acceptor.ended = true;
        n_accepted++;
        close_fd((int)acceptor.op.result);
    }
    while (looks-- > 0 && !acceptor.ended)
        glance();
    if (moment == BETWEEN)
        call_in(&address, callers, N_CALLERS);
    undone = !acceptor.ended && ops->cancel(backend, &acceptor.op);
    if (undone)
        memset(&acceptor, POISON, sizeof acceptor);
    if (moment == AFTER)
        call_in(&address, callers, N_CALLERS);
    call_in(&address, &callers[N_CALLERS], 1);
    glance_often();
    if (undone)
        EXPECT(is_poison((char *)&acceptor, sizeof acceptor));
    else
        wait_for_end(&acceptor);
    while (n_accepted < N_CALLERS + 1) {
        if (!start_accept(&next, "next", fd, 0))
            wait_for_end(&next);
        EXPECT(next.op.result >= 0);
        n_accepted++;
        close_fd((int)next.op.result);
    }
    EXPECT(!start_accept(&next, "nobody", fd, 0));
    if (!ops->cancel(backend, &next.op))
        wait_for_end(&next);
    for (int i = 0; i <= N_CALLERS; i++)
        close_fd(callers[i]);
    close_fd(fd);
    close_faulty();
}

static void accept_at_all_moments(bool standing)
{
    need_uring();
    FOR_KINDS(kind, plan)
    {
        for (int moment = 0; moment < N_MOMENTS; moment++)
            for (int looks = 0; looks < 3; looks++)
                accept_once(kind, plan, (enum moment)moment, standing, looks);
    }
}

TEST_EPOLL(accept, "IO-06 #72: a connection that was accepted when the cancel came is delivered, or the next one's")
{
    accept_at_all_moments(false);
}

TEST_EPOLL(standing_accept, "IO-06 #72: so it is with the connections of a standing accept that is taken back")
{
    accept_at_all_moments(true);
}
