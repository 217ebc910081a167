/* stream_writer.c -- StreamWriter: what is written goes to the connection at once, and then its writer waits while too
 * much of it is kept.
 *
 * Whoever waits is woken with what its call returns and touches nothing of the stream afterwards, which may be gone by
 * then. */
#include "streams.h"

#include "../base/mem.h"
#include "../task/task.h"
#include "sockets.h"

#include <limits.h>
#include <stdarg.h>

/* Most texts are shorter. */
#define SHORT_TEXT 512

struct asyncio_streamwriter *asyncio_streamwriter_ref(struct asyncio_streamwriter *writer)
{
    if (writer)
        writer->refs++;
    return writer;
}

/* What every call that may wait asks first. Returns: 0 and the calling task; -ASYNCIO_ENOTASK;
 * -ASYNCIO_EFOREIGNLOOP. */
static inline int check_task(const struct asyncio_streamwriter *writer, struct asyncio__task **ret_task)
{
    struct asyncio__scheduler *scheduler = asyncio__scheduler;
    struct asyncio__task *task = asyncio__current();

    if (UNLIKELY(!task))
        return -ASYNCIO_ENOTASK;
    if (UNLIKELY(scheduler->loop != asyncio__conn_of(writer)->loop))
        return -ASYNCIO_EFOREIGNLOOP;
    *ret_task = task;
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- Waiting */

static const struct asyncio_wait_kind drain_kind = {
    .name = "room in a stream's buffer",
    .late = ASYNCIO_LATE_CANCEL,
};

static const struct asyncio_wait_kind wait_closed_kind = {
    .name = "a connection to be closed",
    .late = ASYNCIO_LATE_CANCEL,
};

static ASYNCIO__SUSPENDS int wait_in(struct asyncio_link *list, const struct asyncio_wait_kind *kind,
                                     struct asyncio_streamwriter *writer)
{
    struct asyncio_waiter waiter;
    int r = asyncio_waiter_init(&waiter, kind, writer);

    if (r < 0)
        return r;
    list_push_back(list, &waiter.link);
    return (int)asyncio_park(&waiter);
}

/* A connection that is closing is given a turn in which to say why it is lost, so that whoever only writes and drains
 * hears of it. */
static __attribute__((noinline)) int drain_slowly(struct asyncio__stream *stream)
{
    int r = asyncio__reader_exception(&stream->reader);

    if (r == 0 && stream->conn.state != ASYNCIO__CONN_OPEN)
        r = asyncio_sleep(0);
    if (r == 0)
        r = stream->conn.error;
    if (r == 0 && stream->is_lost)
        r = -ECONNRESET;
    if (r < 0 || !stream->conn.is_paused)
        return r;
    return wait_in(&stream->writer.drainers, &drain_kind, &stream->writer);
}

/* What follows a write, and all of drain. */
static inline int settle(struct asyncio__stream *stream, struct asyncio__task *task)
{
    const struct asyncio__conn *conn = &stream->conn;
    int r = asyncio__enter_io(task);

    if (UNLIKELY(r < 0))
        return r;
    if (LIKELY(conn->state == ASYNCIO__CONN_OPEN && !conn->is_paused && !conn->error && !stream->reader.error))
        return 0;
    return drain_slowly(stream);
}

int asyncio_streamwriter_drain(struct asyncio_streamwriter *writer)
{
    struct asyncio__task *task;
    int r = writer ? check_task(writer, &task) : -EINVAL;

    return r < 0 ? r : settle(asyncio__stream_of(writer), task);
}

int asyncio_streamwriter_wait_closed(struct asyncio_streamwriter *writer)
{
    struct asyncio__task *task;
    int r = writer ? check_task(writer, &task) : -EINVAL;

    if (r < 0)
        return r;
    if (asyncio__stream_of(writer)->is_lost)
        return asyncio__stream_of(writer)->conn.error;
    return wait_in(&writer->closers, &wait_closed_kind, writer);
}

/* --------------------------------------------------------------------------------------------------------- Writing */

static inline int write_and_drain(struct asyncio_streamwriter *writer, const struct asyncio_bytes *pieces, size_t n)
{
    struct asyncio__task *task;
    int r = check_task(writer, &task);

    if (UNLIKELY(r < 0))
        return r;
    r = asyncio__conn_write(&asyncio__stream_of(writer)->conn, pieces, n);
    if (UNLIKELY(r < 0))
        return r;
    return settle(asyncio__stream_of(writer), task);
}

int asyncio_streamwriter_write(struct asyncio_streamwriter *writer, const void *data, size_t size)
{
    if (UNLIKELY(!writer || (!data && size > 0)))
        return -EINVAL;
    return write_and_drain(writer, &(struct asyncio_bytes){data, size}, 1);
}

int asyncio_streamwriter_writelines(struct asyncio_streamwriter *writer, const struct asyncio_bytes *pieces, size_t n)
{
    if (!writer || (!pieces && n > 0))
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        if (!pieces[i].data && pieces[i].size > 0)
            return -EINVAL;
    return write_and_drain(writer, pieces, n);
}

int asyncio_streamwriter_write_nowait(struct asyncio_streamwriter *writer, const void *data, size_t size)
{
    if (!writer || (!data && size > 0))
        return -EINVAL;
    return asyncio__conn_write(&asyncio__stream_of(writer)->conn, &(struct asyncio_bytes){data, size}, 1);
}

/* A text of `size` bytes that was too long for the stack. */
__attribute__((format(printf, 3, 0))) static int print_long(struct asyncio_streamwriter *writer, size_t size,
                                                            const char *format, va_list args)
{
    char *text = asyncio__malloc(size + 1);
    int r;

    if (!text)
        return -ENOMEM;
    vsnprintf(text, size + 1, format, args);
    r = asyncio_streamwriter_write(writer, text, size);
    asyncio__free(text);
    return r;
}

int asyncio_streamwriter_printf(struct asyncio_streamwriter *writer, const char *format, ...)
{
    char text[SHORT_TEXT];
    va_list args;
    int r, size;

    if (!writer || !format)
        return -EINVAL;
    va_start(args, format);
    size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size < 0)
        return -EINVAL;
    if ((size_t)size < sizeof text)
        return asyncio_streamwriter_write(writer, text, (size_t)size);
    va_start(args, format);
    r = print_long(writer, (size_t)size, format, args);
    va_end(args);
    return r;
}

/* ---------------------------------------------------------------------------------------------------------- Ending */

/* The end of a pipe is told by closing it. */
static int end_pipe(struct asyncio__stream *stream)
{
    int error = stream->conn.error;

    if (stream->kind == ASYNCIO__STREAM_TERMINAL)
        return -ENOTSUP;
    asyncio__stream_close(stream);
    return error;
}

int asyncio_streamwriter_write_eof(struct asyncio_streamwriter *writer)
{
    if (!writer)
        return -EINVAL;
    if (asyncio__conn_of(writer)->is_pipe)
        return end_pipe(asyncio__stream_of(writer));
    return asyncio__conn_write_eof(&asyncio__stream_of(writer)->conn);
}

bool asyncio_streamwriter_can_write_eof(const struct asyncio_streamwriter *writer)
{
    const struct asyncio__stream *stream = writer ? CONST_CONTAINER_OF(writer, struct asyncio__stream, writer) : NULL;

    return stream && stream->kind != ASYNCIO__STREAM_TERMINAL && !(stream->tls && stream->tls->has_begun);
}

void asyncio_streamwriter_close(struct asyncio_streamwriter *writer)
{
    if (writer)
        asyncio__stream_close(asyncio__stream_of(writer));
}

void asyncio_streamwriter_abort(struct asyncio_streamwriter *writer)
{
    if (writer)
        asyncio__conn_abort(&asyncio__stream_of(writer)->conn, 0);
}

bool asyncio_streamwriter_is_closing(const struct asyncio_streamwriter *writer)
{
    return writer && asyncio__conn_of(writer)->state != ASYNCIO__CONN_OPEN;
}

/* -------------------------------------------------------------------------------------------- Limits and questions */

int asyncio_streamwriter_set_write_buffer_limits(struct asyncio_streamwriter *writer, ssize_t high, ssize_t low)
{
    if (!writer || high < -1 || low < -1)
        return -EINVAL;
    if (high < 0 && (low < 0 || __builtin_mul_overflow(low, 4, &high)))
        high = low < 0 ? (ssize_t)asyncio__stream_high(asyncio__stream_of(writer)) : SSIZE_MAX;
    if (low < 0)
        low = high / 4;
    if (high < low)
        return -EINVAL;
    asyncio__conn_set_limits(&asyncio__stream_of(writer)->conn, (size_t)high, (size_t)low);
    return 0;
}

void asyncio_streamwriter_get_write_buffer_limits(const struct asyncio_streamwriter *writer, size_t *ret_high,
                                                  size_t *ret_low)
{
    if (!writer)
        return;
    if (ret_high)
        *ret_high = asyncio__conn_of(writer)->high;
    if (ret_low)
        *ret_low = asyncio__conn_of(writer)->low;
}

/* Of a closed connection the back end may still have a piece, which will not be sent. */
size_t asyncio_streamwriter_get_write_buffer_size(const struct asyncio_streamwriter *writer)
{
    if (!writer || asyncio__conn_of(writer)->state == ASYNCIO__CONN_CLOSED)
        return 0;
    return asyncio__conn_kept(asyncio__conn_of(writer));
}

static int ask_name(const struct asyncio_streamwriter *writer, bool peer, struct asyncio_address *ret_address)
{
    const struct asyncio__conn *conn;

    if (!writer || !ret_address)
        return -EINVAL;
    conn = asyncio__conn_of(writer);
    return conn->fd < 0 ? -ENOTCONN : asyncio__fd_name(conn->loop, conn->fd, peer, ret_address);
}

int asyncio_streamwriter_sockname(const struct asyncio_streamwriter *writer, struct asyncio_address *ret_address)
{
    return ask_name(writer, false, ret_address);
}

int asyncio_streamwriter_peername(const struct asyncio_streamwriter *writer, struct asyncio_address *ret_address)
{
    return ask_name(writer, true, ret_address);
}

int asyncio_streamwriter_fileno(const struct asyncio_streamwriter *writer)
{
    if (!writer)
        return -EINVAL;
    return asyncio__conn_of(writer)->fd < 0 ? -ENOTCONN : asyncio__conn_of(writer)->fd;
}
