/* streams.h -- a connection as a reader and a writer; also what servers and connects need of streams.
 *
 * A reader gets its data in one of three ways. Of a plain connection whoever reads receives them itself, straight into
 * its own memory. With TLS the connection reads by itself and decrypts into the memory of whoever waits, or into the
 * buffer, until that has enough; then it is told to stop. A reader without a connection is fed.
 *
 * Reader, writer and connection are one piece of memory, which is freed once nobody references the reader or the writer
 * any more and the connection has said that it is lost. One end of a pipe is such a piece, too, of which only the half
 * that can be used is ever handed out. A reader without a connection is a piece of its own. */
#pragma once

#include "../base/buffer.h"
#include "../loop/conn.h"
#include "lib.h"

#define ASYNCIO__STREAM_LIMIT    ((size_t)64 * 1024)
#define ASYNCIO__STREAM_TLS_HIGH ((size_t)512 * 1024)

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
    bool pulls;        /* whoever reads receives from the connection; else somebody brings the data */
    bool eof;
    bool is_paused; /* `pause` was called, `resume` not yet */
    uint8_t lent;   /* enum asyncio__lent */
    char under_nul;
    size_t partial_size;
    size_t consumed; /* after -ASYNCIO_ELIMITOVERRUN */
    size_t limit;
    size_t room; /* how much to ask the socket for: more while it fills that */
    char *lent_at;
    char *partial; /* of partial_size bytes, after -ASYNCIO_EINCOMPLETEREAD */

    /* One that does not pull. */
    struct asyncio_waiter *waiter; /* what the task that reads waits for */
    char *into;                    /* that task's memory, which the connection fills before the buffer; or NULL */
    size_t into_room;
    bool wants_all;           /* that task is not woken before it is full */
    void (*pause)(void *arg); /* there is enough; NULL: there never is */
    void (*resume)(void *arg);
    void *arg;
};

struct asyncio_streamwriter {
    int refs;
    const char *source;           /* where it was opened; NULL: by a server */
    struct asyncio_link drainers; /* tasks that wait for room */
    struct asyncio_link closers;  /* tasks that wait for the connection's end */
};

/* What only a stream with TLS has. */
struct asyncio__stream_tls {
    struct asyncio_waiter *waiter; /* the task that waits for the handshake; or NULL */
    bool has_begun;                /* the connection has changed to TLS, and will not change back */
    bool is_secured;               /* a handshake has succeeded */
    int error;                     /* of the last handshake; 0: none, or it is not over */
    char *detail;                  /* what is to be said about the error that broke the connection; or NULL */
    void (*secured)(void *arg, int error);
    void *arg;
};

enum asyncio__stream_kind {
    ASYNCIO__STREAM_SOCKET,
    ASYNCIO__STREAM_READ_END,  /* of a pipe: nobody ever has its writer */
    ASYNCIO__STREAM_WRITE_END, /* nobody ever has its reader */
    ASYNCIO__STREAM_TERMINAL,  /* the master of one, whose end is -EIO to the kernel */
};

struct asyncio__stream {
    struct asyncio__conn conn;
    struct asyncio_streamreader reader;
    struct asyncio_streamwriter writer;
    struct asyncio__stream_tls *tls; /* NULL: without TLS */
    bool is_lost;                    /* the connection is of no more use, and everybody has been told */
    bool is_accepted;                /* a server's */
    uint8_t kind;                    /* enum asyncio__stream_kind */
    void (*lost)(void *arg);
    void *arg;
};

struct asyncio__stream_options {
    size_t limit;         /* 0: the default */
    double close_timeout; /* as the keyword: 0: the default */
    const char *source;   /* where it was opened; NULL: by a server */
    bool is_accepted;     /* a server's: its side of TLS */
    uint8_t kind;         /* enum asyncio__stream_kind; what is no socket has as long as it takes to flush */

    /* Called once the connection is closed and of no more use; may be NULL. */
    void (*lost)(void *arg);
    void *arg;
};

/* Makes a reader and a writer of a connected fd, which belongs to them from then on, and is closed on failure, too.
 * Each comes with one reference; of one end of a pipe the other of the two is NULL. Returns: 0; -ENOMEM; -EINVAL. */
int asyncio__stream_open(struct asyncio_loop *loop, int fd, const struct asyncio__stream_options *options,
                         struct asyncio_streamreader **ret_reader, struct asyncio_streamwriter **ret_writer);

/* The end of a pipe has been read: closes it, as nobody is at the other end. */
void asyncio__stream_pipe_ended(struct asyncio__stream *stream);

/* Gives references back that the program has only borrowed, as a server does when its callback has returned: without a
 * warning, closing what nobody else holds. Either may be NULL. */
void asyncio__stream_release(struct asyncio_streamreader *reader, struct asyncio_streamwriter *writer);

static inline struct asyncio__stream *asyncio__stream_of(struct asyncio_streamwriter *writer)
{
    return CONTAINER_OF(writer, struct asyncio__stream, writer);
}

static inline const struct asyncio__conn *asyncio__conn_of(const struct asyncio_streamwriter *writer)
{
    return &CONST_CONTAINER_OF(writer, struct asyncio__stream, writer)->conn;
}

/* The high-water mark of a writer that nobody has set another for. */
static inline size_t asyncio__stream_high(const struct asyncio__stream *stream)
{
    return stream->tls ? ASYNCIO__STREAM_TLS_HIGH : ASYNCIO__CONN_HIGH;
}

/* streams.c: closes the connection gracefully, unless it is closed; whoever reads finds the end. */
void asyncio__stream_close(struct asyncio__stream *stream);

/* streams.c: closes and frees what nobody needs any more. */
void asyncio__stream_free_if_unused(struct asyncio__stream *stream);

/* streams.c: what a connection tells of its end, and of room. */
void asyncio__stream_lost(struct asyncio__conn *conn);
void asyncio__stream_resumed(struct asyncio__conn *conn);

/* stream_tls.c: begins TLS, for which what the reader has kept is taken. `secured` is called once the handshake is
 * over, with 0 or a negative error after which `lost` follows; NULL: nobody wants to know. Returns: 0; a negative
 * error, after which the stream is as it was. */
int asyncio__stream_start_tls(struct asyncio__stream *stream, const struct asyncio__conn_tls *tls,
                              void (*secured)(void *arg, int error), void *arg);

/* stream_tls.c: waits until the handshake is over. Returns: 0; a negative error, with its detail; -ECANCELED: then the
 * connection was aborted. */
int asyncio__stream_await_tls(struct asyncio__stream *stream);

/* stream_tls.c: tells the running task what there is to say about an error of the connection. Returns: the error. */
int asyncio__stream_explain(const struct asyncio__stream *stream, int error);

/* stream_tls.c: frees what TLS needs of a stream. */
void asyncio__stream_tls_free(struct asyncio__stream *stream);

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

/* stream_feed.c: tells whoever feeds to stop, unless it was told. */
void asyncio__reader_pause(struct asyncio_streamreader *reader);

/* stream_feed.c: something new is in the buffer: lets the task that waits look, and pauses when there is enough. */
void asyncio__reader_fed(struct asyncio_streamreader *reader);

/* stream_feed.c: ends the wait of the task that reads. */
void asyncio__reader_wake(struct asyncio_streamreader *reader, int result);

/* stream_feed.c: sees to it that the buffer may move, whatever a read has lent of it. Returns: 0; -ENOMEM. */
int asyncio__reader_set_aside(struct asyncio_streamreader *reader);

/* Why nothing more will come; 0 when there is no error. While a plain connection that cannot be written to any more is
 * open, what the peer said before can still be read. */
static inline int asyncio__reader_exception(const struct asyncio_streamreader *reader)
{
    const struct asyncio__stream *stream = reader->stream;

    if (UNLIKELY(reader->error))
        return reader->error;
    if (!stream || LIKELY(stream->conn.state == ASYNCIO__CONN_OPEN))
        return 0;
    return stream->conn.state == ASYNCIO__CONN_CLOSED || !reader->pulls ? stream->conn.error : 0;
}
