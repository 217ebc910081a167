/* endpoints.h -- opening a transport in a task, and waiting until its protocol is told so; for transports of all
 * kinds. */
#pragma once

#include "../loop/transports.h"
#include "lib.h"

/* A wait for a transport to open, on the stack of the task. */
struct asyncio__opening {
    struct asyncio_waiter waiter;
    struct asyncio_transport *transport;
    struct asyncio_protocol *protocol;
    char detail[192]; /* what is to be said about an error */
};

/* Prepares it. Returns: what the transport is to be opened with. */
struct asyncio__transport_options asyncio__opening_begin(struct asyncio__opening *opening,
                                                         asyncio_protocol_factory *factory, void *arg);

/* Waits until connection_made has been called for the transport, which was opened in this very turn; when the task goes
 * on, it has not been lost yet. `result`: of the opening, an error is passed on. Either of the pointers may be NULL.
 * Returns: 0; a negative error, with its detail. Cancelled: the transport is aborted; when it was open already, 0 is
 * returned and the cancel meets the next wait. */
int asyncio__opening_wait(struct asyncio__opening *opening, int result, struct asyncio_transport *transport,
                          struct asyncio_transport **ret_transport, struct asyncio_protocol **ret_protocol);
