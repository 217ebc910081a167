/* front_end.h -- a stand-in for the binding of another language: what it would build on the loop, and nothing of tasks.
 *
 * Its "interpreter" has a lock that must be held while its code runs and let go while the loop blocks, contexts that
 * are entered around each callback, and signals that its code wants to hear of. All nodes lie in its own objects: the
 * library allocates nothing for a callback. */
#pragma once

#include <asyncio.h>
#include <asyncio_lowlevel.h>

#include <signal.h>

/* What the language runs a callback in. */
struct fe_context {
    const char *name;
};

struct fe_interpreter {
    struct asyncio_loop *loop;
    bool has_lock;
    int n_let_go;
    struct fe_context *current;
    volatile sig_atomic_t signal; /* one that its handlers have not seen yet */
    int n_watched;                /* streams whose operation the loop has */
    int raised;                   /* what its handler of signals wants the run to end with; 0: go on */
};

/* Takes a loop for the interpreter. Returns: 0; a negative error. */
int fe_open(struct fe_interpreter *interpreter, struct asyncio_loop *loop);
void fe_close(struct fe_interpreter *interpreter);

/* -------------------------------------------------------------------------------------------------------- Callbacks */

/* A callable with the time that it is to be called at. */
struct fe_call {
    struct asyncio_timer timer;
    struct fe_interpreter *interpreter;
    void (*function)(void *self);
    void *self;
};

void fe_call_init(struct fe_call *call, struct fe_interpreter *interpreter, void (*function)(void *self), void *self,
                  struct fe_context *context);
void fe_call_soon(struct fe_call *call);

/* Returns: 0; -ENOMEM. */
int fe_call_at(struct fe_call *call, int64_t when_ns);

/* Any thread. Returns: 0; -ASYNCIO_ECLOSED. */
int fe_call_threadsafe(struct fe_call *call);

void fe_cancel(struct fe_call *call);

/* ---------------------------------------------------------------------------------------------------------- Streams */

/* A socket of the library's. Memory to read into is asked for when there is something to read, and not before; memory
 * that is written from is given back when it was sent. */
struct fe_stream {
    struct fe_interpreter *interpreter;
    int fd;
    struct asyncio_op ready, sending; /* the watch, and the write that is under way */
    struct asyncio_node again;
    bool watching;
    const char *rest; /* of it, what has not been sent */
    size_t left;
    void *self;
    void *(*get_buffer)(void *self, size_t *ret_size);
    void (*buffer_updated)(void *self, size_t n); /* 0: the end */
    void (*written)(void *self, int64_t result);
};

/* Starts to read. The callbacks and `self` are set by the caller before. Returns: 0; a negative error. */
int fe_stream_open(struct fe_stream *stream, struct fe_interpreter *interpreter, int fd);

/* Sends; `written` is called once, perhaps from within. The memory stays the caller's until then. */
void fe_stream_write(struct fe_stream *stream, const char *data, size_t size);

/* Its memory is the caller's again when fe_close has returned. */
void fe_stream_close(struct fe_stream *stream);

/* A pair of connected sockets of the library's. Returns: 0; a negative error. */
int fe_socketpair(struct fe_interpreter *interpreter, int ret_fds[2]);

/* --------------------------------------------------------------------------------------------------- A foreign loop */

/* Drives the library's loop from poll(2), as the loop of a window system would, until *done or an error; `other` is one
 * more fd that the foreign loop has, and `other_ready` what it does with it. Returns: 0; a negative error. */
int fe_run_in_foreign_loop(struct fe_interpreter *interpreter, int other, void (*other_ready)(void *self), void *self,
                           const bool *done);
