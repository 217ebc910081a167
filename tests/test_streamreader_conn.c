/* test_streamreader_conn.c -- readers of connections: memory that is not held, data that go straight to the caller, the
 * end that others make, and errors. */
#include "streams.h"

static char got[100000];

/* Reads once in a way that the argument names, into `got`, and says what. */
static ssize_t read_as(const char *way)
{
    char *data = NULL;
    ssize_t r;

    memset(got, 0, 64);
    if (strcmp(way, "read") == 0)
        return asyncio_streamreader_read(reader, got, sizeof got - 1);
    if (strcmp(way, "readexactly") == 0)
        return asyncio_streamreader_readexactly(reader, got, 10);
    if (strcmp(way, "long readexactly") == 0)
        return asyncio_streamreader_readexactly(reader, got, sizeof got);
    if (strcmp(way, "read_to_end") == 0)
        r = asyncio_streamreader_read_to_end(reader, sizeof got, &data);
    else
        r = asyncio_streamreader_readline(reader, &data);
    if (r > 0)
        snprintf(got, 64, "%s", data);
    if (strcmp(way, "read_to_end") == 0)
        asyncio_free(data);
    return r;
}

static int reading(void *arg)
{
    ssize_t r = broken ? -EIO : read_as(arg);

    broken |= r == -EIO || r == -ENOMEM;
    trace("%s: %s%s%s", (const char *)arg, said(r), r > 0 ? ", " : "", r > 0 ? got : "");
    return 0;
}

static char ways[][20] = {"read", "read_to_end", "readexactly", "long readexactly", "readline"};

#define N_WAYS (int)(sizeof ways / sizeof ways[0])

static void await_last(void)
{
    if (crew_size > 0)
        ASYNCIO_IGNORE(asyncio_wait(&crew[crew_size - 1], 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
}

/* ---------------------------------------------------------------------------------------------------------- Memory */

TEST_ONE(idle_readers_hold_no_memory, "a read that waits with nothing kept holds no memory, one with half a line does",
         CONNECTED)
{
    for (int i = 0; i < N_WAYS; i++) {
        open_reader(0);
        feed("a line\n");
        EXPECT_STR(read_line(), "a line\n");
        spawn(reading, ways[i], ways[i]);
        moment();
        EXPECT_PTR(reader ? reader->buffer.data : NULL, NULL);
        feed("half");
        moment();
        EXPECT(broken || i == 0 || i == 3 || reader->buffer.size == 4);
        feed(" of it\n");
        feed_eof();
        await_last();
        close_streams();
    }
    trace_clear();
    return 0;
}

TEST_ONE(reads_go_straight_to_the_caller, "a read with nothing kept needs no memory of the reader's", CONNECTED)
{
    int64_t n;

    test_send_directly("what is put off takes memory");
    open_reader(0);
    feed("data");
    n = asyncio_allocations();
    EXPECT_STR(read_text(4), "data");
    EXPECT_INT(asyncio_allocations() - n, 0);
    feed("data");
    n = asyncio_allocations();
    memset(got, 0, 8);
    if (reader)
        reader->limit = 3;
    EXPECT_CALL(asyncio_streamreader_readexactly(reader, got, 4), 4);
    EXPECT_STR(got, "data");
    EXPECT_INT(asyncio_allocations() - n, 0);
    close_streams();
    return 0;
}

static int write_much(void *arg)
{
    static char block[10000];

    (void)arg;
    for (int at = 0; at < 300000; at += (int)sizeof block) {
        for (int i = 0; i < (int)sizeof block; i++)
            block[i] = (char)((at + i) % 100 == 99 ? '\n' : 'a' + (at + i) % 26);
        EXPECT_CALL(asyncio_streamwriter_write(peer, block, sizeof block), 0);
    }
    feed_eof();
    return 0;
}

TEST_ONE(many_lines, "ST-10: lines come whole however much arrives at a time, and the buffer stays small", CONNECTED)
{
    char *line = NULL;
    int n = 0;

    open_reader(0);
    spawn(write_much, NULL, "writer");
    for (ssize_t r = 1; !broken && r > 0; n += r > 0) {
        r = asyncio_streamreader_readline(reader, &line);
        if (r != 0 && (r != 100 || line[99] != '\n' || line[50] != 'a' + (n * 100 + 50) % 26))
            FAIL("line %d is another", n);
        if (reader->buffer.capacity > 300000)
            FAIL("%zu bytes are held", reader->buffer.capacity);
    }
    if (!broken)
        EXPECT_INT(n, 3000);
    everybody();
    close_streams();
    return 0;
}

/* ----------------------------------------------------------------------------------------------- A long readexactly */

TEST_ONE(readexactly_puts_back, "ST-07 T-06: a long readexactly that is cancelled puts back what it had taken",
         CONNECTED)
{
    open_reader(10);
    feed("line\nbefore ");
    EXPECT_STR(read_line(), "line\n");
    spawn(reading, ways[3], "reader");
    moment();
    feed("after");
    moment();
    cancel(crew[crew_size - 1]);
    await_last();
    EXPECT(broken || strcmp(got, "before after") == 0);
    feed(" and more\n");
    EXPECT_STR(read_text(10), "before aft");
    EXPECT_STR(read_until("more"), "er and more");
    EXPECT_TRACE("[0.000] long readexactly: -ECANCELED\n");
    close_streams();
    return 0;
}

TEST_ONE(readexactly_cannot_put_back,
         "ST-07: without the memory to put back what was taken the loss is told by every read from then on", CONNECTED)
{
    open_reader(10);
    spawn(reading, ways[3], "reader");
    moment();
    feed("data");
    moment();
    cancel(crew[crew_size - 1]);
    asyncio_fail_allocation(0, 1);
    await_last();
    asyncio_fail_allocation(-1, 1);
    EXPECT_INT(asyncio_streamreader_exception(reader), broken ? 0 : -ENOMEM);
    EXPECT_STR(read_line(), "-ENOMEM");
    trace_clear();
    close_streams();
    return 0;
}

/* -------------------------------------------------------------------------------------------------- Others close it */

TEST_ONE(closed_while_reading, "#90: who waits for data when its writer is closed finds the end", CONNECTED)
{
    for (int i = 0; i < N_WAYS; i++) {
        open_reader(0);
        spawn(reading, ways[i], ways[i]);
        moment();
        asyncio_streamwriter_close(writer);
        await_last();
        EXPECT_INT(asyncio_streamreader_at_eof(reader), !broken);
        EXPECT_CALL(asyncio_streamreader_read(reader, got, 1), 0);
        close_streams();
    }
    EXPECT_TRACE("[0.000] read: 0\n[0.000] read_to_end: 0\n[0.000] readexactly: -ASYNCIO_EINCOMPLETEREAD\n"
                 "[0.000] long readexactly: -ASYNCIO_EINCOMPLETEREAD\n[0.000] readline: 0\n");
    return 0;
}

TEST_ONE(closed_with_data_pending,
         "#90: the same when what was written has not been sent yet, with what had come before the end", CONNECTED)
{
    for (int i = 0; i < N_WAYS; i++) {
        open_reader(0);
        fill();
        spawn(reading, ways[i], ways[i]);
        moment();
        if (i > 0) {
            feed("partial");
            moment();
        }
        asyncio_streamwriter_close(writer);
        await_last();
        EXPECT_CALL(asyncio_streamreader_read(reader, got, 1), 0);
        asyncio_streamwriter_abort(writer);
        close_streams();
    }
    EXPECT_TRACE("[0.000] read: 0\n[0.000] read_to_end: 7, partial\n[0.000] readexactly: -ASYNCIO_EINCOMPLETEREAD\n"
                 "[0.000] long readexactly: -ASYNCIO_EINCOMPLETEREAD\n[0.000] readline: 7, partial\n");
    return 0;
}

TEST_ONE(aborted_while_reading, "#90: who waits for data when its writer is aborted finds the end", CONNECTED)
{
    for (int i = 0; i < N_WAYS; i++) {
        open_reader(0);
        spawn(reading, ways[i], ways[i]);
        moment();
        asyncio_streamwriter_abort(writer);
        await_last();
        close_streams();
    }
    EXPECT_TRACE("[0.000] read: 0\n[0.000] read_to_end: 0\n[0.000] readexactly: -ASYNCIO_EINCOMPLETEREAD\n"
                 "[0.000] long readexactly: -ASYNCIO_EINCOMPLETEREAD\n[0.000] readline: 0\n");
    return 0;
}

TEST_ONE(closed_with_lines_kept, "#90: what was received before the writer was closed can still be read", CONNECTED)
{
    open_reader(0);
    feed("one\ntwo\nthree");
    EXPECT_STR(read_line(), "one\n");
    asyncio_streamwriter_close(writer);
    if (!broken && reader->buffer.size == 9) {
        EXPECT_INT(asyncio_streamreader_at_eof(reader), false);
        EXPECT_STR(read_line(), "two\n");
        EXPECT_STR(read_line(), "three");
    }
    moment();
    EXPECT_STR(broken ? "" : read_line(), "");
    close_streams();
    return 0;
}

TEST_ONE(cancelled_and_closed, "#90 T-06: a read that is cancelled and whose writer is closed ends once", CONNECTED)
{
    open_reader(0);
    spawn(reading, ways[0], "first");
    moment();
    cancel(crew[crew_size - 1]);
    asyncio_streamwriter_close(writer);
    await_last();
    close_streams();
    open_reader(0);
    spawn(reading, ways[0], "second");
    moment();
    asyncio_streamwriter_close(writer);
    cancel(crew[crew_size - 1]);
    await_last();
    close_streams();
    trace_clear();
    return 0;
}

static bool over;

/* Reads bytes that are always there, so that its turn ends only where the budget of calls does. */
static int hog(void *arg)
{
    ssize_t r = 1;
    char byte;

    (void)arg;
    for (over = false; r == 1;)
        r = asyncio_streamreader_read(reader, &byte, 1);
    over = true;
    trace("%s", said(r));
    return 0;
}

/* Does what never waits. */
static int64_t perform(struct asyncio_op *op)
{
    asyncio_op_submit(asyncio_get_running_loop(), op);
    return op->result;
}

TEST_ONE(closed_while_yielding,
         "D-10: a task that reads what is always there yields at times; the fd that it meant may be gone then, and its "
         "number somebody else's",
         CONNECTED)
{
    struct asyncio_op other = {.opcode = ASYNCIO_OP_SOCKETPAIR,
                               .make = {.domain = AF_UNIX, .type = SOCK_STREAM, .fds = {-1, -1}}};
    char text[300], theirs[] = "theirs";
    int fd = -1;

    open_reader(0);
    memset(text, 'x', sizeof text);
    feed_bytes(text, sizeof text);
    spawn(hog, NULL, "hog");
    turns(2);
    EXPECT_INT(over, broken);
    fd = asyncio_streamwriter_fileno(writer);
    asyncio_streamwriter_abort(writer);
    EXPECT_CALL(perform(&other), 0);
    EXPECT(broken || other.make.fds[0] == fd);
    perform(&(struct asyncio_op){
        .opcode = ASYNCIO_OP_SEND, .fd = other.make.fds[1], .buffer = {.data = theirs, .size = sizeof theirs}});
    everybody();
    EXPECT_TRACE("[0.000] 0\n");
    for (int i = 0; i < 2; i++)
        perform(&(struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE, .fd = other.make.fds[i]});
    close_streams();
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- Errors */

static bool has_hung_up;

static int hang_up(struct asyncio_streamreader *its_reader, struct asyncio_streamwriter *its_writer, void *arg)
{
    char byte;

    (void)arg;
    ASYNCIO_IGNORE(asyncio_streamreader_read(its_reader, &byte, 1));
    asyncio_streamwriter_abort(its_writer);
    has_hung_up = true;
    return 0;
}

static int write_then_read(void *arg)
{
    struct asyncio_server *server = NULL;
    struct asyncio_address address = {0};
    char byte;

    (void)arg;
    broken = false;
    reader = NULL;
    writer = NULL;
    EXPECT_CALL(asyncio_start_server(hang_up, NULL, "127.0.0.1", 0, &server), 0);
    EXPECT_CALL(asyncio_server_sockname(server, 0, &address), 0);
    EXPECT_CALL(asyncio_open_connection("127.0.0.1", asyncio_address_port(&address), &reader, &writer), 0);
    EXPECT_CALL(asyncio_streamwriter_write(writer, "a", 1), 0);
    for (int i = 0; i < 100 && !has_hung_up; i++)
        moment();
    EXPECT_CALL(asyncio_streamwriter_write(writer, "a", 1), -ECONNRESET);
    EXPECT_CALL(asyncio_streamreader_read(reader, &byte, 1), -ECONNRESET);
    EXPECT_CALL(asyncio_streamreader_read(reader, &byte, 1), -ECONNRESET);
    reader = asyncio_streamreader_unref(reader);
    asyncio_streamwriter_close(writer);
    writer = asyncio_streamwriter_unref(writer);
    asyncio_server_close(server);
    ASYNCIO_IGNORE(asyncio_server_wait_closed(server));
    asyncio_server_unref(server);
    return 0;
}

TEST(reset_told_to_a_write, "ST-06 R2: a reset that a write has met is no end of the stream for a read")
{
    test_send_directly("the write shall meet the error");
    EXPECT_INT(run(write_then_read, NULL), 0);
}

TEST_ONE(reset_by_the_peer, "ST-06 ST-13: a reset is an error of every read, and of wait_closed", CONNECTED)
{
    for (int i = 0; i < N_WAYS; i++) {
        open_reader(0);
        /* A close with unread data resets. */
        EXPECT_CALL(asyncio_streamwriter_write_nowait(writer, "unread", 6), 0);
        moment();
        spawn(reading, ways[i], ways[i]);
        moment();
        asyncio_streamwriter_close(peer);
        await_last();
        EXPECT_INT(asyncio_streamreader_exception(reader), broken ? 0 : -ECONNRESET);
        EXPECT_CALL(asyncio_streamreader_read(reader, got, 1), -ECONNRESET);
        EXPECT_INT(asyncio_streamwriter_is_closing(writer), !broken);
        EXPECT_CALL(asyncio_streamwriter_drain(writer), -ECONNRESET);
        EXPECT_CALL(asyncio_streamwriter_wait_closed(writer), -ECONNRESET);
        close_streams();
    }
    EXPECT_TRACE("[0.000] read: -ECONNRESET\n[0.000] read_to_end: -ECONNRESET\n[0.000] readexactly: -ECONNRESET\n"
                 "[0.000] long readexactly: -ECONNRESET\n[0.000] readline: -ECONNRESET\n");
    return 0;
}

TEST_ONE(read_what_the_peer_said_last,
         "when writing has failed, what the peer said before it hung up can still be read", CONNECTED)
{
    test_send_directly("the write shall meet the error");
    open_reader(0);
    feed("too large, go away");
    asyncio_streamwriter_close(peer);
    moment();
    EXPECT_CALL(asyncio_streamwriter_write(writer, "much", 4), -EPIPE);
    EXPECT_CALL(asyncio_streamwriter_write(writer, "more", 4), -EPIPE);
    EXPECT_INT(asyncio_streamreader_exception(reader), 0);
    EXPECT_STR(read_text(18), "too large, go away");
    EXPECT_CALL(asyncio_streamreader_read(reader, got, 1), 0);
    asyncio_streamwriter_close(writer);
    EXPECT_CALL(asyncio_streamwriter_wait_closed(writer), -EPIPE);
    EXPECT_CALL(asyncio_streamreader_read(reader, got, 1), -EPIPE);
    close_streams();
    return 0;
}

static void set_exception(void *arg)
{
    EXPECT_CALL(asyncio_streamreader_set_exception(arg, -ENOTTY), 0);
}

TEST_ONE(exception_as_data_come, "ST-04: an error that is set when data have come for a read of lines wins over them",
         CONNECTED)
{
    open_reader(0);
    spawn(reading, ways[4], "reader");
    moment();
    feed("line\n");
    /* The callback is ready before the poll that finds the data, and so runs before the task. */
    EXPECT_CALL(asyncio_loop_call_soon(asyncio_get_running_loop(), set_exception, reader), 0);
    everybody();
    EXPECT_TRACE("[0.000] readline: -ENOTTY\n");
    close_streams();
    return 0;
}

TEST_ONE(harmless_errors, "a read that finds no memory can be tried again", CONNECTED)
{
    char *line = NULL;

    open_reader(0);
    feed("a line\n");
    moment();
    asyncio_fail_allocation(0, 1);
    EXPECT_CALL(asyncio_streamreader_readline(reader, &line), -ENOMEM);
    asyncio_fail_allocation(-1, 1);
    EXPECT_STR(read_line(), "a line\n");
    close_streams();
    return 0;
}

/* ------------------------------------------------------------------------------------------------------- Half close */

TEST_ONE(half_close, "ST-14: after the peer's end writing goes on, and the other way round", CONNECTED)
{
    char data[8] = "";

    open_reader(0);
    feed("bye");
    feed_eof();
    EXPECT_STR(read_text(3), "bye");
    EXPECT_CALL(asyncio_streamreader_read(reader, data, sizeof data), 0);
    EXPECT_CALL(asyncio_streamwriter_write(writer, "yes?", 4), 0);
    EXPECT_CALL(asyncio_streamreader_readexactly(peer_reader, data, 4), 4);
    EXPECT_STR(data, "yes?");
    EXPECT_CALL(asyncio_streamwriter_write_eof(writer), 0);
    EXPECT_CALL(asyncio_streamreader_read(peer_reader, data, sizeof data), 0);
    EXPECT_INT(asyncio_streamwriter_is_closing(writer), false);
    close_streams();
    return 0;
}

/* ------------------------------------------------------------------------------------------------------- Life time */

static bool lost;

static void note_loss(void *arg)
{
    EXPECT_PTR(arg, &lost);
    lost = true;
}

TEST_ONE(lost_is_told, "what opened a stream is told when its connection is of no more use, whoever still holds it",
         FED)
{
    lost = broken = false;
    reader = peer_reader = NULL;
    writer = peer = NULL;
    connect_ends(&(struct asyncio__stream_options){.lost = note_loss, .arg = &lost});
    reader = asyncio_streamreader_unref(reader);
    moment();
    EXPECT_INT(lost, false);
    asyncio_streamwriter_close(writer);
    moment();
    EXPECT_INT(lost, !broken);
    close_streams();
    return 0;
}

TEST_ONE(readers_outlive_writers, "ST-17: a reader that is still held when its writer is gone finds the end", CONNECTED)
{
    char *line = NULL;

    open_reader(0);
    feed("a\nb\n");
    EXPECT_STR(read_line(), "a\n");
    asyncio_streamwriter_close(writer);
    writer = asyncio_streamwriter_unref(writer);
    moment();
    ASYNCIO_IGNORE(asyncio_streamreader_readline(reader, &line));
    EXPECT_CALL(asyncio_streamreader_readline(reader, &line), 0);
    EXPECT_INT(asyncio_streamreader_at_eof(reader), !broken);
    close_streams();
    return 0;
}

static int leave_streams(void *arg)
{
    (void)arg;
    side = CONNECTED;
    open_reader(0);
    feed("a\nb\n");
    EXPECT_STR(read_line(), "a\n");
    return 0;
}

TEST(streams_outlive_their_loop, "ST-17: reader and writer may be given back after the loop's close, which closes them")
{
    char byte;

    EXPECT_INT(run(leave_streams, NULL), 0);
    EXPECT_INT(asyncio_streamwriter_is_closing(writer), writer != NULL);
    EXPECT_INT(asyncio_streamreader_read(reader, &byte, 1), reader ? -ASYNCIO_ENOTASK : -EINVAL);
    if (writer)
        EXPECT_INT(asyncio_streamwriter_write_nowait(writer, "x", 1), -ASYNCIO_ECLOSED);
    asyncio_streamwriter_abort(writer);
    close_streams();
}

TEST_ONE(stream_options, "a stream that cannot be made closes its fd", CONNECTED)
{
    const struct asyncio__stream_options bad = {.close_timeout = __builtin_nan("")};
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SOCKETPAIR,
                            .make = {.domain = AF_UNIX, .type = SOCK_STREAM, .fds = {-1, -1}}};

    broken = false;
    reader = NULL;
    writer = NULL;
    EXPECT_CALL(asyncio_op_await(&op), 0);
    for (int i = 0; i < 2 && !broken; i++)
        EXPECT_CALL(stream_of_fd(op.make.fds[i], &bad, &reader, &writer), -EINVAL);
    EXPECT_PTR(reader, NULL);
    return 0;
}

TEST_ONE(dumps_name_the_fd, "T-13: a dump says that a task waits to receive", CONNECTED)
{
    open_reader(0);
    spawn(reading, ways[0], "reader");
    moment();
    EXPECT(broken || dump_says("recv on fd"));
    feed("x");
    everybody();
    EXPECT_TRACE("[0.000] read: 1, x\n");
    close_streams();
    return 0;
}
