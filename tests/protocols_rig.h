/* protocols_rig.h -- two ends of a connection, each a protocol that says what its transport tells it.
 *
 * What an end receives is told by lines, so that it does not matter in how many pieces they come. */
#pragma once

#include "crew.h"

#include <sys/socket.h>

struct end {
    struct asyncio_protocol protocol;
    const char *name;
    struct asyncio_transport *transport; /* while there is one */
    char line[128];
    size_t line_size, n_received;
    int n_made, n_paused, n_resumed, n_ended, n_lost, error;
    bool stays;    /* what eof_received returns */
    bool is_quiet; /* says nothing of data and of flow control */
    char memory[16];
    size_t room; /* of its memory, when it names any; 0: all */

    /* What it does beside telling; any may be NULL. */
    void (*on_made)(struct end *end);
    void (*on_line)(struct end *end);
    void (*on_received)(struct end *end);
    void (*on_paused)(struct end *end);
    void (*on_resumed)(struct end *end);
    void (*on_ended)(struct end *end);
    void (*on_lost)(struct end *end);
};

static struct end client, server_end;

static inline struct end *end_of(struct asyncio_protocol *protocol)
{
    return (struct end *)(void *)protocol;
}

static inline void and_then(void (*does)(struct end *end), struct end *end)
{
    if (does)
        does(end);
}

static inline void end_made(struct asyncio_protocol *protocol, struct asyncio_transport *transport)
{
    struct end *end = end_of(protocol);

    EXPECT(!end->transport);
    end->transport = transport;
    end->n_made++;
    trace("%s made", end->name);
    and_then(end->on_made, end);
}

static inline void end_lost(struct asyncio_protocol *protocol, int error)
{
    struct end *end = end_of(protocol);

    EXPECT_INT(end->n_lost, 0);
    EXPECT(asyncio_transport_is_closing(end->transport));
    if (end->line_size > 0 && !end->is_quiet)
        trace("%s got %.*s", end->name, (int)end->line_size, end->line);
    end->n_lost++;
    end->error = error;
    if (error)
        trace("%s lost: %s", end->name, asyncio_errorname(error));
    else
        trace("%s lost", end->name);
    and_then(end->on_lost, end);
    end->transport = NULL;
}

static inline void end_got(struct end *end, const char *data, size_t size)
{
    EXPECT(size > 0);
    end->n_received += size;
    for (size_t i = 0; i < size && !end->is_quiet; i++) {
        if (data[i] != '\n' && end->line_size < sizeof end->line - 1) {
            end->line[end->line_size++] = data[i];
            continue;
        }
        trace("%s got %.*s", end->name, (int)end->line_size, end->line);
        and_then(end->on_line, end);
        end->line_size = 0;
    }
    and_then(end->on_received, end);
}

static inline void end_received(struct asyncio_protocol *protocol, const void *data, size_t size)
{
    end_got(end_of(protocol), data, size);
}

static inline bool end_ended(struct asyncio_protocol *protocol)
{
    struct end *end = end_of(protocol);

    end->n_ended++;
    trace("%s eof", end->name);
    and_then(end->on_ended, end);
    return end->stays;
}

static inline void end_paused(struct asyncio_protocol *protocol)
{
    struct end *end = end_of(protocol);

    EXPECT_INT(end->n_paused, end->n_resumed);
    end->n_paused++;
    if (!end->is_quiet)
        trace("%s pause", end->name);
    and_then(end->on_paused, end);
}

static inline void end_resumed(struct asyncio_protocol *protocol)
{
    struct end *end = end_of(protocol);

    end->n_resumed++;
    EXPECT_INT(end->n_paused, end->n_resumed);
    if (!end->is_quiet)
        trace("%s resume", end->name);
    and_then(end->on_resumed, end);
}

static inline void end_buffer(struct asyncio_protocol *protocol, size_t hint, void **ret_data, size_t *ret_size)
{
    struct end *end = end_of(protocol);

    (void)hint;
    memset(end->memory, '?', sizeof end->memory);
    *ret_data = end->memory;
    *ret_size = end->room ? end->room : sizeof end->memory;
}

static inline void end_updated(struct asyncio_protocol *protocol, size_t size)
{
    struct end *end = end_of(protocol);

    EXPECT(size <= sizeof end->memory);
    end_got(end, end->memory, size);
}

static const struct asyncio_protocol_type data_type = {
    .size = sizeof(struct asyncio_protocol_type),
    .name = "end",
    .connection_made = end_made,
    .connection_lost = end_lost,
    .pause_writing = end_paused,
    .resume_writing = end_resumed,
    .data_received = end_received,
    .eof_received = end_ended,
};

static const struct asyncio_protocol_type buffered_type = {
    .size = sizeof(struct asyncio_protocol_type),
    .name = "buffered end",
    .connection_made = end_made,
    .connection_lost = end_lost,
    .pause_writing = end_paused,
    .resume_writing = end_resumed,
    .get_buffer = end_buffer,
    .buffer_updated = end_updated,
    .eof_received = end_ended,
};

/* Two ends that do nothing but tell. */
static inline void prepare_ends(void)
{
    client = (struct end){.protocol = {&data_type}, .name = "C"};
    server_end = (struct end){.protocol = {&data_type}, .name = "S"};
}

/* ----------------------------------------------------------------------------------------------------- Over a pair */

/* Lets things come to rest; operations of the simulator may take several turns. */
static inline void settle(void)
{
    ASYNCIO_IGNORE(asyncio_sleep(0.0001));
}

static inline struct asyncio_transport *open_end(struct end *end, int fd)
{
    struct asyncio_transport *transport = NULL;

    EXPECT_INT(asyncio_transport_open(asyncio_get_running_loop(), fd, &end->protocol, &transport), 0);
    return transport;
}

static inline void make_pair(int fds[2])
{
    struct asyncio_op op = {.opcode = ASYNCIO_OP_SOCKETPAIR,
                            .make = {.domain = AF_UNIX, .type = SOCK_STREAM, .fds = {-1, -1}}};

    EXPECT(asyncio_op_submit(asyncio_get_running_loop(), &op));
    EXPECT_INT(op.result, 0);
    fds[0] = op.result == 0 ? op.make.fds[0] : -1;
    fds[1] = op.result == 0 ? op.make.fds[1] : -1;
}

/* Opens both ends, which prepare_ends has made. */
static inline void open_ends(void)
{
    int fds[2];

    make_pair(fds);
    if (fds[0] < 0)
        return;
    open_end(&server_end, fds[0]);
    open_end(&client, fds[1]);
    settle();
}

/* The same with ends that only tell, and without what they tell first. */
static inline void open_plain_ends(void)
{
    prepare_ends();
    open_ends();
    trace_clear();
}

static inline int say(struct end *end, const char *text)
{
    return asyncio_transport_write(end->transport, text, strlen(text));
}

/* What is still open goes, unheard. */
static inline void end_ends(void)
{
    client.on_lost = server_end.on_lost = NULL;
    asyncio_transport_abort(client.transport);
    asyncio_transport_abort(server_end.transport);
    settle();
    trace_clear();
}

/* Writes until so much is kept that it is more than `high`; the other end has to have stopped reading. Returns: how
 * many bytes were written. */
static inline size_t fill_up(struct end *end, size_t high)
{
    static char block[4096];
    size_t written = 0;

    test_spare(ASYNCIO__SHORT_TRANSFERS, "what is kept is what the kernel has no room for");
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 10000 && asyncio_transport_get_write_buffer_size(end->transport) <= high; i++) {
        if (asyncio_transport_write(end->transport, block, sizeof block) < 0 || !end->transport)
            break;
        written += sizeof block;
        if (i % 16 == 15)
            settle();
    }
    return written;
}
