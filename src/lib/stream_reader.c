/* stream_reader.c -- StreamReader: reads that take bytes from a buffer, and fill it from a socket or wait until it is
 * fed or TLS has decrypted something (stream_feed.c, stream_tls.c).
 *
 * - One task at a time is in a read, `is_read`; a read that returns has left the reader in order, whatever it returned.
 * - What a read received is in its caller's hands or in the buffer: a cancel loses nothing.
 * - A line is lent, not copied: it stays where it is in the buffer until the next read, which puts back the byte that
 *   the NUL behind it stands in for.
 * - A read that waits with nothing kept holds no memory. */
#include "../base/mem.h"
#include "../task/task.h"
#include "streams.h"

#include <limits.h>

/* Least and most that is asked for at a time. */
#define ROOM_LEAST ((size_t)4 * 1024)
#define ROOM_MOST  ((size_t)64 * 1024)

/* ------------------------------------------------------------------------------------------------------ Life cycle */

void asyncio__reader_init(struct asyncio_streamreader *reader, struct asyncio_loop *loop, size_t limit)
{
    reader->loop = loop;
    reader->limit = limit > 0 ? limit : ASYNCIO__STREAM_LIMIT;
    reader->room = ROOM_LEAST;
    reader->refs = 1;
}

/* Takes back what was lent by the last read. */
static void take_back(struct asyncio_streamreader *reader)
{
    if (reader->lent == ASYNCIO__LENT_FROM_BUFFER)
        *reader->lent_at = reader->under_nul;
    else if (reader->lent == ASYNCIO__LENT_SET_ASIDE)
        asyncio__free(reader->lent_at);
    reader->lent = ASYNCIO__LENT_NOTHING;
}

void asyncio__reader_fini(struct asyncio_streamreader *reader)
{
    take_back(reader);
    asyncio__buffer_fini(&reader->buffer);
}

static void free_if_unused(struct asyncio_streamreader *reader)
{
    if (reader->stream) {
        asyncio__stream_free_if_unused(reader->stream);
    } else if (reader->refs == 0 && !reader->is_read) {
        asyncio__reader_fini(reader);
        asyncio__free(reader);
    }
}

struct asyncio_streamreader *asyncio_streamreader_ref(struct asyncio_streamreader *reader)
{
    if (reader)
        reader->refs++;
    return reader;
}

struct asyncio_streamreader *asyncio_streamreader_unref(struct asyncio_streamreader *reader)
{
    if (reader) {
        assert(reader->refs > 0);
        reader->refs--;
        free_if_unused(reader);
    }
    return NULL;
}

/* ----------------------------------------------------------------------------------------- Begin and end of a read */

/* Ends a read. Returns its result. */
static inline ssize_t end(struct asyncio_streamreader *reader, ssize_t result)
{
    if (UNLIKELY(reader->is_paused) && reader->buffer.size <= reader->limit)
        asyncio__reader_resume(reader);
    reader->is_read = false;
    if (UNLIKELY(reader->refs == 0))
        free_if_unused(reader);
    return result;
}

/* What a read returns first of all. What TLS had decrypted before the connection broke comes before the error; of a
 * plain connection that is with the kernel still. Returns: 0; a negative error. */
static __attribute__((noinline)) int first_of_all(const struct asyncio_streamreader *reader, int error)
{
    if (reader->error || !reader->stream)
        return error;
    if (!reader->pulls && reader->buffer.size > 0)
        return 0;
    return asyncio__stream_explain(reader->stream, error);
}

/* Begins a read. Returns: 0; a negative error, and the read is over. */
static inline int begin(struct asyncio_streamreader *reader)
{
    struct asyncio__scheduler *scheduler = asyncio__scheduler;
    struct asyncio__task *task = asyncio__current();
    int r;

    if (UNLIKELY(!reader))
        return -EINVAL;
    if (UNLIKELY(!task))
        return -ASYNCIO_ENOTASK;
    if (UNLIKELY(reader->loop != scheduler->loop))
        return -ASYNCIO_EFOREIGNLOOP;
    if (UNLIKELY(reader->is_read))
        return -EBUSY;
    reader->is_read = true;
    if (UNLIKELY(reader->lent))
        take_back(reader);
    reader->partial_size = reader->consumed = 0;
    r = asyncio__enter_io(task);
    if (LIKELY(r == 0)) {
        r = asyncio__reader_exception(reader);
        if (UNLIKELY(r < 0))
            r = first_of_all(reader, r);
    }
    if (UNLIKELY(r < 0))
        return (int)end(reader, r);
    reader->is_entered = true;
    return 0;
}

/* True when nothing more will come. */
static inline bool has_ended(const struct asyncio_streamreader *reader)
{
    return reader->eof || (reader->stream && reader->stream->conn.state != ASYNCIO__CONN_OPEN);
}

/* Returns: 0 at an end in order; a negative error. */
static __attribute__((noinline)) int why_ended(const struct asyncio_streamreader *reader)
{
    int r = asyncio__reader_exception(reader);

    return r < 0 && reader->stream ? asyncio__stream_explain(reader->stream, r) : r;
}

/* What precedes every wait for more. Returns: 1; 0 at the end; a negative error. */
static inline int enter(struct asyncio_streamreader *reader)
{
    int r;

    if (!reader->is_entered) {
        r = asyncio__enter_io(asyncio__current());
        if (r == 0)
            r = reader->error;
        if (r < 0)
            return r;
    }
    reader->is_entered = false;
    return LIKELY(!has_ended(reader)) ? 1 : why_ended(reader);
}

/* ----------------------------------------------------------------------------------------------- From a connection */

/* What a receive that brought no data means to the read. What says nothing about the connection leaves it alone; any
 * other error breaks it. Returns: 0 at the end; a negative error. */
static __attribute__((noinline)) int nothing_came(struct asyncio_streamreader *reader, int result)
{
    int error = reader->stream->conn.error;

    switch (result == -EIO && reader->stream->kind == ASYNCIO__STREAM_TERMINAL ? 0 : result) {
    case 0:
        /* A reset is told once only. When a write had it, the kernel shows a read an end that the peer never made; with
         * EPIPE the peer did. */
        if (error && error != -EPIPE)
            return error;
        reader->eof = true;
        if (reader->stream->conn.is_pipe)
            asyncio__stream_pipe_ended(reader->stream);
        return 0;
    case -ECANCELED:
    case -EBUSY:
    case -EFAULT:
    case -ENOBUFS:
    case -ENOMEM:
        return result;
    case -ASYNCIO_ECLOSED:
        return asyncio__reader_exception(reader);
    default:
        asyncio__conn_abort(&reader->stream->conn, result);
        return asyncio__reader_exception(reader);
    }
}

/* What is read ahead is received from a socket. */
static inline uint8_t ahead(const struct asyncio_streamreader *reader)
{
    return reader->stream->conn.is_pipe ? 0 : ASYNCIO_OP_AHEAD;
}

/* Does the operation of the connection, which others may end by asyncio__reader_interrupt. Returns: its result. */
static inline int64_t do_op(struct asyncio_streamreader *reader)
{
    struct asyncio_op *op = &reader->stream->conn.receive;
    int64_t result;

    op->fd = reader->stream->conn.fd;
    reader->is_receiving = true;
    result = asyncio_op_park(op);
    reader->is_receiving = false;
    return result;
}

/* Receives into the caller's memory. Returns: bytes; 0 at the end; a negative error. */
static inline ssize_t receive(struct asyncio_streamreader *reader, void *data, size_t size)
{
    int64_t result;
    int r = enter(reader);

    if (UNLIKELY(r <= 0))
        return r;
    reader->stream->conn.receive = (struct asyncio_op){
        .opcode = asyncio__conn_receive_opcode(&reader->stream->conn),
        .flags = ASYNCIO_OP_LAZY | ahead(reader),
        .buffer = {data, size, 0},
    };
    while (UNLIKELY((result = do_op(reader)) == -EAGAIN)) {
        r = asyncio__reader_exception(reader);
        if (UNLIKELY(r < 0 || has_ended(reader)))
            return r;
    }
    return LIKELY(result > 0) ? (ssize_t)result : nothing_came(reader, (int)result);
}

/* Asks for more as long as the socket fills what it is given, and for less when it does not come near that. */
static void adapt_room(struct asyncio_streamreader *reader, size_t offered, size_t received)
{
    if (received == offered)
        reader->room = min_size(reader->room * 2, ROOM_MOST);
    else if (received < reader->room / 4)
        reader->room = max_size(reader->room / 2, ROOM_LEAST);
}

/* Receives behind what is kept. An empty buffer is not held while it waits: it looks whether something is there, and
 * if not waits without it until something is. Returns: 1; 0 at the end; a negative error. */
static int receive_into_buffer(struct asyncio_streamreader *reader, size_t wanted)
{
    struct asyncio_op *op = &reader->stream->conn.receive;
    struct asyncio__buffer *buffer = &reader->buffer;
    int64_t result;
    size_t offered;
    int r;

    for (;;) {
        if (asyncio__buffer_room(buffer) < max_size(wanted, reader->room / 2)) {
            r = asyncio__buffer_reserve(buffer, max_size(wanted, reader->room));
            if (r < 0)
                return r;
        }
        offered = asyncio__buffer_room(buffer);
        *op = (struct asyncio_op){
            .opcode = asyncio__conn_receive_opcode(&reader->stream->conn),
            .flags = (uint8_t)(ahead(reader) | (buffer->size == 0 ? ASYNCIO_OP_NOWAIT : 0)),
            .buffer = {asyncio__buffer_end(buffer), offered, 0},
        };
        result = do_op(reader);
        if (result != -EAGAIN)
            break;
        asyncio__buffer_fini(buffer);
        *op = (struct asyncio_op){.opcode = ASYNCIO_OP_POLL, .flags = ahead(reader), .poll.events = ASYNCIO_READABLE};
        result = do_op(reader);
        r = result < 0 ? nothing_came(reader, (int)result) : enter(reader);
        if (r <= 0)
            return r;
    }
    if (result <= 0) {
        if (buffer->size == 0)
            asyncio__buffer_fini(buffer);
        return nothing_came(reader, (int)result);
    }
    asyncio__buffer_added(buffer, (size_t)result);
    adapt_room(reader, offered, (size_t)result);
    return 1;
}

/* ----------------------------------------------------------------------------------------------------------- Reads */

/* Gets more into the buffer, and expects `wanted` bytes. Returns: 1 when something is new; 0 at the end; a negative
 * error. */
static int fill(struct asyncio_streamreader *reader, size_t wanted)
{
    int r = enter(reader);

    if (r <= 0)
        return r;
    return reader->pulls ? receive_into_buffer(reader, wanted) : asyncio__reader_await_feed(reader);
}

/* Waits for what TLS decrypts into the caller's memory: for anything, or until all of it is full. What comes beyond is
 * in the buffer then. `*got` grows by what has come, also when the wait fails. Returns: as fill. */
static int fill_directly(struct asyncio_streamreader *reader, char *data, size_t size, bool wants_all, size_t *got)
{
    int r = enter(reader);

    if (r <= 0)
        return r;
    reader->into = data + *got;
    reader->into_room = size - *got;
    reader->wants_all = wants_all;
    r = asyncio__reader_await_feed(reader);
    *got = size - reader->into_room;
    reader->into = NULL;
    return r;
}

static ssize_t read_decrypted(struct asyncio_streamreader *reader, char *data, size_t size)
{
    size_t got = 0;
    int r;

    do
        r = fill_directly(reader, data, size, false, &got);
    while (r > 0 && got == 0 && reader->buffer.size == 0);
    if (got > 0 || r < 0)
        return got > 0 ? (ssize_t)got : r;
    return (ssize_t)asyncio__buffer_take(&reader->buffer, data, size);
}

ssize_t asyncio_streamreader_read(struct asyncio_streamreader *reader, void *buffer, size_t size)
{
    ssize_t r;

    if (UNLIKELY(!buffer && size > 0))
        return -EINVAL;
    r = begin(reader);
    if (UNLIKELY(r < 0) || UNLIKELY(size == 0))
        return r < 0 ? r : end(reader, 0);
    if (reader->buffer.size == 0 && reader->pulls) {
        if (UNLIKELY(reader->buffer.data != NULL))
            asyncio__buffer_fini(&reader->buffer);
        return end(reader, receive(reader, buffer, size));
    }
    if (reader->buffer.size == 0 && reader->stream)
        return end(reader, read_decrypted(reader, buffer, size));
    while (r >= 0 && reader->buffer.size == 0) {
        r = fill(reader, 1);
        if (r == 0)
            break;
    }
    return end(reader, r < 0 ? r : (ssize_t)asyncio__buffer_take(&reader->buffer, buffer, size));
}

static ssize_t read_to_end(struct asyncio_streamreader *reader, size_t limit, char **ret_data)
{
    size_t size;
    char *data;
    int r;

    do {
        if (reader->buffer.size > limit)
            return -ASYNCIO_ELIMITOVERRUN;
        r = fill(reader, 1);
    } while (r > 0);
    if (r < 0)
        return r;
    size = reader->buffer.size;
    data = asyncio__buffer_give_away(&reader->buffer);
    if (!data)
        return -ENOMEM;
    *ret_data = data;
    return (ssize_t)size;
}

ssize_t asyncio_streamreader_read_to_end(struct asyncio_streamreader *reader, size_t limit, char **ret_data)
{
    int r = ret_data ? begin(reader) : -EINVAL;

    return r < 0 ? r : end(reader, read_to_end(reader, limit, ret_data));
}

/* The stream has ended before all was there: tells what there was. */
static ssize_t incomplete(struct asyncio_streamreader *reader, char *data, size_t size)
{
    reader->partial = data;
    reader->partial_size = size;
    return -ASYNCIO_EINCOMPLETEREAD;
}

/* By way of the buffer, so that one receive may bring what the next read wants, too. */
static ssize_t read_exactly_buffered(struct asyncio_streamreader *reader, char *data, size_t size)
{
    struct asyncio__buffer *buffer = &reader->buffer;

    while (buffer->size < size) {
        int r = fill(reader, size - buffer->size);

        if (r < 0)
            return r;
        if (r == 0)
            return incomplete(reader, data, asyncio__buffer_take(buffer, data, size));
    }
    return (ssize_t)asyncio__buffer_take(buffer, data, size);
}

/* Straight into the caller's memory. What has come goes back into the buffer when the read fails; if there is no memory
 * for that it is lost, and every read from now on says so. */
static ssize_t read_exactly_direct(struct asyncio_streamreader *reader, char *data, size_t size)
{
    size_t got = asyncio__buffer_take(&reader->buffer, data, size);

    asyncio__buffer_fini(&reader->buffer);
    while (got < size) {
        ssize_t r =
            reader->pulls ? receive(reader, data + got, size - got) : fill_directly(reader, data, size, true, &got);

        if (r == 0)
            return incomplete(reader, data, got);
        if (r < 0) {
            if (asyncio__buffer_prepend(&reader->buffer, data, got) < 0)
                reader->error = -ENOMEM;
            return r;
        }
        if (reader->pulls)
            got += (size_t)r;
    }
    return (ssize_t)size;
}

ssize_t asyncio_streamreader_readexactly(struct asyncio_streamreader *reader, void *buffer, size_t size)
{
    ssize_t r;

    if ((!buffer && size > 0) || size > SSIZE_MAX)
        return -EINVAL;
    r = begin(reader);
    if (r < 0)
        return r;
    if (size <= reader->buffer.size || size <= reader->limit || !reader->stream)
        r = read_exactly_buffered(reader, buffer, size);
    else
        r = read_exactly_direct(reader, buffer, size);
    return end(reader, r);
}

/* ----------------------------------------------------------------------------------------------- Up to a separator */

struct match {
    size_t start, end; /* of the separator */
};

/* Looks for the separator that ends first, among those that end at the same place for the shortest; none begins before
 * `from`. */
static bool find(const struct asyncio__buffer *buffer, size_t from, const struct asyncio_bytes *separators, size_t n,
                 struct match *ret_match)
{
    const char *front = buffer->data + buffer->head;
    size_t limit = buffer->size;
    bool found = false;

    for (size_t i = 0; i < n && from < limit; i++) {
        const struct asyncio_bytes *separator = &separators[i];
        const char *at = separator->size == 1 ? memchr(front + from, *(const char *)separator->data, limit - from)
                                              : memmem(front + from, limit - from, separator->data, separator->size);
        struct match match;

        if (!at)
            continue;
        match.start = (size_t)(at - front);
        match.end = match.start + separator->size;
        if (!found || match.end < ret_match->end || match.start > ret_match->start)
            *ret_match = match;
        limit = match.end;
        found = true;
    }
    return found;
}

/* Lends the first bytes of the buffer, which are taken from it. Returns: where they are. */
static char *lend(struct asyncio_streamreader *reader, size_t size)
{
    static char nothing[1];
    char *data = size > 0 ? asyncio__buffer_front(&reader->buffer) : nothing;

    if (size == 0)
        return data;
    reader->lent = ASYNCIO__LENT_FROM_BUFFER;
    reader->lent_at = data + size;
    reader->under_nul = data[size];
    data[size] = '\0';
    asyncio__buffer_consume(&reader->buffer, size);
    return data;
}

static ssize_t overrun(struct asyncio_streamreader *reader, size_t consumed)
{
    reader->consumed = consumed;
    return -ASYNCIO_ELIMITOVERRUN;
}

static ssize_t read_until(struct asyncio_streamreader *reader, const struct asyncio_bytes *separators, size_t n,
                          char **ret_data)
{
    const struct asyncio__buffer *buffer = &reader->buffer;
    size_t longest = 0, clear = 0;
    struct match match;

    for (size_t i = 0; i < n; i++)
        longest = max_size(longest, separators[i].size);
    while (!find(buffer, clear, separators, n, &match)) {
        int r;

        clear = buffer->size >= longest ? buffer->size - (longest - 1) : 0;
        if (clear > reader->limit)
            return overrun(reader, clear);
        r = fill(reader, 1);
        if (r < 0)
            return r;
        if (r == 0) {
            size_t size = buffer->size;

            return incomplete(reader, lend(reader, size), size);
        }
    }
    if (match.start > reader->limit)
        return overrun(reader, match.start);
    *ret_data = lend(reader, match.end);
    return (ssize_t)match.end;
}

ssize_t asyncio_streamreader_readuntil_any(struct asyncio_streamreader *reader, const struct asyncio_bytes *separators,
                                           size_t n, char **ret_data)
{
    int r;

    if (!separators || n == 0 || !ret_data)
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        if (!separators[i].data || separators[i].size == 0)
            return -EINVAL;
    r = begin(reader);
    return r < 0 ? r : end(reader, read_until(reader, separators, n, ret_data));
}

ssize_t asyncio_streamreader_readuntil(struct asyncio_streamreader *reader, const void *separator, size_t size,
                                       char **ret_data)
{
    return asyncio_streamreader_readuntil_any(reader, &(struct asyncio_bytes){separator, size}, 1, ret_data);
}

static ssize_t read_line(struct asyncio_streamreader *reader, char **ret_line)
{
    static const struct asyncio_bytes line_end = {"\n", 1};
    struct asyncio__buffer *buffer = &reader->buffer;
    ssize_t r = read_until(reader, &line_end, 1, ret_line);

    if (r == -ASYNCIO_EINCOMPLETEREAD) {
        r = (ssize_t)reader->partial_size;
        *ret_line = reader->partial;
        reader->partial_size = 0;
    } else if (r == -ASYNCIO_ELIMITOVERRUN) {
        asyncio__buffer_consume(buffer, min_size(reader->consumed + 1, buffer->size));
        reader->consumed = 0;
    }
    return r;
}

ssize_t asyncio_streamreader_readline(struct asyncio_streamreader *reader, char **ret_line)
{
    int r = ret_line ? begin(reader) : -EINVAL;

    return r < 0 ? r : end(reader, read_line(reader, ret_line));
}

/* ------------------------------------------------------------------------------------------------------- Questions */

size_t asyncio_streamreader_partial(const struct asyncio_streamreader *reader, const char **ret_data)
{
    if (!reader)
        return 0;
    if (ret_data)
        *ret_data = reader->partial_size > 0 ? reader->partial : "";
    return reader->partial_size;
}

size_t asyncio_streamreader_consumed(const struct asyncio_streamreader *reader)
{
    return reader ? reader->consumed : 0;
}

bool asyncio_streamreader_at_eof(const struct asyncio_streamreader *reader)
{
    return reader && reader->buffer.size == 0 && has_ended(reader);
}

int asyncio_streamreader_exception(const struct asyncio_streamreader *reader)
{
    return reader ? asyncio__reader_exception(reader) : 0;
}
