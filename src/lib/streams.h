/* streams.h -- a connection as a reader and a writer; also what servers and connects need of streams.
 *
 * Reader, writer and connection are one piece of memory, which is freed once nobody references the reader or the writer
 * any more and the connection has said that it is lost. A reader without a connection is a piece of its own. */
#pragma once

#include "../base/buffer.h"
#include "../loop/conn.h"
#include "lib.h"

#define ASYNCIO__STREAM_LIMIT ((size_t)64 * 1024)

struct asyncio__stream;

/* What the last read left in its caller's hands. */
enum asyncio__lent {
    ASYNCIO__LENT_NOTHING,
    ASYNCIO__LENT_FROM_BUFFER, /* lent_at: where a NUL stands in for under_nul */
    ASYNCIO__LENT_SET_ASIDE,   /* lent_at: memory that was the buffer's, to be freed */
};

struct asyncio_streamreader {
    struct asyncio__stream *stream; /* NULL: it is fed */
    struct asyncio_loop *loop;
    struct asyncio__buffer buffer;
    int refs;
    int error;         /* of set_exception; 0: none */
    bool is_read;      /* a task is in one of the reads, which holds the reader as a reference does */
    bool is_entered;   /* and has been through asyncio__enter_io for what it does next */
    bool is_receiving; /* and waits for the operation of the connection */
    bool eof;
    bool is_paused; /* `pause` was called, `resume` not yet */
    uint8_t lent;   /* enum asyncio__lent */
    char under_nul;
    size_t partial_size;
    size_t consumed; /* after -ASYNCIO_ELIMITOVERRUN */
    size_t limit;
    size_t room; /* how much to ask the socket for: more while it fills that */
    char *lent_at;
    char *partial;                 /* of partial_size bytes, after -ASYNCIO_EINCOMPLETEREAD */
    struct asyncio_waiter *waiter; /* of one that is fed: what the task that reads waits for */
    void (*pause)(void *arg);      /* one that is fed: of its keywords */
    void (*resume)(void *arg);
    void *arg;
};

struct asyncio_streamwriter {
    int refs;
    const char *source;           /* where it was opened; NULL: by a server */
    struct asyncio_link drainers; /* tasks that wait for room */
    struct asyncio_link closers;  /* tasks that wait for the connection's end */
};

struct asyncio__stream {
    struct asyncio__conn conn;
    struct asyncio_streamreader reader;
    struct asyncio_streamwriter writer;
    bool is_lost; /* the connection is of no more use, and everybody has been told */
    void (*lost)(void *arg);
    void *arg;
};

struct asyncio__stream_options {
    size_t limit;         /* 0: the default */
    double close_timeout; /* as the keyword: 0: the default */
    const char *source;   /* where it was opened; NULL: by a server */

    /* Called once the connection is closed and of no more use; may be NULL. */
    void (*lost)(void *arg);
    void *arg;
};

/* Makes a reader and a writer of a connected fd, which belongs to them from then on, and is closed on failure, too.
 * Each comes with one reference. Returns: 0; -ENOMEM; -EINVAL. */
int asyncio__stream_open(struct asyncio_loop *loop, int fd, const struct asyncio__stream_options *options,
                         struct asyncio_streamreader **ret_reader, struct asyncio_streamwriter **ret_writer);

/* Gives a server's references back when its callback has returned: without a warning, closing what nobody else
 * holds. */
void asyncio__stream_release(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer);

static inline struct asyncio__stream *asyncio__stream_of(struct asyncio_streamwriter *writer)
{
    return CONTAINER_OF(writer, struct asyncio__stream, writer);
}

static inline const struct asyncio__conn *asyncio__conn_of(const struct asyncio_streamwriter *writer)
{
    return &CONST_CONTAINER_OF(writer, struct asyncio__stream, writer)->conn;
}

/* streams.c: closes the connection gracefully, unless it is closed; whoever reads finds the end. */
void asyncio__stream_close(struct asyncio__stream *stream);

/* streams.c: frees what nobody needs any more. */
void asyncio__stream_free_if_unused(struct asyncio__stream *stream);

/* stream_reader.c: prepares a reader with one reference, in zeroed memory. */
void asyncio__reader_init(struct asyncio_streamreader *reader, struct asyncio_loop *loop, size_t limit);

/* stream_reader.c: frees what a reader has. */
void asyncio__reader_fini(struct asyncio_streamreader *reader);

/* stream_feed.c: ends the wait of the task that reads, which looks again how things stand. */
void asyncio__reader_interrupt(struct asyncio_streamreader *reader);

/* stream_feed.c: waits until something was fed. Whoever feeds and was told to pause has to go on first, or the wait
 * would have no end. Returns: 1 when there is something new; a negative error. */
int asyncio__reader_await_feed(struct asyncio_streamreader *reader);

/* stream_feed.c: tells whoever feeds to go on. */
void asyncio__reader_resume(struct asyncio_streamreader *reader);

/* What every read returns first of all; 0 when there is no error. While a connection that cannot be written to any more
 * is open, what the peer said before can still be read. */
static inline int asyncio__reader_exception(const struct asyncio_streamreader *reader)
{
    const struct asyncio__stream *stream = reader->stream;

    if (UNLIKELY(reader->error))
        return reader->error;
    return stream && UNLIKELY(stream->conn.state == ASYNCIO__CONN_CLOSED) ? stream->conn.error : 0;
}
