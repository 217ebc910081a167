/* test_pipes.c -- transports over pipes: what their protocols are told, and what becomes of the fd. */
#include "pipe_rig.h"

/* ---------------------------------------------------------------------------------------------------------- Reading */

static int reads(void *arg)
{
    struct asyncio_transport *transport = NULL;
    struct asyncio_protocol *protocol = NULL;
    int fds[2];

    (void)arg;
    make_pipe(fds);
    put(fds[1], "hello");
    EXPECT_INT(
        asyncio_loop_connect_read_pipe(asyncio_get_running_loop(), make_end, &reader, fds[0], &transport, &protocol),
        0);
    fds[0] = -1;
    trace("connected");
    EXPECT_PTR(protocol, &reader.protocol);
    EXPECT_PTR(transport, reader.transport);
    EXPECT_INT(reader.received, 0);
    settle();
    EXPECT_STR(reader.text, "hello");
    transport = reader.transport;
    if (!transport)
        return end_all(fds);
    EXPECT(!asyncio_transport_can_write_eof(transport));
    EXPECT_INT(asyncio_transport_write(transport, "x", 1), -ENOTSUP);
    EXPECT_INT(asyncio_transport_write_eof(transport), -ENOTSUP);
    EXPECT_INT(asyncio_transport_sockname(transport, &(struct asyncio_address){.size = 0}), -EAFNOSUPPORT);
    EXPECT(asyncio_transport_fileno(transport) >= 0);
    put(fds[1], ", world");
    close_fd(&fds[1]);
    settle();
    return end_all(fds);
}

TEST(reads_to_the_end, "N-12 TR-13 TR-06: returns when made; data, eof, lost, each in its turn")
{
    EXPECT_INT(run(reads, NULL), 0);
    EXPECT_TRACE("[0.000] reader: made\n"
                 "[0.000] connected\n"
                 "[1.000] reader: eof, closing 1\n"
                 "[1.000] reader: had 12 bytes, 'hello, world'\n"
                 "[1.000] reader: lost, 0\n");
}

static int reads_in_place(void *arg)
{
    int fds[2];

    (void)arg;
    reader.protocol.type = &buffered_type;
    make_pipe(fds);
    open_reader(&fds[0]);
    put(fds[1], "more than there is room for at a time");
    settle();
    close_fd(&fds[1]);
    settle();
    return end_all(fds);
}

TEST(reads_in_place, "TR-10: a buffered protocol names the memory")
{
    EXPECT_INT(run(reads_in_place, NULL), 0);
    EXPECT_TRACE("[0.000] reader: made\n"
                 "[1.000] reader: eof, closing 1\n"
                 "[1.000] reader: had 37 bytes, 'more than there is room for at a time'\n"
                 "[1.000] reader: lost, 0\n");
}

static void pauses(struct end *end)
{
    EXPECT(asyncio_transport_is_reading(end->transport));
    asyncio_transport_pause_reading(end->transport);
    asyncio_transport_pause_reading(end->transport);
    EXPECT(!asyncio_transport_is_reading(end->transport));
}

static int pauses_and_goes_on(void *arg)
{
    int fds[2];

    (void)arg;
    reader.on_made = pauses;
    make_pipe(fds);
    put(fds[1], "first");
    open_reader(&fds[0]);
    settle();
    trace("paused, %zu bytes", reader.received);
    asyncio_transport_resume_reading(reader.transport);
    asyncio_transport_resume_reading(reader.transport);
    settle();
    trace("reading, %zu bytes", reader.received);
    asyncio_transport_pause_reading(reader.transport);
    put(fds[1], ", second");
    settle();
    trace("paused, %zu bytes", reader.received);
    for (int i = 0; i < 3; i++) {
        asyncio_transport_resume_reading(reader.transport);
        asyncio_transport_pause_reading(reader.transport);
    }
    settle();
    trace("still, %zu bytes", reader.received);
    close_fd(&fds[1]);
    asyncio_transport_resume_reading(reader.transport);
    settle();
    return end_all(fds);
}

TEST(pauses_and_goes_on, "TR-02: paused in connection_made nothing is read; both calls are idempotent")
{
    EXPECT_INT(run(pauses_and_goes_on, NULL), 0);
    EXPECT_TRACE("[0.000] reader: made\n"
                 "[1.000] paused, 0 bytes\n"
                 "[2.000] reading, 5 bytes\n"
                 "[3.000] paused, 5 bytes\n"
                 "[4.000] still, 5 bytes\n"
                 "[4.000] reader: eof, closing 1\n"
                 "[4.000] reader: had 13 bytes, 'first, second'\n"
                 "[4.000] reader: lost, 0\n");
}

static void closes(struct end *end)
{
    asyncio_transport_close(end->transport);
    asyncio_transport_close(end->transport);
    asyncio_transport_resume_reading(end->transport);
    EXPECT_INT(asyncio_transport_fileno(end->transport), -ENOTCONN);
}

static int closes_at_once(void *arg)
{
    int fds[2];

    (void)arg;
    reader.on_made = closes;
    make_pipe(fds);
    put(fds[1], "unread");
    open_reader(&fds[0]);
    trace("connected");
    settle();
    EXPECT(reader.is_lost);
    return end_all(fds);
}

TEST(closes_in_connection_made, "TR-01: nothing is read, lost comes in a later turn and once")
{
    EXPECT_INT(run(closes_at_once, NULL), 0);
    EXPECT_TRACE("[0.000] reader: made\n"
                 "[0.000] connected\n"
                 "[0.000] reader: lost, 0\n");
}

static int closes_on_data(void *arg)
{
    int fds[2];

    (void)arg;
    reader.on_data = closes;
    make_pipe(fds);
    open_reader(&fds[0]);
    put(fds[1], "x");
    settle();
    EXPECT_INT(reader.received, 1);
    return end_all(fds);
}

TEST(closes_in_data_received, "TR-01: nothing more is read, no eof")
{
    EXPECT_INT(run(closes_on_data, NULL), 0);
    EXPECT_TRACE("[0.000] reader: made\n"
                 "[0.000] reader: had 1 bytes, 'x'\n"
                 "[0.000] reader: lost, 0\n");
}

static struct end second = {{&reader_type}, .name = "second"};

static void hands_over(struct end *end)
{
    struct asyncio_transport *transport = end->transport;

    second.transport = transport;
    EXPECT_INT(asyncio_transport_set_protocol(transport, &writer.protocol), -EINVAL);
    EXPECT_INT(asyncio_transport_set_protocol(transport, &second.protocol), 0);
    EXPECT_PTR(asyncio_transport_get_protocol(transport), &second.protocol);
    second.is_made = true;
    end->transport = NULL;
}

static int changes_protocol(void *arg)
{
    int fds[2];

    (void)arg;
    test_spare(ASYNCIO__SHORT_TRANSFERS, "the first piece is one protocol's, the second another's");
    reader.on_data = hands_over;
    make_pipe(fds);
    open_reader(&fds[0]);
    put(fds[1], "one");
    settle();
    second.protocol.type = &buffered_type;
    put(fds[1], "two");
    settle();
    close_fd(&fds[1]);
    settle();
    EXPECT_STR(reader.text, "one");
    return end_all(fds);
}

TEST(changes_protocol, "TR-01 TR-10: set_protocol in data_received, to one of another kind, too")
{
    EXPECT_INT(run(changes_protocol, NULL), 0);
    EXPECT_TRACE("[0.000] reader: made\n"
                 "[2.000] second: eof, closing 1\n"
                 "[2.000] second: had 3 bytes, 'two'\n"
                 "[2.000] second: lost, 0\n");
}

static void hand_over_and_name(struct asyncio_protocol *protocol, size_t hint, void **ret_data, size_t *ret_size)
{
    struct end *end = end_of(protocol);

    end_get_buffer(protocol, hint, ret_data, ret_size);
    second.transport = end->transport;
    second.is_made = true;
    EXPECT_INT(asyncio_transport_set_protocol(end->transport, &second.protocol), 0);
    end->transport = NULL;
}

static int changes_in_get_buffer(void *arg)
{
    struct asyncio_protocol_type type = buffered_type;
    int fds[2];

    (void)arg;
    type.get_buffer = hand_over_and_name;
    reader.protocol.type = &type;
    second.protocol.type = &buffered_type;
    make_pipe(fds);
    open_reader(&fds[0]);
    put(fds[1], "for the second");
    settle();
    EXPECT_INT(reader.received, 0);
    close_fd(&fds[1]);
    settle();
    return end_all(fds);
}

TEST(changes_protocol_in_get_buffer, "TR-10: what is read goes into the memory of the one that is told of it")
{
    EXPECT_INT(run(changes_in_get_buffer, NULL), 0);
    EXPECT_TRACE("[0.000] reader: made\n"
                 "[1.000] second: eof, closing 1\n"
                 "[1.000] second: had 14 bytes, 'for the second'\n"
                 "[1.000] second: lost, 0\n");
}

static void name_nothing(struct asyncio_protocol *protocol, size_t hint, void **ret_data, size_t *ret_size)
{
    (void)protocol, (void)hint, (void)ret_data;
    *ret_size = 0;
}

static void ignore_report(struct asyncio_loop *loop, const struct asyncio_exception_context *context, void *arg)
{
    (void)loop, (void)arg;
    trace("reported: %s", context->message);
}

static int names_no_memory(void *arg)
{
    struct asyncio_protocol_type type = buffered_type;
    int fds[2];

    (void)arg;
    type.get_buffer = name_nothing;
    reader.protocol.type = &type;
    asyncio_loop_set_exception_handler(asyncio_get_running_loop(), ignore_report, NULL);
    make_pipe(fds);
    open_reader(&fds[0]);
    put(fds[1], "x");
    settle();
    return end_all(fds);
}

TEST(names_no_memory, "TR-10: an empty buffer is an error, reported, that ends the transport")
{
    EXPECT_INT(run(names_no_memory, NULL), 0);
    EXPECT_TRACE("[0.000] reader: made\n"
                 "[0.000] reported: Fatal error: protocol.get_buffer() call failed.\n"
                 "[0.000] reader: lost, -ENOBUFS\n");
}

/* ---------------------------------------------------------------------------------------------------------- Writing */

static char much[1000 * 1000];

static int writes(void *arg)
{
    int fds[2];
    char data[16] = "";

    (void)arg;
    make_pipe(fds);
    open_writer(&fds[1]);
    if (!writer.transport)
        return end_all(fds);
    EXPECT(asyncio_transport_can_write_eof(writer.transport));
    EXPECT(!asyncio_transport_is_reading(writer.transport));
    asyncio_transport_pause_reading(writer.transport);
    EXPECT_INT(write_text(&writer, "one"), 0);
    EXPECT_INT(asyncio_transport_write(writer.transport, NULL, 0), 0);
    EXPECT_INT(asyncio_transport_write(writer.transport, NULL, 1), -EINVAL);
    EXPECT_INT(asyncio_transport_writelines(writer.transport,
                                            (const struct asyncio_bytes[]){{", two", 5}, {NULL, 0}, {", three", 7}}, 3),
               0);
    settle();
    while (strlen(data) < 15 && take(fds[0], data + strlen(data), 15 - strlen(data)) > 0)
        continue;
    EXPECT_STR(data, "one, two, three");
    EXPECT_INT(asyncio_transport_write_eof(writer.transport), 0);
    EXPECT(asyncio_transport_is_closing(writer.transport));
    EXPECT_INT(asyncio_transport_write_eof(writer.transport), 0);
    settle();
    EXPECT_INT(take(fds[0], data, 1), 0);
    return end_all(fds);
}

TEST(writes, "TR-13 TR-05: what is written arrives in order; write_eof closes")
{
    EXPECT_INT(run(writes, NULL), 0);
    EXPECT_TRACE("[0.000] writer: made\n"
                 "[1.000] writer: lost, 0\n");
}

/* Reads until there is nothing for a while. Returns: bytes. */
static size_t take_in_time(int fd, double seconds)
{
    size_t total = 0, n;

    do {
        n = take_all(fd);
        total += n;
        ASYNCIO_IGNORE(asyncio_sleep(seconds));
    } while (n > 0);
    return total;
}

static int controls_flow(void *arg)
{
    size_t high = 0, low = 0;
    int fds[2];

    (void)arg;
    make_pipe(fds);
    open_writer(&fds[1]);
    if (!writer.transport)
        return end_all(fds);
    asyncio_transport_get_write_buffer_limits(writer.transport, &high, &low);
    EXPECT(high == 65536 && low == 16384);
    EXPECT_INT(asyncio_transport_write(writer.transport, much, sizeof much), 0);
    trace("written");
    EXPECT(asyncio_transport_get_write_buffer_size(writer.transport) > high);
    EXPECT_INT(asyncio_transport_set_write_buffer_limits(writer.transport, 2 * sizeof much, 2 * sizeof much), 0);
    EXPECT_INT(asyncio_transport_set_write_buffer_limits(writer.transport, 0, 0), 0);
    EXPECT_INT(asyncio_transport_set_write_buffer_limits(writer.transport, 1, 2), -EINVAL);
    EXPECT_INT(asyncio_transport_write_eof(writer.transport), 0);
    trace("%zu bytes are there", take_in_time(fds[0], 1));
    return end_all(fds);
}

TEST(controls_flow, "TR-04 TR-03 TR-13: paused above the high mark, resumed at the low one, closed when all is written")
{
    test_needs_seconds(60);
    EXPECT_INT(run(controls_flow, NULL), 0);
    EXPECT(strstr(transcript(), "[0.000] writer: made\n"
                                "[0.000] writer: paused\n"
                                "[0.000] written\n"
                                "[0.000] writer: resumed\n"
                                "[0.000] writer: paused\n"));
    EXPECT(strstr(transcript(), "writer: resumed\n") < strstr(transcript(), "writer: lost, 0\n"));
    EXPECT(strstr(transcript(), " 1000000 bytes are there\n"));
    EXPECT_INT(writer.paused, 2);
    EXPECT_INT(writer.resumed, 2);
    trace_clear();
}

static void aborts(struct end *end)
{
    asyncio_transport_abort(end->transport);
}

static int aborted_in_resume(void *arg)
{
    int fds[2];

    (void)arg;
    writer.on_resumed = aborts;
    make_pipe(fds);
    open_writer(&fds[1]);
    if (writer.transport) {
        EXPECT_INT(asyncio_transport_write(writer.transport, much, sizeof much), 0);
        asyncio_transport_close(writer.transport);
    }
    take_in_time(fds[0], 1);
    EXPECT(writer.is_lost);
    return end_all(fds);
}

TEST(is_lost_once_when_aborted_in_resume_writing, "TR-09 #82: connection_lost is called once")
{
    test_needs_seconds(60);
    writer.is_quiet = true;
    EXPECT_INT(run(aborted_in_resume, NULL), 0);
    trace_clear();
}

static int aborts_with_data(void *arg)
{
    int fds[2];

    (void)arg;
    make_pipe(fds);
    open_writer(&fds[1]);
    if (writer.transport) {
        EXPECT_INT(asyncio_transport_write(writer.transport, much, sizeof much), 0);
        asyncio_transport_abort(writer.transport);
        EXPECT_INT(asyncio_transport_get_write_buffer_size(writer.transport), 0);
        for (int i = 0; i < 5; i++)
            EXPECT_INT(write_text(&writer, "x"), 0);
        EXPECT_LOG("a write to a write pipe transport that is closed or lost");
    }
    settle();
    EXPECT(take_all(fds[0]) < sizeof much);
    return end_all(fds);
}

TEST_NO_SWEEP(aborts_with_data, "TR-09: abort drops what is kept; later writes are dropped, and warned of from the 5th",
              "a warning that a fault forestalls")
{
    writer.is_quiet = true;
    EXPECT_INT(run(aborts_with_data, NULL), 0);
    EXPECT_TRACE("[0.000] writer: made\n"
                 "[0.000] writer: lost, 0\n");
}

/* ------------------------------------------------------------------------------------------------ Who reads is gone */

static int reader_goes(void *arg)
{
    int fds[2];

    (void)arg;
    make_pipe(fds);
    open_writer(&fds[1]);
    write_text(&writer, "nobody will read this");
    settle();
    close_fd(&fds[0]);
    settle();
    EXPECT(writer.is_lost);
    return end_all(fds);
}

TEST(notices_that_the_reader_goes, "TR-13 #76: without a write, lost with 0, as nothing is kept")
{
    EXPECT_INT(run(reader_goes, NULL), 0);
    EXPECT_TRACE("[0.000] writer: made\n"
                 "[1.000] writer: lost, 0\n");
}

static int reader_goes_early(void *arg)
{
    int fds[2];

    (void)arg;
    make_pipe(fds);
    if (test_on_sim() || fds[0] >= 0)
        close_fd(&fds[0]);
    open_writer(&fds[1]);
    trace("connected");
    settle();
    return end_all(fds);
}

TEST(notices_that_the_reader_is_gone_already, "TR-13: after connection_made")
{
    EXPECT_INT(run(reader_goes_early, NULL), 0);
    EXPECT_TRACE("[0.000] writer: made\n"
                 "[0.000] connected\n"
                 "[0.000] writer: lost, 0\n");
}

static int reader_goes_with_data(void *arg)
{
    int fds[2];

    (void)arg;
    make_pipe(fds);
    open_writer(&fds[1]);
    if (writer.transport)
        EXPECT_INT(asyncio_transport_write(writer.transport, much, sizeof much), 0);
    if (arg && writer.transport)
        asyncio_transport_close(writer.transport);
    settle();
    close_fd(&fds[0]);
    settle();
    return end_all(fds);
}

TEST(tells_what_nobody_will_read, "TR-13: -EPIPE when something is kept")
{
    writer.is_quiet = true;
    EXPECT_INT(run(reader_goes_with_data, NULL), 0);
    EXPECT_TRACE("[0.000] writer: made\n"
                 "[1.000] writer: lost, -EPIPE\n");
}

TEST(tells_it_also_when_closing, "TR-13: the same after close")
{
    writer.is_quiet = true;
    EXPECT_INT(run(reader_goes_with_data, &writer), 0);
    EXPECT_TRACE("[0.000] writer: made\n"
                 "[1.000] writer: lost, -EPIPE\n");
}

/* ---------------------------------------------------------------------------------------------------------- Sockets */

static int reads_socket(void *arg)
{
    struct asyncio_address name = {.size = 0};
    int fds[2];

    (void)arg;
    make_socketpair(fds);
    open_reader(&fds[0]);
    if (reader.transport)
        EXPECT_INT(asyncio_transport_peername(reader.transport, &name), 0);
    put(fds[1], "through a socket");
    settle();
    close_fd(&fds[1]);
    settle();
    return end_all(fds);
}

TEST(reads_from_a_socket, "N-12: a stream socket is a pipe, too")
{
    EXPECT_INT(run(reads_socket, NULL), 0);
    EXPECT_TRACE("[0.000] reader: made\n"
                 "[1.000] reader: eof, closing 1\n"
                 "[1.000] reader: had 16 bytes, 'through a socket'\n"
                 "[1.000] reader: lost, 0\n");
}

static int writes_socket(void *arg)
{
    int fds[2];

    make_socketpair(fds);
    open_writer(&fds[1]);
    if (arg)
        put(fds[0], "this is not for a writer");
    settle();
    trace("%s", writer.is_lost ? "is lost" : "is open");
    EXPECT_INT(write_text(&writer, "through a socket"), 0);
    settle();
    EXPECT_INT(take_all(fds[0]), 16);
    close_fd(&fds[0]);
    settle();
    if (arg)
        EXPECT_INT(write_text(&writer, "into nothing"), 0);
    settle();
    return end_all(fds);
}

TEST(writes_to_a_socket, "N-12 TR-13: the peer's end is noticed")
{
    EXPECT_INT(run(writes_socket, NULL), 0);
    EXPECT_TRACE("[0.000] writer: made\n"
                 "[1.000] is open\n"
                 "[2.000] writer: lost, 0\n");
}

TEST(writes_to_a_socket_that_talks, "TR-13: what the peer sends is not taken for its end; the next write tells of that")
{
    EXPECT_INT(run(writes_socket, &writer), 0);
    EXPECT(strstr(transcript(), "[0.000] writer: made\n[1.000] is open\n[3.000] writer: lost, -E"));
    trace_clear();
}
