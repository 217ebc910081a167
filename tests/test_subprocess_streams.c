/* test_subprocess_streams.c -- the standard streams of processes: writers and readers over pipes, and over a
 * terminal. */
#include "process_rig.h"

#include "lib/streams.h"

/* --------------------------------------------------------------------------------------------------------- Talking */

TEST_PROCESS(talks, "SP-01 SP-02: what is written is read by the child, what it says by us, until either closes")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_streamreader *out;
    struct asyncio_streamwriter *in;

    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE), 0);
    in = asyncio_process_stdin(process);
    out = asyncio_process_stdout(process);
    EXPECT_INT(asyncio_streamwriter_printf(in, "hello %d\n", 1), 0);
    EXPECT_STR(line_of(out), "hello 1\n");
    EXPECT_INT(
        asyncio_streamwriter_writelines(in, ((struct asyncio_bytes[]){{"a", 1}, {"", 0}, {"b\nc", 3}, {"\n", 1}}), 4),
        0);
    EXPECT_STR(line_of(out), "ab\n");
    EXPECT_STR(line_of(out), "c\n");
    EXPECT(asyncio_streamwriter_can_write_eof(in) && !asyncio_streamwriter_is_closing(in));
    EXPECT(asyncio_streamwriter_fileno(in) >= 0);
    EXPECT_INT(asyncio_streamwriter_write(in, "last", 4), 0);
    EXPECT_INT(asyncio_streamwriter_write_eof(in), 0);
    EXPECT(asyncio_streamwriter_is_closing(in));
    EXPECT_INT(asyncio_streamwriter_write_eof(in), 0);
    EXPECT_INT(asyncio_streamwriter_wait_closed(in), 0);
    EXPECT_INT(asyncio_streamwriter_fileno(in), -ENOTCONN);
    EXPECT(!asyncio_streamreader_at_eof(out));
    EXPECT_STR(rest_of(out), "last");
    EXPECT(asyncio_streamreader_at_eof(out));
    EXPECT_STR(rest_of(out), "");
    EXPECT_STR(line_of(out), "");
    EXPECT_INT(end_of(process), 0);
    return 0;
}

TEST_PROCESS(both_outputs, "SP-02: output and errors are streams of their own")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;

    EXPECT_INT(asyncio_create_subprocess_shell(&process, "echo out; echo err >&2", .std_out = ASYNCIO_PIPE,
                                               .std_err = ASYNCIO_PIPE),
               0);
    EXPECT_INT(end_of(process), 0);
    EXPECT_STR(rest_of(asyncio_process_stderr(process)), "err\n");
    EXPECT_STR(rest_of(asyncio_process_stdout(process)), "out\n");
    return 0;
}

TEST_PROCESS(line_limit, "SP-01: .limit is the reader's")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    char *line = NULL;

    EXPECT_INT(asyncio_create_subprocess_shell(&process, "echo 0123456789", .std_out = ASYNCIO_PIPE, .limit = 8), 0);
    EXPECT_INT(asyncio_streamreader_readline(asyncio_process_stdout(process), &line), -ASYNCIO_ELIMITOVERRUN);
    return 0;
}

TEST_PROCESS(kept_reader, "SP-02: a stream that somebody has a reference of outlives the process")
{
    struct asyncio_process *process = NULL;
    struct asyncio_streamreader *out;
    struct asyncio_streamwriter *in;
    int pid;

    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE), 0);
    pid = asyncio_process_pid(process);
    in = asyncio_streamwriter_ref(asyncio_process_stdin(process));
    out = asyncio_streamreader_ref(asyncio_process_stdout(process));
    asyncio_process_unref(process);
    EXPECT_INT(asyncio_streamwriter_write(in, "still here", 10), 0);
    asyncio_streamwriter_close(in);
    asyncio_streamwriter_unref(in);
    EXPECT_STR(rest_of(out), "still here");
    asyncio_streamreader_unref(out);
    await_gone(pid);
    return 0;
}

/* ----------------------------------------------------------------------------------------------------- Nobody reads */

TEST_PROCESS(nobody_reads,
             "SP-04 #116: writes, drain and close say -EPIPE when the child has closed its input; no signal comes")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_streamwriter *in;
    int r = 0;

    EXPECT_INT(asyncio_create_subprocess_shell(&process, "exec <&-; echo closed; exec sleep 1000",
                                               .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE),
               0);
    in = asyncio_process_stdin(process);
    EXPECT_STR(line_of(asyncio_process_stdout(process)), "closed\n");
    for (int i = 0; i < 3 && r == 0; i++)
        r = asyncio_streamwriter_write(in, "x", 1);
    EXPECT_INT(r, -EPIPE);
    EXPECT_INT(asyncio_streamwriter_drain(in), -EPIPE);
    asyncio_streamwriter_close(in);
    EXPECT_INT(asyncio_streamwriter_wait_closed(in), -EPIPE);
    EXPECT(!asyncio_process_returncode(process, NULL));
    return 0;
}

static int overfills(void *arg)
{
    static const char block[256 * 1024];
    struct asyncio_streamwriter *in = arg;
    int r = asyncio_streamwriter_write(in, block, sizeof block);

    trace("drained: %s", said(r));
    return 0;
}

TEST_PROCESS(dies_unread, "SP-04: who waits for room hears that nobody will ever read")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;

    EXPECT_INT(asyncio_create_subprocess_exec(&process, ARGV("sleep", "1000"), .std_in = ASYNCIO_PIPE), 0);
    spawn(overfills, asyncio_process_stdin(process), "writer");
    turns(4);
    trace("kills");
    EXPECT_INT(asyncio_process_kill(process), 0);
    everybody();
    EXPECT_TRACE("[0.000] kills\n"
                 "[0.000] drained: -EPIPE\n");
    return 0;
}

TEST_PROCESS(waits_for_room,
             "SP-10: a writer waits while the child is busy, and what it has kept comes after close, however late")
{
    static const char block[300 * 1024];
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_streamwriter *in;
    struct asyncio_streamreader *out;

    test_spare(ASYNCIO__SHORT_TRANSFERS, "of so much");
    EXPECT_INT(
        asyncio_create_subprocess_shell(&process, "read line; wc -c", .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE),
        0);
    in = asyncio_process_stdin(process);
    out = asyncio_process_stdout(process);
    EXPECT_INT(asyncio_streamwriter_write_nowait(in, "\n", 1), 0);
    EXPECT_INT(asyncio_streamwriter_write_nowait(in, block, sizeof block), 0);
    EXPECT(asyncio_streamwriter_get_write_buffer_size(in) > 0 || !in);
    asyncio_streamwriter_close(in);
    EXPECT_INT(asyncio_streamwriter_write(in, "x", 1), -ASYNCIO_ECLOSED);
    EXPECT_INT(atoi(line_of(out)), (int)sizeof block);
    EXPECT_INT(asyncio_streamwriter_wait_closed(in), 0);
    EXPECT_INT(end_of(process), 0);
    return 0;
}

/* ----------------------------------------------------------------------------------------------------- No sockets */

TEST_PROCESS(no_socket, "SP-02: a pipe has no address and no TLS")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_address address = {.size = 0};

    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE), 0);
    EXPECT(asyncio_streamwriter_sockname(asyncio_process_stdin(process), &address) < 0);
    EXPECT(asyncio_streamwriter_peername(asyncio_process_stdin(process), &address) < 0);
    EXPECT_INT(asyncio_streamwriter_start_tls(asyncio_process_stdin(process), ASYNCIO_SSL_DEFAULT,
                                              .server_hostname = "localhost"),
               -ENOTSUP);
    return 0;
}

/* -------------------------------------------------------------------------------------------------------- Terminals */

TEST_PROCESS(terminal, "R15: all three a terminal of its own, which controls its new session and has a size")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_streamreader *out;

    EXPECT_INT(asyncio_create_subprocess_shell(
                   &process, "test -t 0 && test -t 1 && test -t 2 && stty size < /dev/tty; read line; echo \"<$line>\"",
                   .std_in = ASYNCIO_PTY, .std_out = ASYNCIO_PTY, .std_err = ASYNCIO_PTY, .rows = 30, .columns = 100),
               0);
    out = asyncio_process_stdout(process);
    EXPECT(out || !process);
    EXPECT_PTR(asyncio_process_stderr(process), NULL);
    EXPECT_STR(line_of(out), "30 100\r\n");
    EXPECT_INT(asyncio_streamwriter_write(asyncio_process_stdin(process), "hello\n", 6), 0);
    EXPECT_STR(rest_of(out), "hello\r\n<hello>\r\n");
    EXPECT(asyncio_streamreader_at_eof(out));
    EXPECT_INT(end_of(process), 0);
    return 0;
}

TEST_PROCESS(terminal_of_usual_size, "R15: 24 rows of 80 columns; the errors are the terminal's if only they are")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;

    EXPECT_INT(asyncio_create_subprocess_shell(&process, "stty size < /dev/tty; echo err >&2; test -t 1 || exit 4",
                                               .std_out = ASYNCIO_PIPE, .std_err = ASYNCIO_PTY),
               0);
    EXPECT_STR(rest_of(asyncio_process_stdout(process)), "24 80\n");
    EXPECT_STR(rest_of(asyncio_process_stderr(process)), "err\r\n");
    EXPECT_INT(end_of(process), 4);
    return 0;
}

TEST_PROCESS(terminal_hangs_up,
             "R15: closing the writer is the end of the terminal, and of who does not mind the hang-up")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_streamwriter *in;

    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PTY, .std_out = ASYNCIO_PTY), 0);
    in = asyncio_process_stdin(process);
    EXPECT(!asyncio_streamwriter_can_write_eof(in));
    EXPECT_INT(asyncio_streamwriter_write_eof(in), -ENOTSUP);
    asyncio_streamwriter_close(in);
    EXPECT_INT(asyncio_streamwriter_wait_closed(in), 0);
    EXPECT_STR(rest_of(asyncio_process_stdout(process)), "");
    EXPECT_INT(end_of(process), -SIGHUP);
    return 0;
}

/* ----------------------------------------------------------------------------- Streams over pipes, without children */

/* The two ends of a pipe of the loop's back end, as streams. */
static void open_pipe(struct asyncio_streamreader **ret_reader, struct asyncio_streamwriter **ret_writer)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_op op = {.opcode = ASYNCIO_OP_PIPE};
    struct asyncio_streamreader *no_reader;
    struct asyncio_streamwriter *no_writer;

    *ret_reader = NULL;
    *ret_writer = NULL;
    asyncio_op_submit(loop, &op);
    EXPECT_INT(op.result, 0);
    if (op.result < 0)
        return;
    EXPECT_INT(asyncio__stream_open(loop, op.make.fds[0],
                                    &(const struct asyncio__stream_options){.kind = ASYNCIO__STREAM_READ_END},
                                    ret_reader, &no_writer),
               0);
    EXPECT_INT(asyncio__stream_open(loop, op.make.fds[1],
                                    &(const struct asyncio__stream_options){.kind = ASYNCIO__STREAM_WRITE_END},
                                    &no_reader, ret_writer),
               0);
}

static int writes_much(void *arg)
{
    static char block[1000];
    struct asyncio_streamwriter *writer = arg;
    int r = 0;

    for (int i = 0; i < 300 && r == 0; i++) {
        memset(block, 'a' + i % 26, sizeof block);
        r = asyncio_streamwriter_write(writer, block, sizeof block);
    }
    asyncio_streamwriter_close(writer);
    return r;
}

static int moves_much(void *arg)
{
    struct asyncio_streamreader *reader;
    struct asyncio_streamwriter *writer;
    char *data = NULL;
    ssize_t size;

    (void)arg;
    open_pipe(&reader, &writer);
    spawn(writes_much, writer, "writer");
    size = asyncio_streamreader_read_to_end(reader, SIZE_MAX, &data);
    EXPECT_INT(size, 300 * 1000);
    for (ssize_t i = 0; i < size; i++)
        if (data[i] != 'a' + i / 1000 % 26) {
            FAIL("byte %zd is wrong", i);
            break;
        }
    asyncio_free(data);
    everybody();
    asyncio_streamreader_unref(reader);
    asyncio_streamwriter_unref(writer);
    return 0;
}

TEST(pipe_of_the_loop, "SP-10: every byte comes through a pipe in order, with flow control, on every back end")
{
    test_spare(ASYNCIO__SHORT_TRANSFERS, "of so much");
    EXPECT_INT(play(moves_much), 0);
}

static int last_words(void *arg)
{
    struct asyncio_streamreader *reader;
    struct asyncio_streamwriter *writer;
    char byte;

    (void)arg;
    open_pipe(&reader, &writer);
    EXPECT_INT(asyncio_streamwriter_write(writer, "abc", 3), 0);
    asyncio_streamwriter_unref(writer);
    EXPECT_INT(asyncio_streamreader_readexactly(reader, &byte, 1), 1);
    EXPECT_STR(rest_of(reader), "bc");
    EXPECT_INT(asyncio_streamreader_read(reader, &byte, 1), 0);
    EXPECT_INT(asyncio_streamreader_readexactly(reader, &byte, 1), -ASYNCIO_EINCOMPLETEREAD);
    asyncio_streamreader_unref(reader);
    open_pipe(&reader, &writer);
    asyncio_streamreader_unref(reader);
    turns(2);
    EXPECT_INT(asyncio_streamwriter_write(writer, "abc", 3), -EPIPE);
    asyncio_streamwriter_close(writer);
    EXPECT_INT(asyncio_streamwriter_wait_closed(writer), -EPIPE);
    asyncio_streamwriter_unref(writer);
    return 0;
}

TEST(pipe_ends, "SP-10: the last reference of either end closes it, which the other hears of")
{
    EXPECT_INT(play(last_words), 0);
}

static int waits_for_a_line(void *arg)
{
    EXPECT_STR(line_of(arg), "ECANCELED");
    EXPECT_STR(line_of(arg), "later\n");
    return 0;
}

static int cancels_a_read(void *arg)
{
    struct asyncio_streamreader *reader;
    struct asyncio_streamwriter *writer;

    (void)arg;
    open_pipe(&reader, &writer);
    spawn(waits_for_a_line, reader, "reader");
    ASYNCIO_IGNORE(asyncio_sleep(1));
    EXPECT_INT(asyncio_streamwriter_write(writer, "la", 2), 0);
    ASYNCIO_IGNORE(asyncio_sleep(1));
    cancel(crew[0]);
    ASYNCIO_IGNORE(asyncio_sleep(1));
    EXPECT_INT(asyncio_streamwriter_write(writer, "ter\n", 4), 0);
    everybody();
    asyncio_streamreader_unref(reader);
    asyncio_streamwriter_unref(writer);
    return 0;
}

TEST(pipe_cancelled_read, "SP-10: a read that is cancelled loses nothing")
{
    EXPECT_INT(play(cancels_a_read), 0);
}
