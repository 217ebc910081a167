/* stream_tls.c -- streams with TLS: the change to it, what their reader gets, and what was agreed on.
 *
 * A stream that has begun TLS does not go back to receiving by itself, also where the beginning failed: its connection
 * reads as long as the reader has room. Nobody's task is needed for that, nor for the handshake. */
#include "../base/mem.h"
#include "../loop/loop.h"
#include "../task/task.h"
#include "streams.h"
#include "tls_keywords.h"

/* A read of the connection finds at least so much room, and asks for that of a record when there is less. */
#define ROOM_LEAST ((size_t)4 * 1024)
#define ROOM       ((size_t)16 * 1024)

static struct asyncio__stream *stream_of(struct asyncio__conn *conn)
{
    return CONTAINER_OF(conn, struct asyncio__stream, conn);
}

/* --------------------------------------------------------------------------------------------------------- Reading */

/* True while the memory of the task that reads is its to be filled: until it runs again, unless it was cancelled. */
static bool has_direct_room(const struct asyncio_streamreader *reader)
{
    const struct asyncio_waiter *waiter = reader->waiter;

    return reader->into && reader->into_room > 0 && reader->buffer.size == 0 && waiter &&
           (!waiter->complete || waiter->result > 0);
}

/* Sees to room behind what is kept. Returns: 0; -ENOMEM. */
static int make_room(struct asyncio_streamreader *reader)
{
    int r = 0;

    if (asyncio__buffer_room(&reader->buffer) < ROOM_LEAST) {
        r = asyncio__reader_set_aside(reader);
        if (r == 0)
            r = asyncio__buffer_reserve(&reader->buffer, ROOM);
    }
    return r;
}

/* Out of memory nothing is lost: the connection is stopped, the next read goes on. */
static void get_buffer(struct asyncio__conn *conn, void **ret_data, size_t *ret_size)
{
    struct asyncio_streamreader *reader = &stream_of(conn)->reader;

    if (has_direct_room(reader)) {
        *ret_data = reader->into;
        *ret_size = reader->into_room;
    } else if (make_room(reader) == 0) {
        *ret_data = asyncio__buffer_end(&reader->buffer);
        *ret_size = asyncio__buffer_room(&reader->buffer);
    } else {
        asyncio__reader_pause(reader);
        asyncio__reader_wake(reader, -ENOMEM);
    }
}

static void received(struct asyncio__conn *conn, const void *data, size_t size)
{
    struct asyncio_streamreader *reader = &stream_of(conn)->reader;

    if (reader->into && data == reader->into) {
        reader->into += size;
        reader->into_room -= size;
        if (!reader->wants_all || reader->into_room == 0)
            asyncio__reader_wake(reader, 1);
    } else {
        asyncio__buffer_added(&reader->buffer, size);
        asyncio__reader_fed(reader);
    }
}

/* Without TLS, where beginning it has failed, one's own side may go on. */
static bool ended(struct asyncio__conn *conn)
{
    struct asyncio__stream *stream = stream_of(conn);

    stream->reader.eof = true;
    asyncio__reader_wake(&stream->reader, 1);
    return !asyncio__conn_tls(conn);
}

static void pause_reading(void *arg)
{
    struct asyncio__stream *stream = arg;

    asyncio__conn_stop_reading(&stream->conn);
}

static void resume_reading(void *arg)
{
    struct asyncio__stream *stream = arg;

    asyncio__conn_start_reading(&stream->conn);
}

/* ----------------------------------------------------------------------------------------------- Handshake and end */

/* Keeps what the pump has to say about an error, for whoever asks after the pump has gone. */
static void keep_detail(struct asyncio__stream *stream)
{
    const struct asyncio__tls *pump = asyncio__conn_tls(&stream->conn);
    const char *detail = pump ? asyncio__tls_detail(pump) : "";

    if (*detail && !stream->tls->detail)
        stream->tls->detail = asyncio__strdup(detail);
}

static void secured(struct asyncio__conn *conn, int error)
{
    struct asyncio__stream *stream = stream_of(conn);
    struct asyncio__stream_tls *tls = stream->tls;

    if (error == 0)
        tls->is_secured = true;
    else
        keep_detail(stream);
    if (tls->waiter)
        asyncio_unpark(tls->waiter, error);
    if (tls->secured)
        tls->secured(tls->arg, error);
}

static void lost(struct asyncio__conn *conn)
{
    struct asyncio__stream *stream = stream_of(conn);

    keep_detail(stream);
    asyncio__reader_wake(&stream->reader, 0);
    asyncio__stream_lost(conn);
}

static const struct asyncio__conn_events tls_events = {
    .resumed = asyncio__stream_resumed,
    .lost = lost,
    .get_buffer = get_buffer,
    .received = received,
    .ended = ended,
    .secured = secured,
};

/* Makes what only a stream with TLS has. Returns: 0; -ENOMEM. */
static int prepare(struct asyncio__stream *stream)
{
    bool had_default = stream->conn.high == ASYNCIO__CONN_HIGH && stream->conn.low == ASYNCIO__CONN_HIGH / 4;

    stream->tls = asyncio__calloc(sizeof *stream->tls);
    if (!stream->tls)
        return -ENOMEM;
    stream->reader.pulls = false;
    stream->reader.pause = pause_reading;
    stream->reader.resume = resume_reading;
    stream->reader.arg = stream;
    asyncio__conn_set_events(&stream->conn, &tls_events);
    asyncio__conn_start_reading(&stream->conn);
    if (had_default)
        asyncio__conn_set_limits(&stream->conn, ASYNCIO__STREAM_TLS_HIGH, ASYNCIO__STREAM_TLS_HIGH / 4);
    return 0;
}

int asyncio__stream_start_tls(struct asyncio__stream *stream, const struct asyncio__conn_tls *tls,
                              void (*secured_event)(void *arg, int error), void *arg)
{
    struct asyncio__buffer *buffer = &stream->reader.buffer;
    int r = asyncio__reader_set_aside(&stream->reader);

    if (r == 0 && !stream->tls)
        r = prepare(stream);
    if (r == 0)
        r = asyncio__conn_start_tls(&stream->conn, tls, buffer->size > 0 ? asyncio__buffer_front(buffer) : NULL,
                                    buffer->size);
    if (r < 0)
        return r;
    stream->tls->has_begun = true;
    stream->tls->is_secured = false;
    asyncio__buffer_consume(buffer, buffer->size);
    if (stream->reader.is_paused)
        asyncio__reader_resume(&stream->reader);
    stream->tls->secured = secured_event;
    stream->tls->arg = arg;
    return 0;
}

static const struct asyncio_wait_kind handshake_kind = {
    .name = "a TLS handshake",
    .late = ASYNCIO_LATE_KEEP,
};

/* The end of a wait that nobody will answer any more; what has been said in the handshake is dropped. */
int asyncio__stream_await_tls(struct asyncio__stream *stream)
{
    struct asyncio_waiter waiter;
    int r = asyncio_waiter_init(&waiter, &handshake_kind, &stream->writer);

    if (r == 0) {
        stream->tls->waiter = &waiter;
        r = (int)asyncio_park(&waiter);
        stream->tls->waiter = NULL;
    }
    if (r == -ECANCELED)
        asyncio__conn_abort(&stream->conn, 0);
    return asyncio__stream_explain(stream, r);
}

int asyncio__stream_explain(const struct asyncio__stream *stream, int error)
{
    if (error < 0 && stream->tls && stream->tls->detail)
        asyncio__set_detail("%s", stream->tls->detail);
    return error;
}

void asyncio__stream_tls_free(struct asyncio__stream *stream)
{
    if (stream->tls)
        asyncio__free(stream->tls->detail);
    asyncio__free(stream->tls);
}

/* ------------------------------------------------------------------------------------------------------- start_tls */

/* Waits until there is room, as every write does, then changes to TLS. The reader is held meanwhile. */
static int upgrade(struct asyncio__stream *stream, const struct asyncio__conn_tls *tls)
{
    int r = stream->conn.state == ASYNCIO__CONN_OPEN ? asyncio_streamwriter_drain(&stream->writer) : 0;

    if (r == 0 && stream->conn.state != ASYNCIO__CONN_OPEN)
        r = -ASYNCIO_ECLOSED;
    if (r == 0)
        r = asyncio__stream_start_tls(stream, tls, NULL, NULL);
    return r < 0 ? r : asyncio__stream_await_tls(stream);
}

int asyncio_streamwriter_start_tls_kw(struct asyncio_streamwriter *writer, struct asyncio_ssl_context *context,
                                      const struct asyncio_start_tls_kw *kw)
{
    struct asyncio_loop *loop = NULL;
    struct asyncio__stream *stream;
    struct asyncio__conn_tls tls;
    bool is_server;
    int r;

    if (!writer || !context)
        return -EINVAL;
    stream = asyncio__stream_of(writer);
    if (stream->conn.is_pipe)
        return -ENOTSUP;
    is_server = stream->is_accepted || (kw && kw->server_side);
    r = asyncio__may_wait(stream->conn.loop, &loop);
    if (r == 0)
        r = asyncio__tls_of_start(kw, context, &tls);
    if (r == 0 && is_server && context == ASYNCIO_SSL_DEFAULT)
        r = -EINVAL;
    if (r == 0 && stream->reader.is_read)
        r = -EBUSY;
    if (r < 0)
        return r;
    tls.options.server_side = is_server;
    stream->reader.is_read = true;
    r = upgrade(stream, &tls);
    stream->reader.is_read = false;
    asyncio__stream_free_if_unused(stream);
    return r;
}

/* ------------------------------------------------------------------------------------------------------- Questions */

/* Returns: 0, and the pump; -EINVAL; -ENOTCONN; -ASYNCIO_EINVALIDSTATE. */
static int find_pump(const struct asyncio_streamwriter *writer, const void *ret, struct asyncio__tls **ret_pump)
{
    const struct asyncio__stream *stream;

    if (!writer || !ret)
        return -EINVAL;
    stream = CONST_CONTAINER_OF(writer, struct asyncio__stream, writer);
    if (stream->conn.fd < 0)
        return -ENOTCONN;
    if (!stream->tls || !stream->tls->is_secured)
        return -ASYNCIO_EINVALIDSTATE;
    *ret_pump = asyncio__conn_tls(&stream->conn);
    return 0;
}

int asyncio_streamwriter_ssl_info(const struct asyncio_streamwriter *writer, struct asyncio_ssl_info *ret_info)
{
    struct asyncio__tls *pump = NULL;
    int r = find_pump(writer, ret_info, &pump);

    if (r == 0)
        asyncio__tls_info(pump, ret_info);
    return r;
}

int asyncio_streamwriter_getpeercert(const struct asyncio_streamwriter *writer,
                                     struct asyncio_ssl_certificate **ret_certificate)
{
    struct asyncio__tls *pump = NULL;
    int r = find_pump(writer, ret_certificate, &pump);

    return r < 0 ? r : asyncio__tls_peercert(pump, ret_certificate);
}

int asyncio_streamwriter_ssl_session(const struct asyncio_streamwriter *writer,
                                     struct asyncio_ssl_session **ret_session)
{
    struct asyncio__tls *pump = NULL;
    int r = find_pump(writer, ret_session, &pump);

    return r < 0 ? r : asyncio__tls_session(pump, ret_session);
}
