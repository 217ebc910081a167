/* test_fds.c -- watching fds that belong to somebody else: add_reader, add_writer, asyncio_wait_fd. The simulator has
 * none of them. */
#include "loop_rig.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LEFT_OPEN "it counts events one by one"

static int fds[2];

static void make_sockets(void)
{
    EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

static void make_pipes(void)
{
    EXPECT_INT(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
}

static void close_fds(void)
{
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

static void put(int fd, const char *text)
{
    EXPECT_INT(write(fd, text, strlen(text)), strlen(text));
}

/* Reads one byte and says it. */
static void read_one(void *arg)
{
    char byte = '-';
    ssize_t n = read(fds[0], &byte, 1);

    trace("%s: %s", (const char *)arg, n == 1 ? (char[]){byte, 0} : n == 0 ? "end" : "nothing");
}

static void read_all(void *arg)
{
    char buffer[100];
    ssize_t n = read(fds[0], buffer, sizeof buffer - 1);

    buffer[n < 0 ? 0 : n] = 0;
    trace("%s: %s", (const char *)arg, n == 0 ? "end" : buffer);
}

static void writable(void *arg)
{
    trace("%s: writable", (const char *)arg);
    EXPECT_INT(asyncio_loop_remove_writer(loop, fds[0]), 1);
}

static void reader(const char *name, asyncio_callback *callback)
{
    EXPECT_INT(asyncio_loop_add_reader(loop, fds[0], callback, word(name)), 0);
}

static void writer(const char *name, asyncio_callback *callback)
{
    EXPECT_INT(asyncio_loop_add_writer(loop, fds[0], callback, word(name)), 0);
}

static void turns(int n)
{
    while (n-- > 0)
        one_turn();
}

static void end(void)
{
    asyncio_loop_remove_reader(loop, fds[0]);
    asyncio_loop_remove_writer(loop, fds[0]);
    close_loop();
    close_fds();
}

/* -------------------------------------------------------------------------------------------------------- Watching */

TEST_EPOLL(reader_by_level, "EV-03: a reader is called in every turn while there is something to read, and not after")
{
    open_loop();
    make_sockets();
    reader("reader", read_one);
    turns(2);
    EXPECT_TRACE("");
    put(fds[1], "abc");
    turns(6);
    EXPECT_TRACE("[0.000] reader: a\n[0.000] reader: b\n[0.000] reader: c\n");
    end();
}

TEST_EPOLL(reader_at_the_end, "EV-03: the end of a stream and a hang-up count as readable, in every turn")
{
    open_loop();
    make_pipes();
    reader("reader", read_all);
    put(fds[1], "last words");
    close(fds[1]);
    fds[1] = -1;
    turns(3);
    EXPECT_TRACE("[0.000] reader: last words\n[0.000] reader: end\n[0.000] reader: end\n");
    end();
}

TEST_EPOLL(
    writer_by_level,
    "EV-03: a writer is called while there is room, not while the other side is full, and again when it has read")
{
    static char block[4096];

    open_loop();
    make_sockets();
    writer("first", writable);
    turns(2);
    EXPECT_TRACE("[0.000] first: writable\n");
    while (write(fds[0], block, sizeof block) > 0)
        ;
    writer("full", writable);
    turns(3);
    EXPECT_TRACE("");
    while (read(fds[1], block, sizeof block) > 0)
        ;
    turns(3);
    EXPECT_TRACE("[0.000] full: writable\n");
    end();
}

TEST_EPOLL(reader_before_writer,
           "EV-03: of both directions of one fd the reader comes first; each has its own callback")
{
    open_loop();
    make_sockets();
    writer("writer", writable);
    reader("reader", read_one);
    put(fds[1], "x");
    turns(3);
    EXPECT_TRACE("[0.000] reader: x\n[0.000] writer: writable\n");
    end();
}

TEST_EPOLL(watches_are_independent, "EV-03: removing one direction keeps the other")
{
    open_loop();
    make_sockets();
    reader("reader", read_one);
    writer("writer", writable);
    EXPECT_INT(asyncio_loop_remove_reader(loop, fds[0]), 1);
    put(fds[1], "xy");
    turns(1);
    EXPECT_TRACE("[0.000] writer: writable\n");
    reader("reader", read_one);
    writer("writer", writable);
    EXPECT_INT(asyncio_loop_remove_writer(loop, fds[0]), 1);
    turns(2);
    EXPECT_TRACE("[0.000] reader: x\n[0.000] reader: y\n");
    end();
}

TEST_EPOLL(remove_says_whether,
           "R-11 EV-13: 1 when there was one, else 0: never watched, removed before, another direction, any number")
{
    open_loop();
    make_sockets();
    EXPECT_INT(asyncio_loop_remove_reader(loop, fds[0]), 0);
    reader("reader", read_one);
    EXPECT_INT(asyncio_loop_remove_writer(loop, fds[0]), 0);
    EXPECT_INT(asyncio_loop_remove_reader(loop, fds[0]), 1);
    EXPECT_INT(asyncio_loop_remove_reader(loop, fds[0]), 0);
    EXPECT_INT(asyncio_loop_remove_reader(loop, -1), 0);
    EXPECT_INT(asyncio_loop_remove_reader(loop, INT32_MAX), 0);
    EXPECT_INT(asyncio_loop_remove_writer(loop, 100000), 0);
    end();
}

TEST_EPOLL(reader_replaced, "EV-03: a second reader takes the first one's place, also when that was about to be called")
{
    open_loop();
    make_sockets();
    reader("first", read_one);
    reader("second", read_one);
    put(fds[1], "ab");
    turns(1);
    EXPECT_TRACE("[0.000] second: a\n");
    reader("third", read_one);
    turns(2);
    EXPECT_TRACE("[0.000] third: b\n");
    end();
}

static void replace_reader(void *arg)
{
    read_one(arg);
    reader("replaced", read_one);
}

TEST_EPOLL(reader_replaces_itself, "EV-03: a reader that is replaced from its own callback is not called again")
{
    open_loop();
    make_sockets();
    reader("first", replace_reader);
    put(fds[1], "abc");
    turns(4);
    EXPECT_TRACE("[0.000] first: a\n[0.000] replaced: b\n[0.000] replaced: c\n");
    end();
}

static void remove_itself(void *arg)
{
    read_one(arg);
    EXPECT_INT(asyncio_loop_remove_reader(loop, fds[0]), 1);
    EXPECT_INT(asyncio_loop_remove_reader(loop, fds[0]), 0);
}

TEST_EPOLL(reader_removes_itself, "EV-06 #68: a reader may remove itself, is not called again, and can be added anew")
{
    open_loop();
    make_sockets();
    reader("reader", remove_itself);
    put(fds[1], "ab");
    turns(3);
    EXPECT_TRACE("[0.000] reader: a\n");
    reader("again", remove_itself);
    turns(3);
    EXPECT_TRACE("[0.000] again: b\n");
    end();
}

static void remove_both(void *arg)
{
    read_one(arg);
    EXPECT_INT(asyncio_loop_remove_writer(loop, fds[0]), 1);
    EXPECT_INT(asyncio_loop_remove_reader(loop, fds[0]), 1);
}

TEST_EPOLL(reader_removes_the_writer,
           "EV-06 #68: a reader that removes the writer of the same fd prevents it, though both are ready")
{
    open_loop();
    make_sockets();
    reader("reader", remove_both);
    writer("writer", writable);
    put(fds[1], "x");
    turns(3);
    EXPECT_TRACE("[0.000] reader: x\n");
    end();
}

#define N_PAIRS 8

static int pairs[N_PAIRS][2];

static void remove_all_others(void *arg)
{
    intptr_t own = (intptr_t)arg;

    trace("%d", (int)own);
    for (intptr_t i = 0; i < N_PAIRS; i++)
        if (i != own)
            asyncio_loop_remove_reader(loop, pairs[i][0]);
}

TEST_EPOLL(reader_removes_the_next, "EV-06 #68: of many fds that are ready at once the first may remove all the others")
{
    open_loop();
    for (intptr_t i = 0; i < N_PAIRS; i++) {
        EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pairs[i]), 0);
        EXPECT_INT(asyncio_loop_add_reader(loop, pairs[i][0], remove_all_others, (void *)i), 0);
        put(pairs[i][1], "x");
    }
    one_turn();
    EXPECT_INT(strlen(transcript()), strlen("[0.000] 0\n"));
    trace_clear();
    for (int i = 0; i < N_PAIRS; i++) {
        asyncio_loop_remove_reader(loop, pairs[i][0]);
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
    close_loop();
}

static void read_and_stop(void *arg)
{
    read_one(arg);
    asyncio_loop_stop(loop);
}

TEST_EPOLL(reader_and_stop,
           "#53 R-10: an event that came in the turn in which the loop stopped is told once, not again by the next run")
{
    open_loop();
    make_sockets();
    soon(stop, NULL);
    reader("reader", read_all);
    put(fds[1], "x");
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT_TRACE("[0.000] reader: x\n");
    turns(3);
    EXPECT_TRACE("");
    reader("stops", read_and_stop);
    put(fds[1], "y");
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    turns(2);
    EXPECT_TRACE("[0.000] stops: y\n");
    end();
}

TEST_NO_SWEEP(reader_when_a_poll_fails,
              "#53 #52: an event that came with a poll that failed is told once when the loop runs again, in its place",
              INSIDE)
{
    if (test_on_sim())
        SKIP("raw fds");
    open_wrapped(0, NULL);
    make_sockets();
    reader("reader", read_all);
    put(fds[1], "x");
    watch.fail = -EIO;
    EXPECT_INT(asyncio_loop_run_forever(loop), -EIO);
    soon(say, "another");
    turns(3);
    EXPECT_TRACE("[0.000] reader: x\n[0.000] another\n");
    end();
}

static void close_and_reuse(void *arg)
{
    int fresh[2];

    read_one(arg);
    EXPECT_INT(asyncio_loop_remove_reader(loop, fds[0]), 1);
    close_fds();
    EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fresh), 0);
    memcpy(fds, fresh, sizeof fds);
}

TEST_EPOLL(
    number_used_again,
    "#68: after removal and close the fd's number belongs to a new file: nothing of the old one is told to its reader")
{
    int old;

    open_loop();
    make_sockets();
    old = fds[0];
    reader("old", close_and_reuse);
    put(fds[1], "xx");
    turns(2);
    EXPECT_INT(fds[0], old);
    reader("new", read_one);
    turns(2);
    EXPECT_TRACE("[0.000] old: x\n");
    put(fds[1], "n");
    turns(2);
    EXPECT_TRACE("[0.000] new: n\n");
    end();
}

TEST_EPOLL(duplicate_does_not_haunt,
           "#53: a watch that is removed while a duplicate keeps the file open is over: no event, no busy loop")
{
    int copy;

    open_loop();
    make_sockets();
    copy = dup(fds[0]);
    reader("reader", read_one);
    EXPECT_INT(asyncio_loop_remove_reader(loop, fds[0]), 1);
    close(fds[0]);
    fds[0] = copy;
    put(fds[1], "x");
    turns(3);
    EXPECT_TRACE("");
    reader("duplicate", read_one);
    turns(2);
    EXPECT_TRACE("[0.000] duplicate: x\n");
    end();
}

TEST_EPOLL(fds_that_cannot_be_watched,
           "EV-03: -EPERM for a regular file, -EBADF for a closed or negative fd, -EINVAL without a callback")
{
    FILE *file = tmpfile();

    open_loop();
    EXPECT_INT(asyncio_loop_add_reader(loop, fileno(file), read_one, NULL), loop ? -EPERM : -EINVAL);
    EXPECT_INT(asyncio_loop_add_writer(loop, fileno(file), read_one, NULL), loop ? -EPERM : -EINVAL);
    EXPECT_INT(asyncio_loop_remove_reader(loop, fileno(file)), loop ? 0 : -EINVAL);
    make_sockets();
    close(fds[1]);
    EXPECT_INT(asyncio_loop_add_reader(loop, fds[1], read_one, NULL), loop ? -EBADF : -EINVAL);
    EXPECT_INT(asyncio_loop_add_reader(loop, -7, read_one, NULL), loop ? -EBADF : -EINVAL);
    EXPECT_INT(asyncio_loop_add_writer(loop, INT32_MAX, read_one, NULL), loop ? -EBADF : -EINVAL);
    EXPECT_INT(asyncio_loop_add_reader(loop, fds[0], NULL, NULL), -EINVAL);
    fds[1] = -1;
    fclose(file);
    end();
}

TEST_EPOLL(refused_watch_keeps_the_old, "EV-03: an add that finds no memory leaves the reader that was there")
{
    open_loop();
    make_sockets();
    reader("old", read_one);
    asyncio_fail_allocation(0, 1);
    EXPECT_INT(asyncio_loop_add_reader(loop, fds[0], read_one, word("new")), -ENOMEM);
    asyncio_fail_allocation(-1, 0);
    put(fds[1], "x");
    turns(2);
    EXPECT_TRACE("[0.000] old: x\n");
    end();
}

TEST_EPOLL(watch_left_at_close, "R-11: the loop's close ends its watches; the fd is the caller's and stays open")
{
    open_loop();
    make_sockets();
    reader("never", read_one);
    writer("never", writable);
    put(fds[1], "x");
    close_loop();
    EXPECT_TRACE("");
    EXPECT(fcntl(fds[0], F_GETFD) >= 0);
    close_fds();
}

TEST_EPOLL(watch_is_no_dead_lock,
           "R-09 EV-02: a loop that has something to watch waits, with a timer that is due meanwhile")
{
    open_loop();
    make_sockets();
    reader("never", read_one);
    later(7, stop, NULL);
    EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    EXPECT_DOUBLE(asyncio_loop_time(loop), loop ? 7 : 0);
    EXPECT_TRACE("");
    end();
}

static const struct asyncio_contextvar colour = {.name = "colour"};

static void say_colour(void *arg)
{
    read_one(arg);
    trace("%s", (const char *)asyncio_contextvar_get(&colour, word("none")));
    asyncio_contextvar_set(&colour, word("its own"), NULL);
}

static int watch_in_colour(void *arg)
{
    (void)arg;
    asyncio_contextvar_set(&colour, word("red"), NULL);
    reader("reader", say_colour);
    asyncio_contextvar_set(&colour, word("blue"), NULL);
    put(fds[1], "ab");
    return asyncio_sleep(1);
}

TEST_EPOLL(reader_context,
           "X-01: a reader runs in the context of its registration, and finds there what it has set itself")
{
    open_loop();
    make_sockets();
    EXPECT_INT(asyncio_loop_run_until_complete(loop, watch_in_colour, NULL), 0);
    EXPECT_TRACE("[0.000] reader: a\n[0.000] red\n[0.000] reader: b\n[0.000] its own\n");
    end();
}

TEST_REAL(standard_fds, "#66: a loop that watches the standard fds leaves their flags alone, also after its close")
{
    int before[3][2];

    for (int fd = 0; fd < 3; fd++) {
        before[fd][0] = fcntl(fd, F_GETFL);
        before[fd][1] = fcntl(fd, F_GETFD);
    }
    open_loop();
    for (int fd = 0; fd < 3; fd++) {
        int r = asyncio_loop_add_reader(loop, fd, read_one, NULL);

        EXPECT(r == 0 || r == -EPERM);
        asyncio_loop_remove_reader(loop, fd);
    }
    close_loop();
    for (int fd = 0; fd < 3; fd++) {
        EXPECT_INT(fcntl(fd, F_GETFL), before[fd][0]);
        EXPECT_INT(fcntl(fd, F_GETFD), before[fd][1]);
    }
}

TEST_SIM(no_raw_fds, "R-11: the simulator has none, and says so without looking at them")
{
    open_loop();
    EXPECT_INT(asyncio_loop_add_reader(loop, 0, read_one, NULL), loop ? -EOPNOTSUPP : -EINVAL);
    EXPECT_INT(asyncio_loop_add_writer(loop, 500, read_one, NULL), loop ? -EOPNOTSUPP : -EINVAL);
    EXPECT_INT(asyncio_loop_remove_reader(loop, 0), loop ? 0 : -EINVAL);
    EXPECT_INT(asyncio_loop_fd(loop), loop ? -EOPNOTSUPP : -EINVAL);
    close_loop();
}

/* ------------------------------------------------------------------------------------------------- asyncio_wait_fd */

/* A task that waits and says what came. */
struct waiting {
    const char *name;
    unsigned events;
    double timeout; /* 0: none */
};

static int wait_plainly(void *arg)
{
    const struct waiting *waiting = arg;
    int r = asyncio_wait_fd(fds[0], waiting->events);

    if (r < 0)
        trace("%s: -%s", waiting->name, asyncio_errorname(r));
    else
        trace("%s: %d", waiting->name, r);
    return r;
}

static struct asyncio_future *start(struct waiting *waiting)
{
    return asyncio_loop_create_task(loop, wait_plainly, waiting, .name = waiting->name);
}

static int until_done(struct asyncio_future *task)
{
    int r = asyncio_loop_run_until_complete_future(loop, task);

    asyncio_future_unref(task);
    return r;
}

TEST_EPOLL(wait_fd, "EV-03: waits until there is something to read, or room, or either; what is there is found at once")
{
    struct waiting read = {"read", ASYNCIO_READABLE, 0}, wrote = {"write", ASYNCIO_WRITABLE, 0};
    struct waiting both = {"both", ASYNCIO_READABLE | ASYNCIO_WRITABLE, 0};
    struct asyncio_future *task;

    open_loop();
    make_sockets();
    EXPECT_INT(until_done(start(&wrote)), ASYNCIO_WRITABLE);
    EXPECT_INT(until_done(start(&both)), ASYNCIO_WRITABLE);
    task = start(&read);
    turns(2);
    EXPECT(!asyncio_future_done(task));
    put(fds[1], "x");
    EXPECT_INT(until_done(task), ASYNCIO_READABLE);
    EXPECT_INT(until_done(start(&both)), ASYNCIO_READABLE | ASYNCIO_WRITABLE);
    EXPECT_TRACE("[0.000] write: 4\n[0.000] both: 4\n[0.000] read: 1\n[0.000] both: 5\n");
    end();
}

TEST_EPOLL(wait_fd_hang_up, "EV-03: a hang-up ends the wait with the events that were asked for")
{
    struct waiting waiting = {"reader", ASYNCIO_READABLE, 0};
    struct asyncio_future *task;

    open_loop();
    make_pipes();
    task = start(&waiting);
    turns(2);
    close(fds[1]);
    fds[1] = -1;
    EXPECT_INT(until_done(task), ASYNCIO_READABLE);
    EXPECT_TRACE("[0.000] reader: 1\n");
    end();
}

static int bad_waits(void *arg)
{
    FILE *file = arg;

    EXPECT_INT(asyncio_wait_fd(fds[0], 0), -EINVAL);
    EXPECT_INT(asyncio_wait_fd(fds[0], 2), -EINVAL);
    EXPECT_INT(asyncio_wait_fd(fds[0], 1 | 8), -EINVAL);
    EXPECT_INT(asyncio_wait_fd(-1, ASYNCIO_READABLE), -EBADF);
    EXPECT_INT(asyncio_wait_fd(fds[1], ASYNCIO_READABLE), -EBADF);
    EXPECT_INT(asyncio_wait_fd(fileno(file), ASYNCIO_READABLE), ASYNCIO_READABLE);
    EXPECT_INT(asyncio_wait_fd(fileno(file), ASYNCIO_READABLE | ASYNCIO_WRITABLE), ASYNCIO_READABLE | ASYNCIO_WRITABLE);
    return 0;
}

TEST_EPOLL(
    wait_fd_misuse,
    "EV-03: no events or unknown ones, no fd, a closed fd; a regular file is always ready; -ASYNCIO_ENOTASK outside "
    "a task")
{
    FILE *file = tmpfile();

    open_loop();
    make_sockets();
    close(fds[1]);
    EXPECT_INT(asyncio_wait_fd(fds[0], ASYNCIO_READABLE), -ASYNCIO_ENOTASK);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, bad_waits, file), 0);
    fds[1] = -1;
    fclose(file);
    end();
}

TEST_EPOLL(wait_fd_busy,
           "D-05: a second task that waits for the same fd and direction gets -EBUSY; the other direction is free")
{
    struct waiting first = {"first", ASYNCIO_READABLE, 0}, second = {"second", ASYNCIO_READABLE, 0};
    struct waiting other = {"other", ASYNCIO_WRITABLE, 0}, both = {"both", ASYNCIO_READABLE | ASYNCIO_WRITABLE, 0};
    static char block[4096];
    struct asyncio_future *task, *full;

    open_loop();
    make_sockets();
    while (write(fds[0], block, sizeof block) > 0)
        ;
    task = start(&first);
    full = start(&other);
    turns(2);
    EXPECT_INT(until_done(start(&second)), -EBUSY);
    EXPECT_INT(until_done(start(&both)), -EBUSY);
    put(fds[1], "x");
    EXPECT_INT(until_done(task), ASYNCIO_READABLE);
    while (read(fds[1], block, sizeof block) > 0)
        ;
    EXPECT_INT(until_done(full), ASYNCIO_WRITABLE);
    EXPECT_TRACE("[0.000] second: -EBUSY\n[0.000] both: -EBUSY\n[0.000] first: 1\n[0.000] other: 4\n");
    end();
}

static int cancel_and_retry(void *arg)
{
    struct asyncio_future *first = asyncio_create_task(wait_plainly, arg), *second;
    int r;

    ASYNCIO_IGNORE(asyncio_sleep(0));
    asyncio_future_cancel(first);
    second = asyncio_create_task(wait_plainly, arg);
    ASYNCIO_IGNORE(asyncio_sleep(0));
    put(fds[1], "x");
    EXPECT_INT(asyncio_await(first), -ECANCELED);
    r = asyncio_await(second);
    asyncio_future_unref(first);
    asyncio_future_unref(second);
    return r;
}

TEST_EPOLL(wait_fd_cancel_and_retry,
           "D-05 #53: a wait that is cancelled and begun again in the same step keeps its registration")
{
    struct waiting waiting = {"wait", ASYNCIO_READABLE, 0};

    open_loop();
    make_sockets();
    EXPECT_INT(asyncio_loop_run_until_complete(loop, cancel_and_retry, &waiting), ASYNCIO_READABLE);
    EXPECT_TRACE("[0.000] wait: -ECANCELED\n[0.000] wait: 1\n");
    end();
}

TEST_EPOLL(wait_fd_cancelled,
           "R-11: a cancelled wait has left the fd alone: it can be closed and its number used again")
{
    struct waiting waiting = {"wait", ASYNCIO_READABLE, 0};
    struct asyncio_future *task;
    int old;

    open_loop();
    make_sockets();
    old = fds[0];
    task = start(&waiting);
    turns(2);
    asyncio_future_cancel(task);
    close_fds();
    make_sockets();
    EXPECT_INT(fds[0], old);
    EXPECT_INT(until_done(task), -ECANCELED);
    task = start(&waiting);
    turns(2);
    EXPECT_TRACE("[0.000] wait: -ECANCELED\n");
    put(fds[1], "x");
    EXPECT_INT(until_done(task), ASYNCIO_READABLE);
    EXPECT_TRACE("[0.000] wait: 1\n");
    end();
}

static int wait_with_timeout(void *arg)
{
    int r = asyncio_wait_for(wait_plainly, arg, 5);

    EXPECT_INT(r, -ETIMEDOUT);
    put(fds[1], "x");
    return asyncio_wait_for(wait_plainly, arg, 5);
}

TEST_EPOLL(wait_fd_timeout, "C-07: a time-out around the wait ends it, and it can be begun again")
{
    struct waiting waiting = {"wait", ASYNCIO_READABLE, 0};

    open_loop();
    make_sockets();
    EXPECT_INT(asyncio_loop_run_until_complete(loop, wait_with_timeout, &waiting), ASYNCIO_READABLE);
    EXPECT_TRACE("[5.000] wait: -ECANCELED\n[5.000] wait: 1\n");
    end();
}

TEST_EPOLL(wait_fd_beside_a_reader, "EV-03 D-05: a reader and one task that waits share a direction: both are told")
{
    struct waiting waiting = {"task", ASYNCIO_READABLE, 0};
    struct asyncio_future *task;

    open_loop();
    make_sockets();
    reader("reader", remove_itself);
    task = start(&waiting);
    turns(2);
    put(fds[1], "x");
    EXPECT_INT(until_done(task), ASYNCIO_READABLE);
    EXPECT(strstr(transcript(), "reader: x") && strstr(transcript(), "task: 1"));
    trace_clear();
    end();
}

static int wait_in_sim(void *arg)
{
    (void)arg;
    return asyncio_wait_fd(0, ASYNCIO_READABLE);
}

TEST_SIM(wait_fd_in_the_simulator, "R-11: the simulator has no raw fds, and says so")
{
    EXPECT_INT(run(wait_in_sim, NULL), -EOPNOTSUPP);
}

static int wait_cancelled(void *arg)
{
    asyncio_future_cancel(asyncio_current_task());
    EXPECT_INT(wait_plainly(arg), -ECANCELED);
    return wait_plainly(arg);
}

TEST_EPOLL(wait_fd_pending_cancel, "T-06: a cancel that is pending is met on entry, though the fd is ready")
{
    struct waiting waiting = {"wait", ASYNCIO_WRITABLE, 0};

    open_loop();
    make_sockets();
    EXPECT_INT(asyncio_loop_run_until_complete(loop, wait_cancelled, &waiting), ASYNCIO_WRITABLE);
    EXPECT_TRACE("[0.000] wait: -ECANCELED\n[0.000] wait: 4\n");
    end();
}
