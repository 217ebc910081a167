/* endpoints.c -- connections by protocols: what waits until a transport is there, or until it has changed to TLS. */
#include "endpoints.h"

#include "../task/task.h"
#include "connections.h"
#include "sockets.h"
#include "tls_keywords.h"

/* --------------------------------------------------------------------------------------------------------- Waiting */

/* Nobody waits any more: what is not open yet shall not be. */
static enum asyncio_cancel_answer cancel_opening(struct asyncio_waiter *waiter)
{
    struct asyncio__opening *opening = CONTAINER_OF(waiter, struct asyncio__opening, waiter);

    opening->transport->opened = NULL;
    asyncio_transport_abort(opening->transport);
    return ASYNCIO_CANCELLED;
}

static const struct asyncio_wait_kind opening_kind = {
    .name = "a transport to open",
    .late = ASYNCIO_LATE_KEEP,
    .cancel = cancel_opening,
};

static void explain(struct asyncio__opening *opening, const struct asyncio_transport *transport, int error)
{
    const struct asyncio__tls *tls = transport->kind->tls ? transport->kind->tls(transport) : NULL;
    const char *text = tls ? asyncio__tls_detail(tls) : "";

    if (error == -ASYNCIO_EINVALIDSTATE && !*text)
        text = "the factory has made no protocol";
    snprintf(opening->detail, sizeof opening->detail, "%s", text);
}

static void opened(struct asyncio_transport *transport, void *owner, int error)
{
    struct asyncio__opening *opening = owner;

    opening->protocol = transport->protocol;
    if (error < 0)
        explain(opening, transport, error);
    asyncio_unpark(&opening->waiter, error);
}

struct asyncio__transport_options asyncio__opening_begin(struct asyncio__opening *opening,
                                                         asyncio_protocol_factory *factory, void *arg)
{
    *opening = (struct asyncio__opening){.detail = ""};
    return (struct asyncio__transport_options){.factory = factory, .arg = arg, .opened = opened, .owner = opening};
}

/* Waits for `opened`. */
static int await_opened(struct asyncio__opening *opening, struct asyncio_transport *transport)
{
    int r = asyncio_waiter_init(&opening->waiter, &opening_kind, transport);

    assert(r == 0);
    opening->transport = transport;
    r = (int)asyncio_park(&opening->waiter);
    if (r < 0 && opening->detail[0])
        asyncio__set_detail("%s", opening->detail);
    return r;
}

int asyncio__opening_wait(struct asyncio__opening *opening, int result, struct asyncio_transport *transport,
                          struct asyncio_transport **ret_transport, struct asyncio_protocol **ret_protocol)
{
    int r = result < 0 ? result : await_opened(opening, transport);

    if (r < 0)
        return r;
    if (ret_transport)
        *ret_transport = transport;
    if (ret_protocol)
        *ret_protocol = opening->protocol;
    return 0;
}

/* ------------------------------------------------------------------------------------------------------ Connecting */

static const struct asyncio_connection_kw no_keywords = {.size = sizeof no_keywords};

/* A socket that came with a call that fails has been taken over, too. */
static int refuse(struct asyncio_socket *socket, int error)
{
    asyncio_socket_unref(socket);
    return error;
}

/* What is needed beside an fd to make a transport of it. */
struct plan {
    struct asyncio_loop *loop;
    asyncio_protocol_factory *factory;
    void *arg;
    struct asyncio__conn_tls tls;
    int64_t close_ns;
};

/* What stands against a call before it does anything. */
static int check(const struct plan *plan)
{
    struct asyncio_loop *loop;

    return plan->loop && plan->factory ? asyncio__may_wait(plan->loop, &loop) : -EINVAL;
}

/* Makes a transport of a connected fd, or passes an error on. */
static int open_transport(const struct plan *plan, int fd, struct asyncio_transport **ret_transport,
                          struct asyncio_protocol **ret_protocol)
{
    struct asyncio_transport *transport = NULL;
    struct asyncio__transport_options options;
    struct asyncio__opening opening;
    int r;

    if (fd < 0)
        return fd;
    options = asyncio__opening_begin(&opening, plan->factory, plan->arg);
    r = asyncio__transport_open(plan->loop, fd, plan->close_ns, plan->tls.options.context ? &plan->tls : NULL, &options,
                                &transport);
    return asyncio__opening_wait(&opening, r, transport, ret_transport, ret_protocol);
}

/* Reads the keywords that say what becomes of the connection. */
static int plan_connection(struct plan *plan, const struct asyncio_connection_kw *kw, const char *host)
{
    int r = check(plan);

    if (r == 0)
        r = asyncio__tls_of_connection(kw, host, &plan->tls);
    return r < 0 ? r : asyncio__close_ns_of(kw->close_timeout, &plan->close_ns);
}

int asyncio_loop_create_connection_kw(struct asyncio_loop *loop, asyncio_protocol_factory *factory, void *arg,
                                      const char *host, int port, struct asyncio_transport **ret_transport,
                                      struct asyncio_protocol **ret_protocol, const struct asyncio_connection_kw *kw)
{
    struct plan plan = {.loop = loop, .factory = factory, .arg = arg};
    int r;

    kw = kw ? kw : &no_keywords;
    r = plan_connection(&plan, kw, host);
    if (r < 0)
        return refuse(kw->sock, r);
    return open_transport(&plan, asyncio__connect(host, port, kw), ret_transport, ret_protocol);
}

int asyncio_loop_create_unix_connection_kw(struct asyncio_loop *loop, asyncio_protocol_factory *factory, void *arg,
                                           const char *path, struct asyncio_transport **ret_transport,
                                           struct asyncio_protocol **ret_protocol,
                                           const struct asyncio_connection_kw *kw)
{
    struct plan plan = {.loop = loop, .factory = factory, .arg = arg};
    int r;

    kw = kw ? kw : &no_keywords;
    r = plan_connection(&plan, kw, NULL);
    if (r < 0)
        return refuse(kw->sock, r);
    return open_transport(&plan, asyncio__connect_unix(path, kw), ret_transport, ret_protocol);
}

int asyncio_loop_connect_accepted_socket_kw(struct asyncio_loop *loop, asyncio_protocol_factory *factory, void *arg,
                                            struct asyncio_socket *sock, struct asyncio_transport **ret_transport,
                                            struct asyncio_protocol **ret_protocol,
                                            const struct asyncio_accepted_kw *kw)
{
    struct plan plan = {.loop = loop, .factory = factory, .arg = arg};
    int r = sock ? check(&plan) : -EINVAL;

    if (r == 0 && kw)
        r = asyncio__tls_of_accepted(kw, &plan.tls);
    if (r == 0)
        r = asyncio__close_ns_of(kw ? kw->close_timeout : 0, &plan.close_ns);
    if (r < 0)
        return refuse(sock, r);
    return open_transport(&plan, asyncio__connect(NULL, 0, &(const struct asyncio_connection_kw){.sock = sock}),
                          ret_transport, ret_protocol);
}

/* ------------------------------------------------------------------------------------------------------------- TLS */

int asyncio_loop_start_tls_kw(struct asyncio_loop *loop, struct asyncio_transport *transport,
                              struct asyncio_protocol *protocol, struct asyncio_ssl_context *context,
                              const struct asyncio_start_tls_kw *kw)
{
    struct asyncio__opening opening = {.detail = ""};
    struct asyncio__conn_tls tls;
    int r;

    if (!loop || !transport || !context || transport->loop != loop || !asyncio__transport_is_socket(transport))
        return -EINVAL;
    r = asyncio__tls_of_start(kw, context, &tls);
    if (r == 0)
        r = asyncio__may_wait(loop, &loop);
    if (r == 0 && protocol && !asyncio__transport_accepts(transport, protocol))
        r = -EINVAL;
    if (r == 0 && transport->filler)
        r = -EBUSY;
    if (r == 0)
        r = asyncio__transport_start_tls(transport, &tls, opened, &opening);
    if (r < 0)
        return r;
    if (protocol)
        asyncio_transport_set_protocol(transport, protocol);
    return await_opened(&opening, transport);
}
