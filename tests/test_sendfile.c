/* test_sendfile.c -- files over sockets: by the kernel, and by reading them where the kernel cannot; what is told of a
 * transfer that ends early. */
#include "crew.h"

#include "loop/loop.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILE_SIZE 300001

static struct asyncio_socket *a, *b;
static int file = -1;

static char byte_at(size_t place)
{
    return (char)(place * 31 + place / 255);
}

/* A pair of sockets and a file with `size` bytes, whose own position is at its byte 5. */
static void prepare(size_t size)
{
    struct asyncio_socket *pair[2] = {NULL, NULL};
    char block[4096];

    EXPECT_INT(asyncio_socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    a = pair[0];
    b = pair[1];
    file = memfd_create("sendfile", MFD_CLOEXEC);
    EXPECT(file >= 0);
    for (size_t at = 0; at < size;) {
        size_t n = size - at < sizeof block ? size - at : sizeof block;

        for (size_t i = 0; i < n; i++)
            block[i] = byte_at(at + i);
        if (write(file, block, n) != (ssize_t)n)
            FAIL("no room for a file");
        at += n;
    }
    EXPECT_INT(lseek(file, 5, SEEK_SET), 5);
}

static int end(void)
{
    a = asyncio_socket_unref(a);
    b = asyncio_socket_unref(b);
    if (file >= 0) {
        EXPECT_INT(lseek(file, 0, SEEK_CUR), 5);
        close(file);
    }
    file = -1;
    return 0;
}

/* What has arrived at `b`, and where in the file it is expected to begin. */
static size_t n_arrived, first_place;

static int drain(void *arg)
{
    static char data[100 * 1000];
    ssize_t r;

    (void)arg;
    while ((r = asyncio_sock_recv(b, data, sizeof data)) > 0)
        for (ssize_t i = 0; i < r; i++, n_arrived++)
            if (data[i] != byte_at(first_place + n_arrived))
                FAIL("byte %zu is another", n_arrived);
    return 0;
}

/* Reads all that was sent and counts it. */
static void count_arrived(size_t place)
{
    n_arrived = 0;
    first_place = place;
    asyncio_socket_close(a);
    spawn(drain, NULL, "drain");
    everybody();
}

/* A loop whose kernel can send no files, but says that it has sent ten bytes of the first few pieces. */
static struct asyncio_backend_ops without_sendfile;
static const struct asyncio_backend_ops *real_ops;
static int n_pretended;

static bool submit_without_sendfile(struct asyncio_backend *backend, struct asyncio_op *op)
{
    if (op->opcode != ASYNCIO_OP_SENDFILE)
        return real_ops->submit(backend, op);
    op->result = n_pretended-- > 0 ? 10 : -EINVAL;
    return true;
}

static int poor_loop(struct asyncio_loop **ret_loop)
{
    int r = new_loop(ret_loop);

    if (r < 0)
        return r;
    real_ops = (*ret_loop)->ops;
    without_sendfile = *real_ops;
    without_sendfile.submit = submit_without_sendfile;
    (*ret_loop)->ops = &without_sendfile;
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------- Sending */

static int send_whole(void *arg)
{
    (void)arg;
    prepare(FILE_SIZE);
    n_arrived = first_place = 0;
    spawn(drain, NULL, "drain");
    EXPECT_INT(asyncio_sock_sendfile(a, file), FILE_SIZE);
    asyncio_socket_close(a);
    everybody();
    EXPECT_INT(n_arrived, FILE_SIZE);
    return end();
}

TEST_NO_SWEEP(sendfile_whole, "IO-08: a file is sent to its end, in pieces; its own position does not move",
              "it takes long; the short files are swept")
{
    EXPECT_INT(play(send_whole), 0);
}

TEST_NO_SWEEP(sendfile_by_reading, "IO-08: where the kernel cannot send a file it is read, with the same outcome",
              "it takes long; the short files are swept")
{
    EXPECT_INT(asyncio_run(send_whole, NULL, .loop_factory = poor_loop), 0);
    dismiss_crew();
}

static int send_parts(void *arg)
{
    (void)arg;
    prepare(1000);
    EXPECT_INT(asyncio_sock_sendfile(a, file, .offset = 10, .count = 20), 20);
    EXPECT_INT(asyncio_sock_sendfile(a, file, .offset = 30, .count = 1), 1);
    EXPECT_INT(asyncio_sock_sendfile(a, file, .offset = 31, .count = 10000), 969);
    EXPECT_INT(asyncio_sock_sendfile(a, file, .offset = 1000), 0);
    EXPECT_INT(asyncio_sock_sendfile(a, file, .offset = 100000, .count = 3), 0);
    count_arrived(10);
    EXPECT_INT(n_arrived, 990);
    return end();
}

TEST(sendfile_parts, "IO-08: from an offset, so many bytes, and not beyond the end of the file")
{
    EXPECT_INT(play(send_parts), 0);
}

TEST(sendfile_parts_by_reading, "IO-08: the same where the file is read")
{
    EXPECT_INT(asyncio_run(send_parts, NULL, .loop_factory = poor_loop), 0);
    dismiss_crew();
}

static int send_empty(void *arg)
{
    (void)arg;
    prepare(0);
    EXPECT_INT(asyncio_sock_sendfile_kw(a, file, NULL), 0);
    count_arrived(0);
    EXPECT_INT(n_arrived, 0);
    return end();
}

TEST(sendfile_empty, "IO-08: an empty file is no error, and nothing is sent")
{
    EXPECT_INT(play(send_empty), 0);
}

static int by_the_kernel_only(void *arg)
{
    (void)arg;
    prepare(1000);
    EXPECT_INT(asyncio_sock_sendfile(a, file, .no_fallback = true), -ASYNCIO_ESENDFILE);
    EXPECT_STR(asyncio_error_detail(), "0 bytes were sent");
    count_arrived(0);
    EXPECT_INT(n_arrived, 0);
    return end();
}

TEST(sendfile_no_fallback, "IO-08: a file that the kernel cannot send is not read unless that is allowed")
{
    EXPECT_INT(asyncio_run(by_the_kernel_only, NULL, .loop_factory = poor_loop), 0);
    dismiss_crew();
}

static int fail_later(void *arg)
{
    (void)arg;
    prepare(1000);
    n_pretended = 2;
    EXPECT_INT(asyncio_sock_sendfile(a, file), -EINVAL);
    EXPECT_STR(asyncio_error_detail(), "20 bytes were sent");
    count_arrived(0);
    EXPECT_INT(n_arrived, 0);
    return end();
}

TEST(sendfile_fails_later, "IO-08: an error of a later piece is an error, and nothing is read in its place")
{
    EXPECT_INT(asyncio_run(fail_later, NULL, .loop_factory = poor_loop), 0);
    dismiss_crew();
}

static int send_a_folder(void *arg)
{
    int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)arg;
    prepare(0);
    EXPECT_INT(asyncio_sock_sendfile(a, folder, .no_fallback = true), -ASYNCIO_ESENDFILE);
    EXPECT_INT(asyncio_sock_sendfile(a, folder), -EISDIR);
    close(folder);
    return end();
}

TEST(sendfile_of_a_folder, "IO-08: what cannot be read either is told by its own error")
{
    EXPECT_INT(play(send_a_folder), 0);
}

/* --------------------------------------------------------------------------------------------------- Ending early */

/* The number that the detail of an error begins with. */
static long long told(void)
{
    char *rest;
    long long n = strtoll(asyncio_error_detail(), &rest, 10);

    EXPECT_STR(rest, " bytes were sent");
    return n;
}

static long long n_told;

static int sender(void *arg)
{
    int64_t r = asyncio_sock_sendfile(a, file);

    (void)arg;
    trace("%s: %s", me(), said(r));
    n_told = r < 0 ? told() : -1;
    return 0;
}

static int cancel_midway(void *arg)
{
    (void)arg;
    prepare(3 * FILE_SIZE);
    spawn(sender, NULL, "sender");
    EXPECT_INT(asyncio_sleep(1), 0);
    EXPECT(!asyncio_future_done(crew[0]));
    cancel(crew[0]);
    everybody();
    count_arrived(0);
    EXPECT(n_told > 0);
    EXPECT_INT(n_arrived, n_told);
    return end();
}

TEST(sendfile_cancelled, "IO-08 R3: who is cancelled midway is told how much was sent, and that is what arrives")
{
    EXPECT_INT(play(cancel_midway), 0);
    EXPECT_TRACE("[1.000] sender: -ECANCELED\n");
}

TEST(sendfile_by_reading_cancelled, "IO-08 R3: the same where the file is read")
{
    EXPECT_INT(asyncio_run(cancel_midway, NULL, .loop_factory = poor_loop), 0);
    dismiss_crew();
    EXPECT_TRACE("[1.000] sender: -ECANCELED\n");
}

static int close_midway(void *arg)
{
    (void)arg;
    prepare(3 * FILE_SIZE);
    spawn(sender, NULL, "sender");
    EXPECT_INT(asyncio_sleep(1), 0);
    a = asyncio_socket_unref(a);
    everybody();
    EXPECT(n_told > 0);
    return end();
}

TEST(sendfile_closed, "IO-08 #75: so is one whose socket is closed meanwhile")
{
    EXPECT_INT(play(close_midway), 0);
    EXPECT_TRACE("[1.000] sender: -ASYNCIO_ECLOSED\n");
}

static int lose_the_peer(void *arg)
{
    (void)arg;
    prepare(3 * FILE_SIZE);
    spawn(sender, NULL, "sender");
    EXPECT_INT(asyncio_sleep(1), 0);
    b = asyncio_socket_unref(b);
    everybody();
    EXPECT(n_told > 0 && n_told < 3 * FILE_SIZE);
    EXPECT(asyncio_sock_sendfile(a, file) == -EPIPE);
    EXPECT_STR(asyncio_error_detail(), "0 bytes were sent");
    return end();
}

TEST(sendfile_to_nobody, "IO-08: a peer that goes away midway, or had gone before, is an error and no signal")
{
    EXPECT_INT(play(lose_the_peer), 0);
    EXPECT(strstr(transcript(), "sender: -EPIPE\n") || strstr(transcript(), "sender: -ECONNRESET\n"));
    trace_clear();
}

TEST(sendfile_by_reading_to_nobody, "IO-08: the same where the file is read")
{
    EXPECT_INT(asyncio_run(lose_the_peer, NULL, .loop_factory = poor_loop), 0);
    dismiss_crew();
    EXPECT(strstr(transcript(), "sender: -EPIPE\n") || strstr(transcript(), "sender: -ECONNRESET\n"));
    trace_clear();
}

/* A job that is in everybody's way until the pipe is closed. */
static int blocker(void *arg)
{
    char data[1];

    return (int)read(number_of(arg), data, sizeof data);
}

static int cancel_a_queued_read(void *arg)
{
    struct asyncio_executor *executor = NULL;
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_future *job;
    int pipes[2];

    (void)arg;
    if (pipe(pipes) < 0)
        SKIP("no pipe");
    prepare(1000);
    EXPECT_INT(asyncio_thread_pool_executor(&executor, .max_workers = 1), 0);
    EXPECT_INT(asyncio_loop_set_default_executor(loop, executor), 0);
    asyncio_executor_unref(executor);
    job = asyncio_loop_run_in_executor(loop, NULL, blocker, number(pipes[0]));
    spawn(sender, NULL, "sender");
    turns(3);
    cancel(crew[0]);
    everybody();
    EXPECT_INT(n_told, 0);
    close(pipes[1]);
    EXPECT_INT(asyncio_await(job), 0);
    close(pipes[0]);
    asyncio_future_unref(job);
    return end();
}

TEST(sendfile_by_reading_cancelled_early,
     "IO-08: who is cancelled before a thread has begun to read leaves nothing behind")
{
    EXPECT_INT(asyncio_run(cancel_a_queued_read, NULL, .loop_factory = poor_loop), 0);
    dismiss_crew();
    EXPECT_TRACE("[0.000] sender: -ECANCELED\n");
}

/* ----------------------------------------------------------------------------------------------------------- Misuse */

static int bad_calls(void *arg)
{
    struct asyncio_socket *datagram = NULL;

    (void)arg;
    prepare(10);
    EXPECT_INT(asyncio_sock_sendfile(NULL, file), -EINVAL);
    EXPECT_INT(asyncio_sock_sendfile(a, file, .offset = -1), -EINVAL);
    EXPECT_INT(asyncio_sock_sendfile(a, file, .count = -1), -EINVAL);
    EXPECT_INT(asyncio_sock_sendfile(a, -1), -EBADF);
    EXPECT_INT(asyncio_sock_sendfile(a, 987654), -EBADF);
    EXPECT_INT(asyncio_socket(AF_INET, SOCK_DGRAM, 0, &datagram), 0);
    EXPECT_INT(asyncio_sock_sendfile(datagram, file), -EINVAL);
    asyncio_socket_unref(datagram);
    EXPECT_INT(asyncio_socket_close(a), 0);
    EXPECT_INT(asyncio_sock_sendfile(a, file), -EBADF);
    return end();
}

static void from_a_callback(void *arg)
{
    (void)arg;
    prepare(10);
    EXPECT_INT(asyncio_sock_sendfile(a, file), -ASYNCIO_ENOTASK);
    end();
    asyncio_loop_stop(asyncio_get_running_loop());
}

TEST(sendfile_misuse, "IO-08: the socket must be a stream, offset and count not negative, the caller a task")
{
    struct asyncio_loop *loop = NULL;

    EXPECT_INT(play(bad_calls), 0);
    new_loop(&loop);
    EXPECT_INT(asyncio_loop_call_soon(loop, from_a_callback, NULL), 0);
    if (asyncio_loop_next_deadline(loop) != INT64_MAX)
        EXPECT_INT(asyncio_loop_run_forever(loop), 0);
    close_loop(loop);
}
