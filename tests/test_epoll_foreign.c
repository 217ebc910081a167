/* Fds that are somebody else's, in the epoll back end: watched by level, never owned. */
#include "rig.h"

TEST_NO_SWEEP(watch_by_level, "a watch reports in every poll while its fd is ready", RIG)
{
    struct probe watch = {0};
    char data[8];
    int fds[2];

    open_rig("epoll");
    foreign_pair(fds);
    EXPECT(!start_poll(&watch, "reader", fds[0], ASYNCIO_READABLE, WATCH));
    look_often();
    EXPECT_INT(write(fds[1], "xy", 2), 2);
    look();
    look();
    EXPECT_INT(read(fds[0], data, 1), 1);
    look();
    EXPECT_INT(read(fds[0], data, 1), 1);
    look_often();
    EXPECT_TRACE("reader: 1 more\nreader: 1 more\nreader: 1 more\n");
    EXPECT(ops->cancel(backend, &watch.op));
    EXPECT_INT(write(fds[1], "x", 1), 1);
    look_often();
    EXPECT_TRACE("");
    close_foreign(fds);
    close_rig();
}

TEST_NO_SWEEP(watch_mask_follows, "a reader and a writer of one foreign fd come and go independently", RIG)
{
    struct probe reader = {0}, writer = {0};
    int fds[2];

    open_rig("epoll");
    foreign_pair(fds);
    EXPECT(!start_poll(&reader, "reader", fds[0], ASYNCIO_READABLE, WATCH));
    look();
    EXPECT(!start_poll(&writer, "writer", fds[0], ASYNCIO_WRITABLE, WATCH));
    look();
    EXPECT_TRACE("writer: 4 more\n");
    EXPECT_INT(write(fds[1], "x", 1), 1);
    look();
    EXPECT_TRACE("reader: 1 more\nwriter: 4 more\n");
    EXPECT(ops->cancel(backend, &writer.op));
    look();
    EXPECT_TRACE("reader: 1 more\n");
    EXPECT(ops->cancel(backend, &reader.op));
    EXPECT(!start_poll(&writer, "writer", fds[0], ASYNCIO_WRITABLE, WATCH));
    look();
    EXPECT_TRACE("writer: 4 more\n");
    EXPECT(ops->cancel(backend, &writer.op));
    look();
    EXPECT_TRACE("");
    close_foreign(fds);
    close_rig();
}

TEST_NO_SWEEP(watch_and_wait, "one standing and one one-shot poll share a foreign fd and direction, a third is -EBUSY",
              RIG)
{
    struct probe watch = {0}, wait = {0}, third = {0};
    int fds[2];

    open_rig("epoll");
    foreign_pair(fds);
    EXPECT(!start_poll(&watch, "watch", fds[0], ASYNCIO_READABLE, WATCH));
    EXPECT(!start_poll(&wait, "wait", fds[0], ASYNCIO_READABLE, ASYNCIO_OP_FOREIGN));
    EXPECT(start_poll(&third, "second wait", fds[0], ASYNCIO_READABLE, ASYNCIO_OP_FOREIGN));
    EXPECT(start_poll(&third, "second watch", fds[0], ASYNCIO_READABLE, WATCH));
    EXPECT(start(&third, "receive",
                 (struct asyncio_op){.opcode = ASYNCIO_OP_RECV,
                                     .flags = ASYNCIO_OP_FOREIGN,
                                     .fd = fds[0],
                                     .buffer = {.data = third.data, .size = 1}}));
    EXPECT_TRACE("second wait: -EBUSY at once\nsecond watch: -EBUSY at once\nreceive: -EBUSY at once\n");
    EXPECT_INT(write(fds[1], "x", 1), 1);
    look();
    EXPECT_TRACE("watch: 1 more\nwait: 1\n");
    look();
    EXPECT_TRACE("watch: 1 more\n");
    EXPECT(ops->cancel(backend, &watch.op));
    close_foreign(fds);
    close_rig();
}

TEST_NO_SWEEP(wait_at_once, "a one-shot poll of a foreign fd that is ready is done at once, for either or both events",
              RIG)
{
    struct probe wait = {0};
    int fds[2];

    open_rig("epoll");
    foreign_pair(fds);
    EXPECT(start_poll(&wait, "write", fds[0], ASYNCIO_WRITABLE, ASYNCIO_OP_FOREIGN));
    EXPECT(start_poll(&wait, "both", fds[0], ASYNCIO_READABLE | ASYNCIO_WRITABLE, ASYNCIO_OP_FOREIGN));
    EXPECT(!start_poll(&wait, "read", fds[0], ASYNCIO_READABLE, ASYNCIO_OP_FOREIGN));
    close(fds[1]);
    wait_for(&wait, 1);
    EXPECT(start_poll(&wait, "hung up", fds[0], ASYNCIO_READABLE | ASYNCIO_WRITABLE, ASYNCIO_OP_FOREIGN));
    EXPECT_TRACE("write: 4 at once\nboth: 4 at once\nread: 1\nhung up: 5 at once\n");
    EXPECT_INT(ops->pending(backend), 0);
    close(fds[0]);
    close_rig();
}

TEST_NO_SWEEP(wait_for_both, "a one-shot poll for both events completes once, with what is there", RIG)
{
    static char block[4096];
    struct probe wait = {0};
    int fds[2];

    open_rig("epoll");
    foreign_pair(fds);
    while (write(fds[0], block, sizeof block) > 0)
        ;
    EXPECT(!start_poll(&wait, "both", fds[0], ASYNCIO_READABLE | ASYNCIO_WRITABLE, ASYNCIO_OP_FOREIGN));
    look_often();
    while (read(fds[1], block, sizeof block) > 0)
        ;
    EXPECT_INT(write(fds[1], "x", 1), 1);
    wait_for(&wait, 1);
    look_often();
    EXPECT_TRACE("both: 5\n");
    close_foreign(fds);
    close_rig();
}

TEST_NO_SWEEP(regular_files, "a regular file is always ready, and cannot be watched", RIG)
{
    struct probe probe = {0};
    FILE *file = tmpfile();

    open_rig("epoll");
    EXPECT(start_poll(&probe, "wait", fileno(file), ASYNCIO_READABLE, ASYNCIO_OP_FOREIGN));
    EXPECT(start_poll(&probe, "wait", fileno(file), ASYNCIO_READABLE | ASYNCIO_WRITABLE, ASYNCIO_OP_FOREIGN));
    EXPECT(start_poll(&probe, "watch", fileno(file), ASYNCIO_READABLE, WATCH));
    EXPECT_TRACE("wait: 1 at once\nwait: 5 at once\nwatch: -EPERM at once\n");
    EXPECT_INT(ops->pending(backend), 0);
    fclose(file);
    close_rig();
}

TEST_NO_SWEEP(foreign_bad_fd, "a foreign fd that is closed is -EBADF, waited for or watched", RIG)
{
    struct probe probe = {0};
    int fds[2];

    open_rig("epoll");
    foreign_pair(fds);
    close_foreign(fds);
    start_poll(&probe, "wait", fds[0], ASYNCIO_READABLE, ASYNCIO_OP_FOREIGN);
    start_poll(&probe, "watch", fds[0], ASYNCIO_READABLE, WATCH);
    start_poll(&probe, "negative", -5, ASYNCIO_READABLE, WATCH);
    EXPECT_TRACE("wait: -EBADF at once\nwatch: -EBADF at once\nnegative: -EBADF at once\n");
    close_rig();
}

TEST_NO_SWEEP(foreign_closed_early, "a foreign fd that its owner closes first is forgotten; its number works again",
              RIG)
{
    struct probe watch = {0};
    int fds[2], again[2];

    open_rig("epoll");
    foreign_pair(fds);
    EXPECT(!start_poll(&watch, "old", fds[0], ASYNCIO_READABLE, WATCH));
    close_foreign(fds);
    foreign_pair(again);
    EXPECT_INT(again[0], fds[0]);
    /* The mask changes, so the kernel is asked, which knows no such registration any more. */
    struct probe writer = {0};
    EXPECT(!start_poll(&writer, "new", again[0], ASYNCIO_WRITABLE, WATCH));
    look();
    EXPECT_TRACE("new: 4 more\n");
    EXPECT(ops->cancel(backend, &watch.op));
    EXPECT(ops->cancel(backend, &writer.op));
    EXPECT(!start_poll(&watch, "new", again[0], ASYNCIO_READABLE, WATCH));
    EXPECT_INT(write(again[1], "x", 1), 1);
    look();
    EXPECT_TRACE("new: 1 more\n");
    EXPECT(ops->cancel(backend, &watch.op));
    close_foreign(again);
    close_rig();
}

TEST_NO_SWEEP(foreign_transfer, "reading from a foreign fd waits by level and leaves no registration behind", RIG)
{
    struct probe reader = {0};
    int fds[2];

    open_rig("epoll");
    foreign_pair(fds);
    struct asyncio_op recv = {.opcode = ASYNCIO_OP_RECV,
                              .flags = ASYNCIO_OP_FOREIGN,
                              .fd = fds[0],
                              .buffer = {.data = reader.data, .size = sizeof reader.data}};
    EXPECT(!start(&reader, "recv", recv));
    EXPECT_INT(write(fds[1], "abc", 3), 3);
    wait_for(&reader, 1);
    EXPECT_TRACE("recv: 3\n");
    recv.flags |= ASYNCIO_OP_STANDING;
    EXPECT(start(&reader, "standing", recv));
    EXPECT_TRACE("standing: -EINVAL at once\n");
    close_foreign(fds);
    close_rig();
}

TEST_NO_SWEEP(own_and_foreign, "an fd cannot be the library's own and foreign at the same time", RIG)
{
    struct probe reader = {0}, watch = {0};
    int own[2], foreign[2];

    open_rig("epoll");
    make_pair(own);
    foreign_pair(foreign);
    EXPECT(!start_recv(&reader, "own", own[0]));
    EXPECT(start_poll(&watch, "watch of own", own[0], ASYNCIO_READABLE, WATCH));
    EXPECT(!start_poll(&watch, "watch", foreign[0], ASYNCIO_READABLE, WATCH));
    struct probe other = {0};
    EXPECT(start_recv(&other, "own of foreign", foreign[0]));
    EXPECT_TRACE("watch of own: -EBUSY at once\nown of foreign: -EBUSY at once\n");
    EXPECT(ops->cancel(backend, &watch.op));
    EXPECT(ops->cancel(backend, &reader.op));
    close_fd(own[0]);
    close_fd(own[1]);
    close_foreign(foreign);
    close_rig();
}

/* The reader replaces the writer, which stands behind it in the same event. */
static struct probe replaced;

static void replace_writer(struct probe *probe)
{
    EXPECT(ops->cancel(backend, &replaced.op));
    EXPECT(!start_poll(&replaced, "new writer", probe->op.fd, ASYNCIO_WRITABLE, WATCH));
}

TEST_NO_SWEEP(watch_replaced_inside, "a watch that is set in complete() reports from the next poll on, not in this one",
              RIG)
{
    struct probe reader = {.then = replace_writer};
    int fds[2];

    open_rig("epoll");
    foreign_pair(fds);
    EXPECT(!start_poll(&replaced, "writer", fds[0], ASYNCIO_WRITABLE, WATCH));
    EXPECT(!start_poll(&reader, "reader", fds[0], ASYNCIO_READABLE, WATCH));
    EXPECT_INT(write(fds[1], "x", 1), 1);
    look();
    EXPECT_TRACE("reader: 1 more\n");
    reader.then = NULL;
    look();
    EXPECT_TRACE("reader: 1 more\nnew writer: 4 more\n");
    EXPECT(ops->cancel(backend, &reader.op));
    EXPECT(ops->cancel(backend, &replaced.op));
    close_foreign(fds);
    close_rig();
}
