/* pipes.c -- the ends of pipes by protocols: what waits until their transport is open. */
#include "../loop/pipes.h"

#include "../task/task.h"
#include "endpoints.h"
#include "sockets.h"

/* A call that has taken the fd over and fails. */
static int refuse(struct asyncio_loop *loop, int fd, int error)
{
    if (loop && error != -EINVAL)
        asyncio__fd_close(loop, fd);
    return error;
}

static int check(struct asyncio_loop *loop, int fd, enum asyncio__pipe_end end)
{
    struct asyncio_loop *running;
    const char *why = NULL;
    int r = asyncio__may_wait(loop, &running);

    if (r == 0)
        r = asyncio__pipe_check(loop, fd, end, &why);
    if (why)
        asyncio__set_detail("fd %d: %s", fd, why);
    return r;
}

static int connect_pipe(struct asyncio_loop *loop, asyncio_protocol_factory *factory, void *arg, int fd,
                        enum asyncio__pipe_end end, struct asyncio_transport **ret_transport,
                        struct asyncio_protocol **ret_protocol)
{
    struct asyncio_transport *transport = NULL;
    struct asyncio__transport_options options;
    struct asyncio__opening opening;
    int r = loop && factory && fd >= 0 ? check(loop, fd, end) : -EINVAL;

    if (r < 0)
        return refuse(loop, fd, r);
    options = asyncio__opening_begin(&opening, factory, arg);
    r = asyncio__pipe_open(loop, fd, end, &options, &transport);
    return asyncio__opening_wait(&opening, r, transport, ret_transport, ret_protocol);
}

int asyncio_loop_connect_read_pipe(struct asyncio_loop *loop, asyncio_protocol_factory *factory, void *arg, int fd,
                                   struct asyncio_transport **ret_transport, struct asyncio_protocol **ret_protocol)
{
    return connect_pipe(loop, factory, arg, fd, ASYNCIO__PIPE_READ, ret_transport, ret_protocol);
}

int asyncio_loop_connect_write_pipe(struct asyncio_loop *loop, asyncio_protocol_factory *factory, void *arg, int fd,
                                    struct asyncio_transport **ret_transport, struct asyncio_protocol **ret_protocol)
{
    return connect_pipe(loop, factory, arg, fd, ASYNCIO__PIPE_WRITE, ret_transport, ret_protocol);
}
