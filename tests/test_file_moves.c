/* test_file_moves.c -- bytes that go from one file to another within the kernel: copies of parts, splices between
 * pipes, files and sockets. */
#include "file_rig.h"

static struct asyncio_file *from, *to;

/* --------------------------------------------------------------------------------------------------------- Copying */

static void expect_content(struct asyncio_file *file, const char *content)
{
    char buffer[64] = "";

    EXPECT_INT(asyncio_file_pread(file, buffer, sizeof buffer - 1, 0), (ssize_t)strlen(content));
    EXPECT_STR(buffer, content);
}

static int copy_ranges(void *arg)
{
    struct asyncio_file *made_up = NULL;
    char first[64] = "", second[64] = "";
    ssize_t n;

    (void)arg;
    from = new_file("hello world");
    to = new_file("0123456789");
    EXPECT_INT(asyncio_file_copy_range(from, 6, to, 2, 5), 5);
    expect_content(to, "01world789");
    EXPECT_INT(asyncio_file_copy_range(from, 6, to, 8, 100), 5);
    expect_content(to, "01world7world");
    EXPECT_INT(asyncio_file_copy_range(from, 11, to, 0, 5), 0);
    EXPECT_INT(asyncio_file_copy_range(from, 0, to, 0, 0), 0);
    /* Their positions stay. */
    EXPECT_INT(lseek(asyncio_file_fileno(from), 0, SEEK_CUR), 0);
    EXPECT_INT(lseek(asyncio_file_fileno(to), 0, SEEK_CUR), 0);
    /* A file that is made up as it is read. */
    EXPECT_INT(asyncio_file_truncate(to, 0), 0);
    EXPECT_INT(asyncio_file_open("/proc/sys/kernel/ostype", O_RDONLY, 0, &made_up), 0);
    n = asyncio_file_copy_range(made_up, 0, to, 0, 64);
    EXPECT(n > 1);
    EXPECT_INT(asyncio_file_pread(made_up, first, sizeof first, 0), n);
    EXPECT_INT(asyncio_file_pread(to, second, sizeof second, 0), n);
    EXPECT_STR(second, first);
    asyncio_file_unref(made_up);
    EXPECT_INT(asyncio_file_copy_range(from, -1, to, 0, 1), -EINVAL);
    EXPECT_INT(asyncio_file_copy_range(from, 0, to, -1, 1), -EINVAL);
    EXPECT_INT(asyncio_file_copy_range(NULL, 0, to, 0, 1), -EINVAL);
    EXPECT_INT(asyncio_file_copy_range(from, 0, NULL, 0, 1), -EINVAL);
    EXPECT_INT(asyncio_file_close(to), 0);
    EXPECT_INT(asyncio_file_copy_range(from, 0, to, 0, 1), -EBADF);
    EXPECT_INT(asyncio_file_copy_range(to, 0, from, 0, 1), -EBADF);
    asyncio_file_unref(from);
    asyncio_file_unref(to);
    return 0;
}

TEST_EPOLL(copied_ranges, "R18: a part of one file goes to a place in another, and says how much it was")
{
    EXPECT_INT(run(copy_ranges, NULL), 0);
}

/* -------------------------------------------------------------------------------------------------------- Splicing */

static int splice_files(void *arg)
{
    int pipes[2], sockets[2];
    char buffer[32] = "";

    (void)arg;
    from = new_file("hello world");
    to = new_file("");
    EXPECT_INT(pipe2(pipes, O_CLOEXEC), 0);
    EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    /* A file to a socket. */
    EXPECT_INT(asyncio_splice(asyncio_file_fileno(from), 6, pipes[1], -1, 100), 5);
    EXPECT_INT(asyncio_splice(pipes[0], -1, sockets[0], -1, 100), 5);
    EXPECT_INT(read(sockets[1], buffer, sizeof buffer), 5);
    EXPECT_STR(buffer, "world");
    EXPECT_INT(asyncio_splice(asyncio_file_fileno(from), 11, pipes[1], -1, 100), 0);
    /* A socket to a file, in two parts. */
    EXPECT_INT(write(sockets[1], "abcdef", 6), 6);
    EXPECT_INT(asyncio_splice(sockets[0], -1, pipes[1], -1, 100), 6);
    EXPECT_INT(asyncio_splice(pipes[0], -1, asyncio_file_fileno(to), 3, 4), 4);
    EXPECT_INT(asyncio_splice(pipes[0], -1, asyncio_file_fileno(to), 0, 4), 2);
    EXPECT_INT(asyncio_file_pread(to, buffer, sizeof buffer, 0), 7);
    EXPECT_INT(memcmp(buffer, "ef\0abcd", 7), 0);
    /* The end. */
    close(sockets[1]);
    EXPECT_INT(asyncio_splice(sockets[0], -1, pipes[1], -1, 100), 0);
    close(pipes[1]);
    EXPECT_INT(asyncio_splice(pipes[0], -1, sockets[0], -1, 100), 0);
    close(pipes[0]);
    /* Nobody reads what it would have written: an error and no signal. */
    EXPECT_INT(pipe2(pipes, O_CLOEXEC), 0);
    close(pipes[0]);
    EXPECT_INT(asyncio_splice(asyncio_file_fileno(from), 0, pipes[1], -1, 100), -EPIPE);
    close(pipes[1]);
    EXPECT_INT(asyncio_splice(asyncio_file_fileno(from), 0, asyncio_file_fileno(to), 0, 1), -EINVAL);
    EXPECT_INT(asyncio_splice(-1, -1, sockets[0], -1, 1), -EBADF);
    EXPECT_INT(asyncio_splice(sockets[0], -1, -1, -1, 1), -EBADF);
    EXPECT_INT(asyncio_splice(sockets[0], -2, sockets[0], -1, 1), -EINVAL);
    close(sockets[0]);
    asyncio_file_unref(from);
    asyncio_file_unref(to);
    return 0;
}

TEST_EPOLL(splices, "R18, R22: bytes go between pipes, files and sockets, less than asked for, and to their end")
{
    EXPECT_INT(run(splice_files, NULL), 0);
}

static int pipes[2], others[2];

static int splice_pipes(void *arg)
{
    (void)arg;
    trace("splice %s", said(asyncio_splice(pipes[0], -1, others[1], -1, 100)));
    trace("slept %s", said(asyncio_sleep(0)));
    return 0;
}

static int wait_for_splices(void *arg)
{
    struct asyncio_file *file = new_file("abc");
    char buffer[8] = "";

    (void)arg;
    EXPECT_INT(pipe2(pipes, O_CLOEXEC), 0);
    EXPECT_INT(pipe2(others, O_CLOEXEC), 0);
    spawn(splice_pipes, NULL, "a");
    /* It keeps no thread busy while it waits, as files show, and is undone by a cancel. */
    for (int i = 0; i < 8; i++)
        EXPECT_INT(asyncio_file_pread(file, buffer, 3, 0), 3);
    turns(3);
    EXPECT_TRACE("");
    cancel(crew[0]);
    everybody();
    EXPECT_TRACE("[0.000] splice -ECANCELED\n[0.000] slept 0\n");
    /* Nothing was taken by then, and what comes now goes to the next one. */
    EXPECT_INT(write(pipes[1], "x", 1), 1);
    EXPECT_INT(read(pipes[0], buffer, 1), 1);
    spawn(splice_pipes, NULL, "b");
    turns(2);
    EXPECT_INT(write(pipes[1], "hello", 5), 5);
    everybody();
    EXPECT_TRACE("[0.000] splice 5\n[0.000] slept 0\n");
    EXPECT_INT(read(others[0], buffer, sizeof buffer), 5);
    EXPECT_STR(buffer, "hello");
    for (int i = 0; i < 2; i++) {
        close(pipes[i]);
        close(others[i]);
    }
    asyncio_file_unref(file);
    dismiss_crew();
    return 0;
}

TEST_EPOLL(splices_wait, "C-05, R18: a splice waits for bytes without a thread; when it is cancelled nothing has moved")
{
    EXPECT_INT(run(wait_for_splices, NULL), 0);
}

static int fill_pipe(void *arg)
{
    static char much[256 * 1024];
    ssize_t n = 0, r;
    char buffer[4096];

    (void)arg;
    EXPECT_INT(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
    EXPECT_INT(pipe2(others, O_CLOEXEC | O_NONBLOCK), 0);
    while ((r = write(others[1], much, sizeof much)) > 0)
        n += r;
    EXPECT_INT(write(pipes[1], "hello", 5), 5);
    spawn(splice_pipes, NULL, "a");
    turns(5);
    EXPECT_TRACE("");
    /* There is room again. */
    while (n > 0)
        n -= read(others[0], buffer, sizeof buffer);
    everybody();
    EXPECT_TRACE("[0.000] splice 5\n[0.000] slept 0\n");
    EXPECT_INT(read(others[0], buffer, sizeof buffer), 5);
    for (int i = 0; i < 2; i++) {
        close(pipes[i]);
        close(others[i]);
    }
    dismiss_crew();
    return 0;
}

TEST_EPOLL(splices_without_room, "R18: a splice waits for room")
{
    EXPECT_INT(run(fill_pipe, NULL), 0);
}

static int not_here(void *arg)
{
    (void)arg;
    EXPECT_INT(asyncio_splice(0, -1, 1, -1, 1), -EOPNOTSUPP);
    return 0;
}

TEST_SIM(no_splices, "the simulator has no fds of the process")
{
    EXPECT_INT(run(not_here, NULL), 0);
}
