/* datagram_sides.h -- two transports of datagrams, each with a protocol that says what it is told. */
#pragma once

#include "datagram_rig.h"

/* A protocol that says what its transport tells it. */
struct side {
    struct asyncio_protocol protocol;
    const char *name;
    struct asyncio_transport *transport; /* while there is one */
    int n_made, n_received, n_errors, n_paused, n_resumed, n_lost, error;
    bool is_quiet;
    int number;                    /* what the last datagram began with */
    struct asyncio_address sender; /* of the last datagram */
    size_t size_at_pause;
    void (*on_received)(struct side *side);
    void (*on_error)(struct side *side);
};

static struct side left, right;

static inline struct side *side_of(struct asyncio_protocol *protocol)
{
    return (struct side *)(void *)protocol;
}

static inline void made(struct asyncio_protocol *protocol, struct asyncio_transport *transport)
{
    struct side *side = side_of(protocol);

    side->transport = transport;
    side->n_made++;
    trace("%s made", side->name);
}

static inline void lost(struct asyncio_protocol *protocol, int error)
{
    struct side *side = side_of(protocol);

    EXPECT(asyncio_transport_is_closing(side->transport));
    side->n_lost++;
    side->error = error;
    trace("%s lost%s%s", side->name, error ? ": " : "", error ? asyncio_errorname(error) : "");
    side->transport = NULL;
}

static inline void paused(struct asyncio_protocol *protocol)
{
    struct side *side = side_of(protocol);

    EXPECT_INT(side->n_paused, side->n_resumed);
    side->n_paused++;
    side->size_at_pause = asyncio_transport_get_write_buffer_size(side->transport);
    trace("%s pause", side->name);
}

static inline void resumed(struct asyncio_protocol *protocol)
{
    struct side *side = side_of(protocol);

    side->n_resumed++;
    EXPECT_INT(side->n_paused, side->n_resumed);
    trace("%s resume", side->name);
}

static inline void received(struct asyncio_protocol *protocol, const void *data, size_t size,
                            const struct asyncio_address *address)
{
    struct side *side = side_of(protocol);
    char digits[16];

    snprintf(digits, sizeof digits, "%.*s", (int)size, (const char *)data);
    side->n_received++;
    side->sender = *address;
    side->number = atoi(digits);
    if (!side->is_quiet)
        trace("%s got '%.*s'", side->name, (int)size, (const char *)data);
    if (side->on_received)
        side->on_received(side);
}

static inline void error_received(struct asyncio_protocol *protocol, int error)
{
    struct side *side = side_of(protocol);

    side->n_errors++;
    if (!side->is_quiet)
        trace("%s error %s", side->name, asyncio_errorname(error));
    if (side->on_error)
        side->on_error(side);
}

static const struct asyncio_protocol_type side_type = {
    .size = sizeof(struct asyncio_protocol_type),
    .name = "side",
    .connection_made = made,
    .connection_lost = lost,
    .pause_writing = paused,
    .resume_writing = resumed,
    .datagram_received = received,
    .error_received = error_received,
};

static inline struct asyncio_protocol *factory(void *arg)
{
    struct side *side = arg;

    side->protocol.type = &side_type;
    return &side->protocol;
}

#define OPEN(side, ...)                                                                                                \
    ({                                                                                                                 \
        struct asyncio_transport *transport_ = NULL;                                                                   \
        struct asyncio_protocol *protocol_ = NULL;                                                                     \
                                                                                                                       \
        noted(broken ? -EIO                                                                                            \
                     : asyncio_loop_create_datagram_endpoint(asyncio_get_running_loop(), factory, (side), &transport_, \
                                                             &protocol_, __VA_ARGS__));                                \
    })

static inline void begin(void)
{
    left = (struct side){.name = "L"};
    right = (struct side){.name = "R"};
}

/* Gives the callbacks their turns, and time. */
static inline void settle(void)
{
    for (int i = 0; i < 5; i++)
        ASYNCIO_IGNORE(asyncio_sleep(0.01));
}

/* Ends both sides and forgets what they say of it. */
static inline int finish(void)
{
    asyncio_transport_abort(left.transport);
    asyncio_transport_abort(right.transport);
    settle();
    EXPECT_INT(left.n_lost, left.n_made);
    EXPECT_INT(right.n_lost, right.n_made);
    trace_clear();
    return end();
}

static inline struct asyncio_address place_of(const struct side *side)
{
    struct asyncio_address address = {0};

    EXPECT_INT(noted(asyncio_transport_sockname(side->transport, &address)), 0);
    return address;
}

static inline int tell(struct side *side, const char *text, const struct asyncio_address *to)
{
    return noted(asyncio_transport_sendto(side->transport, text, strlen(text), to));
}

/* Two sides over Unix sockets that are connected to each other. */
static inline void open_sides(void)
{
    struct asyncio_socket *pair[2] = {NULL, NULL};

    begin();
    EXPECT_INT(noted(asyncio_socketpair(AF_UNIX, SOCK_DGRAM, 0, pair)), 0);
    if (!pair[0])
        return;
    if (OPEN(&left, .sock = pair[0]) < 0 && left.n_made == 0 && broken) {
        asyncio_socket_unref(pair[1]);
        return;
    }
    OPEN(&right, .sock = pair[1]);
    trace_clear();
}

/* Sends until the transport keeps something. Returns: how many it keeps then, one. */
static inline int fill_up(struct side *side)
{
    int n = 0;

    while (!broken && asyncio_transport_get_write_buffer_size(side->transport) == 0) {
        EXPECT_INT(noted(asyncio_transport_sendto(side->transport, "0123456789", 10, NULL)), 0);
        broken |= ++n == 10000 || side->n_errors > 0 || asyncio_transport_is_closing(side->transport);
    }
    return n;
}
