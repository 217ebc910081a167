/* transport_sendfile.c -- a file through a transport: who sends it stands in the protocol's place as to writing, and
 * the transport's memory is held, because it may be lost at every wait. */
#include "../loop/transports.h"
#include "sendfile.h"

struct sending {
    struct asyncio__transfer transfer;
    struct asyncio__filler filler;
    struct asyncio_transport *transport;
    struct asyncio_waiter *waiter; /* while it waits for room */
};

static struct sending *of(struct asyncio__transfer *transfer)
{
    return CONTAINER_OF(transfer, struct sending, transfer);
}

static const struct asyncio_wait_kind room_kind = {
    .name = "room in a transport's buffer",
    .late = ASYNCIO_LATE_CANCEL,
};

static void room(struct asyncio__filler *filler)
{
    struct sending *sending = CONTAINER_OF(filler, struct sending, filler);

    if (sending->waiter)
        asyncio_unpark(sending->waiter, 0);
}

/* Waits until no more than the low mark is kept. Returns: 0; what has ended the connection; -ECANCELED. */
static int await_room(struct sending *sending)
{
    int r = 0;

    while (r == 0 && asyncio__transport_is_full(sending->transport)) {
        struct asyncio_waiter waiter;

        r = asyncio_waiter_init(&waiter, &room_kind, sending->transport);
        sending->waiter = &waiter;
        if (r == 0)
            r = (int)asyncio_park(&waiter);
        sending->waiter = NULL;
    }
    return r < 0 ? r : sending->filler.error;
}

/* By the kernel, behind everything that was written before. */
static int64_t perform(struct asyncio__transfer *transfer, struct asyncio_op *op)
{
    struct sending *sending = of(transfer);
    int64_t r = await_room(sending);

    if (r == 0)
        r = asyncio_io_point();
    if (r == 0 && asyncio_transport_is_closing(sending->transport))
        r = sending->filler.error < 0 ? sending->filler.error : -ASYNCIO_ECLOSED;
    if (r < 0)
        return r;
    op->fd = asyncio_transport_fileno(sending->transport);
    r = asyncio_op_park(op);
    return r == -ASYNCIO_ECLOSED && sending->filler.error < 0 ? sending->filler.error : r;
}

/* By the transport. */
static int64_t send_piece(struct asyncio__transfer *transfer, const void *data, size_t size, size_t *ret_sent)
{
    struct sending *sending = of(transfer);
    int64_t r = await_room(sending);

    if (r == 0)
        r = asyncio_io_point();
    if (r == 0 && sending->filler.error < 0)
        r = sending->filler.error;
    if (r == 0)
        r = asyncio__transport_fill(sending->transport, data, size);
    *ret_sent = r == 0 ? size : 0;
    return r;
}

int64_t asyncio_loop_sendfile_kw(struct asyncio_loop *loop, struct asyncio_transport *transport, int file,
                                 const struct asyncio_sendfile_kw *kw)
{
    struct sending sending = {
        .transfer = {.perform = perform, .send = send_piece, .file = file},
        .filler = {.room = room},
        .transport = transport,
    };
    bool was_reading;
    int64_t r;

    if (!loop || !transport || transport->loop != loop || !asyncio__transport_is_socket(transport) ||
        !asyncio__transfer_plan(&sending.transfer, kw))
        return -EINVAL;
    r = asyncio__may_wait(loop, &loop);
    if (r == 0)
        r = asyncio__transport_begin_filling(transport, &sending.filler);
    if (r < 0)
        return r;
    if (transport->kind->tls(transport))
        sending.transfer.perform = NULL;
    asyncio__transport_hold(transport);
    was_reading = asyncio_transport_is_reading(transport);
    asyncio_transport_pause_reading(transport);
    r = asyncio__transfer(&sending.transfer, kw && kw->no_fallback);
    asyncio__transport_end_filling(transport);
    if (was_reading)
        asyncio_transport_resume_reading(transport);
    asyncio__transport_drop(transport);
    return r;
}
