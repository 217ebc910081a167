/* test_pipe_fds.c -- transports over pipes: opening them, and failing to; what they do to fds that others share, to
 * terminals, devices and FIFOs; the loop's end. */
#include "pipe_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---------------------------------------------------------------------------------------------------------- Opening */

static struct asyncio_protocol *make_none(void *arg)
{
    (void)arg;
    return NULL;
}

static int connect_read(asyncio_protocol_factory *factory, void *arg, int fd)
{
    return asyncio_loop_connect_read_pipe(asyncio_get_running_loop(), factory, arg, fd, NULL, NULL);
}

static int connect_write(asyncio_protocol_factory *factory, void *arg, int fd)
{
    return asyncio_loop_connect_write_pipe(asyncio_get_running_loop(), factory, arg, fd, NULL, NULL);
}

static int fails_to_open(void *arg)
{
    int fds[2];

    (void)arg;
    EXPECT_INT(asyncio_loop_connect_read_pipe(NULL, make_end, &reader, 0, NULL, NULL), -EINVAL);
    EXPECT_INT(connect_read(NULL, NULL, 0), -EINVAL);
    EXPECT_INT(connect_read(make_end, &reader, -1), -EINVAL);
    EXPECT_INT(connect_read(make_end, &reader, 987), -EBADF);
    EXPECT_INT(connect_write(make_end, &reader, 987), -EBADF);
    make_pipe(fds);
    EXPECT_INT(connect_read(make_none, NULL, fds[0]), -ASYNCIO_EINVALIDSTATE);
    EXPECT_STR(asyncio_error_detail(), "the factory has made no protocol");
    EXPECT_INT(connect_write(make_end, &reader, fds[1]), 0);
    settle();
    EXPECT(reader.is_lost);
    reader = (struct end){{&writer_type}, .name = "reader"};
    make_pipe(fds);
    EXPECT_INT(connect_read(make_end, &reader, fds[0]), -EINVAL);
    close_fd(&fds[1]);
    make_pipe(fds);
    EXPECT_INT(connect_read(make_end, &reader, fds[1]), -EBADF);
    EXPECT_INT(connect_write(make_end, &reader, fds[0]), -EBADF);
    EXPECT(!reader.is_made);
    return 0;
}

TEST_NO_SWEEP(fails_to_open, "N-12 #76: what is wrong is told, and the fd is closed", "it is about failures")
{
    EXPECT_INT(run(fails_to_open, NULL), 0);
    trace_clear();
}

static int opener(void *arg)
{
    int *fd = arg, r = connect_read(make_end, &reader, *fd);

    *fd = -1;
    trace("%s: %s", me(), said(r));
    return 0;
}

static int cancels_opening(void *arg)
{
    int fds[2];

    make_pipe(fds);
    spawn(opener, &fds[0], "opener");
    turns(1);
    for (int i = 0; i < number_of(arg); i++)
        turns(1);
    cancel(crew[0]);
    everybody();
    settle();
    return end_all(fds);
}

TEST(is_cancelled_while_it_opens, "N-15: the transport is closed, its protocol never made")
{
    EXPECT_INT(run(cancels_opening, number(0)), 0);
    dismiss_crew();
    EXPECT_TRACE("[0.000] opener: -ECANCELED\n");
}

TEST(is_cancelled_when_it_is_open, "N-15: the transport is delivered all the same")
{
    EXPECT_INT(run(cancels_opening, number(1)), 0);
    dismiss_crew();
    EXPECT_TRACE("[0.000] reader: made\n"
                 "[0.000] opener: 0\n"
                 "[1.000] reader: lost, 0\n");
}

static int leaves_them_open(void *arg)
{
    int fds[2];

    (void)arg;
    make_pipe(fds);
    open_reader(&fds[0]);
    open_writer(&fds[1]);
    return 0;
}

TEST(are_closed_with_the_loop, "TR-15: connection_lost is called from the loop's close")
{
    struct asyncio_loop *loop = NULL;

    EXPECT_INT(new_loop(&loop), 0);
    if (loop)
        EXPECT_INT(asyncio_loop_run_until_complete(loop, leaves_them_open, NULL), 0);
    EXPECT(!reader.is_lost && !writer.is_lost);
    close_loop(loop);
    EXPECT(reader.is_lost == reader.is_made && writer.is_lost == writer.is_made);
    trace_clear();
}

static char much[1000 * 1000];

static int leaves_data(void *arg)
{
    make_pipe(arg);
    open_writer(&((int *)arg)[1]);
    if (writer.transport)
        EXPECT_INT(asyncio_transport_write(writer.transport, much, sizeof much), 0);
    return 0;
}

TEST_NO_SWEEP(says_what_is_unwritten, "TR-15: the loop's close warns of what is kept",
              "a warning that a fault forestalls")
{
    struct asyncio_loop *loop = NULL;
    int fds[2] = {-1, -1};

    test_spare(ASYNCIO__SHORT_TRANSFERS, "it says how many bytes there are");
    EXPECT_INT(new_loop(&loop), 0);
    if (loop)
        EXPECT_INT(asyncio_loop_run_until_complete(loop, leaves_data, fds), 0);
    if (loop)
        EXPECT_INT(asyncio_op_submit(loop, &(struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE, .fd = fds[0]}), 1);
    close_loop(loop);
    EXPECT_LOG("unwritten bytes, because its event loop is");
    EXPECT_INT(writer.lost, -ASYNCIO_ECLOSED);
    trace_clear();
}

/* ----------------------------------------------------------------------------------------------- Files of all sorts */

static int refuses_files(void *arg)
{
    int file = memfd_create("pipes", MFD_CLOEXEC), folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat about;

    (void)arg;
    EXPECT_INT(connect_read(make_end, &reader, file), -EINVAL);
    EXPECT(strstr(asyncio_error_detail(), "regular files"));
    EXPECT(strstr(asyncio_error_detail(), "asyncio_file_from_fd"));
    EXPECT_INT(connect_write(make_end, &writer, file), -EINVAL);
    EXPECT_INT(connect_read(make_end, &reader, folder), -EINVAL);
    EXPECT(strstr(asyncio_error_detail(), "neither a pipe"));
    EXPECT(fstat(file, &about) == 0 && fstat(folder, &about) == 0);
    close(file);
    close(folder);
    return 0;
}

TEST_EPOLL(refuses_files, "N-12: regular files are told apart, and stay the caller's")
{
    EXPECT_INT(run(refuses_files, NULL), 0);
}

static bool blocks(int fd)
{
    return !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static int lets_block_again(void *arg)
{
    int fds[2] = {-1, -1}, shared;

    EXPECT_INT(pipe2(fds, O_CLOEXEC | (arg ? O_NONBLOCK : 0)), 0);
    shared = dup(fds[0]);
    open_reader(&fds[0]);
    EXPECT(!reader.is_made || !blocks(shared));
    if (reader.transport)
        asyncio_transport_close(reader.transport);
    settle();
    EXPECT_INT(blocks(shared), !arg);
    close(shared);
    return end_all(fds);
}

TEST_EPOLL(lets_block_again,
           "N-12: O_NONBLOCK does not stay with others who share the pipe, as standard input is shared")
{
    EXPECT_INT(run(lets_block_again, NULL), 0);
    trace_clear();
}

TEST_EPOLL(leaves_it_as_it_was, "N-12: what did not block before does not afterwards")
{
    EXPECT_INT(run(lets_block_again, &reader), 0);
    trace_clear();
}

TEST_NO_SWEEP(lets_go_in_a_child,
              "R20 #67: the loop of a forked child lets its copies go and changes nothing for others", "it forks")
{
    struct asyncio_loop *loop = NULL;
    int status = -1;
    pid_t child;

    EXPECT_INT(new_loop(&loop), 0);
    EXPECT_INT(asyncio_loop_run_until_complete(loop, leaves_them_open, NULL), 0);
    trace_clear();
    child = fork();
    if (child == 0) {
        asyncio_loop_close(loop);
        _exit(reader.is_lost && writer.is_lost && *captured_log() == '\0' ? 0 : 1);
    }
    EXPECT_INT(waitpid(child, &status, 0), child);
    EXPECT_INT(status, 0);
    EXPECT(test_on_sim() || !blocks(asyncio_transport_fileno(reader.transport)));
    close_loop(loop);
    trace_clear();
}

/* A terminal carries bytes over in a thread of the kernel, for which the virtual clock does not wait. */
static void await_terminal(int fd)
{
    struct pollfd query = {.fd = fd, .events = POLLIN};

    EXPECT_INT(poll(&query, 1, 5000), 1);
}

/* A terminal: its two ends are the program's, and the three are one for the kernel. */
static int shares_terminal(void *arg)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK), fds[2], shared;

    (void)arg;
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
        SKIP("no terminals here");
    shared = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    fds[0] = dup(shared);
    fds[1] = dup(shared);
    open_reader(&fds[0]);
    open_writer(&fds[1]);
    EXPECT(!reader.is_made || !writer.is_made || !blocks(shared));
    EXPECT_INT(write(master, "typed\n", 6), 6);
    write_text(&writer, "shown");
    await_terminal(shared);
    settle();
    EXPECT_STR(reader.text, "typed\n");
    if (reader.transport)
        asyncio_transport_close(reader.transport);
    settle();
    EXPECT(!writer.transport || !blocks(shared));
    if (writer.transport)
        asyncio_transport_close(writer.transport);
    settle();
    EXPECT(blocks(shared));
    await_terminal(master);
    EXPECT(!writer.is_made || take_all(master) > 0);
    close(shared);
    close(master);
    return end_all(fds);
}

TEST_EPOLL(share_a_terminal, "N-12: it blocks again when the last transport that shares it has gone, not before")
{
    EXPECT_INT(run(shares_terminal, NULL), 0);
    trace_clear();
}

static int reads_master(void *arg)
{
    int fds[2] = {posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), -1};

    (void)arg;
    if (fds[0] < 0 || grantpt(fds[0]) < 0 || unlockpt(fds[0]) < 0)
        SKIP("no terminals here");
    fds[1] = open(ptsname(fds[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
    open_reader(&fds[0]);
    EXPECT_INT(write(fds[1], "prompt", 6), 6);
    if (reader.transport)
        await_terminal(asyncio_transport_fileno(reader.transport));
    settle();
    close_fd(&fds[1]);
    settle();
    return end_all(fds);
}

TEST_EPOLL(reads_the_master_of_a_terminal,
           "TR-13: when nobody has it open any more that is -EIO, which is not reported")
{
    EXPECT_INT(run(reads_master, NULL), 0);
    EXPECT_TRACE("[0.000] reader: made\n"
                 "[1.000] reader: had 6 bytes, 'prompt'\n"
                 "[1.000] reader: lost, -EIO\n");
}

static void closes(struct end *end)
{
    asyncio_transport_close(end->transport);
}

static int uses_devices(void *arg)
{
    int fds[2] = {open("/dev/null", O_RDWR | O_CLOEXEC), open("/dev/full", O_RDWR | O_CLOEXEC)};

    (void)arg;
    open_reader(&fds[0]);
    open_writer(&fds[1]);
    write_text(&writer, "no room on this device");
    settle();
    fds[0] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    reader = (struct end){{&buffered_type}, .name = "zero", .on_data = closes};
    open_reader(&fds[0]);
    settle();
    EXPECT(!reader.is_made || reader.is_lost);
    return end_all(fds);
}

TEST_EPOLL(uses_devices, "N-12: those that epoll does not know, too: they are always ready")
{
    EXPECT_INT(run(uses_devices, NULL), 0);
    EXPECT(strstr(transcript(), "reader: eof, closing 1\n[0.000] reader: lost, 0\n"));
    EXPECT(strstr(transcript(), "writer: lost, -ENOSPC\n"));
    EXPECT(strstr(transcript(), "zero: lost, 0\n"));
    trace_clear();
}

static int waits_for_writer(void *arg)
{
    char folder[] = "/tmp/asyncio-pipes-XXXXXX", path[64];
    int fds[2];

    (void)arg;
    EXPECT(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/fifo", folder);
    EXPECT_INT(mkfifo(path, 0600), 0);
    fds[0] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    open_reader(&fds[0]);
    settle();
    trace("nobody has come");
    fds[1] = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    put(fds[1], "here I am");
    settle();
    close_fd(&fds[1]);
    settle();
    unlink(path);
    rmdir(folder);
    return end_all(fds);
}

TEST_EPOLL(waits_for_the_first_writer, "TR-13: a FIFO that nobody has opened for writing yet has not ended")
{
    EXPECT_INT(run(waits_for_writer, NULL), 0);
    EXPECT_TRACE("[0.000] reader: made\n"
                 "[1.000] nobody has come\n"
                 "[2.000] reader: eof, closing 1\n"
                 "[2.000] reader: had 9 bytes, 'here I am'\n"
                 "[2.000] reader: lost, 0\n");
}
