/* test_communicate.c -- talking to a process until it ends: all at the same time, however much it is. */
#include "process_rig.h"

#define MUCH ((size_t)1 << 20)

/* As many bytes as are wanted, which tell where they stand. */
static const char *much(void)
{
    static char data[MUCH];

    for (size_t i = 0; i < MUCH; i++)
        data[i] = (char)('a' + (i ^ i >> 9) % 26);
    return data;
}

static void forget(struct asyncio_communicated *said_all)
{
    asyncio_free(said_all->out);
    asyncio_free(said_all->err);
    *said_all = (struct asyncio_communicated){.out = NULL};
}

/* Expects that it has said this, on its output and its errors, and then ended so. */
static void expect_said(struct asyncio_communicated *said_all, const char *out, const char *err, int returncode)
{
    EXPECT_STR(said_all->out, out);
    EXPECT_STR(said_all->err, err);
    EXPECT_INT(said_all->out_size, out ? strlen(out) : 0);
    EXPECT_INT(said_all->err_size, err ? strlen(err) : 0);
    EXPECT_INT(said_all->returncode, returncode);
    forget(said_all);
}

static void expect_much(const char *data, size_t size)
{
    EXPECT_INT(size, MUCH);
    EXPECT(size == MUCH && memcmp(data, much(), MUCH) == 0);
}

/* ----------------------------------------------------------------------------------------------------- Each by each */

TEST_PROCESS(says, "SP-04: what it is told and what it says, each apart, and how it ends; without a pipe there is none")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_process *other ASYNCIO_KILLED = NULL;
    struct asyncio_communicated said_all = {.out = NULL};

    EXPECT_INT(asyncio_create_subprocess_shell(&process, "cat; echo err >&2; exit 5", .std_in = ASYNCIO_PIPE,
                                               .std_out = ASYNCIO_PIPE, .std_err = ASYNCIO_PIPE),
               0);
    EXPECT_INT(asyncio_process_communicate(process, "hello", 5, &said_all), 0);
    expect_said(&said_all, "hello", "err\n", 5);
    EXPECT(asyncio_streamwriter_is_closing(asyncio_process_stdin(process)));
    EXPECT(asyncio_streamreader_at_eof(asyncio_process_stdout(process)));
    EXPECT_INT(asyncio_process_communicate(process, "more", 4, &said_all), 0);
    expect_said(&said_all, "", "", 5);
    EXPECT_INT(asyncio_create_subprocess_shell(&other, "exit 6", .std_in = ASYNCIO_DEVNULL), 0);
    EXPECT_INT(asyncio_process_communicate(other, "nobody", 6, &said_all), 0);
    expect_said(&said_all, NULL, NULL, 6);
    return 0;
}

TEST_PROCESS(says_nothing, "SP-04: without input its end is told all the same, and what is empty is no NULL")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_communicated said_all = {.out = NULL};

    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE), 0);
    EXPECT_INT(asyncio_process_communicate(process, NULL, 0, &said_all), 0);
    expect_said(&said_all, "", NULL, 0);
    return 0;
}

TEST_PROCESS(goes_on, "SP-04: what was written and read before stands before; zero bytes are bytes")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_communicated said_all = {.out = NULL};

    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE), 0);
    EXPECT_INT(asyncio_streamwriter_write(asyncio_process_stdin(process), "a\nb\n", 4), 0);
    EXPECT_STR(line_of(asyncio_process_stdout(process)), "a\n");
    EXPECT_INT(asyncio_process_communicate(process, "c\0d", 3, &said_all), 0);
    EXPECT_INT(said_all.out_size, 5);
    EXPECT(said_all.out && memcmp(said_all.out, "b\nc\0d", 6) == 0);
    forget(&said_all);
    return 0;
}

TEST_PROCESS(bad_arguments, "SP-04: what makes no sense is refused, and nothing is done")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_communicated said_all = {.out = NULL};

    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE), 0);
    EXPECT_INT(asyncio_process_communicate(NULL, NULL, 0, &said_all), -EINVAL);
    EXPECT_INT(asyncio_process_communicate(process, NULL, 1, &said_all), -EINVAL);
    EXPECT_INT(asyncio_process_communicate(process, "x", 1, NULL), -EINVAL);
    EXPECT(!asyncio_streamwriter_is_closing(asyncio_process_stdin(process)) || !process);
    return 0;
}

/* ----------------------------------------------------------------------------------------------------- Much at once */

TEST_PROCESS(much_both_ways,
             "SP-10 #116: more than pipes hold goes in and comes out twice at the same time, every byte of it")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_communicated said_all = {.out = NULL};

    test_spare(ASYNCIO__SHORT_TRANSFERS, "of so much");
    test_needs_seconds(60);
    EXPECT_INT(asyncio_create_subprocess_exec(&process, ARGV("tee", "/dev/stderr"), .std_in = ASYNCIO_PIPE,
                                              .std_out = ASYNCIO_PIPE, .std_err = ASYNCIO_PIPE),
               0);
    EXPECT_INT(asyncio_process_communicate(process, much(), MUCH, &said_all), 0);
    expect_much(said_all.out, said_all.out_size);
    expect_much(said_all.err, said_all.err_size);
    forget(&said_all);
    return 0;
}

TEST_PROCESS(bit_by_bit, "SP-10: however small the pieces are in which it is said")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_communicated said_all = {.out = NULL};

    test_spare(ASYNCIO__SHORT_TRANSFERS, "of so much");
    test_needs_seconds(60);
    EXPECT_INT(asyncio_create_subprocess_exec(&process, ARGV("dd", "bs=10", "status=none"), .std_in = ASYNCIO_PIPE,
                                              .std_out = ASYNCIO_PIPE),
               0);
    EXPECT_INT(asyncio_process_communicate(process, much(), MUCH, &said_all), 0);
    expect_much(said_all.out, said_all.out_size);
    forget(&said_all);
    return 0;
}

/* ----------------------------------------------------------------------------------------------------- Nobody reads */

TEST_PROCESS(not_read, "SP-04 #116: one that does not read its input, closes it or has ended is no error")
{
    static const struct {
        const char *command;
        bool waits_first;
    } all[] = {{"exec <&-; echo said; exit 3", false},
               {"exec <&-; echo said; exit 3", true},
               {"echo said; exit 3", false},
               {"echo said; exit 3", true},
               {"read line; echo said; exit 3", false}};
    struct asyncio_communicated said_all = {.out = NULL};

    test_spare(ASYNCIO__SHORT_TRANSFERS, "of so much");
    for (int i = 0; i < 5; i++) {
        struct asyncio_process *process ASYNCIO_KILLED = NULL;

        EXPECT_INT(
            asyncio_create_subprocess_shell(&process, all[i].command, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE),
            0);
        if (all[i].waits_first)
            EXPECT_INT(wait_quietly(process), 0);
        EXPECT_INT(asyncio_process_communicate(process, much(), MUCH, &said_all), 0);
        expect_said(&said_all, "said\n", NULL, 3);
    }
    return 0;
}

TEST_PROCESS(input_closed, "SP-04 #116: input after its end is dropped")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_communicated said_all = {.out = NULL};

    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE), 0);
    EXPECT_INT(asyncio_streamwriter_write(asyncio_process_stdin(process), "first", 5), 0);
    asyncio_streamwriter_close(asyncio_process_stdin(process));
    EXPECT_INT(asyncio_process_communicate(process, "second", 6, &said_all), 0);
    expect_said(&said_all, "first", NULL, 0);
    return 0;
}

/* ----------------------------------------------------------------------------------------------------------- Cancel */

static struct asyncio_process *spoken_to;

static int communicates(void *arg)
{
    struct asyncio_communicated said_all = {.out = NULL};
    const char *input = arg;
    int r = asyncio_process_communicate(spoken_to, input, input ? strlen(input) : 0, &said_all);

    trace("%s: %s, \"%s\"", me(), said(r), said_all.out ? said_all.out : "");
    forget(&said_all);
    return 0;
}

/* Waits until a child has stopped itself, or the task that talks to it has given up. */
static void await_stopped(int pid)
{
    siginfo_t info = {0};

    while (!asyncio_future_done(crew[0]) && pid > 0 && info.si_pid == 0 &&
           waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0)
        ASYNCIO_IGNORE(asyncio_sleep(0.01));
}

/* Waits until all that the process says was read, by somebody else. */
static void let_it_be_read(struct asyncio_process *process)
{
    for (int i = 0; i < 200 && process && !asyncio_streamreader_at_eof(asyncio_process_stdout(process)); i++)
        ASYNCIO_IGNORE(asyncio_sleep(0.01));
}

TEST_PROCESS(cancelled, "SP-04: one that is cancelled leaves the process as it is, and what was read to the next")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_communicated said_all = {.out = NULL};
    char input[] = "input\n";

    EXPECT_INT(asyncio_create_subprocess_shell(&process, "echo first; cat; kill -STOP $$; echo last; exit 4",
                                               .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE),
               0);
    spoken_to = process;
    spawn(communicates, input, "speaker");
    await_stopped(asyncio_process_pid(process));
    cancel(crew[0]);
    everybody();
    EXPECT(!asyncio_process_returncode(process, NULL));
    EXPECT(strstr(transcript(), "speaker: -ECANCELED, \"\"\n") != NULL);
    trace_clear();
    EXPECT_INT(asyncio_process_send_signal(process, SIGCONT), process ? 0 : -EINVAL);
    EXPECT_INT(asyncio_process_communicate(process, NULL, 0, &said_all), 0);
    expect_said(&said_all, "first\ninput\nlast\n", NULL, 4);
    return 0;
}

TEST_PROCESS(cancelled_at_the_end, "SP-04: also when all was read, and only its end had to come")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;

    EXPECT_INT(asyncio_create_subprocess_shell(&process, "echo said; exec >&-; exec sleep 1000", .std_in = ASYNCIO_PIPE,
                                               .std_out = ASYNCIO_PIPE),
               0);
    spoken_to = process;
    spawn(communicates, NULL, "speaker");
    let_it_be_read(process);
    cancel(crew[0]);
    everybody();
    trace_clear();
    EXPECT_STR(rest_of(asyncio_process_stdout(process)), "said\n");
    EXPECT(!asyncio_process_returncode(process, NULL));
    return 0;
}

TEST_PROCESS(cancelled_first, "SP-04 SP-07: a cancel that is pending meets it before all is over")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_communicated said_all = {.out = NULL};

    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE), 0);
    cancel(asyncio_current_task());
    EXPECT_INT(asyncio_process_communicate(process, "x", 1, &said_all), -ECANCELED);
    EXPECT_PTR(said_all.out, NULL);
    EXPECT_INT(asyncio_process_communicate(process, NULL, 0, &said_all), 0);
    forget(&said_all);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------- Busy */

TEST_PROCESS(busy, "SP-04: who communicates is left alone")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_communicated said_all = {.out = NULL};
    char byte;

    EXPECT_INT(asyncio_create_subprocess_shell(&process, "kill -STOP $$; echo went on", .std_out = ASYNCIO_PIPE), 0);
    spoken_to = process;
    spawn(communicates, NULL, "speaker");
    turns(3);
    if (!asyncio_future_done(crew[0])) {
        EXPECT_INT(asyncio_process_communicate(spoken_to, NULL, 0, &said_all), -EBUSY);
        EXPECT_INT(asyncio_streamreader_read(asyncio_process_stdout(spoken_to), &byte, 1), -EBUSY);
    }
    while (spoken_to && !asyncio_future_done(crew[0]) && asyncio_sleep(0.01) >= 0)
        asyncio_process_send_signal(spoken_to, SIGCONT);
    everybody();
    EXPECT(strstr(transcript(), "speaker: 0, \"went on\n\"") != NULL);
    trace_clear();
    return 0;
}

TEST_PROCESS(busy_waiting, "SP-04: also when there is nothing to read, and only the end is waited for")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_communicated said_all = {.out = NULL};

    EXPECT_INT(asyncio_create_subprocess_exec(&process, ARGV("sleep", "1000")), 0);
    spoken_to = process;
    spawn(communicates, NULL, "speaker");
    turns(3);
    if (!asyncio_future_done(crew[0]))
        EXPECT_INT(asyncio_process_communicate(process, NULL, 0, &said_all), -EBUSY);
    cancel(crew[0]);
    everybody();
    EXPECT_TRACE("[0.000] speaker: -ECANCELED, \"\"\n");
    return 0;
}

static int reads_line(void *arg)
{
    trace("%s: %s", me(), line_of(arg));
    return 0;
}

TEST_PROCESS(busy_reader, "SP-04: who reads already is left alone, too")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_communicated said_all = {.out = NULL};

    EXPECT_INT(asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE), 0);
    spawn(reads_line, asyncio_process_stdout(process), "reader");
    turns(3);
    if (!asyncio_future_done(crew[0]))
        EXPECT_INT(asyncio_process_communicate(process, "mine\n", 5, &said_all), -EBUSY);
    EXPECT_INT(asyncio_streamwriter_write(asyncio_process_stdin(process), "yours\nours\n", 11), 0);
    everybody();
    EXPECT_TRACE("[0.000] reader: yours\n\n");
    EXPECT_INT(asyncio_process_communicate(process, NULL, 0, &said_all), 0);
    expect_said(&said_all, "ours\n", NULL, 0);
    return 0;
}

/* -------------------------------------------------------------------------------------------------------- Terminals */

TEST_PROCESS(terminal, "SP-04 R15: a terminal is told the end of the input by ^D, in the middle of a line, too")
{
    static const char *const inputs[] = {"one\ntwo", "one\n", ""};
    static const char *const expected[] = {"<one>\r\n<two>end\r\n", "<one>\r\nend\r\n", "end\r\n"};
    struct asyncio_communicated said_all = {.out = NULL};

    for (int i = 0; i < 3; i++) {
        struct asyncio_process *process ASYNCIO_KILLED = NULL;

        EXPECT_INT(asyncio_create_subprocess_shell(
                       &process, "stty -echo; echo ready; sed 's/.*/<&>/'; echo end; test -t 0 || exit 4",
                       .std_in = ASYNCIO_PTY, .std_out = ASYNCIO_PTY, .std_err = ASYNCIO_PTY),
                   0);
        EXPECT_STR(line_of(asyncio_process_stdout(process)), "ready\r\n");
        EXPECT_INT(asyncio_process_communicate(process, inputs[i], strlen(inputs[i]), &said_all), 0);
        expect_said(&said_all, expected[i], NULL, 0);
    }
    return 0;
}

TEST_PROCESS(terminal_not_read, "SP-04 R15: one that ends without reading its terminal is no error either")
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_communicated said_all = {.out = NULL};

    EXPECT_INT(asyncio_create_subprocess_shell(&process, "stty -echo; echo said; exit 3", .std_in = ASYNCIO_PTY,
                                               .std_out = ASYNCIO_PTY),
               0);
    EXPECT_INT(wait_quietly(process), 0);
    EXPECT_INT(asyncio_process_communicate(process, "unread\n", 7, &said_all), 0);
    expect_said(&said_all, "said\r\n", NULL, 3);
    EXPECT_INT(asyncio_process_communicate(process, NULL, 0, &said_all), 0);
    expect_said(&said_all, "", NULL, 3);
    EXPECT_STR(rest_of(asyncio_process_stdout(process)), "");
    return 0;
}

/* ----------------------------------------------------------------------------------------------------- Many at once */

static int echoes(void *arg)
{
    struct asyncio_process *process ASYNCIO_KILLED = NULL;
    struct asyncio_communicated said_all = {.out = NULL};
    char input[32];
    int r;

    snprintf(input, sizeof input, "number %d\n", number_of(arg));
    r = asyncio_create_subprocess_exec(&process, CAT, .std_in = ASYNCIO_PIPE, .std_out = ASYNCIO_PIPE);
    EXPECT_INT(r, 0);
    if (r == 0)
        r = asyncio_process_communicate(process, input, strlen(input), &said_all);
    EXPECT_INT(r, 0);
    expect_said(&said_all, input, NULL, 0);
    return r;
}

TEST_PROCESS(in_parallel, "#110: 20 at once, and each has its own words")
{
    test_needs_seconds(60);
    for (int i = 0; i < 20; i++)
        spawn(echoes, number(i), "echo");
    for (int i = 0; i < 20; i++)
        EXPECT_INT(asyncio_await(crew[i]), 0);
    EXPECT(!has_children());
    return 0;
}
