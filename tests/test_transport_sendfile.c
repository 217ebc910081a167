/* test_transport_sendfile.c -- files through transports. */
#include "servers_of_protocols.h"

#include <sys/stat.h>

#define FILE_SIZE ((size_t)600000)

static unsigned char byte_at(size_t place)
{
    return (unsigned char)((place ^ place >> 8 ^ place >> 16) * 37);
}

static size_t file_size(void)
{
    return test_hostile() ? 5000 : FILE_SIZE;
}

/* A file whose bytes tell their place; it is gone with its fd. */
static int make_file(void)
{
    char path[] = "/tmp/transport-XXXXXX";
    unsigned char block[4096];
    int fd = mkstemp(path);

    EXPECT(fd >= 0);
    unlink(path);
    for (size_t place = 0; fd >= 0 && place < file_size(); place += sizeof block) {
        for (size_t i = 0; i < sizeof block; i++)
            block[i] = byte_at(place + i);
        EXPECT_INT(write(fd, block, sizeof block), sizeof block);
    }
    EXPECT_INT(fd < 0 ? 0 : ftruncate(fd, (off_t)file_size()), 0);
    return fd;
}

/* The server's end checks what comes: some bytes before the file, from this place in it on. */
static size_t n_before, first_place, n_checked;

static void check_bytes(struct asyncio_protocol *protocol, const void *data, size_t size)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < size; i++, n_checked++) {
        unsigned char wanted = n_checked < n_before ? 'x' : byte_at(first_place + n_checked - n_before);

        if (bytes[i] != wanted) {
            FAIL("byte %zu is wrong", n_checked);
            return;
        }
    }
    end_received(protocol, data, size);
}

static struct asyncio_protocol_type checking;
static int file;

static void open_checked(void)
{
    checking = data_type;
    checking.data_received = check_bytes;
    n_before = first_place = n_checked = 0;
    prepare_ends();
    server_end.protocol.type = &checking;
    server_end.is_quiet = client.is_quiet = true;
    open_ends();
    trace_clear();
    file = make_file();
}

static void close_checked(void)
{
    end_ends();
    close(file);
}

static void await_bytes(size_t n)
{
    for (int i = 0; i < 10000 && server_end.n_received < n && server_end.transport; i++)
        settle();
}

/* ------------------------------------------------------------------------------------------------------------ Whole */

static int whole(void *arg)
{
    struct asyncio_loop *loop = this_loop();
    int64_t n;

    (void)arg;
    open_checked();
    n = client.transport ? asyncio_loop_sendfile(loop, client.transport, file) : -EBADF;
    EXPECT_INT(n, file_size());
    if (n == (int64_t)file_size()) {
        await_bytes(file_size());
        EXPECT_INT(server_end.n_received, file_size());
        EXPECT(asyncio_transport_is_reading(client.transport));
        /* The marks are the protocol's again. */
        asyncio_transport_pause_reading(server_end.transport);
        fill_up(&client, 0);
        EXPECT_INT(client.n_paused, 0);
    }
    close_checked();
    return 0;
}

TEST(transport_sendfile, "N-14: the whole file, and then the protocol writes again")
{
    test_needs_seconds(60);
    EXPECT_INT(play(whole), 0);
}

static int behind(void *arg)
{
    struct asyncio_loop *loop = this_loop();
    int64_t n;

    (void)arg;
    open_checked();
    asyncio_transport_pause_reading(server_end.transport);
    n_before = fill_up(&client, 200000);
    first_place = 1000;
    EXPECT_INT(client.n_paused, client.transport ? 1 : 0);
    asyncio_transport_resume_reading(server_end.transport);
    n = client.transport ? asyncio_loop_sendfile(loop, client.transport, file, .offset = 1000, .count = 2000) : -EBADF;
    EXPECT_INT(n, 2000);
    if (n == 2000) {
        await_bytes(n_before + 2000);
        EXPECT_INT(server_end.n_received, n_before + 2000);
        EXPECT_INT(client.n_resumed, 1);
        EXPECT_INT(client.n_paused, 1);
    }
    close_checked();
    return 0;
}

TEST(transport_sendfile_behind,
     "N-14 TR-04: a part of it, behind what was written before, and resume_writing is called")
{
    EXPECT_INT(play(behind), 0);
}

/* ------------------------------------------------------------------------------------------------------- Meanwhile */

static int64_t sent;

static int send_it(void *arg)
{
    (void)arg;
    sent = asyncio_loop_sendfile(this_loop(), client.transport, file);
    return 0;
}

/* Begins to send to an end that does not read. */
static struct asyncio_future *begin_to_send(void)
{
    struct asyncio_future *task;

    open_checked();
    asyncio_transport_pause_reading(server_end.transport);
    n_before = fill_up(&client, 0);
    sent = 1;
    task = spawn(send_it, NULL, "sends");
    settle();
    return task;
}

static int meanwhile(void *arg)
{
    struct asyncio_loop *loop = this_loop();

    (void)arg;
    begin_to_send();
    EXPECT_INT(sent, 1);
    EXPECT_INT(say(&client, "no"), -ASYNCIO_EINVALIDSTATE);
    EXPECT_INT(asyncio_loop_sendfile(loop, client.transport, file), -EBUSY);
    EXPECT(!asyncio_transport_is_reading(client.transport));
    EXPECT_INT(client.n_paused, 0);
    asyncio_transport_resume_reading(server_end.transport);
    await_bytes(n_before + file_size());
    settle();
    EXPECT_INT(sent, file_size());
    EXPECT_INT(client.n_paused, 0);
    EXPECT(asyncio_transport_is_reading(client.transport));
    close_checked();
    return 0;
}

TEST_NO_SWEEP(transport_sendfile_meanwhile, "N-14: nobody else writes meanwhile, and reading is paused",
              "each step's result is what it is about")
{
    test_needs_seconds(60);
    EXPECT_INT(play(meanwhile), 0);
}

static int lost_meanwhile(void *arg)
{
    (void)arg;
    begin_to_send();
    asyncio_transport_abort(server_end.transport);
    for (int i = 0; i < 100 && sent == 1; i++)
        settle();
    EXPECT(sent == -ECONNRESET || sent == -EPIPE);
    close_checked();
    return 0;
}

TEST_NO_SWEEP(transport_sendfile_lost, "N-14: a peer that goes ends it with an error", "faults end it otherwise")
{
    EXPECT_INT(play(lost_meanwhile), 0);
}

static int aborted_meanwhile(void *arg)
{
    (void)arg;
    begin_to_send();
    asyncio_transport_abort(client.transport);
    settle();
    EXPECT_INT(sent, -ECONNRESET);
    EXPECT_INT(client.n_lost, 1);
    close_checked();
    return 0;
}

TEST_NO_SWEEP(transport_sendfile_aborted, "N-14: so does abort, after which the transport is gone",
              "faults end it otherwise")
{
    EXPECT_INT(play(aborted_meanwhile), 0);
}

static int cancelled_meanwhile(void *arg)
{
    struct asyncio_future *task;

    (void)arg;
    task = begin_to_send();
    cancel(task);
    settle();
    EXPECT_INT(sent, -ECANCELED);
    EXPECT_INT(say(&client, "x"), 0);
    n_before++;
    asyncio_transport_resume_reading(server_end.transport);
    await_bytes(n_before);
    EXPECT_INT(server_end.n_received, n_before);
    EXPECT_INT(client.n_lost, 0);
    close_checked();
    return 0;
}

TEST_NO_SWEEP(transport_sendfile_cancelled, "N-14 N-15: cancelled, the protocol has its transport back",
              "faults end it otherwise")
{
    EXPECT_INT(play(cancelled_meanwhile), 0);
}

/* -------------------------------------------------------------------------------------------------------- Arguments */

static int wrong(void *arg)
{
    struct asyncio_loop *loop = this_loop();

    (void)arg;
    open_checked();
    EXPECT_INT(asyncio_loop_sendfile(loop, client.transport, file, .offset = -1), -EINVAL);
    EXPECT_INT(asyncio_loop_sendfile(loop, client.transport, file, .count = -1), -EINVAL);
    EXPECT_INT(asyncio_loop_sendfile(NULL, client.transport, file), -EINVAL);
    if (test_on_sim())
        EXPECT_INT(asyncio_loop_sendfile(loop, client.transport, file, .no_fallback = true), -ASYNCIO_ESENDFILE);
    EXPECT_INT(asyncio_transport_write_eof(client.transport), 0);
    EXPECT_INT(asyncio_loop_sendfile(loop, client.transport, file), -ASYNCIO_EINVALIDSTATE);
    asyncio_transport_close(client.transport);
    EXPECT_INT(asyncio_loop_sendfile(loop, client.transport, file), -ASYNCIO_ECLOSED);
    close_checked();
    return 0;
}

TEST_NO_SWEEP(transport_sendfile_wrong, "N-14: what is refused", "each step's result is what it is about")
{
    EXPECT_INT(play(wrong), 0);
}
