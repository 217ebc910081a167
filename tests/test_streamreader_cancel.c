/* test_streamreader_cancel.c -- StreamReader: reads that are cancelled, at every moment and in every kind, lose
 * nothing. */
#include "streams.h"

#define LIMIT 16

enum kind { READ, READ_TO_END, READEXACTLY, READEXACTLY_LONG, READLINE, READUNTIL, N_KINDS };

static const char *const kind_names[] = {"read",     "read_to_end", "readexactly", "long readexactly",
                                         "readline", "readuntil"};

/* What each of them waits for, when the first half has come: the rest of "0123456789abcdefghij.\n" and the end. */
static const char first_half[] = "0123456789", second_half[] = "abcd\n";

/* Reads once, in one of the ways, and leaves what it got in `got`. */
static enum kind kind;
static char got[64];

static ssize_t read_once(void)
{
    char *data = NULL;
    ssize_t r;

    memset(got, 0, sizeof got);
    switch (kind) {
    case READ:
        return asyncio_streamreader_read(reader, got, sizeof got - 1);
    case READ_TO_END:
        r = asyncio_streamreader_read_to_end(reader, sizeof got, &data);
        break;
    case READEXACTLY:
        return asyncio_streamreader_readexactly(reader, got, 15);
    case READEXACTLY_LONG:
        return asyncio_streamreader_readexactly(reader, got, LIMIT + 1);
    case READLINE:
        r = asyncio_streamreader_readline(reader, &data);
        break;
    default:
        r = asyncio_streamreader_readuntil(reader, "d\n", 2, &data);
    }
    if (r > 0 && r < (ssize_t)sizeof got)
        memcpy(got, data, (size_t)r);
    if (kind == READ_TO_END)
        asyncio_free(data);
    return r;
}

static int reading(void *arg)
{
    ssize_t r = broken ? -EIO : read_once();

    (void)arg;
    broken |= r == -ENOMEM || r == -EIO;
    trace("%s: %s", kind_names[kind], r > 0 ? got : said(r));
    return r < 0 ? (int)r : 0;
}

/* Waits until the last task has ended. */
static void await_last(void)
{
    if (crew_size > 0)
        ASYNCIO_IGNORE(asyncio_wait(&crew[crew_size - 1], 1, ASYNCIO_FOREVER, ASYNCIO_ALL_COMPLETED));
}

/* Cancels a read that waits, before anything has come or half way, and reads again when all is there. */
static void cancel_waiting(bool half_way)
{
    open_reader(LIMIT);
    spawn(reading, NULL, "reader");
    moment();
    if (half_way && kind != READ) {
        feed(first_half);
        moment();
    }
    cancel(crew[crew_size - 1]);
    await_last();
    if (!half_way || kind == READ)
        feed(first_half);
    feed(second_half);
    if (kind == READEXACTLY_LONG)
        feed("!?");
    if (kind == READ_TO_END)
        feed_eof();
    /* Until all of it has come: a read may bring any part. */
    moment();
    if (kind != READ)
        spawn(reading, NULL, "reader");
    else
        trace("%s: %s", kind_names[kind], read_text(15));
    await_last();
    close_streams();
}

static const char cancelled_transcript[] =
    "[0.000] read: -ECANCELED\n[0.000] read: 0123456789abcd\n\n"
    "[0.000] read_to_end: -ECANCELED\n[0.000] read_to_end: 0123456789abcd\n\n"
    "[0.000] readexactly: -ECANCELED\n[0.000] readexactly: 0123456789abcd\n\n"
    "[0.000] long readexactly: -ECANCELED\n[0.000] long readexactly: 0123456789abcd\n!?\n"
    "[0.000] readline: -ECANCELED\n[0.000] readline: 0123456789abcd\n\n"
    "[0.000] readuntil: -ECANCELED\n[0.000] readuntil: 0123456789abcd\n\n";

/* The transcript without its times. */
static void expect_cancelled(void)
{
    EXPECT_TRACE(cancelled_transcript);
}

TEST_BOTH(cancelled_while_empty, "T-06: a read that is cancelled while it waits has taken nothing")
{
    for (kind = 0; kind < N_KINDS; kind++)
        cancel_waiting(false);
    expect_cancelled();
    return 0;
}

TEST_BOTH(cancelled_half_way, "T-06: a read that is cancelled half way keeps what has come for the next one")
{
    for (kind = 0; kind < N_KINDS; kind++)
        cancel_waiting(true);
    expect_cancelled();
    return 0;
}

TEST_BOTH(cancelled_on_entry, "T-07: a cancel that is pending is met on entry, also where data are there")
{
    for (kind = 0; kind < N_KINDS; kind++) {
        open_reader(LIMIT);
        feed(first_half);
        feed(second_half);
        feed("!?");
        feed_eof();
        EXPECT_STR(read_text(1), "0");
        cancel(asyncio_current_task());
        EXPECT_CALL(read_once(), -ECANCELED);
        EXPECT_STR(read_text(16), "123456789abcd\n!?");
        close_streams();
    }
    return 0;
}

static void cancel_it(void *arg)
{
    asyncio_future_cancel(arg);
}

static int read_twice(void *arg)
{
    reading(arg);
    return reading(arg);
}

TEST_ONE(cancelled_too_late, "T-06: what has come completes the read; the cancel meets the next one", FED)
{
    struct asyncio_future *task;

    for (kind = 0; kind < N_KINDS; kind++) {
        open_reader(LIMIT);
        task = spawn(read_twice, NULL, "reader");
        moment();
        feed("0123456789abcd\n");
        if (kind == READEXACTLY_LONG)
            feed("!?");
        if (kind == READ_TO_END)
            feed_eof();
        cancel(task);
        await_last();
        close_streams();
    }
    EXPECT_TRACE("[0.000] read: 0123456789abcd\n\n[0.000] read: -ECANCELED\n"
                 "[0.000] read_to_end: -ECANCELED\n[0.000] read_to_end: 0123456789abcd\n\n"
                 "[0.000] readexactly: 0123456789abcd\n\n[0.000] readexactly: -ECANCELED\n"
                 "[0.000] long readexactly: 0123456789abcd\n!?\n[0.000] long readexactly: -ECANCELED\n"
                 "[0.000] readline: 0123456789abcd\n\n[0.000] readline: -ECANCELED\n"
                 "[0.000] readuntil: 0123456789abcd\n\n[0.000] readuntil: -ECANCELED\n");
    return 0;
}

/* Reads to the end of it, however often it is cancelled. */
static int insistent(void *arg)
{
    char text[64] = "", piece[64];
    size_t size = 0;
    ssize_t r = 1;

    (void)arg;
    while (!broken && (r > 0 || r == -ECANCELED) && size < 17) {
        r = asyncio_streamreader_read(reader, piece, sizeof piece);
        for (ssize_t i = 0; i < r; i++)
            text[size++] = piece[i];
    }
    trace("%s", text);
    return 0;
}

TEST_BOTH(cancelled_as_it_comes, "T-06 #18: a cancel in the very turn in which data come loses none of them")
{
    struct asyncio_future *task;

    open_reader(LIMIT);
    task = spawn(insistent, NULL, "reader");
    for (const char *at = "0123456789abcd\n!?"; *at; at++) {
        moment();
        feed_bytes(at, 1);
        /* The callback is ready before the poll that completes the receive, and so runs before its task. */
        EXPECT_CALL(asyncio_loop_call_soon(asyncio_get_running_loop(), cancel_it, task), 0);
    }
    everybody();
    EXPECT_TRACE("[0.000] 0123456789abcd\n!?\n");
    close_streams();
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- Torment */

#define STREAM_BYTES 30000

static int n_received, n_cancelled;

static char stream_byte(int at)
{
    unsigned x = (unsigned)at * 2654435761U;

    return (char)((x >> 16) % 24 == 0 ? '\n' : 'a' + (x >> 20) % 26);
}

static int torment_feeder(void *arg)
{
    char piece[100];

    (void)arg;
    for (int at = 0, size; at < STREAM_BYTES && !broken; at += size) {
        size = 1 + chance(chance(3) ? 20 : (int)sizeof piece);
        size = size < STREAM_BYTES - at ? size : STREAM_BYTES - at;
        for (int i = 0; i < size; i++)
            piece[i] = stream_byte(at + i);
        if (side == FED)
            feed_bytes(piece, (size_t)size);
        else
            EXPECT_CALL(asyncio_streamwriter_write(peer, piece, (size_t)size), 0);
        if (chance(2))
            ASYNCIO_IGNORE(asyncio_sleep(1e-4 * chance(3)));
    }
    feed_eof();
    return 0;
}

static void check_received(const char *data, ssize_t size)
{
    for (ssize_t i = 0; i < size; i++, n_received++)
        if (data[i] != stream_byte(n_received))
            FAIL("byte %d is another", n_received);
}

/* Reads in some way. Returns: its result, after which everything that came of it has been checked. */
static ssize_t read_somehow(void)
{
    static char data[300];
    const char *rest = NULL;
    char *line = NULL;
    ssize_t r;

    switch (chance(5)) {
    case 0:
        r = asyncio_streamreader_read(reader, data, 1 + (size_t)chance(sizeof data));
        check_received(data, r);
        return r;
    case 1:
        r = asyncio_streamreader_readexactly(reader, data, 1 + (size_t)chance(60));
        break;
    case 2:
        r = asyncio_streamreader_readexactly(reader, data, 60 + (size_t)chance(200));
        break;
    default:
        r = asyncio_streamreader_readuntil(reader, "\n", 1, &line);
        if (r > 0 && (line[r] != '\0' || line[r - 1] != '\n'))
            FAIL("no line at byte %d", n_received);
    }
    check_received(line ? line : data, r);
    if (r == -ASYNCIO_EINCOMPLETEREAD) {
        r = (ssize_t)asyncio_streamreader_partial(reader, &rest);
        check_received(rest, r);
    } else if (r == -ASYNCIO_ELIMITOVERRUN) {
        size_t size = asyncio_streamreader_consumed(reader);

        r = asyncio_streamreader_readexactly(reader, data, size < sizeof data ? size : sizeof data);
        check_received(data, r);
    }
    return r;
}

static int torment_reader(void *arg)
{
    (void)arg;
    while (n_received < STREAM_BYTES && !broken) {
        ssize_t r = read_somehow();

        n_cancelled += r == -ECANCELED;
        broken |= r < 0 && r != -ECANCELED;
    }
    return 0;
}

static int tormented(void *arg)
{
    (void)arg;
    n_received = n_cancelled = 0;
    open_reader(50);
    spawn(torment_reader, NULL, "reader");
    spawn(torment_feeder, NULL, "feeder");
    turns(1);
    for (int i = 0; i < 5000000 && !asyncio_future_done(crew[0]); i++) {
        if (chance(2))
            cancel(crew[0]);
        if (chance(3))
            turns(1 + chance(3));
        else
            ASYNCIO_IGNORE(asyncio_sleep(5e-5));
    }
    if (!asyncio_future_done(crew[0]))
        broken = true;
    cancel(crew[0]);
    cancel(crew[1]);
    everybody();
    close_streams();
    return 0;
}

static void expect_all_received(void)
{
    EXPECT(!broken);
    EXPECT_INT(n_received, STREAM_BYTES);
    if (n_cancelled < 100)
        FAIL("only %d reads were cancelled", n_cancelled);
}

TEST_NO_SWEEP(torment_fed,
              "T-06 #18: reads of all kinds are cancelled at random, and each byte arrives once and in order",
              "it goes on until all has arrived")
{
    test_needs_seconds(30);
    seed_chance(test_seed());
    test_replay_seed(test_seed());
    side = FED;
    EXPECT_INT(play(tormented), 0);
    expect_all_received();
}

TEST_NO_SWEEP(torment_connected, "T-06 #18: the same over a connection", "it goes on until all has arrived")
{
    test_needs_seconds(30);
    seed_chance(test_seed());
    test_replay_seed(test_seed());
    side = CONNECTED;
    EXPECT_INT(play(tormented), 0);
    expect_all_received();
}

static int faulty_loop(struct asyncio_loop **ret_loop)
{
    char backend[100];

    snprintf(backend, sizeof backend, "sim:%llu,short=40,eintr=20,later=50,delay=300", (unsigned long long)test_seed());
    return asyncio_new_event_loop(ret_loop, .backend = backend);
}

TEST_SIM_NO_SWEEP(torment_with_late_completions,
                  "T-06 #18: the same where operations are cut short, interrupted, late, and cancels too",
                  "it goes on until all has arrived")
{
    int r;

    test_needs_seconds(60);
    side = CONNECTED;
    for (uint64_t seed = test_seed(); seed < test_seed() + (test_seed_given() ? 1 : 5); seed++) {
        seed_chance(seed);
        test_replay_seed(seed);
        r = asyncio_run(tormented, NULL, .loop_factory = faulty_loop);
        dismiss_crew();
        EXPECT_INT(r, 0);
        expect_all_received();
    }
}
