/* streamreaderprotocol.c -- StreamReaderProtocol: a protocol that feeds a reader, so that what a transport brings is
 * read in straight-line code, and in which a task waits for room and for the end. */
#include "lib.h"

static struct asyncio_streamreaderprotocol *of(struct asyncio_protocol *protocol)
{
    return CONTAINER_OF(protocol, struct asyncio_streamreaderprotocol, protocol);
}

static void pause_reading(void *arg)
{
    struct asyncio_streamreaderprotocol *self = arg;

    asyncio_transport_pause_reading(self->transport);
}

static void resume_reading(void *arg)
{
    struct asyncio_streamreaderprotocol *self = arg;

    asyncio_transport_resume_reading(self->transport);
}

static void made(struct asyncio_protocol *protocol, struct asyncio_transport *transport)
{
    of(protocol)->transport = transport;
    asyncio_event_set(&of(protocol)->room);
}

static void lost(struct asyncio_protocol *protocol, int error)
{
    struct asyncio_streamreaderprotocol *self = of(protocol);

    self->transport = NULL;
    if (self->error == 0)
        self->error = error;
    if (self->error < 0)
        asyncio_streamreader_set_exception(self->reader, self->error);
    else
        asyncio_streamreader_feed_eof(self->reader);
    asyncio_event_set(&self->room);
    asyncio_event_set(&self->gone);
}

static void pause_writing(struct asyncio_protocol *protocol)
{
    asyncio_event_clear(&of(protocol)->room);
}

static void resume_writing(struct asyncio_protocol *protocol)
{
    asyncio_event_set(&of(protocol)->room);
}

/* A gap in what is read would be worse than its end. */
static void received(struct asyncio_protocol *protocol, const void *data, size_t size)
{
    struct asyncio_streamreaderprotocol *self = of(protocol);
    int r = asyncio_streamreader_feed_data(self->reader, data, size);

    if (r >= 0)
        return;
    self->error = r;
    asyncio_transport_abort(self->transport);
}

/* Half of the connection stays, where there are halves. */
static bool ended(struct asyncio_protocol *protocol)
{
    asyncio_streamreader_feed_eof(of(protocol)->reader);
    return asyncio_transport_can_write_eof(of(protocol)->transport);
}

static const struct asyncio_protocol_type type = {
    .size = sizeof type,
    .name = "StreamReaderProtocol",
    .connection_made = made,
    .connection_lost = lost,
    .pause_writing = pause_writing,
    .resume_writing = resume_writing,
    .data_received = received,
    .eof_received = ended,
};

int asyncio_streamreaderprotocol_init(struct asyncio_streamreaderprotocol *protocol, size_t limit)
{
    struct asyncio_streamreader *reader;
    int r;

    if (!protocol)
        return -EINVAL;
    r = asyncio_streamreader(&reader, .limit = limit, .pause = pause_reading, .resume = resume_reading,
                             .arg = protocol);
    if (r < 0)
        return r;
    *protocol = (struct asyncio_streamreaderprotocol){.protocol = {&type}, .reader = reader};
    return 0;
}

void asyncio_streamreaderprotocol_fini(struct asyncio_streamreaderprotocol *protocol)
{
    if (!protocol)
        return;
    assert(!protocol->transport);
    protocol->reader = asyncio_streamreader_unref(protocol->reader);
}

struct asyncio_protocol *asyncio_streamreaderprotocol(void *protocol)
{
    return &((struct asyncio_streamreaderprotocol *)protocol)->protocol;
}

/* What a call returns when there is no transport any more, or not yet. */
static int gone(const struct asyncio_streamreaderprotocol *protocol)
{
    return protocol->error < 0 ? protocol->error : -ECONNRESET;
}

int asyncio_streamreaderprotocol_write(struct asyncio_streamreaderprotocol *protocol, const void *data, size_t size)
{
    int r;

    if (!protocol)
        return -EINVAL;
    if (!protocol->transport)
        return gone(protocol);
    r = asyncio_transport_write(protocol->transport, data, size);
    if (r == 0)
        r = asyncio_io_point();
    if (r == 0)
        r = asyncio_event_wait(&protocol->room);
    if (r < 0)
        return r;
    return protocol->transport ? 0 : gone(protocol);
}

int asyncio_streamreaderprotocol_close(struct asyncio_streamreaderprotocol *protocol)
{
    int r;

    if (!protocol)
        return -EINVAL;
    if (protocol->transport) {
        asyncio_transport_close(protocol->transport);
        r = asyncio_event_wait(&protocol->gone);
        if (r < 0)
            return r;
    }
    return protocol->error;
}
