/* pipe_rig.h -- pipes of the loop's back end, and protocols at their ends that say what they are told. */
#pragma once

#include "crew.h"

#include "base/base.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* A protocol and its transport, which is NULL before connection_made and after connection_lost. */
struct end {
    struct asyncio_protocol protocol;
    const char *name;
    struct asyncio_transport *transport;
    void (*on_made)(struct end *end);
    void (*on_data)(struct end *end);
    void (*on_resumed)(struct end *end);
    void (*on_eof)(struct end *end);
    char text[64];          /* the first that was received */
    size_t received;        /* in all */
    bool is_quiet;          /* about flow control, whose times are the kernel's affair */
    bool is_made, is_lost;  /* it was told so */
    int paused, resumed;    /* how often */
    int lost;               /* with what */
    unsigned char room[16]; /* of a buffered one */
};

static inline struct end *end_of(struct asyncio_protocol *protocol)
{
    return CONTAINER_OF(protocol, struct end, protocol);
}

static inline void end_made(struct asyncio_protocol *protocol, struct asyncio_transport *transport)
{
    struct end *end = end_of(protocol);

    end->transport = transport;
    end->is_made = true;
    trace("%s: made", end->name);
    if (end->on_made)
        end->on_made(end);
}

static inline void end_lost(struct asyncio_protocol *protocol, int error)
{
    struct end *end = end_of(protocol);

    if (end->received > 0)
        trace("%s: had %zu bytes, '%s'", end->name, end->received, end->text);
    trace("%s: lost, %s", end->name, said(error));
    EXPECT(!end->is_lost);
    EXPECT(asyncio_transport_is_closing(end->transport));
    end->is_lost = true;
    end->lost = error;
    end->transport = NULL;
}

static inline void end_paused(struct asyncio_protocol *protocol)
{
    end_of(protocol)->paused++;
    if (!end_of(protocol)->is_quiet)
        trace("%s: paused", end_of(protocol)->name);
}

static inline void end_resumed(struct asyncio_protocol *protocol)
{
    struct end *end = end_of(protocol);

    end->resumed++;
    if (!end->is_quiet)
        trace("%s: resumed", end->name);
    if (end->on_resumed)
        end->on_resumed(end);
}

static inline void end_data(struct asyncio_protocol *protocol, const void *data, size_t size)
{
    struct end *end = end_of(protocol);

    EXPECT(size > 0 && end->is_made && !end->is_lost);
    EXPECT(asyncio_transport_is_reading(end->transport));
    if (end->received < sizeof end->text - 1)
        memcpy(end->text + end->received, data, min_size(size, sizeof end->text - 1 - end->received));
    end->received += size;
    if (end->on_data)
        end->on_data(end);
}

static inline bool end_eof(struct asyncio_protocol *protocol)
{
    struct end *end = end_of(protocol);

    trace("%s: eof, closing %d", end->name, asyncio_transport_is_closing(end->transport));
    if (end->on_eof)
        end->on_eof(end);
    return true;
}

static inline void end_get_buffer(struct asyncio_protocol *protocol, size_t hint, void **ret_data, size_t *ret_size)
{
    (void)hint;
    *ret_data = end_of(protocol)->room;
    *ret_size = sizeof end_of(protocol)->room;
}

static inline void end_buffer_updated(struct asyncio_protocol *protocol, size_t size)
{
    EXPECT(size <= sizeof end_of(protocol)->room);
    end_data(protocol, end_of(protocol)->room, size);
}

static const struct asyncio_protocol_type reader_type = {
    .size = sizeof(struct asyncio_protocol_type),
    .name = "reader",
    .connection_made = end_made,
    .connection_lost = end_lost,
    .data_received = end_data,
    .eof_received = end_eof,
};

static const struct asyncio_protocol_type buffered_type = {
    .size = sizeof(struct asyncio_protocol_type),
    .name = "buffered",
    .connection_made = end_made,
    .connection_lost = end_lost,
    .get_buffer = end_get_buffer,
    .buffer_updated = end_buffer_updated,
    .eof_received = end_eof,
};

static const struct asyncio_protocol_type writer_type = {
    .size = sizeof(struct asyncio_protocol_type),
    .name = "writer",
    .connection_made = end_made,
    .connection_lost = end_lost,
    .pause_writing = end_paused,
    .resume_writing = end_resumed,
};

static struct end reader = {{&reader_type}, .name = "reader"}, writer = {{&writer_type}, .name = "writer"};

static inline struct asyncio_protocol *make_end(void *end)
{
    return &((struct end *)end)->protocol;
}

static inline int64_t perform(struct asyncio_op *op)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();

    return loop && asyncio_op_submit(loop, op) ? op->result : -EINVAL;
}

/* A pipe of the back end; -1 twice when there is none. */
static inline void make_pipe(int fds[2])
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_PIPE};
    bool is_there;

    EXPECT_INT(perform(&op), 0);
    is_there = op.result == 0;
    fds[0] = is_there ? op.make.fds[0] : -1;
    fds[1] = is_there ? op.make.fds[1] : -1;
}

static inline void make_socketpair(int fds[2])
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SOCKETPAIR, .make = {.domain = AF_UNIX, .type = SOCK_STREAM}};
    bool is_there;

    EXPECT_INT(perform(&op), 0);
    is_there = op.result == 0;
    fds[0] = is_there ? op.make.fds[0] : -1;
    fds[1] = is_there ? op.make.fds[1] : -1;
}

static inline void close_fd(int *fd)
{
    if (*fd >= 0)
        perform(&(struct asyncio_op){.opcode = ASYNCIO_OP_CLOSE, .fd = *fd});
    *fd = -1;
}

/* Writes at once into a raw fd, in as many pieces as it takes. */
static inline void put(int fd, const char *text)
{
    size_t size = strlen(text);
    int64_t n;

    for (; size > 0; text += n, size -= (size_t)n) {
        n = perform(&(struct asyncio_op){
            .opcode = ASYNCIO_OP_WRITE,
            .flags = ASYNCIO_OP_NOWAIT,
            .fd = fd,
            .buffer = {.data = (void *)(uintptr_t)text, .size = size},
        });
        if (n < 0)
            break;
    }
    EXPECT_INT(size, 0);
}

/* Reads at once from a raw fd. Returns: bytes; a negative error. */
static inline int64_t take(int fd, void *data, size_t size)
{
    return perform(&(struct asyncio_op){
        .opcode = ASYNCIO_OP_READ, .flags = ASYNCIO_OP_NOWAIT, .fd = fd, .buffer = {.data = data, .size = size}});
}

/* Reads a raw fd empty. Returns: bytes that were there. */
static inline size_t take_all(int fd)
{
    char data[4096];
    size_t total = 0;
    int64_t n;

    while ((n = take(fd, data, sizeof data)) > 0)
        total += (size_t)n;
    return total;
}

/* The fd belongs to the transport now, or is closed. */
static inline int open_reader(int *fd)
{
    int r = asyncio_loop_connect_read_pipe(asyncio_get_running_loop(), make_end, &reader, *fd, NULL, NULL);

    *fd = -1;
    EXPECT_INT(r, 0);
    return r;
}

static inline int open_writer(int *fd)
{
    int r = asyncio_loop_connect_write_pipe(asyncio_get_running_loop(), make_end, &writer, *fd, NULL, NULL);

    *fd = -1;
    EXPECT_INT(r, 0);
    return r;
}

/* Lets everything happen that is going to. */
static inline void settle(void)
{
    ASYNCIO_IGNORE(asyncio_sleep(1));
}

static inline int write_text(struct end *end, const char *text)
{
    return end->transport ? asyncio_transport_write(end->transport, text, strlen(text)) : -ENOTCONN;
}

/* Ends what a test has left, at the end of its main coroutine. */
static inline int end_all(int fds[2])
{
    if (reader.transport)
        asyncio_transport_abort(reader.transport);
    if (writer.transport)
        asyncio_transport_abort(writer.transport);
    settle();
    close_fd(&fds[0]);
    close_fd(&fds[1]);
    return 0;
}
