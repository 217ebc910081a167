/* test_files.c -- files of the process: opened, read, written, closed; what is told when something is wrong; what a
 * cancel does; files that are none, as pipes and devices. */
#include "file_rig.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

/* ------------------------------------------------------------------------------------------------- Back and forth */

static int write_and_read(void *arg)
{
    struct asyncio_file *file = NULL;
    char buffer[32] = "";

    (void)arg;
    EXPECT_INT(asyncio_file_open(in_directory("file"), O_RDWR | O_CREAT, 0640, &file), 0);
    EXPECT(asyncio_file_fileno(file) >= 0);
    EXPECT(fcntl(asyncio_file_fileno(file), F_GETFD) & FD_CLOEXEC);
    EXPECT_INT(fcntl(asyncio_file_fileno(file), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_INT(asyncio_file_write(file, "hello ", 6), 6);
    EXPECT_INT(asyncio_file_writeall(file, "world", 5), 0);
    EXPECT_INT(asyncio_file_writeall(file, "", 0), 0);
    EXPECT_INT(asyncio_file_read(file, buffer, sizeof buffer), 0);
    EXPECT_INT(asyncio_file_pread(file, buffer, 5, 6), 5);
    EXPECT_STR(buffer, "world");
    EXPECT_INT(asyncio_file_pwrite(file, "J", 1, 0), 1);
    EXPECT_INT(asyncio_file_pread(file, buffer, sizeof buffer, 0), 11);
    EXPECT_INT(memcmp(buffer, "Jello world", 11), 0);
    EXPECT_INT(asyncio_file_pread(file, buffer, sizeof buffer, 11), 0);
    EXPECT_INT(asyncio_file_fsync(file), 0);
    EXPECT_INT(asyncio_file_fdatasync(file), 0);
    EXPECT_INT(asyncio_file_truncate(file, 4), 0);
    EXPECT_INT(asyncio_file_pread(file, buffer, sizeof buffer, 0), 4);
    EXPECT_INT(lseek(asyncio_file_fileno(file), 2, SEEK_SET), 2);
    EXPECT_INT(asyncio_file_read(file, buffer, sizeof buffer), 2);
    EXPECT_INT(asyncio_file_close(file), 0);
    EXPECT_INT(asyncio_file_close(file), 0);
    EXPECT_INT(asyncio_file_fileno(file), -EBADF);
    EXPECT_INT(asyncio_file_read(file, buffer, 1), -EBADF);
    EXPECT_INT(asyncio_file_fsync(file), -EBADF);
    EXPECT_PTR(asyncio_file_unref(file), NULL);
    EXPECT_INT(remove(in_directory("file")), 0);
    return 0;
}

TEST_EPOLL(back_and_forth, "R18: what is written at the position or at an offset is read again")
{
    begin_directory();
    EXPECT_INT(run(write_and_read, NULL), 0);
    end_directory();
}

#define GIB (INT64_C(1) << 30)

static int beyond_4_gib(void *arg)
{
    struct asyncio_file *file = new_file("");
    struct asyncio_stat_result about = {0};
    char buffer[4] = "";

    (void)arg;
    EXPECT_INT(asyncio_file_pwrite(file, "far", 3, 5 * GIB), 3);
    EXPECT_INT(asyncio_file_stat(file, &about), 0);
    EXPECT_INT(about.size, 5 * GIB + 3);
    EXPECT(about.blocks * 512 < GIB);
    EXPECT_INT(asyncio_file_pread(file, buffer, 3, 5 * GIB), 3);
    EXPECT_STR(buffer, "far");
    EXPECT_INT(lseek(asyncio_file_fileno(file), 5 * GIB, SEEK_SET), 5 * GIB);
    EXPECT_INT(asyncio_file_writeall(file, "rea", 3), 0);
    EXPECT_INT(asyncio_file_pread(file, buffer, 4, 5 * GIB), 3);
    EXPECT_STR(buffer, "rea");
    EXPECT_INT(asyncio_file_truncate(file, 3 * GIB), 0);
    EXPECT_INT(asyncio_file_stat(file, &about), 0);
    EXPECT_INT(about.size, 3 * GIB);
    asyncio_file_unref(file);
    return 0;
}

TEST_EPOLL(large_files, "offsets beyond 4 GiB mean what they say")
{
    EXPECT_INT(run(beyond_4_gib, NULL), 0);
}

#define MANY ((size_t)3 * 1024 * 1024 + 17)

static int much_at_once(void *arg)
{
    struct asyncio_file *file = new_file("");
    unsigned char *data = malloc(MANY), *copy = malloc(MANY);

    (void)arg;
    for (size_t i = 0; i < MANY; i++)
        data[i] = (unsigned char)(i * 7 + i / 255);
    EXPECT_INT(asyncio_file_writeall(file, data, MANY), 0);
    EXPECT_INT(asyncio_file_pread(file, copy, MANY, 0), MANY);
    EXPECT_INT(memcmp(data, copy, MANY), 0);
    EXPECT_INT(lseek(asyncio_file_fileno(file), 1, SEEK_SET), 1);
    EXPECT_INT(asyncio_file_read(file, copy, MANY), MANY - 1);
    EXPECT_INT(memcmp(data + 1, copy, MANY - 1), 0);
    EXPECT_INT(lseek(asyncio_file_fileno(file), 0, SEEK_CUR), MANY);
    EXPECT_INT(asyncio_file_read(file, copy, MANY), 0);
    asyncio_file_unref(file);
    free(data);
    free(copy);
    return 0;
}

TEST_EPOLL(whole_transfers, "what is stored is read and written whole")
{
    EXPECT_INT(run(much_at_once, NULL), 0);
}

/* ---------------------------------------------------------------------------------------------------------- Misuse */

static int misuse(void *arg)
{
    struct asyncio_file *file = NULL, *none = NULL;
    char buffer[4];

    (void)arg;
    EXPECT_INT(asyncio_file_open(NULL, O_RDONLY, 0, &file), -EINVAL);
    EXPECT_INT(asyncio_file_open("/", O_RDONLY, 0, NULL), -EINVAL);
    EXPECT_INT(asyncio_file_open(in_directory("none"), O_RDONLY, 0, &file), -ENOENT);
    EXPECT_INT(asyncio_file_open("/", O_RDWR, 0, &file), -EISDIR);
    EXPECT_PTR(file, NULL);
    EXPECT_INT(asyncio_file_from_fd(-1, &none), -EBADF);
    EXPECT_INT(asyncio_file_from_fd(987, &none), -EBADF);
    EXPECT_INT(asyncio_file_from_fd(0, NULL), -EINVAL);
    EXPECT_INT(asyncio_file_read(NULL, buffer, 1), -EINVAL);
    EXPECT_INT(asyncio_file_close(NULL), -EINVAL);
    EXPECT_INT(asyncio_file_fsync(NULL), -EINVAL);
    EXPECT_INT(asyncio_file_fileno(NULL), -EBADF);
    EXPECT_PTR(asyncio_file_ref(NULL), NULL);
    EXPECT_PTR(asyncio_file_unref(NULL), NULL);
    file = new_file("");
    EXPECT_INT(asyncio_file_pread(file, buffer, 1, -1), -EINVAL);
    EXPECT_INT(asyncio_file_pwrite(file, buffer, 1, -1), -EINVAL);
    EXPECT_INT(asyncio_file_read(file, NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_file_writeall(file, NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_file_truncate(file, -1), -EINVAL);
    *(struct asyncio_file **)arg = file;
    return 0;
}

static int use_in_another_loop(void *arg)
{
    char buffer[1];

    EXPECT_INT(asyncio_file_read(arg, buffer, 1), -ASYNCIO_EFOREIGNLOOP);
    EXPECT_INT(asyncio_file_close(arg), -ASYNCIO_EFOREIGNLOOP);
    return 0;
}

TEST_EPOLL(misused_files, "wrong arguments, no task, another loop")
{
    struct asyncio_file *file = NULL;
    char buffer[1];
    int fd;

    begin_directory();
    EXPECT_INT(run(misuse, &file), 0);
    fd = asyncio_file_fileno(file);
    EXPECT_INT(asyncio_file_read(file, buffer, 1), -ASYNCIO_ENOTASK);
    EXPECT_INT(asyncio_file_open("/", O_RDONLY, 0, &file), -ASYNCIO_ENOTASK);
    EXPECT_INT(asyncio_file_from_fd(fd, &file), -ASYNCIO_ENOLOOP);
    EXPECT_INT(asyncio_unlink("/none"), -ASYNCIO_ENOTASK);
    EXPECT_INT(run(use_in_another_loop, file), 0);
    EXPECT(fcntl(fd, F_GETFD) >= 0);
    asyncio_file_unref(file);
    EXPECT(fcntl(fd, F_GETFD) < 0);
    end_directory();
}

static int nothing_there(void *arg)
{
    struct asyncio_stat_result about;
    struct asyncio_dirent *entries;
    struct asyncio_file *file;
    char path[] = "/tmp/XXXXXX";

    (void)arg;
    EXPECT_INT(asyncio_file_open("/", O_RDONLY, 0, &file), -EOPNOTSUPP);
    EXPECT_INT(asyncio_file_temporary(NULL, &file), -EOPNOTSUPP);
    EXPECT_INT(asyncio_file_from_fd(1, &file), -EOPNOTSUPP);
    EXPECT_INT(asyncio_mkstemp(path, &file), -EOPNOTSUPP);
    EXPECT_INT(asyncio_mkdtemp(path), -EOPNOTSUPP);
    EXPECT_STR(path, "/tmp/XXXXXX");
    EXPECT_INT(asyncio_stat("/", &about), -EOPNOTSUPP);
    EXPECT_INT(asyncio_lstat("/", &about), -EOPNOTSUPP);
    EXPECT_INT(asyncio_rename("/a", "/b"), -EOPNOTSUPP);
    EXPECT_INT(asyncio_unlink("/a"), -EOPNOTSUPP);
    EXPECT_INT(asyncio_rmdir("/a"), -EOPNOTSUPP);
    EXPECT_INT(asyncio_mkdir("/a", 0), -EOPNOTSUPP);
    EXPECT_INT(asyncio_scandir("/", &entries), -EOPNOTSUPP);
    EXPECT_INT(asyncio_splice(0, -1, 1, -1, 1), -EOPNOTSUPP);
    return 0;
}

TEST_SIM(no_files_in_the_simulator, "the simulator has no files")
{
    EXPECT_INT(run(nothing_there, NULL), 0);
}

/* --------------------------------------------------------------------------------------------------------- Failures */

static int full_device(void *arg)
{
    struct asyncio_file *file = NULL;
    char buffer[2] = {1, 1};

    (void)arg;
    EXPECT_INT(asyncio_file_open("/dev/full", O_RDWR, 0, &file), 0);
    EXPECT_INT(asyncio_file_write(file, "x", 1), -ENOSPC);
    EXPECT_INT(asyncio_file_writeall(file, "xyz", 3), -ENOSPC);
    EXPECT_INT(asyncio_file_read(file, buffer, 2), 2);
    EXPECT_INT(buffer[0], 0);
    EXPECT_INT(asyncio_file_close(file), 0);
    asyncio_file_unref(file);
    return 0;
}

TEST_EPOLL(devices, "a full device says so")
{
    EXPECT_INT(run(full_device, NULL), 0);
}

static char block[100 * 1024];

static int fill_disk(void *arg)
{
    struct asyncio_file *file = NULL;
    ssize_t n;

    (void)arg;
    EXPECT_INT(asyncio_file_open(in_directory("file"), O_RDWR | O_CREAT, 0600, &file), 0);
    n = asyncio_file_write(file, block, sizeof block);
    EXPECT(n > 0 && n < (ssize_t)sizeof block);
    EXPECT_INT(lseek(asyncio_file_fileno(file), 0, SEEK_CUR), n);
    EXPECT_INT(asyncio_file_write(file, block, sizeof block), -ENOSPC);
    EXPECT_INT(asyncio_file_pwrite(file, block, sizeof block, n), -ENOSPC);
    EXPECT_INT(asyncio_file_truncate(file, 0), 0);
    EXPECT_INT(lseek(asyncio_file_fileno(file), 0, SEEK_SET), 0);
    EXPECT_INT(asyncio_file_writeall(file, block, sizeof block), -ENOSPC);
    EXPECT_INT(asyncio_file_close(file), 0);
    asyncio_file_unref(file);
    return 0;
}

static bool write_line(const char *path, const char *line)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool is_written = fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line);

    close(fd);
    return is_written;
}

/* A namespace of this process in which it may mount, and owns what it makes. */
static bool enter_namespace(void)
{
    unsigned user = geteuid(), group = getegid();
    char users[32], groups[32];

    if (unshare(CLONE_NEWNS) == 0)
        return true;
    snprintf(users, sizeof users, "0 %u 1", user);
    snprintf(groups, sizeof groups, "0 %u 1", group);
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_line("/proc/self/setgroups", "deny") &&
           write_line("/proc/self/uid_map", users) && write_line("/proc/self/gid_map", groups);
}

/* A disk of 64 KiB over the directory, which nobody else sees. */
static bool mount_small_disk(void)
{
    return enter_namespace() && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", directory, "tmpfs", 0, "size=64k") == 0;
}

TEST_EPOLL(full_disk, "a short write and then -ENOSPC reach the caller")
{
    begin_directory();
    if (!mount_small_disk()) {
        end_directory();
        SKIP("no disk of its own can be had here");
    }
    EXPECT_INT(run(fill_disk, NULL), 0);
    EXPECT_INT(umount(directory), 0);
    end_directory();
}

static int write_too_much(void *arg)
{
    struct asyncio_file *file = new_file("");

    (void)arg;
    EXPECT_INT(asyncio_file_write(file, block, 150), 100);
    EXPECT_INT(lseek(asyncio_file_fileno(file), 0, SEEK_CUR), 100);
    EXPECT_INT(asyncio_file_write(file, block, 150), -EFBIG);
    EXPECT_INT(asyncio_file_pwrite(file, block, 10, 200), -EFBIG);
    EXPECT_INT(asyncio_file_truncate(file, 200), -EFBIG);
    EXPECT_INT(asyncio_file_writeall(file, block, 1), -EFBIG);
    asyncio_file_unref(file);
    return 0;
}

TEST_EPOLL(size_limit, "R22: a limit of size is an error and no signal")
{
    struct rlimit limit = {100, 100};

    signal(SIGXFSZ, SIG_DFL);
    EXPECT_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    EXPECT_INT(run(write_too_much, NULL), 0);
}

static int disk_errors(void *arg)
{
    struct asyncio_file *file = new_file("data");
    char buffer[4];
    int fd = asyncio_file_fileno(file);

    (void)arg;
    fault.opcode = ASYNCIO_OP_FILE_SYNC;
    fault.result = -EIO;
    fault.n = 1;
    EXPECT_INT(asyncio_file_fsync(file), -EIO);
    EXPECT_INT(asyncio_file_fsync(file), 0);
    fault.n = 1;
    EXPECT_INT(asyncio_file_fdatasync(file), -EIO);
    fault.opcode = ASYNCIO_OP_FILE_READ;
    fault.n = 1;
    EXPECT_INT(asyncio_file_pread(file, buffer, 4, 0), -EIO);
    fault.opcode = ASYNCIO_OP_FILE_WRITE;
    fault.result = 2;
    fault.n = 2;
    EXPECT_INT(asyncio_file_writeall(file, "abcde", 5), 0);
    EXPECT_INT(asyncio_file_pread(file, buffer, 4, 0), 4);
    EXPECT_INT(memcmp(buffer, "eata", 4), 0);
    fault.result = 0;
    fault.n = 1;
    EXPECT_INT(asyncio_file_writeall(file, "abcde", 5), -EIO);
    fault.opcode = ASYNCIO_OP_FILE_CLOSE;
    fault.result = -EDQUOT;
    fault.n = 1;
    EXPECT_INT(asyncio_file_close(file), -EDQUOT);
    EXPECT(fcntl(fd, F_GETFD) < 0);
    EXPECT_INT(asyncio_file_fileno(file), -EBADF);
    EXPECT_INT(asyncio_file_close(file), 0);
    asyncio_file_unref(file);
    return 0;
}

TEST_REAL(failing_disk, "a failing fsync, a short write and what close says reach the caller")
{
    EXPECT_INT(run_faulty(disk_errors), 0);
}

/* --------------------------------------------------------------------------------------------------- Several tasks */

static struct asyncio_file *shared;
static char buffers[4][8];

static int read_here(void *arg)
{
    trace("%s: read %s", me(), said(asyncio_file_read(shared, arg, 4)));
    return 0;
}

static int read_there(void *arg)
{
    trace("%s: pread %s", me(), said(asyncio_file_pread(shared, arg, 4, 0)));
    return 0;
}

static int write_all(void *arg)
{
    trace("%s: writeall %s", me(), said(asyncio_file_writeall(shared, arg, 4)));
    return 0;
}

static int close_it(void *arg)
{
    (void)arg;
    trace("%s: close %s", me(), said(asyncio_file_close(shared)));
    return 0;
}

static int share(void *arg)
{
    (void)arg;
    shared = new_file("abcdefgh");
    fault.opcode = ASYNCIO_OP_FILE_READ;
    fault.holds = true;
    fault.n = 1;
    spawn(read_here, buffers[0], "a");
    turns(2);
    spawn(read_here, buffers[1], "b");
    spawn(write_all, buffers[1], "c");
    spawn(read_there, buffers[2], "d");
    spawn(close_it, NULL, "e");
    while (!asyncio_future_done(crew[3]))
        turns(1);
    EXPECT_TRACE("b: read -EBUSY\nc: writeall -EBUSY\ne: close -EBUSY\nd: pread 4\n");
    /* The last reference goes while a task waits: the fd stays until it has gone, too. */
    asyncio_file_unref(asyncio_file_ref(shared));
    asyncio_file_unref(shared);
    EXPECT(fcntl(asyncio_file_fileno(shared), F_GETFD) >= 0);
    let_go(3);
    everybody();
    EXPECT_TRACE("a: read 3\n");
    dismiss_crew();
    return 0;
}

TEST_REAL(sharing, "D-05: one task at a time uses the position; nobody closes a file that is in use")
{
    EXPECT_INT(run_faulty(share), 0);
}

/* ------------------------------------------------------------------------------------------------------- Cancelling */

static int read_and_wait(void *arg)
{
    int r = (int)asyncio_file_pread(shared, arg, 4, 0);

    trace("read %s", said(r));
    trace("slept %s", said(asyncio_sleep(0)));
    return r;
}

static int cancel_reads(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    shared = new_file("abcdefgh");
    fault.opcode = ASYNCIO_OP_FILE_READ;
    fault.holds = true;
    fault.n = 2;
    task = spawn(read_and_wait, buffers[0], "first");
    turns(2);
    cancel(task);
    everybody();
    EXPECT_TRACE("read -ECANCELED\nslept 0\n");

    fault.refuses_to_cancel = true;
    task = spawn(read_and_wait, buffers[0], "second");
    turns(2);
    cancel(task);
    turns(2);
    EXPECT_TRACE("");
    let_go(4);
    everybody();
    EXPECT_TRACE("read 4\nslept -ECANCELED\n");

    task = spawn(read_and_wait, buffers[0], "third");
    cancel(task);
    everybody();
    EXPECT_TRACE("");
    dismiss_crew();
    asyncio_file_unref(shared);
    return 0;
}

TEST_REAL(cancelled_reads, "C-05: a read that is under way completes, and its result is kept")
{
    EXPECT_INT(run_faulty(cancel_reads), 0);
}

static int opened;

static int make_file(void *arg)
{
    struct asyncio_file *file = NULL;
    int r = opened = asyncio_file_open(arg, O_RDWR | O_CREAT, 0600, &file);

    EXPECT_INT(file != NULL, r == 0);
    asyncio_file_unref(file);
    return r;
}

static int close_and_tell(void *arg)
{
    int r = asyncio_file_close(arg);

    trace("close %s", said(r));
    return r;
}

static int cancel_on_entry(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    shared = new_file("");
    /* Each of them is cancelled before it has run, or in the turn in which it was asked for. */
    for (int when = 0; when < 2; when++) {
        opened = -ECANCELED;
        task = asyncio_create_task(make_file, in_directory("file"), .eager_start = when == 1);
        cancel(task);
        EXPECT_INT(asyncio_await(task), -ECANCELED);
        EXPECT(opened == 0 || opened == -ECANCELED);
        EXPECT_INT(is_missing("file"), opened < 0);
        if (opened == 0)
            EXPECT_INT(remove(in_directory("file")), 0);
        asyncio_future_unref(task);
    }
    fault.opcode = ASYNCIO_OP_FILE_CLOSE;
    fault.holds = true;
    fault.n = 1;
    task = spawn(close_and_tell, shared, "close");
    turns(2);
    EXPECT_INT(asyncio_file_fileno(shared), -EBADF);
    EXPECT_INT(asyncio_file_close(shared), -EBUSY);
    cancel(task);
    everybody();
    EXPECT_TRACE("close -ECANCELED\n");
    EXPECT(asyncio_file_fileno(shared) >= 0);
    EXPECT_INT(asyncio_file_close(shared), 0);
    asyncio_file_unref(shared);
    dismiss_crew();
    return 0;
}

TEST_REAL(cancelled_opens, "C-05: what is cancelled has not happened, or its result is there")
{
    begin_directory();
    EXPECT_INT(run_faulty(cancel_on_entry), 0);
    end_directory();
}

/* Opens, reads and closes again and again, until it is cancelled. */
static int busy_with_files(void *arg)
{
    char data[64];
    int r = 0;

    while (r == 0) {
        struct asyncio_file *file = NULL;

        r = asyncio_file_open(arg, O_RDONLY, 0, &file);
        if (r < 0)
            break;
        r = (int)asyncio_file_read(file, data, sizeof data);
        EXPECT(r == -ECANCELED || r == 5);
        r = r < 0 ? r : asyncio_file_close(file);
        asyncio_file_unref(file);
    }
    EXPECT_INT(r, -ECANCELED);
    return r;
}

static int cancel_anywhere(void *arg)
{
    struct asyncio_file *file = NULL;

    (void)arg;
    EXPECT_INT(asyncio_file_open(in_directory("file"), O_WRONLY | O_CREAT, 0600, &file), 0);
    EXPECT_INT(asyncio_file_writeall(file, "hello", 5), 0);
    EXPECT_INT(asyncio_file_close(file), 0);
    asyncio_file_unref(file);
    for (int i = 0; i < 60; i++) {
        struct asyncio_future *tasks[3];

        for (int j = 0; j < 3; j++)
            tasks[j] = asyncio_create_task(busy_with_files, in_directory("file"));
        turns(i / 3 + 1);
        if (i % 3 == 0)
            ASYNCIO_IGNORE(asyncio_sleep(0.0001 * (i % 7)));
        for (int j = 0; j < 3; j++) {
            EXPECT_INT(asyncio_cancel_and_wait(tasks[j]), 0);
            asyncio_future_unref(tasks[j]);
        }
    }
    EXPECT_INT(asyncio_unlink(in_directory("file")), 0);
    return 0;
}

TEST_REAL(cancelled_anywhere, "C-05: whenever a cancel comes, no fd is lost and no buffer written to later")
{
    begin_directory();
    EXPECT_INT(asyncio_run(cancel_anywhere, NULL, .loop_factory = NULL, .backend = test_backend()), 0);
    end_directory();
}

/* ------------------------------------------------------------------------------------------------ Waited for, too */

static int read_some(void *arg)
{
    char byte[1];
    ssize_t r = asyncio_file_read(arg, byte, 1);

    trace("%s: %s", me(), said(r));
    return (int)r;
}

#define N_PIPES 12

static int wait_for_pipes(void *arg)
{
    struct asyncio_file *ends[N_PIPES][2], *file = new_file("abc");
    char data[4] = "";

    (void)arg;
    for (int i = 0; i < N_PIPES; i++) {
        int fds[2];

        EXPECT_INT(pipe2(fds, O_CLOEXEC), 0);
        EXPECT_INT(asyncio_file_from_fd(fds[0], &ends[i][0]), 0);
        EXPECT_INT(asyncio_file_from_fd(fds[1], &ends[i][1]), 0);
        spawn(read_some, ends[i][0], "reader");
    }
    turns(3);
    /* However many wait, the threads are free. */
    EXPECT_INT(asyncio_file_pread(file, data, 3, 0), 3);
    EXPECT_INT(asyncio_file_close(ends[0][0]), -EBUSY);
    EXPECT_INT(asyncio_file_read(ends[0][0], data, 1), -EBUSY);
    EXPECT_INT(asyncio_file_pread(ends[0][0], data, 1, 0), -ESPIPE);
    cancel(crew[1]);
    for (int i = 0; i < N_PIPES; i++)
        EXPECT_INT(asyncio_file_writeall(ends[i][1], "x", 1), 0);
    everybody();
    EXPECT_INT(asyncio_future_result(crew[0]), 1);
    EXPECT_INT(asyncio_future_result(crew[1]), -ECANCELED);
    trace_clear();
    EXPECT_INT(asyncio_file_close(ends[1][0]), 0);
    /* Nobody reads any more. */
    EXPECT_INT(asyncio_file_write(ends[1][1], "x", 1), -EPIPE);
    for (int i = 0; i < N_PIPES; i++) {
        asyncio_file_unref(ends[i][0]);
        asyncio_file_unref(ends[i][1]);
    }
    asyncio_file_unref(file);
    dismiss_crew();
    return 0;
}

TEST_EPOLL(pipes_as_files, "R18, R22: what is waited for takes no thread, and a broken pipe is no signal")
{
    EXPECT_INT(run(wait_for_pipes, NULL), 0);
}

static bool blocks(int fd)
{
    return !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static int borrow_a_socket(void *arg)
{
    struct asyncio_file *file = NULL;
    int fds[2], copy;
    char byte[1];

    (void)arg;
    EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    copy = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
    EXPECT_INT(asyncio_file_from_fd(fds[0], &file), 0);
    EXPECT(!blocks(copy));
    spawn(read_some, file, "reader");
    turns(2);
    EXPECT_INT(write(fds[1], "x", 1), 1);
    everybody();
    EXPECT_TRACE("[0.000] reader: 1\n");
    /* Somebody else who has it changes his mind. */
    EXPECT_INT(fcntl(copy, F_SETFL, O_RDWR), 0);
    spawn(read_some, file, "again");
    turns(2);
    EXPECT_INT(write(fds[1], "x", 1), 1);
    everybody();
    EXPECT_TRACE("[0.000] again: 1\n");
    EXPECT(!blocks(copy));
    EXPECT_INT(asyncio_file_fsync(file), -EINVAL);
    close(fds[1]);
    EXPECT_INT(asyncio_file_read(file, byte, 1), 0);
    EXPECT_INT(asyncio_file_close(file), 0);
    EXPECT(blocks(copy));
    asyncio_file_unref(file);
    EXPECT_INT(asyncio_file_from_fd(fcntl(copy, F_DUPFD_CLOEXEC, 0), &file), 0);
    EXPECT(!blocks(copy));
    asyncio_file_unref(file);
    EXPECT(blocks(copy));
    close(copy);
    dismiss_crew();
    return 0;
}

TEST_EPOLL(borrowed_descriptions, "N-12: an fd that others share blocks again when the file is closed")
{
    EXPECT_INT(run(borrow_a_socket, NULL), 0);
}

static int open_fifos(void *arg)
{
    struct asyncio_file *reader = NULL, *writer = NULL;
    char data[8] = "";

    (void)arg;
    EXPECT_INT(mkfifo(in_directory("fifo"), 0600), 0);
    EXPECT_INT(asyncio_file_open(in_directory("fifo"), O_WRONLY, 0, &writer), -ENXIO);
    EXPECT_INT(asyncio_file_open(in_directory("fifo"), O_RDONLY, 0, &reader), 0);
    EXPECT_INT(asyncio_file_open(in_directory("fifo"), O_WRONLY, 0, &writer), 0);
    spawn(read_some, reader, "reader");
    turns(2);
    EXPECT_TRACE("");
    EXPECT_INT(asyncio_file_write(writer, "a", 1), 1);
    everybody();
    EXPECT_TRACE("[0.000] reader: 1\n");
    EXPECT_INT(asyncio_file_close(writer), 0);
    EXPECT_INT(asyncio_file_read(reader, data, 1), 0);
    asyncio_file_unref(reader);
    asyncio_file_unref(writer);
    EXPECT_INT(asyncio_unlink(in_directory("fifo")), 0);
    dismiss_crew();
    return 0;
}

TEST_EPOLL(fifos, "IO-02: opening a FIFO waits for nobody, reading it for who writes")
{
    begin_directory();
    EXPECT_INT(run(open_fifos, NULL), 0);
    end_directory();
}

static int on_a_terminal(void *arg)
{
    struct asyncio_file *file = NULL;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
    char line[16] = "";

    (void)arg;
    EXPECT(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    EXPECT_INT(asyncio_file_from_fd(slave, &file), 0);
    spawn(read_some, file, "reader");
    turns(2);
    EXPECT_INT(write(master, "hello\n", 6), 6);
    everybody();
    EXPECT_TRACE("[0.000] reader: 1\n");
    if (!test_hostile())
        EXPECT_INT(asyncio_file_read(file, line, sizeof line), 5);
    EXPECT_INT(asyncio_file_writeall(file, "answer", 6), 0);
    EXPECT_INT(asyncio_file_close(file), 0);
    asyncio_file_unref(file);
    close(master);
    dismiss_crew();
    return 0;
}

TEST_EPOLL(terminals, "N-12: a terminal is waited for")
{
    EXPECT_INT(run(on_a_terminal, NULL), 0);
}
