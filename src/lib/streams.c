/* streams.c -- what reader and writer share: a connection's beginning and its end. Once nobody has either of them any
 * more it is closed. */
#include "streams.h"

#include "../base/log.h"
#include "../base/mem.h"
#include "../loop/loop.h"
#include "sockets.h"

#define CLOSE_NS (30 * NS_PER_SEC)

void asyncio__stream_free_if_unused(struct asyncio__stream *stream)
{
    if (stream->reader.refs > 0 || stream->reader.is_read || stream->writer.refs > 0)
        return;
    if (!stream->is_lost) {
        asyncio__stream_close(stream);
        return;
    }
    asyncio__reader_fini(&stream->reader);
    asyncio__stream_tls_free(stream);
    asyncio__free(stream);
}

/* There is room again, or will never be. */
void asyncio__stream_resumed(struct asyncio__conn *conn)
{
    struct asyncio__stream *stream = CONTAINER_OF(conn, struct asyncio__stream, conn);

    asyncio__wake_all(&stream->writer.drainers, conn->error);
}

void asyncio__stream_lost(struct asyncio__conn *conn)
{
    struct asyncio__stream *stream = CONTAINER_OF(conn, struct asyncio__stream, conn);

    asyncio__stream_resumed(conn);
    asyncio__wake_all(&stream->writer.closers, conn->error);
    if (stream->lost)
        stream->lost(stream->arg);
    stream->is_lost = true;
    asyncio__stream_free_if_unused(stream);
}

static const struct asyncio__conn_events stream_events = {
    .resumed = asyncio__stream_resumed,
    .lost = asyncio__stream_lost,
};

/* The time to flush in, as the keyword has it. Returns: 0; -EINVAL. */
static int close_ns_from(const struct asyncio__stream_options *options, int64_t *ret_ns)
{
    if (options->close_timeout == 0) {
        *ret_ns = options->kind == ASYNCIO__STREAM_SOCKET ? CLOSE_NS : NS_NEVER;
        return 0;
    }
    return asyncio__ns_from_seconds(options->close_timeout, ret_ns);
}

static int refuse(struct asyncio_loop *loop, int fd, int error)
{
    asyncio__fd_close(loop, fd);
    return error;
}

int asyncio__stream_open(struct asyncio_loop *loop, int fd, const struct asyncio__stream_options *options,
                         struct asyncio_streamreader **ret_reader, struct asyncio_streamwriter **ret_writer)
{
    struct asyncio__stream *stream;
    int64_t close_ns;

    if (close_ns_from(options, &close_ns) < 0)
        return refuse(loop, fd, -EINVAL);
    stream = asyncio__calloc(sizeof *stream);
    if (!stream)
        return refuse(loop, fd, -ENOMEM);
    asyncio__conn_init(&stream->conn, loop, fd, &stream_events, close_ns);
    asyncio__reader_init(&stream->reader, loop, options->limit);
    stream->reader.stream = stream;
    stream->conn.is_pipe = options->kind != ASYNCIO__STREAM_SOCKET;
    stream->reader.pulls = true;
    stream->reader.refs = options->kind != ASYNCIO__STREAM_WRITE_END;
    stream->is_accepted = options->is_accepted;
    stream->kind = options->kind;
    stream->writer.refs = options->kind != ASYNCIO__STREAM_READ_END;
    stream->writer.source = options->source;
    list_init(&stream->writer.drainers);
    list_init(&stream->writer.closers);
    stream->lost = options->lost;
    stream->arg = options->arg;
    *ret_reader = stream->reader.refs > 0 ? &stream->reader : NULL;
    *ret_writer = stream->writer.refs > 0 ? &stream->writer : NULL;
    return 0;
}

/* A reader that waits is told now, as what is kept may take long to be sent. */
void asyncio__stream_close(struct asyncio__stream *stream)
{
    if (stream->conn.state != ASYNCIO__CONN_OPEN)
        return;
    asyncio__reader_interrupt(&stream->reader);
    asyncio__conn_close(&stream->conn);
}

/* Drops a reference of the writer; the last one closes it. */
static void drop_writer(struct asyncio__stream *stream, bool warn)
{
    assert(stream->writer.refs > 0);
    if (--stream->writer.refs > 0)
        return;
    if (stream->conn.state == ASYNCIO__CONN_OPEN) {
        if (warn && stream->conn.loop->debug)
            asyncio__log(ASYNCIO_LOG_WARNING, "unclosed stream writer, opened at %s",
                         stream->writer.source ? stream->writer.source : "a server");
        asyncio__stream_close(stream);
    }
    asyncio__stream_free_if_unused(stream);
}

struct asyncio_streamwriter *asyncio_streamwriter_unref(struct asyncio_streamwriter *writer)
{
    if (writer)
        drop_writer(asyncio__stream_of(writer), true);
    return NULL;
}

void asyncio__stream_release(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer)
{
    asyncio_streamreader_unref(reader);
    if (writer)
        drop_writer(asyncio__stream_of(writer), false);
}

void asyncio__stream_pipe_ended(struct asyncio__stream *stream)
{
    asyncio__conn_abort(&stream->conn, 0);
}
