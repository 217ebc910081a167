/* subprocess_protocols.c -- processes by protocols: what waits until their transport is open. */
#include "../loop/subprocess_transports.h"

#include "endpoints.h"
#include "subprocess.h"

/* Starts what has been prepared. */
static int open_transport(struct asyncio_loop *loop, asyncio_protocol_factory *factory, void *arg,
                          struct asyncio__start *start, struct asyncio_transport **ret_transport,
                          struct asyncio_protocol **ret_protocol)
{
    struct asyncio_transport *transport = NULL;
    struct asyncio__opening opening;
    struct asyncio__transport_options options = asyncio__opening_begin(&opening, factory, arg);
    int r = asyncio__subprocess_open(loop, &start->spawn, &start->pipes, &options, &transport, &start->failure);

    r = asyncio__start_end(start, r);
    return asyncio__opening_wait(&opening, r, transport, ret_transport, ret_protocol);
}

static int run(struct asyncio_loop *loop, asyncio_protocol_factory *factory, void *arg, struct asyncio__start *start,
               struct asyncio_transport **ret_transport, struct asyncio_protocol **ret_protocol,
               const struct asyncio_subprocess_kw *kw)
{
    struct asyncio_loop *running;
    int r = loop && factory ? asyncio__may_wait(loop, &running) : -EINVAL;

    if (r == 0)
        r = asyncio_io_point();
    if (r == 0)
        r = asyncio__start_prepare(start, loop, ASYNCIO_PIPE, kw);
    return r < 0 ? r : open_transport(loop, factory, arg, start, ret_transport, ret_protocol);
}

int asyncio_loop_subprocess_exec_kw(struct asyncio_loop *loop, asyncio_protocol_factory *factory, void *arg,
                                    const char *const *argv, struct asyncio_transport **ret_transport,
                                    struct asyncio_protocol **ret_protocol, const struct asyncio_subprocess_kw *kw)
{
    struct asyncio__start start;

    asyncio__start_program(&start, argv);
    return run(loop, factory, arg, &start, ret_transport, ret_protocol, kw);
}

int asyncio_loop_subprocess_shell_kw(struct asyncio_loop *loop, asyncio_protocol_factory *factory, void *arg,
                                     const char *command, struct asyncio_transport **ret_transport,
                                     struct asyncio_protocol **ret_protocol, const struct asyncio_subprocess_kw *kw)
{
    struct asyncio__start start;

    asyncio__start_shell(&start, command);
    return run(loop, factory, arg, &start, ret_transport, ret_protocol, kw);
}
