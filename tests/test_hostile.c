/* What the hostile build does: so that nothing of it gets lost unseen, and what it does not do, because no kernel
 * would. */
#include "rig.h"

#include "base/list.h"
#include "base/mem.h"

/* Skips what only the hostile build does; in it, undoes what other tests of the back ends are spared. */
static void open_hostile_rig(void)
{
    if (!test_hostile())
        SKIP("only in the hostile build");
    open_rig(test_backend());
    test_spare(0, "it is what this is about");
}

static int64_t send_some(int fd, const char *text)
{
    return call(
        (struct asyncio_op){.opcode = ASYNCIO_OP_SEND, .fd = fd, .buffer = {(void *)(uintptr_t)text, strlen(text), 0}});
}

static int64_t read_now(int opcode, int fd, char *data, size_t size, int flags)
{
    return call((struct asyncio_op){
        .opcode = (uint8_t)opcode, .flags = ASYNCIO_OP_NOWAIT, .fd = fd, .buffer = {data, size, flags}});
}

/* ---------------------------------------------------------------------------------------------------------- Bytes */

TEST_NO_SWEEP(short_reads, "a stream gives a byte at a time, and the next one without an event", RIG)
{
    struct probe reader = {0};
    int fds[2], n = 0;
    char byte;

    open_hostile_rig();
    make_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    while (n < 20)
        n += (int)send_some(fds[1], &"twenty bytes, in all"[n]);
    wait_for(&reader, 1);
    EXPECT_TRACE("reader: 1\n");
    for (int i = 1; i < n; i++)
        EXPECT_INT(read_now(ASYNCIO_OP_RECV, fds[0], &byte, 1, 0), 1);
    EXPECT_INT(read_now(ASYNCIO_OP_RECV, fds[0], &byte, 1, 0), -EAGAIN);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(short_writes, "a stream takes one to seven bytes at a time, also of a vector, in order", RIG)
{
    static const char text[] = "a text that is sent in many parts";
    struct asyncio_bytes pieces[3] = {{text, 1}, {text + 1, 2}, {text + 3, 7}};
    int fds[2], n = 0;
    char got[64] = "";

    open_hostile_rig();
    make_pair(fds);
    n = (int)call((struct asyncio_op){.opcode = ASYNCIO_OP_SENDV, .fd = fds[1], .vector = {pieces, 3, 0}});
    EXPECT(n >= 1 && n <= 7);
    while (n < (int)sizeof text - 1) {
        int64_t r = send_some(fds[1], text + n);

        EXPECT(r >= 1 && r <= 7);
        n += (int)r;
    }
    for (int i = 0; i < n; i++)
        EXPECT_INT(read_now(ASYNCIO_OP_RECV, fds[0], got + i, 10, 0), 1);
    EXPECT_STR(got, text);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(pipes_in_one_piece, "a pipe gives a byte at a time, but takes PIPE_BUF whole", RIG)
{
    static char block[4096];
    int fds[2];

    open_hostile_rig();
    make_pipe(fds);
    EXPECT_INT(call((struct asyncio_op){.opcode = ASYNCIO_OP_WRITE, .fd = fds[1], .buffer = {block, 4096, 0}}), 4096);
    EXPECT_INT(read_now(ASYNCIO_OP_READ, fds[0], block, sizeof block, 0), 1);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(looked_at_whole, "what is only looked at is not cut", RIG)
{
    char data[8] = "";
    int fds[2], n;

    open_hostile_rig();
    make_pair(fds);
    n = (int)send_some(fds[1], "look");
    EXPECT_INT(read_now(ASYNCIO_OP_RECV, fds[0], data, sizeof data, MSG_PEEK), n);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

/* -------------------------------------------------------------------------------------------------------- Cancels */

TEST_NO_SWEEP(late_cancel_of_nothing, "a cancel is late: the next poll says -ECANCELED where nothing has happened", RIG)
{
    struct probe reader = {0};
    int fds[2];

    open_hostile_rig();
    make_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    EXPECT(!ops->cancel(backend, &reader.op));
    EXPECT(!ops->cancel(backend, &reader.op));
    EXPECT_INT(ops->pending(backend), 1);
    EXPECT_TRACE("");
    look();
    EXPECT_TRACE("reader: -ECANCELED\n");
    EXPECT_INT(ops->pending(backend), 0);
    /* What comes later is the next one's. */
    EXPECT(send_some(fds[1], "x") == 1);
    if (!start_recv(&reader, "next", fds[0]))
        wait_for(&reader, 1);
    EXPECT_INT(result_of(&reader), 1);
    trace_clear();
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_EPOLL(late_cancel_of_something, "what comes between the cancel and the poll is read all the same")
{
    struct probe reader = {0};
    int fds[2];

    open_hostile_rig();
    make_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    EXPECT(!ops->cancel(backend, &reader.op));
    EXPECT(send_some(fds[1], "x") == 1);
    look();
    EXPECT_TRACE("reader: 1\n");
    EXPECT_STR(reader.data, "x");
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_NO_SWEEP(late_cancel_then_close, "closing ends what a late cancel has left", RIG)
{
    struct probe reader = {0};
    int fds[2];

    open_hostile_rig();
    make_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    EXPECT(!ops->cancel(backend, &reader.op));
    close_fd(fds[0]);
    close_fd(fds[1]);
    look();
    EXPECT(reader.ended);
    EXPECT(result_of(&reader) == -ASYNCIO_ECLOSED || result_of(&reader) == -ECANCELED);
    close_rig();
}

/* --------------------------------------------------------------------------------------------------------- Memory */

TEST_NO_SWEEP(memory_moves, "memory that grows or shrinks has a new place; what is in it stays, and the rest is poison",
              "it looks at memory")
{
    unsigned char *memory, *moved;

    if (!test_hostile())
        SKIP("only in the hostile build");
    memory = asyncio__malloc(4);
    EXPECT_INT(memory[3], ASYNCIO__POISON);
    memory[0] = 1;
    moved = asyncio__realloc(memory, 8);
    EXPECT(moved != memory);
    EXPECT_INT(moved[0], 1);
    EXPECT_INT(moved[7], ASYNCIO__POISON);
    memory = asyncio__realloc(moved, 1);
    EXPECT(memory != moved);
    EXPECT_INT(memory[0], 1);
    asyncio__free(memory);
}

static int looks_at_stack(void *arg)
{
    unsigned char below[256];
    int n = 0;

    /* The compiler must not know that nobody has written there. */
    __asm__ volatile("" : : "r"(below) : "memory");
    for (size_t i = 0; i < sizeof below; i++)
        n += below[i] == ASYNCIO__POISON;
    *(int *)arg += n;
    return 0;
}

static int spawns_some(void *arg)
{
    for (int i = 0; i < 3; i++) {
        struct asyncio_future *task = asyncio_create_task(looks_at_stack, arg);

        EXPECT_INT(asyncio_await(task), 0);
        asyncio_future_unref(task);
    }
    return 0;
}

TEST_NO_SWEEP(stacks_are_poisoned, "what a task finds on its stack is not what another has left", "it looks at memory")
{
    int n_poisoned = 0;

    if (!test_hostile())
        SKIP("only in the hostile build");
    EXPECT_INT(run(spawns_some, &n_poisoned), 0);
    EXPECT_INT(n_poisoned, 3 * 256);
}

/* ---------------------------------------------------------------------------------------------------- One at a time */

TEST_EPOLL(one_event_a_poll, "a poll brings one event, the next poll the next")
{
    struct probe readers[2] = {{.name = ""}};
    int fds[2][2];

    open_hostile_rig();
    for (int i = 0; i < 2; i++) {
        make_pair(fds[i]);
        EXPECT(!start_recv(&readers[i], "reader", fds[i][0]));
    }
    look_often();
    for (int i = 0; i < 2; i++)
        EXPECT(send_some(fds[i][1], "x") == 1);
    look();
    EXPECT_TRACE("reader: 1\n");
    look();
    EXPECT_TRACE("reader: 1\n");
    for (int i = 0; i < 2; i++) {
        close_fd(fds[i][0]);
        close_fd(fds[i][1]);
    }
    close_rig();
}
