/* reader_model.h -- a stream reader beside the simplest model of one, driven by the bytes that a fuzzer invents.
 *
 * A byte of the input is a step: data arrive, the stream ends, a read begins or is cancelled. After each step the
 * reader gets time to run; then it must have ended its read if the model has, with the same result, and must still
 * wait if not. The model keeps everything in one array and looks for separators from the front each time. */
#pragma once

#include "base/base.h"
#include "lib/sockets.h"
#include "lib/streams.h"

#include <asyncio_lowlevel.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define MOST_DATA       2000 /* fits into one receive, so that what was sent becomes visible at once */
#define MOST_SEPARATORS 3

enum request_kind { READ, READEXACTLY, READUNTIL, READLINE };

struct request {
    enum request_kind kind;
    size_t n;
    int64_t result; /* of the reader; valid once the task is done */
    char data[MOST_DATA];
    size_t partial, consumed;
};

struct drive {
    const uint8_t *input, *end;
    size_t limit;
    struct asyncio_bytes separators[MOST_SEPARATORS];
    size_t n_separators;

    struct asyncio_streamreader *reader;
    struct asyncio_streamwriter *writer; /* with a connection */
    struct asyncio_socket *peer;

    /* The model: what was sent and not read, of which the reader has `visible` bytes in its buffer. */
    char data[MOST_DATA];
    size_t length, visible;
    bool ended;

    struct request request;
    struct asyncio_future *task; /* that does the request; NULL: none */
};

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

static uint8_t next_byte(struct drive *drive)
{
    return drive->input < drive->end ? *drive->input++ : 0;
}

/* Few letters, so that separators meet. */
static char next_letter(struct drive *drive)
{
    return "ab\nc"[next_byte(drive) % 4];
}

/* ----------------------------------------------------------------------------------------------------------- Model */

static void take(struct drive *drive, size_t n)
{
    memmove(drive->data, drive->data + n, drive->length - n);
    drive->length -= n;
    drive->visible -= min_size(n, drive->visible);
}

/* Where a separator begins in what is visible; -1: nowhere. */
static int64_t find(const struct drive *drive, const struct asyncio_bytes *separator)
{
    const char *found = drive->visible ? memmem(drive->data, drive->visible, separator->data, separator->size) : NULL;

    return found ? found - drive->data : -1;
}

/* The match that ends first, of those the one with the shortest separator. */
static int64_t find_best(const struct drive *drive, const struct asyncio_bytes *separators, size_t n, size_t *ret_size)
{
    int64_t best = -1;

    *ret_size = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t start = find(drive, &separators[i]);
        int64_t end = start + (int64_t)separators[i].size, best_end = best + (int64_t)*ret_size;

        if (start >= 0 && (best < 0 || end < best_end || (end == best_end && separators[i].size < *ret_size))) {
            best = start;
            *ret_size = separators[i].size;
        }
    }
    return best;
}

/* The lengths of the longest and the shortest separator. */
static void measure(const struct asyncio_bytes *separators, size_t n, size_t *ret_longest, size_t *ret_shortest)
{
    *ret_longest = 0;
    *ret_shortest = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        *ret_longest = max_size(*ret_longest, separators[i].size);
        *ret_shortest = min_size(*ret_shortest, separators[i].size);
    }
}

/* Returns: whether it ends now; with *ret_result, and what it consumes in *ret_taken. */
static bool model_until(const struct drive *drive, const struct asyncio_bytes *separators, size_t n,
                        int64_t *ret_result, size_t *ret_taken, size_t *ret_consumed)
{
    size_t longest, shortest, size;
    int64_t start = find_best(drive, separators, n, &size);

    measure(separators, n, &longest, &shortest);
    *ret_taken = 0;
    *ret_result = -ASYNCIO_ELIMITOVERRUN;
    if (start >= 0) {
        *ret_consumed = (size_t)start;
        if ((size_t)start <= drive->limit) {
            *ret_taken = (size_t)start + size;
            *ret_result = (int64_t)*ret_taken;
        }
        return true;
    }
    if (drive->visible >= shortest && drive->visible + 1 > longest && drive->visible + 1 - longest > drive->limit) {
        *ret_consumed = drive->visible + 1 - longest;
        return true;
    }
    *ret_taken = drive->visible;
    *ret_result = -ASYNCIO_EINCOMPLETEREAD;
    return drive->ended && drive->visible == drive->length;
}

static bool model_line(const struct drive *drive, int64_t *ret_result, size_t *ret_taken)
{
    static const struct asyncio_bytes newline = {"\n", 1};
    size_t consumed = 0;

    if (!model_until(drive, &newline, 1, ret_result, ret_taken, &consumed))
        return false;
    if (*ret_result == -ASYNCIO_EINCOMPLETEREAD)
        *ret_result = (int64_t)*ret_taken;
    /* A line that is too long goes, with its end if that is there. */
    if (*ret_result == -ASYNCIO_ELIMITOVERRUN)
        *ret_taken = consumed < drive->visible && drive->data[consumed] == '\n' ? consumed + 1 : drive->visible;
    return true;
}

static bool model_attempt(struct drive *drive, int64_t *ret_result, size_t *ret_taken, size_t *ret_consumed)
{
    const struct request *request = &drive->request;

    switch (request->kind) {
    case READ: {
        size_t there = drive->visible > 0 ? drive->visible : drive->length;

        *ret_taken = min_size(request->n, there);
        *ret_result = (int64_t)*ret_taken;
        return request->n == 0 || there > 0 || drive->ended;
    }
    case READEXACTLY:
        *ret_taken = min_size(request->n, drive->length);
        *ret_result = *ret_taken == request->n ? (int64_t)request->n : -ASYNCIO_EINCOMPLETEREAD;
        return *ret_taken == request->n || drive->ended;
    case READUNTIL:
        return model_until(drive, drive->separators, drive->n_separators, ret_result, ret_taken, ret_consumed);
    default:
        return model_line(drive, ret_result, ret_taken);
    }
}

/* How much a read that has ended or waits has brought into the reader's buffer. */
static void model_fill(struct drive *drive)
{
    const struct request *request = &drive->request;

    if (request->kind == READEXACTLY && request->n <= drive->limit && request->n > drive->visible)
        drive->visible = drive->length;
}

/* Lets the model do what it can. Returns: whether the request ends. */
static bool model_step(struct drive *drive, int64_t *ret_result, size_t *ret_taken, size_t *ret_consumed)
{
    bool searches = drive->request.kind == READUNTIL || drive->request.kind == READLINE;

    if (model_attempt(drive, ret_result, ret_taken, ret_consumed))
        return true;
    if (!searches || drive->visible == drive->length)
        return false;
    drive->visible = drive->length;
    return model_attempt(drive, ret_result, ret_taken, ret_consumed);
}

/* ---------------------------------------------------------------------------------------------------------- Reader */

static void keep(struct request *request, const char *data, int64_t n)
{
    if (n > 0) {
        CHECK((size_t)n <= sizeof request->data);
        CHECK(data[n] == '\0');
        memcpy(request->data, data, (size_t)n);
    }
}

static int do_request(void *arg)
{
    struct drive *drive = arg;
    struct request *request = &drive->request;
    const char *partial = NULL;
    char *data = NULL;

    switch (request->kind) {
    case READ:
        request->result = asyncio_streamreader_read(drive->reader, request->data, request->n);
        return 0;
    case READEXACTLY:
        request->result = asyncio_streamreader_readexactly(drive->reader, request->data, request->n);
        break;
    case READUNTIL:
        request->result =
            drive->n_separators == 1
                ? asyncio_streamreader_readuntil(drive->reader, drive->separators[0].data, drive->separators[0].size,
                                                 &data)
                : asyncio_streamreader_readuntil_any(drive->reader, drive->separators, drive->n_separators, &data);
        keep(request, data, request->result);
        break;
    default:
        request->result = asyncio_streamreader_readline(drive->reader, &data);
        keep(request, data, request->result);
        return 0;
    }
    if (request->result == -ASYNCIO_EINCOMPLETEREAD) {
        request->partial = asyncio_streamreader_partial(drive->reader, &partial);
        CHECK(request->partial <= sizeof request->data);
        if (request->partial > 0)
            memmove(request->data, partial, request->partial);
    }
    if (request->result == -ASYNCIO_ELIMITOVERRUN)
        request->consumed = asyncio_streamreader_consumed(drive->reader);
    return 0;
}

/* ----------------------------------------------------------------------------------------------------------- Steps */

static void let_run(void)
{
    for (int i = 0; i < 4; i++)
        ASYNCIO_IGNORE(asyncio_sleep(0));
}

static void compare(struct drive *drive)
{
    int64_t result = 0;
    size_t taken = 0, consumed = 0, n_data;
    bool ends;

    if (!drive->task)
        return;
    ends = model_step(drive, &result, &taken, &consumed);
    CHECK(asyncio_future_done(drive->task) == ends);
    if (!ends) {
        model_fill(drive);
        return;
    }
    CHECK(drive->request.result == result);
    n_data = result == -ASYNCIO_EINCOMPLETEREAD ? drive->request.partial : result > 0 ? (size_t)result : 0;
    if (result != -ASYNCIO_ELIMITOVERRUN)
        CHECK(n_data == taken && memcmp(drive->request.data, drive->data, taken) == 0);
    else if (drive->request.kind == READUNTIL)
        CHECK(drive->request.consumed == consumed);
    model_fill(drive);
    take(drive, taken);
    drive->task = asyncio_future_unref(drive->task);
}

static void feed(struct drive *drive, size_t n)
{
    char chunk[64];

    n = min_size(n, MOST_DATA - drive->length);
    if (drive->ended || n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        chunk[i] = drive->data[drive->length + i] = next_letter(drive);
    drive->length += n;
    if (drive->peer) {
        CHECK(asyncio_sock_sendall(drive->peer, chunk, n) == 0);
    } else {
        CHECK(asyncio_streamreader_feed_data(drive->reader, chunk, n) == 0);
        drive->visible = drive->length;
    }
}

static void finish(struct drive *drive)
{
    if (drive->ended)
        return;
    drive->ended = true;
    if (drive->peer)
        CHECK(asyncio_socket_shutdown(drive->peer, SHUT_WR) == 0);
    else
        CHECK(asyncio_streamreader_feed_eof(drive->reader) == 0);
}

static void begin_request(struct drive *drive, enum request_kind kind)
{
    if (drive->task)
        return;
    drive->request = (struct request){.kind = kind, .n = next_byte(drive) % 100u};
    drive->task = asyncio_create_task(do_request, drive);
}

static void cancel_request(struct drive *drive)
{
    if (!drive->task)
        return;
    asyncio_future_cancel(drive->task);
    CHECK(asyncio_cancel_and_wait(drive->task) == 0);
    CHECK(drive->request.result == -ECANCELED);
    /* What it had taken into the caller's memory is put back. */
    if (drive->request.kind == READEXACTLY)
        drive->visible = drive->length;
    drive->task = asyncio_future_unref(drive->task);
}

static void step(struct drive *drive, enum request_kind searching)
{
    uint8_t code = next_byte(drive);

    switch (code % 8) {
    case 0:
    case 1:
    case 2:
        feed(drive, 1 + code / 8);
        break;
    case 3:
    case 4:
        begin_request(drive, searching);
        break;
    case 5:
        begin_request(drive, READ);
        break;
    case 6:
        begin_request(drive, READEXACTLY);
        break;
    default:
        if (code > 240)
            finish(drive);
        else
            cancel_request(drive);
    }
    let_run();
    compare(drive);
}

static void open_reader(struct drive *drive, bool connected)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_socket *ends[2];

    if (!connected) {
        CHECK(asyncio_streamreader(&drive->reader, .limit = drive->limit) == 0);
        return;
    }
    CHECK(asyncio_socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    drive->peer = ends[0];
    CHECK(asyncio__stream_open(loop, asyncio__socket_take(loop, ends[1]),
                               &(struct asyncio__stream_options){.limit = drive->limit}, &drive->reader,
                               &drive->writer) == 0);
}

static void close_reader(struct drive *drive)
{
    finish(drive);
    let_run();
    compare(drive);
    CHECK(!drive->task);
    if (drive->writer) {
        asyncio_streamwriter_close(drive->writer);
        CHECK(asyncio_streamwriter_wait_closed(drive->writer) == 0);
    }
    asyncio_streamreader_unref(drive->reader);
    asyncio_streamwriter_unref(drive->writer);
    asyncio_socket_unref(drive->peer);
}
