/* What is special about io_uring: queues that are too small, cancels that come late, buffers that are the kernel's, a
 * ring that belongs to a thread, and kernels that refuse it. */
#include "rig.h"

#include "base/base.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ----------------------------------------------------------------------------------------------------- Tiny queues */

#define N_PAIRS 50

/* Many receives that all become ready, on a ring that has no room for them. */
static void crowd(const char *asked)
{
    static struct probe readers[N_PAIRS];
    static int fds[N_PAIRS][2];
    int left = N_PAIRS;

    memset(readers, 0, sizeof readers);
    open_rig(asked);
    for (int i = 0; i < N_PAIRS; i++) {
        make_pair(fds[i]);
        EXPECT(!start_recv(&readers[i], "reader", fds[i][0]));
    }
    look_often();
    for (int i = 0; i < N_PAIRS; i++)
        send_text(fds[i][1], "x");
    while (left > 0) {
        EXPECT_INT(ops->poll(backend, ops->now(backend) + NS_PER_SEC, false), 0);
        left = 0;
        for (int i = 0; i < N_PAIRS; i++)
            left += !readers[i].ended;
    }
    for (int i = 0; i < N_PAIRS; i++) {
        EXPECT_INT(readers[i].op.result, 1);
        close_fd(fds[i][0]);
        close_fd(fds[i][1]);
    }
    EXPECT_INT(ops->pending(backend), 0);
    close_rig();
    trace_clear();
}

TEST_EPOLL(full_queue, "R13: what has no place in the submission queue goes with the next call")
{
    crowd("uring:entries=1");
    crowd("uring:entries=4,plain");
}

TEST_EPOLL(overflow, "R13: completions that have no place in their queue are kept by the kernel and not forgotten")
{
    crowd("uring:entries=64,completions=64");
    crowd("uring:entries=2,completions=2");
    crowd("uring:entries=2,completions=2,plain");
}

TEST_EPOLL(short_submit, "R13: a kernel that takes one request at a time gets them all")
{
    crowd("uring:most=1");
}

/* --------------------------------------------------------------------------------------------------------- Cancels */

static bool is_all(const char *data, size_t size, char byte)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != byte)
            return false;
    return true;
}

TEST_EPOLL(buffer_after_cancel, "R2: a cancelled receive has let go of its buffer: what comes later does not get there")
{
    struct probe reader = {0};
    char data[8];
    int fds[2];

    open_rig("uring");
    make_pair(fds);
    for (int i = 0; i < 100; i++) {
        EXPECT(!start_recv(&reader, "reader", fds[0]));
        look();
        EXPECT(ops->cancel(backend, &reader.op));
        memset(reader.data, 'P', sizeof reader.data);
        send_text(fds[1], "abc");
        look_often();
        EXPECT(is_all(reader.data, sizeof reader.data, 'P'));
        EXPECT_INT(recv_now(fds[0], data, sizeof data), 3);
    }
    EXPECT_INT(ops->pending(backend), 0);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_EPOLL(late_cancel, "R2: cancelled without the kernel's answer, it completes later, and not before that")
{
    struct probe reader = {0};
    int fds[2];

    /* Without DEFER_TASKRUN a receive happens at the next system call, whichever that is. */
    open_rig("uring:no-waiting,plain");
    make_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    look();
    EXPECT(!ops->cancel(backend, &reader.op));
    EXPECT_INT(ops->pending(backend), 1);
    while (!reader.ended)
        look();
    EXPECT_TRACE("reader: -ECANCELED\n");
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    look();
    send_text(fds[1], "abc");
    EXPECT(!ops->cancel(backend, &reader.op));
    reader.ended = false;
    while (!reader.ended)
        look();
    EXPECT_TRACE("reader: 3\n");
    EXPECT(memcmp(reader.data, "abc", 3) == 0);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_EPOLL(happened_before_the_cancel, "R2: a receive that has happened is not undone: its bytes are delivered")
{
    struct probe reader = {0};
    int fds[2];

    open_rig("uring:plain");
    make_pair(fds);
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    look();
    send_text(fds[1], "abc");
    EXPECT(!ops->cancel(backend, &reader.op));
    while (!reader.ended)
        look();
    EXPECT_TRACE("reader: 3\n");
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_rig();
}

TEST_EPOLL(closed_for_the_peer, "R3: a closed fd is closed for its peer at once, whatever the ring had of it")
{
    struct probe reader = {0}, watcher = {0};
    int fds[2], more[2];
    char data[8];

    open_rig("uring");
    make_pair(fds);
    make_pair(more);
    EXPECT(!start_recv(&reader, "reader", fds[0]));
    EXPECT(!start_standing_recv(&watcher, "watcher", more[0]));
    look();
    close_fd(fds[0]);
    close_fd(more[0]);
    EXPECT_INT(recv_now(fds[1], data, sizeof data), 0);
    EXPECT_INT(recv_now(more[1], data, sizeof data), 0);
    look();
    EXPECT_TRACE("reader: -ASYNCIO_ECLOSED\nwatcher: -ASYNCIO_ECLOSED\n");
    close_fd(fds[1]);
    close_fd(more[1]);
    close_rig();
}

/* --------------------------------------------------------------------------------------------------------- Threads */

static void *poll_elsewhere(void *arg)
{
    *(int *)arg = ops->poll(backend, 0, false);
    return NULL;
}

static int poll_in_thread(void)
{
    pthread_t thread;
    int r = 1;

    EXPECT_INT(pthread_create(&thread, NULL, poll_elsewhere, &r), 0);
    pthread_join(thread, NULL);
    return r;
}

TEST_EPOLL(moved_to_another_thread, "R20: polls go with the loop to another thread; a receive under way keeps it there")
{
    struct probe standing = {0}, reader = {0};
    int fds[2], more[2];

    open_rig("uring");
    make_pair(fds);
    make_pair(more);
    EXPECT(!start_poll(&standing, "standing", fds[0], ASYNCIO_READABLE, ASYNCIO_OP_STANDING));
    look();
    EXPECT_INT(poll_in_thread(), 0);
    look();
    send_text(fds[1], "x");
    wait_for(&standing, 1);
    EXPECT(ops->cancel(backend, &standing.op));
    EXPECT(!start_recv(&reader, "reader", more[0]));
    look();
    EXPECT_INT(poll_in_thread(), -EXDEV);
    EXPECT(ops->cancel(backend, &reader.op));
    EXPECT_INT(poll_in_thread(), 0);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_fd(more[0]);
    close_fd(more[1]);
    close_rig();
}

/* -------------------------------------------------------------------------------------------------------- Refusals */

/* Lets a system call end with an action of seccomp(2). */
static void filter(long number, uint32_t action)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {ARRAY_SIZE(steps), steps};

    EXPECT_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    EXPECT_INT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void expect_choice(const char *asked, const char *name, const char *why)
{
    struct asyncio_loop *loop;

    EXPECT_INT(asyncio_new_event_loop(&loop, .backend = asked), 0);
    EXPECT_STR(asyncio_loop_backend(loop), name);
    EXPECT_STR(asyncio_loop_backend_reason(loop), why);
    asyncio_loop_close(loop);
    asyncio_loop_unref(loop);
}

TEST_EPOLL(refused, "R1: where io_uring is forbidden epoll takes its place, and the reason says so")
{
    static const char why[] = "epoll, as io_uring is forbidden here, by a sandbox or by kernel.io_uring_disabled";

    filter(SYS_io_uring_setup, SECCOMP_RET_ERRNO | EPERM);
    expect_choice("uring", "epoll", why);
    expect_choice("uring:entries=8", "epoll", why);
    expect_choice("auto", "epoll", why);
}

TEST_EPOLL(missing, "R1: so it is where there is none")
{
    filter(SYS_io_uring_setup, SECCOMP_RET_ERRNO | ENOSYS);
    expect_choice("uring", "epoll", "epoll, as the kernel has no io_uring");
}

TEST_EPOLL(refused_later, "R1: and where a ring can be made but not used")
{
    filter(SYS_io_uring_enter, SECCOMP_RET_ERRNO | EPERM);
    expect_choice("uring", "epoll",
                  "epoll, as io_uring is forbidden here, by a sandbox or by kernel.io_uring_disabled");
}

TEST_EPOLL(not_touched, "R1: with epoll asked for not one system call of io_uring is made")
{
    filter(SYS_io_uring_setup, SECCOMP_RET_KILL_PROCESS);
    setenv("ASYNCIO_BACKEND", "epoll", 1);
    expect_choice(NULL, "epoll", "asked for by ASYNCIO_BACKEND");
    expect_choice("epoll", "epoll", "asked for by the program");
}

TEST_EPOLL(asked_for, "R1: where it works it is had, by name or as the best there is")
{
    if (asyncio__uring_probe() < 0)
        SKIP("no io_uring here");
    expect_choice("uring", "uring", "asked for by the program");
    expect_choice("auto", "uring", "io_uring works here");
}
